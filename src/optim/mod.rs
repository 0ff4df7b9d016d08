//! Optimizers, schedules and clipping, with optax's names, defaults and numbers.
//!
//! An [`Optimizer`] is settings: how updates are made of gradients. What it keeps from step to step is its [`OptState`], a tree of named
//! leaves that goes in and out of the training step beside the model, whichever optimizer it is: it is saved, donated and divided
//! over devices as any other argument. Optimizers are chains of parts, and parts of longer chains.
//! ```
//! use raxla::{optim::{self, OptState}, prelude::*};
//!
//! #[derive(Tree, Clone)]
//! struct Line<T = Tensor> {
//!     slope: T,
//!     offset: T,
//! }
//! let schedule = optim::warmup_cosine_decay_schedule(optim::WarmupCosine {
//!     peak_value: 0.3,
//!     warmup_steps: 10,
//!     decay_steps: 200,
//!     ..Default::default()
//! });
//! let opt = optim::chain([optim::clip_by_global_norm(1.0), optim::adam(schedule, Default::default())]);
//!
//! let mut m = Line { slope: Array::scalar(0f32)?, offset: Array::scalar(0f32)? };
//! let mut state = opt.init(&m)?;
//! assert_eq!(state.paths()[..3], ["1.0.count", "1.0.mu.slope", "1.0.mu.offset"]);
//! let step = jit(move |m: Line, state: OptState, x: Tensor, y: Tensor| {
//!     let loss = |m: Line| (m.slope * x + m.offset - y).powi(2).mean(0);
//!     let (loss, gradient) = value_and_grad(loss)(m.clone());
//!     let (updates, state) = opt.update(&gradient, state, &m);
//!     (optim::apply_updates(&m, &updates), state, loss)
//! });
//! let x = Array::from_slice([4], &[-1f32, 0., 1., 2.])?;
//! let y = Array::from_slice([4], &[-1f32, 1., 3., 5.])?; // 2x + 1
//! for _ in 0..200 {
//!     (m, state, _) = step.call((m, state, &x, &y))?; // moved: donated
//! }
//! assert!((m.slope.item::<f32>()? - 2.0).abs() < 1e-2);
//! let count = state.get("count").and_then(OptState::value).expect("adam counts");
//! assert_eq!(count.item::<i32>()?, 200);
//! # Ok::<(), raxla::Error>(())
//! ```
//! A learning rate is a number, a [`Schedule`] of the number of steps taken before this one, or kept in the state, where the
//! program changes it ([`Schedule::injected`]).
//!
//! **Precision.** State is f32 even beside bf16 parameters (f64 beside f64): small contributions to a moment would be lost in
//! bf16, where optax keeps the parameters' dtype unless told otherwise; `mu_dtype` and its kin keep it in another. Updates are
//! computed in the state's dtype; [`apply_updates`] rounds the new parameter to its own.
//!
//! **Over a mesh.** A leaf of state that is like a parameter is divided as that is, one that keeps some of its axes as those are, and
//! all others are whole on every device ([`Optimizer::slots`] says which is which).
//!
//! An optimizer of one's own is a [`GradientTransformation`].
mod adaptive;
mod aliases;
mod clip;
mod curvature;
mod layerwise;
mod lbfgs;
mod linesearch;
pub mod losses;
mod mask;
mod muon;
mod precision;
mod primitives;
mod rate_free;
mod schedule;
mod schedule_free;
mod slot;
mod state;
mod transformation;
mod wrappers;
pub use adaptive::{
    AdamOptions, RmsOptions, scale_by_adadelta, scale_by_adam, scale_by_adamax, scale_by_adan, scale_by_adopt,
    scale_by_amsgrad, scale_by_belief, scale_by_lion, scale_by_novograd, scale_by_radam, scale_by_rms, scale_by_rss,
    scale_by_yogi,
};
pub use aliases::{
    AdafactorOptions, AdamWOptions, LarsOptions, LionOptions, SgdOptions, adabelief, adabelief_options, adadelta,
    adafactor, adagrad, adam, adamax, adamaxw, adamw, adan, adopt, adopt_options, amsgrad, lamb, lamb_options, lars,
    lion, nadam, nadamw, novograd, novograd_options, radam, rmsprop, sgd, sign_sgd, signum, sm3, yogi,
};
pub use clip::{adaptive_grad_clip, clip, clip_by_block_rms, clip_by_global_norm, global_norm};
pub use curvature::{SophiaOptions, scale_by_sophia, sophia};
pub use layerwise::{
    FactoredOptions, scale_by_factored_rms, scale_by_param_block_norm, scale_by_param_block_rms, scale_by_sm3,
    scale_by_trust_ratio,
};
pub use lbfgs::{LbfgsOptions, lbfgs, scale_by_lbfgs};
pub use linesearch::{ZoomOptions, scale_by_zoom_linesearch};
pub use mask::{Mask, matches};
pub use muon::{AxesOf, MuonAxes, MuonOptions, muon, orthogonalize_via_newton_schulz, scale_by_muon};
pub use precision::{DynamicScale, Policy, dynamic_scale, loss_scale};
pub use primitives::{
    add_decayed_weights, apply_every, centralize, ema, identity, params_ema, scale, scale_by_learning_rate,
    scale_by_schedule, scale_by_sign, set_to_zero, trace,
};
pub use rate_free::{DistanceOptions, dadapt_adamw, prodigy};
pub use schedule::{
    ExponentialDecay, Interpolation, OneCycle, Schedule, WarmupCosine, Wsd, constant_schedule, cosine_decay_schedule,
    cosine_onecycle_schedule, exponential_decay, inverse_sqrt_schedule, join_schedules, linear_onecycle_schedule,
    linear_schedule, piecewise_constant_schedule, piecewise_interpolate_schedule, polynomial_schedule, sgdr_schedule,
    warmup_constant_schedule, warmup_cosine_decay_schedule, warmup_linear_schedule, wsd_schedule,
};
pub use schedule_free::{
    ScheduleFreeOptions, schedule_free, schedule_free_adamw, schedule_free_eval_params, schedule_free_sgd,
};
pub use slot::{Initial, Parameter, Slot, Start, Typed};
pub use state::OptState;
pub use transformation::{GradientTransformation, Optimizer, Step, ValueFn, apply_updates, chain, tree_where};
pub use wrappers::{apply_if_finite, lookahead, masked, multi_steps, partition, partition_by};
