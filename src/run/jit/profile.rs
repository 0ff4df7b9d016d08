//! Where the time of a program goes: by the plugin's profiler where it has one, else by its operations, one by one.
use super::{ArgTuple, HeldTuple, Jit, Traced, here, jit};
use crate::{
    array::Array,
    aval::Aval,
    cache,
    error::Result,
    graph::{Eqn, Graph},
    trace::{Tensor, inline},
    tree::{Hole, Tree},
};
use raxla_xla::Client;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

/// Where the times of a [`Profile`] come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileSource {
    /// The plugin's profiler: what its devices did in one call.
    Devices,
    /// Each operation of the program, compiled and run alone. Operations that the compiler fuses take longer alone than together.
    Operations,
}

/// One thing that took time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// What: an operation of the device's program, or a primitive.
    pub name: String,
    /// Of a primitive, the line that called it, and the scopes around it.
    pub at: String,
    /// Where it ran: a device and its stream. What ran on one track followed each other.
    pub track: String,
    /// When it began, from the start of the profile.
    pub start: Duration,
    /// How long it took.
    pub duration: Duration,
}

/// What [`Jit::profile`] found. Its `Display` is a table of the operations, the slowest first.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The function's name.
    pub name: &'static str,
    /// The platform that it ran on.
    pub platform: String,
    /// How long a call takes: the median of several.
    pub call: Duration,
    /// Where the times are from.
    pub source: ProfileSource,
    /// Why they are not from the plugin's profiler, if it has one.
    pub note: Option<String>,
    /// What took time, in the order in which it began.
    pub timed: Vec<Timed>,
}

impl Profile {
    /// What took time, together for each operation and line: how often, and how long; the slowest first.
    pub fn operations(&self) -> Vec<(&Timed, usize, Duration)> {
        let mut found: HashMap<(&str, &str), (&Timed, usize, Duration)> = HashMap::new();
        for t in &self.timed {
            let entry = found.entry((&t.name, &t.at)).or_insert((t, 0, Duration::ZERO));
            (entry.1, entry.2) = (entry.1 + 1, entry.2 + t.duration);
        }
        let mut all: Vec<_> = found.into_values().collect();
        all.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.start.cmp(&b.0.start)));
        all
    }
    /// The times in the format of Chrome's traces, which Perfetto (ui.perfetto.dev) and chrome://tracing show.
    pub fn chrome_trace(&self) -> String {
        let mut tracks: Vec<&str> = vec![];
        let mut events: Vec<Value> = vec![];
        let us = |d: Duration| d.as_nanos() as f64 / 1e3;
        for t in &self.timed {
            let track = tracks.iter().position(|known| *known == t.track).unwrap_or_else(|| {
                tracks.push(&t.track);
                tracks.len() - 1
            });
            events.push(
                json!({"ph": "X", "pid": 0, "tid": track, "name": t.name, "ts": us(t.start), "dur": us(t.duration),
                "args": {"at": t.at}}),
            );
        }
        let named = tracks
            .iter()
            .enumerate()
            .map(|(i, track)| json!({"ph": "M", "pid": 0, "tid": i, "name": "thread_name", "args": {"name": track}}));
        let process = json!({"ph": "M", "pid": 0, "name": "process_name", "args": {"name": self.name}});
        let all: Vec<Value> = [process].into_iter().chain(named).chain(events).collect();
        json!({"displayTimeUnit": "ns", "traceEvents": all}).to_string()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        /// Rows of the table.
        const SHOWN: usize = 30;
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let rows = self.operations();
        let total: Duration = rows.iter().map(|row| row.2).sum();
        writeln!(f, "`{}` on {}: {:.3} ms per call", self.name, self.platform, ms(self.call))?;
        if let Some(note) = &self.note {
            writeln!(f, "the plugin's profiler did not tell more: {note}")?;
        }
        let of = match self.source {
            ProfileSource::Devices => "what the devices did in one call",
            ProfileSource::Operations => "its operations one by one, not fused",
        };
        writeln!(f, "{of}: {:.3} ms", ms(total))?;
        writeln!(f, "{:>10} {:>6} {:>6}  operation", "ms", "%", "times")?;
        for (t, times, sum) in rows.iter().take(SHOWN) {
            let share = 100.0 * sum.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
            let at = if t.at.is_empty() { String::new() } else { format!("  {}", t.at) };
            writeln!(f, "{:10.3} {share:6.1} {times:6}  {}{at}", ms(*sum), t.name)?;
        }
        if rows.len() > SHOWN {
            let rest: Duration = rows[SHOWN..].iter().map(|row| row.2).sum();
            writeln!(f, "{:10.3} {:>6} {:>6}  {} more", ms(rest), "", "", rows.len() - SHOWN)?;
        }
        Ok(())
    }
}

