//! The index of a checkpoint, `checkpoint.json`: what the module's page describes.
use super::{CheckpointError, INDEX, Metadata, Problem};
use crate::{
    aval::{Aval, DType},
    error::Result,
    file::read_file,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    ops::Range,
    path::{Component, Path},
};

/// What the field `format` says.
const FORMAT: &str = "raxla checkpoint";
/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;
/// More than any index has.
const MOST_BYTES: u64 = 1 << 30;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub(super) struct Index {
    pub(super) format: String,
    pub(super) version: u32,
    /// The version of raxla that wrote it.
    pub(super) raxla: String,
    pub(super) step: u64,
    pub(super) leaves: Vec<Leaf>,
    /// The shard files, by name.
    pub(super) files: BTreeMap<String, FileInfo>,
    pub(super) metadata: Metadata,
}

/// An array.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub(super) struct Leaf {
    pub(super) path: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    pub(super) pieces: Vec<Piece>,
}

/// A part of an array, which is a tensor of a shard file. All pieces of an array have one shape, and lie in a grid.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub(super) struct Piece {
    /// Where it begins along each axis.
    pub(super) offset: Vec<usize>,
    pub(super) shape: Vec<usize>,
    pub(super) file: String,
    pub(super) tensor: String,
    /// Of the tensor's values.
    pub(super) crc32: Crc,
}

/// A shard file.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub(super) struct FileInfo {
    pub(super) bytes: u64,
    /// Of all that comes before the values of tensors.
    pub(super) header_crc32: Crc,
}

/// A CRC-32 (that of zip and gzip; `zlib.crc32` in Python), as eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Crc(pub(super) u32);
impl Crc {
    pub(super) fn of(bytes: &[u8]) -> Crc {
        Crc(crc32fast::hash(bytes))
    }
}
impl fmt::Display for Crc {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}
impl fmt::Debug for Crc {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl From<Crc> for String {
    fn from(crc: Crc) -> String {
        crc.to_string()
    }
}
impl TryFrom<String> for Crc {
    type Error = String;
    fn try_from(text: String) -> Result<Crc, String> {
        let crc = u32::from_str_radix(&text, 16).map(Crc).ok().filter(|crc| crc.to_string() == text);
        crc.ok_or_else(|| format!("{text:?} is no CRC-32"))
    }
}

impl Piece {
    /// Its range along each axis.
    pub(super) fn index(&self) -> Vec<Range<usize>> {
        self.offset.iter().zip(&self.shape).map(|(at, n)| *at..at + n).collect()
    }
}

impl Leaf {
    /// Shape and dtype; `None` for what is no type of an array.
    fn checked_aval(&self) -> Option<Aval> {
        let dtype: DType = self.dtype.parse().ok()?;
        dtype.bytes_of(&self.shape)?;
        Some(Aval::new(dtype, self.shape.clone()))
    }
    /// Shape and dtype.
    pub(super) fn aval(&self) -> Aval {
        self.checked_aval().expect("checked when the index was read")
    }
    /// Do the pieces make up the array? They do if they are of one shape, begin at multiples of it, are all different, and are
    /// as many as there is room for.
    fn is_covered(&self) -> bool {
        let Some(Piece { shape, .. }) = self.pieces.first() else { return false };
        if self.shape.contains(&0) {
            let [Piece { shape, offset, .. }] = &self.pieces[..] else { return false };
            let inside = shape.len() == self.shape.len() && shape.iter().zip(&self.shape).all(|(part, n)| part <= n);
            return inside && shape.contains(&0) && offset.len() == shape.len() && offset.iter().all(|at| *at == 0);
        }
        let divides = |(n, part): (&usize, &usize)| *part > 0 && n.is_multiple_of(*part);
        if shape.len() != self.shape.len() || !self.shape.iter().zip(shape).all(divides) {
            return false;
        }
        let room: usize = self.shape.iter().zip(shape).map(|(n, part)| n / part).product();
        let inside = |(at, (n, part)): (&usize, (&usize, &usize))| at < n && at.is_multiple_of(*part);
        let fits = |piece: &Piece| {
            let axes = self.shape.iter().zip(shape);
            piece.shape == *shape && piece.offset.len() == shape.len() && piece.offset.iter().zip(axes).all(inside)
        };
        let different: HashSet<&[usize]> = self.pieces.iter().map(|piece| &piece.offset[..]).collect();
        self.pieces.len() == room && different.len() == room && self.pieces.iter().all(fits)
    }
}

/// What the text of an index ends with: its own checksum, over all of its bytes with zeros in the place of these digits.
const END: (&str, &str) = (",\"crc32\":\"", "\"}\n");
const DIGITS: usize = 8;

impl Index {
    pub(super) fn new(step: u64, leaves: Vec<Leaf>, files: BTreeMap<String, FileInfo>, metadata: Metadata) -> Index {
        let (format, raxla) = (FORMAT.to_string(), env!("CARGO_PKG_VERSION").to_string());
        Index { format, version: VERSION, raxla, step, leaves, files, metadata }
    }

