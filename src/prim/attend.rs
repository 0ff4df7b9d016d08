//! Attention of a few queries to a cache, by a kernel.
use super::*;
use crate::{
    nn::AttentionOptions,
    trace::{At, bind},
};
use raxla_kernels::{attention::Number, call::ATTEND};

/// Most queries of a row for which the kernel is meant: while a text is generated, or drafts of it are verified. Of more, products of
/// matrices are faster.
pub const MOST_QUERIES: usize = 8;

/// How a cache is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheSight {
    /// Does position `p` lie in slot `p % slots`? Only for one query at a time.
    pub ring: bool,
    /// How many positions a query sees, its own included. `None`: all.
    pub window: Option<usize>,
    /// Scale of the scores, and how they are capped.
    pub options: AttentionOptions,
}

/// Causal attention of new positions to a cache, on the CPU, by one call of a kernel: keys and values are written into the cache, and
/// the queries attend to what it then holds. The softmax is computed in f32.
///
/// `q` is `[.., t, heads, key]`, new keys and values `[.., t, kv_heads, key or value]`, the caches `[.., slots, kv_heads, key or value]` in
/// f32, bf16 or f16, or in i8 as [`KvCache`](crate::nn::KvCache) has it; `starts`, i32 `[..]`, is where the first of the new positions stands. Query `i` sees the positions up to `start + i`.
/// `sinks` `[heads]` are as in [`attention_with`](crate::nn::attention_with). Returns `[.., t, heads, value]` in the dtype of `q`, and the
/// caches. It has no derivative.
///
/// # Errors
/// Shapes that do not fit together; dtypes that the kernel does not have; derivatives.
#[track_caller]
pub fn attend_cached(
    q: Tensor,
    [k, v]: [Tensor; 2],
    [k_cache, v_cache]: [Tensor; 2],
    starts: Tensor,
    sinks: Option<Tensor>,
    sight: CacheSight,
) -> (Tensor, [Tensor; 2]) {
    let _at = At::op("attend_cached");
    let operands: Vec<Tensor> = [q, k, v, k_cache, v_cache, starts].into_iter().chain(sinks).collect();
    let y = bind(AttendCached(sight), &operands);
    (y[0], [y[1], y[2]])
}

/// [`attend_cached`].
#[derive(Debug, Clone, PartialEq)]
struct AttendCached(CacheSight);
impl Hash for AttendCached {
    fn hash<H: Hasher>(&self, h: &mut H) {
        let CacheSight { ring, window, options } = self.0;
        (ring, window, options.scale.to_bits(), options.soft_cap.map(f64::to_bits)).hash(h);
    }
}

/// How many elements more than numbers a key or a value has in a cache of this dtype: in one of i8 an f32, which its codes are
/// multiplied with.
pub(crate) fn room(dtype: DType) -> usize {
    if dtype == DType::I8 { <i8 as Number>::ROOM } else { 0 }
}

/// Keys or values of so many numbers each, as a cache of this dtype has them: in one of i8, codes and the bytes of their scale.
fn as_held(new: &[f64], size: usize, dtype: DType) -> Vec<f64> {
    if dtype != DType::I8 {
        return new.to_vec();
    }
    let row = |row: &[f64]| {
        let finite = row.iter().all(|x| x.is_finite());
        let most = if finite { row.iter().fold(0f32, |most, x| most.max(x.abs() as f32)) } else { f32::NAN };
        let scale = most / 127.0;
        let divisor = if scale == 0.0 { 1.0 } else { scale };
        let codes = row.iter().map(|x| (*x as f32 / divisor).round_ties_even() as f64);
        codes.chain(scale.to_le_bytes().map(|byte| f64::from(byte as i8))).collect::<Vec<f64>>()
    };
    new.chunks(size.max(1)).flat_map(row).collect()
}

