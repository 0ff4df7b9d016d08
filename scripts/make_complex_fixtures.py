"""Values and derivatives of functions of complex numbers, for tests/complex.rs: tests/fixtures/complex.json.

    python scripts/make_complex_fixtures.py        (JAX 0.10.2)
"""

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import jax.scipy.special as sp
from fixture_cases import case, cplx, real, values, write

lax = jax.lax
z, w = lambda: cplx(3), lambda: cplx(3, low=0.5, high=1.5)
grad = lambda f: jax.grad(f, holomorphic=True)
horner = lambda z: ((2 - 1j) * z + 0.5j) * z + 3
mobius = lambda z: (z * (1 + 2j) + 1) / (z * 0.5j + 2)
newton = lambda z: z - (z**3 - 1) / (3 * z**2)
scan = lambda c: lax.scan(lambda z, _: (z * z + c, z.real), c, None, length=3)
indices = jnp.array([2, 0, 2])

la = jnp.linalg
# (functions that depend neither on the order of eigenvalues nor on the phases of their vectors)
well = lambda x: x + 3 * jnp.eye(x.shape[-1])
spread = lambda x: x * 0.25 + jnp.diag(jnp.arange(x.shape[-1]))


degrees, orders = jnp.array([0, 1, 1, 2, 3, 5, 7, 7]), jnp.array([0, 0, -1, 2, -2, 3, -7, 0])
rank_2 = lambda: cplx(4, 2) @ cplx(2, 3)


def eigh_sine(x):
    w, v = la.eigh(x)
    return (v * jnp.sin(w)[..., None, :]) @ v.conj().mT, w


def svd_sine(x):
    u, s, vt = la.svd(x, full_matrices=False)
    return (u * jnp.sin(s)[..., None, :]) @ vt, s


def lstsq(x, b):
    y, residuals, _, s = la.lstsq(x, b)
    return y, residuals, s


def complex_form(x):
    t, z = jsl.rsf2csf(*jsl.schur(x))
    return z @ t @ z.conj().T, jnp.tril(t, -1)


def matrix_sine(x):
    w, v = jax.lax.linalg.eig(x, compute_left_eigenvectors=False, enable_eigvec_derivs=True)
    return (v * jnp.sin(w)[..., None, :]) @ la.inv(v)


def sizes_of_vectors(x):
    w, v = jax.lax.linalg.eig(x, compute_left_eigenvectors=False, enable_eigvec_derivs=True)
    return (jnp.abs(v) ** 2 * w[..., None, :]).sum(-1)


def parts_of_vectors(x):
    w, v = jax.lax.linalg.eig(x, compute_left_eigenvectors=False, enable_eigvec_derivs=True)
    return (v * w[..., None, :]).sum(-1)


def roots_and_missing(p):
    roots = jnp.sort(jnp.roots(p, strip_zeros=False))
    return roots[:3], jnp.isfinite(roots)


