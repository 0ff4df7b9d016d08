//! FlatBuffers, as far as JAX's artifacts need them: tables, vectors and strings. Every access is checked.
use std::cell::Cell;

/// What is wrong with the bytes.
pub(super) type Result<T> = std::result::Result<T, String>;

/// A file, and how many tables may still be read: tables can be parts of several others, so that a small file could stand for one
/// without end.
pub(super) struct File<'a> {
    bytes: &'a [u8],
    left: Cell<usize>,
}

impl<'a> File<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> File<'a> {
        File { bytes, left: Cell::new(bytes.len()) }
    }
    pub(super) fn root(&self) -> Result<Table<'_>> {
        self.table(self.target(0)?)
    }
    fn part(&self, at: usize, len: usize) -> Result<&[u8]> {
        let end = at.checked_add(len).filter(|end| *end <= self.bytes.len());
        end.map(|end| &self.bytes[at..end]).ok_or_else(|| format!("it ends before byte {}", at.saturating_add(len)))
    }
    fn u16(&self, at: usize) -> Result<u16> {
        Ok(u16::from_le_bytes(self.part(at, 2)?.try_into().expect("two bytes")))
    }
    fn u32(&self, at: usize) -> Result<u32> {
        Ok(u32::from_le_bytes(self.part(at, 4)?.try_into().expect("four bytes")))
    }
    /// Where the offset at this place leads.
    fn target(&self, at: usize) -> Result<usize> {
        at.checked_add(self.u32(at)? as usize).ok_or_else(|| "an offset leads out of it".into())
    }
    fn table(&self, at: usize) -> Result<Table<'_>> {
        let left = self.left.get().checked_sub(1).ok_or("it holds more tables than bytes")?;
        self.left.set(left);
        let back = self.u32(at)? as i32 as i64;
        let vtable = usize::try_from(at as i64 - back).map_err(|_| "an offset leads out of it")?;
        let size = self.u16(vtable)?;
        Ok(Table { file: self, at, vtable, slots: (size as usize / 2).saturating_sub(2) })
    }
    /// The place and number of elements of a vector, which are this large.
    fn vector(&self, at: usize, size: usize) -> Result<(usize, usize)> {
        let count = self.u32(at)? as usize;
        let bytes = count.checked_mul(size).ok_or("a vector is longer than the file")?;
        self.part(at + 4, bytes)?;
        Ok((at + 4, count))
    }
    fn text(&self, at: usize) -> Result<String> {
        let (at, len) = self.vector(at, 1)?;
        let text = std::str::from_utf8(self.part(at, len)?).map_err(|_| "a name is no text")?;
        Ok(text.into())
    }
}

/// A record whose fields are numbered, and may be missing.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    file: &'a File<'a>,
    at: usize,
    vtable: usize,
    slots: usize,
}

impl<'a> Table<'a> {
    fn field(&self, slot: usize) -> Result<Option<usize>> {
        if slot >= self.slots {
            return Ok(None);
        }
        let offset = self.file.u16(self.vtable + 4 + 2 * slot)? as usize;
        Ok((offset != 0).then_some(self.at + offset))
    }
    fn target(&self, slot: usize) -> Result<Option<usize>> {
        self.field(slot)?.map(|at| self.file.target(at)).transpose()
    }
    pub(super) fn u8(&self, slot: usize) -> Result<u8> {
        self.field(slot)?.map_or(Ok(0), |at| Ok(self.file.part(at, 1)?[0]))
    }
    pub(super) fn u16(&self, slot: usize) -> Result<u16> {
        self.field(slot)?.map_or(Ok(0), |at| self.file.u16(at))
    }
    pub(super) fn u32(&self, slot: usize) -> Result<u32> {
        self.field(slot)?.map_or(Ok(0), |at| self.file.u32(at))
    }
    pub(super) fn table(&self, slot: usize) -> Result<Option<Table<'a>>> {
        self.target(slot)?.map(|at| self.file.table(at)).transpose()
    }
    pub(super) fn text(&self, slot: usize) -> Result<String> {
        self.target(slot)?.map_or(Ok(String::new()), |at| self.file.text(at))
    }
    pub(super) fn bytes(&self, slot: usize) -> Result<&'a [u8]> {
        let Some(at) = self.target(slot)? else { return Ok(&[]) };
        let (at, len) = self.file.vector(at, 1)?;
        self.file.part(at, len)
    }
    fn each<T>(&self, slot: usize, size: usize, one: impl Fn(usize) -> Result<T>) -> Result<Vec<T>> {
        let Some(at) = self.target(slot)? else { return Ok(vec![]) };
        let (at, count) = self.file.vector(at, size)?;
        (0..count).map(|i| one(at + size * i)).collect()
    }
    pub(super) fn u16s(&self, slot: usize) -> Result<Vec<u16>> {
        self.each(slot, 2, |at| self.file.u16(at))
    }
    pub(super) fn u32s(&self, slot: usize) -> Result<Vec<u32>> {
        self.each(slot, 4, |at| self.file.u32(at))
    }
    pub(super) fn texts(&self, slot: usize) -> Result<Vec<String>> {
        self.each(slot, 4, |at| self.file.text(self.file.target(at)?))
    }
    pub(super) fn tables(&self, slot: usize) -> Result<Vec<Table<'a>>> {
        self.each(slot, 4, |at| self.file.table(self.file.target(at)?))
    }
}

