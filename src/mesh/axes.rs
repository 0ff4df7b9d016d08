//! Sets of mesh axes.
use crate::refusal::Refusal;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// A set of mesh axes, by name: those over which a value inside [`shard_map`](crate::shard_map) may differ from device to
/// device. JAX: the `vma` ("varying manual axes") of a type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AxisSet(u64);

/// Every name that an axis of a mesh ever had; its place here is its bit.
static NAMES: Mutex<Vec<Arc<str>>> = Mutex::new(vec![]);

/// Give a name its bit. Says why if there is none left.
pub(super) fn register(name: &Arc<str>) -> Result<(), Refusal> {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if !names.contains(name) {
        if names.len() == 64 {
            return Err(format!("`{name}` is the 65th name of a mesh axis in this process").into());
        }
        names.push(name.clone());
    }
    Ok(())
}

impl AxisSet {
    /// No axis.
    pub const NONE: AxisSet = AxisSet(0);

    /// These axes; names that no mesh has are left out.
    pub fn of<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> AxisSet {
        let known = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let bit = |name: N| known.iter().position(|n| **n == *name.as_ref()).map_or(0, |i| 1 << i);
        AxisSet(names.into_iter().map(bit).fold(0, |a, b| a | b))
    }
    /// The names, in the order in which they were first used.
    pub fn names(self) -> Vec<Arc<str>> {
        let known = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().enumerate().filter(|(i, _)| self.0 >> i & 1 == 1).map(|(_, n)| n.clone()).collect()
    }
    /// Is it empty?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Axes in one or the other.
    pub fn union(self, other: AxisSet) -> AxisSet {
        AxisSet(self.0 | other.0)
    }
    /// Axes in this and not in the other.
    pub fn without(self, other: AxisSet) -> AxisSet {
        AxisSet(self.0 & !other.0)
    }
    /// Axes in both.
    pub fn intersection(self, other: AxisSet) -> AxisSet {
        AxisSet(self.0 & other.0)
    }
    /// Are all axes of the other in this one?
    pub fn contains(self, other: AxisSet) -> bool {
        other.0 & !self.0 == 0
    }
}
impl FromIterator<AxisSet> for AxisSet {
    fn from_iter<I: IntoIterator<Item = AxisSet>>(sets: I) -> AxisSet {
        sets.into_iter().fold(AxisSet::NONE, AxisSet::union)
    }
}
impl fmt::Display for AxisSet {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.names().join(","))
    }
}
impl fmt::Debug for AxisSet {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}
