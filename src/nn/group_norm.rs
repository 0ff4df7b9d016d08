//! Normalization over other axes than the last, and of weights. Computed in f32 at least.
use super::norm::wide;
use crate::{
    ops::reduce::Axes,
    param::Param,
    trace::{At, Tensor, fail},
    tree::Tree,
};

/// Over these axes of `x`: its distance from the mean, divided by the root of the variance plus ε.
fn standardized(x: Tensor, axes: &[isize], eps: f64) -> Tensor {
    let axes = Axes::from(axes.to_vec());
    let centred = x - x.mean_keep(axes.clone());
    centred * ((centred * centred).mean_keep(axes) + eps).rsqrt()
}
/// The scale and the bias of a norm: ones and zeros.
fn of_features(n: usize) -> (Param, Param) {
    let p = Param::new([n], ["features"]);
    (p.clone().ones(), p)
}

/// Normalization of groups of features over all positions of an example (Wu and He, 2018; arXiv 1803.08494). With one group for
/// all it is layer normalization over positions and features. Flax: `nnx.GroupNorm`.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct GroupNorm<T = Tensor> {
    /// Scale, `[features]`.
    pub scale: T,
    /// Offset, `[features]`.
    pub bias: T,
    /// How many groups; they divide the features.
    #[tree(skip)]
    pub groups: usize,
    /// ε, added to the variance.
    #[tree(skip)]
    pub eps: f64,
}
impl GroupNorm<Param> {
    /// Of so many features, in so many groups, with ε of 1e-6.
    pub fn spec(features: usize, groups: usize) -> GroupNorm<Param> {
        let (scale, bias) = of_features(features);
        GroupNorm { scale, bias, groups, eps: 1e-6 }
    }
}
impl GroupNorm {
    /// Normalize `[b, spatial.., features]`.
    ///
    /// # Errors
    /// Features that the groups do not divide.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("GroupNorm::call");
        let features = x.dim(-1);
        if self.groups == 0 || !features.is_multiple_of(self.groups) || x.rank() < 2 {
            let help = "the input is `[b, spatial.., features]`, and groups divide the features";
            fail(
                "GroupNorm::call",
                vec![x.aval()],
                format!("{features} features are no {} groups", self.groups),
                Some(help.into()),
            )
        }
        let split = wide(x).split_axis(-1, [self.groups, features / self.groups]);
        let rank = split.rank() as isize;
        let over: Vec<isize> = (1..rank - 2).chain([rank - 1]).collect();
        let y = standardized(split, &over, self.eps).reshape(x.dims());
        (y * self.scale.cast(y.dtype()) + self.bias.cast(y.dtype())).cast(x.dtype())
    }
}

/// Normalization of each feature over all positions of an example (Ulyanov et al., 2016; arXiv 1607.08022). Flax: `nnx.InstanceNorm`.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct InstanceNorm<T = Tensor> {
    /// Scale, `[features]`.
    pub scale: T,
    /// Offset, `[features]`.
    pub bias: T,
    /// ε, added to the variance.
    #[tree(skip)]
    pub eps: f64,
}
impl InstanceNorm<Param> {
    /// Of so many features, with ε of 1e-6.
    pub fn spec(features: usize) -> InstanceNorm<Param> {
        let (scale, bias) = of_features(features);
        InstanceNorm { scale, bias, eps: 1e-6 }
    }
}
impl InstanceNorm {
    /// Normalize `[b, spatial.., features]`.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("InstanceNorm::call");
        let over: Vec<isize> = (1..x.rank() as isize - 1).collect();
        let y = standardized(wide(x), &over, self.eps);
        (y * self.scale.cast(y.dtype()) + self.bias.cast(y.dtype())).cast(x.dtype())
    }
}

