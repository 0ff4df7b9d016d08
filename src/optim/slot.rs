//! What a leaf of an optimizer's state is before it has a value: its type, its first value, and which axes of which parameter
//! its axes are. From that come tensors, arrays, types, specifications, and how the state is divided over a mesh.
use super::OptState;
use crate::{
    array::Array,
    aval::{Aval, DType},
    error::{Error, Result},
    host::Host,
    memory,
    mesh::{Entry, NamedSharding, PartitionSpec},
    param::{Init, Param},
    prim::{full, literal},
    runtime::{self, Client},
    trace::Tensor,
    tree::{Leaf, Tree},
};
use std::sync::Arc;

/// Leaves that have a type.
pub trait Typed: Leaf + Clone {
    /// Shape and dtype.
    fn typed(&self) -> Aval;
    /// How it is divided over a mesh, if it is data that is.
    fn placed(&self) -> Option<&NamedSharding> {
        None
    }
    /// The data, if it is that.
    fn array(&self) -> Option<&Array> {
        None
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
    fn array(&self) -> Option<&Array> {
        Some(self)
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

/// A parameter, as transformations see it.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its number among all parameters of the model.
    pub index: usize,
    /// Its path in the model: `layers.attn.wq`.
    pub path: Arc<str>,
    /// Its type.
    pub aval: Aval,
}
impl Parameter {
    /// The leaves of a model.
    pub fn of<L: Typed, M: Tree<L>>(model: &M) -> Vec<Parameter> {
        let mut all = vec![];
        model.visit(|path, leaf| {
            all.push(Parameter { index: all.len(), path: path.to_string().into(), aval: leaf.typed() });
        });
        all
    }
    /// The dtype in which its update is computed, and of state beside it: f32, beside f64 f64.
    pub fn state_dtype(&self) -> DType {
        if self.aval.dtype == DType::F64 { DType::F64 } else { DType::F32 }
    }
}

/// The first value of a leaf of state.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// This number everywhere.
    Full(f64),
    /// What the parameter is.
    Parameter,
    /// These few numbers: a key of random numbers.
    Host(Host),
}

/// A leaf of an optimizer's state before it has a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Shape and dtype.
    pub aval: Aval,
    /// First value.
    pub start: Start,
    /// The number of the parameter it belongs to, and for each axis of the slot the parameter's axis that it is. An axis that is
    /// one of the parameter's is divided over a mesh as that one; all others are whole on every device.
    pub of: Option<(usize, Vec<Option<usize>>)>,
}
impl Leaf for Slot {}

