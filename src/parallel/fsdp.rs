//! Fully sharded data parallelism, or ZeRO-3 (Rajbhandari et al., 2020; arXiv 1910.02054): every device keeps a part of each
//! parameter, of its gradient and of the optimizer's state, and a part of the batch.
//!
//! A layer's parameters are gathered where the layer runs, inside the loop over layers (and inside `remat`, which gathers
//! them again on the way back rather than keep them). The transpose of a gather is a scattered sum, so gradients arrive
//! divided as the parameters are. Per layer of `P` bytes on each of `n` devices: `(n - 1) / n * P` to gather, twice with
//! remat, and as much for the gradient. An embedding is not gathered ([`tensor::embed`](super::tensor::embed)).
use super::current;
use crate::{
    mesh::PartitionSpec,
    prim::{all_gather, pvary},
    trace::Tensor,
    tree::Tree,
};

/// One layer's parameters, whole.
#[track_caller]
pub fn gather_layer<B: Tree<Tensor, With<Tensor> = B>>(layer: B) -> B {
    match current() {
        Some(p) if p.fsdp => gather(layer, &p.layer),
        _ => layer,
    }
}

/// Parameters that are divided as these specs say, whole along `fsdp`.
#[track_caller]
pub fn gather<B: Tree<Tensor, With<Tensor> = B>>(tree: B, specs: &[PartitionSpec]) -> B {
    let leaves = tree.leaves();
    tree.refill(leaves.into_iter().zip(specs).map(|(t, spec)| gather_one(t, spec)).collect::<Vec<_>>())
}

fn gather_one(t: Tensor, spec: &PartitionSpec) -> Tensor {
    let Some(p) = current().filter(|p| p.fsdp) else { return t };
    let at = spec.0.iter().position(|e| e.names().iter().any(|n| **n == *"fsdp"));
    let Some(at) = at else { return t };
    // first, so that on the way back the parts are summed, and not the whole
    let others: Vec<&str> = p.tokens_over().into_iter().filter(|n| *n != "fsdp").collect();
    let t = if others.is_empty() { t } else { pvary(t, &others[..]) };
    all_gather(t, "fsdp", at, true)
}
