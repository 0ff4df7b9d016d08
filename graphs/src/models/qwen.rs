//! Qwen 2 and 2.5: Yang et al., 2024 (arXiv 2407.10671, 2412.15115), and Qwen 3: Yang et al., 2025 (arXiv 2505.09388).
//!
//! LLaMA's layers. Qwen 2 adds biases to queries, keys and values (not to the output), which help with contexts longer than
//! those of the training. Qwen 3 takes them away again, and normalizes each head of the queries and keys instead (QK-norm,
//! arXiv 2302.05442), which keeps the scores from growing while training; its head size is given, not derived. Both may
//! look at a sliding window in the layers from number `max_window_layers` on; no published checkpoint does.
use super::{Common, Decoder, common::within, windows};
use crate::{LoadError, config::HfConfig};
use raxla::{Param, nn::Attention};

const DEFAULTS: &str = r#"{"num_key_value_heads": 32, "max_position_embeddings": 32768, "sliding_window": 4096, "use_sliding_window": false,
    "max_window_layers": 28}"#;

/// The specification of a Qwen 2.
pub fn build2(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let common = Common::read(c)?;
    decoder(c, &common, common.attention([true, false]))
}

/// The specification of a Qwen 3.
pub fn build3(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS).with_defaults(r#"{"head_dim": 128}"#);
    let common = Common::read(c)?;
    decoder(c, &common, attention3(c, &common)?)
}

/// Qwen 3's attention.
pub(super) fn attention3(c: &HfConfig, common: &Common) -> Result<Attention<Param>, LoadError> {
    let attention = common.attention([c.bool_or("attention_bias", false)?; 2]);
    Ok(Attention { qk_norm: common.qk_norm(), ..attention })
}

fn decoder(c: &HfConfig, common: &Common, attention: Attention<Param>) -> Result<Decoder<Param>, LoadError> {
    let (windows, mlp) = (late_windows(c, common)?, common.mlp(false));
    Ok(common.decoder(|layer| common.layer(within(&attention, windows[layer]), mlp.clone())))
}

/// The window of each layer.
pub(super) fn late_windows(c: &HfConfig, common: &Common) -> Result<Vec<Option<usize>>, LoadError> {
    let first = c.count("max_window_layers")?;
    // (files name a size that is not used)
    let used = c.bool_or("use_sliding_window", false)?;
    let c = if used { c } else { &c.with(r#"{"sliding_window": null}"#) };
    windows(c, common.num_hidden_layers, |layer| layer >= first)
}
