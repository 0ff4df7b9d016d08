//! `jit`: trace, lower, compile once per type of arguments; then run.
//!
//! [`jit()`] makes a [`Jit`]: the function and its programs. [`Jit::call`] looks for a program by the structure and
//! types of the arguments, and which of them were moved in. If there is none, [`Jit::lower`] makes a [`Lowered`]
//! (graph and text), and that a [`Compiled`], which is kept. Moved arguments are donated: a result of the same type
//! takes over their memory.
//!
//! Read it in this order: `Jit::call`, `program_for`, `lower_for`, `Lowered::compile`, `Compiled::run`.
use crate::{
    array::Array,
    aval::Aval,
    cache, debug,
    error::{Error, Result},
    graph::Graph,
    lower::{ParamAttrs, stablehlo},
    runtime,
    trace::{Tensor, trace_graph},
    transform::{Pass, optimize},
    tree::{Hole, Path, Structure, Tree},
};
use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use xla_extension::{Client, CompileOptions, Executable, ExecuteOptions, OptionValue};

/// Functions that can be traced: closures over trees of tensors, of up to eight arguments.
///
/// The impls below carry no `Tree` bounds on purpose: `jit` does, so that a missing derive is reported as
/// "`Foo` is not a tree of `Tensor`" and not as an unsatisfied bound on an anonymous closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be traced",
    note = "annotate the closure's argument types; at most eight arguments"
)]
pub trait Traced<Args> {
    /// What it returns.
    type Out;
    /// Call it.
    fn call(&self, args: Args) -> Self::Out;
}

/// Arguments of a compiled function: by value (may be donated) or by reference (kept).
pub trait Arg<A> {
    /// The argument, and whether it was moved in.
    fn arg(self) -> (A, bool);
}
impl<A> Arg<A> for A {
    fn arg(self) -> (A, bool) {
        (self, true)
    }
}
impl<A: Tree<Array, With<Array> = A>> Arg<A> for &A {
    fn arg(self) -> (A, bool) {
        (self.map(Array::clone), false)
    }
}

/// A tuple of [`Arg`]s that stands for the tuple `T` of arguments.
pub trait ArgTuple<T> {
    /// The arguments, and for each of their leaves whether it was moved in.
    fn args(self) -> (T, Vec<bool>);
}

macro_rules! arities {
    ($($t:ident $x:ident $v:ident $i:tt),*) => {
        #[allow(clippy::too_many_arguments, clippy::unused_unit)]
        impl<Func: Fn($($t),*) -> R, R, $($t),*> Traced<($($t,)*)> for Func {
            type Out = R;
            fn call(&self, ($($v,)*): ($($t,)*)) -> R {
                self($($v),*)
            }
        }
        #[allow(unused_mut, clippy::unused_unit)]
        impl<$($t: Tree<Array>, $x: Arg<$t>),*> ArgTuple<($($t,)*)> for ($($x,)*) {
            fn args(self) -> (($($t,)*), Vec<bool>) {
                let mut moved = vec![];
                $(
                    let (arg, by_value) = self.$i.arg();
                    arg.visit(|_, _| moved.push(by_value));
                    let $v = arg;
                )*
                (($($v,)*), moved)
            }
        }
    };
}
arities!();
arities!(A XA a 0);
arities!(A XA a 0, B XB b 1);
arities!(A XA a 0, B XB b 1, C XC c 2);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3, E XE e 4);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3, E XE e 4, F XF f 5);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3, E XE e 4, F XF f 5, G XG g 6);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3, E XE e 4, F XF f 5, G XG g 6, H XH h 7);

/// A function with its compiled programs. Made by [`jit`].
pub struct Jit<Args: Tree<Tensor>, F: Traced<Args>>
where
    F::Out: Tree<Tensor>,
{
    f: F,
    name: &'static str,
    client: Option<Client>,
    options: CompileOptions,
    must_donate: Vec<usize>,
    programs: Mutex<HashMap<Key, Slot<Args, F::Out>>>,
}

/// A program, or its place while it is being compiled.
type Slot<Args, Out> = Arc<Mutex<Option<Arc<Compiled<Args, Out>>>>>;

/// A panic elsewhere leaves these maps whole.
fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    structure: Structure,
    avals: Vec<Aval>,
    moved: Vec<bool>,
}

