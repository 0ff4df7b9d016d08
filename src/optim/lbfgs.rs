//! L-BFGS: steps by an estimate of the inverse Hessian from the latest steps, with a line search, for small problems.
use super::{
    OptState, Optimizer, chain,
    clip::{norm_of, sum_of},
    linesearch::{ZoomOptions, scale_by_zoom_linesearch},
    primitives::scale,
    rate_free::vdot,
    slot::{Parameter, Slot},
    state::per_parameter,
    transformation::{GradientTransformation, Step, next},
};
use crate::{
    aval::DType,
    ops::{shape::arange, where_},
    trace::Tensor,
};

/// What [`lbfgs`] needs to know, with optax's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LbfgsOptions {
    /// How many steps are remembered: 10.
    pub memory_size: usize,
    /// Begin each estimate with a multiple of the identity that fits the latest step: yes.
    pub scale_init_precond: bool,
    /// The line search.
    pub linesearch: ZoomOptions,
}
impl Default for LbfgsOptions {
    fn default() -> LbfgsOptions {
        LbfgsOptions { memory_size: 10, scale_init_precond: true, linesearch: ZoomOptions::default() }
    }
}

/// L-BFGS with a zoom line search: Nocedal and Wright, 2006, "Numerical Optimization". Takes the loss and the function that makes it:
/// [`Optimizer::update_with`]. JAX: `optax.lbfgs`.
///
/// ```
/// use raxla::{optim::{self, OptState}, prelude::*};
/// let opt = optim::lbfgs(Default::default());
/// let rosenbrock = |x: Tensor| {
///     let [a, b] = [x.slice_axis(0, 0..1), x.slice_axis(0, 1..2)];
///     ((b - a * a).powi(2) * 100.0 + (a - 1.0).powi(2)).sum(..)
/// };
/// let mut x = Array::from_slice([2], &[-1f32, 1.])?;
/// let mut state = opt.init(&x)?;
/// let step = jit(move |x: Tensor, state: OptState| {
///     let (value, g) = value_and_grad(rosenbrock)(x);
///     let (updates, state) = opt.update_with(&g, state, &x, value, rosenbrock);
///     (optim::apply_updates(&x, &updates), state)
/// });
/// for _ in 0..40 {
///     (x, state) = step.call((x, state))?;
/// }
/// assert!(x.to_vec::<f32>()?.iter().all(|x| (x - 1.0).abs() < 1e-3));
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn lbfgs(o: LbfgsOptions) -> Optimizer {
    let precondition = scale_by_lbfgs(o.memory_size, o.scale_init_precond);
    chain([precondition, scale(-1.0), scale_by_zoom_linesearch(o.linesearch)]).named("lbfgs")
}
/// Gradients times the estimate of the inverse Hessian. JAX: `optax.scale_by_lbfgs`.
pub fn scale_by_lbfgs(memory_size: usize, scale_init_precond: bool) -> Optimizer {
    Optimizer::new("scale_by_lbfgs", Lbfgs { size: memory_size.max(1), scaled: scale_init_precond })
}
struct Lbfgs {
    size: usize,
    scaled: bool,
}
const PARAMS: &str = "diff_params_memory";
const UPDATES: &str = "diff_updates_memory";

/// `a + b * c` of leaves and a scalar.
fn add_scale(a: &[Tensor], by: Tensor, c: &[Tensor]) -> Vec<Tensor> {
    a.iter().zip(c).map(|(a, c)| *a + *c * by.cast(c.dtype())).collect()
}

impl Lbfgs {
    /// With this in place of the memory of one step.
    fn remembered(&self, memory: Tensor, at: Tensor, new: Tensor) -> Tensor {
        let own = arange(self.size, DType::I32).eq(at);
        let own = own.reshape([&[self.size][..], &vec![1; new.rank()]].concat());
        where_(own, new.expand_dims(0), memory)
    }
    /// The two loops over the remembered steps, the oldest of which is `first`.
    fn precondition(&self, updates: &[Tensor], memory: [&[Tensor]; 3], first: Tensor, identity: Tensor) -> Vec<Tensor> {
        let order = (arange(self.size, DType::I32) + first) % self.size as i64;
        let [params, gradients, weights] = memory.map(|m| m.iter().map(|m| m.take(order, 0)).collect::<Vec<_>>());
        let one = |m: &[Tensor], i: usize| m.iter().map(|m| m.slice_axis(0, i..i + 1).squeeze(0)).collect::<Vec<_>>();
        let mut vector = updates.to_vec();
        let mut alphas = vec![];
        for i in (0..self.size).rev() {
            let alpha = one(&weights, i)[0] * vdot(&one(&params, i), &vector);
            vector = add_scale(&vector, -alpha, &one(&gradients, i));
            alphas.push(alpha);
        }
        vector = vector.into_iter().map(|v| v * identity.cast(v.dtype())).collect();
        for (i, alpha) in alphas.into_iter().rev().enumerate() {
            let beta = one(&weights, i)[0] * vdot(&one(&gradients, i), &vector);
            vector = add_scale(&vector, alpha - beta, &one(&params, i));
        }
        vector
    }
}
impl GradientTransformation for Lbfgs {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let like = || per_parameter(parameters, Slot::like);
        let stacked = || per_parameter(parameters, |p| Slot::like(p).stacked(self.size));
        let weights = Slot::scalar(DType::F32, 0.0).stacked(self.size);
        OptState::of([
            ("count", OptState::leaf(Slot::count())),
            ("params", like()),
            ("updates", like()),
            (PARAMS, stacked()),
            (UPDATES, stacked()),
            ("weights_memory", OptState::leaf(weights)),
        ])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (count, size) = (state.tensor("count"), self.size as i64);
        let begun = count.gt(0);
        let apart = |new: &[Tensor], old: Vec<Tensor>| -> Vec<Tensor> {
            new.iter().zip(old).map(|(new, old)| where_(begun, *new - old, 0)).collect()
        };
        let moved = apart(&step.params, state.tensors("params"));
        let changed = apart(&updates, state.tensors("updates"));
        let product = vdot(&changed, &moved);
        let weight = where_(product.eq(0.0), product.like(0), 1.0 / product).cast(DType::F32);
        let latest = (count + (size - 1)) % size;
        let remember = |name: &str, new: &[Tensor]| -> Vec<Tensor> {
            let pairs = state.tensors(name).into_iter().zip(new);
            pairs.map(|(memory, new)| self.remembered(memory, latest, *new)).collect()
        };
        let (params, gradients) = (remember(PARAMS, &moved), remember(UPDATES, &changed));
        let weights = remember("weights_memory", &[weight]);
        let identity = if self.scaled {
            let squares = sum_of(&changed, |t| (t * t).sum(..));
            let fitting = where_(squares.gt(0.0), product / squares, 1.0);
            where_(begun, fitting, (1.0 / norm_of(&updates)).minimum(1.0))
        } else {
            product.like(1)
        };
        let out = self.precondition(&updates, [&params, &gradients, &weights], count % size, identity);
        let state = OptState::of([
            ("count".to_string(), OptState::leaf(next(count))),
            state.refilled("params", step.params.clone()),
            state.refilled("updates", updates),
            state.refilled(PARAMS, params),
            state.refilled(UPDATES, gradients),
            state.refilled("weights_memory", weights),
        ]);
        (out, state)
    }
}
