//! Reductions over axes.
use super::*;
use crate::{
    host::{Both, int_range, ravel, unravel},
    lower::array,
    trace::bind1,
};
use num_complex::Complex64;
use std::ops::{Add, Mul};

/// The shape without the reduced axes.
pub(super) fn reduced(x: &Aval, axes: &[usize]) -> Result<Aval, Refusal> {
    axes.iter().try_for_each(|a| require_axis(x, *a).map(|_| ()))?;
    if axes.iter().enumerate().any(|(i, a)| axes[..i].contains(a)) {
        return Err(format!("an axis is named twice in {axes:?}").into());
    }
    Ok(x.with_dims(other_axes(x.rank(), axes).iter().map(|a| x.dims[*a]).collect::<Vec<_>>()))
}

/// Fold the elements along `axes` into each output element, starting from a scalar.
fn fold(
    x: &Host,
    axes: &[usize],
    start: &Host,
    float: fn(f64, f64) -> f64,
    int: fn(i128, i128) -> i128,
    complex: fn(Complex64, Complex64) -> Complex64,
) -> Host {
    let y = reduced(x.aval(), axes).expect("inferred");
    let kept = other_axes(x.dims().len(), axes);
    let to = |i: usize| {
        let i = unravel(x.dims(), i);
        ravel(&y.dims, &kept.iter().map(|a| i[*a]).collect::<Vec<_>>())
    };
    match x.beside(start) {
        Both::Float(v, start) => {
            let mut out = vec![start[0]; y.size()];
            v.iter().enumerate().for_each(|(i, v)| out[to(i)] = float(out[to(i)], *v));
            Host::floats(y.dtype, y.dims, out)
        }
        Both::Int(v, start) => {
            let mut out = vec![start[0]; y.size()];
            v.iter().enumerate().for_each(|(i, v)| out[to(i)] = int(out[to(i)], *v));
            Host::ints(y.dtype, y.dims, out)
        }
        Both::Complex(v, start) => {
            let mut out = vec![start[0]; y.size()];
            v.iter().enumerate().for_each(|(i, v)| out[to(i)] = complex(out[to(i)], *v));
            Host::complex(y.dtype, y.dims, out)
        }
    }
}

/// Emit a reduction with a one-operation body.
fn lower_reduce(cx: &mut Lower, op: &str, start: &Host, x: &Value, axes: &[usize], y: &Aval) -> Value {
    let s = y.with_dims([]);
    let start = cx.splat_of(&s, start);
    let body = cx.region(&[s.clone(), s.clone()], |cx, a| vec![cx.op(op, a, "", &s)]);
    let attrs = format!("dimensions = {}", array(axes));
    // (devices can combine bools this way, but not the bits of integers)
    let combined = match op {
        "and" | "or" => s.dtype == DType::Bool,
        op => op != "xor",
    };
    let x = if combined || !Cure::CombinedBitsWhole.applies() { x.clone() } else { cx.undivided(x, axes) };
    cx.op_with("reduce", &[x, start], &attrs, vec![body], std::slice::from_ref(y)).swap_remove(0)
}

/// Infinity, or the largest number where there is none.
fn endless(dtype: DType) -> f64 {
    if has_infinity(dtype) { f64::INFINITY } else { largest(dtype) }
}
/// The scalar that no element is below: where a maximum starts.
pub(crate) fn lowest(dtype: DType) -> Host {
    match dtype {
        d if d.is_float() => Host::floats(d, [], vec![-endless(d)]),
        d => Host::ints(d, [], vec![int_range(d).0]),
    }
}
/// The scalar that no element is above: where a minimum starts.
pub(crate) fn highest(dtype: DType) -> Host {
    match dtype {
        d if d.is_float() => Host::floats(d, [], vec![endless(d)]),
        d => Host::ints(d, [], vec![int_range(d).1]),
    }
}
fn number(dtype: DType, n: i128) -> Host {
    Host::ints(dtype, [], vec![n])
}

/// The tangent of a reduction that chooses elements: the mean of the tangents of the elements equal to the result.
fn chosen(x: Tensor, y: Tensor, d: Tensor, axes: &[usize]) -> Option<Tensor> {
    let dims = x.dims();
    let y = broadcast_in_dim(y, dims.clone(), other_axes(dims.len(), axes));
    let at = compare(Direction::Eq, x, y);
    let number = reduce_sum(at.cast(d.dtype()), axes);
    // chosen, not multiplied by 0 or 1: beside a NaN nothing is chosen, and the number is 0
    Some(div(reduce_sum(select(at, d, zeros_of(&d.aval())), axes), number))
}