/// What is written.
#[derive(Clone)]
pub(super) enum Value {
    /// A number of at most four bytes.
    Number(u32),
    Text(String),
    Bytes(Vec<u8>),
    U16s(Vec<u16>),
    U32s(Vec<u32>),
    Vector(Vec<Value>),
    /// Fields by their slots, in their order.
    Table(Vec<(usize, Value)>),
}

/// A file with this table as its root. Each part stands behind what refers to it.
pub(super) fn write(root: &Value) -> Vec<u8> {
    let mut out = vec![0; 4];
    refer(&mut out, 0, root);
    out
}

/// Writes the value, and where it is at `cell`.
fn refer(out: &mut Vec<u8>, cell: usize, value: &Value) {
    let at = put(out, value);
    set(out, cell, (at - cell) as u32);
}
fn set(out: &mut [u8], at: usize, number: u32) {
    out[at..at + 4].copy_from_slice(&number.to_le_bytes());
}
fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

fn put(out: &mut Vec<u8>, value: &Value) -> usize {
    align(out);
    let at = out.len();
    let start = |out: &mut Vec<u8>, count: usize| out.extend((count as u32).to_le_bytes());
    match value {
        Value::Number(number) => out.extend(number.to_le_bytes()),
        Value::Text(text) => {
            start(out, text.len());
            out.extend(text.as_bytes());
            out.push(0);
        }
        Value::Bytes(bytes) => {
            start(out, bytes.len());
            out.extend(bytes);
        }
        Value::U16s(numbers) => {
            start(out, numbers.len());
            numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
        }
        Value::U32s(numbers) => {
            start(out, numbers.len());
            numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
        }
        Value::Vector(values) => {
            start(out, values.len());
            out.resize(at + 4 + 4 * values.len(), 0);
            values.iter().enumerate().for_each(|(i, value)| refer(out, at + 4 + 4 * i, value));
        }
        Value::Table(fields) => return put_table(out, fields),
    }
    at
}

fn put_table(out: &mut Vec<u8>, fields: &[(usize, Value)]) -> usize {
    let slots = fields.iter().map(|(slot, _)| slot + 1).max().unwrap_or(0);
    // (the list of offsets comes first, and every field has four bytes)
    let (vtable, size) = (out.len(), 4 + 2 * slots);
    let at = (vtable + size).next_multiple_of(4);
    out.resize(at + 4 + 4 * fields.len(), 0);
    let mut number = |place: usize, n: usize| out[place..place + 2].copy_from_slice(&(n as u16).to_le_bytes());
    number(vtable, size);
    number(vtable + 2, 4 + 4 * fields.len());
    fields.iter().enumerate().for_each(|(i, (slot, _))| number(vtable + 4 + 2 * slot, 4 + 4 * i));
    set(out, at, (at - vtable) as u32);
    for (i, (_, value)) in fields.iter().enumerate() {
        let cell = at + 4 + 4 * i;
        match value {
            Value::Number(number) => set(out, cell, *number),
            value => refer(out, cell, value),
        }
    }
    at
}
