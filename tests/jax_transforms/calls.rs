//! Functions with rules of their own: `remat`, `custom_jvp`, `custom_vjp`.
use super::{Case, float, int, slopes};
use raxla::{
    Policy, RematOptions, checkpoint_name, cond, custom_jvp, custom_vjp, fori_loop, grad, hessian, jacrev, jvp,
    optimization_barrier, prelude::*, remat, remat_with, scan, value_and_grad, vjp, vmap, while_loop,
};

type Pair = (Tensor, Tensor);
type Three = (Tensor, Tensor, Tensor);

fn block((x, w, v): Three) -> Tensor {
    let h = checkpoint_name(einsum("bi,ij->bj", x, w), "h");
    let a = checkpoint_name(h.tanh(), "a");
    einsum("bj,bjk->bk", a, v).sin() * (a * h).sum(..)
}

fn softplus(x: Tensor) -> Tensor {
    (x.exp() + 1.0).log()
}
/// ln(1 + eˣ), whose tangent does not overflow.
fn log1pexp(x: Tensor) -> Tensor {
    fn rule(x: Tensor, dx: Tensor) -> Pair {
        (log1pexp(x), dx * x.logistic())
    }
    custom_jvp(softplus, rule)(x)
}

fn clip_gradient(x: Tensor, limit: Tensor) -> Tensor {
    let backward = |limit: Tensor, ct: Tensor| (ct.maximum(-limit).minimum(limit), limit.like(0.0));
    custom_vjp(|(x, _): Pair| x, |(x, limit): Pair| (x, limit), backward)((x, limit))
}

fn pair((x, n, y): Three) -> Pair {
    // deliberately not the derivative
    let rule =
        |(x, n, y): Three, (dx, _, dy): Three| (pair((x, n, y)), (dx * 2.0 + dy * y, dx * n.cast(DType::F64) - dy));
    custom_jvp(|(x, n, y): Three| (x.sin() * y, x * n.cast(DType::F64)), rule)((x, n, y))
}

#[derive(Tree, Clone)]
struct Scaled<T = Tensor> {
    y: T,
    n: T,
}
#[derive(Tree, Clone)]
struct Kept<T = Tensor> {
    args: (T, T),
    cos: Vec<T>,
}
fn scaled(x: Tensor, w: Tensor) -> Scaled {
    let f = |(x, w): Pair| Scaled { y: einsum("i,ij->j", x.sin(), w), n: x.sum(..) };
    let forward = |(x, w): Pair| (scaled(x, w), Kept { args: (x, w), cos: vec![x.cos()] });
    // half of the derivative by x, twice that by w
    let backward = |Kept { args: (x, w), cos }: Kept, ct: Scaled| {
        (cos[0] * 0.5 * einsum("ij,j->i", w, ct.y) + ct.n, einsum("i,j->ij", x.sin(), ct.y) * 2.0)
    };
    custom_vjp(f, forward, backward)((x, w))
}

/// f(x) to a power, with half of a derivative.
fn applied(f: fn(Tensor) -> Tensor, power: i32, x: Tensor) -> Tensor {
    let call = move |x: Tensor| f(x).powi(power);
    custom_vjp(call, move |x: Tensor| (call(x), x), move |x: Tensor, ct: Tensor| ct * power * x.sign())(x)
}

/// Newton's iteration, differentiated by the implicit function theorem.
fn implicit_sqrt(a: Tensor) -> Tensor {
    let iterate = |a: Tensor| while_loop(|x: Tensor| (x * x - a).abs().gt(a * 1e-14), |x| (x + a / x) * 0.5, a + 1.0);
    let rule = |a: Tensor, da: Tensor| {
        let x = implicit_sqrt(a);
        (x, da / (x * 2.0))
    };
    custom_jvp(iterate, rule)(a)
}

/// x = tanh(A x + b), whose derivative solves a linear system, here by iteration.
fn fixed((a, b): Pair) -> Tensor {
    let cell = |a: Tensor, b: Tensor, x: Tensor| (einsum("ij,j->i", a, x) + b).tanh();
    let solve = |f: &dyn Fn(Tensor) -> Tensor| fori_loop(0, 60, |_, x: Tensor| f(x), zeros([3], DType::F64));
    let call = move |(a, b): Pair| solve(&|x| cell(a, b, x));
    let backward = move |(a, b, x): Three, ct: Tensor| {
        let (_, by_x) = vjp(|x: Tensor| cell(a, b, x), x);
        let u = solve(&|u| ct + by_x(u));
        vjp(|(a, b): Pair| cell(a, b, x), (a, b)).1(u)
    };
    let forward = move |(a, b): Pair| {
        let x = call((a, b));
        (x, (a, b, x))
    };
    custom_vjp(call, forward, backward)((a, b))
}

fn squares(x: Tensor) -> Tensor {
    x.powi(2).sum(..)
}

