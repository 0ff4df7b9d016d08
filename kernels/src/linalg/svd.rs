//! Singular values and vectors.
use super::{
    Number, adjoint,
    bidiagonal::{Bidiagonal, bidiagonal},
    divided, of_planes, planes, qr,
    rotations::{Rotated, reorder},
    scale_of,
};
use crate::product::Team;

/// Steps for one singular value after which there is no hope; two is usual.
const PATIENCE: usize = 100;

/// A singular value decomposition A = U S Vᴴ.
pub struct Svd<T> {
    /// U, `m` rows and `k` columns.
    pub u: Vec<T>,
    /// The singular values, the largest first: as many as the smaller side has.
    pub s: Vec<f64>,
    /// Vᴴ, `l` rows and `n` columns.
    pub vt: Vec<T>,
}

/// The singular value decomposition of a matrix of `m` rows and `n` columns, with as many columns of U and rows of Vᴴ as there are
/// singular values, or (`full`) all of them. `None` if there is a number that is not finite.
pub fn svd<T: Number<Part = f64>>(team: &dyn Team, a: &[T], [m, n]: [usize; 2], full: bool) -> Option<Svd<T>> {
    if m < n {
        let Svd { u, s, vt } = svd(team, &adjoint(a, m, n), [n, m], full)?;
        let k = if full { n } else { m };
        return Some(Svd { u: adjoint(&vt, m, m), s, vt: adjoint(&u, n, k) });
    }
    if a.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let scale = scale_of(a);
    let mut a = divided(a, scale);
    let k = if full { m } else { n };
    // of a tall matrix, that of R
    let tall = m > n + n / 2 && n > 0;
    let reflections = if tall { qr::reduce(team, &mut a, [m, n]) } else { vec![] };
    if tall {
        a.truncate(n * n);
        a.chunks_exact_mut(n).enumerate().for_each(|(i, row)| row[..i].fill(T::ZERO));
    }
    let (rows, columns) = if tall { (n, n) } else { (m, k) };
    let Bidiagonal { diagonal: mut s, above: mut e, u, v } = bidiagonal(team, &mut a, [rows, n], columns);
    // rotations are real: they change both parts alike
    let (mut u, mut v) = (planes(&u), planes(&v));
    let mut turned = vec![false; n];
    {
        let left = Rotated { team, rows: &mut u, n: columns, waiting: vec![] };
        let right = Rotated { team, rows: &mut v, n, waiting: vec![] };
        diagonalise(&mut s, &mut e, left, right)?;
    }
    s.iter_mut().zip(&mut turned).for_each(|(s, turned)| {
        *turned = s.is_sign_negative();
        *s = s.abs();
    });
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| s[*j].total_cmp(&s[*i]));
    reorder(&mut v, n, &order, &turned);
    let all: Vec<usize> = order.iter().copied().chain(n..columns).collect();
    reorder(&mut u, columns, &all, &vec![false; columns]);
    let (mut u, v): (Vec<T>, Vec<T>) = (of_planes(&u), of_planes(&v));
    if tall {
        // Q of the tall matrix, times U of R
        let mut wide = vec![T::ZERO; m * k];
        for (i, row) in wide.chunks_exact_mut(k).enumerate() {
            if i < n {
                row[..n].copy_from_slice(&u[i * n..][..n]);
            } else if i < k {
                row[i] = T::ONE;
            }
        }
        reflections.iter().rev().for_each(|block| block.apply(team, &mut wide, k, 0, false));
        u = wide;
    }
    Some(Svd { u, s: order.iter().map(|i| s[*i] * scale).collect(), vt: adjoint(&v, n, n) })
}

/// What is to be done with the part of a bidiagonal matrix that ends at `p`.
enum Next {
    /// Its last singular value stands alone.
    Done,
    /// A 0 at the end of the diagonal, in a part that begins at `.0`: what stands above it goes.
    ZeroAtEnd(usize),
    /// A 0 within the diagonal, at `.0`: what stands beside it goes.
    ZeroAt(usize),
    /// A QR step of the part that begins at `.0`.
    Step(usize),
}

