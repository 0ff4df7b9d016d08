//! Decompositions of complex matrices.
use super::{SIZES, Threads, numbers, shapes};
use num_complex::{Complex32, Complex64};
use raxla_kernels::{
    linalg::{Number, Svd, Triangle, cholesky, eigh, lu, qr, svd, triangular_solve},
    product::{Alone, Team},
};

/// Complex numbers that look random.
pub(super) fn random(m: usize, n: usize, seed: u64) -> Vec<Complex64> {
    let im = numbers(m, n, seed + 100);
    numbers(m, n, seed).into_iter().zip(im).map(|(re, im)| Complex64::new(re, im)).collect()
}
pub(super) fn product<T: Number>(a: &[T], b: &[T], [m, k, n]: [usize; 3]) -> Vec<T> {
    let mut c = vec![T::ZERO; m * n];
    for i in 0..m {
        for p in 0..k {
            (0..n).for_each(|j| c[i * n + j] += a[i * k + p] * b[p * n + j]);
        }
    }
    c
}
pub(super) fn adjoint<T: Number>(a: &[T], m: usize, n: usize) -> Vec<T> {
    (0..m * n).map(|e| a[e % m.max(1) * n + e / m.max(1)].conj()).collect()
}
fn largest<T: Number<Part = f64>>(x: &[T]) -> f64 {
    x.iter().fold(1.0, |most: f64, x| most.max(x.size()))
}
#[track_caller]
pub(super) fn close<T: Number<Part = f64>>(have: &[T], want: &[T], tolerance: f64) {
    assert_eq!(have.len(), want.len());
    for (i, (a, b)) in have.iter().zip(want).enumerate() {
        let off = (*a - *b).size();
        assert!(
            off <= tolerance * largest(want),
            "element {i} is off by {off}: {:?} against {:?}",
            a.parts(),
            b.parts()
        );
    }
}
/// The columns of Q are orthonormal.
#[track_caller]
pub(super) fn orthonormal<T: Number<Part = f64>>(q: &[T], m: usize, k: usize) {
    let one: Vec<T> = (0..k * k).map(|e| if e / k == e % k { T::ONE } else { T::ZERO }).collect();
    close(&product(&adjoint(q, m, k), q, [k, m, k]), &one, 2e-13);
}
fn hermitian(n: usize, seed: u64) -> Vec<Complex64> {
    let a = random(n, n, seed);
    adjoint(&a, n, n).iter().zip(&a).map(|(x, y)| x / 2.0 + y / 2.0).collect()
}

#[test]
fn a_cholesky_factor_times_its_adjoint_is_the_matrix() {
    for n in SIZES {
        let a = random(n, n, 5);
        let mut a = product(&a, &adjoint(&a, n, n), [n; 3]);
        (0..n).for_each(|i| a[i * n + i] += 1.0);
        for team in [&Alone as &dyn Team, &Threads] {
            // (only the lower triangle is read, and the real part of the diagonal)
            let mut l: Vec<Complex64> =
                (0..n * n).map(|e| if e % n > e / n { Complex64::new(f64::NAN, 0.0) } else { a[e] }).collect();
            cholesky(team, &mut l, n);
            close(&product(&l, &adjoint(&l, n, n), [n; 3]), &a, 1e-13);
            assert!((0..n * n).all(|e| if e % n == e / n {
                l[e].im == 0.0
            } else {
                e % n < e / n || l[e].size() == 0.0
            }));
        }
        let mut l: Vec<Complex32> = a.iter().map(|x| Complex32::narrow(*x)).collect();
        cholesky(&Alone, &mut l, n);
        let l: Vec<Complex64> = l.into_iter().map(Number::wide).collect();
        close(&product(&l, &adjoint(&l, n, n), [n; 3]), &a, 4e-6);
    }
    let mut l = [Complex64::I; 1];
    cholesky(&Alone, &mut l, 1);
    assert!(l[0].re.is_nan());
}

#[test]
fn triangular_systems_are_solved_also_with_conjugates() {
    for (n, k) in [1, 3, 33, 65].into_iter().flat_map(|n| [0, 1, 5, 40].map(|k| (n, k))) {
        for bits in 0..32 {
            let is = |bit: usize| bits >> bit & 1 == 1;
            let how = Triangle { left: is(0), lower: is(1), transpose: is(2), unit: is(3), conjugate: is(4) };
            let numbers = random(n, n, 9);
            let element = |e: usize| match (e / n, e % n) {
                (i, j) if i == j => {
                    if how.unit {
                        Complex64::ONE
                    } else {
                        2.0 + numbers[e]
                    }
                }
                (i, j) if (i > j) == how.lower => numbers[e] / n as f64,
                _ => Complex64::ZERO,
            };
            let a: Vec<Complex64> = (0..n * n).map(element).collect();
            let [rows, columns] = if how.left { [n, k] } else { [k, n] };
            let b = random(rows, columns, 3);
            let mut x = b.clone();
            triangular_solve(&Threads, &a, &mut x, [rows, columns], how);
            let a = if how.transpose { adjoint(&a, n, n) } else { a.iter().map(Complex64::conj).collect() };
            let a: Vec<Complex64> = if how.conjugate { a } else { a.iter().map(Complex64::conj).collect() };
            let back = if how.left { product(&a, &x, [n, n, k]) } else { product(&x, &a, [k, n, n]) };
            close(&back, &b, 1e-12);
        }
    }
    // (the square of the divisor overflows, or vanishes)
    for size in [1e-200, 1e200] {
        let mut x = [Complex64::new(3.0, 1.0)];
        triangular_solve(&Alone, &[Complex64::new(1.0, 2.0) * size], &mut x, [1, 1], Triangle::LOWER);
        assert!((x[0] * size - Complex64::new(1.0, -1.0)).norm() < 1e-15, "{x:?}");
    }
}

