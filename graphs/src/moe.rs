//! Mixtral: Jiang et al., 2024 (arXiv 2401.04088), and Qwen 3's mixtures of experts (arXiv 2505.09388).
//!
//! LLaMA's layers with, in place of the MLP, many of them (8; Qwen 128): a router chooses the best few (2; Qwen 8) for each
//! token and adds up what they return, weighted by their probabilities. So the parameters grow, but not the work per token.
//! Mixtral's attention is Mistral's, and its weights are the probabilities of the chosen experts only. Qwen's attention
//! is Qwen 3's; its experts are small, and some layers may keep a plain MLP.
//!
//! Training adds [`load_balancing_loss`] of the routers' scores ([`Decoder::balance_loss`]), or a few experts would get all
//! tokens.
use crate::{
    LoadError,
    architecture::{Decoder, Input, Output, Spec},
    config::HfConfig,
    parts::{Attention, Common, Mlp, Windows, embed, in_layer, logits, positions, run_layers_with},
    qwen,
};
use raxla::{
    Param, Tensor, Tree, concat, einsum,
    nn::{
        Activation, KvCache, Layers, RmsNorm, Sight,
        moe::{Dispatch, experts, load_balancing_loss, route},
        rope::Rotation,
    },
    parallel::tensor,
    scope,
};

const MIXTRAL: &str = r#"{"num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
    "num_experts_per_tok": 2, "num_local_experts": 8}"#;
const QWEN: &str = r#"{"num_key_value_heads": 4, "max_position_embeddings": 32768, "num_experts_per_tok": 8,
    "moe_intermediate_size": 768, "norm_topk_prob": false, "decoder_sparse_step": 1}"#;

/// The numbers of the experts of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many each token goes through.
    pub per_token: usize,
    /// Width of each.
    pub width: usize,
    /// Do the weights of the chosen ones add up to 1?
    pub normalized: bool,
}
impl Experts {
    fn checked(self, c: &HfConfig) -> Result<Experts, LoadError> {
        let Experts { count, per_token, .. } = self;
        if per_token > count {
            return Err(c.error(format!("`num_experts_per_tok` is {per_token}, but there are only {count} experts")));
        }
        Ok(self)
    }
}

/// The specification of a Mixtral, with scanned or unrolled layers.
pub fn mixtral(c: &HfConfig, scanned: bool) -> Result<Spec<Moe<Param>>, LoadError> {
    let c = &c.with_defaults(MIXTRAL);
    let common = Common::read(c)?;
    let layers = common.num_hidden_layers;
    let (count, per_token) = (c.uint("num_local_experts")?, c.uint("num_experts_per_tok")?);
    let sizes = Experts { count, per_token, width: common.intermediate_size, normalized: true }.checked(c)?;
    let windows = Windows::read(c, layers, |_| true)?;
    let names = ["block_sparse_moe", "w1", "w3", "w2"];
    let sparse = Ffn::Sparse(SparseMlp::spec(&common, sizes, names));
    let attention = Attention::spec(&common, [false; 2]);
    Ok(spec(common, windows, attention, sizes, vec![sparse; layers], scanned))
}

/// The specification of a Qwen 3 with experts.
pub fn qwen3(c: &HfConfig, scanned: bool) -> Result<Spec<Moe<Param>>, LoadError> {
    let c = &c.with_defaults(QWEN);
    let common = Common::read(c)?;
    // transformers 5 writes `num_local_experts`, earlier ones `num_experts`
    let count = c.uint_or("num_experts", c.uint_or("num_local_experts", 128)?)?;
    let per_token = c.uint("num_experts_per_tok")?;
    let width = c.uint("moe_intermediate_size")?;
    let sizes = Experts { count, per_token, width, normalized: c.bool_or("norm_topk_prob", false)? }.checked(c)?;
    let names = ["mlp", "gate_proj", "up_proj", "down_proj"];
    let (sparse, plain) = (Ffn::Sparse(SparseMlp::spec(&common, sizes, names)), Ffn::Plain(Mlp::spec(&common, false)));
    let every = c.uint("decoder_sparse_step")?;
    let kept: Vec<u64> =
        c.get("mlp_only_layers").and_then(|v| v.as_array()).into_iter().flatten().filter_map(|v| v.as_u64()).collect();
    let is_sparse = |layer: usize| (layer + 1).is_multiple_of(every) && !kept.contains(&(layer as u64));
    let mlps =
        (0..common.num_hidden_layers).map(|i| if is_sparse(i) { sparse.clone() } else { plain.clone() }).collect();
    let attention = Attention::spec(&common, [c.bool_or("attention_bias", false)?; 2]).normed(&common);
    Ok(spec(common.clone(), qwen::windows(c, &common)?, attention, sizes, mlps, scanned))
}

fn spec(
    common: Common,
    windows: Windows,
    attn: Attention<Param>,
    experts: Experts,
    mlps: Vec<Ffn<Param>>,
    scanned: bool,
) -> Spec<Moe<Param>> {
    let norm = |name: &str| common.norm(&in_layer(name));
    let block = |mlp: &Ffn<Param>| Block {
        attn_norm: norm("input_layernorm"),
        attn: attn.clone(),
        mlp_norm: norm("post_attention_layernorm"),
        mlp: mlp.clone(),
    };
    // layers that differ cannot be one loop
    let scanned = scanned && mlps.iter().all(|m| m.is_sparse() == mlps[0].is_sparse());
    let layers = match scanned {
        true => Layers::spec(&block(&mlps[0]), mlps.len(), true),
        false => Layers::List(mlps.iter().enumerate().map(|(i, m)| block(m).map(|p| p.clone().of_layer(i))).collect()),
    };
    let sizes = common.sizes();
    let params = Moe {
        embed: common.embedding(),
        layers,
        norm: common.norm("model.norm"),
        head: Some(common.head()),
        config: Config { common, windows: windows.clone(), experts },
    };
    Spec { params, sizes, scanned, windows }
}

