#!/usr/bin/env python3
"""Writes tests/fixtures/small_floats.json: what ml_dtypes and JAX (XLA on a CPU) make of floats of 4 and 8 bits.

usage: make_small_float_fixtures.py [OUT]            needs: pip install jax

    {"jax": "...", "ml_dtypes": "...", "types": [{
      "name": "float8_e3m4", "values": [...],     the bits in f32 of what each code means, as ml_dtypes has it (any NaN equals any other)
      "from_f32": [[BITS, CODE], ..],             f32 rounded: every value, the midpoints between them, their neighbours, what is too large
                                                  or too small, and special values; where ml_dtypes and JAX agree, which is all but NaN of float4
      "to": {"int32": [..], "uint8": [..], "bool": [..], "bfloat16": [BITS, ..]}}]}   each code converted by JAX
"""
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/small_floats.json")
NAMES = [
    "float4_e2m1fn",
    "float8_e8m0fnu",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
]
INTEGERS = ["int32", "uint8", "bool"]


def converted(x, dtype):
    return np.asarray(jax.jit(lambda x: x.astype(dtype))(jnp.asarray(x)))


def rounded(name, dtype, values):
    """Pairs of f32's bits and the code that it becomes."""
    finite = np.unique(values[np.isfinite(values)])
    with np.errstate(all="ignore"):
        middle = ((finite[1:].astype(np.float64) + finite[:-1]) / 2).astype(np.float32)
        inf = np.float32(np.inf)
        beside = [np.nextafter(middle, inf), np.nextafter(middle, -inf)]
        most = np.abs(finite).max()
        far = np.float32([1.01, 1.03, 1.06, 1.12, 1.24, 1.26, 1.4, 1.6, 3, 1e9]) * most
        least = np.abs(finite[finite != 0]).min()
        near = np.float32([0.4, 0.5, 0.6, 0.9, 1.1]) * least
        special = np.float32([0, -0.0, np.inf, -np.inf, np.nan])
        x = np.concatenate([finite, middle, *beside, far, -far, near, -near, special]).astype(np.float32)
        # (subnormal numbers of f32 are zeros to XLA's CPU programs)
        x = x[(np.abs(x) >= np.finfo(np.float32).tiny) | (x == 0) | np.isnan(x)]
        codes, jax_codes = x.astype(dtype).view(np.uint8), converted(x, dtype).view(np.uint8)
    differ = [float(v) for v in x[codes != jax_codes]]
    assert all(np.isnan(v) for v in differ), (name, differ)
    return [[int(b), int(c)] for b, c in zip(x.view(np.uint32), jax_codes)]


def case(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    codes = np.arange(16 if name.startswith("float4") else 256, dtype=np.uint8).view(dtype)
    values = codes.astype(np.float32)
    to = {to: [int(v) for v in converted(codes, to)] for to in INTEGERS}
    if name == "float4_e2m1fn":  # (XLA takes its 6 for infinity: ml_dtypes does not)
        to["int32"] = [int(v) for v in codes.astype(np.int32)]
        to["uint8"] = [int(np.clip(v, 0, 255)) for v in codes.astype(np.int32)]
    to["bfloat16"] = [int(v) for v in converted(codes, ml_dtypes.bfloat16).view(np.uint16)]
    bits = [int(v) for v in values.view(np.uint32)]
    return {"name": name, "values": bits, "from_f32": rounded(name, dtype, values), "to": to}


def main():
    made = {"jax": jax.__version__, "ml_dtypes": ml_dtypes.__version__, "types": [case(name) for name in NAMES]}
    OUT.write_text(json.dumps(made, separators=(",", ":")) + "\n")
    print(OUT, sum(len(t["values"]) * 5 + len(t["from_f32"]) for t in made["types"]), "conversions")


main()
