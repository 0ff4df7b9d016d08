//! Calls: functions whose derivative is computed in a way of its own.
use super::*;
use crate::{
    graph::Eqn,
    trace::{At, avals_of, bind, inline, op_now, site, trace, trace_rule, trace_tree, with_site_of},
    transform::{
        backward::{backward, depends},
        batch::batch_graph,
        dce::{Pruned, dce},
        linearize::{chosen, differentiable, jvp_graph, spread_out},
        runs::{Saving, in_two_runs},
        varying::{raised, raised_alike, vma_of},
    },
};
use std::{
    cell::{Cell, RefCell},
    panic::Location,
};

mod custom_jvp;
mod custom_vjp;
mod linear_solve;
mod policy;
mod remat;
pub(crate) use custom_jvp::composite_jvp;
pub use custom_jvp::{CustomJvp, custom_jvp};
pub use custom_vjp::{CustomVjp, custom_vjp};
pub use linear_solve::{LinearSolve, custom_linear_solve};
pub use policy::{Policy, Predicate, checkpoint_name};
use remat::call_types;
pub use remat::{Remat, RematOptions, remat, remat_with};
pub(super) use {
    custom_jvp::ROWS as CUSTOM_JVP_ROWS, custom_vjp::ROWS as CUSTOM_VJP_ROWS, linear_solve::ROWS as LINEAR_SOLVE_ROWS,
    policy::ROWS as NAME_ROWS, remat::ROWS as REMAT_ROWS,
};

/// Refuse what a rule returned, if its types are not those of the values that it stands for.
#[track_caller]
fn require_types(op: &str, (what, help): (&str, &str), paths: &[String], have: &[Aval], want: &[Aval]) {
    if have.len() != want.len() {
        fail(op, vec![], format!("{what} has {} leaves, not {}", have.len(), want.len()), Some(help.into()))
    }
    if let Some(i) = (0..want.len()).find(|i| !have[*i].is_like(&want[*i])) {
        let leaf = if paths[i].is_empty() { what.to_string() } else { format!("{what}, leaf `{}`,", paths[i]) };
        fail(op, vec![], format!("{leaf} is {} but must be {}", have[i], want[i]), Some(help.into()))
    }
}

/// Refuse to differentiate a function with a rule by tensors that it captures: the rule is about its arguments only.
#[track_caller]
fn require_constant(op: &str, captured: &[Option<Tensor>]) {
    if captured.iter().any(Option::is_some) {
        let help = "pass it as an argument, or hold it constant with `.stop_gradient()`";
        fail(op, vec![], "the function is differentiated by a tensor that it uses from outside", Some(help.into()))
    }
}

/// The call as it is, for operands that vary over no more mesh axes than the ones it was traced for. `None` if they do.
fn as_traced<P: HigherOrder + Clone>(
    prim: &P,
    ins: &[Aval],
    x: &[AxisSet],
) -> Option<(Rc<dyn Primitive>, Vec<AxisSet>)> {
    let own: Vec<AxisSet> = ins.iter().map(|a| a.vma).collect();
    let fits = own.iter().zip(x).all(|(own, x)| own.contains(*x));
    fits.then(|| (Rc::new(prim.clone()) as Rc<dyn Primitive>, own))
}

/// The call for operands that vary over other mesh axes than the ones it was traced for: all its inputs and results are made
/// to vary alike, over all of these axes.
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

thread_local! {
    /// Is what is being traced the body of a function with a rule? It is only run: who differentiates the function takes the rule.
    static IN_BODY: Cell<bool> = const { Cell::new(false) };
}

/// Trace the body of a function with a rule: functions inside it get no rules, which would be traced in vain. (With rules at each
/// level, which call what the body calls, the work would double with each.)
fn trace_body<R>(trace: impl FnOnce() -> R) -> R {
    in_body(true, trace)
}
/// Trace a function to differentiate it, wherever that happens.
pub(crate) fn trace_to_differentiate<R>(trace: impl FnOnce() -> R) -> R {
    in_body(false, trace)
}
fn in_body<R>(is: bool, trace: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IN_BODY.set(self.0);
        }
    }
    let _restore = Restore(IN_BODY.replace(is));
    trace()
}

/// While alive, rules of one function (a type `F` made in one line) are being traced.
struct InRules;
impl InRules {
    /// `None` if they are not needed, or are being traced [`ORDERS`] times already.
    fn of<F>(_: &F, line: &'static Location<'static>) -> Option<InRules> {
        if IN_BODY.get() {
            return None;
        }
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

/// Abandon tracing: a derivative is wanted of a higher order than rules were traced for.
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

/// Cotangents of the linear operands of a call, through its body: where the operands are tangents, the function is linear in
/// them, and its own rule is not needed.
fn transpose_body(body: &Graph, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
    let known: Vec<Option<Tensor>> = x.iter().map(|x| (!x.is_linear()).then(|| x.known())).collect();
    backward(body, &known, ct)
}

/// The rules that calls have in common: type, meaning and work are those of the function. `custom` adds the rules that
/// functions with a derivative of their own share.
macro_rules! call_rules {
    () => {
        fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
            call_types(&self.body, x)
        }
        fn eval(&self, x: &[Host]) -> Vec<Host> {
            self.body.eval(x)
        }
        fn cost(&self) -> Cost {
            self.body.cost()
        }
    };
    (custom) => {
        call_rules!();
        fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
            transpose_body(&self.body, ct, x)
        }
        fn lower(&self, cx: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
            cx.graph(&self.body, x)
        }
        fn has_effect(&self) -> bool {
            self.body.has_effect()
        }
    };
}
use call_rules;

/// The tangents of the float arguments, which stand behind `consts` operands: zeros where there is none.
fn tangents_of_floats(consts: usize, x: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Tensor> {
    let floats = (consts..x.len()).filter(|i| x[*i].dtype().is_inexact());
    floats.map(|i| dx[i].unwrap_or_else(|| zeros_of(&x[i].aval()))).collect()
}
