//! Logarithms, entropies, and what is normalized by exponentials.
use super::*;
use crate::{
    ops::{Rhs, reduce::Axes},
    prim::composite_jvp,
    trace::At,
};

/// The logistic function 1 / (1 + e⁻ˣ).
#[doc = example!("expit(number(0.0))", "0.5")]
#[track_caller]
pub fn expit(x: Tensor) -> Tensor {
    x.logistic()
}
/// ln(x / (1 - x)), the inverse of [`expit`].
#[doc = example!("logit(number(0.75))", "3f64.ln()")]
#[track_caller]
pub fn logit(x: Tensor) -> Tensor {
    let _at = At::op("logit");
    let value = |x: Tensor| (x / (1.0 - x)).log();
    composite_jvp(value, move |x: Tensor, d: Tensor| (value(x), d / (x * (1.0 - x))))(x)
}
/// ln Σ eˣ over axes, without overflow: [`Tensor::logsumexp`].
#[doc = example!("logsumexp(full([2], DType::F64, 0.0), ..)", "2f64.ln()")]
#[track_caller]
pub fn logsumexp(x: Tensor, axes: impl Into<Axes>) -> Tensor {
    x.logsumexp(axes)
}
/// eˣ over the sum of all along an axis: [`Tensor::softmax`].
#[doc = example!("softmax(full([2], DType::F64, 0.0), 0).max(..)", "0.5")]
#[track_caller]
pub fn softmax(x: Tensor, axis: isize) -> Tensor {
    x.softmax(axis)
}
/// The logarithm of [`softmax`]: [`Tensor::log_softmax`].
#[doc = example!("log_softmax(full([2], DType::F64, 0.0), 0).max(..)", "0.5f64.ln()")]
#[track_caller]
pub fn log_softmax(x: Tensor, axis: isize) -> Tensor {
    x.log_softmax(axis)
}

type Pair = (Tensor, Tensor);
fn x_log_y((x, y): Pair) -> Tensor {
    where_(x.ne(0.0) | y.is_nan(), x * y.log(), 0.0)
}
/// x ln y; 0 where x is 0, whatever y is but NaN.
#[doc = example!("xlogy(number(0.0), 0.0)", "0.0")]
#[track_caller]
pub fn xlogy(x: Tensor, y: impl Rhs) -> Tensor {
    let _at = At::op("xlogy");
    let rule = |(x, y): Pair, (dx, dy): Pair| (x_log_y((x, y)), dx * y.log() + dy * x / y);
    let [x, y] = together("xlogy", [x, y.beside(x)]);
    composite_jvp(x_log_y, rule)((x, y))
}
/// x ln(1 + y); 0 where x is 0, whatever y is but NaN.
#[doc = example!("xlog1py(number(2.0), 1.0)", "2.0 * 2f64.ln()")]
#[track_caller]
pub fn xlog1py(x: Tensor, y: impl Rhs) -> Tensor {
    let _at = At::op("xlog1py");
    let value = |(x, y): Pair| where_(x.ne(0.0) | y.is_nan(), x * y.log1p(), 0.0);
    let rule = move |(x, y): Pair, (dx, dy): Pair| (value((x, y)), dx * y.log1p() + dy * x / (1.0 + y));
    let [x, y] = together("xlog1py", [x, y.beside(x)]);
    composite_jvp(value, rule)((x, y))
}
fn x_log_x(x: Tensor) -> Tensor {
    let value = |x: Tensor| x_log_y((x, x));
    composite_jvp(value, move |x: Tensor, d: Tensor| (value(x), d * (x.log() + 1.0)))(x)
}
/// The entropy -x ln x; 0 at 0, -∞ of negative numbers.
#[doc = example!("entr(number(0.5))", "0.5 * 2f64.ln()")]
#[track_caller]
pub fn entr(x: Tensor) -> Tensor {
    let _at = At::op("entr");
    where_(x.lt(0.0), x.like(f64::NEG_INFINITY), -x_log_x(x))
}
/// The relative entropy p ln(p / q) of positive numbers; 0 where p is 0, ∞ where one is negative.
#[doc = example!("rel_entr(number(1.0), 0.5)", "2f64.ln()")]
#[track_caller]
pub fn rel_entr(p: Tensor, q: impl Rhs) -> Tensor {
    let _at = At::op("rel_entr");
    let [p, q] = together("rel_entr", [p, q.beside(p)]);
    let (both, none) = (p.gt(0.0) & q.gt(0.0), p.eq(0.0) & q.ge(0.0));
    let (safe_p, safe_q) = (where_(both, p, 1.0), where_(both, q, 1.0));
    let value = x_log_x(safe_p) - xlogy(safe_p, safe_q);
    where_(both, value, where_(none, p.like(0.0), f64::INFINITY))
}
/// The term p ln(p / q) - p + q of the Kullback-Leibler divergence.
#[doc = example!("kl_div(number(1.0), 0.5)", "2f64.ln() - 0.5")]
#[track_caller]
pub fn kl_div(p: Tensor, q: impl Rhs) -> Tensor {
    let _at = At::op("kl_div");
    let [p, q] = together("kl_div", [p, q.beside(p)]);
    rel_entr(p, q) - p + q
}
/// The Box-Cox transformation (xˡ - 1) / l; ln x where l is 0.
#[doc = example!("boxcox(number(3.0), 2.0)", "4.0")]
#[track_caller]
pub fn boxcox(x: Tensor, lmbda: impl Rhs) -> Tensor {
    let _at = At::op("boxcox");
    let [x, lmbda] = together("boxcox", [x, lmbda.beside(x)]);
    powered(x.log(), lmbda)
}
/// The Box-Cox transformation of 1 + x.
#[doc = example!("boxcox1p(number(2.0), 2.0)", "4.0")]
#[track_caller]
pub fn boxcox1p(x: Tensor, lmbda: impl Rhs) -> Tensor {
    let _at = At::op("boxcox1p");
    let [x, lmbda] = together("boxcox1p", [x, lmbda.beside(x)]);
    powered(x.log1p(), lmbda)
}
fn powered(log: Tensor, lmbda: Tensor) -> Tensor {
    let zero = lmbda.eq(0.0);
    let safe = where_(zero, lmbda.like(1.0), lmbda);
    where_(zero, log, (safe * log).expm1() / safe)
}
