"""Random numbers inside transformations. Keys are given by their words."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import case, f32, i32, seed

R = jax.random


def wrap(words):
    return R.wrap_key_data(words)


@case(seed(7), f32(4))
def random_values(words, logits):
    k = R.split(wrap(words), 12)
    return (R.bits(k[0], (3,), jnp.uint32), R.uniform(k[1], (2, 2)), R.normal(k[2], (3,)), R.bernoulli(k[3], 0.3, (8,)),
            R.categorical(k[4], logits),
            R.permutation(k[5], 7), R.gumbel(k[6], (3,)), R.exponential(k[7], (3,)), R.truncated_normal(k[8], -1.0, 2.0, (4,)),
            R.randint(k[9], (5,), -3, 9), R.permutation(k[10], logits), R.uniform(k[11], (3,), minval=-2.0, maxval=5.0))


@case(seed(1 << 40 | 3))
def random_keys(words):
    k = wrap(words)
    return (R.key_data(R.split(k)), R.key_data(R.split(k, 5)), R.key_data(R.fold_in(k, 9)),
            R.key_data(R.fold_in(R.split(k)[1], 1234567)))


@case(seed(5), f32(6))
def random_mapped(words, logits):
    keys = R.split(wrap(words), 4)
    draw = lambda k: (R.normal(k, (3,)), R.randint(k, (2,), 0, 100), R.bernoulli(k), R.categorical(k, logits),
        R.permutation(k, 5), R.uniform(k, (2,)),
                      R.gumbel(k, (2,)), R.exponential(k), R.truncated_normal(k, -2.0, 2.0, (2,)), R.key_data(R.split(k)[0]),
                          R.key_data(R.fold_in(k, 3)), R.bits(k, (2,)))
    return jax.vmap(draw)(keys)


@case(seed(11), i32(0, 99, 4))
def random_mapped_twice(words, n):
    k = wrap(words)
    grid = jax.vmap(lambda k: jax.vmap(lambda k: R.normal(k))(R.split(k, 3)))(R.split(k, 2))
    folded = jax.vmap(lambda n: R.uniform(R.fold_in(k, n), (2,)))(n)
    shared = jax.vmap(lambda n: R.randint(k, (2,), 0, n + 1))(n)
    return grid, folded, shared


@case(seed(13), f32(3))
def random_in_scan(words, x):
    def body(c, key):
        return c * 0.5 + R.normal(key, (3,)), R.uniform(key)
    def chain(t, _):
        key, c = t
        key, sub = R.split(key)
        return (key, c + R.exponential(sub)), R.bernoulli(sub, 0.5)
    (key, c), flips = lax.scan(chain, (wrap(words), jnp.zeros(())), None, length=5)
    return lax.scan(body, x, R.split(wrap(words), 4)), R.key_data(key), c, flips


@case(seed(17), f32(3), f32(3))
def random_reparameterised(words, mean, log_scale):
    def sample(key, m, s):
        return m + jnp.exp(s) * R.normal(key, (3,))
    def bound(m, s):
        z = jax.vmap(sample, (0, None, None))(R.split(wrap(words), 8), m, s)
        return jnp.mean(jnp.sum(jnp.sin(z) - z ** 2 * 0.1, -1)) + jnp.sum(s)
    return jax.value_and_grad(bound, (0, 1))(mean, log_scale)


@case(seed(19), f32(5))
def random_relaxed_choice(words, logits):
    # Gumbel-softmax
    relaxed = lambda l: jax.nn.softmax((l + R.gumbel(wrap(words), (5,))) / 0.7)
    return relaxed(logits), jax.grad(lambda l: jnp.sum(relaxed(l) * jnp.arange(5.0)))(logits), jax.jacfwd(relaxed)(logits)


@case(seed(23), f32(), f32())
def random_with_traced_bounds(words, low, width):
    k = R.split(wrap(words), 2)
    f = lambda low, high: jnp.sum(R.uniform(k[0], (4,), minval=low, maxval=high) ** 2)
    return (R.uniform(k[0], (4,), minval=low, maxval=low + jnp.abs(width) + 1),
            jax.grad(f, (0, 1))(low, low + jnp.abs(width) + 1), R.bernoulli(k[1], jax.nn.sigmoid(jnp.stack([low, width]))))


@case(seed(29), f32(3, 4))
def random_dropout(words, x):
    def dropped(key, x):
        keep = R.bernoulli(key, 0.75, x.shape)
        return jnp.where(keep, x / 0.75, 0.0)
    loss = lambda x: jnp.sum(jnp.tanh(jax.checkpoint(dropped)(wrap(words), x)) ** 2)
    return dropped(wrap(words), x), jax.grad(loss)(x), jax.vmap(dropped)(R.split(wrap(words), 3), x)


@case(seed(31), f32(4, 3))
def random_categorical_rows(words, logits):
    k = wrap(words)
    return (R.categorical(k, logits, -1), R.categorical(k, logits, 0), R.categorical(k, logits, -1, shape=(2, 4)),
            jax.vmap(R.categorical)(R.split(k, 4), logits))


@case(seed(37), f32(4, 3))
def random_orders(words, x):
    k = wrap(words)
    return (R.permutation(k, x), R.permutation(k, x, axis=1), R.permutation(k, x, axis=1, independent=True),
            jax.vmap(lambda k: R.permutation(k, x[:, 0]))(R.split(k, 3)),
            jax.grad(lambda x: jnp.sum(R.permutation(k, x) * jnp.arange(12.0).reshape(4, 3)))(x))


@case(seed(41))
def random_in_while(words):
    # draws until one is above 1.5; instances need different numbers of draws
    def first(key):
        def body(t):
            key, _, n = t
            key, sub = R.split(key)
            return key, R.normal(sub), n + 1
        _, x, n = lax.while_loop(lambda t: t[1] < 1.0, body, (key, jnp.zeros(()), jnp.zeros((), jnp.int32)))
        return x, n
    return first(wrap(words)), jax.vmap(first)(R.split(wrap(words), 4))


@case(seed(43))
def random_wide(words):
    k = R.split(wrap(words), 4)
    return (R.bits(k[0], (5,), jnp.uint8), R.bits(k[1], (2, 3), jnp.uint16), R.randint(k[2], (6,), -128, 128, jnp.int8),
            R.uniform(k[3], (0, 3)), R.normal(k[3], (2, 1, 2)))
