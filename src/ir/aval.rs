//! What is known about a value while tracing: its dtype and its shape.
//!
//! An [`Aval`] ("abstract value", as in JAX) prints as `f32[4, 8]`. Shapes are always known while tracing: another
//! shape is another program.
use crate::{mesh::AxisSet, refusal::Refusal};
use std::fmt;

pub use raxla_xla::DType;

/// Sizes of the axes of a value.
pub type Dims = Vec<usize>;

/// Shape and dtype of a value ("abstract value"): everything that is known about it while tracing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Aval {
    /// Element type.
    pub dtype: DType,
    /// Size of each axis; empty for a scalar.
    pub dims: Dims,
    /// Inside [`shard_map`](crate::shard_map): the mesh axes over which the value may differ from device to device.
    pub vma: AxisSet,
}

impl Aval {
    /// An aval of this dtype and these axis sizes.
    pub fn new(dtype: DType, dims: impl Into<Dims>) -> Aval {
        Aval { dtype, dims: dims.into(), vma: AxisSet::NONE }
    }
    /// The same shape with another dtype.
    pub fn with_dtype(&self, dtype: DType) -> Aval {
        Aval { dtype, ..self.clone() }
    }
    /// The same dtype with other axis sizes.
    pub fn with_dims(&self, dims: impl Into<Dims>) -> Aval {
        Aval { dtype: self.dtype, dims: dims.into(), vma: self.vma }
    }
    /// The same shape and dtype, varying over these mesh axes.
    pub fn varying(&self, vma: AxisSet) -> Aval {
        Aval { vma, ..self.clone() }
    }
    /// The same shape and dtype, whatever they vary over?
    pub fn is_like(&self, other: &Aval) -> bool {
        self.dtype == other.dtype && self.dims == other.dims
    }
    /// The aval with one more leading axis of this size.
    pub fn stacked(&self, size: usize) -> Aval {
        self.with_dims([&[size], &self.dims[..]].concat())
    }
    /// The aval of one slice along the leading axis. Scalars have none.
    pub fn unstacked(&self) -> Aval {
        self.with_dims(&self.dims[1..])
    }
    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }
    /// Number of elements; `usize::MAX` where they are more than can be counted, which no value of a trace has.
    pub fn size(&self) -> usize {
        self.dims.iter().fold(1, |size: usize, dim| size.saturating_mul(*dim))
    }
    /// Refuse sizes that XLA cannot count.
    pub(crate) fn countable(&self) -> Result<(), Refusal> {
        let help = "sizes, and the bytes that they are together, are numbers of 63 bits";
        let too_large = || Refusal::new(format!("{self} is larger than can be counted")).help(help);
        self.dtype.bytes_of(&self.dims).map(|_| ()).ok_or_else(too_large)
    }
    /// Bytes of the value on the host, row-major.
    pub fn bytes(&self) -> usize {
        self.dtype.bytes_for(self.size())
    }
}

/// The number of an axis that may count from the end, among `rank` axes; `None` if there is no such axis.
pub(crate) fn axis_number(axis: isize, rank: usize) -> Option<usize> {
    let i = if axis < 0 { rank.checked_sub(axis.unsigned_abs())? } else { axis.unsigned_abs() };
    (i < rank).then_some(i)
}

impl fmt::Display for Aval {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype.name(), self.dims)?;
        if self.vma.is_empty() { Ok(()) } else { write!(f, "{{V:{}}}", self.vma) }
    }
}
impl fmt::Debug for Aval {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}
