//! Random bits: the counter-based generators that everything random is made of.
use super::*;
use crate::trace::bind;

/// The rounds' rotations: four, four others, and so on.
const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
/// The third key word is this, exclusive or the other two.
const PARITY: u32 = 0x1BD1_1BDA;

/// The hash of one counter under one key (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
pub(crate) fn threefry([k0, k1]: [u32; 2], [mut x0, mut x1]: [u32; 2]) -> [u32; 2] {
    let keys = [k0, k1, k0 ^ k1 ^ PARITY];
    (x0, x1) = (x0.wrapping_add(k0), x1.wrapping_add(k1));
    for i in 0..5 {
        for r in ROTATIONS[i % 2] {
            x0 = x0.wrapping_add(x1);
            x1 = x1.rotate_left(r) ^ x0;
        }
        x0 = x0.wrapping_add(keys[(i + 1) % 3]);
        x1 = x1.wrapping_add(keys[(i + 2) % 3]).wrapping_add(i as u32 + 1);
    }
    [x0, x1]
}

/// Threefry-2x32 with 20 rounds, elementwise.
#[derive(Debug, PartialEq, Hash)]
pub struct Threefry2x32;
/// The two words of each Threefry-2x32 hash of counter `(x0, x1)` under key `(k0, k1)`; all u32, of one shape.
#[track_caller]
pub fn threefry2x32(k0: Tensor, k1: Tensor, x0: Tensor, x1: Tensor) -> [Tensor; 2] {
    let y = bind(Threefry2x32, &[k0, k1, x0, x1]);
    [y[0], y[1]]
}
impl Primitive for Threefry2x32 {
    fn name(&self) -> &'static str {
        "threefry2x32"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        same_types(x)?;
        require(&x[0], |d| d == DType::U32, "u32")?;
        Ok(x[..2].to_vec())
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let words: Vec<Vec<i128>> = x.iter().map(Host::to_ints).collect();
        let hash = |i: usize| {
            let [k0, k1, x0, x1] = std::array::from_fn(|o| words[o][i] as u32);
            threefry([k0, k1], [x0, x1])
        };
        let hashes: Vec<[u32; 2]> = (0..x[0].aval().size()).map(hash).collect();
        let word = |w: usize| Host::ints(DType::U32, x[0].dims(), hashes.iter().map(|h| h[w] as i128).collect());
        vec![word(0), word(1)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None, None]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        bind(Threefry2x32, &spread(n, x, mapped))
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        // one function per shape, however often it is called
        let dims: String = y[0].dims.iter().map(|d| format!("_{d}")).collect();
        cx.call(&format!("threefry2x32{dims}"), x, y, |cx, a| lower_threefry(cx, a, &y[0]))
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: 120.0 * y[0].size() as f64, bytes }
    }
}
fn lower_threefry(cx: &mut Lower, a: &[Value], y: &Aval) -> Vec<Value> {
    let op = |cx: &mut Lower, name: &str, a: &Value, b: &Value| cx.op(name, &[a.clone(), b.clone()], "", y);
    let word = |cx: &mut Lower, n: u32| cx.splat_of(y, &Host::ints(DType::U32, [], vec![n as i128]));
    let both = op(cx, "xor", &a[0], &a[1]);
    let parity = word(cx, PARITY);
    let keys = [a[0].clone(), a[1].clone(), op(cx, "xor", &both, &parity)];
    let mut x0 = op(cx, "add", &a[2], &keys[0]);
    let mut x1 = op(cx, "add", &a[3], &keys[1]);
    for i in 0..5 {
        for r in ROTATIONS[i % 2] {
            x0 = op(cx, "add", &x0, &x1);
            let (left, right) = (word(cx, r), word(cx, 32 - r));
            let (left, right) = (op(cx, "shift_left", &x1, &left), op(cx, "shift_right_logical", &x1, &right));
            let rotated = op(cx, "or", &left, &right);
            x1 = op(cx, "xor", &rotated, &x0);
        }
        x0 = op(cx, "add", &x0, &keys[(i + 1) % 3]);
        x1 = op(cx, "add", &x1, &keys[(i + 2) % 3]);
        let n = word(cx, i as u32 + 1);
        x1 = op(cx, "add", &x1, &n);
    }
    vec![x0, x1]
}

