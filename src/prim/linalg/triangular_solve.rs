//! Systems with a triangular matrix.
use super::*;
pub use raxla_kernels::linalg::Triangle;
use raxla_kernels::{linalg, product::Alone};

/// The solution of systems with a triangular matrix.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TriangularSolve(Triangle);
/// X with A X = B (`how.left`) or X A = B, for triangular matrices `a` `[.., n, n]` and `b` `[.., n, k]` or `[.., k, n]` with the same
/// leading axes, in f32, f64, c64 or c128. Only one triangle of `a` is read. A zero on the diagonal divides by zero. JAX: `lax.linalg.triangular_solve`;
/// [`linalg::solve_triangular`](crate::linalg::solve_triangular) broadcasts and takes vectors.
///
/// # Errors
/// Matrices that do not fit together; other dtypes.
#[track_caller]
pub fn triangular_solve(a: Tensor, b: Tensor, how: Triangle) -> Tensor {
    bind1(TriangularSolve(how), &[a, b])
}

impl TriangularSolve {
    /// The tangent of the solution, from that of `a`, times -1.
    fn by_matrix(&self, a: Tensor, da: Tensor, x: Tensor) -> Tensor {
        let Triangle { left, lower, transpose, conjugate, unit } = self.0;
        let skip = isize::from(unit);
        let da = if lower { da.tril(-skip) } else { da.triu(skip) };
        let da = if conjugate { da.conj() } else { da };
        let da = if transpose { turned(da) } else { da };
        let inverse = |b| triangular_solve(a, b, self.0);
        // (whichever order is cheaper)
        let (m, n) = (x.dim(-2), x.dim(-1));
        match left {
            true if m > n => inverse(times(da, x)),
            true => times(inverse(da), x),
            false if m < n => inverse(times(x, da)),
            false => times(x, inverse(da)),
        }
    }
}

struct Solution<'a> {
    a: &'a Host,
    b: &'a Host,
    how: Triangle,
}
impl Kernel for Solution<'_> {
    fn of<T: Number<Part = f64, Wide = T>>(&self, i: usize, b: &[T]) -> Vec<Vec<T>> {
        let ([n, _], sizes) = (matrix(self.a.aval()).expect("inferred"), matrix(self.b.aval()).expect("inferred"));
        let mut solved = b.to_vec();
        linalg::triangular_solve(&Alone, &numbers(self.a)[i * n * n..][..n * n], &mut solved, sizes, self.how);
        vec![solved]
    }
}

impl Primitive for TriangularSolve {
    fn name(&self) -> &'static str {
        "triangular_solve"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let (n, [rows, columns]) = (square(&x[0])?, matrix(&x[1])?);
        if x[0].dtype != x[1].dtype {
            return Err(
                Refusal::new("the dtypes differ").help(format!("cast one side: `.cast(DType::{:?})`", x[0].dtype))
            );
        }
        let outer = |a: &Aval| a.dims[..a.rank() - 2].to_vec();
        if outer(&x[0]) != outer(&x[1]) {
            return Err(
                Refusal::new("the axes before the matrices differ").help("`.broadcast_to(..)` makes them equal")
            );
        }
        let (side, size) = if self.0.left { ("rows", rows) } else { ("columns", columns) };
        if size != n {
            let what = format!("the matrix has {n} rows, the right-hand side {size} {side}");
            return Err(Refusal::new(what).help("`left` says on which side of the unknown the matrix stands"));
        }
        Ok(vec![x[1].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        each_matrix(&x[1], &[x[1].aval().clone()], &Solution { a: &x[0], b: &x[1], how: self.0 })
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let by_b = dx[1].map(|db| triangular_solve(x[0], db, self.0));
        vec![add_opt(dx[0].map(|da| -self.by_matrix(x[0], da, y[0])), by_b)]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let how = Triangle { transpose: !self.0.transpose, ..self.0 };
        vec![None, ct[0].map(|ct| triangular_solve(x[0].known(), ct, how))]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        if mapped[0] {
            return bind(self.clone(), &spread(n, x, mapped));
        }
        // instances are further columns, or rows
        let b = x[1];
        let end = b.rank() - 1;
        let (to, joined) = if self.0.left { (end, end - 1) } else { (end - 1, end - 2) };
        let together = moved_axis(b, 0, to);
        let (apart, mut dims) = (together.dims(), together.dims());
        dims[joined] *= dims.remove(joined + 1);
        let y = triangular_solve(x[0], together.reshape(dims), self.0);
        vec![moved_axis(y.reshape(apart), to, 0)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let Triangle { left, lower, transpose, conjugate, unit } = self.0;
        if cx.kernels() {
            let [left, lower] = [("left", left), ("lower", lower)];
            let attributes = [left, lower, ("transpose", transpose), ("conjugate", conjugate), ("unit", unit)];
            return call_kernel(cx, linalg::TRIANGULAR_SOLVE, &attributes, Some(1), x, y);
        }
        let conjugated = match conjugate && !transpose {
            true => lower_as(cx, &x[..1], |a| vec![a[0].conj()]),
            false => x[..1].to_vec(),
        };
        let transpose = match (transpose, conjugate) {
            (false, _) => "NO_TRANSPOSE",
            (true, false) => "TRANSPOSE",
            (true, true) => "ADJOINT",
        };
        let attrs = format!(
            "left_side = {left}, lower = {lower}, transpose_a = #stablehlo<transpose {transpose}>, unit_diagonal = {unit}"
        );
        vec![cx.op("triangular_solve", &[conjugated[0].clone(), x[1].clone()], &attrs, &y[0])]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let n = *x[0].dims.last().unwrap_or(&0) as f64;
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: y[0].size() as f64 * n, bytes }
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row { name: "triangular_solve", dtypes: is_decomposed, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, [outer, n, k]: [usize; 3], how: Triangle| {
        let b = if how.left { [outer, n, k] } else { [outer, k, n] };
        let inputs = vec![sample_in(d, &[outer, n, n], 1, -1.0, 1.0), sample(d, &b, 2)];
        Case::new(label, inputs, move |x| {
            let n = x[0].dim(-1);
            vec![triangular_solve(x[0] + eye(n, x[0].dtype()) * 3.0, x[1], how)]
        })
    };
    let how = |left, lower, transpose, unit| Triangle { left, lower, transpose, conjugate: false, unit };
    vec![
        case("lower", [1, 3, 2], how(true, true, false, false)),
        case("upper", [2, 3, 4], how(true, false, false, false)),
        case("transposed", [2, 2, 3], how(true, true, true, false)),
        case("from the right", [1, 3, 2], how(false, true, false, false)),
        case("from the right, transposed", [2, 3, 4], how(false, false, true, false)),
        case("ones on the diagonal", [1, 3, 2], how(true, true, false, true)),
        case("ones, from the right", [1, 3, 2], how(false, false, false, true)),
        case("no columns", [2, 3, 0], how(true, true, false, false)),
        case("conjugated", [1, 3, 2], Triangle { conjugate: true, ..how(true, true, false, false) }),
        case("of the adjoint", [2, 3, 2], Triangle { conjugate: true, ..how(false, true, true, false) }),
    ]
}
