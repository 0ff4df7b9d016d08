//! Several prompts at once.
use super::{
    Finish, Generated, Generation, Stats, limits,
    run::{Plan, Record, Run, read},
    stop::Stop,
};
use crate::{
    error::{Error, Result},
    files::encode_prompt,
    memory::Room,
    model::Model,
    programs::Placement,
    tokenizer::DecodeStream,
};
use std::{
    collections::VecDeque,
    ops::ControlFlow,
    time::{Duration, Instant},
};

impl Model {
    /// Generate tokens after several prompts of any lengths; `on_token` sees the row and the token, and may end the row.
    ///
    /// There are [`Generation::samples`] rows for each prompt, those of the first one first; a mesh divides the rows. Rows that ended stay in the
    /// batch until the last one has. What a row draws depends on the seed, on which sample of its prompt it is, and on its
    /// own tokens, not on its company. Prompts of quite different lengths, and more of them than there is memory for at once,
    /// run one group after the other.
    ///
    /// # Errors
    /// As [`Model::generate_tokens`], for any of the prompts.
    pub fn generate_batch<P: AsRef<[u32]>>(
        &self,
        prompts: &[P],
        options: &Generation,
        mut on_token: impl FnMut(usize, u32) -> Result<ControlFlow<()>>,
    ) -> Result<Vec<Generated>> {
        let start = Instant::now();
        let prompts: Vec<&[u32]> = prompts.iter().map(AsRef::as_ref).collect();
        self.check_request(&prompts, options)?;
        let parts = self.placement().map_or(1, Placement::parts_of_batch);
        let times = self.times(prompts.len(), options, parts)?;
        // each prompt so many times, for a part of its samples each
        let prompts: Vec<&[u32]> = prompts.into_iter().flat_map(|prompt| vec![prompt; times]).collect();
        let options = &Generation { samples: options.samples / times, ..options.clone() };
        let mut rows: Vec<Option<Generated>> = vec![None; prompts.len() * options.samples];
        let (mut decode, mut compile) = (Duration::ZERO, Duration::ZERO);
        let mut groups = VecDeque::from(self.groups(&prompts, options, parts)?);
        while let Some(mut group) = groups.pop_front() {
            let row = |row: usize| group[row / options.samples] * options.samples + row % options.samples;
            let (mut begun, prompts) = (false, group.iter().map(|i| prompts[*i]).collect());
            let mut plan = Plan::new(self, prompts, options, 0);
            plan.first = group.iter().map(|i| i % times * options.samples).collect();
            let made = self.generate_group(plan, options, start, |r, token| {
                begun = true;
                on_token(row(r), token)
            });
            let made = match made {
                // (there is less than when the groups were made: what earlier ones gave back may not be the system's yet)
                Err(Error::Framework(raxla::Error::Memory(_))) if !begun && group.len() > parts => {
                    let rest = group.split_off((group.len() / 2).next_multiple_of(parts));
                    groups.push_front(rest);
                    groups.push_front(group);
                    continue;
                }
                made => made?,
            };
            let of = |f: fn(&Stats) -> Duration| made.iter().map(|made| f(&made.stats)).max().unwrap_or_default();
            (decode, compile) = (decode + of(|stats| stats.decode), compile + of(|stats| stats.compile));
            made.into_iter().enumerate().for_each(|(r, made)| rows[row(r)] = Some(made));
        }
        // groups run one after the other: each row's time is that of the whole batch
        let finish = |mut made: Generated| {
            let more = if made.tokens.len() > 1 { decode } else { Duration::ZERO };
            (made.stats.decode, made.stats.compile) = (more, compile);
            made
        };
        Ok(rows.into_iter().flatten().map(finish).collect())
    }

