"""Values and derivatives of jax.numpy.linalg and jax.scipy.linalg, for tests/linalg: tests/fixtures/linalg.json.

Each case has inputs, tangents, results with their tangents (jvp), cotangents and the cotangents of the inputs (vjp), all in f64.
Where a decomposition is unique only up to signs, the case is a function that does not depend on them.

    python scripts/make_linalg_fixtures.py        (JAX 0.10.2)
"""

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import jax.scipy.sparse.linalg as sparse
import numpy as np
from jax_cases import general, as_f32, with_derivatives, values, write

la = jnp.linalg
sym = lambda a: (a + jnp.swapaxes(a, -1, -2)) / 2
mT = lambda a: jnp.swapaxes(a, -1, -2)


def spd(*dims):
    a = general(*dims)
    return as_f32(a @ np.swapaxes(a, -1, -2) + np.eye(dims[-1]))


def eighths(*dims):
    """Whose products are exact in f32, so that their rank is what it is."""
    return np.round(8 * general(*dims)) / 8


def well(*dims):
    """Far from singular."""
    return as_f32(general(*dims) + 2 * np.eye(*dims[-2:]))


def eigh_sine(a):
    w, v = la.eigh(a)
    return (v * jnp.sin(w)[..., None, :]) @ mT(v), w


def svd_sine(a):
    u, s, vt = la.svd(a, full_matrices=False)
    return (u * jnp.sin(s)[..., None, :]) @ vt, s


def lu_parts(a):
    return jax.lax.linalg.lu(a)[0]


def lstsq(a, b):
    x, residuals, _, s = la.lstsq(a, b)
    return x, residuals, s


