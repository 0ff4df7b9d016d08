//! Writing models: Hugging Face directories, which transformers and raxla load, and GGUF files, which llama.cpp loads too.
//!
//! Tensors pass through one after the other, so that memory does not grow with the model. A directory or file appears under
//! its name when it is complete, and what a process that was killed has left is removed by the next one that writes there.

mod companions;
mod compressed;
mod flax;
mod gguf;
mod linen;
mod orbax;
mod params;
mod regroup;
mod safetensors;
mod tensors;

use crate::{
    Error, Model, Result,
    adapters::{Adapter, Merge},
    config::{GenerationConfig, HfConfig},
    files::{Files, WeightSource},
    hub::HubOptions,
    models::{Decoder, by_name},
    source::Source,
    tokenizer::Tokenizer,
    weights::{Encoding, Weights},
};
pub use gguf::Quantization;
use indicatif::ProgressBar;
use params::FromParams;
use raxla::{Array, DType, Param, Tree};
use raxla_xla::Draft;
pub(crate) use regroup::regrouped;
use std::{fs, io, path::Path};
use tensors::{FromWeights, Tensors};

/// The format of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// model.safetensors, with PyTorch's names.
    #[default]
    Safetensors,
    /// flax_model.msgpack, with those of Linen: what the Flax classes of transformers 4 read (GPT-2, LLaMA, Mistral, Gemma), and
    /// flax.serialization.
    Flax,
    /// An Orbax checkpoint with the names of Linen: the variables `{"params": ...}`.
    Orbax,
    /// An Orbax checkpoint with the names of NNX: the pure dict of an `nnx.State`.
    Nnx,
    /// One .gguf file with the tokenizer in it: what llama.cpp reads. The families whose GGUF files raxla reads.
    Gguf,
}

/// How to write a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveOptions {
    /// The format of the weights.
    pub format: Format,
    /// Dtype of all floats: f32, bf16, f16 or f64. `None` keeps each tensor's own, makes f32 of ggml's blocks, and of fp8 and
    /// MXFP4 with scales what config.json says that the model computes in, or else bf16.
    pub dtype: Option<DType>,
    /// What matrices are stored as. `None`: as [`SaveOptions::dtype`] says, and without one as they are, in a GGUF file also
    /// blocks.
    pub quantize: Option<Quantization>,
    /// Most bytes of a file of weights, unless one tensor alone takes more. (Orbax checkpoints have files of some 2 GiB.)
    pub max_shard_size: u64,
    /// Show a progress bar on stderr.
    pub progress: bool,
}

