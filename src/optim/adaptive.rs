//! Updates scaled by running moments of gradients: Adam and its kin.
use super::{
    Optimizer,
    primitives::{moment, power, unbiased},
    slot::Slot,
    transformation::{LeafStep, next, per_leaf},
};
use crate::{aval::DType, ops::where_, trace::Tensor};

/// The mean of gradients, unbiased; with `nesterov` a look ahead of it (Dozat, 2016).
fn first(m: Tensor, x: &LeafStep, b1: f64, nesterov: bool) -> Tensor {
    match nesterov {
        true => unbiased(m, b1, next(x.count)) * b1 + unbiased(x.g, b1, x.count) * (1.0 - b1),
        false => unbiased(m, b1, x.count),
    }
}
/// `m / (sqrt(v + eps_root) + eps)`.
fn scaled(m: Tensor, v: Tensor, eps: f64, eps_root: f64) -> Tensor {
    let v = if eps_root == 0.0 { v } else { v + eps_root };
    m / (v.sqrt() + eps)
}

/// What [`scale_by_adam`] needs to know, with optax's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptions {
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
    /// Nesterov's momentum, which makes it NAdam (Dozat, 2016): no.
    pub nesterov: bool,
}
impl Default for AdamOptions {
    fn default() -> AdamOptions {
        AdamOptions { b1: 0.9, b2: 0.999, eps: 1e-8, eps_root: 0.0, mu_dtype: None, nesterov: false }
    }
}

/// The mean of gradients over the root of the mean of their squares. Kingma and Ba, 2015 (arXiv 1412.6980). JAX:
/// `optax.scale_by_adam`.
pub fn scale_by_adam(o: AdamOptions) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        x.s[0] = moment(x.g, x.s[0], o.b1);
        x.s[1] = moment(x.g * x.g, x.s[1], o.b2);
        scaled(first(x.s[0], x, o.b1, o.nesterov), unbiased(x.s[1], o.b2, x.count), o.eps, o.eps_root)
    };
    let mu = move |p: &super::Parameter| Slot::like(p).dtype(o.mu_dtype);
    per_leaf(update).counted().slot("mu", mu).zeros("nu").named("scale_by_adam")
}

/// As Adam, with the largest mean of squares so far. Reddi et al., 2018 (arXiv 1904.09237). JAX: `optax.scale_by_amsgrad`.
pub fn scale_by_amsgrad(o: AdamOptions) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        x.s[0] = moment(x.g, x.s[0], o.b1);
        x.s[1] = moment(x.g * x.g, x.s[1], o.b2);
        x.s[2] = x.s[2].maximum(unbiased(x.s[1], o.b2, x.count));
        scaled(unbiased(x.s[0], o.b1, x.count), x.s[2], o.eps, o.eps_root)
    };
    let mu = move |p: &super::Parameter| Slot::like(p).dtype(o.mu_dtype);
    per_leaf(update).counted().slot("mu", mu).zeros("nu").zeros("nu_max").named("scale_by_amsgrad")
}

/// As Adam, with the largest recent gradient in place of the root of the mean of squares. JAX: `optax.scale_by_adamax`.
pub fn scale_by_adamax(b1: f64, b2: f64, eps: f64) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        x.s[0] = moment(x.g, x.s[0], b1);
        x.s[1] = (x.g.abs() + eps).maximum(x.s[1] * b2);
        unbiased(x.s[0], b1, x.count) / x.s[1]
    };
    per_leaf(update).counted().zeros("mu").zeros("nu").named("scale_by_adamax")
}

/// As Adam, without the denominator while the variance of that is not known well. Liu et al., 2020 (arXiv 1908.03265). JAX:
/// `optax.scale_by_radam`.
pub fn scale_by_radam(o: AdamOptions, threshold: f64) -> Optimizer {
    let most = 2.0 / (1.0 - o.b2) - 1.0;
    let update = move |x: &mut LeafStep| {
        x.s[0] = moment(x.g, x.s[0], o.b1);
        x.s[1] = moment(x.g * x.g, x.s[1], o.b2);
        let (m, v) = (first(x.s[0], x, o.b1, o.nesterov), unbiased(x.s[1], o.b2, x.count));
        let kept = power(o.b2, x.count, DType::F32);
        let known = most - x.count.cast(DType::F32) * 2.0 * kept / (1.0 - kept);
        let by = ((known - 4.0) * (known - 2.0) * most / (known * ((most - 4.0) * (most - 2.0)))).sqrt();
        where_(known.ge(threshold), scaled(m * by.cast(m.dtype()), v, o.eps, o.eps_root), m)
    };
    per_leaf(update).counted().zeros("mu").zeros("nu").named("scale_by_radam")
}

