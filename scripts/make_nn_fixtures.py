"""Values and derivatives of Flax's layers, jax.nn and optax's losses, and jax.nn.initializers under keys, for tests/layers:
tests/fixtures/nn.json. See scripts/jax_cases.py.

    python scripts/make_nn_fixtures.py        (JAX 0.10.2, Flax 0.12.8, optax 0.2.8)
"""

import warnings

import jax
import optax
from flax import nnx
from jax_cases import between, general, jnp, np, write

warnings.simplefilter("ignore")
f64 = dict(param_dtype=jnp.float64)
rngs = lambda: nnx.Rngs(0)
ints = lambda *v: jnp.array(v, np.int32)


def layer(make, *names):
    """A function of inputs and of the layer's parameters of these names (paths with dots)."""

    def f(x, *params):
        m = make()
        for name, value in zip(names, params):
            *path, last = name.split(".")
            at = m
            for part in path:
                at = getattr(at, part)
            getattr(at, last).value = value
        return m(x)

    return f


def conv(k, i, o, **how):
    return layer(lambda: nnx.Conv(i, o, k, rngs=rngs(), **f64, **how), "kernel", "bias")


def conv_transpose(k, i, o, **how):
    return layer(lambda: nnx.ConvTranspose(i, o, k, rngs=rngs(), **f64, **how), "kernel", "bias")


def batch_norm(train):
    def f(x, scale, bias, mean, var):
        m = nnx.BatchNorm(3, rngs=rngs(), use_running_average=not train, use_fast_variance=False, **f64)
        m.scale.value, m.bias.value, m.mean.value, m.var.value = scale, bias, mean, var
        y = m(x)
        return y, m.mean.value, m.var.value

    return f


def cell(make, steps, names, pair=False):
    def f(x, *params):
        m = make()
        for name, value in zip(names, params):
            of, last = name.split(".")
            getattr(getattr(m, of), last).value = value
        h = jnp.zeros((2, 3))
        state = (h, h) if pair else h
        out = []
        for t in range(steps):
            state, y = m(state, x[:, t])
            out.append(y)
        return jnp.stack(out, 1)

    return f


def weight_norm(v, scale):
    length = jax.lax.rsqrt(jnp.sum(v * v, (0,), keepdims=True) + 1e-12)
    return v * length * scale


def attention(**how):
    return lambda q, k, v: jax.nn.dot_product_attention(q, k, v, **how)


def heads(x, q, qb, k, kb, v, vb, o, ob):
    m = nnx.MultiHeadAttention(2, 6, rngs=rngs(), decode=False, **f64)
    m.query.kernel.value, m.query.bias.value, m.key.kernel.value, m.key.bias.value = q, qb, k, kb
    m.value.kernel.value, m.value.bias.value, m.out.kernel.value, m.out.bias.value = v, vb, o, ob
    return m(x, mask=jnp.tril(jnp.ones((3, 3), bool))[None, None])


