//! One training step of GPT-2 with random weights: what tracing, lowering and compiling cost, how large the program is, how
//! long a step takes and how much memory it plans. One JSON object per figure.
//!
//! The step is what a user would write: `value_and_grad` of the loss, layers scanned and rematerialized, AdamW,
//! everything donated. `scripts/compare_train.py` runs it side by side with the same step in JAX.
//!
//! `cargo bench -p raxla-graphs --bench train -- [--size 124M] [--batch 2] [--seq 256] [--steps 3] [--no-remat] [--compile-only]`
//!
//! With `--mesh data=2,fsdp=2,model=2`: the step of `raxla_graphs::training` over so many (virtual) devices; `--annotated`: divided by the
//! compiler instead of by hand.
mod common;
use common::{Args, median};
use raxla::{
    Array, Aval, DType, Mesh, RematOptions, Tensor, Tree, jit,
    nn::cross_entropy,
    optim::{AdamW, AdamWOptions},
    runtime::{self, Client},
    value_and_grad,
};
use raxla_graphs::{
    models::{Decoder, Input, gpt2},
    training::{Train, TrainOptions},
};
use std::time::Instant;

/// Mean loss of predicting each token of `[b, t + 1]` from those before it.
fn loss(model: &Decoder, tokens: Tensor, remat: Option<RematOptions>) -> Tensor {
    let [_, n] = tokens.shape();
    let (inputs, targets) = (tokens.slice_axis(1, 0..n - 1), tokens.slice_axis(1, 1..n));
    let out = model.forward(Input { remat, ..model.whole(inputs) });
    cross_entropy(model.logits(out.hidden), targets)
}

/// The same step divided over a mesh.
fn divided(mesh: &str, args: &Args, out: &dyn Fn(&str, f64)) {
    let axes = Mesh::parse(mesh).expect("a mesh");
    let cpu_devices = Some(axes.iter().map(|a| a.1).product());
    let client = runtime::client_with(&runtime::Options { cpu_devices, ..Default::default() }).expect("the CPU plugin");
    let mesh = Mesh::new(&client, axes).expect("as many devices");
    let (batch, seq) = (args.number("--batch", "2"), args.number("--seq", "256"));
    let config = gpt2::published(&args.option("--size", "124M")).expect("124M, 355M, 774M or 1.5B");
    let model = Decoder::of(&config, true).expect("a model");
    let vocab = model.vocab();
    let remat = (!args.has("--no-remat")).then(RematOptions::default);
    let options = TrainOptions { remat, annotated: args.has("--annotated"), ..TrainOptions::default() };
    let train = Train::new(model, Some(&mesh), options).expect("it divides");
    let step = train.step();
    let avals = train.avals(batch, seq);
    let begin = Instant::now();
    let lowered = step.lower(&avals).expect("it lowers");
    out("train_trace_lower_s", begin.elapsed().as_secs_f64());
    out("stablehlo_ops", lowered.text.matches("stablehlo.").count() as f64);
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
    measure(args, out, batch * seq, (model, state), |(model, state)| {
        let (model, state, loss) = step.call((model, state, &tokens)).expect("a step");
        ((model, state), loss)
    });
}

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
    let seconds = median(times.split_off(1));
    out("train_step_s", seconds);
    out("train_tok_s", per_step as f64 / seconds);
}

fn main() {
    let args = Args::read();
    let (size, batch, seq) = (args.option("--size", "124M"), args.number("--batch", "2"), args.number("--seq", "256"));
    let remat = (!args.has("--no-remat")).then(RematOptions::default);
    let out = |metric: &str, value: f64| {
        println!(r#"{{"system":"raxla-scan","size":"{size}","metric":"{metric}","value":{value}}}"#)
    };

    let mesh = args.option("--mesh", "");
    if !mesh.is_empty() {
        return divided(&mesh, &args, &out);
    }
    let client = runtime::client().expect("the CPU plugin");
    let config = gpt2::published(&size).expect("124M, 355M, 774M or 1.5B");
    // tied: the embedding is the head
    let spec = Decoder::of(&config, true).expect("a model").without_copies();
    let vocab = spec.vocab();
    let model: Decoder<Aval> = spec.map(|p| p.aval.clone());
    let state = AdamW::init(&model);
    let tokens = Aval::new(DType::I32, [batch, seq + 1]);

    let step = move |model: Decoder, state: AdamW<Decoder>, tokens: Tensor| {
        let (loss, gradient) = value_and_grad(|m: Decoder| loss(&m, tokens, remat.clone()))(model.clone());
        let (model, state) = state.update(&model, &gradient, 1e-4, &AdamWOptions::default());
        (model, state, loss)
    };
    let step = jit(step).donate([0, 1]).on(&client);

    let mut times = vec![];
    for i in 0..20 {
        let begin = Instant::now();
        let lowered = step.lower(&(model.clone(), state.clone(), tokens.clone())).expect("it lowers");
        times.push(begin.elapsed().as_secs_f64());
        if i == 0 {
            out("train_trace_lower_first_s", times[0]);
            out("stablehlo_bytes", without_locations(&lowered.text).len() as f64);
            out("stablehlo_ops", lowered.text.matches("stablehlo.").count() as f64);
        }
    }
    out("train_trace_lower_s", median(times));
    let begin = Instant::now();
    let program = step.prepare(&(model.clone(), state.clone(), tokens), &[0, 1]).expect("it compiles");
    out("train_prepare_s", begin.elapsed().as_secs_f64());
    out("train_compile_s", program.times.compile.as_secs_f64());
    let memory = program.executable().memory_stats().expect("statistics");
    out("temp_bytes", memory.temporaries as f64);
    if args.has("--compile-only") {
        return;
    }

    let state = (model.map(|a| filled(&client, a)), AdamW::zeros(&client, &model).expect("it fits"));
    let tokens = self::tokens(&client, batch, seq, vocab);
    measure(&args, &out, batch * seq, state, |(model, state)| {
        let (model, state, loss) = step.call((model, state, &tokens)).expect("a step");
        ((model, state), loss)
    });
}

/// The program without source locations, which JAX's text leaves out too.
fn without_locations(text: &str) -> String {
    let lines = text.lines().filter(|l| !l.starts_with("#loc"));
    lines.map(|l| l.split(" loc(").next().unwrap_or(l)).collect::<Vec<_>>().join("\n")
}
