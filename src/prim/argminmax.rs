//! Positions of extreme elements.
use super::*;
use crate::{
    host::{Data, int_range, unravel},
    lower::array,
    trace::bind1,
};
use std::cmp::Ordering;

/// Position of the largest (or smallest) element along an axis.
#[derive(Debug, PartialEq, Hash)]
pub struct ArgMinMax {
    axis: usize,
    largest: bool,
    index: DType,
}
/// Position of the largest element along `axis`, which disappears, as an integer of dtype `index`.
///
/// The first of equals wins; the first NaN wins over everything.
#[track_caller]
pub fn argmax(x: Tensor, axis: usize, index: DType) -> Tensor {
    bind1(ArgMinMax { axis, largest: true, index }, &[x])
}
/// Position of the smallest element along `axis`, which disappears, as an integer of dtype `index`.
///
/// The first of equals wins; the first NaN wins over everything.
#[track_caller]
pub fn argmin(x: Tensor, axis: usize, index: DType) -> Tensor {
    bind1(ArgMinMax { axis, largest: false, index }, &[x])
}

impl ArgMinMax {
    /// The body of the reduction over pairs of (value, position): independent of the order in which XLA reduces.
    fn better(&self, cx: &mut Lower, a: &[Value]) -> Vec<Value> {
        let [x, i, y, j] = a.first_chunk().expect("two pairs");
        let bool = x.aval.with_dtype(DType::Bool);
        let compare = |cx: &mut Lower, a: &Value, direction, b: &Value| {
            Compare(direction).lower(cx, &[a.clone(), b.clone()], std::slice::from_ref(&bool)).swap_remove(0)
        };
        let wins = |cx: &mut Lower, a: &Value, b: &Value| {
            let better = compare(cx, a, if self.largest { Direction::Gt } else { Direction::Lt }, b);
            if !a.aval.dtype.is_float() {
                return better;
            }
            let nan = compare(cx, a, Direction::Ne, a);
            cx.op("or", &[better, nan], "", &bool)
        };
        let (x_wins, y_wins) = (wins(cx, x, y), wins(cx, y, x));
        // neither (equals) or both (NaNs): the earlier one
        let tie = compare(cx, &x_wins, Direction::Eq, &y_wins);
        let earlier = compare(cx, i, Direction::Lt, j);
        let left = cx.op("select", &[tie, earlier, x_wins], "", &bool);
        vec![
            cx.op("select", &[left.clone(), x.clone(), y.clone()], "", &x.aval),
            cx.op("select", &[left, i.clone(), j.clone()], "", &i.aval),
        ]
    }
}

/// Lines this long are reduced in lanes.
const LONG: usize = 4096;
/// So many at once.
const LANES: usize = 1024;

impl ArgMinMax {
    /// The extreme element of each line, and then the first position where it is. XLA's CPU compiler makes vector instructions of
    /// such reductions in [lanes](in_lanes), and of one over pairs a loop over single elements, five times slower.
    fn of_long_lines(&self, cx: &mut Lower, x: &Value, y: &Aval) -> Value {
        let (n, bools) = (x.aval.dims[self.axis], x.aval.with_dtype(DType::Bool));
        let (extreme, worst) = match self.largest {
            true => ("maximum", super::reduce::lowest(x.aval.dtype)),
            false => ("minimum", super::reduce::highest(x.aval.dtype)),
        };
        // (NaN, if there is one)
        let best = in_lanes(cx, x, extreme, &worst);
        let leading: Vec<usize> = (0..self.axis).collect();
        let best = cx.op("broadcast_in_dim", &[best], &format!("broadcast_dimensions = {}", array(&leading)), &x.aval);
        let compare = |cx: &mut Lower, direction, a: &Value, b: &Value| {
            Compare(direction).lower(cx, &[a.clone(), b.clone()], std::slice::from_ref(&bools)).swap_remove(0)
        };
        let mut is_best = compare(cx, if self.largest { Direction::Ge } else { Direction::Le }, x, &best);
        if x.aval.dtype.is_float() {
            let nan = compare(cx, Direction::Ne, x, x);
            is_best = cx.op("or", &[is_best, nan], "", &bools);
        }
        let positions = x.aval.with_dtype(self.index);
        let none = cx.splat(&positions, (n - 1) as f64);
        let iota = cx.op("iota", &[], &format!("iota_dimension = {} : i64", self.axis), &positions);
        let positions = cx.op("select", &[is_best, iota, none], "", &positions);
        let first = in_lanes(cx, &positions, "minimum", &super::reduce::highest(self.index));
        debug_assert_eq!(first.aval, *y);
        first
    }
}

