//! Element types.

use crate::sys;
use std::{fmt, str::FromStr};

/// The element types of arrays: the one dtype enum of the whole project.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DType {
    /// A truth value, one byte each in memory (0 or 1).
    Bool,
    /// Signed 4-bit integer, -8 to 7.
    I4,
    /// Unsigned 4-bit integer, 0 to 15.
    U4,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer.
    U64,
    /// 4-bit float with 2 exponent bits and 1 mantissa bit: ±0, 0.5, 1, 1.5, 2, 3, 4, 6. It has neither infinities nor NaN.
    F4E2M1FN,
    /// A power of two, 2^-127 to 2^127, or NaN: a scale of a block of numbers. It has no sign and no zero.
    F8E8M0FNU,
    /// 8-bit float with 3 exponent bits and 4 mantissa bits, infinities and NaN.
    F8E3M4,
    /// 8-bit float with 4 exponent bits and 3 mantissa bits, infinities and NaN.
    F8E4M3,
    /// 8-bit float with 4 exponent bits (bias 11) and 3 mantissa bits, no infinities, one NaN and one zero.
    F8E4M3B11FNUZ,
    /// 8-bit float with 4 exponent bits, 3 mantissa bits, no infinities.
    F8E4M3FN,
    /// 8-bit float with 4 exponent bits (bias 8) and 3 mantissa bits, no infinities, one NaN and one zero.
    F8E4M3FNUZ,
    /// 8-bit float with 5 exponent bits and 2 mantissa bits.
    F8E5M2,
    /// 8-bit float with 5 exponent bits (bias 16) and 2 mantissa bits, no infinities, one NaN and one zero.
    F8E5M2FNUZ,
    /// bfloat16: the upper half of an f32.
    BF16,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// A complex number of two f32: the real part, then the imaginary part. JAX: `complex64`.
    C64,
    /// A complex number of two f64: the real part, then the imaginary part. JAX: `complex128`.
    C128,
}

/// One row per dtype: name, bits in memory, PJRT's number, XLA's PrimitiveType (which is also the FFI's number).
const TABLE: [(DType, &str, usize, sys::PJRT_Buffer_Type, sys::XLA_FFI_DataType); 26] = {
    use DType::*;
    use sys::*;
    [
        (Bool, "bool", 8, PJRT_Buffer_Type_PRED, XLA_FFI_DataType_PRED),
        (I4, "i4", 4, PJRT_Buffer_Type_S4, XLA_FFI_DataType_S4),
        (U4, "u4", 4, PJRT_Buffer_Type_U4, XLA_FFI_DataType_U4),
        (I8, "i8", 8, PJRT_Buffer_Type_S8, XLA_FFI_DataType_S8),
        (I16, "i16", 16, PJRT_Buffer_Type_S16, XLA_FFI_DataType_S16),
        (I32, "i32", 32, PJRT_Buffer_Type_S32, XLA_FFI_DataType_S32),
        (I64, "i64", 64, PJRT_Buffer_Type_S64, XLA_FFI_DataType_S64),
        (U8, "u8", 8, PJRT_Buffer_Type_U8, XLA_FFI_DataType_U8),
        (U16, "u16", 16, PJRT_Buffer_Type_U16, XLA_FFI_DataType_U16),
        (U32, "u32", 32, PJRT_Buffer_Type_U32, XLA_FFI_DataType_U32),
        (U64, "u64", 64, PJRT_Buffer_Type_U64, XLA_FFI_DataType_U64),
        (F4E2M1FN, "f4e2m1fn", 4, PJRT_Buffer_Type_F4E2M1FN, XLA_FFI_DataType_F4E2M1FN),
        (F8E8M0FNU, "f8e8m0fnu", 8, PJRT_Buffer_Type_F8E8M0FNU, XLA_FFI_DataType_F8E8M0FNU),
        (F8E3M4, "f8e3m4", 8, PJRT_Buffer_Type_F8E3M4, XLA_FFI_DataType_F8E3M4),
        (F8E4M3, "f8e4m3", 8, PJRT_Buffer_Type_F8E4M3, XLA_FFI_DataType_F8E4M3),
        (F8E4M3B11FNUZ, "f8e4m3b11fnuz", 8, PJRT_Buffer_Type_F8E4M3B11FNUZ, XLA_FFI_DataType_F8E4M3B11FNUZ),
        (F8E4M3FN, "f8e4m3fn", 8, PJRT_Buffer_Type_F8E4M3FN, XLA_FFI_DataType_F8E4M3FN),
        (F8E4M3FNUZ, "f8e4m3fnuz", 8, PJRT_Buffer_Type_F8E4M3FNUZ, XLA_FFI_DataType_F8E4M3FNUZ),
        (F8E5M2, "f8e5m2", 8, PJRT_Buffer_Type_F8E5M2, XLA_FFI_DataType_F8E5M2),
        (F8E5M2FNUZ, "f8e5m2fnuz", 8, PJRT_Buffer_Type_F8E5M2FNUZ, XLA_FFI_DataType_F8E5M2FNUZ),
        (BF16, "bf16", 16, PJRT_Buffer_Type_BF16, XLA_FFI_DataType_BF16),
        (F16, "f16", 16, PJRT_Buffer_Type_F16, XLA_FFI_DataType_F16),
        (F32, "f32", 32, PJRT_Buffer_Type_F32, XLA_FFI_DataType_F32),
        (F64, "f64", 64, PJRT_Buffer_Type_F64, XLA_FFI_DataType_F64),
        (C64, "c64", 64, PJRT_Buffer_Type_C64, XLA_FFI_DataType_C64),
        (C128, "c128", 128, PJRT_Buffer_Type_C128, XLA_FFI_DataType_C128),
    ]
};

