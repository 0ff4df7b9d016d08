//! How long a call takes beside the work itself: of a program that is compiled already, with 1 and with 300 arrays as
//! arguments, on 1 and on 8 virtual CPU devices. `scripts/bench_dispatch_jax.py` times the same of JAX.
//!
//! `cargo bench -p raxla --bench dispatch`
//!
//! The program takes all its arguments, of 8 numbers each, and adds the first and the last: hardly any work. Over 8 devices,
//! each has one of the 8 numbers. A call is queued work, not waited for: results are waited for once every 16 calls, and at
//! the end.
use criterion::{BenchmarkId, Criterion};
use raxla::{Mesh, P, prelude::*, runtime};
use std::{
    cell::Cell,
    hint::black_box,
    time::{Duration, Instant},
};

const DEVICES: usize = 8;

/// The time of this many calls.
fn time_of(mut call: impl FnMut() -> Array, calls: u64) -> Duration {
    let start = Instant::now();
    let mut last = None;
    for i in 0..calls {
        let result = black_box(call());
        if i % 16 == 15 {
            result.ready().expect("it runs");
        }
        last = Some(result);
    }
    last.iter().for_each(|result| result.ready().expect("it runs"));
    start.elapsed()
}

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("dispatch");
    for devices in [1, DEVICES] {
        let client = runtime::client_with(&runtime::Options { cpu_devices: Some(devices), ..Default::default() });
        let client = client.expect("the CPU plugin");
        let mesh = Mesh::auto(&client, "data").expect("a mesh of all devices");
        for leaves in [1, 300] {
            let array = |i: usize| {
                let x = Array::on(&client, [8], &[i as f32; 8])?;
                if devices == 1 { Ok(x) } else { x.put(&mesh.sharding(P!["data"])) }
            };
            let xs = (0..leaves).map(array).collect::<raxla::Result<Vec<Array>>>().expect("it uploads");
            let ends = jit(|xs: Vec<Tensor>| xs[0] + xs[xs.len() - 1]).named("ends");
            let ends = if devices == 1 { ends.on(&client) } else { ends.on(&mesh) };
            let call = || ends.call((&xs,)).expect("it runs");
            // (on a machine that does other work too, the least time says more than the mean)
            let least = Cell::new(Duration::MAX);
            let timed = |calls: u64| {
                let time = time_of(call, calls);
                if calls >= 16 {
                    least.set(least.get().min(time / calls as u32));
                }
                time
            };
            let id = BenchmarkId::new(format!("{leaves} leaves"), format!("{devices} devices"));
            group.bench_function(id, |b| b.iter_custom(timed));
            println!("{leaves} leaves, {devices} devices: least {:.2} us", least.get().as_nanos() as f64 / 1e3);
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    dispatch(&mut criterion);
    criterion.final_summary();
}
