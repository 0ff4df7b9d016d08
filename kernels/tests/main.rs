//! The kernels of every instruction set beside plain arithmetic on the unpacked matrix.
mod linalg;

use raxla_kernels::{
    Format, Isa,
    format::unpack,
    pack::{Strides, pack_blocks, pack_plain},
    product::{Alone, Arithmetic, Matrix, Numbers, Results, Team, product},
};

/// Numbers that look random.
struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// A packed matrix `[k, n]` of a format, made from blocks as a file holds them.
fn matrix(format: Format, k: usize, n: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Random(seed);
    let [tiles, blocks, bytes] = format.dims(k, n);
    let mut packed = vec![0xaa; tiles * blocks * bytes];
    if format.is_plain() {
        let stored: Vec<u8> = (0..k * n)
            .flat_map(|_| {
                let x = numbers.float();
                match format {
                    Format::F32 => x.to_le_bytes().to_vec(),
                    Format::F16 => half::f16::from_f32(x).to_le_bytes().to_vec(),
                    _ => half::bf16::from_f32(x).to_le_bytes().to_vec(),
                }
            })
            .collect();
        let size = stored.len() / (k * n);
        pack_plain(format, [k, n], &stored, Strides { input: size, output: size * k }, 0, &mut packed);
        return packed;
    }
    let row = blocks * format.stored_bytes();
    let mut stored: Vec<u8> = (0..n * row).map(|_| numbers.next() as u8).collect();
    for block in stored.chunks_exact_mut(format.stored_bytes()) {
        let scale = half::f16::from_f32(numbers.float() / 8.0).to_le_bytes();
        let offset = half::f16::from_f32(numbers.float()).to_le_bytes();
        match format {
            Format::INT8 | Format::INT4 => block[..4].copy_from_slice(&(numbers.float() / 8.0).to_le_bytes()),
            Format::Q6_K => block[208..].copy_from_slice(&scale),
            Format::MXFP4 => block[0] = 120 + (block[0] & 7),
            Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K => {
                block[..2].copy_from_slice(&scale);
                block[2..4].copy_from_slice(&offset);
            }
            _ => block[..2].copy_from_slice(&scale),
        }
    }
    pack_blocks(format, [k, n], |i| &stored[i * row..][..row], 0, &mut packed);
    packed
}

/// What products of bytes take inputs `[rows, k]` for.
fn as_bytes(format: Format, x: &[f32], k: usize) -> Vec<f64> {
    if format.is_plain() {
        return x.iter().map(|x| *x as f64).collect();
    }
    let group = |x: &[f32]| {
        let scale = x.iter().fold(0f32, |m, x| m.max(x.abs())) / 127.0;
        x.iter().map(|x| (x / scale).round_ties_even() as f64 * scale as f64).collect::<Vec<f64>>()
    };
    x.chunks(k).flat_map(|row| row.chunks(32).flat_map(group)).collect()
}

#[test]
fn what_is_not_finite_stays_so_in_bytes() {
    let packed = matrix(Format::Q4_0, 64, 20, 3);
    let m = Matrix { format: Format::Q4_0, k: 64, n: 20, packed: &packed };
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = vec![1.0; 128];
        x[70] = bad;
        let mut y = vec![0.0; 40];
        product(Isa::best(), Arithmetic::Int8, &Alone, Numbers::F32(&x), 2, &[m], vec![Results::F32(&mut y)]);
        assert!(y[..20].iter().all(|y| y.is_finite()) && y[20..].iter().all(|y| !y.is_finite()), "{y:?}");
    }
}

/// Of numbers that are too small for a scale nothing is left; others lose nothing by being small.
#[test]
fn small_numbers_are_bytes_too() {
    for format in [Format::Q4_0, Format::Q4_1, Format::Q6_K] {
        let packed = matrix(format, 256, 20, 3);
        let m = Matrix { format, k: 256, n: 20, packed: &packed };
        for how in Arithmetic::ALL {
            let of = |scale: f32| {
                let x: Vec<f32> = (0..256).map(|i| (i as f32 - 100.0) * scale).collect();
                let mut y = vec![f32::NAN; 20];
                product(Isa::best(), how, &Alone, Numbers::F32(&x), 1, &[m], vec![Results::F32(&mut y)]);
                y
            };
            for (small, one) in of(2f32.powi(-90)).into_iter().zip(of(1.0)) {
                assert!((small * 2f32.powi(90) - one).abs() <= 1e-5 * one.abs(), "{format:?} {how:?}: {small}, {one}");
            }
            let least = of(1e-41);
            assert!(least.iter().all(|y| y.abs() < 1e-30), "{format:?} {how:?}: {least:?}");
        }
    }
}

