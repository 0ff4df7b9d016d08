//! Tensors, the trace stack, and `bind`: the one way an operation enters a graph.
//!
//! A thread has a stack of traces: `jit` opens the first, and `grad`, `vmap`, `scan` open inner ones for the
//! closures they are given. [`bind`] records an operation in the innermost trace; an operand from further out
//! becomes an extra input of it ("captured").
//!
//! Errors unwind as a [`TraceError`] through the user's code to [`trace_graph`], without a panic message. Rust sees
//! a caller's line only through functions marked `#[track_caller]`, and not through closures: hence [`At`], which
//! composites put up to point at their caller.
use crate::{
    aval::{Aval, DType, Dims, axis_number},
    graph::{Eqn, Graph, Site, Var},
    mesh::AxisSet,
    prim::{self, PVary, Primitive, Tag},
    refusal::Refusal,
    transform::varying::vma_of,
    tree::{Leaf, Tree},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
};

mod axes;
mod caller;
mod tensor_tree;
pub(crate) use axes::mesh_axes_inside;
pub use axes::{NamedAxis, named_axis, with_axes, with_axis};
pub use caller::{At, scope, with_site};
use caller::{called, caller_now, here, scope_now, set_caller, take_caller};
pub(crate) use caller::{op_name, op_now, site, with_site_of};
pub use tensor_tree::TensorTree;

/// A value inside a trace. Two integers: `Copy`, so model code needs no `&` and no `.clone()`.
///
/// It has a shape and a dtype but no elements: those exist when the compiled program runs. So `==` and `<` do not exist
/// for tensors, which would have to answer while tracing; [`Tensor::eq`] and [`Tensor::lt`] give tensors of bools. It
/// cannot leave its thread.
#[derive(Clone, Copy)]
pub struct Tensor {
    trace: u32,
    var: Var,
    _not_send: PhantomData<*const OnlyInTheTracingThread>,
}
impl Leaf for Tensor {}
/// Its name is what the compiler prints when a tensor is sent to another thread.
enum OnlyInTheTracingThread {}

/// Which value of which trace a tensor is.
pub(crate) type TensorId = (u32, Var);
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Tensor(%{})", self.var)
    }
}

impl Tensor {
    /// Equal for tensors that are the same value of the same trace.
    pub(crate) fn id(self) -> TensorId {
        (self.trace, self.var)
    }
    /// Shape and dtype.
    #[track_caller]
    pub fn aval(self) -> Aval {
        let found = STACK.with(|s| {
            let stack = &s.borrow().traces;
            level(stack, self).map(|l| stack[l].graph.aval(self.var).clone())
        });
        match found {
            Ok(a) => a,
            Err(why) => refuse("read", vec![], why),
        }
    }
    /// Element type.
    #[track_caller]
    pub fn dtype(self) -> DType {
        self.aval().dtype
    }
    /// Axis sizes.
    #[track_caller]
    pub fn dims(self) -> Dims {
        self.aval().dims
    }
    /// Number of axes.
    #[track_caller]
    pub fn rank(self) -> usize {
        self.aval().rank()
    }
    /// Size of one axis; negative axes count from the end.
    #[track_caller]
    pub fn dim(self, axis: isize) -> usize {
        let _at = At::op("dim");
        self.dims()[self.axis(axis)]
    }
    /// Number of elements.
    #[track_caller]
    pub fn size(self) -> usize {
        self.aval().size()
    }
    /// Axis sizes of a tensor whose rank is known: `let [b, t, d] = x.shape();`
    #[track_caller]
    pub fn shape<const N: usize>(self) -> [usize; N] {
        let a = self.aval();
        if let Ok(dims) = a.dims.clone().try_into() {
            return dims;
        }
        let help = format!("it has {} axes; destructure exactly that many", a.rank());
        fail("shape", vec![a], format!("expected a tensor of rank {N}"), Some(help))
    }
    /// The number of an axis that may count from the end.
    #[track_caller]
    pub fn axis(self, axis: isize) -> usize {
        let a = self.aval();
        let rank = a.rank();
        match axis_number(axis, rank) {
            Some(i) => i,
            None => fail(
                op_name("axis"),
                vec![a],
                format!("there is no axis {axis} in a tensor of rank {rank}"),
                Some(axes_of_rank(rank)),
            ),
        }
    }
}

