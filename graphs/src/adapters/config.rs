//! What is adapted and how: the fields of `peft.LoraConfig`, and adapter_config.json.
use crate::{Error, LoadError, Result};
use raxla::optim::matches;
use regex::Regex;
use serde_json::{Map, Value, json};
use std::{fmt, path::Path};

/// How to adapt a model by corrections of low rank. Names and defaults are those of `peft.LoraConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    /// Rank of the corrections.
    pub r: usize,
    /// A correction counts `lora_alpha / r`, or with [`use_rslora`](LoraConfig::use_rslora) `lora_alpha / √r`.
    pub lora_alpha: f64,
    /// With which probability an input of a correction is zero in training.
    pub lora_dropout: f64,
    /// Rank-stabilised scaling (Kalajdzievski, 2023; arXiv 2312.03732).
    pub use_rslora: bool,
    /// Weight-decomposed adaptation (Liu et al., 2024; arXiv 2402.09353).
    pub use_dora: bool,
    /// The matrices that are adapted; `None`: those that make queries and values.
    pub target_modules: Option<Modules>,
    /// Of these, the ones that are not.
    pub exclude_modules: Option<Modules>,
    /// Only in layers of these numbers.
    pub layers_to_transform: Option<Vec<usize>>,
    /// Ranks of matrices whose names end so (or match so, as regular expressions), where they are not `r`.
    pub rank_pattern: Vec<(String, usize)>,
    /// Alphas likewise.
    pub alpha_pattern: Vec<(String, f64)>,
    /// Which biases are trained besides.
    pub bias: Bias,
    /// Modules of which a copy is trained whole, such as norms or an untied head.
    pub modules_to_save: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> LoraConfig {
        LoraConfig {
            r: 8,
            lora_alpha: 8.0,
            lora_dropout: 0.0,
            use_rslora: false,
            use_dora: false,
            target_modules: None,
            exclude_modules: None,
            layers_to_transform: None,
            rank_pattern: vec![],
            alpha_pattern: vec![],
            bias: Bias::None,
            modules_to_save: vec![],
        }
    }
}

/// Which biases are trained beside the corrections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bias {
    /// None.
    #[default]
    None,
    /// All of the model's.
    All,
    /// Those of the matrices that are adapted.
    LoraOnly,
}

/// Some of a model's matrices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modules {
    /// Those of these names: of modules as in checkpoints, whole or their ends (`q_proj`, `layers.0.self_attn.q_proj`); or, with `*`
    /// or `?` in them, patterns of such names or of paths in raxla's trees (`layers.*.mixer.q`).
    Named(Vec<String>),
    /// Those whose whole name in checkpoints matches a regular expression.
    Regex(String),
    /// `all-linear`: all matrices of the layers, but for routed experts and their routers. The head is not one of them.
    AllLinear,
}

impl fmt::Display for Modules {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Modules::Named(names) => f.write_str(&names.join(", ")),
            Modules::Regex(text) => f.write_str(text),
            Modules::AllLinear => f.write_str("all-linear"),
        }
    }
}
impl<S: Into<String>> FromIterator<S> for Modules {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Modules {
        Modules::Named(names.into_iter().map(Into::into).collect())
    }
}

impl Modules {
    /// As PEFT reads a text: `all-linear`, or a regular expression.
    pub fn text(text: &str) -> Modules {
        if text == "all-linear" { Modules::AllLinear } else { Modules::Regex(text.into()) }
    }
    /// Is the matrix of this path and this module one of them?
    pub(super) fn hold(&self, path: &str, module: &str) -> Result<bool> {
        Ok(match self {
            Modules::AllLinear => true,
            Modules::Regex(text) => whole(text, "target_modules")?.is_match(module),
            Modules::Named(names) => names.iter().any(|name| is_named(name, path, module)),
        })
    }
    /// Can PEFT read it as it is?
    pub(super) fn as_peft(&self) -> Option<Value> {
        match self {
            Modules::AllLinear => None,
            Modules::Regex(text) => Some(text.clone().into()),
            Modules::Named(names) if names.iter().any(|name| is_pattern(name)) => None,
            Modules::Named(names) => Some(json!(names)),
        }
    }
}

pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}
/// Does a name, the end of one, or a pattern mean the matrix of this path and module?
pub(super) fn is_named(name: &str, path: &str, module: &str) -> bool {
    match is_pattern(name) {
        true => matches(name, path) || matches(name, module),
        false => module.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
    }
}
/// A regular expression that matches whole texts.
fn whole(text: &str, field: &str) -> Result<Regex> {
    let help = "back-references and look-around are not understood: name the modules instead";
    Regex::new(&format!("^(?:{text})$")).map_err(|e| {
        let why = e.to_string().lines().last().unwrap_or_default().trim().to_string();
        Error::Usage(format!("`{field}`: `{text}` is no regular expression ({why})\n  help: {help}"))
    })
}

