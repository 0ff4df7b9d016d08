//! The Schur decomposition, and functions of matrices by it.
use super::{epsilon, square};
use crate::{
    aval::DType,
    ops::{shape::stack, where_},
    prim::{self, adjoint, diagonal, fori_loop, iota, times},
    trace::{At, Tensor, fail},
};

/// Which form [`schur`] makes of real matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchurForm {
    /// Of the matrix's own dtype: blocks of two rows stand for pairs of conjugate eigenvalues of real matrices.
    Real,
    /// Upper triangular and complex.
    Complex,
}

/// The Schur decomposition `a` = Z T Zᴴ of square matrices `[.., n, n]`: T and the orthogonal (unitary) Z. T has the eigenvalues on its
/// diagonal and zeros below it; the real form of a real matrix has blocks of two rows for pairs of conjugate eigenvalues. On the CPU alone;
/// without derivatives, as in JAX: `jax.scipy.linalg.schur`.
///
/// ```
/// use raxla::{linalg::{self, SchurForm}, prelude::*};
/// let f = jit(|a: Tensor| {
///     let (t, z) = linalg::schur(a, SchurForm::Real);
///     (t, z.matmul(t).matmul(linalg::matrix_transpose(z)))
/// });
/// let (t, a) = f.call((Array::from_slice([2, 2], &[1f64, 2., 3., 4.])?,))?;
/// assert!(t.to_vec::<f64>()?[2] == 0.0);
/// assert!((a.to_vec::<f64>()?[1] - 2.0).abs() < 1e-14);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Matrices that are not square; dtypes other than f32, f64, c64 and c128; other platforms than the CPU; derivatives.
#[track_caller]
pub fn schur(a: Tensor, output: SchurForm) -> (Tensor, Tensor) {
    let _at = At::op("schur");
    square("schur", a);
    prim::schur(if output == SchurForm::Complex { complexes(a) } else { a })
}
/// As complex numbers.
fn complexes(a: Tensor) -> Tensor {
    a.cast(a.dtype().complex().unwrap_or(a.dtype()))
}
#[track_caller]
fn one_square(op: &str, a: Tensor) -> usize {
    let n = square(op, a);
    if a.rank() != 2 {
        fail(op, vec![a.aval()], "this is not one matrix", Some("several are mapped over by `vmap`".into()))
    }
    n
}

/// The complex Schur form and its unitary factor, of a real one, for matrices `[n, n]`: each block of two rows is made triangular. JAX:
/// `jax.scipy.linalg.rsf2csf`.
///
/// # Errors
/// What is not two square matrices of one size.
#[track_caller]
pub fn rsf2csf(t: Tensor, z: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("rsf2csf");
    let n = one_square("rsf2csf", t);
    if one_square("rsf2csf", z) != n {
        fail("rsf2csf", vec![t.aval(), z.aval()], "the sizes differ", Some("give both results of `schur`".into()))
    }
    let (t, z) = (complexes(t), complexes(z));
    if n < 2 {
        return (t, z);
    }
    let index = iota([n], DType::I32, 0);
    let small = epsilon(t.dtype());
    let step = |i: Tensor, (t, z): (Tensor, Tensor)| {
        let k = n as i32 - 2 - i;
        let block = t.dynamic_slice_axis(0, k, 2).dynamic_slice_axis(1, k, 2);
        let at = |i: usize, j: usize| block.slice_axis(0, i..i + 1).slice_axis(1, j..j + 1).reshape([]);
        let (a, b, c, d) = (at(0, 0), at(0, 1), at(1, 0), at(1, 1));
        let half = (a - d) * 0.5;
        let root = (half * half + b * c).sqrt();
        // (an eigenvalue of the block, less d)
        let mu = half + root;
        let r = (mu.abs() * mu.abs() + c.abs() * c.abs()).sqrt().cast(t.dtype());
        let beside = c.abs().gt((a.abs() + d.abs()) * small);
        let (cos, sin) = (where_(beside, mu / r, 1.0), where_(beside, c / r, 0.0));
        let turn = stack(&[stack(&[cos.conj(), sin], 0), stack(&[-sin, cos], 0)], 0);
        let left = |x: Tensor| times(turn, x.dynamic_slice_axis(0, k, 2));
        let right = |x: Tensor| times(x.dynamic_slice_axis(1, k, 2), adjoint(turn));
        let t = t.dynamic_update_axis(0, k, left(t));
        let t = t.dynamic_update_axis(1, k, right(t));
        let below = index.eq(k + 1).expand_dims(1) & index.eq(k).expand_dims(0);
        (where_(!below, t, 0.0), z.dynamic_update_axis(1, k, right(z)))
    };
    fori_loop(0, n - 1, step, (t, z))
}

