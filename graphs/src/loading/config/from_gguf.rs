//! GGUF metadata to the keys of config.json.

use super::{HfConfig, fields::Asked, is_divisor, rope};
use crate::LoadError;
use crate::weights::gguf::{List, Metadata, Value as Scalar};
use crate::weights::{Weights, names};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn config(weights: &Weights) -> Result<HfConfig, LoadError> {
    let origin = weights.path().display().to_string();
    let bad = |reason| LoadError::Config { file: origin.clone(), reason };
    let metadata = weights.gguf().ok_or_else(|| bad("it has no metadata: only GGUF files do".to_string()))?;
    let name = metadata.str("general.architecture").map_err(bad)?;
    let name = name.ok_or_else(|| bad("`general.architecture` is missing".to_string()))?;
    let table = names::architecture(metadata).map_err(bad)?.ok_or_else(|| {
        bad(format!("raxla cannot read GGUF files of architecture {name:?}\n  help: it reads {}", names::known()))
    })?;
    let keys = Keys { architecture: name, metadata, weights, origin: &origin, asked: Asked::default() };
    let mut raw = Map::new();
    raw.insert("model_type".into(), table.model_type.into());
    raw.insert("architectures".into(), json!([table.class]));
    for (key, id) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
        if let Some(id) = metadata.uint(&format!("tokenizer.ggml.{id}_token_id")).map_err(bad)? {
            raw.insert(key.into(), id.into());
        }
    }
    match table.model_type {
        "gpt2" => keys.gpt2(&mut raw)?,
        _ => keys.decoder(&mut raw)?,
    }
    match table.model_type {
        "mixtral" => keys.experts(&mut raw, "num_local_experts")?,
        "qwen3_moe" => keys.experts(&mut raw, "num_experts")?,
        "gemma" | "gemma2" | "gemma3_text" => keys.gemma(&mut raw, table.model_type)?,
        _ => {}
    }
    keys.check_unread()?;
    let words = WORDS.iter().map(|(key, own)| (*key, keys.key(own)));
    let tensors = ["factors", "long_factor", "short_factor"].into_iter().zip(names::ROPE_FACTORS.map(String::from));
    let words = words.chain(tensors).collect();
    Ok(HfConfig { words: Arc::new(words), ..HfConfig::from_map(raw, &origin)? })
}