    /// The text of the file.
    pub(super) fn to_text(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(self)?;
        text.truncate(text.len() - 1);
        let body = text + END.0;
        let sum = Crc::of(format!("{body}{}{}", "0".repeat(DIGITS), END.1).as_bytes());
        Ok(format!("{body}{sum}{}", END.1))
    }

    /// The index of this folder.
    pub(super) fn read(folder: &Path) -> Result<Index> {
        let path = &folder.join(INDEX);
        let bytes = read_file(path, MOST_BYTES).map_err(|e| CheckpointError::unreadable(path, &e))?;
        let damaged = |reason: String| CheckpointError::damaged(path, reason);
        check_sum(bytes.clone()).map_err(damaged)?;
        // (every version ends with the checksum, and only what is whole can be of a newer one)
        newer(path, &bytes).map_or(Ok(()), Err)?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| damaged(format!("it is no index: {e}")))?;
        index.check().map_err(damaged)?;
        Ok(index)
    }

    /// Refuses what no checkpoint has: it may be made up.
    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("it says that it is a {:?}", self.format));
        }
        for name in self.files.keys() {
            let mut parts = Path::new(name).components();
            let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
            if !plain || name.contains('\\') {
                return Err(format!("{name:?} is no name of a file"));
            }
        }
        let (mut paths, mut tensors) = (HashSet::new(), HashSet::new());
        for leaf in &self.leaves {
            let Leaf { path, dtype, shape, pieces } = leaf;
            if !paths.insert(path) {
                return Err(format!("two leaves have the path `{path}`"));
            }
            if leaf.checked_aval().is_none() {
                return Err(format!("the leaf `{path}` is {dtype}{shape:?}, which no array is"));
            }
            if !leaf.is_covered() {
                return Err(format!("the pieces of the leaf `{path}` do not make up {dtype}{shape:?}"));
            }
            for piece in pieces {
                if !self.files.contains_key(&piece.file) {
                    return Err(format!("a piece of `{path}` is in {:?}, a file that it does not list", piece.file));
                }
                if !tensors.insert((&piece.file, &piece.tensor)) {
                    return Err(format!("the tensor `{}` of {} is a piece twice", piece.tensor, piece.file));
                }
            }
        }
        Ok(())
    }
}

/// The error for an index that a newer raxla wrote.
fn newer(path: &Path, bytes: &[u8]) -> Option<crate::Error> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
        raxla: String,
    }
    let head: Head = serde_json::from_slice(bytes).ok()?;
    (head.format == FORMAT && head.version > VERSION).then(|| {
        let reason = format!("it was written by raxla {}, in version {} of the format", head.raxla, head.version);
        let help = format!("use that version: this one is {}, and reads up to {VERSION}", env!("CARGO_PKG_VERSION"));
        CheckpointError::error(path, Problem::Unsupported, reason, help)
    })
}

/// Compares an index with the checksum at its end.
fn check_sum(mut bytes: Vec<u8>) -> Result<(), String> {
    let digits = bytes.len().checked_sub(END.1.len() + DIGITS).map(|at| at..at + DIGITS);
    let framed = digits.filter(|d| bytes[..d.start].ends_with(END.0.as_bytes()) && bytes.ends_with(END.1.as_bytes()));
    let Some(digits) = framed else {
        return Err("it does not end as an index does: it was cut short or changed".into());
    };
    let said = bytes[digits.clone()].to_vec();
    bytes[digits].fill(b'0');
    let (sum, said) = (Crc::of(&bytes).to_string(), String::from_utf8_lossy(&said).into_owned());
    if sum == said { Ok(()) } else { Err(format!("it is damaged: its checksum is {sum}, and it says {said}")) }
}
