//! Training of some of a model's parameters, by the parts of the step that trains all.
use super::rows::{Inputs, Targets};
use super::{
    Losses, Metrics, Objective, Rows, Train, TrainOptions,
    objective::{hidden, preference, sequence_log_probs},
    step,
};
use crate::{
    adapters::{Adapted, Adapters},
    models::{Decoder, Packed},
};
use raxla::{
    Array, Aval, DType, Jit, Key, Mesh, P, Param, PartitionSpec, Result, Tensor, Tree, axis_index, checkpoint::Target,
    jit, jit::Traced, optim::OptState, parallel::data, runtime::Client, shard_map, trace::fail, value_and_grad_aux,
};
use std::sync::Arc;

/// What a step learns from.
#[derive(Tree, Clone, Debug)]
pub struct Batch<T = Tensor> {
    /// i32 `[b, t + 1]`; of pairs, `[b, 2, t + 1]`.
    pub tokens: T,
    /// Of the inputs, where rows hold several documents; not of pairs, and not with a teacher.
    pub packed: Option<Packed<T>>,
    /// How much each predicted token counts: `[b, t]`, or `[b, 2, t]`. All alike if `None`.
    pub weights: Option<T>,
    /// Of pairs, log-probabilities under the reference model, f32 `[b, 2]`: those of [`FineTune::reference`], computed once. Each step
    /// computes them if `None`.
    pub reference: Option<T>,
    /// With dropout, the words of a key of this step, u32 `[2]`: [`Key::data`].
    pub key: Option<T>,
}
impl<T> Batch<T> {
    /// Of rows of texts.
    pub fn of(rows: Rows<T>) -> Batch<T> {
        Batch { packed: rows.packed, weights: rows.weights, ..Batch::new(rows.tokens) }
    }
    /// Of tokens alone.
    pub fn new(tokens: T) -> Batch<T> {
        Batch { tokens, packed: None, weights: None, reference: None, key: None }
    }
}

/// What a step takes and does not change.
#[derive(Tree, Clone, Debug)]
pub struct Frozen<T = Tensor> {
    /// The model that is adapted. It may be packed.
    pub base: Decoder<T>,
    /// The model that is distilled.
    pub teacher: Option<Decoder<T>>,
}

/// What the step of a fine-tuning takes.
pub type FineTuneArgs = (Adapters, OptState, Frozen, Batch);
/// What it returns.
pub type FineTuneOut = (Adapters, OptState, Metrics);
/// What the trial of a batch takes.
pub type TrialArgs = (Adapters, Frozen, Batch);

/// Training of what an [`Adapted`] model has to be trained; the rest stays as it is, has no optimizer state, and no derivative by it
/// is computed. Accumulation, precision, meshes, metrics are those of [`Train`].
///
/// ```
/// use raxla_graphs::{adapters::{Adapted, LoraConfig}, config::HfConfig, models::Decoder};
/// use raxla_graphs::training::{Batch, FineTune, Frozen, Objective, TrainOptions};
/// use raxla::{Array, Key, param, runtime};
/// let client = runtime::client()?;
/// let config = r#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 4, "n_positions": 16, "vocab_size": 64}"#;
/// let base = Decoder::of(&HfConfig::parse(config, "config.json")?, true)?.without_copies();
/// let frozen = Frozen { base: param::init_on(&base, &Key::host(0), &client)?, teacher: None };
/// let adapted = Adapted::lora(&base, LoraConfig { r: 4, ..Default::default() })?;
/// let tune = FineTune::new(adapted, None, TrainOptions::default(), Objective::NextToken)?;
/// let (mut adapters, mut state) = tune.begin(&frozen, 0, &client)?;
/// let step = tune.step();
/// let batch = Batch::new(Array::on(&client, [2, 9], &[3i32; 18])?);
/// for _ in 0..3 {
///     let metrics;
///     (adapters, state, metrics) = step.call((adapters, state, &frozen, &batch))?;
///     println!("loss {}", metrics.loss);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FineTune {
    train: Train,
    adapted: Arc<Adapted>,
    objective: Objective,
    /// How what is trained is divided, in order.
    specs: Vec<PartitionSpec>,
    frozen: Frozen<PartitionSpec>,
}

