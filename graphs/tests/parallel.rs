//! Training divided over 8 virtual devices equals training on one: every recipe of `raxla::parallel`, and mixtures.
use crate::common::{quick, quick_tier};
use raxla::{
    Array, Client, DType, Mesh, Param, Tree,
    optim::{self, Policy},
    runtime,
};
use raxla_graphs::{
    config::HfConfig,
    models::{Decoder, Stacking},
    training::{Train, TrainOptions},
};
use std::sync::OnceLock;

const GPT2: &str =
    r#"{"model_type": "gpt2", "vocab_size": 64, "n_positions": 32, "n_embd": 32, "n_layer": 4, "n_head": 8}"#;
const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 32}"#;
const MIXTRAL: &str = r#"{"model_type": "mixtral", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 32,
    "num_local_experts": 8, "num_experts_per_tok": 2}"#;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}

fn spec(config: &str) -> Decoder<Param> {
    Decoder::of(&HfConfig::parse(config, "config.json").expect("a configuration"), Stacking::OneStack).expect("a model")
}

struct Run {
    gradients: Vec<Vec<f32>>,
    losses: Vec<f32>,
    model: Vec<Vec<f32>>,
}

/// Ten steps.
fn run(config: &str, mesh: Option<&str>, options: TrainOptions) -> Run {
    let client = client();
    let mesh = mesh.map(|text| Mesh::new(&client, Mesh::parse(text).unwrap()).unwrap());
    let train = Train::new(spec(config), mesh.as_ref(), options).unwrap();
    let tokens: Vec<i32> = (0..8 * 17).map(|i| (i * 7919 + i / 5) % 64).collect();
    let tokens = Array::on(&client, [8, 17], &tokens).unwrap();
    let (mut model, mut state) = train.random(1, &client).unwrap();
    let step = train.step().options(quick());
    let step = if mesh.is_some() { step } else { step.on(&client) };
    let (mut losses, mut gradients) = (vec![], vec![]);
    for i in 0..10 {
        let metrics;
        (model, state, metrics) = step.call((model, state, &tokens)).unwrap();
        losses.push(metrics.loss.item::<f32>().unwrap());
        if i == 0 {
            assert!(metrics.finite.item::<bool>().unwrap());
            // the running mean after one step is a tenth of the gradient
            let read = |a: &Array| a.to_vec::<f32>().unwrap().iter().map(|x| x * 10.0).collect();
            if let Some(mean) = state.get("mu").filter(|mean| mean.leaves().len() == model.leaves().len()) {
                let mean = train.collect(&model.refill(mean.leaves()), &client).unwrap();
                gradients = mean.leaves().iter().map(read).collect();
            }
        }
    }
    let model = train.collect(&model, &client).unwrap();
    let model = model.leaves().iter().map(|a| a.to_vec().unwrap()).collect();
    Run { gradients, losses, model }
}

fn furthest(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    let apart = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    a.iter().zip(b).map(apart).fold(0f32, f32::max)
}

