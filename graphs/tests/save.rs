//! Written directories against what they were made of.

use crate::common::{assert_equal, tests, text};
use raxla::{Array, DType, Tree as _, runtime};
use raxla_graphs::{
    LoadOptions, Matrices, Model, SaveOptions,
    weights::{Encoding, Weights},
};
use std::path::{Path, PathBuf};

fn load(path: &Path, scanned: bool) -> Model {
    let options = LoadOptions { scanned, ..Default::default() };
    Model::load(raxla_graphs::open(&text(path)).unwrap(), &options, &runtime::client().unwrap()).unwrap()
}

/// A model whose matrices are arrays of numbers.
fn load_dense(path: &Path) -> Model {
    let options = LoadOptions { matrices: Matrices::Dense, ..Default::default() };
    Model::load(raxla_graphs::open(&text(path)).unwrap(), &options, &runtime::client().unwrap()).unwrap()
}

/// The names of the files in a folder.
fn listing(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = dir.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_round_trip_changes_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    for (i, source) in
        ["fixtures/llama_bf16", "fixtures/gpt2_f16", "fixtures/gpt2_hub", "fixtures/mixtral_v4"].iter().enumerate()
    {
        let to = dir.path().join(format!("{i}"));
        let saved = raxla_graphs::convert(&text(tests(source)), &to, &SaveOptions::default()).unwrap();
        assert_equal(&to, &tests(source));
        assert_eq!(saved.files, 1);
        let json =
            |p: PathBuf| serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(p).unwrap()).unwrap();
        assert_eq!(json(to.join("config.json")), json(tests(source).join("config.json")));
        // PyTorch refuses what does not say that it is its
        let file = std::fs::read(to.join("model.safetensors")).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&file).unwrap();
        assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    }
    assert_eq!(listing(dir.path()), ["0", "1", "2", "3"], "nothing temporary is left");
}

#[test]
fn every_format_becomes_the_same_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (shards, dtypes) = (dir.path().join("shards"), dir.path().join("dtypes"));
    raxla_graphs::convert(&text(tests("data/checkpoints/torch_shards")), &shards, &SaveOptions::default()).unwrap();
    assert_equal(&shards, &tests("fixtures/llama_bf16"));

    // a single file, with a configuration beside it
    let beside = dir.path().join("beside");
    std::fs::create_dir(&beside).unwrap();
    std::fs::copy(tests("data/checkpoints/protocol4.bin"), beside.join("pytorch_model.bin")).unwrap();
    std::fs::copy(tests("fixtures/llama_bf16/config.json"), beside.join("config.json")).unwrap();
    raxla_graphs::convert(&text(beside.join("pytorch_model.bin")), &dtypes, &SaveOptions::default()).unwrap();
    assert_equal(&dtypes, &tests("data/checkpoints/protocol4.safetensors"));

    // GGUF: other names, permuted heads, a configuration and a tokenizer in the metadata
    for name in ["llama", "gpt2"] {
        let to = dir.path().join(name);
        let options = SaveOptions { dtype: Some(DType::F16), ..Default::default() };
        raxla_graphs::convert(&text(tests(&format!("data/gguf/{name}.gguf"))), &to, &options).unwrap();
        let (have, want) = (Weights::open(&to).unwrap(), Weights::open(tests(&format!("data/gguf/{name}"))).unwrap());
        for tensor in want.names().filter(|n| have.info(n).is_some()) {
            assert_eq!(have.read(tensor, DType::F16).unwrap(), want.read(tensor, DType::F16).unwrap(), "{tensor}");
        }
        assert!(std::fs::read_to_string(to.join("config.json")).unwrap().contains("\"torch_dtype\": \"float16\""));
        let (before, after) = (load(&tests(&format!("data/gguf/{name}.gguf")), false), load(&to, false));
        let logits = |m: &Model| m.scores(&[3, 5, 7]).unwrap().logits.to_vec::<f32>().unwrap();
        assert_eq!(logits(&before), logits(&after), "{name}");
    }
}

