//! Runs of training: from a configuration to a trained model, with checkpoints, metrics and plots on the way. What `raxla train`
//! does.
//!
//! ```no_run
//! use raxla_graphs::training::run::{Run, RunConfig, RunOptions};
//! let config = RunConfig::parse(&std::fs::read_to_string("run.toml")?, "run.toml")?;
//! let client = raxla::runtime::client()?;
//! let mut report = |event: &_| println!("{event:?}");
//! let outcome = Run::open(config, RunOptions::on(&client), &mut report)?.train(&mut report)?;
//! println!("{} steps, last loss {:?}", outcome.step, outcome.loss);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The folder of a run
//! ```text
//! checkpoints/step_00000100/   parameters, optimizer and everything else that a run is resumed from (see `raxla::checkpoint`)
//! metrics.jsonl                each step and each evaluation, a JSON object a line
//! training.svg, training.png   loss and learning rate
//! tensorboard/                 event files
//! model/                       at the end, the model as a Hugging Face folder; or
//! adapter/                     what was trained beside a model, as PEFT writes it
//! ```
//! # Resuming
//! A checkpoint holds the parameters, the optimizer's state (the scale of the loss in it), and beside them the step, the position in the
//! data, how many tokens were learned from, and the configuration. Whatever else a step depends on is the configuration. So a run that
//! is resumed takes the same steps as one that never ended, to the bit, on the same devices; lines of metrics.jsonl behind the
//! checkpoint are taken off, and written again.
#[doc = include_str!("../../../../docs/training.md")]
#[cfg(doctest)]
struct TrainingDoctests;

mod changes;
pub mod config;
mod error;
mod evaluate;
pub mod events;
mod input;
mod keep;
pub mod metrics;
mod open;
mod plots;
mod site;
mod steps;
mod together;
mod trainer;

pub use changes::Change;
pub use config::{ConfigError, DatasetConfig, RunConfig, TEMPLATE};
pub use error::{Error, Result};
pub use evaluate::Evaluation;
pub use input::{HeldOut, Input};
pub use open::{Run, RunOptions};
pub use plots::draw;
pub use steps::Outcome;
pub use trainer::{RunState, Trained};

use metrics::{EvalRecord, StepRecord};
use raxla_data::{BuildProgress, CacheStats};
use std::{path::PathBuf, time::Duration};

/// What happens in a run, for whoever looks on.
#[derive(Clone, Debug)]
pub enum Event {
    /// Text becomes tokens.
    Tokenising {
        /// The dataset.
        name: String,
        /// How far it is.
        progress: BuildProgress,
    },
    /// The tokens of a dataset are there.
    Data {
        /// The dataset.
        name: String,
        /// What is known of it.
        stats: CacheStats,
    },
    /// The run goes on with another configuration than the one of its newest checkpoint.
    Changed {
        /// The fields that differ.
        changes: Vec<Change>,
    },
    /// A checkpoint was passed over, because it is damaged.
    Damaged {
        /// Its step.
        step: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The run begins, or goes on.
    Begin {
        /// Steps that have been taken.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Parameters that are trained.
        parameters: u64,
        /// Parameters that stay as they are.
        frozen: u64,
        /// Tokens of a step that are predicted, padding included.
        tokens: u64,
        /// Operations of a step, without those that are done again; with the peak, what utilisation is computed from.
        flops: f64,
    },
    /// The step is compiled.
    Compiled {
        /// How long that took.
        time: Duration,
    },
    /// A step was taken.
    Step {
        /// Its number, from 1.
        step: u64,
        /// What is known of it.
        record: StepRecord,
    },
    /// The model was tried on held-out data.
    Eval {
        /// Steps that have been taken.
        step: u64,
        /// What came out.
        record: EvalRecord,
    },
    /// A batch was not learned from.
    NotFinite {
        /// The step that was not taken.
        step: u64,
        /// The first number that is not finite.
        site: String,
        /// What is done.
        action: String,
    },
    /// A checkpoint is written.
    Saving {
        /// Its step.
        step: u64,
    },
    /// A checkpoint is on the disk.
    Saved {
        /// Its step.
        step: u64,
    },
    /// The trained model, or the trained adapter, is on the disk.
    Model {
        /// Its folder.
        path: PathBuf,
    },
}

/// Whoever looks on.
pub type Reporter<'a> = dyn FnMut(&Event) + Send + 'a;
