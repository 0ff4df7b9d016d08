//! Orderings: sort and top_k.
use super::*;
use crate::{
    host::{Data, strides, unravel},
    trace::{At, bind},
};
use std::cmp::Ordering;

/// The order of floats in a sort: NaN last, all NaNs equal, 0 equal to -0.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
fn order_at(x: &Host, i: usize, j: usize) -> Ordering {
    match x.data() {
        Data::Float(v) => order(v[i], v[j]),
        Data::Int(v) => v[i].cmp(&v[j]),
        Data::Complex(_) => unordered(),
    }
}
/// The order of complex numbers, which have none.
pub(super) fn unordered() -> Ordering {
    panic!("the type rule admits no complex numbers")
}
/// The element numbers of each line along `axis`.
fn lines(dims: &[usize], axis: usize) -> Vec<Vec<usize>> {
    let starts = (0..dims.iter().product()).filter(|i| unravel(dims, *i)[axis] == 0);
    starts.map(|start| (0..dims[axis]).map(|k| start + k * strides(dims)[axis]).collect()).collect()
}

/// The elements of `x` at the given positions along `axis`, line by line.
fn along(x: Tensor, positions: Tensor, axis: usize) -> Tensor {
    let others = other_axes(x.rank(), &[axis]);
    let dims = IndexDims {
        collapsed: vec![axis],
        indexed: vec![axis],
        batch: others.clone(),
        indices_batch: others,
        ..Default::default()
    };
    let options = IndexOptions { mode: IndexMode::InBounds, unique: true, ..Default::default() };
    gather(x, positions.expand_dims(-1), Gather { dims, sizes: vec![1; x.rank()], options, fill: None })
}

/// Sort of several operands together along one axis.
#[derive(Debug, PartialEq, Hash)]
pub struct Sort {
    axis: usize,
    keys: usize,
    stable: bool,
}
/// Operands of one shape, reordered together along `axis` so that the first `keys` of them ascend (compared in turn).
///
/// NaN comes last, and 0 equals -0. With `stable`, equals keep their order; without, XLA may be faster.
#[track_caller]
pub fn sort(x: &[Tensor], axis: usize, keys: usize, stable: bool) -> Vec<Tensor> {
    bind(Sort { axis, keys, stable }, x)
}
impl Tensor {
    /// Ascending along an axis; NaN last. Equals keep their order. Complex numbers ascend by their real parts and, where these are
    /// equal, by their imaginary parts.
    #[track_caller]
    pub fn sort(self, axis: isize) -> Tensor {
        let _at = At::op("sort");
        let axis = self.axis(axis);
        if self.dtype().is_complex() {
            let parts = sort(&[self.real(), self.imag()], axis, 2, true);
            return complex(parts[0], parts[1]);
        }
        sort(&[self], axis, 1, true)[0]
    }
    /// The positions (i32) that [`sort`](Tensor::sort) along an axis; equals keep their order.
    #[track_caller]
    pub fn argsort(self, axis: isize) -> Tensor {
        let _at = At::op("argsort");
        let axis = self.axis(axis);
        let keys = if self.dtype().is_complex() { vec![self.real(), self.imag()] } else { vec![self] };
        sort(&[&keys[..], &[iota(self.dims(), DType::I32, axis)]].concat(), axis, keys.len(), true)[keys.len()]
    }
}

