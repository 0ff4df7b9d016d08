//! GGUF files that raxla writes, against the checkpoints they are made of and against files made by the rules of llama.cpp's converter.

use crate::common::{quick, tests, text};
use raxla::{DType, runtime};
use raxla_graphs::{
    Files, Format, LoadOptions, Model, Quantization, SaveOptions, WeightSource,
    tokenizer::Tokenizer,
    weights::{Encoding, Weights, gguf::Metadata},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

fn gguf(quantize: impl Into<Option<Quantization>>) -> SaveOptions {
    SaveOptions { format: Format::Gguf, quantize: quantize.into(), ..Default::default() }
}

fn open(path: &Path) -> Files {
    raxla_graphs::open(&text(path)).unwrap()
}

fn weights(files: &Files) -> &Weights {
    match &files.weights {
        WeightSource::Stored(weights) => weights,
        WeightSource::Random(_) => panic!("they are stored"),
    }
}

fn metadata(files: &Files) -> &Metadata {
    weights(files).gguf().unwrap()
}

/// A copy of a checkpoint of `fixtures`. What no GGUF file can say of a Gemma's attention is what llama.cpp takes for it.
fn checkpoint(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = tests("fixtures").join(name);
    for file in from.read_dir().unwrap().flatten().filter(|f| f.file_name() != "reference.safetensors") {
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let path = dir.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    if config.get("query_pre_attn_scalar").is_some() {
        config["query_pre_attn_scalar"] = config["head_dim"].clone();
    }
    fs::write(path, config.to_string()).unwrap();
    dir
}

#[test]
fn files_are_those_of_llama_cpps_converter() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<PathBuf> = tests("data/gguf/families").read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(all.len(), 9);
    for theirs in all {
        let (from, ours) =
            (checkpoint(theirs.file_stem().unwrap().to_str().unwrap()), dir.path().join(theirs.file_name().unwrap()));
        raxla_graphs::convert(&text(from.path()), &ours, &gguf(Quantization::F16)).unwrap();
        let (theirs, ours) = (open(&theirs), open(&ours));
        for (key, value) in metadata(&theirs).iter() {
            assert_eq!(metadata(&ours).get(key), Some(value), "{key}");
        }
        let (theirs, ours) = (weights(&theirs), weights(&ours));
        assert_eq!(theirs.names().collect::<Vec<_>>(), ours.names().collect::<Vec<_>>());
        for name in theirs.names() {
            // (routers stay f32, which the maker of the files does not know)
            let router = name.ends_with("gate.weight");
            assert!(router || theirs.info(name) == ours.info(name), "{name}: {:?}", ours.info(name));
            assert!(theirs.read(name, DType::F16).unwrap() == ours.read(name, DType::F16).unwrap(), "{name}");
        }
    }
}

#[test]
fn every_checkpoint_is_read_as_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "gpt2_plain",
        "gpt2_hub",
        "llama_gqa_untied",
        "llama_head_dim_biases",
        "llama_rope_linear",
        "llama_rope_llama3",
        "llama_tied_own_head",
        "mixtral_v4",
        "qwen3_yarn_v4",
    ] {
        let (from, path) = (checkpoint(name), dir.path().join(format!("{name}.gguf")));
        let saved = raxla_graphs::convert(&text(from.path()), &path, &gguf(Quantization::F32)).unwrap();
        assert_eq!(saved.files, 1);
        let (file, mut hf) = (open(&path), open(from.path()));
        if let WeightSource::Stored(weights) = &mut hf.weights {
            let bare = file.config.model_type == "gpt2";
            weights.ensure_prefix("transformer.", |name| !bare || name.starts_with("lm_head"));
        }
        for tensor in weights(&file).names() {
            let values = |files: &Files| weights(files).read(tensor, DType::F32).unwrap();
            assert!(values(&file) == values(&hf), "{name}: {tensor}");
        }
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 9, "nothing temporary is left");
}

