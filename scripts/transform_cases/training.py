"""What programs are made of: training steps, attention, recurrence, regression."""
import jax
import jax.numpy as jnp
from jax import lax

from .common import between, case, f32, f64, i32


def mlp(p, x):
    (w1, b1), (w2, b2) = p
    return jax.nn.gelu(x @ w1 + b1) @ w2 + b2


def adamw(p, g, m, v, t, rate=1e-2, b1=0.9, b2=0.95, eps=1e-8, decay=0.1):
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
    update = lambda p, m, v: p - rate * ((m / (1 - b1 ** t)) / (jnp.sqrt(v / (1 - b2 ** t)) + eps) + decay * p)
    return jax.tree.map(update, p, m, v), m, v


@case(f64(8, 3), f64(8, 2), f64(3, 5), f64(5), f64(5, 2), f64(2))
def mlp_with_adamw(x, y, w1, b1, w2, b2):
    p = ((w1, b1), (w2, b2))
    loss = lambda p: jnp.mean((mlp(p, x) - y) ** 2)

    def step(state, t):
        p, m, v = state
        l, g = jax.value_and_grad(loss)(p)
        return adamw(p, g, m, v, t + 1.0), l
    zeros = jax.tree.map(jnp.zeros_like, p)
    (p, m, v), losses = lax.scan(step, (p, zeros, zeros), jnp.arange(10.0))
    return losses, p, m, v


@case(f32(8, 3), i32(0, 4, 8), f32(3, 4))
def classifier_step(x, labels, w):
    def loss(w):
        logp = jax.nn.log_softmax(x @ w)
        return (-jnp.mean(jnp.take_along_axis(logp, labels[:, None], -1)),
                jnp.mean((jnp.argmax(logp, -1) == labels).astype(jnp.float32)))
    (l, accuracy), g = jax.value_and_grad(loss, has_aux=True)(w)
    norm = jnp.sqrt(jnp.sum(g * g))
    return l, accuracy, g, w - 0.1 * g * jnp.minimum(1.0, 0.05 / norm)


def attend(q, k, v):
    t = q.shape[1]
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / jnp.sqrt(jnp.array(q.shape[-1], q.dtype))
    p = jax.nn.softmax(jnp.where(jnp.tril(jnp.ones((t, t), bool)), scores, jnp.finfo(jnp.float32).min), -1)
    return jnp.einsum("bhts,bshd->bthd", p, v)


@case(f32(2, 5, 2, 4), f32(2, 5, 2, 4), f32(2, 5, 2, 4))
def attention_gradient(q, k, v):
    return jax.value_and_grad(lambda q, k, v: jnp.sum(jnp.sin(attend(q, k, v))), (0, 1, 2))(q, k, v)


@case(f64(1, 4, 1, 3), f64(1, 4, 1, 3), f64(1, 4, 1, 3))
def attention_second_derivative(q, k, v):
    f = lambda q: jnp.sum(attend(q, k, v) ** 2)
    return jax.jvp(jax.grad(f), (q,), (k,))[1], jax.jacfwd(lambda v: attend(q, k, v)[0, :, 0])(v)


@case(f64(2, 3, 6), f64(6), f64(6))
def norm_gradients(x, gain, bias):
    def layer(x, gain, bias):
        c = x - jnp.mean(x, -1, keepdims=True)
        return c * lax.rsqrt(jnp.mean(c * c, -1, keepdims=True) + 1e-5) * gain + bias
    rms = lambda x, gain, _: gain * x * lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
    return tuple(jax.grad(lambda *a: jnp.sum(jnp.sin(f(*a))), (0, 1, 2))(x, gain, bias) for f in (layer, rms))


@case(f32(2, 3, 6), f32(6), f32(6))
def norm_gradients_f32(x, gain, bias):
    def layer(x):
        c = x - jnp.mean(x, -1, keepdims=True)
        return c * lax.rsqrt(jnp.mean(c * c, -1, keepdims=True) + 1e-5) * gain + bias
    return (jax.grad(lambda x: jnp.sum(jnp.sin(layer(x))))(x),
            jax.grad(lambda x: jnp.sum(jnp.sin(gain * x * lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6))))(x))


@case(f64(6, 2, 3), f64(3, 4), f64(4, 4), f64(4))
def recurrent_network(xs, wx, wh, b):
    def loss(wx, wh, b):
        def cell(h, x):
            h = jnp.tanh(x @ wx + h @ (wh * 0.5) + b)
            return h, jnp.mean(h ** 2)
        h, means = lax.scan(cell, jnp.zeros((2, 4)), xs)
        return jnp.sum(h) + jnp.sum(means)
    return jax.value_and_grad(loss, (0, 1, 2))(wx, wh, b)


