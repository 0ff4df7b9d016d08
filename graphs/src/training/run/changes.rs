//! In what a run that goes on differs from the one that saved.
use super::{Error, Result, RunConfig};
use raxla::checkpoint;
use serde_json::Value;
use std::{fmt, path::Path};

/// A field that has another value than when a checkpoint was saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its path in run.toml.
    pub field: String,
    /// What the checkpoint's run was told; `None`: nothing.
    pub was: Option<Value>,
    /// What this one is told.
    pub is: Option<Value>,
}
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "not said".to_string(), Value::to_string);
        write!(f, "{} is {}, and was {}", self.field, shown(&self.is), shown(&self.was))
    }
}

/// Fields (with all below them) that make a run another one: what is trained, by which optimizer, on what, in which order.
const ANOTHER_RUN: &[&str] = &[
    "model.path",
    "model.random",
    "model.config",
    "model.tokenizer",
    "lora.rank",
    "lora.alpha",
    "lora.rslora",
    "lora.dora",
    "lora.targets",
    "objective.kind",
    "optimizer.name",
    "seed",
    "data.train",
    "data.holdout",
    "data.length",
    "data.packing",
    "data.long",
    "data.turns",
    "data.shuffle",
];
/// Fields that no step depends on.
const BESIDE_THE_STEPS: &[&str] = &["out", "checkpoint", "log", "data.cache", "data.threads"];

impl RunConfig {
    /// The configuration that the newest checkpoint in this folder was saved with; `None` if there is none.
    ///
    /// # Errors
    /// A folder that cannot be read; a checkpoint of another version, whose configuration has other fields.
    pub fn saved(folder: &Path) -> Result<Option<RunConfig>> {
        let newest = folder.is_dir().then(|| checkpoint::latest(folder)).transpose()?.flatten();
        Ok(newest.map(|checkpoint| checkpoint.metadata().get("config")).transpose()?.flatten())
    }
}

/// The fields in which a run differs from the configuration of the checkpoint that it goes on from, but for those that no step depends on.
///
/// # Errors
/// Fields that make it another run.
pub(super) fn changes(was: &RunConfig, is: &RunConfig) -> Result<Vec<Change>> {
    let tables = [was, is].map(|config| serde_json::to_value(config).unwrap_or_default());
    let mut all = vec![];
    differences(&tables[0], &tables[1], String::new(), &mut all);
    let below = |field: &str, names: &[&str]| {
        names.iter().any(|name| field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    all.retain(|change| !below(&change.field, BESIDE_THE_STEPS));
    let another = |c: &&Change| c.field == "lora" || below(&c.field, ANOTHER_RUN);
    let refused: Vec<String> = all.iter().filter(another).map(Change::to_string).collect();
    if refused.is_empty() {
        return Ok(all);
    }
    let help = "go on as the run began, or begin another one in another folder (--out); one that begins with what was trained has \
                it as `model.path`";
    let reason = refused.join("\n  ");
    Err(Error::Usage(format!("this is not the run that was saved:\n  {reason}\n  help: {help}")))
}

/// Fields whose values differ, of tables in tables.
fn differences(was: &Value, is: &Value, at: String, all: &mut Vec<Change>) {
    let (Value::Object(a), Value::Object(b)) = (was, is) else {
        if was != is {
            let said = |value: &Value| Some(value.clone()).filter(|value| !value.is_null());
            all.push(Change { field: at, was: said(was), is: said(is) });
        }
        return;
    };
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let field = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        differences(a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null), field, all);
    }
}
