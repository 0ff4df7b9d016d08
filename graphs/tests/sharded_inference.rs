//! Generation divided over virtual devices equals generation on one; and no device holds more than its part.
use crate::common::quick;
use raxla::{Array, Client, DType, Key, Mesh, Tree, prim::Format, runtime};
use raxla_graphs::{
    Files, Generated, Generation, LoadOptions, Matrices, Model, Sampling, WeightSource,
    config::{GenerationConfig, HfConfig},
    programs::{Request, step_avals},
};
use std::{ops::ControlFlow, path::PathBuf, sync::OnceLock};

/// With a vocabulary that two and four devices divide, unlike those of the fixtures.
const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 64}"#;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}
fn mesh(axes: &str) -> Mesh {
    Mesh::new(&client(), Mesh::parse(axes).unwrap()).unwrap()
}

/// A fixture, or a configuration with random weights.
fn files(model: &str) -> Files {
    if !model.starts_with('{') {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(model);
        return raxla_graphs::open(path.to_str().unwrap()).unwrap();
    }
    let config = HfConfig::parse(model, "config.json").unwrap();
    let generation = GenerationConfig::new(Default::default(), &config).unwrap();
    let (weights, tokenizer) = (WeightSource::Random(3), Err("texts are not asked for".into()));
    Files { name: "random".into(), config, generation, weights, tokenizer, of_bytes: true, adapter: None }
}
fn try_load(model: &str, mesh: Option<Mesh>, scanned: bool) -> raxla_graphs::Result<Model> {
    Model::load(files(model), &LoadOptions { mesh, scanned, compile: quick(), ..Default::default() }, &client())
}
fn load(model: &str, axes: Option<&str>, scanned: bool) -> Model {
    try_load(model, axes.map(mesh), scanned).unwrap()
}

