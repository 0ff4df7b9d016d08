//! The training step of every family, on one device or divided over a mesh.
//!
//! ```
//! use raxla_graphs::{config::HfConfig, models::Decoder, training::{Train, TrainOptions}};
//! use raxla::{Array, Mesh, runtime};
//! let client = runtime::client()?;
//! // on more devices: `[("data", 2), ("fsdp", 2), ("model", 2)]` divides the batch over two axes, parameters over two
//! let mesh = Mesh::new(&client, [("data", 1)])?;
//! let config = r#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 4, "n_positions": 16, "vocab_size": 64}"#;
//! let model = Decoder::of(&HfConfig::parse(config, "config.json")?, true)?;
//! let train = Train::new(model, Some(&mesh), TrainOptions::default())?;
//! let (mut model, mut state) = train.random(0, &client)?;
//! let step = train.step();
//! let tokens = Array::on(&client, [2, 9], &[3i32; 18])?;
//! for _ in 0..3 {
//!     let metrics;
//!     (model, state, metrics) = step.call((model, state, &tokens))?;
//!     println!("loss {}, gradient norm {}", metrics.loss, metrics.gradient_norm);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
pub mod data;
mod finetune;
mod objective;
mod rows;
pub mod run;
mod step;

pub use finetune::{Batch, FineTune, FineTuneArgs, FineTuneOut, Frozen};
pub use objective::{Distillation, Objective, Preference, PreferenceLoss, Rewards};
pub use rows::Rows;
pub use step::Losses;

use crate::models::{Decoder, Input, Output};
use raxla::{
    Array, Aval, DType, Jit, Key, Mesh, P, Param, PartitionSpec, RematOptions, Result, Rules, SpecTree, Tensor,
    TensorTree, Tree, axis_index, axis_size,
    checkpoint::Target,
    full, jit,
    jit::Traced,
    nn::{Embedding, Head, loss_in_chunks},
    optim::{OptState, Optimizer, Policy, adamw},
    parallel::{
        self,
        pipeline::Schedule,
        ring,
        tensor::{self, TokenLoss},
    },
    param,
    runtime::Client,
    shard_map,
    trace::trace_graph,
    value_and_grad, with_sharding,
};
use rows::{Inputs, Targets};
use std::sync::Arc;

/// How to train.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// What makes updates of gradients, with its learning rate: AdamW at 1e-4. One that is a [`dynamic_scale`](raxla::optim::dynamic_scale) has
    /// the loss scaled, as f16 needs.
    pub optimizer: Optimizer,
    /// In which dtypes parameters are kept and computed with.
    pub precision: Policy,
    /// In how many parts a batch is gone through for one step of the optimizer, one after the other: the memory of activations is that
    /// of one part, the gradient and the loss are the means. It divides the batch.
    pub accumulate: usize,
    /// For how many positions of each sequence at a time logits are computed, at most; their derivatives beside them
    /// ([`loss_in_chunks`]). Where a mesh divides the work by hand, for all of a device's at once.
    pub loss_chunk: usize,
    /// What is learned of each token besides its likelihood.
    pub loss: TokenLoss,
    /// Leave parameters and optimizer as they are where the loss or the gradient is not finite ([`Metrics::finite`] tells). With a
    /// [`dynamic_scale`](raxla::optim::dynamic_scale) the step is skipped anyway.
    pub keep_if_not_finite: bool,
    /// What to keep of each layer for the way back; `None`: everything.
    pub remat: Option<RematOptions>,
    /// Divide the stream between attention and MLPs by positions too, along `model`.
    pub sequence: bool,
    /// Say only where parameters and activations are, and leave to the compiler what devices compute and exchange, instead of
    /// dividing the work by hand in `shard_map`. Not over `pipe`.
    pub annotated: bool,
    /// What the load-balancing loss of a model with experts counts in the loss ([`Decoder::balance_loss`](crate::models::Decoder::balance_loss));
    /// transformers' `router_aux_loss_coef`. Not over `pipe`.
    pub balance: f64,
    /// In how many parts a batch goes through a pipeline; `None`: one per stage.
    pub microbatches: Option<usize>,
    /// How often each part goes around the pipeline.
    pub repeats: usize,
}
impl Default for TrainOptions {
    fn default() -> TrainOptions {
        TrainOptions {
            optimizer: adamw(1e-4, Default::default()),
            precision: Policy::default(),
            accumulate: 1,
            loss_chunk: 1024,
            loss: TokenLoss::default(),
            keep_if_not_finite: false,
            remat: None,
            sequence: false,
            annotated: false,
            balance: 0.0,
            microbatches: None,
            repeats: 1,
        }
    }
}

