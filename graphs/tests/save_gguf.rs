//! GGUF files that raxla writes, against the checkpoints they are made of and against llama.cpp's own.

use crate::common::{tests, text};
use raxla::{DType, runtime};
use raxla_graphs::{
    Files, Format, LoadOptions, Model, Quantization, SaveOptions, WeightSource,
    weights::{Encoding, Weights},
};
use std::path::{Path, PathBuf};

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

fn logits(files: Files) -> Vec<f32> {
    let model = Model::load(files, &LoadOptions::default(), &runtime::client().unwrap()).unwrap();
    model.scores(&[3, 1, 4, 1, 5, 9, 2, 6]).unwrap().logits.to_vec::<f32>().unwrap()
}

/// The checkpoints that `families/` has files of, and others that have something of their own.
const CHECKPOINTS: [&str; 18] = [
    "llama_v4", "mistral_head_dim_tied", "mixtral_top2", "qwen2_tied", "qwen3_head_dim", "qwen3moe_top3", "gemma_tied",
    "gemma2_v4", "gemma3_pattern", "gpt2_plain", "gpt2_hub", "llama_gqa_untied", "llama_head_dim_biases", "llama_rope_linear",
    "llama_rope_llama3", "llama_tied_own_head", "gemma3_linear", "qwen3_yarn_v4",
];

#[test]
fn a_written_file_is_read_as_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    for name in CHECKPOINTS {
        let path = dir.path().join(format!("{name}.gguf"));
        if let Err(e) = raxla_graphs::convert(&text(tests("fixtures").join(name)), &path, &gguf(Quantization::F32)) {
            println!("REFUSED {name}: {e}");
            continue;
        }
        let (file, hf) = (open(&path), open(&tests("fixtures").join(name)));
        println!("{name}");
        let furthest = logits(file).iter().zip(&logits(hf)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("   {furthest}");
    }
}
