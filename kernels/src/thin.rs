//! Products of a few vectors with a packed matrix: every number of the matrix is read once, decoded once, and multiplied with all
//! of them in f32.
#![allow(unsafe_op_in_unsafe_fn)]
use crate::{decode::Blocks, isa::Lanes};

/// Most vectors of one call.
pub const MOST: usize = 8;

/// Some vectors of inputs, each padded with zeros to whole blocks.
#[derive(Clone, Copy)]
pub struct Inputs {
    /// The first number of the first.
    pub x: *const f32,
    /// From one vector to the next.
    pub stride: usize,
    /// The sum of each sub-block's inputs, of the first vector. Read by formats with offsets.
    pub sums: *const f32,
    /// From one vector's sums to the next's.
    pub sums_stride: usize,
}

/// The 16 outputs of a tile of `blocks` blocks for `M` vectors, to `out`, `[M, 16]`.
///
/// # Safety
/// The tile and the inputs are whole; the processor has the instruction set.
pub type Tile = unsafe fn(tile: *const u8, blocks: usize, inputs: Inputs, out: *mut f32);

/// Asks for memory behind a part of a block, of as many parts as it has eights of inputs: a processor foresees reads only within a page of 4 KiB, and this is
/// before its end. Not for formats of fewer than 8 bits, which cost more to decode than to read.
#[inline(always)]
unsafe fn ahead<L: Lanes, B: Blocks<L>>(block: *const u8, part: usize) {
    const AHEAD: usize = 2048;
    const LINE: usize = 64;
    let parts = B::SUBS * B::INPUTS / 8;
    if B::BYTES / parts >= 2 * LINE {
        for line in (part * B::BYTES / parts..(part + 1) * B::BYTES / parts).step_by(LINE) {
            L::prefetch(block.wrapping_add(AHEAD + line));
        }
    }
}

#[inline(always)]
unsafe fn tile<L: Lanes, B: Blocks<L>, const M: usize, const P: usize>(
    tile: *const u8,
    blocks: usize,
    inputs: Inputs,
    out: *mut f32,
) {
    let zero = L::splat(0.0);
    let (mut total, mut acc) = ([zero; M], [[zero; P]; M]);
    for block in 0..blocks {
        let p = tile.add(block * B::BYTES);
        let head = B::head(p);
        for sub in 0..B::SUBS {
            let at = (block * B::SUBS + sub) * B::INPUTS;
            for eight in 0..B::INPUTS / 8 {
                ahead::<L, B>(p, sub * (B::INPUTS / 8) + eight);
                let values = B::eight(p, sub, eight);
                for (j, value) in values.into_iter().enumerate() {
                    for (m, acc) in acc.iter_mut().enumerate() {
                        let x = L::splat(*inputs.x.add(m * inputs.stride + at + eight * 8 + j));
                        acc[j % P] = L::fma(value, x, acc[j % P]);
                    }
                }
            }
            if B::SCALED {
                let (scale, offset) = B::scale(p, head, sub);
                for m in 0..M {
                    let mut sum = acc[m][0];
                    for part in 1..P {
                        sum = L::add(sum, acc[m][part]);
                    }
                    total[m] = L::fma(sum, scale, total[m]);
                    acc[m] = [zero; P];
                    if B::OFFSET {
                        let x = L::splat(*inputs.sums.add(m * inputs.sums_stride + block * B::SUBS + sub));
                        total[m] = L::fma(offset, x, total[m]);
                    }
                }
            }
        }
    }
    for m in 0..M {
        let mut sum = total[m];
        if !B::SCALED {
            for part in 0..P {
                sum = L::add(sum, acc[m][part]);
            }
        }
        L::store(out.add(16 * m), sum);
    }
}

