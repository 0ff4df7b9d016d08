//! Gemma: Gemma Team, 2024 (arXiv 2403.08295), Gemma 2 (arXiv 2408.00118) and Gemma 3, text only (arXiv 2503.19786).
//!
//! Against LLaMA: the embedding is multiplied by the root of the width, and is also the head; norms scale by 1 + gain, so
//! that a weight decay pulls towards the identity; the MLP's gate is a GELU; heads are large (256), whatever the width.
//!
//! * Gemma 2 normalizes what attention and MLP return as well (four norms a layer), squashes attention scores and logits
//!   by a tanh (soft caps), and alternates layers that look at a window with layers that see everything.
//! * Gemma 3 normalizes queries and keys instead of capping, has five local layers to a global one, and two rotary
//!   embeddings: a slow one for the global layers, whose context is long, and the usual one for the local layers.
use crate::{
    LoadError,
    architecture::{Decoder, Input, Output, Spec},
    config::HfConfig,
    parts::{Attention, Common, Mlp, Windows, embed, in_layer, logits, positions, run_layers},
};
use raxla::{
    Param, Tensor, Tree,
    nn::{
        AttentionOptions, KvCache, Layers, RmsNorm, Sight,
        rope::{Rope, RopeScaling, Rotation},
    },
    scope,
};

const DEFAULTS: &str = r#"{"head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": true,
    "max_position_embeddings": 8192}"#;
const DEFAULTS_2: &str = r#"{"query_pre_attn_scalar": 256, "sliding_window": 4096, "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0}"#;
const DEFAULTS_3: &str = r#"{"query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6,
    "rope_theta": 1000000.0, "max_position_embeddings": 131072, "vocab_size": 262208, "num_attention_heads": 8,
    "num_key_value_heads": 4}"#;

/// The numbers of a Gemma of any generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Those that all decoders have; its rotary embedding is that of the global layers.
    pub common: Common,
    /// Which layers see only the latest positions.
    pub windows: Windows,
    /// The rotary embedding of those layers, if it is another one.
    pub local_rope: Option<Rope>,
    /// Soft cap of the logits.
    pub final_cap: Option<f64>,
}

