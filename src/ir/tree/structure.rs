//! What a tree has besides its leaves, compared by value.
//!
//! A traced function sees lengths, variants and skipped fields as ordinary Rust values, and the compiled program is made
//! for those values. So jit finds a program by comparing each of them, as the type's own `PartialEq` does. Comparing
//! allocates nothing; only what a new program is kept for is cloned.
use super::{Leaf, Path, Tree};
use std::{any::Any, fmt, sync::Arc};

/// A value that a tree has besides its leaves: a length, the name of a variant, a field marked `#[tree(skip)]`.
///
/// Every type that is `Clone`, `Debug`, `PartialEq`, `Send` and `Sync` and borrows nothing can be one. Two values are the
/// same if they are of one type and `==` says so. Floats are compared by their bits when they are the field itself: `0.0`
/// and `-0.0` differ, and NaN is the same as itself. Inside another type that type's `PartialEq` decides: with a derived
/// one, a NaN is never the same, so that each call compiles another program.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field marked `#[tree(skip)]`",
    label = "jit cannot compare it from call to call",
    note = "give it `#[derive(Clone, Debug, PartialEq)]`; it must also be `Send` and `Sync`, and borrow nothing"
)]
pub trait Static: Any + fmt::Debug + Send + Sync {
    /// Is the other one of the same type and equal?
    fn same(&self, other: &dyn Static) -> bool;
    /// A copy to be kept.
    fn kept(&self) -> Arc<dyn Static>;
}
impl<S: Any + Clone + PartialEq + fmt::Debug + Send + Sync> Static for S {
    fn same(&self, other: &dyn Static) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<S>().is_some_and(|other| same_bits(self, other).unwrap_or_else(|| self == other))
    }
    fn kept(&self) -> Arc<dyn Static> {
        Arc::new(self.clone())
    }
}

/// Whether two floats have the same bits; `None` if they are no floats.
fn same_bits(a: &dyn Any, b: &dyn Any) -> Option<bool> {
    if let (Some(a), Some(b)) = (a.downcast_ref::<f32>(), b.downcast_ref::<f32>()) {
        return Some(a.to_bits() == b.to_bits());
    }
    let (a, b) = (a.downcast_ref::<f64>()?, b.downcast_ref::<f64>()?);
    Some(a.to_bits() == b.to_bits())
}

/// Takes each static value of a tree: where it is, a word for what it is (`length`, `variant`, `skipped field`, ...), and
/// the value.
pub type StaticVisitor<'a> = dyn FnMut(&Path, &'static str, &dyn Static) + 'a;

/// What distinguishes two trees besides their leaves: lengths, variants, skipped fields. A part of what jit finds a program
/// by.
#[derive(Clone, Debug, Default)]
pub struct Structure(Vec<(&'static str, Arc<dyn Static>)>);

impl Structure {
    /// What the walk, which is that of [`Tree::structure_at`], comes by.
    pub(crate) fn of_walk(walk: impl FnOnce(&mut StaticVisitor)) -> Structure {
        let mut values = vec![];
        walk(&mut |_, what, value| values.push((what, value.kept())));
        Structure(values)
    }
    /// Does the walk come by the same values? Allocates nothing.
    pub(crate) fn is_of_walk(&self, walk: impl FnOnce(&mut StaticVisitor)) -> bool {
        let (mut rest, mut same) = (self.0.iter(), true);
        walk(&mut |_, what, value| {
            same = same && rest.next().is_some_and(|(w, v)| *w == what && v.same(value));
        });
        same && rest.next().is_none()
    }
    /// Is this the structure of the tree? As comparing with [`Tree::structure`], without making that.
    pub fn is_of<T: Leaf>(&self, tree: &impl Tree<T>) -> bool {
        self.is_of_walk(|f| tree.structure_at(&Path::ROOT, f))
    }
}
impl PartialEq for Structure {
    fn eq(&self, other: &Structure) -> bool {
        self.is_of_walk(|f| other.0.iter().for_each(|(what, value)| f(&Path::ROOT, what, &**value)))
    }
}

/// One thing that a tree has besides its leaves, for messages.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Fact {
    /// Where, as in [`Path`].
    pub path: String,
    /// What it is: `length`, `variant`, `skipped field`, ...
    pub what: &'static str,
    /// Its `Debug` text.
    pub value: String,
}
impl Fact {
    /// Each value that the walk comes by.
    pub(crate) fn of_walk(walk: impl FnOnce(&mut StaticVisitor)) -> Vec<Fact> {
        let mut facts = vec![];
        walk(&mut |path, what, value| facts.push(Fact { path: path.to_string(), what, value: format!("{value:?}") }));
        facts
    }
}
