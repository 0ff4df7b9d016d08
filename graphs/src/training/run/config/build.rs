//! What the words of a configuration mean: an optimizer, a schedule, a policy of dtypes.
use super::{ConfigError, LossScale, PrecisionException, RunConfig, ScheduleConfig, optimizers::optimizer};
use crate::{
    models::Decoder,
    training::{Objective, TrainOptions},
};
use raxla::{
    DType, Param,
    optim::{self, Policy, Schedule},
    parallel::tensor::TokenLoss,
};

/// What a configuration means for the training step.
#[derive(Clone, Debug)]
pub struct Built {
    /// The learning rate after so many steps.
    pub schedule: Schedule,
    /// Everything that the step is told.
    pub options: TrainOptions,
    /// What is made small.
    pub objective: Objective,
    /// The parameters to evaluate with are not those that are trained, but what the optimizer makes of both.
    pub schedule_free: bool,
    /// The loss is scaled: the optimizer skips what is not finite, and makes the scale smaller.
    pub scaled: bool,
}

impl RunConfig {
    /// The training step's options, for a run of so many steps. Of these parameters Muon takes the matrices; of all of rank 2 if none are given.
    ///
    /// # Errors
    /// Names that do not exist, with the nearest one; options that are without effect; numbers that make no sense.
    pub fn build(&self, steps: u64, params: Option<&Decoder<Param>>) -> Result<Built, ConfigError> {
        if self.data.train.is_empty() {
            let help = "name files, as in train = [{ path = \"books/*.txt\" }]";
            return Err(ConfigError::new("`data.train`", format!("there is nothing to train on\n  help: {help}")));
        }
        self.build_without_data(steps, params)
    }

    /// As [`RunConfig::build`], where nothing is trained on: to plan a step.
    ///
    /// # Errors
    /// As [`RunConfig::build`], but for its data.
    pub fn build_without_data(&self, steps: u64, params: Option<&Decoder<Param>>) -> Result<Built, ConfigError> {
        self.check()?;
        let rate = self.optimizer.learning_rate;
        let schedule = schedule(&self.schedule, rate, self.schedule.steps.unwrap_or(steps))?;
        let inner = optimizer(&self.optimizer, schedule.clone(), &self.schedule, params)?;
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
        // (beside corrections, the model is in whatever it is held in)
        let lora = self.lora.is_some();
        let compute = Some(compute).filter(|compute| lora || *compute != param);
        if lora {
            self.base()?;
        }
        let exception = |e: &PrecisionException| Ok((e.path.clone(), float("precision.exceptions", &e.compute)?));
        let exceptions = self.precision.exceptions.iter().map(exception).collect::<Result<_, ConfigError>>()?;
        let param = Some(param).filter(|_| !lora);
        let options = TrainOptions {
            optimizer,
            precision: Policy { param, compute, accumulation, exceptions, ..Policy::default() },
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
        let objective = self.objective()?;
        Ok(Built {
            schedule,
            options,
            objective,
            schedule_free: self.optimizer.name.starts_with("schedule_free"),
            scaled,
        })
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
            () if [o.b1, o.b2, o.momentum, o.decay].into_iter().flatten().any(|x| !(0.0..1.0).contains(&x)) => {
                wrong("optimizer", "b1, b2, momentum and decay are from 0 to below 1")
            }
            () if !(self.data.holdout.is_finite() && self.data.holdout >= 0.0) => wrong(
                "data.holdout",
                "it is a part of the records below 1, or their number\n  help: say 0 to hold nothing out",
            ),
            () if !(0.0..1.0).contains(&self.loss.label_smoothing) => {
                wrong("loss.label_smoothing", "it is from 0 to below 1")
            }
            () => Ok(()),
        }
    }
}

/// The name, or the error that it is none of these.
pub(super) fn one_of<'a>(field: &str, name: &str, known: &[&'a str]) -> Result<&'a str, ConfigError> {
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
