"""Transformations and control flow inside each other."""
import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from .common import case, f64, i32, slopes, slopes2, these


def squares(x):
    return jnp.sum(x ** 2)


@case(f64(2), f64(4, 2))
def scan_with_crossing_carries(a, xs):
    # a carry that only passes through, two that change places, one that nothing reads
    def body(t, x):
        a, b, fixed, unread = t
        return (b * fixed, a + x, fixed, unread * x), jnp.sum(a)
    def f(a, xs):
        (a, b, c, _), ys = lax.scan(body, (a, a * 2, jnp.cos(a), a), xs)
        return jnp.sum(a * b) + jnp.sum(ys ** 2) + jnp.sum(c)
    return jax.value_and_grad(f, (0, 1))(a, xs), jax.hessian(f)(a, xs)


@case(f64(3), f64(4, 3))
def scan_of_parts(c, xs):
    # gradients of one result only, of stacked results that do not depend on the carry, and of constants among them
    f = lambda c, xs: lax.scan(lambda c, x: (c * x, (jnp.sin(x), jnp.ones(2), c)), c, xs)
    return (slopes2(lambda c, xs: f(c, xs)[1][0])(c, xs), slopes2(lambda c, xs: f(c, xs)[0])(c, xs),
            slopes2(lambda c, xs: f(c, xs)[1][1] * c[0])(c, xs),
            slopes2(lambda c, xs: f(c, xs)[1][2])(c, xs))


@case(f64(2), f64(3, 2), f64(2, 2))
def scan_over_constants_of_each_other(x, ys, w):
    # what is captured at each level comes from another
    def f(x, ys, w):
        def outer(c, y):
            def inner(d, k):
                return jnp.tanh(w @ d * k + y + c), jnp.sum(d * x)
            d, s = lax.scan(inner, c * y, jnp.arange(1.0, 4.0))
            return d, jnp.sum(s)
        c, s = lax.scan(outer, x, ys)
        return squares(c) + squares(s)
    return jax.value_and_grad(f, (0, 1, 2))(x, ys, w), jax.hessian(lambda w: f(x, ys, w))(w)


@case(f64(5), f64(4))
def loop_that_fills_a_buffer(x, y):
    def f(x):
        def body(i, buffer):
            new = jnp.sin(lax.dynamic_index_in_dim(buffer, i, keepdims=False)) + y[0] * i
            return lax.dynamic_update_index_in_dim(buffer, new, i + 1, 0)
        return lax.fori_loop(0, 4, body, x)
    return (f(x), jax.grad(lambda x: squares(f(x)))(x), jax.jacfwd(f)(x), jax.vmap(f)(jnp.stack([x, x * 2])),
            jax.hessian(lambda x: squares(f(x)))(x))


@case(f64(4, 4))
def cholesky_by_loops(a):
    def f(a):
        a = a @ a.T + 4 * jnp.eye(4)
        def column(j, l):
            s = a - l @ l.T
            d = jnp.sqrt(s[j, j])
            col = jnp.where(jnp.arange(4) > j, s[:, j] / d, 0.0)
            return l + (col + jnp.where(jnp.arange(4) == j, d, 0.0))[:, None] * (jnp.arange(4) == j)
        return lax.fori_loop(0, 4, column, jnp.zeros((4, 4)))
    return f(a), jax.grad(lambda a: jnp.sum(f(a) * jnp.arange(16.0).reshape(4, 4)))(a), jax.vmap(f)(jnp.stack([a, a.T]))


@case(f64(3), f64(3, 2), f64(4, 3))
def decoding_with_a_cache(x, w, ys):
    # attention over what the loop has written so far
    def f(x, w):
        def body(t, y):
            cache, i = t
            cache = lax.dynamic_update_slice(cache, (y * x)[None], (i, jnp.zeros((), jnp.int32)))
            scores = jnp.where(jnp.arange(4) <= i, cache @ (x + y), -1e30)
            return (cache, i + 1), (jax.nn.softmax(scores) @ cache) @ w
        (cache, _), out = lax.scan(body, (jnp.zeros((4, 3)), jnp.zeros((), jnp.int32)), ys)
        return squares(out) + jnp.sum(jnp.cos(cache))
    return jax.value_and_grad(f, (0, 1))(x, w), jax.vmap(jax.grad(f), (0, None))(ys, w)


