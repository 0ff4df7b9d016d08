//! `raxla logits`
use crate::{
    Result, note,
    options::{DeviceArgs, Global, ModelArgs, leave},
};
use raxla::{Array, DType, distributed};
use raxla_xla::Draft;
use safetensors::Dtype;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

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
        check_writable(&self.out)?;
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
            write_whole(&self.out, &bytes)?;
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

/// Whether it is something else than a file, such as a pipe: that is written directly.
fn is_other(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| !m.is_file())
}

fn check_writable(path: &Path) -> Result {
    let tried = match is_other(path) {
        true => File::options().write(true).open(path).map(drop),
        false => Draft::file(path).map(drop),
    };
    tried.map_err(|e| unwritable(path, &e))
}

/// Write a file that is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result {
    let written = if is_other(path) { fs::write(path, bytes) } else { Draft::write(path, bytes) };
    written.map_err(|e| unwritable(path, &e))
}

fn unwritable(path: &Path, error: &io::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "make the directory first",
        io::ErrorKind::StorageFull => "free some space, or write to another disk",
        _ => "give another place to --out",
    };
    format!("{} cannot be written: {error}\n  help: {remedy}", path.display()).into()
}
