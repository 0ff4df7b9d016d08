//! The families that raxla has.
use super::{Decoder, deepseek, gemma, gpt_oss, gpt2, llama, mistral, moe, olmo, phi, qwen, smollm};
use crate::{
    LoadError,
    config::{HfConfig, unread},
};
use raxla::Param;

/// The models: Hugging Face's `model_type`, and what makes a specification from its configuration.
pub const ARCHITECTURES: &[Family] = &[
    family("llama", llama::build),
    family("mistral", mistral::build),
    family("qwen2", qwen::build2),
    family("qwen3", qwen::build3),
    Family {
        other_names: &[("num_local_experts", "num_experts")],
        experts: Some(moe::MIXTRAL_NAMES),
        ..family("mixtral", moe::mixtral)
    },
    Family {
        other_names: &[("num_experts", "num_local_experts")],
        experts: Some(moe::NAMES),
        ..family("qwen3_moe", moe::qwen3)
    },
    family("gemma", gemma::build1),
    family("gemma2", gemma::build2),
    family("gemma3_text", gemma::build3),
    family("phi3", phi::build),
    family("olmo2", olmo::build),
    family("smollm3", smollm::build),
    Family {
        other_names: &[("num_local_experts", "num_experts"), ("num_experts_per_tok", "experts_per_token")],
        ..family("gpt_oss", gpt_oss::build)
    },
    Family {
        other_names: &[("n_routed_experts", "num_experts")],
        experts: Some(moe::NAMES),
        ..family("deepseek_v2", deepseek::build2)
    },
    Family {
        other_names: &[("n_routed_experts", "num_local_experts"), ("num_nextn_predict_layers", "num_mtp_layers")],
        experts: Some(moe::NAMES),
        more_layers: 1,
        ..family("deepseek_v3", deepseek::build3)
    },
    Family {
        model_type: "gpt2",
        prefix: "transformer.",
        ignored: &[".attn.bias", ".attn.masked_bias"],
        other_names: &[
            ("n_embd", "hidden_size"),
            ("n_positions", "max_position_embeddings"),
            ("n_head", "num_attention_heads"),
            ("n_layer", "num_hidden_layers"),
        ],
        experts: None,
        more_layers: 0,
        build: gpt2::build,
    },
];

/// A family whose checkpoints are named as LLaMA's.
const fn family(model_type: &'static str, build: Build) -> Family {
    let (prefix, ignored) = ("model.", &[".rotary_emb.inv_freq"]);
    Family { model_type, prefix, ignored, other_names: &[], experts: None, more_layers: 0, build }
}

/// One architecture of the registry.
pub struct Family {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// What a checkpoint of the bare model (without its head) lacks in its names.
    pub prefix: &'static str,
    /// Ends of the names of tensors that are no parameters, from a dot on: `c_attn.bias` is none of `.attn.bias`.
    pub ignored: &'static [&'static str],
    /// Fields of the configuration, and second names that transformers reads as well.
    pub other_names: &'static [(&'static str, &'static str)],
    /// What a checkpoint calls experts that it holds one by one: the part of a layer, and gate, up and down in an expert.
    pub experts: Option<[&'static str; 4]>,
    /// How many layers a checkpoint holds behind those of the model where `num_nextn_predict_layers` does not say so: heads that
    /// predict several tokens, which nothing here uses.
    pub more_layers: usize,
    /// The specification, with a list of layers whose names have `{}` for their number. [`Decoder::of`] is what to call.
    pub build: Build,
}

impl Family {
    /// The specification that a configuration means, and the fields that may mean something and that nothing has read.
    ///
    /// # Errors
    /// As [`Decoder::of`].
    pub(crate) fn read(&self, config: &HfConfig) -> Result<(Decoder<Param>, Vec<String>), LoadError> {
        let names = self.other_names.iter();
        let config = names.copied().try_fold(config.unread(), |config, (key, other)| config.renamed(key, other))?;
        let spec = (self.build)(&config)?;
        let unknown = unread(&config)?;
        Ok((spec, unknown))
    }

    /// Of a model of so many layers: is the tensor of this name no parameter?
    ///
    /// # Errors
    /// A number of further layers that is none.
    pub fn ignores(&self, config: &HfConfig, layers: usize) -> Result<impl Fn(&str) -> bool, LoadError> {
        let key = "num_nextn_predict_layers";
        let more = if config.get(key).is_some() { config.count(key)? } else { self.more_layers };
        Ok(move |name: &str| {
            let number = || name.strip_prefix("model.layers.")?.split('.').next()?.parse::<usize>().ok();
            self.ignored.iter().any(|end| name.ends_with(end))
                || number().is_some_and(|n| (layers..layers.saturating_add(more)).contains(&n))
        })
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
