//! Dense linear algebra on the CPU: factorisations and what they are made of, for f32, f64, and complex numbers of these.
//!
//! Matrices are row-major slices. The arithmetic is that of LAPACK: Cholesky by halves, blocked LU and QR over one matrix product, and
//! triangular systems by tiles of columns; eigenvalues and singular values by Householder reduction and implicit QR steps, always in f64. XLA has loops of
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
mod schur;
mod svd;
mod triangular;
mod tridiagonal;

pub use call::{CHOLESKY, EIG, EIGH, LU, QR, SCHUR, SVD, TRIANGULAR_SOLVE, register};
pub use eig::eig;
pub use eigh::eigh;
pub use factor::{cholesky, lu};
pub use qr::qr;
pub use schur::schur;
pub use svd::{Svd, svd};
pub use triangular::{Triangle, triangular_solve};

use num_complex::Complex;
use std::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// What matrices are made of: f32, f64, or complex numbers of these.
pub trait Number:
    Copy
    + Send
    + Sync
    + PartialEq
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
{
    /// The type of the real and the imaginary part; a real number's own.
    type Part: Real;
    /// The same numbers in f64.
    type Wide: Number<Part = f64, Wide = Self::Wide>;
    /// How many parts a number has.
    const PARTS: usize;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Not a number, in every part.
    const NAN: Self;
    /// The real part and the imaginary part, which is 0 of a real number.
    fn parts(self) -> [Self::Part; 2];
    /// The number with these parts; a real number has no second one.
    fn of_parts(parts: [Self::Part; 2]) -> Self;
    /// The nearest number to a real one.
    fn of(x: f64) -> Self;
    /// The number with the opposite imaginary part.
    fn conj(self) -> Self;
    /// `self · a + b`, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;
    /// The quotient, also where the square of `by` overflows or vanishes.
    fn over(self, by: Self) -> Self;
    /// The same number in f64.
    fn wide(self) -> Self::Wide;
    /// The nearest number to this one.
    fn narrow(x: Self::Wide) -> Self;
    /// Neither NaN nor infinite?
    fn is_finite(self) -> bool {
        self.parts().into_iter().all(Real::finite)
    }
    /// The absolute values of both parts together: a size that is cheap, by which LAPACK compares too.
    fn size(self) -> Self::Part {
        let [re, im] = self.parts();
        re.abs() + im.abs()
    }
}

/// f32 or f64.
pub trait Real: Number<Part = Self, Wide = f64> + PartialOrd {
    /// How many of them two vectors of 256 bits are.
    const TILE: usize;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The number without its sign.
    fn abs(self) -> Self;
    /// Neither NaN nor infinite?
    fn finite(self) -> bool;
}
macro_rules! numbers {
    ($($t:ident: $tile:literal),*) => {$(
        impl Number for $t {
            type Part = $t;
            type Wide = f64;
            const PARTS: usize = 1;
            const ZERO: $t = 0.0;
            const ONE: $t = 1.0;
            const NAN: $t = $t::NAN;
            #[inline(always)]
            fn parts(self) -> [$t; 2] {
                [self, 0.0]
            }
            #[inline(always)]
            fn of_parts([re, _]: [$t; 2]) -> $t {
                re
            }
            #[inline(always)]
            fn of(x: f64) -> $t {
                x as $t
            }
            #[inline(always)]
            fn conj(self) -> $t {
                self
            }
            #[inline(always)]
            fn fused(self, a: $t, b: $t) -> $t {
                self.mul_add(a, b)
            }
            #[inline(always)]
            fn over(self, by: $t) -> $t {
                self / by
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self.into()
            }
            #[inline(always)]
            fn narrow(x: f64) -> $t {
                x as $t
            }
        }
        impl Real for $t {
            const TILE: usize = $tile;
            #[inline(always)]
            fn sqrt(self) -> $t {
                self.sqrt()
            }
            #[inline(always)]
            fn abs(self) -> $t {
                self.abs()
            }
            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
        }
        impl Number for Complex<$t> {
            type Part = $t;
            type Wide = Complex<f64>;
            const PARTS: usize = 2;
            const ZERO: Self = Complex::new(0.0, 0.0);
            const ONE: Self = Complex::new(1.0, 0.0);
            const NAN: Self = Complex::new($t::NAN, $t::NAN);
            #[inline(always)]
            fn parts(self) -> [$t; 2] {
                [self.re, self.im]
            }
            #[inline(always)]
            fn of_parts([re, im]: [$t; 2]) -> Self {
                Complex { re, im }
            }
            #[inline(always)]
            fn of(x: f64) -> Self {
                Complex::new(x as $t, 0.0)
            }
            #[inline(always)]
            fn conj(self) -> Self {
                Complex::new(self.re, -self.im)
            }
            #[inline(always)]
            fn fused(self, a: Self, b: Self) -> Self {
                let re = self.re.mul_add(a.re, (-self.im).mul_add(a.im, b.re));
                Complex::new(re, self.re.mul_add(a.im, self.im.mul_add(a.re, b.im)))
            }
            /// As Smith 1962.
            #[inline(always)]
            fn over(self, by: Self) -> Self {
                if by.im == 0.0 {
                    Complex::new(self.re / by.re, self.im / by.re)
                } else if by.re.abs() >= by.im.abs() {
                    let ratio = by.im / by.re;
                    let size = by.re + by.im * ratio;
                    Complex::new((self.re + self.im * ratio) / size, (self.im - self.re * ratio) / size)
                } else {
                    let ratio = by.re / by.im;
                    let size = by.re * ratio + by.im;
                    Complex::new((self.re * ratio + self.im) / size, (self.im * ratio - self.re) / size)
                }
            }
            #[inline(always)]
            fn wide(self) -> Complex<f64> {
                Complex::new(self.re.into(), self.im.into())
            }
            #[inline(always)]
            fn narrow(x: Complex<f64>) -> Self {
                Complex::new(x.re as $t, x.im as $t)
            }
        }
    )*};
}
numbers!(f32: 16, f64: 8);