/// Some vectors of inputs as bytes, each padded with zeros to whole blocks: a scale for each 32 of them.
#[derive(Clone, Copy)]
pub struct Bytes {
    /// The first number of the first.
    pub x: *const i8,
    /// From one vector to the next, a multiple of 32.
    pub stride: usize,
    /// From one level of all vectors to the next: what the level before has rounded away, [`LEVEL`] times as large.
    pub level: usize,
    /// What the numbers are multiplied with, one for each 32.
    pub scales: *const f32,
    /// The sum of each sub-block's numbers. From one level to the next are as many as there are sub-blocks in a level.
    pub sums: *const i32,
    /// The sum of each 32 numbers with their scale.
    pub offsets: *const f32,
}

/// What a level of bytes divides the last one of the level before by: of a remainder of half a unit it makes 127.
pub const LEVEL: f32 = 254.0;

/// As [`Tile`], of bytes.
///
/// # Safety
/// As for [`Tile`].
pub type ByteTile = unsafe fn(tile: *const u8, blocks: usize, inputs: Bytes, out: *mut f32);

/// Products of bytes are added in whole numbers within a sub-block, which loses nothing: only the inputs' rounding to bytes does.
#[inline(always)]
unsafe fn byte_tile<L: Lanes, B: Blocks<L>, const M: usize, const LEVELS: usize>(
    tile: *const u8,
    blocks: usize,
    inputs: Bytes,
    out: *mut f32,
) {
    let mut total = [L::splat(0.0); M];
    for block in 0..blocks {
        let p = tile.add(block * B::BYTES);
        let head = B::head(p);
        for sub in 0..B::SUBS {
            let index = block * B::SUBS + sub;
            let mut acc = [[L::splat_i(0); LEVELS]; M];
            if B::ZERO != 0 {
                for (m, acc) in acc.iter_mut().enumerate() {
                    for (level, acc) in acc.iter_mut().enumerate() {
                        let at = (level * inputs.level + m * inputs.stride) / B::INPUTS + index;
                        *acc = L::splat_i(-B::ZERO * *inputs.sums.add(at));
                    }
                }
            }
            for eight in 0..B::INPUTS / 8 {
                ahead::<L, B>(p, sub * (B::INPUTS / 8) + eight);
                let [a, b] = B::codes(p, sub, eight);
                for (m, acc) in acc.iter_mut().enumerate() {
                    for (level, acc) in acc.iter_mut().enumerate() {
                        let at = level * inputs.level + m * inputs.stride + index * B::INPUTS + eight * 8;
                        let x = inputs.x.add(at).cast::<i32>();
                        *acc = L::dot4(L::dot4(*acc, a, x.read_unaligned()), b, x.add(1).read_unaligned());
                    }
                }
            }
            let (scale, offset) = B::scale(p, head, sub);
            for m in 0..M {
                let at = m * inputs.stride / 32 + index * B::INPUTS / 32;
                let mut sum = L::to_f(acc[m][LEVELS - 1]);
                for level in (0..LEVELS - 1).rev() {
                    sum = L::fma(sum, L::splat(1.0 / LEVEL), L::to_f(acc[m][level]));
                }
                total[m] = L::fma(sum, L::mul(scale, L::splat(*inputs.scales.add(at))), total[m]);
                if B::OFFSET {
                    total[m] = L::fma(offset, L::splat(*inputs.offsets.add(at)), total[m]);
                }
            }
        }
    }
    for (m, total) in total.into_iter().enumerate() {
        L::store(out.add(16 * m), total);
    }
}

/// Numbers of a block to f32, `[inputs, 16]`: scaled, with offsets.
///
/// # Safety
/// As for [`Tile`].
pub type Panel = unsafe fn(tile: *const u8, blocks: usize, out: *mut f32);

