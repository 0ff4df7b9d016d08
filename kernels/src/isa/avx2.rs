//! AVX2 with FMA and F16C: two registers of 8 numbers.
use super::Lanes;
use std::arch::x86_64::*;

/// See the module.
#[derive(Clone, Copy)]
pub struct Avx2;

/// The same on both registers.
macro_rules! both {
    ($x:ident => $e:expr) => {{
        // (a closure would be a function without the instruction set)
        let all = $x;
        let $x = all[0];
        let low = $e;
        let $x = all[1];
        [low, $e]
    }};
}

// SAFETY: the intrinsics need AVX2, FMA and F16C, which callers vouch for; loads and stores are unaligned ones.
unsafe impl Lanes for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];
    #[inline(always)]
    unsafe fn splat(x: f32) -> [__m256; 2] {
        [_mm256_set1_ps(x); 2]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> [__m256; 2] {
        [_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))]
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, x: [__m256; 2]) {
        _mm256_storeu_ps(p, x[0]);
        _mm256_storeu_ps(p.add(8), x[1]);
    }
    #[inline(always)]
    unsafe fn fma(a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])]
    }
    #[inline(always)]
    unsafe fn add(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])]
    }
    #[inline(always)]
    unsafe fn mul(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])]
    }
    #[inline(always)]
    unsafe fn max(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])]
    }
    #[inline(always)]
    unsafe fn sum(a: [__m256; 2]) -> f32 {
        let a = _mm256_add_ps(a[0], a[1]);
        let a = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
        _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)))
    }
    #[inline(always)]
    unsafe fn largest(a: [__m256; 2]) -> f32 {
        let a = _mm256_max_ps(a[0], a[1]);
        let a = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let a = _mm_max_ps(a, _mm_movehl_ps(a, a));
        _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)))
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut i8, x: [__m256i; 2]) {
        let lowest = _mm256_set1_epi64x(0x0c08_0400);
        for (i, x) in x.into_iter().enumerate() {
            // (each half of a register on its own)
            let bytes = _mm256_shuffle_epi8(x, lowest);
            p.add(8 * i).cast::<i32>().write_unaligned(_mm256_extract_epi32::<0>(bytes));
            p.add(8 * i + 4).cast::<i32>().write_unaligned(_mm256_extract_epi32::<4>(bytes));
        }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const u8) {
        _mm_prefetch::<_MM_HINT_T1>(p.cast());
    }
    #[inline(always)]
    unsafe fn load_i(p: *const u8) -> [__m256i; 2] {
        [_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(32).cast())]
    }
    #[inline(always)]
    unsafe fn shr<const N: u32>(x: [__m256i; 2]) -> [__m256i; 2] {
        both!(x => _mm256_srl_epi32(x, _mm_cvtsi32_si128(N as i32)))
    }
    #[inline(always)]
    unsafe fn shl<const N: u32>(x: [__m256i; 2]) -> [__m256i; 2] {
        both!(x => _mm256_sll_epi32(x, _mm_cvtsi32_si128(N as i32)))
    }
    #[inline(always)]
    unsafe fn sar<const N: u32>(x: [__m256i; 2]) -> [__m256i; 2] {
        both!(x => _mm256_sra_epi32(x, _mm_cvtsi32_si128(N as i32)))
    }
    #[inline(always)]
    unsafe fn and(x: [__m256i; 2], mask: i32) -> [__m256i; 2] {
        both!(x => _mm256_and_si256(x, _mm256_set1_epi32(mask)))
    }
    #[inline(always)]
    unsafe fn or(x: [__m256i; 2], y: [__m256i; 2]) -> [__m256i; 2] {
        [_mm256_or_si256(x[0], y[0]), _mm256_or_si256(x[1], y[1])]
    }
    #[inline(always)]
    unsafe fn xor(x: [__m256i; 2], y: i32) -> [__m256i; 2] {
        both!(x => _mm256_xor_si256(x, _mm256_set1_epi32(y)))
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> [__m256i; 2] {
        [_mm256_set1_epi32(x); 2]
    }
    #[inline(always)]
    unsafe fn lookup_bytes(table: &[u8; 16], index: [__m256i; 2]) -> [__m256i; 2] {
        let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
        both!(index => _mm256_shuffle_epi8(table, index))
    }
    #[inline(always)]
    unsafe fn dot4(sums: [__m256i; 2], codes: [__m256i; 2], x: i32) -> [__m256i; 2] {
        // as words, those of even bytes and those of odd ones: products of bytes without sign and with it, added in pairs, may
        // not fit into the words that the instruction for bytes makes of them
        let x = _mm256_set1_epi32(x);
        let (even, odd) = (_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(x)), _mm256_srai_epi16::<8>(x));
        let low = _mm256_set1_epi16(0xff);
        macro_rules! one {
            ($i:literal) => {{
                let even = _mm256_madd_epi16(_mm256_and_si256(codes[$i], low), even);
                let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(codes[$i]), odd);
                _mm256_add_epi32(sums[$i], _mm256_add_epi32(even, odd))
            }};
        }
        [one!(0), one!(1)]
    }
    #[inline(always)]
    unsafe fn add_i(x: [__m256i; 2], y: i32) -> [__m256i; 2] {
        both!(x => _mm256_add_epi32(x, _mm256_set1_epi32(y)))
    }
    #[inline(always)]
    unsafe fn to_f(x: [__m256i; 2]) -> [__m256; 2] {
        [_mm256_cvtepi32_ps(x[0]), _mm256_cvtepi32_ps(x[1])]
    }
    #[inline(always)]
    unsafe fn bits(x: [__m256i; 2]) -> [__m256; 2] {
        [_mm256_castsi256_ps(x[0]), _mm256_castsi256_ps(x[1])]
    }
    #[inline(always)]
    unsafe fn raw(x: [__m256; 2]) -> [__m256i; 2] {
        [_mm256_castps_si256(x[0]), _mm256_castps_si256(x[1])]
    }
    #[inline(always)]
    unsafe fn words(p: *const u8) -> [__m256i; 2] {
        let w = _mm256_loadu_si256(p.cast());
        [_mm256_cvtepu16_epi32(_mm256_castsi256_si128(w)), _mm256_cvtepu16_epi32(_mm256_extracti128_si256::<1>(w))]
    }
    #[inline(always)]
    unsafe fn lookup(table: &[f32; 16], index: [__m256i; 2]) -> [__m256; 2] {
        // the instruction reads three bits of each index; the fourth, shifted into the sign, chooses the half
        let (low, high) = (_mm256_loadu_ps(table.as_ptr()), _mm256_loadu_ps(table.as_ptr().add(8)));
        both!(index => {
            let halves = (_mm256_permutevar8x32_ps(low, index), _mm256_permutevar8x32_ps(high, index));
            _mm256_blendv_ps(halves.0, halves.1, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index)))
        })
    }
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> [__m256; 2] {
        [_mm256_cvtph_ps(_mm_loadu_si128(p.cast())), _mm256_cvtph_ps(_mm_loadu_si128(p.add(16).cast()))]
    }
    #[inline(always)]
    unsafe fn half_pairs(p: *const u8) -> ([__m256; 2], [__m256; 2]) {
        let w = [_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(32).cast())];
        // of 8 pairs, the first ones and the second ones: words without sign, packed within halves of the register
        let mask = _mm256_set1_epi32(0xffff);
        let first = _mm256_packus_epi32(_mm256_and_si256(w[0], mask), _mm256_and_si256(w[1], mask));
        let second = _mm256_packus_epi32(_mm256_srli_epi32::<16>(w[0]), _mm256_srli_epi32::<16>(w[1]));
        let (first, second) = (_mm256_permute4x64_epi64::<0xd8>(first), _mm256_permute4x64_epi64::<0xd8>(second));
        (
            [_mm256_cvtph_ps(_mm256_castsi256_si128(first)), _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(first))],
            [_mm256_cvtph_ps(_mm256_castsi256_si128(second)), _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(second))],
        )
    }
    #[inline(always)]
    unsafe fn bytes(p: *const u8) -> [__m256i; 2] {
        [_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())), _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.add(8).cast()))]
    }
    #[inline(always)]
    unsafe fn signed_bytes(p: *const u8) -> [__m256i; 2] {
        [_mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast())), _mm256_cvtepi8_epi32(_mm_loadl_epi64(p.add(8).cast()))]
    }
}
