//! What every training step does, whatever is trained and by which loss.
use super::Metrics;
use raxla::{
    DType, Tensor, TensorTree, full,
    optim::{self, OptState, Optimizer},
    scan,
    trace::fail,
};

/// One step of the optimizer by the gradients of these parameters; `gradients` is given the factor that the loss is to be multiplied
/// with, if there is one. `keep`: where they are not finite, all stays as it is (a scale does the same by itself).
pub(super) fn updated<M: TensorTree>(
    optimizer: &Optimizer,
    keep: bool,
    params: M,
    state: OptState,
    gradients: impl Fn(&M, Option<Tensor>) -> (Tensor, M),
    value_fn: impl Fn(M) -> Tensor,
) -> (M, OptState, Metrics) {
    let scale = optim::loss_scale(&state);
    let (loss, gradient) = gradients(&params, scale);
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
    (params, state, Metrics { loss, gradient_norm, learning_rate, finite })
}

/// The means of the losses and of the gradients of a batch in `parts` parts, one after the other. Every leaf of the batch has the
/// sequences first; `none` are zeros of what sums are kept in.
pub(super) fn accumulated<M: TensorTree, B: TensorTree>(
    parts: usize,
    batch: B,
    none: M,
    gradients: impl Fn(B) -> (Tensor, M),
) -> (Tensor, M) {
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
    let add = |(loss, sum): (Tensor, M), batch: B| {
        let (more, gradient) = gradients(batch);
        let sums = sum.leaves().into_iter().zip(gradient.leaves()).map(|(sum, g)| sum + g.cast(sum.dtype()));
        ((loss + more, sum.refill(sums.collect::<Vec<_>>())), ())
    };
    let ((loss, sum), ()) = scan(add, (full([], DType::F32, 0), none), each);
    (loss / parts as f64, sum.refill(sum.leaves().into_iter().map(|g| g / parts as f64)))
}