/// Normalization of each feature over the batch and all positions (Ioffe and Szegedy, 2015; arXiv 1502.03167). What it has seen is an
/// argument and a result: [`BatchStats`]. Flax: `nnx.BatchNorm`.
///
/// ```
/// use raxla::{nn::{BatchNorm, BatchStats}, prelude::*};
/// let spec = BatchNorm::spec(2);
/// let (norm, seen) = (spec.clone(), spec.stats()).init(Key::host(0))?;
/// let train = jit(|norm: BatchNorm, seen: BatchStats, x: Tensor| norm.call(x, seen, true));
/// let (y, seen) = train.call((&norm, seen, Array::from_slice([2, 2], &[1f32, 2., 3., 6.])?))?;
/// assert!((y.to_vec::<f32>()?[0] + 1.0).abs() < 1e-4);
/// assert!((seen.mean.to_vec::<f32>()?[1] - 0.04).abs() < 1e-6); // 0.99 of 0, and 0.01 of 4
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct BatchNorm<T = Tensor> {
    /// Scale, `[features]`.
    pub scale: T,
    /// Offset, `[features]`.
    pub bias: T,
    /// How much of the running statistics stays at each step: 0.99.
    #[tree(skip)]
    pub momentum: f64,
    /// ε, added to the variance: 1e-5.
    #[tree(skip)]
    pub eps: f64,
    /// Over which named axes ([`pmean`](crate::pmean)) batches are one, where devices or a `vmap` have parts of it.
    #[tree(skip)]
    pub axis_name: Option<&'static str>,
}
/// The running mean and variance of a [`BatchNorm`], `[features]` each.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct BatchStats<T = Tensor> {
    /// Mean: 0 at first.
    pub mean: T,
    /// Variance: 1 at first.
    pub var: T,
}
impl BatchNorm<Param> {
    /// Of so many features.
    pub fn spec(features: usize) -> BatchNorm<Param> {
        let (scale, bias) = of_features(features);
        BatchNorm { scale, bias, momentum: 0.99, eps: 1e-5, axis_name: None }
    }
    /// What it has seen at first.
    pub fn stats(&self) -> BatchStats<Param> {
        BatchStats { mean: self.bias.clone(), var: self.scale.clone() }
    }
}
impl BatchNorm {
    /// Normalize `[.., features]`: with the statistics of the batch where it trains, else with those it has seen. The second result is
    /// what it has seen now; no derivative goes through it.
    #[track_caller]
    pub fn call(&self, x: Tensor, seen: BatchStats, train: bool) -> (Tensor, BatchStats) {
        let _at = At::op("BatchNorm::call");
        let w = wide(x);
        let over: Vec<isize> = (0..x.rank() as isize - 1).collect();
        let (mean, var, next) = if train {
            let [mean, square] = [w, w * w].map(|t| t.mean(over.clone()));
            let (mean, var) = match self.axis_name {
                Some(name) => {
                    let [mean, square] = [mean, square].map(|t| crate::pmean(t, name));
                    (mean, (square - mean * mean).maximum(0.0))
                }
                None => (mean, w.var(over)),
            };
            let mix = |old: Tensor, new: Tensor| {
                (old * self.momentum + new.cast(old.dtype()) * (1.0 - self.momentum)).stop_gradient()
            };
            (mean, var, BatchStats { mean: mix(seen.mean, mean), var: mix(seen.var, var) })
        } else {
            (seen.mean.cast(w.dtype()), seen.var.cast(w.dtype()), seen)
        };
        let [scale, bias] = [self.scale, self.bias].map(|t| t.cast(w.dtype()));
        let y = (w - mean) * ((var + self.eps).rsqrt() * scale) + bias;
        (y.cast(x.dtype()), next)
    }
}

/// A weight whose length and direction are learned apart (Salimans and Kingma, 2016; arXiv 1602.07868), for each output (the last axis).
/// Flax: `nnx.WeightNorm`.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct WeightNorm<T = Tensor> {
    /// The direction, of the weight's shape.
    pub v: T,
    /// The length of each output's weights, `[out]`.
    pub scale: T,
}
impl WeightNorm<Param> {
    /// Of this weight, all of whose lengths are 1.
    pub fn spec(weight: Param) -> WeightNorm<Param> {
        let outputs = weight.aval.dims.last().copied().unwrap_or(1);
        let scale = Param::new([outputs], ["features"]).ones();
        WeightNorm { v: weight, scale }
    }
}
impl WeightNorm {
    /// The weight, to be used in its place: `Conv { kernel: norm.call(), ..conv }`.
    #[track_caller]
    pub fn call(&self) -> Tensor {
        let _at = At::op("WeightNorm::call");
        let over: Vec<isize> = (0..self.v.rank() as isize - 1).collect();
        let length = ((self.v * self.v).sum_keep(over) + 1e-12).rsqrt();
        self.v * length * self.scale
    }
}
