//! Values of what is composed from primitives.
use super::Case;
use raxla::{
    einsum_n, eye, linspace,
    nn::{self, Activation, LayerNorm, RmsNorm, rope},
    prelude::*,
    prim,
};

/// x as unsigned bits.
fn unsigned(x: Tensor) -> Tensor {
    x.bitcast(DType::U32)
}

pub const CASES: &[Case] = &[
    case!(softmax, |x| (x.softmax(-1), x.softmax(0), x.softmax([0, 1]))),
    case!(softmax_special, |x| x.softmax(-1)),
    case!(log_softmax, |x| (x.log_softmax(-1), x.log_softmax(0))),
    case!(log_softmax_special, |x| x.log_softmax(-1)),
    case!(logsumexp, |x| (x.logsumexp(..), x.logsumexp(-1), x.logsumexp_keep(0), (x * 1000.0).logsumexp(1))),
    case!(logsumexp_special, |x| x.logsumexp(-1)),
    case!(activations, |x| {
        use Activation::*;
        [Gelu, GeluTanh, Silu, Relu, Sigmoid, Tanh, Relu2, QuickGelu].map(|f| f.call(x * 3.0))
    }),
    case!(activations_f64, |x| {
        use Activation::*;
        [Gelu, GeluTanh, Silu, Sigmoid, Tanh].map(|f| f.call(x * 3.0))
    }),
    case!(layer_norm, |x, gain, bias| LayerNorm { gain, bias, eps: 1e-5 }.call(x)),
    case!(rms_norm, |x, gain| RmsNorm::new(gain, 1e-6).call(x)),
    case!(cross_entropy, |logits, targets| nn::cross_entropy(logits, targets)),
    case!(einsum_forms, |x, y, v| [
        einsum("bij,bjk->bik", x, y),
        einsum("bij,bjk->ki", x, y),
        einsum("bij,cjk->bcik", x, y),
        einsum("bij,j->ib", x, v),
        einsum("i,j->ij", v, v),
        einsum("bij,bjk->", x, y),
        einsum("bij,bij->bij", x, x),
    ]),
    case!(einsum_of_several, |a, b, c| [
        einsum_n("ii->i", &[a]),
        einsum_n("ii->", &[a]),
        einsum_n("ij->ji", &[a]),
        einsum_n("ij,jk,kl->il", &[a, b, c]),
        einsum_n("ij,jk,ki->", &[a, b, c]),
        einsum("ii,ij->j", a, b),
    ]),
    case!(reductions, |x| [
        x.sum(..),
        x.sum(-1),
        x.mean([0, 2]),
        x.var(1),
        x.std(0),
        x.max([0, -1]),
        x.min_keep(1),
        x.prod(2),
        x.gt(1.0).any(-1),
        x.gt(-1.0).all(0),
    ]),
    case!(reductions_of_integers, |x| [
        x.sum(0),
        x.prod(1),
        x.mean(0),
        x.max(-1),
        x.min(..),
        x.gt(0).sum(1),
        x.any(0),
        x.cast(DType::I8).sum(0),
        prim::reduce_and(x, [0]),
        prim::reduce_xor(x, [1]),
    ]),
    case!(argmax_and_argmin, |x| (x.argmax(1), x.argmin(-1), x.argmax(0))),
    case!(cumulative, |x| [
        prim::cumsum(x, 1, false),
        prim::cumprod(x, 0, false),
        prim::cummax(x, 1, false),
        prim::cummin(x, 1, false),
        prim::cumlogsumexp(x, 1, false),
        prim::cumsum(x, 1, true),
        prim::cumprod(x, 1, true),
        prim::cummax(x, 1, true),
        prim::cummin(x, 0, true),
        prim::cumlogsumexp(x, 1, true),
    ]),
    case!(sort_and_argsort, |x| (x.sort(-1), x.argsort(-1), x.sort(0), x.sort(-1).flip(-1))),
    case!(top_k, |x, ties| (x.top_k(3), ties.top_k(2))),
    case!(sort_by_two_keys, |a, b, payload| prim::sort(&[a, b.round(), payload], 0, 2, true)),
    case!(where, |condition, x, y| {
        let condition = condition.cast(DType::Bool);
        [where_(condition, x, y), where_(condition, x, 0.5), where_(x.gt(y), x, y)]
    }),
    case!(clip, |x, n| [
        x.clip(-0.5, 0.75),
        n.clip(-10, 20),
        prim::clamp(x.like(-0.5), x, x.like(0.75)),
        x.maximum(0.2),
        n.minimum(3),
    ]),
    case!(pad, |x| {
        let number = |v: f64| full([], DType::F32, v);
        [
            prim::pad(x, number(0.0), [(1, 2, 0), (0, 1, 0)]),
            prim::pad(x, number(9.0), [(1, 0, 1), (-1, 2, 2)]),
            prim::pad(x, number(-1.0), [(-2, 1, 0), (2, -3, 1)]),
            prim::pad(x, number(7.0), [(0, 0, 0), (2, 0, 0)]),
        ]
    }),
    case!(shapes, |x| (
        [x.transpose([1, 0]), x.expand_dims(0), x.swap_axes(0, 1), x.expand_dims(0).move_axis(0, -1)],
        [x.reshape([2, 6]), x.expand_dims(1).squeeze(1), x.repeat(2, 1), x.tile([2, 1]), x.flip(0)],
        x.split(1, [1, 2, 1]),
        stack(&[x, x * 2.0], 1),
        concat(&[x, x.slice_axis(0, ..1)], 0),
        x.slice_axis(0, ..1).squeeze(0).broadcast_to([2, 4]),
        prim::slice(x, [1, 0], [3, 4], [1, 2]),
    )),
    case!(triangles, |x| [
        x.tril(0),
        x.triu(1),
        x.tril(-1),
        eye(3, DType::F32),
        causal(3),
        linspace(-1.0, 2.0, 5, DType::F32),
        arange(4, DType::U8),
        full([2], DType::I32, 7),
    ]),
    case!(one_hot, |i| (one_hot(i, 3, DType::F32), one_hot(i.expand_dims(1), 4, DType::I32))),
    case!(roll, |x| [x.roll(1, 1), x.roll(-1, 0), x.slice_axis(1, 1..) - x.slice_axis(1, ..3),]),
    case!(transcendental, |x, p| (
        [x.exp(), x.expm1(), p.log(), p.log1p(), x.sin(), x.cos(), p.sqrt(), p.rsqrt(), x.cbrt()],
        [x.erf(), x.tanh().erf_inv(), p.pow(x), x.powi(3), p.powi(-2), x.atan2(p - 1.0), x.abs(), x.sign()],
        [(x * x + p * p).sqrt(), x.logaddexp(p), nn::softplus(x)],
    )),
    case!(transcendental_f64, |x, p| (
        [x.exp(), x.expm1(), p.log(), p.log1p(), x.sin(), x.cos(), x.tanh(), p.sqrt(), p.rsqrt(), x.cbrt()],
        [x.erf(), p.pow(x), x.powi(3), p.powi(-2), x.atan2(p - 1.0), x.logistic()],
    )),
    case!(rounding_and_remainders, |x, n, m| {
        let (f, g) = (n.cast(DType::F32), m.cast(DType::F32));
        (
            [x.round(), x.floor(), x.ceil(), x.round_away()],
            [n % m, n.modulo(m), n / m, f.modulo(g), f % g, x.is_finite(), x.is_nan()],
        )
    }),
    case!(bits, |x, n| (
        [x & n, x | n, x ^ n, !x, x << n, x >> n, unsigned(x) >> unsigned(n)],
        [
            x.population_count(),
            unsigned(x).leading_zeros(),
            x.bitcast(DType::F32) * 0.0,
            unsigned(x).bitcast(DType::U8)
        ],
    )),
    case!(casts, |x| {
        let wide = x.cast(DType::I32);
        let through = |d: DType| x.cast(d).cast(DType::F32);
        (
            [wide, x.cast(DType::U8), x.cast(DType::Bool), wide.cast(DType::I8), wide.cast(DType::F32)],
            [through(DType::BF16), through(DType::F16), x.reduce_precision(5, 3)],
        )
    }),
    case!(attention, |q, k, v| nn::attention(q, k, v, causal(4), 8f64.powf(-0.5))),
    case!(rotary, |x| {
        let rope = rope::Rope { dim: 8, theta: 10000.0, scaling: rope::RopeScaling::Default };
        let rotation = rope.rotations(arange(5, DType::I32), full([], DType::I32, 5));
        rotation.apply(x.reshape([1, 5, 1, 8])).reshape([5, 8])
    }),
];
