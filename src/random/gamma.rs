//! The gamma distribution, by rejection, and those that are made of it.
use super::{distributions::parameter, samplers::*, *};
use crate::{
    ops::where_,
    prim::{composite_jvp, random_gamma_grad, while_loop},
    vmap,
};

/// One number, or its logarithm, of the gamma distribution of shape `alpha` (Marsaglia and Tsang 2000).
fn one(key: Key, alpha: Tensor, logarithm: bool) -> Tensor {
    type State = (Key, Tensor, Tensor, Tensor);
    let (dtype, third) = (alpha.dtype(), alpha.like(1.0 / 3.0));
    let (zero, first) = (alpha.like(0.0), alpha.like(1.0));
    // of a shape below 1, the number of a shape larger by 1 is multiplied by a power of a uniform one
    let large = alpha.ge(1.0);
    let d = where_(large, alpha, alpha + 1.0) - third;
    let c = third / d.sqrt();
    let rejected = |(_, x, v, u): State| u.ge(1.0 - x * x * 0.0331) & u.log().ge(x * 0.5 + d * ((1.0 - v) + v.log()));
    let next = |(key, ..): State| {
        let [key, x_key, u_key] = key.split();
        let positive = |(key, ..): (Key, Tensor, Tensor)| {
            let [key, own] = key.split();
            let x = own.normal([], dtype);
            (key, x, 1.0 + x * c)
        };
        let (_, x, v) = while_loop(|(_, _, v): (Key, Tensor, Tensor)| v.le(0.0), positive, (x_key, zero, -first));
        (key, x * x, v * v * v, u_key.uniform([], dtype, 0.0, 1.0))
    };
    let [key, boost] = key.split();
    let (_, _, v, _) = while_loop(rejected, next, (key, zero, first, first + 1.0));
    if logarithm {
        let log = -boost.exponential([], dtype);
        let boost = where_(large | log.eq(0.0), zero, log * (first / alpha));
        return d.log() + v.log() + boost;
    }
    let boost = (1.0 - boost.uniform([], dtype, 0.0, 1.0)).pow(first / alpha);
    d * v * where_(large, first, boost)
}
/// Numbers of these shapes, each by a key of its own. Their derivative by the shape is implicit: their places in the distributions
/// are held (Figurnov, Mohamed and Mnih 2018).
#[track_caller]
fn many(key: Key, alpha: Tensor, logarithm: bool) -> Tensor {
    let (dims, n) = (alpha.dims(), alpha.size());
    if n == 0 {
        return alpha;
    }
    type Pair = (Tensor, Tensor);
    let implementation = key.implementation();
    let sample = move |(key, alpha): Pair| {
        let keys = Key::of(implementation, key).split_stacked(n);
        vmap(|(key, alpha): (Key, Tensor)| one(key, alpha, logarithm))((keys, alpha))
    };
    let rule = move |(key, alpha): Pair, (_, d): Pair| {
        let y = sample((key, alpha));
        if !logarithm {
            return (y, d * random_gamma_grad(alpha, y));
        }
        let x = y.exp();
        let x = where_(x.eq(0.0), x.like(smallest_normal(x.dtype())), x);
        (y, d * (random_gamma_grad(alpha, x) / x))
    };
    composite_jvp(sample, rule)((*key.data(), alpha.reshape([n]))).reshape(dims)
}

