//! Rearrangements as methods, with negative axes, and constants made of indices.
use crate::{
    aval::{Aval, DType, axis_number},
    ops::reduce::Axes,
    prim::{
        Direction, broadcast_in_dim, compare, concatenate, iota, moved_axis, other_axes, reverse, select, slice,
        wide_indices, zeros_of,
    },
    trace::{At, Tensor, axes_of_rank, fail},
};
use std::ops::{Bound, RangeBounds};

/// A range of `0..n`, given with any bounds.
#[track_caller]
fn range_of(op: &str, x: Tensor, range: impl RangeBounds<usize>, n: usize, what: &str) -> std::ops::Range<usize> {
    let start = match range.start_bound() {
        Bound::Included(i) => *i,
        Bound::Excluded(i) => i.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(i) => i.saturating_add(1),
        Bound::Excluded(i) => *i,
        Bound::Unbounded => n,
    };
    if start > end || end > n {
        fail(op, vec![x.aval()], format!("there is no {start}..{end} in {what}"), Some("a range begins at or before its end, and ends within the axis; for positions that the program computes use `dynamic_slice`".into()))
    }
    start..end
}

/// The most tensors that one call makes: each is an operation of the program.
pub(crate) const MOST_PARTS: usize = 1 << 20;

/// How [`Tensor::split`] cuts an axis: an array of sizes gives an array of tensors, a slice or vector of sizes or a
/// number of equal parts gives a vector.
pub trait Parts {
    /// The parts.
    type Tensors;
    /// The size of each part, of an axis of `n`; or why it cannot be cut.
    fn sizes(&self, n: usize) -> Result<Vec<usize>, String>;
    /// The parts in the form asked for.
    fn collect(parts: Vec<Tensor>) -> Self::Tensors;
}
impl<const N: usize> Parts for [usize; N] {
    type Tensors = [Tensor; N];
    fn sizes(&self, n: usize) -> Result<Vec<usize>, String> {
        (&self[..]).sizes(n)
    }
    fn collect(parts: Vec<Tensor>) -> [Tensor; N] {
        parts.try_into().expect("one part per size")
    }
}
impl Parts for &[usize] {
    type Tensors = Vec<Tensor>;
    fn sizes(&self, n: usize) -> Result<Vec<usize>, String> {
        let sum = self.iter().try_fold(0usize, |sum, size| sum.checked_add(*size));
        if sum == Some(n) { Ok(self.to_vec()) } else { Err(format!("parts of {self:?}")) }
    }
    fn collect(parts: Vec<Tensor>) -> Vec<Tensor> {
        parts
    }
}
impl Parts for usize {
    type Tensors = Vec<Tensor>;
    fn sizes(&self, n: usize) -> Result<Vec<usize>, String> {
        match n.checked_rem(*self) {
            Some(0) if *self <= MOST_PARTS => Ok(vec![n / *self; *self]),
            Some(0) => Err(format!("more than {MOST_PARTS} parts, each a value of the program")),
            _ => Err(format!("{self} equal parts")),
        }
    }
    fn collect(parts: Vec<Tensor>) -> Vec<Tensor> {
        parts
    }
}

/// How far [`Tensor::roll`] moves: one number for all axes, or one per axis.
pub trait Shifts {
    /// One per axis, if they are those of so many.
    fn of(&self, axes: usize) -> Option<Vec<isize>>;
}
impl Shifts for isize {
    fn of(&self, axes: usize) -> Option<Vec<isize>> {
        Some(vec![*self; axes])
    }
}
impl<const N: usize> Shifts for [isize; N] {
    fn of(&self, axes: usize) -> Option<Vec<isize>> {
        (N == axes).then(|| self.to_vec())
    }
}

impl Tensor {
    /// Without an axis of size 1.
    #[track_caller]
    pub fn squeeze(self, axis: isize) -> Tensor {
        let _at = At::op("squeeze");
        let (i, mut dims) = (self.axis(axis), self.dims());
        if dims[i] != 1 {
            let help =
                "only axes of size 1 can go: reduce it, as with `.sum(axis)`, take one element of it, or use `reshape`";
            fail("squeeze", vec![self.aval()], format!("axis {axis} is {}, not 1", dims[i]), Some(help.into()))
        }
        dims.remove(i);
        self.reshape(dims)
    }

