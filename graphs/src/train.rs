//! The training step of every family, on one device or divided over a mesh.
//!
//! ```
//! use graphs::{gpt2::Config, train::{Train, TrainOptions}};
//! use raxla::{Array, Mesh, runtime};
//! let client = runtime::client()?;
//! // on more devices: `[("data", 2), ("fsdp", 2), ("model", 2)]` divides the batch over two axes, parameters over two
//! let mesh = Mesh::new(&client, [("data", 1)])?;
//! let config = Config { n_layer: 2, n_embd: 32, n_head: 4, n_inner: 64, vocab_size: 64, ..Config::published("124M").unwrap() };
//! let train = Train::new(std::sync::Arc::new(config.spec(true)), Some(&mesh), TrainOptions::default())?;
//! let (mut model, mut state) = train.random(0, &client)?;
//! let step = train.step();
//! let tokens = Array::on(&client, [2, 9], &[3i32; 18])?;
//! for _ in 0..3 {
//!     let loss;
//!     (model, state, loss) = step.call((model, state, &tokens))?;
//!     println!("{}", loss.item::<f32>()?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use crate::{
    architecture::{Architecture, Input},
    params,
};
use raxla::{
    Array, Aval, DType, Jit, Mesh, P, Param, PartitionSpec, RematOptions, Result, SpecTree, Tensor, Tree, axis_index,
    axis_size, full, jit,
    jit::Traced,
    nn::Layers,
    optim::{AdamW, AdamWOptions},
    parallel::{self, Parallel, data, fsdp, pipeline::Schedule, tensor},
    pvary,
    runtime::Client,
    shard_map, value_and_grad,
};
use std::sync::Arc;

/// How to train.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// The optimizer's numbers.
    pub adamw: AdamWOptions,
    /// Step size.
    pub learning_rate: f64,
    /// What to keep of each layer for the way back; `None`: everything.
    pub remat: Option<RematOptions>,
    /// Divide the stream between attention and MLPs by positions too, along `model`.
    pub sequence: bool,
    /// Say only where parameters and activations are, and leave to the compiler what devices compute and exchange, instead of
    /// dividing the work by hand in `shard_map`. Not over `pipe`.
    pub annotated: bool,
    /// What the load-balancing loss of a model with experts counts in the loss ([`Decoder::balance_loss`](crate::architecture::Decoder::balance_loss));
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
            adamw: AdamWOptions::default(),
            learning_rate: 1e-4,
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
    arch: Arc<dyn Architecture>,
    mesh: Option<Mesh>,
    parallel: Parallel,
    options: TrainOptions,
    /// What is trained: path and specification.
    params: Vec<(String, Param)>,
    specs: Vec<PartitionSpec>,
    /// For each parameter of the model, the trained one that it is; and whether it is its transpose.
    from: Vec<(usize, bool)>,
}

/// Parameters and optimizer state.
pub type State<T> = (Vec<T>, AdamW<Vec<T>, T>);

/// What the step takes.
pub type StepArgs = (Vec<Tensor>, AdamW<Vec<Tensor>>, Tensor);
/// What it returns.
pub type StepOut = (Vec<Tensor>, AdamW<Vec<Tensor>>, Tensor);

impl Train {
    /// The step of this architecture over this mesh, by the names of its axes (see [`raxla::parallel`]).
    ///
    /// # Errors
    /// A mesh with other axes; parameters that cannot be divided evenly.
    pub fn new(arch: Arc<dyn Architecture>, mesh: Option<&Mesh>, options: TrainOptions) -> Result<Train> {
        let (mut params, mut from): (Vec<(String, Param)>, _) = (vec![], vec![]);
        for (path, p) in arch.params() {
            // a tied head is a second copy of the embedding, and must stay one
            let twin = params.iter().position(|(_, q)| !p.name.is_empty() && q.name == p.name);
            from.push((twin.unwrap_or(params.len()), twin.is_some()));
            if twin.is_none() {
                params.push((path, p));
            }
        }
        let (mut parallel, mut specs) = (Parallel::default(), vec![PartitionSpec::default(); params.len()]);
        if let Some(mesh) = mesh {
            parallel = Parallel { sequence: options.sequence, ..Parallel::of(mesh)? };
            let unknown = match parallel.pipe {
                Some(_) if options.annotated => Some(("annotated", "the compiler makes no pipeline")),
                Some(_) if options.balance != 0.0 => Some(("balance", "a pipeline's stages keep no scores of routers")),
                _ => None,
            };
            if let Some((option, why)) = unknown {
                let reason = format!("the mesh {mesh} has an axis `pipe`, but {why}");
                let help = format!("leave `{option}` off, or name other axes");
                return Err(raxla::Error::Sharding { reason, help });
            }
            if let Some(pipe) = &mut parallel.pipe {
                let microbatches = options.microbatches.unwrap_or(pipe.stages);
                *pipe = Schedule { microbatches, repeats: options.repeats, ..*pipe };
            }
            specs = params.iter().map(|(path, p)| parallel.spec(mesh, path, p)).collect::<Result<_>>()?;
            parallel.layer = layer_specs(&params, &specs);
            let whole = |((_, p), spec): (&(String, Param), &PartitionSpec)| {
                p.axes.contains(&"vocab") && !spec.names().any(|name| **name == *"model")
            };
            parallel.whole_head = parallel.model && params.iter().zip(&specs).any(whole);
        }
        Ok(Train { arch, mesh: mesh.cloned(), parallel, options, params, specs, from })
    }

