//! `raxla logits`
use crate::{
    Result,
    options::{Global, ModelArgs},
};
use raxla::{Array, DType};
use std::path::PathBuf;

/// Write a model's logits for given tokens
///
/// The file holds f32 `logits` [1, T, V] and, with --hidden-states, `hidden_states.N` [1, T, D], numbered as transformers
/// numbers them: 0 is the embedding, the last one comes after the final norm.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Token ids, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', required = true, num_args = 1)]
    tokens: Vec<u32>,
    /// Also write the residual stream before each layer
    #[arg(long)]
    hidden_states: bool,
    /// The safetensors file to write
    #[arg(long, value_name = "F")]
    out: PathBuf,
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let model = self.model.load(&global.client()?)?;
        let scores = model.scores(&self.tokens)?;
        let mut tensors = vec![("logits".to_string(), scores.logits)];
        if self.hidden_states {
            let states = scores.hidden_states.into_iter().enumerate();
            tensors.extend(states.map(|(i, a)| (format!("hidden_states.{i}"), a)));
        }
        let data = tensors.iter().map(|(n, a)| Ok((n.clone(), a.dims().to_vec(), f32_bytes(a)?)));
        let data = data.collect::<Result<Vec<_>>>()?;
        let views = data.iter().map(|(name, dims, bytes)| {
            Ok((name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, dims.clone(), bytes)?))
        });
        let bytes = safetensors::serialize(views.collect::<Result<Vec<_>>>()?, None)?;
        write_whole(&self.out, &bytes)
    }
}

fn f32_bytes(a: &Array) -> Result<Vec<u8>> {
    if a.dtype() == DType::F32 {
        return Ok(a.to_bytes()?);
    }
    Ok(a.to_host()?.cast(DType::F32).to_bytes())
}

/// Write a file that is there whole or not at all.
fn write_whole(path: &std::path::Path, bytes: &[u8]) -> Result {
    let temporary = path.with_extension(format!("part-{}", std::process::id()));
    let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        format!("{} cannot be written: {e}", path.display()).into()
    })
}
