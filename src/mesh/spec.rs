//! Which axes of an array are divided along which axes of a mesh.
use super::Mesh;
use crate::{
    aval::Aval,
    refusal::Refusal,
    trace::Tensor,
    transform::PerLeaf,
    tree::{Leaf, Tree, count_leaves, per_leaf_of_tuples},
};
use std::{fmt, sync::Arc};

/// What is said of one axis of an array.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Entry {
    /// Divided along these mesh axes, the first being the outermost; along none, it is whole on every device.
    Axes(Vec<Arc<str>>),
    /// The compiler may choose. Only for [`with_sharding`](crate::with_sharding) and results.
    Unconstrained,
}
impl Entry {
    /// The mesh axes.
    pub fn names(&self) -> &[Arc<str>] {
        match self {
            Entry::Axes(names) => names,
            Entry::Unconstrained => &[],
        }
    }
    /// Not divided.
    pub fn whole() -> Entry {
        Entry::Axes(vec![])
    }
}
impl From<&str> for Entry {
    fn from(name: &str) -> Entry {
        Entry::Axes(vec![name.into()])
    }
}
impl From<Option<&str>> for Entry {
    fn from(name: Option<&str>) -> Entry {
        Entry::Axes(name.into_iter().map(Arc::from).collect())
    }
}
impl From<&[&str]> for Entry {
    fn from(names: &[&str]) -> Entry {
        Entry::Axes(names.iter().map(|n| Arc::from(*n)).collect())
    }
}
impl From<(&str, &str)> for Entry {
    fn from((a, b): (&str, &str)) -> Entry {
        [a, b][..].into()
    }
}
impl From<(&str, &str, &str)> for Entry {
    fn from((a, b, c): (&str, &str, &str)) -> Entry {
        [a, b, c][..].into()
    }
}

/// Per axis of an array, the mesh axes that divide it; axes behind the last entry are whole. Written
/// [`P!["data", _]`](crate::P). JAX: `PartitionSpec`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct PartitionSpec(pub Vec<Entry>);
impl Leaf for PartitionSpec {}

/// A [`PartitionSpec`]: per axis of an array the name of a mesh axis, several in a tuple, `_` for an axis that is whole on
/// every device, or `*` where the compiler may choose.
///
/// ```
/// use raxla::P;
/// assert_eq!(P!["data", _, ("fsdp", "model")].to_string(), r#"P["data", _, ("fsdp", "model")]"#);
/// assert_eq!(P![], P![_, _]);
/// ```
#[macro_export]
macro_rules! P {
    (@ _) => { $crate::mesh::Entry::whole() };
    (@ *) => { $crate::mesh::Entry::Unconstrained };
    (@ $e:expr) => { $crate::mesh::Entry::from($e) };
    ($($t:tt),* $(,)?) => { $crate::PartitionSpec::new(vec![$($crate::P!(@ $t)),*]) };
}

impl fmt::Display for PartitionSpec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let one = |e: &Entry| match e {
            Entry::Unconstrained => "*".to_string(),
            Entry::Axes(names) => match &names[..] {
                [] => "_".to_string(),
                [name] => format!("{name:?}"),
                names => format!("({})", names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ")),
            },
        };
        write!(f, "P[{}]", self.0.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}
impl fmt::Debug for PartitionSpec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartitionSpec {
    /// From the entries, without whole axes at the end.
    pub fn new(mut entries: Vec<Entry>) -> PartitionSpec {
        while entries.last() == Some(&Entry::whole()) {
            entries.pop();
        }
        PartitionSpec(entries)
    }
    /// All mesh axes in it.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().flat_map(|e| e.names())
    }
    /// With a further axis in front.
    pub fn stacked(&self, entry: Entry) -> PartitionSpec {
        PartitionSpec::new([&[entry], &self.0[..]].concat())
    }
    /// Without the first axis.
    pub fn unstacked(&self) -> PartitionSpec {
        PartitionSpec(self.0.get(1..).unwrap_or_default().to_vec())
    }
    /// That of the array transposed in this way.
    pub fn transposed(&self, perm: &[usize]) -> PartitionSpec {
        PartitionSpec::new(perm.iter().map(|i| self.0.get(*i).cloned().unwrap_or_else(Entry::whole)).collect())
    }
    /// Is it a spec for arrays of this type over this mesh? Sizes are not looked at.
    pub(crate) fn check(&self, mesh: &Mesh, a: &Aval) -> Result<(), Refusal> {
        if self.0.len() > a.rank() {
            return Err(format!("{self} has {} entries, but {a} has {} axes", self.0.len(), a.rank()).into());
        }
        let names: Vec<&Arc<str>> = self.names().collect();
        for (i, name) in names.iter().enumerate() {
            if mesh.axis(name).is_none() {
                return Err(format!("{self} names `{name}`, which is no axis of the mesh {mesh}").into());
            }
            if names[..i].contains(name) {
                return Err(format!(
                    "{self} names `{name}` twice: an axis of the mesh can divide one axis of an array"
                )
                .into());
            }
        }
        Ok(())
    }
}

/// What to do about specs that do not go with the leaves.
pub(crate) const ONE_SPEC_PER_LEAF: &str = "give one `P![..]` for all leaves, a tuple of them, or `PerLeaf`";
/// What to do about an entry `*` where a place must be said.
pub(crate) const OPEN_IS_NOT_WHOLE: &str = "`*` is for `with_sharding`; `_` leaves an axis whole";

/// Specs of all leaves of a tree `X` of `T`: one [`PartitionSpec`] for all, a tuple with one entry per element of a tuple,
/// or [`PerLeaf`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how the leaves of `{X}` are divided",
    label = "no specs for `{X}`",
    note = "one spec for all leaves: `P![\"data\"]`; of a tuple, a tuple of them; a struct of specs goes into `PerLeaf(specs)`"
)]
pub trait SpecTree<X, T: Leaf = Tensor> {
    /// One spec per leaf; or why that cannot be.
    fn specs(&self, x: &X) -> Result<Vec<PartitionSpec>, Refusal>;
}
impl<T: Leaf, X: Tree<T>> SpecTree<X, T> for PartitionSpec {
    fn specs(&self, x: &X) -> Result<Vec<PartitionSpec>, Refusal> {
        Ok(vec![self.clone(); count_leaves(x)])
    }
}
impl<T: Leaf, X: Tree<T>> SpecTree<X, T> for PerLeaf<X::With<PartitionSpec>>
where
    X::With<PartitionSpec>: Tree<PartitionSpec>,
{
    fn specs(&self, x: &X) -> Result<Vec<PartitionSpec>, Refusal> {
        let specs: Vec<PartitionSpec> = self.0.leaves();
        let wrong =
            || format!("the specs in `PerLeaf` are {}, the leaves of the tree {}", specs.len(), count_leaves(x));
        if specs.len() == count_leaves(x) { Ok(specs) } else { Err(wrong().into()) }
    }
}
/// One spec per leaf, in the order of the leaves.
impl<T: Leaf, X: Tree<T>> SpecTree<X, T> for Vec<PartitionSpec> {
    fn specs(&self, x: &X) -> Result<Vec<PartitionSpec>, Refusal> {
        let wrong = || format!("{} specs were given, but the tree has {} leaves", self.len(), count_leaves(x));
        if self.len() == count_leaves(x) { Ok(self.clone()) } else { Err(wrong().into()) }
    }
}
per_leaf_of_tuples!(SpecTree, specs, PartitionSpec);