impl Default for SaveOptions {
    /// The tensors' own dtypes, files of up to 5 GB as transformers makes them, no progress bar.
    fn default() -> SaveOptions {
        SaveOptions {
            format: Format::Safetensors,
            dtype: None,
            quantize: None,
            max_shard_size: 5_000_000_000,
            progress: false,
        }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Number of tensors.
    pub tensors: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files of weights.
    pub files: usize,
}

/// Writes `model` (see [`Source::resolve`]) as a GGUF file `dir`, if that is [`SaveOptions::format`], or as a Hugging Face
/// directory: config.json, model.safetensors or several of them with an index (or the weights as that format says), and what there
/// is of tokenizer.json, tokenizer_config.json and generation_config.json. Names,
/// shapes and, without [`SaveOptions::dtype`], the bits of all values are those that raxla reads.
///
/// ```no_run
/// raxla_graphs::convert("model.Q4_K_M.gguf", "my-model".as_ref(), &Default::default())?;
/// # Ok::<(), raxla_graphs::Error>(())
/// ```
///
/// # Errors
/// A model that cannot be opened; a `dir` that is there and not empty; but for safetensors, weights that are not those of config.json's
/// model; for a GGUF file, a model or tokenizer that the format cannot describe; whatever the system says on writing.
pub fn convert(model: &str, dir: &Path, options: &SaveOptions) -> Result<Saved> {
    convert_with(model, dir, options, None)
}

/// As [`convert`], with an adapter merged into the weights.
pub(crate) fn convert_with(model: &str, dir: &Path, options: &SaveOptions, adapter: Option<Adapter>) -> Result<Saved> {
    check(dir, options)?;
    let mut files = Files::open(&Source::resolve(model, &HubOptions::from_env())?)?;
    let own = || files.adapter.as_ref().map(Adapter::open).transpose();
    let adapter = adapter.map_or_else(own, |adapter| Ok(Some(adapter)))?;
    let WeightSource::Stored(weights) = &mut files.weights else {
        return Err(Error::Usage(format!("{model} has no weights to write")));
    };
    // (adapters are for models with a head)
    if options.format != Format::Safetensors || adapter.is_some() {
        weights.ensure_prefix(by_name(&files.config)?.prefix, |name| name.starts_with("lm_head."));
    }
    if options.format != Format::Safetensors {
        let spec = Decoder::of(&files.config, false)?;
        let ignored = by_name(&files.config)?.ignores(&files.config, spec.layers())?;
        crate::params::check(&spec.params(), weights, &ignored)?;
    }
    let weights = &*weights;
    let merge = adapter.map(|adapter| Merge::new(adapter, weights)).transpose()?;
    let tokenizer = files.tokenizer.as_ref().ok();
    let companions =
        Companions { config: &files.config, generation: &files.generation, tokenizer, dtype: None, quantization: None };
    let saved = match options.format {
        Format::Gguf => to_gguf(weights, merge, dir, &companions, options)?,
        _ => {
            let tensors = FromWeights::new(weights, options.dtype)?.merged(merge);
            // a GGUF file does not say what dtype its configuration means; quantised weights are written as plain floats
            let dtype = options.dtype.or(weights.dequantised()).or(weights.gguf().and_then(|_| tensors.float()));
            write(dir, &tensors, &Companions { dtype, ..companions }, options)?
        }
    };
    if let Err(why) = &files.tokenizer {
        tracing::warn!("written without a tokenizer: {why}");
    }
    Ok(saved)
}

fn to_gguf(
    weights: &Weights,
    merge: Option<Merge>,
    path: &Path,
    companions: &Companions,
    options: &SaveOptions,
) -> Result<Saved> {
    let is_block = |name: &&str| matches!(weights.info(name).map(|i| i.encoding), Some(Encoding::Blocks(_)));
    if let (Some(name), Some(_)) = (weights.names().find(is_block), gguf::quantization(options)?) {
        let file = weights.path().display();
        tracing::warn!("{file} is quantised already ({name}): its errors stay, and others are added");
    }
    let tensors = FromWeights::new(weights, Some(DType::F32))?.merged(merge);
    let source = gguf::Source { tensors: &tensors, companions, metadata: weights.gguf() };
    gguf::write(path, &source, options)
}

/// Writes parameters, in the names and layouts that their specifications give them in checkpoints, with this
/// configuration: what [`convert`] writes, but for the tokenizer.
///
/// ```no_run
/// # use raxla_graphs::{LoadOptions, Model};
/// # use raxla::Tree;
/// # let client = raxla::runtime::client()?;
/// # let model = Model::load(raxla_graphs::open("gpt2")?, &LoadOptions::default(), &client)?;
/// # let trained = model.params();
/// raxla_graphs::save(&model.spec().params(), &trained.leaves(), &model.config, "trained".as_ref(), &Default::default())?;
/// # Ok::<(), raxla_graphs::Error>(())
/// ```
///
/// # Errors
/// Values that do not fit the specifications; a tied parameter (a head) that differs from what it copies; slices that do not
/// make up the tensor they are stored in; and as [`convert`].
pub fn save(
    params: &[(String, Param)],
    values: &[Array],
    config: &HfConfig,
    dir: &Path,
    options: &SaveOptions,
) -> Result<Saved> {
    let generation = GenerationConfig::new(Default::default(), config)?;
    save_with(
        params,
        values,
        Companions { config, generation: &generation, tokenizer: None, dtype: None, quantization: None },
        dir,
        options,
    )
}

/// As [`save`], with a tokenizer and what else generation needs to know.
///
/// # Errors
/// As [`save`].
pub(crate) fn save_beside(
    params: &[(String, Param)],
    values: &[Array],
    (config, generation, tokenizer): (&HfConfig, &GenerationConfig, Option<&Tokenizer>),
    dir: &Path,
    options: &SaveOptions,
) -> Result<Saved> {
    let companions = Companions { config, generation, tokenizer, dtype: None, quantization: None };
    save_with(params, values, companions, dir, options)
}

fn save_with(
    params: &[(String, Param)],
    values: &[Array],
    companions: Companions,
    dir: &Path,
    options: &SaveOptions,
) -> Result<Saved> {
    check(dir, options)?;
    if options.format == Format::Gguf {
        let tensors = FromParams::new(params, values, Some(DType::F32))?;
        let source = gguf::Source { tensors: &tensors, companions: &companions, metadata: None };
        return gguf::write(dir, &source, options);
    }
    let tensors = FromParams::new(params, values, options.dtype)?;
    let dtype = tensors.float();
    write(dir, &tensors, &Companions { dtype, ..companions }, options)
}

impl Model {
    /// Writes the model as a Hugging Face directory, tokenizer included: see [`convert`].
    ///
    /// # Errors
    /// See [`save`].
    pub fn save(&self, dir: impl AsRef<Path>, options: &SaveOptions) -> Result<Saved> {
        if self.spec().paths().iter().any(|path| path.contains(".lora.")) {
            let help = "`adapters::convert` (`raxla convert --adapter`) writes the model with its adapter merged";
            return Err(Error::Usage(format!(
                "the model computes with an adapter, which it has beside it\n  help: {help}"
            )));
        }
        let tokenizer = self.tokenizer().ok();
        let companions = Companions {
            config: &self.config,
            generation: &self.generation,
            tokenizer,
            dtype: None,
            quantization: None,
        };
        save_with(&self.spec().params(), &self.params().leaves(), companions, dir.as_ref(), options)
    }
}

/// What lies beside the weights.
#[derive(Clone)]
struct Companions<'a> {
    config: &'a HfConfig,
    generation: &'a GenerationConfig,
    tokenizer: Option<&'a Tokenizer>,
    /// What config.json is to say that the weights are; as it is if `None`.
    dtype: Option<DType>,
    /// `quantization_config`; plain floats if `None`.
    quantization: Option<serde_json::Value>,
}