    /// What is trained: paths and specifications. A tied head is not among them.
    pub fn params(&self) -> &[(String, Param)] {
        &self.params
    }
    /// How each of them is divided.
    pub fn specs(&self) -> &[PartitionSpec] {
        &self.specs
    }
    /// The types of the step's arguments, for batches of so many sequences of `length` predicted tokens.
    pub fn avals(&self, batch: usize, length: usize) -> (Vec<Aval>, AdamW<Vec<Aval>, Aval>, Aval) {
        let model: Vec<Aval> = self.params.iter().map(|(_, p)| p.aval.clone()).collect();
        let state = AdamW::init(&model);
        (model, state, Aval::new(DType::I32, [batch, length + 1]))
    }

    /// Random parameters and a fresh optimizer, where they belong.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn random(&self, seed: u64, client: &Client) -> crate::Result<State<Array>> {
        let model = self.place(params::random(&self.params, seed, DType::F32, client)?)?;
        let state = self.fresh(&model, client)?;
        Ok((model, state))
    }
    /// A fresh optimizer for these parameters: zeros beside each part of them.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn fresh(&self, model: &[Array], client: &Client) -> Result<AdamW<Vec<Array>, Array>> {
        AdamW::zeros(client, &model.to_vec())
    }
    /// Bring parameters, in the order of [`params`](Train::params), where they belong. A pipeline whose devices hold several
    /// runs of layers has the layers of a stack in another order.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn place(&self, model: Vec<Array>) -> Result<Vec<Array>> {
        let Some(mesh) = &self.mesh else { return Ok(model) };
        let one = |((a, spec), (_, p)): ((&Array, &PartitionSpec), &(String, Param))| {
            let sharding = mesh.sharding(spec.clone());
            match self.order(p) {
                Some(order) => Array::from_bytes_sharded(&sharding, a.aval().clone(), Arc::new(reordered(a, &order)?)),
                None => a.put(&sharding),
            }
        };
        model.iter().zip(&self.specs).zip(&self.params).map(one).collect()
    }
    /// The parameters on one device of this client, in the usual order: to be saved.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn collect(&self, model: &[Array], client: &Client) -> Result<Vec<Array>> {
        let one = |(a, (_, p)): (&Array, &(String, Param))| {
            let bytes = match self.order(p) {
                Some(order) => {
                    let mut back = vec![0; order.len()];
                    order.iter().enumerate().for_each(|(place, layer)| back[*layer] = place);
                    reordered(a, &back)?
                }
                None => a.to_bytes()?,
            };
            Array::from_bytes(client, a.aval().clone(), &bytes)
        };
        model.iter().zip(&self.params).map(one).collect()
    }
    /// The order of a stack's layers, if it is not the usual one.
    fn order(&self, p: &Param) -> Option<Vec<usize>> {
        let schedule = self.parallel.pipe.filter(|s| s.repeats > 1 && p.axes.first() == Some(&"layers"))?;
        Some(schedule.order(p.aval.dims[0]))
    }

    /// The step: parameters, optimizer, tokens `[b, t + 1]` to parameters, optimizer, and the mean loss of predicting each
    /// token from those before it. Give the first two by value: they are donated.
    pub fn step(&self) -> Jit<StepArgs, impl Traced<StepArgs, Out = StepOut>> {
        let train = self.clone();
        let step = move |model: Vec<Tensor>, state: AdamW<Vec<Tensor>>, tokens: Tensor| {
            let (loss, gradient) = train.gradients(model.clone(), tokens);
            let (rate, options) = (train.options.learning_rate, &train.options.adamw);
            let (model, state) = state.update(&model, &gradient, rate, options);
            (model, state, loss)
        };
        let step = jit(step).named("train step").donate([0, 1]).rules(&self.parallel.rules());
        let Some(mesh) = &self.mesh else { return step };
        let model = self.specs.clone();
        let state = [vec![PartitionSpec::default()], model.clone(), model.clone()].concat();
        // (the last token is a target only: its axis is divided once it is cut off)
        let tokens = PartitionSpec::new(self.parallel.tokens().0.into_iter().take(1).collect());
        step.on(mesh).in_shardings((model.clone(), state.clone(), tokens)).out_shardings((
            model,
            state,
            PartitionSpec::default(),
        ))
    }

    /// The loss of this device's tokens, averaged over all devices.
    fn loss(&self, model: &[Tensor], inputs: Tensor, targets: Tensor) -> Tensor {
        let leaf = |(i, transposed): &(usize, bool)| {
            let (t, (_, p), spec) = (model[*i], &self.params[*i], self.specs[*i].clone());
            // (before a gather, while it is small)
            let (t, spec) = match transposed {
                true => (t.transpose([1, 0]), spec.transposed(&[1, 0])),
                false => (t, spec),
            };
            match p.axes[..] {
                // (layers are gathered in their loop, an embedding never is)
                ["layers", ..] => t,
                ["vocab", ..] if !transposed => t,
                _ => {
                    let head = self.parallel.whole_head && p.axes.contains(&"vocab") && parallel::current().is_some();
                    fsdp::gather(vec![if head { pvary(t, "model") } else { t }], &[spec])[0]
                }
            }
        };
        let leaves: Vec<Tensor> = self.from.iter().map(leaf).collect();
        let decoder = self.arch.decoder(&leaves);
        let (t, layers) = (inputs.dim(1), self.arch.sizes().layers);
        let (start, length) = match self.parallel.context && !self.options.annotated {
            true => (axis_index("context") * t, t * axis_size("context")),
            false => (full([], DType::I32, 0), t),
        };
        let cache = match self.arch.is_scanned() {
            true => Layers::Stacked(None, layers),
            false => Layers::List(vec![None; layers]),
        };
        let length = full([], DType::I32, length);
        let out = decoder.forward(Input { tokens: inputs, start, length, cache, remat: self.options.remat.clone() });
        let hidden = if self.parallel.whole_head { tensor::own_positions(out.hidden) } else { out.hidden };
        let loss = data::mean(tensor::cross_entropy(decoder.logits(hidden), targets));
        match decoder.balance_loss(&out.scores).filter(|_| self.options.balance != 0.0) {
            Some(balance) => loss + balance * self.options.balance,
            None => loss,
        }
    }

    /// The mean loss of tokens `[b, t + 1]`: for evaluation.
    pub fn mean_loss(&self, model: Vec<Tensor>, tokens: Tensor) -> Tensor {
        let loss = |(model, inputs, targets): Batch| self.loss(&model, inputs, targets);
        self.on_devices(model, tokens, P![], loss)
    }

    /// The mean loss of tokens `[b, t + 1]`, and its derivative by every parameter.
    pub fn gradients(&self, model: Vec<Tensor>, tokens: Tensor) -> (Tensor, Vec<Tensor>) {
        let both = |(model, inputs, targets): Batch| {
            value_and_grad(|model: Vec<Tensor>| self.loss(&model, inputs, targets))(model)
        };
        self.on_devices(model, tokens, (P![], self.specs.clone()), both)
    }

    /// What `f` makes of parameters, inputs and targets, on every device of the mesh, or on one, or wherever the compiler puts it.
    fn on_devices<Y>(&self, model: Vec<Tensor>, tokens: Tensor, out: impl SpecTree<Y>, f: impl Fn(Batch) -> Y) -> Y
    where
        Y: Tree<Tensor, With<Tensor> = Y>,
    {
        let n = tokens.dim(1) - 1;
        let batch = (model, tokens.slice_axis(1, 0..n), tokens.slice_axis(1, 1..n + 1));
        let Some(mesh) = self.mesh.as_ref().filter(|_| !self.options.annotated) else { return f(batch) };
        let tokens = self.parallel.tokens();
        let specs = (self.specs.clone(), tokens.clone(), tokens);
        shard_map(mesh, specs, out, |batch| parallel::within(&self.parallel, || f(batch)))(batch)
    }
}

/// The bytes of an array whose leading axis is brought in this order.
fn reordered(a: &Array, order: &[usize]) -> Result<Vec<u8>> {
    let (bytes, size) = (a.to_bytes()?, a.aval().bytes() / order.len().max(1));
    Ok(order.iter().flat_map(|i| bytes[i * size..(i + 1) * size].iter().copied()).collect())
}

/// Parameters, inputs `[b, t]`, targets `[b, t]`.
type Batch = (Vec<Tensor>, Tensor, Tensor);

/// How one layer's leaves are divided: those of a stack, without the axis of layers; or those of the first in a list.
fn layer_specs(params: &[(String, Param)], specs: &[PartitionSpec]) -> Vec<PartitionSpec> {
    let each = || params.iter().zip(specs);
    let stacked: Vec<PartitionSpec> =
        each().filter(|((_, p), _)| p.axes.first() == Some(&"layers")).map(|(_, spec)| spec.unstacked()).collect();
    if !stacked.is_empty() {
        return stacked;
    }
    each().filter(|((path, _), _)| path.starts_with("layers.0.")).map(|(_, spec)| spec.clone()).collect()
}