impl Sort {
    /// Does the first of each pair of scalars `a` come before the second?
    fn before(&self, cx: &mut Lower, a: &[Value]) -> Value {
        let bool = Aval::new(DType::Bool, []);
        let mut result: Option<Value> = None;
        for pair in a[..2 * self.keys].chunks(2).rev() {
            let (x, y) = (canonical(cx, &pair[0]), canonical(cx, &pair[1]));
            let less = total_compare(cx, "LT", &x, &y);
            result = Some(match result {
                None => less,
                Some(rest) => {
                    let equal = total_compare(cx, "EQ", &x, &y);
                    let rest = cx.op("and", &[equal, rest], "", &bool);
                    cx.op("or", &[less, rest], "", &bool)
                }
            });
        }
        result.expect("inferred: at least one key")
    }
    /// The sorted operands, and where each element was.
    fn with_positions(&self, x: &[Tensor]) -> (Vec<Tensor>, Tensor) {
        let a = x[0].aval();
        let index = if a.dims[self.axis] <= i32::MAX as usize { DType::I32 } else { DType::I64 };
        let mut sorted = sort(&[x, &[iota(a.dims, index, self.axis)]].concat(), self.axis, self.keys, self.stable);
        let positions = sorted.pop().expect("pushed above");
        (sorted, positions)
    }
}
/// The value with -0 made 0, and every NaN made the same one. XLA's back ends recognise this pattern.
fn canonical(cx: &mut Lower, x: &Value) -> Value {
    if !x.aval.dtype.is_float() {
        return x.clone();
    }
    let bool = std::slice::from_ref(&x.aval.with_dtype(DType::Bool)).to_vec();
    let zero = cx.splat(&x.aval, 0.0);
    let is_zero = Compare(Direction::Eq).lower(cx, &[x.clone(), zero.clone()], &bool).swap_remove(0);
    let x0 = cx.op("select", &[is_zero, zero, x.clone()], "", &x.aval);
    let is_nan = Compare(Direction::Ne).lower(cx, &[x.clone(), x.clone()], &bool).swap_remove(0);
    let nan = cx.splat(&x.aval, f64::NAN);
    cx.op("select", &[is_nan, nan, x0], "", &x.aval)
}
/// A comparison in which NaN has a place: above everything.
fn total_compare(cx: &mut Lower, direction: &str, x: &Value, y: &Value) -> Value {
    let kind = match x.aval.dtype {
        d if d.is_float() => "TOTALORDER",
        d if d.is_signed() => "SIGNED",
        _ => "UNSIGNED",
    };
    let attrs = format!(
        "comparison_direction = #stablehlo<comparison_direction {direction}>, compare_type = #stablehlo<comparison_type {kind}>"
    );
    cx.op("compare", &[x.clone(), y.clone()], &attrs, &x.aval.with_dtype(DType::Bool))
}

impl Primitive for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if self.keys == 0 || self.keys > x.len() {
            return Err(format!("there cannot be {} keys among {} operands", self.keys, x.len()).into());
        }
        require_axis(&x[0], self.axis)?;
        if x.iter().any(|a| a.dims != x[0].dims) {
            return Err("the shapes differ".into());
        }
        x[..self.keys].iter().try_for_each(|key| require(key, is_ordered, "an ordered type"))?;
        Ok(x.to_vec())
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let dims = x[0].dims();
        let mut source = vec![0; x[0].aval().size()];
        for line in lines(dims, self.axis) {
            let mut sorted = line.clone();
            sorted.sort_by(|i, j| {
                let keys = x[..self.keys].iter().map(|k| order_at(k, *i, *j));
                keys.fold(Ordering::Equal, Ordering::then)
            });
            line.iter().zip(sorted).for_each(|(to, from)| source[*to] = from);
        }
        x.iter().map(|x| x.pick(dims, |i| source[i])).collect()
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let (_, positions) = self.with_positions(x);
        dx.iter().map(|d| d.map(|d| along(d, positions, self.axis))).collect()
    }
    fn with_tangents(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Option<Linearized> {
        // one sort gives both the results and the positions
        let (sorted, positions) = self.with_positions(x);
        let tangents = dx.iter().map(|d| d.map(|d| along(d, positions, self.axis)));
        Some((sorted, tangents.collect()))
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        sort(&spread(n, x, mapped), self.axis + 1, self.keys, self.stable)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let pairs: Vec<Aval> = y.iter().flat_map(|a| [a.with_dims([]), a.with_dims([])]).collect();
        let before = cx.region(&pairs, |cx, a| vec![self.before(cx, a)]);
        let attrs = format!("dimension = {} : i64, is_stable = {}", self.axis, self.stable);
        cx.op_with("sort", x, &attrs, vec![before], y)
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let (n, size) = (x[0].dims[self.axis].max(2) as f64, x[0].size() as f64);
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: size * n.log2().ceil(), bytes }
    }
}

