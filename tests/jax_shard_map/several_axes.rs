//! Collectives over several axes, which count as one.
use super::{Case, case, cycle, index, smap, transformed::steps};
use raxla::{
    Axis, Mesh, P, PartitionSpec, ShardMapOptions, SpecTree, TensorTree, VmapOptions, all_gather, all_to_all,
    axis_index, grad, ppermute, prelude::*, pshuffle, psum, psum_scatter, remat, shard_map_with, vmap, vmap_with,
};

type Names<'a> = &'a [&'a str];

fn all() -> PartitionSpec {
    P![("x", "y")]
}
/// What `f` gives with the names in both orders.
fn orders<Y: TensorTree>(
    m: &Mesh,
    ins: PartitionSpec,
    outs: impl SpecTree<Y> + Clone,
    x: Tensor,
    f: impl Fn(Tensor, Names) -> Y,
) -> (Y, Y) {
    smap(m, ins, (outs.clone(), outs), x, |x: Tensor| (f(x, &["x", "y"]), f(x, &["y", "x"])))
}
/// The number along the axes, as f64.
fn number(axes: Names) -> Tensor {
    axis_index(axes).cast(DType::F64)
}
fn first_column(x: Tensor) -> Tensor {
    x.slice_axis(1, 0..1)
}

pub const CASES: &[Case] = &[
    case!(gather_two_axes, |m, x| {
        orders(m, all(), all(), x, |x, axes| all_gather(x, axes, 1, false).sin() * x.sum(..))
    }),
    case!(gather_two_axes_tiled, |m, x| {
        orders(m, all(), all(), x, |x, axes| all_gather(x, axes, 1, true).sin() * first_column(x))
    }),
    case!(gather_a_shared_value, |m, x| { orders(m, P![], all(), x, |x, axes| all_gather(x.sin(), axes, 0, false)) }),
    case!(scatter_two_axes, |m, x| {
        orders(m, all(), all(), x, |x, axes| psum_scatter(x * (number(axes) + 1.0), axes, 1, false).sin())
    }),
    case!(scatter_two_axes_tiled, |m, x| {
        orders(m, all(), all(), x, |x, axes| psum_scatter(x.sin(), axes, 1, true) * x.sum(..))
    }),
    case!(exchange_two_axes_in_place, |m, x| {
        orders(m, all(), all(), x, |x, axes| all_to_all(x, axes, 0, 0, false).sin() * (index("x") + 1.0))
    }),
    case!(exchange_two_axes, |m, x| { orders(m, all(), all(), x, |x, axes| all_to_all(x.powi(2), axes, 1, 0, false)) }),
    case!(exchange_two_axes_tiled, |m, x| {
        orders(m, all(), P![_, ("x", "y")], x, |x, axes| all_to_all(x, axes, 1, 0, true).sin())
    }),
    case!(exchange_two_axes_tiled_back, |m, x| {
        orders(m, P![_, ("x", "y")], all(), x, |x, axes| all_to_all(x, axes, 0, 1, true).powi(2))
    }),
    case!(exchange_two_axes_tiled_in_place, |m, x| {
        orders(m, all(), all(), x, |x, axes| all_to_all(x * (number(axes) + 1.0), axes, 0, 0, true))
    }),
    case!(permute_two_axes, |m, x| {
        let some = [(0, 5), (5, 1), (1, 4), (7, 7)];
        let f = |x: Tensor, axes: Names| (ppermute(x, axes, cycle(8, 3)) * x, ppermute(x.sin(), axes, some));
        orders(m, all(), (all(), all()), x, f)
    }),
    case!(shuffle_two_axes, |m, x| {
        orders(m, all(), all(), x, |x, axes| pshuffle(x, axes, [2, 0, 1, 3, 7, 4, 6, 5]).sin() * x)
    }),
    case!(integers_and_bools_over_two_axes, |m, x| {
        let f = |x: Tensor, axes: Names| {
            let gathered = first_column(all_gather(x, axes, 0, true)) * first_column(x);
            let positive = x.gt(0);
            let sent = ppermute(positive, axes, [(0, 5), (1, 4)]);
            (gathered, psum_scatter(x, axes, 1, true), sent, all_to_all(positive, axes, 1, 1, true))
        };
        orders(m, all(), (all(), all(), all(), all()), x, f)
    }),
    case!(over_two_of_three_axes, |m, x| {
        let f = |x: Tensor, axes: Names| {
            let y = x.sin();
            let scattered = psum_scatter(y, axes, 1, true) * first_column(x);
            let exchanged = all_to_all(x.squeeze(0), axes, 0, 0, false).expand_dims(0) * y;
            vec![all_gather(y, axes, 1, true), scattered, exchanged, ppermute(y, axes, [(0, 3), (3, 1), (2, 0)])]
        };
        let whole = P![("x", "y", "z")];
        let three = |x: Tensor| [f(x, &["x", "z"]), f(x, &["z", "x"]), f(x, &["y", "z"])].concat();
        smap(m, whole.clone(), whole, x, three)
    }),
    case!(over_three_axes, |m, x| {
        let f = |x: Tensor, axes: Names| {
            let y = x.sin();
            let gathered = all_gather(first_column(y), axes, 1, false);
            let scattered = psum_scatter(y, axes, 1, false) + number(axes);
            vec![gathered, scattered, all_to_all(y, axes, 1, 1, true) * x, ppermute(y, axes, cycle(8, 1))]
        };
        let whole = P![("x", "y", "z")];
        let three = |x: Tensor| [f(x, &["x", "y", "z"]), f(x, &["y", "z", "x"]), f(x, &["z", "y", "x"])].concat();
        smap(m, whole.clone(), whole, x, three)
    }),
    case!(several_axes_under_vmap, |m, x| {
        let f = |x: Tensor| {
            let gathered = all_gather(first_column(x), ["y", "x"], 1, true) * x;
            vec![gathered, psum_scatter(x, ["x", "y"], 1, false), ppermute(x, ["y", "x"], cycle(8, 5))]
        };
        let (outside, inside) = (P![("x", "y")], P![_, ("x", "y")]);
        let mapped = vmap(|x: Tensor| smap(m, outside.clone(), outside.clone(), x, f))(x);
        (mapped, smap(m, inside.clone(), inside, x.sin(), vmap(f)))
    }),
    case!(mesh_and_vmap_axes, |m, x| {
        let one = |x: Tensor| {
            let y = x.sin();
            let six = y.slice_axis(0, 0..6);
            let swapped = [["x", "i"], ["i", "x"]].map(|axes| all_to_all(six, axes, 0, 0, false));
            let tiled = all_to_all(six.expand_dims(1) * x, ["i", "x"], 0, 1, true);
            [&swapped[..], &[tiled, psum(psum(y, "x"), "i") * x]].concat()
        };
        let named = VmapOptions { axis_name: Some("i"), ..Default::default() };
        let options = ShardMapOptions { check_vma: false, ..Default::default() };
        shard_map_with(m, options, P!["x"], P!["x"], vmap_with(named, one, Axis::At(0), Axis::At(0)))(x)
    }),
    case!(around_two_axes_in_a_loop, |m, x| {
        let f = |x: Tensor, axes: Names| {
            let step =
                |c: Tensor| ppermute(c, axes, cycle(8, 1)).sin() + all_gather(c, axes, 0, false).sum(0) * c * 0.1;
            steps(3, |c: Tensor| (remat(step)(c), c.sum(..).expand_dims(0)), x)
        };
        orders(m, all(), (all(), P![_, ("x", "y")]), x, f)
    }),
    case!(grad_inside_over_two_axes, |m, x| {
        let f = |x: Tensor, axes: Names| {
            let loss = |x: Tensor| {
                let gathered = (all_gather(x, axes, 0, true).sin() * number(axes)).sum(..);
                let scattered = psum_scatter(x, axes, 1, false).powi(3).sum(..);
                gathered + scattered + (ppermute(x, axes, [(0, 1), (1, 3)]) * x).sum(..)
            };
            grad(loss)(x)
        };
        orders(m, all(), all(), x, f)
    }),
];
