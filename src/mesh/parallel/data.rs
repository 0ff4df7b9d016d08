//! Data parallelism: every device has the model and a part of the batch.
//!
//! The loss is the mean over all devices. A parameter that devices share meets tokens that they do not; there its derivative is
//! summed over the devices, once per layer: an all-reduce of the gradient, `2 (n - 1) / n` times its bytes on each of `n`
//! devices.
use super::{divides, tokens_over, varies};
use crate::{prim::pmean, trace::Tensor};

/// The mean over all devices of a mean over each one's tokens.
#[track_caller]
pub fn mean(loss: Tensor) -> Tensor {
    let over = tokens_over();
    // (of gathered positions all devices along `model` compute the same, which types do not know)
    let model = (divides("model", "heads") && varies(loss, "model")).then_some("model");
    let axes: Vec<&str> = over.iter().map(|n| &**n).chain(model).collect();
    if axes.is_empty() { loss } else { pmean(loss, &axes[..]) }
}
