//! The types of elements, by the names of JAX.
use crate::error::{Decoded, Fault};
use half::{bf16, f16};
use serde_json::Value;
use std::fmt;

macro_rules! dtypes {
    ($($variant:ident $name:literal $size:literal $zarr2:literal),* $(,)?) => {
        /// The type of an element. Elements lie in memory as in NumPy with ml_dtypes: little endian, and the types below 8 bits
        /// take one byte each. (`uint2` and `uint4` are missing: TensorStore does not have them.)
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum DType { $($variant),* }

        impl DType {
            /// All of them.
            pub const ALL: &[DType] = &[$(DType::$variant),*];

            /// JAX's name, which is also that of Zarr version 3: `bfloat16`.
            pub fn name(self) -> &'static str {
                match self { $(DType::$variant => $name),* }
            }

            /// Bytes of one element.
            pub fn size(self) -> usize {
                match self { $(DType::$variant => $size),* }
            }

            /// The name in Zarr version 2: `<f4`.
            pub(crate) fn zarr2(self) -> &'static str {
                match self { $(DType::$variant => $zarr2),* }
            }
        }
    };
}

dtypes! {
    Bool "bool" 1 "|b1",
    Int2 "int2" 1 "int2",
    Int4 "int4" 1 "int4",
    Int8 "int8" 1 "|i1",
    Int16 "int16" 2 "<i2",
    Int32 "int32" 4 "<i4",
    Int64 "int64" 8 "<i8",
    Uint8 "uint8" 1 "|u1",
    Uint16 "uint16" 2 "<u2",
    Uint32 "uint32" 4 "<u4",
    Uint64 "uint64" 8 "<u8",
    Float4E2m1fn "float4_e2m1fn" 1 "float4_e2m1fn",
    Float8E3m4 "float8_e3m4" 1 "float8_e3m4",
    Float8E4m3b11fnuz "float8_e4m3b11fnuz" 1 "float8_e4m3b11fnuz",
    Float8E4m3fn "float8_e4m3fn" 1 "float8_e4m3fn",
    Float8E4m3fnuz "float8_e4m3fnuz" 1 "float8_e4m3fnuz",
    Float8E5m2 "float8_e5m2" 1 "float8_e5m2",
    Float8E5m2fnuz "float8_e5m2fnuz" 1 "float8_e5m2fnuz",
    Float8E8m0fnu "float8_e8m0fnu" 1 "float8_e8m0fnu",
    Float16 "float16" 2 "<f2",
    Bfloat16 "bfloat16" 2 "bfloat16",
    Float32 "float32" 4 "<f4",
    Float64 "float64" 8 "<f8",
    Complex64 "complex64" 8 "<c8",
    Complex128 "complex128" 16 "<c16",
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl DType {
    pub(crate) fn from_zarr3(name: &str) -> Decoded<DType> {
        let found = DType::ALL.iter().find(|d| d.name() == name);
        found.copied().ok_or_else(|| Fault::Unsupported(format!("the data type `{name}`")))
    }

    pub(crate) fn from_zarr2(name: &str) -> Decoded<DType> {
        // (NumPy writes both `<i1` and `|i1`)
        let of_one_byte = name.strip_prefix('<').map(|rest| format!("|{rest}"));
        let found = DType::ALL.iter().find(|d| d.zarr2() == name || Some(d.zarr2()) == of_one_byte.as_deref());
        found.copied().ok_or_else(|| Fault::Unsupported(format!("the data type `{name}`")))
    }

    /// The fill value that is written when a value is written without one.
    pub(crate) fn zero(self) -> Value {
        match self {
            DType::Bool => Value::Bool(false),
            DType::Complex64 | DType::Complex128 => serde_json::json!([0.0, 0.0]),
            _ if self.name().contains("float") => serde_json::json!(0.0),
            _ => serde_json::json!(0),
        }
    }

    /// The bytes of an element that `_METADATA` or Zarr's metadata gives as JSON.
    pub(crate) fn element(self, value: &Value) -> Decoded<Vec<u8>> {
        let wrong = || Fault::Unsupported(format!("the fill value {value} of an array of {self}"));
        if let Value::Array(parts) = value {
            let part = match self {
                DType::Complex64 => DType::Float32,
                DType::Complex128 => DType::Float64,
                _ => return Err(wrong()),
            };
            let [re, im] = parts.as_slice() else { return Err(wrong()) };
            return Ok([part.element(re)?, part.element(im)?].concat());
        }
        if let Some(hex) = value.as_str().and_then(|s| s.strip_prefix("0x")) {
            let bits = u64::from_str_radix(hex, 16).map_err(|_| wrong())?;
            return Ok(bits.to_le_bytes().get(..self.size()).ok_or_else(wrong)?.to_vec());
        }
        let number = match value {
            Value::Bool(b) => f64::from(u8::from(*b)),
            Value::Number(n) => n.as_f64().ok_or_else(wrong)?,
            Value::String(s) => match s.as_str() {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        if number.to_bits() == 0 {
            return Ok(vec![0; self.size()]);
        }
        let integer = || value.as_i64().map(i128::from).or(value.as_u64().map(i128::from)).ok_or_else(wrong);
        Ok(match self {
            DType::Bool => vec![u8::from(value.as_bool().ok_or_else(wrong)?)],
            DType::Float16 => f16::from_f64(number).to_le_bytes().to_vec(),
            DType::Bfloat16 => bf16::from_f64(number).to_le_bytes().to_vec(),
            DType::Float32 => (number as f32).to_le_bytes().to_vec(),
            DType::Float64 => number.to_le_bytes().to_vec(),
            _ if self.name().contains("int") => integer()?.to_le_bytes()[..self.size()].to_vec(),
            _ => return Err(wrong()),
        })
    }
}
