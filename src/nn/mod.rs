//! What models are built from. Plain functions and small trees; each says where it comes from.
mod activation;
mod attention;
mod layers;
mod loss;
mod norm;
pub mod rope;

pub use activation::{Activation, gelu, gelu_tanh, relu, silu};
pub use attention::{KvCache, attention, causal_mask};
pub use layers::Layers;
pub use loss::cross_entropy;
pub use norm::{LayerNorm, RmsNorm};
