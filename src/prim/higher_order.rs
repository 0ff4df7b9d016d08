//! Operations with graphs inside: loops, branches, calls.
use super::*;
use crate::trace::TensorId;
use std::collections::{HashMap, HashSet};

/// Results of an operation and their tangents.
pub type Linearized = (Vec<Tensor>, Vec<Option<Tensor>>);

/// What [`HigherOrder::prune`] returns: an operation with fewer results, and which operands and results are left.
pub struct Less {
    /// The smaller operation.
    pub prim: Rc<dyn Primitive>,
    /// Which operands it still takes.
    pub ins: Vec<bool>,
    /// Which results it still has.
    pub outs: Vec<bool>,
}

/// How often an operation runs its graphs, and how results that they return beyond its own become further results of its own, behind
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// The first graph runs, once: as they are.
    Once,
    /// The only graph runs in every step: stacked.
    EachStep {
        /// The number of steps.
        length: usize,
        /// Is the last step the first of the stack?
        reverse: bool,
    },
    /// One of the graphs runs; the first operand is its number: as they are, and all graphs return the same.
    OneOfThem,
}

/// The rules of an operation with graphs inside it: in place of those of a [`Primitive`], which it gets from these.
///
/// Its results and their tangents come out of one run, so that derivatives and batches are made of the operation as a whole.
pub trait HigherOrder: fmt::Debug + Identity {
    /// The operation's name, as StableHLO or JAX calls it.
    fn name(&self) -> &'static str;
    /// Types of the results. The only place operands are validated.
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal>;
    /// What the operation means, on host values.
    fn eval(&self, x: &[Host]) -> Vec<Host>;
    /// Forward mode: results and their tangents, given the operands and theirs, of which at least one is not zero (`None`).
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized;
    /// Results and their tangents, the latter by operations that are linear in `dx`. The values that these need (residuals)
    /// are computed along with the results.
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized;
    /// Cotangents of the linear operands (`None` for the others, or for zero), given those of the results, of which at least
    /// one is not zero.
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>>;
    /// The operation over a leading batch axis: `mapped[i]` tells whether operand `i` has it, and the result tells the same
    /// of each result. No operand may have it, if an operation inside works over the axis by name.
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched;
    /// Write the operation as StableHLO; `y` are the types of the results.
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value>;
    /// Work done.
    fn cost(&self) -> Cost;

    /// The graphs inside: loop bodies, branches, called functions.
    fn graphs(&self) -> Vec<&InnerGraph>;
    /// The same operation with other graphs inside, in the order of [`graphs`](HigherOrder::graphs) and of the same types.
    fn with_graphs(&self, graphs: Vec<InnerGraph>) -> Rc<dyn Primitive>;
    /// Does running it have a side effect? By default it does if any graph has one.
    fn has_effect(&self) -> bool {
        self.graphs().into_iter().any(|g| g.has_effect())
    }
    /// How often it runs its graphs, if it can return more than it does: an operation [`with_graphs`](HigherOrder::with_graphs) that return
    /// more. `None` where nobody knows before, or where its results are not those of its graphs.
    fn repeats(&self) -> Option<Repeats> {
        None
    }
    /// The operation without the results that are not `used`, if that makes it smaller.
    fn prune(&self, _used: &[bool]) -> Option<Less> {
        None
    }
    /// The operation in two runs, as [`remat`] needs it, given how its graphs are split. Without this rule, or where it
    /// gives `None`, all of the operation is computed again.
    fn in_two_runs(&self, _split: &dyn Fn(&Graph) -> Runs) -> Option<Halves> {
        None
    }
    /// Inside `shard_map`: the operation for operands that vary over these mesh axes, and what they must vary over for it.
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>);
    /// Inside `shard_map`: the mesh axes along which devices may run the graphs differently, or differently often, given
    /// what each operand varies over.
    fn diverges(&self, _x: &[AxisSet]) -> AxisSet {
        AxisSet::NONE
    }
}

impl<P: HigherOrder> Primitive for P {
    fn name(&self) -> &'static str {
        HigherOrder::name(self)
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        HigherOrder::infer(self, x)
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        HigherOrder::eval(self, x)
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        HigherOrder::jvp(self, x, dx).1
    }
    fn with_tangents(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Option<Linearized> {
        Some(HigherOrder::jvp(self, x, dx))
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        HigherOrder::transpose(self, ct, x)
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let axis = BatchAxis::unnamed(n);
        HigherOrder::batch(self, &axis, x, mapped).into_iter().map(|y| in_front(&axis, y)).collect()
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        HigherOrder::lower(self, cx, x, y)
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        HigherOrder::cost(self)
    }
    fn tag(&self) -> Tag<'_> {
        if self.has_effect() { Tag::Effect } else { Tag::Other }
    }
    fn inner(&self) -> Option<&dyn HigherOrder> {
        Some(self)
    }
}

/// Give graphs that were traced from the same operands one list of inputs: what any of them captured, then the operands.
pub(crate) fn share_captured(graphs: Vec<(Graph, Vec<Tensor>)>) -> (Vec<Graph>, Vec<Tensor>) {
    let (mut all, mut seen): (Vec<Tensor>, HashSet<TensorId>) = Default::default();
    all.extend(graphs.iter().flat_map(|g| &g.1).filter(|t| seen.insert(t.id())));
    let share = |(mut g, captured): (Graph, Vec<Tensor>)| {
        let own = g.ins.split_off(g.ins.len() - captured.len());
        let own: HashMap<TensorId, Var> = captured.iter().map(|c| c.id()).zip(own).collect();
        let input = |t: &Tensor| own.get(&t.id()).copied().unwrap_or_else(|| fresh_input(&mut g, t.aval()));
        let ins: Vec<Var> = all.iter().map(input).collect();
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
