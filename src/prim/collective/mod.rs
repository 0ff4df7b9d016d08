//! Collectives: operations over the instances along a named axis, of [`vmap_with`](crate::vmap_with) or of a mesh of devices
//! ([`shard_map`]).
//!
//! Inside the function each of them looks like an operation on one instance. Batching over the named axis turns it into
//! an ordinary operation along the batch axis: `psum` into a sum, `all_gather` into a transposition. Over devices it is
//! lowered to the operation with which they communicate.
use super::*;
use crate::{
    trace::{At, bind, bind1, named_axis, vary},
    tree::Tree,
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

/// Names of axes: one, or several that count as one.
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
        self.iter().map(|name| named_axis(op, name)).collect()
    }
}
impl<const N: usize> AxisNames for [&str; N] {
    #[track_caller]
    fn axes(&self, op: &str) -> Vec<NamedAxis> {
        (&self[..]).axes(op)
    }
}

/// The rules that linear collectives over one axis have in common. Each has a method `over`, the rule for a batch along
/// that axis: it takes the axis, the operand, and whether instances differ in it; and a method `emit`, which writes it for
/// devices along that axis.
macro_rules! linear_collective {
    () => {
        fn eval(&self, _: &[Host]) -> Vec<Host> {
            unbound(&self.axis[0])
        }
        fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
            vec![dx[0].map(|d| bind1(self.clone(), &[d]))]
        }
        fn batch_whole(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Option<Batched> {
            (axis.name.as_ref() == Some(&self.axis[0].name)).then(|| vec![self.over(axis, x[0], mapped[0])])
        }
        fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
            vec![self.emit(cx, &x[0], &y[0])]
        }
        fn named_axes(&self) -> &[NamedAxis] {
            &self.axis
        }
    };
}
use linear_collective;

/// Apply a collective to every leaf.
#[track_caller]
fn on_leaves<X: Tree<Tensor, With<Tensor> = X>>(x: X, f: impl Fn(Tensor) -> Tensor) -> X {
    x.refill(x.leaves().into_iter().map(f).collect::<Vec<_>>())
}

/// The attributes with which all of them name the devices that work together, followed by these.
fn over_devices(cx: &mut Lower, axes: &[NamedAxis], more: &str) -> String {
    let (groups, channel) = (cx.groups(axes), cx.channel());
    format!("{more}, channel_handle = {channel}, replica_groups = {groups}, use_global_device_ids")
}

/// Only what is batched over its axis can run: the functions above refuse other names.
fn unbound(axis: &NamedAxis) -> ! {
    unreachable!("a collective over `{}` outlived its vmap", axis.name)
}

/// `t` with axis `from` moved to place `to`.
fn moved(t: Tensor, from: usize, to: usize) -> Tensor {
    let mut perm = other_axes(t.rank(), &[from]);
    perm.insert(to, from);
    t.transpose(perm)
}

/// `dims` with a further size at this place.
fn inserted(dims: &[usize], at: usize, size: usize) -> Vec<usize> {
    [&dims[..at], &[size], &dims[at..]].concat()
}

/// `dims` without this place.
fn removed(dims: &[usize], at: usize) -> Vec<usize> {
    [&dims[..at], &dims[at + 1..]].concat()
}

/// Type rule: this axis is as long as there are instances (or a multiple of it).
fn require_instances(x: &Aval, at: usize, axis: &NamedAxis, multiple: bool) -> Result<(), String> {
    let n = require_axis(x, at)?;
    if n == axis.size || (multiple && axis.size > 0 && n % axis.size == 0) {
        return Ok(());
    }
    let what = if multiple { "a multiple of the" } else { "the" };
    Err(format!("axis {at} has size {n}, not {what} {} instances of `{}`", axis.size, axis.name))
}

/// A case that runs a function over a named axis of three instances, along which every operand has its leading axis.
fn over_axis(label: &str, inputs: Vec<Host>, f: impl Fn(&[Tensor]) -> Vec<Tensor> + Clone + 'static) -> Case {
    Case::new(label, inputs, move |x| {
        let named = crate::VmapOptions { axis_name: Some("i"), axis_size: Some(3) };
        let leading = crate::Axis::At(0);
        let f = f.clone();
        crate::vmap_with(named, move |x: Vec<Tensor>| f(&x), leading, leading)(x.to_vec())
    })
}