/// A model's training step, and where its parameters are.
#[derive(Clone)]
pub struct Train {
    /// What is trained. A tied head is the embedding itself.
    model: Decoder<Param>,
    mesh: Option<Mesh>,
    rules: Rules,
    pipeline: Option<Schedule>,
    options: TrainOptions,
    specs: Decoder<PartitionSpec>,
    /// Has the loss no derivative by the head?
    frozen_head: bool,
}

/// Parameters and optimizer state.
pub type TrainState<T> = (Decoder<T>, OptState<T>);

/// What the step takes.
pub type StepArgs = (Decoder, OptState, Tensor);
/// The same of rows that may hold several documents.
pub type RowsArgs = (Decoder, OptState, Rows);
/// What it returns.
pub type StepOut = (Decoder, OptState, Metrics);

/// What a step tells besides its results.
#[derive(Tree, Clone, Debug)]
pub struct Metrics<T = Tensor> {
    /// The mean loss before the step: a scalar f32.
    pub loss: T,
    /// The Euclidean norm of the gradient, before it is clipped: a scalar f32.
    pub gradient_norm: T,
    /// The learning rate of the step, a scalar f32; `None` if the optimizer has none.
    pub learning_rate: Option<T>,
    /// Are the loss and the gradient finite? A bool. With a [`dynamic_scale`](raxla::optim::dynamic_scale), a step where they are not is skipped.
    pub finite: T,
    /// Of preferences, what the model makes of the pairs before the step.
    pub rewards: Option<Rewards<T>>,
}

impl Train {
    /// The step of this model over this mesh, by the names of its axes (see [`raxla::parallel`]).
    ///
    /// # Errors
    /// A mesh with other axes; parameters that cannot be divided evenly.
    pub fn new(model: Decoder<Param>, mesh: Option<&Mesh>, options: TrainOptions) -> Result<Train> {
        let model = options.precision.cast_to_param(&model.without_copies());
        let Some(mesh) = mesh else {
            let specs = model.map(|_| P![]);
            return Ok(Train {
                model,
                mesh: None,
                rules: Rules::default(),
                pipeline: None,
                options,
                specs,
                frozen_head: false,
            });
        };
        let pipeline = schedule(mesh, &options)?;
        let mut rules = parallel::rules(mesh, options.sequence)?;
        let specs = model.place(&rules, mesh)?;
        let table = &specs.embed.table;
        if rules.axes("vocab").iter().any(|axis| !table.names().any(|name| name == axis)) {
            rules = parallel::whole_head(&rules);
        }
        Ok(Train { model, mesh: Some(mesh.clone()), rules, pipeline, options, specs, frozen_head: false })
    }

    /// What is trained: the specification of the model. A tied head is not in it.
    pub fn model(&self) -> &Decoder<Param> {
        &self.model
    }
    /// How each parameter is divided.
    pub fn specs(&self) -> &Decoder<PartitionSpec> {
        &self.specs
    }
    /// The types of the step's arguments, for batches of so many sequences of `length` predicted tokens.
    pub fn avals(&self, batch: usize, length: usize) -> (Decoder<Aval>, OptState<Aval>, Aval) {
        let model = self.model.map(|p| p.aval.clone());
        let state = self.options.optimizer.init(&model);
        (model, state, Aval::new(DType::I32, [batch, length + 1]))
    }

