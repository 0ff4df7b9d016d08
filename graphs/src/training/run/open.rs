//! A run before its first step: model, data, optimizer and what is left of an earlier process.
use super::{
    Error, Evaluation, Event, Input, Reporter, Result, RunConfig,
    changes::changes,
    config::{Built, ConfigError},
    events::Events,
    keep::{self, Place},
    metrics::Metrics,
    together::Together,
    trainer::{RunState, Trainer},
};
use crate::{
    Files,
    adapters::Adapted,
    config::{GenerationConfig, HfConfig},
    files::WeightSource,
    hub::HubOptions,
    models::{Decoder, Stacking},
    source::Source,
    tokenizer::Tokenizer,
};
use raxla::{
    Array, Mesh, Tree,
    checkpoint::{CheckpointManager, RestoreOptions},
    optim,
    runtime::Client,
};
use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

/// What a run needs besides its configuration.
#[derive(Clone)]
pub struct RunOptions {
    /// Where it runs.
    pub client: Client,
    /// The devices that it is divided over, as [`RunConfig::mesh`] says.
    pub mesh: Option<Mesh>,
    /// Go on from the newest checkpoint that is whole. Without it, a folder with checkpoints is refused.
    pub resume: bool,
    /// Set to true from anywhere, it ends the run behind the step that is under way, with a checkpoint.
    pub stop: Arc<AtomicBool>,
}
impl RunOptions {
    /// One device, from the first step on.
    pub fn on(client: &Client) -> RunOptions {
        RunOptions { client: client.clone(), mesh: None, resume: false, stop: Arc::default() }
    }
}

/// A run, ready to take its next step.
pub struct Run {
    pub(super) arrays: RunState<Array>,
    pub(super) inner: Inner,
}

/// What is not donated to steps.
pub(super) struct Inner {
    /// Floating-point operations per second that are possible, over all devices.
    pub peak_flops: Option<f64>,
    pub config: RunConfig,
    pub built: Built,
    pub options: RunOptions,
    pub steps: u64,
    pub hf: HfConfig,
    pub generation: GenerationConfig,
    pub tokenizer: Arc<Tokenizer>,
    pub trainer: Trainer,
    pub input: Input,
    pub evaluation: Option<Evaluation>,
    pub manager: CheckpointManager,
    pub metrics: Metrics,
    pub events: Option<Events>,
    pub place: Place,
    /// The last step that was saved.
    pub saved: Option<u64>,
    /// Steps in a row whose numbers were not finite.
    pub skipped: u64,
    /// The other processes of the run.
    pub together: Together,
}

impl Run {
    /// With what the machine can do, in floating-point operations per second: what metrics say its utilisation is of. (It is measured
    /// once a run is known to be possible.)
    pub fn with_peak_flops(mut self, peak_flops: f64) -> Run {
        self.inner.peak_flops = Some(peak_flops);
        self
    }

    /// Opens everything that a run needs, and what there is of an earlier one.
    ///
    /// # Errors
    /// What is wrong with configuration, model, data, folder or checkpoints. Where this process has joined others
    /// ([`distributed`](raxla::distributed)), all open the same run over a mesh of the devices of all.
    pub fn open(config: RunConfig, options: RunOptions, report: &mut Reporter) -> Result<Run> {
        config.build(config.steps, None)?;
        let together = Together::new(&config, &options)?;
        let folder = config.checkpoint.folder.clone().unwrap_or_else(|| config.out.join("checkpoints"));
        refuse_old(&folder, options.resume)?;
        // (before a model is fetched)
        for set in config.data.train.iter().chain(&config.data.validation) {
            set.source().check()?;
        }
        let (files, tokenizer) = files(&config)?;
        let (hf, generation) = (files.config.clone(), files.generation.clone());
        let pipeline = options.mesh.as_ref().is_some_and(|mesh| mesh.axis("pipe").is_some());
        let stacking = if pipeline { Stacking::OneStack } else { config.model.scan.into() };
        let spec = Decoder::of(&hf, stacking)?;
        fits(&config, &spec, &tokenizer)?;
        let saved = if options.resume { RunConfig::saved(&folder)? } else { None };
        let changed = saved.map(|saved| changes(&saved, &config)).transpose()?.unwrap_or_default();
        if !changed.is_empty() {
            report(&Event::Changed { changes: changed });
        }
        let input = Input::open(&config, &tokenizer, report)?;
        let steps = match config.epochs {
            Some(epochs) => ((epochs * input.epoch as f64 / config.batch as f64).ceil() as u64).max(1),
            None => config.steps,
        };
        let built = config.build(steps, config.lora.is_none().then_some(&spec))?;
        let mut trainer = Trainer::open(&config, &built, spec, files, &options)?;
        let mut manager = CheckpointManager::open(&folder, keep::options(&config.checkpoint))?;
        let mut start = Place { step: 0, position: input.train.position(), tokens: 0, not_finite: 0 };
        let restored = if options.resume { restore(&mut manager, &trainer, &options.client, report)? } else { None };
        let arrays = match restored {
            Some((arrays, place)) => {
                start = place;
                arrays
            }
            None => trainer.begin(&config, &options.client)?,
        };
        let evaluates = config.eval.every > 0 && !input.held_out.sets.is_empty();
        let evaluation = || trainer.evaluation(&built, &options, input.held_out.segments);
        let evaluation = evaluates.then(evaluation).transpose()?;
        let path = config.out.join("metrics.jsonl");
        let metrics = if together.first() { Metrics::open(&path, start.step)? } else { Metrics::unwritten(&path) };
        let events = || Events::create(&config.out.join("tensorboard"), start.step);
        let events = (config.log.tensorboard && together.first()).then(events).transpose()?;
        let saved = (start.step > 0).then_some(start.step);
        let mut inner = Inner {
            peak_flops: None,
            config,
            built,
            options,
            steps,
            hf,
            generation,
            tokenizer,
            trainer,
            input,
            evaluation,
            manager,
            metrics,
            events,
            place: start,
            saved,
            skipped: 0,
            together,
        };
        inner.input.train.seek(&inner.place.position)?;
        inner.together.meet("the first step of a run")?;
        Ok(Run { arrays, inner })
    }
    /// Steps that have been taken.
    pub fn step(&self) -> u64 {
        self.inner.place.step
    }
    /// Steps in all.
    pub fn steps(&self) -> u64 {
        self.inner.steps
    }
    /// What is trained, and the optimizer's state.
    pub fn arrays(&self) -> &RunState<Array> {
        &self.arrays
    }
    /// The specification of the model that is computed with, corrections included.
    pub fn spec(&self) -> &Decoder<raxla::Param> {
        self.inner.trainer.spec()
    }
}

