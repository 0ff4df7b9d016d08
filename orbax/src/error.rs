//! What can be wrong with a checkpoint, each with its file and its remedy.
use std::{fmt, io, path::PathBuf};

/// Any error of this crate.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The folder holds no checkpoint.
    #[error("{} is not an Orbax checkpoint: {reason}", path.display())]
    NotACheckpoint {
        /// The folder.
        path: PathBuf,
        /// What it lacks, and what to open instead.
        reason: String,
    },
    /// Whoever wrote the checkpoint did not finish it.
    #[error("{} was never committed: {reason}\n  help: take an earlier step, or save this one again", path.display())]
    Uncommitted {
        /// The folder.
        path: PathBuf,
        /// By what that is seen.
        reason: String,
    },
    /// A part of the checkpoint is not there.
    #[error("{}: {what} is missing\n  help: copy the checkpoint again, with all its folders, or take another step", path.display())]
    Missing {
        /// The item or file that refers to it.
        path: PathBuf,
        /// The part.
        what: String,
    },
    /// The bytes of a file contradict its checksum or its format.
    #[error("{} is damaged: {reason}\n  help: copy the checkpoint again, or take another step", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The checkpoint uses a part or a version of the format that is not read here.
    #[error("{}: {what} is not supported", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it uses.
        what: String,
    },
    /// The caller asked for something that the checkpoint does not have, or gave a buffer of another size.
    #[error("{0}")]
    Argument(String),
}

// (shown where `main` returns it)
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a decoder says of bytes: it does not know where they come from.
#[derive(Debug)]
pub(crate) enum Fault {
    Corrupt(String),
    Unsupported(String),
}

impl Fault {
    /// The error, of the file that the bytes come from.
    pub(crate) fn at(self, path: impl Into<PathBuf>) -> Error {
        let path = path.into();
        match self {
            Fault::Corrupt(reason) => Error::Corrupt { path, reason },
            Fault::Unsupported(what) => Error::Unsupported { path, what },
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Fault::Corrupt(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Fault::Corrupt(reason.into())
    }
}

/// What a decoder gives.
pub(crate) type Decoded<T> = std::result::Result<T, Fault>;

/// The error of an operation on a file.
pub(crate) fn io_error(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { path, source }
}
