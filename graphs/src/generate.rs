//! Generation: a prompt in, tokens and text out, one at a time.
use crate::{
    architecture::{Cache, Sizes},
    error::{Error, Result},
    model::Model,
    programs::{Program, Step, StepArgs, step_avals},
    sampling::{Sampling, Shape},
};
use raxla::{Array, Aval, Host, Key, Tree};
use std::{
    ops::ControlFlow,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

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
}
impl Default for Generation {
    fn default() -> Generation {
        Generation { max_new_tokens: 128, sampling: Sampling::default(), stop: vec![], ignore_eos: false }
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
    /// Their text, without a stop text; empty from [`Model::generate_tokens`].
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// Where the time went.
    pub stats: Stats,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens generated.
    pub new_tokens: usize,
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

/// Prompts are padded to 16, 32, 64, ... tokens, and caches hold 64, 128, ... slots: a new length rarely means a new program.
const SMALLEST_PROMPT: usize = 16;
const SMALLEST_CACHE: usize = 64;

/// The bucket of a prompt length, and of a cache for `total` positions.
pub fn buckets(prompt: usize, total: usize) -> (usize, usize) {
    let t = prompt.next_power_of_two().max(SMALLEST_PROMPT);
    // padding is written to the cache, too
    (t, total.max(t).next_power_of_two().max(SMALLEST_CACHE))
}

/// Numbers of the step's arguments whose memory it may reuse: the cache, and which tokens occurred.
const CONSUMED: [usize; 2] = [4, 5];

/// One generation: its programs, and the state between two calls.
struct Run {
    decode: Decode,
    params: Vec<Array>,
    one: Array,
    numbers: Array,
    key: Key<Array>,
    /// The newest token, perhaps still being computed.
    token: Array,
    position: Array,
    cache: Option<Cache<Array>>,
    seen: Option<Array>,
    /// Time spent waiting for programs.
    compile: Duration,
}

/// The program for one token. It is compiled while the prompt's is, and runs.
struct Decode {
    step: Arc<Step>,
    avals: StepArgs<Aval>,
    program: Option<Arc<Program>>,
    compiling: Option<JoinHandle<()>>,
}

impl Decode {
    fn new(model: &Model, shape: Shape, slots: usize, ahead: bool) -> Decode {
        let avals = step_avals(model.architecture(), model.dtype(), shape, 1, slots);
        let step = model.step(shape);
        let compiling = ahead.then(|| {
            let (step, avals) = (step.clone(), Tree::map(&avals, Aval::clone));
            // should it fail, the call that needs the program says so
            std::thread::spawn(move || drop(step.prepare(&avals, &CONSUMED)))
        });
        Decode { step, avals, program: None, compiling }
    }
}
impl Drop for Decode {
    /// A process must not end while the plugin compiles: it would crash.
    fn drop(&mut self) {
        if let Some(thread) = self.compiling.take() {
            let _ = thread.join();
        }
    }
}

impl Run {
    /// Take the prompt in, to be followed by at most `most` tokens.
    fn start(model: &Model, prompt: &[u32], most: usize, sampling: &Sampling) -> Result<Run> {
        let (client, shape) = (model.client(), sampling.shape());
        let Sizes { vocab, context, .. } = model.architecture().sizes();
        let (t, slots) = buckets(prompt.len(), (prompt.len() + most).min(context));
        let decode = Decode::new(model, shape, slots, most > 1);
        let begin = Instant::now();
        let avals = step_avals(model.architecture(), model.dtype(), shape, t, slots);
        let prefill = decode.step.prepare(&avals, &CONSUMED)?;
        let compile = begin.elapsed();
        let mut ids: Vec<i32> = prompt.iter().map(|id| *id as i32).collect();
        ids.resize(t, 0);
        let scalar = |x: i32| Array::on(client, [], &[x]);
        let upload = |h: &Host| Array::from_bytes(client, h.aval().clone(), &h.to_bytes());
        let mut run = Run {
            decode,
            params: model.params().to_vec(),
            one: scalar(1)?,
            numbers: Array::on(client, [4], &sampling.numbers())?,
            key: Key::host(sampling.seed).try_map_named(|_, h| upload(h))?,
            token: Array::on(client, [1, t], &ids)?,
            position: scalar(0)?,
            cache: Some(model.new_cache(slots)?),
            seen: shape.penalty.then(|| Array::on(client, [1, vocab], &vec![false; vocab])).transpose()?,
            compile,
        };
        run.advance(&prefill, &scalar(prompt.len() as i32)?)?;
        Ok(run)
    }

    /// Queue one call of a program on the current token(s).
    fn advance(&mut self, program: &Program, count: &Array) -> Result<()> {
        let cache = self.cache.take().expect("given back by every call");
        let (params, key) = (self.params.clone(), self.key.map(Array::clone));
        let (token, position, numbers) = (self.token.clone(), self.position.clone(), self.numbers.clone());
        let args = (params, token, position, count.clone(), cache, self.seen.take(), numbers, key);
        let (token, position, cache, seen) = program.run(args)?;
        (self.token, self.position, self.cache, self.seen) = (token, position, Some(cache), seen);
        Ok(())
    }

    /// Queue the choice of the token after the current one.
    fn next(&mut self) -> Result<()> {
        let program = match &self.decode.program {
            Some(p) => p.clone(),
            None => {
                let begin = Instant::now();
                let made = self.decode.step.prepare(&self.decode.avals, &CONSUMED)?;
                self.compile += begin.elapsed();
                self.decode.program.insert(made).clone()
            }
        };
        let one = self.one.clone();
        self.advance(&program, &one)
    }
}

impl Model {
    /// Generate tokens after a prompt of tokens; `on_token` sees each and may end it.
    ///
    /// # Errors
    /// A prompt that is empty, longer than the context, or holds an id outside the vocabulary; sampling numbers out of
    /// range; anything the plugin reports.
    pub fn generate_tokens(
        &self,
        prompt: &[u32],
        options: &Generation,
        mut on_token: impl FnMut(u32) -> Result<ControlFlow<()>>,
    ) -> Result<Generated> {
        let start = Instant::now();
        self.check_tokens(prompt)?;
        options.sampling.check().map_err(Error::Usage)?;
        let context = self.architecture().sizes().context;
        // the last token needs no place in the cache, so even a prompt that fills the context is followed by one
        let most = options.max_new_tokens.min(context - prompt.len() + 1);
        let mut stats = Stats { prompt_tokens: prompt.len(), ..Stats::default() };
        let (mut tokens, mut finish) = (vec![], Finish::Length);
        if most == 0 {
            return Ok(Generated { tokens, text: String::new(), finish, stats });
        }
        let mut run = Run::start(self, prompt, most, &options.sampling)?;
        let mut decode_start = None;
        while tokens.len() < most {
            let current = run.token.clone();
            // the next step is queued before this token is read, so that the device does not wait for the host; only the
            // first token is shown before the decoding program is even compiled
            if decode_start.is_some() && tokens.len() + 1 < most {
                run.next()?;
            }
            let token = current.to_vec::<i32>()?[0] as u32;
            if decode_start.is_none() {
                stats.first_token = start.elapsed();
            }
            if !options.ignore_eos && self.generation.eos.contains(&token) {
                finish = Finish::Stop;
                break;
            }
            tokens.push(token);
            if on_token(token)?.is_break() {
                finish = Finish::Callback;
                break;
            }
            if decode_start.is_none() && most > 1 {
                let (begin, before) = (Instant::now(), run.compile);
                run.next()?;
                decode_start = Some(begin + (run.compile - before));
            }
        }
        stats.decode = decode_start.map_or(Duration::ZERO, |t| t.elapsed());
        (stats.new_tokens, stats.compile) = (tokens.len(), run.compile);
        Ok(Generated { tokens, text: String::new(), finish, stats })
    }

    /// Generate text after a prompt; `on_text` sees each piece as soon as it is certain and may end it.
    ///
    /// Pieces never hold part of a character, nor the beginning of a stop text. `add_special` puts the model's own first
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
        let tokenizer = self.tokenizer()?;
        let ids = tokenizer.encode(prompt, add_special)?;
        let vocab = self.architecture().sizes().vocab;
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocab) {
            let why = format!("the tokenizer knows a token {id}, but the model's ids go from 0 to {}", vocab - 1);
            return Err(Error::Usage(why + "\n  help: put the tokenizer that belongs to the model beside its weights"));
        }
        let mut stream = tokenizer.decode_stream(true);
        let mut out = Stop::new(&options.stop);
        let mut made = self.generate_tokens(&ids, options, |id| {
            let piece = out.push(&stream.push(id)?);
            let flow = if piece.is_empty() { ControlFlow::Continue(()) } else { on_text(&piece) };
            Ok(if out.found { ControlFlow::Break(()) } else { flow })
        })?;
        if !out.found {
            let rest = out.push(&stream.finish()?) + &out.flush();
            if !rest.is_empty() {
                let _ = on_text(&rest);
            }
        }
        if out.found {
            made.finish = Finish::Stop;
        }
        made.text = out.text;
        Ok(made)
    }
}

