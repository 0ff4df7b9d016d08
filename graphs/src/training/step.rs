//! What every training step does, whatever is trained and by which loss.
use super::{Metrics, Rewards};
use raxla::{
    DType, Tensor, TensorTree, Tree, full,
    optim::{self, OptState, Optimizer},
    scan,
    trace::fail,
};

/// What a batch gives besides gradients: means over its sequences, f32 scalars.
#[derive(Tree, Clone, Debug)]
pub struct Losses<T = Tensor> {
    /// What is made small.
    pub loss: T,
    /// Of preferences.
    pub rewards: Option<Rewards<T>>,
}
impl Losses {
    /// Of a loss alone.
    pub(super) fn of(loss: Tensor) -> Losses {
        Losses { loss, rewards: None }
    }
    /// Zeros of this many leaves: one, or with rewards three.
    pub(super) fn zeros(rewards: bool) -> Losses {
        let zero = || full([], DType::F32, 0);
        Losses { loss: zero(), rewards: rewards.then(|| Rewards { accuracy: zero(), margin: zero() }) }
    }
}

/// One step of the optimizer by the gradients of these parameters; `gradients` is given the factor that the loss is to be multiplied
/// with, if there is one. `keep`: where they are not finite, all stays as it is (a scale does the same by itself).
pub(super) fn updated<M: TensorTree>(
    optimizer: &Optimizer,
    keep: bool,
    params: M,
    state: OptState,
    gradients: impl Fn(&M, Option<Tensor>) -> (Losses, M),
    value_fn: impl Fn(M) -> Tensor,
) -> (M, OptState, Metrics) {
    let scale = optim::loss_scale(&state);
    let (Losses { loss, rewards }, gradient) = gradients(&params, scale);
    let unscaled = |x: Tensor| scale.map_or(x, |scale| x / scale);
    let (loss, gradient_norm) = (unscaled(loss), unscaled(optim::global_norm(&gradient)));
    let finite = loss.is_finite() & gradient_norm.is_finite();
    let learning_rate = optimizer.learning_rate(&state);
    let (updates, next) = optimizer.update_with(&gradient, state.clone(), &params, loss, value_fn);
    let updated = optim::apply_updates(&params, &updates);
    let (params, state) = match keep && scale.is_none() {
        true => (optim::tree_where(finite, &updated, &params), optim::tree_where(finite, &next, &state)),
        false => (updated, next),
    };
    (params, state, Metrics { loss, gradient_norm, learning_rate, finite, rewards })
}

/// The means of the losses and of the gradients of a batch in `parts` parts, one after the other. Every leaf of the batch has the
/// sequences first; `none` are zeros of what sums are kept in.
pub(super) fn accumulated<M: TensorTree, B: TensorTree>(
    parts: usize,
    batch: B,
    none: (Losses, M),
    gradients: impl Fn(B) -> (Losses, M),
) -> (Losses, M) {
    if parts <= 1 {
        return gradients(batch);
    }
    // (every n-th sequence, so that each device goes through its own)
    let split = |x: &Tensor| {
        let dims = x.dims();
        if dims.first().is_none_or(|n| n % parts != 0) {
            let n = dims.first().copied().unwrap_or_default();
            let reason = format!("a batch of {n} sequences cannot be gone through in {parts} equal parts");
            let help = "choose a multiple of `TrainOptions::accumulate` as the batch".to_string();
            fail("train step", vec![x.aval()], reason, Some(help));
        }
        x.reshape([&[dims[0] / parts, parts], &dims[1..]].concat()).swap_axes(0, 1)
    };
    let each = batch.refill(batch.leaves().iter().map(split).collect::<Vec<_>>());
    let add = |sums: (Losses, M), batch: B| {
        let more = gradients(batch).leaves();
        let added = sums.leaves().into_iter().zip(more).map(|(sum, x)| sum + x.cast(sum.dtype()));
        (sums.refill(added.collect::<Vec<_>>()), ())
    };
    let (sums, ()) = scan(add, none, each);
    sums.refill(sums.leaves().into_iter().map(|sum| sum / parts as f64).collect::<Vec<_>>())
}
