//! What models are built from. Plain functions and small trees; each says where it comes from.
//!
//! There is no module system: a part of a model is a struct with `#[derive(Tree)]` and a method, generic in its
//! leaf, or just a function. What a model needs and is not here is written in the model's file. The structs know the roles of
//! their axes, and do what dividing these over a mesh requires ([`parallel`](crate::parallel)).
mod activation;
mod attention;
mod cache;
mod conv;
mod flash;
mod functions;
mod group_norm;
mod latent;
mod layers;
mod linear;
mod lora;
mod loss;
mod mlp;
pub mod moe;
mod multi_head;
mod norm;
mod packing;
mod pool;
mod position;
mod recurrent;
pub mod rope;
mod self_attention;

pub use crate::ops::scaled::scaled_matmul;
pub use activation::{Activation, Dropout, Glu, dropout, gelu, gelu_tanh, relu, silu, softplus};
pub use attention::{
    AttentionOptions, DotProductAttention, Seen, Sight, attention, attention_with, causal_mask, dot_product_attention,
};
pub use cache::{Cache, KvCache, LatentCache};
pub use conv::{Conv, ConvTranspose};
pub use functions::{
    celu, elu, glu, hard_sigmoid, hard_silu, hard_tanh, identity, leaky_relu, log_sigmoid, log1mexp, logmeanexp, mish,
    relu6, selu, soft_sign, sparse_plus, sparse_sigmoid, squareplus, standardize,
};
pub use group_norm::{BatchNorm, BatchStats, GroupNorm, InstanceNorm, WeightNorm};
pub use latent::LatentAttention;
pub use layers::{Layers, Run};
pub use linear::{Embedding, Head, Learned, Linear, Roles};
pub use lora::Lora;
pub use loss::{cross_entropy, loss_in_chunks, token_losses};
pub use mlp::Mlp;
pub use multi_head::MultiHeadAttention;
pub use norm::{Gains, LayerNorm, Norm, RmsNorm};
pub use packing::{Packer, Packing};
pub use pool::{avg_pool, max_pool, min_pool};
pub use position::sinusoidal;
pub use recurrent::{GruCell, LstmCell, SimpleCell};
pub use self_attention::{Attention, Reach, Span};
