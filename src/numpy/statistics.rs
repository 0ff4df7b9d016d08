//! Order statistics, histograms, covariances.
//!
//! ```
//! use raxla::{numpy::{self, Quantile}, prelude::*};
//! let f = jit(|x: Tensor| {
//!     let (counts, edges) = numpy::histogram(x, (2, 0.0, 10.0), None, false);
//!     (numpy::quantile(x, 0.25, .., Quantile::Linear), numpy::median(x, 0), counts, edges)
//! });
//! let (quarter, middle, counts, edges) = f.call((Array::from_slice([5], &[1f32, 9., 2., 4., 3.])?,))?;
//! assert_eq!((quarter.item::<f32>()?, middle.item::<f32>()?), (2.0, 3.0));
//! assert_eq!((counts.to_vec::<f32>()?, edges.to_vec::<f32>()?), (vec![4., 1.], vec![0., 5., 10.]));
//! # Ok::<(), raxla::Error>(())
//! ```
use super::float;
use crate::{
    aval::DType,
    ops::{Rhs, reduce::Axes, where_},
    prim::{self, IndexMode, fori_loop, full},
    trace::{At, Tensor, fail},
};

/// What a quantile is between two elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantile {
    /// On the line between them.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// The nearer one; of two that are equally near, the lower.
    Nearest,
    /// Their mean.
    Midpoint,
}

/// The elements along these axes as one last axis, sorted.
fn sorted(x: Tensor, axes: Axes) -> Tensor {
    let (x, axes) = (float(x), axes.of(x));
    let kept = prim::other_axes(x.rank(), &axes);
    let dims: Vec<usize> =
        kept.iter().map(|a| x.dims()[*a]).chain([axes.iter().map(|a| x.dims()[*a]).product()]).collect();
    x.transpose([kept, axes].concat()).reshape(dims).sort(-1)
}
/// Quantiles of the first `count` elements of sorted lines.
#[track_caller]
fn of_sorted(x: Tensor, count: Tensor, q: impl Rhs, how: Quantile) -> Tensor {
    let q = q.beside(x).cast(x.dtype());
    if x.dim(-1) == 0 || q.rank() > 1 {
        let help = "there is one element at least, and one quantile or a vector of them";
        fail("quantile", vec![x.aval(), q.aval()], "there are no such quantiles", Some(help.into()))
    }
    let lines = [&q.dims()[..], &vec![1; x.rank() - 1]].concat();
    let place = q.reshape(lines) * (count - 1.0).maximum(0.0);
    let (low, high) = (place.floor(), place.ceil());
    let share = place - low;
    let element = |at: Tensor| {
        // one line of places for each line of elements
        let at = at.cast(DType::I32).clip(0, x.dim(-1) as i32 - 1);
        match q.rank() {
            0 => x.take_along_axis(at.expand_dims(-1), -1).squeeze(-1),
            _ => x.take_along_axis(at.move_axis(0, -1), -1).move_axis(-1, 0),
        }
    };
    match how {
        Quantile::Linear => element(low) * (1.0 - share) + element(high) * share,
        Quantile::Lower => element(low),
        Quantile::Higher => element(high),
        Quantile::Nearest => where_(share.le(0.5), element(low), element(high)),
        Quantile::Midpoint => (element(low) + element(high)) * 0.5,
    }
}
/// The number below which the share `q` (0 to 1: a number, a scalar or a vector) of the elements lies. Those of a vector stand in a new
/// first axis. NaN where an element is NaN.
#[track_caller]
pub fn quantile(x: Tensor, q: impl Rhs, axes: impl Into<Axes>, how: Quantile) -> Tensor {
    let _at = At::op("quantile");
    let x = sorted(x, axes.into());
    let all = full(&x.dims()[..x.rank() - 1], x.dtype(), x.dim(-1) as f64);
    let y = of_sorted(x, all, q, how);
    where_(x.is_nan().any(-1), y.like(f64::NAN), y)
}
/// [`quantile`] of what is not NaN.
#[track_caller]
pub fn nanquantile(x: Tensor, q: impl Rhs, axes: impl Into<Axes>, how: Quantile) -> Tensor {
    let _at = At::op("nanquantile");
    let x = sorted(x, axes.into());
    of_sorted(x, (!x.is_nan()).sum(-1).cast(x.dtype()), q, how)
}
/// [`quantile`] of `q` percent.
#[track_caller]
pub fn percentile(x: Tensor, q: impl Rhs, axes: impl Into<Axes>, how: Quantile) -> Tensor {
    let _at = At::op("percentile");
    let x = float(x);
    quantile(x, q.beside(x) / 100.0, axes, how)
}
/// [`nanquantile`] of `q` percent.
#[track_caller]
pub fn nanpercentile(x: Tensor, q: impl Rhs, axes: impl Into<Axes>, how: Quantile) -> Tensor {
    let _at = At::op("nanpercentile");
    let x = float(x);
    nanquantile(x, q.beside(x) / 100.0, axes, how)
}
/// The element in the middle, or the mean of the two there.
#[track_caller]
pub fn median(x: Tensor, axes: impl Into<Axes>) -> Tensor {
    let _at = At::op("median");
    quantile(x, 0.5, axes, Quantile::Midpoint)
}
/// [`median`] of what is not NaN.
#[track_caller]
pub fn nanmedian(x: Tensor, axes: impl Into<Axes>) -> Tensor {
    let _at = At::op("nanmedian");
    nanquantile(x, 0.5, axes, Quantile::Midpoint)
}
/// The elements along an axis such that the one at `kth` is where it is when all are sorted, smaller ones before it: here, all sorted.
#[track_caller]
pub fn partition(x: Tensor, _kth: usize, axis: isize) -> Tensor {
    let _at = At::op("partition");
    x.sort(axis)
}
/// The positions (i32) of [`partition`].
#[track_caller]
pub fn argpartition(x: Tensor, _kth: usize, axis: isize) -> Tensor {
    let _at = At::op("argpartition");
    x.argsort(axis)
}
/// The positions (i32) along the last axis that sort by several keys of one shape, the last of which counts first.
///
/// # Errors
/// No keys; different types.
#[track_caller]
pub fn lexsort(keys: &[Tensor]) -> Tensor {
    let _at = At::op("lexsort");
    let Some(last) = keys.last() else {
        fail("lexsort", vec![], "there is nothing to sort by", Some("give one key at least".into()))
    };
    let axis = last.axis(-1);
    let mut all: Vec<Tensor> = keys.iter().rev().copied().collect();
    all.push(prim::iota(last.dims(), DType::I32, axis));
    prim::sort(&all, axis, keys.len(), true)[keys.len()]
}

