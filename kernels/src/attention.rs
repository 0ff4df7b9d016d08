//! Attention of a few queries to a cache of keys and values (Dao et al., 2023: Flash-Decoding): the positions of a row are shared out
//! in pieces, each with a softmax of its own, which are then put together.
#![allow(unsafe_op_in_unsafe_fn)]
use crate::{
    isa::{Isa, Lanes, compiled},
    product::{Shared, Team},
};
use half::{bf16, f16};

/// Sizes and settings.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Sequences.
    pub rows: usize,
    /// Queries of each.
    pub queries: usize,
    /// Heads of queries, a multiple of those of keys.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Size of a key.
    pub key: usize,
    /// Size of a value.
    pub value: usize,
    /// Slots of a cache.
    pub slots: usize,
    /// Does position `p` lie in slot `p % slots`? Else in slot `p`.
    pub ring: bool,
    /// Factor on scores.
    pub scale: f32,
    /// `cap · tanh(score / cap)`, if it is above 0.
    pub soft_cap: f32,
    /// How many positions a query sees, its own included.
    pub window: usize,
}

/// Numbers of a cache.
pub trait Number: Copy + Send + Sync + 'static {
    /// So many more elements than numbers has each key and each value in the cache: what its numbers are multiplied with, as bytes.
    const ROOM: usize = 0;
    /// What the `n` numbers from `p` on are multiplied with.
    ///
    /// # Safety
    /// They are there, and their [`ROOM`](Number::ROOM).
    #[inline(always)]
    unsafe fn scale(_p: *const Self, _n: usize) -> f32 {
        1.0
    }
    /// A key or a value as the cache has it, whose room is the end of `to`.
    fn write(from: &[f32], to: &mut [Self]) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = Self::of(*from));
    }
    /// 16 of them.
    ///
    /// # Safety
    /// So many are there, and the processor has the instruction set.
    unsafe fn load<L: Lanes>(p: *const Self) -> L::F;
    /// As f32.
    fn wide(self) -> f32;
    /// The nearest one.
    fn of(x: f32) -> Self;
}
impl Number for f32 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(p: *const f32) -> L::F {
        L::load(p)
    }
    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }
    fn of(x: f32) -> f32 {
        x
    }
}
impl Number for bf16 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(p: *const bf16) -> L::F {
        L::bits(L::shl::<16>(L::words(p.cast())))
    }
    #[inline(always)]
    fn wide(self) -> f32 {
        self.to_f32()
    }
    fn of(x: f32) -> bf16 {
        bf16::from_f32(x)
    }
}
impl Number for f16 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(p: *const f16) -> L::F {
        L::halves(p.cast())
    }
    #[inline(always)]
    fn wide(self) -> f32 {
        self.to_f32()
    }
    fn of(x: f32) -> f16 {
        f16::from_f32(x)
    }
}
/// Codes from -127 to 127, of which the largest number of a key or a value is one, and behind them an f32 to multiply them with.
impl Number for i8 {
    const ROOM: usize = 4;
    #[inline(always)]
    unsafe fn load<L: Lanes>(p: *const i8) -> L::F {
        L::to_f(L::signed_bytes(p.cast()))
    }
    #[inline(always)]
    fn wide(self) -> f32 {
        self.into()
    }
    fn of(x: f32) -> i8 {
        x.round_ties_even() as i8
    }
    #[inline(always)]
    unsafe fn scale(p: *const i8, n: usize) -> f32 {
        p.add(n).cast::<f32>().read_unaligned()
    }
    fn write(from: &[f32], to: &mut [i8]) {
        // (of what is not finite nothing is left)
        let finite = from.iter().all(|x| x.is_finite());
        let most = if finite { from.iter().fold(0f32, |most, x| most.max(x.abs())) } else { f32::NAN };
        let scale = most / 127.0;
        let divisor = if scale == 0.0 { 1.0 } else { scale };
        let (codes, room) = to.split_at_mut(from.len());
        codes.iter_mut().zip(from).for_each(|(code, x)| *code = i8::of(x / divisor));
        room.iter_mut().zip(scale.to_le_bytes()).for_each(|(to, byte)| *to = byte as i8);
    }
}

/// Positions of one piece, at least.
const PIECE: usize = 256;
/// Positions whose scores are computed before they are used.
const BLOCK: usize = 64;

/// Caches and queries of all rows, row-major: `q` `[rows, queries, heads, key]`, caches `[rows, slots, kv_heads, key or value]` (and
/// [`Number::ROOM`]) in which the new positions are already, `starts` the position of each row's first query, `sinks` `[heads]` or nothing; to `out`
/// `[rows, queries, heads, value]`.
pub struct Operands<'a, N> {
    /// Queries.
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [N],
    /// Values.
    pub v: &'a [N],
    /// Position of each row's first query.
    pub starts: &'a [i32],
    /// Scores without values.
    pub sinks: &'a [f32],
}

