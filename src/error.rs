//! The framework's error, with its remedy. docs/errors.md shows each as it looks.
use crate::{
    aval::Aval,
    checkpoint::CheckpointError,
    debug,
    distributed::DistributedError,
    jit::{Buckets, Changes},
    memory::Shortage,
    refusal::Refusal,
    trace::TraceError,
};
use std::{fmt, path::PathBuf};

/// Any error of the framework. docs/errors.md has a section on each variant.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The traced function is wrong: a shape, a dtype, a rule.
    #[error("{0}")]
    Trace(#[from] Box<TraceError>),
    /// The plugin refused or failed: loading, compiling, running, out of memory.
    #[error("{0}")]
    Runtime(raxla_xla::Error),
    /// A check of the program failed while it ran: [`debug_check`](crate::debug_check) or
    /// [`debug_assert`](crate::debug_assert). The message names it, the leaf, and your line.
    #[error("{0}")]
    Check(String),
    /// Host data does not fit the array it should become, or the other way round.
    #[error("{what}: {have}, but {want}\n  help: {help}")]
    Mismatch {
        /// What was attempted.
        what: String,
        /// What there is, as a sentence.
        have: String,
        /// What there would have to be, as a sentence.
        want: String,
        /// What to do.
        help: String,
    },
    /// A function whose programs are counted ([`Jit::allow_compiles`](crate::Jit::allow_compiles)) meets arguments that need
    /// another one.
    #[error("`{name}` needs another program, but {} allowed{changes}\n  help: {help}", are(*allowed))]
    Recompile {
        /// The function.
        name: String,
        /// How many programs it may have.
        allowed: usize,
        /// What is different from the nearest program that it has.
        changes: Changes,
        /// What to do.
        help: &'static str,
    },
    /// An argument that had to be donated shares no type with any result, or is also used elsewhere.
    #[error("the argument `{path}` ({aval}) cannot be donated: {reason}\n  help: {help}")]
    Donation {
        /// The leaf.
        path: String,
        /// Its type.
        aval: Aval,
        /// Why.
        reason: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// An argument of a function with buckets ([`Jit::bucketed`](crate::Jit::bucketed)) is longer than the largest of them.
    #[error(
        "the argument `{path}` of `{name}` is {length} long (axis {axis} of {aval}), and its buckets end before: {buckets}\n  \
         help: add a larger bucket, or cut or split the argument"
    )]
    TooLong {
        /// The function.
        name: String,
        /// The leaf.
        path: String,
        /// Its type.
        aval: Aval,
        /// The axis that is padded.
        axis: usize,
        /// Its size.
        length: usize,
        /// The buckets.
        buckets: Buckets,
    },
    /// A mesh, or how arrays are divided over it, is wrong: devices that do not exist, an axis that cannot be divided evenly.
    #[error("{reason}\n  help: {help}")]
    Sharding {
        /// What is wrong.
        reason: String,
        /// What to do.
        help: String,
    },
    /// The partitioner inserts a large all-gather into a program that does not allow it
    /// ([`Jit::deny_implicit_gather`](crate::Jit::deny_implicit_gather)).
    #[error(
        "`{name}`: the partitioner gathers {} along {axes}: {bytes} bytes on each device, and {limit} are allowed\n  \
         at {place}\n  \
         help: divide the operands of that operation alike (`in_shardings`, `with_sharding`), gather by hand where it is meant \
         (`all_gather` in a `shard_map`), or allow more",
        list(arrays)
    )]
    ImplicitGather {
        /// The function.
        name: String,
        /// What is gathered: the results.
        arrays: Vec<Aval>,
        /// Their bytes on each device.
        bytes: u64,
        /// How many are allowed.
        limit: u64,
        /// The axes of the mesh along which.
        axes: String,
        /// The line and scope of the operation that needs it.
        place: String,
    },
    /// Something needs more memory than there is: found before it is spent ([`memory`](crate::memory)).
    #[error("{0}")]
    Memory(Box<Shortage>),
    /// A file of a tree ([`tree::save`](crate::tree::save), [`tree::load`](crate::tree::load)) cannot be written or read, or
    /// holds another tree.
    #[error("{}: {reason}\n  help: {help}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// A checkpoint cannot be written or read, is damaged, or holds another tree ([`checkpoint`](crate::checkpoint)).
    #[error("{0}")]
    Checkpoint(#[from] Box<CheckpointError>),
    /// The processes of a program do not find each other, or lose each other ([`distributed`](crate::distributed)).
    #[error("{0}")]
    Distributed(Box<DistributedError>),
    /// A list of buckets is wrong, or does not go with the function, its arguments or results.
    #[error("{what}: {reason}\n  help: {help}")]
    Buckets {
        /// The list or the function.
        what: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        help: &'static str,
    },
}

/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
/// Of a mesh, or of how an array is divided over it.
impl From<Refusal> for Error {
    fn from(why: Refusal) -> Error {
        Error::Sharding { reason: why.reason, help: why.help.unwrap_or_default() }
    }
}

impl Error {
    /// An array, or a part of one, of data that are too few or too many: elements or bytes.
    pub(crate) fn length(what: String, have: usize, want: usize, unit: &str) -> Error {
        let counted = |n: usize| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
        let (have, want) = (format!("the data has {}", counted(have)), format!("it takes {}", counted(want)));
        let help = match unit {
            "byte" => {
                "give the product of the sizes times the bytes of an element; a bool and a 4-bit integer take one"
            }
            _ => "give as many elements as the product of the sizes is",
        };
        Error::Mismatch { what, have, want, help: help.into() }
    }
}

impl From<raxla_xla::Error> for Error {
    fn from(e: raxla_xla::Error) -> Error {
        debug::unmarked(&e.message).map_or(Error::Runtime(e.clone()), |message| Error::Check(message.into()))
    }
}

fn list(arrays: &[Aval]) -> String {
    arrays.iter().map(Aval::to_string).collect::<Vec<_>>().join(", ")
}

fn are(allowed: usize) -> String {
    match allowed {
        0 => "none is".into(),
        1 => "only 1 is".into(),
        n => format!("only {n} are"),
    }
}

/// `Result` with the framework's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