/// The largest elements along the last axis, and their positions.
#[derive(Debug, PartialEq, Hash)]
pub struct TopK {
    k: usize,
}
impl Tensor {
    /// The `k` largest elements along the last axis, descending, and their positions (i32). The first of equals comes
    /// first; NaN counts as largest, and 0 as larger than -0.
    #[track_caller]
    pub fn top_k(self, k: usize) -> (Tensor, Tensor) {
        let y = bind(TopK { k }, &[self]);
        (y[0], y[1])
    }
}
/// XLA's expansion of top_k fails on 4-bit integers.
fn not_four_bits(d: DType) -> bool {
    !matches!(d, DType::I4 | DType::U4) || !Cure::NoTopKOfFourBits.applies()
}
impl Primitive for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], is_ordered, "an ordered type")?;
        require(&x[0], not_four_bits, "a dtype of at least 8 bits")?;
        let Some(n) = x[0].dims.last() else { return Err("a scalar has no axis to search".into()) };
        if self.k > *n {
            return Err(format!("there are no {} elements along an axis of size {n}", self.k).into());
        }
        let y = x[0].with_dims([&x[0].dims[..x[0].rank() - 1], &[self.k]].concat());
        Ok(vec![y.clone(), y.with_dtype(DType::I32)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone()]).expect("inferred before");
        let source: Vec<usize> = lines(x[0].dims(), x[0].dims().len() - 1)
            .into_iter()
            .flat_map(|mut line| {
                line.sort_by(|i, j| match x[0].data() {
                    Data::Float(v) => v[*j].total_cmp(&v[*i]),
                    Data::Int(v) => v[*j].cmp(&v[*i]),
                    Data::Complex(_) => unordered(),
                });
                line.truncate(self.k);
                line
            })
            .collect();
        let n = x[0].dims().last().copied().unwrap_or(1);
        let positions = source.iter().map(|i| (i % n) as i128).collect();
        vec![x[0].pick(y[0].dims.clone(), |i| source[i]), Host::ints(DType::I32, y[1].dims.clone(), positions)]
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| along(d, y[1], x[0].rank() - 1)), None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(TopK { k: self.k }, x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        cx.op_with("chlo.top_k", x, &format!("k = {} : i64", self.k), vec![], y)
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: x[0].size() as f64 * (self.k.max(2) as f64).log2().ceil(), bytes }
    }
}

fn sort_cases(d: DType) -> Vec<Case> {
    let float = if d.is_float() { d } else { DType::F32 };
    let x = |dims: &[usize], seed| vec![sample(d, dims, seed)];
    let mut cases = vec![
        Case::new("last", x(&[3, 7], 1), |x| vec![x[0].sort(-1)]),
        Case::new("middle", x(&[2, 5, 3], 2), |x| vec![x[0].sort(1)]),
        Case::new("empty", x(&[0, 3], 3), |x| vec![x[0].sort(0)]),
        Case::new("no lines", x(&[0, 3], 8), |x| vec![x[0].sort(1)]),
        Case::new("one", x(&[2, 1], 9), |x| vec![x[0].sort(1)]),
        Case::new("positions", vec![Host::ints(d, [8], vec![0, 1, 0, 1, 1, 0, 0, 1])], |x| vec![x[0].argsort(0)]),
        Case::new("along", vec![sample(d, &[9], 4), sample(float, &[9], 5)], |x| sort(x, 0, 1, true)),
        Case::new(
            "two keys",
            vec![Host::ints(DType::I32, [6], vec![1, 0, 1, 0, 1, 0]), sample(d, &[6], 6), sample(float, &[6], 7)],
            |x| sort(x, 0, 2, true),
        ),
    ];
    if d.is_float() && has_infinity(d) {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let special = vec![Host::floats(d, [9], vec![nan, 0.0, -0.0, inf, -nan, -inf, 1.0, -0.0, 0.0])];
        cases.push(Case::new("special", special, |x| vec![x[0].argsort(0)]));
    }
    cases
}
fn top_k_cases(d: DType) -> Vec<Case> {
    let top = |k: usize| {
        move |x: &[Tensor]| {
            let (values, positions) = x[0].top_k(k);
            vec![values, positions]
        }
    };
    let mut cases = vec![
        Case::new("three", vec![sample(d, &[2, 7], 1)], top(3)),
        Case::new("all", vec![sample(d, &[5], 2)], top(5)),
        Case::new("none", vec![sample(d, &[2, 3], 3)], top(0)),
        Case::new("no lines", vec![sample(d, &[0, 3], 4)], top(2)),
        Case::new("one", vec![sample(d, &[2, 1], 5)], top(1)),
        Case::new("ties", vec![Host::ints(d, [8], vec![0, 1, 0, 1, 1, 0, 0, 1])], top(6)).wrt([]),
    ];
    if d.is_float() && has_infinity(d) {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let special = vec![Host::floats(d, [9], vec![1.0, 0.0, -0.0, inf, nan, -inf, 1.0, -0.0, 0.0])];
        cases.push(Case::new("special", special, top(9)).wrt([]));
    }
    cases
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "sort", dtypes: is_ordered, cases: sort_cases },
    Row { name: "top_k", dtypes: |d| is_ordered(d) && not_four_bits(d), cases: top_k_cases },
];
