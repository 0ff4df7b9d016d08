"""Makes orbax/tests/fixtures: small checkpoints by Orbax itself, and what they hold.

    pip install orbax-checkpoint jax flax
    python scripts/make_orbax_fixtures.py

NAME/      a checkpoint
NAME.json  its trees: {item: [{"path": [["d", key] or ["s", index], ...], "kind": ..., "dtype", "shape", "hex"}]}

and graphs/tests/data/checkpoints/orbax_gpt2, the model of flax_gpt2 beside it.

Made with orbax-checkpoint 0.12.8, tensorstore 0.1.86, jax 0.10.2. Data files have random names, so that a new run gives other files.
"""

import asyncio
import collections
import json
import os
import pathlib
import shutil

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import tensorstore as ts
from flax import serialization
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from orbax.checkpoint._src.metadata.pytree_metadata_options import PyTreeMetadataOptions
from orbax.checkpoint._src.serialization import ocdbt_utils
from orbax.checkpoint._src.serialization import tensorstore_utils
from orbax.checkpoint.experimental import v1

OUT = (pathlib.Path(__file__).parent.parent / "orbax" / "tests" / "fixtures").resolve()
MESH = Mesh(np.array(jax.devices()).reshape(4, 2), ("x", "y"))
Moments = collections.namedtuple("Moments", ["mu", "nu"])


def sharded(shape, dtype, spec):
    array = jnp.arange(np.prod(shape), dtype=dtype).reshape(shape)
    return jax.device_put(array, NamedSharding(MESH, spec))


def tree():
    """What a training state may contain. Strings are left to the tests that can store them."""
    return {
        "params": {
            "dense": {"kernel": sharded((8, 6), jnp.float32, P("x", "y")), "bias": jnp.arange(6, dtype=jnp.bfloat16) / 4},
            "layers": sharded((4, 8, 2), jnp.bfloat16, P(None, "x")),
            "replicated": sharded((3,), jnp.int32, P()),
        },
        "opt": [Moments(mu=jnp.full((2, 2), -1.5, jnp.float16), nu=None), (), {}, []],
        "nested": [[jnp.array(True), 3], (2.5, np.arange(12, dtype=np.int64).reshape(3, 4))],
        "step": 7,
        "zeros": np.zeros((5, 3), np.float32),
    }


def dtypes():
    """An array of each type."""
    arrays = {"bool": np.array([True, False, True])}
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        arrays[name] = np.array([0, 1, np.iinfo(name).max], name)
    for name in ("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz",
                 "float8_e5m2", "float8_e5m2fnuz", "float8_e3m4", "float8_e8m0fnu", "float4_e2m1fn"):
        arrays[name] = np.array([0.5, 1, 2], np.dtype(jnp.dtype(name)))
    arrays["int4"] = np.array([-8, -1, 7], ml_dtypes.int4)
    arrays["int2"] = np.array([-2, -1, 1], ml_dtypes.int2)
    arrays["complex64"] = np.array([1 + 2j, -1j, 0], np.complex64)
    arrays["complex128"] = np.array([1 + 2j, -1j, 0], np.complex128)
    return arrays


def describe(tree, kind=None):
    """The entries of a tree, as orbax/tests reads them."""
    entries = []
    is_empty = lambda x: x is None or isinstance(x, (dict, list, tuple)) and not x
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_empty)[0]:
        keys = []
        for key in path:
            if isinstance(key, jax.tree_util.SequenceKey):
                keys.append(["s", key.idx])
            else:
                keys.append(["d", str(key.key if hasattr(key, "key") else key.name)])
        entry = {"path": keys}
        if is_empty(leaf):
            entry["kind"] = {type(None): "None", dict: "Dict", list: "List", tuple: "Tuple"}[type(leaf)]
        elif isinstance(leaf, str):
            entry |= {"kind": "string", "text": leaf}
        else:
            scalar = isinstance(leaf, (int, float))
            entry["kind"] = "scalar" if scalar else "jax.Array" if isinstance(leaf, jax.Array) else "np.ndarray"
            array = np.asarray(leaf)
            if array.dtype == np.int8 and "int4" in str(getattr(leaf, "dtype", "")):
                array = array.astype(ml_dtypes.int4)
            entry |= {"dtype": str(array.dtype), "shape": list(array.shape), "hex": np.ascontiguousarray(array).tobytes().hex()}
        if kind and "dtype" in entry:
            entry["kind"] = kind
        entries.append(entry)
    return entries


