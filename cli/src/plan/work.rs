//! Which program of a model, and its sizes: what `plan`, `export` and `compile` are told alike.
use crate::{Result, options::axes};
use clap::ValueEnum;
use raxla::Mesh;
use raxla_graphs::{
    config::HfConfig,
    models::Decoder,
    planning::{Program, Remat, Workload},
};

/// A program and its sizes.
#[derive(clap::Args)]
pub struct WorkArgs {
    /// Which program: one token for each sequence, prompts that fill the context, logits at all positions without caches, or a
    /// training step
    #[arg(long, value_enum, default_value = "decode")]
    program: ProgramName,
    /// Axes of the mesh: data and model, as in data=2,model=4; of training also fsdp, expert, context and pipe [default: model, of
    /// training fsdp, over all devices]
    #[arg(long, value_name = "AXES", value_parser = axes)]
    mesh: Option<String>,
    /// Sequences [default: 1, of training one per device]
    #[arg(long, value_name = "B", value_parser = count)]
    batch: Option<usize>,
    /// Positions of each sequence [default: 2048, or as many as the model has]
    #[arg(long, value_name = "T", value_parser = count)]
    context: Option<usize>,
    /// Dtype of activations, and of parameters but in training: bf16, f16 or f32
    #[arg(long, default_value = "bf16", value_name = "D")]
    dtype: String,
    /// Dtype of the caches, also int8 [default: that of --dtype]
    #[arg(long, value_name = "D")]
    cache_dtype: Option<String>,
    /// Matrices in whole numbers, with a scale for each output: int8
    #[arg(long, value_name = "Q")]
    quantize: Option<String>,
    /// Dtype of the parameters that are trained
    #[arg(long, default_value = "f32", value_name = "D")]
    param_dtype: String,
    /// What training keeps of each layer for the way back: everything, products with weights, or nothing
    #[arg(long, value_enum, default_value = "none")]
    remat: RematName,
    /// The optimizer, by optax's name
    #[arg(long, default_value = "adamw", value_name = "NAME")]
    optimizer: String,
    /// In how many parts a training step goes through its batch
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = count)]
    accumulation: usize,
    /// Divide the stream between layers by positions too, along the axis model
    #[arg(long)]
    sequence: bool,
}

/// The most that a size can be.
const MOST: usize = 1 << 24;

fn count(number: &str) -> std::result::Result<usize, String> {
    let wrong = || format!("it must be a whole number from 1 to {MOST}");
    number.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(wrong)
}

#[derive(Clone, Copy, ValueEnum)]
enum ProgramName {
    Decode,
    Prefill,
    Forward,
    Train,
}
#[derive(Clone, Copy, ValueEnum)]
enum RematName {
    None,
    Dots,
    Full,
}

impl WorkArgs {
    /// What of a model of this configuration runs on so many devices.
    pub fn load(&self, devices: usize, config: &HfConfig) -> Result<Workload> {
        let program = match self.program {
            ProgramName::Decode => Program::Decode,
            ProgramName::Prefill => Program::Prefill,
            ProgramName::Forward => Program::Forward,
            ProgramName::Train => Program::Train,
        };
        let remat = match self.remat {
            RematName::None => Remat::None,
            RematName::Dots => Remat::Dots,
            RematName::Full => Remat::Full,
        };
        let context = match self.context {
            Some(context) => context,
            None => Decoder::of(config, true)?.context.min(2048),
        };
        let work = Workload {
            batch: self.batch.unwrap_or(if program == Program::Train { devices } else { 1 }),
            context,
            mesh: self.mesh.as_deref().map(Mesh::parse).transpose()?.unwrap_or_default(),
            dtype: self.dtype.clone(),
            param_dtype: self.param_dtype.clone(),
            cache_dtype: self.cache_dtype.clone(),
            quantize: self.quantize.clone(),
            remat,
            optimizer: self.optimizer.clone(),
            accumulation: self.accumulation,
            sequence: self.sequence,
            ..Workload::new(program)
        };
        Ok(Workload { mesh: work.axes(devices), ..work })
    }
    /// As many devices as the mesh has.
    pub fn devices(&self) -> Result<usize> {
        let axes = self.mesh.as_deref().map(Mesh::parse).transpose()?.unwrap_or_default();
        Ok(if axes.is_empty() { 1 } else { Mesh::abstract_mesh(axes)?.size() })
    }
}
