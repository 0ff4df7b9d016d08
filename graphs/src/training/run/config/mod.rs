//! What a run is told: `run.toml`, with every field's default.
mod build;
mod finetune;
mod optimizers;
mod parse;

pub use build::Built;
pub use finetune::{Base, LoraSettings, LossType, ObjectiveConfig, ObjectiveKind, Targets};
pub use parse::ConfigError;

use raxla_data::{Fields, Format, Long, OnBad, Packing, Source, Split, Turns};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
};

/// A configuration with comments: every field, with its default. What `raxla train --init` writes.
pub const TEMPLATE: &str = include_str!("run.toml");

/// A run of training.
///
/// ```
/// use raxla_graphs::training::run::{RunConfig, TEMPLATE};
/// let config = RunConfig::parse("steps = 20\n[optimizer]\nname = 'lion'", "run.toml")?;
/// assert_eq!((config.steps, &*config.optimizer.name), (20, "lion"));
/// let config = config.with("optimizer.learning_rate=1e-4")?;
/// assert_eq!(config.optimizer.learning_rate, 1e-4);
/// let wrong = RunConfig::parse("steps = 20\n[optimizer]\nlerning_rate = 1", "run.toml").unwrap_err().to_string();
/// assert!(wrong.starts_with("run.toml, line 3: unknown field `lerning_rate`") && wrong.contains("`learning_rate`"));
/// assert_eq!(RunConfig::parse(TEMPLATE, "run.toml")?, RunConfig::default());
/// # Ok::<(), raxla_graphs::training::run::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The folder of the run: checkpoints, metrics, plots, and at the end the model.
    pub out: PathBuf,
    /// How many steps of the optimizer.
    pub steps: u64,
    /// How often the training data are gone through, in place of `steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
    /// Rows of a step, over all devices and microbatches.
    pub batch: usize,
    /// In how many microbatches a step goes through them, one after the other.
    pub accumulation: usize,
    /// Of random weights, and of the order of the data.
    pub seed: u64,
    /// The axes of a mesh and their sizes, as `data=2,fsdp=2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mesh: Option<String>,
    /// In how many parts a batch goes through the stages of an axis `pipe`; one per stage if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub microbatches: Option<usize>,
    /// Divide the stream between layers along an axis `model` too.
    pub sequence: bool,
    /// Compute activations of a layer again in the backward pass, in place of keeping them.
    pub remat: bool,
    /// What is trained.
    pub model: ModelConfig,
    /// Train corrections of low rank alone, beside the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraSettings>,
    /// On what.
    pub data: DataConfig,
    /// By what.
    pub optimizer: OptimizerConfig,
    /// The learning rate over the steps.
    pub schedule: ScheduleConfig,
    /// In which dtypes.
    pub precision: PrecisionConfig,
    /// What is made small.
    pub objective: ObjectiveConfig,
    /// How the loss of tokens is computed, and what is added to it.
    pub loss: LossConfig,
    /// What is saved on the way.
    pub checkpoint: CheckpointConfig,
    /// How often the model is tried on held-out data.
    pub eval: EvalConfig,
    /// What is written down.
    pub log: LogConfig,
    /// What happens where numbers stop being finite.
    pub nan: NanConfig,
}
impl Default for RunConfig {
    fn default() -> RunConfig {
        RunConfig {
            out: "run".into(),
            steps: 1000,
            epochs: None,
            batch: 8,
            accumulation: 1,
            seed: 0,
            mesh: None,
            microbatches: None,
            sequence: false,
            remat: false,
            model: Default::default(),
            lora: None,
            data: Default::default(),
            optimizer: Default::default(),
            schedule: Default::default(),
            precision: Default::default(),
            objective: Default::default(),
            loss: Default::default(),
            checkpoint: Default::default(),
            eval: Default::default(),
            log: Default::default(),
            nan: Default::default(),
        }
    }
}

/// What is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// A preset, a folder, a file, or `hf:org/name`: as `--model` of `raxla generate`.
    pub path: String,
    /// Begin with random weights: only the configuration and the tokenizer of `path` are used.
    pub random: bool,
    /// In place of `path`: what config.json would say. The weights are random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
    /// A folder or a model whose tokenizer is used; that of `path` if not said. Beside `config`, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Hold layers as stacks and loop over them: programs compile in a time that does not grow with the number of layers.
    pub scan: bool,
}
impl Default for ModelConfig {
    fn default() -> ModelConfig {
        ModelConfig { path: "smollm2-135m".into(), random: false, config: None, tokenizer: None, scan: true }
    }
}

