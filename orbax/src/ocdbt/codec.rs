//! The pieces that manifests, version tree nodes and B-tree nodes have in common: numbers, the envelope with its checksum, and the
//! table of data files.
use crate::error::{Decoded, Fault};
use crate::stream;
use std::{io::Read, sync::Arc};

/// The most that a node may take once it is decompressed. TensorStore writes nodes of at most the `max_decoded_node_bytes` of the
/// manifest, 100 MB in Orbax.
pub(super) const MAX_NODE: u64 = 256 << 20;
/// The longest key and the longest path, by the format.
pub(super) const MAX_NAME: usize = 65535;
/// The most that the names of one table or node may take together: they are prefix compressed, so that a small file can name
/// terabytes.
const MAX_NAMES: usize = 256 << 20;

/// What remains to be decoded of some bytes.
pub(super) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, n: usize) -> Decoded<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*head)
    }

    pub fn byte(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// An unsigned LEB128 number.
    pub fn varint(&mut self) -> Decoded<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number is longer than 64 bits".into())
    }

    /// The number of entries that follow, each of which takes at least `bytes`.
    pub fn count(&mut self, bytes: usize) -> Decoded<usize> {
        let n = self.varint()?;
        match usize::try_from(n) {
            Ok(n) if n <= self.0.len() / bytes => Ok(n),
            _ => Err(format!("it announces {n} entries and has {} bytes", self.0.len()).into()),
        }
    }

    /// A column of numbers.
    pub fn varints(&mut self, n: usize) -> Decoded<Vec<u64>> {
        (0..n).map(|_| self.varint()).collect()
    }

    /// A column of lengths of names.
    pub fn lengths(&mut self, n: usize) -> Decoded<Vec<usize>> {
        let length = |v: u64| {
            usize::try_from(v).ok().filter(|&v| v <= MAX_NAME).ok_or_else(|| format!("a name has {v} bytes").into())
        };
        (0..n).map(|_| length(self.varint()?)).collect()
    }

    /// Names of which each shares `prefix[i - 1]` bytes with the one before it.
    pub fn names(&mut self, prefixes: &[usize], suffixes: &[usize]) -> Decoded<Vec<Vec<u8>>> {
        let (mut names, mut total): (Vec<Vec<u8>>, _) = (Vec::with_capacity(suffixes.len()), 0);
        for (i, &suffix) in suffixes.iter().enumerate() {
            let prefix = if i == 0 { 0 } else { prefixes[i - 1] };
            total += prefix + suffix;
            if prefix + suffix > MAX_NAME || total > MAX_NAMES {
                return Err("its names are too long".into());
            }
            let mut name = Vec::with_capacity(prefix + suffix);
            if prefix > 0 {
                name.extend(names[i - 1].get(..prefix).ok_or("a name shares more than the one before it has")?);
            }
            name.extend(self.take(suffix)?);
            names.push(name);
        }
        Ok(names)
    }
}

/// A number as unsigned LEB128.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The body of an envelope: its magic number, length, checksum and version hold.
pub(super) fn unseal(encoded: &[u8], magic: u32) -> Decoded<Vec<u8>> {
    let (content, checksum) = encoded.split_last_chunk::<4>().ok_or("it has less than 4 bytes")?;
    let mut cursor = Cursor(content);
    let found = u32::from_be_bytes(cursor.array()?);
    if found != magic {
        return Err(format!("it begins with {found:08x} instead of {magic:08x}").into());
    }
    let length = u64::from_le_bytes(cursor.array()?);
    if length != encoded.len() as u64 {
        return Err(format!("it has {} bytes and says {length}", encoded.len()).into());
    }
    if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
        return Err("its CRC-32C checksum does not match".into());
    }
    let version = cursor.varint()?;
    if version != 0 {
        return Err(Fault::Unsupported(format!("version {version} of the OCDBT format")));
    }
    match cursor.varint()? {
        0 => Ok(cursor.0.to_vec()),
        1 => {
            let mut body = Vec::new();
            stream::zstd(Box::new(cursor.0))
                .and_then(|s| s.take(MAX_NODE + 1).read_to_end(&mut body))
                .map_err(|e| format!("its zstd data cannot be decoded: {e}"))?;
            if body.len() as u64 > MAX_NODE {
                return Err(Fault::Unsupported(format!("an OCDBT node of more than {MAX_NODE} bytes")));
            }
            Ok(body)
        }
        other => Err(Fault::Unsupported(format!("compression {other} of OCDBT nodes"))),
    }
}

