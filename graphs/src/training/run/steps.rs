//! The loop of a run.
use super::{
    Error, Event, Reporter, Result, Run,
    config::NanPolicy,
    metrics::{EvalRecord, Record, StepRecord, What},
    open::{Inner, RunOptions, restore},
    plots,
    trainer::{RunState, Trained},
};
use crate::training::{Batch, Metrics as StepMetrics};
use raxla::{Array, Aval, jit, optim};
use raxla_data::Position;
use std::{path::PathBuf, sync::atomic::Ordering, time::Instant};

/// After so many steps in a row that were not finite, the scale of the loss is not what is wrong: it has become 2^-184 times what
/// it was.
const SMALLER_SCALES: u64 = 200;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Steps that were taken, in all.
    pub step: u64,
    /// Steps that were to be taken.
    pub steps: u64,
    /// The loss of the last one, if this process took one.
    pub loss: Option<f64>,
    /// It was stopped before its last step, and has saved.
    pub stopped: bool,
    /// The folder of the trained model, or of the trained adapter.
    pub model: Option<PathBuf>,
}

impl Run {
    /// Takes all steps that are left, and writes the model.
    ///
    /// # Errors
    /// A loss that is not finite, as configured; checkpoints that cannot be written; what running reports.
    pub fn train(self, report: &mut Reporter) -> Result<Outcome> {
        let Run { mut arrays, mut inner } = self;
        let flops = inner.begin(report)?;
        if inner.place.step < inner.steps {
            let start = Instant::now();
            inner.trainer.prepare(&arrays, inner.batch_types())?;
            report(&Event::Compiled { time: start.elapsed() });
        }
        let mut loss = None;
        while inner.place.step < inner.steps {
            let asked = inner.options.stop.load(Ordering::Relaxed);
            if inner.together.stops(asked)? {
                inner.save(&arrays, None, report)?;
                inner.wait(report)?;
                inner.metrics.sync()?;
                return Ok(Outcome { step: inner.place.step, steps: inner.steps, loss, stopped: true, model: None });
            }
            let read = inner.batch()?;
            let (segments, client) = (inner.input.held_out.segments, &inner.options.client);
            let number = (inner.config.seed, inner.place.step);
            let batch = inner.trainer.batch(&read, segments, number, client)?;
            let start = Instant::now();
            let metrics;
            (arrays, metrics) = inner.trainer.step(arrays, &batch)?;
            let record = inner.record(&metrics, &read, flops, start)?;
            inner.skipped = if record.finite { 0 } else { inner.skipped + 1 };
            let smaller_scale = inner.built.scaled && inner.skipped < SMALLER_SCALES;
            if !record.finite && !smaller_scale {
                arrays = inner.not_finite(arrays, &batch, read.next, report)?;
                continue;
            }
            loss = record.loss;
            inner.taken(record, read.next, report)?;
            inner.after(&arrays, report)?;
        }
        let model = inner.finish(&arrays, report)?;
        Ok(Outcome { step: inner.place.step, steps: inner.steps, loss, stopped: false, model: Some(model) })
    }
}

