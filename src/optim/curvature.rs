//! Sophia: steps divided by an estimate of the curvature along each parameter.
use super::{
    Mask, OptState, Optimizer, Schedule, add_decayed_weights, chain,
    primitives::{moment, unbiased},
    scale_by_learning_rate,
    slot::{Parameter, Slot},
    state::per_parameter,
    transformation::{GradientTransformation, Step, next},
};
use crate::{
    aval::DType,
    ops::where_,
    prim::cond,
    random::Key,
    trace::Tensor,
    transform::{grad, jvp},
};

/// What [`sophia`] needs to know, with optax's names and defaults.
#[derive(Clone, Debug)]
pub struct SophiaOptions {
    /// How much of the mean of gradients is kept at each step: 0.965.
    pub b1: f64,
    /// How much of the mean of curvatures is kept at each estimate: 0.99.
    pub b2: f64,
    /// The smallest denominator: 1e-8.
    pub eps: f64,
    /// Part of a parameter that is taken off it, times the learning rate: 1e-4.
    pub weight_decay: Schedule,
    /// Which parameters decay; `None`: all.
    pub weight_decay_mask: Option<Mask>,
    /// What curvatures are multiplied by: 0.01.
    pub gamma: f64,
    /// How large an element of a step is at most, before the learning rate: 1.
    pub clip_threshold: Option<f64>,
    /// Steps from one estimate to the next: 10.
    pub update_interval: usize,
    /// The seed of the random signs of estimates: 0.
    pub seed: u64,
    /// The dtype in which the mean of gradients is kept; `None`: f32.
    pub mu_dtype: Option<DType>,
}
impl Default for SophiaOptions {
    fn default() -> SophiaOptions {
        SophiaOptions {
            b1: 0.965,
            b2: 0.99,
            eps: 1e-8,
            weight_decay: 1e-4.into(),
            weight_decay_mask: None,
            gamma: 0.01,
            clip_threshold: Some(1.0),
            update_interval: 10,
            seed: 0,
            mu_dtype: None,
        }
    }
}

/// The mean of gradients over the mean of the diagonal of the Hessian, which Hutchinson's estimator finds every few steps: random signs
/// times the derivative of the gradient along them. Liu et al., 2023 (arXiv 2305.14342). Takes the loss as a function:
/// [`Optimizer::update_with`]. JAX: `optax.contrib.sophia`.
pub fn sophia(learning_rate: impl Into<Schedule>, o: SophiaOptions) -> Optimizer {
    let decay = add_decayed_weights(o.weight_decay.clone(), o.weight_decay_mask.clone());
    chain([scale_by_sophia(o), decay, scale_by_learning_rate(learning_rate)]).named("sophia")
}
/// [`sophia`] without decay and learning rate. JAX: `optax.contrib.scale_by_sophia`.
pub fn scale_by_sophia(options: SophiaOptions) -> Optimizer {
    Optimizer::new("scale_by_sophia", Sophia(options))
}
struct Sophia(SophiaOptions);
impl GradientTransformation for Sophia {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let key = Slot::host(Key::host(self.0.seed).data().clone());
        OptState::of([
            ("count", OptState::leaf(Slot::count())),
            ("mu", per_parameter(parameters, |p| Slot::like(p).dtype(self.0.mu_dtype))),
            ("nu", per_parameter(parameters, Slot::like)),
            ("key", OptState::leaf(key)),
        ])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let o = &self.0;
        let (count, old) = (state.tensor("count"), state.tensors("nu"));
        let (n, loss) = (next(count), step.value_fn("sophia"));
        let (mut mu, mut out) = (vec![], vec![]);
        for ((g, m), h) in updates.into_iter().zip(state.tensors("mu")).zip(&old) {
            let mean = moment(g, m, o.b1);
            mu.push(mean.cast(m.dtype()));
            let u = unbiased(mean, o.b1, n) / (*h * o.gamma).maximum(o.eps);
            out.push(o.clip_threshold.map_or(u, |most| u.clip(-most, most)));
        }
        let estimate = |(key, nu): (Tensor, Vec<Tensor>)| {
            let [key, own] = Key::from_data(key).split();
            let keys = own.split_n(step.params.len());
            let sign = |(key, p): (Key, &Tensor)| where_(key.bernoulli(p.dims(), 0.5), p.like(1.0), -1.0);
            let signs: Vec<Tensor> = keys.into_iter().zip(&step.params).map(sign).collect();
            let gradient = grad(|p: Vec<Tensor>| loss(&p).cast(DType::F32));
            let (_, along) = jvp(gradient, step.params.clone(), signs.clone());
            let diagonal = along.into_iter().zip(signs).map(|(h, sign)| h * sign);
            (*key.data(), diagonal.zip(nu).map(|(h, nu)| moment(h, nu, o.b2)).collect::<Vec<_>>())
        };
        let due = (count % o.update_interval.max(1) as i64).eq(0);
        let (key, nu) = cond(due, estimate, |kept| kept, (state.tensor("key"), old));
        let state = OptState::of([
            ("count".to_string(), OptState::leaf(n)),
            state.refilled("mu", mu),
            state.refilled("nu", nu),
            ("key".to_string(), OptState::leaf(key)),
        ]);
        (out, state)
    }
}