fn prompts(n: usize) -> Vec<Vec<u32>> {
    (0..n as u32).map(|row| (0..5 + 3 * row).map(|i| 3 + (i * 7 + row * 11) % 60).collect()).collect()
}
fn greedy() -> Generation {
    Generation { max_new_tokens: 8, ignore_eos: true, logprobs: Some(3), ..Default::default() }
}
fn generate(model: &Model, prompts: &[Vec<u32>], options: &Generation) -> Vec<Generated> {
    model.generate_batch(prompts, options, |_, _| Ok(ControlFlow::Continue(()))).unwrap()
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
/// The same tokens, as likely as before.
#[track_caller]
fn same(one: &[Generated], many: &[Generated]) {
    assert_eq!(one.len(), many.len());
    for (one, many) in one.iter().zip(many) {
        assert_eq!(one.tokens, many.tokens);
        let logprobs = |made: &Generated| {
            let each =
                made.logprobs.iter().flat_map(|l| [vec![l.logprob], l.top.iter().map(|t| t.1).collect()].concat());
            each.collect::<Vec<f32>>()
        };
        assert!(furthest(&logprobs(one), &logprobs(many)) < 1e-5);
    }
}

/// Of every parameter that is divided, each device holds its part.
fn divided(model: &Model) -> usize {
    let placement = model.placement().unwrap();
    let parts = placement.mesh().axis("model").unwrap();
    let mut divided = 0;
    let (arrays, specs) = (model.params().leaves(), placement.specs().leaves());
    for ((array, spec), (path, p)) in arrays.iter().zip(&specs).zip(model.spec().params()) {
        let shards = array.addressable_shards();
        assert_eq!(shards.len(), placement.mesh().size(), "{path}");
        let n = if spec.names().count() > 0 { parts } else { 1 };
        for shard in &shards {
            assert_eq!(
                shard.data.dims().iter().product::<usize>() * n,
                p.aval.dims.iter().product::<usize>(),
                "{path}"
            );
        }
        divided += (n > 1) as usize;
    }
    divided
}

fn compare(name: &str, axes: &str, scanned: bool) {
    let (one, many) = (load(name, None, scanned), load(name, Some(axes), scanned));
    assert!(divided(&many) > 0);
    let tokens = &prompts(1)[0];
    let [a, b] = [&one, &many].map(|m| m.scores(tokens).unwrap());
    assert!(furthest(&a.logits.to_vec().unwrap(), &b.logits.to_vec().unwrap()) < 1e-5, "{name}");
    for (a, b) in a.hidden_states.iter().zip(&b.hidden_states) {
        assert!(furthest(&a.to_vec().unwrap(), &b.to_vec().unwrap()) < 1e-5, "{name}");
    }
    let rows = many.placement().unwrap().parts_of_batch();
    same(&generate(&one, &prompts(rows), &greedy()), &generate(&many, &prompts(rows), &greedy()));
}

#[test]
fn logits_of_a_batch_are_divided_by_rows_and_columns() {
    for (name, columns) in [(LLAMA, 32), ("gpt2_plain", 0)] {
        let (one, many) = (load(name, None, true), load(name, Some("data=2,model=2"), true));
        let rows: Vec<Vec<u32>> = (0..4).map(|row| (0..6).map(|i| (3 + i * 7 + row * 11) % 60).collect()).collect();
        let ids: Vec<i32> = rows.iter().flatten().map(|id| *id as i32).collect();
        let ids = Array::on(&client(), [4, 6], &ids).unwrap();
        let logits = many.placement().unwrap().batch_logits().call((many.params(), &ids)).unwrap();
        let vocab = one.spec().vocab();
        let own = if columns == 0 { vocab } else { columns };
        assert!(logits.addressable_shards().iter().all(|shard| shard.data.dims() == [2, 6, own]), "{name}");
        let each: Vec<f32> =
            rows.iter().flat_map(|row| one.scores(row).unwrap().logits.to_vec::<f32>().unwrap()).collect();
        assert!(furthest(&each, &logits.to_vec::<f32>().unwrap()) < 1e-5, "{name}");
    }
}

#[test]
fn families_generate_as_on_one_device() {
    for (name, axes, scanned) in [
        ("gpt2_plain", "model=2", true),
        ("mistral_window", "model=2", true),
        ("mixtral_top2", "model=2", true),
        ("phi3_gqa_untied", "model=2", true),
        ("olmo2_gqa_untied", "model=4", true),
        ("smollm3_interval_tied", "model=2", true),
        ("gptoss_alternating", "model=2", true),
        ("deepseek2_greedy", "model=2", false),
        ("deepseek3_groups", "data=2,model=2", true),
        (LLAMA, "data=2,model=2", true),
        (LLAMA, "model=4", false),
    ] {
        compare(name, axes, scanned);
    }
}

/// `model` divides the heads of queries, and not those of keys and values: every device has all of these, and takes its own.
#[test]
fn heads_of_keys_that_do_not_divide_are_everywhere() {
    for (kv_heads, axes) in [(1, "model=4"), (2, "data=2,model=4"), (2, "model=8")] {
        let kv = format!(r#""num_key_value_heads": {kv_heads}"#);
        compare(&LLAMA.replace(r#""num_key_value_heads": 4"#, &kv), axes, false);
    }
    // groups of three query heads, of which a device has a half
    let six = LLAMA.replace(r#""hidden_size": 32"#, r#""hidden_size": 48"#);
    let six = six.replace(
        r#""num_attention_heads": 8, "num_key_value_heads": 4"#,
        r#""num_attention_heads": 6, "num_key_value_heads": 3"#,
    );
    compare(&six, "model=2", true);
}

/// Rows along `data`, heads along `model`; several rows per device, samples, penalties, draws, prompts in pieces.
#[test]
fn batches_are_divided_too() {
    let (one, many) = (load(LLAMA, None, false), load(LLAMA, Some("data=2,model=4"), false));
    let drawn = Sampling { temperature: 1.2, top_k: 20, seed: 5, repetition_penalty: 1.2, ..Default::default() };
    for options in [
        greedy(),
        Generation { sampling: drawn.clone(), samples: 2, ..greedy() },
        Generation { sampling: drawn, prefill_chunk: Some(4), ..greedy() },
    ] {
        same(&generate(&one, &prompts(4), &options), &generate(&many, &prompts(4), &options));
    }
}

#[test]
fn no_device_holds_a_whole_cache() {
    let model = load(LLAMA, Some("data=2,model=4"), false);
    let placement = model.placement().unwrap();
    assert_eq!(divided(&model), 2 + 2 * 7, "the embedding and the head, and all matrices of two layers");
    let shape = Sampling::default().shape();
    let avals = step_avals(model.spec(), DType::F32, shape, [2, 1], [64, 0]);
    let ints = |x: &[i32]| Array::on(&client(), [2], x).unwrap();
    let request = Request {
        prompt: ints(&[1, 1]),
        sample: ints(&[0, 0]),
        numbers: Array::on(&client(), [6], &Sampling::default().numbers()).unwrap(),
        bias: None,
        key: Key::from_data(Array::on(&client(), [2], &[0u32, 0]).unwrap()),
    };
    let tokens = Array::on(&client(), [2, 1], &[5, 6]).unwrap();
    let (before, program) = (placement.new_state(&avals.3).unwrap(), placement.step(shape));
    let (_, after) = program.call((model.params(), &tokens, &ints(&[1, 1]), &before, &request)).unwrap();
    for cache in [before.cache.leaves(), after.cache.leaves()].concat() {
        assert_eq!(cache.dims(), [2, 64, 4, 4]);
        let shards = cache.addressable_shards();
        assert_eq!(shards.len(), 8);
        assert!(shards.iter().all(|s| s.data.dims() == [1, 64, 1, 4] && s.first), "a row and a head each");
    }
    assert_eq!(after.position.to_vec::<i32>().unwrap(), [1, 1]);
}

#[track_caller]
fn says(error: impl std::fmt::Display, wanted: &[&str]) {
    let text = error.to_string();
    wanted.iter().for_each(|w| assert!(text.contains(w), "{text}\nlacks {w}"));
}

#[test]
fn what_cannot_be_divided_is_said() {
    let load = |model: &str, axes: &str| try_load(model, Some(mesh(axes)), false).err().expect("an error");
    // four heads
    says(
        load("llama_gqa_untied", "model=8"),
        &["`layers.0.mixer.q.w`", "[32, 4, 8]", "4 heads", "8 devices along `model`", "`model` can be 2 or 4"],
    );
    says(load("gpt2_plain", "fsdp=2"), &["`fsdp`", "fsdp=2", "along `model`", "`data`"]);
    let model = try_load(LLAMA, Some(mesh("data=2,model=2")), false).unwrap();
    let generate = |n: usize, options: &Generation| {
        model.generate_batch(&prompts(n), options, |_, _| Ok(ControlFlow::Continue(()))).unwrap_err()
    };
    says(generate(3, &greedy()), &["2 devices along `data`", "3 prompts", "a multiple of 2"]);
    let on_device = Generation { device_loop: true, ..greedy() };
    says(generate(2, &on_device), &["device_loop", "data=2,model=2", "help: load the model without a mesh"]);
    let beams = raxla_graphs::Beams { beams: 2, length_penalty: 1.0, early_stopping: raxla_graphs::EarlyStopping::No };
    let plain = Generation { logprobs: None, ..greedy() };
    says(model.beam_search_tokens(&prompts(1)[0], &beams, &plain).unwrap_err(), &["beam search", "without a mesh"]);
    let go_on = |_| Ok(ControlFlow::Continue(()));
    let drafted = model.generate_speculative_tokens(raxla_graphs::Draft::Lookup(3), 4, &prompts(1)[0], &plain, go_on);
    says(drafted.unwrap_err(), &["drafting", "without a mesh"]);
    let other = runtime::client_with(&runtime::Options { cpu_devices: Some(2), ..Default::default() }).unwrap();
    let elsewhere = Mesh::new(&other, [("model", 2)]).unwrap();
    says(try_load(LLAMA, Some(elsewhere), false).err().unwrap(), &["model=2", "devices of another client"]);
}

/// Attention's and the MLPs' matrices as integers with a scale for each output: on one device, and divided. A layer stored as
/// PyTorch's, GPT-2's that is not, and slices of a fused one.
#[test]
fn matrices_in_int8_are_near_and_are_divided_alike() {
    for name in ["llama_bf16", "gpt2_plain", "phi3_gqa_untied"] {
        let load = |quantize, axes: Option<&str>| {
            let options =
                LoadOptions { mesh: axes.map(mesh), scanned: true, quantize, compile: quick(), ..Default::default() };
            let options = LoadOptions { matrices: Matrices::Dense, dtype: Some(DType::F32), ..options };
            Model::load(files(name), &options, &client()).unwrap()
        };
        let [plain, one, many] =
            [load(None, None), load(Some(Format::INT8), None), load(Some(Format::INT8), Some("model=2"))];
        let scored = |model: &Model| model.scores(&prompts(1)[0]).unwrap().logits.to_vec::<f32>().unwrap();
        let (exact, a, b) = (scored(&plain), scored(&one), scored(&many));
        let largest = exact.iter().fold(0f32, |most, x| most.max(x.abs()));
        assert!(furthest(&a, &b) < 1e-5 * largest.max(1.0), "{name}");
        let error = furthest(&exact, &a);
        assert!(error > 0.0 && error < 0.05 * largest, "{name}: {error} of {largest}");
        // integers times scales are the weights, to half a step
        let (weights, held) = (plain.params().paths(), one.params());
        for (path, scale) in held.paths().into_iter().zip(held.leaves()).filter(|(path, _)| path.ends_with(".scale")) {
            let of = |model: &Model, path: &str| {
                let at = model.params().paths().iter().position(|p| p == path).unwrap();
                model.params().leaves()[at].clone()
            };
            let path = path.replace(".scale", ".w");
            assert!(weights.contains(&path));
            let (w, q) = (of(&plain, &path), of(&one, &path));
            assert_eq!((q.dtype(), w.dims()), (DType::I8, q.dims()));
            let (w, q, s) = (w.to_vec::<f32>().unwrap(), q.to_vec::<i8>().unwrap(), scale.to_vec::<f32>().unwrap());
            let layers = one.spec().layers();
            let (each, outputs) = (w.len() / layers, s.len() / layers);
            for (i, (w, q)) in w.iter().zip(&q).enumerate() {
                let s = s[i / each * outputs + i % each % outputs];
                assert!((w - f32::from(*q) * s).abs() <= 0.501 * s, "{name} {path} {i}: {w}, {q} times {s}");
            }
        }
        let error = one.save(tempfile::tempdir().unwrap().path().join("x"), &Default::default()).unwrap_err();
        assert!(error.to_string().contains("in 8-bit integers"), "{error}");
    }
}
