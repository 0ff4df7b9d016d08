//! Mixed precision: which numbers are in which dtype, and losses scaled so that f16 can hold their derivatives.
use super::{
    OptState, Optimizer,
    mask::matches,
    slot::{Parameter, Slot},
    transformation::{GradientTransformation, Step, next, tree_where},
    wrappers::all_finite,
};
use crate::{
    aval::DType,
    ops::where_,
    param::Param,
    trace::{Tensor, TensorTree},
    tree::Tree,
};

/// In which dtypes a model is trained: Micikevicius et al., 2018, "Mixed Precision Training" (arXiv 1710.03740). The names are those
/// of `jmp.Policy`; flax calls them `param_dtype` and `dtype`.
///
/// ```
/// use raxla::{optim::Policy, prelude::*};
/// let policy = Policy { compute: Some(DType::BF16), exceptions: vec![("*router*".into(), DType::F32)], ..Policy::default() };
/// assert_eq!(policy.compute_dtype("layers.mlp.w", DType::F32), DType::BF16);
/// assert_eq!(policy.compute_dtype("layers.router.w", DType::F32), DType::F32);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// In what parameters are kept; `None`: as the model says.
    pub param: Option<DType>,
    /// In what activations are, and what products take; `None`: as parameters are. With bf16 beside f32 parameters, gradients and the
    /// optimizer stay f32, and each step computes with rounded parameters.
    pub compute: Option<DType>,
    /// In what a model's result is given back; `None`: as it is computed.
    pub output: Option<DType>,
    /// In what gradients of several microbatches are summed: f32.
    pub accumulation: DType,
    /// Parameters that computations take in another dtype than `compute`, by patterns of their paths; the first that matches counts.
    pub exceptions: Vec<(String, DType)>,
}
impl Default for Policy {
    /// Everything as it is.
    fn default() -> Policy {
        Policy { param: None, compute: None, output: None, accumulation: DType::F32, exceptions: vec![] }
    }
}
impl Policy {
    /// Computations in this dtype, everything else as it is.
    pub fn compute(dtype: DType) -> Policy {
        Policy { compute: Some(dtype), ..Policy::default() }
    }
    /// In which dtype the parameter of this path and dtype is computed with. What is no float stays as it is.
    pub fn compute_dtype(&self, path: &str, dtype: DType) -> DType {
        let exception = self.exceptions.iter().find(|(pattern, _)| matches(pattern, path)).map(|(_, dtype)| *dtype);
        if dtype.is_float() { exception.or(self.compute).unwrap_or(dtype) } else { dtype }
    }
    /// Parameters as computations take them. Derivatives by them have the parameters' own dtype.
    #[track_caller]
    pub fn cast_to_compute<M: TensorTree>(&self, params: &M) -> M {
        if self.compute.is_none() && self.exceptions.is_empty() {
            return params.refill(params.leaves());
        }
        params.map_named(|path, p| p.cast(self.compute_dtype(&path.to_string(), p.dtype())))
    }
    /// Results as they are given back.
    #[track_caller]
    pub fn cast_to_output<M: TensorTree>(&self, results: &M) -> M {
        let one = |x: &Tensor| match self.output {
            Some(dtype) if x.dtype().is_float() => x.cast(dtype),
            _ => *x,
        };
        results.map(one)
    }
    /// The specification of a model as it is kept.
    pub fn cast_to_param<M: Tree<Param, With<Param> = M>>(&self, spec: &M) -> M {
        let one = |p: &Param| match self.param {
            Some(dtype) if p.aval.dtype.is_float() => p.clone().cast(dtype),
            _ => p.clone(),
        };
        spec.map(one)
    }
}

