//! Transformations and control flow inside each other.
use super::{Case, float, int, slopes, slopes2};
use raxla::{
    Axis, Policy, RematOptions, VmapOptions, all_gather, axis_index, checkpoint_name, cond, einsum_n, eye, fori_loop,
    grad, hessian, jacfwd, jacrev, jvp, linearize, pmean, ppermute, prelude::*, prim, psum, remat, remat_with, scan,
    scan_with, switch, value_and_grad, vjp, vmap, vmap_axes, vmap_with, while_loop,
};

type Pair = (Tensor, Tensor);
type Three = (Tensor, Tensor, Tensor);

const F64: DType = DType::F64;
const FIRST: Axis = Axis::At(0);
const SHARED: Axis = Axis::Shared;

fn squares(x: Tensor) -> Tensor {
    x.powi(2).sum(..)
}
/// The slice at `i` of axis 0.
fn at(x: Tensor, i: usize) -> Tensor {
    x.slice_axis(0, i..i + 1).squeeze(0)
}
fn times(w: Tensor, x: Tensor) -> Tensor {
    einsum("ij,j->i", w, x)
}
fn dot(x: Tensor, y: Tensor) -> Tensor {
    einsum("i,i->", x, y)
}
fn named(name: &str) -> VmapOptions<'_> {
    VmapOptions { axis_name: Some(name), ..Default::default() }
}
fn steps(n: usize) -> raxla::ScanOptions {
    raxla::ScanOptions { length: Some(n), ..Default::default() }
}
/// 1 at index `k`, else 0.
fn only(k: Tensor, n: usize) -> Tensor {
    arange(n, DType::I32).eq(k).cast(F64)
}

/// The lower triangle L of L Lᵀ = a aᵀ + 4.
fn cholesky(a: Tensor) -> Tensor {
    let a = einsum("ij,kj->ik", a, a) + eye(4, F64) * 4.0;
    let column = |j: Tensor, l: Tensor| {
        let s = a - einsum("ij,kj->ik", l, l);
        let below = s.dynamic_index(1, j);
        let d = below.dynamic_index(0, j).sqrt();
        let column = where_(arange(4, DType::I32).gt(j), below / d, 0.0) + only(j, 4) * d;
        l + einsum("i,j->ij", column, only(j, 4))
    };
    fori_loop(0, 4, column, zeros([4, 4], F64))
}

/// Attention over what the loop has written so far.
fn decode(ys: Tensor, (x, w): Pair) -> Tensor {
    let body = |(cache, i): Pair, y: Tensor| {
        let cache = cache.dynamic_update_axis(0, i, (y * x).expand_dims(0));
        let scores = where_(arange(4, DType::I32).le(i), times(cache, x + y), -1e30);
        ((cache, i + 1), einsum_n("i,ij,jk->k", &[scores.softmax(-1), cache, w]))
    };
    let ((cache, _), out) = scan(body, (zeros([4, 3], F64), int(0)), ys);
    squares(out) + cache.cos().sum(..)
}

/// b solved for the matrix a aᵀ + 1, by elimination.
fn solve((a, b): Pair) -> Tensor {
    let a = einsum("ij,kj->ik", a, a) + eye(3, F64);
    let eliminate = |k: Tensor, (a, b): Pair| {
        let pivot = a.dynamic_index(0, k).dynamic_index(0, k);
        let (row, rhs) = (a.dynamic_index(0, k) / pivot, b.dynamic_index(0, k) / pivot);
        let column = a.dynamic_slice_axis(1, k, 1) * (1.0 - only(k, 3)).expand_dims(1);
        ((a - column * row).at(k).set(row), (b - column * rhs).at(k).set(rhs))
    };
    fori_loop(0, 3, eliminate, (a, b)).1
}

fn energy(x: Tensor, w: Tensor) -> Tensor {
    ((x * w).exp() + x.powi(4)).sum(..)
}

/// Rows of `x[i, j]` for index pairs `[n, 2]`.
fn pick(x: Tensor, i: Tensor) -> Tensor {
    let window: Vec<usize> = (1..x.rank() - 1).collect();
    let sizes = x.dims().iter().enumerate().map(|(axis, n)| if axis < 2 { 1 } else { *n }).collect();
    let dims = prim::IndexDims { window, collapsed: vec![0, 1], indexed: vec![0, 1], ..Default::default() };
    prim::gather(x, i, prim::Gather { dims, sizes, options: Default::default(), fill: None })
}
/// `x` with `u` added at index pairs `[n, 2]`.
fn add_at(x: Tensor, i: Tensor, u: Tensor) -> Tensor {
    let window: Vec<usize> = (1..x.rank() - 1).collect();
    let dims = prim::IndexDims { window, collapsed: vec![0, 1], indexed: vec![0, 1], ..Default::default() };
    prim::scatter(x, i, u, prim::Scatter { dims, combine: prim::Combine::Add, options: Default::default() })
}

