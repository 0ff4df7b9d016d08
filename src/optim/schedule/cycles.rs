//! Schedules that are several, one after the other.
use super::{
    Schedule, constant_schedule, cosine_decay_schedule,
    curves::{Interpolation, linear_schedule, piecewise_interpolate_schedule},
};
use crate::{aval::DType, ops::where_, trace::Tensor};

/// Schedules one after the other: the second from the first boundary on (a number of steps), from where it counts, and so on. JAX:
/// `optax.join_schedules`.
#[track_caller]
pub fn join_schedules(
    schedules: impl IntoIterator<Item = Schedule>,
    boundaries: impl IntoIterator<Item = usize>,
) -> Schedule {
    let schedules: Vec<Schedule> = schedules.into_iter().collect();
    let boundaries: Vec<usize> = boundaries.into_iter().collect();
    Schedule::named("join_schedules", move |count: Tensor| {
        let mut rest = schedules.iter();
        let first = rest.next().map_or_else(|| super::float(0.0), |s| s.at(count));
        rest.zip(&boundaries).fold(first, |value, (schedule, boundary)| {
            let after = schedule.at(count - *boundary as i64);
            where_(count.lt(*boundary), value.cast(DType::F32), after.cast(DType::F32))
        })
    })
}

/// From `init_value` to `peak_value` in a line, where it stays. JAX: `optax.warmup_constant_schedule`.
#[track_caller]
pub fn warmup_constant_schedule(init_value: f64, peak_value: f64, warmup_steps: usize) -> Schedule {
    linear_schedule(init_value, peak_value, warmup_steps)
}

/// What [`warmup_cosine_decay_schedule`] and [`warmup_linear_schedule`] need to know.
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
pub fn warmup_cosine_decay_schedule(s: WarmupCosine) -> Schedule {
    let alpha = if s.peak_value == 0.0 { 0.0 } else { s.end_value / s.peak_value };
    let down = cosine_decay_schedule(s.peak_value, s.decay_steps.saturating_sub(s.warmup_steps), alpha, s.exponent);
    join_schedules([linear_schedule(s.init_value, s.peak_value, s.warmup_steps), down], [s.warmup_steps])
}

/// A line up, then a line down; the exponent is without effect.
#[track_caller]
pub fn warmup_linear_schedule(s: WarmupCosine) -> Schedule {
    let down = linear_schedule(s.peak_value, s.end_value, s.decay_steps.saturating_sub(s.warmup_steps));
    join_schedules([linear_schedule(s.init_value, s.peak_value, s.warmup_steps), down], [s.warmup_steps])
}

/// What [`wsd_schedule`] needs to know.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wsd {
    /// Where it starts.
    pub init_value: f64,
    /// Where it stays.
    pub peak_value: f64,
    /// Where it ends.
    pub end_value: f64,
    /// Length of the line up.
    pub warmup_steps: usize,
    /// How long it stays.
    pub stable_steps: usize,
    /// Length of the line down.
    pub decay_steps: usize,
}

/// Warmup, stable, decay: a line up, a plateau, a line down. Hu et al., 2024, "MiniCPM" (arXiv 2404.06395).
#[track_caller]
pub fn wsd_schedule(s: Wsd) -> Schedule {
    let parts = [
        linear_schedule(s.init_value, s.peak_value, s.warmup_steps),
        constant_schedule(s.peak_value),
        linear_schedule(s.peak_value, s.end_value, s.decay_steps),
    ];
    join_schedules(parts, [s.warmup_steps, s.warmup_steps + s.stable_steps])
}

/// Half cosines with their warmups, one after the other, each as long as its `decay_steps`: restarts. JAX: `optax.sgdr_schedule`.
#[track_caller]
pub fn sgdr_schedule(cycles: &[WarmupCosine]) -> Schedule {
    let mut step = 0;
    let mut boundaries = vec![];
    for cycle in cycles {
        step += cycle.decay_steps;
        boundaries.push(step);
    }
    boundaries.pop();
    join_schedules(cycles.iter().map(|cycle| warmup_cosine_decay_schedule(*cycle)), boundaries)
}

/// What one cycle may be told besides its length and its peak, with optax's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    /// Part of the steps that goes up: 0.3.
    pub pct_start: f64,
    /// Part of the steps after which [`linear_onecycle_schedule`] is down again: 0.85.
    pub pct_final: f64,
    /// How many times smaller than the peak it starts: 25.
    pub div_factor: f64,
    /// How many times smaller than the start it ends: 10,000.
    pub final_div_factor: f64,
}
impl Default for OneCycle {
    fn default() -> OneCycle {
        OneCycle { pct_start: 0.3, pct_final: 0.85, div_factor: 25.0, final_div_factor: 1e4 }
    }
}

/// Lines up, down, and further down: Smith and Topin, 2018, "Super-Convergence" (arXiv 1708.07120). JAX:
/// `optax.linear_onecycle_schedule`.
#[track_caller]
pub fn linear_onecycle_schedule(transition_steps: usize, peak_value: f64, o: OneCycle) -> Schedule {
    let at = |part: f64| (part * transition_steps as f64) as usize;
    let boundaries = [
        (at(o.pct_start), o.div_factor),
        (at(o.pct_final), 1.0 / o.div_factor),
        (transition_steps, 1.0 / o.final_div_factor),
    ];
    piecewise_interpolate_schedule(Interpolation::Linear, peak_value / o.div_factor, &boundaries)
}

/// Half a cosine up, half a cosine down. JAX: `optax.cosine_onecycle_schedule`.
#[track_caller]
pub fn cosine_onecycle_schedule(transition_steps: usize, peak_value: f64, o: OneCycle) -> Schedule {
    let start = (o.pct_start * transition_steps as f64) as usize;
    let boundaries = [(start, o.div_factor), (transition_steps, 1.0 / (o.div_factor * o.final_div_factor))];
    piecewise_interpolate_schedule(Interpolation::Cosine, peak_value / o.div_factor, &boundaries)
}
