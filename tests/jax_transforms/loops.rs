//! Control flow: values, derivatives, batches, and all of them nested.
use super::{Case, float, int, slopes};
use raxla::{
    Axis, ScanOptions, cond, fori_loop, grad, hessian, jacfwd, jacrev, jvp, linearize, prelude::*, remat, scan,
    scan_with, switch, value_and_grad, vmap, vmap_axes, while_loop,
};

type Pair = (Tensor, Tensor);
type Three = (Tensor, Tensor, Tensor);

fn step(w: Tensor) -> impl Fn(Tensor, Tensor) -> Pair {
    move |c, x| {
        let c = (c * w + x).tanh();
        (c, c * x)
    }
}
fn steps(length: usize) -> ScanOptions {
    ScanOptions { length: Some(length), ..Default::default() }
}
const FORWARD: ScanOptions = ScanOptions { reverse: false, length: None, unroll: 1 };
const BACKWARD: ScanOptions = ScanOptions { reverse: true, ..FORWARD };

/// The slice at `i` of axis 0.
fn at(x: Tensor, i: usize) -> Tensor {
    x.slice_axis(0, i..i + 1).squeeze(0)
}
fn squares(x: Tensor) -> Tensor {
    x.powi(2).sum(..)
}

/// A scan over a choice, one side of which is rematerialised.
fn chosen_steps(c: Tensor, xs: Tensor, w: Tensor, by: fn(Tensor, Tensor) -> Tensor) -> Pair {
    let body = |c: Tensor, x: Tensor| {
        let inner = remat(|(c, x): Pair| ((c * x).sum(..) * w + c).tanh());
        let c = cond(by(c, x).sum(..).gt(0.0), |c: Tensor| inner((c, x)), |c| c * w.cos(), c);
        (c, c.sum(..))
    };
    scan(body, c, xs)
}

