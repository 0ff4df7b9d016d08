"""Restores what raxla-orbax wrote with Orbax itself: v0's StandardCheckpointer, PyTreeCheckpointer and CheckpointManager, and v1.

    cargo run -p raxla-orbax --example write_checkpoint -- FOLDER
    python scripts/check_orbax.py FOLDER

Needs orbax-checkpoint and jax; checked with orbax-checkpoint 0.12.8 and jax 0.10.2.
"""

import os
import sys
import warnings

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
os.environ["JAX_ENABLE_X64"] = "1"
warnings.simplefilter("ignore")

import jax
import numpy as np
import orbax.checkpoint as v0
from absl import logging
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from orbax.checkpoint.experimental import v1

logging.set_verbosity(logging.ERROR)


def expected(dtype):
    values = np.array([[0, 1, 2], [3, 4, 0]])
    if dtype == "bool":
        values = values % 2
    if dtype == "complex64":
        values = values + 1j
    return values.astype(np.dtype(jax.numpy.dtype(dtype)))


def check(tree, strings):
    arrays = dict(tree["arrays"])
    np.testing.assert_array_equal(np.asarray(arrays.pop("sharded")), np.arange(60, dtype=np.float32).reshape(6, 10))
    assert len(arrays) == 17, sorted(arrays)
    for name, array in arrays.items():
        want = expected(name)
        assert array.dtype == want.dtype and array.shape == want.shape, (name, array.dtype, array.shape)
        np.testing.assert_array_equal(np.asarray(array).astype(complex), want.astype(complex), err_msg=name)
    layers = tree["layers"]
    assert int(layers[0]["w"]) == 7 and layers[1] == -3 and layers[2] == 2.5, layers
    assert tree["nothing"] is None and tree["empty"] == {} and list(tree["list"]) == [], tree
    assert not strings or tree["it's"] == "text", tree


def sharded_target(tree):
    """The same tree as abstract arrays, over 8 devices where the shape allows it."""
    mesh = Mesh(np.array(jax.devices()).reshape(2, 4), ("x", "y"))

    def abstract(leaf):
        if isinstance(leaf, (int, float, str, bool)):
            return leaf
        spec = PartitionSpec("x") if leaf.shape == (6, 10) else PartitionSpec()
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec))

    return jax.tree.map(abstract, tree)


def by_manager(folder, args):
    with v0.CheckpointManager(folder) as manager:
        assert manager.latest_step() == 7, manager.all_steps()
        return manager.restore(7, args=args)


def attempts(folder):
    """Name, function that restores, whether the tree has a string."""
    target = sharded_target(v1.load(f"{folder}/v1_zarr3"))
    for form in ("zarr2", "zarr3", "jax"):
        direct, manager, new = (f"{folder}/{name}_{form}" for name in ("direct", "manager", "v1"))
        yield f"v0 CheckpointManager to 8 devices, {form}", lambda: by_manager(manager, v0.args.StandardRestore(target)), False
        yield f"v0 StandardCheckpointer to 8 devices, {form}", lambda: v0.StandardCheckpointer().restore(
            f"{manager}/7/default", target
        ), False
        yield f"v1 load to 8 devices, {form}", lambda: v1.load(new, target), False
        # An array of JAX is only restored with a target: it would need to know the devices.
        if form != "jax":
            yield f"v0 PyTreeCheckpointer, {form}", lambda: v0.PyTreeCheckpointer().restore(direct), True
            yield f"v0 StandardCheckpointer, {form}", lambda: v0.StandardCheckpointer().restore(f"{manager}/7/default"), False
            yield f"v0 CheckpointManager, {form}", lambda: by_manager(manager, v0.args.StandardRestore()), False
            yield f"v1 load, {form}", lambda: v1.load(new), False
            yield f"v1 load_pytree, {form}", lambda: v1.load_pytree(new), False
            yield f"v1 load of v0, {form}", lambda: v1.load(direct, checkpointable_name=None), True


def main():
    folder = os.path.abspath(sys.argv[1])
    failed = 0
    for name, restore, strings in attempts(folder):
        try:
            check(restore(), strings)
            print(f"ok      {name}")
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {name}: {type(e).__name__}: {e}"[:1500])
    sys.exit(1 if failed else 0)


main()
