//! Regular parts of tensors, and their inverse, padding.
use super::*;
use crate::{
    host::{ravel, unravel},
    lower::array,
    trace::bind1,
};

/// A regular part of each axis.
#[derive(Debug)]
pub struct Slice {
    start: Vec<usize>,
    limit: Vec<usize>,
    strides: Vec<usize>,
}
/// Along each axis the elements `start`, `start + stride`, ... below `limit`. See also [`Tensor::slice_axis`].
#[track_caller]
pub fn slice(
    x: Tensor,
    start: impl Into<Vec<usize>>,
    limit: impl Into<Vec<usize>>,
    strides: impl Into<Vec<usize>>,
) -> Tensor {
    let s = Slice { start: start.into(), limit: limit.into(), strides: strides.into() };
    if s.start.iter().all(|i| *i == 0) && s.strides.iter().all(|i| *i == 1) && s.limit == x.dims() {
        return x;
    }
    bind1(s, &[x])
}
impl Primitive for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, String> {
        let rank = x[0].rank();
        if [&self.start, &self.limit, &self.strides].iter().any(|v| v.len() != rank) {
            return Err(format!("start, limit and strides need one number for each of the {rank} axes"));
        }
        let mut dims = vec![];
        for (axis, n) in x[0].dims.iter().enumerate() {
            let (start, limit, stride) = (self.start[axis], self.limit[axis], self.strides[axis]);
            if start > limit || limit > *n {
                return Err(format!("there is no {start}..{limit} along axis {axis}, which is {n}"));
            }
            if stride == 0 {
                return Err(format!("the stride along axis {axis} is 0"));
            }
            dims.push((limit - start).div_ceil(stride));
        }
        Ok(vec![x[0].with_dims(dims)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone()]).expect("inferred").swap_remove(0);
        let from = |o: usize| {
            let at = unravel(&y.dims, o);
            ravel(x[0].dims(), &(0..at.len()).map(|a| self.start[a] + at[a] * self.strides[a]).collect::<Vec<_>>())
        };
        vec![x[0].pick(y.dims.clone(), from)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| slice(d, &*self.start, &*self.limit, &*self.strides))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let Some(ct) = ct[0] else { return vec![None] };
        let (dims, taken) = (x[0].aval().dims, ct.dims());
        let edges = |axis: usize| {
            let (start, stride) = (self.start[axis], self.strides[axis]);
            let span = if taken[axis] == 0 { 0 } else { (taken[axis] - 1) * stride + 1 };
            (start as i64, (dims[axis] - start - span) as i64, stride - 1)
        };
        let zero = full([], ct.dtype(), 0.0);
        vec![Some(pad(ct, zero, (0..dims.len()).map(edges).collect::<Vec<_>>()))]
    }
    fn batch(&self, n: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        let all = |first: usize, v: &[usize]| [&[first], v].concat();
        vec![slice(x[0], all(0, &self.start), all(n, &self.limit), all(1, &self.strides))]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let (start, limit, strides) = (array(&self.start), array(&self.limit), array(&self.strides));
        let attrs = format!("start_indices = {start}, limit_indices = {limit}, strides = {strides}");
        vec![cx.op("slice", x, &attrs, &y[0])]
    }
}

