//! The rotary position embedding's configuration, in both dialects of transformers.

use super::fields::{Asked, shortened};
use super::{HfConfig, is_divisor};
use crate::LoadError;
pub use raxla::nn::rope::RopeScaling;
use serde_json::{Map, Value};

/// How positions turn queries and keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// The base of the frequencies: pair `i` of `d` dimensions turns by `theta^(-2i/d)` per position, before scaling.
    pub theta: f64,
    /// The part of each head that is turned, 1 for all of it.
    pub partial_rotary_factor: f64,
    /// How the frequencies are stretched for contexts longer than those of the first training.
    pub scaling: RopeScaling,
}

/// The `rope_type` of [`RopeScaling::Divisors`] in configurations made from GGUF files.
pub(crate) const DIVISORS: &str = "divisors";

pub(super) fn read(config: &HfConfig, layer_type: Option<&str>) -> Result<Rope, LoadError> {
    let (key, parameters) = parameters(config)?;
    let own = match layer_type.and_then(|t| parameters.get(t)) {
        Some(Value::Object(own)) => own.clone(),
        _ => parameters,
    };
    if let Some((name, _)) = own.iter().find(|(_, value)| value.is_object()) {
        return Err(config.error(format!("`{key}` differs by layer type ({name}), which this model does not expect")));
    }
    let reader = Reader { config, key, parameters: &own, asked: Default::default() };
    // LLaMA 1 and 2 as first published have no `rope_theta`; both mean 10000.
    let theta = match reader.needed("rope_theta")? {
        Some(theta) => theta,
        None => config.or("rope_theta", config.positive_opt("rope_theta")?, 10000.0)?,
    };
    let partial_rotary_factor = match reader.float_opt("partial_rotary_factor")? {
        Some(part) => part,
        None => config.float_opt("partial_rotary_factor")?.unwrap_or(1.0),
    };
    if !is_divisor(theta) {
        return Err(config.error(format!("`rope_theta` is {theta}, not a positive number that f32 can hold")));
    }
    if !(partial_rotary_factor > 0.0 && partial_rotary_factor <= 1.0) {
        return Err(config.error(format!("`partial_rotary_factor` is {partial_rotary_factor}, not within 0 and 1")));
    }
    let scaling = reader.scaling()?;
    if theta == 1.0 && matches!(scaling, RopeScaling::Yarn { .. }) {
        return Err(config.error("`rope_theta` is 1: yarn needs wavelengths that differ"));
    }
    reader.warn_of_others();
    Ok(Rope { theta, partial_rotary_factor, scaling })
}

/// The object that counts, and its name: as in transformers `rope_scaling`, the older one, where both are there.
fn parameters(config: &HfConfig) -> Result<(&'static str, Map<String, Value>), LoadError> {
    let object = |key: &'static str| match config.get(key) {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some((key, map.clone())).filter(|(_, map)| !map.is_empty())),
        Some(other) => Err(config.error(format!("`{key}` is {other}, not an object"))),
    };
    let (older, newer) = (object("rope_scaling")?, object("rope_parameters")?);
    Ok(match (older, newer) {
        // where layer types are told apart, it is that of those that see everything
        (Some((key, mut older)), Some((_, mut newer))) if newer.contains_key(FULL) => {
            if let Some(Value::Object(full)) = newer.get_mut(FULL) {
                full.append(&mut older);
            }
            (key, newer)
        }
        (older, newer) => older.or(newer).unwrap_or(("rope_scaling", Map::new())),
    })
}

const FULL: &str = "full_attention";

/// What does not turn texts otherwise: where a file says that it was trained so, and the parts that positions of images have.
const WITHOUT_EFFECT: &[&str] = &["type", "finetuned", "mrope_section", "original_max_position_embeddings"];

/// One object of rope parameters, with getters whose errors say where it lies.
struct Reader<'a> {
    config: &'a HfConfig,
    key: &'a str,
    parameters: &'a Map<String, Value>,
    /// Which of them were read.
    asked: Asked,
}

