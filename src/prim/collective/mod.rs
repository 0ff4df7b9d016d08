//! Collectives: operations over the instances along a named axis, of [`vmap_with`](crate::vmap_with) or of a mesh of devices
//! ([`shard_map`]).
//!
//! Inside the function each of them looks like an operation on one instance. Batching over the named axis turns it into
//! an ordinary operation along the batch axis: `psum` into a sum, `all_gather` into a transposition. Over devices it is
//! lowered to the operation with which they communicate.
//!
//! Several axes count as one, of which the last counts fastest. Over devices that is one operation for all of them. Batching
//! meets one axis at a time: there, a collective over several axes is first written as several over single axes.
use super::*;
use crate::{
    trace::{At, bind, bind1, named_axis, trace_rule, vary},
    transform::batch::batch_graph,
};

mod exchange;
mod gathering;
mod reduction;
pub use exchange::{AllToAll, PPermute, all_to_all, ppermute, pshuffle};
pub use gathering::{AllGather, AxisIndex, PsumScatter, all_gather, axis_index, axis_size, psum_scatter};
pub(crate) use reduction::psum_over;
pub use reduction::{PReduce, PReduction, pmax, pmean, pmin, psum};
pub(super) use {
    exchange::ROWS as EXCHANGE_ROWS, gathering::ROWS as GATHERING_ROWS, reduction::ROWS as REDUCTION_ROWS,
};

/// Names of axes: one, or several that count as one, of which the last counts fastest. With an empty list there is one
/// instance, and collectives return its value.
pub trait AxisNames {
    /// The axes of these names. `op` is who asks, for the message.
    fn axes(&self, op: &str) -> Vec<NamedAxis>;
}
impl AxisNames for &str {
    #[track_caller]
    fn axes(&self, op: &str) -> Vec<NamedAxis> {
        vec![named_axis(op, self)]
    }
}
impl AxisNames for &[&str] {
    #[track_caller]
    fn axes(&self, op: &str) -> Vec<NamedAxis> {
        if let Some((_, name)) = self.iter().enumerate().find(|(i, name)| self[..*i].contains(name)) {
            let reason = format!("the axis `{name}` is named twice in {self:?}");
            fail(op, vec![], reason, Some("name each axis once".into()))
        }
        self.iter().map(|name| named_axis(op, name)).collect()
    }
}
impl<const N: usize> AxisNames for [&str; N] {
    #[track_caller]
    fn axes(&self, op: &str) -> Vec<NamedAxis> {
        (&self[..]).axes(op)
    }
}

/// What sets a linear collective apart from the others.
trait Linear: Primitive + Clone {
    /// The axes.
    fn axes(&self) -> &[NamedAxis];
    /// The same over other axes.
    fn along(&self, axes: Vec<NamedAxis>) -> Self;
    /// Write it for several devices.
    fn emit(&self, cx: &mut Lower, x: &Value, y: &Aval) -> Value;
    /// Is there a batching rule (`over`) for it, if it is over a single axis?
    fn is_plain(&self) -> bool;
    /// The batching rule over its axis. It takes the axis, the operand, and whether the operand has a batch axis.
    fn over(&self, axis: &BatchAxis, x: Tensor, mapped: bool) -> (Tensor, bool);
    /// The same written with plain collectives over single axes. It takes the operand and the type of the result.
    fn in_steps(&self, x: Tensor, y: &Aval) -> Tensor;
}
impl<P: Linear> OverAxes for P {
    fn axes(&self) -> &[NamedAxis] {
        Linear::axes(self)
    }
    fn with_axes(&self, axes: Vec<NamedAxis>) -> Rc<dyn Primitive> {
        Rc::new(self.along(axes))
    }
    fn batch_over(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        if self.is_plain() && Linear::axes(self).len() == 1 {
            return vec![self.over(axis, x[0], mapped[0])];
        }
        let one = if mapped[0] { x[0].aval().unstacked() } else { x[0].aval() };
        let y = result(self, &one);
        let (steps, _) = trace_rule(&[one], |x| vec![self.in_steps(x[0], &y)]);
        batch_graph(&steps, axis, x, mapped)
    }
}

/// The rules that all linear collectives have in common.
macro_rules! linear_collective {
    () => {
        fn eval(&self, x: &[Host]) -> Vec<Host> {
            alone(self, x)
        }
        fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
            vec![dx[0].map(|d| bind1(self.clone(), &[d]))]
        }
        fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
            if cx.alone(&self.axes) {
                return vec![cx.op("reshape", x, "", &y[0])];
            }
            vec![self.emit(cx, &x[0], &y[0])]
        }
        fn over_axes(&self) -> Option<&dyn OverAxes> {
            Some(self)
        }
    };
}
use linear_collective;

