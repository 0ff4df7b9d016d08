//! Bessel functions.
use super::*;
use crate::{
    ops::shape::arange,
    prim::{ScanOptions, scan_with},
    trace::{At, fail},
};

/// The modified Bessel function of the first kind and order 0, times e^-|x|.
#[doc = example!("i0e(number(1.0))", "0.46575960759364043")]
#[track_caller]
pub fn i0e(x: Tensor) -> Tensor {
    x.bessel_i0e()
}
/// The modified Bessel function of the first kind and order 0.
#[doc = example!("i0(number(1.0))", "1.2660658777520084")]
#[track_caller]
pub fn i0(x: Tensor) -> Tensor {
    let _at = At::op("i0");
    x.abs().exp() * x.bessel_i0e()
}
/// The modified Bessel function of the first kind and order 1, times e^-|x|.
#[doc = example!("i1e(number(1.0))", "0.2079104153497085")]
#[track_caller]
pub fn i1e(x: Tensor) -> Tensor {
    x.bessel_i1e()
}
/// The modified Bessel function of the first kind and order 1.
#[doc = example!("i1(number(1.0))", "0.565159103992485")]
#[track_caller]
pub fn i1(x: Tensor) -> Tensor {
    let _at = At::op("i1");
    x.abs().exp() * x.bessel_i1e()
}
/// The Bessel functions of the first kind and orders 0 to `v`, stacked in a new leading axis, by downward recurrence from order
/// `n_iter` (JAX: 50, which is enough for x up to about 30).
#[doc = example!("bessel_jn(number(1.0), 0, 50).squeeze(0)", "0.7651976865579666")]
///
/// # Errors
/// Orders beyond `n_iter`.
#[track_caller]
pub fn bessel_jn(x: Tensor, v: usize, n_iter: usize) -> Tensor {
    let _at = At::op("bessel_jn");
    if v > n_iter {
        let help = format!("begin at an order of at least {v}");
        fail("bessel_jn", vec![x.aval()], format!("order {v} is beyond the {n_iter} that it begins at"), Some(help))
    }
    type State = (Tensor, Tensor, Tensor);
    let step = |(above, here, sum): State, k: Tensor| {
        let below = (k + 1.0) * 2.0 * here / x - above;
        let sum = where_((k % 2.0).eq(0.0), sum + below * 2.0, sum);
        ((here, below, sum), below)
    };
    let start = (x.like(0.0), x.like(1e-16), x.like(0.0));
    let options = ScanOptions { reverse: true, ..ScanOptions::default() };
    let ((_, _, sum), all) = scan_with(options, step, start, arange(n_iter + 1, x.dtype()));
    let first = all.slice_axis(0, ..1).squeeze(0);
    all.slice_axis(0, ..v + 1) / (sum - first)
}