/// The tangent of a product: pairs (product, tangent) multiplied in a tree, which needs no division by elements.
fn product_tangent(x: Tensor, d: Tensor, axes: &[usize]) -> Option<Tensor> {
    let dims = x.dims();
    let kept = other_axes(dims.len(), axes);
    let rest: Vec<usize> = kept.iter().map(|a| dims[*a]).collect();
    let mut n: usize = axes.iter().map(|a| dims[*a]).product();
    let flat = |t: Tensor| t.transpose([axes, &kept].concat()).reshape([&[n], &rest[..]].concat());
    let (mut x, mut d) = (flat(x), flat(d));
    let edges = |after: usize| [vec![(0, after as i64, 0)], vec![(0, 0, 0); rest.len()]].concat();
    while n > 1 {
        let half = n.div_ceil(2);
        let halves = |t: Tensor, fill: f64| {
            let fill = full([], t.dtype(), fill);
            (t.slice_axis(0, ..half), pad(t.slice_axis(0, half..), fill, edges(2 * half - n)))
        };
        let ((x0, x1), (d0, d1)) = (halves(x, 1.0), halves(d, 0.0));
        (x, d, n) = (mul(x0, x1), add(mul(d0, x1), mul(x0, d1)), half);
    }
    (n == 1).then(|| d.reshape(rest))
}

/// One block per reduction: documentation, function, StableHLO name, kind of operand, the start of an empty reduction,
/// meaning on floats, on integers and on complex numbers, and the tangent as a function of operand `x`, result `y`, tangent `d` and axes.
macro_rules! reduction {
    ($(#[$doc:meta])* $P:ident, $f:ident, $hlo:literal, $kind:expr, $start:expr, $float:expr, $int:expr, $complex:expr,
     |$x:ident, $y:ident, $d:ident, $axes:ident| $jvp:expr $(, transpose |$ct:ident, $dims:ident, $kept:ident| $tr:expr)?) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Hash)]
        pub struct $P {
            axes: Vec<usize>,
        }
        $(#[$doc])*
        ///
        /// The axes disappear; without axes, `x` itself. The methods of `Tensor` also take negative axes.
        #[track_caller]
        pub fn $f(x: Tensor, axes: impl Into<Vec<usize>>) -> Tensor {
            let axes = axes.into();
            if axes.is_empty() { x } else { bind1($P { axes }, &[x]) }
        }
        impl Primitive for $P {
            fn name(&self) -> &'static str {
                stringify!($f)
            }
            fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
                let (ok, kind): (fn(DType) -> bool, &str) = $kind;
                require(&x[0], ok, kind)?;
                Ok(vec![reduced(&x[0], &self.axes)?])
            }
            fn eval(&self, x: &[Host]) -> Vec<Host> {
                let start: fn(DType) -> Host = $start;
                vec![fold(&x[0], &self.axes, &start(x[0].dtype()), $float, $int, $complex)]
            }
            #[allow(unused_variables)]
            fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
                let tangent: fn(Tensor, Tensor, Tensor, &[usize]) -> Option<Tensor> = |$x, $y, $d, $axes| $jvp;
                vec![dx[0].and_then(|d| tangent(x[0], y[0], d, &self.axes))]
            }
            $(fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
                let $dims = x[0].aval().dims;
                let $kept = other_axes($dims.len(), &self.axes);
                vec![ct[0].map(|$ct| $tr)]
            })?
            fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
                vec![$f(x[0], shifted(&self.axes, 1))]
            }
            fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
                let start: fn(DType) -> Host = $start;
                vec![lower_reduce(cx, $hlo, &start(y[0].dtype), &x[0], &self.axes, &y[0])]
            }
            fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
                Cost { flops: x[0].size() as f64, bytes: (x[0].bytes() + y[0].bytes()) as f64 }
            }
        }
    };
}
const NUMBER: (fn(DType) -> bool, &str) = (is_number, "a number");
const ORDERED: (fn(DType) -> bool, &str) = (is_ordered, "an ordered type");
const BITS: (fn(DType) -> bool, &str) = (is_int_or_bool, "an integer or bool");

