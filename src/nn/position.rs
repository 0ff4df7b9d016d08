//! Positions that are added to the embeddings. (Those that turn queries and keys: [`rope`](super::rope).)
use crate::{
    aval::DType,
    host::Host,
    ops::shape::stack,
    prim::{literal, require_small},
    trace::{At, Tensor, fail},
};

/// Sines and cosines of growing wavelengths (Vaswani et al., 2017; arXiv 1706.03762, section 3.5): of position `p`, element
/// `2i` is `sin(p / 10000^(2i / d))` and element `2i + 1` its cosine.
///
/// `positions` is i32 `[t]`; returns f32 `[t, d]`.
///
/// # Errors
/// An odd `d`.
///
/// ```
/// use raxla::{nn, prelude::*};
/// let table = jit(|at: Tensor| nn::sinusoidal(at, 4)).call((Array::from_slice([2], &[0, 1])?,))?;
/// let [s, c, slow] = [1f32.sin(), 1f32.cos(), 0.01f32.sin()];
/// assert_eq!(table.to_vec::<f32>()?[..7], [0.0, 1.0, 0.0, 1.0, s, c, slow]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn sinusoidal(positions: Tensor, d: usize) -> Tensor {
    let _at = At::op("sinusoidal");
    let [t] = positions.shape();
    if d % 2 == 1 {
        fail(
            "sinusoidal",
            vec![positions.aval()],
            format!("the width {d} is odd: sines and cosines come in pairs"),
            Some("make it even".into()),
        )
    }
    require_small(d / 2);
    let rates = (0..d / 2).map(|i| 10000f64.powf(-2.0 * i as f64 / d as f64)).collect();
    let rates = literal(Host::floats(DType::F32, [d / 2], rates));
    let angles = positions.cast(DType::F32).expand_dims(-1) * rates.expand_dims(0);
    stack(&[angles.sin(), angles.cos()], -1).reshape([t, d])
}
