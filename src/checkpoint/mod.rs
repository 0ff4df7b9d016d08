//! Checkpoints of training: any trees of arrays, divided over devices in any way, saved beside the running program and
//! restored on other devices.
//!
//! ```
//! use raxla::{prelude::*, checkpoint::{BestMode, CheckpointManager, Metadata, PreservationPolicy::*}};
//! # let place = tempfile::tempdir().unwrap();
//! # let folder = place.path().join("run");
//! let mut w = Array::from_slice([2], &[1f32, 2.])?;
//! let step = jit(|w: Tensor| w * 0.5);
//!
//! let keep = vec![LatestN(2), BestN { metric: "loss".into(), mode: BestMode::Min, n: 1 }, EveryNSteps(1000)];
//! let options = raxla::checkpoint::CheckpointManagerOptions { preservation: keep, ..Default::default() };
//! let mut manager = CheckpointManager::open(&folder, options.clone())?;
//! for i in 1..=3 {
//!     w = step.call((w,))?;
//!     let key = Key::host(i).to_device()?;
//!     let metadata = Metadata::default().metric("loss", 1.0 / i as f64).with("position", &(i * 8192))?;
//!     manager.save(i, &(w.clone(), key), metadata)?; // returns at once; a thread writes
//! }
//! manager.wait()?;
//! assert_eq!((manager.steps()?, manager.best()?), (vec![2, 3], Some(3)));
//! drop(manager);
//!
//! // another day, perhaps on other devices: a tree of types, of arrays or of `Target`s says what and where
//! let mut manager = CheckpointManager::open(&folder, options)?;
//! let like = (Aval::new(DType::F32, [2]), Key::from_data(Aval::new(DType::U32, [2])));
//! let found = manager.restore_latest(&like, &Default::default())?.expect("there is one");
//! assert_eq!((found.step, found.tree.0.to_vec::<f32>()?), (3, vec![0.125, 0.25]));
//! assert_eq!(found.metadata.get::<u64>("position")?, Some(3 * 8192));
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! The design is that of [Orbax](https://orbax.readthedocs.io): its `CheckpointManager`, asynchronous saving, preservation policies
//! and partial restoring; the files are such as any program can read.
//!
//! # Saving beside the program
//! [`save`](CheckpointManager::save) notes which parts of which arrays there are, and returns; nothing is copied first. Arrays
//! do not change, and a program that would reuse the memory of an argument ("donation") does not do so while somebody else
//! holds the array. So a thread can write each part from the memory of its device: in place where the host can read that, else
//! copied to the host one after the other. Each is let go of once it is written. What that costs: one step of training after a
//! save cannot take over the memory of its state, and needs as much again until the old one is written. Where that is not to be
//! had, [`wait`](CheckpointManager::wait) before the next step.
//!
//! Of a part that several devices hold the first one's copy is written (replica 0).
//!
//! # All or nothing
//! A checkpoint grows in a hidden folder beside the others, is written through to the disk, and is renamed. Checkpoints are
//! removed by being renamed first. So a process that is killed leaves whole ones only, and what it had not finished is removed by
//! the next manager of the folder. A lock keeps a second writer out; readers ([`Checkpoint`]) need none.
//!
//! # Several processes
//! In a program of several [processes](crate::distributed) all save the same tree, into a folder that all hosts share: each writes the parts
//! that its devices hold first, and process 0, which alone has the lock, the index and what each process has for itself. A save is done
//! in all processes or in none. Restoring reads the parts that a process's devices take, whoever wrote them.
//!
//! # The format
//! ```text
//! run/step_00000100/checkpoint.json                    the index
//! run/step_00000100/shard-00001-of-00008.safetensors   the parts of arrays that one device held
//! run/step_00000100/process-00002-shard-00001-of-00004.safetensors   likewise, of several processes
//! ```
//! The index is JSON: `format` ("raxla checkpoint"), `version` (1), `raxla` (the version that wrote it), `step`; `leaves`, a list in the
//! order of the tree, each with its `path` (`0.layers.3.w`), `dtype`, global `shape` and `pieces`; `files`, for each its length `bytes` and
//! `header_crc32`; `metadata` with `metrics` and `custom`; and last `crc32`, of the whole index with eight zeros in its own place. A
//! piece has its `offset` in the array, its `shape`, the `file` and `tensor` that hold its values, row-major, and their `crc32`. All
//! pieces of an array have one shape and lie in a grid. The tensor is named by the path, and, if it is not the whole array, the
//! ranges: `0.layers.3.w[0:128,0:64]`. Checksums are CRC-32 as in zip (`zlib.crc32` in Python), as eight hexadecimal digits. 4-bit
//! integers, which safetensors files lack, are stored as 8-bit ones.
//!
//! Every byte is covered by a checksum, and whoever reads it compares that first: damage is an error that names the file and tensor, and
//! [`restore_latest`](CheckpointManager::restore_latest) takes the checkpoint before.
use crate::{aval::DType, error::Result, file::dtype_in_file};
use safetensors::Dtype;
use std::{fs, io, path::Path};

mod error;
mod index;
mod lock;
mod manager;
mod metadata;
mod pattern;
mod read;
mod report;
mod restore;
mod retain;
mod save;
mod together;

pub use error::{CheckpointError, Problem};
pub use manager::{CheckpointManager, CheckpointManagerOptions, Restored};
pub use metadata::Metadata;
pub use read::{Checkpoint, Verified};
pub use report::Report;
pub use restore::{RestoreOptions, Target};
pub use retain::{BestMode, PreservationPolicy};
pub use save::Saved;

/// The name of the index in a checkpoint's folder.
const INDEX: &str = "checkpoint.json";

/// The steps that have a checkpoint in this folder, in order; also damaged ones.
///
/// # Errors
/// [`Error::Checkpoint`](crate::Error::Checkpoint): a folder that is not there or cannot be read.
pub fn steps(folder: impl AsRef<Path>) -> Result<Vec<u64>> {
    let folder = folder.as_ref();
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let entries = entries.map_err(|e| {
        let reason = format!("it cannot be read: {e}");
        CheckpointError::error(folder, Problem::Io(e.kind()), reason, "name the folder that checkpoints are saved in")
    })?;
    let mut steps: Vec<u64> = entries.iter().filter_map(|entry| step_of(&entry.path())).collect();
    steps.sort_unstable();
    Ok(steps)
}

/// The newest checkpoint in this folder that is whole, as far as its index and the lengths of its files tell. It needs no
/// manager: for programs that look on while another trains.
///
/// # Errors
/// As [`steps`].
pub fn latest(folder: impl AsRef<Path>) -> Result<Option<Checkpoint>> {
    let folder = folder.as_ref();
    let open = |step: &u64| Checkpoint::open(save::folder_of(folder, *step)).ok();
    Ok(steps(folder)?.iter().rev().find_map(open))
}

/// The step that a folder is named after.
fn step_of(path: &Path) -> Option<u64> {
    let step = path.file_name()?.to_str()?.strip_prefix("step_")?.parse().ok()?;
    (save::folder_of(path.parent()?, step) == path).then_some(step)
}

/// What the values of this dtype are called in a shard file; `None` if they cannot be in one.
fn stored(dtype: DType) -> Option<Dtype> {
    match dtype {
        DType::I4 => Some(Dtype::I8),
        DType::U4 => Some(Dtype::U8),
        other => dtype_in_file(other).or_else(|| (other.is_float() && other.bits() <= 8).then_some(Dtype::U8)),
    }
}