impl<Args: Tree<Tensor>, F: Traced<Args>> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
    Args::With<Array>: Tree<Array, With<Tensor> = Args, With<Aval> = Args::With<Aval>>,
    Args::With<Aval>: Tree<Aval, With<Tensor> = Args>,
    <F::Out as Tree<Tensor>>::With<Hole>: Tree<Hole, With<Array> = <F::Out as Tree<Tensor>>::With<Array>>,
{
    /// Where the time of a call goes. Where the plugin has a profiler (CUDA, TPU), one call is recorded: its kernels and copies on each
    /// device. Elsewhere (CPU) every operation of the program is compiled and timed alone, several times: a loop or a branch is one
    /// operation, and what the compiler would fuse takes longer. Arguments are kept, whatever [`Jit::donate`] says.
    ///
    /// ```
    /// use raxla::{jit::ProfileSource, prelude::*};
    /// let f = jit(|x: Tensor| (x.matmul(x) * 2.0).sum(..)).named("f");
    /// let profile = f.profile((&Array::from_slice([64, 64], &[1f32; 4096])?,))?;
    /// assert!(profile.operations().iter().any(|(op, times, _)| op.name.starts_with("dot_general") && *times == 1));
    /// assert_eq!(profile.source, ProfileSource::Operations); // on a CPU
    /// assert!(profile.to_string().starts_with("`f` on cpu: "));
    /// assert!(profile.chrome_trace().contains("traceEvents"));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Jit::call`].
    #[track_caller]
    pub fn profile(&self, args: impl ArgTuple<Args::With<Array>>) -> Result<Profile> {
        let args = self.held(args)?;
        let program = self.program(&args)?;
        let mut leaves = vec![];
        args.visit(&mut |_, _, a| leaves.push(a.clone()));
        let call = timed(|| program.run_to_end(&leaves).map(drop))?;
        let client = program.client();
        let platform = client.platform_name().to_string();
        let (recorded, note) = match recorded(client, || program.run_to_end(&leaves).map(drop)) {
            Ok(timed) => (timed, None),
            Err(e) => (None, Some(e.to_string())),
        };
        let (source, timed) = match recorded {
            Some(timed) => (ProfileSource::Devices, timed),
            None => {
                let avals = args.avals();
                let signature = self.resolve(&avals, &here(&args), args.moved())?;
                (ProfileSource::Operations, one_by_one(&self.lower_for(&avals, &signature)?.graph, client, leaves)?)
            }
        };
        Ok(Profile { name: self.name, platform, call, source, note, timed })
    }
}

