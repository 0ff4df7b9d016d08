//! Full matrices of derivatives.
use super::{
    batch::{BatchAxis, batch_graph},
    grad::{Field, Linear},
    linearize::{jvp_of, spread_out},
};
use crate::{
    aval::Aval,
    jit::Traced,
    ops::shape::eye,
    prim::{broadcast_leading, moved_axis, trace_to_differentiate, zeros_of},
    trace::{At, Tensor, TensorTree, trace_rule, trace_tree},
};
use std::panic::Location;

/// The unit vectors of the space of this type, stacked along a leading axis.
fn basis(a: &Aval) -> Tensor {
    let n = a.size();
    let rows = eye(n, a.dtype);
    rows.reshape([&[n], &a.dims[..]].concat())
}

/// What helps where a type has no derivatives.
const CONVERT: &str = "convert it first with `.cast(DType::F32)`, or let the closure capture it";

/// All derivatives of a function of one tensor, by forward mode: cheaper than [`jacrev`] when the results are larger than
/// the argument. A result of shape r gives derivatives of shape r ++ (shape of the argument). JAX: `jacfwd`.
#[track_caller]
pub fn jacfwd<Y: TensorTree>(f: impl Fn(Tensor) -> Y) -> impl Fn(Tensor) -> Y {
    forward(f, Field::Real, Location::caller())
}
/// [`jacfwd`] of functions over a field. Real functions may have complex results.
pub(super) fn forward<Y: TensorTree>(
    f: impl Fn(Tensor) -> Y,
    field: Field,
    line: &'static Location<'static>,
) -> impl Fn(Tensor) -> Y {
    move |x: Tensor| {
        let _at = At::op_at("jacfwd", line);
        let a = x.aval();
        field.require("jacfwd", "the argument", &a, CONVERT);
        let (g, captured, y) = trace_to_differentiate(|| trace_tree(&x, std::slice::from_ref(&a), &f));
        let results = g.out_avals().into_iter().filter(|a| field == Field::Complex || !a.dtype.is_complex());
        results.for_each(|a| field.require("jacfwd", "the result", &a, CONVERT));
        let active: Vec<bool> = (0..g.ins.len()).map(|i| i == 0).collect();
        let (joint, active_out) = jvp_of(&g, &active, &vec![false; g.outs.len()]);
        let args = [vec![x], captured, vec![basis(&a)]].concat();
        let mapped: Vec<bool> = (0..args.len()).map(|i| i + 1 == args.len()).collect();
        let dy: Vec<Tensor> = batch_graph(&joint, &BatchAxis::unnamed(a.size()), &args, &mapped)
            .into_iter()
            .skip(g.outs.len())
            .map(|(t, mapped)| if mapped { t } else { broadcast_leading(t, a.size()) })
            .collect();
        let columns = spread_out(&dy, &active_out).into_iter().zip(g.out_avals());
        let jacobian = |(d, y): (Option<Tensor>, Aval)| {
            let dims = [&y.dims[..], &a.dims].concat();
            let Some(d) = d else { return zeros_of(&y.with_dims(dims)) };
            // from [argument, result] to [result, argument]
            moved_axis(d, 0, y.rank()).reshape(dims)
        };
        y.refill(columns.map(jacobian).collect::<Vec<_>>())
    }
}

/// All derivatives of a function with one result, by reverse mode: cheaper than [`jacfwd`] when the argument is larger than
/// the result. A leaf of shape a gives derivatives of shape (shape of the result) ++ a. JAX: `jacrev`.
#[track_caller]
pub fn jacrev<X: TensorTree>(
    f: impl Traced<(X,), Out = Tensor>, // of one argument; several stand in a tuple: `|(x, y): (Tensor, Tensor)| ..`
) -> impl Fn(X) -> X // of tensors: outside of traced functions, `jit(jacrev(f)).call((x,))`
{
    reverse(f, Field::Real, Location::caller())
}
/// [`jacrev`] of functions over a field.
pub(super) fn reverse<X: TensorTree>(
    f: impl Traced<(X,), Out = Tensor>,
    field: Field,
    line: &'static Location<'static>,
) -> impl Fn(X) -> X {
    move |x: X| {
        let _at = At::op_at("jacrev", line);
        let leaves = x.leaves();
        leaves.iter().for_each(|t| field.require("jacrev", "the argument", &t.aval(), CONVERT));
        let (y, linear) = Linear::at(|x| f.call((x,)), &x);
        let a = y.aval();
        field.require("jacrev", "the result", &a, CONVERT);
        let (pull, residuals) = trace_rule(std::slice::from_ref(&a), |ct| linear.pull(&[Some(ct[0])]));
        let args = [vec![basis(&a)], residuals].concat();
        let mapped: Vec<bool> = (0..args.len()).map(|i| i == 0).collect();
        let rows = batch_graph(&pull, &BatchAxis::unnamed(a.size()), &args, &mapped).into_iter().zip(&leaves);
        let jacobian = |((d, mapped), x): ((Tensor, bool), &Tensor)| {
            let dims = [&a.dims[..], &x.dims()].concat();
            if mapped { d.reshape(dims) } else { zeros_of(&d.aval().with_dims(dims)) }
        };
        x.refill(rows.map(jacobian).collect::<Vec<_>>())
    }
}

/// All second derivatives of a function of one tensor, of shape (shape of the result) ++ argument ++ argument: forward
/// over reverse mode. JAX: `hessian`.
///
/// ```
/// use raxla::{hessian, prelude::*};
/// let f = jit(|x: Tensor| hessian(|x: Tensor| (x * x * x).sum(0))(x));
/// let h = f.call((Array::from_slice([2], &[1f32, 2.])?,))?;
/// assert_eq!(h.to_vec::<f32>()?, [6.0, 0.0, 0.0, 12.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn hessian(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    jacfwd(jacrev(f))
}