/// As Adam, with the mean of the squares of what the mean of gradients did not foresee. Zhuang et al., 2020 (arXiv 2010.07468). JAX:
/// `optax.scale_by_belief`.
pub fn scale_by_belief(o: AdamOptions) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        x.s[0] = moment(x.g, x.s[0], o.b1);
        x.s[1] = moment((x.g - x.s[0]).powi(2), x.s[1], o.b2) + o.eps_root;
        scaled(first(x.s[0], x, o.b1, o.nesterov), unbiased(x.s[1], o.b2, x.count), o.eps, 0.0)
    };
    per_leaf(update).counted().zeros("mu").zeros("nu").named("scale_by_belief")
}

/// As Adam, with a second moment that grows slowly. Zaheer et al., 2018. JAX: `optax.scale_by_yogi`.
pub fn scale_by_yogi(b1: f64, b2: f64, eps: f64) -> Optimizer {
    const FIRST: f64 = 1e-6;
    let update = move |x: &mut LeafStep| {
        let square = x.g * x.g;
        x.s[0] = moment(x.g, x.s[0], b1);
        x.s[1] = x.s[1] - (x.s[1] - square).sign() * square * (1.0 - b2);
        scaled(unbiased(x.s[0], b1, x.count), unbiased(x.s[1], b2, x.count), eps, 0.0)
    };
    let like = |p: &super::Parameter| Slot::like(p).full(FIRST);
    per_leaf(update).counted().slot("mu", like).slot("nu", like).named("scale_by_yogi")
}

/// The sign of a mean of gradients, whose state is a slower one. Chen et al., 2023 (arXiv 2302.06675). JAX: `optax.scale_by_lion`.
pub fn scale_by_lion(b1: f64, b2: f64, mu_dtype: Option<DType>) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        let sign = moment(x.g, x.s[0], b1).sign();
        x.s[0] = moment(x.g, x.s[0], b2);
        sign
    };
    per_leaf(update).counted().slot("mu", move |p| Slot::like(p).dtype(mu_dtype)).named("scale_by_lion")
}

/// Adam with Nesterov's momentum of differences of gradients. Xie et al., 2022 (arXiv 2208.06677). JAX: `optax.scale_by_adan`.
pub fn scale_by_adan(b1: f64, b2: f64, b3: f64, eps: f64, eps_root: f64) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        let change = where_(x.count.eq(1), x.g.like(0), x.g - x.s[3]);
        x.s[0] = moment(x.g, x.s[0], b1);
        x.s[1] = moment(change, x.s[1], b2);
        x.s[2] = moment((x.g + change * (1.0 - b2)).powi(2), x.s[2], b3);
        x.s[3] = x.g;
        let [m, v, n] = [(0, b1), (1, b2), (2, b3)].map(|(i, decay)| unbiased(x.s[i], decay, x.count));
        scaled(m + v * (1.0 - b2), n, eps, eps_root)
    };
    let state = per_leaf(update).counted().zeros("m").zeros("v").zeros("n").zeros("g");
    state.named("scale_by_adan")
}

/// What RMSProp needs to know, with optax's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsOptions {
    /// How much of the mean of squares is kept at each step: 0.9.
    pub decay: f64,
    /// Added to the denominator: 1e-8.
    pub eps: f64,
    /// What the mean of squares begins as: 0.
    pub initial_scale: f64,
    /// Add `eps` below the square root: yes.
    pub eps_in_sqrt: bool,
    /// Divide means by what they lack in their first steps: no.
    pub bias_correction: bool,
    /// Take off the square of the mean ([`rmsprop`](super::rmsprop)): no.
    pub centered: bool,
    /// Momentum of [`rmsprop`](super::rmsprop): `None`.
    pub momentum: Option<f64>,
    /// Nesterov's, of that: no.
    pub nesterov: bool,
}
impl Default for RmsOptions {
    fn default() -> RmsOptions {
        RmsOptions {
            decay: 0.9,
            eps: 1e-8,
            initial_scale: 0.0,
            eps_in_sqrt: true,
            bias_correction: false,
            centered: false,
            momentum: None,
            nesterov: false,
        }
    }
}

