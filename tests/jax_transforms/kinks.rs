//! Derivatives where a function has a kink, a tie, a pole or no derivative.
use super::{Case, slopes, slopes2};
use raxla::{hessian, jacfwd, jvp, nn, prelude::*, prim, vmap};

/// Different cotangents for different elements.
fn weigh(x: Tensor) -> Tensor {
    x * (arange(x.size(), x.dtype()) + 1.0).reshape(x.dims())
}
fn clamp(low: f64, x: Tensor, high: f64) -> Tensor {
    prim::clamp(x.like(low), x, x.like(high))
}

pub const CASES: &[Case] = &[
    case!(maximum_and_minimum_at_ties, |x, y| (
        slopes2(|x, y| x.maximum(y))(x, y),
        slopes2(|x, y| x.minimum(y))(x, y),
        slopes(|x| x.maximum(x))(x),
    )),
    case!(maximum_and_minimum_of_specials, |x, y| (
        slopes2(|x, y| x.maximum(y))(x, y),
        slopes2(|x, y| x.minimum(y))(x, y),
    )),
    case!(reduce_max_at_ties, |x| (
        slopes(|x| weigh(x.max(1)))(x),
        slopes(|x| weigh(x.min(0)))(x),
        slopes(|x| x.max(..))(x),
        jvp(|x: Tensor| x.max(1), x, weigh(x).cos()).1,
    )),
    case!(reduce_max_of_specials, |x| (slopes(|x| x.max(1))(x), slopes(|x| x.min(1))(x))),
    case!(cummax_at_ties, |x| (
        slopes(|x| weigh(prim::cummax(x, 0, false)))(x),
        slopes(|x| weigh(prim::cummax(x, 0, true)))(x),
        jvp(|x: Tensor| prim::cummax(x, 0, false), x, weigh(x)).1,
    )),
    case!(cummin_at_ties, |x| (
        slopes(|x| weigh(prim::cummin(x, 0, false)))(x),
        slopes(|x| weigh(prim::cummin(x, 0, true)))(x),
        jvp(|x: Tensor| prim::cummin(x, 0, false), x, weigh(x)).1,
    )),
    case!(cumulative_gradients, |x| {
        let all = [prim::cumsum, prim::cumprod, prim::cummax, prim::cummin, prim::cumlogsumexp];
        all.map(|f| [false, true].map(|reverse| slopes(|x| f(x, 1, reverse).sin())(x)))
    }),
    case!(cumprod_with_zeros, |x, y| (
        slopes(|x| weigh(prim::cumprod(x, 0, false)))(x),
        slopes(|x| weigh(prim::cumprod(x, 0, false)))(y),
        slopes(|x| weigh(prim::cumprod(x, 0, true)))(x),
    )),
    case!(cumlogsumexp_of_infinities, |x| {
        let f = |x: Tensor| prim::cumlogsumexp(x, 0, false);
        (f(x), slopes(|x| f(x).slice_axis(0, 2..))(x))
    }),
    case!(sort_at_ties, |x| (
        slopes(|x| weigh(x.sort(-1)))(x),
        slopes(|x| weigh(x.top_k(4).0))(x),
        jvp(|x: Tensor| x.sort(-1), x, weigh(x)).1,
    )),
    case!(sort_together_at_ties, |keys, x| {
        let sorted = |x: Tensor| prim::sort(&[keys.cast(DType::F64), x], 1, 1, true)[1];
        (sorted(x), slopes(|x| weigh(sorted(x)))(x))
    }),
    case!(absolute_value, |x| [slopes(|x| x.abs())(x), slopes(|x| (x * x).sqrt())(x), slopes(|x| x.sign())(x),]),
    case!(clip_at_limits, |x| [
        slopes(|x| x.clip(-0.5, 0.75))(x),
        slopes(|x| clamp(-0.5, x, 0.75))(x),
        slopes(|low| prim::clamp(low, x, x.like(0.75)))(x.like(-0.5)),
        slopes(|high| prim::clamp(x.like(-0.5), x, high))(x.like(0.75)),
    ]),
    case!(clamp_between_crossed_limits, |low, high| {
        let x = concat(&[full([1], DType::F32, 0.5), full([1], DType::F32, 0.25)], 0);
        [
            slopes(|low| prim::clamp(low, x, high))(low),
            slopes(|high| prim::clamp(low, x, high))(high),
            slopes(|x| prim::clamp(low, x, high))(x),
        ]
    }),
    case!(relu_at_zero, |x| [slopes(nn::relu)(x), slopes(|x| x.maximum(0.0))(x), slopes(|x| nn::relu(x).powi(2))(x),]),
    case!(activation_gradients, |x| {
        let finite = x.slice_axis(0, ..8);
        let f: [fn(Tensor) -> Tensor; 5] = [Tensor::logistic, nn::silu, Tensor::tanh, nn::gelu_tanh, nn::gelu];
        (f.map(|f| slopes(f)(finite)), slopes(Tensor::logistic)(x), slopes(Tensor::tanh)(x))
    }),
    case!(roots_at_zero, |x| [
        slopes(|x| x.sqrt())(x),
        slopes(|x| x.rsqrt())(x),
        slopes(|x| x.cbrt())(x),
        jvp(|x: Tensor| x.sqrt(), x, x.like(0.0)).1,
    ]),
    case!(power_at_zero, |x, y| (slopes2(|x, y| x.pow(y))(x, y), x.pow(y))),
    case!(constant_powers, |x| (
        [0, 1, 2, 3, -1].map(|n| slopes(|x| x.powi(n))(x)),
        [0.0, 1.0, 2.5].map(|y| slopes(|x| x.pow(y))(x)),
    )),
    case!(atan2_at_zero, |y, x| slopes2(|y, x| y.atan2(x))(y, x)),
    case!(product_with_zeros, |x| (
        slopes(|x| weigh(x.prod(1)))(x),
        jacfwd(|x: Tensor| x.prod(1))(x),
        hessian(|x: Tensor| x.prod(..))(x.slice_axis(0, 1..2).squeeze(0)),
    )),
    case!(logsumexp_with_infinities, |x| (slopes(|x| x.logsumexp(-1))(x), x.logsumexp(-1))),
    case!(softmax_with_infinities, |x| (
        slopes(|x| weigh(x.softmax(-1)))(x),
        slopes(|x| where_(x.gt(f64::NEG_INFINITY), weigh(x.log_softmax(-1)), 0.0))(x),
    )),
    case!(softmax_second_derivatives, |x| {
        let [a, b, c] = x.unstack();
        (
            hessian(|x: Tensor| weigh(x.softmax(-1)).sum(..))(a),
            hessian(|x: Tensor| x.logsumexp(..))(b),
            jacfwd(|x: Tensor| x.log_softmax(-1))(c),
        )
    }),
    case!(pieces_without_derivative, |x| {
        let y = x * 3.0;
        [
            slopes(|x| x * x.round())(y),
            slopes(|x| x.floor() + x.ceil() * x)(y),
            slopes(|x| x.sign())(y),
            slopes(|x| x.dynamic_index(0, x.argmax(0)))(y),
            slopes(|x| x.gt(0.0).cast(x.dtype()) * x)(y),
            slopes(|x| x.cast(DType::I32).cast(x.dtype()) + x)(y),
        ]
    }),
    case!(where_with_nan_in_the_other_branch, |x| {
        let safe = |x: Tensor| where_(x.gt(0.0), where_(x.gt(0.0), x, 1.0).sqrt(), 0.0);
        [slopes(|x| where_(x.gt(0.0), x.sqrt(), 0.0))(x), slopes(safe)(x), slopes(|x| where_(x.gt(0.0), 1.0 / x, x))(x)]
    }),
    case!(remainders, |x, y| (slopes2(|x, y| x % y)(x, y), slopes2(|x, y| x.modulo(y))(x, y))),
    case!(poles, |x| [
        slopes(|x| x.log())(x),
        slopes(|x| 1.0 / x)(x),
        slopes(|x| x.log1p())(x),
        slopes(|x| x.erf_inv())(x),
        slopes(|x| x.expm1())(x),
    ]),
    case!(deviation_of_equals, |x| [
        slopes(|x| x.var(1))(x),
        slopes(|x| x.std(1))(x),
        slopes(|x| ((x - 1.0) * (x - 1.0)).sum(1).sqrt())(x),
    ]),
    case!(median_by_sorting, |x| {
        let [first, last] = [0, 3].map(|i| full([1], DType::I32, i));
        [
            slopes(|x| x.sort(0).slice_axis(0, 1..3).mean(..))(x),
            slopes(|x| x.sort(0).take(concat(&[first, first, last], 0), 0))(x),
        ]
    }),
    case!(logaddexp_at_ties_and_infinities, |x, y| {
        let f = |x: Tensor, y: Tensor| x.logaddexp(y);
        let second = vmap(|(x, y): (Tensor, Tensor)| hessian(|x: Tensor| f(x, y) * f(x, x))(x));
        (f(x, y), slopes2(f)(x, y), slopes(nn::softplus)(x), second((x.slice_axis(0, ..3), y.slice_axis(0, ..3))))
    }),
];
