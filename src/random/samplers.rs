//! Distributions over floats, and choices.
use super::*;
use crate::{ops::where_, prim::nextafter};

pub(super) use crate::ir::formats::mantissa_bits;
/// The smallest number with a full mantissa.
pub(super) fn smallest_normal(dtype: DType) -> f64 {
    float_from_bits(dtype, 1 << mantissa_bits(dtype))
}
/// The next number above (or below) `x`, which is rounded to the dtype and must not be 0.
pub(super) fn beside(dtype: DType, x: f64, above: bool) -> f64 {
    let bits = float_bits(dtype, x);
    float_from_bits(dtype, if above == (x > 0.0) { bits + 1 } else { bits - 1 })
}
#[track_caller]
pub(super) fn require_float(op: &str, dtype: DType) {
    if !dtype.is_float() {
        let help = "ask for `DType::F32`, and convert the result with `.cast(..)`".to_string();
        fail(op, vec![], format!("{} is not a float", dtype.name()), Some(help));
    }
}
/// The f32 below 1 whose first binary places are these 64 bits.
fn fraction(high: Tensor, low: Tensor) -> Tensor {
    let (zeros, below) = (high.leading_zeros(), low.leading_zeros());
    let small = zeros.eq(32);
    // (a shift by 32 leaves nothing)
    let digits = (high << zeros) | where_(small, low << below, low >> (32 - zeros));
    let digits = (digits >> 8) & ((1 << 23) - 1);
    let exponent = (126 - where_(small, below + 32, zeros)) << 23;
    ((exponent & ((1 << 30) - (1 << 22))) | digits).bitcast(DType::F32)
}