/// Elements put around and between those of a tensor.
#[derive(Debug)]
pub struct Pad {
    edges: Vec<(i64, i64, usize)>,
}
/// `x` with copies of the scalar `value` around it: along each axis `(low, high, interior)`, how many before, after and
/// between the elements. Negative numbers cut elements off.
#[track_caller]
pub fn pad(x: Tensor, value: Tensor, edges: impl Into<Vec<(i64, i64, usize)>>) -> Tensor {
    let edges = edges.into();
    if edges.len() == x.rank() && edges.iter().all(|e| *e == (0, 0, 0)) { x } else { bind1(Pad { edges }, &[x, value]) }
}
impl Pad {
    /// The element of a row of `n` that element `i` of the padded row is, if any.
    fn source((low, _, interior): (i64, i64, usize), n: usize, i: usize) -> Option<usize> {
        let i = i as i64 - low;
        let step = interior as i64 + 1;
        (i >= 0 && i % step == 0 && i / step < n as i64).then_some((i / step) as usize)
    }
}
impl Primitive for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, String> {
        if x[1] != x[0].with_dims([]) {
            return Err(format!("the padding value must be a scalar of dtype {}", x[0].dtype.name()));
        }
        if self.edges.len() != x[0].rank() {
            return Err(format!("{} triples (low, high, interior) for {} axes", self.edges.len(), x[0].rank()));
        }
        let mut dims = vec![];
        for (axis, ((low, high, interior), n)) in self.edges.iter().zip(&x[0].dims).enumerate() {
            let between = n.saturating_sub(1) as i128 * *interior as i128;
            let size = *n as i128 + between + *low as i128 + *high as i128;
            if size < 0 {
                return Err(format!("padding axis {axis} by {low} and {high} leaves {size} elements"));
            }
            dims.push(size as usize);
        }
        Ok(vec![x[0].with_dims(dims)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone(), x[1].aval().clone()]).expect("inferred").swap_remove(0);
        let (dims, n) = (x[0].dims(), x[0].aval().size());
        let from = |o: usize| {
            let at = unravel(&y.dims, o);
            let source = |axis| Pad::source(self.edges[axis], dims[axis], at[axis]);
            (0..dims.len()).map(source).collect::<Option<Vec<_>>>().map_or(n, |i| ravel(dims, &i))
        };
        vec![joined(x).pick(y.dims.clone(), from)]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let part = |i: usize| dx[i].unwrap_or_else(|| zeros_of(&x[i].aval()));
        vec![Some(pad(part(0), part(1), &*self.edges))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let Some(ct) = ct[0] else { return vec![None; 2] };
        let zero = full([], ct.dtype(), 0.0);
        let cut: Vec<(i64, i64, usize)> = self.edges.iter().map(|(low, high, _)| (-low, -high, 0)).collect();
        let inside = pad(ct, zero, cut);
        let (rank, dims) = (inside.rank(), inside.dims());
        let strides: Vec<usize> = self.edges.iter().map(|e| e.2 + 1).collect();
        let ct_x = slice(inside, vec![0; rank], dims, strides);
        let total = |t: Tensor| reduce_sum(t, (0..rank).collect::<Vec<_>>());
        let ct_value = x[1].is_linear().then(|| sub(total(ct), total(ct_x)));
        vec![x[0].is_linear().then_some(ct_x), ct_value]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let x0 = if mapped[0] { x[0] } else { broadcast_leading(x[0], n) };
        let edges = [&[(0, 0, 0)], &self.edges[..]].concat();
        if !mapped[1] {
            return vec![pad(x0, x[1], edges)];
        }
        // every example has its own value: choose it where the padding is
        let inside = pad(x0, full([], x0.dtype(), 0), &*edges);
        let is_inside = pad(full(x0.dims(), DType::Bool, true), full([], DType::Bool, false), edges);
        vec![select(is_inside, inside, broadcast_in_dim(x[1], inside.dims(), vec![0]))]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let low: Vec<i64> = self.edges.iter().map(|e| e.0).collect();
        let high: Vec<i64> = self.edges.iter().map(|e| e.1).collect();
        let interior: Vec<usize> = self.edges.iter().map(|e| e.2).collect();
        let (low, high, interior) = (array(&low), array(&high), array(&interior));
        let attrs = format!("edge_padding_low = {low}, edge_padding_high = {high}, interior_padding = {interior}");
        vec![cx.op("pad", x, &attrs, &y[0])]
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "slice",
        dtypes: any_dtype,
        cases: |d| {
            let case =
                |label, dims: &[usize], start: &'static [usize], limit: &'static [usize], by: &'static [usize]| {
                    Case::new(label, vec![sample(d, dims, 1)], move |x| vec![slice(x[0], start, limit, by)])
                };
            vec![
                case("inside", &[4, 5], &[1, 2], &[3, 5], &[1, 1]),
                case("strides", &[7, 5], &[1, 0], &[7, 5], &[3, 2]),
                case("empty", &[4, 5], &[2, 0], &[2, 5], &[1, 2]),
            ]
        },
    },
    Row {
        name: "pad",
        dtypes: any_dtype,
        cases: |d| {
            let case = |label, dims: &[usize], edges: &'static [(i64, i64, usize)]| {
                let inputs = vec![sample(d, dims, 1), sample(d, &[], 2)];
                Case::new(label, inputs, move |x| vec![pad(x[0], x[1], edges)])
            };
            vec![
                case("around", &[2, 3], &[(1, 2, 0), (0, 1, 0)]),
                case("between", &[2, 3], &[(0, 0, 2), (1, 0, 1)]),
                case("cut", &[4, 5], &[(-1, -2, 0), (2, -3, 1)]),
                case("cut between", &[4], &[(-2, -1, 2)]),
                case("from nothing", &[0, 2], &[(1, 2, 3), (0, 0, 0)]),
            ]
        },
    },
];
