//! The parameter names of GGUF files and those of Hugging Face, one table per architecture, for both directions.

use super::convert::Layout;
use super::gguf::Metadata;

/// What llama.cpp's converter did to a model, and how to undo it.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// `general.architecture`.
    pub(crate) gguf: &'static str,
    /// Does the metadata count experts? (Mixtral is a `llama` with experts.)
    experts: bool,
    /// `model_type` of the config.json that the file came from.
    pub(crate) model_type: &'static str,
    /// The class in `architectures` of that config.json.
    pub(crate) class: &'static str,
    /// What stands before the layer number in Hugging Face names.
    layers: &'static str,
    /// Names outside the layers.
    outside: &'static [Name],
    /// Names in a layer, in several lists.
    inside: &'static [&'static [Name]],
}

/// A name in GGUF files, the one of Hugging Face, both without `.weight` or `.bias`, and how the weight is stored.
type Name = (&'static str, &'static str, Rule);

/// What llama.cpp's converter does to the values of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing.
    Same,
    /// The rows are the heads of the queries.
    QueryHeads,
    /// The rows are the heads of the keys.
    KeyHeads,
    /// The weight (not the bias) is transposed.
    Conv1D,
    /// A norm's gain, stored with 1 added to it.
    PlusOne,
    /// The matrices of all experts in one tensor; `{}` stands for the expert. Older files have one tensor per expert,
    /// `ffn_gate.3` for the third of `ffn_gate_exps`.
    Experts,
}
use Rule::*;

const OUTSIDE: &[Name] =
    &[("token_embd", "model.embed_tokens", Same), ("output_norm", "model.norm", Same), ("output", "lm_head", Same)];
const GEMMA_OUTSIDE: &[Name] =
    &[("token_embd", "model.embed_tokens", Same), ("output_norm", "model.norm", PlusOne), ("output", "lm_head", Same)];

const ATTENTION: &[Name] = &[
    ("attn_q", "self_attn.q_proj", Same),
    ("attn_k", "self_attn.k_proj", Same),
    ("attn_v", "self_attn.v_proj", Same),
    ("attn_output", "self_attn.o_proj", Same),
];
/// The rotary embedding of this architecture turns neighbours, for which the converter moves rows.
const LLAMA_ATTENTION: &[Name] = &[
    ("attn_q", "self_attn.q_proj", QueryHeads),
    ("attn_k", "self_attn.k_proj", KeyHeads),
    ("attn_v", "self_attn.v_proj", Same),
    ("attn_output", "self_attn.o_proj", Same),
];
const QK_NORMS: &[Name] = &[("attn_q_norm", "self_attn.q_norm", Same), ("attn_k_norm", "self_attn.k_norm", Same)];

const NORMS: &[Name] = &[("attn_norm", "input_layernorm", Same), ("ffn_norm", "post_attention_layernorm", Same)];
const GEMMA_NORMS: &[Name] =
    &[("attn_norm", "input_layernorm", PlusOne), ("ffn_norm", "post_attention_layernorm", PlusOne)];
/// Since Gemma 2, norms also stand behind what they used to stand before.
const GEMMA2_NORMS: &[Name] = &[
    ("attn_norm", "input_layernorm", PlusOne),
    ("post_attention_norm", "post_attention_layernorm", PlusOne),
    ("ffn_norm", "pre_feedforward_layernorm", PlusOne),
    ("post_ffw_norm", "post_feedforward_layernorm", PlusOne),
];
const GEMMA3_QK_NORMS: &[Name] =
    &[("attn_q_norm", "self_attn.q_norm", PlusOne), ("attn_k_norm", "self_attn.k_norm", PlusOne)];

const MLP: &[Name] =
    &[("ffn_gate", "mlp.gate_proj", Same), ("ffn_up", "mlp.up_proj", Same), ("ffn_down", "mlp.down_proj", Same)];
const MIXTRAL_EXPERTS: &[Name] = &[
    ("ffn_gate_inp", "block_sparse_moe.gate", Same),
    ("ffn_gate_exps", "block_sparse_moe.experts.{}.w1", Experts),
    ("ffn_up_exps", "block_sparse_moe.experts.{}.w3", Experts),
    ("ffn_down_exps", "block_sparse_moe.experts.{}.w2", Experts),
];
const QWEN_EXPERTS: &[Name] = &[
    ("ffn_gate_inp", "mlp.gate", Same),
    ("ffn_gate_exps", "mlp.experts.{}.gate_proj", Experts),
    ("ffn_up_exps", "mlp.experts.{}.up_proj", Experts),
    ("ffn_down_exps", "mlp.experts.{}.down_proj", Experts),
];