/// Which numbers of axes there are.
pub(crate) fn axes_of_rank(rank: usize) -> String {
    match rank {
        0 => "a scalar has no axes".into(),
        1 => "the only axis is 0, or -1".into(),
        n => format!("the axes are 0 to {}, or, from the end, -1 to -{n}", n - 1),
    }
}

enum Policy {
    /// Records every operation performed while it is innermost (jit, scan bodies, vmap, ...).
    Everything,
    /// Records only operations on its own values (linear programs): the rest goes to the enclosing trace.
    Dependent,
}

struct Trace {
    id: u32,
    policy: Policy,
    graph: Graph,
    /// Values of enclosing traces and the inputs they became here.
    captured: Vec<(Tensor, Var)>,
    /// Equations without operands (constants): cheaper to repeat in an inner trace than to capture.
    constants: HashMap<Var, usize>,
    /// What constants of enclosing traces were repeated as.
    repeated: HashMap<TensorId, Var>,
    /// What tensors became here when they were made to vary over mesh axes: done once, they are summed over the devices once
    /// in reverse mode.
    raised: HashMap<(TensorId, AxisSet), Var>,
}
impl Trace {
    fn fresh(&mut self, a: Aval) -> Var {
        self.graph.avals.push(a);
        (self.graph.avals.len() - 1) as Var
    }
    fn tensor(&self, var: Var) -> Tensor {
        Tensor { trace: self.id, var, _not_send: PhantomData }
    }
    fn input(&mut self, a: Aval) -> Tensor {
        let v = self.fresh(a);
        self.graph.ins.push(v);
        self.tensor(v)
    }
    fn record(&mut self, prim: Rc<dyn Primitive>, ins: Vec<Var>, outs: Vec<Aval>, site: Site) -> Vec<Var> {
        let outs: Vec<Var> = outs.into_iter().map(|a| self.fresh(a)).collect();
        // (a name may mean another axis in an inner trace)
        if ins.is_empty() && !prim.has_effect() && prim.named_axes().is_empty() {
            self.constants.extend(outs.iter().map(|v| (*v, self.graph.eqns.len())));
        }
        self.graph.eqns.push(Eqn { prim, ins, outs: outs.clone(), site });
        outs
    }
}

#[derive(Default)]
struct Stack {
    next: u32,
    traces: Vec<Trace>,
}

thread_local! {
    static STACK: RefCell<Stack> = RefCell::default();
    /// How many error boundaries there are around what runs now.
    static BOUNDARIES: Cell<usize> = const { Cell::new(0) };
}

fn level(stack: &[Trace], t: Tensor) -> Result<usize, Refusal> {
    let help = "return it from the function that made it: what a closure keeps aside (in a `Cell`, a `Vec`) ends with its trace";
    let escaped = || Refusal::new("a tensor outlived the trace that made it").help(help);
    stack.iter().rposition(|tr| tr.id == t.trace).ok_or_else(escaped)
}

/// Why tracing failed, and where. `jit(..).call(..)` returns it as `Err`.
#[derive(Clone, PartialEq)]
pub struct TraceError {
    /// What the user called.
    pub op: String,
    /// The operation inside it that is wrong, where that has another name.
    pub inner: Option<String>,
    /// The types of the operation's operands.
    pub operands: Vec<Aval>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The user's file.
    pub file: &'static str,
    /// The user's line.
    pub line: u32,
    /// Names of the scopes around the operation.
    pub scope: String,
}
impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.op)?;
        if let (Some(inner), false) = (&self.inner, self.operands.is_empty()) {
            write!(f, ": {inner}")?;
        }
        for (i, a) in self.operands.iter().enumerate() {
            let joint = if i == 0 {
                " of"
            } else if i + 1 == self.operands.len() {
                " and"
            } else {
                ","
            };
            write!(f, "{joint} {a}")?;
        }
        write!(f, ": {}\n  at {}:{}", self.reason, self.file, self.line)?;
        if !self.scope.is_empty() {
            write!(f, " in {}", self.scope)?;
        }
        self.help.iter().try_for_each(|h| write!(f, "\n  help: {h}"))
    }
}
/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl std::error::Error for TraceError {}

/// Abandon tracing (or lowering): the enclosing `jit` (or [`trace_graph`]) returns this error. Outside them it panics.
#[track_caller]
pub fn fail(op: &str, operands: Vec<Aval>, reason: impl Into<String>, help: Option<String>) -> ! {
    let at = here();
    let scope = scope_now();
    let ((op, inner), reason) = (called(op), reason.into());
    let e = TraceError { op, inner, operands, reason, help, file: at.file(), line: at.line(), scope };
    if STACK.with(|s| s.borrow().traces.is_empty()) && BOUNDARIES.get() == 0 {
        panic!("{e}")
    }
    resume_unwind(Box::new(e))
}

