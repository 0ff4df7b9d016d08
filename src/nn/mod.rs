//! What models are built from. Plain functions and small trees; each says where it comes from.
//!
//! There is no module system: a part of a model is a struct with `#[derive(Tree)]` and a method, generic in its
//! leaf, or just a function. What a model needs and is not here is written in the model's file.
mod activation;
mod attention;
mod layers;
mod loss;
pub mod moe;
mod norm;
mod position;
pub mod rope;

pub use activation::{Activation, gelu, gelu_tanh, relu, silu, softplus};
pub use attention::{AttentionOptions, KvCache, Seen, Sight, attention, attention_with, causal_mask};
pub use layers::Layers;
pub use loss::cross_entropy;
pub use norm::{LayerNorm, RmsNorm};
pub use position::{Learned, sinusoidal};
