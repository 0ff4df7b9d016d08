//! Orbax checkpoints: trees of arrays with the names of Hugging Face or of Linen, in compressed chunks.

use super::convert::{Encoding, Layout};
use super::view::View;
use super::{Stored, Weights, flax};
use crate::LoadError;
use raxla::memory;
use raxla_orbax::{ArrayKind, ArrayType, Checkpoint, Error, Key, Tree, Value};
use raxla_xla::MappedFile;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// The parameters of a checkpoint in this folder, decoded into one file, which is mapped and has no name any more; `None` if there
/// is no such checkpoint. The file takes as much disk in the temporary folder (`TMPDIR`) as the parameters have bytes.
///
/// A state of training has its parameters below `params`. Where all leaves are `value`, as those of a flax state are, that is no part
/// of their names.
pub(super) fn open(dir: &Path) -> Result<Option<Weights>, LoadError> {
    let bad = |e: Error| LoadError::format(dir, e.to_string());
    let checkpoint = match Checkpoint::open(dir) {
        Err(Error::NotACheckpoint { .. }) => return Ok(None),
        opened => opened.map_err(bad)?,
    };
    let tree = checkpoint.default_tree().and_then(|item| item.tree()).map_err(bad)?;
    let io = |e| LoadError::io(std::env::temp_dir(), e);
    let mut file = tempfile::NamedTempFile::new().map_err(io)?;
    let (mut tensors, mut at) = (BTreeMap::new(), 0);
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
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let (torch, transposed) = flax::torch(&path, Some(array.shape.len()));
        let mut dims = array.shape.clone();
        let layout = if transposed { Layout::Transposed } else { Layout::Same };
        if transposed {
            dims.reverse();
        }
        let (encoding, range, view) = (Encoding::Plain(dtype), at..at + length, View::Whole);
        let stored = Stored { file: 0, encoding, dims, range, layout, view, hidden: false, scales: None };
        if tensors.insert(torch.clone(), stored).is_some() {
            return Err(LoadError::format(dir, format!("tensor `{torch}` occurs twice in the checkpoint")));
        }
        at += bytes.len();
    }
    if tensors.is_empty() {
        return Err(LoadError::format(dir, "its tree has no arrays"));
    }
    file.flush().map_err(io)?;
    let files = vec![MappedFile::open(file.path()).map_err(io)?];
    Ok(Some(Weights { path: dir.to_path_buf(), files, tensors, gguf: None, dequantised: None }))
}

/// The arrays that are parameters: the path of each, its name in Orbax, and its type.
fn parameters(tree: &Tree) -> Vec<(Vec<String>, String, &ArrayType)> {
    let in_params = |path: &[Key]| matches!(path, [Key::Dict(first), ..] if first == "params");
    let only_params = tree.entries().iter().any(|e| in_params(&e.path));
    let mut found = vec![];
    for entry in tree.entries() {
        let Value::Array(array) = &entry.value else { continue };
        if array.kind == ArrayKind::Scalar || only_params && !in_params(&entry.path) {
            continue;
        }
        let path = entry.path.iter().skip(usize::from(only_params)).map(Key::to_string);
        found.push((path.collect::<Vec<_>>(), entry.name(), array));
    }
    if found.iter().all(|(path, ..)| path.len() > 1 && path.last().is_some_and(|last| last == "value")) {
        found.iter_mut().for_each(|(path, ..)| drop(path.pop()));
    }
    found
}
