//! Polynomials, as vectors of coefficients from the highest power down.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! // (x + 1)(x - 2), its slope, and the line through three points
//! let f = jit(|p: Tensor, q: Tensor, x: Tensor| {
//!     let product = numpy::polymul(p, q);
//!     (numpy::polyval(product, x), numpy::polyder(product, 1), numpy::polyfit(x, x * 3.0 + 1.0, 1))
//! });
//! let vector = |v: &[f32]| Array::from_slice([v.len()], v);
//! let (y, slope, line) = f.call((vector(&[1., 1.])?, vector(&[1., -2.])?, vector(&[0., 1., 2.])?))?;
//! assert_eq!((y.to_vec::<f32>()?, slope.to_vec::<f32>()?), (vec![-2., -2., 0.], vec![2., -1.]));
//! assert!((line.to_vec::<f32>()?[0] - 3.0).abs() < 1e-5);
//! # Ok::<(), raxla::Error>(())
//! ```
use super::{Mode, convolve, float, vander};
use crate::{
    aval::DType,
    linalg,
    ops::{
        complex,
        shape::{concat, eye},
        where_,
    },
    prim::{self, full, iota, scan},
    trace::{At, Tensor, fail},
};

#[track_caller]
fn coefficients(op: &str, p: Tensor) -> usize {
    if p.rank() != 1 {
        fail(op, vec![p.aval()], "coefficients are a vector", Some("from the highest power down".into()))
    }
    p.dim(0)
}
/// The polynomial at `x`, by Horner's rule: any shape, of coefficients `[n]`.
#[track_caller]
pub fn polyval(p: Tensor, x: Tensor) -> Tensor {
    let _at = At::op("polyval");
    coefficients("polyval", p);
    let (y, ()) = scan(|y: Tensor, c: Tensor| (y * x + c, ()), x.like(0), p);
    y
}
/// Both with zeros in front, as long as the longer.
#[track_caller]
fn alike(op: &str, p: Tensor, q: Tensor) -> (Tensor, Tensor) {
    let (n, m) = (coefficients(op, p), coefficients(op, q));
    let wider = |p: Tensor, by: usize| prim::pad(p, full([], p.dtype(), 0), [(by as i64, 0, 0)]);
    (wider(p, m.saturating_sub(n)), wider(q, n.saturating_sub(m)))
}
/// The sum of two polynomials.
#[track_caller]
pub fn polyadd(p: Tensor, q: Tensor) -> Tensor {
    let _at = At::op("polyadd");
    let (p, q) = alike("polyadd", p, q);
    p + q
}
/// The difference of two polynomials.
#[track_caller]
pub fn polysub(p: Tensor, q: Tensor) -> Tensor {
    let _at = At::op("polysub");
    let (p, q) = alike("polysub", p, q);
    p - q
}
/// The product of two polynomials.
#[track_caller]
pub fn polymul(p: Tensor, q: Tensor) -> Tensor {
    let _at = At::op("polymul");
    convolve(p, q, Mode::Full)
}
/// The quotient of two polynomials, and the rest, as long as the first (with zeros in front).
#[track_caller]
pub fn polydiv(p: Tensor, q: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("polydiv");
    let (n, m) = (coefficients("polydiv", p), coefficients("polydiv", q));
    if m == 0 {
        fail("polydiv", vec![p.aval(), q.aval()], "nothing divides", Some("give one coefficient at least".into()))
    }
    if n < m {
        return (full([1], p.dtype(), 0), p);
    }
    let (mut rest, mut quotient) = (p, vec![]);
    for k in 0..=n - m {
        let d = rest.slice_axis(0, k..k + 1) / q.slice_axis(0, ..1);
        rest = rest.at(k..k + m).add(-d * q);
        quotient.push(d);
    }
    (concat(&quotient, 0), rest)
}
/// The derivative of order `m`.
#[track_caller]
pub fn polyder(p: Tensor, m: usize) -> Tensor {
    let _at = At::op("polyder");
    (0..m).fold(p, |p, _| {
        let n = coefficients("polyder", p).saturating_sub(1);
        p.slice_axis(0, ..n) * iota([n], p.dtype(), 0).flip(0) + p.slice_axis(0, ..n)
    })
}
/// The antiderivative of order `m`, whose constants, one per integration, are `k`; `None`: 0.
///
/// # Errors
/// Other numbers of constants.
#[track_caller]
pub fn polyint(p: Tensor, m: usize, k: Option<Tensor>) -> Tensor {
    let _at = At::op("polyint");
    let k = k.map(|k| k.broadcast_to([m]));
    (0..m).fold(float(p), |p, i| {
        let n = coefficients("polyint", p);
        let constant = k.map_or_else(|| full([1], p.dtype(), 0.0), |k| k.slice_axis(0, i..i + 1));
        concat(&[p / (iota([n], p.dtype(), 0).flip(0) + 1.0), constant], 0)
    })
}
/// The polynomial of degree `degree` nearest to the points (`x`, `y`), by least squares: `[degree + 1]`, or with a column per column of `y`.
///
/// # Errors
/// Other numbers of `y` than of `x`; dtypes other than f32 and f64.
#[track_caller]
pub fn polyfit(x: Tensor, y: Tensor, degree: usize) -> Tensor {
    let _at = At::op("polyfit");
    let powers = vander(x, degree + 1, false);
    let scale = (powers * powers).sum(0).sqrt();
    let rcond = x.dim(0) as f64 * if x.dtype() == crate::DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let c = linalg::lstsq(powers / scale, y, Some(rcond)).x;
    c / if y.rank() == 2 { scale.expand_dims(-1) } else { scale }
}
/// The zeros of the polynomial with coefficients `[n + 1]`, f32, f64 or complex: complex `[n]`, in no particular order. As many coefficients
/// in front as are 0, so many zeros are missing: they are NaN, at the end. On the CPU alone. JAX: `jnp.roots` with `strip_zeros=False`.
///
/// ```
/// # use raxla::{Complex32, numpy, prelude::*};
/// let f = jit(|p: Tensor| numpy::roots(p));
/// let zeros = f.call((Array::from_slice([3], &[1f32, 0., 4.])?,))?.to_vec::<Complex32>()?; // x² + 4
/// assert!((zeros[0] - 2.0 * Complex32::I).norm() < 1e-6 && (zeros[1] + 2.0 * Complex32::I).norm() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Coefficients that are no vector; other platforms than the CPU.
#[track_caller]
pub fn roots(p: Tensor) -> Tensor {
    let _at = At::op("roots");
    let n = coefficients("roots", p);
    let p = if p.dtype().is_complex() { p } else { float(p) };
    let dtype = p.dtype().complex().unwrap_or(p.dtype());
    if n < 2 {
        return full([0], dtype, 0);
    }
    let number = iota([n], DType::I32, 0);
    let missing = where_(p.ne(0), number, n).min(0);
    // zeros in front go to the end, where they are zeros of the polynomial
    let p = where_(missing.eq(n), p.like(1), p).take((number + missing) % n, 0);
    let below = eye(n - 1, p.dtype()).slice_axis(0, ..n - 2);
    let first = (-p.slice_axis(0, 1..) / p.slice_axis(0, ..1)).expand_dims(0);
    let found = linalg::eigvals(concat(&[first, below], 0));
    let is_zero = found.eq(0).cast(DType::I32);
    let sorted = prim::sort(&[is_zero, found], 0, 1, true)[1];
    let nan = complex(full([], dtype.real(), f64::NAN), f64::NAN);
    where_((number.slice_axis(0, ..n - 1) + missing).lt(n - 1), sorted, nan.broadcast_to([n - 1]))
}
/// The polynomial with these zeros, whose first coefficient is 1.
#[track_caller]
pub fn poly(zeros: Tensor) -> Tensor {
    let _at = At::op("poly");
    let n = coefficients("poly", zeros);
    let zeros = float(zeros);
    let none = full([1], zeros.dtype(), 0.0);
    (0..n).fold(full([1], zeros.dtype(), 1.0), |p, i| {
        concat(&[p, none], 0) - concat(&[none, p], 0) * zeros.slice_axis(0, i..i + 1)
    })
}
