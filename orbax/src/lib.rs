//! x
mod checkpoint;
mod diff;
mod dtype;
mod error;
mod ocdbt;
mod store;
mod stream;
mod tree;
mod writer;
mod zarr;

pub use checkpoint::{Checkpoint, Item, ItemKind, steps};
pub use diff::{Diff, Expected, diff};
pub use dtype::DType;
pub use error::{Error, Result};
pub use tree::{ArrayKind, ArrayType, Empty, Entry, Key, Tree, Value, Verified, dict_path};
pub use writer::{ArrayId, Layout, Options, Writer};
