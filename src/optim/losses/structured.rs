//! Losses of rankings, margins, pairs, and segmented images.
//!
//! ```
//! use raxla::{optim::losses, prelude::*};
//! let f = jit(|scores: Tensor, labels: Tensor| losses::multiclass_hinge_loss(scores, labels));
//! let scores = Array::from_slice([1, 3], &[2f32, 0.5, 1.5])?;
//! assert_eq!(f.call((&scores, Array::from_slice([1], &[0i32])?))?.to_vec::<f32>()?, [0.5]);
//! # Ok::<(), raxla::Error>(())
//! ```
use super::{Over, cosine_similarity_with, kl_divergence};
use crate::{
    ops::{
        reduce::Axes,
        shape::{concat, eye, one_hot},
        where_,
    },
    prim::{composite_jvp, cumsum, iota},
    trace::{At, Tensor, fail},
};

/// `max(0, -outputs · targets)`; targets are -1 and 1. JAX: `optax.perceptron_loss`.
#[track_caller]
pub fn perceptron_loss(outputs: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("perceptron_loss");
    (-outputs * targets).maximum(0.0)
}
/// How much the largest score of another class, plus 1, is above that of the label: scores `[.., classes]`, integers `[..]`. JAX:
/// `optax.multiclass_hinge_loss`.
#[track_caller]
pub fn multiclass_hinge_loss(scores: Tensor, labels: Tensor) -> Tensor {
    let _at = At::op("multiclass_hinge_loss");
    let right = one_hot(labels, scores.dim(-1), scores.dtype());
    (scores + 1.0 - right).max(-1) - (scores * right).sum(-1)
}
/// How much the largest score is above that of the label. JAX: `optax.multiclass_perceptron_loss`.
#[track_caller]
pub fn multiclass_perceptron_loss(scores: Tensor, labels: Tensor) -> Tensor {
    let _at = At::op("multiclass_perceptron_loss");
    scores.max(-1) - (scores * one_hot(labels, scores.dim(-1), scores.dtype())).sum(-1)
}
/// The loss of a logit whose probability is [`sparse_sigmoid`](crate::nn::sparse_sigmoid): labels are 0 and 1 (Blondel et al., 2020). JAX:
/// `optax.sparsemax_loss`.
#[track_caller]
pub fn sparsemax_loss(logits: Tensor, labels: Tensor) -> Tensor {
    let _at = At::op("sparsemax_loss");
    crate::nn::sparse_plus(where_(labels.ne(0), -logits, logits))
}
/// The nearest probabilities to scores along the last axis, of which many are 0: sparsemax (Martins and Astudillo, 2016; arXiv
/// 1602.02068). JAX: `optax.projections.projection_simplex`.
#[track_caller]
pub fn sparsemax(scores: Tensor) -> Tensor {
    let _at = At::op("sparsemax");
    let value = |x: Tensor| {
        let (last, n) = (x.rank() - 1, x.dim(-1));
        let falling = x.sort(-1).flip(-1);
        let share = 1.0 / (iota([n], x.dtype(), 0) + 1.0);
        let sums = (cumsum(falling, last, false) - 1.0) * share;
        let count = (falling - sums).gt(0.0).sum_keep(-1);
        (x - sums.take_along_axis(count - 1, -1)).maximum(0.0)
    };
    let rule = |x: Tensor, dx: Tensor| {
        let y = value(x);
        let seen = y.gt(0.0).cast(x.dtype());
        (y, seen * (dx - (seen * dx).sum_keep(-1) / seen.sum_keep(-1)))
    };
    composite_jvp(value, rule)(scores)
}
/// The loss whose derivative is [`sparsemax`] less the label: scores `[.., classes]`, integers `[..]`. JAX:
/// `optax.multiclass_sparsemax_loss`.
#[track_caller]
pub fn multiclass_sparsemax_loss(scores: Tensor, labels: Tensor) -> Tensor {
    let _at = At::op("multiclass_sparsemax_loss");
    let p = sparsemax(scores);
    let right = one_hot(labels, scores.dim(-1), scores.dtype());
    let above = scores - (scores * right).sum_keep(-1);
    (p * where_(p.gt(0.0), above, 0.0)).sum(-1) + (1.0 - (p * p).sum(-1)) * 0.5
}
/// The loss of a function that is the largest value of something over distributions, such as `logsumexp` (Blondel et al., 2020; arXiv
/// 1901.02324): of scores and targets `[.., n]`. JAX: `optax.losses.make_fenchel_young_loss`.
pub fn make_fenchel_young_loss(max_fun: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor, Tensor) -> Tensor {
    move |scores, targets| {
        let lines = scores.reshape([scores.size() / scores.dim(-1).max(1), scores.dim(-1)]);
        let most = crate::vmap(|x: Tensor| max_fun(x))(lines);
        let products = (targets * scores).sum(-1);
        most.reshape(products.dims()) - products
    }
}
/// `Σ targets (ln targets - log_predictions) + e^log_predictions - targets`: of what need not sum to 1. JAX:
/// `optax.losses.generalized_kl_divergence`.
#[track_caller]
pub fn generalized_kl_divergence(log_predictions: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("generalized_kl_divergence");
    kl_divergence(log_predictions, targets) + (log_predictions.exp() - targets).sum(-1)
}
/// The cross-entropy of a list of items `[.., items]` with their relevance, each list by itself: optax's with `reduce_fn=None`. Items that the
/// mask hides do not count. JAX: `optax.losses.ranking_softmax_loss`.
#[track_caller]
pub fn ranking_softmax_loss(logits: Tensor, labels: Tensor, mask: Option<Tensor>, weights: Option<Tensor>) -> Tensor {
    let _at = At::op("ranking_softmax_loss");
    let labels = labels.cast(logits.dtype());
    let over = Over { mask, ..Default::default() };
    let labels = weights.map_or(labels, |w| labels * w);
    let log_p = over.seen(logits, 0.0) - over.log_normalizer(logits);
    -over.sum(labels * log_p)
}

