//! Integers of compressed-tensors: what is written, and what is read.

use crate::common::{tests, text};
use raxla::DType;
use raxla_graphs::{Quantization, SaveOptions, weights::Weights};
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
