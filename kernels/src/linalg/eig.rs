//! Eigenvalues and eigenvectors of matrices that need not be symmetric, in complex arithmetic.
use super::{
    divided, scale_of,
    schur::{hessenberg, one},
};
use num_complex::Complex64;

/// Steps for one eigenvalue after which there is no hope; two or three are usual.
pub(super) const PATIENCE: usize = 60;

/// The eigenvalues of a matrix of `n` rows, in no particular order, and its eigenvectors, which are columns of length 1 whose largest
/// element is real and positive. The eigenvalues of a real matrix are real or in pairs of exact conjugates, as are its vectors. `None` if
/// there is a number that is not finite.
pub fn eig(mut a: Vec<Complex64>, n: usize) -> Option<(Vec<Complex64>, Vec<Complex64>)> {
    if a.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let real = a.iter().all(|x| x.im == 0.0);
    let scale = scale_of(&a);
    a = divided(&a, scale);
    let sizes = balanced(&mut a, n);
    let mut z = one(n);
    hessenberg(&mut a, &mut z, n);
    triangular(&mut a, &mut z, n)?;
    let norm = a.iter().fold(0.0, |most: f64, x| most.max(x.l1_norm()));
    let mut w: Vec<Complex64> = (0..n).map(|i| a[i * n + i]).collect();
    let mut v = product(&z, &vectors_of_triangular(&a, norm, n), n);
    for (row, size) in v.chunks_exact_mut(n.max(1)).zip(sizes) {
        row.iter_mut().for_each(|x| *x *= size);
    }
    (0..n).for_each(|k| normalise(&mut v, k, n));
    if real {
        conjugates(&mut w, &mut v, 4.0 * n as f64 * f64::EPSILON * norm);
    }
    w.iter_mut().for_each(|w| *w *= scale);
    Some((w, v))
}

/// Make rows and columns of the same number alike in size, by powers of two: D⁻¹ A D, of which the diagonal of D is returned (EISPACK's
/// `balanc`).
fn balanced(a: &mut [Complex64], n: usize) -> Vec<f64> {
    let mut d = vec![1.0; n];
    for _ in 0..100 {
        let mut done = true;
        for i in 0..n {
            let others = || (0..n).filter(|j| *j != i);
            let mut c: f64 = others().map(|j| a[j * n + i].l1_norm()).sum();
            let r: f64 = others().map(|j| a[i * n + j].l1_norm()).sum();
            if c == 0.0 || r == 0.0 {
                continue;
            }
            let (before, mut f) = (c + r, 1.0);
            while c < r / 2.0 {
                (f, c) = (f * 2.0, c * 4.0);
            }
            while c >= r * 2.0 {
                (f, c) = (f / 2.0, c / 4.0);
            }
            if (c + r) / f < 0.95 * before {
                done = false;
                d[i] *= f;
                (0..n).for_each(|j| a[i * n + j] /= f);
                (0..n).for_each(|j| a[j * n + i] *= f);
            }
        }
        if done {
            break;
        }
    }
    d
}

/// A number of absolute value 1 in the direction of `x`.
fn direction(x: Complex64) -> Complex64 {
    let size = x.norm();
    if size == 0.0 { Complex64::ONE } else { x / size }
}

/// Make `h`, which is zero below its first subdiagonal, upper triangular by QR steps with shifts: its Schur form.
pub(super) fn triangular(h: &mut [Complex64], z: &mut [Complex64], n: usize) -> Option<()> {
    let (mut end, mut steps) = (n.saturating_sub(1), 0);
    let norm = h.iter().fold(0.0, |most: f64, x| most.max(x.l1_norm()));
    while end > 0 {
        let small = |i: &usize| {
            let beside = h[(i - 1) * n + i - 1].l1_norm() + h[i * n + i].l1_norm();
            h[i * n + i - 1].l1_norm() <= f64::EPSILON * if beside == 0.0 { norm } else { beside }
        };
        let start = (1..=end).rev().find(small).unwrap_or(0);
        if start > 0 {
            h[start * n + start - 1] = Complex64::ZERO;
        }
        if start == end {
            (end, steps) = (end - 1, 0);
            continue;
        }
        steps += 1;
        if steps > PATIENCE {
            return None;
        }
        let shift = match steps % 10 {
            // (where steps go round in a circle)
            0 => h[end * n + end] + 0.75 * h[end * n + end - 1].l1_norm(),
            _ => nearest_eigenvalue([end - 1, end].map(|i| [end - 1, end].map(|j| h[i * n + j]))),
        };
        step(h, z, n, [start, end], shift);
    }
    Some(())
}
/// The eigenvalue of a matrix of two rows that is nearest to its last element.
fn nearest_eigenvalue([[a, b], [c, d]]: [[Complex64; 2]; 2]) -> Complex64 {
    let half = (a - d) * 0.5;
    let root = (half * half + b * c).sqrt();
    // (the sum that does not cancel)
    let sum = if (half.conj() * root).re < 0.0 { half - root } else { half + root };
    if sum == Complex64::ZERO { d } else { d - b * c / sum }
}
/// One QR step for the rows `start..=end`, by rotations of neighbours that push an element below the subdiagonal to the end.
fn step(h: &mut [Complex64], z: &mut [Complex64], n: usize, [start, end]: [usize; 2], shift: Complex64) {
    let (mut x, mut y) = (h[start * n + start] - shift, h[(start + 1) * n + start]);
    for k in start..end {
        let r = x.norm().hypot(y.norm());
        let (c, s) = if r == 0.0 { (1.0, Complex64::ZERO) } else { (x.norm() / r, direction(x) * y.conj() / r) };
        let (above, below) = h[k * n..(k + 2) * n].split_at_mut(n);
        let from = k.saturating_sub(1).max(start);
        for (a, b) in above[from..].iter_mut().zip(&mut below[from..]) {
            (*a, *b) = (*a * c + *b * s, *b * c - *a * s.conj());
        }
        let rows = h[..((k + 2).min(end) + 1) * n].chunks_exact_mut(n);
        for row in rows.chain(z.chunks_exact_mut(n)) {
            let (a, b) = (row[k], row[k + 1]);
            (row[k], row[k + 1]) = (a * c + b * s.conj(), b * c - a * s);
        }
        if k > start {
            h[(k + 1) * n + k - 1] = Complex64::ZERO;
        }
        if k + 2 <= end {
            (x, y) = (h[(k + 1) * n + k], h[(k + 2) * n + k]);
        }
    }
}

