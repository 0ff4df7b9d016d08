//! Elementwise operations of one operand.
use super::special::{epsilon, reference};
use super::*;
use crate::{
    host::Data,
    ops::where_,
    trace::{At, bind1},
};
use num_complex::Complex64;

/// Apply a function of floats, of integers, or of complex numbers to every element.
pub(super) fn map1(
    x: &Host,
    y: DType,
    float: impl Fn(f64) -> f64,
    int: impl Fn(i128) -> i128,
    complex: impl Fn(Complex64) -> Complex64,
) -> Host {
    let dims = x.dims().to_vec();
    match x.data() {
        Data::Float(v) => Host::floats(y, dims, v.iter().map(|x| float(*x)).collect()),
        Data::Int(v) => Host::ints(y, dims, v.iter().map(|x| int(*x)).collect()),
        Data::Complex(v) => Host::complex(y, dims, v.iter().map(|x| complex(*x)).collect()),
    }
}

/// The meaning on integers of operations that have none.
pub(super) fn no_int(_: i128) -> i128 {
    panic!("the type rule admits no integers")
}
/// The meaning on complex numbers of operations that have none.
fn no_complex(_: Complex64) -> Complex64 {
    panic!("the type rule admits no complex numbers")
}

/// One block per operation: documentation, method, kind of operand, StableHLO name, meaning on floats, on integers and
/// on complex numbers, the tangent as a function of operand `x`, result `y` and tangent `d` (`None`: the derivative is zero), and how it is
/// folded.
macro_rules! unary {
    ($(#[$doc:meta])* $P:ident, $f:ident, $hlo:literal, $kind:expr, $float:expr, $int:expr, $complex:expr,
     |$x:ident, $y:ident, $d:ident| $jvp:expr $(, transpose |$ct:ident| $tr:expr)? $(, fold $fold:ident)?) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Hash)]
        pub struct $P;
        impl Tensor {
            $(#[$doc])*
            #[track_caller]
            #[allow(clippy::should_implement_trait)] // `neg`; the operator calls it
            pub fn $f(self) -> Tensor {
                bind1($P, &[self])
            }
        }
        impl Primitive for $P {
            fn name(&self) -> &'static str {
                stringify!($f)
            }
            fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
                let (ok, kind): (fn(DType) -> bool, &str) = $kind;
                require(&x[0], ok, kind)?;
                Ok(vec![x[0].clone()])
            }
            fn eval(&self, x: &[Host]) -> Vec<Host> {
                vec![map1(&x[0], x[0].dtype(), $float, $int, $complex)]
            }
            fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
                let ($x, $y) = (x[0], y[0]);
                let _ = ($x, $y);
                let tangent: fn(Tensor, Tensor, Tensor) -> Option<Tensor> = |$x, $y, $d| {
                    let _ = ($x, $y, $d);
                    $jvp
                };
                vec![dx[0].and_then(|d| tangent(x[0], y[0], d))]
            }
            $(fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
                vec![ct[0].map(|$ct| $tr)]
            })?
            fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
                vec![x[0].$f()]
            }
            fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
                vec![cx.op($hlo, x, "", &y[0])]
            }
            $(fn fold(&self, x: &Splats) -> Option<Known> {
                $fold(self, x)
            })?
        }
    };
}
const FLOAT: (fn(DType) -> bool, &str) = (is_float, "a float");
/// Of 8 bits XLA has no series.
const WIDE: (fn(DType) -> bool, &str) = (is_wide, "a float of 16 bits or more");
fn is_wide(d: DType) -> bool {
    is_float(d) && d.bits() >= 16
}
const INEXACT: (fn(DType) -> bool, &str) = (is_inexact, "a float or complex number");
const SIGNED: (fn(DType) -> bool, &str) = (DType::is_signed, "a signed number");
const NUMBER: (fn(DType) -> bool, &str) = (is_number, "a number");
const BITS: (fn(DType) -> bool, &str) = (is_int_or_bool, "an integer or bool");

unary!(/** -x */ Neg, neg, "negate", NUMBER, |v| -v, |v| -v, |v| -v, |x, y, d| Some(d.neg()), transpose |ct| ct.neg(),
    fold exact);
