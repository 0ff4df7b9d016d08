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
//! there, by the same [`rules`](super::rules).
use super::{divides, is_divided, varies};
use crate::{
    aval::DType,
    mesh::with_logical_sharding,
    ops::where_,
    prim::{IndexMode, all_gather, all_to_all, axis_index, axis_size, pmax, psum, psum_scatter, pvary, trusted},
    trace::{At, Tensor},
};

/// The role of the positions of the stream `[batch, length, _]`, told to the compiler; other arrays stay as they are.
#[track_caller]
fn annotated(x: Tensor, length: &str) -> Tensor {
    if x.aval().rank() == 3 { with_logical_sharding(x, ["batch", length, ""]) } else { x }
}

/// Does `model` divide the positions of the stream between layers?
fn is_sequence() -> bool {
    divides("model", "norm_length")
}

/// Is the head whole on every device of `model`, each of which takes some of the positions?
pub fn is_whole_head() -> bool {
    divides("model", "head_length")
}

/// The stream `[b, t, d]` at the entrance of attention or an MLP, with all positions.
#[track_caller]
pub fn enter(x: Tensor) -> Tensor {
    if is_sequence() { all_gather(x, "model", 1, true) } else { annotated(x, "length") }
}

/// The stream at the entrance of the head: with all positions if devices have a part of its columns; if they have all of them,
/// those that it comes with ([`own_positions`]).
#[track_caller]
pub fn enter_head(x: Tensor) -> Tensor {
    match (is_whole_head(), is_sequence()) {
        (false, true) => enter(x),
        _ => annotated(x, "head_length"),
    }
}

/// The head's weight where it is whole on every device: each uses it for positions of its own.
#[track_caller]
pub(crate) fn of_own_positions(head: Tensor) -> Tensor {
    if is_whole_head() { pvary(head, "model") } else { head }
}

/// Of `[b, t, ..]`, the positions for which this device computes what all along `model` could: where a head is whole, it is
/// work divided. All of them if they cannot be divided evenly.
#[track_caller]
pub fn own_positions(x: Tensor) -> Tensor {
    let divisible = || x.dim(1).is_multiple_of(axis_size("model"));
    if is_whole_head() && !is_sequence() && divisible() { part_of_positions(x) } else { x }
}

#[track_caller]
fn part_of_positions(x: Tensor) -> Tensor {
    let own = x.dim(1) / axis_size("model");
    x.dynamic_slice_axis(1, axis_index("model") * own, own)
}

/// What attention or an MLP adds to the stream, `[b, t, d]`: the sum of the devices' parts.
#[track_caller]
pub fn leave(y: Tensor) -> Tensor {
    match (divides("model", "heads") && varies(y, "model"), is_sequence()) {
        (true, true) => psum_scatter(y, "model", 1, true),
        (true, false) => psum(y, "model"),
        // all devices have all of it
        (false, true) => part_of_positions(y),
        (false, false) => annotated(y, "norm_length"),
    }
}

/// A bias that is added to a product of which each device has a part of the sum: zeros on all devices but the first.
#[track_caller]
pub(crate) fn once(bias: Tensor, product: &[&str]) -> Tensor {
    if !product.iter().any(|role| divides("model", role)) {
        return bias;
    }
    where_(axis_index("model").eq(0), bias, bias.like(0.0))
}

/// The mean over the last `axes` axes of `x`, whose roles these are and of which devices may have parts, with their sizes 1.
#[track_caller]
pub(crate) fn mean_over(x: Tensor, roles: &[&str], parts_of: Tensor) -> Tensor {
    let rank = x.aval().rank();
    let mean = (rank - roles.len()..rank).fold(x, |x, axis| x.mean_keep(axis as isize));
    if is_divided(parts_of, roles, "model") { crate::prim::pmean(mean, "model") } else { mean }
}

/// Of keys or values `[b, s, kv_heads, k]` that every device along `model` has whole, while it has only some of the query heads
/// `[b, t, heads, k]`: those that its queries attend to. All of them where key/value heads are divided like the queries'.
#[track_caller]
pub(crate) fn kv_heads_of(q: Tensor, kv: Tensor, are_whole: bool) -> Tensor {
    let (heads, groups) = (q.dim(2), kv.dim(2));
    if !are_whole || groups == 1 || !divides("model", "heads") || !varies(q, "model") {
        return kv;
    }
    let devices = axis_size("model");
    // the key/value head of this device's query head `i` is the one of head `index * heads + i` of all
    let first = axis_index("model") * heads;
    let per_group = heads * devices / groups;
    if per_group.is_multiple_of(heads) {
        return kv.dynamic_slice_axis(2, first / per_group, 1);
    }
    let number = crate::prim::iota([heads], DType::I32, 0) + first;
    kv.take_with(number / per_group, 2, IndexMode::Clip)
}

/// Rows of an embedding `[vocab, d]` of which each device may have some, for tokens `[b, t]`.
///
/// Along `fsdp`, devices have some of the columns, and the table is not gathered: each looks up its columns for the tokens of
/// all, and they exchange what they found. So what is sent, and on the way back summed, are activations instead of a table.
#[track_caller]
pub fn embed(table: Tensor, tokens: Tensor) -> Tensor {
    let _at = At::op("embed");
    let columns = is_divided(table, &["embed"], "fsdp");
    let tokens = if columns { all_gather(tokens, "fsdp", 0, true) } else { tokens };
    let found = found(table, tokens);
    leave(if columns { all_to_all(found, "fsdp", 0, 2, true) } else { found })
}

