//! Beam search: the continuations that are most likely as a whole.
use super::{
    Finish, Generated, Generation,
    batch::Text,
    limits,
    run::{Plan, Run, ints, timed},
};
use crate::{
    error::{Error, Result},
    model::Model,
};
use raxla::Array;
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// How to search. The semantics are those of transformers 5; [`Generation::samples`] says how many results are returned
/// (`num_return_sequences`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beams {
    /// How many continuations are followed at once (`num_beams`). With one it is greedy decoding.
    pub beams: usize,
    /// A result's score is divided by its length to the power of this: above 0, long texts gain, as scores are negative.
    pub length_penalty: f32,
    /// When to stop.
    pub early_stopping: EarlyStopping,
}
impl Default for Beams {
    fn default() -> Beams {
        Beams { beams: 4, length_penalty: 1.0, early_stopping: EarlyStopping::No }
    }
}

/// When a search stops that has found as many results as it has beams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyStopping {
    /// When the best beam, at its present length, could not be better than the worst result (transformers: `False`).
    No,
    /// At once (`True`).
    Yes,
    /// When no beam, at whatever length, could be better (`"never"`).
    Never,
}

impl Model {
    /// The continuations of a prompt that are most likely as a whole, the best first; [`Generated::score`] says how likely.
    ///
    /// # Errors
    /// As [`Model::generate_batch`]; options that do not go with beams: a temperature, log-probabilities, the loop on the
    /// device; more results than beams, or more beams than the vocabulary allows.
    pub fn beam_search_tokens(&self, prompt: &[u32], beams: &Beams, options: &Generation) -> Result<Vec<Generated>> {
        let start = Instant::now();
        self.check_request(&[prompt], options)?;
        self.on_one_device("beam search")?;
        let eos = if options.ignore_eos { &[][..] } else { &self.generation.eos };
        let keep = (1 + eos.len()).max(2).saturating_mul(beams.beams);
        self.check_beams(beams, options, keep)?;
        if beams.beams == 1 {
            return self.generate_batch(&[prompt], options, |_, _| Ok(ControlFlow::Continue(())));
        }
        let mut plan = Plan::new(self, vec![prompt], &Generation { samples: beams.beams, ..options.clone() }, 0);
        let mut search = Search::new(beams, plan.most[0]);
        if plan.most[0] == 0 {
            return Ok(plan.records().into_iter().take(options.samples).map(|r| r.made).collect());
        }
        let shape = options.shape();
        let (mut run, mut tokens) = Run::take_in(self, &mut plan, shape, options, false)?;
        let extend = self.programs.extend(self, shape, keep);
        let mut parents: Vec<i32> = (0..beams.beams as i32).collect();
        let (mut first_token, mut begin) = (Duration::ZERO, Instant::now());
        let mut before = Duration::ZERO;
        loop {
            let scores: Vec<f32> = search.running.iter().map(|b| b.score).collect();
            let (scores, of) = (Array::on(self.client(), [beams.beams], &scores)?, ints(self.client(), &parents)?);
            let state = run.take_state();
            let (best, from, next, state) = timed(
                &mut run.compile,
                || extend.compiles(),
                || extend.call((&run.params, &tokens, state, &run.request, &of, &scores)),
            )?;
            run.put_state(state);
            let (best, from, next) = (best.to_vec::<f32>()?, from.to_vec::<i32>()?, next.to_vec::<i32>()?);
            if best[0] == f32::INFINITY || best[0].is_nan() {
                let beam = search.running.get(from[0] as usize).map_or(&[][..], |beam| &beam.tokens);
                return Err(self.not_finite(&[prompt, beam].concat()));
            }
            if search.length == 0 {
                (first_token, begin, before) = (start.elapsed(), Instant::now(), run.compile);
            }
            let found = best.into_iter().zip(from.into_iter().zip(next));
            let found = found.map(|(score, (beam, token))| search.continuation(beam as usize, token as u32, score));
            let found: Vec<Beam> = found.collect();
            if !search.step(found, eos) {
                break;
            }
            parents = search.running.iter().map(|b| b.parent as i32).collect();
            let newest = search.running.iter().map(|b| b.tokens[b.tokens.len() - 1] as i32);
            tokens = Array::on(self.client(), [beams.beams, 1], &newest.collect::<Vec<i32>>())?;
        }
        let decode = begin.elapsed().saturating_sub(run.compile - before);
        let result = |(record, beam): (super::run::Record, Beam)| {
            let mut made = record.made;
            (made.tokens, made.score) = (beam.tokens, Some(beam.score));
            if made.tokens.last().is_some_and(|t| eos.contains(t)) {
                (made.finish, _) = (Finish::Stop, made.tokens.pop());
            }
            let stats = &mut made.stats;
            (stats.new_tokens, stats.first_token, stats.decode, stats.compile) =
                (made.tokens.len(), first_token, decode, run.compile);
            made
        };
        Ok(plan.records().into_iter().zip(search.results).take(options.samples).map(result).collect())
    }

    /// As [`Model::beam_search_tokens`], of text. Results end before a stop text; it does not change what is searched.
    ///
    /// # Errors
    /// As [`Model::beam_search_tokens`]; and a model without a tokenizer.
    pub fn beam_search(
        &self,
        prompt: &str,
        add_special: bool,
        beams: &Beams,
        options: &Generation,
    ) -> Result<Vec<Generated>> {
        let prompt = self.encode_prompt(prompt, add_special)?;
        let mut all = self.beam_search_tokens(&prompt, beams, options)?;
        for made in &mut all {
            let mut text = Text::new(self, &prompt, &options.stop)?;
            for id in &made.tokens {
                if text.push(*id, |_| ControlFlow::Continue(()))?.is_break() {
                    break;
                }
            }
            text.finish(made, |_| ControlFlow::Continue(()))?;
        }
        Ok(all)
    }