/// Attention of every query to what stands before it, itself included.
///
/// # Panics
/// Sizes that do not fit together: an error of the calling code.
pub fn attend<N: Number>(isa: Isa, team: &dyn Team, shape: Shape, x: Operands<N>, out: &mut [f32]) {
    let Shape { rows, queries, heads, kv_heads, key, value, slots, .. } = shape;
    assert!(x.q.len() == rows * queries * heads * key && out.len() == rows * queries * heads * value, "{shape:?}");
    let held = |size: usize| rows * slots * kv_heads * (size + N::ROOM);
    assert!(x.k.len() == held(key) && x.v.len() == held(value), "{shape:?}");
    assert!(x.starts.len() == rows && heads.is_multiple_of(kv_heads), "{shape:?}");
    assert!(x.sinks.is_empty() || x.sinks.len() == heads, "{shape:?}");
    if out.is_empty() {
        return;
    }
    // what the last query of the longest row sees; of a ring, all slots
    let longest = x.starts.iter().map(|s| (*s).max(0) as usize + queries).max().unwrap_or(0).min(slots);
    let pieces = longest.div_ceil(PIECE).clamp(1, team.count() * 4);
    let piece = longest.div_ceil(pieces).next_multiple_of(BLOCK);
    let group = heads / kv_heads;
    // of each query head: largest score, sum, and values
    let width = value + 2;
    let mut parts = vec![0f32; rows * kv_heads * pieces * queries * group * width];
    let each = queries * group * width;
    let all = Shared::of(&mut parts);
    // (all heads of a position lie together: to read them at once is to find each page of memory once; but few positions are divided
    // by heads)
    let together = if rows * pieces >= 2 * team.count() { kv_heads } else { 1 };
    let parties = kv_heads / together;
    team.run(rows * parties * pieces, &|task| {
        let (row, rest) = (task / (parties * pieces), task % (parties * pieces));
        let (first, number) = (rest / pieces * together, rest % pieces);
        let slots = [number * piece, ((number + 1) * piece).min(longest)];
        // SAFETY: the sizes were checked; each task has its own parts.
        unsafe {
            let out = all.at(((row * kv_heads + first) * pieces + number) * each);
            pieces_on(isa, shape, &x, row, [first, first + together], slots, out, pieces * each)
        };
    });
    for row in 0..rows {
        for head in 0..heads {
            let (kv, within) = (head / group, head % group);
            for query in 0..queries {
                let part = |number: usize| {
                    let at = ((row * kv_heads + kv) * pieces + number) * each + (query * group + within) * width;
                    &parts[at..at + width]
                };
                let sink = x.sinks.get(head).copied();
                let most = (0..pieces).map(|i| part(i)[0]).fold(sink.unwrap_or(f32::MIN), f32::max);
                let mut total = sink.map_or(0.0, |sink| (sink - most).exp());
                let out = &mut out[((row * queries + query) * heads + head) * value..][..value];
                out.fill(0.0);
                for part in (0..pieces).map(part) {
                    let factor = (part[0] - most).exp();
                    total += factor * part[1];
                    out.iter_mut().zip(&part[2..]).for_each(|(o, p)| *o += factor * p);
                }
                // (a query that sees nothing gives zeros)
                let inverse = if total == 0.0 { 0.0 } else { 1.0 / total };
                out.iter_mut().for_each(|o| *o *= inverse);
            }
        }
    }
}

compiled! {
    fn pieces_on<N: Number>(
        s: Shape,
        x: &Operands<N>,
        row: usize,
        heads: [usize; 2],
        slots: [usize; 2],
        out: *mut f32,
        step: usize,
    ) {
        pieces_of::<L, N>(s, x, row, heads, slots, out, step)
    }
}

/// eˣ for x <= 0, within 2e-7 of it: a power of two times a polynomial.
#[inline(always)]
unsafe fn exp<L: Lanes>(x: L::F) -> L::F {
    let x = L::max(x, L::splat(-87.0));
    // the nearest integer to x / ln 2, in the lowest bits of a number that large
    const LARGE: f32 = 12_582_912.0;
    let large = L::fma(x, L::splat(std::f32::consts::LOG2_E), L::splat(LARGE));
    let n = L::add(large, L::splat(-LARGE));
    let r = L::fma(n, L::splat(-0.693_145_75), x);
    let r = L::fma(n, L::splat(-1.428_606_8e-6), r);
    let mut p = L::splat(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = L::fma(p, r, L::splat(c));
    }
    let power = L::bits(L::add_i(L::shl::<23>(L::raw(large)), 0x3f80_0000));
    L::mul(p, power)
}

