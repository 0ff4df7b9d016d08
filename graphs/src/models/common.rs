//! What the families are made of: the numbers they share, and the parts of a layer by their usual names.
//!
//! A family's file says how its layers put these together, and nothing else.
use super::{Decoder, FeedForward, Layer, Mixer};
use crate::{LoadError, config::HfConfig};
use raxla::{
    Param,
    nn::{
        Activation, Attention, AttentionOptions, Embedding, Gains, Glu, Head, Layers, Linear, Mlp, Norm, Reach,
        RmsNorm,
        moe::{Dispatch, Experts, Router},
        rope::{Rope, RopeScaling},
    },
};

/// The numbers that decoders share, named as in config.json.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Common {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub max_position_embeddings: usize,
    pub rms_norm_eps: f64,
    pub hidden_act: Activation,
    pub tie_word_embeddings: bool,
    pub initializer_range: f64,
    pub rope: Rope,
    /// How norms apply their gains.
    pub gains: Gains,
}

impl Common {
    /// Read them from Hugging Face's configuration, with the family's defaults in it.
    pub fn read(c: &HfConfig) -> Result<Common, LoadError> {
        let (hidden_size, heads) = (c.uint("hidden_size")?, c.uint("num_attention_heads")?);
        let kv_heads = c.uint_opt("num_key_value_heads")?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(
                c.error(format!("`num_key_value_heads` {kv_heads} does not divide `num_attention_heads` {heads}"))
            );
        }
        let head_dim = c.uint_opt("head_dim")?.unwrap_or(hidden_size / heads);
        // products of three of these are counted
        const MOST: usize = 1 << 21;
        let sizes = [("hidden_size", hidden_size), ("num_attention_heads", heads), ("head_dim", head_dim)];
        let sizes = sizes.into_iter().chain([("intermediate_size", c.uint("intermediate_size")?)]);
        if let Some((key, n)) = sizes.into_iter().find(|(_, n)| *n > MOST) {
            return Err(c.error(format!("`{key}` is {n}: no model has more than {MOST}")));
        }
        let max_position_embeddings = c.uint_or("max_position_embeddings", 2048)?;
        let act = c.str_or("hidden_act", "silu")?;
        let rope = c.rope_of("full_attention")?;
        if rope.partial_rotary_factor != 1.0 && c.model_type != "phi3" && !c.is_gguf() {
            let (part, family) = (rope.partial_rotary_factor, &c.model_type);
            return Err(c.error(format!(
                "`partial_rotary_factor` is {part}, but all of a head is turned in models of type {family}\n  help: remove it if \
                 the weights were trained so"
            )));
        }
        let dim = (head_dim as f64 * rope.partial_rotary_factor) as usize;
        Ok(Common {
            vocab_size: c.uint("vocab_size")?,
            hidden_size,
            intermediate_size: c.uint("intermediate_size")?,
            num_hidden_layers: c.layers("num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            max_position_embeddings,
            rms_norm_eps: c.or("rms_norm_eps", c.positive_opt("rms_norm_eps")?, 1e-6)?,
            hidden_act: act.parse().map_err(|e| c.error(format!("`hidden_act`: {e}")))?,
            tie_word_embeddings: c.bool_or("tie_word_embeddings", false)?,
            initializer_range: c.float_or("initializer_range", 0.02)?,
            rope: rope_of(c, rope, dim, max_position_embeddings)?,
            gains: Gains::Rounded,
        })
    }

    /// Most tokens of a sequence.
    pub fn context(&self) -> usize {
        // Files that were stretched after training give the length of the training as their limit, which is meant to be passed.
        // LLaMA 3 and longrope give the stretched one; so do some files with yarn, whose original length stands beside it.
        let (length, factor) = match self.rope.scaling {
            RopeScaling::Linear { factor } | RopeScaling::Dynamic { factor, .. } => {
                (self.max_position_embeddings, factor)
            }
            RopeScaling::Yarn { factor, original_max_position_embeddings: original, .. } => (original, factor),
            _ => (self.max_position_embeddings, 1.0),
        };
        // (positions are i32)
        self.max_position_embeddings.max((length as f64 * factor) as usize).min(i32::MAX as usize)
    }

