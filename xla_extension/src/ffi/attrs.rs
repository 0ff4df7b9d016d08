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
    /// One number or truth value (`Numbers` of length 1).
    Scalar(Numbers),
    /// A dense array of numbers.
    Array(Numbers),
    /// Text.
    String(&'a str),
    /// A dictionary.
    Dictionary(Attrs<'a>),
}

/// Numbers of an attribute: integers and truth values widened to 64 bits, floats to f64.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Signed integers.
    Ints(Vec<i64>),
    /// Unsigned integers and truth values.
    Unsigned(Vec<u64>),
    /// Floats.
    Floats(Vec<f64>),
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
        self.names.iter().map(|&name| unsafe { text(&*name) })
    }

    /// The attribute of this name.
    pub fn get(&self, name: &str) -> Result<Attr<'a>> {
        let at = self.names().position(|known| known == name).ok_or_else(|| {
            let known: Vec<_> = self.names().collect();
            Error::new(Code::NotFound, format!("the custom call has no attribute `{name}`; it has {known:?}"))
        })?;
        let value = self.values[at];
        // SAFETY: the kind says what the value points to, and it is valid for `'a`.
        unsafe {
            match self.kinds[at] {
                sys::XLA_FFI_AttrType_SCALAR => {
                    let scalar = &*value.cast::<sys::XLA_FFI_Scalar>();
                    Ok(Attr::Scalar(numbers(name, scalar.dtype, scalar.value, 1)?))
                }
                sys::XLA_FFI_AttrType_ARRAY => {
                    let array = &*value.cast::<sys::XLA_FFI_Array>();
                    Ok(Attr::Array(numbers(name, array.dtype, array.data, array.size)?))
                }
                sys::XLA_FFI_AttrType_STRING => Ok(Attr::String(text(&*value.cast::<sys::XLA_FFI_ByteSpan>()))),
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
            Attr::Scalar(Numbers::Ints(values)) => Ok(values[0]),
            Attr::Scalar(Numbers::Unsigned(values)) => {
                i64::try_from(values[0]).map_err(|_| wrong(name, "an integer that fits 64 bits with a sign"))
            }
            _ => Err(wrong(name, "an integer")),
        }
    }

    /// A float of any width.
    pub fn float(&self, name: &str) -> Result<f64> {
        match self.get(name)? {
            Attr::Scalar(Numbers::Floats(values)) => Ok(values[0]),
            _ => Err(wrong(name, "a float")),
        }
    }

    /// A truth value.
    pub fn bool(&self, name: &str) -> Result<bool> {
        match self.get(name)? {
            Attr::Scalar(Numbers::Unsigned(values)) => Ok(values[0] != 0),
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
        match self.get(name)? {
            Attr::Array(Numbers::Ints(values)) => Ok(values),
            _ => Err(wrong(name, "an array of integers")),
        }
    }

    /// An array of floats of any width.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>> {
        match self.get(name)? {
            Attr::Array(Numbers::Floats(values)) => Ok(values),
            _ => Err(wrong(name, "an array of floats")),
        }
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
unsafe fn text<'a>(span: &sys::XLA_FFI_ByteSpan) -> &'a str {
    // SAFETY: the caller vouches.
    let bytes = unsafe { slice(span.ptr.cast::<u8>(), span.len) };
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// # Safety
/// `data` points to `len` values of this type.
unsafe fn numbers(name: &str, dtype: sys::XLA_FFI_DataType, data: *mut c_void, len: usize) -> Result<Numbers> {
    /// # Safety
    /// `data` points to `len` values of type `T`, aligned or not.
    unsafe fn read<T: Copy, U>(data: *mut c_void, len: usize, widen: impl Fn(T) -> U) -> Vec<U> {
        // SAFETY: the caller vouches.
        (0..len).map(|i| widen(unsafe { data.cast::<T>().add(i).read_unaligned() })).collect()
    }
    // SAFETY: each arm reads the type that the tag names.
    unsafe {
        Ok(match DType::from_xla(dtype) {
            Some(DType::Bool) => Numbers::Unsigned(read(data, len, |x: u8| u64::from(x))),
            Some(DType::I8) => Numbers::Ints(read(data, len, |x: i8| i64::from(x))),
            Some(DType::I16) => Numbers::Ints(read(data, len, |x: i16| i64::from(x))),
            Some(DType::I32) => Numbers::Ints(read(data, len, |x: i32| i64::from(x))),
            Some(DType::I64) => Numbers::Ints(read(data, len, |x: i64| x)),
            Some(DType::U8) => Numbers::Unsigned(read(data, len, |x: u8| u64::from(x))),
            Some(DType::U16) => Numbers::Unsigned(read(data, len, |x: u16| u64::from(x))),
            Some(DType::U32) => Numbers::Unsigned(read(data, len, |x: u32| u64::from(x))),
            Some(DType::U64) => Numbers::Unsigned(read(data, len, |x: u64| x)),
            Some(DType::F32) => Numbers::Floats(read(data, len, |x: f32| f64::from(x))),
            Some(DType::F64) => Numbers::Floats(read(data, len, |x: f64| x)),
            _ => {
                let what =
                    format!("attribute `{name}` has numbers of XLA element type {dtype}, which raxla does not read");
                return Err(Error::new(Code::Unimplemented, what));
            }
        })
    }
}
