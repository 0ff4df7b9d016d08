//! What all models have in common: a specification of parameters, and a forward function.
use crate::{LoadError, config::HfConfig, gemma, gpt2, llama, mistral, moe, parts::Windows, qwen};
use raxla::{
    Aval, DType, Param, RematOptions, Tensor, Tree,
    nn::{KvCache, Layers},
};

/// Keys and values of all layers; `None` in each layer when a whole sequence is computed at once.
pub type Cache<T = Tensor> = Layers<Option<KvCache<T>>>;

/// One call of a model.
pub struct Input {
    /// Token ids, i32 `[b, t]`.
    pub tokens: Tensor,
    /// Position of the first of them, i32 scalar.
    pub start: Tensor,
    /// Length of the whole sequence up to the last real token of this call, i32 scalar. Tokens behind it are padding.
    pub length: Tensor,
    /// What earlier calls left behind.
    pub cache: Cache,
    /// For training: what reverse mode keeps of each layer; everything if `None`.
    pub remat: Option<RematOptions>,
}

/// What a model computes.
pub struct Output {
    /// After the last norm, `[b, t, d]`.
    pub hidden: Tensor,
    /// The cache with this call's keys and values.
    pub cache: Cache,
    /// The residual stream before each layer, `[b, t, d]` each.
    pub states: Layers<Tensor>,
    /// The routers' scores, of each layer with experts `[b * t, experts]`. Of a pipeline, none.
    pub scores: Layers<Option<Tensor>>,
}

/// A model inside a trace.
pub trait Decoder {
    /// From tokens to the last hidden state.
    fn forward(&self, input: Input) -> Output;
    /// From hidden states `[b, t, d]` to f32 logits `[b, t, vocab]`.
    fn logits(&self, hidden: Tensor) -> Tensor;
    /// Of the routers' scores ([`Output::scores`]): the load-balancing loss of all layers' choices together, to be added to
    /// the loss times some 0.001 to 0.02. It is the number of experts per token when all are used alike. `None` without
    /// experts.
    fn balance_loss(&self, _scores: &Layers<Option<Tensor>>) -> Option<Tensor> {
        None
    }
}

/// The numbers that generation needs to know of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Number of layers.
    pub layers: usize,
    /// Number of token ids.
    pub vocab: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Most tokens of a sequence.
    pub context: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
}

/// A model's specification, whatever its architecture.
pub trait Architecture: Send + Sync {
    /// Path and specification of each parameter, in the order of the leaves.
    fn params(&self) -> Vec<(String, Param)>;
    /// The model with these tensors as its leaves.
    fn decoder(&self, leaves: &[Tensor]) -> Box<dyn Decoder>;
    /// Its numbers.
    fn sizes(&self) -> Sizes;
    /// Are its layers scanned (else: unrolled)?
    fn is_scanned(&self) -> bool;

    /// Which of its layers look at a window.
    fn windows(&self) -> &Windows;

    /// The type of its cache, with this many slots; in layers that look at a window, no more than that and `spare`. So many of
    /// the latest positions can be taken back: the next call may start before them.
    fn cache(&self, batch: usize, slots: usize, spare: usize, dtype: DType) -> Cache<Aval> {
        let s = self.sizes();
        let whole = KvCache::spec(batch, slots, s.kv_heads, s.head_dim, dtype);
        self.windows().cache(whole, spare, self.is_scanned())
    }
    /// No cache: the sequence is computed at once.
    fn no_cache(&self) -> Cache {
        let layers = self.sizes().layers;
        if self.is_scanned() { Layers::Stacked(None, layers) } else { Layers::List(vec![None; layers]) }
    }
}

/// The models: Hugging Face's `model_type`, and what makes a specification from its configuration.
pub const ARCHITECTURES: &[Family] = &[
    family("llama", |config, scanned| Ok(Box::new(llama::build(config, scanned)?))),
    family("mistral", |config, scanned| Ok(Box::new(mistral::build(config, scanned)?))),
    family("qwen2", |config, scanned| Ok(Box::new(qwen::build2(config, scanned)?))),
    family("qwen3", |config, scanned| Ok(Box::new(qwen::build3(config, scanned)?))),
    family("mixtral", |config, scanned| Ok(Box::new(moe::mixtral(config, scanned)?))),
    family("qwen3_moe", |config, scanned| Ok(Box::new(moe::qwen3(config, scanned)?))),
    family("gemma", |config, scanned| Ok(Box::new(gemma::build1(config, scanned)?))),
    family("gemma2", |config, scanned| Ok(Box::new(gemma::build2(config, scanned)?))),
    family("gemma3_text", |config, scanned| Ok(Box::new(gemma::build3(config, scanned)?))),
    Family {
        model_type: "gpt2",
        prefix: "transformer.",
        ignored: &[".attn.bias", ".attn.masked_bias"],
        build: |config, scanned| Ok(Box::new(gpt2::Config::read(config)?.spec(scanned))),
    },
];

/// A family whose checkpoints are named as LLaMA's.
const fn family(model_type: &'static str, build: Build) -> Family {
    Family { model_type, prefix: "model.", ignored: &[".rotary_emb.inv_freq"], build }
}

/// One architecture of the registry.
pub struct Family {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// What a checkpoint of the bare model (without its head) lacks in its names.
    pub prefix: &'static str,
    /// Ends of the names of tensors that are no parameters, from a dot on: `c_attn.bias` is none of `.attn.bias`.
    pub ignored: &'static [&'static str],
    /// The specification, with scanned or unrolled layers.
    pub build: Build,
}

/// From a configuration, and whether to scan, to a specification.
pub type Build = fn(&HfConfig, bool) -> Result<Box<dyn Architecture>, LoadError>;

/// The architecture of this `model_type`.
pub fn by_name(config: &HfConfig) -> Result<&'static Family, LoadError> {
    ARCHITECTURES.iter().find(|f| f.model_type == config.model_type).ok_or_else(|| {
        let known: Vec<&str> = ARCHITECTURES.iter().map(|f| f.model_type).collect();
        config.error(format!(
            "the architecture `{}` is not known\n  help: take a model of one of these: {}",
            config.model_type,
            known.join(", ")
        ))
    })
}

/// Every typed specification of a decoder is an [`Architecture`], given its numbers.
pub struct Spec<P> {
    /// `Model<Param>`.
    pub params: P,
    /// Its numbers.
    pub sizes: Sizes,
    /// Are its layers scanned?
    pub scanned: bool,
    /// Which of them look at a window.
    pub windows: Windows,
}
impl<P: Tree<Param> + Send + Sync> Architecture for Spec<P>
where
    P::With<Tensor>: Decoder + 'static,
{
    fn params(&self) -> Vec<(String, Param)> {
        let mut all = vec![];
        self.params.visit(|path, p| all.push((path.to_string(), p.clone())));
        all
    }
    fn decoder(&self, leaves: &[Tensor]) -> Box<dyn Decoder> {
        Box::new(self.params.refill(leaves.iter().copied()))
    }
    fn sizes(&self) -> Sizes {
        self.sizes
    }
    fn is_scanned(&self) -> bool {
        self.scanned
    }
    fn windows(&self) -> &Windows {
        &self.windows
    }
}
