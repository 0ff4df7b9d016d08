"""Values and derivatives of jax.lax's special functions, jax.scipy.special, reductions over windows and by any function, and samples of
jax.random, for tests/jax_functions.rs: tests/fixtures/functions.json.

Each case has, in f32 and in f64, inputs, results, and for the inputs that it is differentiated by (`wrt`) tangents, the results' tangents
(jvp), cotangents, and the inputs' cotangents (vjp). A sampler has the seed of its key, and its result.

    python scripts/make_function_fixtures.py        (JAX 0.10.2)
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import jax.random as random
import jax.scipy.special as sp
import numpy as np
from jax import lax

rng = np.random.default_rng(11)
u = lambda low, high, *dims: rng.uniform(low, high, dims or (7,))
at = lambda *x: np.array(x, dtype=np.float64)


def window(op, init, dimensions, strides, padding, base=None, inner=None):
    return lambda x: lax.reduce_window(
        x, np.asarray(init, x.dtype), op, dimensions, strides, padding, base_dilation=base, window_dilation=inner
    )


def pool(op, init, size, strides, padding):
    """As flax.linen.pool: over the spatial axes of [batch, .., features]."""
    around = lambda x, batch: (1,) * batch + tuple(x) + (1,)

    def f(x):
        batch = x.ndim - len(size) - 1
        pads = padding if isinstance(padding, str) else ((0, 0),) * batch + tuple(padding) + ((0, 0),)
        return lax.reduce_window(x, np.asarray(init, x.dtype), op, around(size, batch), around(strides, batch), pads)

    return f


def avg_pool(size, strides, padding, count_include_pad):
    total = pool(lax.add, 0.0, size, strides, padding)
    return lambda x: total(x) / (np.prod(size) if count_include_pad else total(jnp.ones_like(x)))


def ssm(pair):
    combine = lambda x, y: (y[0] * x[0], y[0] * x[1] + y[1])
    return lax.associative_scan(combine, pair)


def welford(x):
    """Number, mean and sum of squared deviations of all elements along axis 0."""

    def join(a, b):
        n = a[0] + b[0]
        d = b[1] - a[1]
        share = b[0] / jnp.where(n == 0, 1, n)
        return n, a[1] + d * share, a[2] + b[2] + d * d * a[0] * share

    zero = jnp.zeros((), x.dtype)
    return lax.reduce((jnp.ones_like(x), x, jnp.zeros_like(x)), (zero, zero, zero), lambda a, b: join(a, b), (0,))


def seeded(f):
    return lambda *x: f(random.key(3), *x)


SEMI = at(0.5, 2.0, 7.5, 20.0, 0.01, 3.0, 1.0)
CASES = {
    # elementwise operations
    "tan": (lax.tan, [u(-1.4, 1.4)]),
    "asin": (lax.asin, [at(-0.99, -1e-6, 0.0, 1e-5, 0.3, 0.9, 0.999)]),
    "acos": (lax.acos, [at(-0.99, -1e-6, 0.0, 1e-5, 0.3, 0.9, 0.999)]),
    "atan": (lax.atan, [at(-1e4, -2.0, -1e-6, 0.0, 0.5, 3.0, 1e6)]),
    "sinh": (lax.sinh, [at(-5.0, -1e-4, 0.0, 1e-6, 0.5, 1.0, 8.0)]),
    "cosh": (lax.cosh, [at(-5.0, -1e-4, 0.0, 1e-6, 0.5, 1.0, 8.0)]),
    "asinh": (lax.asinh, [at(-1e5, -1e-4, 0.0, 1e-6, 0.5, 1.0, 80.0)]),
    "acosh": (lax.acosh, [at(1.0001, 1.01, 1.5, 2.0, 10.0, 1e3, 1e6)]),
    "atanh": (lax.atanh, [at(-0.99, -1e-6, 0.0, 1e-5, 0.3, 0.9, 0.999)]),
    "erfc": (lax.erfc, [at(-3.0, -0.4, 0.0, 0.3, 1.5, 4.0, 8.0)]),
    "lgamma": (lax.lgamma, [at(-2.5, -0.3, 1e-3, 0.5, 1.7, 12.0, 150.0)]),
    "digamma": (lax.digamma, [at(-2.5, -0.3, 0.1, 0.5, 1.7, 12.0, 150.0)]),
    "bessel_i0e": (lax.bessel_i0e, [at(-20.0, -3.0, -0.1, 0.2, 1.0, 7.0, 50.0)]),
    "bessel_i1e": (lax.bessel_i1e, [at(-20.0, -3.0, -0.1, 0.2, 1.0, 7.0, 50.0)]),
    "nextafter": (lax.nextafter, [at(1.0, 0.0, -2.0, 3.0, 1e-3, 0.0), at(2.0, 1.0, 0.0, 3.0, -1.0, -1.0)], []),
    "polygamma": (lax.polygamma, [at(0, 1, 2, 3, 1, 0, 5), u(0.3, 6.0)], [1]),
    "lax_zeta": (lax.zeta, [u(1.2, 6.0), u(0.3, 6.0)], []),
    "igamma": (lax.igamma, [SEMI, at(0.3, 1.5, 9.0, 15.0, 0.2, 3.0, 4.0)]),
    "igammac": (lax.igammac, [SEMI, at(0.3, 1.5, 9.0, 25.0, 0.2, 3.0, 4.0)]),
    "igamma_grad_a": (lax.igamma_grad_a, [u(0.5, 6.0), u(0.2, 8.0)], []),
    "random_gamma_grad": (lax.random_gamma_grad, [u(0.5, 6.0), u(0.2, 8.0)], []),
    "betainc": (lax.betainc, [u(0.3, 5.0), u(0.3, 5.0), u(0.05, 0.95)], [2]),
    "betainc_edges": (lax.betainc, [at(0, 1, 2, 1, 3), at(1, 0, 2, 1, 2), at(0.5, 0.5, 0, 1, 1.5)], []),
    "igamma_edges": (lax.igamma, [at(0, 1, 2, -1, 3), at(1, 0, np.inf, 1, -1)], []),
    "gelu": (lambda x: jax.nn.gelu(x, approximate=False), [at(-6.0, -4.0, -1.0, 0.0, 0.7, 2.0, 5.0)]),
    # jax.scipy.special
    "gamma": (sp.gamma, [at(-2.5, -0.3, 0.2, 0.5, 1.7, 5.0, 12.0)]),
    "gammaln": (sp.gammaln, [u(0.2, 20.0)]),
    "loggamma": (sp.loggamma, [at(0.2, 1.0, 3.5, -0.5)], []),
    "gammasgn": (sp.gammasgn, [at(-2.5, -1.5, -1.0, 0.0, -0.0, 2.0)], []),
    "beta": (sp.beta, [u(0.2, 5.0), u(0.2, 5.0)]),
    "betaln": (sp.betaln, [at(0.5, 2.0, 9.0, 100.0, 1e4, 3.0, 0.1), at(0.7, 12.0, 9.5, 50.0, 1e5, 3.5, 30.0)]),
    "special_betainc": (lambda x: sp.betainc(2.0, 3.5, x), [u(0.05, 0.95)]),
    "gammainc": (lambda x: sp.gammainc(2.5, x), [u(0.1, 9.0)]),
    "gammaincc": (lambda x: sp.gammaincc(2.5, x), [u(0.1, 9.0)]),
    "special_digamma": (sp.digamma, [u(0.2, 9.0)]),
    "special_polygamma": (lambda x: sp.polygamma(2, x), [u(0.3, 6.0)]),
    "zeta": (sp.zeta, [u(1.3, 6.0), u(0.4, 6.0)]),
    "factorial": (sp.factorial, [at(-1.0, 0.0, 1.0, 4.5, 10.0)], []),
    "factorial_slope": (sp.factorial, [u(0.5, 8.0)]),
    "comb": (sp.comb, [at(5.0, 7.5, 10.0, 3.0, 20.0), at(2.0, 3.0, 10.0, 4.0, 7.5)]),
    "multigammaln": (lambda x: sp.multigammaln(x, 3), [u(1.5, 9.0)]),
    "poch": (sp.poch, [u(0.5, 5.0), at(0.0, 1.0, 2.0, 0.5, 1.5, 3.0, 2.5)]),
    "bernoulli": (lambda x: sp.bernoulli(12).astype(x.dtype) + 0 * x[0], [at(1.0)], []),
    "erf": (sp.erf, [u(-2, 2)]),
    "special_erfc": (sp.erfc, [u(-2, 4)]),
    "erfinv": (sp.erfinv, [u(-0.95, 0.95)]),
    "erfcx": (sp.erfcx, [at(-2.0, -0.1, 0.0, 0.5, 3.0, 8.0, 40.0)]),
    "dawsn": (sp.dawsn, [at(-7.0, -3.0, 0.1, 1.0, 3.3, 6.2, 20.0)]),
    "ndtr": (sp.ndtr, [at(-9.0, -3.0, -0.5, 0.0, 0.6, 2.0, 7.0)]),
    "ndtri": (sp.ndtri, [at(1e-12, 0.001, 0.1, 0.4, 0.5, 0.87, 0.99)]),
    "ndtri_edges": (sp.ndtri, [at(0.0, 1.0)], []),
    "log_ndtr": (sp.log_ndtr, [at(-30.0, -12.0, -3.0, -0.5, 0.6, 4.0, 9.0)]),
    "owens_t": (sp.owens_t, [at(0.3, -1.0, 2.0, 0.1, 0.7, 1.2), at(0.5, 0.7, -0.2, 3.0, 1.5, -2.0)]),
    "expit": (sp.expit, [u(-4, 4)]),
    "logit": (sp.logit, [u(0.05, 0.95)]),
    "xlogy": (sp.xlogy, [u(0.1, 3.0), u(0.1, 3.0)]),
    "xlogy_0": (sp.xlogy, [at(0.0, 0.0, 1.0), at(0.0, 2.0, 0.0)], []),
    "xlog1py": (sp.xlog1py, [u(0.1, 3.0), u(-0.5, 3.0)]),
    "entr": (sp.entr, [u(0.1, 3.0)]),
    "entr_edges": (sp.entr, [at(0.0, -1.0, 1.0)], []),
    "rel_entr": (sp.rel_entr, [u(0.1, 3.0), u(0.1, 3.0)]),
    "rel_entr_edges": (sp.rel_entr, [at(0.0, 1.0, -1.0, 0.0), at(0.0, 0.0, 1.0, 2.0)], []),
    "kl_div": (sp.kl_div, [u(0.1, 3.0), u(0.1, 3.0)]),
    "boxcox": (sp.boxcox, [u(0.2, 3.0), at(0.0, 1.0, 2.0, -1.0, 0.5, 0.3, 3.0)]),
    "boxcox1p": (sp.boxcox1p, [u(-0.5, 3.0), at(0.0, 1.0, 2.0, -1.0, 0.5, 0.3, 3.0)]),
    "logsumexp": (lambda x: sp.logsumexp(x, axis=-1), [u(-2, 2, 2, 4)]),
    "softmax": (lambda x: sp.softmax(x, axis=-1), [u(-2, 2, 2, 4)]),
    "log_softmax": (lambda x: sp.log_softmax(x, axis=-1), [u(-2, 2, 2, 4)]),
    "i0": (sp.i0, [u(-5, 5)]),
    "i0e": (sp.i0e, [u(-5, 5)]),
    "i1": (sp.i1, [u(-5, 5)]),
    "i1e": (sp.i1e, [u(-5, 5)]),
    "bessel_jn": (lambda x: sp.bessel_jn(x, v=3), [u(0.5, 8.0, 3)]),
    "exp1": (sp.exp1, [at(0.01, 0.5, 1.0, 1.5, 4.0, 20.0)]),
    "expi": (sp.expi, [at(-3.0, -0.5, 0.2, 1.5, 3.0, 6.0, 12.0, 24.0, 40.0, 70.0)]),
    "expn": (lambda x: sp.expn(jnp.asarray([2.0, 1.0, 3.0, 6.0, 2.0, 1.0]).astype(x.dtype), x), [at(0.01, 0.5, 1.0, 1.5, 4.0, 20.0)]),
    "expn_edges": (lambda x: sp.expn(jnp.asarray([1.0, 2.0, 0.0, 2.0]).astype(x.dtype), x), [at(0.0, 0.5, 2.0, -1.0)], []),
    "sici": (sp.sici, [at(-6.0, -1.0, 0.3, 3.9, 5.0, 7.9, 12.0, 40.0)]),
    "spence": (sp.spence, [at(0.1, 0.4, 0.7, 1.3, 1.8, 3.0, 20.0)]),
    "spence_edges": (sp.spence, [at(0.0, 1.0, -1.0)], []),
    "fresnel": (sp.fresnel, [at(-3.0, -0.5, 0.2, 1.0, 1.59, 1.62, 2.5)]),
    "hyp1f1": (sp.hyp1f1, [u(0.5, 3.0), u(0.6, 3.5), at(-3.0, -0.5, 0.3, 1.0, 2.0, 5.0, 8.0)]),
    "hyp1f1_edges": (sp.hyp1f1, [at(0.0, 1.5, 2.0, 1.5), at(1.0, 1.5, 0.0, 2.5), at(2.0, 1.2, 1.0, 110.0)], []),
    "hyp2f1": (sp.hyp2f1, [u(0.4, 1.5), u(0.4, 1.5), u(2.2, 4.0), at(-0.6, -0.3, 0.1, 0.3, 0.5, 0.7, 0.8)]),
    "hyp2f1_edges": (sp.hyp2f1, [at(1.0, -2.0, 1.0, 2.0, 1.0, 1.5, 1.0, 0.5), at(1.0, 1.5, 2.0, 1.5, 1.0, 0.5, 1.0, 0.5),
                                 at(2.0, 2.5, 2.0, 2.5, 3.0, 1.2, 1.0, 1.0), at(0.0, 0.7, 0.4, 0.95, 0.95, 0.3, 0.95, 0.97)], []),
    # windows
    "sum_windows": (window(lax.add, 0, (2, 3), (1, 2), "VALID"), [u(-1, 1, 5, 6)]),
    "sum_windows_dilated": (window(lax.add, 0, (2, 2), (2, 1), ((1, 2), (0, 1)), (2, 1), (1, 2)), [u(-1, 1, 4, 5)]),
    "max_windows": (window(lax.max, -np.inf, (2, 3), (1, 2), "SAME"), [u(-1, 1, 5, 6)]),
    "min_windows": (window(lax.min, np.inf, (3,), (2,), "SAME_LOWER"), [u(-1, 1, 9)]),
    "max_windows_dilated": (window(lax.max, -np.inf, (2, 2), (2, 1), ((1, 2), (0, 1)), None, (1, 2)), [u(-1, 1, 4, 5)]),
    "max_windows_ties": (window(lax.max, -np.inf, (2, 2), (1, 1), "VALID"), [at(1, 1, 0, 1, 1, 2, 2, 2, 0).reshape(3, 3)]),
    "product_windows": (window(lambda a, b: a * b, 1.0, (2, 3), (1, 2), "SAME"), [u(-1, 1, 4, 5)]),
    "max_pool": (pool(lax.max, -np.inf, (2, 2), (2, 2), "VALID"), [u(-1, 1, 2, 5, 4, 3)]),
    "max_pool_overlapping": (pool(lax.max, -np.inf, (3, 3), (2, 2), ((1, 1), (1, 1))), [u(-1, 1, 2, 5, 5, 2)]),
    "max_pool_alone": (pool(lax.max, -np.inf, (3,), (1,), "SAME"), [u(-1, 1, 6, 2)]),
    "min_pool": (pool(lax.min, np.inf, (2, 3), (2, 1), "SAME"), [u(-1, 1, 1, 5, 4, 3)]),
    "avg_pool": (avg_pool((2, 2), (1, 1), "SAME", True), [u(-1, 1, 2, 4, 3, 2)]),
    "avg_pool_uncounted": (avg_pool((3, 2), (2, 1), "SAME", False), [u(-1, 1, 2, 5, 3, 2)]),
    "avg_pool_explicit": (avg_pool((2, 2), (2, 2), ((1, 0), (0, 1)), False), [u(-1, 1, 1, 5, 4, 2)]),
    # reductions and running combinations by any function
    "associative_scan": (lambda a, b: ssm((a, b)), [u(-1, 1, 7), u(-1, 1, 7)]),
    "associative_scan_even": (lambda a, b: ssm((a, b))[1], [u(-1, 1, 8, 2), u(-1, 1, 8, 2)]),
    "associative_scan_reverse": (lambda x: lax.associative_scan(lambda a, b: a * b, x, reverse=True, axis=1), [u(0.5, 1.5, 2, 5)]),
    "associative_scan_matrices": (lambda x: lax.associative_scan(jnp.matmul, x), [u(-1, 1, 5, 2, 2)]),
    "reduce_welford": (welford, [u(-1, 1, 5, 3)]),
    "reduce_product": (lambda x: lax.reduce(x, jnp.asarray(1.0, x.dtype), lambda a, b: a * b, (0, 2)), [u(0.5, 1.5, 3, 2, 3)]),
    "ragged_dot": (lambda x, w: lax.ragged_dot(x, w, jnp.asarray([2, 0, 3], jnp.int32)), [u(-1, 1, 6, 3), u(-1, 1, 3, 3, 4)]),
    # derivatives of samples
    "gamma_by_shape": (seeded(lambda k, a: random.gamma(k, a, dtype=a.dtype)), [at(0.3, 1.0, 2.5, 8.0)]),
    "loggamma_by_shape": (seeded(lambda k, a: random.loggamma(k, a, dtype=a.dtype)), [at(0.01, 0.3, 1.0, 2.5, 8.0)]),
    "beta_by_shapes": (seeded(lambda k, a, b: random.beta(k, a, b, dtype=a.dtype)), [at(0.5, 2.0), at(1.5, 3.0)]),
    "dirichlet_by_shape": (seeded(lambda k, a: random.dirichlet(k, a, dtype=a.dtype)), [at(0.5, 2.0, 1.0)]),
}

P = at(0.1, 0.2, 0.3, 0.4)
COV = np.array([[2.0, 0.5], [0.5, 1.0]])
SAMPLERS = {
    "gamma": lambda k, d: random.gamma(k, jnp.asarray([0.2, 1.0, 3.5], d), (2, 3), d),
    "gamma_scalar": lambda k, d: random.gamma(k, jnp.asarray(2.0, d), (), d),
    "loggamma": lambda k, d: random.loggamma(k, jnp.asarray([1e-3, 1.0, 3.5], d), (2, 3), d),
    "beta": lambda k, d: random.beta(k, jnp.asarray(0.7, d), jnp.asarray(2.0, d), (5,), d),
    "dirichlet": lambda k, d: random.dirichlet(k, jnp.asarray([0.5, 1.0, 4.0], d), (3,), d),
    "t": lambda k, d: random.t(k, jnp.asarray(3.0, d), (6,), d),
    "chisquare": lambda k, d: random.chisquare(k, jnp.asarray(3.0, d), (6,), d),
    "f": lambda k, d: random.f(k, jnp.asarray(3.0, d), jnp.asarray(5.0, d), (6,), d),
    "generalized_normal": lambda k, d: random.generalized_normal(k, 1.5, (6,), d),
    "ball": lambda k, d: random.ball(k, 3, 2.0, (4,), d),
    "cauchy": lambda k, d: random.cauchy(k, (6,), d),
    "laplace": lambda k, d: random.laplace(k, (6,), d),
    "logistic": lambda k, d: random.logistic(k, (6,), d),
    "lognormal": lambda k, d: random.lognormal(k, jnp.asarray(0.5, d), (6,), d),
    "maxwell": lambda k, d: random.maxwell(k, (6,), d),
    "double_sided_maxwell": lambda k, d: random.double_sided_maxwell(k, jnp.asarray(1.0, d), jnp.asarray(2.0, d), (6,), d),
    "rademacher": lambda k, d: random.rademacher(k, (9,), d),
    "pareto": lambda k, d: random.pareto(k, jnp.asarray(2.5, d), (6,), d),
    "rayleigh": lambda k, d: random.rayleigh(k, jnp.asarray(1.5, d), (6,), d),
    "weibull_min": lambda k, d: random.weibull_min(k, jnp.asarray(1.5, d), jnp.asarray(0.7, d), (6,), d),
    "wald": lambda k, d: random.wald(k, jnp.asarray(1.5, d), (6,), d),
    "triangular": lambda k, d: random.triangular(k, jnp.asarray(-1.0, d), jnp.asarray(0.5, d), jnp.asarray(2.0, d), (6,), d),
    "multivariate_normal": lambda k, d: random.multivariate_normal(k, jnp.asarray([1.0, -1.0], d), jnp.asarray(COV, d), (3,), d),
    "orthogonal": lambda k, d: random.orthogonal(k, 3, (2,), d),
    "orthogonal_wide": lambda k, d: random.orthogonal(k, 2, (), d, m=4),
    "truncated_normal": lambda k, d: random.truncated_normal(k, jnp.asarray([-1.0, 0.5, -0.1], d), jnp.asarray(1.0, d), (2, 3), d),
    "gumbel_highest": lambda k, d: random.gumbel(k, (8,), jnp.float32, mode="highest"),
    "geometric": lambda k, d: random.geometric(k, jnp.asarray(0.2, d), (9,), jnp.int32),
    "poisson_few": lambda k, d: random.poisson(k, 3.5, (9,), jnp.int32),
    "poisson": lambda k, d: random.poisson(k, jnp.asarray([0.0, 0.5, 9.0, 11.0, 200.0]), (4, 5), jnp.int32),
    "binomial_few": lambda k, d: random.binomial(k, jnp.asarray(12.0, d), jnp.asarray(0.3, d), (9,), d),
    "binomial": lambda k, d: random.binomial(k, jnp.asarray([5.0, 40.0, 1000.0], d), jnp.asarray([0.5, 0.9, 0.3], d), (4, 3), d),
    "multinomial": lambda k, d: random.multinomial(k, jnp.asarray(50.0, d), jnp.asarray(P, d)),
    "choice": lambda k, d: random.choice(k, jnp.arange(10, 20, dtype=jnp.int32), (3, 2)),
    "choice_distinct": lambda k, d: random.choice(k, jnp.arange(10, 20, dtype=jnp.int32), (4,), replace=False),
    "choice_rows": lambda k, d: random.choice(k, jnp.arange(12, dtype=d).reshape(4, 3), (5,), axis=1),
    "choice_weighted": lambda k, d: random.choice(k, jnp.arange(4, dtype=jnp.int32), (8,), p=jnp.asarray(P, d)),
    "choice_weighted_distinct": lambda k, d: random.choice(k, jnp.arange(4, dtype=jnp.int32), (3,), replace=False, p=jnp.asarray(P, d)),
}


def array(x):
    x = np.asarray(x)
    numbers = [float(v) if np.isfinite(v) else str(float(v)) for v in x.reshape(-1)]
    return {"dims": list(x.shape), "data": [int(v) if isinstance(v, float) and v == int(v) and str(v) != "-0.0" else v for v in numbers]}


def arrays(tree):
    return [array(x) for x in jax.tree.leaves(tree)]


def case(f, inputs, wrt=None):
    wrt = range(len(inputs)) if wrt is None else wrt
    rounded = [np.asarray(x, np.float32) for x in inputs]
    tangents = [np.asarray(u(-1, 1, *inputs[i].shape), np.float32) for i in wrt]
    shapes = jax.eval_shape(f, *[jnp.asarray(x) for x in rounded])
    cotangents = jax.tree.map(lambda y: np.asarray(u(-1, 1, *y.shape) if y.shape else rng.uniform(-1, 1), np.float32), shapes)
    out = dict(inputs=arrays(rounded), wrt=list(wrt), tangents=arrays(tangents), cotangents=arrays(cotangents))

    def part(dtype):
        to = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)

        def of(*chosen):
            full = to(rounded)
            for i, c in zip(wrt, chosen):
                full[i] = c
            # (with 64-bit types some f32 functions give f64)
            return jax.tree.map(lambda y: y.astype(dtype), f(*full))

        @jax.jit
        def all_of_it(x, d, c):
            if not wrt:
                return dict(results=of())
            y, dy = jax.jvp(of, x, d)
            return dict(results=y, result_tangents=dy, gradients=jax.vjp(of, *x)[1](c))

        parts = all_of_it(tuple(to([rounded[i] for i in wrt])), tuple(to(tangents)), to(cotangents))
        return {name: arrays(part) for name, part in parts.items()}

    return {**out, "f32": part(jnp.float32), "f64": part(jnp.float64)}


def write():
    path = pathlib.Path(__file__).parent.parent / "tests/fixtures/functions.json"
    lines = lambda all: ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in all.items())
    path.write_text('{"cases": {\n' + lines(out) + '\n},\n"samplers": {\n' + lines(samples) + "\n}}\n")
    print(f"{len(out)} cases, {len(samples)} samplers, {path.stat().st_size} bytes", flush=True)


out, samples = {}, {name: {} for name in SAMPLERS}
jax.config.update("jax_enable_x64", True)
for name, c in CASES.items():
    print(name, flush=True)
    try:
        out[name] = case(*c)
    except (ValueError, TypeError, NotImplementedError) as why:
        # JAX has no reverse mode of general reductions
        print(f"{name}: values only: {str(why)[:80]}", flush=True)
        out[name] = case(c[0], c[1], [])
write()
jax.config.update("jax_enable_x64", False)
for name, f in SAMPLERS.items():
    print(name, flush=True)
    samples[name]["f32"] = array(f(random.key(42), jnp.float32))
    write()
jax.config.update("jax_enable_x64", True)
for name, f in SAMPLERS.items():
    # (with 64-bit types some draw other bits for signs)
    if name not in ("generalized_normal", "ball", "double_sided_maxwell", "rademacher", "gumbel_highest", "poisson"):
        print(name, flush=True)
        samples[name]["f64"] = array(f(random.key(42), jnp.float64))
        write()
