//! Normalization over the last axis, computed in f32 whatever the dtype, as transformers does.
use crate::{
    aval::DType,
    trace::{At, Tensor},
    tree::Tree,
};

/// Layer normalization (Ba et al., 2016; arXiv 1607.06450): `(x - mean) / √(variance + ε) · gain + bias`.
#[derive(Tree, Clone, Debug)]
pub struct LayerNorm<T = Tensor> {
    /// Scale, `[d]`.
    pub gain: T,
    /// Offset, `[d]`.
    pub bias: T,
    /// ε, added to the variance.
    #[tree(skip)]
    pub eps: f32,
}
impl LayerNorm {
    /// Normalize `x` of shape `[.., d]`.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::caller();
        let wide = x.cast(DType::F32);
        let centered = wide - wide.mean_keep(-1);
        let scale = ((centered * centered).mean_keep(-1) + self.eps).rsqrt();
        let y = centered * scale * self.gain.cast(DType::F32) + self.bias.cast(DType::F32);
        y.cast(x.dtype())
    }
}

/// Root-mean-square normalization (Zhang and Sennrich, 2019; arXiv 1910.07467): `x / √(mean(x²) + ε) · gain`.
#[derive(Tree, Clone, Debug)]
pub struct RmsNorm<T = Tensor> {
    /// Scale, `[d]`.
    pub gain: T,
    /// ε, added to the mean square.
    #[tree(skip)]
    pub eps: f32,
    /// Is the scale `1 + gain`, applied before rounding to the dtype of `x` (Gemma)?
    #[tree(skip)]
    pub centered: bool,
}
impl RmsNorm {
    /// Normalize `x` of shape `[.., d]`.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::caller();
        let wide = x.cast(DType::F32);
        let y = wide * ((wide * wide).mean_keep(-1) + self.eps).rsqrt();
        match self.centered {
            true => (y * (self.gain.cast(DType::F32) + 1.0)).cast(x.dtype()),
            false => self.gain * y.cast(x.dtype()),
        }
    }
}