unary!(/** eˣ */ Exp, exp, "exponential", INEXACT, f64::exp, no_int, |v| v.exp(), |x, y, d| Some(mul(d, y)));
unary!(/** eˣ - 1, accurate near 0 */ Expm1, expm1, "exponential_minus_one", INEXACT, f64::exp_m1, no_int, expm1,
    |x, y, d| Some(d * (y + 1.0)));
unary!(/** Natural logarithm. */ Log, log, "log", INEXACT, f64::ln, no_int, |v| v.ln(), |x, y, d| Some(div(d, x)));
unary!(/** ln(1 + x), accurate near 0 */ Log1p, log1p, "log_plus_one", INEXACT, f64::ln_1p, no_int, log1p,
    |x, y, d| Some(d / (x + 1.0)));
unary!(/** Hyperbolic tangent. */ Tanh, tanh, "tanh", INEXACT, f64::tanh, no_int, |v| v.tanh(),
    |x, y, d| Some(d * (1.0 - y * y)));
unary!(/** Logistic function 1 / (1 + e⁻ˣ), also called sigmoid. */ Logistic, logistic, "logistic", INEXACT,
    |v| 1.0 / (1.0 + (-v).exp()), no_int, |v| (1.0 + (-v).exp()).inv(), |x, y, d| Some(d * (y * (1.0 - y))));
unary!(/** Sine, of radians. */ Sin, sin, "sine", INEXACT, f64::sin, no_int, |v| v.sin(), |x, y, d| Some(d * x.cos()));
unary!(/** Cosine, of radians. */ Cos, cos, "cosine", INEXACT, f64::cos, no_int, |v| v.cos(), |x, y, d| Some((d * x.sin()).neg()));
unary!(/** Square root. */ Sqrt, sqrt, "sqrt", INEXACT, f64::sqrt, no_int, |v| v.sqrt(), |x, y, d| Some(d / (y * 2.0)));
unary!(/** 1 / √x */ Rsqrt, rsqrt, "rsqrt", INEXACT, |v| 1.0 / v.sqrt(), no_int, |v| v.sqrt().inv(), |x, y, d| Some(d * (y / x * -0.5)));
unary!(/** Cube root. */ Cbrt, cbrt, "cbrt", FLOAT, f64::cbrt, no_int, no_complex, |x, y, d| Some(d / (y * y * 3.0)));
unary!(/** Error function 2/√π ∫₀ˣ e^(-t²) dt. */ Erf, erf, "chlo.erf", FLOAT, libm::erf, no_int, no_complex,
    |x, y, d| Some(d * ((x * x).neg().exp() * std::f64::consts::FRAC_2_SQRT_PI)));
unary!(/** Inverse of the error function on (-1, 1). */ ErfInv, erf_inv, "chlo.erf_inv", FLOAT, erf_inv_f64, no_int, no_complex,
    |x, y, d| Some(d * ((y * y).exp() / std::f64::consts::FRAC_2_SQRT_PI)));
unary!(/** Complement of the error function, 1 - erf(x), accurate for large x. JAX: `lax.erfc`. */ Erfc, erfc, "chlo.erfc",
    WIDE, libm::erfc, no_int, no_complex, |x, y, d| Some(d * ((x * x).neg().exp() * -std::f64::consts::FRAC_2_SQRT_PI)));
unary!(/** ln |Γ(x)|, with the gamma function Γ. JAX: `lax.lgamma`. */ Lgamma, lgamma, "chlo.lgamma", FLOAT,
    reference::lgamma, no_int, no_complex, |x, y, d| Some(mul(d, x.digamma())));
unary!(/** The derivative of ln Γ(x). JAX: `lax.digamma`. */ Digamma, digamma, "chlo.digamma", FLOAT,
    reference::digamma, no_int, no_complex, |x, y, d| Some(mul(d, polygamma(x.like(1), x))));
