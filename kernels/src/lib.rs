//! CPU kernels of raxla.
pub mod amx;
pub mod attention;
pub mod call;
mod decode;
pub mod format;
pub mod isa;
pub mod pack;
pub mod product;
mod thin;

pub use format::Format;
pub use isa::Isa;
