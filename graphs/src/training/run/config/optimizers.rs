//! Optimizers by their names in optax.
use super::{ConfigError, OptimizerConfig, ScheduleConfig, build::one_of};
use crate::models::Decoder;
use raxla::{
    Param, Tree,
    optim::{self, Mask, MuonAxes, Optimizer, Schedule},
};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

/// What a configuration says of an optimizer.
struct Told<'a> {
    c: &'a OptimizerConfig,
    rate: Schedule,
    /// Which parameters decay.
    mask: Option<Mask>,
    /// Steps in which the rate rises, of an optimizer that has no schedule.
    warmup: Option<usize>,
    /// Which parameters are matrices.
    matrices: Option<optim::AxesOf>,
}

/// An optimizer's name, which of the [`OPTIONS`] it has, and how it is made.
type Row = (&'static str, &'static [&'static str], fn(&Told) -> Optimizer);

/// Options that optimizers have in common or not.
const OPTIONS: &[&str] = &["weight_decay", "b1", "b2", "eps", "momentum", "nesterov", "decay"];

/// Those whose learning rate follows no schedule.
const STEADY: &[&str] = &["sm3", "schedule_free_sgd", "schedule_free_adamw"];

#[rustfmt::skip]
const OPTIMIZERS: &[Row] = &[
    ("sgd", &["momentum", "nesterov"], |t| optim::sgd(t.rate.clone(), optim::SgdOptions {
        momentum: t.c.momentum, nesterov: t.c.nesterov.unwrap_or(false), ..Default::default()
    })),
    ("sign_sgd", &[], |t| optim::sign_sgd(t.rate.clone())),
    ("signum", &["b1"], |t| optim::signum(t.rate.clone(), t.c.b1.unwrap_or(0.9))),
    ("adam", &["b1", "b2", "eps", "nesterov"], |t| optim::adam(t.rate.clone(), t.adam(Default::default()))),
    ("nadam", &["b1", "b2", "eps"], |t| optim::nadam(t.rate.clone(), t.adam(Default::default()))),
    ("adamw", &["b1", "b2", "eps", "nesterov", "weight_decay"], |t| optim::adamw(t.rate.clone(), t.adamw(Default::default()))),
    ("nadamw", &["b1", "b2", "eps", "weight_decay"], |t| optim::nadamw(t.rate.clone(), t.adamw(Default::default()))),
    ("adamax", &["b1", "b2", "eps"], |t| optim::adamax(t.rate.clone(), t.adam(Default::default()))),
    ("adamaxw", &["b1", "b2", "eps", "weight_decay"], |t| optim::adamaxw(t.rate.clone(), t.adamw(Default::default()))),
    ("amsgrad", &["b1", "b2", "eps"], |t| optim::amsgrad(t.rate.clone(), t.adam(Default::default()))),
    ("radam", &["b1", "b2", "eps"], |t| optim::radam(t.rate.clone(), t.adam(Default::default()))),
    ("adabelief", &["b1", "b2", "eps"], |t| optim::adabelief(t.rate.clone(), t.adam(optim::adabelief_options()))),
    ("yogi", &["b1", "b2", "eps"], |t| {
        optim::yogi(t.rate.clone(), t.c.b1.unwrap_or(0.9), t.c.b2.unwrap_or(0.999), t.c.eps.unwrap_or(1e-3))
    }),
    ("adan", &["weight_decay"], |t| optim::adan(t.rate.clone(), t.decay(0.0), t.mask.clone())),
    ("adopt", &["b1", "b2", "eps"], |t| optim::adopt(t.rate.clone(), t.adam(optim::adopt_options()))),
    ("novograd", &["b1", "b2", "eps", "weight_decay"], |t| {
        optim::novograd(t.rate.clone(), t.adam(optim::novograd_options()), t.decay(0.0))
    }),
    ("lion", &["b1", "b2", "weight_decay"], |t| {
        let d = optim::LionOptions::default();
        let (b1, b2) = (t.c.b1.unwrap_or(d.b1), t.c.b2.unwrap_or(d.b2));
        let weight_decay = t.decay(1e-3).into();
        optim::lion(t.rate.clone(), optim::LionOptions { b1, b2, weight_decay, mask: t.mask.clone(), ..d })
    }),
    ("adafactor", &["momentum", "weight_decay"], |t| optim::adafactor(Some(t.rate.clone()), optim::AdafactorOptions {
        momentum: t.c.momentum, weight_decay_rate: t.c.weight_decay.map(Into::into), weight_decay_mask: t.mask.clone(),
        ..Default::default()
    })),
    ("rmsprop", &["decay", "eps", "momentum", "nesterov"], |t| {
        let d = optim::RmsOptions::default();
        let (decay, eps) = (t.c.decay.unwrap_or(d.decay), t.c.eps.unwrap_or(d.eps));
        let (momentum, nesterov) = (t.c.momentum, t.c.nesterov.unwrap_or(false));
        optim::rmsprop(t.rate.clone(), optim::RmsOptions { decay, eps, momentum, nesterov, ..d })
    }),
    ("adagrad", &["eps"], |t| optim::adagrad(t.rate.clone(), 0.1, t.c.eps.unwrap_or(1e-7))),
    ("adadelta", &["decay", "eps", "weight_decay"], |t| {
        optim::adadelta(t.rate.clone(), t.c.decay.unwrap_or(0.9), t.c.eps.unwrap_or(1e-6), t.decay(0.0))
    }),
    ("lamb", &["b1", "b2", "eps", "weight_decay"], |t| optim::lamb(t.rate.clone(), t.adamw(optim::lamb_options()))),
    ("lars", &["momentum", "nesterov", "weight_decay"], |t| optim::lars(t.rate.clone(), optim::LarsOptions {
        momentum: t.c.momentum.unwrap_or(0.9), nesterov: t.c.nesterov.unwrap_or(false), weight_decay: t.decay(0.0).into(),
        weight_decay_mask: t.mask.clone(), ..Default::default()
    })),
    ("sm3", &["momentum"], |t| optim::sm3(t.c.learning_rate, t.c.momentum.unwrap_or(0.9))),
    ("sophia", &["b1", "b2", "eps", "weight_decay"], |t| {
        let d = optim::SophiaOptions::default();
        let (b1, b2, eps) = (t.c.b1.unwrap_or(d.b1), t.c.b2.unwrap_or(d.b2), t.c.eps.unwrap_or(d.eps));
        let (weight_decay, weight_decay_mask) = (t.decay(1e-4).into(), t.mask.clone());
        optim::sophia(t.rate.clone(), optim::SophiaOptions { b1, b2, eps, weight_decay, weight_decay_mask, ..d })
    }),
    ("muon", &["b1", "b2", "eps", "weight_decay"], |t| {
        let d = optim::MuonOptions::default();
        let adam = t.adamw(d.adam.clone());
        let (weight_decay, weight_decay_mask) = (t.decay(0.0).into(), t.mask.clone());
        let dimension_numbers = t.matrices.clone().unwrap_or(d.dimension_numbers);
        optim::muon(t.rate.clone(), optim::MuonOptions { adam, weight_decay, weight_decay_mask, dimension_numbers, ..d })
    }),
    ("prodigy", &["b1", "b2", "eps", "weight_decay"], |t| optim::prodigy(t.distance())),
    ("dadapt_adamw", &["b1", "b2", "eps", "weight_decay"], |t| optim::dadapt_adamw(t.distance())),
    ("schedule_free_sgd", &["b1"], |t| optim::schedule_free_sgd(t.c.learning_rate, t.warmup, t.free())),
    ("schedule_free_adamw", &["b1", "weight_decay"], |t| {
        optim::schedule_free_adamw(t.c.learning_rate, t.warmup, t.decay(0.0), t.free())
    }),
];

impl Told<'_> {
    fn adam(&self, d: optim::AdamOptions) -> optim::AdamOptions {
        let OptimizerConfig { b1, b2, eps, nesterov, .. } = self.c;
        let (b1, b2, eps) = (b1.unwrap_or(d.b1), b2.unwrap_or(d.b2), eps.unwrap_or(d.eps));
        optim::AdamOptions { b1, b2, eps, nesterov: nesterov.unwrap_or(d.nesterov), ..d }
    }
    fn adamw(&self, d: optim::AdamWOptions) -> optim::AdamWOptions {
        let OptimizerConfig { b1, b2, eps, nesterov, weight_decay, .. } = self.c;
        let (b1, b2, eps) = (b1.unwrap_or(d.b1), b2.unwrap_or(d.b2), eps.unwrap_or(d.eps));
        let weight_decay = weight_decay.map_or(d.weight_decay, Into::into);
        let nesterov = nesterov.unwrap_or(d.nesterov);
        optim::AdamWOptions { b1, b2, eps, nesterov, weight_decay, mask: self.mask.clone(), ..d }
    }
    fn distance(&self) -> optim::DistanceOptions {
        let d = optim::DistanceOptions::default();
        let betas = (self.c.b1.unwrap_or(d.betas.0), self.c.b2.unwrap_or(d.betas.1));
        let (eps, weight_decay) = (self.c.eps.unwrap_or(d.eps), self.decay(d.weight_decay));
        optim::DistanceOptions { learning_rate: self.rate.clone(), betas, eps, weight_decay, ..d }
    }
    fn free(&self) -> optim::ScheduleFreeOptions {
        let d = optim::ScheduleFreeOptions::default();
        optim::ScheduleFreeOptions { b1: self.c.b1.unwrap_or(d.b1), ..d }
    }
    fn decay(&self, default: f64) -> f64 {
        self.c.weight_decay.unwrap_or(default)
    }
}

/// The optimizer of this name, with these options.
pub(super) fn optimizer(
    c: &OptimizerConfig,
    rate: Schedule,
    s: &ScheduleConfig,
    params: Option<&Decoder<Param>>,
) -> Result<Optimizer, ConfigError> {
    let names: Vec<&str> = OPTIMIZERS.iter().map(|row| row.0).collect();
    let name = one_of("optimizer.name", &c.name, &names)?;
    let wrong = |field: &str, reason: String| Err(ConfigError::new(format!("`{field}`"), reason));
    let Some((_, has, make)) = OPTIMIZERS.iter().find(|row| row.0 == name) else {
        return wrong("optimizer.name", format!("`{name}` is unknown"));
    };
    let said = serde_json::to_value(c).unwrap_or(Value::Null);
    if let Some(other) = OPTIONS.iter().find(|o| said.get(**o).is_some() && !has.contains(o)) {
        let all = if has.is_empty() { "no options".to_string() } else { has.join(", ") };
        let reason = format!("it is without effect: {name} has {all}\n  help: leave it out");
        return wrong(&format!("optimizer.{other}"), reason);
    }
    if !c.no_decay.is_empty() && !has.contains(&"weight_decay") {
        return wrong("optimizer.no_decay", format!("it is without effect: {name} has no weight decay"));
    }
    // (prodigy and its kin are masked by nothing, and lion's kin by their options)
    const UNMASKED: &[&str] = &["novograd", "adadelta", "prodigy", "dadapt_adamw", "schedule_free_adamw"];
    if !c.no_decay.is_empty() && UNMASKED.contains(&name) {
        return wrong("optimizer.no_decay", format!("{name} takes weight decay off all parameters or none"));
    }
    if STEADY.contains(&name) && s.name != "constant" {
        let reason = format!("{name} has one learning rate for all steps\n  help: say name = \"constant\"");
        return wrong("schedule.name", reason);
    }
    let mask = (!c.no_decay.is_empty()).then(|| Mask::of(c.no_decay.clone()).not());
    let warmup = usize::try_from(s.warmup_steps).ok().filter(|n| *n > 0);
    let matrices = params.map(|params| -> optim::AxesOf {
        let axes = |(path, param): (String, Param)| Some((path, MuonAxes::of(&param)?));
        let matrices: HashMap<String, MuonAxes> =
            params.paths().into_iter().zip(params.leaves()).filter_map(axes).collect();
        Arc::new(move |path, _| matrices.get(path).cloned())
    });
    Ok(make(&Told { c, rate, mask, warmup, matrices }))
}
