//! Integrals of exponential and trigonometric functions.
use super::*;
use crate::{ops::Rhs, prim::composite_jvp, trace::At};
use std::f64::consts::{FRAC_PI_2, PI};

const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// The exponential integral E₁(x) = ∫₁^∞ e^(-xt) / t dt of positive x.
#[doc = example!("exp1(number(1.0))", "0.21938393439552026")]
#[track_caller]
pub fn exp1(x: Tensor) -> Tensor {
    let _at = At::op("exp1");
    expn(1.0, x)
}
/// The generalized exponential integral Eₙ(x) = ∫₁^∞ e^(-xt) / tⁿ dt of whole n and x ≥ 0. Its derivative is by x.
#[doc = example!("expn(2.0, number(1.0))", "(-1f64).exp() - 0.21938393439552026")]
#[track_caller]
pub fn expn(n: impl Rhs, x: Tensor) -> Tensor {
    let _at = At::op("expn");
    type Pair = (Tensor, Tensor);
    let [n, x] = together("expn", [n.beside(x), x]);
    let rule = |(n, x): Pair, (_, dx): Pair| (generalized((n, x)), -(dx * generalized((n - 1.0, x))));
    composite_jvp(generalized, rule)((n.stop_gradient(), x))
}
fn generalized((n, x): (Tensor, Tensor)) -> Tensor {
    let (zero, large, far) = (x.eq(0.0), n.ge(5000.0), x.gt(1.0));
    let near = x.gt(0.0) & !far & n.gt(0.0) & !large;
    // (where another formula counts, these have nothing to do)
    let y = by_series(where_(near, n, 1.0), where_(near, x, 1.0));
    let y = where_(far, by_fraction(where_(far, n, 1.0), where_(far, x, 2.0)), y);
    let y = where_(large, asymptotic(n, x), y);
    let y = where_(n.eq(0.0), (-x).exp() / x, y);
    let y = where_(zero, where_(n.lt(2.0), x.like(f64::INFINITY), 1.0 / (n - 1.0)), y);
    undefined_where(n.lt(0.0) | x.lt(0.0) | x.is_nan(), y)
}
/// The power series of small x.
fn by_series(n: Tensor, x: Tensor) -> Tensor {
    let eps = epsilon(x.dtype());
    let one = n.eq(1.0);
    let start = -x.log() - EULER_GAMMA;
    let psi = each_while([n.like(1.0), start], |[i, _]| i.lt(n), |[i, psi]| [i + 1.0, psi + 1.0 / i])[1];
    let first = where_(one, x.like(0.0), 1.0 / (1.0 - where_(one, n.like(2.0), n)));
    let state = [x.like(0.0), x.like(1.0), 1.0 - n, first, x.like(f64::INFINITY)];
    let step = |[k, y, p, sum, _]: [Tensor; 5]| {
        let (k, p) = (k + 1.0, p + 1.0);
        let y = y * (-x / k);
        let sum = sum + where_(p.ne(0.0), y / p, 0.0);
        let change = where_(sum.ne(0.0), (y / sum).abs(), 1.0);
        [k, y, p, sum, change]
    };
    let sum = each_while(state, |s| s[4].gt(eps), step)[3];
    (-x).pow(n - 1.0) * psi / n.lgamma().exp() - sum
}
/// The continued fraction of large x.
fn by_fraction(n: Tensor, x: Tensor) -> Tensor {
    const BIG: f64 = 1.441_151_880_758_558_7e17;
    let eps = epsilon(x.dtype());
    let one = x.like(1.0);
    let state = [one, one, x, one, x + n, 1.0 / (x + n), x.like(f64::INFINITY)];
    let step = |[k, p2, q2, p1, q1, value, _]: [Tensor; 7]| {
        let k = k + 1.0;
        let odd = (k % 2.0).eq(1.0);
        let y = where_(odd, one, x);
        let a = where_(odd, n + (k - 1.0) / 2.0, k / 2.0);
        let (p, q) = (p1 * y + p2 * a, q1 * y + q2 * a);
        let exists = q.ne(0.0);
        let new = where_(exists, p / q, value);
        let change = where_(exists, ((value - new) / new).abs(), 1.0);
        let big = p.abs().gt(BIG);
        let [p2, q2, p1, q1] = [p1, q1, p, q].map(|t| where_(big, t / BIG, t));
        [k, p2, q2, p1, q1, new, change]
    };
    each_while(state, |s| s[6].gt(eps), step)[5] * (-x).exp()
}
/// The expansion of large n.
fn asymptotic(n: Tensor, x: Tensor) -> Tensor {
    let sum = x + n;
    let y = 1.0 / (sum * sum);
    let t = y * n * (x * x * 6.0 - n * x * 8.0 + n * n);
    let t = y * (t + n * (n - x * 2.0));
    (y * (t + n) + 1.0) * (-x).exp() / sum
}

