//! The metadata of an array: `.zarray` of Zarr version 2 and `zarr.json` of version 3.
use crate::{
    dtype::DType,
    error::{Decoded, Fault},
};
use serde_json::{Value, json};

/// What an array is, and how its chunks are named and encoded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metadata {
    pub dtype: DType,
    pub shape: Vec<usize>,
    /// The shape of a stored chunk. Those at the edges are stored in full.
    pub chunk: Vec<usize>,
    /// The bytes of an element of a chunk that is not stored.
    pub fill: Vec<u8>,
    pub codecs: Codecs,
    pub keys: Keys,
}

/// How the elements of a chunk become bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Codecs {
    /// They are encoded one after the other, in this order.
    Plain(Vec<Codec>),
    /// A chunk is divided into smaller ones, which are encoded each for itself. An index says where each is.
    Sharded { chunk: Vec<usize>, codecs: Vec<Codec>, checked_index: bool, index_at_end: bool },
}

/// An encoding of bytes as bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Codec {
    Zstd,
    Gzip,
    Zlib,
    Crc32c,
}

/// How the key of a chunk is made from its place in the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Keys {
    /// `c/0/1` instead of `0/1`.
    pub c: bool,
    pub separator: char,
}

impl Keys {
    pub fn key(self, cell: &[usize]) -> String {
        let mut key = String::from(if self.c { "c" } else { "" });
        for (i, n) in cell.iter().enumerate() {
            if self.c || i > 0 {
                key.push(self.separator);
            }
            key += &n.to_string();
        }
        if key.is_empty() { "0".into() } else { key }
    }
}

fn field<'a>(value: &'a Value, name: &str) -> Decoded<&'a Value> {
    value.get(name).ok_or_else(|| format!("it has no `{name}`").into())
}

fn string<'a>(value: &'a Value, name: &str) -> Decoded<&'a str> {
    field(value, name)?.as_str().ok_or_else(|| format!("`{name}` is no string").into())
}

fn sizes(value: &Value, name: &str) -> Decoded<Vec<usize>> {
    let wrong = || Fault::from(format!("`{name}` is no list of sizes"));
    let size = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong);
    field(value, name)?.as_array().ok_or_else(wrong)?.iter().map(size).collect()
}

/// Checks what is computed with later: no product of these sizes overflows.
fn check(metadata: Metadata) -> Decoded<Metadata> {
    let bytes = |sizes: &[usize]| {
        sizes.iter().try_fold(metadata.dtype.size(), |n, &s| n.checked_mul(s)).filter(|&n| n <= isize::MAX as usize)
    };
    let Metadata { shape, chunk, codecs, .. } = &metadata;
    if chunk.len() != shape.len() || chunk.contains(&0) || bytes(chunk).is_none() || bytes(shape).is_none() {
        return Err(format!("an array of shape {shape:?} has chunks of shape {chunk:?}").into());
    }
    if let Codecs::Sharded { chunk: inner, .. } = codecs
        && (inner.len() != chunk.len() || inner.iter().zip(chunk).any(|(&i, &c)| i == 0 || c % i != 0))
    {
        return Err(format!("shards of shape {chunk:?} are divided into chunks of shape {inner:?}").into());
    }
    Ok(metadata)
}

/// Decodes `.zarray`.
pub(crate) fn version2(value: &Value) -> Decoded<Metadata> {
    version(value, 2)?;
    let Some(name) = field(value, "dtype")?.as_str() else {
        return Err(Fault::Unsupported("a structured data type".into()));
    };
    let dtype = DType::from_zarr2(name)?;
    if string(value, "order")? != "C" {
        return Err(Fault::Unsupported("an array whose elements are in Fortran's order".into()));
    }
    if value.get("filters").is_some_and(|f| f.as_array().is_none_or(|f| !f.is_empty()) && !f.is_null()) {
        return Err(Fault::Unsupported(format!("the filters {}", value["filters"])));
    }
    let codec = match field(value, "compressor")? {
        Value::Null => None,
        compressor => Some(match string(compressor, "id")? {
            "zstd" => Codec::Zstd,
            "gzip" => Codec::Gzip,
            "zlib" => Codec::Zlib,
            other => return Err(Fault::Unsupported(format!("the compressor `{other}`"))),
        }),
    };
    let fill = match value.get("fill_value") {
        None | Some(Value::Null) => vec![0; dtype.size()],
        Some(fill) => dtype.element(fill)?,
    };
    let separator = match value.get("dimension_separator").map_or(Some("."), Value::as_str) {
        Some("/") => '/',
        Some(".") => '.',
        _ => return Err("`dimension_separator` is neither `.` nor `/`".into()),
    };
    check(Metadata {
        dtype,
        shape: sizes(value, "shape")?,
        chunk: sizes(value, "chunks")?,
        fill,
        codecs: Codecs::Plain(codec.into_iter().collect()),
        keys: Keys { c: false, separator },
    })
}

fn version(value: &Value, wanted: u64) -> Decoded<()> {
    match field(value, "zarr_format")? {
        found if found.as_u64() == Some(wanted) => Ok(()),
        found => Err(Fault::Unsupported(format!("version {found} of the Zarr format"))),
    }
}

