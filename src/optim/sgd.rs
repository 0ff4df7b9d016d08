//! Stochastic gradient descent.
use super::state::{Typed, ZerosLike, leaves_like, moments, moments_on, next, scalar, state_dtype, zeros_on};
use crate::{
    array::Array,
    aval::{Aval, DType},
    error::Result,
    ops::Rhs,
    runtime::{self, Client},
    trace::{At, Tensor, TensorTree, fail},
    tree::Tree,
};

/// The state of stochastic gradient descent for a model `M`. JAX: `optax.sgd`.
///
/// Momentum as Sutskever et al., 2013, "On the importance of initialization and momentum in deep learning".
#[derive(Tree, Clone, Debug)]
pub struct Sgd<M, T = Tensor> {
    /// Number of steps taken: a scalar i32.
    pub count: T,
    /// The decaying sum of gradients, like the model; `None` without momentum.
    pub trace: Option<M>,
}

/// The settings of [`Sgd`], with optax's names and defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SgdOptions {
    /// How much of the sum of gradients is kept at each step; `None` steps along the gradient.
    pub momentum: Option<f64>,
    /// Nesterov's momentum: a look ahead along the sum.
    pub nesterov: bool,
}

impl<T: ZerosLike, M: Tree<T, With<T> = M>> Sgd<M, T> {
    /// The state before the first step: of tensors in a trace, of types ([`Aval`]), or of specifications
    /// ([`Param`](crate::Param)).
    pub fn init(model: &M, options: &SgdOptions) -> Sgd<M, T> {
        Sgd { count: T::count(), trace: options.momentum.map(|_| moments(model)) }
    }
}

impl<M: Tree<Array, With<Array> = M>> Sgd<M, Array> {
    /// The state before the first step, for a model of arrays, types, or specifications: on the first device of the client, or
    /// divided over a mesh as the model's arrays are.
    ///
    /// # Errors
    /// What the plugin reports, such as memory that does not suffice.
    pub fn zeros<L: Typed, S: Tree<L, With<Array> = M>>(
        client: &Client,
        model: &S,
        options: &SgdOptions,
    ) -> Result<Sgd<M, Array>> {
        let trace = options.momentum.map(|_| moments_on(client, model)).transpose()?;
        Ok(Sgd { count: zeros_on(client, Aval::new(DType::I32, []))?, trace })
    }
    /// As [`Sgd::zeros`], for the default client.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn zeros_like<L: Typed, S: Tree<L, With<Array> = M>>(model: &S, options: &SgdOptions) -> Result<Sgd<M, Array>> {
        Sgd::zeros(&runtime::client()?, model, options)
    }
}

impl<M: TensorTree> Sgd<M> {
    /// One step: the new model and the new state, given the gradient and the learning rate (a number or a scalar).
    #[track_caller]
    pub fn update(self, model: &M, gradient: &M, rate: impl Rhs, options: &SgdOptions) -> (M, Sgd<M>) {
        let _at = At::op("Sgd::update");
        if self.trace.is_some() != options.momentum.is_some() {
            let help = "give `init` or `zeros` the same options as `update`".to_string();
            fail("update", vec![], "the state was made for other options: only one of them has momentum", Some(help));
        }
        let gradients = leaves_like("the gradient", gradient, model);
        let wide = |t: &Tensor| t.cast(state_dtype(t.dtype()));
        let mut steps: Vec<Tensor> =
            gradients.iter().zip(model.leaves()).map(|(g, p)| g.cast(state_dtype(p.dtype()))).collect();
        let mut trace = None;
        if let (Some(old), Some(momentum)) = (&self.trace, options.momentum) {
            let decayed = |(g, t): (&Tensor, &Tensor)| *g + *t * momentum;
            let new: Vec<Tensor> = steps.iter().zip(&leaves_like("the state", old, model)).map(decayed).collect();
            steps = if options.nesterov { steps.iter().zip(&new).map(decayed).collect() } else { new.clone() };
            trace = Some(old.refill(new));
        }
        let stepped = |(p, step): (Tensor, Tensor)| {
            (wide(&p) - step * scalar("learning rate", rate, step.dtype())).cast(p.dtype())
        };
        let model = model.refill(model.leaves().into_iter().zip(steps).map(stepped));
        (model, Sgd { count: next(self.count), trace })
    }
}
