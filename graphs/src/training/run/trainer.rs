//! What a run trains: all of a model, or what stands beside one that stays as it is.
use super::{
    Error, Evaluation, Result, RunConfig, RunOptions,
    config::{Base, Built},
    site,
};
use crate::{
    Files, LoadOptions, Matrices, Model, SaveOptions, TiedHead,
    adapters::{self, Adapted, Adapters},
    config::{GenerationConfig, HfConfig},
    files::WeightSource,
    models::{Decoder, Packed},
    save::save_beside,
    source::preset,
    tokenizer::Tokenizer,
    training::{
        Batch, FineTune, FineTuneArgs, FineTuneOut, Frozen, Metrics, Objective, Rows, RowsArgs, StepOut, Train,
        TrainOptions,
    },
};
use raxla::{
    Array, Aval, BoxJit, DType, Leaf, Param, Tensor, Tree, checkpoint::Target, jit, optim::OptState, runtime::Client,
};
use raxla_xla::Draft;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is trained, as a tree: what optimizers change, and checkpoints hold.
#[derive(Tree, Clone, Debug)]
pub enum Trained<T = Tensor> {
    /// All parameters of the model.
    Model(Decoder<T>),
    /// Some parameters, by their paths in the adapted model.
    Beside(Adapters<T>),
}

impl<T: Leaf> Trained<T> {
    /// The model, where it is trained as a whole.
    pub(super) fn model(&self) -> Result<&Decoder<T>> {
        match self {
            Trained::Model(model) => Ok(model),
            Trained::Beside(_) => Err(mixed()),
        }
    }
    /// What is beside one.
    fn beside(&self) -> Result<&Adapters<T>> {
        match self {
            Trained::Beside(trained) => Ok(trained),
            Trained::Model(_) => Err(mixed()),
        }
    }
}

/// What is trained, and the optimizer's state.
pub type RunState<T> = (Trained<T>, OptState<T>);

/// The steps of a run. (A run has one.)
#[allow(clippy::large_enum_variant)]
pub(super) enum Trainer {
    /// Of a model as a whole.
    Whole {
        train: Train,
        step: BoxJit<RowsArgs, StepOut>,
        /// What it begins with; `None` once it has begun.
        files: Option<Files>,
    },
    /// Of what stands beside a model.
    Beside(Beside),
}

pub(super) struct Beside {
    tune: FineTune,
    frozen: Frozen<Array>,
    step: BoxJit<FineTuneArgs, FineTuneOut>,
    /// Whether each step needs a key.
    dropout: bool,
}

/// A state is always that of its own trainer.
fn mixed() -> Error {
    Error::Usage("the parameters are those of another kind of run\n  help: give each run what it began with".into())
}

impl Trainer {
    /// The steps that a configuration means, with what stays as it is where it belongs.
    pub(super) fn open(
        config: &RunConfig,
        built: &Built,
        spec: Decoder<Param>,
        files: Files,
        options: &RunOptions,
    ) -> Result<Trainer> {
        if config.lora.is_none() && matches!(built.objective, Objective::NextToken) {
            let train = Train::new(spec, options.mesh.as_ref(), built.options.clone())?;
            let step = train.rows_step();
            let step = if options.mesh.is_none() { step.on(&options.client) } else { step }.boxed();
            return Ok(Trainer::Whole { train, step, files: Some(files) });
        }
        let (base, params) = base(config, spec, files, options)?;
        let adapted = match &config.lora {
            Some(lora) => Adapted::lora(&base, lora.config())?,
            None => Adapted::parameters(&base, |_, _| true)?,
        };
        let dropout = adapted.config().is_some_and(|c| c.lora_dropout > 0.0);
        let tune = FineTune::new(adapted, options.mesh.as_ref(), built.options.clone(), built.objective.clone())?;
        let frozen = tune.place(&Frozen { base: params, teacher: None })?;
        let step = tune.step();
        let step = if options.mesh.is_none() { step.on(&options.client) } else { step }.boxed();
        Ok(Trainer::Beside(Beside { tune, frozen, step, dropout }))
    }