/// Apply a primitive: choose the trace, lift the operands into it, infer types, record the equation.
#[track_caller]
pub fn bind(prim: impl Primitive, x: &[Tensor]) -> Vec<Tensor> {
    bind_rc(Rc::new(prim), x)
}
/// As [`bind`], for a primitive with one result.
#[track_caller]
pub fn bind1(prim: impl Primitive, x: &[Tensor]) -> Tensor {
    bind_rc(Rc::new(prim), x)[0]
}
/// As [`bind`], for a primitive that is already shared.
#[track_caller]
pub fn bind_rc(prim: Rc<dyn Primitive>, x: &[Tensor]) -> Vec<Tensor> {
    let site = site();
    // (closures would hide the caller's line)
    let (avals, why) = match record(&prim, x, &site) {
        Ok(Some(outs)) => return outs,
        Ok(None) => {
            let (prim, x) = varying_alike(prim.clone(), x);
            match record_as(&prim, &x, &site, |_| true) {
                Ok(outs) => return outs.unwrap_or_default(),
                Err(e) => e,
            }
        }
        Err(e) => e,
    };
    refuse(prim.name(), avals, why)
}

/// Record an operation; `None` if its operands, or values inside, vary over mesh axes, which takes [`varying_alike`].
fn record(prim: &Rc<dyn Primitive>, x: &[Tensor], site: &Site) -> Result<Option<Vec<Tensor>>, (Vec<Aval>, Refusal)> {
    let plain = |avals: &[Aval]| {
        let shared = avals.iter().all(|a| a.vma.is_empty())
            && prim.named_axes().iter().all(|a| !a.mesh)
            && vma_of(&prim.graphs()).is_empty();
        shared || prim.tag() == Tag::TypeOnly
    };
    record_as(prim, x, site, plain)
}

fn record_as(
    prim: &Rc<dyn Primitive>,
    x: &[Tensor],
    site: &Site,
    ready: impl Fn(&[Aval]) -> bool,
) -> Result<Option<Vec<Tensor>>, (Vec<Aval>, Refusal)> {
    let lost = |why: Refusal| (vec![], why);
    let (top, avals) = STACK.with(|s| operands(&s.borrow().traces, x)).map_err(lost)?;
    if !ready(&avals) {
        return Ok(None);
    }
    // (a type rule may ask tensors what they are: nobody holds the stack meanwhile)
    let outs = prim::types(&**prim, &avals).map_err(|why| (avals, why))?;
    STACK.with(|s| {
        let stack = &mut s.borrow_mut().traces;
        let ins = x.iter().map(|t| lift(stack, *t, top)).collect::<Result<Vec<Var>, _>>().map_err(lost)?;
        let trace = &mut stack[top];
        let outs = trace.record(prim.clone(), ins, outs, site.clone());
        if let (true, [x], [y]) = (prim.tag() == Tag::TypeOnly, x, &outs[..]) {
            let axes = trace.graph.aval(*y).vma;
            trace.raised.insert((x.id(), axes), *y);
        }
        Ok(Some(outs.iter().map(|v| trace.tensor(*v)).collect()))
    })
}

/// What helps where there is no trace to record into.
const OUTSIDE: &str = "compute now with `eager(|| .., ())`, or in the function given to `jit`; data becomes an array with \
    `Array::from_slice` or `Array::scalar`";

/// The trace that an operation on these tensors belongs to, and their types.
fn operands(stack: &[Trace], x: &[Tensor]) -> Result<(usize, Vec<Aval>), Refusal> {
    let mut top = stack
        .iter()
        .rposition(|t| matches!(t.policy, Policy::Everything))
        .ok_or_else(|| Refusal::new("tensor operations only work inside jit, grad, vmap, ...").help(OUTSIDE))?;
    let mut avals = Vec::with_capacity(x.len());
    for t in x {
        let level = level(stack, *t)?;
        top = top.max(level);
        avals.push(stack[level].graph.aval(t.var).clone());
    }
    Ok((top, avals))
}