/// Looks for zeros, sets what counts as one to 0, and says what comes next (LINPACK's `dsvdc`).
fn look(s: &mut [f64], e: &mut [f64], p: usize) -> Next {
    let small = |x: f64, beside: f64| x.abs() <= f64::MIN_POSITIVE + f64::EPSILON * beside;
    let split = (0..p - 1).rev().find(|k| small(e[*k], s[*k].abs() + s[k + 1].abs()));
    if let Some(k) = split {
        e[k] = 0.0;
        if k == p - 2 {
            return Next::Done;
        }
    }
    let first = split.map_or(0, |k| k + 1);
    let beside = |i: usize| (if i + 1 < p { e[i].abs() } else { 0.0 }) + (if i > first { e[i - 1].abs() } else { 0.0 });
    let zero = (first..p).rev().find(|i| small(s[*i], beside(*i)));
    match zero {
        None => Next::Step(first),
        Some(i) => {
            s[i] = 0.0;
            if i + 1 == p { Next::ZeroAtEnd(first) } else { Next::ZeroAt(i) }
        }
    }
}

/// Makes a bidiagonal matrix diagonal, by rotations of the columns of both sides (Golub and Reinsch 1970).
fn diagonalise(s: &mut [f64], e: &mut [f64], mut left: Rotated, mut right: Rotated) -> Option<()> {
    let (mut p, mut steps) = (s.len(), 0);
    while p > 1 {
        match look(s, e, p) {
            Next::Done => {
                (p, steps) = (p - 1, 0);
            }
            Next::ZeroAtEnd(first) => {
                let mut f = std::mem::take(&mut e[p - 2]);
                for j in (first..p - 1).rev() {
                    let (r, cos, sin) = turn(s[j], f);
                    s[j] = r;
                    if j > first {
                        f = -sin * e[j - 1];
                        e[j - 1] *= cos;
                    }
                    right.rotate(j, p - 1, cos, sin);
                }
            }
            Next::ZeroAt(k) => {
                let mut f = std::mem::take(&mut e[k]);
                for j in k + 1..p {
                    let (r, cos, sin) = turn(s[j], f);
                    s[j] = r;
                    if j + 1 < p {
                        f = -sin * e[j];
                        e[j] *= cos;
                    }
                    left.rotate(j, k, cos, sin);
                }
            }
            Next::Step(first) => {
                steps += 1;
                if steps > PATIENCE {
                    return None;
                }
                step(s, e, [first, p], &mut left, &mut right);
            }
        }
    }
    left.apply();
    right.apply();
    Some(())
}

/// The length of (x, y), and the rotation that brings it onto the first axis.
fn turn(x: f64, y: f64) -> (f64, f64, f64) {
    let r = x.hypot(y);
    if r == 0.0 { (0.0, 1.0, 0.0) } else { (r, x / r, y / r) }
}

/// One implicit QR step, with a shift, of the part `first..p` of the matrix.
fn step(s: &mut [f64], e: &mut [f64], [first, p]: [usize; 2], left: &mut Rotated, right: &mut Rotated) {
    let scale = [s[p - 1], s[p - 2], e[p - 2], s[first], e[first]].into_iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let [last, before, beside] = [s[p - 1], s[p - 2], e[p - 2]].map(|x| x / scale);
    let (head, next) = (s[first] / scale, e[first] / scale);
    let b = ((before + last) * (before - last) + beside * beside) / 2.0;
    let c = (last * beside).powi(2);
    let shift = if b != 0.0 || c != 0.0 { c / (b + (b * b + c).sqrt().copysign(b)) } else { 0.0 };
    let (mut f, mut g) = ((head + last) * (head - last) + shift, head * next);
    for j in first..p - 1 {
        let (r, cos, sin) = turn(f, g);
        if j > first {
            e[j - 1] = r;
        }
        f = cos * s[j] + sin * e[j];
        e[j] = cos * e[j] - sin * s[j];
        g = sin * s[j + 1];
        s[j + 1] *= cos;
        right.rotate(j, j + 1, cos, sin);
        let (r, cos, sin) = turn(f, g);
        s[j] = r;
        f = cos * e[j] + sin * s[j + 1];
        s[j + 1] = cos * s[j + 1] - sin * e[j];
        g = sin * e[j + 1];
        e[j + 1] *= cos;
        left.rotate(j, j + 1, cos, sin);
    }
    e[p - 2] = f;
}
