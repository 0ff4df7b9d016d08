//! A run before its first step: model, data, optimizer and what is left of an earlier process.
use super::{
    Error, Evaluation, Event, Input, Reporter, Result, RunConfig,
    config::Built,
    events::Events,
    keep::{self, Place},
    metrics::Metrics,
};
use crate::{
    Files, LoadOptions, Matrices, Model, TiedHead,
    config::{GenerationConfig, HfConfig},
    files::WeightSource,
    hub::HubOptions,
    models::{Decoder, Stacking},
    source::Source,
    tokenizer::Tokenizer,
    training::{Train, TrainState},
};
use raxla::{
    Array, Mesh, Tree,
    checkpoint::{CheckpointManager, RestoreOptions},
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
    /// Operations in a second that are possible, over all devices: what utilisation is a part of.
    pub peak_flops: Option<f64>,
}
impl RunOptions {
    /// One device, from the first step on.
    pub fn on(client: &Client) -> RunOptions {
        RunOptions { client: client.clone(), mesh: None, resume: false, stop: Arc::default(), peak_flops: None }
    }
}

/// A run, ready to take its next step.
pub struct Run {
    pub(super) arrays: TrainState<Array>,
    pub(super) inner: Inner,
}

/// What is not donated to steps.
pub(super) struct Inner {
    pub config: RunConfig,
    pub built: Built,
    pub options: RunOptions,
    pub steps: u64,
    pub hf: HfConfig,
    pub generation: GenerationConfig,
    pub tokenizer: Arc<Tokenizer>,
    pub train: Train,
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
}

impl Run {
    /// Opens everything that a run needs, and what there is of an earlier one.
    ///
    /// # Errors
    /// What is wrong with configuration, model, data, folder or checkpoints.
    pub fn open(config: RunConfig, options: RunOptions, report: &mut Reporter) -> Result<Run> {
        config.build(config.steps)?;
        let folder = config.checkpoint.folder.clone().unwrap_or_else(|| config.out.join("checkpoints"));
        refuse_old(&folder, options.resume)?;
        let (files, tokenizer) = files(&config)?;
        let (hf, generation) = (files.config.clone(), files.generation.clone());
        let pipeline = options.mesh.as_ref().is_some_and(|mesh| mesh.axis("pipe").is_some());
        let stacking = if pipeline { Stacking::OneStack } else { config.model.scan.into() };
        let spec = Decoder::of(&hf, stacking)?;
        fits(&config, &spec, &tokenizer)?;
        let input = Input::open(&config, &tokenizer, report)?;
        let steps = match config.epochs {
            Some(epochs) => ((epochs * input.epoch as f64 / config.batch as f64).ceil() as u64).max(1),
            None => config.steps,
        };
        let built = config.build(steps)?;
        let train = Train::new(spec, options.mesh.as_ref(), built.options.clone())?;
        let mut manager = CheckpointManager::open(&folder, keep::options(&config.checkpoint))?;
        let mut start = Place { step: 0, position: input.train.position(), tokens: 0, not_finite: 0 };
        let restored = if options.resume { restore(&mut manager, &train, &options.client, report)? } else { None };
        let arrays = match restored {
            Some((arrays, place)) => {
                start = place;
                arrays
            }
            None => first(files, &config, &train, &options.client)?,
        };
        let evaluates = config.eval.every > 0 && !input.held_out.sets.is_empty();
        let evaluation = || Evaluation::new(train.model(), options.mesh.as_ref(), &built.options, &options.client);
        let evaluation = evaluates.then(evaluation).transpose()?;
        let metrics = Metrics::open(&config.out.join("metrics.jsonl"), start.step)?;
        let events = || Events::create(&config.out.join("tensorboard"), start.step);
        let events = config.log.tensorboard.then(events).transpose()?;
        let saved = (start.step > 0).then_some(start.step);
        let mut inner = Inner {
            config,
            built,
            options,
            steps,
            hf,
            generation,
            tokenizer,
            train,
            input,
            evaluation,
            manager,
            metrics,
            events,
            place: start,
            saved,
            skipped: 0,
        };
        inner.input.train.seek(&inner.place.position)?;
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
    /// The parameters and the optimizer's state.
    pub fn arrays(&self) -> &TrainState<Array> {
        &self.arrays
    }
    /// The training step.
    pub fn training(&self) -> &Train {
        &self.inner.train
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
            let tokenizer = hf.uint("vocab_size").and_then(Tokenizer::bytes).map_err(|e| e.to_string());
            let weights = WeightSource::Random(config.seed);
            Files { name: "model.config".into(), config: hf, generation, weights, tokenizer, of_bytes: true }
        }
        None if model.random => crate::open_random(&model.path, config.seed)?,
        None => crate::open(&model.path)?,
    };
    let own = std::mem::replace(&mut files.tokenizer, Err(String::new()));
    let tokenizer = match &model.tokenizer {
        Some(name) if Path::new(name).is_dir() => Tokenizer::from_dir(Path::new(name))?,
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
    train: &Train,
    client: &Client,
    report: &mut Reporter,
) -> Result<Option<(TrainState<Array>, Place)>> {
    let options = RestoreOptions { client: Some(client.clone()), ..RestoreOptions::default() };
    let Some(found) = manager.restore_latest(&train.targets(), &options)? else { return Ok(None) };
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

/// Parameters and optimizer before the first step.
fn first(files: Files, config: &RunConfig, train: &Train, client: &Client) -> Result<TrainState<Array>> {
    if let WeightSource::Random(_) = files.weights {
        return Ok(train.random(config.seed, client)?);
    }
    let dtype = train.model().leaves().iter().map(|p| p.aval.dtype).find(|dtype| dtype.is_float());
    let options = LoadOptions {
        dtype,
        matrices: Matrices::Dense,
        tied_head: TiedHead::Share,
        scanned: config.model.scan,
        progress: true,
        ..LoadOptions::default()
    };
    let model = Model::load(files, &options, client)?;
    let model = train.place(&model.params_as(train.model())?)?;
    let state = train.fresh(&model, client)?;
    Ok((model, state))
}
