//! The open LLMs on raxla: models, loading, tokenizers, generation.
#![deny(unsafe_code)]

pub mod architecture;
pub mod config;
mod error;
mod files;
mod generate;
pub mod gpt2;
pub mod hub;
pub mod llama;
mod model;
pub mod params;
pub mod programs;
mod sampling;
pub mod source;
pub mod template;
pub mod tokenizer;
pub mod weights;

pub use error::{Error, LoadError, Result};
pub use files::{Files, open};
pub use generate::{Finish, Generated, Generation, Stats, buckets};
pub use model::{LoadOptions, Model, Scores};
pub use sampling::{Sampling, Shape};
