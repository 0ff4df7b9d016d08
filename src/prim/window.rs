//! Reductions over windows that move over a tensor.
use super::{
    conv::{Axis, MOST, dilated},
    *,
};
use crate::{
    host::{Data, ravel, unravel},
    lower::array,
    ops::shape::index_dtype,
    trace::{bind1, refuse},
};

/// How a window moves over a tensor. A vector has one entry for each axis; an empty one means the default.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Windows {
    /// The size of the window. By default 1.
    pub dimensions: Vec<usize>,
    /// Steps between positions of the window. By default 1.
    pub strides: Vec<usize>,
    /// What stands around the operand: elements that change nothing. By default none.
    pub padding: Padding,
    /// Distance of neighbouring elements of the operand, elements that change nothing in between. By default 1.
    pub base_dilation: Vec<usize>,
    /// Distance of neighbouring elements of the window. By default 1.
    pub window_dilation: Vec<usize>,
}
impl Windows {
    /// With every entry written out, and the padding as numbers, for an operand of this type.
    pub(crate) fn resolved(&self, x: &Aval) -> Result<Windows, Refusal> {
        let rank = x.rank();
        let mut w = self.clone();
        for list in [&mut w.dimensions, &mut w.strides, &mut w.base_dilation, &mut w.window_dilation] {
            if list.is_empty() {
                *list = vec![1; rank];
            }
            if list.len() != rank || list.contains(&0) {
                let reason = format!("sizes, strides and dilations of a window need one number for each axis of {x}");
                return Err(Refusal::new(reason).help("they are at least 1; empty vectors mean 1 everywhere"));
            }
        }
        let span = |i: usize| dilated(w.dimensions[i], w.window_dilation[i]);
        let pair = |i: usize| match &self.padding {
            Padding::Explicit(pairs) => pairs.get(i).copied().unwrap_or((0, 0)),
            other => other.pair(x.dims[i], span(i), w.strides[i]),
        };
        let pairs: Vec<(i64, i64)> = (0..rank).map(pair).collect();
        if matches!(&self.padding, Padding::Explicit(given) if given.len() != rank) {
            return Err(format!("padding needs a pair of numbers for each of {rank} axes").into());
        }
        if pairs.iter().any(|(low, high)| *low < 0 || *high < 0) {
            return Err(Refusal::new("the padding is negative").help("cut elements off first: `.slice_axis(..)`"));
        }
        let counted = |i: usize| {
            let (low, high) = pairs[i];
            let most = low.max(high).max(dilated(x.dims[i], w.base_dilation[i])).max(span(i));
            most < MOST && (w.strides[i] as u64) < MOST as u64
        };
        if !(0..rank).all(counted) {
            return Err("strides, padding and dilations are more than can be counted".into());
        }
        w.padding = Padding::Explicit(pairs);
        Ok(w)
    }
    /// The padding before and after each axis, once resolved.
    pub(crate) fn pairs(&self) -> &[(i64, i64)] {
        self.padding.pairs()
    }
    /// The sizes of the result, once resolved.
    pub(crate) fn results(&self, x: &Aval) -> Vec<usize> {
        let size = |i: usize| {
            let (low, high) = self.pairs()[i];
            let rest = dilated(x.dims[i], self.base_dilation[i]) + low + high
                - dilated(self.dimensions[i], self.window_dilation[i]);
            if rest < 0 { 0 } else { rest as usize / self.strides[i] + 1 }
        };
        (0..x.rank()).map(size).collect()
    }
    /// The numbers of the elements of an operand of these sizes that the window meets at one position, in order.
    fn met(&self, dims: &[usize], at: &[usize]) -> Vec<usize> {
        let axis = |i: usize| Axis {
            stride: self.strides[i],
            padding: self.pairs()[i],
            input_dilation: self.base_dilation[i],
            kernel_dilation: self.window_dilation[i],
        };
        let places = (0..self.dimensions.iter().product()).map(|e| unravel(&self.dimensions, e));
        let element = |e: Vec<usize>| {
            let index: Option<Vec<usize>> = (0..dims.len()).map(|i| axis(i).met(at[i], e[i], dims[i])).collect();
            index.map(|index| ravel(dims, &index))
        };
        places.filter_map(element).collect()
    }
    /// The same, of an operand with one more axis in front.
    fn batched(&self) -> Windows {
        let one = |list: &[usize]| [&[1], list].concat();
        Windows {
            dimensions: one(&self.dimensions),
            strides: one(&self.strides),
            padding: Padding::Explicit([&[(0, 0)], self.pairs()].concat()),
            base_dilation: one(&self.base_dilation),
            window_dilation: one(&self.window_dilation),
        }
    }
    fn attributes(&self) -> String {
        let pairs: Vec<String> = self.pairs().iter().map(|(low, high)| format!("[{low}, {high}]")).collect();
        format!(
            "window_dimensions = {}, window_strides = {}, base_dilations = {}, window_dilations = {}, \
             padding = dense<[{}]> : tensor<{}x2xi64>",
            array(&self.dimensions),
            array(&self.strides),
            array(&self.base_dilation),
            array(&self.window_dilation),
            pairs.join(", "),
            pairs.len()
        )
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let window = self.dimensions.iter().map(|n| *n as f64).product::<f64>();
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: y[0].size() as f64 * window, bytes }
    }
    #[track_caller]
    fn of(&self, op: &str, x: Tensor) -> Windows {
        self.resolved(&x.aval()).unwrap_or_else(|why| refuse(op, vec![x.aval()], why))
    }
}

