//! Named axes of `vmap`, and collectives over them.
use super::{Case, slopes};
use raxla::{
    Axis, TensorTree, VmapOptions, all_gather, all_to_all, axis_index, axis_size, cond, grad, jacfwd, jvp, pmax, pmean,
    pmin, ppermute, prelude::*, psum, psum_scatter, remat, scan_with, switch, vmap_with,
};

type Pair = (Tensor, Tensor);
type Three = (Tensor, Tensor, Tensor);

const FIRST: Axis = Axis::At(0);
const SHARED: Axis = Axis::Shared;
const CYCLE: [(usize, usize); 4] = [(0, 1), (1, 2), (2, 3), (3, 0)];

fn named(name: &str) -> VmapOptions<'_> {
    VmapOptions { axis_name: Some(name), ..Default::default() }
}
/// Over the first axis of every leaf, named "i".
fn over_i<X, Y>(f: impl Fn(X) -> Y) -> impl Fn(X) -> Y
where
    X: TensorTree,
    Y: TensorTree,
{
    vmap_with(named("i"), f, FIRST, FIRST)
}
/// The gradient of the sum of all results of all instances.
fn total(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    slopes(over_i(f))
}
fn squares(x: Tensor) -> Tensor {
    x.powi(2).sum(..)
}

pub const CASES: &[Case] = &[
    case!(named_reductions, |x| over_i(|x: Tensor| {
        let all = [psum(x, "i"), pmean(x, "i"), pmax(x, "i"), pmin(x, "i")];
        (all, axis_index("i"), x - pmean(x, "i"))
    })(x)),
    case!(named_results_shared, |x| {
        let f = |x: Tensor| (psum(x, "i"), pmean(x.sum(..), "i"), x * 2.0);
        vmap_with(named("i"), f, FIRST, (SHARED, SHARED, FIRST))(x)
    }),
    case!(named_exchanges, |x, y| over_i(|(x, y): Pair| [
        all_gather(x, "i", 0, false),
        all_gather(x, "i", 1, false),
        all_gather(x, "i", 0, true),
        ppermute(x, "i", CYCLE),
        ppermute(x, "i", [(0, 2), (1, 0), (2, 3), (3, 1)]),
        psum_scatter(y, "i", 0, false),
        psum_scatter(y, "i", 0, true),
        all_to_all(y, "i", 0, 0, false),
    ])((x, y))),
    case!(named_gradients, |x| {
        let f: [fn(Tensor) -> Tensor; 6] = [
            |x| psum(x, "i").sin() * x,
            |x| pmean(x.powi(2), "i") * x,
            |x| all_gather(x, "i", 0, false) * x.sum(..),
            |x| ppermute(x, "i", [(0, 1), (1, 2), (2, 0), (3, 3)]).powi(2) * x,
            |x| x * (axis_index("i").cast(DType::F64) + 1.0),
            |x| (x - pmax(x.stop_gradient(), "i")).exp() / psum(x.exp(), "i") * x.cos(),
        ];
        f.map(|f| total(f)(x))
    }),
    case!(named_scatter_gradients, |x| [
        total(|x| psum_scatter(x, "i", 0, false).sin())(x),
        total(|x| all_to_all(x, "i", 0, 0, false).sin() * x)(x),
        total(|x| all_gather(x.slice_axis(0, ..1).squeeze(0).sin(), "i", 0, true).powi(2))(x),
    ]),
    case!(named_tangents, |x, dx| {
        let f = over_i(|x: Tensor| {
            let swapped = ppermute(x.sin(), "i", [(0, 1), (1, 0), (2, 3), (3, 2)]);
            (psum(x * x, "i"), swapped, x / pmean(x.exp(), "i"))
        });
        (jvp(&f, x, dx), jacfwd(|x: Tensor| f(x).2)(x))
    }),
    case!(named_nested, |x| {
        let both = |f: fn(Tensor) -> Vec<Tensor>| over_i(move |x: Tensor| vmap_with(named("j"), f, FIRST, FIRST)(x));
        let sums = |x: Tensor| {
            let number = axis_index("i") * 10 + axis_index("j");
            vec![psum(x, "i"), psum(x, "j"), psum(x, ["i", "j"]), pmax(x, ["j", "i"]), number]
        };
        let f = |x: Tensor| vec![psum(x, ["i", "j"]).sin() * pmean(x, "j")];
        (both(sums)(x), slopes(|x| both(f)(x)[0])(x))
    }),
    case!(named_gradient_inside, |x, w| {
        let step = |(w, x): Pair| {
            let g = grad(|w: Tensor| squares((w * x).tanh()))(w);
            w - pmean(g, "i") * 0.1
        };
        (
            vmap_with(named("i"), step, (SHARED, FIRST), FIRST)((w, x)),
            vmap_with(named("i"), step, (SHARED, FIRST), SHARED)((w, x)),
        )
    }),
    case!(named_in_scan, |x| {
        let options = raxla::ScanOptions { length: Some(3), ..Default::default() };
        let body = |c: Tensor, ()| {
            let c = c.sin() + psum(c, "i") * 0.1 + ppermute(c, "i", CYCLE);
            (c, pmax(c.stop_gradient(), "i") + axis_index("i").cast(DType::F64))
        };
        let run = over_i(|x: Tensor| scan_with(options, body, x, ()));
        (run(x), grad(|x: Tensor| squares(run(x).0))(x))
    }),
    case!(named_in_cond, |x| {
        let f = over_i(|x: Tensor| {
            let i = axis_index("i");
            let chosen = cond((i % 2).eq(0), |x: Tensor| x * 2.0, |x| x.sin(), x);
            (chosen + psum(chosen, "i"), switch(i, &[&|()| x * 0.0, &|()| x, &|()| -x], ()))
        });
        (f(x), grad(|x: Tensor| squares(f(x).0))(x))
    }),
    case!(named_remat, |x| {
        let f = over_i(remat(|x: Tensor| (x - pmean(x, "i")).tanh() * psum(x.sin(), "i")));
        let total = |x: Tensor| f(x).sum(..);
        (total(x), grad(total)(x))
    }),
    case!(batch_norm, |x, gain, bias| {
        let f = |(x, gain, bias): Three| {
            let centred = x - pmean(x, "batch");
            centred * (pmean(centred.powi(2), "batch") + 1e-5).rsqrt() * gain + bias
        };
        let apply = vmap_with(named("batch"), f, (FIRST, SHARED, SHARED), FIRST);
        (apply((x, gain, bias)), grad(|t: Three| apply(t).sin().sum(..))((x, gain, bias)))
    }),
    case!(named_constants, |x, n| {
        let one = || full([], DType::F64, 1.0);
        let f = |(x, n): Pair| (psum(one(), "i") * x, psum(ones([2], DType::F64), "i"), psum(n, "i"), pmax(n, "i"));
        (over_i(f)((x, n)), over_i(|x: Tensor| x * axis_size("i") as f64)(x))
    }),
];
