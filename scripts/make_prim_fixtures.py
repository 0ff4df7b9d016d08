#!/usr/bin/env python3
"""Writes tests/fixtures/prims.json: what XLA on a CPU makes of the corner cases of primitives, through JAX.

usage: make_prim_fixtures.py [OUT]            needs: pip install jax numpy scipy (Python 3.12 or newer)

    {"jax": "...", "cases": [
     {"op": "round", "attrs": {"mode": "even"}, "inputs": [TENSOR, ...], "outputs": [TENSOR, ...], "ulps": 0}, ...]}

    TENSOR = {"dtype": "f32", "shape": [2, 3], "values": [...]}

Values are integers in row-major order: the unsigned bit pattern of a float (8 bits for f8e4m3fn and f8e5m2), the value of an
integer (i4 and u4 too), 0 or 1 for bool. Any NaN equals any other NaN. `ulps` is how many units in the last place another
implementation, or another version of XLA, may be away (0: the same bits): this XLA's measured distance from the exact result,
plus 1 (f64: plus 2). Subnormal numbers of f16, bf16, f32 and f64 do not occur: XLA on a CPU flushes them to zero.

Operations, with operands in this order and attributes in this spelling:

unary                  round {mode: even | away}, sign, floor, ceil, abs, neg, is_finite, not, popcnt, clz, sqrt, rsqrt, cbrt, exp,
                       expm1, log, log1p, tanh, logistic, erf, sin, cos
binary                 add, sub, mul, div, rem (sign of the dividend), mod (sign of the divisor), pow, max, min, and, or, xor,
                       shift_left, shift_right_logical, shift_right_arithmetic, compare {direction: eq|ne|lt|le|gt|ge}
clamp                  (min, x, max), bounds scalar or of x's shape
convert {to}, bitcast {to}, reduce_precision {exponent_bits, mantissa_bits}
reduce_sum|prod|max|min|and|or {axes}, argmax|argmin {axis}, cumsum|cumprod|cummax|cumlogsumexp {axis, reverse}
sort {axis, num_keys}  operands sorted together, stably, by the first num_keys; NaN last, -0.0 equals 0.0
top_k {k}              along the last axis: values, i32 indices
pad {low, high, interior}, slice {starts, limits, strides}, reverse {axes}, transpose {perm}
dynamic_slice {sizes}  (x, start_0, start_1, ...); dynamic_update_slice (x, update, start_0, ...)
gather                 (operand, indices) {offset_dims, collapsed_slice_dims, start_index_map, operand_batching_dims,
                       start_indices_batching_dims, slice_sizes, mode: clip | fill}; the index vector is the last axis of indices;
                       fill: slices not wholly inside are NaN, the least signed or the largest unsigned integer
scatter                (operand, indices, updates) {kind: set|add|mul|min|max, update_window_dims, inserted_window_dims,
                       scatter_dims_to_operand_dims, operand_batching_dims, scatter_indices_batching_dims, mode: clip | drop}
dot_general            {lhs_contract, rhs_contract, lhs_batch, rhs_batch, preferred}; result axes: batch, lhs free, rhs free
convolution            {strides, padding: [[low, high], ...], lhs_dilation, rhs_dilation, feature_groups, batch_groups,
                       lhs_spec, rhs_spec, out_spec}; specs as in StableHLO: [batch, feature, spatial...] axes of lhs and out,
                       [out feature, in feature, spatial...] axes of rhs
"""
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import scipy.special
from jax import lax

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/prims.json"
DTYPES = {"bool": np.bool_, "bf16": ml_dtypes.bfloat16, "f16": np.float16, "f32": np.float32, "f64": np.float64,
          "f8e4m3fn": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2, "i4": ml_dtypes.int4, "u4": ml_dtypes.uint4}
DTYPES |= {f"{k[0]}{n}": np.dtype(f"{k}{n}").type for k in ("int", "uint") for n in (8, 16, 32, 64)}
DTYPES = {k: np.dtype(v) for k, v in DTYPES.items()}
FLOATS = ("bf16", "f16", "f32", "f64", "f8e4m3fn", "f8e5m2")
INF, NAN = np.inf, np.nan


def name(dtype):
    return next(k for k, v in DTYPES.items() if v == dtype)


def arr(dtype, values, shape=None):
    with np.errstate(all="ignore"):
        x = np.asarray(values).astype(DTYPES[dtype])
    return x if shape is None else x.reshape(shape)


