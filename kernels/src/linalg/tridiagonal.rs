//! Reduction of a symmetric or Hermitian matrix to a real tridiagonal one.
use super::{
    Number, axpy2, conjugates, dot,
    qr::{BLOCK, Reflections, columns_of, reflection},
    rows_of_a_task,
};
use crate::product::Team;
use std::sync::{Mutex, PoisonError};

/// A tridiagonal matrix, and what makes it of another.
pub(super) struct Tridiagonal<T> {
    pub(super) diagonal: Vec<f64>,
    /// Beside the diagonal; one number less than there, and a 0 behind.
    pub(super) beside: Vec<f64>,
    /// The unitary matrix Q of A = Q T Qᴴ.
    pub(super) q: Vec<T>,
}

/// A = Q T Qᴴ for a Hermitian matrix, both triangles of which are there; it is overwritten.
///
/// A step changes the rest of the matrix by v wᴴ + w vᴴ and multiplies what comes out with the next v. Both happen in one pass over
/// the memory, which is what takes the time.
pub(super) fn tridiagonal<T: Number<Part = f64>>(team: &dyn Team, a: &mut [T], n: usize) -> Tridiagonal<T> {
    let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
    let (mut v, mut w) = (vec![T::ZERO; n], vec![T::ZERO; n]);
    // their conjugates
    let (mut v_, mut w_) = (v.clone(), w.clone());
    let (mut vectors, mut taus): (Vec<Vec<T>>, Vec<T>) = (vec![], vec![]);
    for k in 0..n {
        // the row of this step; its column are the conjugates
        let row = &mut a[k * n..][..n];
        axpy2(&mut row[k..], [-v[k], -w[k]], &w_[k..], &v_[k..]);
        [diagonal[k], _] = row[k].parts();
        if k + 1 == n {
            break;
        }
        let mut next = vec![T::ZERO; n];
        next[k + 1..].copy_from_slice(&conjugates(&row[k + 1..]));
        let (beta, tau) = reflection(&mut next[k + 1..]);
        let next_ = conjugates(&next);
        beside[k] = beta;
        let size = rows_of_a_task(n - k);
        let mut product = vec![T::ZERO; n];
        let tasks: Vec<_> = a[(k + 1) * n..].chunks_mut(size * n).zip(product[k + 1..].chunks_mut(size)).collect();
        let tasks: Vec<Mutex<_>> = tasks.into_iter().map(Mutex::new).collect();
        team.run(tasks.len(), &|task| {
            let mut both = tasks[task].lock().unwrap_or_else(PoisonError::into_inner);
            let (rows, product) = &mut *both;
            for (i, (row, sum)) in rows.chunks_exact_mut(n).zip(product.iter_mut()).enumerate() {
                let i = k + 1 + task * size + i;
                let row = &mut row[k + 1..];
                axpy2(row, [-v[i], -w[i]], &w_[k + 1..], &v_[k + 1..]);
                *sum = dot(&next_[k + 1..], row);
            }
        });
        drop(tasks);
        let half = tau * tau.conj() * dot(&product[k + 1..], &next[k + 1..]) * T::of(0.5);
        w = product.iter().zip(&next).map(|(p, v)| tau * *p - half * *v).collect();
        (w_, v, v_) = (conjugates(&w), next.clone(), next_);
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
