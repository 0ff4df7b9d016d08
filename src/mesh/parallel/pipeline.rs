//! Pipeline parallelism (Huang et al., 2018; arXiv 1811.06965): every device has some of the layers, and passes on what they
//! make of one part of the batch ("microbatch") while it works on the next.
//!
//! With `repeats` the schedule is circular (Narayanan et al., 2021; arXiv 2104.04473, "interleaved"): each device has several
//! shorter runs of layers, and a microbatch goes around as often. Of `repeats * m + n - 1` steps, `n - 1` are lost to filling and
//! draining `n` stages with `m` microbatches. Each step sends one microbatch's activations to the next device.
//!
//! All devices run the same program, so those that have nothing to do yet compute on zeros. The way back is the transpose: the
//! same pipeline, in the other direction.
use crate::{
    aval::DType,
    ops::where_,
    prim::{axis_index, full, iota, ppermute, psum, pvary, scan, zeros_of},
    trace::{At, Tensor, fail},
};

/// How a batch goes through the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Number of devices along `pipe`.
    pub stages: usize,
    /// In how many parts the batch is taken; at least as many as stages.
    pub microbatches: usize,
    /// How often each part goes around: in how many runs each device holds its layers.
    pub repeats: usize,
}

impl Schedule {
    /// The order in which a stack of layers is held, so that an even division gives each device its runs: the layer that
    /// stands in each place. Without repeats, the usual one.
    pub fn order(&self, layers: usize) -> Vec<usize> {
        let run = layers / (self.stages * self.repeats);
        let runs = (0..self.stages).flat_map(|s| (0..self.repeats).map(move |r| r * self.stages + s));
        runs.flat_map(|at| at * run..(at + 1) * run).collect()
    }

    /// Pass `x` `[b, ..]` through all stages. `stage` takes one microbatch, the number of its run on this device and the number
    /// of the run's first layer (i32 scalars), for `layers` layers on this device.
    ///
    /// # Errors
    /// A batch that the microbatches do not divide; fewer microbatches than stages; layers that the repeats do not divide.
    #[track_caller]
    pub fn run(&self, x: Tensor, layers: usize, stage: impl Fn(Tensor, Tensor, Tensor) -> Tensor) -> Tensor {
        let _at = At::op("Schedule::run");
        let Schedule { stages: n, microbatches: m, repeats } = *self;
        let wrong = |what: String, help: &str| -> ! { fail("pipeline", vec![x.aval()], what, Some(help.into())) };
        if m < n {
            wrong(format!("{m} microbatches leave some of {n} stages without work"), "take at least one per stage")
        }
        if !x.dim(0).is_multiple_of(m) {
            wrong(
                format!("{m} microbatches do not divide a batch of {}", x.dim(0)),
                "make the batch a multiple of them",
            )
        }
        if !layers.is_multiple_of(repeats) {
            wrong(format!("{repeats} repeats do not divide the {layers} layers of a stage"), "take a divisor of them")
        }
        let dims = x.dims();
        let parts = pvary(x.reshape([&[m, dims[0] / m], &dims[1..]].concat()), "pipe");
        let number = axis_index("pipe");
        let ring: Vec<(usize, usize)> = (0..n).map(|i| (i, (i + 1) % n)).collect();
        // what waits for the first stage: at first the batch, later what came around, at last the result
        let step = |(waiting, arrived): (Tensor, Tensor), i: Tensor| {
            let next = waiting.dynamic_index(0, i % m);
            let input = where_(number.eq(0), next, arrived);
            let run = ((i - number).maximum(0) / m).minimum(repeats - 1);
            let first = (run * n + number) * (layers / repeats);
            let arrived = ppermute(stage(input, run, first), "pipe", ring.clone());
            let done = i - (n - 1);
            let place = done.maximum(0) % m;
            let kept = where_(done.ge(0), arrived, waiting.dynamic_index(0, place));
            ((waiting.dynamic_update_axis(0, place, kept.expand_dims(0)), arrived), ())
        };
        let ticks = repeats * m + n - 1;
        let start = (parts, zeros_of(&parts.aval().unstacked()));
        let ((result, _), ()) = scan(step, start, iota([ticks], DType::I32, 0));
        let result = result.reshape(dims);
        psum(where_(number.eq(0), result, full([], result.dtype(), 0.0)), "pipe")
    }
}
