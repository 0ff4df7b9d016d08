//! The block formats of ggml, decoded to f32 with the arithmetic of ggml's reference code, bit for bit.
//!
//! A block holds 32 or 256 consecutive values of a row: small numbers, one or two scales (mostly f16), and (for the `_K`
//! formats) integer sub-scales. A value is always `scale * q`, or `scale * q` plus or minus an offset, rounded after
//! each step.

use half::f16;

/// A ggml block format that raxla can decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types)]
pub enum Block {
    /// 4 bits, one scale.
    Q4_0,
    /// 4 bits, scale and minimum.
    Q4_1,
    /// 5 bits, one scale.
    Q5_0,
    /// 5 bits, scale and minimum.
    Q5_1,
    /// 8 bits, one scale.
    Q8_0,
    /// 4 bits that choose one of 16 numbers, one scale.
    IQ4_NL,
    /// 4-bit floats, a power of two as their scale. (OCP Microscaling Formats 1.0.)
    MXFP4,
    /// 2 bits, 16 sub-blocks with 4-bit scales and minima.
    Q2_K,
    /// 3 bits, 16 sub-blocks with 6-bit scales.
    Q3_K,
    /// 4 bits, 8 sub-blocks with 6-bit scales and minima.
    Q4_K,
    /// 5 bits, 8 sub-blocks with 6-bit scales and minima.
    Q5_K,
    /// 6 bits, 16 sub-blocks with 8-bit scales.
    Q6_K,
    /// 4 bits that choose one of 16 numbers, 8 sub-blocks with 6-bit scales.
    IQ4_XS,
}

impl Block {
    /// How many values one block holds.
    pub const fn values(self) -> usize {
        match self {
            Block::Q4_0 | Block::Q4_1 | Block::Q5_0 | Block::Q5_1 | Block::Q8_0 | Block::IQ4_NL | Block::MXFP4 => 32,
            Block::Q2_K | Block::Q3_K | Block::Q4_K | Block::Q5_K | Block::Q6_K | Block::IQ4_XS => 256,
        }
    }

    /// How many bytes one block takes.
    pub const fn bytes(self) -> usize {
        match self {
            Block::Q4_0 => 2 + 16,
            Block::Q4_1 => 4 + 16,
            Block::Q5_0 => 2 + 4 + 16,
            Block::Q5_1 => 4 + 4 + 16,
            Block::Q8_0 => 2 + 32,
            Block::IQ4_NL => 2 + 16,
            Block::MXFP4 => 1 + 16,
            Block::Q2_K => 16 + 64 + 4,
            Block::Q3_K => 32 + 64 + 12 + 2,
            Block::Q4_K => 4 + 12 + 128,
            Block::Q5_K => 4 + 12 + 32 + 128,
            Block::Q6_K => 128 + 64 + 16 + 2,
            Block::IQ4_XS => 2 + 2 + 4 + 128,
        }
    }

    /// The name ggml gives the format.
    pub const fn name(self) -> &'static str {
        match self {
            Block::Q4_0 => "Q4_0",
            Block::Q4_1 => "Q4_1",
            Block::Q5_0 => "Q5_0",
            Block::Q5_1 => "Q5_1",
            Block::Q8_0 => "Q8_0",
            Block::IQ4_NL => "IQ4_NL",
            Block::MXFP4 => "MXFP4",
            Block::Q2_K => "Q2_K",
            Block::Q3_K => "Q3_K",
            Block::Q4_K => "Q4_K",
            Block::Q5_K => "Q5_K",
            Block::Q6_K => "Q6_K",
            Block::IQ4_XS => "IQ4_XS",
        }
    }

    /// Decodes whole blocks: `src` holds `out.len() / self.values()` of them. Surplus bytes or values are left alone.
    pub fn decode(self, src: &[u8], out: &mut [f32]) {
        let decode_one = match self {
            Block::Q4_0 => q4_0,
            Block::Q4_1 => q4_1,
            Block::Q5_0 => q5_0,
            Block::Q5_1 => q5_1,
            Block::Q8_0 => q8_0,
            Block::IQ4_NL => iq4_nl,
            Block::MXFP4 => mxfp4,
            Block::Q2_K => q2_k,
            Block::Q3_K => q3_k,
            Block::Q4_K => q4_k,
            Block::Q5_K => q5_k,
            Block::Q6_K => q6_k,
            Block::IQ4_XS => iq4_xs,
        };
        for (block, values) in src.chunks_exact(self.bytes()).zip(out.chunks_exact_mut(self.values())) {
            decode_one(block, values);
        }
    }
}

