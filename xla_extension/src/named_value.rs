//! Named values: the options that clients and topologies take, and the attributes that plugins and devices show.

use crate::sys::{self, PJRT_NamedValue};
use std::{collections::BTreeMap, fmt};

/// The value of an option or attribute.
#[derive(Clone, PartialEq, Debug)]
pub enum NamedValue {
    /// Text.
    String(String),
    /// A 64-bit integer.
    Int(i64),
    /// A list of 64-bit integers.
    Ints(Vec<i64>),
    /// A 32-bit float.
    Float(f32),
    /// A truth value.
    Bool(bool),
}

impl fmt::Display for NamedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NamedValue::String(value) => f.write_str(value),
            NamedValue::Int(value) => write!(f, "{value}"),
            NamedValue::Ints(value) => write!(f, "{value:?}"),
            NamedValue::Float(value) => write!(f, "{value}"),
            NamedValue::Bool(value) => write!(f, "{value}"),
        }
    }
}

impl From<&str> for NamedValue {
    fn from(value: &str) -> Self {
        NamedValue::String(value.to_string())
    }
}

impl From<i64> for NamedValue {
    fn from(value: i64) -> Self {
        NamedValue::Int(value)
    }
}

impl From<bool> for NamedValue {
    fn from(value: bool) -> Self {
        NamedValue::Bool(value)
    }
}

impl From<Vec<i64>> for NamedValue {
    fn from(value: Vec<i64>) -> Self {
        NamedValue::Ints(value)
    }
}

/// The C form, which borrows the names and values.
pub(crate) fn to_c(options: &[(&str, NamedValue)]) -> Vec<PJRT_NamedValue> {
    let one = |(name, value): &(&str, NamedValue)| {
        let mut c: PJRT_NamedValue = sys::sized();
        c.name = name.as_ptr().cast();
        c.name_size = name.len();
        c.value_size = 1;
        match value {
            NamedValue::String(text) => {
                c.type_ = sys::PJRT_NamedValue_kString;
                c.__bindgen_anon_1.string_value = text.as_ptr().cast();
                c.value_size = text.len();
            }
            NamedValue::Int(int) => {
                c.type_ = sys::PJRT_NamedValue_kInt64;
                c.__bindgen_anon_1.int64_value = *int;
            }
            NamedValue::Ints(ints) => {
                c.type_ = sys::PJRT_NamedValue_kInt64List;
                c.__bindgen_anon_1.int64_array_value = ints.as_ptr();
                c.value_size = ints.len();
            }
            NamedValue::Float(float) => {
                c.type_ = sys::PJRT_NamedValue_kFloat;
                c.__bindgen_anon_1.float_value = *float;
            }
            NamedValue::Bool(bool) => {
                c.type_ = sys::PJRT_NamedValue_kBool;
                c.__bindgen_anon_1.bool_value = *bool;
            }
        }
        c
    };
    options.iter().map(one).collect()
}

/// Copies attributes out of a plugin's memory. Values of a type added after these bindings are left out.
///
/// # Safety
/// `values` points to `count` valid named values, as the plugin's attribute calls return them.
pub(crate) unsafe fn from_c(values: *const PJRT_NamedValue, count: usize) -> BTreeMap<String, NamedValue> {
    // SAFETY: the caller vouches for pointer and count.
    let values = unsafe { slice(values, count) };
    let one = |c: &PJRT_NamedValue| {
        // SAFETY: the type tag tells which member of the union is set and what `value_size` counts.
        unsafe {
            let name = string(c.name, c.name_size);
            let value = match c.type_ {
                sys::PJRT_NamedValue_kString => {
                    NamedValue::String(string(c.__bindgen_anon_1.string_value, c.value_size))
                }
                sys::PJRT_NamedValue_kInt64 => NamedValue::Int(c.__bindgen_anon_1.int64_value),
                sys::PJRT_NamedValue_kInt64List => {
                    NamedValue::Ints(slice(c.__bindgen_anon_1.int64_array_value, c.value_size).to_vec())
                }
                sys::PJRT_NamedValue_kFloat => NamedValue::Float(c.__bindgen_anon_1.float_value),
                sys::PJRT_NamedValue_kBool => NamedValue::Bool(c.__bindgen_anon_1.bool_value),
                _ => return None,
            };
            Some((name, value))
        }
    };
    values.iter().filter_map(one).collect()
}

/// A slice from C, where an empty list may come as a null pointer.
///
/// # Safety
/// `data` points to `len` values that live and stay unchanged for `'a`, or `len` is 0.
pub(crate) unsafe fn slice<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if data.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { std::slice::from_raw_parts(data, len) }
}

/// A string from C; bytes that are no UTF-8 become replacement characters.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn string(data: *const std::ffi::c_char, len: usize) -> String {
    // SAFETY: the caller vouches for pointer and length.
    String::from_utf8_lossy(unsafe { slice(data.cast::<u8>(), len) }).into_owned()
}