impl Reader<'_> {
    fn scaling(&self) -> Result<RopeScaling, LoadError> {
        // `rope_type` since transformers 4.43, `type` before.
        let kinds = ["rope_type", "type"].map(|k| self.get(k));
        let kind = kinds.into_iter().flatten().next().filter(|v| !v.is_null());
        let kind = match kind {
            None => "default",
            Some(Value::String(kind)) => kind.as_str(),
            Some(other) => return Err(self.wrong("rope_type", other, "a string")),
        };
        // (as in transformers: early files of Phi-3 say so)
        let kind = if self.config.model_type == "phi3" && kind == "yarn" { "longrope" } else { kind };
        Ok(match kind {
            "default" => RopeScaling::Default,
            "linear" => RopeScaling::Linear { factor: self.factor("factor")? },
            // (whatever the file says of an original context, transformers takes the model's)
            "dynamic" => RopeScaling::Dynamic {
                factor: self.factor("factor")?,
                original_max_position_embeddings: self.config.uint("max_position_embeddings")?,
            },
            "yarn" => self.yarn()?,
            // Phi-3 called it "su" before it had a name.
            "longrope" | "su" => RopeScaling::LongRope {
                short_factor: self.divisors("short_factor")?,
                long_factor: self.divisors("long_factor")?,
                factor: self.divisor("factor")?,
                original_max_position_embeddings: match self.original_context()? {
                    1 => return Err(self.config.error("`original_max_position_embeddings` is 1: longrope needs more")),
                    n => n,
                },
                attention_factor: self.divisor("attention_factor")?,
            },
            "llama3" => {
                let (low, high) = (self.factor("low_freq_factor")?, self.factor("high_freq_factor")?);
                if low >= high {
                    let key = self.key;
                    let reason =
                        format!("`high_freq_factor` of `{key}` is {high}, not more than `low_freq_factor`, {low}");
                    return Err(self.config.error(reason));
                }
                RopeScaling::Llama3 {
                    factor: self.factor("factor")?,
                    low_freq_factor: low,
                    high_freq_factor: high,
                    original_max_position_embeddings: self.original_context()?,
                }
            }
            DIVISORS => RopeScaling::Divisors(self.divisors("factors")?),
            other => {
                let known = "default, linear, dynamic, yarn, longrope, llama3";
                return Err(self
                    .config
                    .error(format!("`{}` has the rope_type {other:?}; raxla knows {known}", self.key)));
            }
        })
    }

    fn wrong(&self, name: &str, value: &Value, kind: &str) -> LoadError {
        self.config.error(format!("`{name}` of `{}` is {value}, not {kind}", self.key))
    }

    fn yarn(&self) -> Result<RopeScaling, LoadError> {
        let original = self.original_context()?;
        // (as in Python, 0 and null stand for the usual)
        let or_usual = |name: &str, usual: f64| match self.float_opt(name)? {
            None | Some(0.0) => Ok(usual),
            Some(_) => self.factor(name),
        };
        Ok(RopeScaling::Yarn {
            factor: match self.get("factor") {
                Some(Value::Null) => self.config.uint("max_position_embeddings")? as f64 / original as f64,
                _ => self.factor("factor")?,
            },
            original_max_position_embeddings: original,
            attention_factor: self.divisor("attention_factor")?,
            beta_fast: or_usual("beta_fast", 32.0)?,
            beta_slow: or_usual("beta_slow", 1.0)?,
            mscale: self.float_opt("mscale")?.filter(|m| *m != 0.0),
            mscale_all_dim: self.float_opt("mscale_all_dim")?.filter(|m| *m != 0.0),
            truncate: match self.get("truncate") {
                None => true,
                Some(Value::Null) => false,
                Some(Value::Bool(truncate)) => *truncate,
                Some(other) => return Err(self.wrong("truncate", other, "true or false")),
            },
        })
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.asked.note(name);
        self.parameters.get(name)
    }

    fn float_opt(&self, name: &str) -> Result<Option<f64>, LoadError> {
        match self.get(name).filter(|v| !v.is_null()) {
            None => Ok(None),
            Some(v) => v.as_f64().map(Some).ok_or_else(|| self.wrong(name, v, "a number")),
        }
    }

    /// A number that, where it is there, must be one.
    fn needed(&self, name: &str) -> Result<Option<f64>, LoadError> {
        self.get(name).map(|v| v.as_f64().ok_or_else(|| self.wrong(name, v, "a number"))).transpose()
    }

    /// A number that something is divided by or multiplied with, and that is not 0; or `None` for the usual one.
    fn divisor(&self, name: &str) -> Result<Option<f64>, LoadError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.factor(name).map(Some),
        }
    }

    /// The same, where it must be there.
    fn factor(&self, name: &str) -> Result<f64, LoadError> {
        let Some(v) = self.get(name) else {
            return Err(self.config.error(format!("`{name}` of `{}` is missing", self.key)));
        };
        v.as_f64().filter(|f| is_divisor(*f)).ok_or_else(|| self.wrong(name, v, "a positive number that f32 can hold"))
    }

    fn divisors(&self, name: &str) -> Result<Vec<f32>, LoadError> {
        let list = self.get(name).and_then(Value::as_array);
        let number = |v: &Value| v.as_f64().filter(|f| is_divisor(*f)).map(|f| f as f32);
        list.and_then(|list| list.iter().map(number).collect()).ok_or_else(|| {
            self.config.error(format!("`{name}` of `{}` is missing, or not a list of positive numbers", self.key))
        })
    }

    /// What nothing read and may mean something.
    fn warn_of_others(&self) {
        let unread = |(key, value): &(&String, &Value)| {
            !self.asked.has(key) && !WITHOUT_EFFECT.contains(&key.as_str()) && !value.is_null()
        };
        let others: Vec<String> = self
            .parameters
            .iter()
            .filter(unread)
            .map(|(key, value)| format!("`{key}` ({})", shortened(value)))
            .collect();
        if !others.is_empty() {
            let (file, key) = (&self.config.origin, self.key);
            tracing::warn!(
                "{file}: raxla does not know {} of `{key}`: rotary embeddings are computed as if not there",
                others.join(", ")
            );
        }
    }

    /// At the top (Phi-3), beside the other rope parameters, or the model's context length: in this order, as transformers.
    fn original_context(&self) -> Result<usize, LoadError> {
        const KEY: &str = "original_max_position_embeddings";
        if let Some(n) = self.config.uint_opt(KEY)? {
            return Ok(n);
        }
        match self.get(KEY).filter(|v| !v.is_null()) {
            // Some files write 4096.0.
            Some(v) => match v.as_f64() {
                Some(n) if (1.0..4e9).contains(&n) => Ok(n as usize),
                _ => Err(self.wrong(KEY, v, "a positive integer")),
            },
            None => self.config.uint("max_position_embeddings"),
        }
    }
}