/// The principal square root of a matrix `[n, n]`, complex: its square is the matrix, and its eigenvalues have no negative real part
/// (Björck and Hammarling 1983). On the CPU alone; without derivatives. JAX: `jax.scipy.linalg.sqrtm`.
///
/// # Errors
/// As [`schur`]; several matrices.
#[track_caller]
pub fn sqrtm(a: Tensor) -> Tensor {
    let _at = At::op("sqrtm");
    let n = one_square("sqrtm", a);
    let (t, z) = schur(a, SchurForm::Complex);
    if n == 0 {
        return t;
    }
    let roots = diagonal(t).sqrt();
    let index = iota([n], DType::I32, 0);
    // row by row from below: a row U[i] of the root is t[i, j] - sum of U[i, k] U[k, j] between i and j, divided by the sum of both roots
    let row = |i: Tensor, u: Tensor| {
        let i = n as i32 - 1 - i;
        let (own, root) = (t.dynamic_index(0, i), roots.dynamic_index(0, i));
        let element = |j: Tensor, row: Tensor| {
            let between = index.gt(i) & index.lt(j);
            let sum = where_(between, row * u.dynamic_index(1, j), 0.0).sum(0);
            let rest = own.dynamic_index(0, j) - sum;
            let value = where_(rest.ne(0.0), rest / (root + roots.dynamic_index(0, j)), 0.0);
            where_(index.eq(j), where_(index.eq(i), root, where_(j.gt(i), value, 0.0)), row)
        };
        let row = fori_loop(0, n, element, own.like(0.0));
        u.dynamic_update_axis(0, i, row.expand_dims(0))
    };
    let u = fori_loop(0, n, row, t.like(0.0));
    times(times(z, u), adjoint(z))
}

/// A function of a matrix `[n, n]`, from the function of its eigenvalues: `f` maps a vector of complex numbers element by element. Eigenvalues
/// should be distinct (Golub and Van Loan, Algorithm 9.1.1). The result is complex. On the CPU alone; without derivatives. JAX:
/// `jax.scipy.linalg.funm`.
///
/// # Errors
/// As [`schur`]; several matrices; a function that changes the type.
#[track_caller]
pub fn funm(a: Tensor, f: impl FnOnce(Tensor) -> Tensor) -> Tensor {
    let _at = At::op("funm");
    let n = one_square("funm", a);
    let (t, z) = schur(a, SchurForm::Complex);
    let values = f(diagonal(t));
    if !values.aval().is_like(&diagonal(t).aval()) {
        let help = "it is given the eigenvalues `[n]` as complex numbers";
        fail("funm", vec![diagonal(t).aval(), values.aval()], "the function changes the type", Some(help.into()))
    }
    let index = iota([n], DType::I32, 0);
    let on_diagonal = index.expand_dims(1).eq(index.expand_dims(0));
    let first = where_(on_diagonal, values.expand_dims(0), 0.0);
    // superdiagonal by superdiagonal (Parlett's recurrence)
    let step = |p: Tensor, made: Tensor| {
        let difference = |x: Tensor| x.expand_dims(0) - x.expand_dims(1);
        let eigenvalues = diagonal(t);
        let (below, above) = (made, t);
        let strict = |x: Tensor| where_(!on_diagonal, x, 0.0);
        let sums = times(strict(above), strict(below)) - times(strict(below), strict(above));
        let gap = difference(eigenvalues);
        let value = t * difference(values) + sums;
        let here = (index.expand_dims(0) - index.expand_dims(1)).eq(p);
        where_(here, value / where_(gap.ne(0.0), gap, 1.0), made)
    };
    let made = if n < 2 { first } else { fori_loop(1, n, step, first) };
    times(times(z, made), adjoint(z))
}