    /// A matrix with random initial values.
    pub fn matrix<const N: usize>(&self, dims: [usize; N], roles: [&'static str; N]) -> Param {
        Param::new(dims, roles).normal(self.initializer_range)
    }
    /// A norm over the residual stream, of this name in a checkpoint.
    pub fn norm(&self, name: &str) -> Norm<Param> {
        Norm::Rms(self.norm_over(name, [self.hidden_size], ["embed"]))
    }
    /// A norm over axes of these sizes and roles.
    pub fn norm_over<const N: usize>(&self, name: &str, dims: [usize; N], roles: [&'static str; N]) -> RmsNorm<Param> {
        let gain = Param::new(dims, roles).stored(format!("{name}.weight")).merged([dims.iter().product::<usize>()]);
        let gain = if self.gains == Gains::Centered { gain } else { gain.ones() };
        RmsNorm { roles: gain.axes.clone(), gain, eps: self.rms_norm_eps as f32, gains: self.gains }
    }

    /// Self-attention by the usual names; `bias`: of queries, keys and values, and of the output.
    pub fn attention(&self, bias: [bool; 2]) -> Attention<Param> {
        let (d, h, g, k) = (self.hidden_size, self.num_attention_heads, self.num_key_value_heads, self.head_dim);
        let part = |name: &str, dims, roles, inputs, bias| {
            Linear::stored(self.matrix(dims, roles), inputs, &in_layer(&format!("self_attn.{name}")), bias)
        };
        self.attention_of([
            part("q_proj", [d, h, k], ["embed", "heads", "head"], 1, bias[0]),
            part("k_proj", [d, g, k], ["embed", "kv_heads", "head"], 1, bias[0]),
            part("v_proj", [d, g, k], ["embed", "kv_heads", "head"], 1, bias[0]),
            part("o_proj", [h, k, d], ["heads", "head", "embed"], 2, bias[1]),
        ])
    }
    /// Self-attention with these projections, that sees everything and turns by [`Common::rope`].
    pub fn attention_of(&self, [q, k, v, o]: [Linear<Param>; 4]) -> Attention<Param> {
        let scale = 1.0 / (self.head_dim as f64).sqrt();
        Attention {
            q,
            k,
            v,
            o,
            qk_norm: None,
            sinks: None,
            options: AttentionOptions { scale, soft_cap: None },
            scaled_by_layer: false,
            reach: vec![Reach { window: None, rope: Some(self.rope.clone()) }],
        }
    }
    /// Norms over each head of queries and keys.
    pub fn qk_norm(&self) -> Option<(RmsNorm<Param>, RmsNorm<Param>)> {
        let norm = |name: &str| self.norm_over(&in_layer(&format!("self_attn.{name}")), [self.head_dim], ["head"]);
        Some((norm("q_norm"), norm("k_norm")))
    }

    /// A gated MLP by the usual names, as wide as the configuration says.
    pub fn mlp(&self, bias: bool) -> Mlp<Param> {
        self.mlp_named("mlp", self.intermediate_size, bias)
    }
    /// A gated MLP whose matrices have these words before their names.
    pub fn mlp_named(&self, part: &str, width: usize, bias: bool) -> Mlp<Param> {
        let of = |name: &str, dims: [usize; 2], roles: [&'static str; 2]| {
            Linear::stored(self.matrix(dims, roles), 1, &in_layer(&format!("{part}.{name}")), bias)
        };
        let d = self.hidden_size;
        Mlp {
            gate: Some(of("gate_proj", [d, width], ["embed", "mlp"])),
            up: of("up_proj", [d, width], ["embed", "mlp"]),
            down: of("down_proj", [width, d], ["mlp", "embed"]),
            act: Glu::Act(self.hidden_act),
        }
    }
    /// `count` gated MLPs of this width that a checkpoint holds one by one, with a router. Names: of the part of a layer, of gate,
    /// up and down.
    pub fn experts(
        &self,
        count: usize,
        width: usize,
        [part, gate, up, down]: [&str; 4],
        choice: Router,
    ) -> Experts<Param> {
        let d = self.hidden_size;
        let each = |name: &str, dims: [usize; 2], roles: [&'static str; 2]| {
            let name = in_layer(&format!("{part}.experts.{{}}.{name}.weight"));
            self.matrix(dims, roles).stored(name).transposed(1).stacked(count, "experts")
        };
        let router = self.matrix([d, count], ["embed", "choices"]);
        Experts {
            router: Linear::stored(router, 1, &in_layer(&format!("{part}.gate")), false),
            choice_bias: None,
            gate: each(gate, [d, width], ["embed", "mlp"]),
            up: each(up, [d, width], ["embed", "mlp"]),
            down: each(down, [width, d], ["mlp", "embed"]),
            biases: None,
            shared: None,
            choice,
            dispatch: Dispatch::Grouped,
            act: Glu::Act(self.hidden_act),
        }
    }

    /// The layer of most families: norm, attention, add; norm, MLP, add.
    pub fn layer(&self, attention: Attention<Param>, mlp: Mlp<Param>) -> Layer<Param> {
        self.layer_of(Mixer::Attention(attention), FeedForward::Mlp(mlp))
    }
    /// The same of other parts.
    pub fn layer_of(&self, mixer: Mixer<Param>, mlp: FeedForward<Param>) -> Layer<Param> {
        let norm = |name: &str| Some(self.norm(&in_layer(name)));
        Layer {
            mixer_norm: norm("input_layernorm"),
            mixer,
            mixer_post_norm: None,
            mlp_norm: norm("post_attention_layernorm"),
            mlp,
            mlp_post_norm: None,
        }
    }

    /// A model whose layers, by their numbers, are these.
    pub fn decoder(&self, layer: impl Fn(usize) -> Layer<Param>) -> Decoder<Param> {
        let (v, d) = (self.vocab_size, self.hidden_size);
        let table = self.matrix([v, d], ["vocab", "embed"]).stored("model.embed_tokens.weight");
        let head = self.matrix([d, v], ["embed", "vocab"]).transposed(1);
        // a second copy of the embedding: matrix-vector products want this order
        let head = match self.tie_word_embeddings {
            true => head.stored("model.embed_tokens.weight").tied_to("embed.table"),
            false => head.stored("lm_head.weight"),
        };
        Decoder {
            embed: Embedding::new(table),
            positions: None,
            layers: Layers::list((0..self.num_hidden_layers).map(layer).collect()),
            norm: self.norm("model.norm"),
            head: Head::new(Some(head)),
            embed_scale: None,
            logit_cap: None,
            context: self.context(),
            cache_dtype: None,
        }
    }
}

/// Attention that sees so many positions, turned in this way.
pub(super) fn reaching(attention: &Attention<Param>, window: Option<usize>, rope: Option<Rope>) -> Attention<Param> {
    Attention { reach: vec![Reach { window, rope }], ..attention.clone() }
}
/// Attention that sees so many positions.
pub(super) fn within(attention: &Attention<Param>, window: Option<usize>) -> Attention<Param> {
    reaching(attention, window, attention.reach[0].rope.clone())
}

/// The rotary embedding of so many dimensions that a configuration means, for a model of this context.
pub(super) fn rope_of(c: &HfConfig, rope: crate::config::Rope, dim: usize, context: usize) -> Result<Rope, LoadError> {
    if dim == 0 || !dim.is_multiple_of(2) {
        return Err(c.error(format!(
            "rotary embeddings turn pairs, but {dim} dimensions of a head are to be turned\n  help: look at the size of a head \
             and at `partial_rotary_factor`"
        )));
    }
    let mut scaling = rope.scaling;
    for (name, divisors) in scaling.divisors() {
        if divisors.len() != dim / 2 {
            let (have, want) = (divisors.len(), dim / 2);
            return Err(c.error(format!("`{name}` has {have} numbers, but {want} pairs of dimensions are turned")));
        }
    }
    if let RopeScaling::LongRope { factor, original_max_position_embeddings: n, .. } = &mut scaling {
        // without a factor, the ratio of the contexts is meant
        factor.get_or_insert(context as f64 / *n as f64);
    }
    Ok(Rope { dim, theta: rope.theta, scaling })
}

/// The name of a part of layer `{}`.
pub fn in_layer(part: &str) -> String {
    format!("model.layers.{{}}.{part}")
}
