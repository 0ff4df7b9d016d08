//! A model against what another program computed with it: hidden state by hidden state, position by position; and how well it
//! predicts a text.
mod choices;
mod perplexity;

pub use choices::{Accuracy, Question};
pub use perplexity::{Perplexity, Windows};

use crate::{
    error::{Error, Result},
    model::{Model, Scores},
};
use raxla::Array;
use safetensors::{Dtype, SafeTensors};
use std::{fmt, path::Path};

/// What another program computed: `tokens` (integers, `[1, t]`), `logits` (`[1, t, vocab]`) and, perhaps,
/// `hidden_states.N` (`[1, t, d]`), numbered as transformers' `hidden_states`. Floats of any kind.
pub struct Reference {
    /// Ids of the sequence.
    pub tokens: Vec<u32>,
    logits: Vec<f32>,
    hidden_states: Vec<Vec<f32>>,
}

impl Reference {
    /// Read a safetensors file.
    ///
    /// # Errors
    /// A file that cannot be read, or that lacks `tokens` or `logits`.
    pub fn read(path: &Path) -> Result<Reference> {
        let bad = |what: String| {
            let help = "scripts/make_reference.py writes such files with transformers";
            Error::Usage(format!("the reference {}: {what}\n  help: {help}", path.display()))
        };
        let bytes = raxla_xla::read_file(path, 1 << 40).map_err(|e| bad(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(format!("no safetensors file: {e}")))?;
        let tensor = |name: &str| file.tensor(name).map_err(|_| bad(format!("it has no tensor `{name}`")));
        let floats = |name: &str| -> Result<Vec<f32>> {
            let view = tensor(name)?;
            numbers(view.dtype(), view.data())
                .ok_or_else(|| bad(format!("`{name}` is {:?}, not floats", view.dtype())))
                .map(|v| v.into_iter().map(|x| x as f32).collect())
        };
        let view = tensor("tokens")?;
        let ids = numbers(view.dtype(), view.data()).unwrap_or_default();
        if ids.is_empty() || ids.iter().any(|id| *id < 0.0 || id.fract() != 0.0 || *id > u32::MAX as f64) {
            return Err(bad("`tokens` are no token ids".into()));
        }
        let states = file.names().iter().filter(|name| name.starts_with("hidden_states.")).count();
        Ok(Reference {
            tokens: ids.into_iter().map(|id| id as u32).collect(),
            logits: floats("logits")?,
            hidden_states: (0..states).map(|i| floats(&format!("hidden_states.{i}"))).collect::<Result<_>>()?,
        })
    }
}

/// Little-endian numbers.
fn numbers(dtype: Dtype, data: &[u8]) -> Option<Vec<f64>> {
    fn all<const N: usize>(data: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        data.chunks_exact(N).map(|b| f(b.try_into().expect("of this size"))).collect()
    }
    Some(match dtype {
        Dtype::F64 => all(data, f64::from_le_bytes),
        Dtype::F32 => all(data, |b| f32::from_le_bytes(b) as f64),
        Dtype::F16 => all(data, |b| half::f16::from_le_bytes(b).to_f64()),
        Dtype::BF16 => all(data, |b| half::bf16::from_le_bytes(b).to_f64()),
        Dtype::I32 => all(data, |b| i32::from_le_bytes(b) as f64),
        Dtype::I64 => all(data, |b| i64::from_le_bytes(b) as f64),
        Dtype::U32 => all(data, |b| u32::from_le_bytes(b) as f64),
        _ => return None,
    })
}

/// How near a tensor is to the reference's.
#[derive(Clone, Debug)]
pub struct Nearness {
    /// `logits`, or `hidden_states.N`.
    pub name: String,
    /// Cosine of the angle between the two, over all positions.
    pub cosine: f64,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// The same, over the standard deviation of the reference.
    pub deviation: f64,
}
impl Nearness {
    fn of(name: String, have: &[f32], want: &[f32]) -> Nearness {
        let pairs = || have.iter().zip(want).map(|(a, b)| (*a as f64, *b as f64));
        let (mut ab, mut aa, mut bb, mut sum, mut max_abs) = (0.0, 0.0, 0.0, 0.0, 0f64);
        for (a, b) in pairs() {
            (ab, aa, bb, sum) = (ab + a * b, aa + a * a, bb + b * b, sum + b);
            // (a NaN counts as infinitely far)
            max_abs = if (a - b).is_nan() { f64::INFINITY } else { max_abs.max((a - b).abs()) };
        }
        let n = want.len().max(1) as f64;
        let std = (bb / n - (sum / n).powi(2)).max(0.0).sqrt();
        Nearness { name, cosine: ab / (aa * bb).sqrt(), max_abs, deviation: max_abs / std.max(f64::MIN_POSITIVE) }
    }
}

/// How near the predictions at one position are.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Kullback-Leibler divergence of the model's distribution from the reference's, in nats.
    pub kl: f64,
    /// Is the most likely token the same?
    pub top_1: bool,
    /// How many of the reference's five most likely tokens are among the model's.
    pub top_5: usize,
}
impl Position {
    fn of(have: &[f32], want: &[f32]) -> Position {
        let (p, q) = (log_softmax(want), log_softmax(have));
        let kl = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
        let (ours, theirs) = (top(have, 5), top(want, 5));
        let top_5 = theirs.iter().filter(|id| ours.contains(id)).count();
        Position { kl, top_1: ours[0] == theirs[0], top_5 }
    }
}

