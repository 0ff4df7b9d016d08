//! Convolutions: values, derivatives, and batches on either side.
use super::{Case, slopes2};
use raxla::{Axis, Window, conv, grad, jacfwd, jacrev, jvp, prelude::*, vmap, vmap_axes};

const LINE: &str = "ncx,oix->ncx";
const PLANE: &str = "nyxc,yxio->nyxc";

fn plain() -> Window {
    Window::default()
}
fn strided(strides: &[usize], padding: &[(i64, i64)]) -> Window {
    Window { strides: strides.to_vec(), padding: padding.to_vec().into(), ..plain() }
}
fn grouped(feature_groups: usize) -> Window {
    Window { feature_groups, ..plain() }
}
/// The part at index `i` of the leading axis.
fn at(x: Tensor, i: usize) -> Tensor {
    x.slice_axis(0, i..i + 1).squeeze(0)
}

pub const CASES: &[Case] = &[
    case!(conv_1d, |x, w| [
        conv(LINE, x, w, plain()),
        conv(LINE, x, w, strided(&[2], &[(2, 1)])),
        conv(LINE, x, w, Window { kernel_dilation: vec![2], ..plain() }),
        conv(LINE, x, w, Window { input_dilation: vec![3], ..strided(&[2], &[(1, 2)]) }),
        conv(LINE, x, w, strided(&[1], &[(-1, -2)])),
    ]),
    case!(conv_2d, |x, w| {
        let window = Window { kernel_dilation: vec![1, 2], ..strided(&[2, 1], &[(1, 1), (0, 1)]) };
        conv(PLANE, x, w, window)
    }),
    case!(conv_grouped, |x, w, depthwise| (
        conv(LINE, x, w, grouped(2)),
        conv(LINE, x, depthwise, Window { padding: vec![(1, 0)].into(), ..grouped(4) }),
    )),
    case!(conv_gradient, |x, w| slopes2(|x, w| conv(LINE, x, w, strided(&[2], &[(2, 1)])).sin())(x, w)),
    case!(conv_gradient_dilated, |x, w| {
        let window = Window { input_dilation: vec![3], kernel_dilation: vec![2], ..strided(&[2], &[(1, 2)]) };
        slopes2(move |x, w| conv(LINE, x, w, window.clone()).sin())(x, w)
    }),
    case!(conv_gradient_2d, |x, w| {
        let window = Window { kernel_dilation: vec![1, 2], ..strided(&[2, 1], &[(1, 0), (0, -1)]) };
        slopes2(move |x, w| conv(PLANE, x, w, window.clone()).sin())(x, w)
    }),
    case!(conv_gradient_grouped, |x, w| {
        slopes2(|x, w| conv(LINE, x, w, Window { padding: vec![(1, 1)].into(), ..grouped(2) }).sin())(x, w)
    }),
    case!(conv_gradient_batch_groups, |x, w| {
        slopes2(|x, w| conv(LINE, x, w, Window { batch_groups: 2, ..plain() }).sin())(x, w)
    }),
    case!(conv_second_derivative, |x, w| {
        let f = |x: Tensor, w: Tensor| conv(LINE, x, w, strided(&[2], &[(1, 1)])).sin().sum(..);
        let by_x = |w: Tensor| grad(|x: Tensor| f(x, w))(x);
        let by_w = |(x, w): (Tensor, Tensor)| grad(|w: Tensor| f(x, w))(w);
        (jvp(by_x, w, w.cos()).1, jvp(by_w, (x, w), (x.cos(), w)).1)
    }),
    case!(conv_batched, |x, w| {
        let f = |x: Tensor, w: Tensor| conv(LINE, x, w, strided(&[2], &[(1, 0)]));
        let (x0, w0) = (at(x, 0), at(w, 0));
        (
            vmap(|(x, w)| f(x, w))((x, w)),
            vmap_axes(|x: Tensor| f(x, w0), Axis::At(0), Axis::At(1))(x),
            vmap(|w: Tensor| f(x0, w))(w),
        )
    }),
    case!(conv_batched_grouped, |x, w| {
        let f = |x: Tensor, w: Tensor| conv(LINE, x, w, grouped(2));
        let (x0, w0) = (at(x, 0), at(w, 0));
        (vmap(|(x, w)| f(x, w))((x, w)), vmap(|x: Tensor| f(x, w0))(x), vmap(|w: Tensor| f(x0, w))(w))
    }),
    case!(conv_gradient_per_example, |x, w| {
        let f = |x: Tensor, w: Tensor| conv(LINE, x, w, grouped(2)).sin().sum(..);
        (vmap(|x: Tensor| grad(|w: Tensor| f(x, w))(w))(x), vmap(|x: Tensor| grad(|x: Tensor| f(x, w))(x))(x))
    }),
    case!(conv_jacobian, |x, w| {
        let f = |x: Tensor, w: Tensor| conv("ncyx,oiyx->ncyx", x, w, strided(&[2, 2], &[])).reshape([2, 2]);
        (jacfwd(|w: Tensor| f(x, w))(w), jacrev(|x: Tensor| f(x, w))(x))
    }),
];
