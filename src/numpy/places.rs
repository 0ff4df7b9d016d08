//! Positions: where elements are true, and elements put at positions.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! let f = jit(|x: Tensor| (numpy::flatnonzero(x.gt(1.0), 3, -1), numpy::extract(x.gt(1.0), x, 3, 0.0)));
//! let (at, values) = f.call((Array::from_slice([4], &[5f32, 1., 0., 7.])?,))?;
//! assert_eq!((at.to_vec::<i32>()?, values.to_vec::<f32>()?), (vec![0, 3, -1], vec![5., 7., 0.]));
//! # Ok::<(), raxla::Error>(())
//! ```
use crate::{
    aval::DType,
    ops::{at::Index, where_},
    prim::{IndexMode, Scalar, cumsum, full, iota},
    trace::{At, Tensor, fail},
};

/// The positions (i32) of the first `size` true elements of a vector, its size in place of those that are missing; and which are there.
fn first_true(mask: Tensor, size: usize) -> (Tensor, Tensor) {
    let n = mask.size();
    let number = cumsum(mask.cast(DType::I32), 0, false) - 1;
    // (what is not true goes beyond the end, and is dropped)
    let to = where_(mask, number, size);
    let found = full([size], DType::I32, n).at(to).set(iota([n], DType::I32, 0));
    (found, found.lt(n))
}
fn flat(x: Tensor) -> Tensor {
    x.reshape([x.size()])
}
/// The positions (i32) among all elements of those that are true, or not 0: the first `size`, with `fill` behind them if there are fewer.
#[track_caller]
pub fn flatnonzero(x: Tensor, size: usize, fill: i32) -> Tensor {
    let _at = At::op("flatnonzero");
    let (at, there) = first_true(flat(x.ne(0)), size);
    where_(there, at, fill)
}
/// The indices (i32, one vector per axis) of elements that are true, or not 0: the first `size`, with `fill` behind them if there are fewer.
#[track_caller]
pub fn nonzero(x: Tensor, size: usize, fill: i32) -> Vec<Tensor> {
    let _at = At::op("nonzero");
    let (at, there) = first_true(flat(x.ne(0)), size);
    unravel_index(at, &x.dims()).into_iter().map(|i| where_(there, i, fill)).collect()
}
/// As [`nonzero`], as one matrix `[size, axes]`.
#[track_caller]
pub fn argwhere(x: Tensor, size: usize, fill: i32) -> Tensor {
    let _at = At::op("argwhere");
    let all = nonzero(x, size, fill);
    if all.is_empty() { full([size, 0], DType::I32, 0) } else { crate::stack(&all, 1) }
}
/// The elements where the condition is true, as a vector: the first `size`, with `fill` behind them if there are fewer.
///
/// # Errors
/// Another number of conditions than of elements.
#[track_caller]
pub fn extract(condition: Tensor, x: Tensor, size: usize, fill: impl Scalar) -> Tensor {
    let _at = At::op("extract");
    if condition.size() != x.size() {
        let help = "give one condition per element: `.broadcast_to(..)`";
        fail("extract", vec![condition.aval(), x.aval()], "the sizes differ", Some(help.into()))
    }
    let (at, there) = first_true(flat(condition.ne(0)), size);
    if x.size() == 0 {
        return full([size], x.dtype(), fill);
    }
    where_(there, flat(x).take_with(at, 0, IndexMode::Clip), x.sum(..).cast(x.dtype()).like(fill))
}
/// The slices along an axis for which the condition (a vector) is true: the first `size`, filled up as by [`extract`].
///
/// # Errors
/// More conditions than slices.
#[track_caller]
pub fn compress(condition: Tensor, x: Tensor, size: usize, axis: isize, fill: impl Scalar) -> Tensor {
    let _at = At::op("compress");
    if condition.rank() != 1 || condition.size() > x.dim(axis) {
        let help = "give a vector of bools, one per slice";
        fail(
            "compress",
            vec![condition.aval(), x.aval()],
            format!("these are no conditions of axis {axis}"),
            Some(help.into()),
        )
    }
    let (at, there) = first_true(condition.ne(0), size);
    let y = x.take_with(at, axis, IndexMode::Clip);
    let mut dims = vec![1; x.rank()];
    dims[x.axis(axis)] = size;
    where_(there.reshape(dims), y, y.like(fill))
}
/// `values`, in turns, at positions among all elements; negative ones count from the end, those that do not exist are dropped.
///
/// # Errors
/// No values for some positions; different dtypes.
#[track_caller]
pub fn put(x: Tensor, positions: Tensor, values: Tensor) -> Tensor {
    let _at = At::op("put");
    let values = super::resize(values, &[positions.size()]);
    flat(x).at(flat(positions)).set(values).reshape(x.dims())
}
/// `values` at the positions along an axis that stand beside them: what [`Tensor::take_along_axis`] reads. Values broadcast.
///
/// # Errors
/// Shapes that differ elsewhere than along the axis.
#[track_caller]
pub fn put_along_axis(x: Tensor, positions: Tensor, values: Tensor, axis: isize) -> Tensor {
    let _at = At::op("put_along_axis");
    let axis = x.axis(axis);
    let dims = positions.dims();
    let fits = |i: usize| i == axis || dims.get(i).is_some_and(|n| *n == x.dims()[i]);
    if positions.rank() != x.rank() || !(0..x.rank()).all(fits) {
        let help =
            "positions have as many axes as the tensor, and the same sizes but for that axis: `.broadcast_to(..)`";
        fail(
            "put_along_axis",
            vec![x.aval(), positions.aval()],
            format!("the shapes differ elsewhere than along axis {axis}"),
            Some(help.into()),
        )
    }
    let along = |i: usize| {
        let index = if i == axis { positions } else { iota(&*dims, DType::I32, i) };
        Index::Positions(index)
    };
    x.at((0..x.rank()).map(along).collect::<Vec<_>>()).set(values)
}
/// `values`, in turns, where the mask is true.
///
/// # Errors
/// A mask of another shape; no values.
#[track_caller]
pub fn place(x: Tensor, mask: Tensor, values: Tensor) -> Tensor {
    let _at = At::op("place");
    if mask.dims() != x.dims() || values.size() == 0 {
        let help = "the mask has the tensor's shape, and there is one value at least";
        fail("place", vec![x.aval(), mask.aval(), values.aval()], "nothing can be placed", Some(help.into()))
    }
    let mask = mask.ne(0);
    let number = cumsum(flat(mask).cast(DType::I32), 0, false) - 1;
    let chosen = flat(values).take_with(number.modulo(values.size()), 0, IndexMode::Clip);
    where_(mask, chosen.reshape(x.dims()), x)
}
/// The index along each axis of positions among all elements of this shape; negative ones count from the end, those beyond the ends are
/// moved to the nearest.
#[track_caller]
pub fn unravel_index(positions: Tensor, dims: &[usize]) -> Vec<Tensor> {
    let _at = At::op("unravel_index");
    let n: usize = dims.iter().product();
    let at = crate::prim::from_the_end(positions, n).clip(0, n.max(1) - 1);
    let strides = crate::host::strides(dims);
    dims.iter().zip(strides).map(|(n, stride)| (at / stride.max(1)).modulo((*n).max(1))).collect()
}
/// The positions among all elements of this shape of indices, one tensor per axis; those beyond the ends are moved to the nearest.
///
/// # Errors
/// Other numbers of indices than of axes.
#[track_caller]
pub fn ravel_multi_index(indices: &[Tensor], dims: &[usize]) -> Tensor {
    let _at = At::op("ravel_multi_index");
    let strides = crate::host::strides(dims);
    let part = |(i, x): (usize, &Tensor)| x.clip(0, dims[i].max(1) - 1) * strides[i];
    if indices.len() != dims.len() || indices.is_empty() {
        let reason = format!("there are {} indices for {} axes", indices.len(), dims.len());
        fail("ravel_multi_index", vec![], reason, Some("give one tensor per axis".into()))
    }
    indices.iter().enumerate().map(part).fold(indices[0].like(0), |sum, i| sum + i)
}
