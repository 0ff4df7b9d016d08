//! What the products reach, beside what the memory gives: `cargo run --release -p raxla-kernels --example speed`.
use raxla_kernels::{Format, Isa, product::{Matrix, Team, product}};
use std::time::Instant;
struct Two;
impl Team for Two {
    fn count(&self) -> usize { 2 }
    fn run(&self, total: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work = || loop { let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed); if i >= total { break } task(i) };
        std::thread::scope(|s| { s.spawn(work); work(); });
    }
}
fn best(mut f: impl FnMut()) -> f64 {
    (0..7).map(|_| { let t = Instant::now(); f(); t.elapsed().as_secs_f64() }).fold(f64::MAX, f64::min)
}
fn main() {
    let (k, n) = (2048, 32768);
    let big = vec![1u64; 1 << 26];
    let halves: Vec<&[u64]> = big.chunks(big.len() / 64).collect();
    let sum = std::sync::atomic::AtomicU64::new(0);
    let t = best(|| Two.run(halves.len(), &|i| { sum.fetch_add(halves[i].iter().fold(0u64, |a, b| a.wrapping_add(*b)), std::sync::atomic::Ordering::Relaxed); }));
    println!("read {:.1} GB/s", big.len() as f64 * 8.0 / t / 1e9);
    for format in Format::ALL {
        let [a, b, c] = format.dims(k, n);
        let packed = vec![0u8; a * b * c];
        for isa in Isa::all() {
            print!("{format:?} {isa:?}:");
            for rows in [1, 2, 4, 8, 128] {
                if rows == 128 && isa == Isa::Portable { continue }
                let x = vec![1f32; rows * k];
                let mut y = vec![0f32; rows * n];
                let m = Matrix { format, k, n, packed: &packed };
                let t = best(|| product(isa, &Two, &x, rows, &[m], &mut [&mut y]));
                print!("  {rows}: {:.1} GB/s {:.0} GF/s", packed.len() as f64 / t / 1e9, 2.0 * (rows * k * n) as f64 / t / 1e9);
            }
            println!();
        }
    }
}
