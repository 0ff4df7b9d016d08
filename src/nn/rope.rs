//! Rotary position embeddings (Su et al., 2021; arXiv 2104.09864) and the ways to stretch them to longer contexts.
//!
//! Pairs are `(i, i + k/2)`, as Hugging Face and GPT-NeoX lay them out. Formulas and constants are those of
//! `transformers.modeling_rope_utils`.
use crate::{
    aval::DType,
    host::Host,
    ops::shape::concat,
    ops::where_,
    prim::{self, literal},
    refusal::Refusal,
    trace::{At, Tensor, refuse},
};
use std::f64::consts::PI;

/// How frequencies are changed for contexts longer than the model was pre-trained on.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Unchanged.
    Default,
    /// All positions divided by `factor` (Chen et al., 2023; arXiv 2306.15595).
    Linear {
        /// How many times longer.
        factor: f64,
    },
    /// The base grows with the length of the sequence, once longer than `original` (NTK-aware).
    Dynamic {
        /// How many times longer.
        factor: f64,
        /// Context length of pre-training.
        original_max_position_embeddings: usize,
    },
    /// High frequencies kept, low ones divided by `factor`, a ramp between (Peng et al., 2023; arXiv 2309.00071).
    Yarn {
        /// How many times longer.
        factor: f64,
        /// Context length of pre-training.
        original_max_position_embeddings: usize,
        /// Rotations within `original` above which a frequency is kept.
        beta_fast: f64,
        /// Rotations within `original` below which a frequency is divided.
        beta_slow: f64,
        /// Factor on queries and keys; computed from `factor` when `None`.
        attention_factor: Option<f64>,
        /// Weight of the attention temperature (DeepSeek's variant).
        mscale: Option<f64>,
        /// As `mscale`, over all dimensions.
        mscale_all_dim: Option<f64>,
        /// Round the ramp's ends to whole dimensions.
        truncate: bool,
    },
    /// Long wavelengths divided by `factor`, short ones kept, a ramp between (LLaMA 3.1).
    Llama3 {
        /// How many times longer.
        factor: f64,
        /// Wavelengths above `original / low_freq_factor` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// Context length of pre-training.
        original_max_position_embeddings: usize,
    },
    /// A factor per frequency, one set for short and one for long sequences (Ding et al., 2024; arXiv 2402.13753).
    LongRope {
        /// Divisors up to `original`.
        short_factor: Vec<f32>,
        /// Divisors beyond.
        long_factor: Vec<f32>,
        /// Context length of pre-training.
        original_max_position_embeddings: usize,
        /// Factor on queries and keys; computed from the ratio of lengths when `None`.
        attention_factor: Option<f64>,
        /// The ratio of the contexts, for `attention_factor`.
        factor: Option<f64>,
    },
    /// A divisor for each frequency, as GGUF files store the outcome of the LLaMA 3 formula.
    Divisors(Vec<f32>),
}

impl RopeScaling {
    /// The lists with a number for each pair of dimensions that is turned, and their names.
    pub fn divisors(&self) -> Vec<(&'static str, &[f32])> {
        match self {
            RopeScaling::LongRope { short_factor, long_factor, .. } => {
                vec![("short_factor", short_factor), ("long_factor", long_factor)]
            }
            RopeScaling::Divisors(factors) => vec![("factors", factors)],
            _ => vec![],
        }
    }
}

fn divide(frequencies: &[f64], by: &[f32]) -> Vec<f64> {
    frequencies.iter().zip(by).map(|(f, d)| f / *d as f64).collect()
}

/// Rotary embeddings of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Number of rotated dimensions of a head (even).
    pub dim: usize,
    /// Base of the wavelengths: 10000 in the paper.
    pub theta: f64,
    /// Stretching.
    pub scaling: RopeScaling,
}

