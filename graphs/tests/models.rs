//! Models against transformers: tiny random checkpoints and what it computes with them (see fixtures/README.md).
use crate::common::quick;
use raxla::{Aval, DType, Tree, runtime};
use raxla_graphs::{
    Generation, LoadOptions, Matrices, Model, TiedHead,
    models::{Decoder, gpt2},
};
use safetensors::SafeTensors;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

fn fixtures() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|p| p.join("reference.safetensors").exists()).collect();
    found.sort();
    assert!(found.len() >= 40, "only {} fixtures", found.len());
    found
}

fn try_load(dir: &Path, scanned: bool) -> raxla_graphs::Result<Model> {
    let options = LoadOptions { scanned, compile: quick(), ..Default::default() };
    Model::load(raxla_graphs::open(dir.to_str().unwrap())?, &options, &runtime::client().unwrap())
}
fn load(dir: &Path, scanned: bool) -> Model {
    try_load(dir, scanned).unwrap()
}

struct Reference(Vec<u8>);
impl Reference {
    fn open(path: &Path) -> Reference {
        Reference(std::fs::read(path).unwrap())
    }
    fn words(&self, name: &str) -> Vec<u32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
    }
    fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name).into_iter().map(f32::from_bits).collect()
    }
    fn count(&self, prefix: &str) -> usize {
        SafeTensors::deserialize(&self.0).unwrap().names().iter().filter(|n| n.starts_with(prefix)).count()
    }
}

/// Largest absolute difference over the standard deviation of the reference.
fn deviation(have: &[f32], want: &[f32]) -> f64 {
    assert_eq!(have.len(), want.len());
    let n = want.len() as f64;
    let mean = want.iter().map(|x| *x as f64).sum::<f64>() / n;
    let std = (want.iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>() / n).sqrt();
    have.iter().zip(want).map(|(a, b)| (*a as f64 - *b as f64).abs()).fold(0.0, f64::max) / std
}

fn greedy(model: &Model, prompt: &[u32], n: usize) -> Vec<u32> {
    let options = Generation { max_new_tokens: n, ignore_eos: true, ..Default::default() };
    let made = model.generate_tokens(prompt, &options, |_| Ok(ControlFlow::Continue(()))).unwrap();
    made.tokens
}

fn argmax(row: &[f32]) -> u32 {
    let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter().position(|x| *x == best).unwrap() as u32
}