impl FineTune {
    /// Of an adapted model whose head, if it is tied, is the embedding itself ([`Decoder::without_copies`]), over this mesh.
    ///
    /// # Errors
    /// As [`Train::new`]; a tied copy in the model; meshes with `pipe` or `context`, and `sequence` with pairs and distillation; a
    /// teacher of another vocabulary.
    pub fn new(
        adapted: Adapted,
        mesh: Option<&Mesh>,
        options: TrainOptions,
        objective: Objective,
    ) -> crate::Result<FineTune> {
        let usage = |what: String| Err(crate::Error::Usage(what));
        if adapted.base().head.w.as_ref().is_some_and(|w| w.tied.is_some()) {
            return usage(
                "the head is a copy of the embedding\n  help: give `Decoder::without_copies` of the model".into(),
            );
        }
        let divides = |name: &str| mesh.is_some_and(|mesh| mesh.axis(name).is_some());
        if let Some(name) = ["pipe", "context"].into_iter().find(|name| divides(name)) {
            let help = "take `data`, `fsdp`, `model` and `expert`";
            return usage(format!("fine-tuning is not divided along `{name}`\n  help: {help}"));
        }
        if options.sequence && !matches!(objective, Objective::NextToken) {
            return usage("pairs and distillation are not divided by positions\n  help: leave `sequence` off".into());
        }
        let mut train = Train::new(adapted.base().clone(), mesh, options)?;
        let of_head = |path: &String| path.starts_with("head.") || path.starts_with("embed.");
        train.frozen_head = !adapted.trained().keys().any(of_head);
        let place = |path: &str, p: &Param| match mesh {
            Some(mesh) => train.rules.place(path, p, mesh),
            None => Ok(P![]),
        };
        let specs = adapted.trained().iter().map(|(path, p)| place(path, p)).collect::<Result<Vec<_>>>()?;
        let teacher = match &objective {
            Objective::Distillation(d) if d.teacher.vocab() != adapted.base().vocab() => {
                let (own, other) = (adapted.base().vocab(), d.teacher.vocab());
                return usage(format!(
                    "the teacher has {other} tokens, and the model {own}\n  help: both need one tokenizer"
                ));
            }
            Objective::Distillation(d) => Some(d.teacher.try_map_named(|path, p| place(&path.to_string(), p))?),
            _ => None,
        };
        let frozen = Frozen { base: train.specs.clone(), teacher };
        Ok(FineTune { train, adapted: Arc::new(adapted), objective, specs, frozen })
    }