/// Which side of equal elements [`searchsorted`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before them.
    Left,
    /// Behind them.
    Right,
}
/// Where in the ascending vector `sorted` each element of `v` belongs (i32, 0 to its size): by halving, in as many steps as the size has
/// bits. NaN comes last.
///
/// # Errors
/// What is no vector; different dtypes.
#[track_caller]
pub fn searchsorted(sorted: Tensor, v: impl Rhs, side: Side) -> Tensor {
    let _at = At::op("searchsorted");
    let v = v.beside(sorted);
    if sorted.rank() != 1 {
        fail(
            "searchsorted",
            vec![sorted.aval(), v.aval()],
            "this is no vector",
            Some("several are searched by `vmap`".into()),
        )
    }
    let n = sorted.dim(0);
    if n == 0 {
        return full(v.dims(), DType::I32, 0);
    }
    let before = |a: Tensor, b: Tensor| {
        let less = a.lt(b);
        if a.dtype().is_float() { less | (b.is_nan() & !a.is_nan()) } else { less }
    };
    let (sorted, v) = (sorted.stop_gradient(), v.stop_gradient());
    let step = |_: Tensor, (low, high): (Tensor, Tensor)| {
        let middle = (low + high) / 2;
        let element = sorted.take_with(middle, 0, IndexMode::Clip);
        let beyond = match side {
            Side::Left => before(element, v),
            Side::Right => !before(v, element),
        } & low.lt(high);
        (where_(beyond, middle + 1, low), where_(beyond | low.ge(high), high, middle))
    };
    let start = (full(v.dims(), DType::I32, 0), full(v.dims(), DType::I32, n));
    fori_loop(0, (usize::BITS - n.leading_zeros()) as i32, step, start).0
}
/// Which of the intervals between `edges`, a vector that ascends or descends, each element is in (i32): 0 before the first. An element
/// on an edge is behind it, or, with `right`, before it.
#[track_caller]
pub fn digitize(x: Tensor, edges: Tensor, right: bool) -> Tensor {
    let _at = At::op("digitize");
    let n = edges.dim(0);
    let side = if right { Side::Left } else { Side::Right };
    if n == 0 {
        return full(x.dims(), DType::I32, 0);
    }
    let ascends = edges.at(-1).get().ge(edges.at(0).get());
    let falling = searchsorted(edges.flip(0), x, side);
    where_(ascends, searchsorted(edges, x, side), n as i32 - falling)
}
/// How often each integer from 0 to `length` - 1 occurs (i32), or the sum of the weights where it does. Negative ones count as 0; those
/// beyond `length` are left out.
#[track_caller]
pub fn bincount(x: Tensor, weights: Option<Tensor>, length: usize) -> Tensor {
    let _at = At::op("bincount");
    let flat = |x: Tensor| x.reshape([x.size()]);
    let at = flat(if x.dtype().is_signed() { x.maximum(0) } else { x });
    match weights {
        Some(w) => full([length], w.dtype(), 0).at(at).add(flat(w)),
        None => full([length], DType::I32, 0).at(at).add(1),
    }
}

