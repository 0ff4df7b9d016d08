//! GGUF files, versions 2 and 3: typed metadata, a table of tensors, the values.
//!
//! Nothing the header says is believed: counts are compared with the bytes that remain before anything is allocated,
//! and offsets and sizes are computed with checked arithmetic.

use super::convert::Encoding;
use super::dequant::Block;
use raxla_xla::DType;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer of any width and sign.
    Int(i128),
    /// An f32, or an f64.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Str(String),
    /// A list.
    List(List),
}

/// A list of metadata values of one type.
#[derive(Clone, Debug, PartialEq)]
pub enum List {
    /// Integers of any type but u64.
    Int(Vec<i64>),
    /// Integers of type u64.
    Unsigned(Vec<u64>),
    /// Floats.
    Float(Vec<f32>),
    /// Doubles.
    Double(Vec<f64>),
    /// Truth values.
    Bool(Vec<bool>),
    /// Strings.
    Str(Vec<String>),
    /// Lists.
    List(Vec<List>),
}

impl fmt::Display for Value {
    /// As JSON would have it; of long lists the beginning.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(x) => write!(f, "{x}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Str(s) => write!(f, "{s:?}"),
            Value::List(list) => {
                const SHOWN: usize = 8;
                let shown = list.values().take(SHOWN).map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
                write!(f, "[{shown}{}]", if list.len() > SHOWN { ", .." } else { "" })
            }
        }
    }
}

impl List {
    /// How many values it has.
    pub fn len(&self) -> usize {
        match self {
            List::Int(list) => list.len(),
            List::Unsigned(list) => list.len(),
            List::Float(list) => list.len(),
            List::Double(list) => list.len(),
            List::Bool(list) => list.len(),
            List::Str(list) => list.len(),
            List::List(list) => list.len(),
        }
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its values, one by one.
    pub fn values(&self) -> Box<dyn Iterator<Item = Value> + '_> {
        match self {
            List::Int(list) => Box::new(list.iter().map(|i| Value::Int((*i).into()))),
            List::Unsigned(list) => Box::new(list.iter().map(|i| Value::Int((*i).into()))),
            List::Float(list) => Box::new(list.iter().map(|x| Value::Float(shortest(*x)))),
            List::Double(list) => Box::new(list.iter().map(|x| Value::Float(*x))),
            List::Bool(list) => Box::new(list.iter().map(|b| Value::Bool(*b))),
            List::Str(list) => Box::new(list.iter().map(|s| Value::Str(s.clone()))),
            List::List(list) => Box::new(list.iter().map(|l| Value::List(l.clone()))),
        }
    }
}

/// The metadata of a GGUF file. Its getters tell a value that is absent from one of another type, which is an error that names the
/// key, the value and what it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// The value of `key`, whatever its type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// All keys and values, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// All keys, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The string `key`.
    pub fn str(&self, key: &str) -> Result<Option<&str>, String> {
        self.typed(key, "a string", |value| match value {
            Value::Str(s) => Some(s.as_str()),
            _ => None,
        })
    }

    /// The non-negative integer `key`. A list of equal ones, which some files have with an entry per layer, is that integer.
    pub fn uint(&self, key: &str) -> Result<Option<usize>, String> {
        self.of_layers(key, "an integer from 0 on", |value| match value {
            Value::Int(i) => usize::try_from(*i).ok(),
            _ => None,
        })
    }

    /// The finite number `key`, a float or an integer; or of a list, as [`uint`](Metadata::uint).
    pub fn float(&self, key: &str) -> Result<Option<f64>, String> {
        self.of_layers(key, "a finite number", |value| match value {
            Value::Float(x) => Some(*x).filter(|x| x.is_finite()),
            Value::Int(i) => Some(*i as f64),
            _ => None,
        })
    }

    /// The truth value `key`.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, String> {
        self.typed(key, "true or false", |value| match value {
            Value::Bool(b) => Some(*b),
            _ => None,
        })
    }

    /// The list of strings `key`.
    pub fn strings(&self, key: &str) -> Result<Option<&[String]>, String> {
        self.typed(key, "a list of strings", |value| match value {
            Value::List(List::Str(list)) => Some(list.as_slice()),
            _ => None,
        })
    }

    /// The value `key` as `read` takes it, which takes what is called `kind`.
    fn typed<'a, T>(
        &'a self,
        key: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let wrong = |value: &Value| format!("`{key}` is {value}, not {kind}");
        self.0.get(key).map(|value| read(value).ok_or_else(|| wrong(value))).transpose()
    }

    fn of_layers<T>(&self, key: &str, kind: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, String> {
        let Some(whole @ Value::List(list)) = self.0.get(key) else { return self.typed(key, kind, read) };
        let mut values = list.values();
        match values.next().and_then(|one| Some((read(&one)?, one))) {
            None => Err(format!("`{key}` is {whole}, not {kind}")),
            Some((number, one)) if values.all(|other| other == one) => Ok(Some(number)),
            Some(_) => Err(format!("`{key}` is {whole}: layers that differ in it are not known of this architecture")),
        }
    }
}

