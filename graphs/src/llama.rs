//! LLaMA: Touvron et al., 2023 (arXiv 2302.13971), and what shares its shape: LLaMA 2 and 3, TinyLlama, OpenLLaMA, SmolLM2.
//!
//! Against the original transformer: norms stand before attention and MLP and only rescale (RMS norm); positions turn
//! queries and keys (rotary embeddings) instead of being added; the MLP is gated (SwiGLU, arXiv 2002.05202); several query
//! heads share one head of keys and values (grouped-query attention, since LLaMA 2 70B), which shrinks the cache.
use crate::{
    LoadError,
    architecture::{Decoder, Input, Output, Sizes, Spec},
    config::HfConfig,
};
use raxla::{
    DType, IndexMode, Param, Tensor, Tree, einsum,
    nn::{
        Activation, KvCache, Layers, RmsNorm, attention, causal_mask,
        rope::{Rope, RopeScaling, Rotation},
    },
    prim, scope,
};

/// The numbers of a LLaMA, named as in config.json.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Config {
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
    pub attention_bias: bool,
    pub mlp_bias: bool,
    pub initializer_range: f64,
    pub rope: Rope,
}

impl Config {
    /// Read Hugging Face's configuration.
    pub fn read(c: &HfConfig) -> Result<Config, LoadError> {
        let (hidden_size, heads) = (c.uint("hidden_size")?, c.uint("num_attention_heads")?);
        let kv_heads = c.uint_or("num_key_value_heads", heads)?;
        if heads == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(
                c.error(format!("`num_key_value_heads` {kv_heads} does not divide `num_attention_heads` {heads}"))
            );
        }
        let head_dim = c.uint_or("head_dim", hidden_size / heads)?;
        let max_position_embeddings = c.uint_or("max_position_embeddings", 2048)?;
        let act = c.str_or("hidden_act", "silu")?;
        let rope = c.rope()?;
        let dim = (head_dim as f64 * rope.partial_rotary_factor) as usize;
        let scaling = match rope.scaling {
            // without a factor, the ratio of the contexts is meant
            RopeScaling::LongRope {
                short_factor,
                long_factor,
                factor,
                original_max_position_embeddings,
                attention_factor,
            } => {
                let ratio = max_position_embeddings as f64 / original_max_position_embeddings as f64;
                let factor = factor.or(Some(ratio));
                RopeScaling::LongRope {
                    short_factor,
                    long_factor,
                    factor,
                    original_max_position_embeddings,
                    attention_factor,
                }
            }
            other => other,
        };
        Ok(Config {
            vocab_size: c.uint("vocab_size")?,
            hidden_size,
            intermediate_size: c.uint("intermediate_size")?,
            num_hidden_layers: c.uint("num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            max_position_embeddings,
            rms_norm_eps: c.float_or("rms_norm_eps", 1e-6)?,
            hidden_act: act.parse().map_err(|e| c.error(format!("`hidden_act`: {e}")))?,
            tie_word_embeddings: c.bool_or("tie_word_embeddings", false)?,
            attention_bias: c.bool_or("attention_bias", false)?,
            mlp_bias: c.bool_or("mlp_bias", false)?,
            initializer_range: c.float_or("initializer_range", 0.02)?,
            rope: Rope { dim, theta: rope.theta, scaling },
        })
    }

    /// The model's specification, with scanned or unrolled layers.
    pub fn spec(self, scanned: bool) -> Spec<Llama<Param>> {
        // this kind of stretching is meant to go beyond the trained length, which the others already give as their limit
        let stretch = match self.rope.scaling {
            RopeScaling::Dynamic { factor, .. } => factor,
            _ => 1.0,
        };
        let sizes = Sizes {
            layers: self.num_hidden_layers,
            vocab: self.vocab_size,
            width: self.hidden_size,
            context: (self.max_position_embeddings as f64 * stretch) as usize,
            kv_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
        };
        Spec { params: Llama::spec(self, scanned), sizes, scanned }
    }
}

