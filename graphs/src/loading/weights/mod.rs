//! Checkpoints: files of safetensors, PyTorch and Flax (one or shards), and GGUF; memory-mapped, converted on reading. And Orbax's,
//! with the names of Hugging Face, Linen or NNX.
//!
//! Whatever the file, the names, shapes and element order are those of Hugging Face's checkpoint of the same model.

mod arrange;
mod compressed;
mod convert;
mod dequant;
mod encode;
mod find;
pub(crate) mod flax;
pub mod gguf;
mod int8;
pub(crate) mod names;
mod orbax;
mod pack;
mod quantised;
mod renamed;
mod report;
mod safetensors;
mod torch;
mod view;

pub(crate) use arrange::scatter;
pub use convert::Encoding;
pub use dequant::Block;
pub(crate) use find::{ADAPTER, LFS_POINTER, adapter, base_of, is_lfs_pointer};
pub(crate) use find::{checkpoint, gguf_parts, is_index, is_plain_file_name, kind, shards};
pub use pack::format_of;
pub(crate) use pack::{integer_scale, pack_numbers, plain_dtype, quantised_format};
pub use report::Mismatch;

use crate::LoadError;
use convert::{Layout, Values};
use raxla::{memory, param::Selection};
use raxla_xla::{DType, MappedFile};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use view::View;

/// An open checkpoint. Reading a tensor touches only that tensor's bytes.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<MappedFile>,
    tensors: BTreeMap<String, Stored>,
    gguf: Option<gguf::Metadata>,
    /// Of a checkpoint with the names of Flax, whose layers have them.
    flax: Option<flax::Layers>,
    /// What the values of quantised tensors are to be.
    dequantised: Option<DType>,
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
    view: View,
    /// Part of the configuration: readable, but not listed among the parameters.
    hidden: bool,
    /// Where the numbers are that its values are multiplied with.
    scales: Option<quantised::Scales>,
}