def tensor(x):
    x = np.asarray(x)
    kind = name(x.dtype)
    flat = np.ascontiguousarray(x).reshape(-1)
    if kind in FLOATS:
        flat = flat.view(f"uint{x.dtype.itemsize * 8}")
    return dict(dtype=kind, shape=list(x.shape), values=[int(v) for v in flat])


def distance(x, exact):
    """The largest distance between two float arrays of one dtype in units in the last place, NaN being near NaN."""
    bits = f"int{x.dtype.itemsize * 8}"
    order = lambda a: np.where(a.view(bits) < 0, -(a.view(bits) & np.iinfo(bits).max).astype(np.int64), a.view(bits))
    both = np.isnan(x) & np.isnan(exact)
    return int(np.max(np.where(both, 0, np.abs(order(x).astype(np.float64) - order(exact).astype(np.float64)))))


class Cases(list):
    def add(self, op, call, *inputs, exact=None, ulps=0, **attrs):
        """Runs `call` on the inputs, compiled; `exact`, a function on f64 arrays, raises `ulps` to what it measures."""
        with jax.enable_x64(any(x.dtype.itemsize == 8 for x in inputs) or attrs.get("to") in ("f64", "i64", "u64")):
            out = jax.jit(call)(*inputs)
            out = [np.asarray(o) for o in (out if isinstance(out, (tuple, list)) else [out])]
        if exact is not None:
            with np.errstate(all="ignore"):
                true = exact(*(x.astype(np.float64) for x in inputs)).astype(out[0].dtype)
            ulps = max(ulps, distance(out[0], true) + (2 if out[0].dtype == np.float64 else 1))   # `exact` itself rounds in f64
        self.append(dict(op=op, attrs=attrs, inputs=[tensor(x) for x in inputs], outputs=[tensor(o) for o in out], ulps=ulps))


def rounding(c):
    halves = [0.0, -0.0, 0.25, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3.49, 0.49999997, -0.49999997, 4194304.5, 8388609.0, -8388607.5,
              1e30, INF, -INF, NAN]
    for d in ("f32", "f64", "bf16", "f16"):
        x = arr(d, halves[:-4] + [INF, -INF, NAN] if d == "f16" else halves)
        c.add("round", lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), x, mode="even")
        c.add("round", lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO), x, mode="away")
        for op in ("floor", "ceil", "sign", "abs", "neg", "is_finite"):
            c.add(op, getattr(lax, op), x)
    for d in ("i8", "i32"):
        info = np.iinfo(DTYPES[d])
        for op in ("sign", "abs", "neg"):
            c.add(op, getattr(lax, op), arr(d, [info.min, -7, 0, 3, info.max]))
    for d in ("i8", "u8", "u32", "i64"):
        bits = arr(d, [0, 1, 2, 100, np.iinfo(DTYPES[d]).max, np.iinfo(DTYPES[d]).min])
        for op, call in (("not", lax.bitwise_not), ("popcnt", lax.population_count), ("clz", lax.clz)):
            c.add(op, call, bits)


def transcendental(c):
    wide = [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 1e-3, -1e-3, 0.1, -0.1, 0.5, -0.5, 0.75, 1.0, -1.0, 1.5, -2.0, 3.0, -3.5, 5.0, -6.0,
            9.0, -10.0, 20.0, -20.0, 50.0, -50.0, 88.0, -87.0, 1e4, -1e4, INF, -INF, NAN]
    small = [x for x in wide if not abs(x) > 20] + [NAN]
    functions = {"exp": (lax.exp, np.exp, wide), "expm1": (lax.expm1, np.expm1, wide), "log": (lax.log, np.log, wide),
                 "log1p": (lax.log1p, np.log1p, wide), "tanh": (lax.tanh, np.tanh, wide),
                 "logistic": (lax.logistic, scipy.special.expit, wide), "erf": (lax.erf, scipy.special.erf, wide),
                 "sqrt": (lax.sqrt, np.sqrt, wide), "rsqrt": (lax.rsqrt, lambda x: 1 / np.sqrt(x), wide),
                 "cbrt": (lax.cbrt, np.cbrt, wide), "sin": (lax.sin, np.sin, small), "cos": (lax.cos, np.cos, small)}
    for op, (call, exact, values) in functions.items():
        for d in ("f32", "f64", "bf16", "f16"):
            x = [v for v in values if abs(v) < 60000 or not np.isfinite(v)]
            x = [v for v in x if d != "f16" or abs(v) > 1e-4 or v == 0 or np.isnan(v)]
            if op in ("exp", "logistic") and d in ("f16", "f32"):   # no subnormal results
                x = [v for v in x if not np.isfinite(v) or v > (-9 if d == "f16" else -86)]
            if op == "rsqrt":
                x = [v for v in x if v or not np.signbit(v)]        # the sign of rsqrt(-0.0) is not fixed
            # expm1 is expanded differently from one XLA to the next
            c.add(op, call, arr(d, x), exact=exact, ulps=4 if op == "expm1" else 0)