    /// What a checkpoint is restored as.
    pub(super) fn targets(&self) -> RunState<Target> {
        match self {
            Trainer::Whole { train, .. } => {
                let (model, state) = train.targets();
                (Trained::Model(model), state)
            }
            Trainer::Beside(beside) => {
                let (trained, state) = beside.tune.targets();
                (Trained::Beside(trained), state)
            }
        }
    }
    /// Before the first step.
    pub(super) fn begin(&mut self, config: &RunConfig, client: &Client) -> Result<RunState<Array>> {
        match self {
            Trainer::Whole { train, files, .. } => {
                let (model, state) = match files.take() {
                    Some(files) if !matches!(files.weights, WeightSource::Random(_)) => {
                        let dtype = train.model().leaves().iter().map(|p| p.aval.dtype).find(|dtype| dtype.is_float());
                        let model = Model::load(files, &LoadOptions { dtype, ..dense(config) }, client)?;
                        let model = train.place(&model.params_as(train.model())?)?;
                        let state = train.fresh(&model, client)?;
                        (model, state)
                    }
                    _ => train.random(config.seed, client)?,
                };
                Ok((Trained::Model(model), state))
            }
            Trainer::Beside(beside) => {
                let (trained, state) = beside.tune.begin(&beside.frozen, config.seed, client)?;
                Ok((Trained::Beside(trained), state))
            }
        }
    }

    /// A batch of the loader, where it is learned from. `segments` says whether rows hold several documents; the key of dropout is
    /// that of the seed and the step.
    pub(super) fn batch(
        &self,
        batch: &raxla_data::Batch,
        segments: bool,
        (seed, step): (u64, u64),
        client: &Client,
    ) -> Result<Batch<Array>> {
        match self {
            Trainer::Whole { .. } => Ok(Batch::of(Rows::on(client, batch, segments)?)),
            Trainer::Beside(beside) => beside.batch(batch, segments, (seed, step), client),
        }
    }
    /// The types of such batches, of so many examples.
    pub(super) fn batch_types(&self, [b, t]: [usize; 2], segments: bool) -> Batch<Aval> {
        let (pairs, dropout) = match self {
            Trainer::Whole { .. } => (false, false),
            Trainer::Beside(beside) => (beside.tune.has_rewards(), beside.dropout),
        };
        let dims = |t: usize| if pairs { vec![b, 2, t] } else { vec![b, t] };
        let ints = |t| Aval::new(DType::I32, dims(t));
        Batch {
            tokens: ints(t + 1),
            packed: segments.then(|| Packed { segments: ints(t), positions: ints(t) }),
            weights: Some(Aval::new(DType::F32, dims(t))),
            reference: None,
            key: dropout.then(|| Aval::new(DType::U32, [2])),
        }
    }
    /// Compiles the step.
    pub(super) fn prepare(&self, (trained, state): &RunState<Array>, batch: Batch<Aval>) -> Result<()> {
        let state = state.map(|a| a.aval().clone());
        match (self, trained) {
            (Trainer::Whole { step, .. }, Trained::Model(model)) => {
                step.prepare(&(model.map(|a| a.aval().clone()), state, rows(batch)), &[0, 1]).map(drop)?;
            }
            (Trainer::Beside(beside), Trained::Beside(trained)) => {
                let frozen = beside.frozen.map(|a| a.aval().clone());
                let types = (trained.map(|a| a.aval().clone()), state, frozen, batch);
                beside.step.prepare(&types, &[0, 1]).map(drop)?;
            }
            _ => return Err(mixed()),
        }
        Ok(())
    }
    /// A step.
    pub(super) fn step(
        &self,
        (trained, state): RunState<Array>,
        batch: &Batch<Array>,
    ) -> Result<(RunState<Array>, Metrics<Array>)> {
        match (self, trained) {
            (Trainer::Whole { step, .. }, Trained::Model(model)) => {
                let (model, state, metrics) = step.call((model, state, &rows(batch.clone())))?;
                Ok(((Trained::Model(model), state), metrics))
            }
            (Trainer::Beside(beside), Trained::Beside(trained)) => {
                let (trained, state, metrics) = beside.step.call((trained, state, &beside.frozen, batch))?;
                Ok(((Trained::Beside(trained), state), metrics))
            }
            _ => Err(mixed()),
        }
    }

