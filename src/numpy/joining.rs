//! Tensors put together, taken apart and turned.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! let f = jit(|a: Tensor, b: Tensor| {
//!     let grid = numpy::block(&[&[a, b], &[b, a]]);
//!     (grid, numpy::rot90(a, 1, [0, 1]), numpy::array_split(numpy::vstack(&[a, b]), 3, 0))
//! });
//! let a = Array::from_slice([2, 2], &[1f32, 2., 3., 4.])?;
//! let (grid, turned, parts) = f.call((&a, Array::from_slice([2, 2], &[0f32; 4])?))?;
//! assert_eq!((grid.dims(), turned.to_vec::<f32>()?), ([4, 4].as_slice(), vec![2., 4., 1., 3.]));
//! assert_eq!(parts.iter().map(|p| p.dims()[0]).collect::<Vec<_>>(), [2, 1, 1]);
//! # Ok::<(), raxla::Error>(())
//! ```
use crate::{
    ops::{common, reduce::Axes, shape::concat},
    prim::{self, IndexMode, full, inverse},
    trace::{At, Tensor, fail},
};

/// With one axis at least.
#[track_caller]
pub fn atleast_1d(x: Tensor) -> Tensor {
    let _at = At::op("atleast_1d");
    if x.rank() == 0 { x.reshape([1]) } else { x }
}
/// With two axes at least: vectors as rows.
#[track_caller]
pub fn atleast_2d(x: Tensor) -> Tensor {
    let _at = At::op("atleast_2d");
    if x.rank() < 2 { atleast_1d(x).expand_dims(0) } else { x }
}
/// With three axes at least: vectors along the middle one, matrices with a new last one.
#[track_caller]
pub fn atleast_3d(x: Tensor) -> Tensor {
    let _at = At::op("atleast_3d");
    if x.rank() < 3 { atleast_2d(x).expand_dims(-1) } else { x }
}
/// The shape that all of these broadcast to.
///
/// # Errors
/// Shapes that do not.
#[track_caller]
pub fn broadcast_shapes(shapes: &[Vec<usize>]) -> Vec<usize> {
    let next = |so_far: Vec<usize>, dims: &Vec<usize>| match common(&so_far, dims) {
        Ok(dims) => dims,
        Err(help) => fail("broadcast_shapes", vec![], format!("{shapes:?} do not broadcast"), Some(help)),
    };
    shapes.iter().fold(vec![], next)
}
/// All in the shape that they broadcast to.
///
/// # Errors
/// Shapes that do not.
#[track_caller]
pub fn broadcast_arrays(x: &[Tensor]) -> Vec<Tensor> {
    let _at = At::op("broadcast_arrays");
    let dims = broadcast_shapes(&x.iter().map(|t| t.dims()).collect::<Vec<_>>());
    x.iter().map(|t| t.broadcast_to(dims.clone())).collect()
}

