"""Makes tests/fixtures/optim.json: twenty steps of optax's optimizers on three trees, values of its schedules, and its losses with
their gradients.

Usage: python scripts/make_optim_fixtures.py. Needs: pip install jax optax numpy.
"""
import json
import pathlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

warnings.simplefilter("ignore")
STEPS = 20
KEPT = [1, 2, 10, 20]
TREES = [
    {"b": [3], "w": [2, 3]},
    {"layer.a": [2, 2], "s": []},
    {"conv": [2, 3, 4], "scale": [4]},
]


def numbers(seed, shape):
    """Numbers that tests/optim.rs makes too: multiples of 1/512 between -2 and 2."""
    n = int(np.prod(shape, dtype=int))
    at = (np.arange(n) + 1 + 97 * seed) * 7919 % 2003
    return np.float32((at - 1001) / 512).reshape(shape)


def tree(seed, shapes, scale=1.0):
    return {k: numbers(seed * 10 + i, v) * np.float32(scale) for i, (k, v) in enumerate(sorted(shapes.items()))}


def gradient(step, shapes):
    return tree(100 + step, shapes, 2.0 ** (step * 3 % 7 - 4))


def loss(params):
    """What line searches and estimates of curvature are given."""
    total = 0.0
    for i, (k, p) in enumerate(sorted(params.items())):
        target, weight = numbers(50 + i, p.shape), jnp.abs(numbers(60 + i, p.shape)) + 0.5
        total = total + jnp.sum(weight * (p - target) ** 2) + 0.05 * jnp.sum((p - 0.5) ** 4)
    return total


def flat(tree):
    leaves = [np.asarray(leaf, np.float32).ravel() for leaf in jax.tree.leaves(tree)]
    return [float(f"{x:.8g}") for x in np.concatenate(leaves)] if leaves else []


value_and_grad = jax.jit(jax.value_and_grad(loss))


def run(opt, objective=False, dtype=jnp.float32, after=lambda state, params: params, scalars=True, jit=False):
    """Of each tree, the parameters after some of the steps."""
    wide = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), tree)
    narrow = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)
    out = []
    for shapes in TREES:
        if not scalars and [] in shapes.values():
            out.append([])
            continue
        params = narrow(tree(1, shapes))
        state = opt.init(wide(params))
        # (loops and branches inside would be compiled at each step)
        update = jax.jit(lambda g, state, params, extra: opt.update(g, state, params, **extra, **functions))
        update = update if jit or objective else lambda g, state, params, extra: opt.update(g, state, params)
        functions = {"value": dict(value_fn=loss), "obj": dict(obj_fn=loss)}.get(objective, {})
        steps = []
        for step in range(STEPS):
            if objective:
                value, g = value_and_grad(wide(params))
                extra = dict(value=value, grad=g) if objective == "value" else {}
            else:
                g, extra = wide(narrow(gradient(step, shapes))), {}
            updates, state = update(g, state, wide(params), extra)
            params = narrow(optax.apply_updates(wide(params), updates))
            if step + 1 in KEPT:
                steps.append(flat(after(state, params)))
        out.append(steps)
    print(".", end="", flush=True)
    return out


class Lookahead:
    """optax's lookahead has pairs of parameters; of these the fast ones are given."""

    def __init__(self, opt):
        self.opt = opt

    def init(self, params):
        self.pair = optax.LookaheadParams.init_synced(params)
        return self.opt.init(self.pair)

    def update(self, g, state, params):
        updates, state = self.opt.update(g, state, self.pair)
        self.pair = optax.apply_updates(self.pair, updates)
        return jax.tree.map(lambda new, old: new - old, self.pair.fast, params), state


