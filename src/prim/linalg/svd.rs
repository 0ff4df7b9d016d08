//! The singular value decomposition.
use super::*;
use crate::ops::{shape::concat, where_};
use raxla_kernels::{linalg, product::Alone};

/// The singular value decomposition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Svd {
    full: bool,
}
/// The singular value decomposition A = U diag(s) Vᴴ of matrices `[.., m, n]` in f32, f64, c64 or c128: U `[.., m, k]`, the real s
/// `[.., k]`, the largest first, and Vᴴ `[.., k, n]`, where `k` is the smaller of both sizes; with `full_matrices` U and Vᴴ are square. All is
/// NaN if an element is not finite. Signs, or complex factors of size 1, are arbitrary. Derivatives are those of distinct singular values. JAX: `lax.linalg.svd`.
///
/// # Errors
/// Scalars and vectors; other dtypes; derivatives of square U and V of a matrix that is not.
#[track_caller]
pub fn svd(x: Tensor, full_matrices: bool) -> (Tensor, Tensor, Tensor) {
    let y = bind(Svd { full: full_matrices }, &[x]);
    (y[0], y[1], y[2])
}

/// Most steps of the iteration of the portable lowering; six to nine are usual.
const STEPS: i32 = 20;

struct Values {
    sizes: [usize; 2],
    full: bool,
}
impl Kernel for Values {
    fn of<T: Number<Part = f64, Wide = T>>(&self, _: usize, a: &[T]) -> Vec<Vec<T>> {
        let [m, n] = self.sizes;
        let [k, l] = if self.full { [m, n] } else { [m.min(n); 2] };
        match linalg::svd(&Alone, a, [m, n], self.full) {
            Some(made) => vec![made.u, reals(made.s), made.vt],
            None => nothing(&[m * k, m.min(n), l * n]),
        }
    }
}

impl Primitive for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let [m, n] = matrix(&x[0])?;
        let least = m.min(n);
        let [k, l] = if self.full { [m, n] } else { [least; 2] };
        Ok(vec![ending(&x[0], &[m, k]), real_ending(&x[0], &[least]), ending(&x[0], &[l, n])])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone()]).expect("inferred before");
        each_matrix(&x[0], &y, &Values { sizes: matrix(x[0].aval()).expect("inferred before"), full: self.full })
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let Some(dx) = dx[0] else { return vec![None; 3] };
        let [m, n] = [dx.dim(-2), dx.dim(-1)];
        if self.full && m != n {
            let help = "leave `full_matrices` off: the columns that are left out are arbitrary";
            fail(
                "svd",
                vec![x[0].aval()],
                "whole U and V of a matrix that is not square have no derivative",
                Some(help.into()),
            )
        }
        let (u, s, v) = (y[0], y[1], adjoint(y[2]));
        let one = eye(s.dim(-1), s.dtype());
        let inner = times(times(adjoint(u), dx), v);
        let (column, row) = column_and_row(s);
        let factors = 1.0 / ((row + column) * (row - column) + one) - one;
        let zero = s.eq(0.0).cast(s.dtype());
        let inverse = 1.0 / (s + zero) - zero;
        let [by_row, by_column] = [row, column].map(|s| scaled(inner, s));
        let on_diagonal = scaled((inner - adjoint(inner)) * 0.5, one * inverse.expand_dims(-2));
        let mut du = times(u, scaled(by_row + adjoint(by_row), factors) + on_diagonal);
        let mut dv = times(v, scaled(by_column + adjoint(by_column), factors));
        if m > n {
            let across = times(dx, v);
            du += (across - times(u, times(adjoint(u), across))) / row.cast(u.dtype());
        }
        if n > m {
            let across = times(adjoint(dx), u);
            dv += (across - times(v, times(adjoint(v), across))) / row.cast(v.dtype());
        }
        vec![Some(du), Some(diagonal(inner).real()), Some(adjoint(dv))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(self.clone(), x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if cx.kernels() {
            return call_kernel(cx, linalg::SVD, &[], None, x, y);
        }
        let [m, n] = matrix(&x[0].aval).expect("inferred before");
        lower_as(cx, x, |x| {
            if m == 0 || n == 0 {
                let unit = |a: &Aval| eye(a.dims[a.rank() - 1], a.dtype).slice_axis(0, ..a.dims[a.rank() - 2]);
                return vec![
                    unit(&y[0]).broadcast_to(y[0].dims.clone()),
                    zeros_of(&y[1]),
                    unit(&y[2]).broadcast_to(y[2].dims.clone()),
                ];
            }
            let ok = x[0].is_finite().all([-1, -2]).expand_dims(-1);
            let finite = where_(ok.expand_dims(-1), x[0], 0.0);
            let (u, s, v) = match m < n {
                true => {
                    let (v, s, u) = by_polar(adjoint(finite), self.full);
                    (u, s, v)
                }
                false => by_polar(finite, self.full),
            };
            let [u, vt] = [u, adjoint(v)].map(|x| where_(ok.expand_dims(-1), x, not_a_number(x)));
            vec![u, where_(ok, s, s.like(f64::NAN)), vt]
        })
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let least = matrix(&x[0]).map_or(0, |[m, n]| m.min(n)) as f64;
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: 20.0 * least * x[0].size() as f64, bytes }
    }
}

