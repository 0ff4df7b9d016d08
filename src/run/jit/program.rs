//! The stages after tracing: lowered, compiled, run.
use super::{ArgTuple, HeldTuple};
use crate::{
    array::{Array, ArrayType},
    aval::Aval,
    cache,
    debug::{Report, View, tell},
    error::{Error, Result},
    graph::Graph,
    lower::{Cure, Module, ParamAttrs, Style, module},
    memory,
    mesh::{Mesh, NamedSharding},
    runtime,
    trace::Tensor,
    transform::{Pass, reports::with_reports},
    tree::{Hole, Tree},
};
use raxla_xla::{Client, CompileOptions, Device, Executable, OptionValue, Results, Run};
use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

/// Where the leaves of arguments and results are, for a program over several devices.
#[derive(Clone)]
pub(super) struct Placement {
    pub(super) mesh: Mesh,
    /// One per parameter.
    pub(super) ins: Vec<NamedSharding>,
    /// One per result; `None`: the compiler chooses.
    pub(super) outs: Vec<Option<NamedSharding>>,
}

/// What the entry function says of its parameters: where they are, and which result takes over a donated one's memory: the
/// first of the same type that is divided alike. One whose place is not given is put where the parameter is.
pub(super) fn parameters(
    graph: &Graph,
    moved: impl Fn(usize) -> bool,
    place: Option<&mut Placement>,
) -> Vec<ParamAttrs> {
    let mut free: Vec<bool> = vec![true; graph.outs.len()];
    let (ins, outs) = (graph.in_avals(), graph.out_avals());
    let mut place = place;
    let mut all = vec![];
    for (i, aval) in ins.iter().enumerate() {
        let sharding = place.as_ref().map(|p| p.ins[i].clone());
        let alike = |o: usize| match place.as_ref().and_then(|p| p.outs[o].as_ref()) {
            Some(given) => Some(given) == sharding.as_ref(),
            None => true,
        };
        let moved = moved(i);
        let alias = (0..outs.len()).find(|o| moved && free[*o] && outs[*o] == *aval && alike(*o));
        if let Some(o) = alias {
            free[o] = false;
            if let Some(p) = &mut place {
                p.outs[o] = sharding.clone();
            }
        }
        all.push(ParamAttrs { alias, sharding });
    }
    all
}

/// What a program returns for the host, behind its own results.
#[derive(Clone, Default)]
pub(super) struct Reports {
    pub(super) list: Vec<Report>,
    /// The types of the values, which are not divided.
    pub(super) avals: Vec<Aval>,
}

/// A program as it is written for every platform.
pub(super) struct Portable {
    pub(super) text: String,
    pub(super) calls_host: Option<&'static str>,
    pub(super) returns_effect: bool,
    pub(super) reports: Reports,
}
/// The program for every platform, if it is another one than this module for the CPU: without its kernels, and without calls of the
/// host as far as these can become results.
pub(super) fn portable(
    graph: &Graph,
    params: &[ParamAttrs],
    results: &[Option<NamedSharding>],
    mesh: Option<&Mesh>,
    on_cpu: &Module,
) -> Option<Portable> {
    // (where the host is called in a loop of unknown length, the program is refused by the platform's name)
    let reported = with_reports(graph).unwrap_or_default();
    if !on_cpu.calls_kernels && reported.is_none() {
        return None;
    }
    let style = Style { locations: true, kernels: false };
    let (own, Some((graph, list))) = (graph.outs.len(), reported) else {
        let Module { text, calls_host, returns_effect, .. } = module(graph, params, results, mesh, style);
        return Some(Portable { text, calls_host, returns_effect, reports: Reports::default() });
    };
    let avals = graph.out_avals().split_off(own);
    let mut results = results.to_vec();
    if !results.is_empty() {
        results.extend(avals.iter().map(|_| mesh.map(Mesh::replicated)));
    }
    let Module { text, calls_host, returns_effect, .. } = module(&graph, params, &results, mesh, style);
    Some(Portable { text, calls_host, returns_effect, reports: Reports { list, avals } })
}

