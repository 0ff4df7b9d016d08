//! Adam with decoupled weight decay.
use super::state::{Typed, ZerosLike, leaves_like, moments, moments_on, next, scalar, state_dtype, zeros_on};
use crate::{
    array::Array,
    aval::{Aval, DType},
    error::Result,
    ops::Rhs,
    prim::full,
    runtime::{self, Client},
    trace::{At, Tensor, TensorTree},
    tree::{Path, Tree},
};

/// The state of AdamW for a model `M`: `AdamW<Gpt2>` in a trace, `AdamW<Gpt2<Array>, Array>` outside.
///
/// Loshchilov and Hutter, 2019, "Decoupled Weight Decay Regularization" (arXiv 1711.05101). JAX: `optax.adamw`.
#[derive(Tree, Clone, Debug)]
pub struct AdamW<M, T = Tensor> {
    /// Number of steps taken: a scalar i32.
    pub count: T,
    /// Running mean of the gradients, like the model.
    pub mean: M,
    /// Running mean of the gradients' squares, like the model.
    pub square: M,
}

/// The settings of AdamW, with optax's names and defaults.
#[derive(Clone, Copy, Debug)]
pub struct AdamWOptions {
    /// How much of the mean of gradients is kept at each step: 0.9.
    pub b1: f64,
    /// How much of the mean of squares is kept at each step: 0.999.
    pub b2: f64,
    /// Added to the denominator: 1e-8.
    pub eps: f64,
    /// Added to the mean of squares, below the square root: 0. Needed where a derivative is taken through the step.
    pub eps_root: f64,
    /// Part of a parameter that is taken off it, times the learning rate: 1e-4; 0 makes it Adam.
    pub weight_decay: f64,
    /// Which parameters decay, by path and type: all. Of a stack of layers, leaves have a leading axis.
    pub mask: fn(&Path, &Aval) -> bool,
    /// Nesterov's momentum, which makes it NAdamW (Dozat, 2016): no.
    pub nesterov: bool,
}
impl Default for AdamWOptions {
    fn default() -> AdamWOptions {
        let mask = |_: &Path, _: &Aval| true;
        AdamWOptions { b1: 0.9, b2: 0.999, eps: 1e-8, eps_root: 0.0, weight_decay: 1e-4, mask, nesterov: false }
    }
}

impl<T: ZerosLike, M: Tree<T, With<T> = M>> AdamW<M, T> {
    /// The state before the first step: of tensors in a trace, of types ([`Aval`]) to compile for, or of specifications
    /// ([`Param`](crate::Param)), whose axes keep their roles.
    pub fn init(model: &M) -> AdamW<M, T> {
        AdamW { count: T::count(), mean: moments(model), square: moments(model) }
    }
}

impl<M: Tree<Array, With<Array> = M>> AdamW<M, Array> {
    /// The state before the first step, for a model of arrays, types, or specifications: on the first device of the client, or
    /// divided over a mesh as the model's arrays are.
    ///
    /// # Errors
    /// What the plugin reports, such as memory that does not suffice.
    pub fn zeros<L: Typed, S: Tree<L, With<Array> = M>>(client: &Client, model: &S) -> Result<AdamW<M, Array>> {
        let count = zeros_on(client, Aval::new(DType::I32, []))?;
        Ok(AdamW { count, mean: moments_on(client, model)?, square: moments_on(client, model)? })
    }
    /// As [`AdamW::zeros`], for the default client.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn zeros_like<L: Typed, S: Tree<L, With<Array> = M>>(model: &S) -> Result<AdamW<M, Array>> {
        AdamW::zeros(&runtime::client()?, model)
    }
}

impl<M: TensorTree> AdamW<M> {
    /// One step: the new model and the new state, given the gradient and the learning rate (a number or a scalar).
    #[track_caller]
    pub fn update(self, model: &M, gradient: &M, rate: impl Rhs, options: &AdamWOptions) -> (M, AdamW<M>) {
        let _at = At::op("AdamW::update");
        let o = *options;
        let gradients = leaves_like("the gradient", gradient, model);
        let old = (leaves_like("the state", &self.mean, model), leaves_like("the state", &self.square, model));
        let mut decays = vec![];
        model.visit(|path, p| decays.push((o.mask)(path, &p.aval())));
        let count = next(self.count);
        let (mut parameters, mut mean, mut square) = (vec![], vec![], vec![]);
        for (i, p) in model.leaves().into_iter().enumerate() {
            let dtype = state_dtype(p.dtype());
            let (g, wide) = (gradients[i].cast(dtype), p.cast(dtype));
            let m = old.0[i] * o.b1 + g * (1.0 - o.b1);
            let s = old.1[i] * o.b2 + g * g * (1.0 - o.b2);
            let unbiased = |x: Tensor, beta: f64, count: Tensor| {
                x / (full([], dtype, 1.0) - full([], dtype, beta).pow(count.cast(dtype))).broadcast_to(x.dims())
            };
            let first = match o.nesterov {
                true => unbiased(m, o.b1, next(count)) * o.b1 + unbiased(g, o.b1, count) * (1.0 - o.b1),
                false => unbiased(m, o.b1, count),
            };
            let second = unbiased(s, o.b2, count);
            let second = if o.eps_root == 0.0 { second } else { second + o.eps_root };
            let mut step = first / (second.sqrt() + o.eps);
            if decays[i] && o.weight_decay != 0.0 {
                step += wide * o.weight_decay;
            }
            parameters.push((wide - step * scalar("learning rate", rate, dtype)).cast(p.dtype()));
            mean.push(m);
            square.push(s);
        }
        let state = AdamW { count, mean: self.mean.refill(mean), square: self.square.refill(square) };
        (model.refill(parameters), state)
    }
}
