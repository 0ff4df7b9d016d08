//! What this machine can do at most: how fast it reads memory, and how fast its plugin multiplies matrices. Measured in the
//! run that is compared with it, before and after; the better of the two counts.
use super::figure::{Figure, Limit};
use crate::{Result, machine::cores};
use raxla::{Array, Aval, Client, DType, Tensor, jit};
use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// What was measured so far.
#[derive(Default)]
pub struct Limits {
    /// Bytes per second.
    pub read: f64,
    /// Floating-point operations per second, by dtype.
    pub products: BTreeMap<String, f64>,
}

/// So large that no cache holds them: each core has its part.
const READ: usize = 512 << 20;
/// Sides of the square matrices that are multiplied.
const SIDES: [usize; 2] = [1024, 2048];
/// How long products of one dtype and size are timed.
const PATIENCE: Duration = Duration::from_millis(250);

impl Limits {
    /// Measure reading, and products of these dtypes.
    pub fn measure(&mut self, client: &Client, dtypes: &[DType]) -> Result {
        let read = if client.platform_name() == "cpu" { read_by_all_cores() } else { read_by_plugin(client)? };
        self.read = self.read.max(read);
        for dtype in dtypes {
            let best = self.products.entry(dtype.to_string()).or_default();
            for side in SIDES {
                *best = best.max(product(client, *dtype, side)?);
            }
        }
        Ok(())
    }
    /// Say how much of the limit a figure is, if it has one.
    pub fn judge(&self, figure: &mut Figure) {
        let Some(seconds) = figure.seconds else { return };
        let read = figure.bytes.map(|bytes| ("read bandwidth".to_string(), bytes, self.read));
        let products = figure.flops.and_then(|flops| {
            let dtype = figure.dtype();
            Some((format!("products of {dtype}"), flops, *self.products.get(dtype)?))
        });
        figure.limit =
            read.or(products).map(|(of, amount, value)| Limit { of, value, share: amount / seconds.median / value });
    }
    /// One line.
    pub fn text(&self) -> String {
        let products = self.products.iter().map(|(dtype, f)| format!("; products of {dtype} {:.0} GFLOP/s", f / 1e9));
        format!("read {:.1} GB/s on all cores{}", self.read / 1e9, products.collect::<String>())
    }
}

/// Every core compares the two halves of memory of its own, which reads all of it. (The comparison is the system's, and as
/// fast in a build without optimization.)
fn read_by_all_cores() -> f64 {
    let (threads, passes) = (cores(), 6);
    let barrier = Barrier::new(threads);
    let one = || {
        let data = vec![1u8; READ / threads];
        let (a, b) = data.split_at(data.len() / 2);
        let pass = |_| {
            barrier.wait();
            let begin = Instant::now();
            assert!(black_box(a) == black_box(b), "both are ones");
            barrier.wait();
            begin.elapsed().as_secs_f64()
        };
        (0..passes).map(pass).fold(f64::MAX, f64::min)
    };
    let best = thread::scope(|s| {
        let all: Vec<_> = (0..threads).map(|_| s.spawn(one)).collect();
        all.into_iter().filter_map(|t| t.join().ok()).fold(0.0, f64::max)
    });
    READ as f64 / best
}

/// A device of its own adds up an array in its memory.
fn read_by_plugin(client: &Client) -> Result<f64> {
    let ones = filled(client, &Aval::new(DType::F32, [READ / 4]))?;
    let sum = jit(|x: Tensor| x.sum(0)).named("read").on(client);
    let best = fastest(PATIENCE, || Ok(sum.call((&ones,))?.ready()?))?;
    Ok(READ as f64 / best)
}

/// Operations in a second of the fastest products of this dtype.
pub fn peak(client: &Client, dtype: DType) -> Result<f64> {
    SIDES.iter().try_fold(0.0, |best: f64, side| Ok(best.max(product(client, dtype, *side)?)))
}

/// The fastest product of two square matrices.
fn product(client: &Client, dtype: DType, side: usize) -> Result<f64> {
    let aval = Aval::new(dtype, [side, side]);
    let x = filled(client, &aval)?;
    let multiply = jit(|x: Tensor, y: Tensor| raxla::einsum("mk,kn->mn", x, y)).named("product").on(client);
    let best = fastest(PATIENCE, || Ok(multiply.call((&x, &x))?.ready()?))?;
    Ok(2.0 * (side as f64).powi(3) / best)
}

/// The least time of a run, over some; without the first, which may compile.
pub fn fastest(patience: Duration, run: impl Fn() -> Result) -> Result<f64> {
    run()?;
    let (begin, mut best) = (Instant::now(), f64::MAX);
    while best == f64::MAX || begin.elapsed() < patience {
        let begin = Instant::now();
        run()?;
        best = best.min(begin.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Small numbers that repeat; scripts/compare_train.py makes the same.
pub fn filled(client: &Client, aval: &Aval) -> raxla::Result<Array> {
    let some = raxla::prim::sample_in(aval.dtype, &[aval.size().min(4093)], 1, -0.03, 0.03).to_bytes();
    let bytes: Vec<u8> = some.iter().copied().cycle().take(aval.bytes()).collect();
    Array::from_bytes(client, aval.clone(), &bytes)
}
