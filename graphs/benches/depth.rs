//! How compile time grows with depth: GPT-2's decoding step, scanned and unrolled. No weights are needed.
//!
//! `cargo bench -p raxla-graphs --bench depth`; `-- --width 768 --heads 12` chooses the layers' size.
mod common;
use common::Args;
use raxla::{DType, runtime};
use raxla_graphs::{
    Sampling,
    models::{Decoder, gpt2},
    programs,
};
use std::time::Duration;

/// Median over some compilations of (trace, lower, compile) and the bytes of StableHLO.
fn measure(layers: usize, scanned: bool, width: usize, heads: usize) -> ([Duration; 3], usize) {
    let sizes = format!(r#"{{"n_layer": {layers}, "n_embd": {width}, "n_head": {heads}}}"#);
    let config = gpt2::published("124M").expect("a published size").with(&sizes);
    let model = Decoder::of(&config, scanned).expect("a model");
    let shape = Sampling::default().shape();
    let avals = programs::step_avals(&model, DType::F32, shape, [1, 1], [256, 0]);
    let client = runtime::client().expect("the CPU plugin");
    let mut runs: Vec<[Duration; 3]> = vec![];
    let mut bytes = 0;
    for _ in 0..5 {
        let lowered = programs::step(shape).on(&client).lower(&avals).expect("it traces");
        bytes = lowered.text.len();
        let times = lowered.compile(&client).expect("it compiles").times;
        runs.push([times.trace, times.lower, times.compile]);
    }
    let median = |i: usize| {
        let mut all: Vec<Duration> = runs.iter().map(|r| r[i]).collect();
        all.sort();
        all[all.len() / 2]
    };
    ([median(0), median(1), median(2)], bytes)
}

fn main() {
    // the point is to compile
    raxla::cache::disable();
    let args = Args::read();
    let (width, heads) = (args.number("--width", "768"), args.number("--heads", "12"));
    println!(
        "{:>9} {:>6} {:>10} {:>10} {:>12} {:>12}",
        "", "layers", "trace ms", "lower ms", "compile ms", "StableHLO KB"
    );
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    for scanned in [true, false] {
        let mut first = None;
        for layers in [4, 12, 24, 48] {
            let (t, bytes) = measure(layers, scanned, width, heads);
            let kind = if scanned { "scanned" } else { "unrolled" };
            let total: f64 = ms(t[2]);
            let ratio = total / *first.get_or_insert(total);
            let [trace, lower, compile] = t.map(ms);
            let kb = bytes as f64 / 1e3;
            println!("{kind:>9} {layers:>6} {trace:>10.1} {lower:>10.1} {compile:>12.1} {kb:>12.1}   x{ratio:.2}");
        }
    }
}
