//! Reductions and running combinations by any function: a tree of calls of the function, on all elements of a level at once. So they
//! have the derivatives of the function, and its rules.
use crate::{
    aval::Aval,
    prim::{Windows, concatenate, pad, slice, zeros},
    trace::{At, Tensor, TensorTree, fail, refuse},
};

/// The number of an axis, which is that of every leaf, and how many elements they have along it.
#[track_caller]
fn axis_of(op: &str, leaves: &[Tensor], axis: isize) -> (usize, usize) {
    let Some(first) = leaves.first() else {
        fail(op, vec![], "there is no operand", Some("give it one tensor at least".into()))
    };
    let axis = first.axis(axis);
    let n = first.dims()[axis];
    if leaves.iter().any(|x| x.dims().get(axis) != Some(&n)) {
        let help = "all operands have the same number of elements along the axis";
        fail(op, leaves.iter().map(|x| x.aval()).collect(), "the operands differ along the axis", Some(help.into()))
    }
    (axis, n)
}
/// Every `stride`th element of an axis from `from` until before `to`.
fn part(x: Tensor, axis: usize, from: usize, to: usize, stride: usize) -> Tensor {
    let rank = x.rank();
    let (mut start, mut limit, mut strides) = (vec![0; rank], x.dims(), vec![1; rank]);
    (start[axis], limit[axis], strides[axis]) = (from, to, stride);
    slice(x, start, limit, strides)
}
/// The function on all leaves, which must keep their types.
#[track_caller]
fn apply<X: TensorTree>(op: &str, like: &X, f: &impl Fn(X, X) -> X, a: Vec<Tensor>, b: Vec<Tensor>) -> Vec<Tensor> {
    let types = |x: &[Tensor]| x.iter().map(|t| t.aval()).collect::<Vec<Aval>>();
    let want = types(&b);
    let y = f(like.refill(a), like.refill(b)).leaves();
    let have = types(&y);
    if have.len() != want.len() || have.iter().zip(&want).any(|(a, b)| !a.is_like(b)) {
        let shown = |all: &[Aval]| all.iter().map(Aval::to_string).collect::<Vec<_>>().join(", ");
        let reason = format!("the function makes {} of twice {}", shown(&have), shown(&want));
        let help = "it combines two values of one type into a third, for any number of them along the axis";
        fail(op, want, reason, Some(help.into()))
    }
    y
}

/// Combinations of each element with all before it along an axis: `y[0] = x[0]`, `y[i] = f(y[i - 1], x[i])`, for an associative `f`,
/// which is called on slices of many elements at a time, about 2 log₂ n times. With `reverse`, from the end of the axis. JAX:
/// `lax.associative_scan`.
///
/// ```
/// use raxla::{associative_scan, prelude::*};
/// // y[i] = a[i] y[i - 1] + b[i]: two such steps are one
/// let f = jit(|a: Tensor, b: Tensor| {
///     associative_scan(|(a0, b0): (Tensor, Tensor), (a1, b1)| (a1 * a0, a1 * b0 + b1), (a, b), 0, false).1
/// });
/// let (a, b) = (Array::from_slice([3], &[0f32, 2., 3.])?, Array::from_slice([3], &[1f32, 1., 1.])?);
/// assert_eq!(f.call((a, b))?.to_vec::<f32>()?, [1., 3., 10.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Leaves that differ along the axis; an `f` whose result has another type than its operands.
#[track_caller]
pub fn associative_scan<X: TensorTree>(f: impl Fn(X, X) -> X, x: X, axis: isize, reverse: bool) -> X {
    const OP: &str = "associative_scan";
    let _at = At::op(OP);
    let leaves = x.leaves();
    let (axis, _) = axis_of(OP, &leaves, axis);
    let turned = |all: Vec<Tensor>| match reverse {
        true => all.into_iter().map(|t| crate::prim::reverse(t, [axis])).collect(),
        false => all,
    };
    let combine = |a: Vec<Tensor>, b: Vec<Tensor>| apply(OP, &x, &f, a, b);
    x.refill(turned(scanned(&combine, turned(leaves), axis)))
}
/// In rounds whose work halves: every second result comes from a row half as long, in which neighbours are combined, and each of the
/// others is one combination of these (Blelloch 1990).
fn scanned(f: &dyn Fn(Vec<Tensor>, Vec<Tensor>) -> Vec<Tensor>, x: Vec<Tensor>, axis: usize) -> Vec<Tensor> {
    let n = x[0].dims()[axis];
    if n < 2 {
        return x;
    }
    let parts = |x: &[Tensor], from: usize, to: usize, stride: usize| -> Vec<Tensor> {
        x.iter().map(|x| part(*x, axis, from, to, stride)).collect()
    };
    let odd = scanned(f, f(parts(&x, 0, n / 2 * 2, 2), parts(&x, 1, n, 2)), axis);
    let first = parts(&x, 0, 1, 1);
    let even = match n {
        2 => first,
        _ => {
            let rest = f(parts(&odd, 0, (n - 1) / 2, 1), parts(&x, 2, n, 2));
            first.iter().zip(rest).map(|(first, rest)| concatenate(&[*first, rest], axis)).collect()
        }
    };
    even.into_iter().zip(odd).map(|(even, odd)| interleaved(even, odd, axis)).collect()
}
/// The elements of both by turns, one of the first at the beginning.
fn interleaved(even: Tensor, odd: Tensor, axis: usize) -> Tensor {
    let (rank, last) = (even.rank(), odd.dims()[axis]);
    let dims = |n: usize| {
        let mut dims = odd.dims();
        dims[axis] = n;
        dims
    };
    let pair = |x: Tensor| x.expand_dims(axis as isize + 1);
    let both = concatenate(&[pair(part(even, axis, 0, last, 1)), pair(odd)], axis + 1).reshape(dims(2 * last));
    debug_assert_eq!(both.rank(), rank);
    match even.dims()[axis] - last {
        0 => both,
        _ => concatenate(&[both, part(even, axis, last, last + 1, 1)], axis),
    }
}