/// The queries of some key heads, over some slots of a row. What becomes of a head goes `step` numbers behind what became of the one
/// before it.
#[inline(always)]
unsafe fn pieces_of<L: Lanes, N: Number>(
    s: Shape,
    x: &Operands<N>,
    row: usize,
    heads: [usize; 2],
    slots: [usize; 2],
    out: *mut f32,
    step: usize,
) {
    let (queries, width) = (s.queries * s.heads / s.kv_heads, s.value + 2);
    for kv in 0..heads[1] - heads[0] {
        (0..queries).for_each(|i| *out.add(kv * step + i * width) = f32::MIN);
    }
    let together = heads[1] - heads[0] == s.kv_heads;
    for block in (slots[0]..slots[1]).step_by(BLOCK) {
        let count = BLOCK.min(slots[1] - block);
        for kv in heads[0]..heads[1] {
            piece::<L, N>(s, x, row, kv, [block, count], out.add((kv - heads[0]) * step), together);
        }
    }
}

/// The queries of the heads that share a key head, over a block of slots. Where all heads are taken `together`, the next block lies in
/// one piece but is not read in its order: each head asks for a share of it, a key for a key.
#[inline(always)]
unsafe fn piece<L: Lanes, N: Number>(
    s: Shape,
    x: &Operands<N>,
    row: usize,
    kv: usize,
    [block, count]: [usize; 2],
    out: *mut f32,
    together: bool,
) {
    let group = s.heads / s.kv_heads;
    let start = x.starts[row] as i64;
    let [key, value] = [s.key, s.value].map(|size| size + N::ROOM);
    let k = x.k.as_ptr().add((row * s.slots * s.kv_heads + kv) * key);
    let v = x.v.as_ptr().add((row * s.slots * s.kv_heads + kv) * value);
    let (k_stride, v_stride) = (s.kv_heads * key, s.kv_heads * value);
    // (past the end, of what nobody reads; and where it is of no use, once more of what is there)
    let ahead = |numbers: *const N, size: usize, i: usize| {
        let share = (row * s.slots + block + BLOCK) * s.kv_heads + kv * BLOCK;
        if together { numbers.wrapping_add((share + i) * size) } else { numbers }
    };
    let width = s.value + 2;
    let mut scores = [0f32; BLOCK];
    for query in 0..s.queries {
        let position = start + query as i64;
        // which of the slots it sees: of a ring one by one, else from the window's beginning to its own
        let sees = |slot: usize| {
            let held = position - (position - slot as i64).rem_euclid(s.slots as i64);
            held >= 0 && position - held < s.window as i64
        };
        let begin = (position - s.window as i64 + 1).max(0) as usize;
        let seen = match s.ring {
            true => 0..count,
            false => {
                begin.saturating_sub(block).min(count)
                    ..((position + 1).max(0) as usize).saturating_sub(block).min(count)
            }
        };
        if seen.is_empty() {
            continue;
        }
        for member in 0..group {
            let head = kv * group + member;
            let q = x.q.as_ptr().add(((row * s.queries + query) * s.heads + head) * s.key);
            scores.fill(f32::NEG_INFINITY);
            let capped = |score: f32| match s.soft_cap > 0.0 {
                true => (score / s.soft_cap).tanh() * s.soft_cap,
                false => score,
            };
            let mut i = seen.start;
            while i < seen.end {
                let many = i + 16 <= seen.end && (!s.ring || (i..i + 16).all(|i| sees(block + i)));
                let keys = k.add((block + i) * k_stride);
                if many {
                    let dots = dots::<L, N>(q, keys, k_stride, s.key, ahead(x.k.as_ptr(), key, i));
                    L::store(scores.as_mut_ptr().add(i), L::mul(dots, L::splat(s.scale)));
                    if s.soft_cap > 0.0 {
                        scores[i..i + 16].iter_mut().for_each(|score| *score = capped(*score));
                    }
                } else if !s.ring || sees(block + i) {
                    scores[i] = capped(dot::<L, N>(q, keys, s.key) * N::scale(keys, s.key) * s.scale);
                }
                i += if many { 16 } else { 1 };
            }
            let state = out.add((query * group + member) * width);
            // what is not a number, or has no largest one, stays so
            if scores.iter().fold(false, |bad, score| bad | score.is_nan() | (*score > f32::MAX)) {
                *state.add(1) = f32::NAN;
                continue;
            }
            let largest = scores.chunks_exact(16).fold(L::splat(*state), |a, b| L::max(a, L::load(b.as_ptr())));
            let most = L::largest(largest);
            if most == f32::MIN {
                continue;
            }
            let factor = (*state - most).exp();
            *state = most;
            let mut sum = L::splat(0.0);
            for chunk in scores.chunks_exact_mut(16) {
                // (what is not seen counts e^-87, beside at least one e^0)
                let p = exp::<L>(L::add(L::load(chunk.as_ptr()), L::splat(-most)));
                L::store(chunk.as_mut_ptr(), p);
                sum = L::add(sum, p);
            }
            // (nor do values count that are not seen, whatever they are)
            if s.ring {
                seen.clone().filter(|i| !sees(block + i)).for_each(|i| scores[i] = 0.0);
            }
            *state.add(1) = *state.add(1) * factor + L::sum(sum);
            let first = v.add((block + seen.start) * v_stride);
            if N::ROOM > 0 {
                for (i, p) in scores[seen.clone()].iter_mut().enumerate().filter(|(_, p)| **p != 0.0) {
                    *p *= N::scale(first.add(i * v_stride), s.value);
                }
            }
            let ahead = ahead(x.v.as_ptr(), value, 0);
            weighted::<L, N>(&scores[seen.clone()], factor, first, v_stride, s.value, state.add(2), ahead);
        }
    }
}