unary!(/** Modified Bessel function of the first kind and order 1, times e^-|x|. JAX: `lax.bessel_i1e`. */
BesselI1e, bessel_i1e, "chlo.bessel_i1e", WIDE, reference::bessel_i1e, no_int, no_complex, |x, y, d| {
    let tiny = x.abs().le(epsilon(x.dtype()));
    let safe = where_(tiny, x.like(1), x);
    Some(d * where_(tiny, x.like(0.5), safe.bessel_i0e() - y * (safe.sign() + safe.powi(-1))))
});
unary!(/** Tangent, of radians. */ Tan, tan, "tan", FLOAT, f64::tan, no_int, no_complex, |x, y, d| Some(d * (y * y + 1.0)));
unary!(/** Inverse of the sine, in radians from -π/2 to π/2. */ Asin, asin, "chlo.asin", FLOAT, f64::asin, no_int, no_complex,
    |x, y, d| Some(d * (1.0 - x * x).rsqrt()));
unary!(/** Inverse of the cosine, in radians from 0 to π. */ Acos, acos, "chlo.acos", FLOAT, f64::acos, no_int, no_complex,
    |x, y, d| Some((d * (1.0 - x * x).rsqrt()).neg()));
unary!(/** Inverse of the tangent, in radians from -π/2 to π/2. */ Atan, atan, "chlo.atan", FLOAT, f64::atan, no_int, no_complex,
    |x, y, d| Some(d / (x * x + 1.0)));
unary!(/** Hyperbolic sine, accurate near 0. */ Sinh, sinh, "chlo.sinh", FLOAT, f64::sinh, no_int, no_complex,
    |x, y, d| Some(d * x.cosh()));
unary!(/** Hyperbolic cosine. */ Cosh, cosh, "chlo.cosh", FLOAT, f64::cosh, no_int, no_complex, |x, y, d| Some(d * x.sinh()));
unary!(/** Inverse of the hyperbolic sine, accurate near 0. */ Asinh, asinh, "chlo.asinh", FLOAT, libm::asinh, no_int, no_complex,
    |x, y, d| Some(d * (x * x + 1.0).rsqrt()));
unary!(/** Inverse of the hyperbolic cosine, of numbers from 1. */ Acosh, acosh, "chlo.acosh", FLOAT, libm::acosh, no_int, no_complex,
    |x, y, d| Some(d * (x * x - 1.0).rsqrt()));
unary!(/** Inverse of the hyperbolic tangent, of numbers within ±1; accurate near 0. */ Atanh, atanh, "chlo.atanh", FLOAT,
    libm::atanh, no_int, no_complex, |x, y, d| Some((x + 1.0).powi(-1) * (d / (1.0 - x))));
unary!(/** -1, 0 or 1; NaN stays NaN. Of a complex number z ≠ 0, z / |z|. Its derivative is 0, as in JAX. */ Sign, sign, "sign", SIGNED,
    |v| if v == 0.0 || v.is_nan() { v } else { v.signum() }, i128::signum,
    |v| if v == Complex64::ZERO { v } else { v / v.norm() }, |x, y, d| None, fold exact);
unary!(/** Largest integer not above x. */ Floor, floor, "floor", FLOAT, f64::floor, no_int, no_complex, |x, y, d| None,
    fold exact);
unary!(/** Smallest integer not below x. */ Ceil, ceil, "ceil", FLOAT, f64::ceil, no_int, no_complex, |x, y, d| None,
    fold exact);
unary!(/** Nearest integer, ties to even (as Python and NumPy round). */ Round, round, "round_nearest_even", FLOAT,
    f64::round_ties_even, no_int, no_complex, |x, y, d| None, fold exact);
unary!(/** Nearest integer, ties away from zero (as C rounds). */ RoundAway, round_away, "round_nearest_afz", FLOAT,
    f64::round, no_int, no_complex, |x, y, d| None, fold exact);

/// eᶻ - 1, accurate near 0.
fn expm1(z: Complex64) -> Complex64 {
    let half = (z.im / 2.0).sin();
    Complex64::new(z.re.exp_m1() * z.im.cos() - 2.0 * half * half, z.re.exp() * z.im.sin())
}
/// ln(1 + z), accurate near 0.
fn log1p(z: Complex64) -> Complex64 {
    let square = z.re * (2.0 + z.re) + z.im * z.im;
    Complex64::new(square.ln_1p() / 2.0, z.im.atan2(1.0 + z.re))
}