/// Threads of the test's own.
struct Threads;
impl Team for Threads {
    fn count(&self) -> usize {
        3
    }
    fn run(&self, total: usize, task: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for worker in 0..3 {
                scope.spawn(move || (worker..total).step_by(3).for_each(task));
            }
        });
    }
}

#[test]
fn products_are_those_of_the_numbers() {
    for format in Format::ALL {
        for (k, n) in [(32usize, 16), (40, 7), (64, 50), (256, 33), (288, 100), (520, 16), (2304, 40)] {
            // (in files, rows of blocks are whole)
            let k = if format.is_plain() { k } else { k.next_multiple_of(format.inputs()) };
            let packed = matrix(format, k, n, 7 + k as u64);
            let weights = unpack(format, &packed, k, n);
            for rows in [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 23, 64] {
                if rows > 8 && k * n > 20_000 && rows != 23 {
                    continue;
                }
                let mut numbers = Random(rows as u64 + 1);
                let x: Vec<f32> = (0..rows * k).map(|_| numbers.float()).collect();
                for isa in Isa::all() {
                    let mut y = vec![f32::NAN; rows * n];
                    let m = Matrix { format, k, n, packed: &packed };
                    let team: &dyn Team = if rows % 2 == 0 { &Alone } else { &Threads };
                    product(isa, Arithmetic::Exact, team, Numbers::F32(&x), rows, &[m], vec![Results::F32(&mut y)]);
                    let mut rounded = vec![f32::NAN; rows * n];
                    product(
                        isa,
                        Arithmetic::Bf16,
                        team,
                        Numbers::F32(&x),
                        rows,
                        &[m],
                        vec![Results::F32(&mut rounded)],
                    );
                    let mut bytes = vec![f32::NAN; rows * n];
                    product(isa, Arithmetic::Int8, team, Numbers::F32(&x), rows, &[m], vec![Results::F32(&mut bytes)]);
                    let of_bytes = as_bytes(format, &x, k);
                    for row in 0..rows {
                        for out in 0..n {
                            // (rounded inputs are all that differs)
                            let terms = (0..k).map(|i| of_bytes[row * k + i] * weights[i * n + out] as f64);
                            let (sum, size) = terms.fold((0.0, 0.0), |(s, a): (f64, f64), t| (s + t, a + t.abs()));
                            let got = bytes[row * n + out] as f64;
                            let close = (got - sum).abs() <= 4e-6 * size + 1e-6;
                            assert!(
                                close,
                                "{format:?} {isa:?} {rows} x {k} x {n} in bytes at {row}, {out}: {got}, not {sum}"
                            );
                            let terms = (0..k).map(|i| x[row * k + i] as f64 * weights[i * n + out] as f64);
                            let (sum, size) = terms.fold((0.0, 0.0), |(s, a): (f64, f64), t| (s + t, a + t.abs()));
                            let got = y[row * n + out] as f64;
                            let close = (got - sum).abs() <= 2e-6 * size + 1e-6;
                            let off = (rounded[row * n + out] as f64 - sum).abs();
                            assert!(
                                off <= 1.2e-2 * size + 1e-6,
                                "{format:?} {isa:?} {rows} x {k} x {n} in bf16: {off}"
                            );
                            assert!(close, "{format:?} {isa:?} {rows} x {k} x {n} at {row}, {out}: {got}, not {sum}");
                        }
                    }
                }
            }
        }
    }
}

/// What is bf16 already loses nothing, however products of bf16 are computed.
#[test]
fn inputs_of_bf16_are_exact() {
    for (k, n, rows) in [(64, 40, 9), (520, 100, 23), (2304, 33, 40)] {
        let packed = matrix(Format::BF16, k, n, k as u64);
        let weights = unpack(Format::BF16, &packed, k, n);
        let mut numbers = Random(n as u64);
        let x: Vec<f32> = (0..rows * k).map(|_| half::bf16::from_f32(numbers.float()).to_f32()).collect();
        let mut y = vec![f32::NAN; rows * n];
        let m = Matrix { format: Format::BF16, k, n, packed: &packed };
        product(Isa::best(), Arithmetic::Bf16, &Threads, Numbers::F32(&x), rows, &[m], vec![Results::F32(&mut y)]);
        for (i, got) in y.iter().enumerate() {
            let terms = (0..k).map(|j| x[i / n * k + j] as f64 * weights[j * n + i % n] as f64);
            let (sum, size) = terms.fold((0.0, 0.0), |(s, a): (f64, f64), t| (s + t, a + t.abs()));
            assert!((*got as f64 - sum).abs() <= 2e-6 * size + 1e-6, "{rows} x {k} x {n} at {i}: {got}, not {sum}");
        }
    }
}

