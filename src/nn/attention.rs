//! Scaled dot-product attention with grouped queries.
use super::{
    KvCache,
    flash::{self, Operands},
    norm::wide,
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
/// broadcasts to `[b, heads, t, s]`: true where a query may look. The softmax is computed in f32 at least. Returns `[b, t, heads, k]`.
/// With JAX's options: [`dot_product_attention`].
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
    attended([q, k, v], Some(mask), None, sinks, options)
}
#[track_caller]
fn attended(
    [q, k, v]: [Tensor; 3],
    mask: Option<Tensor>,
    bias: Option<Tensor>,
    sinks: Option<Tensor>,
    options: AttentionOptions,
) -> Tensor {
    let [b, t, h, d] = q.shape();
    let [_, _, groups, _] = k.shape();
    if groups == 0 || h % groups != 0 {
        let help = "queries have as many heads as keys and values, or a multiple";
        fail(
            "attention",
            vec![q.aval(), k.aval()],
            format!("{groups} heads of keys do not divide {h} of queries"),
            Some(help.into()),
        )
    }
    let grouped = q.reshape([b, t, groups, h / groups, d]);
    let scores = wide(einsum("btgrd,bsgd->bgrts", grouped, k)) * options.scale;
    let scores = options.soft_cap.map_or(scores, |cap| (scores / cap).tanh() * cap);
    let scores = bias.map_or(scores, |bias| scores + by_groups(bias, groups, h).cast(scores.dtype()));
    // the lowest finite number, not -inf: a row that may look nowhere must not become NaN
    let scores = mask.map_or(scores, |mask| where_(by_groups(mask, groups, h), scores, f32::MIN));
    let p = match sinks {
        Some(sinks) => {
            let sinks = sinks.cast(scores.dtype()).reshape([1, groups, h / groups, 1, 1]);
            let all = concat(&[scores, sinks.broadcast_to([b, groups, h / groups, t, 1])], -1);
            all.softmax(-1).slice_axis(-1, 0..k.dim(1))
        }
        None => scores.softmax(-1),
    };
    einsum("bgrts,bsgd->btgrd", p.cast(v.dtype()), v).reshape([b, t, h, v.dim(3)])
}

/// What broadcasts to `[b, heads, t, s]`, beside scores `[b, groups, heads / groups, t, s]`.
#[track_caller]
fn by_groups(x: Tensor, groups: usize, heads: usize) -> Tensor {
    let dims = x.dims();
    let [lead @ .., n, t, s] = &dims[..] else { return x };
    if (*n != 1 && *n != heads) || lead.len() > 1 {
        let help = "masks and biases broadcast to [b, heads, t, s]: a new axis is `.expand_dims(1)`";
        fail(
            "attention",
            vec![x.aval()],
            format!("its third axis from the end is {n}, there are {heads} heads"),
            Some(help.into()),
        )
    }
    let split = if *n == 1 { [1, 1] } else { [groups, heads / groups] };
    x.reshape([lead, &split, &[*t, *s]].concat())
}

/// Options of [`dot_product_attention`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DotProductAttention {
    /// What is added to the scores: broadcasts to `[b, heads, t, s]`.
    pub bias: Option<Tensor>,
    /// Where a query may look: bools that broadcast to `[b, heads, t, s]`.
    pub mask: Option<Tensor>,
    /// Factor on the scores; by default 1 / √k.
    pub scale: Option<f64>,
    /// Does query `i` see keys up to number `i` only?
    pub is_causal: bool,
    /// How many queries of each row are real, integers `[b]`; the others give zeros.
    pub query_seq_lengths: Option<Tensor>,
    /// How many keys of each row are real, integers `[b]`.
    pub key_value_seq_lengths: Option<Tensor>,
    /// How many keys before and behind its own position a query sees.
    pub local_window_size: Option<(usize, usize)>,
}
/// Attention with JAX's options: `jax.nn.dot_product_attention`. Queries are `[b, t, heads, k]`, keys and values `[b, s, kv_heads, k]`, where
/// `kv_heads` divides `heads`; all of them may lack `b`. Returns `[b, t, heads, k]`.
///
/// ```
/// use raxla::{nn::{DotProductAttention, dot_product_attention}, prelude::*};
/// let f = jit(|x: Tensor| dot_product_attention(x, x, x, DotProductAttention { is_causal: true, ..Default::default() }));
/// let y = f.call((Array::from_slice([1, 3, 1, 2], &[1f32, 0., 0., 1., 1., 1.])?,))?;
/// assert_eq!(y.to_vec::<f32>()?[..2], [1.0, 0.0]); // the first query sees itself
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Shapes that do not fit together.
#[track_caller]
pub fn dot_product_attention(q: Tensor, k: Tensor, v: Tensor, how: DotProductAttention) -> Tensor {
    let _at = At::op("dot_product_attention");
    if q.rank() == 3 {
        let [q, k, v] = [q, k, v].map(|x| x.expand_dims(0));
        return dot_product_attention(q, k, v, how).squeeze(0);
    }
    let [_, t, _, d] = q.shape();
    let s = k.dim(1);
    let query = prim::iota([t, 1], DType::I32, 0);
    let key = prim::iota([1, s], DType::I32, 1);
    let real = |lengths: Tensor, at: Tensor| at.lt(lengths.cast(DType::I32).reshape([lengths.size(), 1, 1, 1]));
    let masks = [
        how.mask,
        how.is_causal.then(|| key.le(query)),
        how.local_window_size.map(|(before, behind)| query.le(key + before) & query.ge(key - behind as i64)),
        how.query_seq_lengths.map(|n| real(n, query)),
        how.key_value_seq_lengths.map(|n| real(n, key)),
    ];
    let mask = masks.into_iter().flatten().reduce(|a, b| a & b);
    let options = AttentionOptions { scale: how.scale.unwrap_or(1.0 / (d as f64).sqrt()), soft_cap: None };
    let y = attended([q, k, v], mask, how.bias, None, options);
    let query = prim::iota([t, 1, 1], DType::I32, 0);
    how.query_seq_lengths.map_or(y, |n| where_(real(n, query), y, 0.0))
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
                let (seen, cache) = cache.extend(k, v, at);
                (seen, Some(cache))
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
            // (`[b, 1, t, s]`: the same for all heads)
            let same = own.expand_dims(-1).eq(own.expand_dims(1));
            same.expand_dims(1) & mask
        });
        attention_with(q, self.k, self.v, mask, sinks, options)
    }
}
