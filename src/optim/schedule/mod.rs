//! Numbers that change from step to step: functions of the number of steps taken before, with optax's names and values.
use super::{OptState, slot::Slot, transformation::next};
use crate::{
    aval::{Aval, DType},
    error::Result,
    host::Host,
    prim::full,
    trace::{At, Tensor, trace_graph},
};
use std::{fmt, panic::Location, sync::Arc};

mod curves;
mod cycles;
pub use curves::{
    ExponentialDecay, Interpolation, constant_schedule, cosine_decay_schedule, exponential_decay,
    inverse_sqrt_schedule, linear_schedule, piecewise_constant_schedule, piecewise_interpolate_schedule,
    polynomial_schedule,
};
pub use cycles::{
    OneCycle, WarmupCosine, Wsd, cosine_onecycle_schedule, join_schedules, linear_onecycle_schedule, sgdr_schedule,
    warmup_constant_schedule, warmup_cosine_decay_schedule, warmup_linear_schedule, wsd_schedule,
};

/// A learning rate, or another number of an optimizer: fixed (a number is one), a function of the number of steps taken before
/// this one, or kept in the state, where the program that trains changes it.
///
/// ```
/// use raxla::{optim::{self, Schedule}, prelude::*};
/// let schedule = optim::linear_schedule(1.0, 0.0, 4);
/// assert_eq!(schedule.value(1)?, 0.75); // on the host
/// let f = jit(move |count: Tensor| schedule.at(count)); // in a trace
/// assert_eq!(f.call((3i32,))?.item::<f32>()?, 0.25);
/// // one of one's own: the count is a scalar integer, the value a scalar float
/// let halves = Schedule::new(|count| 1.0 / (count.cast(DType::F32) + 1.0));
/// assert_eq!(halves.value(1)?, 0.5);
/// // one that is set from outside: `state.set("learning_rate", value)`
/// let opt = optim::sgd(Schedule::injected(0.1), Default::default());
/// assert_eq!(opt.init(&Aval::new(DType::F32, [2])).paths(), ["1.learning_rate"]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct Schedule(Kind);
#[derive(Clone)]
enum Kind {
    Constant(f64),
    Function(Function),
    Injected(f64),
}
type Function = Arc<dyn Fn(Tensor) -> Tensor + Send + Sync>;
impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.0 {
            Kind::Constant(value) => write!(f, "{value}"),
            Kind::Function(_) => f.write_str("a schedule"),
            Kind::Injected(value) => write!(f, "{value}, until set"),
        }
    }
}
impl From<f64> for Schedule {
    fn from(value: f64) -> Schedule {
        Schedule(Kind::Constant(value))
    }
}

impl Schedule {
    /// Of a function from the number of steps (a scalar integer) to a scalar float.
    pub fn new(f: impl Fn(Tensor) -> Tensor + Send + Sync + 'static) -> Schedule {
        Schedule(Kind::Function(Arc::new(f)))
    }
    /// As [`Schedule::new`], named in errors, which have the line where the schedule was made.
    #[track_caller]
    fn named(name: &'static str, f: impl Fn(Tensor) -> Tensor + Send + Sync + 'static) -> Schedule {
        let line = Location::caller();
        Schedule::new(move |count| {
            let _at = At::op_at(name, line);
            f(count)
        })
    }
    /// A number that is kept in the optimizer's state under the name `learning_rate`, and begins as this: the program sets it by
    /// [`OptState::set`], without compiling again. optax: `inject_hyperparams`.
    pub fn injected(value: f64) -> Schedule {
        Schedule(Kind::Injected(value))
    }
    /// The value after so many steps, a scalar integer: a scalar, f32 if the schedule is of this module.
    #[track_caller]
    pub fn at(&self, count: Tensor) -> Tensor {
        match &self.0 {
            Kind::Constant(value) | Kind::Injected(value) => full([], DType::F32, *value),
            Kind::Function(f) => f(count),
        }
    }
    /// The value after so many steps, computed on the host.
    ///
    /// # Errors
    /// A schedule of one's own that cannot be traced, or calls the host.
    #[track_caller]
    pub fn value(&self, step: usize) -> Result<f64> {
        let count = Aval::new(DType::I32, []);
        let graph = trace_graph(std::slice::from_ref(&count), |t| vec![self.at(t[0])])?;
        let value = graph.eval(&[Host::full(&count, step.min(i32::MAX as usize) as f64)]);
        Ok(value[0].to_f64()[0])
    }
    /// The same, which begins after so many steps, and until then has its first value. optax: `transition_begin`.
    pub fn delayed(self, steps: usize) -> Schedule {
        Schedule::new(move |count| self.at((count - steps as i64).maximum(0)))
    }
    /// The number, if it is fixed.
    pub(super) fn constant(&self) -> Option<f64> {
        if let Kind::Constant(value) = self.0 { Some(value) } else { None }
    }
    /// What a transformation keeps to know its value: the count, or the value.
    pub(super) fn init(&self) -> OptState<Slot> {
        match self.0 {
            Kind::Constant(_) => OptState::empty(),
            Kind::Function(_) => OptState::of([("count", OptState::leaf(Slot::count()))]),
            Kind::Injected(value) => OptState::of([("learning_rate", OptState::leaf(Slot::scalar(DType::F32, value)))]),
        }
    }
    /// The value now, a scalar.
    #[track_caller]
    pub(super) fn now(&self, state: &OptState) -> Tensor {
        match &self.0 {
            Kind::Constant(value) => full([], DType::F32, *value),
            Kind::Function(f) => f(state.tensor("count")),
            Kind::Injected(_) => state.tensor("learning_rate"),
        }
    }
    /// What is kept for the next step.
    pub(super) fn next(&self, state: &OptState) -> OptState {
        match &self.0 {
            Kind::Function(_) => OptState::of([("count", OptState::leaf(next(state.tensor("count"))))]),
            _ => state.clone(),
        }
    }
}

/// A number as a scalar f32.
fn float(x: f64) -> Tensor {
    full([], DType::F32, x)
}
