//! What the words of a configuration mean: an optimizer, a schedule, a policy of dtypes.
use super::{ConfigError, LossScale, OptimizerConfig, RunConfig, ScheduleConfig};
use crate::training::TrainOptions;
use raxla::{
    DType,
    optim::{self, Mask, Optimizer, Policy, Schedule},
    parallel::tensor::TokenLoss,
};
use serde_json::Value;

/// What a configuration means for the training step.
#[derive(Clone, Debug)]
pub struct Built {
    /// The learning rate after so many steps.
    pub schedule: Schedule,
    /// Everything that the step is told.
    pub options: TrainOptions,
    /// The parameters to evaluate with are not those that are trained, but what the optimizer makes of both.
    pub schedule_free: bool,
}

impl RunConfig {
    /// The training step's options, for a run of so many steps.
    ///
    /// # Errors
    /// Names that do not exist, with the nearest one; options that are without effect; numbers that make no sense.
    pub fn build(&self, steps: u64) -> Result<Built, ConfigError> {
        self.check()?;
        let rate = self.optimizer.learning_rate;
        let schedule = schedule(&self.schedule, rate, self.schedule.steps.unwrap_or(steps))?;
        let inner = optimizer(&self.optimizer, schedule.clone(), self.schedule.warmup_steps)?;
        let mut parts = vec![];
        let positive = |x: f64| Some(x).filter(|x| *x > 0.0);
        parts.extend(positive(self.optimizer.clip_value).map(optim::clip));
        parts.extend(positive(self.optimizer.clip_norm).map(optim::clip_by_global_norm));
        parts.push(inner);
        let optimizer = if parts.len() > 1 { optim::chain(parts) } else { parts.remove(0) };
        let [param, compute, accumulation] = [
            ("precision.param", &self.precision.param),
            ("precision.compute", &self.precision.compute),
            ("precision.accumulation", &self.precision.accumulation),
        ]
        .map(|(field, name)| float(field, name));
        let (param, compute, accumulation) = (param?, compute?, accumulation?);
        let scaled = match self.precision.loss_scale {
            LossScale::Auto => [param, compute].contains(&DType::F16),
            LossScale::Always => true,
            LossScale::Never => false,
        };
        let optimizer = if scaled { optim::dynamic_scale(optimizer, Default::default()) } else { optimizer };
        let compute = Some(compute).filter(|compute| *compute != param);
        let options = TrainOptions {
            optimizer,
            precision: Policy { param: Some(param), compute, accumulation, ..Policy::default() },
            accumulate: self.accumulation,
            loss_chunk: self.loss.chunk.max(1),
            loss: TokenLoss { z_loss: self.loss.z_loss, label_smoothing: self.loss.label_smoothing },
            keep_if_not_finite: true,
            remat: self.remat.then(Default::default),
            sequence: self.sequence,
            balance: self.loss.balance,
            microbatches: self.microbatches,
            ..TrainOptions::default()
        };
        Ok(Built { schedule, options, schedule_free: self.optimizer.name.starts_with("schedule_free") })
    }

    /// Numbers that make no sense.
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field: &str, reason: &str| Err(ConfigError::new(format!("`{field}`"), reason));
        let o = &self.optimizer;
        let rates = [o.learning_rate, o.clip_norm, o.clip_value, self.loss.z_loss, self.loss.balance];
        match () {
            () if self.batch == 0 => wrong("batch", "a step needs at least one row"),
            () if self.accumulation == 0 => wrong("accumulation", "a step goes through one microbatch at least: say 1"),
            () if !self.batch.is_multiple_of(self.accumulation) => wrong(
                "accumulation",
                &format!("{} rows cannot be cut into {} equal microbatches", self.batch, self.accumulation),
            ),
            () if self.epochs.is_some_and(|n| !(n.is_finite() && n > 0.0)) => wrong("epochs", "say more than 0"),
            () if rates.iter().any(|x| !x.is_finite() || *x < 0.0) => {
                wrong("optimizer", "learning_rate, clip_norm, clip_value and the loss's factors are at least 0")
            }
            () if !(0.0..1.0).contains(&self.loss.label_smoothing) => {
                wrong("loss.label_smoothing", "it is from 0 to below 1")
            }
            () if self.data.train.is_empty() => wrong(
                "data.train",
                "there is nothing to train on\n  help: name files, as in train = [{ path = \"books/*.txt\" }]",
            ),
            () => Ok(()),
        }
    }
}

