//! `raxla convert`
use crate::{Result, note, options, screen, usage};
use raxla::DType;
use raxla_graphs::{Format, SaveOptions};
use std::{io::Write, path::PathBuf};

/// Write a model as a Hugging Face directory
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// A preset (see `raxla models`), a directory, a .gguf, .safetensors or .bin file, or hf:org/name[@revision]
    src: String,
    /// The directory to write; it must not be there yet, or be empty
    dst: PathBuf,
    /// Format of the weights: model.safetensors, or flax_model.msgpack for the Flax classes of transformers 4
    #[arg(long, value_name = "F", default_value = "safetensors", value_parser = ["safetensors", "flax"])]
    format: String,
    /// Dtype of all floats: f32, bf16, f16 or f64 [default: as they are stored; of a GGUF file's blocks f32, of fp8 and MXFP4
    /// the dtype that config.json names, or bf16]
    #[arg(long, value_name = "D", value_parser = options::float)]
    dtype: Option<DType>,
    /// Begin a new file of weights before one has more bytes than this
    #[arg(long, value_name = "S", default_value = "5GB", value_parser = size)]
    max_shard_size: u64,
}

const DETAILS: &str = "\
DST gets config.json, the weights (in one file, or several with their index) and, where SRC has a \
tokenizer, tokenizer.json and tokenizer_config.json, under Hugging Face's names whatever SRC is; \
transformers loads it. One tensor at a time is in memory. DST appears when it is complete.

Examples:
  raxla convert model.Q4_K_M.gguf my-model --dtype bf16
  raxla convert ./pytorch-model ./safetensors-model --max-shard-size 2GB";

/// `5GB`, `500MB`, `2GiB`, or bytes.
fn size(text: &str) -> std::result::Result<u64, String> {
    raxla::memory::parse(text)
        .ok_or_else(|| "a size is a whole number of bytes, KB, MB, GB, KiB, MiB or GiB, as in 5GB".into())
}

impl Args {
    /// Run the command.
    pub fn run(self) -> Result {
        if self.dst.file_name().is_none() {
            return Err(usage(format!("{} is no name for a new directory", self.dst.display())).into());
        }
        let format = if self.format == "flax" { Format::Flax } else { Format::Safetensors };
        let options = SaveOptions { format, dtype: self.dtype, max_shard_size: self.max_shard_size, progress: true };
        let saved = raxla_graphs::convert(&self.src, &self.dst, &options)?;
        let gigabytes = saved.bytes as f64 / 1e9;
        note(format!("{} tensors, {gigabytes:.3} GB, files of weights: {}", saved.tensors, saved.files));
        writeln!(screen::stdout(), "{}", self.dst.display())?;
        Ok(())
    }
}
