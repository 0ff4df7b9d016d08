//! Schedules of one formula.
use super::{Schedule, float};
use crate::{aval::DType, ops::where_, trace::Tensor};
use std::f64::consts::PI;

/// Always `value`. JAX: `optax.constant_schedule`.
pub fn constant_schedule(value: f64) -> Schedule {
    value.into()
}

/// From `init_value` to `end_value` in a line, in this many steps; with 0 steps always `init_value`. JAX:
/// `optax.linear_schedule`.
#[track_caller]
pub fn linear_schedule(init_value: f64, end_value: f64, transition_steps: usize) -> Schedule {
    polynomial_schedule(init_value, end_value, 1.0, transition_steps)
}

/// From `init_value` to `end_value` in this many steps, by the part of the steps that is left, to the power `power`. JAX:
/// `optax.polynomial_schedule`.
#[track_caller]
pub fn polynomial_schedule(init_value: f64, end_value: f64, power: f64, transition_steps: usize) -> Schedule {
    if transition_steps == 0 {
        return init_value.into();
    }
    let steps = transition_steps as f64;
    Schedule::named("polynomial_schedule", move |count: Tensor| {
        let left = 1.0 - count.cast(DType::F32).clip(0.0, steps) / steps;
        let left = if power == 1.0 { left } else { left.pow(power) };
        left * (init_value - end_value) + end_value
    })
}

/// From `init_value` to `alpha` times it along half a cosine, in this many steps (1 at least), with the cosine raised to the
/// power `exponent`: Loshchilov and Hutter, 2017, "SGDR" (arXiv 1608.03983). JAX: `optax.cosine_decay_schedule`.
#[track_caller]
pub fn cosine_decay_schedule(init_value: f64, decay_steps: usize, alpha: f64, exponent: f64) -> Schedule {
    let steps = decay_steps.max(1) as f64;
    Schedule::named("cosine_decay_schedule", move |count: Tensor| {
        let wave = ((count.cast(DType::F32).minimum(steps) * PI / steps).cos() + 1.0) * 0.5;
        let wave = if exponent == 1.0 { wave } else { wave.pow(exponent) };
        (wave * (1.0 - alpha) + alpha) * init_value
    })
}

/// What [`exponential_decay`] may be told besides its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExponentialDecay {
    /// Decay only at every `transition_steps`-th step: no.
    pub staircase: bool,
    /// Where it ends; `None`: nowhere.
    pub end_value: Option<f64>,
}

/// `init_value` times `decay_rate` to the power `count / transition_steps`. With 0 steps or a rate of 0 always `init_value`. JAX:
/// `optax.exponential_decay`.
#[track_caller]
pub fn exponential_decay(
    init_value: f64,
    transition_steps: usize,
    decay_rate: f64,
    options: ExponentialDecay,
) -> Schedule {
    if transition_steps == 0 || decay_rate == 0.0 {
        return init_value.into();
    }
    Schedule::named("exponential_decay", move |count: Tensor| {
        let steps = count.cast(DType::F32) / transition_steps as f64;
        let steps = if options.staircase { steps.floor() } else { steps };
        let value = where_(count.le(0), float(init_value), float(decay_rate).pow(steps) * init_value);
        match options.end_value {
            Some(end) if decay_rate < 1.0 => value.maximum(end),
            Some(end) => value.minimum(end),
            None => value,
        }
    })
}

/// `init_value`, and from each boundary on (a number of steps) times the scale beside it. JAX:
/// `optax.piecewise_constant_schedule`.
#[track_caller]
pub fn piecewise_constant_schedule(init_value: f64, boundaries_and_scales: &[(usize, f64)]) -> Schedule {
    let all = sorted(boundaries_and_scales);
    Schedule::named("piecewise_constant_schedule", move |count: Tensor| {
        all.iter()
            .fold(float(init_value), |value, (boundary, scale)| where_(count.lt(*boundary), value, value * *scale))
    })
}
fn sorted(boundaries_and_scales: &[(usize, f64)]) -> Vec<(usize, f64)> {
    let mut all = boundaries_and_scales.to_vec();
    all.sort_by_key(|(boundary, _)| *boundary);
    all
}

/// How [`piecewise_interpolate_schedule`] goes from one value to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// In a line.
    Linear,
    /// Along half a cosine.
    Cosine,
}

/// From `init_value` to it times the first scale at the first boundary (a number of steps), from there to that times the second
/// scale at the second one, and so on. JAX: `optax.piecewise_interpolate_schedule`.
#[track_caller]
pub fn piecewise_interpolate_schedule(
    interpolation: Interpolation,
    init_value: f64,
    boundaries_and_scales: &[(usize, f64)],
) -> Schedule {
    let all = sorted(boundaries_and_scales);
    let last = all.iter().fold(init_value, |value, (_, scale)| value * scale);
    Schedule::named("piecewise_interpolate_schedule", move |count: Tensor| {
        let (mut value, mut from, mut start) = (float(last), 0, init_value);
        let mut pieces = vec![];
        for (boundary, scale) in &all {
            pieces.push((from, *boundary, start, start * scale));
            (from, start) = (*boundary, start * scale);
        }
        for (from, to, start, end) in pieces.into_iter().rev() {
            let part = (count.cast(DType::F32) - from as f64) / (to - from).max(1) as f64;
            let between = match interpolation {
                Interpolation::Linear => part * (end - start) + start,
                Interpolation::Cosine => ((part * PI).cos() + 1.0) * ((start - end) / 2.0) + end,
            };
            value = where_(count.lt(to), between, value);
        }
        value
    })
}

/// From `init_value` to `peak_value` in a line, in this many steps (1 at least), then as 1 / √steps: Vaswani et al., 2017,
/// "Attention Is All You Need" (arXiv 1706.03762), where the peak is `(d · warmup)^-0.5`.
#[track_caller]
pub fn inverse_sqrt_schedule(init_value: f64, peak_value: f64, warmup_steps: usize) -> Schedule {
    let warmup = warmup_steps.max(1) as f64;
    Schedule::named("inverse_sqrt_schedule", move |count: Tensor| {
        let steps = count.cast(DType::F32);
        let up = steps / warmup * (peak_value - init_value) + init_value;
        where_(steps.lt(warmup), up, (warmup / steps.maximum(warmup)).sqrt() * peak_value)
    })
}
