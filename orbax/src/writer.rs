//! Writing a checkpoint that Orbax restores.
use crate::{
    checkpoint::{CHECKPOINT_METADATA, COMMIT_FILE, TMP_SUFFIX},
    error::{Error, Result, io_error},
    ocdbt::{Builder, DataFile, Location, MANIFEST_FILE, Value as Stored},
    tree::{ArrayKind, ArrayType, Empty, Key, name},
    zarr::{
        grid::{Overlap, overlaps},
        metadata::{self, Keys},
    },
};
use serde_json::{Map, Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// When a further data file is begun, as in Orbax.
const DATA_FILE_SIZE: u64 = 2 << 30;
/// The folder of the data files.
const PROCESS: &str = "ocdbt.process_0/";

/// The folders of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Layout {
    /// The tree in the folder `state`, with the marker `orbax.checkpoint`: for `load` of v1.
    #[default]
    V1,
    /// The tree in the folder `default`: a step of a `CheckpointManager`. The folder's name must then be the number of the step.
    Manager,
    /// The tree in the folder itself: for `StandardCheckpointer` and `PyTreeCheckpointer`.
    Direct,
}

/// How a checkpoint is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folders.
    pub layout: Layout,
    /// Zarr version 3 instead of 2. Its chunks have checksums, which TensorStore compares too.
    pub zarr3: bool,
    /// What is kept beside the tree, in `_CHECKPOINT_METADATA`.
    pub custom_metadata: Map<String, Json>,
}

impl Default for Options {
    /// Orbax v1, Zarr version 3.
    fn default() -> Self {
        Options { layout: Layout::V1, zarr3: true, custom_metadata: Map::new() }
    }
}

/// A checkpoint that is being written. Nothing of it is seen until [`Writer::finish`]; without that, it is deleted.
#[derive(Debug)]
pub struct Writer {
    step: PathBuf,
    /// The folder that is renamed to `step`.
    tmp: TemporaryFolder,
    /// The folder of the tree in it.
    item: PathBuf,
    options: Options,
    started: SystemTime,
    builder: Builder,
    data: Option<(File, Arc<DataFile>, u64)>,
    arrays: Vec<Open>,
    tree: BTreeMap<Vec<Key>, Json>,
    strings: Map<String, Json>,
}

/// An array of a [`Writer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrayId(usize);

/// An array, and which of its chunks are written.
#[derive(Debug)]
struct Open {
    name: String,
    array: ArrayType,
    written: BTreeSet<Vec<usize>>,
}

