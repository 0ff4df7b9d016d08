//! Norms of vectors and matrices.
use super::{matrix, svd};
use crate::{
    ops::reduce::Axes,
    trace::{At, Tensor, fail},
};

/// A norm of matrices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// The root of the sum of squares: `"fro"`.
    Frobenius,
    /// The sum of singular values: `"nuc"`.
    Nuclear,
    /// 1 (-1): the largest (smallest) sum of sizes in a column; ∞ (-∞): in a row; 2 (-2): the largest (smallest) singular value.
    Of(f64),
}

/// |x|² of each element.
#[track_caller]
fn square(x: Tensor) -> Tensor {
    (x * x.conj()).real()
}

/// The length of a tensor: the root of the sum of all squares. JAX: `jnp.linalg.norm` without an order.
#[track_caller]
pub fn norm(x: Tensor) -> Tensor {
    let _at = At::op("norm");
    vector_norm(x, 2.0, ..)
}

/// The norm of order `ord` of the vectors along axes: (Σ |x|ᵒ)^(1/o); the largest size for ∞, the smallest for -∞, the number of elements
/// that are not 0 for 0. The derivative of the length of a vector of zeros is NaN, as in JAX. JAX: `jnp.linalg.vector_norm`.
///
/// # Errors
/// Axes that do not exist; infinite orders of no elements.
#[track_caller]
pub fn vector_norm(x: Tensor, ord: f64, axes: impl Into<Axes>) -> Tensor {
    let _at = At::op("vector_norm");
    let axes = axes.into();
    match ord {
        2.0 => square(x).sum(axes).sqrt(),
        1.0 => x.abs().sum(axes),
        0.0 => x.ne(0.0).cast(x.dtype().real()).sum(axes),
        f64::INFINITY => x.abs().max(axes),
        f64::NEG_INFINITY => x.abs().min(axes),
        p => x.abs().pow(p).sum(axes).pow(1.0 / p),
    }
}

/// A norm of matrices `[.., m, n]`: `[..]`. JAX: `jnp.linalg.matrix_norm`.
///
/// # Errors
/// What is no matrix; orders that are no norm; extremes of no elements.
#[track_caller]
pub fn matrix_norm(x: Tensor, ord: Norm) -> Tensor {
    let _at = At::op("matrix_norm");
    matrix("matrix_norm", x);
    let values = || svd(x, false).1;
    match ord {
        Norm::Frobenius => square(x).sum([-1, -2]).sqrt(),
        Norm::Nuclear => values().sum(-1),
        Norm::Of(1.0) => x.abs().sum(-2).max(-1),
        Norm::Of(-1.0) => x.abs().sum(-2).min(-1),
        Norm::Of(f64::INFINITY) => x.abs().sum(-1).max(-1),
        Norm::Of(f64::NEG_INFINITY) => x.abs().sum(-1).min(-1),
        Norm::Of(2.0) => values().max(-1),
        Norm::Of(-2.0) => values().min(-1),
        Norm::Of(other) => {
            let help =
                "matrices have `Norm::Of(1.0)`, `2.0`, `f64::INFINITY`, these with a minus, `Frobenius` and `Nuclear`";
            fail("matrix_norm", vec![x.aval()], format!("{other} is no norm of matrices"), Some(help.into()))
        }
    }
}