features = lambda n: [between(0.5, 1.5, n), general(n)]
qkv = [general(2, 3, 4, 2), general(2, 5, 2, 2), general(2, 5, 2, 2)]
mask4 = jax.random.bernoulli(jax.random.key(0), 0.7, (2, 4, 3, 5)).at[..., 0].set(True)
heads_params = [p for _ in range(3) for p in (general(6, 2, 3), general(2, 3))] + [general(2, 3, 6), general(6)]
lstm = lambda: nnx.OptimizedLSTMCell(2, 3, rngs=rngs(), **f64)
gru = lambda: nnx.GRUCell(2, 3, rngs=rngs(), **f64)
simple = lambda: nnx.SimpleCell(2, 3, rngs=rngs(), dtype=jnp.float64, **f64)
LAYERS = {
    "conv": (conv((3, 2), 2, 3, strides=(2, 1), padding="SAME"), [general(2, 5, 4, 2), general(3, 2, 2, 3), general(3)]),
    "conv_1d_valid_dilated": (conv((3,), 2, 2, padding="VALID", kernel_dilation=2), [general(2, 7, 2), general(3, 2, 2), general(2)]),
    "conv_grouped": (conv((2, 2), 4, 4, padding="VALID", feature_group_count=2), [general(1, 3, 3, 4), general(2, 2, 2, 4), general(4)]),
    "conv_transpose_same": (conv_transpose((3, 3), 2, 3, strides=(2, 2)), [general(1, 3, 2, 2), general(3, 3, 2, 3), general(3)]),
    "conv_transpose_valid": (conv_transpose((2,), 2, 3, strides=(3,), padding="VALID"), [general(2, 4, 2), general(2, 2, 3), general(3)]),
    "layer_norm": (layer(lambda: nnx.LayerNorm(4, rngs=rngs(), use_fast_variance=False, **f64), "scale", "bias"), [general(2, 3, 4), *features(4)]),
    "rms_norm": (layer(lambda: nnx.RMSNorm(4, rngs=rngs(), **f64), "scale"), [general(2, 3, 4), features(4)[0]]),
    "group_norm": (layer(lambda: nnx.GroupNorm(6, num_groups=3, rngs=rngs(), use_fast_variance=False, **f64), "scale", "bias"), [general(2, 3, 2, 6), *features(6)]),
    "instance_norm": (layer(lambda: nnx.InstanceNorm(3, rngs=rngs(), use_fast_variance=False, **f64), "scale", "bias"), [general(2, 4, 3), *features(3)]),
    "batch_norm_train": (batch_norm(True), [general(4, 2, 3), *features(3), general(3), between(0.5, 2, 3)]),
    "batch_norm_test": (batch_norm(False), [general(4, 2, 3), *features(3), general(3), between(0.5, 2, 3)]),
    "weight_norm": (weight_norm, [general(3, 4), features(4)[0]]),
    "lstm": (cell(lstm, 3, ["dense_i.kernel", "dense_h.kernel", "dense_h.bias"], pair=True), [general(2, 3, 2), general(2, 12), general(3, 12), general(12)]),
    "gru": (cell(gru, 3, ["dense_i.kernel", "dense_i.bias", "dense_h.kernel"]), [general(2, 3, 2), general(2, 9), general(9), general(3, 9)]),
    "simple_cell": (cell(simple, 3, ["dense_i.kernel", "dense_i.bias", "dense_h.kernel"]), [general(2, 3, 2), general(2, 3), general(3), general(3, 3)]),
    "multi_head_attention": (heads, [general(2, 3, 6), *heads_params]),
    "attention_causal": (attention(is_causal=True, scale=0.5), qkv),
    "attention_mask_and_bias": (lambda q, k, v, b: jax.nn.dot_product_attention(q, k, v, bias=b, mask=mask4), [*qkv, general(1, 4, 3, 5)]),
    "attention_mask_one_head": (attention(mask=mask4[:, :1]), qkv),
    "attention_lengths": (attention(query_seq_lengths=ints(2, 3), key_value_seq_lengths=ints(4, 5)), qkv),
    "attention_window": (lambda q, k, v: jax.nn.dot_product_attention(q, k, v, local_window_size=(1, 2)), qkv),
}
x, y = general(3, 4) * 3, general(3, 4)
labels = ints(2, 0, 3)
one_hot = jax.nn.one_hot(ints(0, 2, 1, 1, 0, 2).reshape(2, 3), 3)
FUNCTIONS = {
    **{n: ((lambda n: lambda x: getattr(jax.nn, n)(x))(n), [x]) for n in
       "elu celu selu leaky_relu relu6 hard_sigmoid hard_silu hard_tanh log_sigmoid mish soft_sign sparse_plus sparse_sigmoid squareplus standardize".split()},
    "glu": (jax.nn.glu, [x]), "log1mexp": (jax.nn.log1mexp, [between(0.01, 4, 6)]), "logmeanexp": (lambda x: jax.nn.logmeanexp(x, axis=1), [x]),
    "perceptron_loss": (lambda x: optax.losses.perceptron_loss(x, jnp.sign(y)), [x]),
    "multiclass_hinge_loss": (lambda x: optax.losses.multiclass_hinge_loss(x, labels), [x]),
    "multiclass_perceptron_loss": (lambda x: optax.losses.multiclass_perceptron_loss(x, labels), [x]),
    "sparsemax_loss": (lambda x: optax.losses.sparsemax_loss(x, (y > 0).astype(int)), [x]),
    "multiclass_sparsemax_loss": (lambda x: optax.losses.multiclass_sparsemax_loss(x, labels), [x]),
    "fenchel_young_loss": (optax.losses.make_fenchel_young_loss(jax.nn.logsumexp), [x, y]),
    "generalized_kl_divergence": (lambda x: optax.losses.generalized_kl_divergence(x, jax.nn.softmax(y)), [x]),
    "ranking_softmax_loss": (lambda x: optax.losses.ranking_softmax_loss(x, jnp.abs(y), reduce_fn=None), [x]),
    "ranking_softmax_loss_mask": (lambda x: optax.losses.ranking_softmax_loss(x, jnp.abs(y), where=jnp.array([[True, True, False, True]] * 3), weights=y * y, reduce_fn=None), [x]),
    "triplet_margin_loss": (optax.losses.triplet_margin_loss, [general(3, 4), general(3, 4), general(3, 4)]),
    "ntxent": (lambda x: optax.losses.ntxent(x, ints(0, 0, 1, 1), temperature=0.5), [general(4, 3)]),
    "dice_loss": (lambda x: optax.losses.dice_loss(x, one_hot, alpha=0.3, beta=0.7, reduction="none"), [general(2, 3, 3)]),
    "generalized_dice_loss": (lambda x: optax.losses.multiclass_generalized_dice_loss(x, one_hot, ignore_background=True), [general(2, 3, 3)]),
    "binary_dice_loss": (lambda x: optax.losses.binary_dice_loss(x, one_hot[..., 0]), [general(2, 3)]),
    "ctc_forward_probs": (lambda x: optax.losses.ctc_loss_with_forward_probs(x, jnp.zeros((1, 4)), ints(1, 2).reshape(1, 2), jnp.zeros((1, 2))), [general(1, 4, 3)]),
}
init = jax.nn.initializers
INITS = {
    **{n: (getattr(init, n)(), (3, 4, 5)) for n in "lecun_normal lecun_uniform he_normal he_uniform glorot_normal glorot_uniform".split()},
    "uniform": (init.uniform(0.3), (4, 3)), "truncated_normal": (init.truncated_normal(0.5, lower=-1.0, upper=3.0), (4, 3)), "normal": (init.normal(0.7), (4, 3)), "constant": (init.constant(2.5), (2, 2)),
    "variance_scaling": (init.variance_scaling(0.5, "fan_geo_avg", "normal"), (6, 4)), "variance_scaling_out": (init.variance_scaling(2.0, "fan_out", "uniform"), (6, 4)),
    "orthogonal": (init.orthogonal(1.5), (2, 3, 4)), "orthogonal_wide": (init.orthogonal(), (3, 5)), "delta_orthogonal": (init.delta_orthogonal(), (3, 2, 3, 4)),
}
plain = {f"init_{n}": ((lambda f, shape: lambda _: f(jax.random.key(7), shape, jnp.float32))(f, shape), [np.zeros(1)]) for n, (f, shape) in INITS.items()}

if __name__ == "__main__":
    write("nn", {**LAYERS, **FUNCTIONS}, plain)
