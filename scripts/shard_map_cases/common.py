"""How a case is written: `@case(MESH, inputs...)` above a function of the mesh and these inputs."""
import zlib

import jax
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P

from transform_cases.common import f32, f64, i32, normal, these

CASES = []  # (name, mesh, with gradients?, function, inputs)
M8 = [("x", 8)]
M42 = [("x", 4), ("y", 2)]
M222 = [("x", 2), ("y", 2), ("z", 2)]


def case(mesh, *makers, grad=True):
    """Registers a function under its name. Without `grad`, only its values are kept."""
    def register(f):
        rng = np.random.default_rng(zlib.crc32(f.__name__.encode()))
        CASES.append((f.__name__, mesh, grad, f, [np.asarray(make(rng)) for make in makers]))
        return f
    return register


def smap(mesh, ins, outs, f, **options):
    return jax.shard_map(f, mesh=mesh, in_specs=ins, out_specs=outs, **options)


def vary(x, *axes):
    """Marks a value as one that may differ between the devices along these axes."""
    return jax.tree.map(lambda x: lax.pcast(x, axes, to="varying"), x)


def cycle(n, by=1):
    return [(i, (i + by) % n) for i in range(n)]
