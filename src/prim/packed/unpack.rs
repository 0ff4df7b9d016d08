//! Packed matrices as numbers, in operations that every platform has: the meaning of a kernel where there is none, and derivatives.
use crate::{
    aval::DType,
    host::Host,
    ops::shape::concat,
    prim::{self, Format, IndexMode, literal},
    trace::{At, Tensor},
};
use raxla_kernels::format::{CENTERED, COUNTING, IQ4_NL, MXFP4, TILE};

/// The numbers of a packed matrix, u8 `[tiles, blocks, bytes]`, as f32 `[k, n]`.
#[track_caller]
pub fn unpack(bytes: Tensor, format: Format, [k, n]: [usize; 2]) -> Tensor {
    let _at = At::op("unpack");
    let [tiles, blocks, _] = bytes.shape();
    let values = in_blocks(bytes, format);
    let all = values.transpose([1, 2, 0, 3]).reshape([blocks * format.inputs(), tiles * TILE]);
    all.slice_axis(0, ..k).slice_axis(1, ..n)
}

/// Of a packed matrix `[k, n]`, the outputs of these numbers, i32 `[..]`, as f32 `[.., k]`: rows of an embedding. Numbers beyond the
/// last are the last.
#[track_caller]
pub fn take_packed(bytes: Tensor, format: Format, [k, n]: [usize; 2], numbers: Tensor) -> Tensor {
    let _at = At::op("take_packed");
    let dims = numbers.dims();
    let count: usize = dims.iter().product();
    let numbers = numbers.reshape([count]).maximum(0).minimum(n.saturating_sub(1) as i32);
    let tiles = bytes.take_with(numbers / TILE, 0, IndexMode::Clip);
    let blocks = tiles.dim(1);
    let values = in_blocks(tiles, format).reshape([count, blocks * format.inputs(), TILE]).slice_axis(1, ..k);
    let lane = (numbers % TILE).reshape([count, 1, 1]);
    values.take_along_axis(lane.broadcast_to([count, k, 1]), -1).reshape([&dims[..], &[k]].concat())
}

/// f32 `[tiles, blocks, inputs of a block, 16]`.
fn in_blocks(bytes: Tensor, format: Format) -> Tensor {
    let [tiles, blocks, _] = bytes.shape();
    let b = Bytes { bytes, tiles, blocks };
    let all = |scale: Tensor| scale.expand_dims(2);
    match format {
        Format::F32 => b.part(0, 2048).reshape([tiles, blocks, 32, 16, 4]).bitcast(DType::F32),
        Format::BF16 | Format::F16 => {
            let dtype = if format == Format::F16 { DType::F16 } else { DType::BF16 };
            let pairs = b.part(0, 1024).reshape([tiles, blocks, 16, 16, 2, 2]).bitcast(dtype).cast(DType::F32);
            pairs.transpose([0, 1, 2, 4, 3]).reshape([tiles, blocks, 32, 16])
        }
        Format::INT8 => b.signed(64) * all(b.words(0)),
        Format::INT4 => b.chosen(64, &CENTERED) * all(b.words(0)),
        Format::Q8_0 => b.signed(32) * all(b.halves(0)),
        Format::Q4_0 => b.chosen(32, &CENTERED) * all(b.halves(0)),
        Format::IQ4_NL => b.chosen(32, &IQ4_NL) * all(b.halves(0)),
        Format::MXFP4 => {
            // the exponent of an f32; half of it is the table's
            let e = b.part(0, 16).cast(DType::I32);
            let normal = (e - 1).maximum(0) << 23;
            let bits = crate::ops::where_(e.lt(2), full_like(e, 0x0020_0000) << e.minimum(1), normal);
            b.chosen(16, &MXFP4) * all(bits.bitcast(DType::F32))
        }
        Format::Q4_1 => b.chosen(64, &COUNTING) * all(b.halves(0)) + all(b.halves(32)),
        Format::Q5_0 => (b.nibbles(32, 4) + b.upper(288, 1, 1) - 16).cast(DType::F32) * all(b.halves(0)),
        Format::Q5_1 => (b.nibbles(64, 4) + b.upper(320, 1, 1)).cast(DType::F32) * all(b.halves(0)) + all(b.halves(32)),
        Format::Q4_K | Format::Q5_K => {
            let quants = match format {
                Format::Q4_K => b.nibbles(320, 32),
                _ => b.parts(320, 8, 320, |sub| sub.nibbles(64, 4) + sub.upper(0, 1, 1)),
            };
            let scales = b.part(64, 256).reshape([tiles, blocks, 8, 2, 16]).cast(DType::F32);
            let of = |i: usize, head: usize| {
                let scale = scales.slice_axis(3, i..i + 1) * b.halves(head).reshape([tiles, blocks, 1, 1, 16]);
                scale.broadcast_to([tiles, blocks, 8, 32, 16]).reshape([tiles, blocks, 256, 16])
            };
            quants.cast(DType::F32) * of(0, 0) - of(1, 32)
        }
        Format::Q6_K => {
            let quants = b.parts(288, 16, 192, |sub| sub.nibbles(64, 2) + sub.upper(0, 1, 2));
            let quants = (quants - 32).cast(DType::F32);
            let scales = b.part(32, 256).reshape([tiles, blocks, 16, 1, 16]).bitcast(DType::I8).cast(DType::F32);
            let scales = scales * b.halves(0).reshape([tiles, blocks, 1, 1, 16]);
            quants * scales.broadcast_to([tiles, blocks, 16, 16, 16]).reshape([tiles, blocks, 256, 16])
        }
    }
}