#[inline(always)]
unsafe fn panel<L: Lanes, B: Blocks<L>>(tile: *const u8, blocks: usize, out: *mut f32) {
    for block in 0..blocks {
        let p = tile.add(block * B::BYTES);
        let head = B::head(p);
        for sub in 0..B::SUBS {
            let (scale, offset) = B::scale(p, head, sub);
            for eight in 0..B::INPUTS / 8 {
                let at = ((block * B::SUBS + sub) * B::INPUTS + eight * 8) * 16;
                for (j, value) in B::eight(p, sub, eight).into_iter().enumerate() {
                    let value = match (B::SCALED, B::OFFSET) {
                        (false, _) => value,
                        (true, false) => L::mul(value, scale),
                        (true, true) => L::fma(value, scale, offset),
                    };
                    L::store(out.add(at + 16 * j), value);
                }
            }
        }
    }
}

/// Numbers of blocks to pairs of bf16, `[inputs / 2, 16, 2]`: scaled, with offsets, then rounded (halves away from zero).
#[inline(always)]
unsafe fn pairs<L: Lanes, B: Blocks<L>>(tile: *const u8, blocks: usize, out: *mut f32) {
    for block in 0..blocks {
        let p = tile.add(block * B::BYTES);
        let head = B::head(p);
        for sub in 0..B::SUBS {
            let (scale, offset) = B::scale(p, head, sub);
            for eight in 0..B::INPUTS / 8 {
                let at = ((block * B::SUBS + sub) * B::INPUTS + eight * 8) * 8;
                let values = B::eight(p, sub, eight);
                for j in 0..4 {
                    let rounded = |value: L::F| {
                        let value = match (B::SCALED, B::OFFSET) {
                            (false, _) => value,
                            (true, false) => L::mul(value, scale),
                            (true, true) => L::fma(value, scale, offset),
                        };
                        L::add_i(L::raw(value), 0x8000)
                    };
                    let (low, high) = (rounded(values[2 * j]), rounded(values[2 * j + 1]));
                    let pair = L::or(L::shr::<16>(low), L::and(high, 0xffff_0000_u32 as i32));
                    L::store(out.add(at + 16 * j), L::bits(pair));
                }
            }
        }
    }
}

/// `R` rows of outputs of two tiles, from panels `[k, 16]` and rows of `x` that are `stride` apart, to `y` whose rows are
/// `y_stride` apart: set, or added to.
///
/// # Safety
/// All of these are whole; the processor has the instruction set.
pub type Rows =
    unsafe fn(x: *const f32, stride: usize, k: usize, panels: [*const f32; 2], y: *mut f32, y_stride: usize, add: bool);

#[inline(always)]
unsafe fn rows<L: Lanes, const R: usize>(
    x: *const f32,
    stride: usize,
    k: usize,
    panels: [*const f32; 2],
    y: *mut f32,
    y_stride: usize,
    add: bool,
) {
    let mut acc = [[L::splat(0.0); 2]; R];
    if add {
        for (r, acc) in acc.iter_mut().enumerate() {
            *acc = [L::load(y.add(r * y_stride)), L::load(y.add(r * y_stride + 16))];
        }
    }
    for i in 0..k {
        let (a, b) = (L::load(panels[0].add(16 * i)), L::load(panels[1].add(16 * i)));
        for (r, acc) in acc.iter_mut().enumerate() {
            let x = L::splat(*x.add(r * stride + i));
            *acc = [L::fma(x, a, acc[0]), L::fma(x, b, acc[1])];
        }
    }
    for (r, acc) in acc.into_iter().enumerate() {
        L::store(y.add(r * y_stride), acc[0]);
        L::store(y.add(r * y_stride + 16), acc[1]);
    }
}

/// The kernels of one instruction set.
pub trait Kernels {
    /// For one, two, four or eight vectors.
    fn tile<B: crate::decode::AllBlocks>(vectors: usize) -> Tile;
    /// As [`Kernels::tile`], of bytes, of one level or three.
    fn byte_tile<B: crate::decode::AllBlocks>(vectors: usize, levels: usize) -> ByteTile;
    /// To f32.
    fn panel<B: crate::decode::AllBlocks>() -> Panel;
    /// To pairs of bf16.
    fn pairs<B: crate::decode::AllBlocks>() -> Panel;
    /// Of so many rows, or the largest number below for which there is one, and that number.
    fn rows(rows: usize) -> (Rows, usize);
}

