//! `jit`: trace, lower, compile once per type of arguments; then run.
//!
//! [`jit()`] makes a [`Jit`]: the function and its programs. [`Jit::call`] looks for a program by the structure and
//! types of the arguments, and which of them were moved in. If there is none, [`Jit::lower`] makes a [`Lowered`]
//! (graph and text), and that a [`Compiled`], which is kept. Moved arguments are donated: a result of the same type
//! takes over their memory.
//!
//! Read it in this order: `Jit::call`, `Jit::program`, `Programs::find` (all that a call with a known type does before it
//! runs), `Jit::resolve`, `lower_for`, `Lowered::compile`, `Compiled::start`.
use crate::{
    array::Array,
    aval::Aval,
    error::{Error, Result},
    lower::{Style, module},
    mesh::{NamedSharding, Rules, with_rules},
    trace::{At, Tensor, avals_of, catch, trace_graph},
    transform::{optimize, varying::erased},
    tree::{Hole, Tree},
};
use raxla_xla::CompileOptions;
use std::{
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

mod buckets;
mod communicate;
mod eager;
mod explain;
mod export;
mod forms;
mod place;
mod profile;
mod program;
mod programs;
mod traced;
pub use buckets::{Bucketed, Buckets, Front, LengthLast};
pub use eager::eager;
use explain::{Admission, History, Record};
pub use explain::{Change, Changes, CompileReport, Explanation, StructureChange};
pub use forms::JitTree;
use place::Specs;
pub use place::Target;
pub use profile::{Profile, ProfileSource, Timed};
pub(crate) use program::platform_options;
pub use program::{Compiled, Lowered, Times};
use program::{Placement, Reports, parameters, portable};
use programs::{Programs, Signature};
use traced::Together;
pub use traced::{Arg, ArgSet, ArgTuple, ArrayVisitor, BoxJit, Boxed, Held, HeldTuple, Traced};

/// A function with its compiled programs. Made by [`jit`].
pub struct Jit<Args: Tree<Tensor>, F: Traced<Args>>
where
    F::Out: Tree<Tensor>,
{
    f: F,
    name: &'static str,
    target: Option<Target>,
    in_specs: Option<Specs<Args>>,
    out_specs: Option<Specs<F::Out>>,
    rules: Option<Rules>,
    options: CompileOptions,
    must_donate: ArgSet,
    gather_limit: Option<u64>,
    programs: Programs<Compiled<Args, F::Out>>,
    history: Mutex<History>,
}

/// Its name is what the compiler prints where a [`Jit`] is called as if it were a function: `f(x)` instead of
/// `f.call((x,))`.
pub enum TheMethodCallInstead {}
impl<Args: Tree<Tensor>, F: Traced<Args>> std::ops::Deref for Jit<Args, F>
where
    F::Out: Tree<Tensor>,
{
    type Target = fn(TheMethodCallInstead);
    fn deref(&self) -> &fn(TheMethodCallInstead) {
        &(never as fn(TheMethodCallInstead))
    }
}
fn never(no: TheMethodCallInstead) {
    match no {}
}

/// A panic elsewhere leaves these maps whole.
fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
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
        target: None,
        in_specs: None,
        out_specs: None,
        rules: None,
        options: CompileOptions::default(),
        must_donate: ArgSet::default(),
        gather_limit: None,
        programs: Programs::default(),
        history: Mutex::default(),
    }
}