pub const CASES: &[Case] = &[
    case!(scan_options, |c, xs, w| {
        let with = |options| scan_with(options, step(w), c, xs);
        (
            with(FORWARD),
            with(BACKWARD),
            with(ScanOptions { unroll: 2, ..FORWARD }),
            with(ScanOptions { unroll: 3, ..BACKWARD }),
            with(ScanOptions { unroll: 5, ..FORWARD }),
        )
    }),
    case!(scan_without_xs, |c| (
        scan_with(steps(4), |c: Tensor, ()| (c.sin(), c * 2.0), c, ()),
        scan_with(steps(3), |c: Tensor, ()| (c.sin(), ()), c, ()),
    )),
    case!(scan_of_nothing, |c, xs, w| {
        let f = |(c, xs, w): Three| squares(scan(step(w), c, xs).0);
        (scan(step(w), c, xs), grad(f)((c, xs, w)))
    }),
    case!(scan_of_trees, |a, b, xs, n| {
        let f =
            |((a, b), i): (Pair, Tensor), (x, n): Pair| (((a * x.cos(), b + a.sum(..)), i + n), (stack(&[a, x], 0), i));
        scan(f, ((a, b), int(0)), (xs, n))
    }),
    case!(scan_gradients, |c, xs, w| {
        let loss = |options: ScanOptions| {
            grad(move |(c, xs, w): Three| {
                let (c, ys) = scan_with(options, step(w), c, xs);
                squares(c) + ys.sin().sum(..)
            })((c, xs, w))
        };
        (loss(FORWARD), loss(BACKWARD), loss(ScanOptions { unroll: 2, ..FORWARD }))
    }),
    case!(scan_forward_mode, |c, xs, w, dw| {
        let f = |(c, xs, w): Three| scan(step(w), c, xs);
        let by_w = |w: Tensor| f((c, xs, w));
        (
            jvp(f, (c, xs, w), (w, xs.cos(), dw)),
            jvp(by_w, w, dw),
            linearize(by_w, w).1(dw),
            jacfwd(|w: Tensor| by_w(w).0)(w),
        )
    }),
    case!(scan_second_order, |c, xs, w| {
        let f = |w: Tensor| (scan(step(w), c, xs).0 * c).sum(..);
        let g = |c: Tensor| squares(scan(step(w), c, xs).1);
        [hessian(f)(w), hessian(g)(c), jacrev(jacrev(f))(w), jacfwd(jacfwd(f))(w), grad(|w: Tensor| jvp(f, w, c).1)(w)]
    }),
    case!(scan_third_derivative, |x| {
        let f = |x: Tensor| scan_with(steps(4), |c: Tensor, ()| ((c * x).sin(), ()), x, ()).0;
        grad(grad(grad(f)))(x)
    }),
    case!(scan_of_scan, |c, xs| {
        let inner = |c: Tensor, xs: Tensor| scan(|c: Tensor, x: Tensor| (c.sin() * x + c, c * c), c, xs);
        let f = |c: Tensor, xs: Tensor| scan(inner, c, xs);
        let loss = |(c, xs): Pair| {
            let (c, ys) = f(c, xs);
            c.sum(..) + ys.cos().sum(..)
        };
        (f(c, xs), grad(loss)((c, xs)), hessian(|c: Tensor| loss((c, xs)))(c))
    }),
    case!(scan_batched, |c, xs, w| {
        let f = |c: Tensor, xs: Tensor, w: Tensor| scan(step(w), c, xs);
        let (c0, xs0) = (at(c, 0), at(xs, 0));
        (
            vmap(|(c, xs): Pair| f(c, xs, w))((c, xs)),
            vmap(|c: Tensor| f(c, xs0, w))(c),
            vmap(|xs: Tensor| f(c0, xs, w))(xs),
            vmap_axes(|w: Tensor| f(c0, xs0, w), Axis::At(0), (Axis::At(1), Axis::At(2)))(c),
        )
    }),
    case!(scan_batched_gradients, |w, xs| {
        let f = |w: Tensor, xs: Tensor| squares(scan_with(BACKWARD, step(w), zeros([3], DType::F64), xs).1);
        (
            vmap(|xs: Tensor| grad(|w: Tensor| f(w, xs))(w))(xs),
            grad(|w: Tensor| vmap(|xs: Tensor| f(w, xs))(xs).sum(..))(w),
            vmap(|xs: Tensor| hessian(|w: Tensor| f(w, xs))(w))(xs),
        )
    }),
    case!(scan_with_integer_carry, |x, n| {
        let f = |x: Tensor| {
            let body = |(i, c): Pair, n: Tensor| ((i + n, c * x.sin() + i.cast(DType::F64)), (i, c));
            scan(body, (int(0), x), n)
        };
        let loss = |x: Tensor| {
            let ((_, c), (_, cs)) = f(x);
            c.sum(..) + squares(cs)
        };
        (f(x), grad(loss)(x))
    }),
    case!(fori_loops, |x, n| {
        let body = |i: Tensor, c: Tensor| c * x.cos() + i.cast(DType::F64);
        let known = |to: usize| fori_loop(1, to, body, x);
        let f = |x: Tensor| fori_loop(1, n, |i, c: Tensor| c * x.cos() + i.cast(DType::F64), x);
        let g = |x: Tensor| fori_loop(1, 5, |i, c: Tensor| c * x.cos() + i.cast(DType::F64), x);
        [known(5), f(x), slopes(g)(x), jvp(f, x, x).1, vmap(f)(x), known(1)]
    }),
    case!(fori_loop_batched_bounds, |x, n| {
        let f = |x: Tensor, n: Tensor| fori_loop(0, n, |i, c: Tensor| c * 0.5 + i.cast(DType::F64), x);
        let x0 = at(x, 0);
        [
            vmap(|(x, n): Pair| f(x, n))((x, n)),
            vmap(|n: Tensor| f(x0, n))(n),
            vmap(|(x, n): Pair| jvp(|x: Tensor| f(x * x, n), x, x).1)((x, n)),
        ]
    }),
    case!(while_loops, |x, y| {
        let y0 = at(y, 0);
        let f =
            |x: Tensor| while_loop(|(x, _): Pair| squares(x).lt(100.0), |(x, n)| (x * 1.5 + y0, n + 1), (x, int(0)));
        (f(x), jvp(|x: Tensor| f(x).0, x, x.cos()), jacfwd(|x: Tensor| f(x).0)(x))
    }),
    case!(while_loop_batched, |x, y| {
        let f = |x: Tensor, y: Tensor| {
            let body = |(x, n): Pair| (x * 2.0 + y * y + 0.1, n + 1);
            while_loop(|(x, _): Pair| x.lt(20.0), body, (x.abs() + 0.1, int(0)))
        };
        (
            vmap(|x: Tensor| f(x, y))(x),
            vmap(|x: Tensor| f(y, x))(x),
            jvp(|x: Tensor| vmap(|x: Tensor| f(x, y))(x).0, x, x.like(1.0)),
        )
    }),
    case!(while_loop_batched_tree, |x, limit| {
        let f = |x: Tensor, limit: Tensor| {
            let holds = |(x, n, _): Three| n.lt(8) & x.abs().max(..).lt(limit * limit + 1.0);
            while_loop(holds, |(x, n, _)| (x.flip(0) * 1.3 + 0.1, n + 1, x), (x, int(0), x))
        };
        let (x0, limit0) = (at(x, 0), at(limit, 0));
        (
            vmap(|(x, limit): Pair| f(x, limit))((x, limit)),
            vmap(|x: Tensor| f(x, limit0))(x),
            vmap(|limit: Tensor| f(x0, limit))(limit),
        )
    }),
    case!(cond_gradients, |p, x| {
        let f = |p: Tensor, x: Tensor| cond(p.gt(0.0), |x: Tensor| x.sin() * p, |x| x * x + p, x);
        let both = |p: Tensor, x: Tensor| f(p, x).sum(..) + f(-p, x).sum(..);
        (
            f(p, x),
            f(-p, x),
            grad(|(p, x): Pair| both(p, x))((p, x)),
            hessian(|x: Tensor| both(p, x))(x),
            jvp(|(p, x): Pair| f(p, x), (p, x), (p, x)),
        )
    }),
    case!(cond_with_captured_values, |x, w| {
        let f = |x: Tensor, w: Tensor| {
            let [a, b, _] = x.unstack();
            cond(a.gt(b), |()| (x.sum(..) * w, float(0.0)), |()| (w * 0.0 + 1.0, x.prod(..)), ())
        };
        let loss = |(x, w): Pair| {
            let (y, s) = f(x, w);
            squares(y) + s
        };
        (f(x, w), f(-x, w), grad(loss)((x, w)), grad(loss)((-x, w)))
    }),
    case!(switch_gradients, |x, i, w| {
        let [w0, w1] = w.unstack();
        let f = |i: Tensor, x: Tensor| {
            let sums = |x: Tensor| raxla::prim::cumsum(x, 0, false) * w1;
            switch(i, &[&|x: Tensor| x.sin() * w0, &sums, &|x: Tensor| x.flip(0) * w.sum(..)], x)
        };
        let g = |w: Tensor, i: Tensor| {
            let [w0, w1] = w.unstack();
            switch(i, &[&|x: Tensor| x.sin() * w0, &|x: Tensor| x * w1, &|x: Tensor| x * w.sum(..)], x).sum(..)
        };
        (
            vmap(|i: Tensor| f(i, x))(i),
            (0..5).map(|k| slopes(|x| f(at(i, k), x).powi(2))(x)).collect::<Vec<_>>(),
            vmap(|i: Tensor| grad(|w: Tensor| g(w, i))(w))(i),
        )
    }),
    case!(cond_batched, |p, x, w| {
        let f = |p: Tensor, x: Tensor, w: Tensor| {
            cond(p.gt(0.0), |x: Tensor| (x * w, x.sum(..)), |x| (x.sin(), float(1.0)), x)
        };
        let loss = |p: Tensor, x: Tensor, w: Tensor| {
            let (y, s) = f(p, x, w);
            squares(y) + s
        };
        let (p0, x0) = (at(p, 0), at(x, 0));
        (
            vmap(|(p, x): Pair| f(p, x, w))((p, x)),
            vmap(|x: Tensor| f(p0, x, w))(x),
            vmap(|p: Tensor| f(p, x0, w))(p),
            vmap(|(p, x): Pair| grad(|(x, w): Pair| loss(p, x, w))((x, w)))((p, x)),
            grad(|w: Tensor| vmap(|(p, x): Pair| loss(p, x, w))((p, x)).sum(..))(w),
        )
    }),
    case!(cond_batched_with_nan, |x, c| {
        let f = |c: Tensor, x: Tensor| cond(c, |x: Tensor| x.abs().sqrt(), |x| x.abs().neg().log() * 0.0 + x, x);
        let yes = full([], DType::Bool, 1);
        (vmap(|(c, x): Pair| f(c, x))((c, x)), vmap(|x: Tensor| f(yes, x))(x))
    }),
    case!(grad_of_scan_of_cond_of_remat, |c, xs, w| {
        let loss = |(c, xs, w): Three| {
            let (c, ys) = chosen_steps(c, xs, w, |_, x| x);
            c.sum(..) + squares(ys)
        };
        (value_and_grad(loss)((c, xs, w)), hessian(|w: Tensor| loss((c, xs, w)))(w))
    }),
    case!(vmap_of_grad_of_scan_of_cond_of_remat, |c, xs, w| {
        let loss = |c: Tensor, w: Tensor| chosen_steps(c, xs, w, |c, _| c).0.sum(..);
        (
            vmap(|c: Tensor| grad(|(c, w): Pair| loss(c, w))((c, w)))(c),
            grad(|w: Tensor| squares(vmap(|c: Tensor| loss(c, w))(c)))(w),
        )
    }),
    case!(scan_of_while, |x, ys| {
        let body = |c: Tensor, y: Tensor| {
            let holds = |(c, n): Pair| squares(c).lt(10.0) & n.lt(5);
            let (c, n) = while_loop(holds, |(c, n)| (c * 1.4 + y, n + 1), (c, int(0)));
            (c * 0.3, n)
        };
        let f = |x: Tensor| scan(body, x, ys);
        (f(x), jvp(|x: Tensor| f(x).0, x, x).1, vmap(f)(ys))
    }),
    case!(associative_pairs, |a, b| {
        let run = |a: Tensor| {
            let body = |h: Tensor, (a, b): Pair| (h * a + b, h * a + b);
            scan(body, float(0.0), (a, b)).1
        };
        (run(a), grad(|a: Tensor| squares(run(a)))(a))
    }),
    case!(scan_f32, |c, xs| {
        let f = |xs: Tensor| scan(|c: Tensor, x: Tensor| (c * 0.5 + x.sin(), c), c, xs);
        (f(xs), grad(|xs: Tensor| squares(f(xs).1))(xs))
    }),
];
