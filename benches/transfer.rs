//! How long bytes take from the host to a device, and back. Criterion shows bytes per second.
//!
//! `cargo bench -p raxla --bench transfer`
use criterion::{BenchmarkId, Criterion, Throughput};
use raxla::{prelude::*, runtime};
use std::hint::black_box;

/// Bytes: a token's row of logits or less, a matrix, a layer.
const SIZES: [usize; 3] = [4 << 10, 1 << 20, 64 << 20];

fn transfer(c: &mut Criterion) {
    let client = runtime::client().expect("a plugin");
    let mut group = c.benchmark_group("transfer");
    for bytes in SIZES {
        let host = vec![1f32; bytes / 4];
        let upload = || {
            let array = Array::on(&client, [host.len()], &host).expect("it fits");
            array.ready().expect("it comes");
            array
        };
        let there = upload();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("to the device", bytes), |b| b.iter(|| black_box(upload())));
        group.bench_function(BenchmarkId::new("to the host", bytes), |b| {
            b.iter(|| black_box(there.to_vec::<f32>().expect("it comes back")));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    transfer(&mut criterion);
    criterion.final_summary();
}
