//! Differences, areas, interpolation, convolutions of vectors.
//!
//! ```
//! use raxla::{numpy::{self, Mode}, prelude::*};
//! let f = jit(|x: Tensor, w: Tensor| (numpy::diff(x, 1, 0), numpy::convolve(x, w, Mode::Same), numpy::unwrap(x, 0)));
//! let (steps, smooth, _) = f.call((Array::from_slice([3], &[1f32, 4., 9.])?, Array::from_slice([2], &[1f32, 1.])?))?;
//! assert_eq!((steps.to_vec::<f32>()?, smooth.to_vec::<f32>()?), (vec![3., 5.], vec![1., 5., 13.]));
//! # Ok::<(), raxla::Error>(())
//! ```
use super::{Side, float, searchsorted};
use crate::{
    Padding, Window,
    ops::{Rhs, shape::concat, where_},
    prim::{IndexMode, conv, cumsum, full},
    trace::{At, Tensor, fail},
};
use std::f64::consts::PI;

/// The differences of neighbours along an axis, `n` times over.
#[track_caller]
pub fn diff(x: Tensor, n: usize, axis: isize) -> Tensor {
    let _at = At::op("diff");
    (0..n).fold(x, |x, _| {
        let last = x.dim(axis);
        let [low, high] = [..last.saturating_sub(1), ..last].map(|r| x.slice_axis(axis, r));
        let high = high.slice_axis(axis, last.min(1)..);
        if x.dtype() == crate::DType::Bool { high ^ low } else { high - low }
    })
}
/// The differences of neighbours of all elements as one vector, with these vectors before and behind them.
#[track_caller]
pub fn ediff1d(x: Tensor, to_end: Option<Tensor>, to_begin: Option<Tensor>) -> Tensor {
    let _at = At::op("ediff1d");
    let flat = |t: Tensor| t.reshape([t.size()]);
    let middle = diff(flat(x), 1, 0);
    concat(&[to_begin.map(flat), Some(middle), to_end.map(flat)].into_iter().flatten().collect::<Vec<_>>(), 0)
}
/// Along an axis, `v` in its shape with the others of size 1 if it is a vector; a scalar as it is.
#[track_caller]
fn along(op: &str, x: Tensor, v: Tensor, axis: usize) -> Tensor {
    if v.rank() == 1 && v.dim(0) == x.dims()[axis] {
        let mut dims = vec![1; x.rank()];
        dims[axis] = v.dim(0);
        return v.reshape(dims);
    }
    if v.rank() != 0 && v.dims() != x.dims() {
        let help = "give the distance of neighbours as a number, or one coordinate per element of the axis";
        fail(op, vec![x.aval(), v.aval()], "the coordinates are not those of the axis", Some(help.into()))
    }
    v
}
/// The slope along an axis, of elements at a distance (a number) or at coordinates (a vector): that of a parabola through neighbours,
/// and at the ends of a line. Derivatives of functions are [`grad`](crate::grad).
///
/// # Errors
/// An axis of fewer than 2 elements; coordinates of another size.
#[track_caller]
pub fn gradient(x: Tensor, spacing: impl Rhs, axis: isize) -> Tensor {
    let _at = At::op("gradient");
    let (x, n) = (float(x), x.dim(axis));
    if n < 2 {
        fail(
            "gradient",
            vec![x.aval()],
            "one element has no neighbour",
            Some("give two along the axis at least".into()),
        )
    }
    let h = along("gradient", x, spacing.beside(x), x.axis(axis));
    let part = |t: Tensor, from: usize, to: usize| t.slice_axis(axis, from..to);
    let step = |t: Tensor, from: usize| part(t, from + 1, from + 2) - part(t, from, from + 1);
    let (first, last) = (step(x, 0), step(x, n - 2));
    let (low, middle, high) = (part(x, 0, n - 2), part(x, 1, n - 1), part(x, 2, n));
    let ends_and = |first: Tensor, inner: Tensor, last: Tensor| concat(&[first, inner, last], axis);
    if h.rank() == 0 {
        return ends_and(first / h, (high - low) * 0.5 / h, last / h);
    }
    let (before, behind) = (part(h, 1, n - 1) - part(h, 0, n - 2), part(h, 2, n) - part(h, 1, n - 1));
    let both = before + behind;
    let inner = low * (-behind / (before * both))
        + middle * ((behind - before) / (before * behind))
        + high * (before / (behind * both));
    ends_and(first / step(h, 0), inner, last / step(h, n - 2))
}
/// The area under lines between neighbours along an axis, which disappears, of elements at a distance (a number) or at coordinates (a
/// tensor).
///
/// # Errors
/// Coordinates of another size.
#[track_caller]
pub fn trapezoid(y: Tensor, x: impl Rhs, axis: isize) -> Tensor {
    let _at = At::op("trapezoid");
    let (y, n) = (float(y), y.dim(axis));
    let x = along("trapezoid", y, x.beside(y), y.axis(axis));
    let sums = y.slice_axis(axis, n.min(1)..) + y.slice_axis(axis, ..n.saturating_sub(1));
    let widths = if x.rank() == 0 { x } else { diff(x, 1, axis) };
    (widths * sums).sum(axis) * 0.5
}

