//! The QR decomposition.
use super::*;
use crate::ops::{shape::concat, where_};
use raxla_kernels::{linalg, product::Alone};

/// The QR decomposition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Qr {
    full: bool,
}
/// The QR decomposition of matrices `[.., m, n]` in f32, f64, c64 or c128: orthogonal (unitary) Q `[.., m, k]` and upper triangular R
/// `[.., k, n]` with a real diagonal, where `k` is the smaller of both sizes, or `m` for all columns of Q (`full_matrices`). Signs are
/// LAPACK's. All is NaN if an element is not finite.
/// JAX: `lax.linalg.qr`.
///
/// # Errors
/// Scalars and vectors; other dtypes.
#[track_caller]
pub fn qr(x: Tensor, full_matrices: bool) -> (Tensor, Tensor) {
    let y = bind(Qr { full: full_matrices }, &[x]);
    (y[0], y[1])
}

/// Tangents of Q and R of matrices with no more columns than rows (Walter and Lehmann 2012).
fn thin_tangents(q: Tensor, r: Tensor, dx: Tensor) -> (Tensor, Tensor) {
    let inner = triangular_solve(r, dx, Triangle::default());
    let along = times(adjoint(q), inner);
    let lower = along.tril(-1);
    let mut skew = lower - adjoint(lower);
    if q.dtype().is_complex() {
        // (the diagonal of R stays real)
        skew += eye(along.dim(-1), along.dtype()) * (along - along.real().cast(along.dtype()));
    }
    (times(q, skew - along) + inner, times(along - skew, r))
}

struct Factors([usize; 3]);
impl Kernel for Factors {
    fn of<T: Number<Part = f64, Wide = T>>(&self, _: usize, a: &[T]) -> Vec<Vec<T>> {
        let [m, n, k] = self.0;
        let (mut q, mut r) = (vec![T::ZERO; m * k], vec![T::ZERO; k * n]);
        if a.iter().any(|x| !x.is_finite()) {
            return nothing(&[q.len(), r.len()]);
        }
        linalg::qr(&Alone, a, [m, n, k], &mut q, &mut r);
        vec![q, r]
    }
}

impl Primitive for Qr {
    fn name(&self) -> &'static str {
        "qr"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let [m, n] = matrix(&x[0])?;
        let k = if self.full { m } else { m.min(n) };
        Ok(vec![ending(&x[0], &[m, k]), ending(&x[0], &[k, n])])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone()]).expect("inferred before");
        let ([m, n], [_, k]) = (matrix(x[0].aval()).expect("inferred"), matrix(&y[0]).expect("inferred"));
        each_matrix(&x[0], &y, &Factors([m, n, k]))
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let Some(dx) = dx[0] else { return vec![None, None] };
        let ((q, r), [m, n]) = ((y[0], y[1]), [dx.dim(-2), dx.dim(-1)]);
        if m < n {
            // Q is that of the first columns
            let (dq, first) = thin_tangents(q, r.slice_axis(-1, ..m), dx.slice_axis(-1, ..m));
            let rest = times(adjoint(dq), x[0].slice_axis(-1, m..)) + times(adjoint(q), dx.slice_axis(-1, m..));
            return vec![Some(dq), Some(concat(&[first, rest], -1))];
        }
        let thin = q.slice_axis(-1, ..n);
        let (dq, dr) = thin_tangents(thin, r.slice_axis(-2, ..n), dx);
        if !self.full || m == n {
            return vec![Some(dq), Some(dr)];
        }
        // further columns of Q as they follow from the first ones (arXiv:2409.13374)
        let (top, below) = (thin.slice_axis(-2, ..n), thin.slice_axis(-2, n..));
        let z = adjoint(crate::linalg::solve(adjoint(top - eye(n, q.dtype())), adjoint(below)));
        let inner = dq.slice_axis(-2, n..) - times(z, dq.slice_axis(-2, ..n));
        let rest = times(dq, adjoint(z)) - times(thin + times(q.slice_axis(-1, n..), z), adjoint(inner));
        let zeros = zeros_of(&ending(&dr.aval(), &[m - n, n]));
        vec![Some(concat(&[dq, rest], -1)), Some(concat(&[dr, zeros], -2))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(self.clone(), x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if cx.kernels() {
            return call_kernel(cx, linalg::QR, &[], None, x, y);
        }
        let [m, n] = matrix(&x[0].aval).expect("inferred before");
        let k = y[0].dims[y[0].rank() - 1];
        if m == 0 || n == 0 {
            return lower_as(cx, x, |_| {
                vec![eye(m, y[0].dtype).slice_axis(1, ..k).broadcast_to(y[0].dims.clone()), zeros_of(&y[1])]
            });
        }
        let packed = [x[0].aval.clone(), ending(&x[0].aval, &[m.min(n)])];
        let made = call_xla(cx, "Qr", "", x, &packed);
        let columns = lower_as(cx, &made[..1], |a| {
            let a = a[0].slice_axis(-1, ..k.min(n));
            let more = zeros_of(&ending(&a.aval(), &[m, k - k.min(n)]));
            vec![concat(&[a, more], -1)]
        });
        let q = call_xla(
            cx,
            "ProductOfElementaryHouseholderReflectors",
            "",
            &[columns[0].clone(), made[1].clone()],
            &y[..1],
        );
        lower_as(cx, &[x[0].clone(), q[0].clone(), made[0].clone()], |x| {
            let ok = x[0].is_finite().all([-1, -2]).expand_dims(-1).expand_dims(-1);
            let or_nan = |x: Tensor| where_(ok, x, not_a_number(x));
            vec![or_nan(x[1]), or_nan(x[2].slice_axis(-2, ..k).triu(0))]
        })
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let least = matrix(&x[0]).map_or(0, |[m, n]| m.min(n)) as f64;
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: 4.0 * least * x[0].size() as f64, bytes }
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row { name: "qr", dtypes: is_decomposed, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, dims: &[usize], full: bool| {
        Case::new(label, vec![sample_in(d, dims, 5, -1.0, 1.0)], move |x| {
            let (m, n) = (x[0].dim(-2), x[0].dim(-1));
            let well = eye(m.max(n), x[0].dtype()).slice_axis(0, ..m).slice_axis(1, ..n) * 2.0;
            let (q, r) = qr(x[0] + well, full);
            vec![q, r]
        })
    };
    vec![
        case("square", &[3, 3], false),
        case("tall ones", &[2, 4, 2], false),
        case("tall, whole", &[4, 2], true),
        case("wide ones", &[2, 2, 3], false),
        case("a number", &[1, 1], false),
        case("no columns", &[3, 0], true),
    ]
}
