//! Scaled dot-product attention with grouped queries.
use super::{
    KvCache,
    flash::{self, Operands},
};
use crate::{
    aval::DType,
    ops::einsum::einsum,
    ops::shape::concat,
    ops::where_,
    parallel::{ring, tensor},
    prim,
    trace::{At, Tensor, fail},
};

/// softmax(q kᵀ · scale) v (Vaswani et al., 2017; arXiv 1706.03762), with several query heads sharing a key head
/// (Ainslie et al., 2023; arXiv 2305.13245).
///
/// `q` is `[b, t, heads, k]`; `k` and `v` are `[b, s, kv_heads, k]`, where `kv_heads` divides `heads`; `mask` is bool and
/// broadcasts to `[t, s]`: true where a query may look. The softmax is computed in f32. Returns `[b, t, heads, k]`.
#[track_caller]
pub fn attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: f64) -> Tensor {
    attention_with(q, k, v, mask, None, AttentionOptions { scale, soft_cap: None })
}

/// Options of [`attention_with`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionOptions {
    /// Factor on the scores.
    pub scale: f64,
    /// Scores are squashed into (-cap, cap): `cap · tanh(score / cap)` (Gemma 2, arXiv 2408.00118).
    pub soft_cap: Option<f64>,
}

/// [`attention`] with options. `sinks` `[heads]` are scores that take part in the softmax of every query and have no value
/// (Xiao et al., 2023; arXiv 2309.17453; learned as in GPT-OSS). Values may have another size than keys.
#[track_caller]
pub fn attention_with(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor,
    sinks: Option<Tensor>,
    options: AttentionOptions,
) -> Tensor {
    let _at = At::op("attention");
    let [b, t, h, d] = q.shape();
    let [_, _, groups, _] = k.shape();
    let grouped = q.reshape([b, t, groups, h / groups, d]);
    let scores = einsum("btgrd,bsgd->bgrts", grouped, k).cast(DType::F32) * options.scale;
    let scores = options.soft_cap.map_or(scores, |cap| (scores / cap).tanh() * cap);
    // the lowest finite number, not -inf: a row that may look nowhere must not become NaN
    let scores = where_(mask, scores, f32::MIN);
    let p = match sinks {
        Some(sinks) => {
            let sinks = sinks.cast(DType::F32).reshape([1, groups, h / groups, 1, 1]);
            let all = concat(&[scores, sinks.broadcast_to([b, groups, h / groups, t, 1])], -1);
            all.softmax(-1).slice_axis(-1, 0..k.dim(1))
        }
        None => scores.softmax(-1),
    };
    einsum("bgrts,bsgd->btgrd", p.cast(v.dtype()), v).reshape([b, t, h, v.dim(3)])
}

/// The mask of causal attention over a cache: query `i` stands at position `start + i` and sees slots up to its own.
///
/// `start` is an i32 scalar. Returns bools `[t, s]`.
#[track_caller]
pub fn causal_mask(t: usize, s: usize, start: Tensor) -> Tensor {
    let _at = At::op("causal_mask");
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
    /// Which segment of its row each token of the call belongs to, i32 `[b, t]`: rows that several documents share, of which each sees
    /// itself only. Not beside a cache.
    pub segments: Option<Tensor>,
}

impl Sight {
    /// What cannot tell segments apart refuses them.
    #[track_caller]
    pub(super) fn refuse_segments(&self, what: &str, help: &str) {
        if let Some(segments) = self.segments {
            let reason = format!("attention over {what} does not keep the segments of a row apart");
            fail("attention", vec![segments.aval()], reason, Some(help.into()))
        }
    }
}

/// What the queries of one call attend to: keys and values `[b, s, kv_heads, k]`, and their positions, i32 `[s]`. A negative
/// position means that there is nothing.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub(super) k: Tensor,
    pub(super) v: Tensor,
    pub(super) positions: Tensor,
}
impl Seen {
    /// The call's own keys and values, and those that a cache holds; and the cache with the new ones. A cache of another dtype holds
    /// them rounded to it; attention computes in the call's own.
    #[track_caller]
    pub fn new(cache: Option<KvCache>, k: Tensor, v: Tensor, at: Sight) -> (Seen, Option<KvCache>) {
        let _at = At::op("Seen::new");
        match cache {
            Some(cache) => {
                at.refuse_segments("a cache", "give rows with segments whole, without a cache");
                let (dtype, held) = (k.dtype(), cache.k.dtype());
                let (seen, cache) = cache.extend(k.cast(held), v.cast(held), at);
                (Seen { k: seen.k.cast(dtype), v: seen.v.cast(dtype), ..seen }, Some(cache))
            }
            None => (Seen { k, v, positions: prim::iota([k.dim(1)], DType::I32, 0) + at.start }, None),
        }
    }
    /// Of keys and values that every device has whole, while query heads `[b, t, heads, k]` are divided: those of this device's.
    #[track_caller]
    pub(crate) fn for_heads_of(self, q: Tensor, are_whole: bool) -> Seen {
        let own = |kv: Tensor| tensor::kv_heads_of(q, kv, are_whole);
        Seen { k: own(self.k), v: own(self.v), ..self }
    }
    /// [`attention_with`] of queries `[b, t, heads, k]`, each to what stands before it and within the window. Of many queries and
    /// keys, block by block (FlashAttention), with memory that grows with the length and not with its square; a query that sees
    /// nothing (padding) then gets zeros.
    #[track_caller]
    pub fn attend(&self, q: Tensor, at: Sight, sinks: Option<Tensor>, options: AttentionOptions) -> Tensor {
        let _at = At::op("Seen::attend");
        let query = prim::iota([q.dim(1)], DType::I32, 0) + at.start;
        if ring::is_on() {
            at.refuse_segments("a ring", "leave the axis `context` out of the mesh, or train on rows without segments");
            return ring::attention(q, (self.k, self.v), (query, self.positions), at.window, sinks, options);
        }
        if flash::pays(q.dim(1), self.k.dim(1)) {
            let Seen { k, v, positions: key } = *self;
            return flash::attention(
                Operands { q, k, v, sinks, query, key, window: at.window, segments: at.segments },
                options,
            );
        }
        let (query, key) = (query.expand_dims(-1), self.positions.expand_dims(0));
        let behind = key.le(query) & key.ge(0);
        let mask = at.window.map_or(behind, |window| behind & key.gt(query - window));
        let mask = at.segments.map_or(mask, |own| {
            // (`[b, 1, 1, t, s]`: the same for all heads)
            let same = own.expand_dims(-1).eq(own.expand_dims(1));
            same.expand_dims(1).expand_dims(1) & mask
        });
        attention_with(q, self.k, self.v, mask, sinks, options)
    }
}