/// The exponential integral Ei(x), the principal value of ∫₋∞ˣ eᵗ / t dt.
#[doc = example!("expi(number(1.0))", "1.8951178163559368")]
#[track_caller]
pub fn expi(x: Tensor) -> Tensor {
    let _at = At::op("expi");
    composite_jvp(integral, |x: Tensor, d: Tensor| (integral(x), x.exp() / x * d))(x)
}
fn integral(x: Tensor) -> Tensor {
    use tables::{EXPI_1, EXPI_2, EXPI_3, EXPI_4, EXPI_5, EXPI_6, EXPI_7};
    let negative = x.lt(0.0);
    let size = where_(negative, x.like(1.0), x);
    let w = 1.0 / size;
    let of = |part: Ratio| size.exp() * w * (w * ratio(w, part) + 1.0);
    let parts = [(4.0, EXPI_2), (8.0, EXPI_3), (16.0, EXPI_4), (32.0, EXPI_5), (64.0, EXPI_6)];
    let near = where_(size.le(2.0), size, 1.0);
    let first = near * ratio(near, EXPI_1) + EULER_GAMMA + near.log();
    let y = parts.iter().rev().fold(of(EXPI_7), |y, (end, part)| where_(size.le(*end), of(*part), y));
    let y = where_(size.le(2.0), first, y);
    where_(negative, -generalized((x.like(1.0), where_(negative, -x, 1.0))), y)
}

/// The sine integral ∫₀ˣ sin(t) / t dt, and the cosine integral γ + ln |x| + ∫₀ˣ (cos(t) - 1) / t dt.
#[doc = example!("sici(number(1.0)).0", "0.946083070367183")]
#[track_caller]
pub fn sici(x: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("sici");
    let rule = |x: Tensor, d: Tensor| {
        let zero = x.eq(0.0);
        let sinc = where_(zero, x.like(1.0), x.sin() / where_(zero, x.like(1.0), x));
        (sine_and_cosine(x), (sinc * d, x.cos() / x * d))
    };
    composite_jvp(sine_and_cosine, rule)(x)
}
fn sine_and_cosine(x: Tensor) -> (Tensor, Tensor) {
    use tables::{CI, SI, SICI_F4, SICI_F8, SICI_G4, SICI_G8};
    let size = x.abs();
    let (near, far) = (size.le(4.0), size.gt(1e9));
    let small = where_(near, size, 1.0);
    let t = small * small;
    let si = small * ratio(t, SI);
    let ci = where_(size.eq(0.0), x.like(f64::NEG_INFINITY), small.log() + EULER_GAMMA + t * ratio(t, CI));
    let large = where_(near, x.like(8.0), size);
    let (sin, cos, z) = (large.sin(), large.cos(), 1.0 / (large * large));
    let middle = large.lt(8.0);
    let f = where_(middle, ratio(z, SICI_F4), ratio(z, SICI_F8)) / large;
    let g = z * where_(middle, ratio(z, SICI_G4), ratio(z, SICI_G8));
    let infinite = size.eq(f64::INFINITY);
    let far_si = where_(infinite, x.like(FRAC_PI_2), FRAC_PI_2 - cos / large);
    let far_ci = where_(infinite, x.like(0.0), sin / large);
    let si = where_(near, si, where_(far, far_si, FRAC_PI_2 - f * cos - g * sin));
    let ci = where_(near, ci, where_(far, far_ci, f * sin - g * cos));
    let nan = x.is_nan();
    (undefined_where(nan, x.sign() * si), undefined_where(nan | x.eq(f64::NEG_INFINITY), ci))
}

