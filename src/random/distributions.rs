//! Distributions over floats that are functions of uniform and normal numbers, with the formulas of `jax.random`.
use super::{samplers::*, *};
use crate::ops::where_;
use std::f64::consts::PI;

/// A parameter, of the result's dtype and broadcast to its shape.
#[track_caller]
pub(super) fn parameter(x: impl Rhs, dims: &[usize], dtype: DType) -> Tensor {
    x.beside(zeros([], dtype)).cast(dtype).broadcast_to(dims)
}

impl Key {
    /// Floats of the Cauchy distribution.
    #[track_caller]
    pub fn cauchy(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("cauchy");
        require_float("cauchy", dtype);
        let least = 2f64.powi(-(mantissa_bits(dtype) as i32));
        ((self.uniform(dims, dtype, least, 1.0) - 0.5) * PI).tan()
    }
    /// Floats of the Laplace distribution with density e^-|x| / 2.
    #[track_caller]
    pub fn laplace(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("laplace");
        require_float("laplace", dtype);
        let u = self.uniform(dims, dtype, beside(dtype, -1.0, true), 1.0);
        u.sign() * u.abs().neg().log1p()
    }
    /// Floats of the standard logistic distribution.
    #[track_caller]
    pub fn logistic(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("logistic");
        require_float("logistic", dtype);
        let u = self.uniform(dims, dtype, smallest_normal(dtype), 1.0);
        u.log() - u.neg().log1p()
    }
    /// Floats whose logarithms are normal with mean 0 and standard deviation `sigma`, which broadcasts to `dims`.
    #[track_caller]
    pub fn lognormal(self, dims: impl Into<Vec<usize>>, dtype: DType, sigma: impl Rhs) -> Tensor {
        let _at = At::op("lognormal");
        let dims = dims.into();
        let sigma = parameter(sigma, &dims, dtype);
        (self.normal(dims, dtype) * sigma).exp()
    }
    /// Floats of the Maxwell distribution: lengths of normal vectors in three dimensions.
    #[track_caller]
    pub fn maxwell(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("maxwell");
        let x = self.normal([&dims.into()[..], &[3]].concat(), dtype);
        (x * x).sum(-1).sqrt()
    }
    /// Floats of the Maxwell distribution with either sign, times `scale`, plus `loc`.
    #[track_caller]
    pub fn double_sided_maxwell(
        self,
        dims: impl Into<Vec<usize>>,
        dtype: DType,
        loc: impl Rhs,
        scale: impl Rhs,
    ) -> Tensor {
        let _at = At::op("double_sided_maxwell");
        let dims = dims.into();
        let [length, sign] = self.split();
        let (loc, scale) = (parameter(loc, &dims, dtype), parameter(scale, &dims, dtype));
        sign.rademacher(&*dims, dtype) * length.maxwell(&*dims, dtype) * scale + loc
    }
    /// 1 or -1 with equal probability, of any dtype with a sign.
    #[track_caller]
    pub fn rademacher(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("rademacher");
        self.bernoulli(dims, 0.5).cast(dtype) * 2 - 1
    }
    /// Floats of the Pareto distribution of shape `b`, which broadcasts to `dims`: from 1, with density b / xᵇ⁺¹.
    #[track_caller]
    pub fn pareto(self, dims: impl Into<Vec<usize>>, dtype: DType, b: impl Rhs) -> Tensor {
        let _at = At::op("pareto");
        let dims = dims.into();
        let b = parameter(b, &dims, dtype);
        (self.exponential(dims, dtype) / b).exp()
    }
    /// Floats of the Rayleigh distribution: lengths of normal vectors in two dimensions, times `scale`, which broadcasts to `dims`.
    #[track_caller]
    pub fn rayleigh(self, dims: impl Into<Vec<usize>>, dtype: DType, scale: impl Rhs) -> Tensor {
        let _at = At::op("rayleigh");
        let dims = dims.into();
        let scale = parameter(scale, &dims, dtype);
        scale * (self.uniform(dims, dtype, 0.0, 1.0).log() * -2.0).sqrt()
    }
    /// Floats of the Weibull distribution of this scale and concentration, which broadcast to `dims`.
    #[track_caller]
    pub fn weibull_min(
        self,
        dims: impl Into<Vec<usize>>,
        dtype: DType,
        scale: impl Rhs,
        concentration: impl Rhs,
    ) -> Tensor {
        let _at = At::op("weibull_min");
        let dims = dims.into();
        let (scale, shape) = (parameter(scale, &dims, dtype), parameter(concentration, &dims, dtype));
        self.exponential(dims, dtype).pow(1.0 / shape) * scale
    }
    /// Floats of the inverse Gaussian distribution with this mean, which broadcasts to `dims`, and scale 1.
    #[track_caller]
    pub fn wald(self, dims: impl Into<Vec<usize>>, dtype: DType, mean: impl Rhs) -> Tensor {
        let _at = At::op("wald");
        let dims = dims.into();
        let [normal, uniform] = self.split();
        let mean = parameter(mean, &dims, dtype);
        let y = normal.normal(&*dims, dtype).powi(2);
        let z = uniform.uniform(&*dims, dtype, 0.0, 1.0);
        let square = mean.powi(2);
        let root = (mean * 4.0 * y + square * y.powi(2)).sqrt();
        let x = mean + square * y / 2.0 - mean / 2.0 * root;
        where_(z.le(mean / (mean + x)), x, square / x)
    }
    /// Floats of the triangular distribution between `left` and `right` with its peak at `mode`; all broadcast to `dims`.
    #[track_caller]
    pub fn triangular(
        self,
        dims: impl Into<Vec<usize>>,
        dtype: DType,
        left: impl Rhs,
        mode: impl Rhs,
        right: impl Rhs,
    ) -> Tensor {
        let _at = At::op("triangular");
        let dims = dims.into();
        let (left, mode) = (parameter(left, &dims, dtype), parameter(mode, &dims, dtype));
        let right = parameter(right, &dims, dtype);
        let u = self.uniform(&*dims, dtype, 0.0, 1.0);
        let below = left + (u * (right - left) * (mode - left)).sqrt();
        let above = right - ((1.0 - u) * (right - left) * (right - mode)).sqrt();
        where_(u.lt((mode - left) / (right - left)), below, above)
    }
    /// Vectors `[.., n]` of the normal distribution with mean `[.., n]` and covariance `[.., n, n]`, by its Cholesky decomposition: f32
    /// or f64, NaN where the covariance is not positive definite. The axes in front of both broadcast to `dims`.
    #[track_caller]
    pub fn multivariate_normal(self, dims: impl Into<Vec<usize>>, mean: Tensor, cov: Tensor) -> Tensor {
        let _at = At::op("multivariate_normal");
        let dims = dims.into();
        let n = mean.dims().last().copied().unwrap_or(0);
        if mean.rank() == 0 || cov.rank() < 2 || cov.dims()[cov.rank() - 2..] != [n, n] {
            let help = "of a mean `[.., n]` the covariance is `[.., n, n]`";
            fail("multivariate_normal", vec![mean.aval(), cov.aval()], "they do not fit", Some(help.into()))
        }
        let x = self.normal([&dims[..], &[n]].concat(), mean.dtype());
        mean + crate::linalg::cholesky(cov).matmul(x.expand_dims(-1)).squeeze(-1)
    }
    /// Matrices `[.., n, m]` with orthonormal columns (rows, if there are fewer), uniform among all: f32 or f64.
    #[track_caller]
    pub fn orthogonal(self, dims: impl Into<Vec<usize>>, dtype: DType, n: usize, m: usize) -> Tensor {
        let _at = At::op("orthogonal");
        let (q, r) = crate::linalg::qr(self.normal([&dims.into()[..], &[n.max(m), n.min(m)]].concat(), dtype), false);
        let x = q * crate::linalg::diagonal(r).sign().expand_dims(-2);
        if n < m { x.swap_axes(-1, -2) } else { x }
    }
}
