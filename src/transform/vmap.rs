//! `vmap`: a function over one more axis.
use super::{
    batch::{BatchAxis, batch_graph, in_front},
    grad::leaf_name,
};
use crate::{
    aval::{Aval, axis_number},
    jit::Traced,
    prim::moved_axis,
    refusal::Refusal,
    trace::{At, NamedAxis, Tensor, TensorTree, axes_of_rank, fail, refuse, trace_tree, with_axis},
    tree::{Leaf, Tree, count_leaves, per_leaf_of_tuples},
};
use std::{panic::Location, rc::Rc};

/// Which axis of a tensor is mapped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// This one; negative numbers count from the end.
    At(isize),
    /// No axis: all instances share the tensor.
    Shared,
}
impl Leaf for Axis {}

/// Mapped axes of all leaves of a tree `X` of `T`: one [`Axis`] for all, a tuple with one entry per element of a tuple, or
/// [`PerLeaf`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say along which axes the leaves of `{X}` are mapped",
    label = "no axes for `{X}`",
    note = "one axis for all leaves: `Axis::At(0)`; of a tuple, a tuple of them; a struct of axes goes into `PerLeaf(axes)`"
)]
pub trait AxisTree<X, T: Leaf = Tensor> {
    /// One axis per leaf; fails if they do not fit the tree.
    fn axes(&self, x: &X) -> Result<Vec<Axis>, Refusal>;
}
impl<T: Leaf, X: Tree<T>> AxisTree<X, T> for Axis {
    fn axes(&self, x: &X) -> Result<Vec<Axis>, Refusal> {
        Ok(vec![*self; count_leaves(x)])
    }
}
/// The mapped axis of every leaf, in a tree of the same structure.
#[derive(Clone, Debug)]
pub struct PerLeaf<T>(pub T);
impl<T: Leaf, X: Tree<T>> AxisTree<X, T> for PerLeaf<X::With<Axis>>
where
    X::With<Axis>: Tree<Axis>,
{
    fn axes(&self, x: &X) -> Result<Vec<Axis>, Refusal> {
        let (axes, leaves) = (self.0.leaves(), count_leaves(x));
        let wrong = || format!("the axes in `PerLeaf` are {}, the leaves of the tree {leaves}", axes.len());
        if axes.len() == leaves { Ok(axes) } else { Err(wrong().into()) }
    }
}
/// The remedy for axes that do not fit the leaves.
pub(crate) const ONE_PER_LEAF: &str = "give each leaf an axis, or `Axis::Shared`";
per_leaf_of_tuples!(AxisTree, axes, Axis);

/// Map `f` over the leading axis of every leaf of its argument: what it does to one element, done to all at once. Results
/// have the axis in front. What the closure captures is shared by all instances. JAX: `vmap`.
///
/// ```
/// use raxla::prelude::*;
/// let f = jit(|x: Tensor, y: Tensor| vmap(|(x, y): (Tensor, Tensor)| (x * y).sum(0))((x, y)));
/// let x = Array::from_slice([2, 2], &[1f32, 2., 3., 4.])?;
/// assert_eq!(f.call((&x, &x))?.to_vec::<f32>()?, [5.0, 25.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn vmap<X: TensorTree, Y: TensorTree>(
    f: impl Traced<(X,), Out = Y>, // of one argument; several stand in a tuple: `|(x, y): (Tensor, Tensor)| ..`
) -> impl Fn(X) -> Y // of tensors: outside of traced functions, `jit(vmap(f)).call((x,))`
{
    vmap_axes(f, Axis::At(0), Axis::At(0))
}

/// [`vmap`] over these axes of the leaves of the argument, with the new axis of the results put there. JAX:
/// `vmap(f, in_axes, out_axes)`.
///
/// ```
/// use raxla::prelude::*;
/// // scale the columns of x by one shared number each
/// let f = |(x, s): (Tensor, Tensor)| x * s;
/// let f = jit(move |x: Tensor, s: Tensor| vmap_axes(f, (Axis::At(1), Axis::Shared), Axis::At(1))((x, s)));
/// let (x, s) = (Array::from_slice([2, 2], &[1f32, 2., 3., 4.])?, Array::from_slice([2], &[1f32, 10.])?);
/// assert_eq!(f.call((x, s))?.to_vec::<f32>()?, [1.0, 2.0, 30.0, 40.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn vmap_axes<X: TensorTree, Y: TensorTree>(
    f: impl Traced<(X,), Out = Y>, // of one argument; several stand in a tuple: `|(x, y): (Tensor, Tensor)| ..`
    in_axes: impl AxisTree<X>,
    out_axes: impl AxisTree<Y>,
) -> impl Fn(X) -> Y {
    vmap_with(VmapOptions::default(), f, in_axes, out_axes)
}

/// Options of [`vmap_with`].
#[derive(Clone, Copy, Debug, Default)]
pub struct VmapOptions<'a> {
    /// The name by which collectives ([`psum`](crate::psum), [`axis_index`](crate::axis_index), ...) inside the function
    /// mean the mapped axis.
    pub axis_name: Option<&'a str>,
    /// How many instances there are; needed only when no leaf of the argument is mapped, otherwise checked against them.
    pub axis_size: Option<usize>,
}

