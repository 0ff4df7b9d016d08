//! Fully sharded data parallelism, or ZeRO-3 (Rajbhandari et al., 2020; arXiv 1910.02054): every device keeps a part of each
//! parameter, of its gradient and of the optimizer's state, and a part of the batch.
//!
//! A layer gathers its parameters where it uses them ([`whole`]), inside the loop over layers (and inside `remat`, which
//! gathers them again on the way back rather than keep them). The transpose of a gather is a scattered sum, so gradients arrive
//! divided as the parameters are. Per layer of `P` bytes on each of `n` devices: `(n - 1) / n * P` to gather, twice with
//! remat, and as much for the gradient. An embedding is not gathered ([`tensor::embed`](super::tensor::embed)).
use super::{is_divided, tokens_over};
use crate::{
    prim::{all_gather, pvary},
    trace::Tensor,
};

/// A parameter whose axes have these roles, whole along `fsdp`.
#[track_caller]
pub fn whole(t: Tensor, roles: &[&str]) -> Tensor {
    let Some(at) = roles.iter().position(|role| is_divided(t, &[role], "fsdp")) else { return t };
    // first, so that on the way back the parts are summed, and not the whole
    let over = tokens_over();
    let others: Vec<&str> = over.iter().map(|n| &**n).filter(|n| *n != "fsdp").collect();
    let t = if others.is_empty() { t } else { pvary(t, &others[..]) };
    all_gather(t, "fsdp", at, true)
}
