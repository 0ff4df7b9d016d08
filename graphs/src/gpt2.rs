//! GPT-2: Radford et al., 2019, "Language Models are Unsupervised Multitask Learners".
//!
//! The plain decoder: layer norms stand before attention and MLP, positions are learned vectors added to the tokens, the
//! MLP is four times as wide with a GELU between, and the head is the transposed embedding. OpenAI's checkpoint holds its
//! matrices as `[in, out]` ("Conv1D"), with queries, keys and values in one.
use crate::{
    LoadError,
    architecture::{Decoder, Input, Output, Sizes, Spec},
    config::HfConfig,
    parts::{Windows, embed, logits, run_layers},
};
use raxla::{
    DType, Param, Tensor, Tree, einsum,
    nn::{Activation, AttentionOptions, KvCache, LayerNorm, Layers, Learned, Seen, Sight},
    parallel::tensor,
    prim, scope,
};

/// The numbers of a GPT-2, named as in config.json.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Config {
    pub vocab_size: usize,
    pub n_positions: usize,
    pub n_embd: usize,
    pub n_layer: usize,
    pub n_head: usize,
    pub n_inner: usize,
    pub activation_function: Activation,
    pub layer_norm_epsilon: f64,
    pub initializer_range: f64,
    pub scale_attn_weights: bool,
    pub scale_attn_by_inverse_layer_idx: bool,
    pub tie_word_embeddings: bool,
}

impl Config {
    /// Read Hugging Face's configuration.
    pub fn read(c: &HfConfig) -> Result<Config, LoadError> {
        let (n_embd, n_head) = (c.uint("n_embd")?, c.uint("n_head")?);
        if n_head == 0 || !n_embd.is_multiple_of(n_head) {
            return Err(c.error(format!("`n_head` {n_head} does not divide `n_embd` {n_embd}")));
        }
        let act = c.str_or("activation_function", "gelu_new")?;
        Ok(Config {
            vocab_size: c.uint("vocab_size")?,
            n_positions: c.uint("n_positions")?,
            n_embd,
            n_layer: c.layers("n_layer")?,
            n_head,
            n_inner: c.uint_opt("n_inner")?.unwrap_or(4 * n_embd),
            activation_function: act.parse().map_err(|e| c.error(format!("`activation_function`: {e}")))?,
            layer_norm_epsilon: c.float_or("layer_norm_epsilon", 1e-5)?,
            initializer_range: c.float_or("initializer_range", 0.02)?,
            scale_attn_weights: c.bool_or("scale_attn_weights", true)?,
            scale_attn_by_inverse_layer_idx: c.bool_or("scale_attn_by_inverse_layer_idx", false)?,
            tie_word_embeddings: c.bool_or("tie_word_embeddings", true)?,
        })
    }

    /// The published sizes: `124M`, `355M`, `774M` and `1.5B`.
    pub fn published(size: &str) -> Option<Config> {
        let (n_layer, n_head, n_embd) = match size {
            "124M" => (12, 12, 768),
            "355M" => (24, 16, 1024),
            "774M" => (36, 20, 1280),
            "1.5B" => (48, 25, 1600),
            _ => return None,
        };
        Some(Config {
            vocab_size: 50257,
            n_positions: 1024,
            n_embd,
            n_layer,
            n_head,
            n_inner: 4 * n_embd,
            activation_function: Activation::GeluTanh,
            layer_norm_epsilon: 1e-5,
            initializer_range: 0.02,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            tie_word_embeddings: true,
        })
    }

    /// The model's specification, with scanned or unrolled layers.
    pub fn spec(self, scanned: bool) -> Spec<Gpt2<Param>> {
        let sizes = Sizes {
            layers: self.n_layer,
            vocab: self.vocab_size,
            width: self.n_embd,
            context: self.n_positions,
            kv_heads: self.n_head,
            head_dim: self.n_embd / self.n_head,
        };
        Spec { windows: Windows::none(sizes.layers), params: Gpt2::spec(self, scanned), sizes, scanned }
    }
}

/// The model.
#[derive(Tree, Clone, Debug)]
pub struct Gpt2<T = Tensor> {
    /// Token embedding, `[vocab, d]`.
    pub wte: T,
    /// Position embedding, `[positions, d]`.
    pub wpe: Learned<T>,
    /// The blocks.
    pub layers: Layers<Block<T>>,
    /// Before the head.
    pub norm: LayerNorm<T>,
    /// `[d, vocab]`: a second copy of the embedding, in the order that matrix-vector products want. Without it the
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
    pub ln1: LayerNorm<T>,
    /// Queries, keys and values, `[d, 3, heads, k]`.
    pub wqkv: T,
    /// `[3, heads, k]`
    pub bqkv: T,
    /// `[heads, k, d]`
    pub wo: T,
    /// `[d]`
    pub bo: T,
    /// Before the MLP.
    pub ln2: LayerNorm<T>,
    /// `[d, f]`
    pub up: T,
    /// `[f]`
    pub up_bias: T,
    /// `[f, d]`
    pub down: T,
    /// `[d]`
    pub down_bias: T,
    /// The numbers.
    #[tree(skip)]
    pub config: Config,
}

