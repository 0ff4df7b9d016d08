//! Decompositions of matrices, and triangular systems. On CPUs they are calls of kernels (package raxla-kernels); for other platforms they
//! are lowered to what XLA has: operations of StableHLO, custom calls that XLA expands itself, and loops.
//!
//! [`linalg`](crate::linalg) has the functions that users call.
mod cholesky;
mod eig;
mod eigh;
mod lu;
mod qr;
mod schur;
mod svd;
mod triangular_solve;

use super::*;
use crate::{
    ops::shape::eye,
    trace::{bind, bind1, trace},
};
pub use cholesky::*;
pub use eig::*;
pub use eigh::*;
pub use lu::*;
use num_complex::Complex64;
pub use qr::*;
use raxla_kernels::linalg::Number;
pub use schur::*;
pub use svd::*;
pub use triangular_solve::*;

pub(super) use cholesky::ROWS as CHOLESKY_ROWS;
pub(super) use eig::ROWS as EIG_ROWS;
pub(super) use eigh::ROWS as EIGH_ROWS;
pub(super) use lu::ROWS as LU_ROWS;
pub(super) use qr::ROWS as QR_ROWS;
pub(super) use schur::ROWS as SCHUR_ROWS;
pub(super) use svd::ROWS as SVD_ROWS;
pub(super) use triangular_solve::ROWS as TRIANGULAR_SOLVE_ROWS;

/// Dtypes that matrices are decomposed in.
fn is_decomposed(d: DType) -> bool {
    matches!(d.real(), DType::F32 | DType::F64)
}
/// Type rule: a matrix, or several; its rows and columns.
fn matrix(x: &Aval) -> Result<[usize; 2], Refusal> {
    require(x, is_decomposed, "f32, f64, c64 or c128")?;
    match x.dims[..] {
        [.., m, n] => Ok([m, n]),
        _ => {
            Err(Refusal::new("it is no matrix").help("give it two axes at least, the last two being rows and columns"))
        }
    }
}
/// Type rule: a square matrix, or several; its rows.
fn square(x: &Aval) -> Result<usize, Refusal> {
    let [m, n] = matrix(x)?;
    if m == n {
        return Ok(n);
    }
    Err(Refusal::new(format!("the matrix is not square: it has {m} rows and {n} columns"))
        .help("the last two axes are rows and columns"))
}
/// As [`ending`], of the real numbers that belong to complex ones.
fn real_ending(x: &Aval, matrix: &[usize]) -> Aval {
    ending(x, matrix).with_dtype(x.dtype.real())
}
/// The type of results whose last axes are these.
fn ending(x: &Aval, matrix: &[usize]) -> Aval {
    let outer = x.rank() - 2;
    x.with_dims([&x.dims[..outer], matrix].concat())
}

/// What a kernel makes of one matrix, in f64 or in complex numbers of two.
trait Kernel {
    /// The results for matrix number `i`; whatever their dtypes, in numbers of the matrix.
    fn of<T: Number<Part = f64, Wide = T>>(&self, i: usize, a: &[T]) -> Vec<Vec<T>>;
}
/// What a kernel makes of each matrix: as many results as there are types.
fn each_matrix(x: &Host, results: &[Aval], kernel: &impl Kernel) -> Vec<Host> {
    match x.dtype().is_complex() {
        true => each_of::<Complex64>(x, results, kernel),
        false => each_of::<f64>(x, results, kernel),
    }
}
fn each_of<T: Number<Part = f64, Wide = T>>(x: &Host, results: &[Aval], kernel: &impl Kernel) -> Vec<Host> {
    let [m, n] = matrix(x.aval()).expect("inferred before");
    let count: usize = x.dims()[..x.dims().len() - 2].iter().product();
    let (all, mut made) = (numbers::<T>(x), vec![vec![]; results.len()]);
    for i in 0..count {
        let parts = kernel.of(i, &all[i * m * n..][..m * n]);
        made.iter_mut().zip(parts).for_each(|(made, part)| made.extend(part.into_iter().map(T::parts)));
    }
    let host = |(a, made): (&Aval, Vec<[f64; 2]>)| match a.dtype {
        d if d.is_complex() => {
            Host::complex(d, a.dims.clone(), made.into_iter().map(|[re, im]| Complex64::new(re, im)).collect())
        }
        d if d.is_float() => Host::floats(d, a.dims.clone(), made.into_iter().map(|[re, _]| re).collect()),
        d => Host::ints(d, a.dims.clone(), made.into_iter().map(|[re, _]| re as i128).collect()),
    };
    results.iter().zip(made).map(host).collect()
}
/// The elements for a kernel.
fn numbers<T: Number<Part = f64>>(x: &Host) -> Vec<T> {
    x.to_complex().into_iter().map(|z| T::of_parts([z.re, z.im])).collect()
}
/// Real numbers among results.
fn reals<T: Number>(x: impl IntoIterator<Item = f64>) -> Vec<T> {
    x.into_iter().map(T::of).collect()
}
/// A result of NaN for each of these sizes.
fn nothing<T: Number>(sizes: &[usize]) -> Vec<Vec<T>> {
    sizes.iter().map(|n| vec![T::NAN; *n]).collect()
}