impl Slot {
    /// A scalar that belongs to no parameter.
    pub fn scalar(dtype: DType, value: f64) -> Slot {
        Slot { aval: Aval::new(dtype, []), start: Start::Full(value), of: None }
    }
    /// The number of steps taken: an i32 that begins with 0.
    pub fn count() -> Slot {
        Slot::scalar(DType::I32, 0.0)
    }
    /// These numbers, which belong to no parameter.
    pub fn host(value: Host) -> Slot {
        Slot { aval: value.aval().clone(), start: Start::Host(value), of: None }
    }
    /// Zeros like the parameter, in the dtype of its state.
    pub fn like(p: &Parameter) -> Slot {
        Slot::axes(p, (0..p.aval.rank()).map(Some).collect())
    }
    /// Zeros with these axes of the parameter, and axes of size 1 in place of `None`.
    pub fn axes(p: &Parameter, axes: Vec<Option<usize>>) -> Slot {
        let dims: Vec<usize> = axes.iter().map(|axis| axis.map_or(1, |axis| p.aval.dims[axis])).collect();
        Slot { aval: Aval::new(p.state_dtype(), dims), start: Start::Full(0.0), of: Some((p.index, axes)) }
    }
    /// Several of it, along a new leading axis.
    pub fn stacked(mut self, n: usize) -> Slot {
        self.aval = self.aval.stacked(n);
        self.of.iter_mut().for_each(|(_, axes)| axes.insert(0, None));
        self
    }
    /// In this dtype, if one is given.
    pub fn dtype(mut self, dtype: impl Into<Option<DType>>) -> Slot {
        self.aval.dtype = dtype.into().unwrap_or(self.aval.dtype);
        self
    }
    /// Beginning with this number.
    pub fn full(self, value: f64) -> Slot {
        Slot { start: Start::Full(value), ..self }
    }
    /// Beginning with what the parameter is.
    pub fn parameter(self) -> Slot {
        Slot { start: Start::Parameter, ..self }
    }
    /// How it is divided, where parameters are divided so.
    pub fn spec(&self, parameters: &[PartitionSpec]) -> PartitionSpec {
        let Some((i, axes)) = &self.of else { return PartitionSpec::default() };
        let entry = |axis: &Option<usize>| axis.and_then(|axis| parameters[*i].0.get(axis)).cloned();
        PartitionSpec::new(axes.iter().map(|axis| entry(axis).unwrap_or_else(Entry::whole)).collect())
    }
    /// Its first value in a trace.
    fn tensor(&self, parameters: &[Tensor]) -> Tensor {
        match (&self.start, &self.of) {
            (Start::Full(value), _) => full(self.aval.dims.clone(), self.aval.dtype, *value),
            (Start::Host(host), _) => literal(host.clone()),
            (Start::Parameter, Some((i, _))) => parameters[*i].cast(self.aval.dtype),
            (Start::Parameter, None) => full(self.aval.dims.clone(), self.aval.dtype, 0),
        }
    }
    /// Its specification: the roles of its axes are those of the parameter's.
    fn param(&self, parameters: &[Param]) -> Param {
        let mut made = Param::new([], []);
        made.aval = self.aval.clone();
        if let Some((i, axes)) = &self.of {
            made.axes = axes.iter().map(|axis| axis.map_or("", |axis| parameters[*i].axes[axis])).collect();
        } else {
            made.axes = vec![""; self.aval.rank()];
        }
        if self.start == Start::Full(1.0) {
            made.init = Init::Ones;
        }
        made
    }
    /// Its first value: divided as the parameter's data is, replicated over the mesh of the parameters, or on the first device
    /// of the client.
    fn array<L: Typed>(&self, client: &Client, parameters: &[L]) -> Result<Array> {
        let own = self.of.as_ref().map(|(i, axes)| (&parameters[*i], axes));
        let place = match own {
            Some((p, _)) => p.placed(),
            None => parameters.iter().find_map(Typed::placed),
        };
        let place = place.map(|there| {
            let axes = own.map_or(&[][..], |(_, axes)| axes);
            let entry = |axis: &Option<usize>| axis.and_then(|axis| there.spec.0.get(axis)).cloned();
            let spec = axes.iter().map(|axis| entry(axis).unwrap_or_else(Entry::whole)).collect();
            there.mesh.sharding(PartitionSpec::new(spec))
        });
        if let (Start::Full(0.0), Some(place)) = (&self.start, &place) {
            return Array::zeros_sharded(place, self.aval.clone());
        }
        let bytes = self.bytes(own.map(|(p, _)| p))?;
        match &place {
            Some(place) => Array::from_bytes_sharded(place, self.aval.clone(), Arc::new(bytes)),
            None => Array::from_bytes(client, self.aval.clone(), &bytes),
        }
    }
    /// Its first value in bytes. (A copy of a parameter shares no memory with it: both are donated to one step.)
    fn bytes<L: Typed>(&self, parameter: Option<&L>) -> Result<Vec<u8>> {
        let value = match &self.start {
            Start::Host(host) => return Ok(host.to_bytes()),
            Start::Full(value) => *value,
            Start::Parameter => {
                let Some(array) = parameter.and_then(Typed::array) else {
                    let what = "making the first state of an optimizer that begins with the parameters".to_string();
                    let (have, want) = ("only their types".to_string(), "their values: give `init` arrays".to_string());
                    return Err(Error::Mismatch { what, have, want });
                };
                return Ok(array.to_host()?.cast(self.aval.dtype).to_bytes());
            }
        };
        let mut bytes = vec![];
        memory::resize(&mut bytes, self.aval.bytes(), "the state of an optimizer")?;
        if value != 0.0 {
            let one = Host::full(&self.aval.with_dims([]), value).to_bytes();
            bytes.chunks_exact_mut(one.len()).for_each(|to| to.copy_from_slice(&one));
        }
        Ok(bytes)
    }
}

/// Leaves of parameters from which a first state can be made without asking for a device: tensors, types, specifications, arrays.
pub trait Initial: Typed {
    /// The state: for arrays a `Result`.
    type State;
    /// The first state.
    fn state(slots: &OptState<Slot>, parameters: &[Self]) -> Self::State;
}
impl Initial for Tensor {
    type State = OptState;
    fn state(slots: &OptState<Slot>, parameters: &[Tensor]) -> OptState {
        slots.map(|slot| slot.tensor(parameters))
    }
}
impl Initial for Aval {
    type State = OptState<Aval>;
    fn state(slots: &OptState<Slot>, _: &[Aval]) -> OptState<Aval> {
        slots.map(|slot| slot.aval.clone())
    }
}
impl Initial for Param {
    type State = OptState<Param>;
    fn state(slots: &OptState<Slot>, parameters: &[Param]) -> OptState<Param> {
        slots.map(|slot| slot.param(parameters))
    }
}
impl Initial for Array {
    type State = Result<OptState<Array>>;
    /// Over the mesh of the arrays, or on the default client; [`Optimizer::init_on`](super::Optimizer::init_on) names another.
    fn state(slots: &OptState<Slot>, parameters: &[Array]) -> Result<OptState<Array>> {
        arrays(slots, &runtime::client()?, parameters)
    }
}

/// The first state, as arrays.
pub(super) fn arrays<L: Typed>(slots: &OptState<Slot>, client: &Client, parameters: &[L]) -> Result<OptState<Array>> {
    slots.try_map_named(|_, slot| slot.array(client, parameters))
}
