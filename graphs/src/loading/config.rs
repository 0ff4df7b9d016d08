//! A model's configuration: Hugging Face's config.json, or the same made from the metadata of a GGUF file.

mod fields;
mod from_gguf;
mod rope;

pub(crate) use fields::unread;
pub(crate) use rope::DIVISORS;
pub use rope::{Rope, RopeScaling};

use crate::weights::{ADAPTER, LFS_POINTER, Weights, adapter, is_lfs_pointer};
use crate::{LoadError, error::with_help};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A configuration. Which keys matter is the model's affair: it reads them with the getters, whose errors name the key.
#[derive(Clone, Debug, PartialEq)]
pub struct HfConfig {
    /// `model_type`: `llama`, `gpt2`, ...
    pub model_type: String,
    /// `architectures`: `["LlamaForCausalLM"]`; empty if absent.
    pub architectures: Vec<String>,
    /// The whole configuration.
    pub raw: Map<String, Value>,
    /// What errors call it: `config.json`, or the name of the GGUF file.
    origin: String,
    /// Which fields were read.
    asked: fields::Asked,
    /// What a GGUF file calls the fields; empty of a config.json.
    words: Arc<BTreeMap<&'static str, String>>,
    /// Of a model that also sees, the fields beside the language model's.
    outside: Map<String, Value>,
}

impl HfConfig {
    /// Reads `config.json` in `dir`.
    pub fn load(dir: &Path) -> Result<HfConfig, LoadError> {
        let path = dir.join("config.json");
        let text = raxla_xla::read_text(&path, 1 << 30).map_err(|e| match dir.join(ADAPTER).is_file() {
            true => LoadError::format(dir, adapter(dir)),
            false => LoadError::io(&path, e),
        })?;
        if is_lfs_pointer(text.as_bytes()) {
            return Err(LoadError::format(path, LFS_POINTER));
        }
        HfConfig::parse(&text, &path.display().to_string())?.language_model()
    }

    /// Of a model that also sees, the language model's part.
    fn language_model(self) -> Result<HfConfig, LoadError> {
        let Some(mut text) = self.section("text_config")? else { return Ok(self) };
        for key in ["bos_token_id", "eos_token_id", "quantization_config", "tie_word_embeddings"] {
            if let (None, Some(id)) = (text.get(key), self.get(key)) {
                text.raw.insert(key.to_string(), id.clone());
            }
        }
        text.outside = self.raw;
        Ok(text)
    }

    /// Parses the text of a config.json; `origin` is what errors call it.
    pub fn parse(text: &str, origin: &str) -> Result<HfConfig, LoadError> {
        let bad = |reason| LoadError::Config { file: origin.to_string(), reason };
        match serde_json::from_str(text) {
            Ok(Value::Object(raw)) => HfConfig::from_map(raw, origin),
            Ok(_) => Err(bad("it is not a JSON object".to_string())),
            Err(e) => Err(bad(with_help(format!("it is not valid JSON: {e}")))),
        }
    }

    /// Makes config.json's equivalent of the metadata of a GGUF file.
    pub fn from_gguf(weights: &Weights) -> Result<HfConfig, LoadError> {
        from_gguf::config(weights)
    }

    /// From the parsed object; `origin` is what errors call it.
    pub fn from_map(raw: Map<String, Value>, origin: &str) -> Result<HfConfig, LoadError> {
        let mut config = HfConfig {
            model_type: String::new(),
            architectures: Vec::new(),
            raw,
            origin: origin.to_string(),
            asked: Default::default(),
            words: Default::default(),
            outside: Map::new(),
        };
        config.model_type = config.str("model_type")?.to_string();
        if let Some(Value::Array(classes)) = config.get("architectures") {
            config.architectures = classes.iter().filter_map(Value::as_str).map(str::to_string).collect();
        }
        Ok(config)
    }

