//! `raxla convert`
use crate::{Result, note, options, screen, usage};
use raxla::DType;
use raxla_graphs::{Format, Quantization, SaveOptions};
use std::{io::Write, path::PathBuf};

/// Write a model as a Hugging Face directory or a GGUF file
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// A preset (see `raxla models`), a directory, a .gguf, .safetensors or .bin file, or hf:org/name[@revision]
    src: String,
    /// The directory or .gguf file to write; it must not be there yet, or be an empty directory
    dst: PathBuf,
    /// Format of the weights: safetensors; flax (flax_model.msgpack) for the Flax classes of transformers 4; orbax or nnx, an
    /// Orbax checkpoint for Flax's Linen or NNX; gguf, one file with the tokenizer in it, for llama.cpp [default: gguf where DST
    /// ends in .gguf, else safetensors]
    #[arg(long, value_name = "F", value_parser = ["safetensors", "flax", "orbax", "nnx", "gguf"])]
    format: Option<String>,
    /// What matrices are stored as: in a GGUF file q8_0, q4_k_m, q6_k, ... by llama.cpp's names, in safetensors int8 or int4
    /// [default: as they are]
    #[arg(long, value_name = "Q", value_parser = quantization)]
    quantize: Option<Quantization>,
    /// Merge this adapter, a folder as PEFT writes it, into the model that is written
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Dtype of all floats: f32, bf16, f16 or f64 [default: as they are stored; of a GGUF file's blocks f32, of fp8 and MXFP4
    /// the dtype that config.json names, or bf16]
    #[arg(long, value_name = "D", value_parser = options::float)]
    dtype: Option<DType>,
    /// Begin a new file of weights before one has more bytes than this (not in an Orbax checkpoint)
    #[arg(long, value_name = "S", default_value = "5GB", value_parser = size)]
    max_shard_size: u64,
}

const DETAILS: &str = "\
DST gets config.json, the weights (in one file, or several with their index) and, where SRC has a \
tokenizer, tokenizer.json and tokenizer_config.json, under Hugging Face's names whatever SRC is; \
transformers loads it. One tensor at a time is in memory. DST appears when it is complete.

For Flax, modules are called as in Hugging Face's names, and their parameters kernel, embedding, scale \
and bias, as of Flax's own layers; docs/flax.md has all rules. orbax writes the variables {\"params\": ..} \
of a Linen module, nnx the pure dict of an nnx.State: the files of the checkpoint lie in DST, for \
orbax.checkpoint. All of them are read back with --model DST.

A GGUF file is written for llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma, gemma2, gemma3_text \
and gpt2, and holds the tokenizer as well. --quantize takes f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, \
q5_1, iq4_nl, iq4_xs, q2_k, q3_k_s, q3_k_m, q3_k_l, q4_k_s, q4_k_m, q5_k_s, q5_k_m and q6_k: the \
tensors that llama-quantize writes, bit for bit (without an importance matrix). Quantise the original \
weights: what a quantised file has lost does not come back. As safetensors, int8 and int4 are those of \
compressed-tensors (pack-quantized, without calibration), for transformers and vLLM.

Examples:
  raxla convert model.Q4_K_M.gguf my-model --dtype bf16
  raxla convert ./pytorch-model ./safetensors-model --max-shard-size 2GB
  raxla convert qwen3-0.6b qwen3-nnx --format nnx
  raxla convert hf:HuggingFaceTB/SmolLM2-360M-Instruct smollm2.gguf --quantize q4_k_m";

fn quantization(text: &str) -> std::result::Result<Quantization, String> {
    text.parse()
}

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
        let is_gguf = self.dst.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
        let format = match self.format.as_deref() {
            Some("flax") => Format::Flax,
            Some("orbax") => Format::Orbax,
            Some("nnx") => Format::Nnx,
            Some("gguf") => Format::Gguf,
            None if is_gguf => Format::Gguf,
            _ => Format::Safetensors,
        };
        let (dtype, quantize, max_shard_size) = (self.dtype, self.quantize, self.max_shard_size);
        let options = SaveOptions { format, dtype, quantize, max_shard_size, progress: true };
        let saved = match &self.adapter {
            Some(adapter) => raxla_graphs::adapters::convert(&self.src, adapter, &self.dst, &options)?,
            None => raxla_graphs::convert(&self.src, &self.dst, &options)?,
        };
        let gigabytes = saved.bytes as f64 / 1e9;
        note(format!("{} tensors, {gigabytes:.3} GB, files of weights: {}", saved.tensors, saved.files));
        writeln!(screen::stdout(), "{}", self.dst.display())?;
        Ok(())
    }
}
