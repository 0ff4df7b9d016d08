//! Transformations of graphs, one pass each, and the functions on closures that users call.
//!
//! Every pass walks a graph's equations and calls one rule of each primitive; none knows a concrete primitive.
//!
//! * Forward mode ([`jvp`]) replays a graph and calls each primitive's `jvp`.
//! * Reverse mode ([`vjp`], [`grad`]) is two passes: [`linearize`](mod@linearize) runs the same rules with two
//!   traces, one for values and one for what is linear in the tangents; [`backward`] walks the linear graph from
//!   its end and calls `transpose`. What the linear graph uses of the values is what must be kept.
//! * [`vmap`] replays a graph and calls `batch` ([`batch`]).
//! * [`dce`](mod@dce) drops what no result needs, [`fold`](mod@fold) computes what is known, [`cse`](mod@cse) merges what
//!   is computed twice. `jit` runs all of them before it lowers a graph: [`optimize`](optimize()).
//! * [`runs`] splits a graph in two for `remat`.
//! * [`varying`] keeps track of what differs between devices inside `shard_map`.
//! * [`effects`] drops side effects, for runs that repeat another one.
//! * `reports` makes results of what the host is called with, for platforms whose programs cannot call it.
//!
//! Graphs inside operations remember what a pass made of them (`inside`), so that the work grows with the size of a program and
//! not with how deeply it is nested.
use crate::graph::Graph;

pub mod backward;
pub mod batch;
pub mod cse;
pub mod dce;
pub mod effects;
pub mod fold;
mod grad;
pub mod holomorphic;
mod inside;
mod jacobian;
pub mod linearize;
mod optimize;
pub(crate) mod reports;
mod residuals;
pub mod runs;
pub mod varying;
mod vmap;
pub(crate) use grad::leaf_name;
pub use grad::{grad, jvp, linearize, value_and_grad, value_and_grad_aux, vjp};
pub use jacobian::{hessian, jacfwd, jacrev};
pub use optimize::{Pass, optimize};
pub(crate) use vmap::ONE_PER_LEAF;
pub use vmap::{Axis, AxisTree, PerLeaf, VmapOptions, vmap, vmap_axes, vmap_with};

/// Apply a pass to the graphs inside, then to the graph.
fn everywhere(g: &Graph, pass: &mut dyn FnMut(&mut Graph)) -> Graph {
    let mut g = g.clone();
    for e in &mut g.eqns {
        if let Some(prim) = e.prim.map_graphs(|g| everywhere(g, pass).into()) {
            e.prim = prim;
        }
    }
    pass(&mut g);
    debug_assert_eq!(g.verify(), Ok(()), "a pass made an invalid graph:\n{g}");
    g
}
