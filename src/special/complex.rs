//! Functions whose values are complex.
use super::*;
use crate::{
    aval::DType,
    ops::{Rhs, complex},
    prim::{composite_jvp, fori_loop},
    trace::{At, fail},
};
use num_complex::Complex64;
use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// Weideman's rational approximation of degree 32 (SIAM J. Numer. Anal. 31, 1994): its scale, and its coefficients, the constant last.
const SCALE: f64 = 4.756_828_460_010_884;
const COEFFICIENTS: [f64; 32] = [
    -1.3034426067909105e-12,
    3.741183837373847e-12,
    8.030427700497756e-12,
    -2.154359355749088e-11,
    -5.544244996323793e-11,
    1.165824698850374e-10,
    4.1537441121999766e-10,
    -5.231020211492061e-10,
    -3.2080151339721323e-09,
    8.124886421653591e-10,
    2.3797556530014025e-08,
    2.2930438438915445e-08,
    -1.4813078929137642e-07,
    -4.1840763750512053e-07,
    4.2558331397138446e-07,
    4.401531731283225e-06,
    6.821031944357515e-06,
    -2.1409619201999998e-05,
    -0.0001307544925457942,
    -0.00024532980270038237,
    0.00039259136070109705,
    0.004519541105349309,
    0.0190061557848455,
    0.05730440352983728,
    0.14060716226893755,
    0.2954445107150874,
    0.5460139720639338,
    0.9019254893648001,
    1.345544169234545,
    1.8256696296324815,
    2.2635372999002676,
    2.5722534081245696,
];

/// The Faddeeva function e^(-z²) erfc(-iz) of complex numbers (or real ones, f32 or f64), exact to some 1e-13. JAX:
/// `jax.scipy.special.wofz`.
///
/// ```
/// use raxla::{Complex64, prelude::*, special};
/// let w = eager(special::wofz, (Array::from_slice([1], &[Complex64::new(0.5, 1.0)])?,))?;
/// assert!((w.item::<Complex64>()? - Complex64::new(0.39123402145213615, 0.12720241088464812)).norm() < 1e-12);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn wofz(z: Tensor) -> Tensor {
    let _at = At::op("wofz");
    let z = z.dtype().complex().map_or(z, |dtype| z.cast(dtype));
    if !z.dtype().is_complex() {
        fail("wofz", vec![z.aval()], "this is not f32, f64, c64 or c128", Some("`.cast(DType::C64)`".into()))
    }
    composite_jvp(faddeeva, |z: Tensor, d: Tensor| {
        let w = faddeeva(z);
        (w, d * (Complex64::new(0.0, FRAC_2_SQRT_PI) - z * w * 2.0))
    })(z)
}
fn faddeeva(z: Tensor) -> Tensor {
    let upper = z.imag().ge(0.0);
    let turned = z * Complex64::I;
    let turned = where_(upper, turned, -turned);
    let below = SCALE - turned;
    let ratio = (turned + SCALE) / below;
    let sum = polynomial(ratio, &COEFFICIENTS);
    let w = sum * 2.0 / (below * below) + FRAC_2_SQRT_PI / 2.0 / below;
    where_(upper, w, (-(z * z)).exp() * 2.0 - w)
}

/// The spherical harmonics of degree `n` and order `m` (|m| ≤ n, integers) at colatitude `theta` in [0, π] and longitude `phi`, all of
/// which broadcast: complex numbers, orthonormal on the sphere. Degrees above `n_max` count as that. JAX: `jax.scipy.special.sph_harm_y`.
///
/// ```
/// use raxla::{Complex64, prelude::*, special};
/// let y = eager(|theta: Tensor| special::sph_harm_y(1, 0, theta, 0.5, 1), (Array::scalar(1f64)?,))?;
/// assert!((y.item::<Complex64>()?.re - (0.75 / std::f64::consts::PI).sqrt() * 1f64.cos()).abs() < 1e-14);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Angles that are not f32 or f64; shapes that do not broadcast.
#[track_caller]
pub fn sph_harm_y(n: impl Rhs, m: impl Rhs, theta: Tensor, phi: impl Rhs, n_max: usize) -> Tensor {
    let _at = At::op("sph_harm_y");
    let dtype = theta.dtype();
    if dtype.complex().is_none() {
        fail("sph_harm_y", vec![theta.aval()], "angles are f32 or f64", Some("`.cast(DType::F32)`".into()))
    }
    let (n, m, phi) = (n.beside(theta), m.beside(theta), phi.beside(theta));
    let [n, m, theta, phi] = together("sph_harm_y", [n.cast(dtype), m.cast(dtype), theta, phi.cast(dtype)]);
    let (n, order) = (n.minimum(n_max as f64), m.abs());
    // the normalised associated Legendre function of equal degree and order, and then of rising degree
    let first = theta.like(0.5 / PI.sqrt());
    let along = |k: Tensor, p: Tensor| {
        let k = k.cast(dtype);
        where_(order.ge(k), -p * theta.sin() * (0.5 / k + 1.0).sqrt(), p)
    };
    let count = n_max as i32 + 1;
    let equal = fori_loop(1, count, along, first);
    let rise = |l: Tensor, (before, p): (Tensor, Tensor)| {
        let l = l.cast(dtype);
        let here = order.lt(l) & n.ge(l);
        let (square, last, of_order) = (l * l, (l - 1.0) * (l - 1.0), order * order);
        let gap = where_(here, square - of_order, 1.0);
        let by_p = ((square * 4.0 - 1.0) / gap).sqrt();
        // (0 for the degree after that of the order, whose square root would have no derivative)
        let behind = where_(here, (l * 2.0 + 1.0) * (last - of_order) / ((l * 2.0 - 3.0) * gap), 0.0);
        let by_before = where_(behind.gt(0.0), where_(behind.gt(0.0), behind, 1.0).sqrt(), 0.0);
        let next = by_p * theta.cos() * p - by_before * before;
        (where_(here, p, before), where_(here, next, p))
    };
    let (_, p) = fori_loop(1, count, rise, (equal.like(0.0), equal));
    let angle = order * phi;
    let y = complex(p * angle.cos(), p * angle.sin());
    let odd = (order.cast(DType::I32) % 2).eq(1);
    let mirrored = where_(odd, -y.conj(), y.conj());
    where_(m.lt(0.0), mirrored, y)
}
