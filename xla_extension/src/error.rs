//! The error type: PJRT's status codes with the plugin's message and, where there is one, the way out.

use crate::sys;
use std::fmt;

/// What kind of failure an [`Error`] is: the status codes of PJRT, which this crate's own errors use too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Code {
    /// The operation was cancelled.
    Cancelled,
    /// No more is known.
    Unknown,
    /// An argument is wrong whatever the state of the system: shapes, dtypes, options, programs that do not parse.
    InvalidArgument,
    /// The time allowed ran out.
    DeadlineExceeded,
    /// A file, plugin, device or symbol is not there.
    NotFound,
    /// Something of that name exists already.
    AlreadyExists,
    /// Not allowed.
    PermissionDenied,
    /// Memory (device or host) or another resource ran out.
    ResourceExhausted,
    /// The system is not in the state the operation needs: a deleted buffer, no GPU.
    FailedPrecondition,
    /// The operation was aborted.
    Aborted,
    /// An index or position lies outside its range.
    OutOfRange,
    /// The plugin does not offer this.
    Unimplemented,
    /// A broken invariant: a bug of the plugin or of this crate.
    Internal,
    /// A service (network, package index) cannot be reached now.
    Unavailable,
    /// Data is corrupt: a hash does not match, a file is truncated.
    DataLoss,
    /// No valid credentials.
    Unauthenticated,
}

/// A failure in the plugin or around it.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// What happened, in the plugin's words where it comes from the plugin.
    pub message: String,
    /// What to do about it, if that is known.
    pub remedy: Option<String>,
}

/// The crate's result type.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a remedy.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), remedy: None }
    }

    /// The same error with a remedy, shown as a help line.
    pub fn help(mut self, remedy: impl Into<String>) -> Error {
        self.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(Code::InvalidArgument, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  help: {remedy}"),
            None => Ok(()),
        }
    }
}

/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl std::error::Error for Error {}

const CODES: [(Code, sys::PJRT_Error_Code); 16] = [
    (Code::Cancelled, sys::PJRT_Error_Code_CANCELLED),
    (Code::Unknown, sys::PJRT_Error_Code_UNKNOWN),
    (Code::InvalidArgument, sys::PJRT_Error_Code_INVALID_ARGUMENT),
    (Code::DeadlineExceeded, sys::PJRT_Error_Code_DEADLINE_EXCEEDED),
    (Code::NotFound, sys::PJRT_Error_Code_NOT_FOUND),
    (Code::AlreadyExists, sys::PJRT_Error_Code_ALREADY_EXISTS),
    (Code::PermissionDenied, sys::PJRT_Error_Code_PERMISSION_DENIED),
    (Code::ResourceExhausted, sys::PJRT_Error_Code_RESOURCE_EXHAUSTED),
    (Code::FailedPrecondition, sys::PJRT_Error_Code_FAILED_PRECONDITION),
    (Code::Aborted, sys::PJRT_Error_Code_ABORTED),
    (Code::OutOfRange, sys::PJRT_Error_Code_OUT_OF_RANGE),
    (Code::Unimplemented, sys::PJRT_Error_Code_UNIMPLEMENTED),
    (Code::Internal, sys::PJRT_Error_Code_INTERNAL),
    (Code::Unavailable, sys::PJRT_Error_Code_UNAVAILABLE),
    (Code::DataLoss, sys::PJRT_Error_Code_DATA_LOSS),
    (Code::Unauthenticated, sys::PJRT_Error_Code_UNAUTHENTICATED),
];

impl Code {
    /// The code with this number of PJRT's, which the XLA FFI shares; `Unknown` for numbers not known.
    pub fn from_pjrt(number: sys::PJRT_Error_Code) -> Code {
        CODES.iter().find(|row| row.1 == number).map_or(Code::Unknown, |row| row.0)
    }

    /// PJRT's number.
    pub fn to_pjrt(self) -> sys::PJRT_Error_Code {
        CODES.iter().find(|row| row.0 == self).map_or(sys::PJRT_Error_Code_UNKNOWN, |row| row.1)
    }
}
