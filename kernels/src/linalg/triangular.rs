//! Systems with a triangular matrix.
use super::{Real, axpy, product::product, transposed};
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
    /// The diagonal is not read: it is of ones.
    pub unit: bool,
}
impl Triangle {
    /// L X = B.
    pub const LOWER: Triangle = Triangle { left: true, lower: true, transpose: false, unit: false };
    /// U X = B.
    pub const UPPER: Triangle = Triangle { lower: false, ..Triangle::LOWER };
}

/// Solves a triangular system: `b`, of `m` rows and `n` columns, becomes the solution.
pub fn triangular_solve<T: Real>(team: &dyn Team, a: &[T], b: &mut [T], [m, n]: [usize; 2], how: Triangle) {
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
    let a: Cow<[T]> = if how.transpose { transposed(a, m, m).into() } else { a.into() };
    if how.lower != how.transpose {
        for k in (0..m).step_by(BLOCK) {
            let size = BLOCK.min(m - k);
            let corner: Vec<T> = (k..k + size).flat_map(|i| a[i * m + k..][..size].to_vec()).collect();
            by_lower(&corner, size, (&mut b[k * n..], n), n, how.unit);
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
            by_upper(&a[k * m + k..], m, (solved, n), [size, n], how.unit);
            product(team, (rest, n), [k, n, size], |i, p| -a[i * m + k + p], |p, j| solved[p * n + j]);
        }
    }
}

/// Solves for a lower triangle of `size` rows, and `n` columns whose rows stand `stride` apart.
pub(super) fn by_lower<T: Real>(a: &[T], size: usize, (b, stride): (&mut [T], usize), n: usize, unit: bool) {
    for i in 0..size {
        let (done, row) = b.split_at_mut(i * stride);
        let row = &mut row[..n];
        for j in 0..i {
            axpy(row, -a[i * size + j], &done[j * stride..][..n]);
        }
        if !unit {
            row.iter_mut().for_each(|x| *x = *x / a[i * size + i]);
        }
    }
}
/// As [`by_lower`], for an upper triangle whose rows stand `of_a` apart.
fn by_upper<T: Real>(a: &[T], of_a: usize, (b, stride): (&mut [T], usize), [size, n]: [usize; 2], unit: bool) {
    for i in (0..size).rev() {
        let (row, done) = b.split_at_mut((i + 1) * stride);
        let row = &mut row[i * stride..][..n];
        for j in i + 1..size {
            axpy(row, -a[i * of_a + j], &done[(j - i - 1) * stride..][..n]);
        }
        if !unit {
            row.iter_mut().for_each(|x| *x = *x / a[i * of_a + i]);
        }
    }
}
