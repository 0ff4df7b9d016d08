//! The attributes of a custom call.

use crate::{Code, DType, Error, Result, named_value::slice, sys};
use std::ffi::c_void;

/// The attributes of a custom call: its `backend_config` dictionary.
#[derive(Clone, Copy)]
pub struct Attrs<'a> {
    names: &'a [*mut sys::XLA_FFI_ByteSpan],
    kinds: &'a [sys::XLA_FFI_AttrType],
    values: &'a [*mut c_void],
}

// SAFETY: attributes are constants of the program, which is alive for `'a`.
unsafe impl Send for Attrs<'_> {}
// SAFETY: as above.
unsafe impl Sync for Attrs<'_> {}

/// The value of an attribute.
#[derive(Clone)]
pub enum Attr<'a> {
    /// One number or truth value.
    Scalar(Number),
    /// A dense array of numbers.
    Array(Vec<Number>),
    /// Text.
    String(&'a str),
    /// A dictionary.
    Dictionary(Attrs<'a>),
}

/// A number of an attribute: integers and truth values widened to 64 bits, floats to f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A signed integer.
    Int(i64),
    /// An unsigned integer or a truth value.
    Unsigned(u64),
    /// A float.
    Float(f64),
}

impl<'a> Attrs<'a> {
    /// # Safety
    /// The lists are valid for `'a`.
    pub(super) unsafe fn new(attrs: &sys::XLA_FFI_Attrs) -> Attrs<'a> {
        let len = attrs.size as usize;
        // SAFETY: the three lists have this length.
        unsafe {
            Attrs { names: slice(attrs.names, len), kinds: slice(attrs.types, len), values: slice(attrs.attrs, len) }
        }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        // SAFETY: names are valid for `'a`.
        self.names.iter().map(|&name| std::str::from_utf8(unsafe { bytes(&*name) }).unwrap_or_default())
    }

    /// The attribute of this name.
    pub fn get(&self, name: &str) -> Result<Attr<'a>> {
        // SAFETY: names are valid for `'a`.
        let at =
            self.names.iter().position(|&known| unsafe { bytes(&*known) } == name.as_bytes()).ok_or_else(|| {
                let known: Vec<_> = self.names().collect();
                Error::new(Code::NotFound, format!("the custom call has no attribute `{name}`; it has {known:?}"))
            })?;
        let value = self.values[at];
        // SAFETY: the kind says what the value points to, and it is valid for `'a`.
        unsafe {
            match self.kinds[at] {
                sys::XLA_FFI_AttrType_SCALAR => {
                    let scalar = &*value.cast::<sys::XLA_FFI_Scalar>();
                    Ok(Attr::Scalar(number(name, scalar.dtype, scalar.value, 0)?))
                }
                sys::XLA_FFI_AttrType_ARRAY => {
                    let array = &*value.cast::<sys::XLA_FFI_Array>();
                    let numbers = (0..array.size).map(|i| number(name, array.dtype, array.data, i));
                    Ok(Attr::Array(numbers.collect::<Result<_>>()?))
                }
                sys::XLA_FFI_AttrType_STRING => {
                    let text = std::str::from_utf8(bytes(&*value.cast::<sys::XLA_FFI_ByteSpan>()));
                    Ok(Attr::String(text.map_err(|_| wrong(name, "text in UTF-8"))?))
                }
                sys::XLA_FFI_AttrType_DICTIONARY => {
                    Ok(Attr::Dictionary(Attrs::new(&*value.cast::<sys::XLA_FFI_Attrs>())))
                }
                kind => {
                    Err(Error::new(Code::Unimplemented, format!("attribute `{name}` is of an unknown kind {kind}")))
                }
            }
        }
    }

    /// An integer of any width.
    pub fn int(&self, name: &str) -> Result<i64> {
        match self.get(name)? {
            Attr::Scalar(Number::Int(value)) => Ok(value),
            Attr::Scalar(Number::Unsigned(value)) => {
                i64::try_from(value).map_err(|_| wrong(name, "an integer that fits 64 bits with a sign"))
            }
            _ => Err(wrong(name, "an integer")),
        }
    }

    /// A float of any width.
    pub fn float(&self, name: &str) -> Result<f64> {
        match self.get(name)? {
            Attr::Scalar(Number::Float(value)) => Ok(value),
            _ => Err(wrong(name, "a float")),
        }
    }

    /// A truth value.
    pub fn bool(&self, name: &str) -> Result<bool> {
        match self.get(name)? {
            Attr::Scalar(Number::Unsigned(value)) => Ok(value != 0),
            _ => Err(wrong(name, "a truth value")),
        }
    }

    /// A text.
    pub fn string(&self, name: &str) -> Result<&'a str> {
        match self.get(name)? {
            Attr::String(text) => Ok(text),
            _ => Err(wrong(name, "a text")),
        }
    }

    /// An array of signed integers of any width.
    pub fn ints(&self, name: &str) -> Result<Vec<i64>> {
        let wrong = || wrong(name, "an array of integers");
        let Attr::Array(values) = self.get(name)? else { return Err(wrong()) };
        let each = |value| if let Number::Int(value) = value { Ok(value) } else { Err(wrong()) };
        values.into_iter().map(each).collect()
    }

    /// An array of floats of any width.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>> {
        let wrong = || wrong(name, "an array of floats");
        let Attr::Array(values) = self.get(name)? else { return Err(wrong()) };
        let each = |value| if let Number::Float(value) = value { Ok(value) } else { Err(wrong()) };
        values.into_iter().map(each).collect()
    }

    /// A dictionary.
    pub fn dictionary(&self, name: &str) -> Result<Attrs<'a>> {
        match self.get(name)? {
            Attr::Dictionary(attrs) => Ok(attrs),
            _ => Err(wrong(name, "a dictionary")),
        }
    }
}

