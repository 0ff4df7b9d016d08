//! Reduction of a matrix to a real bidiagonal one.
use super::{
    Number, axpy, conjugates, dot,
    qr::{BLOCK, Reflections, columns_of, reflection},
    rows_of_a_task,
};
use crate::product::Team;
use std::sync::{Mutex, PoisonError};

/// An upper bidiagonal matrix B, and what makes it of another: A = U B Vᴴ.
pub(super) struct Bidiagonal<T> {
    pub(super) diagonal: Vec<f64>,
    /// Above the diagonal; one number less than there, and a 0 behind.
    pub(super) above: Vec<f64>,
    /// `m` rows, as many columns as were asked for.
    pub(super) u: Vec<T>,
    /// `n` rows and columns.
    pub(super) v: Vec<T>,
}

/// The sum over rows of `factors[i]` times the columns `from..` of row `i`, in an order that does not depend on the threads.
fn sum_of_rows<T: Number>(team: &dyn Team, rows: &[T], n: usize, from: usize, factors: &[T]) -> Vec<T> {
    let size = rows_of_a_task(n - from);
    let tasks = factors.len().div_ceil(size);
    let sums: Vec<Mutex<Vec<T>>> = (0..tasks).map(|_| Mutex::new(vec![T::ZERO; n - from])).collect();
    team.run(tasks, &|task| {
        let mut sum = sums[task].lock().unwrap_or_else(PoisonError::into_inner);
        let rows = &rows[task * size * n..];
        for (row, factor) in rows.chunks_exact(n).zip(factors[task * size..].iter().take(size)) {
            axpy(&mut sum, *factor, &row[from..]);
        }
    });
    let sums = sums.into_iter().map(|s| s.into_inner().unwrap_or_else(PoisonError::into_inner));
    sums.reduce(|mut all, sum| {
        axpy(&mut all, T::ONE, &sum);
        all
    })
    .unwrap_or_else(|| vec![T::ZERO; n - from])
}

/// A = U B Vᴴ for a matrix of `m` rows and at most as many columns `n`, which is overwritten. U gets `columns` columns.
pub(super) fn bidiagonal<T: Number<Part = f64>>(
    team: &dyn Team,
    a: &mut [T],
    [m, n]: [usize; 2],
    columns: usize,
) -> Bidiagonal<T> {
    let (mut diagonal, mut above) = (vec![0.0; n], vec![0.0; n]);
    let (mut lefts, mut rights) = (vec![], vec![]);
    let (mut taus, mut tau_rights) = (vec![], vec![]);
    for k in 0..n {
        let mut left: Vec<T> = (k..m).map(|i| a[i * n + k]).collect();
        let (beta, tau) = reflection(&mut left);
        diagonal[k] = beta;
        let mut right = vec![];
        if k + 1 < n {
            // what the left reflection takes from each row is a multiple of w
            let factors: Vec<T> = left.iter().map(|v| (*v * tau).conj()).collect();
            let w = sum_of_rows(team, &a[k * n..], n, k + 1, &factors);
            let first = &mut a[k * n + k + 1..][..n - k - 1];
            axpy(first, -T::ONE, &w);
            right = conjugates(first);
            let (beta, tau) = reflection(&mut right);
            above[k] = beta;
            let conjugate = conjugates(&right);
            let size = rows_of_a_task(n - k);
            let tasks: Vec<Mutex<_>> = a[(k + 1) * n..].chunks_mut(size * n).map(Mutex::new).collect();
            team.run(tasks.len(), &|task| {
                let mut rows = tasks[task].lock().unwrap_or_else(PoisonError::into_inner);
                for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                    let (row, factor) = (&mut row[k + 1..], -left[1 + task * size + i]);
                    // (the product with `right` of what the row will be)
                    axpy(row, factor, &w);
                    let along = dot(&conjugate, row);
                    axpy(row, -tau * along, &conjugate);
                }
            });
            tau_rights.push(tau);
        }
        lefts.push(left);
        rights.push(right);
        taus.push(tau);
    }
    let u = columns_of(team, &blocks(&lefts, &taus, m, 0), m, columns);
    let v = columns_of(team, &blocks(&rights, &tau_rights, n, 1), n, n);
    Bidiagonal { diagonal, above, u, v }
}

/// The reflections of vectors, of which number `i` begins at row `i + first` and ends at the last row.
fn blocks<T: Number>(vectors: &[Vec<T>], taus: &[T], rows: usize, first: usize) -> Vec<Reflections<T>> {
    let block = |(block, taus): (usize, &[T])| {
        let at = block * BLOCK + first;
        let vectors = &vectors[block * BLOCK..][..taus.len()];
        let v = vectors.iter().enumerate().flat_map(|(i, v)| [&vec![T::ZERO; i][..], v].concat()).collect();
        Reflections::new(at, rows - at, v, taus)
    };
    taus.chunks(BLOCK).enumerate().map(block).collect()
}
