//! The error function and the normal distribution.
use super::*;
use crate::{
    aval::DType,
    ops::Rhs,
    prim::composite_jvp,
    trace::{At, fail},
};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

/// The error function 2/√π ∫₀ˣ e^(-t²) dt.
#[doc = example!("erf(number(0.5))", "0.5204998778130465")]
#[track_caller]
pub fn erf(x: Tensor) -> Tensor {
    x.erf()
}
/// The complement of [`erf`], accurate for large x.
#[doc = example!("erfc(number(5.0)) * 1e12", "1.5374597944280347")]
#[track_caller]
pub fn erfc(x: Tensor) -> Tensor {
    x.erfc()
}
/// The inverse of [`erf`] on (-1, 1).
#[doc = example!("erf(erfinv(number(0.25)))", "0.25")]
#[track_caller]
pub fn erfinv(x: Tensor) -> Tensor {
    x.erf_inv()
}
/// e^(x²) [`erfc`]`(x)`, without overflow.
#[doc = example!("erfcx(number(100.0))", "0.005641613782989433")]
#[track_caller]
pub fn erfcx(x: Tensor) -> Tensor {
    let _at = At::op("erfcx");
    let rule = |x: Tensor, d: Tensor| {
        let y = scaled_complement(x);
        (y, d * (x * y * 2.0 - FRAC_2_SQRT_PI))
    };
    composite_jvp(scaled_complement, rule)(x)
}
/// Beyond the square root of the largest exponent by the asymptotic series.
fn scaled_complement(x: Tensor) -> Tensor {
    const C: [f64; 9] = [7918.06640625, -1055.7421875, 162.421875, -29.53125, 6.5625, -1.875, 0.75, -0.5, 1.0];
    if x.dtype().bits() < 32 {
        return scaled_complement(x.cast(DType::F32)).cast(x.dtype());
    }
    let double = x.dtype() == DType::F64;
    let (largest, terms) = if double { (f64::MAX, 9) } else { (f64::from(f32::MAX), 5) };
    let far = x.gt(largest.ln().sqrt());
    let near = where_(far, x.like(1.0), x);
    let series = polynomial(1.0 / (x * x), &C[C.len() - terms..]) / (x * PI.sqrt());
    where_(far, series, (near * near).exp() * near.erfc())
}
/// Dawson's integral e^(-x²) ∫₀ˣ e^(t²) dt.
#[doc = example!("dawsn(number(1.0))", "0.5380795069127684")]
#[track_caller]
pub fn dawsn(x: Tensor) -> Tensor {
    let _at = At::op("dawsn");
    let rule = |x: Tensor, d: Tensor| {
        let y = dawson(x);
        (y, d * (1.0 - x * y * 2.0))
    };
    composite_jvp(dawson, rule)(x)
}
fn dawson(x: Tensor) -> Tensor {
    if x.dtype().bits() < 32 {
        return dawson(x.cast(DType::F32)).cast(x.dtype());
    }
    let size = x.abs();
    let near = where_(size.lt(3.25), size, 1.0);
    // elsewhere of 1 / x², where it is small
    let far = where_(size.lt(3.25), size.like(4.0), size);
    let t = 1.0 / (far * far);
    let of = |part: Ratio| (0.5 / far) * (1.0 + t * ratio(t, part));
    let beyond = where_(size.lt(6.25), of(tables::DAWSN_MIDDLE), of(tables::DAWSN_FAR));
    x.sign() * where_(size.lt(3.25), near * ratio(near * near, tables::DAWSN_NEAR), beyond)
}

