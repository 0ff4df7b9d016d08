//! Reductions of some of the elements, and of elements that are not NaN.
//!
//! ```
//! use raxla::{numpy::{self, Over}, prelude::*};
//! let f = jit(|x: Tensor| {
//!     let mask = x.gt(1.0);
//!     (numpy::mean(x, .., Over { mask: Some(mask), ..Default::default() }), numpy::var(x, 0, Over { ddof: 1.0, ..Default::default() }), numpy::nansum(x.log(), ..))
//! });
//! let (mean, var, logs) = f.call((Array::from_slice([3], &[-1f32, 2., 4.])?,))?;
//! assert_eq!(mean.item::<f32>()?, 3.0);
//! assert!((var.item::<f32>()? - 6.3333335).abs() < 1e-6 && (logs.item::<f32>()? - 8f32.ln()).abs() < 1e-6);
//! # Ok::<(), raxla::Error>(())
//! ```
use super::float;
use crate::{
    aval::DType,
    ops::{reduce::Axes, where_},
    prim,
    trace::{At, Tensor},
};

/// Options of reductions: NumPy's `where`, `initial`, `ddof` and `keepdims`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Over {
    /// Bools that broadcast to the operand: which elements count. `None`: all.
    pub mask: Option<Tensor>,
    /// A first element. The largest and smallest of some elements need it, so that there is one.
    pub initial: Option<f64>,
    /// What the number of elements is reduced by before a variance is divided by it.
    pub ddof: f64,
    /// Do the axes stay, with size 1?
    pub keepdims: bool,
}
impl Over {
    /// The elements that count, and this number in place of the others.
    #[track_caller]
    fn seen(&self, x: Tensor, other: f64) -> Tensor {
        self.mask.map_or(x, |mask| where_(mask, x, x.like(other)))
    }
    /// The same for the ends of the numbers of the dtype: the lowest, or the highest.
    #[track_caller]
    fn seen_or_end(&self, x: Tensor, lowest: bool) -> Tensor {
        let Some(mask) = self.mask else { return x };
        let d = x.dtype();
        let end = match (d.is_float(), lowest) {
            (true, true) => x.like(f64::NEG_INFINITY),
            (true, false) => x.like(f64::INFINITY),
            (false, true) => x.like(crate::host::int_range(d).0),
            (false, false) => x.like(crate::host::int_range(d).1),
        };
        where_(mask, x, end)
    }
    fn finished(&self, x: Tensor, y: Tensor, axes: &[usize]) -> Tensor {
        if !self.keepdims {
            return y;
        }
        let dims = x.dims().into_iter().enumerate().map(|(i, n)| if axes.contains(&i) { 1 } else { n });
        y.reshape(dims.collect::<Vec<_>>())
    }
    /// How many elements count, in the dtype of `x`.
    fn count(&self, x: Tensor, axes: &Axes) -> Tensor {
        self.seen(x.like(1), 0.0).sum(axes.clone())
    }
}
fn these(axes: &[usize]) -> Axes {
    Axes::These(axes.iter().map(|a| *a as isize).collect())
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $f:ident => |$x:ident, $axes:ident, $over:ident| $e:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f($x: Tensor, axes: impl Into<Axes>, over: Over) -> Tensor {
            let _at = At::op(stringify!($f));
            // (a mask may have more axes than what it is about)
            let $x = over.mask.map_or($x, |mask| crate::ops::fit(stringify!($f), $x, mask.cast($x.dtype())).0);
            let (own, $over) = (axes.into().of($x), &over);
            let $axes = these(&own);
            over.finished($x, $e, &own)
        }
    )*};
}
reductions! {
    /// The sum, from `initial` on. Dtypes as in [`Tensor::sum`].
    sum => |x, axes, over| over.initial.map_or(over.seen(x, 0.0).sum(axes.clone()), |first| over.seen(x, 0.0).sum(axes) + first);
    /// The product, from `initial` on.
    prod => |x, axes, over| over.initial.map_or(over.seen(x, 1.0).prod(axes.clone()), |first| over.seen(x, 1.0).prod(axes) * first);
    /// The largest element, `initial` included.
    max => |x, axes, over| {
        let most = prim::reduce_max(over.seen_or_end(x, true), axes.of(x));
        over.initial.map_or(most, |first| most.maximum(first))
    };
    /// The smallest element, `initial` included.
    min => |x, axes, over| {
        let least = prim::reduce_min(over.seen_or_end(x, false), axes.of(x));
        over.initial.map_or(least, |first| least.minimum(first))
    };
    /// Is any element true, or not 0?
    any => |x, axes, over| over.seen(x, 0.0).any(axes);
    /// Are all elements true, or not 0?
    all => |x, axes, over| over.seen(x, 1.0).all(axes);
    /// The mean; of none, NaN.
    mean => |x, axes, over| {
        let x = float(x);
        match over.mask {
            None => x.mean(axes),
            Some(_) => over.seen(x, 0.0).sum(axes.clone()) / over.count(x, &axes),
        }
    };
    /// The variance: the squared distances from the mean, summed, divided by the number of elements less `ddof`.
    var => |x, axes, over| {
        let x = float(x);
        let count = over.count(x, &axes);
        let dims = Over { keepdims: true, ..*over };
        let centre = dims.finished(x, over.seen(x, 0.0).sum(axes.clone()) / count, &axes.of(x));
        over.seen((x - centre).powi(2), 0.0).sum(axes) / (count - over.ddof)
    };
    /// The standard deviation: the root of [`var`].
    std => |x, axes, over| var(x, axes, Over { keepdims: false, ..*over }).sqrt();
}
pub use self::{max as amax, min as amin};

