//! `raxla logits`
use crate::{
    Result, note,
    options::{DeviceArgs, Global, ModelArgs, leave},
    output,
};
use raxla::{Array, DType, distributed};
use safetensors::Dtype;
use std::path::PathBuf;

/// Write a model's logits for given tokens
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// Token ids, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', required = true, num_args = 1, value_parser = token)]
    tokens: Vec<u32>,
    /// Also write the embeddings and what each layer makes of them
    #[arg(long)]
    hidden_states: bool,
    /// The safetensors file to write
    #[arg(long, value_name = "F")]
    out: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    devices: DeviceArgs,
}

const DETAILS: &str = "\
The file holds the i64 `tokens` [1, T], f32 `logits` [1, T, V] and, with --hidden-states, \
`hidden_states.N` [1, T, D], numbered as transformers numbers them: 0 is the embedding, the last one \
comes after the final norm. It is a reference for `raxla verify`.

Example:
  raxla logits --model ./my-llama --tokens 1,3,5,7 --out logits.safetensors";

fn token(id: &str) -> std::result::Result<u32, String> {
    id.trim().parse().map_err(|_| "token ids are whole numbers from 0 on".into())
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        // before what may take minutes
        output::check(&self.out)?;
        let (session, client, mesh) = self.devices.open(global)?;
        let files = self.model.files()?;
        files.check_tokens(&self.tokens)?;
        let model = self.model.load_files(files, mesh, &client)?;
        let scores = model.scores(&self.tokens)?;
        let finite = model.check_finite(&self.tokens, &scores);
        let mut tensors = vec![("logits".to_string(), scores.logits)];
        if self.hidden_states {
            let states = scores.hidden_states.into_iter().enumerate();
            tensors.extend(states.map(|(i, a)| (format!("hidden_states.{i}"), a)));
        }
        let tokens = self.tokens.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect();
        let mut data = vec![("tokens".to_string(), Dtype::I64, vec![1, self.tokens.len()], tokens)];
        for (name, array) in &tensors {
            data.push((name.clone(), Dtype::F32, array.dims().to_vec(), f32_bytes(array)?));
        }
        let views = data.iter().map(|(name, dtype, dims, bytes)| {
            Ok((name, safetensors::tensor::TensorView::new(*dtype, dims.clone(), bytes)?))
        });
        let bytes = safetensors::serialize(views.collect::<Result<Vec<_>>>()?, None)?;
        // (of several processes, all have the same)
        if distributed::process_index() == 0 {
            output::write(&self.out, &bytes)?;
        }
        let told: Vec<String> =
            data.iter().map(|(name, dtype, dims, _)| format!("{name} {dtype:?} {dims:?}")).collect();
        note(format!("{}: {}", self.out.display(), told.join(", ")));
        leave(session)?;
        // (the file shows what they are)
        Ok(finite?)
    }
}

fn f32_bytes(a: &Array) -> Result<Vec<u8>> {
    if a.dtype() == DType::F32 {
        return Ok(a.to_bytes()?);
    }
    Ok(a.to_host()?.cast(DType::F32).to_bytes())
}
