#!/usr/bin/env python3
"""Writes tests/fixtures/transforms.json: what JAX makes of functions and their transformations.

usage: make_transform_fixtures.py [OUT]            needs: pip install jax numpy (Python 3.12 or newer)

    {"jax": "...", "cases": [{"name": "softmax", "inputs": [TENSOR, ...], "outputs": [TENSOR, ...]}, ...]}

    TENSOR = {"dtype": "f32", "shape": [2, 3], "values": [...]}

The cases are the functions of `transform_cases/`; tests/jax_transforms/ has a function of the same name for each, which is the
same mathematics in raxla. A case runs under `jax.jit` on a CPU, with 64-bit types if an input has one. Results are the leaves of
what the function returns. Values are coded as in prims.json.
"""
import json
import pathlib
import sys

import jax
import numpy as np

from transform_cases import CASES

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/transforms.json"
NAMES = {"float32": "f32", "float64": "f64", "bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
         "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "bfloat16": "bf16", "float16": "f16"}


def tensor(x):
    x = np.asarray(x)
    kind = NAMES[x.dtype.name]
    flat = np.ascontiguousarray(x).reshape(-1)
    if "f" in kind:
        flat = flat.view(f"uint{x.dtype.itemsize * 8}")
    return dict(dtype=kind, shape=list(x.shape), values=[int(v) for v in flat])


def run(name, f, inputs):
    with jax.enable_x64(any(x.dtype.itemsize == 8 for x in inputs)):
        outputs = jax.tree.leaves(jax.jit(f)(*inputs))
        return dict(name=name, inputs=[tensor(x) for x in inputs], outputs=[tensor(y) for y in outputs])


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    rows = [json.dumps(run(*case), separators=(",", ":")) for case in CASES]
    names = [name for name, _, _ in CASES]
    assert len(set(names)) == len(names), "two cases have one name"
    out.write_text(f'{{"jax": "{jax.__version__}", "cases": [\n{",\n".join(rows)}]}}\n')
    print(f"{out}: {len(rows)} cases, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
