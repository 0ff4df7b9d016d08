#!/usr/bin/env python3
"""Writes tests/fixtures/random.json: values of jax.random that raxla's `random` must reproduce.

usage: make_random_fixtures.py [OUT]          needs: pip install jax numpy (Python 3.12 or newer)

Layout: one JSON object with two lists and a header.

    {"jax": "...", "jaxlib": "...", "impl": "threefry2x32", "partitionable": true,
     "seeds": [{"seed": 42, "x64": false, "data": [0, 42]}, ...],
     "cases": [{"fn": "uniform", "key": [0, 42], "params": {...}, "dtype": "f32", "shape": [3, 4],
                "values": [...]}, ...]}

`impl` among `params` names another implementation than threefry2x32; its keys have four words. `seed` is a signed or unsigned 64-bit integer, `data` the two u32 words of key(seed). `values` is the result
in row-major order, always integers: the unsigned bit pattern for floats (u16 for f16 and bf16, u32 for f32,
u64 for f64), the value itself for integers, 0 or 1 for bool. Floating inputs inside `params` (`logits_bits`,
`p_bits`) are bit patterns of the same dtype; `minval`, `maxval`, `lower`, `upper` and `p` are JSON numbers to be
rounded to the dtype. Keys in and out are pairs of u32 words. `params.x64` is true where jax_enable_x64 was on.

How JAX computes each one (jax/_src/random/core.py, threefry2x32.py), everything from 32-bit hashes:

threefry2x32   params.count [x0, x1] hashed under the key, 20 rounds (Random123).
key(seed)      [high, low] words of the seed as a 64-bit integer with x64; without it the seed is first wrapped
               to 32 bits and the high word is 0.
bits           h0, h1 = threefry(key, hi(i), lo(i)), i = row-major index of the element as u64;
               64 bits: h0 << 32 | h1; 32 bits: h0 ^ h1; 16 and 8 bits: the low bits of h0 ^ h1.
split          key i of n = (h0, h1) of the same counter i (any shape of keys).
fold_in        (h0, h1) of the one counter pair (0, data as u32).
uniform        bits of the dtype's width (8 where the mantissa has fewer than 8 bits: bf16) shifted right to leave
               the mantissa, or-ed with the pattern of 1.0, minus 1, times (maxval - minval), plus minval,
               then max(minval, .). All arithmetic in the dtype.
normal         sqrt(2) * erf_inv(uniform(minval = nextafter(-1, 0), maxval = 1)).
randint        8 and 16 bits: draw at i32 after clipping minval and maxval to [min, max + 1], then cast.
               k1, k2 = split(key); span = maxval - minval as unsigned (1 if maxval <= minval; + 1, wrapping, if
               maxval exceeds the dtype's largest value); m = (2^(n/2) % span)^2 % span, products wrapping;
               minval + ((bits(k1) % span) * m + bits(k2) % span) % span; x % 0 = x.
bernoulli      uniform(dtype of p) < p.
gumbel         mode low, the default: -log(-log(uniform(minval = smallest normal, maxval = 1)));
               mode high: hi, lo = uniform([2, ...]); x = hi if hi >= 0.5 else hi + lo * 2^-nmant +
               max(2^-(2 nmant + 1), smallest normal); -log(-log1p(-x)).
categorical    argmax over `axis` of logits + gumbel, first index on ties; a `shape` with extra leading axes
               draws that many; without replacement: top_k instead of argmax.
permutation    ceil(3 ln(max(1, n)) / ln(2^32 - 1)) rounds of: key, sub = split(key); stable sort of the values by
               bits(sub, u32). Arrays of rank > 1: the indices of the axis are shuffled, then taken, unless
               `independent`, which sorts the array itself along the axis with n = its number of elements.
exponential    -log1p(-uniform).
truncated_normal  sqrt(2) * erf_inv(uniform(erf(lower / sqrt 2), erf(upper / sqrt 2))), clipped to the open interval.
"""
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jax import random
from jax._src.random.threefry2x32 import threefry2x32_p

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/random.json"
DTYPES = {"f32": jnp.float32, "f64": jnp.float64, "bf16": jnp.bfloat16, "f16": jnp.float16}
DTYPES |= {f"{k[0]}{n}": jnp.dtype(f"{k}{n}") for k in ("int", "uint") for n in (8, 16, 32, 64)}
SHAPES = [(), (5,), (3, 4), (2, 3, 5)]
SEEDS = [0, 1, 42, -1, -7, 2**31 - 1, 2**31, 2**32 - 1, 2**32 + 5, 2**63 - 1, -(2**63), 0x123456789ABCDEF]


