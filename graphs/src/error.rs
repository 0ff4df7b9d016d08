//! What can go wrong before a model runs.

use crate::weights::Mismatch;
use std::{fmt, io, path::PathBuf};

/// A failure to find, fetch, read or understand a model's files. The message names the file, the cause and, after
/// `help:`, the remedy.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The operating system refused.
    #[error("{} cannot be read: {source}{}", path.display(), remedy(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what its name says: truncated, lying about itself, of an unknown type.
    #[error("{} cannot be read: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor that was asked for is not there, or has no conversion to the dtype asked for.
    #[error("tensor `{name}` of {}: {reason}", path.display())]
    Tensor {
        /// The checkpoint.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint and the model's declaration differ.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A configuration lacks a key, or a key has a value that makes no sense.
    #[error("{file}: {reason}")]
    Config {
        /// Which configuration: `config.json`, or the metadata of a GGUF file.
        file: String,
        /// The key and what is wrong with it.
        reason: String,
    },
    /// `--model M` names nothing that exists.
    #[error("{reason}")]
    Source {
        /// What was looked for, and what there is.
        reason: String,
    },
    /// The model hub refused, or could not be reached.
    #[error("{repo}: {reason}")]
    Hub {
        /// `org/name`.
        repo: String,
        /// What happened, and the remedy.
        reason: String,
    },
    /// A pinned file could not be fetched.
    #[error(transparent)]
    Fetch(#[from] raxla_xla::Error),
    /// The tokenizer's files are missing or broken.
    #[error("the tokenizer of {} cannot be loaded: {reason}", path.display())]
    Tokenizer {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The chat template is broken, or refused the conversation.
    #[error("chat template: {reason}")]
    Template {
        /// What is wrong.
        reason: String,
    },
}

impl LoadError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> LoadError {
        LoadError::Io { path: path.into(), source }
    }

    pub(crate) fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> LoadError {
        LoadError::Format { path: path.into(), reason: with_help(reason.into()) }
    }

    pub(crate) fn tokenizer(path: impl Into<PathBuf>, reason: impl Into<String>) -> LoadError {
        LoadError::Tokenizer { path: path.into(), reason: with_help(reason.into()) }
    }
}

/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
/// What helps against a file that the system does not give.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "\n  help: if the model is incomplete, copy or download it again",
        io::ErrorKind::PermissionDenied => {
            "\n  help: ask its owner for permission to read it, or copy it to a folder of yours"
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => "\n  help: put the model's file in its place",
        io::ErrorKind::InvalidData => "\n  help: if the file is damaged or incomplete, copy or download it again",
        _ => "",
    }
}

/// What helps against most files that cannot be understood, where the reason does not say better.
pub(crate) fn with_help(reason: String) -> String {
    match reason.contains("\n  help: ") {
        true => reason,
        false => reason + "\n  help: if the file is damaged or incomplete, copy or download it again",
    }
}

/// What can go wrong with a model, from finding its files to running it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its files.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Tracing, compiling or running.
    #[error(transparent)]
    Framework(#[from] raxla::Error),
    /// A request that makes no sense for this model: a token id outside the vocabulary, a prompt longer than the context.
    #[error("{0}")]
    Usage(String),
    /// A model cannot be written.
    #[error("{} cannot be written: {reason}", path.display())]
    Save {
        /// The folder or file.
        path: std::path::PathBuf,
        /// What is in the way, and the remedy.
        reason: String,
    },
}

/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
