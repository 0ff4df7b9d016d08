//! CPU kernels of raxla: products with packed matrices ([`product`]) and of arrays of bf16
//! ([`dot`](mod@dot)), attention to a cache ([`attention`]), and decompositions of
//! matrices ([`linalg`]).
//!
//! A kernel is written once, over vectors of 16 numbers ([`isa::Lanes`]), and compiled for each instruction set; which one is used is
//! decided at run time. Programs call kernels as custom calls of the XLA FFI ([`call`]), on the threads of the plugin.
// What functions of traits that are unsafe as a whole ask for is said at the trait. Arrays of lanes are indexed together.
#![allow(clippy::missing_safety_doc, clippy::needless_range_loop, clippy::too_many_arguments)]
pub mod amx;
pub mod attention;
mod bytes;
pub mod call;
mod convert;
mod decode;
pub mod dot;
pub mod format;
pub mod isa;
pub mod linalg;
pub mod pack;
mod pairs;
pub mod product;
mod thin;

pub use format::Format;
pub use isa::Isa;
