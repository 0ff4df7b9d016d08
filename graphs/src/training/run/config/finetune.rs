//! What fine-tuning is told: corrections of low rank, and what is made small.
use super::{ConfigError, RunConfig, build::one_of};
use crate::{
    adapters::{LoraConfig, Modules},
    training::{Objective, Preference, PreferenceLoss},
};
use raxla::{DType, prim::Format};
use serde::{Deserialize, Serialize};

/// Corrections of low rank, which are trained beside a model that stays as it is. Defaults are PEFT's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraSettings {
    /// Rank of the corrections; PEFT's `r`.
    pub rank: usize,
    /// A correction counts `alpha / rank`; PEFT's `lora_alpha`.
    pub alpha: f64,
    /// It counts `alpha / √rank` in place of that; PEFT's `use_rslora`.
    pub rslora: bool,
    /// Columns have lengths of their own; PEFT's `use_dora`.
    pub dora: bool,
    /// With which probability an input of a correction is zero in training.
    pub dropout: f64,
    /// The matrices; those that make queries and values if not said. PEFT's `target_modules`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// What the model is held in: a dtype, `stored` (matrices as the file has them, in 16 bits or in blocks), or a format to which
    /// they are quantised, such as q8_0 or q4_k. As `precision.param` if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}
impl Default for LoraSettings {
    fn default() -> LoraSettings {
        let LoraConfig { r: rank, lora_alpha: alpha, lora_dropout: dropout, .. } = LoraConfig::default();
        LoraSettings { rank, alpha, rslora: false, dora: false, dropout, targets: None, base: None }
    }
}
impl LoraSettings {
    /// As PEFT says it.
    pub fn config(&self) -> LoraConfig {
        let target_modules = self.targets.clone().map(|targets| match targets {
            Targets::Text(text) => Modules::text(&text),
            Targets::Names(names) => Modules::Named(names),
        });
        LoraConfig {
            r: self.rank,
            lora_alpha: self.alpha,
            lora_dropout: self.dropout,
            use_rslora: self.rslora,
            use_dora: self.dora,
            target_modules,
            ..LoraConfig::default()
        }
    }
}

/// Some matrices of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected all-linear, a regular expression, or a list of names and patterns")]
pub enum Targets {
    /// `all-linear`, or a regular expression of whole names.
    Text(String),
    /// Names of modules or their ends, or patterns with `*` of names or of paths.
    Names(Vec<String>),
}

/// How a model that stays as it is is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Base {
    /// As arrays of this dtype.
    Dense(DType),
    /// Matrices packed, as the file has them.
    Stored,
    /// Matrices packed in this format.
    Quantised(Format),
}

impl RunConfig {
    /// How the model that stays as it is is held.
    ///
    /// # Errors
    /// A name that is none of a dtype or format; packed matrices beside activations that are not f32.
    pub fn base(&self) -> Result<Base, ConfigError> {
        let said = self.lora.as_ref().and_then(|lora| lora.base.as_deref());
        let formats: Vec<String> =
            Format::ALL.iter().filter(|f| !f.is_plain()).map(|f| f.name().to_lowercase()).collect();
        let floats = ["f32", "bf16", "f16", "f64"];
        let known: Vec<&str> = floats.into_iter().chain(["stored"]).chain(formats.iter().map(String::as_str)).collect();
        let name = one_of("lora.base", said.unwrap_or(&self.precision.param), &known)?;
        if let Some(dtype) = name.parse().ok().filter(|_| floats.contains(&name)) {
            return Ok(Base::Dense(dtype));
        }
        if self.precision.compute != "f32" {
            let reason = format!(
                "`{name}` packs matrices, and products with them are f32\n  help: say precision.compute = \"f32\", or \
                 lora.base = \"{}\"",
                self.precision.compute
            );
            return Err(ConfigError::new("`lora.base`", reason));
        }
        Ok(Format::ALL.into_iter().find(|f| f.name().eq_ignore_ascii_case(name)).map_or(Base::Stored, Base::Quantised))
    }
}

/// What is made small, besides what `loss` says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// next_token, or dpo: that one answer is preferred to another.
    pub kind: ObjectiveKind,
    /// Of dpo: how far the model may go from what it was; the smaller, the further.
    pub beta: f64,
    /// Of dpo: how often a pair is taken to be labelled the wrong way round.
    pub label_smoothing: f64,
    /// Of dpo: which loss: sigmoid, hinge or ipo.
    pub loss_type: LossType,
}
impl Default for ObjectiveConfig {
    fn default() -> ObjectiveConfig {
        let Preference { beta, label_smoothing, .. } = Preference::default();
        ObjectiveConfig { kind: ObjectiveKind::NextToken, beta, label_smoothing, loss_type: LossType::Sigmoid }
    }
}

/// What is made small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveKind {
    /// The negative log-likelihood of each token.
    #[default]
    NextToken,
    /// Direct preference optimization: [`Preference`].
    Dpo,
}

/// A loss of preferences: [`PreferenceLoss`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum LossType {
    #[default]
    Sigmoid,
    Hinge,
    Ipo,
}

impl RunConfig {
    /// What is made small.
    pub(super) fn objective(&self) -> Result<Objective, ConfigError> {
        let ObjectiveConfig { kind, beta, label_smoothing, loss_type } = self.objective;
        let wrong = |field: &str, reason: &str| Err(ConfigError::new(format!("`{field}`"), reason));
        let default = ObjectiveConfig::default();
        if kind == ObjectiveKind::NextToken {
            return match (beta, label_smoothing, loss_type) == (default.beta, 0.0, default.loss_type) {
                true => Ok(Objective::NextToken),
                false => wrong("objective", "beta, label_smoothing and loss_type are of kind = \"dpo\""),
            };
        }
        if !(beta.is_finite() && beta > 0.0) {
            return wrong("objective.beta", "say more than 0: 0.1 is usual");
        }
        if !(0.0..0.5).contains(&label_smoothing) {
            return wrong("objective.label_smoothing", "it is from 0 to below 0.5");
        }
        let loss = &self.loss;
        if [loss.z_loss, loss.label_smoothing, loss.balance] != [0.0; 3] {
            return wrong(
                "loss",
                "z_loss, label_smoothing and balance are without effect beside objective.kind = \"dpo\"",
            );
        }
        let loss_type = match loss_type {
            LossType::Sigmoid => PreferenceLoss::Sigmoid,
            LossType::Hinge => PreferenceLoss::Hinge,
            LossType::Ipo => PreferenceLoss::Ipo,
        };
        Ok(Objective::Preference(Preference { beta, label_smoothing, loss_type }))
    }
}
