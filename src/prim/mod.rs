//! The primitives: one block each, holding everything the system knows about one operation.
//!
//! A block is the user-facing function with its documentation, a struct with the operation's parameters, and its
//! `impl Primitive`. Transformations never match on a concrete primitive: they only call these rules.
//!
//! To add one, write such a block in the file of its family, and a [`Row`] with cases in that file's `ROWS`; [`TABLE`] lists
//! the rows of all files. `cargo test -p raxla --test all primitives::` then compares every rule with XLA and with finite differences, in
//! every dtype that the row claims. A small block to copy is that of [`is_finite`](Tensor::is_finite) in `unary.rs`.
//!
//! Users meet these functions where there is no method: `prim::dynamic_slice`, [`gather`], [`scatter`], [`conv`], [`sort`],
//! [`cumsum`], [`CustomCall`]. Arguments are literal here: no broadcasting, no negative axes.
use crate::{
    aval::{Aval, DType},
    graph::{Graph, Var},
    host::Host,
    lower::{Lower, Value},
    mesh::AxisSet,
    trace::{NamedAxis, Tensor, fail, vary},
    transform::{
        batch::{BatchAxis, Batched, in_front},
        runs::{Halves, Runs},
    },
};
use std::{any::Any, fmt, rc::Rc};

mod argminmax;
mod barrier;
mod binary;
mod bitcast;
mod call;
mod collective;
mod constant;
mod control;
mod conv;
mod convert;
mod cumulative;
mod custom;
mod debug;
mod dot;
mod gather;
mod known;
mod memory;
mod random;
mod reduce;
mod scatter;
mod shape;
mod shard;
mod slice;
mod sort;
mod stop_gradient;
mod table;
mod unary;
pub use argminmax::*;
pub use barrier::*;
pub use binary::*;
pub use bitcast::*;
pub use call::*;
pub use collective::*;
pub use constant::*;
pub use control::*;
pub use conv::*;
pub use convert::*;
pub use cumulative::*;
pub use custom::*;
pub use debug::*;
pub use dot::*;
pub use gather::*;
use known::*;
pub use known::{Known, Splats, same};
pub use memory::*;
pub use random::*;
pub use reduce::*;
pub use scatter::*;
pub use shape::*;
pub use shard::*;
pub use slice::*;
pub use sort::*;
pub use stop_gradient::*;
pub use table::{Case, Row, TABLE, sample, sample_in};
pub use unary::*;

/// Work of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point (or integer) operations.
    pub flops: f64,
    /// Bytes read and written, counting each operand and result once.
    pub bytes: f64,
}
impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), |a, b| Cost { flops: a.flops + b.flops, bytes: a.bytes + b.bytes })
    }
}
impl Cost {
    /// This much work `n` times.
    pub fn times(self, n: usize) -> Cost {
        Cost { flops: self.flops * n as f64, bytes: self.bytes * n as f64 }
    }
}

/// One operand of a linear equation under transposition.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A linear input: its value is unknown, its cotangent is wanted.
    Linear(Aval),
    /// A residual: a known value.
    Known(Tensor),
}
impl Operand {
    /// Is the cotangent of this operand wanted?
    pub fn is_linear(&self) -> bool {
        matches!(self, Operand::Linear(_))
    }
    /// The value of a residual. Abandons tracing when the operand is linear: the program is not linear then, as when a
    /// `custom_jvp` rule squares a tangent.
    pub fn known(&self) -> Tensor {
        match self {
            Operand::Known(t) => *t,
            Operand::Linear(a) => not_linear("transpose", vec![a.clone()]),
        }
    }
    /// The type of the operand.
    pub fn aval(&self) -> Aval {
        match self {
            Operand::Known(t) => t.aval(),
            Operand::Linear(a) => a.clone(),
        }
    }
}

/// Abandon tracing: an operation on tangents is not linear in them.
pub(crate) fn not_linear(op: &str, operands: Vec<Aval>) -> ! {
    let help = "a rule given to `custom_jvp` must be linear in the tangents: sums, and products with values";
    fail(op, operands, "reverse mode meets an operation that is not linear in the tangents", Some(help.into()))
}