/// All elements along axes (which disappear) combined by an associative `f`, beginning with `init`, scalars of the operands' dtypes.
/// `f` is called on slices of many elements at a time. JAX: `lax.reduce`; sums, products and extremes have operations of their own
/// ([`Tensor::sum`], ...).
///
/// ```
/// use raxla::{prelude::*, reduce};
/// // the largest element, and the sum of squares of all
/// let f = jit(|x: Tensor| {
///     let init = (x.like(f32::NEG_INFINITY).max(..), full([], DType::F32, 0.0));
///     reduce(|(a, s): (Tensor, Tensor), (b, t)| (a.maximum(b), s + t), (x, x * x), init, [0])
/// });
/// let (most, squares) = f.call((Array::from_slice([3], &[1f32, 3., 2.])?,))?;
/// assert_eq!((most.item::<f32>()?, squares.item::<f32>()?), (3.0, 14.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Leaves of different shapes, or an `init` of other dtypes; an `f` whose result has another type than its operands.
#[track_caller]
pub fn reduce<X: TensorTree>(f: impl Fn(X, X) -> X, x: X, init: X, axes: impl Into<Vec<usize>>) -> X {
    const OP: &str = "reduce";
    let _at = At::op(OP);
    let (mut leaves, axes, start) = (x.leaves(), axes.into(), init.leaves());
    let dims = leaves.first().map_or(vec![], |x| x.dims());
    if leaves.iter().any(|x| x.dims() != dims) {
        let types = leaves.iter().map(|x| x.aval()).collect();
        fail(OP, types, "the operands have different shapes", Some("broadcast them first: `.broadcast_to(..)`".into()))
    }
    if let Some(axis) = axes.iter().enumerate().find(|(i, a)| **a >= dims.len() || axes[..*i].contains(a)) {
        let types = leaves.iter().map(|x| x.aval()).collect();
        let help = format!("name each of the {} axes once at most", dims.len());
        fail(OP, types, format!("axis {} does not exist, or is named twice", axis.1), Some(help))
    }
    let kept: Vec<usize> = (0..dims.len()).filter(|i| !axes.contains(i)).collect();
    let rest: Vec<usize> = kept.iter().map(|i| dims[*i]).collect();
    let n: usize = axes.iter().map(|i| dims[*i]).product();
    let flat = |x: Tensor| x.transpose([&axes[..], &kept].concat()).reshape([&[n], &rest[..]].concat());
    leaves = leaves.into_iter().map(flat).collect();
    let first = |x: &[Tensor]| -> Vec<Tensor> {
        let one = |(x, s): (&Tensor, &Tensor)| {
            if x.dtype() != s.dtype() || s.rank() != 0 {
                let help = "it is one scalar for each operand, of its dtype";
                fail(OP, vec![x.aval(), s.aval()], "the initial value does not fit", Some(help.into()))
            }
            s.broadcast_to([&[1], &rest[..]].concat())
        };
        if x.len() != start.len() {
            let reason = format!("there are {} initial values for {} operands", start.len(), x.len());
            fail(OP, vec![], reason, Some("give one scalar for each operand".into()))
        }
        x.iter().zip(&start).map(one).collect()
    };
    let begin = first(&leaves);
    let mut count = n;
    while count > 1 {
        let pairs = |from: usize, to: usize| leaves.iter().map(|x| part(*x, 0, from, to, 2)).collect();
        let mut next = apply(OP, &x, &f, pairs(0, count / 2 * 2), pairs(1, count));
        if count % 2 == 1 {
            // the last one is left for the next round
            let last = |(y, x): (&mut Tensor, &Tensor)| *y = concatenate(&[*y, part(*x, 0, count - 1, count, 1)], 0);
            next.iter_mut().zip(&leaves).for_each(last);
        }
        (leaves, count) = (next, count.div_ceil(2));
    }
    let all = if n == 0 { begin } else { apply(OP, &x, &f, begin, leaves) };
    x.refill(all.into_iter().map(|y| y.reshape(&*rest)))
}