@case(f64(5, 2, 3), f64(7, 16), f64(16))
def lstm(xs, w, b):
    def loss(w, b):
        def cell(state, x):
            h, c = state
            i, f, g, o = jnp.split(jnp.concatenate([x, h], -1) @ w + b, 4, -1)
            c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h
        start = (jnp.zeros((2, 4)), jnp.zeros((2, 4)))
        return jnp.sum(lax.scan(cell, start, xs)[1] ** 2)
    return jax.value_and_grad(loss, (0, 1))(w, b)


@case(f64(10, 3), i32(0, 2, 10), f64(3))
def logistic_regression(x, y, w):
    nll = lambda w: jnp.mean(jax.nn.softplus(x @ w) - y * (x @ w)) + 0.01 * jnp.sum(w * w)
    return nll(w), jax.grad(nll)(w), jax.hessian(nll)(w)


@case(f64(10, 3), i32(0, 2, 10))
def logistic_regression_by_gradient_descent(x, y):
    nll = lambda w: jnp.mean(jnp.logaddexp(0.0, x @ w) - y * (x @ w))
    return lax.fori_loop(0, 20, lambda _, w: w - 0.5 * jax.grad(nll)(w), jnp.zeros(3)), jax.grad(
        lambda rate: nll(lax.fori_loop(0, 5, lambda _, w: w - rate * jax.grad(nll)(w), jnp.zeros(3))))(jnp.array(0.5))


@case(f64(4, 3), f64(4), f64(3))
def meta_gradient(x, y, w):
    # through a training step, by its starting point and its rate
    loss = lambda w: jnp.mean((jnp.tanh(x @ w) - y) ** 2)
    after = lambda w, rate: loss(w - rate * jax.grad(loss)(w))
    return jax.grad(after, (0, 1))(w, jnp.array(0.1)), jax.hessian(lambda w: after(w, 0.1))(w)


@case(f64(6, 2), f64(2, 8), f64(8, 1))
def physics_informed(x, w1, w2):
    # derivatives of a network by its input inside a loss
    u = lambda p, x: (jnp.tanh(x @ p[0]) @ p[1])[0]
    laplace = lambda p, x: jnp.trace(jax.hessian(lambda x: u(p, x))(x))
    loss = lambda p: jnp.mean(jax.vmap(lambda x: (laplace(p, x) - jnp.sin(u(p, x))) ** 2)(x))
    return jax.value_and_grad(loss)((w1, w2))


@case(f64(3, 4, 4), f64(4, 8), f64(8, 4), f64(2, 4))
def scanned_layers(x, up, down, gains):
    # two layers with stacked gains, scanned and rematerialised
    def loss(up, down, gains):
        def layer(h, gain):
            return h + jnp.einsum("btf,fd->btd", jax.nn.silu(jnp.einsum("btd,df->btf", h * gain, up)), down) * 0.1
        h, _ = lax.scan(lambda h, gain: (jax.checkpoint(layer)(h, gain), None), x, gains)
        return jnp.mean(h ** 2)
    return jax.value_and_grad(loss, (0, 1, 2))(up, down, gains)


@case(f64(4, 3), between(0.5, 2.0, 3, dtype="float64"))
def gaussian_log_likelihood(x, scale):
    logp = lambda m, s: jnp.sum(-0.5 * ((x - m) / s) ** 2 - jnp.log(s) - 0.5 * jnp.log(2 * jnp.pi))
    mean = jnp.mean(x, 0) + 0.5
    fisher = jax.hessian(lambda t: -logp(t[:3], t[3:]))(jnp.concatenate([mean, scale]))
    return jax.value_and_grad(logp, (0, 1))(mean, scale), fisher


@case(f64(5))
def leapfrog(q):
    # energy after integrating motion, and its gradient by the start
    potential = lambda q: jnp.sum(q ** 4 / 4 - jnp.cos(q))
    force = jax.grad(potential)
    def step(s, _):
        q, p = s
        p = p - 0.05 * force(q)
        q = q + 0.1 * p
        p = p - 0.05 * force(q)
        return (q, p), potential(q) + jnp.sum(p * p) / 2
    run = lambda q: lax.scan(step, (q, jnp.ones(5)), None, length=20)
    return run(q), jax.grad(lambda q: run(q)[1][-1])(q)