impl<Args: Tree<Tensor>, F: Traced<Args>> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
{
    /// The same with a type that can be written: to be kept in a struct, as [`BoxJit<Args, Out>`](BoxJit).
    pub fn boxed(self) -> BoxJit<Args, F::Out>
    where
        F: Send + Sync + 'static,
    {
        Jit {
            f: Boxed(Box::new(self.f)),
            name: self.name,
            target: self.target,
            in_specs: self.in_specs,
            out_specs: self.out_specs,
            rules: self.rules,
            options: self.options,
            must_donate: self.must_donate,
            gather_limit: self.gather_limit,
            programs: self.programs,
            history: self.history,
        }
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
        self.must_donate = ArgSet::of(&arguments.into());
        self
    }
    /// At most `n` programs: arguments that need another one are an error, [`Error::Recompile`], that says what is different
    /// about them.
    pub fn allow_compiles(self, n: usize) -> Self {
        locked(&self.history).allowed = Some(n);
        self
    }
    /// One program only: `allow_compiles(1)`. For loops that must not compile once they run.
    ///
    /// ```
    /// use raxla::{Error, prelude::*};
    /// let f = jit(|x: Tensor| x * 2.0).named("twice").deny_recompile();
    /// f.call((Array::from_slice([3], &[1f32, 2., 3.])?,))?;
    /// let error = f.call((Array::from_slice([2], &[1f32, 2.])?,)).unwrap_err();
    /// assert!(error.to_string().contains("argument `0` changed f32[3] -> f32[2]"), "{error}");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn deny_recompile(self) -> Self {
        self.allow_compiles(1)
    }
    /// No further programs from now on: for after a warm-up.
    pub fn freeze(&self) {
        locked(&self.history).freeze();
    }
    /// Number of programs compiled so far.
    pub fn compiles(&self) -> usize {
        locked(&self.history).compiled()
    }
    /// The programs compiled so far, and for each what is different from the nearest earlier one: shapes, dtypes, structure,
    /// or what was moved in. With how long it took.
    ///
    /// ```
    /// use raxla::prelude::*;
    /// let f = jit(|x: Tensor| x * 2.0).named("twice");
    /// f.call((Array::from_slice([3], &[1f32, 2., 3.])?,))?;
    /// f.call((Array::from_slice([2], &[1f32, 2.])?,))?;
    /// let explanation = f.explain();
    /// assert_eq!(explanation.programs[1].changes.0[0].to_string(), "argument `0` changed f32[3] -> f32[2]");
    /// assert!(explanation.to_string().starts_with("`twice`: 2 programs\n1. 1 leaf (trace "));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn explain(&self) -> Explanation {
        locked(&self.history).explain(self.name)
    }

    /// Trace and lower for these types of arguments, without compiling. Those that [`Jit::donate`] names are given away.
    #[track_caller]
    pub fn lower<S>(&self, args: &S) -> Result<Lowered<Args, F::Out>>
    where
        S: Tree<Aval, With<Tensor> = Args>,
    {
        self.lower_for(args, &self.resolve(args, &[], self.must_donate)?)
    }

    #[track_caller]
    fn lower_for<S>(&self, args: &S, signature: &Signature) -> Result<Lowered<Args, F::Out>>
    where
        S: Tree<Aval, With<Tensor> = Args>,
    {
        let start = Instant::now();
        let avals = args.leaves();
        let mut out = None;
        let mut out_specs = None;
        let ambient = signature.mesh.as_ref().and_then(|mesh| Some((mesh.clone(), self.rules.clone()?)));
        // (the closure would hide the caller's line)
        let at = At::caller();
        let traced = with_rules(ambient, || {
            trace_graph(&avals, |t| {
                let y = self.f.call(args.refill(t.iter().copied()));
                let leaves = y.leaves();
                out_specs = self.out_specs.as_ref().map(|specs| specs.of(&y, &avals_of(&y)));
                out = Some(y.map(|_| Hole));
                leaves
            })
        })?;
        drop(at);
        let trace = start.elapsed();
        let place = signature.mesh.clone().map(|mesh| {
            let outs = place::out_shardings(&mesh, &traced, out_specs.transpose()?)?;
            let ins = signature.types.iter().filter_map(|t| t.sharding().cloned()).collect();
            Ok::<_, Error>(Placement { mesh, ins, outs })
        });
        let mut place = place.transpose()?;
        // (rules may trace while they are lowered)
        let ((graph, passes), params, module, portable) = catch(|| {
            let optimized = optimize(&erased(&traced));
            let params = parameters(&optimized.0, |leaf| signature.is_moved(leaf), place.as_mut());
            let results = place.as_ref().map_or(&[][..], |p| &p.outs);
            let mesh = place.as_ref().map(|p| &p.mesh);
            let module = module(&optimized.0, &params, results, mesh, Style { locations: true, kernels: true });
            let portable = portable(&optimized.0, &params, results, mesh, &module);
            (optimized, params, module, portable)
        })?;
        let times = Times { trace, lower: start.elapsed() - trace, compile: Duration::ZERO };
        let aliased = params.iter().enumerate().filter(|(_, p)| p.alias.is_some());
        Ok(Lowered {
            name: self.name,
            traced,
            passes,
            graph,
            text: module.text,
            portable,
            calls_host: module.calls_host,
            returns_effect: module.returns_effect,
            reports: Reports::default(),
            donated: aliased.map(|(leaf, _)| leaf).collect(),
            paths: args.paths(),
            out: out.expect("tracing ran the function"),
            options: self.options.clone(),
            place,
            times,
            args: PhantomData,
        })
    }
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
    /// Arguments come as a tuple. Those passed by value may be donated, those passed by reference are kept. A Rust number
    /// is a scalar of its own type (`0.1f32`, not `0.1`, beside f32), and a [`Key<Host>`](crate::Key::host) a key. Returns as
    /// soon as the work is queued: errors while computing surface when a result is read. A program that prints or checks
    /// ([`debug`](crate::debug)) is waited for.
    ///
    /// # Errors
    /// What is wrong in the traced function ([`Error::Trace`]), what the plugin reports ([`Error::Runtime`]), and the
    /// message of a check of the program that failed ([`Error::Check`]).
    #[track_caller]
    pub fn call(&self, args: impl ArgTuple<Args::With<Array>>) -> Result<<F::Out as Tree<Tensor>>::With<Array>> {
        let args = self.held(args)?;
        self.program(&args)?.start(&args)
    }

    /// The compiled program for these arguments, without running it.
    #[track_caller]
    pub fn compile_for(&self, args: impl ArgTuple<Args::With<Array>>) -> Result<Arc<Compiled<Args, F::Out>>> {
        self.program(&self.held(args)?)
    }

    /// The arguments as trees of arrays: numbers are put where the function runs.
    fn held<X: ArgTuple<Args::With<Array>>>(&self, args: X) -> Result<X::Held> {
        args.held(&|| self.client(None))
    }

    /// Compile for arguments of these types, of which those numbered in `moved` will be passed by value. Later calls,
    /// also from other threads, find the program or wait for it.
    #[track_caller]
    pub fn prepare(&self, args: &Args::With<Aval>, moved: &[usize]) -> Result<Arc<Compiled<Args, F::Out>>> {
        self.program_for(args, self.resolve(args, &[], ArgSet::of(moved))?)
    }

    /// The program for these arguments: there already, or made now.
    #[track_caller]
    fn program(&self, args: &impl HeldTuple<Args::With<Array>>) -> Result<Arc<Compiled<Args, F::Out>>> {
        if let Some(program) = self.programs.find(args) {
            return Ok(program);
        }
        let avals = args.avals();
        self.program_for(&avals, self.resolve(&avals, &here(args), args.moved())?)
    }

    #[track_caller]
    fn program_for(&self, args: &Args::With<Aval>, signature: Signature) -> Result<Arc<Compiled<Args, F::Out>>> {
        // (a wait that would not end is the error of this call, also inside of a traced function)
        let at = At::caller();
        let found = catch(|| self.programs.get_or_claim(self.name, signature))?;
        drop(at);
        match found {
            Ok(program) => Ok(program),
            Err(claim) => {
                let made = self.compiled(args, claim.signature())?;
                Ok(claim.made(made))
            }
        }
    }

    #[track_caller]
    fn compiled(&self, args: &Args::With<Aval>, signature: &Signature) -> Result<Compiled<Args, F::Out>> {
        let record = Record {
            paths: args.paths(),
            avals: args.leaves(),
            arguments: signature.arguments.clone(),
            moved: signature.moved,
            facts: args.facts(),
            times: None,
        };
        let admission = Admission::ask(&self.history, self.name, record)?;
        let client = self.client(signature.mesh.as_ref())?;
        let lowered = self.lower_for(args, signature)?;
        self.check_donation(args, signature, &lowered)?;
        if let Some(limit) = self.gather_limit {
            lowered.check_gathers(&client, self.name, limit)?;
        }
        let compiled = lowered.compile(&client)?;
        let t = &compiled.times;
        tracing::debug!(name = self.name, trace = ?t.trace, lower = ?t.lower, compile = ?t.compile, "compiled");
        admission.done(compiled.times);
        Ok(compiled)
    }

    fn check_donation(
        &self,
        args: &Args::With<Aval>,
        signature: &Signature,
        lowered: &Lowered<Args, F::Out>,
    ) -> Result<()> {
        let must = |leaf: &usize| self.must_donate.contains(signature.arguments[*leaf]);
        let kept = (0..signature.types.len()).find(|leaf| must(leaf) && !lowered.donated.contains(leaf));
        let Some(leaf) = kept else { return Ok(()) };
        let reason = "it was passed by reference, or no result of the same type is left to take over its memory";
        Err(Error::Donation {
            path: args.paths().swap_remove(leaf),
            aval: signature.types[leaf].aval().clone(),
            reason,
            help: "pass it by value, and return an updated value of the same type",
        })
    }
}

/// Where the leaves of these arguments are.
fn here<T: Tree<Array>>(args: &impl HeldTuple<T>) -> Vec<Option<NamedSharding>> {
    let mut here = vec![];
    args.visit(&mut |_, _, a| here.push(a.sharding().cloned()));
    here
}
