//! The rotary position embedding's configuration, in both dialects of transformers.

use super::HfConfig;
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
    let (key, parameters) = match (config.get("rope_parameters"), config.get("rope_scaling")) {
        (Some(p), _) => ("rope_parameters", Some(p)),
        (None, p) => ("rope_scaling", p),
    };
    let empty = Map::new();
    let mut parameters = match parameters {
        None => &empty,
        Some(Value::Object(map)) => map,
        Some(other) => return Err(config.error(format!("`{key}` is {other}, not an object"))),
    };
    if let Some(Value::Object(own)) = layer_type.and_then(|t| parameters.get(t)) {
        parameters = own;
    }
    if let Some((name, _)) = parameters.iter().find(|(_, value)| value.is_object()) {
        return Err(config.error(format!("`{key}` differs by layer type ({name}), which this model does not expect")));
    }
    let reader = Reader { config, key, parameters };
    // LLaMA 1 and 2 as first published have no `rope_theta`; both mean 10000.
    let theta = match reader.float_opt("rope_theta")? {
        Some(theta) => theta,
        None => config.float_or("rope_theta", 10000.0)?,
    };
    let partial_rotary_factor = match reader.float_opt("partial_rotary_factor")? {
        Some(part) => part,
        None => config.float_or("partial_rotary_factor", 1.0)?,
    };
    if !(theta > 0.0 && theta.is_finite()) {
        return Err(config.error(format!("`rope_theta` is {theta}, not a positive number")));
    }
    if !(partial_rotary_factor > 0.0 && partial_rotary_factor <= 1.0) {
        return Err(config.error(format!("`partial_rotary_factor` is {partial_rotary_factor}, not within 0 and 1")));
    }
    Ok(Rope { theta, partial_rotary_factor, scaling: reader.scaling()? })
}

/// One object of rope parameters, with getters whose errors say where it lies.
struct Reader<'a> {
    config: &'a HfConfig,
    key: &'a str,
    parameters: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn scaling(&self) -> Result<RopeScaling, LoadError> {
        // `rope_type` since transformers 4.43, `type` before.
        let kind = ["rope_type", "type"].iter().find_map(|k| self.parameters.get(*k)).filter(|v| !v.is_null());
        let kind = match kind {
            None => "default",
            Some(Value::String(kind)) => kind.as_str(),
            Some(other) => return Err(self.wrong("rope_type", other, "a string")),
        };
        Ok(match kind {
            "default" => RopeScaling::Default,
            "linear" => RopeScaling::Linear { factor: self.factor("factor")? },
            "dynamic" => RopeScaling::Dynamic {
                factor: self.factor("factor")?,
                original_max_position_embeddings: self.original_context()?,
            },
            "yarn" => RopeScaling::Yarn {
                factor: self.factor("factor")?,
                original_max_position_embeddings: self.original_context()?,
                attention_factor: self.float_opt("attention_factor")?,
                beta_fast: self.float_opt("beta_fast")?.unwrap_or(32.0),
                beta_slow: self.float_opt("beta_slow")?.unwrap_or(1.0),
                // (0 and null are no, as in Python)
                mscale: self.float_opt("mscale")?.filter(|m| *m != 0.0),
                mscale_all_dim: self.float_opt("mscale_all_dim")?.filter(|m| *m != 0.0),
                truncate: match self.parameters.get("truncate") {
                    None => true,
                    Some(Value::Null) => false,
                    Some(Value::Bool(truncate)) => *truncate,
                    Some(other) => return Err(self.wrong("truncate", other, "true or false")),
                },
            },
            // Phi-3 called it "su" before it had a name.
            "longrope" | "su" => RopeScaling::LongRope {
                short_factor: self.floats("short_factor")?,
                long_factor: self.floats("long_factor")?,
                factor: self.float_opt("factor")?,
                original_max_position_embeddings: self.original_context()?,
                attention_factor: self.float_opt("attention_factor")?,
            },
            "llama3" => RopeScaling::Llama3 {
                factor: self.factor("factor")?,
                low_freq_factor: self.factor("low_freq_factor")?,
                high_freq_factor: self.factor("high_freq_factor")?,
                original_max_position_embeddings: self.original_context()?,
            },
            DIVISORS => RopeScaling::Divisors(self.floats("factors")?),
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

    fn float_opt(&self, name: &str) -> Result<Option<f64>, LoadError> {
        match self.parameters.get(name).filter(|v| !v.is_null()) {
            None => Ok(None),
            Some(v) => v.as_f64().map(Some).ok_or_else(|| self.wrong(name, v, "a number")),
        }
    }

    /// A required number that something is divided by.
    fn factor(&self, name: &str) -> Result<f64, LoadError> {
        match self.parameters.get(name) {
            None => Err(self.config.error(format!("`{name}` of `{}` is missing", self.key))),
            Some(v) => v.as_f64().filter(|f| *f > 0.0).ok_or_else(|| self.wrong(name, v, "a positive number")),
        }
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, LoadError> {
        let list = self.parameters.get(name).and_then(Value::as_array);
        let floats: Option<Vec<f32>> = list.and_then(|l| l.iter().map(|v| v.as_f64().map(|f| f as f32)).collect());
        floats.ok_or_else(|| {
            self.config.error(format!("`{name}` of `{}` is missing, or not a list of numbers", self.key))
        })
    }

    /// At the top (Phi-3), beside the other rope parameters, or the model's context length: in this order, as transformers.
    fn original_context(&self) -> Result<usize, LoadError> {
        const KEY: &str = "original_max_position_embeddings";
        if let Some(n) = self.config.uint_opt(KEY)? {
            return Ok(n);
        }
        match self.parameters.get(KEY).filter(|v| !v.is_null()) {
            // Some files write 4096.0.
            Some(v) => match v.as_f64() {
                Some(n) if (1.0..4e9).contains(&n) => Ok(n as usize),
                _ => Err(self.wrong(KEY, v, "a positive integer")),
            },
            None => self.config.uint("max_position_embeddings"),
        }
    }
}
