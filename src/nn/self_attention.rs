//! The layer of self-attention.
use super::{
    AttentionOptions, Cache, KvCache, Linear, RmsNorm, Seen, Sight,
    rope::{Rope, Rotation},
};
use crate::{
    aval::DType,
    host::Host,
    parallel::tensor,
    param::Param,
    prim::{self, CacheSight, IndexMode, MOST_QUERIES, full, literal},
    trace::{At, Tensor},
    tree::Tree,
};

/// Where the tokens of one call stand in their sequence, and how positions turn queries and keys there.
#[derive(Clone, Debug)]
pub struct Span {
    /// Position of the first, i32 scalar.
    pub start: Tensor,
    /// Length of the sequence up to the last real token of the call, i32 scalar. Tokens behind it are padding.
    pub length: Tensor,
    /// For each position, as `positions`: how long the sequence was when the position came to it. Rotary embeddings that change with
    /// the length then turn it alike, however the sequence is cut into calls.
    lengths: Tensor,
    /// The positions, i32 `[t]`; or i32 `[b, t]`, where each row has its own.
    pub positions: Tensor,
    /// Where the tokens stand in their row, i32 `[t]`: the positions, but that they do not begin again in each segment.
    pub indices: Tensor,
    /// Which segment of its row each token belongs to, i32 `[b, t]`: see [`Sight::segments`].
    pub segments: Option<Tensor>,
    /// Of each kind that the layers have, computed once.
    rotations: Vec<(Rope, Rotation)>,
}
impl Span {
    /// `t` tokens from `start` on, for layers with these rotary embeddings; one may occur several times. The first `prompt`
    /// tokens of the sequence, i32 scalar, came to it together, and each further one alone.
    #[track_caller]
    pub fn new<'a>(
        start: Tensor,
        length: Tensor,
        prompt: Tensor,
        t: usize,
        ropes: impl IntoIterator<Item = &'a Rope>,
    ) -> Span {
        let _at = At::op("Span::new");
        let positions = prim::iota([t], DType::I32, 0) + start;
        let lengths = (positions + 1).maximum(prompt);
        let span = Span { start, length, lengths, positions, indices: positions, segments: None, rotations: vec![] };
        span.with_rotations(ropes)
    }
    /// Whole rows of several documents each: `segments` i32 `[b, t]` says which one a token belongs to, and `positions`, i32 `[b, t]`, where
    /// it stands in that. Each document is computed as if it were alone.
    #[track_caller]
    pub fn packed<'a>(segments: Tensor, positions: Tensor, ropes: impl IntoIterator<Item = &'a Rope>) -> Span {
        let _at = At::op("Span::packed");
        let t = segments.dim(1);
        let (start, length) = (full([], DType::I32, 0), full([], DType::I32, t));
        let same = segments.expand_dims(-1).eq(segments.expand_dims(1));
        let lengths = same.cast(DType::I32).sum(-1);
        let indices = prim::iota([t], DType::I32, 0);
        let span = Span { start, length, lengths, positions, indices, segments: Some(segments), rotations: vec![] };
        span.with_rotations(ropes)
    }
    fn with_rotations<'a>(mut self, ropes: impl IntoIterator<Item = &'a Rope>) -> Span {
        for rope in ropes {
            if self.rotations.iter().all(|(known, _)| known != rope) {
                self.rotations.push((rope.clone(), rope.rotations(self.positions, self.lengths)));
            }
        }
        self
    }
    /// Those of this rotary embedding.
    #[track_caller]
    pub fn rotation(&self, rope: &Rope) -> Rotation {
        let known = self.rotations.iter().find(|(known, _)| known == rope);
        known.map_or_else(|| rope.rotations(self.positions, self.lengths), |(_, rotation)| *rotation)
    }
}

/// How far back a layer looks, and how positions turn its queries and keys.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Reach {
    /// How many positions a query sees, its own included (Beltagy et al., 2020; arXiv 2004.05150). `None`: all.
    pub window: Option<usize>,
    /// The rotary embedding, if there is one.
    pub rope: Option<Rope>,
}

/// Grouped-query self-attention.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Attention<T = Tensor> {
    /// `[d, heads, k]`
    pub q: Linear<T>,
    /// `[d, kv_heads, k]`
    pub k: Linear<T>,
    /// `[d, kv_heads, k]`
    pub v: Linear<T>,
    /// `[heads, k, d]`
    pub o: Linear<T>,
    /// Over queries and over keys: each head (`[k]`), or all of them together (`[heads, k]`).
    pub qk_norm: Option<(RmsNorm<T>, RmsNorm<T>)>,
    /// Scores that take part in each head's softmax and have no value, `[heads]`.
    pub sinks: Option<T>,
    /// Scale of the scores, and how they are capped.
    #[tree(skip)]
    pub options: AttentionOptions,
    /// Are the scores of layer `i` divided by `i + 1`?
    #[tree(skip)]
    pub scaled_by_layer: bool,
    /// One; or, where layers that differ in it are one stack, one per layer of the model.
    #[tree(skip)]
    pub reach: Vec<Reach>,
}