/// What [`Primitive::linearize`] returns: outputs and their tangents.
pub type Linearized = (Vec<Tensor>, Vec<Option<Tensor>>);

/// What [`Primitive::prune`] returns: an operation with fewer results, and which operands and results are left.
pub struct Less {
    /// The smaller operation.
    pub prim: Rc<dyn Primitive>,
    /// Which operands it still takes.
    pub ins: Vec<bool>,
    /// Which results it still has.
    pub outs: Vec<bool>,
}

/// Everything the system knows about one operation, in one place. Its `Debug` text is its name with its parameters.
pub trait Primitive: fmt::Debug + Any {
    /// The operation's name, as StableHLO or JAX calls it.
    fn name(&self) -> &'static str;
    /// Types of the outputs. The only place operands are validated. An `Err` is the reason, optionally followed by a
    /// line break and a remedy.
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, String>;
    /// Reference semantics on host values: the oracle of the tests.
    fn eval(&self, x: &[Host]) -> Vec<Host>;
    /// Tangents of the outputs `y`, given the operands `x` and their tangents; `None` is a symbolic zero.
    ///
    /// Called only when at least one tangent is not zero.
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>>;
    /// Forward mode: outputs and their tangents at once. Only for operations with inner graphs (scan, while, cond, ...),
    /// which compute both in one go; everything else gets this from `jvp`.
    fn jvp_whole(&self, _x: &[Tensor], _dx: &[Option<Tensor>]) -> Option<Linearized> {
        None
    }
    /// Outputs and their tangents, the latter by operations that are linear in `dx`. Only for operations with inner
    /// graphs, which must keep the values that the linear part needs.
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Option<Linearized> {
        self.jvp_whole(x, dx)
    }
    /// Cotangents of the linear operands (`None` for the others, or for zero), given those of the outputs.
    ///
    /// Only for operations that are linear in some operands; at least one cotangent is not zero.
    fn transpose(&self, _ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        not_linear(self.name(), x.iter().map(Operand::aval).collect())
    }
    /// The operation over a leading batch axis of size `n`: `mapped[i]` tells whether operand `i` has one (at least one
    /// does). Every result has it.
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor>;
    /// As [`batch`](Primitive::batch), telling which results have the axis. Only for operations with inner graphs, and
    /// for those that work over the axis by name: these are asked even if no operand has it.
    fn batch_whole(&self, _axis: &BatchAxis, _x: &[Tensor], _mapped: &[bool]) -> Option<Batched> {
        None
    }
    /// The axes of enclosing `vmap`s and meshes that it works over.
    fn named_axes(&self) -> &[NamedAxis] {
        &[]
    }
    /// The same operation over other axes, as many as [`named_axes`](Primitive::named_axes) has.
    fn with_named_axes(&self, _axes: Vec<NamedAxis>) -> Rc<dyn Primitive> {
        unreachable!("{} works over no axes by name", self.name())
    }
    /// Inside `shard_map`: the mesh axes over which the results vary, given those over which any operand does (which include
    /// those of `named_axes`). Operations with inner graphs are not asked.
    fn varies(&self, x: AxisSet) -> AxisSet {
        x
    }
    /// Is it the identity, which only changes the type, as to what the value varies over? See [`pvary`].
    fn only_varies(&self) -> bool {
        false
    }
    /// Does every device wait here for the others along `named_axes`?
    fn waits(&self) -> bool {
        !self.named_axes().is_empty()
    }
    /// Inside `shard_map`: the mesh axes along which devices may run its inner graphs differently, or differently often, given
    /// what each operand varies over.
    fn diverges(&self, _x: &[AxisSet]) -> AxisSet {
        AxisSet::NONE
    }
    /// Inside `shard_map`: the operation for operands that vary over these mesh axes, and what they must vary over for it.
    /// Only for operations with inner graphs; for the others, operands must vary alike.
    fn for_varying(&self, _x: &[AxisSet]) -> Option<(Rc<dyn Primitive>, Vec<AxisSet>)> {
        None
    }
    /// Emit StableHLO; `y` are the types of the results.
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value>;
    /// Work done. By default one operation per output element.
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: y.iter().map(|a| a.size() as f64).sum(), bytes }
    }
    /// The programs inside it: loop bodies, branches, called functions.
    fn graphs(&self) -> Vec<&Rc<Graph>> {
        vec![]
    }
    /// The same operation with other programs inside, in the order of [`graphs`](Primitive::graphs) and of the same types.
    fn with_graphs(&self, _graphs: Vec<Rc<Graph>>) -> Rc<dyn Primitive> {
        unreachable!("{} has no inner graphs", self.name())
    }
    /// Does it do something besides computing its results? Such equations are never removed or repeated.
    fn has_effect(&self) -> bool {
        self.graphs().into_iter().any(|g| has_effect(g))
    }
    /// Does it only move elements, or convert them? Reverse mode makes such a value again, rather than keep it, when that
    /// takes something no larger.
    fn moves_only(&self) -> bool {
        false
    }
    /// What the policies of [`remat`] see of it.
    fn tag(&self) -> Tag<'_> {
        Tag::Other
    }
    /// The operation in two runs, as [`remat`] needs it, given how its inner graphs are split. Without this rule, or where it
    /// gives `None`, all of the operation is computed again.
    fn in_two_runs(&self, _split: &dyn Fn(&Graph) -> Runs) -> Option<Halves> {
        None
    }
    /// The operation without the results that are not `used`, if that makes it smaller.
    fn prune(&self, _used: &[bool]) -> Option<Less> {
        None
    }
    /// The one result, if it is known before the program runs, given what is known of the operands. Values and derivatives
    /// must not change by a bit, on any platform; where in doubt, `None`.
    fn fold(&self, _x: &Splats) -> Option<Known> {
        None
    }
    /// Does the other operation of this name, given the same operands, compute the same, so that one can stand for both?
    /// `None` where the `Debug` texts (and the inner graphs) tell. To be answered where they do not (closures, long
    /// constants), and by what must run twice.
    fn same(&self, _other: &dyn Primitive) -> Option<bool> {
        None
    }
}

