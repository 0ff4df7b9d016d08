//! How matrices of weights are packed for the kernels.
//!
//! A matrix `[k, n]` (inputs, outputs) lies in tiles of 16 outputs. A tile is a row of blocks, each with so many inputs of all 16
//! outputs; within a block the 16 outputs stand side by side, so that one vector register holds one number of each. What is packed
//! is an array of bytes `[tiles, blocks, bytes of a block]`. Where outputs or inputs end within a tile or a block, zeros follow.
//!
//! | format | a block | bits a weight |
//! |---|---|---|
//! | `F32` | 32 inputs: 32 times 16 numbers | 32 |
//! | `BF16`, `F16` | 32 inputs: 16 times 16 pairs of numbers (what `vdpbf16ps` and AMX multiply) | 16 |
//! | `INT8`, `INT4` | 32 inputs: 16 f32 scales; bytes as `Q8_0`, nibbles as `Q4_0` | 9, 5 |
//! | `Q8_0` | 32 inputs: 16 f16 scales; 8 times 16 words of 4 bytes with sign | 8.5 |
//! | `Q4_0`, `IQ4_NL` | 16 f16 scales; 4 times 16 words of 8 nibbles | 4.5 |
//! | `Q4_1` | 16 f16 scales, 16 f16 offsets; nibbles | 5 |
//! | `Q5_0`, `Q5_1` | as `Q4_0`, `Q4_1`; then 16 words with the fifth bit of each input ([`upper_place`]) | 5.5, 6 |
//! | `MXFP4` | 16 exponents of a byte; nibbles that choose from a table | 4.25 |
//! | `Q4_K` | 256 inputs: 16 f16 scales, 16 f16 scales of offsets; 8 times 16 scales and 16 offsets of a byte; nibbles | 4.625 |
//! | `Q5_K` | as `Q4_K`; fifth bits | 5.625 |
//! | `Q6_K` | 256 inputs: 16 f16 scales; 16 times 16 scales of a byte with sign; nibbles; 16 pairs of words with the upper two bits | 6.5625 |
//!
//! The formats with blocks are those of ggml (llama.cpp, ggml-common.h); the numbers are the same, only their places differ. `INT8` and
//! `INT4` are symmetric integers as compressed-tensors has them: groups of any multiple of 32 inputs, or whole rows, repeat their
//! scale in each block.
use half::f16;

/// Outputs of a tile.
pub const TILE: usize = 16;

/// How the numbers of a packed matrix are written. See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(non_camel_case_types, missing_docs)]
pub enum Format {
    F32,
    BF16,
    F16,
    INT8,
    INT4,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    IQ4_NL,
    MXFP4,
    Q4_K,
    Q5_K,
    Q6_K,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 15] = [
        Format::F32,
        Format::BF16,
        Format::F16,
        Format::INT8,
        Format::INT4,
        Format::Q8_0,
        Format::Q4_0,
        Format::Q4_1,
        Format::Q5_0,
        Format::Q5_1,
        Format::IQ4_NL,
        Format::MXFP4,
        Format::Q4_K,
        Format::Q5_K,
        Format::Q6_K,
    ];
    /// The name, as ggml and safetensors have it.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
    /// The format of this name.
    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|f| f.name() == name)
    }
    /// How many inputs a block has.
    pub const fn inputs(self) -> usize {
        match self {
            Format::Q4_K | Format::Q5_K | Format::Q6_K => 256,
            _ => 32,
        }
    }
    /// How many bytes a block of a tile takes.
    pub const fn bytes(self) -> usize {
        match self {
            Format::F32 => 32 * 64,
            Format::BF16 | Format::F16 => 16 * 64,
            Format::INT8 => 64 + 8 * 64,
            Format::INT4 => 64 + 4 * 64,
            Format::Q8_0 => 32 + 8 * 64,
            Format::Q4_0 | Format::IQ4_NL => 32 + 4 * 64,
            Format::Q4_1 => 64 + 4 * 64,
            Format::Q5_0 => 32 + 4 * 64 + 64,
            Format::Q5_1 => 64 + 4 * 64 + 64,
            Format::MXFP4 => 16 + 4 * 64,
            Format::Q4_K => 64 + 8 * 32 + 8 * 256,
            Format::Q5_K => 64 + 8 * 32 + 8 * 256 + 8 * 64,
            Format::Q6_K => 32 + 16 * 16 + 8 * 256 + 8 * 128,
        }
    }
    /// The shape of a packed matrix of `k` inputs and `n` outputs: tiles, blocks, bytes.
    pub fn dims(self, k: usize, n: usize) -> [usize; 3] {
        [n.div_ceil(TILE), k.div_ceil(self.inputs()), self.bytes()]
    }
    /// Bytes of one output's block as a file holds it; of `INT8` and `INT4` the scale, then bytes, or nibbles in the order of `Q4_0`.
    pub const fn stored_bytes(self) -> usize {
        match self {
            Format::F32 => 32 * 4,
            Format::BF16 | Format::F16 => 32 * 2,
            Format::INT8 => 4 + 32,
            Format::INT4 => 4 + 16,
            Format::Q8_0 => 2 + 32,
            Format::Q4_0 | Format::IQ4_NL => 2 + 16,
            Format::Q4_1 => 4 + 16,
            Format::Q5_0 => 2 + 4 + 16,
            Format::Q5_1 => 4 + 4 + 16,
            Format::MXFP4 => 1 + 16,
            Format::Q4_K => 4 + 12 + 128,
            Format::Q5_K => 4 + 12 + 32 + 128,
            Format::Q6_K => 128 + 64 + 16 + 2,
        }
    }
    /// Are its numbers floats one by one, without scales?
    pub const fn is_plain(self) -> bool {
        matches!(self, Format::F32 | Format::BF16 | Format::F16)
    }
}