@case(f64(3), f64(3))
def while_of_while(x, y):
    def f(x, y):
        inner = lambda t: lax.while_loop(lambda t: t[1] < 4, lambda t: (t[0] * 1.1 + y * y,
            t[1] + 1 + (t[0] > 1).astype(jnp.int32)), (t, jnp.zeros((), jnp.int32)))
        return lax.while_loop(lambda t: t[0] < 30, lambda t: (inner(t[0])[0] + 0.5, t[1] + 1),
            (jnp.abs(x), jnp.zeros((), jnp.int32)))
    return (jax.vmap(f)(x, y), jax.vmap(f, (0, None))(x, y[0]), jax.vmap(f, (None, 0))(x[0], y),
            jax.jvp(lambda x: jax.vmap(f, (0, None))(x, y[0])[0], (x,), (y,))[1])


@case(f64(4), these([3, 0, 5, 1], "int32"))
def while_with_shared_and_batched_parts(x, n):
    # the number of steps is shared, or differs while some carries are shared, or only what is captured differs
    def f(x, n, start):
        return lax.while_loop(lambda t: t[0] < n, lambda t: (t[0] + 1, t[1] * 0.5 + x, t[2] + 2.0),
            (jnp.zeros((), jnp.int32), start, jnp.zeros(())))
    one = jnp.ones(())
    return (jax.vmap(f, (0, None, None))(x, n[0], one), jax.vmap(f, (None, 0, None))(x[0], n, one),
            jax.vmap(f, (None, None, 0))(x[0], n[2], x), jax.vmap(f, (0, 0, 0))(x, n, x))


@case(f64(4), f64(3))
def cond_of_cond(p, x):
    def f(p, x):
        inner = lambda x: lax.cond(p > 0.5, lambda x: jnp.exp(-x * x), lambda x: x * p, x)
        return lax.cond(p > 0, inner, lambda x: lax.switch(jnp.floor(-p * 2).astype(jnp.int32),
            [lambda x: x ** 2, lambda x: jnp.sin(x) * p, jnp.cos], x), x)
    total = lambda p, x: jnp.sum(jax.vmap(f, (0, None))(p, x) ** 2)
    return (jax.vmap(f, (0, None))(p, x), jax.grad(total, (0, 1))(p, x), jax.hessian(lambda x: total(p, x))(x),
            tuple(jax.grad(lambda q: jnp.sum(f(q, x)))(p[k]) for k in range(4)))


@case(f64(3), i32(0, 3, 4))
def cond_with_results_of_any_dtype(x, n):
    def f(x, n):
        return lax.cond(n > 1, lambda: (x * 2, n + 1, n > 2, jnp.argmax(x).astype(jnp.int32)),
            lambda: (jnp.sin(x), n - 1, jnp.array(True), n))
    return jax.vmap(f, (None, 0))(x, n), jax.grad(lambda x: jnp.sum(jax.vmap(lambda n: f(x, n)[0])(n)))(x)


@case(f64(3), f64(4, 3))
def cond_in_scan_with_constants(w, xs):
    # residuals of different sizes in the branches
    def f(w):
        def body(c, x):
            big = lambda c: jnp.sum(jnp.tanh(jnp.outer(c, x)) * w, 1)
            return lax.cond(jnp.sum(c) > 0, big, lambda c: jnp.sin(c) * jnp.sum(w), c), jnp.max(c)
        c, ys = lax.scan(body, w * 0.5, xs)
        return squares(c) + jnp.sum(ys)
    return jax.value_and_grad(f)(w), jax.jvp(jax.grad(f), (w,), (jnp.ones(3),))[1], jax.vmap(jax.grad(f))(xs)