reduction!(/** Sum over axes; of no elements, 0. */ ReduceSum, reduce_sum, "add", NUMBER, |t| number(t, 0),
    |a, b| a + b, |a, b| a + b, Complex64::add, |x, y, d, axes| Some(reduce_sum(d, axes)),
    transpose |ct, dims, kept| broadcast_in_dim(ct, dims, kept));
reduction!(/** Product over axes; of no elements, 1. */ ReduceProd, reduce_prod, "multiply", NUMBER, |t| number(t, 1),
    |a, b| a * b, |a, b| a.wrapping_mul(b), Complex64::mul, |x, y, d, axes| product_tangent(x, d, axes));
reduction!(/** Largest element over axes; NaN if there is one; of no elements, the lowest value. At ties the tangent is the mean. */
    ReduceMax, reduce_max, "maximum", ORDERED, lowest, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }, i128::max, no_complex,
    |x, y, d, axes| chosen(x, y, d, axes));
reduction!(/** Smallest element over axes; NaN if there is one; of no elements, the highest value. At ties the tangent is the mean. */
    ReduceMin, reduce_min, "minimum", ORDERED, highest, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }, i128::min, no_complex,
    |x, y, d, axes| chosen(x, y, d, axes));
reduction!(/** Bitwise and over axes (on bools: do all hold?); of no elements, all ones. */
    ReduceAnd, reduce_and, "and", BITS, |t| number(t, -1), |a, _| a, |a, b| a & b, no_complex, |x, y, d, axes| None);
reduction!(/** Bitwise or over axes (on bools: does any hold?); of no elements, 0. */
    ReduceOr, reduce_or, "or", BITS, |t| number(t, 0), |a, _| a, |a, b| a | b, no_complex, |x, y, d, axes| None);
reduction!(/** Bitwise exclusive or over axes (on bools: do an odd number hold?); of no elements, 0. */
    ReduceXor, reduce_xor, "xor", BITS, |t| number(t, 0), |a, _| a, |a, b| a ^ b, no_complex, |x, y, d, axes| None);

/// Cases of a reduction: some axes, all, and none of the elements.
fn cases(d: DType, f: fn(Tensor, Vec<usize>) -> Tensor) -> Vec<Case> {
    let mut cases = vec![
        Case::new("middle", vec![sample(d, &[2, 3, 4], 1)], move |x| vec![f(x[0], vec![1])]),
        Case::new("outer", vec![sample(d, &[2, 3, 4], 2)], move |x| vec![f(x[0], vec![2, 0])]),
        Case::new("all", vec![sample(d, &[2, 3], 3)], move |x| vec![f(x[0], vec![0, 1])]),
        Case::new("no elements", vec![sample(d, &[0, 3], 4)], move |x| vec![f(x[0], vec![0])]).wrt([]),
        Case::new("no results", vec![sample(d, &[0, 3], 5)], move |x| vec![f(x[0], vec![1])]),
        Case::new("one element", vec![sample(d, &[3, 1], 6)], move |x| vec![f(x[0], vec![1])]),
        Case::new("nothing at all", vec![sample(d, &[0, 3], 7)], move |x| vec![f(x[0], vec![1, 0])]).wrt([]),
    ];
    if matches!(d, DType::F32 | DType::F64) {
        let rows = [f64::NAN, 1.0, f64::INFINITY, 1.0, f64::NEG_INFINITY, f64::NEG_INFINITY, -0.0, 0.0];
        let special = vec![Host::floats(d, [4, 2], rows.to_vec())];
        cases.push(Case::new("special", special, move |x| vec![f(x[0], vec![1])]).wrt([]));
    }
    cases
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "reduce_sum", dtypes: is_number, cases: |d| cases(d, |x, a| reduce_sum(x, a)) },
    Row { name: "reduce_prod", dtypes: is_number, cases: |d| cases(d, |x, a| reduce_prod(x, a)) },
    Row { name: "reduce_max", dtypes: is_ordered, cases: |d| cases(d, |x, a| reduce_max(x, a)) },
    Row { name: "reduce_min", dtypes: is_ordered, cases: |d| cases(d, |x, a| reduce_min(x, a)) },
    Row { name: "reduce_and", dtypes: is_int_or_bool, cases: |d| cases(d, |x, a| reduce_and(x, a)) },
    Row { name: "reduce_or", dtypes: is_int_or_bool, cases: |d| cases(d, |x, a| reduce_or(x, a)) },
    Row { name: "reduce_xor", dtypes: is_int_or_bool, cases: |d| cases(d, |x, a| reduce_xor(x, a)) },
];
