//! Adam that finds its learning rate: an estimate of how far the parameters have to go, which only grows.
use super::{
    OptState, Optimizer, Schedule,
    clip::sum_of,
    primitives::power,
    slot::{Parameter, Slot},
    state::per_parameter,
    transformation::{GradientTransformation, Step, next},
};
use crate::{aval::DType, trace::Tensor};

/// What [`prodigy`] and [`dadapt_adamw`] need to know, with optax's names and defaults.
#[derive(Clone, Debug)]
pub struct DistanceOptions {
    /// What the estimate is multiplied by: 1.
    pub learning_rate: Schedule,
    /// How much of the means of gradients and of their squares is kept: 0.9, 0.999.
    pub betas: (f64, f64),
    /// How much of the sums of the estimate [`prodigy`] keeps; `None`: the root of the second beta.
    pub beta3: Option<f64>,
    /// Added to the denominator: 1e-8.
    pub eps: f64,
    /// The first estimate: 1e-6.
    pub estim_lr0: f64,
    /// What [`prodigy`] multiplies estimates by: 1.
    pub estim_lr_coef: f64,
    /// Part of a parameter that is taken off it, times the learning rate: 0.
    pub weight_decay: f64,
    /// Leave [`prodigy`]'s learning rate out of its estimate, for schedules that warm up: no.
    pub safeguard_warmup: bool,
}
impl Default for DistanceOptions {
    fn default() -> DistanceOptions {
        DistanceOptions {
            learning_rate: 1.0.into(),
            betas: (0.9, 0.999),
            beta3: None,
            eps: 1e-8,
            estim_lr0: 1e-6,
            estim_lr_coef: 1.0,
            weight_decay: 0.0,
            safeguard_warmup: false,
        }
    }
}

/// Prodigy: Mishchenko and Defazio, 2023 (arXiv 2306.06101). JAX: `optax.contrib.prodigy`.
pub fn prodigy(options: DistanceOptions) -> Optimizer {
    Optimizer::new("prodigy", Distance { o: options, prodigy: true })
}
/// AdamW with D-adaptation: Defazio and Mishchenko, 2023 (arXiv 2301.07733). JAX: `optax.contrib.dadapt_adamw`.
pub fn dadapt_adamw(options: DistanceOptions) -> Optimizer {
    Optimizer::new("dadapt_adamw", Distance { o: options, prodigy: false })
}
struct Distance {
    o: DistanceOptions,
    prodigy: bool,
}

/// The scalars of a step.
struct Scalars {
    /// The estimate before it.
    estimate: Tensor,
    /// The estimate times the learning rate, corrected for young means.
    rate: Tensor,
}
/// The running values of all parameters: the means, and the sum of gradients.
struct Means {
    mean: Vec<Tensor>,
    square: Vec<Tensor>,
    sum: Vec<Tensor>,
}

/// `f` of pairs of leaves.
fn pairs(a: &[Tensor], b: &[Tensor], f: impl Fn(Tensor, Tensor) -> Tensor) -> Vec<Tensor> {
    a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
}
/// The sum of the products of leaves.
pub(super) fn vdot(a: &[Tensor], b: &[Tensor]) -> Tensor {
    sum_of(&pairs(a, b, |a, b| a * b), |t| t.sum(..))
}

