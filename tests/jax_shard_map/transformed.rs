//! Inside and around other transformations: derivatives, maps, loops, branches, remat, custom rules.
use super::{Case, Pair, case, cycle, index, matmul, smap};
use raxla::{
    Axis, P, ScanOptions, ShardMapOptions, TensorTree, VmapOptions, all_gather, axis_index, cond, custom_jvp,
    custom_vjp, fori_loop, grad, hessian, jacfwd, jacrev, jvp, pmax, pmean, ppermute, prelude::*, psum, psum_scatter,
    pvary, remat, scan, scan_with, shard_map, shard_map_with, switch, value_and_grad, vmap_axes, vmap_with, while_loop,
};

/// A loop of so many steps over nothing.
pub(crate) fn steps<C, Y>(n: usize, f: impl Fn(C) -> (C, Y), init: C) -> (C, Y)
where
    C: TensorTree,
    Y: TensorTree,
{
    scan_with(ScanOptions { length: Some(n), ..Default::default() }, |c: C, (): ()| f(c), init, ())
}

pub const CASES: &[Case] = &[
    case!(grad_inside_by_a_shared_value, |m, x, w| {
        let f = |(x, w): Pair| grad(|w: Tensor| (x * w).sin().sum(..))(w);
        smap(m, (P!["x"], P![]), P![], (x, w), f)
    }),
    case!(grad_inside_by_an_own_copy, |m, x, w| {
        let f = |(x, w): Pair| grad(|w: Tensor| (x * w).sin().sum(..))(pvary(w, "x")).expand_dims(0);
        smap(m, (P!["x"], P![]), P!["x"], (x, w), f)
    }),
    case!(grad_inside_by_parts, |m, x| {
        smap(m, P!["x"], P!["x"], x, grad(|x: Tensor| psum(x.sin(), "x").powi(2).sum(..)))
    }),
    case!(value_and_grad_of_the_mean_loss, |m, x, w| {
        let f = |(x, w): Pair| value_and_grad(|w: Tensor| pmean(matmul(x, w).tanh().powi(2).mean(..), "x"))(w);
        smap(m, (P!["x"], P![]), (P![], P![]), (x, w), f)
    }),
    case!(grad_inside_of_gathered, |m, x, w| {
        let f = grad(|(x, w): Pair| (all_gather(x, "x", 0, true) * w * index("x")).sin().sum(..));
        smap(m, (P!["x"], P![]), (P!["x"], P![]), (x, w), f)
    }),
    case!(grad_inside_of_a_permutation, |m, x| {
        let f = grad(|x: Tensor| (ppermute(x.sin(), "x", [(0, 1), (1, 3)]) * x).sum(..));
        smap(m, P!["x"], P!["x"], x, f)
    }),
    case!(jvp_inside, |m, x, dx| {
        let f = |(x, dx): Pair| jvp(|x: Tensor| psum(x.sin(), "x") * x, x, dx);
        smap(m, P!["x"], P!["x"], (x, dx), f)
    }),
    case!(jvp_outside, |m, x, dx| {
        let f = |x: Tensor| (x.sin() * psum(x, "x"), psum(x.cos(), "x"));
        jvp(shard_map(m, P!["x"], (P!["x"], P![]), f), x, dx)
    }),
    case!(jacobians_outside, |m, x, w| {
        let f = |(x, w): Pair| {
            let [a, b] = w.unstack();
            psum(x, "x") * x.sin() * a + b.powi(2) * x
        };
        let f = shard_map(m, (P!["x"], P![]), P!["x"], f);
        (jacfwd(|x: Tensor| f((x, w)))(x), jacrev(|w: Tensor| f((x, w)))(w))
    }),
    case!(second_derivative, |m, x, w| {
        let f = |(x, w): Pair| psum((x * w).sin().sum(..), "x");
        let f = shard_map(m, (P!["x"], P![]), P![], f);
        let by_x = grad(|x: Tensor| grad(|w: Tensor| f((x, w)))(w).powi(2).sum(..))(x);
        (hessian(|w: Tensor| f((x, w)))(w), by_x)
    }),
    case!(vmap_outside, |m, x, w| {
        let f = |(x, w): Pair| (x * psum(x * w, "x"), pmean(x.sin(), "x"));
        let f = shard_map(m, (P!["x"], P![]), (P!["x"], P![]), f);
        vmap_axes(f, (Axis::At(0), Axis::Shared), Axis::At(0))((x, w))
    }),
    case!(vmap_outside_at_the_end, |m, x, w| {
        let f = shard_map(m, (P!["x"], P!["y"]), P![("x", "y")], |(x, w): Pair| x * w + psum(w, "y"));
        vmap_axes(f, Axis::At(1), Axis::At(1))((x, w))
    }),
    case!(vmap_inside, |m, x| {
        let f = vmap_axes(|x: Tensor| psum(x.sin(), "x") * x, Axis::At(1), Axis::At(1));
        smap(m, P!["x"], P!["x"], x, f)
    }),
    case!(vmap_inside_of_exchanges, |m, x| {
        let one = |x: Tensor| {
            let scattered = psum_scatter(x.tile([2]) * (index("y") + 1.0), "y", 0, true);
            (all_gather(x, "x", 1, false), ppermute(x, "x", cycle(4, 1)), scattered)
        };
        let outs = (P![_, "x"], P![_, "x"], P![_, "x", "y"]);
        smap(m, P!["x"], outs, x, vmap_axes(one, Axis::At(1), Axis::At(0)))
    }),
    case!(vmap_inside_with_a_name, |m, x| {
        let one = |x: Tensor| psum(psum(x, "x"), "i") * psum(x.sin(), "i") * x;
        let named = VmapOptions { axis_name: Some("i"), ..Default::default() };
        let f = |x: Tensor| vmap_with(named, one, Axis::At(0), Axis::At(0))(x.squeeze(0)).expand_dims(0);
        let options = ShardMapOptions { check_vma: false, ..Default::default() };
        shard_map_with(m, options, P!["x"], P!["x"], f)(x)
    }),
    case!(scan_with_psum, |m, x| {
        let step = |c: Tensor| {
            let c = c.sin() + psum(c, "x") * 0.1;
            (c, psum(c, "x"))
        };
        smap(m, P!["x"], (P!["x"], P![]), x, |x: Tensor| steps(3, step, x))
    }),
    case!(scan_with_a_carry_that_begins_shared, |m, x, w| {
        let f = |(x, w): Pair| steps(3, |c: Tensor| (c.sin() * x, ()), pvary(w, "x").expand_dims(0)).0;
        smap(m, (P!["x"], P![]), P!["x"], (x, w), f)
    }),
    case!(scan_with_a_shared_carry, |m, x, w| {
        let f = |(x, w): Pair| steps(3, |w: Tensor| (w - pmean(((x * w).tanh() * x).sum(0), "x") * 0.1, w.sum(..)), w);
        smap(m, (P!["x"], P![]), (P![], P![]), (x, w), f)
    }),
    case!(scan_over_parts, |m, x, w| {
        let f = |(x, w): Pair| {
            let step = |c: Tensor, (x, w): Pair| (c + psum(x * w, "x"), x * c);
            let (c, y) = scan(step, zeros([2], DType::F64), (x.squeeze(0), w));
            (c, y.expand_dims(0))
        };
        smap(m, (P!["x"], P![]), (P![], P!["x"]), (x, w), f)
    }),
    case!(scan_around, |m, x| {
        let f = shard_map(m, P!["x"], P!["x"], |x: Tensor| x.sin() + pmean(x, "x"));
        steps(3, |c: Tensor| (f(c), c.sum(..)), x)
    }),
    case!(fori_loop_with_permutations, |m, x| {
        let f = |x: Tensor| {
            let step =
                |i: Tensor, (c, sum): Pair| (ppermute(c, "x", cycle(8, 1)), sum + c * (i.cast(DType::F64) + 1.0));
            fori_loop(0, 8, step, (x, pvary(x.like(0.0), "x"))).1
        };
        smap(m, P!["x"], P!["x"], x, f)
    }),
    case!(while_loop_until_all_agree, |m, x| {
        let f = |x: Tensor| while_loop(|c: Tensor| pmax(c.abs().max(..), ["x", "y"]).gt(0.1), |c: Tensor| c * 0.5, x);
        smap(m, P!["x", "y"], P!["x", "y"], x, f)
    }),
    case!(while_loop_of_own_length, |m, x| {
        let f = |x: Tensor| {
            let start = (pvary(full([], DType::I32, 0), "x"), x);
            while_loop(|c: Pair| c.0.lt(axis_index("x")), |(n, x): Pair| (n + 1, x.sin()), start).1
        };
        smap(m, P!["x"], P!["x"], x, f)
    }),
    case!(branch_by_device, |m, x| {
        let f = |x: Tensor| cond((axis_index("x") % 2).eq(0), |x: Tensor| x.sin(), |x: Tensor| x * x, x);
        smap(m, P!["x"], P!["x"], x, f)
    }),
    case!(branch_by_agreement, |m, x| {
        let f = |x: Tensor| {
            let positive = psum(x.sum(..), ["x", "y"]).gt(0.0);
            cond(positive, |x: Tensor| psum(x, "x"), |x: Tensor| psum(x.sin(), "x") * 2.0, x)
        };
        smap(m, P!["x", "y"], P![_, "y"], x, f)
    }),
    case!(switch_by_device, |m, x| {
        let f = |x: Tensor| {
            switch(
                axis_index("x"),
                &[&|x: Tensor| x.sin(), &|x: Tensor| x.cos(), &|x: Tensor| x * x, &|x: Tensor| -x],
                x,
            )
        };
        smap(m, P!["x"], P!["x"], x, f)
    }),
    case!(remat_with_psum, |m, x| {
        smap(m, P!["x"], P!["x"], x, remat(|x: Tensor| (x - pmean(x, "x")).tanh() * psum(x.sin(), "x")))
    }),
    case!(remat_with_gathered_weights, |m, x, w| {
        let layer = remat(|(x, w): Pair| matmul(x, all_gather(w, "y", 0, true)).tanh());
        let f = |(x, w): Pair| pmean(layer((layer((x, w)), w)), "y");
        smap(m, (P!["x"], P!["y"]), P!["x"], (x, w), f)
    }),
    case!(remat_around, |m, x| {
        let f = remat(shard_map(m, P!["x"], P!["x"], |x: Tensor| (x.sin() * psum(x, "x")).sin()));
        f(f(x))
    }),
    case!(remat_in_scan, |m, x, w| {
        let layer = remat(|(x, w): Pair| (x * w).sin() + psum(x, "x") * 0.1);
        let f = |(x, w): Pair| scan(|x: Tensor, w: Tensor| (layer((x, w)), ()), x, w).0;
        smap(m, (P!["x"], P![]), P!["x"], (x, w), f)
    }),
    case!(custom_vjp_inside, |m, x, w| {
        let f = custom_vjp(
            |(x, w): Pair| x.sin() * w,
            |(x, w): Pair| (x.sin() * w, (x, w)),
            |(x, w): Pair, ct: Tensor| (ct * x.cos() * w * 2.0, (ct * x.sin()).sum(0) * 3.0),
        );
        smap(m, (P!["x"], P![]), P!["x"], (x, w), |(x, w): Pair| f((x, pvary(w, "x"))))
    }),
    case!(custom_vjp_with_a_collective, |m, x| {
        let f = |x: Tensor| ppermute(x, "x", cycle(4, 1)).powi(2);
        let f = custom_vjp(f, move |x| (f(x), x), |x, ct: Tensor| ppermute(ct, "x", cycle(4, 3)) * x * 3.0);
        smap(m, P!["x"], P!["x"], x, |x: Tensor| f(x.sin()))
    }),
    case!(custom_jvp_inside, |m, x| {
        let f = custom_jvp(|x: Tensor| x.exp(), |x: Tensor, dx: Tensor| (x.exp(), dx * x.exp() * 2.0));
        smap(m, P!["x"], P!["x"], x, |x: Tensor| f(x) * psum(f(x), "x"))
    }),
    case!(stopped_gradient, |m, x| {
        let f = |x: Tensor| (x - pmean(x, "x").stop_gradient()).exp() / psum(x.exp(), "x");
        smap(m, P!["x"], P!["x"], x, f)
    }),
];
