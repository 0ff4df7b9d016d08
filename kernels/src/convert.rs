//! From f32 to bf16 and back, with the vectors of the processor.
use crate::isa::Isa;

/// The nearest bf16, of two equally near ones the even one; what is not a number stays so.
#[inline(always)]
fn nearest(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if x.is_nan() { quiet } else { rounded }) as u16
}
#[inline(always)]
fn narrow_all(x: &[f32], y: &mut [u16]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = nearest(*x));
}
#[inline(always)]
fn widen_all(x: &[u16], y: &mut [f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = f32::from_bits(u32::from(*x) << 16));
}
/// Rounds to parts of bf16, and leaves what is rounded away.
#[inline(always)]
fn split_all(x: &mut [f32], y: &mut [u16]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = nearest(*x);
        *x -= f32::from_bits(u32::from(*y) << 16);
    }
}

macro_rules! compiled {
    ($($(#[$doc:meta])* $name:ident: $all:ident($x:ty, $y:ty);)*) => {$(
        $(#[$doc])*
        pub fn $name(isa: Isa, x: $x, y: $y) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            fn on_avx512(x: $x, y: $y) {
                $all(x, y);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn on_avx2(x: $x, y: $y) {
                $all(x, y);
            }
            assert!(isa <= Isa::best(), "{isa:?} is not there");
            match isa {
                // SAFETY: it is there.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { on_avx512(x, y) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { on_avx2(x, y) },
                _ => $all(x, y),
            }
        }
    )*};
}
compiled! {
    /// f32 as the bits of the nearest bf16.
    narrow: narrow_all(&[f32], &mut [u16]);
    /// The bits of bf16 as f32.
    widen: widen_all(&[u16], &mut [f32]);
    /// As [`narrow`]; what is rounded away stays in `x`.
    split: split_all(&mut [f32], &mut [u16]);
}