/// The model.
#[derive(Tree, Clone, Debug)]
pub struct Llama<T = Tensor> {
    /// `[vocab, d]`
    pub embed: T,
    /// The blocks.
    pub layers: Layers<Block<T>>,
    /// Before the head.
    pub norm: RmsNorm<T>,
    /// `[d, vocab]`. When tied, a second copy of the embedding: matrix-vector products want this order. Without it the
    /// embedding itself is the head, as training needs.
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
    /// Before the MLP.
    pub mlp_norm: RmsNorm<T>,
    /// Gated MLP.
    pub mlp: Mlp<T>,
}

/// A matrix, and a bias where the configuration says so.
#[derive(Tree, Clone, Debug)]
pub struct Linear<T = Tensor> {
    /// Weight; the axes are given where it is declared.
    pub w: T,
    /// Bias over the output axes.
    pub b: Option<T>,
}
impl Linear {
    fn call(&self, spec: &str, x: Tensor) -> Tensor {
        let y = einsum(spec, x, self.w);
        self.b.map_or(y, |b| y + b)
    }
}

/// Grouped-query self-attention.
#[derive(Tree, Clone, Debug)]
pub struct Attention<T = Tensor> {
    /// `[d, heads, k]`
    pub q: Linear<T>,
    /// `[d, kv_heads, k]`
    pub k: Linear<T>,
    /// `[d, kv_heads, k]`
    pub v: Linear<T>,
    /// `[heads, k, d]`
    pub o: Linear<T>,
}

/// down(act(gate(x)) · up(x))
#[derive(Tree, Clone, Debug)]
pub struct Mlp<T = Tensor> {
    /// `[d, f]`
    pub gate: Linear<T>,
    /// `[d, f]`
    pub up: Linear<T>,
    /// `[f, d]`
    pub down: Linear<T>,
    /// Activation.
    #[tree(skip)]
    pub act: Activation,
}

impl Llama<Param> {
    /// Shapes, roles of axes, initializers and checkpoint names of all parameters.
    pub fn spec(config: Config, scanned: bool) -> Llama<Param> {
        let Config {
            vocab_size: v, hidden_size: d, num_hidden_layers, initializer_range: std, rms_norm_eps: eps, ..
        } = config;
        let head = if config.tie_word_embeddings { "model.embed_tokens.weight" } else { "lm_head.weight" };
        Llama {
            embed: Param::new([v, d], ["vocab", "embed"]).normal(std).stored("model.embed_tokens.weight"),
            layers: Layers::spec(&Block::spec(&config), num_hidden_layers, scanned),
            norm: norm("model.norm", d, eps),
            head: Some(Param::new([d, v], ["embed", "vocab"]).normal(std).stored(head).transposed(1)),
            config,
        }
    }
}

fn norm(name: &str, d: usize, eps: f64) -> RmsNorm<Param> {
    RmsNorm { gain: Param::new([d], ["embed"]).ones().stored(format!("{name}.weight")), eps: eps as f32 }
}

