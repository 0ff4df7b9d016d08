"""Inside and around other transformations: derivatives, maps, loops, branches, remat, custom rules."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import M8, M42, P, case, cycle, f64, smap, vary


@case(M42, f64(4, 2), f64(2))
def grad_inside_by_a_shared_value(m, x, w):
    # the devices' gradients are summed: w is one value
    f = lambda x, w: jax.grad(lambda w: jnp.sum(jnp.sin(x * w)))(w)
    return smap(m, (P("x"), P()), P(), f)(x, w)


@case(M42, f64(4, 2), f64(2))
def grad_inside_by_an_own_copy(m, x, w):
    f = lambda x, w: jax.grad(lambda w: jnp.sum(jnp.sin(x * w)))(vary(w, "x"))[None]
    return smap(m, (P("x"), P()), P("x"), f)(x, w)


@case(M42, f64(4, 2))
def grad_inside_by_parts(m, x):
    f = lambda x: jax.grad(lambda x: jnp.sum(lax.psum(jnp.sin(x), "x") ** 2))(x)
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 2), f64(2, 3))
def value_and_grad_of_the_mean_loss(m, x, w):
    loss = lambda w, x: lax.pmean(jnp.mean(jnp.tanh(x @ w) ** 2), "x")
    f = lambda x, w: jax.value_and_grad(loss)(w, x)
    return smap(m, (P("x"), P()), (P(), P()), f)(x, w)


@case(M42, f64(4, 2), f64(2))
def grad_inside_of_gathered(m, x, w):
    f = lambda x, w: jax.grad(lambda x, w: jnp.sum(jnp.sin(lax.all_gather(x, "x", tiled=True) * w * lax.axis_index("x"))), (0, 1))(x, w)
    return smap(m, (P("x"), P()), (P("x"), P()), f)(x, w)


@case(M42, f64(4, 2))
def grad_inside_of_a_permutation(m, x):
    f = lambda x: jax.grad(lambda x: jnp.sum(lax.ppermute(jnp.sin(x), "x", [(0, 1), (1, 3)]) * x))(x)
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 2), f64(4, 2))
def jvp_inside(m, x, dx):
    f = lambda x, dx: jax.jvp(lambda x: lax.psum(jnp.sin(x), "x") * x, (x,), (dx,))
    return smap(m, P("x"), P("x"), f)(x, dx)


@case(M42, f64(4, 2), f64(4, 2))
def jvp_outside(m, x, dx):
    f = smap(m, P("x"), (P("x"), P()), lambda x: (jnp.sin(x) * lax.psum(x, "x"), lax.psum(jnp.cos(x), "x")))
    return jax.jvp(f, (x,), (dx,))


@case(M42, f64(4), f64(2))
def jacobians_outside(m, x, w):
    f = smap(m, (P("x"), P()), P("x"), lambda x, w: lax.psum(x, "x") * jnp.sin(x) * w[0] + w[1] ** 2 * x)
    return jax.jacfwd(f)(x, w), jax.jacrev(f, 1)(x, w)


@case(M42, f64(4, 2), f64(2))
def second_derivative(m, x, w):
    f = smap(m, (P("x"), P()), P(), lambda x, w: lax.psum(jnp.sum(jnp.sin(x * w)), "x"))
    return jax.hessian(f, 1)(x, w), jax.grad(lambda x: jnp.sum(jax.grad(f, 1)(x, w) ** 2))(x)


@case(M42, f64(3, 4, 2), f64(2))
def vmap_outside(m, x, w):
    f = smap(m, (P("x"), P()), (P("x"), P()), lambda x, w: (x * lax.psum(x * w, "x"), lax.pmean(jnp.sin(x), "x")))
    return jax.vmap(f, (0, None))(x, w)


@case(M42, f64(4, 3), f64(2, 3))
def vmap_outside_at_the_end(m, x, w):
    f = smap(m, (P("x"), P("y")), P(("x", "y")), lambda x, w: x * w + lax.psum(w, "y"))
    return jax.vmap(f, 1, 1)(x, w)


@case(M42, f64(4, 3))
def vmap_inside(m, x):
    f = lambda x: jax.vmap(lambda x: lax.psum(jnp.sin(x), "x") * x, 1, 1)(x)
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(8, 3, 2))
def vmap_inside_of_exchanges(m, x):
    f = lambda x: jax.vmap(lambda x: (lax.all_gather(x, "x", axis=1), lax.ppermute(x, "x", cycle(4)), lax.psum_scatter(jnp.tile(x, 2) * (1.0 + lax.axis_index("y")), "y", tiled=True)), 1)(x)
    return smap(m, P("x"), (P(None, "x"), P(None, "x"), P(None, "x", "y")), f)(x)


@case(M42, f64(4, 3))
def vmap_inside_with_a_name(m, x):
    f = lambda x: jax.vmap(lambda x: lax.psum(lax.psum(x, "x"), "i") * lax.psum(jnp.sin(x), "i") * x, axis_name="i")(x)
    return smap(m, P("x"), P("x"), lambda x: f(x[0])[None], check_vma=False)(x)


@case(M42, f64(4, 2))
def scan_with_psum(m, x):
    def f(x):
        def body(c, _):
            c = jnp.sin(c) + 0.1 * lax.psum(c, "x")
            return c, lax.psum(c, "x")
        return lax.scan(body, x, None, length=3)
    return smap(m, P("x"), (P("x"), P()), f)(x)


@case(M42, f64(4, 2), f64(2))
def scan_with_a_carry_that_begins_shared(m, x, w):
    def f(x, w):
        c, _ = lax.scan(lambda c, _: (jnp.sin(c) * x, None), vary(w, "x")[None], None, length=3)
        return c
    return smap(m, (P("x"), P()), P("x"), f)(x, w)


@case(M42, f64(4, 2), f64(2))
def scan_with_a_shared_carry(m, x, w):
    def f(x, w):
        return lax.scan(lambda w, _: (w - 0.1 * lax.pmean(jnp.sum(jnp.tanh(x * w) * x, 0), "x"), jnp.sum(w)), w, None, length=3)
    return smap(m, (P("x"), P()), (P(), P()), f)(x, w)


@case(M42, f64(4, 3, 2), f64(3, 2))
def scan_over_parts(m, x, w):
    def f(x, w):
        step = lambda c, xw: (c + lax.psum(xw[0] * xw[1], "x"), xw[0] * c)
        return lax.scan(step, jnp.zeros(2), (x[0], w))
    return smap(m, (P("x"), P()), (P(), P("x")), lambda x, w: (lambda c, y: (c, y[None]))(*f(x, w)))(x, w)


@case(M42, f64(4, 2))
def scan_around(m, x):
    f = smap(m, P("x"), P("x"), lambda x: jnp.sin(x) + lax.pmean(x, "x"))
    return lax.scan(lambda c, _: (f(c), jnp.sum(c)), x, None, length=3)


@case(M8, f64(8, 2))
def fori_loop_with_permutations(m, x):
    f = lambda x: lax.fori_loop(0, 8, lambda i, c: (lax.ppermute(c[0], "x", cycle(8)), c[1] + c[0] * (i + 1)), (x, jnp.zeros_like(x)))[1]
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 2), grad=False)
def while_loop_until_all_agree(m, x):
    f = lambda x: lax.while_loop(lambda c: lax.pmax(jnp.max(jnp.abs(c)), ("x", "y")) > 0.1, lambda c: c * 0.5, x)
    return smap(m, P("x", "y"), P("x", "y"), f)(x)


@case(M42, f64(4, 2), grad=False)
def while_loop_of_own_length(m, x):
    f = lambda x: lax.while_loop(lambda c: c[0] < lax.axis_index("x"), lambda c: (c[0] + 1, jnp.sin(c[1])), (vary(jnp.int32(0), "x"), x))[1]
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 2))
def branch_by_device(m, x):
    f = lambda x: lax.cond(lax.axis_index("x") % 2 == 0, jnp.sin, lambda x: x * x, x)
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 2))
def branch_by_agreement(m, x):
    f = lambda x: lax.cond(lax.psum(jnp.sum(x), ("x", "y")) > 0, lambda x: lax.psum(x, "x"), lambda x: lax.psum(jnp.sin(x), "x") * 2, x)
    return smap(m, P("x", "y"), P(None, "y"), f)(x)


@case(M42, f64(4, 2))
def switch_by_device(m, x):
    f = lambda x: lax.switch(lax.axis_index("x"), [jnp.sin, jnp.cos, lambda x: x * x, lambda x: -x], x)
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 2))
def remat_with_psum(m, x):
    f = jax.checkpoint(lambda x: jnp.tanh(x - lax.pmean(x, "x")) * lax.psum(jnp.sin(x), "x"))
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 2), f64(2, 2))
def remat_with_gathered_weights(m, x, w):
    layer = jax.checkpoint(lambda x, w: jnp.tanh(x @ lax.all_gather(w, "y", tiled=True)))
    return smap(m, (P("x"), P("y")), P("x"), lambda x, w: lax.pmean(layer(layer(x, w), w), "y"))(x, w)


@case(M42, f64(4, 2))
def remat_around(m, x):
    f = jax.checkpoint(smap(m, P("x"), P("x"), lambda x: jnp.sin(jnp.sin(x) * lax.psum(x, "x"))))
    return f(f(x))


@case(M42, f64(4, 2), f64(3, 2))
def remat_in_scan(m, x, w):
    layer = jax.checkpoint(lambda x, w: (jnp.sin(x * w) + 0.1 * lax.psum(x, "x"), None))
    return smap(m, (P("x"), P()), P("x"), lambda x, w: lax.scan(layer, x, w)[0])(x, w)


@case(M42, f64(4, 2), f64(2))
def custom_vjp_inside(m, x, w):
    @jax.custom_vjp
    def f(x, w):
        return jnp.sin(x) * w
    f.defvjp(lambda x, w: (f(x, w), (x, w)), lambda r, ct: (2 * ct * jnp.cos(r[0]) * r[1], 3 * jnp.sum(ct * jnp.sin(r[0]), 0)))
    return smap(m, (P("x"), P()), P("x"), lambda x, w: f(x, vary(w, "x")))(x, w)


@case(M42, f64(4, 2))
def custom_vjp_with_a_collective(m, x):
    @jax.custom_vjp
    def f(x):
        return lax.ppermute(x, "x", cycle(4)) ** 2
    f.defvjp(lambda x: (f(x), x), lambda x, ct: (lax.ppermute(ct, "x", cycle(4, -1)) * x * 3,))
    return smap(m, P("x"), P("x"), lambda x: f(jnp.sin(x)))(x)


@case(M42, f64(4, 2))
def custom_jvp_inside(m, x):
    @jax.custom_jvp
    def f(x):
        return jnp.exp(x)
    f.defjvp(lambda x, dx: (f(x[0]), dx[0] * f(x[0]) * 2))
    return smap(m, P("x"), P("x"), lambda x: f(x) * lax.psum(f(x), "x"))(x)


@case(M42, f64(4, 2))
def stopped_gradient(m, x):
    f = lambda x: jnp.exp(x - lax.stop_gradient(lax.pmean(x, "x"))) / lax.psum(jnp.exp(x), "x")
    return smap(m, P("x"), P("x"), f)(x)