    /// With a new axis of size 1, which becomes axis number `axis` of the result.
    #[track_caller]
    pub fn expand_dims(self, axis: isize) -> Tensor {
        let _at = At::op("expand_dims");
        let mut dims = self.dims();
        let rank = dims.len() + 1;
        let Some(i) = axis_number(axis, rank) else {
            fail(
                "expand_dims",
                vec![self.aval()],
                format!("the result has no axis {axis}, only {rank} axes"),
                Some(axes_of_rank(rank)),
            )
        };
        dims.insert(i, 1);
        self.reshape(dims)
    }

    /// With two axes exchanged.
    #[track_caller]
    pub fn swap_axes(self, a: isize, b: isize) -> Tensor {
        let _at = At::op("swap_axes");
        let mut perm: Vec<usize> = (0..self.rank()).collect();
        perm.swap(self.axis(a), self.axis(b));
        self.transpose(perm)
    }

    /// With axis `from` moved to become axis `to`; the others keep their order.
    #[track_caller]
    pub fn move_axis(self, from: isize, to: isize) -> Tensor {
        let _at = At::op("move_axis");
        moved_axis(self, self.axis(from), self.axis(to))
    }

    /// The elements along one axis that are in `range`: `x.slice_axis(-1, ..n)`.
    #[track_caller]
    pub fn slice_axis(self, axis: isize, range: impl RangeBounds<usize>) -> Tensor {
        let _at = At::op("slice_axis");
        let (i, mut limit) = (self.axis(axis), self.dims());
        let range = range_of("slice_axis", self, range, limit[i], &format!("axis {axis}, which is {}", limit[i]));
        let mut start = vec![0; limit.len()];
        (start[i], limit[i]) = (range.start, range.end);
        slice(self, start, limit, vec![1; self.rank()])
    }

    /// The slices along axis 0, which must be `N`: `let [q, k, v] = qkv.unstack();`
    #[track_caller]
    pub fn unstack<const N: usize>(self) -> [Tensor; N] {
        let _at = At::op("unstack");
        if self.rank() == 0 || self.dim(0) != N {
            let help = "destructure exactly as many tensors as axis 0 is long".to_string();
            fail("unstack", vec![self.aval()], format!("{N} slices are expected along axis 0"), Some(help))
        }
        std::array::from_fn(|i| self.slice_axis(0, i..i + 1).squeeze(0))
    }

    /// Cut along an axis, into parts of these sizes or into that many equal parts.
    ///
    /// ```
    /// # use raxla::{prelude::*, trace::trace_graph};
    /// # let g = trace_graph(&[Aval::new(DType::F32, [2, 6])], |t| { let x = t[0];
    /// let [query, key, value] = x.split(-1, [4, 1, 1]);
    /// let halves: Vec<Tensor> = x.split(0, 2);
    /// # vec![query, key, value, halves[0], halves[1]] }).unwrap();
    /// # let dims: Vec<_> = g.out_avals().into_iter().map(|a| a.dims).collect();
    /// # assert_eq!(dims, [[2, 4], [2, 1], [2, 1], [1, 6], [1, 6]]);
    /// ```
    #[track_caller]
    pub fn split<P: Parts>(self, axis: isize, parts: P) -> P::Tensors {
        let _at = At::op("split");
        let n = self.dim(axis);
        let cannot = |what| format!("axis {axis} is {n}; it cannot be cut into {what}");
        let sizes = match parts.sizes(n) {
            Ok(sizes) => sizes,
            Err(what) => {
                let help = format!("give sizes that add up to {n}, or a number of parts that divides it");
                fail("split", vec![self.aval()], cannot(what), Some(help))
            }
        };
        let mut start = 0;
        let cut = |size: usize| {
            start += size;
            self.slice_axis(axis, start - size..start)
        };
        P::collect(sizes.into_iter().map(cut).collect())
    }

    /// Neighbouring axes made one: `x.merge(1..3)` turns `[b, h, d]` into `[b, h * d]`.
    #[track_caller]
    pub fn merge(self, axes: impl RangeBounds<usize>) -> Tensor {
        let _at = At::op("merge");
        let dims = self.dims();
        let axes = range_of("merge", self, axes, dims.len(), &format!("its {} axes", dims.len()));
        let merged: usize = dims[axes.clone()].iter().product();
        self.reshape([&dims[..axes.start], &[merged], &dims[axes.end..]].concat())
    }

