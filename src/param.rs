//! Parameters before they have values: shape, logical axes, initializer and checkpoint name, declared once.
//!
//! `Llama<Param>` is a model's declaration. Loading walks it and asks a checkpoint for each name; the shapes of the
//! programs' arguments come from it too.
use crate::{
    aval::{Aval, DType},
    tree::Leaf,
};

/// How a parameter starts when nothing is loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zeros: biases.
    Zeros,
    /// All ones: gains of norms.
    Ones,
    /// Normally distributed with this standard deviation.
    Normal(f64),
}

/// How a checkpoint holds a parameter's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// In the parameter's own order; the shape may be merged (`[d, 3, h, k]` stored as `[d, 3 * h * k]`).
    AsIs,
    /// As the transposed matrix: PyTorch's `Linear` stores `[out, in]`, we compute with `[in, out]`. The number is how
    /// many leading axes of the parameter are inputs.
    Transposed(usize),
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
    /// Name in a checkpoint; each `{}` stands for the layer's number. Empty: not in a checkpoint.
    pub name: String,
    /// Order of the elements in the checkpoint.
    pub layout: Stored,
    /// Rank in the checkpoint, when axes are merged there.
    flat: Option<Vec<usize>>,
}
impl Leaf for Param {}

impl Param {
    /// An f32 parameter of zeros, not in any checkpoint, whose axes have these sizes and roles.
    pub fn new<const N: usize>(dims: [usize; N], axes: [&'static str; N]) -> Param {
        let aval = Aval::new(DType::F32, dims);
        Param { aval, axes: axes.to_vec(), init: Init::Zeros, name: String::new(), layout: Stored::AsIs, flat: None }
    }
    /// Initialized to ones.
    pub fn ones(self) -> Param {
        Param { init: Init::Ones, ..self }
    }
    /// Initialized from a normal distribution.
    pub fn normal(self, std: f64) -> Param {
        Param { init: Init::Normal(std), ..self }
    }
    /// Named so in a checkpoint.
    pub fn stored(self, name: impl Into<String>) -> Param {
        Param { name: name.into(), ..self }
    }
    /// Stored as PyTorch's `Linear`: the first `inputs` axes last.
    pub fn transposed(self, inputs: usize) -> Param {
        let (i, o) = self.aval.dims.split_at(inputs);
        let flat = Some(vec![o.iter().product(), i.iter().product()]);
        Param { layout: Stored::Transposed(inputs), flat, ..self }
    }
    /// Stored with axes merged to this shape.
    pub fn merged(self, dims: impl Into<Vec<usize>>) -> Param {
        Param { flat: Some(dims.into()), ..self }
    }
    /// With another dtype.
    pub fn cast(self, dtype: DType) -> Param {
        Param { aval: self.aval.with_dtype(dtype), ..self }
    }
    /// With `prefix` before the checkpoint name.
    pub fn under(self, prefix: &str) -> Param {
        if self.name.is_empty() { self } else { Param { name: format!("{prefix}{}", self.name), ..self } }
    }
    /// The shape a checkpoint holds it in (of one layer, for a stacked parameter).
    pub fn checkpoint_dims(&self) -> Vec<usize> {
        let own = &self.aval.dims[self.is_stacked() as usize..];
        self.flat.clone().unwrap_or_else(|| own.to_vec())
    }
    /// The parameter of `layers` equal layers, held as one array with a leading layer axis.
    pub fn stacked(self, layers: usize) -> Param {
        Param { aval: self.aval.stacked(layers), axes: [&["layers"], &self.axes[..]].concat(), ..self }
    }
    /// Does it hold all layers at once?
    pub fn is_stacked(&self) -> bool {
        self.axes.first() == Some(&"layers")
    }
    /// The parameter of layer number `i`.
    pub fn of_layer(self, i: usize) -> Param {
        Param { name: self.name.replacen("{}", &i.to_string(), 1), ..self }
    }
    /// The names a checkpoint holds its parts under: one, or one per layer.
    pub fn checkpoint_names(&self) -> Vec<String> {
        match self.is_stacked() {
            true => (0..self.aval.dims[0]).map(|i| self.name.replacen("{}", &i.to_string(), 1)).collect(),
            false => vec![self.name.clone()],
        }
    }
}