def binary(c):
    special = [0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, 5.5, -5.5, INF, -INF, NAN]
    x, y = (arr("f32", m.reshape(-1)) for m in np.meshgrid(special, special, indexing="ij"))
    exact = lambda f: dict(exact=lambda x, y: f(x, y))
    c.add("pow", lax.pow, x, y, **exact(np.power))
    c.add("pow", lax.pow, arr("f32", [2, 2, 10, -8, -8, 1.0000001, 0.9, 1e-20, 7]), arr("f32", [10, -10, 3.5, 3, 2, 1e6, 300, 1.5, 0]), **exact(np.power))
    x, y = (arr("f32", m.reshape(-1)) for m in np.meshgrid(*[[0.0, -0.0, 1.0, -3.0, 5.5, INF, -INF, NAN]] * 2, indexing="ij"))
    for op in ("rem", "div", "add", "sub", "mul"):
        c.add(op, getattr(lax, op), x, y)
    c.add("mod", jnp.remainder, x, y)
    c.add("rem", lax.rem, arr("f32", [5.3, -5.3, 1e10, 7, 0.3]), arr("f32", [2.1, 2.1, 3, -0.7, 0.1]))
    keep = ~((x == 0) & (y == 0))                                    # which zero max and min return is not fixed
    for op in ("max", "min"):
        c.add(op, getattr(lax, op), x[keep], y[keep])
    for direction in ("eq", "ne", "lt", "le", "gt", "ge"):
        c.add("compare", getattr(lax, direction), x, y, direction=direction)
    c.add("clamp", lax.clamp, arr("f32", -1.5), arr("f32", special), arr("f32", 2.5))
    c.add("clamp", lax.clamp, arr("f32", [1, 3, -1, NAN]), arr("f32", [0, 2, NAN, 1]), arr("f32", [2, 1, 1, 2]))
    c.add("clamp", lax.clamp, arr("i32", -3), arr("i32", [-5, -3, 0, 4, 9]), arr("i32", 4))
    integers(c)


def integers(c):
    for d in ("i8", "i32", "i64", "u8", "u32", "u64"):
        info = np.iinfo(DTYPES[d])
        values = [info.min, 0, 1, 3, 100, info.max] + ([-1, -7] if info.min else [])
        x, y = (arr(d, m.reshape(-1)) for m in np.meshgrid(np.array(values, DTYPES[d]), np.array(values, DTYPES[d]), indexing="ij"))
        for op in ("div", "rem") if info.bits == 64 else ("div", "rem", "add", "mul", "max"):
            c.add(op, getattr(lax, op), x, y)
        nonzero = y != 0
        c.add("mod", jnp.remainder, x[nonzero], y[nonzero])
        if info.bits == 32:
            c.add("compare", lax.lt, x, y, direction="lt")
        counts = arr(d, [0, 1, info.bits - 1, info.bits, info.bits + 1, min(100, info.max)] + ([-1] if info.min else [info.max]))
        x, n = np.repeat(arr(d, values), len(counts)), np.tile(counts, len(values))
        for op in ("shift_left", "shift_right_logical", "shift_right_arithmetic"):
            c.add(op, getattr(lax, op), x, n)
    a, b = arr("u8", [0x0F, 0xF0, 0xAA, 255]), arr("u8", [0x3C, 0xFF, 0x55, 1])
    for op in ("and", "or", "xor"):
        c.add(op, getattr(lax, f"bitwise_{op}"), a, b)
        c.add(op, getattr(lax, f"bitwise_{op}"), arr("bool", [0, 0, 1, 1]), arr("bool", [0, 1, 0, 1]))


