"""Every collective by itself."""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import M8, M42, M222, P, case, cycle, f32, f64, i32, normal, smap

bf16 = lambda *shape: normal(jnp.bfloat16, *shape)


@case(M8, f64(8, 2))
def no_collective(m, x):
    return smap(m, P("x"), P("x"), lambda x: jnp.sin(x) * 2)(x)


@case(M8, f64(8, 3))
def psum_one_axis(m, x):
    return smap(m, P("x"), P(), lambda x: lax.psum(jnp.sin(x), "x"))(x)


@case(M8, f64(8, 3))
def psum_of_a_scalar(m, x):
    return smap(m, P("x"), P(), lambda x: lax.psum(jnp.sum(x ** 2), "x"))(x)


@case(M8, f64(3))
def psum_of_a_shared_value(m, x):
    return smap(m, P(), P(), lambda x: lax.psum(jnp.sin(x), "x"))(x)


@case(M8, f64(8, 3))
def psum_and_own_value(m, x):
    return smap(m, P("x"), P("x"), lambda x: jnp.sin(lax.psum(x, "x")) * x)(x)


@case(M42, f64(4, 2, 3))
def psum_two_axes(m, x):
    f = lambda x: (lax.psum(x * x, ("x", "y")), lax.psum(x, "x"), lax.psum(x, "y"))
    return smap(m, P("x", "y"), (P(), P(None, "y"), P("x")), f)(x)


@case(M222, f64(2, 4))
def psum_of_three_axes(m, x):
    f = lambda x: (lax.psum(x, ("x", "z")), lax.psum(lax.psum(jnp.sin(x), "y"), ("z", "x")))
    return smap(m, P("x", ("y", "z")), (P(None, "y"), P()), f)(x)


@case(M42, f64(4, 2), f64(4))
def psum_of_a_pair(m, x, y):
    f = lambda x, y: lax.psum((x * 2, {"a": jnp.sum(y) * jnp.sum(x)}), "x")
    return smap(m, (P("x", "y"), P("x")), (P(None, "y"), P("y")), lambda x, y: (lambda a, b: (a, b["a"][None]))(*f(x, y)))(x, y)


@case(M42, f64(4, 2))
def pmean_centred(m, x):
    return smap(m, P("x", "y"), P("x", "y"), lambda x: (x - lax.pmean(x, "x")) * lax.pmean(x ** 2, ("x", "y")))(x)


@case(M42, f64(2, 2))
def pmean_of_a_shared_value(m, x):
    return smap(m, P(None, "y"), (P(), P(None, "y")), lambda x: (lax.pmean(x * x, "y"), lax.pmean(jnp.sin(x), "x")))(x)


@case(M42, f64(4, 6), grad=False)
def pmax_pmin(m, x):
    f = lambda x: (lax.pmax(x, "x"), lax.pmin(x, "y"), lax.pmax(x, ("x", "y")), lax.pmin(jnp.min(x), ("y", "x")))
    return smap(m, P("x", "y"), (P(None, "y"), P("x"), P(), P()), f)(x)


@case(M42, i32(-9, 9, 4, 4), i32(0, 2, 8), grad=False)
def integers(m, x, y):
    f = lambda x, y: (lax.psum(x, "x"), lax.pmax(x, ("x", "y")), lax.ppermute(x, "x", cycle(4)), lax.psum(y.astype(jnp.int8), ("x", "y")),
                      lax.all_gather(x, "y", axis=1, tiled=True), lax.pmin(y.astype(jnp.uint8), "x"))
    outs = (P(None, "y"), P(), P("x", "y"), P(), P("x", "y"), P("y"))
    return smap(m, (P("x", "y"), P(("x", "y"))), outs, f)(x, y)


@case(M42, i32(0, 2, 4, 4), grad=False)
def bools(m, x):
    f = lambda x: (lax.all_gather(x > 0, "x", axis=0, tiled=True), lax.ppermute(x > 0, "y", [(0, 1)]), lax.all_to_all(x > 0, "y", 1, 0, tiled=True))
    return smap(m, P("x"), (P("x"), P("x", "y"), P("x", "y")), f)(x)


@case(M42, bf16(8, 4), grad=False)
def brain_floats(m, x):
    f = lambda x: (lax.psum(x, "x"), lax.all_gather(x, "y", axis=1, tiled=True), lax.psum_scatter(x, "y", scatter_dimension=0, tiled=True),
                   lax.ppermute(x, "x", cycle(4)), lax.pmax(x, "x"), lax.pmean(x, "y"))
    return smap(m, P("x", "y"), (P(None, "y"), P("x", "y"), P(("x", "y")), P("x", "y"), P(None, "y"), P("x")), f)(x)


@case(M42, f64(4, 2))
def all_gather_in_front(m, x):
    return smap(m, P("x", "y"), P("x", None, "y"), lambda x: jnp.sin(lax.all_gather(x, "x")) * jnp.sum(x))(x)


@case(M42, f64(4, 2))
def all_gather_as_another_axis(m, x):
    return smap(m, P("x", "y"), P("x", "y"), lambda x: lax.all_gather(x, "x", axis=1).sum(0) * x[0])(x)


@case(M42, f64(4, 2))
def all_gather_tiled(m, x):
    return smap(m, P("x", "y"), P("x", "y"), lambda x: lax.all_gather(x ** 2, "x", axis=0, tiled=True))(x)


@case(M42, f64(2, 4, 3))
def all_gather_tiled_along_the_second(m, x):
    f = lambda x: jnp.cos(lax.all_gather(x, "x", axis=1, tiled=True)) * lax.axis_index("x")
    return smap(m, P("y", "x"), P("y", "x"), f)(x)


