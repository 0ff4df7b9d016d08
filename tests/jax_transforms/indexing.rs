//! Reading and writing at computed positions: values, and derivatives with duplicate and missing indices.
use super::{Case, int, slopes, slopes2};
use raxla::{
    IndexMode, einsum_n, grad, hessian, jvp, literal,
    prelude::*,
    prim::{self, Gather, IndexDims},
    value_and_grad,
};

/// Rows at some indices, and `fill` where there is none.
fn take_or(x: Tensor, i: Tensor, fill: f64) -> Tensor {
    let [n, width] = x.shape();
    let i = where_(i.lt(0), i + n as i32, i).expand_dims(-1);
    let dims = IndexDims { window: vec![1], collapsed: vec![0], indexed: vec![0], ..Default::default() };
    prim::gather(x, i, Gather { dims, sizes: vec![1, width], options: Default::default(), fill: Some(fill) })
}

fn ints(dims: &[usize], v: &[i128]) -> Tensor {
    literal(Host::ints(DType::I32, dims, v.to_vec()))
}

pub const CASES: &[Case] = &[
    case!(take, |x, i| [
        x.take(i, 0),
        x.take_with(i, 0, IndexMode::Clip),
        x.take(i.slice_axis(0, ..2), 1),
        x.take(i.reshape([2, 3]), 0),
        take_or(x, i, 5.0),
        x.at(i).mode(IndexMode::Clip).get(),
        take_or(x, i, 0.0),
    ]),
    case!(take_integers, |x, i| (x.take(i, 0), x.cast(DType::U8).take(i, 0), x.gt(50).take(i, 0))),
    case!(take_along_axis, |x, i| (x.take_along_axis(i, 1), x.take_along_axis(ints(&[1, 4], &[2, 0, -1, 4]), 0))),
    case!(updates, |x, i, u| [
        x.at(i).add(u),
        x.at(i).mul(u),
        x.at(i).min(u),
        x.at(i).max(u),
        x.at(i.slice_axis(0, ..3)).set(u.slice_axis(0, ..3)),
        x.at(i).add(1.0),
    ]),
    case!(updates_clipped, |x, i, u| {
        let rows = x.at(i).mode(IndexMode::Clip);
        [rows.add(u), rows.max(u), rows.min(u)]
    }),
    case!(counting, |x, i| (x.at(i).add(1), zeros([5], DType::I32).at(i.maximum(0)).add(1), x.at(i).mul(2))),
    case!(dynamic_slices, |x, i, j, k| [
        prim::dynamic_slice(x, &[i, j], [2, 3]),
        x.dynamic_slice_axis(1, k, 2),
        x.dynamic_index(0, k),
        prim::dynamic_update_slice(x, x.slice_axis(0, ..2).slice_axis(1, ..2) * 10.0, &[j, i]),
        x.dynamic_update_axis(0, k, x.slice_axis(0, ..1)),
    ]),
    case!(take_gradient, |x, i| (
        slopes(|x| x.take_with(i, 0, IndexMode::Clip).sin())(x),
        slopes(|x| x.take(i.slice_axis(0, ..4), 0).powi(2))(x),
    )),
    case!(take_gradient_out_of_bounds, |x, i| slopes(|x| take_or(x, i, 0.0).powi(2))(x)),
    case!(take_along_axis_gradient, |x, i| slopes(|x| x.take_along_axis(i, 1).powi(3))(x)),
    case!(scatter_add_gradient, |x, i, u| slopes2(|x, u| x.at(i).add(u).sin())(x, u)),
    case!(scatter_set_gradient, |x, i, u| slopes2(|x, u| x.at(i).set(u).sin())(x, u)),
    case!(scatter_set_gradient_duplicates, |x, i| {
        let f = |x: Tensor, u: Tensor| x.at(i).set(u).sin();
        let ones = ones([4], DType::F64);
        let (dx, du) = slopes2(f)(x, ones);
        let equals = du.slice_axis(0, ..3);
        [f(x, ones), dx, equals.sum(0), equals.max(0), du.dynamic_index(0, int(3))]
    }),
    case!(scatter_mul_gradient, |x, i, u| slopes2(|x, u| x.at(i).unique().mul(u).sin())(x, u)),
    case!(scatter_extremes_gradient, |x, i, u| (
        slopes2(|x, u| x.at(i).max(u).sin())(x, u),
        slopes2(|x, u| x.at(i).min(u).cos())(x, u),
    )),
    case!(scatter_extremes_gradient_ties, |x, i, u| {
        let w = arange(4, DType::F64) + 1.0;
        (slopes2(|x, u| w * x.at(i).max(u))(x, u), slopes2(|x, u| w * x.at(i).min(u))(x, u))
    }),
    case!(dynamic_slice_gradient, |x, u, i, j| (
        slopes(|x| prim::dynamic_slice(x, &[i, j], [2, 3]).powi(2))(x),
        slopes2(|x, u| prim::dynamic_update_slice(x, u, &[i, j]).sin())(x, u),
    )),
    case!(scatter_second_derivative, |x, i, u| {
        let f = |u: Tensor| x.at(i).add(u).sin().sum(..);
        let column = x.slice_axis(1, ..1).squeeze(1);
        let g = |x: Tensor| x.take(i.slice_axis(0, ..4), 0).powi(3).sum(..);
        (jvp(grad(f), u, u.cos()).1, hessian(g)(column))
    }),
    case!(embedding_gradient, |table, tokens| {
        value_and_grad(|table: Tensor| {
            let h = table.take_with(tokens, 0, IndexMode::Clip);
            einsum_n("td,vd->tv", &[h, table]).logsumexp(-1).mean(..)
        })(table)
    }),
    case!(gather_of_pairs, |x, i| {
        let pick = |x: Tensor| x.take_along_axis(i.expand_dims(-1), -1).squeeze(-1);
        (pick(x), slopes(|x| pick(x).exp())(x), jvp(pick, x, x.sin()).1)
    }),
];
