//! Every collective by itself.
use super::{Case, Pair, case, cycle, index, smap};
use raxla::{
    P, all_gather, all_to_all, axis_index, axis_size, pmax, pmean, pmin, ppermute, prelude::*, pshuffle, psum,
    psum_scatter,
};

pub const CASES: &[Case] = &[
    case!(no_collective, |m, x| smap(m, P!["x"], P!["x"], x, |x: Tensor| x.sin() * 2.0)),
    case!(psum_one_axis, |m, x| smap(m, P!["x"], P![], x, |x: Tensor| psum(x.sin(), "x"))),
    case!(psum_of_a_scalar, |m, x| smap(m, P!["x"], P![], x, |x: Tensor| psum(x.powi(2).sum(..), "x"))),
    case!(psum_of_a_shared_value, |m, x| smap(m, P![], P![], x, |x: Tensor| psum(x.sin(), "x"))),
    case!(psum_and_own_value, |m, x| smap(m, P!["x"], P!["x"], x, |x: Tensor| psum(x, "x").sin() * x)),
    case!(psum_two_axes, |m, x| {
        let f = |x: Tensor| (psum(x * x, ["x", "y"]), psum(x, "x"), psum(x, "y"));
        smap(m, P!["x", "y"], (P![], P![_, "y"], P!["x"]), x, f)
    }),
    case!(psum_of_three_axes, |m, x| {
        let f = |x: Tensor| (psum(x, ["x", "z"]), psum(psum(x.sin(), "y"), ["z", "x"]));
        smap(m, P!["x", ("y", "z")], (P![_, "y"], P![]), x, f)
    }),
    case!(psum_of_a_pair, |m, x, y| {
        let f = |(x, y): Pair| {
            let (a, b) = psum((x * 2.0, y.sum(..) * x.sum(..)), "x");
            (a, b.expand_dims(0))
        };
        smap(m, (P!["x", "y"], P!["x"]), (P![_, "y"], P!["y"]), (x, y), f)
    }),
    case!(pmean_centred, |m, x| {
        smap(m, P!["x", "y"], P!["x", "y"], x, |x: Tensor| (x - pmean(x, "x")) * pmean(x.powi(2), ["x", "y"]))
    }),
    case!(pmean_of_a_shared_value, |m, x| {
        smap(m, P![_, "y"], (P![], P![_, "y"]), x, |x: Tensor| (pmean(x * x, "y"), pmean(x.sin(), "x")))
    }),
    case!(pmax_pmin, |m, x| {
        let f = |x: Tensor| (pmax(x, "x"), pmin(x, "y"), pmax(x, ["x", "y"]), pmin(x.min(..), ["y", "x"]));
        smap(m, P!["x", "y"], (P![_, "y"], P!["x"], P![], P![]), x, f)
    }),
    case!(integers, |m, x, y| {
        let f = |(x, y): Pair| {
            (
                psum(x, "x"),
                pmax(x, ["x", "y"]),
                ppermute(x, "x", cycle(4, 1)),
                psum(y.cast(DType::I8), ["x", "y"]),
                all_gather(x, "y", 1, true),
                pmin(y.cast(DType::U8), "x"),
            )
        };
        let outs = (P![_, "y"], P![], P!["x", "y"], P![], P!["x", "y"], P!["y"]);
        smap(m, (P!["x", "y"], P![("x", "y")]), outs, (x, y), f)
    }),
    case!(bools, |m, x| {
        let f = |x: Tensor| {
            let b = x.gt(0);
            (all_gather(b, "x", 0, true), ppermute(b, "y", [(0, 1)]), all_to_all(b, "y", 1, 0, true))
        };
        smap(m, P!["x"], (P!["x"], P!["x", "y"], P!["x", "y"]), x, f)
    }),
    case!(brain_floats, |m, x| {
        let f = |x: Tensor| {
            let gathered = (all_gather(x, "y", 1, true), psum_scatter(x, "y", 0, true));
            (psum(x, "x"), gathered, ppermute(x, "x", cycle(4, 1)), pmax(x, "x"), pmean(x, "y"))
        };
        let outs = (P![_, "y"], (P!["x", "y"], P![("x", "y")]), P!["x", "y"], P![_, "y"], P!["x"]);
        smap(m, P!["x", "y"], outs, x, f)
    }),
    case!(all_gather_in_front, |m, x| {
        smap(m, P!["x", "y"], P!["x", _, "y"], x, |x: Tensor| all_gather(x, "x", 0, false).sin() * x.sum(..))
    }),
    case!(all_gather_as_another_axis, |m, x| {
        smap(m, P!["x", "y"], P!["x", "y"], x, |x: Tensor| {
            all_gather(x, "x", 1, false).sum(0) * x.slice_axis(0, 0..1).squeeze(0)
        })
    }),
    case!(all_gather_tiled, |m, x| smap(m, P!["x", "y"], P!["x", "y"], x, |x: Tensor| all_gather(
        x.powi(2),
        "x",
        0,
        true
    ))),
    case!(all_gather_tiled_along_the_second, |m, x| {
        smap(m, P!["y", "x"], P!["y", "x"], x, |x: Tensor| all_gather(x, "x", 1, true).cos() * index("x"))
    }),
    case!(all_gather_of_both_axes, |m, x| {
        let gathered = |x: Tensor, axes| all_gather(x, axes, 0, true) * x;
        let f = |x: Tensor| (gathered(x, ["x", "y"]), gathered(x, ["y", "x"]));
        smap(m, P![("x", "y")], P![("x", "y")], x, f)
    }),
    case!(all_gather_of_a_shared_value, |m, x| {
        smap(m, P![], P!["x"], x, |x: Tensor| all_gather(x.sin(), "x", 0, false))
    }),
    case!(psum_scatter_in_front, |m, x| {
        let f = |x: Tensor| psum_scatter(x * (index("x") + 1.0), "x", 0, false).expand_dims(0);
        smap(m, P![_, "y"], P!["x", "y"], x, f)
    }),
    case!(psum_scatter_of_another_axis, |m, x| {
        smap(m, P!["x"], P!["x"], x, |x: Tensor| psum_scatter(x, "x", 1, false).sin())
    }),
    case!(psum_scatter_tiled, |m, x| {
        smap(m, P![_, "x"], P!["x"], x, |x: Tensor| psum_scatter(x.sin(), "x", 0, true))
    }),
    case!(psum_scatter_tiled_along_the_second, |m, x| {
        smap(m, P!["x", "y"], P!["x", "y"], x, |x: Tensor| psum_scatter(x.powi(2), "x", 1, true) * x.sum(..))
    }),
    case!(ppermute_cycle, |m, x| {
        let to = |x: Tensor, by: usize| ppermute(x, "x", cycle(4, by));
        smap(m, P![("x", "y")], P![("x", "y")], x, |x: Tensor| (to(x, 1), to(x.sin(), 2), to(x, 3) * x))
    }),
    case!(ppermute_partial, |m, x| {
        let f = |x: Tensor| (ppermute(x, "x", [(0, 1), (1, 2)]) * x, ppermute(x * x, "x", [(3, 0)]));
        smap(m, P!["x"], P!["x"], x, f)
    }),
    case!(ppermute_of_a_pair, |m, x| {
        let back: Vec<(usize, usize)> = (0..8).map(|i| (i, 7 - i)).collect();
        smap(m, P!["x"], P!["x"], x, |x: Tensor| ppermute((x, x.sin()), "x", back.clone()))
    }),
    case!(ppermute_of_a_shared_value, |m, x| {
        smap(m, P![], P!["x"], x, |x: Tensor| ppermute(x.sin(), "x", [(0, 1), (2, 3)]))
    }),
    case!(pshuffle, |m, x| {
        smap(m, P!["x"], P!["x"], x, |x: Tensor| pshuffle(x, "x", [2, 0, 1, 3, 7, 4, 6, 5]).sin() * x)
    }),
    case!(all_to_all_same_axis, |m, x| {
        smap(m, P![_, "x"], P![_, "x"], x, |x: Tensor| all_to_all(x.sin(), "x", 0, 0, false) * index("x"))
    }),
    case!(all_to_all_moves_an_axis, |m, x| {
        smap(m, P!["x"], P!["x"], x, |x: Tensor| all_to_all(x.powi(2), "x", 1, 0, false))
    }),
    case!(all_to_all_to_the_end, |m, x| { smap(m, P!["x"], P!["x"], x, |x: Tensor| all_to_all(x, "x", 1, 2, false)) }),
    case!(all_to_all_tiled, |m, x| {
        smap(m, P!["x"], P![_, "x"], x, |x: Tensor| all_to_all(x, "x", 1, 0, true).sin() * (index("x") + 1.0))
    }),
    case!(all_to_all_tiled_back, |m, x| {
        smap(m, P![_, "x"], P!["x"], x, |x: Tensor| all_to_all(x, "x", 0, 1, true).powi(2))
    }),
    case!(all_to_all_tiled_same_axis, |m, x| {
        smap(m, P![_, "y"], P![_, "y"], x, |x: Tensor| all_to_all(x * (index("y") + 1.0), "y", 0, 0, true))
    }),
    case!(axis_index_one_axis, |m, x| {
        smap(m, P!["x", "y"], P!["x", "y"], x, |x: Tensor| x * (index("x") + index("y") * 10.0))
    }),
    case!(axis_index_of_several, |m, x| {
        let all = || P![("x", "y", "z")];
        let f = |x: Tensor| {
            let number = axis_index(["x", "y", "z"]).cast(DType::F64);
            (x * number, axis_index(["z", "x"]).expand_dims(0), x * axis_size(["y", "z"]))
        };
        smap(m, all(), (all(), all(), all()), x, f)
    }),
    case!(axis_index_of_shared_values, |m, x| {
        let f = |x: Tensor| (x * index("x"), psum(x * index("x"), "x"), psum(x.like(1.0), "x") * x);
        smap(m, P![], (P!["x"], P![], P![]), x, f)
    }),
    case!(single_precision, |m, x| {
        let f = |x: Tensor| (psum(x.exp(), "x"), all_gather(x.tanh(), "y", 1, true));
        smap(m, P!["x", "y"], (P![_, "y"], P!["x", "y"]), x, f)
    }),
];