/// The elements in a window, at each of its positions, combined by `f` one after the other, beginning with `init`, which also stands
/// in the padding. `f` is called on slices of many elements at a time. JAX: `lax.reduce_window`; sums and extremes have operations of
/// their own ([`prim::reduce_window_sum`](crate::prim::reduce_window_sum), ...).
///
/// ```
/// use raxla::{prelude::*, prim::Windows, reduce_window};
/// let products = jit(|x: Tensor| {
///     let windows = Windows { dimensions: vec![2], ..Default::default() };
///     reduce_window(|a: Tensor, b: Tensor| a * b, x, full([], DType::F32, 1.0), &windows)
/// });
/// let x = Array::from_slice([4], &[1f32, 2., 3., 4.])?;
/// assert_eq!(products.call((x,))?.to_vec::<f32>()?, [2., 6., 12.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Leaves of different shapes; windows that do not fit them; an `f` whose result has another type than its operands; windows of more
/// than 4096 elements.
#[track_caller]
pub fn reduce_window<X: TensorTree>(f: impl Fn(X, X) -> X, x: X, init: X, windows: &Windows) -> X {
    const OP: &str = "reduce_window";
    const MOST: usize = 4096;
    let _at = At::op(OP);
    let (leaves, start) = (x.leaves(), init.leaves());
    let Some(first) = leaves.first().map(|x| x.aval()) else { return x };
    let types = || leaves.iter().chain(&start).map(|x| x.aval()).collect::<Vec<_>>();
    let fits = leaves.len() == start.len() && leaves.iter().all(|x| x.dims() == *first.dims);
    if !fits || leaves.iter().zip(&start).any(|(x, s)| s.rank() != 0 || s.dtype() != x.dtype()) {
        let help = "operands have one shape, and each one scalar of its dtype to begin with";
        fail(OP, types(), "operands and initial values do not fit together", Some(help.into()))
    }
    let windows = windows.resolved(&first).unwrap_or_else(|why| refuse(OP, types(), why));
    let size: usize = windows.dimensions.iter().product();
    if size > MOST {
        let help = "reduce along an axis first, or use `prim::reduce_window_sum` and its kin".to_string();
        fail(OP, types(), format!("a window of {size} elements is more than {MOST} calls of the function"), Some(help))
    }
    let results = windows.results(&first);
    if results.contains(&0) {
        return x.refill(leaves.iter().map(|x| zeros(&*results, x.dtype())));
    }
    let edges: Vec<(i64, i64, usize)> =
        windows.pairs().iter().zip(&windows.base_dilation).map(|((low, high), d)| (*low, *high, d - 1)).collect();
    let padded: Vec<Tensor> = leaves.iter().zip(&start).map(|(x, s)| pad(*x, *s, &*edges)).collect();
    // the element of every window that stands at this place in it
    let at = |place: usize| -> Vec<Tensor> {
        let offset = crate::host::unravel(&windows.dimensions, place);
        let from: Vec<usize> = offset.iter().zip(&windows.window_dilation).map(|(o, d)| o * d).collect();
        let limit: Vec<usize> = (0..from.len()).map(|i| from[i] + (results[i] - 1) * windows.strides[i] + 1).collect();
        padded.iter().map(|x| slice(*x, &*from, &*limit, &*windows.strides)).collect()
    };
    let begin = start.iter().map(|s| s.broadcast_to(&*results)).collect();
    let all = (0..size).fold(begin, |all, place| apply(OP, &x, &f, all, at(place)));
    x.refill(all)
}
