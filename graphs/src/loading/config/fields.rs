//! Fields of config.json that nothing reads: those without effect, those that a model cannot do without, and those that nobody
//! knows.

use super::HfConfig;
use crate::LoadError;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Which fields were asked for. Copies of a configuration share it, and it does not tell configurations apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<BTreeSet<String>>>);

impl Asked {
    pub(super) fn note(&self, key: &str) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.contains(key) {
            keys.insert(key.to_string());
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }
}

impl PartialEq for Asked {
    fn eq(&self, _: &Asked) -> bool {
        true
    }
}

/// What no model computes with: names and versions, training, what models return, generation (whose settings transformers takes from
/// generation_config.json), and what is read elsewhere (`quantization_config`, layers that predict several tokens).
const WITHOUT_EFFECT: &[&str] = &[
    // names and versions
    "_commit_hash",
    "_name_or_path",
    "architectures",
    "auto_map",
    "dtype",
    "finetuning_task",
    "is_llama_config",
    "model_name",
    "model_type",
    "name_or_path",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    // training, and how the work is done
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_experts_implementation",
    "_flash_attn_2_enabled",
    "attention_dropout",
    "attn_implementation",
    "attn_pdrop",
    "aux_loss_alpha",
    "cache_implementation",
    "chunk_size_feed_forward",
    "embd_pdrop",
    "ep_size",
    "experts_implementation",
    "gradient_checkpointing",
    "hidden_dropout",
    "pretraining_tp",
    "reorder_and_upcast_attn",
    "resid_pdrop",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "seq_aux",
    "use_bfloat16",
    "use_cache",
    // what a model returns
    "id2label",
    "is_decoder",
    "is_encoder_decoder",
    "keys_to_ignore_at_inference",
    "label2id",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "output_scores",
    "problem_type",
    "return_dict",
    "return_dict_in_generate",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "torchscript",
    // generation
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "pad_token_id",
    "prefix",
    "remove_invalid_values",
    "repetition_penalty",
    "sep_token_id",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    // read elsewhere, or by those families alone where it counts
    "max_window_layers",
    "num_mtp_layers",
    "num_nextn_predict_layers",
    "original_max_position_embeddings",
    "quantization_config",
    // follows from other fields
    "initial_context_length",
    "n_ctx",
    "qk_head_dim",
    "_sliding_window_pattern",
];

/// A field that is known, and what it is without effect.
struct Known {
    /// The families that it is said of; all if empty.
    families: &'static [&'static str],
    key: &'static str,
    /// The values that change nothing, as a JSON list; every value if `None`.
    harmless: Option<&'static str>,
    /// What other values ask for, which raxla does not have. Without it they are only warned of.
    asks_for: &'static str,
}

const fn known(
    families: &'static [&'static str],
    key: &'static str,
    harmless: Option<&'static str>,
    asks_for: &'static str,
) -> Known {
    Known { families, key, harmless, asks_for }
}

const KNOWN: &[Known] = &[
    known(&[], "is_causal", Some("[true]"), "attention to later positions"),
    known(&[], "use_bidirectional_attention", Some("[false]"), "attention to later positions"),
    known(&[], "per_layer_config", Some("[{}, []]"), "layers with configurations of their own"),
    known(&["gpt2"], "add_cross_attention", Some("[false]"), "attention to an encoder"),
    known(&["deepseek_v2"], "scoring_func", Some(r#"["softmax"]"#), "another score of the experts"),
    known(&["deepseek_v3"], "scoring_func", Some(r#"["sigmoid"]"#), "another score of the experts"),
    known(&["deepseek_v3"], "topk_method", Some(r#"["noaux_tc"]"#), "another choice of the experts"),
    known(&["deepseek_v2"], "norm_topk_prob", Some("[false]"), "normalized weights of the experts"),
    known(&["deepseek_v2", "deepseek_v3"], "moe_layer_freq", Some("[1]"), "dense layers among those with experts"),
    // transformers reads `hidden_act` of Gemma 1 and `hidden_activation` of its successors; files have both
    known(&["gemma"], "hidden_activation", None, ""),
    known(&["gemma2", "gemma3_text"], "hidden_act", None, ""),
    // of the choice within groups alone, which reads them
    known(&["deepseek_v2"], "n_group", None, ""),
    known(&["deepseek_v2"], "topk_group", None, ""),
    known(&["phi3"], "full_attn_mod", Some("[1]"), ""),
    known(&["phi3"], "interpolate_factor", Some("[1]"), ""),
];

impl HfConfig {
    /// Tells of fields that nobody knows.
    pub(crate) fn warn_of(&self, fields: &[String]) {
        let (file, fields) = (&self.origin, fields.join(", "));
        tracing::warn!("{file}: raxla does not know {fields}: the model is computed as if it were not there");
    }
}

/// The fields, with their values, that nothing has read and that may mean something.
///
/// # Errors
/// A field that changes what the model computes.
pub(crate) fn unread(config: &HfConfig) -> Result<Vec<String>, LoadError> {
    let mut unknown = vec![];
    let differs = |(key, value): &(&String, &Value)| config.raw.get(*key) != Some(*value);
    let outside = config.outside.iter().filter(differs);
    unknown.extend(outside.filter(|(key, value)| is_of_text(key) && !is_off(value)).map(shown));
    // (what a GGUF file says is read when its configuration is made)
    let fields = config.raw.iter().filter(|_| config.words.is_empty());
    for (key, value) in fields.filter(|(key, _)| !config.asked.has(key) && !WITHOUT_EFFECT.contains(&key.as_str())) {
        let of_family =
            |k: &&Known| k.key == key && (k.families.is_empty() || k.families.contains(&config.model_type.as_str()));
        let known = KNOWN.iter().find(of_family);
        if value.is_null() || known.map_or(is_off(value), |k| k.allows(value)) {
            continue;
        }
        match known {
            Some(Known { asks_for, .. }) if !asks_for.is_empty() => {
                let help = "take another checkpoint, or change the field if the weights do not need it";
                return Err(config.error(format!(
                    "`{key}` is {value}: it asks for {asks_for}, which raxla does not have for {}\n  help: {help}",
                    config.model_type
                )));
            }
            _ => unknown.push(shown((key, value))),
        }
    }
    Ok(unknown)
}

fn shown((key, value): (&String, &Value)) -> String {
    format!("`{key}` ({})", shortened(value))
}

/// May this field, which stands beside `text_config`, be about the language model? What is about images, sound and what joins
/// them to the text is not: raxla reads text alone.
fn is_of_text(key: &str) -> bool {
    const PARTS: [&str; 14] = [
        "audio",
        "boa_",
        "boi_",
        "eoa_",
        "eoi_",
        "image",
        "img",
        "mm_",
        "multimodal",
        "patch",
        "pixel",
        "projector",
        "video",
        "vision",
    ];
    // (the language model's own, its ties, which are taken from here where it says nothing, and how parts that are not there start)
    const READ: [&str; 3] = ["text_config", "tie_word_embeddings", "initializer_range"];
    !READ.contains(&key) && !WITHOUT_EFFECT.contains(&key) && !PARTS.iter().any(|part| key.contains(part))
}

impl Known {
    fn allows(&self, value: &Value) -> bool {
        let Some(list) = self.harmless else { return true };
        let same = |other: &Value| other == value || (other.is_number() && other.as_f64() == value.as_f64());
        serde_json::from_str(list).is_ok_and(|values: Vec<Value>| values.iter().any(same))
    }
}

/// Values that ask for nothing.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Long lists are not written out.
pub(super) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
