//! Dense linear algebra on the CPU: factorisations and what they are made of, for f32 and f64; eigenvalues also of complex matrices.
//!
//! Matrices are row-major slices. The arithmetic is that of LAPACK: blocked Cholesky, LU and QR over one matrix product;
//! eigenvalues and singular values by Householder reduction and implicit QR steps, always in f64. XLA has loops of
//! its own for some of these, which are tens to hundreds of times slower on CPUs.
//!
//! What cannot be decomposed gives NaN, as in JAX: a matrix that is not positive definite in [`cholesky`]; one with NaN or infinities
//! in the others, which the handlers ask before they call them.
mod bidiagonal;
mod call;
mod eig;
mod eigh;
mod factor;
mod product;
mod qr;
mod rotations;
mod svd;
mod triangular;
mod tridiagonal;

pub use call::{CHOLESKY, EIG, EIGH, LU, QR, SVD, TRIANGULAR_SOLVE, register};
pub use eig::eig;
pub use eigh::eigh;
pub use factor::{cholesky, lu};
pub use qr::qr;
pub use svd::{Svd, svd};
pub use triangular::{Triangle, triangular_solve};

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// f32 or f64.
pub trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
{
    /// How many columns a tile of a product has: two vectors of 256 bits.
    const TILE: usize;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Not a number.
    const NAN: Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The number without its sign.
    fn abs(self) -> Self;
    /// `self · a + b`, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;
    /// The nearest f64, which is the number.
    fn wide(self) -> f64;
    /// The nearest number to an f64.
    fn narrow(x: f64) -> Self;
    /// Neither NaN nor infinite?
    fn is_finite(self) -> bool;
}
macro_rules! real {
    ($($t:ident: $tile:literal),*) => {$(
        impl Real for $t {
            const TILE: usize = $tile;
            const ZERO: $t = 0.0;
            const ONE: $t = 1.0;
            const NAN: $t = $t::NAN;
            #[inline(always)]
            fn sqrt(self) -> $t {
                self.sqrt()
            }
            #[inline(always)]
            fn abs(self) -> $t {
                self.abs()
            }
            #[inline(always)]
            fn fused(self, a: $t, b: $t) -> $t {
                self.mul_add(a, b)
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self.into()
            }
            #[inline(always)]
            fn narrow(x: f64) -> $t {
                x as $t
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
        }
    )*};
}
real!(f32: 16, f64: 8);

/// Functions compiled twice: with fused vector instructions for processors that have them, and for all others. Inside, `FUSED`
/// tells which.
macro_rules! compiled {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $t:ty),* $(,)?) $(-> $r:ty)? $body:block)*) => {$(
        $(#[$doc])*
        pub(super) fn $name<T: Real>($($arg: $t),*) $(-> $r)? {
            #[inline(always)]
            fn body<T: Real, const FUSED: bool>($($arg: $t),*) $(-> $r)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn fast<T: Real>($($arg: $t),*) $(-> $r)? {
                    body::<T, true>($($arg),*)
                }
                if $crate::Isa::best() != $crate::Isa::Portable {
                    // SAFETY: every instruction set but the portable one has these.
                    return unsafe { fast($($arg),*) };
                }
            }
            body::<T, { cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    )*};
}
use compiled;

/// `a · b + c`, rounded once where that is an instruction.
#[inline(always)]
fn fma<T: Real, const FUSED: bool>(a: T, b: T, c: T) -> T {
    if FUSED { a.fused(b, c) } else { a * b + c }
}

compiled! {
    /// `y += a · x`.
    fn axpy(y: &mut [T], a: T, x: &[T]) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = fma::<T, FUSED>(a, *x, *y));
    }
    /// `y += a · x + b · z` for two factors `a` and `b`.
    fn axpy2(y: &mut [T], factors: [T; 2], x: &[T], z: &[T]) {
        let [a, b] = factors;
        y.iter_mut().zip(x).zip(z).for_each(|((y, x), z)| *y = fma::<T, FUSED>(a, *x, fma::<T, FUSED>(b, *z, *y)));
    }
    /// The inner product.
    fn dot(x: &[T], y: &[T]) -> T {
        let mut sums = [T::ZERO; 16];
        let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
        let mut total = T::ZERO;
        xs.remainder().iter().zip(ys.remainder()).for_each(|(x, y)| total = fma::<T, FUSED>(*x, *y, total));
        for (x, y) in xs.zip(ys) {
            for i in 0..16 {
                sums[i] = fma::<T, FUSED>(x[i], y[i], sums[i]);
            }
        }
        for half in [8, 4, 2, 1] {
            let (first, second) = sums.split_at_mut(half);
            first.iter_mut().zip(second).for_each(|(a, b)| *a += *b);
        }
        total + sums[0]
    }
}

/// A transposed copy of a matrix of `m` rows and `n` columns.
fn transposed<T: Real>(x: &[T], m: usize, n: usize) -> Vec<T> {
    let mut y = vec![T::ZERO; m * n];
    for (i, row) in x.chunks_exact(n.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(j, x)| y[j * m + i] = *x);
    }
    y
}

/// How many rows of a matrix with rows of `n` numbers make a task that is worth another thread: a fixed number, so that sums do
/// not depend on how many threads there are.
fn rows_of_a_task(n: usize) -> usize {
    (1 << 15) / n.max(1) + 1
}
