//! The parts that optimizers are chained of, which do not adapt to gradients: scaling, momentum, decay, averages.
use super::{
    Mask, OptState, Optimizer, Schedule, masked,
    slot::{Parameter, Slot},
    transformation::{GradientTransformation, Step, next, per_leaf},
};
use crate::{aval::DType, ops::where_, prim::full, trace::Tensor};

/// Updates as they are. JAX: `optax.identity`.
pub fn identity() -> Optimizer {
    per_leaf(|x| x.g).named("identity")
}
/// No updates: frozen parameters. JAX: `optax.set_to_zero`.
pub fn set_to_zero() -> Optimizer {
    per_leaf(|x| x.g.like(0)).named("set_to_zero")
}
/// Updates times a number. JAX: `optax.scale`.
pub fn scale(step_size: f64) -> Optimizer {
    per_leaf(move |x| x.g * step_size).named("scale")
}
/// The signs of updates. JAX: `optax.scale_by_sign`.
pub fn scale_by_sign() -> Optimizer {
    per_leaf(|x| x.g.sign()).named("scale_by_sign")
}

/// Updates times the negative learning rate. JAX: `optax.scale_by_learning_rate`.
pub fn scale_by_learning_rate(learning_rate: impl Into<Schedule>) -> Optimizer {
    Optimizer::new("scale_by_learning_rate", Scaled { by: learning_rate.into(), sign: -1.0, rate: true })
}
/// Updates times what a schedule makes of the number of steps before this one. JAX: `optax.scale_by_schedule`.
pub fn scale_by_schedule(step_size: impl Into<Schedule>) -> Optimizer {
    Optimizer::new("scale_by_schedule", Scaled { by: step_size.into(), sign: 1.0, rate: false })
}
/// As the learning rate of optimizers that turn the sign at the end.
pub(super) fn scale_by_positive_rate(learning_rate: Schedule) -> Optimizer {
    Optimizer::new("scale_by_learning_rate", Scaled { by: learning_rate, sign: 1.0, rate: true })
}
struct Scaled {
    by: Schedule,
    sign: f64,
    rate: bool,
}
impl GradientTransformation for Scaled {
    fn init(&self, _: &[Parameter]) -> OptState<Slot> {
        self.by.init()
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, _: &Step) -> (Vec<Tensor>, OptState) {
        let by = match self.by.constant() {
            Some(by) => return (updates.into_iter().map(|g| g * (self.sign * by)).collect(), state.clone()),
            None => self.by.now(state) * self.sign,
        };
        (updates.into_iter().map(|g| g * by.cast(g.dtype())).collect(), self.by.next(state))
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        self.rate.then(|| self.by.now(state))
    }
}

/// The parameters that `mask` holds, times the decay, added to the updates: decoupled weight decay where a learning rate follows,
/// a penalty of squares where an adaptive part does. JAX: `optax.add_decayed_weights`.
pub fn add_decayed_weights(weight_decay: impl Into<Schedule>, mask: impl Into<Option<Mask>>) -> Optimizer {
    let decay = Optimizer::new("add_decayed_weights", Decay(weight_decay.into()));
    match mask.into() {
        Some(mask) => masked(decay, mask),
        None => decay,
    }
}
struct Decay(Schedule);
impl GradientTransformation for Decay {
    fn init(&self, _: &[Parameter]) -> OptState<Slot> {
        self.0.init()
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let pairs = updates.iter().zip(&step.params);
        match self.0.constant() {
            Some(0.0) => (updates, state.clone()),
            Some(decay) => (pairs.map(|(g, p)| *g + *p * decay).collect(), state.clone()),
            None => {
                let decay = self.0.now(state);
                (pairs.map(|(g, p)| *g + *p * decay.cast(p.dtype())).collect(), self.0.next(state))
            }
        }
    }
}

