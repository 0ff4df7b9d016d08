//! What is known of values, and how StableHLO's portable form writes it: types, numbers, texts.
use super::bytecode::{Cursor, Module, Op, Result, Value, put_number, put_signed};
use std::{fmt, rc::Rc};

/// The numbers by which the portable form tells types and attributes apart (VhloBytecode.cpp).
pub(super) mod code {
    pub(in crate::run::export::refine) const BOOL: u64 = 0;
    pub(in crate::run::export::refine) const FUNCTION: u64 = 8;
    pub(in crate::run::export::refine) const I8: u64 = 11;
    pub(in crate::run::export::refine) const I32: u64 = 13;
    pub(in crate::run::export::refine) const I64: u64 = 14;
    pub(in crate::run::export::refine) const U8: u64 = 16;
    pub(in crate::run::export::refine) const U32: u64 = 18;
    pub(in crate::run::export::refine) const U64: u64 = 19;
    pub(in crate::run::export::refine) const TENSOR: u64 = 20;
    pub(in crate::run::export::refine) const INTEGER_ATTR: u64 = 9;
    pub(in crate::run::export::refine) const ARRAY_ATTR: u64 = 1;
    pub(in crate::run::export::refine) const STRING_ATTR: u64 = 14;
    pub(in crate::run::export::refine) const TENSOR_ATTR: u64 = 15;
    pub(in crate::run::export::refine) const TYPE_ATTR: u64 = 17;
}
/// A size that is not known.
pub(super) const OPEN: i64 = i64::MIN;
/// Constants with more elements are not looked at.
pub(super) const MOST: i64 = 1 << 12;

#[derive(Clone)]
pub(super) struct Known {
    pub(super) ty: usize,
    /// Its elements, of an array of integers or truth values.
    pub(super) numbers: Option<Rc<Vec<i64>>>,
    /// It is that value and these numbers.
    pub(super) plus: Option<(Value, Rc<Vec<i64>>)>,
}
impl Known {
    pub(super) fn of(ty: usize) -> Known {
        Known { ty, numbers: None, plus: None }
    }
}

