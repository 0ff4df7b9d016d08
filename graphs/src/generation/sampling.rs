//! Choosing the next token, on the device.
//!
//! The order is that of transformers' logits processors and of vLLM, which adds OpenAI's penalties: logit bias, repetition
//! penalty, frequency and presence penalty; then, for draws, temperature, top-k, top-p, min-p.
use raxla::{DType, Key, Tensor, Tree, prim, scope, where_};
use std::collections::BTreeMap;

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
    /// Logits of tokens that occurred before, in the prompt or after it, are divided (or, if negative, multiplied) by this;
    /// 1 changes nothing (Keskar et al., 2019; arXiv 1909.05858).
    pub repetition_penalty: f32,
    /// Subtracted from the logits of tokens that were generated before (OpenAI). The prompt does not count.
    pub presence_penalty: f32,
    /// Subtracted from a token's logit once for each time that it was generated (OpenAI). The prompt does not count.
    pub frequency_penalty: f32,
    /// Added to the logits of these tokens, before anything else (OpenAI; transformers: `sequence_bias`).
    pub logit_bias: BTreeMap<u32, f32>,
    /// Same seed, same text.
    pub seed: u64,
}
impl Default for Sampling {
    /// Greedy.
    fn default() -> Sampling {
        Sampling {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: BTreeMap::new(),
            seed: 0,
        }
    }
}

impl Sampling {
    /// Check the ranges of all values.
    pub fn check(&self) -> Result<(), String> {
        let within = |x: f32, most: f32| x.abs() <= most;
        let rules = [
            (self.temperature >= 0.0 && self.temperature.is_finite(), "temperature", "0 or more", self.temperature),
            (self.top_p > 0.0 && self.top_p <= 1.0, "top-p", "above 0 and at most 1", self.top_p),
            (self.min_p >= 0.0 && self.min_p <= 1.0, "min-p", "within 0 and 1", self.min_p),
            (self.repetition_penalty > 0.0, "repetition-penalty", "above 0", self.repetition_penalty),
            (within(self.presence_penalty, 2.0), "presence-penalty", "within -2 and 2", self.presence_penalty),
            (within(self.frequency_penalty, 2.0), "frequency-penalty", "within -2 and 2", self.frequency_penalty),
        ];
        if let Some((_, name, range, value)) = rules.into_iter().find(|r| !r.0) {
            return Err(format!("{name} must be {range}, not {value}"));
        }
        match self.logit_bias.iter().find(|(_, bias)| !bias.is_finite()) {
            Some((token, bias)) => Err(format!("logit-bias of token {token} must be a finite number, not {bias}")),
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
            repetition: self.repetition_penalty != 1.0,
            generated: self.presence_penalty != 0.0 || self.frequency_penalty != 0.0,
            bias: !self.logit_bias.is_empty(),
            logprobs: None,
        }
    }
    /// The numbers, as the f32 `[6]` argument of the program.
    pub fn numbers(&self) -> [f32; 6] {
        let (frequency, presence) = (self.frequency_penalty, self.presence_penalty);
        // (programs take what is smaller for 0, by which nothing can be divided)
        let temperature = self.temperature.max(f32::MIN_POSITIVE);
        [temperature, self.top_p, self.min_p, self.repetition_penalty, frequency, presence]
    }
    /// What is added to the logits of a vocabulary of this size. Tokens outside it are left out.
    pub fn bias(&self, vocab: usize) -> Vec<f32> {
        let mut all = vec![0.0; vocab];
        for (token, bias) in &self.logit_bias {
            if let Some(at) = all.get_mut(*token as usize) {
                *at = *bias;
            }
        }
        all
    }
}

/// Which parts a sampling program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    random: bool,
    top_k: usize,
    top_p: bool,
    min_p: bool,
    repetition: bool,
    generated: bool,
    bias: bool,
    logprobs: Option<usize>,
}

/// A chosen token. In a batch each leaf has a leading axis of rows.
#[derive(Tree, Clone, Debug)]
pub struct Chosen<T = Tensor> {
    /// i32 `[1]`; negative where the logits are not finite, so that there is nothing to choose.
    pub token: T,
    /// How likely it was, if the program is to say so.
    pub logprobs: Option<Logprobs<T>>,
}

/// Log-probabilities by the model's own distribution: before penalties, bias and temperature.
#[derive(Tree, Clone, Debug)]
pub struct Logprobs<T = Tensor> {
    /// Of the chosen token, f32 `[]`.
    pub chosen: T,
    /// Of the `n` most likely tokens, f32 `[n]`, and which they are, i32 `[n]`; nothing for none.
    pub top: Option<(T, T)>,
}

/// What the sampler needs to know besides logits.
#[derive(Clone, Copy)]
pub struct Context {
    /// [`Sampling::numbers`]
    pub numbers: Tensor,
    /// [`Sampling::bias`], if the shape says so.
    pub bias: Option<Tensor>,
    /// How often each token occurred in the prompt, and after it: i32 `[2, vocab]`; if the shape says so.
    pub counts: Option<Tensor>,
}

