//! Writes any checkpoint that raxla reads as a Hugging Face directory with f32 weights, for other programs to compare
//! with.
//!
//! `cargo run --release -p graphs --example to_hf -- CHECKPOINT DIRECTORY`

use graphs::config::HfConfig;
use graphs::tokenizer::Tokenizer;
use graphs::weights::Weights;
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [checkpoint, directory] = args.as_slice() else { return Err("usage: to_hf CHECKPOINT DIRECTORY".into()) };
    let directory = Path::new(directory);
    std::fs::create_dir_all(directory)?;
    let weights = Weights::open(checkpoint)?;
    let (config, tokenizer) = match weights.gguf() {
        Some(_) => (HfConfig::from_gguf(&weights)?, Tokenizer::from_gguf(&weights)?),
        None => (HfConfig::load(Path::new(checkpoint))?, Tokenizer::from_dir(Path::new(checkpoint))?),
    };
    std::fs::write(directory.join("tokenizer.json"), tokenizer.to_json()?)?;
    std::fs::write(directory.join("config.json"), serde_json::to_string_pretty(&config.raw)?)?;
    let start = std::time::Instant::now();
    let mut values = Vec::new();
    for name in weights.names() {
        values.push((name, weights.read_f32(name)?));
    }
    eprintln!("read {} tensors in {:.3} s", values.len(), start.elapsed().as_secs_f64());
    let views = values.iter().map(|(name, v)| {
        let dims = weights.info(name).map(|i| i.dims.to_vec()).unwrap_or_default();
        TensorView::new(Dtype::F32, dims, bytemuck::cast_slice(v)).map(|view| (name, view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    safetensors::serialize_to_file(views, None, &directory.join("model.safetensors"))?;
    Ok(())
}
