//! Operators and methods with broadcasting, and what is composed from primitives.
pub(crate) mod at;
pub(crate) mod einsum;
pub(crate) mod index;
mod matmul;
pub(crate) mod prefix;
pub(crate) mod reduce;
pub(crate) mod scaled;
pub(crate) mod shape;

use crate::{
    aval::DType,
    prim::{self, Direction, Scalar, broadcast_in_dim, filled},
    trace::{At, Tensor, fail, vary},
};

/// The shape that two shapes broadcast to, as in NumPy; otherwise the axis where they differ.
pub(crate) fn common(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let n = a.len().max(b.len());
    let pad = |d: &[usize]| [&vec![1; n - d.len()], d].concat();
    let (a, b) = (pad(a), pad(b));
    match (0..n).find(|i| a[*i] != 1 && b[*i] != 1 && a[*i] != b[*i]) {
        Some(i) => Err(format!("axis {i} is {} on the left and {} on the right", a[i], b[i])),
        None => Ok(a.into_iter().zip(b).map(|(a, b)| if a == 1 { b } else { a }).collect()),
    }
}

/// What to do about two dtypes.
pub(crate) fn one_dtype(a: DType, b: DType) -> String {
    match [a, b].contains(&DType::F64) && [a, b].contains(&DType::F32) {
        true => "convert one side: `.cast(DType::F32)`; data of Rust's `0.5` is f64, of `0.5f32` f32".into(),
        false => format!("convert one side: `.cast(DType::{a:?})`"),
    }
}

/// Stretch two tensors to their common shape.
#[track_caller]
pub(crate) fn fit(op: &str, x: Tensor, y: Tensor) -> (Tensor, Tensor) {
    let (a, b) = (x.aval(), y.aval());
    if a == b {
        return (x, y);
    }
    if a.dtype != b.dtype {
        let help = one_dtype(a.dtype, b.dtype);
        fail(op, vec![a, b], "the dtypes differ", Some(help));
    }
    // (a derivative is summed over devices where it is smallest: before what they share is stretched)
    let vma = a.vma.union(b.vma);
    let (x, y) = (vary(x, vma), vary(y, vma));
    match common(&a.dims, &b.dims) {
        Ok(dims) => (x.broadcast_to(dims.clone()), y.broadcast_to(dims)),
        Err(help) => fail(op, vec![a, b], "the shapes do not broadcast", Some(help)),
    }
}

macro_rules! operator {
    ($Op:ident, $m:ident, $f:path) => {
        impl std::ops::$Op for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $m(self, y: Tensor) -> Tensor {
                let _at = At::op(stringify!($m));
                let (x, y) = fit(stringify!($m), self, y);
                $f(x, y)
            }
        }
        impl<S: Scalar> std::ops::$Op<S> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $m(self, y: S) -> Tensor {
                let _at = At::op(stringify!($m));
                $f(self, self.like(y))
            }
        }
        operator!(left f64, $Op, $m, $f);
        operator!(left num_complex::Complex32, $Op, $m, $f);
        operator!(left num_complex::Complex64, $Op, $m, $f);
        operator!(left i32, $Op, $m, $f);
    };
    (assign $Assign:ident, $assign:ident, $Op:ident, $m:ident) => {
        impl<R> std::ops::$Assign<R> for Tensor
        where
            Tensor: std::ops::$Op<R, Output = Tensor>,
        {
            #[track_caller]
            fn $assign(&mut self, y: R) {
                *self = std::ops::$Op::$m(*self, y);
            }
        }
    };
    (left $t:ty, $Op:ident, $m:ident, $f:path) => {
        impl std::ops::$Op<Tensor> for $t {
            type Output = Tensor;
            #[track_caller]
            fn $m(self, y: Tensor) -> Tensor {
                let _at = At::op(stringify!($m));
                $f(y.like(self), y)
            }
        }
    };
}
operator!(Add, add, prim::add);
operator!(Sub, sub, prim::sub);
operator!(Mul, mul, prim::mul);
operator!(Div, div, prim::div);
operator!(Rem, rem, prim::rem);
operator!(BitAnd, bitand, prim::and);
operator!(BitOr, bitor, prim::or);
operator!(BitXor, bitxor, prim::xor);
operator!(Shl, shl, prim::shift_left);

