//! Removal of what no result needs.
use super::linearize::chosen;
use crate::graph::{Eqn, Graph};

/// A graph without dead equations.
pub struct Pruned {
    /// The graph: the same inputs, the kept outputs.
    pub graph: Graph,
    /// Which inputs are still read.
    pub used: Vec<bool>,
}

/// Keep the outputs in `keep` and what they need; operations with side effects stay.
pub fn dce(g: &Graph, keep: &[bool]) -> Pruned {
    let mut graph = g.clone();
    let mut keep = keep.iter();
    graph.outs.retain(|_| *keep.next().expect("one per output"));
    let live = sweep(&mut graph);
    let used = graph.ins.iter().map(|v| live[*v as usize]).collect();
    Pruned { graph, used }
}

/// Remove what no result needs, in place. Returns which values are read.
pub(super) fn sweep(g: &mut Graph) -> Vec<bool> {
    let mut live = vec![false; g.avals.len()];
    g.outs.iter().for_each(|v| live[*v as usize] = true);
    let mut keep = vec![true; g.eqns.len()];
    for (e, keep) in g.eqns.iter_mut().zip(&mut keep).rev() {
        let used = e.outs.iter().filter(|v| live[**v as usize]).count();
        if used == 0 && !e.prim.has_effect() {
            *keep = false;
            continue;
        }
        // graphs inside may ignore some of their inputs: then the equation can do without these operands
        if used < e.outs.len() || e.prim.inner().is_some() {
            let used: Vec<bool> = e.outs.iter().map(|v| live[*v as usize]).collect();
            *e = without_unused(e, &used);
        }
        e.ins.iter().for_each(|v| live[*v as usize] = true);
    }
    let mut keep = keep.into_iter();
    g.eqns.retain(|_| keep.next() == Some(true));
    live
}

fn without_unused(e: &Eqn, used: &[bool]) -> Eqn {
    let Some(less) = e.prim.inner().and_then(|inner| inner.prune(used)) else { return e.clone() };
    Eqn { prim: less.prim, ins: chosen(&e.ins, &less.ins), outs: chosen(&e.outs, &less.outs), site: e.site.clone() }
}
