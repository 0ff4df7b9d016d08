//! What a tree lacks, has beyond, or has otherwise than expected. Orbax restores what it finds; a model wants all of it.
use crate::{
    dtype::DType,
    tree::{Tree, Value},
};
use std::{collections::BTreeMap, fmt};

/// An array that is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its name, as [`Entry::name`](crate::Entry::name) gives it.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of its elements; none if any will do.
    pub dtype: Option<DType>,
}

/// How a tree differs from what is expected. It is displayed as a list, one line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Names of arrays that are expected and not there.
    pub missing: Vec<String>,
    /// Names of arrays that are there and not expected.
    pub unexpected: Vec<String>,
    /// Name, expected shape, found shape.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Name, expected type, found type.
    pub dtypes: Vec<(String, DType, DType)>,
}

impl Diff {
    /// Whether the tree is just as expected.
    pub fn is_empty(&self) -> bool {
        *self == Diff::default()
    }
}

/// Compares the arrays of a tree with those that are expected. Strings and empty nodes do not matter.
pub fn diff(expected: &[Expected], found: &Tree) -> Diff {
    let mut diff = Diff::default();
    let array = |e: &crate::Entry| if let Value::Array(a) = &e.value { Some((e.name(), a.clone())) } else { None };
    let mut found: BTreeMap<_, _> = found.entries().iter().filter_map(array).collect();
    for Expected { name, shape, dtype } in expected {
        let Some(array) = found.remove(name) else {
            diff.missing.push(name.clone());
            continue;
        };
        if array.shape != *shape {
            diff.shapes.push((name.clone(), shape.clone(), array.shape));
        }
        if let Some(dtype) = dtype
            && array.dtype != *dtype
        {
            diff.dtypes.push((name.clone(), *dtype, array.dtype));
        }
    }
    diff.unexpected = found.into_keys().collect();
    diff
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.missing.iter().try_for_each(|name| writeln!(f, "missing     {name}"))?;
        self.unexpected.iter().try_for_each(|name| writeln!(f, "unexpected  {name}"))?;
        self.shapes.iter().try_for_each(|(name, expected, found)| {
            writeln!(f, "shape       {name}: {found:?} instead of {expected:?}")
        })?;
        self.dtypes
            .iter()
            .try_for_each(|(name, expected, found)| writeln!(f, "dtype       {name}: {found} instead of {expected}"))
    }
}