/// How long the stages of one compilation took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Running the function on tensors.
    pub trace: Duration,
    /// The passes on the graph, and writing StableHLO.
    pub lower: Duration,
    /// The plugin's compiler (or reading the compilation cache).
    pub compile: Duration,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let (trace, lower, compile) = (ms(self.trace), ms(self.lower), ms(self.compile));
        write!(f, "trace {trace:.1} ms, lower {lower:.1} ms, compile {compile:.1} ms")
    }
}

/// A traced and lowered function, not yet compiled: its graph and its StableHLO text.
pub struct Lowered<Args, Out: Tree<Tensor>> {
    /// The function's name, for errors.
    pub(super) name: &'static str,
    /// The program as traced.
    pub traced: Graph,
    /// What the passes between tracing and lowering did.
    pub passes: Vec<Pass>,
    /// The program after them, which is what is lowered.
    pub graph: Graph,
    /// The StableHLO module, for the CPU.
    pub text: String,
    /// The module for every platform, where that is another one.
    pub(super) portable: Option<Portable>,
    /// The first operation of the program that calls a function of this process.
    pub(super) calls_host: Option<&'static str>,
    /// Does it return one result more, which tells that its effects are done?
    pub(super) returns_effect: bool,
    /// What the module returns for the host.
    pub(super) reports: Reports,
    /// The leaves of the arguments that results take over, by number.
    pub(super) donated: Vec<usize>,
    /// The paths of the arguments' leaves.
    pub(super) paths: Vec<String>,
    pub(super) out: Out::With<Hole>,
    pub(super) options: CompileOptions,
    pub(super) place: Option<Placement>,
    /// How long tracing and lowering took.
    pub times: Times,
    pub(super) args: PhantomData<fn(Args)>,
}
impl<Args, Out: Tree<Tensor>> Lowered<Args, Out> {
    /// The same program without kernels of the CPU: its text is for every platform. (Programs for other platforms are compiled from
    /// it in any case.)
    pub fn portable(self) -> Self {
        match self.portable {
            Some(Portable { text, calls_host, returns_effect, reports }) => {
                Lowered { text, calls_host, returns_effect, reports, portable: None, ..self }
            }
            None => self,
        }
    }
    /// As it is for this platform.
    fn on_platform(self, name: &str) -> Self {
        if name == "cpu" { self } else { self.portable() }
    }
    /// The module for every platform.
    pub(crate) fn portable_text(&self) -> &str {
        self.portable.as_ref().map_or(&self.text, |portable| &portable.text)
    }
    /// The mesh that it runs on.
    pub(crate) fn mesh(&self) -> Option<&Mesh> {
        self.place.as_ref().map(|place| &place.mesh)
    }
    /// Where each leaf of the arguments is, and of the results, as far as that is said.
    pub(crate) fn places(&self) -> (Vec<Option<&NamedSharding>>, Vec<Option<&NamedSharding>>) {
        match &self.place {
            Some(place) => (place.ins.iter().map(Some).collect(), place.outs.iter().map(Option::as_ref).collect()),
            None => (vec![None; self.graph.ins.len()], vec![None; self.graph.outs.len()]),
        }
    }
    /// The leaves of the arguments that results take over, by number.
    pub(crate) fn donated(&self) -> &[usize] {
        &self.donated
    }
    /// Of each argument's leaf, its path, and its type on one device.
    pub(crate) fn arguments(&self) -> Vec<(String, Aval)> {
        let own = |(i, aval): (usize, Aval)| match &self.place {
            Some(place) => aval.with_dims(place.ins[i].local_dims(&aval).expect("checked")),
            None => aval,
        };
        self.paths.iter().cloned().zip(self.graph.in_avals().into_iter().enumerate().map(own)).collect()
    }

    /// Compile on this client. A program over a mesh is compiled for its devices.
    pub fn compile(self, client: &Client) -> Result<Compiled<Args, Out>> {
        self.compile_by(client, cache::compile)
    }