    /// The same with these values (a JSON object) where a key is absent: what the family's class in transformers takes. A key
    /// that is `null` stays so.
    ///
    /// # Panics
    /// When `defaults` is no JSON object: an error of the calling code.
    pub fn with_defaults(&self, defaults: &str) -> HfConfig {
        let mut all: Map<String, Value> = serde_json::from_str(defaults).expect("defaults are a JSON object");
        all.extend(self.raw.clone());
        HfConfig { raw: all, ..self.clone() }
    }

    /// The same with these values (a JSON object), whatever it has.
    ///
    /// # Panics
    /// When `values` is no JSON object: an error of the calling code.
    pub fn with(&self, values: &str) -> HfConfig {
        let values: Map<String, Value> = serde_json::from_str(values).expect("values are a JSON object");
        let mut all = self.clone();
        all.raw.extend(values);
        all
    }

    /// The same, of which nothing was read yet.
    pub(crate) fn unread(&self) -> HfConfig {
        HfConfig { asked: Default::default(), ..self.clone() }
    }

    /// The value of `key`; `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.asked.note(key);
        self.raw.get(key).filter(|v| !v.is_null())
    }

    /// Is it there, and `null`?
    pub fn is_null(&self, key: &str) -> bool {
        self.asked.note(key);
        self.raw.get(key).is_some_and(Value::is_null)
    }

    /// Was it made of the metadata of a GGUF file?
    pub(crate) fn is_gguf(&self) -> bool {
        !self.words.is_empty()
    }

    /// An error about this configuration. Fields in backticks get the names that a GGUF file has for them.
    pub fn error(&self, reason: impl Into<String>) -> LoadError {
        let quoted = |name: &str| format!("`{name}`");
        let reason = self.words.iter().fold(reason.into(), |text, (key, own)| text.replace(&quoted(key), &quoted(own)));
        LoadError::Config { file: self.origin.clone(), reason }
    }

    fn required<T>(&self, key: &str, found: Option<T>) -> Result<T, LoadError> {
        let why = if self.is_null(key) { "null, but needed" } else { "missing" };
        found.ok_or_else(|| self.error(format!("`{key}` is {why}")))
    }

    /// What was found, or `default` where nothing is. Not so of `null`, which transformers takes for no default.
    pub(crate) fn or<T>(&self, key: &str, found: Option<T>, default: T) -> Result<T, LoadError> {
        match found {
            None if self.is_null(key) => {
                Err(self.error(format!("`{key}` is null\n  help: give a value, or leave it out to have the usual one")))
            }
            found => Ok(found.unwrap_or(default)),
        }
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, LoadError> {
        let wrong = |value| self.error(format!("`{key}` is {value}, not {kind}"));
        self.get(key).map(|value| read(value).ok_or_else(|| wrong(value))).transpose()
    }

    /// The positive integer `key`.
    pub fn uint(&self, key: &str) -> Result<usize, LoadError> {
        self.required(key, self.uint_opt(key)?)
    }

    /// The positive integer `key`, or `None` if it is absent.
    pub fn uint_opt(&self, key: &str) -> Result<Option<usize>, LoadError> {
        // Sizes are multiplied with each other: above 2^32 they could overflow, and no model has such a dimension.
        self.typed(key, "a positive integer below 2^32", |v| {
            v.as_u64().filter(|n| (1..1 << 32).contains(n)).map(|n| n as usize)
        })
    }

    /// The positive integer `key`, or `default`.
    pub fn uint_or(&self, key: &str, default: usize) -> Result<usize, LoadError> {
        self.or(key, self.uint_opt(key)?, default)
    }

    /// The whole number `key`, which may be 0.
    pub fn count(&self, key: &str) -> Result<usize, LoadError> {
        let found = self.typed(key, "a whole number from 0 to 2^32", |v| v.as_u64().filter(|n| *n < 1 << 32))?;
        self.required(key, found).map(|n| n as usize)
    }

    /// The number of layers `key`. There are lists of that length: a damaged number must not fill the memory.
    pub fn layers(&self, key: &str) -> Result<usize, LoadError> {
        const MOST: usize = 1024;
        match self.uint(key)? {
            n if n <= MOST => Ok(n),
            n => Err(self.error(format!("`{key}` is {n}: no model has more than {MOST} layers"))),
        }
    }

    /// The number `key`.
    pub fn float(&self, key: &str) -> Result<f64, LoadError> {
        self.required(key, self.float_opt(key)?)
    }

    /// The number `key`, or `None` if it is absent.
    pub fn float_opt(&self, key: &str) -> Result<Option<f64>, LoadError> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// The number `key`, or `default`.
    pub fn float_or(&self, key: &str, default: f64) -> Result<f64, LoadError> {
        self.or(key, self.float_opt(key)?, default)
    }

    /// The number `key`, which something is divided by: greater than 0, also when it is rounded to f32.
    pub fn positive(&self, key: &str) -> Result<f64, LoadError> {
        self.required(key, self.positive_opt(key)?)
    }

    /// The same, or `None` if it is absent.
    pub fn positive_opt(&self, key: &str) -> Result<Option<f64>, LoadError> {
        self.typed(key, "a positive number that f32 can hold", |v| v.as_f64().filter(|x| is_divisor(*x)))
    }

    /// The truth value `key`, or `default`; where `null` is meant to be no.
    pub fn bool_or_null(&self, key: &str, default: bool) -> Result<bool, LoadError> {
        if self.is_null(key) { Ok(false) } else { self.bool_or(key, default) }
    }

    /// The same with `key` in place of its other name, which transformers reads too.
    ///
    /// # Errors
    /// Both, of different values.
    pub(crate) fn renamed(mut self, key: &str, other: &str) -> Result<HfConfig, LoadError> {
        let Some(value) = self.raw.remove(other) else { return Ok(self) };
        match self.get(key) {
            Some(own) if !value.is_null() && *own != value => Err(self.error(format!(
                "`{key}` is {own}, but `{other}` is {value}: they are two names of one field\n  help: remove the wrong one"
            ))),
            Some(_) => Ok(self),
            None => {
                self.raw.insert(key.to_string(), value);
                Ok(self)
            }
        }
    }

    /// The truth value `key`, or `default`.
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool, LoadError> {
        self.or(key, self.bool_opt(key)?, default)
    }

    /// The truth value `key`, or `None` if it is absent.
    pub fn bool_opt(&self, key: &str) -> Result<Option<bool>, LoadError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// The string `key`.
    pub fn str(&self, key: &str) -> Result<&str, LoadError> {
        self.required(key, self.str_opt(key)?)
    }

    /// The string `key`, or `None` if it is absent.
    pub fn str_opt(&self, key: &str) -> Result<Option<&str>, LoadError> {
        self.typed(key, "a string", Value::as_str)
    }

    /// The string `key`, or `default`.
    pub fn str_or<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str, LoadError> {
        self.or(key, self.str_opt(key)?, default)
    }

    /// The dtype that the weights were saved in, as the configuration spells it (`bfloat16`): `dtype` in transformers
    /// 5, `torch_dtype` before.
    pub fn stored_dtype(&self) -> Result<Option<&str>, LoadError> {
        let name = self.str_opt("dtype")?.or(self.str_opt("torch_dtype")?);
        Ok(name.map(|n| n.strip_prefix("torch.").unwrap_or(n)))
    }

    /// The object `key` as a configuration of its own (`text_config` of a model that also sees). Its `model_type` may
    /// be absent.
    pub fn section(&self, key: &str) -> Result<Option<HfConfig>, LoadError> {
        let Some(raw) = self.typed(key, "an object", Value::as_object)? else { return Ok(None) };
        let model_type = raw.get("model_type").and_then(Value::as_str).unwrap_or(&self.model_type).to_string();
        let origin = format!("{}, `{key}`", self.origin);
        let (architectures, raw) = (self.architectures.clone(), raw.clone());
        Ok(Some(HfConfig {
            model_type,
            architectures,
            raw,
            origin,
            asked: Default::default(),
            words: Default::default(),
            outside: Map::new(),
        }))
    }

    /// The rotary embedding: transformers 5 has `rope_parameters`, transformers 4 had `rope_theta` and `rope_scaling`.
    pub fn rope(&self) -> Result<Rope, LoadError> {
        rope::read(self, None)
    }

    /// The rotary embedding of one layer type, such as `sliding_attention`, where `rope_parameters` tells them apart.
    pub fn rope_of(&self, layer_type: &str) -> Result<Rope, LoadError> {
        rope::read(self, Some(layer_type))
    }
}