fn log_softmax(row: &[f32]) -> Vec<f64> {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    let log_sum = row.iter().map(|x| (*x as f64 - max).exp()).sum::<f64>().ln();
    row.iter().map(|x| *x as f64 - max - log_sum).collect()
}

fn top(row: &[f32], k: usize) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..row.len()).collect();
    ids.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
    ids.truncate(k);
    ids
}

/// The outcome: hidden states in their order, then the logits, and the predictions at each position.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Each tensor of the reference.
    pub tensors: Vec<Nearness>,
    /// Each position.
    pub positions: Vec<Position>,
}
impl Verification {
    /// The first tensor that is further away than this deviation.
    pub fn first_beyond(&self, deviation: f64) -> Option<&Nearness> {
        self.tensors.iter().find(|t| t.deviation.is_nan() || t.deviation > deviation)
    }
}
impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{:<20} {:>12} {:>10} {:>10}", "tensor", "cosine", "max abs", "deviation")?;
        for t in &self.tensors {
            writeln!(f, "{:<20} {:>12.9} {:>10.1e} {:>10.1e}", t.name, t.cosine, t.max_abs, t.deviation)?;
        }
        writeln!(f, "{:<20} {:>12} {:>10} {:>10}", "position", "KL", "top 1", "top 5")?;
        for (i, p) in self.positions.iter().enumerate() {
            let same = if p.top_1 { "same" } else { "other" };
            writeln!(f, "{i:<20} {:>12.1e} {same:>10} {:>8}/5", p.kl, p.top_5)?;
        }
        Ok(())
    }
}

fn has_non_finite(a: &Array) -> bool {
    a.to_host().is_ok_and(|h| h.to_f64().iter().any(|x| !x.is_finite()))
}

impl Model {
    /// What makes a hidden state, of the number that it has among [`Scores::hidden_states`](crate::Scores); `None`: the
    /// logits.
    pub fn origin(&self, hidden_state: Option<usize>) -> String {
        match hidden_state {
            Some(0) => "the embedding".into(),
            Some(n) if n == self.spec().layers() => format!("layer {}, or the last norm", n - 1),
            Some(n) => format!("layer {}", n - 1),
            None => "the head".into(),
        }
    }

    /// Checks that the scores of these tokens are finite.
    ///
    /// # Errors
    /// Names what was the first to give numbers that are not (a value beyond the dtype, damaged weights), and the remedy.
    pub fn check_finite(&self, tokens: &[u32], scores: &Scores) -> Result<()> {
        match has_non_finite(&scores.logits) {
            true => Err(self.not_finite_in(tokens, Some(scores))),
            false => Ok(()),
        }
    }

    /// The error of logits that are no finite numbers after these tokens.
    pub(crate) fn not_finite(&self, tokens: &[u32]) -> Error {
        self.not_finite_in(tokens, self.scores(tokens).ok().as_ref())
    }

    fn not_finite_in(&self, tokens: &[u32], scores: Option<&Scores>) -> Error {
        let first = scores.and_then(|s| s.hidden_states.iter().position(has_non_finite));
        let (n, place, dtype) = (tokens.len(), self.origin(first), self.dtype());
        let help = match dtype {
            raxla::DType::F16 => "f16 holds numbers up to 65504 only: run the model in bf16 or f32 (--dtype bf16)",
            _ => "compare the weights with the original ones; `raxla verify` compares what they compute",
        };
        Error::Usage(format!(
            "the logits after {n} tokens are not finite: in {dtype}, {place} is the first to give numbers that are not\n  help: \
             {help}"
        ))
    }

    /// Compare the model with what another program computed.
    ///
    /// # Errors
    /// Tokens outside the vocabulary; a reference of another shape.
    pub fn verify(&self, reference: &Reference) -> Result<Verification> {
        let scores = self.scores(&reference.tokens)?;
        let mut tensors = vec![];
        let mut compare = |name: String, have: &raxla::Array, want: &[f32]| -> Result<Vec<f32>> {
            let have: Vec<f32> = have.to_host()?.to_f64().iter().map(|x| *x as f32).collect();
            if have.len() != want.len() {
                let (own, other) = (have.len(), want.len());
                let why =
                    format!("the model's {name} have {own} elements, the reference's {other}: it is of another model");
                return Err(Error::Usage(why));
            }
            tensors.push(Nearness::of(name, &have, want));
            Ok(have)
        };
        let (own, others) = (scores.hidden_states.len(), reference.hidden_states.len());
        if others > 0 && own != others {
            let why = format!("the model has {own} hidden states, the reference {others}: it is of another model");
            return Err(Error::Usage(why));
        }
        for (i, (have, want)) in scores.hidden_states.iter().zip(&reference.hidden_states).enumerate() {
            compare(format!("hidden_states.{i}"), have, want)?;
        }
        let have = compare("logits".into(), &scores.logits, &reference.logits)?;
        let rows =
            |x: &'_ [f32]| -> Vec<Vec<f32>> { x.chunks_exact(self.spec().vocab()).map(<[f32]>::to_vec).collect() };
        let positions = rows(&have).iter().zip(rows(&reference.logits)).map(|(a, b)| Position::of(a, &b)).collect();
        Ok(Verification { tensors, positions })
    }
}