/// The types of an operation's results, with what they vary over.
pub(crate) fn types(prim: &dyn Primitive, x: &[Aval]) -> Result<Vec<Aval>, String> {
    let mut y = prim.infer(x)?;
    if prim.graphs().is_empty() {
        let own = prim.named_axes().iter().map(NamedAxis::mesh_axes);
        let vma = prim.varies(x.iter().map(|a| a.vma).chain(own).collect());
        y.iter_mut().for_each(|a| a.vma = vma);
    }
    Ok(y)
}

// ---- shared by the families -----------------------------------------------------------------------------------------

/// Sum of two tangents or cotangents, where `None` is zero.
#[track_caller]
pub fn add_opt(x: Option<Tensor>, y: Option<Tensor>) -> Option<Tensor> {
    match (x, y) {
        (Some(x), Some(y)) => Some(add(x, y)),
        (x, y) => x.or(y),
    }
}

/// Give every operand a leading batch axis of size `n`.
pub fn spread(n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
    x.iter().zip(mapped).map(|(x, m)| if *m { *x } else { broadcast_leading(*x, n) }).collect()
}

/// One application for each of `n` instances, in a loop: batching for what must not be done at once.
pub(crate) fn one_by_one(n: usize, x: &[Tensor], mapped: &[bool], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
    let slices: Vec<Tensor> = x.iter().zip(mapped).filter(|(_, m)| **m).map(|(t, _)| *t).collect();
    let step = |(): (), slices: Vec<Tensor>| {
        let mut slices = slices.into_iter();
        let arg = |(t, m): (&Tensor, &bool)| if *m { slices.next().expect("one per mapped operand") } else { *t };
        ((), f(&x.iter().zip(mapped).map(arg).collect::<Vec<_>>()))
    };
    let options = ScanOptions { length: Some(n), ..ScanOptions::default() };
    scan_with(options, step, (), slices).1
}