impl Inner {
    /// Tells how large everything is; gives the operations of a step.
    fn begin(&self, report: &mut Reporter) -> Result<f64> {
        let flops = self.trainer.flops(&self.built.options, self.batch_types())?;
        let [parameters, frozen] = self.trainer.sizes();
        let (step, steps) = (self.place.step, self.steps);
        report(&Event::Begin { step, steps, parameters, frozen, tokens: self.tokens_of_a_step(), flops });
        Ok(flops)
    }
    fn tokens_of_a_step(&self) -> u64 {
        (self.config.batch * self.config.data.length * if self.input.pairs { 2 } else { 1 }) as u64
    }
    /// The types of a batch.
    fn batch_types(&self) -> Batch<Aval> {
        self.trainer.batch_types([self.config.batch, self.config.data.length], self.input.held_out.segments)
    }
    fn batch(&mut self) -> Result<raxla_data::Batch> {
        let ended = || Error::Usage("the training data have ended".into());
        Ok(self.input.train.next().ok_or_else(ended)??)
    }
    /// What is known of a step.
    fn record(
        &self,
        metrics: &StepMetrics<Array>,
        batch: &raxla_data::Batch,
        flops: f64,
        start: Instant,
    ) -> Result<StepRecord> {
        let number = |a: &Array| -> Result<f64> { Ok(a.to_host()?.to_f64().first().copied().unwrap_or(f64::NAN)) };
        let loss = number(&metrics.loss)?;
        let seconds = start.elapsed().as_secs_f64();
        let finite = |x: f64| Some(x).filter(|x| x.is_finite());
        Ok(StepRecord {
            loss: finite(loss),
            gradient_norm: finite(number(&metrics.gradient_norm)?),
            learning_rate: metrics.learning_rate.as_ref().map(number).transpose()?,
            accuracy: metrics.rewards.as_ref().map(|r| number(&r.accuracy)).transpose()?,
            margin: metrics.rewards.as_ref().map(|r| number(&r.margin)).transpose()?,
            finite: metrics.finite.item::<bool>()?,
            tokens: self.place.tokens + batch.targets() as u64,
            seconds,
            tokens_per_second: self.tokens_of_a_step() as f64 / seconds,
            mfu: self.peak_flops.map(|peak| flops / seconds / peak),
        })
    }
    /// A step was taken.
    fn taken(&mut self, record: StepRecord, next: Position, report: &mut Reporter) -> Result<()> {
        self.place.step += 1;
        (self.place.tokens, self.place.position) = (record.tokens, next);
        let step = self.place.step;
        if let Some(events) = &mut self.events {
            let mut values = vec![("train/tokens_per_second", record.tokens_per_second)];
            values.extend(record.loss.map(|x| ("train/loss", x)));
            values.extend(record.gradient_norm.map(|x| ("train/gradient_norm", x)));
            values.extend(record.learning_rate.map(|x| ("train/learning_rate", x)));
            values.extend(record.accuracy.map(|x| ("train/accuracy", x)));
            values.extend(record.margin.map(|x| ("train/margin", x)));
            values.extend(record.mfu.map(|x| ("train/mfu", x)));
            events.scalars(step, &values)?;
        }
        report(&Event::Step { step, record: record.clone() });
        self.metrics.add(Record { step, what: What::Train(record) })
    }
    /// What is due behind a step: an evaluation, a checkpoint.
    fn after(&mut self, arrays: &RunState<Array>, report: &mut Reporter) -> Result<()> {
        let (step, last) = (self.place.step, self.place.step == self.steps);
        let due = |every: u64| every > 0 && (step.is_multiple_of(every) || last);
        let held = if due(self.config.eval.every) { self.evaluate(arrays, report)? } else { None };
        if due(self.config.checkpoint.every) || last {
            self.save(arrays, held, report)?;
            self.draw()?;
        } else if !self.manager.is_saving() {
            // (an error of the thread that saves is told soon)
            self.wait(report)?;
        }
        Ok(())
    }
    /// The loss on held-out data, if there are any.
    fn evaluate(&mut self, arrays: &RunState<Array>, report: &mut Reporter) -> Result<Option<f64>> {
        let Some(evaluation) = &mut self.evaluation else { return Ok(None) };
        let trained = if self.built.schedule_free { averaged(arrays, &self.options)? } else { arrays.0.clone() };
        let all = evaluation.run(&trained, &self.input.held_out, self.config.eval.batches, &self.tokenizer)?;
        let step = self.place.step;
        for record in &all {
            self.tell(step, record)?;
            report(&Event::Eval { step, record: record.clone() });
        }
        Ok(all.last().map(|r| r.eval_loss))
    }
    fn tell(&mut self, step: u64, record: &EvalRecord) -> Result<()> {
        if let Some(events) = &mut self.events {
            let name = |what: &str| match record.data.is_empty() {
                true => format!("eval/{what}"),
                false => format!("eval/{what}/{}", record.data),
            };
            let more = [
                ("loss", Some(record.eval_loss)),
                ("nats_per_byte", record.nats_per_byte),
                ("accuracy", record.accuracy),
                ("margin", record.margin),
            ];
            let values: Vec<(String, f64)> = more.into_iter().filter_map(|(what, x)| Some((name(what), x?))).collect();
            let values: Vec<(&str, f64)> = values.iter().map(|(name, x)| (name.as_str(), *x)).collect();
            events.scalars(step, &values)?;
        }
        self.metrics.add(Record { step, what: What::Eval(record.clone()) })
    }

