//! Distributions over counts.
use super::{distributions::parameter, samplers::*, *};
use crate::{
    host::Host,
    ops::where_,
    prim::{IndexMode, cumsum, scan, while_loop},
};

#[track_caller]
fn require_integer(op: &str, dtype: DType) {
    if !dtype.is_int() {
        let help = "ask for `DType::I32`, and convert the result with `.cast(..)`".to_string();
        fail(op, vec![], format!("{} is not an integer", dtype.name()), Some(help));
    }
}
/// What `draw` makes of a key and a state, as long as some element is not done.
fn until_done<const N: usize>(
    key: Key,
    start: [Tensor; N],
    running: impl Fn([Tensor; N]) -> Tensor,
    draw: impl Fn(Key, [Tensor; N]) -> (Key, [Tensor; N]),
) -> [Tensor; N] {
    type State<const N: usize> = (Key, [Tensor; N]);
    while_loop(|(_, s): State<N>| running(s).any(..), |(key, s): State<N>| draw(key, s), (key, start)).1
}

impl Key {
    /// How many trials (of an integer dtype) it takes until one succeeds, each with probability `p`: a number, or floats that broadcast
    /// to `dims`.
    #[track_caller]
    pub fn geometric(self, dims: impl Into<Vec<usize>>, dtype: DType, p: impl Rhs) -> Tensor {
        let _at = At::op("geometric");
        require_integer("geometric", dtype);
        let (dims, p) = (dims.into(), p.beside(zeros([], DType::F32)));
        let u = self.uniform(&*dims, p.dtype(), 0.0, 1.0);
        let u = where_(u.eq(0.0), u.like(1.0), u);
        ((u.log() / p.neg().log1p().broadcast_to(dims)).floor() + 1.0).cast(dtype)
    }
    /// Counts (of an integer dtype) of the Poisson distribution with mean `lam`, which broadcasts to `dims`: computed in f32, as in JAX.
    #[track_caller]
    pub fn poisson(self, dims: impl Into<Vec<usize>>, dtype: DType, lam: impl Rhs) -> Tensor {
        let _at = At::op("poisson");
        require_integer("poisson", dtype);
        let dims = dims.into();
        let lam = parameter(lam, &dims, DType::F32);
        let few = lam.is_nan() | lam.lt(10.0);
        let counted = poisson_counted(self.again(), where_(few, lam, 0.0), dtype);
        let rejected = poisson_rejected(self, where_(few, lam.like(1e5), lam), dtype);
        where_(lam.eq(0.0), counted.like(0), where_(few, counted, rejected))
    }
    /// Counts (floats of dtype `dtype`) of successes among `n` trials with probability `p`, which broadcast to `dims`; NaN where there
    /// is no such distribution.
    #[track_caller]
    pub fn binomial(self, dims: impl Into<Vec<usize>>, dtype: DType, n: impl Rhs, p: impl Rhs) -> Tensor {
        let _at = At::op("binomial");
        require_float("binomial", dtype);
        let dims = dims.into();
        let (n, p) = (parameter(n, &dims, dtype), parameter(p, &dims, dtype));
        let likely = p.lt(0.5);
        let q = where_(likely, p, 1.0 - p);
        let (bad_n, bad_q, infinite) = (n.is_nan() | n.lt(0.0), q.is_nan() | q.lt(0.0), n.abs().eq(f64::INFINITY));
        let nan_q = q.is_nan();
        let q = where_(bad_q, q.like(0.01), q);
        let few = bad_n | (n * q).le(10.0);
        let n = n.floor();
        let counted = binomial_counted(self.again(), where_(few, n, 0.0), q);
        let rejected = binomial_rejected(self, where_(few, n.like(1e4), n), where_(few, q.like(0.5), q));
        let bad = bad_n | bad_q;
        let y = where_(bad, n.like(f64::NAN), where_(few, counted, rejected));
        let y = where_(infinite & !bad, n.like(f64::INFINITY), y);
        where_(likely | bad_n | nan_q | infinite, y, n - y)
    }
    /// How often each of `k` results comes out of `n` trials with probabilities `p` `[.., k]`: `[.., k]`, in the dtype of `p`. `n`
    /// broadcasts to the axes in front.
    #[track_caller]
    pub fn multinomial(self, n: impl Rhs, p: Tensor) -> Tensor {
        let _at = At::op("multinomial");
        let Some((k, outer)) = p.dims().split_last().map(|(k, outer)| (*k, outer.to_vec())) else {
            let help = "give it an axis: `stack(..)`, or `.expand_dims(0)`";
            fail("multinomial", vec![p.aval()], "a scalar is no vector of probabilities", Some(help.into()))
        };
        let (dtype, n) = (p.dtype(), parameter(n, &outer, p.dtype()));
        let p = p.move_axis(-1, 0);
        let rest = cumsum(p, 0, true);
        let shares = p / where_(rest.eq(0.0), rest.like(1.0), rest);
        let step = |left: Tensor, (share, key): (Tensor, Key)| {
            let count = key.binomial(&*outer, dtype, left, share.clip(0.0, 1.0));
            (left - count, count)
        };
        scan(step, n, (shares, self.split_stacked(k))).1.move_axis(0, -1)
    }
}