/// The reduction of the last axis: all of [`LANES`] elements at once, then over them and what is left of the line.
fn in_lanes(cx: &mut Lower, x: &Value, op: &'static str, start: &Host) -> Value {
    let (leading, [n]) = x.aval.dims.split_last_chunk().expect("an axis");
    let rank = leading.len();
    let scalar = x.aval.with_dims([]);
    let start = cx.splat_of(&scalar, start);
    let part = |cx: &mut Lower, from: usize, to: usize| {
        let dims: Vec<(usize, usize)> = leading.iter().map(|d| (0, *d)).chain([(from, to)]).collect();
        let attrs = format!(
            "start_indices = {}, limit_indices = {}, strides = {}",
            array(&dims.iter().map(|d| d.0).collect::<Vec<_>>()),
            array(&dims.iter().map(|d| d.1).collect::<Vec<_>>()),
            array(&vec![1; rank + 1])
        );
        let aval = x.aval.with_dims([leading, &[to - from]].concat());
        cx.op("slice", std::slice::from_ref(x), &attrs, &aval)
    };
    let reduce = |cx: &mut Lower, x: Value, axis: usize, y: Aval| {
        let body = cx.region(&[scalar.clone(), scalar.clone()], |cx, a| vec![cx.op(op, a, "", &scalar)]);
        let attrs = format!("dimensions = {}", array(&[axis]));
        cx.op_with("reduce", &[x, start.clone()], &attrs, vec![body], &[y]).swap_remove(0)
    };
    let whole = n / LANES * LANES;
    let lanes = part(cx, 0, whole);
    let lanes = cx.op("reshape", &[lanes], "", &x.aval.with_dims([leading, &[n / LANES, LANES]].concat()));
    let mut last = reduce(cx, lanes, rank, x.aval.with_dims([leading, &[LANES]].concat()));
    if whole < *n {
        let rest = part(cx, whole, *n);
        let both = x.aval.with_dims([leading, &[LANES + n - whole]].concat());
        last = cx.op("concatenate", &[last, rest], &format!("dimension = {rank} : i64"), &both);
    }
    reduce(cx, last, rank, x.aval.with_dims(leading.to_vec()))
}

