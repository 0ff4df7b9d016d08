//! Eigenvalues and eigenvectors of matrices that need not be symmetric.
use super::*;
use raxla_kernels::linalg;

/// The eigenvalues and eigenvectors of square matrices.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Eig;
/// Eigenvectors (the columns of `[.., n, n]`) and eigenvalues `[.., n]`, both complex and in no particular order, of square matrices
/// `[.., n, n]` in f32, f64, c64 or c128; NaN if an element is not finite. Eigenvectors have length 1 and their largest element is real
/// and positive. Derivatives are those of distinct eigenvalues. On the CPU alone. JAX: `lax.linalg.eig`;
/// [`linalg::eig`](crate::linalg::eig) has JAX's order of results.
///
/// # Errors
/// Matrices that are not square; other dtypes; other platforms.
#[track_caller]
pub fn eig(x: Tensor) -> (Tensor, Tensor) {
    let y = bind(Eig, &[x]);
    (y[0], y[1])
}

impl Primitive for Eig {
    fn name(&self) -> &'static str {
        "eig"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let n = square(&x[0])?;
        let complex = x[0].with_dtype(x[0].dtype.real().complex().unwrap_or(x[0].dtype));
        Ok(vec![complex.clone(), ending(&complex, &[n])])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone()]).expect("inferred before");
        let (n, all) = (y[1].dims[y[1].rank() - 1], x[0].to_complex());
        let (mut vectors, mut values) = (vec![], vec![]);
        for i in 0..y[1].dims[..y[1].rank() - 1].iter().product() {
            let nan = |n: usize| vec![Complex64::new(f64::NAN, f64::NAN); n];
            let made = linalg::eig(all[i * n * n..][..n * n].to_vec(), n);
            let (w, v) = made.unwrap_or_else(|| (nan(n), nan(n * n)));
            vectors.extend(v);
            values.extend(w);
        }
        let host = |a: &Aval, data| Host::complex(a.dtype, a.dims.clone(), data);
        vec![host(&y[0], vectors), host(&y[1], values)]
    }
    /// Perturbation of eigenvalues that are distinct (Giles 2008); what it leaves open of an eigenvector keeps its length, and its largest
    /// element real.
    fn jvp(&self, _: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let Some(dx) = dx[0].filter(|dx| dx.size() > 0) else { return vec![None, None] };
        let (v, (column, row)) = (y[0], column_and_row(y[1]));
        let one = eye(v.dim(-1), v.dtype());
        let inner = crate::linalg::solve(v, times(dx.cast(v.dtype()), v));
        // (1 / 1 - 1 on the diagonal)
        let dv = times(v, (1.0 / (one + row - column) - one) * inner);
        let largest = v.abs().argmax(-2).expand_dims(-2);
        let at_largest = iota(v.dims(), DType::I32, v.rank() - 2).eq(largest).cast(v.dtype());
        let length = -(v.conj() * dv).sum(-2).real();
        let turn = -(at_largest * dv).sum(-2).imag() / (at_largest * v).sum(-2).real();
        vec![Some(dv + v * complex(length, turn).expand_dims(-2)), Some(diagonal(inner))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(Eig, x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        cx.calls_host("eig");
        call_kernel(cx, linalg::EIG, &[], None, x, y)
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let n = *x[0].dims.last().unwrap_or(&0) as f64;
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: 100.0 * n * x[0].size() as f64, bytes }
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row { name: "eig", dtypes: is_decomposed, cases }];

fn cases(d: DType) -> Vec<Case> {
    // (sums, which do not depend on the order)
    let case = |label: &str, dims: &[usize]| {
        Case::new(label, vec![sample(d, dims, 1)], |x| {
            let (v, w) = eig(x[0]);
            let column = (v * v.abs().cast(v.dtype()) * w.expand_dims(-2)).sum(-1);
            vec![w.sin().sum(-1), column.real(), column.imag()]
        })
    };
    vec![case("one", &[3, 3]), case("several", &[2, 4, 4]), case("a number", &[1, 1]), case("empty", &[2, 0, 0])]
}
