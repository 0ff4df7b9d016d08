//! MLIR's bytecode (version 6, as StableHLO writes its portable artifacts), as far as a module is read into operations and written again.
//!
//! Attributes and types stay as the bytes that they are, numbered as in the file, so that what is not understood passes unchanged; new ones
//! come behind them. <https://mlir.llvm.org/docs/BytecodeFormat/>
use std::collections::HashMap;

pub(super) type Result<T> = std::result::Result<T, String>;

/// The version of MLIR's bytecode that is read.
const VERSION: u64 = 6;
const MAGIC: &[u8] = b"ML\xefR";
/// Regions inside each other.
const DEPTH: usize = 64;

mod section {
    pub(super) const STRINGS: u8 = 0;
    pub(super) const DIALECTS: u8 = 1;
    pub(super) const ATTRS_TYPES: u8 = 2;
    pub(super) const OFFSETS: u8 = 3;
    pub(super) const IR: u8 = 4;
    pub(super) const RESOURCES: u8 = 5;
    pub(super) const RESOURCE_OFFSETS: u8 = 6;
    pub(super) const DIALECT_VERSIONS: u8 = 7;
    pub(super) const PROPERTIES: u8 = 8;
}
/// What an operation has, in its mask.
mod has {
    pub(super) const ATTRS: u8 = 1;
    pub(super) const RESULTS: u8 = 2;
    pub(super) const OPERANDS: u8 = 4;
    pub(super) const SUCCESSORS: u8 = 8;
    pub(super) const REGIONS: u8 = 16;
    pub(super) const USE_LISTS: u8 = 32;
    pub(super) const PROPERTIES: u8 = 64;
}

/// An attribute or a type: which dialect's, whether in its own encoding, and the bytes.
#[derive(PartialEq)]
pub(super) struct Entry {
    dialect: usize,
    custom: bool,
    pub(super) bytes: Vec<u8>,
}

/// A number of a value, each of which is defined once.
pub(super) type Value = usize;

#[derive(Clone)]
pub(super) struct Op {
    pub(super) name: usize,
    pub(super) location: usize,
    pub(super) attrs: Option<usize>,
    pub(super) properties: Option<usize>,
    pub(super) operands: Vec<Value>,
    /// Values and their types.
    pub(super) results: Vec<(Value, usize)>,
    pub(super) isolated: bool,
    pub(super) regions: Vec<Vec<Block>>,
}
#[derive(Clone)]
pub(super) struct Block {
    /// Values, their types and locations.
    pub(super) args: Vec<(Value, usize, Option<usize>)>,
    pub(super) ops: Vec<Op>,
}

pub(super) struct Module {
    producer: Vec<u8>,
    strings: Vec<Vec<u8>>,
    /// Names, and the bytes of their versions.
    dialects: Vec<(usize, Option<Vec<u8>>)>,
    /// Dialect, name, and whether it is registered.
    names: Vec<(usize, usize, bool)>,
    pub(super) attrs: Vec<Entry>,
    pub(super) types: Vec<Entry>,
    pub(super) properties: Vec<Vec<u8>>,
    pub(super) top: Vec<Block>,
    /// How many values have a number.
    pub(super) values: usize,
}

/// Bytes from a place on.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
}
fn short() -> String {
    "its bytecode is cut off, or damaged".into()
}
impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes }
    }
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(n).ok_or_else(short)?;
        self.bytes = rest;
        Ok(head)
    }
    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }
    /// A number, whose length is in the zeros at the end of its first byte.
    pub(super) fn number(&mut self) -> Result<u64> {
        let first = self.byte()?;
        let more = (first.trailing_zeros() as usize).min(8);
        let mut wide = [0u8; 16];
        wide[0] = first;
        wide[1..=more].copy_from_slice(self.take(more)?);
        let wide = u128::from_le_bytes(wide);
        Ok((if more == 8 { wide >> 8 } else { wide >> (more + 1) }) as u64)
    }
    pub(super) fn index(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).map_err(|_| short())
    }
    /// A number with a bit before it.
    fn flagged(&mut self) -> Result<(usize, bool)> {
        let n = self.index()?;
        Ok((n >> 1, n & 1 == 1))
    }
    pub(super) fn signed(&mut self) -> Result<i64> {
        let n = self.number()?;
        Ok(((n >> 1) as i64) ^ -((n & 1) as i64))
    }
    /// As many numbers as the first says.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.index()?;
        if count > self.bytes.len() {
            return Err(short());
        }
        (0..count).map(|_| one(self)).collect()
    }
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    fn text(&mut self) -> Result<Vec<u8>> {
        let end = self.bytes.iter().position(|b| *b == 0).ok_or_else(short)?;
        let text = self.take(end)?.to_vec();
        self.take(1)?;
        Ok(text)
    }
    /// A section's kind and bytes; `whole` is the file, in which outer sections may be aligned.
    fn section(&mut self, whole: Option<&[u8]>) -> Result<(u8, &'a [u8])> {
        let kind = self.byte()?;
        let length = self.index()?;
        if kind & 0x80 != 0 {
            let alignment = self.index()?.max(1);
            let at = whole.ok_or_else(short)?.len() - self.bytes.len();
            self.take(at.next_multiple_of(alignment) - at)?;
        }
        Ok((kind & 0x7f, self.take(length)?))
    }
}

