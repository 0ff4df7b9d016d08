//! OLMo 2: OLMo Team, 2025 (arXiv 2501.00656).
//!
//! LLaMA's attention and MLP read the stream as it is; norms stand behind them, before what they return is added, which keeps
//! the training of deep models stable. Queries and keys are normalized over all heads together.
use super::{Common, Decoder, Layer, common::in_layer};
use crate::{LoadError, config::HfConfig};
use raxla::{
    Param,
    nn::{Attention, Gains},
};

const DEFAULTS: &str = r#"{"max_position_embeddings": 2048, "rms_norm_eps": 1e-5}"#;

/// The specification that a configuration means.
pub fn build(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let common = Common { gains: Gains::Wide, ..Common::read(c)? };
    let over_heads = |name: &str, n: usize, role| {
        common.norm_over(&in_layer(&format!("self_attn.{name}")), [n, common.head_dim], [role, "head"])
    };
    let attention = Attention {
        qk_norm: Some((
            over_heads("q_norm", common.num_attention_heads, "heads"),
            over_heads("k_norm", common.num_key_value_heads, "kv_heads"),
        )),
        ..common.attention([c.bool_or("attention_bias", false)?; 2])
    };
    let norm = |name: &str| Some(common.norm(&in_layer(name)));
    Ok(common.decoder(|_| Layer {
        mixer_norm: None,
        mixer_post_norm: norm("post_attention_layernorm"),
        mlp_norm: None,
        mlp_post_norm: norm("post_feedforward_layernorm"),
        ..common.layer(attention.clone(), common.mlp(false))
    }))
}
