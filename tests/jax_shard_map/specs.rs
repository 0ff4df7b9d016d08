//! How arguments and results are divided: tuples of axes, shared axes, trees, some axes of the mesh only.
use super::{Case, Pair, case, cycle, index, matmul, smap};
use raxla::{
    P, ShardMapOptions, all_gather, axis_index, pmean, ppermute, prelude::*, psum, shard_map, shard_map_with,
    with_sharding,
};

/// Options of a map over these axes only.
fn over<'a>(axes: &'a [&'a str]) -> ShardMapOptions<'a> {
    ShardMapOptions { axis_names: Some(axes), ..Default::default() }
}

pub const CASES: &[Case] = &[
    case!(two_axes_on_one, |m, x| {
        let f = |x: Tensor| x.sin() * axis_index(["x", "y"]).cast(DType::F64);
        smap(m, P![("x", "y")], P![("x", "y")], x, f)
    }),
    case!(two_axes_in_reverse, |m, x| {
        let f = |x: Tensor| x * (index("x") + index("y") * 10.0);
        smap(m, P![_, ("y", "x")], P![_, ("y", "x")], x, f)
    }),
    case!(spec_changes_the_order, |m, x| smap(m, P!["x", "y"], P!["y", "x"], x, |x: Tensor| x.powi(2))),
    case!(spec_permutes_parts, |m, x| smap(m, P![("x", "y")], P![("y", "x")], x, |x: Tensor| x.sin())),
    case!(three_axes, |m, x| {
        let f = |x: Tensor| (psum(x, "y"), x * 2.0, psum(x, ["x", "y", "z"]));
        smap(m, P![("x", "y"), _, "z"], (P!["x", "z"], P!["z", ("y", "x")], P![]), x, f)
    }),
    case!(transposed_inside, |m, x| smap(m, P!["x"], P![_, "x"], x, |x: Tensor| x.sin().swap_axes(0, 1))),
    case!(shared_argument, |m, x, w| smap(m, (P!["x"], P![]), P!["x"], (x, w), |(x, w): Pair| (x * w).sin())),
    case!(result_of_shared_values, |m, x, y| {
        let f = |(x, y): Pair| (x.sin(), x.slice_axis(0, 0..1) * y, einsum("i,j->ij", x, y));
        smap(m, P![], (P![], P![], P!["x"]), (x, y), f)
    }),
    case!(shared_result_stacked, |m, x| smap(m, P![], P![("x", "y")], x, |x: Tensor| x.powi(2))),
    case!(trees, |m, x, w, b| {
        let f = |((w, b), x): (Pair, Tensor)| (psum(w.powi(2).sum(..), "y"), (matmul(x, w) + b).tanh());
        smap(m, ((P![_, "y"], P!["y"]), P!["x"]), (P![], P!["x", "y"]), ((w, b), x), f)
    }),
    case!(one_spec_for_all, |m, x, y, z| {
        let f = |((x, y), z): (Pair, Tensor)| ((x * y, y * z), x.sum(..).expand_dims(0));
        smap(m, (P!["x"], P![]), (P!["x"], P!["x"]), ((x, y), z), f)
    }),
    case!(captured_value, |m, x, w| {
        let v = w.sin();
        smap(m, P!["x"], P!["x"], x, |x: Tensor| x * v + psum(x * w, "x"))
    }),
    case!(scalars, |m, x| {
        let s = x.slice_axis(0, 0..1).slice_axis(1, 0..1).reshape([]);
        smap(m, (P!["x"], P![]), (P![], P![]), (x, s), |(x, s): Pair| (psum(x.sum(..) * s, "x"), s * s))
    }),
    case!(one_after_the_other, |m, x| {
        let first = smap(m, P!["x"], P!["x", _, _], x, |x: Tensor| x.expand_dims(1) * psum(x, "x"));
        smap(m, P![_, _, "y"], P![_, "y"], first, |x: Tensor| x.sin().sum(1)) * 2.0 + 1.0
    }),
    case!(only_x_is_manual, |m, x| {
        let f = |x: Tensor| (x.sin(), psum(x, "x"));
        shard_map_with(m, over(&["x"]), P!["x"], (P!["x"], P![]), f)(x)
    }),
    case!(only_x_is_manual_with_a_product, |m, x, w| {
        let f = |(x, w): Pair| psum(matmul(x, w).tanh(), "x");
        shard_map_with(m, over(&["x"]), (P!["x"], P![]), P![], f)((x, w))
    }),
    case!(only_y_is_manual, |m, x| {
        let f = |x: Tensor| ppermute(x.sin(), "y", cycle(2, 1)) * psum(x, "y");
        shard_map_with(m, over(&["y"]), P![_, "y"], P![_, "y"], f)(x)
    }),
    case!(two_of_three_are_manual, |m, x, w| {
        let x = with_sharding(x, &m.sharding(P!["y"]));
        let f = |(x, w): Pair| psum(matmul(x, w), "z");
        shard_map_with(m, over(&["x", "z"]), (P!["x", "z"], P!["z"]), P!["x"], f)((x, w))
    }),
    case!(map_in_a_map, |m, x| {
        let f = |x: Tensor| {
            let inner = |x: Tensor| psum(x, "y").sin();
            shard_map_with(m, over(&["y"]), P![_, "y"], P![], inner)(x) * x.sum(..)
        };
        shard_map_with(m, over(&["x"]), P!["x"], P!["x"], f)(x)
    }),
    case!(unchecked, |m, x| {
        let options = ShardMapOptions { check_vma: false, ..Default::default() };
        shard_map_with(m, options, P!["x"], P![], |x: Tensor| all_gather(x * x, "x", 0, true))(x)
    }),
    case!(constraint_outside, |m, x| {
        let y = with_sharding(x.sin(), &m.sharding(P!["y", "x"]));
        shard_map(m, P!["x"], P!["x"], |y: Tensor| pmean(y, "x") * y)(y)
    }),
];
