//! Products and powers of matrices, and the exponential function.
use super::{Norm, inv, matrix_norm, one_beside, solve, square};
use crate::{
    aval::DType,
    ops::where_,
    prim::{cond, fori_loop, scaled},
    trace::{At, Tensor, fail},
};

/// The `n`-th power of square matrices `[.., k, k]`; a negative one is that of the inverse. JAX: `jnp.linalg.matrix_power`.
///
/// # Errors
/// Matrices that are not square; dtypes other than f32, f64, c64 and c128 for negative powers.
#[track_caller]
pub fn matrix_power(a: Tensor, n: i64) -> Tensor {
    let _at = At::op("matrix_power");
    let size = square("matrix_power", a);
    let (mut base, mut left) = (if n < 0 { inv(a) } else { a }, n.unsigned_abs());
    let mut product: Option<Tensor> = None;
    while left > 0 {
        if left & 1 == 1 {
            product = Some(product.map_or(base, |p| p.matmul(base)));
        }
        left >>= 1;
        if left > 0 {
            base = base.matmul(base);
        }
    }
    product.unwrap_or_else(|| one_beside(&a.aval(), size).broadcast_to(a.dims()))
}

/// The product of several matrices `[m, n]`, in the order that takes the fewest multiplications; the first and the last may be vectors.
/// JAX: `jnp.linalg.multi_dot`.
///
/// # Errors
/// Fewer than two; sizes that do not fit.
#[track_caller]
pub fn multi_dot(x: &[Tensor]) -> Tensor {
    let _at = At::op("multi_dot");
    let n = x.len();
    let inner = |i: usize| i > 0 && i + 1 < n;
    if n < 2 || x.iter().enumerate().any(|(i, t)| t.rank() != 2 && (inner(i) || t.rank() != 1)) {
        let help = "give two matrices `[m, n]` at least; only the first and the last may be vectors";
        fail(
            "multi_dot",
            x.iter().map(|t| t.aval()).collect(),
            "these are not the factors of a product",
            Some(help.into()),
        )
    }
    // sizes[i] and sizes[i + 1] are those of factor i; best[i][j]: the cost of factors i..=j, and where they are split
    let rows = |t: &Tensor| if t.rank() == 2 { t.dim(0) } else { 1 };
    let sizes: Vec<usize> = [rows(&x[0])]
        .into_iter()
        .chain(x[1..].iter().map(|t| t.dim(0)))
        .chain([if x[n - 1].rank() == 2 { x[n - 1].dim(1) } else { 1 }])
        .collect();
    let mut best = vec![vec![(0.0, 0); n]; n];
    for length in 1..n {
        for i in 0..n - length {
            let j = i + length;
            let cost =
                |k: usize| best[i][k].0 + best[k + 1][j].0 + (sizes[i] * sizes[k + 1]) as f64 * sizes[j + 1] as f64;
            let split = (i..j).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).expect("two factors at least");
            best[i][j] = (cost(split), split);
        }
    }
    fn product(x: &[Tensor], best: &[Vec<(f64, usize)>], i: usize, j: usize) -> Tensor {
        if i == j {
            return x[i];
        }
        let k = best[i][j].1;
        product(x, best, i, k).matmul(product(x, best, k + 1, j))
    }
    product(x, &best, 0, n - 1)
}

/// Coefficients of the Padé approximant of eˣ of degree 13 (f64) and of degree 7 (f32), the constant last, and the largest norm for which it
/// is exact to rounding (Higham 2005).
const DEGREE_13: (&[f64], f64) = (
    &[
        1.0,
        182.0,
        16380.0,
        960960.0,
        40840800.0,
        1323241920.0,
        33522128640.0,
        670442572800.0,
        10559470521600.0,
        129060195264000.0,
        1187353796428800.0,
        7771770303897600.0,
        32382376266240000.0,
        64764752532480000.0,
    ],
    5.371920351148152,
);
const DEGREE_7: (&[f64], f64) =
    (&[1.0, 56.0, 1512.0, 25200.0, 277200.0, 1995840.0, 8648640.0, 17297280.0], 3.92572478313866);
/// Most squarings of the approximant; beyond (norms of 300000 and more) the result is NaN.
const SQUARINGS: i32 = 16;

/// The exponential function of square matrices `[.., n, n]`, by scaling, a Padé approximant, and squaring. NaN where a norm is above
/// 250000, as in JAX: `jax.scipy.linalg.expm`.
///
/// # Errors
/// Matrices that are not square; dtypes other than f32, f64, c64 and c128.
#[track_caller]
pub fn expm(a: Tensor) -> Tensor {
    let _at = At::op("expm");
    let n = square("expm", a);
    if n == 0 {
        return a;
    }
    if a.rank() > 2 {
        let dims = a.dims();
        let outer = dims[..dims.len() - 2].iter().product();
        return crate::vmap(of_one)(a.reshape([outer, n, n])).reshape(dims);
    }
    of_one(a)
}
#[track_caller]
fn of_one(a: Tensor) -> Tensor {
    let (coefficients, most) = if a.dtype().real() == DType::F64 { DEGREE_13 } else { DEGREE_7 };
    let norm = matrix_norm(a.stop_gradient(), Norm::Of(1.0));
    let squarings = ((norm / most).log() / std::f64::consts::LN_2).ceil().maximum(0.0);
    let squarings = where_(norm.gt(0.0), squarings, norm.like(0.0));
    let scaled = scaled(a, squarings.like(2.0).pow(-squarings.minimum(f64::from(SQUARINGS))));
    // even powers by Horner's rule in A²; odd ones are A times such a sum
    let (one, square) = (one_beside(&a.aval(), a.dim(-1)), scaled.matmul(scaled));
    let sum = |parity: usize| {
        let degree = coefficients.len() - 1;
        let mut terms = (0..=degree).filter(|i| (degree - i) % 2 == parity).map(|i| one * coefficients[i]);
        let first = terms.next().expect("a coefficient at least");
        terms.fold(first, |sum, term| sum.matmul(square) + term)
    };
    let (even, odd) = (sum(0), scaled.matmul(sum(1)));
    let first = solve(even - odd, even + odd);
    let count = squarings.cast(DType::I32);
    let squared = |i: Tensor, r: Tensor| cond(i.lt(count), |r: Tensor| r.matmul(r), |r| r, r);
    let result = fori_loop(0, SQUARINGS, squared, first);
    where_(squarings.gt(f64::from(SQUARINGS)) | norm.is_nan(), result.like(f64::NAN), result)
}
