//! Regular parts of tensors, at fixed and at computed positions, and their inverses.
use super::*;
use crate::{
    host::{ravel, unravel},
    lower::array,
    trace::{At, bind1},
};

/// A regular part of each axis.
#[derive(Debug, PartialEq, Hash)]
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
    let mut s = Slice { start: start.into(), limit: limit.into(), strides: strides.into() };
    // (a stride that leads out of the part is as good as any other that does)
    for ((stride, start), limit) in s.strides.iter_mut().zip(&s.start).zip(&s.limit) {
        *stride = (*stride).min(limit.saturating_sub(*start).max(1));
    }
    if s.start.iter().all(|i| *i == 0) && s.strides.iter().all(|i| *i == 1) && s.limit == x.dims() {
        return x;
    }
    bind1(s, &[x])
}
impl Primitive for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let rank = x[0].rank();
        if [&self.start, &self.limit, &self.strides].iter().any(|v| v.len() != rank) {
            return Err(format!("start, limit and strides need one number for each of the {rank} axes").into());
        }
        let mut dims = vec![];
        for (axis, n) in x[0].dims.iter().enumerate() {
            let (start, limit, stride) = (self.start[axis], self.limit[axis], self.strides[axis]);
            if start > limit || limit > *n {
                return Err(format!("there is no {start}..{limit} along axis {axis}, which is {n}").into());
            }
            if stride == 0 {
                return Err(format!("the stride along axis {axis} is 0").into());
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
    fn cost(&self, _: &[Aval], y: &[Aval]) -> Cost {
        movement(y, y)
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        moved(x).or(Some(Known::Operand(0)))
    }
}

/// Elements put around and between those of a tensor.
#[derive(Debug, PartialEq, Hash)]
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
/// With larger numbers XLA's own sums overflow.
const MOST_PADDING: u64 = 1 << 61;
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
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if x[1] != x[0].with_dims([]) {
            return Err(format!("the padding value must be a scalar of dtype {}", x[0].dtype.name()).into());
        }
        if self.edges.len() != x[0].rank() {
            return Err(format!("{} triples (low, high, interior) for {} axes", self.edges.len(), x[0].rank()).into());
        }
        let mut dims = vec![];
        for (axis, ((low, high, interior), n)) in self.edges.iter().zip(&x[0].dims).enumerate() {
            let between = n.saturating_sub(1) as i128 * *interior as i128;
            let size = *n as i128 + between + *low as i128 + *high as i128;
            if size < 0 {
                return Err(format!("padding axis {axis} by {low} and {high} leaves {size} elements").into());
            }
            let most = [low.unsigned_abs(), high.unsigned_abs(), *interior as u64].into_iter().max();
            if most > Some(MOST_PADDING) || size > MOST_PADDING as i128 {
                return Err(
                    format!("padding axis {axis} by {low}, {high} and {interior} is more than can be counted").into()
                );
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
        // XLA loses elements where it divides an axis that is dilated or cut, and ends the process where it is both
        // (spmd_partitioner.cc:1120)
        let wrong = |(low, high, interior): (i64, i64, usize)| low < 0 || high < 0 || interior > 0;
        let cured = Cure::PaddedAxesWhole.applies();
        let whole: Vec<usize> = (0..self.edges.len()).filter(|i| cured && wrong(self.edges[*i])).collect();
        let padded = cx.undivided(&x[0], &whole);
        let padded = cx.op("pad", &[padded, x[1].clone()], &attrs, &y[0]);
        vec![cx.undivided(&padded, &whole)]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        movement(x, y)
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        merged(x)
    }
}

/// Where parts of these sizes start in an array of these, as both operations below define it. XLA does it too, but not for an
/// axis that it divides over devices, and for parts of parts it adds the starts as they are.
pub(super) fn clamped_starts(cx: &mut Lower, dims: &[usize], sizes: &[usize], starts: &[Value]) -> Vec<Value> {
    if !Cure::ClampedStarts.applies() {
        return starts.to_vec();
    }
    let one = |((start, dim), size): ((&Value, &usize), &usize)| {
        let (a, low) = (&start.aval, cx.splat(&start.aval, 0.0));
        if dim == size {
            return low;
        }
        let high = cx.number(a, (dim - size) as i128);
        cx.op("clamp", &[low, start.clone(), high], "", a)
    };
    starts.iter().zip(dims).zip(sizes).map(one).collect()
}

/// `x` with the part at `starts`, which are in range, replaced by `update`.
///
/// Where the update is computed from `x` itself, XLA's CPU compiler may overwrite elements before it reads them; then every
/// element is computed anew, and nothing is overwritten.
pub(super) fn replaced(cx: &mut Lower, x: &Value, update: &Value, starts: &[Value]) -> Value {
    if !cx.reads_what_it_overwrites(x, update) {
        return cx.op("dynamic_update_slice", &[&[x.clone(), update.clone()], starts].concat(), "", &x.aval);
    }
    let (dims, sizes) = (&x.aval.dims, &update.aval.dims);
    let margins: Vec<usize> = dims.iter().zip(sizes).map(|(n, m)| n - m).collect();
    let largest = dims.iter().max().copied().unwrap_or(0);
    let count = Aval::new(if largest < 1 << 30 { DType::I32 } else { DType::I64 }, []);
    let starts: Vec<Value> = starts.iter().map(|s| cx.op("convert", std::slice::from_ref(s), "", &count)).collect();
    // the update in the middle of zeros, of which a part of the size of `x` has it in its place
    let wide = x.aval.with_dims(dims.iter().zip(&margins).map(|(n, margin)| n + margin).collect::<Vec<_>>());
    let (edges, none) = (array(&margins), array(&vec![0; dims.len()]));
    let attrs = format!("edge_padding_low = {edges}, edge_padding_high = {edges}, interior_padding = {none}");
    let zero = cx.splat(&x.aval.with_dims([]), 0.0);
    let padded = cx.op("pad", &[update.clone(), zero], &attrs, &wide);
    let mut at = vec![padded];
    let mut inside: Option<Value> = None;
    for (axis, start) in starts.iter().enumerate() {
        let margin = cx.number(&count, margins[axis] as i128);
        at.push(cx.op("subtract", &[margin, start.clone()], "", &count));
        if margins[axis] == 0 {
            continue;
        }
        let (each, holds) = (x.aval.with_dtype(count.dtype), [x.aval.with_dtype(DType::Bool)]);
        let place = cx.op("iota", &[], &format!("iota_dimension = {axis} : i64"), &each);
        let (size, spread) = (cx.number(&count, sizes[axis] as i128), "broadcast_dimensions = array<i64>");
        let end = cx.op("add", &[start.clone(), size], "", &count);
        for (direction, bound) in [(Direction::Ge, start), (Direction::Lt, &end)] {
            let bound = cx.op("broadcast_in_dim", std::slice::from_ref(bound), spread, &each);
            let within = Compare(direction).lower(cx, &[place.clone(), bound], &holds).swap_remove(0);
            inside = Some(match inside {
                Some(others) => cx.op("and", &[others, within], "", &holds[0]),
                None => within,
            });
        }
    }
    let moved = cx.op("dynamic_slice", &at, &format!("slice_sizes = {}", array(dims)), &x.aval);
    let Some(inside) = inside else { return moved };
    cx.op("select", &[inside, moved, x.clone()], "", &x.aval)
}

/// A part of known size at a position known only when the program runs.
#[derive(Debug, PartialEq, Hash)]
pub struct DynamicSlice {
    sizes: Vec<usize>,
}
/// The part of `x` of these sizes that starts at `start`, one integer scalar for each axis. Negative starts count from the
/// end; one from which the part would reach outside is then moved to the nearest that fits. See also
/// [`Tensor::dynamic_slice_axis`].
#[track_caller]
pub fn dynamic_slice(x: Tensor, start: &[Tensor], sizes: impl Into<Vec<usize>>) -> Tensor {
    let _at = At::op("dynamic_slice");
    slice_at(x, &from_the_ends(x, start), sizes)
}
/// As [`dynamic_slice`], but negative starts are moved to 0.
#[track_caller]
pub(crate) fn slice_at(x: Tensor, start: &[Tensor], sizes: impl Into<Vec<usize>>) -> Tensor {
    bind1(DynamicSlice { sizes: sizes.into() }, &[&[x], start].concat())
}
impl Primitive for DynamicSlice {
    fn name(&self) -> &'static str {
        "dynamic_slice"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        Ok(vec![part_of(&x[0], &x[0].with_dims(&*self.sizes), &x[1..])?])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let start = clamped(&x[1..], x[0].dims(), &self.sizes);
        let limit: Vec<usize> = start.iter().zip(&self.sizes).map(|(i, n)| i + n).collect();
        Slice { strides: vec![1; start.len()], start, limit }.eval(&x[..1])
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| slice_at(d, &x[1..], &*self.sizes))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let start: Vec<Tensor> = x[1..].iter().map(Operand::known).collect();
        let ct_x = ct[0].map(|ct| update_at(zeros_of(&x[0].aval()), ct, &start));
        [vec![ct_x], vec![None; start.len()]].concat()
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        if mapped[1..].contains(&true) {
            let axes: Vec<usize> = (0..self.sizes.len()).collect();
            let dims = IndexDims { window: axes.clone(), indexed: axes, ..Default::default() };
            let options = IndexOptions { mode: IndexMode::Clip, unique: true, sorted: true };
            let gather = Gather { dims, sizes: self.sizes.clone(), options, fill: None };
            return gather.batch(n, &[x[0], index_vectors(n, &x[1..], &mapped[1..])], &[mapped[0], true]);
        }
        vec![slice_at(x[0], &from_first(&x[1..]), [&[n], &self.sizes[..]].concat())]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let starts = clamped_starts(cx, &x[0].aval.dims, &self.sizes, &x[1..]);
        let x = [&x[..1], &starts].concat();
        vec![cx.op("dynamic_slice", &x, &format!("slice_sizes = {}", array(&self.sizes)), &y[0])]
    }
    fn cost(&self, _: &[Aval], y: &[Aval]) -> Cost {
        Cost { flops: 0.0, bytes: 2.0 * y[0].bytes() as f64 }
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        moved(x)
    }
}