/// One row of the tensor table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Row-major: the reverse of the order in the file.
    pub(super) dims: Vec<usize>,
    pub(super) encoding: Encoding,
    /// Where the values are, in bytes from the start of the file.
    pub(super) range: Range<usize>,
}

/// A parsed header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<Entry>,
}

/// Parses and validates the header of a mapped file.
pub(super) fn parse(file: &[u8]) -> Result<Header, String> {
    let mut cursor = Cursor { file, at: 0 };
    let magic = cursor.array::<4>("the magic bytes")?;
    if &magic != b"GGUF" {
        return Err(format!("it begins with {:?}, not with \"GGUF\"", String::from_utf8_lossy(&magic)));
    }
    match cursor.u32("the version")? {
        2 | 3 => {}
        v if matches!(v.swap_bytes(), 1..=255) => {
            return Err("it is a big-endian GGUF file, which raxla cannot read".into());
        }
        v => return Err(format!("it is GGUF version {v}; raxla reads versions 2 and 3")),
    }
    // The shortest possible rows: an empty name, no dimensions, a type, an offset; an empty key, a type, one byte.
    let tensors = cursor.count("tensors", 24)?;
    let pairs = cursor.count("metadata values", 13)?;
    let mut metadata = BTreeMap::new();
    for i in 0..pairs {
        let key = cursor.string(|| format!("the key of metadata value {i}"))?;
        let value = cursor.value(&key)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(format!("metadata key `{key}` occurs twice"));
        }
    }
    let metadata = Metadata(metadata);
    let mut rows = Vec::with_capacity(tensors);
    for i in 0..tensors {
        rows.push(cursor.tensor_row(i)?);
    }
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(Value::Int(a)) if (1..=1 << 20).contains(a) && (*a as usize).is_power_of_two() => *a as usize,
        Some(other) => return Err(format!("`general.alignment` is {other}, not a power of two")),
    };
    let tensors = place(file.len(), cursor.at, alignment, rows)?;
    Ok(Header { metadata, tensors })
}

struct Row {
    name: String,
    dims: Vec<usize>,
    encoding: Encoding,
    offset: u64,
}

/// Turns offsets into ranges of the file, refusing what is misaligned, out of range, overlapping or named twice.
fn place(file: usize, header_end: usize, alignment: usize, rows: Vec<Row>) -> Result<Vec<Entry>, String> {
    let start = header_end.checked_next_multiple_of(alignment).ok_or("its header is too long")?;
    let mut names = HashSet::new();
    let mut entries = Vec::with_capacity(rows.len());
    for Row { name, dims, encoding, offset } in rows {
        let too_large = || format!("tensor `{name}` of shape {dims:?} is larger than any file");
        let n = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).ok_or_else(too_large)?;
        let inner = dims.last().copied().unwrap_or(1);
        if !inner.is_multiple_of(encoding.unit()) {
            return Err(format!(
                "tensor `{name}` has rows of {inner} values, not whole {encoding} blocks of {}",
                encoding.unit()
            ));
        }
        let bytes = encoding.bytes(n).ok_or_else(too_large)?;
        if offset % alignment as u64 != 0 {
            return Err(format!(
                "the offset {offset} of tensor `{name}` is not a multiple of the alignment {alignment}"
            ));
        }
        let begin = usize::try_from(offset).ok().and_then(|o| o.checked_add(start)).ok_or_else(too_large)?;
        let end = begin.checked_add(bytes).ok_or_else(too_large)?;
        if end > file {
            return Err(format!(
                "tensor `{name}` should lie at bytes {begin}..{end}, but the file ends at {file}: \
                 it is truncated, or its header is wrong"
            ));
        }
        if !names.insert(name.clone()) {
            return Err(format!("tensor `{name}` occurs twice"));
        }
        entries.push(Entry { name, dims, encoding, range: begin..end });
    }
    let mut order: Vec<&Entry> = entries.iter().filter(|e| !e.range.is_empty()).collect();
    order.sort_by_key(|e| e.range.start);
    for pair in order.windows(2) {
        if pair[0].range.end > pair[1].range.start {
            return Err(format!("tensors `{}` and `{}` overlap", pair[0].name, pair[1].name));
        }
    }
    Ok(entries)
}

