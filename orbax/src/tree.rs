//! The tree of an item: `_METADATA`, and reading the arrays of it.
use crate::{
    dtype::DType,
    error::{Error, Result, io_error},
    ocdbt::MANIFEST_FILE,
    store::Store,
    zarr::{Array, Source, check_ranges, fault},
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
};

/// The most that is read of a file of JSON.
const MAX_JSON: u64 = 1 << 30;

/// The tree of a pytree item, opened: the names and types of all its arrays are known, their elements are read when asked for.
#[derive(Debug)]
pub struct Tree {
    path: PathBuf,
    store: Store,
    fill_missing: bool,
    custom_metadata: Json,
    entries: Vec<Entry>,
    /// The places of the entries, by name.
    names: BTreeMap<String, usize>,
    arrays: BTreeMap<String, Array>,
}

/// A leaf of a tree, or an empty node.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The keys from the root to it.
    pub path: Vec<Key>,
    /// What it is.
    pub value: Value,
}

/// One step into a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A key of a dictionary, a field of a named tuple or an attribute of an object (a flax state): Orbax does not tell them apart.
    Dict(String),
    /// A place in a list or tuple.
    Index(usize),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Dict(name) => f.write_str(name),
            Key::Index(i) => write!(f, "{i}"),
        }
    }
}

/// A path that consists of keys of dictionaries, split at the dots, for trees whose keys contain none.
pub fn dict_path(dotted: &str) -> Vec<Key> {
    dotted.split('.').map(|part| Key::Dict(part.into())).collect()
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An array, or a scalar of rank 0.
    Array(ArrayType),
    /// A string.
    String(String),
    /// A node without leaves.
    Empty(Empty),
}

/// The type of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayType {
    /// The type of its elements.
    pub dtype: DType,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The shape of the chunks in which it is stored: what is decoded at least to read one element.
    pub chunk: Vec<usize>,
    /// What it was when it was saved.
    pub kind: ArrayKind,
}

/// What an array is in Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArrayKind {
    /// A `jax.Array`. Random keys are the `uint32` arrays that they consist of.
    Jax,
    /// A `np.ndarray`.
    Numpy,
    /// An `int`, `float` or `bool`.
    Scalar,
}

/// What a node without leaves is in Python. (Orbax gives back empty tuples as it was told, and named tuples without fields as None.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Empty {
    None,
    Dict,
    List,
    Tuple,
    NamedTuple,
}

impl Empty {
    const NAMES: [(&str, Empty); 5] = [
        ("None", Empty::None),
        ("Dict", Empty::Dict),
        ("List", Empty::List),
        ("Tuple", Empty::Tuple),
        ("NamedTuple", Empty::NamedTuple),
    ];

    pub(crate) fn name(self) -> &'static str {
        Empty::NAMES.iter().find(|(_, e)| *e == self).map_or("None", |(name, _)| name)
    }
}

impl ArrayKind {
    pub(crate) const NAMES: [(&str, ArrayKind); 3] =
        [("jax.Array", ArrayKind::Jax), ("np.ndarray", ArrayKind::Numpy), ("scalar", ArrayKind::Scalar)];

    pub(crate) fn name(self) -> &'static str {
        ArrayKind::NAMES.iter().find(|(_, k)| *k == self).map_or("", |(name, _)| name)
    }
}

impl Entry {
    /// Orbax's name: the keys, joined by dots.
    pub fn name(&self) -> String {
        name(&self.path)
    }
}

pub(crate) fn name(path: &[Key]) -> String {
    path.iter().map(Key::to_string).collect::<Vec<_>>().join(".")
}

/// What [`Tree::verify`] found.
#[derive(Debug, Default)]
pub struct Verified {
    /// The chunks whose bytes could be decoded.
    pub chunks: u64,
    /// Their decoded bytes.
    pub bytes: u64,
    /// What is wrong. Nothing is, if this is empty.
    pub problems: Vec<Error>,
}

