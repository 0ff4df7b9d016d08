"""Does JAX load and run what `raxla export` wrote? Needs jax and flatbuffers.

    raxla export --model smollm2-135m --program prefill --context 16 -o p.jax && python scripts/check_jax_export.py p.jax
"""
import sys

import jax
import jax.numpy as jnp
from jax import export

exported = export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
print(exported.fun_name, exported.platforms, f"{len(exported.in_avals)} arguments, {len(exported.out_avals)} results")
zeros = jax.tree.unflatten(exported.in_tree, [jnp.zeros(a.shape, a.dtype) for a in exported.in_avals])
results = exported.call(*zeros[0], **zeros[1])
for want, have in zip(exported.out_avals, jax.tree.leaves(results), strict=True):
    assert (want.shape, want.dtype) == (have.shape, have.dtype), (want, have)
print("all results have their types")