#[test]
fn matrices_with_shared_inputs_are_one_call() {
    let (k, rows) = (256, 5);
    let sizes = [(Format::Q4_K, 48), (Format::Q6_K, 20), (Format::BF16, 16), (Format::Q4_1, 31)];
    let packed: Vec<Vec<u8>> = sizes.iter().map(|(f, n)| matrix(*f, k, *n, *n as u64)).collect();
    let all: Vec<Matrix> =
        sizes.iter().zip(&packed).map(|((format, n), packed)| Matrix { format: *format, k, n: *n, packed }).collect();
    let mut numbers = Random(3);
    for rows in [1, rows, 20] {
        let x: Vec<f32> = (0..rows * k).map(|_| numbers.float()).collect();
        let mut together: Vec<Vec<f32>> = sizes.iter().map(|(_, n)| vec![0.0; rows * n]).collect();
        let outs = together.iter_mut().map(|y| Results::F32(y));
        product(Isa::best(), Arithmetic::Exact, &Threads, Numbers::F32(&x), rows, &all, outs);
        for (m, together) in all.iter().zip(&together) {
            let mut alone = vec![0.0; rows * m.n];
            product(
                Isa::best(),
                Arithmetic::Exact,
                &Alone,
                Numbers::F32(&x),
                rows,
                &[*m],
                vec![Results::F32(&mut alone)],
            );
            assert_eq!(&alone, together);
        }
    }
}

mod attention {
    use super::Random;
    use raxla_kernels::{
        Isa,
        attention::{Number, Operands, Shape, attend},
        product::Alone,
    };

    /// The definition, in f64.
    fn plain<N: Number>(s: Shape, x: &Operands<N>) -> Vec<f64> {
        let mut out = vec![];
        for row in 0..s.rows {
            for query in 0..s.queries {
                let (position, last) =
                    (x.starts[row] as i64 + query as i64, x.starts[row] as i64 + s.queries as i64 - 1);
                for head in 0..s.heads {
                    let kv = head / (s.heads / s.kv_heads);
                    let q = &x.q[((row * s.queries + query) * s.heads + head) * s.key..][..s.key];
                    let mut terms = vec![];
                    for slot in 0..s.slots {
                        let n = s.slots as i64;
                        let held = if s.ring { last - (last - slot as i64).rem_euclid(n) } else { slot as i64 };
                        if held < 0 || held > position || position - held >= s.window as i64 {
                            continue;
                        }
                        let k = &x.k[((row * s.slots + slot) * s.kv_heads + kv) * s.key..][..s.key];
                        let dot: f64 = q.iter().zip(k).map(|(q, k)| *q as f64 * k.wide() as f64).sum();
                        let score = dot * s.scale as f64;
                        let cap = s.soft_cap as f64;
                        terms.push((if cap > 0.0 { (score / cap).tanh() * cap } else { score }, slot));
                    }
                    let sink = x.sinks.get(head).map(|x| *x as f64);
                    let total: f64 = terms.iter().map(|t| t.0.exp()).sum::<f64>() + sink.map_or(0.0, f64::exp);
                    for i in 0..s.value {
                        let v =
                            |slot: usize| x.v[((row * s.slots + slot) * s.kv_heads + kv) * s.value + i].wide() as f64;
                        out.push(terms.iter().map(|(score, slot)| score.exp() / total * v(*slot)).sum());
                    }
                }
            }
        }
        out
    }

    fn check<N: Number>(s: Shape, starts: &[i32], sinks: bool) {
        let mut numbers = Random(s.slots as u64 + 5);
        let mut floats = |n: usize| (0..n).map(|_| numbers.float()).collect::<Vec<f32>>();
        let q = floats(s.rows * s.queries * s.heads * s.key);
        // (what no query sees is not a number: it may not count)
        let seen = |slot: usize, row: usize| s.ring || (slot as i64) < starts[row] as i64 + s.queries as i64;
        let mut cache = |size: usize| -> Vec<N> {
            let line = s.kv_heads * size;
            let numbers = floats(s.rows * s.slots * line).into_iter().enumerate();
            let row = |i: usize| i / line / s.slots;
            numbers.map(|(i, x)| N::of(if seen(i / line % s.slots, row(i)) { x } else { f32::NAN })).collect()
        };
        let (k, v) = (cache(s.key), cache(s.value));
        let sinks = if sinks { floats(s.heads) } else { vec![] };
        let operands = || Operands { q: &q, k: &k, v: &v, starts, sinks: &sinks };
        let want = plain(s, &operands());
        for isa in Isa::all() {
            let mut out = vec![f32::NAN; want.len()];
            attend(isa, &Alone, s, operands(), &mut out);
            let off = out.iter().zip(&want).map(|(a, b)| (*a as f64 - b).abs()).fold(0.0, f64::max);
            assert!(off < 2e-6 && !out.iter().any(|x| x.is_nan()), "{isa:?} {s:?}: off by {off}");
        }
    }

