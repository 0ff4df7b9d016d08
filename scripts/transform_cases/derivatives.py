"""grad and its relatives, of trees, of any order."""
import jax
import jax.numpy as jnp

from .common import case, f32, f64, i32


def smooth(x):
    return jnp.sin(x) * jnp.exp(-x * x / 4) + jnp.tanh(x)


@case(f32(4))
def grad_f32(x):
    return jax.grad(lambda x: jnp.sum(smooth(x)))(x)


@case(f64(3, 4), f64(4, 2), f64(2))
def value_and_grad_of_tree(x, w, b):
    loss = lambda p: jnp.mean(jnp.tanh(x @ p[0] + p[1]) ** 2)
    return jax.value_and_grad(loss)((w, b))


@case(f64(3), i32(0, 9, 3))
def value_and_grad_with_aux(x, n):
    def f(x):
        y = x * n
        return jnp.sum(jnp.sin(y)), (y, n + 1, jnp.max(y))
    return jax.value_and_grad(f, has_aux=True)(x)


@case(f64(3), f64(3))
def grad_by_unused_and_captured(x, y):
    return jax.grad(lambda x, y: jnp.sum(x * x), argnums=(0, 1))(x, y), jax.grad(lambda x: jnp.sum(x * y) * jnp.sum(y))(x)


@case(f64(2, 3), f64(3), i32(0, 5, 3), f64(2))
def vjp_with_integers(x, y, n, ct):
    # integers in trees: raxla gives zeros of their dtype where JAX has float0
    f = lambda x, y, n: (x @ (y * n), n + 1)
    out, pull = jax.vjp(f, x, y, n)
    dx, dy, _ = pull((ct, jnp.zeros(3, jax.dtypes.float0)))
    return out, dx, dy


@case(f64(3), i32(0, 5, 3), f64(3))
def jvp_with_integers(x, n, dx):
    f = lambda x, n: (jnp.sin(x) * n, n * 2)
    out, (dy, _) = jax.jvp(f, (x, n), (dx, jnp.zeros(3, jax.dtypes.float0)))
    return out, dy


@case(f64(4), f64(4), f64(4))
def jvp_and_vjp(x, dx, ct):
    f = lambda x: jnp.cumsum(smooth(x)) * x[::-1]
    y, pull = jax.vjp(f, x)
    return jax.jvp(f, (x,), (dx,)), y, pull(ct)[0]


@case(f64(3), f64(3), f64(3))
def vjp_of_several_results(x, y, ct):
    (a, b), pull = jax.vjp(lambda x, y: (x * y, jnp.sum(x / (y * y + 1))), x, y)
    return a, b, pull((ct, jnp.sum(ct))), pull((ct * 2, jnp.zeros(())))


@case(f64(4), f64(4))
def linearize(x, dx):
    y, push = jax.linearize(lambda x: jnp.exp(jnp.sin(x)) * x[0], x)
    return y, push(dx), push(x)


@case(f64(4), f64(3, 4))
def vjp_mapped(x, cts):
    _, pull = jax.vjp(smooth, x)
    return jax.vmap(lambda ct: pull(ct)[0])(cts)


@case(f64(3), f64(2, 3))
def jacobians(x, w):
    f = lambda x: jnp.tanh(w @ x) * x[:2]
    return (jax.jacfwd(f)(x), jax.jacrev(f)(x), jax.jacfwd(lambda x: (f(x), jnp.sum(x)))(x),
            jax.jacrev(lambda w: jnp.tanh(w @ x))(w))


@case(f64(2, 3))
def jacobians_of_matrices(x):
    f = lambda x: jnp.einsum("ij,kj->ik", x, jnp.sin(x))
    return jax.jacfwd(f)(x), jax.jacrev(f)(x)


@case(f64(3), f64(2))
def jacrev_of_tree(x, y):
    return jax.jacrev(lambda t: t[0] * jnp.prod(t[1]))((x, y))


@case(f64(4))
def hessian(x):
    return jax.hessian(lambda x: jnp.sum(smooth(x)) * jnp.prod(x))(x)


@case(f64(2, 2))
def hessian_of_matrix(x):
    return jax.hessian(lambda x: jnp.sum(jnp.tanh(x @ x)))(x)


@case(f64(3))
def hessian_both_ways(x):
    f = lambda x: jnp.sum(smooth(x) * x[::-1])
    return (jax.jacrev(jax.jacfwd(f))(x), jax.jacfwd(jax.jacfwd(f))(x), jax.jacrev(jax.jacrev(f))(x),
            jax.hessian(lambda x: smooth(x) * x[0])(x))


@case(f64())
def third_derivatives(x):
    f = lambda x: smooth(x) * x ** 4
    one = jnp.ones(())
    forward = lambda f: lambda x: jax.jvp(f, (x,), (one,))[1]
    return (jax.grad(jax.grad(jax.grad(f)))(x), forward(forward(forward(f)))(x), jax.grad(forward(jax.grad(f)))(x),
            forward(jax.grad(forward(f)))(x), jax.grad(jax.grad(jax.grad(jax.grad(f))))(x))


@case(f64(2))
def third_derivative_tensor(x):
    return jax.jacfwd(jax.jacrev(jax.jacfwd(lambda x: jnp.prod(jnp.sin(x)) * x[0])))(x)


