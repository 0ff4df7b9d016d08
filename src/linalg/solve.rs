//! Systems of equations, inverses and determinants.
use super::{alike, hermitian, matrix, one_beside, square};
use crate::{
    aval::DType,
    ops::{shape::concat, where_},
    prim::{
        self, Triangle, adjoint, composite_jvp, diagonal, fori_loop, iota, rows_in_order, times, triangular_solve,
        turned,
    },
    trace::{At, Tensor, fail},
};

/// The lower triangular L with L Lᴴ = `a` for symmetric or Hermitian positive definite matrices `[.., n, n]`: for the Hermitian part, if they
/// are not. NaN where a matrix is not positive definite. JAX: `jnp.linalg.cholesky`.
///
/// ```
/// # use raxla::{linalg, prelude::*};
/// let f = jit(|a: Tensor| linalg::cholesky(a));
/// let l = f.call((Array::from_slice([2, 2], &[4f32, 2., 2., 5.])?,))?;
/// assert_eq!(l.to_vec::<f32>()?, [2., 0., 1., 2.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Matrices that are not square; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn cholesky(a: Tensor) -> Tensor {
    let _at = At::op("cholesky");
    square("cholesky", a);
    prim::cholesky(hermitian(a))
}
/// The Cholesky factor of `a` and whether it is the lower one, for [`cho_solve`]. JAX: `jax.scipy.linalg.cho_factor`.
///
/// # Errors
/// As [`cholesky`].
#[track_caller]
pub fn cho_factor(a: Tensor, lower: bool) -> (Tensor, bool) {
    let _at = At::op("cho_factor");
    let l = cholesky(a);
    (if lower { l } else { adjoint(l) }, lower)
}
/// X with A X = `b`, given the Cholesky factor of A. `b` is `[n]` or `[.., n, k]`; leading axes broadcast. JAX:
/// `jax.scipy.linalg.cho_solve`.
///
/// # Errors
/// As [`solve_triangular`].
#[track_caller]
pub fn cho_solve((factor, lower): (Tensor, bool), b: Tensor) -> Tensor {
    let _at = At::op("cho_solve");
    let (first, second) = (
        Triangle { transpose: !lower, conjugate: !lower, lower, ..Triangle::LOWER },
        Triangle { transpose: lower, conjugate: lower, lower, ..Triangle::LOWER },
    );
    solve_triangular(factor, solve_triangular(factor, b, first), second)
}

/// Solve for a vector as for a matrix of one column.
#[track_caller]
fn with_columns(op: &str, a: Tensor, b: Tensor, solve: impl FnOnce(Tensor, Tensor) -> Tensor) -> Tensor {
    let n = square(op, a);
    let vector = b.rank() == 1;
    let columns = if vector { b.expand_dims(-1) } else { b };
    let [rows, _] = matrix(op, columns);
    if rows != n {
        let reason = format!("the matrix has {n} rows, the right-hand side {rows}");
        let help = "a right-hand side is `[n]` or `[.., n, k]`: several vectors are columns";
        fail(op, vec![a.aval(), b.aval()], reason, Some(help.into()))
    }
    let (a, columns) = alike(op, a, columns);
    let x = solve(a, columns);
    if vector { x.squeeze(-1) } else { x }
}

/// X with A X = `b` for triangular matrices `a` `[.., n, n]`, of which one triangle is read; `b` is `[n]` or `[.., n, k]`; leading
/// axes broadcast. `how` says which triangle, and whether `a` is transposed or conjugated: `Triangle::LOWER`,
/// `Triangle { transpose: true, ..Triangle::UPPER }`. JAX: `jax.scipy.linalg.solve_triangular`.
///
/// # Errors
/// Matrices that are not square, or do not fit `b`; dtypes other than f32, f64, c64 and c128; X A = B, which [`triangular_solve`] solves.
#[track_caller]
pub fn solve_triangular(a: Tensor, b: Tensor, how: Triangle) -> Tensor {
    let _at = At::op("solve_triangular");
    if !how.left {
        let help = "set `left`, as in `Triangle::UPPER`, or use `triangular_solve`";
        fail("solve_triangular", vec![a.aval(), b.aval()], "the matrix stands on the left", Some(help.into()))
    }
    with_columns("solve_triangular", a, b, |a, b| triangular_solve(a, b, how))
}