impl Module {
    pub(super) fn read(bytes: &[u8]) -> Result<Module> {
        let mut at = Cursor::new(bytes.strip_prefix(MAGIC).ok_or_else(short)?);
        let version = at.number()?;
        if version != VERSION {
            return Err(format!("its bytecode is version {version} of MLIR's, of which {VERSION} is read"));
        }
        let producer = at.text()?;
        let mut sections: HashMap<u8, &[u8]> = HashMap::new();
        while !at.is_empty() {
            let (kind, content) = at.section(Some(bytes))?;
            sections.insert(kind, content);
        }
        if sections.get(&section::RESOURCES).is_some_and(|content| !content.is_empty()) {
            return Err("its bytecode has resources beside its operations".into());
        }
        let of = |kind: u8| sections.get(&kind).map(|content| Cursor::new(content)).ok_or_else(short);
        let strings = strings(of(section::STRINGS)?)?;
        let mut module = Module {
            producer,
            strings,
            dialects: vec![],
            names: vec![],
            attrs: vec![],
            types: vec![],
            properties: vec![],
            top: vec![],
            values: 0,
        };
        module.read_dialects(of(section::DIALECTS)?)?;
        module.read_entries(of(section::OFFSETS)?, of(section::ATTRS_TYPES)?)?;
        if let Ok(mut at) = of(section::PROPERTIES) {
            module.properties = at.list(|at| {
                let length = at.index()?;
                Ok(at.take(length)?.to_vec())
            })?;
        }
        let mut scope = Scope::default();
        let block = module.read_block(&mut of(section::IR)?, &mut scope, DEPTH)?;
        module.top = vec![block];
        Ok(module)
    }

    fn read_dialects(&mut self, mut at: Cursor) -> Result<()> {
        self.dialects = at.list(|at| {
            let (name, versioned) = at.flagged()?;
            let version = match versioned {
                true => Some(at.section(None)?.1.to_vec()),
                false => None,
            };
            Ok((name, version))
        })?;
        let count = at.index()?;
        while !at.is_empty() {
            let dialect = at.index()?;
            for _ in 0..at.index()? {
                let (name, registered) = at.flagged()?;
                self.names.push((dialect, name, registered));
            }
        }
        if count != self.names.len() {
            return Err(short());
        }
        Ok(())
    }
    fn read_entries(&mut self, mut at: Cursor, mut content: Cursor) -> Result<()> {
        let counts = [at.index()?, at.index()?];
        for (count, list) in counts.into_iter().zip([&mut self.attrs, &mut self.types]) {
            while list.len() < count {
                let dialect = at.index()?;
                for _ in 0..at.index()? {
                    let (length, custom) = at.flagged()?;
                    list.push(Entry { dialect, custom, bytes: content.take(length)?.to_vec() });
                }
            }
        }
        Ok(())
    }

