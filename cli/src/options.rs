//! Options that several commands share.
use crate::Result;
use clap::Args;
use graphs::{
    LoadOptions, Model, Sampling,
    architecture::{Architecture, by_name},
    source,
};
use raxla::{Client, DType, runtime};
use std::{io::Read, path::PathBuf, sync::Arc};

/// Options of every command.
#[derive(Args)]
pub struct Global {
    /// Use this PJRT plugin file instead of the installed one
    #[arg(long, global = true, value_name = "PATH")]
    plugin: Option<PathBuf>,
    /// Where to run: cpu, cuda12, cuda13 or tpu [default: RAXLA_PLATFORM, else cpu]
    #[arg(long, global = true, value_name = "NAME")]
    platform: Option<String>,
    /// Show the plugin's own messages and raxla's log; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Global {
    /// Set up logging, before anything is loaded.
    pub fn start(&self) {
        let level = match self.verbose {
            0 => tracing::Level::WARN,
            1 => tracing::Level::DEBUG,
            _ => tracing::Level::TRACE,
        };
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).without_time().init();
        xla_extension::set_verbose(self.verbose > 0);
    }
    /// The platform's name.
    pub fn platform(&self) -> String {
        self.platform.clone().or_else(|| std::env::var("RAXLA_PLATFORM").ok()).unwrap_or_else(|| "cpu".into())
    }
    /// The plugin named on the command line.
    pub fn plugin(&self) -> Option<&std::path::Path> {
        self.plugin.as_deref()
    }
    /// Load the plugin, installing it if need be.
    pub fn client(&self) -> Result<Client> {
        let options = runtime::Options { platform: self.platform(), plugin: self.plugin.clone(), cpu_devices: None };
        Ok(runtime::client_with(&options)?)
    }
}

/// Which model, and how to hold it.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A directory, a .gguf or .safetensors file, `hf:org/name[@revision]`, or a preset (see `raxla models`)
    #[arg(short, long, default_value = source::DEFAULT_MODEL, value_name = "M")]
    pub model: String,
    /// Dtype of parameters and activations: f32, bf16, f16 or f64
    #[arg(long, value_name = "D", default_value = "f32")]
    dtype: DType,
    /// Scan over stacked layers: compiles faster, decodes slower
    #[arg(long)]
    scan: bool,
}

impl ModelArgs {
    /// Find or fetch the files, and load them.
    pub fn load(&self, client: &Client) -> Result<Model> {
        Ok(Model::load(graphs::open(&self.model)?, &self.options(), client)?)
    }
    /// The architecture and its dtype, without reading the weights.
    pub fn architecture(&self) -> Result<(Arc<dyn Architecture>, DType)> {
        let config = graphs::open(&self.model)?.config;
        let build = by_name(&config)?.build;
        Ok((build(&config, self.scan)?.into(), self.options().dtype()?))
    }
    fn options(&self) -> LoadOptions {
        LoadOptions { dtype: Some(self.dtype), scanned: self.scan, progress: true }
    }
}

/// How to choose tokens.
#[derive(Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Divide logits by this; 0 always takes the most likely token
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    temperature: f32,
    /// Choose among the K most likely tokens; 0: among all
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Choose among the most likely tokens whose probabilities sum to P
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    top_p: f32,
    /// Choose among tokens at least P times as likely as the most likely one
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    min_p: f32,
    /// Divide the logits of tokens that occurred before by R
    #[arg(long, default_value_t = 1.0, value_name = "R")]
    repetition_penalty: f32,
    /// Same seed, same text
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
}
impl SamplingArgs {
    /// As the library's type.
    pub fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
        }
    }
}

/// A prompt from the command line, a file, or standard input.
pub fn prompt(words: Option<&str>, file: Option<&PathBuf>) -> Result<String> {
    let read_all = || -> std::io::Result<String> {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    };
    match (words, file) {
        (Some("-"), None) | (None, None) => {
            Ok(read_all().map_err(|e| format!("the prompt cannot be read from standard input: {e}"))?)
        }
        (Some(words), None) => Ok(words.to_string()),
        (None, Some(path)) if path.as_os_str() == "-" => Ok(read_all()?),
        (None, Some(path)) => Ok(std::fs::read_to_string(path)
            .map_err(|e| format!("the prompt file {} cannot be read: {e}", path.display()))?),
        (Some(_), Some(_)) => Err("give the prompt once: as words or with --prompt-file".into()),
    }
}