#[test]
fn the_factors_of_lu_make_the_exchanged_rows() {
    for [m, n] in shapes() {
        let a = random(m, n, 11);
        let k = m.min(n);
        let (mut both, mut pivots, mut rows) = (a.clone(), vec![0; k], a);
        lu(&Threads, &mut both, [m, n], &mut pivots);
        let l = (0..m * k).map(|e| match (e / k, e % k) {
            (i, j) if i == j => Complex64::ONE,
            (i, j) => {
                if i > j {
                    both[i * n + j]
                } else {
                    Complex64::ZERO
                }
            }
        });
        let l: Vec<Complex64> = l.collect();
        let u: Vec<Complex64> = (0..k * n).map(|e| if e / n > e % n { Complex64::ZERO } else { both[e] }).collect();
        for (i, p) in pivots.iter().enumerate() {
            (0..n).for_each(|j| rows.swap(i * n + j, *p as usize * n + j));
        }
        close(&product(&l, &u, [m, k, n]), &rows, 1e-13);
    }
}

#[test]
fn q_is_unitary_and_r_triangular_with_a_real_diagonal() {
    for [m, n] in shapes() {
        let a = random(m, n, 13);
        for k in [m.min(n), m] {
            let (mut q, mut r) = (vec![Complex64::ZERO; m * k], vec![Complex64::ZERO; k * n]);
            qr(&Threads, &a, [m, n, k], &mut q, &mut r);
            close(&product(&q, &r, [m, k, n]), &a, 1e-13);
            orthonormal(&q, m, k);
            assert!((0..k * n).all(|e| e % n >= e / n || r[e].size() == 0.0), "zeros below the diagonal");
            assert!((0..k.min(n)).all(|i| r[i * n + i].im == 0.0), "a real diagonal");
        }
    }
}

#[test]
fn eigenvectors_are_orthonormal_and_eigenvalues_in_order() {
    let mut all: Vec<(usize, Vec<Complex64>)> = SIZES.into_iter().map(|n| (n, hermitian(n, 17))).collect();
    all.extend([1e200, 1e-200, 0.0].map(|size| (5, hermitian(5, 2).iter().map(|x| x * size).collect())));
    for (n, a) in all {
        let (w, v) = eigh(&Threads, &mut a.clone(), n).expect("finite");
        let most = a.iter().fold(1e-300, |most: f64, x| most.max(x.size()));
        let scaled: Vec<Complex64> = v.iter().enumerate().map(|(e, v)| v * (w[e % n] / most)).collect();
        let a: Vec<Complex64> = a.iter().map(|x| x / most).collect();
        close(&product(&scaled, &adjoint(&v, n, n), [n; 3]), &a, 2e-13);
        orthonormal(&v, n, n);
        assert!(w.windows(2).all(|w| w[0] <= w[1]), "{w:?}");
    }
    assert!(eigh(&Alone, &mut [Complex64::new(0.0, f64::NAN)], 1).is_none());
}

#[test]
fn singular_vectors_are_orthonormal_and_singular_values_in_order() {
    let all = shapes().filter(|[m, n]| m * n < 9000).map(|[m, n]| ([m, n], random(m, n, 19)));
    let extreme = [1e200, 1e-200, 0.0].map(|size| ([5, 4], random(5, 4, 2).iter().map(|x| x * size).collect()));
    for ([m, n], a) in all.chain(extreme) {
        for full in [false, true] {
            let Svd { u, s, vt } = svd(&Threads, &a, [m, n], full).expect("finite");
            let least = m.min(n);
            let [k, l] = if full { [m, n] } else { [least; 2] };
            let most = a.iter().fold(1e-300, |most: f64, x: &Complex64| most.max(x.size()));
            let scaled = (0..m * l).map(|e| (e / l.max(1), e % l.max(1)));
            let scaled: Vec<Complex64> =
                scaled.map(|(i, j)| if j < least { u[i * k + j] * (s[j] / most) } else { Complex64::ZERO }).collect();
            close(&product(&scaled, &vt, [m, l, n]), &a.iter().map(|x| x / most).collect::<Vec<_>>(), 2e-13);
            orthonormal(&u, m, k);
            orthonormal(&adjoint(&vt, l, n), n, l);
            assert!(s.windows(2).all(|s| s[0] >= s[1] && s[1] >= 0.0), "{s:?}");
        }
    }
}