@case(M42, f64(8))
def all_gather_of_both_axes(m, x):
    f = lambda x: (lax.all_gather(x, ("x", "y"), tiled=True) * x, lax.all_gather(x, ("y", "x")).reshape(-1) * x)
    return smap(m, P(("x", "y")), P(("x", "y")), f)(x)


@case(M42, f64(3))
def all_gather_of_a_shared_value(m, x):
    return smap(m, P(), P("x"), lambda x: lax.all_gather(jnp.sin(x), "x"))(x)


@case(M42, f64(4, 4))
def psum_scatter_in_front(m, x):
    return smap(m, P(None, "y"), P("x", "y"), lambda x: lax.psum_scatter(x * (1.0 + lax.axis_index("x")), "x")[None])(x)


@case(M42, f64(4, 4, 3))
def psum_scatter_of_another_axis(m, x):
    return smap(m, P("x"), P("x"), lambda x: jnp.sin(lax.psum_scatter(x, "x", scatter_dimension=1)))(x)


@case(M42, f64(8, 8))
def psum_scatter_tiled(m, x):
    return smap(m, P(None, "x"), P("x"), lambda x: lax.psum_scatter(jnp.sin(x), "x", scatter_dimension=0, tiled=True))(x)


@case(M42, f64(4, 8))
def psum_scatter_tiled_along_the_second(m, x):
    return smap(m, P("x", "y"), P("x", "y"), lambda x: lax.psum_scatter(x ** 2, "x", scatter_dimension=1, tiled=True) * jnp.sum(x))(x)


@case(M42, f64(8, 3))
def ppermute_cycle(m, x):
    f = lambda x: (lax.ppermute(x, "x", cycle(4)), lax.ppermute(jnp.sin(x), "x", cycle(4, 2)), lax.ppermute(x, "x", cycle(4, -1)) * x)
    return smap(m, P(("x", "y")), P(("x", "y")), f)(x)


@case(M42, f64(4, 3))
def ppermute_partial(m, x):
    f = lambda x: (lax.ppermute(x, "x", [(0, 1), (1, 2)]) * x, lax.ppermute(x * x, "x", [(3, 0)]))
    return smap(m, P("x"), P("x"), f)(x)


@case(M8, f64(8, 2))
def ppermute_of_a_pair(m, x):
    f = lambda x: lax.ppermute((x, {"n": jnp.sin(x)}), "x", [(i, 7 - i) for i in range(8)])
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(3))
def ppermute_of_a_shared_value(m, x):
    return smap(m, P(), P("x"), lambda x: lax.ppermute(jnp.sin(x), "x", [(0, 1), (2, 3)]))(x)


@case(M8, f64(8, 2))
def pshuffle(m, x):
    return smap(m, P("x"), P("x"), lambda x: jnp.sin(lax.pshuffle(x, "x", [2, 0, 1, 3, 7, 4, 6, 5])) * x)(x)


@case(M42, f64(4, 4, 2))
def all_to_all_same_axis(m, x):
    return smap(m, P(None, "x"), P(None, "x"), lambda x: lax.all_to_all(jnp.sin(x), "x", 0, 0) * lax.axis_index("x"))(x)


@case(M42, f64(4, 4, 2))
def all_to_all_moves_an_axis(m, x):
    return smap(m, P("x"), P("x"), lambda x: lax.all_to_all(x ** 2, "x", 1, 0))(x)


@case(M42, f64(4, 4, 2), grad=False)
def all_to_all_to_the_end(m, x):
    return smap(m, P("x"), P("x"), lambda x: lax.all_to_all(x, "x", 1, 2))(x)  # (JAX's gradient has a wrong shape)


@case(M42, f64(4, 8))
def all_to_all_tiled(m, x):
    return smap(m, P("x"), P(None, "x"), lambda x: jnp.sin(lax.all_to_all(x, "x", 1, 0, tiled=True)) * (1.0 + lax.axis_index("x")))(x)


@case(M42, f64(8, 4))
def all_to_all_tiled_back(m, x):
    return smap(m, P(None, ("x",)), P("x"), lambda x: lax.all_to_all(x, "x", 0, 1, tiled=True) ** 2)(x)


@case(M42, f64(8, 4, 2))
def all_to_all_tiled_same_axis(m, x):
    return smap(m, P(None, "y", None), P(None, "y"), lambda x: lax.all_to_all(x * (1.0 + lax.axis_index("y")), "y", 0, 0, tiled=True))(x)


@case(M42, f64(4, 2))
def axis_index_one_axis(m, x):
    return smap(m, P("x", "y"), P("x", "y"), lambda x: x * (lax.axis_index("x") + 10 * lax.axis_index("y")))(x)


@case(M222, f64(8))
def axis_index_of_several(m, x):
    f = lambda x: (x * lax.axis_index(("x", "y", "z")), lax.axis_index(("z", "x"))[None].astype(jnp.int32), x * lax.axis_size(("y", "z")))
    return smap(m, P(("x", "y", "z")), P(("x", "y", "z")), f)(x)


@case(M8, f64(2))
def axis_index_of_shared_values(m, x):
    f = lambda x: (x * lax.axis_index("x"), lax.psum(x * lax.axis_index("x"), "x"), lax.psum(1, "x") * x)
    return smap(m, P(), (P("x"), P(), P()), f)(x)


@case(M42, f32(4, 4))
def single_precision(m, x):
    f = lambda x: (lax.psum(jnp.exp(x), "x"), lax.all_gather(jnp.tanh(x), "y", axis=1, tiled=True))
    return smap(m, P("x", "y"), (P(None, "y"), P("x", "y")), f)(x)
