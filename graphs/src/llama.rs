//! LLaMA: Touvron et al., 2023 (arXiv 2302.13971), and what shares its shape: LLaMA 2 and 3, TinyLlama, OpenLLaMA, SmolLM2.
//!
//! Against the original transformer: norms stand before attention and MLP and only rescale (RMS norm); positions turn
//! queries and keys (rotary embeddings) instead of being added; the MLP is gated (SwiGLU, arXiv 2002.05202); several query
//! heads share one head of keys and values (grouped-query attention, since LLaMA 2 70B), which shrinks the cache.
//!
//! Most families since have this shape: [`Llama`] is theirs too, with what they add to attention.
use crate::{
    LoadError,
    architecture::{Decoder, Input, Output, Spec},
    config::HfConfig,
    parts::{Attention, Block, Common, Mlp, Windows, embed, logits, positions, run_layers},
};
use raxla::{
    Param, Tensor, Tree,
    nn::{Layers, RmsNorm},
};

/// The specification that a configuration means, with scanned or unrolled layers.
pub fn build(c: &HfConfig, scanned: bool) -> Result<Spec<Llama<Param>>, LoadError> {
    let common = Common::read(c)?;
    let attention = Attention::spec(&common, [c.bool_or("attention_bias", false)?; 2]);
    let mlp = Mlp::spec(&common, c.bool_or("mlp_bias", false)?);
    let windows = Windows::none(common.num_hidden_layers);
    Ok(Config { common, windows }.spec(attention, mlp, scanned))
}

/// The numbers of a model of this shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Those that all decoders have.
    pub common: Common,
    /// Which layers see only the latest positions.
    pub windows: Windows,
}
impl Config {
    /// A model whose layers have this attention and this MLP.
    pub fn spec(self, attention: Attention<Param>, mlp: Mlp<Param>, scanned: bool) -> Spec<Llama<Param>> {
        let c = &self.common;
        let params = Llama {
            embed: c.embedding(),
            layers: Layers::spec(&Block::spec(c, attention, mlp), c.num_hidden_layers, scanned),
            norm: c.norm("model.norm"),
            head: Some(c.head()),
            config: self.clone(),
        };
        Spec { params, sizes: c.sizes(), scanned, windows: self.windows }
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
    /// `[d, vocab]`. Without it the embedding itself is the head, as training needs.
    pub head: Option<T>,
    /// The numbers.
    #[tree(skip)]
    pub config: Config,
}

impl Decoder for Llama {
    fn forward(&self, input: Input) -> Output {
        let Config { common, windows } = &self.config;
        let rotation = common.rope.rotations(positions(&input), input.length);
        let layer =
            |x: Tensor, block: Block, number, cache| block.call(x, cache, rotation, windows.sight(number, &input));
        run_layers(&self.layers, embed(self.embed, input.tokens), &input, layer, |x| self.norm.call(x))
    }
    fn logits(&self, hidden: Tensor) -> Tensor {
        logits(hidden, self.head, self.embed)
    }
}