/// Options of [`triplet_margin_loss`], with optax's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Triplet {
    /// The axis of the vectors: -1.
    pub axis: isize,
    /// The norm of their distances: 2.
    pub norm_degree: f64,
    /// By how much negatives are to be further away than positives: 1.
    pub margin: f64,
    /// What is added to sums of powers: 1e-6.
    pub eps: f64,
}
impl Default for Triplet {
    fn default() -> Triplet {
        Triplet { axis: -1, norm_degree: 2.0, margin: 1.0, eps: 1e-6 }
    }
}
/// How much further anchors are from positives than from negatives, plus a margin; 0 at least. JAX: `optax.losses.triplet_margin_loss`.
#[track_caller]
pub fn triplet_margin_loss(anchors: Tensor, positives: Tensor, negatives: Tensor, o: Triplet) -> Tensor {
    let _at = At::op("triplet_margin_loss");
    let power = |x: Tensor| if o.norm_degree == 2.0 { x * x } else { x.pow(o.norm_degree) };
    let distance = |x: Tensor| (power(anchors - x).sum(o.axis) + o.eps).pow(1.0 / o.norm_degree);
    (distance(positives) - distance(negatives) + o.margin).maximum(0.0)
}
/// Normalized, temperature-scaled cross-entropy of embeddings `[b, d]` of which those with equal labels `[b]` belong together (Chen et
/// al., 2020; arXiv 2002.05709): the mean over such pairs. optax's temperature is 0.07. JAX: `optax.losses.ntxent`.
///
/// # Errors
/// Other numbers of labels than of embeddings.
#[track_caller]
pub fn ntxent(embeddings: Tensor, labels: Tensor, temperature: f64) -> Tensor {
    let _at = At::op("ntxent");
    let n = embeddings.dim(0);
    if labels.dims() != [n] {
        let help = "give one label per embedding";
        fail(
            "ntxent",
            vec![embeddings.aval(), labels.aval()],
            "labels and embeddings differ in number",
            Some(help.into()),
        )
    }
    let epsilon = if embeddings.dtype() == crate::DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let (a, b) = (embeddings.expand_dims(0).repeat(n, 0), embeddings.expand_dims(1).repeat(n, 1));
    let near = cosine_similarity_with(a, b, epsilon, Over::default()) / temperature;
    let same = labels.expand_dims(1).eq(labels.expand_dims(0));
    let matches = same & !eye(n, crate::DType::Bool);
    let [others, pairs] = [!same, matches].map(|mask| where_(mask, near, near.like(f64::NEG_INFINITY)));
    let most = concat(&[others, pairs], -1).max_keep(1).stop_gradient();
    let sum = (others - most).exp().sum_keep(1) + (pairs - most).exp();
    let log_p = where_(matches, near - most, 0.0) - where_(matches, sum, 1.0).log();
    -where_(matches, log_p, 0.0).sum(..) / matches.sum(..).cast(near.dtype())
}

