"""Control flow: values, derivatives, batches, and all of them nested."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import case, f32, f64, i32, these


def step(w):
    def f(c, x):
        c = jnp.tanh(c * w + x)
        return c, c * x
    return f


@case(f64(3), f64(5, 3), f64(3))
def scan_options(c, xs, w):
    f = step(w)
    return (lax.scan(f, c, xs), lax.scan(f, c, xs, reverse=True), lax.scan(f, c, xs, unroll=2),
            lax.scan(f, c, xs, reverse=True, unroll=3),
            lax.scan(f, c, xs, unroll=5))


@case(f64(3))
def scan_without_xs(c):
    return (lax.scan(lambda c, _: (jnp.sin(c), c * 2), c, None, length=4),
            lax.scan(lambda c, _: (jnp.sin(c), None), c, None, length=3))


@case(f64(3), f64(0, 3), f64(3))
def scan_of_nothing(c, xs, w):
    f = lambda c, xs, w: jnp.sum(lax.scan(step(w), c, xs)[0] ** 2)
    return lax.scan(step(w), c, xs), jax.grad(f, (0, 1, 2))(c, xs, w)


@case(f64(2), f64(), f64(4, 2), i32(0, 9, 4))
def scan_of_trees(a, b, xs, n):
    def f(carry, x):
        (a, b), i = carry
        x, n = x
        return ((a * jnp.cos(x), b + jnp.sum(a)), i + n), (jnp.stack([a, x]), i)
    return lax.scan(f, ((a, b), jnp.zeros((), jnp.int32)), (xs, n))


@case(f64(3), f64(5, 3), f64(3))
def scan_gradients(c, xs, w):
    def loss(c, xs, w, **options):
        c, ys = lax.scan(step(w), c, xs, **options)
        return jnp.sum(c ** 2) + jnp.sum(jnp.sin(ys))
    return (jax.grad(loss, (0, 1, 2))(c, xs, w), jax.grad(lambda *a: loss(*a, reverse=True), (0, 1, 2))(c, xs, w),
            jax.grad(lambda *a: loss(*a, unroll=2), (0, 1, 2))(c, xs, w))


@case(f64(3), f64(4, 3), f64(3), f64(3))
def scan_forward_mode(c, xs, w, dw):
    f = lambda c, xs, w: lax.scan(step(w), c, xs)
    return (jax.jvp(f, (c, xs, w), (w, jnp.cos(xs), dw)), jax.jvp(lambda w: f(c, xs, w), (w,), (dw,)),
            jax.linearize(lambda w: f(c, xs, w), w)[1](dw),
            jax.jacfwd(lambda w: f(c, xs, w)[0])(w))


@case(f64(2), f64(3, 2), f64(2))
def scan_second_order(c, xs, w):
    f = lambda w: jnp.sum(lax.scan(step(w), c, xs)[0] * c)
    g = lambda c: jnp.sum(lax.scan(step(w), c, xs)[1] ** 2)
    return (jax.hessian(f)(w), jax.hessian(g)(c), jax.jacrev(jax.jacrev(f))(w), jax.jacfwd(jax.jacfwd(f))(w),
            jax.grad(lambda w: jax.jvp(f, (w,), (c,))[1])(w))


@case(f64())
def scan_third_derivative(x):
    f = lambda x: lax.scan(lambda c, _: (jnp.sin(c * x), None), x, None, length=4)[0]
    return jax.grad(jax.grad(jax.grad(f)))(x)


@case(f64(3), f64(2, 4, 3))
def scan_of_scan(c, xs):
    inner = lambda c, xs: lax.scan(lambda c, x: (jnp.sin(c) * x + c, c * c), c, xs)
    f = lambda c, xs: lax.scan(inner, c, xs)
    loss = lambda c, xs: jnp.sum(f(c, xs)[0]) + jnp.sum(jnp.cos(f(c, xs)[1]))
    return f(c, xs), jax.grad(loss, (0, 1))(c, xs), jax.hessian(loss)(c, xs)


@case(f64(4, 3), f64(4, 5, 3), f64(3))
def scan_batched(c, xs, w):
    f = lambda c, xs, w: lax.scan(step(w), c, xs)
    return (jax.vmap(f, (0, 0, None))(c, xs, w), jax.vmap(f, (0, None, None))(c, xs[0], w),
            jax.vmap(f, (None, 0, None))(c[0], xs, w),
            jax.vmap(f, (None, None, 0), (1, 2))(c[0], xs[0], c))


@case(f64(3), f64(2, 4, 3))
def scan_batched_gradients(w, xs):
    f = lambda w, xs: jnp.sum(lax.scan(step(w), jnp.zeros(3), xs, reverse=True)[1] ** 2)
    return (jax.vmap(jax.grad(f), (None, 0))(w, xs), jax.grad(lambda w: jnp.sum(jax.vmap(f, (None, 0))(w, xs)))(w),
            jax.vmap(jax.hessian(f), (None, 0))(w, xs))


@case(f64(3), i32(1, 9, 5))
def scan_with_integer_carry(x, n):
    def f(x):
        body = lambda t, n: ((t[0] + n, t[1] * jnp.sin(x) + t[0]), t)
        return lax.scan(body, (jnp.zeros((), jnp.int32), x), n)
    return f(x), jax.grad(lambda x: jnp.sum(f(x)[0][1]) + jnp.sum(f(x)[1][1] ** 2))(x)


@case(f64(3), these(4, "int32"))
def fori_loops(x, n):
    f = lambda n: lambda x: lax.fori_loop(1, n, lambda i, c: c * jnp.cos(x) + i, x)
    return f(5)(x), f(n)(x), jax.grad(lambda x: jnp.sum(f(5)(x)))(x), jax.jvp(f(n), (x,), (x,))[1], jax.vmap(f(n))(x), f(1)(x)


@case(f64(4), these([1, 4, 0, 2], "int32"))
def fori_loop_batched_bounds(x, n):
    f = lambda x, n: lax.fori_loop(0, n, lambda i, c: c * 0.5 + i, x)
    return (jax.vmap(f)(x, n), jax.vmap(f, (None, 0))(x[0], n),
            jax.vmap(lambda x, n: jax.jvp(lambda x: f(x * x, n), (x,), (x,))[1])(x, n))


@case(f64(4), f64(2))
def while_loops(x, y):
    body = lambda t: (t[0] * 1.5 + y[0], t[1] + 1)
    f = lambda x: lax.while_loop(lambda t: jnp.sum(t[0] ** 2) < 100.0, body, (x, jnp.zeros((), jnp.int32)))
    return f(x), jax.jvp(lambda x: f(x)[0], (x,), (jnp.cos(x),)), jax.jacfwd(lambda x: f(x)[0])(x)


@case(f64(5), f64())
def while_loop_batched(x, y):
    # each instance stops at a step of its own
    f = lambda x, y: lax.while_loop(lambda t: t[0] < 20.0, lambda t: (t[0] * 2.0 + y * y + 0.1, t[1] + 1),
        (jnp.abs(x) + 0.1, jnp.zeros((), jnp.int32)))
    return (jax.vmap(f, (0, None))(x, y), jax.vmap(f, (None, 0))(y, x),
            jax.jvp(lambda x: jax.vmap(f, (0, None))(x, y)[0], (x,), (jnp.ones(5),)))


@case(f64(3, 2), f64(3))
def while_loop_batched_tree(x, limit):
    def f(x, limit):
        cond = lambda t: (t[1] < 8) & (jnp.max(jnp.abs(t[0])) < limit * limit + 1)
        return lax.while_loop(cond, lambda t: (t[0][::-1] * 1.3 + 0.1, t[1] + 1, t[0]), (x, jnp.zeros((), jnp.int32), x))
    return jax.vmap(f)(x, limit), jax.vmap(f, (0, None))(x, limit[0]), jax.vmap(f, (None, 0))(x[0], limit)


@case(f64(), f64(3))
def cond_gradients(p, x):
    f = lambda p, x: lax.cond(p > 0, lambda x: jnp.sin(x) * p, lambda x: x * x + p, x)
    both = lambda p, x: jnp.sum(f(p, x)) + jnp.sum(f(-p, x))
    return f(p, x), f(-p, x), jax.grad(both, (0, 1))(p, x), jax.hessian(lambda x: both(p, x))(x), jax.jvp(f, (p, x), (p, x))


@case(f64(3), f64(2))
def cond_with_captured_values(x, w):
    # one branch uses w, the other does not; one result is constant
    f = lambda x, w: lax.cond(x[0] > x[1], lambda: (jnp.sum(x) * w, jnp.zeros(())), lambda: (w * 0 + 1, jnp.prod(x)))
    loss = lambda x, w: jnp.sum(f(x, w)[0] ** 2) + f(x, w)[1]
    return f(x, w), f(-x, w), jax.grad(loss, (0, 1))(x, w), jax.grad(loss, (0, 1))(-x, w)


@case(f64(3), these([0, 2, -5, 9, 1], "int32"), f64(2))
def switch_gradients(x, i, w):
    branches = [lambda x: jnp.sin(x) * w[0], lambda x: jnp.cumsum(x) * w[1], lambda x: jnp.flip(x) * jnp.sum(w)]
    f = lambda i, x: lax.switch(i, branches, x)
    g = lambda w, i: jnp.sum(lax.switch(i, [lambda x: jnp.sin(x) * w[0], lambda x: x * w[1], lambda x: x * jnp.sum(w)], x))
    return (jax.vmap(f, (0, None))(i, x), tuple(jax.grad(lambda x: jnp.sum(f(i[k], x) ** 2))(x) for k in range(5)),
            jax.vmap(jax.grad(g), (None, 0))(w, i))


@case(f64(4), f64(4, 3), f64(3))
def cond_batched(p, x, w):
    f = lambda p, x, w: lax.cond(p > 0, lambda x: (x * w, jnp.sum(x)), lambda x: (jnp.sin(x), jnp.ones(())), x)
    loss = lambda p, x, w: jnp.sum(f(p, x, w)[0] ** 2) + f(p, x, w)[1]
    return (jax.vmap(f, (0, 0, None))(p, x, w), jax.vmap(f, (None, 0, None))(p[0], x, w),
            jax.vmap(f, (0, None, None))(p, x[0], w),
            jax.vmap(jax.grad(loss, (1, 2)), (0, 0, None))(p, x, w),
                jax.grad(lambda w: jnp.sum(jax.vmap(loss, (0, 0, None))(p, x, w)))(w))


@case(f64(4), these([True, False, True, False], "bool"))
def cond_batched_with_nan(x, c):
    # the branch that is not taken would make NaN
    f = lambda c, x: lax.cond(c, lambda x: jnp.sqrt(jnp.abs(x)), lambda x: jnp.log(-jnp.abs(x)) * 0 + x, x)
    return jax.vmap(f)(c, x), jax.vmap(lambda x: f(True, x))(x)


@case(f64(3), f64(4, 3), f64(3))
def grad_of_scan_of_cond_of_remat(c, xs, w):
    def loss(c, xs, w):
        def body(c, x):
            inner = jax.checkpoint(lambda c, x: jnp.tanh(jnp.sum(c * x) * w + c))
            c = lax.cond(jnp.sum(x) > 0, lambda c: inner(c, x), lambda c: c * jnp.cos(w), c)
            return c, jnp.sum(c)
        c, ys = lax.scan(body, c, xs)
        return jnp.sum(c) + jnp.sum(ys ** 2)
    return jax.value_and_grad(loss, (0, 1, 2))(c, xs, w), jax.hessian(lambda w: loss(c, xs, w))(w)


@case(f64(2, 3), f64(4, 3), f64(3))
def vmap_of_grad_of_scan_of_cond_of_remat(c, xs, w):
    def loss(c, w):
        def body(c, x):
            inner = jax.checkpoint(lambda c, x: jnp.tanh(jnp.sum(c * x) * w + c))
            return lax.cond(jnp.sum(c) > 0, lambda c: inner(c, x), lambda c: c * jnp.cos(w), c), None
        return jnp.sum(lax.scan(body, c, xs)[0])
    return jax.vmap(jax.grad(loss, (0, 1)), (0, None))(c, w), jax.grad(lambda w: jnp.sum(jax.vmap(loss, (0, None))(c, w) ** 2))(w)


@case(f64(3), f64(4, 3))
def scan_of_while(x, ys):
    def body(c, y):
        c, n = lax.while_loop(lambda t: (jnp.sum(t[0] ** 2) < 10) & (t[1] < 5), lambda t: (t[0] * 1.4 + y, t[1] + 1),
            (c, jnp.zeros((), jnp.int32)))
        return c * 0.3, n
    f = lambda x: lax.scan(body, x, ys)
    return f(x), jax.jvp(lambda x: f(x)[0], (x,), (x,))[1], jax.vmap(f)(ys)


@case(f64(6), f64(6))
def associative_pairs(a, b):
    # the linear recurrence h = a h + b, whole
    return (lax.scan(lambda h, ab: (h * ab[0] + ab[1],) * 2, jnp.zeros(()), (a, b))[1],
            jax.grad(lambda a: jnp.sum(lax.scan(lambda h, ab: (h * ab[0] + ab[1],) * 2, jnp.zeros(()), (a, b))[1] ** 2))(a))


@case(f32(3), f32(6, 3))
def scan_f32(c, xs):
    f = lambda c, xs: lax.scan(lambda c, x: (c * 0.5 + jnp.sin(x), c), c, xs)
    return f(c, xs), jax.grad(lambda xs: jnp.sum(f(c, xs)[1] ** 2))(xs)
