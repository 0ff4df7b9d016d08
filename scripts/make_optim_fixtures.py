"""Makes tests/fixtures/optim.json: ten steps of optax's optimizers on given gradients, and values of its schedules.

Usage: python scripts/make_optim_fixtures.py. Needs: pip install jax optax numpy.
"""
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax

STEPS = 10
random = np.random.default_rng(0)
START = {"b": np.float32([0.5, -1.0, 0.0]), "w": np.float32(random.normal(size=(2, 3)))}
SCALES = 10.0 ** random.integers(-2, 2, STEPS)
GRADIENTS = [{k: np.float32(random.normal(size=v.shape) * s) for k, v in START.items()} for s in SCALES]
WARMUP = dict(init_value=1e-4, peak_value=0.1, warmup_steps=3, decay_steps=8, end_value=1e-3)


def flat(tree):
    return [float(x) for leaf in jax.tree.leaves(tree) for x in np.asarray(leaf, np.float32).ravel()]


def run(opt, state_of, dtype=jnp.float32):
    """Parameters after every step, and the optimizer's state after the last."""
    wide = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), tree)
    params = jax.tree.map(lambda x: jnp.asarray(x, dtype), START)
    state = opt.init(wide(params))
    steps = []
    for gradient in GRADIENTS:
        updates, state = opt.update(wide(jax.tree.map(lambda x: jnp.asarray(x, dtype), gradient)), state, wide(params))
        params = jax.tree.map(lambda x: x.astype(dtype), optax.apply_updates(wide(params), updates))
        steps.append(flat(params))
    return {"steps": steps, "state": flat(state_of(state))}


def parts(state, kind):
    is_kind = lambda s: isinstance(s, kind)
    return [s for s in jax.tree.leaves(state, is_leaf=is_kind) if is_kind(s)]


def moments(state):
    return [(adam.mu, adam.nu) for adam in parts(state, optax.ScaleByAdamState)]


def traces(state):
    return [s.trace for s in parts(state, optax.TraceState)]


only_matrices = lambda params: jax.tree.map(lambda p: p.ndim > 1, params)
schedule = optax.warmup_cosine_decay_schedule(**WARMUP)
other = dict(b1=0.8, b2=0.95, eps=1e-3, eps_root=1e-4, weight_decay=0.1)
runs = {
    "adamw": run(optax.adamw(0.01), moments),
    "adamw_other": run(optax.adamw(0.05, **other), moments),
    "adamw_mask": run(optax.adamw(0.05, weight_decay=0.5, mask=only_matrices), moments),
    "adam": run(optax.adam(0.05), moments),
    "nadamw": run(optax.nadamw(0.05, weight_decay=0.1), moments),
    "adamw_schedule": run(optax.adamw(schedule), moments),
    "adamw_clipped": run(optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(0.05)), moments),
    "adamw_bf16": run(optax.adamw(0.05), moments, jnp.bfloat16),
    "sgd": run(optax.sgd(0.05), traces),
    "sgd_momentum": run(optax.sgd(0.05, momentum=0.9), traces),
    "sgd_nesterov": run(optax.sgd(0.05, momentum=0.9, nesterov=True), traces),
    "sgd_clipped": run(optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(schedule)), traces),
}
counts = np.arange(12)
schedules = {
    "constant": optax.constant_schedule(0.5),
    "linear": optax.linear_schedule(1.0, 0.1, 7),
    "linear_of_no_steps": optax.linear_schedule(1.0, 0.1, 0),
    "cosine": optax.cosine_decay_schedule(2.0, 9, 0.25, 1.0),
    "cosine_power": optax.cosine_decay_schedule(2.0, 9, 0.25, 2.5),
    "warmup_cosine": schedule,
    "warmup_cosine_from_peak": optax.warmup_cosine_decay_schedule(0.0, 1.0, 0, 6),
}
out = {
    "jax": jax.__version__,
    "optax": optax.__version__,
    "start": flat(START),
    "gradients": [flat(g) for g in GRADIENTS],
    "norms": [float(optax.tree.norm(g)) for g in GRADIENTS],
    "runs": runs,
    "schedules": {name: [float(f(jnp.int32(i))) for i in counts] for name, f in schedules.items()},
}
path = pathlib.Path(__file__).parent.parent / "tests/fixtures/optim.json"
path.write_text(json.dumps(out) + "\n")
print(path, path.stat().st_size)