impl Primitive for ArgMinMax {
    fn name(&self) -> &'static str {
        if self.largest { "argmax" } else { "argmin" }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], is_ordered, "an ordered type")?;
        let n = require_axis(&x[0], self.axis)?;
        if n == 0 {
            return Err(format!("axis {} is empty: there is no element to choose", self.axis).into());
        }
        if !self.index.is_int() {
            return Err(format!("the index dtype {} is not an integer", self.index.name()).into());
        }
        if (n - 1) as i128 > int_range(self.index).1 {
            return Err(
                Refusal::new(format!("{} cannot count to {n}", self.index.name())).help("choose a wider index dtype")
            );
        }
        Ok(vec![super::reduce::reduced(&x[0], &[self.axis])?.with_dtype(self.index)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let (dims, s) = (x[0].dims(), crate::host::strides(x[0].dims())[self.axis]);
        let order = |i: usize, j: usize| match x[0].data() {
            // NaN compares as better than every number
            Data::Float(v) => match v[i].partial_cmp(&v[j]) {
                Some(o) if self.largest => o,
                Some(o) => o.reverse(),
                None => v[i].is_nan().cmp(&v[j].is_nan()),
            },
            Data::Int(v) if self.largest => v[i].cmp(&v[j]),
            Data::Int(v) => v[j].cmp(&v[i]),
            Data::Complex(_) => super::sort::unordered(),
        };
        let starts = (0..x[0].aval().size()).filter(|i| unravel(dims, *i)[self.axis] == 0);
        let best = |start: usize| {
            (1..dims[self.axis])
                .fold(0, |b, k| if order(start + k * s, start + b * s) == Ordering::Greater { k } else { b })
        };
        let positions = starts.map(|i| best(i) as i128).collect();
        vec![Host::ints(
            self.index,
            super::reduce::reduced(x[0].aval(), &[self.axis]).expect("inferred").dims,
            positions,
        )]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![bind1(ArgMinMax { axis: self.axis + 1, ..*self }, &[x[0]])]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if self.axis + 1 == x[0].aval.rank() && x[0].aval.dims[self.axis] >= LONG && y[0].dtype.bits() >= 32 {
            return vec![self.of_long_lines(cx, &x[0], &y[0])];
        }
        let (value, index) = (x[0].aval.with_dims([]), y[0].with_dims([]));
        let positions =
            cx.op("iota", &[], &format!("iota_dimension = {} : i64", self.axis), &x[0].aval.with_dtype(self.index));
        let worst = if self.largest { super::reduce::lowest(value.dtype) } else { super::reduce::highest(value.dtype) };
        let starts = [cx.splat_of(&value, &worst), cx.splat(&index, 0.0)];
        let pair = [value.clone(), index.clone(), value, index];
        let body = cx.region(&pair, |cx, a| self.better(cx, a));
        let operands = [&[x[0].clone(), positions], &starts[..]].concat();
        let results = [y[0].with_dtype(x[0].aval.dtype), y[0].clone()];
        let attrs = format!("dimensions = {}", array(&[self.axis]));
        vec![cx.op_with("reduce", &operands, &attrs, vec![body], &results).swap_remove(1)]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        Cost { flops: x[0].size() as f64, bytes: (x[0].bytes() + y[0].bytes()) as f64 }
    }
}

fn cases(d: DType, f: fn(Tensor, usize, DType) -> Tensor) -> Vec<Case> {
    let mut cases = vec![
        Case::new("last", vec![sample(d, &[3, 7], 1)], move |x| vec![f(x[0], 1, DType::I32)]),
        Case::new("middle", vec![sample(d, &[2, 5, 3], 2)], move |x| vec![f(x[0], 1, DType::I64)]),
        Case::new("first", vec![sample(d, &[9], 3)], move |x| vec![f(x[0], 0, DType::U8)]),
        Case::new("one", vec![sample(d, &[2, 1], 4)], move |x| vec![f(x[0], 1, DType::I8)]),
        Case::new("no lines", vec![sample(d, &[0, 3], 5)], move |x| vec![f(x[0], 1, DType::I32)]),
        Case::new("long lines", vec![sample(d, &[5000], 6)], move |x| vec![f(x[0], 0, DType::I32)]),
        Case::new("ties", vec![Host::ints(d, [6], vec![0, 1, 0, 1, 1, 0])], move |x| vec![f(x[0], 0, DType::I32)]),
    ];
    if d.is_float() && has_infinity(d) {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let rows = vec![1.0, nan, inf, nan, -inf, -inf, -inf, -inf, inf, inf, inf, inf, -0.0, 0.0, -0.0, 0.0];
        cases.push(Case::new("special", vec![Host::floats(d, [4, 4], rows)], move |x| vec![f(x[0], 1, DType::I32)]));
    }
    cases
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "argmax", dtypes: is_ordered, cases: |d| cases(d, argmax) },
    Row { name: "argmin", dtypes: is_ordered, cases: |d| cases(d, argmin) },
];