    /// Floating-point operations of a step as the model means it: on one device, and nothing computed twice.
    pub(super) fn flops(&self, options: &TrainOptions, batch: Batch<Aval>) -> Result<f64> {
        let plain = TrainOptions { remat: None, balance: 0.0, microbatches: None, ..options.clone() };
        Ok(match self {
            Trainer::Whole { train, .. } => {
                let train = Train::new(train.model().clone(), None, plain)?;
                let (model, state, _) = train.avals(1, 1);
                train.rows_step().lower(&(model, state, rows(batch)))?.graph.cost().flops
            }
            Trainer::Beside(beside) => {
                let tune = FineTune::new(beside.tune.adapted().clone(), None, plain, beside.tune.objective().clone())?;
                let (trained, state, ..) = tune.avals(1, 1);
                let frozen = beside.frozen.map(|a| a.aval().clone());
                tune.step().lower(&(trained, state, frozen, batch))?.graph.cost().flops
            }
        })
    }
    /// How many parameters are trained, and how many stay.
    pub(super) fn sizes(&self) -> [u64; 2] {
        let count = |params: Vec<Param>| params.iter().map(|p| p.aval.size() as u64).sum();
        match self {
            Trainer::Whole { train, .. } => [count(train.model().leaves()), 0],
            Trainer::Beside(beside) => {
                [count(beside.tune.adapted().trained().leaves()), count(beside.tune.adapted().base().leaves())]
            }
        }
    }
    /// The model that is computed with: the specification.
    pub(super) fn spec(&self) -> &Decoder<Param> {
        match self {
            Trainer::Whole { train, .. } => train.model(),
            Trainer::Beside(beside) => beside.tune.adapted().spec(),
        }
    }

    /// How it is tried on held-out data.
    pub(super) fn evaluation(&self, built: &Built, options: &RunOptions, segments: bool) -> Result<Evaluation> {
        let (client, mesh) = (&options.client, options.mesh.as_ref());
        let Trainer::Beside(beside) = self else {
            return Evaluation::new(self.spec(), mesh, &built.options, client, segments);
        };
        let (tune, frozen) = (beside.tune.clone(), beside.frozen.clone());
        if !tune.has_rewards() {
            let whole = Evaluation::new(self.spec(), mesh, &built.options, client, segments)?;
            return Ok(
                whole.of(move |trained| Ok(Trained::Model(tune.adapted().with(&frozen.base, trained.beside()?)?)))
            );
        }
        let own = tune.clone();
        let trial = move |trained: Adapters, frozen: Frozen, batch: Batch| own.trial(trained, frozen, batch);
        let (trial, client) = (tune.placed(jit(trial).named("evaluation"), client).boxed(), client.clone());
        Ok(Evaluation::by(move |trained, batch| {
            Ok(trial.call((trained.beside()?, &frozen, &Beside::pairs(batch, &client)?))?)
        }))
    }
    /// Where a batch is the first to give a number that is not finite.
    pub(super) fn site(&self, trained: &Trained<Array>, batch: &Batch<Array>, client: &Client) -> Result<String> {
        match (self, trained) {
            (Trainer::Whole { train, .. }, Trained::Model(model)) => {
                let own = train.clone();
                let flags = move |model: Decoder, rows: Rows| {
                    let states = own.states(&model, rows.clone());
                    let parameters = model.leaves();
                    let (loss, gradients) = own.rows_gradients(model, rows);
                    site::flags(parameters, states, loss, gradients.leaves())
                };
                let program = train.placed(jit(flags).named("where numbers are not finite"), client);
                let flags = program.call((model, &rows(batch.clone())))?;
                site::named(flags, train.model(), &train.model().paths())
            }
            (Trainer::Beside(beside), Trained::Beside(trained)) => {
                let (own, adapted) = (beside.tune.clone(), beside.tune.adapted().clone());
                let flags = move |trained: Adapters, frozen: Frozen, batch: Batch| {
                    let model = adapted.with(&frozen.base, &trained).ok();
                    let states = model.as_ref().and_then(|model| own.states(model, &batch));
                    let (loss, gradients) = own.loss_gradients(&trained, &frozen, batch);
                    site::flags(model.map(|m| m.leaves()).unwrap_or_default(), states, loss, gradients.leaves())
                };
                let program = beside.tune.placed(jit(flags).named("where numbers are not finite"), client);
                let flags = program.call((trained, &beside.frozen, batch))?;
                let adapted = beside.tune.adapted();
                site::named(flags, adapted.spec(), &adapted.trained().paths())
            }
            _ => Err(mixed()),
        }
    }