@case(f64(3), f64(3))
def hessian_vector_products(x, v):
    f = lambda x: jnp.sum(jnp.exp(x) * jnp.cos(x[::-1]))
    return (jax.jvp(jax.grad(f), (x,), (v,))[1], jax.grad(lambda x: jnp.vdot(jax.grad(f)(x), v))(x),
            jax.vjp(jax.grad(f), x)[1](v)[0],
            jax.grad(lambda x: jax.jvp(f, (x,), (v,))[1])(x))


@case(f64(3), f64(3))
def gradients_that_capture_each_other(x, y):
    inner = lambda x, y: jax.grad(lambda y: jnp.sum(x * y * y * jnp.sin(x)))(y)
    return jax.grad(lambda x: jnp.sum(x * inner(x, x)))(x), jax.grad(lambda x: jnp.sum(inner(x, y) ** 2))(x)


@case(f64(4))
def stop_gradient(x):
    hold = jax.lax.stop_gradient
    return (jax.grad(lambda x: jnp.sum(x * hold(x)))(x), jax.grad(lambda x: jnp.sum(hold(jnp.sin(x)) + jnp.cos(x)))(x),
            jax.jvp(lambda x: hold(x) * x, (x,), (x,))[1], jax.grad(lambda x: jnp.sum(jnp.exp(x) - hold(jax.nn.softmax(x)) * x))(x))


@case(f64(2, 3), f64(3, 4), f64(4))
def matmul_gradients(a, b, v):
    f = lambda a, b, v: jnp.sum(jnp.sin(jnp.einsum("ij,jk,k->i", a, b, v)))
    return jax.grad(f, (0, 1, 2))(a, b, v)


@case(f64(2, 3, 4), f64(2, 4, 3), f64(3, 3))
def einsum_gradients(x, y, d):
    f = lambda x, y, d: jnp.sum(jnp.tanh(jnp.einsum("bij,bjk,kk->ib", x, y, d)))
    return jax.grad(f, (0, 1, 2))(x, y, d)


@case(f64(3, 4))
def shape_gradients(x):
    def f(x):
        y = jnp.concatenate([x, jnp.flip(x, 0) * 2], 1)
        y = jnp.pad(y, ((1, 0), (0, 2)), constant_values=3.0)[:, ::3]
        y = jnp.repeat(y, 2, 0) + jnp.tile(y, (2, 1))
        return jnp.sum(jnp.sin(y) * jnp.tril(y[:, :4] if y.shape[1] > 4 else y))
    return jax.grad(f)(x), jax.jacfwd(f)(x)


@case(f64(2, 3))
def broadcast_gradients(x):
    return (jax.grad(lambda r: jnp.sum(jnp.sin(x + r)))(x[0]), jax.grad(lambda c: jnp.sum(jnp.sin(x * c)))(x[:, :1]),
            jax.grad(lambda s: jnp.sum(jnp.sin(x / s)))(x[0, 0]),
                jax.grad(lambda r: jnp.sum(jnp.broadcast_to(r, (4, 2, 3)) ** 3))(x))


@case(f64(3, 4))
def reduction_gradients(x):
    f = lambda x: (jnp.sum(jnp.var(x, 0)) + jnp.prod(x[0]) + jnp.sum(jnp.mean(x, 1) ** 3) + jnp.sum(jnp.max(x, 1)) * jnp.min(x)
                   + jax.nn.logsumexp(x) + jnp.sum(jnp.std(x, 1)))
    return jax.value_and_grad(f)(x)


@case(f32(5), f32(5))
def mixed_precision_gradient(x, w):
    f = lambda x, w: jnp.sum((x.astype(jnp.float16) * w.astype(jnp.float16)).astype(jnp.float32) ** 2)
    return jax.grad(f, (0, 1))(x, w), jax.grad(lambda x: jnp.sum(x.astype(jnp.bfloat16)).astype(jnp.float32))(x)


@case(f64(4), f64(4))
def transcendental_gradients(x, y):
    p = jnp.exp(y)
    f = (lambda x, p: x / p, lambda x, p: p ** x, lambda x, p: jnp.arctan2(x, p), lambda x, p: jnp.log(p) * jnp.log1p(p) * x,
         lambda x, p: jax.lax.erf(x) + jax.scipy.special.erfinv(jnp.tanh(x) / 2) * p, lambda x,
             p: jnp.cbrt(p) * jnp.sqrt(p) * jax.lax.rsqrt(p + x * x),
         lambda x, p: jnp.expm1(x) * jnp.cos(p) + jax.nn.sigmoid(x * p), lambda x, p: jnp.mod(x, p) + jax.lax.rem(x, p) * x)
    return tuple(jax.grad(lambda x, p: jnp.sum(g(x, p)), (0, 1))(x, p) for g in f)


@case(f64(3), f64(3))
def transcendental_second_derivatives(x, y):
    p = jnp.exp(y)
    f = (lambda x, p: x / p, lambda x, p: p ** x, lambda x, p: jnp.arctan2(x, p), lambda x, p: jax.lax.erf(x) * jnp.cbrt(p),
         lambda x, p: jnp.sqrt(p) * jax.lax.rsqrt(p + x * x), lambda x, p: jax.nn.sigmoid(x * p) * jnp.tanh(x), lambda x,
             p: jax.nn.gelu(x * p, approximate=False))
    return tuple(jax.hessian(lambda t: jnp.sum(g(t[:3], t[3:])))(jnp.concatenate([x, p])) for g in f)
