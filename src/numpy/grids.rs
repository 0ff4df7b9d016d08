//! Numbers in a row, and coordinates.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! let f = jit(|x: Tensor, y: Tensor| (numpy::meshgrid(&[x, y], "xy"), numpy::logspace(0.0, 2.0, 3, 10.0, DType::F32)));
//! let vector = |v: &[f32]| Array::from_slice([v.len()], v);
//! let (grid, powers) = f.call((vector(&[1., 2.])?, vector(&[3., 4., 5.])?))?;
//! assert_eq!((grid[0].dims(), grid[1].to_vec::<f32>()?), ([3, 2].as_slice(), vec![3., 3., 4., 4., 5., 5.]));
//! assert_eq!(powers.to_vec::<f32>()?, [1., 10., 100.]);
//! # Ok::<(), raxla::Error>(())
//! ```
use crate::{
    aval::DType,
    host::Host,
    ops::where_,
    prim::{full, iota, literal},
    trace::{At, Tensor, fail},
};
use std::f64::consts::PI;

/// `start`, `start + step`, ..., before `stop`.
///
/// # Errors
/// A step of 0; numbers that the dtype does not have.
#[track_caller]
pub fn arange(start: f64, stop: f64, step: f64, dtype: DType) -> Tensor {
    let _at = At::op("arange");
    let n = ((stop - start) / step).ceil();
    if !n.is_finite() || n > u32::MAX as f64 {
        fail(
            "arange",
            vec![],
            format!("there are {n} numbers from {start} to {stop} by {step}"),
            Some("choose another step".into()),
        )
    }
    let wide = if dtype.is_float() || (start.fract() == 0.0 && step.fract() == 0.0) { dtype } else { DType::F64 };
    (iota([n.max(0.0) as usize], wide, 0) * full([], wide, step) + full([], wide, start)).cast(dtype)
}
/// `n` numbers evenly spaced between two scalars, or along a new first axis between two tensors that broadcast; the second is the last
/// of them if `endpoint`.
pub(crate) fn linspace_between(start: Tensor, stop: Tensor, n: usize, endpoint: bool) -> Tensor {
    let (start, stop) = crate::ops::fit("linspace", start, stop);
    let parts = if endpoint { n.saturating_sub(1) } else { n };
    let lines = [&[n][..], &vec![1; start.rank()]].concat();
    let share = (iota([n], start.dtype(), 0) / parts.max(1)).reshape(lines);
    let y = start * (1.0 - share) + stop * share;
    // (the last one is exactly what was asked for)
    if !endpoint || n < 2 { y } else { crate::concat(&[y.slice_axis(0, ..n - 1), stop.expand_dims(0)], 0) }
}
/// `n` numbers evenly spaced from `start` to `stop`, or with tensors, along a new first axis. `endpoint`: is `stop` the last of them?
///
/// # Errors
/// Tensors that do not broadcast.
#[track_caller]
pub fn linspace(start: Tensor, stop: Tensor, n: usize, endpoint: bool) -> Tensor {
    let _at = At::op("linspace");
    linspace_between(super::float(start), super::float(stop), n, endpoint)
}
/// `n` powers of `base` with exponents evenly spaced from `start` to `stop`.
#[track_caller]
pub fn logspace(start: f64, stop: f64, n: usize, base: f64, dtype: DType) -> Tensor {
    let _at = At::op("logspace");
    let exponents = linspace_between(full([], DType::F64, start), full([], DType::F64, stop), n, true);
    exponents.like(base).pow(exponents).cast(dtype)
}
/// `n` numbers from `start` to `stop`, each the same multiple of the one before.
///
/// # Errors
/// Numbers of different signs, or 0.
#[track_caller]
pub fn geomspace(start: f64, stop: f64, n: usize, dtype: DType) -> Tensor {
    let _at = At::op("geomspace");
    if start * stop <= 0.0 {
        fail(
            "geomspace",
            vec![],
            format!("no factor leads from {start} to {stop}"),
            Some("both have one sign, and none is 0".into()),
        )
    }
    let logs = linspace_between(full([], DType::F64, start.abs().ln()), full([], DType::F64, stop.abs().ln()), n, true);
    (logs.exp() * start.signum()).cast(dtype)
}
/// Vectors as coordinates of a grid: each in the shape of the grid. `indexing` is "ij" (the first vector along the first axis) or "xy" (the
/// first two exchanged, as in pictures).
///
/// # Errors
/// Another word.
#[track_caller]
pub fn meshgrid(x: &[Tensor], indexing: &str) -> Vec<Tensor> {
    let _at = At::op("meshgrid");
    let open = open_grid(x, indexing);
    let dims = super::broadcast_shapes(&open.iter().map(|t| t.dims()).collect::<Vec<_>>());
    open.into_iter().map(|t| t.broadcast_to(dims.clone())).collect()
}
/// As [`meshgrid`], each of size 1 along the axes of the others.
#[track_caller]
pub fn ogrid(x: &[Tensor], indexing: &str) -> Vec<Tensor> {
    let _at = At::op("ogrid");
    open_grid(x, indexing)
}
/// Vectors as indices of rows, columns, ...: `x.at(..)` of them is the block where they cross.
#[track_caller]
pub fn ix_(x: &[Tensor]) -> Vec<Tensor> {
    let _at = At::op("ix_");
    open_grid(x, "ij")
}
#[track_caller]
fn open_grid(x: &[Tensor], indexing: &str) -> Vec<Tensor> {
    let refused = x.iter().any(|t| t.rank() > 1) || !["ij", "xy"].contains(&indexing);
    if refused {
        let help = "give vectors, and \"ij\" or \"xy\"";
        fail(
            "meshgrid",
            x.iter().map(|t| t.aval()).collect(),
            format!("there is no grid {indexing:?} of these"),
            Some(help.into()),
        )
    }
    let axis = |i: usize| if indexing == "xy" && x.len() > 1 && i < 2 { 1 - i } else { i };
    let spread = |(i, t): (usize, &Tensor)| {
        let mut dims = vec![1; x.len()];
        dims[axis(i)] = t.size();
        t.reshape(dims)
    };
    x.iter().enumerate().map(spread).collect()
}
/// The index of each element of a grid (i32), along each axis: `[axes, dims..]`.
#[track_caller]
pub fn indices(dims: &[usize]) -> Tensor {
    let _at = At::op("indices");
    let all: Vec<Tensor> = (0..dims.len()).map(|axis| iota(dims, DType::I32, axis)).collect();
    if all.is_empty() { full([0], DType::I32, 0) } else { crate::stack(&all, 0) }
}

