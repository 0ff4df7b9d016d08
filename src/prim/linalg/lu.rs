//! The LU decomposition.
use super::*;
use crate::ops::{shape::concat, where_};
use raxla_kernels::{linalg, product::Alone};

/// The LU decomposition with partial pivoting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lu;
/// The LU decomposition P A = L U of matrices `[.., m, n]` in f32, f64, c64 or c128: U and, below its diagonal, L without its ones, `[.., m, n]`; the
/// pivots, i32 `[.., min(m, n)]` (row `i` was exchanged with row `pivots[i]`, one after the other); and the permutation, i32 `[.., m]`
/// (row `i` of P A is row `permutation[i]` of A). A singular matrix has a zero on the diagonal of U; all is NaN if an element is not
/// finite. JAX: `lax.linalg.lu`.
///
/// # Errors
/// Scalars and vectors; other dtypes.
#[track_caller]
pub fn lu(x: Tensor) -> (Tensor, Tensor, Tensor) {
    let y = bind(Lu, &[x]);
    (y[0], y[1], y[2])
}

/// Columns that the loop of the portable lowering factors before the others are changed by them.
const BLOCK: usize = 128;

struct Factors([usize; 2]);
impl Kernel for Factors {
    fn of<T: Number<Part = f64, Wide = T>>(&self, _: usize, a: &[T]) -> Vec<Vec<T>> {
        let [m, n] = self.0;
        let mut both = a.to_vec();
        let mut pivots: Vec<i32> = (0..m.min(n) as i32).collect();
        if both.iter().all(|x| x.is_finite()) {
            linalg::lu(&Alone, &mut both, [m, n], &mut pivots);
        } else {
            both.fill(T::NAN);
        }
        let mut permutation: Vec<f64> = (0..m).map(|i| i as f64).collect();
        pivots.iter().enumerate().for_each(|(i, p)| permutation.swap(i, *p as usize));
        vec![both, reals(pivots.into_iter().map(f64::from)), reals(permutation)]
    }
}