/// The name, or the error that it is none of these.
fn one_of<'a>(field: &str, name: &str, known: &[&'a str]) -> Result<&'a str, ConfigError> {
    known.iter().find(|k| **k == name).copied().ok_or_else(|| {
        let near = known.iter().max_by(|a, b| {
            let likeness = |k: &str| strsim::jaro_winkler(k, name);
            likeness(a).total_cmp(&likeness(b))
        });
        let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        ConfigError::new(
            format!("`{field}`"),
            format!("`{name}` is unknown\n  help: {near}there are {}", known.join(", ")),
        )
    })
}

fn float(field: &str, name: &str) -> Result<DType, ConfigError> {
    let name = one_of(field, name, &["f32", "bf16", "f16", "f64"])?;
    name.parse().map_err(|_| ConfigError::new(format!("`{field}`"), format!("`{name}` is no dtype")))
}

const SCHEDULES: &[&str] =
    &["constant", "linear", "cosine", "polynomial", "exponential", "inverse_sqrt", "one_cycle", "wsd"];

/// The learning rate over so many steps: a line up, and then the curve in what is left of them.
fn schedule(c: &ScheduleConfig, rate: f64, steps: u64) -> Result<Schedule, ConfigError> {
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(i32::MAX as usize);
    let (warmup, steps) = (count(c.warmup_steps), count(steps));
    let (left, end) = (steps.saturating_sub(warmup).max(1), c.end * rate);
    let name = one_of("schedule.name", &c.name, SCHEDULES)?;
    let curve = match name {
        "one_cycle" => return Ok(optim::cosine_onecycle_schedule(steps, rate, Default::default())),
        "inverse_sqrt" => return Ok(optim::inverse_sqrt_schedule(0.0, rate, warmup.max(1))),
        "constant" => optim::constant_schedule(rate),
        "linear" => optim::linear_schedule(rate, end, left),
        "polynomial" => optim::polynomial_schedule(rate, end, c.power, left),
        "exponential" => optim::exponential_decay(rate, left, c.decay_rate, Default::default()),
        "wsd" => {
            let falls = ((steps as f64 * c.decay_part) as usize).clamp(1, left);
            let stays = left - falls;
            optim::join_schedules([optim::constant_schedule(rate), optim::linear_schedule(rate, end, falls)], [stays])
        }
        _ => optim::cosine_decay_schedule(rate, left, c.end, 1.0),
    };
    Ok(match warmup {
        0 => curve,
        // (the first step is not one of length 0)
        _ => optim::join_schedules([optim::linear_schedule(rate / warmup as f64, rate, warmup), curve], [warmup]),
    })
}

/// Each optimizer, and which options it has.
const OPTIMIZERS: &[(&str, &[&str])] = &[
    ("sgd", &["momentum", "nesterov"]),
    ("sign_sgd", &[]),
    ("signum", &["b1"]),
    ("adam", &["b1", "b2", "eps", "nesterov"]),
    ("nadam", &["b1", "b2", "eps"]),
    ("adamw", &["b1", "b2", "eps", "nesterov", "weight_decay"]),
    ("nadamw", &["b1", "b2", "eps", "weight_decay"]),
    ("adamax", &["b1", "b2", "eps"]),
    ("adamaxw", &["b1", "b2", "eps", "weight_decay"]),
    ("amsgrad", &["b1", "b2", "eps"]),
    ("radam", &["b1", "b2", "eps"]),
    ("adabelief", &["b1", "b2", "eps"]),
    ("yogi", &["b1", "b2", "eps"]),
    ("adan", &["weight_decay"]),
    ("adopt", &["b1", "b2", "eps"]),
    ("novograd", &["b1", "b2", "eps", "weight_decay"]),
    ("lion", &["b1", "b2", "weight_decay"]),
    ("adafactor", &["momentum", "weight_decay"]),
    ("rmsprop", &["decay", "eps", "momentum", "nesterov"]),
    ("adagrad", &["eps"]),
    ("adadelta", &["decay", "eps", "weight_decay"]),
    ("lamb", &["b1", "b2", "eps", "weight_decay"]),
    ("lars", &["momentum", "nesterov", "weight_decay"]),
    ("sm3", &["momentum"]),
    ("sophia", &["b1", "b2", "eps", "weight_decay"]),
    ("muon", &["b1", "b2", "eps", "weight_decay"]),
    ("prodigy", &["b1", "b2", "eps", "weight_decay"]),
    ("dadapt_adamw", &["b1", "b2", "eps", "weight_decay"]),
    ("schedule_free_sgd", &["b1"]),
    ("schedule_free_adamw", &["b1", "weight_decay"]),
];