/// Momentum: the sum of updates, of which `decay` is kept at each step, in `accumulator_dtype` if one is given. With `nesterov`,
/// a look ahead along it. Sutskever et al., 2013. JAX: `optax.trace`.
pub fn trace(decay: f64, nesterov: bool, accumulator_dtype: Option<DType>) -> Optimizer {
    let update = move |x: &mut super::transformation::LeafStep| {
        let new = x.g + x.s[0].cast(x.g.dtype()) * decay;
        x.s[0] = new;
        if nesterov { x.g + new * decay } else { new }
    };
    per_leaf(update).slot("trace", move |p| Slot::like(p).dtype(accumulator_dtype)).named("trace")
}

/// The running mean of updates in their place; with `debias` divided by what it lacks in its first steps. JAX: `optax.ema`.
pub fn ema(decay: f64, debias: bool, accumulator_dtype: Option<DType>) -> Optimizer {
    let update = move |x: &mut super::transformation::LeafStep| {
        let new = moment(x.g, x.s[0], decay);
        x.s[0] = new;
        if debias { unbiased(new, decay, x.count) } else { new }
    };
    per_leaf(update).counted().slot("ema", move |p| Slot::like(p).dtype(accumulator_dtype)).named("ema")
}

/// Updates as they are, beside a running mean of the parameters after each step: evaluate with
/// `params.refill(state.get("ema")..)`. It stands last in a chain.
pub fn params_ema(decay: f64) -> Optimizer {
    let update = move |x: &mut super::transformation::LeafStep| {
        x.s[0] = moment(x.p + x.g, x.s[0], decay);
        x.g
    };
    per_leaf(update).slot("ema", |p| Slot::like(p).parameter()).named("params_ema")
}

/// Every `k` steps the sum of the updates of these steps, in between nothing. JAX: `optax.apply_every`.
pub fn apply_every(k: usize) -> Optimizer {
    Optimizer::new("apply_every", ApplyEvery(k.max(1)))
}
struct ApplyEvery(usize);
impl GradientTransformation for ApplyEvery {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let sums = super::state::per_parameter(parameters, Slot::like);
        OptState::of([("count", OptState::leaf(Slot::count())), ("grad_acc", sums)])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, _: &Step) -> (Vec<Tensor>, OptState) {
        let count = state.tensor("count");
        let (first, last) = (count.eq(0), count.eq(self.0 as i64 - 1));
        let sums: Vec<Tensor> = updates
            .iter()
            .zip(state.tensors("grad_acc"))
            .map(|(g, sum)| *g + where_(first, sum.like(0), sum))
            .collect();
        let out = sums.iter().map(|sum| where_(last, *sum, sum.like(0))).collect();
        let count = ("count".to_string(), OptState::leaf(next(count) % self.0 as i64));
        (out, OptState::of([count, state.refilled("grad_acc", sums)]))
    }
}

/// Updates of matrices less their mean over all axes but the first. JAX: `optax.centralize`.
pub fn centralize() -> Optimizer {
    let update = |x: &mut super::transformation::LeafStep| match x.g.rank() {
        0 | 1 => x.g,
        rank => x.g - x.g.mean_keep((1..rank as isize).collect::<Vec<_>>()),
    };
    per_leaf(update).named("centralize")
}

/// `(1 - decay) x + decay old`: a step of a running mean.
pub(super) fn moment(x: Tensor, old: Tensor, decay: f64) -> Tensor {
    x * (1.0 - decay) + old.cast(x.dtype()) * decay
}
/// A running mean that began with 0, divided by what it lacks after `count` steps.
pub(super) fn unbiased(mean: Tensor, decay: f64, count: Tensor) -> Tensor {
    mean / (1.0 - power(decay, count, mean.dtype()))
}
/// `base` to the power of a whole number.
pub(super) fn power(base: f64, count: Tensor, dtype: DType) -> Tensor {
    full([], dtype, base).pow(count.cast(dtype))
}
