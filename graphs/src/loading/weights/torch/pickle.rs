//! The pickles of tensor dicts, read without running anything.
//!
//! A pickle is a program for a stack machine that can call any Python function. This machine knows the few functions that
//! rebuild tensors, by name, and makes plain values of what they are given. Everything else is an error.

use raxla_xla::DType;
use std::collections::HashMap;

/// A value on the stack. Lists and dicts live in [`Machine::objects`], because pickles share and change them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    /// A number or a string of bytes that no tensor needs.
    Other,
    Global(Global),
    Object(usize),
}

#[derive(Debug)]
pub(super) enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(Storage<'a>),
    Tensor(Tensor<'a>),
}

/// Values without a shape, in a file or a part of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    /// `None` where each tensor says how it understands the bytes.
    pub(super) dtype: Option<DType>,
    /// Number of values, or of bytes.
    pub(super) len: usize,
}

/// A view of a storage. Offset and strides count values.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) dtype: DType,
    pub(super) offset: usize,
    pub(super) dims: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// What a tensor dict may name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Option<DType>),
    DType(DType),
}

const GLOBALS: &[(&str, Global)] = &[
    ("collections.OrderedDict", Global::OrderedDict),
    ("torch._utils._rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils._rebuild_tensor_v3", Global::RebuildTensor),
    ("torch._utils._rebuild_parameter", Global::RebuildParameter),
    ("torch._utils._rebuild_parameter_with_state", Global::RebuildParameter),
    ("torch.storage.UntypedStorage", Global::Storage(None)),
    ("torch.FloatStorage", Global::Storage(Some(DType::F32))),
    ("torch.DoubleStorage", Global::Storage(Some(DType::F64))),
    ("torch.HalfStorage", Global::Storage(Some(DType::F16))),
    ("torch.BFloat16Storage", Global::Storage(Some(DType::BF16))),
    ("torch.LongStorage", Global::Storage(Some(DType::I64))),
    ("torch.IntStorage", Global::Storage(Some(DType::I32))),
    ("torch.ShortStorage", Global::Storage(Some(DType::I16))),
    ("torch.CharStorage", Global::Storage(Some(DType::I8))),
    ("torch.ByteStorage", Global::Storage(Some(DType::U8))),
    ("torch.BoolStorage", Global::Storage(Some(DType::Bool))),
    ("torch.float32", Global::DType(DType::F32)),
    ("torch.float64", Global::DType(DType::F64)),
    ("torch.float16", Global::DType(DType::F16)),
    ("torch.bfloat16", Global::DType(DType::BF16)),
    ("torch.float8_e4m3fn", Global::DType(DType::F8E4M3FN)),
    ("torch.float8_e5m2", Global::DType(DType::F8E5M2)),
    ("torch.float8_e4m3fnuz", Global::DType(DType::F8E4M3FNUZ)),
    ("torch.float8_e5m2fnuz", Global::DType(DType::F8E5M2FNUZ)),
    ("torch.float8_e8m0fnu", Global::DType(DType::F8E8M0FNU)),
    ("torch.int64", Global::DType(DType::I64)),
    ("torch.int32", Global::DType(DType::I32)),
    ("torch.int16", Global::DType(DType::I16)),
    ("torch.int8", Global::DType(DType::I8)),
    ("torch.uint64", Global::DType(DType::U64)),
    ("torch.uint32", Global::DType(DType::U32)),
    ("torch.uint16", Global::DType(DType::U16)),
    ("torch.uint8", Global::DType(DType::U8)),
    ("torch.bool", Global::DType(DType::Bool)),
];

/// PyTorch has no tensors of more axes.
const MAX_RANK: usize = 64;

/// The machine after a pickle has run.
pub(super) struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<usize, Value<'a>>,
    objects: Vec<Object<'a>>,
    /// The most values that the stack has held.
    high: usize,
    /// How many more bytes may be allocated.
    budget: usize,
}