/// The median time of several runs, after one that is not counted.
fn timed(run: impl Fn() -> Result<()>) -> Result<Duration> {
    /// Runs there are at least: the first ones take fresh memory, which costs more than what is used again.
    const LEAST: usize = 3;
    /// Runs go on until one of these is reached.
    const MOST: (usize, Duration) = (20, Duration::from_millis(200));
    run()?;
    let (start, mut times) = (Instant::now(), vec![]);
    while times.len() < LEAST || (times.len() < MOST.0 && start.elapsed() < MOST.1) {
        let began = Instant::now();
        run()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// What the devices did in a run, by the plugin's profiler; `None` where it has none, or it saw nothing on devices.
fn recorded(client: &Client, run: impl FnOnce() -> Result<()>) -> Result<Option<Vec<Timed>>> {
    let Some(profiler) = client.plugin().profiler()? else { return Ok(None) };
    let outcome = run();
    let spans = profiler.stop()?;
    outcome?;
    let on_devices = spans.into_iter().filter(|span| span.on_device());
    let timed: Vec<Timed> = on_devices
        .map(|span| Timed {
            name: span.name,
            at: String::new(),
            track: format!("{} {}", span.plane, span.line),
            start: span.start,
            duration: span.duration,
        })
        .collect();
    Ok((!timed.is_empty()).then_some(timed))
}

/// The time of each operation alone. Those without results, which only have effects, are left out.
fn one_by_one(graph: &Graph, client: &Client, leaves: Vec<Array>) -> Result<Vec<Timed>> {
    let mut values: Vec<Option<Array>> = vec![None; graph.avals.len()];
    graph.ins.iter().zip(leaves).for_each(|(v, a)| values[*v as usize] = Some(a));
    // (the last equation that reads a value: then its memory is given back)
    let mut last = vec![usize::MAX; graph.avals.len()];
    graph.eqns.iter().enumerate().for_each(|(i, e)| e.ins.iter().for_each(|v| last[*v as usize] = i));
    let calling = overhead(client)?;
    let (mut start, mut all) = (Duration::ZERO, vec![]);
    for (i, e) in graph.eqns.iter().enumerate().filter(|(_, e)| !e.outs.is_empty()) {
        let x: Vec<Array> = e.ins.iter().filter_map(|v| values[*v as usize].clone()).collect();
        let (outs, took) = alone(graph, e, client, &x)?;
        e.outs.iter().zip(outs).for_each(|(v, a)| values[*v as usize] = Some(a));
        e.ins.iter().filter(|v| last[**v as usize] == i).for_each(|v| values[*v as usize] = None);
        let duration = took.saturating_sub(calling);
        let results: Vec<String> = graph.avals_of(&e.outs).iter().map(Aval::to_string).collect();
        let scope = if e.site.scope.is_empty() { String::new() } else { format!(" {}", e.site.scope) };
        all.push(Timed {
            name: format!("{} {}", e.prim.name(), results.join(", ")),
            at: format!("{}:{}{scope}", e.site.at.file(), e.site.at.line()),
            track: "operations, one by one".into(),
            start,
            duration,
        });
        start += duration;
    }
    Ok(all)
}

/// The results of one operation, and how long it takes.
fn alone(graph: &Graph, e: &Eqn, client: &Client, x: &[Array]) -> Result<(Vec<Array>, Duration)> {
    let ins: Vec<u32> = (0..e.ins.len() as u32).collect();
    let outs: Vec<u32> = (0..e.outs.len() as u32).map(|i| e.ins.len() as u32 + i).collect();
    let avals = [graph.avals_of(&e.ins), graph.avals_of(&e.outs)].concat();
    let eqn = Eqn { ins: ins.clone(), outs: outs.clone(), ..e.clone() };
    let one = Graph { avals, ins, eqns: vec![eqn], outs };
    run_alone(move |x: Vec<Tensor>| inline(&one, &x), client, x)
}
fn run_alone(f: impl Fn(Vec<Tensor>) -> Vec<Tensor>, client: &Client, x: &[Array]) -> Result<(Vec<Array>, Duration)> {
    let f = jit(f).named("operation").on(client);
    let args = f.held((x.to_vec(),))?;
    let avals = args.avals();
    let signature = f.resolve(&avals, &here(&args), super::ArgSet::default())?;
    let client = f.client(signature.mesh.as_ref())?;
    let program = f.lower_for(&avals, &signature)?.compile_by(&client, cache::latest)?;
    let took = timed(|| program.run_to_end(x).map(drop))?;
    Ok((program.run_to_end(x)?, took))
}
/// How long a call takes that computes nothing.
fn overhead(client: &Client) -> Result<Duration> {
    let x = Array::on(client, [], &[0f32])?;
    Ok(run_alone(|x: Vec<Tensor>| x, client, &[x])?.1)
}
