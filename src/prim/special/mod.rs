//! Special functions without an operation of their own in StableHLO: each is one primitive, with JAX's algorithm (jax/_src/lax/special.py)
//! in operations and loops as what it means, and what it is lowered to. So batching and derivatives look at one operation, and
//! a loop ends when all elements have converged.
//!
//! Those that have an operation stand beside the other elementwise ones; what they mean is in `reference`.
mod bessel;
mod beta;
mod gamma;
pub(super) mod reference;

use super::*;
use crate::trace::{bind1, trace};
use gamma::Wanted;

/// The distance of 1 from the next number of the dtype that a function is computed in.
pub(crate) fn epsilon(dtype: DType) -> f64 {
    2f64.powi(-(mantissa_bits(dtype) as i32))
}
/// The largest finite number.
fn largest(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::MAX } else { f64::from(f32::MAX) }
}
/// Refuse a derivative that has no closed form.
#[track_caller]
pub(in crate::prim) fn no_derivative(op: &str, x: Tensor, what: &str) -> ! {
    let help = "hold it constant with `.stop_gradient()`".to_string();
    fail(op, vec![x.aval()], format!("there is no derivative by {what}"), Some(help))
}

/// A function of one or more tensors of one type.
type Body = fn(&[Tensor]) -> Tensor;
/// The function, computed in f32 where the dtype is narrower.
fn in_wide(body: Body, x: &[Tensor]) -> Tensor {
    let dtype = x[0].dtype();
    if dtype.bits() >= 32 {
        return body(x);
    }
    body(&x.iter().map(|x| x.cast(DType::F32)).collect::<Vec<_>>()).cast(dtype)
}
/// The operations that the function consists of. (What the operands vary over is the business of the one operation around them.)
fn graph_of(body: Body, x: &[Aval]) -> Graph {
    let avals: Vec<Aval> = x.iter().map(|a| Aval::new(a.dtype, a.dims.clone())).collect();
    trace(&avals, |x| vec![in_wide(body, x)]).0
}