    #[test]
    fn attention_is_what_it_says() {
        let s = Shape {
            rows: 1,
            queries: 1,
            heads: 4,
            kv_heads: 2,
            key: 64,
            value: 64,
            slots: 64,
            ring: false,
            scale: 0.7,
            soft_cap: 0.0,
            window: usize::MAX >> 1,
        };
        for start in [0, 1, 15, 40, 63] {
            check::<f32>(s, &[start], false);
        }
        check::<half::bf16>(Shape { slots: 1100, heads: 9, kv_heads: 3, ..s }, &[1000], false);
        check::<half::bf16>(Shape { slots: 600, heads: 8, kv_heads: 8, key: 128, value: 192, ..s }, &[577], true);
        check::<half::bf16>(Shape { slots: 90, key: 56, value: 111, queries: 3, ..s }, &[70], false);
        check::<half::f16>(Shape { slots: 300, key: 80, value: 24, ..s }, &[299], true);
        check::<f32>(
            Shape { rows: 3, queries: 5, slots: 700, key: 7, value: 9, soft_cap: 1.5, ..s },
            &[0, 311, 690],
            true,
        );
        check::<f32>(Shape { slots: 300, window: 33, ..s }, &[200], false);
        for start in [0, 5, 31, 32, 100] {
            check::<f32>(Shape { slots: 32, ring: true, window: 32, ..s }, &[start], true);
        }
    }
}

/// Products of arrays that are not packed, of sizes that fill tiles and that do not, and with axes in any order.
#[test]
fn products_of_arrays_are_those_of_the_numbers() {
    use half::bf16;
    use raxla_kernels::dot::{Side, dot, is_there};
    if !is_there() {
        return;
    }
    let mut numbers = Random(77);
    let mut array = |n: usize| -> Vec<bf16> { (0..n).map(|_| bf16::from_f32(numbers.float())).collect() };
    // sizes of batch, rows, columns and sum; where each axis of the sides stands
    let cases: [([usize; 4], [usize; 3], [usize; 3]); 9] = [
        ([1, 512, 96, 64], [0, 1, 2], [0, 2, 1]),
        ([1, 33, 40, 1030], [0, 1, 2], [0, 2, 1]),
        ([1, 100, 70, 96], [0, 2, 1], [0, 1, 2]),
        ([3, 17, 31, 45], [0, 1, 2], [0, 1, 2]),
        ([2, 64, 64, 32], [1, 0, 2], [2, 0, 1]),
        ([4, 16, 16, 16], [2, 1, 0], [2, 1, 0]),
        ([1, 900, 33, 34], [0, 2, 1], [0, 2, 1]),
        ([1, 1, 16, 640], [0, 1, 2], [0, 1, 2]),
        ([2, 32, 300, 512], [0, 1, 2], [0, 1, 2]),
    ];
    for ([batches, rows, columns, k], left, right) in cases {
        let (a, b) = (array(batches * rows * k), array(batches * columns * k));
        // (axes of the array, in its order, are those of batch, outer and inner where `places` says)
        let side = |x: &'static [bf16], sizes: [usize; 3], places: [usize; 3]| {
            let mut dims = [0; 3];
            places.iter().zip(sizes).for_each(|(place, size)| dims[*place] = size);
            Side::new(x, &dims, &[places[0]], &[places[1]], &[places[2]])
        };
        let a = side(Vec::leak(a), [batches, rows, k], left);
        let b = side(Vec::leak(b), [batches, columns, k], right);
        let (mut wide, mut narrow) = (vec![0f32; batches * rows * columns], vec![bf16::NAN; batches * rows * columns]);
        dot(&Alone, &a, &b, Results::F32(&mut wide));
        dot(&Threads, &a, &b, Results::BF16(&mut narrow));
        for (at, (wide, narrow)) in wide.iter().zip(&narrow).enumerate() {
            let (batch, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
            let number = |side: &Side, outer: usize, i: usize| {
                f64::from(side.numbers[side.batch[batch] + side.outer[outer] + side.inner[i]])
            };
            let want: f64 = (0..k).map(|i| number(&a, row, i) * number(&b, column, i)).sum();
            assert!((f64::from(*wide) - want).abs() < 1e-4, "{rows} x {columns} x {k}: {wide}, not {want}");
            assert_eq!(*narrow, bf16::from_f32(*wide), "{rows} x {columns} x {k}");
        }
    }
}