/// Back from [`as_held`] in i8.
fn of_codes(held: &[f64], size: usize) -> Vec<f64> {
    let row = |row: &[f64]| {
        let (codes, scale) = row.split_at(size);
        let scale = f32::from_le_bytes(std::array::from_fn(|i| scale[i] as i8 as u8));
        codes.iter().map(|code| code * f64::from(scale)).collect::<Vec<f64>>()
    };
    held.chunks(size + room(DType::I8)).flat_map(row).collect()
}

impl Primitive for AttendCached {
    fn name(&self) -> &'static str {
        "attend_cached"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let is_kernels = |d: DType| matches!(d, DType::F32 | DType::BF16 | DType::F16);
        x[..3].iter().try_for_each(|a| require(a, is_kernels, "f32, bf16 or f16"))?;
        let is_cache = |d: DType| matches!(d, DType::F32 | DType::BF16 | DType::F16 | DType::I8);
        x[3..5].iter().try_for_each(|a| require(a, is_cache, "f32, bf16, f16 or i8"))?;
        let [q, k, v, k_cache, v_cache, starts] = &x[..6] else { return Err("too few operands".into()) };
        let Some(rows) = q.rank().checked_sub(3) else { return Err("queries are `[.., t, heads, key]`".into()) };
        let (rows, tail) = q.dims.split_at(rows);
        let (t, heads, key) = (tail[0], tail[1], tail[2]);
        let [.., slots, kv_heads, _] = k_cache.dims[..] else {
            return Err("caches are `[.., slots, kv_heads, key]`".into());
        };
        let value = v.dims.last().copied().unwrap_or(0);
        let of = |tail: [usize; 3]| [rows, &tail[..]].concat();
        let wants = [
            ("k", k, of([t, kv_heads, key])),
            ("v", v, of([t, kv_heads, value])),
            ("the cache of keys", k_cache, of([slots, kv_heads, key + room(k_cache.dtype)])),
            ("the cache of values", v_cache, of([slots, kv_heads, value + room(k_cache.dtype)])),
            ("starts", starts, rows.to_vec()),
        ];
        for (what, have, want) in wants {
            if have.dims[..] != want[..] {
                return Err(Refusal::new(format!("{what} is {have}, not {want:?}"))
                    .help("see the sizes of `q` and of the cache"));
            }
        }
        if let Some(sinks) = x.get(6).filter(|sinks| sinks.dims[..] != [heads]) {
            return Err(format!("sinks are one for each of {heads} heads, not {sinks}").into());
        }
        if starts.dtype != DType::I32 || k_cache.dtype != v_cache.dtype {
            return Err("starts are i32, and both caches have one dtype".into());
        }
        if kv_heads == 0 || heads % kv_heads.max(1) != 0 || t > slots || (self.0.ring && t != 1) {
            return Err(format!("{t} queries of {heads} heads, {slots} slots of {kv_heads} heads").into());
        }
        Ok(vec![q.with_dims(of([t, heads, value])), k_cache.clone(), v_cache.clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let [q, k, v, k_cache, v_cache, starts] = &x[..6] else { unreachable!("inferred before") };
        let dims = |h: &Host| h.dims().to_vec();
        let rows: usize = dims(starts).iter().product();
        let (q_dims, cache_dims) = (dims(q), dims(k_cache));
        let [t, heads, key] = q_dims[q_dims.len() - 3..] else { unreachable!("inferred before") };
        let [slots, kv_heads, _] = cache_dims[cache_dims.len() - 3..] else { unreachable!("inferred before") };
        let value = *dims(v).last().expect("inferred before");
        let starts = starts.to_ints();
        let written = |new: &Host, cache: &Host, size: usize| {
            let (new, mut all) = (as_held(&new.to_f64(), size, cache.dtype()), cache.to_f64());
            let each = kv_heads * (size + room(cache.dtype()));
            for row in 0..rows {
                for i in 0..t {
                    let slot = match self.0.ring {
                        true => (starts[row] + i as i128).rem_euclid(slots as i128) as usize,
                        false => starts[row].clamp(0, (slots - t) as i128) as usize + i,
                    };
                    let from = &new[(row * t + i) * each..][..each];
                    all[(row * slots + slot) * each..][..each].copy_from_slice(from);
                }
            }
            match cache.dtype() {
                DType::I8 => Host::ints(DType::I8, cache.dims(), all.iter().map(|code| *code as i128).collect()),
                dtype => Host::floats(dtype, cache.dims(), all),
            }
        };
        let (k, v) = (written(k, k_cache, key), written(v, v_cache, value));
        let numbers = |cache: &Host, size: usize| match cache.dtype() {
            DType::I8 => of_codes(&cache.to_f64(), size),
            _ => cache.to_f64(),
        };
        let (q, keys, values) = (q.to_f64(), numbers(&k, key), numbers(&v, value));
        let sinks = x.get(6).map(Host::to_f64);
        let CacheSight { ring, window, options } = self.0;
        let mut out = vec![];
        for row in 0..rows {
            for i in 0..t {
                let (position, n) = (starts[row] + i as i128, slots as i128);
                for head in 0..heads {
                    let kv = head / (heads / kv_heads);
                    let q = &q[((row * t + i) * heads + head) * key..][..key];
                    let held = |slot: i128| if ring { position - (position - slot).rem_euclid(n) } else { slot };
                    let sees = |slot: &usize| {
                        let held = held(*slot as i128);
                        held >= 0 && held <= position && window.is_none_or(|w| position - held < w as i128)
                    };
                    let score = |slot: usize| {
                        let k = &keys[((row * slots + slot) * kv_heads + kv) * key..][..key];
                        let score = q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>() * options.scale;
                        (options.soft_cap.map_or(score, |cap| (score / cap).tanh() * cap), slot)
                    };
                    let scores: Vec<(f64, usize)> = (0..slots).filter(sees).map(score).collect();
                    let sink = sinks.as_ref().map(|s| s[head]);
                    let most = scores.iter().map(|s| s.0).chain(sink).fold(f64::MIN, f64::max);
                    let total: f64 = scores.iter().map(|s| s.0).chain(sink).map(|s| (s - most).exp()).sum();
                    let total = if total > 0.0 { total } else { 1.0 };
                    out.extend((0..value).map(|j| {
                        let term = |(s, slot): &(f64, usize)| {
                            (s - most).exp() / total * values[((row * slots + slot) * kv_heads + kv) * value + j]
                        };
                        scores.iter().map(term).sum::<f64>()
                    }));
                }
            }
        }
        let dims = [&q_dims[..q_dims.len() - 1], &[value]].concat();
        vec![Host::floats(x[0].dtype(), dims, out), k, v]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let help = "load the model with `Matrices::Dense`, or compute the sequence at once, without a cache";
        let operands = x.iter().map(|t| t.aval()).collect();
        fail("attend_cached", operands, "attention to a cache by a kernel has no derivative", Some(help.into()))
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        if mapped.get(6) == Some(&true) {
            return one_by_one(n, x, mapped, |x| bind(self.clone(), x));
        }
        let mut all = spread(n, &x[..6], &mapped[..6]);
        // without an axis of size 1 in the middle of the rows: XLA would copy every cache for it
        let one = all[5].rank() == 2 && all[5].dim(1) == 1;
        if one {
            all.iter_mut().for_each(|x| *x = x.squeeze(1));
        }
        all.extend(x.get(6));
        let y = bind(self.clone(), &all);
        if one { y.into_iter().map(|y| y.expand_dims(1)).collect() } else { y }
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if x[..5].iter().any(|x| x.aval.size() == 0) {
            return vec![cx.splat(&y[0], 0.0), x[3].clone(), x[4].clone()];
        }
        let CacheSight { ring, window, options } = self.0;
        let attributes = vec![
            ("scale".to_string(), Attr::from(options.scale)),
            ("soft_cap".to_string(), Attr::from(options.soft_cap.unwrap_or(0.0))),
            ("window".to_string(), Attr::from(window.map_or(-1, |w| w as i64))),
            ("ring".to_string(), Attr::from(ring)),
        ];
        let call = CustomCall { attributes, aliases: vec![(1, 3), (2, 4)], ..CustomCall::new(ATTEND, y) };
        call.lower(cx, x, y)
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let slots = x[3].dims.iter().rev().nth(2).copied().unwrap_or(0) as f64;
        let bytes = x.iter().chain(&y[..1]).map(|a| a.bytes() as f64).sum();
        Cost { flops: 2.0 * slots * (x[0].size() + y[0].size()) as f64, bytes }
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] =
    &[Row { name: "attend_cached", dtypes: |d| matches!(d, DType::F32 | DType::BF16 | DType::F16), cases }];

fn cases(d: DType) -> Vec<Case> {
    let options = AttentionOptions { scale: 0.4, soft_cap: None };
    let plain = CacheSight { ring: false, window: None, options };
    let case = |label: &str, rows: &[i32], [t, heads, kv_heads, slots]: [usize; 4], sinks: bool, sight: CacheSight| {
        let (b, key, value) = (rows.len(), 4, 3);
        let of = |dims: [usize; 4], seed| sample(d, &dims, seed);
        let mut inputs = vec![
            of([b, t, heads, key], 1),
            of([b, t, kv_heads, key], 2),
            of([b, t, kv_heads, value], 3),
            of([b, slots, kv_heads, key], 4),
            of([b, slots, kv_heads, value], 5),
            Host::ints(DType::I32, [b], rows.iter().map(|r| i128::from(*r)).collect()),
        ];
        inputs.extend(sinks.then(|| sample(d, &[heads], 6)));
        Case::new(label, inputs, move |x| {
            let (y, [k, v]) = attend_cached(x[0], [x[1], x[2]], [x[3], x[4]], x[5], x.get(6).copied(), sight);
            vec![y, k, v]
        })
        .wrt([])
    };
    // (the cache is what the positions before have left)
    let codes = |label: &str, start: i32, sight: CacheSight| {
        let (of, size) = (|dims: [usize; 4], seed| sample(d, &dims, seed), [4, 3]);
        let cache = |size: usize, seed| {
            let numbers = sample(DType::F32, &[1, 5, 2, size], seed).to_f64();
            let held = as_held(&numbers, size, DType::I8).iter().map(|code| *code as i128).collect();
            Host::ints(DType::I8, [1, 5, 2, size + room(DType::I8)], held)
        };
        let inputs = vec![
            of([1, 2, 4, size[0]], 1),
            of([1, 2, 2, size[0]], 2),
            of([1, 2, 2, size[1]], 3),
            cache(size[0], 4),
            cache(size[1], 5),
            Host::ints(DType::I32, [1], vec![start.into()]),
        ];
        Case::new(label, inputs, move |x| {
            let (y, [k, v]) = attend_cached(x[0], [x[1], x[2]], [x[3], x[4]], x[5], None, sight);
            vec![y, k, v]
        })
        .wrt([])
    };
    vec![
        codes("a cache of i8", 2, plain),
        codes("a window of i8", 3, CacheSight { window: Some(2), ..plain }),
        case("one query", &[2], [1, 4, 2, 6], false, plain),
        case("rows and sinks", &[0, 5], [1, 2, 1, 6], true, plain),
        case("several queries", &[2, 0], [3, 2, 2, 6], false, plain),
        case("beyond the end", &[9], [2, 2, 2, 6], false, plain),
        case("a window", &[5], [2, 2, 2, 8], false, CacheSight { window: Some(3), ..plain }),
        case("a ring", &[7], [1, 2, 2, 4], false, CacheSight { ring: true, window: Some(4), ..plain }),
        case(
            "capped",
            &[3],
            [1, 2, 2, 4],
            false,
            CacheSight { options: AttentionOptions { soft_cap: Some(0.8), ..options }, ..plain },
        ),
    ]
}
