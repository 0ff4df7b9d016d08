"""What programs over several devices are made of."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import M8, M42, P, case, cycle, f64, i32, smap, vary

gelu = lambda x: jax.nn.gelu(x, approximate=True)


@case(M8, f64(8, 8))
def ring_all_reduce(m, x):
    def f(x):
        step = lambda i, c: (lax.ppermute(c[0], "x", cycle(8)), c[1] + lax.ppermute(c[0], "x", cycle(8)))
        return lax.fori_loop(0, 7, step, (x, x))[1]
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 8))
def ring_reduce_scatter(m, x):
    def f(x):
        parts, me = x.reshape(4, 2), lax.axis_index("x")
        part = lambda i: lax.dynamic_index_in_dim(parts, i % 4, 0, False)
        step = lambda i, c: lax.ppermute(c, "x", cycle(4)) + part(me - i - 2 + 8)
        return lax.fori_loop(0, 3, step, part(me - 1 + 4))
    return smap(m, P("x"), P("x"), f)(x)


@case(M42, f64(4, 2), f64(2, 4))
def collective_matmul(m, x, w):
    # the rows of x travel around the ring while each device multiplies what it has
    def f(x, w):
        me = lax.axis_index("x")
        def step(i, c):
            x, out = c
            out = lax.dynamic_update_slice_in_dim(out, jnp.sin(x) @ w, (me - i + 4) % 4, 0)
            return lax.ppermute(x, "x", cycle(4)), out
        return lax.fori_loop(0, 4, step, (x, vary(jnp.zeros((4, 1)), "x")))[1]
    return smap(m, (P("x"), P(None, "x")), P(None, "x"), f)(x, w)


@case(M42, f64(4, 3), f64(3, 4), f64(4, 3))
def megatron_mlp(m, x, up, down):
    f = lambda x, up, down: lax.psum(gelu(x @ up) @ down, "y")
    return smap(m, (P("x"), P(None, "y"), P("y")), P("x"), f)(x, up, down)


@case(M42, f64(4, 3), f64(3, 4), f64(4, 3))
def sequence_parallel_mlp(m, x, up, down):
    def f(x, up, down):
        h = gelu(lax.all_gather(x, "y", axis=0, tiled=True) @ up)
        return x + lax.psum_scatter(h @ down, "y", scatter_dimension=0, tiled=True)
    return smap(m, (P("y"), P(None, "y"), P("y")), P("y"), f)(x, up, down)


@case(M42, f64(4, 4), f64(4, 4), f64(4))
def fsdp_layer(m, x, w, b):
    def f(x, w, b):
        w, b = lax.all_gather(w, "x", tiled=True), lax.all_gather(b, "x", tiled=True)
        return jnp.tanh(x @ w + b)
    return smap(m, (P("x"), P("x"), P("x")), P("x"), f)(x, w, b)


@case(M42, f64(4, 4), f64(2, 4, 4))
def fsdp_layers_scanned_and_rematerialized(m, x, w):
    def f(x, w):
        layer = jax.checkpoint(lambda x, w: (x + jnp.tanh(x @ lax.all_gather(w, "x", tiled=True)), None))
        return lax.scan(layer, x, w)[0]
    return smap(m, (P("x"), P(None, "x")), P("x"), f)(x, w)


@case(M42, f64(8, 3), f64(8), f64(3))
def data_parallel_step(m, x, y, w):
    def step(x, y, w):
        loss, g = jax.value_and_grad(lambda w: lax.pmean(jnp.mean((jnp.tanh(x @ w) - y) ** 2), ("x", "y")))(w)
        return w - 0.1 * g, loss
    d = ("x", "y")
    return smap(m, (P(d), P(d), P()), (P(), P()), step)(x, y, w)


@case(M42, f64(8, 3), f64(8), f64(4))
def fsdp_step(m, x, y, w):
    # the gradient of gathered weights arrives scattered
    def step(x, y, w):
        def loss(w):
            whole = lax.all_gather(w, "x", tiled=True)[:3]
            return lax.psum(jnp.sum((jnp.tanh(x @ whole) - y) ** 2), "x")
        value, g = jax.value_and_grad(loss)(w)
        return w - 0.1 * g, value
    return smap(m, (P("x"), P("x"), P("x")), (P("x"), P()), step)(x, y, w)


@case(M42, f64(8, 3), f64(8, 3), f64(8, 3))
def ring_attention(m, q, k, v):
    def f(q, k, v):
        def step(_, c):
            k, v, top, below, largest = c
            s = q @ k.T
            new = jnp.maximum(largest, lax.stop_gradient(s.max(1)))
            p, old = jnp.exp(s - new[:, None]), jnp.exp(largest - new)
            top, below = top * old[:, None] + p @ v, below * old + p.sum(1)
            return lax.ppermute(k, "x", cycle(4)), lax.ppermute(v, "x", cycle(4)), top, below, new
        start = (k, v, jnp.zeros_like(q), vary(jnp.zeros(2), "x"), vary(jnp.full(2, -1e9), "x"))
        _, _, top, below, _ = lax.fori_loop(0, 4, step, start)
        return top / below[:, None]
    return smap(m, P("x"), P("x"), f)(q, k, v)


@case(M42, f64(4, 8), f64(8, 4), f64(4, 8))
def heads_by_all_to_all(m, q, k, v):
    # positions are exchanged for heads, and back (DeepSpeed-Ulysses)
    k = k.T
    def f(q, k, v):
        to_heads = lambda t: lax.all_to_all(t.reshape(1, 4, 2), "x", 1, 0, tiled=True)[:, 0]
        q, k, v = to_heads(q), to_heads(k), to_heads(v)
        o = jax.nn.softmax(q @ k.T, -1) @ v
        return lax.all_to_all(o[:, None], "x", 0, 1, tiled=True).reshape(1, 8)
    return smap(m, P("x"), P("x"), f)(q, k, v)


@case(M42, f64(4, 8), i32(0, 8, 4))
def vocabulary_parallel_cross_entropy(m, logits, labels):
    def f(logits, labels):
        largest = lax.pmax(lax.stop_gradient(logits).max(1), "y")
        total = lax.psum(jnp.exp(logits - largest[:, None]).sum(1), "y")
        here = labels - 4 * lax.axis_index("y")
        own = (here >= 0) & (here < 4)
        chosen = jnp.take_along_axis(logits, jnp.clip(here, 0, 3)[:, None], 1)[:, 0]
        chosen = lax.psum(jnp.where(own, chosen, 0.0), "y")
        return lax.pmean(jnp.mean(jnp.log(total) + largest - chosen), "x")
    return smap(m, (P("x", "y"), P("x")), P(), f)(logits, labels)


@case(M42, f64(8, 3), i32(0, 8, 4))
def vocabulary_parallel_embedding(m, table, ids):
    def f(table, ids):
        here = ids - 4 * lax.axis_index("y")
        own = (here >= 0) & (here < 4)
        return lax.psum(jnp.where(own[:, None], table[jnp.clip(here, 0, 3)], 0.0), "y")
    return smap(m, (P("y"), P("x")), P("x"), f)(table, ids)


@case(M42, f64(8, 3), f64(3), f64(3))
def synchronized_batch_norm(m, x, gain, bias):
    def f(x, gain, bias):
        mean = lax.pmean(x.mean(0), ("x", "y"))
        var = lax.pmean(((x - mean) ** 2).mean(0), ("x", "y"))
        return (x - mean) * lax.rsqrt(var + 1e-5) * gain + bias
    return smap(m, (P(("x", "y")), P(), P()), P(("x", "y")), f)(x, gain, bias)


@case(M42, f64(2, 4), f64(4))
def norm_over_a_divided_axis(m, x, gain):
    f = lambda x, gain: x * lax.rsqrt(lax.psum((x ** 2).sum(1, keepdims=True), "x") / 4 + 1e-6) * gain
    return smap(m, (P(None, "x"), P("x")), P(None, "x"), f)(x, gain)


@case(M42, f64(4, 2), f64(3, 2))
def pipeline(m, w, x):
    # four stages, three microbatches: a microbatch enters at the first device and moves on with every step
    def f(w, x):
        me = lax.axis_index("x")
        def step(c, t):
            held, out = c
            fresh = lax.dynamic_index_in_dim(x, jnp.minimum(t, 2), 0, False)
            y = jnp.tanh(jnp.where(me == 0, fresh, held) * w[0])
            done = jnp.where((me == 3) & (t >= 3), y, 0.0)
            out = lax.dynamic_update_index_in_dim(out, done, jnp.maximum(t - 3, 0), 0)
            return (lax.ppermute(y, "x", cycle(4)), out), None
        start = vary((jnp.zeros(2), jnp.zeros((3, 2))), "x")
        (_, out), _ = lax.scan(step, start, jnp.arange(6))
        return lax.psum(out, "x")
    return smap(m, (P("x"), P()), P(), f)(w, x)


@case(M42, f64(16, 2), f64(4, 2, 2))
def experts_by_all_to_all(m, x, w):
    # each device sends one of its rows to each expert, and gets it back
    def f(x, w):
        sent = lax.all_to_all(x, "x", 0, 0, tiled=True)
        return lax.all_to_all(jnp.tanh(sent @ w[0]), "x", 0, 0, tiled=True) * x
    return smap(m, (P("x"), P("x")), P("x"), f)(x, w)


@case(M42, f64(4, 6))
def halo_exchange(m, x):
    # a stencil over a divided axis: each device borrows its neighbours' edges
    def f(x):
        left = lax.ppermute(x[:, -1:], "y", [(0, 1)])
        right = lax.ppermute(x[:, :1], "y", [(1, 0)])
        wide = jnp.concatenate([left, x, right], 1)
        return wide[:, :-2] - 2 * wide[:, 1:-1] + wide[:, 2:]
    return smap(m, P("x", "y"), P("x", "y"), lambda x: f(f(x)))(x)


@case(M42, f64(8, 4), f64(4, 2))
def gradient_of_a_sharded_loss(m, x, w):
    # a loss that is summed outside
    f = smap(m, (P("x", "y"), P("y")), P("x"), lambda x, w: lax.psum(x @ w, "y"))
    return jax.value_and_grad(lambda w: jnp.mean(jnp.tanh(f(x, w)) ** 2))(w)
