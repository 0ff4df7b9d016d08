"""Derivatives where a function has a kink, a tie, a pole or no derivative."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import INF, NAN, case, f64, slopes, slopes2, these


def weigh(x):
    """Different cotangents for different elements."""
    return x * jnp.arange(1, x.size + 1, dtype=x.dtype).reshape(x.shape)


@case(these([1, 2, 2, 3, 0, -0.0]), these([2, 2, 1, 3, -0.0, 0]))
def maximum_and_minimum_at_ties(x, y):
    return slopes2(jnp.maximum)(x, y), slopes2(jnp.minimum)(x, y), slopes(lambda x: jnp.maximum(x, x))(x)


@case(these([1, NAN, INF, -INF, NAN]), these([NAN, 1, INF, -INF, NAN]))
def maximum_and_minimum_of_specials(x, y):
    return slopes2(jnp.maximum)(x, y), slopes2(jnp.minimum)(x, y)


@case(these([[1, 3, 3, 2], [0, 0, 0, 0], [-1, -2, -1, -1], [5, 1, 2, 3]]))
def reduce_max_at_ties(x):
    return (slopes(lambda x: weigh(jnp.max(x, 1)))(x), slopes(lambda x: weigh(jnp.min(x, 0)))(x), slopes(jnp.max)(x),
            jax.jvp(lambda x: jnp.max(x, 1), (x,), (jnp.cos(weigh(x)),))[1])


@case(these([[1, NAN, 3], [INF, INF, 0], [-INF, -INF, -INF]]))
def reduce_max_of_specials(x):
    return slopes(lambda x: jnp.max(x, 1))(x), slopes(lambda x: jnp.min(x, 1))(x)


@case(these([1, 3, 3, 2, 3, 5, 5], "float64"))
def cummax_at_ties(x):
    return (slopes(lambda x: weigh(lax.cummax(x)))(x), slopes(lambda x: weigh(lax.cummax(x, reverse=True)))(x),
            jax.jvp(lax.cummax, (x,), (weigh(x),))[1])


@case(these([3, 2, 2, 4, 2, 1, 1], "float64"))
def cummin_at_ties(x):
    return (slopes(lambda x: weigh(lax.cummin(x)))(x), slopes(lambda x: weigh(lax.cummin(x, reverse=True)))(x),
            jax.jvp(lax.cummin, (x,), (weigh(x),))[1])


@case(f64(3, 6))
def cumulative_gradients(x):
    return tuple(slopes(lambda x: jnp.sin(f(x, 1, reverse=r)))(x)
                 for f in (lax.cumsum, lax.cumprod, lax.cummax, lax.cummin, lax.cumlogsumexp) for r in (False, True))


@case(these([2, 0, 3, 0, 1], "float64"), these([2, 0, 3, 5, 1], "float64"))
def cumprod_with_zeros(x, y):
    return (slopes(lambda x: weigh(lax.cumprod(x)))(x), slopes(lambda x: weigh(lax.cumprod(x)))(y),
            slopes(lambda x: weigh(lax.cumprod(x, reverse=True)))(x))


@case(these([-INF, -INF, 0, 1, -INF], "float64"))
def cumlogsumexp_of_infinities(x):
    return lax.cumlogsumexp(x), slopes(lambda x: lax.cumlogsumexp(x)[2:])(x)


@case(these([2, 1, 2, 1, 3, 1]))
def sort_at_ties(x):
    return (slopes(lambda x: weigh(jnp.sort(x)))(x), slopes(lambda x: weigh(lax.top_k(x, 4)[0]))(x),
            jax.jvp(jnp.sort, (x,), (weigh(x),))[1])


@case(these([[2, 1, 2, 1], [0, -0.0, 0, -0.0]]), f64(2, 4))
def sort_together_at_ties(keys, x):
    sorted_ = lambda x: lax.sort([keys.astype(x.dtype), x], num_keys=1)[1]
    return sorted_(x), slopes(lambda x: weigh(sorted_(x)))(x)


@case(these([-2, -0.0, 0, 3]))
def absolute_value(x):
    return slopes(jnp.abs)(x), slopes(lambda x: jnp.sqrt(x * x))(x), slopes(jnp.sign)(x)


@case(these([-1, -0.5, 0, 0.5, 0.75, 1]))
def clip_at_limits(x):
    return (slopes(lambda x: jnp.clip(x, -0.5, 0.75))(x), slopes(lambda x: lax.clamp(-0.5, x, 0.75))(x),
            slopes(lambda low: lax.clamp(low, x, 0.75))(jnp.full(6, -0.5)),
                slopes(lambda high: lax.clamp(-0.5, x, high))(jnp.full(6, 0.75)))


@case(these([0.5, 1.0]), these([0.5, 0.0]))
def clamp_between_crossed_limits(low, high):
    x = jnp.array([0.5, 0.25])
    return (slopes(lambda low: lax.clamp(low, x, high))(low), slopes(lambda high: lax.clamp(low, x, high))(high),
            slopes(lambda x: lax.clamp(low, x, high))(x))


@case(these([-1, -0.0, 0, 2]))
def relu_at_zero(x):
    return slopes(jax.nn.relu)(x), slopes(lambda x: jnp.maximum(x, 0))(x), slopes(lambda x: jnp.square(jax.nn.relu(x)))(x)


@case(these([-3, -1, 0, 1, 20, -20, 90, -90, INF, -INF]))
def activation_gradients(x):
    f = (jax.nn.sigmoid, jax.nn.silu, jnp.tanh, lambda x: jax.nn.gelu(x, approximate=True),
        lambda x: jax.nn.gelu(x, approximate=False))
    return tuple(slopes(g)(x[:8]) for g in f), slopes(jax.nn.sigmoid)(x), slopes(jnp.tanh)(x)


@case(these([0, 1, 4, -1]))
def roots_at_zero(x):
    return slopes(jnp.sqrt)(x), slopes(lax.rsqrt)(x), slopes(jnp.cbrt)(x), jax.jvp(jnp.sqrt, (x,), (jnp.zeros(4),))[1]


@case(these([0, 0, 0, 0, 2, -2, 0]), these([0, 1, 2, 0.5, 0, 2, -1]))
def power_at_zero(x, y):
    return slopes2(jnp.power)(x, y), jnp.power(x, y)


@case(these([0, 1, -2, INF, NAN]))
def constant_powers(x):
    return tuple(slopes(lambda x: x ** n)(x) for n in (0, 1, 2, 3, -1, 0.0, 1.0, 2.5))


@case(these([0, 1, 0, 0, -1]), these([0, 0, 1, -1, -1]))
def atan2_at_zero(y, x):
    return slopes2(jnp.arctan2)(y, x)


@case(these([[2, 3, 4], [0, 3, 4], [0, 3, 0], [0, 0, 0]]))
def product_with_zeros(x):
    return slopes(lambda x: weigh(jnp.prod(x, 1)))(x), jax.jacfwd(lambda x: jnp.prod(x, 1))(x), jax.hessian(jnp.prod)(x[1])


@case(these([[-INF, -INF, -INF], [0, -INF, 1], [1e4, 1e4, 0]]))
def logsumexp_with_infinities(x):
    return slopes(lambda x: jax.nn.logsumexp(x, -1))(x), jax.nn.logsumexp(x, -1)


@case(these([[0, -INF, 1], [1e4, 1e4, 0], [3, 3, 3]]))
def softmax_with_infinities(x):
    return (slopes(lambda x: weigh(jax.nn.softmax(x, -1)))(x),
            slopes(lambda x: jnp.where(x > -INF, weigh(jax.nn.log_softmax(x, -1)), 0))(x))


@case(f64(3, 4))
def softmax_second_derivatives(x):
    return (jax.hessian(lambda x: jnp.sum(weigh(jax.nn.softmax(x))))(x[0]), jax.hessian(jax.nn.logsumexp)(x[1]),
            jax.jacfwd(jax.nn.log_softmax)(x[2]))


@case(f64(5))
def pieces_without_derivative(x):
    y = x * 3
    return (slopes(lambda x: x * jnp.round(x))(y), slopes(lambda x: jnp.floor(x) + jnp.ceil(x) * x)(y), slopes(jnp.sign)(y),
            slopes(lambda x: x[jnp.argmax(x)])(y), slopes(lambda x: (x > 0).astype(x.dtype) * x)(y),
            slopes(lambda x: x.astype(jnp.int32).astype(x.dtype) + x)(y))


@case(these([-1, 0, 4]))
def where_with_nan_in_the_other_branch(x):
    safe = lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)
    return slopes(lambda x: jnp.where(x > 0, jnp.sqrt(x), 0))(x), slopes(safe)(x), slopes(lambda x: jnp.where(x > 0, 1 / x, x))(x)


@case(these([7.5, -7.5, 6, 0]), these([2, 2, -4, 3]))
def remainders(x, y):
    return slopes2(lax.rem)(x, y), slopes2(jnp.mod)(x, y)


@case(these([0, 1, -1, 0.5]))
def poles(x):
    return (slopes(jnp.log)(x), slopes(lambda x: 1 / x)(x), slopes(jnp.log1p)(x), slopes(jax.scipy.special.erfinv)(x),
            slopes(jnp.expm1)(x))


@case(these([[1, 1, 1], [0, 1, 2]]))
def deviation_of_equals(x):
    return (slopes(lambda x: jnp.var(x, 1))(x), slopes(lambda x: jnp.std(x, 1))(x),
            slopes(lambda x: jnp.linalg.norm(x - 1, axis=1))(x))


@case(these([3, 3, 1, 2]))
def median_by_sorting(x):
    return slopes(lambda x: jnp.mean(jnp.sort(x)[1:3]))(x), slopes(lambda x: jnp.sort(x)[jnp.array([0, 0, 3])])(x)


@case(these([1, 0, -2, 100, INF, INF, -INF, -INF, NAN]), these([1, 0, 3, -100, INF, 0, -INF, 1, 0]))
def logaddexp_at_ties_and_infinities(x, y):
    # (not at 100, where the cancelling terms leave f32 with four digits)
    second = jax.vmap(jax.hessian(lambda x, y: jnp.logaddexp(x, y) * jnp.logaddexp(x, x)))
    return jnp.logaddexp(x, y), slopes2(jnp.logaddexp)(x, y), slopes(jax.nn.softplus)(x), second(x[:3], y[:3])