/// U, s and V of matrices with no more columns than rows, in operations of every platform: A = Q R, the polar decomposition of
/// R = W H, and the eigenvectors of the Hermitian H (Nakatsukasa and Higham 2013).
fn by_polar(a: Tensor, full: bool) -> (Tensor, Tensor, Tensor) {
    let n = a.dim(-1);
    let (q, r) = qr(a, full);
    let size = r.abs().max_keep([-1, -2]);
    let size = where_(size.eq(0.0), size.like(1.0), size);
    let small = scaled(r.slice_axis(-2, ..n), 1.0 / size);
    let w = polar_factor(small);
    let h = times(adjoint(w), small);
    let (v, s) = eigh((h + adjoint(h)) / 2.0);
    // the largest first; those that rounding made negative turn their vectors
    let order = (-s.abs()).argsort(-1);
    let s = s.take_along_axis(order, -1);
    let v = v.take_along_axis(order.expand_dims(-2).broadcast_to(v.dims()), -1);
    let sign = where_(s.lt(0.0), s.like(-1.0), s.like(1.0));
    // orthogonal also where singular values are 0, for which W has no columns
    let (u, turns) = qr(scaled(times(w, v), sign.expand_dims(-2)), false);
    let u = scaled(u, where_(diagonal(turns).real().lt(0.0), s.like(-1.0), s.like(1.0)).expand_dims(-2));
    let first = times(q.slice_axis(-1, ..n), u);
    let u = if full { concat(&[first, q.slice_axis(-1, n..)], -1) } else { first };
    (u, s.abs() * size.squeeze(-1), v)
}
/// The orthogonal factor of the polar decomposition of square matrices with elements up to 1, by iterations x ↦ W₁ W₂ᴴ with weights
/// that make the smallest singular value grow as fast as can be (QDWH: Nakatsukasa, Bai and Gygi 2010).
fn polar_factor(a: Tensor) -> Tensor {
    let (n, dtype) = (a.dim(-1), a.dtype().real());
    let epsilon = if dtype == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let norm = (a * a.conj()).real().sum_keep([-1, -2]).sqrt();
    let x = scaled(a, 1.0 / where_(norm.eq(0.0), norm.like(1.0), norm));
    let outer = &x.dims()[..x.rank() - 2];
    let one = eye(n, a.dtype()).broadcast_to(x.dims());
    let least = full([outer, &[1, 1]].concat(), dtype, epsilon);
    let going = move |(i, _, least): (Tensor, Tensor, Tensor)| i.lt(STEPS) & least.lt(1.0 - 4.0 * epsilon).any(..);
    let step = move |(i, x, l): (Tensor, Tensor, Tensor)| {
        let l2 = l * l;
        let d = (((1.0 - l2) * 4.0).maximum(0.0) / (l2 * l2)).cbrt();
        let root = (d + 1.0).sqrt();
        let a = root + (((2.0 - l2) * 8.0 / (l2 * root) - d * 4.0 + 8.0).maximum(0.0)).sqrt() * 0.5;
        let b = (a - 1.0) * (a - 1.0) * 0.25;
        let c = a + b - 1.0;
        let (q, _) = qr(concat(&[scaled(x, c.sqrt()), one], -2), false);
        let along = times(q.slice_axis(-2, ..n), adjoint(q.slice_axis(-2, n..)));
        let x = scaled(x, b / c) + scaled(along, (a - b / c) / c.sqrt());
        (i + 1, x, (l * (a + b * l2) / (c * l2 + 1.0)).minimum(1.0))
    };
    while_loop(going, step, (zeros([], DType::I32), x, least)).1
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row { name: "svd", dtypes: is_decomposed, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, dims: &[usize], full: bool| {
        Case::new(label, vec![sample(d, dims, 1)], move |x| {
            let (u, s, vt) = svd(x[0], full);
            let k = s.dim(-1);
            let (u, vt) = (u.slice_axis(-1, ..k), vt.slice_axis(-2, ..k));
            vec![times(scaled(u, s.sin().expand_dims(-2)), vt), s]
        })
    };
    vec![
        case("square", &[3, 3], false),
        case("tall ones", &[2, 4, 2], false),
        case("wide", &[2, 3], false),
        case("whole", &[3, 2], true).wrt([]),
        case("a number", &[1, 1], false),
        case("empty", &[2, 0, 3], false),
    ]
}
