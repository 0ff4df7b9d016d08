//! One measured figure: what it is called, its value, and what it means beside the machine's limits.
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Times of repeated runs, in seconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    /// Nine runs of ten were no slower.
    pub p90: f64,
    /// How many runs, without those that warm up.
    pub samples: usize,
}

impl Spread {
    /// Of these times, of which there is at least one.
    pub fn of(mut seconds: Vec<f64>) -> Spread {
        seconds.sort_by(f64::total_cmp);
        let n = seconds.len();
        let at = |share: f64| seconds[((n as f64 * share) as usize).min(n - 1)];
        // (of an even number of runs, half-way between the two in the middle)
        let median = (seconds[(n - 1) / 2] + seconds[n / 2]) / 2.0;
        Spread { min: at(0.0), median, p90: at(0.9), samples: n }
    }
}

/// What a machine can do at most, measured in the same run, and how much of it a figure is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limit {
    /// `read bandwidth`, or `products of f32`.
    pub of: String,
    /// In bytes per second, or floating-point operations per second.
    pub value: f64,
    /// From 0 to 1.
    pub share: f64,
}

/// The plugin that ran it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    pub platform: String,
    /// What the plugin says of itself.
    pub version: String,
    /// The version of its API.
    pub pjrt: String,
}

/// One figure, as a line of `--json`. The programs of other systems print the first three fields, and perhaps others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    pub system: String,
    pub metric: String,
    pub value: f64,
    #[serde(default)]
    pub unit: String,
    /// Tokens that a training step takes in per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tok_s: Option<f64>,
    /// The times behind the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Spread>,
    /// Bytes of weights and caches that one run has to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<f64>,
    /// Floating-point operations of one run, by the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flops: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Tracing, lowering and compiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compile_ms: Option<f64>,
    /// What the compiled program takes on each device, its arguments included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_bytes: Option<u64>,
    /// The most that the whole process had in memory at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
    /// What was run: model, dtype, sizes, variant.
    #[serde(default)]
    pub config: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Plugin>,
}

impl Figure {
    /// A value by itself.
    pub fn new(metric: &str, value: f64, unit: &str) -> Figure {
        Figure {
            system: "raxla".into(),
            metric: metric.into(),
            value,
            unit: unit.into(),
            tok_s: None,
            seconds: None,
            bytes: None,
            flops: None,
            limit: None,
            compile_ms: None,
            planned_bytes: None,
            peak_rss_bytes: None,
            config: Map::new(),
            machine: None,
            plugin: None,
        }
    }
    /// So much per run, as a rate: `tok/s`.
    pub fn rate(metric: &str, amount: f64, unit: &str, seconds: Vec<f64>) -> Figure {
        let spread = Spread::of(seconds);
        Figure { seconds: Some(spread), ..Figure::new(metric, amount / spread.median, unit) }
    }
    /// The time of one run in this unit: `s`, `ms` or `us`.
    pub fn time(metric: &str, unit: &str, seconds: Vec<f64>) -> Figure {
        let spread = Spread::of(seconds);
        let scale = if unit == "us" {
            1e6
        } else if unit == "ms" {
            1e3
        } else {
            1.0
        };
        Figure { seconds: Some(spread), ..Figure::new(metric, spread.median * scale, unit) }
    }

    /// Is more of it better?
    pub fn is_rate(&self) -> bool {
        self.unit.ends_with("/s") || self.metric.ends_with("_s") && self.metric.contains("tok_")
    }
    /// How good it is, to sort by: the less, the better.
    pub fn rank(&self) -> f64 {
        if self.is_rate() { -self.value } else { self.value }
    }
    /// The value in the worst and best of nine runs of ten; the value itself where there is no spread.
    pub fn range(&self) -> [f64; 2] {
        let Some(s) = self.seconds.filter(|s| s.min > 0.0) else { return [self.value; 2] };
        let [slow, fast] = [s.p90 / s.median, s.min / s.median];
        if self.is_rate() { [self.value / slow, self.value / fast] } else { [self.value * fast, self.value * slow] }
    }
    /// The variant that it is of.
    pub fn variant(&self) -> &str {
        self.config.get("variant").and_then(Value::as_str).unwrap_or("")
    }
    /// What is measured: its metric, behind the work where files of several works are shown together.
    pub fn subject(&self) -> String {
        match self.config.get("work").and_then(Value::as_str) {
            Some(work) => format!("{work}: {}", self.metric),
            None => self.metric.clone(),
        }
    }
    /// The dtype of its products, as limits are called.
    pub fn dtype(&self) -> &str {
        self.config.get("dtype").and_then(Value::as_str).unwrap_or("f32")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges() {
        let s = Spread::of(vec![4.0, 1.0, 3.0, 2.0, 10.0]);
        assert_eq!((s.min, s.median, s.p90, s.samples), (1.0, 3.0, 10.0, 5));
        let even = Spread::of(vec![4.0, 1.0]);
        assert_eq!((even.min, even.median, even.p90), (1.0, 2.5, 4.0));
        let rate = Figure::rate("decode_tok_s", 6.0, "tok/s", vec![4.0, 1.0, 3.0, 2.0, 10.0]);
        assert_eq!((rate.value, rate.range()[1], rate.is_rate()), (2.0, 6.0, true));
        assert!((rate.range()[0] - 0.6).abs() < 1e-12 && rate.rank() < 0.0);
        let time = Figure::time("load_s", "ms", vec![0.5]);
        assert_eq!((time.value, time.range(), time.is_rate()), (500.0, [500.0; 2], false));
    }

    #[test]
    fn the_lines_of_other_programs_are_figures() {
        let line = r#"{"system": "torch", "metric": "decode_tok_s", "value": 26, "size": "124M", "gb_s": 12.5}"#;
        let figure: Figure = serde_json::from_str(line).unwrap();
        assert!(figure.is_rate() && figure.range() == [26.0; 2] && figure.variant().is_empty());
    }
}
