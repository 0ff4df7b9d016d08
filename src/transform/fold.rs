//! Constant folding: what is known before the program runs is computed while compiling.
use super::everywhere;
use crate::{
    graph::{Eqn, Graph, Var},
    host::Host,
    prim::{Known, splat},
};

/// The graph with constants in place of operations on constants, and without operations that change nothing (`x * 1`),
/// also in the graphs inside it. Values are the same to the bit: what platforms may round differently is left to them.
///
/// Only tensors whose elements are all equal are looked at. The constants that nothing reads any more stay for
/// [`dce`](super::dce).
pub fn fold(g: &Graph) -> Graph {
    everywhere(g, &mut fold_here)
}

/// [`fold`] without the graphs inside.
pub(super) fn fold_here(g: &mut Graph) {
    let mut known: Vec<Option<Host>> = vec![None; g.avals.len()];
    let mut name: Vec<Var> = (0..g.avals.len() as Var).collect();
    let avals = &g.avals;
    g.eqns.retain_mut(|e| {
        e.ins.iter_mut().for_each(|v| *v = name[*v as usize]);
        let [y] = e.outs[..] else { return true };
        let found = if e.prim.has_effect() { None } else { rule(e, &known) };
        match found {
            Some(Known::Operand(i)) if avals[e.ins[i] as usize] == avals[y as usize] => {
                name[y as usize] = e.ins[i];
                false
            }
            Some(Known::Splat(h)) => {
                if !e.ins.is_empty() {
                    (e.prim, e.ins) = (splat(&avals[y as usize].dims, h.clone()), vec![]);
                }
                known[y as usize] = Some(h);
                true
            }
            _ => true,
        }
    });
    g.outs.iter_mut().for_each(|v| *v = name[*v as usize]);
}

/// What the operation's rule says, given what is known of its operands. (It runs for every equation, so it allocates nothing
/// for up to four operands.)
fn rule(e: &Eqn, known: &[Option<Host>]) -> Option<Known> {
    let of = |v: &Var| known[*v as usize].as_ref();
    let mut few = [None; 4];
    if e.ins.len() > few.len() {
        return e.prim.fold(&e.ins.iter().map(of).collect::<Vec<_>>());
    }
    few.iter_mut().zip(&e.ins).for_each(|(x, v)| *x = of(v));
    e.prim.fold(&few[..e.ins.len()])
}
