//! Solutions of linear systems by products with the matrix alone: `jax.scipy.sparse.linalg`.
use super::pinv;
use crate::{
    aval::DType,
    ops::{shape::concat, where_},
    prim::{custom_linear_solve, fori_loop, full, iota, while_loop, zeros},
    trace::{At, Tensor, TensorTree, fail},
};

/// When an iteration ends.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// What is left is this much smaller than the right-hand side (by their norms).
    pub tol: f64,
    /// Or it is this small.
    pub atol: f64,
    /// Or so many steps (of [`gmres`]: restarts) are done; by default ten for each unknown.
    pub maxiter: Option<usize>,
}
impl Default for Until {
    fn default() -> Until {
        Until { tol: 1e-5, atol: 0.0, maxiter: None }
    }
}

/// A vector in several tensors, all of one dtype.
type Parts = Vec<Tensor>;
fn dot(x: &Parts, y: &Parts) -> Tensor {
    let sums = x.iter().zip(y).map(|(x, y)| (*x * *y).sum(..));
    sums.reduce(|a, b| a + b).expect("a vector has a tensor at least")
}
/// `x + a y`.
fn plus(x: &Parts, a: Tensor, y: &Parts) -> Parts {
    x.iter().zip(y).map(|(x, y)| *x + a * *y).collect()
}
fn minus(x: &Parts, y: &Parts) -> Parts {
    x.iter().zip(y).map(|(x, y)| *x - *y).collect()
}
fn choose(condition: Tensor, x: &Parts, y: &Parts) -> Parts {
    x.iter().zip(y).map(|(x, y)| where_(condition, *x, *y)).collect()
}

/// The system that a solver is given: A and the preconditioner as functions of parts.
struct System<'a> {
    a: &'a dyn Fn(Parts) -> Parts,
    m: &'a dyn Fn(Parts) -> Parts,
    b: Parts,
    /// Where the iteration begins; `None`: at zero.
    x0: Option<Parts>,
    until: Until,
}
impl System<'_> {
    fn unknowns(&self) -> usize {
        self.b.iter().map(|b| b.size()).sum()
    }
    fn steps(&self) -> i32 {
        let steps = self.until.maxiter.unwrap_or_else(|| self.unknowns().saturating_mul(10));
        i32::try_from(steps).unwrap_or(i32::MAX)
    }
    /// The square of the norm that is small enough.
    fn enough(&self) -> Tensor {
        let size = dot(&self.b, &self.b);
        (size * (self.until.tol * self.until.tol)).maximum(self.until.atol * self.until.atol)
    }
    /// Where the iteration begins, and what A makes too little there: `b - A x`.
    fn start(&self) -> (Parts, Parts) {
        match &self.x0 {
            Some(x) => (x.clone(), minus(&self.b, &(self.a)(x.clone()))),
            None => (self.b.iter().map(|b| b.like(0.0)).collect(), self.b.clone()),
        }
    }
}

/// Solve with a solver of [`System`]s, and with the derivatives of a solution.
#[track_caller]
fn solved<X: TensorTree>(
    op: &'static str,
    (a, b, x0, m): (impl Fn(X) -> X, X, Option<X>, impl Fn(X) -> X),
    until: Until,
    solver: impl Fn(System) -> Parts,
) -> X {
    let leaves = b.leaves();
    let float = |t: &Tensor| matches!(t.dtype(), DType::F32 | DType::F64) && t.dtype() == leaves[0].dtype();
    if leaves.is_empty() || !leaves.iter().all(float) {
        let operands = leaves.iter().map(|t| t.aval()).collect();
        fail(
            op,
            operands,
            "the right-hand side is not of f32 alone, or of f64 alone",
            Some("`.cast(DType::F32)`".into()),
        )
    }
    let (shape, x0) = (b.refill(leaves), x0.map(|x0| first_guess(op, &b, &x0)));
    let solve = |a: &dyn Fn(X) -> X, b: X, x0: Option<Parts>| {
        let on_parts = |f: &dyn Fn(X) -> X, x: Parts| f(shape.refill(x)).leaves();
        let (apply, precondition) = (|x: Parts| on_parts(a, x), |x: Parts| on_parts(&m, x));
        let parts = solver(System { a: &apply, m: &precondition, b: b.leaves(), x0, until });
        shape.refill(parts)
    };
    // (a guess of the solution is none of what the transposed system, for derivatives, has as its solution)
    custom_linear_solve(a, b, |a, b| solve(a, b, x0.clone()), |a, b| solve(a, b, None))
}
/// The leaves of a first guess, which must be of the types of `b`. Solutions do not depend on it, so it has no derivative.
#[track_caller]
fn first_guess<X: TensorTree>(op: &'static str, b: &X, x0: &X) -> Parts {
    let (b, x0) = (b.leaves(), x0.leaves());
    if b.len() != x0.len() || b.iter().zip(&x0).any(|(b, x)| !b.aval().is_like(&x.aval())) {
        let operands = b.iter().chain(&x0).map(|t| t.aval()).collect();
        let help = "`x0` is a tree like the right-hand side; `None` begins at zero";
        fail(op, operands, "the first guess is not of the type of the right-hand side", Some(help.into()))
    }
    x0.iter().map(|x| x.stop_gradient()).collect()
}