def integers(x):
    """Row-major values as Python integers: bit patterns for floats."""
    x = np.asarray(x)
    if x.dtype.kind not in "iub":
        x = x.view(f"uint{x.dtype.itemsize * 8}")
    return [int(v) for v in x.reshape(-1)]


def name(dtype):
    dtype = jnp.dtype(dtype)
    return "bool" if dtype == bool else next(k for k, v in DTYPES.items() if jnp.dtype(v) == dtype)


class Cases(list):
    """Collects cases; `add` calls one jax.random function and stores what it returned."""

    def add(self, fn, key, call, **params):
        if jax.config.jax_enable_x64:
            params["x64"] = True
        out = call(random.wrap_key_data(jnp.asarray(key, jnp.uint32), impl=params.get("impl", "threefry2x32")))
        if jnp.issubdtype(out.dtype, jax.dtypes.prng_key):
            out = random.key_data(out)
        self.append(dict(fn=fn, key=[int(k) for k in key], params=params, dtype=name(out.dtype),
                         shape=list(out.shape), values=integers(out)))


def words(seed):
    return [int(w) for w in random.key_data(random.key(seed))]


def seeds():
    for x64 in (False, True):
        with jax.enable_x64(x64):
            for s in SEEDS:
                yield dict(seed=s, x64=x64, data=words(s))


def keys_and_bits(cases, keys):
    for key, count in [((0, 0), (0, 0)), ((2**32 - 1,) * 2, (2**32 - 1,) * 2),
                       ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3))]:
        call = lambda _: jnp.stack(threefry2x32_p.bind(*(jnp.uint32(w) for w in key + count)))
        cases.add("threefry2x32", key, call, count=list(count))
    for key in keys:
        for n in (1, 2, 3, 7):
            cases.add("split", key, lambda k: random.split(k, n), num=[n])
        for data in (0, 1, 2, 42, 2**31 - 1, 2**32 - 1):
            cases.add("fold_in", key, lambda k: random.fold_in(k, np.uint32(data)), data=data)
    cases.add("split", keys[0], lambda k: random.split(k, (2, 3)), num=[2, 3])
    for key in keys[:2]:
        for d in ("u8", "u16", "u32"):
            for shape in SHAPES:
                cases.add("bits", key, lambda k: random.bits(k, shape, DTYPES[d]))
        with jax.enable_x64(True):
            for shape in SHAPES:
                cases.add("bits", key, lambda k: random.bits(k, shape, jnp.uint64))
    cases.add("bits", keys[0], lambda k: random.bits(k, (0, 3), jnp.uint32))


def floats(cases, keys):
    ranges = {"f32": [(0.0, 1.0), (-1.0, 1.0), (-3.5, 12.25), (1e-3, 1e-2), (5.0, 5.0)], "f64": [(0.0, 1.0), (-3.5, 12.25)],
              "bf16": [(0.0, 1.0), (-2.0, 3.0)], "f16": [(0.0, 1.0), (-2.0, 3.0)]}
    for d, spans in ranges.items():
        with jax.enable_x64(d == "f64"):
            for key in keys:
                for lo, hi in spans:
                    shapes = SHAPES if key == keys[0] and (lo, hi) == (0.0, 1.0) else [(2, 3, 5)]
                    for shape in shapes:
                        cases.add("uniform", key, lambda k: random.uniform(k, shape, DTYPES[d], lo, hi), minval=lo, maxval=hi)
                for shape in SHAPES if key == keys[0] else [(64,)]:
                    cases.add("normal", key, lambda k: random.normal(k, shape, DTYPES[d]))
                # f16 gumbel is left out: how its two logarithms are rounded in between differs from one XLA to the next.
                for fn in ("exponential", "gumbel")[: 1 if d == "f16" else 2]:
                    cases.add(fn, key, lambda k: getattr(random, fn)(k, (4, 7), DTYPES[d]))
    for key in keys:
        cases.add("gumbel", key, lambda k: random.gumbel(k, (4, 7), jnp.float32, mode="high"), mode="high")
        for lo, hi in [(-2.0, 2.0), (0.5, 3.0)]:
            cases.add("truncated_normal", key, lambda k: random.truncated_normal(k, lo, hi, (4, 7), jnp.float32), lower=lo, upper=hi)


def integer_ranges(cases, keys):
    i32, i64 = 2**31, 2**63
    narrow = {"i32": [(0, 10), (-5, 5), (0, 2**16), (0, 1000003), (-i32, i32 - 1), (7, 7), (9, 3)],
              "u32": [(0, 10), (3, 1000003), (0, 2**31 - 1)],
              "u8": [(0, 256), (0, 7), (10, 200)], "i8": [(-128, 128), (-3, 4)], "i16": [(-32768, 32768), (0, 1000)]}
    wide = {"i64": [(0, 10), (-5, 2**40 + 1), (-i64, i64 - 1)], "u64": [(0, 10), (1, i64 - 1)],
            "u32": [(0, 2**32), (1, 2**32)], "i32": [(-i32, i32)]}
    for x64, table in ((False, narrow), (True, wide)):
        with jax.enable_x64(x64):
            for d, spans in table.items():
                for lo, hi in spans:
                    for key in keys[:2]:
                        cases.add("randint", key, lambda k: random.randint(k, (3, 4), lo, hi, DTYPES[d]), minval=lo, maxval=hi)