/// The type of an array.
#[derive(Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) dims: Vec<i64>,
    /// The type of its elements.
    pub(super) element: usize,
}
impl Tensor {
    pub(super) fn is_open(&self) -> bool {
        self.dims.contains(&OPEN)
    }
    /// May the sizes be these?
    pub(super) fn takes(&self, dims: &[i64]) -> bool {
        self.dims.len() == dims.len() && self.dims.iter().zip(dims).all(|(own, n)| own == n || *own == OPEN)
    }
    pub(super) fn count(&self) -> i64 {
        self.dims.iter().fold(1, |n: i64, m| n.saturating_mul(*m))
    }
}
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let one = |n: &i64| if *n == OPEN { "?".into() } else { n.to_string() };
        write!(f, "[{}]", self.dims.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

/// The array type with this number; `None` for another type.
pub(super) fn tensor(module: &Module, ty: usize) -> Result<Option<Tensor>> {
    let mut at = module.ty(ty)?;
    if !module.is_portable(ty) || at.number()? != code::TENSOR {
        return Ok(None);
    }
    let tensor = Tensor { dims: at.list(Cursor::signed)?, element: at.index()? };
    match tensor.dims.iter().any(|n| *n < 0 && *n != OPEN) {
        true => Err("an array has sizes below 0".into()),
        false => Ok(Some(tensor)),
    }
}
pub(super) fn type_of(module: &mut Module, tensor: &Tensor) -> Result<usize> {
    let mut bytes = vec![];
    put_number(&mut bytes, code::TENSOR);
    put_number(&mut bytes, tensor.dims.len() as u64);
    tensor.dims.iter().for_each(|n| put_signed(&mut bytes, *n));
    put_number(&mut bytes, tensor.element as u64);
    module.add_type(bytes)
}

fn wrong(what: &str) -> String {
    format!("an attribute is no {what}")
}
/// The text of an attribute.
pub(super) fn text(module: &Module, attr: usize) -> Result<String> {
    let mut at = module.attr(attr)?;
    if at.number()? != code::STRING_ATTR {
        return Err(wrong("text"));
    }
    Ok(module.string(at.index()?)?.to_string())
}
pub(super) fn integer(module: &Module, attr: usize) -> Result<i64> {
    let mut at = module.attr(attr)?;
    if at.number()? != code::INTEGER_ATTR {
        return Err(wrong("integer"));
    }
    at.index()?;
    at.signed()
}
/// The elements of an attribute that is an array of integers or truth values; `None` where it is large, or of something else.
pub(super) fn numbers(module: &Module, attr: usize) -> Result<Option<Vec<i64>>> {
    let mut at = module.attr(attr)?;
    if at.number()? != code::TENSOR_ATTR {
        return Err(wrong("array"));
    }
    let ty = tensor(module, at.index()?)?.ok_or_else(|| wrong("array"))?;
    let (width, signed) = match module.ty(ty.element)?.number()? {
        code::BOOL | code::U8 => (1, false),
        code::I8 => (1, true),
        code::I32 => (4, true),
        code::U32 => (4, false),
        code::I64 | code::U64 => (8, true),
        _ => return Ok(None),
    };
    if ty.is_open() || ty.count() > MOST {
        return Ok(None);
    }
    let (count, length) = (ty.count() as usize, at.index()?);
    let bytes = at.take(length)?;
    let truth = module.ty(ty.element)?.number()? == code::BOOL;
    let one = |bytes: &[u8]| {
        let mut wide = [if signed && bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let n = i64::from_le_bytes(wide);
        if truth { i64::from(n != 0) } else { n }
    };
    let mut all: Vec<i64> = bytes.chunks_exact(width).map(one).collect();
    // (equal elements are written once)
    if all.len() == 1 {
        all = vec![all[0]; count];
    }
    Ok((all.len() == count).then_some(all))
}
/// The elements of an attribute that says axes or sizes.
pub(super) fn list(module: &Module, attrs: &[usize], i: usize) -> Result<Vec<i64>> {
    let attr = attrs.get(i).ok_or_else(|| wrong("array"))?;
    numbers(module, *attr)?.ok_or_else(|| wrong("array of integers"))
}
/// An attribute with these elements.
pub(super) fn list_attr(module: &mut Module, all: &[i64]) -> Result<usize> {
    shaped_attr(module, all, vec![all.len() as i64])
}
pub(super) fn shaped_attr(module: &mut Module, all: &[i64], dims: Vec<i64>) -> Result<usize> {
    let mut element = vec![];
    put_number(&mut element, code::I64);
    let element = module.add_type(element)?;
    let ty = type_of(module, &Tensor { dims, element })?;
    let mut bytes = vec![];
    put_number(&mut bytes, code::TENSOR_ATTR);
    put_number(&mut bytes, ty as u64);
    put_number(&mut bytes, 8 * all.len() as u64);
    all.iter().for_each(|n| bytes.extend(n.to_le_bytes()));
    module.add_attr(bytes)
}
/// The first of an attribute's attributes.
pub(super) fn first(module: &Module, attr: usize) -> Result<usize> {
    let mut at = module.attr(attr)?;
    if at.number()? != code::ARRAY_ATTR {
        return Err(wrong("list"));
    }
    at.list(Cursor::index)?.first().copied().ok_or_else(|| wrong("list"))
}

/// The text of the attribute `error_message` of a check.
pub(super) fn message(module: &Module, op: &Op) -> Result<Option<String>> {
    // (MLIR's own numbers of a dictionary and a text)
    const DICTIONARY: u64 = 1;
    const TEXT: u64 = 2;
    let Some(attrs) = op.attrs else { return Ok(None) };
    let mut at = module.attr(attrs)?;
    if at.number()? != DICTIONARY {
        return Ok(None);
    }
    for (name, value) in at.list(|at| Ok((at.index()?, at.index()?)))? {
        let mut name = module.attr(name)?;
        if name.number()? == TEXT && module.string(name.index()?)? == "error_message" {
            return text(module, value).map(Some);
        }
    }
    Ok(None)
}