/// `x >> y`: the sign fills in for signed integers, zeros for unsigned ones.
#[track_caller]
fn shift_right(x: Tensor, y: Tensor) -> Tensor {
    if x.dtype().is_signed() { prim::shift_right_arithmetic(x, y) } else { prim::shift_right_logical(x, y) }
}
operator!(Shr, shr, shift_right);
operator!(assign AddAssign, add_assign, Add, add);
operator!(assign SubAssign, sub_assign, Sub, sub);
operator!(assign MulAssign, mul_assign, Mul, mul);
operator!(assign DivAssign, div_assign, Div, div);

impl std::ops::Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}

/// The right-hand side of a comparison or binary method: a tensor, or a number that takes the tensor's dtype.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a tensor: it is neither a tensor nor a number",
    label = "neither a tensor nor a number"
)]
pub trait Rhs: Copy {
    /// As a tensor beside `x`.
    fn beside(self, x: Tensor) -> Tensor;
}
impl Rhs for Tensor {
    fn beside(self, _: Tensor) -> Tensor {
        self
    }
}
impl<S: Scalar> Rhs for S {
    #[track_caller]
    fn beside(self, x: Tensor) -> Tensor {
        filled(vec![], x.dtype(), self, vec![x.aval()])
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $m:ident => |$x:ident, $y:ident| $e:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $m(self, y: impl Rhs) -> Tensor {
                let _at = At::op(stringify!($m));
                let ($x, $y) = fit(stringify!($m), self, y.beside(self));
                $e
            }
        )*}
    };
}
methods! {
    /// Elementwise x = y, as bools.
    eq => |x, y| prim::compare(Direction::Eq, x, y);
    /// Elementwise x ≠ y, as bools.
    ne => |x, y| prim::compare(Direction::Ne, x, y);
    /// Elementwise x < y, as bools.
    lt => |x, y| prim::compare(Direction::Lt, x, y);
    /// Elementwise x ≤ y, as bools.
    le => |x, y| prim::compare(Direction::Le, x, y);
    /// Elementwise x > y, as bools.
    gt => |x, y| prim::compare(Direction::Gt, x, y);
    /// Elementwise x ≥ y, as bools.
    ge => |x, y| prim::compare(Direction::Ge, x, y);
    /// The larger of each pair; NaN if one is.
    maximum => |x, y| prim::max(x, y);
    /// The smaller of each pair; NaN if one is.
    minimum => |x, y| prim::min(x, y);
    /// Remainder of x / y with the sign of y, as Python's `%` (Rust's, and the operator `%` of tensors, takes that of x).
    modulo => |x, y| {
        let rest = prim::rem(x, y);
        let zero = x.like(0);
        let negative = |x: Tensor| prim::compare(Direction::Lt, x, zero);
        let other_sign = prim::compare(Direction::Ne, negative(rest), negative(y));
        let wrong = prim::and(other_sign, prim::compare(Direction::Ne, rest, zero));
        prim::select(wrong, prim::add(rest, y), rest)
    };
    /// xʸ for floats.
    pow => |x, y| prim::pow(x, y);
    /// The angle of the point (y, x) where self is y, in radians.
    atan2 => |x, y| prim::atan2(x, y);
    /// ln(eˣ + eʸ), without overflow. JAX: `jnp.logaddexp`.
    logaddexp => |x, y| prim::composite_jvp(logaddexp, |(x, y): (Tensor, Tensor), (dx, dy): (Tensor, Tensor)| {
        let z = logaddexp((x, y));
        // +∞ beside +∞ has the same share as any other pair of equals
        let finite = |x: Tensor| where_(x.gt(0) & !(x.is_finite() | x.is_nan()), x.like(0.0), x);
        (z, dx * (finite(x) - finite(z)).exp() + dy * (finite(y) - finite(z)).exp())
    })((x, y));
}

fn logaddexp((x, y): (Tensor, Tensor)) -> Tensor {
    let delta = x - y;
    // (not |delta|, which has no derivative at ties: that of a minimum is the mean)
    let sum = x.maximum(y) + delta.minimum(-delta).exp().log1p();
    // equal infinities have no difference; their sum is right
    where_(delta.ne(delta), x + y, sum)
}

