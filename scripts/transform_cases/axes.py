"""Named axes of vmap, and collectives over them."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import case, f64, i32


@case(f64(4, 3))
def named_reductions(x):
    f = lambda x: (lax.psum(x, "i"), lax.pmean(x, "i"), lax.pmax(x, "i"), lax.pmin(x, "i"), lax.axis_index("i").astype(jnp.int32),
        x - lax.pmean(x, "i"))
    return jax.vmap(f, axis_name="i")(x)


@case(f64(4, 3))
def named_results_shared(x):
    # after a sum over the axis nothing differs between instances
    return jax.vmap(lambda x: (lax.psum(x, "i"), lax.pmean(jnp.sum(x), "i"), x * 2), axis_name="i", out_axes=(None, None, 0))(x)


@case(f64(4, 2), f64(4, 4))
def named_exchanges(x, y):
    f = lambda x, y: (lax.all_gather(x, "i"), lax.all_gather(x, "i", axis=1), lax.all_gather(x, "i", axis=0, tiled=True),
        lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 3), (3, 0)]),
                      lax.ppermute(x, "i", [(0, 2), (1, 0), (2, 3), (3, 1)]), lax.psum_scatter(y, "i"),
                          lax.psum_scatter(y, "i", tiled=True), lax.all_to_all(y, "i", 0, 0))
    return jax.vmap(f, axis_name="i")(x, y)


@case(f64(4, 3))
def named_gradients(x):
    # by every instance's own value, of the sum over instances
    total = lambda f: jax.grad(lambda x: jnp.sum(jax.vmap(f, axis_name="i")(x)))
    f = (lambda x: jnp.sin(lax.psum(x, "i")) * x, lambda x: lax.pmean(x ** 2, "i") * x,
        lambda x: lax.all_gather(x, "i") * jnp.sum(x), lambda x: lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 0), (3, 3)]) ** 2 * x,
         lambda x: x * (lax.axis_index("i") + 1), lambda x: jnp.exp(x - lax.pmax(lax.stop_gradient(x),
             "i")) / lax.psum(jnp.exp(x), "i") * jnp.cos(x))
    return tuple(total(g)(x) for g in f)


@case(f64(4, 4, 2))
def named_scatter_gradients(x):
    total = lambda f: jax.grad(lambda x: jnp.sum(jax.vmap(f, axis_name="i")(x)))
    return (total(lambda x: jnp.sin(lax.psum_scatter(x, "i")))(x), total(lambda x: jnp.sin(lax.all_to_all(x, "i", 0, 0)) * x)(x),
            total(lambda x: lax.all_gather(jnp.sin(x[0]), "i", axis=0, tiled=True) ** 2)(x))


@case(f64(4, 3), f64(4, 3))
def named_tangents(x, dx):
    f = jax.vmap(lambda x: (lax.psum(x * x, "i"), lax.ppermute(jnp.sin(x), "i", [(0, 1), (1, 0), (2, 3), (3, 2)]),
        x / lax.pmean(jnp.exp(x), "i")), axis_name="i")
    return jax.jvp(f, (x,), (dx,)), jax.jacfwd(lambda x: f(x)[2])(x)


@case(f64(2, 3, 4))
def named_nested(x):
    f = lambda x: (lax.psum(x, "i"), lax.psum(x, "j"), lax.psum(x, ("i", "j")), lax.pmax(x, ("j", "i")),
        lax.axis_index("i").astype(jnp.int32) * 10 + lax.axis_index("j").astype(jnp.int32))
    both = jax.vmap(jax.vmap(f, axis_name="j"), axis_name="i")
    total = lambda x: jnp.sum(jax.vmap(jax.vmap(lambda x: jnp.sin(lax.psum(x, ("i", "j"))) * lax.pmean(x, "j"), axis_name="j"),
        axis_name="i")(x))
    return both(x), jax.grad(total)(x)


@case(f64(4, 3), f64(3))
def named_gradient_inside(x, w):
    # each instance differentiates by its own copy of w, then they agree on the mean
    def step(w, x):
        g = jax.grad(lambda w: jnp.sum(jnp.tanh(w * x) ** 2))(w)
        return w - 0.1 * lax.pmean(g, "i")
    return jax.vmap(step, (None, 0), axis_name="i")(w, x), jax.vmap(step, (None, 0), None, axis_name="i")(w, x)


@case(f64(4, 3))
def named_in_scan(x):
    def f(x):
        def body(c, _):
            c = jnp.sin(c) + 0.1 * lax.psum(c, "i") + lax.ppermute(c, "i", [(k, (k + 1) % 4) for k in range(4)])
            return c, lax.pmax(lax.stop_gradient(c), "i") + lax.axis_index("i")
        return lax.scan(body, x, None, length=3)
    run = jax.vmap(f, axis_name="i")
    return run(x), jax.grad(lambda x: jnp.sum(run(x)[0] ** 2))(x)


@case(f64(4, 3))
def named_in_cond(x):
    def f(x):
        i = lax.axis_index("i")
        chosen = lax.cond(i % 2 == 0, lambda x: x * 2, lambda x: jnp.sin(x), x)
        return chosen + lax.psum(chosen, "i"), lax.switch(i, [lambda: x * 0, lambda: x, lambda: -x])
    total = lambda x: jnp.sum(jax.vmap(f, axis_name="i")(x)[0] ** 2)
    return jax.vmap(f, axis_name="i")(x), jax.grad(total)(x)


@case(f64(4, 3))
def named_remat(x):
    f = jax.checkpoint(lambda x: jnp.tanh(x - lax.pmean(x, "i")) * lax.psum(jnp.sin(x), "i"))
    total = lambda x: jnp.sum(jax.vmap(f, axis_name="i")(x))
    return total(x), jax.grad(total)(x)


@case(f64(5, 4), f64(4), f64(4))
def batch_norm(x, gain, bias):
    def f(x, gain, bias):
        mean = lax.pmean(x, "batch")
        var = lax.pmean((x - mean) ** 2, "batch")
        return (x - mean) * lax.rsqrt(var + 1e-5) * gain + bias
    apply = jax.vmap(f, (0, None, None), axis_name="batch")
    return apply(x, gain, bias), jax.grad(lambda *a: jnp.sum(jnp.sin(apply(*a))), (0, 1, 2))(x, gain, bias)


@case(f64(4, 3), i32(0, 9, 4, 3))
def named_constants(x, n):
    # the sum of what does not differ is it times the size of the axis
    f = lambda x, n: (lax.psum(1, "i") * x, lax.psum(jnp.ones(2), "i"), lax.psum(n, "i"), lax.pmax(n, "i"))
    return jax.vmap(f, axis_name="i")(x, n), jax.vmap(lambda x: lax.axis_size("i") * x, axis_name="i")(x)