/// Holds back what may become a stop text.
struct Stop<'a> {
    stops: &'a [String],
    held: String,
    text: String,
    found: bool,
}
impl<'a> Stop<'a> {
    fn new(stops: &'a [String]) -> Stop<'a> {
        Stop { stops, held: String::new(), text: String::new(), found: false }
    }
    /// Add a piece; returns what is certain to come before any stop text.
    fn push(&mut self, piece: &str) -> String {
        if self.found {
            return String::new();
        }
        self.held += piece;
        let hit = self.stops.iter().filter(|s| !s.is_empty()).filter_map(|s| self.held.find(s.as_str())).min();
        let keep = match hit {
            Some(at) => {
                self.found = true;
                at
            }
            None => self.held.len() - self.stops.iter().map(|s| overlap(&self.held, s)).max().unwrap_or(0),
        };
        let rest = self.held.split_off(keep);
        let certain = std::mem::replace(&mut self.held, rest);
        self.text += &certain;
        certain
    }
    /// The held text, once nothing can follow.
    fn flush(&mut self) -> String {
        let rest = if self.found { String::new() } else { std::mem::take(&mut self.held) };
        self.text += &rest;
        rest
    }
}

/// Length of the longest end of `text` that `stop` begins with.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = stop.len().min(text.len());
    (1..=longest).rev().find(|n| stop.is_char_boundary(*n) && text.ends_with(&stop[..*n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_texts_are_found_across_pieces_and_never_shown() {
        let stops = vec!["###".to_string(), "END".to_string()];
        let mut s = Stop::new(&stops);
        let shown: String = ["ab#", "#c", "d E", "N", "D e"].iter().map(|p| s.push(p)).collect();
        assert_eq!((shown.as_str(), s.found), ("ab##cd ", true));
        let mut s = Stop::new(&stops);
        assert_eq!(s.push("x #"), "x ");
        assert_eq!(s.flush(), "#");
        assert_eq!(s.text, "x #");
    }

    #[test]
    fn buckets_hold_prompt_and_padding() {
        assert_eq!(buckets(5, 30), (16, 64));
        assert_eq!(buckets(17, 40), (32, 64));
        assert_eq!(buckets(100, 110), (128, 128));
        assert_eq!(buckets(1000, 1024), (1024, 1024));
    }
}