impl LoraConfig {
    /// The rank and the factor of the correction to this matrix; `None` if it has none.
    pub(super) fn of(&self, path: &str, module: &str, by_default: bool) -> Result<Option<(usize, f64)>> {
        let held = self.target_modules.as_ref().map_or(Ok(by_default), |modules| modules.hold(path, module))?;
        let excluded = self.exclude_modules.as_ref().map_or(Ok(false), |modules| modules.hold(path, module))?;
        let number = || module.split('.').find_map(|part| part.parse::<usize>().ok());
        let in_layer = self.layers_to_transform.as_ref().is_none_or(|all| number().is_some_and(|n| all.contains(&n)));
        if !held || excluded || !in_layer {
            return Ok(None);
        }
        let r = found(&self.rank_pattern, "rank_pattern", path, module)?.unwrap_or(self.r);
        let alpha = found(&self.alpha_pattern, "alpha_pattern", path, module)?.unwrap_or(self.lora_alpha);
        if r == 0 {
            return Err(Error::Usage(format!(
                "the rank of the correction to `{module}` is 0\n  help: `r` and the numbers of `rank_pattern` are at least 1"
            )));
        }
        Ok(Some((r, alpha / if self.use_rslora { (r as f64).sqrt() } else { r as f64 })))
    }

    /// Numbers in their ranges.
    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.lora_dropout) {
            let p = self.lora_dropout;
            return Err(Error::Usage(format!(
                "`lora_dropout` is {p}\n  help: it is a probability, from 0 up to but not 1"
            )));
        }
        if !self.lora_alpha.is_finite() {
            return Err(Error::Usage(
                "`lora_alpha` is no finite number\n  help: 16 and twice the rank are usual".into(),
            ));
        }
        Ok(())
    }

    /// What adapter_config.json says.
    ///
    /// # Errors
    /// Another method than LoRA, by its name; what raxla has not; values of the wrong type.
    pub fn from_json(text: &str, file: &Path) -> Result<LoraConfig, LoadError> {
        let error = |reason: String| LoadError::Config { file: file.display().to_string(), reason };
        let all: Map<String, Value> =
            serde_json::from_str(text).map_err(|e| error(format!("it is no JSON object: {e}")))?;
        Fields { all: &all, error: &error }.read()
    }

    /// adapter_config.json of an adapter for the model `base`, with these matrices as targets.
    pub(super) fn to_json(&self, base: &str, targets: &[String], fan_in_fan_out: bool) -> Value {
        let modules = |m: &Option<Modules>| m.as_ref().and_then(Modules::as_peft);
        let map = |pairs: Vec<(String, Value)>| Value::Object(pairs.into_iter().collect());
        json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base,
            "inference_mode": true,
            "r": self.r,
            "lora_alpha": number(self.lora_alpha),
            "lora_dropout": self.lora_dropout,
            "use_rslora": self.use_rslora,
            "use_dora": self.use_dora,
            "target_modules": modules(&self.target_modules).unwrap_or_else(|| json!(targets)),
            "exclude_modules": modules(&self.exclude_modules),
            "layers_to_transform": self.layers_to_transform,
            "rank_pattern": map(self.rank_pattern.iter().map(|(k, v)| (k.clone(), json!(v))).collect()),
            "alpha_pattern": map(self.alpha_pattern.iter().map(|(k, v)| (k.clone(), number(*v))).collect()),
            "bias": match self.bias { Bias::None => "none", Bias::All => "all", Bias::LoraOnly => "lora_only" },
            "modules_to_save": (!self.modules_to_save.is_empty()).then_some(&self.modules_to_save),
            "fan_in_fan_out": fan_in_fan_out,
            "init_lora_weights": true,
        })
    }
}

/// Whole numbers as such, as PEFT writes them.
fn number(x: f64) -> Value {
    if x.fract() == 0.0 && x.abs() < 1e15 { json!(x as i64) } else { json!(x) }
}