/// A folder with checkpoints is not begun anew by mistake.
fn refuse_old(folder: &Path, resume: bool) -> Result<()> {
    let old = folder.is_dir().then(|| raxla::checkpoint::steps(folder)).transpose()?.unwrap_or_default();
    match (old.last(), resume) {
        (Some(step), false) => Err(Error::Usage(format!(
            "{} has checkpoints, the last of step {step}\n  help: go on with --resume, or say another folder as `out` (--out)",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// The files of the model, and the tokenizer.
fn files(config: &RunConfig) -> Result<(Files, Arc<Tokenizer>)> {
    let model = &config.model;
    let mut files = match &model.config {
        Some(raw) => {
            let text = serde_json::Value::Object(raw.clone()).to_string();
            let hf = HfConfig::parse(&text, "model.config")?;
            let generation = GenerationConfig::new(Default::default(), &hf)?;
            let tokenizer = match hf.uint("vocab_size") {
                // (a byte without an id would be left out of texts)
                Ok(n) if n < 256 => {
                    Err(format!("texts are read as bytes, of which there are 256, and vocab_size is {n}"))
                }
                n => n.and_then(Tokenizer::bytes).map_err(|e| e.to_string()),
            };
            let weights = WeightSource::Random(config.seed);
            Files {
                name: "model.config".into(),
                config: hf,
                generation,
                weights,
                tokenizer,
                of_bytes: true,
                adapter: None,
            }
        }
        None if model.random => crate::open_random(&model.path, config.seed)?,
        None => crate::open(&model.path)?,
    };
    if files.adapter.is_some() {
        let help = "make a model of it first: raxla convert OUT MERGED";
        return Err(Error::Usage(format!("{} is a model with an adapter beside it\n  help: {help}", files.name)));
    }
    let own = std::mem::replace(&mut files.tokenizer, Err(String::new()));
    let tokenizer = match &model.tokenizer {
        Some(folder) if Path::new(folder).join("tokenizer.json").is_file() => Tokenizer::from_dir(Path::new(folder))?,
        Some(name) => Source::resolve(name, &HubOptions::from_env())?.own_tokenizer()?,
        None => own.map_err(|why| Error::Usage(format!("{why}\n  help: name one as `model.tokenizer`")))?,
    };
    Ok((files, Arc::new(tokenizer)))
}

/// Do rows and tokens fit the model?
fn fits(config: &RunConfig, spec: &Decoder<raxla::Param>, tokenizer: &Tokenizer) -> Result<()> {
    let (length, context) = (config.data.length, spec.context);
    if length > context {
        let help = "say a smaller `data.length`";
        return Err(Error::Usage(format!(
            "rows of {length} tokens are beyond the model's context, {context}\n  help: {help}"
        )));
    }
    if let Some(lora) = &config.lora {
        Adapted::lora(spec, lora.config())?;
    }
    let paths = spec.paths();
    if let Some(e) = config.precision.exceptions.iter().find(|e| !paths.iter().any(|p| optim::matches(&e.path, p))) {
        let some = paths.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        let reason = format!(
            "`{}` means no parameter of the model\n  help: they are {some}, .. (`*` stands for any text)",
            e.path
        );
        return Err(ConfigError::new("`precision.exceptions`", reason).into());
    }
    let (ids, vocab) = (tokenizer.id_bound(), spec.vocab());
    if ids > vocab {
        return Err(Error::Usage(format!(
            "the tokenizer has {ids} ids, and the model has {vocab}\n  help: name another `model.tokenizer`, or train a model with \
             a larger vocab_size"
        )));
    }
    Ok(())
}

/// The newest checkpoint that is whole, where its arrays belong.
pub(super) fn restore(
    manager: &mut CheckpointManager,
    trainer: &Trainer,
    client: &Client,
    report: &mut Reporter,
) -> Result<Option<(RunState<Array>, Place)>> {
    let options = RestoreOptions { client: Some(client.clone()), ..RestoreOptions::default() };
    let Some(found) = manager.restore_latest(&trainer.targets(), &options)? else { return Ok(None) };
    for (step, reason) in &found.passed_over {
        report(&Event::Damaged { step: *step, reason: reason.to_string() });
    }
    let Some(place) = Place::of(found.step, &found.metadata)? else {
        let path = manager.path().display();
        return Err(Error::Usage(format!(
            "the checkpoints in {path} are none of `raxla train`: they do not say where the data go on"
        )));
    };
    Ok(Some((found.tree, place)))
}
