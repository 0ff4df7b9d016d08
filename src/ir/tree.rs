//! Trees of leaves: how models, optimizer states and batches are seen by transformations.
//!
//! A `Tree<T>` is a structure whose leaves are of type `T`. `#[derive(Tree)]` on `struct Mlp<T = Tensor>` makes the one
//! declaration serve `Mlp<Tensor>` (inside a trace), `Mlp<Array>` (on a device), `Mlp<Param>` (its specification), ...
use crate::aval::Aval;
use std::{collections::BTreeMap, fmt, marker::PhantomData};

mod structure;
pub use crate::run::file::{load, save};
pub use raxla_macros::Tree;
pub use structure::{Fact, Static, StaticVisitor, Structure};

/// Where a leaf sits in a tree. Displays as `blocks.3.attn.wq`.
///
/// A linked list on the stack: walking a tree allocates nothing.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    key: Step<'a>,
}
#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}
impl Path<'_> {
    /// The path of the tree itself.
    pub const ROOT: Path<'static> = Path { parent: None, key: Step::Root };
    /// The path of a named field below this one.
    pub fn field<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path { parent: Some(self), key: Step::Field(name) }
    }
    /// The path of a numbered element below this one.
    pub fn index(&self, i: usize) -> Path<'_> {
        Path { parent: Some(self), key: Step::Index(i) }
    }
    /// The number of the argument that a leaf of a tuple of arguments belongs to; 0 if it is in no tuple.
    pub(crate) fn argument(&self) -> usize {
        match (self.parent, self.key) {
            (Some(p), key) if matches!(p.key, Step::Root) => {
                if let Step::Index(i) = key {
                    i
                } else {
                    0
                }
            }
            (Some(p), _) => p.argument(),
            (None, _) => 0,
        }
    }
}
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some(p) = self.parent.filter(|p| !matches!(p.key, Step::Root)) {
            write!(f, "{p}.")?;
        }
        match self.key {
            Step::Root => Ok(()),
            Step::Field(name) => write!(f, "{name}"),
            Step::Index(i) => write!(f, "{i}"),
        }
    }
}

/// Marker for indivisible leaves (`Tensor`, `Array`, `Aval`, `Param`, ...).
pub trait Leaf: Sized + 'static {}
impl Leaf for Aval {}

/// Placeholder leaf: the bare structure of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole;
impl Leaf for Hole {}