def write(name, **items):
    (OUT / f"{name}.json").write_text(json.dumps(items))


def v0(name, saved, handler, **args):
    with ocp.Checkpointer(handler) as checkpointer:
        checkpointer.save(OUT / name, saved, **args)
    write(name, **{"": describe(saved)})


def from_v0():
    with_string = tree() | {"name": "Zoë's model"}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(OUT / "standard", tree(), custom_metadata={"custom": 1})
        checkpointer.wait_until_finished()
    write("standard", **{"": describe(tree())})
    v0("pytree", with_string, ocp.PyTreeCheckpointHandler())
    v0("files", with_string, ocp.PyTreeCheckpointHandler(use_ocdbt=False))
    v0("zarr3", tree(), ocp.PyTreeCheckpointHandler(use_zarr3=True))
    v0("zarr3_files", tree(), ocp.PyTreeCheckpointHandler(use_ocdbt=False, use_zarr3=True))
    v0("dtypes", dtypes(), ocp.PyTreeCheckpointHandler())
    with ocp.CheckpointManager(OUT / "manager", item_names=("state", "config")) as manager:
        for step in (3, 20):
            args = ocp.args.Composite(state=ocp.args.StandardSave({"step": step}), config=ocp.args.JsonSave({"layers": 2}))
            manager.save(step, args=args)
        manager.wait_until_finished()
    write("manager")


def from_v1():
    state = tree() | {"name": "text"}
    v1.save(OUT / "v1", state, custom_metadata={"custom": "v1"})
    write("v1", state=describe(state))
    v1.save(OUT / "v1_dtypes", dtypes())
    write("v1_dtypes", state=describe(dtypes()))
    # Shards of several chunks: at most 32 bytes each.
    saving = v1.options.ArrayOptions.Saving
    chunked = {"x": sharded((8, 12), jnp.float32, P("x", "y")), "y": np.arange(35, dtype=np.int16).reshape(5, 7)}
    small = saving(storage_options=saving.StorageOptions(chunk_byte_size=32))
    with v1.Context(array_options=v1.options.ArrayOptions(saving=small)):
        v1.save(OUT / "v1_chunks", chunked)
    write("v1_chunks", state=describe(chunked))
    with v1.Context(array_options=v1.options.ArrayOptions(saving=saving(use_compression=False))):
        v1.save(OUT / "v1_raw", chunked)
    write("v1_raw", state=describe(chunked))
    rich = {"m": Moments(mu=np.arange(3, dtype=np.int32), nu=()), "t": (np.ones(2, np.float32),)}
    named = v1.options.PyTreeOptions.Saving(pytree_metadata_options=PyTreeMetadataOptions(support_rich_types=True))
    with v1.Context(pytree_options=v1.options.PyTreeOptions(saving=named)):
        v1.save(OUT / "v1_named", rich)
    write("v1_named", state=describe(rich))


def kvstore(path, **options):
    return ts.KvStore.open({"driver": "ocdbt", "base": f"file://{path}/", **options}).result()


def rewritten(name, config, **options):
    """The keys of `pytree` in a database of another configuration, put in one after the other: one version each."""
    source, target = OUT / "pytree", OUT / name
    target.mkdir()
    for file in ("_METADATA", "_CHECKPOINT_METADATA", "_strings.json", "commit_success.txt"):
        shutil.copy(source / file, target / file)
    old, new = kvstore(source), kvstore(target, config=config, **options)
    for key in sorted(old.list().result()):
        new.write(key, old.read(key).result().value).result()
    shutil.copy(OUT / "pytree.json", OUT / f"{name}.json")


