//! Removal of what no result needs.
use super::linearize::chosen;
use crate::graph::{Eqn, Graph};

/// A graph without dead equations.
pub struct Pruned<G = Graph> {
    /// The graph: the same inputs, the kept outputs.
    pub graph: G,
    /// Which inputs are still read.
    pub used: Vec<bool>,
}

/// Keep the outputs in `keep` and what they need; operations with side effects stay.
pub fn dce(g: &Graph, keep: &[bool]) -> Pruned {
    dce_changed(g, keep).0
}
/// As [`dce`]; tells also whether anything changed.
pub(crate) fn dce_changed(g: &Graph, keep: &[bool]) -> (Pruned, bool) {
    let mut graph = g.clone();
    let mut kept = keep.iter();
    graph.outs.retain(|_| *kept.next().expect("one per output"));
    let (used, swept) = sweep(&mut graph);
    (Pruned { graph, used }, swept || keep.contains(&false))
}

/// Remove what no result needs, in place. Returns which inputs are read, and whether anything was removed.
pub(super) fn sweep(g: &mut Graph) -> (Vec<bool>, bool) {
    let mut changed = false;
    let mut live = vec![false; g.avals.len()];
    g.outs.iter().for_each(|v| live[*v as usize] = true);
    let mut keep = vec![true; g.eqns.len()];
    for (e, keep) in g.eqns.iter_mut().zip(&mut keep).rev() {
        let used = e.outs.iter().filter(|v| live[**v as usize]).count();
        if used == 0 && !e.prim.has_effect() {
            (*keep, changed) = (false, true);
            continue;
        }
        // graphs inside may ignore some of their inputs: then the equation can do without these operands
        if used < e.outs.len() || e.prim.inner().is_some() {
            let used: Vec<bool> = e.outs.iter().map(|v| live[*v as usize]).collect();
            if let Some(less) = without_unused(e, &used) {
                (*e, changed) = (less, true);
            }
        }
        e.ins.iter().for_each(|v| live[*v as usize] = true);
    }
    let mut keep = keep.into_iter();
    g.eqns.retain(|_| keep.next() == Some(true));
    (g.ins.iter().map(|v| live[*v as usize]).collect(), changed)
}

fn without_unused(e: &Eqn, used: &[bool]) -> Option<Eqn> {
    let less = e.prim.inner()?.prune(used)?;
    let (ins, outs) = (chosen(&e.ins, &less.ins), chosen(&e.outs, &less.outs));
    Some(Eqn { prim: less.prim, ins, outs, site: e.site.clone() })
}
