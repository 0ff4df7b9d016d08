//! Losses with optax's names: of each example, to be averaged by the caller.
//!
//! ```
//! use raxla::{optim::losses, prelude::*};
//! let f = jit(|logits: Tensor, labels: Tensor| {
//!     let each = losses::softmax_cross_entropy_with_integer_labels(logits, labels); // [batch]
//!     (each.mean(0), losses::z_loss(logits).mean(0) * 1e-4)
//! });
//! let logits = Array::from_slice([2, 3], &[1f32, 0., 0., 0., 0., 0.])?;
//! let (loss, z) = f.call((&logits, &Array::from_slice([2], &[0i32, 2])?))?;
//! assert!((loss.item::<f32>()? - (0.5514447 + 1.0986123) / 2.0).abs() < 1e-6 && z.item::<f32>()? > 0.0);
//! # Ok::<(), raxla::Error>(())
//! ```
//! Sums run over the last axis, and over all of its elements; the functions that end in `_with` take another axis, and a mask.
//! [`nn::cross_entropy`](crate::nn::cross_entropy) is the mean in f32 that language models are trained with.
mod classification;
mod ctc;
mod regression;
mod structured;
pub use classification::{
    hinge_loss, kl_divergence, kl_divergence_with, kl_divergence_with_log_targets, poly_loss_cross_entropy,
    poly_loss_cross_entropy_with, safe_softmax_cross_entropy, sigmoid_binary_cross_entropy, sigmoid_focal_loss,
    smooth_labels, softmax_cross_entropy, softmax_cross_entropy_with, softmax_cross_entropy_with_integer_labels,
    softmax_cross_entropy_with_integer_labels_with, z_loss,
};
pub use ctc::{CtcOptions, ctc_loss, ctc_loss_with, ctc_loss_with_forward_probs};
pub use regression::{
    cosine_distance, cosine_similarity, cosine_similarity_with, huber_loss, l2_loss, log_cosh, squared_error,
};
pub use structured::{
    Dice, Triplet, binary_dice_loss, dice_loss, generalized_kl_divergence, make_fenchel_young_loss,
    multiclass_generalized_dice_loss, multiclass_hinge_loss, multiclass_perceptron_loss, multiclass_sparsemax_loss,
    ntxent, perceptron_loss, ranking_softmax_loss, sparsemax, sparsemax_loss, triplet_margin_loss,
};

use crate::{ops::where_, trace::Tensor};

/// Over which axis a loss sums, and which elements it sees: optax's arguments `axis` and `where`.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// The axis: -1, the last.
    pub axis: isize,
    /// Bools of the operands' shape, or of that without the axis; `None`: all elements.
    pub mask: Option<Tensor>,
}
impl Default for Over {
    fn default() -> Over {
        Over { axis: -1, mask: None }
    }
}
impl Over {
    /// The mask in the shape of the operand.
    fn mask_of(&self, x: Tensor) -> Option<Tensor> {
        let mask = self.mask?;
        let mask = if mask.rank() == x.rank() { mask } else { mask.expand_dims(self.axis) };
        Some(mask.broadcast_to(x.dims()))
    }
    /// The elements that are seen, and this number in place of the others.
    fn seen(&self, x: Tensor, other: f64) -> Tensor {
        self.mask_of(x).map_or(x, |mask| where_(mask, x, other))
    }
    /// The sum of the elements that are seen.
    fn sum(&self, x: Tensor) -> Tensor {
        self.seen(x, 0.0).sum(self.axis)
    }
    /// ln Σ eˣ of the elements that are seen, with an axis of size 1; 0 of none.
    fn log_normalizer(&self, x: Tensor) -> Tensor {
        let sum = self.seen(x, f64::NEG_INFINITY).logsumexp_keep(self.axis);
        match self.mask {
            Some(_) => where_(sum.is_finite() | sum.gt(0.0), sum, 0.0),
            None => sum,
        }
    }
}