def other_databases():
    nodes = {"max_decoded_node_bytes": 256, "max_inline_value_bytes": 16}
    # Data files of 4 KB: else each version has its own, 70 of them.
    rewritten("deep", nodes | {"compression": None, "version_tree_arity_log2": 1})
    rewritten("numbered", nodes | {"manifest_kind": "numbered", "compression": {"id": "zstd", "level": 3}})


def processes():
    """What two processes wrote, merged as Orbax does it; the array `x` has chunks from both."""
    path = OUT / "processes"
    path.mkdir()
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    for process in range(2):
        folder = path / f"ocdbt.process_{process}"
        array = ts.open(
            {"driver": "zarr", "kvstore": {"driver": "ocdbt", "base": f"file://{folder}/", "path": "x/"}},
            create=True, open=True, dtype=ts.float32, codec=ts.CodecSpec({"driver": "zarr", "compressor": {"id": "zstd"}}), shape=x.shape, chunk_layout=ts.ChunkLayout(chunk_shape=(2, 6)),
        ).result()
        array[process * 2 : process * 2 + 2].write(x[process * 2 : process * 2 + 2]).result()
    context = tensorstore_utils.get_ts_context(use_ocdbt=True)
    asyncio.run(ocdbt_utils.merge_ocdbt_per_process_files(path, ts_context=context, use_zarr3=False))
    keys = [{"key": "x", "key_type": 2}]
    value = {"value_type": "np.ndarray", "skip_deserialize": False}
    metadata = {"tree_metadata": {"('x',)": {"key_metadata": keys, "value_metadata": value}}, "use_ocdbt": True}
    (path / "_METADATA").write_text(json.dumps(metadata))
    write("processes", **{"": describe({"x": x})})


def old():
    """As checkpoints of 2022 were: gzip, chunks of fill values left out, few metadata."""
    path = OUT / "old"
    path.mkdir()
    trees = {}
    for name, compressor, fill in (("gzip", {"id": "gzip", "level": 5}, 2.5), ("zlib", {"id": "zlib", "level": 1}, None), ("raw", None, -1)):
        x = np.arange(35, dtype=np.float32).reshape(5, 7)
        x[2:4, :3] = fill or 0
        metadata = {"compressor": compressor, "dtype": "<f4", "shape": [5, 7], "chunks": [2, 3], "fill_value": fill}
        spec = {"driver": "zarr", "kvstore": f"file://{path}/{name}/", "metadata": metadata}
        ts.open(spec, create=True).result().write(x).result()
        assert fill is None or not (path / name / "1.0").exists()
        trees[name] = x
    entry = lambda name: {"key_metadata": [{"key": name, "key_type": 2}], "value_metadata": {"value_type": "np.ndarray"}}
    (path / "_METADATA").write_text(json.dumps({"tree_metadata": {f"('{n}',)": entry(n) for n in trees}, "use_ocdbt": False}))
    write("old", **{"": describe(trees)})


def model():
    """The model of flax_gpt2 as a state of training, for graphs/tests."""
    checkpoints = OUT.parent.parent.parent / "graphs" / "tests" / "data" / "checkpoints"
    out = checkpoints / "orbax_gpt2"
    shutil.rmtree(out, ignore_errors=True)
    params = serialization.msgpack_restore((checkpoints / "flax_gpt2" / "flax_model.msgpack").read_bytes())
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(out, {"params": params, "opt_state": [{"count": np.int32(3)}], "step": 3})
        checkpointer.wait_until_finished()
    shutil.copy(checkpoints / "flax_gpt2" / "config.json", out / "config.json")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    from_v0()
    from_v1()
    other_databases()
    processes()
    old()
    model()
    size = sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file())
    print(f"{size} bytes in {sum(f.is_file() for f in OUT.rglob('*'))} files")


main()
