"""Functions with rules of their own: remat, custom_jvp, custom_vjp."""
import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from .common import case, f64, i32

P = jax.checkpoint_policies


def block(x, w, v):
    h = checkpoint_name(jnp.einsum("bi,ij->bj", x, w), "h")
    a = checkpoint_name(jnp.tanh(h), "a")
    return jnp.sin(jnp.einsum("bj,bjk->bk", a, v)) * jnp.sum(a * h)


@case(f64(2, 3), f64(3, 4), f64(2, 4, 3))
def remat_policies(x, w, v):
    policies = (P.nothing_saveable, P.everything_saveable, P.dots_saveable, P.dots_with_no_batch_dims_saveable,
                P.save_only_these_names("a"))
    loss = lambda f: lambda w, v: jnp.sum(f(x, w, v) ** 2)
    return tuple(jax.value_and_grad(loss(jax.checkpoint(block, policy=p)), (0, 1))(w, v) for p in policies)


@case(f64(2, 3), f64(3, 4), f64(2, 4, 3))
def remat_transformed(x, w, v):
    f = lambda w: jnp.sum(jax.checkpoint(block)(x, w, v))
    return (jax.hessian(lambda s: f(w * s))(jnp.ones(())), jax.jvp(f, (w,), (jnp.cos(w),)),
            jax.jvp(jax.grad(f), (w,), (jnp.cos(w),))[1],
            jax.vmap(jax.grad(lambda w, x: jnp.sum(jax.checkpoint(block)(x[None], w, v[:1]))), (None, 0))(w, x),
                jax.grad(jax.checkpoint(lambda w: f(w) ** 2))(w))


@case(f64(3), f64(4, 3))
def remat_in_scan(x, ys):
    layer = jax.checkpoint(lambda c, y: jnp.tanh(c * y + jnp.sum(c)), prevent_cse=False)
    f = lambda x: jnp.sum(lax.scan(lambda c, y: (layer(c, y), None), x, ys)[0] ** 2)
    return jax.value_and_grad(f)(x), jax.hessian(f)(x)


@case(f64(3))
def remat_nested(x):
    inner = jax.checkpoint(lambda x: jnp.sin(x) * x)
    outer = jax.checkpoint(lambda x: jnp.exp(inner(x)) + inner(x * 2))
    return jax.grad(lambda x: jnp.sum(outer(outer(x) * 0.1)))(x), jax.hessian(lambda x: jnp.sum(outer(x)))(x)


@jax.custom_jvp
def log1pexp(x):
    return jnp.log(1 + jnp.exp(x))


@log1pexp.defjvp
def _(x, dx):
    return log1pexp(*x), dx[0] * jax.nn.sigmoid(x[0])


@case(f64(4))
def custom_jvp(x):
    x = x * 300
    total = lambda x: jnp.sum(log1pexp(x))
    return (log1pexp(x / 300), jax.grad(total)(x), jax.jvp(log1pexp, (x / 300,), (x,)), jax.vmap(jax.grad(log1pexp))(x),
            jax.hessian(total)(x / 300),
            jax.grad(lambda x: jax.grad(jax.grad(log1pexp))(x))(x[0] / 300))


@jax.custom_jvp
def pair(x, n, y):
    return jnp.sin(x) * y, x * n


@pair.defjvp
def _(args, tangents):
    (x, n, y), (dx, _, dy) = args, tangents
    # deliberately not the derivative
    return pair(x, n, y), (dx * 2 + dy * y, dx * n - dy)


@case(f64(3), i32(1, 5, 3), f64(3))
def custom_jvp_of_trees(x, n, y):
    f = lambda x, y: pair(x, n, y)
    loss = lambda x, y: jnp.sum(jnp.sin(f(x, y)[0])) + jnp.sum(f(x, y)[1] ** 2)
    return (f(x, y), jax.grad(loss, (0, 1))(x, y), jax.jvp(f, (x, y), (y, x)),
            jax.vmap(lambda x, n, y: jax.jvp(lambda x: pair(x, n, y), (x,), (y,)))(x, n, y))


@jax.custom_vjp
def clip_gradient(x, limit):
    return x


clip_gradient.defvjp(lambda x, limit: (x, limit), lambda limit, ct: (jnp.clip(ct, -limit, limit), jnp.zeros(())))


@case(f64(4), f64())
def custom_vjp(x, limit):
    limit = jnp.abs(limit)
    f = lambda x, limit: jnp.sum(jnp.sin(clip_gradient(x * 3, limit)) * 2)
    return (jax.value_and_grad(f, (0, 1))(x, limit), jax.vmap(jax.grad(lambda x: f(x[None], limit)))(x),
            jax.vmap(jax.grad(f), (None, 0))(x, jnp.stack([limit, limit * 0.1])))


@jax.custom_vjp
def scaled(x, w):
    return {"y": jnp.sin(x) @ w, "n": jnp.sum(x)}


