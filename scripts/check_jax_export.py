"""Does JAX load what `raxla export` wrote, and compute what `raxla run` computes of it? Needs jax, flatbuffers, safetensors and raxla.

    raxla export --model smollm2-135m --dtype f32 --program prefill --context 16 -o p.jax
    python scripts/check_jax_export.py p.jax [RAXLA]
"""
import subprocess
import sys
import tempfile

import jax
import numpy as np
from jax import export
from safetensors.numpy import load_file, save_file

path, raxla = sys.argv[1], (sys.argv[2:] or ["raxla"])[0]
exported = export.deserialize(bytearray(open(path, "rb").read()))
print(exported.fun_name, exported.platforms, f"{len(exported.in_avals)} arguments, {len(exported.out_avals)} results")
random = np.random.default_rng(0)


def sample(a):
    """Small numbers; integers of 0 and 1 (positions and tokens that every model has)."""
    values = random.normal(size=a.shape) * 0.1 if np.issubdtype(a.dtype, np.floating) else random.integers(0, 2, a.shape)
    return np.asarray(values).astype(a.dtype)


args = [sample(a) for a in exported.in_avals]
given, named = jax.tree.unflatten(exported.in_tree, args)
results = jax.tree.leaves(exported.call(*given, **named))
with tempfile.TemporaryDirectory() as folder:
    save_file({str(i): np.ascontiguousarray(x) for i, x in enumerate(args)}, f"{folder}/x.safetensors")
    command = [raxla, "run", path, "--inputs", f"{folder}/x.safetensors", "-o", f"{folder}/y.safetensors"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ours = load_file(f"{folder}/y.safetensors")
# raxla's file has the names of leaves, as JAX's paths have them without punctuation
leaves = jax.tree_util.tree_flatten_with_path(jax.tree.unflatten(exported.out_tree, results))[0]
for keys, want in leaves:
    name = ".".join(str(getattr(k, "idx", getattr(k, "key", k))) for k in keys) or "0"
    have = ours.pop(name)
    assert (want.shape, want.dtype) == (have.shape, have.dtype), (name, want.shape, have.shape)
    wrong = np.max(np.abs(have.astype(np.float64) - np.asarray(want, np.float64)), initial=0)
    assert wrong <= 1e-4, (name, wrong)
assert not ours, ours.keys()
print(f"all {len(leaves)} results are JAX's, within 1e-4")
