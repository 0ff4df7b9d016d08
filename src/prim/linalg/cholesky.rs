//! The Cholesky decomposition.
use super::*;
use raxla_kernels::{linalg, product::Alone};

/// The Cholesky decomposition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cholesky;
/// The lower triangular L with L Lᴴ = `x`, for symmetric or Hermitian positive definite matrices `[.., n, n]` in f32, f64, c64 or c128. Only
/// the lower triangle is read; where a matrix is not positive definite, L is NaN. Derivatives are those of a Hermitian matrix: of one that
/// is not, [`linalg::cholesky`](crate::linalg::cholesky) takes the Hermitian part. JAX: `lax.linalg.cholesky`.
///
/// # Errors
/// Matrices that are not square; other dtypes.
#[track_caller]
pub fn cholesky(x: Tensor) -> Tensor {
    bind1(Cholesky, &[x])
}

struct Factor(usize);
impl Kernel for Factor {
    fn of<T: Number<Part = f64, Wide = T>>(&self, _: usize, a: &[T]) -> Vec<Vec<T>> {
        let mut l = a.to_vec();
        linalg::cholesky(&Alone, &mut l, self.0);
        vec![l]
    }
}

impl Primitive for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        square(&x[0])?;
        Ok(x.to_vec())
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        each_matrix(&x[0], &[x[0].aval().clone()], &Factor(x[0].dims()[x[0].dims().len() - 1]))
    }
    /// As Murray 2016 (arXiv:1602.07527).
    fn jvp(&self, _: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let half_lower = |x: Tensor| {
            let n = x.dim(-1);
            x.tril(0) / (eye(n, x.dtype()) + 1.0)
        };
        let tangent = |dx: Tensor| {
            let l = y[0];
            let adjoint = Triangle { left: false, transpose: true, conjugate: true, ..Triangle::LOWER };
            let right = triangular_solve(l, dx, adjoint);
            times(l, half_lower(triangular_solve(l, right, Triangle::LOWER)))
        };
        vec![dx[0].map(tangent)]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(Cholesky, x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if cx.kernels() {
            return call_kernel(cx, linalg::CHOLESKY, &[], Some(0), x, y);
        }
        // (what stands above the diagonal is not specified)
        let l = cx.op("cholesky", x, "lower = true", &y[0]);
        lower_as(cx, &[l], |l| vec![l[0].tril(0)])
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let n = *x[0].dims.last().unwrap_or(&0) as f64;
        Cost { flops: x[0].size() as f64 * n / 3.0, bytes: (x[0].bytes() + y[0].bytes()) as f64 }
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row { name: "cholesky", dtypes: is_decomposed, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, dims: &[usize]| {
        Case::new(label, vec![sample(d, dims, 1)], |x| {
            let n = x[0].dim(-1);
            vec![cholesky(times(x[0], adjoint(x[0])) + eye(n, x[0].dtype()))]
        })
    };
    let not_definite =
        Case::new("not definite", vec![sample(d, &[2, 3, 3], 2)], |x| vec![cholesky(x[0] - adjoint(x[0]))]);
    vec![
        case("one", &[3, 3]),
        case("several", &[2, 4, 4]),
        case("a number", &[1, 1]),
        case("empty", &[2, 0, 0]),
        not_definite.wrt([]),
    ]
}