/// What is learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// What is trained on: several are mixed by their weights.
    pub train: Vec<DatasetConfig>,
    /// What the model is tried on. If there is none, what is held out of the training data.
    pub validation: Vec<DatasetConfig>,
    /// Which part of the records of each training set is held out: below 1 a fraction, else a number.
    pub holdout: f64,
    /// Tokens of a row that are predicted.
    pub length: usize,
    /// How records become rows: concat, concat_segments, pack or pad.
    pub packing: Packing,
    /// What becomes of records that are longer than a row: split, truncate or drop.
    pub long: Long,
    /// Which messages of the assistant are learned: all or last.
    pub turns: Turns,
    /// What becomes of records that cannot be used: refuse or skip.
    pub on_bad: OnBad,
    /// Whether rows come in a random order, in each epoch another.
    pub shuffle: bool,
    /// The folder of tokens; one beside raxla's programs if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// How many threads prepare batches.
    pub threads: usize,
}
impl Default for DataConfig {
    fn default() -> DataConfig {
        DataConfig {
            train: vec![],
            validation: vec![],
            holdout: 0.0,
            length: 512,
            packing: Packing::default(),
            long: Long::default(),
            turns: Turns::default(),
            on_bad: OnBad::default(),
            shuffle: true,
            cache: None,
            threads: 2,
        }
    }
}

/// Files with records of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// A file, a folder or a glob.
    pub path: String,
    /// A name, for messages and metrics; the path if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its share of rows, in proportion to the sum of all.
    #[serde(default = "one")]
    pub weight: f64,
    /// What the files are; what their names say if not said.
    #[serde(default)]
    pub format: Format,
    /// Where a document of a text file ends.
    #[serde(default)]
    pub split: Split,
    /// Which fields make a record.
    #[serde(default)]
    pub fields: Fields,
}
fn one() -> f64 {
    1.0
}
impl DatasetConfig {
    /// The files at this path.
    pub fn new(path: impl Into<String>) -> DatasetConfig {
        let Source { path, format, split, fields } = Source::new(path);
        DatasetConfig { path, name: None, weight: 1.0, format, split, fields }
    }
    /// The files at this path, with the fields that the first record of a file of JSON lines has: `text`; `messages`; `prompt` with
    /// `completion`; or `prompt`, `chosen` and `rejected`. Of folders, globs and compressed files nothing is guessed.
    pub fn guessed(path: impl Into<String>) -> DatasetConfig {
        let mut all = DatasetConfig::new(path);
        let lines = [".jsonl", ".ndjson", ".json"].iter().any(|end| all.path.ends_with(end));
        let first = lines.then(|| File::open(&all.path).ok()).flatten().and_then(|file| {
            const MOST: u64 = 1 << 20;
            let mut lines = BufReader::new(file.take(MOST)).lines().map_while(Result::ok);
            serde_json::from_str::<Map<String, Value>>(&lines.find(|line| !line.trim().is_empty())?).ok()
        });
        let Some(first) = first else { return all };
        let has = |name: &str| first.contains_key(name);
        let name = |name: &str| name.to_string();
        all.fields = match () {
            () if has("text") => all.fields,
            () if has("messages") => Fields::Messages(name("messages")),
            () if has("chosen") && has("rejected") => {
                Fields::Preference { prompt: name("prompt"), chosen: name("chosen"), rejected: name("rejected") }
            }
            () if has("prompt") && has("completion") => {
                Fields::Completion { prompt: name("prompt"), completion: name("completion") }
            }
            () => all.fields,
        };
        all
    }
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.path)
    }
    /// What it reads.
    pub fn source(&self) -> Source {
        let DatasetConfig { path, format, split, fields, .. } = self.clone();
        Source { path, format, split, fields }
    }
}

/// Which optimizer, and what it is told. Options that are not said are those of optax; of the others each optimizer has some.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Its name in optax.
    pub name: String,
    /// The learning rate, at its highest.
    pub learning_rate: f64,
    /// Gradients are scaled down to this norm; 0: never.
    pub clip_norm: f64,
    /// Every element of a gradient is limited to this; 0: never.
    pub clip_value: f64,
    /// Parameters that do not decay, by patterns of their paths.
    pub no_decay: Vec<String>,
    /// Part of a parameter that is taken off it at each step, times the learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// How much of the mean of gradients is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b1: Option<f64>,
    /// How much of the mean of squares is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b2: Option<f64>,
    /// Added to denominators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// How much of the sum of gradients is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// Nesterov's momentum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// How much of the mean of squares is kept (rmsprop).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<f64>,
}
impl Default for OptimizerConfig {
    fn default() -> OptimizerConfig {
        OptimizerConfig {
            name: "adamw".into(),
            learning_rate: 3e-4,
            clip_norm: 1.0,
            clip_value: 0.0,
            no_decay: vec![],
            weight_decay: None,
            b1: None,
            b2: None,
            eps: None,
            momentum: None,
            nesterov: None,
            decay: None,
        }
    }
}

