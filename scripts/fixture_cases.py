"""What make_complex_fixtures.py and make_fft_fixtures.py share: a case is a function of arrays, with random inputs.

A case of the file has inputs, tangents, results with their tangents (jvp), cotangents and the cotangents of the inputs (vjp), and a batch of
two instances with its results (vmap), all in f64 and c128. A complex number is two numbers.
"""

import json
import pathlib

import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(11)


def real(*dims, low=-1.0, high=1.0):
    return rng.uniform(low, high, dims)


def cplx(*dims, low=-1.0, high=1.0):
    return real(*dims, low=low, high=high) + 1j * real(*dims, low=low, high=high)


def like(x):
    return cplx(*x.shape) if np.issubdtype(x.dtype, np.complexfloating) else real(*x.shape)


def array(x):
    x = np.asarray(x)
    names = {"float64": "f64", "complex128": "c128", "bool": "bool", "int64": "i64", "int32": "i32"}
    parts = x.view(np.float64) if x.ndim and x.size and np.iscomplexobj(x) and x.flags.c_contiguous else x
    if np.iscomplexobj(parts):
        parts = np.stack([x.real, x.imag], -1)
    return {"dtype": names[x.dtype.name], "dims": list(x.shape), "data": [float(v) for v in parts.reshape(-1)]}


def arrays(tree):
    return [array(x) for x in jax.tree.leaves(tree)]


def case(f, inputs):
    inputs = [jnp.asarray(x) for x in inputs]
    tangents = [like(x) for x in inputs]
    cotangents = jax.tree.map(like, jax.eval_shape(f, *inputs))
    batch = [jnp.stack([x, x * 0.5]) for x in inputs]

    @jax.jit
    def all_of_it(inputs, tangents, cotangents, batch):
        y, dy = jax.jvp(f, inputs, tangents)
        return y, dy, jax.vjp(f, *inputs)[1](cotangents), jax.vmap(f)(*batch)

    y, dy, gradients, batched = all_of_it(inputs, tangents, cotangents, batch)
    parts = dict(inputs=inputs, tangents=tangents, results=y, result_tangents=dy, cotangents=cotangents,
                 gradients=gradients, batch=batch, batch_results=batched)
    return {name: arrays(part) for name, part in parts.items()}


def values(f, inputs):
    return dict(inputs=arrays(inputs), results=arrays(f(*map(jnp.asarray, inputs))))


def write(name, out):
    path = pathlib.Path(__file__).parent.parent / f"tests/fixtures/{name}.json"
    path.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}\n")
    print(f"{len(out)} cases, {path.stat().st_size} bytes")
