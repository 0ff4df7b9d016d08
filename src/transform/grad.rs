//! Gradients and tangents of functions of trees.
use super::{
    backward::backward,
    linearize::{self as pass, Split, chosen, differentiable, jvp_graph, spread_out},
};
use crate::{
    aval::Aval,
    graph::Graph,
    jit::Traced,
    prim::{ones, trace_to_differentiate, zeros_of},
    trace::{At, Tensor, TensorTree, avals_of, fail, inline, trace_tree, vary},
    tree::{Path, Tree},
};
use std::panic::Location;

/// The derivative of a function at one point: a linear graph with its residuals.
pub(super) struct Linear {
    linear: Graph,
    residuals: Vec<Tensor>,
    ins: Vec<Aval>,
    outs: Vec<Aval>,
    active_in: Vec<bool>,
    active_out: Vec<bool>,
}
impl Linear {
    /// Run `f` at `x`: its result, and its derivative there.
    pub(super) fn at<X, Y>(f: impl FnOnce(X) -> Y, x: &X) -> (Y, Linear)
    where
        X: TensorTree,
        Y: TensorTree,
    {
        let ins = avals_of(x);
        let (g, captured, y) = trace_to_differentiate(|| trace_tree(x, &ins, f));
        let active_in = differentiable(&ins);
        let active = [active_in.clone(), vec![false; captured.len()]].concat();
        let Split { primal, linear, active_out } = pass::linearize(&g, &active, &vec![false; g.outs.len()]);
        let mut outs = inline(&primal, &[x.leaves(), captured].concat());
        let residuals = outs.split_off(g.outs.len());
        (y.refill(outs), Linear { linear, residuals, ins, outs: g.out_avals(), active_in, active_out })
    }

    /// Tangents of the outputs.
    fn push(&self, dx: &[Tensor]) -> Vec<Tensor> {
        let dy = inline(&self.linear, &[chosen(dx, &self.active_in), self.residuals.clone()].concat());
        or_zeros(spread_out(&dy, &self.active_out), &self.outs)
    }

    /// Cotangents of the inputs, given those of the outputs (`None` is zero); integers get zeros.
    pub(super) fn pull(&self, ct: &[Option<Tensor>]) -> Vec<Tensor> {
        let n = self.linear.ins.len() - self.residuals.len();
        let known: Vec<Option<Tensor>> =
            vec![None; n].into_iter().chain(self.residuals.iter().copied().map(Some)).collect();
        let d = backward(&self.linear, &known, &chosen(ct, &self.active_out));
        let d = spread_out(&d[..n], &self.active_in).into_iter().map(Option::flatten).collect();
        or_zeros(d, &self.ins)
    }
}

fn or_zeros(d: Vec<Option<Tensor>>, avals: &[Aval]) -> Vec<Tensor> {
    d.into_iter().zip(avals).map(|(d, a)| d.unwrap_or_else(|| zeros_of(a))).collect()
}

/// `what` and the path of a leaf below it, for messages.
pub(crate) fn leaf_name(what: &str, path: &Path) -> String {
    let path = path.to_string();
    if path.is_empty() { what.to_string() } else { format!("{what} `{path}`") }
}

/// The gradient of a scalar function of a tree: a function that returns the derivative by every leaf. JAX: `grad`.
///
/// Differentiates by the whole argument (a tuple for several); what the closure captures is held constant. Gradients of
/// leaves that the function does not use are zeros. Of complex numbers see [`holomorphic`](super::holomorphic), or [`vjp`].
///
/// ```
/// use raxla::prelude::*;
/// let f = jit(|x: Tensor, y: Tensor| grad(|(x, y): (Tensor, Tensor)| x * x * y)((x, y)));
/// let (dx, dy) = f.call((Array::from_slice([], &[3f32])?, Array::from_slice([], &[2f32])?))?;
/// assert_eq!((dx.to_vec::<f32>()?[0], dy.to_vec::<f32>()?[0]), (12.0, 9.0));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn grad<X: TensorTree>(
    f: impl Traced<(X,), Out = Tensor>, // of one argument; several stand in a tuple: `|(x, y): (Tensor, Tensor)| ..`
) -> impl Fn(X) -> X // of tensors: outside of traced functions, `jit(grad(f)).call((x,))`
{
    let f = value_and_grad(f);
    move |x| f(x).1
}

