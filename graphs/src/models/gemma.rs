//! Gemma: Gemma Team, 2024 (arXiv 2403.08295), Gemma 2 (arXiv 2408.00118) and Gemma 3, text only (arXiv 2503.19786).
//!
//! Against LLaMA: the embedding is multiplied by the root of the width, and is also the head; norms scale by 1 + gain, so
//! that a weight decay pulls towards the identity; the MLP's gate is a GELU; heads are large (256), whatever the width.
//!
//! * Gemma 2 normalizes what attention and MLP return as well (four norms a layer), squashes attention scores and logits
//!   by a tanh (soft caps), and alternates layers that look at a window with layers that see everything.
//! * Gemma 3 normalizes queries and keys instead of capping, has five local layers to a global one, and two rotary
//!   embeddings: a slow one for the global layers, whose context is long, and the usual one for the local layers.
use super::{
    Common, Decoder, Layer,
    common::{in_layer, reaching, rope_of, within},
    windows,
};
use crate::{LoadError, config::HfConfig};
use raxla::{
    Param,
    nn::{
        Activation, Attention, AttentionOptions, Gains,
        rope::{Rope, RopeScaling},
    },
};

const DEFAULTS: &str = r#"{"head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": true,
    "max_position_embeddings": 8192}"#;
const DEFAULTS_1: &str = r#"{"num_key_value_heads": 16}"#;
const DEFAULTS_2: &str = r#"{"num_key_value_heads": 4, "query_pre_attn_scalar": 256, "sliding_window": 4096, "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0}"#;
const DEFAULTS_3: &str = r#"{"query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6,
    "rope_theta": 1000000.0, "max_position_embeddings": 131072, "vocab_size": 262208, "num_attention_heads": 8,
    "num_key_value_heads": 4}"#;

/// The specification of a Gemma 1.
pub fn build1(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS).with_defaults(DEFAULTS_1);
    // files of the first release say "gelu" and mean its approximation, as transformers knows
    let exact = c.str_opt("hidden_act")? == Some("gelu");
    let c = if exact { &c.with(r#"{"hidden_act": "gelu_pytorch_tanh"}"#) } else { c };
    let common = common(c)?;
    let (attention, mlp) = (common.attention([c.bool_or("attention_bias", false)?; 2]), common.mlp(false));
    Ok(decoder(&common, None, |_| common.layer(attention.clone(), mlp.clone())))
}

/// The specification of a Gemma 2.
pub fn build2(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &with_activation(&c.with_defaults(DEFAULTS).with_defaults(DEFAULTS_2))?;
    let common = common(c)?;
    let windows = windows(c, common.num_hidden_layers, |layer| layer % 2 == 0)?;
    let soft_cap = c.positive_opt("attn_logit_softcapping")?;
    let attention = later_attention(c, &common, soft_cap)?;
    let cap = c.positive_opt("final_logit_softcapping")?;
    Ok(decoder(&common, cap, |layer| four_norms(&common, within(&attention, windows[layer]))))
}

/// The specification of a Gemma 3.
pub fn build3(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &with_activation(&c.with_defaults(DEFAULTS_3).with_defaults(DEFAULTS))?;
    let common = common(c)?;
    let every = c.uint("sliding_window_pattern")?;
    let windows = windows(c, common.num_hidden_layers, |layer| (layer + 1) % every != 0)?;
    let (global, local) = (common.rope.clone(), local_rope(c, &common)?);
    let attention = Attention { qk_norm: common.qk_norm(), ..later_attention(c, &common, None)? };
    let cap = c.positive_opt("final_logit_softcapping")?;
    Ok(decoder(&common, cap, |layer| {
        let rope = if windows[layer].is_some() { &local } else { &global };
        four_norms(&common, reaching(&attention, windows[layer], Some(rope.clone())))
    }))
}

fn common(c: &HfConfig) -> Result<Common, LoadError> {
    Ok(Common { gains: Gains::Centered, ..Common::read(c)? })
}

fn decoder(common: &Common, logit_cap: Option<f64>, layer: impl Fn(usize) -> Layer<Param>) -> Decoder<Param> {
    let embed_scale = Some((common.hidden_size as f64).sqrt());
    Decoder { embed_scale, logit_cap, ..common.decoder(layer) }
}

/// Since Gemma 2 the activation has another name, whatever `hidden_act` says beside it.
fn with_activation(c: &HfConfig) -> Result<HfConfig, LoadError> {
    let act = c.str_or("hidden_activation", "gelu_pytorch_tanh")?;
    act.parse::<Activation>().map_err(|e| c.error(format!("`hidden_activation`: {e}")))?;
    Ok(c.with(&format!(r#"{{"hidden_act": "{act}"}}"#)))
}

/// The layer since Gemma 2.
fn four_norms(common: &Common, attention: Attention<Param>) -> Layer<Param> {
    let norm = |name: &str| Some(common.norm(&in_layer(name)));
    Layer {
        mixer_post_norm: norm("post_attention_layernorm"),
        mlp_norm: norm("pre_feedforward_layernorm"),
        mlp_post_norm: norm("post_feedforward_layernorm"),
        ..common.layer(attention, common.mlp(false))
    }
}

/// Attention since Gemma 2: its scale is a number of its own, and scores may be capped.
fn later_attention(c: &HfConfig, common: &Common, soft_cap: Option<f64>) -> Result<Attention<Param>, LoadError> {
    let options = AttentionOptions { scale: 1.0 / c.positive("query_pre_attn_scalar")?.sqrt(), soft_cap };
    Ok(Attention { options, ..common.attention([c.bool_or("attention_bias", false)?; 2]) })
}

/// How positions turn queries and keys of Gemma 3's local layers.
fn local_rope(c: &HfConfig, common: &Common) -> Result<Rope, LoadError> {
    let (dim, context) = (common.rope.dim, common.max_position_embeddings);
    let theta = c.or("rope_local_base_freq", c.positive_opt("rope_local_base_freq")?, 10000.0)?;
    let (local, global) = ("sliding_attention", "full_attention");
    let own = |kind| c.get("rope_parameters").is_some_and(|r| r.get(kind).is_some_and(|r| r.is_object()));
    if own(local) {
        let c = c.with(&format!(r#"{{"rope_theta": {theta}}}"#));
        return rope_of(&c, c.rope_of(local)?, dim, context);
    }
    if c.get("rope_parameters").is_some() && !own(global) {
        return Err(c.error(format!("`rope_parameters` is not divided into `{global}` and `{local}`")));
    }
    Ok(Rope { dim, theta, scaling: RopeScaling::Default })
}
