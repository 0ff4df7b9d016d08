//! Special functions: `jax.scipy.special`, by its names.
//!
//! All work on every element of f32 and f64 tensors (narrower floats where the operation underneath has them), have derivatives as in
//! JAX, and batch under [`vmap`](crate::vmap). Operands broadcast, and those typed `impl Rhs` may be numbers.
//!
//! ```
//! use raxla::{prelude::*, special};
//! // the density of a gamma distribution of shape a, in logarithms
//! let density = jit(|a: Tensor, x: Tensor| special::xlogy(a - 1.0, x) - x - special::gammaln(a));
//! let y = density.call((Array::scalar(3f64)?, Array::scalar(2f64)?))?;
//! assert!((y.item::<f64>()? - (4.0f64 / 2.0 * (-2f64).exp()).ln()).abs() < 1e-12);
//! # Ok::<(), raxla::Error>(())
//! ```
//! Complex are the results of [`wofz`] and [`sph_harm_y`]. Not there: complex arguments of the other functions, which JAX has for few of
//! them (`loggamma`).

/// A doctest: what a call gives for numbers.
macro_rules! example {
    ($call:literal, $value:literal) => {
        concat!(
            "```\n# use raxla::{prelude::*, special::*};\nlet y = eager(|| {\n    let number = |x: f64| full([], DType::F64, x);\n    ",
            $call,
            "\n}, ())?;\nassert!((y.item::<f64>()? - (",
            $value,
            ")).abs() < 1e-9);\n# Ok::<(), raxla::Error>(())\n```"
        )
    };
}

mod bessel;
mod complex;
mod entropy;
mod exponential;
mod gamma;
mod hypergeometric;
mod normal;
mod tables;

pub use bessel::{bessel_jn, i0, i0e, i1, i1e};
pub use complex::{sph_harm_y, wofz};
pub use entropy::{
    boxcox, boxcox1p, entr, expit, kl_div, log_softmax, logit, logsumexp, rel_entr, softmax, xlog1py, xlogy,
};
pub use exponential::{exp1, expi, expn, fresnel, sici, spence};
pub use gamma::{
    bernoulli, beta, betainc, betaln, comb, digamma, factorial, gamma, gammainc, gammaincc, gammaln, gammasgn,
    loggamma, multigammaln, poch, polygamma, zeta,
};
pub use hypergeometric::{hyp1f1, hyp2f1};
pub use normal::{dawsn, erf, erfc, erfcx, erfinv, log_ndtr, ndtr, ndtri, owens_t};

use crate::{
    ops::{fit, where_},
    prim::{epsilon, select, while_loop},
    trace::Tensor,
};
use tables::Ratio;

/// All of one shape.
#[track_caller]
fn together<const N: usize>(op: &str, x: [Tensor; N]) -> [Tensor; N] {
    let all = x.into_iter().reduce(|all, x| fit(op, all, x).0).expect("there is one at least");
    x.map(|x| fit(op, x, all).0)
}

/// Σ cₖ xᵏ, the coefficient of the highest power first.
fn polynomial(x: Tensor, coefficients: &[f64]) -> Tensor {
    coefficients.iter().fold(x.like(0.0), |sum, c| sum * x + *c)
}
/// A quotient of polynomials.
fn ratio(x: Tensor, (above, below): Ratio) -> Tensor {
    polynomial(x, above) / polynomial(x, below)
}

/// A loop for each element: it goes on with `step` where `goes_on`, until none does.
fn each_while<const N: usize>(
    start: [Tensor; N],
    goes_on: impl Fn([Tensor; N]) -> Tensor,
    step: impl Fn([Tensor; N]) -> [Tensor; N],
) -> [Tensor; N] {
    let next = |old: [Tensor; N]| {
        let (on, new) = (goes_on(old), step(old));
        std::array::from_fn(|i| select(on, new[i], old[i]))
    };
    while_loop(|state| goes_on(state).any(..), next, start)
}
/// The sum of a series, whose terms `next` makes of a count (from `from`) and the term before: at most 250, until they no longer matter
/// beside the sum. `part` is what a term adds to the sum.
fn series(
    (sum, from, term): (f64, f64, Tensor),
    part: impl Fn(Tensor, Tensor) -> Tensor,
    next: impl Fn(Tensor, Tensor) -> Tensor,
) -> Tensor {
    let eps = epsilon(term.dtype());
    let start = [term.like(sum), term.like(from), term];
    // (a sum of 0 has not converged, a term of NaN has)
    let goes_on = |[sum, k, term]: [Tensor; 3]| k.lt(250.0) & term.abs().gt(sum.abs() * eps);
    each_while(start, goes_on, |[sum, k, term]| [sum + part(k, term), k + 1.0, next(k, term)])[0]
}
/// NaN where the condition holds.
fn undefined_where(condition: Tensor, x: Tensor) -> Tensor {
    where_(condition, x.like(f64::NAN), x)
}