matrices = lambda params: jax.tree.map(lambda p: p.ndim > 1, params)
schedule = optax.warmup_cosine_decay_schedule(1e-4, 0.1, 3, 8, 1e-3)
labels = lambda params: {k: "frozen" if k.startswith("s") else "rest" for k in params}
conv = lambda params: jax.tree.map(
    lambda p: contrib.MuonDimensionNumbers(1, 2) if p.ndim == 3 else None, params
)
accumulated = optax.MultiSteps(optax.adam(0.05), 3).gradient_transformation()
runs = {
    "adamw": run(optax.adamw(0.01)),
    "adamw_other": run(optax.adamw(0.05, b1=0.8, b2=0.95, eps=1e-3, eps_root=1e-4, weight_decay=0.1)),
    "adamw_mask": run(optax.adamw(0.05, weight_decay=0.5, mask=matrices)),
    "adamw_schedule": run(optax.adamw(schedule)),
    "adamw_decay_schedule": run(optax.adamw(0.05, weight_decay=schedule)),
    "adamw_bf16": run(optax.adamw(0.05), dtype=jnp.bfloat16),
    "adam": run(optax.adam(0.05)),
    "adam_mu_bf16": run(optax.adam(0.05, mu_dtype=jnp.bfloat16)),
    "nadam": run(optax.nadam(0.05)),
    "nadamw": run(optax.nadamw(0.05, weight_decay=0.1)),
    "adamax": run(optax.adamax(0.05)),
    "adamaxw": run(optax.adamaxw(0.05, weight_decay=0.1)),
    "amsgrad": run(optax.amsgrad(0.05)),
    "radam": run(optax.radam(0.05)),
    "radam_nesterov": run(optax.radam(0.05, b2=0.9, nesterov=True)),
    "adabelief": run(optax.adabelief(0.05)),
    "yogi": run(optax.yogi(0.05)),
    "adan": run(optax.adan(0.05, weight_decay=0.1)),
    "adopt": run(contrib.adopt(0.05)),
    "adopt_nesterov": run(contrib.adopt(0.05, nesterov=True, use_clipping=True)),
    "novograd": run(optax.novograd(0.05, weight_decay=0.1), jit=True),
    "lion": run(optax.lion(0.01)),
    "lion_other": run(optax.lion(schedule, b1=0.8, b2=0.7, weight_decay=0.1, mask=matrices)),
    "sgd": run(optax.sgd(0.05)),
    "sgd_schedule": run(optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(schedule))),
    "sgd_momentum": run(optax.sgd(0.05, momentum=0.9)),
    "sgd_nesterov": run(optax.sgd(0.05, momentum=0.9, nesterov=True)),
    "sgd_accumulator_bf16": run(optax.sgd(0.05, momentum=0.9, accumulator_dtype=jnp.bfloat16)),
    "sign_sgd": run(optax.sign_sgd(0.01)),
    "signum": run(optax.signum(0.01)),
    "rmsprop": run(optax.rmsprop(0.05)),
    "rmsprop_other": run(optax.rmsprop(0.05, 0.8, 1e-3, 0.1, False, momentum=0.9, nesterov=True, bias_correction=True)),
    "rmsprop_centered": run(optax.rmsprop(0.01, eps=1e-2, centered=True, momentum=0.5, bias_correction=True)),
    "adagrad": run(optax.adagrad(0.1)),
    "adadelta": run(optax.adadelta(1.0, weight_decay=0.1)),
    "lamb": run(optax.lamb(0.05, weight_decay=0.1)),
    "lars": run(optax.lars(1.0, weight_decay=0.1, trust_ratio_mask=matrices)),
    "lars_nesterov": run(optax.lars(1.0, eps=1e-3, nesterov=True)),
    "sm3": run(optax.sm3(0.1), scalars=False),
    "adafactor": run(optax.adafactor(0.05)),
    "adafactor_factored": run(optax.adafactor(schedule, min_dim_size_to_factor=2, momentum=0.9, weight_decay_rate=1e-3)),
    "adafactor_alone": run(optax.adafactor(min_dim_size_to_factor=2, multiply_by_parameter_scale=False, clipping_threshold=None)),
    "lbfgs": run(optax.lbfgs(), objective="value"),
    "sophia": run(contrib.sophia(0.05, update_interval=4, gamma=0.2), objective="obj"),
    "muon": run(contrib.muon(0.02, weight_decay=0.1, adam_weight_decay=0.01), jit=True),
    "muon_other": run(contrib.muon(0.02, nesterov=False, adaptive=True, consistent_rms=0.2, adam_learning_rate=0.05,
                                   muon_weight_dimension_numbers=conv), jit=True),
    "schedule_free_sgd": run(contrib.schedule_free_sgd(0.1, warmup_steps=5)),
    "schedule_free_adamw": run(contrib.schedule_free_adamw(0.05, weight_decay=0.1)),
    "schedule_free_eval": run(contrib.schedule_free_adamw(0.05, warmup_steps=5),
                              after=contrib.schedule_free_eval_params),
    "prodigy": run(contrib.prodigy(estim_lr0=1e-3, weight_decay=0.1)),
    "prodigy_other": run(contrib.prodigy(schedule, beta3=0.9, estim_lr0=1e-2, estim_lr_coef=0.5, safeguard_warmup=True)),
    "dadapt_adamw": run(contrib.dadapt_adamw(estim_lr0=1e-3, weight_decay=0.1)),
    "clip": run(optax.chain(optax.clip(0.3), optax.sgd(0.1))),
    "clip_by_global_norm": run(optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(0.05))),
    "clip_by_block_rms": run(optax.chain(optax.clip_by_block_rms(0.3), optax.sgd(0.1))),
    "adaptive_grad_clip": run(optax.chain(optax.adaptive_grad_clip(0.1), optax.sgd(0.1))),
    "centralize": run(optax.chain(optax.centralize(), optax.sgd(0.1))),
    "ema": run(optax.chain(optax.ema(0.8), optax.sgd(0.1))),
    "apply_every": run(optax.chain(optax.adam(0.05), optax.apply_every(3))),
    "masked": run(optax.masked(optax.adam(0.05), matrices)),
    "partition": run(optax.partition({"frozen": optax.set_to_zero(), "rest": optax.adam(0.05)}, labels)),
    "multi_steps": run(accumulated, jit=True),
    "lookahead": run(Lookahead(optax.lookahead(optax.sgd(0.1), 3, 0.5))),
    "scale_by_param_block_norm": run(optax.chain(optax.scale_by_param_block_norm(), optax.sgd(0.1))),
}

