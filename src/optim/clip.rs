//! Norms of gradients.
use super::state::scalar;
use crate::{
    aval::DType,
    ops::{Rhs, where_},
    prim::full,
    trace::{At, Tensor, TensorTree},
    tree::Tree,
};

/// The Euclidean norm of all elements of all leaves, a scalar: f64 where a leaf is, f32 otherwise. JAX: `optax.global_norm`.
#[track_caller]
pub fn global_norm<M: Tree<Tensor>>(tree: &M) -> Tensor {
    let _at = At::op("global_norm");
    let leaves = tree.leaves();
    let wide = leaves.iter().any(|t| t.dtype() == DType::F64);
    let dtype = if wide { DType::F64 } else { DType::F32 };
    let squares = leaves.iter().map(|t| t.cast(dtype).powi(2).sum(..));
    squares.reduce(|a, b| a + b).unwrap_or_else(|| full([], dtype, 0)).sqrt()
}

/// The gradient scaled down so that its [`global_norm`] is at most `max_norm`, a number or a scalar; a smaller one stays as it
/// is.
///
/// Pascanu et al., 2012, "On the difficulty of training Recurrent Neural Networks". JAX: `optax.clip_by_global_norm`.
#[track_caller]
pub fn clip_by_global_norm<M: TensorTree>(gradient: &M, max_norm: impl Rhs) -> M {
    let _at = At::op("clip_by_global_norm");
    let norm = global_norm(gradient);
    let max = scalar("largest norm", max_norm, norm.dtype());
    let small = norm.lt(max);
    gradient.map(|g| {
        let wide = g.cast(norm.dtype());
        where_(small, wide, wide / norm * max).cast(g.dtype())
    })
}
