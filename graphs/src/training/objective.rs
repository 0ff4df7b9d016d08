//! Losses besides that of the next token: preferences (DPO) and distillation.
use super::{Batch, Losses, finetune::Frozen};
use crate::models::{Decoder, Input};
use raxla::{
    DType, Param, RematOptions, Tensor, Tree,
    nn::softplus,
    parallel::{data, tensor},
};

/// What is minimised.
#[derive(Clone, Debug, Default)]
pub enum Objective {
    /// The mean negative log-likelihood of each token, given those before it. Batches: tokens `[b, t + 1]`.
    #[default]
    NextToken,
    /// That one answer is preferred to another. Batches: tokens `[b, 2, t + 1]`, in each pair the chosen sequence first, with weights that
    /// leave prompts and padding out.
    Preference(Preference),
    /// To predict as another model does.
    Distillation(Box<Distillation>),
}

/// Direct preference optimization (Rafailov et al., 2023; arXiv 2305.18290). The reference is the frozen model without its corrections,
/// or log-probabilities that the batch brings ([`Batch::reference`]). Names and formulas are those of TRL's `DPOConfig`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preference {
    /// How far the model may go from the reference: the smaller, the further.
    pub beta: f64,
    /// How often a pair is taken to be labelled the wrong way round (conservative DPO; Mitchell, 2023).
    pub label_smoothing: f64,
    /// Which loss of the difference.
    pub loss_type: PreferenceLoss,
}
impl Default for Preference {
    fn default() -> Preference {
        Preference { beta: 0.1, label_smoothing: 0.0, loss_type: PreferenceLoss::Sigmoid }
    }
}

/// A loss of `d`, by how much more the model prefers the chosen sequence than the reference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreferenceLoss {
    /// `-ln σ(β d)`: DPO.
    Sigmoid,
    /// `max(0, 1 - β d)` (Zhao et al., 2023; arXiv 2305.10425).
    Hinge,
    /// `(d - 1 / 2β)²` of log-probabilities per token (Azar et al., 2023; arXiv 2310.12036).
    Ipo,
}

/// What a model makes of pairs: its reward for a sequence is β times how much likelier it finds it than the reference does. Means, f32
/// scalars; names and formulas are those of TRL's `rewards/accuracies` and `rewards/margins`.
#[derive(Tree, Clone, Copy, Debug, PartialEq)]
pub struct Rewards<T = Tensor> {
    /// Of how many pairs the chosen sequence has the larger reward: from 0 to 1.
    pub accuracy: T,
    /// By how much the reward of the chosen sequence is larger.
    pub margin: T,
}

impl Preference {
    /// The rewards of pairs, of what [`losses`](Preference::losses) takes.
    pub fn rewards(&self, model: Tensor, reference: Tensor) -> Rewards {
        let d = differences(model, reference);
        let mean = |x: Tensor| data::mean(x.cast(DType::F32).mean(..));
        Rewards { accuracy: mean(d.gt(0.0)), margin: mean(d * self.beta) }
    }
    /// The loss of each pair, `[b]`, of log-probabilities `[b, 2]` of whole sequences under the model and the reference, the chosen one
    /// first. For [`PreferenceLoss::Ipo`], log-probabilities per token.
    pub fn losses(&self, model: Tensor, reference: Tensor) -> Tensor {
        let d = differences(model, reference);
        let (beta, smoothing) = (self.beta, self.label_smoothing);
        match self.loss_type {
            // (-ln σ(x) = softplus(-x))
            PreferenceLoss::Sigmoid => softplus(d * -beta) * (1.0 - smoothing) + softplus(d * beta) * smoothing,
            PreferenceLoss::Hinge => (d * -beta + 1.0).maximum(0.0),
            PreferenceLoss::Ipo => (d - 1.0 / (2.0 * beta)).powi(2),
        }
    }
}

/// By how much more than the reference the model prefers the chosen sequences, `[b]`.
fn differences(model: Tensor, reference: Tensor) -> Tensor {
    let difference = |x: Tensor| (x.slice_axis(1, 0..1) - x.slice_axis(1, 1..2)).squeeze(1);
    difference(model) - difference(reference)
}

