"""How scripts/make_numpy_fixtures.py, make_nn_fixtures.py and make_linalg_fixtures.py write cases: inputs, results and derivatives, in f64.

Inputs are numbers that f32 has, so that a case is the same one in both dtypes.
"""

import json
import pathlib

import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(11)
as_f32 = lambda x: np.asarray(x).astype(np.float32).astype(np.float64)
general = lambda *dims: as_f32(rng.uniform(-1, 1, dims))
between = lambda low, high, *dims: as_f32(rng.uniform(low, high, dims))


def number(v):
    return float(v) if np.isfinite(v) else str(float(v))


def array(x):
    x = np.asarray(x)
    return {"dims": list(x.shape), "data": [number(v) for v in x.reshape(-1)]}


def arrays(tree):
    return [array(x) for x in jax.tree.leaves(tree)]


def with_derivatives(f, inputs):
    inputs = [jnp.asarray(x, float) for x in inputs]
    tangents = [general(*x.shape) for x in inputs]
    cotangents = jax.tree.map(lambda y: general(*y.shape), jax.eval_shape(f, *inputs))

    @jax.jit
    def all_of_it(inputs, tangents, cotangents):
        y, dy = jax.jvp(f, inputs, tangents)
        return y, dy, jax.vjp(f, *inputs)[1](cotangents)

    y, dy, gradients = all_of_it(inputs, tangents, cotangents)
    parts = dict(inputs=inputs, tangents=tangents, results=y, result_tangents=dy, cotangents=cotangents, gradients=gradients)
    return {name: arrays(part) for name, part in parts.items()}


def values(f, inputs):
    return dict(inputs=arrays(inputs), results=arrays(f(*(jnp.asarray(x, float) for x in inputs))))


def write(name, derived, plain):
    """`derived` cases have derivatives, `plain` ones have values only. Both are {name: (function, inputs)}."""
    assert not derived.keys() & plain.keys()
    out = {}
    for cases, make in [(derived, with_derivatives), (plain, values)]:
        for case, (f, inputs) in cases.items():
            print(case, flush=True)
            try:
                out[case] = make(f, inputs)
            except Exception as e:
                raise RuntimeError(case) from e
    path = pathlib.Path(__file__).parent.parent / f"tests/fixtures/{name}.json"
    path.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}\n")
    print(f"{len(out)} cases, {path.stat().st_size} bytes")