    /// Writes what was trained into the folder of the run: `model`, or of corrections `adapter`. Of several processes the first does,
    /// to which the others give their parts.
    pub(super) fn save(
        &self,
        trained: &Trained<Array>,
        config: &RunConfig,
        files: (&HfConfig, &GenerationConfig, &Tokenizer),
        client: &Client,
        first: bool,
    ) -> Result<PathBuf> {
        if !first {
            trained.leaves().iter().try_for_each(|array| array.all_gathered().map(drop))?;
            return Ok(config.out.join(if config.lora.is_some() { "adapter" } else { "model" }));
        }
        let (hf, generation, tokenizer) = files;
        let clear = |name: &str| {
            let path = config.out.join(name);
            if path.exists() {
                Draft::discard(&path).map_err(Error::written(&path))?;
            }
            Ok::<PathBuf, Error>(path)
        };
        let (spec, model) = match (self, trained) {
            (Trainer::Whole { train, .. }, Trained::Model(model)) => (train.model(), train.collect(model, client)?),
            (Trainer::Beside(beside), Trained::Beside(trained)) => {
                let adapted = beside.tune.adapted();
                let trained = beside.tune.collect(trained, client)?;
                if adapted.config().is_some() {
                    let path = clear("adapter")?;
                    adapters::save_beside(&path, &base_name(&config.model.path), adapted, &trained, tokenizer)?;
                    return Ok(path);
                }
                (adapted.spec(), adapted.with(&beside.frozen.base, &trained)?)
            }
            _ => return Err(mixed()),
        };
        let path = clear("model")?;
        let beside = (hf, generation, Some(tokenizer));
        save_beside(&spec.params(), &model.leaves(), beside, &path, &SaveOptions::default())?;
        Ok(path)
    }
}

impl Beside {
    fn batch(
        &self,
        batch: &raxla_data::Batch,
        segments: bool,
        (seed, step): (u64, u64),
        client: &Client,
    ) -> Result<Batch<Array>> {
        let made = match self.tune.has_rewards() {
            true => Beside::pairs(batch, client)?,
            false => Batch::of(Rows::on(client, batch, segments)?),
        };
        let key = || -> Result<Array> {
            // (two words: of the run, and of the step)
            let words = [(seed ^ (seed >> 32)) as u32, step as u32];
            Ok(Array::on(client, [2], &words)?)
        };
        Ok(Batch { key: self.dropout.then(key).transpose()?, ..made })
    }
    /// Rows of which each two are a pair.
    fn pairs(batch: &raxla_data::Batch, client: &Client) -> Result<Batch<Array>> {
        let (b, t) = (batch.rows / 2, batch.length);
        let tokens = Array::on(client, [b, 2, t + 1], &batch.tokens)?;
        Ok(Batch { weights: Some(Array::on(client, [b, 2, t], &batch.loss_mask)?), ..Batch::new(tokens) })
    }
}

/// A batch as rows.
fn rows<T>(batch: Batch<T>) -> Rows<T> {
    Rows { tokens: batch.tokens, packed: batch.packed, weights: batch.weights }
}

/// How a model is loaded to be trained.
fn dense(config: &RunConfig) -> LoadOptions {
    let scanned = config.model.scan;
    LoadOptions {
        matrices: Matrices::Dense,
        tied_head: TiedHead::Share,
        scanned,
        progress: true,
        ..LoadOptions::default()
    }
}

/// The model that stays as it is: held as configured.
fn base(
    config: &RunConfig,
    spec: Decoder<Param>,
    files: Files,
    options: &RunOptions,
) -> Result<(Decoder<Param>, Decoder<Array>)> {
    if let WeightSource::Random(_) = files.weights {
        let help = "name a trained model as `model.path`, without `model.config` and `model.random`";
        return Err(Error::Usage(format!("a model with random weights is not fine-tuned\n  help: {help}")));
    }
    let base = config.base()?;
    if let Base::Dense(dtype) = base {
        let model = Model::load(files, &LoadOptions { dtype: Some(dtype), ..dense(config) }, &options.client)?;
        let cast = |p: &Param| if p.aval.dtype.is_float() { p.clone().cast(dtype) } else { p.clone() };
        let spec = spec.without_copies().map(cast);
        let params = model.params_as(&spec)?;
        return Ok((spec, params));
    }
    if options.mesh.is_some() {
        let help = "say `lora.base` as a dtype, such as bf16, or leave `mesh` out";
        return Err(Error::Usage(format!("packed matrices are not divided over a mesh\n  help: {help}")));
    }
    let quantize = if let Base::Quantised(format) = base { Some(format) } else { None };
    let load = LoadOptions { matrices: Matrices::Auto, quantize, ..dense(config) };
    let model = Model::load(files, &load, &options.client)?;
    Ok((model.spec().clone(), model.params().clone()))
}

/// The model that an adapter is for, as it is found from other folders too.
fn base_name(path: &str) -> String {
    let found = if preset(path).is_none() { fs::canonicalize(Path::new(path)).ok() } else { None };
    found.map_or_else(|| path.to_string(), |path| path.display().to_string())
}
