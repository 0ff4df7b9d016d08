//! Numbers of packed blocks in vector registers: one function per format, and instruction sets through [`Lanes`].
#![allow(unsafe_op_in_unsafe_fn)]
use crate::{
    format::{CENTERED, COUNTING, IQ4_NL, MXFP4},
    isa::Lanes,
};

/// A format of packed blocks. A block is a row of sub-blocks, each of which has one scale and one offset for each output.
///
/// # Safety
/// Pointers are to a whole block of the format, and the processor has the instruction set.
pub unsafe trait Blocks<L: Lanes> {
    /// Bytes of a block.
    const BYTES: usize;
    /// Sub-blocks of a block.
    const SUBS: usize;
    /// Inputs of a sub-block, a multiple of 8.
    const INPUTS: usize;
    /// Are numbers multiplied with a scale?
    const SCALED: bool;
    /// Is an offset added to them?
    const OFFSET: bool;
    /// What a block's sub-blocks share: scales, and scales of offsets.
    unsafe fn head(b: *const u8) -> (L::F, L::F);
    /// Scale and offset of a sub-block, given the head.
    unsafe fn scale(b: *const u8, head: (L::F, L::F), sub: usize) -> (L::F, L::F);
    /// Eight numbers of each output, from `8 * eight` of the sub-block on, before scale and offset.
    unsafe fn eight(b: *const u8, sub: usize, eight: usize) -> [L::F; 8];
    /// What is taken away from each of [`Blocks::codes`] to have the numbers of [`Blocks::eight`].
    const ZERO: i32;
    /// The same eight numbers as bytes without sign, four in a word. Of formats with scales.
    unsafe fn codes(b: *const u8, sub: usize, eight: usize) -> [L::I; 2];
}

/// The bytes of words of nibbles.
#[inline(always)]
unsafe fn nibble_codes<L: Lanes>(p: *const u8) -> [L::I; 2] {
    let w = L::load_i(p);
    [L::and(w, 0x0f0f_0f0f), L::and(L::shr::<4>(w), 0x0f0f_0f0f)]
}

/// What bytes of nibbles choose from a table.
#[inline(always)]
unsafe fn chosen_codes<L: Lanes>(p: *const u8, table: &[u8; 16]) -> [L::I; 2] {
    let [low, high] = nibble_codes::<L>(p);
    [L::lookup_bytes(table, low), L::lookup_bytes(table, high)]
}

/// Bytes of 5 bits, `8 * eight` of 32 on: nibbles, and their fifth bits in a word of `high`.
#[inline(always)]
unsafe fn five_bit_codes<L: Lanes>(p: *const u8, high: *const u8, eight: usize) -> [L::I; 2] {
    let ([a, b], high) = (nibble_codes::<L>(p), L::load_i(high));
    // (where the fifth bits of the first four are, each in its byte; those of the next four are one place above)
    let high = match eight {
        0 => L::shl::<4>(high),
        1 => L::shl::<2>(high),
        2 => high,
        _ => L::shr::<2>(high),
    };
    [L::or(a, L::and(high, 0x1010_1010)), L::or(b, L::and(L::shr::<1>(high), 0x1010_1010))]
}

/// Bytes of 6 bits, `8 * eight` of 16 on: nibbles, and their upper two bits in a word of `high`.
#[inline(always)]
unsafe fn six_bit_codes<L: Lanes>(p: *const u8, high: *const u8, eight: usize) -> [L::I; 2] {
    let ([a, b], high) = (nibble_codes::<L>(p), L::load_i(high));
    let high = if eight == 0 { L::shl::<4>(high) } else { high };
    [L::or(a, L::and(high, 0x3030_3030)), L::or(b, L::and(L::shr::<2>(high), 0x3030_3030))]
}

/// A table of whole numbers as bytes, `zero` added.
const fn table_of_bytes(table: &[f32; 16], zero: i32) -> [u8; 16] {
    let (mut bytes, mut i) = ([0; 16], 0);
    while i < 16 {
        bytes[i] = (table[i] as i32 + zero) as u8;
        i += 1;
    }
    bytes
}

/// The eight numbers of words of nibbles, chosen from a table.
#[inline(always)]
unsafe fn nibbles<L: Lanes>(p: *const u8, table: &[f32; 16]) -> [L::F; 8] {
    let w = L::load_i(p);
    [
        L::lookup(table, w),
        L::lookup(table, L::shr::<8>(w)),
        L::lookup(table, L::shr::<16>(w)),
        L::lookup(table, L::shr::<24>(w)),
        L::lookup(table, L::shr::<4>(w)),
        L::lookup(table, L::shr::<12>(w)),
        L::lookup(table, L::shr::<20>(w)),
        L::lookup(table, L::shr::<28>(w)),
    ]
}