fn each(x: &[Tensor], f: impl Fn(Tensor) -> Tensor) -> Vec<Tensor> {
    x.iter().map(|t| f(*t)).collect()
}
/// Side by side: along the second axis, vectors along their one.
#[track_caller]
pub fn hstack(x: &[Tensor]) -> Tensor {
    let _at = At::op("hstack");
    let x = each(x, atleast_1d);
    concat(&x, if x.iter().all(|t| t.rank() == 1) { 0 } else { 1 })
}
/// One above the other: along the first axis, vectors as rows.
#[track_caller]
pub fn vstack(x: &[Tensor]) -> Tensor {
    let _at = At::op("vstack");
    concat(&each(x, atleast_2d), 0)
}
/// One behind the other: along the third axis.
#[track_caller]
pub fn dstack(x: &[Tensor]) -> Tensor {
    let _at = At::op("dstack");
    concat(&each(x, atleast_3d), 2)
}
/// Side by side, vectors as columns.
#[track_caller]
pub fn column_stack(x: &[Tensor]) -> Tensor {
    let _at = At::op("column_stack");
    concat(&each(x, |t| if t.rank() < 2 { atleast_1d(t).expand_dims(-1) } else { t }), 1)
}
/// Rows of blocks: those of a row side by side (the last axis), the rows one above the other (the axis before it).
#[track_caller]
pub fn block(rows: &[&[Tensor]]) -> Tensor {
    let _at = At::op("block");
    let rows: Vec<Tensor> = rows.iter().map(|row| concat(&each(row, atleast_2d), -1)).collect();
    concat(&rows, -2)
}
/// `values` behind `x` along an axis.
#[track_caller]
pub fn append(x: Tensor, values: Tensor, axis: isize) -> Tensor {
    let _at = At::op("append");
    concat(&[x, values], axis)
}
/// `values` before position `at` of an axis.
#[track_caller]
pub fn insert(x: Tensor, at: usize, values: Tensor, axis: isize) -> Tensor {
    let _at = At::op("insert");
    concat(&[x.slice_axis(axis, ..at), values, x.slice_axis(axis, at..)], axis)
}
/// Without these positions of an axis.
#[track_caller]
pub fn delete(x: Tensor, positions: &[usize], axis: isize) -> Tensor {
    let _at = At::op("delete");
    let n = x.dim(axis);
    if let Some(i) = positions.iter().find(|i| **i >= n) {
        fail("delete", vec![x.aval()], format!("there is no position {i} in axis {axis}, which is {n}"), None)
    }
    let mut gone = positions.to_vec();
    gone.sort_unstable();
    let (mut from, mut kept) = (0, vec![]);
    for i in gone.into_iter().chain([n]) {
        kept.push(x.slice_axis(axis, from.min(i)..i));
        from = i + 1;
    }
    concat(&kept, axis)
}
/// Cut along an axis before these positions. Sizes and numbers of parts are [`Tensor::split`]'s.
#[track_caller]
pub fn split(x: Tensor, positions: &[usize], axis: isize) -> Vec<Tensor> {
    let _at = At::op("split");
    let n = x.dim(axis);
    let begins = [0].into_iter().chain(positions.iter().copied());
    let ends = positions.iter().copied().chain([n]);
    begins.zip(ends).map(|(from, to)| x.slice_axis(axis, from.min(n)..to.min(n).max(from.min(n)))).collect()
}
/// Cut along an axis into so many parts, of which the first are larger by one where they cannot be equal.
///
/// # Errors
/// No parts.
#[track_caller]
pub fn array_split(x: Tensor, parts: usize, axis: isize) -> Vec<Tensor> {
    let _at = At::op("array_split");
    let n = x.dim(axis);
    if parts == 0 {
        fail("array_split", vec![x.aval()], "nothing is cut into no parts", Some("give one part at least".into()))
    }
    let sizes: Vec<usize> = (0..parts).map(|i| n / parts + usize::from(i < n % parts)).collect();
    x.split(axis, &*sizes)
}
/// Into equal parts along the second axis, a vector along its one.
#[track_caller]
pub fn hsplit(x: Tensor, parts: usize) -> Vec<Tensor> {
    let _at = At::op("hsplit");
    x.split(if x.rank() > 1 { 1 } else { 0 }, parts)
}
/// Into equal parts along the first axis.
#[track_caller]
pub fn vsplit(x: Tensor, parts: usize) -> Vec<Tensor> {
    let _at = At::op("vsplit");
    x.split(0, parts)
}
/// Into equal parts along the third axis.
#[track_caller]
pub fn dsplit(x: Tensor, parts: usize) -> Vec<Tensor> {
    let _at = At::op("dsplit");
    x.split(2, parts)
}
/// The slices along an axis.
#[track_caller]
pub fn unstack(x: Tensor, axis: isize) -> Vec<Tensor> {
    let _at = At::op("unstack");
    x.split(axis, x.dim(axis)).into_iter().map(|t| t.squeeze(axis)).collect()
}
/// The elements in their order, again and again, in this shape.
#[track_caller]
pub fn resize(x: Tensor, dims: &[usize]) -> Tensor {
    let _at = At::op("resize");
    let n: usize = dims.iter().product();
    if x.size() == 0 {
        return full(dims, x.dtype(), 0);
    }
    x.reshape([x.size()]).tile([n.div_ceil(x.size())]).slice_axis(0, ..n).reshape(dims)
}
/// Each slice along an axis as often as `repeats` (integers, one per slice) says, `total` in all; what is missing repeats the last one.
/// One number for all slices: [`Tensor::repeat`].
///
/// # Errors
/// Other numbers of repeats than slices.
#[track_caller]
pub fn repeat(x: Tensor, repeats: Tensor, axis: isize, total: usize) -> Tensor {
    let _at = At::op("repeat");
    let n = x.dim(axis);
    if repeats.rank() != 1 || repeats.dim(0) != n {
        let help = "give an integer for each slice along the axis";
        fail("repeat", vec![x.aval(), repeats.aval()], format!("there are {n} slices to repeat"), Some(help.into()))
    }
    // element k of the result is the slice before which no more than k elements end
    let ends = prim::cumsum(repeats.cast(crate::DType::I32), 0, false);
    let source = super::searchsorted(ends, prim::iota([total], crate::DType::I32, 0), super::Side::Right);
    x.take_with(source, axis, IndexMode::Clip)
}

