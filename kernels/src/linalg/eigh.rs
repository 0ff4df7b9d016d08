//! Eigenvalues and eigenvectors of symmetric and Hermitian matrices.
use super::{
    Number, divided, of_planes, planes,
    rotations::{Rotated, reorder},
    scale_of,
    tridiagonal::{Tridiagonal, tridiagonal},
};
use crate::product::Team;

/// Steps for one eigenvalue after which there is no hope; three is usual.
const PATIENCE: usize = 60;

/// The eigenvalues of a symmetric or Hermitian matrix of `n` rows (both triangles of which are there), the smallest first, and its
/// eigenvectors, which are columns. `None` if there is a number that is not finite.
pub fn eigh<T: Number<Part = f64>>(team: &dyn Team, a: &mut [T], n: usize) -> Option<(Vec<f64>, Vec<T>)> {
    if a.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let scale = scale_of(a);
    a.copy_from_slice(&divided(a, scale));
    let Tridiagonal { diagonal: mut d, beside: mut e, q } = tridiagonal(team, a, n);
    // rotations are real: they change both parts alike
    let mut q = planes(&q);
    let mut rotated = Rotated { team, rows: &mut q, n, waiting: vec![] };
    for l in 0..n {
        steps_for(l, &mut d, &mut e, &mut rotated)?;
    }
    rotated.apply();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| d[*i].total_cmp(&d[*j]));
    reorder(&mut q, n, &order, &vec![false; n]);
    Some((order.into_iter().map(|i| d[i] * scale).collect(), of_planes(&q)))
}

/// Implicit QL steps until eigenvalue `l` of the tridiagonal matrix (`d`, `e`) stands alone (EISPACK's `tql2`).
fn steps_for(l: usize, d: &mut [f64], e: &mut [f64], rotated: &mut Rotated) -> Option<()> {
    let n = d.len();
    for _ in 0..PATIENCE {
        let small = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs());
        let m = (l..n - 1).find(|m| small(*m)).unwrap_or(n - 1);
        if m == l {
            return Some(());
        }
        let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
        let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
        let (mut sin, mut cos, mut p, mut whole) = (1.0, 1.0, 0.0, true);
        for i in (l..m).rev() {
            let (f, b) = (sin * e[i], cos * e[i]);
            let r = f.hypot(g);
            e[i + 1] = r;
            if r == 0.0 {
                d[i + 1] -= p;
                e[m] = 0.0;
                whole = false;
                break;
            }
            (sin, cos) = (f / r, g / r);
            g = d[i + 1] - p;
            let r = (d[i] - g) * sin + 2.0 * cos * b;
            p = sin * r;
            d[i + 1] = g + p;
            g = cos * r - b;
            rotated.rotate(i, i + 1, cos, -sin);
        }
        if whole {
            d[l] -= p;
            e[l] = g;
            e[m] = 0.0;
        }
    }
    None
}
