//! Matrices made of others.
use super::matrix;
use crate::{
    aval::DType,
    ops::shape::concat,
    prim::{self, IndexMode, iota, turned, zeros_of},
    trace::{At, Tensor, fail},
};

/// The transposed matrices. JAX: `jnp.linalg.matrix_transpose`.
///
/// # Errors
/// What is no matrix.
#[track_caller]
pub fn matrix_transpose(a: Tensor) -> Tensor {
    let _at = At::op("matrix_transpose");
    matrix("matrix_transpose", a);
    turned(a)
}
/// The main diagonals `[.., min(m, n)]`. JAX: `jnp.linalg.diagonal`.
///
/// # Errors
/// What is no matrix.
#[track_caller]
pub fn diagonal(a: Tensor) -> Tensor {
    let _at = At::op("diagonal");
    matrix("diagonal", a);
    prim::diagonal(a)
}
/// The sums of the main diagonals `[..]`. JAX: `jnp.linalg.trace`.
///
/// # Errors
/// What is no matrix.
#[track_caller]
pub fn trace(a: Tensor) -> Tensor {
    let _at = At::op("trace");
    matrix("trace", a);
    prim::diagonal(a).sum(-1)
}
/// All products of elements of two vectors: `[m, n]`. JAX: `jnp.linalg.outer`.
///
/// # Errors
/// What is no vector.
#[track_caller]
pub fn outer(x: Tensor, y: Tensor) -> Tensor {
    let _at = At::op("outer");
    if x.rank() != 1 || y.rank() != 1 {
        let help = "flatten them first: `.reshape([REST])`";
        fail("outer", vec![x.aval(), y.aval()], "these are not two vectors", Some(help.into()))
    }
    x.expand_dims(-1) * y
}
/// The inner products along the last axis, of the conjugates of `x`; the axes in front broadcast. JAX: `jnp.linalg.vecdot`.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn vecdot(x: Tensor, y: Tensor) -> Tensor {
    let _at = At::op("vecdot");
    (x.conj() * y).sum(-1)
}

/// Matrices along the diagonal of a large one, zeros beside them; leading axes are those of all. JAX: `jax.scipy.linalg.block_diag`.
///
/// # Errors
/// No matrices; different leading axes or dtypes.
#[track_caller]
pub fn block_diag(blocks: &[Tensor]) -> Tensor {
    let _at = At::op("block_diag");
    if blocks.is_empty() {
        fail("block_diag", vec![], "there are no matrices", Some("give one at least".into()))
    }
    let columns: usize = blocks.iter().map(|b| matrix("block_diag", *b)[1]).sum();
    let mut left = 0;
    let rows: Vec<Tensor> = blocks
        .iter()
        .map(|b| {
            let beside = |n: usize| {
                let a = b.aval();
                zeros_of(&a.with_dims([&a.dims[..a.rank() - 1], &[n]].concat()))
            };
            let own = b.dim(-1);
            left += own;
            concat(&[beside(left - own), *b, beside(columns - left)], -1)
        })
        .collect();
    concat(&rows, -2)
}

/// The matrix `[m, n]` with constant diagonals whose first column is `c` `[m]`, and whose first row is `r` `[n]` but for its first element.
/// JAX: `jax.scipy.linalg.toeplitz`.
///
/// # Errors
/// What is no vector; different dtypes.
#[track_caller]
pub fn toeplitz(c: Tensor, r: Tensor) -> Tensor {
    let _at = At::op("toeplitz");
    if c.rank() != 1 || r.rank() != 1 {
        let help = "give the first column and the first row as vectors";
        fail("toeplitz", vec![c.aval(), r.aval()], "these are not two vectors", Some(help.into()))
    }
    let (m, n) = (c.dim(0), r.dim(0));
    if m == 0 || n == 0 {
        return zeros_of(&c.aval().with_dims([m, n]));
    }
    // the diagonals from the lower left corner to the upper right one
    let diagonals = concat(&[c.flip(0), r.slice_axis(0, 1..)], 0);
    let index = |axis| iota([m, n], DType::I32, axis);
    diagonals.take_with(index(1) - index(0) + (m as i32 - 1), 0, IndexMode::Clip)
}
