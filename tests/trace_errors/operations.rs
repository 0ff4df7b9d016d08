//! Mistakes in operations: types, shapes, axes, indices.
use super::{b, check, f, i};
use raxla::{
    prelude::*,
    prim::{
        self, DotGeneral, Gather, IndexDims, Scatter, clamp, cumsum, dot_general, dynamic_slice, gather, pad, scatter,
    },
    *,
};

#[test]
fn of_elementwise_operations() {
    check(vec![
        (
            vec![f(&[4, 8]), f(&[4, 3])],
            |x| vec![wrong!(x[0] + x[1])],
            "add of f32[4, 8] and f32[4, 3]: the shapes do not broadcast\n  help: axis 1 is 8 on the left and 3 on the right",
        ),
        (
            vec![f(&[4]), i(&[4])],
            |x| vec![wrong!(x[0] * x[1])],
            "mul of f32[4] and i32[4]: the dtypes differ\n  help: convert one side: `.cast(DType::F32)`",
        ),
        (
            vec![f(&[4]), f(&[2, 3])],
            |x| vec![wrong!(x[0].maximum(x[1]))],
            "maximum of f32[4] and f32[2, 3]: the shapes do not broadcast\n  help: axis 1 is 4 on the left and 3 on the right",
        ),
        (
            vec![b(&[3]), f(&[4])],
            |x| vec![wrong!(where_(x[0], x[1], 0.0))],
            "where of bool[3], f32[4] and f32[4]: condition and values do not broadcast\n  help: axis 0 is 3 on the left and 4 on the right",
        ),
        (
            vec![b(&[4]), f(&[4]), f(&[3])],
            |x| vec![wrong!(where_(x[0], x[1], x[2]))],
            "where of f32[4] and f32[3]: the shapes do not broadcast\n  help: axis 0 is 4 on the left and 3 on the right",
        ),
        (
            vec![f(&[4]), f(&[4])],
            |x| vec![wrong!(where_(x[0], x[1], 0.0))],
            "where of f32[4], f32[4] and f32[4]: the condition is f32, not bool\n  help: compare: `x.ne(0)` holds where x is not zero",
        ),
        (
            vec![f(&[3]), f(&[2])],
            |x| vec![wrong!(clamp(x[1], x[0], x[0]))],
            "clamp of f32[2], f32[3] and f32[3]: the shapes differ",
        ),
        (
            vec![f(&[3]), f(&[2])],
            |x| vec![wrong!(x[0].clip(x[1], 1.0))],
            "clip: maximum of f32[3] and f32[2]: the shapes do not broadcast\n  help: axis 0 is 3 on the left and 2 on the right",
        ),
        (
            vec![i(&[3])],
            |x| vec![wrong!(x[0].tanh())],
            "tanh of i32[3]: i32 is not a float or complex number\n  help: convert it first with `.cast(..)`",
        ),
        (
            vec![i(&[3])],
            |x| vec![wrong!(x[0].pow(2))],
            "pow of i32[3] and i32[3]: i32 is not a float or complex number\n  help: convert it first with `.cast(..)`",
        ),
        (
            vec![i(&[3])],
            |x| vec![wrong!(x[0].powi(-1))],
            "powi: integer_pow of i32[3]: an integer has no negative power\n  help: convert it first with `.cast(..)`",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(x[0] & x[0])],
            "bitand of f32[3] and f32[3]: f32 is not an integer or bool\n  help: convert it first with `.cast(..)`",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(!x[0])],
            "not of f32[3]: f32 is not an integer or bool\n  help: convert it first with `.cast(..)`",
        ),
        (
            vec![b(&[3])],
            |x| vec![wrong!(-x[0])],
            "neg of bool[3]: bool is not a number\n  help: convert it first with `.cast(..)`",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(x[0].bitcast(DType::F64))],
            "bitcast of f32[3]: the last axis must have size 2 to become one f64",
        ),
    ]);
}

