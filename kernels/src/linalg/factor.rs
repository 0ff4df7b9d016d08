//! Cholesky and LU factorisation, in place.
use super::{
    Number, Real, axpy, compiled, fma,
    product::product,
    rows_of_a_task,
    triangular::{Rows, by_rows},
};
use crate::product::Team;
use std::{cmp::Ordering, sync::Mutex};

/// Columns that are factored before the rest of the matrix is changed by them.
const BLOCK: usize = 64;

/// The factor L of a positive definite matrix A = L Lᴴ of `n` rows, of which the lower triangle is read; zeros above it. L is NaN if
/// the matrix is not positive definite.
pub fn cholesky<T: Number>(team: &dyn Team, a: &mut [T], n: usize) {
    let definite = factored(team, a, n);
    for (i, row) in a.chunks_exact_mut(n.max(1)).enumerate() {
        if !definite {
            row[..=i].fill(T::NAN);
        }
        row[i + 1..].fill(T::ZERO);
    }
}
/// As [`cholesky`], but what is above the diagonal is arbitrary. `false` if the matrix is not positive definite.
fn factored<T: Number>(team: &dyn Team, a: &mut [T], n: usize) -> bool {
    for k in (0..n).step_by(BLOCK) {
        let end = (k + BLOCK).min(n);
        let (above, below) = a.split_at_mut(end * n);
        if !of_block(above, n, k, end) {
            return false;
        }
        // its adjoint, whose rows go into the rows below
        let b = end - k;
        let turned: Vec<T> = (0..b * b).map(|at| above[(k + at % b) * n + k + at / b].conj()).collect();
        let chunk = rows_of_a_task(b * b) * n;
        let tasks: Vec<Mutex<&mut [T]>> = below.chunks_mut(chunk).map(Mutex::new).collect();
        team.run(tasks.len(), &|task| {
            let mut rows = tasks[task].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for row in rows.chunks_exact_mut(n) {
                of_row(&turned, &mut row[k..end]);
            }
        });
        drop(tasks);
        let panel: Vec<T> = below.chunks_exact(n).flat_map(|row| row[k..end].iter().copied()).collect();
        let rows = n - end;
        // the lower triangle of what is left, in columns of blocks
        for left in (0..rows).step_by(2 * BLOCK) {
            let columns = (2 * BLOCK).min(rows - left);
            let c = &mut below[left * n + end + left..];
            let sizes = [rows - left, columns, b];
            product(team, (c, n), sizes, |i, p| -panel[(left + i) * b + p], |p, j| panel[(left + j) * b + p].conj());
        }
    }
    true
}

compiled! {
    /// Factors rows and columns `k` to `end`, column by column. `false` if a pivot is not positive.
    fn of_block(a: &mut [T], n: usize, k: usize, end: usize) -> bool {
        let mut column = [T::ZERO; BLOCK];
        for j in k..end {
            // (the diagonal is real)
            let [pivot, _] = a[j * n + j].parts();
            // (NaN is not positive either)
            if pivot.partial_cmp(&T::Part::ZERO) != Some(Ordering::Greater) {
                return false;
            }
            let pivot = T::of_parts([pivot.sqrt(), T::Part::ZERO]);
            a[j * n + j] = pivot;
            for i in j + 1..end {
                let factor = a[i * n + j].over(pivot);
                a[i * n + j] = factor;
                column[i - k] = factor.conj();
                let row = &mut a[i * n + j + 1..=i * n + i];
                row.iter_mut().zip(&column[j + 1 - k..]).for_each(|(x, c)| *x = fma::<T, FUSED>(-factor, *c, *x));
            }
        }
        true
    }
    /// Solves x Lᴴ = `row`, of which the rows are those of `turned`.
    fn of_row(turned: &[T], row: &mut [T]) {
        let b = row.len();
        for j in 0..b {
            let (done, rest) = row.split_at_mut(j + 1);
            let found = done[j].over(turned[j * b + j]);
            done[j] = found;
            let column = &turned[j * b + j + 1..][..b - j - 1];
            rest.iter_mut().zip(column).for_each(|(x, l)| *x = fma::<T, FUSED>(-found, *l, *x));
        }
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
        let corner = Rows { a: &corner, stride: b, lower: true, unit: true };
        by_rows(corner, b, &mut upper[k * n + end..], n, width);
        let right: Vec<T> = (k..end).flat_map(|i| upper[i * n + end..][..width].to_vec()).collect();
        let left: Vec<T> = lower.chunks_exact(n).flat_map(|row| row[k..end].iter().copied()).collect();
        if end < m {
            let c = &mut lower[end..];
            product(team, (c, n), [m - end, width, b], |i, p| -left[i * b + p], |p, j| right[p * width + j]);
        }
    }
}
