"""Writes tests/fixtures/jax_export: functions as jax.export writes them (StableHLO as text and as bytecode, and the serialised artifact), with
inputs and what JAX computes of them, by the numbers of the leaves. Needs jax, flatbuffers and safetensors.

    python scripts/make_jax_export_fixture.py
"""
import os
import pathlib

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
import jax
import jax.numpy as jnp
import numpy as np
from jax import export

HERE = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/jax_export"
NAMES = {"float32": "F32", "float64": "F64", "bfloat16": "BF16", "int32": "I32", "int64": "I64", "bool": "BOOL"}


def save(name, leaves):
    """A safetensors file, written here since the package does not know the dtypes of JAX."""
    import json

    header, data = {}, b""
    for i, leaf in enumerate(leaves):
        leaf = np.asarray(leaf)
        raw = leaf.tobytes()
        header[str(i)] = {"dtype": NAMES[str(leaf.dtype)], "shape": list(leaf.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (HERE / name).write_bytes(len(text).to_bytes(8, "little") + text + data)


def write(name, f, *args, vjp_order=0, platforms=("cpu",), **kwargs):
    types = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (args, kwargs))
    exported = export.export(jax.jit(f), platforms=list(platforms))(*types[0], **types[1])
    (HERE / f"{name}.jax").write_bytes(exported.serialize(vjp_order=vjp_order))
    if len(platforms) == 1:
        (HERE / f"{name}.mlir").write_text(exported.mlir_module())
        (HERE / f"{name}.mlirbc").write_bytes(exported.mlir_module_serialized)
    leaves = jax.tree.leaves((args, kwargs))
    save(f"{name}.inputs.safetensors", leaves)
    results = jax.tree.leaves(f(*args, **kwargs))
    save(f"{name}.outputs.safetensors", results)
    return exported, leaves, results


def main():
    # (no folders of the machine in locations)
    jax.config.update("jax_hlo_source_file_canonicalization_regex", r".*/scripts/|.*site-packages/")
    HERE.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(0)
    normal = lambda *dims: jnp.asarray(numbers.normal(size=dims), jnp.float32)

    def mlp(p, x, *, scale):
        y = jnp.tanh(x @ p["w"] + p["b"]) * scale.astype(jnp.float32)
        return {"y": y, "n": x.sum()}, y.astype(jnp.bfloat16)

    p = {"w": normal(3, 2), "b": normal(2)}
    exported, leaves, results = write("mlp", mlp, p, normal(4, 3), scale=jnp.asarray(1.5, jnp.bfloat16), vjp_order=1)
    cotangents = [jnp.ones_like(y) for y in results]
    save("mlp_vjp.inputs.safetensors", leaves + cotangents)
    save("mlp_vjp.outputs.safetensors", jax.tree.leaves(exported.vjp().call(*leaves, *cotangents)))
    write("platforms", lambda x: jax.lax.platform_dependent(x, cpu=jnp.sin, tpu=jnp.cos), normal(3), platforms=("tpu", "cpu"))
    with jax.enable_x64(True):
        write("x64", lambda x, n: (x / 3 + n, n * n > 5), jnp.arange(4.0), jnp.arange(4))
    # (the module does not take what is unused; as a module it has another signature)
    write("unused", lambda x, unused, y: x - y, normal(3), normal(2), normal(3))
    [(HERE / f"unused.{form}").unlink() for form in ("mlir", "mlirbc")]
    symbolic = jax.ShapeDtypeStruct(export.symbolic_shape("b, 3"), jnp.float32)
    exported = export.export(jax.jit(lambda x: x * 2))(symbolic)
    (HERE / "symbolic.jax").write_bytes(exported.serialize())
    (HERE / "symbolic.mlir").write_text(exported.mlir_module())
    # any batch b, length t and number of places k, with what JAX computes for two of them
    def sizes(x, w, places):
        b, t, _ = x.shape
        scores = jnp.where(jnp.tril(jnp.ones((t, t), bool)), jnp.einsum("bti,bsi->bts", x, x), -1e30)
        h = jnp.einsum("bts,bsi->bti", jax.nn.softmax(scores), x) @ w
        last, all_ = jax.lax.scan(lambda c, row: (jnp.tanh(c + row), c), jnp.zeros((b, 3)), h.swapaxes(0, 1))
        split = x[:, : t // 2].reshape(b, -1)
        part = jax.lax.dynamic_slice(x, (0, places[0], 0), (b, t - 1, 4))
        picked = x.at[0, places].add(1.0)[:, places]
        images = jax.lax.conv_general_dilated(x[:, None], jnp.ones((2, 1, 3, 3)), (1, 2), "SAME")
        long = jax.lax.while_loop(lambda c: c.sum() < 100.0, lambda c: c * 2 + 1, jnp.abs(x))
        either = jax.lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x)
        return last, {"all": all_, "split": split, "part": part, "picked": picked}, jnp.cumsum(h, 1), jnp.pad(x, ((0, b), (1, 0), (0, 0))), \
            jnp.concatenate([x, h], -1).mean(), jnp.arange(t * 2), images, jnp.sort(x, 1), long, either

    scope = export.SymbolicScope(["t >= 2"])
    shape = lambda text, dtype: jax.ShapeDtypeStruct(export.symbolic_shape(text, scope=scope), dtype)
    types = shape("b, t, 4", jnp.float32), jax.ShapeDtypeStruct((4, 3), jnp.float32), shape("k", jnp.int32)
    exported = export.export(jax.jit(sizes), platforms=["tpu", "cpu"])(*types)
    (HERE / "sizes.jax").write_bytes(exported.serialize())
    w = normal(4, 3)
    for case, args in [("sizes_a", (normal(2, 5, 4), w, jnp.asarray([1, 4, 0]))), ("sizes_b", (normal(3, 2, 4), w, jnp.asarray([0])))]:
        save(f"{case}.inputs.safetensors", args)
        save(f"{case}.outputs.safetensors", jax.tree.leaves(sizes(*args)))
    exported = export.export(jax.jit(lambda x: jnp.linalg.cholesky(x)))(
        jax.ShapeDtypeStruct(export.symbolic_shape("b, 3, 3"), jnp.float32))
    (HERE / "library.jax").write_bytes(exported.serialize())
    exported = export.export(jax.jit(lambda x: x * 2), platforms=["tpu"])(jax.ShapeDtypeStruct((3,), jnp.float32))
    (HERE / "tpu.jax").write_bytes(exported.serialize())
    # on four devices; how the second result is divided, the compiler chooses
    mesh = jax.make_mesh((2, 2), ("data", "model"))
    place = lambda *spec: jax.NamedSharding(mesh, jax.P(*spec))
    f = jax.jit(lambda x, w: (x @ w, x.sum(1)), in_shardings=(place("data"), place(None, "model")), out_shardings=(place("data", "model"), None))
    x, w = normal(4, 3), normal(3, 2)
    exported = export.export(f)(x, w)
    (HERE / "mesh.mlir").write_text(exported.mlir_module())
    (HERE / "mesh.jax").write_bytes(exported.serialize())
    save("mesh.inputs.safetensors", [x, w])
    save("mesh.outputs.safetensors", jax.tree.leaves(f(x, w)))
    # for two platforms, with an argument that is not used
    f = lambda x, unused, w: jax.lax.platform_dependent(x @ w, cpu=jnp.sin, tpu=jnp.cos)
    f = jax.jit(f, in_shardings=(place("data"), place(), place(None, "model")), out_shardings=place(("model", "data")))
    exported = export.export(f, platforms=["tpu", "cpu"])(x, w, w)
    (HERE / "mesh_platforms.jax").write_bytes(exported.serialize())
    save("mesh_platforms.inputs.safetensors", [x, w, w])
    save("mesh_platforms.outputs.safetensors", [f(x, w, w)])


main()