/// The solution of A x = `b` for a symmetric positive definite A by conjugate gradients, where `a(x)` is A x and `m(x)` approximates A⁻¹ x
/// (`|x| x` where nothing does), beginning at `x0`, or at zero. `x`, `b` and `x0` are trees of tensors of one dtype, f32 or f64.
/// Derivatives are those of the solution.
/// JAX: `jax.scipy.sparse.linalg.cg`.
///
/// ```
/// use raxla::{linalg, prelude::*};
/// let f = jit(|a: Tensor, b: Tensor| linalg::cg(|x: Tensor| a.matmul(x), b, None, |x| x, linalg::Until::default()));
/// let a = Array::from_slice([2, 2], &[4f32, 1., 1., 3.])?;
/// let x = f.call((a, Array::from_slice([2], &[1f32, 2.])?))?.to_vec::<f32>()?;
/// assert!((x[0] - 1.0 / 11.0).abs() < 1e-5 && (x[1] - 7.0 / 11.0).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Trees without leaves, or of other or different dtypes; an `x0` of another type than `b`; functions that return another type.
#[track_caller]
pub fn cg<X: TensorTree>(a: impl Fn(X) -> X, b: X, x0: Option<X>, m: impl Fn(X) -> X, until: Until) -> X {
    let _at = At::op("cg");
    solved("cg", (a, b, x0, m), until, |s| {
        let (enough, (x, r)) = (s.enough(), s.start());
        let z = (s.m)(r.clone());
        let going = |(_, r, _, _, k): (Parts, Parts, Tensor, Parts, Tensor)| dot(&r, &r).gt(enough) & k.lt(s.steps());
        let step = |(x, r, gamma, p, k): (Parts, Parts, Tensor, Parts, Tensor)| {
            let ap = (s.a)(p.clone());
            let alpha = gamma / dot(&p, &ap);
            let (x, r) = (plus(&x, alpha, &p), plus(&r, -alpha, &ap));
            let z = (s.m)(r.clone());
            let next = dot(&r, &z);
            let p = plus(&z, next / gamma, &p);
            (x, r, next, p, k + 1)
        };
        let gamma = dot(&r, &z);
        while_loop(going, step, (x, r, gamma, z, zeros([], DType::I32))).0
    })
}

/// As [`cg`], for any A that has an inverse, by stabilised biconjugate gradients. JAX: `jax.scipy.sparse.linalg.bicgstab`.
///
/// # Errors
/// As [`cg`].
#[track_caller]
pub fn bicgstab<X: TensorTree>(a: impl Fn(X) -> X, b: X, x0: Option<X>, m: impl Fn(X) -> X, until: Until) -> X {
    let _at = At::op("bicgstab");
    type State = ((Parts, Parts, Parts, Parts), (Tensor, Tensor, Tensor), Tensor);
    solved("bicgstab", (a, b, x0, m), until, |s| {
        let (enough, (x, first)) = (s.enough(), s.start());
        // (a negative count: nothing moves any more)
        let going = |((_, r, _, _), _, k): State| dot(&r, &r).gt(enough) & k.lt(s.steps()) & k.ge(0);
        let step = |((x, r, p, q), (alpha, omega, rho), k): State| {
            let next = dot(&first, &r);
            let beta = next / rho * alpha / omega;
            let p = plus(&r, beta, &plus(&p, -omega, &q));
            let towards = (s.m)(p.clone());
            let q = (s.a)(towards.clone());
            let alpha = next / dot(&first, &q);
            let half = plus(&r, -alpha, &q);
            let early = dot(&half, &half).lt(enough);
            let further = (s.m)(half.clone());
            let t = (s.a)(further.clone());
            let omega = dot(&t, &half) / dot(&t, &t);
            let x = plus(&x, alpha, &towards);
            let x = choose(early, &x, &plus(&x, omega, &further));
            let r = choose(early, &half, &plus(&half, -omega, &t));
            let stuck = omega.eq(0.0) | alpha.eq(0.0) | next.eq(0.0);
            ((x, r, p, q), (alpha, omega, next), where_(stuck, k.like(-1), k + 1))
        };
        let one = enough.like(1.0);
        let state = ((x, first.clone(), first.clone(), first.clone()), (one, one, one), zeros([], DType::I32));
        while_loop(going, step, state).0.0
    })
}

