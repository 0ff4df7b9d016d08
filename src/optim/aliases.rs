//! Optimizers by their names: chains of parts, as in optax.
use super::{
    Mask, Optimizer, Schedule,
    adaptive::{
        AdamOptions, RmsOptions, scale_by_adadelta, scale_by_adam, scale_by_adamax, scale_by_adan, scale_by_adopt,
        scale_by_amsgrad, scale_by_belief, scale_by_lion, scale_by_novograd, scale_by_radam, scale_by_rms,
        scale_by_rss, scale_by_yogi,
    },
    chain,
    clip::clip_by_block_rms,
    layerwise::{FactoredOptions, scale_by_factored_rms, scale_by_param_block_rms, scale_by_sm3, scale_by_trust_ratio},
    masked,
    primitives::{
        add_decayed_weights, ema, identity, scale, scale_by_learning_rate, scale_by_positive_rate, scale_by_sign, trace,
    },
};
use crate::aval::DType;

/// What [`sgd`] may be told, with optax's names and defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SgdOptions {
    /// How much of the sum of gradients is kept at each step; `None` steps along the gradient.
    pub momentum: Option<f64>,
    /// Nesterov's momentum: a look ahead along the sum.
    pub nesterov: bool,
    /// The dtype in which the sum is kept; `None`: f32.
    pub accumulator_dtype: Option<DType>,
}

/// Stochastic gradient descent. JAX: `optax.sgd`.
pub fn sgd(learning_rate: impl Into<Schedule>, o: SgdOptions) -> Optimizer {
    let momentum = o.momentum.map_or_else(identity, |decay| trace(decay, o.nesterov, o.accumulator_dtype));
    chain([momentum, scale_by_learning_rate(learning_rate)]).named("sgd")
}
/// Steps of the size of the learning rate, by the signs of gradients. JAX: `optax.sign_sgd`.
pub fn sign_sgd(learning_rate: impl Into<Schedule>) -> Optimizer {
    chain([scale_by_sign(), scale_by_learning_rate(learning_rate)]).named("sign_sgd")
}
/// The same, of the running mean of gradients. JAX: `optax.signum`.
pub fn signum(learning_rate: impl Into<Schedule>, beta: f64) -> Optimizer {
    chain([ema(beta, false, None), scale_by_sign(), scale_by_learning_rate(learning_rate)]).named("signum")
}

/// Adam. JAX: `optax.adam`.
pub fn adam(learning_rate: impl Into<Schedule>, o: AdamOptions) -> Optimizer {
    chain([scale_by_adam(o), scale_by_learning_rate(learning_rate)]).named("adam")
}
/// Adam with Nesterov's momentum (Dozat, 2016). JAX: `optax.nadam`.
pub fn nadam(learning_rate: impl Into<Schedule>, o: AdamOptions) -> Optimizer {
    adam(learning_rate, AdamOptions { nesterov: true, ..o }).named("nadam")
}

/// What [`adamw`] needs to know, with optax's names and defaults.
#[derive(Clone, Debug)]
pub struct AdamWOptions {
    /// How much of the mean of gradients is kept at each step: 0.9.
    pub b1: f64,
    /// How much of the mean of squares is kept at each step: 0.999.
    pub b2: f64,
    /// Added to the denominator: 1e-8.
    pub eps: f64,
    /// Added to the mean of squares, below the square root: 0. Needed where a derivative is taken through the step.
    pub eps_root: f64,
    /// The dtype in which the mean of gradients is kept; `None`: f32.
    pub mu_dtype: Option<DType>,
    /// Part of a parameter that is taken off it, times the learning rate: 1e-4.
    pub weight_decay: Schedule,
    /// Which parameters decay; `None`: all.
    pub mask: Option<Mask>,
    /// Nesterov's momentum, which makes it NAdamW: no.
    pub nesterov: bool,
}
impl Default for AdamWOptions {
    fn default() -> AdamWOptions {
        let AdamOptions { b1, b2, eps, eps_root, mu_dtype, nesterov } = AdamOptions::default();
        AdamWOptions { b1, b2, eps, eps_root, mu_dtype, weight_decay: 1e-4.into(), mask: None, nesterov }
    }
}
impl AdamWOptions {
    fn adam(&self) -> AdamOptions {
        let AdamWOptions { b1, b2, eps, eps_root, mu_dtype, nesterov, .. } = *self;
        AdamOptions { b1, b2, eps, eps_root, mu_dtype, nesterov }
    }
}