/// Runs the pickle at the start of `bytes`; it may make values of `budget` bytes. Returns what it leaves, and its length.
pub(super) fn run(bytes: &[u8], budget: usize) -> Result<(Machine<'_>, Value<'_>, usize), String> {
    let (stack, marks, memo, objects) = Default::default();
    let mut machine = Machine { pickle: bytes, at: 0, stack, marks, memo, objects, high: 0, budget };
    loop {
        let (at, op) = (machine.at, machine.bytes(1)?[0]);
        if op == b'.' {
            let value = machine.pop()?;
            return Ok((machine, value, at + 1));
        }
        machine.step(op).map_err(|reason| {
            let (reason, help) = reason.split_once('\n').unwrap_or((&reason, ""));
            format!("{reason} (byte {at} of its pickle){}{help}", if help.is_empty() { "" } else { "\n" })
        })?;
        let grown = machine.stack.len().saturating_sub(machine.high);
        machine.high += grown;
        machine.charge(grown * size_of::<Value>())?;
    }
}

impl<'a> Machine<'a> {
    pub(super) fn object(&self, value: Value) -> Option<&Object<'a>> {
        match value {
            Value::Object(i) => self.objects.get(i),
            _ => None,
        }
    }

    pub(super) fn dict(&self, value: Value) -> Option<&[(Value<'a>, Value<'a>)]> {
        match self.object(value)? {
            Object::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// All storages, each as often as it is referred to.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.objects.iter().filter_map(|o| if let Object::Storage(s) = o { Some(s) } else { None })
    }

    fn tuple(&self, value: Value) -> Result<&[Value<'a>], String> {
        match self.object(value) {
            Some(Object::Tuple(items)) => Ok(items),
            _ => Err("a tuple is missing".into()),
        }
    }

    fn step(&mut self, op: u8) -> Result<(), String> {
        match op {
            0x80 => drop(self.bytes(1)?),
            0x95 => drop(self.bytes(8)?),
            b'(' => {
                self.charge(size_of::<usize>())?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.marked()?),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
            }
            b'q' | b'r' | b'p' | 0x94 | b'h' | b'j' | b'g' => self.memory(op)?,
            b'N' | b'I' | b'L' | b'K' | b'M' | b'J' | 0x8a | 0x88 | 0x89 | b'G' | b'F' => self.number(op)?,
            b'X' | 0x8c | 0x8d | b'U' | b'T' | b'C' | b'B' => self.text(op)?,
            b')' | b't' | 0x85..=0x87 | b']' | b'l' | b'}' | b'd' => self.container(op)?,
            b'a' | b'e' | b's' | b'u' => self.fill(op)?,
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.global(module, name)?,
                _ => return Err("a name is missing".into()),
            },
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b'b' => {
                // the state of a dict is about the modules that the tensors came from
                self.pop()?;
                let target = self.stack.last().copied().unwrap_or(Value::None);
                self.dict(target).ok_or("something other than a dict has a state")?;
            }
            op => {
                return Err(format!(
                    "its pickle does something that no dict of tensors needs (opcode {op:#04x}){HELP}"
                ));
            }
        }
        Ok(())
    }

    fn memory(&mut self, op: u8) -> Result<(), String> {
        let slot = match op {
            b'q' | b'h' => usize::from(self.bytes(1)?[0]),
            b'r' | b'j' => self.length(4)?,
            0x94 => self.memo.len(),
            _ => self.line()?.parse().map_err(|_| "a number is malformed")?,
        };
        if matches!(op, b'h' | b'j' | b'g') {
            let value = self.memo.get(&slot).copied().ok_or("it recalls something that it never stored")?;
            self.stack.push(value);
        } else {
            self.charge(2 * size_of::<(usize, Value)>())?;
            let top = self.stack.last().copied().ok_or("the stack is empty")?;
            self.memo.insert(slot, top);
        }
        Ok(())
    }

    fn number(&mut self, op: u8) -> Result<(), String> {
        let value = match op {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' | b'M' => Value::Int(self.length(if op == b'K' { 1 } else { 2 })? as i64),
            b'J' => Value::Int(i64::from(self.length(4)? as u32 as i32)),
            0x8a => {
                let n = usize::from(self.bytes(1)?[0]);
                let bytes = self.bytes(n)?;
                let fill = if bytes.last().is_some_and(|b| *b > 127) { 0xff } else { 0 };
                let mut word = [fill; 8];
                match word.get_mut(..n) {
                    Some(low) => {
                        low.copy_from_slice(bytes);
                        Value::Int(i64::from_le_bytes(word))
                    }
                    None => Value::Other,
                }
            }
            b'G' => self.bytes(8).map(|_| Value::Other)?,
            b'F' => self.line().map(|_| Value::Other)?,
            _ => match (op, self.line()?) {
                (b'I', "00") => Value::Bool(false),
                (b'I', "01") => Value::Bool(true),
                (_, digits) => digits.trim_end_matches('L').parse().map_or(Value::Other, Value::Int),
            },
        };
        self.stack.push(value);
        Ok(())
    }

    fn text(&mut self, op: u8) -> Result<(), String> {
        let n = self.length(match op {
            0x8c | b'U' | b'C' => 1,
            0x8d => 8,
            _ => 4,
        })?;
        let bytes = self.bytes(n)?;
        let text = std::str::from_utf8(bytes);
        self.stack.push(match op {
            b'C' | b'B' => Value::Other,
            b'U' | b'T' => text.map_or(Value::Other, Value::Text),
            _ => Value::Text(text.map_err(|_| "a string is not UTF-8")?),
        });
        Ok(())
    }

    fn container(&mut self, op: u8) -> Result<(), String> {
        let object = match op {
            b')' => Object::Tuple(vec![]),
            b']' => Object::List(vec![]),
            b'}' => Object::Dict(vec![]),
            b't' => Object::Tuple(self.marked()?),
            b'l' => Object::List(self.marked()?),
            b'd' => Object::Dict(pairs(&self.marked()?)?),
            _ => {
                let mut items = vec![Value::None; usize::from(op - 0x84)];
                for item in items.iter_mut().rev() {
                    *item = self.pop()?;
                }
                Object::Tuple(items)
            }
        };
        self.push(object)
    }

    /// Puts values from the stack into the list or dict below them.
    fn fill(&mut self, op: u8) -> Result<(), String> {
        let items = match op {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.marked()?,
        };
        self.charge(size_of_val(items.as_slice()))?;
        let target = match self.stack.last() {
            Some(Value::Object(i)) => self.objects.get_mut(*i),
            _ => None,
        };
        match (op, target) {
            (b'a' | b'e', Some(Object::List(list))) => list.extend(items),
            (b's' | b'u', Some(Object::Dict(dict))) => dict.extend(pairs(&items)?),
            _ => return Err("a list or dict is missing".into()),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let full = format!("{module}.{name}");
        let found = GLOBALS.iter().find(|(known, _)| *known == full);
        let (_, global) = found.ok_or_else(|| {
            format!(
                "it needs `{full}`, which is no part of a dict of tensors, and nothing in a checkpoint is run{HELP}"
            )
        })?;
        self.stack.push(Value::Global(*global));
        Ok(())
    }

    /// A persistent id: `("storage", type, key, device, length)`.
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let storage = match self.tuple(id)? {
            [
                Value::Text("storage"),
                Value::Global(Global::Storage(dtype)),
                Value::Text(key),
                _,
                Value::Int(len),
                rest @ ..,
            ] => {
                // Before PyTorch 0.4 a storage could be a part of another one.
                if !matches!(rest, [] | [Value::None]) {
                    return Err(format!("storage {key:?} is a part of another one{HELP}"));
                }
                let len = usize::try_from(*len).map_err(|_| "a storage has a negative length")?;
                Storage { key, dtype: *dtype, len }
            }
            _ => return Err("a reference is not to a storage".into()),
        };
        self.push(Object::Storage(storage))
    }

    fn call(&mut self) -> Result<(), String> {
        let args = self.pop()?;
        let function = self.pop()?;
        let args = self.tuple(args)?;
        match (function, args) {
            (Value::Global(Global::OrderedDict), []) => self.push(Object::Dict(vec![])),
            (Value::Global(Global::OrderedDict), [items]) => {
                let mut dict = vec![];
                if let Some(Object::List(items)) = self.object(*items) {
                    for item in items {
                        dict.extend(pairs(self.tuple(*item)?)?);
                    }
                }
                self.push(Object::Dict(dict))
            }
            (Value::Global(Global::RebuildParameter), [tensor, ..]) => {
                let tensor = *tensor;
                match self.object(tensor) {
                    Some(Object::Tensor(_)) => self.stack.push(tensor),
                    _ => return Err("a parameter is no tensor".into()),
                }
                Ok(())
            }
            (Value::Global(Global::RebuildTensor), [storage, offset, dims, strides, rest @ ..]) => {
                let Some(Object::Storage(storage)) = self.object(*storage) else {
                    return Err("a tensor has no storage".into());
                };
                let named = rest.iter().find_map(|v| match v {
                    Value::Global(Global::DType(dtype)) => Some(*dtype),
                    _ => None,
                });
                let dtype = named.or(storage.dtype).ok_or("a tensor has no dtype")?;
                let sizes = |v: Value| self.tuple(v)?.iter().map(|v| size(*v)).collect::<Result<Vec<_>, _>>();
                let (dims, strides) = (sizes(*dims)?, sizes(*strides)?);
                if dims.len() != strides.len() || dims.len() > MAX_RANK {
                    return Err(format!("a tensor has {} axes and {} strides", dims.len(), strides.len()));
                }
                let tensor = Tensor { storage: *storage, dtype, offset: size(*offset)?, dims, strides };
                self.push(Object::Tensor(tensor))
            }
            _ => Err(format!("it calls something that makes no tensor{HELP}")),
        }
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), String> {
        let inner = match &object {
            Object::Tuple(items) | Object::List(items) => size_of_val(items.as_slice()),
            Object::Dict(pairs) => size_of_val(pairs.as_slice()),
            Object::Tensor(t) => 2 * size_of_val(t.dims.as_slice()),
            Object::Storage(_) => 0,
        };
        self.charge(size_of::<Object>() + inner)?;
        self.objects.push(object);
        self.stack.push(Value::Object(self.objects.len() - 1));
        Ok(())
    }

    fn charge(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or("its pickle makes more than a dict of the file's tensors can hold")?;
        Ok(())
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let value = if self.stack.len() > floor { self.stack.pop() } else { None };
        value.ok_or_else(|| "its pickle takes more from the stack than there is".into())
    }

    fn marked(&mut self) -> Result<Vec<Value<'a>>, String> {
        let mark = self.marks.pop().ok_or("its pickle has no mark where it needs one")?;
        Ok(self.stack.split_off(mark))
    }

    fn bytes(&mut self, n: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n);
        let bytes = end.and_then(|end| self.pickle.get(self.at..end)).ok_or("its pickle ends too early")?;
        self.at += n;
        Ok(bytes)
    }

    /// A little-endian number of `n` bytes, at most 8.
    fn length(&mut self, n: usize) -> Result<usize, String> {
        let value = self.bytes(n)?.iter().rev().fold(0u64, |value, b| value << 8 | u64::from(*b));
        usize::try_from(value).map_err(|_| "its pickle has a length beyond this machine's".into())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.pickle[self.at..];
        let end = rest.iter().position(|b| *b == b'\n').ok_or("its pickle ends too early")?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map(|l| l.trim_end_matches('\r')).map_err(|_| "a name is not UTF-8".into())
    }
}

const HELP: &str = "\n  help: where you trust it, load it with torch and save it with safetensors: \
                    safetensors.torch.save_file(state_dict, \"model.safetensors\")";

fn pairs<'a>(items: &[Value<'a>]) -> Result<Vec<(Value<'a>, Value<'a>)>, String> {
    match items.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[k, v]| (*k, *v)).collect()),
        _ => Err("a dict has a key without a value".into()),
    }
}

fn size(value: Value) -> Result<usize, String> {
    match value {
        Value::Int(n) => usize::try_from(n).map_err(|_| format!("a tensor has the size {n}")),
        _ => Err("a size is no number".into()),
    }
}
