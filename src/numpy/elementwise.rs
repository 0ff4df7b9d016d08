//! Functions of each element.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! let f = jit(|x: Tensor| (numpy::hypot(x, 4.0), numpy::log2(x), numpy::fmax(x, 5.0), numpy::around(x / 7.0, 2)));
//! let (h, log, larger, rounded) = f.call((Array::from_slice([2], &[3f32, 8.])?,))?;
//! assert_eq!((h.to_vec::<f32>()?[0], larger.to_vec::<f32>()?), (5.0, vec![5., 8.]));
//! assert!((log.to_vec::<f32>()?[1] - 3.0).abs() < 1e-6 && (rounded.to_vec::<f32>()?[1] - 1.14).abs() < 1e-6);
//! # Ok::<(), raxla::Error>(())
//! ```
use super::float;
use crate::{
    ops::{Rhs, fit, where_},
    prim::{Scalar, composite_jvp, while_loop},
    trace::{At, Tensor, fail},
};
use std::f64::consts;

/// One line per function of one operand: documentation, name, value.
macro_rules! of_one {
    ($($(#[$doc:meta])* $f:ident => |$x:ident| $e:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f($x: Tensor) -> Tensor {
            let _at = At::op(stringify!($f));
            $e
        }
    )*};
}
of_one! {
    /// 2ˣ.
    exp2 => |x| (float(x) * consts::LN_2).exp();
    /// The logarithm to base 2.
    log2 => |x| float(x).log() / consts::LN_2;
    /// The logarithm to base 10.
    log10 => |x| float(x).log() / consts::LN_10;
    /// x².
    square => |x| x * x;
    /// 1 / x.
    reciprocal => |x| 1.0 / x;
    /// Tangent, of radians.
    tan => |x| float(x).tan();
    /// The angle whose sine is x, in radians.
    arcsin => |x| float(x).asin();
    /// The angle whose cosine is x, in radians.
    arccos => |x| float(x).acos();
    /// The angle whose tangent is x, in radians.
    arctan => |x| float(x).atan();
    /// Hyperbolic sine.
    sinh => |x| float(x).sinh();
    /// Hyperbolic cosine.
    cosh => |x| float(x).cosh();
    /// The number whose hyperbolic sine is x.
    arcsinh => |x| float(x).asinh();
    /// The number of at least 0 whose hyperbolic cosine is x.
    arccosh => |x| float(x).acosh();
    /// The number whose hyperbolic tangent is x.
    arctanh => |x| float(x).atanh();
    /// Degrees as radians.
    radians => |x| float(x) * (consts::PI / 180.0);
    /// Radians as degrees.
    degrees => |x| float(x) * (180.0 / consts::PI);
    /// sin(πx) / πx; 1 at 0.
    sinc => |x| {
        let (x, zero) = (float(x), x.eq(0));
        let a = where_(zero, x.like(1.0), x) * consts::PI;
        where_(zero, x.like(1.0), a.sin() / a)
    };
    /// The whole number towards 0.
    trunc => |x| where_(x.lt(0.0), x.ceil(), x.floor());
    /// Is each element infinite?
    isinf => |x| !(x.is_finite() | x.is_nan());
    /// Is each element +∞?
    isposinf => |x| isinf(x) & x.gt(0.0);
    /// Is each element -∞?
    isneginf => |x| isinf(x) & x.lt(0.0);
}
pub use self::{
    arccos as acos, arccosh as acosh, arcsin as asin, arcsinh as asinh, arctan as atan, arctanh as atanh,
    degrees as rad2deg, radians as deg2rad,
};

