//! What optimizers share: how their state is made, and how it is matched with a model.
use crate::{
    array::Array,
    aval::{Aval, DType},
    error::Result,
    memory,
    mesh::NamedSharding,
    ops::Rhs,
    param::{Init, Param},
    prim::full,
    runtime::Client,
    trace::{Tensor, fail},
    tree::{Leaf, Tree},
};

/// Leaves that have a type.
pub trait Typed: Leaf {
    /// Shape and dtype.
    fn typed(&self) -> Aval;
    /// How it is divided over a mesh, if it is data that is.
    fn placed(&self) -> Option<&NamedSharding> {
        None
    }
    /// The data, if it is that.
    fn held(&self) -> Option<&Array> {
        None
    }
    /// Zeros of the same shape and of this dtype, on the first device of the client.
    ///
    /// # Errors
    /// What the plugin reports.
    fn zeros_on(&self, client: &Client, dtype: DType) -> Result<Array> {
        zeros_on(client, self.typed().with_dtype(dtype))
    }
}
impl Typed for Tensor {
    fn typed(&self) -> Aval {
        self.aval()
    }
}
impl Typed for Array {
    fn typed(&self) -> Aval {
        self.aval().clone()
    }
    fn placed(&self) -> Option<&NamedSharding> {
        self.sharding()
    }
    fn held(&self) -> Option<&Array> {
        Some(self)
    }
    /// Divided over devices as this array is.
    fn zeros_on(&self, client: &Client, dtype: DType) -> Result<Array> {
        let a = self.aval().with_dtype(dtype);
        self.sharding().map_or_else(|| zeros_on(client, a.clone()), |s| Array::zeros_sharded(s, a.clone()))
    }
}
impl Typed for Aval {
    fn typed(&self) -> Aval {
        self.clone()
    }
}
impl Typed for Param {
    fn typed(&self) -> Aval {
        self.aval.clone()
    }
}

/// Leaves of which zeros can be made without a device: tensors, types, and specifications.
pub trait ZerosLike: Typed {
    /// A scalar 0 of type i32.
    fn count() -> Self;
    /// Zeros of the same shape and of this dtype.
    fn zeros_like(&self, dtype: DType) -> Self;
}
impl ZerosLike for Tensor {
    fn count() -> Tensor {
        full([], DType::I32, 0)
    }
    fn zeros_like(&self, dtype: DType) -> Tensor {
        full(self.dims(), dtype, 0)
    }
}
impl ZerosLike for Aval {
    fn count() -> Aval {
        Aval::new(DType::I32, [])
    }
    fn zeros_like(&self, dtype: DType) -> Aval {
        self.with_dtype(dtype)
    }
}
impl ZerosLike for Param {
    fn count() -> Param {
        Param::new([], []).cast(DType::I32)
    }
    /// With the same roles of axes, so that moments are divided over devices as their parameters are; in no checkpoint of a
    /// model.
    fn zeros_like(&self, dtype: DType) -> Param {
        let mut zeros = self.clone().cast(dtype);
        zeros.init = Init::Zeros;
        zeros.name.clear();
        zeros
    }
}

/// The dtype of the state of a parameter of this dtype.
pub(super) fn state_dtype(parameter: DType) -> DType {
    if parameter == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Zeros for every leaf of a model.
pub(super) fn moments<T: ZerosLike, M: Tree<T, With<T> = M>>(model: &M) -> M {
    model.map(|leaf| leaf.zeros_like(state_dtype(leaf.typed().dtype)))
}

/// Zeros for every leaf of a model, on the first device of a client or as the model's arrays are divided.
pub(super) fn moments_on<T: Typed, M: Tree<T>>(client: &Client, model: &M) -> Result<M::With<Array>> {
    model.try_map_named(|_, leaf| leaf.zeros_on(client, state_dtype(leaf.typed().dtype)))
}

/// Zeros on the first device of a client.
pub(super) fn zeros_on(client: &Client, a: Aval) -> Result<Array> {
    let mut bytes = vec![];
    memory::resize(&mut bytes, a.bytes(), "the state of an optimizer")?;
    Array::from_bytes(client, a, &bytes)
}

/// The leaves of a tree that must be like the model: abandons tracing with the first leaf that is not.
#[track_caller]
pub(super) fn leaves_like<M: Tree<Tensor>>(what: &str, tree: &M, model: &M) -> Vec<Tensor> {
    let (ours, theirs) = (tree.paths(), model.paths());
    if let Some(i) = (0..ours.len().max(theirs.len())).find(|i| ours.get(*i) != theirs.get(*i)) {
        let (one, other) = (what, "the model");
        let (have, lacks, path) = match (ours.get(i), theirs.get(i)) {
            (Some(path), _) if !theirs.contains(path) => (one, other, path),
            (_, Some(path)) => (other, one, path),
            (Some(path), None) => (one, other, path),
            (None, None) => unreachable!("one of the lists is as long as that"),
        };
        fail("update", vec![], format!("{have} has a leaf `{path}`, which {lacks} lacks"), None);
    }
    let leaves = tree.leaves();
    for ((leaf, parameter), path) in leaves.iter().zip(model.leaves()).zip(theirs) {
        let (a, p) = (leaf.aval(), parameter.aval());
        if a.dims != p.dims {
            let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
            fail("update", vec![], format!("{what} has {a}{at}, where the model has {p}"), None);
        }
    }
    leaves
}

/// One more step, which stops counting at the largest number.
#[track_caller]
pub(super) fn next(count: Tensor) -> Tensor {
    count.minimum(i32::MAX - 1) + 1
}

/// A learning rate or a limit in this dtype.
#[track_caller]
pub(super) fn scalar(what: &str, value: impl Rhs, dtype: DType) -> Tensor {
    let value = value.beside(full([], dtype, 0));
    let a = value.aval();
    if a.rank() != 0 || !a.dtype.is_float() {
        fail("update", vec![a], format!("the {what} is not a scalar float"), None);
    }
    value.cast(dtype)
}