one = dict(init_value=0.1, peak_value=1.0, warmup_steps=2, decay_steps=5)
two = dict(init_value=0.2, peak_value=0.5, warmup_steps=1, decay_steps=4, end_value=0.1)
all_schedules = {
    "constant": optax.constant_schedule(0.5),
    "linear": optax.linear_schedule(1.0, 0.1, 7),
    "linear_of_no_steps": optax.linear_schedule(1.0, 0.1, 0),
    "linear_delayed": optax.linear_schedule(1.0, 0.1, 7, 3),
    "polynomial": optax.polynomial_schedule(1.0, 0.1, 2.5, 7),
    "cosine": optax.cosine_decay_schedule(2.0, 9, 0.25),
    "cosine_power": optax.cosine_decay_schedule(2.0, 9, 0.25, 2.5),
    "exponential": optax.exponential_decay(2.0, 4, 0.5),
    "exponential_stairs": optax.exponential_decay(2.0, 4, 0.5, 2, True, 0.4),
    "exponential_growth": optax.exponential_decay(0.5, 4, 2.0, end_value=2.0),
    "piecewise_constant": optax.piecewise_constant_schedule(1.0, {3: 0.5, 7: 0.1}),
    "piecewise_linear": optax.piecewise_interpolate_schedule("linear", 1.0, {3: 0.5, 7: 4.0}),
    "piecewise_cosine": optax.piecewise_interpolate_schedule("cosine", 1.0, {3: 0.5, 7: 4.0}),
    "linear_onecycle": optax.linear_onecycle_schedule(11, 1.0),
    "cosine_onecycle": optax.cosine_onecycle_schedule(11, 1.0),
    "warmup_constant": optax.warmup_constant_schedule(0.1, 1.0, 4),
    "warmup_cosine": schedule,
    "warmup_cosine_from_peak": optax.warmup_cosine_decay_schedule(0.0, 1.0, 0, 6),
    "warmup_exponential": optax.warmup_exponential_decay_schedule(0.1, 1.0, 3, 4, 0.5),
    "sgdr": optax.sgdr_schedule([one, two]),
    "join": optax.join_schedules([optax.constant_schedule(0.3), optax.linear_schedule(1.0, 0.0, 4)], [5]),
}
schedules = {name: [float(f"{float(f(jnp.int32(i))):.8g}") for i in range(14)] for name, f in all_schedules.items()}


def case(f, x, *rest):
    """A loss of its first operand and its gradient, of the sum weighted by 1, 2, .."""
    value = f(x, *rest)
    weigh = lambda y: jnp.sum(y.ravel() * (jnp.arange(y.size) + 1))
    return {"value": flat(value), "gradient": flat(jax.grad(lambda x: weigh(f(x, *rest)))(x))}


