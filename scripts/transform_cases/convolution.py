"""Convolutions: values, derivatives, and batches on either side."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import case, f64, slopes, slopes2


def conv(spec, x, w, strides=(1,), padding=None, lhs=None, rhs=None, groups=1, batch_groups=1):
    n = len(strides)
    names = tuple(s.upper().replace("X", "W").replace("Y", "H") for s in spec.replace("->", ",").split(","))
    dims = lax.conv_dimension_numbers(x.shape, w.shape, names)
    return lax.conv_general_dilated(x, w, strides, padding or [(0, 0)] * n, lhs or (1,) * n, rhs or (1,) * n, dims, groups,
        batch_groups)


@case(f64(2, 3, 9), f64(4, 3, 3))
def conv_1d(x, w):
    return (conv("ncx,oix->ncx", x, w), conv("ncx,oix->ncx", x, w, (2,), [(2, 1)]), conv("ncx,oix->ncx", x, w, rhs=(2,)),
            conv("ncx,oix->ncx", x, w, (2,), [(1, 2)], (3,)), conv("ncx,oix->ncx", x, w, padding=[(-1, -2)]))


@case(f64(2, 6, 5, 2), f64(3, 2, 2, 4))
def conv_2d(x, w):
    return conv("nyxc,yxio->nyxc", x, w, (2, 1), [(1, 1), (0, 1)], rhs=(1, 2))


@case(f64(1, 4, 6), f64(6, 2, 3), f64(4, 1, 2))
def conv_grouped(x, w, depthwise):
    return conv("ncx,oix->ncx", x, w, groups=2), conv("ncx,oix->ncx", x, depthwise, groups=4, padding=[(1, 0)])


@case(f64(2, 3, 9), f64(4, 3, 3))
def conv_gradient(x, w):
    f = lambda x, w: jnp.sin(conv("ncx,oix->ncx", x, w, (2,), [(2, 1)]))
    return slopes2(f)(x, w)


@case(f64(1, 2, 5), f64(3, 2, 3))
def conv_gradient_dilated(x, w):
    f = lambda x, w: jnp.sin(conv("ncx,oix->ncx", x, w, (2,), [(1, 2)], (3,), (2,)))
    return slopes2(f)(x, w)


@case(f64(2, 5, 6, 2), f64(3, 2, 2, 3))
def conv_gradient_2d(x, w):
    f = lambda x, w: jnp.sin(conv("nyxc,yxio->nyxc", x, w, (2, 1), [(1, 0), (0, -1)], rhs=(1, 2)))
    return slopes2(f)(x, w)


@case(f64(1, 4, 6), f64(6, 2, 3))
def conv_gradient_grouped(x, w):
    return slopes2(lambda x, w: jnp.sin(conv("ncx,oix->ncx", x, w, groups=2, padding=[(1, 1)])))(x, w)


@case(f64(4, 2, 5), f64(6, 2, 3))
def conv_gradient_batch_groups(x, w):
    return slopes2(lambda x, w: jnp.sin(conv("ncx,oix->ncx", x, w, batch_groups=2)))(x, w)


@case(f64(1, 2, 6), f64(2, 2, 3))
def conv_second_derivative(x, w):
    f = lambda x, w: jnp.sum(jnp.sin(conv("ncx,oix->ncx", x, w, (2,), [(1, 1)])))
    mixed = lambda w: jax.grad(f)(x, w)
    return jax.jvp(mixed, (w,), (jnp.cos(w),))[1], jax.jvp(jax.grad(f, 1), (x, w), (jnp.cos(x), w))[1]


@case(f64(3, 2, 2, 6), f64(3, 4, 2, 3))
def conv_batched(x, w):
    f = lambda x, w: conv("ncx,oix->ncx", x, w, (2,), [(1, 0)])
    return jax.vmap(f)(x, w), jax.vmap(f, (0, None), 1)(x, w[0]), jax.vmap(f, (None, 0))(x[0], w)


@case(f64(3, 1, 4, 5), f64(3, 6, 2, 2))
def conv_batched_grouped(x, w):
    f = lambda x, w: conv("ncx,oix->ncx", x, w, groups=2)
    return jax.vmap(f)(x, w), jax.vmap(f, (0, None))(x, w[0]), jax.vmap(f, (None, 0))(x[0], w)


@case(f64(3, 1, 4, 5), f64(6, 2, 2))
def conv_gradient_per_example(x, w):
    f = lambda w, x: jnp.sum(jnp.sin(conv("ncx,oix->ncx", x, w, groups=2)))
    return jax.vmap(jax.grad(f), (None, 0))(w, x), jax.vmap(jax.grad(f, 1), (None, 0))(w, x)


@case(f64(1, 1, 5, 5), f64(1, 1, 3, 3))
def conv_jacobian(x, w):
    return (jax.jacfwd(lambda w: conv("ncyx,oiyx->ncyx", x, w, (2, 2))[0, 0])(w),
            jax.jacrev(lambda x: conv("ncyx,oiyx->ncyx", x, w, (2, 2))[0, 0])(x))