/// The operation and its operands, which are made to vary over the mesh axes that it needs.
fn varying_alike(prim: Rc<dyn Primitive>, x: &[Tensor]) -> (Rc<dyn Primitive>, Vec<Tensor>) {
    let vma: Vec<AxisSet> = x.iter().map(|t| t.aval().vma).collect();
    let own = || prim.over_axes().map_or(AxisSet::NONE, |over| over.mesh_axes());
    let (prim, want) = match prim.inner() {
        Some(inner) => inner.for_varying(&vma),
        None => (prim.clone(), vec![vma.iter().copied().collect::<AxisSet>().union(own()); x.len()]),
    };
    let x = x.iter().zip(want).map(|(t, want)| vary(*t, want)).collect();
    (prim, x)
}

/// `t`, varying at least over these mesh axes: made so once for all its uses.
#[track_caller]
pub(crate) fn vary(t: Tensor, axes: AxisSet) -> Tensor {
    let have = t.aval().vma;
    let more = axes.without(have);
    if more.is_empty() {
        return t;
    }
    let key = (t.id(), have.union(axes));
    let known = STACK.with(|s| {
        let stack = &s.borrow().traces;
        stack.iter().rev().find_map(|tr| tr.raised.get(&key).map(|v| tr.tensor(*v)))
    });
    known.unwrap_or_else(|| bind1(PVary(more), &[t]))
}
/// [`fail`] for the reason of a check, with its remedy.
#[track_caller]
pub(crate) fn refuse(op: &str, operands: Vec<Aval>, why: Refusal) -> ! {
    fail(op, operands, why.reason, why.help)
}

/// A tensor of an enclosing trace becomes an extra ("captured") input of this one; a constant is repeated instead.
fn lift(stack: &mut [Trace], t: Tensor, top: usize) -> Result<Var, Refusal> {
    if stack[top].id == t.trace {
        return Ok(t.var);
    }
    let from = level(stack, t)?;
    if let Some(v) = stack[top].repeated.get(&t.id()) {
        return Ok(*v);
    }
    let aval = stack[from].graph.aval(t.var).clone();
    if let Some(i) = stack[from].constants.get(&t.var) {
        let e = stack[from].graph.eqns[*i].clone();
        let position = e.outs.iter().position(|v| *v == t.var).expect("the constant's own equation");
        let avals = stack[from].graph.avals_of(&e.outs);
        let v = stack[top].record(e.prim, vec![], avals, e.site)[position];
        stack[top].repeated.insert(t.id(), v);
        return Ok(v);
    }
    let v = stack[top].fresh(aval);
    stack[top].captured.push((t, v));
    stack[top].repeated.insert(t.id(), v);
    Ok(v)
}

fn run(policy: Policy, avals: &[Aval], f: impl FnOnce(&[Tensor]) -> Vec<Tensor>) -> (Graph, Vec<Tensor>) {
    /// Drops the trace (and any left above it) when tracing is abandoned.
    struct Pop(usize);
    impl Drop for Pop {
        fn drop(&mut self) {
            STACK.with(|s| s.borrow_mut().traces.truncate(self.0));
        }
    }
    avals.iter().try_for_each(Aval::countable).unwrap_or_else(|why| refuse("trace", vec![], why));
    let (ins, depth) = STACK.with(|s| {
        let Stack { next, traces } = &mut *s.borrow_mut();
        *next += 1;
        traces.push(Trace {
            id: *next,
            policy,
            graph: Graph::default(),
            captured: vec![],
            constants: HashMap::new(),
            repeated: HashMap::new(),
            raised: HashMap::new(),
        });
        let top = traces.last_mut().expect("just pushed");
        (avals.iter().map(|a| top.input(a.clone())).collect::<Vec<_>>(), traces.len() - 1)
    });
    let _pop = Pop(depth);
    // the caller's line belongs to the higher-order function, not to what the user's closure does inside
    let outer = take_caller();
    let outs = f(&ins);
    set_caller(outer);
    let finished = STACK.with(|s| {
        let stack = &mut s.borrow_mut().traces;
        let outs = outs.iter().map(|t| lift(stack, *t, depth)).collect::<Result<Vec<Var>, _>>()?;
        let mut t = stack.pop().expect("pushed above");
        t.graph.outs = outs;
        t.graph.ins.extend(t.captured.iter().map(|c| c.1));
        Ok((t.graph, t.captured.into_iter().map(|c| c.0).collect()))
    });
    let (graph, captured): (Graph, Vec<Tensor>) = finished.unwrap_or_else(|why: Refusal| refuse("return", vec![], why));
    if cfg!(debug_assertions)
        && let Err(why) = graph.verify()
    {
        panic!("raxla made an invalid graph: {why}\n{graph}");
    }
    (graph, captured)
}

