//! Linear algebra: `jax.numpy.linalg`, `jax.scipy.linalg` and `jax.lax.linalg`, by their names.
//!
//! Matrices are the last two axes of a tensor, in f32, f64, c64 or c128; functions of one matrix are functions of many, along the axes in front.
//! Everything has derivatives of any order in both modes, and batches under [`vmap`](crate::vmap). On CPUs decompositions are kernels of
//! raxla's own; elsewhere they are XLA's.
//!
//! ```
//! use raxla::{linalg, prelude::*};
//! let f = jit(|a: Tensor, b: Tensor| (linalg::solve(a, b), linalg::slogdet(a).1));
//! let a = Array::from_slice([2, 2], &[4f32, 1., 1., 3.])?;
//! let (x, logdet) = f.call((a, Array::from_slice([2], &[1f32, 2.])?))?;
//! assert!((x.to_vec::<f32>()?[1] - 7.0 / 11.0).abs() < 1e-6);
//! assert!((logdet.item::<f32>()? - 11f32.ln()).abs() < 1e-6);
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! What cannot be decomposed gives NaN, as in JAX: a matrix that is not positive definite in [`cholesky`], NaN and infinities everywhere.
mod iterative;
mod least_squares;
mod matrices;
mod norms;
mod powers;
mod root;
mod schur;
mod solve;

pub use crate::prim::{Triangle, qr, svd, triangular_solve};
pub use iterative::{Until, bicgstab, cg, gmres};
pub use least_squares::{LeastSquares, cond, lstsq, matrix_rank, pinv, svdvals};
pub use matrices::{block_diag, diagonal, matrix_transpose, outer, toeplitz, trace, vecdot};
pub use norms::{Norm, matrix_norm, norm, vector_norm};
pub use powers::{expm, matrix_power, multi_dot};
pub use root::custom_root;
pub use schur::{SchurForm, funm, rsf2csf, schur, sqrtm};
pub use solve::{
    cho_factor, cho_solve, cholesky, det, inv, lu, lu_factor, lu_pivots_to_permutation, lu_solve, slogdet, solve,
    solve_triangular, tensorinv, tensorsolve,
};

use crate::{
    aval::{Aval, DType},
    ops::common,
    prim::{self, adjoint},
    trace::{At, Tensor, fail},
};

/// Real eigenvalues `[.., n]`, the smallest first, and eigenvectors (columns of `[.., n, n]`) of symmetric or Hermitian matrices: of the
/// Hermitian part, if they are not. The sign (or complex factor of size 1) of an eigenvector is arbitrary; derivatives are those of distinct
/// eigenvalues. JAX: `jnp.linalg.eigh`.
///
/// # Errors
/// Matrices that are not square; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn eigh(a: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("eigh");
    square("eigh", a);
    let (v, w) = prim::eigh(hermitian(a));
    (w, v)
}
/// The eigenvalues alone. JAX: `jnp.linalg.eigvalsh`.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eigvalsh(a: Tensor) -> Tensor {
    let _at = At::op("eigvalsh");
    eigh(a).0
}

/// Eigenvalues `[.., n]` and eigenvectors (columns of `[.., n, n]`) of square matrices, both complex and in no particular order.
/// Eigenvectors have length 1 and their largest element is real; derivatives are those of distinct eigenvalues. On the CPU alone.
/// JAX: `jnp.linalg.eig`, whose order may be another one, and whose eigenvectors have no derivatives unless one asks for them.
///
/// ```
/// use raxla::{Complex64, linalg, prelude::*};
/// let f = jit(|a: Tensor| linalg::eig(a));
/// let (w, v) = f.call((Array::from_slice([2, 2], &[0f64, 1., -1., 0.])?,))?; // a quarter turn
/// assert!((w.to_vec::<Complex64>()?[0] - Complex64::I).norm() < 1e-15);
/// let ratio = v.to_vec::<Complex64>()?[2] / v.to_vec::<Complex64>()?[0];
/// assert!((ratio - Complex64::I).norm() < 1e-15);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Matrices that are not square; dtypes other than f32, f64, c64 and c128; other platforms than the CPU.
#[track_caller]
pub fn eig(a: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("eig");
    square("eig", a);
    let (v, w) = prim::eig(a);
    (w, v)
}
/// The eigenvalues alone. JAX: `jnp.linalg.eigvals`.
///
/// # Errors
/// As [`eig`].
#[track_caller]
pub fn eigvals(a: Tensor) -> Tensor {
    let _at = At::op("eigvals");
    eig(a).0
}

/// The Hermitian part; the symmetric one of real matrices.
fn hermitian(a: Tensor) -> Tensor {
    (a + adjoint(a)) * 0.5
}
/// Refuse what is no matrix; its rows and columns.
#[track_caller]
fn matrix(op: &str, a: Tensor) -> [usize; 2] {
    match a.dims()[..] {
        [.., m, n] => [m, n],
        _ => {
            let help = "give it two axes at least, the last two being rows and columns";
            fail(op, vec![a.aval()], "it is no matrix", Some(help.into()))
        }
    }
}
/// Refuse what is no square matrix; its rows.
#[track_caller]
fn square(op: &str, a: Tensor) -> usize {
    let [m, n] = matrix(op, a);
    if m != n {
        let reason = format!("the matrix is not square: it has {m} rows and {n} columns");
        fail(op, vec![a.aval()], reason, Some("the last two axes are rows and columns".into()))
    }
    n
}
/// Both with the leading axes that theirs broadcast to.
#[track_caller]
fn alike(op: &str, a: Tensor, b: Tensor) -> (Tensor, Tensor) {
    let outer = |t: Tensor| t.dims()[..t.rank() - 2].to_vec();
    match common(&outer(a), &outer(b)) {
        Ok(outer) => {
            let to = |t: Tensor| t.broadcast_to([&outer[..], &t.dims()[t.rank() - 2..]].concat());
            (to(a), to(b))
        }
        Err(help) => fail(op, vec![a.aval(), b.aval()], "the axes before the matrices do not broadcast", Some(help)),
    }
}
/// The distance of 1 from the next number of the dtype, or of that of its parts.
fn epsilon(dtype: DType) -> f64 {
    if dtype.real() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) }
}
/// The identity matrix beside `a`: `n` rows, in its dtype.
fn one_beside(a: &Aval, n: usize) -> Tensor {
    crate::eye(n, a.dtype)
}
