//! The Schur decomposition.
use super::{
    SIZES,
    complex::{adjoint, close, orthonormal, product, random},
    identity, numbers,
};
use num_complex::Complex64;
use raxla_kernels::linalg::{Number, schur};

/// A = Z T Zᴴ; returns T.
#[track_caller]
fn form<T: Number<Part = f64>>(a: &[T], n: usize) -> Vec<T> {
    let (t, z) = schur(a, n).expect("it is finite");
    orthonormal(&z, n, n);
    let most = a.iter().fold(1e-300, |most: f64, x| most.max(x.size()));
    let of_one = |x: &[T]| x.iter().map(|x| x.over(T::of(most))).collect::<Vec<T>>();
    close(&product(&z, &product(&of_one(&t), &adjoint(&z, n, n), [n; 3]), [n; 3]), &of_one(a), 1e-12);
    t
}
/// Zeros below the diagonal but for blocks of two rows in standard form.
#[track_caller]
fn standard(t: &[f64], n: usize) {
    let at = |i: usize, j: usize| t[i * n + j];
    for i in 1..n {
        assert!((0..i - 1).all(|j| at(i, j) == 0.0), "row {i}");
        if at(i, i - 1) == 0.0 {
            continue;
        }
        assert_eq!(at(i, i), at(i - 1, i - 1));
        assert!(at(i, i - 1).signum() != at(i - 1, i).signum() && at(i - 1, i) != 0.0);
        assert!((i < 2 || at(i - 1, i - 2) == 0.0) && (i + 1 == n || at(i + 1, i) == 0.0), "blocks of two rows");
    }
}

#[test]
fn the_form_is_triangular_and_similar_to_the_matrix() {
    for n in SIZES {
        standard(&form(&numbers(n, n, 31)[..n * n], n), n);
        let t = form(&random(n, n, 32), n);
        assert!((0..n * n).all(|e| e % n >= e / n || t[e] == Complex64::ZERO));
    }
}

#[test]
fn matrices_that_are_hard_to_decompose_have_a_form() {
    let n = 6;
    let of = |f: &dyn Fn(usize, usize) -> f64| (0..n * n).map(|e| f(e / n, e % n)).collect::<Vec<f64>>();
    let cycle = of(&|i, j| f64::from(j == (i + 1) % n));
    let jordan = of(&|i, j| f64::from(i == j) * 2.0 + f64::from(j == i + 1));
    let below = of(&|i, j| f64::from(i == j) * 2.0 + f64::from(i == j + 1));
    let skew = of(&|i, j| (i as f64 - j as f64).signum() * f64::from(i != j));
    let rotation = of(&|i, j| {
        if i == j {
            0.6
        } else if i / 2 != j / 2 {
            0.0
        } else if i < j {
            -0.8
        } else {
            0.8
        }
    });
    let ones = vec![1.0; n * n];
    for a in [identity(n, n), vec![0.0; n * n], cycle, jordan, below, skew, rotation, ones] {
        standard(&form(&a, n), n);
        form(&a.iter().map(|x| Complex64::from(*x)).collect::<Vec<_>>(), n);
        for size in [1e-200, 1e200] {
            standard(&form(&a.iter().map(|x| x * size).collect::<Vec<_>>(), n), n);
        }
    }
    for block in [
        [1.0, 1.0, 1.0, 1.0],
        [1.0, 0.0, 3.0, 2.0],
        [2.0, 1e-20, 1.0, 2.0],
        [0.0, 1.0, -1.0, 0.0],
        [3.0, -1.0, 1.0, 1.0],
    ] {
        standard(&form(&block, 2), 2);
    }
    assert!(schur(&[f64::NAN], 1).is_none() && schur(&[Complex64::new(0.0, f64::INFINITY)], 1).is_none());
}