impl Block<Param> {
    fn spec(c: &Config) -> Block<Param> {
        let (d, f, k) = (c.hidden_size, c.intermediate_size, c.head_dim);
        let (h, g) = (c.num_attention_heads, c.num_key_value_heads);
        let name = |part: &str, kind: &str| format!("model.layers.{{}}.{part}.{kind}");
        let weight = |part: &str, p: Param, inputs| {
            p.normal(c.initializer_range).stored(name(part, "weight")).transposed(inputs)
        };
        let bias =
            |part: &str, p: Param, flat: usize, on: bool| on.then(|| p.stored(name(part, "bias")).merged([flat]));
        let into_heads = |part: &str, n: usize, role| Linear {
            w: weight(part, Param::new([d, n, k], ["embed", role, "head"]), 1),
            b: bias(part, Param::new([n, k], [role, "head"]), n * k, c.attention_bias),
        };
        let mlp = |part: &str, dims: [usize; 2], axes: [&'static str; 2]| Linear {
            w: weight(part, Param::new(dims, axes), 1),
            b: bias(part, Param::new([dims[1]], [axes[1]]), dims[1], c.mlp_bias),
        };
        Block {
            attn_norm: norm("model.layers.{}.input_layernorm", d, c.rms_norm_eps),
            attn: Attention {
                q: into_heads("self_attn.q_proj", h, "heads"),
                k: into_heads("self_attn.k_proj", g, "kv_heads"),
                v: into_heads("self_attn.v_proj", g, "kv_heads"),
                o: Linear {
                    w: weight("self_attn.o_proj", Param::new([h, k, d], ["heads", "head", "embed"]), 2),
                    b: bias("self_attn.o_proj", Param::new([d], ["embed"]), d, c.attention_bias),
                },
            },
            mlp_norm: norm("model.layers.{}.post_attention_layernorm", d, c.rms_norm_eps),
            mlp: Mlp {
                gate: mlp("mlp.gate_proj", [d, f], ["embed", "mlp"]),
                up: mlp("mlp.up_proj", [d, f], ["embed", "mlp"]),
                down: mlp("mlp.down_proj", [f, d], ["mlp", "embed"]),
                act: c.hidden_act,
            },
        }
    }
}

impl Decoder for Llama {
    fn forward(&self, input: Input) -> Output {
        let [_, t] = input.tokens.shape();
        let x = scope("embed", || self.embed.take_with(input.tokens, 0, IndexMode::Clip));
        let positions = prim::iota([t], DType::I32, 0) + input.start;
        let rotation = self.config.rope.rotations(positions, input.length);
        let layer = |x: Tensor, block: Block, cache: Option<KvCache>| {
            let (y, cache) = scope("block", || block.call(x, cache, rotation, input.start));
            (y, (cache, x))
        };
        let (x, parts) = self.layers.fold_with(x, &input.cache, input.remat.as_ref(), layer);
        let (cache, states) = parts.unzip();
        Output { hidden: scope("norm", || self.norm.call(x)), cache, states }
    }
    fn logits(&self, hidden: Tensor) -> Tensor {
        let logits = || match self.head {
            Some(head) => einsum("btd,dv->btv", hidden, head),
            None => einsum("btd,vd->btv", hidden, self.embed),
        };
        scope("head", || logits().cast(DType::F32))
    }
}

impl Block {
    fn call(&self, x: Tensor, cache: Option<KvCache>, rotation: Rotation, start: Tensor) -> (Tensor, Option<KvCache>) {
        let (attended, cache) = scope("attn", || self.attn.call(self.attn_norm.call(x), cache, rotation, start));
        let x = x + attended;
        (x + scope("mlp", || self.mlp.call(self.mlp_norm.call(x))), cache)
    }
}

impl Attention {
    fn call(&self, x: Tensor, cache: Option<KvCache>, rotation: Rotation, start: Tensor) -> (Tensor, Option<KvCache>) {
        let q = rotation.apply(self.q.call("btd,dhk->bthk", x));
        let k = rotation.apply(self.k.call("btd,dhk->bthk", x));
        let v = self.v.call("btd,dhk->bthk", x);
        let cache = cache.map(|c| c.write(k, v, start));
        let (k, v) = cache.as_ref().map_or((k, v), |c| (c.k, c.v));
        let mask = causal_mask(x.dim(1), k.dim(1), start);
        let y = attention(q, k, v, mask, 1.0 / (q.dim(-1) as f64).sqrt());
        (self.o.call("bthk,hkd->btd", y), cache)
    }
}

impl Mlp {
    fn call(&self, x: Tensor) -> Tensor {
        let gate = self.act.call(self.gate.call("btd,df->btf", x));
        self.down.call("btf,fd->btd", gate * self.up.call("btd,df->btf", x))
    }
}