#[test]
fn of_shapes() {
    check(vec![
        (
            vec![f(&[4, 8])],
            |x| {
                let [_batch, _time, _width] = wrong!(x[0].shape());
                vec![]
            },
            "shape of f32[4, 8]: expected a tensor of rank 3\n  help: it has 2 axes; destructure exactly that many",
        ),
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].like(x[0].dim(2)))],
            "dim of f32[4, 8]: there is no axis 2 in a tensor of rank 2\n  help: the axes are 0 to 1, or, from the end, -1 to -2",
        ),
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].reshape([5, 7]))],
            "reshape of f32[4, 8]: it cannot become [5, 7]\n  help: 32 elements against 35",
        ),
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].broadcast_to([2, 4, 9]))],
            "broadcast_to of f32[4, 8]: it does not broadcast to [2, 4, 9]\n  help: axis 1 is 8, which only repeats to 9 if it is 1",
        ),
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].broadcast_to([8]))],
            "broadcast_to of f32[4, 8]: it has more axes than [8]\n  help: axes are added in front, none is removed: `.squeeze(axis)`, or a reduction",
        ),
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].transpose([0, 2]))],
            "transpose of f32[4, 8]: [0, 2] is not a permutation of its 2 axes",
        ),
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].swap_axes(0, 2))],
            "swap_axes of f32[4, 8]: there is no axis 2 in a tensor of rank 2\n  help: the axes are 0 to 1, or, from the end, -1 to -2",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(x[0].squeeze(0))],
            "squeeze of f32[3]: axis 0 is 3, not 1\n  help: only axes of size 1 can go: reduce it, as with `.sum(axis)`, take one element of it, or use `reshape`",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(x[0].expand_dims(3))],
            "expand_dims of f32[3]: the result has no axis 3, only 2 axes\n  help: the axes are 0 to 1, or, from the end, -1 to -2",
        ),
        (
            vec![f(&[4, 8]), f(&[3, 8])],
            |x| vec![wrong!(concat(x, 1))],
            "concat of f32[4, 8] and f32[3, 8]: axis 0 is 4 in operand 1 and 3 in operand 2",
        ),
        (
            vec![f(&[4, 8]), f(&[8])],
            |x| vec![wrong!(concat(x, 0))],
            "concat of f32[4, 8] and f32[8]: operands 1 and 2 have different numbers of axes",
        ),
        (
            vec![f(&[4]), i(&[4])],
            |x| vec![wrong!(concat(x, 0))],
            "concat of f32[4] and i32[4]: the dtypes of operands 1 and 2 differ\n  help: cast one of them with `.cast(..)`",
        ),
        (
            vec![],
            |x| vec![wrong!(concat(x, 0))],
            "concat: there is nothing to concatenate\n  help: give one tensor at least",
        ),
        (
            vec![f(&[4]), f(&[8])],
            |x| vec![wrong!(stack(x, 0))],
            "stack of f32[4] and f32[8]: the types differ\n  help: all have one shape and dtype: `.cast(..)`, `.broadcast_to(..)`; along an existing axis, use `concat`",
        ),
        (
            vec![f(&[3])],
            |x| wrong!(x[0].split(0, 2)).to_vec(),
            "split of f32[3]: axis 0 is 3; it cannot be cut into 2 equal parts\n  help: give sizes that add up to 3, or a number of parts that divides it",
        ),
        (
            vec![f(&[3])],
            |x| wrong!(x[0].unstack::<2>()).to_vec(),
            "unstack of f32[3]: 2 slices are expected along axis 0\n  help: destructure exactly as many tensors as axis 0 is long",
        ),
        (
            vec![f(&[6])],
            |x| vec![wrong!(x[0].split_axis(0, [4, 2]))],
            "split_axis of f32[6]: axis 0 is 6; it cannot become [4, 2]\n  help: their product is 8",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(x[0].slice_axis(0, 2..5))],
            "slice_axis of f32[3]: there is no 2..5 in axis 0, which is 3\n  help: a range begins at or before its end, and ends within the axis; for positions that the program computes use `dynamic_slice`",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(pad(x[0], x[0].sum(0), [(1, 1, 0), (0, 0, 0)]))],
            "pad of f32[3] and f32[]: 2 triples (low, high, interior) for 1 axes",
        ),
        (vec![], |_| vec![wrong!(iota([3], DType::I32, 1))], "iota: there is no axis 1 in i32[3]"),
        (
            vec![],
            |_| vec![wrong!(arange(3, DType::Bool))],
            "arange: bools do not count\n  help: take an integer dtype, and compare",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(one_hot(x[0], 4, DType::F32))],
            "one_hot of f32[3]: the indices are not integers\n  help: convert them first with `.cast(DType::I32)`",
        ),
        (
            vec![],
            |_| vec![wrong!(literal(Host::floats(DType::F32, [32768], vec![0.5; 32768])))],
            "literal: f32[32768] is a constant of 128 KiB, above the limit of 64\n  help: pass it to the function as an argument",
        ),
    ]);
}