/// The normal distribution function Φ(x), accurate in both tails.
///
/// # Errors
/// Dtypes other than f32 and f64.
#[doc = example!("ndtr(number(0.0))", "0.5")]
#[track_caller]
pub fn ndtr(x: Tensor) -> Tensor {
    let _at = At::op("ndtr");
    wide("ndtr", x);
    let w = x * FRAC_1_SQRT_2;
    let z = w.abs();
    let tail = z.erfc();
    let y = where_(z.lt(FRAC_1_SQRT_2), 1.0 + w.erf(), where_(w.gt(0.0), 2.0 - tail, tail));
    y * 0.5
}
/// Refuse what is neither f32 nor f64.
#[track_caller]
fn wide(op: &str, x: Tensor) {
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        let reason = format!("{} is neither f32 nor f64", x.dtype().name());
        fail(op, vec![x.aval()], reason, Some("convert it first: `.cast(DType::F32)`".into()))
    }
}
/// The inverse of [`ndtr`] on (0, 1): where a standard normal variable lies below with this probability.
///
/// # Errors
/// Dtypes other than f32 and f64.
#[doc = example!("ndtri(number(0.975))", "1.959963984540054")]
#[track_caller]
pub fn ndtri(p: Tensor) -> Tensor {
    let _at = At::op("ndtri");
    wide("ndtri", p);
    let upper = p.gt(-(-2f64).exp_m1());
    let least = where_(upper, 1.0 - p, p);
    let safe = where_(least.eq(0.0), least.like(0.5), least);
    let w = safe - 0.5;
    let center = (w + w * (w * w) * ratio(w * w, tables::NDTRI_CENTER)) * -(2.0 * PI).sqrt();
    let z = (safe.log() * -2.0).sqrt();
    let first = z - z.log() / z;
    let tail = |part: Ratio| first - ratio(1.0 / z, part) / z;
    let outer = where_(z.ge(8.0), tail(tables::NDTRI_TAIL), tail(tables::NDTRI_MIDDLE));
    let x = where_(safe.gt((-2f64).exp()), center, outer);
    let x = where_(p.gt(1.0 - (-2f64).exp()), x, -x);
    let x = where_(p.eq(1.0), x.like(f64::INFINITY), x);
    where_(p.eq(0.0), x.like(f64::NEG_INFINITY), x)
}
/// ln Φ(x), also where Φ(x) is below all numbers.
///
/// # Errors
/// Dtypes other than f32 and f64.
#[doc = example!("log_ndtr(number(0.0))", "0.5f64.ln()")]
#[track_caller]
pub fn log_ndtr(x: Tensor) -> Tensor {
    let _at = At::op("log_ndtr");
    wide("log_ndtr", x);
    let rule = |x: Tensor, d: Tensor| {
        let y = log_normal(x);
        (y, d * (x * x * -0.5 - (2.0 * PI).sqrt().ln() - y).exp())
    };
    composite_jvp(log_normal, rule)(x)
}
fn log_normal(x: Tensor) -> Tensor {
    let (lower, upper) = if x.dtype() == DType::F64 { (-20.0, 8.0) } else { (-10.0, 5.0) };
    let right = x.gt(upper);
    let share = ndtr(where_(right, -x, x.maximum(lower)));
    // the asymptotic series of the lower tail
    let far = x.minimum(lower);
    let square = far * far;
    let series = 1.0 - 1.0 / square + 3.0 / square.powi(2) - 15.0 / square.powi(3);
    let tail = square * -0.5 - (-far).log() - 0.5 * (2.0 * PI).ln() + series.log();
    where_(right, -share, where_(x.gt(lower), share.log(), tail))
}

/// Owen's T function: the probability of X > h and 0 < Y < aX for independent standard normal X and Y.
#[doc = example!("owens_t(number(0.0), 1.0)", "0.125")]
#[track_caller]
pub fn owens_t(h: Tensor, a: impl Rhs) -> Tensor {
    let _at = At::op("owens_t");
    type Pair = (Tensor, Tensor);
    let [h, a] = together("owens_t", [h, a.beside(h)]);
    let rule = |(h, a): Pair, (dh, da): Pair| {
        let by_h = (h * h * -0.5).exp() * (a * h * FRAC_1_SQRT_2).erf() * (-0.5 / (2.0 * PI).sqrt());
        let wide = a * a + 1.0;
        let by_a = (wide * (h * h) * -0.5).exp() / (wide * (2.0 * PI));
        (owen((h, a)), by_h * dh + by_a * da)
    };
    composite_jvp(owen, rule)((h, a))
}
fn owen((h, a): (Tensor, Tensor)) -> Tensor {
    let (sign, nan) = (a.sign(), a.is_nan() | h.is_nan());
    let (h, a) = (h.abs(), a.abs());
    let steep = a.gt(1.0);
    let (small_h, small_a) = (where_(steep, a * h, h), where_(steep, 1.0 / a, a));
    let (points, weights) = tables::OWENS_T;
    let terms = points.iter().zip(weights).fold(h.like(0.0), |sum, (point, weight)| {
        let r = small_a * small_a * *point + 1.0;
        sum + (small_h * small_h * r * -0.5).exp() / r * *weight
    });
    let t = where_(small_h.eq(0.0), small_a.atan() / (2.0 * PI), small_a * terms);
    let z = small_h * FRAC_1_SQRT_2;
    let t = where_(small_a.eq(1.0), (-z).erfc() * z.erfc() * 0.125, t);
    let (z, az) = (h * FRAC_1_SQRT_2, a * h * FRAC_1_SQRT_2);
    let near = 0.25 - z.erf() * az.erf() * 0.25 - t;
    let (tail, a_tail) = (z.erfc(), az.erfc());
    let far = (tail + a_tail - tail * a_tail) * 0.25 - t;
    let t = where_(steep, where_((a * h).le(0.67), near, far), t);
    undefined_where(nan, sign * t)
}
