//! Activation functions.
use crate::{
    ops::where_,
    prim::composite_jvp,
    random::Key,
    trace::{At, Tensor, fail},
};
use std::{f64::consts, str::FromStr};

/// x · Φ(x), with Φ the normal distribution function (Hendrycks and Gimpel, 2016; arXiv 1606.08415).
#[track_caller]
pub fn gelu(x: Tensor) -> Tensor {
    let _at = At::op("gelu");
    // (not 1 + erf, which loses all digits of large negative numbers)
    x * 0.5 * (x * -consts::FRAC_1_SQRT_2).erfc()
}
/// The tanh approximation of [`gelu`]: GPT-2's `gelu_new`.
#[track_caller]
pub fn gelu_tanh(x: Tensor) -> Tensor {
    let _at = At::op("gelu_tanh");
    let inner = (x + x * x * x * 0.044715) * (2.0 / consts::PI).sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}
/// x · sigmoid(x), also called swish (Ramachandran et al., 2017; arXiv 1710.05941).
#[track_caller]
pub fn silu(x: Tensor) -> Tensor {
    let _at = At::op("silu");
    x * x.logistic()
}
/// Zeros, with probability `rate` for each element, and the others divided by `1 - rate`, so that the mean stays. In a loss the
/// key is used once more, [`Key::again`]; without dropout, at inference, this is not called. Flax: `nnx.Dropout`.
///
/// # Errors
/// A rate outside of 0 to 1.
#[track_caller]
pub fn dropout(x: Tensor, rate: f64, key: Key) -> Tensor {
    let _at = At::caller();
    if !(0.0..=1.0).contains(&rate) {
        let help = "it is the probability with which an element becomes zero".to_string();
        fail("dropout", vec![x.aval()], format!("the rate {rate} is not from 0 to 1"), Some(help))
    }
    match rate {
        0.0 => x,
        1.0 => x.like(0),
        _ => where_(key.bernoulli(x.dims(), 1.0 - rate), x / (1.0 - rate), 0.0),
    }
}
/// [`dropout`] as a layer. Flax: `nnx.Dropout`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The probability of zeros.
    pub rate: f64,
}
impl Dropout {
    /// With a key, to train, [`dropout`]; without one, `x` itself.
    #[track_caller]
    pub fn call(self, x: Tensor, key: Option<Key>) -> Tensor {
        key.map_or(x, |key| dropout(x, self.rate, key))
    }
}
/// max(x, 0). The derivative at 0 is 0, as in JAX (that of `maximum` is one half).
#[track_caller]
pub fn relu(x: Tensor) -> Tensor {
    let _at = At::op("relu");
    let rule = |x: Tensor, dx: Tensor| (x.maximum(0.0), where_(x.gt(0.0), dx, 0.0));
    composite_jvp(|x: Tensor| x.maximum(0.0), rule)(x)
}
/// ln(1 + eˣ)
#[track_caller]
pub fn softplus(x: Tensor) -> Tensor {
    x.logaddexp(0.0)
}

/// An activation function by its Hugging Face name (`hidden_act`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Activation {
    Gelu,
    GeluTanh,
    QuickGelu,
    Silu,
    Relu,
    Relu2,
    Tanh,
    Sigmoid,
}
impl Activation {
    /// Apply it.
    #[track_caller]
    pub fn call(self, x: Tensor) -> Tensor {
        let _at = At::op("Activation::call");
        match self {
            Activation::Gelu => gelu(x),
            Activation::GeluTanh => gelu_tanh(x),
            Activation::QuickGelu => x * (x * 1.702).logistic(),
            Activation::Silu => silu(x),
            Activation::Relu => relu(x),
            Activation::Relu2 => relu(x).powi(2),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => x.logistic(),
        }
    }
}

/// How the hidden units of an MLP are made of its gate and its linear part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Glu {
    /// act(gate) · up; without a gate, act(up).
    Act(Activation),
    /// gate · sigmoid(α · gate) · (up + 1), of a gate of at most `limit` and an `up` within ± `limit` (GPT-OSS).
    Clamped {
        /// α
        alpha: f64,
        /// The largest gate.
        limit: f64,
    },
}
impl Glu {
    /// Apply it.
    #[track_caller]
    pub fn call(self, gate: Option<Tensor>, up: Tensor) -> Tensor {
        let _at = At::op("Glu::call");
        match (self, gate) {
            (Glu::Act(act), Some(gate)) => act.call(gate) * up,
            (Glu::Act(act), None) => act.call(up),
            (Glu::Clamped { alpha, limit }, gate) => {
                let (gate, up) = (gate.unwrap_or(up).minimum(limit), up.maximum(-limit).minimum(limit));
                (up + 1.0) * (gate * (gate * alpha).logistic())
            }
        }
    }
}

impl FromStr for Activation {
    type Err = String;
    fn from_str(s: &str) -> Result<Activation, String> {
        Ok(match s {
            "gelu" | "gelu_python" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh" => Activation::GeluTanh,
            "quick_gelu" => Activation::QuickGelu,
            "silu" | "swish" => Activation::Silu,
            "relu" => Activation::Relu,
            "relu2" => Activation::Relu2,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            _ => {
                return Err(format!(
                    "unknown activation `{s}`; known: gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, silu, relu, relu2, tanh, sigmoid"
                ));
            }
        })
    }
}
