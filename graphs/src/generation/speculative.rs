//! Speculative decoding: a cheap draft proposes several tokens, and one call of the model keeps or rejects them.
use super::{
    Generated, Generation,
    batch::Text,
    limits, one_sample,
    run::{Plan, Run, Token, ints, read, timed},
};
use crate::{
    error::{Error, Result},
    model::Model,
    sampling::Shape,
    tokenizer::Tokenizer,
};
use raxla::{Array, Client};
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Where drafted tokens come from.
#[derive(Clone, Copy)]
pub enum Draft<'a> {
    /// A smaller model with the same vocabulary.
    Model(&'a Model),
    /// No model: what followed the last time that the latest tokens, at most this many, occurred in the text (prompt
    /// lookup). It helps where texts repeat themselves: summaries, changes to code.
    Lookup(usize),
}

impl Draft<'_> {
    /// Check how many tokens are to be drafted at a time.
    pub fn check_tokens(n: usize) -> Result<(), String> {
        limits::within("draft-tokens", n, limits::DRAFT_TOKENS)
    }
}

impl Model {
    /// As [`Model::generate_tokens`], with `n` tokens at a time drafted by something cheaper. Greedy tokens are the same;
    /// drawn ones have the same distribution (Leviathan et al., 2023; arXiv 2211.17192), though not the same values.
    ///
    /// # Errors
    /// As [`Model::generate_tokens`]; and a draft of another vocabulary, or of no tokens.
    pub fn generate_speculative_tokens(
        &self,
        draft: Draft,
        n: usize,
        prompt: &[u32],
        options: &Generation,
        mut on_token: impl FnMut(u32) -> Result<ControlFlow<()>>,
    ) -> Result<Generated> {
        let start = Instant::now();
        self.check_request(&[prompt], options)?;
        self.on_one_device("drafting")?;
        if let Draft::Model(other) = &draft {
            other.on_one_device("drafting")?;
        }
        self.check_draft(draft, n, prompt, options)?;
        let mut plan = Plan::new(self, vec![prompt], options, n + 1);
        let mut record = plan.records().swap_remove(0);
        if record.done {
            return Ok(record.made);
        }
        let eos = if options.ignore_eos { &[][..] } else { &self.generation.eos };
        let mut run = Run::start(self, &mut plan, options.shape(), options, false)?;
        let first = read(run.chosen.as_ref().expect("a choice"))?.swap_remove(0);
        let mut text = prompt.to_vec();
        text.extend(first.0);
        record.push(first, (self, prompt), eos, &mut on_token)?;
        record.made.stats.first_token = start.elapsed();
        let (begin, before) = (Instant::now(), run.compile);
        let mut source = if record.done { None } else { Some(Source::new(self, draft, n, &plan, options)?) };
        while let Some(source) = source.as_mut().filter(|_| !record.done) {
            let proposed = source.propose(&text, record.left())?;
            let (tokens, accepted) = run.verify(self, options.shape(), &text, &proposed)?;
            record.made.stats.drafted += proposed.real;
            record.made.stats.accepted += accepted;
            for token in tokens {
                text.extend(token.0);
                record.push(token, (self, prompt), eos, &mut on_token)?;
            }
        }
        run.compile += source.map_or_else(Default::default, |s| s.compile());
        let stats = &mut record.made.stats;
        (stats.new_tokens, stats.compile) = (record.made.tokens.len(), run.compile);
        stats.decode = begin.elapsed().saturating_sub(run.compile - before);
        Ok(record.made)
    }

