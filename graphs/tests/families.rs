//! What holds for whole families: half precision, experts that are all the same, caches that end at the window.
use crate::common::quick;
use raxla::{Array, DType, Tensor, Tree, jit, runtime};
use raxla_graphs::{Draft, Generation, LoadOptions, Model, config::HfConfig, models::Decoder};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::BTreeMap, ops::ControlFlow, path::Path};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
fn load(dir: &Path, options: LoadOptions) -> Model {
    let options = LoadOptions { compile: quick(), ..options };
    Model::load(raxla_graphs::open(dir.to_str().unwrap()).unwrap(), &options, &runtime::client().unwrap()).unwrap()
}
fn words(dir: &Path, name: &str) -> Vec<u32> {
    let bytes = std::fs::read(dir.join("reference.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensor(name).unwrap().data().chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}
fn logits(model: &Model, tokens: &[u32]) -> Vec<f32> {
    model.scores(tokens).unwrap().logits.to_vec::<f32>().unwrap()
}

#[test]
fn bf16_points_the_same_way() {
    let families = ["gpt2_plain", "llama_gqa_untied", "mistral_window", "mixtral_top2", "qwen2_tied", "qwen3_head_dim"];
    let more = ["qwen3moe_top3", "gemma_tied", "gemma2_windows", "gemma3_pattern", "phi3_gqa_untied"];
    let latest =
        ["olmo2_gqa_untied", "smollm3_interval_tied", "gptoss_alternating", "deepseek2_greedy", "deepseek3_groups"];
    for name in families.into_iter().chain(more).chain(latest) {
        let dir = fixture(name);
        let model = load(&dir, LoadOptions { dtype: Some(DType::BF16), ..Default::default() });
        let have = logits(&model, &words(&dir, "tokens"));
        let want: Vec<f32> = words(&dir, "logits").into_iter().map(f32::from_bits).collect();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| *x as f64 * *y as f64).sum::<f64>();
        let cosine = dot(&have, &want) / (dot(&have, &have) * dot(&want, &want)).sqrt();
        println!("{name}: {cosine:.5}");
        assert!(cosine >= 0.999, "{name}: {cosine}");
    }
}

/// A Mixtral in `dir` whose experts all have the MLP of the Mistral `name`, with a router of its own.
fn equal_experts(name: &str, dir: &Path) {
    const EXPERTS: usize = 4;
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture(name).join("config.json")).unwrap()).unwrap();
    (config["model_type"], config["num_local_experts"]) = ("mixtral".into(), EXPERTS.into());
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let bytes = std::fs::read(fixture(name).join("model.safetensors")).unwrap();
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
        assert_eq!(view.dtype(), Dtype::F32);
        let mut put = |name: String| drop(tensors.insert(name, (view.shape().to_vec(), view.data().to_vec())));
        match name.split_once(".mlp.") {
            None => put(name.to_string()),
            Some((layer, part)) => {
                let part = match part {
                    "gate_proj.weight" => "w1",
                    "up_proj.weight" => "w3",
                    _ => "w2",
                };
                (0..EXPERTS).for_each(|e| put(format!("{layer}.block_sparse_moe.experts.{e}.{part}.weight")));
            }
        }
    }
    for layer in 0..config["num_hidden_layers"].as_u64().unwrap() {
        let width = config["hidden_size"].as_u64().unwrap() as usize;
        let router: Vec<u8> =
            (0..EXPERTS * width).flat_map(|i| ((i * 37 % 23) as f32 / 11.0 - 1.0).to_le_bytes()).collect();
        tensors.insert(format!("model.layers.{layer}.block_sparse_moe.gate.weight"), (vec![EXPERTS, width], router));
    }
    let views =
        tensors.iter().map(|(name, (dims, data))| (name, TensorView::new(Dtype::F32, dims.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
}

#[test]
fn a_mixtral_of_equal_experts_is_a_mistral() {
    let dir = tempfile::tempdir().unwrap();
    equal_experts("mistral_window", dir.path());
    let (sparse, dense) = (load(dir.path(), Default::default()), load(&fixture("mistral_window"), Default::default()));
    let tokens = words(&fixture("mistral_window"), "tokens");
    let (have, want) = (logits(&sparse, &tokens), logits(&dense, &tokens));
    let largest = want.iter().fold(0f32, |a, b| a.max(b.abs()));
    let off = have.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off <= 2e-6 * largest, "{off} of {largest}");
}

#[test]
fn caches_hold_no_more_than_the_window() {
    let slots = |name: &str, scanned: bool| -> Vec<usize> {
        let config = HfConfig::load(&fixture(name)).unwrap();
        let cache = Decoder::of(&config, scanned).unwrap().cache(1, 64, 0, DType::F32);
        let slots = |p: &raxla::Param| p.aval.dims[p.axes.iter().position(|role| *role == "slots").unwrap()];
        cache.leaves().iter().map(slots).collect()
    };
    assert_eq!(slots("mistral_window", false), [5; 6]);
    assert_eq!(slots("mistral_window", true), [5; 2]);
    assert_eq!(slots("qwen2_window", false), [64, 64, 6, 6, 6, 6]);
    assert_eq!(slots("gemma2_windows", false), [5, 5, 64, 64, 5, 5, 64, 64]);
    // a loop over a pattern of layers has a cache for each
    assert_eq!(slots("gemma2_windows", true), [5, 5, 64, 64]);
    assert_eq!(slots("gpt2_plain", false), [64; 4]);
    // local, local, global, twice: of each layer of the pattern keys and values
    assert_eq!(slots("gemma3_repeated", true), [5, 5, 5, 5, 64, 64]);
    assert_eq!(slots("gptoss_alternating", true), [5, 5, 64, 64]);
    // the first layer is not like the others: it stands alone
    assert_eq!(slots("deepseek3_groups", true), [64; 4]);
}

#[test]
fn every_way_to_decode_gives_the_same_greedy_tokens() {
    // rings, rings beside plain caches, layers of several kinds, sinks and latent vectors
    for name in ["mistral_window", "gemma2_windows", "qwen3moe_mixed", "gptoss_alternating", "deepseek3_groups"] {
        let model = load(&fixture(name), Default::default());
        let stranger = raxla_graphs::open_random(fixture(name).to_str().unwrap(), 7).unwrap();
        let stranger =
            Model::load(stranger, &LoadOptions { compile: quick(), ..Default::default() }, &runtime::client().unwrap())
                .unwrap();
        let prompt = words(&fixture(name), "tokens");
        let options = Generation { max_new_tokens: 16, ignore_eos: true, ..Default::default() };
        let on = |_: u32| Ok(ControlFlow::Continue(()));
        let plain = |options: &Generation| model.generate_tokens(&prompt, options, on).unwrap().tokens;
        let want = words(&fixture(name), "greedy");
        assert_eq!(plain(&options), want, "{name}");
        assert_eq!(plain(&Generation { prefill_chunk: Some(4), ..options.clone() }), want, "{name}, by pieces");
        assert_eq!(plain(&Generation { device_loop: true, ..options.clone() }), want, "{name}, on the device");
        for (draft, n) in [(Draft::Model(&model), 3), (Draft::Model(&stranger), 4), (Draft::Lookup(2), 5)] {
            let made = model.generate_speculative_tokens(draft, n, &prompt, &options, on).unwrap();
            assert_eq!(made.tokens, want, "{name}, {n} drafted");
        }
        let batch = model.generate_batch(&[&prompt[..3], &prompt], &options, |_, _| Ok(ControlFlow::Continue(())));
        assert_eq!(batch.unwrap()[1].tokens, want, "{name}, in a batch");
    }
}

#[test]
fn the_language_model_of_one_that_sees_is_taken() {
    let from = fixture("gemma3_linear");
    let tokens = words(&from, "tokens");
    let want = logits(&load(&from, Default::default()), &tokens);
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
    let config =
        serde_json::json!({"model_type": "gemma3", "text_config": config, "vision_config": {}, "eos_token_id": [1, 2]});
    let bytes = std::fs::read(from.join("model.safetensors")).unwrap();
    for (old, new, eye) in [
        ("model.", "language_model.model.", "vision_tower.w"),
        ("model.", "model.language_model.", "model.vision_tower.w"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        let named = |name: String| name.strip_prefix(old).map(|rest| format!("{new}{rest}")).unwrap_or(name);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut views: Vec<_> = file.tensors().into_iter().map(|(name, view)| (named(name), view)).collect();
        views.push((eye.to_string(), TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap()));
        safetensors::serialize_to_file(views, None, &dir.path().join("model.safetensors")).unwrap();
        assert_eq!(logits(&load(dir.path(), Default::default()), &tokens), want);
    }
}

#[test]
fn routers_and_their_loss_are_those_of_transformers() {
    let check = |name: &str, scanned: bool| {
        let dir = fixture(name);
        let model = load(&dir, LoadOptions { scanned, ..Default::default() });
        let step = jit(move |model: Decoder, tokens: Tensor| {
            let scores = model.forward(model.whole(tokens)).scores;
            (model.balance_loss(&scores).unwrap(), scores.leaves())
        });
        let tokens: Vec<i32> = words(&dir, "tokens").into_iter().map(|t| t as i32).collect();
        let tokens = Array::on(model.client(), [1, tokens.len()], &tokens).unwrap();
        let (loss, scores): (Array, Vec<Array>) = step.call((model.params(), &tokens)).unwrap();
        let bytes = std::fs::read(dir.join("gradients.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let floats = |name: &str| -> Vec<f32> {
            file.tensor(name)
                .unwrap()
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                .collect()
        };
        let scores: Vec<f32> = scores.iter().flat_map(|s| s.to_vec::<f32>().unwrap()).collect();
        let all = [(loss.to_vec::<f32>().unwrap(), floats("aux_loss")), (scores, floats("router_logits"))];
        for (have, want) in all {
            assert_eq!(have.len(), want.len(), "{name}");
            have.iter().zip(&want).for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{name}: {a} {b}"));
        }
    };
    check("mixtral_window_one_head", false);
    check("mixtral_window_one_head", true);
    check("qwen3moe_mixed", false);
}
