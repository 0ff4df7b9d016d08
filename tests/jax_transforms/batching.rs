//! `vmap`: axes, nesting, with derivatives, and of operations whose batching is not obvious.
use super::{Case, int};
use raxla::{Axis, PerLeaf, grad, hessian, jacfwd, jacrev, jvp, prelude::*, prim, value_and_grad, vmap, vmap_axes};

type Pair = (Tensor, Tensor);
type Three = (Tensor, Tensor, Tensor);

const FIRST: Axis = Axis::At(0);

/// The slice at `i` of axis 0.
fn at(x: Tensor, i: usize) -> Tensor {
    x.slice_axis(0, i..i + 1).squeeze(0)
}
fn take_every_other(x: Tensor) -> Tensor {
    let mut strides = vec![1; x.rank()];
    strides[0] = 2;
    prim::slice(x, vec![0; x.rank()], x.dims(), strides)
}
fn model((w, x): Pair) -> Tensor {
    (w * x).sum(..).tanh() * (x.sin() * w).sum(..)
}

pub const CASES: &[Case] = &[
    case!(vmap_axes, |x, y| {
        let f = |(x, y): Pair| (x * y, x.sum(..));
        let y0 = y.slice_axis(1, ..1).squeeze(1);
        (
            vmap_axes(f, (FIRST, Axis::At(1)), FIRST)((x, y)),
            vmap_axes(f, (Axis::At(-1), FIRST), (Axis::At(1), FIRST))((x, y)),
            vmap_axes(f, (FIRST, Axis::Shared), (Axis::At(-1), FIRST))((x, y0)),
            vmap_axes(|x: Tensor| einsum("i,j->ij", x, x), Axis::At(-2), Axis::At(-1))(x),
        )
    }),
    case!(vmap_axes_per_leaf, |w, b, s| {
        let layer = |((w, b), s): (Pair, Tensor)| ((w * b).sum(..) * s, w + b);
        let axes = (PerLeaf((FIRST, Axis::Shared)), FIRST);
        vmap_axes(layer, axes, (FIRST, Axis::At(1)))(((w, b), s))
    }),
    case!(vmap_out_axes_none, |x, y| {
        vmap_axes(|x: Tensor| (x + 1.0, y.sum(..) * 2.0), FIRST, (FIRST, Axis::Shared))(x)
    }),
    case!(vmap_nested, |x, y| {
        let dot = |a: Tensor, b: Tensor| (a * b.sin()).sum(..);
        let square = |x: Tensor| vmap_axes(|a: Tensor| a * a, Axis::At(1), Axis::At(1))(x);
        let cube = x.expand_dims(2) + y.slice_axis(0, ..2).expand_dims(1);
        (
            vmap(|a: Tensor| vmap(|b: Tensor| dot(a, b))(y))(x),
            vmap_axes(|a: Tensor| vmap(|b: Tensor| dot(a, b))(y), FIRST, Axis::At(1))(x),
            vmap_axes(square, FIRST, Axis::At(1))(cube),
        )
    }),
    case!(vmap_of_grad, |x, w| (
        vmap(|x: Tensor| grad(|w: Tensor| model((w, x)))(w))(x),
        vmap(|x: Tensor| value_and_grad(|w: Tensor| model((w, x)))(w))(x),
        vmap(|x: Tensor| hessian(|w: Tensor| model((w, x)))(w))(x),
        vmap(jacrev(|x: Tensor| x * model((w, x))))(x),
    )),
    case!(grad_of_vmap, |x, w| {
        let each = |w: Tensor| vmap(|x: Tensor| model((w, x)))(x);
        let total = |w: Tensor| each(w).powi(2).sum(..);
        (grad(total)(w), hessian(total)(w), jacfwd(each)(w), jacrev(each)(w))
    }),
    case!(vmap_dynamic_slice, |x, i, u| {
        let part = |(x, i): Pair| x.dynamic_slice_axis(0, i, 2);
        let put = |(x, u, i): Three| x.dynamic_update_axis(0, i, u);
        let (x0, u0, i1) = (at(x, 0), at(u, 0), at(i, 1));
        [
            vmap(part)((x, i)),
            vmap(|i: Tensor| part((x0, i)))(i),
            vmap(|x: Tensor| part((x, i1)))(x),
            vmap(put)((x, u, i)),
            vmap(|(u, i)| put((x0, u, i)))((u, i)),
            vmap(|(x, i)| put((x, u0, i)))((x, i)),
            vmap(|u: Tensor| put((x0, u, i1)))(u),
        ]
    }),
    case!(vmap_dynamic_slice_gradient, |x, i| {
        let f = |x: Tensor, i: Tensor| x.dynamic_slice_axis(0, i, 2).sin().sum(..);
        (
            vmap(|(x, i): Pair| grad(|x: Tensor| f(x, i))(x))((x, i)),
            grad(|x: Tensor| vmap(|i: Tensor| f(x, i))(i).sum(..))(at(x, 0)),
        )
    }),
    case!(vmap_gather_and_scatter, |x, i, u| {
        let take = |(x, i): Pair| x.take(i, 0);
        let add = |(x, i, u): Three| x.at(i).add(u);
        let put = |(x, i, u): Three| x.at(take_every_other(i)).set(take_every_other(u));
        let (x0, i0, u0) = (at(x, 0), at(i, 0), at(u, 0));
        let beside = |(x, i): Pair| x.take_along_axis(i.expand_dims(1).broadcast_to([3, 2]), 0);
        (
            [vmap(take)((x, i)), vmap(|i: Tensor| take((x0, i)))(i), vmap(|x: Tensor| take((x, i0)))(x)],
            [vmap(add)((x, i, u)), vmap(|i: Tensor| add((x0, i, u0)))(i), vmap(|x: Tensor| add((x, i0, u0)))(x)],
            [vmap(put)((x, i, u)), vmap(|u: Tensor| put((x0, i0, u)))(u)],
            vmap(beside)((x, i)),
        )
    }),
    case!(vmap_scatter_gradient, |x, i, u| {
        let f = |x: Tensor, u: Tensor, i: Tensor| (x.at(i).add(u).sin() + x.at(i).max(u).cos()).sum(..);
        let d = |(x, u, i): Three| grad(|(x, u): Pair| f(x, u, i))((x, u));
        let x0 = at(x, 0);
        (vmap(d)((x, u, i)), vmap(|(u, i): Pair| d((x0, u, i)))((u, i)))
    }),
    case!(vmap_sort, |x| (
        vmap(|x: Tensor| x.sort(0))(x),
        vmap_axes(|x: Tensor| x.argsort(0), Axis::At(1), FIRST)(x),
        vmap(|x: Tensor| x.top_k(2))(x),
        vmap(|x: Tensor| x.argmax(0))(x),
        vmap(grad(|x: Tensor| x.sort(0).slice_axis(0, ..2).powi(2).sum(..)))(x),
    )),
    case!(vmap_reductions, |x| {
        let f = |x: Tensor| {
            let running = (prim::cumsum(x, 0, false), prim::cummax(x, 0, false));
            (running, x.prod(..), x.max(..), x.softmax(-1), x.logsumexp(..), x.var(..))
        };
        vmap_axes(f, Axis::At(1), FIRST)(x)
    }),
    case!(vmap_einsum, |x, y| {
        let f = |x: Tensor, y: Tensor| einsum("ij,jk->ki", x, y);
        let (x0, y0) = (at(x, 0), at(y, 0));
        (
            vmap(|(x, y): Pair| f(x, y))((x, y)),
            vmap_axes(|x: Tensor| f(x, y0), FIRST, Axis::At(2))(x),
            vmap_axes(|y: Tensor| f(x0, y), FIRST, Axis::At(1))(y),
            vmap_axes(|x: Tensor| einsum("ij,kj->ik", x, x), Axis::At(2), FIRST)(x),
        )
    }),
    case!(vmap_shapes, |x| {
        let f = |x: Tensor| {
            let zero = full([], x.dtype(), 0.0);
            vec![
                x.transpose([1, 0]),
                prim::pad(x, zero, [(0, 1, 0), (1, 0, 0)]),
                concat(&[x, x * 2.0], 0),
                x.flip(-1),
                prim::slice(x, [0, 0], x.dims(), [1, 2]),
                x.tril(0),
                x.reshape([8]),
                where_(x.gt(0.0), x, 0.0),
            ]
        };
        (vmap(f)(x), vmap_axes(f, Axis::At(2), Axis::At(-1))(x.move_axis(0, 2)))
    }),
    case!(vmap_select_and_clamp, |low, x, c| [
        vmap(|(c, x): Pair| where_(c, x, -x))((c, x)),
        vmap(|c: Tensor| where_(c, x, 0.0))(c),
        vmap(|x: Tensor| where_(c, x.broadcast_to([3]), low))(x),
        vmap(|(l, x): Pair| prim::clamp(l, x, l + 1.0))((low, x)),
        vmap(|l: Tensor| x.maximum(l).minimum(l + 1.0))(low),
    ]),
    case!(vmap_of_nothing, |x| (
        vmap(|x: Tensor| x.sin())(x),
        vmap(|x: Tensor| x.sum(..))(x),
        grad(|x: Tensor| vmap(|x: Tensor| x.sin())(x).sum(..))(x),
    )),
    case!(jvp_of_vmap, |x, dx| {
        let sums = |x: Tensor| prim::cumsum(x.sin(), 0, false);
        let f = vmap(|x: Tensor| sums(x) * x.dynamic_index(0, int(0)));
        (
            jvp(f, x, dx),
            vmap(|(x, dx): Pair| jvp(sums, x, dx).1)((x, dx)),
            vmap(|dx: Tensor| jvp(|x: Tensor| x.sin(), x, dx.broadcast_to([2, 3])).1)(at(dx, 0)),
        )
    }),
    case!(per_example_gradients, |x, labels| {
        let w = raxla::eye(3, DType::F64) * 0.5;
        let loss = |w: Tensor, x: Tensor, y: Tensor| {
            let logits = einsum("ij,j->i", w, x);
            logits.logsumexp(-1) - logits.take(y, 0)
        };
        let each = vmap(|(x, y): Pair| grad(|w: Tensor| loss(w, x, y))(w))((x, labels));
        (each, each.powi(2).sum([1, 2]).sqrt())
    }),
];