    /// The numbers of the prompts that run at once, the longest first. In a group all prompts are padded to the longest one and
    /// all caches have room for it, so prompts of quite different lengths are apart; and a group's caches take no more than half
    /// of the memory that there is. Each is a multiple of the `parts` that a mesh divides it into.
    fn groups(&self, prompts: &[&[u32]], options: &Generation, parts: usize) -> Result<Vec<Vec<usize>>> {
        // so many slots may be left empty before another group, with programs of its own, is worth its compilation
        const EMPTY: usize = 4096;
        let slots: Vec<usize> = prompts.iter().map(|p| Plan::new(self, vec![*p], options, 0).slots).collect();
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(slots[*i]));
        let available = raxla::memory::available(self.client())?;
        let fits = |n: usize, slots: usize| {
            let room = Room { prompts: n, samples: options.samples, slots, spare: 0 };
            n * options.samples <= limits::SAMPLES
                && available.as_ref().is_none_or(|a| room.bytes(self.held(), options.shape()) <= a.bytes / 2)
        };
        let mut groups: Vec<Vec<usize>> = vec![];
        let mut own = 0;
        for i in order {
            let joins = groups.last().is_some_and(|group| {
                let (n, longest) = (group.len() + 1, slots[group[0]]);
                let wasteful = n * longest > 2 * (own + slots[i]) + EMPTY;
                // (a mesh takes multiples of its parts)
                !group.len().is_multiple_of(parts) || (!wasteful && fits(n.next_multiple_of(parts), longest))
            });
            match groups.last_mut().filter(|_| joins) {
                Some(group) => group.push(i),
                None => {
                    groups.push(vec![i]);
                    own = 0;
                }
            }
            own += slots[i];
        }
        // those of a group in their own order
        groups.iter_mut().for_each(|group| group.sort_unstable());
        Ok(groups)
    }

    /// Generate after prompts that run at once; `start` is when the call began.
    fn generate_group(
        &self,
        mut plan: Plan,
        options: &Generation,
        start: Instant,
        mut on_token: impl FnMut(usize, u32) -> Result<ControlFlow<()>>,
    ) -> Result<Vec<Generated>> {
        let mut records = plan.records();
        let left = |records: &[Record]| records.iter().map(Record::left).max().unwrap_or(0);
        if left(&records) == 0 {
            return Ok(records.into_iter().map(|r| r.made).collect());
        }
        let eos = if options.ignore_eos { &[][..] } else { &self.generation.eos };
        let mut run =
            Run::start(self, &mut plan, options.shape(), options, left(&records) > 1 && !options.device_loop)?;
        let mut take = |records: &mut Vec<Record>, tokens: Vec<_>| -> Result<()> {
            let mut rows = records.iter_mut().enumerate().zip(tokens);
            rows.try_for_each(|((row, record), token)| {
                let prompt = plan.prompts[row / plan.samples];
                record.push(token, (self, prompt), eos, |token| on_token(row, token))
            })
        };
        // only the first tokens are shown before the decoding program is even compiled
        take(&mut records, read(run.chosen.as_ref().expect("a choice"))?)?;
        let first_token = start.elapsed();
        let (begin, before) = (Instant::now(), run.compile);
        if left(&records) > 0 && options.device_loop {
            let most: Vec<usize> = records.iter().map(Record::left).collect();
            for tokens in run.rest_on_device(self, options, &plan, eos, &most)? {
                take(&mut records, tokens)?;
            }
        } else if left(&records) > 0 {
            run.next()?;
            while left(&records) > 0 {
                let current = run.chosen.clone().expect("a choice");
                // the next step is queued before these tokens are read, so that the device does not wait for the host
                if left(&records) > 1 {
                    run.next()?;
                }
                take(&mut records, read(&current)?)?;
            }
        }
        let decode = begin.elapsed().saturating_sub(run.compile - before);
        let finish = |mut made: Generated| {
            let more = if made.tokens.len() > 1 { decode } else { Duration::ZERO };
            (made.stats.first_token, made.stats.decode, made.stats.compile) = (first_token, more, run.compile);
            made.stats.new_tokens = made.tokens.len();
            made
        };
        Ok(records.into_iter().map(|r| finish(r.made)).collect())
    }

    /// Generate text after several prompts; `on_text` sees the row, and each piece as soon as it is certain, and may end
    /// the row. Rows are those of [`Model::generate_batch`], pieces and `add_special` are as in [`Model::generate`].
    ///
    /// # Errors
    /// As [`Model::generate`], for any of the prompts.
    pub fn generate_texts<P: AsRef<str>>(
        &self,
        prompts: &[P],
        add_special: bool,
        options: &Generation,
        mut on_text: impl FnMut(usize, &str) -> ControlFlow<()>,
    ) -> Result<Vec<Generated>> {
        let prompts =
            prompts.iter().map(|p| self.encode_prompt(p.as_ref(), add_special)).collect::<Result<Vec<_>>>()?;
        let rows = prompts.len() * options.samples;
        let text = |row: usize| Text::new(self, &prompts[row / options.samples], &options.stop);
        let mut texts = (0..rows).map(text).collect::<Result<Vec<_>>>()?;
        let mut all =
            self.generate_batch(&prompts, options, |row, id| texts[row].push(id, |piece| on_text(row, piece)))?;
        for (row, (made, text)) in all.iter_mut().zip(texts).enumerate() {
            text.finish(made, |piece| on_text(row, piece))?;
        }
        Ok(all)
    }

    /// How often each prompt is taken in, so that the `parts` of a mesh get as many each: once where they share the prompts, and
    /// otherwise for a part of its samples each time.
    fn times(&self, prompts: usize, options: &Generation, parts: usize) -> Result<usize> {
        let Some(placement) = self.placement() else { return Ok(1) };
        if options.device_loop {
            self.on_one_device("a loop on the device (`device_loop`)")?;
        }
        let samples = options.samples;
        // the least common multiple of both is what is taken in
        let times = (1..=parts).find(|times| (prompts * times).is_multiple_of(parts)).unwrap_or(parts);
        if samples.is_multiple_of(times) {
            return Ok(times);
        }
        let (mesh, rows) = (placement.mesh(), prompts * samples);
        let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (texts, of) = (counted(rows, "text"), (counted(prompts, "prompt"), counted(samples, "sample")));
        Err(Error::Usage(format!(
            "the {parts} devices along `data` of the mesh {mesh} cannot share {texts} evenly ({} with {} each)\n  help: make prompts \
             times samples a multiple of {parts}, or `data` a divisor of {rows}; one text alone is divided along `model`",
            of.0, of.1
        )))
    }

    /// The ids of a prompt.
    pub(super) fn encode_prompt(&self, prompt: &str, add_special: bool) -> Result<Vec<u32>> {
        encode_prompt(self.tokenizer()?, self.spec(), prompt, add_special)
    }

    /// Whether a text can be a prompt: the model knows its tokens, and they fit its context.
    ///
    /// # Errors
    /// What [`Model::generate`] would say of it.
    pub fn check_prompt(&self, prompt: &str, add_special: bool) -> Result<()> {
        self.check_tokens(&self.encode_prompt(prompt, add_special)?)
    }

    /// The prompts and the options make sense for this model.
    pub(super) fn check_request(&self, prompts: &[&[u32]], options: &Generation) -> Result<()> {
        prompts.iter().try_for_each(|p| self.check_tokens(p))?;
        options.check().map_err(Error::Usage)?;
        let vocab = self.spec().vocab();
        match options.sampling.logit_bias.keys().find(|t| **t as usize >= vocab) {
            Some(t) => Err(Error::Usage(format!(
                "logit-bias of token {t}, which is outside the vocabulary: ids go from 0 to {}",
                vocab - 1
            ))),
            None => Ok(()),
        }
    }
}