/// Absolute values.
#[derive(Debug, PartialEq, Hash)]
pub struct Abs;
impl Tensor {
    /// Absolute value; of a complex number x + iy the float √(x² + y²). The derivative at 0 is 1, as in JAX; of complex numbers it
    /// is 0 there.
    #[track_caller]
    pub fn abs(self) -> Tensor {
        bind1(Abs, &[self])
    }
}
impl Primitive for Abs {
    fn name(&self) -> &'static str {
        "abs"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], SIGNED.0, SIGNED.1)?;
        Ok(vec![x[0].with_dtype(x[0].dtype.real())])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let to = x[0].dtype().real();
        vec![match x[0].data() {
            Data::Complex(v) => Host::floats(to, x[0].dims(), v.iter().map(|z| z.norm()).collect()),
            _ => map1(&x[0], to, f64::abs, |v| v.abs(), no_complex),
        }]
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let (x, y) = (x[0], y[0]);
        vec![dx[0].map(|d| match x.dtype().is_complex() {
            true => mul(d, div(x.conj(), select(y.eq(0.0), y.like(1.0), y).cast(x.dtype()))).real(),
            false => select(x.ge(0.0), d, d.neg()),
        })]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].abs()]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("abs", x, "", &y[0])]
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        exact(self, x)
    }
}

/// Inverse error function by Newton steps from a rational start: accurate to about one unit in the last place.
fn erf_inv_f64(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        return if x.abs() == 1.0 { f64::INFINITY.copysign(x) } else { f64::NAN };
    }
    // S. Winitzki, "A handy approximation for the error function and its inverse" (2008)
    let l = (-x * x).ln_1p();
    let t = 2.0 / (std::f64::consts::PI * 0.147) + l / 2.0;
    let mut y = ((t * t - l / 0.147).sqrt() - t).max(0.0).sqrt().copysign(x);
    for _ in 0..4 {
        // erfc keeps the difference accurate in the tails
        let error = if y > 0.0 { libm::erfc(y) - (1.0 - x) } else { (1.0 + x) - libm::erfc(-y) };
        y += error * (y * y).exp() / std::f64::consts::FRAC_2_SQRT_PI;
    }
    y
}

/// Bitwise complement; on bools, logical not.
#[derive(Debug, PartialEq, Hash)]
pub struct Not;
impl std::ops::Not for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn not(self) -> Tensor {
        bind1(Not, &[self])
    }
}
impl Primitive for Not {
    fn name(&self) -> &'static str {
        "not"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], BITS.0, BITS.1)?;
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let bool = x[0].dtype() == DType::Bool;
        vec![map1(&x[0], x[0].dtype(), |v| v, |v| if bool { 1 - v } else { !v }, no_complex)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![!x[0]]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("not", x, "", &y[0])]
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        exact(self, x)
    }
}

/// Is each element neither infinite nor NaN? Gives bools.
#[derive(Debug, PartialEq, Hash)]
pub struct IsFinite;
impl Tensor {
    /// Is each element neither infinite nor NaN? Of a complex number, are both parts? Gives bools.
    #[track_caller]
    pub fn is_finite(self) -> Tensor {
        match self.dtype().is_complex() {
            true => and(self.real().is_finite(), self.imag().is_finite()),
            false => bind1(IsFinite, &[self]),
        }
    }
}
impl Primitive for IsFinite {
    fn name(&self) -> &'static str {
        "is_finite"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], FLOAT.0, FLOAT.1)?;
        Ok(vec![x[0].with_dtype(DType::Bool)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let finite = x[0].to_f64().iter().map(|v| v.is_finite() as i128).collect();
        vec![Host::ints(DType::Bool, x[0].dims(), finite)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].is_finite()]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("is_finite", x, "", &y[0])]
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        exact(self, x)
    }
}

/// One block per count of bits: documentation, method, StableHLO name, and meaning on the bits and their number.
macro_rules! bit_count {
    ($(#[$doc:meta])* $P:ident, $f:ident, $hlo:literal, $count:expr) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Hash)]
        pub struct $P;
        impl Tensor {
            $(#[$doc])*
            #[track_caller]
            pub fn $f(self) -> Tensor {
                bind1($P, &[self])
            }
        }
        impl Primitive for $P {
            fn name(&self) -> &'static str {
                stringify!($f)
            }
            fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
                require(&x[0], whole_bytes, "an integer of at least 8 bits")?;
                Ok(vec![x[0].clone()])
            }
            fn eval(&self, x: &[Host]) -> Vec<Host> {
                let (width, count): (u32, fn(u64, u32) -> u32) = (x[0].dtype().bits() as u32, $count);
                let mask = u64::MAX >> (64 - width);
                vec![map1(&x[0], x[0].dtype(), |v| v, |v| count(v as u64 & mask, width) as i128, no_complex)]
            }
            fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
                vec![None]
            }
            fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
                vec![x[0].$f()]
            }
            fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
                vec![cx.op($hlo, x, "", &y[0])]
            }
            fn fold(&self, x: &Splats) -> Option<Known> {
                exact(self, x)
            }
        }
    };
}
bit_count!(/** Number of one bits of each integer. */
    PopulationCount, population_count, "popcnt", |bits, _| bits.count_ones());