/// Cosines and sines of some positions, `[t, dim]` each, or `[b, t, dim]` where rows have their own: what [`Rotation::apply`] turns queries and keys by.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// The rotations of positions `positions` (i32 `[t]`, or `[b, t]`) in a sequence that is `length` long: an i32 scalar, or one for
    /// each position.
    #[track_caller]
    pub fn rotations(&self, positions: Tensor, length: Tensor) -> Rotation {
        let _at = At::op("Rope::rotations");
        self.check().unwrap_or_else(|why| refuse("Rope::rotations", vec![positions.aval(), length.aval()], why));
        let frequencies = self.frequencies(if length.rank() > 1 { length.reshape([length.size()]) } else { length });
        let dims = [&positions.dims()[..], &[self.dim / 2]].concat();
        let own = dims.len() > 2 && frequencies.dim(0) > 1;
        let frequencies = if own { frequencies.reshape(dims) } else { frequencies };
        let half = positions.cast(DType::F32).expand_dims(-1) * frequencies;
        let angles = concat(&[half, half], -1);
        let scale = self.attention_factor();
        // (without the fence, XLA's CPU compiler computes sines and cosines again in each layer, for each head)
        let [cos, sin] = prim::optimization_barrier([angles.cos() * scale, angles.sin() * scale]);
        Rotation { cos, sin }
    }

    /// Dimensions are turned in pairs, and lists of divisors have a number for each.
    fn check(&self) -> Result<(), Refusal> {
        if self.dim == 0 || !self.dim.is_multiple_of(2) {
            return Err(Refusal::new(format!("{} dimensions are not pairs", self.dim)).help("give an even `dim`"));
        }
        match self.scaling.divisors().into_iter().find(|(_, list)| list.len() != self.dim / 2) {
            None => Ok(()),
            Some((name, list)) => {
                let (have, want) = (list.len(), self.dim / 2);
                let reason = format!("`{name}` has {have} numbers, but {want} pairs of dimensions are turned");
                Err(Refusal::new(reason).help(format!("give {want} numbers, or a `dim` of {}", 2 * have)))
            }
        }
    }

    /// Radians per position of each pair of dimensions, f32 `[t, dim / 2]`, or `[1, dim / 2]` where all positions have the same.
    fn frequencies(&self, length: Tensor) -> Tensor {
        let constant = |v: Vec<f64>| literal(Host::floats(DType::F32, [v.len()], v)).expand_dims(0);
        prim::require_small(self.dim / 2);
        let all = [length.dims().first().copied().unwrap_or(1), self.dim / 2];
        let length = length.reshape([all[0], 1]);
        let plain = self.plain();
        match &self.scaling {
            RopeScaling::Default => constant(plain),
            RopeScaling::Linear { factor } => constant(plain.into_iter().map(|f| f / factor).collect()),
            RopeScaling::Dynamic { factor, original_max_position_embeddings: original } => {
                let length = length.cast(DType::F32).maximum(*original as f64);
                let grown = length * (*factor / *original as f64) - (factor - 1.0);
                let base = grown.pow(self.dim as f64 / (self.dim as f64 - 2.0)) * self.theta;
                let exponents = (0..self.dim / 2).map(|i| -2.0 * i as f64 / self.dim as f64).collect();
                prim::pow(base.broadcast_to(all), constant(exponents).broadcast_to(all))
            }
            RopeScaling::Yarn { factor, .. } => {
                let (low, high) = self.yarn_ramp();
                let blend = |(i, f): (usize, f64)| {
                    let ramp = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    f / factor * ramp + f * (1.0 - ramp)
                };
                constant(plain.into_iter().enumerate().map(blend).collect())
            }
            RopeScaling::Divisors(by) => constant(divide(&plain, by)),
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings: original,
            } => {
                let original = *original as f64;
                let blend = |f: f64| {
                    let wavelength = 2.0 * PI / f;
                    let smooth = (original / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    match wavelength {
                        w if w < original / high_freq_factor => f,
                        w if w > original / low_freq_factor => f / factor,
                        _ => (1.0 - smooth) * f / factor + smooth * f,
                    }
                };
                constant(plain.into_iter().map(blend).collect())
            }
            RopeScaling::LongRope { short_factor, long_factor, original_max_position_embeddings: original, .. } => {
                let divided = |by: &[f32]| constant(divide(&plain, by)).broadcast_to(all);
                where_(length.gt(*original).broadcast_to(all), divided(long_factor), divided(short_factor))
            }
        }
    }

    /// The frequencies before stretching: θ^(-2i / dim).
    fn plain(&self) -> Vec<f64> {
        (0..self.dim / 2).map(|i| self.theta.powf(-2.0 * i as f64 / self.dim as f64)).collect()
    }

    /// Between which pairs of dimensions YaRN goes from keeping to dividing.
    fn yarn_ramp(&self) -> (f64, f64) {
        let RopeScaling::Yarn { original_max_position_embeddings: original, beta_fast, beta_slow, truncate, .. } =
            self.scaling
        else {
            return (0.0, 0.0);
        };
        let dim = self.dim as f64;
        let at = |rotations: f64| dim * (original as f64 / (rotations * 2.0 * PI)).ln() / (2.0 * self.theta.ln());
        let (mut low, mut high) = (at(beta_fast), at(beta_slow));
        if truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, mut high) = (low.max(0.0), high.min(dim - 1.0));
        if low == high {
            high += 0.001; // as transformers: no division by zero
        }
        (low, high)
    }

    /// The factor on cosines and sines.
    fn attention_factor(&self) -> f64 {
        let temperature = |scale: f64, m: f64| if scale <= 1.0 { 1.0 } else { 0.1 * m * scale.ln() + 1.0 };
        match &self.scaling {
            RopeScaling::Yarn { attention_factor: Some(a), .. }
            | RopeScaling::LongRope { attention_factor: Some(a), .. } => *a,
            RopeScaling::Yarn { factor, mscale: Some(m), mscale_all_dim: Some(all), .. } => {
                temperature(*factor, *m) / temperature(*factor, *all)
            }
            RopeScaling::Yarn { factor, .. } => temperature(*factor, 1.0),
            RopeScaling::LongRope { factor: Some(factor), original_max_position_embeddings: original, .. }
                if *factor > 1.0 =>
            {
                (1.0 + factor.ln() / (*original as f64).ln()).sqrt()
            }
            _ => 1.0,
        }
    }
}

