//! Learning rates that change from step to step: functions from the number of steps taken (a scalar integer) to a scalar f32,
//! with optax's names and values.
use crate::{
    aval::DType,
    ops::where_,
    prim::full,
    trace::{At, Tensor},
};
use std::{f64::consts::PI, panic::Location};

fn float(x: f64) -> Tensor {
    full([], DType::F32, x)
}

/// Always `value`. JAX: `optax.constant_schedule`.
#[track_caller]
pub fn constant_schedule(value: f64) -> impl Fn(Tensor) -> Tensor + Copy + Send + Sync {
    move |_| float(value)
}

/// From `init_value` to `end_value` in a line, in this many steps; with 0 steps always `init_value`. JAX:
/// `optax.linear_schedule`.
#[track_caller]
pub fn linear_schedule(
    init_value: f64,
    end_value: f64,
    transition_steps: usize,
) -> impl Fn(Tensor) -> Tensor + Copy + Send + Sync {
    let line = Location::caller();
    move |count: Tensor| {
        let _at = At::op_at("linear_schedule", line);
        if transition_steps == 0 {
            return float(init_value);
        }
        let steps = transition_steps as f64;
        let left = 1.0 - count.cast(DType::F32).clip(0.0, steps) / steps;
        left * (init_value - end_value) + end_value
    }
}

/// From `init_value` to `alpha` times it along half a cosine, in this many steps (1 at least), with the cosine raised to the
/// power `exponent`: Loshchilov and Hutter, 2017, "SGDR" (arXiv 1608.03983). JAX: `optax.cosine_decay_schedule`.
#[track_caller]
pub fn cosine_decay_schedule(
    init_value: f64,
    decay_steps: usize,
    alpha: f64,
    exponent: f64,
) -> impl Fn(Tensor) -> Tensor + Copy + Send + Sync {
    let line = Location::caller();
    move |count: Tensor| {
        let _at = At::op_at("cosine_decay_schedule", line);
        let steps = decay_steps.max(1) as f64;
        let wave = ((count.cast(DType::F32).minimum(steps) * PI / steps).cos() + 1.0) * 0.5;
        let wave = if exponent == 1.0 { wave } else { wave.pow(exponent) };
        (wave * (1.0 - alpha) + alpha) * init_value
    }
}

/// What [`warmup_cosine_decay_schedule`] needs to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmupCosine {
    /// Where it starts.
    pub init_value: f64,
    /// Where the line ends and the cosine starts.
    pub peak_value: f64,
    /// Length of the line.
    pub warmup_steps: usize,
    /// Length of the whole, the line included.
    pub decay_steps: usize,
    /// Where it ends.
    pub end_value: f64,
    /// The power of the cosine: 1.
    pub exponent: f64,
}
impl Default for WarmupCosine {
    fn default() -> WarmupCosine {
        WarmupCosine {
            init_value: 0.0,
            peak_value: 0.0,
            warmup_steps: 0,
            decay_steps: 0,
            end_value: 0.0,
            exponent: 1.0,
        }
    }
}

/// A line up, then half a cosine down. JAX: `optax.warmup_cosine_decay_schedule`.
#[track_caller]
pub fn warmup_cosine_decay_schedule(s: WarmupCosine) -> impl Fn(Tensor) -> Tensor + Copy + Send + Sync {
    let alpha = if s.peak_value == 0.0 { 0.0 } else { s.end_value / s.peak_value };
    let cosine = s.decay_steps.saturating_sub(s.warmup_steps);
    join_schedules(
        linear_schedule(s.init_value, s.peak_value, s.warmup_steps),
        s.warmup_steps,
        cosine_decay_schedule(s.peak_value, cosine, alpha, s.exponent),
    )
}

/// One schedule up to a number of steps, another one from there on, which counts from there. JAX: `optax.join_schedules`.
#[track_caller]
pub fn join_schedules<A, B>(before: A, boundary: usize, after: B) -> impl Fn(Tensor) -> Tensor + Copy + Send + Sync
where
    A: Fn(Tensor) -> Tensor + Copy + Send + Sync,
    B: Fn(Tensor) -> Tensor + Copy + Send + Sync,
{
    let line = Location::caller();
    move |count: Tensor| {
        let _at = At::op_at("join_schedules", line);
        where_(count.lt(boundary), before(count), after(count - boundary))
    }
}
