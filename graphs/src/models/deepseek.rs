//! DeepSeek V2 (arXiv 2405.04434) and V3 (arXiv 2412.19437); R1 is a V3.
//!
//! Attention is latent: a short vector per position is all that the cache holds of keys and values. After a few dense layers,
//! the MLP is many small experts and some that all tokens go through. Experts stand in groups, of which the best are chosen
//! first, so that a token's experts are on few machines. V3 scores them by a sigmoid each, and balances their use not by a loss
//! but by a bias that counts for the choice alone. Published weights of V3 are fp8 with a scale per block, which loading undoes.
use super::{
    Common, Decoder, FeedForward, Mixer,
    common::in_layer,
    moe::{self, enough},
};
use crate::{LoadError, config::HfConfig};
use raxla::{
    Param,
    nn::{
        AttentionOptions, LatentAttention, Linear, RmsNorm,
        moe::{Experts, GroupScore, Groups, Router, Scoring},
        rope::RopeScaling,
    },
};

const V2: &str = r#"{"max_position_embeddings": 2048, "q_lora_rank": 1536, "first_k_dense_replace": 0, "n_routed_experts": 64,
    "n_shared_experts": 2, "moe_intermediate_size": 1407, "topk_method": "greedy"}"#;
const V3: &str = r#"{"num_key_value_heads": 128, "max_position_embeddings": 4096, "q_lora_rank": 1536, "first_k_dense_replace": 3, "n_routed_experts": 256,
    "n_shared_experts": 1, "moe_intermediate_size": 2048, "n_group": 8, "topk_group": 4, "num_experts_per_tok": 8,
    "norm_topk_prob": true, "routed_scaling_factor": 2.5}"#;
const BOTH: &str = r#"{"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}"#;

/// The specification of a DeepSeek V2.
pub fn build2(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(V2).with_defaults(BOTH);
    let groups = match c.str("topk_method")? {
        "greedy" => None,
        "group_limited_greedy" => groups(c, GroupScore::Best)?,
        other => return Err(c.error(format!("`topk_method` is {other:?}, not \"greedy\" or \"group_limited_greedy\""))),
    };
    let choice = Router { groups, ..Router::softmax(c.uint("num_experts_per_tok")?, false) };
    build(c, choice, c.bool_or("mlp_bias", false)?, true)
}

/// The specification of a DeepSeek V3.
pub fn build3(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(V3).with_defaults(BOTH);
    let choice = Router::softmax(c.uint("num_experts_per_tok")?, c.bool_or_null("norm_topk_prob", true)?);
    let choice = Router { scoring: Scoring::Sigmoid, groups: groups(c, GroupScore::BestTwo)?, ..choice };
    let interleaved = c.bool_or_null("rope_interleave", true)?;
    build(c, choice, false, interleaved)
}

fn build(c: &HfConfig, choice: Router, bias: bool, interleaved: bool) -> Result<Decoder<Param>, LoadError> {
    // (what positions turn of a head is this part, whatever the file says of heads)
    let c = &c.with(&format!(r#"{{"head_dim": {}}}"#, c.uint("qk_rope_head_dim")?));
    let common = Common::read(c)?;
    let attention = Mixer::Latent(attention(c, &common, interleaved)?);
    let choice = Router {
        scale: c.or("routed_scaling_factor", c.positive_opt("routed_scaling_factor")?, 1.0)?,
        wide: true,
        ..choice
    };
    let width = c.uint("moe_intermediate_size")?;
    let count = enough(c, c.uint("n_routed_experts")?, &choice)?;
    let choice_bias = Param::new([count], ["choices"]).stored(in_layer("mlp.gate.e_score_correction_bias"));
    let shared = c.uint_opt("n_shared_experts")?.map(|n| common.mlp_named("mlp.shared_experts", n * width, bias));
    let experts = FeedForward::Experts(Experts {
        choice_bias: (choice.scoring == Scoring::Sigmoid).then_some(choice_bias),
        shared,
        ..common.experts(count, width, moe::NAMES, choice)
    });
    let dense = c.count("first_k_dense_replace")?;
    let mlp = FeedForward::Mlp(common.mlp(bias));
    Ok(common
        .decoder(|layer| common.layer_of(attention.clone(), if layer < dense { mlp.clone() } else { experts.clone() })))
}

fn groups(c: &HfConfig, score: GroupScore) -> Result<Option<Groups>, LoadError> {
    Ok(Some(Groups { count: c.uint("n_group")?, kept: c.uint("topk_group")?, score }))
}

fn attention(c: &HfConfig, common: &Common, interleaved: bool) -> Result<LatentAttention<Param>, LoadError> {
    let (d, h, rank) = (common.hidden_size, common.num_attention_heads, c.uint("kv_lora_rank")?);
    let [n, r, v] = ["qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"].map(|key| c.uint(key));
    let (n, r, v) = (n?, r?, v?);
    let bias = c.bool_or("attention_bias", false)?;
    let name = |part: &str| in_layer(&format!("self_attn.{part}"));
    let linear = |dims, roles, part: &str, bias| Linear::stored(common.matrix(dims, roles), 1, &name(part), bias);
    // (this norm has an ε of its own, whatever the configuration says)
    let norm = |part: &str, size| RmsNorm { eps: 1e-6, ..common.norm_over(&name(part), [size], ["latent"]) };
    let (q_down, q) = match c.uint_opt("q_lora_rank")? {
        None => (None, linear([d, h, n + r], ["embed", "heads", "head"], "q_proj", false)),
        Some(q) => {
            let down = Linear::stored(common.matrix([d, q], ["embed", "latent"]), 1, &name("q_a_proj"), bias);
            let up = linear([q, h, n + r], ["latent", "heads", "head"], "q_b_proj", false);
            (Some((down, norm("q_a_layernorm", q))), up)
        }
    };
    // of each head, rows of the key and then of the value
    let up = |size: usize, first: usize| {
        let w = common.matrix([rank, h, size], ["latent", "heads", "head"]).slice(1, first, n + v);
        Linear::stored(w, 1, &name("kv_b_proj"), false)
    };
    let down = common.matrix([d, rank + r], ["embed", "latent"]);
    let o = common.matrix([h, v, d], ["heads", "head", "embed"]);
    let rope = common.rope.clone();
    // stretched rotations raise the temperature too
    let temperature = match rope.scaling {
        RopeScaling::Yarn { factor, mscale_all_dim: Some(m), .. } if m != 0.0 && factor > 1.0 => {
            0.1 * m * factor.ln() + 1.0
        }
        _ => 1.0,
    };
    let scale = temperature * temperature / ((n + r) as f64).sqrt();
    Ok(LatentAttention {
        q_down,
        q,
        kv_down: Linear::stored(down, 1, &name("kv_a_proj_with_mqa"), bias),
        kv_norm: norm("kv_a_layernorm", rank),
        k: up(n, 0),
        v: up(v, n),
        o: Linear::stored(o, 2, &name("o_proj"), bias),
        options: AttentionOptions { scale, soft_cap: None },
        rope,
        interleaved,
    })
}