/// A part of known size, at a position known only when the program runs, replaced.
#[derive(Debug, PartialEq, Hash)]
pub struct DynamicUpdateSlice;
/// `x` with the part that starts at `start` (one integer scalar for each axis) replaced by `update`. Negative starts count
/// from the end; one from which the part would reach outside is then moved to the nearest that fits. See also
/// [`Tensor::dynamic_update_axis`].
#[track_caller]
pub fn dynamic_update_slice(x: Tensor, update: Tensor, start: &[Tensor]) -> Tensor {
    let _at = At::op("dynamic_update_slice");
    update_at(x, update, &from_the_ends(x, start))
}
/// As [`dynamic_update_slice`], but negative starts are moved to 0.
#[track_caller]
pub(crate) fn update_at(x: Tensor, update: Tensor, start: &[Tensor]) -> Tensor {
    bind1(DynamicUpdateSlice, &[&[x, update], start].concat())
}
impl Primitive for DynamicUpdateSlice {
    fn name(&self) -> &'static str {
        "dynamic_update_slice"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if x[0].dtype != x[1].dtype {
            return Err(
                Refusal::new("the dtypes differ").help(format!("cast the update: `.cast(DType::{:?})`", x[0].dtype))
            );
        }
        part_of(&x[0], &x[1], &x[2..])?;
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let (dims, sizes) = (x[0].dims(), x[1].dims());
        let start = clamped(&x[2..], dims, sizes);
        let n = x[0].aval().size();
        let from = |o: usize| {
            let at = unravel(dims, o);
            let inside = |a: usize| at[a].checked_sub(start[a]).filter(|i| *i < sizes[a]);
            (0..dims.len()).map(inside).collect::<Option<Vec<_>>>().map_or(o, |i| n + ravel(sizes, &i))
        };
        vec![joined(&x[..2]).pick(dims, from)]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let part = |i: usize| dx[i].unwrap_or_else(|| zeros_of(&x[i].aval()));
        vec![Some(update_at(part(0), part(1), &x[2..]))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let Some(ct) = ct[0] else { return vec![None; x.len()] };
        let start: Vec<Tensor> = x[2..].iter().map(Operand::known).collect();
        let update = x[1].aval();
        let ct_x = x[0].is_linear().then(|| update_at(ct, zeros_of(&update), &start));
        let ct_update = x[1].is_linear().then(|| slice_at(ct, &start, update.dims.clone()));
        [vec![ct_x, ct_update], vec![None; start.len()]].concat()
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let parts = spread(n, &x[..2], mapped);
        if mapped[2..].contains(&true) {
            let axes: Vec<usize> = (0..x.len() - 2).collect();
            let dims = IndexDims { window: axes.clone(), indexed: axes, ..Default::default() };
            let options = IndexOptions { mode: IndexMode::Clip, unique: true, sorted: true };
            let scatter = Scatter { dims, combine: Combine::Set, options };
            return scatter.batch(n, &[parts[0], index_vectors(n, &x[2..], &mapped[2..]), parts[1]], &[true; 3]);
        }
        vec![update_at(parts[0], parts[1], &from_first(&x[2..]))]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let starts = clamped_starts(cx, &y[0].dims, &x[1].aval.dims, &x[2..]);
        vec![replaced(cx, &x[0], &x[1], &starts)]
    }
    fn cost(&self, x: &[Aval], _: &[Aval]) -> Cost {
        Cost { flops: 0.0, bytes: 2.0 * x[1].bytes() as f64 }
    }
}