CASES = {
    "add": (lambda x, y: x + y, [z(), z()]),
    "sub": (lambda x, y: x - y, [z(), z()]),
    "mul": (lambda x, y: x * y, [z(), z()]),
    "div": (lambda x, y: x / y, [z(), w()]),
    "neg": (lambda x: -x, [z()]),
    "abs": (jnp.abs, [z()]),
    "abs_of_zero": (jnp.abs, [z() * 0]),
    "sign": (jnp.sign, [w()]),
    "exp": (jnp.exp, [z()]),
    "expm1": (jnp.expm1, [z()]),
    "log": (jnp.log, [w()]),
    "log1p": (jnp.log1p, [z()]),
    "sin": (jnp.sin, [z()]),
    "cos": (jnp.cos, [z()]),
    "tanh": (jnp.tanh, [z()]),
    "logistic": (jax.nn.sigmoid, [z()]),
    "sqrt": (jnp.sqrt, [w()]),
    "sqrt_left": (jnp.sqrt, [-w()]),
    "rsqrt": (lax.rsqrt, [w()]),
    "pow": (jnp.power, [w(), z()]),
    "cube": (lambda x: x**3, [z()]),
    "inverse_square": (lambda x: lax.integer_pow(x, -2), [w()]),
    "real": (jnp.real, [z()]),
    "imag": (jnp.imag, [z()]),
    "conj": (jnp.conj, [z()]),
    "angle": (jnp.angle, [w()]),
    "complex": (lambda x, y: lax.complex(x, y), [real(3), real(3)]),
    "polar": (lambda r, t: r * jnp.exp(1j * t), [real(3), real(3)]),
    "square_of_absolute": (lambda x: (x * x.conj()).real, [z()]),
    "log_of_absolute": (lambda x: jnp.log(jnp.abs(x)), [w()]),
    "imaginary_unit": (lambda x: 1j * x + (2 - 3j), [z()]),
    "unit_times_real": (lambda x: jnp.cos(1j * x), [real(3)]),
    "real_times_complex": (lambda x, y: x * y, [real(3), z()]),
    "complex_of_real": (lambda x: x.astype(jnp.complex128) ** 2, [real(3)]),
    "reciprocal": (lambda x: 1 / x, [w()]),
    "horner": (horner, [z()]),
    "mobius": (mobius, [z()]),
    "newton": (newton, [w()]),
    "matmul": (lambda x, y: x @ y, [cplx(2, 3), cplx(3, 2)]),
    "matvec": (lambda x, y: x @ y, [cplx(2, 3), z()]),
    "vdot": (lambda x, y: jnp.vdot(x, y), [z(), z()]),
    "hermitian": (lambda x: x @ x.conj().T, [cplx(2, 3)]),
    "einsum_batch": (lambda x, y: jnp.einsum("bij,bkj->bik", x, y), [cplx(2, 2, 3), cplx(2, 1, 3)]),
    "outer": (lambda x, y: jnp.outer(x, y), [z(), cplx(2)]),
    "matrix_power": (lambda x: jnp.linalg.matrix_power(x, 3), [cplx(2, 2)]),
    "trace": (jnp.trace, [cplx(2, 2)]),
    "sum": (lambda x: x.sum(0), [cplx(3, 2)]),
    "prod": (lambda x: x.prod(), [cplx(4)]),
    "mean": (lambda x: x.mean(), [z()]),
    "var": (lambda x: x.var(), [cplx(4)]),
    "std": (lambda x: x.std(0), [cplx(3, 2)]),
    "cumsum": (lambda x: jnp.cumsum(x, 0), [cplx(3, 2)]),
    "cumprod": (lambda x: jnp.cumprod(x), [cplx(5)]),
    "take": (lambda x: x[indices], [z()]),
    "set": (lambda x, y: x.at[1].set(y), [z(), cplx()]),
    "add_at": (lambda x, y: x.at[indices].add(y), [z(), z()]),
    "slice": (lambda x: x[1:], [z()]),
    "dynamic_slice": (lambda x: lax.dynamic_slice(x, (1,), (2,)), [cplx(4)]),
    "concatenate": (lambda x, y: jnp.concatenate([x, y]), [z(), cplx(2)]),
    "pad": (lambda x: lax.pad(x, 2 + 1j, [(1, 2, 1)]), [z()]),
    "flip": (lambda x: jnp.flip(x, 0), [z()]),
    "transpose": (lambda x: x.T * 1j, [cplx(2, 3)]),
    "broadcast": (lambda x, y: x[:, None] + y, [z(), cplx(2)]),
    "where": (lambda x, y: jnp.where(x.real > 0, x, y), [z(), z()]),
    "roll": (lambda x: jnp.roll(x, 1), [z()]),
    "convolution": (lambda x, k: lax.conv(x[None, None], k[None, None], (1,), "VALID")[0, 0], [cplx(5), cplx(2)]),
    "scan": (scan, [z()]),
    "fori": (lambda c: lax.fori_loop(0, 3, lambda i, z: z * z + c, c), [z()]),
    "cond": (lambda c: lax.cond(c[0].real > 0, lambda z: z * 1j, lambda z: z * z, c), [z()]),
    "remat": (jax.checkpoint(lambda x: jnp.sin(x) * x), [z()]),
    "grad_of_cube": (grad(lambda x: (x**3).sum()), [z()]),
    "grad_of_exp_sin": (grad(lambda x: (jnp.exp(x) * jnp.sin(x)).sum()), [z()]),
    "grad_of_mobius": (grad(lambda x: mobius(x).sum()), [z()]),
    "grad_of_log_sqrt": (grad(lambda x: (jnp.log(x) / jnp.sqrt(x)).sum()), [w()]),
    "grad_of_pow": (grad(lambda x: jnp.power(x, 0.3 + 1j).sum()), [w()]),
    "grad_of_tanh_prod": (grad(lambda x: jnp.tanh(x).prod()), [z()]),
    "grad_of_matrices": (grad(lambda x: (x @ x @ x).sum()), [cplx(2, 2)]),
    "grad_of_scan": (grad(lambda c: scan(c)[0].sum()), [z()]),
    "grad_of_grad": (grad(lambda x: grad(lambda y: (jnp.cos(y) * y).sum())(x).sum()), [z()]),
    "jacfwd": (jax.jacfwd(lambda x: jnp.exp(x) * x[0], holomorphic=True), [z()]),
    "jacrev": (jax.jacrev(lambda x: jnp.exp(x) * x[0], holomorphic=True), [z()]),
    "jacfwd_of_real": (jax.jacfwd(lambda x: jnp.exp(1j * x)), [real(3)]),
    "grad_through_complex": (jax.grad(lambda x: jnp.abs(jnp.exp(1j * x) + x).sum()), [real(3)]),
    "solve": (lambda x, b: la.solve(well(x), b), [cplx(2, 3, 3), cplx(2, 3, 2)]),
    "solve_vector": (lambda x, b: la.solve(well(x), b), [cplx(3, 3), z()]),
    "inv": (lambda x: la.inv(well(x)), [cplx(3, 3)]),
    "cholesky": (lambda x: la.cholesky(x @ x.conj().mT + 2 * jnp.eye(3)), [cplx(2, 3, 3)]),
    "eigvals": (lambda x: jnp.sin(la.eigvals(x)).sum(-1), [cplx(2, 4, 4)]),
    "eigvals_of_real": (lambda x: jnp.sin(la.eigvals(x)).sum(-1), [real(2, 5, 5)]),
    "eig": (lambda x: matrix_sine(spread(x)), [cplx(4, 4)]),
    "eig_of_real": (lambda x: matrix_sine(spread(x)), [real(4, 4)]),
    "eig_sizes": (sizes_of_vectors, [cplx(3, 3)]),
    "eig_parts": (parts_of_vectors, [cplx(3, 3)]),
    "solve_triangular_adjoint": (lambda x, b: jsl.solve_triangular(x, b, trans=2, lower=True), [well(cplx(3, 3)), cplx(3, 2)]),
    "cho_solve": (lambda x, b: jsl.cho_solve(jsl.cho_factor(x @ x.conj().mT + 2 * jnp.eye(3)), b), [cplx(3, 3), z()]),
    "lu": (lambda x: lax.linalg.lu(x)[0], [cplx(2, 3, 3)]),
    "lu_tall": (lambda x: lax.linalg.lu(x)[0], [cplx(4, 3)]),
    "lu_wide": (lambda x: lax.linalg.lu(x)[0], [cplx(3, 4)]),
    "det": (la.det, [cplx(2, 4, 4)]),
    "slogdet": (la.slogdet, [cplx(2, 4, 4)]),
    "qr": (lambda x: tuple(la.qr(x)), [cplx(2, 4, 3)]),
    "qr_wide": (lambda x: tuple(la.qr(x)), [cplx(3, 4)]),
    "qr_complete": (lambda x: tuple(la.qr(x, mode="complete")), [cplx(4, 2)]),
    "eigh": (eigh_sine, [cplx(2, 4, 4)]),
    "eigvalsh": (la.eigvalsh, [cplx(3, 3)]),
    "svd": (svd_sine, [cplx(2, 3, 3)]),
    "svd_tall": (svd_sine, [cplx(4, 3)]),
    "svd_wide": (svd_sine, [cplx(2, 4)]),
    "svdvals": (la.svdvals, [cplx(3, 4)]),
    "pinv": (la.pinv, [cplx(4, 3)]),
    "pinv_wide": (la.pinv, [cplx(2, 3)]),
    "pinv_rank_2": (la.pinv, [rank_2()]),
    "lstsq": (lstsq, [cplx(5, 3), cplx(5, 2)]),
    "lstsq_wide": (lambda x, b: la.lstsq(x, b)[0], [cplx(2, 3), cplx(2)]),
    "matrix_power_negative": (lambda x: la.matrix_power(x, -3), [well(cplx(3, 3))]),
    "expm": (jsl.expm, [cplx(3, 3)]),
    "matrix_norm_nuc": (lambda x: la.matrix_norm(x, ord="nuc"), [cplx(3, 4)]),
    "matrix_norm_2": (lambda x: la.matrix_norm(x, ord=2), [cplx(3, 4)]),
    "matrix_norm_1": (lambda x: la.matrix_norm(x, ord=1), [cplx(3, 4)]),
    "vector_norm_3": (lambda x: la.vector_norm(x, ord=3), [cplx(4)]),
    "cond_2": (la.cond, [cplx(3, 3)]),
    "cond_1": (lambda x: la.cond(x, 1), [cplx(3, 3)]),
    "wofz": (lambda x: sp.wofz(3 * x), [cplx(8)]),
    "wofz_of_real": (sp.wofz, [real(3)]),
    "sph_harm_y": (lambda t, p: sp.sph_harm_y(degrees, orders, t, p, n_max=7), [real(8, low=0.2, high=3.0), real(8, high=0.9)]),
    "roots": (lambda p: jnp.sort(jnp.roots(p, strip_zeros=False)), [cplx(5)]),
    "roots_of_real": (lambda p: jnp.sin(jnp.roots(p, strip_zeros=False)).sum(), [real(5, low=0.5, high=1.5)]),
    "sort": (lambda x: jnp.sort(jnp.round(4 * x.real) / 4 + 1j * x.imag), [cplx(2, 12)]),
}
VALUES = {
    "matrix_rank": (lambda x: la.matrix_rank(x).astype(jnp.int32), [jnp.stack([rank_2(), cplx(4, 3)])]),
    "sqrtm": (jsl.sqrtm, [cplx(4, 4)]),
    "sqrtm_of_real": (jsl.sqrtm, [real(4, 4)]),
    "funm": (lambda x: jsl.funm(x, jnp.sin), [cplx(4, 4)]),
    "funm_of_real": (lambda x: jsl.funm(x, jnp.exp), [real(5, 5)]),
    "rsf2csf": (complex_form, [real(5, 5)]),
    "roots_zeros": (roots_and_missing, [jnp.array([0, 0, 1.0, -3, 2, 0])]),
    "argsort": (lambda x: jnp.argsort(jnp.round(4 * x.real) / 4 + 1j * x.imag).astype(jnp.int32), [cplx(2, 12)]),
    "sort_complex": (jnp.sort_complex, [real(6)]),
    "eq": (lambda x, y: x == y, [z(), z()]),
    "eq_itself": (lambda x: x == x, [z()]),
    "ne": (lambda x, y: x != y, [z(), z()]),
    "isfinite": (jnp.isfinite, [z()]),
    "to_bool": (lambda x: x.astype(bool), [z() * 0]),
    "any": (lambda x: x.any(), [z()]),
}

out = {name: case(*c) for name, c in CASES.items()}
out |= {name: values(*c) for name, c in VALUES.items()}
write("complex", out)