/// A structure whose leaves are of type `T`. Implement it with `#[derive(Tree)]`.
///
/// ```
/// use raxla::prelude::*;
/// #[derive(Tree, Clone, Debug, PartialEq)]
/// struct Linear<T = Tensor> {
///     w: T,
///     b: Option<T>,
///     #[tree(skip)]
///     name: &'static str,
/// }
/// let spec = Linear { w: Aval::new(DType::F32, [2, 3]), b: None, name: "up" };
/// assert_eq!(spec.map(|a| Aval::new(DType::BF16, a.dims.clone())).w.dtype, DType::BF16);
/// assert_eq!(spec.paths(), ["w"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tree of `{T}`",
    label = "not a tree of `{T}`",
    note = "a type that holds tensors needs `#[derive(Tree)]` and a leaf type parameter: `struct Foo<T = Tensor>`",
    note = "a struct in a struct passes it on: `inner: Inner<T>`; a field that holds no tensors needs `#[tree(skip)]`",
    note = "a number is no leaf: `x.like(3.0)` and `full([], DType::F32, 3.0)` make tensors; tensors are `Copy`: no `&Tensor`"
)]
pub trait Tree<T: Leaf>: Sized {
    /// The same structure with other leaves: `Mlp<Tensor>::With<Array> = Mlp<Array>`.
    type With<U: Leaf>: Tree<U>;
    /// The same structure with each leaf replaced by what `f` makes of it and its path, in order.
    fn map_at<U: Leaf>(&self, path: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> Self::With<U>;
    /// Call `f` on each leaf and its path, in the order of `map_at`.
    fn visit_at<'a>(&'a self, path: &Path, f: &mut dyn FnMut(&Path, &'a T));
    /// Call `f` on everything but the leaves: lengths, variants, skipped fields.
    fn structure_at(&self, path: &Path, f: &mut StaticVisitor);

    /// The same structure with other leaves.
    fn map<U: Leaf>(&self, mut f: impl FnMut(&T) -> U) -> Self::With<U> {
        self.map_at(&Path::ROOT, &mut |_, x| f(x))
    }
    /// As [`Tree::map`], with each leaf's path.
    fn map_named<U: Leaf>(&self, mut f: impl FnMut(&Path, &T) -> U) -> Self::With<U> {
        self.map_at(&Path::ROOT, &mut f)
    }
    /// As [`Tree::map_named`], stopping at the first error.
    fn try_map_named<U: Leaf, E>(&self, mut f: impl FnMut(&Path, &T) -> Result<U, E>) -> Result<Self::With<U>, E> {
        let (mut made, mut error) = (vec![], None);
        self.visit_at(&Path::ROOT, &mut |p, x| {
            if error.is_none() {
                f(p, x).map_or_else(|e| error = Some(e), |u| made.push(u));
            }
        });
        error.map_or_else(|| Ok(self.refill(made)), Err)
    }
    /// Call `f` on each leaf and its path.
    fn visit<'a>(&'a self, mut f: impl FnMut(&Path, &'a T)) {
        self.visit_at(&Path::ROOT, &mut f);
    }
    /// The leaves, in order.
    fn leaves(&self) -> Vec<T>
    where
        T: Clone,
    {
        let mut out = vec![];
        self.visit(|_, x| out.push(x.clone()));
        out
    }
    /// The paths of the leaves, in order.
    fn paths(&self) -> Vec<String> {
        let mut out = vec![];
        self.visit(|p, _| out.push(p.to_string()));
        out
    }
    /// Everything but the leaves.
    fn structure(&self) -> Structure {
        Structure::of_walk(|f| self.structure_at(&Path::ROOT, f))
    }
    /// Everything but the leaves, fact by fact.
    fn facts(&self) -> Vec<Fact> {
        Fact::of_walk(|f| self.structure_at(&Path::ROOT, f))
    }
    /// Inverse of [`Tree::leaves`]: this tree's structure with new leaves.
    ///
    /// # Panics
    /// When the number of leaves differs: an error of the calling code, never of data.
    fn refill<U: Leaf>(&self, leaves: impl IntoIterator<Item = U>) -> Self::With<U> {
        let mut it = leaves.into_iter();
        let out = self.map(|_| it.next().expect("refill: too few leaves"));
        assert!(it.next().is_none(), "refill: too many leaves");
        out
    }
}

impl<T: Leaf> Tree<T> for T {
    type With<U: Leaf> = U;
    fn map_at<U: Leaf>(&self, p: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> U {
        f(p, self)
    }
    fn visit_at<'a>(&'a self, p: &Path, f: &mut dyn FnMut(&Path, &'a T)) {
        f(p, self)
    }
    fn structure_at(&self, _: &Path, _: &mut StaticVisitor) {}
}

impl<T: Leaf, A: Tree<T>> Tree<T> for Vec<A> {
    type With<U: Leaf> = Vec<A::With<U>>;
    fn map_at<U: Leaf>(&self, p: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> Self::With<U> {
        self.iter().enumerate().map(|(i, x)| x.map_at(&p.index(i), f)).collect()
    }
    fn visit_at<'a>(&'a self, p: &Path, f: &mut dyn FnMut(&Path, &'a T)) {
        self.iter().enumerate().for_each(|(i, x)| x.visit_at(&p.index(i), f));
    }
    fn structure_at(&self, p: &Path, f: &mut StaticVisitor) {
        f(p, "length", &self.len());
        self.iter().enumerate().for_each(|(i, x)| x.structure_at(&p.index(i), f));
    }
}

impl<T: Leaf, A: Tree<T>> Tree<T> for Option<A> {
    type With<U: Leaf> = Option<A::With<U>>;
    fn map_at<U: Leaf>(&self, p: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> Self::With<U> {
        self.as_ref().map(|x| x.map_at(p, f))
    }
    fn visit_at<'a>(&'a self, p: &Path, f: &mut dyn FnMut(&Path, &'a T)) {
        self.iter().for_each(|x| x.visit_at(p, f));
    }
    fn structure_at(&self, p: &Path, f: &mut StaticVisitor) {
        f(p, "presence", &self.is_some());
        self.iter().for_each(|x| x.structure_at(p, f));
    }
}

impl<T: Leaf, A: Tree<T>, const N: usize> Tree<T> for [A; N] {
    type With<U: Leaf> = [A::With<U>; N];
    fn map_at<U: Leaf>(&self, p: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> Self::With<U> {
        std::array::from_fn(|i| self[i].map_at(&p.index(i), f))
    }
    fn visit_at<'a>(&'a self, p: &Path, f: &mut dyn FnMut(&Path, &'a T)) {
        self.iter().enumerate().for_each(|(i, x)| x.visit_at(&p.index(i), f));
    }
    fn structure_at(&self, p: &Path, f: &mut StaticVisitor) {
        self.iter().enumerate().for_each(|(i, x)| x.structure_at(&p.index(i), f));
    }
}

/// The keys are part of the structure, as those of JAX's dicts: another key is another program. (A `HashMap` is no tree: it has no order.)
impl<T: Leaf, A: Tree<T>> Tree<T> for BTreeMap<String, A> {
    type With<U: Leaf> = BTreeMap<String, A::With<U>>;
    fn map_at<U: Leaf>(&self, p: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> Self::With<U> {
        self.iter().map(|(key, x)| (key.clone(), x.map_at(&p.field(key), f))).collect()
    }
    fn visit_at<'a>(&'a self, p: &Path, f: &mut dyn FnMut(&Path, &'a T)) {
        self.iter().for_each(|(key, x)| x.visit_at(&p.field(key), f));
    }
    fn structure_at(&self, p: &Path, f: &mut StaticVisitor) {
        f(p, "length", &self.len());
        for (key, x) in self {
            f(p, "key", key);
            x.structure_at(&p.field(key), f);
        }
    }
}

/// No leaf: gives a struct without tensors its leaf type parameter, `struct Relu<T = Tensor>(PhantomData<T>)`.
impl<T: Leaf> Tree<T> for PhantomData<T> {
    type With<U: Leaf> = PhantomData<U>;
    fn map_at<U: Leaf>(&self, _: &Path, _: &mut dyn FnMut(&Path, &T) -> U) -> PhantomData<U> {
        PhantomData
    }
    fn visit_at<'a>(&'a self, _: &Path, _: &mut dyn FnMut(&Path, &'a T)) {}
    fn structure_at(&self, _: &Path, _: &mut StaticVisitor) {}
}

macro_rules! tuple_tree {
    ($($t:ident . $i:tt),*) => {
        #[allow(unused_variables, clippy::unused_unit)]
        impl<Z: Leaf, $($t: Tree<Z>),*> Tree<Z> for ($($t,)*) {
            type With<U: Leaf> = ($($t::With<U>,)*);
            fn map_at<U: Leaf>(&self, p: &Path, f: &mut dyn FnMut(&Path, &Z) -> U) -> Self::With<U> {
                ($(self.$i.map_at(&p.index($i), f),)*)
            }
            fn visit_at<'a>(&'a self, p: &Path, f: &mut dyn FnMut(&Path, &'a Z)) {
                $(self.$i.visit_at(&p.index($i), f);)*
            }
            fn structure_at(&self, p: &Path, f: &mut StaticVisitor) {
                $(self.$i.structure_at(&p.index($i), f);)*
            }
        }
    };
}
tuple_tree!();
tuple_tree!(A.0);
tuple_tree!(A.0, B.1);
tuple_tree!(A.0, B.1, C.2);
tuple_tree!(A.0, B.1, C.2, D.3);
tuple_tree!(A.0, B.1, C.2, D.3, E.4);
tuple_tree!(A.0, B.1, C.2, D.3, E.4, F.5);
tuple_tree!(A.0, B.1, C.2, D.3, E.4, F.5, G.6);
tuple_tree!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7);

/// The tree of what `f` makes of the leaves that trees of one structure have in the same place: `zip_with(|[p, g]| p - g, [&params, &grads])`.
/// JAX: `jax.tree.map` of several trees.
///
/// ```
/// use raxla::{prelude::*, tree};
/// #[derive(Tree, Clone)]
/// struct Line<T = Tensor> {
///     slope: T,
///     offset: T,
/// }
/// let f = jit(|a: Line, b: Line, c: Line| tree::zip_with(|[a, b, c]| a * b + c, [&a, &b, &c]));
/// let line = |slope: f32, offset: f32| -> raxla::Result<Line<Array>> {
///     Ok(Line { slope: Array::scalar(slope)?, offset: Array::scalar(offset)? })
/// };
/// let y = f.call((line(1., 2.)?, line(3., 4.)?, line(5., 6.)?))?;
/// assert_eq!((y.slope.item::<f32>()?, y.offset.item::<f32>()?), (8.0, 14.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// Trees of different structures: an error of the calling code. Inside a trace it ends tracing with an error that names the first difference.
#[track_caller]
pub fn zip_with<T: Leaf + Clone, U: Leaf, X: Tree<T>, const N: usize>(
    mut f: impl FnMut([T; N]) -> U,
    trees: [&X; N],
) -> X::With<U> {
    let first = trees.first().expect("one tree at least");
    if let Some(other) = trees.iter().find(|t| t.structure() != first.structure()) {
        let reason = format!("the trees differ: {:?} and {:?}", first.structure(), other.structure());
        crate::trace::fail(
            "zip_with",
            vec![],
            reason,
            Some("all have one structure: lengths, variants and skipped fields are equal".into()),
        )
    }
    let mut leaves = trees.map(|t| t.leaves().into_iter());
    first.map(|_| f(std::array::from_fn(|i| leaves[i].next().expect("equal structures have as many leaves"))))
}

/// Number of leaves.
pub(crate) fn count_leaves<T: Leaf>(x: &impl Tree<T>) -> usize {
    let mut n = 0;
    x.visit(|_, _| n += 1);
    n
}

/// A trait that has one value per leaf of a tree (`AxisTree`, `SpecTree`), for tuples: what their elements say, in order.
macro_rules! per_leaf_of_tuples {
    ($Trait:ident, $method:ident, $Value:ty) => {
        per_leaf_of_tuples!(@ $Trait, $method, $Value, A S 0);
        per_leaf_of_tuples!(@ $Trait, $method, $Value, A S 0, B T 1);
        per_leaf_of_tuples!(@ $Trait, $method, $Value, A S 0, B T 1, C U 2);
        per_leaf_of_tuples!(@ $Trait, $method, $Value, A S 0, B T 1, C U 2, D V 3);
        per_leaf_of_tuples!(@ $Trait, $method, $Value, A S 0, B T 1, C U 2, D V 3, E W 4);
        per_leaf_of_tuples!(@ $Trait, $method, $Value, A S 0, B T 1, C U 2, D V 3, E W 4, F X 5);
        per_leaf_of_tuples!(@ $Trait, $method, $Value, A S 0, B T 1, C U 2, D V 3, E W 4, F X 5, G Y 6);
    };
    (@ $Trait:ident, $method:ident, $Value:ty, $($t:ident $x:ident $i:tt),*) => {
        impl<Z: Leaf, $($x,)* $($t: $Trait<$x, Z>),*> $Trait<($($x,)*), Z> for ($($t,)*) {
            fn $method(&self, x: &($($x,)*)) -> Result<Vec<$Value>, $crate::refusal::Refusal> {
                Ok([$(self.$i.$method(&x.$i)?),*].concat())
            }
        }
    };
}
pub(crate) use per_leaf_of_tuples;
