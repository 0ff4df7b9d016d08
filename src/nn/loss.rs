//! Losses.
use crate::{
    TensorTree,
    aval::DType,
    mesh::AxisSet,
    ops::shape::concat,
    prim::{custom_vjp, full, scan},
    trace::{At, Tensor, fail},
    transform::value_and_grad,
};

/// Mean negative log-likelihood of `targets` (integers `[..]`) under `logits` (`[.., vocab]`), computed in f32 at least.
///
/// # Errors
/// Fails where `targets` are no integers, or not of the shape of `logits` without its last axis.
#[track_caller]
pub fn cross_entropy(logits: Tensor, targets: Tensor) -> Tensor {
    token_losses(logits, targets).mean(..)
}

/// As [`cross_entropy`], of each token: f32, of the shape of `targets`.
#[track_caller]
pub fn token_losses(logits: Tensor, targets: Tensor) -> Tensor {
    let _at = At::op("cross_entropy");
    let (l, t) = (logits.aval(), targets.aval());
    if l.dims.split_last().is_none_or(|(_, rows)| rows != t.dims) || !t.dtype.is_int() {
        let rows = &l.dims[..l.rank().saturating_sub(1)];
        let reason = format!("the targets must be integers of the shape {rows:?}, one for each row of logits");
        let help = "logits are [.., vocab], and targets [..], the class of each row: `.cast(DType::I32)`, `.reshape(..)`, or `.argmax(-1)` of one-hot rows";
        fail("cross_entropy", vec![l.clone(), t], reason, Some(help.into()))
    }
    let logits = super::norm::wide(logits);
    let chosen = logits.take_along_axis(targets.expand_dims(-1), -1).squeeze(-1);
    logits.logsumexp(-1) - chosen
}

/// The mean over the positions of `x` `[b, t, d]` and `targets`, a tree of `[b, t]`, of a loss, `chunk` positions at a time: what the loss makes of
/// them, such as logits, is never held for all. `loss(params, x, targets)` is the mean over what it is given, and captures nothing that is
/// differentiated; nor are the targets.
///
/// Where a derivative is asked for, that of each chunk is computed beside its loss, and kept in place of what it would be computed
/// from (Hsu et al., 2024; arXiv 2410.10989). Derivatives by the parameters are summed in f32. Of `chunk` positions or fewer, this is
/// `loss` itself; and so it is where devices have different values (in [`shard_map`](crate::shard_map)): they would exchange
/// derivatives once a chunk.
#[track_caller]
pub fn loss_in_chunks<P: TensorTree, L: TensorTree>(
    chunk: usize,
    params: P,
    x: Tensor,
    targets: L,
    loss: impl Fn(&P, Tensor, L) -> Tensor,
) -> Tensor {
    let _at = At::op("loss_in_chunks");
    let t = x.dim(1);
    let varies = |x: Tensor| x.aval().vma != AxisSet::NONE;
    if t <= chunk.max(1) || varies(x) || params.leaves().into_iter().any(varies) {
        return loss(&params, x, targets);
    }
    let size = t.div_ceil(t.div_ceil(chunk.max(1)));
    let share = |x: Tensor| x.dim(1) as f64 / t as f64;
    let value = |(params, x, targets): (P, Tensor, L)| {
        let step = |sum: Tensor, (x, targets): (Tensor, L)| (sum + loss(&params, x, targets) * share(x), vec![]);
        over_chunks(size, full([], DType::F32, 0.0), (x, targets), step).0
    };
    let forward = |(params, x, targets): (P, Tensor, L)| {
        let step = |(sum, so_far): (Tensor, Vec<Tensor>), (x, targets): (Tensor, L)| {
            let again = || targets.refill(targets.leaves());
            let loss = value_and_grad(|(params, x): (P, Tensor)| loss(&params, x, again()) * share(x));
            let (value, (d, dx)) = loss((params.refill(params.leaves()), x));
            let so_far = so_far.iter().zip(d.leaves()).map(|(sum, d)| *sum + d.cast(DType::F32)).collect();
            ((sum + value, so_far), vec![dx])
        };
        let leaves = params.leaves();
        let none = leaves.iter().map(|p| full(p.dims(), DType::F32, 0.0)).collect();
        let of = (x, targets.refill(targets.leaves()));
        let ((sum, d), dx) = over_chunks(size, (full([], DType::F32, 0.0), none), of, step);
        let d = params.refill(d.iter().zip(&leaves).map(|(d, p)| d.cast(p.dtype())));
        (sum, (d, dx[0], targets))
    };
    let backward = |(d, dx, targets): (P, Tensor, L), ct: Tensor| {
        let times = |d: Tensor| (d.cast(DType::F32) * ct).cast(d.dtype());
        let none = targets.leaves().into_iter().map(|x| if x.dtype().is_float() { x.like(0.0) } else { x });
        (d.refill(d.leaves().into_iter().map(times)), times(dx), targets.refill(none))
    };
    custom_vjp(value, forward, backward)((params, x, targets))
}

/// What `step` makes of parts of so many positions of `[b, t, ..]`, the last of which may be shorter, one after the other: what is
/// carried along, and results `[b, t, ..]`.
fn over_chunks<C: TensorTree, L: TensorTree>(
    size: usize,
    carry: C,
    (x, targets): (Tensor, L),
    step: impl Fn(C, (Tensor, L)) -> (C, Vec<Tensor>),
) -> (C, Vec<Tensor>) {
    let t = x.dim(1);
    let n = t / size;
    let swapped = |x: Tensor| x.transpose([1, 0].into_iter().chain(2..x.dims().len()).collect::<Vec<_>>());
    let cut = |x: Tensor| {
        let (dims, whole) = (x.dims(), x.slice_axis(1, 0..n * size));
        swapped(whole.reshape([&[dims[0], n, size], &dims[2..]].concat()))
    };
    let each = |f: &dyn Fn(Tensor) -> Tensor| targets.refill(targets.leaves().into_iter().map(f));
    let (carry, ys) = scan(&step, carry, (cut(x), each(&cut)));
    let joined = ys.into_iter().map(|y| {
        let dims = y.dims();
        swapped(y).reshape([&[dims[1], n * size], &dims[3..]].concat())
    });
    if n * size == t {
        return (carry, joined.collect());
    }
    let rest = |x: Tensor| x.slice_axis(1, n * size..t);
    let (carry, last) = step(carry, (rest(x), each(&rest)));
    (carry, joined.zip(last).map(|(y, last)| concat(&[y, last], 1)).collect())
}