/// Can one divide by it, in f32 too?
pub(crate) fn is_divisor(x: f64) -> bool {
    x > 0.0 && (x as f32).is_normal() && (1.0 / x as f32).is_normal()
}

/// What config.json and generation_config.json say about generating: special ids, and the sampling that the authors
/// suggest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationConfig {
    /// The id that begins a text.
    pub bos: Option<u32>,
    /// The ids that end one.
    pub eos: Vec<u32>,
    /// The id that fills up a batch.
    pub pad: Option<u32>,
    /// All of generation_config.json (`temperature`, `top_p`, ...); empty if there is none.
    pub raw: Map<String, Value>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` in `dir`, if it is there; ids that it does not give come from `config`.
    pub fn load(dir: &Path, config: &HfConfig) -> Result<GenerationConfig, LoadError> {
        let path = dir.join("generation_config.json");
        let raw = match raxla_xla::read_text(&path, 1 << 30) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(e) => return Err(LoadError::io(path, e)),
            Ok(text) => serde_json::from_str(&text).map_err(|e| LoadError::format(&path, e.to_string()))?,
        };
        GenerationConfig::of(raw, &path.display().to_string(), config)
    }

    /// From the parsed generation_config.json and the model's configuration.
    ///
    /// # Errors
    /// An id that is none.
    pub fn new(raw: Map<String, Value>, config: &HfConfig) -> Result<GenerationConfig, LoadError> {
        GenerationConfig::of(raw, "generation_config.json", config)
    }

    fn of(raw: Map<String, Value>, origin: &str, config: &HfConfig) -> Result<GenerationConfig, LoadError> {
        let ids = |key: &str| -> Result<Vec<u32>, LoadError> {
            for (file, value) in [(origin, raw.get(key)), (config.origin.as_str(), config.raw.get(key))] {
                let wrong = |v: &Value| {
                    let reason = format!("`{key}` is {}, not a token id or a list of them", fields::shortened(v));
                    LoadError::Config { file: file.to_string(), reason }
                };
                let ids = value.map_or(Some(vec![]), token_ids).ok_or_else(|| wrong(value.unwrap_or(&Value::Null)))?;
                if !ids.is_empty() {
                    return Ok(ids);
                }
            }
            Ok(vec![])
        };
        let (bos, eos, pad) = (ids("bos_token_id")?, ids("eos_token_id")?, ids("pad_token_id")?);
        Ok(GenerationConfig { bos: bos.first().copied(), eos, pad: pad.first().copied(), raw })
    }

    /// The same without ids that a vocabulary of this size does not have; of them there is a warning.
    pub(crate) fn within(mut self, vocabulary: usize, origin: &str) -> GenerationConfig {
        let within = |id: u32, name: &str| {
            let fits = (id as usize) < vocabulary;
            if !fits {
                tracing::warn!(
                    "{origin}: {name} is {id}, but the model's ids go from 0 to {}: it counts as absent",
                    vocabulary.saturating_sub(1)
                );
            }
            fits
        };
        self.bos = self.bos.filter(|id| within(*id, "the token that begins a text"));
        self.pad = self.pad.filter(|id| within(*id, "the token that fills up a batch"));
        self.eos.retain(|id| within(*id, "a token that ends a text"));
        self
    }
}

/// A token id or a list of them. Negative ids and `null` stand for "none".
fn token_ids(value: &Value) -> Option<Vec<u32>> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut ids = vec![];
    for value in list.iter().filter(|v| !v.is_null() && v.as_i64().is_none_or(|id| id >= 0)) {
        ids.push(u32::try_from(value.as_u64()?).ok()?);
    }
    Some(ids)
}
