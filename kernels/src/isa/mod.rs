//! Vectors of 16 numbers, as each instruction set has them. Kernels are written once, over [`Lanes`]; what is compiled for an
//! instruction set runs only where the processor has it ([`Isa::best`]).
// SAFETY: every function of these is unsafe as a whole: its contract is that of `Lanes`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_op_in_unsafe_fn)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_op_in_unsafe_fn)]
mod avx512;
#[allow(unsafe_op_in_unsafe_fn)]
mod portable;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use portable::Portable;
use std::sync::OnceLock;

/// A function over the lanes `L`, compiled for each instruction set; the one to run is its first argument.
///
/// # Safety
/// What the functions that it calls ask for, but that the processor has the instruction set: that is checked.
macro_rules! compiled {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident $(<$g:ident: $bound:path>)? ($($arg:ident: $t:ty),* $(,)?) $(-> $r:ty)? $body:block)*) => {$(
        $(#[$doc])*
        #[allow(unsafe_op_in_unsafe_fn)]
        $vis unsafe fn $name $(<$g: $bound>)? (isa: $crate::isa::Isa, $($arg: $t),*) $(-> $r)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            unsafe fn on_avx512 $(<$g: $bound>)? ($($arg: $t),*) $(-> $r)? {
                #[allow(dead_code)]
                type L = $crate::isa::Avx512;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn on_avx2 $(<$g: $bound>)? ($($arg: $t),*) $(-> $r)? {
                #[allow(dead_code)]
                type L = $crate::isa::Avx2;
                $body
            }
            #[allow(dead_code)]
            type L = $crate::isa::Portable;
            assert!(isa <= $crate::isa::Isa::best(), "{isa:?} is not there");
            match isa {
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx512 => on_avx512 $(::<$g>)? ($($arg),*),
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx2 => on_avx2 $(::<$g>)? ($($arg),*),
                _ => $body,
            }
        }
    )*};
}
pub(crate) use compiled;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Whatever the target has: arrays of numbers, which the compiler turns into vectors (NEON among them).
    Portable,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}
impl Isa {
    /// Those that this processor has, the simplest first.
    pub fn all() -> Vec<Isa> {
        let mut all = vec![Isa::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("f16c") {
                all.push(Isa::Avx2);
                let has = [
                    is_x86_feature_detected!("avx512f"),
                    is_x86_feature_detected!("avx512bw"),
                    is_x86_feature_detected!("avx512dq"),
                    is_x86_feature_detected!("avx512vl"),
                ];
                if has.iter().all(|has| *has) {
                    all.push(Isa::Avx512);
                }
            }
        }
        all
    }
    /// The best of those up to this one that multiply bytes: AVX-512 has instructions of its own for it, which not every processor
    /// with AVX-512 has.
    pub fn of_bytes(self) -> Isa {
        #[cfg(target_arch = "x86_64")]
        if self == Isa::Avx512 && !is_x86_feature_detected!("avx512vnni") {
            return Isa::Avx2;
        }
        self
    }
    /// The one that kernels use here.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| *Isa::all().last().unwrap_or(&Isa::Portable))
    }
}

/// Sixteen numbers at once.
///
/// # Safety
/// Every function may be called only where the processor has the instruction set; those that take pointers need so many
/// readable or writable bytes there, at any alignment.
pub unsafe trait Lanes: Copy + 'static {
    /// Are products added by one instruction?
    const FUSED: bool = true;
    /// 16 f32.
    type F: Copy;
    /// 16 i32.
    type I: Copy;
    /// All of them `x`.
    unsafe fn splat(x: f32) -> Self::F;
    /// 16 numbers from memory.
    unsafe fn load(p: *const f32) -> Self::F;
    /// 16 numbers to memory.
    unsafe fn store(p: *mut f32, x: Self::F);
    /// `a · b + c`, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The sum.
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    /// The product.
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    /// The larger ones.
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    /// The sum of all 16.
    unsafe fn sum(a: Self::F) -> f32;
    /// The sum of each of 16.
    #[inline(always)]
    unsafe fn sums(a: [Self::F; 16]) -> Self::F {
        // SAFETY: as the caller says; there are 16 of them.
        unsafe { Self::load(a.map(|a| Self::sum(a)).as_ptr()) }
    }
    /// The largest of all 16.
    unsafe fn largest(a: Self::F) -> f32;
    /// The lowest byte of each to memory.
    unsafe fn store_bytes(p: *mut i8, x: Self::I);
    /// Has the line with this byte brought to the second cache, where the target can ask for it.
    unsafe fn prefetch(_p: *const u8) {}
    /// 64 bytes as 16 integers.
    unsafe fn load_i(p: *const u8) -> Self::I;
    /// Shifted to the right, zeros coming in.
    unsafe fn shr<const N: u32>(x: Self::I) -> Self::I;
    /// Shifted to the left.
    unsafe fn shl<const N: u32>(x: Self::I) -> Self::I;
    /// Shifted to the right, the sign coming in.
    unsafe fn sar<const N: u32>(x: Self::I) -> Self::I;
    /// Bits of each that `mask` has.
    unsafe fn and(x: Self::I, mask: i32) -> Self::I;
    /// Bits of either.
    unsafe fn or(x: Self::I, y: Self::I) -> Self::I;
    /// Each bit turned where `y` has one.
    unsafe fn xor(x: Self::I, y: i32) -> Self::I;
    /// All of them `x`.
    unsafe fn splat_i(x: i32) -> Self::I;
    /// Of a table of 16 bytes, those at each byte of `index`, which are below 16.
    unsafe fn lookup_bytes(table: &[u8; 16], index: Self::I) -> Self::I;
    /// To each of `sums`, the products of its four bytes of `codes`, without sign, with the four bytes of `x`, with sign.
    unsafe fn dot4(sums: Self::I, codes: Self::I, x: i32) -> Self::I;
    /// The sum.
    unsafe fn add_i(x: Self::I, y: i32) -> Self::I;
    /// The numbers.
    unsafe fn to_f(x: Self::I) -> Self::F;
    /// The bits as numbers.
    unsafe fn bits(x: Self::I) -> Self::F;
    /// The numbers' bits.
    unsafe fn raw(x: Self::F) -> Self::I;
    /// 16 words of 16 bits, without sign.
    unsafe fn words(p: *const u8) -> Self::I;
    /// Of a table of 16 numbers, those at the lowest four bits of each index.
    unsafe fn lookup(table: &[f32; 16], index: Self::I) -> Self::F;
    /// 16 f16.
    unsafe fn halves(p: *const u8) -> Self::F;
    /// 16 pairs of f16: the first ones and the second ones.
    unsafe fn half_pairs(p: *const u8) -> (Self::F, Self::F);
    /// 16 bytes without sign.
    unsafe fn bytes(p: *const u8) -> Self::I;
    /// 16 bytes with sign.
    unsafe fn signed_bytes(p: *const u8) -> Self::I;
}