/// The types of ggml.h by number.
const TYPES: &[(u32, Encoding)] = &[
    (0, Encoding::Plain(DType::F32)),
    (1, Encoding::Plain(DType::F16)),
    (2, Encoding::Blocks(Block::Q4_0)),
    (3, Encoding::Blocks(Block::Q4_1)),
    (6, Encoding::Blocks(Block::Q5_0)),
    (7, Encoding::Blocks(Block::Q5_1)),
    (8, Encoding::Blocks(Block::Q8_0)),
    (10, Encoding::Blocks(Block::Q2_K)),
    (11, Encoding::Blocks(Block::Q3_K)),
    (12, Encoding::Blocks(Block::Q4_K)),
    (13, Encoding::Blocks(Block::Q5_K)),
    (14, Encoding::Blocks(Block::Q6_K)),
    (20, Encoding::Blocks(Block::IQ4_NL)),
    (23, Encoding::Blocks(Block::IQ4_XS)),
    (24, Encoding::Plain(DType::I8)),
    (25, Encoding::Plain(DType::I16)),
    (26, Encoding::Plain(DType::I32)),
    (27, Encoding::Plain(DType::I64)),
    (28, Encoding::Plain(DType::F64)),
    (30, Encoding::Plain(DType::BF16)),
    (39, Encoding::Blocks(Block::MXFP4)),
];

/// The number of a type that files can have.
pub(crate) fn type_number(encoding: Encoding) -> Option<u32> {
    TYPES.iter().find(|(_, known)| *known == encoding).map(|(number, _)| *number)
}

fn encoding(number: u32) -> Result<Encoding, String> {
    if let Some((_, encoding)) = TYPES.iter().find(|(known, _)| *known == number) {
        return Ok(*encoding);
    }
    let unreadable = match number {
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        _ => "unknown",
    };
    Err(format!(
        "ggml type {number} ({unreadable}), which raxla cannot read\n  \
         help: raxla reads F32, F16, BF16, F64, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, IQ4_NL, IQ4_XS and MXFP4; \
         take a file of one of these types"
    ))
}

