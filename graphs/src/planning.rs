//! Programs of models that are not loaded, planned for accelerators that are not there.
//!
//! A [`Workload`] says what is to run, [`Workload::plan`] compiles it ([`raxla::aot`]). Parameters and caches are types only: what a
//! model is comes from its configuration.
//!
//! ```no_run
//! use raxla::aot::{Devices, Target};
//! use raxla_graphs::planning::{Program, Workload, config};
//! let devices = Devices::open(&Target::parse("v5e:2x4")?, None)?;
//! let work = Workload { batch: 8, context: 4096, mesh: vec![("model".into(), 8)], ..Workload::new(Program::Decode) };
//! let plan = work.plan(&config("gemma-7b")?, &devices)?;
//! println!("{plan}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use crate::{
    LoadError, Result,
    config::HfConfig,
    hub::{HubOptions, Repository},
    models::{Decoder, Stacking},
    programs::{self, Placement},
    sampling::Sampling,
    source::{Source, preset},
    training::{Train, run::RunConfig},
};
use raxla::{
    Client, DType, Lowered, Mesh, Param, Policy, RematOptions, Tensor, Tree,
    aot::{Devices, Options, Plan},
    export::{Exported, Packed},
    tree::Hole,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// One token for each sequence of a batch, with all of the context in the caches.
    Decode,
    /// Prompts that fill the context.
    Prefill,
    /// The logits of sequences that fill the context, at all of their positions, without caches.
    Forward,
    /// A step of training on sequences as long as the context.
    Train,
}

/// What reverse mode keeps of each layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remat {
    /// Everything.
    None,
    /// Products of weights and activations.
    Dots,
    /// Nothing but its input: all else is computed again.
    Full,
}

/// A program of a model, and its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// What runs.
    pub program: Program,
    /// Sequences.
    pub batch: usize,
    /// Positions of each.
    pub context: usize,
    /// Axes of the mesh; none: `model` (training: `fsdp`) over all devices.
    pub mesh: Vec<(String, usize)>,
    /// Dtype of activations, and of parameters but in training: `bf16`.
    pub dtype: String,
    /// Dtype of the parameters that are trained: `f32`.
    pub param_dtype: String,
    /// Dtype of the caches, if it is another. [`Program::Forward`] and training have none.
    pub cache_dtype: Option<String>,
    /// Matrices in this format: `int8`, with a scale for each output ([`Decoder::in_int8`]). Not in training.
    pub quantize: Option<String>,
    /// What training keeps for the way back.
    pub remat: Remat,
    /// The optimizer, by optax's name.
    pub optimizer: String,
    /// In how many parts a step of training goes through its batch.
    pub accumulation: usize,
    /// Divide the stream between layers by positions too, along the axis `model`.
    pub sequence: bool,
    /// Let the compiler try less ([`Options::fast`]).
    pub fast: bool,
}

impl Workload {
    /// This program of one sequence of 2048 positions, in bf16.
    pub fn new(program: Program) -> Workload {
        Workload {
            program,
            batch: 1,
            context: 2048,
            mesh: vec![],
            dtype: "bf16".into(),
            param_dtype: "f32".into(),
            cache_dtype: None,
            quantize: None,
            remat: Remat::None,
            optimizer: "adamw".into(),
            accumulation: 1,
            sequence: false,
            fast: false,
        }
    }

    /// The axes of its mesh on so many devices; none for one device.
    pub fn axes(&self, devices: usize) -> Vec<(String, usize)> {
        let axis = if self.program == Program::Train { "fsdp" } else { "model" };
        match self.mesh.is_empty() {
            true if devices == 1 => vec![],
            true => vec![(axis.into(), devices)],
            false => self.mesh.clone(),
        }
    }

    /// Compiles it for these devices.
    ///
    /// # Errors
    /// Sizes that do not go together, before anything is compiled; what the compiler reports. That it does not fit is no error.
    pub fn plan(&self, config: &HfConfig, devices: &Devices) -> Result<Plan> {
        let options = self.options()?;
        self.lowered(config, devices.target().devices(), ToPlan(devices, &options))
    }
    /// The program as an artifact: StableHLO, for as many devices as its mesh has.
    ///
    /// # Errors
    /// As [`Workload::plan`], without a compiler.
    pub fn export(&self, config: &HfConfig) -> Result<Exported> {
        let devices = if self.mesh.is_empty() { 1 } else { Mesh::abstract_mesh(self.mesh.clone())?.size() };
        self.lowered(config, devices, ToExport)
    }
    /// The program compiled for these devices, to be kept in a file under this name.
    ///
    /// # Errors
    /// As [`Workload::plan`]; that it does not fit.
    pub fn pack_for(&self, config: &HfConfig, devices: &Devices, name: &str) -> Result<Packed> {
        let options = self.options()?;
        self.lowered(config, devices.target().devices(), ToPack(On::Devices(devices, &options), name))
    }
    /// The program compiled for one device of this client.
    ///
    /// # Errors
    /// As [`Workload::plan`]; a mesh.
    pub fn pack(&self, config: &HfConfig, client: &Client, name: &str) -> Result<Packed> {
        self.lowered(config, 1, ToPack(On::Client(client), name))
    }