/// Which generator [`rng_bit_generator`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Threefry-2x32.
    ThreeFry,
    /// Philox-4x32, the faster one.
    Philox,
    /// The platform's own: Philox on CPUs and GPUs.
    Default,
}

/// Random bits from a generator built into XLA.
#[derive(Debug, PartialEq, Hash)]
pub struct RngBitGenerator {
    algorithm: Algorithm,
    dims: Vec<usize>,
    dtype: DType,
}
/// The generator's next state, and random bits of an unsigned integer dtype. A `state` is `u64[2]`: a key and a counter.
///
/// Faster than a [`Key`](crate::random::Key) on accelerators, but it has no independent streams: keys of
/// [`KeyImpl::Rbg`](crate::random::KeyImpl) have both.
#[track_caller]
pub fn rng_bit_generator(
    state: Tensor,
    algorithm: Algorithm,
    dims: impl Into<Vec<usize>>,
    dtype: DType,
) -> (Tensor, Tensor) {
    let y = bind(RngBitGenerator { algorithm, dims: dims.into(), dtype }, &[state]);
    (y[0], y[1])
}

impl RngBitGenerator {
    /// The words that XLA's Threefry makes, and how many counters they take. An array is filled from two halves, along
    /// its first axis of even size, or else its largest.
    fn threefry_words(&self, key: u64, counter: u64) -> (Vec<u64>, u64) {
        let words = |x: u64| [x as u32, (x >> 32) as u32];
        let hash = |i: usize| threefry(words(key), words(counter.wrapping_add(i as u64)));
        let n: usize = self.dims.iter().product();
        if self.dtype == DType::U64 {
            return ((0..n).map(|i| join(hash(i)[0], hash(i)[1])).collect(), n as u64);
        }
        if self.dims.is_empty() {
            return (vec![hash(0)[0] as u64], 1);
        }
        let largest = || (0..self.dims.len()).rev().max_by_key(|i| self.dims[*i]);
        let axis = self.dims.iter().position(|d| d % 2 == 0).or_else(largest).expect("it has an axis");
        let mut half = self.dims.clone();
        half[axis] = half[axis].div_ceil(2);
        let element = |i: usize| {
            let mut at = crate::host::unravel(&self.dims, i);
            let which = at[axis] % 2;
            at[axis] /= 2;
            hash(crate::host::ravel(&half, &at))[which] as u64
        };
        ((0..n).map(element).collect(), half.iter().product::<usize>() as u64)
    }
    /// The words that XLA's Philox makes, four or (of 64 bits) two from each counter, and how many counters they take.
    fn philox_words(&self, key: u64, counter: u64) -> (Vec<u64>, u64) {
        let n: usize = self.dims.iter().product();
        let per_block = if self.dtype == DType::U64 { 2 } else { 4 };
        let blocks = n.div_ceil(per_block);
        // the key stands in the upper half of the counter, too
        let start = ((key as u128) << 64) | counter as u128;
        let block = |i: usize| philox(key, start.wrapping_add(i as u128));
        let words = (0..blocks).flat_map(|i| match block(i) {
            [a, b, c, d] if per_block == 2 => vec![join(a, b), join(c, d)],
            words => words.map(u64::from).to_vec(),
        });
        (words.take(n).collect(), blocks as u64)
    }
}
fn join(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}
/// Philox-4x32 with 10 rounds (Salmon et al. 2011).
fn philox(key: u64, counter: u128) -> [u32; 4] {
    let mut x: [u32; 4] = std::array::from_fn(|i| (counter >> (32 * i)) as u32);
    let mut k = [key as u32, (key >> 32) as u32];
    for _ in 0..10 {
        let (a, b) = (x[0] as u64 * 0xD251_1F53, x[2] as u64 * 0xCD9E_8D57);
        x = [(b >> 32) as u32 ^ x[1] ^ k[0], b as u32, (a >> 32) as u32 ^ x[3] ^ k[1], a as u32];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    x
}

impl Primitive for RngBitGenerator {
    fn name(&self) -> &'static str {
        "rng_bit_generator"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if !x[0].is_like(&Aval::new(DType::U64, [2])) {
            return Err("the state must be u64[2]: a key and a counter".into());
        }
        if !matches!(self.dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64) {
            return Err(format!("random bits come as u8, u16, u32 or u64, not {}", self.dtype.name()).into());
        }
        Ok(vec![x[0].clone(), Aval::new(self.dtype, self.dims.clone())])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let state = x[0].to_ints();
        let (key, counter) = (state[0] as u64, state[1] as u64);
        let (words, used) = match self.algorithm {
            Algorithm::ThreeFry => self.threefry_words(key, counter),
            Algorithm::Philox | Algorithm::Default => self.philox_words(key, counter),
        };
        let next = vec![key as i128, counter.wrapping_add(used) as i128];
        let bits = words.into_iter().map(i128::from).collect();
        vec![Host::ints(DType::U64, [2], next), Host::ints(self.dtype, self.dims.clone(), bits)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None, None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        let generate = |(), state| ((), rng_bit_generator(state, self.algorithm, &*self.dims, self.dtype));
        let ((), (state, bits)) = scan(generate, (), x[0]);
        vec![state, bits]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let algorithm = match self.algorithm {
            Algorithm::ThreeFry => "THREE_FRY",
            Algorithm::Philox => "PHILOX",
            Algorithm::Default => "DEFAULT",
        };
        let attrs = format!("rng_algorithm = #stablehlo<rng_algorithm {algorithm}>");
        cx.op_with("rng_bit_generator", x, &attrs, vec![], y)
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: 60.0 * y[1].size() as f64, bytes }
    }
}