    fn read_block(&mut self, at: &mut Cursor, scope: &mut Scope, depth: usize) -> Result<Block> {
        let (count, has_args) = at.flagged()?;
        let mut args = vec![];
        if has_args {
            args = at.list(|at| {
                let (ty, located) = at.flagged()?;
                let location = if located { Some(at.index()?) } else { None };
                Ok((0, ty, location))
            })?;
            for arg in &mut args {
                arg.0 = self.define(scope)?;
            }
            if at.byte()? != 0 {
                return Err("its bytecode keeps orders of uses".into());
            }
        }
        let mut ops = vec![];
        for _ in 0..count {
            ops.push(self.read_op(at, scope, depth)?);
        }
        Ok(Block { args, ops })
    }
    /// The number of the next value of the innermost region.
    fn define(&mut self, scope: &mut Scope) -> Result<Value> {
        let next = scope.next.last_mut().ok_or_else(short)?;
        let place = scope.values.get_mut(*next).ok_or_else(short)?;
        *next += 1;
        // (it may have been used before)
        Ok(*place.get_or_insert_with(|| {
            self.values += 1;
            self.values - 1
        }))
    }
    fn read_op(&mut self, at: &mut Cursor, scope: &mut Scope, depth: usize) -> Result<Op> {
        let deeper = depth.checked_sub(1).ok_or("its regions are too deep inside each other")?;
        let (name, mask, location) = (at.index()?, at.byte()?, at.index()?);
        if mask & (has::SUCCESSORS | has::USE_LISTS) != 0 {
            return Err("its bytecode has branches, or keeps orders of uses".into());
        }
        let mut part = |bit: u8| if mask & bit == 0 { Ok(None) } else { at.index().map(Some) };
        let (attrs, properties) = (part(has::ATTRS)?, part(has::PROPERTIES)?);
        let mut list = |bit: u8| if mask & bit == 0 { Ok(vec![]) } else { at.list(Cursor::index) };
        let (types, used) = (list(has::RESULTS)?, list(has::OPERANDS)?);
        let mut operands = vec![];
        for number in used {
            let place = scope.values.get_mut(number).ok_or_else(short)?;
            operands.push(*place.get_or_insert_with(|| {
                self.values += 1;
                self.values - 1
            }));
        }
        let mut results = vec![];
        for ty in types {
            results.push((self.define(scope)?, ty));
        }
        let mut op = Op { name, location, attrs, properties, operands, results, isolated: false, regions: vec![] };
        if mask & has::REGIONS == 0 {
            return Ok(op);
        }
        let (count, isolated) = at.flagged()?;
        op.isolated = isolated;
        if isolated {
            let content = at.section(None)?.1;
            let (mut inside, mut own) = (Cursor::new(content), Scope::default());
            for _ in 0..count {
                op.regions.push(self.read_region(&mut inside, &mut own, deeper)?);
            }
        } else {
            for _ in 0..count {
                op.regions.push(self.read_region(at, scope, deeper)?);
            }
        }
        Ok(op)
    }
    fn read_region(&mut self, at: &mut Cursor, scope: &mut Scope, depth: usize) -> Result<Vec<Block>> {
        let count = at.index()?;
        if count == 0 {
            return Ok(vec![]);
        }
        let (values, before) = (at.index()?, scope.values.len());
        if values > at.bytes.len() {
            return Err(short());
        }
        scope.values.resize(before + values, None);
        scope.next.push(before);
        let mut blocks = vec![];
        for _ in 0..count {
            blocks.push(self.read_block(at, scope, depth)?);
        }
        scope.next.pop();
        scope.values.truncate(before);
        Ok(blocks)
    }

