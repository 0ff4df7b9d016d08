//! Connectionist temporal classification: the likelihood of a sequence of labels, over all alignments with longer sequences of logits.
use crate::{
    aval::DType,
    ops::{
        einsum::einsum_n,
        shape::{concat, one_hot},
    },
    prim::{full, scan},
    trace::{At, Tensor, fail},
};

/// What [`ctc_loss_with`] may be told, with optax's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CtcOptions {
    /// The class that is no label: 0.
    pub blank_id: usize,
    /// The logarithm of no probability: -1e5.
    pub log_epsilon: f64,
}
impl Default for CtcOptions {
    fn default() -> CtcOptions {
        CtcOptions { blank_id: 0, log_epsilon: -1e5 }
    }
}

/// The negative log-likelihood of each sequence of labels: Graves et al., 2006. Logits are `[b, t, classes]`, their paddings `[b, t]`
/// (1 where a position is padding, of the dtype of the logits), labels integers `[b, n]`, their paddings `[b, n]`; padding stands at the
/// end. The result is `[b]`. JAX: `optax.ctc_loss`.
///
/// # Errors
/// Fails where shapes do not go together.
#[track_caller]
pub fn ctc_loss(logits: Tensor, logit_paddings: Tensor, labels: Tensor, label_paddings: Tensor) -> Tensor {
    ctc_loss_with(logits, logit_paddings, labels, label_paddings, CtcOptions::default())
}
/// The same with another blank.
#[track_caller]
pub fn ctc_loss_with(
    logits: Tensor,
    logit_paddings: Tensor,
    labels: Tensor,
    label_paddings: Tensor,
    o: CtcOptions,
) -> Tensor {
    ctc_loss_with_forward_probs(logits, logit_paddings, labels, label_paddings, o).0
}
/// The same, and the logarithms of the probabilities of all prefixes at each position: of those that end with a blank `[t, b, n + 1]`, and of
/// those that end with their last label `[t, b, n]`. JAX: `optax.losses.ctc_loss_with_forward_probs`.
///
/// # Errors
/// As [`ctc_loss`].
#[track_caller]
pub fn ctc_loss_with_forward_probs(
    logits: Tensor,
    logit_paddings: Tensor,
    labels: Tensor,
    label_paddings: Tensor,
    o: CtcOptions,
) -> (Tensor, Tensor, Tensor) {
    let _at = At::op("ctc_loss");
    let avals = [logits, logit_paddings, labels, label_paddings].map(|t| t.aval());
    let fits = avals[0].rank() == 3
        && avals[1].dims == avals[0].dims[..2]
        && avals[2].rank() == 2
        && avals[3].dims == avals[2].dims
        && avals[2].dims[0] == avals[0].dims[0];
    if !fits || avals[2].dims[1] == 0 {
        let reason = "the operands must be logits [b, t, classes], paddings [b, t], labels [b, n] and paddings [b, n]";
        fail("ctc_loss", avals.to_vec(), reason, None)
    }
    let (dtype, [b, n], classes) = (logits.dtype(), labels.shape(), logits.dim(-1));
    let (logit_paddings, label_paddings) = (logit_paddings.cast(dtype), label_paddings.cast(dtype));
    let log_p = logits.log_softmax(-1);
    let repeated = labels.slice_axis(1, 0..n - 1).eq(labels.slice_axis(1, 1..n)).cast(dtype);
    let repeated = concat(&[repeated, full([b, 1], dtype, 0)], 1);
    let blank = log_p.slice_axis(2, o.blank_id..o.blank_id + 1).swap_axes(0, 1);
    let emitted = einsum_n("btk,bnk->tbn", &[log_p, one_hot(labels, classes, dtype)]);

    // log-likelihoods of prefixes that end with a blank, or with their last label
    let first = concat(&[full([b, 1], dtype, 0), full([b, n], dtype, o.log_epsilon)], 1);
    let begin = (first, full([b, n], dtype, o.log_epsilon));
    let added = |blanks: Tensor, more: Tensor| {
        concat(&[blanks.slice_axis(1, 0..1), blanks.slice_axis(1, 1..n + 1).logaddexp(more)], 1)
    };
    let step = |(blanks, ends): (Tensor, Tensor), (emit, blank, padding): (Tensor, Tensor, Tensor)| {
        let before = added(blanks, ends + repeated * o.log_epsilon);
        let next_ends = (before.slice_axis(1, 0..n) + emit).logaddexp(ends + emit);
        let next_blanks = added(before + blank, ends + blank + (1.0 - repeated) * o.log_epsilon);
        let padding = padding.expand_dims(1);
        let keep = |old: Tensor, new: Tensor| padding * old + (1.0 - padding) * new;
        let next = (keep(blanks, next_blanks), keep(ends, next_ends));
        (next, next)
    };
    let ((blanks, ends), (all_blanks, all_ends)) = scan(step, begin, (emitted, blank, logit_paddings.swap_axes(0, 1)));
    let lengths = (1.0 - label_paddings).sum(1).round().cast(DType::I32);
    let behind = added(blanks, ends);
    let last = behind.take_along_axis(lengths.expand_dims(1), 1);
    let t = all_blanks.dim(0);
    let all_blanks = if t == 0 { all_blanks } else { all_blanks.at(-1).set(behind) };
    (-last.squeeze(1), all_blanks, all_ends)
}
