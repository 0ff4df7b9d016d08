//! Generation: prompts in, tokens and text out, one at a time.
//!
//! [`Model::generate`] and [`Model::generate_tokens`] continue one prompt, [`Model::generate_batch`] and
//! [`Model::generate_texts`] several at once; [`Model::generate_speculative`] does it with a draft, and
//! [`Model::beam_search`] looks for what is most likely as a whole.
pub mod limits;
pub mod programs;
pub(crate) mod sampling;
pub mod template;

mod batch;
mod beam;
mod device;
mod run;
mod speculative;
mod stop;

use crate::{
    error::{Error, Result},
    model::Model,
    sampling::{Sampling, Shape},
};
use std::{ops::ControlFlow, time::Duration};

pub use batch::strip_padding;
pub use beam::{Beams, EarlyStopping};
pub use run::buckets;
pub use speculative::Draft;

/// What to generate, and when to stop.
#[derive(Clone, Debug)]
pub struct Generation {
    /// At most this many tokens; fewer when the context is full.
    pub max_new_tokens: usize,
    /// How to choose tokens.
    pub sampling: Sampling,
    /// Stop before any of these texts.
    pub stop: Vec<String>,
    /// Go on after the model's end token.
    pub ignore_eos: bool,
    /// Tell the log-probability of each token, and the so many most likely ones in its place.
    pub logprobs: Option<usize>,
    /// How many continuations of each prompt to generate (transformers: `num_return_sequences`). The prompt is taken in
    /// once.
    pub samples: usize,
    /// Take prompts in by pieces of so many tokens: the program, and what it needs of memory, stays small. Where memory lacks
    /// for longer pieces, this is done whatever it says.
    pub prefill_chunk: Option<usize>,
    /// Generate all tokens after the first in one program, without the host in between. Callbacks see them at the end.
    pub device_loop: bool,
}
impl Default for Generation {
    fn default() -> Generation {
        Generation {
            max_new_tokens: 128,
            sampling: Sampling::default(),
            stop: vec![],
            ignore_eos: false,
            logprobs: None,
            samples: 1,
            prefill_chunk: None,
            device_loop: false,
        }
    }
}
impl Generation {
    /// Check the ranges of all values.
    pub fn check(&self) -> Result<(), String> {
        self.sampling.check()?;
        if self.stop.iter().any(String::is_empty) {
            return Err("stop must not be an empty text, which stands everywhere".into());
        }
        limits::within("samples", self.samples, limits::SAMPLES)?;
        limits::within("prefill-chunk", self.prefill_chunk.unwrap_or(1), limits::POSITIONS)?;
        // (none: the chosen tokens' own are told)
        limits::within("logprobs", self.logprobs.unwrap_or(1).max(1), limits::LOGPROBS)
    }
    /// Which parts the programs need.
    fn shape(&self) -> Shape {
        self.sampling.shape().with_logprobs(self.logprobs)
    }
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model said so (its end token), or a stop text appeared.
    Stop,
    /// `max_new_tokens`, or the context's end.
    Length,
    /// The callback said so.
    Callback,
}

/// What was generated.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The new tokens, without an end token.
    pub tokens: Vec<u32>,
    /// How likely each of them was, if [`Generation::logprobs`] asks for it; else empty.
    pub logprobs: Vec<TokenLogprobs>,
    /// Their text, without a stop text; empty from functions that return tokens only.
    pub text: String,
    /// Of a result of [beam search](Beams): the sum of its tokens' log-probabilities over the power of its length.
    pub score: Option<f32>,
    /// Why it ended.
    pub finish: Finish,
    /// Where the time went.
    pub stats: Stats,
}

/// How likely a token was by the model's own distribution: before penalties, bias and temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// Natural logarithm of the chosen token's probability.
    pub logprob: f32,
    /// The most likely tokens in its place, the most likely first, and the logarithms of their probabilities.
    pub top: Vec<(u32, f32)>,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens generated.
    pub new_tokens: usize,
    /// Tokens that a draft proposed.
    pub drafted: usize,
    /// How many of them were kept.
    pub accepted: usize,
    /// From the call to the first token, compilation included.
    pub first_token: Duration,
    /// From the first token to the last, compilation excluded.
    pub decode: Duration,
    /// Waiting for programs to be traced, lowered and compiled.
    pub compile: Duration,
}
impl Stats {
    /// Decoding speed: tokens after the first, per second. Zero when there are none.
    pub fn tokens_per_second(&self) -> f64 {
        if self.new_tokens < 2 { 0.0 } else { (self.new_tokens - 1) as f64 / self.decode.as_secs_f64() }
    }
}

impl Model {
    /// Generate tokens after a prompt of tokens; `on_token` sees each and may end it.
    ///
    /// # Errors
    /// A prompt that is empty, longer than the context, or holds an id outside the vocabulary; options out of range; more
    /// than one sample; anything the plugin reports.
    pub fn generate_tokens(
        &self,
        prompt: &[u32],
        options: &Generation,
        mut on_token: impl FnMut(u32) -> Result<ControlFlow<()>>,
    ) -> Result<Generated> {
        one_sample(options, "generate_batch")?;
        let mut all = self.generate_batch(&[prompt], options, |_, token| on_token(token))?;
        Ok(all.swap_remove(0))
    }

    /// Generate text after a prompt; `on_text` sees each piece as soon as it is certain and may end it.
    ///
    /// Pieces never hold part of a character, nor the beginning of a stop text. Prompt and text together are what the model read
    /// and wrote: where a word begins, the text begins with a space. `add_special` puts the model's own first
    /// token before the prompt; a rendered chat template already has it.
    ///
    /// # Errors
    /// As [`Model::generate_tokens`]; and a model without a tokenizer.
    pub fn generate(
        &self,
        prompt: &str,
        add_special: bool,
        options: &Generation,
        mut on_text: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generated> {
        one_sample(options, "generate_texts")?;
        let mut all = self.generate_texts(&[prompt], add_special, options, |_, piece| on_text(piece))?;
        Ok(all.swap_remove(0))
    }
}

fn one_sample(options: &Generation, other: &str) -> Result<()> {
    match options.samples {
        0 | 1 => Ok(()),
        n => Err(Error::Usage(format!("one text is generated here, not {n} samples\n  help: call `{other}`"))),
    }
}
