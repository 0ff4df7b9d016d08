//! What can go wrong between a file of text and a batch of tokens.

use crate::sources::BadRecord;
use std::{fmt, io, path::PathBuf};

/// A failure of a source, of the tokens kept on disk, or of a request. The message names the file, the cause and, after
/// `help:`, the remedy.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read.
    #[error("{} cannot be read: {source}{}", path.display(), read_remedy(source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The operating system refused to write.
    #[error("{} cannot be written: {source}{}", path.display(), write_remedy(source))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A source names no file, or one whose content is not what its name says.
    #[error("the source {path} cannot be used: {reason}")]
    Source {
        /// What was named, or the file.
        path: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// A record that cannot be used, where [`OnBad::Refuse`](crate::OnBad) says to stop at the first.
    #[error("{0}\n  help: mend the record, or say `on_bad = \"skip\"` to leave such records out and count them")]
    Record(BadRecord),
    /// A file of the cache is not what was written.
    #[error("{} is damaged: {reason}\n  help: delete {}, and it is made again", path.display(), remove.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to delete: the file itself, or the folder that is useless without it.
        remove: PathBuf,
    },
    /// The tokenizer and what it says about itself differ.
    #[error("the tokenizer {fingerprint:?} cannot be used: {reason}")]
    Tokenizer {
        /// What it calls itself.
        fingerprint: String,
        /// What is wrong.
        reason: String,
    },
    /// An option, or several together, that make no sense.
    #[error("{0}")]
    Options(String),
    /// A position that is not one of this loader.
    #[error("the position cannot be resumed: {0}")]
    Position(String),
    /// A thread that prepares batches has failed in a way that is a fault of this program.
    #[error(
        "a batch could not be prepared: {0}\n  help: please report this, with the sources' formats and the packing"
    )]
    Worker(String),
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        |source| Error::Read { path, source }
    }

    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        |source| Error::Write { path, source }
    }

    pub(crate) fn source(path: impl fmt::Display, reason: impl Into<String>) -> Error {
        Error::Source { path: path.to_string(), reason: reason.into() }
    }
}

/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn read_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "\n  help: look at the path; relative ones begin where the program was started",
        io::ErrorKind::PermissionDenied => "\n  help: ask its owner for permission to read it",
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            "\n  help: if the file is damaged or incomplete, copy or download it again"
        }
        _ => "",
    }
}

fn write_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "\n  help: free some space, or keep the cache on a larger disk; what is finished is kept, and the work goes on from there"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotADirectory => {
            "\n  help: name a cache folder that may be written"
        }
        _ => "",
    }
}
