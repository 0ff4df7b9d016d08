//! Special functions of one or two numbers, in f64: what the operations mean to the interpreter.
use std::f64::consts::PI;

/// ln |Γ(x)|
pub(in crate::prim) fn lgamma(x: f64) -> f64 {
    if x == f64::NEG_INFINITY { f64::INFINITY } else { libm::lgamma(x) }
}

/// The derivative of ln Γ(x): the recurrence up to large x, then its asymptotic series. NaN at the poles, as XLA has it.
pub(in crate::prim) fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return -1.0 / x;
    }
    if x == f64::NEG_INFINITY || (x <= 0.0 && x == x.floor()) {
        return f64::NAN;
    }
    if x < 0.5 {
        // reflected, with an argument of the tangent that is exact
        return digamma(1.0 - x) - PI / (PI * (x - x.round())).tan();
    }
    let (mut x, mut less) = (x, 0.0);
    while x < 10.0 {
        less += 1.0 / x;
        x += 1.0;
    }
    // B₂ₖ / 2k
    let bernoulli = [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32760.0, 1.0 / 12.0];
    let square = 1.0 / (x * x);
    let series = bernoulli.iter().rev().fold(0.0, |sum, b| (sum + b) * square);
    x.ln() - 0.5 / x - series - less
}

/// The Hurwitz zeta function, by the Euler-Maclaurin formula (Cephes; S. Moshier, 1989). Of negative q that are not whole, for whole x.
pub(in crate::prim) fn zeta(x: f64, q: f64) -> f64 {
    // (2k)! / B₂ₖ
    const COEFFICIENTS: [f64; 12] = [
        12.0,
        -720.0,
        30240.0,
        -1209600.0,
        47900160.0,
        -1.892_437_580_318_379_2e9,
        7.47242496e10,
        -2.950_130_727_918_164e12,
        1.164_678_281_435_006_7e14,
        -4.597_978_722_407_473e15,
        1.815_210_540_194_354_7e17,
        -7.166_165_256_175_667e18,
    ];
    if x.is_nan() || q.is_nan() || x < 1.0 {
        return f64::NAN;
    }
    if x == 1.0 {
        return f64::INFINITY;
    }
    if q <= 0.0 && q == q.floor() {
        // the poles of odd orders change their sign
        return if x % 2.0 == 0.0 { f64::INFINITY } else { f64::NAN };
    }
    if (q < 0.0 && x != x.floor()) || q.is_infinite() {
        return if q == f64::INFINITY { 0.0 } else { f64::NAN };
    }
    let (mut a, mut sum) = (q, 0.0);
    while a < 12.0 {
        sum += a.powf(-x);
        a += 1.0;
    }
    let mut term = a.powf(-x);
    sum += term * a / (x - 1.0) + 0.5 * term;
    let mut k = 0.0;
    for coefficient in COEFFICIENTS {
        term *= (x + k) / a;
        sum += term / coefficient;
        term *= (x + k + 1.0) / a;
        k += 2.0;
    }
    sum
}

/// The derivative of order m of digamma.
pub(in crate::prim) fn polygamma(m: f64, x: f64) -> f64 {
    if m == 0.0 {
        return digamma(x);
    }
    if !(m > 0.0 && m == m.floor()) {
        return f64::NAN;
    }
    let sign = if m % 2.0 == 0.0 { -1.0 } else { 1.0 };
    sign * libm::tgamma(m + 1.0) * zeta(m + 1.0, x)
}

/// e^-|x| I₁(x): its power series, whose terms have one sign, and for large x the asymptotic one.
pub(in crate::prim) fn bessel_i1e(x: f64) -> f64 {
    let size = x.abs();
    if size < 30.0 {
        let (mut term, mut sum, mut k) = (size / 2.0, 0.0, 1.0);
        while term > sum * 1e-18 {
            sum += term;
            term *= (size / 2.0) * (size / 2.0) / (k * (k + 1.0));
            k += 1.0;
        }
        return (sum * (-size).exp()).copysign(x);
    }
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..20 {
        let odd = f64::from(2 * k - 1);
        term *= -(4.0 - odd * odd) / (8.0 * f64::from(k) * size);
        sum += term;
    }
    (sum / (2.0 * PI * size).sqrt()).copysign(x)
}