solve_triangular = lambda **how: lambda a, b: jsl.solve_triangular(a, b, **how)
CASES = {
    "cholesky": (la.cholesky, [spd(2, 3, 3)]),
    "cho_solve": (lambda a, b: jsl.cho_solve(jsl.cho_factor(sym(a), lower=True), b), [spd(4, 4), general(4, 2)]),
    "solve_triangular_lower": (solve_triangular(lower=True), [well(3, 3), general(3, 2)]),
    "solve_triangular_upper_transposed": (solve_triangular(lower=False, trans=1), [well(3, 3), general(3)]),
    "solve_triangular_unit": (solve_triangular(lower=True, unit_diagonal=True), [well(3, 3), general(3, 5)]),
    "lu": (lu_parts, [general(2, 3, 3)]),
    "lu_tall": (lu_parts, [general(4, 3)]),
    "lu_wide": (lu_parts, [general(3, 4)]),
    "solve": (la.solve, [well(2, 3, 3), general(2, 3, 2)]),
    "solve_vector": (la.solve, [general(4, 4), general(4)]),
    "inv": (la.inv, [general(2, 3, 3)]),
    "det_2": (la.det, [general(2, 2)]),
    "det_4": (la.det, [general(2, 4, 4)]),
    "det_singular": (la.det, [np.outer(np.arange(1.0, 5), np.arange(2.0, 6)) + np.outer([1.0, -1, 1, 2], [0.5, 1, 0, 1])
                              + np.outer([0.0, 1, 1, 0], [1.0, 0, 2, 1])]),
    "slogdet": (la.slogdet, [general(2, 4, 4)]),
    "qr": (lambda a: la.qr(a), [general(2, 4, 3)]),
    "qr_wide": (lambda a: la.qr(a), [general(3, 4)]),
    "qr_complete": (lambda a: la.qr(a, mode="complete"), [general(4, 2)]),
    "eigh": (eigh_sine, [sym(general(2, 4, 4))]),
    "eigvalsh": (la.eigvalsh, [sym(general(3, 3))]),
    "svd": (svd_sine, [general(2, 3, 3)]),
    "svd_tall": (svd_sine, [general(4, 3)]),
    "svd_wide": (svd_sine, [general(3, 5)]),
    "svdvals": (la.svdvals, [general(3, 4)]),
    "pinv": (la.pinv, [general(4, 3)]),
    "pinv_wide": (la.pinv, [general(2, 3)]),
    "pinv_rank_2": (la.pinv, [eighths(4, 2) @ eighths(2, 3)]),
    "lstsq": (lstsq, [general(5, 3), general(5, 2)]),
    "lstsq_wide": (lambda a, b: la.lstsq(a, b)[0], [general(3, 4), general(3)]),
    "matrix_power": (lambda a: la.matrix_power(a, 5), [general(3, 3)]),
    "matrix_power_negative": (lambda a: la.matrix_power(a, -3), [well(3, 3)]),
    "expm": (jsl.expm, [general(3, 3)]),
    "expm_large": (jsl.expm, [5 * general(2, 3, 3)]),
    "norm": (la.norm, [general(3, 4)]),
    "vector_norm_1": (lambda x: la.vector_norm(x, axis=-1, ord=1), [general(3, 4)]),
    "vector_norm_3": (lambda x: la.vector_norm(x, axis=0, ord=3), [general(3, 4)]),
    "vector_norm_inf": (lambda x: la.vector_norm(x, axis=-1, ord=jnp.inf), [general(3, 4)]),
    "vector_norm_minus_inf": (lambda x: la.vector_norm(x, axis=-1, ord=-jnp.inf), [general(3, 4)]),
    **{f"matrix_norm_{o}": (lambda x, o=o: la.matrix_norm(x, ord=o), [general(3, 4)])
       for o in ["fro", "nuc", 1, -1, 2, -2, jnp.inf, -jnp.inf]},
    "cond_2": (lambda a: la.cond(a), [general(3, 3)]),
    "cond_1": (lambda a: la.cond(a, 1), [general(3, 3)]),
    "multi_dot": (lambda a, b, c, d: la.multi_dot([a, b, c, d]), [general(4), general(4, 2), general(2, 5), general(5, 3)]),
    "block_diag": (jsl.block_diag, [general(1, 2), general(2, 2)]),
    "toeplitz": (jsl.toeplitz, [general(3), general(4)]),
    "trace": (la.trace, [general(2, 3, 4)]),
    "tensorsolve": (la.tensorsolve, [general(2, 3, 6), general(2, 3)]),
    "tensorinv": (lambda a: la.tensorinv(a, ind=1), [well(6, 6).reshape(6, 2, 3)]),
    "cg": (lambda a, b: sparse.cg(lambda x: a @ x, b, tol=1e-14)[0], [spd(4, 4), general(4)]),
    "gmres": (lambda a, b: sparse.gmres(lambda x: a @ x, b, tol=1e-14)[0], [well(4, 4), general(4)]),
    "bicgstab": (lambda a, b: sparse.bicgstab(lambda x: a @ x, b, tol=1e-14)[0], [well(4, 4), general(4)]),
    "cg_x0": (lambda a, b, x: sparse.cg(lambda y: a @ y, b, x, tol=1e-14)[0], [spd(4, 4), general(4), general(4)]),
    "gmres_x0": (lambda a, b, x: sparse.gmres(lambda y: a @ y, b, x, tol=1e-14)[0], [well(4, 4), general(4), general(4)]),
    "bicgstab_x0": (lambda a, b, x: sparse.bicgstab(lambda y: a @ y, b, x, tol=1e-14)[0], [well(4, 4), general(4), general(4)]),
}
VALUES = {
    "cg_first_step": (lambda a, b, x: sparse.cg(lambda y: a @ y, b, x, tol=1e-14, maxiter=1)[0], [spd(4, 4), general(4), general(4)]),
    "matrix_rank": (la.matrix_rank, [np.stack([eighths(4, 2) @ eighths(2, 3), general(4, 3)])]),
    "lu_pivots_to_permutation": (lambda p: jax.lax.linalg.lu_pivots_to_permutation(p.astype(np.int32), 4), [np.array([[2.0, 3, 2], [0, 1, 2]])]),
}


write("linalg", CASES, VALUES)
