//! How chosen experts are run: three ways that give the same values.
use super::Routing;
use crate::{
    aval::DType,
    ops::shape::{arange, one_hot},
    parallel::expert,
    prim::{self, IndexMode, scan},
    trace::{At, Tensor, fail},
    transform::{Axis, vmap, vmap_axes},
    tree::Tree,
};

/// How chosen experts are run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dispatch {
    /// Every expert on every token, weighted by zero where it was not chosen. No data moves; the most work.
    Dense,
    /// Tokens are sorted by expert and padded to blocks that have one expert each; a loop over the blocks reads only the
    /// weights that it needs. The least work.
    Grouped,
    /// Each expert has places for `factor` times its even share of the choices, filled in the order of the tokens; choices
    /// beyond are dropped. All shapes are known, so that experts can be spread over devices (Lepikhin et al., 2020; arXiv
    /// 2006.16668). With `None`, there are places for everything and nothing is dropped.
    Capacity(Option<f64>),
}

/// For each token, the weighted sum of what its experts make of it.
///
/// Experts that are divided over devices ([`parallel::expert`](crate::parallel::expert)) run by capacity, whatever is asked.
///
/// `x` is `[n, d]`; the leaves of `weights` have a leading axis of experts; `f` takes tokens `[m, d]` and the weights of one
/// expert, and returns `[m, d]`.
///
/// # Errors
/// Leaves that differ in their number of experts; a routing of other tokens.
#[track_caller]
pub fn experts<W>(
    x: Tensor,
    routing: Routing,
    weights: W,
    dispatch: Dispatch,
    f: impl Fn(Tensor, W) -> Tensor,
) -> Tensor
where
    W: Tree<Tensor, With<Tensor> = W> + Clone,
{
    let _at = At::op("experts");
    let [n, _] = x.shape();
    let [tokens, _] = routing.weights.shape();
    if tokens != n {
        fail(
            "experts",
            vec![x.aval(), routing.weights.aval()],
            "the routing is of other tokens",
            Some("route the same tokens that the experts get: one row of weights per token".into()),
        )
    }
    let Some(first) = weights.leaves().first().copied() else {
        fail("experts", vec![x.aval()], "the experts have no weights", Some("give one expert at least".into()))
    };
    let devices = expert::devices(first);
    let e = first.dim(0) * devices;
    // experts of other devices can only be sent what has a place
    let dispatch = match dispatch {
        Dispatch::Capacity(_) => dispatch,
        _ if devices > 1 => Dispatch::Capacity(None),
        _ => dispatch,
    };
    match dispatch {
        Dispatch::Dense => dense(x, routing, weights, e, f),
        Dispatch::Grouped => grouped(x, routing, weights, e, f),
        Dispatch::Capacity(factor) => {
            let [_, k] = routing.experts.shape();
            let places = factor.map_or(n, |c| (c * (n * k) as f64 / e as f64).ceil() as usize);
            by_places(x, routing, weights, (e, devices), places.clamp(1, n.max(1)), f)
        }
    }
}

fn dense<W>(x: Tensor, routing: Routing, weights: W, e: usize, f: impl Fn(Tensor, W) -> Tensor) -> Tensor
where
    W: Tree<Tensor, With<Tensor> = W>,
{
    // [n, e]: the weight of each expert, zero for those not chosen
    let share = (one_hot(routing.experts, e, DType::F32) * routing.weights.expand_dims(-1)).sum(1);
    let y = vmap_axes(|(x, w): (Tensor, W)| f(x, w), (Axis::Shared, Axis::At(0)), Axis::At(0))((x, weights));
    crate::einsum("end,ne->nd", y, share.cast(y.dtype()))
}

/// The sum over each token's choices of the row at its place, times its weight (`[n, k]`).
fn combine(rows: Tensor, place: Tensor, weights: Tensor) -> Tensor {
    let ([_, d], [n, k]) = (rows.shape(), weights.shape());
    let taken = rows.take_with(place, 0, IndexMode::Clip).reshape([n, k, d]);
    crate::einsum("nkd,nk->nd", taken, weights.cast(rows.dtype()))
}

/// For each of `n * k` choices, in order: how many choices before it fell on the same expert; and how many fell on each.
fn ranks(chosen: Tensor, e: usize) -> (Tensor, Tensor) {
    let hits = one_hot(chosen, e, DType::I32);
    let before = prim::cumsum(hits, 0, false) - hits;
    ((before * hits).sum(1), hits.sum(0))
}

/// The rows of `x` `[n, d]`, each `k` times, written to their places among `size`; zeros elsewhere.
fn scattered(x: Tensor, place: Tensor, k: usize, size: usize) -> Tensor {
    let [_, d] = x.shape();
    prim::full([size, d], x.dtype(), 0.0).at(place).mode(IndexMode::Fill).unique().set(x.repeat(k, 0))
}

