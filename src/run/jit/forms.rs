//! What code that is generic in its trees asks of them.
use crate::{
    array::Array,
    aval::Aval,
    param::Param,
    trace::Tensor,
    tree::{Hole, Tree},
};

/// A tree of tensors in all its forms: what a function asks of a model or a batch that it passes to jitted functions. Every
/// tree with `derive(Tree)`, and what is made of such, is one.
///
/// ```
/// use raxla::{jit::JitTree, optim::{self, OptState}, prelude::*};
/// /// Any model, any batch, any loss.
/// fn fit<M: JitTree, B: JitTree>(mut model: M::Arrays, batches: &[B::Arrays], loss: impl Fn(M, B) -> Tensor) -> raxla::Result<M::Arrays> {
///     let opt = optim::adam(0.1, Default::default());
///     let mut state = opt.init(&model)?;
///     let step = jit(|m: M, state: OptState, batch: B| {
///         let gradient = grad(|m: M| loss(m, batch.clone()))(m.clone());
///         let (updates, state) = opt.update(&gradient, state, &m);
///         (optim::apply_updates(&m, &updates), state)
///     });
///     for batch in batches {
///         (model, state) = step.call((model, state, batch))?;
///     }
///     Ok(model)
/// }
///
/// #[derive(Tree, Clone)]
/// struct Line<T = Tensor> {
///     slope: T,
/// }
/// let batch = (Array::scalar(2f32)?, Array::scalar(6f32)?);
/// let error = |m: Line, (x, y): (Tensor, Tensor)| (m.slope * x - y).powi(2);
/// let m = fit(Line { slope: Array::scalar(2.9f32)? }, &[batch], error)?;
/// assert!((m.slope.item::<f32>()? - 3.0).abs() < 1e-3);
/// # Ok::<(), raxla::Error>(())
/// ```
pub trait JitTree:
    Tree<
        Tensor,
        With<Tensor> = Self,
        With<Array> = Self::Arrays,
        With<Aval> = Self::Avals,
        With<Hole> = Self::Holes,
        With<Param> = Self::Params,
    > + Clone
{
    /// As data: `M<Array>`.
    type Arrays: Tree<Array, With<Tensor> = Self, With<Array> = Self::Arrays, With<Aval> = Self::Avals, With<Hole> = Self::Holes>;
    /// As types: `M<Aval>`.
    type Avals: Tree<Aval, With<Tensor> = Self, With<Array> = Self::Arrays, With<Aval> = Self::Avals, With<Hole> = Self::Holes>;
    /// As a bare structure.
    type Holes: Tree<Hole, With<Tensor> = Self, With<Array> = Self::Arrays, With<Aval> = Self::Avals, With<Hole> = Self::Holes>;
    /// As a specification: `M<Param>`.
    type Params: Tree<Param, With<Tensor> = Self, With<Array> = Self::Arrays, With<Aval> = Self::Avals, With<Hole> = Self::Holes>;
}
impl<M, R, A, H, P> JitTree for M
where
    M: Tree<Tensor, With<Tensor> = M, With<Array> = R, With<Aval> = A, With<Hole> = H, With<Param> = P> + Clone,
    R: Tree<Array, With<Tensor> = M, With<Array> = R, With<Aval> = A, With<Hole> = H>,
    A: Tree<Aval, With<Tensor> = M, With<Array> = R, With<Aval> = A, With<Hole> = H>,
    H: Tree<Hole, With<Tensor> = M, With<Array> = R, With<Aval> = A, With<Hole> = H>,
    P: Tree<Param, With<Tensor> = M, With<Array> = R, With<Aval> = A, With<Hole> = H>,
{
    type Arrays = R;
    type Avals = A;
    type Holes = H;
    type Params = P;
}