/// `yes` where `condition` holds, else `no`; all three broadcast to one shape. JAX: `jnp.where`.
#[track_caller]
pub fn where_(condition: Tensor, yes: Tensor, no: impl Rhs) -> Tensor {
    let _at = At::op("where");
    let (yes, no) = fit("where", yes, no.beside(yes));
    let (c, a) = (condition.aval(), yes.aval());
    if c.dtype != DType::Bool {
        let help = "compare: `x.ne(0)` holds where x is not zero".to_string();
        let reason = format!("the condition is {}, not bool", c.dtype.name());
        fail("where", vec![c, a.clone(), a], reason, Some(help))
    }
    match common(&c.dims, &a.dims) {
        Ok(dims) => {
            let [c, yes, no] = [condition, yes, no].map(|t| t.broadcast_to(dims.clone()));
            prim::select(c, yes, no)
        }
        Err(help) => fail("where", vec![c, a.clone(), a], "condition and values do not broadcast", Some(help)),
    }
}

/// The complex numbers with these real and imaginary parts, floats of f32 or f64, which broadcast. JAX: `lax.complex`.
///
/// ```
/// use raxla::{Complex32, complex, prelude::*};
/// let f = jit(|x: Tensor| complex(x, 1.0) * Complex32::I);
/// let z = f.call((Array::from_slice([2], &[0f32, 2.])?,))?;
/// assert_eq!(z.to_vec::<Complex32>()?, [Complex32::new(-1.0, 0.0), Complex32::new(-1.0, 2.0)]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn complex(re: Tensor, im: impl Rhs) -> Tensor {
    let _at = At::op("complex");
    let (re, im) = fit("complex", re, im.beside(re));
    prim::complex(re, im)
}

impl Tensor {
    /// The angle of complex numbers in the plane, in radians from -π to π: of 1 it is 0, of i it is π/2. JAX: `jnp.angle`.
    #[track_caller]
    pub fn angle(self) -> Tensor {
        let _at = At::op("angle");
        prim::atan2(self.imag(), self.real())
    }
    /// Each element limited to `[low, high]`; both broadcast. At a bound the derivative is one half, as in JAX
    /// (`jnp.clip`; that of [`prim::clamp`] is 0).
    ///
    /// ```
    /// # use raxla::{prelude::*, trace::trace_graph};
    /// # let g = trace_graph(&[Aval::new(DType::F32, [2, 3]), Aval::new(DType::F32, [2, 1])], |t| { let (x, low) = (t[0], t[1]);
    /// let y = x.clip(low, 1.0);
    /// # vec![y] }).unwrap();
    /// # let x = Host::floats(DType::F32, [2, 3], vec![-2., 0.5, 3., -2., 0.5, 3.]);
    /// # let y = g.eval(&[x, Host::floats(DType::F32, [2, 1], vec![-1., 0.75])]);
    /// # assert_eq!(y[0].to_f64(), [-1., 0.5, 1., 0.75, 0.75, 1.]);
    /// ```
    #[track_caller]
    pub fn clip(self, low: impl Rhs, high: impl Rhs) -> Tensor {
        let _at = At::op("clip");
        self.maximum(low).minimum(high)
    }
    /// Is each element NaN? Gives bools.
    #[track_caller]
    pub fn is_nan(self) -> Tensor {
        prim::compare(Direction::Ne, self, self)
    }
    /// A tensor of this shape and dtype with all elements equal to `value`.
    #[track_caller]
    pub fn like(self, value: impl Scalar) -> Tensor {
        let _at = At::op("like");
        let a = self.aval();
        filled(a.dims.clone(), a.dtype, value, vec![a])
    }
    /// Repeated to shape `dims`, aligned at the last axis, as NumPy broadcasts.
    #[track_caller]
    pub fn broadcast_to(self, dims: impl Into<Vec<usize>>) -> Tensor {
        let _at = At::op("broadcast_to");
        let (dims, rank) = (dims.into(), self.rank());
        if self.dims() == dims {
            return self;
        }
        let a = self.aval();
        if rank > dims.len() {
            fail(
                "broadcast_to",
                vec![a],
                format!("it has more axes than {dims:?}"),
                Some("axes are added in front, none is removed: `.squeeze(axis)`, or a reduction".into()),
            );
        }
        let first = dims.len() - rank;
        if let Some(i) = (0..rank).find(|i| a.dims[*i] != 1 && a.dims[*i] != dims[first + i]) {
            let help = format!("axis {i} is {}, which only repeats to {} if it is 1", a.dims[i], dims[first + i]);
            fail("broadcast_to", vec![a], format!("it does not broadcast to {dims:?}"), Some(help))
        }
        broadcast_in_dim(self, &*dims, (first..dims.len()).collect())
    }
}
