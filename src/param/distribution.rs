//! First values of parameters: `jax.nn.initializers`, as specifications.
use crate::{
    aval::DType,
    linalg,
    prim::{diagonal, full, turned},
    random::Key,
    trace::{At, Tensor, fail},
};

/// How a parameter starts when nothing is loaded. The numbers are those of `jax.nn.initializers` under the same key.
///
/// ```
/// use raxla::{param::Init, prelude::*};
/// let spec = vec![
///     Param::new([3, 3, 16, 32], ["h", "w", "in", "out"]).with_init(Init::he_normal()),
///     Param::new([64, 64], ["in", "out"]).with_init(Init::Orthogonal(1.0)),
/// ];
/// let made = spec.init(Key::host(0))?;
/// assert_eq!(made[0].dims(), [3, 3, 16, 32]);
/// // or without a specification, as `jax.nn.initializers.he_normal()(key, shape)`
/// let w = eager(|key: Key| Init::he_normal().values(key, [16, 32], DType::F32), (Key::host(0),))?;
/// assert_eq!(w.dims(), [16, 32]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zeros: biases.
    Zeros,
    /// All ones: gains of norms.
    Ones,
    /// All equal to this number.
    Constant(f64),
    /// Normally distributed with this standard deviation.
    Normal(f64),
    /// Uniform from 0 to this number.
    Uniform(f64),
    /// Normally distributed with this standard deviation, within these bounds (in standard deviations; JAX: -2 to 2).
    TruncatedNormal(f64, f64, f64),
    /// With the variance `scale` divided by the number of inputs or outputs of each unit.
    VarianceScaling {
        /// The variance where that number is 1.
        scale: f64,
        /// The number.
        fan: Fan,
        /// How the elements are distributed.
        distribution: Distribution,
    },
    /// Orthogonal matrices times this number: columns (the last axis) or rows are orthonormal, whichever are fewer. Saxe et al., 2013
    /// (arXiv 1312.6120).
    Orthogonal(f64),
    /// Kernels `[spatial.., in, out]` that are an orthogonal matrix, times this number, in the middle and zeros elsewhere. Xiao et al., 2018
    /// (arXiv 1806.05393).
    DeltaOrthogonal(f64),
}

/// What [`Init::VarianceScaling`] divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// The number of inputs.
    In,
    /// The number of outputs.
    Out,
    /// Their mean.
    Average,
    /// Their geometric mean.
    Geometric,
}
/// How the elements of [`Init::VarianceScaling`] are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Normally.
    Normal,
    /// Normally, within two standard deviations (of what is cut off then).
    TruncatedNormal,
    /// Uniformly.
    Uniform,
}

