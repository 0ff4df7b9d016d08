//! `bench prefill` and `bench decode`: the programs that `raxla generate` runs, on a model's own parameters.
use super::{
    Job,
    figure::Figure,
    settings::What::{Decode, Prefill},
};
use crate::Result;
use raxla::{Array, Aval, Client, Key, Tree};
use raxla_graphs::{
    Chosen, Model, Sampling, buckets,
    models::FeedForward,
    programs::{Program, Request, State, step_avals},
};
use std::{sync::Arc, time::Instant};

/// Steps after each prefill that are not counted.
const WARM_UP: usize = 2;

/// A model, its programs, and what they take besides parameters and state.
struct Steps {
    model: Model,
    prefill: Arc<Program>,
    decode: Arc<Program>,
    /// Of one sequence: for the cost of prefill.
    flops: f64,
    avals: State<Aval>,
    request: Request<Array>,
    tokens: Array,
    counts: Array,
    ones: Array,
    kept: bool,
}

fn ints(client: &Client, rows: usize, x: usize) -> Result<Array> {
    Ok(Array::on(client, [rows], &vec![x as i32; rows])?)
}

impl Steps {
    fn new(job: &Job) -> Result<Steps> {
        let (rows, prompt) = (job.work.batch(job.what), job.work.prompt(job.what));
        let total = prompt + if job.what == Decode { job.work.new } else { 0 };
        let mut settings = job.settings.clone();
        let (client, _) = settings.devices(job.global)?;
        settings.load.caches = Some([rows, total]);
        let model = job.model.load_as(&settings.load, &client)?;
        let context = model.spec().context;
        if total > context {
            let why = format!(
                "{prompt} tokens of a prompt and the new ones are {total}, but the model's context is {context}"
            );
            return Err(format!("{why}\n  help: choose a smaller --prompt or --new").into());
        }
        let (t, slots) = if settings.exact { (prompt, total) } else { buckets(prompt, total) };
        let shape = Sampling::default().shape();
        let avals = |t| step_avals(model.spec(), model.dtype(), shape, [rows, t], [slots, 0]);
        let step = model.step(shape);
        let moved: &[usize] = if settings.kept { &[] } else { &[3] };
        let flops = if job.what == Prefill { step.lower(&avals(t))?.graph.cost().flops } else { 0.0 };
        let prefill = step.prepare(&avals(t), moved)?;
        let decode = if job.what == Decode { step.prepare(&avals(1), moved)? } else { prefill.clone() };
        let vocab = model.spec().vocab();
        let ids = (0..rows * t).map(|i| if i % t < prompt { (i * 7919 % vocab) as i32 } else { 0 });
        let sampling = Sampling::default();
        let request = Request {
            prompt: ints(&client, rows, prompt)?,
            sample: ints(&client, rows, 0)?,
            numbers: Array::on(&client, [6], &sampling.numbers())?,
            bias: None,
            key: Key::host(0).try_map_named(|_, h| Array::from_bytes(&client, h.aval().clone(), &h.to_bytes()))?,
        };
        Ok(Steps {
            prefill,
            decode,
            flops,
            avals: avals(1).3,
            request,
            tokens: Array::on(&client, [rows, t], &ids.collect::<Vec<i32>>())?,
            counts: ints(&client, rows, prompt)?,
            ones: ints(&client, rows, 1)?,
            kept: settings.kept,
            model,
        })
    }

    /// A state in which nothing has happened yet.
    fn state(&self) -> Result<State<Array>> {
        if let Some(placement) = self.model.placement() {
            return Ok(placement.new_state(&self.avals)?);
        }
        let zeros = |a: &Aval| Array::from_bytes(self.model.client(), a.clone(), &vec![0; a.bytes()]);
        Ok(self.avals.try_map_named(|_, a| zeros(a))?)
    }

    /// Queue one call.
    fn call(
        &self,
        program: &Program,
        tokens: &Array,
        counts: &Array,
        state: State<Array>,
    ) -> Result<(Chosen<Array>, State<Array>)> {
        // (memory that is held here is not given away)
        let held = self.kept.then(|| state.clone());
        let made = program.run((self.model.params(), tokens, counts, state, &self.request))?;
        drop(held);
        Ok(made)
    }

    fn take_in(&self, state: State<Array>) -> Result<(Chosen<Array>, State<Array>)> {
        self.call(&self.prefill, &self.tokens, &self.counts, state)
    }