def conversions(c):
    to = lambda d: lambda x: lax.convert_element_type(x, DTYPES[d])
    reals = [0.0, -0.0, 0.5, -0.5, 0.999, 1.5, -1.5, 2.5, 7.9, -8.5, 127.6, 128.0, -128.9, -129.0, 255.5, 256.0, 300.0, -1.0, 65504.0, 65519.0,
             65520.0, 1e5, -1e5, 2147483520.0, 2147483648.0, -2147483648.0, 3e9, 4294967040.0, 4294967296.0, -3e9, 1e10, 1e19, -1e19,
             1e20, 3e38, INF, -INF, NAN]
    for d in ("i8", "u8", "i16", "u16", "i32", "u32", "bool"):
        c.add("convert", to(d), arr("f32", reals), to=d)
        c.add("convert", to(d), arr("bf16", reals), to=d)
    for d in ("i8", "i32", "u32", "i64", "u64"):
        c.add("convert", to(d), arr("f64", reals), to=d)
    near = [1.0, 1.00390625, 1.005859375, 1.01171875, 1.0004883, 1.0004885, 1.0014648, 3.3895314e38, 3.3961775e38, 0.1, -0.3, 448.0, 449.0, 464.0,
            465.0, 480.0, 57344.0, 61439.0, 61440.0, 65519.0, 65520.0, 0.0625, 0.015625, 0.017, 240.0, 1e-3, INF, -INF, NAN, 0.0, -0.0]
    for d in ("bf16", "f8e4m3fn", "f8e5m2"):
        c.add("convert", to(d), arr("f32", near), to=d)
        c.add("convert", to("f32"), arr(d, near), to="f32")
    c.add("convert", to("f16"), arr("f32", [v for v in near if v != 1e-3]), to="f16")
    c.add("convert", to("f32"), arr("f64", near[:7] + [1 + 2**-24, 1 + 2**-24 + 2**-50, 1e300, -1e300, INF, NAN]), to="f32")
    for d in ("f8e4m3fn", "f8e5m2"):
        every = np.arange(256, dtype=np.uint8).view(DTYPES[d])
        c.add("convert", to("f32"), every, to="f32")
        c.add("convert", to(d), arr("bf16", near), to=d)
    ints = [0, 1, -1, 7, 8, -8, -9, 15, 16, 127, 128, 255, 256, -129, 65535, 16777217, 33554435, 2**31 - 1, -(2**31)]
    for d in ("i4", "u4", "i8", "u8", "i16", "u32", "f32", "bf16", "f16", "f64", "bool"):
        c.add("convert", to(d), arr("i32", ints if d != "f16" else ints[:14]), to=d)
    for d, values in (("i4", range(-8, 8)), ("u4", range(16))):
        for target in ("i32", "f32", "bf16", "i8"):
            c.add("convert", to(target), arr(d, list(values)), to=target)
    c.add("convert", to("f32"), arr("u32", [0, 1, 2**24 + 1, 2**31, 2**32 - 1]), to="f32")
    c.add("convert", to("f32"), arr("u64", np.array([0, 2**53 + 1, 2**63, 2**64 - 1], np.uint64)), to="f32")
    c.add("convert", to("f64"), arr("i64", np.array([2**53 + 1, -(2**53) - 1, 2**63 - 1], np.int64)), to="f64")
    c.add("convert", to("f32"), arr("bool", [0, 1]), to="f32")
    for e, m in ((8, 7), (5, 10), (4, 3), (5, 2), (8, 0)):
        c.add("reduce_precision", lambda x: lax.reduce_precision(x, e, m), arr("f32", near), exponent_bits=e, mantissa_bits=m)
    cast = lambda d: lambda x: lax.bitcast_convert_type(x, DTYPES[d])
    words = arr("f32", [1.0, -2.5, INF, 3.1415927])
    for d in ("u32", "i32", "u16", "u8"):
        c.add("bitcast", cast(d), words, to=d)
    c.add("bitcast", cast("f32"), words.view(np.uint8).reshape(4, 4), to="f32")
    c.add("bitcast", cast("bf16"), arr("u16", [0x3F80, 0xC000, 1 << 15]), to="bf16")