@case(f64(3), f64(3, 3), f64(2, 3))
def remat_with_captured_values(x, w, xs):
    # remat of functions that capture, of loops, in branches, with integers, and of what vmap makes
    captured = jax.checkpoint(lambda x: jnp.tanh(w @ x) * x)
    looped = jax.checkpoint(lambda x: lax.scan(lambda c, y: (jnp.sin(c * y), jnp.sum(c)), x, w))
    counted = jax.checkpoint(lambda x, n: (x * n, n + 1))
    branch = lambda x: lax.cond(x[0] > 0, captured, jax.checkpoint(lambda x: jnp.cos(w @ x)), x)
    def by_w(w):
        f = jax.checkpoint(lambda x: jnp.tanh(w @ x) * x)
        return squares(f(f(x)))
    return (slopes(captured)(x), slopes(lambda x: looped(x)[0])(x), slopes(lambda x: looped(x)[1] ** 2)(x),
            jax.grad(lambda x: jnp.sum(counted(x, jnp.array(3, jnp.int32))[0] ** 2))(x),
            slopes(branch)(x), slopes(branch)(-x), jax.value_and_grad(by_w)(w), slopes(jax.checkpoint(jax.vmap(captured)))(xs),
                jax.hessian(lambda x: squares(looped(x)[0]))(x))


@case(f64(3), f64(3, 3))
def remat_names_in_scan(x, w):
    policy = jax.checkpoint_policies.save_only_these_names("kept")
    def layer(c, w):
        h = checkpoint_name(jnp.sin(w * c), "kept")
        return jnp.exp(-h * h) * c + checkpoint_name(h, "other"), None
    f = lambda x, w: squares(lax.scan(jax.checkpoint(layer, policy=policy, prevent_cse=False), x, w)[0])
    g = lambda x, w: squares(jax.checkpoint(lambda x, w: lax.scan(layer, x, w)[0], policy=policy)(x, w))
    return jax.value_and_grad(f, (0, 1))(x, w), jax.value_and_grad(g, (0, 1))(x, w), jax.hessian(f)(x, w)


@case(f64(2, 3), f64(3, 3))
def mapped_layers_of_everything(x, w):
    # vmap of scan of remat of cond of while, differentiated forwards
    def f(x, w):
        def layer(c, row):
            inner = jax.checkpoint(lambda c: lax.cond(jnp.sum(c) > 0,
                lambda c: lax.while_loop(lambda t: jnp.max(jnp.abs(t)) < 4, lambda t: t * 1.5 + row * 0.1, c + 0.1),
                lambda c: jnp.tanh(c * row), c))
            return inner(c), jnp.sum(c)
        return lax.scan(layer, x, w)
    g = lambda w: jax.vmap(f, (0, None))(x, w)
    return g(w), jax.jvp(g, (w,), (jnp.cos(w),))[1], jax.jacfwd(lambda w: jnp.sum(g(w)[0], 0))(w)


@case(f64(3), f64(3))
def modes_of_modes(x, v):
    f = lambda x: jnp.sum(jnp.exp(x) * jnp.sin(x[::-1])) * jnp.cumsum(x)
    y, push = jax.linearize(f, x)
    _, pull = jax.vjp(f, x)
    return (push(v), pull(v)[0], jax.vjp(push, v)[1](y)[0], jax.jvp(lambda ct: pull(ct)[0], (v,), (y,))[1],
            jax.jvp(lambda x: jax.vjp(f, x)[1](v)[0], (x,), (v,))[1],
            jax.vjp(lambda x: jax.jvp(f, (x,), (v,))[1], x)[1](v)[0], jax.linearize(jax.grad(lambda x: jnp.sum(f(x))), x)[1](v),
                jax.vmap(push)(jnp.stack([v, y])))


@case(f64(3), f64(2, 3))
def functions_of_derivatives(x, w):
    # derivatives inside loops and branches
    energy = lambda x, w: jnp.sum(jnp.exp(x * w) + x ** 4)
    newton = lambda x, w: x - jax.grad(energy)(x, w) / jax.vmap(lambda e: jax.jvp(jax.grad(lambda x: energy(x, w)), (x,),
        (e,))[1] @ e)(jnp.eye(3))
    solve = lambda w: lax.fori_loop(0, 5, lambda _, x: newton(x, w), x)
    picked = lambda x, w: lax.cond(jnp.sum(w) > 0, lambda x: jax.grad(energy)(x, w), lambda x: jax.hessian(energy)(x, w)[0], x)
    return (jax.vmap(solve)(w), jax.grad(lambda w: squares(solve(w)))(w[0]), picked(x, w[0]), picked(x, -w[0]),
            jax.jacrev(lambda x: picked(x, w[0]))(x), jax.vmap(picked, (None, 0))(x, w))


