//! Stored bytes to the bytes of a requested dtype: decode a run of values to f32 on the stack, round once, store.

use super::dequant::Block;
use bytemuck::{cast_slice, cast_slice_mut};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use raxla_xla::DType;
use std::{fmt, sync::OnceLock};

/// How a tensor's values are stored in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One little-endian value after the other.
    Plain(DType),
    /// ggml blocks; a block never crosses a row.
    Blocks(Block),
    /// One value after the other, of 8-bit floats; each block of rows and columns has a scale, in another tensor.
    Scaled(DType),
    /// Two 4-bit floats to a byte, the first in its lower half; each 32 of a row have a power of two as their scale, in
    /// another tensor. (OCP Microscaling Formats 1.0.)
    Mxfp4,
    /// Integers of 4 or 8 bits with half of their range added, the first in the lowest bits; parts of rows have scales, in another
    /// tensor.
    Packed(u8),
    /// A type that the container knows and raxla cannot convert; [`super::Weights::bytes`] still gives its bytes.
    Opaque(&'static str),
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Encoding::Plain(dtype) => write!(f, "{}", dtype.name()),
            Encoding::Blocks(block) => f.write_str(block.name()),
            Encoding::Scaled(dtype) => write!(f, "{} with scales of blocks", dtype.name()),
            Encoding::Mxfp4 => f.write_str("mxfp4"),
            Encoding::Packed(bits) => write!(f, "int{bits} with scales"),
            Encoding::Opaque(name) => f.write_str(name),
        }
    }
}

impl Encoding {
    /// The smallest number of values that can be decoded alone.
    pub(super) fn unit(self) -> usize {
        match self {
            Encoding::Blocks(block) => block.values(),
            Encoding::Mxfp4 => MX,
            Encoding::Packed(bits) => 8 / usize::from(bits),
            _ => 1,
        }
    }

    /// The bytes that `n` values take, `n` being a multiple of [`Self::unit`]; `None` on overflow or an opaque type.
    pub(crate) fn bytes(self, n: usize) -> Option<usize> {
        match self {
            Encoding::Plain(dtype) => n.checked_mul(dtype.bits() / 8),
            Encoding::Blocks(block) if n.is_multiple_of(block.values()) => {
                (n / block.values()).checked_mul(block.bytes())
            }
            Encoding::Scaled(dtype) => n.checked_mul(dtype.bits() / 8),
            Encoding::Mxfp4 if n.is_multiple_of(MX) => Some(n / 2),
            Encoding::Packed(bits) if n.is_multiple_of(8 / usize::from(bits)) => Some(n / (8 / usize::from(bits))),
            _ => None,
        }
    }
}

/// Where the values of one stored row go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Stored as Hugging Face stores it.
    Same,
    /// llama.cpp interleaves the two halves of each head's rows (its rotary embedding turns neighbouring pairs).
    Interleaved {
        /// The number of heads along the rows.
        heads: usize,
    },
    /// Each value is stored with 1 added to it: a gain, where the wanted one is what the model adds to 1.
    PlusOne,
    /// Stored `[columns, rows]`, wanted `[rows, columns]`: a GPT-2 `Conv1D` that a converter made a linear layer.
    Transposed,
}

/// Values decoded at a time: a multiple of every block length, small enough for the stack and the first-level cache.
pub(super) const RUN: usize = 256;
/// Values that share a scale in MXFP4.
pub(super) const MX: usize = 32;

/// Whether values stored as `from` can be read as `to`: floats into the four float dtypes, everything else as it is.
pub(super) fn convertible(from: Encoding, to: DType) -> bool {
    let target = matches!(to, DType::F32 | DType::BF16 | DType::F16 | DType::F64);
    match from {
        Encoding::Plain(dtype) if dtype == to => true,
        Encoding::Plain(DType::F64 | DType::F32 | DType::F16 | DType::BF16) => target,
        Encoding::Plain(dtype) if is_small(dtype) => target,
        Encoding::Blocks(_) | Encoding::Scaled(_) | Encoding::Mxfp4 | Encoding::Packed(_) => target,
        _ => false,
    }
}