/// A decoder of the usual form.
const fn decoder(
    gguf: &'static str,
    [model_type, class]: [&'static str; 2],
    outside: &'static [Name],
    inside: &'static [&'static [Name]],
) -> Architecture {
    Architecture { gguf, experts: false, model_type, class, layers: "model.layers.", outside, inside }
}

const ARCHITECTURES: &[Architecture] = &[
    decoder("llama", ["llama", "LlamaForCausalLM"], OUTSIDE, &[NORMS, LLAMA_ATTENTION, MLP]),
    Architecture {
        experts: true,
        ..decoder("llama", ["mixtral", "MixtralForCausalLM"], OUTSIDE, &[NORMS, LLAMA_ATTENTION, MIXTRAL_EXPERTS])
    },
    decoder("qwen2", ["qwen2", "Qwen2ForCausalLM"], OUTSIDE, &[NORMS, ATTENTION, MLP]),
    decoder("qwen3", ["qwen3", "Qwen3ForCausalLM"], OUTSIDE, &[NORMS, ATTENTION, QK_NORMS, MLP]),
    Architecture {
        experts: true,
        ..decoder(
            "qwen3moe",
            ["qwen3_moe", "Qwen3MoeForCausalLM"],
            OUTSIDE,
            &[NORMS, ATTENTION, QK_NORMS, QWEN_EXPERTS],
        )
    },
    decoder("gemma", ["gemma", "GemmaForCausalLM"], GEMMA_OUTSIDE, &[GEMMA_NORMS, ATTENTION, MLP]),
    decoder("gemma2", ["gemma2", "Gemma2ForCausalLM"], GEMMA_OUTSIDE, &[GEMMA2_NORMS, ATTENTION, MLP]),
    decoder(
        "gemma3",
        ["gemma3_text", "Gemma3ForCausalLM"],
        GEMMA_OUTSIDE,
        &[GEMMA2_NORMS, ATTENTION, GEMMA3_QK_NORMS, MLP],
    ),
    Architecture {
        gguf: "gpt2",
        experts: false,
        model_type: "gpt2",
        class: "GPT2LMHeadModel",
        layers: "transformer.h.",
        outside: &[
            ("token_embd", "transformer.wte", Same),
            ("position_embd", "transformer.wpe", Same),
            ("output_norm", "transformer.ln_f", Same),
            ("output", "lm_head", Same),
        ],
        inside: &[&[
            ("attn_norm", "ln_1", Same),
            ("attn_qkv", "attn.c_attn", Conv1D),
            ("attn_output", "attn.c_proj", Conv1D),
            ("ffn_norm", "ln_2", Same),
            ("ffn_up", "mlp.c_fc", Conv1D),
            ("ffn_down", "mlp.c_proj", Conv1D),
        ]],
    },
];

/// The frequency divisors that a converter stores as tensors. They belong to the configuration, not to the parameters.
pub(crate) const ROPE_FACTORS: [&str; 3] =
    ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

/// More experts than any model has.
const MOST_EXPERTS: usize = 1 << 14;

/// The table for what the metadata says.
pub(crate) fn architecture(metadata: &Metadata) -> Result<Option<&'static Architecture>, String> {
    let Some(name) = metadata.str("general.architecture")? else { return Ok(None) };
    let experts = metadata.uint(&format!("{name}.expert_count"))?.is_some_and(|n| n > 0);
    let of = |experts: Option<bool>| {
        ARCHITECTURES.iter().find(|a| a.gguf == name && experts.is_none_or(|wanted| a.experts == wanted))
    };
    Ok(of(Some(experts)).or(of(None)))
}

/// The table for this `model_type`.
pub(crate) fn of_model(model_type: &str) -> Option<&'static Architecture> {
    // (a Mistral is a LLaMA there)
    let model_type = if model_type == "mistral" { "llama" } else { model_type };
    ARCHITECTURES.iter().find(|a| a.model_type == model_type)
}

/// The `model_type`s that have a table.
pub(crate) fn known_models() -> String {
    let all: Vec<&str> = ARCHITECTURES.iter().map(|a| a.model_type).collect();
    format!("{}, mistral", all.join(", "))
}

/// The GGUF architectures that have a table.
pub(crate) fn known() -> String {
    let mut all: Vec<&str> = ARCHITECTURES.iter().map(|a| a.gguf).collect();
    all.dedup();
    all.join(", ")
}

/// What a GGUF tensor is.
#[derive(Debug)]
pub(super) enum Tensor {
    /// One tensor of this name.
    One(String, Layout),
    /// Several, one after the other along the first dimension.
    Many(Vec<String>),
}

