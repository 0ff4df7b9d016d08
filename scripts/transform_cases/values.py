"""Values of what is composed from primitives."""
import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import erfinv

from .common import INF, NAN, between, case, f32, f64, i32, these


@case(f32(3, 5))
def softmax(x):
    return jax.nn.softmax(x), jax.nn.softmax(x, axis=0), jax.nn.softmax(x, axis=(0, 1))


@case(these([[-INF, -INF, -INF], [1, -INF, 2], [1e4, 1, 2], [NAN, 1, 2], [INF, 1, 2]]))
def softmax_special(x):
    return jax.nn.softmax(x, axis=-1)


@case(f32(3, 5))
def log_softmax(x):
    return jax.nn.log_softmax(x), jax.nn.log_softmax(x, axis=0)


@case(these([[-INF, -INF, -INF], [1, -INF, 2], [1e4, 1, 2], [NAN, 1, 2], [INF, 1, 2]]))
def log_softmax_special(x):
    return jax.nn.log_softmax(x)


@case(f64(3, 5))
def logsumexp(x):
    lse = jax.nn.logsumexp
    return lse(x), lse(x, axis=-1), lse(x, axis=0, keepdims=True), lse(x * 1000, axis=1)


@case(these([[-INF, -INF, -INF], [1, -INF, 2], [INF, 1, 2], [NAN, 1, 2], [INF, -INF, INF]]))
def logsumexp_special(x):
    return jax.nn.logsumexp(x, axis=-1)


@case(f32(12))
def activations(x):
    x = x * 3
    return (jax.nn.gelu(x, approximate=False), jax.nn.gelu(x, approximate=True), jax.nn.silu(x), jax.nn.relu(x),
            jax.nn.sigmoid(x), jnp.tanh(x), jnp.square(jax.nn.relu(x)), x * jax.nn.sigmoid(1.702 * x))


@case(f64(12))
def activations_f64(x):
    x = x * 3
    return (jax.nn.gelu(x, approximate=False), jax.nn.gelu(x, approximate=True), jax.nn.silu(x), jax.nn.sigmoid(x),
            jnp.tanh(x))


@case(f32(2, 3, 8), f32(8), f32(8))
def layer_norm(x, gain, bias):
    mean, var = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * gain + bias


@case(f32(2, 3, 8), f32(8))
def rms_norm(x, gain):
    return gain * (x * lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6))


@case(f32(4, 7), i32(0, 7, 4))
def cross_entropy(logits, targets):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], -1))


@case(f32(2, 3, 4), f32(2, 4, 5), f32(4))
def einsum_forms(x, y, v):
    return (jnp.einsum("bij,bjk->bik", x, y), jnp.einsum("bij,bjk->ki", x, y), jnp.einsum("bij,cjk->bcik", x, y),
            jnp.einsum("bij,j->ib", x, v), jnp.einsum("i,j->ij", v, v), jnp.einsum("bij,bjk->", x, y),
            jnp.einsum("bij,bij->bij", x, x))


@case(f64(4, 4), f64(4, 3), f64(3, 4))
def einsum_of_several(a, b, c):
    return (jnp.einsum("ii->i", a), jnp.einsum("ii->", a), jnp.einsum("ij->ji", a), jnp.einsum("ij,jk,kl->il", a, b, c),
            jnp.einsum("ij,jk,ki->", a, b, c), jnp.einsum("ii,ij->j", a, b))


@case(f32(2, 3, 4))
def reductions(x):
    return (jnp.sum(x), jnp.sum(x, -1), jnp.mean(x, (0, 2)), jnp.var(x, 1), jnp.std(x, 0), jnp.max(x, (0, -1)),
            jnp.min(x, 1, keepdims=True), jnp.prod(x, 2), jnp.any(x > 1, -1), jnp.all(x > -1, 0))


@case(i32(-9, 9, 3, 4))
def reductions_of_integers(x):
    return (jnp.sum(x, 0), jnp.prod(x, 1), jnp.mean(x, 0), jnp.max(x, -1), jnp.min(x), jnp.sum(x > 0, 1), jnp.any(x, 0),
            jnp.sum(x.astype(jnp.int8), 0, dtype=jnp.int32), lax.reduce_and(x, (0,)), lax.reduce_xor(x, (1,)))


@case(these([[3, 1, 3, NAN, NAN], [INF, 2, INF, -INF, -INF], [0, -0.0, 0, -0.0, 0]]))
def argmax_and_argmin(x):
    return jnp.argmax(x, 1).astype(jnp.int32), jnp.argmin(x, -1).astype(jnp.int32), jnp.argmax(x, 0).astype(jnp.int32)


@case(f64(3, 6))
def cumulative(x):
    return (jnp.cumsum(x, 1), jnp.cumprod(x, 0), lax.cummax(x, 1), lax.cummin(x, 1), lax.cumlogsumexp(x, 1),
            lax.cumsum(x, 1, reverse=True), lax.cumprod(x, 1, reverse=True), lax.cummax(x, 1, reverse=True),
            lax.cummin(x, 0, reverse=True), lax.cumlogsumexp(x, 1, reverse=True))


@case(these([[3, -1, NAN, 3, -0.0, 0, INF, -INF], [1, 1, 2, 2, -1, NAN, NAN, 0]]))
def sort_and_argsort(x):
    return jnp.sort(x), jnp.argsort(x).astype(jnp.int32), jnp.sort(x, 0), jnp.flip(jnp.sort(x), -1)


@case(f32(3, 7), these([[1, 2, 2, 1], [0, 0, 0, 0], [3, 1, 3, 2]], "int32"))
def top_k(x, ties):
    return lax.top_k(x, 3), lax.top_k(ties, 2)