/// The method of a function of one operand, or the function of several.
macro_rules! callable {
    ($(#[$doc:meta])* $P:ident, $f:ident, ($arg:ident)) => {
        impl Tensor {
            $(#[$doc])*
            #[track_caller]
            pub fn $f(self) -> Tensor {
                bind1($P, &[self])
            }
        }
    };
    ($(#[$doc:meta])* $P:ident, $f:ident, ($($arg:ident),*)) => {
        $(#[$doc])*
        ///
        /// Operands of one shape and dtype; the functions of [`special`](crate::special) broadcast.
        #[track_caller]
        pub fn $f($($arg: Tensor),*) -> Tensor {
            bind1($P, &[$($arg),*])
        }
    };
}
/// One block per function: documentation, function, operands, body, and the tangent that each operand's tangent `d` gives.
macro_rules! looped {
    ($(#[$doc:meta])* $P:ident, $f:ident, ($($arg:ident),*), $body:expr, |$x:ident, $y:ident, $d:ident| [$($part:expr),*]) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Hash)]
        pub struct $P;
        impl Primitive for $P {
            fn name(&self) -> &'static str {
                stringify!($f)
            }
            fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
                same_types(x)?;
                require(&x[0], is_float, "a float")?;
                Ok(vec![x[0].clone()])
            }
            fn eval(&self, x: &[Host]) -> Vec<Host> {
                graph_of($body, &x.iter().map(|h| h.aval().clone()).collect::<Vec<_>>()).eval(x)
            }
            #[allow(unused_variables)]
            fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
                type Rule = fn(&[Tensor], Tensor, Tensor) -> Option<Tensor>;
                let rules: &[Rule] = &[$(|$x, $y, $d| $part),*];
                let parts = rules.iter().zip(dx).map(|(rule, d)| d.and_then(|d| rule(x, y[0], d)));
                vec![parts.fold(None, add_opt)]
            }
            fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
                vec![bind1($P, &spread(n, x, mapped))]
            }
            fn lower(&self, cx: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
                let avals: Vec<Aval> = x.iter().map(|v| v.aval.clone()).collect();
                cx.graph(&graph_of($body, &avals), x)
            }
            fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
                let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
                Cost { flops: STEPS * y[0].size() as f64, bytes }
            }
        }
        callable!($(#[$doc])* $P, $f, ($($arg),*));
    };
}
looped!(/** Modified Bessel function of the first kind and order 0, times e^-|x|. JAX: `lax.bessel_i0e`. */
    BesselI0e, bessel_i0e, (x), |x| bessel::value(x[0]), |x, y, d| [Some(d * (x[0].bessel_i1e() - x[0].sign() * y))]);
looped!(/** Regularized lower incomplete gamma function P(a, x) = γ(a, x) / Γ(a), of positive a and x. JAX: `lax.igamma`. */
    Igamma, igamma, (a, x), |x| gamma::lower(x[0], x[1]),
    |x, y, d| [Some(mul(d, igamma_grad_a(x[0], x[1]))), Some(mul(d, gamma::density(x[0], x[1])))]);
looped!(/** Regularized upper incomplete gamma function 1 - P(a, x), accurate where it is small. JAX: `lax.igammac`. */
    Igammac, igammac, (a, x), |x| gamma::upper(x[0], x[1]),
    |x, y, d| [Some(mul(d, igamma_grad_a(x[0], x[1])).neg()), Some(mul(d, gamma::density(x[0], x[1])).neg())]);
looped!(/** The derivative of [`igamma`] by a, which has none by a itself. JAX: `lax.igamma_grad_a`. */
IgammaGradA, igamma_grad_a, (a, x), |x| gamma::derivative(x[0], x[1], Wanted::Derivative),
|x, y, d| [
    no_derivative("igamma_grad_a", x[0], "its first operand"),
    Some(d * gamma::density(x[0], x[1]) * (x[1].log() - x[0].digamma()))
]);
looped!(/** The derivative of a sample x of the gamma distribution of shape a by a, while its place in the distribution is held. It has
    none itself. JAX: `lax.random_gamma_grad`. */
    RandomGammaGrad, random_gamma_grad, (a, x), |x| gamma::derivative(x[0], x[1], Wanted::Sample),
    |x, y, d| [no_derivative("random_gamma_grad", x[0], "the shape"), no_derivative("random_gamma_grad", x[1], "the sample")]);
looped!(/** Regularized incomplete beta function Iₓ(a, b), of a and b not below 0 and x in [0, 1]. It has no derivative by a and b.
JAX: `lax.betainc`. */
Betainc, betainc, (a, b, x), |x| beta::value(x[0], x[1], x[2]),
|x, y, d| [
    no_derivative("betainc", x[0], "its first operand"),
    no_derivative("betainc", x[1], "its second operand"),
    Some(mul(d, beta::density(x[0], x[1], x[2])))
]);

/// Work for one element, as far as it can be said before the loops run.
const STEPS: f64 = 200.0;

/// All primitives of this folder.
pub(super) const ROWS: &[Row] = &[
    Row { name: "bessel_i0e", dtypes: is_float, cases: |d| cases(d, &[(-10.0, 12.0)], |x| x[0].bessel_i0e(), &[0]) },
    Row {
        name: "igamma",
        dtypes: is_float,
        cases: |d| cases(d, &[(0.3, 4.0), (0.2, 5.0)], |x| igamma(x[0], x[1]), &[1]),
    },
    Row {
        name: "igammac",
        dtypes: is_float,
        cases: |d| cases(d, &[(0.3, 4.0), (0.2, 5.0)], |x| igammac(x[0], x[1]), &[1]),
    },
    Row {
        name: "igamma_grad_a",
        dtypes: is_float,
        cases: |d| cases(d, &[(0.3, 4.0), (0.2, 5.0)], |x| igamma_grad_a(x[0], x[1]), &[1]),
    },
    Row {
        name: "random_gamma_grad",
        dtypes: is_float,
        cases: |d| cases(d, &[(0.3, 4.0), (0.2, 5.0)], |x| random_gamma_grad(x[0], x[1]), &[]),
    },
    Row {
        name: "betainc",
        dtypes: is_float,
        // (without special values: where both parameters are 30, a unit of f32 in the fraction is 1e-5 of the result)
        cases: |d| {
            let mut all = cases(d, &[(0.3, 4.0), (0.3, 4.0), (0.1, 0.9)], |x| betainc(x[0], x[1], x[2]), &[2]);
            all.retain(|case| case.label != "special");
            all
        },
    },
];
/// Cases with operands in these ranges.
fn cases(d: DType, ranges: &'static [(f64, f64)], f: fn(&[Tensor]) -> Tensor, wrt: &[usize]) -> Vec<Case> {
    let case = |label: &str, dims: &[usize]| {
        let inputs = ranges.iter().zip(1..).map(|((low, high), seed)| sample_in(d, dims, seed, *low, *high)).collect();
        Case::new(label, inputs, move |x| vec![f(x)]).wrt(wrt)
    };
    let mut all = vec![case("values", &[3, 4]), case("scalar", &[]), case("empty", &[0, 2])];
    if matches!(d, DType::F32 | DType::F64) {
        let special = [0.0, 0.5, 1.0, 30.0, f64::INFINITY, f64::NAN, -1.0];
        let n = special.len().pow(ranges.len() as u32);
        let operand = |k: u32| (0..n).map(|i| special[i / special.len().pow(k) % special.len()]).collect();
        let inputs = (0..ranges.len() as u32).map(|k| Host::floats(d, [n], operand(k))).collect();
        all.push(Case::new("special", inputs, move |x| vec![f(x)]).wrt([]));
    }
    all
}
