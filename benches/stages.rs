//! How long tracing and lowering take: a step of gradient descent on a perceptron of 4 and of 32 layers, written out and scanned.
//! Compiling is the plugin's work, and is timed by `raxla bench compile`.
//!
//! `cargo bench -p raxla --bench stages`
use criterion::{BenchmarkId, Criterion};
use raxla::{jit::Times, prelude::*, scan, value_and_grad};
use std::time::Duration;

const WIDTH: usize = 64;
const BATCH: usize = 8;

/// The step, of layers `[n, width, width]`.
fn step(layers: usize, scanned: bool) -> impl Fn(Tensor, Tensor) -> (Tensor, Tensor) {
    let layer = |x: Tensor, w: Tensor| einsum("bi,io->bo", x, w).tanh();
    move |w: Tensor, x: Tensor| {
        let loss = |w: Tensor| {
            let y = match scanned {
                true => scan(|x: Tensor, w: Tensor| (layer(x, w), ()), x, w).0,
                false => (0..layers).fold(x, |x, i| layer(x, w.slice_axis(0, i..i + 1).squeeze(0))),
            };
            y.powi(2).mean([0, 1])
        };
        let (loss, gradient) = value_and_grad(loss)(w);
        (w - gradient * 0.1, loss)
    }
}

fn stages(c: &mut Criterion) {
    for (stage, of) in [("trace", (|t: &Times| t.trace) as fn(&Times) -> Duration), ("lower", |t| t.lower)] {
        let mut group = c.benchmark_group(stage);
        for (kind, scanned) in [("unrolled", false), ("scanned", true)] {
            for layers in [4, 32] {
                let f = jit(step(layers, scanned)).named("step");
                let avals = (Aval::new(DType::F32, [layers, WIDTH, WIDTH]), Aval::new(DType::F32, [BATCH, WIDTH]));
                let once = || of(&f.lower(&avals).expect("it lowers").times);
                group.bench_function(BenchmarkId::new(kind, layers), |b| {
                    b.iter_custom(|times| (0..times).map(|_| once()).sum());
                });
            }
        }
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    stages(&mut criterion);
    criterion.final_summary();
}