/// The numbers 0 to n - 1, and the last of them, of at least 1.
fn along(n: usize) -> (Tensor, f64) {
    (iota([n], DType::F64, 0), n.saturating_sub(1).max(1) as f64)
}
macro_rules! windows {
    ($($(#[$doc:meta])* $f:ident => |$n:ident, $last:ident| $e:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// A window of one element is 1.
        #[track_caller]
        pub fn $f(n: usize, dtype: DType) -> Tensor {
            let _at = At::op(stringify!($f));
            let ($n, $last) = along(n);
            let y: Tensor = $e;
            if n == 1 { full([1], dtype, 1.0) } else { y.cast(dtype) }
        }
    )*};
}
windows! {
    /// A triangle of `n` numbers, 0 at both ends.
    bartlett => |i, last| where_(i.le(last / 2.0), i * (2.0 / last), 2.0 - i * (2.0 / last));
    /// Blackman's window: `0.42 - 0.5 cos + 0.08 cos` of one and two turns.
    blackman => |i, last| 0.42 - (i * (2.0 * PI / last)).cos() * 0.5 + (i * (4.0 * PI / last)).cos() * 0.08;
    /// Hamming's window: `0.54 - 0.46 cos` of one turn.
    hamming => |i, last| 0.54 - (i * (2.0 * PI / last)).cos() * 0.46;
    /// Von Hann's window: `0.5 - 0.5 cos` of one turn.
    hanning => |i, last| 0.5 - (i * (2.0 * PI / last)).cos() * 0.5;
}
/// Kaiser's window of `n` numbers: the Bessel function I₀ of β √(1 - t²), over that of β.
#[track_caller]
pub fn kaiser(n: usize, beta: f64, dtype: DType) -> Tensor {
    let _at = At::op("kaiser");
    // I₀ by its series, of numbers that are known while tracing
    let i0 = |x: f64| {
        let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
        while term > sum * 1e-17 && k < 1e4 {
            term *= (x / (2.0 * k)).powi(2);
            sum += term;
            k += 1.0;
        }
        sum
    };
    let value = |i: usize| {
        let t = 2.0 * i as f64 / n.saturating_sub(1).max(1) as f64 - 1.0;
        i0(beta * (1.0 - t * t).max(0.0).sqrt()) / i0(beta)
    };
    if n == 1 {
        full([1], dtype, 1.0)
    } else {
        literal(Host::floats(DType::F64, [n], (0..n).map(value).collect())).cast(dtype)
    }
}