    /// As [`Lowered::compile`], by this compiler of texts.
    pub(in crate::run) fn compile_by(
        self,
        client: &Client,
        compile: fn(&Client, &str, &CompileOptions) -> raxla_xla::Result<Executable>,
    ) -> Result<Compiled<Args, Out>> {
        let start = Instant::now();
        let this = self.on_platform(client.platform_name());
        let options = this.options_for(client)?;
        runtime::register(client, this.calls_host)?;
        let executable = compile(client, &this.text, &options)?;
        let (in_avals, out_avals) = (this.graph.in_avals(), this.graph.out_avals());
        let (ins, outs, devices) = match &this.place {
            Some(p) => {
                let (outs, devices) = (p.outs_of(&executable, &out_avals)?, p.devices_of(&executable)?);
                (types(&in_avals, p.ins.clone()), types(&out_avals, outs), devices)
            }
            None => {
                let alone = |avals: &[Aval]| avals.iter().map(|a| ArrayType::new(a.clone(), None)).collect();
                (alone(&in_avals), alone(&out_avals), vec![0])
            }
        };
        let plan = executable.memory_stats();
        // (not all plugins tell; one that fuses needs less than this)
        let memory = plan.map_or_else(
            |_| this.graph.peak_bytes(),
            |plan| (plan.temporaries + plan.outputs - plan.aliased).try_into().unwrap_or(0),
        );
        let times = Times { compile: start.elapsed(), ..this.times };
        Ok(Compiled {
            name: this.name,
            client: client.clone(),
            memory,
            executable,
            empty_parts: this.place.is_some() && out_avals.iter().any(|a| a.size() == 0),
            ins,
            outs,
            out_avals,
            devices,
            returns_effect: this.returns_effect,
            reports: this.reports,
            donated: this.donated,
            out: this.out,
            times,
            args: PhantomData,
        })
    }

    /// The options that the program is compiled with on this client.
    fn options_for(&self, client: &Client) -> Result<CompileOptions> {
        let devices = self.place.iter().flat_map(|place| place.mesh.devices()).map(Device::id).collect();
        Ok(self.options_on(client.platform_name(), devices))
    }
    /// The options that the program is compiled with for these devices of its mesh.
    pub(crate) fn options_on(&self, platform: &str, devices: Vec<i64>) -> CompileOptions {
        let mut options = platform_options(platform, self.options.clone());
        let in_avals = self.graph.in_avals();
        options.donated = Some(self.donated.clone());
        // what we know need not be read back from the compiled program
        if let Some(p) = &self.place {
            options.num_partitions = p.mesh.size();
            (options.use_spmd, options.use_shardy) = (p.mesh.size() > 1, p.mesh.size() > 1);
            options.device_assignment = Some(vec![devices]);
            options.propagate_to_parameters = vec![false];
            let mut free: Vec<bool> = p.outs.iter().map(Option::is_none).collect();
            let (returns_effect, reports) = match self.portable.as_ref().filter(|_| platform != "cpu") {
                Some(portable) => (portable.returns_effect, &portable.reports),
                None => (self.returns_effect, &self.reports),
            };
            free.extend(vec![false; reports.avals.len() + usize::from(returns_effect)]);
            options.propagate_to_outputs = free;
            let local = |(s, a): (&NamedSharding, &Aval)| (a.dtype, s.local_dims(a).expect("checked"));
            options.parameters = Some(p.ins.iter().zip(&in_avals).map(local).collect());
        } else if options.num_partitions == 1 {
            options.parameters = Some(in_avals.iter().map(|a| (a.dtype, a.dims.clone())).collect());
        }
        options
    }

    /// What the plugin's compiler makes of it, as HLO text.
    pub fn optimized_hlo(&self, client: &Client) -> Result<String> {
        let options = self.options_for(client)?;
        let (text, calls_host) = match self.portable.as_ref().filter(|_| client.platform_name() != "cpu") {
            Some(portable) => (&portable.text, portable.calls_host),
            None => (&self.text, self.calls_host),
        };
        runtime::register(client, calls_host)?;
        Ok(client.optimized_hlo_text(text.as_bytes(), &options)?)
    }
}