@case(f64(2, 3, 3), f64(2, 3, 4), these([[0, 2], [2, 1]], "int32"))
def mapped_linear_algebra(a, b, i):
    # solving by elimination under vmap, with its gradient
    def solve(a, b):
        a = a @ a.T + jnp.eye(3)
        def eliminate(k, t):
            a, b = t
            row, rhs = a[k] / a[k, k], b[k] / a[k, k]
            others = (jnp.arange(3) != k)[:, None]
            column = lax.dynamic_slice_in_dim(a, k, 1, 1)
            a, b = a - others * column * row, b - others * column * rhs
            return a.at[k].set(row), b.at[k].set(rhs)
        return lax.fori_loop(0, 3, eliminate, (a, b))[1]
    f = lambda a, b: jnp.sum(jnp.sin(jax.vmap(solve)(a, b)))
    return jax.vmap(solve)(a, b), jax.grad(f, (0, 1))(a, b), jax.vmap(lambda a, i: a[i[0], i[1]])(a, i)


@case(f64(4, 3))
def gradients_inside_named_axes(x):
    # the derivative of a sum over instances by each instance's own value
    f = lambda g: jax.vmap(jax.grad(g), axis_name="i")(x)
    return (f(lambda x: jnp.sum(lax.psum(x * x, "i"))), f(lambda x: jnp.sum(jnp.sin(lax.pmean(x, "i")) * x)),
            f(lambda x: jnp.sum(lax.ppermute(x ** 2, "i", [(0, 1), (1, 2), (2, 3), (3, 0)]) * (1.0 + lax.axis_index("i")))),
            f(lambda x: jnp.sum(lax.all_gather(jnp.sin(x), "i") ** 2)),
                jax.vmap(jax.hessian(lambda x: jnp.sum(lax.psum(x ** 3, "i"))), axis_name="i")(x),
            jax.vmap(lambda x: jax.jvp(lambda x: lax.psum(jnp.sin(x), "i") * x, (x,), (x,)), axis_name="i")(x),
                jax.vmap(lambda x: jax.vjp(lambda x: lax.psum(x, "i") * x, x)[1](x)[0], axis_name="i")(x))


@case(f64(4, 3), f64(3))
def data_parallel_steps(x, w):
    # each instance has a part of the data; parameters stay equal because gradients are averaged
    def train(w, x):
        def step(w, _):
            l, g = jax.value_and_grad(lambda w: jnp.mean(jnp.tanh(x * w) ** 2))(w)
            return w - 0.3 * lax.pmean(g, "data"), lax.pmean(l, "data")
        return lax.scan(step, w, None, length=4)
    run = jax.vmap(train, (None, 0), (None, None), axis_name="data")
    return run(w, x), jax.grad(lambda w: squares(run(w, x)[0]))(w), jax.grad(lambda x: run(w, x)[1][-1])(x)


@case(f64(2, 3, 4))
def named_axes_through_unnamed_ones(x):
    # a collective of the outer axis inside an inner map without a name, in a loop, rematerialised
    def f(x):
        def body(c, _):
            g = jax.checkpoint(lambda c: jax.vmap(lambda r: r - lax.pmean(r, "o") + lax.psum(jnp.sum(r), "o") * 0.01)(c))
            return jnp.sin(g(c)), None
        return lax.scan(body, x, None, length=2)[0]
    run = jax.vmap(f, axis_name="o")
    return run(x), jax.grad(lambda x: squares(run(x)))(x), jax.jvp(run, (x,), (jnp.cos(x),))[1]


