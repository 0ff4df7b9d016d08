//! Elements around a tensor.
//!
//! ```
//! use raxla::{numpy::{self, PadMode}, prelude::*};
//! let f = jit(|x: Tensor| [PadMode::Edge, PadMode::Reflect, PadMode::Wrap].map(|mode| numpy::pad(x, &[(2, 1)], mode)));
//! let [edge, reflect, wrap] = f.call((Array::from_slice([3], &[1f32, 2., 3.])?,))?;
//! assert_eq!(edge.to_vec::<f32>()?, [1., 1., 1., 2., 3., 3.]);
//! assert_eq!(reflect.to_vec::<f32>()?, [3., 2., 1., 2., 3., 2.]);
//! assert_eq!(wrap.to_vec::<f32>()?, [2., 3., 1., 2., 3., 1.]);
//! # Ok::<(), raxla::Error>(())
//! ```
use super::linspace_between;
use crate::{
    aval::DType,
    ops::shape::concat,
    prim::{self, IndexMode, full, iota},
    trace::{At, Tensor, fail},
};

/// What [`pad`] puts around a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// This number.
    Constant(f64),
    /// The element at the edge.
    Edge,
    /// The elements in the opposite order, without that at the edge.
    Reflect,
    /// The elements in the opposite order.
    Symmetric,
    /// The elements from the other end.
    Wrap,
    /// Numbers on a line from the edge to this one.
    LinearRamp(f64),
    /// The largest of so many elements at the edge; `None`: of all.
    Maximum(Option<usize>),
    /// The smallest.
    Minimum(Option<usize>),
    /// The mean.
    Mean(Option<usize>),
    /// The median.
    Median(Option<usize>),
    /// Anything: zeros.
    Empty,
}
impl PadMode {
    /// Where an element is taken from that stands `i` (i32) behind the first of `n`, if it is one of them.
    fn source(self, i: Tensor, n: i32) -> Option<Tensor> {
        match self {
            PadMode::Edge => Some(i.clip(0, n - 1)),
            PadMode::Wrap => Some(i.modulo(n)),
            PadMode::Symmetric => {
                let i = i.modulo(2 * n);
                Some(i.minimum(2 * n - 1 - i))
            }
            PadMode::Reflect if n == 1 => Some(i.like(0)),
            PadMode::Reflect => {
                let i = i.modulo(2 * n - 2);
                Some(i.minimum(2 * n - 2 - i))
            }
            _ => None,
        }
    }
    /// What is beside elements along an axis of which so many at the edge count: of size 1 there.
    fn summary(self, x: Tensor, axis: isize, at_end: bool) -> Tensor {
        let n = x.dim(axis);
        let of = |count: Option<usize>| {
            let count = count.unwrap_or(n).clamp(1, n);
            if at_end { x.slice_axis(axis, n - count..) } else { x.slice_axis(axis, ..count) }
        };
        // (a mean of integers is rounded, ties to even)
        let whole = |y: Tensor| if x.dtype().is_float() { y } else { y.round().cast(x.dtype()) };
        match self {
            PadMode::Maximum(count) => of(count).max_keep(axis),
            PadMode::Minimum(count) => of(count).min_keep(axis),
            PadMode::Mean(count) => whole(of(count).mean_keep(axis)),
            PadMode::Median(count) => whole(super::median(of(count), axis).expand_dims(axis)),
            _ => of(Some(1)),
        }
    }
}

/// With so many elements before and behind along each axis; one pair is for all axes. Axes are padded in their order.
///
/// # Errors
/// Other numbers of pairs; an axis without elements, unless what is put there is a number.
#[track_caller]
pub fn pad(x: Tensor, widths: &[(usize, usize)], mode: PadMode) -> Tensor {
    let _at = At::op("pad");
    let widths: Vec<(usize, usize)> = match widths {
        [one] => vec![*one; x.rank()],
        all if all.len() == x.rank() => all.to_vec(),
        _ => {
            let help = "give a pair (before, behind) for each axis, or one for all";
            fail("pad", vec![x.aval()], format!("there are {} pairs of widths", widths.len()), Some(help.into()))
        }
    };
    if let PadMode::Constant(_) | PadMode::Empty = mode {
        let value = if let PadMode::Constant(value) = mode { value } else { 0.0 };
        let edges: Vec<_> = widths.iter().map(|(low, high)| (*low as i64, *high as i64, 0)).collect();
        return prim::pad(x, full([], x.dtype(), value), edges);
    }
    widths.into_iter().enumerate().fold(x, |x, (axis, width)| along(x, axis, width, mode))
}
#[track_caller]
fn along(x: Tensor, axis: usize, (low, high): (usize, usize), mode: PadMode) -> Tensor {
    let (n, signed) = (x.dims()[axis], axis as isize);
    if low + high == 0 {
        return x;
    }
    if n == 0 {
        let help = "pad it with a number: `PadMode::Constant(0.0)`";
        fail("pad", vec![x.aval()], format!("axis {axis} has no elements to take"), Some(help.into()))
    }
    let place = iota([low + n + high], DType::I32, 0) - low as i32;
    if let Some(source) = mode.source(place, n as i32) {
        return x.take_with(source, signed, IndexMode::Clip);
    }
    let beside = |width: usize, at_end: bool| {
        let edge = mode.summary(x, signed, at_end);
        match mode {
            PadMode::LinearRamp(to) => {
                let wide = super::float(edge.squeeze(signed));
                let ramp = linspace_between(wide.like(to), wide, width, false).cast(x.dtype()).move_axis(0, signed);
                if at_end { ramp.flip(signed) } else { ramp }
            }
            _ => edge.repeat(width, signed),
        }
    };
    concat(&[beside(low, false), x, beside(high, true)], signed)
}