fn grouped<W>(x: Tensor, routing: Routing, weights: W, e: usize, f: impl Fn(Tensor, W) -> Tensor) -> Tensor
where
    W: Tree<Tensor, With<Tensor> = W> + Clone,
{
    let ([n, d], [_, k]) = (x.shape(), routing.experts.shape());
    let chosen = routing.experts.reshape([n * k]);
    let (rank, count) = ranks(chosen, e);
    let size = (n * k / e).next_power_of_two().clamp(1, 128);
    // an expert's last block may be partly empty: at most one block more than full ones for each
    let blocks = (n * k / size + e).min(n * k);
    let own = (count + (size - 1)) / size;
    let end = prim::cumsum(own, 0, false);
    let place = (end - own).take_with(chosen, 0, IndexMode::Clip) * size + rank;
    let filled = scattered(x, place, k, blocks * size).reshape([blocks, size, d]);
    // the expert of block j: as many have ended before it
    let block = arange(blocks, DType::I32).expand_dims(-1);
    let expert = block.ge(end.expand_dims(0)).cast(DType::I32).sum(1).minimum(e - 1);
    let step = |(): (), (x, expert): (Tensor, Tensor)| {
        let own = weights.map(|w| w.dynamic_index(0, expert));
        ((), f(x, own))
    };
    let (_, y) = scan(step, (), (filled, expert));
    let wide = y.dims()[2];
    combine(y.reshape([blocks * size, wide]), place, routing.weights)
}

/// The product of each row of `x` `[m, k]` with the matrix of its group, of `w` `[g, k, n]`: `[m, n]`. The rows stand by groups, of
/// `sizes` (integers, `[g]`) rows; those beyond the last group give zeros. Blocks of rows of one group are multiplied at a time, as in
/// [`Dispatch::Grouped`]. JAX: `lax.ragged_dot`.
///
/// ```
/// use raxla::{nn::moe::ragged_dot, prelude::*};
/// let f = jit(|x: Tensor, w: Tensor, sizes: Tensor| ragged_dot(x, w, sizes));
/// let (x, w) = (Array::from_slice([3, 1], &[1f32, 2., 3.])?, Array::from_slice([2, 1, 1], &[10f32, 100.])?);
/// assert_eq!(f.call((x, w, Array::from_slice([2], &[2i32, 1])?))?.to_vec::<f32>()?, [10., 20., 300.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Shapes that do not fit; sizes that are no integers.
#[track_caller]
pub fn ragged_dot(x: Tensor, w: Tensor, sizes: Tensor) -> Tensor {
    let _at = At::op("ragged_dot");
    let fits = x.rank() == 2 && w.rank() == 3 && x.dims()[1] == w.dims()[1] && *sizes.dims() == [w.dims()[0]];
    if !fits || !sizes.dtype().is_int() {
        let help = "x is [m, k], w [g, k, n], and the sizes are g integers";
        fail("ragged_dot", vec![x.aval(), w.aval(), sizes.aval()], "the shapes do not fit", Some(help.into()))
    }
    let ([m, _], [g, _, n]) = (x.shape(), w.shape());
    if m == 0 || g == 0 || n == 0 {
        return prim::full([m, n], x.dtype(), 0.0);
    }
    let ends = prim::cumsum(sizes.cast(DType::I32), 0, false);
    // a row's group: as many have ended before it
    let group = arange(m, DType::I32).expand_dims(-1).ge(ends.expand_dims(0)).cast(DType::I32).sum(1);
    let inside = group.lt(g).cast(DType::F32);
    let routing = Routing { experts: group.minimum(g - 1).expand_dims(-1), weights: inside.expand_dims(-1) };
    grouped(x, routing, w, g, |x: Tensor, w: Tensor| x.matmul(w))
}

fn by_places<W>(
    x: Tensor,
    routing: Routing,
    weights: W,
    (e, devices): (usize, usize),
    places: usize,
    f: impl Fn(Tensor, W) -> Tensor,
) -> Tensor
where
    W: Tree<Tensor, With<Tensor> = W>,
{
    let ([n, d], [_, k]) = (x.shape(), routing.experts.shape());
    let chosen = routing.experts.reshape([n * k]);
    let (rank, _) = ranks(chosen, e);
    let fits = rank.lt(places);
    let place = crate::where_(fits, chosen * places + rank, e * places);
    let filled = scattered(x, place, k, e * places).reshape([e, places, d]);
    let run = |x| vmap(|(x, w): (Tensor, W)| f(x, w))((x, weights));
    let y = if devices == 1 { run(filled) } else { expert::from_experts(run(expert::to_experts(filled))) };
    // (a choice without a place reads some other row, and counts nothing)
    let kept = routing.weights * fits.reshape([n, k]).cast(DType::F32);
    combine(y.reshape([e * places, d]), place, kept)
}
