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
    /// Are the 32 numbers of [`Number::pair`] those of even places, then those of odd ones? Else they are in their order.
    const APART: bool = false;
    /// 16 of them.
    ///
    /// # Safety
    /// So many are there, and the processor has the instruction set.
    unsafe fn load<L: Lanes>(p: *const Self) -> L::F;
    /// 32 of them.
    ///
    /// # Safety
    /// So many are there, and the processor has the instruction set.
    #[inline(always)]
    unsafe fn pair<L: Lanes>(p: *const Self) -> [L::F; 2] {
        [Self::load::<L>(p), Self::load::<L>(p.add(16))]
    }
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
    const APART: bool = true;
    #[inline(always)]
    unsafe fn pair<L: Lanes>(p: *const bf16) -> [L::F; 2] {
        let both = L::load_i(p.cast());
        [L::bits(L::shl::<16>(both)), L::bits(L::and(both, 0xffff_0000_u32 as i32))]
    }
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
        match s.key.is_multiple_of(4 * LANES) && s.value.is_multiple_of(4 * LANES) {
            true => pieces_of::<L, N, true>(s, x, row, heads, slots, out, step),
            false => pieces_of::<L, N, false>(s, x, row, heads, slots, out, step),
        }
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

/// Numbers of a vector, which are one line of memory.
const LANES: usize = 16;
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [f32; LANES]);

/// Vectors of numbers, each at the beginning of a line.
struct Lines {
    all: Vec<Line>,
    /// Numbers from one vector to the next.
    room: usize,
}
impl Lines {
    /// `count` vectors of `n` numbers, which are 0.
    fn new(count: usize, n: usize) -> Lines {
        let lines = n.div_ceil(LANES);
        Lines { all: vec![Line([0.0; LANES]); count * lines], room: lines * LANES }
    }
    fn at(&mut self, i: usize) -> *mut f32 {
        self.all[i * self.room / LANES..].as_mut_ptr().cast()
    }
    fn line(&mut self, i: usize) -> &mut [f32] {
        let all = &mut self.all[i * self.room / LANES..][..self.room / LANES];
        // SAFETY: lines are nothing but their numbers.
        unsafe { std::slice::from_raw_parts_mut(all.as_mut_ptr().cast(), self.room) }
    }
}

/// Numbers in the order of [`Number::pair`].
#[inline(always)]
fn to_pairs<N: Number>(from: &[f32], to: &mut [f32]) {
    let whole = if N::APART { from.len() / 32 * 32 } else { 0 };
    for (to, from) in to.chunks_exact_mut(32).zip(from[..whole].chunks_exact(32)) {
        for i in 0..16 {
            (to[i], to[16 + i]) = (from[2 * i], from[2 * i + 1]);
        }
    }
    to[whole..from.len()].copy_from_slice(&from[whole..]);
}

/// The other way round.
#[inline(always)]
fn from_pairs<N: Number>(from: &[f32], to: &mut [f32]) {
    let whole = if N::APART { to.len() / 32 * 32 } else { 0 };
    for (to, from) in to[..whole].chunks_exact_mut(32).zip(from.chunks_exact(32)) {
        for i in 0..16 {
            (to[2 * i], to[2 * i + 1]) = (from[i], from[16 + i]);
        }
    }
    let n = to.len();
    to[whole..].copy_from_slice(&from[whole..n]);
}

/// Keys or values of one row of a cache, of the heads that a task has.
#[derive(Clone, Copy)]
struct Held<N> {
    first: *const N,
    /// Numbers of one.
    size: usize,
    /// Elements from a position to the next.
    stride: usize,
    heads: usize,
    /// Heads of queries that share one.
    group: usize,
}

