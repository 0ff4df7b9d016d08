//! Checkpoints: safetensors (one file or shards) and GGUF, memory-mapped, converted on reading.
//!
//! Whatever the file, the names, shapes and element order are those of Hugging Face's checkpoint of the same model.

mod convert;
mod dequant;
pub mod gguf;
pub(crate) mod names;
mod report;
mod safetensors;

pub use convert::Encoding;
pub use dequant::Block;
pub use report::Mismatch;

use crate::LoadError;
use convert::Layout;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use xla_extension::{DType, MappedFile};

/// An open checkpoint. Reading a tensor touches only that tensor's bytes.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<MappedFile>,
    tensors: BTreeMap<String, Stored>,
    gguf: Option<gguf::Metadata>,
}

/// Where a tensor's values are and how they are to be understood.
#[derive(Clone, Debug)]
struct Stored {
    /// Index into [`Weights::files`].
    file: usize,
    encoding: Encoding,
    dims: Vec<usize>,
    range: Range<usize>,
    layout: Layout,
    /// Part of the configuration: readable, but not listed among the parameters.
    hidden: bool,
}

/// The type and shape of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info<'a> {
    /// How the values are stored.
    pub encoding: Encoding,
    /// The shape, row-major.
    pub dims: &'a [usize],
}

impl Info<'_> {
    /// The number of values.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }
}

impl Weights {
    /// Opens a checkpoint: a `.safetensors` file, a `.gguf` file, or a directory with `model.safetensors` or
    /// `model.safetensors.index.json` and its shards (or else a single file of either kind).
    ///
    /// Only headers are read. A file that is truncated or whose header contradicts itself is an error here, not later.
    pub fn open(path: impl AsRef<Path>) -> Result<Weights, LoadError> {
        let path = path.as_ref();
        if path.is_dir() { Weights::open_dir(path) } else { Weights::open_files(path, &[path.to_path_buf()]) }
    }