/// Lower to a call of a kernel. Result 0 may take over the memory of operand `in_place`.
fn call_kernel(
    cx: &mut Lower,
    target: &str,
    attributes: &[(&str, bool)],
    in_place: Option<usize>,
    x: &[Value],
    y: &[Aval],
) -> Vec<Value> {
    let attributes = attributes.iter().map(|(name, value)| (name.to_string(), Attr::from(*value))).collect();
    let aliases = in_place.map(|operand| (0, operand)).into_iter().collect();
    CustomCall { attributes, aliases, ..CustomCall::new(target, y) }.lower(cx, x, y)
}
/// Lower to the operations of a function.
fn lower_as(cx: &mut Lower, x: &[Value], f: impl FnOnce(&[Tensor]) -> Vec<Tensor>) -> Vec<Value> {
    let avals: Vec<Aval> = x.iter().map(|v| v.aval.clone()).collect();
    cx.graph(&trace(&avals, f).0, x)
}
/// Lower to a custom call that XLA expands before it compiles for any platform.
fn call_xla(cx: &mut Lower, target: &str, config: &str, x: &[Value], y: &[Aval]) -> Vec<Value> {
    let attrs = format!("call_target_name = \"{target}\", backend_config = \"{config}\", api_version = 1 : i32");
    cx.op_with("custom_call", x, &attrs, vec![], y)
}

/// The transposed matrices, of conjugates.
#[track_caller]
pub(crate) fn adjoint(x: Tensor) -> Tensor {
    turned(x.conj())
}
/// NaN in the place of every element, in both parts of complex numbers.
fn not_a_number(x: Tensor) -> Tensor {
    if x.dtype().is_complex() {
        let nan = x.real().like(f64::NAN);
        return complex(nan, nan);
    }
    x.like(f64::NAN)
}
/// `x` times real numbers.
#[track_caller]
pub(crate) fn scaled(x: Tensor, by: Tensor) -> Tensor {
    x * by.cast(x.dtype())
}
/// The transposed matrices.
#[track_caller]
pub(crate) fn turned(x: Tensor) -> Tensor {
    x.swap_axes(-1, -2)
}
/// The product of matrices with equal leading axes, in full precision on every platform.
#[track_caller]
pub(crate) fn times(x: Tensor, y: Tensor) -> Tensor {
    let outer: Vec<usize> = (0..x.rank() - 2).collect();
    let contract = (vec![x.rank() - 1], vec![y.rank() - 2]);
    dot_general(
        x,
        y,
        DotGeneral { batch: (outer.clone(), outer), contract, precision: Precision::Highest, output: None },
    )
}
/// The diagonals `[.., min(m, n)]`.
#[track_caller]
pub(crate) fn diagonal(x: Tensor) -> Tensor {
    let (m, n) = (x.dim(-2), x.dim(-1));
    let mut dims = x.dims();
    dims.truncate(dims.len() - 2);
    let mut strides = vec![1; dims.len()];
    // (row by row, each element stands n + 1 numbers behind the one before)
    strides.push(n + 1);
    let mut limit = dims.clone();
    limit.push((m.min(n) * (n + 1)).saturating_sub(n));
    dims.push(m * n);
    slice(x.reshape(dims), vec![0; limit.len()], limit, strides)
}
/// The rows of matrices `[.., m, n]` in this order, i32 `[.., m]`.
#[track_caller]
pub(crate) fn rows_in_order(x: Tensor, order: Tensor) -> Tensor {
    // (where there is nothing, nothing can be gathered)
    if x.size() == 0 { x } else { x.take_along_axis(order.expand_dims(-1).broadcast_to(x.dims()), -2) }
}
/// A column `[.., n, 1]` and a row `[.., 1, n]` of a vector `[.., n]`.
fn column_and_row(w: Tensor) -> (Tensor, Tensor) {
    (w.expand_dims(-1), w.expand_dims(-2))
}