def reductions(c):
    x = arr("f32", [[1, 5, 5, -2, 5], [NAN, 7, NAN, 9, 0], [-INF, -INF, 3, INF, INF], [0.0, -0.0, 0.0, -0.0, 0.0], [-1, -1, -1, -1, -1]])
    for op in ("argmax", "argmin"):
        call = getattr(lax, op)
        c.add(op, lambda x: call(x, 1, np.int32), x, axis=1)
        c.add(op, lambda x: call(x, 0, np.int32), x, axis=0)
        c.add(op, lambda x: call(x, 1, np.int32), arr("i32", [[3, 9, 9, -1, -1], [4, 4, 4, 4, 4]]), axis=1)
        c.add(op, lambda x: call(x, 0, np.int32), arr("bf16", [1.5, NAN, 2, NAN]), axis=0)
    plain = arr("f32", np.arange(24) * 0.25 - 2, (2, 3, 4))
    table = {"sum": jnp.sum, "prod": jnp.prod, "max": jnp.max, "min": jnp.min}
    for op, call in table.items():
        for axes in ((0,), (1, 2), (0, 2), (0, 1, 2), ()):
            values = plain if op != "prod" else arr("f32", [1, 2, -1, 0.5, 4, 1, -2, 1, 0.25, 2, 1, -1] * 2, (2, 3, 4))
            c.add(f"reduce_{op}", lambda x: call(x, axis=axes), values, axes=list(axes))
        c.add(f"reduce_{op}", lambda x: call(x, axis=(1,)), arr("i32", [[2**31 - 1, 1, 5], [-7, 3, 2**30]]), axes=[1])
        c.add(f"reduce_{op}", lambda x: call(x, axis=(1,)), arr("f32", [[1, NAN, 2], [INF, -INF, 0], [3, 2, 1]]), axes=[1])
        if op in ("sum", "prod"):
            c.add(f"reduce_{op}", lambda x: call(x, axis=(0,)), np.zeros((0, 3), np.float32), axes=[0])
    for op in ("and", "or"):
        call = lambda x, op=op: (jnp.all if op == "and" else jnp.any)(x, axis=1)
        c.add(f"reduce_{op}", call, arr("bool", [[0, 0], [0, 1], [1, 1]]), axes=[1])
    cumulative(c)


def cumulative(c):
    x = arr("f32", np.array([1, -2, 0.5, 4, 0.25, -1, 3, 2, -0.5, 1, 8, 0.125, -4, 1, 0.5]), (3, 5))
    for reverse in (False, True):
        for axis in (0, 1):
            for op in ("cumsum", "cumprod", "cummax"):
                call = getattr(lax, op)
                c.add(op, lambda x: call(x, axis, reverse), x, axis=axis, reverse=reverse)
                c.add(op, lambda x: call(x, axis, reverse), arr("i32", x * 8), axis=axis, reverse=reverse)
            log = lambda x: np.flip(np.logaddexp.accumulate(np.flip(x, axis), axis), axis) if reverse else np.logaddexp.accumulate(x, axis)
            c.add("cumlogsumexp", lambda x: lax.cumlogsumexp(x, axis, reverse), x * 3, exact=log, axis=axis, reverse=reverse)
        far = arr("f32", [-INF, -INF, 0, 100, -100, -INF, 88])
        c.add("cumlogsumexp", lambda x: lax.cumlogsumexp(x, 0, reverse), far, ulps=4, axis=0, reverse=reverse)
        c.add("cummax", lambda x: lax.cummax(x, 0, reverse), arr("f32", [1, NAN, 3, 2, -INF]), axis=0, reverse=reverse)


