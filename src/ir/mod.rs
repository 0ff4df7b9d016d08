//! What a program is: values and their types, trees of them, graphs of operations, and the tracing that records one.
pub mod aval;
pub(crate) mod formats;
pub mod graph;
pub mod host;
pub mod inner;
pub(crate) mod refusal;
pub mod trace;
pub mod tree;
