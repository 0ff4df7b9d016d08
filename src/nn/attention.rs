//! Scaled dot-product attention with grouped queries, and its cache.
use crate::{
    aval::{Aval, DType},
    einsum::einsum,
    ops::where_,
    parallel::ring,
    prim::{self, IndexMode},
    shape_ops::concat,
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

/// Where the queries of one call stand, and how far back they look.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Position of the first query, i32 scalar.
    pub start: Tensor,
    /// Length of the sequence up to the last real token of the call, i32 scalar. Tokens behind it are padding.
    pub length: Tensor,
    /// How many positions a query sees, its own included, i32 scalar (Beltagy et al., 2020; arXiv 2004.05150). `None`: all.
    pub window: Option<Tensor>,
}

/// What the queries of one call attend to: keys and values `[b, s, kv_heads, k]`, and their positions, i32 `[s]`. A negative
/// position means that there is nothing.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    k: Tensor,
    v: Tensor,
    positions: Tensor,
}
impl Seen {
    /// The call's own keys and values, and those that a cache holds; and the cache with the new ones.
    #[track_caller]
    pub fn new(cache: Option<KvCache>, k: Tensor, v: Tensor, at: Sight) -> (Seen, Option<KvCache>) {
        let _at = At::caller();
        match cache {
            Some(cache) => {
                let (seen, cache) = cache.extend(k, v, at);
                (seen, Some(cache))
            }
            None => (Seen { k, v, positions: prim::iota([k.dim(1)], DType::I32, 0) + at.start }, None),
        }
    }
    /// [`attention_with`] of queries `[b, t, heads, k]`, each to what stands before it and within the window.
    #[track_caller]
    pub fn attend(&self, q: Tensor, at: Sight, options: AttentionOptions) -> Tensor {
        let _at = At::caller();
        let query = prim::iota([q.dim(1)], DType::I32, 0) + at.start;
        if ring::is_on() {
            return ring::attention(q, (self.k, self.v), (query, self.positions), at.window, options);
        }
        let (query, key) = (query.expand_dims(-1), self.positions.expand_dims(0));
        let behind = key.le(query) & key.ge(0);
        let mask = at.window.map_or(behind, |window| behind & key.gt(query - window));
        attention_with(q, self.k, self.v, mask, options)
    }
}

/// Keys and values of the positions seen so far, of one layer: `[b, slots, kv_heads, k]` each.
#[derive(Tree, Clone, Debug)]
pub struct KvCache<T = Tensor> {
    /// Keys.
    pub k: T,
    /// Values.
    pub v: T,
    /// Does position `p` lie in slot `p % slots`, where the latest overwrite the oldest? For layers that look at a window no
    /// longer than the slots. Else it lies in slot `p`.
    #[tree(skip)]
    pub ring: bool,
}
impl KvCache<Aval> {
    /// The type of a cache.
    pub fn spec(batch: usize, slots: usize, kv_heads: usize, head_dim: usize, dtype: DType) -> KvCache<Aval> {
        let a = Aval::new(dtype, [batch, slots, kv_heads, head_dim]);
        KvCache { k: a.clone(), v: a, ring: false }
    }
}
impl KvCache {
    fn extend(&self, k: Tensor, v: Tensor, at: Sight) -> (Seen, KvCache) {
        let (slots, t) = (self.k.dim(1), k.dim(1));
        if self.ring && t > 1 {
            return self.extend_ring(k, v, at);
        }
        let slot = if self.ring { at.start % slots } else { at.start };
        let write = |old: Tensor, new| old.dynamic_update_axis(1, slot, new);
        let cache = KvCache { k: write(self.k, k), v: write(self.v, v), ring: self.ring };
        let positions = if self.ring { held(slots, at.start + 1) } else { prim::iota([slots], DType::I32, 0) };
        (Seen { k: cache.k, v: cache.v, positions }, cache)
    }
    /// Of several new positions, early ones may look at what later ones overwrite: attention sees both, side by side.
    fn extend_ring(&self, k: Tensor, v: Tensor, at: Sight) -> (Seen, KvCache) {
        let (slots, t) = (self.k.dim(1), k.dim(1));
        let own = prim::iota([t], DType::I32, 0) + at.start;
        let positions = concat(&[held(slots, at.start), own], 0);
        let seen = Seen { k: concat(&[self.k, k], 1), v: concat(&[self.v, v], 1), positions };
        let after = held(slots, at.length);
        let is_new = after.ge(at.start).reshape([slots, 1, 1]);
        let write = |old: Tensor, new: Tensor| where_(is_new, new.take_with(after - at.start, 1, IndexMode::Clip), old);
        (seen, KvCache { k: write(self.k, k), v: write(self.v, v), ring: true })
    }
}

/// The positions in the slots of a ring after `length` of them, i32 `[slots]`: the latest; negative where there is none yet.
fn held(slots: usize, length: Tensor) -> Tensor {
    let last = length - 1;
    // (at least -1 - (slots - 1), so that the remainder is of something positive)
    let ago = (last - prim::iota([slots], DType::I32, 0) + slots) % slots;
    last - ago
}