    /// Random parameters and a fresh optimizer, made where they belong.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn random(&self, seed: u64, client: &Client) -> crate::Result<TrainState<Array>> {
        let model = match &self.mesh {
            Some(mesh) => self.ordered(param::init(&self.model, &Key::host(seed), mesh, &self.rules)?)?,
            None => param::init_on(&self.model, &Key::host(seed), client)?,
        };
        let state = self.fresh(&model, client)?;
        Ok((model, state))
    }
    /// A fresh optimizer for these parameters, divided as they are.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn fresh(&self, model: &Decoder<Array>, client: &Client) -> Result<OptState<Array>> {
        self.options.optimizer.init_on(client, model)
    }
    /// Of what type parameters and optimizer are, and where they belong: what a checkpoint is restored as.
    pub fn targets(&self) -> TrainState<Target> {
        let target = |aval: &Aval, spec: PartitionSpec| match &self.mesh {
            Some(mesh) => Target::new(aval.clone()).on(mesh.sharding(spec)),
            None => Target::new(aval.clone()),
        };
        let specs = self.specs.leaves();
        let mut each = specs.iter();
        let model = self.model.map(|p| target(&p.aval, each.next().cloned().unwrap_or_default()));
        let state = self.options.optimizer.slots(&self.model).map(|slot| target(&slot.aval, slot.spec(&specs)));
        (model, state)
    }
    /// Bring parameters where they belong. A pipeline whose devices hold several runs of layers has the layers of a stack in
    /// another order.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn place(&self, model: &Decoder<Array>) -> Result<Decoder<Array>> {
        let Some(mesh) = &self.mesh else { return Ok(model.clone()) };
        let mut specs = self.specs.leaves().into_iter();
        let mut one = |a: &Array| a.put(&mesh.sharding(specs.next().expect("one per parameter")));
        self.ordered(model.try_map_named(|_, a| one(a))?)
    }
    /// Parameters that are where they belong, with the layers of a stack in the order of the pipeline.
    fn ordered(&self, model: Decoder<Array>) -> Result<Decoder<Array>> {
        self.each(&model, |a, order| match (order, a.sharding()) {
            (Some(order), Some(sharding)) => {
                Array::from_bytes_sharded(sharding, a.aval().clone(), Arc::new(reordered(a, &order)?))
            }
            _ => Ok(a.clone()),
        })
    }
    /// The parameters on one device of this client, in the usual order: to be saved.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn collect(&self, model: &Decoder<Array>, client: &Client) -> Result<Decoder<Array>> {
        self.each(model, |a, order| {
            let bytes = match order {
                Some(order) => {
                    let mut back = vec![0; order.len()];
                    order.iter().enumerate().for_each(|(place, layer)| back[*layer] = place);
                    reordered(a, &back)?
                }
                None => a.all_gathered()?.to_bytes()?,
            };
            Array::from_bytes(client, a.aval().clone(), &bytes)
        })
    }
    /// What `f` makes of each parameter and the order of its layers.
    fn each(
        &self,
        model: &Decoder<Array>,
        f: impl Fn(&Array, Option<Vec<usize>>) -> Result<Array>,
    ) -> Result<Decoder<Array>> {
        let mut orders = self.model.leaves().into_iter().map(|p| self.order(&p));
        model.try_map_named(|_, a| f(a, orders.next().flatten()))
    }
    /// The order of a stack's layers, if it is not the usual one.
    fn order(&self, p: &Param) -> Option<Vec<usize>> {
        let schedule = self.pipeline.filter(|s| s.repeats > 1 && p.axes.first() == Some(&"layers"))?;
        Some(schedule.order(p.aval.dims[0]))
    }

    /// The step: parameters, optimizer, tokens `[b, t + 1]` to parameters, optimizer, and the mean loss of predicting each
    /// token from those before it, among other [`Metrics`]. Give the first two by value: they are donated.
    pub fn step(&self) -> Jit<StepArgs, impl Traced<StepArgs, Out = StepOut> + use<>> {
        let train = self.clone();
        self.placed_step(move |model: Decoder, state: OptState, tokens: Tensor| {
            train.update(model, state, Rows::whole(tokens))
        })
    }
    /// The step of rows that may hold several documents, or of which not everything is learned: the loss is the mean over the targets by
    /// their weights. Not over `context`; over `pipe`, without segments.
    pub fn rows_step(&self) -> Jit<RowsArgs, impl Traced<RowsArgs, Out = StepOut> + use<>> {
        let train = self.clone();
        self.placed_step(move |model: Decoder, state: OptState, rows: Rows| train.update(model, state, rows))
    }
    /// A step whose arguments and results are where they belong.
    fn placed_step<X, F>(&self, step: F) -> Jit<(Decoder, OptState, X), F>
    where
        X: Tree<Tensor, With<Tensor> = X>,
        F: Traced<(Decoder, OptState, X), Out = StepOut>,
    {
        let step = jit(step).named("train step").donate([0, 1]).rules(&self.rules);
        let Some(mesh) = &self.mesh else { return step };
        let model = self.specs.leaves();
        let state: Vec<PartitionSpec> =
            self.options.optimizer.slots(&self.model).leaves().iter().map(|slot| slot.spec(&model)).collect();
        // (the last token is a target only: its axis is divided once it is cut off)
        let tokens = PartitionSpec::new(self.tokens().0.into_iter().take(1).collect());
        let metrics = vec![P![]; if self.has_rate() { 4 } else { 3 }];
        let ins = (model.clone(), state.clone(), tokens);
        step.on(mesh).in_shardings(ins).out_shardings((model, state, metrics))
    }

    /// One step, traced.
    fn update(&self, model: Decoder, state: OptState, rows: Rows) -> StepOut {
        let rows = rows.normalised();
        let gradients = |model: &Decoder, scale| self.mean_gradients(model, rows.clone(), scale);
        let value_fn = |model: Decoder| self.normalised_loss(model, rows.clone());
        let (optimizer, keep) = (&self.options.optimizer, self.options.keep_if_not_finite);
        step::updated(optimizer, keep, model, state, gradients, value_fn)
    }

    /// The loss and the gradient of a batch, in `accumulate` parts one after the other; both times the scale.
    fn mean_gradients(&self, model: &Decoder, rows: Rows, scale: Option<Tensor>) -> (Losses, Decoder) {
        let wide = self.options.precision.accumulation;
        let none = (Losses::zeros(false), self.zeros(model, &self.specs.leaves(), wide));
        let gradients = |rows| {
            let (loss, gradient) = self.scaled_gradients(model.clone(), rows, scale);
            (Losses::of(loss), gradient)
        };
        step::accumulated(self.options.accumulate, rows, none, gradients)
    }
    /// Zeros of this dtype like parameters that are divided so.
    fn zeros<M: TensorTree>(&self, model: &M, specs: &[PartitionSpec], dtype: DType) -> M {
        let mut specs = specs.iter().cloned();
        let none = |p: &Tensor| {
            let (none, spec) = (full(p.dims(), dtype, 0), specs.next().unwrap_or_default());
            self.mesh.as_ref().map_or(none, |mesh| with_sharding(none, &mesh.sharding(spec)))
        };
        model.map(none)
    }

    /// Has the optimizer a learning rate?
    fn has_rate(&self) -> bool {
        self.has_rate_for(&self.model.map(|p| p.aval.clone()))
    }
    fn has_rate_for(&self, trained: &impl Tree<Aval>) -> bool {
        let state = self.options.optimizer.init(trained);
        let mut has = false;
        // (asked of a state of types, in a trace that is thrown away)
        let _ = trace_graph(&state.leaves(), |t| {
            has = self.options.optimizer.learning_rate(&state.refill(t.to_vec())).is_some();
            vec![]
        });
        has
    }

    /// How tokens `[b, t]` are divided.
    fn tokens(&self) -> PartitionSpec {
        self.rules.spec(&["batch", "length"])
    }

    /// The loss of this device's tokens, averaged over all devices.
    fn loss(&self, model: &Decoder, batch: Inputs) -> Tensor {
        let model = &self.options.precision.cast_to_compute(model);
        let out = self.forward(model, &batch);
        let loss = parallel::data::mean(self.token_loss(model, tensor::own_positions(out.hidden), batch.targets));
        match model.balance_loss(&out.scores).filter(|_| self.options.balance != 0.0) {
            Some(balance) => loss + balance * self.options.balance,
            None => loss,
        }
    }

    /// What the model computes of this device's tokens.
    fn forward(&self, model: &Decoder, batch: &Inputs) -> Output {
        let t = batch.inputs.dim(1);
        let mut input = Input { remat: self.options.remat.clone(), packed: batch.packed, ..model.whole(batch.inputs) };
        input.pipeline = self.pipeline;
        if ring::is_on() {
            let length = full([], DType::I32, t * axis_size("context"));
            (input.start, input.length, input.prompt) = (axis_index("context") * t, length, length);
        }
        model.forward(input)
    }

    /// The mean loss of hidden states `[b, t, d]`, of all positions or of those that are this device's.
    fn token_loss(&self, model: &Decoder, hidden: Tensor, targets: Targets) -> Tensor {
        let options = self.options.loss;
        let of_logits = |logits, t: Targets| tensor::cross_entropy_with(logits, t.tokens, t.weights, options);
        if hidden.dim(1) != targets.tokens.dim(1) {
            return of_logits(model.logits(hidden), targets);
        }
        if self.frozen_head {
            let loss = |(): &(), hidden, targets| of_logits(model.logits(hidden), targets);
            return loss_in_chunks(self.options.loss_chunk, (), hidden, targets, loss);
        }
        let tied = model.head.w.is_none().then(|| model.embed.clone());
        let loss = |(head, tied): &(Head, Option<Embedding>), hidden, targets: Targets| {
            let (head, embed) = (head.clone(), tied.as_ref().unwrap_or(&model.embed).clone());
            of_logits(Decoder { head, embed, ..model.clone() }.logits(hidden), targets)
        };
        loss_in_chunks(self.options.loss_chunk, (model.head.clone(), tied), hidden, targets, loss)
    }

    /// The mean loss of tokens `[b, t + 1]`: for evaluation.
    pub fn mean_loss(&self, model: Decoder, tokens: Tensor) -> Tensor {
        self.normalised_loss(model, Rows::whole(tokens))
    }
    /// The mean loss of rows by the weights of their targets: for evaluation.
    pub fn rows_loss(&self, model: Decoder, rows: Rows) -> Tensor {
        self.normalised_loss(model, rows.normalised())
    }
    /// A program of parameters and rows, where they belong: over the mesh or, without one, on this client.
    pub fn placed<F>(&self, program: Jit<(Decoder, Rows), F>, client: &Client) -> Jit<(Decoder, Rows), F>
    where
        F: Traced<(Decoder, Rows)>,
        F::Out: Tree<Tensor>,
    {
        let program = program.rules(&self.rules);
        let Some(mesh) = &self.mesh else { return program.on(client) };
        let tokens = PartitionSpec::new(self.tokens().0.into_iter().take(1).collect());
        program.on(mesh).in_shardings((self.specs.leaves(), tokens))
    }
    /// The mean loss of rows, and its derivative by every parameter.
    pub fn rows_gradients(&self, model: Decoder, rows: Rows) -> (Tensor, Decoder) {
        self.scaled_gradients(model, rows.normalised(), None)
    }
    /// The residual stream before each layer, in the order of the model's leaves; not over a mesh.
    pub fn states(&self, model: &Decoder, rows: Rows) -> Option<Vec<Tensor>> {
        if self.mesh.is_some() {
            return None;
        }
        let model = &self.options.precision.cast_to_compute(model);
        Some(self.forward(model, &rows.batch()).states.leaves())
    }
    fn normalised_loss(&self, model: Decoder, rows: Rows) -> Tensor {
        self.on_devices(model, rows, P![], |(model, batch)| self.loss(&model, batch))
    }

    /// The mean loss of tokens `[b, t + 1]`, and its derivative by every parameter.
    pub fn gradients(&self, model: Decoder, tokens: Tensor) -> (Tensor, Decoder) {
        self.scaled_gradients(model, Rows::whole(tokens), None)
    }
    /// The same of the loss times a scale.
    fn scaled_gradients(&self, model: Decoder, rows: Rows, scale: Option<Tensor>) -> (Tensor, Decoder) {
        let both = |(model, batch): (Decoder, Inputs)| {
            let loss = |model: Decoder| {
                let loss = self.loss(&model, batch.clone());
                scale.map_or(loss, |scale| loss * scale)
            };
            value_and_grad(loss)(model)
        };
        self.on_devices(model, rows, (P![], self.specs.leaves()), both)
    }

    /// What `f` makes of parameters, inputs and targets, on every device of the mesh, or on one, or wherever the compiler puts it.
    fn on_devices<Y>(&self, model: Decoder, rows: Rows, out: impl SpecTree<Y>, f: impl Fn((Decoder, Inputs)) -> Y) -> Y
    where
        Y: Tree<Tensor, With<Tensor> = Y>,
    {
        let batch = (model, rows.batch());
        let Some(mesh) = &self.mesh else { return f(batch) };
        self.rules.within(mesh, || {
            if self.options.annotated {
                return f(batch);
            }
            let tokens = self.tokens();
            shard_map(mesh, (self.specs.leaves(), tokens), out, f)(batch)
        })
    }
}

