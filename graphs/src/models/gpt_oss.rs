//! GPT-OSS: OpenAI, 2025 (arXiv 2508.10925).
//!
//! Every layer is a mixture of experts with biases, and every second one looks at a window of 128 positions. Each head has a
//! learned sink: a score that takes part in the softmax and has no value, so that a head can look at nothing. The MLP's gate
//! is clamped, and the linear part is added to 1. Checkpoints hold gate and up as alternating columns of one array, and
//! quantized (MXFP4), which loading undoes.
use super::{
    Common, Decoder, FeedForward, Mixer,
    common::{in_layer, within},
    moe::enough,
    windows,
};
use crate::{LoadError, config::HfConfig};
use raxla::{
    Param,
    nn::{
        Attention, Gains, Glu, Linear,
        moe::{Dispatch, Experts, Router},
    },
};

const DEFAULTS: &str = r#"{"num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
    "rope_theta": 150000.0, "sliding_window": 128, "num_experts_per_tok": 4, "attention_bias": true, "swiglu_alpha": 1.702,
    "swiglu_limit": 7.0, "num_local_experts": 128}"#;
const ROPE: &str = r#"{"rope_scaling": {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
    "truncate": false, "original_max_position_embeddings": 4096}}"#;

/// The specification that a configuration means.
pub fn build(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let is_some = |key| c.get(key).is_some_and(|v| v.as_object().is_none_or(|map| !map.is_empty()));
    let has_rope = is_some("rope_parameters") || is_some("rope_scaling");
    let c = &if has_rope { c.clone() } else { c.with(ROPE) };
    let common = Common { gains: Gains::Wide, ..Common::read(c)? };
    let windows = windows(c, common.num_hidden_layers, |layer| layer % 2 == 0)?;
    let sinks = Param::new([common.num_attention_heads], ["heads"]).normal(common.initializer_range);
    let attention = Attention {
        sinks: Some(sinks.stored(in_layer("self_attn.sinks"))),
        ..common.attention([c.bool_or("attention_bias", true)?; 2])
    };
    let experts = FeedForward::Experts(experts(c, &common)?);
    Ok(common.decoder(|layer| common.layer_of(Mixer::Attention(within(&attention, windows[layer])), experts.clone())))
}

fn experts(c: &HfConfig, common: &Common) -> Result<Experts<Param>, LoadError> {
    let choice = Router::softmax(c.uint("num_experts_per_tok")?, true);
    let e = enough(c, c.uint("num_local_experts")?, &choice)?;
    let (d, f) = (common.hidden_size, common.intermediate_size);
    let stored = |p: Param, name: &str| p.stored(in_layer(&format!("mlp.experts.{name}")));
    // even columns are the gate's, odd ones the linear part's
    let of_pair = |first: usize| {
        let w = common.matrix([e, d, f], ["experts", "embed", "mlp"]).strided(2, first, 2, 2 * f);
        let b = Param::new([e, f], ["experts", "mlp"]).strided(1, first, 2, 2 * f);
        (stored(w, "gate_up_proj"), stored(b, "gate_up_proj_bias"))
    };
    let ((gate, gate_bias), (up, up_bias)) = (of_pair(0), of_pair(1));
    let down_bias = stored(Param::new([e, d], ["experts", "embed"]), "down_proj_bias");
    let router = common.matrix([d, e], ["embed", "choices"]);
    Ok(Experts {
        router: Linear::stored(router, 1, &in_layer("mlp.router"), true),
        choice_bias: None,
        gate,
        up,
        down: stored(common.matrix([e, f, d], ["experts", "mlp", "embed"]), "down_proj"),
        biases: Some((gate_bias, up_bias, down_bias)),
        shared: None,
        choice,
        dispatch: Dispatch::Grouped,
        act: Glu::Clamped { alpha: c.positive("swiglu_alpha")?, limit: c.positive("swiglu_limit")? },
    })
}