/// A position in the file that never leaves it.
struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn left(&self) -> usize {
        self.file.len() - self.at
    }

    fn take(&mut self, n: usize, what: impl FnOnce() -> String) -> Result<&'a [u8], String> {
        if n > self.left() {
            return Err(format!(
                "it ends at byte {}, inside {}: it is truncated, or its header is wrong",
                self.file.len(),
                what()
            ));
        }
        let bytes = &self.file[self.at..self.at + n];
        self.at += n;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, || what.to_string())?);
        Ok(array)
    }

    fn u32(&mut self, what: &str) -> Result<u32, String> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, String> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of things that take at least `smallest` bytes each: more than fit into the rest of the file is a lie.
    fn count(&mut self, what: &str, smallest: usize) -> Result<usize, String> {
        let count = self.u64(&format!("the number of {what}"))?;
        match usize::try_from(count) {
            Ok(n) if n <= self.left() / smallest => Ok(n),
            _ => Err(format!(
                "it announces {count} {what}, more than the remaining {} bytes can hold: \
                 it is truncated, or its header is wrong",
                self.left()
            )),
        }
    }

    fn string(&mut self, what: impl Fn() -> String) -> Result<String, String> {
        let length = self.u64(&what())?;
        let length = usize::try_from(length).ok().filter(|n| *n <= self.left());
        let Some(length) = length else {
            return Err(format!("{} runs beyond the end of the file: it is truncated, or its header is wrong", what()));
        };
        let bytes = self.take(length, &what)?;
        std::str::from_utf8(bytes).map(str::to_string).map_err(|_| format!("{} is not UTF-8", what()))
    }

    fn value(&mut self, key: &str) -> Result<Value, String> {
        let what = format!("metadata value `{key}`");
        let kind = self.u32(&what)?;
        Ok(match kind {
            0 => Value::Int(i128::from(u8::from_le_bytes(self.array(&what)?))),
            1 => Value::Int(i128::from(i8::from_le_bytes(self.array(&what)?))),
            2 => Value::Int(i128::from(u16::from_le_bytes(self.array(&what)?))),
            3 => Value::Int(i128::from(i16::from_le_bytes(self.array(&what)?))),
            4 => Value::Int(i128::from(self.u32(&what)?)),
            5 => Value::Int(i128::from(i32::from_le_bytes(self.array(&what)?))),
            6 => Value::Float(shortest(f32::from_le_bytes(self.array(&what)?))),
            7 => Value::Bool(truth(self.array::<1>(&what)?[0], &what)?),
            8 => Value::Str(self.string(|| what.clone())?),
            9 => Value::List(self.list(&what, 0)?),
            10 => Value::Int(i128::from(self.u64(&what)?)),
            11 => Value::Int(i128::from(i64::from_le_bytes(self.array(&what)?))),
            12 => Value::Float(f64::from_le_bytes(self.array(&what)?)),
            _ => return Err(format!("{what} has the unknown type {kind}")),
        })
    }

    fn list(&mut self, what: &str, depth: usize) -> Result<List, String> {
        if depth > 4 {
            return Err(format!("{what} is nested more than four deep"));
        }
        let kind = self.u32(what)?;
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 12,
            _ => return Err(format!("{what} is a list of the unknown type {kind}")),
        };
        let n = self.count(&format!("elements of {what}"), size)?;
        if kind == 8 {
            return (0..n)
                .map(|i| self.string(|| format!("element {i} of {what}")))
                .collect::<Result<_, _>>()
                .map(List::Str);
        }
        if kind == 9 {
            return (0..n).map(|_| self.list(what, depth + 1)).collect::<Result<_, _>>().map(List::List);
        }
        let bytes = self.take(n * size, || what.to_string())?;
        Ok(match kind {
            0 => List::Int(bytes.iter().map(|b| i64::from(*b)).collect()),
            1 => List::Int(bytes.iter().map(|b| i64::from(*b as i8)).collect()),
            2 => List::Int(words(bytes).map(u16::from_le_bytes).map(i64::from).collect()),
            3 => List::Int(words(bytes).map(i16::from_le_bytes).map(i64::from).collect()),
            4 => List::Int(words(bytes).map(u32::from_le_bytes).map(i64::from).collect()),
            5 => List::Int(words(bytes).map(i32::from_le_bytes).map(i64::from).collect()),
            6 => List::Float(words(bytes).map(f32::from_le_bytes).collect()),
            7 => List::Bool(bytes.iter().map(|b| truth(*b, what)).collect::<Result<_, _>>()?),
            10 => List::Unsigned(words(bytes).map(u64::from_le_bytes).collect()),
            11 => List::Int(words(bytes).map(i64::from_le_bytes).collect()),
            _ => List::Double(words(bytes).map(f64::from_le_bytes).collect()),
        })
    }

    fn tensor_row(&mut self, i: usize) -> Result<Row, String> {
        let name = self.string(|| format!("the name of tensor {i}"))?;
        let what = format!("the description of tensor `{name}`");
        let rank = self.u32(&what)? as usize;
        if rank > 4 {
            return Err(format!("tensor `{name}` has {rank} dimensions; GGUF allows four"));
        }
        let mut dims = Vec::with_capacity(rank);
        for _ in 0..rank {
            let dim = self.u64(&what)?;
            dims.push(usize::try_from(dim).map_err(|_| format!("tensor `{name}` has a dimension of {dim}"))?);
        }
        dims.reverse();
        let encoding = encoding(self.u32(&what)?).map_err(|e| format!("tensor `{name}` is of {e}"))?;
        Ok(Row { name, dims, encoding, offset: self.u64(&what)? })
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}

fn truth(byte: u8, what: &str) -> Result<bool, String> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(format!("{what} is {byte}, not a truth value")),
    }
}

/// The f64 that a person would write for this f32: 1e-5 was stored as 1e-5f32, whose exact value is 9.99999974e-6.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}