/// By products of uniform numbers, which fall below e^-lam (Knuth).
fn poisson_counted(key: Key, lam: Tensor, dtype: DType) -> Tensor {
    let dims = lam.dims();
    let draw = |key: Key, [k, log]: [Tensor; 2]| {
        let [key, own] = key.split();
        let k = where_(log.gt(-lam), k + 1, k);
        (key, [k, log + own.uniform(&*dims, DType::F32, 0.0, 1.0).log()])
    };
    let start = [zeros(&*dims, dtype), zeros(&*dims, DType::F32)];
    until_done(key, start, |[_, log]| log.gt(-lam), draw)[0] - 1
}
/// By transformed rejection (Hörmann 1993).
fn poisson_rejected(key: Key, lam: Tensor, dtype: DType) -> Tensor {
    let (dims, log_lam) = (lam.dims(), lam.log());
    let b = lam.sqrt() * 2.53 + 0.931;
    let a = b * 0.02483 + -0.059;
    let inverse_alpha = 1.1328 / (b - 3.4) + 1.1239;
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    let draw = |key: Key, [k_out, accepted]: [Tensor; 2]| {
        let [key, u_key, v_key] = key.split();
        let u = u_key.uniform(&*dims, DType::F32, 0.0, 1.0) - 0.5;
        let v = v_key.uniform(&*dims, DType::F32, 0.0, 1.0);
        let inside = 0.5 - u.abs();
        let k = ((a * 2.0 / inside + b) * u + lam + 0.43).floor();
        let s = (v * inverse_alpha / (a / (inside * inside) + b)).log();
        let t = -lam + k * log_lam - (k + 1.0).lgamma();
        let at_once = inside.ge(0.07) & v.le(v_r);
        let never = k.lt(0.0) | (inside.lt(0.013) & v.gt(inside));
        let accept = at_once | (!never & s.le(t));
        (key, [where_(accept, k, k_out), accepted | accept])
    };
    let start = [lam.like(-1.0), full(&*dims, DType::Bool, false)];
    until_done(key, start, |[_, accepted]| !accepted, draw)[0].cast(dtype)
}
/// By sums of geometric numbers, which exceed n.
fn binomial_counted(key: Key, n: Tensor, p: Tensor) -> Tensor {
    let (dims, log) = (n.dims(), p.neg().log1p());
    let draw = |key: Key, [count, sum]: [Tensor; 2]| {
        let [own, key] = key.split();
        let count = where_(sum.le(n), count + 1.0, count);
        let u = own.uniform(&*dims, p.dtype(), 0.0, 1.0);
        (key, [count, sum + (u.log() / log).ceil()])
    };
    until_done(key, [n.like(0.0), n.like(0.0)], |[_, sum]| sum.le(n), draw)[0] - 1.0
}
/// By transformed rejection (Hörmann 1993, "BTRS").
fn binomial_rejected(key: Key, n: Tensor, p: Tensor) -> Tensor {
    let dims = n.dims();
    let deviation = (n * p * (1.0 - p)).sqrt();
    let b = deviation * 2.53 + 1.15;
    let a = b * 0.0248 + -0.0873 + p * 0.01;
    let c = n * p + 0.5;
    let v_r = 0.92 - 4.2 / b;
    let r = p / (1.0 - p);
    let alpha = (5.1 / b + 2.83) * deviation;
    let m = ((n + 1.0) * p).floor();
    let draw = |key: Key, [k_out, accepted]: [Tensor; 2]| {
        let [key, u_key, v_key] = key.split();
        let u = u_key.uniform(&*dims, p.dtype(), 0.0, 1.0);
        let v = v_key.uniform(&*dims, p.dtype(), 0.0, 1.0);
        let u = u - 0.5;
        let inside = 0.5 - u.abs();
        let at_once = inside.ge(0.07) & v.le(v_r);
        let k = ((a * 2.0 / inside + b) * u + c).floor();
        let never = k.lt(0.0) | k.gt(n);
        let v = (v * alpha / (a / (inside * inside) + b)).log();
        let bound = (m + 0.5) * ((m + 1.0) / (r * (n - m + 1.0))).log()
            + (n + 1.0) * ((n - m + 1.0) / (n - k + 1.0)).log()
            + (k + 0.5) * (r * (n - k + 1.0) / (k + 1.0)).log()
            + stirling_tail(m)
            + stirling_tail(n - m)
            - stirling_tail(k)
            - stirling_tail(n - k);
        let accept = at_once | (!never & v.le(bound));
        (key, [where_(accept, k, k_out), accepted | accept])
    };
    let start = [n.like(-1.0), full(&*dims, DType::Bool, false)];
    until_done(key, start, |[_, accepted]| !accepted, draw)[0]
}
/// What Stirling's formula for ln k! leaves.
fn stirling_tail(k: Tensor) -> Tensor {
    const FIRST: [f64; 10] = [
        0.0810614667953272,
        0.0413406959554092,
        0.0276779256849983,
        0.02079067210376509,
        0.0166446911898211,
        0.0138761288230707,
        0.0118967099458917,
        0.0104112652619720,
        0.00925546218271273,
        0.00833056343336287,
    ];
    let table = literal(Host::floats(k.dtype(), [10], FIRST.to_vec()));
    let few = k.le(9.0);
    let k = k.maximum(0.0).minimum(9.0);
    let square = (k + 1.0) * (k + 1.0);
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0);
    where_(few, table.take_with(k.floor().cast(DType::I32), 0, IndexMode::Clip), series)
}