/// A model of random weights whose rows are whole blocks of any format, with the tokenizer of a folder.
fn wide(tokenizer: &Path, vocab: usize) -> Model {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({ "model_type": "llama", "vocab_size": vocab, "hidden_size": 256, "intermediate_size": 256,
        "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5 });
    for file in tokenizer.read_dir().unwrap().flatten() {
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let files = raxla_graphs::open_random(&text(dir.path()), 1).unwrap();
    let options = LoadOptions { compile: quick(), ..Default::default() };
    Model::load(files, &options, &runtime::client().unwrap()).unwrap()
}

#[test]
fn a_quantised_model_has_the_blocks_of_its_values() {
    let (model, dir) = (wide(&tests("data/tokenizer/bpe"), 400), tempfile::tempdir().unwrap());
    let save = |quantize: Quantization| {
        let path = dir.path().join(format!("{}.gguf", quantize.name()));
        model.save(&path, &gguf(quantize)).unwrap();
        open(&path)
    };
    let original = save(Quantization::F32);
    for name in ["f16", "bf16", "q8_0", "q4_0", "q5_1", "q4_k_m", "q6_k"] {
        let quantize: Quantization = name.parse().unwrap();
        let made = save(quantize);
        let mut blocks = 0;
        for tensor in weights(&original).names() {
            let (before, after) =
                (weights(&original).read_f32(tensor).unwrap(), weights(&made).read_f32(tensor).unwrap());
            // (a permutation of rows moves whole blocks)
            let wanted = match weights(&made).info(tensor).unwrap().encoding {
                Encoding::Blocks(block) => {
                    let mut bytes = vec![0; before.len() / block.values() * block.bytes()];
                    block.encode(&before, &mut bytes);
                    let mut values = vec![0.0; before.len()];
                    block.decode(&bytes, &mut values);
                    blocks += 1;
                    values
                }
                Encoding::Plain(DType::F32) => before,
                Encoding::Plain(DType::F16) => before.iter().map(|v| half::f16::from_f32(*v).to_f32()).collect(),
                _ => before.iter().map(|v| half::bf16::from_f32(*v).to_f32()).collect(),
            };
            assert!(after == wanted, "{name}: {tensor}");
        }
        assert_eq!(blocks, if name.contains('q') { 9 } else { 0 }, "{name}");
    }
}

#[test]
fn a_gguf_file_stays_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    wide(&tests("data/tokenizer/bpe"), 400).save(&path, &gguf(Quantization::Q4_K_M)).unwrap();
    for from in [tests("data/gguf/families/gemma2_windows.gguf"), path.clone()] {
        let to = dir.path().join("again.gguf");
        raxla_graphs::convert(&text(&from), &to, &gguf(None)).unwrap();
        let (before, after) = (open(&from), open(&to));
        for (key, value) in metadata(&before).iter() {
            assert_eq!(metadata(&after).get(key), Some(value), "{key}");
        }
        for name in weights(&before).names() {
            assert_eq!(weights(&before).info(name), weights(&after).info(name), "{name}");
            let values = |files: &Files| weights(files).read(name, DType::F64).unwrap();
            assert!(values(&before) == values(&after), "{name}");
        }
        fs::remove_file(to).unwrap();
    }
}

fn texts() -> Vec<String> {
    let all: Value = serde_json::from_str(&fs::read_to_string(tests("data/tokenizer/texts.json")).unwrap()).unwrap();
    let all = all.as_array().cloned().unwrap_or_else(|| all["texts"].as_array().unwrap().clone());
    all.iter().filter_map(|t| t.as_str().or_else(|| t["text"].as_str())).map(str::to_string).collect()
}

#[test]
fn tokenizers_go_along() {
    let dir = tempfile::tempdir().unwrap();
    // SentencePiece's, as tokenizer.json has it: without scores
    let spm = dir.path().join("spm");
    let stored = Weights::open(tests("data/tokenizer/spm.gguf")).unwrap();
    let tokenizer = Tokenizer::from_gguf(&stored).unwrap();
    fs::create_dir(&spm).unwrap();
    for (name, content) in tokenizer.files().unwrap() {
        fs::write(spm.join(name), content).unwrap();
    }
    for (i, folder) in [tests("data/tokenizer/bpe"), tests("data/tokenizer/gpt2"), spm].into_iter().enumerate() {
        let before = Tokenizer::from_dir(&folder).unwrap();
        let rows = before.vocab_size() + 3;
        let path = dir.path().join(format!("{i}.gguf"));
        wide(&folder, rows).save(&path, &gguf(Quantization::Q8_0)).unwrap();
        let after = open(&path).tokenizer.unwrap();
        assert_eq!((before.bos, before.eos.first()), (after.bos, after.eos.first()), "{}", folder.display());
        assert_eq!(before.chat_template, after.chat_template);
        assert!(texts().len() > 5);
        for text in texts() {
            let ids = before.encode(&text, true).unwrap();
            assert_eq!(ids, after.encode(&text, true).unwrap(), "{}: {text:?}", folder.display());
            assert_eq!(before.decode(&ids, true).unwrap(), after.decode(&ids, true).unwrap(), "{text:?}");
        }
    }
}

#[track_caller]
fn refused(from: &Path, to: &Path, options: &SaveOptions, wanted: &str) {
    let error = raxla_graphs::convert(&text(from), to, options).unwrap_err().to_string();
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn what_a_gguf_file_cannot_say_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("x.gguf");
    let fixture = |name: &str| tests("fixtures").join(name);
    let q8 = gguf(Quantization::Q8_0);
    refused(&fixture("olmo2_v4"), &to, &q8, "does not write GGUF files of `olmo2`\n  help: it writes llama, mixtral");
    let cannot = "of the architecture gemma2 cannot say all that this configuration means: it has `soft_cap: None,`";
    refused(&fixture("gemma2_v4"), &to, &q8, cannot);
    refused(&fixture("gemma_untied_gelu"), &to, &q8, "a head of its own\n  help: write it as safetensors");
    let both = SaveOptions { dtype: Some(DType::F16), ..q8.clone() };
    refused(&fixture("llama_bf16"), &to, &both, "matrices are to be q8_0, but also f16");
    let wide = SaveOptions { dtype: Some(DType::F64), ..gguf(None) };
    refused(&fixture("llama_bf16"), &to, &wide, "not written as f64\n  help: give f32, f16 or bf16");
    let plain = SaveOptions { quantize: Some(Quantization::Q8_0), ..Default::default() };
    refused(&fixture("llama_bf16"), &to, &plain, "q8_0 is no way to store matrices in this format");
    assert!(dir.path().read_dir().unwrap().next().is_none(), "nothing is left");
    fs::write(&to, "mine").unwrap();
    refused(&fixture("llama_bf16"), &to, &q8, "something of that name\n  help: name another file");
    assert_eq!(fs::read_to_string(to).unwrap(), "mine");
}