/// The value of the first pattern that means this module.
fn found<V: Copy>(patterns: &[(String, V)], field: &str, path: &str, module: &str) -> Result<Option<V>> {
    for (pattern, value) in patterns {
        // (PEFT: the end of a name, as a regular expression; `*` alone begins none)
        let held = match is_named(pattern, path, module) {
            true => true,
            false => whole(&format!(r"(?:.*\.)?(?:{pattern})"), field).is_ok_and(|r| r.is_match(module)),
        };
        if held {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

/// The fields of adapter_config.json.
struct Fields<'a> {
    all: &'a Map<String, Value>,
    error: &'a dyn Fn(String) -> LoadError,
}

/// Fields that change what an adapter is, and that raxla has not. With these values they say nothing.
const UNKNOWN: &[&str] = &[
    "megatron_config",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "lora_bias",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "layers_pattern",
    "monteclora_config",
    "kappa_tune_config",
];
/// Ways to begin that leave the base model as it is.
const BEGINNINGS: &[&str] = &["gaussian", "eva", "orthogonal"];

impl Fields<'_> {
    fn read(&self) -> Result<LoraConfig, LoadError> {
        let kind = self.text("peft_type")?.unwrap_or_default();
        if kind != "LORA" {
            let help = "raxla has LoRA with its variants rsLoRA and DoRA; merge others into the model with PEFT";
            return Err((self.error)(format!("adapters of `peft_type` {kind} are not known\n  help: {help}")));
        }
        if let Some(task) = self.text("task_type")?.filter(|task| task != "CAUSAL_LM") {
            return Err((self.error)(format!("`task_type` is {task}\n  help: language models have CAUSAL_LM")));
        }
        self.check_unknown()?;
        let default = LoraConfig::default();
        let flag = |key| self.get(key, "true or false", Value::as_bool).map(Option::unwrap_or_default);
        Ok(LoraConfig {
            r: self.get("r", "a whole number", as_size)?.unwrap_or(default.r),
            lora_alpha: self.get("lora_alpha", "a number", Value::as_f64)?.unwrap_or(default.lora_alpha),
            lora_dropout: self.get("lora_dropout", "a number", Value::as_f64)?.unwrap_or_default(),
            use_rslora: flag("use_rslora")?,
            use_dora: flag("use_dora")?,
            target_modules: self.modules("target_modules")?,
            exclude_modules: self.modules("exclude_modules")?,
            layers_to_transform: self.get("layers_to_transform", "numbers of layers", |v| {
                as_size(v).map(|n| vec![n]).or_else(|| v.as_array()?.iter().map(as_size).collect())
            })?,
            rank_pattern: self.pairs("rank_pattern", as_size)?,
            alpha_pattern: self.pairs("alpha_pattern", Value::as_f64)?,
            bias: match self.text("bias")?.as_deref() {
                None | Some("none") => Bias::None,
                Some("all") => Bias::All,
                Some("lora_only") => Bias::LoraOnly,
                Some(other) => return Err((self.error)(format!("`bias` is {other}, not none, all or lora_only"))),
            },
            modules_to_save: self.get("modules_to_save", "a list of names", texts)?.unwrap_or_default(),
        })
    }
    fn check_unknown(&self) -> Result<(), LoadError> {
        let says = |v: &&Value| !matches!(v, Value::Null | Value::Bool(false)) && **v != json!([]) && **v != json!({});
        if let Some((key, value)) = UNKNOWN.iter().find_map(|key| Some((key, self.all.get(*key).filter(says)?))) {
            let help = "merge the adapter into the model with PEFT (`merge_and_unload`), and load that";
            return Err((self.error)(format!("`{key}` is {value}, which raxla has not\n  help: {help}")));
        }
        match self.all.get("init_lora_weights") {
            Some(Value::String(way)) if !BEGINNINGS.contains(&way.as_str()) => {
                let help = "such adapters go with a base model that was changed for them: save it with PEFT's \
                            `path_initial_model_for_weight_conversion`, which makes a plain adapter of it";
                Err((self.error)(format!("`init_lora_weights` is {way}\n  help: {help}")))
            }
            _ => Ok(()),
        }
    }
    fn get<V>(&self, key: &str, what: &str, f: impl Fn(&Value) -> Option<V>) -> Result<Option<V>, LoadError> {
        match self.all.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(v) => f(v).map(Some).ok_or_else(|| (self.error)(format!("`{key}` is {v}, not {what}"))),
        }
    }
    fn text(&self, key: &str) -> Result<Option<String>, LoadError> {
        self.get(key, "a text", |v| v.as_str().map(String::from))
    }
    fn modules(&self, key: &str) -> Result<Option<Modules>, LoadError> {
        self.get(key, "a name or a list of names", |v| match v {
            Value::String(text) => Some(Modules::text(text)),
            list => texts(list).map(Modules::Named),
        })
    }
    fn pairs<V>(&self, key: &str, f: impl Fn(&Value) -> Option<V>) -> Result<Vec<(String, V)>, LoadError> {
        let all = |v: &Value| v.as_object()?.iter().map(|(k, v)| Some((k.clone(), f(v)?))).collect::<Option<Vec<_>>>();
        Ok(self.get(key, "an object of numbers", all)?.unwrap_or_default())
    }
}

fn as_size(v: &Value) -> Option<usize> {
    v.as_u64().and_then(|n| usize::try_from(n).ok())
}
fn texts(v: &Value) -> Option<Vec<String>> {
    v.as_array()?.iter().map(|v| v.as_str().map(String::from)).collect()
}
