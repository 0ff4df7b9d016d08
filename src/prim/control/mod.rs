//! Control flow: operations with inner graphs.
use super::*;
use crate::{
    trace::{At, avals_of, bind, inline, trace_rule, trace_tree},
    transform::{backward::depends, linearize::chosen, varying::raised_carry},
    tree::{Path, Tree},
};

mod cond;
mod scan;
mod while_loop;
pub use cond::{Cond, cond, switch};
pub use scan::{Scan, ScanOptions, scan, scan_with};
pub use while_loop::{Bound, While, fori_loop, while_loop};
pub(super) use {cond::ROWS as COND_ROWS, scan::ROWS as SCAN_ROWS, while_loop::ROWS as WHILE_ROWS};

/// Refuse a body that returns another structure or other types of the carry than it took.
#[track_caller]
fn check_carry<C: Tree<Tensor>>(op: &str, enters: &C, before: &[Aval], leaves: &C, after: &[Aval]) {
    let paths = (enters.paths(), leaves.paths());
    if enters.structure() != leaves.structure() || paths.0 != paths.1 {
        let list =
            |p: &[String]| p.iter().map(|p| if p.is_empty() { "a tensor" } else { p }).collect::<Vec<_>>().join(", ");
        let reason = format!(
            "the carry changes its structure: its leaves are {} at first but {} after a step",
            list(&paths.0),
            list(&paths.1)
        );
        fail(op, vec![], reason, Some("return a carry of the same lengths, variants and skipped fields".into()))
    }
    let named = |p: &str| if p.is_empty() { "the carry".to_string() } else { format!("carry {p}") };
    let changed = paths.0.iter().zip(before.iter().zip(after)).filter(|(_, (a, b))| !a.is_like(b));
    let changed: Vec<String> =
        changed.map(|(p, (a, b))| format!("{} enters as {a} but leaves as {b}", named(p))).collect();
    if !changed.is_empty() {
        let help = "every step must return the carry with the types it got: cast or reshape it, or the initial value";
        fail(op, vec![], changed.join("; "), Some(help.into()))
    }
}

/// Differentiate the body of a loop, whose `carry` carries stand behind `consts` operands and in front of its `outs`
/// results; `f` takes which inputs are active and which outputs must have a tangent. A carry whose tangent becomes
/// non-zero inside is active too: repeat until none is added. Returns also which inputs and outputs are active.
fn grow_active<R>(
    dx: &[Option<Tensor>],
    consts: usize,
    carry: usize,
    outs: usize,
    f: impl Fn(&[bool], &[bool]) -> (R, Vec<bool>),
) -> (R, Vec<bool>, Vec<bool>) {
    let mut active: Vec<bool> = dx.iter().map(Option::is_some).collect();
    loop {
        let force: Vec<bool> = (0..outs).map(|i| i < carry && active[consts + i]).collect();
        let (result, active_out) = f(&active, &force);
        let more: Vec<usize> = (0..carry).filter(|i| active_out[*i] && !active[consts + i]).collect();
        if more.is_empty() {
            return (result, active, active_out);
        }
        more.iter().for_each(|i| active[consts + i] = true);
    }
}

/// Batch the body of a loop, whose `carry` carries stand behind `consts` operands and in front of its results. A carry that
/// comes to differ between instances inside has the axis from the start: repeat until none is added. Returns also which
/// inputs and outputs have it.
fn batch_carry(
    body: &InnerGraph,
    axis: &BatchAxis,
    mut mapped: Vec<bool>,
    consts: usize,
    carry: usize,
) -> (InnerGraph, Vec<bool>, Vec<bool>) {
    loop {
        let force: Vec<bool> = (0..body.outs.len()).map(|i| i < carry && mapped[consts + i]).collect();
        let (batched, out) = body.batched(axis, &mapped, &force);
        if out[..carry] == mapped[consts..consts + carry] {
            return (batched, mapped, out);
        }
        mapped[consts..consts + carry].copy_from_slice(&out[..carry]);
    }
}

/// A loop or choice in which instances do different things, run for one instance after the other if it has side effects. Run
/// for all at once, every instance would have the side effects of all. `None` if there are no side effects, or if it works over
/// the batch axis by name.
fn apart_for_effects<P: HigherOrder + Clone>(
    prim: &P,
    axis: &BatchAxis,
    x: &[Tensor],
    mapped: &[bool],
) -> Option<Batched> {
    if !prim.has_effect() || axis.is_named_in(prim) {
        return None;
    }
    let y = one_by_one(axis.size, x, mapped, |x| bind(prim.clone(), x));
    Some(y.into_iter().map(|t| (t, true)).collect())
}