fn types(avals: &[Aval], places: Vec<NamedSharding>) -> Vec<ArrayType> {
    avals.iter().zip(places).map(|(a, there)| ArrayType::new(a.clone(), Some(there))).collect()
}

impl Placement {
    /// For each of the mesh's devices that is this process's, its number among the program's devices.
    fn devices_of(&self, executable: &Executable) -> Result<Vec<usize>> {
        let number = |d: &Device| executable.devices().iter().position(|e| e.id() == d.id());
        let lost = || Error::Sharding {
            reason: "the program was compiled for other devices than those of its mesh".into(),
            help: "clear the compilation cache (`raxla cache clear`)".into(),
        };
        self.mesh.addressable_devices().map(number).collect::<Option<_>>().ok_or_else(lost)
    }

    /// Where the results are, those included whose place the compiler chose.
    fn outs_of(&self, executable: &Executable, out_avals: &[Aval]) -> Result<Vec<NamedSharding>> {
        // (a number cannot be divided)
        let known = self.outs.iter().zip(out_avals).all(|(given, aval)| given.is_some() || aval.rank() == 0);
        let tilings = match self.mesh.size() == 1 || known {
            true => None,
            false => executable.output_tilings()?,
        };
        let chosen = |(i, given): (usize, &Option<NamedSharding>)| {
            if let Some(given) = given {
                return Ok(given.clone());
            }
            let rank = out_avals[i].rank();
            let tiling = tilings.as_ref().and_then(|t| t.get(i));
            let found = match tiling {
                Some(tiling) => NamedSharding::of_tiling(&self.mesh, rank, tiling),
                None => Some(self.mesh.replicated()),
            };
            found.ok_or_else(|| Error::Sharding {
                reason: format!("the compiler divides result {i} ({}) in a way that no `P![..]` says", out_avals[i]),
                help: "say how it is to be divided: `jit(..).out_shardings(..)`".into(),
            })
        };
        self.outs.iter().enumerate().map(chosen).collect()
    }
}

/// The options with what makes the platform keep the semantics of the primitives.
pub(crate) fn platform_options(platform: &str, mut options: CompileOptions) -> CompileOptions {
    if platform == "cpu" && Cure::MinimumKeepsNan.applies() {
        // by default XLA's CPU backend drops NaN in minimum and maximum; options the user named win
        options.env_overrides.insert(0, ("xla_cpu_enable_fast_min_max".into(), OptionValue::Bool(false)));
    }
    options
}

