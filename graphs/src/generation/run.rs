//! The state of a generation between two calls of its programs, and what becomes of its rows.
use super::{Finish, Generated, Generation, Stats, TokenLogprobs, limits};
use crate::{
    error::{Error, Result},
    memory::Room,
    model::Model,
    models::Decoder,
    programs::{Program, Request, State, Step, StepArgs, step_avals},
    sampling::{Chosen, Logprobs, Sampling, Shape},
};
use raxla::{Array, Aval, Client, Host, Key, Tree, memory};
use std::{
    ops::ControlFlow,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Prompts are padded to 16, 32, 64, ... tokens, and caches hold 64, 128, ... slots: a new length rarely means a new program.
const SMALLEST_PROMPT: usize = 16;
const SMALLEST_CACHE: usize = 64;

/// The bucket of a prompt length, and of a cache for `total` positions.
pub fn buckets(prompt: usize, total: usize) -> (usize, usize) {
    let t = prompt.next_power_of_two().max(SMALLEST_PROMPT);
    // padding is written to the cache, too
    (t, total.max(t).next_power_of_two().max(SMALLEST_CACHE))
}

/// Numbers of the step's arguments whose memory it may reuse: the state.
const CONSUMED: [usize; 1] = [3];

/// A program that is compiled while others run.
pub(super) struct Later<P> {
    make: Arc<dyn Fn() -> raxla::Result<Arc<P>> + Send + Sync>,
    program: Option<Arc<P>>,
    compiling: Option<JoinHandle<()>>,
}
impl<P> Later<P> {
    /// `ahead`: begin now.
    pub fn new(make: impl Fn() -> raxla::Result<Arc<P>> + Send + Sync + 'static, ahead: bool) -> Later<P>
    where
        P: 'static,
    {
        let make: Arc<dyn Fn() -> raxla::Result<Arc<P>> + Send + Sync> = Arc::new(make);
        let compiling = ahead.then(|| {
            let make = make.clone();
            // should it fail, the call that needs the program says so
            std::thread::spawn(move || drop(make()))
        });
        Later { make, program: None, compiling }
    }
    /// The program; the time spent waiting for it is added to `waited`.
    pub fn get(&mut self, waited: &mut Duration) -> Result<Arc<P>> {
        if let Some(p) = &self.program {
            return Ok(p.clone());
        }
        let begin = Instant::now();
        let made = (self.make)()?;
        *waited += begin.elapsed();
        Ok(self.program.insert(made).clone())
    }
}
impl<P> Drop for Later<P> {
    /// Nothing that was begun goes on alone.
    fn drop(&mut self) {
        if let Some(thread) = self.compiling.take() {
            let _ = thread.join();
        }
    }
}

/// The prompts of a generation, and how much room they need.
pub(super) struct Plan<'a> {
    pub prompts: Vec<&'a [u32]>,
    pub samples: usize,
    /// The number of the first sample of each prompt: not 0 where an earlier one is the same prompt.
    pub first: Vec<usize>,
    /// Most new tokens after each prompt.
    pub most: Vec<usize>,
    /// Slots of the cache.
    pub slots: usize,
    /// How many of the latest positions may be taken back.
    spare: usize,
    /// How many tokens of a prompt are taken in at once.
    chunk: usize,
}
impl<'a> Plan<'a> {
    /// `spare`: how many of the latest positions may be taken back.
    pub fn new(model: &Model, prompts: Vec<&'a [u32]>, options: &Generation, spare: usize) -> Plan<'a> {
        let context = model.spec().context.min(limits::POSITIONS);
        // the last token needs no place in the cache, so even a prompt that fills the context is followed by one
        let most = |p: &&[u32]| options.max_new_tokens.min((context + 1).saturating_sub(p.len()));
        let most: Vec<usize> = prompts.iter().map(most).collect();
        let longest = prompts.iter().map(|p| p.len()).max().unwrap_or(0);
        let totals = prompts.iter().zip(&most).map(|(p, most)| (p.len() + most).min(context));
        let bucket = buckets(longest, 0).0;
        let chunk = options.prefill_chunk.map_or(bucket, |c| c.min(bucket));
        // the last piece of the longest prompt is padded
        let padded = longest.next_multiple_of(chunk);
        let slots = buckets(0, (totals.max().unwrap_or(0) + spare).max(padded)).1;
        let first = vec![0; prompts.len()];
        Plan { prompts, samples: options.samples, first, most, slots, spare, chunk }
    }
    pub fn rows(&self) -> usize {
        self.prompts.len() * self.samples
    }
    /// What caches grow with.
    pub fn room(&self) -> Room {
        Room { prompts: self.prompts.len(), samples: self.samples, slots: self.slots, spare: self.spare }
    }
    /// Are prompts taken in whole, so that the last tokens' logits come with them?
    fn at_once(&self) -> bool {
        self.samples == 1 && self.prompts.iter().all(|p| p.len() <= self.chunk)
    }
    /// What becomes of each row.
    pub fn records(&self) -> Vec<Record> {
        let of = |(p, most): (&&[u32], &usize)| vec![Record::new(p.len(), *most); self.samples];
        self.prompts.iter().zip(&self.most).flat_map(of).collect()
    }
}

/// One generation: its programs, and the state between two calls.
pub(super) struct Run {
    decode: Later<Program>,
    pub params: Decoder<Array>,
    ones: Array,
    pub request: Request<Array>,
    /// The newest tokens, perhaps still being computed.
    pub chosen: Option<Chosen<Array>>,
    state: Option<State<Array>>,
    /// Time spent waiting for programs.
    pub compile: Duration,
}

impl Run {
    /// Take the prompts in, and queue the choice of the first tokens. `ahead`: the program for one token will be needed.
    pub fn start(model: &Model, plan: &mut Plan, shape: Shape, options: &Generation, ahead: bool) -> Result<Run> {
        let (mut run, last) = Run::take_in(model, plan, shape, options, ahead || !plan.at_once())?;
        if !plan.at_once() {
            run.decode(last)?;
        }
        Ok(run)
    }

    /// Take in what can be without choosing tokens for several rows of one prompt; the tokens that are to follow,
    /// i32 `[rows, 1]`, are the prompts' last.
    pub fn take_in(
        model: &Model,
        plan: &mut Plan,
        shape: Shape,
        options: &Generation,
        ahead: bool,
    ) -> Result<(Run, Array)> {
        let client = model.client();
        let step = model.programs.step(model, shape);
        // (that there is room for the caches is known before anything is compiled)
        plan.room().ask(model.held(), shape, 0)?;
        let Plan { slots, spare, .. } = *plan;
        let avals = |rows, t| step_avals(model.spec(), model.dtype(), shape, [rows, t], [slots, spare]);
        let (one_each, decoding) = (avals(plan.rows(), 1), step.clone());
        let decode = Later::new(move || decoding.prepare(&one_each, &CONSUMED), ahead);
        let begin = Instant::now();
        let prefill = prefill(model, plan, shape, &step, avals)?;
        let compile = begin.elapsed();
        let mut run = Run {
            decode,
            params: model.params().clone(),
            ones: ints(client, &vec![1; plan.rows()])?,
            request: request(model, plan, &options.sampling, 1)?,
            chosen: None,
            state: Some(new_state(model, &avals(plan.prompts.len(), 1))?),
            compile,
        };
        let last = |p: &&[u32]| p.len() - !plan.at_once() as usize;
        let ends: Vec<usize> = plan.prompts.iter().map(last).collect();
        let mut from = 0;
        while from < *ends.iter().max().expect("there are prompts") {
            let (tokens, counts) = piece(client, plan, &ends, from)?;
            run.advance(&prefill, tokens, counts)?;
            from += plan.chunk;
        }
        run.repeat(model, plan, &options.sampling)?;
        // the same last token for all samples of a prompt
        let last = plan.prompts.iter().flat_map(|p| vec![p[p.len() - 1] as i32; plan.samples]);
        let last = Array::on(client, [plan.rows(), 1], &last.collect::<Vec<i32>>())?;
        Ok((run, last))
    }

    /// One row for each sample of each prompt.
    fn repeat(&mut self, model: &Model, plan: &Plan, sampling: &Sampling) -> Result<()> {
        if plan.samples > 1 {
            self.request = request(model, plan, sampling, plan.samples)?;
            let rows = (0..plan.rows()).map(|row| (row / plan.samples) as i32);
            let rows = ints(model.client(), &rows.collect::<Vec<i32>>())?;
            let state = self.take_state();
            let pick = model.programs.pick(model);
            let made = timed(&mut self.compile, || pick.compiles(), || pick.call((&state, &rows)))?;
            self.put_state(made);
        }
        Ok(())
    }

    /// Queue one call of a program.
    fn advance(&mut self, program: &Program, tokens: Array, counts: Array) -> Result<()> {
        let state = self.take_state();
        let (chosen, state) = program.run((&self.params, tokens, counts, state, &self.request))?;
        (self.chosen, self.state) = (Some(chosen), Some(state));
        Ok(())
    }

    /// Queue the choice of tokens after these, i32 `[rows, 1]`.
    fn decode(&mut self, tokens: Array) -> Result<()> {
        let program = self.decode.get(&mut self.compile)?;
        let ones = self.ones.clone();
        self.advance(&program, tokens, ones)
    }

    /// Queue the choice of the tokens after the current ones.
    pub fn next(&mut self) -> Result<()> {
        let tokens = self.newest();
        self.decode(tokens)
    }

    /// The newest tokens, i32 `[rows, 1]`.
    pub fn newest(&self) -> Array {
        self.chosen.as_ref().expect("a run begins with a choice").token.clone()
    }
    /// The state, to be given to a program that returns another.
    pub fn take_state(&mut self) -> State<Array> {
        self.state.take().expect("given back by every call")
    }
    /// What such a program returned.
    pub fn put_state(&mut self, state: State<Array>) {
        self.state = Some(state);
    }
}

/// Call a program; if it had to be compiled, the time counts as waiting for it.
pub(super) fn timed<Y>(
    waited: &mut Duration,
    compiles: impl Fn() -> usize,
    call: impl FnOnce() -> raxla::Result<Y>,
) -> Result<Y> {
    let (begin, before) = (Instant::now(), compiles());
    let y = call()?;
    if compiles() != before {
        *waited += begin.elapsed();
    }
    Ok(y)
}

/// What is asked for, with `samples` rows per prompt.
fn request(model: &Model, plan: &Plan, sampling: &Sampling, samples: usize) -> Result<Request<Array>> {
    let (client, vocab) = (model.client(), model.spec().vocab());
    let upload = |h: &Host| Array::from_bytes(client, h.aval().clone(), &h.to_bytes());
    let lengths = plan.prompts.iter().flat_map(|p| vec![p.len() as i32; samples]);
    let numbers = (0..plan.prompts.len() * samples).map(|row| (plan.first[row / samples] + row % samples) as i32);
    let needs_bias = sampling.shape().needs_bias();
    Ok(Request {
        prompt: ints(client, &lengths.collect::<Vec<i32>>())?,
        sample: ints(client, &numbers.collect::<Vec<i32>>())?,
        numbers: Array::on(client, [6], &sampling.numbers())?,
        bias: needs_bias.then(|| Array::on(client, [vocab], &sampling.bias(vocab))).transpose()?,
        key: Key::host(sampling.seed).try_map_named(|_, h| upload(h))?,
    })
}

/// The program that takes prompts in: whole or, where there is no memory for that, by smaller pieces.
fn prefill(
    model: &Model,
    plan: &mut Plan,
    shape: Shape,
    step: &Step,
    avals: impl Fn(usize, usize) -> StepArgs<Aval>,
) -> Result<Arc<Program>> {
    // scores of so many pairs of positions: worth a look at the program before it is compiled, which takes long for large ones
    const PAIRS: usize = 1 << 22;
    loop {
        let args = avals(plan.prompts.len(), plan.chunk);
        let enough = |bytes: u64| plan.room().ask(model.held(), shape, bytes);
        let made = match plan.chunk * plan.slots >= PAIRS {
            true => enough(step.lower(&args)?.graph.largest_bytes()),
            false => Ok(()),
        };
        let made = made.and_then(|()| {
            let program = step.prepare(&args, &CONSUMED)?;
            enough(program.memory()).map(|()| program)
        });
        match made {
            Ok(program) => return Ok(program),
            Err(Error::Framework(raxla::Error::Memory(why))) if plan.chunk > SMALLEST_PROMPT => {
                // (a power of two, of which the slots are a multiple: padding stays inside them)
                let chunk = ((plan.chunk / 3).next_power_of_two() / 2).max(SMALLEST_PROMPT);
                tracing::debug!("prompts are taken in by {chunk} tokens: by {}, {why}", plan.chunk);
                plan.chunk = chunk;
            }
            Err(other) => return Err(other),
        }
    }
}

/// A state in which nothing has happened yet.
fn new_state(model: &Model, avals: &StepArgs<Aval>) -> Result<State<Array>> {
    if let Some(placement) = model.placement() {
        return Ok(placement.new_state(&avals.3)?);
    }
    let mut zeros = vec![];
    let largest = avals.3.leaves().iter().map(Aval::bytes).max().unwrap_or(0);
    memory::resize(&mut zeros, largest, "an empty cache of a layer")?;
    Ok(avals.3.try_map_named(|_, a| Array::from_bytes(model.client(), a.clone(), &zeros[..a.bytes()]))?)
}

/// The tokens of each prompt from `from` on, up to its end, padded; and how many they are.
fn piece(client: &Client, plan: &Plan, ends: &[usize], from: usize) -> Result<(Array, Array)> {
    let (mut tokens, mut counts) = (vec![], vec![]);
    for (prompt, end) in plan.prompts.iter().zip(ends) {
        let part = &prompt[from.min(*end)..(from + plan.chunk).min(*end)];
        tokens.extend(part.iter().map(|id| *id as i32));
        tokens.resize(tokens.len() + plan.chunk - part.len(), 0);
        counts.push(part.len() as i32);
    }
    Ok((Array::on(client, [plan.prompts.len(), plan.chunk], &tokens)?, ints(client, &counts)?))
}

pub(super) fn ints(client: &Client, x: &[i32]) -> Result<Array> {
    Ok(Array::on(client, [x.len()], x)?)
}

/// A token, and how likely it was if that was asked for; no token where the logits are not finite.
pub(super) type Token = (Option<u32>, Option<TokenLogprobs>);

/// Wait for chosen tokens. Their axes but the last of `top` are merged.
pub(super) fn read(chosen: &Chosen<Array>) -> Result<Vec<Token>> {
    let tokens = chosen.token.to_vec::<i32>()?.into_iter().map(|t| u32::try_from(t).ok());
    let Some(Logprobs { chosen, top }) = &chosen.logprobs else { return Ok(tokens.map(|t| (t, None)).collect()) };
    let (of_chosen, mut tops) = (chosen.to_vec::<f32>()?, vec![vec![]; tokens.len()]);
    if let Some((values, ids)) = top {
        let n = *ids.dims().last().expect("an axis of alternatives");
        let (values, ids) = (values.to_vec::<f32>()?, ids.to_vec::<i32>()?);
        let all: Vec<(u32, f32)> = ids.into_iter().map(|id| id as u32).zip(values).collect();
        tops = all.chunks(n).map(<[_]>::to_vec).collect();
    }
    let both = of_chosen.into_iter().zip(tops).map(|(logprob, top)| TokenLogprobs { logprob, top });
    Ok(tokens.zip(both.map(Some)).collect())
}

/// What becomes of one row.
#[derive(Clone)]
pub(super) struct Record {
    pub made: Generated,
    /// Most new tokens.
    most: usize,
    pub done: bool,
}
impl Record {
    fn new(prompt_tokens: usize, most: usize) -> Record {
        let stats = Stats { prompt_tokens, ..Stats::default() };
        let made = Generated {
            tokens: vec![],
            logprobs: vec![],
            text: String::new(),
            score: None,
            finish: Finish::Length,
            stats,
        };
        Record { made, most, done: most == 0 }
    }
    /// Take the next token, unless the row has ended. `prompt`: what came before the row's tokens.
    pub fn push(
        &mut self,
        (token, logprobs): Token,
        (model, prompt): (&Model, &[u32]),
        eos: &[u32],
        on_token: impl FnOnce(u32) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if self.done {
            return Ok(());
        }
        let Some(token) = token else { return Err(model.not_finite(&[prompt, &self.made.tokens].concat())) };
        if eos.contains(&token) {
            (self.done, self.made.finish) = (true, Finish::Stop);
            return Ok(());
        }
        self.made.tokens.push(token);
        self.made.logprobs.extend(logprobs);
        if on_token(token)?.is_break() {
            (self.done, self.made.finish) = (true, Finish::Callback);
        }
        self.done |= self.made.tokens.len() == self.most;
        Ok(())
    }
    /// How many more tokens there may be.
    pub fn left(&self) -> usize {
        if self.done { 0 } else { self.most - self.made.tokens.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_prompt_and_padding() {
        assert_eq!(buckets(5, 30), (16, 64));
        assert_eq!(buckets(17, 40), (32, 64));
        assert_eq!(buckets(100, 110), (128, 128));
        assert_eq!(buckets(1000, 1024), (1024, 1024));
    }
}