/// Writes parameters and a JSON file as a folder of these two files, with a tokenizer's beside them.
pub(crate) fn adapter(
    dir: &Path,
    (config, value): (&str, &serde_json::Value),
    weights: &str,
    params: &[(String, Param)],
    values: &[Array],
    tokenizer: Option<&Tokenizer>,
) -> Result<()> {
    check(dir, &SaveOptions::default())?;
    let tensors = FromParams::new(params, values, None)?;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(|e| unwritable(dir, e))?;
    }
    let draft = Draft::folder(dir).map_err(|e| unwritable(dir, e))?;
    companions::json(&draft.path().join(config), value)?;
    let all = 0..tensors.entries().len();
    safetensors::one(&draft.path().join(weights), &tensors, all, &ProgressBar::hidden())?;
    tokenizer.map_or(Ok(()), |tokenizer| companions::tokenizer(draft.path(), tokenizer))?;
    let _ = fs::remove_dir(dir);
    draft.publish().map_err(|e| unwritable(dir, e))
}

fn write(dir: &Path, tensors: &dyn Tensors, companions: &Companions, options: &SaveOptions) -> Result<Saved> {
    let packed = options.quantize.and_then(Quantization::packed);
    let packed = packed.map(|bits| compressed::Compressed::new(tensors, bits)).transpose()?;
    let quantization = packed.as_ref().map(compressed::Compressed::config);
    let companions = &Companions { quantization, ..companions.clone() };
    let tensors = packed.as_ref().map_or(tensors, |packed| packed as &dyn Tensors);
    let entries = tensors.entries();
    let bytes = entries.iter().map(|e| e.bytes() as u64).sum();
    let bar = crate::params::bar(options.progress, "writing weights", bytes);
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(|e| unwritable(dir, e))?;
    }
    let draft = Draft::folder(dir).map_err(|e| unwritable(dir, e))?;
    // (errors name a file by where it was to be in the end)
    let named = |error| match error {
        Error::Save { path, reason } => {
            let path = path.strip_prefix(draft.path()).map(|file| dir.join(file)).unwrap_or(path);
            Error::Save { path, reason }
        }
        other => other,
    };
    companions.write(draft.path()).map_err(named)?;
    let limit = options.max_shard_size;
    let (to, config) = (draft.path(), companions.config);
    let files = match options.format {
        Format::Flax => flax::write(to, tensors, config, limit, &bar),
        Format::Orbax => orbax::write(to, tensors, config, Some(orbax::COLLECTION), &bar),
        Format::Nnx => orbax::write(to, tensors, config, None, &bar),
        Format::Safetensors | Format::Gguf => safetensors::write(to, tensors, limit, &bar),
    };
    let files = files.map_err(named)?;
    // an empty folder makes room; anything that came meanwhile stays, and publishing fails
    let _ = fs::remove_dir(dir);
    draft.publish().map_err(|e| unwritable(dir, e))?;
    bar.finish_and_clear();
    Ok(Saved { tensors: entries.len(), bytes, files })
}

/// Do the options fit together, and is the place free? Nothing is ever written over.
fn check(dir: &Path, options: &SaveOptions) -> Result<()> {
    let kind = if options.format == Format::Gguf { "file" } else { "folder" };
    let taken = |what: &str| {
        let reason = format!("{what}\n  help: name another {kind}, or remove this one first");
        Err(Error::Save { path: dir.to_path_buf(), reason })
    };
    if options.format == Format::Gguf {
        gguf::quantization(options)?;
        return if dir.exists() { taken("there is something of that name") } else { Ok(()) };
    }
    if let Some(name) =
        options.quantize.filter(|q| options.format != Format::Safetensors || q.packed().is_none()).map(|q| q.name())
    {
        let help = "write a .gguf file, or int8 or int4 as safetensors";
        return Err(Error::Usage(format!("{name} is no way to store matrices in this format\n  help: {help}")));
    }
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => taken("the folder is there and not empty"),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => taken("there is something of that name that is no folder"),
    }
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::StorageFull => "free some space, or write to another disk",
        io::ErrorKind::FileTooLarge => "allow larger files (`ulimit -f`), or write smaller ones (`--max-shard-size`)",
        _ => "give another place",
    };
    Error::Save { path: path.to_path_buf(), reason: format!("{error}\n  help: {help}") }
}

/// Writes one tensor after the other, by their numbers.
fn stream(
    tensors: &dyn Tensors,
    order: &[usize],
    bar: &ProgressBar,
    mut write: impl FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut memory = vec![];
    for i in order {
        memory.resize(tensors.entries()[*i].bytes(), 0);
        tensors.read(*i, &mut memory)?;
        write(*i, &memory)?;
        bar.inc(memory.len() as u64);
    }
    Ok(())
}
