//! Calls: functions whose derivative is computed in a way of its own.
use super::*;
use crate::{
    graph::Eqn,
    trace::{At, avals_of, bind, inline, site, trace, trace_rule, trace_tree, with_site},
    transform::{
        backward::{backward, depends},
        batch::{batch_graph, batched},
        dce::{Pruned, dce},
        linearize::{chosen, differentiable, jvp_graph, jvp_of, linearize, spread_out},
        runs::{Saving, in_two_runs},
        varying::{raised, raised_alike, vma_of},
    },
};
use std::{cell::RefCell, panic::Location};

mod custom_jvp;
mod custom_vjp;
mod policy;
mod remat;
pub(crate) use custom_jvp::composite_jvp;
pub use custom_jvp::{CustomJvp, custom_jvp};
pub use custom_vjp::{CustomVjp, custom_vjp};
pub use policy::{Policy, Predicate, checkpoint_name};
use remat::call_types;
pub use remat::{Remat, RematOptions, remat, remat_with};
pub(super) use {
    custom_jvp::ROWS as CUSTOM_JVP_ROWS, custom_vjp::ROWS as CUSTOM_VJP_ROWS, policy::ROWS as NAME_ROWS,
    remat::ROWS as REMAT_ROWS,
};

/// What a rule returned must have the types of what it stands for.
#[track_caller]
fn require_types(op: &str, what: &str, paths: &[String], have: &[Aval], want: &[Aval]) {
    if have.len() != want.len() {
        fail(op, vec![], format!("{what} has {} leaves, not {}", have.len(), want.len()), None)
    }
    if let Some(i) = (0..want.len()).find(|i| !have[*i].is_like(&want[*i])) {
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

/// A call with rules of its own, if its operands vary over no more mesh axes than those that it was traced for.
fn as_traced<P: HigherOrder + Clone>(
    prim: &P,
    ins: &[Aval],
    x: &[AxisSet],
) -> Option<(Rc<dyn Primitive>, Vec<AxisSet>)> {
    let own: Vec<AxisSet> = ins.iter().map(|a| a.vma).collect();
    let fits = own.iter().zip(x).all(|(own, x)| own.contains(*x));
    fits.then(|| (Rc::new(prim.clone()) as Rc<dyn Primitive>, own))
}

/// A call with rules of its own, for operands that vary over these mesh axes and not over those that it was traced for: all
/// values that go in or out vary alike.
fn all_varying<P: HigherOrder>(prim: &P, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
    let all = x.iter().copied().collect::<AxisSet>().union(vma_of(&prim.graphs()));
    let graphs = prim.graphs().into_iter().map(|g| raised_alike(g, all)).collect();
    (prim.with_graphs(graphs), vec![all; x.len()])
}

/// The highest order of derivative of a function whose rule calls the function itself. Rules are traced when a function is
/// called, not when it is differentiated, because closures may not live that long; so this recursion must end.
const ORDERS: usize = 4;

thread_local! {
    static RULES: RefCell<Vec<(&'static Location<'static>, &'static str)>> = const { RefCell::new(vec![]) };
}

/// While alive, rules of one function (a type `F` made in one line) are being traced.
struct InRules;
impl InRules {
    /// `None` if they are being traced [`ORDERS`] times already.
    fn of<F>(_: &F, line: &'static Location<'static>) -> Option<InRules> {
        let this = (line, std::any::type_name::<F>());
        RULES.with_borrow_mut(|r| {
            let open = r.iter().filter(|f| **f == this).count() < ORDERS;
            open.then(|| {
                r.push(this);
                InRules
            })
        })
    }
}
impl Drop for InRules {
    fn drop(&mut self) {
        RULES.with_borrow_mut(|r| r.pop());
    }
}

/// Abandon tracing: the rule that is wanted was not traced.
#[track_caller]
fn no_rule(op: &str) -> ! {
    let reason = format!("its rule calls the function itself: it has derivatives up to order {ORDERS} only");
    fail(op, vec![], reason, Some("call a function with another rule, or with none, in the rule".into()))
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