/// One line per function of two operands, which broadcast: documentation, name, value.
macro_rules! of_two {
    ($($(#[$doc:meta])* $f:ident => |$x:ident, $y:ident| $e:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f($x: Tensor, y: impl Rhs) -> Tensor {
            let _at = At::op(stringify!($f));
            let $y = y.beside($x);
            $e
        }
    )*};
}
of_two! {
    /// √(x² + y²), without overflow. The derivative at (0, 0) is 0.
    hypot => |x, y| composite_jvp(length, |(x, y): (Tensor, Tensor), (dx, dy): (Tensor, Tensor)| {
        let h = length((x, y));
        let safe = where_(h.eq(0.0), h.like(1.0), h);
        (h, dx * (x / safe) + dy * (y / safe))
    })((float(x), float(y)));
    /// log2(2ˣ + 2ʸ), without overflow.
    logaddexp2 => |x, y| (float(x) * consts::LN_2).logaddexp(float(y) * consts::LN_2) / consts::LN_2;
    /// xʸ, of floats.
    float_power => |x, y| float(x).pow(float(y));
    /// The largest whole number not above x / y; of floats, an infinity where y is 0 and x is not.
    floor_divide => |x, y| {
        let whole = (x - x.modulo(y)) / y;
        if x.dtype().is_float() { where_(y.eq(0.0), x / y, whole.round()) } else { whole }
    };
    /// 0 below 0, `y` at 0, and 1 above.
    heaviside => |x, y| where_(x.is_nan(), x, where_(x.lt(0.0), x.like(0.0), where_(x.gt(0.0), x.like(1.0), y)));
    /// The larger of each pair; of a number and NaN, the number.
    fmax => |x, y| where_(x.ge(y) | y.is_nan(), x, y);
    /// The smaller of each pair; of a number and NaN, the number.
    fmin => |x, y| where_(x.le(y) | y.is_nan(), x, y);
    /// The size of x with the sign of y.
    copysign => |x, y| where_(super::signbit(y), -x.abs(), x.abs());
    /// The greatest common divisor of integers.
    gcd => |x, y| {
        let (x, y) = fit("gcd", x, y);
        let size = |t: Tensor| if t.dtype().is_signed() { t.abs() } else { t };
        let step = |(a, b): (Tensor, Tensor)| {
            let (ends, by) = (b.eq(0), where_(b.eq(0), b.like(1), b));
            (where_(ends, a, b), where_(ends, b, a.modulo(by)))
        };
        while_loop(|(_, b): (Tensor, Tensor)| b.ne(0).any(..), step, (size(x), size(y))).0
    };
    /// The least common multiple of integers; 0 where one of them is 0.
    lcm => |x, y| {
        let size = |t: Tensor| if t.dtype().is_signed() { t.abs() } else { t };
        let d = gcd(x, y);
        where_(d.eq(0), d, size(x) * (size(y) / where_(d.eq(0), d.like(1), d)))
    };
}

fn length((x, y): (Tensor, Tensor)) -> Tensor {
    let (a, b) = (x.abs().maximum(y.abs()), x.abs().minimum(y.abs()));
    let share = b / where_(a.eq(0.0), a.like(1.0), a);
    where_(isinf(a), a, a * (share * share + 1.0).sqrt())
}

