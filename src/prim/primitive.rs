//! The trait of all operations.
use super::*;
use crate::debug::HostCall;
use std::any::{Any, TypeId};

/// Everything raxla knows about one operation: its name and nine rules at most. Its `Debug` text is what graphs print: its
/// name with its parameters.
///
/// The methods after [`fold`](Primitive::fold) are for operations that are more than a function of their operands; all have
/// defaults. An operation with graphs inside implements [`HigherOrder`] instead, and gets this trait from it.
pub trait Primitive: fmt::Debug + Identity {
    /// The operation's name, as StableHLO or JAX calls it.
    fn name(&self) -> &'static str;
    /// Types of the results. The only place operands are validated: the other rules trust them.
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal>;
    /// What the operation means, on host values: the reference that the tests compare everything with.
    fn eval(&self, x: &[Host]) -> Vec<Host>;
    /// Tangents of the results `y`, given the operands `x` and their tangents; `None` is a symbolic zero.
    ///
    /// Called only when at least one tangent is not zero.
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>>;
    /// Cotangents of the linear operands (`None` for the others, or for zero), given those of the results.
    ///
    /// Only for operations that are linear in some operands; at least one cotangent is not zero.
    fn transpose(&self, _ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        not_linear(self.name(), x.iter().map(Operand::aval).collect())
    }
    /// The operation over a leading batch axis of size `n`: `mapped[i]` tells whether operand `i` has one (at least one
    /// does). Every result has it.
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor>;
    /// Write the operation as StableHLO; `y` are the types of the results.
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value>;
    /// Work done. By default one operation per element of the results.
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: y.iter().map(|a| a.size() as f64).sum(), bytes }
    }
    /// The one result, if it is known before the program runs, given what is known of the operands. Values and derivatives
    /// must not change by a bit, on any platform; where in doubt, `None`.
    fn fold(&self, _x: &Splats) -> Option<Known> {
        None
    }

    /// What transformations may do with the operation as a whole: repeat it, drop it, keep its results.
    fn tag(&self) -> Tag<'_> {
        Tag::Other
    }
    /// Results and tangents at once, for operations that compute both together for less than one after the other.
    fn with_tangents(&self, _x: &[Tensor], _dx: &[Option<Tensor>]) -> Option<Linearized> {
        None
    }
    /// What the host is to do with the operands, if that is what it is: it has no results then.
    fn host_call(&self) -> Option<&HostCall> {
        None
    }
    /// The rules for the graphs inside it, if it has any. Provided by [`HigherOrder`].
    fn inner(&self) -> Option<&dyn HigherOrder> {
        None
    }
    /// The rules for the named axes that it works over, if it does.
    fn over_axes(&self) -> Option<&dyn OverAxes> {
        None
    }
}

/// What transformations that decide about whole operations look at: the policies of [`remat`], the removal of dead code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tag<'a> {
    /// Nothing special.
    Other,
    /// It does something besides computing its results: it has a side effect. It is never removed, repeated or merged.
    Effect,
    /// It only moves elements, or converts them. Reverse mode makes such a value again, rather than keep it, when that
    /// takes something no larger.
    Movement,
    /// Only the type of the value changes, in what it varies over: [`pvary`]. Nothing is left of it in the compiled program.
    TypeOnly,
    /// A matrix product with this many batch axes.
    Dot {
        /// Axes of both operands that the result keeps.
        batch_axes: usize,
    },
    /// A value named by [`checkpoint_name`].
    Name(&'a String),
}

/// When two operations are the same: given the same operands they compute the same, so that one can stand for both.
///
/// Every type with [`PartialEq`] and [`Hash`] has it: derive them. What must run twice is equal to nothing, not to itself
/// either; numbers are compared by their bits.
pub trait Identity: Any {
    /// Is the other operation the same?
    fn same(&self, other: &dyn Primitive) -> bool;
    /// Feed a hasher what tells it apart: operations that are the same feed it the same.
    fn identify(&self, hasher: &mut dyn Hasher);
}
impl<P: Any + PartialEq + Hash> Identity for P {
    fn same(&self, other: &dyn Primitive) -> bool {
        (other as &dyn Any).downcast_ref::<P>().is_some_and(|other| self == other)
    }
    fn identify(&self, mut hasher: &mut dyn Hasher) {
        TypeId::of::<P>().hash(&mut hasher);
        self.hash(&mut hasher);
    }
}
impl PartialEq for dyn Primitive {
    fn eq(&self, other: &dyn Primitive) -> bool {
        self.same(other)
    }
}
impl Hash for dyn Primitive {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.identify(hasher);
    }
}

impl dyn Primitive {
    /// Does it have a side effect, or does an operation inside it?
    pub fn has_effect(&self) -> bool {
        self.tag() == Tag::Effect
    }
    /// The graphs inside it: loop bodies, branches, called functions.
    pub fn graphs(&self) -> Vec<&InnerGraph> {
        self.inner().map_or_else(Vec::new, HigherOrder::graphs)
    }
    /// The same operation with every graph inside it changed by `f`, which keeps their types. `None` if it has no graphs: so
    /// passes descend.
    pub fn map_graphs(&self, f: impl FnMut(&InnerGraph) -> InnerGraph) -> Option<Rc<dyn Primitive>> {
        let inner = self.inner()?;
        Some(inner.with_graphs(inner.graphs().into_iter().map(f).collect()))
    }
    /// The named axes that it works over.
    pub fn named_axes(&self) -> &[NamedAxis] {
        self.over_axes().map_or(&[], OverAxes::axes)
    }
}

/// The types of an operation's results, with what they vary over.
pub(crate) fn types(prim: &dyn Primitive, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
    let mut y = prim.infer(x)?;
    y.iter().try_for_each(Aval::countable)?;
    if prim.inner().is_none() && prim.tag() != Tag::TypeOnly {
        let of_operands = x.iter().map(|a| a.vma).collect::<AxisSet>();
        let vma = prim.over_axes().map_or(of_operands, |over| over.varies(of_operands.union(over.mesh_axes())));
        y.iter_mut().for_each(|a| a.vma = vma);
    }
    Ok(y)
}
