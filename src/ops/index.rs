//! Reading and writing at computed positions, as methods.
use crate::{
    aval::Aval,
    prim::{Gather, IndexDims, IndexMode, IndexOptions, from_the_end, full, gather, other_axes, slice_at, update_at},
    trace::{At, Tensor, fail},
};

/// What tensors are indexed by with brackets: nothing. It exists for what the compiler says then.
#[diagnostic::on_unimplemented(
    message = "a tensor is not indexed by `[{Self}]`: its elements exist when the program runs",
    label = "not an index of a tensor",
    note = "`x.slice_axis(0, 2..5)` for known positions, `x.dynamic_index(0, i)` and `x.take(indices, 0)` for computed ones",
    note = "`x.at((0, .., 1..3)).get()` reads like NumPy's `x[0, ..., 1:3]`, `x.at(i).set(y)` updates",
    note = "`x.unstack()` takes an axis apart: `let [a, b] = x.unstack();`"
)]
pub trait NoIndex {}
impl<I: NoIndex> std::ops::Index<I> for Tensor {
    type Output = Tensor;
    fn index(&self, _: I) -> &Tensor {
        self
    }
}

#[track_caller]
pub(super) fn integers(op: &str, x: Tensor, indices: Tensor) {
    if !indices.dtype().is_int() {
        let help = "convert them first with `.cast(DType::I32)`".to_string();
        fail(op, vec![x.aval(), indices.aval()], "the indices are not integers", Some(help))
    }
}

/// The whole slice at an index along `axis`, for `indices` of any shape, which stands in the result where the axis was.
fn slices_along(x: &Aval, axis: usize, indices: &Aval) -> (IndexDims, Vec<usize>) {
    let inside = (0..axis).chain(axis + indices.rank()..indices.rank() + x.rank() - 1);
    let dims = IndexDims { window: inside.collect(), collapsed: vec![axis], indexed: vec![axis], ..Default::default() };
    let mut sizes = x.dims.clone();
    sizes[axis] = 1;
    (dims, sizes)
}

impl Tensor {
    /// The slices at some indices along an axis, which the axes of `indices` replace: rows of a table, for `axis` 0.
    ///
    /// Negative indices count from the end. A slice that does not exist is filled with NaN (for signed integers with the
    /// smallest, for unsigned with the largest value, for bools with true), as `jnp.take` does. Where all indices are
    /// known to exist, as in an embedding, [`Tensor::take_with`] and [`IndexMode::Clip`] save the check.
    ///
    /// ```
    /// # use raxla::{prelude::*, trace::trace_graph};
    /// # let g = trace_graph(&[Aval::new(DType::F32, [10, 4]), Aval::new(DType::I32, [2, 3])], |t| { let (table, ids) = (t[0], t[1]);
    /// let rows = table.take(ids, 0);
    /// # vec![rows] }).unwrap();
    /// # assert_eq!(g.out_avals()[0].to_string(), "f32[2, 3, 4]");
    /// ```
    #[track_caller]
    pub fn take(self, indices: Tensor, axis: isize) -> Tensor {
        let _at = At::op("take");
        integers("take", self, indices);
        self.take_with(from_the_end(indices, self.dim(axis)), axis, IndexMode::Fill)
    }

    /// As [`Tensor::take`], with a choice of what happens at an index that does not exist. Negative indices do not.
    #[track_caller]
    pub fn take_with(self, indices: Tensor, axis: isize, mode: IndexMode) -> Tensor {
        let _at = At::op("take");
        integers("take", self, indices);
        let (dims, sizes) = slices_along(&self.aval(), self.axis(axis), &indices.aval());
        let options = IndexOptions { mode, ..Default::default() };
        gather(self, indices.expand_dims(-1), Gather { dims, sizes, options, fill: None })
    }

    /// Along an axis, the elements at the indices beside them: `y[i, j] = x[i, indices[i, j]]` for the last of two axes.
    /// The shapes agree but for that axis. Negative and missing indices are treated as by [`Tensor::take`].
    #[track_caller]
    pub fn take_along_axis(self, indices: Tensor, axis: isize) -> Tensor {
        let _at = At::op("take_along_axis");
        integers("take_along_axis", self, indices);
        let (a, i, axis) = (self.aval(), indices.aval(), self.axis(axis));
        let others = other_axes(a.rank(), &[axis]);
        if a.rank() != i.rank() || others.iter().any(|k| a.dims[*k] != i.dims[*k]) {
            let help = "indices have as many axes as the tensor, and the same sizes but for that axis: `.broadcast_to(..)`; for whole rows use `take`";
            fail(
                "take_along_axis",
                vec![a, i],
                format!("the shapes differ elsewhere than along axis {axis}"),
                Some(help.into()),
            )
        }
        let batch = others.clone();
        let dims =
            IndexDims { window: vec![], collapsed: vec![axis], indexed: vec![axis], batch, indices_batch: others };
        let sizes = a.dims.iter().map(|n| *n.min(&1)).collect();
        let indices = from_the_end(indices, a.dims[axis]).expand_dims(-1);
        gather(self, indices, Gather { dims, sizes, options: IndexOptions::default(), fill: None })
    }

    /// The slice at a computed index (an integer scalar) along an axis, which disappears. A negative index counts
    /// from the end; one that does not exist is then moved to the nearest that does.
    #[track_caller]
    pub fn dynamic_index(self, axis: isize, index: Tensor) -> Tensor {
        let _at = At::op("dynamic_index");
        let i = self.axis(axis) as isize;
        self.dynamic_slice_axis(i, index, 1).squeeze(i)
    }

