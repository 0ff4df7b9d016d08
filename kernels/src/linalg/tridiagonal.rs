//! Reduction of a symmetric matrix to a tridiagonal one.
use super::{
    axpy2, dot,
    qr::{BLOCK, Reflections, columns_of, reflection},
    rows_of_a_task,
};
use crate::product::Team;
use std::sync::{Mutex, PoisonError};

/// A tridiagonal matrix, and what makes it of a symmetric one.
pub(super) struct Tridiagonal {
    pub(super) diagonal: Vec<f64>,
    /// Beside the diagonal; one number less than there, and a 0 behind.
    pub(super) beside: Vec<f64>,
    /// The orthogonal matrix Q of A = Q T Qᵀ.
    pub(super) q: Vec<f64>,
}

/// A = Q T Qᵀ for a symmetric matrix, both triangles of which are there; it is overwritten.
///
/// A step changes the rest of the matrix by v wᵀ + w vᵀ and multiplies what comes out with the next v. Both happen in one pass over
/// the memory, which is what takes the time.
pub(super) fn tridiagonal(team: &dyn Team, a: &mut [f64], n: usize) -> Tridiagonal {
    let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
    let (mut v, mut w) = (vec![0.0; n], vec![0.0; n]);
    let (mut vectors, mut taus): (Vec<Vec<f64>>, Vec<f64>) = (vec![], vec![]);
    for k in 0..n {
        // the row of this step, which is its column too
        let row = &mut a[k * n..][..n];
        axpy2(&mut row[k..], [-v[k], -w[k]], &w[k..], &v[k..]);
        diagonal[k] = row[k];
        if k + 1 == n {
            break;
        }
        let mut next = vec![0.0; n];
        next[k + 1..].copy_from_slice(&row[k + 1..]);
        let (beta, tau) = reflection(&mut next[k + 1..]);
        beside[k] = beta;
        let size = rows_of_a_task(n - k);
        let mut product = vec![0.0; n];
        let tasks: Vec<_> = a[(k + 1) * n..].chunks_mut(size * n).zip(product[k + 1..].chunks_mut(size)).collect();
        let tasks: Vec<Mutex<_>> = tasks.into_iter().map(Mutex::new).collect();
        team.run(tasks.len(), &|task| {
            let mut both = tasks[task].lock().unwrap_or_else(PoisonError::into_inner);
            let (rows, product) = &mut *both;
            for (i, (row, sum)) in rows.chunks_exact_mut(n).zip(product.iter_mut()).enumerate() {
                let i = k + 1 + task * size + i;
                let row = &mut row[k + 1..];
                axpy2(row, [-v[i], -w[i]], &w[k + 1..], &v[k + 1..]);
                *sum = dot(row, &next[k + 1..]);
            }
        });
        drop(tasks);
        let half = tau * tau * dot(&product[k + 1..], &next[k + 1..]) / 2.0;
        w = product.iter().zip(&next).map(|(p, v)| tau * p - half * v).collect();
        v = next.clone();
        vectors.push(next);
        taus.push(tau);
    }
    let mut blocks = vec![];
    for (block, taus) in taus.chunks(BLOCK).enumerate() {
        let at = block * BLOCK + 1;
        let vectors = &vectors[block * BLOCK..][..taus.len()];
        blocks.push(Reflections::new(at, n - at, vectors.iter().flat_map(|v| v[at..].to_vec()).collect(), taus));
    }
    Tridiagonal { diagonal, beside, q: columns_of(team, &blocks, n, n) }
}