/// Record `f` as a graph. Values of enclosing traces used by `f` become trailing inputs, returned as the second part.
pub fn trace(avals: &[Aval], f: impl FnOnce(&[Tensor]) -> Vec<Tensor>) -> (Graph, Vec<Tensor>) {
    run(Policy::Everything, avals, f)
}
/// Like [`trace`], but records only what depends on the inputs: the rest stays in the enclosing trace.
pub fn trace_dependent(avals: &[Aval], f: impl FnOnce(&[Tensor]) -> Vec<Tensor>) -> (Graph, Vec<Tensor>) {
    run(Policy::Dependent, avals, f)
}

/// As [`trace`], for the rules of operations with inner graphs: what `f` does is attributed to the current operation.
#[track_caller]
pub fn trace_rule(avals: &[Aval], f: impl FnOnce(&[Tensor]) -> Vec<Tensor>) -> (Graph, Vec<Tensor>) {
    let site = site();
    trace(avals, |x| with_site(&site, || f(x)))
}

/// The error boundary: run what may trace. What the user's code did wrong is the `Err`.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Box<TraceError>> {
    /// Functions that are traced inside of each other. More of them call each other in a circle, and end the stack.
    const MOST: usize = 24;
    if BOUNDARIES.get() >= MOST {
        let reason = format!("{MOST} compiled functions are traced inside of each other: one seems to call itself");
        let help = "inside a traced function call the plain function, not its compiled form";
        fail("jit", vec![], reason, Some(help.into()))
    }
    let caller = caller_now();
    BOUNDARIES.set(BOUNDARIES.get() + 1);
    let made = catch_unwind(AssertUnwindSafe(f));
    BOUNDARIES.set(BOUNDARIES.get() - 1);
    set_caller(caller);
    made.map_err(|payload| payload.downcast::<TraceError>().unwrap_or_else(|p| resume_unwind(p)))
}

/// Record `f` as a graph, outside any trace. What the user's code did wrong is the `Err`.
#[track_caller]
pub fn trace_graph(avals: &[Aval], f: impl FnOnce(&[Tensor]) -> Vec<Tensor>) -> Result<Graph, Box<TraceError>> {
    let _at = At::caller();
    let (graph, captured) = catch(|| trace(avals, f))?;
    if !captured.is_empty() {
        let help = "inside a trace, call the plain function instead of its jitted form".to_string();
        fail("jit", avals_of(&captured), "it uses tensors of an enclosing trace", Some(help));
    }
    Ok(graph)
}

/// Record a function of trees as a graph over their leaves.
///
/// Returns the graph, the captured tensors (its trailing inputs), and the structure of the result.
pub fn trace_tree<X: TensorTree, Y: TensorTree>(
    x: &X,
    avals: &[Aval],
    f: impl FnOnce(X) -> Y,
) -> (Graph, Vec<Tensor>, Y) {
    let mut out = None;
    let (graph, captured) = trace(avals, |t| {
        let y = f(x.refill(t.iter().copied()));
        let leaves = y.leaves();
        out = Some(y);
        leaves
    });
    (graph, captured, out.expect("trace runs the function"))
}

/// A tree of tensors that belong to no trace, for its structure alone.
pub(crate) fn placeholders<S: Tree<Aval>>(x: &S) -> S::With<Tensor> {
    x.map(|_| Tensor { trace: 0, var: 0, _not_send: PhantomData })
}

/// Replay a graph into the current trace.
pub fn inline(g: &Graph, args: &[Tensor]) -> Vec<Tensor> {
    let mut env: Vec<Option<Tensor>> = vec![None; g.avals.len()];
    g.ins.iter().zip(args).for_each(|(v, t)| env[*v as usize] = Some(*t));
    let read = |env: &[Option<Tensor>], v: &Var| env[*v as usize].expect("verified: defined before use");
    for e in &g.eqns {
        let x: Vec<Tensor> = e.ins.iter().map(|v| read(&env, v)).collect();
        let y = with_site(&e.site, || bind_rc(e.prim.clone(), &x));
        e.outs.iter().zip(y).for_each(|(v, t)| env[*v as usize] = Some(t));
    }
    g.outs.iter().map(|v| read(&env, v)).collect()
}

/// The types of the leaves of a tree of tensors.
#[track_caller]
pub fn avals_of(t: &impl Tree<Tensor>) -> Vec<Aval> {
    t.leaves().into_iter().map(Tensor::aval).collect()
}
