//! Decompositions beside what they are by definition, for every size around those of blocks, with several threads and alone.
mod complex;
mod schur;

use crate::Random;
use num_complex::Complex64;
use raxla_kernels::{
    linalg::{Svd, Triangle, cholesky, eig, eigh, lu, qr, svd, triangular_solve},
    product::{Alone, Team},
};
use std::thread;

/// Tasks on threads of their own.
struct Threads;
impl Team for Threads {
    fn count(&self) -> usize {
        3
    }
    fn run(&self, total: usize, task: &(dyn Fn(usize) + Sync)) {
        thread::scope(|s| (0..total).for_each(|i| drop(s.spawn(move || task(i)))));
    }
}

const SIZES: [usize; 8] = [0, 1, 2, 3, 7, 33, 65, 130];

fn numbers(m: usize, n: usize, seed: u64) -> Vec<f64> {
    let mut numbers = Random(seed);
    (0..m * n + 20).map(|_| f64::from(numbers.float())).skip(20).collect()
}
fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for p in 0..k {
            (0..n).for_each(|j| c[i * n + j] += a[i * k + p] * b[p * n + j]);
        }
    }
    c
}
fn turned(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|e| a[e % m.max(1) * n + e / m.max(1)]).collect()
}
fn identity(m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|e| f64::from(e / n == e % n)).collect()
}
#[track_caller]
fn close(have: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(have.len(), want.len());
    let most = want.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    for (i, (a, b)) in have.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= tolerance * most, "element {i}: {a} against {b}");
    }
}
/// The columns of Q are orthonormal.
#[track_caller]
fn orthonormal(q: &[f64], m: usize, k: usize) {
    close(&product(&turned(q, m, k), q, [k, m, k]), &identity(k, k), 1e-13);
}
fn positive(n: usize) -> Vec<f64> {
    let a = numbers(n, n, 5);
    product(&a, &turned(&a, n, n), [n; 3]).iter().zip(identity(n, n)).map(|(a, one)| a + one).collect()
}

#[test]
fn a_cholesky_factor_squared_is_the_matrix() {
    for n in SIZES {
        let a = positive(n);
        for team in [&Alone as &dyn Team, &Threads] {
            let mut l = a.clone();
            cholesky(team, &mut l, n);
            close(&product(&l, &turned(&l, n, n), [n; 3]), &a, 1e-13);
            assert!((0..n * n).all(|e| e % n <= e / n || l[e] == 0.0), "zeros above the diagonal");
        }
        let mut l: Vec<f32> = a.iter().map(|x| *x as f32).collect();
        cholesky(&Alone, &mut l, n);
        let l: Vec<f64> = l.into_iter().map(f64::from).collect();
        close(&product(&l, &turned(&l, n, n), [n; 3]), &a, 2e-6);
    }
    for wrong in [vec![1.0, 0.0, 2.0, 3.0], vec![f64::NAN; 4], vec![0.0; 4]] {
        let mut l = wrong.clone();
        cholesky(&Alone, &mut l, 2);
        assert!(l[0].is_nan() && l[1] == 0.0 && l[2].is_nan() && l[3].is_nan(), "{wrong:?}: {l:?}");
    }
}

#[test]
fn triangular_systems_are_solved_from_one_triangle() {
    // (of 300 rows the first are taken out of the others)
    for (n, k) in SIZES.into_iter().flat_map(|n| [0, 1, 5, 70].map(|k| (n, k))).chain([(300, 5)]) {
        for bits in 0..16 {
            let is = |bit: usize| bits >> bit & 1 == 1;
            let how = Triangle { left: is(0), lower: is(1), transpose: is(2), unit: is(3), conjugate: bits > 7 };
            let random = numbers(n, n, 9);
            let element = |e: usize| match (e / n, e % n) {
                (i, j) if i == j => {
                    if how.unit {
                        1.0
                    } else {
                        2.0 + random[e]
                    }
                }
                (i, j) if (i > j) == how.lower => random[e] / n as f64,
                _ => 0.0,
            };
            let a: Vec<f64> = (0..n * n).map(element).collect();
            // what must not be read is not a number
            let hidden = |e: usize| if e / n == e % n { how.unit } else { (e / n > e % n) != how.lower };
            let given: Vec<f64> = (0..n * n).map(|e| if hidden(e) { f64::NAN } else { a[e] }).collect();
            let [rows, columns] = if how.left { [n, k] } else { [k, n] };
            let b = numbers(rows, columns, 3);
            let mut x = b.clone();
            triangular_solve(&Threads, &given, &mut x, [rows, columns], how);
            let a = if how.transpose { turned(&a, n, n) } else { a };
            let back = if how.left { product(&a, &x, [n, n, k]) } else { product(&x, &a, [k, n, n]) };
            close(&back, &b, 1e-12);
        }
    }
}

fn shapes() -> impl Iterator<Item = [usize; 2]> {
    SIZES.into_iter().flat_map(|n| [[n, n], [n, n / 2], [n / 2, n], [n + 3, n], [n, 2 * n + 1]])
}

