//! The incomplete beta function.
use super::*;
use crate::ops::where_;

/// The derivative by x.
pub(super) fn density(a: Tensor, b: Tensor, x: Tensor) -> Tensor {
    let log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma();
    ((b - 1.0) * (-x).log1p() + (a - 1.0) * x.log() - log_beta).exp()
}

pub(super) fn value(a: Tensor, b: Tensor, x: Tensor) -> Tensor {
    let infinite = |t: Tensor| t.eq(f64::INFINITY);
    let (a_is_0, b_is_0) = (a.eq(0.0) | infinite(b), b.eq(0.0) | infinite(a));
    let (x_is_0, x_is_1) = (x.eq(0.0), x.eq(1.0));
    let is_0 = (b_is_0 & !x_is_1) | (a_is_0 & x_is_0);
    let is_1 = (a_is_0 & !x_is_0) | (b_is_0 & x_is_1);
    let outside = a.lt(0.0) | b.lt(0.0) | x.lt(0.0) | x.gt(1.0);
    let is_nan = outside | (a_is_0 & b_is_0) | a.is_nan() | b.is_nan() | x.is_nan();
    // the fraction converges for small x (DLMF 8.17.22); elsewhere it is that of the other end (DLMF 8.17.4)
    let small = x.lt((a + 1.0) / (a + b + 2.0));
    let (a, b, x) = (where_(small, a, b), where_(small, b, a), where_(small, x, 1.0 - x));
    let tiny = if x.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let rest = b.lgamma() - (a + b).lgamma();
    let factor = where_(
        a.lt(2.0 * tiny),
        ((-x).log1p() * b - rest).exp(),
        (x.log() * a + (-x).log1p() * b - (a.lgamma() + rest)).exp() / a,
    );
    let y = fraction(a, b, x) * factor;
    let y = where_(small, y, 1.0 - y);
    let y = where_(is_0, x.like(0.0), y);
    let y = where_(is_1, x.like(1.0), y);
    where_(is_nan, x.like(f64::NAN), y)
}

/// The continued fraction of DLMF 8.17.22, by the modified Lentz algorithm.
fn fraction(a: Tensor, b: Tensor, x: Tensor) -> Tensor {
    type State = (Tensor, Tensor, [Tensor; 3]);
    let dtype = x.dtype();
    let (small, most) = (epsilon(dtype) / 2.0, if dtype == DType::F64 { 600 } else { 200 });
    let numerator = |i: Tensor| {
        let (is_one, is_even) = (i.eq(1), (i % 2).eq(0));
        let m = ((i - 1) / 2).cast(dtype);
        let even = where_(
            m.eq(0.0),
            -(a + b) * x / (a + 1.0),
            -(a + m) * (a + b + m) * x / ((a + m * 2.0) * (a + m * 2.0 + 1.0)),
        );
        let odd = m * (b - m) * x / ((a + m * 2.0 - 1.0) * (a + m * 2.0));
        where_(is_one, x.like(1.0), where_(is_even, even, odd))
    };
    let not_0 = |t: Tensor| where_(t.abs().lt(small), t.like(small), t);
    let step = |(i, _, [c, d, h]): State| {
        let numerator = numerator(i);
        let c = not_0(1.0 + numerator / c);
        let d = not_0(1.0 + numerator * d).powi(-1);
        let delta = c * d;
        (i + 1, (delta - 1.0).abs().ge(small).any(..), [c, d, h * delta])
    };
    let first = x.like(small);
    let start: State = (full([], DType::I32, 1), full([], DType::Bool, true), [first, x.like(0.0), first]);
    while_loop(|(i, goes_on, _): State| i.lt(most) & goes_on, step, start).2[2]
}
