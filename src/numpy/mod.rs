//! The functions of `jax.numpy` that are no methods of [`Tensor`], by their names and with its order of arguments.
//!
//! [`Tensor`] has what a program uses most (arithmetic, `sum`, `reshape`, `take`, ...); here is the rest. Everything has derivatives
//! where JAX's has, and batches under [`vmap`](crate::vmap). Names that are in both have more options here ([`sum`]'s mask, [`pad`]'s modes).
//!
//! ```
//! use raxla::{numpy as jnp, prelude::*};
//! let f = jit(|x: Tensor, y: Tensor| (jnp::trapezoid(y, x, -1), jnp::gradient(y, x, 0), jnp::interp(x * 0.5, x, y, Default::default())));
//! let x = Array::from_slice([3], &[0f32, 1., 2.])?;
//! let (area, slope, between) = f.call((&x, Array::from_slice([3], &[0f32, 1., 4.])?))?;
//! assert_eq!(area.item::<f32>()?, 3.0);
//! assert_eq!((slope.to_vec::<f32>()?, between.to_vec::<f32>()?), (vec![1., 2., 3.], vec![0., 0.5, 1.]));
//! # Ok::<(), raxla::Error>(())
//! ```
//! What is empty or depends on the data in size takes a `size`, as in `jax.numpy` under `jit`.
mod bits;
mod calculus;
mod elementwise;
mod grids;
mod joining;
mod matrices;
mod padding;
mod places;
mod polynomial;
mod products;
mod reductions;
mod sets;
mod statistics;

pub use bits::{BitOrder, frexp, ldexp, nextafter, packbits, signbit, spacing, unpackbits};
pub use calculus::{Interp, Mode, convolve, correlate, diff, ediff1d, gradient, interp, trapezoid, unwrap};
pub use elementwise::*;
pub(crate) use grids::linspace_between;
pub use grids::{
    arange, bartlett, blackman, geomspace, hamming, hanning, indices, ix_, kaiser, linspace, logspace, meshgrid, ogrid,
};
pub use joining::*;
pub use matrices::{
    diag, diag_indices, diagflat, diagonal, eye, fill_diagonal, identity, mask_indices, trace, tri, tril_indices,
    triu_indices, vander,
};
pub use padding::{PadMode, pad};
pub use places::*;
pub use polynomial::{poly, polyadd, polyder, polydiv, polyfit, polyint, polymul, polysub, polyval, roots};
pub use products::{Contraction, cross, dot, inner, kron, matvec, outer, tensordot, vdot, vecdot, vecmat};
pub use reductions::*;
pub use sets::*;
pub use statistics::*;

use crate::{aval::DType, trace::Tensor};
use bits::largest;

/// Floats as they are, everything else in f32.
fn float(x: Tensor) -> Tensor {
    if x.dtype().is_float() { x } else { x.cast(DType::F32) }
}