    /// What a program of these costs besides time.
    fn with_costs(&self, program: &Program, figure: Figure) -> Figure {
        let plan = program.executable().memory_stats().ok();
        let planned = plan.map(|p| p.arguments + p.outputs - p.aliased + p.temporaries);
        let t = program.times;
        Figure {
            compile_ms: Some((t.trace + t.lower + t.compile).as_secs_f64() * 1e3),
            planned_bytes: planned.and_then(|bytes| u64::try_from(bytes).ok()),
            ..figure
        }
    }

    /// Bytes that a step has to read when the caches hold so many positions: all weights, but of an embedding that is not
    /// also the head, of positions and of experts only the rows and experts that are used; and what the caches hold.
    fn bytes(&self, filled: f64, slots: usize) -> f64 {
        let (spec, rows) = (self.model.spec(), self.counts.dims()[0]);
        let per_token = spec.layers.iter().find_map(|layer| match &layer.mlp {
            FeedForward::Experts(experts) => Some(experts.choice.per_token),
            FeedForward::Mlp(_) => None,
        });
        let values = self.model.params().leaves();
        let weights = spec.params().into_iter().zip(&values).map(|((path, p), value)| {
            let bytes = value.aval().bytes() as f64;
            let experts = p.axes.iter().position(|role| *role == "experts").map(|axis| p.aval.dims[axis]);
            match (&*path, experts, per_token) {
                ("embed.table", ..) if spec.head.w.is_some() => 0.0,
                ("positions.table", ..) => 0.0,
                (_, Some(n), Some(k)) => bytes * ((rows * k) as f64 / n as f64).min(1.0),
                _ => bytes,
            }
        });
        let cache = |a: Aval| a.bytes() as f64 * (filled / slots as f64).min(1.0);
        weights.sum::<f64>() + self.avals.cache.leaves().into_iter().map(cache).sum::<f64>()
    }
}

/// Tokens of prompts per second.
pub fn prefill(job: &Job) -> Result<Vec<Figure>> {
    let steps = Steps::new(job)?;
    let amount = (job.work.batch(Prefill) * job.work.prompt(Prefill)) as f64;
    let mut times = vec![];
    for i in 0..=job.work.repeat {
        let state = steps.state()?;
        let begin = Instant::now();
        steps.take_in(state)?.0.token.to_vec::<i32>()?;
        if i > 0 {
            times.push(begin.elapsed().as_secs_f64());
        }
    }
    let figure = Figure::rate("prefill_tok_s", amount, "tok/s", times);
    Ok(vec![steps.with_costs(&steps.prefill, Figure { flops: Some(steps.flops), ..figure })])
}

/// Tokens per second after the prompt, and what the host does in between. As in `raxla generate`, a step is queued before the
/// token of the one before it is read.
pub fn decode(job: &Job) -> Result<Vec<Figure>> {
    let steps = Steps::new(job)?;
    let (rows, prompt, new) = (job.work.batch(Decode), job.work.prompt(Decode), job.work.new);
    let (mut times, mut host) = (vec![], vec![]);
    for _ in 0..job.work.repeat {
        let (mut chosen, mut state) = steps.take_in(steps.state()?)?;
        chosen.token.to_vec::<i32>()?;
        let mut last = Instant::now();
        for i in 0..new - 1 {
            let begin = Instant::now();
            let next = steps.call(&steps.decode, &chosen.token, &steps.ones, state)?;
            let queued = begin.elapsed().as_secs_f64();
            if i > 0 {
                // (the first token was read before)
                chosen.token.to_vec::<i32>()?;
            }
            (chosen, state) = next;
            if i >= WARM_UP {
                times.push(last.elapsed().as_secs_f64());
                host.push(queued);
            }
            last = Instant::now();
        }
        chosen.token.to_vec::<i32>()?;
    }
    let slots = if job.settings.exact { prompt + new } else { buckets(prompt, prompt + new).1 };
    let bytes = steps.bytes(prompt as f64 + new as f64 / 2.0, slots);
    let figure = Figure::rate("decode_tok_s", rows as f64, "tok/s", times);
    let figure = steps.with_costs(&steps.decode, Figure { bytes: Some(bytes), ..figure });
    Ok(vec![figure, Figure::time("decode_host_us", "us", host)])
}
