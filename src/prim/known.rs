//! What can be known of a result before the program runs: the rules behind [`fold`](crate::transform::fold::fold).
//!
//! A rule answers only what every platform computes to the last bit. So floats are combined by additions and
//! multiplications alone, which all round alike, and not where a number is subnormal (XLA's CPU programs flush those to
//! zero), NaN (whose bits differ), or of 8 bits (computed in wider formats).
use super::*;
use crate::host::{Data, wrap};

/// What an operation's result is, found while compiling.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// This operand, where it has the type of the result.
    Operand(usize),
    /// All elements equal this scalar.
    Splat(Host),
}

/// Which scalar all elements of each operand equal, as far as is known.
pub type Splats<'a> = [Option<&'a Host>];

/// Is this scalar computed alike everywhere?
fn portable(h: &Host) -> bool {
    let smallest_normal = match h.dtype() {
        DType::F16 => 2f64.powi(-14),
        DType::F32 | DType::BF16 => f32::MIN_POSITIVE as f64,
        DType::F64 => f64::MIN_POSITIVE,
        d => return !d.is_inexact(),
    };
    match h.data() {
        Data::Float(v) => v[0] == 0.0 || v[0].abs() >= smallest_normal,
        Data::Int(_) => true,
        Data::Complex(_) => false,
    }
}

/// The result of an elementwise operation that every platform computes alike, if all operands are known.
pub(super) fn exact(prim: &dyn Primitive, x: &Splats) -> Option<Known> {
    let x: Vec<Host> = x.iter().map(|x| x.filter(|h| portable(h)).cloned()).collect::<Option<_>>()?;
    let y = prim.eval(&x).swap_remove(0);
    portable(&y).then_some(Known::Splat(y))
}
/// As [`exact`], for integers and bools alone.
pub(super) fn exact_int(prim: &dyn Primitive, x: &Splats) -> Option<Known> {
    x.iter().flatten().all(|h| !h.dtype().is_inexact()).then(|| exact(prim, x)).flatten()
}
/// As [`exact`], but not where two float zeros meet: which of them is the larger differs.
pub(super) fn exact_order(prim: &dyn Primitive, x: &Splats) -> Option<Known> {
    let zeros = x.iter().flatten().filter(|h| h.dtype().is_float() && (is(h, 0.0) || is(h, -0.0))).count();
    (zeros < 2).then(|| exact(prim, x)).flatten()
}

/// Is the scalar this number? Of floats, to the bit: -0 is not 0. No complex number is: beside infinities 1 + 0i is not neutral.
pub(super) fn is(h: &Host, x: f64) -> bool {
    match h.data() {
        Data::Float(v) => v[0].to_bits() == x.to_bits(),
        Data::Int(v) => v[0] == wrap(h.dtype(), x as i128),
        Data::Complex(_) => false,
    }
}
/// The left operand, if the right one is this number.
pub(super) fn left_beside(x: &Splats, number: f64) -> Option<Known> {
    x[1].filter(|h| is(h, number)).map(|_| Known::Operand(0))
}
/// The other operand, if one is this number.
pub(super) fn other_beside(x: &Splats, number: f64) -> Option<Known> {
    left_beside(x, number).or_else(|| x[0].filter(|h| is(h, number)).map(|_| Known::Operand(1)))
}
/// An integer that makes the result equal to itself, whatever the other operand is.
pub(super) fn absorbing(x: &Splats, number: f64) -> Option<Known> {
    let found = x.iter().flatten().find(|h| !h.dtype().is_inexact() && is(h, number));
    found.map(|h| Known::Splat(Host::clone(h)))
}

/// For operations that only move elements: if all elements of the operand are equal, so are those of the result.
pub(super) fn moved(x: &Splats) -> Option<Known> {
    x[0].map(|h| Known::Splat(h.clone()))
}
/// For operations that only move elements of several operands: known if all elements of all operands are equal.
pub(super) fn merged(x: &Splats) -> Option<Known> {
    let first = x[0]?;
    x.iter().all(|h| h.is_some_and(|h| h.same_bits(first))).then(|| Known::Splat(first.clone()))
}

/// A scalar converted to another dtype, if the number stays the same, or if a single rounding makes it.
pub(super) fn converted(x: &Host, to: DType) -> Option<Known> {
    let y = x.cast(to);
    let once = matches!((x.dtype(), to), (DType::F32, DType::F16 | DType::BF16) | (DType::F64, DType::F32));
    let same = match (x.data(), y.data()) {
        (Data::Float(a), Data::Float(b)) => a[0] == b[0],
        (Data::Int(a), Data::Float(b)) => b[0] as i128 == a[0],
        (Data::Float(a), Data::Int(b)) => b[0] as f64 == a[0],
        (Data::Int(_), Data::Int(_)) => true,
        (Data::Complex(_), _) | (_, Data::Complex(_)) => false,
    };
    let bool = to == DType::Bool;
    (portable(x) && portable(&y) && (same || once || bool)).then_some(Known::Splat(y))
}