macro_rules! kernels {
    ($module:ident, $lanes:ty, [$($feature:meta)?], [$($bytes:meta)?], [$most:literal $(, $fewer:literal)*]) => {
        /// The kernels of an instruction set.
        pub mod $module {
            use super::*;
            use crate::decode::AllBlocks;
            $(#[$feature])?
            unsafe fn tile_of<B: Blocks<$lanes>, const M: usize, const P: usize>(t: *const u8, blocks: usize, x: Inputs, out: *mut f32) {
                tile::<$lanes, B, M, P>(t, blocks, x, out)
            }
            $(#[$bytes])?
            unsafe fn byte_tile_of<B: Blocks<$lanes>, const M: usize, const LEVELS: usize>(t: *const u8, blocks: usize, x: Bytes, out: *mut f32) {
                byte_tile::<$lanes, B, M, LEVELS>(t, blocks, x, out)
            }
            $(#[$feature])?
            unsafe fn panel_of<B: Blocks<$lanes>>(t: *const u8, blocks: usize, out: *mut f32) {
                panel::<$lanes, B>(t, blocks, out)
            }
            $(#[$feature])?
            unsafe fn pairs_of<B: Blocks<$lanes>>(t: *const u8, blocks: usize, out: *mut f32) {
                pairs::<$lanes, B>(t, blocks, out)
            }
            $(#[$feature])?
            unsafe fn rows_of<const R: usize>(
                x: *const f32, stride: usize, k: usize, panels: [*const f32; 2], y: *mut f32, y_stride: usize, add: bool,
            ) {
                rows::<$lanes, R>(x, stride, k, panels, y, y_stride, add)
            }
            /// See the module.
            pub struct Here;
            impl Kernels for Here {
                fn tile<B: AllBlocks>(vectors: usize) -> Tile {
                    match vectors {
                        1 => tile_of::<B, 1, 4>,
                        2 => tile_of::<B, 2, 2>,
                        4 => tile_of::<B, 4, 1>,
                        _ => tile_of::<B, 8, 1>,
                    }
                }
                fn byte_tile<B: AllBlocks>(vectors: usize, levels: usize) -> ByteTile {
                    match (vectors, levels) {
                        (1, 1) => byte_tile_of::<B, 1, 1>,
                        (2, 1) => byte_tile_of::<B, 2, 1>,
                        (4, 1) => byte_tile_of::<B, 4, 1>,
                        (_, 1) => byte_tile_of::<B, 8, 1>,
                        (1, _) => byte_tile_of::<B, 1, 3>,
                        (2, _) => byte_tile_of::<B, 2, 3>,
                        (4, _) => byte_tile_of::<B, 4, 3>,
                        (_, _) => byte_tile_of::<B, 8, 3>,
                    }
                }
                fn panel<B: AllBlocks>() -> Panel {
                    panel_of::<B>
                }
                fn pairs<B: AllBlocks>() -> Panel {
                    pairs_of::<B>
                }
                fn rows(rows: usize) -> (Rows, usize) {
                    $(if ($fewer..$most).contains(&rows) { return (rows_of::<$fewer>, $fewer); })*
                    (rows_of::<$most>, $most)
                }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
kernels!(
    avx512,
    crate::isa::Avx512,
    [target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")],
    [target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")],
    [12, 8, 6, 4, 2, 1]
);
#[cfg(target_arch = "x86_64")]
kernels!(
    avx2,
    crate::isa::Avx2,
    [target_feature(enable = "avx2,fma,f16c")],
    [target_feature(enable = "avx2,fma,f16c")],
    [3, 2, 1]
);
kernels!(portable, crate::isa::Portable, [], [], [4, 2, 1]);