/// Values of dtype `from` as `to`, in the same order, or transposed to a matrix of so many rows; `None` for dtypes that
/// have no conversion.
pub(crate) fn reordered(src: &[u8], from: DType, transposed: Option<usize>, to: DType, out: &mut [u8]) -> Option<()> {
    let (from, layout) = (Encoding::Plain(from), transposed.map_or(Layout::Same, |_| Layout::Transposed));
    let fits = from.bytes(out.len() / (to.bits() / 8)) == Some(src.len());
    let possible = fits && convert::convertible(from, to);
    let (n, rows) = (out.len() / (to.bits() / 8), transposed.unwrap_or(1));
    possible.then(|| arrange::convert(from, layout, &[rows, n.checked_div(rows).unwrap_or(0)], src, to, out))
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
    /// Opens a checkpoint: a `.safetensors`, `.gguf` PyTorch (`.bin`, `.pt`, `.pth`) or Flax file (`.msgpack`), or a directory with
    /// `model.safetensors`, `pytorch_model.bin`, `flax_model.msgpack`, or an index of one and its shards (or else a single file of weights).
    /// Of a GGUF file in parts, any part stands for all. A directory without such files may hold an Orbax checkpoint (or be one), which
    /// is decoded into a temporary file of the parameters' size.
    ///
    /// Only headers are read. A file that is truncated or whose header contradicts itself is an error here, not later.
    pub fn open(path: impl AsRef<Path>) -> Result<Weights, LoadError> {
        let path = path.as_ref();
        if path.is_dir() { Weights::open_dir(path) } else { Weights::open_file(path, path) }
    }

    /// The checkpoint `path`, which consists of one file or of parts.
    fn open_file(path: &Path, file: &Path) -> Result<Weights, LoadError> {
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        match gguf_parts(name) {
            Some(parts) => {
                let files: Vec<PathBuf> = parts.iter().map(|part| file.with_file_name(part)).collect();
                Weights::open_files(path, &files)
            }
            None => Weights::open_files(path, &[file.to_path_buf()]),
        }
    }

    fn open_dir(dir: &Path) -> Result<Weights, LoadError> {
        let entries = std::fs::read_dir(dir).map_err(|e| LoadError::io(dir, e))?;
        let names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let files: Vec<&str> = names.iter().copied().filter(|name| dir.join(name).is_file()).collect();
        // where no file has such a name, what has it is opened, and the error says what it is: a pipe, a link that leads nowhere
        let found =
            checkpoint(&files).and_then(|found| found.map_or_else(|| checkpoint(&names), |found| Ok(Some(found))));
        let found = found.map_err(|several| {
            let paths: Vec<String> = several.iter().map(|name| dir.join(name).display().to_string()).collect();
            let help = format!("name one of them: {}", paths.join(", "));
            LoadError::format(dir, format!("the directory has several files of weights and no index\n  help: {help}"))
        })?;
        if found.is_none()
            && let Some(weights) = orbax::open(dir)?
        {
            return Ok(weights);
        }
        let found = found.ok_or_else(|| {
            let help = "give a folder with model.safetensors, pytorch_model.bin or a .gguf file";
            match dir.join(ADAPTER).is_file() {
                true => LoadError::format(dir, find::adapter(dir)),
                false => LoadError::format(dir, format!("the directory has no weights\n  help: {help}")),
            }
        })?;
        let path = dir.join(found);
        if !is_index(found) {
            let whole = find::STANDARD.contains(&found);
            return Weights::open_file(if whole { dir } else { &path }, &path);
        }
        let shards = shards(&path)?;
        let weights = Weights::open_files(dir, &shards.files)?;
        // the index of a Flax checkpoint has Flax's names
        let known = |name: &str| match weights.flax {
            Some(layers) => {
                weights.tensors.contains_key(&flax::torch(&name.split('/').collect::<Vec<_>>(), 0, layers).0)
            }
            None => weights.tensors.contains_key(name),
        };
        match shards.tensors.iter().find(|name| !known(name)) {
            Some(name) => {
                Err(LoadError::format(path, format!("it lists tensor `{name}`, which none of its files holds")))
            }
            None => Ok(weights),
        }
    }

    /// Opens an adapter's file of weights.
    pub(crate) fn open_adapter(path: &Path) -> Result<Weights, LoadError> {
        Weights::read_files(path, &[path.to_path_buf()])
    }

    fn open_files(path: &Path, files: &[PathBuf]) -> Result<Weights, LoadError> {
        let weights = Weights::read_files(path, files)?;
        let of_adapter = |name: &&String| {
            name.contains(".lora_A.") || name.contains(".lora_B.") || name.contains(".lora_embedding_")
        };
        match weights.tensors.keys().any(|name| of_adapter(&name)) {
            true => Err(LoadError::format(&weights.path, find::adapter(&weights.path))),
            false => Ok(weights),
        }
    }

    fn read_files(path: &Path, files: &[PathBuf]) -> Result<Weights, LoadError> {
        let (path, tensors) = (path.to_path_buf(), BTreeMap::new());
        let mut weights = Weights { path, files: Vec::new(), tensors, gguf: None, flax: None, dequantised: None };
        for file in files {
            let mapped = MappedFile::open(file).map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => LoadError::format(file, e.to_string()),
                _ => LoadError::io(file, e),
            })?;
            let bad = |reason| LoadError::format(file, reason);
            if is_lfs_pointer(&mapped) {
                return Err(bad(LFS_POINTER.to_string()));
            }
            let is_gguf = mapped.starts_with(b"GGUF") || kind(file) == Some("gguf");
            let is_torch = [b"PK".as_slice(), torch::BEFORE_ZIP].iter().any(|magic| mapped.starts_with(magic));
            let tensors = match kind(file) {
                _ if is_gguf => weights.read_gguf(&mapped),
                Some("bin" | "pt" | "pth") => torch::tensors(&mapped),
                Some("msgpack") => flax::tensors(&mapped).map(|(layers, tensors)| {
                    weights.flax = Some(layers);
                    tensors
                }),
                _ if is_torch => torch::tensors(&mapped),
                _ => safetensors::tensors(&mapped),
            };
            let tensors = tensors.map_err(bad)?;
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
        // only the first part says what the model is
        let metadata = self.gguf.take().unwrap_or(metadata);
        let table = names::architecture(&metadata)?;
        let mut stored = Vec::with_capacity(tensors.len());
        for gguf::Entry { name: gguf_name, mut dims, encoding, range } in tensors {
            let tensor = match table {
                Some(table) => table.translate(&gguf_name, &dims, &metadata)?,
                None => names::Tensor::One(gguf_name.clone(), Layout::Same),
            };
            let (name, layout) = match tensor {
                names::Tensor::One(name, layout) => (name, layout),
                names::Tensor::Many(parts) => {
                    let (dims, bytes) = (dims[1..].to_vec(), range.len() / parts.len());
                    stored.extend(parts.into_iter().enumerate().map(|(i, name)| {
                        let range = range.start + i * bytes..range.start + (i + 1) * bytes;
                        let (dims, layout, view) = (dims.clone(), Layout::Same, View::Whole);
                        (name, Stored { file: 0, encoding, dims, range, layout, view, hidden: false, scales: None })
                    }));
                    continue;
                }
            };
            match (layout, dims.as_mut_slice()) {
                (Layout::Same, _) => {}
                (Layout::PlusOne, _) if convert::convertible(encoding, DType::F32) => {}
                (Layout::Transposed, [rows, columns]) => std::mem::swap(rows, columns),
                (Layout::Interleaved { heads }, [rows, ..]) if rows.is_multiple_of(2 * heads) => {}
                _ => {
                    return Err(format!(
                        "tensor `{gguf_name}` of shape {dims:?} does not fit the metadata ({layout:?})"
                    ));
                }
            }
            let hidden = names::ROPE_FACTORS.contains(&name.as_str());
            stored.push((
                name,
                Stored { file: 0, encoding, dims, range, layout, view: View::Whole, hidden, scales: None },
            ));
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
        let scales = |s: &Stored| s.scales.as_ref().map_or(0, |scales| scales.range.len());
        self.tensors.values().filter(|s| !s.hidden).map(|s| (s.range.len() + scales(s)) as u64).sum()
    }

    /// A tensor's values as they are stored, without a copy. `None` if there is no such tensor, or if its values are
    /// stored in another order than Hugging Face's, or are to be multiplied with scales.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let whole = |s: &&Stored| s.layout == Layout::Same && s.view == View::Whole && s.scales.is_none();
        let stored = self.tensors.get(name).filter(whole)?;
        Some(self.slice(stored))
    }

    /// Of a GGUF file, the bytes of a tensor in the file's own order, whatever that is.
    pub(crate) fn as_in_gguf(&self, name: &str) -> Option<(Encoding, &[u8])> {
        let stored = self.tensors.get(name).filter(|_| self.gguf.is_some())?;
        Some((stored.encoding, self.slice(stored)))
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
        let mut out = vec![];
        let bytes = self.elements(name, stored, dtype)? * (dtype.bits() / 8);
        memory::resize(&mut out, bytes, "reading it").map_err(|why| self.bad_tensor(name, why.to_string()))?;
        self.convert(stored, None, dtype, &mut out);
        Ok(out)
    }

    /// [`Weights::read`] into memory that exists already, which must have exactly the length needed. Fresh memory costs
    /// about as much time as the conversion, so a loader that uploads one tensor after the other reuses its buffer.
    pub fn read_into(&self, name: &str, dtype: DType, out: &mut [u8]) -> Result<(), LoadError> {
        let stored = self.convertible(name, dtype)?;
        let n = self.elements(name, stored, dtype)?;
        self.check_length(name, n, dtype, out)?;
        self.convert(stored, None, dtype, out);
        Ok(())
    }

    /// As [`Weights::read_into`], of these values of the tensor alone. Of rows, and of columns where values lie one by one,
    /// nothing else is read.
    pub fn read_slice_into(&self, name: &str, part: &Selection, dtype: DType, out: &mut [u8]) -> Result<(), LoadError> {
        let stored = self.convertible(name, dtype)?;
        let Selection { outer, of, inner, start, step, count } = *part;
        let n = self.elements(name, stored, dtype)?;
        let whole = outer.checked_mul(of).and_then(|n| n.checked_mul(inner));
        let last = step.checked_mul(count.saturating_sub(1)).and_then(|last| last.checked_add(start));
        if whole != Some(n) || step == 0 || last.is_none_or(|last| last >= of.max(1)) {
            return Err(self.bad_tensor(name, format!("its {n} values have no slice {part:?}")));
        }
        self.check_length(name, part.elements(), dtype, out)?;
        self.convert(stored, Some(part), dtype, out);
        Ok(())
    }

    fn check_length(&self, name: &str, n: usize, dtype: DType, out: &[u8]) -> Result<(), LoadError> {
        let needed = n * (dtype.bits() / 8);
        if out.len() == needed {
            return Ok(());
        }
        Err(self.bad_tensor(name, format!("it takes {needed} bytes as {}, not {}", dtype.name(), out.len())))
    }

    /// A tensor's values as f32, row-major. See [`Weights::read`].
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, LoadError> {
        let stored = self.convertible(name, DType::F32)?;
        let mut out = vec![0f32; self.elements(name, stored, DType::F32)?];
        self.convert(stored, None, DType::F32, bytemuck::cast_slice_mut(&mut out));
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
                format!(
                    "it is stored as {} and cannot be read as {}\n  help: take a checkpoint with weights in bf16, f16 or f32, or \
                     quantised in a way that its configuration names",
                    stored.encoding,
                    dtype.name()
                ),
            )),
        }
    }

    fn bad_tensor(&self, name: &str, reason: impl Into<String>) -> LoadError {
        let dims = self.tensors.get(name).map_or(&[][..], |stored| &stored.dims[..]);
        LoadError::Tensor { path: self.path.clone(), name: self.in_file(name, dims).0, reason: reason.into() }
    }

    /// What a tensor of this shape is called in a GGUF file, or in Flax, and its shape there; of other files as it is.
    fn in_file(&self, name: &str, dims: &[usize]) -> (String, Vec<usize>) {
        let mut dims = dims.to_vec();
        if let Some(layers) = self.flax {
            let (path, transposed) = flax::path(name, dims.len(), layers);
            if transposed {
                dims.reverse();
            }
            return (path.join("/"), dims);
        }
        let table = self.gguf.as_ref().and_then(|metadata| names::architecture(metadata).ok()?);
        (table.map_or_else(|| name.to_string(), |table| table.gguf_name(name)), dims)
    }

    /// All values, or the selected ones.
    fn convert(&self, stored: &Stored, part: Option<&Selection>, dtype: DType, out: &mut [u8]) {
        let Stored { encoding, layout, range, dims, view, .. } = stored;
        let (file, table) = (&self.files[stored.file], self.table(stored));
        let scale = self.scale(stored, &table);
        let values = |bytes| Values { encoding: *encoding, bytes, plus_one: *layout == Layout::PlusOne, scale };
        match (view, *encoding) {
            (View::Strided(_) | View::Pieces(_), Encoding::Plain(plain)) => {
                let size = plain.bits() / 8;
                let narrow = part.filter(|_| *layout == Layout::Same).and_then(|part| view.select(dims, part));
                let (part, gathered) = match narrow {
                    Some((dims, view, before)) => {
                        let range = (range.start + before * size).min(range.end)..range.end;
                        (None, view.gather(file, range, &dims, size))
                    }
                    None => (part, view.gather(file, range.clone(), dims, size)),
                };
                arrange::arrange(&values(&gathered), *layout, dims, part, dtype, out);
            }
            _ => arrange::arrange(&values(&file[range.clone()]), *layout, dims, part, dtype, out),
        }
        file.forget(range.clone());
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

    /// Of a model that also sees, keeps the language model, under the names that it has alone.
    pub fn keep_language_model(&mut self) {
        // (transformers 4 wrote the first, transformers 5 writes the second)
        let own = |name: &str| {
            let rest = name.strip_prefix("language_model.");
            rest.map(str::to_string).or_else(|| Some(format!("model.{}", name.strip_prefix("model.language_model.")?)))
        };
        if self.tensors.keys().any(|name| own(name).is_some()) {
            let all = std::mem::take(&mut self.tensors).into_iter();
            let kept = |(name, stored): (String, Stored)| match name.starts_with("lm_head.") {
                true => Some((name, stored)),
                false => Some((own(&name)?, stored)),
            };
            self.tensors = all.filter_map(kept).collect();
        }
    }

    /// Compares the checkpoint with the parameters of a model, given as (name, dims), and reports all differences at
    /// once. Tensors that the model does not have are reported unless `allow_unexpected` holds for their names.
    pub fn check(
        &self,
        expected: &[(String, Vec<usize>)],
        allow_unexpected: &dyn Fn(&str) -> bool,
    ) -> Result<(), LoadError> {
        let (file, gguf) = (self.path.display().to_string(), self.gguf.is_some());
        let mut mismatch = Mismatch { file, gguf, expected: expected.len(), ..Mismatch::default() };
        let mut known = std::collections::HashSet::new();
        for (name, dims) in expected {
            known.insert(name.as_str());
            match self.tensors.get(name) {
                None => mismatch.missing.push(self.in_file(name, dims).0),
                Some(stored) if stored.dims != *dims => {
                    let (own, dims) = self.in_file(name, dims);
                    mismatch.misshapen.push((own, dims, self.in_file(name, &stored.dims).1));
                }
                Some(_) => {}
            }
        }
        let unexpected = self.names().filter(|n| !known.contains(n) && !allow_unexpected(n));
        mismatch.unexpected = unexpected.map(|name| self.in_file(name, &self.tensors[name].dims).0).collect();
        // (a GGUF file has all experts in one)
        mismatch.missing.dedup();
        mismatch.unexpected.dedup();
        mismatch.misshapen.dedup();
        if mismatch.is_empty() { Ok(()) } else { Err(mismatch.into()) }
    }
}