x, y = jnp.asarray(numbers(1, [3, 4])), jnp.asarray(numbers(2, [3, 4]))
p = jax.nn.softmax(y, -1)
ints, signs = jnp.array([2, 0, 3]), jnp.sign(y)
binary = jnp.asarray(y > 0, jnp.float32)
mask = jnp.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1]], bool)
some = jnp.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
log_p = lambda x: jax.nn.log_softmax(x, -1)
logits = jnp.asarray(numbers(3, [2, 6, 4]))
logit_paddings = jnp.array([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1]], jnp.float32)
words, word_paddings = jnp.array([[1, 2, 2], [3, 1, 0]]), jnp.array([[0, 0, 0], [0, 0, 1]], jnp.float32)
losses = {
    "softmax_cross_entropy": case(optax.softmax_cross_entropy, x, p),
    "softmax_cross_entropy_axis": case(lambda x: optax.softmax_cross_entropy(x, p, axis=0), x),
    "softmax_cross_entropy_mask": case(lambda x: optax.softmax_cross_entropy(x, p, where=mask), x),
    "integer_labels": case(optax.softmax_cross_entropy_with_integer_labels, x, ints),
    "integer_labels_axis": case(lambda x: optax.softmax_cross_entropy_with_integer_labels(x, ints, axis=0), x.T),
    "integer_labels_mask": case(lambda x: optax.softmax_cross_entropy_with_integer_labels(x, ints, where=some), x),
    "safe_softmax_cross_entropy": case(optax.safe_softmax_cross_entropy, x, jnp.where(mask, p, 0.0)),
    "sigmoid_binary_cross_entropy": case(optax.sigmoid_binary_cross_entropy, x, binary),
    "sigmoid_binary_cross_entropy_soft": case(optax.sigmoid_binary_cross_entropy, x, p),
    "sigmoid_focal_loss": case(lambda x: optax.sigmoid_focal_loss(x, binary), x),
    "sigmoid_focal_loss_alpha": case(lambda x: optax.sigmoid_focal_loss(x, p, alpha=0.3, gamma=1.5), x),
    "smooth_labels": case(lambda x: optax.smooth_labels(x, 0.1), p),
    "hinge_loss": case(optax.hinge_loss, x, signs),
    "poly_loss_cross_entropy": case(lambda x: optax.losses.poly_loss_cross_entropy(x, p, epsilon=1.5), x),
    "poly_loss_cross_entropy_mask": case(lambda x: optax.losses.poly_loss_cross_entropy(x, p, where=mask), x),
    "kl_divergence": case(lambda x: optax.kl_divergence(log_p(x), jnp.where(mask, p, 0.0)), x),
    "kl_divergence_mask": case(lambda x: optax.kl_divergence(log_p(x), p, where=mask), x),
    "kl_divergence_with_log_targets": case(lambda x: optax.losses.kl_divergence_with_log_targets(log_p(x), log_p(y)), x),
    "squared_error": case(optax.squared_error, x, y),
    "l2_loss": case(optax.l2_loss, x, y),
    "huber_loss": case(lambda x: optax.huber_loss(x, y, delta=0.7), x),
    "log_cosh": case(optax.log_cosh, x, y),
    "cosine_similarity": case(optax.cosine_similarity, x, y),
    "cosine_similarity_mask": case(lambda x: optax.cosine_similarity(x, y, epsilon=0.5, where=mask), x),
    "cosine_distance": case(optax.cosine_distance, x, y),
    "ctc_loss": case(lambda x: optax.ctc_loss(x, logit_paddings, words, word_paddings), logits),
    "ctc_loss_blank": case(lambda x: optax.ctc_loss(x, logit_paddings, jnp.array([[1, 2, 2], [0, 1, 0]]), word_paddings, blank_id=3), logits),
}
norms = [float(optax.global_norm(gradient(i, TREES[0]))) for i in range(STEPS)]
fixture = {"jax": jax.__version__, "optax": optax.__version__, "norms": norms, "runs": runs, "schedules": schedules, "losses": losses}
path = pathlib.Path(__file__).parent.parent / "tests/fixtures/optim.json"
path.write_text("{\n" + ",\n".join(
    f" {json.dumps(k)}: " + ("{\n" + ",\n".join(f"  {json.dumps(n)}: {json.dumps(v)}" for n, v in part.items()) + "\n }"
                             if isinstance(part, dict) else json.dumps(part))
    for k, part in fixture.items()) + "\n}\n")
print(path, path.stat().st_size, "bytes")
