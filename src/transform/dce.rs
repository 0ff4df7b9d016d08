//! Removal of what no result needs.
use crate::graph::{Eqn, Graph};

/// A graph without dead equations.
pub struct Pruned {
    /// The graph: the same inputs, the kept outputs.
    pub graph: Graph,
    /// Which inputs are still read.
    pub used: Vec<bool>,
}

/// Keep the outputs in `keep` and what they need; operations with effects stay.
pub fn dce(g: &Graph, keep: &[bool]) -> Pruned {
    let outs: Vec<u32> = g.outs.iter().zip(keep).filter(|(_, k)| **k).map(|(v, _)| *v).collect();
    let mut live = vec![false; g.avals.len()];
    outs.iter().for_each(|v| live[*v as usize] = true);
    let mut eqns: Vec<Eqn> = vec![];
    for e in g.eqns.iter().rev() {
        let used: Vec<bool> = e.outs.iter().map(|v| live[*v as usize]).collect();
        if !used.contains(&true) && !e.prim.has_effect() {
            continue;
        }
        // (programs inside may not read all they are given)
        let smaller = used.contains(&false) || !e.prim.graphs().is_empty();
        let e = if smaller { without_unused(e, &used) } else { e.clone() };
        e.ins.iter().for_each(|v| live[*v as usize] = true);
        eqns.push(e);
    }
    eqns.reverse();
    let used = g.ins.iter().map(|v| live[*v as usize]).collect();
    Pruned { graph: Graph { avals: g.avals.clone(), ins: g.ins.clone(), eqns, outs }, used }
}

fn without_unused(e: &Eqn, used: &[bool]) -> Eqn {
    let Some(less) = e.prim.prune(used) else { return e.clone() };
    let kept = |vars: &[u32], keep: &[bool]| vars.iter().zip(keep).filter(|(_, k)| **k).map(|(v, _)| *v).collect();
    Eqn { prim: less.prim, ins: kept(&e.ins, &less.ins), outs: kept(&e.outs, &less.outs), site: e.site.clone() }
}