/// How a batch goes through a pipeline, if the mesh has an axis `pipe`.
fn schedule(mesh: &Mesh, options: &TrainOptions) -> Result<Option<Schedule>> {
    let Some(stages) = mesh.axis("pipe") else { return Ok(None) };
    let unknown = match options {
        _ if options.annotated => Some(("annotated", "the compiler makes no pipeline")),
        _ if options.balance != 0.0 => Some(("balance", "a pipeline's stages keep no scores of routers")),
        _ => None,
    };
    if let Some((option, why)) = unknown {
        let reason = format!("the mesh {mesh} has an axis `pipe`, but {why}");
        let help = format!("leave `{option}` off, or name other axes");
        return Err(raxla::Error::Sharding { reason, help });
    }
    let microbatches = options.microbatches.unwrap_or(stages);
    Ok(Some(Schedule { stages, microbatches, repeats: options.repeats }))
}

/// The bytes of an array whose leading axis is brought in this order.
fn reordered(a: &Array, order: &[usize]) -> Result<Vec<u8>> {
    let (bytes, size) = (a.all_gathered()?.to_bytes()?, a.aval().bytes() / order.len().max(1));
    Ok(order.iter().flat_map(|i| bytes[i * size..(i + 1) * size].iter().copied()).collect())
}