/// The LU decomposition of matrices `[.., m, n]`: L and U in one (the ones on the diagonal of L are left out), and the pivots, i32
/// `[.., min(m, n)]`: row `i` was exchanged with row `pivots[i]`. JAX: `jax.scipy.linalg.lu_factor`.
///
/// # Errors
/// What is no matrix; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn lu_factor(a: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("lu_factor");
    let (lu, pivots, _) = prim::lu(a);
    (lu, pivots)
}
/// Matrices P, L and U with `a` = P L U, where P exchanges rows. JAX: `jax.scipy.linalg.lu`.
///
/// # Errors
/// As [`lu_factor`].
#[track_caller]
pub fn lu(a: Tensor) -> (Tensor, Tensor, Tensor) {
    let _at = At::op("lu");
    let (lu, _, permutation) = prim::lu(a);
    let [m, n] = matrix("lu", a);
    let k = m.min(n);
    let p = turned(crate::one_hot(permutation, m, a.dtype()));
    let ones = one_beside(&a.aval(), m).slice_axis(-1, ..k);
    (p, lu.slice_axis(-1, ..k).tril(-1) + ones, lu.slice_axis(-2, ..k).triu(0))
}
/// The permutation, i32 `[.., n]`, that pivots i32 `[.., k]` make: element `i` tells which row came to place `i`. JAX:
/// `lax.linalg.lu_pivots_to_permutation`.
#[track_caller]
pub fn lu_pivots_to_permutation(pivots: Tensor, n: usize) -> Tensor {
    let _at = At::op("lu_pivots_to_permutation");
    let dims = pivots.dims();
    let (outer, k) = (&dims[..dims.len().saturating_sub(1)], pivots.dim(-1));
    let numbers = iota([outer, &[n]].concat(), DType::I32, outer.len());
    let step = |i: Tensor, order: Tensor| {
        let j = pivots.dynamic_slice_axis(-1, i, 1);
        let from = where_(numbers.eq(i), j, where_(numbers.eq(j), i, numbers));
        order.take_along_axis(from, -1)
    };
    fori_loop(0, k, step, numbers)
}
/// X with A X = `b`, given [`lu_factor`] of A. `b` is `[n]` or `[.., n, k]`; leading axes broadcast. JAX: `jax.scipy.linalg.lu_solve`.
///
/// # Errors
/// Matrices that are not square, or do not fit `b`.
#[track_caller]
pub fn lu_solve((lu, pivots): (Tensor, Tensor), b: Tensor) -> Tensor {
    let _at = At::op("lu_solve");
    let permutation = lu_pivots_to_permutation(pivots, lu.dim(-1));
    with_columns("lu_solve", lu, b, |lu, b| {
        let permutation = permutation.broadcast_to(&b.dims()[..b.rank() - 1]);
        by_factors((lu, permutation), b)
    })
}
fn by_factors((lu, permutation): (Tensor, Tensor), b: Tensor) -> Tensor {
    let y = triangular_solve(lu, rows_in_order(b, permutation), Triangle { unit: true, ..Triangle::LOWER });
    triangular_solve(lu, y, Triangle::UPPER)
}

/// X with A X = `b` for square matrices `a` `[.., n, n]`; `b` is `[n]` or `[.., n, k]`; leading axes broadcast. A singular matrix gives
/// infinities or NaN. JAX: `jnp.linalg.solve`.
///
/// # Errors
/// Matrices that are not square, or do not fit `b`; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn solve(a: Tensor, b: Tensor) -> Tensor {
    let _at = At::op("solve");
    let factors = |a: Tensor| {
        let (lu, _, permutation) = prim::lu(a);
        (lu, permutation)
    };
    let direct = composite_jvp(
        move |(a, b): (Tensor, Tensor)| by_factors(factors(a), b),
        // (one factorisation serves the solution and its derivative)
        move |(a, b): (Tensor, Tensor), (da, db): (Tensor, Tensor)| {
            let factors = factors(a);
            let x = by_factors(factors, b);
            (x, by_factors(factors, db - times(da, x)))
        },
    );
    with_columns("solve", a, b, |a, b| direct((a, b)))
}
/// The inverse of square matrices `[.., n, n]`; infinities or NaN for a singular one. JAX: `jnp.linalg.inv`.
///
/// # Errors
/// As [`solve`].
#[track_caller]
pub fn inv(a: Tensor) -> Tensor {
    let _at = At::op("inv");
    let n = square("inv", a);
    solve(a, one_beside(&a.aval(), n))
}

/// The sign of the permutation that pivots make, `[..]`.
fn parity(pivots: Tensor, dtype: DType) -> Tensor {
    let places = iota(pivots.dims(), DType::I32, pivots.rank() - 1);
    let exchanges = pivots.ne(places).cast(DType::I32).sum(-1);
    (exchanges % 2 * -2 + 1).cast(dtype)
}

