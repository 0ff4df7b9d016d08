//! Training data for language models: text from files, tokenised once, packed into rows, shuffled, mixed, and read in batches.
#![forbid(unsafe_code)]

mod cache;
pub mod chat;
mod checked;
mod encode;
mod error;
mod sources;
mod tokenizer;

pub use cache::{BuildOptions, BuildProgress, CacheStats, Identity, TokenCache};
pub use chat::{Sequence, Turns};
pub use encode::Encoding;
pub use error::{Error, Result};
pub use sources::{BadKind, BadRecord, BadRecords, Fields, Format, OnBad, Part, Record, Source, Split, Unusable};
pub use tokenizer::{BoxError, ChatTemplate, ChatTemplateFn, Tokenizer, TokenizerFn};