pub const CASES: &[Case] = &[
    case!(scan_with_crossing_carries, |a, xs| {
        let f = |(a, xs): Pair| {
            let body = |(a, b, fixed, unread): (Tensor, Tensor, Tensor, Tensor), x: Tensor| {
                ((b * fixed, a + x, fixed, unread * x), a.sum(..))
            };
            let ((a, b, c, _), ys) = scan(body, (a, a * 2.0, a.cos(), a), xs);
            (a * b).sum(..) + squares(ys) + c.sum(..)
        };
        (value_and_grad(f)((a, xs)), hessian(|a: Tensor| f((a, xs)))(a))
    }),
    case!(scan_of_parts, |c, xs| {
        let f = |c: Tensor, xs: Tensor| scan(|c: Tensor, x: Tensor| (c * x, (x.sin(), ones([2], F64), c)), c, xs);
        (
            slopes2(|c, xs| f(c, xs).1.0)(c, xs),
            slopes2(|c, xs| f(c, xs).0)(c, xs),
            slopes2(|c, xs| f(c, xs).1.1 * at(c, 0))(c, xs),
            slopes2(|c, xs| f(c, xs).1.2)(c, xs),
        )
    }),
    case!(scan_over_constants_of_each_other, |x, ys, w| {
        let f = |(x, ys, w): Three| {
            let outer = |c: Tensor, y: Tensor| {
                let inner = |d: Tensor, k: Tensor| ((times(w, d) * k + y + c).tanh(), (d * x).sum(..));
                let (d, s) = scan(inner, c * y, arange(3, F64) + 1.0);
                (d, s.sum(..))
            };
            let (c, s) = scan(outer, x, ys);
            squares(c) + squares(s)
        };
        (value_and_grad(f)((x, ys, w)), hessian(|w: Tensor| f((x, ys, w)))(w))
    }),
    case!(loop_that_fills_a_buffer, |x, y| {
        let f = |x: Tensor| {
            let body = |i: Tensor, buffer: Tensor| {
                let new = buffer.dynamic_index(0, i).sin() + at(y, 0) * i.cast(F64);
                buffer.dynamic_update_axis(0, i + 1, new.expand_dims(0))
            };
            fori_loop(0, 4, body, x)
        };
        let loss = |x: Tensor| squares(f(x));
        [f(x), grad(loss)(x), jacfwd(f)(x), vmap(f)(stack(&[x, x * 2.0], 0)), hessian(loss)(x)]
    }),
    case!(cholesky_by_loops, |a| {
        let weights = arange(16, F64).reshape([4, 4]);
        (
            cholesky(a),
            grad(|a: Tensor| (cholesky(a) * weights).sum(..))(a),
            vmap(cholesky)(stack(&[a, a.transpose([1, 0])], 0)),
        )
    }),
    case!(decoding_with_a_cache, |x, w, ys| {
        let f = |t: Pair| decode(ys, t);
        (value_and_grad(f)((x, w)), vmap(|x: Tensor| grad(|x: Tensor| f((x, w)))(x))(ys))
    }),
    case!(while_of_while, |x, y| {
        let f = |x: Tensor, y: Tensor| {
            let inner = |x: Tensor| {
                let body = |(x, n): Pair| (x * 1.1 + y * y, n + 1 + x.gt(1.0).cast(DType::I32));
                while_loop(|(_, n): Pair| n.lt(4), body, (x, int(0))).0
            };
            while_loop(|(x, _): Pair| x.lt(30.0), |(x, n)| (inner(x) + 0.5, n + 1), (x.abs(), int(0)))
        };
        let (x0, y0) = (at(x, 0), at(y, 0));
        (
            vmap(|(x, y): Pair| f(x, y))((x, y)),
            vmap(|x: Tensor| f(x, y0))(x),
            vmap(|y: Tensor| f(x0, y))(y),
            jvp(|x: Tensor| vmap(|x: Tensor| f(x, y0))(x).0, x, y).1,
        )
    }),
    case!(while_with_shared_and_batched_parts, |x, n| {
        let f = |x: Tensor, n: Tensor, start: Tensor| {
            let body = |(i, c, d): Three| (i + 1, c * 0.5 + x, d + 2.0);
            while_loop(|(i, ..): Three| i.lt(n), body, (int(0), start, float(0.0)))
        };
        let (x0, n0, n2, one) = (at(x, 0), at(n, 0), at(n, 2), float(1.0));
        (
            vmap(|x: Tensor| f(x, n0, one))(x),
            vmap(|n: Tensor| f(x0, n, one))(n),
            vmap(|s: Tensor| f(x0, n2, s))(x),
            vmap(|(x, n, s): Three| f(x, n, s))((x, n, x)),
        )
    }),
    case!(cond_of_cond, |p, x| {
        let f = |p: Tensor, x: Tensor| {
            let inner = |x: Tensor| cond(p.gt(0.5), |x: Tensor| (-x * x).exp(), |x| x * p, x);
            let negative = |x: Tensor| {
                let i = (-p * 2.0).floor().cast(DType::I32);
                switch(i, &[&|x: Tensor| x.powi(2), &|x: Tensor| x.sin() * p, &|x: Tensor| x.cos()], x)
            };
            cond(p.gt(0.0), inner, negative, x)
        };
        let total = |(p, x): Pair| squares(vmap(|p: Tensor| f(p, x))(p));
        (
            vmap(|p: Tensor| f(p, x))(p),
            grad(total)((p, x)),
            hessian(|x: Tensor| total((p, x)))(x),
            [0, 1, 2, 3].map(|k| grad(|q: Tensor| f(q, x).sum(..))(at(p, k))),
        )
    }),
    case!(cond_with_results_of_any_dtype, |x, n| {
        let f = |x: Tensor, n: Tensor| {
            let yes = |()| (x * 2.0, n + 1, n.gt(2), x.argmax(0));
            cond(n.gt(1), yes, |()| (x.sin(), n - 1, full([], DType::Bool, 1), n), ())
        };
        (vmap(|n: Tensor| f(x, n))(n), grad(|x: Tensor| vmap(|n: Tensor| f(x, n).0)(n).sum(..))(x))
    }),
    case!(cond_in_scan_with_constants, |w, xs| {
        let f = |w: Tensor| {
            let body = |c: Tensor, x: Tensor| {
                let big = |c: Tensor| (einsum("i,j->ij", c, x).tanh() * w).sum(1);
                (cond(c.sum(..).gt(0.0), big, |c| c.sin() * w.sum(..), c), c.max(..))
            };
            let (c, ys) = scan(body, w * 0.5, xs);
            squares(c) + ys.sum(..)
        };
        (value_and_grad(f)(w), jvp(grad(f), w, w.like(1.0)).1, vmap(grad(f))(xs))
    }),
    case!(remat_with_captured_values, |x, w, xs| {
        let captured = remat(|x: Tensor| times(w, x).tanh() * x);
        let looped = remat(|x: Tensor| scan(|c: Tensor, y: Tensor| ((c * y).sin(), c.sum(..)), x, w));
        let counted = remat(|(x, n): Pair| (x * n.cast(F64), n + 1));
        let branch = |x: Tensor| cond(at(x, 0).gt(0.0), &captured, remat(|x: Tensor| times(w, x).cos()), x);
        let by_w = |w: Tensor| {
            let f = remat(|x: Tensor| times(w, x).tanh() * x);
            squares(f(f(x)))
        };
        (
            [slopes(&captured)(x), slopes(|x| looped(x).0)(x), slopes(|x| looped(x).1.powi(2))(x)],
            [grad(|x: Tensor| squares(counted((x, int(3))).0))(x), slopes(branch)(x), slopes(branch)(-x)],
            value_and_grad(by_w)(w),
            slopes(remat(vmap(&captured)))(xs),
            hessian(|x: Tensor| squares(looped(x).0))(x),
        )
    }),
    case!(remat_names_in_scan, |x, w| {
        let options = |fenced| RematOptions { policy: Policy::SaveNames(vec!["kept".into()]), fenced };
        let layer = |(c, w): Pair| {
            let h = checkpoint_name((w * c).sin(), "kept");
            ((-h * h).exp() * c + checkpoint_name(h, "other"), ())
        };
        let inside = remat_with(options(false), layer);
        let f = |(x, w): Pair| squares(scan(|c: Tensor, w: Tensor| inside((c, w)), x, w).0);
        let around = remat_with(options(true), |(x, w): Pair| scan(|c: Tensor, w: Tensor| layer((c, w)), x, w).0);
        let g = |t: Pair| squares(around(t));
        (value_and_grad(f)((x, w)), value_and_grad(g)((x, w)), hessian(|x: Tensor| f((x, w)))(x))
    }),
    case!(mapped_layers_of_everything, |x, w| {
        let f = |x: Tensor, w: Tensor| {
            let layer = |c: Tensor, row: Tensor| {
                let grown =
                    |c: Tensor| while_loop(|t: Tensor| t.abs().max(..).lt(4.0), |t| t * 1.5 + row * 0.1, c + 0.1);
                let inner = remat(|c: Tensor| cond(c.sum(..).gt(0.0), grown, |c| (c * row).tanh(), c));
                (inner(c), c.sum(..))
            };
            scan(layer, x, w)
        };
        let g = |w: Tensor| vmap(|x: Tensor| f(x, w))(x);
        (g(w), jvp(g, w, w.cos()).1, jacfwd(|w: Tensor| g(w).0.sum(0))(w))
    }),
    case!(modes_of_modes, |x, v| {
        let f = |x: Tensor| (x.exp() * x.flip(0).sin()).sum(..) * prim::cumsum(x, 0, false);
        let (y, push) = linearize(f, x);
        let (_, pull) = vjp(f, x);
        [
            push(v),
            pull(v),
            vjp(&push, v).1(y),
            jvp(&pull, v, y).1,
            jvp(|x: Tensor| vjp(f, x).1(v), x, v).1,
            vjp(|x: Tensor| jvp(f, x, v).1, x).1(v),
            linearize(grad(|x: Tensor| f(x).sum(..)), x).1(v),
            vmap(&push)(stack(&[v, y], 0)),
        ]
    }),
    case!(functions_of_derivatives, |x, w| {
        let slope = |x: Tensor, w: Tensor| grad(|x: Tensor| energy(x, w))(x);
        let newton = |x: Tensor, w: Tensor| {
            let curvature = vmap(|e: Tensor| dot(jvp(|x: Tensor| slope(x, w), x, e).1, e))(eye(3, F64));
            x - slope(x, w) / curvature
        };
        let solve = |w: Tensor| fori_loop(0, 5, |_, x: Tensor| newton(x, w), x);
        let picked = |x: Tensor, w: Tensor| {
            let curved = |x: Tensor| at(hessian(|x: Tensor| energy(x, w))(x), 0);
            cond(w.sum(..).gt(0.0), |x: Tensor| slope(x, w), curved, x)
        };
        let w0 = at(w, 0);
        [
            vmap(solve)(w),
            grad(|w: Tensor| squares(solve(w)))(w0),
            picked(x, w0),
            picked(x, -w0),
            jacrev(|x: Tensor| picked(x, w0))(x),
            vmap(|w: Tensor| picked(x, w))(w),
        ]
    }),
    case!(mapped_linear_algebra, |a, b, i| {
        let f = |t: Pair| vmap(solve)(t).sin().sum(..);
        let entry = |(a, i): Pair| pick(a, i.expand_dims(0)).squeeze(0);
        (vmap(solve)((a, b)), grad(f)((a, b)), vmap(entry)((a, i)))
    }),
    case!(gradients_inside_named_axes, |x| {
        let each = |f: fn(Tensor) -> Tensor| vmap_with(named("i"), grad(f), FIRST, FIRST)(x);
        let cubes = hessian(|x: Tensor| psum(x.powi(3), "i").sum(..));
        (
            [
                each(|x| psum(x * x, "i").sum(..)),
                each(|x| (pmean(x, "i").sin() * x).sum(..)),
                each(|x| {
                    let moved = ppermute(x.powi(2), "i", [(0, 1), (1, 2), (2, 3), (3, 0)]);
                    (moved * (axis_index("i").cast(F64) + 1.0)).sum(..)
                }),
                each(|x| squares(all_gather(x.sin(), "i", 0, false))),
                vmap_with(named("i"), cubes, FIRST, FIRST)(x),
            ],
            vmap_with(named("i"), |x: Tensor| jvp(|x: Tensor| psum(x.sin(), "i") * x, x, x), FIRST, FIRST)(x),
            vmap_with(named("i"), |x: Tensor| vjp(|x: Tensor| psum(x, "i") * x, x).1(x), FIRST, FIRST)(x),
        )
    }),
    case!(data_parallel_steps, |x, w| {
        let train = |(w, x): Pair| {
            let step = |w: Tensor, ()| {
                let (l, g) = value_and_grad(|w: Tensor| (x * w).tanh().powi(2).mean(..))(w);
                (w - pmean(g, "data") * 0.3, pmean(l, "data"))
            };
            scan_with(steps(4), step, w, ())
        };
        let run = vmap_with(named("data"), train, (SHARED, FIRST), (SHARED, SHARED));
        (run((w, x)), grad(|w: Tensor| squares(run((w, x)).0))(w), grad(|x: Tensor| at(run((w, x)).1, 3))(x))
    }),
    case!(named_axes_through_unnamed_ones, |x| {
        let f = |x: Tensor| {
            let row = |r: Tensor| r - pmean(r, "o") + psum(r.sum(..), "o") * 0.01;
            let g = remat(vmap(row));
            scan_with(steps(2), |c: Tensor, ()| (g(c).sin(), ()), x, ()).0
        };
        let run = vmap_with(named("o"), f, FIRST, FIRST);
        (run(x), grad(|x: Tensor| squares(run(x)))(x), jvp(&run, x, x.cos()).1)
    }),
    case!(second_derivatives_of_pieces, |x| {
        let [a, b, c] = x.unstack();
        (
            [
                hessian(|x: Tensor| prim::cumprod(x, 0, false).sin().sum(..))(a),
                hessian(|x: Tensor| squares(prim::cumlogsumexp(x, 0, false)))(b),
                hessian(|x: Tensor| prim::cummax(x, 0, false).powi(3).sum(..))(c),
                hessian(|x: Tensor| x.prod(..) * x.max(..))(a),
                hessian(|x: Tensor| (x.sort(0).powi(3) * arange(4, F64)).sum(..))(b),
                hessian(|x: Tensor| x.std(0))(c),
            ],
            jacfwd(hessian(|x: Tensor| x.logsumexp(..)))(a),
            hessian(|x: Tensor| squares(x.reshape([2, 2]).softmax(-1)))(b),
            hessian(|x: Tensor| squares((x * x).top_k(2).0))(c),
        )
    }),
    case!(second_derivatives_at_ties, |x, y| (
        [
            hessian(|x: Tensor| squares(prim::cumlogsumexp(x, 0, false)))(x),
            hessian(|x: Tensor| x.logsumexp(..))(x),
            hessian(|x: Tensor| squares(x.softmax(-1)))(x),
            hessian(|y: Tensor| prim::cumprod(y, 0, false).sum(..))(y),
        ],
        [
            hessian(|y: Tensor| y.prod(..))(y),
            hessian(|x: Tensor| x.max(..).powi(2))(x),
            hessian(|x: Tensor| squares(x.maximum(1.0)))(x),
            hessian(|y: Tensor| (y.powi(2) * y.abs()).sum(..))(y),
            hessian(|y: Tensor| squares(raxla::nn::relu(y)))(y),
        ],
    )),
    case!(precision_and_bits, |x| {
        let low = |x: Tensor| x.reduce_precision(8, 7);
        let bits = |x: Tensor| x.bitcast(DType::I64).bitcast(F64);
        [
            slopes(|x| low(x).sin())(x),
            jvp(low, x, x / 3.0).1,
            grad(|x: Tensor| (x * bits(x)).sum(..))(x),
            slopes(|x| x.cast(DType::F32).cast(F64).powi(2))(x),
        ]
    }),
    case!(windows_at_pairs_of_indices, |x, i, u| {
        let mapped = |u: Tensor| {
            let axes = (Axis::At(2), Axis::At(1));
            vmap_axes(|(x, u): Pair| add_at(x, i, u), axes, Axis::At(2))((x, u))
        };
        (
            pick(x, i),
            add_at(x, i, u),
            slopes(|x| pick(x, i).sin())(x),
            slopes2(|x, u| add_at(x, i, u).cos())(x, u),
            mapped(u),
            vmap_axes(|x: Tensor| pick(x, i), Axis::At(2), FIRST)(x),
            grad(|u: Tensor| squares(mapped(u)))(u),
        )
    }),
    case!(sorting_under_everything, |x, i| {
        let ranks = |x: Tensor| x.argsort(0).argsort(0);
        let soft = |x: Tensor| (x.sort(0).take(ranks(x), 0) * arange(5, F64)).sum(..);
        let first = |x: Tensor| prim::sort(&[x, x.cos()], 0, 1, true)[1].slice_axis(0, ..2);
        let chosen = |(x, i): Pair| grad(|x: Tensor| squares(x.sort(0).take(i, 0)))(x);
        [
            vmap(ranks)(x),
            vmap(grad(soft))(x),
            grad(|x: Tensor| squares(vmap(soft)(x)))(x),
            vmap(jacrev(first))(x),
            vmap(jacfwd(first))(x),
            vmap(chosen)((x, i)),
            vmap(hessian(|x: Tensor| squares(first(x))))(x),
        ]
    }),
];