/// Logits, every hidden state, and greedy tokens of every fixture.
fn check(scanned: bool) {
    let mut failures = vec![];
    for dir in fixtures() {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let reference = Reference::open(&dir.join("reference.safetensors"));
        let model = match try_load(&dir, scanned) {
            Ok(model) => model,
            Err(e) => {
                failures.push(format!("{name}: {e}"));
                continue;
            }
        };
        let tokens = reference.words("tokens");
        let scores = model.scores(&tokens).unwrap();
        let logits = scores.logits.to_vec::<f32>().unwrap();
        let mut parts = vec![("logits".to_string(), deviation(&logits, &reference.floats("logits")))];
        assert_eq!(scores.hidden_states.len(), reference.count("hidden_states."), "{name}");
        for (i, state) in scores.hidden_states.iter().enumerate() {
            let part = format!("hidden_states.{i}");
            let d = deviation(&state.to_vec::<f32>().unwrap(), &reference.floats(&part));
            parts.push((part, d));
        }
        for (part, d) in parts {
            println!("{name} {part}: {d:.1e}");
            if d.is_nan() || d > 2e-5 {
                failures.push(format!("{name}: {part} deviates by {d:.1e}"));
            }
        }
        let want = reference.words("greedy");
        let have = greedy(&model, &tokens, want.len());
        if have != want {
            failures.push(format!("{name}: greedy tokens {have:?}, transformers {want:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn unrolled_equals_transformers() {
    check(false);
}

#[test]
fn scanned_equals_transformers() {
    check(true);
}

#[test]
fn with_cache_equals_without() {
    let families = ["llama_gqa_untied", "gpt2_plain", "phi3_gqa_untied", "olmo2_gqa_untied", "smollm3_interval_tied"];
    for name in families.into_iter().chain(["gptoss_alternating", "deepseek2_greedy", "deepseek3_groups"]) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let (model, reference) = (load(&dir, false), Reference::open(&dir.join("reference.safetensors")));
        let mut tokens = reference.words("tokens");
        let with = greedy(&model, &tokens, 6);
        let vocab = model.spec().vocab();
        let without: Vec<u32> = (0..6)
            .map(|_| {
                let logits = model.scores(&tokens).unwrap().logits.to_vec::<f32>().unwrap();
                let next = argmax(&logits[logits.len() - vocab..]);
                tokens.push(next);
                next
            })
            .collect();
        assert_eq!(with, without, "{name}");
    }
}

#[test]
fn a_tied_head_needs_no_second_copy() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama_mha_tied");
    let reference = Reference::open(&dir.join("reference.safetensors"));
    let (tokens, want) = (reference.words("tokens"), reference.floats("logits"));
    let sizes = [TiedHead::Copy, TiedHead::Share].map(|tied_head| {
        let options = LoadOptions { tied_head, compile: quick(), matrices: Matrices::Dense, ..Default::default() };
        let files = raxla_graphs::open(dir.to_str().unwrap()).unwrap();
        let model = Model::load(files, &options, &runtime::client().unwrap()).unwrap();
        let logits = model.scores(&tokens).unwrap().logits.to_vec::<f32>().unwrap();
        assert!(deviation(&logits, &want) < 2e-5);
        assert_eq!(greedy(&model, &tokens, 16), reference.words("greedy"));
        model.params().leaves().iter().map(|a| a.aval().size()).sum::<usize>()
    });
    let embedding = 32 * want.len() / tokens.len();
    assert_eq!(sizes[0] - sizes[1], embedding);
}

#[test]
fn prompts_of_every_length_share_programs() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama_gqa_untied");
    let (model, reference) = (load(&dir, false), Reference::open(&dir.join("reference.safetensors")));
    let tokens = reference.words("tokens");
    let compiled = |n: usize| {
        let options = Generation { max_new_tokens: 3, ..Default::default() };
        model.generate_tokens(&tokens[..n], &options, |_| Ok(ControlFlow::Continue(()))).unwrap();
        model.compiles()
    };
    let first = compiled(1);
    assert_eq!(first, 2, "prefill and decode");
    assert_eq!(
        (2..=tokens.len().min(16)).map(compiled).max(),
        Some(first),
        "a new length in the bucket recompiles nothing"
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gpt2_plain");
    let model = load(&dir, false);
    let options = Generation::default();
    let refuse = |prompt: &[u32]| {
        model.generate_tokens(prompt, &options, |_| Ok(ControlFlow::Continue(()))).unwrap_err().to_string()
    };
    assert_eq!(refuse(&[]), "the prompt is empty: give at least one token");
    assert_eq!(refuse(&[3, 9999]), "token id 9999 is outside the vocabulary: ids go from 0 to 88");
    assert_eq!(refuse(&[1; 65]), "the prompt has 65 tokens, but the model's context is 64: shorten it");
    // a prompt that fills the context still has a next token; then it is over
    let made = model.generate_tokens(&[1; 64], &options, |_| Ok(ControlFlow::Continue(()))).unwrap();
    assert_eq!(made.tokens.len(), 1);
}

#[test]
fn a_forward_pass_costs_twice_its_parameters_per_token() {
    let spec = Decoder::of(&gpt2::published("124M").unwrap(), false).unwrap();
    // the embeddings are looked up; the head is as large as one of them
    let count: usize =
        spec.params().iter().filter(|(path, _)| !path.starts_with("embed")).map(|(_, p)| p.aval.size()).sum();
    assert_eq!(count, 124_439_808);
    let t = 64;
    let lowered = raxla_graphs::programs::forward()
        .lower(&(spec.map(|p| p.aval.clone()), Aval::new(DType::I32, [1, t])))
        .unwrap();
    let ratio = lowered.graph.cost().flops / (2 * count * t) as f64;
    // beside the products with parameters: attention, norms, activations
    assert!((1.0..1.04).contains(&ratio), "{ratio}");
}
