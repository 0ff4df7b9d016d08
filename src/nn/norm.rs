//! Normalization over the last axis, computed in f32 at least, as transformers does.
use super::Roles;
use crate::{
    aval::DType,
    parallel::{fsdp, tensor},
    param::Param,
    trace::{At, Tensor},
    tree::Tree,
};

/// In f32, or f64 if it is.
pub(super) fn wide(x: Tensor) -> Tensor {
    if x.dtype() == DType::F64 { x } else { x.cast(DType::F32) }
}

/// Layer normalization (Ba et al., 2016; arXiv 1607.06450): `(x - mean) / √(variance + ε) · gain + bias`.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct LayerNorm<T = Tensor> {
    /// Scale, `[d]`.
    pub gain: T,
    /// Offset, `[d]`.
    pub bias: T,
    /// ε, added to the variance.
    #[tree(skip)]
    pub eps: f32,
}
impl LayerNorm<Param> {
    /// Over `d` features, with ε of 1e-6.
    pub fn spec(d: usize) -> LayerNorm<Param> {
        let p = Param::new([d], ["embed"]);
        LayerNorm { gain: p.clone().ones(), bias: p, eps: 1e-6 }
    }
}
impl LayerNorm {
    /// Normalize `x` of shape `[.., d]`.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("LayerNorm::call");
        let wide = wide(x);
        let centered = wide - wide.mean_keep(-1);
        let scale = ((centered * centered).mean_keep(-1) + self.eps).rsqrt();
        let [gain, bias] = [self.gain, self.bias].map(|t| fsdp::whole(t, &["embed"]).cast(wide.dtype()));
        let y = centered * scale * gain + bias;
        y.cast(x.dtype())
    }
}

/// Root-mean-square normalization (Zhang and Sennrich, 2019; arXiv 1910.07467): `x / √(mean(x²) + ε) · gain`, with the mean
/// over the axes of the gain: of the stream, of one head, or of all heads together (OLMo 2), also where devices have some of them.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct RmsNorm<T = Tensor> {
    /// Scale, `[d]`, or `[heads, k]`.
    pub gain: T,
    /// Roles of its axes.
    #[tree(skip)]
    pub roles: Roles,
    /// ε, added to the mean square.
    #[tree(skip)]
    pub eps: f32,
    /// How the gain is applied.
    #[tree(skip)]
    pub gains: Gains,
}

/// How [`RmsNorm`] applies its gain. In f32 the first two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gains {
    /// After rounding to the dtype of `x` (LLaMA).
    Rounded,
    /// Before rounding (OLMo 2, GPT-OSS).
    Wide,
    /// As `1 + gain`, before rounding (Gemma).
    Centered,
}
impl<T> RmsNorm<T> {
    /// Over the stream, `[.., d]`, as in LLaMA.
    pub fn new(gain: T, eps: f32) -> RmsNorm<T> {
        RmsNorm { gain, roles: vec!["embed"], eps, gains: Gains::Rounded }
    }
}
impl RmsNorm<Param> {
    /// Over `d` features, with ε of 1e-6.
    pub fn spec(d: usize) -> RmsNorm<Param> {
        RmsNorm::new(Param::new([d], ["embed"]).ones(), 1e-6)
    }
}
impl RmsNorm {
    /// Normalize `x`, whose last axes are those of the gain.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("RmsNorm::call");
        let wide = wide(x);
        let y = wide * (tensor::mean_over(wide * wide, &self.roles, self.gain) + self.eps).rsqrt();
        let gain = fsdp::whole(self.gain, &self.roles);
        match self.gains {
            Gains::Rounded => gain * y.cast(x.dtype()),
            Gains::Wide => (y * gain.cast(wide.dtype())).cast(x.dtype()),
            Gains::Centered => (y * (gain.cast(wide.dtype()) + 1.0)).cast(x.dtype()),
        }
    }
}

/// One or the other.
#[derive(Tree, Clone, Debug, PartialEq)]
pub enum Norm<T = Tensor> {
    /// Layer normalization.
    Layer(LayerNorm<T>),
    /// Root-mean-square normalization.
    Rms(RmsNorm<T>),
}
impl Norm {
    /// Normalize the stream, `[.., d]`.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        match self {
            Norm::Layer(norm) => norm.call(x),
            Norm::Rms(norm) => norm.call(x),
        }
    }
}
