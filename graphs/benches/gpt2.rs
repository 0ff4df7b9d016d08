//! GPT-2 with random weights: prefill and decoding speed, one JSON object per figure, like the JAX and PyTorch programs
//! it is to be compared with.
//!
//! `cargo bench -p raxla-graphs --bench gpt2 -- [--size 124M] [--dtype f32] [--prompt 128] [--new 64] [--scan]`
mod common;
use common::{Args, median};
use raxla::{Array, Aval, DType, Key, Tree, runtime};
use raxla_graphs::{
    Sampling,
    models::{Decoder, gpt2},
    programs,
};
use std::time::Instant;

fn main() {
    let args = Args::read();
    let (size, dtype) = (args.option("--size", "124M"), args.option("--dtype", "f32"));
    let (prompt, new) = (args.number("--prompt", "128"), args.number("--new", "64"));
    let scanned = args.has("--scan");
    let dtype_name = dtype.clone();
    let dtype: DType = dtype.parse().expect("a dtype");

    let client = runtime::client().expect("the CPU plugin");
    let config = gpt2::published(&size).expect("124M, 355M, 774M or 1.5B");
    let model = Decoder::of(&config, scanned).expect("a model");
    let elements: usize = model.leaves().iter().map(|p| p.aval.size()).sum();
    let random = |a: &Aval| {
        let host = raxla::prim::sample_in(a.dtype, &[a.size().min(4096)], 1, -0.03, 0.03).to_bytes();
        let bytes: Vec<u8> = host.iter().copied().cycle().take(a.bytes()).collect();
        Array::from_bytes(&client, a.clone(), &bytes).expect("it fits")
    };
    let params = model.map(|p| random(&p.aval.with_dtype(dtype)));

    let shape = Sampling::default().shape();
    let step = programs::step(shape).on(&client);
    let slots = (prompt + new).next_multiple_of(64);
    let avals = programs::step_avals(&model, dtype, shape, [1, prompt], [slots, 0]).3;
    let new_state = || {
        let zeros = |a: &Aval| Array::from_bytes(&client, a.clone(), &vec![0; a.bytes()]).expect("it fits");
        avals.map(zeros)
    };
    let one = |x: usize| Array::on(&client, [1], &[x as i32]).expect("a number");
    let request = programs::Request {
        prompt: one(prompt),
        sample: one(0),
        numbers: Array::on(&client, [6], &Sampling::default().numbers()).expect("six numbers"),
        bias: None,
        key: Key::host(0).to_device().expect("a key"),
    };
    let ids: Vec<i32> = (0..prompt as i32).map(|i| (i * 7919) % 50257).collect();
    let tokens = Array::on(&client, [1, prompt], &ids).expect("tokens");
    let system = if scanned { "raxla-scan" } else { "raxla-unrolled" };
    let out = |metric: &str, value: f64| {
        println!(
            r#"{{"system":"{system}","size":"{size}","dtype":"{dtype_name}","metric":"{metric}","value":{value}}}"#
        );
    };
    let bytes = (elements * dtype.bits() / 8) as f64;
    out("weights_gb", bytes / 1e9);

    let prefill = |state| step.call((&params, &tokens, &one(prompt), state, &request));
    let begin = Instant::now();
    prefill(new_state()).expect("prefill").0.token.ready().expect("prefill");
    out("prefill_first_call_s", begin.elapsed().as_secs_f64());
    let mut times = vec![];
    for _ in 0..5 {
        let state = new_state();
        let begin = Instant::now();
        prefill(state).expect("prefill").0.token.ready().expect("prefill");
        times.push(begin.elapsed().as_secs_f64());
    }
    out("prefill_tok_s", prompt as f64 / median(times));

    let (mut chosen, mut state) = prefill(new_state()).expect("prefill");
    let count = one(1);
    let mut times = vec![];
    for i in 0..new - 1 {
        let begin = Instant::now();
        (chosen, state) = step.call((&params, &chosen.token, &count, state, &request)).expect("decode");
        chosen.token.to_vec::<i32>().expect("a token");
        match i {
            0 => out("decode_first_call_s", begin.elapsed().as_secs_f64()),
            _ => times.push(begin.elapsed().as_secs_f64()),
        }
    }
    let t = median(times);
    out("decode_tok_s", 1.0 / t);
    out("decode_gb_s", bytes / t / 1e9);
}