/// The f16 at byte `at`.
fn half_at(b: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([b[at], b[at + 1]]).to_f32()
}

/// The first half of the values sits in the low nibbles, the second half in the high ones.
fn q4_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    let (low, high) = y.split_at_mut(16);
    for ((q, l), h) in b[2..18].iter().zip(low).zip(high) {
        *l = d * f32::from((q & 15) as i8 - 8);
        *h = d * f32::from((q >> 4) as i8 - 8);
    }
}

fn q4_1(b: &[u8], y: &mut [f32]) {
    let (d, m) = (half_at(b, 0), half_at(b, 2));
    let (low, high) = y.split_at_mut(16);
    for ((q, l), h) in b[4..20].iter().zip(low).zip(high) {
        *l = d * f32::from(q & 15) + m;
        *h = d * f32::from(q >> 4) + m;
    }
}

/// The fifth bits of the 32 values, in the order of the values.
fn fifth_bits(b: &[u8]) -> u32 {
    u32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

fn q5_0(b: &[u8], y: &mut [f32]) {
    let (d, fifth) = (half_at(b, 0), fifth_bits(&b[2..]));
    let (low, high) = y.split_at_mut(16);
    for (i, ((q, l), h)) in b[6..22].iter().zip(low).zip(high).enumerate() {
        let (f, g) = ((fifth >> i & 1) as u8, (fifth >> (i + 16) & 1) as u8);
        *l = d * f32::from((q & 15 | f << 4) as i8 - 16);
        *h = d * f32::from((q >> 4 | g << 4) as i8 - 16);
    }
}

fn q5_1(b: &[u8], y: &mut [f32]) {
    let (d, m, fifth) = (half_at(b, 0), half_at(b, 2), fifth_bits(&b[4..]));
    let (low, high) = y.split_at_mut(16);
    for (i, ((q, l), h)) in b[8..24].iter().zip(low).zip(high).enumerate() {
        let (f, g) = ((fifth >> i & 1) as u8, (fifth >> (i + 16) & 1) as u8);
        *l = d * f32::from(q & 15 | f << 4) + m;
        *h = d * f32::from(q >> 4 | g << 4) + m;
    }
}

fn q8_0(b: &[u8], y: &mut [f32]) {
    let d = half_at(b, 0);
    for (q, y) in b[2..34].iter().zip(y) {
        *y = f32::from(*q as i8) * d;
    }
}

/// The numbers that IQ4_NL and IQ4_XS choose from: finer near 0, as weights are.
pub(super) const NON_LINEAR: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// 32 values, chosen by the low halves of 16 bytes and then by the high ones.
fn chosen(bytes: &[u8], scale: f32, y: &mut [f32]) {
    let number = |q: u8| f32::from(NON_LINEAR[usize::from(q & 15)]);
    let (low, high) = y.split_at_mut(16);
    for ((q, l), h) in bytes.iter().zip(low).zip(high) {
        *l = scale * number(*q);
        *h = scale * number(q >> 4);
    }
}

fn iq4_nl(b: &[u8], y: &mut [f32]) {
    chosen(&b[2..18], half_at(b, 0), y);
}

/// Twice the values of 4 bits: sign, two of exponent, one of mantissa.
pub(super) const FP4: [f32; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0];

/// Half of the power of two that an exponent with a bias of 127 stands for.
pub(super) fn half_of_power(exponent: u8) -> f32 {
    match exponent {
        0 | 1 => f32::from_bits(1 << (21 + exponent)),
        e => f32::from_bits(u32::from(e - 1) << 23),
    }
}

fn mxfp4(b: &[u8], y: &mut [f32]) {
    let d = half_of_power(b[0]);
    let (low, high) = y.split_at_mut(16);
    for ((q, l), h) in b[1..17].iter().zip(low).zip(high) {
        *l = d * FP4[usize::from(q & 15)];
        *h = d * FP4[usize::from(q >> 4)];
    }
}

fn iq4_xs(b: &[u8], y: &mut [f32]) {
    let (d, low, qs) = (half_at(b, 0), &b[4..8], &b[8..136]);
    let high = u16::from_le_bytes([b[2], b[3]]);
    for (sub, y) in y.chunks_exact_mut(32).enumerate() {
        let nibble = low[sub / 2] >> (sub % 2 * 4) & 15;
        let pair = (high >> (2 * sub) & 3) as u8;
        let scale = d * f32::from((nibble | pair << 4) as i8 - 32);
        chosen(&qs[sub * 16..][..16], scale, y);
    }
}

fn q2_k(b: &[u8], y: &mut [f32]) {
    let (scales, qs) = (&b[..16], &b[16..80]);
    let (d, dmin) = (half_at(b, 80), half_at(b, 82));
    for (sub, y) in y.chunks_exact_mut(16).enumerate() {
        // 128 values share 32 bytes of quants: each byte holds one value of every second sub-block, 2 bits apiece.
        let (bytes, shift) = (&qs[sub / 8 * 32 + sub % 2 * 16..][..16], sub % 8 / 2 * 2);
        let (scale, min) = (d * f32::from(scales[sub] & 15), dmin * f32::from(scales[sub] >> 4));
        for (q, y) in bytes.iter().zip(y) {
            *y = scale * f32::from(q >> shift & 3) - min;
        }
    }
}

fn q3_k(b: &[u8], y: &mut [f32]) {
    let (high, qs, packed) = (&b[..32], &b[32..96], &b[96..108]);
    let d = half_at(b, 108);
    for (sub, y) in y.chunks_exact_mut(16).enumerate() {
        let low_scale = packed[sub % 8] >> (sub / 8 * 4) & 15;
        let high_scale = packed[8 + sub % 4] >> (sub / 4 * 2) & 3;
        let scale = d * f32::from((low_scale | high_scale << 4) as i8 - 32);
        let column = sub % 2 * 16;
        let (bytes, shift) = (&qs[sub / 8 * 32 + column..][..16], sub % 8 / 2 * 2);
        for ((q, h), y) in bytes.iter().zip(&high[column..column + 16]).zip(y) {
            // A set high bit means "no offset": the third bit is stored inverted.
            let offset = 4 * (1 - (h >> (sub / 2) & 1) as i8);
            *y = scale * f32::from((q >> shift & 3) as i8 - offset);
        }
    }
}

/// The 6-bit scale and minimum of sub-block `sub`, as Q4_K and Q5_K pack them into 12 bytes.
pub(super) fn scale_and_min(packed: &[u8], sub: usize) -> (f32, f32) {
    let (scale, min) = if sub < 4 {
        (packed[sub] & 63, packed[sub + 4] & 63)
    } else {
        let low = packed[sub + 4];
        (low & 15 | packed[sub - 4] >> 6 << 4, low >> 4 | packed[sub] >> 6 << 4)
    };
    (f32::from(scale), f32::from(min))
}

fn q4_k(b: &[u8], y: &mut [f32]) {
    let (d, dmin) = (half_at(b, 0), half_at(b, 2));
    let (packed, qs) = (&b[4..16], &b[16..144]);
    for (sub, y) in y.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_and_min(packed, sub);
        let (scale, min) = (d * scale, dmin * min);
        let (bytes, shift) = (&qs[sub / 2 * 32..][..32], sub % 2 * 4);
        for (q, y) in bytes.iter().zip(y) {
            *y = scale * f32::from(q >> shift & 15) - min;
        }
    }
}