    /// An operation's name without its dialect: `add_v1`.
    pub(super) fn name(&self, op: &Op) -> Result<&str> {
        let (_, name, _) = self.names.get(op.name).ok_or_else(short)?;
        self.string(*name)
    }
    pub(super) fn string(&self, number: usize) -> Result<&str> {
        let text = self.strings.get(number).ok_or_else(short)?;
        std::str::from_utf8(text).map_err(|_| short())
    }
    /// The attributes of an operation's properties, which StableHLO's have in the order of their names.
    pub(super) fn properties(&self, op: &Op) -> Result<Vec<usize>> {
        let Some(number) = op.properties else { return Ok(vec![]) };
        let mut at = Cursor::new(self.properties.get(number).ok_or_else(short)?);
        let mut all = vec![];
        while !at.is_empty() {
            all.push(at.index()?);
        }
        Ok(all)
    }
    pub(super) fn attr(&self, number: usize) -> Result<Cursor<'_>> {
        self.attrs.get(number).map(|entry| Cursor::new(&entry.bytes)).ok_or_else(short)
    }
    pub(super) fn ty(&self, number: usize) -> Result<Cursor<'_>> {
        self.types.get(number).map(|entry| Cursor::new(&entry.bytes)).ok_or_else(short)
    }

    /// The number of these properties, which are new.
    pub(super) fn add_properties(&mut self, attrs: &[usize]) -> usize {
        let mut bytes = vec![];
        attrs.iter().for_each(|attr| put_number(&mut bytes, *attr as u64));
        self.properties.push(bytes);
        self.properties.len() - 1
    }
    /// The dialect of StableHLO's portable form.
    fn portable(&self) -> Result<usize> {
        let is = |(name, _): &(usize, Option<Vec<u8>>)| self.strings.get(*name).is_some_and(|name| name == b"vhlo");
        self.dialects.iter().position(is).ok_or_else(|| "it is no portable artifact of StableHLO".into())
    }
    /// Is a type of that dialect?
    pub(super) fn is_portable(&self, ty: usize) -> bool {
        self.types.get(ty).is_some_and(|entry| entry.custom && Ok(entry.dialect) == self.portable())
    }
    pub(super) fn add_attr(&mut self, bytes: Vec<u8>) -> Result<usize> {
        let entry = Entry { dialect: self.portable()?, custom: true, bytes };
        Ok(number_of(&mut self.attrs, entry))
    }
    pub(super) fn add_type(&mut self, bytes: Vec<u8>) -> Result<usize> {
        let entry = Entry { dialect: self.portable()?, custom: true, bytes };
        Ok(number_of(&mut self.types, entry))
    }
    /// The number of an operation's name, in the dialect of another.
    pub(super) fn add_name(&mut self, like: &Op, name: &str) -> Result<usize> {
        let (dialect, _, registered) = *self.names.get(like.name).ok_or_else(short)?;
        let known = |(d, n, _): &(usize, usize, bool)| {
            *d == dialect && self.strings.get(*n).is_some_and(|s| s == name.as_bytes())
        };
        if let Some(number) = self.names.iter().position(known) {
            return Ok(number);
        }
        self.strings.push(name.into());
        self.names.push((dialect, self.strings.len() - 1, registered));
        Ok(self.names.len() - 1)
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_number(&mut out, VERSION);
        out.extend(&self.producer);
        out.push(0);
        let mut dialects = vec![];
        put_number(&mut dialects, self.dialects.len() as u64);
        for (name, version) in &self.dialects {
            put_number(&mut dialects, (*name as u64) << 1 | u64::from(version.is_some()));
            if let Some(version) = version {
                put_section(&mut dialects, section::DIALECT_VERSIONS, version);
            }
        }
        put_number(&mut dialects, self.names.len() as u64);
        for (dialect, name, registered) in &self.names {
            put_number(&mut dialects, *dialect as u64);
            put_number(&mut dialects, 1);
            put_number(&mut dialects, (*name as u64) << 1 | u64::from(*registered));
        }
        put_section(&mut out, section::DIALECTS, &dialects);
        let (mut offsets, mut content) = (vec![], vec![]);
        put_number(&mut offsets, self.attrs.len() as u64);
        put_number(&mut offsets, self.types.len() as u64);
        for entry in self.attrs.iter().chain(&self.types) {
            put_number(&mut offsets, entry.dialect as u64);
            put_number(&mut offsets, 1);
            put_number(&mut offsets, (entry.bytes.len() as u64) << 1 | u64::from(entry.custom));
            content.extend(&entry.bytes);
        }
        put_section(&mut out, section::OFFSETS, &offsets);
        put_section(&mut out, section::ATTRS_TYPES, &content);
        let mut ir = vec![];
        let mut numbers = vec![0; self.values];
        for block in &self.top {
            self.put_block(&mut ir, block, &mut Numbers { of: &mut numbers, next: 0, end: 0 });
        }
        put_section(&mut out, section::IR, &ir);
        put_section(&mut out, section::RESOURCE_OFFSETS, &[1]);
        put_section(&mut out, section::RESOURCES, &[]);
        let mut strings = vec![];
        put_number(&mut strings, self.strings.len() as u64);
        self.strings.iter().rev().for_each(|s| put_number(&mut strings, s.len() as u64 + 1));
        for text in &self.strings {
            strings.extend(text);
            strings.push(0);
        }
        put_section(&mut out, section::STRINGS, &strings);
        let mut properties = vec![];
        put_number(&mut properties, self.properties.len() as u64);
        for bytes in &self.properties {
            put_number(&mut properties, bytes.len() as u64);
            properties.extend(bytes);
        }
        put_section(&mut out, section::PROPERTIES, &properties);
        out
    }
    fn put_block(&self, out: &mut Vec<u8>, block: &Block, numbers: &mut Numbers) {
        put_number(out, (block.ops.len() as u64) << 1 | u64::from(!block.args.is_empty()));
        if !block.args.is_empty() {
            put_number(out, block.args.len() as u64);
            for (value, ty, location) in &block.args {
                put_number(out, (*ty as u64) << 1 | u64::from(location.is_some()));
                location.iter().for_each(|location| put_number(out, *location as u64));
                numbers.define(*value);
            }
            out.push(0);
        }
        block.ops.iter().for_each(|op| self.put_op(out, op, numbers));
    }
    fn put_op(&self, out: &mut Vec<u8>, op: &Op, numbers: &mut Numbers) {
        put_number(out, op.name as u64);
        let bit = |there: bool, bit: u8| if there { bit } else { 0 };
        out.push(
            bit(op.attrs.is_some(), has::ATTRS)
                | bit(op.properties.is_some(), has::PROPERTIES)
                | bit(!op.results.is_empty(), has::RESULTS)
                | bit(!op.operands.is_empty(), has::OPERANDS)
                | bit(!op.regions.is_empty(), has::REGIONS),
        );
        put_number(out, op.location as u64);
        op.attrs.iter().chain(&op.properties).for_each(|number| put_number(out, *number as u64));
        if !op.results.is_empty() {
            put_number(out, op.results.len() as u64);
            for (value, ty) in &op.results {
                put_number(out, *ty as u64);
                numbers.define(*value);
            }
        }
        if !op.operands.is_empty() {
            put_number(out, op.operands.len() as u64);
            op.operands.iter().for_each(|value| put_number(out, numbers.of[*value] as u64));
        }
        if op.regions.is_empty() {
            return;
        }
        put_number(out, (op.regions.len() as u64) << 1 | u64::from(op.isolated));
        let mut inside = vec![];
        let first = if op.isolated { 0 } else { numbers.end };
        op.regions.iter().for_each(|region| self.put_region(&mut inside, region, numbers.of, first));
        if op.isolated { put_section(out, section::IR, &inside) } else { out.extend(inside) }
    }
    fn put_region(&self, out: &mut Vec<u8>, region: &[Block], of: &mut [usize], first: usize) {
        put_number(out, region.len() as u64);
        if region.is_empty() {
            return;
        }
        let values = |block: &Block| block.args.len() + block.ops.iter().map(|op| op.results.len()).sum::<usize>();
        let count = region.iter().map(values).sum::<usize>();
        put_number(out, count as u64);
        let mut numbers = Numbers { of, next: first, end: first + count };
        region.iter().for_each(|block| self.put_block(out, block, &mut numbers));
    }
}

