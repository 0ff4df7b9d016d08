//! Integers of compressed-tensors: what is written, and what is read.

use crate::common::{tests, text};
use raxla::{DType, Tree, prim::Format};
use raxla_graphs::{LoadOptions, Matrices, Model, Quantization, SaveOptions, weights::Weights};
use serde_json::Value;
use std::{fs, path::Path};

/// A checkpoint as integers.
fn converted(to: &Path, quantize: Quantization) {
    let options = SaveOptions { quantize: Some(quantize), ..Default::default() };
    raxla_graphs::convert(&text(tests("fixtures/llama_mha_tied")), to, &options).unwrap();
}

fn config(dir: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("config.json")).unwrap()).unwrap()
}

#[test]
fn integers_are_within_half_a_step() {
    let dir = tempfile::tempdir().unwrap();
    let original = Weights::open(tests("fixtures/llama_mha_tied")).unwrap();
    for (quantize, half) in [(Quantization::Int8, 127.5), (Quantization::Int4, 7.5)] {
        let to = dir.path().join(quantize.name());
        converted(&to, quantize);
        let stored = Weights::open(&to).unwrap();
        let name = "model.layers.0.mlp.up_proj.weight";
        assert!(stored.info(name).is_none() && stored.info(&format!("{name}_packed")).is_some());
        let files = raxla_graphs::open(&text(&to)).unwrap();
        let raxla_graphs::WeightSource::Stored(weights) = &files.weights else { panic!("they are stored") };
        assert!(weights.names().eq(original.names()));
        for name in original.names() {
            let (a, b) = (original.read_f32(name).unwrap(), weights.read_f32(name).unwrap());
            let columns = original.info(name).unwrap().dims[original.info(name).unwrap().dims.len() - 1];
            for (a, b) in a.chunks(columns).zip(b.chunks(columns)) {
                let most = a.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                // (the largest positive value is half a step beyond the largest integer)
                let step = if name.ends_with("_proj.weight") { most / half * 0.501 } else { 0.0 };
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= step), "{name}");
            }
        }
        assert_eq!(config(&to)["quantization_config"]["format"], "pack-quantized");
        // and as floats again
        let floats = dir.path().join(format!("{}_floats", quantize.name()));
        raxla_graphs::convert(&text(&to), &floats, &SaveOptions { dtype: Some(DType::F32), ..Default::default() })
            .unwrap();
        assert!(config(&floats).get("quantization_config").is_none());
        let floats = Weights::open(&floats).unwrap();
        for name in original.names() {
            assert_eq!(floats.read_f32(name).unwrap(), weights.read_f32(name).unwrap(), "{name}");
        }
    }
}

/// A checkpoint that was written with another `config_groups` entry.
#[track_caller]
fn refused(change: impl Fn(&mut Value), wanted: &str) {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("model");
    converted(&to, Quantization::Int4);
    let mut config = config(&to);
    change(&mut config["quantization_config"]);
    fs::write(to.join("config.json"), config.to_string()).unwrap();
    let error = raxla_graphs::open(&text(&to)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn what_cannot_be_read_is_named() {
    refused(
        |q| q["format"] = "float-quantized".into(),
        "compressed-tensors holds as `float-quantized`\n  help: take the original",
    );
    refused(|q| q["config_groups"]["group_0"]["weights"]["symmetric"] = false.into(), "`pack-quantized` with {");
    refused(|q| q["config_groups"]["group_0"]["weights"]["num_bits"] = 3.into(), "\"num_bits\":3");
    refused(|q| q["config_groups"]["group_0"]["weights"]["num_bits"] = 8.into(), "integers of 8 bits");
    refused(|q| q["config_groups"] = serde_json::json!({}), "says of no weights how they are quantised");
}

#[test]
fn what_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, wanted) in [("gpt2_plain", "c_attn.weight"), ("mixtral_top2", "block_sparse_moe.experts.0.w1.weight")] {
        let options = SaveOptions { quantize: Some(Quantization::Int8), ..Default::default() };
        let error = raxla_graphs::convert(&text(tests("fixtures").join(name)), &dir.path().join("x"), &options);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains(wanted) && error.contains("that all readers know\n  help: write a GGUF file"),
            "{error}"
        );
    }
}

/// A Llama whose rows are whole blocks of 32, with weights like random ones.
fn wide_llama(dir: &Path) {
    let config = serde_json::json!({ "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 50, "max_position_embeddings": 64,
        "tie_word_embeddings": true });
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let mut tensors =
        vec![("model.embed_tokens.weight".to_string(), vec![50, 64]), ("model.norm.weight".into(), vec![64])];
    for layer in 0..2 {
        let matrices = [
            ("self_attn.q", 64, 64),
            ("self_attn.k", 32, 64),
            ("self_attn.v", 32, 64),
            ("self_attn.o", 64, 64),
            ("mlp.gate", 128, 64),
        ];
        for (name, rows, columns) in matrices.into_iter().chain([("mlp.up", 128, 64), ("mlp.down", 64, 128)]) {
            tensors.push((format!("model.layers.{layer}.{name}_proj.weight"), vec![rows, columns]));
        }
        for norm in ["input", "post_attention"] {
            tensors.push((format!("model.layers.{layer}.{norm}_layernorm.weight"), vec![64]));
        }
    }
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let tensors: Vec<_> = tensors
        .into_iter()
        .map(|(name, dims)| {
            let n: usize = dims.iter().product();
            let bytes: Vec<u8> = (0..n).flat_map(|_| (next() * 0.3).to_le_bytes()).collect();
            (name, dims, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, dims, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, dims.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
}

#[test]
fn integers_are_multiplied_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    wide_llama(dir.path());
    let client = raxla::runtime::client().unwrap();
    let logits = |model: &Path, options: LoadOptions, wanted: Option<Format>| {
        let model = Model::load(raxla_graphs::open(&text(model)).unwrap(), &options, &client).unwrap();
        let formats: Vec<Format> =
            model.spec().leaves().iter().filter_map(|p| Some(p.packing.as_ref()?.format)).collect();
        // (all but the embedding, which compressed-tensors leaves as it is)
        let of_layers = formats.iter().filter(|f| Some(**f) == wanted).count();
        assert!(wanted.is_none_or(|_| of_layers >= 14), "{formats:?}");
        model.scores(&[3, 1, 4, 1, 5]).unwrap().logits.to_vec::<f32>().unwrap()
    };
    let off = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let dense = || LoadOptions { matrices: Matrices::Dense, ..Default::default() };
    let original = logits(dir.path(), dense(), None);
    for (quantize, format) in [(Quantization::Int8, Format::INT8), (Quantization::Int4, Format::INT4)] {
        let to = dir.path().join(quantize.name());
        let options = SaveOptions { quantize: Some(quantize), ..Default::default() };
        raxla_graphs::convert(&text(dir.path()), &to, &options).unwrap();
        let (packed, floats) = (logits(&to, LoadOptions::default(), Some(format)), logits(&to, dense(), None));
        assert!(
            off(&packed, &floats) < 2e-5 && off(&floats, &original) > 1e-3,
            "{format:?}: {}",
            off(&packed, &floats)
        );
        // and quantised while loading: the embedding too
        let loading = logits(dir.path(), LoadOptions { quantize: Some(format), ..Default::default() }, Some(format));
        let step = if format == Format::INT8 { 0.2 } else { 3.0 };
        assert!(off(&loading, &original) < step && off(&loading, &original) > 1e-3, "{}", off(&loading, &original));
    }
}