impl Config {
    fn read(c: &HfConfig, windows: Windows) -> Result<Config, LoadError> {
        let common = Common { centered_norms: true, ..Common::read(c)? };
        Ok(Config { common, windows, local_rope: None, final_cap: c.float_opt("final_logit_softcapping")? })
    }
    fn spec(self, attn: Attention<Param>, post_norms: bool, scanned: bool) -> Spec<Gemma<Param>> {
        let c = &self.common;
        let norm = |name: &str| c.norm(&in_layer(name));
        let mlp_norm = if post_norms { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
        let block = Block {
            attn_norm: norm("input_layernorm"),
            attn,
            attn_post: post_norms.then(|| norm("post_attention_layernorm")),
            mlp_norm: norm(mlp_norm),
            mlp: Mlp::spec(c, false),
            mlp_post: post_norms.then(|| norm("post_feedforward_layernorm")),
        };
        let params = Gemma {
            embed: c.embedding(),
            layers: Layers::spec(&block, c.num_hidden_layers, scanned),
            norm: c.norm("model.norm"),
            head: Some(c.head()),
            config: self.clone(),
        };
        Spec { params, sizes: c.sizes(), scanned, windows: self.windows }
    }
}

/// The specification of a Gemma 1, with scanned or unrolled layers.
pub fn build1(c: &HfConfig, scanned: bool) -> Result<Spec<Gemma<Param>>, LoadError> {
    let c = &c.with_defaults(DEFAULTS);
    let config = Config::read(c, Windows::none(c.layers("num_hidden_layers")?))?;
    let attention = Attention::spec(&config.common, [c.bool_or("attention_bias", false)?; 2]);
    Ok(config.spec(attention, false, scanned))
}

/// The specification of a Gemma 2.
pub fn build2(c: &HfConfig, scanned: bool) -> Result<Spec<Gemma<Param>>, LoadError> {
    let c = &c.with_defaults(DEFAULTS).with_defaults(DEFAULTS_2);
    let windows = Windows::read(c, c.layers("num_hidden_layers")?, |layer| layer % 2 == 0)?;
    let config = Config::read(c, windows)?;
    let attention = later_attention(c, &config.common)?;
    Ok(config.spec(attention, true, scanned))
}

/// The specification of a Gemma 3.
pub fn build3(c: &HfConfig, scanned: bool) -> Result<Spec<Gemma<Param>>, LoadError> {
    let c = &c.with_defaults(DEFAULTS_3).with_defaults(DEFAULTS);
    let every = c.uint("sliding_window_pattern")?;
    let windows = Windows::read(c, c.layers("num_hidden_layers")?, |layer| (layer + 1) % every != 0)?;
    let config = Config::read(c, windows)?;
    let local = match c.get("rope_parameters").and_then(|r| r.get("sliding_attention")) {
        Some(_) => {
            let rope = c.rope_of("sliding_attention")?;
            Rope { theta: rope.theta, scaling: rope.scaling, ..config.common.rope.clone() }
        }
        None => {
            let theta = c.float_or("rope_local_base_freq", 10000.0)?;
            Rope { theta, scaling: RopeScaling::Default, ..config.common.rope.clone() }
        }
    };
    let attention = later_attention(c, &config.common)?.normed(&config.common);
    Ok(Config { local_rope: Some(local), ..config }.spec(attention, true, scanned))
}

/// Attention since Gemma 2: its scale is a number of its own, and scores may be capped.
fn later_attention(c: &HfConfig, common: &Common) -> Result<Attention<Param>, LoadError> {
    let options = AttentionOptions {
        scale: 1.0 / c.float("query_pre_attn_scalar")?.sqrt(),
        soft_cap: c.float_opt("attn_logit_softcapping")?,
    };
    Ok(Attention { options, ..Attention::spec(common, [c.bool_or("attention_bias", false)?; 2]) })
}

/// The model.
#[derive(Tree, Clone, Debug)]
pub struct Gemma<T = Tensor> {
    /// `[vocab, d]`
    pub embed: T,
    /// The blocks.
    pub layers: Layers<Block<T>>,
    /// Before the head.
    pub norm: RmsNorm<T>,
    /// `[d, vocab]`. Without it the embedding itself is the head, as training needs.
    pub head: Option<T>,
    /// The numbers.
    #[tree(skip)]
    pub config: Config,
}

/// One layer.
#[derive(Tree, Clone, Debug)]
pub struct Block<T = Tensor> {
    /// Before attention.
    pub attn_norm: RmsNorm<T>,
    /// Self-attention.
    pub attn: Attention<T>,
    /// Behind it (since Gemma 2).
    pub attn_post: Option<RmsNorm<T>>,
    /// Before the MLP.
    pub mlp_norm: RmsNorm<T>,
    /// Gated MLP.
    pub mlp: Mlp<T>,
    /// Behind it (since Gemma 2).
    pub mlp_post: Option<RmsNorm<T>>,
}

impl Decoder for Gemma {
    fn forward(&self, input: Input) -> Output {
        let Config { common, windows, local_rope, .. } = &self.config;
        let at = positions(&input);
        let global = common.rope.rotations(at, input.length);
        let local = local_rope.as_ref().map(|rope| rope.rotations(at, input.length));
        let layer = |x: Tensor, block: Block, number, cache| {
            let rotation = match (local, windows.is_local(number)) {
                (Some(local), Some(condition)) => Rotation::select(condition, local, global),
                (Some(local), None) if windows.local.contains(&true) => local,
                _ => global,
            };
            block.call(x, cache, rotation, windows.sight(number, &input))
        };
        let x = embed(self.embed, input.tokens) * (common.hidden_size as f64).sqrt();
        run_layers(&self.layers, x, &input, layer, |x| self.norm.call(x))
    }
    fn logits(&self, hidden: Tensor) -> Tensor {
        let logits = logits(hidden, self.head, self.embed);
        self.config.final_cap.map_or(logits, |cap| (logits / cap).tanh() * cap)
    }
}

impl Block {
    fn call(&self, x: Tensor, cache: Option<KvCache>, rotation: Rotation, at: Sight) -> (Tensor, Option<KvCache>) {
        let behind = |norm: &Option<RmsNorm>, x: Tensor| norm.as_ref().map_or(x, |norm| norm.call(x));
        let (attended, cache) = scope("attn", || self.attn.call(self.attn_norm.call(x), cache, rotation, at));
        let x = x + behind(&self.attn_post, attended);
        (x + behind(&self.mlp_post, scope("mlp", || self.mlp.call(self.mlp_norm.call(x)))), cache)
    }
}
