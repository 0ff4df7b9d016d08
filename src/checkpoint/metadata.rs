//! What a checkpoint holds besides arrays.
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What lies beside the arrays of a checkpoint: metrics, by which the best is found, and any other values as JSON, such as the
/// configuration of a run and how far its data were read.
///
/// ```
/// use raxla::checkpoint::Metadata;
/// let metadata = Metadata::default().metric("loss", 2.5).with("epoch", &3)?.with("shape", &[8, 128])?;
/// assert_eq!(metadata.metrics["loss"], 2.5);
/// assert_eq!(metadata.get::<u64>("epoch")?, Some(3));
/// assert_eq!(metadata.get::<u64>("other")?, None);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Metrics, by name. They may be NaN or infinite, and are the best of none then.
    #[serde(with = "numbers")]
    pub metrics: BTreeMap<String, f64>,
    /// Everything else, by name.
    pub custom: Map<String, Value>,
}

impl Metadata {
    /// With this metric.
    pub fn metric(mut self, name: &str, value: f64) -> Metadata {
        self.metrics.insert(name.into(), value);
        self
    }
    /// With this value under this name, as its `Serialize` says.
    ///
    /// # Errors
    /// A value that JSON cannot express, such as a map by something else than text.
    pub fn with(mut self, name: &str, value: &impl Serialize) -> Result<Metadata> {
        let value = serde_json::to_value(value).map_err(|e| wrong(name, &e, "a value that JSON can express"))?;
        self.custom.insert(name.into(), value);
        Ok(self)
    }
    /// The value of this name; `None` if there is none.
    ///
    /// # Errors
    /// A value of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let read = |value: &Value| T::deserialize(value).map_err(|e| wrong(name, &e, "the type that was saved"));
        self.custom.get(name).map(read).transpose()
    }
}

fn wrong(name: &str, e: &serde_json::Error, want: &str) -> Error {
    let what = format!("metadata `{name}` of a checkpoint");
    Error::Mismatch { what, have: format!("something else ({e})"), want: want.into() }
}

/// Numbers as JSON has them, and those that it does not have as text.
mod numbers {
    use super::*;
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Other(String),
    }
    pub(super) fn serialize<S: Serializer>(metrics: &BTreeMap<String, f64>, s: S) -> Result<S::Ok, S::Error> {
        let number = |x: &f64| if x.is_finite() { Number::Finite(*x) } else { Number::Other(x.to_string()) };
        s.collect_map(metrics.iter().map(|(name, x)| (name, number(x))))
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let read = |(name, number): (String, Number)| match number {
            Number::Finite(x) => Ok((name, x)),
            Number::Other(text) => text.parse().map(|x| (name, x)).map_err(serde::de::Error::custom),
        };
        BTreeMap::<String, Number>::deserialize(d)?.into_iter().map(read).collect()
    }
}
