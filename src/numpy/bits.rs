//! What numbers are made of.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! let f = jit(|x: Tensor| {
//!     let (mantissa, exponent) = numpy::frexp(x);
//!     (mantissa, exponent, numpy::ldexp(mantissa, exponent))
//! });
//! let (mantissa, exponent, whole) = f.call((Array::from_slice([2], &[12f32, -0.375])?,))?;
//! assert_eq!((mantissa.to_vec::<f32>()?, exponent.to_vec::<i32>()?), (vec![0.75, -0.75], vec![4, -1]));
//! assert_eq!(whole.to_vec::<f32>()?, [12.0, -0.375]);
//! # Ok::<(), raxla::Error>(())
//! ```
use crate::{
    aval::DType,
    ops::{Rhs, fit, where_},
    trace::{At, Tensor, fail},
};

/// Of a float's dtype: the integer of its width, bits of the mantissa, and the exponent's bias.
#[track_caller]
fn layout(op: &str, x: Tensor) -> (DType, usize, i64) {
    match x.dtype() {
        DType::F64 => (DType::I64, 52, 1023),
        DType::F32 => (DType::I32, 23, 127),
        DType::F16 => (DType::I16, 10, 15),
        DType::BF16 => (DType::I16, 7, 127),
        d => {
            let help = "convert it first with `.cast(DType::F32)`";
            fail(op, vec![x.aval()], format!("{} is no float of 16 bits or more", d.name()), Some(help.into()))
        }
    }
}
/// The largest number of a float's dtype.
pub(super) fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MAX,
        DType::F16 => 65504.0,
        DType::BF16 => f64::from(f32::from_bits(0x7f7f_0000)),
        _ => f64::from(f32::MAX),
    }
}

/// Is the sign negative, also that of -0 and NaN? Gives bools.
#[track_caller]
pub fn signbit(x: Tensor) -> Tensor {
    let _at = At::op("signbit");
    if !x.dtype().is_float() {
        return x.lt(0);
    }
    let (integer, ..) = layout("signbit", x);
    x.bitcast(integer).lt(0)
}
/// A number in ±[0.5, 1) and an exponent (i32) such that x is the number times 2^exponent. Zero, infinities and NaN are themselves,
/// with the exponent 0.
#[track_caller]
pub fn frexp(x: Tensor) -> (Tensor, Tensor) {
    let _at = At::op("frexp");
    let (integer, mantissa, bias) = layout("frexp", x);
    // (numbers below the smallest normal one are brought above it)
    let smallest = 2f64.powi(1 - bias as i32);
    let tiny = x.abs().lt(smallest) & x.ne(0.0);
    let y = where_(tiny, x * 2f64.powi(mantissa as i32 + 1), x);
    let bits = y.bitcast(integer);
    let field = bits.like(2 * bias + 1);
    let raw = (bits >> mantissa as i64) & field;
    let exponent = raw.cast(DType::I32) - (bias - 1) - where_(tiny, raw.cast(DType::I32).like(mantissa as i64 + 1), 0);
    let fraction = ((bits & !(field << mantissa as i64)) | bits.like((bias - 1) << mantissa)).bitcast(x.dtype());
    let special = x.eq(0.0) | !x.is_finite();
    (where_(special, x, fraction), where_(special, exponent.like(0), exponent))
}
/// x times 2^i, for integers i.
#[track_caller]
pub fn ldexp(x: Tensor, i: impl Rhs) -> Tensor {
    let _at = At::op("ldexp");
    let (integer, mantissa, bias) = layout("ldexp", x);
    let i = i.beside(x.cast(DType::I32)).cast(DType::I32);
    // in three steps, so that powers of which the product exists exist themselves
    let third = i / 3;
    let power = |i: Tensor| {
        let exponent = (i + bias).maximum(1).minimum(2 * bias).cast(integer);
        (exponent << mantissa as i64).bitcast(x.dtype())
    };
    x * power(third) * power(third) * power(i - third * 2)
}
/// The next number after x in the direction of y.
#[track_caller]
pub fn nextafter(x: Tensor, y: impl Rhs) -> Tensor {
    let _at = At::op("nextafter");
    let (x, y) = fit("nextafter", x, y.beside(x));
    let (integer, ..) = layout("nextafter", x);
    let bits = x.bitcast(integer);
    let away = x.gt(0.0).eq(y.gt(x));
    let stepped = where_(away, bits + 1, bits - 1).bitcast(x.dtype());
    let smallest = bits.like(1).bitcast(x.dtype());
    let from_zero = where_(y.gt(0.0), smallest, -smallest);
    let moved = where_(x.eq(0.0), from_zero, stepped);
    where_(x.is_nan() | y.is_nan(), x.like(f64::NAN), where_(x.eq(y), y, moved))
}
/// The distance from x to the next number away from 0, with the sign of x.
#[track_caller]
pub fn spacing(x: Tensor) -> Tensor {
    let _at = At::op("spacing");
    let a = x.abs();
    let gap = nextafter(a, f64::INFINITY) - a;
    where_(x.is_finite(), where_(signbit(x), -gap, gap), x.like(f64::NAN))
}

/// Which bit of a byte is the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOrder {
    /// The highest.
    Big,
    /// The lowest.
    Little,
}
/// The eight bits of each byte (u8) side by side along an axis.
///
/// # Errors
/// Other dtypes than u8.
#[track_caller]
pub fn unpackbits(x: Tensor, axis: isize, order: BitOrder) -> Tensor {
    let _at = At::op("unpackbits");
    if x.dtype() != DType::U8 {
        let help = "convert it first with `.cast(DType::U8)`";
        fail("unpackbits", vec![x.aval()], "these are no bytes", Some(help.into()))
    }
    let (axis, rank) = (x.axis(axis), x.rank());
    let mut places = vec![1; rank + 1];
    places[axis + 1] = 8;
    let bit = crate::iota(places, DType::U8, axis + 1);
    let bit = if order == BitOrder::Big { 7 - bit } else { bit };
    ((x.expand_dims(axis as isize + 1) >> bit) & 1).merge(axis..axis + 2)
}
/// Each eight elements along an axis as the bits of a byte (u8): true where they are not 0. Zeros fill the last byte.
#[track_caller]
pub fn packbits(x: Tensor, axis: isize, order: BitOrder) -> Tensor {
    let _at = At::op("packbits");
    let (axis, mut edges) = (x.axis(axis), vec![(0, 0, 0); x.rank()]);
    let bytes = x.dims()[axis].div_ceil(8);
    edges[axis].1 = (8 * bytes - x.dims()[axis]) as i64;
    let bits = crate::prim::pad(x.ne(0).cast(DType::U8), crate::full([], DType::U8, 0), edges);
    let split = bits.split_axis(axis as isize, [bytes, 8]);
    let bit = crate::iota([8], DType::U8, 0);
    let bit = if order == BitOrder::Big { 7 - bit } else { bit };
    let mut places = vec![1; split.rank()];
    places[axis + 1] = 8;
    (split << bit.reshape(places)).sum(axis as isize + 1).cast(DType::U8)
}
