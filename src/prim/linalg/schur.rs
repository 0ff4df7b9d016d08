//! The Schur decomposition.
use super::*;
use raxla_kernels::linalg;

/// The Schur decomposition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schur;
/// The Schur decomposition A = Z T Zᴴ of square matrices `[.., n, n]` in f32, f64, c64 or c128: T and the orthogonal (unitary) Z, of the same
/// types; NaN if an element is not finite. T is upper triangular; that of a real matrix but for blocks of two rows, one for each pair of
/// conjugate eigenvalues. On the CPU alone. JAX: `lax.linalg.schur`; [`linalg::schur`](crate::linalg::schur) also makes complex T of real
/// matrices.
///
/// # Errors
/// Matrices that are not square; other dtypes; other platforms; derivatives, which it has none of, as in JAX.
#[track_caller]
pub fn schur(x: Tensor) -> (Tensor, Tensor) {
    let y = bind(Schur, &[x]);
    (y[0], y[1])
}

struct Form(usize);
impl Kernel for Form {
    fn of<T: Number<Part = f64, Wide = T>>(&self, _: usize, a: &[T]) -> Vec<Vec<T>> {
        linalg::schur(a, self.0).map_or_else(|| nothing(&[a.len(); 2]), |(t, z)| vec![t, z])
    }
}

impl Primitive for Schur {
    fn name(&self) -> &'static str {
        "schur"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        square(&x[0])?;
        Ok(vec![x[0].clone(); 2])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let a = x[0].aval();
        each_matrix(&x[0], &[a.clone(), a.clone()], &Form(a.dims[a.rank() - 1]))
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        if dx[0].is_none() {
            return vec![None; 2];
        }
        let help = "of functions of a matrix, `linalg::expm`, `inv`, `matrix_power` and `eig` have derivatives; \
                    `.stop_gradient()` leaves this one out";
        fail("schur", vec![x[0].aval()], "the Schur decomposition has no derivative", Some(help.into()))
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(Schur, x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        cx.calls_host("schur");
        call_kernel(cx, linalg::SCHUR, &[], None, x, y)
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let n = *x[0].dims.last().unwrap_or(&0) as f64;
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: 25.0 * n * x[0].size() as f64, bytes }
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row { name: "schur", dtypes: is_decomposed, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, dims: &[usize]| {
        Case::new(label, vec![sample(d, dims, 1)], |x| {
            let (t, z) = schur(x[0]);
            vec![t, z]
        })
        .wrt([])
    };
    vec![case("one", &[3, 3]), case("several", &[2, 4, 4]), case("a number", &[1, 1]), case("empty", &[2, 0, 0])]
}
