//! Arrays in chunks: Zarr version 2 and 3, as TensorStore writes them for Orbax.
//!
//! The array `NAME` has its metadata at `NAME/.zarray` (version 2) or `NAME/zarr.json` (version 3), and its chunks at `NAME/0.1` or
//! `NAME/c/0/1`. A chunk has its elements in C order, encoded by the codecs; at the edges it is padded to the full shape. With
//! `sharding_indexed`, the default of Orbax v1, it is a shard: chunks of their own, and an index of (offset, length) for each in
//! u64, little endian, where 2^64 - 1 twice means that the chunk is not stored.
//!
//! Sources: zarr-specs (`docs/v2`, `docs/v3`), and TensorStore's `driver/zarr`, `driver/zarr3`, `kvstore/zarr3_sharding_indexed`.
pub(crate) mod grid;
pub(crate) mod metadata;

use crate::{
    error::{Error, Fault, Result},
    store::Store,
    stream::{self, Blob, Raw, Stream},
};
use grid::Overlap;
use metadata::{Codec, Codecs, Metadata};
use serde_json::Value;
use std::{
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
};

/// The most that the metadata of an array takes.
const MAX_METADATA: u64 = 1 << 20;

/// An array of an item.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    /// The beginning of its keys: its name.
    pub name: String,
    pub metadata: Metadata,
}

/// What is not in memory reads as this.
pub(crate) struct Source<'a> {
    pub store: &'a Store,
    /// The item, for errors.
    pub item: &'a Path,
    /// Chunks that are not stored consist of the fill value. Otherwise their absence is an error.
    pub fill_missing: bool,
}

impl Source<'_> {
    /// The metadata of an array.
    pub fn array(&self, name: &str, zarr3: bool) -> Result<Array> {
        let key = format!("{name}/{}", if zarr3 { "zarr.json" } else { ".zarray" });
        let Some(blob) = self.store.get(&key)? else {
            return Err(Error::Missing { path: self.item.into(), what: format!("the array `{name}` (`{key}`)") });
        };
        let value: Value = serde_json::from_slice(&blob.bytes(MAX_METADATA)?)
            .map_err(|e| Error::Corrupt { path: self.item.join(&key), reason: e.to_string() })?;
        let metadata = if zarr3 { metadata::version3(&value) } else { metadata::version2(&value) };
        Ok(Array { name: name.into(), metadata: metadata.map_err(|f| f.at(self.item.join(&key)))? })
    }

    /// Copies the elements within `ranges` into `out`, which has just their size.
    pub fn read(&self, array: &Array, ranges: &[Range<usize>], out: &mut [u8]) -> Result<()> {
        let m = &array.metadata;
        let mut target = Target { ranges, size: m.dtype.size(), fill: &m.fill, out };
        for overlap in grid::overlaps(ranges, &m.chunk) {
            let key = format!("{}/{}", array.name, m.keys.key(&overlap.cell));
            let Some(blob) = self.store.get(&key)? else {
                if !self.fill_missing {
                    return Err(Error::Missing { path: self.item.into(), what: format!("the chunk `{key}`") });
                }
                target.fill(&overlap);
                continue;
            };
            self.read_chunk(m, &blob, &overlap, &mut target).map_err(|e| self.fault(&blob, &key, e))?;
        }
        Ok(())
    }

    fn fault(&self, blob: &Blob, key: &str, error: io::Error) -> Error {
        let path = blob.path().cloned().unwrap_or_else(|| self.item.into());
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::Corrupt { path, reason: format!("the chunk `{key}` ends too early") }
            }
            _ if error.raw_os_error().is_some() => Error::Io { path, source: error },
            _ => Error::Corrupt { path, reason: format!("the chunk `{key}`: {error}") },
        }
    }

    fn read_chunk(&self, m: &Metadata, blob: &Blob, overlap: &Overlap, target: &mut Target) -> io::Result<()> {
        let (inner, codecs, checked, at_end) = match &m.codecs {
            Codecs::Plain(codecs) => return target.copy(blob, codecs, overlap, &m.chunk),
            Codecs::Sharded { chunk, codecs, checked_index, index_at_end } => {
                (chunk, codecs, *checked_index, *index_at_end)
            }
        };
        let counts: Vec<usize> = m.chunk.iter().zip(inner).map(|(c, i)| c / i).collect();
        let index = read_index(blob, &counts, checked, at_end)?;
        // The part of the shard that is wanted, in chunks of their own grid.
        for part in grid::overlaps(&overlap.ranges, inner) {
            let place = part
                .cell
                .iter()
                .zip(&overlap.cell)
                .zip(&counts)
                .fold(0, |n, ((&cell, &shard), &count)| n * count + (cell - shard * count));
            match index[place] {
                (u64::MAX, u64::MAX) if self.fill_missing => target.fill(&part),
                (u64::MAX, u64::MAX) => return Err(io::Error::other("one of its inner chunks is missing")),
                (offset, length) => {
                    let blob = blob
                        .part(offset, length)
                        .ok_or_else(|| io::Error::other("its index refers to bytes behind its end"))?;
                    target.copy(&blob, codecs, &part, inner)?;
                }
            }
        }
        Ok(())
    }

    /// Decodes all chunks that are stored, and says how many, with their decoded bytes; what is wrong goes into `problems`.
    pub fn verify(&self, array: &Array, problems: &mut Vec<Error>) -> Result<(u64, u64)> {
        let m = &array.metadata;
        let bytes = m.chunk.iter().product::<usize>() * m.dtype.size();
        let (mut chunks, mut found) = (0, 0);
        let prefix = format!("{}/", array.name);
        let grid: Vec<usize> = m.shape.iter().zip(&m.chunk).map(|(s, c)| s.div_ceil(*c)).collect();
        for key in self.store.keys(&prefix)? {
            let Some(cell) = m.keys.parse(&key, &grid) else { continue };
            found += 1;
            let range =
                |(&cell, (&chunk, &size)): (&usize, (&usize, &usize))| cell * chunk..((cell + 1) * chunk).min(size);
            let ranges: Vec<_> = cell.iter().zip(m.chunk.iter().zip(&m.shape)).map(range).collect();
            let mut nothing = Target { ranges: &ranges, size: m.dtype.size(), fill: &m.fill, out: &mut [] };
            let overlap = Overlap { cell, ranges: ranges.clone() };
            let full = format!("{prefix}{key}");
            let read =
                self.store.get(&full).map(|blob| blob.map(|b| (self.read_chunk(m, &b, &overlap, &mut nothing), b)));
            match read {
                Ok(Some((Ok(()), _))) => chunks += 1,
                Ok(Some((Err(e), blob))) => problems.push(self.fault(&blob, &full, e)),
                Ok(None) => {}
                Err(e) => problems.push(e),
            }
        }
        let wanted = grid.iter().try_fold(1usize, |n, &g| n.checked_mul(g)).unwrap_or(usize::MAX);
        if found < wanted && !self.fill_missing {
            let what = format!("{} of the {wanted} chunks of `{}`", wanted - found, array.name);
            problems.push(Error::Missing { path: self.item.into(), what });
        }
        Ok((chunks, chunks.saturating_mul(bytes as u64)))
    }
}

