//! The loop of a run.
use super::{
    Error, Event, Reporter, Result, Run,
    config::NanPolicy,
    metrics::{EvalRecord, Record, StepRecord, What},
    open::{Inner, restore},
    plots, site,
};
use crate::{
    SaveOptions,
    models::Decoder,
    save::save_beside,
    training::{Metrics as StepMetrics, Rows, RowsArgs, StepOut, Train, TrainOptions, TrainState},
};
use raxla::{Array, Aval, DType, Jit, Param, Tree, jit, jit::Traced, optim};
use raxla_data::{Batch, Position};
use raxla_xla::Draft;
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
    /// The trained model's folder.
    pub model: Option<PathBuf>,
}

impl Run {
    /// Takes all steps that are left, and writes the model.
    ///
    /// # Errors
    /// A loss that is not finite, as configured; checkpoints that cannot be written; what running reports.
    pub fn train(self, report: &mut Reporter) -> Result<Outcome> {
        let Run { mut arrays, mut inner } = self;
        let train = inner.train.clone();
        let step = train.rows_step();
        let step = if inner.options.mesh.is_none() { step.on(&inner.options.client) } else { step };
        let flops = inner.begin(report)?;
        if inner.place.step < inner.steps {
            inner.compile(&step, &arrays, report)?;
        }
        let mut loss = None;
        while inner.place.step < inner.steps {
            if inner.options.stop.load(Ordering::Relaxed) {
                inner.save(&arrays, None, report)?;
                inner.wait(report)?;
                inner.metrics.sync()?;
                return Ok(Outcome { step: inner.place.step, steps: inner.steps, loss, stopped: true, model: None });
            }
            let batch = inner.batch()?;
            let rows = Rows::on(&inner.options.client, &batch, inner.input.held_out.segments)?;
            let start = Instant::now();
            let (model, state, metrics) = step.call((arrays.0, arrays.1, &rows))?;
            arrays = (model, state);
            let record = inner.record(&metrics, &batch, flops, start)?;
            inner.skipped = if record.finite { 0 } else { inner.skipped + 1 };
            if !record.finite && !(inner.built.scaled && inner.skipped < SMALLER_SCALES) {
                arrays = inner.not_finite(arrays, &rows, batch.next, report)?;
                continue;
            }
            loss = record.loss;
            inner.taken(record, batch.next, report)?;
            inner.after(&arrays, report)?;
        }
        let model = inner.finish(&arrays, report)?;
        Ok(Outcome { step: inner.place.step, steps: inner.steps, loss, stopped: false, model: Some(model) })
    }
}