/// Spence's function -∫₁ˣ ln(t) / (t - 1) dt, the dilogarithm of 1 - x.
#[doc = example!("spence(number(2.0))", "-std::f64::consts::PI.powi(2) / 12.0")]
#[track_caller]
pub fn spence(x: Tensor) -> Tensor {
    let _at = At::op("spence");
    let special = x.le(0.0) | x.eq(1.0);
    let safe = where_(special, x.like(0.75), x);
    let above = safe.gt(2.0);
    let t = where_(above, 1.0 / safe, safe);
    let (upper, lower) = (t.gt(1.5), t.lt(0.5));
    let w = where_(upper, 1.0 / t - 1.0, where_(lower, -t, t - 1.0));
    let y = -w * ratio(w, tables::SPENCE);
    let y = where_(lower, PI * PI / 6.0 - t.log() * (1.0 - t).log() - y, y);
    let y = where_(above | upper, t.log().powi(2) * -0.5 - y, y);
    let y = where_(x.eq(1.0), x.like(0.0), y);
    let y = where_(x.eq(0.0), x.like(PI * PI / 6.0), y);
    undefined_where(x.lt(0.0), y)
}

/// The Fresnel integrals ∫₀ˣ sin(πt²/2) dt and ∫₀ˣ cos(πt²/2) dt.
#[doc = example!("fresnel(number(1.0)).0", "0.4382591473903548")]
#[track_caller]
pub fn fresnel(x: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("fresnel");
    let rule = |x: Tensor, d: Tensor| {
        let (sin, cos) = of_half_square(x);
        (sine_and_cosine_of_squares(x), (sin * d, cos * d))
    };
    composite_jvp(sine_and_cosine_of_squares, rule)(x)
}
/// sin(πx²/2) and cos(πx²/2), of a remainder that is exact.
fn of_half_square(x: Tensor) -> (Tensor, Tensor) {
    let x = x.abs();
    let s = x % 2.0;
    let r = (s * (x - s / 2.0)) % 2.0;
    let middle = where_(r.gt(1.5), ((r - 2.0) * PI).sin(), -((r - 1.0) * PI).sin());
    let sin = where_(r.lt(0.5), (r * PI).sin(), middle);
    let cos = where_(r.lt(1.0), -((r - 0.5) * PI).sin(), ((r - 1.5) * PI).sin());
    (sin, where_(r.eq(0.5), r.like(0.0), cos))
}
fn sine_and_cosine_of_squares(x: Tensor) -> (Tensor, Tensor) {
    use tables::{FRESNEL_C, FRESNEL_FAR_F, FRESNEL_FAR_G, FRESNEL_S};
    let size = x.abs();
    let small = (size * size).lt(2.5625);
    let near = where_(small, size, 1.0);
    let t = near.powi(4);
    let (s, c) = (near.powi(3) * ratio(t, FRESNEL_S), near * ratio(t, FRESNEL_C));
    let far = size.gt(36974.0);
    let large = where_(small | far, x.like(2.0), size);
    let (sin, cos) = of_half_square(size);
    let t = large * large * PI;
    let u = 1.0 / (t * t);
    let f = 1.0 - u * ratio(u, FRESNEL_FAR_F);
    let g = ratio(u, FRESNEL_FAR_G) / t;
    let t = large * PI;
    let (s_large, c_large) = (0.5 - (f * cos + g * sin) / t, (f * sin - g * cos) / t + 0.5);
    let infinite = size.eq(f64::INFINITY);
    let end = |wave: Tensor| where_(infinite, x.like(0.5), 0.5 + wave / (size * PI));
    let s = where_(small, s, where_(far, end(-cos), s_large));
    let c = where_(small, c, where_(far, end(sin), c_large));
    (undefined_where(x.is_nan(), x.sign() * s), undefined_where(x.is_nan(), x.sign() * c))
}
