//! Expert parallelism (Lepikhin et al., 2020; arXiv 2006.16668): every device has some of the experts, and a part of the batch.
//!
//! Tokens are put in places by expert; an all-to-all brings each place to the device that has the expert, and another one
//! brings back what it made. Per layer each device sends `(n - 1) / n` of its `experts * places` tokens, there and back.
use super::is_divided;
use crate::{
    prim::{all_to_all, axis_size},
    trace::Tensor,
};

/// How many devices have experts of their own, if these weights (of experts, leading axis) are divided.
pub fn devices(weights: Tensor) -> usize {
    if is_divided(weights, &["experts"], "expert") { axis_size("expert") } else { 1 }
}

/// From this device's tokens for all experts, `[experts, places, d]`, to all devices' tokens for this one's experts,
/// `[experts / n, n * places, d]`.
#[track_caller]
pub fn to_experts(tokens: Tensor) -> Tensor {
    all_to_all(tokens, "expert", 0, 1, true)
}

/// Inverse of [`to_experts`].
#[track_caller]
pub fn from_experts(tokens: Tensor) -> Tensor {
    all_to_all(tokens, "expert", 1, 0, true)
}