impl Inner {
    /// Tells how large everything is; gives the operations of a step.
    fn begin(&self, report: &mut Reporter) -> Result<f64> {
        let flops = flops(self.train.model(), &self.built.options, &self.rows())?;
        let parameters = self.train.model().leaves().iter().map(|p| p.aval.size() as u64).sum();
        let (step, steps) = (self.place.step, self.steps);
        report(&Event::Begin { step, steps, parameters, tokens: self.tokens_of_a_step(), flops });
        Ok(flops)
    }
    fn tokens_of_a_step(&self) -> u64 {
        (self.config.batch * self.config.data.length) as u64
    }
    /// The types of a batch.
    fn rows(&self) -> Rows<Aval> {
        let [b, t] = [self.config.batch, self.config.data.length];
        let ints = |t| Aval::new(DType::I32, [b, t]);
        let packed = || crate::models::Packed { segments: ints(t), positions: ints(t) };
        Rows {
            tokens: ints(t + 1),
            packed: self.input.held_out.segments.then(packed),
            weights: Some(Aval::new(DType::F32, [b, t])),
        }
    }
    fn compile<F>(&self, step: &Jit<RowsArgs, F>, arrays: &TrainState<Array>, report: &mut Reporter) -> Result<()>
    where
        F: Traced<RowsArgs, Out = StepOut>,
    {
        let start = Instant::now();
        let types = (arrays.0.map(|a| a.aval().clone()), arrays.1.map(|a| a.aval().clone()), self.rows());
        step.prepare(&types, &[0, 1])?;
        report(&Event::Compiled { time: start.elapsed() });
        Ok(())
    }
    fn batch(&mut self) -> Result<Batch> {
        let ended = || Error::Usage("the training data have ended".into());
        Ok(self.input.train.next().ok_or_else(ended)??)
    }
    /// What is known of a step.
    fn record(&self, metrics: &StepMetrics<Array>, batch: &Batch, flops: f64, start: Instant) -> Result<StepRecord> {
        let number = |a: &Array| -> Result<f64> { Ok(a.to_host()?.to_f64().first().copied().unwrap_or(f64::NAN)) };
        let loss = number(&metrics.loss)?;
        let seconds = start.elapsed().as_secs_f64();
        let finite = |x: f64| Some(x).filter(|x| x.is_finite());
        Ok(StepRecord {
            loss: finite(loss),
            gradient_norm: finite(number(&metrics.gradient_norm)?),
            learning_rate: metrics.learning_rate.as_ref().map(number).transpose()?,
            finite: metrics.finite.item::<bool>()?,
            tokens: self.place.tokens + batch.targets() as u64,
            seconds,
            tokens_per_second: self.tokens_of_a_step() as f64 / seconds,
            mfu: self.options.peak_flops.map(|peak| flops / seconds / peak),
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
            values.extend(record.mfu.map(|x| ("train/mfu", x)));
            events.scalars(step, &values)?;
        }
        report(&Event::Step { step, record: record.clone() });
        self.metrics.add(Record { step, what: What::Train(record) })
    }
    /// What is due behind a step: an evaluation, a checkpoint.
    fn after(&mut self, arrays: &TrainState<Array>, report: &mut Reporter) -> Result<()> {
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
    fn evaluate(&mut self, arrays: &TrainState<Array>, report: &mut Reporter) -> Result<Option<f64>> {
        if self.evaluation.is_none() {
            return Ok(None);
        }
        let model = if self.built.schedule_free { self.averaged(arrays)? } else { arrays.0.clone() };
        let Some(evaluation) = &mut self.evaluation else { return Ok(None) };
        let all = evaluation.run(&model, &self.input.held_out, self.config.eval.batches, &self.tokenizer)?;
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
            let (loss, bytes) = (name("loss"), name("nats_per_byte"));
            let mut values = vec![(&*loss, record.eval_loss)];
            values.extend(record.nats_per_byte.map(|x| (&*bytes, x)));
            events.scalars(step, &values)?;
        }
        self.metrics.add(Record { step, what: What::Eval(record.clone()) })
    }

    /// Begins to save, if this step is not saved yet.
    fn save(&mut self, arrays: &TrainState<Array>, eval_loss: Option<f64>, report: &mut Reporter) -> Result<()> {
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
        if !self.config.log.plots {
            return Ok(());
        }
        plots::draw(&self.config.out, &self.metrics.records, &self.config.out.display().to_string())
    }

    /// The loss or the gradient of a batch is not finite. Parameters are as they were before it.
    fn not_finite(
        &mut self,
        arrays: TrainState<Array>,
        rows: &Rows<Array>,
        next: Position,
        report: &mut Reporter,
    ) -> Result<TrainState<Array>> {
        let step = self.place.step + 1;
        let site = site(&self.train, &self.options.client, &arrays.0, rows)?;
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
            let (train, client) = (&self.train, &self.options.client);
            if let Some((older, place)) = restore(&mut self.manager, train, client, report)? {
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

    /// What a schedule-free optimizer evaluates with.
    fn averaged(&self, arrays: &TrainState<Array>) -> Result<Decoder<Array>> {
        let average = |model: Decoder, state: optim::OptState| optim::schedule_free_eval_params(&state, &model);
        let program = jit(average).named("averaged parameters");
        let program = match &self.options.mesh {
            Some(mesh) => program.on(mesh),
            None => program.on(&self.options.client),
        };
        Ok(program.call((&arrays.0, &arrays.1))?)
    }
    /// Writes the model, and draws the curves.
    fn finish(&mut self, arrays: &TrainState<Array>, report: &mut Reporter) -> Result<PathBuf> {
        self.save(arrays, None, report)?;
        self.wait(report)?;
        self.metrics.sync()?;
        self.draw()?;
        let model = if self.built.schedule_free { self.averaged(arrays)? } else { arrays.0.clone() };
        let whole = self.train.collect(&model, &self.options.client)?;
        let path = self.config.out.join("model");
        if path.exists() {
            Draft::discard(&path).map_err(Error::written(&path))?;
        }
        let beside = (&self.hf, &self.generation, Some(&*self.tokenizer));
        save_beside(&self.train.model().params(), &whole.leaves(), beside, &path, &SaveOptions::default())?;
        report(&Event::Model { path: path.clone() });
        Ok(path)
    }
}

/// Floating-point operations of a step as the model means it: on one device, and nothing computed twice.
fn flops(model: &Decoder<Param>, options: &TrainOptions, rows: &Rows<Aval>) -> Result<f64> {
    let plain = TrainOptions { remat: None, balance: 0.0, microbatches: None, ..options.clone() };
    let train = Train::new(model.clone(), None, plain)?;
    let (model, state, _) = train.avals(1, 1);
    let lowered = train.rows_step().lower(&(model, state, rows.clone()))?;
    Ok(lowered.graph.cost().flops)
}