/// The bins of a histogram: a number of equal ones over the range of the elements (`10`), over a given range (`(10, 0.0, 1.0)`), or their
/// ascending edges (a tensor).
#[derive(Clone, Copy, Debug)]
pub enum Bins {
    /// So many equal ones, from the smallest to the largest element.
    Count(usize),
    /// So many equal ones from here to there.
    Range(usize, f64, f64),
    /// Their edges, one more than bins.
    Edges(Tensor),
}
impl From<usize> for Bins {
    fn from(n: usize) -> Bins {
        Bins::Count(n)
    }
}
impl From<(usize, f64, f64)> for Bins {
    fn from((n, low, high): (usize, f64, f64)) -> Bins {
        Bins::Range(n, low, high)
    }
}
impl From<Tensor> for Bins {
    fn from(edges: Tensor) -> Bins {
        Bins::Edges(edges)
    }
}
/// The edges of a histogram's bins: one more than bins.
#[track_caller]
pub fn histogram_bin_edges(x: Tensor, bins: impl Into<Bins>) -> Tensor {
    let _at = At::op("histogram_bin_edges");
    let x = float(x);
    let (n, low, high) = match bins.into() {
        Bins::Edges(edges) => return edges,
        Bins::Range(n, low, high) => (n, full([], x.dtype(), low), full([], x.dtype(), high)),
        Bins::Count(n) if x.size() == 0 => (n, full([], x.dtype(), 0.0), full([], x.dtype(), 1.0)),
        Bins::Count(n) => (n, x.min(..), x.max(..)),
    };
    let wide = where_(low.eq(high), low.like(0.5), 0.0);
    super::linspace_between(low - wide, high + wide, n + 1, true)
}
/// Which bin each element is in: 0 before the first, `bins + 1` behind the last.
fn bin_of(x: Tensor, edges: Tensor) -> Tensor {
    let at = searchsorted(edges, x, Side::Right);
    where_(x.eq(edges.at(-1).get()), at.like(edges.dim(0) - 1), at)
}
/// How many elements are in each bin, or the sum of their weights, and the edges of the bins. An element on an edge is in the bin behind
/// it, but for the last edge. With `density`, such that the integral over the bins is 1.
#[track_caller]
pub fn histogram(x: Tensor, bins: impl Into<Bins>, weights: Option<Tensor>, density: bool) -> (Tensor, Tensor) {
    let _at = At::op("histogram");
    let x = float(x);
    let edges = histogram_bin_edges(x, bins);
    let weights = weights.unwrap_or(x.like(1.0)).broadcast_to(x.dims());
    let counts = bincount(bin_of(x, edges), Some(weights), edges.dim(0)).slice_axis(0, 1..);
    let counts = if density { counts / super::diff(edges, 1, 0) / counts.sum(..) } else { counts };
    (counts, edges)
}
/// [`histogram`] of points `[n, d]` in `d` dimensions, with bins for each: counts `[bins..]`, and the edges of each dimension.
///
/// # Errors
/// Points that are no matrix with one column for each of `bins`.
#[track_caller]
pub fn histogramdd(points: Tensor, bins: &[Bins], weights: Option<Tensor>, density: bool) -> (Tensor, Vec<Tensor>) {
    let _at = At::op("histogramdd");
    if points.rank() != 2 || points.dim(1) != bins.len() {
        let help = "points are `[n, d]`, and bins are given for each of the `d` dimensions";
        fail(
            "histogramdd",
            vec![points.aval()],
            format!("there are bins for {} dimensions", bins.len()),
            Some(help.into()),
        )
    }
    let points = float(points);
    let column = |i: usize| points.at((0.., i)).get();
    let edges: Vec<Tensor> = bins.iter().enumerate().map(|(i, b)| histogram_bin_edges(column(i), *b)).collect();
    let sizes: Vec<usize> = edges.iter().map(|e| e.dim(0) + 1).collect();
    let at = edges
        .iter()
        .enumerate()
        .fold(full([points.dim(0)], DType::I32, 0), |at, (i, e)| at * sizes[i] + bin_of(column(i), *e));
    let weights = weights.unwrap_or(full([points.dim(0)], points.dtype(), 1.0));
    let mut counts = bincount(at, Some(weights), sizes.iter().product()).reshape(sizes.clone());
    for (axis, n) in sizes.iter().enumerate() {
        counts = counts.slice_axis(axis as isize, 1..n - 1);
    }
    if density {
        counts = counts / counts.sum(..);
        for (axis, e) in edges.iter().enumerate() {
            let mut dims = vec![1; bins.len()];
            dims[axis] = sizes[axis] - 2;
            counts /= super::diff(*e, 1, 0).reshape(dims);
        }
    }
    (counts, edges)
}
/// [`histogramdd`] of two coordinates `[n]`: counts `[bins of x, bins of y]`, and the edges of both.
#[track_caller]
pub fn histogram2d(
    x: Tensor,
    y: Tensor,
    bins: [Bins; 2],
    weights: Option<Tensor>,
    density: bool,
) -> (Tensor, Tensor, Tensor) {
    let _at = At::op("histogram2d");
    let (counts, edges) = histogramdd(crate::stack(&[x, y], 1), &bins, weights, density);
    (counts, edges[0], edges[1])
}

