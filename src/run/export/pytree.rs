//! The structure of what a function takes or returns, as JAX has it.

/// A tree of Python's containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PyTree {
    /// An array.
    Leaf,
    /// Nothing.
    None,
    /// A tuple.
    Tuple(Vec<PyTree>),
    /// A list.
    List(Vec<PyTree>),
    /// A dictionary, by the order of its keys.
    Dict(Vec<(String, PyTree)>),
    /// A type that was registered with JAX by this name, and what it keeps of it.
    Custom {
        /// The name.
        name: String,
        /// The type's own bytes.
        auxdata: Vec<u8>,
        /// What it holds.
        children: Vec<PyTree>,
    },
}

impl PyTree {
    pub(super) fn children(&self) -> Vec<&PyTree> {
        match self {
            PyTree::Leaf | PyTree::None => vec![],
            PyTree::Tuple(c) | PyTree::List(c) | PyTree::Custom { children: c, .. } => c.iter().collect(),
            PyTree::Dict(entries) => entries.iter().map(|(_, c)| c).collect(),
        }
    }
    /// How many leaves it has.
    pub fn leaves(&self) -> usize {
        match self {
            PyTree::Leaf => 1,
            tree => tree.children().into_iter().map(PyTree::leaves).sum(),
        }
    }
    /// The paths of its leaves, in their order: `0.layers.3.w`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = vec![];
        self.walk("", &mut paths);
        paths
    }
    fn walk(&self, at: &str, paths: &mut Vec<String>) {
        let below = |key: &dyn std::fmt::Display| if at.is_empty() { key.to_string() } else { format!("{at}.{key}") };
        match self {
            PyTree::Leaf => paths.push(at.into()),
            PyTree::Dict(entries) => entries.iter().for_each(|(key, child)| child.walk(&below(key), paths)),
            tree => tree.children().iter().enumerate().for_each(|(i, child)| child.walk(&below(&i), paths)),
        }
    }

    /// The tree that has leaves of these paths, and for each of its leaves the number of its path. Numbered parts are a tuple at the
    /// root and lists below; fields are a dictionary, whose keys JAX sorts.
    pub(in crate::run) fn of_paths(paths: &[String]) -> (PyTree, Vec<usize>) {
        let all: Vec<(Vec<&str>, usize)> = paths
            .iter()
            .enumerate()
            .map(|(i, path)| (if path.is_empty() { vec![] } else { path.split('.').collect() }, i))
            .collect();
        let mut order = vec![];
        let tree = PyTree::of(&all, 0, &mut order);
        (tree, order)
    }
    fn of(leaves: &[(Vec<&str>, usize)], depth: usize, order: &mut Vec<usize>) -> PyTree {
        let Some((first, number)) = leaves.first() else { return PyTree::None };
        if first.len() == depth {
            order.push(*number);
            return PyTree::Leaf;
        }
        let mut keys: Vec<&str> = leaves.iter().filter_map(|(path, _)| path.get(depth).copied()).collect();
        keys.dedup();
        let below = |key: &str, order: &mut Vec<usize>| {
            let part: Vec<_> = leaves.iter().filter(|(path, _)| path.get(depth) == Some(&key)).cloned().collect();
            PyTree::of(&part, depth + 1, order)
        };
        let numbers: Option<Vec<usize>> = keys.iter().map(|key| key.parse().ok()).collect();
        if let Some(last) = numbers.as_ref().and_then(|n| n.iter().max()).filter(|last| **last < 2 * keys.len() + 64) {
            // (what has no leaves has no path)
            let children = (0..=*last).map(|i| below(&i.to_string(), order)).collect();
            return if depth == 0 { PyTree::Tuple(children) } else { PyTree::List(children) };
        }
        keys.sort_unstable();
        keys.dedup();
        PyTree::Dict(keys.into_iter().map(|key| (key.to_string(), below(key, order))).collect())
    }
}
