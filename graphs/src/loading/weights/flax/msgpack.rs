//! What flax.serialization writes: MessagePack maps of arrays, nested as the modules are.

use super::{Array, Layers, Stored, View, dtype, layers, named, parameters};
use raxla_xla::DType;
use std::ops::Range;

/// The key that marks an array in pieces.
pub(crate) const CHUNKED: &str = "__msgpack_chunked_array__";

enum Node<'a> {
    Map(Vec<(&'a str, Node<'a>)>),
    Array(Plain),
    Uint(u64),
    Text(&'a str),
    Bytes(Range<usize>),
    List(Vec<Node<'a>>),
    Other,
}

/// An array, in one piece.
struct Plain {
    dtype: DType,
    dims: Vec<usize>,
    data: Range<usize>,
}

/// Reads the maps of a mapped file: the parameters, and whose layers they belong to. Every range returned lies inside `file`.
pub(crate) fn tensors(file: &[u8]) -> Result<(Layers, Vec<(String, Stored)>), String> {
    let budget = file.len().saturating_mul(3).max(1 << 20);
    let mut reader = Reader { file, at: 0, budget };
    let root = reader.node(0)?;
    if reader.at != file.len() {
        return Err(format!("{} bytes follow its map of arrays", file.len() - reader.at));
    }
    let Node::Map(root) = root else { return Err("it holds something other than a map of arrays".into()) };
    let mut found = vec![];
    collect(&mut vec![], root, &mut found)?;
    let found = parameters(found, |array| &mut array.path);
    let layers = layers(&found);
    if found.is_empty() { Err("it holds no arrays".into()) } else { Ok((layers, named(found, layers).collect())) }
}

fn collect<'a>(path: &mut Vec<&'a str>, map: Vec<(&'a str, Node<'a>)>, found: &mut Vec<Array>) -> Result<(), String> {
    for (key, node) in map {
        path.push(key);
        let own = || path.iter().map(|part| part.to_string()).collect();
        match node {
            Node::Map(inner) if inner.iter().any(|(key, _)| *key == CHUNKED) => found.push(
                chunked(own(), &inner)
                    .ok_or_else(|| format!("the pieces of array `{}` do not fit together", path.join("/")))?,
            ),
            Node::Map(inner) => collect(path, inner, found)?,
            Node::Array(Plain { dtype, dims, data }) => {
                found.push(Array { path: own(), dtype, dims, range: data, view: View::Whole });
            }
            _ => {}
        }
        path.pop();
    }
    Ok(())
}

/// An array of more than 1 GiB, in flat pieces.
fn chunked(path: Vec<String>, map: &[(&str, Node)]) -> Option<Array> {
    let part = |name: &str| match map.iter().find(|(key, _)| *key == name)? {
        (_, Node::Map(part)) => Some(part),
        _ => None,
    };
    // the keys are the numbers in order
    let numbered = |part: &[(&str, Node)]| part.iter().enumerate().all(|(i, (key, _))| *key == i.to_string());
    let (shape, chunks) = (part("shape")?, part("chunks")?);
    let dims = shape.iter().map(|(_, n)| if let Node::Uint(n) = n { usize::try_from(*n).ok() } else { None });
    let dims = dims.collect::<Option<Vec<usize>>>()?;
    let arrays = chunks.iter().map(|(_, n)| if let Node::Array(a) = n { Some(a) } else { None });
    let arrays = arrays.collect::<Option<Vec<&Plain>>>()?;
    let (first, last) = (arrays.first()?, arrays.last()?);
    let bytes = dims.iter().try_fold(first.dtype.bits() / 8, |n, d| n.checked_mul(*d))?;
    let fits = numbered(shape)
        && numbered(chunks)
        && arrays.iter().all(|a| a.dtype == first.dtype)
        && arrays.iter().map(|a| a.data.len()).sum::<usize>() == bytes;
    let view = View::Pieces(arrays.iter().map(|a| a.data.clone()).collect());
    fits.then_some(Array { path, dtype: first.dtype, dims, range: first.data.start..last.data.end, view })
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
    /// How many more bytes may be allocated.
    budget: usize,
}

/// Modules nest a few levels deep.
const MAX_DEPTH: usize = 64;