#[test]
fn the_factors_of_lu_make_the_exchanged_rows() {
    for [m, n] in shapes() {
        let a = numbers(m, n, 11);
        let k = m.min(n);
        let (mut both, mut pivots, mut rows) = (a.clone(), vec![0; k], a);
        lu(&Threads, &mut both, [m, n], &mut pivots);
        let l: Vec<f64> = (0..m * k)
            .map(|e| match (e / k, e % k) {
                (i, j) if i == j => 1.0,
                (i, j) => {
                    if i > j {
                        both[i * n + j]
                    } else {
                        0.0
                    }
                }
            })
            .collect();
        let u: Vec<f64> = (0..k * n).map(|e| if e / n > e % n { 0.0 } else { both[e] }).collect();
        assert!(l.iter().all(|x| x.abs() <= 1.0), "pivots are the largest");
        for (i, p) in pivots.iter().enumerate() {
            (0..n).for_each(|j| rows.swap(i * n + j, *p as usize * n + j));
        }
        close(&product(&l, &u, [m, k, n]), &rows, 1e-13);
    }
    let mut singular = vec![0.0, 1.0, 0.0, 2.0];
    lu(&Alone, &mut singular, [2, 2], &mut [0; 2]);
    assert_eq!(singular, [0.0, 1.0, 0.0, 2.0]);
}

#[test]
fn q_is_orthonormal_and_r_triangular() {
    for [m, n] in shapes() {
        let a = numbers(m, n, 13);
        for k in [m.min(n), m] {
            let (mut q, mut r) = (vec![0.0; m * k], vec![0.0; k * n]);
            qr(&Threads, &a, [m, n, k], &mut q, &mut r);
            close(&product(&q, &r, [m, k, n]), &a, 1e-13);
            orthonormal(&q, m, k);
            assert!((0..k * n).all(|e| e % n >= e / n || r[e] == 0.0), "zeros below the diagonal");
        }
    }
}

/// Matrices with zeros, equal values and extreme sizes, of five rows.
fn special() -> Vec<Vec<f64>> {
    let one = identity(5, 5);
    let scaled =
        |factor: f64| one.iter().enumerate().map(|(i, x)| (x + f64::from(i == 1 || i == 5)) * factor).collect();
    let mut small = one.clone();
    (small[0], small[24]) = (1e-200, 1e-300);
    let shift = (0..25).map(|e| f64::from(e / 5 + 1 == e % 5)).collect();
    vec![vec![0.0; 25], vec![1.0; 25], one.clone(), small, scaled(1e200), scaled(1e-200), shift]
}

#[test]
fn eigenvectors_are_orthonormal_and_eigenvalues_in_order() {
    let symmetric = |a: Vec<f64>, n: usize| -> Vec<f64> {
        turned(&a, n, n).iter().zip(&a).map(|(x, y)| x / 2.0 + y / 2.0).collect()
    };
    let random = SIZES.into_iter().map(|n| (n, symmetric(numbers(n, n, 17), n)));
    for (n, a) in random.chain(special().into_iter().map(|a| (5, symmetric(a, 5)))) {
        let (w, v) = eigh(&Threads, &mut a.clone(), n).expect("finite");
        let scaled: Vec<f64> = v.iter().enumerate().map(|(e, v)| v * w[e % n]).collect();
        let most = a.iter().fold(1e-300, |most: f64, x| most.max(x.abs()));
        let of_one = |x: Vec<f64>| x.into_iter().map(|x| x / most).collect::<Vec<f64>>();
        close(&of_one(product(&scaled, &turned(&v, n, n), [n; 3])), &of_one(a), 1e-13);
        orthonormal(&v, n, n);
        assert!(w.windows(2).all(|w| w[0] <= w[1]), "{w:?}");
    }
    assert!(eigh(&Alone, &mut [1.0, f64::NAN, f64::NAN, 1.0], 2).is_none());
}

#[test]
fn singular_vectors_are_orthonormal_and_singular_values_in_order() {
    let random = shapes().map(|[m, n]| ([m, n], numbers(m, n, 19)));
    for ([m, n], a) in random.chain(special().into_iter().map(|a| ([5, 5], a))) {
        for full in [false, true] {
            let Svd { u, s, vt } = svd(&Threads, &a, [m, n], full).expect("finite");
            let least = m.min(n);
            let [k, l] = if full { [m, n] } else { [least; 2] };
            let most = a.iter().fold(1e-300, |most: f64, x| most.max(x.abs()));
            let scaled = (0..m * l).map(|e| (e / l.max(1), e % l.max(1)));
            let scaled: Vec<f64> =
                scaled.map(|(i, j)| if j < least { u[i * k + j] * (s[j] / most) } else { 0.0 }).collect();
            close(&product(&scaled, &vt, [m, l, n]), &a.iter().map(|x| x / most).collect::<Vec<_>>(), 1e-13);
            orthonormal(&u, m, k);
            orthonormal(&turned(&vt, l, n), n, l);
            assert!(s.windows(2).all(|s| s[0] >= s[1] && s[1] >= 0.0), "{s:?}");
        }
    }
    assert!(svd(&Alone, &[f64::INFINITY], [1, 1], true).is_none());
}