impl metadata::Keys {
    /// The place in the grid that a key stands for; none if it is not that of a chunk.
    fn parse(self, key: &str, grid: &[usize]) -> Option<Vec<usize>> {
        let digits = if self.c { key.strip_prefix('c')? } else { key };
        let cell: Option<Vec<usize>> = match (grid.len(), self.c) {
            (0, _) => Some(Vec::new()),
            (_, true) => digits.strip_prefix(self.separator)?.split(self.separator).map(|n| n.parse().ok()).collect(),
            (_, false) => digits.split(self.separator).map(|n| n.parse().ok()).collect(),
        };
        let cell = cell.filter(|c| c.len() == grid.len() && c.iter().zip(grid).all(|(c, g)| c < g))?;
        (self.key(&cell) == key).then_some(cell)
    }
}

/// Where each inner chunk of a shard is: offset and length.
fn read_index(blob: &Blob, counts: &[usize], checked: bool, at_end: bool) -> io::Result<Vec<(u64, u64)>> {
    let count = counts.iter().try_fold(1u64, |n, &c| n.checked_mul(c as u64));
    let length = count.and_then(|n| n.checked_mul(16)).and_then(|n| n.checked_add(if checked { 4 } else { 0 }));
    let short = || io::Error::other("it is shorter than its index");
    let length = length.filter(|&n| n <= blob.len()).ok_or_else(short)?;
    let part = blob.part(if at_end { blob.len() - length } else { 0 }, length).ok_or_else(short)?;
    let mut bytes = Vec::new();
    part.open().map_err(io::Error::other)?.read_to_end(&mut bytes)?;
    if checked {
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or_else(short)?;
        if crc32c::crc32c(content) != u32::from_le_bytes(*sum) {
            return Err(io::Error::other("the CRC-32C checksum of its index does not match"));
        }
        bytes.truncate(content.len());
    }
    let number = |b: &[u8]| b.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
    Ok(bytes.chunks_exact(16).map(|e| (number(&e[..8]), number(&e[8..]))).collect())
}

