//! Losses of scores of classes.
use super::Over;
use crate::{
    ops::where_,
    trace::{At, Tensor, fail},
};

/// `-Σ labels ln softmax(logits)` of `[.., classes]` each: `[..]`. Labels are distributions. JAX: `optax.softmax_cross_entropy`.
#[track_caller]
pub fn softmax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor {
    softmax_cross_entropy_with(logits, labels, Over::default())
}
/// The same over another axis, of some classes.
#[track_caller]
pub fn softmax_cross_entropy_with(logits: Tensor, labels: Tensor, over: Over) -> Tensor {
    let _at = At::op("softmax_cross_entropy");
    let log_p = over.seen(logits, 0.0) - over.log_normalizer(logits);
    -over.sum(labels * log_p)
}

/// The same for logits of which some are -∞: classes of probability 0 with labels of 0 count nothing. JAX:
/// `optax.safe_softmax_cross_entropy`.
#[track_caller]
pub fn safe_softmax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor {
    let _at = At::op("safe_softmax_cross_entropy");
    let counts = labels.ne(0.0);
    let log_p = where_(counts, logits, 0.0) - logits.logsumexp_keep(-1);
    -where_(counts, labels * log_p, 0.0).sum(-1)
}

/// `-ln softmax(logits)[label]` of logits `[.., classes]` and integers `[..]`: `[..]`. JAX:
/// `optax.softmax_cross_entropy_with_integer_labels`.
///
/// # Errors
/// Fails where labels are no integers, or not of the shape of the logits without the axis.
#[track_caller]
pub fn softmax_cross_entropy_with_integer_labels(logits: Tensor, labels: Tensor) -> Tensor {
    softmax_cross_entropy_with_integer_labels_with(logits, labels, Over::default())
}
/// The same over another axis, of some classes; examples of which none is seen have a loss of 0.
#[track_caller]
pub fn softmax_cross_entropy_with_integer_labels_with(logits: Tensor, labels: Tensor, over: Over) -> Tensor {
    let _at = At::op("softmax_cross_entropy_with_integer_labels");
    let axis = logits.axis(over.axis) as isize;
    let mut dims = logits.dims();
    dims.remove(axis as usize);
    if dims != labels.dims() || !labels.dtype().is_int() {
        let reason = format!("the labels must be integers of the shape {dims:?}, one for each row of logits");
        fail("softmax_cross_entropy_with_integer_labels", vec![logits.aval(), labels.aval()], reason, None)
    }
    let over = Over { axis, ..over };
    let chosen = logits.take_along_axis(labels.expand_dims(axis), axis).squeeze(axis);
    let loss = over.log_normalizer(logits).squeeze(axis) - chosen;
    over.mask_of(logits).map_or(loss, |mask| where_(mask.any(axis), loss, 0.0))
}

/// `(ln Σ e^logits)²`: added to a cross-entropy with a small factor (1e-4), it keeps logits near 0. Chowdhery et al., 2022, "PaLM"
/// (arXiv 2204.02311).
#[track_caller]
pub fn z_loss(logits: Tensor) -> Tensor {
    let _at = At::op("z_loss");
    logits.logsumexp(-1).powi(2)
}

/// ln(1 / (1 + e⁻ˣ)).
fn log_sigmoid(x: Tensor) -> Tensor {
    -x.like(0.0).logaddexp(-x)
}
/// The negative log-likelihood of each label (0, 1, or between) under the logistic function of its logit. JAX:
/// `optax.sigmoid_binary_cross_entropy`.
#[track_caller]
pub fn sigmoid_binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor {
    let _at = At::op("sigmoid_binary_cross_entropy");
    let labels = labels.cast(logits.dtype());
    -(labels * log_sigmoid(logits)) - (1.0 - labels) * log_sigmoid(-logits)
}

/// The same, with less weight on what is classified well: Lin et al., 2017 (arXiv 1708.02002). optax's `gamma` is 2; `alpha` is the
/// weight of positive labels. JAX: `optax.sigmoid_focal_loss`.
#[track_caller]
pub fn sigmoid_focal_loss(logits: Tensor, labels: Tensor, alpha: Option<f64>, gamma: f64) -> Tensor {
    let _at = At::op("sigmoid_focal_loss");
    let labels = labels.cast(logits.dtype());
    let (log_p, log_q) = (log_sigmoid(logits), log_sigmoid(-logits));
    // (labels between 0 and 1 mix both; a logarithm of 0 must not be differentiated)
    let (none, whole) = (labels.eq(0.0), labels.eq(1.0));
    let part = where_(none | whole, labels.like(0.5), labels);
    let mixed = (log_p + (1.0 - part).log()).logaddexp(log_q + part.log());
    let log_wrong = where_(none, log_p, where_(whole, log_q, mixed));
    let loss = sigmoid_binary_cross_entropy(logits, labels) * (log_wrong * gamma).exp();
    alpha.map_or(loss, |alpha| (labels * alpha + (1.0 - labels) * (1.0 - alpha)) * loss)
}

/// `max(0, 1 - outputs · targets)`; targets are -1 and 1. JAX: `optax.hinge_loss`.
#[track_caller]
pub fn hinge_loss(outputs: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("hinge_loss");
    (1.0 - outputs * targets).maximum(0.0)
}

/// The cross-entropy and `epsilon` (optax's: 2) times the probability of what the labels are not: Leng et al., 2022 (arXiv
/// 2204.12511). JAX: `optax.poly_loss_cross_entropy`.
#[track_caller]
pub fn poly_loss_cross_entropy(logits: Tensor, labels: Tensor, epsilon: f64) -> Tensor {
    poly_loss_cross_entropy_with(logits, labels, epsilon, Over::default())
}
/// The same over another axis, of some classes.
#[track_caller]
pub fn poly_loss_cross_entropy_with(logits: Tensor, labels: Tensor, epsilon: f64, over: Over) -> Tensor {
    let _at = At::op("poly_loss_cross_entropy");
    let p = (over.seen(logits, f64::NEG_INFINITY) - over.log_normalizer(logits)).exp();
    softmax_cross_entropy_with(logits, labels, over) + over.sum(labels * (1.0 - p)) * epsilon
}

/// `Σ targets (ln targets - log_predictions)`; targets of 0 count nothing. JAX: `optax.kl_divergence`.
#[track_caller]
pub fn kl_divergence(log_predictions: Tensor, targets: Tensor) -> Tensor {
    kl_divergence_with(log_predictions, targets, Over::default())
}
/// The same over another axis, of some elements.
#[track_caller]
pub fn kl_divergence_with(log_predictions: Tensor, targets: Tensor, over: Over) -> Tensor {
    let _at = At::op("kl_divergence");
    let none = targets.eq(0.0);
    let log_targets = where_(none, 0.0 * targets, where_(none, targets.like(1.0), targets).log());
    over.sum(targets * (log_targets - log_predictions))
}
/// The same of logarithms of targets. JAX: `optax.kl_divergence_with_log_targets`.
#[track_caller]
pub fn kl_divergence_with_log_targets(log_predictions: Tensor, log_targets: Tensor) -> Tensor {
    let _at = At::op("kl_divergence_with_log_targets");
    (log_targets.exp() * (log_targets - log_predictions)).sum(-1)
}

/// Labels `[.., classes]`, of which the part `alpha` is spread over all classes. JAX: `optax.smooth_labels`.
#[track_caller]
pub fn smooth_labels(labels: Tensor, alpha: f64) -> Tensor {
    let _at = At::op("smooth_labels");
    labels * (1.0 - alpha) + alpha / labels.dim(-1).max(1) as f64
}