impl Rotation {
    /// The first where the scalar bool holds, else the second; both turn the same number of dimensions.
    #[track_caller]
    pub fn select(condition: Tensor, yes: Rotation, no: Rotation) -> Rotation {
        let _at = At::op("Rotation::select");
        Rotation { cos: where_(condition, yes.cos, no.cos), sin: where_(condition, yes.sin, no.sin) }
    }
    /// The one that turns nothing.
    #[track_caller]
    pub fn identity(self) -> Rotation {
        Rotation { cos: self.cos.like(1.0), sin: self.sin.like(0.0) }
    }
    /// Turn queries or keys `[b, t, heads, k]`; dimensions of a head beyond the rotated ones stay as they are.
    #[track_caller]
    pub fn apply(self, x: Tensor) -> Tensor {
        let _at = At::op("Rotation::apply");
        let (dim, k) = (self.cos.dim(-1), x.dim(-1));
        let part = if dim == k { x } else { x.slice_axis(-1, 0..dim) };
        let wide = part.cast(DType::F32);
        let swapped = concat(&[wide.slice_axis(-1, dim / 2..dim).neg(), wide.slice_axis(-1, 0..dim / 2)], -1);
        let dims = self.cos.dims();
        let over_heads = |a: Tensor| a.reshape([&dims[..dims.len() - 1], &[1, dim]].concat());
        let turned = (wide * over_heads(self.cos) + swapped * over_heads(self.sin)).cast(x.dtype());
        if dim == k { turned } else { concat(&[turned, x.slice_axis(-1, dim..k)], -1) }
    }
}
