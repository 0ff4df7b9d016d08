//! Tensor parallelism (Shoeybi et al., 2019; arXiv 1909.08053): heads, hidden units and the vocabulary are divided.
//!
//! The first matrix of attention and of an MLP is divided by its columns, which needs nothing; the second by its rows, which
//! makes of each device's product a part of a sum ([`leave`]). Forward that is two all-reduces of the activations per layer, and
//! two backward, each `2 (n - 1) / n` times their bytes.
//!
//! With `sequence` (Korthikanti et al., 2022; arXiv 2205.05198) the stream between them, norms included, is divided by
//! positions: each all-reduce becomes a gather ([`enter`]) and a scattered sum, which together move the same bytes, and
//! what a layer keeps for the way back is divided too.
//!
//! Outside of [`shard_map`](crate::shard_map), where the compiler divides the work, the same two places say how the stream is divided
//! there ([`Parallel::rules`](super::Parallel::rules)).
use super::{current, varies};
use crate::{
    aval::DType,
    mesh::with_logical_sharding,
    ops::where_,
    prim::{IndexMode, all_gather, axis_index, axis_size, pmax, psum, psum_scatter, trusted},
    trace::{At, Tensor},
};

/// The stream `[b, t, d]` at the entrance of attention or an MLP, with all positions.
#[track_caller]
pub fn enter(x: Tensor) -> Tensor {
    match current() {
        Some(p) if p.sequence && p.model => all_gather(x, "model", 1, true),
        Some(_) => x,
        None => with_logical_sharding(x, ["batch", "length", ""]),
    }
}

/// The stream at the entrance of the head, with all positions; devices have a part of the head's matrix `w`, or all of it.
#[track_caller]
pub fn enter_head(x: Tensor, w: Tensor) -> Tensor {
    let x = enter(x);
    // every device has the same positions and columns, so that logits are whole: a loss must not add them up
    if current().is_some_and(|p| p.sequence && p.model) && !varies(w, "model") { trusted(x, "model") } else { x }
}

/// What attention or an MLP adds to the stream, `[b, t, d]`: the sum of the devices' parts.
#[track_caller]
pub fn leave(y: Tensor) -> Tensor {
    let Some(p) = current() else { return with_logical_sharding(y, ["batch", "norm_length", ""]) };
    match (varies(y, "model"), p.sequence) {
        _ if !p.model => y,
        (true, true) => psum_scatter(y, "model", 1, true),
        (true, false) => psum(y, "model"),
        // all devices have all of it: each takes its positions
        (false, true) => {
            let own = y.dim(1) / axis_size("model");
            y.dynamic_slice_axis(1, axis_index("model") * own, own)
        }
        (false, false) => y,
    }
}

/// Rows of an embedding `[vocab, d]` of which each device may have some, for tokens `[b, t]`.
#[track_caller]
pub fn embed(table: Tensor, tokens: Tensor) -> Tensor {
    let _at = At::caller();
    if current().is_none_or(|p| !p.model) || !varies(table, "model") {
        return leave(table.take_with(tokens, 0, IndexMode::Clip));
    }
    let rows = table.dim(0);
    let own = tokens - axis_index("model").cast(tokens.dtype()) * rows;
    let here = own.ge(0) & own.lt(rows);
    let found = table.take_with(own, 0, IndexMode::Clip);
    leave(where_(here.expand_dims(-1), found, found.like(0.0)))
}

/// Logits `[.., vocab]`, of which each device may have some columns: all of them, on every device. To choose tokens by; a
/// loss has [`cross_entropy`].
#[track_caller]
pub fn whole(logits: Tensor) -> Tensor {
    let _at = At::caller();
    if current().is_none_or(|p| !p.model) || !varies(logits, "model") {
        return logits;
    }
    let columns = logits.dims().len() - 1;
    trusted(all_gather(logits, "model", columns, true), "model")
}

/// Mean negative log-likelihood of `targets` under logits `[.., vocab]`, of which each device may have some columns: they are
/// never gathered, only two numbers per token are summed.
#[track_caller]
pub fn cross_entropy(logits: Tensor, targets: Tensor) -> Tensor {
    let _at = At::caller();
    if current().is_none_or(|p| !p.model) || !varies(logits, "model") {
        return crate::nn::cross_entropy(logits, targets);
    }
    let logits = logits.cast(DType::F32);
    let columns = logits.dim(-1);
    let own = targets - axis_index("model").cast(targets.dtype()) * columns;
    let here = own.ge(0) & own.lt(columns);
    let chosen = logits.take_along_axis(own.maximum(0).minimum(columns - 1).expand_dims(-1), -1).squeeze(-1);
    let chosen = psum(where_(here, chosen, chosen.like(0.0)), "model");
    let largest = pmax(logits.stop_gradient().max(-1), "model");
    let total = psum((logits - largest.expand_dims(-1)).exp().sum(-1), "model");
    (total.log() + largest - chosen).mean(..)
}