fn q5_k(b: &[u8], y: &mut [f32]) {
    let (d, dmin) = (half_at(b, 0), half_at(b, 2));
    let (packed, high, qs) = (&b[4..16], &b[16..48], &b[48..176]);
    for (sub, y) in y.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_and_min(packed, sub);
        let (scale, min) = (d * scale, dmin * min);
        let (bytes, shift) = (&qs[sub / 2 * 32..][..32], sub % 2 * 4);
        for ((q, h), y) in bytes.iter().zip(high).zip(y) {
            *y = scale * f32::from(q >> shift & 15 | (h >> sub & 1) << 4) - min;
        }
    }
}

fn q6_k(b: &[u8], y: &mut [f32]) {
    let (low, high, scales) = (&b[..128], &b[128..192], &b[192..208]);
    let d = half_at(b, 208);
    for (run, y) in y.chunks_exact_mut(32).enumerate() {
        // 128 values share 64 bytes of low nibbles and 32 bytes of high bit pairs.
        let (half, part) = (run / 4, run % 4);
        let nibbles = &low[half * 64 + part % 2 * 32..][..32];
        let pairs = &high[half * 32..][..32];
        for (i, y) in y.iter_mut().enumerate() {
            let q = nibbles[i] >> (part / 2 * 4) & 15 | (pairs[i] >> (part * 2) & 3) << 4;
            *y = d * f32::from(scales[run * 2 + i / 16] as i8) * f32::from(q as i8 - 32);
        }
    }
}