impl Gpt2<Param> {
    /// Shapes, roles of axes, initializers and checkpoint names of all parameters.
    pub fn spec(config: Config, scanned: bool) -> Gpt2<Param> {
        let Config {
            vocab_size: v,
            n_positions,
            n_embd: d,
            n_layer,
            initializer_range: std,
            layer_norm_epsilon: eps,
            ..
        } = config;
        let head = Param::new([d, v], ["embed", "vocab"]).normal(std).transposed(1);
        let head = match config.tie_word_embeddings {
            true => head.stored("transformer.wte.weight").tied_to("wte"),
            false => head.stored("lm_head.weight"),
        };
        Gpt2 {
            wte: Param::new([v, d], ["vocab", "embed"]).normal(std).stored("transformer.wte.weight"),
            wpe: Learned {
                table: Param::new([n_positions, d], ["positions", "embed"])
                    .normal(std)
                    .stored("transformer.wpe.weight"),
            },
            layers: Layers::spec(&Block::spec(&config), n_layer, scanned),
            norm: norm("transformer.ln_f", d, eps),
            head: Some(head),
            config,
        }
    }
}

fn norm(name: &str, d: usize, eps: f64) -> LayerNorm<Param> {
    let part = |kind: &str| Param::new([d], ["embed"]).stored(format!("{name}.{kind}"));
    LayerNorm { gain: part("weight").ones(), bias: part("bias"), eps: eps as f32 }
}

impl Block<Param> {
    fn spec(c: &Config) -> Block<Param> {
        let (d, h, f) = (c.n_embd, c.n_head, c.n_inner);
        let (k, std) = (d / h, c.initializer_range);
        // projections into the residual stream start smaller, so that its variance does not grow with depth
        let residual = std / (2.0 * c.n_layer as f64).sqrt();
        let at = |p: Param, name: &str| p.stored(format!("transformer.h.{{}}.{name}"));
        Block {
            ln1: norm("transformer.h.{}.ln_1", d, c.layer_norm_epsilon),
            wqkv: at(Param::new([d, 3, h, k], ["embed", "qkv", "heads", "head"]), "attn.c_attn.weight")
                .normal(std)
                .merged([d, 3 * d]),
            bqkv: at(Param::new([3, h, k], ["qkv", "heads", "head"]), "attn.c_attn.bias").merged([3 * d]),
            wo: at(Param::new([h, k, d], ["heads", "head", "embed"]), "attn.c_proj.weight")
                .normal(residual)
                .merged([d, d]),
            bo: at(Param::new([d], ["embed"]), "attn.c_proj.bias"),
            ln2: norm("transformer.h.{}.ln_2", d, c.layer_norm_epsilon),
            up: at(Param::new([d, f], ["embed", "mlp"]), "mlp.c_fc.weight").normal(std),
            up_bias: at(Param::new([f], ["mlp"]), "mlp.c_fc.bias"),
            down: at(Param::new([f, d], ["mlp", "embed"]), "mlp.c_proj.weight").normal(residual),
            down_bias: at(Param::new([d], ["embed"]), "mlp.c_proj.bias"),
            config: c.clone(),
        }
    }
}

impl Decoder for Gpt2 {
    fn forward(&self, input: Input) -> Output {
        let [_, t] = input.tokens.shape();
        let positions = prim::iota([t], DType::I32, 0) + input.start;
        let place = || tensor::leave(self.wpe.call(positions).expand_dims(0));
        let x = embed(self.wte, input.tokens) + scope("embed", place);
        let sight = Sight { start: input.start, length: input.length, window: None };
        let layer = |x: Tensor, block: Block, number, cache| block.call(x, cache, number, sight);
        run_layers(&self.layers, x, &input, layer, |x| self.norm.call(x))
    }
    fn logits(&self, hidden: Tensor) -> Tensor {
        logits(hidden, self.head, self.wte)
    }
}

impl Block {
    /// `number` is the layer's, an i32 scalar.
    fn call(&self, x: Tensor, cache: Option<KvCache>, number: Tensor, at: Sight) -> (Tensor, Option<KvCache>) {
        let (attended, cache) = scope("attn", || self.attend(self.ln1.call(x), cache, number, at));
        let x = x + attended;
        (x + scope("mlp", || self.mlp(self.ln2.call(x))), cache)
    }
    fn attend(&self, x: Tensor, cache: Option<KvCache>, number: Tensor, at: Sight) -> (Tensor, Option<KvCache>) {
        let x = tensor::enter(x);
        let [q, k, v] = (einsum("btd,dshk->sbthk", x, self.wqkv) + self.bqkv.expand_dims(1).expand_dims(1)).unstack();
        let (seen, cache) = Seen::new(cache, k, v, at);
        let scale = if self.config.scale_attn_weights { 1.0 / (q.dim(-1) as f64).sqrt() } else { 1.0 };
        let q = match self.config.scale_attn_by_inverse_layer_idx {
            true => q / (number + 1).cast(q.dtype()),
            false => q,
        };
        let y = seen.attend(q, at, AttentionOptions { scale, soft_cap: None });
        (tensor::leave(einsum("bthk,hkd->btd", y, self.wo)) + self.bo, cache)
    }
    fn mlp(&self, x: Tensor) -> Tensor {
        let x = tensor::enter(x);
        let h = self.config.activation_function.call(einsum("btd,df->btf", x, self.up) + self.up_bias);
        tensor::leave(einsum("btf,fd->btd", h, self.down)) + self.down_bias
    }
}
