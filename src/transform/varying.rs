//! Types that say what varies from device to device inside `shard_map`.
//!
//! The type of a value says over which mesh axes it may differ ([`Aval::vma`](crate::Aval::vma)). Operands of one
//! operation are made to vary alike by [`pvary`](crate::pvary), which changes only the type, and whose transpose is a
//! sum over the devices. So the derivative by a value that devices share comes out summed over them, without a call of
//! `psum` by the user.
use super::everywhere;
use crate::{
    graph::{Eqn, Graph, Var},
    inner::InnerGraph,
    mesh::AxisSet,
    prim::{OverAxes, Tag},
    trace::{NamedAxis, fail, inline, trace_rule, vary, with_site},
};
use std::collections::HashMap;

/// All axes over which an input or output of one of these graphs varies.
pub fn vma_of(graphs: &[&InnerGraph]) -> AxisSet {
    graphs.iter().flat_map(|g| g.ins.iter().chain(&g.outs).map(|v| g.aval(*v).vma)).collect()
}

/// The graph whose inputs and outputs vary at least over these axes. `None` if they do already.
pub fn raised(g: &Graph, ins: &[AxisSet], outs: &[AxisSet]) -> Option<Graph> {
    let more = |vars: &[Var], want: &[AxisSet]| vars.iter().zip(want).any(|(v, w)| !g.aval(*v).vma.contains(*w));
    if !more(&g.ins, ins) && !more(&g.outs, outs) {
        return None;
    }
    let avals: Vec<_> = g.in_avals().iter().zip(ins).map(|(a, w)| a.varying(a.vma.union(*w))).collect();
    let (graph, captured) =
        trace_rule(&avals, |t| inline(g, t).into_iter().zip(outs).map(|(t, w)| vary(t, *w)).collect());
    debug_assert!(captured.is_empty(), "a graph is closed");
    Some(graph)
}

/// As [`raised`], with every input and output varying over these axes.
pub fn raised_alike(g: &InnerGraph, axes: AxisSet) -> InnerGraph {
    g.raised(&vec![axes; g.ins.len()], &vec![axes; g.outs.len()])
}

/// The body of a loop whose carry (behind `consts` inputs) varies over the same axes when it enters and when it leaves: axes are
/// added until that holds. `also` gives axes over which the whole carry must vary besides. Returns also what the inputs vary over.
pub fn raised_carry(
    body: &InnerGraph,
    x: &[AxisSet],
    consts: usize,
    carry: usize,
    also: impl Fn(&[AxisSet]) -> AxisSet,
) -> (InnerGraph, Vec<AxisSet>) {
    let mut ins: Vec<AxisSet> = body.in_avals().iter().zip(x).map(|(a, x)| a.vma.union(*x)).collect();
    let mut outs = vec![AxisSet::NONE; body.outs.len()];
    loop {
        let (also, before) = (also(&ins), ins.clone());
        let made = body.raised(&ins, &outs);
        for i in 0..carry {
            let both = ins[consts + i].union(made.aval(made.outs[i]).vma).union(also);
            (ins[consts + i], outs[i]) = (both, both);
        }
        if ins == before && (0..carry).all(|i| made.aval(made.outs[i]).vma == outs[i]) {
            return (made, ins);
        }
    }
}

/// The graph whose types say nothing of what varies, without the operations that only change that: the one that is lowered.
pub fn erased(g: &Graph) -> Graph {
    let mut same: HashMap<Var, Var> = HashMap::new();
    let mut made = Graph { eqns: vec![], ..g.clone() };
    made.avals.iter_mut().for_each(|a| a.vma = AxisSet::NONE);
    let name = |same: &HashMap<Var, Var>, v: &Var| *same.get(v).unwrap_or(v);
    for e in &g.eqns {
        let ins: Vec<Var> = e.ins.iter().map(|v| name(&same, v)).collect();
        if e.prim.tag() == Tag::TypeOnly {
            same.insert(e.outs[0], ins[0]);
            continue;
        }
        let prim = e.prim.map_graphs(|g| erased(g).into()).unwrap_or_else(|| e.prim.clone());
        made.eqns.push(Eqn { prim, ins, ..e.clone() });
    }
    made.outs.iter_mut().for_each(|v| *v = name(&same, v));
    made
}

/// Refuse collectives to which some of the devices may never come, because they take another branch or leave a loop earlier:
/// the others would wait for ever.
pub fn refuse_divergence(g: &Graph) {
    reach_all(g, AxisSet::NONE, None)
}

/// `apart` are the mesh axes along which some devices may never come to this graph; `by` is the equation around it to blame for
/// the last of them.
fn reach_all(g: &Graph, apart: AxisSet, by: Option<&Eqn>) {
    for e in &g.eqns {
        let waiting = e.prim.over_axes().filter(|over| over.waits());
        let alone = waiting.map_or(AxisSet::NONE, |over| over.mesh_axes()).intersection(apart);
        if let Some(by) = by.filter(|_| !alone.is_empty()) {
            let (op, choice, at) = (e.prim.name(), by.prim.name(), by.site.at);
            let reason = format!(
                "it is inside of the `{choice}` at {}:{}, which devices along `{alone}` may run differently: those that do not \
                 come to this `{op}` would be waited for for ever",
                at.file(),
                at.line()
            );
            let help = format!(
                "make them agree (`psum`, `pmax`, .. of the condition), or move the `{op}` out of the `{choice}`; to choose \
                 between values that all devices compute, use `where_`"
            );
            with_site(&e.site, || fail(op, g.avals_of(&e.ins), reason, Some(help)))
        }
        let vma: Vec<AxisSet> = e.ins.iter().map(|v| g.aval(*v).vma).collect();
        let Some(inner) = e.prim.inner() else { continue };
        let more = inner.diverges(&vma);
        let by = if more.is_empty() { by } else { Some(e) };
        inner.graphs().into_iter().for_each(|g| reach_all(g, apart.union(more), by));
    }
}

/// The graph whose collectives are over instances, as in a `vmap`, where they were over devices. Its types say nothing of what
/// varies.
pub fn of_instances(g: &Graph) -> Graph {
    everywhere(&erased(g), &mut |g| {
        for e in &mut g.eqns {
            let axes =
                |over: &dyn OverAxes| over.axes().iter().map(|a| NamedAxis { mesh: false, ..a.clone() }).collect();
            if let Some(prim) = e.prim.over_axes().map(|over| over.with_axes(axes(over))) {
                e.prim = prim;
            }
        }
    })
}
