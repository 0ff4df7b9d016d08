//! Eigenvalues and eigenvectors of symmetric and Hermitian matrices.
use super::*;
use crate::ops::where_;
use raxla_kernels::{linalg, product::Alone};

/// The eigenvalues and eigenvectors of symmetric matrices.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Eigh;
/// Eigenvectors (the columns of `[.., n, n]`) and real eigenvalues `[.., n]`, the smallest first, of symmetric matrices `[.., n, n]` in f32
/// or f64, or Hermitian ones in c64 or c128; NaN if an element is not finite. The sign of an eigenvector, or its complex factor of size 1,
/// is arbitrary. Derivatives are those of distinct eigenvalues. JAX: `lax.linalg.eigh`; [`linalg::eigh`](crate::linalg::eigh) makes the
/// matrix Hermitian.
///
/// # Errors
/// Matrices that are not square; other dtypes.
#[track_caller]
pub fn eigh(x: Tensor) -> (Tensor, Tensor) {
    let y = bind(Eigh, &[x]);
    (y[0], y[1])
}

struct Values(usize);
impl Kernel for Values {
    fn of<T: Number<Part = f64, Wide = T>>(&self, _: usize, a: &[T]) -> Vec<Vec<T>> {
        match linalg::eigh(&Alone, &mut a.to_vec(), self.0) {
            Some((w, v)) => vec![v, reals(w)],
            None => nothing(&[a.len(), self.0]),
        }
    }
}

impl Primitive for Eigh {
    fn name(&self) -> &'static str {
        "eigh"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let n = square(&x[0])?;
        Ok(vec![x[0].clone(), real_ending(&x[0], &[n])])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let n = x[0].dims()[x[0].dims().len() - 1];
        each_matrix(&x[0], &self.infer(&[x[0].aval().clone()]).expect("inferred before"), &Values(n))
    }
    /// Perturbation of eigenvalues that are distinct (Giles 2008).
    fn jvp(&self, _: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let Some(dx) = dx[0] else { return vec![None, None] };
        let (v, (column, row)) = (y[0], column_and_row(y[1]));
        let one = eye(v.dim(-1), y[1].dtype());
        // (1 / 1 - 1 on the diagonal)
        let factors = 1.0 / (one + row - column) - one;
        let inner = times(times(adjoint(v), dx), v);
        vec![Some(times(v, scaled(inner, factors))), Some(diagonal(inner).real())]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(Eigh, x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if cx.kernels() {
            return call_kernel(cx, linalg::EIGH, &[], None, x, y);
        }
        // lower triangle, sorted, at most so many sweeps, until the squares beside the diagonal are so small beside those on it
        let config = if y[1].dtype == DType::F64 { "1,1,100,1e-26" } else { "1,1,100,1e-12" };
        let made = call_xla(cx, "Eigh", config, x, y);
        lower_as(cx, &[x[0].clone(), made[0].clone(), made[1].clone()], |x| {
            let ok = x[0].is_finite().all([-1, -2]).expand_dims(-1);
            let (mut v, mut w) = (x[1], x[2]);
            // (XLA's rotations leave errors of 1e-9 in f64)
            let steps = if w.dtype() == DType::F64 { 2 } else { 0 };
            (0..steps).for_each(|_| (v, w) = refined(x[0], v));
            vec![where_(ok.expand_dims(-1), v, not_a_number(v)), where_(ok, w, not_a_number(w))]
        })
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let n = *x[0].dims.last().unwrap_or(&0) as f64;
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: 9.0 * n * x[0].size() as f64, bytes }
    }
}

/// Eigenvectors of Hermitian matrices with the square of the error of these, and their eigenvalues (Ogita and Aishima 2018).
fn refined(a: Tensor, v: Tensor) -> (Tensor, Tensor) {
    let one = eye(v.dim(-1), v.dtype());
    let (skew, inner) = (one - times(adjoint(v), v), times(times(adjoint(v), a), v));
    let w = diagonal(inner).real() / (1.0 - diagonal(skew).real());
    let (column, row) = column_and_row(w);
    let size = |x: Tensor| (x * x.conj()).real().sum_keep([-1, -2]).sqrt();
    let equal = (size(inner - scaled(one, row)) + size(a) * size(skew)) * 2.0;
    let gap = row - column;
    let apart = gap.abs().gt(equal);
    let change = where_(apart, scaled(inner + scaled(skew, row), 1.0 / where_(apart, gap, 1.0)), skew * 0.5);
    (v + times(v, change), w)
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row { name: "eigh", dtypes: is_decomposed, cases }];

fn cases(d: DType) -> Vec<Case> {
    // (the sine of a symmetric matrix, which does not depend on signs)
    let case = |label: &str, dims: &[usize]| {
        Case::new(label, vec![sample(d, dims, 1)], |x| {
            let (v, w) = eigh((x[0] + adjoint(x[0])) / 2.0);
            vec![times(scaled(v, w.sin().expand_dims(-2)), adjoint(v)), w]
        })
    };
    vec![case("one", &[3, 3]), case("several", &[2, 4, 4]), case("a number", &[1, 1]), case("empty", &[2, 0, 0])]
}
