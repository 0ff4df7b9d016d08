"""vmap: axes, nesting, with derivatives, and of operations whose batching is not obvious."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import case, f32, f64, i32, these


@case(f64(2, 3), f64(3, 2))
def vmap_axes(x, y):
    f = lambda x, y: (x * y, jnp.sum(x))
    return (jax.vmap(f, (0, 1), 0)(x, y), jax.vmap(f, (-1, 0), (1, 0))(x, y), jax.vmap(f, (0, None), (-1, 0))(x, y[:, 0]),
            jax.vmap(lambda x: jnp.outer(x, x), -2, -1)(x))


@case(f64(4, 3), f64(3), f64(4))
def vmap_axes_per_leaf(w, b, s):
    layer = lambda p, s: (jnp.sum(p[0] * p[1]) * s, p[0] + p[1])
    return jax.vmap(layer, ((0, None), 0), (0, 1))((w, b), s)


@case(f64(3), f64(3))
def vmap_out_axes_none(x, y):
    return jax.vmap(lambda x: (x + 1, jnp.sum(y) * 2), 0, (0, None))(x)


@case(f64(2, 3), f64(4, 3))
def vmap_nested(x, y):
    dot = lambda a, b: jnp.sum(a * jnp.sin(b))
    pairs = jax.vmap(jax.vmap(dot, (None, 0)), (0, None))
    return (pairs(x, y), jax.vmap(lambda a: jax.vmap(lambda b: dot(a, b), 0)(y), 0, 1)(x),
            jax.vmap(jax.vmap(lambda a: a * a, 1, 1), 0, 1)(x[:, :, None] + y[:2, None]))


@case(f64(4, 3), f64(3))
def vmap_of_grad(x, w):
    f = lambda w, x: jnp.tanh(jnp.sum(w * x)) * jnp.sum(jnp.sin(x) * w)
    return (jax.vmap(jax.grad(f), (None, 0))(w, x), jax.vmap(jax.value_and_grad(f), (None, 0))(w, x),
            jax.vmap(jax.hessian(f), (None, 0))(w, x), jax.vmap(jax.jacrev(lambda x: x * f(w, x)))(x))


@case(f64(4, 3), f64(3))
def grad_of_vmap(x, w):
    f = lambda w, x: jnp.tanh(jnp.sum(w * x)) * jnp.sum(jnp.sin(x) * w)
    total = lambda w: jnp.sum(jax.vmap(f, (None, 0))(w, x) ** 2)
    return (jax.grad(total)(w), jax.hessian(total)(w), jax.jacfwd(lambda w: jax.vmap(f, (None, 0))(w, x))(w),
            jax.jacrev(lambda w: jax.vmap(f, (None, 0))(w, x))(w))


@case(f64(3, 5), these([0, 3, -2], "int32"), f64(3, 2))
def vmap_dynamic_slice(x, i, u):
    part = lambda x, i: lax.dynamic_slice_in_dim(x, i, 2)
    put = lambda x, u, i: lax.dynamic_update_slice_in_dim(x, u, i, 0)
    return (jax.vmap(part)(x, i), jax.vmap(part, (None, 0))(x[0], i), jax.vmap(part, (0, None))(x, i[1]), jax.vmap(put)(x, u, i),
            jax.vmap(put, (None, 0, 0))(x[0], u, i), jax.vmap(put, (0, None, 0))(x, u[0], i),
                jax.vmap(put, (None, 0, None))(x[0], u, i[1]))


@case(f64(3, 5), these([0, 4, -2], "int32"))
def vmap_dynamic_slice_gradient(x, i):
    f = lambda x, i: jnp.sum(jnp.sin(lax.dynamic_slice_in_dim(x, i, 2)))
    return jax.vmap(jax.grad(f))(x, i), jax.grad(lambda x: jnp.sum(jax.vmap(f, (None, 0))(x, i)))(x[0])


@case(f64(3, 4, 2), these([[0, 3, -1], [2, 2, 9], [1, 0, -9]], "int32"), f64(3, 3, 2))
def vmap_gather_and_scatter(x, i, u):
    take = lambda x, i: jnp.take(x, i, 0)
    add, put = lambda x, i, u: x.at[i].add(u), lambda x, i, u: x.at[i[::2]].set(u[::2])
    return (jax.vmap(take)(x, i), jax.vmap(take, (None, 0))(x[0], i), jax.vmap(take, (0, None))(x, i[0]), jax.vmap(add)(x, i, u),
            jax.vmap(add, (None, 0, None))(x[0], i, u[0]), jax.vmap(add, (0, None, None))(x, i[0], u[0]), jax.vmap(put)(x, i, u),
            jax.vmap(put, (None, None, 0))(x[0], i[0], u), jax.vmap(lambda x, i: jnp.take_along_axis(x, i[:, None], 0))(x, i))


@case(f64(3, 4), these([[0, 3, -1], [2, 2, 9], [1, 0, -9]], "int32"), f64(3, 3))
def vmap_scatter_gradient(x, i, u):
    f = lambda x, u, i: jnp.sum(jnp.sin(x.at[i].add(u)) + jnp.cos(x.at[i].max(u)))
    return jax.vmap(jax.grad(f, (0, 1)))(x, u, i), jax.vmap(jax.grad(f, (0, 1)), (None, 0, 0))(x[0], u, i)


@case(f64(3, 6))
def vmap_sort(x):
    return (jax.vmap(jnp.sort)(x), jax.vmap(lambda x: jnp.argsort(x).astype(jnp.int32), 1)(x),
            jax.vmap(lambda x: lax.top_k(x, 2))(x),
            jax.vmap(lambda x: jnp.argmax(x).astype(jnp.int32))(x),
                jax.vmap(jax.grad(lambda x: jnp.sum(jnp.sort(x)[:2] ** 2)))(x))


@case(f64(3, 4))
def vmap_reductions(x):
    return jax.vmap(lambda x: (jnp.cumsum(x), lax.cummax(x), jnp.prod(x), jnp.max(x), jax.nn.softmax(x), jax.nn.logsumexp(x),
        jnp.var(x)), 1)(x)


@case(f64(2, 3, 4), f64(2, 4, 5))
def vmap_einsum(x, y):
    f = lambda x, y: jnp.einsum("ij,jk->ki", x, y)
    return (jax.vmap(f)(x, y), jax.vmap(f, (0, None), 2)(x, y[0]), jax.vmap(f, (None, 0), 1)(x[0], y),
            jax.vmap(lambda x: jnp.einsum("ij,kj->ik", x, x), 2)(x))


@case(f64(3, 2, 4))
def vmap_shapes(x):
    f = lambda x: (x.T, jnp.pad(x, ((0, 1), (1, 0))), jnp.concatenate([x, x * 2], 0), jnp.flip(x, -1), x[:, ::2], jnp.tril(x),
        x.reshape(8), jnp.where(x > 0, x, 0.0))
    return jax.vmap(f)(x), jax.vmap(f, 2, -1)(jnp.moveaxis(x, 0, 2))


@case(f64(3), f64(3), these([True, False, True], "bool"))
def vmap_select_and_clamp(low, x, c):
    return (jax.vmap(lambda c, x: jnp.where(c, x, -x))(c, x), jax.vmap(lambda c: jnp.where(c, x, 0.0))(c),
            jax.vmap(lambda x: jnp.where(c, x, low))(x),
            jax.vmap(lambda l, x: lax.clamp(l, x, l + 1))(low, x), jax.vmap(lambda l: jnp.clip(x, l, l + 1))(low))


@case(f32(0, 3))
def vmap_of_nothing(x):
    return jax.vmap(jnp.sin)(x), jax.vmap(jnp.sum)(x), jax.grad(lambda x: jnp.sum(jax.vmap(jnp.sin)(x)))(x)


@case(f64(2, 3), f64(2, 3))
def jvp_of_vmap(x, dx):
    f = jax.vmap(lambda x: jnp.cumsum(jnp.sin(x)) * x[0])
    return (jax.jvp(f, (x,), (dx,)), jax.vmap(lambda x, dx: jax.jvp(lambda x: jnp.cumsum(jnp.sin(x)), (x,), (dx,))[1])(x, dx),
            jax.vmap(lambda dx: jax.jvp(jnp.sin, (x,), (dx * jnp.ones((2, 3)),))[1])(dx[0]))


@case(f64(4, 3), i32(0, 3, 4))
def per_example_gradients(x, labels):
    w = jnp.eye(3) * 0.5
    loss = lambda w, x, y: jax.nn.logsumexp(w @ x) - jnp.take(w @ x, y)
    each = jax.vmap(jax.grad(loss), (None, 0, 0))(w, x, labels)
    return each, jnp.sqrt(jnp.sum(each ** 2, (1, 2)))
