//! Qwen 2 and 2.5: Yang et al., 2024 (arXiv 2407.10671, 2412.15115), and Qwen 3: Yang et al., 2025 (arXiv 2505.09388).
//!
//! LLaMA's layers. Qwen 2 adds biases to queries, keys and values (not to the output), which help with contexts longer than
//! those of the training. Qwen 3 takes them away again, and normalizes each head of the queries and keys instead (QK-norm,
//! arXiv 2302.05442), which keeps the scores from growing while training; its head size is given, not derived. Both may
//! look at a sliding window in the layers from number `max_window_layers` on; no published checkpoint does.
use crate::{
    LoadError,
    architecture::Spec,
    config::HfConfig,
    llama::{Config, Llama},
    parts::{Attention, Common, Mlp, Windows},
};
use raxla::Param;

const DEFAULTS: &str = r#"{"max_position_embeddings": 32768, "sliding_window": 4096, "use_sliding_window": false,
    "max_window_layers": 28}"#;

/// The specification of a Qwen 2, with scanned or unrolled layers.
pub fn build2(c: &HfConfig, scanned: bool) -> Result<Spec<Llama<Param>>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let common = Common::read(c)?;
    let (attention, mlp) = (Attention::spec(&common, [true, false]), Mlp::spec(&common, false));
    Ok(Config { windows: windows(c, &common)?, common }.spec(attention, mlp, scanned))
}

/// The specification of a Qwen 3, with scanned or unrolled layers.
pub fn build3(c: &HfConfig, scanned: bool) -> Result<Spec<Llama<Param>>, LoadError> {
    let c = &c.with_defaults(DEFAULTS).with_defaults(r#"{"head_dim": 128}"#);
    let common = Common::read(c)?;
    let attention = Attention::spec(&common, [c.bool_or("attention_bias", false)?; 2]).normed(&common);
    let mlp = Mlp::spec(&common, false);
    Ok(Config { windows: windows(c, &common)?, common }.spec(attention, mlp, scanned))
}

/// Which layers look at a window.
pub(crate) fn windows(c: &HfConfig, common: &Common) -> Result<Windows, LoadError> {
    let first = c.uint_or("max_window_layers", common.num_hidden_layers)?;
    match c.bool_or("use_sliding_window", false)? {
        true => Windows::read(c, common.num_hidden_layers, |layer| layer >= first),
        false => Ok(Windows::none(common.num_hidden_layers)),
    }
}