#[test]
fn gguf_files_of_every_family_mean_the_same_as_directories() {
    let dir = tempfile::tempdir().unwrap();
    for entry in tests("data/gguf/families").read_dir().unwrap().flatten() {
        let (from, to) = (entry.path(), dir.path().join(entry.file_name()).with_extension(""));
        raxla_graphs::convert(&text(&from), &to, &SaveOptions::default()).unwrap();
        let logits = |path: &Path| load(path, true).scores(&[3, 5, 7]).unwrap().logits.to_vec::<f32>().unwrap();
        assert_eq!(logits(&from), logits(&to), "{}", from.display());
    }
}

#[test]
fn a_tokenizer_goes_along() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    std::fs::create_dir(&from).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(tests("fixtures/gpt2_plain").join(file), from.join(file)).unwrap();
    }
    for entry in tests("data/tokenizer/gpt2").read_dir().unwrap().flatten() {
        std::fs::copy(entry.path(), from.join(entry.file_name())).unwrap();
    }
    std::fs::write(from.join("generation_config.json"), r#"{"eos_token_id": [1, 2], "temperature": 0.5}"#).unwrap();
    let to = dir.path().join("to");
    raxla_graphs::convert(&text(&from), &to, &SaveOptions::default()).unwrap();
    for file in listing(&from).iter().filter(|f| !f.contains("config.json") && !f.ends_with(".safetensors")) {
        assert_eq!(std::fs::read(from.join(file)).unwrap(), std::fs::read(to.join(file)).unwrap(), "{file}");
    }
    assert!(to.join("tokenizer.json").is_file() && to.join("tokenizer_config.json").is_file());
    let (before, after) = (raxla_graphs::open(&text(&from)).unwrap(), raxla_graphs::open(&text(&to)).unwrap());
    assert_eq!(before.generation, after.generation);
    let encode = |t: &Result<raxla_graphs::tokenizer::Tokenizer, String>| {
        t.as_ref().unwrap().encode("Hello there, 42!", true).unwrap()
    };
    assert_eq!(encode(&before.tokenizer), encode(&after.tokenizer));
}

#[test]
fn of_a_model_that_sees_the_language_model_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, seeing, to) = (tests("fixtures/gemma3_linear"), dir.path().join("seeing"), dir.path().join("to"));
    std::fs::create_dir(&seeing).unwrap();
    let config = std::fs::read_to_string(plain.join("config.json")).unwrap();
    let config = format!(r#"{{"model_type": "gemma3", "text_config": {config}, "vision_config": {{}}}}"#);
    std::fs::write(seeing.join("config.json"), config).unwrap();
    let file = std::fs::read(plain.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let mut views: Vec<_> = tensors.tensors().into_iter().map(|(n, v)| (format!("language_model.{n}"), v)).collect();
    let eye = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap();
    views.push(("vision_tower.w".into(), eye));
    safetensors::serialize_to_file(views, None, &seeing.join("model.safetensors")).unwrap();
    raxla_graphs::convert(&text(&seeing), &to, &SaveOptions::default()).unwrap();
    assert_equal(&to, &plain);
    assert_eq!(raxla_graphs::open(&text(&to)).unwrap().config.model_type, "gemma3_text");
}

#[test]
fn shards_are_as_large_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    let options = SaveOptions { max_shard_size: 10_000, ..Default::default() };
    let saved = raxla_graphs::convert(&text(tests("fixtures/llama_bf16")), &to, &options).unwrap();
    assert!(saved.files > 3);
    assert_equal(&to, &tests("fixtures/llama_bf16"));
    let shards: Vec<String> = listing(&to).into_iter().filter(|n| n.ends_with(".safetensors")).collect();
    assert_eq!(shards.len(), saved.files);
    assert_eq!(shards[0], format!("model-00001-of-{:05}.safetensors", saved.files));
    for shard in &shards {
        assert!(std::fs::metadata(to.join(shard)).unwrap().len() < 12_000, "{shard}");
    }
}

