//! Several prompts at once.
use super::{
    Finish, Generated, Generation,
    run::{Plan, Record, Run, read},
    stop::Stop,
};
use crate::{
    error::{Error, Result},
    model::Model,
    tokenizer::DecodeStream,
};
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

impl Model {
    /// Generate tokens after several prompts of any lengths; `on_token` sees the row and the token, and may end the row.
    ///
    /// There are [`Generation::samples`] rows for each prompt, those of the first one first. Rows that ended stay in the
    /// batch until the last one has. What a row draws depends on the seed, on which sample of its prompt it is, and on its
    /// own tokens, not on its company.
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
        self.check_division(prompts.len(), options)?;
        let plan = Plan::new(self, prompts, options, 0);
        let mut records = plan.records();
        let left = |records: &[Record]| records.iter().map(Record::left).max().unwrap_or(0);
        if left(&records) == 0 {
            return Ok(records.into_iter().map(|r| r.made).collect());
        }
        let eos = if options.ignore_eos { &[][..] } else { &self.generation.eos };
        let mut run = Run::start(self, &plan, options.shape(), options, left(&records) > 1 && !options.device_loop)?;
        let mut take = |records: &mut Vec<Record>, tokens: Vec<_>| -> Result<()> {
            let mut rows = records.iter_mut().enumerate().zip(tokens);
            rows.try_for_each(|((row, record), token)| record.push(token, eos, |token| on_token(row, token)))
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
        let mut texts = (0..rows).map(|_| Text::new(self, &options.stop)).collect::<Result<Vec<_>>>()?;
        let mut all =
            self.generate_batch(&prompts, options, |row, id| texts[row].push(id, |piece| on_text(row, piece)))?;
        for (row, (made, text)) in all.iter_mut().zip(texts).enumerate() {
            text.finish(made, |piece| on_text(row, piece))?;
        }
        Ok(all)
    }

    /// What is asked for can be divided over the model's devices.
    fn check_division(&self, prompts: usize, options: &Generation) -> Result<()> {
        let Some(placement) = self.placement() else { return Ok(()) };
        if options.device_loop {
            self.on_one_device("a loop on the device (`device_loop`)")?;
        }
        let parts = placement.parts_of_batch();
        if prompts.is_multiple_of(parts) {
            return Ok(());
        }
        let lacks = prompts.next_multiple_of(parts) - prompts;
        let mesh = placement.mesh();
        Err(Error::Usage(format!(
            "the {parts} devices along `data` of the mesh {mesh} cannot share {prompts} prompts evenly\n  help: give {lacks} \
             more, or make `data` a divisor of {prompts}"
        )))
    }

    /// The ids of a prompt.
    pub(super) fn encode_prompt(&self, prompt: &str, add_special: bool) -> Result<Vec<u32>> {
        let ids = self.tokenizer()?.encode(prompt, add_special)?;
        let vocab = self.spec().vocab();
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocab) {
            let why = format!("the tokenizer knows a token {id}, but the model's ids go from 0 to {}", vocab - 1);
            return Err(Error::Usage(why + "\n  help: put the tokenizer that belongs to the model beside its weights"));
        }
        Ok(ids)
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
    pub fn new(model: &'a Model, stop: &'a [String]) -> Result<Text<'a>> {
        Ok(Text { stream: model.tokenizer()?.decode_stream(true), out: Stop::new(stop) })
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
