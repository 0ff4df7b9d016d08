//! Products of vectors, matrices and tensors.
//!
//! ```
//! use raxla::{numpy, prelude::*};
//! let f = jit(|a: Tensor, b: Tensor| (numpy::kron(a, b), numpy::cross(a, b, -1), numpy::tensordot(a, b, 1)));
//! let vector = |v: &[f32]| Array::from_slice([v.len()], v);
//! let (kron, cross, sum) = f.call((vector(&[1., 2., 3.])?, vector(&[0., 1., 0.])?))?;
//! assert_eq!((kron.dims(), cross.to_vec::<f32>()?, sum.item::<f32>()?), ([9].as_slice(), vec![-3., 0., 1.], 2.0));
//! # Ok::<(), raxla::Error>(())
//! ```
use crate::{
    ops::{fit, shape::concat},
    prim::{DotGeneral, dot_general},
    trace::{At, Tensor, fail},
};

/// The product over the last axis of `a` and the last but one of `b` (of a vector, its one); with a scalar, elementwise.
#[track_caller]
pub fn dot(a: Tensor, b: Tensor) -> Tensor {
    let _at = At::op("dot");
    match (a.rank(), b.rank()) {
        (0, _) | (_, 0) => a * b,
        (n, m) => contracted("dot", a, b, vec![n - 1], vec![m.saturating_sub(2)]),
    }
}
/// The product over the last axes of both; with a scalar, elementwise.
#[track_caller]
pub fn inner(a: Tensor, b: Tensor) -> Tensor {
    let _at = At::op("inner");
    match (a.rank(), b.rank()) {
        (0, _) | (_, 0) => a * b,
        (n, m) => contracted("inner", a, b, vec![n - 1], vec![m - 1]),
    }
}
/// All products of elements of the one and of the other: `[n, m]`.
#[track_caller]
pub fn outer(a: Tensor, b: Tensor) -> Tensor {
    let _at = At::op("outer");
    a.reshape([a.size(), 1]) * b.reshape([1, b.size()])
}
/// The sum of the products of all elements of two tensors of one size.
#[track_caller]
pub fn vdot(a: Tensor, b: Tensor) -> Tensor {
    let _at = At::op("vdot");
    contracted("vdot", a.reshape([a.size()]), b.reshape([b.size()]), vec![0], vec![0])
}
/// The products along an axis, which disappears, of tensors that broadcast.
#[track_caller]
pub fn vecdot(a: Tensor, b: Tensor, axis: isize) -> Tensor {
    let _at = At::op("vecdot");
    let (a, b) = fit("vecdot", a, b);
    (a * b).sum(axis)
}
/// Matrices `[.., n, m]` times vectors `[.., m]`.
#[track_caller]
pub fn matvec(a: Tensor, v: Tensor) -> Tensor {
    let _at = At::op("matvec");
    a.matmul(v.expand_dims(-1)).squeeze(-1)
}
/// Vectors `[.., n]` times matrices `[.., n, m]`.
#[track_caller]
pub fn vecmat(v: Tensor, a: Tensor) -> Tensor {
    let _at = At::op("vecmat");
    v.expand_dims(-2).matmul(a).squeeze(-2)
}
/// Each element of `a` in place of which stands `b` times it: sizes multiply.
#[track_caller]
pub fn kron(a: Tensor, b: Tensor) -> Tensor {
    let _at = At::op("kron");
    let rank = a.rank().max(b.rank());
    let wide = |t: Tensor| [vec![1; rank - t.rank()], t.dims()].concat();
    let (m, n) = (wide(a), wide(b));
    let spread = |dims: &[usize], second: bool| {
        dims.iter().flat_map(|d| if second { [1, *d] } else { [*d, 1] }).collect::<Vec<_>>()
    };
    let product = a.reshape(spread(&m, false)) * b.reshape(spread(&n, true));
    product.reshape(m.iter().zip(&n).map(|(a, b)| a * b).collect::<Vec<_>>())
}
/// The vector product along an axis of size 3; of size 2, the third component alone. The other axes broadcast.
///
/// # Errors
/// Other sizes.
#[track_caller]
pub fn cross(a: Tensor, b: Tensor, axis: isize) -> Tensor {
    let _at = At::op("cross");
    let (a, b) = fit("cross", a, b);
    let part = |t: Tensor, i: usize| t.slice_axis(axis, i..i + 1);
    let minor = |i: usize, k: usize| part(a, i) * part(b, k) - part(a, k) * part(b, i);
    match a.dim(axis) {
        2 => minor(0, 1).squeeze(axis),
        3 => concat(&[minor(1, 2), minor(2, 0), minor(0, 1)], axis),
        n => fail(
            "cross",
            vec![a.aval(), b.aval()],
            format!("axis {axis} is {n}"),
            Some("vectors have 3 components, or 2".into()),
        ),
    }
}

/// Over which axes [`tensordot`] sums: so many of the last of the one and the first of the other (`2`), or these of each (`([0], [1])`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contraction {
    /// The last of the one, and the first of the other.
    Inner(usize),
    /// These axes of the one, and of the other.
    Axes(Vec<isize>, Vec<isize>),
}
impl From<usize> for Contraction {
    fn from(n: usize) -> Contraction {
        Contraction::Inner(n)
    }
}
impl<const N: usize> From<([isize; N], [isize; N])> for Contraction {
    fn from((a, b): ([isize; N], [isize; N])) -> Contraction {
        Contraction::Axes(a.to_vec(), b.to_vec())
    }
}
/// The sum of products over axes of both; the others stay, those of `a` first.
///
/// # Errors
/// Axes of different sizes.
#[track_caller]
pub fn tensordot(a: Tensor, b: Tensor, over: impl Into<Contraction>) -> Tensor {
    let _at = At::op("tensordot");
    match over.into() {
        Contraction::Inner(n) if n <= a.rank().min(b.rank()) => {
            contracted("tensordot", a, b, (a.rank() - n..a.rank()).collect(), (0..n).collect())
        }
        Contraction::Inner(n) => fail(
            "tensordot",
            vec![a.aval(), b.aval()],
            format!("these have no {n} axes each"),
            Some("sum over fewer".into()),
        ),
        Contraction::Axes(i, k) => {
            let axes = |t: Tensor, axes: Vec<isize>| axes.into_iter().map(|i| t.axis(i)).collect();
            contracted("tensordot", a, b, axes(a, i), axes(b, k))
        }
    }
}
#[track_caller]
fn contracted(op: &str, a: Tensor, b: Tensor, of_a: Vec<usize>, of_b: Vec<usize>) -> Tensor {
    let sizes = |t: Tensor, axes: &[usize]| axes.iter().map(|i| t.dims()[*i]).collect::<Vec<_>>();
    if a.dtype() != b.dtype() {
        let help = crate::ops::one_dtype(a.dtype(), b.dtype());
        fail(op, vec![a.aval(), b.aval()], "the dtypes differ", Some(help))
    }
    if sizes(a, &of_a) != sizes(b, &of_b) {
        let reason = format!("axes {of_a:?} and {of_b:?} do not have the same sizes");
        fail(op, vec![a.aval(), b.aval()], reason, Some("name the axes with `einsum`".into()))
    }
    dot_general(a, b, DotGeneral { contract: (of_a, of_b), ..Default::default() })
}
