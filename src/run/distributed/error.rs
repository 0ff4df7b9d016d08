//! What goes wrong among several processes.
use crate::error::Error;
use std::fmt;

/// What is wrong with a program of several processes: what, and what to do.
#[derive(Clone, PartialEq)]
pub struct DistributedError {
    /// Its kind, for programs that go on.
    pub problem: Problem,
    /// What is wrong, in words.
    pub reason: String,
    /// What to do.
    pub help: String,
}

/// Kinds of a [`DistributedError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// It is not said how many processes there are, which this is, or where they meet; or what is said makes no sense.
    Options,
    /// The store where the processes meet does not answer.
    Unreachable,
    /// Other processes have not come in time.
    Missing,
    /// The processes were started with different numbers of processes.
    WrongCount,
    /// Two processes have one number.
    Duplicate,
    /// A process that was there has ended, or does not answer any more.
    Lost,
    /// The processes hand in values that do not go together.
    Mismatch,
}

impl DistributedError {
    pub(super) fn new(problem: Problem, reason: impl Into<String>, help: impl Into<String>) -> DistributedError {
        DistributedError { problem, reason: reason.into(), help: help.into() }
    }
    pub(super) fn error(problem: Problem, reason: impl Into<String>, help: impl Into<String>) -> Error {
        DistributedError::new(problem, reason, help).into()
    }
}

impl From<DistributedError> for Error {
    fn from(e: DistributedError) -> Error {
        Error::Distributed(Box::new(e))
    }
}

impl fmt::Display for DistributedError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}\n  help: {}", self.reason, self.help)
    }
}
/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for DistributedError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl std::error::Error for DistributedError {}