/// What [`interp`] gives beyond the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interp {
    /// Before the first point; `None`: its value.
    pub left: Option<f64>,
    /// Behind the last point; `None`: its value.
    pub right: Option<f64>,
    /// After which distance everything repeats.
    pub period: Option<f64>,
}
/// The values at `x`, any shape, of lines between the points (`xp`, `fp`), two vectors of which the first ascends (but for a period).
///
/// # Errors
/// Vectors of different sizes, or of fewer than 2 points.
#[track_caller]
pub fn interp(x: Tensor, xp: Tensor, fp: Tensor, outside: Interp) -> Tensor {
    let _at = At::op("interp");
    if xp.rank() != 1 || xp.dims() != fp.dims() || xp.dim(0) < 2 {
        let help = "points are two vectors of one size, 2 at least";
        fail("interp", vec![x.aval(), xp.aval(), fp.aval()], "these are no points", Some(help.into()))
    }
    let (mut x, mut xp, mut fp) = (float(x), float(xp), float(fp));
    if let Some(period) = outside.period {
        (x, xp) = (x.modulo(period), xp.modulo(period));
        let order = xp.argsort(0);
        (xp, fp) = (xp.take_with(order, 0, IndexMode::Clip), fp.take_with(order, 0, IndexMode::Clip));
        let around = |t: Tensor, by: f64| concat(&[t.at(-1..).get() - by, t, t.at(..1).get() + by], 0);
        (xp, fp) = (around(xp, period), around(fp, 0.0));
    }
    let n = xp.dim(0) as i32;
    let behind = searchsorted(xp, x, Side::Right).clip(1, n - 1);
    let of = |t: Tensor, at: Tensor| t.take_with(at, 0, IndexMode::Clip);
    let (low, start) = (of(fp, behind - 1), of(xp, behind - 1));
    let (rise, run) = (of(fp, behind) - low, of(xp, behind) - start);
    let none = run.eq(0.0);
    let line = where_(none, low, low + (x - start) / where_(none, run.like(1.0), run) * rise);
    if outside.period.is_some() {
        return line;
    }
    let end = |known: Option<f64>, at: i32| known.map_or_else(|| fp.at(at).get(), |v| full([], line.dtype(), v));
    let line = where_(x.lt(xp.at(0).get()), end(outside.left, 0), line);
    where_(x.gt(xp.at(-1).get()), end(outside.right, -1), line)
}
/// Angles in radians along an axis with multiples of 2π added, so that neighbours differ by at most π.
#[track_caller]
pub fn unwrap(x: Tensor, axis: isize) -> Tensor {
    let _at = At::op("unwrap");
    let x = float(x);
    if x.dim(axis) == 0 {
        return x;
    }
    let steps = diff(x, 1, axis);
    let around = (steps + PI).modulo(2.0 * PI) - PI;
    let around = where_(around.eq(-PI) & steps.gt(0.0), around.like(PI), around);
    let corrections = where_(steps.abs().lt(PI), steps.like(0.0), around - steps);
    let rest = x.slice_axis(axis, 1..) + cumsum(corrections, x.axis(axis), false);
    concat(&[x.slice_axis(axis, ..1), rest], axis)
}

/// How much of a convolution is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All of it: `n + m - 1` elements.
    #[default]
    Full,
    /// The middle, as long as the longer vector.
    Same,
    /// Where both overlap wholly.
    Valid,
}
#[track_caller]
fn convolved(op: &str, x: Tensor, y: Tensor, mode: Mode) -> Tensor {
    if x.rank() != 1 || y.rank() != 1 || x.size() == 0 || y.size() == 0 {
        let help = "give two vectors with elements; for images there is `conv`";
        fail(op, vec![x.aval(), y.aval()], "these are no two vectors", Some(help.into()))
    }
    let m = y.size() as i64;
    let padding = match mode {
        Mode::Valid => (0, 0),
        Mode::Same => (m / 2, m - m / 2 - 1),
        Mode::Full => (m - 1, m - 1),
    };
    let window = Window {
        padding: Padding::Explicit(vec![padding]),
        precision: crate::Precision::Highest,
        ..Default::default()
    };
    conv("ncw,oiw->ncw", x.reshape([1, 1, x.size()]), y.reshape([1, 1, y.size()]), window).reshape([crate::REST])
}
/// The convolution of two vectors.
///
/// # Errors
/// What is no vector, or has no elements.
#[track_caller]
pub fn convolve(x: Tensor, y: Tensor, mode: Mode) -> Tensor {
    let _at = At::op("convolve");
    let (x, y) = if x.size() < y.size() { (y, x) } else { (x, y) };
    convolved("convolve", x, y.flip(..), mode)
}
/// The correlation of two vectors: the convolution with the second one turned around.
///
/// # Errors
/// As [`convolve`].
#[track_caller]
pub fn correlate(x: Tensor, y: Tensor, mode: Mode) -> Tensor {
    let _at = At::op("correlate");
    if x.size() < y.size() { convolved("correlate", y, x, mode).flip(..) } else { convolved("correlate", x, y, mode) }
}