@case(i32(0, 3, 8), f32(8), i32(0, 99, 8))
def sort_by_two_keys(a, b, payload):
    return lax.sort([a, jnp.round(b), payload], num_keys=2)


@case(these([True, False, True]), f32(2, 3), f32(2, 1))
def where(condition, x, y):
    condition = condition.astype(bool)
    return jnp.where(condition, x, y), jnp.where(condition, x, 0.5), jnp.where(x > y, x, y)


@case(f32(8), i32(-50, 50, 8))
def clip(x, n):
    return jnp.clip(x, -0.5, 0.75), jnp.clip(n, -10, 20), lax.clamp(-0.5, x, 0.75), jnp.maximum(x, 0.2), jnp.minimum(n, 3)


@case(f32(3, 4))
def pad(x):
    return (jnp.pad(x, ((1, 2), (0, 1))), lax.pad(x, 9.0, ((1, 0, 1), (-1, 2, 2))), lax.pad(x, -1.0, ((-2, 1, 0), (2, -3, 1))),
            jnp.pad(x, ((0, 0), (2, 0)), constant_values=7.0))


@case(f32(3, 4))
def shapes(x):
    return (x.T, x[None], jnp.swapaxes(x, 0, 1), jnp.moveaxis(x[None], 0, -1), x.reshape(2, 6), jnp.squeeze(x[:, None], 1),
            jnp.repeat(x, 2, 1), jnp.tile(x, (2, 1)), jnp.flip(x, 0), jnp.split(x, [1, 3], 1), jnp.stack([x, x * 2], 1),
            jnp.concatenate([x, x[:1]], 0), jnp.broadcast_to(x[0], (2, 4)), x[1:, ::2])


@case(f32(2, 4, 4))
def triangles(x):
    return (jnp.tril(x), jnp.triu(x, 1), jnp.tril(x, -1), jnp.eye(3), jnp.tril(jnp.ones((3, 3), bool)),
            jnp.linspace(-1, 2, 5, dtype=jnp.float32), jnp.arange(4, dtype=jnp.uint8), jnp.full((2,), 7, jnp.int32))


@case(these([0, 2, -1, 5, 1], "int32"))
def one_hot(i):
    return jax.nn.one_hot(i, 3), jax.nn.one_hot(i.reshape(5, 1), 4, dtype=jnp.int32)


@case(f32(3, 4))
def roll(x):
    return jnp.roll(x, 1, 1), jnp.roll(x, -1, 0), jnp.diff(x, axis=1)


@case(f32(10), between(0.2, 3.0, 10))
def transcendental(x, p):
    return (jnp.exp(x), jnp.expm1(x), jnp.log(p), jnp.log1p(p), jnp.sin(x), jnp.cos(x), jnp.sqrt(p), lax.rsqrt(p), jnp.cbrt(x),
            lax.erf(x), erfinv(jnp.tanh(x)), p ** x, x ** 3, p ** -2, jnp.arctan2(x, p - 1), jnp.abs(x), jnp.sign(x),
            jnp.hypot(x, p), jnp.logaddexp(x, p), jax.nn.softplus(x))


@case(f64(10), between(0.2, 3.0, 10, dtype="float64"))
def transcendental_f64(x, p):
    return (jnp.exp(x), jnp.expm1(x), jnp.log(p), jnp.log1p(p), jnp.sin(x), jnp.cos(x), jnp.tanh(x), jnp.sqrt(p), lax.rsqrt(p),
            jnp.cbrt(x), lax.erf(x), p ** x, x ** 3, p ** -2, jnp.arctan2(x, p - 1), jax.nn.sigmoid(x))


@case(these([-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5, 3.7, INF, NAN]), these([7, -7, 7, -7, 6, 0, 5, -8, 1, 3], "int32"),
      these([3, 3, -3, -3, 3, 4, 1, 3, -1, 2], "int32"))
def rounding_and_remainders(x, n, m):
    f, g = n.astype(jnp.float32), m.astype(jnp.float32)
    return (jnp.round(x), jnp.floor(x), jnp.ceil(x), lax.round(x), lax.rem(n, m), jnp.mod(n, m), lax.div(n, m), jnp.mod(f, g),
            lax.rem(f, g), jnp.isfinite(x), jnp.isnan(x))


@case(i32(-2**31, 2**31 - 1, 6), i32(0, 31, 6))
def bits(x, n):
    u = lax.bitcast_convert_type(x, jnp.uint32)
    return (x & n, x | n, x ^ n, ~x, x << n, x >> n, u >> n.astype(jnp.uint32), lax.population_count(x), lax.clz(u),
            lax.bitcast_convert_type(x, jnp.float32) * 0, lax.bitcast_convert_type(u, jnp.uint8))


@case(these([1.5, -2.7, 300, -1e9, 0.1, 65535.4, 3e9, NAN]))
def casts(x):
    wide = x.astype(jnp.int32)
    return (wide, x.astype(jnp.uint8), x.astype(jnp.bool_), wide.astype(jnp.int8), wide.astype(jnp.float32),
            x.astype(jnp.bfloat16).astype(jnp.float32), x.astype(jnp.float16).astype(jnp.float32), lax.reduce_precision(x, 5, 3))


@case(f32(1, 4, 2, 8), f32(1, 4, 2, 8), f32(1, 4, 2, 8))
def attention(q, k, v):
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


@case(f32(5, 8))
def rotary(x):
    angles = jnp.arange(5, dtype=jnp.float32)[:, None] * 10000.0 ** (-jnp.arange(4, dtype=jnp.float32) / 4)
    a, b = jnp.split(x, 2, -1)
    return jnp.concatenate([a * jnp.cos(angles) - b * jnp.sin(angles), b * jnp.cos(angles) + a * jnp.sin(angles)], -1)