    /// As [`Model::generate`], with drafts as in [`Model::generate_speculative_tokens`].
    ///
    /// # Errors
    /// As these two.
    pub fn generate_speculative(
        &self,
        draft: Draft,
        n: usize,
        prompt: &str,
        add_special: bool,
        options: &Generation,
        mut on_text: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generated> {
        if let Draft::Model(other) = draft
            && let Some(id) = first_difference(self.tokenizer()?, other.tokenizer()?)
        {
            return Err(vocabulary(format!("the draft {} has another token {id} than the model", other.name)));
        }
        let ids = self.encode_prompt(prompt, add_special)?;
        let mut text = Text::new(self, &ids, &options.stop)?;
        let mut made = self.generate_speculative_tokens(draft, n, &ids, options, |id| text.push(id, &mut on_text))?;
        text.finish(&mut made, on_text)?;
        Ok(made)
    }

    fn check_draft(&self, draft: Draft, n: usize, prompt: &[u32], options: &Generation) -> Result<()> {
        one_sample(options, "generate_batch")?;
        Draft::check_tokens(n).map_err(Error::Usage)?;
        if options.device_loop {
            return Err(Error::Usage("the loop on the device does not go with drafted tokens: choose one".into()));
        }
        match draft {
            Draft::Lookup(0) => Err(Error::Usage("the draft looks up at least 1 token, not 0".into())),
            Draft::Lookup(_) => Ok(()),
            Draft::Model(other) => {
                let [own, others] = [self, other].map(|m| m.spec().vocab());
                if own != others {
                    return Err(vocabulary(format!("the draft {} has {others} tokens, the model {own}", other.name)));
                }
                other.check_tokens(prompt)
            }
        }
    }
}

/// The first id that two tokenizers spell differently.
fn first_difference(a: &Tokenizer, b: &Tokenizer) -> Option<u32> {
    let size = a.vocab_size().max(b.vocab_size()) as u32;
    (0..size).find(|id| a.token(*id) != b.token(*id))
}

fn vocabulary(why: String) -> Error {
    let help = "take a draft of the same family, or look up tokens instead";
    Error::Usage(format!("{why}: they must share a vocabulary\n  help: {help}"))
}

/// What a draft proposes for one call of the model.
struct Proposed {
    /// i32 `[1, n]`
    tokens: Array,
    /// How many of them are meant.
    real: usize,
    /// The scores that they were drawn by, if they were.
    scores: Option<Array>,
}

/// A draft at work.
enum Source<'a> {
    Model { model: &'a Model, run: Box<Run>, shape: Shape, n: usize },
    Lookup { client: &'a Client, longest: usize, n: usize },
}
impl<'a> Source<'a> {
    /// `plan`: the model's own.
    fn new(model: &'a Model, draft: Draft<'a>, n: usize, plan: &Plan, options: &Generation) -> Result<Source<'a>> {
        let model = match draft {
            Draft::Lookup(longest) => return Ok(Source::Lookup { client: model.client(), longest, n }),
            Draft::Model(model) => model,
        };
        let shape = options.shape().without_counts().with_logprobs(None);
        let mut own = Plan::new(model, plan.prompts.clone(), options, n + 1);
        // beyond its context it drafts badly, not wrongly
        own.slots = own.slots.max(plan.slots);
        let run = Run::start(model, &mut own, shape, options, false)?;
        Ok(Source::Model { model, run: Box::new(run), shape, n })
    }

    /// Drafts of the tokens after `text`, of which at most `most` are of use.
    fn propose(&mut self, text: &[u32], most: usize) -> Result<Proposed> {
        match self {
            Source::Lookup { client, longest, n } => {
                let mut found: Vec<i32> = look_up(text, *longest, *n).iter().map(|id| *id as i32).collect();
                let real = found.len().min(most);
                found.resize(*n, 0);
                Ok(Proposed { tokens: Array::on(client, [1, *n], &found)?, real, scores: None })
            }
            Source::Model { model, run, shape, n } => {
                let pair: Vec<i32> = text[text.len() - 2..].iter().map(|id| *id as i32).collect();
                let pair = Array::on(model.client(), [1, 2], &pair)?;
                let position = ints(model.client(), &[text.len() as i32 - 2])?;
                let (draft, state) = (model.programs.draft(model, *shape, *n), run.take_state());
                let (tokens, scores, state) = timed(
                    &mut run.compile,
                    || draft.compiles(),
                    || draft.call((&run.params, &pair, &position, state, &run.request)),
                )?;
                run.put_state(state);
                Ok(Proposed { tokens, real: (*n).min(most), scores })
            }
        }
    }

    /// Time spent waiting for the draft's programs.
    fn compile(&self) -> Duration {
        match self {
            Source::Model { run, .. } => run.compile,
            Source::Lookup { .. } => Duration::ZERO,
        }
    }
}

/// The tokens, at most `n`, that followed the last time that the end of `text` occurred: the longest end that did, of at
/// most `longest` tokens (prompt lookup decoding; transformers: `prompt_lookup_num_tokens`).
fn look_up(text: &[u32], longest: usize, n: usize) -> &[u32] {
    for length in (1..=longest.min(text.len() - 1)).rev() {
        let (before, end) = (&text[..text.len() - 1], &text[text.len() - length..]);
        if let Some(at) = before.windows(length).rposition(|w| w == end) {
            let from = at + length;
            return &text[from..(from + n).min(text.len())];
        }
    }
    &[]
}

impl Run {
    /// The tokens that follow `text`, given what a draft proposes, and how many of them the draft had right.
    fn verify(
        &mut self,
        model: &Model,
        shape: Shape,
        text: &[u32],
        proposed: &Proposed,
    ) -> Result<(Vec<Token>, usize)> {
        let last = Array::on(model.client(), [1, 1], &[text[text.len() - 1] as i32])?;
        let real = ints(model.client(), &[proposed.real as i32])?;
        let (verify, state) = (model.programs.verify(model, shape), self.take_state());
        let Proposed { tokens, scores, .. } = proposed;
        let (chosen, kept, state) = timed(
            &mut self.compile,
            || verify.compiles(),
            || verify.call((&self.params, &last, tokens, &real, state, &self.request, scores)),
        )?;
        self.put_state(state);
        let (mut tokens, kept) = (read(&chosen)?, kept.to_vec::<i32>()?[0] as usize);
        tokens.truncate(kept + 1);
        Ok((tokens, kept))
    }
}

#[cfg(test)]
mod tests {
    use super::look_up;

    #[test]
    fn the_longest_and_latest_occurrence_is_continued() {
        assert_eq!(look_up(&[1, 2, 3, 9, 2, 4, 1, 2], 3, 2), [3, 9], "of both 1 and 2");
        assert_eq!(look_up(&[1, 2, 3, 9, 2, 4, 1, 2], 1, 2), [4, 1], "of 2 alone");
        assert_eq!(look_up(&[5, 5, 5], 3, 4), [5], "it may overlap the end");
        assert_eq!(look_up(&[1, 2, 3], 3, 4), [0; 0]);
        assert_eq!(look_up(&[1], 3, 4), [0; 0]);
    }
}
