//! What `jit` does to a graph before it writes it as StableHLO: the same program with fewer equations.
use super::{cse::cse_here, dce::sweep, fold::fold_here};
use crate::{
    graph::{Eqn, Graph},
    inner::InnerGraph,
};

/// What one pass of [`optimize`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Its name.
    pub name: &'static str,
    /// How many equations it removed, those of inner graphs included.
    pub removed: usize,
}

/// The passes between two sweeps.
const MIDDLE: [fn(&mut Graph); 2] = [fold_here, cse_here];

/// The graph after [`dce`](super::dce), [`fold`](super::fold), [`cse`](super::cse) and again `dce`, also in the graphs
/// inside it. The second result tells what each pass did, in this order.
pub fn optimize(g: &Graph) -> (Graph, Vec<Pass>) {
    let mut removed = [0; MIDDLE.len() + 2];
    let (graph, _) = optimized(g, &mut removed);
    let names = ["dce", "fold", "cse", "dce"].into_iter().zip(removed);
    (graph, names.map(|(name, removed)| Pass { name, removed }).collect())
}

/// The graph, and which of its inputs are read.
fn optimized(g: &Graph, removed: &mut [usize]) -> (Graph, Vec<bool>) {
    let mut left = g.count();
    let mut g = g.clone();
    sweep(&mut g);
    removed[0] += left - g.count();
    g.eqns.iter_mut().for_each(|e| inside(e, removed));
    left = g.count();
    for (pass, removed) in MIDDLE.iter().zip(&mut removed[1..]) {
        pass(&mut g);
        *removed += left - g.count();
        left = g.count();
    }
    let (used, _) = sweep(&mut g);
    *removed.last_mut().expect("one for each pass") += left - g.count();
    debug_assert_eq!(g.verify(), Ok(()), "a pass made an invalid graph:\n{g}");
    (g, used)
}

/// Optimize the graphs inside an equation.
fn inside(e: &mut Eqn, removed: &mut [usize]) {
    let smaller = |g: &InnerGraph| {
        let (g, used) = optimized(g, removed);
        InnerGraph::pruned(g, &used)
    };
    if let Some(prim) = e.prim.map_graphs(smaller) {
        e.prim = prim;
    }
}
