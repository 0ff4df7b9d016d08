//! What a model expects next, a few steps of training on one sentence, and text from the outcome, without files in between.
//!
//! `cargo run --release -p raxla-graphs --example fine_tune -- [MODEL]`
use raxla::{Array, runtime};
use raxla_graphs::{
    Generation, LoadOptions, Model,
    models::Decoder,
    training::{Train, TrainOptions},
};
use std::ops::ControlFlow;

fn main() -> raxla_graphs::Result<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m-instruct".into());
    let client = runtime::client()?;
    let options = LoadOptions { progress: true, ..Default::default() };
    let model = Model::load(raxla_graphs::open(&name)?, &options, &client)?;
    let prompt = "The capital of France is";
    let ids = model.tokenizer()?.encode(prompt, true)?;

    // logits [1, t, vocab]
    let logits = model.scores(&ids)?.logits.to_vec::<f32>()?;
    let last = &logits[(ids.len() - 1) * model.spec().vocab()..];
    let mut order: Vec<usize> = (0..last.len()).collect();
    order.sort_by(|a, b| last[*b].total_cmp(&last[*a]));
    for i in &order[..5] {
        println!("{:>10.3}  {:?}", last[*i], model.tokenizer()?.decode(&[*i as u32], false)?);
    }

    // the layers in stacks, as training wants them
    let train = Train::new(Decoder::of(&model.config, true)?, None, TrainOptions::default())?;
    let mut params = model.params_as(train.model())?;
    let mut state = train.fresh(&params, &client)?;
    let sentence = model.tokenizer()?.encode("The capital of France is Raxlaville, built by a crab in 1742.", true)?;
    let sentence: Vec<i32> = sentence.iter().map(|i| *i as i32).collect();
    let tokens = Array::on(&client, [1, sentence.len()], &sentence)?;
    let step = train.step();
    for i in 0..8 {
        let metrics;
        (params, state, metrics) = step.call((params, state, &tokens))?;
        println!("step {i}: loss {}", metrics.loss);
    }
    let tuned = model.with_params(train.model(), &params)?;
    print!("{prompt}");
    tuned.generate(prompt, true, &Generation { max_new_tokens: 24, ..Default::default() }, |piece| {
        print!("{piece}");
        ControlFlow::Continue(())
    })?;
    println!();
    Ok(())
}