/// What is made of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Max,
    Min,
}
/// A reduction over each position of a window.
#[derive(Debug, PartialEq, Hash)]
pub struct ReduceWindow {
    kind: Kind,
    /// Resolved.
    windows: Windows,
}
macro_rules! functions {
    ($($(#[$doc:meta])* $f:ident, $kind:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Lists that do not fit the axes of `x`, zeros among sizes, strides and dilations; negative padding.
        #[track_caller]
        pub fn $f(x: Tensor, windows: &Windows) -> Tensor {
            let windows = windows.of(stringify!($f), x);
            bind1(ReduceWindow { kind: Kind::$kind, windows }, &[x])
        }
    )*};
}
functions! {
    /// The sum of the elements in a window, at each of its positions. [`reduce_window`](crate::reduce_window) takes any function.
    reduce_window_sum, Sum;
    /// The largest of the elements in a window, at each of its positions; NaN if one is. The derivative goes to the first of equals.
    reduce_window_max, Max;
    /// The smallest of the elements in a window, at each of its positions; NaN if one is. The derivative goes to the first of equals.
    reduce_window_min, Min;
}

impl Kind {
    fn start(self, dtype: DType) -> Host {
        match self {
            Kind::Sum => Host::ints(dtype, [], vec![0]),
            Kind::Max => super::reduce::lowest(dtype),
            Kind::Min => super::reduce::highest(dtype),
        }
    }
    fn floats(self, a: f64, b: f64) -> f64 {
        match self {
            Kind::Sum => a + b,
            _ if a.is_nan() || b.is_nan() => f64::NAN,
            Kind::Max => a.max(b),
            Kind::Min => a.min(b),
        }
    }
    fn ints(self, a: i128, b: i128) -> i128 {
        match self {
            Kind::Sum => a + b,
            Kind::Max => a.max(b),
            Kind::Min => a.min(b),
        }
    }
}

impl Primitive for ReduceWindow {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sum => "reduce_window_sum",
            Kind::Max => "reduce_window_max",
            Kind::Min => "reduce_window_min",
        }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], is_real, "a number with an order")?;
        let windows = self.windows.resolved(&x[0])?;
        Ok(vec![x[0].with_dims(windows.results(&x[0]))])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let dims = self.windows.results(x[0].aval());
        let start = self.kind.start(x[0].dtype());
        let met = |i: usize| self.windows.met(x[0].dims(), &unravel(&dims, i)).into_iter();
        let n = dims.iter().product();
        vec![match (x[0].data(), start.data()) {
            (Data::Float(v), Data::Float(start)) => {
                let one = |i| met(i).fold(start[0], |a, e| self.kind.floats(a, v[e]));
                Host::floats(x[0].dtype(), dims.clone(), (0..n).map(one).collect())
            }
            (Data::Int(v), Data::Int(start)) => {
                let one = |i| met(i).fold(start[0], |a, e| self.kind.ints(a, v[e]));
                Host::ints(x[0].dtype(), dims.clone(), (0..n).map(one).collect())
            }
            _ => unreachable!("the start has the operand's dtype"),
        }]
    }
    /// Of an extreme the tangent is that of the first element equal to it, gathered from where it stands.
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let Some(d) = dx[0] else { return vec![None] };
        if self.kind == Kind::Sum {
            return vec![Some(reduce_window_sum(d, &self.windows))];
        }
        let n = d.size();
        if n == 0 || y[0].size() == 0 {
            return vec![None];
        }
        let numbers = iota([n], index_dtype(n), 0).reshape(x[0].dims());
        let windows = self.windows.clone();
        let chosen = bind1(FirstExtreme { largest: self.kind == Kind::Max, windows }, &[x[0], numbers]);
        let dims = IndexDims { collapsed: vec![0], indexed: vec![0], ..Default::default() };
        // (a window that lies in the padding has no element)
        let options = IndexOptions { mode: IndexMode::Fill, ..Default::default() };
        let how = Gather { dims, sizes: vec![1], options, fill: Some(0.0) };
        vec![Some(gather(d.reshape([n]), chosen.expand_dims(-1), how))]
    }
    /// The sum over windows of the cotangents, with the strides between them.
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        assert_eq!(self.kind, Kind::Sum, "the others are not linear: no jvp rule makes them so");
        let (w, a) = (&self.windows, x[0].aval());
        let edges = |(i, out): (usize, usize)| {
            let window = dilated(w.dimensions[i], w.window_dilation[i]);
            let before = window - w.pairs()[i].0 - 1;
            let after = dilated(a.dims[i], w.base_dilation[i]) + window - 1 - dilated(out, w.strides[i]) - before;
            (before, after, w.strides[i] - 1)
        };
        let back = |ct: Tensor| {
            if ct.size() == 0 || a.size() == 0 {
                return zeros_of(&a);
            }
            let edges: Vec<(i64, i64, usize)> = ct.dims().into_iter().enumerate().map(edges).collect();
            let windows = Windows {
                strides: w.base_dilation.clone(),
                padding: Padding::Valid,
                base_dilation: vec![],
                ..w.clone()
            };
            reduce_window_sum(pad(ct, zeros([], ct.dtype()), edges), &windows)
        };
        vec![ct[0].map(back)]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![bind1(ReduceWindow { kind: self.kind, windows: self.windows.batched() }, &[x[0]])]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        // (a scalar is its own window)
        if y[0].rank() == 0 {
            return x.to_vec();
        }
        let s = y[0].with_dims([]);
        let start = cx.splat_of(&s, &self.kind.start(s.dtype));
        let op = match self.kind {
            Kind::Sum => "add",
            Kind::Max => "maximum",
            Kind::Min => "minimum",
        };
        let body = cx.region(&[s.clone(), s.clone()], |cx, a| vec![cx.op(op, a, "", &s)]);
        cx.op_with("reduce_window", &[x[0].clone(), start], &self.windows.attributes(), vec![body], y)
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        self.windows.cost(x, y)
    }
}