bit_count!(/** Number of zero bits above the highest one bit of each integer. JAX: `lax.clz`. */
    LeadingZeros, leading_zeros, "count_leading_zeros", |bits, width| bits.leading_zeros() - (64 - width));

/// Elementwise xⁿ for a constant integer n, by repeated multiplication.
#[derive(Debug, PartialEq, Hash)]
pub struct IntegerPow {
    n: i32,
}
impl Tensor {
    /// xⁿ for a constant integer n, by repeated multiplication. x⁰ is 1.
    #[track_caller]
    pub fn powi(self, n: i32) -> Tensor {
        let _at = At::op("powi");
        bind1(IntegerPow { n }, &[self])
    }
    /// x². JAX: `jnp.square`.
    #[track_caller]
    pub fn square(self) -> Tensor {
        crate::numpy::square(self)
    }
}
impl Primitive for IntegerPow {
    fn name(&self) -> &'static str {
        "integer_pow"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], NUMBER.0, NUMBER.1)?;
        if self.n < 0 && !x[0].dtype.is_inexact() {
            return Err(Refusal::new("an integer has no negative power").help("convert it first with `.cast(..)`"));
        }
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let dtype = x[0].dtype();
        let product = |a: i128, b: i128| crate::host::wrap(dtype, a.wrapping_mul(b));
        let int = |v| {
            let (mut base, mut n, mut power) = (v, self.n, 1);
            while n > 0 {
                power = if n & 1 == 1 { product(power, base) } else { power };
                (base, n) = (product(base, base), n >> 1);
            }
            power
        };
        vec![map1(&x[0], dtype, |v| v.powi(self.n), int, |v| v.powi(self.n))]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let less = || match self.n.checked_sub(1) {
            Some(n) => x[0].powi(n),
            None => x[0].powi(self.n) / x[0],
        };
        vec![dx[0].filter(|_| self.n != 0).map(|d| d * (less() * self.n))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].powi(self.n)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let (mut base, mut n, mut result) = (x[0].clone(), self.n.unsigned_abs(), None::<Value>);
        while n > 0 {
            if n & 1 == 1 {
                result = Some(match result {
                    Some(r) => cx.op("multiply", &[r, base.clone()], "", &y[0]),
                    None => base.clone(),
                });
            }
            n >>= 1;
            if n > 0 {
                base = cx.op("multiply", &[base.clone(), base], "", &y[0]);
            }
        }
        let one = |cx: &mut Lower| cx.splat(&y[0], 1.0);
        vec![match result {
            None => one(cx),
            Some(r) if self.n > 0 => r,
            Some(r) => {
                let one = one(cx);
                cx.op("divide", &[one, r], "", &y[0])
            }
        }]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let n = self.n.unsigned_abs();
        // repeated squaring, and a division for a negative power
        let steps = n.checked_ilog2().map_or(0, |log| log + n.count_ones() - 1) + (self.n < 0) as u32;
        let bytes = (x[0].bytes() + y[0].bytes()) as f64;
        Cost { flops: steps as f64 * y[0].size() as f64, bytes }
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        exact_int(self, x).or((self.n == 1).then_some(Known::Operand(0)))
    }
}