/// The numbers of eight bytes, less `zero`.
#[inline(always)]
unsafe fn numbers<L: Lanes>(codes: [L::I; 2], zero: i32) -> [L::F; 8] {
    macro_rules! one {
        ($i:literal, $byte:literal) => {{
            let x = L::and(L::shr::<$byte>(codes[$i]), 255);
            L::to_f(if zero == 0 { x } else { L::add_i(x, -zero) })
        }};
    }
    [one!(0, 0), one!(0, 8), one!(0, 16), one!(0, 24), one!(1, 0), one!(1, 8), one!(1, 16), one!(1, 24)]
}

macro_rules! blocks {
    ($(#[$doc:meta])* $name:ident: $bytes:expr, $subs:expr, $inputs:expr, $scaled:expr, $offset:expr,
        |$b:ident| $head:expr, |$hb:ident, $h:ident, $hs:ident| $scale:expr, |$p:ident, $sub:ident, $e:ident| $eight:expr,
        $zero:expr, |$cp:ident, $csub:ident, $ce:ident| $codes:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name;
        // SAFETY: what is read lies within a block; intrinsics are those of `L`.
        unsafe impl<L: Lanes> Blocks<L> for $name {
            const BYTES: usize = $bytes;
            const SUBS: usize = $subs;
            const INPUTS: usize = $inputs;
            const SCALED: bool = $scaled;
            const OFFSET: bool = $offset;
            #[inline(always)]
            unsafe fn head($b: *const u8) -> (L::F, L::F) {
                $head
            }
            #[inline(always)]
            unsafe fn scale($hb: *const u8, $h: (L::F, L::F), $hs: usize) -> (L::F, L::F) {
                let _ = ($hb, $hs);
                $scale
            }
            #[inline(always)]
            unsafe fn eight($p: *const u8, $sub: usize, $e: usize) -> [L::F; 8] {
                let _ = $sub;
                $eight
            }
            const ZERO: i32 = $zero;
            #[inline(always)]
            unsafe fn codes($cp: *const u8, $csub: usize, $ce: usize) -> [L::I; 2] {
                let _ = ($csub, $ce);
                $codes
            }
        }
    };
}

#[inline(always)]
unsafe fn none<L: Lanes>() -> (L::F, L::F) {
    (L::splat(1.0), L::splat(0.0))
}

blocks! {
    /// f32.
    F32: 2048, 1, 32, false, false, |_b| none::<L>(), |_b, h, _s| h,
    |p, _sub, e| {
        let p = p.add(e * 512).cast::<f32>();
        [L::load(p), L::load(p.add(16)), L::load(p.add(32)), L::load(p.add(48)),
         L::load(p.add(64)), L::load(p.add(80)), L::load(p.add(96)), L::load(p.add(112))]
    },
    0, |p, _s, _e| [L::load_i(p); 2]
}

/// Eight bf16 of each output from pairs.
#[inline(always)]
unsafe fn bf16_pairs<L: Lanes>(p: *const u8) -> [L::F; 8] {
    let w = [L::load_i(p), L::load_i(p.add(64)), L::load_i(p.add(128)), L::load_i(p.add(192))];
    macro_rules! low {
        ($i:literal) => {
            L::bits(L::shl::<16>(w[$i]))
        };
    }
    macro_rules! high {
        ($i:literal) => {
            L::bits(L::and(w[$i], 0xffff_0000u32 as i32))
        };
    }
    [low!(0), high!(0), low!(1), high!(1), low!(2), high!(2), low!(3), high!(3)]
}
blocks! {
    /// bf16.
    Bf16: 1024, 1, 32, false, false, |_b| none::<L>(), |_b, h, _s| h, |p, _sub, e| bf16_pairs::<L>(p.add(e * 256)),
    0, |p, _s, _e| [L::load_i(p); 2]
}
blocks! {
    /// f16.
    F16: 1024, 1, 32, false, false, |_b| none::<L>(), |_b, h, _s| h,
    |p, _sub, e| {
        let p = p.add(e * 256);
        let (a, b) = (L::half_pairs(p), L::half_pairs(p.add(64)));
        let (c, d) = (L::half_pairs(p.add(128)), L::half_pairs(p.add(192)));
        [a.0, a.1, b.0, b.1, c.0, c.1, d.0, d.1]
    },
    0, |p, _s, _e| [L::load_i(p); 2]
}
/// Eight numbers with sign from words of four.
#[inline(always)]
unsafe fn bytes_with_sign<L: Lanes>(p: *const u8) -> [L::F; 8] {
    let w = [L::load_i(p), L::load_i(p.add(64))];
    macro_rules! byte {
        ($i:literal, $left:literal) => {
            L::to_f(L::sar::<24>(L::shl::<$left>(w[$i])))
        };
    }
    [
        byte!(0, 24),
        byte!(0, 16),
        byte!(0, 8),
        L::to_f(L::sar::<24>(w[0])),
        byte!(1, 24),
        byte!(1, 16),
        byte!(1, 8),
        L::to_f(L::sar::<24>(w[1])),
    ]
}
/// The same as bytes without sign, 128 larger.
#[inline(always)]
unsafe fn raised_bytes<L: Lanes>(p: *const u8) -> [L::I; 2] {
    let flip = i32::from_ne_bytes([0x80; 4]);
    [L::xor(L::load_i(p), flip), L::xor(L::load_i(p.add(64)), flip)]
}
blocks! {
    /// Q8_0.
    Q8_0: 544, 1, 32, true, false, |b| (L::halves(b), L::splat(0.0)), |_b, h, _s| h,
    |p, _sub, e| bytes_with_sign::<L>(p.add(32 + e * 128)),
    128, |p, _s, e| raised_bytes::<L>(p.add(32 + e * 128))
}
blocks! {
    /// 8-bit integers with f32 scales.
    Int8: 576, 1, 32, true, false, |b| (L::load(b.cast()), L::splat(0.0)), |_b, h, _s| h,
    |p, _sub, e| bytes_with_sign::<L>(p.add(64 + e * 128)),
    128, |p, _s, e| raised_bytes::<L>(p.add(64 + e * 128))
}
blocks! {
    /// 4-bit integers with f32 scales.
    Int4: 320, 1, 32, true, false, |b| (L::load(b.cast()), L::splat(0.0)), |_b, h, _s| h,
    |p, _sub, e| nibbles::<L>(p.add(64 + e * 64), &CENTERED),
    8, |p, _s, e| nibble_codes::<L>(p.add(64 + e * 64))
}
blocks! {
    /// Q4_0.
    Q4_0: 288, 1, 32, true, false, |b| (L::halves(b), L::splat(0.0)), |_b, h, _s| h,
    |p, _sub, e| nibbles::<L>(p.add(32 + e * 64), &CENTERED),
    8, |p, _s, e| nibble_codes::<L>(p.add(32 + e * 64))
}
blocks! {
    /// IQ4_NL.
    Iq4Nl: 288, 1, 32, true, false, |b| (L::halves(b), L::splat(0.0)), |_b, h, _s| h,
    |p, _sub, e| nibbles::<L>(p.add(32 + e * 64), &IQ4_NL),
    128, |p, _s, e| chosen_codes::<L>(p.add(32 + e * 64), &const { table_of_bytes(&IQ4_NL, 128) })
}
blocks! {
    /// MXFP4: the exponent's byte becomes that of an f32, of half the power.
    Mxfp4: 272, 1, 32, true, false,
    |b| {
        let e: [u8; 16] = b.cast::<[u8; 16]>().read_unaligned();
        let mut scale = [0f32; 16];
        for i in 0..16 {
            scale[i] = crate::format::half_exponent(e[i]);
        }
        (L::load(scale.as_ptr()), L::splat(0.0))
    },
    |_b, h, _s| h, |p, _sub, e| nibbles::<L>(p.add(16 + e * 64), &MXFP4),
    12, |p, _s, e| chosen_codes::<L>(p.add(16 + e * 64), &const { table_of_bytes(&MXFP4, 12) })
}
blocks! {
    /// Q4_1.
    Q4_1: 320, 1, 32, true, true, |b| (L::halves(b), L::halves(b.add(32))), |_b, h, _s| h,
    |p, _sub, e| nibbles::<L>(p.add(64 + e * 64), &COUNTING),
    0, |p, _s, e| nibble_codes::<L>(p.add(64 + e * 64))
}
blocks! {
    /// Q5_0.
    Q5_0: 352, 1, 32, true, false, |b| (L::halves(b), L::splat(0.0)), |_b, h, _s| h,
    |p, _sub, e| numbers::<L>(five_bit_codes::<L>(p.add(32 + e * 64), p.add(288), e), 16),
    16, |p, _s, e| five_bit_codes::<L>(p.add(32 + e * 64), p.add(288), e)
}
blocks! {
    /// Q5_1.
    Q5_1: 384, 1, 32, true, true, |b| (L::halves(b), L::halves(b.add(32))), |_b, h, _s| h,
    |p, _sub, e| numbers::<L>(five_bit_codes::<L>(p.add(64 + e * 64), p.add(320), e), 0),
    0, |p, _s, e| five_bit_codes::<L>(p.add(64 + e * 64), p.add(320), e)
}

/// Scale and offset of a sub-block of Q4_K and Q5_K.
#[inline(always)]
unsafe fn k_scale<L: Lanes>(b: *const u8, h: (L::F, L::F), sub: usize) -> (L::F, L::F) {
    let p = b.add(64 + 32 * sub);
    (L::mul(h.0, L::to_f(L::bytes(p))), L::mul(h.1, L::to_f(L::bytes(p.add(16)))))
}
/// The scales, and those of minima, which are subtracted.
#[inline(always)]
unsafe fn k_head<L: Lanes>(b: *const u8) -> (L::F, L::F) {
    (L::halves(b), L::mul(L::halves(b.add(32)), L::splat(-1.0)))
}
blocks! {
    /// Q4_K.
    Q4K: 2368, 8, 32, true, true, |b| k_head::<L>(b), |b, h, s| k_scale::<L>(b, h, s),
    |p, sub, e| nibbles::<L>(p.add(320 + sub * 256 + e * 64), &COUNTING),
    0, |p, sub, e| nibble_codes::<L>(p.add(320 + sub * 256 + e * 64))
}
blocks! {
    /// Q5_K. A sub-block's fifth bits stand before its nibbles, so that memory is read in its order; as in Q6_K.
    Q5K: 2880, 8, 32, true, true, |b| k_head::<L>(b), |b, h, s| k_scale::<L>(b, h, s),
    |p, sub, e| numbers::<L>(five_bit_codes::<L>(p.add(384 + sub * 320 + e * 64), p.add(320 + sub * 320), e), 0),
    0, |p, sub, e| five_bit_codes::<L>(p.add(384 + sub * 320 + e * 64), p.add(320 + sub * 320), e)
}
blocks! {
    /// Q6_K.
    Q6K: 3360, 16, 16, true, false, |b| (L::halves(b), L::splat(0.0)),
    |b, h, s| (L::mul(h.0, L::to_f(L::signed_bytes(b.add(32 + 16 * s)))), h.1),
    |p, sub, e| numbers::<L>(six_bit_codes::<L>(p.add(352 + sub * 192 + e * 64), p.add(288 + sub * 192), e), 32),
    32, |p, sub, e| six_bit_codes::<L>(p.add(352 + sub * 192 + e * 64), p.add(288 + sub * 192), e)
}

/// A format for every instruction set of the target.
#[cfg(target_arch = "x86_64")]
pub trait AllBlocks: Blocks<crate::isa::Avx512> + Blocks<crate::isa::Avx2> + Blocks<crate::isa::Portable> {}
#[cfg(target_arch = "x86_64")]
impl<B: Blocks<crate::isa::Avx512> + Blocks<crate::isa::Avx2> + Blocks<crate::isa::Portable>> AllBlocks for B {}
/// A format for every instruction set of the target.
#[cfg(not(target_arch = "x86_64"))]
pub trait AllBlocks: Blocks<crate::isa::Portable> {}
#[cfg(not(target_arch = "x86_64"))]
impl<B: Blocks<crate::isa::Portable>> AllBlocks for B {}

/// `$f::<B>()` for the blocks of a format.
macro_rules! for_format {
    ($format:expr, $block:ident => $e:expr) => {{
        use $crate::{decode as d, format::Format};
        match $format {
            Format::F32 => {
                type $block = d::F32;
                $e
            }
            Format::BF16 => {
                type $block = d::Bf16;
                $e
            }
            Format::F16 => {
                type $block = d::F16;
                $e
            }
            Format::INT8 => {
                type $block = d::Int8;
                $e
            }
            Format::INT4 => {
                type $block = d::Int4;
                $e
            }
            Format::Q8_0 => {
                type $block = d::Q8_0;
                $e
            }
            Format::Q4_0 => {
                type $block = d::Q4_0;
                $e
            }
            Format::Q4_1 => {
                type $block = d::Q4_1;
                $e
            }
            Format::Q5_0 => {
                type $block = d::Q5_0;
                $e
            }
            Format::Q5_1 => {
                type $block = d::Q5_1;
                $e
            }
            Format::IQ4_NL => {
                type $block = d::Iq4Nl;
                $e
            }
            Format::MXFP4 => {
                type $block = d::Mxfp4;
                $e
            }
            Format::Q4_K => {
                type $block = d::Q4K;
                $e
            }
            Format::Q5_K => {
                type $block = d::Q5K;
                $e
            }
            Format::Q6_K => {
                type $block = d::Q6K;
                $e
            }
        }
    }};
}
pub(crate) use for_format;
