//! What the rules of many primitives share.
use super::*;

/// One operand of a linear equation under transposition.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A linear input: its value is unknown, its cotangent is wanted.
    Linear(Aval),
    /// A residual: a known value.
    Known(Tensor),
}
impl Operand {
    /// Is the cotangent of this operand wanted?
    pub fn is_linear(&self) -> bool {
        matches!(self, Operand::Linear(_))
    }
    /// The value of a residual. Abandons tracing when the operand is linear: the program is not linear then, as when a
    /// `custom_jvp` rule squares a tangent.
    pub fn known(&self) -> Tensor {
        match self {
            Operand::Known(t) => *t,
            Operand::Linear(a) => not_linear("transpose", vec![a.clone()]),
        }
    }
    /// The type of the operand.
    pub fn aval(&self) -> Aval {
        match self {
            Operand::Known(t) => t.aval(),
            Operand::Linear(a) => a.clone(),
        }
    }
}

/// Abandon tracing: an operation on tangents is not linear in them.
pub(crate) fn not_linear(op: &str, operands: Vec<Aval>) -> ! {
    let help = "a rule given to `custom_jvp` must be linear in the tangents: sums, and products with values";
    fail(op, operands, "reverse mode meets an operation that is not linear in the tangents", Some(help.into()))
}

/// Sum of two tangents or cotangents, where `None` is zero.
#[track_caller]
pub fn add_opt(x: Option<Tensor>, y: Option<Tensor>) -> Option<Tensor> {
    match (x, y) {
        (Some(x), Some(y)) => Some(add(x, y)),
        (x, y) => x.or(y),
    }
}

/// Give every operand a leading batch axis of size `n`.
pub fn spread(n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
    x.iter().zip(mapped).map(|(x, m)| if *m { *x } else { broadcast_leading(*x, n) }).collect()
}

/// Apply `f` to one of `n` instances after the other, in a loop: batching for what must not be done for all at once.
pub(crate) fn one_by_one(n: usize, x: &[Tensor], mapped: &[bool], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
    let slices: Vec<Tensor> = x.iter().zip(mapped).filter(|(_, m)| **m).map(|(t, _)| *t).collect();
    let step = |(): (), slices: Vec<Tensor>| {
        let mut slices = slices.into_iter();
        let arg = |(t, m): (&Tensor, &bool)| if *m { slices.next().expect("one per mapped operand") } else { *t };
        ((), f(&x.iter().zip(mapped).map(arg).collect::<Vec<_>>()))
    };
    let options = ScanOptions { length: Some(n), ..ScanOptions::default() };
    scan_with(options, step, (), slices).1
}

/// `x` repeated along a new leading axis of size `n`.
pub fn broadcast_leading(x: Tensor, n: usize) -> Tensor {
    let dims = x.dims();
    let at = (1..=dims.len()).collect();
    broadcast_in_dim(x, [&[n], &dims[..]].concat(), at)
}

/// A tensor of zeros of this type.
#[track_caller]
pub fn zeros_of(a: &Aval) -> Tensor {
    vary(full(a.dims.clone(), a.dtype, 0.0), a.vma)
}

/// The axes of a tensor of this rank that are not in `axes`.
pub fn other_axes(rank: usize, axes: &[usize]) -> Vec<usize> {
    (0..rank).filter(|i| !axes.contains(i)).collect()
}

/// The permutation that undoes `perm`.
pub fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inv = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(i, p)| inv[*p] = i);
    inv
}

/// Axis numbers plus `by`: those of the same axes behind `by` new leading axes.
pub fn shifted(axes: &[usize], by: usize) -> Vec<usize> {
    axes.iter().map(|a| a + by).collect()
}

/// The permutation that brings axis `from` to place `to`, while the others keep their order.
pub fn moving(rank: usize, from: usize, to: usize) -> Vec<usize> {
    let mut perm = other_axes(rank, &[from]);
    perm.insert(to, from);
    perm
}

/// `t` with axis `from` moved to place `to`.
#[track_caller]
pub(crate) fn moved_axis(t: Tensor, from: usize, to: usize) -> Tensor {
    t.transpose(moving(t.rank(), from, to))
}

/// The type and the meaning of operations that return their operands as they are.
macro_rules! identity {
    () => {
        fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
            Ok(x.to_vec())
        }
        fn eval(&self, x: &[Host]) -> Vec<Host> {
            x.to_vec()
        }
    };
}
pub(super) use identity;