/// Adam with decoupled weight decay: Loshchilov and Hutter, 2019, "Decoupled Weight Decay Regularization" (arXiv 1711.05101). JAX:
/// `optax.adamw`.
pub fn adamw(learning_rate: impl Into<Schedule>, o: AdamWOptions) -> Optimizer {
    let adam = scale_by_adam(o.adam());
    chain([adam, add_decayed_weights(o.weight_decay, o.mask), scale_by_learning_rate(learning_rate)]).named("adamw")
}
/// AdamW with Nesterov's momentum. JAX: `optax.nadamw`.
pub fn nadamw(learning_rate: impl Into<Schedule>, o: AdamWOptions) -> Optimizer {
    adamw(learning_rate, AdamWOptions { nesterov: true, ..o }).named("nadamw")
}
/// Adam with the largest recent gradient in the denominator. JAX: `optax.adamax`; `nesterov`, `eps_root` and `mu_dtype` are without
/// effect.
pub fn adamax(learning_rate: impl Into<Schedule>, o: AdamOptions) -> Optimizer {
    chain([scale_by_adamax(o.b1, o.b2, o.eps), scale_by_learning_rate(learning_rate)]).named("adamax")
}
/// The same with decoupled weight decay. JAX: `optax.adamaxw`.
pub fn adamaxw(learning_rate: impl Into<Schedule>, o: AdamWOptions) -> Optimizer {
    let decay = add_decayed_weights(o.weight_decay, o.mask);
    chain([scale_by_adamax(o.b1, o.b2, o.eps), decay, scale_by_learning_rate(learning_rate)]).named("adamaxw")
}
/// Adam with the largest mean of squares so far. JAX: `optax.amsgrad`.
pub fn amsgrad(learning_rate: impl Into<Schedule>, o: AdamOptions) -> Optimizer {
    chain([scale_by_amsgrad(o), scale_by_learning_rate(learning_rate)]).named("amsgrad")
}
/// Rectified Adam; the denominator is used once more than 5 squares are known. JAX: `optax.radam`.
pub fn radam(learning_rate: impl Into<Schedule>, o: AdamOptions) -> Optimizer {
    chain([scale_by_radam(o, 5.0), scale_by_learning_rate(learning_rate)]).named("radam")
}
/// AdaBelief. optax's default of `eps` and `eps_root` is 1e-16: [`adabelief_options`]. JAX: `optax.adabelief`.
pub fn adabelief(learning_rate: impl Into<Schedule>, o: AdamOptions) -> Optimizer {
    chain([scale_by_belief(o), scale_by_learning_rate(learning_rate)]).named("adabelief")
}
/// optax's defaults of [`adabelief`].
pub fn adabelief_options() -> AdamOptions {
    AdamOptions { eps: 1e-16, eps_root: 1e-16, ..AdamOptions::default() }
}
/// Yogi, with optax's `b1` 0.9, `b2` 0.999, `eps` 1e-3. JAX: `optax.yogi`.
pub fn yogi(learning_rate: impl Into<Schedule>, b1: f64, b2: f64, eps: f64) -> Optimizer {
    chain([scale_by_yogi(b1, b2, eps), scale_by_learning_rate(learning_rate)]).named("yogi")
}
/// Adan, with optax's numbers: `b1` 0.98, `b2` 0.92, `b3` 0.99, `eps` and `eps_root` 1e-8. JAX: `optax.adan`.
pub fn adan(learning_rate: impl Into<Schedule>, weight_decay: impl Into<Schedule>, mask: Option<Mask>) -> Optimizer {
    let adan = scale_by_adan(0.98, 0.92, 0.99, 1e-8, 1e-8);
    chain([adan, add_decayed_weights(weight_decay, mask), scale_by_learning_rate(learning_rate)]).named("adan")
}
/// ADOPT; optax's `b2` is 0.9999 and its `eps` 1e-6: [`adopt_options`]. JAX: `optax.contrib.adopt`.
pub fn adopt(learning_rate: impl Into<Schedule>, o: AdamOptions) -> Optimizer {
    chain([scale_by_adopt(o, true), scale_by_learning_rate(learning_rate)]).named("adopt")
}
/// optax's defaults of [`adopt`].
pub fn adopt_options() -> AdamOptions {
    AdamOptions { b2: 0.9999, eps: 1e-6, ..AdamOptions::default() }
}
/// NovoGrad; optax's `b2` is 0.25 and its `eps` 1e-6: [`novograd_options`]. JAX: `optax.novograd`.
pub fn novograd(learning_rate: impl Into<Schedule>, o: AdamOptions, weight_decay: f64) -> Optimizer {
    chain([scale_by_novograd(o, weight_decay), scale_by_learning_rate(learning_rate)]).named("novograd")
}
/// optax's defaults of [`novograd`].
pub fn novograd_options() -> AdamOptions {
    AdamOptions { b2: 0.25, eps: 1e-6, ..AdamOptions::default() }
}

