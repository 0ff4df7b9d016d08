//! What layers keep of the positions seen so far. A layer declares the type of its cache as it declares its parameters:
//! sizes, roles of axes and dtype; its first value is zeros.
use super::{Seen, Sight};
use crate::{
    aval::DType,
    ops::shape::concat,
    ops::where_,
    param::Param,
    prim::{self, CacheSight, IndexMode, room},
    trace::Tensor,
    tree::Tree,
};

/// The cache of one layer, of whatever kind.
#[derive(Tree, Clone, Debug, PartialEq)]
pub enum Cache<T = Tensor> {
    /// Of attention.
    Kv(KvCache<T>),
    /// Of latent attention.
    Latent(LatentCache<T>),
}
impl<T> Cache<T> {
    /// That of attention.
    ///
    /// # Panics
    /// When it is another: an error of the calling code.
    pub fn kv(self) -> KvCache<T> {
        match self {
            Cache::Kv(cache) => cache,
            Cache::Latent(_) => panic!("attention was given the cache of latent attention"),
        }
    }
    /// That of latent attention.
    ///
    /// # Panics
    /// When it is another: an error of the calling code.
    pub fn latent(self) -> LatentCache<T> {
        match self {
            Cache::Latent(cache) => cache,
            Cache::Kv(_) => panic!("latent attention was given the cache of attention"),
        }
    }
}

/// What keys and values of all heads are made from, of one layer (DeepSeek-AI, 2024; arXiv 2405.04434): position `p` in slot `p`.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct LatentCache<T = Tensor> {
    /// The compressed keys and values, `[b, slots, rank]`.
    pub latent: T,
    /// The part of the key that positions turn, which all heads share, `[b, slots, k]`.
    pub key: T,
}
impl LatentCache<Param> {
    /// A cache for so many positions.
    pub fn spec(batch: usize, slots: usize, [rank, key]: [usize; 2], dtype: DType) -> LatentCache<Param> {
        let of = |n: usize| Param::new([batch, slots, n + room(dtype)], ["batch", "slots", "latent"]).cast(dtype);
        LatentCache { latent: of(rank), key: of(key) }
    }
}
impl LatentCache {
    /// What it holds, in this dtype: compressed keys and values, and the turned part of the key.
    pub(super) fn read(&self, dtype: DType) -> [Tensor; 2] {
        [self.latent, self.key].map(|held| as_read(held, dtype))
    }
    /// With what these positions add, from `start` (i32 scalar) on, of any dtype.
    #[track_caller]
    pub fn extend(&self, latent: Tensor, key: Tensor, start: Tensor) -> LatentCache {
        let write = |old: Tensor, new: Tensor| old.dynamic_update_axis(1, start, as_held(new, old.dtype()));
        LatentCache { latent: write(self.latent, latent), key: write(self.key, key) }
    }
}

/// Keys and values of the positions seen so far, of one layer: `[b, slots, kv_heads, k]` each.
///
/// A cache of i8 holds each key and each value as `k` codes from -127 to 127 and, behind them, the four bytes of the f32 that they are
/// multiplied with (the largest magnitude over 127): `[b, slots, kv_heads, k + 4]`. That rounds each number by at most 0.4 % of the
/// largest one.
#[derive(Tree, Clone, Debug, PartialEq)]
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
impl KvCache<Param> {
    /// A cache for `slots` positions; of a layer that looks at a window, for no more than it and `spare`: so many of the latest
    /// positions can be taken back, and the next call may start before them.
    pub fn spec(
        [batch, slots, kv_heads, head]: [usize; 4],
        window: Option<usize>,
        spare: usize,
        dtype: DType,
    ) -> KvCache<Param> {
        let window = window.map(|size| size.saturating_add(spare)).filter(|size| *size < slots);
        let dims = [batch, window.unwrap_or(slots), kv_heads, head + room(dtype)];
        let p = Param::new(dims, ["batch", "slots", "kv_heads", "head"]).cast(dtype);
        KvCache { k: p.clone(), v: p, ring: window.is_some() }
    }
}
impl KvCache {
    /// Attention of `q` `[b, t, heads, k]`, a few positions from `start` on, with their keys and values, by a kernel; and the cache
    /// with these. Of several positions, a ring must not forget any that the first looks at: it is then not the kernel's.
    pub(super) fn attend(
        &self,
        q: Tensor,
        kv: [Tensor; 2],
        start: Tensor,
        sinks: Option<Tensor>,
        sight: CacheSight,
    ) -> (Tensor, KvCache) {
        let sight = CacheSight { ring: self.ring, ..sight };
        let starts = start.broadcast_to([q.dim(0)]);
        let (y, [k, v]) = prim::attend_cached(q, kv, [self.k, self.v], starts, sinks, sight);
        (y, KvCache { k, v, ring: self.ring })
    }
    /// What a call with these keys and values sees, in their dtype, and the cache with them.
    pub(super) fn extend(&self, k: Tensor, v: Tensor, at: Sight) -> (Seen, KvCache) {
        let dtype = k.dtype();
        let (seen, cache) = self.extend_held(as_held(k, self.k.dtype()), as_held(v, self.v.dtype()), at);
        (Seen { k: as_read(seen.k, dtype), v: as_read(seen.v, dtype), ..seen }, cache)
    }
    fn extend_held(&self, k: Tensor, v: Tensor, at: Sight) -> (Seen, KvCache) {
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

/// Keys or values, along the last axis, as a cache of this dtype holds them.
fn as_held(x: Tensor, dtype: DType) -> Tensor {
    if dtype != DType::I8 {
        return x.cast(dtype);
    }
    let x = x.cast(DType::F32);
    let scale = x.abs().max(-1) / 127.0;
    let divisor = where_(scale.ne(0.0), scale, 1.0).expand_dims(-1);
    // (NaN has no code: the scale says it)
    let codes = (x / divisor).round().cast(DType::I8);
    concat(&[codes, scale.bitcast(DType::I8)], -1)
}
/// Back from [`as_held`], in this dtype.
fn as_read(held: Tensor, dtype: DType) -> Tensor {
    if held.dtype() != DType::I8 {
        return held.cast(dtype);
    }
    let n = held.dim(-1) - room(DType::I8);
    let scale = held.slice_axis(-1, n..n + room(DType::I8)).bitcast(DType::F32);
    (held.slice_axis(-1, 0..n).cast(DType::F32) * scale.expand_dims(-1)).cast(dtype)
}

/// The positions in the slots of a ring after `length` of them, i32 `[slots]`: the latest; negative where there is none yet.
fn held(slots: usize, length: Tensor) -> Tensor {
    let last = length - 1;
    // (at least -1 - (slots - 1), so that the remainder is of something positive)
    let ago = (last - prim::iota([slots], DType::I32, 0) + slots) % slots;
    last - ago
}
