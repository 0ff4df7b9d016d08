//! Hypergeometric functions, with the methods and the derivatives of JAX (Pearson, Olver and Porter, arXiv 1407.7786).
use super::*;
use crate::{ops::Rhs, prim::composite_jvp, trace::At};

/// The confluent hypergeometric function ₁F₁(a; b; x). In f32 and f64.
#[doc = example!("hyp1f1(1.0, 1.0, number(0.5))", "0.5f64.exp()")]
#[track_caller]
pub fn hyp1f1(a: impl Rhs, b: impl Rhs, x: Tensor) -> Tensor {
    let _at = At::op("hyp1f1");
    type Three = (Tensor, Tensor, Tensor);
    let [a, b, x] = together("hyp1f1", [a.beside(x), b.beside(x), x]);
    let rule = |(a, b, x): Three, (da, db, dx): Three| {
        let next = |k: Tensor, term: Tensor| term * (a + k) / (b + k) * x / (k + 1.0);
        let first = a / b * x;
        let by_a = series((0.0, 1.0, first), |k, term| term * ((a + k).digamma() - a.digamma()), next);
        let by_b = series((0.0, 1.0, first), |k, term| term * (b.digamma() - (b + k).digamma()), next);
        let by_x = a / b * confluent((a + 1.0, b + 1.0, x));
        (confluent((a, b, x)), by_a * da + by_b * db + by_x * dx)
    };
    composite_jvp(confluent, rule)((a, b, x))
}
fn confluent((a, b, x): (Tensor, Tensor, Tensor)) -> Tensor {
    let near = x.abs().lt(100.0);
    let (small, large) = (where_(near, x, 1.0), where_(near, x.like(100.0), x));
    let sum = series((1.0, 1.0, a / b * small), |_, term| term, |k, term| term * (a + k) / (b + k) * small / (k + 1.0));
    let first = (b - a) * (1.0 - a) / large;
    let far =
        series((1.0, 1.0, first), |_, term| term, |k, term| term * (b - a + k) * (1.0 - a + k) / (k + 1.0) / large);
    let far = gamma(b) / gamma(a) * large.exp() * large.pow(a - b) * far;
    let y = where_(near, sum, far);
    let zero = a.eq(0.0);
    let y = where_(b.eq(0.0) & !zero, y.like(f64::INFINITY), y);
    let y = where_(a.eq(b) & !zero, x.exp(), y);
    where_(zero, y.like(1.0), y)
}