/// The queries of some key heads, over some slots of a row. What becomes of a head goes `step` numbers behind what became of the one
/// before it. Some positions are taken together, and of those one head after the other, nearly as they lie in memory; the next ones are asked for
/// meanwhile, so that memory is read while the processor computes. Keys and values of whole lines of memory (`WHOLE`) need no code for rests.
#[inline(always)]
unsafe fn pieces_of<L: Lanes, N: Number, const WHOLE: bool>(
    s: Shape,
    x: &Operands<N>,
    row: usize,
    heads: [usize; 2],
    slots: [usize; 2],
    out: *mut f32,
    step: usize,
) {
    let (group, kv_heads) = (s.heads / s.kv_heads, heads[1] - heads[0]);
    let all = kv_heads * group;
    let held = |numbers: *const N, size: usize| Held {
        first: numbers.add((row * s.slots * s.kv_heads + heads[0]) * (size + N::ROOM)),
        size,
        stride: s.kv_heads * (size + N::ROOM),
        heads: kv_heads,
        group,
    };
    let (keys, values) = (held(x.k.as_ptr(), s.key), held(x.v.as_ptr(), s.value));
    // of each query and head: its numbers, the largest score and the sum so far, and the values' sum; of a block: scores
    let (mut q, mut sums) = (Lines::new(s.queries * all, s.key), Lines::new(s.queries * all, s.value));
    let mut states = vec![(f32::MIN, 0f32); s.queries * all];
    let mut scores = Lines::new(all, BLOCK);
    for query in 0..s.queries {
        let from = ((row * s.queries + query) * s.heads + heads[0] * group) * s.key;
        for (head, from) in x.q[from..][..all * s.key].chunks_exact(s.key).enumerate() {
            to_pairs::<N>(from, q.line(query * all + head));
        }
    }
    for block in (slots[0]..slots[1]).step_by(BLOCK) {
        let count = BLOCK.min(slots[1] - block);
        for query in 0..s.queries {
            let position = x.starts[row] as i64 + query as i64;
            // which of the slots it sees: of a ring one by one, else from the window's beginning to its own
            let sees = |slot: usize| {
                let held = || position - (position - slot as i64).rem_euclid(s.slots as i64);
                !s.ring || (0.max(position - s.window as i64 + 1)..=position).contains(&held())
            };
            let begin = (position - s.window as i64 + 1).max(0) as usize;
            let seen = match s.ring {
                true => block..block + count,
                false => begin.max(block)..((position + 1).max(0) as usize).min(block + count),
            };
            if seen.is_empty() {
                continue;
            }
            let of = query * all;
            for from in seen.clone().step_by(LANES) {
                let (room, q, scores) = (q.room, q.at(of), scores.at(0).add(from - seen.start));
                dots::<L, N, WHOLE>(keys, from, seen.end - 1, q, room, scores);
            }
            for head in 0..all {
                let p = scores.line(head);
                p.iter_mut().for_each(|p| *p *= s.scale);
                if s.soft_cap > 0.0 {
                    p.iter_mut().for_each(|p| *p = (*p / s.soft_cap).tanh() * s.soft_cap);
                }
                p[seen.len()..].fill(f32::NEG_INFINITY);
                if s.ring {
                    seen.clone().filter(|slot| !sees(*slot)).for_each(|slot| p[slot - seen.start] = f32::NEG_INFINITY);
                }
                let factor = softmax::<L>(p, &mut states[of + head]);
                sums.line(of + head).iter_mut().for_each(|sum| *sum *= factor);
            }
            // (values that are not seen do not count, whatever they are)
            let mut from = seen.start;
            while from < seen.end {
                if !sees(from) {
                    from += 1;
                    continue;
                }
                let many = (from + MANY <= seen.end && (from..from + MANY).all(sees)) as usize;
                let p = scores.at(0).add(from - seen.start);
                match many {
                    1 => weighted::<L, N, MANY, WHOLE>(values, from, p, sums.at(of), sums.room),
                    _ => weighted::<L, N, 1, WHOLE>(values, from, p, sums.at(of), sums.room),
                }
                from += if many == 1 { MANY } else { 1 };
            }
        }
    }
    let width = s.value + 2;
    for query in 0..s.queries {
        for head in 0..all {
            let of = query * all + head;
            let to = out.add(head / group * step + (query * group + head % group) * width);
            (*to, *to.add(1)) = states[of];
            from_pairs::<N>(sums.line(of), std::slice::from_raw_parts_mut(to.add(2), s.value));
        }
    }
}

/// Positions whose values are multiplied at once.
const MANY: usize = 8;

/// Scores of a block to e to them, less the largest one so far, of `state`, which has the sum of those too. What is returned is how much smaller
/// everything before becomes by it.
#[inline(always)]
unsafe fn softmax<L: Lanes>(scores: &mut [f32], state: &mut (f32, f32)) -> f32 {
    // what is not a number, or has no largest one, stays so
    if scores.iter().fold(false, |bad, score| bad | score.is_nan() | (*score > f32::MAX)) {
        state.1 = f32::NAN;
    }
    let largest = scores.chunks_exact(LANES).fold(L::splat(state.0), |a, b| L::max(a, L::load(b.as_ptr())));
    let most = L::largest(largest);
    if most == f32::MIN || state.1.is_nan() {
        scores.fill(0.0);
        return 1.0;
    }
    let factor = (state.0 - most).exp();
    let mut sum = L::splat(0.0);
    for chunk in scores.chunks_exact_mut(LANES) {
        // (what is not seen counts e^-87, beside at least one e^0)
        let p = exp::<L>(L::add(L::load(chunk.as_ptr()), L::splat(-most)));
        L::store(chunk.as_mut_ptr(), p);
        sum = L::add(sum, p);
    }
    *state = (most, state.1 * factor + L::sum(sum));
    factor
}

