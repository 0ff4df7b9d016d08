//! The gamma function and its relatives.
use super::*;
use crate::{
    aval::DType,
    ops::{Rhs, shape::arange},
    prim::{self, composite_jvp},
    trace::{At, fail},
    transform::jvp,
};
use std::f64::consts::PI;

/// ln |Γ(x)|.
#[doc = example!("gammaln(number(5.0))", "24f64.ln()")]
#[track_caller]
pub fn gammaln(x: Tensor) -> Tensor {
    x.lgamma()
}
/// ln Γ(x) of positive x; NaN elsewhere.
#[doc = example!("loggamma(number(5.0))", "24f64.ln()")]
#[track_caller]
pub fn loggamma(x: Tensor) -> Tensor {
    let _at = At::op("loggamma");
    undefined_where(!x.gt(0.0), x.lgamma())
}
/// The sign of Γ(x): 1, -1, or NaN at the negative integers.
#[doc = example!("gammasgn(number(-0.5))", "-1.0")]
#[track_caller]
pub fn gammasgn(x: Tensor) -> Tensor {
    let _at = At::op("gammasgn");
    let (floor, negative) = (x.floor(), x.lt(0.0));
    // (1 / -0 is -∞)
    let odd = (negative & (floor % 2.0).ne(0.0)) | (x.eq(0.0) & (1.0 / x).lt(0.0));
    undefined_where((negative & x.eq(floor)) | x.is_nan(), where_(odd, x.like(-1.0), 1.0))
}
/// The gamma function Γ(x) = ∫₀^∞ tˣ⁻¹ e⁻ᵗ dt.
#[doc = example!("gamma(number(5.0))", "24.0")]
#[track_caller]
pub fn gamma(x: Tensor) -> Tensor {
    let _at = At::op("gamma");
    gammasgn(x) * x.lgamma().exp()
}
/// ln |B(a, b)| of positive a and b.
#[doc = example!("betaln(number(2.0), 3.0)", "(1f64 / 12.0).ln()")]
#[track_caller]
pub fn betaln(a: Tensor, b: impl Rhs) -> Tensor {
    let _at = At::op("betaln");
    let [a, b] = together("betaln", [a, b.beside(a)]);
    let (a, b) = (a.minimum(b), a.maximum(b));
    let small = a.lgamma() + (b.lgamma() - (a + b).lgamma());
    where_(b.lt(8.0), small, a.lgamma() + log_quotient(a, b))
}
/// ln Γ(b) / Γ(a + b) of b ≥ 8 and a ≤ b (SciPy's `algdiv`; Didonato and Morris 1992).
fn log_quotient(a: Tensor, b: Tensor) -> Tensor {
    const C: [f64; 6] = [
        8.33333333333333e-2,
        -2.77777777760991e-3,
        7.93650666825390e-4,
        -5.95202931351870e-4,
        8.37308034031215e-4,
        -1.65322962780713e-3,
    ];
    let h = a / b;
    let x = h / (1.0 + h);
    let t = (1.0 / b).powi(2);
    // (1 - xⁿ) / (1 - x) of n = 3, 5, ...
    let mut power_sum = x.like(1.0);
    let sums = [(); 5].map(|()| {
        power_sum = 1.0 + (x + x * x * power_sum);
        power_sum
    });
    let w = (1..5).rev().fold(sums[4] * C[5], |w, i| w * t + sums[i - 1] * C[i]) * t + C[0];
    let w = w * (x / b);
    let (u, v) = ((b + (a - 0.5)) * h.log1p(), a * (b.log() - 1.0));
    where_(u.le(v), (w - v) - u, (w - u) - v)
}
/// The beta function B(a, b) = Γ(a) Γ(b) / Γ(a + b).
#[doc = example!("beta(number(2.0), 3.0)", "1.0 / 12.0")]
#[track_caller]
pub fn beta(a: Tensor, b: impl Rhs) -> Tensor {
    let _at = At::op("beta");
    let [a, b] = together("beta", [a, b.beside(a)]);
    gammasgn(a) * gammasgn(b) * gammasgn(a + b) * betaln(a, b).exp()
}
/// The regularized incomplete beta function Iₓ(a, b), which has a derivative by x only.
#[doc = example!("betainc(1.0, 2.0, number(0.5))", "0.75")]
#[track_caller]
pub fn betainc(a: impl Rhs, b: impl Rhs, x: Tensor) -> Tensor {
    let _at = At::op("betainc");
    let [a, b, x] = together("betainc", [a.beside(x), b.beside(x), x]);
    prim::betainc(a, b, x)
}
/// The regularized lower incomplete gamma function: the share of a gamma distribution of shape a below x.
#[doc = example!("gammainc(1.0, number(2.0))", "1.0 - (-2f64).exp()")]
#[track_caller]
pub fn gammainc(a: impl Rhs, x: Tensor) -> Tensor {
    let _at = At::op("gammainc");
    let [a, x] = together("gammainc", [a.beside(x), x]);
    prim::igamma(a, x)
}
/// The regularized upper incomplete gamma function, 1 - [`gammainc`], accurate where it is small.
#[doc = example!("gammaincc(1.0, number(2.0))", "(-2f64).exp()")]
#[track_caller]
pub fn gammaincc(a: impl Rhs, x: Tensor) -> Tensor {
    let _at = At::op("gammaincc");
    let [a, x] = together("gammaincc", [a.beside(x), x]);
    prim::igammac(a, x)
}
/// The derivative of ln Γ(x).
#[doc = example!("digamma(number(1.0))", "-0.5772156649015329")]
#[track_caller]
pub fn digamma(x: Tensor) -> Tensor {
    x.digamma()
}
/// The derivative of order n of [`digamma`]: `n` is a number, or integers.
#[doc = example!("polygamma(1, number(1.0))", "std::f64::consts::PI.powi(2) / 6.0")]
#[track_caller]
pub fn polygamma(n: impl Rhs, x: Tensor) -> Tensor {
    let _at = At::op("polygamma");
    let [n, x] = together("polygamma", [n.beside(x).cast(x.dtype()), x]);
    prim::polygamma(n.stop_gradient(), x)
}
/// The Hurwitz zeta function Σ (q + k)⁻ˣ over k from 0, for x > 1.
#[doc = example!("zeta(number(2.0), 1.0)", "std::f64::consts::PI.powi(2) / 6.0")]
#[track_caller]
pub fn zeta(x: Tensor, q: impl Rhs) -> Tensor {
    let _at = At::op("zeta");
    let [x, q] = together("zeta", [x, q.beside(x)]);
    type Pair = (Tensor, Tensor);
    let rule = |(x, q): Pair, d: Pair| (prim::zeta(x, q), jvp(zeta_series, (x, q), d).1);
    composite_jvp(|(x, q): Pair| prim::zeta(x, q), rule)((x, q))
}
/// The same by the Euler-Maclaurin formula (Johansson 2015, arXiv 1309.2877), which can be differentiated by both.
fn zeta_series((s, a): (Tensor, Tensor)) -> Tensor {
    // B₂ₖ / (2k)!
    const B: [f64; 16] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30240.0,
        -1.0 / 1209600.0,
        1.0 / 47900160.0,
        -691.0 / 1307674368000.0,
        1.0 / 74724249600.0,
        -3617.0 / 10670622842880000.0,
        43867.0 / 5109094217170944000.0,
        -174611.0 / 802857662698291200000.0,
        77683.0 / 14101100039391805440000.0,
        -236364091.0 / 1693824136731743669452800000.0,
        657931.0 / 186134520519971831808000000.0,
        -3392780147.0 / 37893265687455865519472640000000.0,
        1723168255201.0 / 759790291646040068357842010112000000.0,
        -7709321041217.0 / 134196726836183700385281186201600000000.0,
    ];
    let n = if s.dtype() == DType::F64 { 16 } else { 8 };
    let end = a + n as f64;
    let sum = (0..n).fold(s.like(0.0), |sum, k| sum + (a + k as f64).pow(-s));
    let integral = end.pow(1.0 - s) / (s - 1.0);
    let mut product = s / end;
    let mut rest = s.like(0.5);
    for (k, b) in B.iter().enumerate().take(n) {
        rest += product * *b;
        product = product * ((s + (2 * k + 1) as f64) / end) * ((s + (2 * k + 2) as f64) / end);
    }
    sum + integral + end.pow(-s) * rest
}
/// n! = Γ(n + 1); 0 of negative numbers.
#[doc = example!("factorial(number(5.0))", "120.0")]
#[track_caller]
pub fn factorial(n: Tensor) -> Tensor {
    let _at = At::op("factorial");
    where_(n.lt(0.0), n.like(0.0), (n + 1.0).lgamma().exp())
}
/// The number of choices of k among n; 0 where there are none.
#[doc = example!("comb(number(5.0), 2.0)", "10.0")]
#[track_caller]
pub fn comb(n: Tensor, k: impl Rhs) -> Tensor {
    let _at = At::op("comb");
    let [n, k] = together("comb", [n, k.beside(n)]);
    let exists = k.le(n) & n.ge(0.0) & k.ge(0.0);
    let (n, k) = (where_(exists, n, 0.0), where_(exists, k, 0.0));
    let choices = ((n + 1.0).lgamma() - (k + 1.0).lgamma() - (n + 1.0 - k).lgamma()).exp();
    where_(exists, choices, 0.0)
}
/// The logarithm of the multivariate gamma function of dimension d.
#[doc = example!("multigammaln(number(3.0), 1)", "2f64.ln()")]
#[track_caller]
pub fn multigammaln(a: Tensor, d: usize) -> Tensor {
    let _at = At::op("multigammaln");
    let halves = arange(d, a.dtype()) / 2.0;
    (a.expand_dims(-1) - halves).lgamma().sum(-1) + d as f64 * (d as f64 - 1.0) / 4.0 * PI.ln()
}
/// The Pochhammer symbol Γ(z + m) / Γ(z). Its derivative by m is that of JAX.
#[doc = example!("poch(number(2.0), 3.0)", "24.0")]
#[track_caller]
pub fn poch(z: Tensor, m: impl Rhs) -> Tensor {
    let _at = At::op("poch");
    type Pair = (Tensor, Tensor);
    let value = |(z, m): Pair| where_(m.eq(0.0), z.like(1.0), gamma(z + m) / gamma(z));
    let rule = move |(z, m): Pair, (dz, dm): Pair| {
        let (y, psi) = (value((z, m)), (z + m).digamma());
        (y, (psi - z.digamma()) * y * dz + psi * y * dm)
    };
    let [z, m] = together("poch", [z, m.beside(z)]);
    composite_jvp(value, rule)((z, m))
}
/// The Bernoulli numbers B₀ to Bₙ: `[n + 1]`.
#[doc = example!("bernoulli(4, DType::F64).slice_axis(0, 1..2).squeeze(0)", "-0.5")]
///
/// # Errors
/// An n above 10000.
#[track_caller]
pub fn bernoulli(n: usize, dtype: DType) -> Tensor {
    let _at = At::op("bernoulli");
    if n > 10_000 {
        let help = "numbers of such orders are infinite in f32".to_string();
        fail("bernoulli", vec![], format!("{n} is above 10000"), Some(help))
    }
    if !dtype.is_float() {
        fail("bernoulli", vec![], format!("{dtype} is not a float"), Some("ask for f32 or f64".into()))
    }
    let mut known = vec![1.0, -0.5, 1.0 / 6.0];
    let mut product = 1.0 / PI.powi(2);
    for m in 3..=n {
        if m % 2 == 1 {
            known.push(0.0);
            continue;
        }
        // |B| = 2 m! ζ(m) / (2π)ᵐ
        let m = m as f64;
        product *= -(m - 1.0) * m / 4.0 / PI.powi(2);
        known.push(product * (2..50).fold(1.0, |sum, k| sum + f64::from(k).powf(-m)));
    }
    known.truncate(n + 1);
    prim::literal(crate::host::Host::floats(dtype, [n + 1], known))
}