fn decode(blob: &Blob, codecs: &[Codec]) -> io::Result<Stream> {
    let raw: Raw = blob.open().map_err(io::Error::other)?;
    if codecs.is_empty() {
        return Ok(Stream::Raw(raw));
    }
    let mut read: Box<dyn Read> = Box::new(raw);
    for codec in codecs.iter().rev() {
        read = match codec {
            Codec::Zstd => stream::zstd(read)?,
            Codec::Gzip => stream::deflate(read, true),
            Codec::Zlib => stream::deflate(read, false),
            Codec::Crc32c => stream::crc32c(read),
        };
    }
    Ok(Stream::Decoded(read))
}

/// The caller's buffer. It is empty where chunks are only verified.
struct Target<'a> {
    /// What it holds of the array.
    ranges: &'a [Range<usize>],
    /// Bytes of an element.
    size: usize,
    fill: &'a [u8],
    out: &'a mut [u8],
}

impl Target<'_> {
    /// Copies what overlaps with the cell out of it, which has this shape.
    fn copy(&mut self, blob: &Blob, codecs: &[Codec], overlap: &Overlap, shape: &[usize]) -> io::Result<()> {
        let total = shape.iter().product::<usize>() * self.size;
        if codecs.is_empty() && blob.len() != total as u64 {
            return Err(io::Error::other(format!("it has {} bytes instead of {total}", blob.len())));
        }
        let origin: Vec<usize> = overlap.cell.iter().zip(shape).map(|(c, s)| c * s).collect();
        let starts: Vec<usize> =
            overlap.runs(shape, &origin, self.ranges).take(2).map(|(from, ..)| from * self.size).collect();
        let (mut stream, mut at) = (decode(blob, codecs)?, 0);
        if self.out.is_empty() {
            // Nothing is wanted but to see that all of it can be read.
            stream = stream.buffered();
        } else {
            if let (Stream::Raw(_), [first, second]) = (&stream, &starts[..])
                && second - first < stream::PIECE
            {
                // Reading some bytes between the runs is faster than reading each run for itself.
                stream.skip(*first as u64)?;
                (stream, at) = (stream.buffered(), *first);
            }
            for (from, to, length) in overlap.runs(shape, &origin, self.ranges) {
                let (from, to, length) = (from * self.size, to * self.size, length * self.size);
                stream.skip((from - at) as u64)?;
                stream.read_exact(&mut self.out[to..to + length])?;
                at = from + length;
            }
            // What remains has to be read where only its end tells whether the bytes before are right.
            if at < total && !codecs.contains(&Codec::Crc32c) {
                return Ok(());
            }
        }
        if let Stream::Decoded(_) = stream {
            stream.skip((total - at) as u64)?;
            if stream.read(&mut [0])? > 0 {
                return Err(io::Error::other(format!("it has more than its {total} bytes")));
            }
        }
        Ok(())
    }

    fn fill(&mut self, overlap: &Overlap) {
        if self.out.is_empty() {
            return;
        }
        let shape: Vec<usize> = overlap.ranges.iter().map(|r| r.len()).collect();
        let origin: Vec<usize> = overlap.ranges.iter().map(|r| r.start).collect();
        for (_, to, length) in overlap.runs(&shape, &origin, self.ranges) {
            let bytes = &mut self.out[to * self.size..(to + length) * self.size];
            bytes.chunks_exact_mut(self.size).for_each(|e| e.copy_from_slice(self.fill));
        }
    }
}

/// The error for ranges that an array does not have.
pub(crate) fn check_ranges(array: &Array, ranges: &[Range<usize>], bytes: usize) -> Result<()> {
    let Metadata { shape, dtype, .. } = &array.metadata;
    let inside = ranges.len() == shape.len() && ranges.iter().zip(shape).all(|(r, &s)| r.start <= r.end && r.end <= s);
    if !inside {
        return Err(Error::Argument(format!("`{}` has shape {shape:?}, but {ranges:?} was asked for", array.name)));
    }
    let wanted = ranges.iter().map(ExactSizeIterator::len).product::<usize>() * dtype.size();
    if wanted != bytes {
        return Err(Error::Argument(format!(
            "a buffer of {bytes} bytes is given for {wanted} bytes of `{}`",
            array.name
        )));
    }
    Ok(())
}

/// The error of a file of metadata.
pub(crate) fn fault(path: impl Into<PathBuf>, reason: impl Into<String>) -> Error {
    Fault::Corrupt(reason.into()).at(path)
}
