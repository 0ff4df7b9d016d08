//! What is measured, and how it is set up: as the command line asks, or with a variant's change.
use super::variants;
use crate::{
    Result,
    options::{Global, ModelArgs},
    usage,
};
use clap::ValueEnum;
use raxla::{Client, DType, Mesh, nn::moe::Dispatch, optim::Policy};
use raxla_graphs::{LoadOptions, Matrices, TiedHead, training::TrainOptions};
use serde_json::{Map, Value, json};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    // (without descriptions, which would make another help of `--help` than of `-h`)
    Decode,
    Prefill,
    Train,
    Compile,
    Dispatch,
    Load,
    Kernels,
}

/// Sizes, and how often.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Work")]
pub struct Work {
    /// Sequences at once [default: 1; train: 2]
    #[arg(long, value_name = "N", value_parser = count)]
    batch: Option<usize>,
    /// Tokens of the prompt, or of each sequence of a training batch [default: 128; train: 256]
    #[arg(long, value_name = "N", value_parser = count)]
    prompt: Option<usize>,
    /// Tokens to decode after the prompt
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = count)]
    pub new: usize,
    /// How often to measure; runs that warm up come on top
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = count)]
    pub repeat: usize,
    /// Divide the work over devices, as `raxla generate` and `raxla hlo` do: data=2,model=3
    #[arg(long, value_name = "AXES", value_parser = crate::options::axes)]
    pub mesh: Option<String>,
}

/// Sizes beyond which nothing can be counted.
const MOST: usize = 1 << 20;

/// A number of things, one at least.
pub fn count(number: &str) -> std::result::Result<usize, String> {
    let wrong = || format!("it must be a whole number from 1 to {MOST}");
    number.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(wrong)
}

impl Work {
    /// Rows of a batch.
    pub fn batch(&self, what: What) -> usize {
        self.batch.unwrap_or(if what == What::Train { 2 } else { 1 })
    }
    /// Tokens of each.
    pub fn prompt(&self, what: What) -> usize {
        self.prompt.unwrap_or(if what == What::Train { 256 } else { 128 })
    }
}

/// How the work is set up. A variant changes one of these.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How the model is held: layers, head, caches, kernels.
    pub load: LoadOptions,
    /// How it is trained.
    pub train: TrainOptions,
    /// The devices, as `--mesh` writes them.
    pub mesh: Option<String>,
    /// Keep what a step takes, instead of giving its memory to what it returns.
    pub kept: bool,
    /// Prompts and caches of exactly the length that is asked for, not of a bucket's.
    pub exact: bool,
}

impl Settings {
    /// As the command line asks. What is left to the library is written out, so that a variant that changes nothing is seen.
    pub fn new(global: &Global, model: &ModelArgs, work: &Work) -> Settings {
        let mut load = model.options();
        // (of a narrower dtype, parameters and the optimizer stay f32, as `raxla train` has it)
        let precision = match load.dtype {
            None | Some(DType::F32) => Policy::default(),
            Some(dtype) if dtype.bits() > 32 => Policy { param: Some(dtype), ..Policy::default() },
            Some(dtype) => Policy::compute(dtype),
        };
        let train = TrainOptions { precision, ..TrainOptions::default() };
        if load.tied_head == TiedHead::Auto {
            load.tied_head = if global.platform() == "cpu" { TiedHead::Copy } else { TiedHead::Share };
        }
        load.cache_dtype = load.cache_dtype.or(load.dtype);
        load.dispatch = Some(Dispatch::Grouped);
        Settings { load, train, mesh: work.mesh.clone(), kept: false, exact: false }
    }
    /// The client, and the mesh if there is one; the mesh is the model's from now on.
    pub fn devices(&mut self, global: &Global) -> Result<(Client, Option<Mesh>)> {
        let Some(axes) = &self.mesh else { return Ok((global.client()?, None)) };
        let (client, mesh) = global.mesh(axes)?;
        self.load.mesh = Some(mesh.clone());
        Ok((client, Some(mesh)))
    }
    /// Dtype of parameters and activations.
    pub fn dtype(&self) -> Result<DType> {
        Ok(self.load.dtype()?)
    }
    /// What a figure says of them.
    pub fn config(&self, what: What, model: &ModelArgs, work: &Work, variant: &str) -> Map<String, Value> {
        let load = &self.load;
        let head = if load.tied_head == TiedHead::Share { "shared" } else { "copied" };
        let dtype = load.dtype.unwrap_or(DType::F32).to_string();
        let mut all = json!({
            "variant": variant, "model": model.model, "dtype": dtype, "random_weights": model.random_weights,
            "batch": work.batch(what), "prompt": work.prompt(what), "new": work.new, "repeat": work.repeat,
            "mesh": self.mesh, "scan": load.scanned, "head": head, "matrices": model.matrices(),
            "kernels": load.matrices != Matrices::Dense, "arithmetic": load.arithmetic.name(),
            "adapter": load.adapter.as_ref().map(|dir| dir.display().to_string()),
            "cache_dtype": load.cache_dtype.map(|d| d.to_string()), "optimized_build": !cfg!(debug_assertions),
        });
        let mut leave_out =
            |keys: &[&str]| keys.iter().for_each(|key| drop(all.as_object_mut().map(|m| m.remove(*key))));
        match what {
            What::Decode | What::Load | What::Compile => {}
            What::Prefill => leave_out(&["new"]),
            What::Train => leave_out(&["new", "matrices", "kernels", "arithmetic", "adapter", "cache_dtype"]),
            What::Dispatch => leave_out(&[
                "model",
                "dtype",
                "random_weights",
                "batch",
                "prompt",
                "new",
                "mesh",
                "scan",
                "head",
                "cache_dtype",
                "matrices",
                "kernels",
                "arithmetic",
                "adapter",
            ]),
            What::Kernels => leave_out(&[
                "model",
                "random_weights",
                "batch",
                "prompt",
                "new",
                "mesh",
                "scan",
                "head",
                "cache_dtype",
                "matrices",
                "kernels",
                "arithmetic",
                "adapter",
            ]),
        }
        all.as_object_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// What cannot be measured as asked.
///
/// # Errors
/// Wrong use of the command line.
pub fn check(what: What, work: &Work) -> Result {
    match what {
        What::Decode if work.new < 4 => {
            Err(usage("--new must be at least 4: the first steps warm up, and are not counted").into())
        }
        What::Dispatch | What::Kernels | What::Load if work.mesh.is_some() => {
            let name = what.to_possible_value().map_or(String::new(), |v| v.get_name().to_string());
            Err(usage(format!("`bench {name}` is of one device: leave out --mesh")).into())
        }
        _ => of_mesh(what, work),
    }
}

/// Rows are divided over the mesh, as many to each part.
fn of_mesh(what: What, work: &Work) -> Result {
    let parts = work.mesh.as_deref().map_or(Ok(1), variants::parts_of_rows)?;
    if !work.batch(what).is_multiple_of(parts) {
        let (mesh, rows) = (work.mesh.as_deref().unwrap_or_default(), work.batch(what));
        let why = format!("--mesh {mesh} divides the rows of a batch by {parts}, and --batch is {rows}");
        return Err(usage(format!("{why}\n  help: choose a --batch that {parts} divides, or another mesh")).into());
    }
    Ok(())
}
