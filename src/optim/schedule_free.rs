//! Averages in place of schedules.
use super::{
    OptState, Optimizer, RmsOptions, Schedule, add_decayed_weights, chain, scale_by_learning_rate, scale_by_rms, sgd,
    slot::{Parameter, Slot},
    state::per_parameter,
    transformation::{GradientTransformation, Step, next},
    warmup_constant_schedule,
};
use crate::{
    aval::DType,
    ops::where_,
    trace::{At, Tensor, TensorTree, fail},
    tree::Tree,
};

/// What schedule-free optimizers need to know, with optax's names and defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleFreeOptions {
    /// Where between the steps and their mean gradients are taken: 0.9 of the mean.
    pub b1: f64,
    /// The power of the learning rate that a step weighs: 2.
    pub weight_lr_power: f64,
    /// The dtype in which the steps are kept; `None`: f32.
    pub state_dtype: Option<DType>,
}
impl Default for ScheduleFreeOptions {
    fn default() -> ScheduleFreeOptions {
        ScheduleFreeOptions { b1: 0.9, weight_lr_power: 2.0, state_dtype: None }
    }
}

/// Steps of `inner`, which has no momentum and this learning rate, at points between these steps and their weighted mean: the mean needs
/// no schedule. Parameters are the points where gradients are taken; evaluate with [`schedule_free_eval_params`]. Defazio et al., 2024
/// (arXiv 2405.15682). JAX: `optax.contrib.schedule_free`.
pub fn schedule_free(inner: Optimizer, learning_rate: impl Into<Schedule>, o: ScheduleFreeOptions) -> Optimizer {
    Optimizer::new(format!("schedule_free({inner:?})"), Free { inner, rate: learning_rate.into(), o })
}
struct Free {
    inner: Optimizer,
    rate: Schedule,
    o: ScheduleFreeOptions,
}
const INNER: &str = "base_optimizer_state";
impl GradientTransformation for Free {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let scalar = |value| OptState::leaf(Slot::scalar(DType::F32, value));
        OptState::of([
            ("b1", scalar(self.o.b1)),
            ("weight_sum", scalar(0.0)),
            ("step_count", OptState::leaf(Slot::count().full(1.0))),
            ("max_lr", scalar(0.0)),
            (INNER, self.inner.inner().init(parameters)),
            ("z", per_parameter(parameters, |p| Slot::like(p).dtype(self.o.state_dtype).parameter())),
        ])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (count, b1) = (state.tensor("step_count"), self.o.b1);
        let most = state.tensor("max_lr").maximum(self.rate.at(count).cast(DType::F32));
        let weight = most.pow(self.o.weight_lr_power);
        let sum = state.tensor("weight_sum") + weight;
        let part = where_(sum.eq(0.0), 0.0 * sum, weight / sum);
        let (updates, inner) = self.inner.inner().update(updates, state.part(INNER), step);
        let (mut out, mut new) = (vec![], vec![]);
        for ((u, y), z) in updates.into_iter().zip(&step.params).zip(state.tensors("z")) {
            let (old, part) = (z.cast(u.dtype()), part.cast(u.dtype()));
            let z_new = (old + u).cast(z.dtype());
            let mean = (*y - old * (1.0 - b1)) / b1;
            let mean = mean * (1.0 - part) + z_new.cast(u.dtype()) * part;
            out.push(mean * b1 + z_new.cast(u.dtype()) * (1.0 - b1) - *y);
            new.push(z_new);
        }
        let leaf = |name: &str, value: Tensor| (name.to_string(), OptState::leaf(value));
        let state = OptState::of([
            leaf("b1", state.tensor("b1")),
            leaf("weight_sum", sum),
            leaf("step_count", next(count)),
            leaf("max_lr", most),
            (INNER.to_string(), inner),
            state.refilled("z", new),
        ]);
        (out, state)
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        self.inner.inner().learning_rate(state.part(INNER))
    }
}

/// The parameters to evaluate with, of an optimizer that is a [`schedule_free`]: the mean of its steps. JAX:
/// `optax.contrib.schedule_free_eval_params`.
#[track_caller]
pub fn schedule_free_eval_params<M: TensorTree>(state: &OptState, params: &M) -> M {
    let _at = At::op("schedule_free_eval_params");
    let (Some(z), Some(b1)) = (state.get("z"), state.get("b1").and_then(OptState::value)) else {
        let help = "give the state of `schedule_free`, `schedule_free_sgd` or `schedule_free_adamw`".to_string();
        fail("schedule_free_eval_params", vec![], "the state is not that of a schedule-free optimizer", Some(help))
    };
    let one = |(y, z): (Tensor, Tensor)| {
        let (y_wide, b1) = (y.cast(z.dtype()), b1.cast(z.dtype()));
        ((y_wide - z * (1.0 - b1)) / b1).cast(y.dtype())
    };
    params.refill(params.leaves().into_iter().zip(z.leaves()).map(one).collect::<Vec<_>>())
}

/// A learning rate that is reached in a line.
fn warmed(learning_rate: f64, warmup_steps: Option<usize>) -> Schedule {
    warmup_steps.map_or(learning_rate.into(), |steps| warmup_constant_schedule(0.0, learning_rate, steps))
}
/// Stochastic gradient descent without a schedule; optax's learning rate is 1. JAX: `optax.contrib.schedule_free_sgd`.
pub fn schedule_free_sgd(learning_rate: f64, warmup_steps: Option<usize>, o: ScheduleFreeOptions) -> Optimizer {
    let rate = warmed(learning_rate, warmup_steps);
    schedule_free(sgd(rate.clone(), Default::default()), rate, o).named("schedule_free_sgd")
}
/// AdamW without a schedule; optax's learning rate is 0.0025, its decay 0. JAX: `optax.contrib.schedule_free_adamw`.
pub fn schedule_free_adamw(
    learning_rate: f64,
    warmup_steps: Option<usize>,
    weight_decay: f64,
    o: ScheduleFreeOptions,
) -> Optimizer {
    let rate = warmed(learning_rate, warmup_steps);
    let rms = RmsOptions { decay: 0.999, eps_in_sqrt: false, bias_correction: true, ..RmsOptions::default() };
    let adamw =
        chain([scale_by_rms(rms), add_decayed_weights(weight_decay, None), scale_by_learning_rate(rate.clone())]);
    schedule_free(adamw, rate, o).named("schedule_free_adamw")
}
