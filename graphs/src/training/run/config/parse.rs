//! From text to a configuration: what is wrong is said with its line and the nearest right name.
use super::RunConfig;
use serde::Deserialize;
use std::fmt;
use toml::{Table, Value};

/// A configuration that cannot be understood, or makes no sense.
#[derive(Clone, PartialEq)]
pub struct ConfigError {
    /// The file and line, or the setting of the command line.
    pub place: String,
    /// What is wrong, and after `help:` the remedy.
    pub reason: String,
}
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}
/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl std::error::Error for ConfigError {}
impl ConfigError {
    pub(in super::super) fn new(place: impl Into<String>, reason: impl Into<String>) -> ConfigError {
        ConfigError { place: place.into(), reason: reason.into() }
    }
}

impl RunConfig {
    /// The configuration that this TOML says; `file` is its name in messages. What it does not say has its default.
    ///
    /// # Errors
    /// What is not TOML; fields that do not exist, with the nearest name; values of another type. All with their line.
    pub fn parse(text: &str, file: &str) -> Result<RunConfig, ConfigError> {
        toml::from_str(text).map_err(|e| {
            let line = e.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let place = line.map_or_else(|| file.to_string(), |line| format!("{file}, line {line}"));
            ConfigError::new(place, explained(e.message()))
        })
    }

    /// With one field as `path=value` says, such as `optimizer.learning_rate=3e-4`. A value is TOML, or else a text.
    ///
    /// # Errors
    /// A field that does not exist, with the nearest name; a value of another type.
    pub fn with(&self, setting: &str) -> Result<RunConfig, ConfigError> {
        let wrong = |reason: String| ConfigError::new(format!("--set {setting}"), reason);
        let Some((path, value)) = setting.split_once('=') else {
            let help = "say a field and its value, as in optimizer.learning_rate=3e-4";
            return Err(wrong(format!("it has no `=`\n  help: {help}")));
        };
        let value = match toml::from_str::<Table>(&format!("value = {value}")).map(|mut table| table.remove("value")) {
            Ok(Some(value)) => value,
            // (a number that is no TOML is not meant as a text)
            Err(_) if value.trim().parse::<f64>().is_ok() => return Err(wrong("TOML has no such number".to_string())),
            _ => Value::String(value.trim().to_string()),
        };
        let mut all = Value::try_from(self).map_err(|e| wrong(e.to_string()))?;
        *field(&mut all, path.trim()).map_err(wrong)? = value;
        RunConfig::deserialize(all).map_err(|e| wrong(explained(e.message())))
    }
}

/// The place of a field in a table of tables and lists; it is made, if it is not there.
fn field<'a>(all: &'a mut Value, path: &str) -> Result<&'a mut Value, String> {
    let mut at = all;
    for name in path.split('.') {
        at = match at {
            Value::Table(table) => table.entry(name).or_insert_with(|| Value::Table(Table::new())),
            Value::Array(list) => {
                let n = list.len();
                let index = name.parse::<usize>().ok().filter(|i| *i < n);
                let none = || format!("`{name}` is no number of the list, which has {n}, from 0 on");
                &mut list[index.ok_or_else(none)?]
            }
            _ => return Err(format!("there is no field `{path}`: what stands before `{name}` is a value")),
        };
    }
    Ok(at)
}

/// serde's message, with the nearest right name in place of a long list.
fn explained(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (kind, [wrong, known @ ..]) = (message.split('`').next().unwrap_or_default().trim(), &quoted[..]) else {
        return message.to_string();
    };
    if !matches!(kind, "unknown field" | "unknown variant") {
        return message.to_string();
    }
    let near = known.iter().map(|name| name.to_string()).max_by(|a, b| {
        let likeness = |name: &str| strsim::jaro_winkler(name, wrong);
        likeness(a).total_cmp(&likeness(b))
    });
    let near = elsewhere(wrong).or(near).map(|name| format!("\n  help: did you mean `{name}`? ")).unwrap_or_default();
    let all = if known.is_empty() { String::new() } else { format!("there are {}", known.join(", ")) };
    let sentence = if near.is_empty() { String::new() } else { format!("{near}{all}") };
    format!("{kind} `{wrong}`{sentence}")
}

/// Where a field of this name is, in one of the tables.
fn elsewhere(name: &str) -> Option<String> {
    let Ok(Value::Table(all)) = Value::try_from(RunConfig::default()) else { return None };
    let has = |value: &Value| value.as_table().is_some_and(|table| table.contains_key(name));
    all.iter().find(|(_, value)| has(value)).map(|(table, _)| format!("{table}.{name}"))
}
