//! Parameters before they have values: shape, logical axes, initializer and checkpoint name, declared once.
//!
//! `Llama<Param>` is a model's declaration. Loading walks it and asks a checkpoint for each name; the shapes of the
//! programs' arguments come from it too.
use crate::{
    aval::{Aval, DType},
    nn::Packing,
    tree::Leaf,
};

mod distribution;
mod init;
mod lora;
mod slice;
pub use distribution::{Distribution, Fan, Init};
pub use init::{ParamTree, init, init_on};
pub use slice::{Selection, Slice};

/// How a checkpoint holds a parameter's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// In the parameter's own order; the shape may be merged (`[d, 3, h, k]` stored as `[d, 3 * h * k]`).
    AsIs,
    /// As the transposed matrix: PyTorch's `Linear` stores `[out, in]`, we compute with `[in, out]`. The number is how
    /// many leading axes of the parameter are inputs.
    Transposed(usize),
}

/// The shape of a stored tensor.
#[derive(Clone, Debug, PartialEq)]
enum Merge {
    /// A transposed matrix has an axis of outputs and one of inputs; other parameters have their own axes.
    Usual,
    /// All axes are one.
    One,
    /// This shape.
    To(Vec<usize>),
}

/// The specification of one parameter: the leaf of `Model<Param>`.
///
/// ```
/// use raxla::prelude::*;
/// use raxla::param::Param;
/// let wq = Param::new([64, 4, 16], ["embed", "heads", "head"]).normal(0.02).stored("attn.q_proj.weight").transposed(1);
/// assert_eq!(wq.checkpoint_dims(), [64, 64]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Shape and dtype.
    pub aval: Aval,
    /// A name for the role of each axis; sharding rules map these to mesh axes.
    pub axes: Vec<&'static str>,
    /// Initial value.
    pub init: Init,
    /// Name in a checkpoint; each `{}` stands for a number: of the layer, then of the expert. Empty: not in a checkpoint.
    pub name: String,
    /// Order of the elements in the checkpoint.
    pub layout: Stored,
    /// Which part of the stored tensor it is; all of it if `None`.
    pub slice: Option<Slice>,
    /// The path of the parameter of which this one is a copy, perhaps in another order.
    pub tied: Option<String>,
    /// If its array is packed, how. Shape and dtype are those of the matrix all the same.
    pub packing: Option<Packing>,
    /// If it is a part of a matrix of 8-bit integers, which.
    pub int8: Option<Int8>,
    /// How the checkpoint merges axes.
    merge: Merge,
    /// How many leading axes count things that a checkpoint holds one by one: layers, experts.
    stacks: usize,
    /// The number of the first layer of a stack, and how far it is to the next.
    layers: Option<(usize, usize)>,
}
impl Leaf for Param {}

/// The parts of a matrix of 8-bit integers.
#[derive(Clone, Debug, PartialEq)]
pub enum Int8 {
    /// The integers. Its first `inputs` axes are inputs.
    Numbers {
        /// How many.
        inputs: usize,
    },
    /// The scales of its outputs.
    Scales {
        /// What a checkpoint holds.
        matrix: Box<Param>,
        /// How many of its axes are inputs.
        inputs: usize,
    },
}