/// How a loss is scaled while gradients are f16, whose smallest number is 6e-8: the names and defaults of `flax.training.dynamic_scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DynamicScale {
    /// What the loss is multiplied by at first: 65536.
    pub init_scale: f64,
    /// What the scale is multiplied by after `growth_interval` steps of finite gradients: 2.
    pub growth_factor: f64,
    /// What the scale is multiplied by where a gradient is not finite: 0.5.
    pub backoff_factor: f64,
    /// Steps of finite gradients until the scale grows: 2000.
    pub growth_interval: usize,
    /// The smallest scale: that of normal f32 numbers.
    pub minimum_scale: f64,
}
impl Default for DynamicScale {
    fn default() -> DynamicScale {
        DynamicScale {
            init_scale: 65536.0,
            growth_factor: 2.0,
            backoff_factor: 0.5,
            growth_interval: 2000,
            minimum_scale: f64::from(f32::MIN_POSITIVE),
        }
    }
}

/// `inner`, given gradients of a loss that was multiplied by [`loss_scale`]: it sees them divided by that. Where one is not finite,
/// the step is skipped (no update, the old state) and the scale is made smaller; after many finite ones it grows. JAX:
/// `flax.training.dynamic_scale.DynamicScale`.
///
/// ```
/// use raxla::{optim::{self, OptState}, prelude::*};
/// let opt = optim::dynamic_scale(optim::sgd(0.5, Default::default()), optim::DynamicScale::default());
/// let w = Array::scalar(half::f16::from_f32(1.0))?;
/// let mut state = opt.init(&w)?;
/// let step = jit(move |w: Tensor, state: OptState, x: Tensor| {
///     let scale = optim::loss_scale(&state).expect("dynamic_scale keeps one");
///     let g = grad(|w: Tensor| (w * x).cast(DType::F32) * scale)(w);
///     let (updates, state) = opt.update(&g, state, &w);
///     (optim::apply_updates(&w, &updates), state)
/// });
/// // 65536 is too large for f16: the step is skipped, the scale halved
/// let (w, state) = step.call((w, state, half::f16::from_f32(1.0)))?;
/// assert_eq!((w.to_string(), state.get("scale").unwrap().value().unwrap().item::<f32>()?), ("1.0".into(), 32768.0));
/// let (w, _) = step.call((w, state, half::f16::from_f32(1.0)))?;
/// assert_eq!(w.to_string(), "0.5");
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn dynamic_scale(inner: Optimizer, scale: DynamicScale) -> Optimizer {
    Optimizer::new(format!("dynamic_scale({inner:?})"), Scaled(inner, scale))
}
/// What the loss is to be multiplied by, a scalar f32, if the optimizer of this state is a [`dynamic_scale`].
pub fn loss_scale(state: &OptState) -> Option<Tensor> {
    state.get(SCALE).and_then(|scale| scale.child("scale")).and_then(OptState::value).copied()
}
const SCALE: &str = "dynamic_scale";
const INNER: &str = "inner_state";
struct Scaled(Optimizer, DynamicScale);
impl GradientTransformation for Scaled {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let scale = OptState::leaf(Slot::scalar(DType::F32, self.1.init_scale));
        let scale = OptState::of([("fin_steps", OptState::leaf(Slot::count())), ("scale", scale)]);
        OptState::of([(SCALE, scale), (INNER, self.0.inner().init(parameters))])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (own, old) = (state.part(SCALE), state.part(INNER));
        let (steps, scale) = (own.tensor("fin_steps"), own.tensor("scale"));
        let updates: Vec<Tensor> = updates.into_iter().map(|g| g / scale.cast(g.dtype())).collect();
        let finite = all_finite(&updates);
        let (updates, inner) = self.0.inner().update(updates, old, step);
        let grow = steps.eq(self.1.growth_interval as i64);
        let grown = where_(grow, (scale * self.1.growth_factor).minimum(f64::from(f32::MAX)), scale);
        let smaller = (scale * self.1.backoff_factor).maximum(self.1.minimum_scale);
        let own = OptState::of([
            ("fin_steps", OptState::leaf(where_(grow | !finite, steps.like(0), next(steps)))),
            ("scale", OptState::leaf(where_(finite, grown, smaller))),
        ]);
        let updates = updates.into_iter().map(|g| where_(finite, g, 0)).collect();
        (updates, OptState::of([(SCALE, own), (INNER, tree_where(finite, &inner, old))]))
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        self.0.inner().learning_rate(state.part(INNER))
    }
}
