//! The families that raxla has.
use super::{Decoder, deepseek, gemma, gpt_oss, gpt2, llama, mistral, moe, olmo, phi, qwen, smollm};
use crate::{LoadError, config::HfConfig};
use raxla::Param;

/// The models: Hugging Face's `model_type`, and what makes a specification from its configuration.
pub const ARCHITECTURES: &[Family] = &[
    family("llama", llama::build),
    family("mistral", mistral::build),
    family("qwen2", qwen::build2),
    family("qwen3", qwen::build3),
    family("mixtral", moe::mixtral),
    family("qwen3_moe", moe::qwen3),
    family("gemma", gemma::build1),
    family("gemma2", gemma::build2),
    family("gemma3_text", gemma::build3),
    family("phi3", phi::build),
    family("olmo2", olmo::build),
    family("smollm3", smollm::build),
    family("gpt_oss", gpt_oss::build),
    Family { more_layers: true, ..family("deepseek_v2", deepseek::build2) },
    Family { more_layers: true, ..family("deepseek_v3", deepseek::build3) },
    Family {
        model_type: "gpt2",
        prefix: "transformer.",
        ignored: &[".attn.bias", ".attn.masked_bias"],
        more_layers: false,
        build: gpt2::build,
    },
];

/// A family whose checkpoints are named as LLaMA's.
const fn family(model_type: &'static str, build: Build) -> Family {
    Family { model_type, prefix: "model.", ignored: &[".rotary_emb.inv_freq"], more_layers: false, build }
}

/// One architecture of the registry.
pub struct Family {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// What a checkpoint of the bare model (without its head) lacks in its names.
    pub prefix: &'static str,
    /// Ends of the names of tensors that are no parameters, from a dot on: `c_attn.bias` is none of `.attn.bias`.
    pub ignored: &'static [&'static str],
    /// Does a checkpoint hold layers behind those of the model: heads that predict several tokens, which nothing here uses?
    pub more_layers: bool,
    /// The specification, with a list of layers whose names have `{}` for their number. [`Decoder::of`] is what to call.
    pub build: Build,
}

impl Family {
    /// Is the tensor of this name no parameter of a model of so many layers?
    pub fn ignores(&self, name: &str, layers: usize) -> bool {
        let number = || name.strip_prefix("model.layers.")?.split('.').next()?.parse::<usize>().ok();
        self.ignored.iter().any(|end| name.ends_with(end))
            || (self.more_layers && number().is_some_and(|n| n >= layers))
    }
}

/// From a configuration to a specification.
pub type Build = fn(&HfConfig) -> Result<Decoder<Param>, LoadError>;

/// The architecture of this `model_type`.
pub fn by_name(config: &HfConfig) -> Result<&'static Family, LoadError> {
    ARCHITECTURES.iter().find(|f| f.model_type == config.model_type).ok_or_else(|| {
        let known: Vec<&str> = ARCHITECTURES.iter().map(|f| f.model_type).collect();
        config.error(format!(
            "the architecture `{}` is not known\n  help: take a model of one of these: {}",
            config.model_type,
            known.join(", ")
        ))
    })
}
