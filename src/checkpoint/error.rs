//! What goes wrong with checkpoints.
use super::Report;
use crate::{error::Error, file::remedy};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// What is wrong with a checkpoint, or the folder of several: where, what, and what to do.
#[derive(Clone, PartialEq)]
pub struct CheckpointError {
    /// The folder or file.
    pub path: PathBuf,
    /// Its kind, for programs that go on.
    pub problem: Problem,
    /// What is wrong, in words.
    pub reason: String,
    /// What to do.
    pub help: String,
}

/// Kinds of a [`CheckpointError`].
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// Bits were flipped, a file is shorter than it was or gone, an index is none: an older checkpoint may be whole.
    Damaged,
    /// There is no such step.
    NoStep,
    /// It holds another tree than the one that was asked for.
    Mismatch(Box<Report>),
    /// Another process writes checkpoints into this folder.
    Locked,
    /// What the system says on reading or writing.
    Io(io::ErrorKind),
    /// It was written by a newer raxla, or cannot be written as it is: two leaves of one path, a step that is there already.
    Unsupported,
    /// Of several processes that save together, another one failed, or they do not save the same.
    Together,
}

impl CheckpointError {
    pub(super) fn error(path: &Path, problem: Problem, reason: impl Into<String>, help: impl Into<String>) -> Error {
        let (reason, help) = (reason.into(), help.into());
        Error::Checkpoint(Box::new(CheckpointError { path: path.into(), problem, reason, help }))
    }
    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
        const HELP: &str =
            "restore an older step (`restore_latest` does), or copy this one again from where it is whole";
        CheckpointError::error(path, Problem::Damaged, reason, HELP)
    }
    pub(super) fn unwritable(path: &Path, e: &io::Error) -> Error {
        CheckpointError::error(path, Problem::Io(e.kind()), format!("it cannot be written: {e}"), remedy(e))
    }
    /// A file that has to be there cannot be read: damage, if it is gone or empty.
    pub(super) fn unreadable(path: &Path, e: &io::Error) -> Error {
        match e.kind() {
            io::ErrorKind::NotFound => CheckpointError::damaged(path, "it is missing"),
            io::ErrorKind::UnexpectedEof => CheckpointError::damaged(path, "it is empty"),
            io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => CheckpointError::damaged(path, e.to_string()),
            kind => {
                let help = "let this user read it, or copy it to where it can be read";
                CheckpointError::error(path, Problem::Io(kind), format!("it cannot be read: {e}"), help)
            }
        }
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}\n  help: {}", self.path.display(), self.reason, self.help)
    }
}
/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl std::error::Error for CheckpointError {}

/// Is this error damage that an older checkpoint may not have?
pub(super) fn is_damage(e: &Error) -> bool {
    matches!(e, Error::Checkpoint(e) if e.problem == Problem::Damaged)
}