/// All with the same loss and the same optimizer. (The quick tier has the first mesh.)
fn compare(config: &str, meshes: &[(&str, TrainOptions)]) {
    let TrainOptions { balance, optimizer, .. } = meshes[0].1.clone();
    let one = run(config, None, TrainOptions { balance, optimizer, ..plain() });
    assert!(one.losses[9] < one.losses[0], "it learns: {:?}", one.losses);
    let mut failures = vec![];
    for (mesh, options) in &meshes[..if quick_tier() { 1 } else { meshes.len() }] {
        let many = run(config, Some(mesh), options.clone());
        let loss = furthest(std::slice::from_ref(&one.losses), &[many.losses]);
        let (gradient, model) = (furthest(&one.gradients, &many.gradients), furthest(&one.model, &many.model));
        println!("{mesh}: loss {loss:.1e}, gradient {gradient:.1e}, parameters {model:.1e}");
        if !(loss < 1e-5 && gradient < 1e-5 && model < 2e-5) {
            failures.push(format!("{mesh}: loss {loss:.1e}, gradient {gradient:.1e}, parameters {model:.1e}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn plain() -> TrainOptions {
    TrainOptions { optimizer: optim::adamw(3e-4, Default::default()), ..TrainOptions::default() }
}
fn sequence() -> TrainOptions {
    TrainOptions { sequence: true, ..plain() }
}

/// Divided by the compiler.
fn annotated() -> TrainOptions {
    TrainOptions { annotated: true, ..plain() }
}

#[test]
fn annotated_programs() {
    let sequence = TrainOptions { sequence: true, ..annotated() };
    compare(GPT2, &[("fsdp=8", annotated()), ("data=2,fsdp=2,model=2", annotated()), ("fsdp=4,model=2", sequence)]);
    let remat = TrainOptions { remat: Some(raxla::RematOptions::default()), ..annotated() };
    compare(LLAMA, &[("fsdp=8", remat), ("data=2,fsdp=2,model=2", annotated()), ("data=2,context=4", annotated())]);
    compare(MIXTRAL, &[("data=2,expert=4", annotated())]);
}

#[test]
fn gpt2() {
    compare(
        GPT2,
        &[
            ("data=8", plain()),
            ("fsdp=8", plain()),
            ("model=8", plain()),
            ("model=8", sequence()),
            ("context=8", plain()),
            ("pipe=4", TrainOptions { microbatches: Some(8), ..plain() }),
            ("data=2,fsdp=2,model=2", plain()),
            ("fsdp=4,model=2", sequence()),
            ("data=2,context=2,pipe=2", plain()),
            ("data=2,pipe=2", TrainOptions { microbatches: Some(4), repeats: 2, ..plain() }),
        ],
    );
    // a vocabulary that stays whole
    compare(
        &GPT2.replace(r#""vocab_size": 64"#, r#""vocab_size": 66"#),
        &[("data=2,model=4", sequence()), ("fsdp=2,model=4", plain()), ("fsdp=2,model=4", annotated())],
    );
}

#[test]
fn llama() {
    compare(
        LLAMA,
        &[
            ("data=8", plain()),
            ("fsdp=8", TrainOptions { remat: Some(raxla::RematOptions::default()), ..plain() }),
            ("model=4", plain()),
            ("model=4", sequence()),
            ("context=8", plain()),
            ("pipe=4", plain()),
            ("data=2,fsdp=2,model=2", plain()),
            ("fsdp=4,model=2", sequence()),
            ("fsdp=2,context=2,model=2", plain()),
        ],
    );
}

/// Layers of several kinds: dense and sparse ones, windows, latent vectors.
#[test]
fn unequal_layers() {
    let latent = r#"{"model_type": "deepseek_v3", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
        "moe_intermediate_size": 16, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8,
        "q_lora_rank": 16, "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 4,
        "n_routed_experts": 8, "n_group": 2, "topk_group": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
        "max_position_embeddings": 32}"#;
    let remat = TrainOptions { remat: Some(raxla::RematOptions::default()), ..plain() };
    compare(
        latent,
        &[("fsdp=8", remat), ("data=2,fsdp=2,model=2", plain()), ("fsdp=4,model=2", sequence()), ("expert=4", plain())],
    );
    let local = r#"{"model_type": "gemma2", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "head_dim": 4,
        "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 1, "sliding_window": 4,
        "max_position_embeddings": 32}"#;
    compare(
        local,
        &[
            ("fsdp=8", plain()),
            ("model=8", plain()),
            ("fsdp=4,model=2", sequence()),
            ("pipe=4", plain()),
            ("context=4", plain()),
        ],
    );
}

#[test]
fn mixtral() {
    compare(MIXTRAL, &[("expert=8", plain()), ("pipe=4", plain())]);
    let balanced = |sequence| TrainOptions { balance: 0.02, sequence, ..plain() };
    compare(
        MIXTRAL,
        &[
            ("data=8", balanced(false)),
            ("fsdp=8", balanced(false)),
            ("model=8", balanced(false)),
            ("model=8", balanced(true)),
            ("context=8", balanced(false)),
            ("expert=8", balanced(false)),
            ("data=2,expert=2,model=2", balanced(false)),
            ("expert=4,fsdp=2", balanced(false)),
            ("data=2,fsdp=2,model=2", balanced(false)),
            ("data=2,fsdp=4", TrainOptions { annotated: true, ..balanced(false) }),
        ],
    );
}

/// Logits of a few positions at a time: the same loss and the same gradients; also on a mesh, where the work that is divided by
/// hand is not cut further.
#[test]
fn losses_in_chunks() {
    let chunks = |loss_chunk, options| TrainOptions { loss_chunk, ..options };
    compare(
        GPT2,
        &[
            ("data=1", chunks(5, plain())),
            ("data=1", chunks(7, plain())),
            ("data=2,fsdp=2,model=2", chunks(7, plain())),
            ("model=4", chunks(4, sequence())),
            ("data=2,model=2", chunks(7, annotated())),
        ],
    );
}

/// Parameters stay f32, and so do gradients; losses are near those of f32.
#[test]
fn products_in_bf16() {
    let wide = run(GPT2, None, plain());
    for mesh in [None, Some("fsdp=2,model=2")] {
        let narrow = run(GPT2, mesh, TrainOptions { precision: Policy::compute(DType::BF16), ..plain() });
        let apart = furthest(std::slice::from_ref(&wide.losses), std::slice::from_ref(&narrow.losses));
        println!("losses of f32 {:?}, of bf16 {:?}", wide.losses, narrow.losses);
        assert!(apart > 0.0 && apart < 0.01, "{apart}");
        assert!(furthest(&wide.gradients, &narrow.gradients) < 0.01);
    }
}

/// A batch in parts, one after the other, is one step of the whole; each device goes through its own part of it.
#[test]
fn batches_in_parts() {
    let parts = |accumulate, options| TrainOptions { accumulate, ..options };
    let meshes = [
        ("data=1", parts(4, plain())),
        ("data=2,fsdp=2", parts(2, plain())),
        ("fsdp=2,model=2", parts(4, annotated())),
    ];
    compare(GPT2, &meshes);
    let train = Train::new(spec(GPT2), None, parts(3, plain())).unwrap();
    let e = train.step().lower(&train.avals(8, 16)).map(|_| ()).unwrap_err().to_string();
    assert!(e.contains("a batch of 8 sequences cannot be gone through in 3 equal parts"), "{e}");
}

/// The state of any optimizer is divided as parameters are, as far as it has their axes.
#[test]
fn other_optimizers() {
    let small = optim::FactoredOptions { min_dim_size_to_factor: 8, ..Default::default() };
    let factored = optim::AdafactorOptions { second: small, ..Default::default() };
    let schedule = optim::linear_schedule(1e-3, 1e-4, 10);
    // (not of signs, which turn where a gradient is nearly nothing)
    let clipped = optim::chain([optim::clip_by_global_norm(0.5), optim::adam(schedule, Default::default())]);
    for optimizer in [optim::adafactor(Some(1e-3.into()), factored), clipped] {
        let options = TrainOptions { optimizer, ..plain() };
        compare(
            GPT2,
            &[("fsdp=4,model=2", options.clone()), ("data=2,fsdp=2", TrainOptions { annotated: true, ..options })],
        );
    }
}

/// f16 with a scaled loss: losses are near those of f32, and the scale is part of the state.
#[test]
fn products_in_f16() {
    let wide = run(GPT2, None, plain());
    let scale = optim::DynamicScale { init_scale: 1024.0, ..Default::default() };
    let optimizer = optim::dynamic_scale(optim::adamw(3e-4, Default::default()), scale);
    let options = TrainOptions { optimizer, precision: Policy::compute(DType::F16), ..plain() };
    for mesh in [None, Some("fsdp=2,model=2")] {
        let narrow = run(GPT2, mesh, options.clone());
        let apart = furthest(std::slice::from_ref(&wide.losses), std::slice::from_ref(&narrow.losses));
        println!("losses of f32 {:?}, of f16 {:?}", wide.losses, narrow.losses);
        assert!(apart > 0.0 && apart < 0.01, "{apart}");
        assert!(furthest(&wide.gradients, &narrow.gradients) < 0.01);
    }
}