/// Rows of the table; of tokens whose rows another device has, zeros.
fn found(table: Tensor, tokens: Tensor) -> Tensor {
    if !is_divided(table, &["vocab"], "model") {
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
    let _at = At::op("whole");
    if !is_divided(logits, &["vocab"], "model") {
        return logits;
    }
    let columns = logits.dims().len() - 1;
    trusted(all_gather(logits, "model", columns, true), "model")
}

/// What is learned of each token besides its likelihood.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenLoss {
    /// How much the square of the logarithm of the softmax's sum counts: 1e-4 keeps logits near 0 (Chowdhery et al., 2022; arXiv
    /// 2204.02311).
    pub z_loss: f64,
    /// Which part of each target is spread over all tokens alike (Szegedy et al., 2015; arXiv 1512.00567).
    pub label_smoothing: f64,
}

/// As [`cross_entropy`], with other terms; the loss of each token times its weight, f32 `[b, t]`.
#[track_caller]
pub fn cross_entropy_with(logits: Tensor, targets: Tensor, weights: Option<Tensor>, options: TokenLoss) -> Tensor {
    if weights.is_none() && options == TokenLoss::default() {
        return cross_entropy(logits, targets);
    }
    let _at = At::op("cross_entropy");
    let (targets, weights) = match is_whole_head() && logits.dim(1) != targets.dim(1) {
        true => (part_of_positions(targets), weights.map(part_of_positions)),
        false => (targets, weights),
    };
    let logits = logits.cast(DType::F32);
    let divided = !is_whole_head() && is_divided(logits, &["vocab"], "model");
    let (chosen, log_sum, sum, vocab) = match divided {
        true => {
            let (chosen, log_sum) = over_columns(logits, targets);
            (chosen, log_sum, psum(logits.sum(-1), "model"), logits.dim(-1) * axis_size("model"))
        }
        false => {
            let chosen = logits.take_along_axis(targets.expand_dims(-1), -1).squeeze(-1);
            (chosen, logits.logsumexp(-1), logits.sum(-1), logits.dim(-1))
        }
    };
    let TokenLoss { z_loss, label_smoothing } = options;
    let expected = match label_smoothing != 0.0 {
        true => chosen * (1.0 - label_smoothing) + sum * (label_smoothing / vocab as f64),
        false => chosen,
    };
    let loss = log_sum - expected;
    let loss = if z_loss != 0.0 { loss + log_sum.powi(2) * z_loss } else { loss };
    weights.map_or(loss, |weights| loss * weights).mean(..)
}

/// Of logits of which each device has some columns: that of each target, and the logarithm of the softmax's sum.
fn over_columns(logits: Tensor, targets: Tensor) -> (Tensor, Tensor) {
    let columns = logits.dim(-1);
    let own = targets - axis_index("model").cast(targets.dtype()) * columns;
    let here = own.ge(0) & own.lt(columns);
    let chosen = logits.take_along_axis(own.maximum(0).minimum(columns - 1).expand_dims(-1), -1).squeeze(-1);
    let chosen = psum(where_(here, chosen, chosen.like(0.0)), "model");
    (chosen, log_of_sum(logits))
}

/// Mean negative log-likelihood of `targets` `[b, t]` under logits `[b, t, vocab]`, of which each device may have some columns:
/// they are never gathered, only two numbers per token are summed. Or it has the logits of its own positions alone; then the
/// mean is over those.
#[track_caller]
pub fn cross_entropy(logits: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("cross_entropy");
    token_losses(logits, targets).mean(..)
}

/// As [`cross_entropy`], of each token: `[b, t]`, or of this device's own positions.
#[track_caller]
pub fn token_losses(logits: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("cross_entropy");
    let targets = positions_of(targets, logits);
    if is_whole_head() || !is_divided(logits, &["vocab"], "model") {
        return crate::nn::token_losses(logits, targets);
    }
    let (chosen, log_sum) = over_columns(logits.cast(DType::F32), targets);
    log_sum - chosen
}

/// The part of `[b, t]` that belongs to the positions of `logits` `[b, _, vocab]`: this device's own, if these are not all.
#[track_caller]
pub fn positions_of(x: Tensor, logits: Tensor) -> Tensor {
    if is_whole_head() && logits.dim(1) != x.dim(1) { part_of_positions(x) } else { x }
}

/// The logarithms of probabilities under logits `[.., vocab]`, of which each device may have some columns: those same columns.
#[track_caller]
pub fn log_softmax(logits: Tensor) -> Tensor {
    let _at = At::op("log_softmax");
    match is_whole_head() || !is_divided(logits, &["vocab"], "model") {
        true => logits - logits.logsumexp(-1).expand_dims(-1),
        false => logits - log_of_sum(logits).expand_dims(-1),
    }
}
/// The sum over the vocabulary of `x` `[.., vocab]`, of which each device may have some columns.
#[track_caller]
pub fn sum_over_vocab(x: Tensor) -> Tensor {
    let sum = x.sum(-1);
    if !is_whole_head() && is_divided(x, &["vocab"], "model") { psum(sum, "model") } else { sum }
}
/// The logarithm of the sum of exponentials over columns that devices share.
fn log_of_sum(logits: Tensor) -> Tensor {
    let largest = pmax(logits.stop_gradient().max(-1), "model");
    psum((logits - largest.expand_dims(-1)).exp().sum(-1), "model").log() + largest
}

/// A sum over axes of these roles: of the devices' parts of it, where `of`, that has these axes, is divided along them.
#[track_caller]
pub(crate) fn sum_of_parts(sum: Tensor, of: Tensor, roles: &[&str]) -> Tensor {
    if is_divided(of, roles, "model") { psum(sum, "model") } else { sum }
}
