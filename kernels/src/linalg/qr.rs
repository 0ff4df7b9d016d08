//! Householder reflections, one by one and in blocks, and the QR factorisation.
use super::{Number, axpy, dot, product::product};
use crate::product::Team;

/// Reflections that are applied together.
pub(super) const BLOCK: usize = 32;

/// The reflection H = I - τ v vᴴ whose adjoint maps `x` to a multiple β of the first unit vector: `x` becomes v, whose first element is 1.
/// Returns β, which is real, and τ. As LAPACK's `larfg`: β has the sign opposite to that of the first element, and τ is 0 where nothing is
/// to be done.
pub(super) fn reflection<T: Number>(x: &mut [T]) -> (f64, T) {
    let Some((head, rest)) = x.split_first_mut() else { return (0.0, T::ZERO) };
    // (in f64 the squares of f32 neither overflow nor vanish; numbers of f64 are scaled)
    let parts = |x: &[T]| x.iter().flat_map(|x| x.wide().parts()).collect::<Vec<f64>>();
    let most = rest.iter().flat_map(|x| x.wide().parts()).fold(0.0, |most: f64, x| most.max(x.abs()));
    let alpha = head.wide();
    let [re, im] = alpha.parts();
    *head = T::ONE;
    if most == 0.0 && im == 0.0 {
        return (re, T::ZERO);
    }
    let norm =
        if most == 0.0 { 0.0 } else { most * parts(rest).iter().map(|x| (x / most).powi(2)).sum::<f64>().sqrt() };
    let beta = -re.hypot(im).hypot(norm).copysign(re);
    let wide = T::Wide::of(beta);
    rest.iter_mut().for_each(|x| *x = T::narrow(x.wide().over(alpha - wide)));
    (beta, T::narrow((wide - alpha).over(wide)))
}

/// Several reflections, the first one applied last: H₀ H₁ .. = I - V T Vᴴ (Schreiber and Van Loan 1989).
pub(super) struct Reflections<T> {
    /// The first row that they change.
    at: usize,
    /// How many rows they change.
    rows: usize,
    /// V by columns, `rows` numbers each.
    v: Vec<T>,
    /// T, upper triangular.
    t: Vec<T>,
}
impl<T: Number> Reflections<T> {
    /// Of vectors `v`, each of `rows` numbers (zeros in front of its 1), and their factors τ.
    pub(super) fn new(at: usize, rows: usize, v: Vec<T>, taus: &[T]) -> Reflections<T> {
        let k = taus.len();
        let mut t = vec![T::ZERO; k * k];
        let column = |j: usize| &v[j * rows..][..rows];
        for j in 0..k {
            let products: Vec<T> = (0..j).map(|i| -taus[j] * dot(column(i), column(j))).collect();
            for i in 0..j {
                t[i * k + j] = (i..j).fold(T::ZERO, |sum, l| sum + t[i * k + l] * products[l]);
            }
            t[j * k + j] = taus[j];
        }
        Reflections { at, rows, v, t }
    }
    /// Applies them, or (`inverse`) their inverse, to columns `from..` of a matrix with rows of `n` numbers.
    pub(super) fn apply(&self, team: &dyn Team, c: &mut [T], n: usize, from: usize, inverse: bool) {
        let (k, rows, width) = (self.v.len() / self.rows.max(1), self.rows, n - from);
        if width == 0 || k == 0 {
            return;
        }
        let c = &mut c[self.at * n + from..];
        let mut w = vec![T::ZERO; k * width];
        {
            let c = &*c;
            product(team, (&mut w, width), [k, width, rows], |i, p| self.v[i * rows + p].conj(), |p, j| c[p * n + j]);
        }
        let mut tw = vec![T::ZERO; k * width];
        let t = |i: usize, p: usize| -if inverse { self.t[p * k + i].conj() } else { self.t[i * k + p] };
        product(team, (&mut tw, width), [k, width, k], t, |p, j| w[p * width + j]);
        product(team, (c, n), [rows, width, k], |i, p| self.v[p * rows + i], |p, j| tw[p * width + j]);
    }
}

/// The first columns (of `columns`) of the product of all reflections, as a matrix of `m` rows.
pub(super) fn columns_of<T: Number>(team: &dyn Team, all: &[Reflections<T>], m: usize, columns: usize) -> Vec<T> {
    let mut q = vec![T::ZERO; m * columns];
    (0..m.min(columns)).for_each(|i| q[i * columns + i] = T::ONE);
    // (columns in front of a block are still those of the identity where it works)
    all.iter().rev().for_each(|block| block.apply(team, &mut q, columns, block.at.min(columns), false));
    q
}

/// Reduces a matrix of `m` rows and `n` columns to R in its upper triangle (what is below is arbitrary). Returns the reflections whose
/// product is Q.
pub(super) fn reduce<T: Number>(team: &dyn Team, a: &mut [T], [m, n]: [usize; 2]) -> Vec<Reflections<T>> {
    let most = m.min(n);
    let mut all = vec![];
    for k in (0..most).step_by(BLOCK) {
        let (size, rows) = (BLOCK.min(most - k), m - k);
        // the panel by columns
        let mut panel = vec![T::ZERO; size * rows];
        for (i, row) in a[k * n..].chunks_exact(n).enumerate() {
            row[k..k + size].iter().enumerate().for_each(|(j, x)| panel[j * rows + i] = *x);
        }
        let mut taus = vec![];
        for j in 0..size {
            let (done, rest) = panel.split_at_mut((j + 1) * rows);
            let v = &mut done[j * rows + j..];
            let (beta, tau) = reflection(v);
            for column in rest.chunks_exact_mut(rows) {
                let column = &mut column[j..];
                let along = dot(v, column);
                axpy(column, -tau.conj() * along, v);
            }
            taus.push(tau);
            (0..j).for_each(|i| a[(k + i) * n + k + j] = done[j * rows + i]);
            a[(k + j) * n + k + j] = T::of(beta);
            done[j * rows..j * rows + j].fill(T::ZERO);
        }
        let block = Reflections::new(k, rows, panel, &taus);
        block.apply(team, a, n, k + size, true);
        all.push(block);
    }
    all
}

/// The QR factorisation A = Q R of a matrix of `m` rows and `n` columns. `q` has `m` rows and `k` columns, `r` `k` rows and `n` columns:
/// `k` is `m` for the whole of Q, and the smaller of both sizes for as much of it as R needs.
pub fn qr<T: Number>(team: &dyn Team, a: &[T], [m, n, k]: [usize; 3], q: &mut [T], r: &mut [T]) {
    let mut a = a.to_vec();
    let all = reduce(team, &mut a, [m, n]);
    q.copy_from_slice(&columns_of(team, &all, m, k));
    for (i, (to, from)) in r.chunks_exact_mut(n.max(1)).zip(a.chunks_exact(n.max(1))).enumerate() {
        to[..i.min(n)].fill(T::ZERO);
        to[i.min(n)..].copy_from_slice(&from[i.min(n)..]);
    }
}
