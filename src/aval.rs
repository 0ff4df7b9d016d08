//! What is known about a value while tracing: its dtype and its shape.
//!
//! An [`Aval`] ("abstract value", as in JAX) prints as `f32[4, 8]`. Shapes are always known while tracing: another
//! shape is another program.
use std::fmt;

pub use xla_extension::DType;

/// Sizes of the axes of a value.
pub type Dims = Vec<usize>;

/// Shape and dtype of a value ("abstract value"): everything that is known about it while tracing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Aval {
    /// Element type.
    pub dtype: DType,
    /// Size of each axis; empty for a scalar.
    pub dims: Dims,
}

impl Aval {
    /// An aval of this dtype and these axis sizes.
    pub fn new(dtype: DType, dims: impl Into<Dims>) -> Aval {
        Aval { dtype, dims: dims.into() }
    }
    /// The same shape with another dtype.
    pub fn with_dtype(&self, dtype: DType) -> Aval {
        Aval { dtype, dims: self.dims.clone() }
    }
    /// The same dtype with other axis sizes.
    pub fn with_dims(&self, dims: impl Into<Dims>) -> Aval {
        Aval { dtype: self.dtype, dims: dims.into() }
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
    /// Number of elements.
    pub fn size(&self) -> usize {
        self.dims.iter().product()
    }
    /// Bytes of the value on the host, row-major.
    pub fn bytes(&self) -> usize {
        self.dtype.bytes_for(self.size())
    }
}

impl fmt::Display for Aval {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype.name(), self.dims)
    }
}
impl fmt::Debug for Aval {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}
