//! Systems with a triangular matrix.
use super::{Number, adjoint, compiled, conjugates, fma, product::product, transposed};
use crate::product::Team;
use std::borrow::Cow;

/// Rows that are solved before they are taken out of the others.
const BLOCK: usize = 64;

/// Which system is solved, with a matrix of which one triangle is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Triangle {
    /// A X = B, rather than X A = B.
    pub left: bool,
    /// The lower triangle, rather than the upper.
    pub lower: bool,
    /// Aᵀ in place of A.
    pub transpose: bool,
    /// The conjugates of A: Aᴴ, with `transpose`.
    pub conjugate: bool,
    /// The diagonal is not read: it is of ones.
    pub unit: bool,
}
impl Triangle {
    /// L X = B.
    pub const LOWER: Triangle = Triangle { left: true, lower: true, transpose: false, conjugate: false, unit: false };
    /// U X = B.
    pub const UPPER: Triangle = Triangle { lower: false, ..Triangle::LOWER };
}

/// Solves a triangular system: `b`, of `m` rows and `n` columns, becomes the solution.
pub fn triangular_solve<T: Number>(team: &dyn Team, a: &[T], b: &mut [T], [m, n]: [usize; 2], how: Triangle) {
    if m == 0 || n == 0 {
        return;
    }
    if !how.left {
        // X A = B is Aᵀ Xᵀ = Bᵀ
        let mut turned = transposed(b, m, n);
        let how = Triangle { left: true, transpose: !how.transpose, ..how };
        triangular_solve(team, a, &mut turned, [n, m], how);
        b.copy_from_slice(&transposed(&turned, n, m));
        return;
    }
    let a: Cow<[T]> = match (how.transpose, how.conjugate) {
        (false, false) => a.into(),
        (true, false) => transposed(a, m, m).into(),
        (false, true) => conjugates(a).into(),
        (true, true) => adjoint(a, m, m).into(),
    };
    if how.lower != how.transpose {
        for k in (0..m).step_by(BLOCK) {
            let size = BLOCK.min(m - k);
            let corner = Rows { a: &a[k * m + k..], stride: m, lower: true, unit: how.unit };
            by_rows(corner, size, &mut b[k * n..], n, n);
            let (solved, rest) = b.split_at_mut((k + size) * n);
            let (solved, first) = (&solved[k * n..], k + size);
            let sizes = [m - first, n, size];
            product(team, (rest, n), sizes, |i, p| -a[(first + i) * m + k + p], |p, j| solved[p * n + j]);
        }
    } else {
        let starts: Vec<usize> = (0..m).step_by(BLOCK).collect();
        for k in starts.into_iter().rev() {
            let size = BLOCK.min(m - k);
            let (rest, solved) = b.split_at_mut(k * n);
            by_rows(Rows { a: &a[k * m + k..], stride: m, lower: false, unit: how.unit }, size, solved, n, n);
            product(team, (rest, n), [k, n, size], |i, p| -a[i * m + k + p], |p, j| solved[p * n + j]);
        }
    }
}

/// A triangle whose rows stand `stride` apart: lower or upper, and whether its diagonal is of ones.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub a: &'a [T],
    pub stride: usize,
    pub lower: bool,
    pub unit: bool,
}

compiled! {
    /// Solves for a triangle of `size` rows, and `n` columns whose rows stand `stride` apart.
    fn by_rows(a: Rows<'_, T>, size: usize, b: &mut [T], stride: usize, n: usize) {
        let mut left = 0;
        while left < n {
            // (as many columns as registers hold sums of)
            left += match n - left {
                32.. => columns::<T, FUSED, 32>(a, size, b, stride, left),
                8.. => columns::<T, FUSED, 8>(a, size, b, stride, left),
                _ => columns::<T, FUSED, 1>(a, size, b, stride, left),
            };
        }
    }
}

/// The same for `N` columns from `left` on. What is found goes into what is not yet by sums that stay in registers.
#[inline(always)]
fn columns<T: Number, const FUSED: bool, const N: usize>(
    a: Rows<'_, T>,
    size: usize,
    b: &mut [T],
    stride: usize,
    left: usize,
) -> usize {
    for step in 0..size {
        let i = if a.lower { step } else { size - 1 - step };
        let before = if a.lower { 0..i } else { i + 1..size };
        let mut row = [T::ZERO; N];
        row.copy_from_slice(&b[i * stride + left..][..N]);
        let factors = &a.a[i * a.stride..][..size];
        for j in before {
            let (factor, solved) = (-factors[j], &b[j * stride + left..][..N]);
            for c in 0..N {
                row[c] = fma::<T, FUSED>(factor, solved[c], row[c]);
            }
        }
        if !a.unit {
            row.iter_mut().for_each(|x| *x = x.over(factors[i]));
        }
        b[i * stride + left..][..N].copy_from_slice(&row);
    }
    N
}