    fn options(&self) -> Result<Options> {
        Ok(Options { fast: self.fast, dtype: float(&self.dtype)? })
    }
    /// Lowers it for so many devices.
    fn lowered<T: To>(&self, config: &HfConfig, devices: usize, to: T) -> Result<T::Made> {
        let (spec, mesh, dtype) = self.checked(config, devices)?;
        if self.program == Program::Train {
            let train = self.train(spec, mesh.as_ref())?;
            return Ok(to.make(train.step().lower(&train.avals(self.batch, self.context))?)?);
        }
        let placement = mesh.as_ref().map(|mesh| Placement::of(mesh, &spec)).transpose()?;
        if self.program == Program::Forward {
            let avals = programs::batch_logits_avals(&spec, dtype, [self.batch, self.context]);
            let program = placement.map_or_else(programs::batch_logits, |placement| placement.batch_logits());
            return Ok(to.make(program.lower(&avals)?)?);
        }
        let shape = Sampling::default().shape();
        let tokens = if self.program == Program::Decode { 1 } else { self.context };
        let avals = programs::step_avals(&spec, dtype, shape, [self.batch, tokens], [self.context, 0]);
        let step = placement.map_or_else(|| programs::step(shape), |placement| placement.step(shape));
        // (a generation gives each call the state of the one before)
        Ok(to.make(step.donate([3]).lower(&avals)?)?)
    }

    /// The model, the mesh and the dtype, if they make sense on so many devices.
    ///
    /// # Errors
    /// Sizes of zero, or beyond what the model has; dtypes that models do not run in; a mesh of more devices; a configuration
    /// that makes no sense.
    pub fn checked(&self, config: &HfConfig, devices: usize) -> Result<(Decoder<Param>, Option<Mesh>, DType)> {
        let usage = |what: String| Err(crate::Error::Usage(what));
        let axes = self.axes(devices);
        let mesh = if axes.is_empty() { None } else { Some(Mesh::abstract_mesh(axes)?) };
        if let Some(mesh) = mesh.as_ref().filter(|mesh| mesh.size() > devices) {
            return usage(format!(
                "the mesh {mesh} needs {} devices, but the target has {devices}\n  help: make an axis smaller, or name a larger target",
                mesh.size()
            ));
        }
        let pipeline = mesh.as_ref().is_some_and(|mesh| mesh.axis("pipe").is_some());
        let spec = Decoder::of(config, if pipeline { Stacking::OneStack } else { Stacking::Scanned })?.without_copies();
        let spec = Decoder { cache_dtype: self.cache_dtype.as_deref().map(held).transpose()?, ..spec };
        let spec = match self.quantize.as_deref() {
            None => spec,
            Some("int8") if self.program != Program::Train => spec.in_int8(),
            Some("int8") => return usage("what is trained is not quantised".into()),
            Some(other) => return usage(format!("matrices are planned in int8, not in {other}")),
        };
        let sizes = [("batch", self.batch), ("context", self.context), ("accumulation", self.accumulation)];
        if let Some((name, _)) = sizes.iter().find(|(_, n)| *n == 0) {
            return usage(format!("the {name} is 0: name 1 at least"));
        }
        if self.context > spec.context {
            let most = spec.context;
            return usage(format!(
                "the model's context is {most}: {} positions are too many\n  help: name a smaller context",
                self.context
            ));
        }
        let rows = ["data", "fsdp", "expert"].map(|axis| mesh.as_ref().and_then(|m| m.axis(axis)).unwrap_or(1));
        let parts: usize = rows.iter().product::<usize>() * self.accumulation;
        if !self.batch.is_multiple_of(parts) {
            return usage(format!(
                "a batch of {} is not divided evenly into {parts} parts\n  help: make the batch a multiple of {parts}, or the axes data, \
                 fsdp and expert of the mesh smaller",
                self.batch
            ));
        }
        Ok((spec, mesh, float(&self.dtype)?))
    }