/// Functions compiled for each instruction set, of which the best one is used. Inside, `FUSED` tells whether products are added by one
/// instruction.
macro_rules! compiled {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $t:ty),* $(,)?) $(-> $r:ty)? $body:block)*) => {$(
        $(#[$doc])*
        pub(super) fn $name<T: Number>($($arg: $t),*) $(-> $r)? {
            #[inline(always)]
            fn body<T: Number, const FUSED: bool>($($arg: $t),*) $(-> $r)? $body
            $crate::isa::compiled! {
                fn of_isa<T: Number>($($arg: $t),*) $(-> $r)? {
                    body::<T, { <L as $crate::isa::Lanes>::FUSED }>($($arg),*)
                }
            }
            // SAFETY: nothing else is asked for.
            unsafe { of_isa::<T>($crate::Isa::best(), $($arg),*) }
        }
    )*};
}
use compiled;

/// `a · b + c`, rounded once where that is an instruction.
#[inline(always)]
fn fma<T: Number, const FUSED: bool>(a: T, b: T, c: T) -> T {
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
    /// The inner product, of the conjugates of `x`.
    fn dot(x: &[T], y: &[T]) -> T {
        let mut sums = [T::ZERO; 16];
        let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
        let mut total = T::ZERO;
        xs.remainder().iter().zip(ys.remainder()).for_each(|(x, y)| total = fma::<T, FUSED>(x.conj(), *y, total));
        for (x, y) in xs.zip(ys) {
            for i in 0..16 {
                sums[i] = fma::<T, FUSED>(x[i].conj(), y[i], sums[i]);
            }
        }
        for half in [8, 4, 2, 1] {
            let (first, second) = sums.split_at_mut(half);
            first.iter_mut().zip(second).for_each(|(a, b)| *a += *b);
        }
        total + sums[0]
    }
}

fn conjugates<T: Number>(x: &[T]) -> Vec<T> {
    x.iter().map(|x| x.conj()).collect()
}
/// A transposed copy of a matrix of `m` rows and `n` columns.
fn transposed<T: Number>(x: &[T], m: usize, n: usize) -> Vec<T> {
    let mut y = vec![T::ZERO; m * n];
    for (i, row) in x.chunks_exact(n.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(j, x)| y[j * m + i] = *x);
    }
    y
}
/// As [`transposed`], of the conjugates.
fn adjoint<T: Number>(x: &[T], m: usize, n: usize) -> Vec<T> {
    transposed(&conjugates(x), m, n)
}
/// The real parts, and behind them the imaginary ones, of complex numbers; real numbers alone.
fn planes<T: Number>(x: &[T]) -> Vec<T::Part> {
    (0..T::PARTS).flat_map(|part| x.iter().map(move |x| x.parts()[part])).collect()
}
/// The numbers of these [`planes`].
fn of_planes<T: Number>(x: &[T::Part]) -> Vec<T> {
    let n = x.len() / T::PARTS;
    (0..n).map(|i| T::of_parts([x[i], if T::PARTS == 2 { x[n + i] } else { T::Part::ZERO }])).collect()
}
/// The numbers divided by a real one.
fn divided<T: Number>(x: &[T], by: f64) -> Vec<T> {
    x.iter().map(|x| x.over(T::of(by))).collect()
}
/// A number by which to divide, so that squares of the numbers neither overflow nor vanish: 1 for most matrices.
fn scale_of<T: Number<Part = f64>>(x: &[T]) -> f64 {
    let most = x.iter().flat_map(|x| x.parts()).fold(0.0, |most: f64, x| most.max(x.abs()));
    if most == 0.0 || (1e-100..1e100).contains(&most) { 1.0 } else { most }
}

/// How many rows of a matrix with rows of `n` numbers make a task that is worth another thread: a fixed number, so that sums do
/// not depend on how many threads there are.
fn rows_of_a_task(n: usize) -> usize {
    (1 << 15) / n.max(1) + 1
}
