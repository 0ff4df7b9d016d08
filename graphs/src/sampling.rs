//! Choosing the next token, on the device.
//!
//! The order is that of transformers' logits processors: repetition penalty, temperature, top-k, top-p, min-p.
use raxla::{DType, Key, Tensor, prim, scope, where_};

/// How to choose the next token.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Logits are divided by this; 0 means greedy: always the most likely token.
    pub temperature: f32,
    /// Only the `k` most likely tokens; 0 means all.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities sum to at least this; 1 means all.
    pub top_p: f32,
    /// Only tokens at least this times as likely as the most likely one; 0 means all.
    pub min_p: f32,
    /// Logits of tokens that occurred before are divided (or, if negative, multiplied) by this; 1 changes nothing.
    pub repetition_penalty: f32,
    /// Same seed, same text.
    pub seed: u64,
}
impl Default for Sampling {
    /// Greedy.
    fn default() -> Sampling {
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Check the ranges of all values.
    pub fn check(&self) -> Result<(), String> {
        let rules = [
            (self.temperature >= 0.0 && self.temperature.is_finite(), "temperature", "0 or more", self.temperature),
            (self.top_p > 0.0 && self.top_p <= 1.0, "top-p", "above 0 and at most 1", self.top_p),
            (self.min_p >= 0.0 && self.min_p <= 1.0, "min-p", "within 0 and 1", self.min_p),
            (self.repetition_penalty > 0.0, "repetition-penalty", "above 0", self.repetition_penalty),
        ];
        match rules.into_iter().find(|r| !r.0) {
            Some((_, name, range, value)) => Err(format!("{name} must be {range}, not {value}")),
            None => Ok(()),
        }
    }
    /// Which parts of the sampler the program must contain; the numbers themselves are arguments, and do not recompile.
    pub fn shape(&self) -> Shape {
        let random = self.temperature > 0.0;
        Shape {
            random,
            top_k: if random { self.top_k } else { 0 },
            top_p: random && self.top_p < 1.0,
            min_p: random && self.min_p > 0.0,
            penalty: self.repetition_penalty != 1.0,
        }
    }
    /// The numbers, as the f32 `[4]` argument of the program.
    pub fn numbers(&self) -> [f32; 4] {
        [self.temperature, self.top_p, self.min_p, self.repetition_penalty]
    }
}

/// Which parts a sampling program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    random: bool,
    top_k: usize,
    top_p: bool,
    min_p: bool,
    /// Does it need to know which tokens occurred?
    pub penalty: bool,
}

impl Shape {
    /// Next tokens (i32 `[b]`) from f32 logits `[b, vocab]`.
    ///
    /// `numbers` are [`Sampling::numbers`]; `seen` is bool `[b, vocab]`: which tokens occurred.
    pub fn choose(self, logits: Tensor, numbers: Tensor, seen: Option<Tensor>, key: Key) -> Tensor {
        scope("sample", || {
            let [temperature, top_p, min_p, penalty] = numbers.unstack();
            let mut logits = logits;
            if let Some(seen) = seen {
                let penalized = where_(logits.lt(0.0), logits * penalty, logits / penalty);
                logits = where_(seen, penalized, logits);
            }
            if !self.random {
                return logits.argmax(-1);
            }
            key.categorical(self.keep(logits / temperature, top_p, min_p), -1).cast(DType::I32)
        })
    }

    /// The logits with those of excluded tokens at minus infinity.
    fn keep(self, mut logits: Tensor, top_p: Tensor, min_p: Tensor) -> Tensor {
        let excluded = f32::NEG_INFINITY;
        let [_, vocab] = logits.shape();
        if self.top_k > 0 && self.top_k < vocab {
            let (values, _) = logits.top_k(self.top_k);
            let least = values.slice_axis(-1, self.top_k - 1..self.top_k);
            logits = where_(logits.ge(least), logits, excluded);
        }
        if self.top_p {
            let sorted = logits.sort(-1);
            let p = sorted.softmax(-1);
            // from the least likely up: a token goes while it and all less likely ones together stay within 1 - p
            let goes = prim::cumsum(p, 1, false).le(1.0 - top_p);
            let least = where_(goes, sorted.like(f32::INFINITY), sorted).min_keep(-1);
            logits = where_(logits.ge(least), logits, excluded);
        }
        if self.min_p {
            let p = logits.softmax(-1);
            logits = where_(p.ge(p.max_keep(-1) * min_p), logits, excluded);
        }
        logits
    }
}