/// Knowledge distillation (Hinton et al., 2015; arXiv 1503.02531): `hard · L + (1 - hard) · T² · KL`, where `L` is the loss of the next
/// token, and the divergence is between the predictions of teacher and student at temperature `T`.
#[derive(Clone, Debug)]
pub struct Distillation {
    /// The specification of the teacher, of the same vocabulary.
    pub teacher: Decoder<Param>,
    /// What logits are divided by.
    pub temperature: f64,
    /// The share of the loss of the next token.
    pub hard: f64,
    /// `KL(student ‖ teacher)`, which seeks what the teacher finds likely, in place of `KL(teacher ‖ student)`, which covers it
    /// (Gu et al., 2023; arXiv 2306.08543).
    pub reverse: bool,
}
impl Distillation {
    /// Of this teacher, forward, at temperature 1, without a hard loss.
    pub fn of(teacher: Decoder<Param>) -> Distillation {
        Distillation { teacher, temperature: 1.0, hard: 0.0, reverse: false }
    }

    /// The loss of each token `[b, t]`, of logits `[b, t, vocab]` and the tokens that follow `[b, t]`. Devices along `model` may
    /// have some columns each.
    pub fn losses(&self, student: Tensor, teacher: Tensor, targets: Tensor) -> Tensor {
        let [student_log, teacher_log] =
            [student, teacher].map(|logits| tensor::log_softmax(logits.cast(DType::F32) / self.temperature));
        let (p, q) = if self.reverse { (student_log, teacher_log) } else { (teacher_log, student_log) };
        let divergence = tensor::sum_over_vocab(p.exp() * (p - q)) * self.temperature.powi(2);
        match self.hard {
            0.0 => divergence,
            hard => tensor::token_losses(student.cast(DType::F32), targets) * hard + divergence * (1.0 - hard),
        }
    }
}

/// The last hidden states `[b, t, d]` of whole sequences `[b, t]`.
pub(super) fn hidden(model: &Decoder, inputs: Tensor, remat: &Option<RematOptions>) -> Tensor {
    model.forward(Input { remat: remat.clone(), ..model.whole(inputs) }).hidden
}

/// Log-probabilities `[b, 2]` of the sequences of pairs, tokens `[b, 2, t + 1]`: summed over the tokens that have weights `[b, 2, t]`,
/// or their means.
pub(super) fn sequence_log_probs(model: &Decoder, batch: &Batch, mean: bool, remat: &Option<RematOptions>) -> Tensor {
    let [b, two, length] = batch.tokens.shape();
    let (tokens, t) = (batch.tokens.reshape([b * two, length]), length - 1);
    let (inputs, targets) = (tokens.slice_axis(1, 0..t), tokens.slice_axis(1, 1..length));
    let log_probs = -tensor::token_losses(model.logits(hidden(model, inputs, remat)), targets);
    let Some(weights) = batch.weights else {
        let sum = log_probs.sum(-1) / if mean { t as f64 } else { 1.0 };
        return sum.reshape([b, two]);
    };
    let weights = weights.reshape([b * two, t]).cast(DType::F32);
    let sum = (log_probs * weights).sum(-1);
    let sum = if mean { sum / weights.sum(-1).maximum(1.0) } else { sum };
    sum.reshape([b, two])
}

/// The mean loss of pairs, over all devices, and their rewards.
pub(super) fn preference(
    options: &Preference,
    model: &Decoder,
    frozen: &Frozen,
    batch: &Batch,
    remat: &Option<RematOptions>,
) -> Losses {
    let per_token = options.loss_type == PreferenceLoss::Ipo;
    let own = sequence_log_probs(model, batch, per_token, remat);
    let reference = batch.reference.unwrap_or_else(|| sequence_log_probs(&frozen.base, batch, per_token, remat));
    let reference = reference.stop_gradient();
    let loss = data::mean(options.losses(own, reference).mean(..));
    Losses { loss, rewards: Some(options.rewards(own, reference)) }
}