impl Primitive for Lu {
    fn name(&self) -> &'static str {
        "lu"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let [m, n] = matrix(&x[0])?;
        let ints = |n| ending(&x[0], &[n]).with_dtype(DType::I32);
        Ok(vec![x[0].clone(), ints(m.min(n)), ints(m)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let sizes = matrix(x[0].aval()).expect("inferred before");
        each_matrix(&x[0], &self.infer(&[x[0].aval().clone()]).expect("inferred before"), &Factors(sizes))
    }
    /// L̇ = L tril(L⁻¹ Ȧ U⁻¹, -1), U̇ = triu(L⁻¹ Ȧ U⁻¹) U (De Hoog, Anderssen and Lukas 2011).
    fn jvp(&self, _: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let tangent = |dx: Tensor| {
            let (l, u) = square_factors(y[0]);
            let inner = triangular_solve(l, rows_in_order(dx, y[2]), Triangle { unit: true, ..Triangle::LOWER });
            let inner = triangular_solve(u, inner, Triangle::default());
            times(l, inner.tril(-1)) + times(inner.triu(0), u)
        };
        vec![dx[0].map(tangent), None, None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(Lu, x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if cx.kernels() {
            return call_kernel(cx, linalg::LU, &[], Some(0), x, y);
        }
        lower_as(cx, x, |x| {
            let dims = x[0].dims();
            let (outer, [m, n]) = (&dims[..dims.len() - 2], [dims[dims.len() - 2], dims[dims.len() - 1]]);
            let flat = x[0].reshape([outer.iter().product(), m, n]);
            let (lu, pivots, permutation) = crate::vmap(blocked)(flat);
            let shaped = |x: Tensor, end: &[usize]| x.reshape([outer, end].concat());
            let finite = shaped(flat.is_finite().all([-1, -2]), &[1, 1]);
            let lu = shaped(lu, &[m, n]);
            let lu = where_(finite, lu, not_a_number(lu));
            let or_same = |x: Tensor, n: usize| {
                let x = shaped(x, &[n]);
                where_(finite.squeeze(-1), x, iota(x.dims(), DType::I32, x.rank() - 1))
            };
            vec![lu, or_same(pivots, m.min(n)), or_same(permutation, m)]
        })
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let [m, n] = matrix(&x[0]).map_or([0.0; 2], |d| d.map(|d| d as f64));
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        let each = m.min(n) * (m * n - m.min(n) * (m + n) / 2.0 + m.min(n).powi(2) / 3.0) * 2.0;
        Cost { flops: each * x[0].size() as f64 / (m * n).max(1.0), bytes }
    }
}

/// The matrices cut, or filled up with zeros, to these rows and columns.
fn resized(x: Tensor, [m, n]: [usize; 2]) -> Tensor {
    let rank = x.rank();
    let x = x.slice_axis(-2, ..x.dim(-2).min(m)).slice_axis(-1, ..x.dim(-1).min(n));
    let mut edges = vec![(0, 0, 0); rank];
    edges[rank - 2].1 = (m - x.dim(-2)) as i64;
    edges[rank - 1].1 = (n - x.dim(-1)) as i64;
    pad(x, zeros([], x.dtype()), edges)
}
/// L and U of both in one `[.., m, n]`, filled up to square matrices `[.., m, m]` and `[.., n, n]` that have inverses where L and U
/// have.
fn square_factors(both: Tensor) -> (Tensor, Tensor) {
    let (m, n, dtype) = (both.dim(-2), both.dim(-1), both.dtype());
    let k = m.min(n);
    let l = resized(both.slice_axis(-1, ..k).tril(-1), [m, m]) + eye(m, dtype);
    let rest = concat(&[zeros([k], dtype), ones([n - k], dtype)], 0);
    let u = resized(both.slice_axis(-2, ..k).triu(0), [n, n]) + eye(n, dtype) * rest.expand_dims(-1);
    (l, u)
}

/// The decomposition of one matrix in operations of every platform.
fn blocked(mut a: Tensor) -> (Tensor, Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let most = m.min(n);
    let (mut pivots, mut permutation) = (vec![], iota([m], DType::I32, 0));
    for k in (0..most).step_by(BLOCK) {
        let end = (k + BLOCK).min(most);
        let (panel, own, order) = unblocked(a.slice_axis(0, k..).slice_axis(1, k..end));
        let rows =
            |x: Tensor| concat(&[x.slice_axis(0, ..k), x.slice_axis(0, k..).take_with(order, 0, IndexMode::Clip)], 0);
        (a, permutation) = (rows(a), rows(permutation));
        pivots.push(own + k as i32);
        let mut right = a.slice_axis(0, k..).slice_axis(1, end..);
        if end < n {
            let lower = Triangle { unit: true, ..Triangle::LOWER };
            let upper = triangular_solve(panel.slice_axis(0, ..end - k), right.slice_axis(0, ..end - k), lower);
            let rest = right.slice_axis(0, end - k..) - times(panel.slice_axis(0, end - k..), upper);
            right = concat(&[upper, rest], 0);
        }
        let below = concat(&[a.slice_axis(0, k..).slice_axis(1, ..k), panel, right], 1);
        a = concat(&[a.slice_axis(0, ..k), below], 0);
    }
    let pivots = if pivots.is_empty() { zeros([0], DType::I32) } else { concat(&pivots, 0) };
    (a, pivots, permutation)
}
/// As [`blocked`], column by column, in a loop.
fn unblocked(a: Tensor) -> (Tensor, Tensor, Tensor) {
    let (m, n) = (a.dim(0), a.dim(1));
    let (rows, columns) = (iota([m], DType::I32, 0), iota([n], DType::I32, 0));
    let step = |k: Tensor, (a, pivots, order): (Tensor, Tensor, Tensor)| {
        // (as LAPACK, which compares the sizes of both parts together)
        let of_parts = |x: Tensor| if x.dtype().is_complex() { x.real().abs() + x.imag().abs() } else { x.abs() };
        let size = where_(rows.ge(k), of_parts(a.dynamic_index(1, k)), -1.0);
        let pivot = size.argmax(0);
        // rows k and pivot change places
        let swapped = where_(rows.eq(k), pivot, where_(rows.eq(pivot), k, rows));
        let (a, order) = (a.take_with(swapped, 0, IndexMode::Clip), order.take_with(swapped, 0, IndexMode::Clip));
        let pivots = where_(columns.slice_axis(0, ..pivots.dim(0)).eq(k), pivot, pivots);
        let head = a.dynamic_index(0, k);
        let (corner, below) = (head.dynamic_index(0, k), rows.gt(k));
        let column = a.dynamic_index(1, k);
        let factors = where_(below & corner.ne(0.0), column / corner, column);
        let a = where_(columns.eq(k).expand_dims(0), factors.expand_dims(1), a);
        let inner = below.expand_dims(1) & columns.gt(k).expand_dims(0);
        (a - where_(inner, factors.expand_dims(1) * head.expand_dims(0), 0.0), pivots, order)
    };
    fori_loop(0, m.min(n), step, (a, zeros([m.min(n)], DType::I32), rows))
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row { name: "lu", dtypes: is_decomposed, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, dims: &[usize]| {
        Case::new(label, vec![sample(d, dims, 3)], |x| {
            let (lu, pivots, permutation) = lu(x[0]);
            vec![lu, pivots, permutation]
        })
    };
    vec![
        case("square", &[3, 3]),
        case("tall ones", &[2, 4, 2]),
        case("wide", &[2, 4]),
        case("a number", &[1, 1]),
        case("empty", &[2, 0, 3]),
    ]
}