/// As [`grad`], returning the function's value too: `value_and_grad(f)(x) == (f(x), grad(f)(x))`.
#[track_caller]
pub fn value_and_grad<X: TensorTree>(
    f: impl Traced<(X,), Out = Tensor>, // of one argument; several stand in a tuple: `|(x, y): (Tensor, Tensor)| ..`
) -> impl Fn(X) -> (Tensor, X) // of tensors: outside of traced functions, `jit(value_and_grad(f)).call((x,))`
{
    let f = value_and_grad_aux(move |x: X| (f.call((x,)), ()));
    move |x| {
        let ((loss, ()), d) = f(x);
        (loss, d)
    }
}

/// As [`value_and_grad`], of a function that returns, beside the scalar, values that are not differentiated. JAX:
/// `value_and_grad(f, has_aux=True)`.
#[track_caller]
pub fn value_and_grad_aux<X: TensorTree, A: TensorTree>(
    f: impl Traced<(X,), Out = (Tensor, A)>, // of one argument; several stand in a tuple: `|(x, y): (Tensor, Tensor)| ..`
) -> impl Fn(X) -> ((Tensor, A), X) // of tensors: outside of traced functions, `jit(value_and_grad_aux(f)).call((x,))`
{
    gradient(f, Field::Real, Location::caller())
}

/// What a function and its derivatives are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field {
    /// Floats.
    Real,
    /// Complex numbers, of which the function is holomorphic.
    Complex,
}
impl Field {
    /// Refuse a type that is not of the field.
    #[track_caller]
    pub(super) fn require(self, op: &str, what: &str, a: &Aval, help: &str) {
        let (fits, reason, help) = match self {
            Field::Real if a.dtype.is_complex() => (
                false,
                format!("{what} is {a}: `{op}` is of real numbers"),
                "if the function is holomorphic, use `holomorphic::grad` and its kin; if it is not, use `vjp`",
            ),
            Field::Real => (a.dtype.is_float(), format!("{what} is {a}: only floats have gradients"), help),
            Field::Complex => (
                a.dtype.is_complex(),
                format!("{what} is {a}: a holomorphic function is of complex numbers"),
                "convert the argument with `.cast(DType::C64)`; for functions of real numbers use `grad` and its kin",
            ),
        };
        if !fits {
            fail(op, vec![], reason, Some(help.into()))
        }
    }
}

/// [`value_and_grad_aux`] of functions over a field.
pub(super) fn gradient<X: TensorTree, A: TensorTree>(
    f: impl Traced<(X,), Out = (Tensor, A)>,
    field: Field,
    line: &'static Location<'static>,
) -> impl Fn(X) -> ((Tensor, A), X) {
    move |x: X| {
        let _at = At::op_at("grad", line);
        let help = "leave it out of the differentiated argument: the closure can capture it";
        x.visit(|path, t| field.require("grad", &leaf_name("the argument", path), &t.aval(), help));
        let ((loss, aux), linear) = Linear::at(|x| f.call((x,)), &x);
        let a = loss.aval();
        if a.rank() != 0 || !a.dtype.is_inexact() {
            let help =
                "reduce it to one float, e.g. `.sum(..)` or `.mean(..)`; for all derivatives use `jacrev` or `vjp`";
            fail("grad", vec![], format!("the function returns {a}, not a scalar float"), Some(help.into()))
        }
        field.require("grad", "the result", &a, "");
        // what is beside the loss is not differentiated: zero cotangents
        let ct: Vec<Option<Tensor>> = (0..linear.outs.len()).map(|i| (i == 0).then(|| ones([], a.dtype))).collect();
        let d = linear.pull(&ct);
        ((loss, aux), x.refill(d))
    }
}