#[test]
fn of_reductions_and_orderings() {
    check(vec![
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].sum(2))],
            "sum of f32[4, 8]: there is no axis 2 in a tensor of rank 2\n  help: the axes are 0 to 1, or, from the end, -1 to -2",
        ),
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].mean([0, -2]))],
            "mean of f32[4, 8]: an axis is named twice in [0, -2]\n  help: name each axis once; -1 is the last one",
        ),
        (
            vec![f(&[4, 0])],
            |x| vec![wrong!(x[0].max(1))],
            "max of f32[4, 0]: there are no elements along axes [1] to choose from\n  help: choose along other axes, or put a first value there with `concat`",
        ),
        (
            vec![f(&[4, 8])],
            |x| vec![wrong!(x[0].argmax(-3))],
            "argmax of f32[4, 8]: there is no axis -3 in a tensor of rank 2\n  help: the axes are 0 to 1, or, from the end, -1 to -2",
        ),
        (
            vec![f(&[4, 0])],
            |x| vec![wrong!(x[0].argmin(1))],
            "argmin of f32[4, 0]: axis 1 is empty: there is no element to choose",
        ),
        (
            vec![i(&[4, 8])],
            |x| vec![wrong!(x[0].softmax(1))],
            "softmax of i32[4, 8]: i32 is not a float\n  help: convert it first with `.cast(..)`",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(x[0].sort(1))],
            "sort of f32[3]: there is no axis 1 in a tensor of rank 1\n  help: the only axis is 0, or -1",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(x[0].top_k(4).0)],
            "top_k of f32[3]: there are no 4 elements along an axis of size 3",
        ),
        (vec![f(&[3])], |x| vec![wrong!(cumsum(x[0], 1, false))], "cumsum of f32[3]: there is no axis 1 in f32[3]"),
    ]);
}

#[test]
fn of_products() {
    check(vec![
        (
            vec![f(&[4, 8]), f(&[3, 8])],
            |x| vec![wrong!(einsum("bi,io->bo", x[0], x[1]))],
            "einsum \"bi,io->bo\" of f32[4, 8] and f32[3, 8]: the letter i is 8 in operand 1 and 3 in operand 2\n  help: write each operand's letters in the order of its axes; axes of different sizes need different letters",
        ),
        (
            vec![f(&[4, 8]), f(&[8, 3])],
            |x| vec![wrong!(einsum("bi,io->bz", x[0], x[1]))],
            "einsum \"bi,io->bz\" of f32[4, 8] and f32[8, 3]: the result's letter z is in no operand\n  help: take the letters of the result from those of the operands; a new axis of size 1 is `.expand_dims(axis)` of the result",
        ),
        (
            vec![f(&[2, 4, 8]), f(&[8, 3])],
            |x| vec![wrong!(einsum("bi,io->bo", x[0], x[1]))],
            "einsum \"bi,io->bo\" of f32[2, 4, 8] and f32[8, 3]: operand 1 has 2 letters but 3 axes\n  help: name every axis with one letter",
        ),
        (
            vec![f(&[4, 8]), f(&[8, 3])],
            |x| vec![wrong!(einsum("bi,io->bb", x[0], x[1]))],
            "einsum \"bi,io->bb\" of f32[4, 8] and f32[8, 3]: the result names the letter b twice\n  help: name each axis of the result once; a diagonal matrix is the product with `eye`",
        ),
        (
            vec![f(&[4, 8]), f(&[8, 3])],
            |x| vec![wrong!(einsum("..i,io->..o", x[0], x[1]))],
            "einsum \"..i,io->..o\" of f32[4, 8] and f32[8, 3]: '.' is not a letter\n  help: name every axis with a letter, or some of them together with `...`",
        ),
        (
            vec![f(&[4, 8]), f(&[8, 3])],
            |x| vec![wrong!(einsum("bi->b", x[0], x[1]))],
            "einsum \"bi->b\" of f32[4, 8] and f32[8, 3]: it names 1 operands but there are 2\n  help: write the letters of each operand, with commas between, as in \"bd,df->bf\"",
        ),
        (
            vec![f(&[4, 8]), f(&[8, 3])],
            |x| vec![wrong!(einsum("...i,io->o", x[0], x[1]))],
            "einsum \"...i,io->o\" of f32[4, 8] and f32[8, 3]: the result does not say where the axes of `...` go\n  help: write `...` in the result too",
        ),
        (
            vec![f(&[4, 8]), i(&[8, 3])],
            |x| vec![wrong!(einsum("bi,io->bo", x[0], x[1]))],
            "einsum \"bi,io->bo\" of f32[4, 8] and i32[8, 3]: the dtypes differ\n  help: convert one side: `.cast(DType::F32)`",
        ),
        (
            vec![f(&[4, 8]), f(&[4, 3])],
            |x| {
                let rows_with_columns = DotGeneral { contract: (vec![1], vec![0]), ..Default::default() };
                vec![wrong!(dot_general(x[0], x[1], rows_with_columns))]
            },
            "dot_general of f32[4, 8] and f32[4, 3]: contracted axis 1 of the left operand is 8 but axis 0 of the right one is 4",
        ),
        (
            vec![f(&[1, 3, 5, 5]), f(&[4, 2, 3, 3])],
            |x| vec![wrong!(conv("nchw,oihw->nchw", x[0], x[1], Window::default()))],
            "conv of f32[1, 3, 5, 5] and f32[4, 2, 3, 3]: the input has 3 features but the kernel takes 2",
        ),
        (
            vec![f(&[1, 3, 5, 5]), f(&[4, 3, 3, 3])],
            |x| vec![wrong!(conv("nchw,oihw->nhw", x[0], x[1], Window::default()))],
            "conv \"nchw,oihw->nhw\" of f32[1, 3, 5, 5] and f32[4, 3, 3, 3]: its parts name different axes: expected \"nchw\" in any order\n  help: name the axes as in \"nhwc,hwio->nhwc\"",
        ),
        (
            vec![f(&[1, 3, 5, 5]), f(&[4, 3, 3, 3])],
            |x| {
                let window = Window { strides: vec![2], ..Window::default() };
                vec![wrong!(conv("nchw,oihw->nchw", x[0], x[1], window))]
            },
            "conv of f32[1, 3, 5, 5] and f32[4, 3, 3, 3]: strides, padding and dilations need one entry for each of the 2 spatial axes",
        ),
    ]);
}