    fn train(&self, spec: Decoder<Param>, mesh: Option<&Mesh>) -> Result<Train> {
        let (batch, accumulation, sequence) = (self.batch, self.accumulation, self.sequence);
        let mut run = RunConfig { batch, accumulation, sequence, ..RunConfig::default() };
        run.optimizer.name = self.optimizer.clone();
        (run.precision.param, run.precision.compute) = (self.param_dtype.clone(), self.dtype.clone());
        let mut options =
            run.build_without_data(1, Some(&spec)).map_err(|e| crate::Error::Usage(e.to_string()))?.options;
        let policy = match self.remat {
            Remat::None => None,
            Remat::Dots => Some(Policy::SaveDotsWithoutBatchAxes),
            Remat::Full => Some(Policy::SaveNothing),
        };
        options.remat = policy.map(|policy| RematOptions { policy, ..RematOptions::default() });
        Ok(Train::new(spec, mesh, options)?)
    }
}

/// What becomes of a lowered program.
trait To {
    type Made;
    fn make<A: Tree<Tensor>, Y: Tree<Tensor>>(self, lowered: Lowered<A, Y>) -> raxla::Result<Self::Made>
    where
        Y::With<Hole>: Tree<Hole>;
}
/// Memory and costs on devices.
struct ToPlan<'a>(&'a Devices, &'a Options);
impl To for ToPlan<'_> {
    type Made = Plan;
    fn make<A: Tree<Tensor>, Y: Tree<Tensor>>(self, lowered: Lowered<A, Y>) -> raxla::Result<Plan>
    where
        Y::With<Hole>: Tree<Hole>,
    {
        lowered.plan(self.0, self.1)
    }
}
/// An artifact.
struct ToExport;
impl To for ToExport {
    type Made = Exported;
    fn make<A: Tree<Tensor>, Y: Tree<Tensor>>(self, lowered: Lowered<A, Y>) -> raxla::Result<Exported>
    where
        Y::With<Hole>: Tree<Hole>,
    {
        lowered.export()
    }
}
/// A compiled program of this name.
struct ToPack<'a>(On<'a>, &'a str);
enum On<'a> {
    Devices(&'a Devices, &'a Options),
    Client(&'a Client),
}
impl To for ToPack<'_> {
    type Made = Packed;
    fn make<A: Tree<Tensor>, Y: Tree<Tensor>>(self, lowered: Lowered<A, Y>) -> raxla::Result<Packed>
    where
        Y::With<Hole>: Tree<Hole>,
    {
        match self.0 {
            On::Devices(devices, options) => lowered.pack_for(devices, options, self.1),
            On::Client(client) => lowered.pack(client, self.1),
        }
    }
}

/// A dtype that models run in.
fn float(name: &str) -> Result<DType> {
    let known = [DType::F32, DType::BF16, DType::F16];
    name.parse()
        .ok()
        .filter(|dtype| known.contains(dtype))
        .ok_or_else(|| crate::Error::Usage(format!("models are planned in f32, bf16 or f16, not in {name}")))
}

/// A dtype of caches.
fn held(name: &str) -> Result<DType> {
    if matches!(name, "int8" | "i8") { Ok(DType::I8) } else { float(name) }
}

/// The configuration of a model, without its weights: of a preset, of `hf:org/name` (config.json alone is fetched), of a folder, or of
/// a config.json or GGUF file.
///
/// # Errors
/// As [`Source::resolve`]; a file that is no configuration.
pub fn config(model: &str) -> Result<HfConfig, LoadError> {
    if let Some(preset) = preset(model) {
        return Ok(preset.config.clone());
    }
    if let Some(repository) = model.strip_prefix("hf:") {
        let repository: Repository = repository.parse()?;
        if repository.file.is_none() {
            return HfConfig::load(&repository.fetch_config(&HubOptions::from_env())?);
        }
    }
    let path = Path::new(model);
    if path.is_file() && path.extension().is_some_and(|e| e == "json") {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.file_name().is_some_and(|name| name == "config.json") {
            return HfConfig::load(folder);
        }
        let text = raxla_xla::read_text(path, 1 << 30).map_err(|e| LoadError::io(path, e))?;
        return HfConfig::parse(&text, model);
    }
    if path.join("config.json").is_file() {
        return HfConfig::load(path);
    }
    let source = Source::resolve(model, &HubOptions::from_env())?;
    source.config(&source.weights()?)
}