fn threefry_cases(dtype: DType) -> Vec<Case> {
    let words = |dims: &[usize], seed| sample_in(dtype, dims, seed, 0.0, u32::MAX as f64);
    let operands = |dims: &[usize]| (1..5).map(|s| words(dims, s)).collect::<Vec<_>>();
    let hash = |x: &[Tensor]| threefry2x32(x[0], x[1], x[2], x[3]).to_vec();
    let number = |n: u32| Host::ints(DType::U32, [], vec![n as i128]);
    vec![
        Case::new("matrix", operands(&[3, 4]), hash),
        Case::new("empty", operands(&[0]), hash),
        // the known answers of the authors' reference implementation
        Case::new("zeros", vec![number(0); 4], hash),
        Case::new("ones", vec![number(u32::MAX); 4], hash),
    ]
}
fn generator_cases(algorithm: Algorithm) -> Vec<Case> {
    let state = |key: u64, counter: u64| vec![Host::ints(DType::U64, [2], vec![key as i128, counter as i128])];
    let mut cases = vec![];
    for dims in [vec![], vec![5], vec![3, 4], vec![3, 5], vec![0, 2]] {
        for dtype in [DType::U8, DType::U16, DType::U32, DType::U64] {
            let (label, dims) = (format!("{algorithm:?} {dtype}{dims:?}"), dims.clone());
            // the counter runs over the end of its 64 bits
            let state = state(0x1234_5678_9ABC_DEF0, u64::MAX - 1);
            cases.push(Case::new(label, state, move |x| {
                let (state, bits) = rng_bit_generator(x[0], algorithm, &*dims, dtype);
                vec![state, bits]
            }));
        }
    }
    cases
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "threefry2x32", dtypes: |d| d == DType::U32, cases: threefry_cases },
    Row {
        name: "rng_bit_generator",
        dtypes: |d| d == DType::U64,
        cases: |_| {
            [Algorithm::ThreeFry, Algorithm::Philox, Algorithm::Default].into_iter().flat_map(generator_cases).collect()
        },
    },
];