impl<'a> Reader<'a> {
    fn node(&mut self, depth: usize) -> Result<Node<'a>, String> {
        if depth > MAX_DEPTH {
            return Err(format!("its maps are nested more than {MAX_DEPTH} deep"));
        }
        let left = self.budget.checked_sub(size_of::<(&str, Node)>());
        self.budget = left.ok_or("it describes more than a map of the file's arrays can hold")?;
        let tag = self.bytes(1)?[0];
        Ok(match tag {
            0x00..=0x7f => Node::Uint(u64::from(tag)),
            0x80..=0x8f => self.map(usize::from(tag & 15), depth)?,
            0x90..=0x9f => self.list(usize::from(tag & 15), depth)?,
            0xa0..=0xbf => self.text(usize::from(tag & 31))?,
            0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Node::Other,
            0xc4..=0xc6 => {
                let n = self.number(1 << (tag - 0xc4))?;
                self.bytes(n)?;
                Node::Bytes(self.at - n..self.at)
            }
            0xc7..=0xc9 => {
                let n = self.number(1 << (tag - 0xc7))?;
                self.extension(n, depth)?
            }
            0xca | 0xd2 => self.bytes(4).map(|_| Node::Other)?,
            0xcb | 0xd3 => self.bytes(8).map(|_| Node::Other)?,
            0xcc..=0xcf => Node::Uint(self.number(1 << (tag - 0xcc))? as u64),
            0xd0 => self.bytes(1).map(|_| Node::Other)?,
            0xd1 => self.bytes(2).map(|_| Node::Other)?,
            0xd4..=0xd8 => self.extension(1 << (tag - 0xd4), depth)?,
            0xd9..=0xdb => {
                let n = self.number(1 << (tag - 0xd9))?;
                self.text(n)?
            }
            0xdc | 0xdd => {
                let n = self.number(2 << (tag - 0xdc))?;
                self.list(n, depth)?
            }
            0xde | 0xdf => {
                let n = self.number(2 << (tag - 0xde))?;
                self.map(n, depth)?
            }
            0xc1 => return Err("it is no MessagePack".into()),
        })
    }

    fn map(&mut self, n: usize, depth: usize) -> Result<Node<'a>, String> {
        let mut map = vec![];
        for _ in 0..n {
            let Node::Text(key) = self.node(depth + 1)? else { return Err("a key of a map is no text".into()) };
            let value = self.node(depth + 1).map_err(|reason| format!("{reason}{}", inside(depth, key)))?;
            map.push((key, value));
        }
        Ok(Node::Map(map))
    }

    fn list(&mut self, n: usize, depth: usize) -> Result<Node<'a>, String> {
        let mut list = vec![];
        for _ in 0..n {
            list.push(self.node(depth + 1)?);
        }
        Ok(Node::List(list))
    }

    fn text(&mut self, n: usize) -> Result<Node<'a>, String> {
        std::str::from_utf8(self.bytes(n)?).map(Node::Text).map_err(|_| "a text is not UTF-8".into())
    }

    /// Type 1 is an array: its shape, dtype and bytes, as MessagePack themselves.
    fn extension(&mut self, n: usize, depth: usize) -> Result<Node<'a>, String> {
        let kind = self.bytes(1)?[0];
        let end = self.at.checked_add(n).filter(|end| *end <= self.file.len()).ok_or(TRUNCATED)?;
        if kind != 1 {
            self.at = end;
            return Ok(Node::Other);
        }
        let node = self.node(depth + 1)?;
        let array = if self.at == end { array(node) } else { Err("its parts do not fill it".into()) };
        array.map(Node::Array).map_err(|reason| format!("an array is damaged: {reason}"))
    }

    fn bytes(&mut self, n: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n);
        let bytes = end.and_then(|end| self.file.get(self.at..end)).ok_or(TRUNCATED)?;
        self.at += n;
        Ok(bytes)
    }

    /// A big-endian number of `n` bytes.
    fn number(&mut self, n: usize) -> Result<usize, String> {
        let value = self.bytes(n)?.iter().fold(0u64, |value, b| value << 8 | u64::from(*b));
        usize::try_from(value).map_err(|_| TRUNCATED.into())
    }
}

const TRUNCATED: &str = "it ends too early: the file is truncated or damaged";

/// Where a mistake is, told once.
fn inside(depth: usize, key: &str) -> String {
    if depth == 0 { format!(" (in `{key}`)") } else { String::new() }
}

fn array(node: Node) -> Result<Plain, String> {
    let Node::List(parts) = node else { return Err("it is no list".into()) };
    let [Node::List(dims), Node::Text(name), Node::Bytes(data)] = parts.as_slice() else {
        return Err("it is not shape, dtype and bytes".into());
    };
    let dtype = dtype(name).ok_or_else(|| format!("raxla has no dtype {name:?}"))?;
    let dims = dims.iter().map(|n| if let Node::Uint(n) = n { usize::try_from(*n).ok() } else { None });
    let dims = dims.collect::<Option<Vec<usize>>>().ok_or("its shape is no list of sizes")?;
    let bytes = dims.iter().try_fold(dtype.bits() / 8, |n, d| n.checked_mul(*d));
    if bytes != Some(data.len()) {
        return Err(format!("its shape is {dims:?}, its dtype {name}, but it has {} bytes", data.len()));
    }
    Ok(Plain { dtype, dims, data: data.clone() })
}
