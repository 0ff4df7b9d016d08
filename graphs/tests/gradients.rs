//! Gradients against PyTorch: one checkpoint of each family, every parameter (see scripts/make_gradient_fixtures.py).
use raxla::{Array, Param, Tensor, Tree, jit, nn::cross_entropy, runtime, value_and_grad};
use raxla_graphs::{LoadOptions, Matrices, Model, config::HfConfig, models::Decoder, weights::Weights};
use safetensors::SafeTensors;
use std::{collections::BTreeMap, path::Path};

pub fn floats(file: &SafeTensors, name: &str) -> Vec<f64> {
    let tensor = file.tensor(name).unwrap_or_else(|_| panic!("{name} is not in the reference"));
    tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()) as f64).collect()
}

/// The values of a model, in the order and under the names of the checkpoint.
pub fn stored(spec: &Decoder<Param>, values: &Decoder<Array>, config: &HfConfig) -> BTreeMap<String, Vec<f64>> {
    let written = tempfile::tempdir().unwrap();
    let to = written.path().join("values");
    raxla_graphs::save(&spec.params(), &values.leaves(), config, &to, &Default::default()).unwrap();
    let values = Weights::open(&to).unwrap();
    let read = |name: &str| values.read_f32(name).unwrap().into_iter().map(f64::from).collect();
    values.names().map(|name| (name.to_string(), read(name))).collect()
}

/// The furthest that values are from entries of a reference, and their norm from the one behind these: parts of the largest.
pub fn off(have: &[f64], mut expected: Vec<f64>) -> f64 {
    let norm = expected.pop().unwrap();
    let step = have.len().div_ceil(128);
    let own: f64 = have.iter().map(|x| x * x).sum::<f64>().sqrt();
    let largest = expected.iter().fold(norm / (have.len() as f64).sqrt(), |a, b| a.max(b.abs()));
    let entries = have.iter().step_by(step).zip(&expected).map(|(a, b)| (a - b).abs() / largest);
    // (experts that no token chose have no gradient, here as there)
    if norm == 0.0 { own } else { entries.chain([(own - norm).abs() / norm]).fold(0.0, f64::max) }
}

fn check(name: &str) -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let client = runtime::client().unwrap();
    // (derivatives are by arrays of numbers)
    let options = LoadOptions { matrices: Matrices::Dense, ..Default::default() };
    let model = Model::load(raxla_graphs::open(dir.to_str().unwrap()).unwrap(), &options, &client).unwrap();
    let read = |file: &str| std::fs::read(dir.join(file)).unwrap();
    let (tokens, want) = (read("reference.safetensors"), read("gradients.safetensors"));
    let (tokens, want) = (SafeTensors::deserialize(&tokens).unwrap(), SafeTensors::deserialize(&want).unwrap());
    let tokens = tokens.tensor("tokens").unwrap();
    let tokens: Vec<i32> = tokens.data().chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect();

    let step = jit(move |model: Decoder, tokens: Tensor| {
        let n = tokens.dim(1) - 1;
        let loss = |model: Decoder| {
            let (inputs, targets) = (tokens.slice_axis(1, 0..n), tokens.slice_axis(1, 1..n + 1));
            let out = model.forward(model.whole(inputs));
            cross_entropy(model.logits(out.hidden), targets)
        };
        value_and_grad(loss)(model)
    });
    let tokens = Array::on(&client, [1, tokens.len()], &tokens).unwrap();
    // a tied head is the embedding itself
    let (spec, mut params) = (model.spec().clone().without_copies(), model.params().clone());
    params.head.w = params.head.w.filter(|_| spec.head.w.is_some());
    let (loss, gradients): (Array, Decoder<Array>) = step.call((&params, &tokens)).unwrap();
    let all = stored(&spec, &gradients, &model.config);

    let mut failures = vec![];
    let (have, expected) = (loss.to_vec::<f32>().unwrap()[0] as f64, floats(&want, "loss")[0]);
    if (have - expected).abs() > 1e-5 * expected {
        failures.push(format!("{name}: loss {have}, PyTorch {expected}"));
    }
    let others = ["loss", "aux_loss", "router_logits"];
    let parameters = want.names().iter().filter(|n| !others.contains(n)).count();
    assert_eq!(all.len(), parameters, "{name}: the number of parameters");
    let mut worst = 0f64;
    for (parameter, have) in &all {
        let off = off(have, floats(&want, parameter));
        worst = worst.max(off);
        if off.is_nan() || off > 1e-4 {
            failures.push(format!("{name}: {parameter} is off by {off:.1e}"));
        }
    }
    println!("{name}: {} parameters, off by at most {worst:.1e}", all.len());
    failures
}

#[test]
fn every_gradient_is_pytorchs() {
    let names = ["gpt2_plain", "llama_head_dim_biases", "mistral_window", "mixtral_window_one_head", "qwen2_window"];
    let more = ["qwen3_bias_one_head", "qwen3moe_mixed", "gemma_untied_gelu", "gemma2_windows", "gemma3_pattern"];
    let failures: Vec<String> = names.into_iter().chain(more).flat_map(check).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