impl Distance {
    /// The new means and the numerator of the estimate, as Prodigy has them.
    fn prodigy(
        &self,
        g: &[Tensor],
        old: Means,
        numerator: Tensor,
        first: &[Tensor],
        p: &[Tensor],
        s: &Scalars,
    ) -> (Means, Tensor) {
        let ((b1, b2), o) = (self.o.betas, &self.o);
        let b3 = o.beta3.unwrap_or_else(|| b2.sqrt());
        let scaled: Vec<Tensor> = g.iter().map(|g| *g * s.estimate.cast(g.dtype())).collect();
        let by = if o.safeguard_warmup { s.estimate } else { s.rate };
        let moved = vdot(g, &pairs(first, p, |first, p| first - p));
        let means = Means {
            mean: pairs(&old.mean, &scaled, |m, g| m * b1 + g * (1.0 - b1)),
            square: pairs(&old.square, &scaled, |v, g| v * b2 + g * g * (1.0 - b2)),
            sum: pairs(&old.sum, &scaled, |sum, g| sum * b3 + g * by.cast(g.dtype()) / o.estim_lr0),
        };
        let numerator = numerator * b3 + s.estimate / o.estim_lr0 * s.rate * moved;
        (means, numerator)
    }
    /// The same, as D-adaptation has them.
    fn dadapt(&self, g: &[Tensor], old: Means, numerator: Tensor, s: &Scalars) -> (Means, Tensor) {
        let ((b1, b2), eps) = (self.o.betas, self.o.eps);
        let kept = b2.sqrt();
        let weighted = pairs(&old.sum, &old.square, |sum, v| sum / (v.sqrt() + eps));
        let moved = vdot(g, &weighted);
        let rate = |g: Tensor| s.rate.cast(g.dtype()) * g;
        let means = Means {
            mean: pairs(&old.mean, g, |m, g| m * b1 + rate(g) * (1.0 - b1)),
            square: pairs(&old.square, g, |v, g| v * b2 + g * g * (1.0 - b2)),
            sum: pairs(&old.sum, g, |sum, g| sum * kept + rate(g) * (1.0 - kept)),
        };
        (means, numerator * kept + s.rate * moved * (1.0 - kept))
    }
}
impl GradientTransformation for Distance {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let like = || per_parameter(parameters, Slot::like);
        let scalar = |value| OptState::leaf(Slot::scalar(DType::F32, value));
        let first = self.prodigy.then(|| ("params0", per_parameter(parameters, |p| Slot::like(p).parameter())));
        let parts = [
            ("exp_avg", like()),
            ("exp_avg_sq", like()),
            ("grad_sum", like()),
            ("estim_lr", scalar(self.o.estim_lr0)),
            ("numerator_weighted", scalar(0.0)),
            ("count", OptState::leaf(Slot::count())),
            ("schedule", self.o.learning_rate.init()),
        ];
        OptState::of(parts.into_iter().chain(first))
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (o, (b1, b2), count) = (&self.o, self.o.betas, next(state.tensor("count")));
        let estimate = state.tensor("estim_lr");
        let young = (1.0 - power(b2, count, DType::F32)).sqrt() / (1.0 - power(b1, count, DType::F32));
        let rate = estimate * o.learning_rate.now(state.part("schedule")) * young;
        let scalars = Scalars { estimate, rate };
        let [mean, square, sum] = ["exp_avg", "exp_avg_sq", "grad_sum"].map(|name| state.tensors(name));
        let (old, numerator) = (Means { mean, square, sum }, state.tensor("numerator_weighted"));
        let (new, numerator) = match self.prodigy {
            true => self.prodigy(&updates, old, numerator, &state.tensors("params0"), &step.params, &scalars),
            false => self.dadapt(&updates, old, numerator, &scalars),
        };
        let l1 = sum_of(&new.sum, |t| t.abs().sum(..));
        let found = match self.prodigy {
            true => numerator * o.estim_lr_coef / l1,
            false => numerator / (l1 * (1.0 - b2.sqrt())),
        };
        let found = estimate.maximum(found);
        let mut out = vec![];
        for ((m, v), p) in new.mean.iter().zip(&new.square).zip(&step.params) {
            let rate = rate.cast(p.dtype());
            let u = match self.prodigy {
                true => rate * *m / (v.sqrt() + found.cast(p.dtype()) * o.eps),
                false => *m / (v.sqrt() + o.eps),
            };
            out.push(if o.weight_decay == 0.0 { -u } else { -(rate * o.weight_decay * *p) - u });
        }
        let leaf = |name: &str, value: Tensor| (name.to_string(), OptState::leaf(value));
        let first = self.prodigy.then(|| ("params0".to_string(), state.part("params0").clone()));
        let parts = [
            state.refilled("exp_avg", new.mean),
            state.refilled("exp_avg_sq", new.square),
            state.refilled("grad_sum", new.sum),
            leaf("estim_lr", found),
            leaf("numerator_weighted", numerator),
            leaf("count", count),
            ("schedule".to_string(), o.learning_rate.next(state.part("schedule"))),
        ];
        (out, OptState::of(parts.into_iter().chain(first)))
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        Some(state.tensor("estim_lr") * self.o.learning_rate.now(state.part("schedule")))
    }
}
