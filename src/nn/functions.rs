//! The functions of `jax.nn` that no model here uses.
//!
//! ```
//! use raxla::{nn, prelude::*};
//! let f = jit(|x: Tensor| (nn::leaky_relu(x, 0.01), nn::elu(x, 1.0), nn::glu(x, -1), nn::standardize(x, -1, 1e-5)));
//! let (leaky, ..) = f.call((Array::from_slice([2], &[-1f32, 2.])?,))?;
//! assert_eq!(leaky.to_vec::<f32>()?, [-0.01, 2.0]);
//! # Ok::<(), raxla::Error>(())
//! ```
use super::softplus;
use crate::{
    ops::{reduce::Axes, where_},
    prim::composite_jvp,
    trace::{At, Tensor},
};

macro_rules! functions {
    ($($(#[$doc:meta])* $f:ident($x:ident $(, $a:ident: $t:ty)*) => $e:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f($x: Tensor $(, $a: $t)*) -> Tensor {
            let _at = At::op(stringify!($f));
            $e
        }
    )*};
}
functions! {
    /// x where it is above 0, else α(eˣ - 1) (Clevert et al., 2015; arXiv 1511.07289). JAX's α is 1.
    elu(x, alpha: f64) => where_(x.gt(0.0), x, where_(x.gt(0.0), x.like(0.0), x).expm1() * alpha);
    /// x where it is above 0, else α(e^(x/α) - 1) (Barron, 2017; arXiv 1704.07483). JAX's α is 1.
    celu(x, alpha: f64) => where_(x.gt(0.0), x, (where_(x.gt(0.0), x.like(0.0), x) / alpha).expm1() * alpha);
    /// [`elu`] with the factors for which means and variances stay (Klambauer et al., 2017; arXiv 1706.02515).
    selu(x) => elu(x, 1.673_263_242_354_377_2) * 1.050_700_987_355_480_5;
    /// x where it is at least 0, else a share of it. JAX's share is 0.01.
    leaky_relu(x, slope: f64) => where_(x.ge(0.0), x, x * slope);
    /// x limited to 0 to 6. The derivative at both ends is 0.
    relu6(x) => {
        let rule = |x: Tensor, dx: Tensor| (x.clip(0.0, 6.0), where_(x.gt(0.0) & x.lt(6.0), dx, 0.0));
        composite_jvp(|x: Tensor| x.clip(0.0, 6.0), rule)(x)
    };
    /// (x + 3) / 6, limited to 0 to 1.
    hard_sigmoid(x) => relu6(x + 3.0) / 6.0;
    /// x times [`hard_sigmoid`]; also called hard swish.
    hard_silu(x) => x * hard_sigmoid(x);
    /// x limited to -1 to 1.
    hard_tanh(x) => where_(x.gt(1.0), x.like(1.0), where_(x.lt(-1.0), x.like(-1.0), x));
    /// ln(1 / (1 + e⁻ˣ)).
    log_sigmoid(x) => -softplus(-x);
    /// x times the hyperbolic tangent of ln(1 + eˣ) (Misra, 2019; arXiv 1908.08681).
    mish(x) => x * softplus(x).tanh();
    /// x / (1 + |x|).
    soft_sign(x) => x / (x.abs() + 1.0);
    /// 0 below -1, x above 1, and (x + 1)² / 4 between.
    sparse_plus(x) => where_(x.le(-1.0), x.like(0.0), where_(x.ge(1.0), x, (x + 1.0).powi(2) / 4.0));
    /// 0 below -1, 1 above 1, and (x + 1) / 2 between.
    sparse_sigmoid(x) => ((x + 1.0) * 0.5).clip(0.0, 1.0);
    /// (x + √(x² + b)) / 2 (Barron, 2021; arXiv 2112.11687). JAX's b is 4.
    squareplus(x, b: f64) => (x + (x * x + b).sqrt()) * 0.5;
    /// The one half of an axis times the logistic function of the other (Dauphin et al., 2016; arXiv 1612.08083).
    glu(x, axis: isize) => {
        let halves = x.split(axis, 2);
        halves[0] * halves[1].logistic()
    };
    /// ln(1 - e⁻ˣ) for x above 0, accurate near 0 and far from it.
    log1mexp(x) => {
        let near = x.lt(std::f64::consts::LN_2);
        let [a, b] = [where_(near, x, x.like(1.0)), where_(near, x.like(1.0), x)];
        where_(near, (-(-a).expm1()).log(), (-(-b).exp()).log1p())
    };
}
/// ln of the mean of eˣ over axes, without overflow.
#[track_caller]
pub fn logmeanexp(x: Tensor, axes: impl Into<Axes>) -> Tensor {
    let _at = At::op("logmeanexp");
    let axes = axes.into();
    let y = x.logsumexp(axes);
    y - (x.size() as f64 / y.size().max(1) as f64).ln()
}
/// The distance from the mean over axes, divided by the root of the variance plus ε. JAX's ε is 1e-5.
#[track_caller]
pub fn standardize(x: Tensor, axes: impl Into<Axes>, eps: f64) -> Tensor {
    let _at = At::op("standardize");
    let axes = axes.into();
    let centred = x - x.mean_keep(axes.clone());
    let var = ((x * x).mean_keep(axes.clone()) - x.mean_keep(axes).powi(2)).maximum(0.0);
    centred * (var + eps).rsqrt()
}
/// x itself.
pub fn identity(x: Tensor) -> Tensor {
    x
}
