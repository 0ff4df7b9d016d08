//! The parameter names of GGUF files and those of Hugging Face, one table per architecture.

use super::convert::Layout;
use super::gguf::Metadata;

/// What llama.cpp's converter did to a model, and how to undo it.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// `general.architecture`.
    pub(crate) gguf: &'static str,
    /// `model_type` of the config.json that the file came from.
    pub(crate) model_type: &'static str,
    /// The class in `architectures` of that config.json.
    pub(crate) class: &'static str,
    /// What stands before the layer number in Hugging Face names.
    layers: &'static str,
    /// Names outside the layers: (GGUF, Hugging Face), without `.weight` or `.bias`.
    outside: &'static [(&'static str, &'static str)],
    /// Names in a layer: (GGUF, Hugging Face, how the weight is stored).
    inside: &'static [(&'static str, &'static str, Rule)],
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Same,
    /// The rows are the heads of the queries.
    QueryHeads,
    /// The rows are the heads of the keys.
    KeyHeads,
    /// The weight (not the bias) is transposed.
    Conv1D,
}

const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        gguf: "llama",
        model_type: "llama",
        class: "LlamaForCausalLM",
        layers: "model.layers.",
        outside: &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")],
        inside: &[
            ("attn_norm", "input_layernorm", Rule::Same),
            ("attn_q", "self_attn.q_proj", Rule::QueryHeads),
            ("attn_k", "self_attn.k_proj", Rule::KeyHeads),
            ("attn_v", "self_attn.v_proj", Rule::Same),
            ("attn_output", "self_attn.o_proj", Rule::Same),
            ("ffn_norm", "post_attention_layernorm", Rule::Same),
            ("ffn_gate", "mlp.gate_proj", Rule::Same),
            ("ffn_up", "mlp.up_proj", Rule::Same),
            ("ffn_down", "mlp.down_proj", Rule::Same),
        ],
    },
    Architecture {
        gguf: "gpt2",
        model_type: "gpt2",
        class: "GPT2LMHeadModel",
        layers: "transformer.h.",
        outside: &[
            ("token_embd", "transformer.wte"),
            ("position_embd", "transformer.wpe"),
            ("output_norm", "transformer.ln_f"),
            ("output", "lm_head"),
        ],
        inside: &[
            ("attn_norm", "ln_1", Rule::Same),
            ("attn_qkv", "attn.c_attn", Rule::Conv1D),
            ("attn_output", "attn.c_proj", Rule::Conv1D),
            ("ffn_norm", "ln_2", Rule::Same),
            ("ffn_up", "mlp.c_fc", Rule::Conv1D),
            ("ffn_down", "mlp.c_proj", Rule::Conv1D),
        ],
    },
];

/// The frequency divisors that a converter stores as tensors. They belong to the configuration, not to the parameters.
pub(crate) const ROPE_FACTORS: [&str; 3] =
    ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

/// The table for `general.architecture`.
pub(crate) fn architecture(gguf: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|a| a.gguf == gguf)
}

/// The GGUF architectures that have a table.
pub(crate) fn known() -> String {
    ARCHITECTURES.iter().map(|a| a.gguf).collect::<Vec<_>>().join(", ")
}

impl Architecture {
    /// The Hugging Face name of a GGUF tensor and the way its values lie. A name without a counterpart stays as it is.
    pub(super) fn translate(&self, name: &str, metadata: &Metadata) -> Result<(String, Layout), String> {
        let unknown = Ok((name.to_string(), Layout::Same));
        let Some((stem, kind)) = name.rsplit_once('.') else { return unknown };
        let Some(rest) = stem.strip_prefix("blk.") else {
            return match self.outside.iter().find(|(gguf, _)| *gguf == stem) {
                Some((_, hf)) => Ok((format!("{hf}.{kind}"), Layout::Same)),
                None => unknown,
            };
        };
        let Some((layer, stem)) = rest.split_once('.') else { return unknown };
        let Some((_, hf, rule)) = self.inside.iter().find(|(gguf, ..)| *gguf == stem) else { return unknown };
        let layout = match rule {
            Rule::Conv1D if kind == "weight" => Layout::Transposed,
            Rule::Same | Rule::Conv1D => Layout::Same,
            Rule::QueryHeads => Layout::Interleaved { heads: self.heads(metadata, &["head_count"])? },
            // A file without grouped heads may leave out the number of key heads.
            Rule::KeyHeads => Layout::Interleaved { heads: self.heads(metadata, &["head_count_kv", "head_count"])? },
        };
        Ok((format!("{}{layer}.{hf}.{kind}", self.layers), layout))
    }

    fn heads(&self, metadata: &Metadata, keys: &[&str]) -> Result<usize, String> {
        let key = |key: &&str| format!("{}.attention.{key}", self.gguf);
        let found = keys.iter().find_map(|k| metadata.uint(&key(k)));
        found.filter(|h| *h > 0).ok_or_else(|| format!("its metadata has no positive integer `{}`", key(&keys[0])))
    }
}
