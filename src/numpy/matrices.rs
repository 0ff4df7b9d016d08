//! Diagonals, triangles and matrices of powers.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! let f = jit(|x: Tensor| (numpy::diag(x, 1), numpy::vander(x, 3, false), numpy::trace(numpy::diagflat(x, 0), 0, 0, 1)));
//! let (shifted, powers, sum) = f.call((Array::from_slice([2], &[2f32, 3.])?,))?;
//! assert_eq!(shifted.to_vec::<f32>()?, [0., 2., 0., 0., 0., 3., 0., 0., 0.]);
//! assert_eq!((powers.to_vec::<f32>()?, sum.item::<f32>()?), (vec![4., 2., 1., 9., 3., 1.], 5.0));
//! # Ok::<(), raxla::Error>(())
//! ```
use crate::{
    aval::DType,
    ops::{Rhs, shape::concat, where_},
    prim::{self, full, iota},
    trace::{At, Tensor, fail},
};

/// The matrix `[n, m]` with ones on the `k`-th diagonal above the main one (below, if negative).
#[track_caller]
pub fn eye(n: usize, m: usize, k: isize, dtype: DType) -> Tensor {
    let _at = At::op("eye");
    on_diagonal(n, m, k).cast(dtype)
}
/// The identity matrix of `n` rows.
#[track_caller]
pub fn identity(n: usize, dtype: DType) -> Tensor {
    eye(n, n, 0, dtype)
}
fn on_diagonal(n: usize, m: usize, k: isize) -> Tensor {
    let index = |axis| iota([n, m], DType::I64, axis);
    (index(0) + k as i64).eq(index(1))
}
/// The matrix `[n, m]` with ones on and below the `k`-th diagonal.
#[track_caller]
pub fn tri(n: usize, m: usize, k: isize, dtype: DType) -> Tensor {
    let _at = At::op("tri");
    full([n, m], dtype, 1).tril(k)
}
/// The diagonal, `offset` above the main one, of the matrices in two axes: as a new last axis, in place of these.
#[track_caller]
pub fn diagonal(x: Tensor, offset: isize, axis1: isize, axis2: isize) -> Tensor {
    let _at = At::op("diagonal");
    let (a, b) = (x.axis(axis1), x.axis(axis2));
    if a == b {
        fail("diagonal", vec![x.aval()], format!("axis {axis1} is axis {axis2}"), Some("name two axes".into()))
    }
    let order = [prim::other_axes(x.rank(), &[a, b]), vec![a, b]].concat();
    let x = x.transpose(order);
    let cut = |axis: isize, by: isize| x.slice_axis(axis, x.dim(axis).min(by.unsigned_abs())..);
    prim::diagonal(if offset >= 0 { cut(-1, offset) } else { cut(-2, offset) })
}
/// The sum of [`diagonal`].
#[track_caller]
pub fn trace(x: Tensor, offset: isize, axis1: isize, axis2: isize) -> Tensor {
    let _at = At::op("trace");
    diagonal(x, offset, axis1, axis2).sum(-1)
}
/// Of a vector, the matrix with it on the `k`-th diagonal and zeros elsewhere; of a matrix, that diagonal.
///
/// # Errors
/// Other ranks.
#[track_caller]
pub fn diag(x: Tensor, k: isize) -> Tensor {
    let _at = At::op("diag");
    match x.rank() {
        1 => diagflat(x, k),
        2 => diagonal(x, k, 0, 1),
        _ => fail(
            "diag",
            vec![x.aval()],
            "it is no vector and no matrix",
            Some("of others there is `numpy::diagonal`".into()),
        ),
    }
}
/// The matrix with all elements, as a vector, on the `k`-th diagonal.
#[track_caller]
pub fn diagflat(x: Tensor, k: isize) -> Tensor {
    let _at = At::op("diagflat");
    let n = x.size();
    let square = where_(on_diagonal(n, n, 0), x.reshape([n, 1]), x.like(0).reshape([n, 1]));
    let [above, below] = [k.max(0), (-k).max(0)].map(|k| k as i64);
    prim::pad(square, full([], x.dtype(), 0), [(below, above, 0), (above, below, 0)])
}
/// With `value` where all indices are equal.
///
/// # Errors
/// Vectors.
#[track_caller]
pub fn fill_diagonal(x: Tensor, value: impl Rhs) -> Tensor {
    let _at = At::op("fill_diagonal");
    if x.rank() < 2 {
        fail("fill_diagonal", vec![x.aval()], "a vector has no diagonal", Some("give it two axes at least".into()))
    }
    let index = |axis| iota(x.dims(), DType::I32, axis);
    let on = (1..x.rank()).map(|axis| index(0).eq(index(axis))).reduce(|a, b| a & b);
    on.map_or(x, |on| where_(on, value.beside(x), x))
}
/// The powers of each element of a vector, `n` of them from the highest down, or from 1 up: `[.., n]`.
#[track_caller]
pub fn vander(x: Tensor, n: usize, increasing: bool) -> Tensor {
    let _at = At::op("vander");
    let lines = x.expand_dims(-1);
    if n == 0 {
        return lines.slice_axis(-1, ..0);
    }
    let factors = concat(&[lines.like(1), lines.repeat(n - 1, -1)], -1);
    let powers = prim::cumprod(factors, x.rank(), false);
    if increasing { powers } else { powers.flip(-1) }
}
/// The indices (i32) of the main diagonal of a tensor with `axes` axes of size `n`: one vector per axis.
#[track_caller]
pub fn diag_indices(n: usize, axes: usize) -> Vec<Tensor> {
    let _at = At::op("diag_indices");
    vec![iota([n], DType::I32, 0); axes]
}
/// How many elements of `[n, m]` are on or below the `k`-th diagonal.
fn below(n: usize, m: usize, k: isize) -> usize {
    (0..n as isize).map(|row| (row + k + 1).clamp(0, m as isize) as usize).sum()
}
/// The indices of rows and columns (i32) of what is on and below the `k`-th diagonal of `[n, m]`.
#[track_caller]
pub fn tril_indices(n: usize, k: isize, m: usize) -> Vec<Tensor> {
    let _at = At::op("tril_indices");
    super::nonzero(tri(n, m, k, DType::Bool), below(n, m, k), 0)
}
/// The indices of rows and columns (i32) of what is on and above the `k`-th diagonal of `[n, m]`.
#[track_caller]
pub fn triu_indices(n: usize, k: isize, m: usize) -> Vec<Tensor> {
    let _at = At::op("triu_indices");
    super::nonzero(!tri(n, m, k - 1, DType::Bool), n * m - below(n, m, k - 1), 0)
}
/// The indices of rows and columns (i32) where a mask of `[n, n]` is true, which holds for `size` elements.
#[track_caller]
pub fn mask_indices(n: usize, mask: impl FnOnce(Tensor) -> Tensor, size: usize) -> Vec<Tensor> {
    let _at = At::op("mask_indices");
    super::nonzero(mask(full([n, n], DType::I32, 1)).ne(0), size, 0)
}
