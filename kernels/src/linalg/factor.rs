//! Cholesky and LU factorisation, in place.
use super::{
    Number, Real, Triangle, axpy, compiled, fma,
    product::{Which, product, product_of},
    triangular::{Rows, solve},
};
use crate::product::Team;
use std::cmp::Ordering;

/// Columns of LU that are factored before the rest of the matrix is changed by them.
const BLOCK: usize = 64;

/// The factor L of a positive definite matrix A = L Lᴴ of `n` rows, of which the lower triangle is read; zeros above it. L is NaN if
/// the matrix is not positive definite.
pub fn cholesky<T: Number>(team: &dyn Team, a: &mut [T], n: usize) {
    let definite = factored(team, a, n, n);
    for (i, row) in a.chunks_exact_mut(n.max(1)).enumerate() {
        if !definite {
            row[..=i].fill(T::NAN);
        }
        row[i + 1..].fill(T::ZERO);
    }
}
/// As [`cholesky`], of a matrix whose rows stand `stride` apart, and what is above the diagonal is arbitrary. `false` if the matrix is not
/// positive definite.
fn factored<T: Number>(team: &dyn Team, a: &mut [T], stride: usize, n: usize) -> bool {
    if n <= CORNER {
        return n == 0 || of_corner(a, stride, n);
    }
    let half = (n / 2).next_multiple_of(CORNER);
    if !factored(team, a, stride, half) {
        return false;
    }
    let (above, below) = a.split_at_mut(half * stride);
    let how = Triangle { left: false, transpose: true, conjugate: true, ..Triangle::LOWER };
    let rows = n - half;
    solve(team, Rows { a: above, stride, how }, (below, stride), [rows, half]);
    let mut panel = Vec::with_capacity(rows * half);
    below.chunks(stride).for_each(|row| panel.extend_from_slice(&row[..half]));
    let rest = &mut below[half..];
    let (left, right) = (|i: usize, p: usize| -panel[i * half + p], |p: usize, j: usize| panel[j * half + p].conj());
    product_of(team, Which::Lower, (rest, stride), [rows, rows, half], left, right);
    factored(team, rest, stride, rows)
}

/// Rows that are factored by themselves.
const CORNER: usize = 32;
compiled! {
    /// Factors a matrix of at most [`CORNER`] rows. `false` if a pivot is not positive.
    fn of_corner(a: &mut [T], stride: usize, n: usize) -> bool {
        // the adjoint of the lower triangle; what is below its diagonal is arbitrary
        let mut rows = [[T::ZERO; CORNER]; CORNER];
        for j in 0..n {
            (j..n).for_each(|i| rows[j][i] = a[i * stride + j].conj());
        }
        for j in 0..n {
            let mut row = rows[j];
            for found in &rows[..j] {
                let factor = -found[j].conj();
                for l in 0..CORNER {
                    row[l] = fma::<T, FUSED>(factor, found[l], row[l]);
                }
            }
            // (the diagonal is real, and NaN is not positive either)
            let [pivot, _] = row[j].parts();
            if pivot.partial_cmp(&T::Part::ZERO) != Some(Ordering::Greater) {
                return false;
            }
            let pivot = T::of_parts([pivot.sqrt(), T::Part::ZERO]);
            row.iter_mut().for_each(|x| *x = x.over(pivot));
            row[j] = pivot;
            rows[j] = row;
        }
        for j in 0..n {
            (j..n).for_each(|i| a[i * stride + j] = rows[j][i].conj());
        }
        true
    }
}

/// The LU factorisation of a matrix of `m` rows and `n` columns with partial pivoting: U, and below it L without its diagonal of ones.
/// Row `i` was exchanged with row `pivots[i]`, one after the other; `pivots` has as many elements as the shorter side. A column of
/// zeros stays as it is, as in LAPACK.
pub fn lu<T: Number>(team: &dyn Team, a: &mut [T], [m, n]: [usize; 2], pivots: &mut [i32]) {
    let most = m.min(n);
    for k in (0..most).step_by(BLOCK) {
        let end = (k + BLOCK).min(most);
        for j in k..end {
            let size = |i: usize| a[i * n + j].size();
            let pivot = (j + 1..m).fold(j, |best, i| if size(i) > size(best) { i } else { best });
            pivots[j] = pivot as i32;
            if pivot != j {
                let (upper, lower) = a.split_at_mut(pivot * n);
                upper[j * n..][..n].swap_with_slice(&mut lower[..n]);
            }
            let (upper, lower) = a.split_at_mut((j + 1) * n);
            let head = &upper[j * n..];
            if head[j] == T::ZERO {
                continue;
            }
            for row in lower.chunks_exact_mut(n) {
                let factor = row[j].over(head[j]);
                row[j] = factor;
                if factor != T::ZERO {
                    axpy(&mut row[j + 1..end], -factor, &head[j + 1..end]);
                }
            }
        }
        if end == n {
            continue;
        }
        let (upper, lower) = a.split_at_mut(end * n);
        let (b, width) = (end - k, n - end);
        let corner: Vec<T> = (k..end).flat_map(|i| upper[i * n + k..][..b].to_vec()).collect();
        let corner = Rows { a: &corner, stride: b, how: Triangle { unit: true, ..Triangle::LOWER } };
        solve(team, corner, (&mut upper[k * n + end..], n), [b, width]);
        let right: Vec<T> = (k..end).flat_map(|i| upper[i * n + end..][..width].to_vec()).collect();
        let left: Vec<T> = lower.chunks_exact(n).flat_map(|row| row[k..end].iter().copied()).collect();
        if end < m {
            let c = &mut lower[end..];
            product(team, (c, n), [m - end, width, b], |i, p| -left[i * b + p], |p, j| right[p * width + j]);
        }
    }
}