#[derive(Deserialize)]
struct Metadata {
    tree_metadata: Map<String, Json>,
    #[serde(default)]
    use_ocdbt: Option<bool>,
    #[serde(default)]
    use_zarr3: Option<bool>,
    #[serde(default)]
    store_array_data_equal_to_fill_value: Option<bool>,
    #[serde(default)]
    custom_metadata: Json,
}

#[derive(Deserialize)]
struct EntryMetadata {
    key_metadata: Vec<KeyMetadata>,
    value_metadata: ValueMetadata,
}

#[derive(Deserialize)]
struct KeyMetadata {
    key: Json,
    key_type: u64,
}

#[derive(Deserialize)]
struct ValueMetadata {
    value_type: String,
    #[serde(default)]
    skip_deserialize: bool,
}

/// A file of JSON.
pub(crate) fn read_json(path: &Path) -> Result<Json> {
    let mut file = File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::Missing { path: path.into(), what: "this file".into() },
        _ => io_error(path)(e),
    })?;
    let mut text = Vec::new();
    Read::take(&mut file, MAX_JSON).read_to_end(&mut text).map_err(io_error(path))?;
    serde_json::from_slice(&text).map_err(|e| fault(path, e.to_string()))
}

impl Tree {
    /// Opens the folder of an item.
    pub(crate) fn open(path: &Path) -> Result<Tree> {
        let file = path.join("_METADATA");
        let metadata: Metadata = serde_json::from_value(read_json(&file)?).map_err(|e| fault(&file, e.to_string()))?;
        if metadata.use_ocdbt == Some(true) && !path.join(MANIFEST_FILE).exists() {
            return Err(Error::Missing { path: path.join(MANIFEST_FILE), what: "this file".into() });
        }
        let mut tree = Tree {
            path: path.into(),
            store: Store::open(path, metadata.use_ocdbt)?,
            fill_missing: !metadata.store_array_data_equal_to_fill_value.unwrap_or(false),
            custom_metadata: metadata.custom_metadata,
            entries: Vec::new(),
            names: BTreeMap::new(),
            arrays: BTreeMap::new(),
        };
        let strings = path.join("_strings.json");
        let strings = if strings.exists() { read_json(&strings)? } else { Json::Null };
        for (key, value) in metadata.tree_metadata {
            let entry: EntryMetadata =
                serde_json::from_value(value).map_err(|e| fault(&file, format!("{key}: {e}")))?;
            tree.add(&file, entry, metadata.use_zarr3.unwrap_or(false), &strings)?;
        }
        tree.entries.sort_by(|a, b| a.path.cmp(&b.path));
        tree.drop_placeholders(&file)?;
        tree.names = tree.entries.iter().enumerate().map(|(i, e)| (e.name(), i)).collect();
        Ok(tree)
    }

    fn add(&mut self, file: &Path, entry: EntryMetadata, zarr3: bool, strings: &Json) -> Result<()> {
        let key = |k: KeyMetadata| {
            let text = k.key.as_str().map_or_else(|| k.key.to_string(), String::from);
            match k.key_type {
                1 => text.parse().map(Key::Index).map_err(|_| fault(file, format!("the key {text} of a sequence"))),
                2 => Ok(Key::Dict(text)),
                other => Err(Error::Unsupported { path: file.into(), what: format!("the key type {other}") }),
            }
        };
        let path = entry.key_metadata.into_iter().map(key).collect::<Result<Vec<_>>>()?;
        let name = name(&path);
        let kind = &entry.value_metadata.value_type[..];
        let value = if let Some((_, empty)) = Empty::NAMES.iter().find(|(n, _)| *n == kind) {
            Value::Empty(*empty)
        } else if kind == "string" {
            let text = strings.get(&name).and_then(Json::as_str);
            let missing =
                || Error::Missing { path: self.path.join("_strings.json"), what: format!("the string `{name}`") };
            Value::String(text.ok_or_else(missing)?.into())
        } else if let Some((_, kind)) = ArrayKind::NAMES.iter().find(|(n, _)| *n == kind) {
            if entry.value_metadata.skip_deserialize {
                return Err(Error::Unsupported {
                    path: file.into(),
                    what: format!("`{name}`, which is not stored here,"),
                });
            }
            let array = self.source().array(&name, zarr3)?;
            let m = &array.metadata;
            let array_type =
                ArrayType { dtype: m.dtype, shape: m.shape.clone(), chunk: m.inner_chunk().to_vec(), kind: *kind };
            self.arrays.insert(name, array);
            Value::Array(array_type)
        } else {
            return Err(Error::Unsupported { path: file.into(), what: format!("the value type `{kind}` of `{name}`") });
        };
        self.entries.push(Entry { path, value });
        Ok(())
    }