#[derive(Debug)]
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // (it was renamed, or it is of no use)
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// 128 random bits.
fn random() -> [u8; 16] {
    let bits = || RandomState::new().hash_one(SystemTime::now()).to_le_bytes();
    let mut out = [0; 16];
    out[..8].copy_from_slice(&bits());
    out[8..].copy_from_slice(&bits());
    out
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

impl Writer {
    /// Begins a checkpoint that will be the folder `step`, whose parent exists.
    ///
    /// What an earlier attempt left, `step.orbax-checkpoint-tmp`, is deleted, as by Orbax.
    ///
    /// # Errors
    /// `step` exists; the file system refuses.
    pub fn create(step: impl AsRef<Path>, options: Options) -> Result<Writer> {
        let step = step.as_ref();
        let Some(name) = step.file_name() else {
            return Err(Error::Argument(format!("{} is no name of a folder", step.display())));
        };
        if step.exists() {
            return Err(Error::Argument(format!(
                "{} exists: a checkpoint is not written over another",
                step.display()
            )));
        }
        let mut tmp = OsString::from(name);
        tmp.push(TMP_SUFFIX);
        let tmp = step.with_file_name(tmp);
        if tmp.exists() {
            fs::remove_dir_all(&tmp).map_err(io_error(&tmp))?;
        }
        fs::create_dir(&tmp).map_err(io_error(&tmp))?;
        let tmp = TemporaryFolder(tmp);
        let item = match options.layout {
            Layout::Direct => tmp.0.clone(),
            Layout::Manager => tmp.0.join("default"),
            Layout::V1 => tmp.0.join("state"),
        };
        let (step, started) = (step.to_path_buf(), SystemTime::now());
        let writer = Writer {
            step,
            tmp,
            item,
            options,
            started,
            builder: Builder::default(),
            data: None,
            arrays: Vec::new(),
            tree: BTreeMap::new(),
            strings: Map::new(),
        };
        fs::create_dir_all(writer.item.join("d")).map_err(io_error(&writer.item))?;
        writer.write_metadata(None)?;
        Ok(writer)
    }

    /// Begins an array, at a path that nothing else has. Its chunks follow, in any order, also between those of other arrays.
    ///
    /// `array.chunk` is both what is handed over at once and what is decoded at once later: for the parameters of layers in one
    /// array, 1 along the axis of the layers lets a reader take one layer.
    ///
    /// # Errors
    /// The path is taken or empty; the array has no elements (Orbax refuses these too), or chunks of another rank.
    pub fn array(&mut self, path: &[Key], array: &ArrayType) -> Result<ArrayId> {
        let name = name(path);
        let ArrayType { dtype, shape, chunk, kind } = array;
        let wrong = |reason: &str| {
            Err(Error::Argument(format!("`{name}`, of shape {shape:?}, in chunks of shape {chunk:?}: {reason}")))
        };
        if shape.contains(&0) {
            return wrong("Orbax does not store arrays without elements");
        }
        let bytes = |sizes: &[usize]| sizes.iter().try_fold(dtype.size(), |n, &s| n.checked_mul(s));
        if chunk.len() != shape.len() || chunk.contains(&0) || bytes(shape).is_none() || bytes(chunk).is_none() {
            return wrong("these are no chunks of such an array");
        }
        if *kind == ArrayKind::Scalar && !shape.is_empty() {
            return wrong("a scalar has no axes");
        }
        let mut value = json!({"value_type": kind.name(), "skip_deserialize": false});
        if *kind == ArrayKind::Jax {
            value["write_shape"] = json!(chunk);
        }
        let key = format!("{name}/{}", if self.options.zarr3 { "zarr.json" } else { ".zarray" });
        let text = metadata::encode(self.options.zarr3, *dtype, shape, chunk).to_string();
        self.builder.insert(key, Stored::Inline(text.into_bytes().into()))?;
        self.insert(path, value)?;
        self.arrays.push(Open { name, array: array.clone(), written: BTreeSet::new() });
        Ok(ArrayId(self.arrays.len() - 1))
    }

    /// Writes the chunk at this place in the grid of chunks: little endian, C order, without what lies beyond the edge of the array.
    ///
    /// # Errors
    /// There is no such chunk, or it was written before; it has other bytes than its shape; the file system refuses.
    pub fn chunk(&mut self, id: ArrayId, cell: &[usize], bytes: &[u8]) -> Result<()> {
        let Some(Open { name, array, written }) = self.arrays.get_mut(id.0) else {
            return Err(Error::Argument("this array is of another writer".into()));
        };
        let ArrayType { shape, chunk, dtype, .. } = &*array;
        let inside =
            cell.len() == shape.len() && cell.iter().zip(chunk).zip(shape).all(|((&i, &c), &s)| i < s.div_ceil(c));
        if !inside || !written.insert(cell.to_vec()) {
            let reason = if inside { "is written already" } else { "does not exist" };
            return Err(Error::Argument(format!(
                "the chunk {cell:?} of `{name}` {reason}: shape {shape:?}, chunks {chunk:?}"
            )));
        }
        let range = |((&i, &c), &s): ((&usize, &usize), &usize)| i * c..s.min((i * c).saturating_add(c));
        let ranges: Vec<_> = cell.iter().zip(chunk).zip(shape).map(range).collect();
        let wanted = ranges.iter().map(ExactSizeIterator::len).product::<usize>() * dtype.size();
        if bytes.len() != wanted {
            return Err(Error::Argument(format!(
                "the chunk {cell:?} of `{name}` has {wanted} bytes, but {} were given",
                bytes.len()
            )));
        }
        let keys = Keys { c: self.options.zarr3, separator: if self.options.zarr3 { '/' } else { '.' } };
        let key = format!("{name}/{}", keys.key(cell));
        let full = chunk.iter().product::<usize>() * dtype.size();
        if bytes.len() == full {
            return self.store(key, bytes);
        }
        // At the edge: chunks are stored in full.
        let mut padded = vec![0; full];
        let origin: Vec<usize> = cell.iter().zip(chunk).map(|(i, c)| i * c).collect();
        let overlap = Overlap { cell: cell.to_vec(), ranges: ranges.clone() };
        for (to, from, n) in overlap.runs(chunk, &origin, &ranges) {
            let (to, from, n) = (to * dtype.size(), from * dtype.size(), n * dtype.size());
            padded[to..to + n].copy_from_slice(&bytes[from..from + n]);
        }
        self.store(key, &padded)
    }

    /// Writes an array from a buffer with all of it: [`Writer::array`] and all chunks.
    ///
    /// # Errors
    /// Those of the two; a buffer of another size.
    pub fn write(&mut self, path: &[Key], array: &ArrayType, bytes: &[u8]) -> Result<()> {
        let id = self.array(path, array)?;
        let ArrayType { shape, chunk, dtype, .. } = array;
        let wanted = shape.iter().product::<usize>() * dtype.size();
        if bytes.len() != wanted {
            return Err(Error::Argument(format!(
                "`{}` has {wanted} bytes, but {} were given",
                name(path),
                bytes.len()
            )));
        }
        let whole: Vec<_> = shape.iter().map(|&n| 0..n).collect();
        for Overlap { cell, ranges } in overlaps(&whole, chunk) {
            let sizes: Vec<usize> = ranges.iter().map(|r| r.len()).collect();
            let origin: Vec<usize> = ranges.iter().map(|r| r.start).collect();
            let part = Overlap { cell: cell.clone(), ranges };
            let mut out = Vec::with_capacity(sizes.iter().product::<usize>() * dtype.size());
            for (_, from, n) in part.runs(&sizes, &origin, &whole) {
                out.extend(&bytes[from * dtype.size()..(from + n) * dtype.size()]);
            }
            self.chunk(id, &cell, &out)?;
        }
        Ok(())
    }

    /// Adds a string. (Orbax: not for `StandardCheckpointer`.)
    ///
    /// # Errors
    /// The path is taken or empty.
    pub fn string(&mut self, path: &[Key], text: &str) -> Result<()> {
        if self.strings.contains_key(&name(path)) {
            return Err(Error::Argument(format!("two strings would both be stored as `{}`", name(path))));
        }
        self.insert(path, json!({"value_type": "string", "skip_deserialize": false}))?;
        self.strings.insert(name(path), text.into());
        Ok(())
    }

    /// Adds a node without leaves.
    ///
    /// # Errors
    /// The path is taken or empty.
    pub fn empty(&mut self, path: &[Key], empty: Empty) -> Result<()> {
        self.insert(path, json!({"value_type": empty.name(), "skip_deserialize": true}))
    }

    fn insert(&mut self, path: &[Key], value: Json) -> Result<()> {
        let taken = |other: &Vec<Key>| other.starts_with(path) || path.starts_with(other);
        // (the neighbours in the order of paths are those that share the most)
        let before = self.tree.range(..=path.to_vec()).next_back().map(|(p, _)| p);
        let after = self.tree.range(path.to_vec()..).next().map(|(p, _)| p);
        let contains_nothing = path.iter().any(|k| matches!(k, Key::Dict(s) if s.is_empty()));
        if path.is_empty() || contains_nothing || [before, after].into_iter().flatten().any(taken) {
            return Err(Error::Argument(format!(
                "`{}` cannot be added: a path is not empty, and no path begins with another",
                name(path)
            )));
        }
        self.tree.insert(path.to_vec(), value);
        Ok(())
    }

    /// Appends a value to the data file.
    fn store(&mut self, key: String, bytes: &[u8]) -> Result<()> {
        if self.data.as_ref().is_none_or(|(_, _, length)| *length >= DATA_FILE_SIZE) {
            self.sync_data()?;
            let path = format!("{PROCESS}d/{}", hex(random()));
            let full = self.item.join(&path);
            fs::create_dir_all(self.item.join(PROCESS).join("d")).map_err(io_error(&self.item))?;
            let file = File::create_new(&full).map_err(io_error(&full))?;
            self.data = Some((file, Arc::new(DataFile { path, base: PROCESS.len() }), 0));
        }
        let Some((file, data_file, offset)) = &mut self.data else {
            return Err(Error::Argument("no data file".into()));
        };
        let checksum = if self.options.zarr3 { crc32c::crc32c(bytes).to_le_bytes().to_vec() } else { Vec::new() };
        let length = (bytes.len() + checksum.len()) as u64;
        self.builder.insert(key, Stored::Out(Location { file: data_file.clone(), offset: *offset, length }))?;
        *offset += length;
        let path = self.item.join(&data_file.path);
        file.write_all(bytes).and_then(|()| file.write_all(&checksum)).map_err(io_error(path))
    }

    fn sync_data(&mut self) -> Result<()> {
        if let Some((file, data_file, _)) = self.data.take() {
            file.sync_all().map_err(io_error(self.item.join(&data_file.path)))?;
        }
        Ok(())
    }

    /// Writes what belongs to the tree, syncs everything, and gives the folder its name.
    ///
    /// # Errors
    /// A chunk was not written; `step` exists by now; the file system refuses.
    pub fn finish(mut self) -> Result<()> {
        for Open { name, array, written } in &self.arrays {
            let grid = array.shape.iter().zip(&array.chunk).map(|(s, c)| s.div_ceil(*c)).product::<usize>();
            if written.len() != grid {
                return Err(Error::Argument(format!(
                    "only {} of the {grid} chunks of `{name}` were written",
                    written.len()
                )));
            }
        }
        self.sync_data()?;
        self.write_database()?;
        self.write_tree()?;
        self.write_metadata(Some(SystemTime::now()))?;
        if self.options.layout == Layout::V1 {
            write_file(&self.tmp.0.join("orbax.checkpoint"), b"")?;
        }
        let text = format!("Checkpoint commit was successful to {}", self.step.display());
        write_file(&self.tmp.0.join(COMMIT_FILE), text.as_bytes())?;
        sync_folders(&self.tmp.0)?;
        if self.step.exists() {
            return Err(Error::Argument(format!(
                "{} exists by now: a checkpoint is not written over another",
                self.step.display()
            )));
        }
        fs::rename(&self.tmp.0, &self.step).map_err(io_error(&self.step))?;
        match self.step.parent() {
            Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new(".")),
            Some(parent) => sync_folder(parent),
            None => Ok(()),
        }
    }

    fn write_database(&self) -> Result<()> {
        if self.arrays.is_empty() {
            return Err(Error::Argument("a checkpoint has at least one array".into()));
        }
        let node = self.builder.node();
        let path = format!("d/{}", hex(random()));
        write_file(&self.item.join(&path), &node)?;
        let root = Location { file: Arc::new(DataFile { path, base: 0 }), offset: 0, length: node.len() as u64 };
        let milliseconds = nanoseconds(SystemTime::now()) / 1_000_000;
        write_file(&self.item.join(MANIFEST_FILE), &self.builder.manifest(random(), &root, milliseconds))
    }

    /// `_METADATA`, and what Orbax keeps in further files.
    fn write_tree(&self) -> Result<()> {
        let mut tree = Map::new();
        for (path, value) in &self.tree {
            let key = |key: &Key| json!({"key": key.to_string(), "key_type": if matches!(key, Key::Index(_)) { 1 } else { 2 }});
            let keys: Vec<Json> = path.iter().map(key).collect();
            tree.insert(python_tuple(path), json!({"key_metadata": keys, "value_metadata": value}));
        }
        let metadata = json!({
            "tree_metadata": tree, "use_ocdbt": true, "use_zarr3": self.options.zarr3,
            "store_array_data_equal_to_fill_value": true, "custom_metadata": null,
        });
        write_file(&self.item.join("_METADATA"), metadata.to_string().as_bytes())?;
        if !self.strings.is_empty() {
            write_file(&self.item.join("_strings.json"), Json::Object(self.strings.clone()).to_string().as_bytes())?;
        }
        let arrays = self.arrays.iter().filter(|open| open.array.kind == ArrayKind::Jax).map(|Open { name, array, .. }| {
            let chunk = &array.chunk;
            json!({"array_metadata": {"param_name": name, "write_shape": chunk, "chunk_shape": chunk, "ext_metadata": null}})
        });
        let folder = self.item.join("array_metadatas");
        fs::create_dir(&folder).map_err(io_error(&folder))?;
        write_file(
            &folder.join("process_0"),
            json!({"array_metadatas": arrays.collect::<Vec<_>>()}).to_string().as_bytes(),
        )
    }

    /// `_CHECKPOINT_METADATA`, which is there from the beginning, without the time of the commit.
    fn write_metadata(&self, committed: Option<SystemTime>) -> Result<()> {
        let handlers = match self.options.layout {
            Layout::V1 => {
                json!({"state": "orbax.checkpoint.experimental.v1._src.handlers.pytree_handler.PyTreeHandler"})
            }
            Layout::Manager => {
                json!({"default": "orbax.checkpoint._src.handlers.standard_checkpoint_handler.StandardCheckpointHandler"})
            }
            Layout::Direct => json!("orbax.checkpoint._src.handlers.pytree_checkpoint_handler.PyTreeCheckpointHandler"),
        };
        let metadata = json!({
            "item_handlers": handlers, "metrics": {}, "performance_metrics": {},
            "init_timestamp_nsecs": nanoseconds(self.started), "commit_timestamp_nsecs": committed.map(nanoseconds),
            "custom_metadata": self.options.custom_metadata,
        });
        write_file(&self.tmp.0.join(CHECKPOINT_METADATA), metadata.to_string().as_bytes())
    }
}

/// A path as Python shows a tuple of strings. (Orbax takes the keys from elsewhere.)
fn python_tuple(path: &[Key]) -> String {
    let part =
        |key: &Key| format!("'{}'", key.to_string().replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"));
    let comma = if path.len() == 1 { "," } else { "" };
    format!("({}{comma})", path.iter().map(part).collect::<Vec<_>>().join(", "))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(io_error(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error(path))
}

fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|f| f.sync_all()).map_err(io_error(path))
}

fn sync_folders(path: &Path) -> Result<()> {
    for entry in path.read_dir().map_err(io_error(path))? {
        let path = entry.map_err(io_error(path))?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    sync_folder(path)
}