/// The determinant of square matrices `[.., n, n]`: `[..]`. JAX: `jnp.linalg.det`.
///
/// # Errors
/// Matrices that are not square; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn det(a: Tensor) -> Tensor {
    let _at = At::op("det");
    if square("det", a) < 2 {
        let dims = a.dims();
        return a.reshape([&dims[..dims.len() - 2], &[a.dim(-1)]].concat()).prod(-1);
    }
    let value = |a: Tensor| {
        let (lu, pivots, _) = prim::lu(a);
        diagonal(lu).prod(-1) * parity(pivots, a.dtype())
    };
    composite_jvp(value, |a: Tensor, da: Tensor| {
        let (y, product) = cofactors_times(a, da);
        (y, diagonal(product).sum(-1))
    })(a)
}
/// The determinant, and the transposed matrix of cofactors times `b`: det A · A⁻¹ B, which exists also where A has rank n - 1.
fn cofactors_times(a: Tensor, b: Tensor) -> (Tensor, Tensor) {
    let (n, dtype) = (a.dim(-1), a.dtype());
    let (lu, pivots, permutation) = prim::lu(a);
    // products of the first elements of the diagonal: with the last one, and without it
    let products = prim::cumprod(diagonal(lu), a.rank() - 2, false) * parity(pivots, dtype).expand_dims(-1);
    let (det, partial) = (products.slice_axis(-1, n - 1..), products.slice_axis(-1, n - 2..n - 1));
    let last = iota([n], DType::I32, 0).eq(n as i32 - 1);
    let corner = last.expand_dims(-1) & last;
    // (what the last row is divided by leaves out the last element)
    let lu = where_(corner, (1.0 / partial).expand_dims(-1), lu);
    let probe = triangular_solve(lu, b.slice_axis(-1, ..1).stop_gradient().like(1.0), Triangle::UPPER);
    let fine = probe.is_finite().all([-1, -2]).expand_dims(-1).expand_dims(-1);
    let rows = rows_in_order(where_(fine, b, 0.0), permutation);
    let y = triangular_solve(lu, rows, Triangle { unit: true, ..Triangle::LOWER });
    let y = concat(&[y.slice_axis(-2, ..n - 1) * det.expand_dims(-1), y.slice_axis(-2, n - 1..)], -2);
    let z = triangular_solve(lu, y, Triangle::UPPER);
    (det.squeeze(-1), where_(fine, z, 0.0))
}

/// The sign of the determinant of square matrices `[.., n, n]` (of complex ones a number of size 1), and the logarithm of its size, which
/// is real: `[..]` each; 0 and -∞ of a singular matrix. JAX: `jnp.linalg.slogdet`.
///
/// # Errors
/// As [`det`].
#[track_caller]
pub fn slogdet(a: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("slogdet");
    square("slogdet", a);
    let value = |lu: Tensor, pivots: Tensor| {
        let (diagonal, dtype) = (diagonal(lu), lu.dtype());
        let directions = match dtype.is_complex() {
            true => (diagonal / diagonal.abs().cast(dtype)).prod(-1),
            false => (1 - diagonal.lt(0.0).cast(DType::I32).sum(-1) % 2 * 2).cast(dtype),
        };
        let sign = parity(pivots, dtype) * directions;
        let singular = diagonal.eq(0.0).any(-1);
        let log = diagonal.abs().log().sum(-1);
        (where_(singular, sign.like(0.0), sign), where_(singular, log.like(f64::NEG_INFINITY), log))
    };
    let alone = move |a: Tensor| {
        let (lu, pivots, _) = prim::lu(a);
        value(lu, pivots)
    };
    composite_jvp(alone, move |a: Tensor, da: Tensor| {
        let (lu, pivots, permutation) = prim::lu(a);
        let (sign, log) = value(lu, pivots);
        let relative = diagonal(by_factors((lu, permutation), da)).sum(-1);
        let turn =
            if a.dtype().is_complex() { sign * (relative - relative.real().cast(a.dtype())) } else { sign.like(0.0) };
        ((sign, log), (turn, relative.real()))
    })(a)
}

/// The product of some sizes.
fn count(dims: &[usize]) -> usize {
    dims.iter().product()
}
/// X with `Σ A[.., j] X[j] = b` over as many last axes of `a` as X has, for `a` whose axes are those of `b` and then those of X, of as
/// many elements. JAX: `jnp.linalg.tensorsolve`.
///
/// # Errors
/// Sizes that do not fit.
#[track_caller]
pub fn tensorsolve(a: Tensor, b: Tensor) -> Tensor {
    let _at = At::op("tensorsolve");
    let (dims, of_b) = (a.dims(), b.dims());
    let fits = dims.len() >= of_b.len() && dims[..of_b.len()] == of_b[..] && count(&dims[of_b.len()..]) == count(&of_b);
    if !fits {
        let help = "the axes of `a` are those of `b` and further ones, with as many elements as `b` has";
        fail("tensorsolve", vec![a.aval(), b.aval()], "the sizes do not fit", Some(help.into()))
    }
    let n = count(&of_b);
    solve(a.reshape([n, n]), b.reshape([n])).reshape(dims[of_b.len()..].to_vec())
}
/// The inverse of `a` as a map from its axes after the first `ind` to these: its axes in the result come first. JAX:
/// `jnp.linalg.tensorinv`.
///
/// # Errors
/// Sizes that do not fit.
#[track_caller]
pub fn tensorinv(a: Tensor, ind: usize) -> Tensor {
    let _at = At::op("tensorinv");
    let dims = a.dims();
    if ind == 0 || ind > dims.len() || count(&dims[..ind]) != count(&dims[ind..]) {
        let reason = format!("the first {ind} axes do not have as many elements as the others");
        fail("tensorinv", vec![a.aval()], reason, Some("`ind` says how many axes come first".into()))
    }
    let n = count(&dims[..ind]);
    inv(a.reshape([n, n])).reshape([&dims[ind..], &dims[..ind]].concat())
}
