//! The state of an optimizer: one tree of named leaves, whatever the optimizer is.
use super::slot::Slot;
use crate::{
    trace::{Tensor, fail},
    tree::{Leaf, Path, StaticVisitor, Tree},
};
use std::sync::Arc;

/// What an optimizer keeps from step to step: a tree of named leaves that goes in and out of the training step beside the
/// model. It is saved, donated and divided over devices as any other tree; leaves have paths such as `0.mu.layers.attn.wq`, with
/// optax's names for the parts.
///
/// ```
/// use raxla::{optim, prelude::*};
/// let params = Aval::new(DType::BF16, [2, 3]);
/// let state = optim::adam(1e-3, Default::default()).init(&params);
/// assert_eq!(state.paths(), ["0.count", "0.mu", "0.nu"]);
/// assert_eq!(state.get("mu").unwrap().leaves(), [Aval::new(DType::F32, [2, 3])]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OptState<T = Tensor>(Node<T>);

#[derive(Clone, Debug, PartialEq)]
enum Node<T> {
    Leaf(T),
    /// Children under their names, of which there are as many.
    Branch(Arc<[Arc<str>]>, Vec<OptState<T>>),
}

/// The path of a child. A parameter that is the whole tree has no name of its own.
fn with_path<R>(path: &Path, name: &str, f: impl FnOnce(&Path) -> R) -> R {
    if name.is_empty() { f(path) } else { f(&path.field(name)) }
}

impl<T: Leaf> Tree<T> for OptState<T> {
    type With<U: Leaf> = OptState<U>;
    fn map_at<U: Leaf>(&self, path: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> OptState<U> {
        OptState(match &self.0 {
            Node::Leaf(x) => Node::Leaf(f(path, x)),
            Node::Branch(names, all) => {
                let one = |(name, x): (&Arc<str>, &OptState<T>)| with_path(path, name, |path| x.map_at(path, f));
                Node::Branch(names.clone(), names.iter().zip(all).map(one).collect())
            }
        })
    }
    fn visit_at<'a>(&'a self, path: &Path, f: &mut dyn FnMut(&Path, &'a T)) {
        match &self.0 {
            Node::Leaf(x) => f(path, x),
            Node::Branch(names, all) => {
                names.iter().zip(all).for_each(|(name, x)| with_path(path, name, |path| x.visit_at(path, f)));
            }
        }
    }
    fn structure_at(&self, path: &Path, f: &mut StaticVisitor) {
        if let Node::Branch(names, all) = &self.0 {
            f(path, "names", names);
            names.iter().zip(all).for_each(|(name, x)| with_path(path, name, |path| x.structure_at(path, f)));
        }
    }
}

impl<T> OptState<T> {
    /// One value.
    pub fn leaf(value: T) -> OptState<T> {
        OptState(Node::Leaf(value))
    }
    /// Nothing: the state of what keeps none.
    pub fn empty() -> OptState<T> {
        OptState::of::<&str>([])
    }
    /// Parts under their names.
    pub fn of<N: AsRef<str>>(parts: impl IntoIterator<Item = (N, OptState<T>)>) -> OptState<T> {
        let (names, all): (Vec<Arc<str>>, Vec<OptState<T>>) =
            parts.into_iter().map(|(name, x)| (Arc::from(name.as_ref()), x)).unzip();
        OptState(Node::Branch(names.into(), all))
    }
    /// The child of this name.
    pub fn child(&self, name: &str) -> Option<&OptState<T>> {
        let Node::Branch(names, all) = &self.0 else { return None };
        names.iter().position(|n| **n == *name).map(|i| &all[i])
    }
    /// The first part of this name, in any depth: `state.get("mu")`, whatever the optimizer stands in. optax: `optax.tree.get`.
    pub fn get(&self, name: &str) -> Option<&OptState<T>> {
        let Node::Branch(_, all) = &self.0 else { return None };
        self.child(name).or_else(|| all.iter().find_map(|x| x.get(name)))
    }
    /// The value, if this is one value.
    pub fn value(&self) -> Option<&T> {
        match &self.0 {
            Node::Leaf(x) => Some(x),
            Node::Branch(..) => None,
        }
    }
    /// With another value in every leaf of this name: a learning rate that is kept in the state
    /// ([`Schedule::injected`](super::Schedule::injected)), say. optax: `optax.tree.set`.
    pub fn set(self, name: &str, value: T) -> OptState<T>
    where
        T: Clone,
    {
        let Node::Branch(names, all) = self.0 else { return self };
        let one = |(n, x): (&Arc<str>, OptState<T>)| match (&x.0, **n == *name) {
            (Node::Leaf(_), true) => OptState::leaf(value.clone()),
            _ => x.set(name, value.clone()),
        };
        let all = names.iter().zip(all).map(one).collect();
        OptState(Node::Branch(names, all))
    }
}

impl OptState {
    /// The child of this name, of a state that was made by the transformation that asks.
    #[track_caller]
    pub fn part(&self, name: &str) -> &OptState {
        let missing = || fail("update", vec![], format!("the optimizer's state lacks `{name}`"), None);
        self.child(name).unwrap_or_else(missing)
    }
    /// The value of this name.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Tensor {
        let many = || fail("update", vec![], format!("`{name}` of the optimizer's state is not one value"), None);
        *self.part(name).value().unwrap_or_else(many)
    }
    /// The values under this name, one for each parameter.
    #[track_caller]
    pub fn tensors(&self, name: &str) -> Vec<Tensor> {
        self.part(name).leaves()
    }
    /// With new values under this name, one for each that is there.
    pub(super) fn refilled(&self, name: &str, leaves: Vec<Tensor>) -> (String, OptState) {
        (name.to_string(), self.part(name).refill(leaves))
    }
}

/// One slot for each parameter, under its path.
pub(super) fn per_parameter(
    parameters: &[super::Parameter],
    slot: impl Fn(&super::Parameter) -> Slot,
) -> OptState<Slot> {
    OptState::of(parameters.iter().map(|p| (&p.path, OptState::leaf(slot(p)))))
}
