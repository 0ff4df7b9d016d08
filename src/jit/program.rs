//! The stages after tracing: lowered, compiled, run.
use crate::{
    array::Array,
    aval::Aval,
    cache, debug,
    error::{Error, Result},
    graph::Graph,
    lower::ParamAttrs,
    mesh::{Mesh, NamedSharding},
    runtime,
    trace::Tensor,
    transform::Pass,
    tree::{Hole, Tree},
};
use std::{
    fmt,
    marker::PhantomData,
    time::{Duration, Instant},
};
use xla_extension::{Buffer, Client, CompileOptions, Device, Executable, ExecuteOptions, OptionValue};

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
pub(super) fn parameters(graph: &Graph, donate: &[bool], place: Option<&mut Placement>) -> Vec<ParamAttrs> {
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
        let donated = donate.get(i).copied().unwrap_or(false);
        let alias = (0..outs.len()).find(|o| donated && free[*o] && outs[*o] == *aval && alike(*o));
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
    /// The program as traced.
    pub traced: Graph,
    /// What the passes between tracing and lowering did.
    pub passes: Vec<Pass>,
    /// The program after them, which is what is lowered.
    pub graph: Graph,
    /// The StableHLO module.
    pub text: String,
    pub(super) donated: Vec<bool>,
    pub(super) out: Out::With<Hole>,
    pub(super) options: CompileOptions,
    pub(super) place: Option<Placement>,
    /// How long tracing and lowering took.
    pub times: Times,
    pub(super) args: PhantomData<fn(Args)>,
}
impl<Args, Out: Tree<Tensor>> Lowered<Args, Out> {
    /// Compile on this client. A program over a mesh is compiled for its devices.
    pub fn compile(self, client: &Client) -> Result<Compiled<Args, Out>> {
        let start = Instant::now();
        let (in_avals, out_avals) = (self.graph.in_avals(), self.graph.out_avals());
        let options = self.options_for(client)?;
        if self.text.contains(debug::TARGET) {
            runtime::register_callback(client)?;
        }
        let executable = cache::compile(client, &self.text, &options)?;
        let place = self.place.map(|p| Placed::new(p, &executable, &out_avals)).transpose()?;
        let times = Times { compile: start.elapsed(), ..self.times };
        let (donated, out) = (self.donated, self.out);
        Ok(Compiled { executable, in_avals, out_avals, donated, out, place, times, args: PhantomData })
    }

    /// The options that the program is compiled with.
    fn options_for(&self, client: &Client) -> Result<CompileOptions> {
        let mut options = platform_options(client, self.options.clone());
        let in_avals = self.graph.in_avals();
        // what we know need not be read back from the compiled program
        if let Some(p) = &self.place {
            options.num_partitions = p.mesh.size();
            (options.use_spmd, options.use_shardy) = (p.mesh.size() > 1, p.mesh.size() > 1);
            options.device_assignment = Some(vec![p.mesh.devices().iter().map(Device::id).collect()]);
            options.propagate_to_parameters = vec![false];
            let mut free: Vec<bool> = p.outs.iter().map(Option::is_none).collect();
            if self.text.contains(debug::TARGET) {
                free.push(false);
            }
            options.propagate_to_outputs = free;
            let local = |(s, a): (&NamedSharding, &Aval)| (a.dtype, s.local_dims(a).expect("checked"));
            options.parameters = Some(p.ins.iter().zip(&in_avals).map(local).collect());
        } else if options.num_partitions == 1 {
            options.parameters = Some(in_avals.iter().map(|a| (a.dtype, a.dims.clone())).collect());
        }
        Ok(options)
    }

    /// What the plugin's compiler makes of it, as HLO text.
    pub fn optimized_hlo(&self, client: &Client) -> Result<String> {
        let options = self.options_for(client)?;
        if self.text.contains(debug::TARGET) {
            runtime::register_callback(client)?;
        }
        Ok(client.optimized_hlo_text(self.text.as_bytes(), &options)?)
    }
}

/// Where the leaves of a compiled program's arguments and results are.
struct Placed {
    mesh: Mesh,
    ins: Vec<NamedSharding>,
    outs: Vec<NamedSharding>,
    /// The number in the mesh of each device of the program.
    order: Vec<usize>,
}
impl Placed {
    fn new(p: Placement, executable: &Executable, out_avals: &[Aval]) -> Result<Placed> {
        let number = |d: &Device| p.mesh.devices().iter().position(|m| m.id() == d.id());
        let lost = || Error::Sharding {
            reason: "the program was compiled for other devices than those of its mesh".into(),
            help: "clear the compilation cache (`raxla cache clear`)".into(),
        };
        let order: Vec<usize> = executable.devices().iter().map(number).collect::<Option<_>>().ok_or_else(lost)?;
        let tilings = match p.mesh.size() == 1 || p.outs.iter().all(Option::is_some) {
            true => None,
            false => executable.output_tilings()?,
        };
        let chosen = |(i, given): (usize, Option<NamedSharding>)| {
            if let Some(given) = given {
                return Ok(given);
            }
            let rank = out_avals[i].rank();
            let tiling = tilings.as_ref().and_then(|t| t.get(i));
            let found = match tiling {
                Some(tiling) => NamedSharding::of_tiling(&p.mesh, rank, tiling),
                None => Some(p.mesh.replicated()),
            };
            found.ok_or_else(|| Error::Sharding {
                reason: format!("the compiler divides result {i} ({}) in a way that no `P![..]` says", out_avals[i]),
                help: "say how it is to be divided: `jit(..).out_shardings(..)`".into(),
            })
        };
        let outs = p.outs.into_iter().enumerate().map(chosen).collect::<Result<_>>()?;
        Ok(Placed { mesh: p.mesh, ins: p.ins, outs, order })
    }
}