@case(f64(3, 4))
def second_derivatives_of_pieces(x):
    return (jax.hessian(lambda x: jnp.sum(jnp.sin(lax.cumprod(x))))(x[0]),
            jax.hessian(lambda x: jnp.sum(lax.cumlogsumexp(x) ** 2))(x[1]),
            jax.hessian(lambda x: jnp.sum(lax.cummax(x) ** 3))(x[2]),
            jax.hessian(lambda x: jnp.prod(x) * jnp.max(x))(x[0]),
                jax.hessian(lambda x: jnp.sum(jnp.sort(x) ** 3 * jnp.arange(4.0)))(x[1]), jax.hessian(lambda x: jnp.std(x))(x[2]),
            jax.jacfwd(jax.hessian(jax.nn.logsumexp))(x[0]), jax.hessian(lambda x: jnp.sum(jax.nn.softmax(x.reshape(2,
                2)) ** 2))(x[1]), jax.hessian(lambda x: jnp.sum(lax.top_k(x * x, 2)[0] ** 2))(x[2]))


@case(these([1, 1, 1, 2], "float64"), these([2, 0, 0, 3], "float64"))
def second_derivatives_at_ties(x, y):
    return (jax.hessian(lambda x: jnp.sum(lax.cumlogsumexp(x) ** 2))(x), jax.hessian(jax.nn.logsumexp)(x),
            jax.hessian(lambda x: jnp.sum(jax.nn.softmax(x) ** 2))(x), jax.hessian(lambda y: jnp.sum(lax.cumprod(y)))(y),
            jax.hessian(lambda y: jnp.prod(y))(y), jax.hessian(lambda x: jnp.max(x) ** 2)(x),
                jax.hessian(lambda x: jnp.sum(jnp.maximum(x, 1) ** 2))(x), jax.hessian(lambda y: jnp.sum(y ** 2 * jnp.abs(y)))(y),
                jax.hessian(lambda y: jnp.sum(jax.nn.relu(y) ** 2))(y))


@case(f64(3, 4))
def precision_and_bits(x):
    # rounding passes tangents on, rounded likewise; bits have no derivative
    low = lambda x: lax.reduce_precision(x, 8, 7)
    bits = lambda x: lax.bitcast_convert_type(lax.bitcast_convert_type(x, jnp.int64), jnp.float64)
    return (slopes(lambda x: jnp.sin(low(x)))(x), jax.jvp(low, (x,), (x / 3,))[1], jax.grad(lambda x: jnp.sum(x * bits(x)))(x),
            slopes(lambda x: x.astype(jnp.float32).astype(jnp.float64) ** 2)(x))


@case(f64(3, 4, 2), these([[2, 1], [0, 3], [2, 1]], "int32"), f64(3, 2))
def windows_at_pairs_of_indices(x, i, u):
    # x[i, j] and its transpose, also mapped
    pick = lambda x, i: x[i[:, 0], i[:, 1]]
    add = lambda x, i, u: x.at[i[:, 0], i[:, 1]].add(u)
    mapped = jax.vmap(add, (2, None, 1), 2)
    return (pick(x, i), add(x, i, u), slopes(lambda x: jnp.sin(pick(x, i)))(x), slopes2(lambda x, u: jnp.cos(add(x, i, u)))(x, u),
            mapped(x, i, u), jax.vmap(pick, (2, None))(x, i),
            jax.grad(lambda u: squares(mapped(x, i, u)))(u))


@case(f64(2, 5), i32(0, 5, 2, 3))
def sorting_under_everything(x, i):
    # argsort, gather by it, and gradients, mapped
    ranks = lambda x: jnp.argsort(jnp.argsort(x)).astype(jnp.int32)
    soft = lambda x: jnp.sum(jnp.take(jnp.sort(x), ranks(x)) * jnp.arange(5.0))
    first = lambda x: lax.sort([x, jnp.cos(x)], num_keys=1)[1][:2]
    return (jax.vmap(ranks)(x), jax.vmap(jax.grad(soft))(x), jax.grad(lambda x: jnp.sum(jax.vmap(soft)(x) ** 2))(x),
            jax.vmap(jax.jacrev(first))(x), jax.vmap(jax.jacfwd(first))(x),
            jax.vmap(lambda x, i: jax.grad(lambda x: jnp.sum(jnp.sort(x)[i] ** 2))(x))(x, i),
                jax.vmap(jax.hessian(lambda x: jnp.sum(first(x) ** 2)))(x))