impl DType {
    /// Every dtype, in the order of the enum.
    pub const ALL: [DType; TABLE.len()] = {
        let mut all = [DType::Bool; TABLE.len()];
        let mut i = 0;
        while i < TABLE.len() {
            all[i] = TABLE[i].0;
            i += 1;
        }
        all
    };

    /// Bits of one element in a program's memory: 8 for bool, 4 for i4, u4 and f4e2m1fn.
    pub const fn bits(self) -> usize {
        TABLE[self as usize].2
    }

    /// The name: `"bool"`, `"i4"`, `"u32"`, `"f8e4m3fn"`, `"bf16"`, ...
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// Whether this is a floating-point type; complex numbers are not.
    pub const fn is_float(self) -> bool {
        self as usize >= DType::F4E2M1FN as usize && !self.is_complex()
    }

    /// Whether this is a float that programs keep, move and convert, but do not compute with: those of 4 and 8 bits but f8e4m3fn and f8e5m2.
    pub const fn is_storage(self) -> bool {
        self.is_float() && self.bits() <= 8 && !matches!(self, DType::F8E4M3FN | DType::F8E5M2)
    }

    /// Whether elements are complex numbers.
    pub const fn is_complex(self) -> bool {
        matches!(self, DType::C64 | DType::C128)
    }

    /// Whether elements are floats or complex numbers: what has derivatives. JAX: `jnp.inexact`.
    pub const fn is_inexact(self) -> bool {
        self.is_float() || self.is_complex()
    }

