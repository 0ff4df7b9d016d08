//! Multi-head latent attention (DeepSeek-AI, 2024; arXiv 2405.04434).
//!
//! Keys and values of all heads are made from one short vector per position, and the cache holds that vector. A part of each
//! key that positions turn is kept apart, and is the same for all heads.
use super::{AttentionOptions, Cache, LatentCache, Linear, RmsNorm, Seen, Sight, self_attention::Span};
use crate::{
    aval::DType,
    nn::rope::Rope,
    ops::einsum::einsum,
    ops::shape::concat,
    parallel::tensor,
    param::Param,
    prim,
    trace::{At, Tensor},
    tree::Tree,
};

/// Attention whose keys and values are made from a latent vector of each position. Sizes: `d` the stream, `h` heads, `n` the part
/// of a head's key that positions do not turn, `r` the part that they do, `k = n + r`, `c` the latent vector, `v` a head's value.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct LatentAttention<T = Tensor> {
    /// To a short vector that queries are made from, `[d, q]`, and its norm; `None`: they are made from the stream.
    pub q_down: Option<(Linear<T>, RmsNorm<T>)>,
    /// `[q or d, h, k]`
    pub q: Linear<T>,
    /// `[d, c + r]`
    pub kv_down: Linear<T>,
    /// Over the latent vector, `[c]`.
    pub kv_norm: RmsNorm<T>,
    /// `[c, h, n]`
    pub k: Linear<T>,
    /// `[c, h, v]`
    pub v: Linear<T>,
    /// `[h, v, d]`
    pub o: Linear<T>,
    /// Scale of the scores.
    #[tree(skip)]
    pub options: AttentionOptions,
    /// How positions turn `r` dimensions.
    #[tree(skip)]
    pub rope: Rope,
    /// Are the pairs that are turned neighbours, and not half of the dimensions apart?
    #[tree(skip)]
    pub interleaved: bool,
}

impl LatentAttention<Param> {
    /// The type of its cache for so many rows and slots.
    pub fn cache(&self, batch: usize, slots: usize, dtype: DType) -> Cache<Param> {
        let all = *self.kv_down.w.aval.dims.last().expect("a matrix has axes");
        let rank = *self.kv_norm.gain.aval.dims.last().expect("a gain has an axis");
        Cache::Latent(LatentCache::spec(batch, slots, [rank, all - rank], dtype))
    }
}

impl LatentAttention {
    /// Attend from `x` `[b, t, d]` to it and to what the cache holds.
    #[track_caller]
    pub fn call(&self, x: Tensor, cache: Option<Cache>, span: &Span) -> (Tensor, Option<Cache>) {
        let _at = At::op("LatentAttention::call");
        let x = tensor::enter(x);
        let rotation = span.rotation(&self.rope);
        let turned = |x: Tensor| rotation.apply(if self.interleaved { halves(x) } else { x });
        let q = self.q.call(self.q_down.as_ref().map_or(x, |(down, norm)| norm.call(down.call(x))));
        let (k, r) = (q.dim(-1), self.rope.dim);
        let (q, q_turned) = (q.slice_axis(-1, 0..k - r), turned(q.slice_axis(-1, k - r..k)));
        let down = self.kv_down.call(x);
        let rank = down.dim(-1) - r;
        let latent = self.kv_norm.call(down.slice_axis(-1, 0..rank));
        let key = turned(down.slice_axis(-1, rank..rank + r).expand_dims(2)).squeeze(2);
        let at = Sight { start: span.start, length: span.length, window: None, segments: span.segments };
        let (latent, key, cache, positions) = match cache {
            Some(cache) => {
                // (a cache of another dtype holds them rounded to it)
                at.refuse_segments("a cache", "give rows with segments whole, without a cache");
                let cache = cache.latent();
                let dtype = latent.dtype();
                let cache = cache.extend(latent, key, span.start);
                let positions = prim::iota([cache.key.dim(1)], DType::I32, 0);
                let [latent, key] = cache.read(dtype);
                (latent, key, Some(Cache::Latent(cache)), positions)
            }
            None => (latent, key, None, span.indices),
        };
        let attend = |q: Tensor, k: Tensor, v: Tensor| {
            let q = concat(&[q, q_turned], -1);
            Seen { k, v, positions }.attend(q, at, None, self.options)
        };
        let y = if cache.is_some() && q.dim(1) == 1 {
            // one query asks in terms of latent vectors: keys and values of all positions are not made
            let [k, v] = [&self.k, &self.v].map(Linear::matrix);
            let shared = latent.expand_dims(2);
            let y = attend(einsum("bthn,chn->bthc", q, k), concat(&[shared, key.expand_dims(2)], -1), shared);
            einsum("bthc,chv->bthv", y, v)
        } else {
            let (k, v) = (self.k.call(latent), self.v.call(latent));
            let [b, s, h, _] = k.shape();
            let key = key.expand_dims(2).broadcast_to([b, s, h, r]);
            attend(q, concat(&[k, key], -1), v)
        };
        (self.o.call(y), cache)
    }
}

/// Neighbours brought half of the dimensions apart: the order in which [`Rotation::apply`](super::rope::Rotation::apply) turns.
fn halves(x: Tensor) -> Tensor {
    let dims = x.dims();
    let (lead, n) = (&dims[..dims.len() - 1], x.dim(-1));
    let pairs = x.reshape([lead, &[n / 2, 2]].concat());
    let rank = dims.len();
    let order: Vec<usize> = (0..rank - 1).chain([rank, rank - 1]).collect();
    pairs.transpose(order).reshape(dims)
}
