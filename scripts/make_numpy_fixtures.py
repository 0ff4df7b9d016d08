"""Values and derivatives of jax.numpy, for tests/numpy: tests/fixtures/numpy.json. See scripts/jax_cases.py.

    python scripts/make_numpy_fixtures.py        (JAX 0.10.2)
"""

from jax_cases import between, general, jnp, np, write

inf, nan = np.inf, np.nan
ints = lambda *v: jnp.array(v, np.int32)
x34, v5, v6 = general(3, 4), general(5), general(6)
unit = between(-0.9, 0.9, 6)
positive = between(0.2, 3, 6)
ascending = np.array([-1.0, -0.25, 0.5, 1.5, 3.0])
holes = np.array([[0.5, nan, 2.0, -1.0], [nan, nan, nan, nan], [3.0, -0.25, nan, 1.0]])
some = np.array([[0.5, 1.5, 2.0, -1.0], [0.25, -3.0, 0.75, 4.0], [3.0, -0.25, 7.0, 1.0]])
MASK = jnp.array([[True, False, True, True], [True, True, False, True], [False, True, True, True]])
special = np.array([0.0, -0.0, 1.5, -2.0, inf, -inf, nan, 1e-38, 3.0])

ELEMENTWISE = {
    "exp2": (jnp.exp2, [unit * 4]), "log2": (jnp.log2, [positive]), "log10": (jnp.log10, [positive]),
    "square": (jnp.square, [unit]), "reciprocal": (jnp.reciprocal, [positive]), "tan": (jnp.tan, [unit]),
    "arcsin": (jnp.arcsin, [unit]), "arccos": (jnp.arccos, [unit]), "arctan": (jnp.arctan, [unit * 3]),
    "sinh": (jnp.sinh, [np.concatenate([unit * 4, [1e-3, 0.0]])]), "cosh": (jnp.cosh, [unit * 4]),
    "arcsinh": (jnp.arcsinh, [np.concatenate([unit * 4, [0.0, 2.0**40, -(2.0**-20)]])]),
    "arccosh": (jnp.arccosh, [positive + 1.0]), "arctanh": (jnp.arctanh, [unit]),
    "radians": (jnp.radians, [unit * 90]), "degrees": (jnp.degrees, [unit]), "sinc": (jnp.sinc, [np.append(unit, 0.0)]),
    "trunc": (lambda x: x * jnp.trunc(x), [unit * 4]),
    "hypot": (jnp.hypot, [unit, positive]), "logaddexp2": (jnp.logaddexp2, [unit, positive]),
    "float_power": (jnp.float_power, [positive, unit]), "modf": (lambda x: jnp.modf(x)[0], [unit * 4]),
    "around": (lambda x: x * jnp.around(x, 1), [unit * 4]), "copysign": (jnp.copysign, [positive, unit]),
    "fmax": (jnp.fmax, [unit, positive - 1]), "fmin": (jnp.fmin, [unit, positive - 1]),
    "select": (lambda x, y: jnp.select([x > 0.3, y > 1], [x * x, y], -1.0), [unit, positive]),
    "piecewise": (lambda x: jnp.piecewise(x, [x < -0.2, x > 0.4], [jnp.sin, jnp.cos, lambda x: x * x]), [unit]),
    "choose": (lambda x, y: jnp.choose(ints(0, 1, 1, 5, 0, -2), [x, y], mode="clip"), [unit, positive]),
}
ELEMENTWISE_VALUES = {
    "floor_divide": (jnp.floor_divide, [unit * 7, positive - 1.1]),
    "floor_divide_int": (lambda x: jnp.floor_divide(x.astype(np.int32), 3), [np.arange(-5.0, 6)]),
    "divmod": (jnp.divmod, [unit * 7, positive]),
    "heaviside": (lambda x: jnp.heaviside(x, 0.5), [np.append(unit, [0.0, nan])]),
    "fmax_nan": (lambda x: jnp.fmax(x, special[::-1]), [special]), "fmin_nan": (lambda x: jnp.fmin(x, special[::-1]), [special]),
    "isinf": (jnp.isinf, [special]), "isposinf": (jnp.isposinf, [special]), "isneginf": (jnp.isneginf, [special]),
    "signbit": (jnp.signbit, [special[:6]]),
    "nan_to_num": (lambda x: jnp.nan_to_num(x, nan=7.0, posinf=100.0, neginf=-5.0), [special]),
    "isclose": (lambda x: jnp.isclose(x, x * (1 + jnp.array([0, 0, 1e-6, 1e-3, 0, 0, 0, 0, 9e-6]))), [special]),
    "gcd": (lambda x, y: jnp.gcd(x.astype(np.int32), y.astype(np.int32)), [np.array([12.0, -18, 0, 7, 0]), np.array([18.0, 24, 5, 13, 0])]),
    "lcm": (lambda x, y: jnp.lcm(x.astype(np.int32), y.astype(np.int32)), [np.array([4.0, -6, 0, 7]), np.array([6.0, 4, 5, 13])]),
    "frexp": (jnp.frexp, [np.array([0.0, 1.0, -0.375, 12.0, 2.0**-20, inf])]),
    "ldexp": (lambda x: jnp.ldexp(x, ints(3, -2, 0, 10, -30, 7)), [unit]),
    "unpackbits": (lambda x: jnp.unpackbits(x.astype(np.uint8).reshape(1, 3), axis=1), [np.array([3.0, 128, 77])]),
    "packbits": (lambda x: jnp.packbits(x > 0, axis=0, bitorder="little"), [general(11)]),
    "array_equal": (lambda x: (jnp.array_equal(x, x), jnp.array_equal(x, x + 1), jnp.array_equiv(x, x[None])), [unit]),
}
REDUCTIONS = {
    "sum_where": (lambda x: jnp.sum(x, 1, where=MASK, initial=0.5), [x34]),
    "prod_where": (lambda x: jnp.prod(x, 0, where=MASK, initial=2.0), [x34]),
    "max_where": (lambda x: jnp.max(x, 1, where=MASK, initial=-0.5), [x34]),
    "min_where": (lambda x: jnp.min(x, 1, where=MASK, initial=9.0), [x34]),
    "mean_where": (lambda x: jnp.mean(x, 1, where=MASK), [x34]),
    "var_where": (lambda x: jnp.var(x, 1, where=MASK, ddof=1), [x34]),
    "var_ddof": (lambda x: jnp.var(x, (0, 1), ddof=1.0), [x34]), "std_ddof": (lambda x: jnp.std(x, 0, ddof=1, keepdims=True), [x34]),
    "ptp": (lambda x: jnp.ptp(x, 1), [x34]),
    "cumsum": (lambda x: jnp.cumsum(x, -1), [x34]), "cumprod": (lambda x: jnp.cumprod(x, 0), [x34]),
    "cumulative_sum": (lambda x: jnp.cumulative_sum(x, axis=1, include_initial=True), [x34]),
    "cumulative_prod": (lambda x: jnp.cumulative_prod(x, axis=1, include_initial=True), [x34]),
    "average": (lambda x, w: jnp.average(x, axis=1, weights=w), [x34, between(0.1, 1, 4)]),
}
REDUCTION_VALUES = {
    "any_where": (lambda x: jnp.any(x > 0.5, 1, where=MASK), [x34]), "all_where": (lambda x: jnp.all(x > -0.5, 1, where=MASK), [x34]),
    **{f"nan{n}": (lambda x, n=n: getattr(jnp, f"nan{n}")(x, axis=1), [holes])
       for n in ["sum", "prod", "max", "min", "mean", "cumsum", "cumprod", "median", "argmax", "argmin"]},
    "nanvar": (lambda x: jnp.nanvar(x, axis=1, ddof=1), [holes]), "nanstd": (lambda x: jnp.nanstd(x, axis=0), [holes]),
    "nanquantile": (lambda x: jnp.nanquantile(x, jnp.array([0.2, 0.7]), axis=1), [holes]),
    "nanpercentile": (lambda x: jnp.nanpercentile(x, 30.0, axis=0), [holes]),
    "quantile_nan": (lambda x: jnp.quantile(x, 0.3, axis=0), [holes]),
    "count_nonzero": (lambda x: jnp.count_nonzero(x > 0, axis=1), [x34]),
}
STATISTICS = {
    **{f"quantile_{m}": (lambda x, m=m: jnp.quantile(x, jnp.array([0.0, 0.3, 0.5, 1.0]), axis=1, method=m), [general(3, 5)])
       for m in ["linear", "lower", "higher", "nearest", "midpoint"]},
    "quantile_all": (lambda x: jnp.quantile(x, 0.35), [x34]), "quantile_axes": (lambda x: jnp.quantile(x, 0.35, axis=(0, 2)), [general(2, 3, 4)]),
    "percentile": (lambda x: jnp.percentile(x, 35.0, axis=0), [x34]), "median": (lambda x: jnp.median(x, axis=1), [x34]),
    "median_odd": (lambda x: jnp.median(x), [v5]),
    "cov": (jnp.cov, [x34]), "cov_vector": (jnp.cov, [v5]), "cov_columns": (lambda x: jnp.cov(x, rowvar=False, ddof=0), [x34]),
    "cov_weights": (lambda x, a: jnp.cov(x, fweights=ints(1, 2, 3, 1), aweights=a), [x34, between(0.1, 1, 4)]),
    "corrcoef": (jnp.corrcoef, [x34]),
    "histogram_weights": (lambda x, w: jnp.histogram(x, bins=4, range=(-1, 1), weights=w)[0], [general(20), general(20)]),
    "bincount_weights": (lambda w: jnp.bincount(ints(0, 2, 2, 5, 1, 9), weights=w, length=6), [v6]),
}
STATISTIC_VALUES = {
    "searchsorted_left": (lambda a, v: jnp.searchsorted(a, v), [ascending, np.array([[-2.0, -1, 0], [3, 4, nan]])]),
    "searchsorted_right": (lambda a, v: jnp.searchsorted(a, v, side="right"), [ascending, np.array([[-2.0, -1, 0], [3, 4, nan]])]),
    "digitize": (lambda x, b: (jnp.digitize(x, b), jnp.digitize(x, b, right=True), jnp.digitize(x, b[::-1]), jnp.digitize(x, b[::-1], right=True)),
                 [np.array([-2.0, -1.0, 0.3, 3.0, 5.0]), ascending]),
    "bincount": (lambda x: jnp.bincount(x.astype(np.int32), length=5), [np.array([0.0, 3, 3, 7, 1, -2])]),
    "histogram": (lambda x: jnp.histogram(x, bins=6), [general(30)]),
    "histogram_density": (lambda x: jnp.histogram(x, bins=jnp.array([-1.0, 0.0, 0.25, 1.0]), density=True), [general(30)]),
    "histogram_bin_edges": (lambda x: jnp.histogram_bin_edges(x, 4), [np.full(3, 2.0)]),
    "histogram2d": (lambda x, y: jnp.histogram2d(x, y, bins=[3, 4]), [general(30), general(30)]),
    "histogramdd": (lambda x: jnp.histogramdd(x, bins=[2, 3, 2], density=True), [general(40, 3)]),
    "lexsort": (lambda a, b: jnp.lexsort((a, b)), [np.array([3.0, 1, 2, 0, 5]), np.array([1.0, 0, 1, 0, 0])]),
}
CALCULUS = {
    "diff": (lambda x: jnp.diff(x, 2, axis=1), [x34]), "ediff1d": (lambda x, a, b: jnp.ediff1d(x, to_end=b, to_begin=a), [x34, general(1), general(2)]),
    "gradient": (lambda x: jnp.gradient(x, 0.5, axis=1), [x34]),
    "gradient_coordinates": (lambda x, h: jnp.gradient(x, h, axis=1), [x34, np.array([0.0, 0.5, 1.5, 3.0])]),
    "trapezoid": (lambda y: jnp.trapezoid(y, dx=0.25, axis=0), [x34]), "trapezoid_x": (lambda y, x: jnp.trapezoid(y, x, axis=1), [x34, np.array([0.0, 0.5, 1.5, 3.0])]),
    "interp": (lambda x, fp: jnp.interp(x, ascending, fp), [np.array([[-2.0, -0.5, 0.75], [1.25, 2.5, 4.0]]), v5]),
    "interp_outside": (lambda x, fp: jnp.interp(x, ascending, fp, left=-7.0, right=9.0), [np.array([-2.0, -0.5, 4.0]), v5]),
    "interp_period": (lambda x, fp: jnp.interp(x, jnp.array([3.0, 0.5, 1.0, 2.25, 1.75]), fp, period=4.0), [np.array([-2.5, -0.125, 0.75, 5.5, 9.0]), v5]),
    "unwrap": (jnp.unwrap, [np.array([[0.0, 1.0, 5.5, -1.0], [3.0, -3.0, 4.0, 11.0]])]),
    **{f"convolve_{m}": (lambda x, y, m=m: jnp.convolve(x, y, mode=m, precision="highest"), [v6, general(3)]) for m in ["full", "same", "valid"]},
    **{f"correlate_{m}": (lambda x, y, m=m: jnp.correlate(x, y, mode=m, precision="highest"), [general(3), general(4)]) for m in ["full", "same", "valid"]},
    "polyval": (jnp.polyval, [general(4), x34]), "polyadd": (jnp.polyadd, [general(4), general(2)]), "polysub": (jnp.polysub, [general(2), general(4)]),
    "polymul": (jnp.polymul, [general(4), general(3)]), "polydiv": (jnp.polydiv, [general(5), between(1, 2, 2)]),
    "polyder": (lambda p: jnp.polyder(p, 2), [v5]), "polyint": (lambda p: jnp.polyint(p, 2, k=jnp.array([2.0, 3.0])), [v5]),
    "polyfit": (lambda x, y: jnp.polyfit(x, y, 2), [np.array([-1.0, -0.5, 0.25, 0.5, 1.0]), v5]), "poly": (jnp.poly, [general(3)]),
}
SHAPES = {
    **{f"pad_{m}": (lambda x, m=m: jnp.pad(x, ((2, 5), (3, 0)), mode=m), [x34])
       for m in ["edge", "reflect", "symmetric", "wrap", "maximum", "minimum", "mean", "median"]},
    "pad_constant": (lambda x: jnp.pad(x, ((0, 2), (1, 0)), constant_values=3.0), [x34]),
    "pad_linear_ramp": (lambda x: jnp.pad(x, ((2, 3), (1, 0)), mode="linear_ramp", end_values=0.5), [x34]),
    "pad_mean_length": (lambda x: jnp.pad(x, 2, mode="mean", stat_length=2), [x34]),
    "block": (lambda a, b, c: jnp.block([[a, b], [c, a]]), [general(2, 2), general(2, 3), general(2, 3)]),
    "stacks": (lambda a, b: (jnp.hstack([a, b]), jnp.vstack([a, b]), jnp.dstack([a, b]), jnp.column_stack([a, b])), [general(3), general(3)]),
    "append": (lambda x, y: jnp.append(x, y, axis=0), [x34, general(1, 4)]), "insert": (lambda x, y: jnp.insert(x, 1, y, axis=0), [x34, general(4)]),
    "delete": (lambda x: jnp.delete(x, np.array([0, 2]), axis=1), [x34]),
    "split": (lambda x: jnp.split(x, [1, 3], axis=1), [x34]), "array_split": (lambda x: jnp.array_split(x, 3, axis=1), [x34]),
    "resize": (lambda x: jnp.resize(x, (2, 4)), [v5]), "repeat": (lambda x: jnp.repeat(x, ints(2, 0, 3), axis=0, total_repeat_length=6), [x34]),
    "rot90": (lambda x: (jnp.rot90(x), jnp.rot90(x, -1), jnp.rot90(x, 2), jnp.rot90(x, 4)), [x34]),
    "roll_axes": (lambda x: jnp.roll(x, (1, -2), (0, 1)), [x34]), "flip_axes": (lambda x: (jnp.flip(x), jnp.flip(x, (0, 1)), jnp.fliplr(x), jnp.flipud(x)), [x34]),
    "tile": (lambda x: (jnp.tile(x, 2), jnp.tile(x, (2, 1)), jnp.tile(x, (2, 1, 3))), [x34]),
    "moveaxis": (lambda x: (jnp.moveaxis(x, (0, 1), (-1, 0)), jnp.rollaxis(x, 2, 0), jnp.rollaxis(x, 0, 3)), [general(2, 3, 4)]),
    "apply_along_axis": (lambda x: jnp.apply_along_axis(lambda v: jnp.outer(v, v[:2]), 1, x), [general(2, 3, 2)]),
    "broadcast_arrays": (jnp.broadcast_arrays, [general(3, 1), general(4)]),
    "meshgrid": (lambda x, y, z: jnp.meshgrid(x, y, z), [general(2), general(3), general(2)]),
    "meshgrid_ij": (lambda x, y: jnp.meshgrid(x, y, indexing="ij"), [general(2), general(3)]),
    "linspace": (lambda a, b: (jnp.linspace(a, b, 5), jnp.linspace(a, b, 4, endpoint=False)), [general(2, 1), general(3)]),
}
MATRICES = {
    "diag": (lambda x: (jnp.diag(x), jnp.diag(x, 2), jnp.diag(x, -1)), [general(3)]), "diag_matrix": (lambda x: (jnp.diag(x), jnp.diag(x, 1), jnp.diag(x, -2)), [x34]),
    "diagonal": (lambda x: jnp.diagonal(x, 1, 0, 2), [general(3, 2, 4)]), "trace": (lambda x: jnp.trace(x, -1, 2, 0), [general(3, 2, 4)]),
    "diagflat": (lambda x: jnp.diagflat(x, 1), [general(2, 2)]), "fill_diagonal": (lambda x: jnp.fill_diagonal(x, 7.0, inplace=False), [x34]),
    "vander": (lambda x: (jnp.vander(x, 4), jnp.vander(x, 3, increasing=True)), [v5]),
    "dot": (jnp.dot, [general(2, 3, 4), general(5, 4, 2)]), "dot_vector": (jnp.dot, [x34, general(4)]), "inner": (jnp.inner, [x34, general(2, 4)]),
    "outer": (jnp.outer, [general(2, 2), general(3)]), "vdot": (jnp.vdot, [x34, general(4, 3)]), "vecdot": (lambda a, b: jnp.vecdot(a, b, axis=0), [x34, general(3, 1)]),
    "matvec": (jnp.matvec, [general(2, 3, 4), general(4)]), "vecmat": (jnp.vecmat, [general(3), general(2, 3, 4)]),
    "kron": (jnp.kron, [general(2, 3), general(2)]), "kron_matrices": (jnp.kron, [general(2, 3), general(3, 2)]),
    "cross": (jnp.cross, [general(2, 3), general(3)]), "cross_2": (lambda a, b: jnp.cross(a, b, axis=0), [general(2, 3), general(2, 3)]),
    "tensordot": (lambda a, b: jnp.tensordot(a, b, 2), [general(2, 3, 4), general(3, 4, 5)]),
    "tensordot_axes": (lambda a, b: jnp.tensordot(a, b, ([0, 2], [1, 0])), [general(2, 3, 4), general(4, 2, 5)]),
    "einsum_rest": (lambda a, b: jnp.einsum("...ij,...jk->...ik", a, b), [general(2, 1, 3, 4), general(5, 4, 2)]),
    "einsum_implicit": (lambda a, b: (jnp.einsum("ba,bc", a, b), jnp.einsum("i...", a), jnp.einsum("ij...,jk", a, b)), [general(3, 3), general(3, 2)]),
    "einsum_diagonal": (lambda a: (jnp.einsum("ii", a), jnp.einsum("ii->i", a), jnp.einsum("...ii->...i", a)), [general(3, 3)]),
    "einsum_first": (lambda a: jnp.einsum("i...->...", a), [general(3, 2, 2)]),
}
PLACES = {
    "index": (lambda x: (x[0, ..., 1:3], x[:, ::-2], x[-1, None], x[1:, :, -1], x[..., ints(2, 0, -1)], x[ints(1, 0), :, ints(0, 3)]), [general(2, 3, 4)]),
    "at_slices": (lambda x, u: (x.at[1, 1:].set(u), x.at[:, ::2].add(u[:2]), x.at[..., -1].mul(2.0), x.at[::-1, 0].max(0.1)), [x34, general(3)]),
    "at_computed": (lambda x, u: (x.at[:, ints(1, 3)].add(u), x.at[ints(0, 2), ints(1, 1)].set(5.0), x.at[ints(0, 0), 1:].min(u[:2, :1])), [x34, general(3, 2)]),
    "at_mask": (lambda x: (jnp.where(x > 0.2, 0.0, x), jnp.where(MASK, x * 3.0, x)), [x34]),
    "put_along_axis": (lambda x, u: jnp.put_along_axis(x, jnp.array([[1], [3], [0]]), u, axis=1, inplace=False), [x34, general(3, 1)]),
    "put": (lambda x, u: jnp.put(x, ints(0, 5, -1), u, inplace=False), [x34, general(3)]), "place": (lambda x, u: jnp.place(x, MASK, u, inplace=False), [x34, general(4)]),
    "extract": (lambda x: jnp.extract(MASK, x, size=10, fill_value=-1.0), [x34]),
    "compress": (lambda x: jnp.compress(jnp.array([True, False, True, False]), x, axis=1, size=3, fill_value=9.0), [x34]),
}
members = np.array([3.0, 1, 2, 3, 7, 1])
PLACE_VALUES = {
    "nonzero": (lambda x: jnp.nonzero(x > 0, size=8, fill_value=-1), [x34]), "argwhere": (lambda x: jnp.argwhere(x > 0, size=4, fill_value=0), [x34]),
    "flatnonzero": (lambda x: jnp.flatnonzero(x > 0, size=4), [x34]),
    "unravel_index": (lambda i: jnp.unravel_index(i.astype(np.int32), (3, 4, 2)), [np.array([0.0, 5, 23, -1])]),
    "ravel_multi_index": (lambda i, k: jnp.ravel_multi_index((i.astype(np.int32), k.astype(np.int32)), (3, 4), mode="clip"), [np.array([0.0, 2, 9]), np.array([3.0, -2, 1])]),
    "unique": (lambda x: jnp.unique(x, return_index=True, return_inverse=True, return_counts=True, size=5, fill_value=-1), [members]),
    "unique_few": (lambda x: jnp.unique(x, return_counts=True, size=2, fill_value=0), [members]),
    "isin": (lambda x, y: jnp.isin(x, y), [members, np.array([2.0, 7, 9])]), "union1d": (lambda x, y: jnp.union1d(x, y, size=7, fill_value=0), [members, np.array([2.0, 0.5, 9])]),
    "intersect1d": (lambda x, y: jnp.intersect1d(x, y, size=3, fill_value=0), [members, np.array([2.0, 9, 7])]),
    "setdiff1d": (lambda x, y: jnp.setdiff1d(x, y, size=4, fill_value=0), [members, np.array([2.0, 9])]),
    "setxor1d": (lambda x, y: jnp.setxor1d(x, y, size=5, fill_value=0), [members, np.array([2.0, 9])]),
    "triangle_indices": (lambda x: (jnp.tril_indices(3, 1, 4), jnp.triu_indices(3, -1, 4), jnp.diag_indices(3), jnp.tri(3, 4, -1) + x[0]), [np.zeros(1)]),
    "windows": (lambda x: [x[0] + f(7) for f in (jnp.bartlett, jnp.blackman, jnp.hamming, jnp.hanning)] + [jnp.kaiser(7, 3.5)], [np.zeros(1)]),
    "rows": (lambda x: (x[0] + jnp.arange(0.5, 3.0, 0.75), jnp.logspace(-1, 2, 5), jnp.geomspace(1.0, 50.0, 4), jnp.indices((2, 3))), [np.zeros(1)]),
    "sort_stable": (lambda x: jnp.sort(x, axis=-1), [np.array([[0.0, -0.0, nan, -1.0], [2.0, 1.0, inf, -inf]])]),
}

if __name__ == "__main__":
    derived = {**ELEMENTWISE, **REDUCTIONS, **STATISTICS, **CALCULUS, **SHAPES, **MATRICES, **PLACES}
    plain = {**ELEMENTWISE_VALUES, **REDUCTION_VALUES, **STATISTIC_VALUES, **PLACE_VALUES}
    write("numpy", derived, plain)
