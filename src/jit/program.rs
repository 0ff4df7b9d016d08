//! The stages after tracing: lowered, compiled, run.
use crate::{
    array::Array,
    aval::Aval,
    cache, debug,
    error::{Error, Result},
    graph::Graph,
    lower::ParamAttrs,
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
use xla_extension::{Client, CompileOptions, Executable, ExecuteOptions, OptionValue};

/// Which result takes over which donated parameter: the first of the same type.
pub(super) fn aliases(graph: &Graph, donate: &[bool]) -> Vec<ParamAttrs> {
    let mut free: Vec<bool> = vec![true; graph.outs.len()];
    let outs = graph.out_avals();
    let pick = |(v, donated): (&u32, bool)| {
        let found = (0..outs.len()).find(|i| donated && free[*i] && outs[*i] == *graph.aval(*v));
        found.inspect(|i| free[*i] = false)
    };
    let wanted = graph.ins.iter().enumerate().map(|(i, v)| (v, donate.get(i).copied().unwrap_or(false)));
    wanted.map(pick).map(|alias| ParamAttrs { alias }).collect()
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
    /// How long tracing and lowering took.
    pub times: Times,
    pub(super) args: PhantomData<fn(Args)>,
}
impl<Args, Out: Tree<Tensor>> Lowered<Args, Out> {
    /// Compile on this client.
    pub fn compile(self, client: &Client) -> Result<Compiled<Args, Out>> {
        let start = Instant::now();
        let (in_avals, out_avals) = (self.graph.in_avals(), self.graph.out_avals());
        let mut options = platform_options(client, self.options);
        if options.num_partitions == 1 {
            // what we know need not be read back from the compiled program
            options.parameters = Some(in_avals.iter().map(|a| (a.dtype, a.dims.clone())).collect());
        }
        if self.text.contains(debug::TARGET) {
            runtime::register_callback(client)?;
        }
        let executable = cache::compile(client, &self.text, &options)?;
        let times = Times { compile: start.elapsed(), ..self.times };
        Ok(Compiled { executable, in_avals, out_avals, donated: self.donated, out: self.out, times, args: PhantomData })
    }
}

impl<Args, Out: Tree<Tensor>> Lowered<Args, Out> {
    /// What the plugin's compiler makes of it, as HLO text.
    pub fn optimized_hlo(&self, client: &Client) -> Result<String> {
        let options = platform_options(client, self.options.clone());
        if self.text.contains(debug::TARGET) {
            runtime::register_callback(client)?;
        }
        Ok(client.optimized_hlo_text(self.text.as_bytes(), &options)?)
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
}