/// A compiled function for one structure and types of arguments.
pub struct Compiled<Args, Out: Tree<Tensor>> {
    name: &'static str,
    client: Client,
    memory: u64,
    executable: Executable,
    /// The types of the leaves of the arguments, and of the results.
    ins: Vec<ArrayType>,
    outs: Vec<ArrayType>,
    out_avals: Vec<Aval>,
    /// For each of the mesh's devices that is this process's, its number among the program's devices.
    devices: Vec<usize>,
    /// Does a mesh divide a result that has no elements?
    empty_parts: bool,
    returns_effect: bool,
    reports: Reports,
    donated: Vec<usize>,
    pub(super) out: Out::With<Hole>,
    /// How long the stages took.
    pub times: Times,
    args: PhantomData<fn(Args)>,
}
impl<Args: Tree<Tensor>, Out: Tree<Tensor>> Compiled<Args, Out> {
    /// The plugin's program: serialization, memory statistics, optimized HLO.
    pub fn executable(&self) -> &Executable {
        &self.executable
    }
    /// Bytes on each device that a run takes beside its arguments, by the compiler's plan: intermediate values, and results that
    /// take over no argument's memory.
    pub fn memory(&self) -> u64 {
        self.memory
    }
    /// Is there as much?
    fn ask_for_memory(&self) -> Result<()> {
        if self.memory < memory::WORTH_ASKING {
            return Ok(());
        }
        let what = format!("running `{}`", self.name);
        let help = "make what it computes smaller (batch, sequence, cache), use a narrower dtype, give memory back (arguments \
                    moved into the call), or compute again instead of keeping (remat)";
        memory::ask(&self.client, self.devices.len(), &what, &[("beside its arguments", self.memory)], |_| help.into())
    }
    /// The types of the results' leaves.
    pub fn out_avals(&self) -> &[Aval] {
        &self.out_avals
    }
    /// Run it. Arguments must have the types it was compiled for, and are moved in or borrowed, as those of [`Jit::call`](super::Jit::call);
    /// over a mesh, those that are elsewhere are brought where the program wants them.
    pub fn run(&self, args: impl ArgTuple<Args::With<Array>>) -> Result<Out::With<Array>>
    where
        Args: Tree<Tensor, With<Tensor> = Args>,
        Args::With<Array>: Tree<Array>,
        Out::With<Hole>: Tree<Hole, With<Array> = Out::With<Array>>,
    {
        let args = args.held(&|| Ok(self.client.clone()))?;
        let (mut n, mut mismatch) = (0, None);
        args.visit(&mut |_, path, a| {
            let want = self.ins.get(n);
            if want.is_none_or(|want| want != a.ty() && want.aval() != a.aval()) && mismatch.is_none() {
                let want = want.map_or("there is no such argument".into(), |want| format!("{} is needed", want.aval()));
                mismatch = Some((path.to_string(), format!("it is {}", a.aval()), want));
            }
            n += 1;
        });
        if let Some((path, have, want)) = mismatch {
            let what = format!("argument `{path}` of a compiled function");
            let help = "it runs on the types that it was compiled for; `Jit::call` compiles for others".into();
            return Err(Error::Mismatch { what, have, want, help });
        }
        self.start(&args)
    }

    /// As [`Compiled::run`], with arguments that are known to have the right types.
    pub(super) fn start<T: Tree<Array>>(&self, args: &impl HeldTuple<T>) -> Result<Out::With<Array>>
    where
        Out::With<Hole>: Tree<Hole, With<Array> = Out::With<Array>>,
    {
        let moved = args.moved();
        self.start_walk(&|f| args.visit(&mut |argument, _, a| f(a, moved.contains(argument))))
    }