def scaled_forward(x, w):
    return scaled(x, w), ((x, w), [jnp.cos(x)])


def scaled_backward(kept, ct):
    (x, w), [cos] = kept
    # half of the derivative by x, twice that by w
    return 0.5 * cos * (w @ ct["y"]) + ct["n"], 2 * jnp.outer(jnp.sin(x), ct["y"])


scaled.defvjp(scaled_forward, scaled_backward)


@case(f64(3), f64(3, 2), f64(4, 3))
def custom_vjp_with_residual_trees(x, w, xs):
    loss = lambda x, w: jnp.sum(scaled(x, w)["y"] ** 2) * scaled(x, w)["n"]
    return (jax.grad(loss, (0, 1))(x, w), jax.vmap(jax.grad(loss, (0, 1)), (0, None))(xs, w),
            jax.grad(lambda w: jnp.sum(jax.vmap(loss, (0, None))(xs, w)))(w),
            jax.grad(lambda x: jnp.sum(jax.grad(loss)(x, w) ** 2))(x), jax.jacrev(lambda x: scaled(x, w)["y"])(x))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def applied(f, power, x):
    return f(x) ** power


applied.defvjp(lambda f, power, x: (f(x) ** power, x), lambda f, power, x, ct: (ct * power * jnp.sign(x),))


@case(f64(3))
def custom_vjp_with_arguments_that_are_not_differentiated(x):
    return jax.grad(lambda x: jnp.sum(applied(jnp.cos, 3, x) + applied(jnp.exp, 1, x)))(x), applied(jnp.cos, 2, x)


@case(f64(3), f64(5, 3))
def custom_rules_in_loops(x, ys):
    def loss(x, limit=0.7):
        body = lambda c, y: (clip_gradient(jnp.sin(c) * y, limit) + log1pexp(c), None)
        return jnp.sum(lax.scan(body, x, ys)[0])
    choice = lambda x: jnp.sum(lax.cond(x[0] > 0, log1pexp, lambda x: clip_gradient(x * 5, 1.0), x))
    return (jax.grad(loss)(x), jax.grad(jax.checkpoint(loss))(x), jax.vmap(jax.grad(loss))(ys), jax.grad(choice)(x),
            jax.grad(choice)(-x), jax.vmap(jax.grad(choice))(ys))


def implicit_sqrt(a):
    """Newton's iteration, differentiated by the implicit function theorem."""
    @jax.custom_jvp
    def root(a):
        return lax.while_loop(lambda x: jnp.abs(x * x - a) > 1e-14 * a, lambda x: 0.5 * (x + a / x), a + 1)

    @root.defjvp
    def _(a, da):
        x = root(*a)
        return x, da[0] / (2 * x)
    return root(a)


@case(f64(4))
def newton_by_while_loop(x):
    a = jnp.abs(x) * 4 + 1
    return (jax.vmap(implicit_sqrt)(a), jax.vmap(jax.grad(implicit_sqrt))(a), jax.vmap(jax.grad(jax.grad(implicit_sqrt)))(a),
            jax.grad(lambda a: jnp.sum(jax.vmap(implicit_sqrt)(a) ** 3))(a))


@case(f64(3), f64(3, 3))
def fixed_point_by_custom_vjp(b, a):
    """x = tanh(A x + b), whose derivative solves a linear system, here by iteration."""
    a = a * 0.2
    solve = lambda f, x: lax.fori_loop(0, 60, lambda _, x: f(x), x)

    @jax.custom_vjp
    def fixed(a, b):
        return solve(lambda x: jnp.tanh(a @ x + b), jnp.zeros(3))

    def forward(a, b):
        x = fixed(a, b)
        return x, (a, b, x)

    def backward(kept, ct):
        a, b, x = kept
        _, by_x = jax.vjp(lambda x: jnp.tanh(a @ x + b), x)
        u = solve(lambda u: ct + by_x(u)[0], jnp.zeros(3))
        return jax.vjp(lambda a, b: jnp.tanh(a @ x + b), a, b)[1](u)
    fixed.defvjp(forward, backward)
    return fixed(a, b), jax.grad(lambda a, b: jnp.sum(fixed(a, b) ** 2), (0, 1))(a, b)


@case(f64(4))
def straight_through(x):
    # round forwards, the identity backwards
    @jax.custom_vjp
    def rounded(x):
        return jnp.round(x)
    rounded.defvjp(lambda x: (jnp.round(x), None), lambda _, ct: (ct,))
    trick = lambda x: x + lax.stop_gradient(jnp.round(x) - x)
    return tuple(jax.value_and_grad(lambda x: jnp.sum(f(x * 4) ** 2))(x) for f in (rounded, trick))


@case(f64(3), f64(3))
def barriers(x, y):
    f = lambda x, y: lax.optimization_barrier((jnp.sin(x) * y, y))[0]
    return jax.grad(lambda x, y: jnp.sum(f(x, y)), (0, 1))(x, y), jax.vmap(f)(x, y)