/// An envelope around a body, uncompressed.
pub(super) fn seal(magic: u32, body: &[u8]) -> Vec<u8> {
    let mut out = magic.to_be_bytes().to_vec();
    out.extend((body.len() as u64 + 18).to_le_bytes());
    out.extend([0, 0]); // version, compression
    out.extend(body);
    out.extend(crc32c::crc32c(&out).to_le_bytes());
    out
}

/// A data file, by its path from the folder of the database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DataFile {
    pub path: String,
    /// How much of the path also applies to files that nodes in this one refer to.
    pub base: usize,
}

/// Where something lies in a data file.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    pub file: Arc<DataFile>,
    pub offset: u64,
    pub length: u64,
}

/// The table of data files of a manifest or node that was itself read from below `transitive`.
pub(super) fn read_table(cursor: &mut Cursor, transitive: &str) -> Decoded<Vec<Arc<DataFile>>> {
    let n = cursor.count(2)?;
    let prefixes = cursor.lengths(n.saturating_sub(1))?;
    let suffixes = cursor.lengths(n)?;
    let bases = cursor.lengths(n)?;
    let names = cursor.names(&prefixes, &suffixes)?;
    if names.len().saturating_mul(transitive.len()) > MAX_NAMES {
        return Err("its paths are too long".into());
    }
    let file = |(name, base): (Vec<u8>, usize)| {
        let name = String::from_utf8(name).map_err(|_| "the path of a data file is not UTF-8")?;
        // The base is a prefix of the name, in bytes of UTF-8.
        if name.get(..base).is_none() {
            return Err("the base of a path is longer than the path".into());
        }
        let path = format!("{transitive}{name}");
        // A path stays below the folder of the database. (It is empty where there is nothing: in a version without a root.)
        let outside = path.starts_with('/') || path.contains(['\0', '\\']) || path.split('/').any(|part| part == "..");
        if outside || path.len() > MAX_NAME {
            return Err(Fault::Unsupported(format!("the data file `{path}`, outside of the checkpoint")));
        }
        Ok(Arc::new(DataFile { path, base: transitive.len() + base }))
    };
    names.into_iter().zip(bases).map(file).collect()
}

/// The columns of locations of `n` entries, whose lengths are read too.
pub(super) fn read_locations(cursor: &mut Cursor, files: &[Arc<DataFile>], n: usize) -> Decoded<Vec<Option<Location>>> {
    let ids = cursor.varints(n)?;
    let offsets = cursor.varints(n)?;
    let lengths = cursor.varints(n)?;
    (0..n).map(|i| location(files, ids[i], offsets[i], lengths[i])).collect()
}

/// A location; none if it says by its offset that there is nothing.
pub(super) fn location(files: &[Arc<DataFile>], id: u64, offset: u64, length: u64) -> Decoded<Option<Location>> {
    let file = usize::try_from(id).ok().and_then(|id| files.get(id));
    let file = file.ok_or_else(|| format!("it refers to data file {id} of {}", files.len()))?;
    if offset == u64::MAX && length == u64::MAX {
        return Ok(None);
    }
    if offset.checked_add(length).is_none_or(|end| end > i64::MAX as u64) {
        return Err(format!("it refers to {length} bytes at {offset}").into());
    }
    Ok(Some(Location { file: file.clone(), offset, length }))
}