impl Key {
    /// Floats of the gamma distribution of shape `a`, which broadcasts to `dims`, and scale 1. They have a derivative by `a`.
    ///
    /// ```
    /// use raxla::prelude::*;
    /// let mean = jit(|a: Tensor, key: Key| grad(|a: Tensor| key.again().gamma([1000], DType::F32, a).mean(..))(a));
    /// let slope = mean.call((2.0f32, Key::host(0)))?.item::<f32>()?; // the mean is a
    /// assert!((slope - 1.0).abs() < 0.05);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    #[track_caller]
    pub fn gamma(self, dims: impl Into<Vec<usize>>, dtype: DType, a: impl Rhs) -> Tensor {
        let _at = At::op("gamma");
        require_float("gamma", dtype);
        many(self, parameter(a, &dims.into(), dtype), false)
    }
    /// The logarithm of what [`Key::gamma`] gives, exact also for shapes near 0.
    #[track_caller]
    pub fn loggamma(self, dims: impl Into<Vec<usize>>, dtype: DType, a: impl Rhs) -> Tensor {
        let _at = At::op("loggamma");
        require_float("loggamma", dtype);
        many(self, parameter(a, &dims.into(), dtype), true)
    }
    /// Floats in (0, 1) of the beta distribution of shapes `a` and `b`, which broadcast to `dims`.
    #[track_caller]
    pub fn beta(self, dims: impl Into<Vec<usize>>, dtype: DType, a: impl Rhs, b: impl Rhs) -> Tensor {
        let _at = At::op("beta");
        let dims = dims.into();
        let [a_key, b_key] = self.split();
        let (x, y) = (a_key.loggamma(&*dims, dtype, a), b_key.loggamma(&*dims, dtype, b));
        let most = x.maximum(y);
        let (x, y) = ((x - most).exp(), (y - most).exp());
        x / (x + y)
    }
    /// Vectors of positive floats with sum 1 of the Dirichlet distribution with concentrations `alpha` `[.., k]`, whose axes in front
    /// broadcast to `dims`: `[dims.., k]`.
    #[track_caller]
    pub fn dirichlet(self, dims: impl Into<Vec<usize>>, alpha: Tensor) -> Tensor {
        let _at = At::op("dirichlet");
        let Some(k) = alpha.dims().last().copied() else {
            let help = "give it an axis: `stack(..)`, or `.expand_dims(0)`";
            fail("dirichlet", vec![alpha.aval()], "a scalar is no vector of concentrations", Some(help.into()))
        };
        self.loggamma([&dims.into()[..], &[k]].concat(), alpha.dtype(), alpha).softmax(-1)
    }
    /// Floats of Student's t distribution with `df` degrees of freedom, which broadcast to `dims`.
    #[track_caller]
    pub fn t(self, dims: impl Into<Vec<usize>>, dtype: DType, df: impl Rhs) -> Tensor {
        let _at = At::op("t");
        let dims = dims.into();
        let [normal, gamma] = self.split();
        let half = parameter(df, &dims, dtype) / 2.0;
        normal.normal(&*dims, dtype) * (half / gamma.gamma(&*dims, dtype, half)).sqrt()
    }
    /// Floats of the χ² distribution with `df` degrees of freedom, which broadcast to `dims`.
    #[track_caller]
    pub fn chisquare(self, dims: impl Into<Vec<usize>>, dtype: DType, df: impl Rhs) -> Tensor {
        let _at = At::op("chisquare");
        let dims = dims.into();
        let half = parameter(df, &dims, dtype) / 2.0;
        self.loggamma(dims, dtype, half).exp() * 2.0
    }
    /// Floats of the F distribution with `dfnum` and `dfden` degrees of freedom, which broadcast to `dims`.
    #[track_caller]
    pub fn f(self, dims: impl Into<Vec<usize>>, dtype: DType, dfnum: impl Rhs, dfden: impl Rhs) -> Tensor {
        let _at = At::op("f");
        let dims = dims.into();
        let (above, below) = (parameter(dfnum, &dims, dtype), parameter(dfden, &dims, dtype));
        let [below_key, above_key] = self.split();
        let (x, y) = (above_key.chisquare(&*dims, dtype, above), below_key.chisquare(&*dims, dtype, below));
        (x / above) / (y / below)
    }
    /// Floats with density proportional to e^-|x|ᵖ.
    #[track_caller]
    pub fn generalized_normal(self, dims: impl Into<Vec<usize>>, dtype: DType, p: f64) -> Tensor {
        let _at = At::op("generalized_normal");
        let dims = dims.into();
        let [gamma, sign] = self.split();
        let inverse = 1.0 / parameter(p, &[], dtype);
        let size = gamma.gamma(&*dims, dtype, inverse).pow(inverse);
        sign.rademacher(&*dims, dtype) * size
    }
    /// Points uniform in the ball of `d` dimensions, radius 1 and norm `p`: `[dims.., d]`.
    #[track_caller]
    pub fn ball(self, dims: impl Into<Vec<usize>>, dtype: DType, d: usize, p: f64) -> Tensor {
        let _at = At::op("ball");
        let dims = dims.into();
        let [direction, radius] = self.split();
        let x = direction.generalized_normal([&dims[..], &[d]].concat(), dtype, p);
        let sum = x.abs().pow(p).sum(-1) + radius.exponential(dims, dtype);
        x / sum.pow(1.0 / parameter(p, &[], dtype)).expand_dims(-1)
    }
}
