//! One training step of GPT-2 with random weights: what tracing, lowering and compiling cost, how large the program is, how
//! long a step takes and how much memory it plans. One JSON object per figure.
//!
//! The step is that of `raxla_graphs::training`: layers scanned and rematerialized, AdamW, everything donated.
//! `scripts/compare_train.py` runs it side by side with the same step in JAX, and in PyTorch.
//!
//! `cargo bench -p raxla-graphs --bench train -- [--size 124M] [--batch 2] [--seq 256] [--steps 3] [--bf16] [--loss-chunk N] [--no-remat]
//! [--unrolled] [--option NAME=VALUE] [--compile-only] [--hlo FILE]`
//!
//! `--bf16`: products in bf16, parameters in f32. `--option`: one of XLA's. `--hlo`: write the compiled program, and run nothing.
//! With `--mesh data=2,fsdp=2,model=2`: the step over so many (virtual) devices; `--annotated`: divided by the compiler instead of by hand.
mod common;
use common::{Args, median};
use raxla::{
    Array, Aval, DType, Mesh, RematOptions,
    runtime::{self, Client},
};
use raxla_graphs::{
    models::{Decoder, gpt2},
    training::{Train, TrainOptions},
};
use raxla_xla::{CompileOptions, OptionValue};
use std::time::Instant;

/// Numbers that repeat, which JAX's side makes too.
fn filled(client: &Client, a: &Aval) -> Array {
    let host = raxla::prim::sample_in(a.dtype, &[a.size().min(4093)], 1, -0.03, 0.03).to_bytes();
    let bytes: Vec<u8> = host.iter().copied().cycle().take(a.bytes()).collect();
    Array::from_bytes(client, a.clone(), &bytes).expect("it fits")
}

fn tokens(client: &Client, batch: usize, seq: usize, vocab: usize) -> Array {
    let ids: Vec<i32> = (0..batch * (seq + 1)).map(|i| ((i * 7919) % vocab) as i32).collect();
    Array::on(client, [batch, seq + 1], &ids).expect("tokens")
}

/// Time per step, after the first.
fn measure<S>(args: &Args, out: &dyn Fn(&str, f64), per_step: usize, state: S, step: impl Fn(S) -> (S, Array)) {
    let (mut state, mut times, mut last) = (state, vec![], f32::NAN);
    for _ in 0..=args.number("--steps", "3") {
        let begin = Instant::now();
        let (next, loss) = step(state);
        last = loss.item::<f32>().expect("the loss");
        times.push(begin.elapsed().as_secs_f64());
        state = next;
    }
    out("loss", last.into());
    let times = times.split_off(1);
    // (on a machine that does other work too, the least time says more)
    out("train_least_s", times.iter().copied().fold(f64::INFINITY, f64::min));
    let seconds = median(times);
    out("train_step_s", seconds);
    out("train_tok_s", per_step as f64 / seconds);
}

fn main() {
    let args = Args::read();
    let (size, batch, seq) = (args.option("--size", "124M"), args.number("--batch", "2"), args.number("--seq", "256"));
    let out = |metric: &str, value: f64| {
        println!(r#"{{"system":"raxla","size":"{size}","metric":"{metric}","value":{value}}}"#)
    };
    let axes = Mesh::parse(&args.option("--mesh", "data=1")).expect("a mesh");
    let cpu_devices = Some(axes.iter().map(|a| a.1).product());
    let client = runtime::client_with(&runtime::Options { cpu_devices, ..Default::default() }).expect("the CPU plugin");
    let mesh = Mesh::new(&client, axes).expect("as many devices");
    let config = gpt2::published(&size).expect("124M, 355M, 774M or 1.5B");
    let model = Decoder::of(&config, !args.has("--unrolled")).expect("a model");
    let vocab = model.vocab();
    let options = TrainOptions {
        remat: (!args.has("--no-remat")).then(RematOptions::default),
        annotated: args.has("--annotated"),
        compute: args.has("--bf16").then_some(DType::BF16),
        loss_chunk: args.number("--loss-chunk", &TrainOptions::default().loss_chunk.to_string()),
        ..TrainOptions::default()
    };
    let train = Train::new(model, (mesh.size() > 1).then_some(&mesh), options).expect("it divides");
    let mut xla = CompileOptions::default();
    if let Some((name, value)) = args.option("--option", "").split_once('=') {
        xla.env_overrides.push((name.into(), OptionValue::String(value.into())));
    }
    let step = train.step().options(xla);
    let step = if mesh.size() > 1 { step } else { step.on(&client) };
    let avals = train.avals(batch, seq);

    let mut times = vec![];
    for i in 0..20 {
        let begin = Instant::now();
        let lowered = step.lower(&avals).expect("it lowers");
        times.push(begin.elapsed().as_secs_f64());
        if i == 0 {
            out("train_trace_lower_first_s", times[0]);
            out("stablehlo_bytes", without_locations(&lowered.text).len() as f64);
            out("stablehlo_ops", lowered.text.matches("stablehlo.").count() as f64);
        }
        let file = args.option("--hlo", "");
        if !file.is_empty() {
            let hlo = lowered.optimized_hlo(&client).expect("it compiles");
            return std::fs::write(file, hlo).expect("a file to write");
        }
    }
    out("train_trace_lower_s", median(times));
    let program = step.prepare(&avals, &[0, 1]).expect("it compiles");
    out("train_compile_s", program.times.compile.as_secs_f64());
    let memory = program.executable().memory_stats().expect("statistics");
    out("argument_bytes", memory.arguments as f64);
    out("temp_bytes", memory.temporaries as f64);
    if args.has("--compile-only") {
        return;
    }

    let model = train.place(&avals.0.map(|a| filled(&client, a))).expect("parameters");
    let state = train.fresh(&model, &client).expect("an optimizer");
    let tokens = tokens(&client, batch, seq, vocab);
    measure(&args, &out, batch * seq, (model, state), |(model, state)| {
        let (model, state, loss) = step.call((model, state, &tokens)).expect("a step");
        ((model, state), loss)
    });
}

/// The program without source locations, which JAX's text leaves out too.
fn without_locations(text: &str) -> String {
    let lines = text.lines().filter(|l| !l.starts_with("#loc"));
    lines.map(|l| l.split(" loc(").next().unwrap_or(l)).collect::<Vec<_>>().join("\n")
}