    /// The dtype of the real and imaginary parts of a complex dtype; every other dtype itself.
    pub const fn real(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            own => own,
        }
    }

    /// The complex dtype whose parts are of this one, if it is f32 or f64.
    pub const fn complex(self) -> Option<DType> {
        match self {
            DType::F32 => Some(DType::C64),
            DType::F64 => Some(DType::C128),
            _ => None,
        }
    }

    /// Whether this is an integer type, signed or not; bool is not one.
    pub const fn is_int(self) -> bool {
        !self.is_inexact() && !matches!(self, DType::Bool)
    }

    /// Whether `-x` is a value of the type too: signed integers, floats (but scales) and complex numbers.
    pub const fn is_signed(self) -> bool {
        (self.is_inexact() && !matches!(self, DType::F8E8M0FNU))
            || matches!(self, DType::I4 | DType::I8 | DType::I16 | DType::I32 | DType::I64)
    }

    /// Bytes of host memory that hold `elements` elements, as `upload` takes and `download` gives them. The 4-bit types
    /// travel as one byte per element (i4 sign-extended, u4 and f4e2m1fn zero-extended); the device packs them two to a byte.
    pub const fn bytes_for(self, elements: usize) -> usize {
        elements.saturating_mul(self.bits().div_ceil(8))
    }

    /// Bytes of host memory that hold an array of these sizes, as [`DType::bytes_for`] counts them. `None` where its
    /// sizes, strides or bytes do not fit the 63 bits that XLA counts with.
    pub fn bytes_of(self, dims: &[usize]) -> Option<usize> {
        // (strides are products of sizes, also beside an axis of size 0)
        let counted = dims.iter().try_fold(self.bytes_for(1), |bytes, dim| bytes.checked_mul((*dim).max(1)))?;
        (counted <= i64::MAX as usize).then_some(if dims.contains(&0) { 0 } else { counted })
    }

    /// PJRT's number for this dtype.
    pub const fn to_pjrt(self) -> sys::PJRT_Buffer_Type {
        TABLE[self as usize].3
    }

    /// The dtype with this PJRT number; `None` for those that raxla has no use for (token, 2-bit, ...).
    pub fn from_pjrt(number: sys::PJRT_Buffer_Type) -> Option<DType> {
        TABLE.iter().find(|row| row.3 == number).map(|row| row.0)
    }

    /// XLA's `PrimitiveType`, which the FFI uses too.
    pub const fn to_xla(self) -> sys::XLA_FFI_DataType {
        TABLE[self as usize].4
    }

    /// The dtype with this XLA `PrimitiveType`.
    pub fn from_xla(number: sys::XLA_FFI_DataType) -> Option<DType> {
        TABLE.iter().find(|row| row.4 == number).map(|row| row.0)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is no dtype; Display lists the known ones.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownDType(pub String);

impl fmt::Display for UnknownDType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = DType::ALL.map(DType::name).join(", ");
        write!(f, "unknown dtype `{}`; the known ones are {known}", self.0)
    }
}

/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for UnknownDType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl std::error::Error for UnknownDType {}

impl FromStr for DType {
    type Err = UnknownDType;

    fn from_str(name: &str) -> std::result::Result<DType, UnknownDType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name).ok_or_else(|| UnknownDType(name.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_at_its_own_index() {
        for (index, dtype) in DType::ALL.into_iter().enumerate() {
            assert_eq!(dtype as usize, index);
            assert_eq!(dtype.name().parse::<DType>().unwrap(), dtype);
            assert_eq!(DType::from_pjrt(dtype.to_pjrt()), Some(dtype));
            assert_eq!(DType::from_xla(dtype.to_xla()), Some(dtype));
        }
    }

    #[test]
    fn families() {
        let of =
            |test: fn(DType) -> bool| DType::ALL.into_iter().filter(|&d| test(d)).map(DType::name).collect::<Vec<_>>();
        assert_eq!(
            of(DType::is_float),
            [
                "f4e2m1fn",
                "f8e8m0fnu",
                "f8e3m4",
                "f8e4m3",
                "f8e4m3b11fnuz",
                "f8e4m3fn",
                "f8e4m3fnuz",
                "f8e5m2",
                "f8e5m2fnuz",
                "bf16",
                "f16",
                "f32",
                "f64"
            ]
        );
        assert_eq!(of(|d| d.is_float() && d.bits() <= 8 && !d.is_storage()), ["f8e4m3fn", "f8e5m2"]);
        assert_eq!(of(DType::is_int), ["i4", "u4", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]);
        assert_eq!(of(|d| d.is_signed() && d.is_int()), ["i4", "i8", "i16", "i32", "i64"]);
        assert_eq!(of(DType::is_complex), ["c64", "c128"]);
        assert_eq!(
            (DType::C64.real(), DType::F64.complex(), DType::BF16.complex()),
            (DType::F32, Some(DType::C128), None)
        );
        assert_eq!(DType::I4.bytes_for(3), 3);
        assert_eq!(DType::BF16.bytes_for(3), 6);
        assert_eq!(DType::BF16.bytes_of(&[3, 2]), Some(12));
        assert_eq!(DType::F32.bytes_of(&[1 << 40, 0]), Some(0));
        for dims in [&[1 << 62][..], &[1 << 40, 1 << 40], &[0, usize::MAX, 2], &[usize::MAX, 0]] {
            assert_eq!(DType::F32.bytes_of(dims), None, "{dims:?}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "float32".parse::<DType>().unwrap_err().to_string();
        assert!(error.contains("`float32`") && error.contains("bf16"), "{error}");
    }
}
