//! Operators and methods with broadcasting, and what is composed from primitives.
use crate::{
    aval::DType,
    prim::{self, Direction, Scalar, broadcast_in_dim, full},
    trace::{At, Tensor, fail},
};

/// Stretch two tensors to their common shape, as NumPy does.
#[track_caller]
fn fit(op: &str, x: Tensor, y: Tensor) -> (Tensor, Tensor) {
    let (a, b) = (x.aval(), y.aval());
    if a == b {
        return (x, y);
    }
    if a.dtype != b.dtype {
        let help = format!("convert one side: `.cast(DType::{:?})`", a.dtype);
        fail(op, vec![a, b], "the dtypes differ", Some(help));
    }
    let n = a.rank().max(b.rank());
    let pad = |d: &[usize]| [&vec![1; n - d.len()], d].concat();
    let (pa, pb) = (pad(&a.dims), pad(&b.dims));
    let dims: Vec<usize> = pa.iter().zip(&pb).map(|(a, b)| if *a == 1 { *b } else { *a }).collect();
    if let Some(i) = (0..n).find(|i| pa[*i] != 1 && pb[*i] != 1 && pa[*i] != pb[*i]) {
        let help = format!("axis {i} is {} on the left and {} on the right", pa[i], pb[i]);
        fail(op, vec![a, b], "the shapes do not broadcast", Some(help));
    }
    (x.broadcast_to(dims.clone()), y.broadcast_to(dims))
}

macro_rules! operator {
    ($Op:ident, $m:ident, $f:path) => {
        impl std::ops::$Op for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $m(self, y: Tensor) -> Tensor {
                let _at = At::caller();
                let (x, y) = fit(stringify!($m), self, y);
                $f(x, y)
            }
        }
        impl<S: Scalar> std::ops::$Op<S> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $m(self, y: S) -> Tensor {
                let _at = At::caller();
                $f(self, self.like(y))
            }
        }
        operator!(left f64, $Op, $m, $f);
        operator!(left i32, $Op, $m, $f);
    };
    (left $t:ty, $Op:ident, $m:ident, $f:path) => {
        impl std::ops::$Op<Tensor> for $t {
            type Output = Tensor;
            #[track_caller]
            fn $m(self, y: Tensor) -> Tensor {
                let _at = At::caller();
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
        full([], x.dtype(), self)
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $m:ident => |$x:ident, $y:ident| $e:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $m(self, y: impl Rhs) -> Tensor {
                let _at = At::caller();
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
    logaddexp => |x, y| prim::custom_jvp(logaddexp, |(x, y): (Tensor, Tensor), (dx, dy): (Tensor, Tensor)| {
        let z = logaddexp((x, y));
        // +∞ beside +∞ has the same share as any other pair of equals
        let finite = |x: Tensor| where_(x.eq(f64::INFINITY), x.like(0.0), x);
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
    let _at = At::caller();
    let (yes, no) = fit("where", yes, no.beside(yes));
    let (c, y) = fit("where", condition.cast(DType::I8), full(yes.dims(), DType::I8, 0));
    let dims = y.dims();
    let c = if c.dims() == condition.dims() { condition } else { condition.broadcast_to(dims.clone()) };
    prim::select(c, yes.broadcast_to(dims.clone()), no.broadcast_to(dims))
}

impl Tensor {
    /// Each element limited to `[low, high]`; both broadcast. At a bound the derivative is one half, as in JAX
    /// (`jnp.clip`; that of [`prim::clamp`] is 0).
    #[track_caller]
    pub fn clip(self, low: impl Rhs, high: impl Rhs) -> Tensor {
        let _at = At::caller();
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
        let a = self.aval();
        full(a.dims, a.dtype, value)
    }
    /// Repeated to shape `dims`, aligned at the last axis, as NumPy broadcasts.
    #[track_caller]
    pub fn broadcast_to(self, dims: impl Into<Vec<usize>>) -> Tensor {
        let (dims, rank) = (dims.into(), self.rank());
        if self.dims() == dims {
            return self;
        }
        if rank > dims.len() {
            fail("broadcast_to", vec![self.aval()], format!("it has more axes than {dims:?}"), None);
        }
        let at = (dims.len() - rank..dims.len()).collect();
        broadcast_in_dim(self, dims, at)
    }
}