fn wrong(name: &str, wanted: &str) -> Error {
    Error::invalid(format!("attribute `{name}` of the custom call is not {wanted}"))
}

/// # Safety
/// The span is valid for `'a`.
unsafe fn bytes<'a>(span: &sys::XLA_FFI_ByteSpan) -> &'a [u8] {
    // SAFETY: the caller vouches.
    unsafe { slice(span.ptr.cast::<u8>(), span.len) }
}

/// # Safety
/// `data` points to more than `i` values of this type.
unsafe fn number(name: &str, dtype: sys::XLA_FFI_DataType, data: *mut c_void, i: usize) -> Result<Number> {
    /// # Safety
    /// `data` points to more than `i` values of type `T`, aligned or not.
    unsafe fn read<T: Copy>(data: *mut c_void, i: usize) -> T {
        // SAFETY: the caller vouches.
        unsafe { data.cast::<T>().add(i).read_unaligned() }
    }
    // SAFETY: each arm reads the type that the tag names.
    unsafe {
        Ok(match DType::from_xla(dtype) {
            Some(DType::Bool | DType::U8) => Number::Unsigned(read::<u8>(data, i).into()),
            Some(DType::I8) => Number::Int(read::<i8>(data, i).into()),
            Some(DType::I16) => Number::Int(read::<i16>(data, i).into()),
            Some(DType::I32) => Number::Int(read::<i32>(data, i).into()),
            Some(DType::I64) => Number::Int(read(data, i)),
            Some(DType::U16) => Number::Unsigned(read::<u16>(data, i).into()),
            Some(DType::U32) => Number::Unsigned(read::<u32>(data, i).into()),
            Some(DType::U64) => Number::Unsigned(read(data, i)),
            Some(DType::F32) => Number::Float(read::<f32>(data, i).into()),
            Some(DType::F64) => Number::Float(read(data, i)),
            _ => {
                let what =
                    format!("attribute `{name}` has numbers of XLA element type {dtype}, which raxla does not read");
                return Err(Error::new(Code::Unimplemented, what));
            }
        })
    }
}
