"""Collectives over several axes, which count as one: of the names, the last counts fastest."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import M222, P, case, cycle, f64, i32, smap

M24 = [("x", 2), ("y", 4)]
ALL = P(("x", "y"))


def orders(m, x, f, outs=ALL, ins=ALL):
    """What `f` gives with the names in both orders."""
    return smap(m, ins, (outs, outs), lambda x: (f(x, ("x", "y")), f(x, ("y", "x"))))(x)


@case(M24, f64(8, 2))
def gather_two_axes(m, x):
    return orders(m, x, lambda x, axes: jnp.sin(lax.all_gather(x, axes, axis=1)) * jnp.sum(x))


@case(M24, f64(8, 2))
def gather_two_axes_tiled(m, x):
    return orders(m, x, lambda x, axes: jnp.sin(lax.all_gather(x, axes, axis=1, tiled=True)) * x[:, :1])


@case(M24, f64(3))
def gather_a_shared_value(m, x):
    return orders(m, x, lambda x, axes: lax.all_gather(jnp.sin(x), axes), ins=P())


@case(M24, f64(8, 8, 2))
def scatter_two_axes(m, x):
    return orders(m, x, lambda x, axes: jnp.sin(lax.psum_scatter(x * (1.0 + lax.axis_index(axes)), axes, scatter_dimension=1)))


@case(M24, f64(8, 16))
def scatter_two_axes_tiled(m, x):
    f = lambda x, axes: lax.psum_scatter(jnp.sin(x), axes, scatter_dimension=1, tiled=True) * jnp.sum(x)
    return orders(m, x, f)


@case(M24, f64(64, 2))
def exchange_two_axes_in_place(m, x):
    return orders(m, x, lambda x, axes: jnp.sin(lax.all_to_all(x, axes, 0, 0)) * (1.0 + lax.axis_index("x")))


@case(M24, f64(8, 8, 2))
def exchange_two_axes(m, x):
    return orders(m, x, lambda x, axes: lax.all_to_all(x ** 2, axes, 1, 0))


@case(M24, f64(8, 16))
def exchange_two_axes_tiled(m, x):
    return orders(m, x, lambda x, axes: jnp.sin(lax.all_to_all(x, axes, 1, 0, tiled=True)), P(None, ("x", "y")))


@case(M24, f64(8, 16))
def exchange_two_axes_tiled_back(m, x):
    return orders(m, x, lambda x, axes: lax.all_to_all(x, axes, 0, 1, tiled=True) ** 2, ins=P(None, ("x", "y")))


@case(M24, f64(128))
def exchange_two_axes_tiled_in_place(m, x):
    return orders(m, x, lambda x, axes: lax.all_to_all(x * (1.0 + lax.axis_index(axes)), axes, 0, 0, tiled=True))


@case(M24, f64(8, 2))
def permute_two_axes(m, x):
    f = lambda x, axes: (lax.ppermute(x, axes, cycle(8, 3)) * x, lax.ppermute(jnp.sin(x), axes, [(0, 5), (5, 1), (1, 4), (7, 7)]))
    return orders(m, x, f)


@case(M24, f64(8, 2))
def shuffle_two_axes(m, x):
    return orders(m, x, lambda x, axes: jnp.sin(lax.pshuffle(x, axes, [2, 0, 1, 3, 7, 4, 6, 5])) * x)


@case(M24, i32(-9, 9, 8, 16), grad=False)
def integers_and_bools_over_two_axes(m, x):
    f = lambda x, axes: (lax.all_gather(x, axes, tiled=True)[:, :1] * x[:, :1], lax.psum_scatter(x, axes, scatter_dimension=1, tiled=True),
                         lax.ppermute(x > 0, axes, [(0, 5), (1, 4)]), lax.all_to_all(x > 0, axes, 1, 1, tiled=True))
    return orders(m, x, f)


@case(M222, f64(8, 4))
def over_two_of_three_axes(m, x):
    def f(x, axes):
        y = jnp.sin(x)
        return (lax.all_gather(y, axes, axis=1, tiled=True), lax.psum_scatter(y, axes, scatter_dimension=1, tiled=True) * x[:, :1],
                lax.all_to_all(x[0], axes, 0, 0)[None] * y, lax.ppermute(y, axes, [(0, 3), (3, 1), (2, 0)]))
    whole = P(("x", "y", "z"))
    return smap(m, whole, whole, lambda x: (f(x, ("x", "z")), f(x, ("z", "x")), f(x, ("y", "z"))))(x)


@case(M222, f64(8, 8))
def over_three_axes(m, x):
    def f(x, axes):
        y = jnp.sin(x)
        return (lax.all_gather(y[:, :1], axes, axis=1), lax.psum_scatter(y, axes, scatter_dimension=1) + lax.axis_index(axes),
                lax.all_to_all(y, axes, 1, 1, tiled=True) * x, lax.ppermute(y, axes, cycle(8)))
    whole = P(("x", "y", "z"))
    return smap(m, whole, whole, lambda x: (f(x, ("x", "y", "z")), f(x, ("y", "z", "x")), f(x, ("z", "y", "x"))))(x)


@case(M24, f64(3, 8, 8))
def several_axes_under_vmap(m, x):
    f = lambda x: (lax.all_gather(x[:, :1], ("y", "x"), axis=1, tiled=True) * x, lax.psum_scatter(x, ("x", "y"), scatter_dimension=1),
                   lax.ppermute(x, ("y", "x"), cycle(8, 5)))
    return jax.vmap(smap(m, ALL, ALL, f))(x), smap(m, P(None, ("x", "y")), P(None, ("x", "y")), jax.vmap(f))(jnp.sin(x))


@case(M24, f64(6, 8), grad=False)
def mesh_and_vmap_axes(m, x):
    # 3 instances on each of 2 devices (of a mesh and a map together, JAX has only `all_to_all`, whose gradient has a wrong shape)
    def one(x):
        y = jnp.sin(x)
        swapped = (lax.all_to_all(y[:6], axes, 0, 0) for axes in (("x", "i"), ("i", "x")))
        return (*swapped, lax.all_to_all(y[:6, None] * x, ("i", "x"), 0, 1, tiled=True), lax.psum(lax.psum(y, "x"), "i") * x)
    return smap(m, P("x"), P("x"), jax.vmap(one, axis_name="i"), check_vma=False)(x)


@case(M24, f64(8, 2))
def around_two_axes_in_a_loop(m, x):
    def f(x, axes):
        step = jax.checkpoint(lambda c: jnp.sin(lax.ppermute(c, axes, cycle(8))) + 0.1 * lax.all_gather(c, axes).sum(0) * c)
        return lax.scan(lambda c, _: (step(c), jnp.sum(c)[None]), x, None, length=3)
    return orders(m, x, f, (ALL, P(None, ("x", "y"))))


@case(M24, f64(8, 8))
def grad_inside_over_two_axes(m, x):
    def f(x, axes):
        loss = lambda x: jnp.sum(jnp.sin(lax.all_gather(x, axes, tiled=True)) * lax.axis_index(axes)) + jnp.sum(
            lax.psum_scatter(x, axes, scatter_dimension=1) ** 3) + jnp.sum(lax.ppermute(x, axes, [(0, 1), (1, 3)]) * x)
        return jax.grad(loss)(x)
    return orders(m, x, f)