def sorting(c):
    x = arr("f32", [3, NAN, -0.0, 0.0, -INF, 3, -0.0, -NAN, INF, 0.0, -1, 3])
    iota = np.arange(12, dtype=np.int32)
    c.add("sort", lambda x, i: lax.sort((x, i), num_keys=1), x, iota, axis=0, num_keys=1)
    c.add("sort", lambda x: lax.sort(x), x, axis=0, num_keys=1)
    keys = arr("i32", [2, 1, 2, 1, 0, 2, 1, 0, 0, 2, 1, 2])
    c.add("sort", lambda k, i: lax.sort((k, i), num_keys=1), keys, iota, axis=0, num_keys=1)
    c.add("sort", lambda k, x, i: lax.sort((k, x, i), num_keys=2), keys, x, iota, axis=0, num_keys=2)
    grid = arr("i8", np.random.default_rng(0).integers(-5, 5, (3, 4)))
    for axis in (0, 1):
        c.add("sort", lambda x, i: lax.sort((x, i), dimension=axis, num_keys=1), grid, iota.reshape(3, 4), axis=axis, num_keys=1)
    c.add("sort", lambda x: lax.sort(x), arr("u8", [200, 3, 255, 0]), axis=0, num_keys=1)
    c.add("sort", lambda x: lax.sort(x), arr("bool", [1, 0, 1, 0]), axis=0, num_keys=1)
    for values, k in (([[1, 3, 3, 2, 3], [0, 0, 0, 0, 0]], 3), ([[-1, -2, INF, -INF, 5], [7, 7, 8, 8, 1]], 5)):
        c.add("top_k", lambda x: lax.top_k(x, k), arr("f32", values), k=k)
        finite = np.nan_to_num(np.array(values), posinf=99, neginf=-99)
        c.add("top_k", lambda x: lax.top_k(x, k), arr("i32", finite), k=k)
    c.add("top_k", lambda x: lax.top_k(x, 4), arr("f32", [1, NAN, 3, INF, NAN, -2]), k=4)
    c.add("top_k", lambda x: lax.top_k(x, 2), arr("bf16", [1, 5, 5, 2]), k=2)


def shapes(c):
    x = arr("i32", np.arange(12), (3, 4))
    for low, high, interior in (([1, 0], [0, 2], [0, 0]), ([0, -1], [-1, 0], [0, 0]), ([1, -2], [-1, 3], [2, 1]), ([-1, 0], [0, -1], [1, 2])):
        config = list(zip(low, high, interior))
        c.add("pad", lambda x, v: lax.pad(x, v, config), x, arr("i32", -9), low=low, high=high, interior=interior)
    c.add("slice", lambda x: lax.slice(x, (0, 1), (3, 4), (2, 2)), x, starts=[0, 1], limits=[3, 4], strides=[2, 2])
    c.add("slice", lambda x: lax.slice(x, (1, 2), (1, 4)), x, starts=[1, 2], limits=[1, 4], strides=[1, 1])
    c.add("reverse", lambda x: lax.rev(x, (0, 1)), x, axes=[0, 1])
    c.add("transpose", lambda x: lax.transpose(x, (2, 0, 1)), x.reshape(3, 2, 2), perm=[2, 0, 1])
    update = arr("i32", [[-1, -2], [-3, -4]])
    for d in ("i32", "u8", "i8"):
        for i, j in ((0, 0), (1, 3), (2, 1), (100, 100)) + (((-1, -5), (-100, 2)) if d[0] == "i" else ((255, 0),)):
            starts = [arr(d, i), arr(d, j)]
            c.add("dynamic_slice", lambda x, i, j: lax.dynamic_slice(x, (i, j), (2, 3)), x, *starts, sizes=[2, 3])
            c.add("dynamic_update_slice", lambda x, u, i, j: lax.dynamic_update_slice(x, u, (i, j)), x, update, *starts)


GATHERS = [   # (operand shape, indices shape, slice sizes, dimension numbers)
    ((5, 3), (4, 1), (1, 3), dict(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))),
    ((5, 3), (2, 2, 2), (1, 1), dict(offset_dims=(), collapsed_slice_dims=(0, 1), start_index_map=(0, 1))),
    ((5, 3), (4, 2), (2, 2), dict(offset_dims=(1, 2), collapsed_slice_dims=(), start_index_map=(1, 0))),
    ((6,), (3, 1), (2,), dict(offset_dims=(0,), collapsed_slice_dims=(), start_index_map=(0,))),
    ((2, 5, 3), (2, 4, 1), (1, 1, 3), dict(offset_dims=(2,), collapsed_slice_dims=(1,), start_index_map=(1,),
                                           operand_batching_dims=(0,), start_indices_batching_dims=(0,))),
    ((4, 3, 2), (3, 1), (1, 2, 2), dict(offset_dims=(0, 2), collapsed_slice_dims=(0,), start_index_map=(0,)))]


