"""How a case is written: `@case(inputs...)` above a function of these inputs."""
import zlib

import jax
import jax.numpy as jnp
import numpy as np

CASES = []  # (name, function, inputs)
INF, NAN = np.inf, np.nan


def case(*makers):
    """Registers a function under its name. Each input is made by a function of a generator of random numbers."""
    def register(f):
        rng = np.random.default_rng(zlib.crc32(f.__name__.encode()))
        CASES.append((f.__name__, f, [np.asarray(make(rng)) for make in makers]))
        return f
    return register


def normal(dtype, *shape):
    return lambda rng: rng.standard_normal(shape).astype(dtype)


def f32(*shape):
    return normal(np.float32, *shape)


def f64(*shape):
    return normal(np.float64, *shape)


def between(low, high, *shape, dtype=np.float32):
    return lambda rng: rng.uniform(low, high, shape).astype(dtype)


def i32(low, high, *shape):
    return lambda rng: rng.integers(low, high, shape).astype(np.int32)


def these(values, dtype=np.float32):
    return lambda rng: np.asarray(values, dtype)


def seed(n):
    """The words of a key."""
    return these([n >> 32, n & 0xffffffff], np.uint32)


def slopes(f):
    """The gradient of the sum of all elements of f by its first argument."""
    return jax.grad(lambda *x: jnp.sum(f(*x)))


def slopes2(f):
    """The gradient of the sum of all elements of f by both arguments."""
    return jax.grad(lambda *x: jnp.sum(f(*x)), argnums=(0, 1))