/// [`floor_divide`] and [`Tensor::modulo`].
#[track_caller]
pub fn divmod(x: Tensor, y: impl Rhs) -> (Tensor, Tensor) {
    let _at = At::op("divmod");
    (floor_divide(x, y), x.modulo(y))
}
/// What stands behind the point, and the whole number before it, both with the sign of x.
#[track_caller]
pub fn modf(x: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("modf");
    let whole = trunc(x);
    (x - whole, whole)
}
/// Rounded to so many decimals, ties to even. NumPy: also `round`.
#[track_caller]
pub fn around(x: Tensor, decimals: i32) -> Tensor {
    let _at = At::op("around");
    let factor = 10f64.powi(decimals.abs());
    match decimals {
        0 => x.round(),
        1.. => (x * factor).round() / factor,
        _ => (x / factor).round() * factor,
    }
}
/// NaN and infinities replaced; `None`: by the largest and smallest numbers of the dtype.
#[track_caller]
pub fn nan_to_num(x: Tensor, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Tensor {
    let _at = At::op("nan_to_num");
    let most = super::largest(x.dtype());
    let x = where_(x.is_nan(), x.like(nan), x);
    let x = where_(isposinf(x), x.like(posinf.unwrap_or(most)), x);
    where_(isneginf(x), x.like(neginf.unwrap_or(-most)), x)
}

/// How near [`isclose`] asks two numbers to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Close {
    /// As a share of the second number: 1e-5.
    pub rtol: f64,
    /// In itself: 1e-8.
    pub atol: f64,
    /// Is NaN near NaN? No.
    pub equal_nan: bool,
}
impl Default for Close {
    fn default() -> Close {
        Close { rtol: 1e-5, atol: 1e-8, equal_nan: false }
    }
}
/// Is |x - y| at most `atol + rtol |y|`? Infinities are near themselves.
#[track_caller]
pub fn isclose(x: Tensor, y: impl Rhs, how: Close) -> Tensor {
    let _at = At::op("isclose");
    let y = y.beside(x);
    let (x, y) = (float(x), float(y));
    let finite = x.is_finite() & y.is_finite();
    let near = where_(finite, (x - y).abs().le(y.abs() * how.rtol + how.atol), x.eq(y));
    if how.equal_nan { near | (x.is_nan() & y.is_nan()) } else { near }
}
/// Are all elements close? See [`isclose`].
#[track_caller]
pub fn allclose(x: Tensor, y: impl Rhs, how: Close) -> Tensor {
    let _at = At::op("allclose");
    isclose(x, y, how).all(..)
}
/// Have both one shape and equal elements? A bool.
#[track_caller]
pub fn array_equal(x: Tensor, y: Tensor) -> Tensor {
    let _at = At::op("array_equal");
    if x.dims() == y.dims() { x.eq(y).all(..) } else { crate::full([], crate::DType::Bool, false) }
}
/// As [`array_equal`], of tensors that broadcast together.
#[track_caller]
pub fn array_equiv(x: Tensor, y: Tensor) -> Tensor {
    let _at = At::op("array_equiv");
    match crate::ops::common(&x.dims(), &y.dims()) {
        Ok(_) => x.eq(y).all(..),
        Err(_) => crate::full([], crate::DType::Bool, false),
    }
}
/// Each element limited to what is given: `None` is no limit. [`Tensor::clip`] takes both.
#[track_caller]
pub fn clip(x: Tensor, low: Option<Tensor>, high: Option<Tensor>) -> Tensor {
    let _at = At::op("clip");
    let x = low.map_or(x, |low| x.maximum(low));
    high.map_or(x, |high| x.minimum(high))
}

/// For each element the first choice whose condition holds, else the default. Conditions and choices broadcast.
///
/// # Errors
/// Other numbers of conditions than of choices.
#[track_caller]
pub fn select(conditions: &[Tensor], choices: &[Tensor], default: impl Scalar) -> Tensor {
    let _at = At::op("select");
    let (Some(first), true) = (choices.first(), conditions.len() == choices.len()) else {
        let reason = format!("{} conditions choose among {} choices", conditions.len(), choices.len());
        fail("select", vec![], reason, Some("give one condition per choice, and one choice at least".into()))
    };
    let pairs = conditions.iter().zip(choices).rev();
    pairs.fold(first.like(default), |so_far, (condition, choice)| where_(*condition, *choice, so_far))
}
/// `functions[i]` of the elements for which `conditions[i]` holds, the last one that does; the function behind them, else 0, of the others.
#[track_caller]
pub fn piecewise(x: Tensor, conditions: &[Tensor], functions: &[&dyn Fn(Tensor) -> Tensor]) -> Tensor {
    let _at = At::op("piecewise");
    let n = conditions.len();
    if functions.len() != n && functions.len() != n + 1 {
        let reason = format!("{n} conditions choose among {} functions", functions.len());
        fail(
            "piecewise",
            vec![x.aval()],
            reason,
            Some("give one function per condition, and perhaps one for the rest".into()),
        )
    }
    let rest = functions.get(n).map_or(x.like(0), |f| f(x));
    conditions.iter().zip(functions).fold(rest, |so_far, (condition, f)| where_(*condition, f(x), so_far))
}
/// `choices[index]` for each element, with indices moved to the nearest choice that exists. Everything broadcasts.
#[track_caller]
pub fn choose(index: Tensor, choices: &[Tensor]) -> Tensor {
    let _at = At::op("choose");
    let Some((first, rest)) = choices.split_first() else {
        fail("choose", vec![index.aval()], "there are no choices", Some("give one at least".into()))
    };
    let from = |so_far, (i, choice): (usize, &Tensor)| where_(index.gt(i), *choice, so_far);
    let zero = index.like(0).cast(first.dtype());
    rest.iter().enumerate().fold(*first + zero, from)
}
