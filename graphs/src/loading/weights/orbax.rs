//! Orbax checkpoints: trees of arrays with the names of Hugging Face or of Flax, in compressed chunks.

use super::view::View;
use super::{Weights, flax};
use crate::LoadError;
use raxla::memory;
use raxla_orbax::{ArrayKind, ArrayType, Checkpoint, Error, Key, Tree, Value};
use raxla_xla::MappedFile;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// The parameters of a checkpoint in this folder, decoded into one file, which is mapped and has no name any more; `None` if there
/// is no such checkpoint. The file takes as much disk in the temporary folder (`TMPDIR`) as the parameters have bytes.
pub(super) fn open(dir: &Path) -> Result<Option<Weights>, LoadError> {
    let bad = |e: Error| LoadError::format(dir, e.to_string());
    let checkpoint = match Checkpoint::open(dir) {
        Err(Error::NotACheckpoint { .. }) => return Ok(None),
        opened => opened.map_err(bad)?,
    };
    let tree = checkpoint.default_tree().and_then(|item| item.tree()).map_err(bad)?;
    let io = |e| LoadError::io(std::env::temp_dir(), e);
    let mut file = tempfile::NamedTempFile::new().map_err(io)?;
    let (mut arrays, mut at) = (vec![], 0);
    for (path, name, array) in parameters(&tree) {
        let dtype = flax::dtype(array.dtype.name())
            .ok_or_else(|| LoadError::format(dir, format!("raxla has no dtype `{}` (of `{name}`)", array.dtype)))?;
        let mut bytes = vec![];
        let length = array.shape.iter().product::<usize>() * array.dtype.size();
        memory::resize(&mut bytes, length, "reading it")
            .map_err(|e| LoadError::format(dir, format!("`{name}`: {e}")))?;
        tree.read(&name, &mut bytes).map_err(bad)?;
        // (what is mapped is aligned)
        memory::resize(&mut bytes, length.next_multiple_of(64), "reading it")
            .map_err(|e| LoadError::format(dir, format!("`{name}`: {e}")))?;
        file.write_all(&bytes).map_err(io)?;
        let (dims, range, view) = (array.shape.clone(), at..at + length, View::Whole);
        arrays.push(flax::Array { path, dtype, dims, range, view });
        at += bytes.len();
    }
    let layers = flax::layers(&arrays);
    // (Hugging Face's names have none)
    let of_flax = arrays.iter().any(|array| array.path.last().is_some_and(|leaf| leaf == "kernel"));
    let mut tensors = BTreeMap::new();
    for (name, stored) in flax::named(arrays, layers) {
        if tensors.insert(name.clone(), stored).is_some() {
            return Err(LoadError::format(dir, format!("tensor `{name}` occurs twice in the checkpoint")));
        }
    }
    if tensors.is_empty() {
        return Err(LoadError::format(dir, "its tree has no arrays"));
    }
    file.flush().map_err(io)?;
    let files = vec![MappedFile::open(file.path()).map_err(io)?];
    Ok(Some(Weights {
        path: dir.to_path_buf(),
        files,
        tensors,
        gguf: None,
        flax: of_flax.then_some(layers),
        dequantised: None,
    }))
}

/// The arrays that are parameters: the path of each, its name in Orbax, and its type.
fn parameters(tree: &Tree) -> Vec<(Vec<String>, String, &ArrayType)> {
    let mut all = vec![];
    for entry in tree.entries() {
        if let Value::Array(array) = &entry.value
            && array.kind != ArrayKind::Scalar
        {
            all.push((entry.path.iter().map(Key::to_string).collect(), entry.name(), array));
        }
    }
    flax::parameters(all, |(path, ..)| path)
}