/// Cases of a unary operation: values in a range, and the special ones.
fn cases(dtype: DType, low: f64, high: f64, f: fn(Tensor) -> Tensor) -> Vec<Case> {
    let mut cases = vec![
        Case::new("values", vec![sample_in(dtype, &[3, 4], 1, low, high)], move |x| vec![f(x[0])]),
        Case::new("scalar", vec![sample_in(dtype, &[], 2, low, high)], move |x| vec![f(x[0])]),
        Case::new("empty", vec![sample_in(dtype, &[0, 2], 3, low, high)], move |x| vec![f(x[0])]),
    ];
    if matches!(dtype, DType::F32 | DType::F64) {
        let special = vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.5, -0.5, 1.5, 2.5, 1.0, -1.0];
        let special = Host::floats(dtype, [special.len()], special);
        cases.push(Case::new("special", vec![special], move |x| vec![f(x[0])]).wrt([]));
    }
    cases
}
macro_rules! rows {
    ($($name:literal, $kind:expr, $low:literal .. $high:literal, $f:expr;)*) => {
        &[$(Row { name: $name, dtypes: $kind, cases: |d| cases(d, $low, $high, $f) },)*
          Row { name: "sign", dtypes: DType::is_signed, cases: sign_cases }]
    };
}
fn whole_bytes(d: DType) -> bool {
    d.is_int() && d.bits() >= 8
}
/// Cases of the sign: that of complex numbers turns with them, but its derivative is 0, as in JAX.
fn sign_cases(d: DType) -> Vec<Case> {
    let cases = cases(d, -3.0, 3.0, Tensor::sign).into_iter();
    cases.map(|case| if d.is_complex() { case.wrt([]) } else { case }).collect()
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = rows![
    "neg", is_number, -3.0..3.0, Tensor::neg;
    "exp", is_inexact, -3.0..3.0, Tensor::exp;
    "expm1", is_inexact, -2.0..2.0, Tensor::expm1;
    "log", is_inexact, 0.1..3.0, Tensor::log;
    "log1p", is_inexact, -0.8..3.0, Tensor::log1p;
    "tanh", is_inexact, -2.0..2.0, Tensor::tanh;
    "logistic", is_inexact, -3.0..3.0, Tensor::logistic;
    "sin", is_inexact, -3.0..3.0, Tensor::sin;
    "cos", is_inexact, -3.0..3.0, Tensor::cos;
    "sqrt", is_inexact, 0.1..4.0, Tensor::sqrt;
    "rsqrt", is_inexact, 0.1..4.0, Tensor::rsqrt;
    "cbrt", is_float, 0.1..4.0, Tensor::cbrt;
    "erf", is_float, -2.0..2.0, Tensor::erf;
    "erf_inv", is_float, -0.9..0.9, Tensor::erf_inv;
    "erfc", is_wide, -2.0..3.0, Tensor::erfc;
    "lgamma", is_float, 0.3..4.0, Tensor::lgamma;
    "digamma", is_float, 0.3..4.0, Tensor::digamma;
    "bessel_i1e", is_wide, -3.0..4.0, Tensor::bessel_i1e;
    "tan", is_float, -1.0..1.0, Tensor::tan;
    "asin", is_float, -0.9..0.9, Tensor::asin;
    "acos", is_float, -0.9..0.9, Tensor::acos;
    "atan", is_float, -3.0..3.0, Tensor::atan;
    "sinh", is_float, -2.0..2.0, Tensor::sinh;
    "cosh", is_float, -2.0..2.0, Tensor::cosh;
    "asinh", is_float, -3.0..3.0, Tensor::asinh;
    "acosh", is_float, 1.2..4.0, Tensor::acosh;
    "atanh", is_float, -0.8..0.8, Tensor::atanh;
    "abs", DType::is_signed, -3.0..3.0, Tensor::abs;
    "floor", is_float, -3.0..3.0, Tensor::floor;
    "ceil", is_float, -3.0..3.0, Tensor::ceil;
    "round", is_float, -3.0..3.0, Tensor::round;
    "round_away", is_float, -3.0..3.0, Tensor::round_away;
    "not", is_int_or_bool, -9.0..9.0, std::ops::Not::not;
    "is_finite", is_float, -3.0..3.0, Tensor::is_finite;
    "population_count", whole_bytes, -9.0..9.0, Tensor::population_count;
    "leading_zeros", whole_bytes, -9.0..99.0, Tensor::leading_zeros;
    "integer_pow", is_number, -2.0..2.0, |x| x.powi(3);
    "integer_pow", is_inexact, 0.5..2.0, |x| x.powi(-2);
];
