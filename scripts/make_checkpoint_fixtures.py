"""Makes graphs/tests/data/checkpoints: small files in other formats than safetensors, and the tensors they hold.

    pip install torch safetensors flax
    python scripts/make_checkpoint_fixtures.py

NAME.bin, NAME.pt, NAME.pth   written by torch.save; NAME.safetensors holds the same tensors, contiguous
refused/NAME.bin              files that torch would run code for, or that hold no dict of tensors
flax_gpt2/, flax_llama/       the models of fixtures/gpt2_f16 and fixtures/llama_bf16 as flax_model.msgpack
flax.msgpack                  arrays of all dtypes by flax.serialization, one of them in pieces; flax.safetensors
torch_shards/                 the model of fixtures/llama_bf16 as pytorch_model-0000?-of-00002.bin with their index
"""

import argparse
import collections
import json
import pathlib
import shutil

import ml_dtypes
import numpy as np
import torch
from flax import serialization
from safetensors.torch import load_file, save_file

TESTS = pathlib.Path(__file__).parent.parent / "graphs" / "tests"
OUT = TESTS / "data" / "checkpoints"


def save(name, value, tensors=None, **options):
    """`value` with torch.save, and its tensors (or these) beside it."""
    path = OUT / name
    torch.save(value, path, **options)
    tensors = {k: v for k, v in (tensors or value).items() if isinstance(v, torch.Tensor)}
    plain = {k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}
    save_file(plain, path.with_suffix(".safetensors"))


def dtypes():
    torch.manual_seed(0)
    x = torch.randn(3, 4)
    floats = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]
    whole = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64]
    made = collections.OrderedDict((str(d).removeprefix("torch."), x.to(d)) for d in floats)
    made.update((str(d).removeprefix("torch."), torch.arange(5).to(d)) for d in whole)
    made["bool"] = x > 0
    made["scalar"] = torch.tensor(2.5)
    made["empty"] = torch.zeros(0, 7)
    made["parameter"] = torch.nn.Parameter(torch.arange(3.0))
    made._metadata = collections.OrderedDict({"": {"version": 1}, "layer": {"version": 2}})
    return made


def views():
    base = torch.arange(24.0).reshape(4, 6)
    shared = torch.randn(5, 5)
    return {
        "transposed": base.t(),
        "columns": base[:, 1:3],
        "steps": base[::2, ::3],
        "row": base[2],
        "column": base[:, 5],
        "permuted": torch.arange(24, dtype=torch.int16).reshape(2, 3, 4).permute(2, 0, 1),
        "expanded": torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16).expand(2, 3),
        "first": shared,
        "second": shared,
        "diagonal": shared.diagonal(),
        "one": base[1:2, 3:4].t(),
    }


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def shards():
    model = load_file(TESTS / "fixtures" / "llama_bf16" / "model.safetensors")
    names = sorted(model)
    folder = OUT / "torch_shards"
    folder.mkdir()
    shutil.copy(TESTS / "fixtures" / "llama_bf16" / "config.json", folder)
    parts, where = [names[::2], names[1::2]], {}
    for i, part in enumerate(parts, 1):
        file = f"pytorch_model-{i:05}-of-{len(parts):05}.bin"
        torch.save({name: model[name] for name in part}, folder / file)
        where.update((name, file) for name in part)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}, indent=1))


def to_numpy(tensor):
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def flax_model(name, fixture):
    """By the rules of transformers' modeling_flax_pytorch_utils.py, in the other direction."""
    folder = OUT / name
    folder.mkdir()
    shutil.copy(TESTS / "fixtures" / fixture / "config.json", folder)
    tree = {}
    for key, tensor in load_file(TESTS / "fixtures" / fixture / "model.safetensors").items():
        *path, leaf = key.split(".")
        value = to_numpy(tensor)
        if path[-1] in ("wte", "wpe", "embed_tokens"):
            leaf = "embedding"
        elif leaf == "weight" and value.ndim == 2:
            leaf, value = "kernel", value.T
        elif leaf == "weight" and path[-1].startswith("ln_"):
            leaf = "scale"
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = np.ascontiguousarray(value)
    (folder / "flax_model.msgpack").write_bytes(serialization.to_bytes(tree))


def flax_arrays():
    names = ["float32", "bfloat16", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32"]
    numpy = {name: np.arange(-3, 3).reshape(2, 3).astype(ml_dtypes.bfloat16 if name == "bfloat16" else name) for name in names}
    tree = {"a": {"b": {"kernel": numpy["float32"]}}, "step": 7, "name": "x", "none": None, "bias": numpy["float16"][0]}
    tree.update((k, v) for k, v in numpy.items())
    limit, serialization.MAX_CHUNK_SIZE = serialization.MAX_CHUNK_SIZE, 64
    tree["pieces"] = np.arange(50, dtype=np.int16).reshape(5, 10)
    tree["c"] = {"kernel": np.arange(60, dtype=np.float32).reshape(5, 12)}
    (OUT / "flax.msgpack").write_bytes(serialization.to_bytes({"params": tree}))
    serialization.MAX_CHUNK_SIZE = limit
    tensors = {"a.b.weight": numpy["float32"].T, "c.weight": tree["c"]["kernel"].T, "pieces": tree["pieces"], "bias": tree["bias"]}
    bf16 = torch.from_numpy(numpy.pop("bfloat16").view(np.int16)).view(torch.bfloat16)
    plain = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in {**tensors, **numpy}.items()}
    save_file({**plain, "bfloat16": bf16}, OUT / "flax.safetensors")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "refused").mkdir(parents=True)
    for protocol in 1, 2, 4, 5:
        save(f"protocol{protocol}.bin", dtypes(), pickle_protocol=protocol)
    save("views.pt", views())
    save("before_zip.pth", views(), _use_new_zipfile_serialization=False)
    few = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}
    lightning = {"epoch": 3, "lr": 1e-3, "name": "run", "state_dict": few, "hparams": [1, None, {"deep": (2, "x")}]}
    save("state_dict.pt", lightning, few)
    save("model.pth", {"model": collections.OrderedDict(few), "step": torch.tensor(7)}, few)
    save("mixed.bin", {**few, "version": 2, "list": [torch.ones(1)], "step": 2**70})
    refused = {
        "code": {"w": torch.ones(1), "x": Call(eval, "1 + 1")},
        "namespace": {"model": few, "args": argparse.Namespace(lr=0.1)},
        "module": torch.nn.Linear(2, 2),
        "numbers": {"a": 1},
        "list": [torch.ones(1)],
        "complex": {"c": torch.ones(2, dtype=torch.complex64)},
    }
    for name, value in refused.items():
        torch.save(value, OUT / "refused" / f"{name}.bin")
    shards()
    flax_model("flax_gpt2", "gpt2_f16")
    flax_model("flax_llama", "llama_bf16")
    flax_arrays()


main()
