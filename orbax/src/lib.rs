//! Checkpoints of [Orbax](https://github.com/google/orbax), JAX's library for them, read and written without Python or C++.
//!
//! # Reading
//! ```no_run
//! use raxla_orbax::{Checkpoint, Value};
//!
//! # fn main() -> raxla_orbax::Result<()> {
//! let checkpoint = Checkpoint::open("runs/7/1000")?; // a step of a `CheckpointManager`, or any other checkpoint
//! let tree = checkpoint.default_tree()?.tree()?;
//! for entry in tree.entries() {
//!     if let Value::Array(array) = &entry.value {
//!         println!("{}: {} {:?}", entry.name(), array.dtype, array.shape);
//!     }
//! }
//! let mut bias = vec![0; 768 * 4];
//! tree.read("params.dense.bias", &mut bias)?;
//! // One layer of the parameters of all layers: only the chunks that it touches are read.
//! let mut kernel = vec![0; 768 * 768 * 4];
//! tree.read_slice("params.layers.kernel", &[3..4, 0..768, 0..768], &mut kernel)?;
//! # Ok(())
//! # }
//! ```
//! Opening reads the structure and types of the whole tree, and fails where something of them is missing. Elements are read when
//! asked for, into the caller's buffer; chunks are decoded as streams, so that a chunk of many gigabytes takes no memory of its own.
//! A [`Tree`] can be read from several threads. [`Tree::verify`] reads everything and lists what is damaged. [`diff`] compares a
//! tree strictly with what a model expects; Orbax itself restores what it finds. [`steps`] lists the committed steps of a
//! `CheckpointManager`.
//!
//! # Writing
//! ```no_run
//! use raxla_orbax::{dict_path, ArrayKind, ArrayType, DType, Layout, Options, Writer};
//!
//! # fn main() -> raxla_orbax::Result<()> {
//! # fn layer(_: usize) -> Vec<u8> { Vec::new() }
//! let mut writer = Writer::create("runs/7/1000", Options { layout: Layout::Manager, ..Options::default() })?;
//! let kernels = ArrayType { dtype: DType::Bfloat16, shape: vec![32, 768, 768], chunk: vec![1, 768, 768], kind: ArrayKind::Numpy };
//! let id = writer.array(&dict_path("params.layers.kernel"), &kernels)?;
//! for i in 0..32 {
//!     writer.chunk(id, &[i, 0, 0], &layer(i))?; // one chunk is in memory at a time
//! }
//! writer.finish()?; // now `runs/7/1000` is there
//! # Ok(())
//! # }
//! ```
//! The folder appears complete or not at all: it is written beside, as `1000.orbax-checkpoint-tmp`, synced, and renamed. Arrays of
//! the kind [`ArrayKind::Numpy`] are what Orbax restores on any machine. Those of the kind [`ArrayKind::Jax`] it restores only when
//! it is told their shardings, because the devices are not known here. (Given a target of `jax.ShapeDtypeStruct`s, it makes JAX
//! arrays of both.) `scripts/check_orbax.py` restores what is written here with Orbax.
//!
//! # The format
//! ```text
//! STEP/
//!   _CHECKPOINT_METADATA    JSON: handlers of the items, times, what the user stored
//!   commit_success.txt      written last; before Orbax 0.12.3 (2026) only on Google Cloud Storage
//!   orbax.checkpoint        empty: the marker of v1
//!   ITEM/                   state (v1), default (v0); v0 without `CheckpointManager` has its files in STEP itself
//!     _METADATA             JSON: for each leaf its keys (1: sequence, 2: dictionary) and what it was; use_ocdbt, use_zarr3
//!     _strings.json         strings, by name
//!     _sharding             JSON: how arrays were divided over devices, which reading does not need
//!     array_metadatas/      JSON: shapes of chunks, which the arrays have too
//!     manifest.ocdbt, d/, ocdbt.process_N/    keys and values, in files of TensorStore's OCDBT
//!     NAME/                 without OCDBT: the values of keys, as files
//! ```
//! The name of a leaf is its keys, joined by dots. An array NAME has its type at the key `NAME/.zarray` (Zarr version 2, the default
//! of v0) or `NAME/zarr.json` (version 3, that of v1), and its chunks at `NAME/0.1` or `NAME/c/0/1`. The modules `ocdbt` and `zarr`
//! describe what is in them.
//!
//! Orbax calls `_METADATA` an internal detail that may change. What is not known here is an error with its name: value types and key
//! types, codecs (blosc, which Orbax does not write), Fortran's order, big endian, versions of OCDBT and Zarr, data files outside of
//! the checkpoint. Sizes and places in files are not trusted: nothing is allocated by them that the bytes do not bear out.
//!
//! Limits: local folders only (no `gs://`); what is written has one process and a B-tree of one node, thus at most a million chunks.
//! Named tuples and other classes are dictionaries of their fields; `value_metadata_tree`, which knows their Python classes, is not
//! read. Random keys are the `uint32` arrays that they consist of.
//!
//! Sources: `docs/guides/checkpoint` and `_src/{metadata,path,serialization}` of google/orbax (0.12.8), and those that the modules
//! name.
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