/// As [`cg`], for any A that has an inverse, by the generalised minimal residual method: the best approximation in the space of `restart`
/// products with A, again from there on. JAX: `jax.scipy.sparse.linalg.gmres`.
///
/// # Errors
/// As [`cg`].
#[track_caller]
pub fn gmres<X: TensorTree>(
    a: impl Fn(X) -> X,
    b: X,
    x0: Option<X>,
    m: impl Fn(X) -> X,
    restart: usize,
    until: Until,
) -> X {
    let _at = At::op("gmres");
    solved("gmres", (a, b, x0, m), until, |s| {
        let (n, enough) = (s.unknowns(), s.enough());
        let restart = restart.min(n).max(1);
        let left = |x: &Parts| minus(&s.b, &(s.a)(x.clone()));
        let going = |(_, r, k): (Parts, Parts, Tensor)| dot(&r, &r).gt(enough) & k.lt(s.steps());
        let step = |(x, r, k): (Parts, Parts, Tensor)| {
            let x = plus(&x, enough.like(1.0), &best_in_space(&s, restart, &(s.m)(r)));
            let r = left(&x);
            (x, r, k + 1)
        };
        let (x, r) = s.start();
        while_loop(going, step, (x, r, zeros([], DType::I32))).0
    })
}
/// The vector y in the space of `r`, M A r, (M A)² r, .. that makes |r - M A y| smallest, by Arnoldi's orthonormal basis.
fn best_in_space(s: &System, restart: usize, r: &Parts) -> Parts {
    let dtype = r[0].dtype();
    let flat = |x: &Parts| concat(&x.iter().map(|x| x.reshape([x.size()])).collect::<Vec<_>>(), 0);
    let sizes: Vec<usize> = r.iter().map(|x| x.size()).collect();
    let parts = |x: Tensor| -> Parts {
        let mut at = 0;
        let part = |(like, n): (&Tensor, &usize)| {
            at += n;
            x.slice_axis(0, at - n..at).reshape(like.dims())
        };
        r.iter().zip(&sizes).map(part).collect()
    };
    let length = |x: Tensor| (x * x).sum(..).sqrt();
    let unit = |x: Tensor, length: Tensor| where_(length.gt(0.0), x / length, 0.0);
    let (first, n) = (flat(r), sizes.iter().sum::<usize>());
    let beta = length(first);
    let number = iota([restart + 1], DType::I32, 0);
    let row = |i: Tensor| number.eq(i).cast(dtype);
    let basis = zeros([restart + 1, n], dtype) + row(zeros([], DType::I32)).expand_dims(-1) * unit(first, beta);
    let step = |k: Tensor, (basis, products): (Tensor, Tensor)| {
        let w = flat(&(s.m)((s.a)(parts(basis.dynamic_index(0, k)))));
        let size = length(w);
        // twice, so that rounding leaves it orthogonal
        let along = basis.matmul(w);
        let rest = w - along.matmul(basis);
        let again = basis.matmul(rest);
        let rest = rest - again.matmul(basis);
        let left = length(rest);
        // (what is left of nothing is rounding)
        let tiny = size * super::epsilon(dtype);
        let left = where_(left.gt(tiny), left, 0.0);
        let basis = basis + row(k + 1).expand_dims(-1) * unit(rest, left);
        let column = along + again + row(k + 1) * left;
        (basis, products + column.expand_dims(-1) * row(k).slice_axis(0, ..restart))
    };
    let start = (basis, full([restart + 1, restart], dtype, 0.0));
    let (basis, products) = fori_loop(0, restart, step, start);
    let target = row(zeros([], DType::I32)) * beta;
    let y = pinv(products, None).matmul(target);
    parts(y.matmul(basis.slice_axis(0, ..restart)))
}
