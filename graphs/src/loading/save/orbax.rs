//! Orbax checkpoints with Flax's names: those of Linen below `params`, those of NNX as a pure dict.

use super::{
    linen::{Leaf, leaves},
    tensors::Tensors,
    unwritable,
};
use crate::{Error, Result, config::HfConfig, weights::flax};
use indicatif::ProgressBar;
use raxla_orbax::{ArrayKind, ArrayType, DType, Key, Layout, Options, Writer};
use std::{fs, path::Path};

/// An array of more bytes is in chunks of about as many, so that a part of it can be read by itself.
const CHUNK: usize = 64 << 20;

/// The collection of variables that a Linen module's parameters are.
pub(super) const COLLECTION: &str = "params";

/// Writes all parameters into this folder, which is not a checkpoint yet, and gives the number of files with their values. `below`
/// is what stands before all paths.
pub(super) fn write(
    dir: &Path,
    tensors: &dyn Tensors,
    config: &HfConfig,
    below: Option<&str>,
    bar: &ProgressBar,
) -> Result<usize> {
    let failed = |error| match error {
        raxla_orbax::Error::Io { path, source } => unwritable(&path, source),
        other => Error::Save { path: dir.to_path_buf(), reason: other.to_string() },
    };
    // a checkpoint of its own first, whose files then go beside config.json
    let made = dir.join("checkpoint");
    let options = Options { layout: Layout::Direct, ..Options::default() };
    let mut writer = Writer::create(&made, options).map_err(failed)?;
    for leaf in leaves(tensors, config, flax::Layers::Flax)? {
        one(&mut writer, &leaf, tensors, below, bar, &failed)?;
    }
    writer.finish().map_err(failed)?;
    let moved = || {
        for entry in fs::read_dir(&made)? {
            let entry = entry?;
            fs::rename(entry.path(), dir.join(entry.file_name()))?;
        }
        fs::remove_dir(&made)?;
        Ok(fs::read_dir(dir.join("ocdbt.process_0").join("d"))?.count())
    };
    moved().map_err(|e| unwritable(dir, e))
}

fn one(
    writer: &mut Writer,
    leaf: &Leaf,
    tensors: &dyn Tensors,
    below: Option<&str>,
    bar: &ProgressBar,
    failed: &dyn Fn(raxla_orbax::Error) -> Error,
) -> Result<()> {
    let path: Vec<Key> =
        below.into_iter().chain(leaf.path.iter().map(String::as_str)).map(|key| Key::Dict(key.into())).collect();
    leaf.read(tensors, bar, |dims, dtype, bytes| {
        let name = flax::dtype_name(dtype);
        let dtype = DType::ALL.iter().find(|d| Some(d.name()) == name);
        let dtype = *dtype.ok_or_else(|| Error::Usage(format!("Orbax has no {name:?}")))?;
        let mut chunk = dims.to_vec();
        if let Some(rows) = chunk.first_mut() {
            // (in equal parts: the last one is stored in full)
            *rows = rows.div_ceil(bytes.len().div_ceil(CHUNK).max(1)).max(1);
        }
        let array = ArrayType { dtype, shape: dims.to_vec(), chunk, kind: ArrayKind::Numpy };
        writer.write(&path, &array, bytes).map_err(failed)
    })
}