/// `x` repeated along a new leading axis of size `n`.
pub fn broadcast_leading(x: Tensor, n: usize) -> Tensor {
    let dims = x.dims();
    let at = (1..=dims.len()).collect();
    broadcast_in_dim(x, [&[n], &dims[..]].concat(), at)
}

/// A tensor of zeros of this type.
#[track_caller]
pub fn zeros_of(a: &Aval) -> Tensor {
    vary(full(a.dims.clone(), a.dtype, 0.0), a.vma)
}

/// The axes of a tensor of this rank that are not in `axes`.
pub fn other_axes(rank: usize, axes: &[usize]) -> Vec<usize> {
    (0..rank).filter(|i| !axes.contains(i)).collect()
}

/// The permutation that undoes `perm`.
pub fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inv = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(i, p)| inv[*p] = i);
    inv
}

/// Each axis number plus `by`: where the axes are once a batch axis stands in front.
pub fn shifted(axes: &[usize], by: usize) -> Vec<usize> {
    axes.iter().map(|a| a + by).collect()
}

/// Type rule: all operands have one type.
pub(crate) fn same_types(x: &[Aval]) -> Result<(), String> {
    let Some(w) = x.windows(2).find(|w| w[0] != w[1]) else { return Ok(()) };
    if w[0].dtype != w[1].dtype {
        return Err(format!("the dtypes differ\ncast one side: `.cast(DType::{:?})`", w[0].dtype));
    }
    Err("the shapes differ".into())
}

/// Type rule: the operand's dtype is of this kind.
pub(crate) fn require(x: &Aval, ok: fn(DType) -> bool, kind: &str) -> Result<(), String> {
    if ok(x.dtype) {
        return Ok(());
    }
    Err(format!("{} is not {kind}\nconvert it first with `.cast(..)`", x.dtype.name()))
}

/// Type rule: this axis exists.
pub(crate) fn require_axis(x: &Aval, axis: usize) -> Result<usize, String> {
    x.dims.get(axis).copied().ok_or_else(|| format!("there is no axis {axis} in {x}"))
}

/// Float dtypes.
pub(crate) fn is_float(d: DType) -> bool {
    d.is_float()
}
/// Integer dtypes, and bool.
pub(crate) fn is_int_or_bool(d: DType) -> bool {
    !d.is_float()
}
/// All but bool.
pub(crate) fn is_number(d: DType) -> bool {
    d != DType::Bool
}
/// Every dtype.
pub(crate) fn any_dtype(_: DType) -> bool {
    true
}

/// Does running the graph do something besides computing its results?
pub(crate) fn has_effect(g: &Graph) -> bool {
    g.eqns.iter().any(|e| e.prim.has_effect())
}

/// Give graphs that were traced from the same operands one list of inputs: what any of them captured, then the operands.
pub(crate) fn share_captured(graphs: Vec<(Graph, Vec<Tensor>)>) -> (Vec<Graph>, Vec<Tensor>) {
    let mut all: Vec<Tensor> = vec![];
    for t in graphs.iter().flat_map(|g| &g.1) {
        if !all.iter().any(|a| a.id() == t.id()) {
            all.push(*t);
        }
    }
    let share = |(mut g, captured): (Graph, Vec<Tensor>)| {
        let own = g.ins.split_off(g.ins.len() - captured.len());
        let mut ins: Vec<Var> = vec![];
        for t in &all {
            let at = captured.iter().position(|c| c.id() == t.id());
            ins.push(at.map_or_else(|| fresh_input(&mut g, t.aval()), |i| own[i]));
        }
        g.ins.splice(0..0, ins);
        g
    };
    (graphs.into_iter().map(share).collect(), all)
}

/// A new value of a graph, to become an input that nothing reads.
pub(crate) fn fresh_input(g: &mut Graph, a: Aval) -> Var {
    g.avals.push(a);
    (g.avals.len() - 1) as Var
}
