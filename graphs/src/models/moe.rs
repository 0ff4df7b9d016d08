//! Mixtral: Jiang et al., 2024 (arXiv 2401.04088), and Qwen 3's mixtures of experts (arXiv 2505.09388).
//!
//! LLaMA's layers with, in place of the MLP, many of them (8; Qwen 128): a router chooses the best few (2; Qwen 8) for each
//! token and adds up what they return, weighted by their probabilities. So the parameters grow, but not the work per token.
//! Mixtral's attention is Mistral's, and its weights are the probabilities of the chosen experts only. Qwen's attention
//! is Qwen 3's; its experts are small, and some layers may keep a plain MLP.
//!
//! Training adds the load-balancing loss of the routers' scores ([`Decoder::balance_loss`]), or a few experts would get all
//! tokens.
use super::{Common, Decoder, FeedForward, Mixer, common::within, qwen};
use crate::{LoadError, config::HfConfig};
use raxla::{Param, nn::moe::Router};

const MIXTRAL: &str = r#"{"num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0, "num_experts_per_tok": 2, "num_local_experts": 8}"#;
const QWEN: &str = r#"{"num_key_value_heads": 4, "max_position_embeddings": 32768, "num_experts_per_tok": 8,
    "moe_intermediate_size": 768, "norm_topk_prob": false, "decoder_sparse_step": 1,
    "num_experts": 128, "sliding_window": 4096}"#;

/// What checkpoints of Mixtral call experts: the part of a layer, gate, up and down.
pub(super) const MIXTRAL_NAMES: [&str; 4] = ["block_sparse_moe", "w1", "w3", "w2"];
/// The same of others.
pub(super) const NAMES: [&str; 4] = ["mlp", "gate_proj", "up_proj", "down_proj"];

/// The specification of a Mixtral.
pub fn mixtral(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(MIXTRAL);
    let common = Common::read(c)?;
    let choice = Router::softmax(c.uint("num_experts_per_tok")?, true);
    let count = enough(c, c.uint("num_local_experts")?, &choice)?;
    let experts = FeedForward::Experts(common.experts(count, common.intermediate_size, MIXTRAL_NAMES, choice));
    let attention = within(&common.attention([false; 2]), c.uint_opt("sliding_window")?);
    Ok(common.decoder(|_| common.layer_of(Mixer::Attention(attention.clone()), experts.clone())))
}

/// The specification of a Qwen 3 with experts.
pub fn qwen3(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(QWEN);
    let common = Common::read(c)?;
    let choice = Router::softmax(c.uint("num_experts_per_tok")?, c.bool_or("norm_topk_prob", false)?);
    let count = enough(c, c.uint("num_experts")?, &choice)?;
    let experts = FeedForward::Experts(common.experts(count, c.uint("moe_intermediate_size")?, NAMES, choice));
    let mlp = FeedForward::Mlp(common.mlp(false));
    let (every, windowed) = (c.uint("decoder_sparse_step")?, c.bool_or("use_sliding_window", false)?);
    let kept: Vec<u64> =
        c.get("mlp_only_layers").and_then(|v| v.as_array()).into_iter().flatten().filter_map(|v| v.as_u64()).collect();
    let is_sparse = |layer: usize| (layer + 1).is_multiple_of(every) && !kept.contains(&(layer as u64));
    // a window, where there is one, is that of all layers
    let window = c.uint_opt("sliding_window")?.filter(|_| windowed);
    let attention = within(&qwen::attention3(c, &common)?, window);
    Ok(common.decoder(|layer| {
        let mixer = Mixer::Attention(attention.clone());
        common.layer_of(mixer, if is_sparse(layer) { experts.clone() } else { mlp.clone() })
    }))
}

/// The number of experts, of which there are as many as a token goes through, also in the groups that are kept.
pub(super) fn enough(c: &HfConfig, count: usize, choice: &Router) -> Result<usize, LoadError> {
    // (there are lists of that length: a damaged number must not fill the memory)
    const MOST: usize = 65536;
    let k = choice.per_token;
    let groups = choice.groups.map(|groups| (groups.count, groups.kept));
    let wrong = match groups {
        _ if count > MOST => format!("{count} experts: no model has more than {MOST}"),
        _ if k > count => format!("`num_experts_per_tok` is {k}, but there are only {count} experts"),
        Some((n, _)) if !count.is_multiple_of(n) || count / n < 2 => {
            format!("`n_group` is {n}, which does not make groups of at least two of the {count} experts")
        }
        Some((n, kept)) if kept > n => format!("`topk_group` is {kept}, but there are only {n} groups"),
        Some((n, kept)) if k > kept * (count / n) => {
            format!("`num_experts_per_tok` is {k}, but {kept} groups have only {} experts", kept * (count / n))
        }
        _ => return Ok(count),
    };
    Err(c.error(wrong))
}
