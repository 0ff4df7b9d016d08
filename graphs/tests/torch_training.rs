//! Steps of training against PyTorch's (scripts/make_gradient_fixtures.py), and in narrow dtypes against f32.
use crate::{
    common::tests,
    gradients::{floats, off, stored},
};
use raxla::{
    Array, DType,
    optim::{self, AdamWOptions, Policy, WarmupCosine},
    runtime,
};
use raxla_graphs::{
    LoadOptions, Matrices, Model,
    config::HfConfig,
    models::Decoder,
    training::{Train, TrainOptions},
};
use safetensors::SafeTensors;

fn optimizer() -> optim::Optimizer {
    let rate =
        WarmupCosine { init_value: 0.0, peak_value: 1e-3, warmup_steps: 2, decay_steps: 10, ..Default::default() };
    let rate = optim::warmup_cosine_decay_schedule(rate);
    let options = AdamWOptions { b2: 0.95, eps: 1e-6, weight_decay: 0.1.into(), ..Default::default() };
    optim::chain([optim::clip_by_global_norm(1.0), optim::adamw(rate, options)])
}

/// Losses of ten steps and every parameter behind them: AdamW, clipping, warm-up and cosine, batches in two parts.
#[test]
fn ten_steps_are_pytorchs() {
    let client = runtime::client().unwrap();
    for (name, vocabulary) in [("gpt2_plain", 89), ("gemma_tied", 97), ("qwen3_head_dim", 97), ("mixtral_top2", 97)] {
        let dir = tests("fixtures").join(name);
        let options = LoadOptions { matrices: Matrices::Dense, ..Default::default() };
        let model = Model::load(raxla_graphs::open(dir.to_str().unwrap()).unwrap(), &options, &client).unwrap();
        let want = std::fs::read(dir.join("training.safetensors")).unwrap();
        let want = SafeTensors::deserialize(&want).unwrap();
        let options = TrainOptions { optimizer: optimizer(), accumulate: 2, ..Default::default() };
        // (a tied head is the embedding itself)
        let train = Train::new(model.spec().clone().without_copies(), None, options).unwrap();
        let mut params = model.params().clone();
        params.head.w = params.head.w.filter(|_| train.model().head.w.is_some());
        let mut state = train.fresh(&params, &client).unwrap();
        let step = train.step();
        let mut furthest = 0f64;
        for (i, loss) in floats(&want, "losses").into_iter().enumerate() {
            let token = |s: usize, t: usize| (1 + (7 * t * t + 31 * s + 57 * i + s * t) % (vocabulary - 1)) as i32;
            let tokens: Vec<i32> = (0..4).flat_map(|s| (0..17).map(move |t| token(s, t))).collect();
            let tokens = Array::on(&client, [4, 17], &tokens).unwrap();
            let metrics;
            (params, state, metrics) = step.call((params, state, &tokens)).unwrap();
            furthest = furthest.max((f64::from(metrics.loss.item::<f32>().unwrap()) - loss).abs() / loss);
        }
        let all = stored(train.model(), &params, &model.config);
        assert_eq!(all.len() + 1, want.names().len(), "{name}: the number of parameters");
        let weights = all.iter().map(|(path, have)| (off(have, floats(&want, path)), path));
        let (weight, path) = weights.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        println!("{name}: losses within {furthest:.1e}, parameters within {weight:.1e} ({path})");
        // (of the largest of a parameter; what moves biases of keys is rounding alone, which Adam makes as large as any gradient)
        assert!(furthest < 1e-5 && weight < 2e-5, "{name}: losses {furthest:.1e}, {path} {weight:.1e}");
    }
}

/// After 200 steps on texts of a rule, activations of bf16 and f16 have led to the loss of f32 within 2 %.
#[test]
fn narrow_dtypes_end_where_f32_does() {
    let client = runtime::client().unwrap();
    let config =
        r#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 4, "n_positions": 16, "vocab_size": 32}"#;
    let config = HfConfig::parse(config, "config.json").unwrap();
    let last = |precision: Policy, scaled: bool| {
        let mut optimizer = optim::adamw(3e-3, AdamWOptions::default());
        if scaled {
            optimizer = optim::dynamic_scale(optimizer, optim::DynamicScale::default());
        }
        let options = TrainOptions { optimizer, precision, ..Default::default() };
        let train = Train::new(Decoder::of(&config, true).unwrap(), None, options).unwrap();
        let (mut model, mut state) = train.random(1, &client).unwrap();
        let step = train.step();
        let mut losses = vec![];
        for i in 0..200usize {
            // each token follows from the one before it and one of three choices
            let mut token = i % 32;
            let mut next = |k: usize| {
                token = (token * 5 + 7 * ((i * 17 + k * k) % 3) + 1) % 32;
                token as i32
            };
            let tokens: Vec<i32> = (0..8 * 17).map(&mut next).collect();
            let tokens = Array::on(&client, [8, 17], &tokens).unwrap();
            let metrics;
            (model, state, metrics) = step.call((model, state, &tokens)).unwrap();
            losses.push(f64::from(metrics.loss.item::<f32>().unwrap()));
        }
        losses[190..].iter().sum::<f64>() / 10.0
    };
    let wide = last(Policy::default(), false);
    let [bf16, f16] = [(DType::BF16, false), (DType::F16, true)].map(|(d, scaled)| last(Policy::compute(d), scaled));
    println!("losses of f32 {wide:.4}, bf16 {bf16:.4}, f16 {f16:.4}");
    assert!(wide < 2.0, "{wide}");
    for narrow in [bf16, f16] {
        assert!((narrow - wide).abs() < 0.02 * wide, "{narrow} beside {wide}");
    }
}