/// Where the extreme of each window stands. Operands: the elements, and their numbers; the result is the number that stands beside
/// the extreme, the smallest of several; the largest of the dtype, where a window has no element. The derivative of an extreme.
#[derive(Debug, PartialEq, Hash)]
pub struct FirstExtreme {
    largest: bool,
    /// Resolved.
    windows: Windows,
}
impl FirstExtreme {
    fn start(&self, dtype: DType) -> Host {
        if self.largest { super::reduce::lowest(dtype) } else { super::reduce::highest(dtype) }
    }
    /// Does the element with its number come before another?
    fn lower_before(&self, cx: &mut Lower, a: [&Value; 2], b: [&Value; 2]) -> Value {
        let bool = [a[0].aval.with_dtype(DType::Bool)];
        let compare = |cx: &mut Lower, how, x: &Value, y: &Value| {
            Compare(how).lower(cx, &[x.clone(), y.clone()], &bool).swap_remove(0)
        };
        let logic = |cx: &mut Lower, op, x: Value, y: Value| cx.op(op, &[x, y], "", &bool[0]);
        let beyond = compare(cx, if self.largest { Direction::Gt } else { Direction::Lt }, a[0], b[0]);
        let mut equal = compare(cx, Direction::Eq, a[0], b[0]);
        let first = compare(cx, Direction::Lt, a[1], b[1]);
        let mut before = beyond;
        if a[0].aval.dtype.is_float() {
            // NaN is beyond everything but NaN
            let [a_nan, b_nan] = [a[0], b[0]].map(|x| compare(cx, Direction::Ne, x, x));
            let both = logic(cx, "and", a_nan.clone(), b_nan.clone());
            equal = logic(cx, "or", equal, both);
            let number = cx.op("not", &[b_nan], "", &bool[0]);
            let only = logic(cx, "and", a_nan, number);
            before = logic(cx, "or", before, only);
        }
        let tie = logic(cx, "and", equal, first);
        logic(cx, "or", before, tie)
    }
}
impl Primitive for FirstExtreme {
    fn name(&self) -> &'static str {
        if self.largest { "reduce_window_argmax" } else { "reduce_window_argmin" }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], is_real, "a number with an order")?;
        require(&x[1], |d| d.is_int() && d.bits() >= 32, "an integer of 32 or 64 bits")?;
        if x[0].dims != x[1].dims {
            return Err("the shapes differ".into());
        }
        let windows = self.windows.resolved(&x[1])?;
        Ok(vec![x[1].with_dims(windows.results(&x[1]))])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let dims = self.windows.results(x[0].aval());
        let (v, numbers, start) = (x[0].to_f64(), x[1].to_ints(), self.start(x[0].dtype()).to_f64()[0]);
        let sign = if self.largest { 1.0 } else { -1.0 };
        let beyond = |a: f64, b: f64| if b.is_nan() { false } else { a.is_nan() || sign * a > sign * b };
        let one = |i: usize| {
            let none = (start, crate::host::int_range(x[1].dtype()).1);
            let met = self.windows.met(x[0].dims(), &unravel(&dims, i));
            let pick = |best: (f64, i128), e: usize| {
                let tie = !beyond(best.0, v[e]) && numbers[e] < best.1;
                if beyond(v[e], best.0) || tie { (v[e], numbers[e]) } else { best }
            };
            met.into_iter().fold(none, pick).1
        };
        let n = dims.iter().product();
        vec![Host::ints(x[1].dtype(), dims.clone(), (0..n).map(one).collect())]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        vec![bind1(FirstExtreme { largest: self.largest, windows: self.windows.batched() }, &spread(n, x, mapped))]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if y[0].rank() == 0 {
            return vec![x[1].clone()];
        }
        let scalars = [x[0].aval.with_dims([]), x[1].aval.with_dims([])];
        let start = cx.splat_of(&scalars[0], &self.start(scalars[0].dtype));
        let none = cx.number(&scalars[1], i128::MAX);
        let params = [&scalars[..], &scalars[..]].concat();
        let body = cx.region(&params, |cx, a| {
            let before = self.lower_before(cx, [&a[0], &a[1]], [&a[2], &a[3]]);
            let pick = |cx: &mut Lower, i: usize| {
                cx.op("select", &[before.clone(), a[i].clone(), a[2 + i].clone()], "", &scalars[i])
            };
            vec![pick(cx, 0), pick(cx, 1)]
        });
        let operands = [x[0].clone(), x[1].clone(), start, none];
        let results = [x[0].aval.with_dims(y[0].dims.clone()), y[0].clone()];
        let all = cx.op_with("reduce_window", &operands, &self.windows.attributes(), vec![body], &results);
        vec![all[1].clone()]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        self.windows.cost(x, y)
    }
}