/// The value of `f` at `x` and a function from cotangents of the result to cotangents of `x` (Jacobian transposed times
/// vector). JAX: `vjp`. Complex numbers are transposed and not conjugated, as in JAX: the cotangent of x + iy by a real result is
/// ∂/∂x - i ∂/∂y. Integer leaves of `x` get zeros; cotangents of integer results are ignored.
#[track_caller]
pub fn vjp<X: TensorTree, Y: TensorTree>(f: impl FnOnce(X) -> Y, x: X) -> (Y, impl Fn(Y) -> X) {
    let line = Location::caller();
    let _at = At::op_at("vjp", line);
    let (y, linear) = Linear::at(f, &x);
    let pull = move |ct: Y| {
        let _at = At::op_at("vjp", line);
        let ct = fitted("vjp", "the cotangent", &ct, &linear.outs);
        x.refill(linear.pull(&ct.into_iter().map(Some).collect::<Vec<_>>()))
    };
    (y, pull)
}

/// The value of `f` at `x` and a linear function from tangents of `x` to tangents of the result (Jacobian times vector),
/// which does not repeat the work of `f`. JAX: `linearize`.
#[track_caller]
pub fn linearize<X: TensorTree, Y: TensorTree>(f: impl FnOnce(X) -> Y, x: X) -> (Y, impl Fn(X) -> Y) {
    let line = Location::caller();
    let _at = At::op_at("linearize", line);
    let (y, linear) = Linear::at(f, &x);
    let structure = y.refill(y.leaves());
    let push = move |dx: X| {
        let _at = At::op_at("linearize", line);
        structure.refill(linear.push(&fitted("linearize", "the tangent", &dx, &linear.ins)))
    };
    (y, push)
}

/// The value of `f` at `x`, and its derivative in direction `dx` (Jacobian times vector, forward mode). JAX: `jvp`.
/// Tangents of integer leaves are ignored; integer results get zeros.
///
/// ```
/// use raxla::prelude::*;
/// let f = jit(|x: Tensor| jvp(|x: Tensor| x * x, x, x.like(1.0)).1);
/// assert_eq!(f.call((Array::from_slice([2], &[3f32, 5.])?,))?.to_vec::<f32>()?, [6.0, 10.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn jvp<X: TensorTree, Y: TensorTree>(f: impl FnOnce(X) -> Y, x: X, dx: X) -> (Y, Y) {
    let _at = At::op("jvp");
    let avals = avals_of(&x);
    let dx = fitted("jvp", "the tangent", &dx, &avals);
    let (g, captured, out) = trace_to_differentiate(|| trace_tree(&x, &avals, f));
    let tangents = dx.into_iter().zip(differentiable(&avals)).map(|(d, float)| float.then_some(d));
    let tangents: Vec<Option<Tensor>> = tangents.chain(vec![None; captured.len()]).collect();
    let (y, dy) = jvp_graph(&g, &[x.leaves(), captured].concat(), &tangents);
    let dy = or_zeros(dy, &g.out_avals());
    (out.refill(y), out.refill(dy))
}

/// What helps where a tangent or cotangent is of another type.
const ALIKE: &str = "a cotangent has the types of the results, a tangent those of the arguments: cast or reshape it, or start from `x.like(1)`";

/// The leaves of a tangent or cotangent, which must have the types of the values that it belongs to (integers have no tangents:
/// theirs are not looked at). Leaves that devices share are made to vary where these values do.
#[track_caller]
fn fitted(op: &str, what: &str, d: &impl Tree<Tensor>, want: &[Aval]) -> Vec<Tensor> {
    let have = d.leaves().len();
    if have != want.len() {
        fail(op, vec![], format!("{what} has {have} leaves, not {}", want.len()), Some(ALIKE.into()))
    }
    let (mut types, mut fitting) = (want.iter(), vec![]);
    d.visit(|path, t| {
        let (a, want) = (t.aval(), types.next().expect("counted above"));
        if want.dtype.is_inexact() && !(a.is_like(want) && want.vma.contains(a.vma)) {
            let help = match a.is_like(want) {
                true => {
                    let names = a.vma.without(want.vma);
                    format!("it differs between the devices along `{names}`: make what it belongs to do so too, with `pvary`")
                }
                false => ALIKE.into(),
            };
            fail(op, vec![], format!("{} is {a} but belongs to {want}", leaf_name(what, path)), Some(help))
        }
        fitting.push(if want.dtype.is_inexact() { vary(*t, want.vma) } else { *t });
    });
    fitting
}
