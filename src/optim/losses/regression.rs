//! Losses of numbers and of directions.
use super::Over;
use crate::trace::{At, Tensor};

/// `(predictions - targets)²`. JAX: `optax.squared_error`.
#[track_caller]
pub fn squared_error(predictions: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("squared_error");
    (predictions - targets).powi(2)
}
/// Half of that. JAX: `optax.l2_loss`.
#[track_caller]
pub fn l2_loss(predictions: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("l2_loss");
    squared_error(predictions, targets) * 0.5
}
/// [`l2_loss`] up to an error of `delta` (optax's: 1), a line beyond. JAX: `optax.huber_loss`.
#[track_caller]
pub fn huber_loss(predictions: Tensor, targets: Tensor, delta: f64) -> Tensor {
    let _at = At::op("huber_loss");
    let error = (predictions - targets).abs();
    let near = error.minimum(delta);
    near * near * 0.5 + (error - near) * delta
}
/// ln cosh of the error: its square for small ones, its size for large ones. JAX: `optax.log_cosh`.
#[track_caller]
pub fn log_cosh(predictions: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("log_cosh");
    let error = predictions - targets;
    error.logaddexp(-error) - std::f64::consts::LN_2
}

/// The cosine of the angle between vectors along the last axis; squares of norms are `epsilon` (optax's: 0) at least. JAX:
/// `optax.cosine_similarity`.
#[track_caller]
pub fn cosine_similarity(predictions: Tensor, targets: Tensor, epsilon: f64) -> Tensor {
    cosine_similarity_with(predictions, targets, epsilon, Over::default())
}
/// The same over another axis, of some elements.
#[track_caller]
pub fn cosine_similarity_with(predictions: Tensor, targets: Tensor, epsilon: f64, over: Over) -> Tensor {
    let _at = At::op("cosine_similarity");
    let unit = |x: Tensor| {
        let norm = over.sum(x * x).maximum(epsilon).sqrt().expand_dims(x.axis(over.axis) as isize);
        x / norm
    };
    over.sum(unit(predictions) * unit(targets))
}
/// One minus that. JAX: `optax.cosine_distance`.
#[track_caller]
pub fn cosine_distance(predictions: Tensor, targets: Tensor, epsilon: f64) -> Tensor {
    let _at = At::op("cosine_distance");
    1.0 - cosine_similarity(predictions, targets, epsilon)
}
