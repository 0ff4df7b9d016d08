//! What `jit` does to a graph before it writes it as StableHLO: the same program with fewer equations.
use super::{cse::cse_here, dce::sweep, fold::fold_here};
use crate::graph::{Eqn, Graph};

/// What one pass of [`optimize`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Its name.
    pub name: &'static str,
    /// How many equations it removed, those of inner graphs included.
    pub removed: usize,
}

/// The passes after the first, which is `sweep`.
const REST: [fn(&mut Graph); 3] = [fold_here, cse_here, |g| drop(sweep(g))];

/// The graph after [`dce`](super::dce), [`fold`](super::fold), [`cse`](super::cse) and again `dce`, also in the graphs
/// inside it. The second result tells what each pass did, in this order.
pub fn optimize(g: &Graph) -> (Graph, Vec<Pass>) {
    let mut removed = [0; 1 + REST.len()];
    let graph = optimized(g, &mut removed);
    let names = ["dce", "fold", "cse", "dce"].into_iter().zip(removed);
    (graph, names.map(|(name, removed)| Pass { name, removed }).collect())
}

fn optimized(g: &Graph, removed: &mut [usize]) -> Graph {
    let mut left = g.count();
    let mut g = g.clone();
    sweep(&mut g);
    removed[0] += left - g.count();
    g.eqns.iter_mut().for_each(|e| inside(e, removed));
    left = g.count();
    for (pass, removed) in REST.iter().zip(&mut removed[1..]) {
        pass(&mut g);
        *removed += left - g.count();
        left = g.count();
    }
    debug_assert_eq!(g.verify(), Ok(()), "a pass made an invalid graph:\n{g}");
    g
}

/// Optimize the graphs inside an equation.
fn inside(e: &mut Eqn, removed: &mut [usize]) {
    if let Some(prim) = e.prim.map_graphs(|g| optimized(g, removed)) {
        e.prim = prim;
    }
}
