//! raxla: JAX for Rust.
extern crate self as raxla;

pub mod aval;
pub mod graph;
pub mod host;
pub mod lower;
mod ops;
pub mod prim;
pub mod trace;
pub mod tree;

pub use aval::{Aval, DType, Dims};
pub use graph::{Graph, Var};
pub use host::Host;
pub use ops::{Rhs, where_};
pub use prim::{Scalar, full, literal, ones, zeros};
pub use trace::{Tensor, TraceError, scope};
pub use tree::{Hole, Leaf, Path, Structure, Tree};

/// What programs that use raxla import.
pub mod prelude {
    pub use crate::{Aval, DType, Host, Tensor, Tree, full, ones, scope, where_, zeros};
}