/// Bytes that memory gives at once.
const LINE: usize = 64;

#[inline(always)]
unsafe fn dot<L: Lanes, N: Number>(q: *const f32, k: *const N, n: usize) -> f32 {
    let whole = n / 16 * 16;
    let mut sum = L::splat(0.0);
    for i in (0..whole).step_by(16) {
        sum = L::fma(L::load(q.add(i)), N::load::<L>(k.add(i)), sum);
    }
    (whole..n).fold(L::sum(sum), |sum, i| sum + *q.add(i) * (*k.add(i)).wide())
}

/// Of 16 keys, which are `stride` numbers from each other. As many numbers are asked for `ahead`, one line at a time: processors have
/// few places for lines on their way.
#[inline(always)]
unsafe fn dots<L: Lanes, N: Number>(q: *const f32, k: *const N, stride: usize, n: usize, ahead: *const N) -> L::F {
    let mut all = [L::splat(0.0); 16];
    let mut ahead = ahead.cast::<u8>();
    for at in (0..n / 16 * 16).step_by(16) {
        let q = L::load(q.add(at));
        let mut k = k.add(at);
        for (i, all) in all.iter_mut().enumerate() {
            if ((i + 1) * 16 * size_of::<N>()).is_multiple_of(LINE) {
                L::prefetch(ahead);
                ahead = ahead.wrapping_add(LINE);
            }
            *all = L::fma(q, N::load::<L>(k), *all);
            k = k.wrapping_add(stride);
        }
    }
    let sums = L::sums(all);
    let rest = n / 16 * 16;
    if rest == n && N::ROOM == 0 {
        return sums;
    }
    let mut each = [0f32; 16];
    L::store(each.as_mut_ptr(), sums);
    for (i, sum) in each.iter_mut().enumerate() {
        let k = k.add(i * stride);
        *sum = (rest..n).fold(*sum, |sum, i| sum + *q.add(i) * (*k.add(i)).wide()) * N::scale(k, n);
    }
    L::load(each.as_ptr())
}

/// `sums = sums · factor + Σ p[i] · v[i]`; as many numbers are asked for `ahead`.
#[inline(always)]
unsafe fn weighted<L: Lanes, N: Number>(
    p: &[f32],
    factor: f32,
    v: *const N,
    stride: usize,
    n: usize,
    sums: *mut f32,
    ahead: *const N,
) {
    let mut ahead = ahead.cast::<u8>();
    let mut at = 0;
    while at + 64 <= n {
        let mut acc = [L::splat(0.0); 4];
        for (j, acc) in acc.iter_mut().enumerate() {
            *acc = L::mul(L::load(sums.add(at + 16 * j)), L::splat(factor));
        }
        for (i, p) in p.iter().enumerate().filter(|(_, p)| **p != 0.0) {
            for _ in 0..size_of::<N>() {
                L::prefetch(ahead);
                ahead = ahead.wrapping_add(LINE);
            }
            let (p, v) = (L::splat(*p), v.add(i * stride + at));
            for (j, acc) in acc.iter_mut().enumerate() {
                *acc = L::fma(p, N::load::<L>(v.add(16 * j)), *acc);
            }
        }
        for (j, acc) in acc.into_iter().enumerate() {
            L::store(sums.add(at + 16 * j), acc);
        }
        at += 64;
    }
    while at + 16 <= n {
        let mut acc = L::mul(L::load(sums.add(at)), L::splat(factor));
        for (i, p) in p.iter().enumerate().filter(|(_, p)| **p != 0.0) {
            acc = L::fma(L::splat(*p), N::load::<L>(v.add(i * stride + at)), acc);
        }
        L::store(sums.add(at), acc);
        at += 16;
    }
    while at < n {
        let sum = p
            .iter()
            .enumerate()
            .filter(|(_, p)| **p != 0.0)
            .map(|(i, p)| p * (*v.add(i * stride + at)).wide())
            .sum::<f32>();
        *sums.add(at) = *sums.add(at) * factor + sum;
        at += 1;
    }
}
