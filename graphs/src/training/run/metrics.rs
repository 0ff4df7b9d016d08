//! metrics.jsonl: one JSON object a line, for each step and each evaluation. The file is what everything else is drawn from.
use super::{Error, Result};
use raxla_xla::{Draft, read_text};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The step of the optimizer that was taken, from 1; of an evaluation, how many have been.
    pub step: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A step.
    Train(StepRecord),
    /// The model was tried on held-out data.
    Eval(EvalRecord),
    /// A batch was not learned from.
    NotFinite {
        /// The first number that is not finite.
        site: String,
        /// What was done.
        action: String,
    },
}

/// A step of the optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The mean loss of its batch before it, in nats per token; of preferences, of pairs.
    pub loss: Option<f64>,
    /// The norm of the gradient before it is clipped.
    pub gradient_norm: Option<f64>,
    /// The learning rate, if the optimizer has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Of preferences, the part of the pairs whose chosen sequence has the larger reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Of preferences, by how much the reward of the chosen sequence is larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Whether loss and gradient were finite. Where they were not, the scale of the loss was made smaller, and nothing learned.
    pub finite: bool,
    /// Tokens that were learned from since the first step.
    pub tokens: u64,
    /// How long it took, in seconds; the first one of a process is compiled before.
    pub seconds: f64,
    /// Tokens per second, padding and context included.
    pub tokens_per_second: f64,
    /// The model's operations in a second, without those that are done again, as a part of what was measured to be possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfu: Option<f64>,
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalRecord {
    /// The name of the dataset; all of them together, if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// Nats per token.
    pub eval_loss: f64,
    /// `exp(loss)`, where the loss is one of tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<f64>,
    /// The sum of all losses over the bytes of the texts that the tokens stand for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats_per_byte: Option<f64>,
    /// Of preferences, the part of the pairs whose chosen sequence has the larger reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Of preferences, by how much the reward of the chosen sequence is larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Tokens that were predicted; pairs that were compared.
    pub tokens: u64,
}

/// The file, and what is in it.
pub struct Metrics {
    path: PathBuf,
    /// `None` where another process writes it.
    file: Option<File>,
    /// All lines.
    pub records: Vec<Record>,
}

impl Metrics {
    /// Opens the file to go on behind this step: what was written later, or only in part, is taken off. From step 0 on it is
    /// begun anew.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn open(path: &Path, step: u64) -> Result<Metrics> {
        let kept = if step == 0 { vec![] } else { lines(path)? };
        let (mut text, mut records) = (String::new(), vec![]);
        // (as they are: a number that is read and written again may have another last digit)
        for (line, record) in kept.into_iter().filter(|(_, record)| record.step <= step) {
            text += &(line + "\n");
            records.push(record);
        }
        Draft::write(path, text.as_bytes()).map_err(Error::written(path))?;
        let file = File::options().append(true).open(path).map_err(Error::written(path))?;
        Ok(Metrics { path: path.into(), file: Some(file), records })
    }
    /// Of a process that leaves the file to another.
    pub fn unwritten(path: &Path) -> Metrics {
        Metrics { path: path.into(), file: None, records: vec![] }
    }
    /// Adds a line.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn add(&mut self, record: Record) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(line(&record).as_bytes()).map_err(Error::written(&self.path))?;
        }
        self.records.push(record);
        Ok(())
    }
    /// Brings all lines to the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&mut self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.sync_data().map_err(Error::written(&self.path)))
    }
    /// Takes off what was written after this step.
    ///
    /// # Errors
    /// As [`Metrics::open`].
    pub fn cut(&mut self, step: u64) -> Result<()> {
        self.sync()?;
        match self.file {
            Some(_) => *self = Metrics::open(&self.path.clone(), step)?,
            None => self.records.retain(|record| record.step <= step),
        }
        Ok(())
    }
}

/// The lines of a file; none if it is not there. What is no line is passed over: a process that was killed may have left half
/// of one.
///
/// # Errors
/// A file that cannot be read.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    Ok(lines(path)?.into_iter().map(|(_, record)| record).collect())
}

/// Lines and what they say.
fn lines(path: &Path) -> Result<Vec<(String, Record)>> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(vec![]);
    }
    const MOST: u64 = 1 << 30;
    let text = read_text(path, MOST).map_err(Error::read(path))?;
    Ok(text.lines().filter_map(|line| Some((line.to_string(), serde_json::from_str(line).ok()?))).collect())
}

fn line(record: &Record) -> String {
    serde_json::to_string(record).unwrap_or_default() + "\n"
}