/// The numbers of values as they are written: those of a region follow those of the whole region around it.
struct Numbers<'a> {
    of: &'a mut [usize],
    next: usize,
    end: usize,
}
impl Numbers<'_> {
    fn define(&mut self, value: Value) {
        self.of[value] = self.next;
        self.next += 1;
    }
}

/// The values that operands may name, by their numbers in the file.
#[derive(Default)]
struct Scope {
    values: Vec<Option<Value>>,
    /// Of each region that is open, the number of the next value.
    next: Vec<usize>,
}

/// The number of an entry, which is added where it is new.
fn number_of(list: &mut Vec<Entry>, entry: Entry) -> usize {
    list.iter().position(|known| *known == entry).unwrap_or_else(|| {
        list.push(entry);
        list.len() - 1
    })
}

fn strings(mut at: Cursor) -> Result<Vec<Vec<u8>>> {
    let mut lengths = at.list(Cursor::index)?;
    lengths.reverse();
    let one = |length: usize| Ok(at.take(length)?.strip_suffix(&[0]).ok_or_else(short)?.to_vec());
    lengths.into_iter().map(one).collect()
}

pub(super) fn put_number(out: &mut Vec<u8>, n: u64) {
    let bits = 64 - n.leading_zeros() as usize;
    let more = bits.saturating_sub(1) / 7;
    if more >= 8 {
        out.push(0);
        out.extend(n.to_le_bytes());
        return;
    }
    let encoded = (n << 1 | 1) << more;
    out.extend(&encoded.to_le_bytes()[..=more]);
}
pub(super) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_number(out, ((n << 1) ^ (n >> 63)) as u64);
}
fn put_section(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.push(kind);
    put_number(out, content.len() as u64);
    out.extend(content);
}