fn rows() -> IndexDims {
    IndexDims { window: vec![1], collapsed: vec![0], indexed: vec![0], ..Default::default() }
}

#[test]
fn of_indices() {
    check(vec![
        (
            vec![f(&[4, 8]), f(&[2])],
            |x| vec![wrong!(x[0].take(x[1], 0))],
            "take of f32[4, 8] and f32[2]: the indices are not integers\n  help: convert them first with `.cast(DType::I32)`",
        ),
        (
            vec![f(&[4, 8]), i(&[3, 2])],
            |x| vec![wrong!(x[0].take_along_axis(x[1], 1))],
            "take_along_axis of f32[4, 8] and i32[3, 2]: the shapes differ elsewhere than along axis 1\n  help: indices have as many axes as the tensor, and the same sizes but for that axis: `.broadcast_to(..)`; for whole rows use `take`",
        ),
        (
            vec![f(&[4, 8]), i(&[2]), f(&[3])],
            |x| vec![wrong!(x[0].at(x[1]).set(x[2]))],
            "at of f32[4, 8] and f32[3]: the updates do not broadcast to [2, 8], the shape of the elements\n  help: one update per element (for rows, each in the shape of a row); an axis of size 1 is repeated",
        ),
        (
            vec![f(&[4, 8]), i(&[])],
            |x| vec![wrong!(x[0].dynamic_slice_axis(1, x[1], 9))],
            "dynamic_slice_axis of f32[4, 8], i32[] and i32[]: a part of 9 is larger than axis 1, which is 8",
        ),
        (
            vec![f(&[4, 8]), f(&[])],
            |x| vec![wrong!(x[0].dynamic_index(1, x[1]))],
            "dynamic_index: dynamic_slice of f32[4, 8], f32[] and f32[]: f32 is not a 32- or 64-bit integer, as indices must be\n  help: convert it first with `.cast(..)`",
        ),
        (
            vec![f(&[4, 8]), i(&[])],
            |x| vec![wrong!(dynamic_slice(x[0], &[x[1]], [2, 2]))],
            "dynamic_slice of f32[4, 8] and i32[]: 2 axes need as many sizes and starts, not 2 and 1",
        ),
        (
            vec![f(&[4, 8]), i(&[]), f(&[4, 9])],
            |x| vec![wrong!(x[0].dynamic_update_axis(1, x[1], x[2]))],
            "dynamic_update_axis: dynamic_update_slice of f32[4, 8], f32[4, 9], i32[] and i32[]: a part of 9 is larger than axis 1, which is 8",
        ),
        (
            vec![f(&[4, 8]), i(&[2])],
            |x| {
                let how = Gather { dims: rows(), sizes: vec![1, 8], options: Default::default(), fill: None };
                vec![wrong!(gather(x[0], x[1], how))]
            },
            "gather of f32[4, 8] and i32[2]: index vectors of 2 count the 1 axes [0]",
        ),
        (
            vec![f(&[4, 8]), i(&[2, 1]), f(&[3, 8])],
            |x| {
                let how = Scatter { dims: rows(), combine: prim::Combine::Add, options: Default::default() };
                vec![wrong!(scatter(x[0], x[1], x[2], how))]
            },
            "scatter_add of f32[4, 8], i32[2, 1] and f32[3, 8]: for these indices the updates must be [2, 8]",
        ),
    ]);
}