/// Compile a function of trees of tensors: one program per structure and types of its arguments, kept.
///
/// ```
/// use raxla::prelude::*;
/// let f = jit(|x: Tensor, y: Tensor| (x * y + 1.0).tanh());
/// let x = Array::from_slice([3], &[1f32, 2., 3.])?;
/// let y = Array::from_slice([3], &[0f32, 0.5, -1.])?;
/// let z = f.call((&x, &y))?;
/// assert_eq!(z.to_vec::<f32>()?[2], (-2f32).tanh());
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn jit<Args: Tree<Tensor>, F: Traced<Args>>(f: F) -> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
{
    Jit {
        f,
        name: std::any::type_name::<F>(),
        client: None,
        options: CompileOptions::default(),
        must_donate: vec![],
        programs: Mutex::default(),
    }
}

impl<Args: Tree<Tensor>, F: Traced<Args>> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
{
    /// Run on this client instead of the default one.
    pub fn on(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }
    /// The name in logs and reports, instead of the function's type name.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }
    /// Compile with these options.
    pub fn options(mut self, options: CompileOptions) -> Self {
        self.options = options;
        self
    }
    /// These arguments must give their memory to results: it is an error when a leaf of one cannot.
    ///
    /// Without this, arguments that are moved in are donated as far as a result of the same type exists.
    pub fn donate(mut self, arguments: impl Into<Vec<usize>>) -> Self {
        self.must_donate = arguments.into();
        self
    }
    /// Number of programs compiled so far.
    pub fn compiles(&self) -> usize {
        let slots: Vec<_> = locked(&self.programs).values().cloned().collect();
        slots.iter().filter(|s| locked(s).is_some()).count()
    }

    /// Trace and lower for these types of arguments, without compiling.
    #[track_caller]
    pub fn lower<S>(&self, args: &S) -> Result<Lowered<Args, F::Out>>
    where
        S: Tree<Aval, With<Tensor> = Args>,
    {
        self.lower_for(args, vec![])
    }

    #[track_caller]
    fn lower_for<S>(&self, args: &S, donate: Vec<bool>) -> Result<Lowered<Args, F::Out>>
    where
        S: Tree<Aval, With<Tensor> = Args>,
    {
        let start = Instant::now();
        let avals = args.leaves();
        let mut out = None;
        let traced = trace_graph(&avals, |t| {
            let y = self.f.call(args.refill(t.iter().copied()));
            let leaves = y.leaves();
            out = Some(y.map(|_| Hole));
            leaves
        })?;
        let trace = start.elapsed();
        let (graph, passes) = optimize(&traced);
        let params = aliases(&graph, &donate);
        let text = stablehlo(&graph, &params, true);
        let times = Times { trace, lower: start.elapsed() - trace, compile: Duration::ZERO };
        Ok(Lowered {
            traced,
            passes,
            graph,
            text,
            donated: params.iter().map(|p| p.alias.is_some()).collect(),
            out: out.expect("tracing ran the function"),
            options: self.options.clone(),
            times,
            args: PhantomData,
        })
    }
}

/// Which result takes over which donated parameter: the first of the same type.
fn aliases(graph: &Graph, donate: &[bool]) -> Vec<ParamAttrs> {
    let mut free: Vec<bool> = vec![true; graph.outs.len()];
    let outs = graph.out_avals();
    let pick = |(v, donated): (&u32, bool)| {
        let found = (0..outs.len()).find(|i| donated && free[*i] && outs[*i] == *graph.aval(*v));
        found.inspect(|i| free[*i] = false)
    };
    let wanted = graph.ins.iter().enumerate().map(|(i, v)| (v, donate.get(i).copied().unwrap_or(false)));
    wanted.map(pick).map(|alias| ParamAttrs { alias }).collect()
}