/// Apply a collective to every leaf.
#[track_caller]
fn on_leaves<X: TensorTree>(x: X, f: impl Fn(Tensor) -> Tensor) -> X {
    x.refill(x.leaves().into_iter().map(f).collect::<Vec<_>>())
}

/// The attributes of a collective in StableHLO: these, then the groups of devices that work together.
fn over_devices(cx: &mut Lower, axes: &[NamedAxis], more: &str) -> String {
    let (groups, channel) = (cx.groups(axes), cx.channel());
    format!("{more}, channel_handle = {channel}, replica_groups = {groups}, use_global_device_ids")
}

/// The interpreter runs one instance: batching has made ordinary operations of collectives before it meets them, since the
/// functions above refuse names that no `vmap` and no mesh has.
fn unbound(axes: &[NamedAxis]) -> ! {
    panic!("a collective over `{}` outlived its vmap", names(axes))
}

/// The meaning of a linear collective over no axes: the only instance gets its own value.
fn alone(prim: &impl Linear, x: &[Host]) -> Vec<Host> {
    if !Linear::axes(prim).is_empty() {
        unbound(Linear::axes(prim))
    }
    vec![x[0].reshaped(result(prim, x[0].aval()).dims)]
}

/// The type of a collective's result.
fn result(prim: &dyn Primitive, x: &Aval) -> Aval {
    prim.infer(std::slice::from_ref(x)).expect("checked when it was bound").swap_remove(0)
}

/// How many instances there are along these axes.
fn instances(axes: &[NamedAxis]) -> usize {
    axes.iter().fold(1, |n: usize, a| n.saturating_mul(a.size))
}

/// The names of the axes, as in `data, model`.
fn names(axes: &[NamedAxis]) -> String {
    axes.iter().map(|a| &*a.name).collect::<Vec<_>>().join(", ")
}

/// `x` with axis `at` split into one axis per named axis, followed (`tiled`) by one for the part that an instance gets.
fn divided(x: Tensor, at: usize, axes: &[NamedAxis], tiled: bool) -> Tensor {
    let mut parts: Vec<usize> = axes.iter().map(|a| a.size).collect();
    if tiled {
        parts.push(x.dims()[at] / instances(axes).max(1));
    }
    x.split_axis(at as isize, parts)
}

/// As [`moved_axis`], of a value of StableHLO.
fn transposed(cx: &mut Lower, x: &Value, from: usize, to: usize) -> Value {
    if from == to {
        return x.clone();
    }
    let perm = moving(x.aval.rank(), from, to);
    let dims: Vec<usize> = perm.iter().map(|i| x.aval.dims[*i]).collect();
    let attrs = format!("permutation = {}", crate::lower::array(&perm));
    cx.op("transpose", std::slice::from_ref(x), &attrs, &x.aval.with_dims(dims))
}

/// Axis sizes with one more, at place `at`.
fn inserted(dims: &[usize], at: usize, size: usize) -> Vec<usize> {
    [&dims[..at], &[size], &dims[at..]].concat()
}

/// Axis sizes without the one at place `at`.
fn removed(dims: &[usize], at: usize) -> Vec<usize> {
    [&dims[..at], &dims[at + 1..]].concat()
}

/// Type rule: the size of this axis is the number of instances, or a multiple of it.
fn require_instances(x: &Aval, at: usize, axes: &[NamedAxis], multiple: bool) -> Result<(), Refusal> {
    let (size, n) = (require_axis(x, at)?, instances(axes));
    if size == n || (multiple && n > 0 && size % n == 0) {
        return Ok(());
    }
    let what = if multiple { "a multiple of the" } else { "the" };
    Err(match axes.is_empty() {
        true => format!("axis {at} has size {size}, not 1: without a name there is one instance").into(),
        false => format!("axis {at} has size {size}, not {what} {n} instances of `{}`", names(axes)).into(),
    })
}

/// A case that runs a function over a named axis of three instances, along which every operand has its leading axis.
fn over_axis(label: &str, inputs: Vec<Host>, f: impl Fn(&[Tensor]) -> Vec<Tensor> + Clone + 'static) -> Case {
    Case::new(label, inputs, move |x| over_instances("i", 3, x, &f))
}

/// The same over two axes, `i` of two instances and `j` of three.
fn over_two_axes(label: &str, inputs: Vec<Host>, f: impl Fn(&[Tensor]) -> Vec<Tensor> + Clone + 'static) -> Case {
    Case::new(label, inputs, move |x| over_instances("i", 2, x, |x| over_instances("j", 3, x, &f)))
}

fn over_instances(name: &str, n: usize, x: &[Tensor], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
    let named = crate::VmapOptions { axis_name: Some(name), axis_size: Some(n) };
    let leading = crate::Axis::At(0);
    crate::vmap_with(named, |x: Vec<Tensor>| f(&x), leading, leading)(x.to_vec())
}
