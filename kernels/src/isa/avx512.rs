//! AVX-512: one register of 16 numbers.
use super::Lanes;
use std::arch::x86_64::*;

/// See the module.
#[derive(Clone, Copy)]
pub struct Avx512;

// SAFETY: the intrinsics need AVX-512 F, BW, DQ and VL (and VNNI, for the products of bytes), which callers vouch for; loads and stores are unaligned ones.
unsafe impl Lanes for Avx512 {
    type F = __m512;
    type I = __m512i;
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        _mm512_set1_ps(x)
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m512 {
        _mm512_loadu_ps(p)
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, x: __m512) {
        _mm512_storeu_ps(p, x)
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        _mm512_max_ps(a, b)
    }
    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        _mm512_reduce_add_ps(a)
    }
    #[inline(always)]
    unsafe fn sums(a: [__m512; 16]) -> __m512 {
        // each step adds halves of two vectors and keeps both sums in one: of 2, 4, 8 and 16 vectors
        let two = |i: usize| {
            let (x, y) = (a[i], a[i + 8]);
            _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(x, y), _mm512_shuffle_f32x4::<0xee>(x, y))
        };
        let four = |i: usize| {
            let (x, y) = (two(i), two(i + 4));
            _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(x, y), _mm512_shuffle_f32x4::<0xdd>(x, y))
        };
        let eight = |i: usize| {
            let (x, y) = (four(i), four(i + 2));
            _mm512_add_ps(_mm512_shuffle_ps::<0x44>(x, y), _mm512_shuffle_ps::<0xee>(x, y))
        };
        let (x, y) = (eight(0), eight(1));
        let all = _mm512_add_ps(_mm512_shuffle_ps::<0x88>(x, y), _mm512_shuffle_ps::<0xdd>(x, y));
        // (the order in which the steps leave them)
        _mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15), all)
    }
    #[inline(always)]
    unsafe fn largest(a: __m512) -> f32 {
        _mm512_reduce_max_ps(a)
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut i8, x: __m512i) {
        _mm_storeu_si128(p.cast(), _mm512_cvtepi32_epi8(x));
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const u8) {
        _mm_prefetch::<_MM_HINT_T1>(p.cast());
    }
    #[inline(always)]
    unsafe fn load_i(p: *const u8) -> __m512i {
        _mm512_loadu_si512(p.cast())
    }
    #[inline(always)]
    unsafe fn shr<const N: u32>(x: __m512i) -> __m512i {
        _mm512_srli_epi32::<N>(x)
    }
    #[inline(always)]
    unsafe fn shl<const N: u32>(x: __m512i) -> __m512i {
        _mm512_slli_epi32::<N>(x)
    }
    #[inline(always)]
    unsafe fn sar<const N: u32>(x: __m512i) -> __m512i {
        _mm512_srai_epi32::<N>(x)
    }
    #[inline(always)]
    unsafe fn and(x: __m512i, mask: i32) -> __m512i {
        _mm512_and_si512(x, _mm512_set1_epi32(mask))
    }
    #[inline(always)]
    unsafe fn or(x: __m512i, y: __m512i) -> __m512i {
        _mm512_or_si512(x, y)
    }
    #[inline(always)]
    unsafe fn xor(x: __m512i, y: i32) -> __m512i {
        _mm512_xor_si512(x, _mm512_set1_epi32(y))
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> __m512i {
        _mm512_set1_epi32(x)
    }
    #[inline(always)]
    unsafe fn lookup_bytes(table: &[u8; 16], index: __m512i) -> __m512i {
        _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast())), index)
    }
    #[inline(always)]
    unsafe fn dot4(sums: __m512i, codes: __m512i, x: i32) -> __m512i {
        _mm512_dpbusd_epi32(sums, codes, _mm512_set1_epi32(x))
    }
    #[inline(always)]
    unsafe fn add_i(x: __m512i, y: i32) -> __m512i {
        _mm512_add_epi32(x, _mm512_set1_epi32(y))
    }
    #[inline(always)]
    unsafe fn to_f(x: __m512i) -> __m512 {
        _mm512_cvtepi32_ps(x)
    }
    #[inline(always)]
    unsafe fn bits(x: __m512i) -> __m512 {
        _mm512_castsi512_ps(x)
    }
    #[inline(always)]
    unsafe fn raw(x: __m512) -> __m512i {
        _mm512_castps_si512(x)
    }
    #[inline(always)]
    unsafe fn words(p: *const u8) -> __m512i {
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()))
    }
    #[inline(always)]
    unsafe fn lookup(table: &[f32; 16], index: __m512i) -> __m512 {
        // (the instruction reads four bits of each index)
        _mm512_permutexvar_ps(index, _mm512_loadu_ps(table.as_ptr()))
    }
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> __m512 {
        _mm512_cvtph_ps(_mm256_loadu_si256(p.cast()))
    }
    #[inline(always)]
    unsafe fn half_pairs(p: *const u8) -> (__m512, __m512) {
        let w = _mm512_loadu_si512(p.cast());
        let (first, second) = (_mm512_cvtepi32_epi16(w), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(w)));
        (_mm512_cvtph_ps(first), _mm512_cvtph_ps(second))
    }
    #[inline(always)]
    unsafe fn bytes(p: *const u8) -> __m512i {
        _mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()))
    }
    #[inline(always)]
    unsafe fn signed_bytes(p: *const u8) -> __m512i {
        _mm512_cvtepi8_epi32(_mm_loadu_si128(p.cast()))
    }
}