/// Windows that overlap, leave gaps, reach into the padding, and into holes, with their operand's sizes.
fn variants() -> Vec<(&'static str, Vec<usize>, Windows)> {
    let windows = |dimensions: &[usize], strides: &[usize], padding: Padding| Windows {
        dimensions: dimensions.to_vec(),
        strides: strides.to_vec(),
        padding,
        ..Default::default()
    };
    let dilated = Windows {
        base_dilation: vec![2, 1],
        window_dilation: vec![1, 2],
        ..windows(&[3, 2], &[2, 1], vec![(1, 2), (0, 1)].into())
    };
    vec![
        ("overlapping", vec![5, 6], windows(&[2, 3], &[1, 2], Padding::Valid)),
        ("same", vec![2, 5, 3], windows(&[1, 3, 1], &[1, 2, 1], Padding::Same)),
        ("gaps", vec![7], windows(&[2], &[3], Padding::Valid)),
        ("dilated", vec![4, 5], dilated),
        ("padding alone", vec![2], windows(&[2], &[2], vec![(2, 1)].into())),
        ("no element", vec![0, 2], windows(&[2, 1], &[], vec![(1, 1), (0, 0)].into())),
        ("no result", vec![2], windows(&[3], &[], Padding::Valid)),
        ("scalar", vec![], windows(&[], &[], Padding::Valid)),
    ]
}
fn cases(d: DType, f: fn(Tensor, &Windows) -> Tensor) -> Vec<Case> {
    let case = |(i, (label, dims, windows)): (usize, (&'static str, Vec<usize>, Windows))| {
        Case::new(label, vec![sample(d, &dims, 1 + i as u64)], move |x| vec![f(x[0], &windows)])
    };
    variants().into_iter().enumerate().map(case).collect()
}
fn extreme_cases(d: DType, largest: bool) -> Vec<Case> {
    let case = |(i, (label, dims, windows)): (usize, (&'static str, Vec<usize>, Windows))| {
        let n: usize = dims.iter().product();
        let numbers = Host::ints(DType::I32, dims.clone(), (0..n as i128).collect());
        Case::new(label, vec![sample(d, &dims, 1 + i as u64), numbers], move |x| {
            let windows = windows.of("reduce_window_argmax", x[0]);
            vec![bind1(FirstExtreme { largest, windows }, x)]
        })
    };
    variants().into_iter().enumerate().map(case).collect()
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "reduce_window_sum", dtypes: is_real, cases: |d| cases(d, reduce_window_sum) },
    Row { name: "reduce_window_max", dtypes: is_real, cases: |d| cases(d, reduce_window_max) },
    Row { name: "reduce_window_min", dtypes: is_real, cases: |d| cases(d, reduce_window_min) },
    Row { name: "reduce_window_argmax", dtypes: is_real, cases: |d| extreme_cases(d, true) },
    Row { name: "reduce_window_argmin", dtypes: is_real, cases: |d| extreme_cases(d, false) },
];
