//! Mistral 7B: Jiang et al., 2023 (arXiv 2310.06825).
//!
//! LLaMA's layers with grouped-query attention throughout. The first version (v0.1) looks only at a sliding window of the
//! latest 4096 positions in every layer: what is further back still arrives through the layers in between, and a cache
//! need not grow beyond the window. From v0.2 on, with a longer context, there is no window (`sliding_window` is null).
use super::{Common, Decoder, common::within};
use crate::{LoadError, config::HfConfig};
use raxla::Param;

const DEFAULTS: &str = r#"{"num_key_value_heads": 8, "sliding_window": 4096, "max_position_embeddings": 131072}"#;

/// The specification that a configuration means.
pub fn build(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let common = Common::read(c)?;
    let attention = within(&common.attention([false; 2]), c.uint_opt("sliding_window")?);
    let mlp = common.mlp(false);
    Ok(common.decoder(|_| common.layer(attention.clone(), mlp.clone())))
}
