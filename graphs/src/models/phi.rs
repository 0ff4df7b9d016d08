//! Phi-3: Abdin et al., 2024 (arXiv 2404.14219), Phi-3.5 and Phi-4.
//!
//! LLaMA's layers. A checkpoint holds queries, keys and values as one matrix, and gate and up as one: rows of all query heads,
//! then of all key heads, then of all value heads. Longer contexts divide each frequency by a factor of its own, of which there
//! is a set for short and one for long sequences (LongRoPE, arXiv 2402.13753). Phi-4-mini turns only three quarters of a head.
use super::{
    Common, Decoder,
    common::{in_layer, within},
};
use crate::{LoadError, config::HfConfig};
use raxla::{
    Param,
    nn::{Glu, Linear, Mlp},
};

const DEFAULTS: &str =
    r#"{"max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5}"#;

/// The specification that a configuration means.
pub fn build(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let common = Common::read(c)?;
    let (d, f) = (common.hidden_size, common.intermediate_size);
    let (h, g, k) = (common.num_attention_heads, common.num_key_value_heads, common.head_dim);
    let linear = |w: Param, name: &str| Linear::stored(w, 1, &in_layer(name), false);
    let heads = |n: usize, role, first: usize| {
        let w = common.matrix([d, n, k], ["embed", role, "head"]);
        linear(w.slice(0, first, h + 2 * g), "self_attn.qkv_proj")
    };
    let o = common.matrix([h, k, d], ["heads", "head", "embed"]);
    let o = Linear::stored(o, 2, &in_layer("self_attn.o_proj"), false);
    let attention =
        common.attention_of([heads(h, "heads", 0), heads(g, "kv_heads", h), heads(g, "kv_heads", h + g), o]);
    let half =
        |first: usize| linear(common.matrix([d, f], ["embed", "mlp"]).slice(0, first, 2 * f), "mlp.gate_up_proj");
    let mlp = Mlp {
        gate: Some(half(0)),
        up: half(f),
        down: linear(common.matrix([f, d], ["mlp", "embed"]), "mlp.down_proj"),
        act: Glu::Act(common.hidden_act),
    };
    let attention = within(&attention, c.uint_opt("sliding_window")?);
    Ok(common.decoder(|_| common.layer(attention.clone(), mlp.clone())))
}