    /// One axis made several: `x.split_axis(1, [h, d])` turns `[b, h * d]` into `[b, h, d]`.
    #[track_caller]
    pub fn split_axis(self, axis: isize, sizes: impl Into<Vec<usize>>) -> Tensor {
        let _at = At::op("split_axis");
        let (i, dims, sizes) = (self.axis(axis), self.dims(), sizes.into());
        let product = sizes.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        if product != Some(dims[i]) {
            let product = product.map_or("larger than can be counted".into(), |product| product.to_string());
            let help = format!("their product is {product}");
            let reason = format!("axis {axis} is {}; it cannot become {sizes:?}", dims[i]);
            fail("split_axis", vec![self.aval()], reason, Some(help))
        }
        self.reshape([&dims[..i], &sizes, &dims[i + 1..]].concat())
    }

    /// Each slice along an axis `n` times in a row: `[a, b]` becomes `[a, a, b, b]`. See [`Tensor::tile`] for the other
    /// order. JAX: `jnp.repeat(x, n, axis)`.
    #[track_caller]
    pub fn repeat(self, n: usize, axis: isize) -> Tensor {
        let _at = At::op("repeat");
        let (i, dims) = (self.axis(axis), self.dims());
        let spread = [&dims[..=i], &[n], &dims[i + 1..]].concat();
        let at = other_axes(dims.len() + 1, &[i + 1]);
        broadcast_in_dim(self, spread, at).merge(i..i + 2)
    }

    /// The whole tensor so many times along each axis: `x.tile([2])` of `[a, b]` is `[a, b, a, b]`. Fewer numbers than axes are those
    /// of the last axes; more give it axes in front. JAX: `jnp.tile(x, reps)`.
    #[track_caller]
    pub fn tile(self, reps: impl Into<Vec<usize>>) -> Tensor {
        let _at = At::op("tile");
        let (reps, dims) = (reps.into(), self.dims());
        let rank = reps.len().max(dims.len());
        let in_front = |v: &[usize]| [&vec![1; rank - v.len()], v].concat();
        let (reps, dims) = (in_front(&reps), in_front(&dims));
        let spread: Vec<usize> = reps.iter().zip(&dims).flat_map(|(n, d)| [*n, *d]).collect();
        let tiled: Vec<usize> = reps.iter().zip(&dims).map(|(n, d)| n.saturating_mul(*d)).collect();
        broadcast_in_dim(self.reshape(dims), spread, (0..rank).map(|i| 2 * i + 1).collect()).reshape(tiled)
    }

    /// The order of the elements along axes reversed: along one (`-1`), several (`[0, 1]`), or all (`..`). JAX: `jnp.flip`.
    #[track_caller]
    pub fn flip(self, axes: impl Into<Axes>) -> Tensor {
        let _at = At::op("flip");
        reverse(self, axes.into().of(self))
    }

    /// The elements moved by `shift` along an axis; those that leave it come in again at the other end. Of several axes, each has
    /// its own shift: `x.roll([1, -2], [0, 1])`. JAX: `jnp.roll(x, shift, axis)`.
    #[track_caller]
    pub fn roll(self, shift: impl Shifts, axes: impl Into<Axes>) -> Tensor {
        let _at = At::op("roll");
        let axes = axes.into().of(self);
        let Some(shifts) = shift.of(axes.len()) else {
            let help = "give one number for all axes, or one per axis";
            fail(
                "roll",
                vec![self.aval()],
                format!("the shifts are not those of {} axes", axes.len()),
                Some(help.into()),
            )
        };
        axes.into_iter().zip(shifts).fold(self, |x, (axis, shift)| {
            let (n, axis) = (x.dims()[axis], axis as isize);
            let cut = (n - shift.rem_euclid(n.max(1) as isize) as usize) % n.max(1);
            concat(&[x.slice_axis(axis, cut..), x.slice_axis(axis, ..cut)], axis)
        })
    }

