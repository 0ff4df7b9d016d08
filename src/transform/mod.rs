//! Transformations of graphs, one pass each, and their closure-taking front ends.
//!
//! Every pass walks a graph's equations and calls one rule of each primitive; none knows a concrete primitive.
//!
//! * Forward mode ([`jvp`]) replays a graph and calls each primitive's `jvp`.
//! * Reverse mode ([`vjp`], [`grad`]) is two passes: [`linearize`](mod@linearize) runs the same rules with two
//!   traces, one for values and one for what is linear in the tangents; [`backward`] walks the linear graph from
//!   its end and calls `transpose`. What the linear graph uses of the values is what must be kept.
//! * [`vmap`] replays a graph and calls `batch` ([`batch`]).
//! * [`dce`] drops what no result needs, [`effects`] what is more than computing results.
pub mod backward;
pub mod batch;
pub mod dce;
pub mod effects;
mod grad;
mod jacobian;
pub mod linearize;
mod residuals;
mod vmap;
pub use grad::{grad, jvp, linearize, value_and_grad, value_and_grad_aux, vjp};
pub use jacobian::{hessian, jacfwd, jacrev};
pub use vmap::{Axis, AxisTree, PerLeaf, VmapOptions, vmap, vmap_axes, vmap_with};
