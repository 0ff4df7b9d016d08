//! Training data for language models: text from files, tokenised once, packed into rows, shuffled, mixed, and read in batches.
//!
//! ```text
//! Source --Encoding--> TokenCache --DatasetOptions--> Dataset --weights--> Mixture --> Loader --> Batch
//! files    tokenizer   on disk      rows of a length            examples             by threads
//! ```
//! 1. A [`Source`] names files of text, JSON lines or Parquet, and which fields are a [`Record`]: a document, a conversation, a
//!    prompt and its completion, or two answers of which one is preferred.
//! 2. An [`Encoding`] makes [`Sequence`]s of tokens of records, by a [`Tokenizer`] and a [`ChatTemplate`], and says which tokens
//!    are learned. A [`TokenCache`] keeps them on disk.
//! 3. A [`Dataset`] puts sequences into rows of equal length, by a [`Packing`].
//! 4. A [`Mixture`] shuffles datasets and takes examples from them by weights.
//! 5. A [`Loader`] prepares [`Batch`]es, and resumes at any [`Position`].
//!
//! Everything is deterministic: tokens on disk do not depend on the number of threads, and a batch depends on the mixture
//! and its place alone. Memory does not grow with the data: files are read as streams, tokens and plans of rows are mapped,
//! and where a shuffled example is gets computed.
//!
//! docs/data.md explains it all.
#![forbid(unsafe_code)]

#[doc = include_str!("../../docs/data.md")]
#[cfg(doctest)]
struct DataDoctests;

mod cache;
pub mod chat;
mod checked;
mod dataset;
mod encode;
mod error;
mod holdout;
mod loader;
mod mixture;
mod packing;
mod plan;
mod shuffle;
mod sources;
mod tokenizer;

pub use cache::{BuildOptions, BuildProgress, CacheStats, Identity, TokenCache};
pub use chat::{Sequence, Turns};
pub use dataset::{Dataset, DatasetOptions, Row, RowMut};
pub use encode::Encoding;
pub use error::{Error, Result};
pub use holdout::{Holdout, HoldoutSize, Part};
pub use loader::{Batch, Last, Loader, LoaderOptions, Position};
pub use mixture::{Component, Example, Mixture, MixtureOptions, Stop};
pub use packing::{Long, Packing};
pub use plan::RowStats;
pub use shuffle::Permutation;
pub use sources::{
    BadKind, BadRecord, BadRecords, Fields, Format, OnBad, Record, Source, Split, TextOrMessages, Unusable,
};
pub use tokenizer::{BoxError, ChatTemplate, ChatTemplateFn, Offsets, Tokenizer, TokenizerFn};