type Four = (Tensor, Tensor, Tensor, Tensor);
/// The hypergeometric function ₂F₁(a, b; c; x) of x < 1. In f32 and f64.
#[doc = example!("hyp2f1(1.0, 1.0, 2.0, number(0.5))", "2.0 * 2f64.ln()")]
#[track_caller]
pub fn hyp2f1(a: impl Rhs, b: impl Rhs, c: impl Rhs, x: Tensor) -> Tensor {
    let _at = At::op("hyp2f1");
    let [a, b, c, x] = together("hyp2f1", [a.beside(x), b.beside(x), c.beside(x), x]);
    let rule = |(a, b, c, x): Four, (da, db, dc, dx): Four| {
        let next = |k: Tensor, term: Tensor| term * (a + k) * (b + k) / (c + k) / (k + 1.0) * x;
        let first = a * b / c * x;
        let by =
            |of: Tensor| series((0.0, 1.0, first), move |k, term| term * ((of + k).digamma() - of.digamma()), next);
        let by_x = a * b / c * gauss((a + 1.0, b + 1.0, c + 1.0, x));
        (gauss((a, b, c, x)), by(a) * da + by(b) * db - by(c) * dc + by_x * dx)
    };
    composite_jvp(gauss, rule)((a, b, c, x))
}
fn tolerance(x: Tensor) -> f64 {
    epsilon(x.dtype()) * 50.0
}
fn gauss((a, b, c, x): Four) -> Tensor {
    let (d, s, ca, cb) = (c - a - b, 1.0 - x, c - a, c - b);
    let far_from_whole = (d - d.round()).abs().ge(tolerance(x));
    let pole = c.eq(0.0) | (c.lt(0.0) & (c - c.floor()).eq(0.0));
    let turned = d.le(-1.0) & !(far_from_whole & s.lt(0.0));
    // the last that holds counts
    let y = terminal_or_series((a, b, c, x));
    let y = where_(x.eq(1.0), gamma(c) * gamma(d) / (gamma(ca) * gamma(cb)), y);
    let y = where_(x.gt(1.0), y.like(f64::INFINITY), y);
    let y = where_(x.lt(1.0) & a.eq(c), s.pow(-b), y);
    let y = where_(x.lt(1.0) & b.eq(c), s.pow(-a), y);
    let y = where_(d.le(0.0) & x.eq(1.0), y.like(f64::INFINITY), y);
    let y = where_(turned, s.pow(d) * terminal_or_series((ca, cb, c, x)), y);
    let y = where_(pole, y.like(f64::INFINITY), y);
    where_(x.eq(0.0) | ((a.eq(0.0) | b.eq(0.0)) & c.ne(0.0)), y.like(1.0), y)
}
/// A polynomial, the power series, or the series around 1.
fn terminal_or_series((a, b, c, x): Four) -> Tensor {
    let eps = tolerance(x);
    let d = c - a - b;
    let ends = |t: Tensor| t.le(0.0) & (t - t.round()).abs().lt(eps);
    let polynomial = ends(a) | ends(b);
    let around_1 = x.gt(0.9) & !polynomial & (d - d.round()).abs().lt(eps);
    let sum = series(
        (0.0, 1.0, x.like(1.0)),
        |_, term| term,
        |k, term| term * (a + k - 1.0) * (b + k - 1.0) / (c + k - 1.0) / k * x,
    );
    let y = where_(around_1, around_one((a, b, c, x), around_1), sum);
    where_(polynomial, terminal((a, b, c, x), polynomial), y)
}
/// The series that ends, because a or b is a negative integer.
fn terminal((a, b, c, x): Four, wanted: Tensor) -> Tensor {
    let whole = |t: Tensor| (t - t.floor()).eq(0.0);
    let shorter = b.lt(a) & (b - b.round()).abs().lt(tolerance(x)) & !(whole(c) & c.le(0.0) & c.gt(b));
    let (a, b) = (where_(shorter, b, a), where_(shorter, a, b));
    let length = where_(wanted, a.abs(), 0.0);
    let start = [x.like(1.0), x.like(1.0), x.like(1.0)];
    let step = |[i, sum, term]: [Tensor; 3]| {
        let term = term * (-(length - i + 1.0) / (c + i - 1.0) * (b + i - 1.0) / i * x);
        [i + 1.0, sum + term, term]
    };
    each_while(start, |[i, _, _]| i.lt(length + 1.0), step)[1]
}
/// The series around 1 where c - a - b is whole (Abramowitz and Stegun 15.3.10 to 15.3.12).
fn around_one((a, b, c, x): Four, wanted: Tensor) -> Tensor {
    let eps = epsilon(x.dtype());
    let (d, s) = (c - a - b, where_(wanted, 1.0 - x, 0.05));
    let rounded = d.round();
    let up = rounded.ge(0.0);
    let (e, d1, d2) = (where_(up, d, -d), where_(up, d, 0.0), where_(up, d.like(0.0), d));
    let (count, log) = (rounded.abs(), s.log());
    let psi_1 = x.like(1.0).digamma();
    let y = psi_1 + (e + 1.0).digamma() - (a + d1).digamma() - (b + d1).digamma() - log;
    let y = y / gamma(e + 1.0);
    let p = (a + d1) * (b + d1) * s / gamma(e + 2.0);
    let step = |[p, _, t, y]: [Tensor; 4]| {
        let r = (t + 1.0).digamma() + (t + 1.0 + e).digamma() - (a + t + d1).digamma() - (b + t + d1).digamma() - log;
        let q = p * r;
        let p = p * (s * (a + t + d1) / (t + 1.0)) * ((b + t + d1) / (t + 1.0 + e));
        [p, q, t + 1.0, y + q]
    };
    let goes_on = |[_, q, t, y]: [Tensor; 4]| wanted & t.lt(250.0) & q.abs().ge(y.abs() * eps);
    let y = each_while([p, y, x.like(1.0), y], goes_on, step)[3];
    // the finitely many terms before
    let step = |[i, p, t, sum]: [Tensor; 4]| {
        let p = p * (s * (a + t + d2) * (b + t + d2) / (1.0 - e + t)) / (t + 1.0);
        [i + 1.0, p, t + 1.0, sum + p]
    };
    let one = x.like(1.0);
    let finite = each_while([one, one, x.like(0.0), one], |[i, ..]| wanted & i.lt(count), step)[3];
    let finite = finite * (gamma(e) * gamma(c) / (gamma(a + d1) * gamma(b + d1)));
    let infinite = y * (gamma(c) / (gamma(a + d2) * gamma(b + d2)));
    let infinite = where_((count % 2.0).ne(0.0), -infinite, infinite);
    let power = s.pow(rounded);
    let both = where_(rounded.gt(0.0), infinite * power + finite, infinite + finite * power);
    where_(rounded.eq(0.0), y * gamma(c) / (gamma(a) * gamma(b)), both)
}