/// The text of one row, in the making.
pub(super) struct Text<'a> {
    stream: DecodeStream<'a>,
    out: Stop<'a>,
}
impl<'a> Text<'a> {
    pub fn new(model: &'a Model, prompt: &[u32], stop: &'a [String]) -> Result<Text<'a>> {
        Ok(Text { stream: model.tokenizer()?.decode_stream_after(prompt, true)?, out: Stop::new(stop) })
    }
    /// Take a token; `on_text` sees what it makes certain.
    pub fn push(&mut self, id: u32, on_text: impl FnOnce(&str) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let piece = self.out.push(&self.stream.push(id)?);
        let flow = if piece.is_empty() { ControlFlow::Continue(()) } else { on_text(&piece) };
        Ok(if self.out.found { ControlFlow::Break(()) } else { flow })
    }
    /// Nothing follows.
    pub fn finish(mut self, made: &mut Generated, on_text: impl FnOnce(&str) -> ControlFlow<()>) -> Result<()> {
        if !self.out.found {
            let rest = self.out.push(&self.stream.finish()?) + &self.out.flush();
            if !rest.is_empty() {
                let _ = on_text(&rest);
            }
        }
        if self.out.found {
            made.finish = Finish::Stop;
        }
        made.text = self.out.text;
        Ok(())
    }
}

/// The prompts of a padded batch as transformers' tokenizers return it: `ids` and `mask` are `[rows, width]`, row by row,
/// and the mask is 1 at tokens and 0 at padding, on either side.
///
/// # Errors
/// Sizes that are no multiple of `width` or differ; a mask of other numbers, or with padding between tokens.
pub fn strip_padding(ids: &[u32], mask: &[u32], width: usize) -> Result<Vec<Vec<u32>>> {
    if width == 0 || ids.len() != mask.len() || !ids.len().is_multiple_of(width) {
        let (ids, mask) = (ids.len(), mask.len());
        return Err(Error::Usage(format!("{ids} ids and {mask} numbers of a mask are no rows of {width}")));
    }
    let mut prompts = vec![];
    for (row, (ids, mask)) in ids.chunks(width).zip(mask.chunks(width)).enumerate() {
        let from = mask.iter().position(|m| *m != 0).unwrap_or(width);
        let real = &mask[from..];
        let n = real.iter().position(|m| *m == 0).unwrap_or(real.len());
        if mask.iter().any(|m| *m > 1) || real[n..].contains(&1) {
            let why = "is neither padding, tokens nor tokens, padding";
            return Err(Error::Usage(format!("row {row} of the attention mask {why}: {mask:?}")));
        }
        prompts.push(ids[from..from + n].to_vec());
    }
    Ok(prompts)
}
