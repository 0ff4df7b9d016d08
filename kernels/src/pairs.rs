//! Products of bf16 with bf16, added in f32, by AVX-512's instruction for pairs of them (`vdpbf16ps`: Intel 64 and IA-32 manual,
//! volume 2C), which processors without AMX have too. A block of a packed bf16 matrix is pairs of inputs for 16 outputs, as the
//! instruction reads them.
#![allow(unsafe_op_in_unsafe_fn)]

/// Has this processor AVX-512 with bf16?
pub fn is_there() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        crate::Isa::best() == crate::Isa::Avx512 && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(target_arch = "x86_64")]
pub use here::product;

#[cfg(target_arch = "x86_64")]
mod here {
    use std::arch::x86_64::*;

    /// `R` rows of `a`, which begin `stride` numbers apart, times two tiles of 16 outputs, over `pairs` pairs of inputs.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn rows<const R: usize>(
        a: *const u16,
        stride: usize,
        tiles: [*const u8; 2],
        pairs: usize,
        c: *mut f32,
        c_stride: usize,
        add: bool,
    ) {
        let mut acc = [[_mm512_setzero_ps(); 2]; R];
        if add {
            for (r, acc) in acc.iter_mut().enumerate() {
                let c = c.add(r * c_stride);
                *acc = [_mm512_loadu_ps(c), _mm512_loadu_ps(c.add(16))];
            }
        }
        for i in 0..pairs {
            let side =
                |tile: *const u8| std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(tile.add(64 * i).cast()));
            let (left, right) = (side(tiles[0]), side(tiles[1]));
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = _mm512_set1_epi32(a.add(r * stride + 2 * i).cast::<i32>().read_unaligned());
                let x = std::mem::transmute::<__m512i, __m512bh>(x);
                *acc = [_mm512_dpbf16_ps(acc[0], x, left), _mm512_dpbf16_ps(acc[1], x, right)];
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            _mm512_storeu_ps(c.add(r * c_stride), acc[0]);
            _mm512_storeu_ps(c.add(r * c_stride + 16), acc[1]);
        }
    }

    /// `count` rows of `a`, which begin `stride` numbers apart, times two tiles of 16 outputs, over `pairs` pairs of inputs; the sums go
    /// to `c`, whose rows are `c_stride` numbers apart, or with `add` to what is there.
    ///
    /// # Safety
    /// All of these are whole, and [`is_there`](super::is_there).
    pub unsafe fn product(
        a: *const u16,
        stride: usize,
        count: usize,
        tiles: [*const u8; 2],
        pairs: usize,
        c: *mut f32,
        c_stride: usize,
        add: bool,
    ) {
        let mut row = 0;
        while row < count {
            let (a, c) = (a.add(row * stride), c.add(row * c_stride));
            row += match count - row {
                12.. => {
                    rows::<12>(a, stride, tiles, pairs, c, c_stride, add);
                    12
                }
                8.. => {
                    rows::<8>(a, stride, tiles, pairs, c, c_stride, add);
                    8
                }
                4.. => {
                    rows::<4>(a, stride, tiles, pairs, c, c_stride, add);
                    4
                }
                _ => {
                    rows::<1>(a, stride, tiles, pairs, c, c_stride, add);
                    1
                }
            };
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
/// # Safety
/// Never to be called.
pub unsafe fn product(_: *const u16, _: usize, _: usize, _: [*const u8; 2], _: usize, _: *mut f32, _: usize, _: bool) {}