impl Shape {
    /// The same, with log-probabilities of the chosen token and of the `n` most likely ones.
    pub fn with_logprobs(self, n: Option<usize>) -> Shape {
        Shape { logprobs: n, ..self }
    }
    /// The same, without penalties.
    pub fn without_counts(self) -> Shape {
        Shape { repetition: false, generated: false, ..self }
    }
    /// For how many of the most likely tokens log-probabilities are told, if any are.
    pub fn logprobs(self) -> Option<usize> {
        self.logprobs
    }
    /// Are tokens drawn, rather than always the most likely one taken?
    pub fn is_random(self) -> bool {
        self.random
    }
    /// Does it need to know how often tokens occurred?
    pub fn needs_counts(self) -> bool {
        self.repetition || self.generated
    }
    /// Is something added to the logits?
    pub fn needs_bias(self) -> bool {
        self.bias
    }

    /// The next token, from f32 logits `[vocab]`.
    pub fn choose(self, logits: Tensor, context: Context, key: Key) -> Chosen {
        scope("sample", || {
            let scores = self.scores(logits, context);
            let token = if self.random { key.categorical(scores, -1).cast(DType::I32) } else { scores.argmax(-1) };
            let logprobs = self.logprobs.map(|n| logprobs(logits, token, n));
            Chosen { token: unless_not_finite(token.reshape([1]), logits), logprobs }
        })
    }

    /// Logits `[vocab]` as they are drawn from, or what they are below the largest, by the temperature: those of excluded tokens are
    /// minus infinity. The largest is greedy's choice.
    pub fn scores(self, logits: Tensor, context: Context) -> Tensor {
        let logits = self.penalize(logits, context);
        let [temperature, top_p, min_p, ..] = context.numbers.unstack::<6>();
        if !self.random {
            return logits;
        }
        // The distribution depends on differences alone. Those to the largest are 0 or less: where a small temperature makes them
        // overflow, they become minus infinity, and the token is as unlikely as that.
        let below = logits - logits.max_keep(-1);
        self.keep(below / temperature, top_p, min_p)
    }

    /// Bias and penalties: transformers' logits processors, OpenAI's frequency and presence penalties.
    pub fn penalize(self, mut logits: Tensor, context: Context) -> Tensor {
        let [_, _, _, repetition, frequency, presence] = context.numbers.unstack();
        if let Some(bias) = context.bias.filter(|_| self.bias) {
            logits += bias;
        }
        let Some(counts) = context.counts else { return logits };
        if self.repetition {
            let penalized = where_(logits.lt(0.0), logits * repetition, logits / repetition);
            logits = where_(counts.sum(0).gt(0), penalized, logits);
        }
        if self.generated {
            let n = counts.dynamic_index(0, prim::full([], DType::I32, 1)).cast(DType::F32);
            logits = logits - n * frequency - where_(n.gt(0.0), presence.broadcast_to(n.dims()), 0.0);
        }
        logits
    }

    /// The logits `[vocab]` with those of excluded tokens at minus infinity.
    fn keep(self, mut logits: Tensor, top_p: Tensor, min_p: Tensor) -> Tensor {
        let excluded = f32::NEG_INFINITY;
        let [vocab] = logits.shape();
        if self.top_k > 0 && self.top_k < vocab {
            let (values, _) = logits.top_k(self.top_k);
            let least = values.slice_axis(-1, self.top_k - 1..self.top_k);
            logits = where_(logits.ge(least), logits, excluded);
        }
        if self.top_p {
            let sorted = logits.sort(-1);
            let p = sorted.softmax(-1);
            // from the least likely up: a token goes while it and all less likely ones together stay within 1 - p
            let goes = prim::cumsum(p, 0, false).le(1.0 - top_p);
            let least = where_(goes, sorted.like(f32::INFINITY), sorted).min_keep(-1);
            // (the most likely one stays, however small p is)
            logits = where_(logits.ge(least.minimum(sorted.max_keep(-1))), logits, excluded);
        }
        if self.min_p {
            let p = logits.softmax(-1);
            logits = where_(p.ge(p.max_keep(-1) * min_p), logits, excluded);
        }
        logits
    }
}

/// `token` i32 `[1]`, or -1 where logits `[vocab]` have a NaN or an infinite largest one. (One that is minus infinity is not
/// chosen, and does no harm.)
pub(crate) fn unless_not_finite(token: Tensor, logits: Tensor) -> Tensor {
    where_(logits.max_keep(-1).is_finite(), token, token.like(-1))
}

/// Log-probabilities of a token and of the `n` most likely ones, from logits `[vocab]`.
pub(crate) fn logprobs(logits: Tensor, token: Tensor, n: usize) -> Logprobs {
    let all = logits.log_softmax(-1);
    let [vocab] = all.shape();
    let n = n.min(vocab);
    Logprobs { chosen: all.dynamic_index(0, token), top: (n > 0).then(|| all.top_k(n)) }
}

/// How often tokens occurred, with those of a call added: `tokens` i32 `[t]`, of which `real` (bools `[t]`) count; those
/// from position `prompt` on were generated.
pub(crate) fn count(counts: Tensor, tokens: Tensor, real: Tensor, generated: Tensor) -> Tensor {
    let [_, vocab] = counts.shape();
    let hits = raxla::one_hot(tokens, vocab, DType::F32);
    let of = |which: Tensor| where_(which.expand_dims(-1), hits, 0.0).sum(0).cast(DType::I32);
    counts + raxla::stack(&[of(real & !generated), of(real & generated)], 0)
}