/// Gradients over the root of the mean of their squares; with `centered`, of their variance. JAX: `optax.scale_by_rms`,
/// `optax.scale_by_stddev`.
pub fn scale_by_rms(o: RmsOptions) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        let debiased = |x: Tensor, count: Tensor| if o.bias_correction { unbiased(x, o.decay, count) } else { x };
        x.s[0] = moment(x.g * x.g, x.s[0], o.decay);
        let mut square = debiased(x.s[0], x.count);
        if o.centered {
            x.s[1] = moment(x.g, x.s[1], o.decay);
            square -= debiased(x.s[1], x.count).powi(2);
        }
        match o.eps_in_sqrt {
            true => (square + o.eps).rsqrt() * x.g,
            false => 1.0 / (square.sqrt() + o.eps) * x.g,
        }
    };
    let state = per_leaf(update).slot("nu", move |p| Slot::like(p).full(o.initial_scale));
    let state = if o.centered { state.zeros("mu") } else { state };
    let state = if o.bias_correction { state.counted() } else { state };
    state.named(if o.centered { "scale_by_stddev" } else { "scale_by_rms" })
}

/// Gradients over the root of the sum of their squares so far. Duchi et al., 2011. JAX: `optax.scale_by_rss`.
pub fn scale_by_rss(initial_accumulator_value: f64, eps: f64) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        let sum = x.g * x.g + x.s[0];
        x.s[0] = sum;
        where_(sum.gt(0.0), (sum + eps).rsqrt(), 0.0) * x.g
    };
    let sum = move |p: &super::Parameter| Slot::like(p).full(initial_accumulator_value);
    per_leaf(update).slot("sum_of_squares", sum).named("scale_by_rss")
}

/// Gradients times the root of the mean of squared updates over that of squared gradients. Zeiler, 2012 (arXiv 1212.5701). JAX:
/// `optax.scale_by_adadelta`.
pub fn scale_by_adadelta(rho: f64, eps: f64) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        x.s[0] = moment(x.g * x.g, x.s[0], rho);
        let step = (x.s[1] + eps).sqrt() / (x.s[0] + eps).sqrt() * x.g;
        x.s[1] = moment(step * step, x.s[1], rho);
        step
    };
    per_leaf(update).zeros("e_g").zeros("e_x").named("scale_by_adadelta")
}

/// Gradients over the norm of each parameter's, with momentum. Ginsburg et al., 2019 (arXiv 1905.11286). JAX:
/// `optax.scale_by_novograd`.
pub fn scale_by_novograd(o: AdamOptions, weight_decay: f64) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        let (first, square) = (x.count.eq(1), (x.g * x.g).sum(..));
        x.s[1] = where_(first, square, moment(square, x.s[1], o.b2));
        let step = x.g / ((x.s[1] + o.eps_root).sqrt() + o.eps) + x.p * weight_decay;
        x.s[0] = where_(first, step, x.s[0].cast(step.dtype()) * o.b1 + step);
        x.s[0]
    };
    let mu = move |p: &super::Parameter| Slot::like(p).dtype(o.mu_dtype);
    per_leaf(update).counted().slot("mu", mu).slot("nu", |p| Slot::axes(p, vec![])).named("scale_by_novograd")
}

/// As Adam, with the gradient over the second moment before it, clipped. Taniguchi et al., 2024 (arXiv 2411.02853). JAX:
/// `optax.contrib.scale_by_adopt`.
pub fn scale_by_adopt(o: AdamOptions, use_clipping: bool) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        let (begun, before) = (x.count.gt(1), x.count - 1);
        let step = x.g / x.s[1].sqrt().maximum(o.eps);
        let step = match use_clipping {
            true => {
                let most = before.cast(step.dtype()).pow(0.25);
                step.minimum(most).maximum(-most)
            }
            false => step,
        };
        x.s[1] = where_(begun, moment(x.g * x.g, x.s[1], o.b2), x.g * x.g);
        let old = x.s[0].cast(step.dtype());
        x.s[0] = where_(begun, moment(step, old, o.b1), old);
        match o.nesterov {
            true => where_(begun, moment(step, x.s[0], o.b1), x.s[0]),
            false => x.s[0],
        }
    };
    let mu = move |p: &super::Parameter| Slot::like(p).dtype(o.mu_dtype);
    per_leaf(update).counted().slot("mu", mu).zeros("nu").named("scale_by_adopt")
}