    /// What is trained, and of what.
    pub fn adapted(&self) -> &Adapted {
        &self.adapted
    }
    /// What is made small.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }
    /// How what is trained is divided.
    pub fn specs(&self) -> Adapters<PartitionSpec> {
        self.adapted.trained().keys().cloned().zip(self.specs.iter().cloned()).collect()
    }
    /// The types of the step's arguments, for batches of so many sequences (or pairs) of `length` predicted tokens.
    pub fn avals(&self, batch: usize, length: usize) -> (Adapters<Aval>, OptState<Aval>, Frozen<Aval>, Batch<Aval>) {
        let held = |p: &Param| p.held(p.aval.dtype);
        let trained = self.adapted.trained().map(held);
        let state = self.train.options.optimizer.init(&trained);
        let (teacher, dims) = match &self.objective {
            Objective::NextToken => (None, vec![batch, length + 1]),
            Objective::Preference(_) => (None, vec![batch, 2, length + 1]),
            Objective::Distillation(d) => (Some(d.teacher.map(held)), vec![batch, length + 1]),
        };
        let frozen = Frozen { base: self.adapted.base().map(held), teacher };
        (trained, state, frozen, Batch::new(Aval::new(DType::I32, dims)))
    }
    /// Of what type what is trained and its optimizer are, and where they belong: what a checkpoint is restored as.
    pub fn targets(&self) -> (Adapters<Target>, OptState<Target>) {
        let target = |aval: &Aval, spec: PartitionSpec| match &self.train.mesh {
            Some(mesh) => Target::new(aval.clone()).on(mesh.sharding(spec)),
            None => Target::new(aval.clone()),
        };
        let types = self.adapted.trained().iter().zip(&self.specs);
        let trained = types.map(|((path, p), spec)| (path.clone(), target(&p.aval, spec.clone()))).collect();
        let slots = self.train.options.optimizer.slots(self.adapted.trained());
        (trained, slots.map(|slot| target(&slot.aval, slot.spec(&self.specs))))
    }
    /// The same on one device of this client: to be saved.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn collect(&self, trained: &Adapters<Array>, client: &Client) -> Result<Adapters<Array>> {
        trained.try_map_named(|_, a| Array::from_bytes(client, a.aval().clone(), &a.all_gathered()?.to_bytes()?))
    }
    /// Bring a model where it belongs, and with it a teacher.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn place(&self, frozen: &Frozen<Array>) -> Result<Frozen<Array>> {
        let Some(mesh) = &self.train.mesh else { return Ok(frozen.clone()) };
        let specs = self.frozen.leaves();
        let mut specs = specs.into_iter();
        frozen.try_map_named(|_, a| a.put(&mesh.sharding(specs.next().unwrap_or_default())))
    }
    /// Bring what is trained where it belongs: read from a folder, say.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn place_trained(&self, trained: &Adapters<Array>) -> Result<Adapters<Array>> {
        let Some(mesh) = &self.train.mesh else { return Ok(trained.clone()) };
        let mut specs = self.specs.iter().cloned();
        trained.try_map_named(|_, a| a.put(&mesh.sharding(specs.next().unwrap_or_default())))
    }
    /// What is trained as it begins, and a fresh optimizer for it, where they belong. `frozen` is there already.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn begin(
        &self,
        frozen: &Frozen<Array>,
        seed: u64,
        client: &Client,
    ) -> crate::Result<(Adapters<Array>, OptState<Array>)> {
        let key = Key::host(seed);
        let trained = match &self.train.mesh {
            Some(mesh) => self.adapted.init_over(&frozen.base, &key, mesh, &self.train.rules)?,
            None => self.adapted.init(&frozen.base, &key, client)?,
        };
        let state = self.fresh(&trained, client)?;
        Ok((trained, state))
    }
    /// A fresh optimizer for these, divided as they are.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn fresh(&self, trained: &Adapters<Array>, client: &Client) -> Result<OptState<Array>> {
        self.train.options.optimizer.init_on(client, trained)
    }

    /// The step: what is trained, optimizer, frozen model, batch to the first two and [`Metrics`]. Give those by value: they are
    /// donated.
    pub fn step(&self) -> Jit<FineTuneArgs, impl Traced<FineTuneArgs, Out = FineTuneOut> + use<>> {
        let tune = self.clone();
        let step = move |trained: Adapters, state: OptState, frozen: Frozen, batch: Batch| {
            let batch = tune.weighted(batch);
            let gradients = |trained: &Adapters, scale| tune.gradients(trained, &frozen, &batch, scale);
            let value_fn = |trained: Adapters| tune.mean_loss(trained, frozen.clone(), batch.clone());
            let options = &tune.train.options;
            step::updated(&options.optimizer, options.keep_if_not_finite, trained, state, gradients, value_fn)
        };
        let step = jit(step).named("fine-tune step").donate([0, 1]).rules(&self.train.rules);
        let Some(mesh) = &self.train.mesh else { return step };
        let types: Adapters<Aval> = self.adapted.trained().map(|p| p.aval.clone());
        let slots = self.train.options.optimizer.slots(&types);
        let state: Vec<PartitionSpec> = slots.leaves().iter().map(|slot| slot.spec(&self.specs)).collect();
        let metrics = vec![P![]; self.losses() + if self.train.has_rate_for(&types) { 3 } else { 2 }];
        // (a batch comes whole, and is divided where it is used)
        let ins = (self.specs.clone(), state.clone(), self.frozen.leaves(), P![]);
        step.on(mesh).in_shardings(ins).out_shardings((self.specs.clone(), state, metrics))
    }

    /// The mean loss of a batch, where its weights have the mean 1.
    pub fn mean_loss(&self, trained: Adapters, frozen: Frozen, batch: Batch) -> Tensor {
        self.mean_losses(&trained, &frozen, &batch).loss
    }
    fn mean_losses(&self, trained: &Adapters, frozen: &Frozen, batch: &Batch) -> Losses {
        let specs = vec![P![]; self.losses()];
        self.on_devices(trained, frozen, batch, specs, |trained, frozen, batch| self.loss(trained, &frozen, &batch))
    }
    /// What the objective makes of a batch: for evaluation.
    pub fn trial(&self, trained: Adapters, frozen: Frozen, batch: Batch) -> Losses {
        self.mean_losses(&trained, &frozen, &self.weighted(batch))
    }
    /// A program of what is trained, frozen model and batch, where they belong: over the mesh or, without one, on this client.
    pub fn placed<F>(&self, program: Jit<TrialArgs, F>, client: &Client) -> Jit<TrialArgs, F>
    where
        F: Traced<TrialArgs>,
        F::Out: Tree<Tensor>,
    {
        let program = program.rules(&self.train.rules);
        let Some(mesh) = &self.train.mesh else { return program.on(client) };
        program.on(mesh).in_shardings((self.specs.clone(), self.frozen.leaves(), P![]))
    }
    /// The leaves of [`Losses`].
    fn losses(&self) -> usize {
        if self.has_rewards() { 3 } else { 1 }
    }
    /// Are batches pairs, of which the model makes rewards?
    pub fn has_rewards(&self) -> bool {
        matches!(self.objective, Objective::Preference(_))
    }
    /// The residual stream before each layer of the adapted model, in the order of its leaves; not over a mesh, and not of pairs.
    pub fn states(&self, model: &Decoder, batch: &Batch) -> Option<Vec<Tensor>> {
        if self.has_rewards() {
            return None;
        }
        self.train.states(model, Rows { tokens: batch.tokens, packed: batch.packed, weights: None })
    }
    /// The loss of a batch, and its derivative by all that is trained.
    pub fn loss_gradients(&self, trained: &Adapters, frozen: &Frozen, batch: Batch) -> (Tensor, Adapters) {
        let (losses, gradients) = self.gradients(trained, frozen, &self.weighted(batch), None);
        (losses.loss, gradients)
    }

    /// Log-probabilities of pairs under the model as it was, `[b, 2]`: what [`Batch::reference`] takes. On one device.
    pub fn reference(&self, frozen: Frozen, batch: Batch) -> Tensor {
        let mean = matches!(&self.objective, Objective::Preference(p) if p.loss_type == super::PreferenceLoss::Ipo);
        sequence_log_probs(&frozen.base, &batch, mean, &None)
    }

    /// Weights that have the mean 1 over the batch, so that a mean of weighted losses is that of the tokens that count, in however many
    /// parts and over however many devices it is computed. Of pairs they stay: there they choose what is summed.
    fn weighted(&self, batch: Batch) -> Batch {
        let scaled = |w: Tensor| {
            let w = w.cast(DType::F32);
            w / w.mean(..).maximum(f64::from(f32::MIN_POSITIVE))
        };
        match self.objective {
            Objective::Preference(_) => batch,
            _ => Batch { weights: batch.weights.map(scaled), ..batch },
        }
    }

    fn gradients(
        &self,
        trained: &Adapters,
        frozen: &Frozen,
        batch: &Batch,
        scale: Option<Tensor>,
    ) -> (Losses, Adapters) {
        let wide = self.train.options.precision.accumulation;
        let none = (Losses::zeros(self.has_rewards()), self.train.zeros(trained, &self.specs, wide));
        let (parts, keys) = (self.train.options.accumulate, batch.key);
        // (each part has a key of its own)
        let key = keys.map(|key| *Key::from_data(key).split_stacked(parts.max(1)).data());
        if key.is_none() && self.adapted.config().is_some_and(|config| config.lora_dropout > 0.0) {
            let help = "give `Batch::key`, another one for each step".to_string();
            fail("fine-tune step", vec![], "dropout draws random numbers, and the batch has no key", Some(help));
        }
        let batch = Batch { key, ..batch.clone() };
        step::accumulated(parts, batch, none, |batch: Batch| {
            let batch = Batch { key: batch.key.map(|key| key.squeeze(0)), ..batch };
            let specs = (vec![P![]; self.losses()], self.specs.clone());
            self.on_devices(trained, frozen, &batch, specs, |trained, frozen, batch| {
                let loss = |trained: Adapters| {
                    let Losses { loss, rewards } = self.loss(trained, &frozen, &batch);
                    (scale.map_or(loss, |scale| loss * scale), rewards)
                };
                let ((loss, rewards), gradients) = value_and_grad_aux(loss)(trained);
                (Losses { loss, rewards }, gradients)
            })
        })
    }

    /// The loss of this device's sequences, averaged over all devices.
    fn loss(&self, trained: Adapters, frozen: &Frozen, batch: &Batch) -> Losses {
        let model = match self.adapted.with(&frozen.base, &trained) {
            Ok(model) => self.with_keys(model, batch.key),
            Err(e) => fail("fine-tune step", vec![], e.to_string(), None),
        };
        let (policy, remat) = (&self.train.options.precision, self.train.options.remat.clone());
        let compute = |model: &Decoder| policy.cast_to_compute(model);
        if let Objective::Preference(options) = &self.objective {
            let frozen = Frozen { base: compute(&frozen.base), teacher: None };
            return preference(options, &compute(&model), &frozen, batch, &remat);
        }
        let n = batch.tokens.dim(1) - 1;
        let (inputs, targets) = (batch.tokens.slice_axis(1, 0..n), batch.tokens.slice_axis(1, 1..n + 1));
        let (Objective::Distillation(options), Some(teacher)) = (&self.objective, &frozen.teacher) else {
            let targets = Targets { tokens: targets, weights: batch.weights };
            return Losses::of(self.train.loss(&model, Inputs { inputs, packed: batch.packed, targets }));
        };
        let logits = |model: &Decoder| model.logits(hidden(model, inputs, &remat));
        let teacher = logits(&compute(teacher)).stop_gradient();
        let losses = options.losses(logits(&compute(&model)), teacher, targets);
        Losses::of(data::mean(batch.weights.map_or(losses, |w| losses * w).mean(..)))
    }

    /// With a key of its own for the dropout of each correction.
    fn with_keys(&self, model: Decoder, key: Option<Tensor>) -> Decoder {
        let Some(key) = key else { return model };
        // (devices that have other sequences drop others)
        let names = ["data", "fsdp", "expert", "context"];
        let inside = |name: &&&str| {
            self.train.mesh.as_ref().is_some_and(|mesh| mesh.axis(name).is_some()) && !self.train.options.annotated
        };
        let own = names.iter().filter(inside).fold(Key::from_data(key), |key, name| key.fold_in(axis_index(*name)));
        let mut number = 0;
        let with = model.with_linears(|_, linear| {
            if let Some(lora) = &mut linear.lora {
                number += 1;
                let key = own.fold_in(number);
                let stacked = lora.a.dims().len() - linear.inputs - 1;
                lora.key = Some(match stacked {
                    0 => *key.data(),
                    _ => *key.split_stacked(lora.a.dim(0)).data(),
                });
            }
            Ok::<(), crate::Error>(())
        });
        with.unwrap_or_else(|e| fail("fine-tune step", vec![], e.to_string(), None))
    }

    /// What `f` makes of all that a loss takes, on every device of the mesh, or on one, or wherever the compiler puts it.
    fn on_devices<Y: raxla::TensorTree>(
        &self,
        trained: &Adapters,
        frozen: &Frozen,
        batch: &Batch,
        out: impl raxla::SpecTree<Y>,
        f: impl Fn(Adapters, Frozen, Batch) -> Y,
    ) -> Y {
        let args = (trained.clone(), frozen.clone(), batch.clone());
        let Some(mesh) = &self.train.mesh else { return f(args.0, args.1, args.2) };
        self.train.rules.within(mesh, || {
            if self.train.options.annotated {
                return f(args.0.clone(), args.1.clone(), args.2.clone());
            }
            let rows = PartitionSpec::new(self.train.tokens().0.into_iter().take(1).collect());
            let mut batch = vec![rows.clone()];
            batch.extend(args.2.packed.into_iter().flat_map(|_| [rows.clone(), rows.clone()]));
            batch.extend(args.2.weights.map(|_| rows.clone()));
            batch.extend(args.2.reference.map(|_| rows));
            batch.extend(args.2.key.map(|_| P![]));
            let specs = (self.specs.clone(), self.frozen.leaves(), batch);
            shard_map(mesh, specs, out, |(trained, frozen, batch): (Adapters, Frozen, Batch)| f(trained, frozen, batch))(args.clone())
        })
    }
}