def gathers(c):
    rng = np.random.default_rng(1)
    for shape, index_shape, sizes, numbers in GATHERS:
        numbers = dict(operand_batching_dims=(), start_indices_batching_dims=()) | numbers
        dims = lax.GatherDimensionNumbers(**numbers)
        attrs = {k: list(v) for k, v in numbers.items()} | dict(slice_sizes=list(sizes))
        for mode in ("clip", "fill"):
            for d in ("f32", "i32") if mode == "clip" else ("f32", "i32", "u8", "bool"):
                x = arr(d, np.arange(np.prod(shape)) % 2 if d == "bool" else np.arange(np.prod(shape)), shape)
                indices = rng.integers(-3, max(shape) + 3, index_shape, dtype=np.int32)
                call = lambda x, i: lax.gather(x, i, dims, sizes, mode=mode)
                c.add("gather", call, x, indices, mode=mode, **attrs)
    big = arr("u8", [0, 4, 200, 255], (4, 1))
    c.add("gather", lambda x, i: lax.gather(x, i, lax.GatherDimensionNumbers((1,), (0,), (0,)), (1, 3), mode="fill"),
          arr("f32", np.arange(15), (5, 3)), big, mode="fill", offset_dims=[1], collapsed_slice_dims=[0], start_index_map=[0],
          operand_batching_dims=[], start_indices_batching_dims=[], slice_sizes=[1, 3])


SCATTERS = [   # (operand shape, indices shape, updates shape, dimension numbers)
    ((5, 3), (4, 1), (4, 3), dict(update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))),
    ((5, 3), (6, 2), (6,), dict(update_window_dims=(), inserted_window_dims=(0, 1), scatter_dims_to_operand_dims=(0, 1))),
    ((7,), (3, 1), (3, 2), dict(update_window_dims=(1,), inserted_window_dims=(), scatter_dims_to_operand_dims=(0,))),
    ((2, 5, 3), (2, 4, 1), (2, 4, 3), dict(update_window_dims=(2,), inserted_window_dims=(1,), scatter_dims_to_operand_dims=(1,),
                                           operand_batching_dims=(0,), scatter_indices_batching_dims=(0,)))]


def scatters(c):
    rng = np.random.default_rng(2)
    kinds = {"set": lax.scatter, "add": lax.scatter_add, "mul": lax.scatter_mul, "min": lax.scatter_min, "max": lax.scatter_max}
    for shape, index_shape, update_shape, numbers in SCATTERS:
        numbers = dict(operand_batching_dims=(), scatter_indices_batching_dims=()) | numbers
        dims = lax.ScatterDimensionNumbers(**numbers)
        attrs = {k: list(v) for k, v in numbers.items()}
        for kind, function in kinds.items():
            for mode in ("clip", "drop"):
                for d in ("f32",) if kind == "mul" else ("i32", "f32")[:1 + (kind == "add")]:
                    x = arr(d, np.arange(np.prod(shape)) + 1, shape)
                    updates = arr(d, rng.integers(-3, 4, update_shape))
                    indices = rng.integers(-2, max(shape) + 2, index_shape, dtype=np.int32)
                    if kind == "set":   # the order of colliding writes is not fixed
                        indices = distinct(shape, index_shape, numbers, mode)
                    call = lambda x, i, u: function(x, i, u, dims, mode=mode)
                    c.add("scatter", call, x, indices, updates, kind=kind, mode=mode, **attrs)


def distinct(shape, index_shape, numbers, mode):
    """Indices that write no element twice; with `drop`, some outside."""
    n, width = index_shape[-2], index_shape[-1]
    if width == 2:
        rows = np.array([[0, 1], [4, 2], [2, 2], [1, 0], [3, 1], [0, 2]])
    else:
        rows = np.array([[0], [3], [5]] if len(shape) == 1 else [[4], [0], [3], [1]])
    outside = np.array([[-1], [9]] if width == 1 else [[5, 0], [1, -1]])
    if mode == "drop":
        rows = np.concatenate([rows[:n - 2], outside])
    elif len(shape) == 1:
        rows = np.array([[-4], [2], [100]])
    return np.broadcast_to(rows, index_shape).astype(np.int32)


