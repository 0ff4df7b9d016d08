//! The models: one decoder, and what each family makes of it.
//!
//! A [`Decoder`] is an embedding, a list of [`Layer`]s, a norm and a head. A layer says its mixer, its feed-forward part, and where
//! norms stand; a family's file says how its layers are put together and what they are called in a checkpoint, and nothing else.
mod common;
mod decoder;
pub mod deepseek;
pub mod gemma;
pub mod gpt2;
pub mod gpt_oss;
mod layer;
pub mod llama;
pub mod mistral;
pub mod moe;
pub mod olmo;
pub mod phi;
pub mod qwen;
mod registry;
pub mod smollm;
mod windows;

pub use common::{Common, in_layer};
pub use decoder::{Caches, Decoder, Input, Output, Packed, Stacking};
pub use layer::{FeedForward, Layer, Mixer};
pub use registry::{ARCHITECTURES, Build, Family, by_name};
pub use windows::windows;
