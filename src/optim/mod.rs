//! Optimizers, schedules and clipping: plain functions on trees, with optax's names and numbers.
//!
//! An optimizer is its state, a tree that goes in and out of the training step beside the model, and a method that takes one
//! step. Nothing else is kept anywhere: the state is saved, donated and divided over devices as any other argument.
//! ```
//! use raxla::{optim::{self, AdamW, AdamWOptions}, prelude::*, runtime};
//!
//! #[derive(Tree, Clone)]
//! struct Line<T = Tensor> {
//!     slope: T,
//!     offset: T,
//! }
//! let options = AdamWOptions { weight_decay: 0.0, ..AdamWOptions::default() };
//! let schedule = optim::warmup_cosine_decay_schedule(optim::WarmupCosine {
//!     peak_value: 0.3,
//!     warmup_steps: 10,
//!     decay_steps: 200,
//!     ..Default::default()
//! });
//! let step = jit(move |m: Line, opt: AdamW<Line>, x: Tensor, y: Tensor| {
//!     let loss = |m: Line| (m.slope * x + m.offset - y).powi(2).mean(0);
//!     let (loss, g) = value_and_grad(loss)(m.clone());
//!     let g = optim::clip_by_global_norm(&g, 1.0);
//!     let rate = schedule(opt.count);
//!     let (m, opt) = opt.update(&m, &g, rate, &options);
//!     (m, opt, loss)
//! });
//! let mut m = Line { slope: Array::scalar(0f32)?, offset: Array::scalar(0f32)? };
//! let mut opt = AdamW::zeros(&runtime::client()?, &m)?;
//! let x = Array::from_slice([4], &[-1f32, 0., 1., 2.])?;
//! let y = Array::from_slice([4], &[-1f32, 1., 3., 5.])?; // 2x + 1
//! for _ in 0..200 {
//!     (m, opt, _) = step.call((m, opt, &x, &y))?; // moved: donated
//! }
//! assert!((m.slope.item::<f32>()? - 2.0).abs() < 1e-2 && opt.count.item::<i32>()? == 200);
//! # Ok::<(), raxla::Error>(())
//! ```
//! The learning rate is a number, a tensor (an argument of the step, say), or what a schedule makes of the state's `count`,
//! the number of steps taken before this one.
//!
//! **Precision.** State is f32 even beside bf16 parameters (f64 beside f64): small contributions to a moment would be lost in
//! bf16, where optax keeps the parameters' dtype unless told otherwise. The step is computed in the state's dtype, and the new
//! parameter rounded to its own.
mod adamw;
mod clip;
mod schedule;
mod sgd;
mod state;
pub use adamw::{AdamW, AdamWOptions};
pub use clip::{clip_by_global_norm, global_norm};
pub use schedule::{
    WarmupCosine, constant_schedule, cosine_decay_schedule, join_schedules, linear_schedule,
    warmup_cosine_decay_schedule,
};
pub use sgd::{Sgd, SgdOptions};
pub use state::{Typed, ZerosLike};