/// The options with what makes the platform keep the semantics of the primitives.
fn platform_options(client: &Client, mut options: CompileOptions) -> CompileOptions {
    if client.platform_name() == "cpu" {
        // by default XLA's CPU backend drops NaN in minimum and maximum; options the user named win
        options.env_overrides.insert(0, ("xla_cpu_enable_fast_min_max".into(), OptionValue::Bool(false)));
    }
    options
}

/// A compiled function for one structure and types of arguments.
pub struct Compiled<Args, Out: Tree<Tensor>> {
    executable: Executable,
    in_avals: Vec<Aval>,
    out_avals: Vec<Aval>,
    donated: Vec<bool>,
    pub(super) out: Out::With<Hole>,
    place: Option<Placed>,
    /// How long the stages took.
    pub times: Times,
    args: PhantomData<fn(Args)>,
}
impl<Args: Tree<Tensor>, Out: Tree<Tensor>> Compiled<Args, Out> {
    /// The plugin's program: serialization, memory statistics, optimized HLO.
    pub fn executable(&self) -> &Executable {
        &self.executable
    }
    /// The types of the results' leaves.
    pub fn out_avals(&self) -> &[Aval] {
        &self.out_avals
    }
    /// Run it. Arguments must have the types it was compiled for.
    pub fn run<A>(&self, args: A) -> Result<Out::With<Array>>
    where
        A: Tree<Array>,
        Out::With<Hole>: Tree<Hole, With<Array> = Out::With<Array>>,
    {
        let mut leaves: Vec<&Array> = Vec::with_capacity(self.in_avals.len());
        let mut mismatch = None;
        args.visit(|path, a| {
            if self.in_avals.get(leaves.len()) != Some(a.aval()) && mismatch.is_none() {
                let want = self.in_avals.get(leaves.len()).map_or("nothing".into(), Aval::to_string);
                mismatch = Some((path.to_string(), a.aval().to_string(), want));
            }
            leaves.push(a);
        });
        if let Some((path, have, want)) = mismatch {
            return Err(Error::Mismatch { what: format!("argument `{path}` of a compiled function"), have, want });
        }
        if let Some(place) = &self.place {
            return self.run_on(place, &leaves);
        }
        // memory that someone else still holds is copied instead of overwritten
        let kept: Vec<usize> = (0..leaves.len()).filter(|i| self.donated[*i] && !leaves[*i].is_unique()).collect();
        let buffers: Vec<_> = leaves.iter().map(|a| a.buffer()).collect();
        let options = ExecuteOptions { non_donatable: &kept, ..Default::default() };
        let outs = self.executable.execute(&[&buffers], &options)?;
        let mut outs = outs.into_iter().next().unwrap_or_default();
        // one result more tells that the calls of the host are done
        outs.split_off(self.out_avals.len()).iter().try_for_each(|done| done.ready())?;
        Ok(self.out.refill(outs.into_iter().map(Array::from_buffer)))
    }

    /// The same over several devices. Arguments that are elsewhere are brought where the program wants them.
    fn run_on(&self, place: &Placed, leaves: &[&Array]) -> Result<Out::With<Array>>
    where
        Out::With<Hole>: Tree<Hole, With<Array> = Out::With<Array>>,
    {
        let moved = leaves.iter().zip(&place.ins).map(|(a, s)| match a.sharding() == Some(s) {
            true => Ok(None),
            false => a.put(s).map(Some),
        });
        let moved = moved.collect::<Result<Vec<Option<Array>>>>()?;
        let here = |i: usize| moved[i].as_ref().unwrap_or(leaves[i]);
        let kept: Vec<usize> =
            (0..leaves.len()).filter(|i| self.donated[*i] && moved[*i].is_none() && !leaves[*i].is_unique()).collect();
        let of_device = |d: &usize| (0..leaves.len()).map(|i| &*here(i).buffers()[*d]).collect::<Vec<_>>();
        let buffers: Vec<Vec<_>> = place.order.iter().map(of_device).collect();
        let buffers: Vec<&[_]> = buffers.iter().map(Vec::as_slice).collect();
        let options = ExecuteOptions { non_donatable: &kept, ..Default::default() };
        let outs = self.executable.execute(&buffers, &options)?;
        let mut parts: Vec<Vec<Buffer>> = (0..self.out_avals.len()).map(|_| vec![]).collect();
        let mut by_device: Vec<(usize, Vec<Buffer>)> = place.order.iter().copied().zip(outs).collect();
        by_device.sort_by_key(|d| d.0);
        for (_, mut outs) in by_device {
            outs.split_off(self.out_avals.len()).iter().try_for_each(|done| done.ready())?;
            outs.into_iter().zip(&mut parts).for_each(|(b, of)| of.push(b));
        }
        let types = self.out_avals.iter().zip(&place.outs);
        // (XLA leaves results without elements whole, wherever they should be)
        let array = |(parts, (a, s)): (Vec<Buffer>, (&Aval, &NamedSharding))| match a.size() {
            0 => Array::zeros_sharded(s, a.clone()),
            _ => Ok(Array::from_buffers(a.clone(), Some(s.clone()), parts)),
        };
        debug_assert_eq!(place.mesh.size(), place.order.len());
        Ok(self.out.refill(parts.into_iter().zip(types).map(array).collect::<Result<Vec<_>>>()?))
    }
}