/// Options of [`cov`].
#[derive(Clone, Copy, Debug)]
pub struct Cov {
    /// Are the variables rows, and observations columns? Yes.
    pub rowvar: bool,
    /// What the number of observations is reduced by: 1.
    pub ddof: f64,
    /// How often each observation is there.
    pub fweights: Option<Tensor>,
    /// How much each observation counts.
    pub aweights: Option<Tensor>,
}
impl Default for Cov {
    fn default() -> Cov {
        Cov { rowvar: true, ddof: 1.0, fweights: None, aweights: None }
    }
}
/// The covariances of variables `[variables, observations]`: `[variables, variables]`; of one variable `[observations]`, a scalar.
#[track_caller]
pub fn cov(x: Tensor, how: Cov) -> Tensor {
    let _at = At::op("cov");
    let rows = float(if x.rank() == 2 && !how.rowvar { x.swap_axes(0, 1) } else { x });
    let rows = if rows.rank() == 1 { rows.expand_dims(0) } else { rows };
    let one = full([rows.dim(1)], rows.dtype(), 1.0);
    let [f, a] = [how.fweights, how.aweights].map(|w| w.map(|w| w.cast(rows.dtype())));
    let w = f.unwrap_or(one) * a.unwrap_or(one);
    let total = w.sum(0);
    let norm = match a {
        None => total - how.ddof,
        Some(a) => total - (w * a).sum(0) / total * how.ddof,
    };
    let centred = rows - ((rows * w).sum(1) / total).expand_dims(-1);
    let c = (centred * w).matmul(centred.swap_axes(0, 1)) / norm;
    if x.rank() == 1 || (x.rank() == 2 && c.size() == 1) { c.reshape([]) } else { c }
}
/// The correlations of variables, within -1 to 1: as [`cov`].
#[track_caller]
pub fn corrcoef(x: Tensor, rowvar: bool) -> Tensor {
    let _at = At::op("corrcoef");
    let c = cov(x, Cov { rowvar, ..Default::default() });
    if c.rank() == 0 {
        // (1, but of a variable that is constant NaN)
        return where_(c.eq(0.0), c.like(f64::NAN), 1.0);
    }
    let std = prim::diagonal(c).sqrt();
    (c / std.expand_dims(-1) / std).clip(-1.0, 1.0)
}