/// The values of a tensor, in the order in which they are stored.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) encoding: Encoding,
    pub(super) bytes: &'a [u8],
    /// Is each stored with 1 added to it?
    pub(super) plus_one: bool,
    pub(super) scale: Scale<'a>,
}

/// What stored values are multiplied with.
#[derive(Clone, Copy)]
pub(super) enum Scale<'a> {
    /// Nothing, or what is stored beside them.
    Own,
    /// Each block of a matrix with a number.
    Grid(Grid<'a>),
    /// Each 32 of a row with a power of two.
    Exponents(&'a [u8]),
}

/// Scales of blocks, for matrices that lie one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    /// One for each block, row-major.
    pub(super) scales: &'a [f32],
    /// Rows and columns of a matrix.
    pub(super) matrix: [usize; 2],
    /// Rows and columns of a block; the last ones of a matrix may be smaller.
    pub(super) block: [usize; 2],
}

impl<'a> Values<'a> {
    pub(super) fn plain(dtype: DType, bytes: &'a [u8]) -> Values<'a> {
        Values { encoding: Encoding::Plain(dtype), bytes, plus_one: false, scale: Scale::Own }
    }

    /// Converts as many values as `out` holds, from number `at` on.
    ///
    /// The caller has checked [`convertible`], and that the values are there.
    pub(super) fn decode_any(&self, mut at: usize, to: DType, mut out: &mut [u8]) {
        let (unit, size) = (self.encoding.unit(), to.bits() / 8);
        while !out.is_empty() {
            let (left, before) = (out.len() / size, at % unit);
            let n = if before == 0 && left >= unit {
                let n = left - left % unit;
                self.decode(at, to, &mut out[..n * size]);
                n
            } else {
                // a part of a block
                let mut block = [0; RUN * 8];
                self.decode(at - before, to, &mut block[..unit * size]);
                let n = left.min(unit - before);
                out[..n * size].copy_from_slice(&block[before * size..][..n * size]);
                n
            };
            at += n;
            out = &mut out[n * size..];
        }
    }

    /// Whole units.
    fn decode(&self, at: usize, to: DType, out: &mut [u8]) {
        match self.scale {
            Scale::Grid(grid) => return self.decode_scaled(&grid, at, to, out),
            Scale::Exponents(exponents) => return self.decode_mxfp4(exponents, at, to, out),
            Scale::Own => {}
        }
        let (Some(begin), Some(run)) = (self.encoding.bytes(at), self.encoding.bytes(RUN)) else { return };
        let src = &self.bytes[begin..];
        if !self.plus_one {
            return convert_run(self.encoding, src, to, out);
        }
        let size = to.bits() / 8;
        for (o, s) in out.chunks_mut(RUN * size).zip(src.chunks(run)) {
            let mut values = [0f32; RUN];
            let values = &mut values[..o.len() / size];
            convert_run(self.encoding, s, DType::F32, cast_slice_mut(values));
            values.iter_mut().for_each(|v| *v -= 1.0);
            store(values, to, o);
        }
    }

    fn decode_scaled(&self, grid: &Grid, mut at: usize, to: DType, mut out: &mut [u8]) {
        let size = to.bits() / 8;
        let ([rows, columns], [high, wide]) = (grid.matrix, grid.block);
        let (down, across) = (rows.div_ceil(high), columns.div_ceil(wide));
        while !out.is_empty() {
            let (row, column) = (at / columns, at % columns);
            let block = (row / rows * down + row % rows / high) * across + column / wide;
            let n = (out.len() / size).min(columns - column).min(wide - column % wide).min(RUN);
            let mut values = [0f32; RUN];
            let values = &mut values[..n];
            match self.encoding {
                Encoding::Packed(bits) => unpack(bits, at, self.bytes, values),
                Encoding::Scaled(dtype) => decode(Encoding::Plain(dtype), &self.bytes[at..], values),
                _ => unreachable!("no other has scales in a grid"),
            }
            values.iter_mut().for_each(|v| *v *= grid.scales[block]);
            store(values, to, &mut out[..n * size]);
            out = &mut out[n * size..];
            at += n;
        }
    }

    fn decode_mxfp4(&self, exponents: &[u8], at: usize, to: DType, out: &mut [u8]) {
        let size = to.bits() / 8;
        let packed = self.bytes[at / 2..].chunks_exact(MX / 2);
        for ((o, packed), exponent) in out.chunks_exact_mut(MX * size).zip(packed).zip(&exponents[at / MX..]) {
            let (mut values, scale) = ([0f32; MX], power_of_two(*exponent));
            for (pair, byte) in values.as_chunks_mut::<2>().0.iter_mut().zip(packed) {
                *pair = [byte & 15, byte >> 4].map(|bits| FP4[usize::from(bits)] * scale);
            }
            store(&values, to, o);
        }
    }
}

/// Integers of 4 or 8 bits, from number `at` on.
fn unpack(bits: u8, at: usize, bytes: &[u8], out: &mut [f32]) {
    for (i, o) in (at..).zip(out) {
        *o = match bits {
            4 => f32::from(bytes[i / 2] >> (i % 2 * 4) & 15) - 8.0,
            _ => f32::from(bytes[i]) - 128.0,
        };
    }
}

/// The values of 4 bits: sign, two of exponent, one of mantissa.
const FP4: [f32; 16] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

/// An exponent alone, with a bias of 127 (E8M0); all ones is NaN.
pub(super) fn power_of_two(exponent: u8) -> f32 {
    match exponent {
        0 => f32::from_bits(1 << 22),
        255 => f32::NAN,
        e => f32::from_bits(u32::from(e) << 23),
    }
}

/// Converts consecutive values that have no scales, as many as `out` holds; `src` may go on behind them.
fn convert_run(from: Encoding, src: &[u8], to: DType, out: &mut [u8]) {
    let Some(src) = from.bytes(out.len() / (to.bits() / 8)).and_then(|n| src.get(..n)) else { return };
    match from {
        Encoding::Plain(dtype) if dtype == to => out.copy_from_slice(src),
        Encoding::Plain(DType::F64) => narrow_f64(src, to, out),
        _ => {
            let size = to.bits() / 8;
            let mut values = [0f32; RUN];
            let step = from.bytes(RUN).unwrap_or(RUN);
            for (s, o) in src.chunks(step).zip(out.chunks_mut(RUN * size)) {
                let values = &mut values[..o.len() / size];
                decode(from, s, values);
                store(values, to, o);
            }
        }
    }
}

fn decode(from: Encoding, src: &[u8], out: &mut [f32]) {
    match from {
        Encoding::Blocks(block) => block.decode(src, out),
        Encoding::Plain(DType::F32) => cast_slice_mut::<f32, u8>(out).copy_from_slice(src),
        Encoding::Plain(DType::F16) => {
            let mut halves = [f16::ZERO; RUN];
            let halves = &mut halves[..out.len()];
            cast_slice_mut::<f16, u8>(halves).copy_from_slice(src);
            halves.convert_to_f32_slice(out);
        }
        Encoding::Plain(DType::BF16) => {
            for (s, o) in src.chunks_exact(2).zip(out) {
                *o = f32::from_bits(u32::from(u16::from_le_bytes([s[0], s[1]])) << 16);
            }
        }
        Encoding::Plain(dtype) if is_small(dtype) => {
            let values = values_of(dtype);
            out.iter_mut().zip(src).for_each(|(o, s)| *o = values[usize::from(*s)]);
        }
        Encoding::Plain(DType::I8) => out.iter_mut().zip(src).for_each(|(o, s)| *o = f32::from(*s as i8)),
        Encoding::Scaled(_) | Encoding::Mxfp4 | Encoding::Packed(_) => unreachable!("these have scales"),
        Encoding::Plain(_) | Encoding::Opaque(_) => unreachable!("`convertible` admits only floats"),
    }
}

fn store(values: &[f32], to: DType, out: &mut [u8]) {
    match to {
        DType::F32 => out.copy_from_slice(cast_slice(values)),
        DType::F16 => {
            let mut halves = [f16::ZERO; RUN];
            let halves = &mut halves[..values.len()];
            halves.convert_from_f32_slice(values);
            out.copy_from_slice(cast_slice(halves));
        }
        DType::BF16 => {
            for (v, o) in values.iter().zip(out.chunks_exact_mut(2)) {
                o.copy_from_slice(&bf16::from_f32(*v).to_le_bytes());
            }
        }
        DType::F64 => {
            for (v, o) in values.iter().zip(out.chunks_exact_mut(8)) {
                o.copy_from_slice(&f64::from(*v).to_le_bytes());
            }
        }
        _ => unreachable!("`convertible` admits four targets"),
    }
}

/// From f64 in one rounding.
fn narrow_f64(src: &[u8], to: DType, out: &mut [u8]) {
    let values = src.as_chunks::<8>().0.iter().map(|s| f64::from_le_bytes(*s));
    match to {
        DType::F32 => values.zip(out.as_chunks_mut().0).for_each(|(v, o)| *o = (v as f32).to_le_bytes()),
        DType::F16 => values.zip(out.as_chunks_mut().0).for_each(|(v, o)| *o = f16::from_f32(to_odd(v)).to_le_bytes()),
        DType::BF16 => {
            values.zip(out.as_chunks_mut().0).for_each(|(v, o)| *o = bf16::from_f32(to_odd(v)).to_le_bytes())
        }
        _ => unreachable!("`convertible` admits four targets"),
    }
}

/// The f32 next to `v` whose last bit is odd, unless `v` is an f32 itself. Rounding that to half the bits gives what
/// rounding `v` would give; rounding the nearest f32 may not, since it can lie on a midpoint that `v` does not.
fn to_odd(v: f64) -> f32 {
    let near = v as f32;
    let bits = near.to_bits();
    if f64::from(near) == v || v.is_nan() || bits & 1 == 1 {
        near
    } else if f64::from(near).abs() < v.abs() {
        f32::from_bits(bits + 1)
    } else {
        f32::from_bits(bits - 1)
    }
}

/// A float of 8 bits.
fn is_small(dtype: DType) -> bool {
    dtype.is_float() && dtype.bits() == 8
}
/// What the codes of a float of 8 bits mean.
fn values_of(dtype: DType) -> &'static [f32; 256] {
    static TABLES: [OnceLock<[f32; 256]>; DType::ALL.len()] = [const { OnceLock::new() }; DType::ALL.len()];
    TABLES[dtype as usize]
        .get_or_init(|| std::array::from_fn(|bits| raxla::host::float_from_bits(dtype, bits as u64) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f8e4m3fn_has_the_values_of_its_specification() {
        for (bits, value) in
            [(0x00, 0.0), (0x01, 0.001953125), (0x08, 0.015625), (0x38, 1.0), (0x7e, 448.0), (0xb8, -1.0)]
        {
            assert_eq!(values_of(DType::F8E4M3FN)[bits], value, "{bits:#04x}");
        }
        assert!(values_of(DType::F8E4M3FN)[0x7f].is_nan() && values_of(DType::F8E4M3FN)[0xff].is_nan());
        assert!(values_of(DType::F8E4M3FN)[0x80].is_sign_negative());
    }

    #[test]
    fn f64_is_rounded_once() {
        let read = |value: f64, to| {
            let mut out = [0; 2];
            Values::plain(DType::F64, &value.to_le_bytes()).decode_any(0, to, &mut out);
            out
        };
        let tiny = 0.5f64.powi(40);
        // Beside the midpoint of two neighbours, by less than f32 can tell.
        for (beside, expected) in [(1.0 + tiny, 1.0 + 0.5f32.powi(7)), (1.0, 1.0), (1.0 - tiny, 1.0)] {
            assert_eq!(bf16::from_le_bytes(read(beside + 0.5f64.powi(8), DType::BF16)).to_f32(), expected);
        }
        for (beside, expected) in [(-1.0 - tiny, -1.0 - 0.5f32.powi(10)), (-1.0, -1.0), (-1.0 + tiny, -1.0)] {
            assert_eq!(f16::from_le_bytes(read(beside - 0.5f64.powi(11), DType::F16)).to_f32(), expected);
        }
        assert_eq!(f16::from_le_bytes(read(1e300, DType::F16)), f16::INFINITY);
        assert_eq!(f16::from_le_bytes(read(1e-300, DType::F16)), f16::ZERO);
        assert!(bf16::from_le_bytes(read(f64::NAN, DType::BF16)).is_nan());
    }
}
