#!/usr/bin/env python3
"""Writes tests/fixtures/shard_map.json: what JAX makes of functions under `jax.shard_map`, on eight devices of the CPU.

usage: make_shard_map_fixtures.py [OUT]            needs: pip install jax numpy (Python 3.12 or newer)

    {"jax": "...", "cases": [{"name": "...", "mesh": [["x", 4], ["y", 2]], "grad": true, "inputs": [TENSOR, ...], "outputs": [TENSOR, ...]}, ...]}

The cases are the functions of `shard_map_cases/`; tests/jax_shard_map/ has a function of the same name for each. Tensors are those of
transforms.json. With "grad", the outputs are followed by the gradients, by every float input, of the sum of all elements of all float
outputs, where element number i (row-major) of output number k counts sin(i + k + 1) times.
"""
import json
import pathlib
import sys

import jax

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_platforms", "cpu")
# (a permutation by names in another order than the mesh's: the order of the names counts)
jax.config.update("jax_raise_on_ppermute_sort_diff", False)
import jax.numpy as jnp
import numpy as np

from make_transform_fixtures import tensor
from shard_map_cases import CASES

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/shard_map.json"


def weighted(outputs):
    floats = [y for y in outputs if jnp.issubdtype(y.dtype, jnp.floating)]
    return sum(jnp.sum(y.reshape(-1) * jnp.sin(jnp.arange(y.size, dtype=y.dtype) + k + 1)) for k, y in enumerate(floats))


def run(name, mesh, grad, f, inputs):
    devices = np.array(jax.devices()[: int(np.prod([n for _, n in mesh]))])
    made = jax.sharding.Mesh(devices.reshape([n for _, n in mesh]), [name for name, _ in mesh])
    with jax.enable_x64(any(x.dtype.itemsize == 8 for x in inputs)):
        outputs = jax.tree.leaves(jax.jit(lambda *x: f(made, *x))(*inputs))
        if grad:
            floats = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]
            total = lambda *x: weighted(jax.tree.leaves(f(made, *x)))
            outputs += jax.jit(jax.grad(total, argnums=floats))(*inputs)
        return dict(name=name, mesh=mesh, grad=grad, inputs=[tensor(x) for x in inputs], outputs=[tensor(y) for y in outputs])


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    rows, failed = [], []
    for case in CASES:
        try:
            rows.append(json.dumps(run(*case), separators=(",", ":")))
        except Exception as e:
            failed.append(f"{case[0]}: {e}")
    assert not failed, "\n".join(failed)
    names = [case[0] for case in CASES]
    assert len(set(names)) == len(names), "two cases have one name"
    out.write_text(f'{{"jax": "{jax.__version__}", "cases": [\n{",\n".join(rows)}]}}\n')
    print(f"{out}: {len(rows)} cases, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
