//! Transposition of linear graphs: the second half of reverse mode.
use crate::{
    graph::Graph,
    prim::{Operand, add_opt},
    trace::{Tensor, bind_rc, vary, with_site},
};

/// Cotangents of the linear inputs of a graph, given those of its outputs; `None` is zero.
///
/// `known[i]` is the value of input i, or `None` where the graph is linear in it. The result has an entry per input.
pub fn backward(g: &Graph, known: &[Option<Tensor>], ct: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
    let mut linear = vec![false; g.avals.len()];
    let mut value: Vec<Option<Tensor>> = vec![None; g.avals.len()];
    for (v, t) in g.ins.iter().zip(known) {
        linear[*v as usize] = t.is_none();
        value[*v as usize] = *t;
    }
    let known = |value: &[Option<Tensor>], v: u32| value[v as usize].expect("neither linear nor known");
    for e in &g.eqns {
        if e.ins.iter().any(|v| linear[*v as usize]) {
            e.outs.iter().for_each(|v| linear[*v as usize] = true);
        } else {
            let x: Vec<Tensor> = e.ins.iter().map(|v| known(&value, *v)).collect();
            let y = with_site(&e.site, || bind_rc(e.prim.clone(), &x));
            e.outs.iter().zip(y).for_each(|(v, t)| value[*v as usize] = Some(t));
        }
    }
    let mut cts: Vec<Option<Tensor>> = vec![None; g.avals.len()];
    for (v, ct) in g.outs.iter().zip(ct).filter(|(v, _)| linear[**v as usize]) {
        cts[*v as usize] = add_opt(cts[*v as usize], *ct);
    }
    for e in g.eqns.iter().rev() {
        let ct: Vec<Option<Tensor>> = e.outs.iter().map(|v| cts[*v as usize].take()).collect();
        if ct.iter().all(Option::is_none) {
            continue;
        }
        let operand = |v: &u32| match linear[*v as usize] {
            true => Operand::Linear(g.aval(*v).clone()),
            false => Operand::Known(known(&value, *v)),
        };
        let x: Vec<Operand> = e.ins.iter().map(operand).collect();
        with_site(&e.site, || {
            for (v, d) in e.ins.iter().zip(e.prim.transpose(&ct, &x)).filter(|(v, _)| linear[**v as usize]) {
                let d = d.map(|d| vary(d, g.aval(*v).vma));
                debug_assert!(d.is_none_or(|d| d.aval() == *g.aval(*v)), "{:?} transposes to another type", e.prim);
                cts[*v as usize] = add_opt(cts[*v as usize], d);
            }
        });
    }
    g.ins.iter().map(|v| cts[*v as usize]).collect()
}

/// Which values depend on the `linear` inputs; the second result is the same for the outputs.
pub fn depends(g: &Graph, linear: &[bool]) -> (Vec<bool>, Vec<bool>) {
    let mut on = vec![false; g.avals.len()];
    g.ins.iter().zip(linear).for_each(|(v, l)| on[*v as usize] = *l);
    for e in &g.eqns {
        if e.ins.iter().any(|v| on[*v as usize]) {
            e.outs.iter().for_each(|v| on[*v as usize] = true);
        }
    }
    let outs = g.outs.iter().map(|v| on[*v as usize]).collect();
    (on, outs)
}
