//! Arrays of 16 numbers. On targets without kernels of their own, the compiler turns these loops into vectors.
use super::Lanes;

/// See the module.
#[derive(Clone, Copy)]
pub struct Portable;

#[inline(always)]
fn each<T: Copy, U: Copy + Default>(x: [T; 16], f: impl Fn(T) -> U) -> [U; 16] {
    let mut y = [U::default(); 16];
    for i in 0..16 {
        y[i] = f(x[i]);
    }
    y
}
#[inline(always)]
fn both<T: Copy + Default>(x: [T; 16], y: [T; 16], f: impl Fn(T, T) -> T) -> [T; 16] {
    let mut z = [T::default(); 16];
    for i in 0..16 {
        z[i] = f(x[i], y[i]);
    }
    z
}

// SAFETY: pointers are read and written as the caller vouches; the rest is plain arithmetic.
unsafe impl Lanes for Portable {
    const FUSED: bool = cfg!(target_arch = "aarch64");
    type F = [f32; 16];
    type I = [i32; 16];
    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 16] {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> [f32; 16] {
        p.cast::<[f32; 16]>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, x: [f32; 16]) {
        p.cast::<[f32; 16]>().write_unaligned(x)
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        let mut y = c;
        for i in 0..16 {
            // (targets without the instruction would call a function for each)
            y[i] = if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
                a[i].mul_add(b[i], c[i])
            } else {
                a[i] * b[i] + c[i]
            };
        }
        y
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        both(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        both(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        both(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn sum(a: [f32; 16]) -> f32 {
        a.iter().sum()
    }
    #[inline(always)]
    unsafe fn largest(a: [f32; 16]) -> f32 {
        a.into_iter().fold(a[0], |most, x| if x > most { x } else { most })
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut i8, x: [i32; 16]) {
        p.cast::<[i8; 16]>().write_unaligned(each(x, |x| x as i8));
    }
    #[inline(always)]
    unsafe fn load_i(p: *const u8) -> [i32; 16] {
        p.cast::<[i32; 16]>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn shr<const N: u32>(x: [i32; 16]) -> [i32; 16] {
        each(x, |x| ((x as u32) >> N) as i32)
    }
    #[inline(always)]
    unsafe fn shl<const N: u32>(x: [i32; 16]) -> [i32; 16] {
        each(x, |x| ((x as u32) << N) as i32)
    }
    #[inline(always)]
    unsafe fn sar<const N: u32>(x: [i32; 16]) -> [i32; 16] {
        each(x, |x| x >> N)
    }
    #[inline(always)]
    unsafe fn and(x: [i32; 16], mask: i32) -> [i32; 16] {
        each(x, |x| x & mask)
    }
    #[inline(always)]
    unsafe fn or(x: [i32; 16], y: [i32; 16]) -> [i32; 16] {
        both(x, y, |x, y| x | y)
    }
    #[inline(always)]
    unsafe fn xor(x: [i32; 16], y: i32) -> [i32; 16] {
        each(x, |x| x ^ y)
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> [i32; 16] {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn lookup_bytes(table: &[u8; 16], index: [i32; 16]) -> [i32; 16] {
        each(index, |index| i32::from_le_bytes(index.to_le_bytes().map(|i| table[usize::from(i & 15)])))
    }
    #[inline(always)]
    unsafe fn dot4(sums: [i32; 16], codes: [i32; 16], x: i32) -> [i32; 16] {
        let x = x.to_le_bytes().map(|x| i32::from(x as i8));
        both(sums, codes, |sum, codes| {
            // (one byte after the other: in vectors, shifts and masks)
            sum + (codes & 255) * x[0]
                + (codes >> 8 & 255) * x[1]
                + (codes >> 16 & 255) * x[2]
                + (codes >> 24 & 255) * x[3]
        })
    }
    #[inline(always)]
    unsafe fn add_i(x: [i32; 16], y: i32) -> [i32; 16] {
        each(x, |x| x.wrapping_add(y))
    }
    #[inline(always)]
    unsafe fn to_f(x: [i32; 16]) -> [f32; 16] {
        each(x, |x| x as f32)
    }
    #[inline(always)]
    unsafe fn bits(x: [i32; 16]) -> [f32; 16] {
        each(x, |x| f32::from_bits(x as u32))
    }
    #[inline(always)]
    unsafe fn raw(x: [f32; 16]) -> [i32; 16] {
        each(x, |x| x.to_bits() as i32)
    }
    #[inline(always)]
    unsafe fn words(p: *const u8) -> [i32; 16] {
        each(p.cast::<[u16; 16]>().read_unaligned(), i32::from)
    }
    #[inline(always)]
    unsafe fn lookup(table: &[f32; 16], index: [i32; 16]) -> [f32; 16] {
        each(index, |i| table[(i & 15) as usize])
    }
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> [f32; 16] {
        let bits = p.cast::<[u16; 16]>().read_unaligned();
        each(bits, |b| half::f16::from_bits(b).to_f32())
    }
    #[inline(always)]
    unsafe fn half_pairs(p: *const u8) -> ([f32; 16], [f32; 16]) {
        let pairs = p.cast::<[u32; 16]>().read_unaligned();
        (
            each(pairs, |w| half::f16::from_bits(w as u16).to_f32()),
            each(pairs, |w| half::f16::from_bits((w >> 16) as u16).to_f32()),
        )
    }
    #[inline(always)]
    unsafe fn bytes(p: *const u8) -> [i32; 16] {
        each(p.cast::<[u8; 16]>().read_unaligned(), i32::from)
    }
    #[inline(always)]
    unsafe fn signed_bytes(p: *const u8) -> [i32; 16] {
        each(p.cast::<[i8; 16]>().read_unaligned(), i32::from)
    }
}
