//! The Schur decomposition.
use super::{
    Number, axpy, conjugates, divided, dot,
    eig::{PATIENCE, triangular},
    of_planes, planes,
    qr::reflection,
    scale_of,
};
use num_complex::Complex64;

/// Make `a` zero below its first subdiagonal by Householder reflections, which `z` gathers: Z H Zᴴ = A.
pub(super) fn hessenberg<T: Number<Part = f64>>(a: &mut [T], z: &mut [T], n: usize) {
    for k in 0..n.saturating_sub(2) {
        let mut v: Vec<T> = (k + 1..n).map(|i| a[i * n + k]).collect();
        let (beta, tau) = reflection(&mut v);
        let mut sums = vec![T::ZERO; n];
        for (v, row) in v.iter().zip(a[(k + 1) * n..].chunks_exact(n)) {
            axpy(&mut sums, v.conj(), row);
        }
        for (v, row) in v.iter().zip(a[(k + 1) * n..].chunks_exact_mut(n)) {
            axpy(row, -tau.conj() * *v, &sums);
        }
        let v_ = conjugates(&v);
        for row in a.chunks_exact_mut(n).chain(z.chunks_exact_mut(n)) {
            let along = dot(&v_, &row[k + 1..]);
            axpy(&mut row[k + 1..], -tau * along, &v_);
        }
        a[(k + 1) * n + k] = T::of(beta);
        (k + 2..n).for_each(|i| a[i * n + k] = T::ZERO);
    }
}
/// The identity, of which the unitary factor is made.
pub(super) fn one<T: Number>(n: usize) -> Vec<T> {
    (0..n * n).map(|e| if e / n == e % n { T::ONE } else { T::ZERO }).collect()
}

/// The Schur form T and the unitary Z of A = Z T Zᴴ for a matrix of `n` rows. `None` if there is a number that is not finite.
///
/// T is upper triangular; that of a real matrix but for blocks of two rows, one for each pair of conjugate eigenvalues, which have their
/// real part twice on the diagonal, and numbers of opposite signs beside it.
pub fn schur<T: Number<Part = f64>>(a: &[T], n: usize) -> Option<(Vec<T>, Vec<T>)> {
    if a.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let scale = scale_of(a);
    let (mut t, mut z) = (divided(a, scale), one(n));
    hessenberg(&mut t, &mut z, n);
    if T::PARTS == 1 {
        let (mut h, mut q) = (planes(&t), planes(&z));
        nearly_triangular(&mut h, &mut q, n)?;
        (t, z) = (of_planes(&h), of_planes(&q));
    } else {
        let complex = |x: &T| {
            let [re, im] = x.parts();
            Complex64::new(re, im)
        };
        let [mut h, mut q] = [&t, &z].map(|x| x.iter().map(complex).collect::<Vec<_>>());
        triangular(&mut h, &mut q, n)?;
        [t, z] = [h, q].map(|x| x.iter().map(|x| T::of_parts([x.re, x.im])).collect());
    }
    t.iter_mut().for_each(|x| *x *= T::of(scale));
    Some((t, z))
}

/// Make `h`, which is zero below its first subdiagonal, a real Schur form by double QR steps (Francis 1961; EISPACK's `hqr2`).
fn nearly_triangular(h: &mut [f64], z: &mut [f64], n: usize) -> Option<()> {
    let (mut end, mut steps) = (n, 0);
    let norm = h.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    while end > 0 {
        let small = |i: &usize| {
            let beside = h[(i - 1) * n + i - 1].abs() + h[i * n + i].abs();
            h[i * n + i - 1].abs() <= f64::EPSILON * if beside == 0.0 { norm } else { beside }
        };
        let start = (1..end).rev().find(small).unwrap_or(0);
        if start > 0 {
            h[start * n + start - 1] = 0.0;
        }
        if end - start <= 2 {
            if end - start == 2 {
                standard(h, z, n, start);
            }
            (end, steps) = (start, 0);
            continue;
        }
        steps += 1;
        if steps > PATIENCE {
            return None;
        }
        double_step(h, z, n, [start, end], steps % 10 == 0);
    }
    Some(())
}

