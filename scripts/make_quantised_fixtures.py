"""Makes graphs/tests/data/gguf/quantised.gguf: values, and the blocks that ggml makes of them, one tensor per format.

    pip install gguf numpy
    python scripts/make_quantised_fixtures.py LIBGGML

LIBGGML is the shared library `ggml-base` of a build of llama.cpp (of the package node-llama-cpp, for one). Its `ggml_quantize_chunk`
is what llama-quantize calls; the formats that the package gguf can quantise are checked against that as well.
"""

import ctypes
import pathlib
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

OUT = pathlib.Path(__file__).parent.parent / "graphs" / "tests" / "data" / "gguf" / "quantised.gguf"
TYPES = [
    Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.IQ4_NL, Type.MXFP4,
    Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_XS,
]  # fmt: skip
COLUMNS = 512


def values():
    """Rows of every kind that weights come in, and of some that they do not."""
    rng = np.random.default_rng(2)
    normal = lambda scale=1.0, n=1: rng.normal(0, scale, (n, COLUMNS))
    odd = normal(0.1)
    odd[:, ::97] *= 40
    blocks = normal(0.02).reshape(-1, 32) * rng.choice([0, 1e-4, 1, 30], (COLUMNS // 32, 1))
    steps = np.round(normal(4.0)) / 8
    rows = [
        normal(0.02, 4), normal(3.0), rng.standard_t(3, (2, COLUMNS)) * 0.05, odd, blocks.reshape(1, -1), steps, np.abs(normal(0.3)),
        -np.abs(normal(0.3)), normal(0.01) + 1, normal(1e-7), normal(1e-20), normal(300), np.zeros((1, COLUMNS)), np.full((1, COLUMNS), 0.7),
        np.full((1, COLUMNS), -0.7),
    ]  # fmt: skip
    return np.concatenate(rows).astype(np.float32)


def main():
    lib = ctypes.CDLL(sys.argv[1])
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    x = np.ascontiguousarray(values())
    writer = gguf.GGUFWriter(OUT, "none")
    writer.add_tensor("values", x)
    for kind in TYPES:
        per_block, size = gguf.GGML_QUANT_SIZES[kind]
        out = np.zeros((x.shape[0], COLUMNS // per_block * size), dtype=np.uint8)
        written = lib.ggml_quantize_chunk(int(kind), x.ctypes.data, out.ctypes.data, 0, *x.shape, None)
        assert written == out.size
        try:
            same = (gguf.quants.quantize(x, kind) == out).all(axis=-1)
            print(kind.name, "equals the package gguf in", same.sum(), "of", len(same), "rows")
        except NotImplementedError:
            pass
        writer.add_tensor(kind.name, out, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