    fn open_dir(dir: &Path) -> Result<Weights, LoadError> {
        let single = dir.join("model.safetensors");
        if single.is_file() {
            return Weights::open_files(dir, &[single]);
        }
        let index = dir.join("model.safetensors.index.json");
        if index.is_file() {
            let shards = shards(&index)?;
            let weights = Weights::open_files(dir, &shards.files)?;
            let absent = shards.tensors.iter().find(|name| !weights.tensors.contains_key(*name));
            return match absent {
                Some(name) => {
                    Err(LoadError::format(index, format!("it lists tensor `{name}`, which none of its files holds")))
                }
                None => Ok(weights),
            };
        }
        let entries = std::fs::read_dir(dir).map_err(|e| LoadError::io(dir, e))?;
        let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| kind(p).is_some()).collect();
        found.sort();
        match found.as_slice() {
            [one] => Weights::open_files(one, &found),
            [] => Err(LoadError::format(
                dir,
                "the directory has no weights, neither model.safetensors nor model.safetensors.index.json nor any other \
                 .safetensors or .gguf file\n  \
                 help: weights in another format (pytorch_model.bin) must be saved as safetensors first",
            )),
            many => Err(LoadError::format(
                dir,
                format!(
                    "the directory has several files of weights and no index\n  help: name one of them: {}",
                    many.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
                ),
            )),
        }
    }

    fn open_files(path: &Path, files: &[PathBuf]) -> Result<Weights, LoadError> {
        let mut weights = Weights { path: path.to_path_buf(), files: Vec::new(), tensors: BTreeMap::new(), gguf: None };
        for file in files {
            let mapped = MappedFile::open(file).map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => LoadError::format(file, e.to_string()),
                _ => LoadError::io(file, e),
            })?;
            let bad = |reason| LoadError::format(file, reason);
            let is_gguf = mapped.starts_with(b"GGUF") || kind(file) == Some("gguf");
            let tensors = if is_gguf {
                weights.read_gguf(&mapped).map_err(bad)?
            } else {
                safetensors::tensors(&mapped).map_err(bad)?
            };
            for (name, stored) in tensors {
                let stored = Stored { file: weights.files.len(), ..stored };
                if weights.tensors.insert(name.clone(), stored).is_some() {
                    return Err(bad(format!("tensor `{name}` occurs twice in the checkpoint")));
                }
            }
            weights.files.push(mapped);
        }
        Ok(weights)
    }

    fn read_gguf(&mut self, file: &[u8]) -> Result<Vec<(String, Stored)>, String> {
        let gguf::Header { metadata, tensors } = gguf::parse(file)?;
        let table = names::architecture(metadata.str("general.architecture").unwrap_or_default());
        let mut stored = Vec::with_capacity(tensors.len());
        for gguf::Entry { name: gguf_name, mut dims, encoding, range } in tensors {
            let (name, layout) = match table {
                Some(table) => table.translate(&gguf_name, &metadata)?,
                None => (gguf_name.clone(), Layout::Same),
            };
            match (layout, dims.as_mut_slice()) {
                (Layout::Same, _) => {}
                (Layout::Transposed, [rows, columns]) => std::mem::swap(rows, columns),
                (Layout::Interleaved { heads }, [rows, ..]) if rows.is_multiple_of(2 * heads) => {}
                _ => {
                    return Err(format!(
                        "tensor `{gguf_name}` of shape {dims:?} does not fit the metadata ({layout:?})"
                    ));
                }
            }
            let hidden = names::ROPE_FACTORS.contains(&name.as_str());
            stored.push((name, Stored { file: 0, encoding, dims, range, layout, hidden }));
        }
        self.gguf = Some(metadata);
        Ok(stored)
    }

    /// Where the checkpoint lies: the path given to [`Weights::open`], or the file found in it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metadata, if this is a GGUF file.
    pub fn gguf(&self) -> Option<&gguf::Metadata> {
        self.gguf.as_ref()
    }

    /// The names of all parameters, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().filter(|(_, s)| !s.hidden).map(|(name, _)| name.as_str())
    }

    /// The type and shape of a tensor.
    pub fn info(&self, name: &str) -> Option<Info<'_>> {
        self.tensors.get(name).map(|s| Info { encoding: s.encoding, dims: &s.dims })
    }

    /// The bytes that all parameters take in their files.
    pub fn stored_bytes(&self) -> u64 {
        self.tensors.values().filter(|s| !s.hidden).map(|s| s.range.len() as u64).sum()
    }

    /// A tensor's values as they are stored, without a copy. `None` if there is no such tensor, or if its values are
    /// stored in another order than Hugging Face's.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let stored = self.tensors.get(name).filter(|s| s.layout == Layout::Same)?;
        Some(self.slice(stored))
    }

    fn slice(&self, stored: &Stored) -> &[u8] {
        &self.files[stored.file][stored.range.clone()]
    }

    /// A tensor's values as `dtype`, row-major and little-endian, each rounded once. Every float type and every ggml
    /// format can be read as F32, BF16, F16 or F64; other types only as they are stored.
    ///
    /// The memory in use grows by the result alone: what was read of the file is given back to the system.
    pub fn read(&self, name: &str, dtype: DType) -> Result<Vec<u8>, LoadError> {
        let stored = self.convertible(name, dtype)?;
        let mut out = vec![0; self.elements(name, stored, dtype)? * (dtype.bits() / 8)];
        self.convert(stored, dtype, &mut out);
        Ok(out)
    }

    /// [`Weights::read`] into memory that exists already, which must have exactly the length needed. Fresh memory costs
    /// about as much time as the conversion, so a loader that uploads one tensor after the other reuses its buffer.
    pub fn read_into(&self, name: &str, dtype: DType, out: &mut [u8]) -> Result<(), LoadError> {
        let stored = self.convertible(name, dtype)?;
        let needed = self.elements(name, stored, dtype)? * (dtype.bits() / 8);
        if out.len() != needed {
            return Err(
                self.bad_tensor(name, format!("it takes {needed} bytes as {}, not {}", dtype.name(), out.len()))
            );
        }
        self.convert(stored, dtype, out);
        Ok(())
    }

    /// A tensor's values as f32, row-major. See [`Weights::read`].
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, LoadError> {
        let stored = self.convertible(name, DType::F32)?;
        let mut out = vec![0f32; self.elements(name, stored, DType::F32)?];
        self.convert(stored, DType::F32, bytemuck::cast_slice_mut(&mut out));
        Ok(out)
    }

    /// The number of values, after making sure that they can be counted in bytes too.
    fn elements(&self, name: &str, stored: &Stored, dtype: DType) -> Result<usize, LoadError> {
        let n: usize = stored.dims.iter().product();
        let fits = n.checked_mul(dtype.bits() / 8).is_some_and(|bytes| isize::try_from(bytes).is_ok());
        if fits { Ok(n) } else { Err(self.bad_tensor(name, "it is too large for this machine")) }
    }

    fn convertible(&self, name: &str, dtype: DType) -> Result<&Stored, LoadError> {
        let stored =
            self.tensors.get(name).ok_or_else(|| self.bad_tensor(name, "the checkpoint has no such tensor"))?;
        match convert::convertible(stored.encoding, dtype) {
            true => Ok(stored),
            false => Err(self.bad_tensor(
                name,
                format!("it is stored as {} and cannot be read as {}", stored.encoding, dtype.name()),
            )),
        }
    }

    fn bad_tensor(&self, name: &str, reason: impl Into<String>) -> LoadError {
        LoadError::Tensor { path: self.path.clone(), name: name.to_string(), reason: reason.into() }
    }

    fn convert(&self, stored: &Stored, dtype: DType, out: &mut [u8]) {
        let rows = stored.dims.first().copied().unwrap_or(1);
        convert::convert(stored.encoding, stored.layout, rows, self.slice(stored), dtype, out);
        self.files[stored.file].forget(stored.range.clone());
    }

    /// Gives every name the prefix `prefix` (`"model."`) if none has it and `except` does not hold: a checkpoint of the
    /// bare model, without its head, lacks the prefix.
    pub fn ensure_prefix(&mut self, prefix: &str, except: impl Fn(&str) -> bool) {
        if self.tensors.keys().any(|name| name.starts_with(prefix)) {
            return;
        }
        let renamed = |(name, stored): (String, Stored)| match stored.hidden || except(&name) {
            true => (name, stored),
            false => (format!("{prefix}{name}"), stored),
        };
        self.tensors = std::mem::take(&mut self.tensors).into_iter().map(renamed).collect();
    }

    /// Compares the checkpoint with the parameters of a model, given as (name, dims), and reports all differences at
    /// once. Tensors that the model does not have are reported unless `allow_unexpected` holds for their names.
    pub fn check(
        &self,
        expected: &[(String, Vec<usize>)],
        allow_unexpected: &dyn Fn(&str) -> bool,
    ) -> Result<(), LoadError> {
        let mut mismatch =
            Mismatch { file: self.path.display().to_string(), expected: expected.len(), ..Mismatch::default() };
        let mut known = std::collections::HashSet::new();
        for (name, dims) in expected {
            known.insert(name.as_str());
            match self.tensors.get(name) {
                None => mismatch.missing.push(name.clone()),
                Some(stored) if stored.dims != *dims => {
                    mismatch.misshapen.push((name.clone(), dims.clone(), stored.dims.clone()));
                }
                Some(_) => {}
            }
        }
        mismatch.unexpected =
            self.names().filter(|n| !known.contains(n) && !allow_unexpected(n)).map(str::to_string).collect();
        if mismatch.is_empty() { Ok(()) } else { Err(mismatch.into()) }
    }
}