/// A V = V diag(w) for columns of length 1; returns w and V.
#[track_caller]
fn eigen(a: &[Complex64], n: usize, tolerance: f64) -> (Vec<Complex64>, Vec<Complex64>) {
    let (w, v) = eig(a.to_vec(), n).expect("it is finite");
    let most = a.iter().fold(1e-300, |most: f64, x| most.max(x.norm()));
    for k in 0..n {
        let column: Vec<Complex64> = (0..n).map(|i| v[i * n + k]).collect();
        let length: f64 = column.iter().map(Complex64::norm_sqr).sum();
        assert!((length - 1.0).abs() < 1e-13, "length {length}");
        for i in 0..n {
            let product: Complex64 = a[i * n..][..n].iter().zip(&column).map(|(a, v)| a * v).sum();
            let off = (product - w[k] * column[i]).norm() / most;
            assert!(off < tolerance, "{n} rows, vector {k}, row {i}: {off}");
        }
    }
    (w, v)
}
fn complex(re: &[f64]) -> Vec<Complex64> {
    re.iter().map(|x| Complex64::from(*x)).collect()
}

#[test]
fn eigenvectors_of_any_matrix_only_change_their_length() {
    for n in SIZES {
        let (re, im) = (numbers(n, n, 21), numbers(n, n, 22));
        let general: Vec<Complex64> = re.iter().zip(&im).map(|(re, im)| Complex64::new(*re, *im)).collect();
        eigen(&general, n, 1e-12);
        // of a real matrix: real, or in pairs of exact conjugates
        let (w, v) = eigen(&complex(&re), n, 1e-12);
        let column = |k: usize| (0..n).map(|i| v[i * n + k]).collect::<Vec<_>>();
        for k in 0..n {
            if w[k].im == 0.0 {
                assert!(column(k).iter().all(|x| x.im == 0.0));
            } else {
                let other = (0..n).find(|j| w[*j] == w[k].conj()).expect("its conjugate");
                assert!(column(k).iter().zip(column(other)).all(|(a, b)| a.conj() == b));
                assert_eq!(w[k].im > 0.0, k < other, "the one with the positive imaginary part comes first");
            }
        }
        // of a symmetric one: those of `eigh`
        let symmetric: Vec<f64> = re.iter().zip(turned(&re, n, n)).map(|(a, b)| a + b).collect();
        let mut w: Vec<f64> = eigen(&complex(&symmetric), n, 1e-12).0.into_iter().map(|w| w.re).collect();
        w.sort_by(f64::total_cmp);
        close(&w, &eigh(&Alone, &mut symmetric.clone(), n).expect("it is finite").0, 1e-12);
    }
}

#[test]
fn matrices_that_are_hard_to_decompose_have_eigenvalues() {
    // a permutation, on which steps without shifts go round in a circle; equal eigenvalues; one with a single eigenvector; numbers that
    // differ in size, and very large and small ones
    let n = 6;
    let cycle: Vec<f64> = (0..n * n).map(|e| f64::from(e % n == (e / n + 1) % n)).collect();
    let (w, _) = eigen(&complex(&cycle), n, 1e-13);
    assert!(w.iter().all(|w| (w.norm() - 1.0).abs() < 1e-14 && (w.powi(6) - 1.0).norm() < 1e-13), "{w:?}");
    let one = identity(n, n);
    assert_eq!(eigen(&complex(&one), n, 1e-15), (complex(&[1.0; 6]), complex(&one)));
    let jordan: Vec<f64> =
        (0..n * n).map(|e| f64::from(e % n == e / n) * 2.0 + f64::from(e % n == e / n + 1)).collect();
    assert_eq!(eigen(&complex(&jordan), n, 1e-12).0, complex(&[2.0; 6]));
    let graded = complex(&[1.0, 1e6, 0.0, 1e-6, 2.0, 1e5, 0.0, 1e-5, 3.0]);
    let mut w: Vec<f64> = eigen(&graded, 3, 1e-13).0.into_iter().map(|w| w.re).collect();
    w.sort_by(f64::total_cmp);
    close(&w, &[2.0 - 3f64.sqrt(), 2.0, 2.0 + 3f64.sqrt()], 1e-13);
    for size in [1e-200, 1e200] {
        let numbers: Vec<f64> = numbers(4, 4, 9).iter().map(|x| x * size).collect();
        eigen(&complex(&numbers[..16]), 4, 1e-13);
    }
    assert!(eig(complex(&[f64::NAN]), 1).is_none());
    assert_eq!(eig(complex(&[0.0; 4]), 2).expect("zeros").0, complex(&[0.0; 2]));
}