fn full_like(x: Tensor, value: i32) -> Tensor {
    prim::full(x.dims(), DType::I32, f64::from(value))
}

#[derive(Clone, Copy)]
struct Bytes {
    bytes: Tensor,
    tiles: usize,
    blocks: usize,
}
impl Bytes {
    fn part(self, from: usize, length: usize) -> Tensor {
        self.bytes.slice_axis(2, from..from + length)
    }
    /// What becomes of each of so many parts of a block, i32 `[tiles, parts, numbers, 16]`, one behind the other.
    fn parts(self, from: usize, count: usize, length: usize, f: impl Fn(Bytes) -> Tensor) -> Tensor {
        let blocks = self.blocks * count;
        let bytes = self.part(from, count * length).reshape([self.tiles, blocks, length]);
        let numbers = f(Bytes { bytes, blocks, ..self });
        let each = numbers.dim(2);
        numbers.reshape([self.tiles, self.blocks, count * each, TILE])
    }
    /// 16 f16 as f32 `[tiles, blocks, 16]`.
    fn halves(self, from: usize) -> Tensor {
        self.part(from, 32).reshape([self.tiles, self.blocks, 16, 2]).bitcast(DType::F16).cast(DType::F32)
    }
    /// 16 f32 `[tiles, blocks, 16]`.
    fn words(self, from: usize) -> Tensor {
        self.part(from, 64).reshape([self.tiles, self.blocks, 16, 4]).bitcast(DType::F32)
    }
    /// 32 bytes with sign of each output as f32 `[tiles, blocks, 32, 16]`.
    fn signed(self, from: usize) -> Tensor {
        let quants =
            self.part(from, 512).reshape([self.tiles, self.blocks, 8, 16, 4]).bitcast(DType::I8).cast(DType::F32);
        quants.transpose([0, 1, 2, 4, 3]).reshape([self.tiles, self.blocks, 32, 16])
    }
    /// Nibbles of so many words a lane, i32 `[tiles, blocks, 8 * words, 16]`.
    fn nibbles(self, from: usize, words: usize) -> Tensor {
        let bytes = self.part(from, 64 * words).reshape([self.tiles, self.blocks, words, 16, 4]).cast(DType::I32);
        let both = concat(&[bytes & 15, bytes >> 4], -1);
        both.transpose([0, 1, 2, 4, 3]).reshape([self.tiles, self.blocks, 8 * words, 16])
    }
    /// What the nibbles choose from a table.
    fn chosen(self, from: usize, table: &[f32; 16]) -> Tensor {
        let table = literal(Host::floats(DType::F32, [16], table.iter().map(|x| f64::from(*x)).collect()));
        table.take_with(self.nibbles(from, 4), 0, IndexMode::Clip)
    }
    /// What stands above nibbles, `bits` of each number in so many words a lane, where it counts: i32 `[tiles, blocks, inputs, 16]`.
    fn upper(self, from: usize, words: usize, bits: i32) -> Tensor {
        let each = 32 / bits as usize;
        let all = self.part(from, 64 * words).reshape([self.tiles, self.blocks, words, 1, 16, 4]).bitcast(DType::U32);
        // (upper_place of the kernels)
        let number = prim::iota([1, 1, 1, each, 1], DType::U32, 3);
        let shift = (number & 3) * 8 + (number >> 2) * bits;
        let one = (all >> shift) & ((1 << bits) - 1);
        (one << 4).cast(DType::I32).reshape([self.tiles, self.blocks, words * each, 16])
    }
}