impl Attention<Param> {
    /// The type of its cache for so many rows and slots. See [`KvCache::spec`].
    pub fn cache(&self, batch: usize, slots: usize, spare: usize, dtype: DType) -> Cache<Param> {
        let dims = &self.k.w.aval.dims;
        let [.., kv_heads, head] = dims[..] else { unreachable!("a projection to heads has two output axes") };
        let window = if let [one] = &self.reach[..] { one.window } else { None };
        Cache::Kv(KvCache::spec([batch, slots, kv_heads, head], window, spare, dtype))
    }
}

impl Attention {
    /// Attend from `x` `[b, t, d]` to it and to what the cache holds. `number` is the layer's, an i32 scalar.
    #[track_caller]
    pub fn call(&self, x: Tensor, cache: Option<Cache>, number: Tensor, span: &Span) -> (Tensor, Option<Cache>) {
        let _at = At::op("Attention::call");
        let x = tensor::enter(x);
        let [q, k, v] = Linear::call_all([&self.q, &self.k, &self.v], x);
        let (q, k) = self.qk_norm.as_ref().map_or((q, k), |(of_q, of_k)| (of_q.call(q), of_k.call(k)));
        let (window, rotation) = self.reach(number, span);
        let (q, k) = rotation.map_or((q, k), |r| (r.apply(q), r.apply(k)));
        let q = if self.scaled_by_layer { q / (number + 1).cast(q.dtype()) } else { q };
        let cache = cache.map(Cache::kv);
        // (of several positions, early ones may look at what later ones overwrite in a ring)
        let fits = |cache: &&KvCache| (!cache.ring || q.dim(1) == 1) && cache.k.dtype() != DType::F64;
        let by_kernel = cache.as_ref().filter(fits).filter(|_| span.segments.is_none());
        if let (Some(cache), Some(sight)) = (by_kernel, self.by_kernel(q)) {
            let (y, cache) = cache.attend(q, [k, v], span.start, self.sinks, sight);
            return (self.o.call(y), Some(Cache::Kv(cache)));
        }
        let at = Sight { start: span.start, length: span.length, window, segments: span.segments };
        let (seen, cache) = Seen::new(cache, k, v, at);
        let seen = seen.for_heads_of(q, !crate::parallel::is_divided(self.k.w, &self.k.roles, "model"));
        (self.o.call(seen.attend(q, at, self.sinks, self.options)), cache.map(Cache::Kv))
    }

    /// How a kernel looks at the cache, if one is to: where the products are by kernels, of a few queries, in layers that all look
    /// equally far.
    fn by_kernel(&self, q: Tensor) -> Option<CacheSight> {
        let kernels = self.q.packing.as_ref().is_some_and(|packing| packing.kernels);
        match &self.reach[..] {
            [one] if kernels && q.dim(1) <= MOST_QUERIES => {
                Some(CacheSight { ring: false, window: one.window, options: self.options })
            }
            _ => None,
        }
    }

    /// The window and the rotation of layer `number`.
    fn reach(&self, number: Tensor, span: &Span) -> (Option<Tensor>, Option<Rotation>) {
        // (no position is further away than an i32 can say)
        let size = |window: Option<usize>| window.map_or(i32::MAX, |n| n.min(i32::MAX as usize) as i32);
        if let [one] = &self.reach[..] {
            let window = one.window.map(|_| full([], DType::I32, size(one.window)));
            return (window, one.rope.as_ref().map(|rope| span.rotation(rope)));
        }
        let table = |values: Vec<i128>| {
            literal(Host::ints(DType::I32, [values.len()], values)).take_with(number, 0, IndexMode::Clip)
        };
        let window = table(self.reach.iter().map(|r| size(r.window).into()).collect());
        let mut ropes: Vec<&Option<Rope>> = vec![];
        self.reach.iter().map(|r| &r.rope).for_each(|rope| {
            if !ropes.contains(&rope) {
                ropes.push(rope)
            }
        });
        let kind = |r: &Reach| ropes.iter().position(|rope| **rope == r.rope).map_or(0, |i| i as i128);
        let kind = table(self.reach.iter().map(kind).collect());
        let some = ropes.iter().find_map(|rope| rope.as_ref()).map(|rope| span.rotation(rope));
        let rotation = some.map(|some| {
            let of = |rope: &Option<Rope>| rope.as_ref().map_or_else(|| some.identity(), |rope| span.rotation(rope));
            let choose = |so_far, (i, rope): (usize, &&Option<Rope>)| Rotation::select(kind.eq(i), of(rope), so_far);
            ropes.iter().enumerate().skip(1).fold(of(ropes[0]), choose)
        });
        (Some(window), rotation)
    }
}
