"""How arguments and results are divided: tuples of axes, shared axes, trees, some axes of the mesh only."""
import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding

from .common import M8, M42, M222, P, case, cycle, f64, smap, vary


@case(M42, f64(8, 2))
def two_axes_on_one(m, x):
    return smap(m, P(("x", "y")), P(("x", "y")), lambda x: jnp.sin(x) * lax.axis_index(("x", "y")))(x)


@case(M42, f64(2, 8))
def two_axes_in_reverse(m, x):
    return smap(m, P(None, ("y", "x")), P(None, ("y", "x")), lambda x: x * (lax.axis_index("x") + 10 * lax.axis_index("y")))(x)


@case(M42, f64(4, 4))
def spec_changes_the_order(m, x):
    # what comes divided by x then y goes out divided by y then x: another array
    return smap(m, P(("x",), "y"), P("y", "x"), lambda x: x ** 2)(x)


@case(M42, f64(8))
def spec_permutes_parts(m, x):
    return smap(m, P(("x", "y")), P(("y", "x")), lambda x: jnp.sin(x))(x)


@case(M222, f64(4, 2, 2))
def three_axes(m, x):
    f = lambda x: (lax.psum(x, "y"), x * 2, lax.psum(x, ("x", "y", "z")))
    return smap(m, P(("x", "y"), None, "z"), (P("x", "z"), P("z", ("y", "x")), P()), f)(x)


@case(M42, f64(4, 3))
def transposed_inside(m, x):
    return smap(m, P("x"), P(None, "x"), lambda x: jnp.sin(x).T)(x)


@case(M42, f64(4, 2), f64(2))
def shared_argument(m, x, w):
    # the gradient of what all devices share is the sum of theirs
    return smap(m, (P("x"), P()), P("x"), lambda x, w: jnp.sin(x * w))(x, w)


@case(M42, f64(2), f64(3))
def result_of_shared_values(m, x, y):
    f = lambda x, y: (jnp.sin(x), x[0] * y, jnp.outer(x, y))
    return smap(m, P(), (P(), P(), P("x")), f)(x, y)


@case(M42, f64(3))
def shared_result_stacked(m, x):
    # each device returns the same, so that the result repeats it
    return smap(m, P(), P(("x", "y")), lambda x: x ** 2)(x)


@case(M42, f64(4, 2), f64(2, 2), f64(2))
def trees(m, x, w, b):
    f = lambda p, x: {"y": jnp.tanh(x @ p["w"] + p["b"]), "norm": lax.psum(jnp.sum(p["w"] ** 2), "y")}
    return smap(m, ({"w": P(None, "y"), "b": P("y")}, P("x")), {"y": P("x", "y"), "norm": P()}, f)({"w": w, "b": b}, x)


@case(M42, f64(4, 2), f64(4, 2), f64(2))
def one_spec_for_all(m, x, y, z):
    f = lambda t, z: ((t[0] * t[1], t[1] * z), jnp.sum(t[0]))
    return smap(m, (P("x"), P()), (P("x"), P("x")), lambda t, z: (lambda a, s: (a, s[None]))(*f(t, z)))((x, y), z)


@case(M42, f64(4, 2), f64(2))
def captured_value(m, x, w):
    v = jnp.sin(w)
    return smap(m, P("x"), P("x"), lambda x: x * v + lax.psum(x * w, "x"))(x)


@case(M42, f64(4, 2))
def scalars(m, x):
    f = lambda x, s: (lax.psum(jnp.sum(x) * s, "x"), s * s)
    return smap(m, (P("x"), P()), (P(), P()), f)(x, x[0, 0])


@case(M42, f64(4, 2))
def one_after_the_other(m, x):
    first = smap(m, P("x"), P("x", None, None), lambda x: x[:, None] * lax.psum(x, "x"))
    second = smap(m, P(None, None, "y"), P(None, "y"), lambda x: jnp.sum(jnp.sin(x), 1))
    return second(first(x)) * 2 + 1


@case(M42, f64(4, 4))
def only_x_is_manual(m, x):
    f = lambda x: (jnp.sin(x), lax.psum(x, "x"))
    return smap(m, P("x"), (P("x"), P()), f, axis_names={"x"})(x)


@case(M42, f64(4, 4), f64(4, 2))
def only_x_is_manual_with_a_product(m, x, w):
    f = lambda x, w: lax.psum(jnp.tanh(x @ w), "x")
    return smap(m, (P("x"), P()), P(), f, axis_names={"x"})(x, w)


@case(M42, f64(4, 4))
def only_y_is_manual(m, x):
    f = lambda x: lax.ppermute(jnp.sin(x), "y", cycle(2)) * lax.psum(x, "y")
    return smap(m, P(None, "y"), P(None, "y"), f, axis_names={"y"})(x)


@case(M222, f64(4, 4), f64(4, 4))
def two_of_three_are_manual(m, x, w):
    x = lax.with_sharding_constraint(x, NamedSharding(m, P("y")))
    f = lambda x, w: lax.psum(x @ w, "z")
    return smap(m, (P("x", "z"), P("z")), P("x"), f, axis_names={"x", "z"})(x, w)


@case(M42, f64(4, 4), grad=False)  # (JAX's gradient does not compile)
def map_in_a_map(m, x):
    inner = jax.shard_map(lambda x: jnp.sin(lax.psum(x, "y")), in_specs=P(None, "y"), out_specs=P(), axis_names={"y"})
    return smap(m, P("x"), P("x"), lambda x: inner(x) * jnp.sum(x), axis_names={"x"})(x)


@case(M42, f64(4, 2))
def unchecked(m, x):
    # every device returns the same, which the check does not see
    return smap(m, P("x"), P(), lambda x: lax.all_gather(x * x, "x", tiled=True), check_vma=False)(x)


@case(M42, f64(4, 4))
def constraint_outside(m, x):
    y = lax.with_sharding_constraint(jnp.sin(x), NamedSharding(m, P("y", "x")))
    return smap(m, P("x"), P("x"), lambda y: lax.pmean(y, "x") * y)(y)