    fn check_beams(&self, beams: &Beams, options: &Generation, keep: usize) -> Result<()> {
        beams.check(options).map_err(Error::Usage)?;
        let vocab = self.spec().vocab();
        if keep > vocab {
            let n = beams.beams;
            return Err(Error::Usage(format!("{n} beams look at {keep} tokens, more than the vocabulary's {vocab}")));
        }
        Ok(())
    }
}

impl Beams {
    /// Check the ranges of all values, and that the other options go with them.
    pub fn check(&self, options: &Generation) -> Result<(), String> {
        let n = self.beams;
        limits::within("beams", n, limits::BEAMS)?;
        if !self.length_penalty.is_finite() {
            return Err(format!("length-penalty must be a finite number, not {}", self.length_penalty));
        }
        if options.samples > n {
            return Err(format!("samples must be at most as many as beams, {n}, not {}", options.samples));
        }
        let others = [
            (options.sampling.temperature > 0.0, "temperature draws tokens, and beams do not"),
            (options.logprobs.is_some(), "logprobs are not told of beams, but a score of the whole"),
            (options.device_loop, "device-loop does not go with beams"),
        ];
        match others.into_iter().find(|(given, _)| *given) {
            Some((_, why)) => Err(format!("{why}: choose one")),
            None => Ok(()),
        }
    }
}

/// A score that is as good as none (transformers' number, so that sums and orders are the same).
const NONE: f32 = -1e9;

/// A continuation.
#[derive(Clone)]
struct Beam {
    tokens: Vec<u32>,
    /// The sum of the tokens' log-probabilities; of a result, divided by the length to the power of the length penalty.
    score: f32,
    /// Number of the beam that it continues.
    parent: usize,
    /// Has it ended?
    done: bool,
}

/// A search: what transformers' `_beam_search` keeps between two steps.
struct Search<'a> {
    options: &'a Beams,
    /// Most new tokens.
    most: usize,
    /// New tokens so far.
    length: usize,
    running: Vec<Beam>,
    results: Vec<Beam>,
    /// Could a beam still be better than a result?
    hope: bool,
}

impl<'a> Search<'a> {
    fn new(options: &'a Beams, most: usize) -> Search<'a> {
        let beam = |score| Beam { tokens: vec![], score, parent: 0, done: false };
        // all begin alike: only the first one counts
        let running = (0..options.beams).map(|i| beam(if i == 0 { 0.0 } else { NONE }));
        let results = vec![beam(NONE); options.beams];
        Search { options, most, length: 0, running: running.collect(), results, hope: true }
    }

    fn continuation(&self, parent: usize, token: u32, score: f32) -> Beam {
        let tokens = [&self.running[parent].tokens[..], &[token]].concat();
        Beam { tokens, score, parent, done: false }
    }

    /// Take the best continuations of all beams, the best first. Does the search go on?
    fn step(&mut self, mut found: Vec<Beam>, eos: &[u32]) -> bool {
        let n = self.options.beams;
        self.length += 1;
        let ends = |b: &Beam| b.tokens.last().is_some_and(|t| eos.contains(t)) || self.length == self.most;
        let ended: Vec<bool> = found.iter().map(ends).collect();
        let running = found
            .iter()
            .zip(&ended)
            .map(|(b, ended)| Beam { score: b.score + if *ended { NONE } else { 0.0 }, ..b.clone() });
        self.running = best(running.collect(), n);
        // only the n best can become results; the others are there so that n beams go on
        let full = self.options.early_stopping == EarlyStopping::Yes && self.results.iter().all(|b| b.done);
        for (i, (beam, ended)) in found.iter_mut().zip(&ended).enumerate() {
            beam.done = *ended && i < n;
            beam.score /= self.scale(self.length);
            let against = [full, !self.hope, !beam.done];
            beam.score += against.into_iter().map(|a| if a { NONE } else { 0.0 }).sum::<f32>();
        }
        self.results.append(&mut found);
        self.results = best(std::mem::take(&mut self.results), n);
        self.hope &= self.could_improve();
        let full = self.options.early_stopping == EarlyStopping::Yes && self.results.iter().all(|b| b.done);
        self.hope && !full && !ended.iter().all(|e| *e)
    }

    /// What the score of this many tokens is divided by.
    fn scale(&self, length: usize) -> f32 {
        (length as f32).powf(self.options.length_penalty)
    }

    /// Could the best beam be better than the worst result?
    fn could_improve(&self) -> bool {
        let never = self.options.early_stopping == EarlyStopping::Never && self.options.length_penalty > 0.0;
        let possible = self.running[0].score / self.scale(if never { self.most } else { self.length });
        let worst = self.results.iter().map(|b| b.score).fold(f32::INFINITY, f32::min);
        self.results.iter().any(|b| possible > if b.done { worst } else { NONE })
    }
}

/// The `n` of the highest score, the highest first; of equal ones the earlier.
fn best(mut beams: Vec<Beam>, n: usize) -> Vec<Beam> {
    beams.sort_by(|a, b| b.score.total_cmp(&a.score));
    beams.truncate(n);
    beams
}
