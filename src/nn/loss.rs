//! Losses.
use crate::{
    aval::DType,
    trace::{At, Tensor},
};

/// Mean negative log-likelihood of `targets` (integers `[.., ]`) under `logits` (`[.., vocab]`), computed in f32.
#[track_caller]
pub fn cross_entropy(logits: Tensor, targets: Tensor) -> Tensor {
    let _at = At::caller();
    let logits = logits.cast(DType::F32);
    let chosen = logits.take_along_axis(targets.expand_dims(-1), -1).squeeze(-1);
    (logits.logsumexp(-1) - chosen).mean(..)
}
