//! Tensors as sets: different elements, in ascending order, in vectors of a known size.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! let f = jit(|x: Tensor, y: Tensor| (numpy::unique(x, 4, 0).values, numpy::intersect1d(x, y, 2, -1), numpy::isin(x, y)));
//! let ints = |v: &[i32]| Array::from_slice([v.len()], v);
//! let (different, both, is_in) = f.call((ints(&[3, 1, 3, 2])?, ints(&[3, 5])?))?;
//! assert_eq!((different.to_vec::<i32>()?, both.to_vec::<i32>()?), (vec![1, 2, 3, 0], vec![3, -1]));
//! assert_eq!(is_in.to_vec::<bool>()?, [true, false, true, false]);
//! # Ok::<(), raxla::Error>(())
//! ```
use super::{Side, extract, flatnonzero, searchsorted};
use crate::{
    aval::DType,
    ops::shape::concat,
    prim::{self, IndexMode, Scalar, cumsum, full, iota},
    trace::{At, Tensor},
};

/// The different elements of a tensor: see [`unique`].
#[derive(Clone, Copy, Debug)]
pub struct Unique {
    /// They, ascending, `[size]`.
    pub values: Tensor,
    /// Where each occurs first among all elements, i32 `[size]`.
    pub index: Tensor,
    /// Which of them each element is, i32, of the tensor's shape.
    pub inverse: Tensor,
    /// How often each occurs, i32 `[size]`: 0 of those that are missing.
    pub counts: Tensor,
    /// How many there are, an i32 scalar.
    pub number: Tensor,
}
/// The different elements: the first `size`, with `fill` behind them if there are fewer. All NaNs are one.
#[track_caller]
pub fn unique(x: Tensor, size: usize, fill: impl Scalar) -> Unique {
    let _at = At::op("unique");
    let n = x.size();
    let flat = x.reshape([n]);
    let sorted = prim::sort(&[flat, iota([n], DType::I32, 0)], 0, 1, true);
    let (values, from) = (sorted[0], sorted[1]);
    let (a, b) = (values.slice_axis(0, ..n.saturating_sub(1)), values.slice_axis(0, n.min(1)..));
    let both_nan = if x.dtype().is_float() { a.is_nan() & b.is_nan() } else { a.ne(a) };
    let new = concat(&[full([n.min(1)], DType::Bool, true), a.ne(b) & !both_nan], 0);
    let inverse = full([n], DType::I32, 0).at(from).unique().set(cumsum(new.cast(DType::I32), 0, false) - 1);
    let first = flatnonzero(new, size, 0);
    let begins = flatnonzero(new, size + 1, n as i32);
    let chosen = extract(new, values, size, fill);
    let index = if n == 0 { first } else { from.take_with(first, 0, IndexMode::Clip) };
    Unique {
        values: chosen,
        index,
        inverse: inverse.reshape(x.dims()),
        counts: super::diff(begins, 1, 0),
        number: new.sum(0),
    }
}
/// [`unique`]'s values.
#[track_caller]
pub fn unique_values(x: Tensor, size: usize, fill: impl Scalar) -> Tensor {
    unique(x, size, fill).values
}
/// [`unique`]'s values, and how often each occurs.
#[track_caller]
pub fn unique_counts(x: Tensor, size: usize, fill: impl Scalar) -> (Tensor, Tensor) {
    let u = unique(x, size, fill);
    (u.values, u.counts)
}
/// [`unique`]'s values, and which of them each element is.
#[track_caller]
pub fn unique_inverse(x: Tensor, size: usize, fill: impl Scalar) -> (Tensor, Tensor) {
    let u = unique(x, size, fill);
    (u.values, u.inverse)
}
/// Is each element one of `test`? Gives bools.
#[track_caller]
pub fn isin(x: Tensor, test: Tensor) -> Tensor {
    let _at = At::op("isin");
    if test.size() == 0 {
        return full(x.dims(), DType::Bool, false);
    }
    let sorted = test.reshape([test.size()]).sort(0);
    let at = searchsorted(sorted, x, Side::Left);
    sorted.take_with(at, 0, IndexMode::Clip).eq(x)
}
/// The elements of both tensors that are in the first, in the second, or not, as `f` says.
#[track_caller]
fn chosen(x: Tensor, y: Tensor, size: usize, fill: impl Scalar, f: impl Fn(Tensor, Tensor) -> Tensor) -> Tensor {
    let flat = |t: Tensor| t.reshape([t.size()]);
    let all = concat(&[flat(x), flat(y)], 0);
    let n = all.size();
    let u = unique(all, n, 0);
    let there = iota([n], DType::I32, 0).lt(u.number);
    extract(there & f(isin(u.values, x), isin(u.values, y)), u.values, size, fill)
}
macro_rules! operations {
    ($($(#[$doc:meta])* $f:ident => |$x:ident, $y:ident| $e:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// Ascending: the first `size`, with `fill` behind them if there are fewer.
        #[track_caller]
        pub fn $f(x: Tensor, y: Tensor, size: usize, fill: impl Scalar) -> Tensor {
            let _at = At::op(stringify!($f));
            chosen(x, y, size, fill, |$x, $y| $e)
        }
    )*};
}
operations! {
    /// The elements of either tensor.
    union1d => |x, y| x | y;
    /// The elements that both tensors have.
    intersect1d => |x, y| x & y;
    /// The elements of the first tensor that the second does not have.
    setdiff1d => |x, y| x & !y;
    /// The elements that one of the tensors has.
    setxor1d => |x, y| x ^ y;
}
