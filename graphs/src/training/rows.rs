//! The rows of a batch, as the training step takes them.
use crate::models::Packed;
use raxla::{Array, DType, Result, Tensor, Tree, runtime::Client};

/// Rows of tokens: whole documents of one each, or several documents in a row, and what is learned of them.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Rows<T = Tensor> {
    /// i32 `[b, t + 1]`: inputs are all but the last of each row, targets all but the first.
    pub tokens: T,
    /// Of the inputs, where rows hold several documents.
    pub packed: Option<Packed<T>>,
    /// For each target, f32 `[b, t]`, how much it counts, in proportion to all others of the batch; 0 for what is not learned. `None`: all
    /// alike.
    pub weights: Option<T>,
}

impl<T> Rows<T> {
    /// Rows that are one document each, of which everything is learned.
    pub fn whole(tokens: T) -> Rows<T> {
        Rows { tokens, packed: None, weights: None }
    }
}

impl Rows<Array> {
    /// A batch of a loader, on a device. `segments` says whether rows hold several documents; else each is one, with padding behind it at
    /// most, which nothing of it sees.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn on(client: &Client, batch: &raxla_data::Batch, segments: bool) -> Result<Rows<Array>> {
        let ints = |values: &[i32]| Array::on(client, batch.dims(), values);
        let packed = || -> Result<Packed<Array>> { Ok(Packed { segments: ints(&batch.segment_ids)?, positions: ints(&batch.positions)? }) };
        Ok(Rows {
            tokens: Array::on(client, batch.token_dims(), &batch.tokens)?,
            packed: segments.then(packed).transpose()?,
            weights: Some(Array::on(client, batch.dims(), &batch.loss_mask)?),
        })
    }
}

impl Rows {
    /// With weights of a mean of 1, so that the mean of losses times weights is the weighted mean of losses, however the rows are
    /// divided over devices and microbatches of equal size.
    pub(super) fn normalised(self) -> Rows {
        let one = |w: Tensor| {
            let sum = w.cast(DType::F32).sum(..);
            w * (w.size() as f64 / sum.maximum(f64::from(f32::MIN_POSITIVE)))
        };
        Rows { weights: self.weights.map(one), ..self }
    }
    /// Inputs and targets.
    pub(super) fn batch(self) -> Batch {
        let n = self.tokens.dim(1) - 1;
        let (inputs, targets) = (self.tokens.slice_axis(1, 0..n), self.tokens.slice_axis(1, 1..n + 1));
        Batch { inputs, packed: self.packed, targets: Targets { tokens: targets, weights: self.weights } }
    }
}

/// What the model is given, and what it is to say.
#[derive(Tree, Clone, Debug)]
pub(super) struct Batch<T = Tensor> {
    /// i32 `[b, t]`
    pub inputs: T,
    /// See [`Rows::packed`].
    pub packed: Option<Packed<T>>,
    /// What is to be said.
    pub targets: Targets<T>,
}

/// What the model is to say.
#[derive(Tree, Clone, Debug)]
pub(super) struct Targets<T = Tensor> {
    /// i32 `[b, t]`
    pub tokens: T,
    /// f32 `[b, t]`, with a mean of 1 in the whole batch.
    pub weights: Option<T>,
}