/// Indices in a dtype that can count any axis.
pub(crate) fn wide_indices(x: &[Tensor]) -> Vec<Tensor> {
    let narrow = |d: DType| d.is_int() && d.bits() < 32;
    x.iter().map(|i| if narrow(i.dtype()) { i.cast(DType::I32) } else { *i }).collect()
}
/// Integer indices along an axis of size `n`, in a dtype that can count it, the negative ones counted from its end.
pub(crate) fn from_the_end(indices: Tensor, n: usize) -> Tensor {
    let indices = wide_indices(&[indices])[0];
    let narrow = indices.dtype() == DType::I32 && n > i32::MAX as usize;
    let indices = if narrow { indices.cast(DType::I64) } else { indices };
    if !indices.dtype().is_signed() { indices } else { select(indices.lt(0), indices + n, indices) }
}
/// The same for one start per axis.
fn from_the_ends(x: Tensor, start: &[Tensor]) -> Vec<Tensor> {
    let dims = x.dims();
    // the type rule complains about starts that belong to no axis
    start.iter().enumerate().map(|(axis, i)| dims.get(axis).map_or(*i, |n| from_the_end(*i, *n))).collect()
}
/// Type rule: this is the dtype of indices.
pub(super) fn require_index(x: &Aval) -> Result<(), Refusal> {
    require(x, |d| d.is_int() && d.bits() >= 32, "a 32- or 64-bit integer, as indices must be")
}
/// Type rule of the dynamic operations: `part` fits into `x`, with one start for each axis.
fn part_of(x: &Aval, part: &Aval, start: &[Aval]) -> Result<Aval, Refusal> {
    if part.rank() != x.rank() || start.len() != x.rank() {
        let (rank, sizes, starts) = (x.rank(), part.rank(), start.len());
        return Err(format!("{rank} axes need as many sizes and starts, not {sizes} and {starts}").into());
    }
    if let Some(axis) = (0..x.rank()).find(|a| part.dims[*a] > x.dims[*a]) {
        return Err(
            format!("a part of {} is larger than axis {axis}, which is {}", part.dims[axis], x.dims[axis]).into()
        );
    }
    for (axis, s) in start.iter().enumerate() {
        require_index(s)?;
        if s.rank() != 0 || s.dtype != start[0].dtype {
            return Err(format!("the start along axis {axis} is {s}; the starts must be scalars of one dtype").into());
        }
    }
    Ok(part.clone())
}
/// Start positions moved so that the part fits.
fn clamped(start: &[Host], dims: &[usize], sizes: &[usize]) -> Vec<usize> {
    let fit = |axis: usize| start[axis].to_ints()[0].clamp(0, (dims[axis] - sizes[axis]) as i128) as usize;
    (0..dims.len()).map(fit).collect()
}
/// Starts for one more, leading axis, which is taken whole.
fn from_first(start: &[Tensor]) -> Vec<Tensor> {
    let dtype = start.first().map_or(DType::I32, |s| s.dtype());
    [&[full([], dtype, 0)], start].concat()
}
/// The starts of `n` examples as index vectors `[n, axes]`.
fn index_vectors(n: usize, start: &[Tensor], mapped: &[bool]) -> Tensor {
    let column = |(s, mapped): (&Tensor, &bool)| broadcast_in_dim(*s, [n, 1], if *mapped { vec![0] } else { vec![] });
    concatenate(&start.iter().zip(mapped).map(column).collect::<Vec<_>>(), 1)
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
                case("of nothing", &[0, 3], &[0, 1], &[0, 3], &[2, 1]),
                case("one", &[3, 1], &[2, 0], &[3, 1], &[5, 1]),
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
                case("to nothing", &[2, 2], &[(-1, -1, 0), (0, 1, 0)]),
                case("one", &[1], &[(2, 0, 3)]),
            ]
        },
    },
    Row {
        name: "dynamic_slice",
        dtypes: any_dtype,
        cases: |d| {
            let part = |label, dims: &[usize], start: &[i128], sizes: &'static [usize]| {
                let starts = start.iter().map(|i| Host::ints(DType::I32, [], vec![*i]));
                let inputs = std::iter::once(sample(d, dims, 1)).chain(starts).collect();
                Case::new(label, inputs, move |x| vec![dynamic_slice(x[0], &x[1..], sizes)])
            };
            let case = |label, start: &[i128]| part(label, &[4, 5], start, &[2, 3]);
            vec![
                case("inside", &[1, 2]),
                case("outside", &[-1, 4]),
                part("scalar", &[], &[], &[]),
                part("all", &[2, 1], &[1, -1], &[2, 1]),
                part("nothing", &[3, 2], &[9, 0], &[0, 2]),
                part("of nothing", &[0, 2], &[1, 1], &[0, 1]),
            ]
        },
    },
    Row {
        name: "dynamic_update_slice",
        dtypes: any_dtype,
        cases: |d| {
            let part = |label, dims: &[usize], update: &[usize], start: &[i128]| {
                let starts = start.iter().map(|i| Host::ints(DType::I8, [], vec![*i]));
                let inputs = [sample(d, dims, 1), sample(d, update, 2)].into_iter().chain(starts).collect();
                Case::new(label, inputs, |x| vec![dynamic_update_slice(x[0], x[1], &x[2..])])
            };
            let case = |label, start: &[i128]| part(label, &[4, 5], &[2, 3], start);
            vec![
                case("inside", &[1, 2]),
                case("outside", &[3, -1]),
                part("scalar", &[], &[], &[]),
                part("all", &[2, 1], &[2, 1], &[1, -1]),
                part("nothing", &[3, 2], &[0, 2], &[9, 0]),
                part("of nothing", &[0, 2], &[0, 1], &[1, 1]),
            ]
        },
    },
];
