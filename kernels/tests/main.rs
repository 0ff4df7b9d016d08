//! The kernels of every instruction set beside plain arithmetic on the unpacked matrix.
use raxla_kernels::{
    Format, Isa,
    format::unpack,
    pack::{Strides, pack_blocks, pack_plain},
    product::{Alone, Matrix, Team, product},
};

/// Numbers that look random.
struct Numbers(u64);
impl Numbers {
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
    let mut numbers = Numbers(seed);
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
                let mut numbers = Numbers(rows as u64 + 1);
                let x: Vec<f32> = (0..rows * k).map(|_| numbers.float()).collect();
                for isa in Isa::all() {
                    let mut y = vec![f32::NAN; rows * n];
                    let m = Matrix { format, k, n, packed: &packed };
                    let team: &dyn Team = if rows % 2 == 0 { &Alone } else { &Threads };
                    product(isa, team, &x, rows, &[m], &mut [&mut y]);
                    for row in 0..rows {
                        for out in 0..n {
                            let terms = (0..k).map(|i| x[row * k + i] as f64 * weights[i * n + out] as f64);
                            let (sum, size) = terms.fold((0.0, 0.0), |(s, a): (f64, f64), t| (s + t, a + t.abs()));
                            let got = y[row * n + out] as f64;
                            let close = (got - sum).abs() <= 2e-6 * size + 1e-6;
                            assert!(close, "{format:?} {isa:?} {rows} x {k} x {n} at {row}, {out}: {got}, not {sum}");
                        }
                    }
                }
            }
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
    let mut numbers = Numbers(3);
    for rows in [1, rows, 20] {
        let x: Vec<f32> = (0..rows * k).map(|_| numbers.float()).collect();
        let mut together: Vec<Vec<f32>> = sizes.iter().map(|(_, n)| vec![0.0; rows * n]).collect();
        let mut outs: Vec<&mut [f32]> = together.iter_mut().map(Vec::as_mut_slice).collect();
        product(Isa::best(), &Threads, &x, rows, &all, &mut outs);
        for (m, together) in all.iter().zip(&together) {
            let mut alone = vec![0.0; rows * m.n];
            product(Isa::best(), &Alone, &x, rows, &[*m], &mut [&mut alone]);
            assert_eq!(&alone, together);
        }
    }
}