/// Where a tensor is in a GGUF file.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) rule: Rule,
    /// Of a matrix of one expert, which: the file has those of all in one tensor.
    pub(crate) expert: Option<usize>,
}

impl Architecture {
    /// The Hugging Face name of a GGUF tensor of this shape and the way its values lie. A name without a counterpart stays
    /// as it is.
    pub(super) fn translate(&self, name: &str, dims: &[usize], metadata: &Metadata) -> Result<Tensor, String> {
        let unknown = Ok(Tensor::One(name.to_string(), Layout::Same));
        let Some((stem, kind)) = name.rsplit_once('.') else { return unknown };
        let (prefix, own, rule, expert) = match stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((layer, stem)) => {
                let Some((own, rule, expert)) = self.in_layer(stem) else { return unknown };
                (format!("{}{layer}.", self.layers), own, rule, expert)
            }
            None => match self.outside.iter().find(|(gguf, ..)| *gguf == stem) {
                Some((_, own, rule)) => (String::new(), *own, *rule, None),
                None => return unknown,
            },
        };
        let layout = match rule {
            Conv1D if kind == "weight" => Layout::Transposed,
            Same | Conv1D => Layout::Same,
            PlusOne => Layout::PlusOne,
            QueryHeads => Layout::Interleaved { heads: self.heads(metadata, &["head_count"])? },
            // A file without grouped heads may leave out the number of key heads.
            KeyHeads => Layout::Interleaved { heads: self.heads(metadata, &["head_count_kv", "head_count"])? },
            Experts => match (expert, dims) {
                (Some(_), _) => Layout::Same,
                (None, [n @ 1..MOST_EXPERTS, _, _]) => {
                    let name = |i: usize| format!("{prefix}{}.{kind}", own.replace("{}", &i.to_string()));
                    return Ok(Tensor::Many((0..*n).map(name).collect()));
                }
                (None, _) => return Err(format!("tensor `{name}` of shape {dims:?} holds no matrices of experts")),
            },
        };
        let own = own.replace("{}", expert.unwrap_or_default());
        Ok(Tensor::One(format!("{prefix}{own}.{kind}"), layout))
    }

    /// Where a GGUF file has the tensor of this Hugging Face name; `None` if it has no place for it.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        let find = |stem: &str, names: &'static [Name]| names.iter().find(|(_, own, _)| *own == stem);
        let (stem, kind) = name.rsplit_once('.')?;
        let (prefix, expert, (gguf, _, rule)) = match find(stem, self.outside) {
            Some(found) => (String::new(), None, found),
            None => {
                let (layer, stem) = stem.strip_prefix(self.layers)?.split_once('.')?;
                let expert = stem.split('.').find_map(|part| part.parse::<usize>().ok());
                let any = |part| if expert.is_some_and(|n| n.to_string() == part) { "{}" } else { part };
                let stem = stem.split('.').map(any).collect::<Vec<_>>().join(".");
                (format!("blk.{layer}."), expert, self.inside.iter().find_map(|names| find(&stem, names))?)
            }
        };
        let rule = if *rule == Conv1D && kind != "weight" { Same } else { *rule };
        Some(Place { name: format!("{prefix}{gguf}.{kind}"), rule, expert })
    }

    /// The GGUF name of a tensor of this Hugging Face name; the same name if it has none.
    pub(super) fn gguf_name(&self, name: &str) -> String {
        self.place(name).map_or_else(|| name.to_string(), |place| place.name)
    }

    /// The name in a layer and, where it is that of one expert's matrix, which.
    fn in_layer<'a>(&self, stem: &'a str) -> Option<(&'static str, Rule, Option<&'a str>)> {
        let find = |stem: &str| self.inside.iter().copied().flatten().find(|(gguf, ..)| *gguf == stem);
        if let Some((_, own, rule)) = find(stem) {
            return Some((own, *rule, None));
        }
        let (stem, expert) = stem.rsplit_once('.')?;
        let number = expert.parse::<usize>().is_ok_and(|n| n.to_string() == expert);
        let (_, own, rule) = find(&format!("{stem}_exps")).filter(|_| number)?;
        Some((own, *rule, Some(expert)))
    }

    fn heads(&self, metadata: &Metadata, keys: &[&str]) -> Result<usize, String> {
        let key = |key: &&str| format!("{}.attention.{key}", self.gguf);
        for k in keys {
            match metadata.uint(&key(k))? {
                None => {}
                Some(0) => break,
                Some(heads) => return Ok(heads),
            }
        }
        Err(format!("its metadata has no positive integer `{}`", key(&keys[0])))
    }
}
