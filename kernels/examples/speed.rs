//! What the products reach, beside what the memory gives: `cargo run --release -p raxla-kernels --example speed [ROWS..]`.
use raxla_kernels::{
    Format, Isa,
    product::{Arithmetic, Matrix, Numbers, Results, Team, product},
};
use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

/// Two threads.
struct Two;
impl Team for Two {
    fn count(&self) -> usize {
        2
    }
    fn run(&self, total: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                match next.fetch_add(1, Relaxed) {
                    i if i < total => task(i),
                    _ => return,
                }
            }
        };
        std::thread::scope(|s| {
            s.spawn(work);
            work();
        });
    }
}

fn best(mut f: impl FnMut()) -> f64 {
    let once = |f: &mut dyn FnMut()| {
        let t = Instant::now();
        f();
        t.elapsed().as_secs_f64()
    };
    (0..7).map(|_| once(&mut f)).fold(f64::MAX, f64::min)
}

fn main() {
    let rows: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().expect("a number of rows")).collect();
    let rows = if rows.is_empty() { vec![1, 8, 128, 512] } else { rows };
    let big: Vec<u64> = (0..1u64 << 26).collect();
    let parts: Vec<&[u64]> = big.chunks(big.len() / 64).collect();
    let sum = AtomicU64::new(0);
    let read = best(|| {
        Two.run(parts.len(), &|i| {
            sum.fetch_add(parts[i].iter().fold(0, |a: u64, b| a.wrapping_add(*b)), Relaxed);
        })
    });
    println!("reading memory: {:.1} GB/s", big.len() as f64 * 8.0 / read / 1e9);
    // (small models have short rows)
    let k = std::env::var("INPUTS").ok().and_then(|k| k.parse().ok()).unwrap_or(2048);
    let n = (std::env::var("WEIGHTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1usize << 26)) / k;
    for format in Format::ALL {
        let [a, b, c] = format.dims(k, n);
        let packed: Vec<u8> = (0..a * b * c).map(|i| (0x2c + i * 37 % 16) as u8).collect();
        print!("{format:?}:");
        for rows in &rows {
            let x = vec![1f32; rows * k];
            let mut y = vec![0f32; rows * n];
            let m = Matrix { format, k, n, packed: &packed };
            // (few rows are never rounded to bf16)
            for how in Arithmetic::ALL.into_iter().filter(|how| *rows > 8 || *how != Arithmetic::Bf16) {
                let t =
                    best(|| product(Isa::best(), how, &Two, Numbers::F32(&x), *rows, &[m], vec![Results::F32(&mut y)]));
                let flops = 2.0 * (rows * k * n) as f64;
                let speeds = (packed.len() as f64 / t / 1e9, flops / t / 1e9);
                print!("  {rows} rows {} {:.1} GB/s {:.0} GF/s", how.name(), speeds.0, speeds.1);
            }
        }
        println!();
    }
}