/// A mask of what is a number.
fn numbers(x: Tensor) -> Over {
    Over { mask: x.dtype().is_float().then(|| !x.is_nan()), ..Default::default() }
}
macro_rules! of_numbers {
    ($($(#[$doc:meta])* $f:ident => |$x:ident, $axes:ident| $e:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f($x: Tensor, axes: impl Into<Axes>) -> Tensor {
            let _at = At::op(stringify!($f));
            let $axes = axes.into();
            $e
        }
    )*};
}
of_numbers! {
    /// The sum of what is not NaN.
    nansum => |x, axes| sum(x, axes, numbers(x));
    /// The product of what is not NaN.
    nanprod => |x, axes| prod(x, axes, numbers(x));
    /// The mean of what is not NaN.
    nanmean => |x, axes| mean(x, axes, numbers(x));
    /// The largest of what is not NaN; NaN if there is nothing else.
    nanmax => |x, axes| {
        let y = max(x, axes.clone(), numbers(x));
        if x.dtype().is_float() { where_(x.is_nan().all(axes), y.like(f64::NAN), y) } else { y }
    };
    /// The smallest of what is not NaN; NaN if there is nothing else.
    nanmin => |x, axes| {
        let y = min(x, axes.clone(), numbers(x));
        if x.dtype().is_float() { where_(x.is_nan().all(axes), y.like(f64::NAN), y) } else { y }
    };
    /// The largest less the smallest element.
    ptp => |x, axes| x.max(axes.clone()) - x.min(axes);
    /// How many elements are true, or not 0 (i32).
    count_nonzero => |x, axes| x.cast(DType::Bool).sum(axes);
}
/// The variance of what is not NaN, as [`var`].
#[track_caller]
pub fn nanvar(x: Tensor, axes: impl Into<Axes>, ddof: f64) -> Tensor {
    let _at = At::op("nanvar");
    let axes = axes.into();
    let y = var(x, axes.clone(), Over { ddof, ..numbers(x) });
    // (of no more elements than `ddof` it is NaN, and not a quotient by what is not above 0)
    let count = numbers(x).count(float(x), &axes);
    where_(count.gt(ddof), y, y.like(f64::NAN))
}
/// The standard deviation of what is not NaN.
#[track_caller]
pub fn nanstd(x: Tensor, axes: impl Into<Axes>, ddof: f64) -> Tensor {
    let _at = At::op("nanstd");
    nanvar(x, axes, ddof).sqrt()
}
/// The position (i32) of the largest element along an axis that is not NaN; -1 if there is nothing else.
#[track_caller]
pub fn nanargmax(x: Tensor, axis: isize) -> Tensor {
    let _at = At::op("nanargmax");
    let at = numbers(x).seen_or_end(x, true).argmax(axis);
    where_(x.is_nan().all(axis), at.like(-1), at)
}
/// The position (i32) of the smallest element along an axis that is not NaN; -1 if there is nothing else.
#[track_caller]
pub fn nanargmin(x: Tensor, axis: isize) -> Tensor {
    let _at = At::op("nanargmin");
    let at = numbers(x).seen_or_end(x, false).argmin(axis);
    where_(x.is_nan().all(axis), at.like(-1), at)
}

macro_rules! running {
    ($($(#[$doc:meta])* $f:ident => |$x:ident, $axis:ident| $e:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f($x: Tensor, axis: isize) -> Tensor {
            let _at = At::op(stringify!($f));
            let $axis = $x.axis(axis);
            $e
        }
    )*};
}
running! {
    /// Each element plus all before it along an axis. All axes as one: of `x.reshape([REST])`.
    cumsum => |x, axis| prim::cumsum(x, axis, false);
    /// Each element times all before it along an axis.
    cumprod => |x, axis| prim::cumprod(x, axis, false);
    /// [`cumsum`] of what is not NaN.
    nancumsum => |x, axis| prim::cumsum(numbers(x).seen(x, 0.0), axis, false);
    /// [`cumprod`] of what is not NaN.
    nancumprod => |x, axis| prim::cumprod(numbers(x).seen(x, 1.0), axis, false);
}
/// [`cumsum`]; with `include_initial`, from 0 on: one element more.
#[track_caller]
pub fn cumulative_sum(x: Tensor, axis: isize, include_initial: bool) -> Tensor {
    let _at = At::op("cumulative_sum");
    from_initial(cumsum(x, axis), axis, include_initial, 0)
}
/// [`cumprod`]; with `include_initial`, from 1 on: one element more.
#[track_caller]
pub fn cumulative_prod(x: Tensor, axis: isize, include_initial: bool) -> Tensor {
    let _at = At::op("cumulative_prod");
    from_initial(cumprod(x, axis), axis, include_initial, 1)
}
fn from_initial(y: Tensor, axis: isize, include_initial: bool, initial: i32) -> Tensor {
    let mut edges = vec![(0, 0, 0); y.rank()];
    edges[y.axis(axis)].0 = i64::from(include_initial);
    prim::pad(y, crate::full([], y.dtype(), initial), edges)
}
/// The mean weighted by `weights`, which broadcast to `x` (a vector: along the one axis). NumPy's `returned` is their sum.
#[track_caller]
pub fn average(x: Tensor, axes: impl Into<Axes>, weights: Option<Tensor>) -> Tensor {
    let _at = At::op("average");
    let (x, own) = (float(x), axes.into().of(x));
    let axes = these(&own);
    let Some(weights) = weights else { return x.mean(axes) };
    let weights = match own[..] {
        [axis] if weights.rank() == 1 && x.rank() > 1 => {
            let mut dims = vec![1; x.rank()];
            dims[axis] = weights.size();
            weights.reshape(dims)
        }
        _ => weights,
    };
    let weights = weights.cast(x.dtype()).broadcast_to(x.dims());
    (x * weights).sum(axes.clone()) / weights.sum(axes)
}