impl<Args: Tree<Tensor>, F: Traced<Args>> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
    Args::With<Array>: Tree<Array, With<Tensor> = Args, With<Aval> = Args::With<Aval>>,
    Args::With<Aval>: Tree<Aval, With<Tensor> = Args>,
    <F::Out as Tree<Tensor>>::With<Hole>: Tree<Hole, With<Array> = <F::Out as Tree<Tensor>>::With<Array>>,
{
    /// Run: with the program for these arguments' types, compiled now if there is none yet.
    ///
    /// Arguments come as a tuple. Those passed by value may be donated, those passed by reference are kept. Returns as
    /// soon as the work is queued: errors while computing surface when a result is read. A program that prints or checks
    /// ([`debug`]) is waited for.
    ///
    /// # Errors
    /// What is wrong in the traced function ([`Error::Trace`]), what the plugin reports ([`Error::Runtime`]), and the
    /// message of a check of the program that failed ([`Error::Check`]).
    #[track_caller]
    pub fn call(&self, args: impl ArgTuple<Args::With<Array>>) -> Result<<F::Out as Tree<Tensor>>::With<Array>> {
        let (args, moved) = args.args();
        self.program(&args, moved)?.run(args)
    }

    /// The compiled program for these arguments, without running it.
    #[track_caller]
    pub fn compile_for(&self, args: impl ArgTuple<Args::With<Array>>) -> Result<Arc<Compiled<Args, F::Out>>> {
        let (args, moved) = args.args();
        self.program(&args, moved)
    }

    /// Compile for arguments of these types, of which those numbered in `moved` will be passed by value. Later calls,
    /// also from other threads, find the program or wait for it.
    #[track_caller]
    pub fn prepare(&self, args: &Args::With<Aval>, moved: &[usize]) -> Result<Arc<Compiled<Args, F::Out>>> {
        let mut by_value = vec![];
        args.visit(|path, _| by_value.push(argument(path).is_some_and(|i| moved.contains(&i))));
        self.program_for(args, Key { structure: args.structure(), avals: args.leaves(), moved: by_value })
    }

    #[track_caller]
    fn program(&self, args: &Args::With<Array>, moved: Vec<bool>) -> Result<Arc<Compiled<Args, F::Out>>> {
        let mut avals = Vec::with_capacity(moved.len());
        args.visit(|_, a| avals.push(a.aval().clone()));
        let key = Key { structure: args.structure(), avals, moved };
        if let Some(slot) = locked(&self.programs).get(&key)
            && let Some(hit) = &*locked(slot)
        {
            return Ok(hit.clone());
        }
        self.program_for(&args.map(|a| a.aval().clone()), key)
    }

    #[track_caller]
    fn program_for(&self, spec: &Args::With<Aval>, key: Key) -> Result<Arc<Compiled<Args, F::Out>>> {
        // only this program's slot stays locked: others can be compiled at the same time
        let slot = locked(&self.programs).entry(key.clone()).or_default().clone();
        let mut slot = locked(&slot);
        if let Some(made) = &*slot {
            return Ok(made.clone());
        }
        let lowered = self.lower_for(spec, key.moved)?;
        self.check_donation(spec, &lowered)?;
        let client = self.client.clone().map_or_else(runtime::client, Ok)?;
        let compiled = Arc::new(lowered.compile(&client)?);
        let t = &compiled.times;
        tracing::debug!(name = self.name, trace = ?t.trace, lower = ?t.lower, compile = ?t.compile, "compiled");
        *slot = Some(compiled.clone());
        Ok(compiled)
    }

    fn check_donation(&self, args: &Args::With<Aval>, lowered: &Lowered<Args, F::Out>) -> Result<()> {
        let (mut leaf, mut problem) = (0, None);
        args.visit(|path, aval| {
            let must = argument(path).is_some_and(|i| self.must_donate.contains(&i));
            if must && !lowered.donated[leaf] && problem.is_none() {
                problem = Some((path.to_string(), aval.clone()));
            }
            leaf += 1;
        });
        let Some((path, aval)) = problem else { return Ok(()) };
        let reason = "it was passed by reference, or no result of the same type is left to take over its memory";
        Err(Error::Donation {
            path,
            aval,
            reason,
            help: "pass it by value, and return an updated value of the same type",
        })
    }
}

/// The number of the argument that a leaf belongs to.
fn argument(path: &Path) -> Option<usize> {
    path.to_string().split('.').next()?.parse().ok()
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
    donated: Vec<bool>,
    out: Out::With<Hole>,
    options: CompileOptions,
    /// How long tracing and lowering took.
    pub times: Times,
    args: PhantomData<fn(Args)>,
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
    out: Out::With<Hole>,
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