impl Key {
    /// Floats uniform in `[low, high)`: numbers, or tensors that broadcast to `dims`.
    #[track_caller]
    pub fn uniform(self, dims: impl Into<Vec<usize>>, dtype: DType, low: impl Rhs, high: impl Rhs) -> Tensor {
        let _at = At::op("uniform");
        require_float("uniform", dtype);
        let dims = dims.into();
        let (width, mantissa) = (dtype.bits(), mantissa_bits(dtype));
        let drawn = if mantissa < 8 { 8 } else { width };
        let unsigned = |bits: usize| match bits {
            8 => DType::U8,
            16 => DType::U16,
            32 => DType::U32,
            _ => DType::U64,
        };
        // a random mantissa makes a number in [1, 2)
        let bits = self.bits(&*dims, unsigned(drawn)).cast(unsigned(width)) >> (drawn - mantissa);
        let unit = (bits | bits.like(float_bits(dtype, 1.0))).bitcast(dtype) - 1.0;
        let [low, high] = [low.beside(unit), high.beside(unit)].map(|t| t.broadcast_to(&*dims));
        (unit * (high - low) + low).maximum(low)
    }
    /// Floats of the normal distribution with mean 0 and variance 1; of a complex dtype, parts of variance 1/2.
    #[track_caller]
    pub fn normal(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("normal");
        if dtype.is_complex() {
            let dims = dims.into();
            let [re, im] = self.split().map(|key| key.normal(&*dims, dtype.real()));
            return crate::prim::complex(re, im) / std::f64::consts::SQRT_2;
        }
        require_float("normal", dtype);
        let u = self.uniform(dims, dtype, beside(dtype, -1.0, true), 1.0);
        u.erf_inv() * std::f64::consts::SQRT_2
    }
    /// Floats of the normal distribution with mean 0 and variance 1, given that they are in `(low, high)`: numbers, or tensors that
    /// broadcast to `dims`.
    #[track_caller]
    pub fn truncated_normal(self, dims: impl Into<Vec<usize>>, dtype: DType, low: impl Rhs, high: impl Rhs) -> Tensor {
        let _at = At::op("truncated_normal");
        require_float("truncated_normal", dtype);
        let root = full([], dtype, std::f64::consts::SQRT_2);
        let [low, high] = [low.beside(root), high.beside(root)].map(|bound| bound.cast(dtype));
        let [a, b] = [low, high].map(|bound| (bound / root).erf());
        let x = self.uniform(dims, dtype, a, b).erf_inv() * std::f64::consts::SQRT_2;
        // rounding must not reach the bounds
        let inside = |bound: Tensor, towards: f64| nextafter(bound.stop_gradient(), bound.like(towards));
        x.maximum(inside(low, f64::INFINITY)).minimum(inside(high, f64::NEG_INFINITY))
    }
    /// Floats of the exponential distribution with mean 1.
    #[track_caller]
    pub fn exponential(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("exponential");
        self.uniform(dims, dtype, 0.0, 1.0).neg().log1p().neg()
    }
    /// Floats of the standard Gumbel distribution: the largest of `logits + gumbel` is a choice with those logits.
    #[track_caller]
    pub fn gumbel(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("gumbel");
        require_float("gumbel", dtype);
        self.uniform(dims, dtype, smallest_normal(dtype), 1.0).log().neg().log().neg()
    }
    /// As [`Key::gumbel`], with twice the random bits: right also for events rarer than 1e-7 (JAX: `mode="high"`).
    #[track_caller]
    pub fn gumbel_precise(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("gumbel_precise");
        require_float("gumbel", dtype);
        let dims = dims.into();
        let mantissa = mantissa_bits(dtype) as i32;
        let [high, low] = self.uniform([&[2], &*dims].concat(), dtype, 0.0, 1.0).unstack();
        let offset = 2f64.powi(-2 * mantissa - 1).max(smallest_normal(dtype));
        let fine = high + low * 2f64.powi(-mantissa) + offset;
        // above one half the finer bits would round up to 1
        where_(high.ge(0.5), high, fine).neg().log1p().neg().log().neg()
    }
    /// As [`Key::gumbel`] in f32, with all of 64 random bits: right also for events rarer than 1e-13 (JAX: `mode="highest"`).
    #[track_caller]
    pub fn gumbel_highest(self, dims: impl Into<Vec<usize>>) -> Tensor {
        let _at = At::op("gumbel_highest");
        let [high, low] = self.bits([&[2], &*dims.into()].concat(), DType::U32).unstack();
        let small = high.lt(1u32 << 31);
        // of a number above one half, what it lacks to 1
        let (high_rest, low_rest) = (!high + low.eq(0).cast(DType::U32), !low + 1);
        let x = fraction(where_(small, high, high_rest), where_(small, low, low_rest));
        where_(small, x.neg().log1p().neg().log().neg(), x.log().neg().log().neg())
    }
    /// Bools, each true with probability `p`: a number, or floats that broadcast to `dims`.
    #[track_caller]
    pub fn bernoulli(self, dims: impl Into<Vec<usize>>, p: impl Rhs) -> Tensor {
        let _at = At::op("bernoulli");
        let p = p.beside(zeros([], DType::F32));
        self.uniform(dims, p.dtype(), 0.0, 1.0).lt(p)
    }

    /// Positions (i32) along an axis of `logits`, which disappears, each chosen with probability `softmax(logits)`.
    #[track_caller]
    pub fn categorical(self, logits: Tensor, axis: isize) -> Tensor {
        let _at = At::op("categorical");
        self.categorical_many([], logits, axis)
    }
    /// Independent choices as [`Key::categorical`] makes, in new leading axes of these sizes.
    #[track_caller]
    pub fn categorical_many(self, dims: impl Into<Vec<usize>>, logits: Tensor, axis: isize) -> Tensor {
        let _at = At::op("categorical");
        let (a, axis) = (logits.aval(), logits.axis(axis));
        let dims = dims.into();
        let noise = self.gumbel([&*dims, &a.dims].concat(), a.dtype);
        (noise + logits).argmax((dims.len() + axis) as isize)
    }
    /// `k` different positions (i32) along an axis of `logits`, which disappears; they stand in a new leading axis.
    #[track_caller]
    pub fn categorical_distinct(self, k: usize, logits: Tensor, axis: isize) -> Tensor {
        let _at = At::op("categorical_distinct");
        let noisy = self.gumbel(logits.dims(), logits.dtype()) + logits;
        let (_, positions) = noisy.move_axis(axis, -1).top_k(k);
        positions.move_axis(-1, 0)
    }
}
