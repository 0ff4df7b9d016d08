//! Derivatives of holomorphic functions: complex ones, of complex results by complex arguments. JAX: `holomorphic=True`.
//!
//! That a function is holomorphic is the caller's promise. The derivatives of one that is not, by the real and the imaginary part of its
//! argument, are those of a function of both parts, or what [`vjp`](crate::vjp) gives.
//!
//! ```
//! use raxla::{Complex64, holomorphic, prelude::*};
//! let f = jit(|z: Tensor| holomorphic::grad(|z: Tensor| z * z * Complex64::I)(z));
//! let z = Array::scalar(Complex64::new(1.0, 2.0))?;
//! assert_eq!(f.call((z,))?.item::<Complex64>()?, Complex64::new(-4.0, 2.0));
//! # Ok::<(), raxla::Error>(())
//! ```
use super::{
    grad::{Field, gradient},
    jacobian::{forward, reverse},
};
use crate::{
    jit::Traced,
    trace::{Tensor, TensorTree},
};
use std::panic::Location;

/// The derivative of a holomorphic function of a tree of complex tensors, whose result is a complex scalar, by every leaf. JAX:
/// `grad(f, holomorphic=True)`.
///
/// # Errors
/// Arguments or a result that are not complex.
#[track_caller]
pub fn grad<X: TensorTree>(f: impl Traced<(X,), Out = Tensor>) -> impl Fn(X) -> X {
    let f = value_and_grad(f);
    move |x| f(x).1
}
/// As [`grad`], returning the function's value too. JAX: `value_and_grad(f, holomorphic=True)`.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn value_and_grad<X: TensorTree>(f: impl Traced<(X,), Out = Tensor>) -> impl Fn(X) -> (Tensor, X) {
    let f = gradient(move |x: X| (f.call((x,)), ()), Field::Complex, Location::caller());
    move |x| {
        let ((value, ()), d) = f(x);
        (value, d)
    }
}
/// All derivatives of a holomorphic function of one complex tensor, by forward mode, in the shape of [`jacfwd`](crate::jacfwd). JAX:
/// `jacfwd(f, holomorphic=True)`.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn jacfwd<Y: TensorTree>(f: impl Fn(Tensor) -> Y) -> impl Fn(Tensor) -> Y {
    forward(f, Field::Complex, Location::caller())
}
/// All derivatives of a holomorphic function with one complex result, by reverse mode, in the shape of [`jacrev`](crate::jacrev). JAX:
/// `jacrev(f, holomorphic=True)`.
///
/// # Errors
/// As [`grad`].
#[track_caller]
pub fn jacrev<X: TensorTree>(f: impl Traced<(X,), Out = Tensor>) -> impl Fn(X) -> X {
    reverse(f, Field::Complex, Location::caller())
}
