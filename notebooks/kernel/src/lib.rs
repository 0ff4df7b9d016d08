//! `raxla_notebooks` with raxla and its models in it, as one shared library.
//!
//! The kernel compiles each cell to a library and links it. If raxla were a part of each, there would be one PJRT client, one table of types
//! and one trace for each cell, and a variable of one cell would be meaningless in the next.
pub use support::*;
#[doc(hidden)]
pub use {raxla, raxla_graphs};