    /// `size` elements along an axis from a computed start (an integer scalar). A negative start counts from the end; one
    /// from which they would reach outside is then moved to the nearest that fits.
    #[track_caller]
    pub fn dynamic_slice_axis(self, axis: isize, start: Tensor, size: usize) -> Tensor {
        let _at = At::op("dynamic_slice_axis");
        let (i, mut sizes) = (self.axis(axis), self.dims());
        sizes[i] = size;
        slice_at(self, &start_along(self, i, start), sizes)
    }

    /// With the elements along an axis, from a computed start (an integer scalar), replaced by `update`. A negative start
    /// counts from the end; one from which it would reach outside is then moved to the nearest that fits.
    #[track_caller]
    pub fn dynamic_update_axis(self, axis: isize, start: Tensor, update: Tensor) -> Tensor {
        let _at = At::op("dynamic_update_axis");
        update_at(self, update, &start_along(self, self.axis(axis), start))
    }
}

/// A start in one axis, and 0 in the others.
fn start_along(x: Tensor, axis: usize, start: Tensor) -> Vec<Tensor> {
    let start = from_the_end(start, x.dims()[axis]);
    let zero = || full([], start.dtype(), 0);
    (0..x.rank()).map(|i| if i == axis { start } else { zero() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aval::DType,
        ops::shape::tests::{ints, is, of},
        prim::sample,
        testing::check_grads,
        trace::trace_graph,
    };

    #[test]
    fn slices_are_taken_along_any_axis() {
        let missing = i32::MIN as i128;
        is(of(&[3, 2], |x| x.take(ints(&[2, 1], &[2, -3]), 0)), &[2, 1, 2], &[4, 5, 0, 1]);
        is(of(&[2, 3], |x| x.take(ints(&[2], &[3, 1]), -1)), &[2, 2], &[missing, 1, missing, 4]);
        is(of(&[2, 3], |x| x.take(ints(&[], &[1]).cast(DType::U8), 1)), &[2], &[1, 4]);
        let clip = |x: Tensor| x.take_with(ints(&[3], &[-1, 1, 7]), 0, IndexMode::Clip);
        is(of(&[2, 2], clip), &[3, 2], &[0, 1, 2, 3, 2, 3]);
        is(of(&[2, 3], |x| x.take_along_axis(ints(&[2, 2], &[0, -1, 1, 3]), 1)), &[2, 2], &[0, 2, 4, missing]);
        is(of(&[2, 3], |x| x.take_along_axis(ints(&[1, 3], &[1, 0, 1]), 0)), &[1, 3], &[3, 1, 5]);
    }

    #[test]
    fn dynamic_positions_are_clamped() {
        is(of(&[2, 3], |x| x.dynamic_index(-1, ints(&[], &[1]))), &[2], &[1, 4]);
        is(of(&[2, 3], |x| x.dynamic_index(0, ints(&[], &[9]).cast(DType::U8))), &[3], &[3, 4, 5]);
        is(of(&[2, 3], |x| x.dynamic_slice_axis(1, ints(&[], &[2]), 2)), &[2, 2], &[1, 2, 4, 5]);
        let update = |x: Tensor| x.dynamic_update_axis(0, ints(&[], &[-4]), ints(&[1, 2], &[7, 8]));
        is(of(&[2, 2], update), &[2, 2], &[7, 8, 2, 3]);
        // negative ones count from the end first
        is(of(&[2, 3], |x| x.dynamic_index(1, ints(&[], &[-1]))), &[2], &[2, 5]);
        is(of(&[2, 3], |x| x.dynamic_slice_axis(1, ints(&[], &[-2]), 2)), &[2, 2], &[1, 2, 4, 5]);
    }

    #[test]
    fn derivatives_equal_central_differences() {
        let x = [sample(DType::F64, &[4, 3], 1)];
        let rows = || ints(&[3], &[2, -4, 2]);
        let take = |x: &[Tensor]| vec![x[0].take_with(rows(), 0, IndexMode::Clip), x[0].take(ints(&[2], &[-1, 0]), 1)];
        check_grads(take, &x, 2).unwrap();
        check_grads(|x| vec![x[0].take_along_axis(ints(&[4, 1], &[2, 0, 1, -3]), 1)], &x, 2).unwrap();
    }

    #[test]
    fn errors_point_at_the_caller() {
        let refused = |f: &dyn Fn(Tensor) -> Tensor| {
            let e = trace_graph(&[Aval::new(DType::F32, [2, 3])], |t| vec![f(t[0])]).unwrap_err();
            assert_eq!(e.file, file!());
            e.to_string()
        };
        let has = |text: String, part: &str| assert!(text.contains(part), "{text}");
        has(refused(&|x| x.take(x, 0)), "take of f32[2, 3] and f32[2, 3]: the indices are not integers");
        has(refused(&|x| x.take(ints(&[1], &[0]), 2)), "there is no axis 2");
        has(refused(&|x| x.take_along_axis(ints(&[1], &[0]), 1)), "the shapes differ elsewhere than along axis 1");
        has(refused(&|x| x.dynamic_slice_axis(1, ints(&[], &[0]), 4)), "a part of 4 is larger than axis 1, which is 3");
    }
}
