//! The open LLMs on raxla: models, loading, tokenizers, generation.
#![deny(unsafe_code)]

pub mod config;
mod error;
pub mod hub;
pub mod source;
pub mod template;
pub mod tokenizer;
pub mod weights;

pub use error::LoadError;