/// Products of the queries of all heads, `room` numbers from each other, with the keys of 16 slots from one on (after the `last` one come products
/// with it), to `scores` `[heads, BLOCK]`.
#[inline(always)]
unsafe fn dots<L: Lanes, N: Number, const WHOLE: bool>(
    keys: Held<N>,
    slot: usize,
    last: usize,
    mut q: *const f32,
    room: usize,
    mut scores: *mut f32,
) {
    let n = keys.size;
    let whole = n / LANES * LANES;
    let mut rows: [*const N; LANES] = std::array::from_fn(|i| keys.first.add((slot + i).min(last) * keys.stride));
    for _ in 0..keys.heads {
        rows.iter().for_each(|k| asked::<L, N>(k.wrapping_add(LANES * keys.stride), n));
        for _ in 0..keys.group {
            let (mut sums, mut at) = ([L::splat(0.0); LANES], 0);
            while at + 2 * LANES <= n {
                let q = [L::load(q.add(at)), L::load(q.add(at + LANES))];
                for (sum, k) in sums.iter_mut().zip(&rows) {
                    let [a, b] = N::pair::<L>(k.add(at));
                    *sum = L::fma(q[1], b, L::fma(q[0], a, *sum));
                }
                at += 2 * LANES;
            }
            if !WHOLE && at < whole {
                let q = L::load(q.add(at));
                for (sum, k) in sums.iter_mut().zip(&rows) {
                    *sum = L::fma(q, N::load::<L>(k.add(at)), *sum);
                }
            }
            L::store(scores, L::sums(sums));
            if N::ROOM > 0 || !WHOLE && whole < n {
                for (i, k) in rows.iter().enumerate() {
                    let score = &mut *scores.add(i);
                    *score = (whole..n).fold(*score, |sum, i| sum + *q.add(i) * (*k.add(i)).wide()) * N::scale(*k, n);
                }
            }
            (q, scores) = (q.add(room), scores.wrapping_add(BLOCK));
        }
        rows = rows.map(|k| k.wrapping_add(n + N::ROOM));
    }
}

/// Asks for the lines of memory that `n` numbers lie in.
#[inline(always)]
unsafe fn asked<L: Lanes, N: Number>(numbers: *const N, n: usize) {
    for line in (0..n * size_of::<N>()).step_by(size_of::<Line>()) {
        L::prefetch(numbers.cast::<u8>().wrapping_add(line));
    }
}

/// Adds the values of `M` slots from one on, times `p` `[heads, BLOCK]`, to sums that are `room` numbers from each other.
#[inline(always)]
unsafe fn weighted<L: Lanes, N: Number, const M: usize, const WHOLE: bool>(
    values: Held<N>,
    slot: usize,
    mut p: *const f32,
    mut sums: *mut f32,
    room: usize,
) {
    let (n, stride) = (values.size, values.stride);
    let mut v = values.first.add(slot * stride);
    for _ in 0..values.heads {
        for i in 0..M {
            asked::<L, N>(v.wrapping_add((M + i) * stride), n);
        }
        for _ in 0..values.group {
            let p_of = |i: usize| *p.add(i) * N::scale(v.add(i * stride), n);
            let mut at = 0;
            while at + 4 * LANES <= n {
                let (sums, v) = (sums.add(at), v.add(at));
                let mut sum: [L::F; 4] = std::array::from_fn(|j| L::load(sums.add(j * LANES)));
                for i in 0..M {
                    let (p, v) = (L::splat(p_of(i)), v.add(i * stride));
                    let [[a, b], [c, d]] = [N::pair::<L>(v), N::pair::<L>(v.add(2 * LANES))];
                    sum = [L::fma(p, a, sum[0]), L::fma(p, b, sum[1]), L::fma(p, c, sum[2]), L::fma(p, d, sum[3])];
                }
                (0..4).for_each(|j| L::store(sums.add(j * LANES), sum[j]));
                at += 4 * LANES;
            }
            if !WHOLE {
                if at + 2 * LANES <= n {
                    let mut sum = [L::load(sums.add(at)), L::load(sums.add(at + LANES))];
                    for i in 0..M {
                        let (p, [a, b]) = (L::splat(p_of(i)), N::pair::<L>(v.add(i * stride + at)));
                        sum = [L::fma(p, a, sum[0]), L::fma(p, b, sum[1])];
                    }
                    L::store(sums.add(at), sum[0]);
                    L::store(sums.add(at + LANES), sum[1]);
                    at += 2 * LANES;
                }
                if at + LANES <= n {
                    let add = |sum, i| L::fma(L::splat(p_of(i)), N::load::<L>(v.add(i * stride + at)), sum);
                    L::store(sums.add(at), (0..M).fold(L::load(sums.add(at)), add));
                    at += LANES;
                }
                for at in at..n {
                    *sums.add(at) += (0..M).map(|i| p_of(i) * (*v.add(i * stride + at)).wide()).sum::<f32>();
                }
            }
            (p, sums) = (p.add(BLOCK), sums.add(room));
        }
        v = v.wrapping_add(n + N::ROOM);
    }
}