/// The eigenvectors of an upper triangular matrix, as columns.
fn vectors_of_triangular(t: &[Complex64], norm: f64, n: usize) -> Vec<Complex64> {
    /// Elements above this shrink their vector, so that none overflows.
    const LARGE: f64 = 1e100;
    let least = (f64::EPSILON * norm).max(f64::MIN_POSITIVE);
    let mut y = vec![Complex64::ZERO; n * n];
    let mut column = vec![Complex64::ZERO; n];
    for k in 0..n {
        column[k] = Complex64::ONE;
        for i in (0..k).rev() {
            let sum: Complex64 = t[i * n + i + 1..=i * n + k].iter().zip(&column[i + 1..]).map(|(t, y)| t * y).sum();
            let gap = t[k * n + k] - t[i * n + i];
            let gap = if gap.norm() < least { least.into() } else { gap };
            column[i] = sum / gap;
            let size = column[i].norm();
            if size > LARGE {
                column[i..=k].iter_mut().for_each(|y| *y /= size);
            }
        }
        (0..=k).for_each(|i| y[i * n + k] = column[i]);
    }
    y
}
fn product(x: &[Complex64], y: &[Complex64], n: usize) -> Vec<Complex64> {
    let mut made = vec![Complex64::ZERO; n * n];
    for (row, x) in made.chunks_exact_mut(n.max(1)).zip(x.chunks_exact(n.max(1))) {
        for (x, y) in x.iter().zip(y.chunks_exact(n)) {
            row.iter_mut().zip(y).for_each(|(sum, y)| *sum += x * y);
        }
    }
    made
}
/// Make column `k` one of length 1 whose largest element is real and positive.
fn normalise(v: &mut [Complex64], k: usize, n: usize) {
    let column = || (0..n).map(|i| i * n + k);
    let most = column().fold(0.0, |most: f64, i| most.max(v[i].l1_norm()));
    if most == 0.0 {
        return;
    }
    column().for_each(|i| v[i] /= most);
    let largest = column().fold(k, |best, i| if v[i].norm() > v[best].norm() { i } else { best });
    let size = column().map(|i| v[i].norm_sqr()).sum::<f64>().sqrt();
    let turn = direction(v[largest]).conj() / size;
    column().for_each(|i| v[i] *= turn);
    v[largest].im = 0.0;
}

/// What rounding took from the eigenvalues of a real matrix: those with an imaginary part up to `tolerance` are real, the others have a
/// conjugate, which stands behind that with the positive imaginary part.
fn conjugates(w: &mut [Complex64], v: &mut [Complex64], tolerance: f64) {
    let n = w.len();
    let mut paired: Vec<bool> = w.iter().map(|w| w.im.abs() <= tolerance).collect();
    for k in 0..n {
        if paired[k] {
            w[k].im = 0.0;
            let column = || (0..n).map(|i| i * n + k);
            // (the real part of an eigenvector is one too; of several to one eigenvalue others may be needed)
            if column().all(|i| v[i].im.abs() <= f64::EPSILON.sqrt()) {
                column().for_each(|i| v[i].im = 0.0);
            }
        }
    }
    for k in 0..n {
        if paired[k] {
            continue;
        }
        paired[k] = true;
        let off = |j: &usize| (w[*j] - w[k].conj()).norm();
        let Some(j) = (k + 1..n).filter(|j| !paired[*j]).min_by(|i, j| off(i).total_cmp(&off(j))) else { continue };
        paired[j] = true;
        let mut mean = (w[k] + w[j].conj()) * 0.5;
        if mean.im < 0.0 {
            mean = mean.conj();
            (0..n).for_each(|i| v[i * n + k] = v[i * n + k].conj());
        }
        (w[k], w[j]) = (mean, mean.conj());
        (0..n).for_each(|i| v[i * n + j] = v[i * n + k].conj());
    }
}
