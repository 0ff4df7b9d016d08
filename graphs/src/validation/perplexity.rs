//! How well a model predicts a text.
use crate::{
    error::{Error, Result},
    model::Model,
};
use std::time::{Duration, Instant};

/// How a text is divided into sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Tokens of a sequence, at least 2.
    pub window: usize,
    /// How far it is from one to the next, from 1 to `window`. A token that two of them share is scored in the first one; so
    /// all but those of the first have `window - stride` tokens before them, at least. Equal to `window`, the sequences share
    /// nothing, and the first token of each is not scored.
    pub stride: usize,
}

/// How well a model predicts a text: the strided evaluation of transformers' page on perplexity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perplexity {
    /// Mean of the negative log-probabilities (natural logarithm) of the tokens that were scored.
    pub nll: f64,
    /// Its standard error, as if the tokens were independent of each other.
    pub nll_error: f64,
    /// How many tokens were scored.
    pub tokens: usize,
    /// How many sequences the text was divided into.
    pub windows: usize,
    /// Tokens that went through the model in a second, context included; without sequences of a new length, which are compiled
    /// first, unless there are no others.
    pub tokens_per_second: f64,
}

impl Perplexity {
    /// `exp(nll)`.
    pub fn value(&self) -> f64 {
        self.nll.exp()
    }
    /// The standard error of [`Perplexity::value`].
    pub fn error(&self) -> f64 {
        self.value() * self.nll_error
    }
}

impl Windows {
    /// Whether a text of so many tokens can be divided so, for a model of this context.
    ///
    /// # Errors
    /// A text of less than two tokens; windows of no use, or longer than the context.
    pub fn check(self, tokens: usize, context: usize) -> Result<()> {
        let Windows { window, stride } = self;
        let wrong = match () {
            () if window < 2 => format!("a window of {window} tokens predicts nothing: give at least 2"),
            () if stride == 0 || stride > window => {
                format!("a stride of {stride} leaves the window of {window} tokens: give 1 to {window}")
            }
            () if tokens < 2 => "the text has less than two tokens: there is nothing to predict".into(),
            () if window.min(tokens) > context => {
                format!("a window of {window} tokens is beyond the model's context of {context}: give a smaller one")
            }
            () => return Ok(()),
        };
        Err(Error::Usage(wrong))
    }
}

impl Model {
    /// The perplexity of a text, given as tokens. `progress` gets what is known after each sequence, and how many there are.
    ///
    /// # Errors
    /// A text of less than two tokens; windows of no use, or longer than the model's context.
    pub fn perplexity(
        &self,
        tokens: &[u32],
        windows: Windows,
        mut progress: impl FnMut(&Perplexity, usize),
    ) -> Result<Perplexity> {
        windows.check(tokens.len(), self.spec().context)?;
        let Windows { window, stride } = windows;
        let ends = |begin: usize| (begin + window).min(tokens.len());
        let count = 1 + tokens.len().saturating_sub(window).div_ceil(stride);
        let (mut sums, mut scored, mut speed, mut lengths) = ([0.0; 2], 0usize, Speed::default(), vec![]);
        let mut known = None;
        for number in 0..count {
            let begin = number * stride;
            let before = number.checked_sub(1).map_or(begin, |last| ends(last * stride));
            let part = &tokens[begin..ends(begin)];
            let (start, new_length) = (Instant::now(), !lengths.contains(&part.len()));
            let all = if part.len() > 1 { self.log_likelihoods(part)? } else { vec![] };
            speed.add(part.len(), start.elapsed(), new_length);
            lengths.push(part.len());
            let new = (ends(begin) - before).min(all.len());
            for x in &all[all.len() - new..] {
                let nll = -f64::from(*x);
                sums = [sums[0] + nll, sums[1] + nll * nll];
            }
            scored += new;
            let n = scored as f64;
            let nll = sums[0] / n;
            let variance = (sums[1] / n - nll * nll).max(0.0);
            let nll_error = if scored > 1 { (variance / (n - 1.0)).sqrt() } else { f64::INFINITY };
            let now =
                Perplexity { nll, nll_error, tokens: scored, windows: count, tokens_per_second: speed.per_second() };
            progress(&now, number + 1);
            known = Some(now);
        }
        known.ok_or_else(|| Error::Usage("the text is empty".into()))
    }
}

/// Tokens and time, of lengths that are compiled already and of others.
#[derive(Default)]
struct Speed {
    known: (usize, Duration),
    new: (usize, Duration),
}

impl Speed {
    fn add(&mut self, tokens: usize, time: Duration, new_length: bool) {
        let (n, sum) = if new_length { &mut self.new } else { &mut self.known };
        *n += tokens;
        *sum += time;
    }
    fn per_second(&self) -> f64 {
        let (n, time) = if self.known.0 > 0 { self.known } else { self.new };
        n as f64 / time.as_secs_f64().max(1e-9)
    }
}