/// The learning rate over the steps, as a factor on that of the optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// constant, linear, cosine, polynomial, exponential, inverse_sqrt, one_cycle or wsd.
    pub name: String,
    /// Steps in which it rises from 0 in a line.
    pub warmup_steps: u64,
    /// When it has reached its end; that of the run if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// What it ends at, as a part of the highest.
    pub end: f64,
    /// Of polynomial: the power.
    pub power: f64,
    /// Of exponential: the factor in the whole time.
    pub decay_rate: f64,
    /// Of wsd: the part of the steps in which it falls, at the end.
    pub decay_part: f64,
}
impl Default for ScheduleConfig {
    fn default() -> ScheduleConfig {
        ScheduleConfig {
            name: "cosine".into(),
            warmup_steps: 0,
            steps: None,
            end: 0.1,
            power: 1.0,
            decay_rate: 0.1,
            decay_part: 0.2,
        }
    }
}

/// In which dtypes numbers are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrecisionConfig {
    /// Parameters: f32, bf16, f16 or f64.
    pub param: String,
    /// Activations, and what products take.
    pub compute: String,
    /// Sums of gradients of several microbatches.
    pub accumulation: String,
    /// Parameters that computations take in another dtype than `compute`; the first that means one counts.
    pub exceptions: Vec<PrecisionException>,
    /// Scale the loss so that f16 can hold its derivatives: always, never, or auto: beside f16.
    pub loss_scale: LossScale,
}
impl Default for PrecisionConfig {
    fn default() -> PrecisionConfig {
        let f32 = || "f32".to_string();
        PrecisionConfig {
            param: f32(),
            compute: f32(),
            accumulation: f32(),
            exceptions: vec![],
            loss_scale: LossScale::Auto,
        }
    }
}

/// Parameters that computations take in another dtype.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrecisionException {
    /// A pattern of their paths: `*` stands for any text.
    pub path: String,
    /// The dtype.
    pub compute: String,
}

/// Whether the loss is scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossScale {
    /// Where parameters or activations are f16.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How the loss of tokens is computed, and what is added to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// For how many positions of each row at a time logits are computed.
    pub chunk: usize,
    /// How much the square of the logarithm of the softmax's sum counts.
    pub z_loss: f64,
    /// Which part of each target is spread over all tokens.
    pub label_smoothing: f64,
    /// How much the balance of experts counts.
    pub balance: f64,
}
impl Default for LossConfig {
    fn default() -> LossConfig {
        LossConfig { chunk: 1024, z_loss: 0.0, label_smoothing: 0.0, balance: 0.0 }
    }
}

/// What is saved on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// After how many steps each; 0: only at the end, and on a signal.
    pub every: u64,
    /// The folder; `checkpoints` in that of the run if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// How many of the last are kept.
    pub keep_last: usize,
    /// How many of those with the lowest loss on held-out data are kept.
    pub keep_best: usize,
    /// Those whose step is a multiple of this are kept; 0: none.
    pub keep_every: u64,
    /// Write while training goes on.
    pub asynchronous: bool,
}
impl Default for CheckpointConfig {
    fn default() -> CheckpointConfig {
        CheckpointConfig { every: 100, folder: None, keep_last: 2, keep_best: 1, keep_every: 0, asynchronous: true }
    }
}

/// How often the model is tried on held-out data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// After how many steps each, and at the end; 0: never.
    pub every: u64,
    /// On how many batches at most, always the same ones.
    pub batches: u64,
}
impl Default for EvalConfig {
    fn default() -> EvalConfig {
        EvalConfig { every: 100, batches: 20 }
    }
}

/// What is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// After how many steps a line is shown. metrics.jsonl has every step.
    pub every: u64,
    /// Draw loss and learning rate as SVG and PNG.
    pub plots: bool,
    /// Write event files for TensorBoard.
    pub tensorboard: bool,
    /// Measure what the machine can do, and tell which part of that the model does.
    pub utilisation: bool,
}
impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { every: 10, plots: true, tensorboard: true, utilisation: true }
    }
}

/// What happens where the loss or a gradient is not finite. The step is never taken: parameters stay as they were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NanConfig {
    /// stop, skip, or roll_back to the last checkpoint and leave out the batch.
    pub policy: NanPolicy,
    /// How often that may happen in a run.
    pub limit: u64,
}
impl Default for NanConfig {
    fn default() -> NanConfig {
        NanConfig { policy: NanPolicy::Stop, limit: 10 }
    }
}

/// What happens where numbers are not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NanPolicy {
    /// The run ends with an error that names the place.
    #[default]
    Stop,
    /// The batch is passed over.
    Skip,
    /// Parameters and optimizer become those of the last checkpoint; the data go on behind the batch.
    RollBack,
}
