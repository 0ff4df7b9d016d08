"""Reading and writing at computed positions: values, and derivatives with duplicate and missing indices."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import case, f32, f64, i32, slopes, slopes2, these

ROWS = these([2, -1, 0, 2, 7, -9], "int32")


@case(f32(4, 3), ROWS)
def take(x, i):
    return (jnp.take(x, i, 0), jnp.take(x, i, 0, mode="clip"), jnp.take(x, i[:2], 1), jnp.take(x, i.reshape(2, 3), 0),
            jnp.take(x, i, 0, mode="fill", fill_value=5.0), x.at[i].get(mode="clip"), x.at[i].get(mode="fill", fill_value=0.0))


@case(i32(0, 99, 4), ROWS)
def take_integers(x, i):
    return jnp.take(x, i, 0), jnp.take(x.astype(jnp.uint8), i, 0), jnp.take(x > 50, i, 0)


@case(f32(3, 4), these([[0, -1], [3, 3], [5, 1]], "int32"))
def take_along_axis(x, i):
    return jnp.take_along_axis(x, i, 1), jnp.take_along_axis(x, jnp.array([[2, 0, -1, 4]]), 0)


@case(f32(4, 3), ROWS, f32(6, 3))
def updates(x, i, u):
    return x.at[i].add(u), x.at[i].mul(u), x.at[i].min(u), x.at[i].max(u), x.at[i[:3]].set(u[:3]), x.at[i].add(1.0)


@case(f32(4), ROWS, f32(6))
def updates_clipped(x, i, u):
    return x.at[i].add(u, mode="clip"), x.at[i].max(u, mode="clip"), x.at[i].min(u, mode="clip")


@case(i32(0, 9, 5), ROWS)
def counting(x, i):
    return x.at[i].add(1), jnp.bincount(jnp.clip(i, 0), length=5).astype(jnp.int32), x.at[i].mul(2)


@case(f32(3, 5), these(1, "int32"), these(4, "int32"), these(-2, "int32"))
def dynamic_slices(x, i, j, k):
    return (lax.dynamic_slice(x, (i, j), (2, 3)), lax.dynamic_slice_in_dim(x, k, 2, 1), lax.dynamic_index_in_dim(x, k, 0, False),
            lax.dynamic_update_slice(x, x[:2, :2] * 10, (j, i)), lax.dynamic_update_slice_in_dim(x, x[:1], k, 0))


@case(f64(4, 3), ROWS)
def take_gradient(x, i):
    return slopes(lambda x: jnp.sin(jnp.take(x, i, 0, mode="clip")))(x), slopes(lambda x: jnp.take(x, i[:4], 0) ** 2)(x)


@case(f64(4, 3), ROWS)
def take_gradient_out_of_bounds(x, i):
    # rows that do not exist are NaN; what is not there has no gradient
    return slopes(lambda x: jnp.take(x, i, 0, mode="fill", fill_value=0.0) ** 2)(x)


@case(f64(3, 4), these([[0, -1, 0], [3, 3, 3], [2, 1, 7]], "int32"))
def take_along_axis_gradient(x, i):
    return slopes(lambda x: jnp.take_along_axis(x, i, 1) ** 3)(x)


@case(f64(4, 3), ROWS, f64(6, 3))
def scatter_add_gradient(x, i, u):
    return slopes2(lambda x, u: jnp.sin(x.at[i].add(u)))(x, u)


@case(f64(4, 3), these([2, -1, 0, 9], "int32"), f64(4, 3))
def scatter_set_gradient(x, i, u):
    return slopes2(lambda x, u: jnp.sin(x.at[i].set(u)))(x, u)


@case(f64(4), these([2, 2, 2, 0], "int32"))
def scatter_set_gradient_duplicates(x, i):
    # equal updates of one element: whichever wins, the value is known; one of them gets all of the gradient
    f = lambda x, u: jnp.sin(x.at[i].set(u))
    dx, du = slopes2(f)(x, jnp.ones(4))
    return f(x, jnp.ones(4)), dx, jnp.sum(du[:3]), jnp.max(du[:3]), du[3]


@case(f64(4, 3), these([2, 3, 0, 9], "int32"), f64(4, 3))
def scatter_mul_gradient(x, i, u):
    return slopes2(lambda x, u: jnp.sin(x.at[i].multiply(u, unique_indices=True)))(x, u)


@case(f64(4), ROWS, f64(6))
def scatter_extremes_gradient(x, i, u):
    return slopes2(lambda x, u: jnp.sin(x.at[i].max(u)))(x, u), slopes2(lambda x, u: jnp.cos(x.at[i].min(u)))(x, u)


@case(these([1, 5, 2, 0], "float64"), these([0, 0, 1, 2, 2, 3], "int32"), these([1, 1, 5, 3, 3, -1], "float64"))
def scatter_extremes_gradient_ties(x, i, u):
    w = jnp.arange(1.0, 5.0)
    return slopes2(lambda x, u: w * x.at[i].max(u))(x, u), slopes2(lambda x, u: w * x.at[i].min(u))(x, u)


@case(f64(3, 5), f64(2, 2), these(1, "int32"), these(9, "int32"))
def dynamic_slice_gradient(x, u, i, j):
    return (slopes(lambda x: lax.dynamic_slice(x, (i, j), (2, 3)) ** 2)(x),
            slopes2(lambda x, u: jnp.sin(lax.dynamic_update_slice(x, u, (i, j))))(x, u))


@case(f64(4, 3), ROWS, f64(6, 3))
def scatter_second_derivative(x, i, u):
    f = lambda u: jnp.sum(jnp.sin(x.at[i].add(u)))
    return jax.jvp(jax.grad(f), (u,), (jnp.cos(u),))[1], jax.hessian(lambda x: jnp.sum(jnp.take(x, i[:4]) ** 3))(x[:, 0])


@case(f64(5, 3), these([0, 4, 4, 1], "int32"))
def embedding_gradient(table, tokens):
    def loss(table):
        h = jnp.take(table, tokens, 0, mode="clip")
        return jnp.mean(jax.nn.logsumexp(h @ table.T, -1))
    return jax.value_and_grad(loss)(table)


@case(f64(2, 3, 4), these([[1, 0, 3], [2, 2, 7]], "int32"))
def gather_of_pairs(x, i):
    # x[b, t, i[b, t]]
    pick = lambda x: jnp.take_along_axis(x, i[..., None], -1)[..., 0]
    return pick(x), slopes(lambda x: jnp.exp(pick(x)))(x), jax.jvp(pick, (x,), (jnp.sin(x),))[1]