    /// Begins to save, if this step is not saved yet.
    fn save(&mut self, arrays: &RunState<Array>, eval_loss: Option<f64>, report: &mut Reporter) -> Result<()> {
        let step = self.place.step;
        if self.saved == Some(step) || step == 0 {
            return Ok(());
        }
        self.wait(report)?;
        self.metrics.sync()?;
        let metadata = self.place.metadata(&self.config, eval_loss)?;
        self.manager.save(step, arrays, metadata)?;
        self.saved = Some(step);
        report(&Event::Saving { step });
        if self.config.checkpoint.asynchronous { Ok(()) } else { self.wait(report) }
    }
    /// Waits for what is being saved.
    fn wait(&mut self, report: &mut Reporter) -> Result<()> {
        if let Some(saved) = self.manager.wait()? {
            report(&Event::Saved { step: saved.step });
        }
        Ok(())
    }
    fn draw(&self) -> Result<()> {
        if !self.config.log.plots || !self.together.first() {
            return Ok(());
        }
        plots::draw(&self.config.out, &self.metrics.records, &self.config.out.display().to_string())
    }

    /// The loss or the gradient of a batch is not finite. Parameters are as they were before it.
    fn not_finite(
        &mut self,
        arrays: RunState<Array>,
        batch: &Batch<Array>,
        next: Position,
        report: &mut Reporter,
    ) -> Result<RunState<Array>> {
        let step = self.place.step + 1;
        let site = self.trainer.site(&arrays.0, batch, &self.options.client)?;
        let (policy, limit) = (self.config.nan.policy, self.config.nan.limit);
        if policy == NanPolicy::Stop || self.place.not_finite >= limit {
            self.save(&arrays, None, report)?;
            self.wait(report)?;
            self.metrics.sync()?;
            let help = match policy {
                NanPolicy::Stop => {
                    "lower the learning rate or clip_norm, or pass over such batches: --set nan.policy=skip --resume"
                }
                _ => {
                    "it has happened as often as nan.limit allows: lower the learning rate or clip_norm, or look at the data"
                }
            };
            return Err(Error::NotFinite { step, site, help: help.into() });
        }
        self.place.not_finite += 1;
        let mut arrays = arrays;
        let mut action = "the batch is passed over".to_string();
        if policy == NanPolicy::RollBack {
            self.wait(report)?;
            let (trainer, client) = (&self.trainer, &self.options.client);
            if let Some((older, place)) = restore(&mut self.manager, trainer, client, report)? {
                arrays = older;
                (self.place.step, self.place.tokens) = (place.step, place.tokens);
                self.metrics.cut(place.step)?;
                action = format!("parameters are those of step {} again, and the batch is passed over", place.step);
            }
        }
        self.place.position = next;
        report(&Event::NotFinite { step, site: site.clone(), action: action.clone() });
        self.metrics.add(Record { step: self.place.step, what: What::NotFinite { site, action } })?;
        Ok(arrays)
    }

    /// Writes the model, and draws the curves.
    fn finish(&mut self, arrays: &RunState<Array>, report: &mut Reporter) -> Result<PathBuf> {
        self.save(arrays, None, report)?;
        self.wait(report)?;
        self.metrics.sync()?;
        self.draw()?;
        let trained = if self.built.schedule_free { averaged(arrays, &self.options)? } else { arrays.0.clone() };
        let files = (&self.hf, &self.generation, &*self.tokenizer);
        let path = self.trainer.save(&trained, &self.config, files, &self.options.client, self.together.first())?;
        self.together.meet("the model that was trained")?;
        report(&Event::Model { path: path.clone() });
        Ok(path)
    }
}

/// What a schedule-free optimizer evaluates with.
fn averaged(arrays: &RunState<Array>, options: &RunOptions) -> Result<Trained<Array>> {
    let program = jit(|trained: Trained, state: optim::OptState| optim::schedule_free_eval_params(&state, &trained));
    let program = if options.mesh.is_none() { program.on(&options.client) } else { program };
    Ok(program.named("averaged parameters").call((&arrays.0, &arrays.1))?)
}
