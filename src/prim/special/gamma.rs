//! Incomplete gamma functions and their derivatives.
use super::*;
use crate::ops::where_;

/// The derivative of P(a, x) by x.
pub(super) fn density(a: Tensor, x: Tensor) -> Tensor {
    ((a - 1.0) * x.log() - x - a.lgamma()).exp()
}

/// What is wanted of a series or a continued fraction.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    Value,
    Derivative,
    Sample,
}

/// xᵃ e⁻ˣ / Γ(a), and whether it is below all numbers.
fn factor(a: Tensor, x: Tensor) -> (Tensor, Tensor) {
    let log = a * x.log() - x - a.lgamma();
    (log.exp(), log.lt(-largest(x.dtype()).ln()))
}
/// Where there is no value: negative operands, two zeros, NaN.
fn undefined(a: Tensor, x: Tensor) -> Tensor {
    x.lt(0.0) | a.lt(0.0) | (a.eq(0.0) & x.eq(0.0)) | a.is_nan() | x.is_nan()
}
pub(super) fn lower(a: Tensor, x: Tensor) -> Tensor {
    let (infinite, wrong) = (x.eq(f64::INFINITY), undefined(a, x));
    let by_fraction = x.ge(1.0) & x.gt(a);
    let (ax, underflow) = factor(a, x);
    let enabled = !(x.eq(0.0) | wrong | underflow | infinite);
    let y = where_(
        by_fraction,
        1.0 - fraction(ax, x, a, enabled & by_fraction, Wanted::Value),
        series(ax, x, a, enabled & !by_fraction, Wanted::Value),
    );
    let y = where_(x.eq(0.0), x.like(0.0), y);
    let y = where_(infinite, x.like(1.0), y);
    where_(wrong, x.like(f64::NAN), y)
}
pub(super) fn upper(a: Tensor, x: Tensor) -> Tensor {
    let (none, wrong) = (x.eq(f64::INFINITY) | a.eq(0.0), undefined(a, x));
    let by_series = x.lt(1.0) | x.lt(a);
    let (ax, underflow) = factor(a, x);
    let enabled = !(wrong | underflow | none);
    let y = where_(
        by_series,
        1.0 - series(ax, x, a, enabled & by_series, Wanted::Value),
        fraction(ax, x, a, enabled & !by_series, Wanted::Value),
    );
    where_(wrong, x.like(f64::NAN), where_(none, x.like(0.0), y))
}
pub(super) fn derivative(a: Tensor, x: Tensor, wanted: Wanted) -> Tensor {
    let wrong = x.lt(0.0) | a.le(0.0) | a.is_nan() | x.is_nan();
    let by_fraction = x.gt(1.0) & x.gt(a);
    let (ax, underflow) = factor(a, x);
    let enabled = !(x.eq(0.0) | wrong | underflow);
    let y = where_(
        by_fraction,
        -fraction(ax, x, a, enabled & by_fraction, wanted),
        series(ax, x, a, enabled & !by_fraction, wanted),
    );
    where_(wrong, x.like(f64::NAN), where_(x.eq(0.0), x.like(0.0), y))
}

/// What changes in a loop, where it goes on.
fn kept<const N: usize>(enabled: Tensor, new: [Tensor; N], old: [Tensor; N]) -> [Tensor; N] {
    std::array::from_fn(|i| select(enabled, new[i], old[i]))
}

/// The power series of the lower function, or of its derivative.
fn series(ax: Tensor, x: Tensor, a: Tensor, enabled: Tensor, wanted: Wanted) -> Tensor {
    let (zero, one, eps) = (a.like(0.0), a.like(1.0), epsilon(a.dtype()));
    let step = |(enabled, old): (Tensor, [Tensor; 5])| {
        let [r, c, sum, dc, dsum] = old;
        let r = r + 1.0;
        let dc = dc * (x / r) - (c * x) / (r * r);
        let dsum = dsum + dc;
        let c = c * (x / r);
        let sum = sum + c;
        let goes_on = match wanted {
            Wanted::Value => (c / sum).gt(eps),
            _ => (dc / dsum).abs().gt(eps),
        };
        (enabled & goes_on, kept(enabled, [r, c, sum, dc, dsum], old))
    };
    let start = (enabled, [a, one, one, zero, zero]);
    let (_, [_, _, sum, _, dsum]) = while_loop(|(enabled, _): (Tensor, [Tensor; 5])| enabled.any(..), step, start);
    let dlog = || x.log() - (a + 1.0).digamma();
    match wanted {
        Wanted::Value => (sum * ax) / a,
        Wanted::Derivative => ax * (sum * dlog() + dsum) / a,
        Wanted::Sample => -(dsum + sum * dlog()) * x / a,
    }
}

/// The continued fraction of the upper function, or of its derivative.
fn fraction(ax: Tensor, x: Tensor, a: Tensor, enabled: Tensor, wanted: Wanted) -> Tensor {
    type State = (Tensor, Tensor, [Tensor; 12]);
    let eps = epsilon(x.dtype());
    let step = |(enabled, c, old): State| {
        // numerators p and denominators q of the latest two fractions, their derivatives, and those of the value
        let [value, y, z, p1, q1, p2, q2, dp2, dq2, dp1, dq1, dvalue] = old;
        let (c, y, z) = (c + 1.0, y + 1.0, z + 2.0);
        let yc = y * c;
        let (p, q) = (p1 * z - p2 * yc, q1 * z - q2 * yc);
        let (ratio, exists) = (p / q, q.ne(0.0));
        let change = where_(exists, ((value - ratio) / ratio).abs(), ratio.like(1.0));
        let value = where_(exists, ratio, value);
        let dp = dp1 * z - p1 - dp2 * yc + p2 * c;
        let dq = dq1 * z - q1 - dq2 * yc + q2 * c;
        let new_dvalue = where_(exists, (dp - value * dq) / q, dvalue);
        let dchange = where_(exists, (new_dvalue - dvalue).abs(), dvalue.like(1.0));
        let large = p.abs().gt(1.0 / eps);
        let rescaled = |t: Tensor| where_(large, t * eps, t);
        let [p2, p1, q2, q1] = [p1, p, q1, q].map(rescaled);
        let [dp2, dq2, dp1, dq1] = [dp1, dq1, dp, dq].map(rescaled);
        let goes_on = if wanted == Wanted::Value { change.gt(eps) } else { dchange.gt(eps) };
        let new = [value, y, z, p1, q1, p2, q2, dp2, dq2, dp1, dq1, new_dvalue];
        (enabled & goes_on, c, kept(enabled, new, old))
    };
    let (zero, one) = (x.like(0.0), x.like(1.0));
    let y = 1.0 - a;
    let z = x + y + 1.0;
    let (p1, q1) = (x + 1.0, z * x);
    let value = p1 / q1;
    let dvalue = (zero - value * -x) / q1;
    let state = [value, y, z, p1, q1, one, x, zero, zero, zero, -x, dvalue];
    let start: State = (enabled, full([], x.dtype(), 0.0), state);
    let (_, _, end) = while_loop(|(enabled, c, _): State| c.lt(2000.0) & enabled.any(..), step, start);
    let (value, dvalue) = (end[0], end[11]);
    let dlog = || x.log() - a.digamma();
    match wanted {
        Wanted::Value => value * ax,
        Wanted::Derivative => ax * (value * dlog() + dvalue),
        Wanted::Sample => -((dvalue + value * dlog()) * x),
    }
}