/// Options that optimizers have in common or not.
const OPTIONS: &[&str] = &["weight_decay", "b1", "b2", "eps", "momentum", "nesterov", "decay"];

fn optimizer(c: &OptimizerConfig, rate: Schedule, warmup: u64) -> Result<Optimizer, ConfigError> {
    let names: Vec<&str> = OPTIMIZERS.iter().map(|(name, _)| *name).collect();
    let name = one_of("optimizer.name", &c.name, &names)?;
    let has = OPTIMIZERS.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, has)| has);
    let said = serde_json::to_value(c).unwrap_or(Value::Null);
    if let Some(other) = OPTIONS.iter().find(|o| said.get(**o).is_some() && !has.contains(o)) {
        let all = if has.is_empty() { "no options".to_string() } else { has.join(", ") };
        let reason = format!("it is without effect: {name} has {all}\n  help: leave it out");
        return Err(ConfigError::new(format!("`optimizer.{other}`"), reason));
    }
    if !c.no_decay.is_empty() && !has.contains(&"weight_decay") {
        return Err(ConfigError::new(
            "`optimizer.no_decay`",
            format!("it is without effect: {name} has no weight decay"),
        ));
    }
    let no_decay = c.no_decay.clone();
    let mask = (!no_decay.is_empty()).then(|| Mask::of(no_decay).not());
    let adam = |d: optim::AdamOptions| optim::AdamOptions {
        b1: c.b1.unwrap_or(d.b1),
        b2: c.b2.unwrap_or(d.b2),
        eps: c.eps.unwrap_or(d.eps),
        nesterov: c.nesterov.unwrap_or(d.nesterov),
        ..d
    };
    let decay = |default: f64| c.weight_decay.unwrap_or(default);
    let adamw = |d: optim::AdamWOptions| optim::AdamWOptions {
        b1: c.b1.unwrap_or(d.b1),
        b2: c.b2.unwrap_or(d.b2),
        eps: c.eps.unwrap_or(d.eps),
        nesterov: c.nesterov.unwrap_or(d.nesterov),
        weight_decay: c.weight_decay.map_or(d.weight_decay, Into::into),
        mask: mask.clone(),
        ..d
    };
    let steady = c.learning_rate;
    let warmup = usize::try_from(warmup).ok().filter(|n| *n > 0);
    Ok(match name {
        "sgd" => {
            let o =
                optim::SgdOptions { momentum: c.momentum, nesterov: c.nesterov.unwrap_or(false), ..Default::default() };
            optim::sgd(rate, o)
        }
        "sign_sgd" => optim::sign_sgd(rate),
        "signum" => optim::signum(rate, c.b1.unwrap_or(0.9)),
        "adam" => optim::adam(rate, adam(Default::default())),
        "nadam" => optim::nadam(rate, adam(Default::default())),
        "nadamw" => optim::nadamw(rate, adamw(Default::default())),
        "adamax" => optim::adamax(rate, adam(Default::default())),
        "adamaxw" => optim::adamaxw(rate, adamw(Default::default())),
        "amsgrad" => optim::amsgrad(rate, adam(Default::default())),
        "radam" => optim::radam(rate, adam(Default::default())),
        "adabelief" => optim::adabelief(rate, adam(optim::adabelief_options())),
        "yogi" => optim::yogi(rate, c.b1.unwrap_or(0.9), c.b2.unwrap_or(0.999), c.eps.unwrap_or(1e-3)),
        "adan" => optim::adan(rate, decay(0.0), mask),
        "adopt" => optim::adopt(rate, adam(optim::adopt_options())),
        "novograd" => optim::novograd(rate, adam(optim::novograd_options()), decay(0.0)),
        "lion" => {
            let d = optim::LionOptions::default();
            let (b1, b2) = (c.b1.unwrap_or(d.b1), c.b2.unwrap_or(d.b2));
            optim::lion(rate, optim::LionOptions { b1, b2, weight_decay: decay(1e-3).into(), mask, ..d })
        }
        "adafactor" => {
            let weight_decay_rate = c.weight_decay.map(Into::into);
            let d = optim::AdafactorOptions::default();
            let o = optim::AdafactorOptions { momentum: c.momentum, weight_decay_rate, weight_decay_mask: mask, ..d };
            optim::adafactor(Some(rate), o)
        }
        "rmsprop" => {
            let d = optim::RmsOptions::default();
            let (decay, eps) = (c.decay.unwrap_or(d.decay), c.eps.unwrap_or(d.eps));
            let nesterov = c.nesterov.unwrap_or(false);
            optim::rmsprop(rate, optim::RmsOptions { decay, eps, momentum: c.momentum, nesterov, ..d })
        }
        "adagrad" => optim::adagrad(rate, 0.1, c.eps.unwrap_or(1e-7)),
        "adadelta" => optim::adadelta(rate, c.decay.unwrap_or(0.9), c.eps.unwrap_or(1e-6), decay(0.0)),
        "lamb" => optim::lamb(rate, adamw(optim::lamb_options())),
        "lars" => {
            let d = optim::LarsOptions::default();
            let (momentum, nesterov) = (c.momentum.unwrap_or(d.momentum), c.nesterov.unwrap_or(d.nesterov));
            let weight_decay = decay(0.0).into();
            optim::lars(rate, optim::LarsOptions { momentum, nesterov, weight_decay, weight_decay_mask: mask, ..d })
        }
        "sm3" => optim::sm3(steady, c.momentum.unwrap_or(0.9)),
        "sophia" => {
            let d = optim::SophiaOptions::default();
            let (b1, b2, eps) = (c.b1.unwrap_or(d.b1), c.b2.unwrap_or(d.b2), c.eps.unwrap_or(d.eps));
            let weight_decay = decay(1e-4).into();
            optim::sophia(rate, optim::SophiaOptions { b1, b2, eps, weight_decay, weight_decay_mask: mask, ..d })
        }
        "muon" => {
            let d = optim::MuonOptions::default();
            let adam = adamw(d.adam.clone());
            let weight_decay = decay(0.0).into();
            optim::muon(rate, optim::MuonOptions { adam, weight_decay, weight_decay_mask: mask, ..d })
        }
        "prodigy" | "dadapt_adamw" => {
            let d = optim::DistanceOptions::default();
            let betas = (c.b1.unwrap_or(d.betas.0), c.b2.unwrap_or(d.betas.1));
            let (eps, weight_decay) = (c.eps.unwrap_or(d.eps), decay(d.weight_decay));
            let o = optim::DistanceOptions { learning_rate: rate, betas, eps, weight_decay, ..d };
            if name == "prodigy" { optim::prodigy(o) } else { optim::dadapt_adamw(o) }
        }
        "schedule_free_sgd" | "schedule_free_adamw" => {
            let d = optim::ScheduleFreeOptions::default();
            let o = optim::ScheduleFreeOptions { b1: c.b1.unwrap_or(d.b1), ..d };
            match name {
                "schedule_free_sgd" => optim::schedule_free_sgd(steady, warmup, o),
                _ => optim::schedule_free_adamw(steady, warmup, decay(0.0), o),
            }
        }
        _ => optim::adamw(rate, adamw(Default::default())),
    })
}