/// Options of [`dice_loss`], with optax's names and defaults.
#[derive(Clone, Debug)]
pub struct Dice {
    /// A weight per class, `[classes]`.
    pub class_weights: Option<Tensor>,
    /// What is added to both parts of the quotient: 1.
    pub smooth: f64,
    /// The weight of false positives: one half.
    pub alpha: f64,
    /// The weight of false negatives: one half.
    pub beta: f64,
    /// Are predictions logits? Yes: of one class to be made probabilities by the logistic function, of several by the softmax.
    pub apply_softmax: bool,
    /// Is the first class left out?
    pub ignore_background: bool,
    /// The axes that are summed over; by default all but the first and the last.
    pub axes: Option<Axes>,
}
impl Default for Dice {
    fn default() -> Dice {
        Dice {
            class_weights: None,
            smooth: 1.0,
            alpha: 0.5,
            beta: 0.5,
            apply_softmax: true,
            ignore_background: false,
            axes: None,
        }
    }
}
/// One minus the share of an image's pixels in which prediction and target agree, for each class: predictions and targets
/// `[b, pixels.., classes]`, results `[b, classes]`: optax's with `reduction="none"`, of which it gives the mean over classes (Milletari et
/// al., 2016; arXiv 1606.04797). JAX: `optax.losses.dice_loss`.
///
/// # Errors
/// Different shapes.
#[track_caller]
pub fn dice_loss(predictions: Tensor, targets: Tensor, o: Dice) -> Tensor {
    let _at = At::op("dice_loss");
    if predictions.dims() != targets.dims() || predictions.rank() < 2 {
        let help = "both are `[b, pixels.., classes]`";
        fail("dice_loss", vec![predictions.aval(), targets.aval()], "the shapes differ", Some(help.into()))
    }
    let p = match (o.apply_softmax, predictions.dim(-1)) {
        (false, _) => predictions,
        (true, 1) => predictions.logistic(),
        (true, _) => predictions.softmax(-1),
    };
    let axes = o.axes.unwrap_or_else(|| (1..p.rank() as isize - 1).collect::<Vec<_>>().into());
    let [both, predicted, wanted] = [p * targets, p, targets].map(|x| x.sum(axes.clone()));
    let whole = both + (predicted - both) * o.alpha + (wanted - both) * o.beta + o.smooth;
    let loss = 1.0 - (both + o.smooth) / whole;
    let loss = o.class_weights.map_or(loss, |w| loss * w);
    if o.ignore_background && loss.dim(-1) > 1 { loss.slice_axis(-1, 1..) } else { loss }
}
/// [`dice_loss`] with weights that are the inverse squared frequencies of classes: the mean over batch and classes (Sudre et al., 2017;
/// arXiv 1707.03237). JAX: `optax.losses.multiclass_generalized_dice_loss`.
#[track_caller]
pub fn multiclass_generalized_dice_loss(predictions: Tensor, targets: Tensor, o: Dice) -> Tensor {
    let _at = At::op("multiclass_generalized_dice_loss");
    let frequency = targets.sum((0..targets.rank() as isize - 1).collect::<Vec<_>>());
    let weights = 1.0 / (frequency * frequency + 1e-7);
    let weights = weights / weights.sum(0) * weights.dim(0);
    dice_loss(predictions, targets, Dice { class_weights: Some(weights), ..o }).mean(..)
}
/// [`dice_loss`] of one class, `[b, pixels..]`: `[b]`. JAX: `optax.losses.binary_dice_loss`.
#[track_caller]
pub fn binary_dice_loss(predictions: Tensor, targets: Tensor, smooth: f64, apply_sigmoid: bool) -> Tensor {
    let _at = At::op("binary_dice_loss");
    let [p, t] = [predictions, targets].map(|x| x.expand_dims(-1));
    dice_loss(p, t, Dice { smooth, apply_softmax: apply_sigmoid, ..Default::default() }).mean(-1)
}