def choices(cases, keys):
    logits = np.asarray(np.random.default_rng(3).normal(size=(4, 7)) * 2, np.float32)
    p = np.linspace(0.05, 0.95, 12, dtype=np.float32).reshape(3, 4)
    for key in keys:
        cases.add("bernoulli", key, lambda k: random.bernoulli(k, 0.3, (3, 11)), p=0.3)
        cases.add("bernoulli", key, lambda k: random.bernoulli(k, p), p_bits=integers(p), p_dtype="f32", p_shape=[3, 4])
        for axis, shape in ((-1, None), (0, None), (-1, (5, 4))):
            cases.add("categorical", key, lambda k: random.categorical(k, logits, axis=axis, shape=shape), axis=axis,
                      logits_bits=integers(logits), logits_dtype="f32", logits_shape=[4, 7])
        cases.add("categorical", key, lambda k: random.categorical(k, logits, shape=(3, 4), replace=False), axis=-1, replace=False,
                  logits_bits=integers(logits), logits_dtype="f32", logits_shape=[4, 7])
        for n in (1, 2, 10, 1626):
            if n < 1000 or key == keys[0]:
                cases.add("permutation", key, lambda k: random.permutation(k, n), n=n)
        x = np.arange(12, dtype=np.int32).reshape(6, 2) * 10
        for axis, independent in ((0, False), (1, False), (0, True)):
            cases.add("permutation", key, lambda k: random.permutation(k, x, axis=axis, independent=independent),
                      x=x.reshape(-1).tolist(), x_shape=[6, 2], axis=axis, independent=independent)


def generators_of_xla(cases):
    """Keys of four words, whose bits are those of the CPU's generator."""
    for impl in ("rbg", "unsafe_rbg"):
        key = [int(w) for w in random.key_data(random.fold_in(random.key(7, impl=impl), 3))]
        for n in (1, 3):
            cases.add("split", key, lambda k: random.split(k, n), num=[n], impl=impl)
        for data in (0, 42, 2**32 - 1):
            cases.add("fold_in", key, lambda k: random.fold_in(k, np.uint32(data)), data=data, impl=impl)
        for d in ("u8", "u16", "u32"):
            cases.add("bits", key, lambda k: random.bits(k, (3, 5), DTYPES[d]), impl=impl)
        with jax.enable_x64(True):
            cases.add("bits", key, lambda k: random.bits(k, (2, 3, 5), jnp.uint64), impl=impl)
            cases.add("uniform", key, lambda k: random.uniform(k, (4,), jnp.float64), minval=0.0, maxval=1.0, impl=impl)
        for d in ("f32", "bf16"):
            cases.add("uniform", key, lambda k: random.uniform(k, (3, 4), DTYPES[d], -1.0, 2.0), minval=-1.0, maxval=2.0, impl=impl)
        cases.add("normal", key, lambda k: random.normal(k, (3, 5)), impl=impl)
        cases.add("randint", key, lambda k: random.randint(k, (3, 4), -5, 1000, jnp.int32), minval=-5, maxval=1000, impl=impl)
        cases.add("permutation", key, lambda k: random.permutation(k, 10), n=10, impl=impl)
        cases.add("bernoulli", key, lambda k: random.bernoulli(k, 0.3, (3, 11)), p=0.3, impl=impl)


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    assert jax.config.jax_threefry_partitionable and not jax.config.jax_enable_x64
    keys = [words(0), words(42), [int(w) for w in random.key_data(random.fold_in(random.key(7), 3))]]
    cases = Cases()
    for part in (keys_and_bits, floats, integer_ranges, choices):
        part(cases, keys)
    generators_of_xla(cases)
    head = dict(jax=jax.__version__, jaxlib=jaxlib.__version__, impl="threefry2x32", partitionable=True)
    rbg = [dict(seed=s, data=[int(w) for w in random.key_data(random.key(s, impl="rbg"))]) for s in (0, 42, 2**32 - 1)]
    lists = dict(seeds=list(seeds()), seeds_of_rbg=rbg, cases=cases)
    body = [json.dumps(head)[:-1]]
    for key, rows in lists.items():
        body.append(f'"{key}": [\n' + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "]")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(",\n".join(body) + "}\n")
    print(f"{out}: {len(cases)} cases, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
