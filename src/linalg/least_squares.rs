//! What singular values tell: least squares, pseudo-inverses, ranks, condition.
use super::{Norm, epsilon, inv, matrix, norms::matrix_norm, svd};
use crate::{
    ops::where_,
    prim::{adjoint, composite_jvp, scaled, times, turned},
    trace::{At, Tensor, fail},
};

/// The singular values of matrices `[.., m, n]`, the largest first: `[.., min(m, n)]`. JAX: `jnp.linalg.svdvals`.
///
/// # Errors
/// What is no matrix; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn svdvals(a: Tensor) -> Tensor {
    let _at = At::op("svdvals");
    svd(a, false).1
}

/// The pseudo-inverse `[.., n, m]` of matrices `[.., m, n]`. Singular values up to `rcond` times the largest count as 0; by default ten
/// times the larger size times the distance of 1 from the next number. JAX: `jnp.linalg.pinv`.
///
/// # Errors
/// What is no matrix; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn pinv(a: Tensor, rcond: Option<f64>) -> Tensor {
    let _at = At::op("pinv");
    let [m, n] = matrix("pinv", a);
    if m == 0 || n == 0 {
        return turned(a);
    }
    let rcond = rcond.unwrap_or(10.0 * m.max(n) as f64 * epsilon(a.dtype()));
    let value = move |a: Tensor| {
        let (u, s, vt) = svd(a, false);
        let inverse = where_(s.gt(s.slice_axis(-1, ..1) * rcond), 1.0 / s, 0.0);
        // (what is not a number is not 0 either)
        let inverse = where_(s.is_nan(), s, inverse);
        times(scaled(adjoint(vt), inverse.expand_dims(-2)), adjoint(u))
    };
    // Golub and Pereyra 1973
    composite_jvp(value, move |a: Tensor, da: Tensor| {
        let p = value(a);
        let (pt, dt) = (adjoint(p), adjoint(da));
        let dp = if m >= n {
            let (s, t) = (times(times(p, pt), dt), times(times(dt, pt), p));
            -times(times(p, da), p) + s - times(times(s, a), p) + t - times(times(p, a), t)
        } else {
            let (s, t) = (times(p, times(pt, dt)), times(dt, times(pt, p)));
            -times(p, times(da, p)) + s - times(s, times(a, p)) + t - times(p, times(a, t))
        };
        (p, dp)
    })(a)
}

/// What [`lstsq`] returns.
pub struct LeastSquares {
    /// The solution, `[n]` or `[n, k]`.
    pub x: Tensor,
    /// The sums of squares of what is left, `[]` or `[k]`.
    pub residuals: Tensor,
    /// The rank of the matrix, an i32 scalar.
    pub rank: Tensor,
    /// Its singular values, `[min(m, n)]`.
    pub s: Tensor,
}
/// The shortest x that makes |A x - `b`| smallest, for a matrix `a` `[m, n]` and `b` `[m]` or `[m, k]`. Singular values below `rcond` times the
/// largest count as 0. JAX: `jnp.linalg.lstsq`; residuals are there for every rank.
///
/// # Errors
/// Matrices that do not fit together; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn lstsq(a: Tensor, b: Tensor, rcond: Option<f64>) -> LeastSquares {
    let _at = At::op("lstsq");
    let (rows, rank) = (b.dims().first().copied(), b.rank());
    let ([m, n], true) = (matrix("lstsq", a), a.rank() == 2 && (1..=2).contains(&rank)) else {
        let help = "several systems are solved by `vmap`";
        fail(
            "lstsq",
            vec![a.aval(), b.aval()],
            "the matrix is `[m, n]`, the right-hand side `[m]` or `[m, k]`",
            Some(help.into()),
        )
    };
    if rows != Some(m) {
        let reason = format!("the matrix has {m} rows, the right-hand side {}", rows.unwrap_or(0));
        fail("lstsq", vec![a.aval(), b.aval()], reason, Some("both have one row per equation".into()))
    }
    let rcond = rcond.unwrap_or(epsilon(a.dtype()) * m.max(n) as f64);
    let columns = if rank == 1 { b.expand_dims(-1) } else { b };
    let (u, s, vt) = svd(a, false);
    let counts = match m.min(n) {
        0 => s.ne(s),
        _ => s.gt(0.0) & s.ge(s.slice_axis(-1, ..1) * rcond),
    };
    let inverse = where_(counts, 1.0 / where_(counts, s, 1.0), 0.0);
    let x = times(adjoint(vt), scaled(times(adjoint(u), columns), inverse.expand_dims(-1)));
    let left = times(a, x) - columns;
    let residuals = (left * left.conj()).real().sum(0);
    let [x, residuals] = if rank == 1 { [x.squeeze(-1), residuals.squeeze(-1)] } else { [x, residuals] };
    LeastSquares { x, residuals, rank: counts.sum(-1), s }
}

/// The rank, i32 `[..]`, of matrices `[.., m, n]`: how many singular values are above `rtol` times the largest; by default the larger size
/// times the distance of 1 from the next number. JAX: `jnp.linalg.matrix_rank`.
///
/// # Errors
/// What is no matrix; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn matrix_rank(a: Tensor, rtol: Option<f64>) -> Tensor {
    let _at = At::op("matrix_rank");
    let [m, n] = matrix("matrix_rank", a);
    let rtol = rtol.unwrap_or(m.max(n) as f64 * epsilon(a.dtype()));
    let s = svdvals(a);
    if m.min(n) == 0 {
        return s.gt(0.0).sum(-1);
    }
    s.gt(s.slice_axis(-1, ..1) * rtol).sum(-1)
}

/// The condition number of matrices: the norm of A times that of A⁻¹; with `Norm::Of(2.0)` the largest singular value divided by the
/// smallest, also of matrices that are not square. JAX: `jnp.linalg.cond`.
///
/// # Errors
/// What is no matrix, or (for other norms) not square; matrices without elements.
#[track_caller]
pub fn cond(a: Tensor, p: Norm) -> Tensor {
    let _at = At::op("cond");
    let [m, n] = matrix("cond", a);
    if m.min(n) == 0 {
        fail(
            "cond",
            vec![a.aval()],
            "a matrix without elements has no condition",
            Some("give it rows and columns".into()),
        )
    }
    let two = |first: bool| {
        let s = svdvals(a);
        let (most, least) = (s.slice_axis(-1, ..1).squeeze(-1), s.slice_axis(-1, m.min(n) - 1..).squeeze(-1));
        if first { most / least } else { least / most }
    };
    match p {
        Norm::Of(2.0) => two(true),
        Norm::Of(-2.0) => two(false),
        p => matrix_norm(a, p) * matrix_norm(inv(a), p),
    }
}
