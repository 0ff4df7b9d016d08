//! Norms of gradients, and limits on them.
use super::{
    OptState, Optimizer,
    slot::{Parameter, Slot},
    transformation::{GradientTransformation, LeafStep, Step, per_leaf},
};
use crate::{
    aval::DType,
    ops::where_,
    prim::full,
    trace::{At, Tensor},
    tree::Tree,
};

/// The Euclidean norm of all elements of all leaves, a scalar: f64 where a leaf is, f32 otherwise. JAX: `optax.global_norm`.
#[track_caller]
pub fn global_norm<M: Tree<Tensor>>(tree: &M) -> Tensor {
    let _at = At::op("global_norm");
    norm_of(&tree.leaves())
}

/// As [`global_norm`], of leaves.
pub(super) fn norm_of(leaves: &[Tensor]) -> Tensor {
    sum_of(leaves, |t| t.powi(2).sum(..)).sqrt()
}
/// The sum of a scalar of each leaf, in the widest dtype of all.
pub(super) fn sum_of(leaves: &[Tensor], f: impl Fn(Tensor) -> Tensor) -> Tensor {
    let wide = leaves.iter().any(|t| t.dtype() == DType::F64);
    let dtype = if wide { DType::F64 } else { DType::F32 };
    leaves.iter().map(|t| f(t.cast(dtype))).reduce(|a, b| a + b).unwrap_or_else(|| full([], dtype, 0))
}

/// Updates scaled down so that their [`global_norm`] is at most `max_norm`; smaller ones stay as they are.
///
/// Pascanu et al., 2012, "On the difficulty of training Recurrent Neural Networks". JAX: `optax.clip_by_global_norm`.
pub fn clip_by_global_norm(max_norm: f64) -> Optimizer {
    Optimizer::new("clip_by_global_norm", ByGlobalNorm(max_norm))
}
struct ByGlobalNorm(f64);
impl GradientTransformation for ByGlobalNorm {
    fn init(&self, _: &[Parameter]) -> OptState<Slot> {
        OptState::empty()
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, _: &Step) -> (Vec<Tensor>, OptState) {
        let norm = norm_of(&updates);
        let small = norm.lt(self.0);
        let one = |g: Tensor| where_(small, g, g / norm.cast(g.dtype()) * self.0);
        (updates.into_iter().map(one).collect(), state.clone())
    }
}

/// Every element limited to `[-max_delta, max_delta]`. JAX: `optax.clip`.
pub fn clip(max_delta: f64) -> Optimizer {
    per_leaf(move |x| x.g.clip(-max_delta, max_delta)).named("clip")
}

/// Each parameter's update scaled down so that the root of the mean of its squares is at most `threshold`. JAX:
/// `optax.clip_by_block_rms`.
pub fn clip_by_block_rms(threshold: f64) -> Optimizer {
    let update = move |x: &mut LeafStep| x.g / (rms(x.g) / threshold).maximum(1.0);
    per_leaf(update).named("clip_by_block_rms")
}
/// The root of the mean of squares.
pub(super) fn rms(x: Tensor) -> Tensor {
    (x * x).mean(..).sqrt()
}

/// Each unit's update scaled down so that its norm is at most `clipping` times that of the unit's parameters (`eps` at least).
/// A unit is a column of a matrix: what a leaf has along its last axis, of a vector all of it.
///
/// Brock et al., 2021, "High-Performance Large-Scale Image Recognition Without Normalization". JAX: `optax.adaptive_grad_clip`.
pub fn adaptive_grad_clip(clipping: f64, eps: f64) -> Optimizer {
    let unit = |x: Tensor| {
        let axes: Vec<isize> = match (x.rank(), x.dims().iter().filter(|d| **d != 1).count()) {
            (rank, 0 | 1) => (0..rank as isize).collect(),
            (3, _) => vec![0],
            (rank, _) => (0..rank as isize - 1).collect(),
        };
        (x * x).sum_keep(axes).sqrt()
    };
    let update = move |x: &mut LeafStep| {
        let (norm, most) = (unit(x.g), unit(x.p).maximum(eps) * clipping);
        where_(norm.lt(most), x.g, x.g * (most / norm.maximum(1e-6)))
    };
    per_leaf(update).named("adaptive_grad_clip")
}
