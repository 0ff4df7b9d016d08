//! Scaled dot-product attention with grouped queries, and its cache.
use crate::{
    aval::{Aval, DType},
    einsum::einsum,
    ops::where_,
    prim,
    trace::{At, Tensor},
    tree::Tree,
};

/// softmax(q kᵀ · scale) v (Vaswani et al., 2017; arXiv 1706.03762), with several query heads sharing a key head
/// (Ainslie et al., 2023; arXiv 2305.13245).
///
/// `q` is `[b, t, heads, k]`; `k` and `v` are `[b, s, kv_heads, k]`, where `kv_heads` divides `heads`; `mask` is bool and
/// broadcasts to `[t, s]`: true where a query may look. The softmax is computed in f32. Returns `[b, t, heads, k]`.
#[track_caller]
pub fn attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: f64) -> Tensor {
    attention_with(q, k, v, mask, AttentionOptions { scale, soft_cap: None })
}

/// Options of [`attention_with`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionOptions {
    /// Factor on the scores.
    pub scale: f64,
    /// Scores are squashed into (-cap, cap): `cap · tanh(score / cap)` (Gemma 2, arXiv 2408.00118).
    pub soft_cap: Option<f64>,
}

/// [`attention`] with options.
#[track_caller]
pub fn attention_with(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, options: AttentionOptions) -> Tensor {
    let _at = At::caller();
    let [b, t, h, d] = q.shape();
    let [_, _, groups, _] = k.shape();
    let grouped = q.reshape([b, t, groups, h / groups, d]);
    let scores = einsum("btgrd,bsgd->bgrts", grouped, k).cast(DType::F32) * options.scale;
    let scores = options.soft_cap.map_or(scores, |cap| (scores / cap).tanh() * cap);
    // the lowest finite number, not -inf: a row that may look nowhere must not become NaN
    let p = where_(mask, scores, f32::MIN).softmax(-1).cast(v.dtype());
    einsum("bgrts,bsgd->btgrd", p, v).reshape([b, t, h, d])
}

/// The mask of causal attention over a cache: query `i` stands at position `start + i` and sees slots up to its own.
///
/// `start` is an i32 scalar. Returns bools `[t, s]`.
#[track_caller]
pub fn causal_mask(t: usize, s: usize, start: Tensor) -> Tensor {
    let _at = At::caller();
    let query = prim::iota([t, 1], DType::I32, 0) + start;
    prim::iota([1, s], DType::I32, 1).le(query)
}

/// The mask of attention to the latest `size` positions, the query's own included (Beltagy et al., 2020; arXiv 2004.05150).
///
/// `start` is an i32 scalar. Returns bools `[t, s]`; to be combined with [`causal_mask`].
#[track_caller]
pub fn window_mask(t: usize, s: usize, start: Tensor, size: usize) -> Tensor {
    let _at = At::caller();
    let query = prim::iota([t, 1], DType::I32, 0) + start;
    // (no position is further away than an i32 can say)
    prim::iota([1, s], DType::I32, 1).gt(query - size.min(i32::MAX as usize))
}

/// Keys and values of the positions seen so far, of one layer: `[b, slots, kv_heads, k]` each.
#[derive(Tree, Clone, Debug)]
pub struct KvCache<T = Tensor> {
    /// Keys.
    pub k: T,
    /// Values.
    pub v: T,
}
impl KvCache<Aval> {
    /// The type of a cache.
    pub fn spec(batch: usize, slots: usize, kv_heads: usize, head_dim: usize, dtype: DType) -> KvCache<Aval> {
        let a = Aval::new(dtype, [batch, slots, kv_heads, head_dim]);
        KvCache { k: a.clone(), v: a }
    }
}
impl KvCache {
    /// The cache with new keys and values written from slot `start` (an i32 scalar) on.
    #[track_caller]
    pub fn write(&self, k: Tensor, v: Tensor, start: Tensor) -> KvCache {
        let _at = At::caller();
        KvCache { k: self.k.dynamic_update_axis(1, start, k), v: self.v.dynamic_update_axis(1, start, v) }
    }
}