/// `safetensors` or `gguf`, by the extension.
pub(crate) fn kind(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?;
    ["safetensors", "gguf"].into_iter().find(|k| extension.eq_ignore_ascii_case(k))
}

/// What a `model.safetensors.index.json` lists.
pub(crate) struct Shards {
    /// Paths of the shards, each once.
    pub(crate) files: Vec<PathBuf>,
    tensors: Vec<String>,
}

/// Reads an index. Its file names must stay inside the directory it lies in.
pub(crate) fn shards(index: &Path) -> Result<Shards, LoadError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read_to_string(index).map_err(|e| LoadError::io(index, e))?;
    let parsed: Index = serde_json::from_str(&text).map_err(|e| LoadError::format(index, e.to_string()))?;
    let mut names: Vec<&String> = parsed.weight_map.values().collect();
    names.sort();
    names.dedup();
    let dir = index.parent().unwrap_or(Path::new(""));
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        if !is_plain_file_name(name) {
            return Err(LoadError::format(index, format!("{name:?} is not a file name")));
        }
        files.push(dir.join(name));
    }
    Ok(Shards { files, tensors: parsed.weight_map.into_keys().collect() })
}

/// A name without directories: what comes from a file or a server must not lead elsewhere.
pub(crate) fn is_plain_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None)) && !name.contains('\\')
}
