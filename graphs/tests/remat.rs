//! Training in less memory: a step of a deep GPT-2 whose layers are computed again on the way back.
use raxla::{
    Array, Aval, Compiled, DType, Param, Policy, RematOptions, Tensor, Tree, jit, nn::cross_entropy, prim::sample_in,
    testing::close, value_and_grad,
};
use raxla_graphs::{
    config::HfConfig,
    models::{Decoder, Input},
    training::{Train, TrainOptions},
};

const BATCH: usize = 4;
const SEQ: usize = 128;

fn spec() -> Decoder<Param> {
    let config =
        r#"{"model_type": "gpt2", "vocab_size": 256, "n_positions": 128, "n_embd": 64, "n_layer": 24, "n_head": 4}"#;
    let config = HfConfig::parse(config, "config.json").expect("a configuration");
    Decoder::of(&config, true).expect("a model").without_copies()
}

/// A step of gradient descent: the new model, the gradient and the loss.
fn step(remat: Option<RematOptions>) -> impl Fn(Decoder, Tensor) -> (Decoder, Decoder, Tensor) {
    move |model: Decoder, tokens: Tensor| {
        let loss = |model: Decoder| {
            let (inputs, targets) = (tokens.slice_axis(1, 0..SEQ), tokens.slice_axis(1, 1..SEQ + 1));
            let out = model.forward(Input { remat: remat.clone(), ..model.whole(inputs) });
            cross_entropy(model.logits(out.hidden), targets)
        };
        let (loss, gradient) = value_and_grad(loss)(model.clone());
        let new = model.leaves().iter().zip(gradient.leaves()).map(|(p, g)| *p - g * 0.1).collect::<Vec<_>>();
        (model.refill(new), gradient, loss)
    }
}
#[test]
fn rematerialized_layers_take_a_third_of_the_memory_at_most() {
    let spec = spec();
    let mut seed = 0;
    let model: Decoder<Array> = spec.map(|p| {
        seed += 1;
        Array::from_host(&sample_in(DType::F32, &p.aval.dims, seed, -0.05, 0.05)).expect("memory")
    });
    let tokens = Array::from_host(&sample_in(DType::I32, &[BATCH, SEQ + 1], 99, 0.0, 255.0)).expect("memory");
    let run = |remat: Option<RematOptions>| {
        let program: Compiled<(Decoder, Tensor), (Decoder, Decoder, Tensor)> = {
            let spec: (Decoder<Aval>, Aval) = (spec.map(|p| p.aval.clone()), tokens.aval().clone());
            let lowered = jit(step(remat)).lower(&spec).expect("it lowers");
            lowered.compile(&raxla::runtime::client().expect("a device")).expect("it compiles")
        };
        let memory = program.executable().memory_stats().expect("statistics");
        let (_, gradient, loss) = program.run((model.clone(), tokens.clone())).expect("a step");
        (memory.temporaries, loss, gradient)
    };
    let (plain, loss, gradient) = run(None);
    let options = |policy| Some(RematOptions { policy, ..RematOptions::default() });
    let mut temporaries = vec![plain];
    for policy in [Policy::SaveDotsWithoutBatchAxes, Policy::SaveDots, Policy::SaveNothing] {
        let (temporary, other_loss, other) = run(options(policy.clone()));
        temporaries.push(temporary);
        close(&other_loss.to_host().unwrap(), &loss.to_host().unwrap(), 1e-6).unwrap();
        let names = gradient.paths();
        for ((have, want), name) in other.leaves().iter().zip(gradient.leaves()).zip(names) {
            let (have, want) = (have.to_host().unwrap(), want.to_host().unwrap());
            close(&have, &want, 1e-5).unwrap_or_else(|e| panic!("{name} under {policy:?}: {e}"));
        }
    }
    println!("temporary bytes: {temporaries:?} without remat, and saving dots without batch axes, dots, nothing");
    let [plain, weights, dots, nothing] = temporaries[..] else { panic!("four programs") };
    assert!(nothing * 3 <= plain, "{nothing} of {plain}");
    assert!(nothing < weights && weights < dots && dots < plain, "{temporaries:?}");
}

/// A step with a loss of a few positions at a time plans as many bytes less as all logits have, at least.
#[test]
fn losses_in_chunks_never_hold_all_logits() {
    const VOCABULARY: usize = 50257;
    let config =
        r#"{"model_type": "gpt2", "vocab_size": 50257, "n_positions": 128, "n_embd": 32, "n_layer": 1, "n_head": 2}"#;
    let config = HfConfig::parse(config, "config.json").expect("a configuration");
    let client = raxla::runtime::client().expect("a device");
    let [whole, chunks] = [SEQ, 16].map(|loss_chunk| {
        let spec = Decoder::of(&config, true).expect("a model");
        let train = Train::new(spec, None, TrainOptions { loss_chunk, ..Default::default() }).expect("a step");
        let program = train.step().lower(&train.avals(BATCH, SEQ + 1)).expect("it lowers");
        let memory = program.compile(&client).expect("it compiles").executable().memory_stats().expect("statistics");
        memory.temporaries
    });
    let logits = (BATCH * SEQ * VOCABULARY * 4) as i64;
    println!("temporary bytes: {whole} at once, {chunks} in chunks; the logits are {logits}");
    assert!(whole >= chunks + logits, "{whole} and {chunks}, logits {logits}");
}
