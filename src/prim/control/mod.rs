//! Control flow: operations with inner graphs.
use super::*;
use crate::{
    graph::{Graph, Var},
    trace::{At, bind, inline, trace_tree},
    transform::{backward::depends, linearize::chosen},
    tree::{Path, Tree},
};

mod scan;
mod scan_ad;
pub use scan::{Scan, ScanOptions, scan, scan_with};
pub(super) use scan_ad::ROWS as SCAN_ROWS;

/// The carry of a loop must leave the body with the structure and the types it entered with.
#[track_caller]
fn check_carry<C: Tree<Tensor>>(op: &str, enters: &C, before: &[Aval], leaves: &C, after: &[Aval]) {
    let paths = (enters.paths(), leaves.paths());
    if enters.structure() != leaves.structure() || paths.0 != paths.1 {
        let list =
            |p: &[String]| p.iter().map(|p| if p.is_empty() { "a tensor" } else { p }).collect::<Vec<_>>().join(", ");
        let reason = format!(
            "the carry changes its structure: it enters with {} but leaves with {}",
            list(&paths.0),
            list(&paths.1)
        );
        fail(op, vec![], reason, Some("return a carry of the same lengths, variants and skipped fields".into()))
    }
    let named = |p: &str| if p.is_empty() { "the carry".to_string() } else { format!("carry {p}") };
    let changed = paths.0.iter().zip(before.iter().zip(after)).filter(|(_, (a, b))| a != b);
    let changed: Vec<String> =
        changed.map(|(p, (a, b))| format!("{} enters as {a} but leaves as {b}", named(p))).collect();
    if !changed.is_empty() {
        let help = "every step must return the carry with the types it got: cast or reshape it, or the initial value";
        fail(op, vec![], changed.join("; "), Some(help.into()))
    }
}
