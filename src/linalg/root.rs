//! Roots of functions, with the derivative of the implicit function.
use crate::{
    prim::{custom_jvp, custom_linear_solve},
    trace::{At, Tensor, TensorTree, avals_of, inline, trace_tree},
    transform::{jvp, linearize},
};

/// A root x of `f`, f(x) = 0, that `solve(f, initial)` finds, in any way, where `f` maps a tree of tensors to one of the same types. JAX:
/// `lax.custom_root`.
///
/// Derivatives by what `f` captures are those of the implicit function, of orders up to 4 and in both modes: they need the solution
/// y of J y = b, which `tangent_solve(j, b)` finds, where `j(y)` is the product with the derivative J of `f` at the root. In reverse mode
/// it is asked for the transposed J. Nothing is differentiated through `solve`; `initial` has no influence.
///
/// ```
/// use raxla::{custom_root, grad, prelude::*, while_loop};
/// // the square root, by Newton's method
/// fn root(a: Tensor) -> Tensor {
///     let newton = |f: &dyn Fn(Tensor) -> Tensor, x: Tensor| {
///         while_loop(|x: Tensor| f(x).abs().gt(1e-5), |x| x - f(x) / (x * 2.0), x)
///     };
///     let scalar = |j: &dyn Fn(Tensor) -> Tensor, b: Tensor| b / j(b.like(1.0));
///     custom_root(|x: Tensor| x * x - a, a.like(1.0), newton, scalar)
/// }
/// let f = jit(|a: Tensor| (root(a), grad(root)(a), grad(grad(root))(a)));
/// let (x, dx, ddx) = f.call((4f32,))?;
/// assert!((x.item::<f32>()? - 2.0).abs() < 1e-5);
/// assert!((dx.item::<f32>()? - 0.25).abs() < 1e-5 && (ddx.item::<f32>()? + 0.03125).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Functions that return another type than that of `initial`.
#[track_caller]
pub fn custom_root<X: TensorTree>(
    f: impl Fn(X) -> X,
    initial: X,
    solve: impl Fn(&dyn Fn(X) -> X, X) -> X,
    tangent_solve: impl Fn(&dyn Fn(X) -> X, X) -> X,
) -> X {
    let _at = At::op("custom_root");
    let avals = avals_of(&initial);
    // what f captures becomes an argument
    let (graph, captured, _) = trace_tree(&initial, &avals, f);
    let of = |consts: &[Tensor], x: X| initial.refill(inline(&graph, &[x.leaves(), consts.to_vec()].concat()));
    let start = initial.leaves().into_iter().map(Tensor::stop_gradient).collect();
    let found = Root { of: &of, solve: &solve, tangent_solve: &tangent_solve, like: &initial }.at((captured, start));
    initial.refill(found)
}

/// What finds a root, or the solution of a system, given the function and where to begin, or the right-hand side.
type Solver<'a, X> = dyn Fn(&dyn Fn(X) -> X, X) -> X + 'a;
/// A solution as a function of what `f` captures, and of where to begin.
struct Root<'a, X> {
    of: &'a dyn Fn(&[Tensor], X) -> X,
    solve: &'a Solver<'a, X>,
    tangent_solve: &'a Solver<'a, X>,
    like: &'a X,
}
type ConstsAndStart = (Vec<Tensor>, Vec<Tensor>);
impl<X: TensorTree> Root<'_, X> {
    fn at(&self, both: ConstsAndStart) -> Vec<Tensor> {
        let plain = |(consts, start): ConstsAndStart| {
            (self.solve)(&|x| (self.of)(&consts, x), self.like.refill(start)).leaves()
        };
        let rule = |(consts, start): ConstsAndStart, (dconsts, _): ConstsAndStart| {
            // (the solution in the rule has a rule itself: so there are derivatives of higher order)
            let x = self.at((consts.clone(), start));
            let by_consts = |consts: Vec<Tensor>| (self.of)(&consts, self.like.refill(x.clone())).leaves();
            let right: Vec<Tensor> = jvp(by_consts, consts.clone(), dconsts).1.into_iter().map(|d| -d).collect();
            let root = self.like.refill(x.clone());
            let (_, push) = linearize(|x: X| (self.of)(&consts, x), root);
            let dx = custom_linear_solve(push, self.like.refill(right), self.tangent_solve, self.tangent_solve);
            (x, dx.leaves())
        };
        custom_jvp(plain, rule)(both)
    }
}
