//! Calls: functions whose derivative is computed in a way of its own.
use super::*;
use crate::{
    graph::Eqn,
    trace::{At, avals_of, bind, inline, trace, trace_rule, trace_tree},
    transform::{
        backward::{backward, depends},
        batch::batched,
        dce::{Pruned, dce},
        effects::without_effects,
        linearize::{chosen, differentiable, jvp_of, linearize, spread_out},
    },
    tree::Tree,
};
use std::panic::Location;

mod custom_jvp;
mod custom_vjp;
mod remat;
pub use custom_jvp::{CustomJvp, custom_jvp};
pub use custom_vjp::{CustomVjp, custom_vjp};
use remat::call_types;
pub use remat::{Policy, Predicate, Remat, RematOptions, Tag, checkpoint_name, remat, remat_with};
pub(super) use {custom_jvp::ROWS as CUSTOM_JVP_ROWS, custom_vjp::ROWS as CUSTOM_VJP_ROWS, remat::ROWS as REMAT_ROWS};

/// What a rule returned must have the types of what it stands for.
#[track_caller]
fn require_types(op: &str, what: &str, paths: &[String], have: &[Aval], want: &[Aval]) {
    if have.len() != want.len() {
        fail(op, vec![], format!("{what} has {} leaves, not {}", have.len(), want.len()), None)
    }
    if let Some(i) = (0..want.len()).find(|i| have[*i] != want[*i]) {
        let leaf = if paths[i].is_empty() { what.to_string() } else { format!("{what}, leaf `{}`,", paths[i]) };
        fail(op, vec![], format!("{leaf} is {} but must be {}", have[i], want[i]), None)
    }
}

/// A rule says how a function varies with its arguments: tensors from outside must not vary.
#[track_caller]
fn require_constant(op: &str, captured: &[Option<Tensor>]) {
    if captured.iter().any(Option::is_some) {
        let help = "pass it as an argument, or hold it constant with `.stop_gradient()`";
        fail(op, vec![], "the function is differentiated by a tensor that it uses from outside", Some(help.into()))
    }
}

/// Leaves for a whole tree from those of its floats, with zeros for the others.
fn with_zeros(floats: &[Tensor], avals: &[Aval]) -> Vec<Tensor> {
    let spread = spread_out(floats, &differentiable(avals));
    spread.into_iter().zip(avals).map(|(d, a)| d.unwrap_or_else(|| zeros_of(a))).collect()
}

/// Cotangents of the linear operands of a call, through its body: a call whose operands are tangents needs no rule of its
/// own.
fn transpose_body(body: &Graph, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
    let known: Vec<Option<Tensor>> = x.iter().map(|x| (!x.is_linear()).then(|| x.known())).collect();
    backward(body, &known, ct)
}