    /// The lower triangle of each matrix in the last two axes, zeros elsewhere. The triangle's last diagonal is
    /// `diagonal` above (or, negative, below) the main one.
    #[track_caller]
    pub fn tril(self, diagonal: isize) -> Tensor {
        let _at = At::op("tril");
        let dims = self.dims();
        if dims.len() < 2 {
            fail(
                "tril",
                vec![self.aval()],
                "it is no matrix",
                Some("give it two axes at least, the last two being rows and columns".into()),
            )
        }
        let [.., rows, columns] = dims[..] else { unreachable!("at least two axes") };
        // (all diagonals beyond the corners are alike)
        let most = rows.saturating_add(columns).min(isize::MAX as usize);
        let (dtype, diagonal) = (index_dtype(most), diagonal.clamp(-(most as isize), most as isize));
        let index = |axis| iota(&*dims, dtype, axis);
        let below = compare(Direction::Ge, index(dims.len() - 2) + diagonal, index(dims.len() - 1));
        select(below, self, zeros_of(&self.aval()))
    }

    /// The upper triangle of each matrix in the last two axes, zeros elsewhere. The triangle's first diagonal is
    /// `diagonal` above (or, negative, below) the main one.
    #[track_caller]
    pub fn triu(self, diagonal: isize) -> Tensor {
        let _at = At::op("triu");
        if self.rank() < 2 {
            fail(
                "triu",
                vec![self.aval()],
                "it is no matrix",
                Some("give it two axes at least, the last two being rows and columns".into()),
            )
        }
        self.swap_axes(-1, -2).tril(diagonal.saturating_neg()).swap_axes(-1, -2)
    }
}

/// The dtype of numbers up to `n` that count elements.
pub(crate) fn index_dtype(n: usize) -> DType {
    if n <= i32::MAX as usize { DType::I32 } else { DType::I64 }
}

/// Tensors one after the other along an existing axis.
#[track_caller]
pub fn concat(x: &[Tensor], axis: isize) -> Tensor {
    let _at = At::op("concat");
    let Some(first) = x.first() else {
        fail("concat", vec![], "there is nothing to concatenate", Some("give one tensor at least".into()))
    };
    concatenate(x, first.axis(axis))
}

/// Tensors of one shape along a new axis, which becomes axis number `axis` of the result.
#[track_caller]
pub fn stack(x: &[Tensor], axis: isize) -> Tensor {
    let _at = At::op("stack");
    let Some(first) = x.first() else {
        fail("stack", vec![], "there is nothing to stack", Some("give one tensor at least".into()))
    };
    if let Some(other) = x.iter().find(|t| t.aval() != first.aval()) {
        fail(
            "stack",
            vec![first.aval(), other.aval()],
            "the types differ",
            Some(
                "all have one shape and dtype: `.cast(..)`, `.broadcast_to(..)`; along an existing axis, use `concat`"
                    .into(),
            ),
        )
    }
    let parts: Vec<Tensor> = x.iter().map(|t| t.expand_dims(axis)).collect();
    concat(&parts, axis)
}

/// The numbers 0, 1, ..., n - 1, which `dtype` must have.
#[track_caller]
pub fn arange(n: usize, dtype: DType) -> Tensor {
    let _at = At::op("arange");
    iota([n], dtype, 0)
}

/// The identity matrix of `n` rows.
#[track_caller]
pub fn eye(n: usize, dtype: DType) -> Tensor {
    let _at = At::op("eye");
    let index = |axis| iota([n, n], DType::I32, axis);
    compare(Direction::Eq, index(0), index(1)).cast(dtype)
}

/// Who sees whom in causal attention: `bool[t, t]`, true where the column (key) is not after the row (query).
#[track_caller]
pub fn causal(t: usize) -> Tensor {
    let _at = At::op("causal");
    let index = |axis| iota([t, t], DType::I32, axis);
    compare(Direction::Ge, index(0), index(1))
}

/// For each index a vector of `n` (a new last axis) with 1 at the index and 0 elsewhere; only zeros for an index that is
/// not in `0..n`.
#[track_caller]
pub fn one_hot(indices: Tensor, n: usize, dtype: DType) -> Tensor {
    let _at = At::op("one_hot");
    if indices.dtype().is_inexact() {
        let help = "convert them first with `.cast(DType::I32)`".to_string();
        fail("one_hot", vec![indices.aval()], "the indices are not integers", Some(help))
    }
    // narrow dtypes may be unable to count to n
    let narrow = n.saturating_sub(1) as i128 > crate::host::int_range(indices.dtype()).1;
    let indices = if narrow { indices.cast(index_dtype(n)) } else { wide_indices(&[indices])[0] };
    let rank = indices.rank();
    let dims = [&indices.dims()[..], &[n]].concat();
    let wanted = broadcast_in_dim(indices, &*dims, (0..rank).collect());
    compare(Direction::Eq, wanted, iota(dims, indices.dtype(), rank)).cast(dtype)
}

