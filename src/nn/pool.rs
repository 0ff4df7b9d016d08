//! Pooling over windows, as Flax has it.
use crate::{
    prim::{Padding, Windows, reduce_window_max, reduce_window_min, reduce_window_sum},
    trace::{At, Tensor, fail},
};

/// The windows over the spatial axes of `x`, which stand before its last axis.
#[track_caller]
fn windows(op: &str, x: Tensor, window: Vec<usize>, strides: Vec<usize>, padding: Padding) -> Windows {
    let (rank, spatial) = (x.rank(), window.len());
    if rank < spatial + 1 || !(strides.is_empty() || strides.len() == spatial) {
        let reason = format!("{spatial} axes of a window and {} strides do not fit {} axes", strides.len(), rank);
        let help = "the axes are `[.., spatial, features]`: window and strides have a number for each spatial one";
        fail(op, vec![x.aval()], reason, Some(help.into()))
    }
    let batch = rank - spatial - 1;
    let around = |list: Vec<usize>| [vec![1; batch], list, vec![1]].concat();
    let padding = match padding {
        Padding::Explicit(pairs) => [vec![(0, 0); batch], pairs, vec![(0, 0)]].concat().into(),
        other => other,
    };
    let strides = if strides.is_empty() { vec![1; spatial] } else { strides };
    Windows { dimensions: around(window), strides: around(strides), padding, ..Default::default() }
}

/// The largest element in a window, at each of its positions over the spatial axes of `x` `[.., spatial, features]`. Without
/// strides the window moves by 1. The derivative goes to the first of equals. Flax: `nnx.max_pool`.
///
/// ```
/// use raxla::{nn, prelude::*, Padding};
/// let f = jit(|x: Tensor| nn::max_pool(x, [2, 2], [2, 2], Padding::Same));
/// let x = Array::from_slice([3, 3, 1], &[1f32, 2., 3., 4., 5., 6., 7., 8., 9.])?;
/// assert_eq!(f.call((x,))?.to_vec::<f32>()?, [5., 6., 8., 9.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// More axes of the window than spatial ones; another number of strides or of pairs of padding.
#[track_caller]
pub fn max_pool(x: Tensor, window: impl Into<Vec<usize>>, strides: impl Into<Vec<usize>>, padding: Padding) -> Tensor {
    let _at = At::op("max_pool");
    reduce_window_max(x, &windows("max_pool", x, window.into(), strides.into(), padding))
}
/// As [`max_pool`], the smallest. Flax: `nnx.min_pool`.
///
/// # Errors
/// As [`max_pool`].
#[track_caller]
pub fn min_pool(x: Tensor, window: impl Into<Vec<usize>>, strides: impl Into<Vec<usize>>, padding: Padding) -> Tensor {
    let _at = At::op("min_pool");
    reduce_window_min(x, &windows("min_pool", x, window.into(), strides.into(), padding))
}
/// As [`max_pool`], the mean: of the whole window, in which padding is zero, or (without `count_include_pad`) of what is no padding.
/// Flax: `nnx.avg_pool`.
///
/// # Errors
/// As [`max_pool`].
#[track_caller]
pub fn avg_pool(
    x: Tensor,
    window: impl Into<Vec<usize>>,
    strides: impl Into<Vec<usize>>,
    padding: Padding,
    count_include_pad: bool,
) -> Tensor {
    let _at = At::op("avg_pool");
    let windows = windows("avg_pool", x, window.into(), strides.into(), padding);
    let sum = reduce_window_sum(x, &windows);
    if count_include_pad {
        return sum / windows.dimensions.iter().product::<usize>();
    }
    // (the same for all features)
    sum / reduce_window_sum(x.like(1.0).slice_axis(-1, ..x.dim(-1).min(1)), &windows)
}