/// The numbers of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Those that all decoders have.
    pub common: Common,
    /// Which layers see only the latest positions.
    pub windows: Windows,
    /// Those of a layer's experts.
    pub experts: Experts,
}

/// The model.
#[derive(Tree, Clone, Debug)]
pub struct Moe<T = Tensor> {
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
    /// Before the MLPs.
    pub mlp_norm: RmsNorm<T>,
    /// The MLPs.
    pub mlp: Ffn<T>,
}

/// One MLP, or many of which each token goes through a few.
#[derive(Tree, Clone, Debug)]
pub enum Ffn<T = Tensor> {
    /// One.
    Plain(Mlp<T>),
    /// Many.
    Sparse(SparseMlp<T>),
}
impl<T> Ffn<T> {
    fn is_sparse(&self) -> bool {
        matches!(self, Ffn::Sparse(_))
    }
}

/// Gated MLPs with a router.
#[derive(Tree, Clone, Debug)]
pub struct SparseMlp<T = Tensor> {
    /// `[d, experts]`
    pub router: T,
    /// `[experts, d, f]`
    pub gate: T,
    /// `[experts, d, f]`
    pub up: T,
    /// `[experts, f, d]`
    pub down: T,
    /// Their numbers.
    #[tree(skip)]
    pub experts: Experts,
    /// How the chosen ones are run.
    #[tree(skip)]
    pub dispatch: Dispatch,
    /// Activation.
    #[tree(skip)]
    pub act: Activation,
}
impl SparseMlp<Param> {
    /// Names: of the part of a layer, of gate, up and down.
    fn spec(c: &Common, experts: Experts, [part, gate, up, down]: [&str; 4]) -> SparseMlp<Param> {
        let (d, f, e) = (c.hidden_size, experts.width, experts.count);
        let each = |name: &str, dims: [usize; 2], axes: [&'static str; 2]| {
            let name = in_layer(&format!("{part}.experts.{{}}.{name}.weight"));
            Param::new(dims, axes).normal(c.initializer_range).stored(name).transposed(1).stacked(e, "experts")
        };
        let router = Param::new([d, e], ["embed", "choices"]).normal(c.initializer_range);
        SparseMlp {
            router: router.stored(in_layer(&format!("{part}.gate.weight"))).transposed(1),
            gate: each(gate, [d, f], ["embed", "mlp"]),
            up: each(up, [d, f], ["embed", "mlp"]),
            down: each(down, [f, d], ["mlp", "embed"]),
            experts,
            dispatch: Dispatch::Grouped,
            act: c.hidden_act,
        }
    }
}
impl SparseMlp {
    /// The router's scores of tokens `[n, d]`: `[n, experts]`.
    pub fn scores(&self, x: Tensor) -> Tensor {
        einsum("nd,de->ne", x, self.router)
    }
    /// For each position of `x` `[b, t, d]`; and the router's scores `[b * t, experts]`.
    pub fn call(&self, x: Tensor) -> (Tensor, Tensor) {
        let x = tensor::enter(x);
        let [b, t, d] = x.shape();
        let tokens = x.reshape([b * t, d]);
        let scores = self.scores(tokens);
        let routing = route(scores, self.experts.per_token, self.experts.normalized);
        let one = |x: Tensor, (gate, up, down): (Tensor, Tensor, Tensor)| {
            let h = self.act.call(einsum("nd,df->nf", x, gate)) * einsum("nd,df->nf", x, up);
            einsum("nf,fd->nd", h, down)
        };
        let y = experts(tokens, routing, (self.gate, self.up, self.down), self.dispatch, one);
        (tensor::leave(y.reshape([b, t, d])), scores)
    }
}

impl Decoder for Moe {
    fn forward(&self, input: Input) -> Output {
        let Config { common, windows, .. } = &self.config;
        let rotation = common.rope.rotations(positions(&input), input.length);
        let layer =
            |x: Tensor, block: Block, number, cache| block.call(x, cache, rotation, windows.sight(number, &input));
        run_layers_with(&self.layers, embed(self.embed, input.tokens), &input, layer, |x| self.norm.call(x))
    }
    fn logits(&self, hidden: Tensor) -> Tensor {
        logits(hidden, self.head, self.embed)
    }
    /// transformers: `router_aux_loss_coef` is what it is multiplied with.
    fn balance_loss(&self, scores: &Layers<Option<Tensor>>) -> Option<Tensor> {
        let all = match scores {
            Layers::Stacked(all, _) => all.iter().map(|s| s.reshape([s.dim(0) * s.dim(1), s.dim(2)])).collect(),
            Layers::List(each) => each.iter().flatten().copied().collect::<Vec<_>>(),
        };
        (!all.is_empty()).then(|| load_balancing_loss(concat(&all, 0), self.config.experts.per_token))
    }
}

impl Block {
    fn call(
        &self,
        x: Tensor,
        cache: Option<KvCache>,
        rotation: Rotation,
        at: Sight,
    ) -> ((Tensor, Option<KvCache>), Option<Tensor>) {
        let (attended, cache) = scope("attn", || self.attn.call(self.attn_norm.call(x), cache, rotation, at));
        let x = x + attended;
        let inner = self.mlp_norm.call(x);
        let (y, scores) = scope("mlp", || match &self.mlp {
            Ffn::Plain(mlp) => (mlp.call(inner), None),
            Ffn::Sparse(mlp) => {
                let (y, scores) = mlp.call(inner);
                (y, Some(scores))
            }
        });
        ((x + y, cache), scores)
    }
}