/// `n` numbers evenly spaced from `start` to `stop`, both included.
#[track_caller]
pub fn linspace(start: f64, stop: f64, n: usize, dtype: DType) -> Tensor {
    let _at = At::op("linspace");
    if !dtype.is_float() {
        fail(
            "linspace",
            vec![Aval::new(dtype, [n])],
            "the dtype is not a float",
            Some("make floats and `.cast(..)` them, or use `arange`".into()),
        )
    }
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let fraction = arange(n, wide) / n.saturating_sub(1).max(1);
    ((1.0 - fraction) * start + fraction * stop).cast(dtype)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        host::Host,
        trace::{TraceError, trace_graph},
    };

    /// The value of a function of 0, 1, 2, ... in this shape.
    pub(crate) fn of(dims: &[usize], f: impl FnOnce(Tensor) -> Tensor) -> (Vec<usize>, Vec<i128>) {
        let x = Host::ints(DType::I32, dims, (0..dims.iter().product::<usize>() as i128).collect());
        let y = trace_graph(&[x.aval().clone()], |t| vec![f(t[0])]).unwrap().eval(&[x]).swap_remove(0);
        (y.dims().to_vec(), y.to_ints())
    }

    /// Integers of this shape.
    pub(crate) fn ints(dims: &[usize], v: &[i128]) -> Tensor {
        crate::prim::literal(Host::ints(DType::I32, dims, v.to_vec()))
    }

    pub(crate) fn is(have: (Vec<usize>, Vec<i128>), dims: &[usize], values: &[i128]) {
        assert_eq!(have, (dims.to_vec(), values.to_vec()));
    }

    #[test]
    fn axes_are_rearranged_as_named() {
        is(of(&[2, 1, 3], |x| x.squeeze(-2)), &[2, 3], &[0, 1, 2, 3, 4, 5]);
        is(of(&[2], |x| x.expand_dims(-1)), &[2, 1], &[0, 1]);
        is(of(&[2], |x| x.expand_dims(0)), &[1, 2], &[0, 1]);
        is(of(&[2, 1, 3], |x| x.swap_axes(0, -1)), &[3, 1, 2], &[0, 3, 1, 4, 2, 5]);
        is(of(&[2, 3, 1], |x| x.move_axis(0, -1)), &[3, 1, 2], &[0, 3, 1, 4, 2, 5]);
        is(of(&[2, 3, 1], |x| x.move_axis(1, 0)), &[3, 2, 1], &[0, 3, 1, 4, 2, 5]);
        is(of(&[2, 1, 3], |x| x.merge(1..)), &[2, 3], &[0, 1, 2, 3, 4, 5]);
        is(of(&[2, 3], |x| x.merge(2..2)), &[2, 3, 1], &[0, 1, 2, 3, 4, 5]);
        is(of(&[1, 6], |x| x.split_axis(-1, [3, 2])), &[1, 3, 2], &[0, 1, 2, 3, 4, 5]);
        is(of(&[2, 2], |x| x.flip(-1)), &[2, 2], &[1, 0, 3, 2]);
    }

    #[test]
    fn parts_and_their_inverses() {
        is(of(&[2, 4], |x| x.slice_axis(-1, 1..3)), &[2, 2], &[1, 2, 5, 6]);
        is(of(&[2, 2], |x| x.slice_axis(0, 1..)), &[1, 2], &[2, 3]);
        let swap = |x: Tensor| {
            let [a, b] = x.unstack();
            stack(&[b, a], 1)
        };
        is(of(&[2, 3], swap), &[3, 2], &[3, 0, 4, 1, 5, 2]);
        let turn = |x: Tensor| {
            let [a, b, c] = x.split(0, [1, 2, 1]);
            concat(&[c, b, a], -1)
        };
        is(of(&[4], turn), &[4], &[3, 1, 2, 0]);
        is(of(&[4], |x| concat(&x.split(0, 2).into_iter().rev().collect::<Vec<_>>(), 0)), &[4], &[2, 3, 0, 1]);
        is(of(&[2, 2], |x| x.repeat(2, 1)), &[2, 4], &[0, 0, 1, 1, 2, 2, 3, 3]);
        is(of(&[2, 2], |x| x.tile([2])), &[2, 4], &[0, 1, 0, 1, 2, 3, 2, 3]);
        is(of(&[2, 2], |x| x.repeat(0, 0)), &[0, 2], &[]);
    }

    #[test]
    fn triangles_and_indices() {
        is(of(&[2, 3], |x| x.tril(0)), &[2, 3], &[0, 0, 0, 3, 4, 0]);
        is(of(&[2, 3], |x| x.tril(1)), &[2, 3], &[0, 1, 0, 3, 4, 5]);
        is(of(&[2, 3], |x| x.tril(-1)), &[2, 3], &[0, 0, 0, 3, 0, 0]);
        is(of(&[2, 3], |x| x.triu(1)), &[2, 3], &[0, 1, 2, 0, 0, 5]);
        is(of(&[], |_| causal(2)), &[2, 2], &[1, 0, 1, 1]);
        is(of(&[], |_| eye(2, DType::I8)), &[2, 2], &[1, 0, 0, 1]);
        is(of(&[], |_| arange(3, DType::U8)), &[3], &[0, 1, 2]);
        is(of(&[2], |x| one_hot(x - 1, 2, DType::I32)), &[2, 2], &[0, 0, 1, 0]);
        is(of(&[1], |x| one_hot(x.cast(DType::U8), 257, DType::I32).slice_axis(1, 255..)), &[1, 2], &[0, 0]);
        let g = trace_graph(&[], |_| vec![linspace(-1.0, 0.3, 4, DType::F64), linspace(2.0, 3.0, 1, DType::BF16)]);
        let y = g.unwrap().eval(&[]);
        assert_eq!((y[0].to_f64()[0], y[0].to_f64()[3], y[1].to_f64()[0]), (-1.0, 0.3, 2.0));
    }

    #[test]
    fn errors_name_the_axis_and_the_callers_line() {
        let refused = |f: &dyn Fn(Tensor)| -> Box<TraceError> {
            let traced = trace_graph(&[Aval::new(DType::F32, [2, 3])], |t| {
                f(t[0]);
                vec![]
            });
            let e = traced.unwrap_err();
            assert_eq!(e.file, file!());
            e
        };
        let has = |e: Box<TraceError>, text: &str| assert!(e.to_string().contains(text), "{e}");
        has(
            refused(&|x| {
                x.squeeze(1);
            }),
            "squeeze of f32[2, 3]: axis 1 is 3, not 1",
        );
        has(
            refused(&|x| {
                x.expand_dims(4);
            }),
            "the result has no axis 4, only 3 axes",
        );
        has(
            refused(&|x| {
                x.swap_axes(0, 2);
            }),
            "there is no axis 2 in a tensor of rank 2",
        );
        has(
            refused(&|x| {
                x.slice_axis(1, 2..5);
            }),
            "slice_axis of f32[2, 3]: there is no 2..5 in axis 1, which is 3",
        );
        has(
            refused(&|x| {
                x.merge(1..3);
            }),
            "there is no 1..3 in its 2 axes",
        );
        has(
            refused(&|x| {
                x.unstack::<3>();
            }),
            "3 slices are expected along axis 0",
        );
        has(
            refused(&|x| {
                x.split(1, [1, 1]);
            }),
            "axis 1 is 3; it cannot be cut into parts of [1, 1]",
        );
        has(
            refused(&|x| {
                x.split(-1, 2);
            }),
            "axis -1 is 3; it cannot be cut into 2 equal parts",
        );
        has(
            refused(&|x| {
                x.split_axis(1, [2, 2]);
            }),
            "axis 1 is 3; it cannot become [2, 2]",
        );
        has(
            refused(&|_| {
                concat(&[], 0);
            }),
            "there is nothing to concatenate",
        );
        has(
            refused(&|x| {
                concat(&[x, x.transpose([1, 0])], 0);
            }),
            "axis 1 is 3 in operand 1 and 2 in operand 2",
        );
        has(
            refused(&|x| {
                stack(&[x, x.transpose([1, 0])], 0);
            }),
            "the types differ",
        );
        has(
            refused(&|x| {
                one_hot(x, 3, DType::F32);
            }),
            "the indices are not integers",
        );
    }
}
