//! SmolLM3: Bakouch et al., 2025, "SmolLM3: smol, multilingual, long-context reasoner".
//!
//! LLaMA's layers, of which every fourth does not know positions (NoPE; Yang et al., 2025, arXiv 2501.18795): that costs
//! nothing at short contexts and helps at long ones.
use super::{Common, Decoder, common::reaching, windows};
use crate::{LoadError, config::HfConfig};
use raxla::Param;

const DEFAULTS: &str = r#"{"num_key_value_heads": 4, "max_position_embeddings": 32768, "rope_theta": 2000000.0,
    "tie_word_embeddings": true, "no_rope_layer_interval": 4, "use_sliding_window": false}"#;

/// The specification that a configuration means.
pub fn build(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let common = Common::read(c)?;
    let layers = common.num_hidden_layers;
    let every = c.uint("no_rope_layer_interval")?;
    let turned: Vec<bool> = match c.get("no_rope_layers") {
        Some(list) => {
            // 1 stands for a layer that knows positions
            let flag = |v: &serde_json::Value| v.as_bool().or(v.as_u64().filter(|n| *n < 2).map(|n| n == 1));
            let flags = list.as_array().and_then(|list| list.iter().map(flag).collect());
            flags.ok_or_else(|| c.error(format!("`no_rope_layers` is {list}, not a list of 0 and 1")))?
        }
        None => (0..layers).map(|layer| !(layer + 1).is_multiple_of(every)).collect(),
    };
    if turned.len() < layers {
        return Err(c.error(format!("`no_rope_layers` has {} entries for {layers} layers", turned.len())));
    }
    let uses_window = c.bool_or("use_sliding_window", false)?;
    let windows = windows(c, layers, |layer| uses_window && !turned[layer])?;
    let attention = common.attention([c.bool_or("attention_bias", false)?; 2]);
    let mlp = common.mlp(c.bool_or("mlp_bias", false)?);
    Ok(common.decoder(|layer| {
        let rope = turned[layer].then(|| common.rope.clone());
        common.layer(reaching(&attention, windows[layer], rope), mlp.clone())
    }))
}
