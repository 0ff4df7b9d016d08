//! GPT-2: Radford et al., 2019, "Language Models are Unsupervised Multitask Learners".
//!
//! The plain decoder: layer norms stand before attention and MLP, positions are learned vectors added to the tokens, the
//! MLP is four times as wide with a GELU between, and the head is the transposed embedding. OpenAI's checkpoint holds its
//! matrices as `[in, out]` ("Conv1D"), with queries, keys and values in one.
use super::{Decoder, FeedForward, Layer, Mixer};
use crate::{LoadError, config::HfConfig};
use raxla::{
    Param,
    nn::{
        Activation, Attention, AttentionOptions, Embedding, Glu, Head, LayerNorm, Layers, Learned, Linear, Mlp, Norm,
        Reach,
    },
};

const DEFAULTS: &str = r#"{"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "initializer_range": 0.02}"#;

/// The specification that a configuration means.
pub fn build(c: &HfConfig) -> Result<Decoder<Param>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let (v, n, d, h, layers) =
        (c.uint("vocab_size")?, c.uint("n_positions")?, c.uint("n_embd")?, c.uint("n_head")?, c.layers("n_layer")?);
    if !d.is_multiple_of(h) {
        return Err(c.error(format!("`n_head` {h} does not divide `n_embd` {d}")));
    }
    let (k, f) = (d / h, c.uint_opt("n_inner")?.unwrap_or(4 * d));
    let (eps, std) = (c.positive("layer_norm_epsilon")? as f32, c.float("initializer_range")?);
    let act: Activation =
        c.str("activation_function")?.parse().map_err(|e| c.error(format!("`activation_function`: {e}")))?;

    let norm = |name: &str| {
        let part = |kind: &str| Param::new([d], ["embed"]).stored(format!("transformer.{name}.{kind}"));
        Norm::Layer(LayerNorm { gain: part("weight").ones(), bias: part("bias"), eps })
    };
    // a matrix of which the first axes are inputs, and its bias
    let linear = |w: Param, inputs: usize, name: &str| {
        let stored = |p: Param, kind: &str| p.stored(format!("transformer.h.{{}}.{name}.{kind}"));
        let b = stored(w.bias(inputs), "bias");
        Linear::of(stored(w, "weight"), inputs, Some(b))
    };
    // queries, keys and values are columns of one matrix
    let qkv = |part: usize| {
        let w = Param::new([d, h, k], ["embed", "heads", "head"]).normal(std);
        linear(w.merged([d, 3 * d]).slice(1, part * h, 3 * h), 1, "attn.c_attn")
    };
    // projections into the residual stream start smaller, so that its variance does not grow with depth
    let residual = std / (2.0 * layers as f64).sqrt();
    let o = Param::new([h, k, d], ["heads", "head", "embed"]).normal(residual).merged([d, d]);
    let scale = if c.bool_or("scale_attn_weights", true)? { 1.0 / (k as f64).sqrt() } else { 1.0 };
    let attention = Attention {
        q: qkv(0),
        k: qkv(1),
        v: qkv(2),
        o: linear(o, 2, "attn.c_proj"),
        qk_norm: None,
        sinks: None,
        options: AttentionOptions { scale, soft_cap: None },
        scaled_by_layer: c.bool_or("scale_attn_by_inverse_layer_idx", false)?,
        reach: vec![Reach::default()],
    };
    let mlp = Mlp {
        gate: None,
        up: linear(Param::new([d, f], ["embed", "mlp"]).normal(std), 1, "mlp.c_fc"),
        down: linear(Param::new([f, d], ["mlp", "embed"]).normal(residual), 1, "mlp.c_proj"),
        act: Glu::Act(act),
    };
    let layer = Layer {
        mixer_norm: Some(norm("h.{}.ln_1")),
        mixer: Mixer::Attention(attention),
        mixer_post_norm: None,
        mlp_norm: Some(norm("h.{}.ln_2")),
        mlp: FeedForward::Mlp(mlp),
        mlp_post_norm: None,
    };

    let wte = Param::new([v, d], ["vocab", "embed"]).normal(std).stored("transformer.wte.weight");
    let wpe = Param::new([n, d], ["positions", "embed"]).normal(std).stored("transformer.wpe.weight");
    // a second copy of the embedding, in the order that matrix-vector products want
    let head = Param::new([d, v], ["embed", "vocab"]).normal(std).transposed(1);
    let head = match c.bool_or("tie_word_embeddings", true)? {
        true => head.stored("transformer.wte.weight").tied_to("embed.table"),
        false => head.stored("lm_head.weight"),
    };
    Ok(Decoder {
        embed: Embedding::new(wte),
        positions: Some(Learned { table: wpe }),
        layers: Layers::list(vec![layer; layers]),
        norm: norm("ln_f"),
        head: Head::new(Some(head)),
        embed_scale: None,
        logit_cap: None,
        context: n,
        cache_dtype: None,
    })
}

/// The configurations of the published sizes: `124M`, `355M`, `774M` and `1.5B`.
pub fn published(size: &str) -> Option<HfConfig> {
    let (layers, heads, width) = match size {
        "124M" => (12, 12, 768),
        "355M" => (24, 16, 1024),
        "774M" => (36, 20, 1280),
        "1.5B" => (48, 25, 1600),
        _ => return None,
    };
    let config = serde_json::json!({"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_layer": layers,
        "n_head": heads, "n_embd": width});
    HfConfig::parse(&config.to_string(), "the published configuration").ok()
}