impl Param {
    /// An f32 parameter of zeros, not in any checkpoint, whose axes have these sizes and roles.
    pub fn new<const N: usize>(dims: [usize; N], axes: [&'static str; N]) -> Param {
        let aval = Aval::new(DType::F32, dims);
        Param {
            aval,
            axes: axes.to_vec(),
            init: Init::Zeros,
            name: String::new(),
            layout: Stored::AsIs,
            slice: None,
            tied: None,
            packing: None,
            int8: None,
            merge: Merge::Usual,
            stacks: 0,
            layers: None,
        }
    }
    /// Initialized to ones.
    pub fn ones(self) -> Param {
        Param { init: Init::Ones, ..self }
    }
    /// Initialized from a normal distribution.
    pub fn normal(self, std: f64) -> Param {
        Param { init: Init::Normal(std), ..self }
    }
    /// Initialized so: `.with_init(Init::he_normal())`.
    pub fn with_init(self, init: Init) -> Param {
        Param { init, ..self }
    }
    /// Named so in a checkpoint.
    pub fn stored(self, name: impl Into<String>) -> Param {
        Param { name: name.into(), ..self }
    }
    /// Stored as PyTorch's `Linear`: the first `inputs` axes last.
    pub fn transposed(self, inputs: usize) -> Param {
        Param { layout: Stored::Transposed(inputs), ..self }
    }
    /// A copy of the parameter at this path of the model, perhaps in another order. It keeps the checkpoint name of what it
    /// copies ([`stored`](Param::stored)): both are read from there, and one is written.
    pub fn tied_to(self, path: impl Into<String>) -> Param {
        Param { tied: Some(path.into()), ..self }
    }
    /// A bias of zeros over the output axes of this matrix, whose first `inputs` axes are inputs. Stored as one axis. Of a
    /// matrix that is a slice of a stored one, over outputs, the bias is the same slice: say first how the matrix is stored.
    pub fn bias(&self, inputs: usize) -> Param {
        let dims = &self.aval.dims[inputs..];
        Param {
            aval: self.aval.with_dims(dims),
            axes: self.axes[inputs..].to_vec(),
            init: Init::Zeros,
            name: String::new(),
            layout: Stored::AsIs,
            slice: self.bias_slice(inputs),
            tied: None,
            packing: None,
            int8: None,
            merge: Merge::One,
            stacks: 0,
            layers: None,
        }
    }
    /// Stored with axes merged to this shape; of a slice, the shape of the whole stored tensor.
    pub fn merged(self, dims: impl Into<Vec<usize>>) -> Param {
        Param { merge: Merge::To(dims.into()), ..self }
    }
    /// With another dtype.
    pub fn cast(self, dtype: DType) -> Param {
        Param { aval: self.aval.with_dtype(dtype), ..self }
    }
    /// Its array packed so.
    pub fn packed(self, packing: Packing) -> Param {
        Param { packing: Some(packing), ..self }
    }
    /// The type of the array that holds it, where parameters have this dtype: of a packed matrix, bytes.
    pub fn held(&self, dtype: DType) -> Aval {
        match &self.packing {
            Some(packing) => Aval::new(DType::U8, [&self.aval.dims[..self.stacks], &packing.dims()[..]].concat()),
            None => self.aval.with_dtype(match self.int8 {
                Some(Int8::Numbers { .. }) => DType::I8,
                Some(Int8::Scales { .. }) => DType::F32,
                None => dtype,
            }),
        }
    }
    /// This matrix, whose first `inputs` axes are inputs, in 8-bit integers, and the f32 scale of each output: a weight is the
    /// product of both. A checkpoint holds the matrix that they are made of.
    pub fn in_int8(self, inputs: usize) -> (Param, Param) {
        let of = |all: &[usize]| [&all[..self.stacks], &all[self.stacks + inputs..]].concat();
        let axes = [&self.axes[..self.stacks], &self.axes[self.stacks + inputs..]].concat();
        let int8 = Some(Int8::Scales { matrix: Box::new(self.clone()), inputs });
        let aval = self.aval.with_dims(of(&self.aval.dims));
        let scales = Param { aval, axes, init: Init::Ones, int8, layout: Stored::AsIs, slice: None, ..self.clone() };
        (Param { int8: Some(Int8::Numbers { inputs }), ..self }, scales)
    }
    /// With `prefix` before the checkpoint name.
    pub fn under(self, prefix: &str) -> Param {
        if self.name.is_empty() { self } else { Param { name: format!("{prefix}{}", self.name), ..self } }
    }
    /// The shape of the tensor in which a checkpoint holds each of its parts. Of a slice, the shape of the whole tensor.
    pub fn checkpoint_dims(&self) -> Vec<usize> {
        if let Some(Int8::Scales { matrix, .. }) = &self.int8 {
            return matrix.checkpoint_dims();
        }
        let dims = self.whole_dims();
        match (&self.merge, self.layout) {
            (Merge::To(dims), _) => dims.clone(),
            (Merge::One, _) => vec![dims.iter().product()],
            (Merge::Usual, Stored::AsIs) => dims,
            (Merge::Usual, Stored::Transposed(inputs)) => {
                let (outputs, inputs) = dims.split_at(dims.len().saturating_sub(inputs));
                vec![outputs.iter().product(), inputs.iter().product()]
            }
        }
    }
    /// The parameter of `n` equal things (layers, experts) that a checkpoint holds one by one, as one array with a leading
    /// axis of this role. Layers go outermost: stack experts first.
    pub fn stacked(self, n: usize, role: &'static str) -> Param {
        Param { aval: self.aval.stacked(n), axes: [&[role], &self.axes[..]].concat(), stacks: self.stacks + 1, ..self }
    }
    /// The parameters of `n` layers, numbers `first`, `first + step`, .., as one array with a leading axis of the role `layers`.
    pub fn stacked_layers(self, n: usize, first: usize, step: usize) -> Param {
        Param { layers: Some((first, step)), ..self.stacked(n, "layers") }
    }
    /// How many leading axes count things that a checkpoint holds one by one.
    pub fn stacks(&self) -> usize {
        self.stacks
    }
    /// The parameter of layer number `i`.
    pub fn of_layer(self, i: usize) -> Param {
        Param { name: self.name.replacen("{}", &i.to_string(), 1), ..self }
    }
    /// The names a checkpoint holds its parts under, in the order of their elements.
    pub fn checkpoint_names(&self) -> Vec<String> {
        let each = |names: Vec<String>, (axis, n): (usize, &usize)| {
            let (first, step) = self.layers.filter(|_| axis == 0).unwrap_or((0, 1));
            let number = |i: usize| (first + i * step).to_string();
            names
                .iter()
                .flat_map(|name| (0..*n).map(|i| name.replacen("{}", &number(i), 1)).collect::<Vec<_>>())
                .collect()
        };
        self.aval.dims[..self.stacks].iter().enumerate().fold(vec![self.name.clone()], each)
    }
}