    /// Partial saving leaves the empty node that something was put into later. No leaf may be where another one is or below it.
    fn drop_placeholders(&mut self, file: &Path) -> Result<()> {
        let mut kept: Vec<Entry> = Vec::new();
        for entry in self.entries.drain(..) {
            if let Some(last) = kept.last()
                && entry.path.starts_with(&last.path)
            {
                if !matches!(last.value, Value::Empty(_)) || entry.path.len() == last.path.len() {
                    return Err(fault(
                        file,
                        format!("`{}` and `{}` cannot both be in a tree", last.name(), entry.name()),
                    ));
                }
                kept.pop();
            }
            kept.push(entry);
        }
        self.entries = kept;
        Ok(())
    }

    fn source(&self) -> Source<'_> {
        Source { store: &self.store, item: &self.path, fill_missing: self.fill_missing }
    }

    /// The leaves and empty nodes, in the order of their paths.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The folder of the item.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the user stored beside the tree: JSON, null if nothing.
    pub fn custom_metadata(&self) -> &Json {
        &self.custom_metadata
    }

    /// The entry with this [name](Entry::name).
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.names.get(name).map(|&i| &self.entries[i])
    }

    fn array(&self, name: &str) -> Result<&Array> {
        self.arrays.get(name).ok_or_else(|| Error::Argument(format!("{} has no array `{name}`", self.path.display())))
    }

    /// Reads an array by its [name](Entry::name) into a buffer of just its size: little endian, C order.
    ///
    /// Chunks are decoded as streams: beside the buffer this takes some hundred kilobytes, or the window of zstd (a few megabytes).
    ///
    /// # Errors
    /// Another size of the buffer; files that are missing or damaged.
    pub fn read(&self, name: &str, out: &mut [u8]) -> Result<()> {
        let ranges: Vec<Range<usize>> = self.array(name)?.metadata.shape.iter().map(|&n| 0..n).collect();
        self.read_slice(name, &ranges, out)
    }

    /// Reads the hyper-rectangle `ranges` of an array: `[3..4, 0..1024]` is the row 3 of an array of rank 2.
    ///
    /// Only the chunks that it touches are read, and of those without compression and checksum only the bytes that are wanted.
    ///
    /// # Errors
    /// As [`Tree::read`]; ranges that the array does not have.
    pub fn read_slice(&self, name: &str, ranges: &[Range<usize>], out: &mut [u8]) -> Result<()> {
        let array = self.array(name)?;
        check_ranges(array, ranges, out.len())?;
        self.source().read(array, ranges, out)
    }

    /// Reads and decodes everything, and compares all checksums there are: those of the B-tree, which also hold the small chunks and
    /// the types of the arrays, and those of the chunks. (Orbax itself writes none for chunks, but damaged ones seldom decode.)
    ///
    /// # Errors
    /// None of the checkpoint: they are in [`Verified::problems`].
    pub fn verify(&self) -> Result<Verified> {
        let mut verified = Verified::default();
        if let Store::Ocdbt(database) = &self.store
            && let Err(e) = database.verify_history()
        {
            verified.problems.push(e);
        }
        for array in self.arrays.values() {
            let (chunks, bytes) = self.source().verify(array, &mut verified.problems)?;
            verified.chunks += chunks;
            verified.bytes = verified.bytes.saturating_add(bytes);
        }
        Ok(verified)
    }
}