/// Fields of config.json, and the keys that they are made of here.
const WORDS: &[(&str, &str)] = &[
    ("vocab_size", "vocab_size"),
    ("hidden_size", "embedding_length"),
    ("n_embd", "embedding_length"),
    ("intermediate_size", "feed_forward_length"),
    ("n_inner", "feed_forward_length"),
    ("num_hidden_layers", "block_count"),
    ("n_layer", "block_count"),
    ("num_attention_heads", "attention.head_count"),
    ("n_head", "attention.head_count"),
    ("num_key_value_heads", "attention.head_count_kv"),
    ("head_dim", "attention.key_length"),
    ("query_pre_attn_scalar", "attention.key_length"),
    ("max_position_embeddings", "context_length"),
    ("n_positions", "context_length"),
    ("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    ("layer_norm_epsilon", "attention.layer_norm_epsilon"),
    ("rope_theta", "rope.freq_base"),
    ("partial_rotary_factor", "rope.dimension_count"),
    ("rope_scaling", "rope.scaling.type"),
    ("factor", "rope.scaling.factor"),
    ("attention_factor", "rope.scaling.attn_factor"),
    ("original_max_position_embeddings", "rope.scaling.original_context_length"),
    ("num_local_experts", "expert_count"),
    ("num_experts", "expert_count"),
    ("num_experts_per_tok", "expert_used_count"),
    ("moe_intermediate_size", "expert_feed_forward_length"),
    ("sliding_window", "attention.sliding_window"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
];

/// Keys that change nothing, or only repeat what tensors say.
const WITHOUT_EFFECT: &[&str] = &[
    "attention.key_length",
    "attention.layer_norm_epsilon",
    "attention.sliding_window",
    "attention.value_length",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "tensor_data_layout",
    "vocab_size",
];

struct Keys<'a> {
    architecture: &'a str,
    metadata: &'a Metadata,
    weights: &'a Weights,
    origin: &'a str,
    /// Which keys were read.
    asked: Asked,
}

impl Keys<'_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    /// Refuses what the model cannot do without, and warns of what nobody knows.
    fn check_unread(&self) -> Result<(), LoadError> {
        let of_model = |key: &&str| key.strip_prefix(self.architecture).is_some_and(|rest| rest.starts_with('.'));
        let mut unknown = vec![];
        for key in self.metadata.keys().filter(of_model) {
            let own = &key[self.architecture.len() + 1..];
            let off = matches!(self.metadata.get(key), Some(Scalar::Int(0) | Scalar::Bool(false)));
            match self.metadata.get(key) {
                Some(Scalar::Bool(false)) if own == "attention.causal" => {
                    let reason = format!(
                        "`{key}` is false: it asks for attention to later positions, which raxla does not have"
                    );
                    return Err(LoadError::Config { file: self.origin.to_string(), reason });
                }
                Some(_) if own == "attention.causal" || off || self.asked.has(own) || WITHOUT_EFFECT.contains(&own) => {
                }
                _ => unknown.push(format!("`{key}`")),
            }
        }
        if !unknown.is_empty() {
            let file = self.origin;
            tracing::warn!(
                "{file}: raxla does not know {}: the model is computed as if it were not there",
                unknown.join(", ")
            );
        }
        Ok(())
    }

    /// What a getter of the metadata finds under this key.
    fn read<T>(
        &self,
        key: &str,
        getter: fn(&Metadata, &str) -> Result<Option<T>, String>,
    ) -> Result<Option<T>, LoadError> {
        self.asked.note(key);
        getter(self.metadata, &self.key(key)).map_err(|reason| self.bad(reason))
    }

    fn bad(&self, reason: String) -> LoadError {
        LoadError::Config { file: self.origin.to_string(), reason }
    }

    fn uint(&self, key: &str) -> Result<usize, LoadError> {
        self.uint_opt(key)?.ok_or_else(|| self.bad(format!("`{}` is missing", self.key(key))))
    }

    fn uint_opt(&self, key: &str) -> Result<Option<usize>, LoadError> {
        self.read(key, Metadata::uint)
    }

    fn float_opt(&self, key: &str) -> Result<Option<f64>, LoadError> {
        self.read(key, Metadata::float)
    }

    fn float_or(&self, key: &str, default: f64) -> Result<f64, LoadError> {
        Ok(self.float_opt(key)?.unwrap_or(default))
    }

    /// The rows of the embedding: metadata may count fewer tokens than there are rows.
    fn vocabulary(&self, embedding: &str) -> Result<usize, LoadError> {
        match self.weights.info(embedding) {
            Some(info) => Ok(info.dims.first().copied().unwrap_or(0)),
            None => self.uint("vocab_size"),
        }
    }

    /// What all decoders with rotary embeddings have.
    fn decoder(&self, raw: &mut Map<String, Value>) -> Result<(), LoadError> {
        let (hidden, heads) = (self.uint("embedding_length")?, self.uint("attention.head_count")?);
        let head = self.uint_opt("attention.key_length")?.unwrap_or(hidden / heads.max(1));
        let has = |name: &str| self.weights.info(name).is_some();
        let pairs = [
            ("vocab_size", self.vocabulary("model.embed_tokens.weight")?.into()),
            ("hidden_size", hidden.into()),
            ("intermediate_size", self.uint("feed_forward_length")?.into()),
            ("num_hidden_layers", self.uint("block_count")?.into()),
            ("num_attention_heads", heads.into()),
            ("num_key_value_heads", self.uint_opt("attention.head_count_kv")?.unwrap_or(heads).into()),
            ("head_dim", head.into()),
            ("max_position_embeddings", self.uint("context_length")?.into()),
            ("rms_norm_eps", self.float_or("attention.layer_norm_rms_epsilon", 1e-5)?.into()),
            ("hidden_act", "silu".into()),
            ("tie_word_embeddings", (!has("lm_head.weight")).into()),
            ("attention_bias", has("model.layers.0.self_attn.q_proj.bias").into()),
            ("mlp_bias", has("model.layers.0.mlp.up_proj.bias").into()),
            ("rope_theta", self.float_or("rope.freq_base", 10000.0)?.into()),
            ("partial_rotary_factor", self.part_turned(head)?.into()),
            ("rope_scaling", self.rope_scaling()?),
        ];
        raw.extend(pairs.map(|(key, value)| (key.to_string(), value)));
        Ok(())
    }

    /// The part of a head that is turned, of which the metadata counts the dimensions.
    fn part_turned(&self, head: usize) -> Result<f64, LoadError> {
        const KEY: &str = "rope.dimension_count";
        match self.uint_opt(KEY)?.unwrap_or(head) {
            n if n == head => Ok(1.0),
            n if n > head || n % 2 == 1 || n == 0 => {
                let key = self.key(KEY);
                Err(self.bad(format!("`{key}` is {n}, not an even number from 2 to {head}, the dimensions of a head")))
            }
            n => {
                let part = n as f64 / head as f64;
                // (who multiplies with it takes the whole number below)
                Ok(if (head as f64 * part) as usize == n { part } else { part.next_up() })
            }
        }
    }

    /// Mixtures of experts. llama.cpp normalizes the weights of the chosen experts for each architecture that is read here.
    fn experts(&self, raw: &mut Map<String, Value>, count: &str) -> Result<(), LoadError> {
        raw.insert(count.into(), self.uint("expert_count")?.into());
        raw.insert("num_experts_per_tok".into(), self.uint("expert_used_count")?.into());
        raw.insert("norm_topk_prob".into(), true.into());
        if let Some(width) = self.uint_opt("expert_feed_forward_length")? {
            raw.insert("moe_intermediate_size".into(), width.into());
        }
        Ok(())
    }

    /// Gemma. Much is not in the metadata: llama.cpp knows it of the model's size, which it knows by the number of layers.
    fn gemma(&self, raw: &mut Map<String, Value>, model_type: &str) -> Result<(), LoadError> {
        raw.insert("hidden_act".into(), "gelu_pytorch_tanh".into());
        if model_type == "gemma" {
            return Ok(());
        }
        let (layers, pattern, largest) = match model_type {
            "gemma2" => (self.uint("block_count")?, 2, 46),
            _ => (self.uint("block_count")?, 6, 62),
        };
        let head = raw.get("head_dim").cloned().unwrap_or_default();
        // the 27B models divide by the width of a head as it would follow from the model's
        let scalar = match layers == largest {
            true => (self.uint("embedding_length")? / self.uint("attention.head_count")?.max(1)).into(),
            false => head,
        };
        raw.insert("query_pre_attn_scalar".into(), scalar);
        raw.insert("sliding_window".into(), self.uint_opt("attention.sliding_window")?.into());
        raw.insert("layer_types".into(), self.layer_types(layers, pattern)?.into());
        for (key, cap) in [("attn_logit_softcapping", "attn_logit"), ("final_logit_softcapping", "final_logit")] {
            let value = self.float_opt(&format!("{cap}_softcapping"))?;
            // the defaults of older files for Gemma 2
            let default = (model_type == "gemma2").then_some(if cap == "attn_logit" { 50.0 } else { 30.0 });
            raw.insert(key.into(), value.or(default).into());
        }
        if model_type == "gemma3_text" {
            let local = self.float_or("rope.freq_base_swa", 10000.0)?;
            let mut global = match raw.remove("rope_scaling") {
                Some(Value::Object(scaling)) => scaling,
                _ => Map::from_iter([("rope_type".to_string(), "default".into())]),
            };
            global.insert("rope_theta".into(), raw.remove("rope_theta").unwrap_or_default());
            let local = json!({ "rope_type": "default", "rope_theta": local });
            raw.insert("rope_parameters".into(), json!({ "sliding_attention": local, "full_attention": global }));
        }
        Ok(())
    }

    /// Which layers see a window. Metadata says it layer by layer, or that each `n`th sees everything, or nothing.
    fn layer_types(&self, layers: usize, usual: usize) -> Result<Vec<&'static str>, LoadError> {
        const KEY: &str = "attention.sliding_window_pattern";
        let kind = |window: bool| if window { "sliding_attention" } else { "full_attention" };
        if let Some(Scalar::List(List::Bool(each))) = self.metadata.get(&self.key(KEY)) {
            self.asked.note(KEY);
            return match each.len() == layers {
                true => Ok(each.iter().map(|window| kind(*window)).collect()),
                false => {
                    Err(self.bad(format!("`{}` is a list of {}, not of {layers} layers", self.key(KEY), each.len())))
                }
            };
        }
        // (as in llama.cpp, with 0 all layers see a window)
        let every = self.uint_opt(KEY)?.unwrap_or(usual);
        // (no model has more layers than this; a damaged header may say so)
        Ok((1..=layers.min(1 << 16)).map(|layer| kind(!layer.is_multiple_of(every))).collect())
    }

    fn rope_scaling(&self) -> Result<Value, LoadError> {
        let [divisors, long, short] = names::ROPE_FACTORS;
        let original = self.uint_opt("rope.scaling.original_context_length")?;
        if self.weights.info(divisors).is_some() {
            return Ok(json!({ "rope_type": rope::DIVISORS, "factors": self.divisors(divisors)? }));
        }
        if self.weights.info(long).is_some() {
            return Ok(json!({
                "rope_type": "longrope",
                "long_factor": self.divisors(long)?,
                "short_factor": self.divisors(short)?,
                "original_max_position_embeddings": original,
                "attention_factor": self.float_opt("rope.scaling.attn_factor")?,
            }));
        }
        // Older files have `rope.scale_linear` and no type.
        let factor = self.float_opt("rope.scaling.factor")?.or(self.float_opt("rope.scale_linear")?);
        self.asked.note("rope.scaling.type");
        let kind = self.metadata.str(&self.key("rope.scaling.type")).map_err(|reason| self.bad(reason))?;
        Ok(match kind.unwrap_or(if factor.is_some() { "linear" } else { "none" }) {
            "none" => Value::Null,
            kind => json!({
                "rope_type": kind,
                "factor": factor.unwrap_or(1.0),
                "original_max_position_embeddings": original,
                "beta_fast": self.float_opt("rope.scaling.yarn_beta_fast")?,
                "beta_slow": self.float_opt("rope.scaling.yarn_beta_slow")?,
            }),
        })
    }

    /// A tensor of divisors, one for each pair of dimensions that is turned.
    fn divisors(&self, name: &str) -> Result<Vec<f32>, LoadError> {
        if let Some(info) = self.weights.info(name).filter(|info| info.dims.len() != 1) {
            return Err(self.bad(format!("`{name}` has the shape {:?}, but is to be a list of numbers", info.dims)));
        }
        let list = self.weights.read_f32(name)?;
        match list.iter().find(|x| !is_divisor(f64::from(**x))) {
            Some(x) => {
                Err(self.bad(format!("`{name}` has {x} among its numbers, by which frequencies cannot be divided")))
            }
            None => Ok(list),
        }
    }

    fn gpt2(&self, raw: &mut Map<String, Value>) -> Result<(), LoadError> {
        let pairs = [
            ("vocab_size", self.vocabulary("transformer.wte.weight")?.into()),
            ("n_embd", self.uint("embedding_length")?.into()),
            ("n_inner", self.uint("feed_forward_length")?.into()),
            ("n_layer", self.uint("block_count")?.into()),
            ("n_head", self.uint("attention.head_count")?.into()),
            ("n_positions", self.uint("context_length")?.into()),
            ("layer_norm_epsilon", self.float_or("attention.layer_norm_epsilon", 1e-5)?.into()),
            ("activation_function", "gelu_new".into()),
            ("tie_word_embeddings", true.into()),
        ];
        raw.extend(pairs.map(|(key, value)| (key.to_string(), value)));
        Ok(())
    }
}