/// What [`lion`] needs to know, with optax's names and defaults.
#[derive(Clone, Debug)]
pub struct LionOptions {
    /// How much of the mean the step takes: 0.9.
    pub b1: f64,
    /// How much of the mean is kept at each step: 0.99.
    pub b2: f64,
    /// The dtype in which the mean is kept; `None`: f32.
    pub mu_dtype: Option<DType>,
    /// Part of a parameter that is taken off it, times the learning rate: 1e-3.
    pub weight_decay: Schedule,
    /// Which parameters decay; `None`: all.
    pub mask: Option<Mask>,
}
impl Default for LionOptions {
    fn default() -> LionOptions {
        LionOptions { b1: 0.9, b2: 0.99, mu_dtype: None, weight_decay: 1e-3.into(), mask: None }
    }
}
/// Lion. JAX: `optax.lion`.
pub fn lion(learning_rate: impl Into<Schedule>, o: LionOptions) -> Optimizer {
    let sign = scale_by_lion(o.b1, o.b2, o.mu_dtype);
    chain([sign, add_decayed_weights(o.weight_decay, o.mask), scale_by_learning_rate(learning_rate)]).named("lion")
}

/// RMSProp (Tieleman and Hinton, 2012). JAX: `optax.rmsprop`.
pub fn rmsprop(learning_rate: impl Into<Schedule>, o: RmsOptions) -> Optimizer {
    let momentum = o.momentum.map_or_else(identity, |decay| trace(decay, o.nesterov, None));
    chain([scale_by_rms(o), scale_by_learning_rate(learning_rate), momentum]).named("rmsprop")
}
/// Adagrad, with optax's first sum of squares 0.1 and `eps` 1e-7. JAX: `optax.adagrad`.
pub fn adagrad(learning_rate: impl Into<Schedule>, initial_accumulator_value: f64, eps: f64) -> Optimizer {
    chain([scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate)]).named("adagrad")
}
/// Adadelta, with optax's `rho` 0.9 and `eps` 1e-6. JAX: `optax.adadelta`.
pub fn adadelta(learning_rate: impl Into<Schedule>, rho: f64, eps: f64, weight_decay: f64) -> Optimizer {
    let decay = add_decayed_weights(weight_decay, None);
    chain([decay, scale_by_adadelta(rho, eps), scale_by_learning_rate(learning_rate)]).named("adadelta")
}
/// SM3, with momentum (optax's: 0.9). JAX: `optax.sm3`.
pub fn sm3(learning_rate: f64, momentum: f64) -> Optimizer {
    chain([scale_by_sm3(momentum, 1.0, 1e-8), scale(-learning_rate)]).named("sm3")
}