    /// As [`Compiled::start`], with the arguments that the walk comes by.
    fn start_walk<'a>(&'a self, walk: &Walk<'_, 'a>) -> Result<Out::With<Array>>
    where
        Out::With<Hole>: Tree<Hole, With<Array> = Out::With<Array>>,
    {
        self.ask_for_memory()?;
        let mut run = self.executable.run()?;
        let (mut leaf, mut elsewhere, mut outcome) = (0, false, Ok(()));
        walk(&mut |a, moved| {
            let want = self.ins.get(leaf);
            elsewhere |= want.is_some_and(|want| want.sharding().is_some() && want != a.ty());
            if !elsewhere && outcome.is_ok() {
                outcome = self.give(&mut run, leaf, a, moved);
            }
            leaf += 1;
        });
        if elsewhere {
            drop(run);
            return self.start_brought(walk);
        }
        outcome?;
        self.results(run.start(0)?)
    }

    /// As [`Compiled::start`], with arguments of which some have to be brought where the program wants them.
    fn start_brought<'a>(&'a self, walk: &Walk<'_, 'a>) -> Result<Out::With<Array>>
    where
        Out::With<Hole>: Tree<Hole, With<Array> = Out::With<Array>>,
    {
        let mut given = vec![];
        walk(&mut |a, moved| given.push((a, moved)));
        let bring = |((a, _), want): (&(&Array, bool), &ArrayType)| match want.sharding() {
            Some(there) if a.sharding() != Some(there) => a.put(there).map(Some),
            _ => Ok(None),
        };
        let brought = given.iter().zip(&self.ins).map(bring).collect::<Result<Vec<Option<Array>>>>()?;
        let mut run = self.executable.run()?;
        for (leaf, ((a, moved), brought)) in given.into_iter().zip(&brought).enumerate() {
            self.give(&mut run, leaf, brought.as_ref().unwrap_or(a), moved || brought.is_some())?;
        }
        self.results(run.start(0)?)
    }

    /// Give a run its argument.
    fn give<'a>(&self, run: &mut Run<'a>, leaf: usize, a: &'a Array, moved: bool) -> Result<()> {
        // memory that someone else still holds is copied instead of overwritten
        if self.donated.binary_search(&leaf).is_ok() && !(moved && a.is_unique()) {
            run.keep(leaf)?;
        }
        for (buffer, device) in a.buffers().iter().zip(&self.devices) {
            run.argument(*device, leaf, buffer)?;
        }
        Ok(())
    }

    /// Let the host do what the program could not: print, and check.
    fn tell(&self, results: &mut Results) -> Result<()> {
        let mut values = vec![];
        for (i, aval) in self.reports.avals.iter().enumerate() {
            // (all devices have the same)
            let bytes = results.take(self.devices[0], self.outs.len() + i).download()?;
            values.push(View { aval: aval.clone(), bytes: bytes.into() });
        }
        tell(&self.reports.list, &values).map_err(Error::Check)
    }

    /// Wait for the effects, and have the host do its part.
    fn effects(&self, results: &mut Results) -> Result<()> {
        if self.returns_effect {
            let last = self.outs.len() + self.reports.avals.len();
            let mut done = self.devices.iter().map(|device| results.take(*device, last));
            done.try_for_each(|done| done.ready())?;
        }
        if !self.reports.list.is_empty() {
            self.tell(results)?;
        }
        Ok(())
    }
    fn array(&self, results: &mut Results, leaf: usize, ty: &ArrayType) -> Array {
        let buffers = self.devices.iter().map(|device| Arc::new(results.take(*device, leaf)));
        Array::from_parts(ty.clone(), buffers.collect())
    }
    /// Run it with these leaves, which are kept, until everything is computed: the leaves of the results.
    pub(super) fn run_to_end(&self, args: &[Array]) -> Result<Vec<Array>> {
        let bring = |(a, want): (&Array, &ArrayType)| match want.sharding() {
            Some(there) if a.sharding() != Some(there) => a.put(there),
            _ => Ok(a.clone()),
        };
        let args = args.iter().zip(&self.ins).map(bring).collect::<Result<Vec<Array>>>()?;
        let mut run = self.executable.run()?;
        for (leaf, a) in args.iter().enumerate() {
            self.give(&mut run, leaf, a, false)?;
        }
        let mut results = run.start(0)?;
        self.effects(&mut results)?;
        let outs: Vec<Array> = self.outs.iter().enumerate().map(|(i, ty)| self.array(&mut results, i, ty)).collect();
        outs.iter().try_for_each(Array::ready)?;
        Ok(outs)
    }
    /// The devices that it was compiled for.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    fn results(&self, mut results: Results) -> Result<Out::With<Array>>
    where
        Out::With<Hole>: Tree<Hole, With<Array> = Out::With<Array>>,
    {
        self.effects(&mut results)?;
        let mut array = |leaf: usize, ty: &ArrayType| self.array(&mut results, leaf, ty);
        let leaves = || self.outs.iter().enumerate();
        if !self.empty_parts {
            return Ok(self.out.refill(leaves().map(|(leaf, ty)| array(leaf, ty))));
        }
        // (XLA leaves results without elements whole, wherever they should be)
        let made = leaves().map(|(leaf, ty)| match ty.sharding() {
            Some(there) if ty.aval().size() == 0 => Array::zeros_sharded(there, ty.aval().clone()),
            _ => Ok(array(leaf, ty)),
        });
        Ok(self.out.refill(made.collect::<Result<Vec<_>>>()?))
    }
}

/// Calls a function with each argument, and whether it was moved in.
type Walk<'w, 'a> = dyn Fn(&mut dyn FnMut(&'a Array, bool)) + 'w;