/// [`vmap_axes`] with options: a name and a size of the mapped axis. JAX: `vmap(f, in_axes, out_axes, axis_name, axis_size)`.
///
/// ```
/// use raxla::{VmapOptions, pmean, prelude::*, vmap_with};
/// // the distance of each instance from the mean of all
/// let named = VmapOptions { axis_name: Some("batch"), ..VmapOptions::default() };
/// let f = |x: Tensor| vmap_with(named, |x: Tensor| x - pmean(x, "batch"), Axis::At(0), Axis::At(0))(x);
/// let x = Array::from_slice([3], &[1f32, 2., 6.])?;
/// assert_eq!(jit(f).call((x,))?.to_vec::<f32>()?, [-2.0, -1.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn vmap_with<X: TensorTree, Y: TensorTree>(
    options: VmapOptions,
    f: impl Traced<(X,), Out = Y>, // of one argument; several stand in a tuple: `|(x, y): (Tensor, Tensor)| ..`
    in_axes: impl AxisTree<X>,
    out_axes: impl AxisTree<Y>,
) -> impl Fn(X) -> Y {
    let line = Location::caller();
    let (name, given) = (options.axis_name.map(Rc::<str>::from), options.axis_size);
    move |x: X| {
        let _at = At::op_at("vmap", line);
        let per_leaf = |axes: Result<Vec<Axis>, Refusal>| {
            axes.unwrap_or_else(|why| refuse("vmap", vec![], why.or_help(ONE_PER_LEAF)))
        };
        let axes = per_leaf(in_axes.axes(&x));
        let (size, args) = mapped_in_front(&x, &axes, given);
        let axis = BatchAxis { size, name: name.clone() };
        let mut mapped: Vec<bool> = axes.iter().map(|a| *a != Axis::Shared).collect();
        let avals = args.iter().zip(&mapped).map(|(t, m)| if *m { t.aval().unstacked() } else { t.aval() });
        let avals: Vec<Aval> = avals.collect();
        let run = || trace_tree(&x, &avals, |x| f.call((x,)));
        let (g, captured, y) = match &name {
            Some(name) => with_axis(NamedAxis { name: name.clone(), size, mesh: false }, run),
            None => run(),
        };
        mapped.resize(g.ins.len(), false);
        let outs = batch_graph(&g, &axis, &[args, captured].concat(), &mapped);
        let mut out = outs.into_iter().zip(per_leaf(out_axes.axes(&y)));
        y.map_named(|path, _| {
            let ((t, mapped), at) = out.next().expect("one axis per leaf");
            match at {
                Axis::At(i) => from_front(in_front(&axis, (t, mapped)), i, &leaf_name("the result", path)),
                Axis::Shared if mapped => {
                    let reason =
                        format!("{} differs between instances: it cannot be shared", leaf_name("the result", path));
                    fail("vmap", vec![], reason, Some("give it an axis, `Axis::At(0)`".into()))
                }
                Axis::Shared => t,
            }
        })
    }
}

/// The number of an axis of a tensor of this rank.
#[track_caller]
fn axis_of(axis: isize, rank: usize, what: &str) -> usize {
    match axis_number(axis, rank) {
        Some(i) => i,
        None => {
            let help = match rank {
                0 => {
                    "a scalar has nothing to map: share it, `Axis::Shared` (`vmap_axes`), or let the closure capture it"
                        .into()
                }
                _ => axes_of_rank(rank),
            };
            fail("vmap", vec![], format!("{what} has no axis {axis}: its rank is {rank}"), Some(help))
        }
    }
}

/// The size of the mapped axis, and the leaves with it in front.
#[track_caller]
fn mapped_in_front(x: &impl Tree<Tensor>, axes: &[Axis], given: Option<usize>) -> (usize, Vec<Tensor>) {
    let mut size: Option<(usize, String)> = given.map(|n| (n, "the option `axis_size`".into()));
    let (mut args, mut at) = (vec![], axes.iter());
    x.visit(|path, t| {
        let Some(Axis::At(axis)) = at.next() else { return args.push(*t) };
        let (a, name) = (t.aval(), leaf_name("the argument", path));
        let axis = axis_of(*axis, a.rank(), &name);
        let n = a.dims[axis];
        match &size {
            Some((m, other)) if *m != n => {
                let reason = format!("the mapped sizes differ: {other} has {m}, {name} has {n} (axis {axis} of {a})");
                let help = "all mapped axes have one size, as many as there are instances; what is the same for all of them is \
                            `Axis::Shared` (`vmap_axes`), or captured by the closure";
                fail("vmap", vec![], reason, Some(help.into()))
            }
            Some(_) => {}
            None => size = Some((n, name)),
        }
        args.push(moved_axis(*t, axis, 0));
    });
    let Some((n, _)) = size else {
        let help =
            "map one with `Axis::At`, or say how many instances there are: `VmapOptions { axis_size: Some(n), .. }`";
        fail("vmap", vec![], "no leaf of the argument is mapped", Some(help.into()))
    };
    (n, args)
}

/// `t` with its leading axis moved to number `axis` of the result.
#[track_caller]
fn from_front(t: Tensor, axis: isize, what: &str) -> Tensor {
    let axis = axis_of(axis, t.rank(), what);
    moved_axis(t, 0, axis)
}