/// Turned by a quarter `k` times, from the first of two axes towards the second.
#[track_caller]
pub fn rot90(x: Tensor, k: isize, axes: [isize; 2]) -> Tensor {
    let _at = At::op("rot90");
    let [a, b] = axes;
    match k.rem_euclid(4) {
        0 => x,
        1 => x.flip(b).swap_axes(a, b),
        2 => x.flip(axes),
        _ => x.swap_axes(a, b).flip(b),
    }
}
/// The order along the second axis reversed.
#[track_caller]
pub fn fliplr(x: Tensor) -> Tensor {
    let _at = At::op("fliplr");
    x.flip(1)
}
/// The order along the first axis reversed.
#[track_caller]
pub fn flipud(x: Tensor) -> Tensor {
    let _at = At::op("flipud");
    x.flip(0)
}
/// Axis `axis` moved back before axis `start`.
#[track_caller]
pub fn rollaxis(x: Tensor, axis: isize, start: isize) -> Tensor {
    let _at = At::op("rollaxis");
    let (from, rank) = (x.axis(axis), x.rank() as isize);
    let to = if start < 0 { start + rank } else { start };
    x.move_axis(axis, if (from as isize) < to { to - 1 } else { to })
}
/// Axes moved to these places; the others keep their order.
///
/// # Errors
/// Other numbers of places than of axes.
#[track_caller]
pub fn moveaxis(x: Tensor, from: impl Into<Axes>, to: impl Into<Axes>) -> Tensor {
    let _at = At::op("moveaxis");
    let (from, to) = (from.into().of(x), to.into().of(x));
    if from.len() != to.len() {
        let reason = format!("{} axes go to {} places", from.len(), to.len());
        fail("moveaxis", vec![x.aval()], reason, Some("give one place per axis".into()))
    }
    let order = |axes: &[usize]| [axes, &prim::other_axes(x.rank(), axes)].concat();
    let (source, target) = (order(&from), order(&to));
    x.transpose(inverse(&target).into_iter().map(|i| source[i]).collect::<Vec<_>>())
}
/// `f` of each vector along an axis; its result stands there.
#[track_caller]
pub fn apply_along_axis(f: impl Fn(Tensor) -> Tensor, axis: isize, x: Tensor) -> Tensor {
    let _at = At::op("apply_along_axis");
    let axis = x.axis(axis) as isize;
    let last = x.move_axis(axis, -1);
    let (dims, n) = (last.dims(), last.dim(-1));
    let lines = last.reshape([dims[..dims.len() - 1].iter().product(), n]);
    let y = crate::vmap(|v: Tensor| f(v))(lines);
    let y = y.reshape([&dims[..dims.len() - 1], &y.dims()[1..]].concat());
    let added = y.rank() as isize - (dims.len() as isize - 1);
    // (the axes of a result stand where the axis was, in order)
    (0..added).fold(y, |y, k| y.move_axis(dims.len() as isize - 1 + k, axis + k))
}
/// `f` of the tensor and each of these axes, one after the other; axes that it removes come back with size 1.
#[track_caller]
pub fn apply_over_axes(f: impl Fn(Tensor, isize) -> Tensor, x: Tensor, axes: impl Into<Axes>) -> Tensor {
    let _at = At::op("apply_over_axes");
    axes.into().of(x).into_iter().fold(x, |x, axis| {
        let y = f(x, axis as isize);
        if y.rank() < x.rank() { y.expand_dims(axis as isize) } else { y }
    })
}
