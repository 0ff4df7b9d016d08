//! LLaMA: Touvron et al., 2023 (arXiv 2302.13971), and what shares its shape: LLaMA 2 and 3, TinyLlama, OpenLLaMA, SmolLM2.
//!
//! Against the original transformer: norms stand before attention and MLP and only rescale (RMS norm); positions turn
//! queries and keys (rotary embeddings) instead of being added; the MLP is gated (SwiGLU, arXiv 2002.05202); several query
//! heads share one head of keys and values (grouped-query attention, since LLaMA 2 70B), which shrinks the cache.
//!
//! Most families since are this, with a few deviations.
use super::{Common, Decoder};
use crate::{LoadError, config::HfConfig};
use raxla::Param;

/// The specification that a configuration means.
pub fn build(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let common = Common::read(c)?;
    let attention = common.attention([c.bool_or("attention_bias", false)?; 2]);
    let mlp = common.mlp(c.bool_or("mlp_bias", false)?);
    Ok(common.decoder(|_| common.layer(attention.clone(), mlp.clone())))
}