macro_rules! scaled {
    ($($(#[$doc:meta])* $f:ident: $scale:literal, $fan:ident, $distribution:ident;)*) => {
        impl Init {$(
            $(#[$doc])*
            pub const fn $f() -> Init {
                Init::VarianceScaling { scale: $scale, fan: Fan::$fan, distribution: Distribution::$distribution }
            }
        )*}
    };
}
scaled! {
    /// LeCun's: the variance is 1 / inputs (Klambauer et al., 2017; arXiv 1706.02515).
    lecun_normal: 1.0, In, TruncatedNormal;
    /// As [`Init::lecun_normal`], uniform.
    lecun_uniform: 1.0, In, Uniform;
    /// He's, or Kaiming's: the variance is 2 / inputs (He et al., 2015; arXiv 1502.01852).
    he_normal: 2.0, In, TruncatedNormal;
    /// As [`Init::he_normal`], uniform.
    he_uniform: 2.0, In, Uniform;
    /// Glorot's, or Xavier's: the variance is 2 / (inputs + outputs) (Glorot and Bengio, 2010).
    glorot_normal: 1.0, Average, TruncatedNormal;
    /// As [`Init::glorot_normal`], uniform.
    glorot_uniform: 1.0, Average, Uniform;
}

impl Init {
    /// The variance is `scale` divided by the number of inputs or outputs of each unit. JAX: `variance_scaling`.
    pub const fn variance_scaling(scale: f64, fan: Fan, distribution: Distribution) -> Init {
        Init::VarianceScaling { scale, fan, distribution }
    }
    /// Values under a key, of this shape, whose last axes are the inputs and the outputs; those before them are a kernel's. JAX:
    /// `initializer(key, shape, dtype)`.
    ///
    /// # Errors
    /// Vectors, where inputs and outputs matter; a dtype that is no float, or for orthogonal ones not f32 or f64.
    #[track_caller]
    pub fn values(self, key: Key, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("init");
        let dims = dims.into();
        match self.is_of_matrices() {
            true => self.matrices(key, &dims, dtype, None),
            false => self.elements(key, &dims, dtype, self.fans(&dims, None)),
        }
    }
    /// Do its elements depend on each other?
    pub(super) fn is_of_matrices(self) -> bool {
        matches!(self, Init::Orthogonal(_) | Init::DeltaOrthogonal(_))
    }
    /// How many inputs and outputs each unit has, of a kernel whose first axes are inputs, so many of them; by default all but the last,
    /// of which those before the last two are both inputs and outputs.
    #[track_caller]
    pub(super) fn fans(self, dims: &[usize], inputs: Option<usize>) -> (f64, f64) {
        if !matches!(self, Init::VarianceScaling { .. }) {
            return (1.0, 1.0);
        }
        let size = |dims: &[usize]| dims.iter().product::<usize>() as f64;
        match (inputs, dims) {
            (Some(n), _) if n < dims.len() => (size(&dims[..n]), size(&dims[n..])),
            (_, [kernel @ .., a, b]) => (size(kernel) * *a as f64, size(kernel) * *b as f64),
            _ => {
                let help = "give it `Init::Normal`, or shape it `[in, out]`";
                fail("init", vec![], format!("{dims:?} has no axis of inputs and one of outputs"), Some(help.into()))
            }
        }
    }
    /// Elements that do not depend on each other.
    #[track_caller]
    pub(super) fn elements(self, key: Key, dims: &[usize], dtype: DType, fans: (f64, f64)) -> Tensor {
        let number = |x: f64| full([], dtype, x);
        match self {
            Init::Zeros => full(dims, dtype, 0.0),
            Init::Ones => full(dims, dtype, 1.0),
            Init::Constant(x) => full(dims, dtype, x),
            Init::Normal(std) => key.normal(dims, dtype) * std,
            Init::Uniform(scale) => key.uniform(dims, dtype, 0.0, 1.0) * scale,
            Init::TruncatedNormal(std, low, high) => key.truncated_normal(dims, dtype, low, high) * std,
            Init::VarianceScaling { scale, fan, distribution } => {
                let by = match fan {
                    Fan::In => fans.0,
                    Fan::Out => fans.1,
                    Fan::Average => (fans.0 + fans.1) / 2.0,
                    Fan::Geometric => (fans.0 * fans.1).sqrt(),
                };
                let variance = number(scale / by);
                match distribution {
                    Distribution::Normal => key.normal(dims, dtype) * variance.sqrt(),
                    // (the standard deviation of what is left of a normal distribution within -2 and 2)
                    Distribution::TruncatedNormal => {
                        key.truncated_normal(dims, dtype, -2.0, 2.0)
                            * (variance.sqrt() / number(0.879_625_661_034_239_8))
                    }
                    Distribution::Uniform => key.uniform(dims, dtype, -1.0, 1.0) * (variance * 3.0).sqrt(),
                }
            }
            Init::Orthogonal(_) | Init::DeltaOrthogonal(_) => self.matrices(key, dims, dtype, None),
        }
    }
    /// As [`Init::values`], of a parameter with so many stacks in front, in f32.
    #[track_caller]
    pub(super) fn of_matrices(self, key: Key, dims: &[usize], stacks: usize, inputs: Option<usize>) -> Tensor {
        let (stack, own) = dims.split_at(stacks);
        if stack.is_empty() {
            return self.matrices(key, own, DType::F32, inputs);
        }
        let n = stack.iter().product();
        crate::vmap(|key: Key| self.matrices(key, own, DType::F32, inputs))(key.split_stacked(n)).reshape(dims)
    }
    /// Matrices whose elements depend on each other.
    #[track_caller]
    fn matrices(self, key: Key, dims: &[usize], dtype: DType, inputs: Option<usize>) -> Tensor {
        let refuse = |what: &str| -> ! {
            fail("init", vec![], format!("{dims:?} is no shape {what}"), Some("choose another `Init`".into()))
        };
        match self {
            Init::DeltaOrthogonal(scale) => {
                let [kernel @ .., a, b] = dims else { refuse("of a kernel") };
                if !(1..=3).contains(&kernel.len()) || a > b || kernel.contains(&0) {
                    refuse("of a kernel with at least as many outputs as inputs")
                }
                let middle = orthogonal(key, *a, *b, dtype) * scale;
                let place = |n: &usize| crate::Index::Position((*n as isize - 1) / 2);
                full(dims, dtype, 0.0).at(kernel.iter().map(place).collect::<Vec<_>>()).set(middle)
            }
            Init::Orthogonal(scale) => {
                let split = inputs.unwrap_or(dims.len().saturating_sub(1));
                if dims.len() < 2 {
                    refuse("of a matrix")
                }
                let (rows, columns) = (dims[..split].iter().product(), dims[split..].iter().product());
                (orthogonal(key, rows, columns, dtype) * scale).reshape(dims)
            }
            _ => self.elements(key, dims, dtype, self.fans(dims, inputs)),
        }
    }
}

/// A matrix with orthonormal columns, or rows if these are fewer: `jax.random.orthogonal`.
#[track_caller]
fn orthogonal(key: Key, rows: usize, columns: usize, dtype: DType) -> Tensor {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let (q, r) = linalg::qr(key.normal([long, short], dtype), false);
    // (with the signs for which all orthogonal matrices are equally likely)
    let signs = diagonal(r);
    let q = q * signs.sign();
    if rows < columns { turned(q) } else { q }
}