pub const CASES: &[Case] = &[
    case!(remat_policies, |x, w, v| {
        let policies = [
            Policy::SaveNothing,
            Policy::SaveEverything,
            Policy::SaveDots,
            Policy::SaveDotsWithoutBatchAxes,
            Policy::SaveNames(vec!["a".into()]),
        ];
        policies.map(|policy| {
            let f = remat_with(RematOptions { policy, ..Default::default() }, block);
            value_and_grad(|(w, v): Pair| squares(f((x, w, v))))((w, v))
        })
    }),
    case!(remat_transformed, |x, w, v| {
        let f = |w: Tensor| remat(block)((x, w, v)).sum(..);
        let v0 = v.slice_axis(0, ..1);
        let one = |w: Tensor, x: Tensor| remat(block)((x.expand_dims(0), w, v0)).sum(..);
        (
            hessian(|s: Tensor| f(w * s))(float(1.0)),
            jvp(f, w, w.cos()),
            jvp(grad(f), w, w.cos()).1,
            vmap(|x: Tensor| grad(|w: Tensor| one(w, x))(w))(x),
            grad(remat(|w: Tensor| f(w).powi(2)))(w),
        )
    }),
    case!(remat_in_scan, |x, ys| {
        let options = RematOptions { fenced: false, ..Default::default() };
        let layer = remat_with(options, |(c, y): Pair| (c * y + c.sum(..)).tanh());
        let f = |x: Tensor| squares(scan(|c: Tensor, y: Tensor| (layer((c, y)), ()), x, ys).0);
        (value_and_grad(f)(x), hessian(f)(x))
    }),
    case!(remat_nested, |x| {
        let inner = remat(|x: Tensor| x.sin() * x);
        let outer = remat(|x: Tensor| inner(x).exp() + inner(x * 2.0));
        (slopes(|x| outer(outer(x) * 0.1))(x), hessian(|x: Tensor| outer(x).sum(..))(x))
    }),
    case!(custom_jvp, |x| {
        let wide = x * 300.0;
        let total = |x: Tensor| log1pexp(x).sum(..);
        (
            log1pexp(x),
            grad(total)(wide),
            jvp(log1pexp, x, wide),
            vmap(grad(log1pexp))(wide),
            hessian(total)(x),
            grad(grad(grad(log1pexp)))(x.dynamic_index(0, int(0))),
        )
    }),
    case!(custom_jvp_of_trees, |x, n, y| {
        let f = |(x, y): Pair| pair((x, n, y));
        let loss = |(x, y): Pair| {
            let (a, b) = f((x, y));
            a.sin().sum(..) + squares(b)
        };
        let each = |(x, n, y): Three| jvp(|x: Tensor| pair((x, n, y)), x, y);
        (f((x, y)), grad(loss)((x, y)), jvp(f, (x, y), (y, x)), vmap(each)((x, n, y)))
    }),
    case!(custom_vjp, |x, limit| {
        let limit = limit.abs();
        let f = |x: Tensor, limit: Tensor| (clip_gradient(x * 3.0, limit).sin() * 2.0).sum(..);
        (
            value_and_grad(|(x, limit): Pair| f(x, limit))((x, limit)),
            vmap(grad(|x: Tensor| f(x.expand_dims(0), limit)))(x),
            vmap(|limit: Tensor| grad(|x: Tensor| f(x, limit))(x))(stack(&[limit, limit * 0.1], 0)),
        )
    }),
    case!(custom_vjp_with_residual_trees, |x, w, xs| {
        let loss = |(x, w): Pair| squares(scaled(x, w).y) * scaled(x, w).n;
        (
            grad(loss)((x, w)),
            vmap(|x: Tensor| grad(loss)((x, w)))(xs),
            grad(|w: Tensor| vmap(|x: Tensor| loss((x, w)))(xs).sum(..))(w),
            grad(|x: Tensor| squares(grad(|x: Tensor| loss((x, w)))(x)))(x),
            jacrev(|x: Tensor| scaled(x, w).y)(x),
        )
    }),
    case!(custom_vjp_with_arguments_that_are_not_differentiated, |x| (
        slopes(|x| applied(Tensor::cos, 3, x) + applied(Tensor::exp, 1, x))(x),
        applied(Tensor::cos, 2, x),
    )),
    case!(custom_rules_in_loops, |x, ys| {
        let loss = |x: Tensor| {
            let limit = float(0.7);
            scan(|c: Tensor, y: Tensor| (clip_gradient(c.sin() * y, limit) + log1pexp(c), ()), x, ys).0.sum(..)
        };
        let choice = |x: Tensor| {
            let positive = x.dynamic_index(0, int(0)).gt(0.0);
            cond(positive, log1pexp, |x: Tensor| clip_gradient(x * 5.0, float(1.0)), x).sum(..)
        };
        [
            grad(loss)(x),
            grad(remat(loss))(x),
            vmap(grad(loss))(ys),
            grad(choice)(x),
            grad(choice)(-x),
            vmap(grad(choice))(ys),
        ]
    }),
    case!(newton_by_while_loop, |x| {
        let a = x.abs() * 4.0 + 1.0;
        [
            vmap(implicit_sqrt)(a),
            vmap(grad(implicit_sqrt))(a),
            vmap(grad(grad(implicit_sqrt)))(a),
            slopes(|a| vmap(implicit_sqrt)(a).powi(3))(a),
        ]
    }),
    case!(fixed_point_by_custom_vjp, |b, a| {
        let a = a * 0.2;
        (fixed((a, b)), grad(|(a, b): Pair| squares(fixed((a, b))))((a, b)))
    }),
    case!(straight_through, |x| {
        let rounded = custom_vjp(|x: Tensor| x.round(), |x: Tensor| (x.round(), ()), |(), ct: Tensor| ct);
        let trick = |x: Tensor| x + (x.round() - x).stop_gradient();
        (
            value_and_grad(|x: Tensor| squares(rounded(x * 4.0)))(x),
            value_and_grad(|x: Tensor| squares(trick(x * 4.0)))(x),
        )
    }),
    case!(barriers, |x, y| {
        let f = |(x, y): Pair| optimization_barrier((x.sin() * y, y)).0;
        (grad(|t: Pair| f(t).sum(..))((x, y)), vmap(f)((x, y)))
    }),
];