/// The numbers that IQ4_NL chooses from.
pub const IQ4_NL: [f32; 16] =
    [-127., -104., -83., -65., -49., -35., -22., -10., 1., 13., 25., 38., 53., 69., 89., 113.];
/// Twice the numbers of MXFP4 (E2M1).
pub const MXFP4: [f32; 16] = [0., 1., 2., 3., 4., 6., 8., 12., 0., -1., -2., -3., -4., -6., -8., -12.];
/// What Q4_0 has.
pub const CENTERED: [f32; 16] = [-8., -7., -6., -5., -4., -3., -2., -1., 0., 1., 2., 3., 4., 5., 6., 7.];
/// Nibbles themselves.
pub const COUNTING: [f32; 16] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];

/// Half of the power of two of an MXFP4 block: the table holds twice the numbers.
pub fn half_exponent(e: u8) -> f32 {
    // 2^(e - 127) / 2; below the normal numbers by hand
    f32::from_bits(if e < 2 { 0x0020_0000 << e } else { u32::from(e - 1) << 23 })
}

/// Where in a word what stands above the nibble of input `i` is, so many bits: those of four inputs in the four bytes, and those of the
/// next four above them. So all four come to their nibbles by one shift.
pub const fn upper_place(i: usize, bits: usize) -> usize {
    8 * (i % 4) + bits * (i / 4)
}

fn half_at(b: &[u8], at: usize) -> [u8; 2] {
    [b[at], b[at + 1]]
}

/// The numbers of a packed matrix `[k, n]`, row-major: what the kernels multiply with. `packed` is an array of
/// [`Format::dims`].
pub fn unpack(format: Format, packed: &[u8], k: usize, n: usize) -> Vec<f32> {
    let ([tiles, blocks, bytes], per_block) = (format.dims(k, n), format.inputs());
    let mut out = vec![0.0; k * n];
    for tile in 0..tiles {
        for block in 0..blocks {
            let b = &packed[(tile * blocks + block) * bytes..][..bytes];
            for lane in 0..TILE.min(n - tile * TILE) {
                for i in 0..per_block.min(k - block * per_block) {
                    out[(block * per_block + i) * n + tile * TILE + lane] = value(format, b, lane, i);
                }
            }
        }
    }
    out
}

/// Number `i` of one output of a packed block.
fn value(format: Format, b: &[u8], lane: usize, i: usize) -> f32 {
    let half = |at: usize| f16::from_le_bytes(half_at(b, at + 2 * lane)).to_f32();
    let word = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
    // nibbles lie in words of 8: those of even numbers in the lower halves of the bytes come first
    let nibble = |at: usize| {
        let (j, w) = (i % 8, word(at + i / 8 * 64 + 4 * lane));
        let place = if j < 4 { 2 * j } else { 2 * (j - 4) + 1 };
        (w >> (4 * place) & 15) as usize
    };
    let fifth = |at: usize, i: usize| (word(at + i / 32 * 64 + 4 * lane) >> upper_place(i % 32, 1) & 1) as usize;
    match format {
        Format::F32 => f32::from_bits(word(i * 64 + 4 * lane)),
        Format::BF16 | Format::F16 => {
            let bits = half_at(b, i / 2 * 64 + 4 * lane + i % 2 * 2);
            if format == Format::F16 {
                f16::from_le_bytes(bits).to_f32()
            } else {
                half::bf16::from_le_bytes(bits).to_f32()
            }
        }
        Format::INT8 => f32::from_bits(word(4 * lane)) * f32::from(b[64 + i / 4 * 64 + 4 * lane + i % 4] as i8),
        Format::INT4 => f32::from_bits(word(4 * lane)) * CENTERED[nibble(64)],
        Format::Q8_0 => half(0) * f32::from(b[32 + i / 4 * 64 + 4 * lane + i % 4] as i8),
        Format::Q4_0 => half(0) * CENTERED[nibble(32)],
        Format::IQ4_NL => half(0) * IQ4_NL[nibble(32)],
        Format::MXFP4 => half_exponent(b[lane]) * MXFP4[nibble(16)],
        Format::Q4_1 => half(0) * COUNTING[nibble(64)] + half(32),
        Format::Q5_0 => half(0) * ((nibble(32) | fifth(32 + 256, i) << 4) as f32 - 16.0),
        Format::Q5_1 => half(0) * (nibble(64) | fifth(64 + 256, i) << 4) as f32 + half(32),
        Format::Q4_K | Format::Q5_K => {
            let (sub, quants) = (i / 32, 64 + 8 * 32);
            let (scale, min) = (f32::from(b[64 + 32 * sub + lane]), f32::from(b[64 + 32 * sub + 16 + lane]));
            // (of Q5_K, a sub-block's fifth bits stand before its nibbles)
            let number = match format {
                Format::Q4_K => nibble(quants),
                _ => nibble(quants + 64 + 64 * sub) | fifth(quants + 256 * sub, i) << 4,
            };
            half(0) * scale * number as f32 - half(32) * min
        }
        Format::Q6_K => {
            let (sub, quants) = (i / 16, 32 + 256);
            let scale = f32::from(b[32 + 16 * sub + lane] as i8);
            let pair = word(quants + sub * 192 + 4 * lane) >> upper_place(i % 16, 2) & 3;
            half(0) * scale * ((nibble(quants + 64 + 64 * sub) | (pair as usize) << 4) as f32 - 32.0)
        }
    }
}