/// LAMB: AdamW whose steps are as large as each parameter, for large batches; optax's `eps` is 1e-6 and its decay 0:
/// [`lamb_options`]. You et al., 2020 (arXiv 1904.00962). JAX: `optax.lamb`.
pub fn lamb(learning_rate: impl Into<Schedule>, o: AdamWOptions) -> Optimizer {
    let (adam, decay) = (scale_by_adam(o.adam()), add_decayed_weights(o.weight_decay, o.mask));
    let ratio = scale_by_trust_ratio(0.0, 1.0, 0.0);
    chain([adam, decay, ratio, scale_by_learning_rate(learning_rate)]).named("lamb")
}
/// optax's defaults of [`lamb`].
pub fn lamb_options() -> AdamWOptions {
    AdamWOptions { eps: 1e-6, weight_decay: 0.0.into(), ..AdamWOptions::default() }
}

/// What [`lars`] needs to know, with optax's names and defaults.
#[derive(Clone, Debug)]
pub struct LarsOptions {
    /// Part of a parameter that is added to its gradient: 0.
    pub weight_decay: Schedule,
    /// Which parameters decay; `None`: all.
    pub weight_decay_mask: Option<Mask>,
    /// How large steps are beside parameters: 0.001.
    pub trust_coefficient: f64,
    /// Added to norms of gradients: 0.
    pub eps: f64,
    /// Whose steps are as large as they are; `None`: all.
    pub trust_ratio_mask: Option<Mask>,
    /// Momentum: 0.9.
    pub momentum: f64,
    /// Nesterov's: no.
    pub nesterov: bool,
}
impl Default for LarsOptions {
    fn default() -> LarsOptions {
        LarsOptions {
            weight_decay: 0.0.into(),
            weight_decay_mask: None,
            trust_coefficient: 0.001,
            eps: 0.0,
            trust_ratio_mask: None,
            momentum: 0.9,
            nesterov: false,
        }
    }
}
/// LARS: momentum whose steps are as large as each parameter. JAX: `optax.lars`.
pub fn lars(learning_rate: impl Into<Schedule>, o: LarsOptions) -> Optimizer {
    chain([
        add_decayed_weights(o.weight_decay, o.weight_decay_mask),
        masked(scale_by_trust_ratio(0.0, o.trust_coefficient, o.eps), o.trust_ratio_mask.unwrap_or_default()),
        scale_by_learning_rate(learning_rate),
        trace(o.momentum, o.nesterov, None),
    ])
    .named("lars")
}

/// What [`adafactor`] needs to know, with optax's names and defaults.
#[derive(Clone, Debug)]
pub struct AdafactorOptions {
    /// Of the second moments.
    pub second: FactoredOptions,
    /// Make steps as large as parameters: yes.
    pub multiply_by_parameter_scale: bool,
    /// How large a step is at most, before the learning rate: 1.
    pub clipping_threshold: Option<f64>,
    /// Momentum: `None`.
    pub momentum: Option<f64>,
    /// The dtype in which it is kept: f32.
    pub dtype_momentum: DType,
    /// Part of a parameter that is taken off it, without the learning rate: `None`.
    pub weight_decay_rate: Option<Schedule>,
    /// Which parameters decay; `None`: all.
    pub weight_decay_mask: Option<Mask>,
}
impl Default for AdafactorOptions {
    fn default() -> AdafactorOptions {
        AdafactorOptions {
            second: FactoredOptions::default(),
            multiply_by_parameter_scale: true,
            clipping_threshold: Some(1.0),
            momentum: None,
            dtype_momentum: DType::F32,
            weight_decay_rate: None,
            weight_decay_mask: None,
        }
    }
}
/// Adafactor: second moments of rows and columns, steps as large as parameters. Without a learning rate steps are as large as
/// parameters are. JAX: `optax.adafactor`.
pub fn adafactor(learning_rate: Option<Schedule>, o: AdafactorOptions) -> Optimizer {
    let mut parts = vec![scale_by_factored_rms(o.second)];
    parts.extend(o.clipping_threshold.map(clip_by_block_rms));
    parts.extend(learning_rate.map(scale_by_positive_rate));
    parts.extend(o.multiply_by_parameter_scale.then(|| scale_by_param_block_rms(1e-3)));
    parts.extend(o.momentum.map(|decay| ema(decay, false, Some(o.dtype_momentum))));
    parts.extend(o.weight_decay_rate.map(|decay| add_decayed_weights(decay, o.weight_decay_mask)));
    parts.push(scale(-1.0));
    chain(parts).named("adafactor")
}