def products(c):
    small = lambda d, *s: arr(d, np.random.default_rng(sum(s)).integers(-4, 5, s))
    dots = [((2, 3), (3, 4), ((1,), (0,)), ((), ())), ((3, 2), (4, 3), ((0,), (1,)), ((), ())), ((2, 3, 4), (2, 4, 5), ((2,), (1,)), ((0,), (0,))),
            ((3, 2, 4), (4, 5, 2), ((2,), (0,)), ((1,), (2,))), ((2, 3, 4), (4, 3, 2), ((1, 2), (1, 0)), ((), ())), ((3,), (3,), ((0,), (0,)), ((), ())),
            ((2, 2), (3,), ((), ()), ((), ())), ((2, 0), (0, 3), ((1,), (0,)), ((), ())), ((2, 3, 2, 4), (3, 2, 4, 2), ((3,), (2,)), ((0, 1), (3, 0)))]
    for lhs, rhs, contract, batch in dots:
        for d, preferred in (("f32", "f32"), ("i8", "i32"), ("bf16", "f32"), ("bf16", "bf16"), ("i32", "i32"), ("f16", "f32")):
            if d != "f32" and lhs not in ((2, 3), (2, 3, 4)):
                continue
            call = lambda x, y: lax.dot_general(x, y, (contract, batch), preferred_element_type=DTYPES[preferred])
            c.add("dot_general", call, small(d, *lhs), small(d, *rhs), lhs_contract=list(contract[0]), rhs_contract=list(contract[1]),
                  lhs_batch=list(batch[0]), rhs_batch=list(batch[1]), preferred=preferred)
    convolutions(c, small)


CONVOLUTIONS = [   # (lhs, rhs, axes of lhs, rhs and out, options)
    ((1, 2, 7), (3, 2, 3), ("NCW", "OIW", "NCW"), dict()),
    ((2, 3, 9), (4, 3, 3), ("NCW", "OIW", "NCW"), dict(strides=(2,), padding=[(2, 1)])),
    ((1, 2, 6), (2, 2, 3), ("NCW", "OIW", "NCW"), dict(rhs_dilation=(2,), padding=[(3, 0)])),
    ((1, 2, 5), (2, 2, 3), ("NCW", "OIW", "NCW"), dict(lhs_dilation=(3,), padding=[(1, 2)], strides=(2,))),
    ((1, 1, 8), (1, 1, 3), ("NCW", "OIW", "NCW"), dict(padding=[(-1, -2)])),
    ((1, 4, 6), (6, 2, 2), ("NCW", "OIW", "NCW"), dict(feature_groups=2)),
    ((1, 3, 6), (3, 1, 4), ("NCW", "OIW", "NCW"), dict(feature_groups=3, padding=[(3, 0)])),
    ((4, 2, 6), (6, 2, 3), ("NCW", "OIW", "NCW"), dict(batch_groups=2)),
    ((1, 2, 5, 6), (3, 2, 3, 2), ("NCHW", "OIHW", "NCHW"), dict(strides=(2, 1), padding=[(1, 1), (0, 1)], rhs_dilation=(1, 2))),
    ((2, 5, 4, 2), (2, 3, 2, 3), ("NHWC", "HWIO", "NHWC"), dict(padding=[(1, 0), (1, 1)])),
    ((2, 4, 3, 5), (3, 2, 3, 2), ("CHNW", "HWIO", "WNCH"), dict(strides=(1, 2))),
]


def convolutions(c, small):
    for lhs, rhs, specs, options in CONVOLUTIONS:
        n = len(lhs) - 2
        o = dict(strides=(1,) * n, padding=[(0, 0)] * n, lhs_dilation=(1,) * n, rhs_dilation=(1,) * n, feature_groups=1, batch_groups=1) | options
        if specs[0] == "CHNW":
            lhs, rhs = (2, 5, 3, 6), (3, 2, 2, 4)
        dims = lax.conv_dimension_numbers(lhs, rhs, specs)
        for d, preferred in (("f32", "f32"), ("bf16", "f32")):
            call = lambda x, w: lax.conv_general_dilated(
                x, w, o["strides"], o["padding"], o["lhs_dilation"], o["rhs_dilation"], dims, o["feature_groups"], o["batch_groups"],
                preferred_element_type=DTYPES[preferred])
            if d == "f32" or lhs == (1, 2, 7):
                c.add("convolution", call, small(d, *lhs), small(d, *rhs), **o, preferred=preferred, lhs_spec=list(dims.lhs_spec),
                      rhs_spec=list(dims.rhs_spec), out_spec=list(dims.out_spec))


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    cases = Cases()
    for part in (rounding, transcendental, binary, conversions, reductions, sorting, shapes, gathers, scatters, products):
        part(cases)
    rows = ",\n".join(json.dumps(r, separators=(",", ":")) for r in cases)
    out.write_text(f'{{"jax": "{jax.__version__}", "cases": [\n{rows}]}}\n')
    print(f"{out}: {len(cases)} cases, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
