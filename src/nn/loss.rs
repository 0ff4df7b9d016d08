//! Losses.
use crate::{
    aval::DType,
    trace::{At, Tensor, fail},
};

/// Mean negative log-likelihood of `targets` (integers `[..]`) under `logits` (`[.., vocab]`), computed in f32.
///
/// # Errors
/// Fails where `targets` are no integers, or not of the shape of `logits` without its last axis.
#[track_caller]
pub fn cross_entropy(logits: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("cross_entropy");
    let (l, t) = (logits.aval(), targets.aval());
    if l.dims.split_last().is_none_or(|(_, rows)| rows != t.dims) || !t.dtype.is_int() {
        let rows = &l.dims[..l.rank().saturating_sub(1)];
        let reason = format!("the targets must be integers of the shape {rows:?}, one for each row of logits");
        fail("cross_entropy", vec![l.clone(), t], reason, None)
    }
    let logits = logits.cast(DType::F32);
    let chosen = logits.take_along_axis(targets.expand_dims(-1), -1).squeeze(-1);
    (logits.logsumexp(-1) - chosen).mean(..)
}