/// One double QR step of rows `start..end`, with both eigenvalues of the last two rows as shifts, or others (where steps go round in a
/// circle).
fn double_step(h: &mut [f64], z: &mut [f64], n: usize, [start, end]: [usize; 2], other_shifts: bool) {
    let (at, last) = (|i: usize, j: usize| i * n + j, end - 1);
    let (mut x, mut y) = (h[at(last, last)], h[at(last - 1, last - 1)]);
    let mut w = h[at(last, last - 1)] * h[at(last - 1, last)];
    if other_shifts {
        let size = h[at(last, last - 1)].abs() + h[at(last - 1, last - 2)].abs();
        (x, w) = (x + 0.75 * size, -0.4375 * size * size);
        y = x;
    }
    // the first column of (H - shift)(H - other shift), from where two small numbers follow each other
    let (mut m, mut first) = (last - 2, [0.0; 3]);
    loop {
        let corner = h[at(m, m)];
        let (r, s) = (x - corner, y - corner);
        let p = (r * s - w) / h[at(m + 1, m)] + h[at(m, m + 1)];
        let q = h[at(m + 1, m + 1)] - corner - r - s;
        let all = [p, q, h[at(m + 2, m + 1)]];
        let size: f64 = all.iter().map(|x| x.abs()).sum();
        first = if size == 0.0 { first } else { all.map(|x| x / size) };
        if m == start {
            break;
        }
        let beside = h[at(m - 1, m - 1)].abs() + corner.abs() + h[at(m + 1, m + 1)].abs();
        if h[at(m, m - 1)].abs() * (first[1].abs() + first[2].abs()) < f64::EPSILON * first[0].abs() * beside {
            break;
        }
        m -= 1;
    }
    for k in m..last {
        let three = k + 1 < last;
        let [mut p, mut q, mut r] = first;
        let mut size = 1.0;
        if k > m {
            [p, q, r] = [h[at(k, k - 1)], h[at(k + 1, k - 1)], if three { h[at(k + 2, k - 1)] } else { 0.0 }];
            size = p.abs() + q.abs() + r.abs();
            if size == 0.0 {
                continue;
            }
            [p, q, r] = [p, q, r].map(|x| x / size);
        } else if !three {
            r = 0.0;
        }
        let s = (p * p + q * q + r * r).sqrt().copysign(p);
        if s == 0.0 {
            continue;
        }
        if k > m {
            h[at(k, k - 1)] = -s * size;
            (k + 1..(k + 3).min(end)).for_each(|i| h[at(i, k - 1)] = 0.0);
        } else if start < m {
            h[at(k, k - 1)] = -h[at(k, k - 1)];
        }
        p += s;
        let ([x, y, v], [q, r]) = ([p / s, q / s, r / s], [q / p, r / p]);
        for j in k..n {
            let third = if three { r * h[at(k + 2, j)] } else { 0.0 };
            let sum = h[at(k, j)] + q * h[at(k + 1, j)] + third;
            h[at(k, j)] -= sum * x;
            h[at(k + 1, j)] -= sum * y;
            if three {
                h[at(k + 2, j)] -= sum * v;
            }
        }
        let rows = h[..((k + 3).min(last) + 1) * n].chunks_exact_mut(n);
        for row in rows.chain(z.chunks_exact_mut(n)) {
            let sum = x * row[k] + y * row[k + 1] + if three { v * row[k + 2] } else { 0.0 };
            row[k] -= sum;
            row[k + 1] -= sum * q;
            if three {
                row[k + 2] -= sum * r;
            }
        }
    }
}

/// Turn two rows and columns so that their block is triangular, or has equal numbers on the diagonal and numbers of opposite signs beside
/// it.
fn standard(h: &mut [f64], z: &mut [f64], n: usize, k: usize) {
    let (block, cos, sin) = standard_block([0, 1].map(|i| [0, 1].map(|j| h[(k + i) * n + k + j])));
    let (above, below) = h[k * n..(k + 2) * n].split_at_mut(n);
    for (x, y) in above[k + 2..].iter_mut().zip(&mut below[k + 2..]) {
        (*x, *y) = (cos * *x + sin * *y, cos * *y - sin * *x);
    }
    for row in h[..k * n].chunks_exact_mut(n).chain(z.chunks_exact_mut(n)) {
        (row[k], row[k + 1]) = (cos * row[k] + sin * row[k + 1], cos * row[k + 1] - sin * row[k]);
    }
    (0..4).for_each(|e| h[(k + e / 2) * n + k + e % 2] = block[e / 2][e % 2]);
}
/// The block in standard form, and the cosine and sine of the rotation that makes it so (LAPACK's `lanv2`).
fn standard_block([[a, b], [c, d]]: [[f64; 2]; 2]) -> ([[f64; 2]; 2], f64, f64) {
    if c == 0.0 || (a == d && b.signum() != c.signum() && b != 0.0) {
        return ([[a, b], [c, d]], 1.0, 0.0);
    }
    if b == 0.0 {
        return ([[d, -c], [0.0, a]], 0.0, 1.0);
    }
    let p = 0.5 * (a - d);
    let (most, least) = (b.abs().max(c.abs()), b.abs().min(c.abs()) * b.signum() * c.signum());
    let scale = p.abs().max(most);
    let discriminant = p / scale * p + most / scale * least;
    if discriminant >= 4.0 * f64::EPSILON {
        let shift = p + (scale.sqrt() * discriminant.sqrt()).copysign(p);
        let size = c.hypot(shift);
        return ([[d + shift, b - c], [0.0, d - most / shift * least]], shift / size, c / size);
    }
    // a pair, or two that are nearly equal
    let sigma = b + c;
    let size = sigma.hypot(a - d);
    let cos = (0.5 * (1.0 + sigma.abs() / size)).sqrt();
    let sin = -(p / (size * cos)) * 1f64.copysign(sigma);
    let [[a, b], [c, d]] = [[a * cos + b * sin, b * cos - a * sin], [c * cos + d * sin, d * cos - c * sin]];
    let [[a, b], [c, d]] = [[a * cos + c * sin, b * cos + d * sin], [c * cos - a * sin, d * cos - b * sin]];
    let mean = 0.5 * (a + d);
    if c == 0.0 {
        return ([[mean, b], [c, mean]], cos, sin);
    }
    if b == 0.0 {
        return ([[mean, -c], [0.0, mean]], -sin, cos);
    }
    if b.signum() != c.signum() {
        return ([[mean, b], [c, mean]], cos, sin);
    }
    let (of_b, of_c, size) = (b.abs().sqrt(), c.abs().sqrt(), (b + c).abs().sqrt());
    let p = (of_b * of_c).copysign(c);
    let [cos_, sin_] = [of_b / size, of_c / size];
    ([[mean + p, b - c], [0.0, mean - p]], cos * cos_ - sin * sin_, cos * sin_ + sin * cos_)
}