/// Decodes `zarr.json`.
pub(crate) fn version3(value: &Value) -> Decoded<Metadata> {
    version(value, 3)?;
    if string(value, "node_type")? != "array" {
        return Err("it describes no array".into());
    }
    let Some(name) = field(value, "data_type")?.as_str() else {
        return Err(Fault::Unsupported("a structured data type".into()));
    };
    let dtype = DType::from_zarr3(name)?;
    let grid = field(value, "chunk_grid")?;
    if string(grid, "name")? != "regular" {
        return Err(Fault::Unsupported(format!("the chunk grid {grid}")));
    }
    if value.get("storage_transformers").and_then(Value::as_array).is_some_and(|t| !t.is_empty()) {
        return Err(Fault::Unsupported("a storage transformer".into()));
    }
    let encoding = field(value, "chunk_key_encoding")?;
    let c = match string(encoding, "name")? {
        "default" => true,
        "v2" => false,
        other => return Err(Fault::Unsupported(format!("the chunk key encoding `{other}`"))),
    };
    let separator = match encoding.pointer("/configuration/separator").map(Value::as_str) {
        Some(Some("/")) => '/',
        Some(Some(".")) => '.',
        None => ['.', '/'][usize::from(c)],
        _ => return Err("the `separator` of chunk keys is neither `.` nor `/`".into()),
    };
    check(Metadata {
        dtype,
        shape: sizes(value, "shape")?,
        chunk: sizes(field(grid, "configuration")?, "chunk_shape")?,
        fill: dtype.element(field(value, "fill_value")?)?,
        codecs: codecs(field(value, "codecs")?)?,
        keys: Keys { c, separator },
    })
}

fn codecs(value: &Value) -> Decoded<Codecs> {
    let list = value.as_array().ok_or("`codecs` is no list")?;
    let Some((first, rest)) = list.split_first() else { return Err("it has no codecs".into()) };
    let configuration = first.get("configuration").unwrap_or(&Value::Null);
    match string(first, "name")? {
        "bytes" => plain(list).map(Codecs::Plain),
        "sharding_indexed" if rest.is_empty() => Ok(Codecs::Sharded {
            chunk: sizes(configuration, "chunk_shape")?,
            codecs: plain(field(configuration, "codecs")?.as_array().ok_or("`codecs` is no list")?)?,
            checked_index: match plain(
                field(configuration, "index_codecs")?.as_array().ok_or("`index_codecs` is no list")?,
            )?[..]
            {
                [] => false,
                [Codec::Crc32c] => true,
                _ => return Err(Fault::Unsupported("a compressed index of shards".into())),
            },
            index_at_end: match configuration.get("index_location").map(Value::as_str) {
                None | Some(Some("end")) => true,
                Some(Some("start")) => false,
                _ => return Err("the `index_location` is neither `start` nor `end`".into()),
            },
        }),
        other => Err(Fault::Unsupported(format!("the codec `{other}` at this place"))),
    }
}

/// The codecs behind `bytes`.
fn plain(list: &[Value]) -> Decoded<Vec<Codec>> {
    let Some((first, rest)) = list.split_first() else { return Err("it has no codecs".into()) };
    if string(first, "name")? != "bytes" {
        return Err(Fault::Unsupported(format!("the codec {first} at this place")));
    }
    if first.pointer("/configuration/endian").is_some_and(|e| e != "little") {
        return Err(Fault::Unsupported("an array in big endian".into()));
    }
    let codec = |value: &Value| {
        Ok(match string(value, "name")? {
            "zstd" => Codec::Zstd,
            "gzip" => Codec::Gzip,
            "crc32c" => Codec::Crc32c,
            other => return Err(Fault::Unsupported(format!("the codec `{other}`"))),
        })
    };
    rest.iter().map(codec).collect()
}

/// The metadata of an array that is written here: chunks are not compressed. Those of version 3 have a checksum.
pub(crate) fn encode(zarr3: bool, dtype: DType, shape: &[usize], chunk: &[usize]) -> Value {
    if !zarr3 {
        return json!({
            "chunks": chunk, "compressor": null, "dimension_separator": ".", "dtype": dtype.zarr2(), "fill_value": null,
            "filters": null, "order": "C", "shape": shape, "zarr_format": 2,
        });
    }
    let bytes = match dtype.size() {
        1 => json!({"name": "bytes"}),
        _ => json!({"name": "bytes", "configuration": {"endian": "little"}}),
    };
    json!({
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default"},
        "codecs": [bytes, {"name": "crc32c"}],
        "data_type": dtype.name(), "fill_value": dtype.zero(), "node_type": "array", "shape": shape, "zarr_format": 3,
    })
}

impl Metadata {
    /// The shape of what is encoded for itself: a chunk, or the chunks of a shard.
    pub fn inner_chunk(&self) -> &[usize] {
        match &self.codecs {
            Codecs::Plain(_) => &self.chunk,
            Codecs::Sharded { chunk, .. } => chunk,
        }
    }
}
