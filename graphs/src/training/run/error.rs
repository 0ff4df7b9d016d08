//! What goes wrong with a run.
use super::config::ConfigError;
use crate::LoadError;
use std::{fmt, io, path::PathBuf};

/// Why a run does not begin, or does not go on.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its data.
    #[error(transparent)]
    Data(#[from] raxla_data::Error),
    /// Its model: loading, tracing, compiling, running, saving.
    #[error(transparent)]
    Model(#[from] crate::Error),
    /// The plugin or its folder.
    #[error(transparent)]
    Plugin(#[from] raxla_xla::Error),
    /// What makes no sense for this model or this folder.
    #[error("{0}")]
    Usage(String),
    /// A loss or gradient that is not finite, where the policy does not say to go on.
    #[error("step {step}: {site}\n  help: {help}")]
    NotFinite {
        /// The step that was not taken.
        step: u64,
        /// The first number that is not finite.
        site: String,
        /// What to do.
        help: String,
    },
    /// A file of the run cannot be read or written.
    #[error("{} cannot be {what}: {source}\n  help: {}", path.display(), remedy(source))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// read or written.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
impl Error {
    pub(super) fn written(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, what: "written", source }
    }
    pub(super) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, what: "read", source }
    }
}
impl From<raxla::Error> for Error {
    fn from(e: raxla::Error) -> Error {
        Error::Model(e.into())
    }
}
impl From<LoadError> for Error {
    fn from(e: LoadError) -> Error {
        Error::Model(e.into())
    }
}
/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
/// `Result` with a run's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn remedy(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
            "free some space, and go on with --resume"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "say another folder as `out`",
        _ => "say another folder as `out`, or look at what is in the way",
    }
}