#[test]
fn a_model_is_written_as_it_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let names =
        ["llama_mha_tied", "gpt2_plain", "gpt2_upcast_untied", "mixtral_v4", "gemma2_v4", "qwen3_bias_one_head"];
    let fused = ["phi3_gqa_untied", "phi3_partial_long_tied", "phi3_window", "gptoss_alternating", "gptoss_hub"];
    let latent = ["deepseek2_greedy", "deepseek2_groups", "deepseek3_groups", "deepseek3_plain_q"];
    let more = ["olmo2_gqa_untied", "olmo2_head_dim_tied", "smollm3_list_biases", "smollm3_interval_tied"];
    for (i, name) in names.into_iter().chain(fused).chain(latent).chain(more).enumerate() {
        let from = tests("fixtures").join(name);
        let to = dir.path().join(name);
        // layers one by one, and stacked
        let stored = Weights::open(&from).unwrap();
        let Encoding::Plain(dtype) = stored.info(stored.names().next().unwrap()).unwrap().encoding else { panic!() };
        let options = SaveOptions { dtype: Some(dtype), ..Default::default() };
        load(&from, i % 2 == 0).save(&to, &options).unwrap();
        assert_equal(&to, &from);
        let (before, after) = (load(&from, false), load(&to, false));
        let logits = |m: &Model| m.scores(&[3, 5, 7]).unwrap().logits.to_vec::<f32>().unwrap();
        assert_eq!(logits(&before), logits(&after), "{name}");
    }
}

#[test]
fn changed_parameters_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let model = load_dense(&tests("fixtures/gpt2_upcast_untied"));
    let params = model.spec().params();
    let changed = model.params().leaves().into_iter().map(|a| {
        let values: Vec<f32> = a.to_vec::<f32>().unwrap().iter().map(|x| x * 2.0).collect();
        Array::on(model.client(), a.dims(), &values).unwrap()
    });
    let changed: Vec<Array> = changed.collect();
    let options = SaveOptions { dtype: Some(DType::F64), ..Default::default() };
    raxla_graphs::save(&params, &changed, &model.config, &dir.path().join("doubled"), &options).unwrap();
    let doubled = Weights::open(dir.path().join("doubled")).unwrap();
    let before = Weights::open(tests("fixtures/gpt2_upcast_untied")).unwrap();
    for name in before.names() {
        assert_eq!(doubled.info(name).unwrap().encoding, Encoding::Plain(DType::F64));
        let twice: Vec<f32> = before.read_f32(name).unwrap().iter().map(|x| x * 2.0).collect();
        assert_eq!(doubled.read_f32(name).unwrap(), twice, "{name}");
    }
    // what does not fit
    let to = dir.path().join("wrong");
    let refusal = |params: &[_], values: &[Array]| {
        raxla_graphs::save(params, values, &model.config, &to, &SaveOptions::default()).unwrap_err().to_string()
    };
    assert!(refusal(&params, &changed[1..]).contains("values for"));
    let mut swapped = changed.clone();
    swapped.swap(0, 1);
    assert!(refusal(&params, &swapped).contains("has the shape"));

    let tied = load_dense(&tests("fixtures/llama_mha_tied"));
    let mut values = tied.params().leaves();
    let last = values.pop().unwrap();
    values.push(Array::on(tied.client(), last.dims(), &vec![0f32; last.dims().iter().product()]).unwrap());
    let error = refusal(&tied.spec().params(), &values);
    assert!(error.contains("differ, but a checkpoint stores both as model.embed_tokens.weight"), "{error}");
    assert_eq!(listing(dir.path()), ["doubled"]);
}

#[test]
fn nothing_is_written_over_and_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    let convert = |from: &str| raxla_graphs::convert(&text(tests(from)), &to, &SaveOptions::default());
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("mine"), "x").unwrap();
    let error = convert("fixtures/llama_bf16").unwrap_err().to_string();
    assert!(error.contains("the folder is there and not empty\n  help: name another folder"), "{error}");
    assert_eq!(listing(&to), ["mine"]);
    std::fs::remove_dir_all(&to).unwrap();
    std::fs::write(&to, "x").unwrap();
    assert!(convert("fixtures/llama_bf16").unwrap_err().to_string().contains("is no folder"));
    std::fs::remove_file(&to).unwrap();
    assert!(convert("data/checkpoints/refused/code.bin").is_err());
    assert_eq!(listing(dir.path()), [""; 0]);
    // an empty folder will do, and folders above are made
    std::fs::create_dir(&to).unwrap();
    convert("fixtures/llama_bf16").unwrap();
    let deep = dir.path().join("a/b");
    raxla_graphs::convert(&text(&to), &deep, &SaveOptions::default()).unwrap();
    assert_equal(&deep, &to);
}
