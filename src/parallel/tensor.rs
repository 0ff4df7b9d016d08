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
    prim::{IndexMode, all_gather, all_to_all, axis_index, axis_size, pmax, psum, psum_scatter, trusted},
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

/// The stream at the entrance of the head: with all positions if devices have a part of its columns; if they have all of them,
/// those that it comes with ([`own_positions`]).
#[track_caller]
pub fn enter_head(x: Tensor) -> Tensor {
    match current() {
        Some(p) if p.whole_head => x,
        Some(_) => enter(x),
        None => with_logical_sharding(x, ["batch", "head_length", ""]),
    }
}

/// Of `[b, t, ..]`, the positions for which this device computes what all along `model` could: where a head is whole, it is
/// work divided. All of them if they cannot be divided evenly.
#[track_caller]
pub fn own_positions(x: Tensor) -> Tensor {
    match current() {
        Some(p) if p.model && !p.sequence && x.dim(1).is_multiple_of(axis_size("model")) => part_of_positions(x),
        _ => x,
    }
}

#[track_caller]
fn part_of_positions(x: Tensor) -> Tensor {
    let own = x.dim(1) / axis_size("model");
    x.dynamic_slice_axis(1, axis_index("model") * own, own)
}

/// What attention or an MLP adds to the stream, `[b, t, d]`: the sum of the devices' parts.
#[track_caller]
pub fn leave(y: Tensor) -> Tensor {
    let Some(p) = current() else { return with_logical_sharding(y, ["batch", "norm_length", ""]) };
    match (varies(y, "model"), p.sequence) {
        _ if !p.model => y,
        (true, true) => psum_scatter(y, "model", 1, true),
        (true, false) => psum(y, "model"),
        // all devices have all of it
        (false, true) => part_of_positions(y),
        (false, false) => y,
    }
}

/// Rows of an embedding `[vocab, d]` of which each device may have some, for tokens `[b, t]`.
///
/// Along `fsdp`, devices have some of the columns, and the table is not gathered: each looks up its columns for the tokens of
/// all, and they exchange what they found. So what is sent, and on the way back summed, are activations instead of a table.
#[track_caller]
pub fn embed(table: Tensor, tokens: Tensor) -> Tensor {
    let _at = At::caller();
    let columns = current().is_some_and(|p| p.fsdp) && varies(table, "fsdp");
    let tokens = if columns { all_gather(tokens, "fsdp", 0, true) } else { tokens };
    let found = found(table, tokens);
    leave(if columns { all_to_all(found, "fsdp", 0, 2, true) } else { found })
}

/// Rows of the table; of tokens whose rows another device has, zeros.
fn found(table: Tensor, tokens: Tensor) -> Tensor {
    if current().is_none_or(|p| !p.model) || !varies(table, "model") {
        return table.take_with(tokens, 0, IndexMode::Clip);
    }
    let rows = table.dim(0);
    let own = tokens - axis_index("model").cast(tokens.dtype()) * rows;
    let here = own.ge(0) & own.lt(rows);
    let found = table.take_with(own, 0, IndexMode::Clip);
    where_(here.expand_dims(-1), found, found.like(0.0))
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

/// Mean negative log-likelihood of `targets` `[b, t]` under logits `[b, t, vocab]`, of which each device may have some columns:
/// they are never gathered, only two numbers per token are summed. Or it has the logits of its own positions alone; then the
/// mean is over those.
#[track_caller]
pub fn cross_entropy(logits: Tensor, targets: Tensor) -> Tensor {
    let _at = At::caller();
    let Some(p) = current().filter(|p| p.model) else { return crate::nn::cross_entropy(logits, targets) };
    if p.whole_head && logits.dim(1) != targets.dim(1) {
        return crate::nn::cross_entropy(logits, part_of_positions(targets));
    }
    if p.whole_head || !varies(logits, "model") {
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
