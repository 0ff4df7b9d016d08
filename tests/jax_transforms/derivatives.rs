//! `grad` and its relatives, of trees, of any order.
use super::{Case, float};
use raxla::{
    einsum_n, grad, hessian, jacfwd, jacrev, jvp, linearize, prelude::*, prim, value_and_grad, value_and_grad_aux, vjp,
    vmap,
};

fn smooth(x: Tensor) -> Tensor {
    x.sin() * (-x * x / 4.0).exp() + x.tanh()
}
/// The derivative of a function of a scalar by forward mode.
fn forward(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    move |x| jvp(&f, x, float(1.0)).1
}
/// The elements `a..b`.
fn part(x: Tensor, a: usize, b: usize) -> Tensor {
    x.slice_axis(0, a..b)
}
fn first(x: Tensor) -> Tensor {
    part(x, 0, 1).squeeze(0)
}
fn times(w: Tensor, x: Tensor) -> Tensor {
    einsum("ij,j->i", w, x)
}

type Pair = (Tensor, Tensor);

pub const CASES: &[Case] = &[
    case!(grad_f32, |x| grad(|x: Tensor| smooth(x).sum(..))(x)),
    case!(value_and_grad_of_tree, |x, w, b| {
        let loss = |(w, b): Pair| (einsum("bi,io->bo", x, w) + b).tanh().powi(2).mean(..);
        value_and_grad(loss)((w, b))
    }),
    case!(value_and_grad_with_aux, |x, n| {
        let f = |x: Tensor| {
            let y = x * n.cast(DType::F64);
            (y.sin().sum(..), (y, n + 1, y.max(..)))
        };
        value_and_grad_aux(f)(x)
    }),
    case!(grad_by_unused_and_captured, |x, y| (
        grad(|(x, _): Pair| (x * x).sum(..))((x, y)),
        grad(|x: Tensor| (x * y).sum(..) * y.sum(..))(x),
    )),
    case!(vjp_with_integers, |x, y, n, ct| {
        let f = |(x, y, n): (Tensor, Tensor, Tensor)| (times(x, y * n.cast(DType::F64)), n + 1);
        let (out, pull) = vjp(f, (x, y, n));
        let (dx, dy, _) = pull((ct, n));
        (out, dx, dy)
    }),
    case!(jvp_with_integers, |x, n, dx| {
        let f = |(x, n): Pair| (x.sin() * n.cast(DType::F64), n * 2);
        let (out, (dy, _)) = jvp(f, (x, n), (dx, n));
        (out, dy)
    }),
    case!(jvp_and_vjp, |x, dx, ct| {
        let f = |x: Tensor| prim::cumsum(smooth(x), 0, false) * x.flip(0);
        let (y, pull) = vjp(f, x);
        (jvp(f, x, dx), y, pull(ct))
    }),
    case!(vjp_of_several_results, |x, y, ct| {
        let ((a, b), pull) = vjp(|(x, y): Pair| (x * y, (x / (y * y + 1.0)).sum(..)), (x, y));
        (a, b, pull((ct, ct.sum(..))), pull((ct * 2.0, float(0.0))))
    }),
    case!(linearize, |x, dx| {
        let (y, push) = linearize(|x: Tensor| x.sin().exp() * first(x), x);
        (y, push(dx), push(x))
    }),
    case!(vjp_mapped, |x, cts| {
        let (_, pull) = vjp(smooth, x);
        vmap(pull)(cts)
    }),
    case!(jacobians, |x, w| {
        let f = |x: Tensor| times(w, x).tanh() * part(x, 0, 2);
        (
            jacfwd(f)(x),
            jacrev(f)(x),
            jacfwd(|x: Tensor| (f(x), x.sum(..)))(x),
            jacrev(|w: Tensor| times(w, x).tanh())(w),
        )
    }),
    case!(jacobians_of_matrices, |x| {
        let f = |x: Tensor| einsum("ij,kj->ik", x, x.sin());
        (jacfwd(f)(x), jacrev(f)(x))
    }),
    case!(jacrev_of_tree, |x, y| jacrev(|(x, y): Pair| x * y.prod(..))((x, y))),
    case!(hessian, |x| hessian(|x: Tensor| smooth(x).sum(..) * x.prod(..))(x)),
    case!(hessian_of_matrix, |x| hessian(|x: Tensor| einsum("ij,jk->ik", x, x).tanh().sum(..))(x)),
    case!(hessian_both_ways, |x| {
        let f = |x: Tensor| (smooth(x) * x.flip(0)).sum(..);
        [jacrev(jacfwd(f))(x), jacfwd(jacfwd(f))(x), jacrev(jacrev(f))(x), hessian(|x: Tensor| smooth(x) * first(x))(x)]
    }),
    case!(third_derivatives, |x| {
        let f = |x: Tensor| smooth(x) * x.powi(4);
        [
            grad(grad(grad(f)))(x),
            forward(forward(forward(f)))(x),
            grad(forward(grad(f)))(x),
            forward(grad(forward(f)))(x),
            grad(grad(grad(grad(f))))(x),
        ]
    }),
    case!(third_derivative_tensor, |x| jacfwd(jacrev(jacfwd(|x: Tensor| x.sin().prod(..) * first(x))))(x)),
    case!(hessian_vector_products, |x, v| {
        let f = |x: Tensor| (x.exp() * x.flip(0).cos()).sum(..);
        [
            jvp(grad(f), x, v).1,
            grad(|x: Tensor| (grad(f)(x) * v).sum(..))(x),
            vjp(grad(f), x).1(v),
            grad(|x: Tensor| jvp(f, x, v).1)(x),
        ]
    }),
    case!(gradients_that_capture_each_other, |x, y| {
        let inner = |x: Tensor, y: Tensor| grad(|y: Tensor| (x * y * y * x.sin()).sum(..))(y);
        (grad(|x: Tensor| (x * inner(x, x)).sum(..))(x), grad(|x: Tensor| inner(x, y).powi(2).sum(..))(x))
    }),
    case!(stop_gradient, |x| [
        grad(|x: Tensor| (x * x.stop_gradient()).sum(..))(x),
        grad(|x: Tensor| (x.sin().stop_gradient() + x.cos()).sum(..))(x),
        jvp(|x: Tensor| x.stop_gradient() * x, x, x).1,
        grad(|x: Tensor| (x.exp() - x.softmax(-1).stop_gradient() * x).sum(..))(x),
    ]),
    case!(matmul_gradients, |a, b, v| {
        let f = |(a, b, v): (Tensor, Tensor, Tensor)| einsum_n("ij,jk,k->i", &[a, b, v]).sin().sum(..);
        grad(f)((a, b, v))
    }),
    case!(einsum_gradients, |x, y, d| {
        let f = |(x, y, d): (Tensor, Tensor, Tensor)| einsum_n("bij,bjk,kk->ib", &[x, y, d]).tanh().sum(..);
        grad(f)((x, y, d))
    }),
    case!(shape_gradients, |x| {
        let f = |x: Tensor| {
            let y = concat(&[x, x.flip(0) * 2.0], 1);
            let y = prim::pad(y, float(3.0), [(1, 0, 0), (0, 2, 0)]);
            let y = prim::slice(y, [0, 0], y.dims(), [1, 3]);
            let y = y.repeat(2, 0) + y.tile([2, 1]);
            (y.sin() * y.tril(0)).sum(..)
        };
        (grad(f)(x), jacfwd(f)(x))
    }),
    case!(broadcast_gradients, |x| (
        grad(|r: Tensor| (x + r).sin().sum(..))(first(x)),
        grad(|c: Tensor| (x * c).sin().sum(..))(x.slice_axis(1, ..1)),
        grad(|s: Tensor| (x / s).sin().sum(..))(first(first(x))),
        grad(|r: Tensor| r.broadcast_to([4, 2, 3]).powi(3).sum(..))(x),
    )),
    case!(reduction_gradients, |x| {
        let f = |x: Tensor| {
            let a = x.var(0).sum(..) + first(x).prod(..) + x.mean(1).powi(3).sum(..);
            a + x.max(1).sum(..) * x.min(..) + x.logsumexp(..) + x.std(1).sum(..)
        };
        value_and_grad(f)(x)
    }),
    case!(mixed_precision_gradient, |x, w| {
        let f = |(x, w): Pair| (x.cast(DType::F16) * w.cast(DType::F16)).cast(DType::F32).powi(2).sum(..);
        (grad(f)((x, w)), grad(|x: Tensor| x.cast(DType::BF16).sum(..).cast(DType::F32))(x))
    }),
    case!(transcendental_gradients, |x, y| {
        let f: [fn(Pair) -> Tensor; 8] = [
            |(x, p)| x / p,
            |(x, p)| p.pow(x),
            |(x, p)| x.atan2(p),
            |(x, p)| p.log() * p.log1p() * x,
            |(x, p)| x.erf() + (x.tanh() / 2.0).erf_inv() * p,
            |(x, p)| p.cbrt() * p.sqrt() * (p + x * x).rsqrt(),
            |(x, p)| x.expm1() * p.cos() + (x * p).logistic(),
            |(x, p)| x.modulo(p) + (x % p) * x,
        ];
        f.map(|f| grad(|t: Pair| f(t).sum(..))((x, y.exp())))
    }),
    case!(transcendental_second_derivatives, |x, y| {
        let f: [fn(Tensor, Tensor) -> Tensor; 7] = [
            |x, p| x / p,
            |x, p| p.pow(x),
            |x, p| x.atan2(p),
            |x, p| x.erf() * p.cbrt(),
            |x, p| p.sqrt() * (p + x * x).rsqrt(),
            |x, p| (x * p).logistic() * x.tanh(),
            |x, p| raxla::nn::gelu(x * p),
        ];
        f.map(|f| hessian(|t: Tensor| f(part(t, 0, 3), part(t, 3, 6)).sum(..))(concat(&[x, y.exp()], 0)))
    }),
];
