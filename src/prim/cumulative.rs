//! Running sums, products, extremes along an axis.
use super::*;
use crate::{
    host::{Data, strides, unravel},
    lower::array,
    trace::bind1,
};
use num_complex::Complex64;

/// What is accumulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Accumulation {
    Sum,
    Prod,
    Max,
    Min,
    LogSumExp,
}
impl Accumulation {
    /// The value that changes nothing.
    fn identity(self, dtype: DType) -> Host {
        match self {
            Accumulation::Sum => Host::ints(dtype, [], vec![0]),
            Accumulation::Prod => Host::ints(dtype, [], vec![1]),
            Accumulation::Max | Accumulation::LogSumExp => super::reduce::lowest(dtype),
            Accumulation::Min => super::reduce::highest(dtype),
        }
    }
    fn floats(self, a: f64, b: f64) -> f64 {
        match self {
            Accumulation::Sum => a + b,
            Accumulation::Prod => a * b,
            Accumulation::Max | Accumulation::Min if a.is_nan() || b.is_nan() => f64::NAN,
            Accumulation::Max => a.max(b),
            Accumulation::Min => a.min(b),
            Accumulation::LogSumExp if (a - b).is_nan() => a + b,
            Accumulation::LogSumExp => a.max(b) + (-(a - b).abs()).exp().ln_1p(),
        }
    }
    fn complexes(self, a: Complex64, b: Complex64) -> Complex64 {
        match self {
            Accumulation::Sum => a + b,
            Accumulation::Prod => a * b,
            Accumulation::Max | Accumulation::Min | Accumulation::LogSumExp => no_complex(a, b),
        }
    }
    fn ints(self, a: i128, b: i128, dtype: DType) -> i128 {
        match self {
            Accumulation::Sum => a + b,
            Accumulation::Prod => crate::host::wrap(dtype, a.wrapping_mul(b)),
            Accumulation::Max => a.max(b),
            Accumulation::Min => a.min(b),
            Accumulation::LogSumExp => unary::no_int(a),
        }
    }
    /// Emit the combination of two scalars.
    fn lower(self, cx: &mut Lower, a: &[Value], y: &Aval) -> Value {
        match self {
            Accumulation::Sum => cx.op("add", a, "", y),
            Accumulation::Prod => cx.op("multiply", a, "", y),
            Accumulation::Max => cx.op("maximum", a, "", y),
            Accumulation::Min => cx.op("minimum", a, "", y),
            Accumulation::LogSumExp => {
                let most = cx.op("maximum", a, "", y);
                let delta = cx.op("subtract", a, "", y);
                let mut rest = cx.op("abs", std::slice::from_ref(&delta), "", y);
                for op in ["negate", "exponential", "log_plus_one"] {
                    rest = cx.op(op, &[rest], "", y);
                }
                let finite = cx.op("add", &[most, rest], "", y);
                // equal infinities have no difference; their sum is right
                let infinite = cx.op("add", a, "", y);
                let bool = [y.with_dtype(DType::Bool)];
                let undefined = Compare(Direction::Ne).lower(cx, &[delta.clone(), delta], &bool).swap_remove(0);
                cx.op("select", &[undefined, infinite, finite], "", y)
            }
        }
    }
    /// The tangents of the results, each from the one before it, the elements `x` and their tangents, the results `y`, and
    /// what each result was made from besides its element: the one `before` it.
    fn tangents(self, axis: usize, x: Tensor, dx: Tensor, y: Tensor, before: Tensor) -> Tensor {
        let sums = |a: Tensor, b: Tensor| recurrence(a, b, axis, mul, |a, t, b| add(mul(a, t), b));
        let one_of = |keep: Tensor| recurrence(keep, dx, axis, and, select);
        match self {
            Accumulation::Sum => cumsum(dx, axis, false),
            Accumulation::Prod => sums(x, mul(before, dx)),
            // at a tie the later element counts
            Accumulation::Max => one_of(compare(Direction::Gt, before, x)),
            Accumulation::Min => one_of(compare(Direction::Lt, before, x)),
            Accumulation::LogSumExp => {
                let y = select(y.is_finite(), y, zeros_of(&y.aval()));
                sums((before - y).exp(), (x - y).exp() * dx)
            }
        }
    }
}

/// `t[i] = step(a[i], t[i - 1], b[i])` along an axis, beginning with `t[0] = b[0]`. Two steps are one step, with a `b` that a step
/// makes, and an `a` that `join` makes of the later and the earlier one.
///
/// All at once, in log₂ n rounds whose work halves: every second result comes from a row half as long, in which neighbours are
/// one step, and each of the others is one step from these (Blelloch 1990).
fn recurrence(
    a: Tensor,
    b: Tensor,
    axis: usize,
    join: fn(Tensor, Tensor) -> Tensor,
    step: fn(Tensor, Tensor, Tensor) -> Tensor,
) -> Tensor {
    let (n, rank) = (b.dims()[axis], b.rank());
    if n < 2 {
        return b;
    }
    let part = |x: Tensor, from: usize, to: usize, stride: usize| {
        let (mut start, mut limit, mut strides) = (vec![0; rank], x.dims(), vec![1; rank]);
        (start[axis], limit[axis], strides[axis]) = (from, to, stride);
        slice(x, start, limit, strides)
    };
    let earlier = |x: Tensor| part(x, 0, n / 2 * 2, 2);
    let later = |x: Tensor| part(x, 1, n, 2);
    let odd = recurrence(join(later(a), earlier(a)), step(later(a), earlier(b), later(b)), axis, join, step);
    let first = part(b, 0, 1, 1);
    let even = match n {
        2 => first,
        _ => concatenate(&[first, step(part(a, 2, n, 2), part(odd, 0, (n - 1) / 2, 1), part(b, 2, n, 2))], axis),
    };
    let spread = |x: Tensor, from: usize| {
        let mut edges = vec![(0, 0, 0); rank];
        let end = from + 2 * x.dims()[axis] - 1;
        edges[axis] = (from as i64, (n - end) as i64, 1);
        pad(x, zeros([], x.dtype()), edges)
    };
    add(spread(even, 0), spread(odd, 1))
}

/// Combination of each element with all before it along an axis.
#[derive(Debug, PartialEq, Hash)]
pub struct Cumulative {
    kind: Accumulation,
    axis: usize,
    reverse: bool,
}
macro_rules! functions {
    ($($(#[$doc:meta])* $f:ident, $kind:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// With `reverse`, from the end of the axis towards its start.
        #[track_caller]
        pub fn $f(x: Tensor, axis: usize, reverse: bool) -> Tensor {
            bind1(Cumulative { kind: Accumulation::$kind, axis, reverse }, &[x])
        }
    )*};
}
functions! {
    /// Running sum: each element plus all before it along `axis`.
    cumsum, Sum;
    /// Running product: each element times all before it along `axis`.
    cumprod, Prod;
    /// Running maximum: the largest of each element and all before it along `axis`; NaN from the first NaN on.
    cummax, Max;
    /// Running minimum: the smallest of each element and all before it along `axis`; NaN from the first NaN on.
    cummin, Min;
    /// Running ln Σ eˣ of each element and all before it along `axis`, without overflow.
    cumlogsumexp, LogSumExp;
}

impl Cumulative {
    /// The results before each one along the axis, the identity before the first.
    fn before(&self, y: Tensor) -> Tensor {
        let mut padding = vec![(0, 0, 0); y.rank()];
        padding[self.axis] = (1, -1, 0);
        pad(y, literal(self.kind.identity(y.dtype())), padding)
    }
}

impl Primitive for Cumulative {
    fn name(&self) -> &'static str {
        match self.kind {
            Accumulation::Sum => "cumsum",
            Accumulation::Prod => "cumprod",
            Accumulation::Max => "cummax",
            Accumulation::Min => "cummin",
            Accumulation::LogSumExp => "cumlogsumexp",
        }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        match self.kind {
            Accumulation::LogSumExp => require(&x[0], is_float, "a float")?,
            Accumulation::Sum | Accumulation::Prod => require(&x[0], is_number, "a number")?,
            Accumulation::Max | Accumulation::Min => require(&x[0], is_real, "a number with an order")?,
        }
        require_axis(&x[0], self.axis)?;
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let (dims, step) = (x[0].dims(), strides(x[0].dims())[self.axis]);
        let n = dims[self.axis];
        // the element before each one, in an order that visits it first
        let at = |i: usize| unravel(dims, i)[self.axis];
        let previous = |i: usize| match self.reverse {
            false => (at(i) > 0).then(|| i - step),
            true => (at(i) + 1 < n).then(|| i + step),
        };
        let size = x[0].aval().size();
        let visit: Vec<usize> = if self.reverse { (0..size).rev().collect() } else { (0..size).collect() };
        vec![match x[0].data() {
            Data::Float(v) => {
                let mut out = v.to_vec();
                visit.into_iter().for_each(|i| out[i] = previous(i).map_or(v[i], |p| self.kind.floats(out[p], v[i])));
                Host::floats(x[0].dtype(), dims, out)
            }
            Data::Int(v) => {
                let (mut out, t) = (v.to_vec(), x[0].dtype());
                visit.into_iter().for_each(|i| out[i] = previous(i).map_or(v[i], |p| self.kind.ints(out[p], v[i], t)));
                Host::ints(t, dims, out)
            }
            Data::Complex(v) => {
                let mut out = v.to_vec();
                visit
                    .into_iter()
                    .for_each(|i| out[i] = previous(i).map_or(v[i], |p| self.kind.complexes(out[p], v[i])));
                Host::complex(x[0].dtype(), dims, out)
            }
        }]
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let Some(d) = dx[0] else { return vec![None] };
        if self.kind == Accumulation::Sum {
            return vec![Some(cumsum(d, self.axis, self.reverse))];
        }
        if x[0].size() == 0 {
            return vec![Some(d)];
        }
        let turned = |t: Tensor| if self.reverse { reverse(t, [self.axis]) } else { t };
        let (x, y, d) = (turned(x[0]), turned(y[0]), turned(d));
        vec![Some(turned(self.kind.tangents(self.axis, x, d, y, self.before(y))))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        assert_eq!(self.kind, Accumulation::Sum, "the others are not linear: no jvp rule makes them so");
        vec![ct[0].map(|ct| cumsum(ct, self.axis, !self.reverse))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![bind1(Cumulative { axis: self.axis + 1, ..*self }, &[x[0]])]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let (n, rank) = (y[0].dims[self.axis], y[0].rank());
        if n == 0 {
            return x.to_vec();
        }
        // XLA rewrites a window over the whole axis into a tree of small ones: the work is linear, not quadratic
        let s = y[0].with_dims([]);
        let start = cx.splat_of(&s, &self.kind.identity(s.dtype));
        let body = cx.region(&[s.clone(), s.clone()], |cx, a| vec![self.kind.lower(cx, a, &s)]);
        let (mut window, mut padding) = (vec![1; rank], vec!["[0, 0]".to_string(); rank]);
        window[self.axis] = n;
        padding[self.axis] = if self.reverse { format!("[0, {}]", n - 1) } else { format!("[{}, 0]", n - 1) };
        let ones = array(&vec![1; rank]);
        let attrs = format!(
            "window_dimensions = {}, window_strides = {ones}, base_dilations = {ones}, window_dilations = {ones}, \
             padding = dense<[{}]> : tensor<{rank}x2xi64>",
            array(&window),
            padding.join(", ")
        );
        cx.op_with("reduce_window", &[x[0].clone(), start], &attrs, vec![body], y)
    }
}

fn cases(d: DType, f: fn(Tensor, usize, bool) -> Tensor) -> Vec<Case> {
    let x = |dims: &[usize], seed| vec![sample(d, dims, seed)];
    let mut cases = vec![
        Case::new("last", x(&[2, 7], 1), move |x| vec![f(x[0], 1, false)]),
        Case::new("first, reverse", x(&[5, 2, 2], 2), move |x| vec![f(x[0], 0, true)]),
        Case::new("middle", x(&[2, 4, 2], 3), move |x| vec![f(x[0], 1, false)]),
        Case::new("one", x(&[3, 1], 4), move |x| vec![f(x[0], 1, false)]),
        Case::new("empty", x(&[3, 0], 5), move |x| vec![f(x[0], 1, true)]),
        Case::new("no lines", x(&[0, 3], 7), move |x| vec![f(x[0], 1, false)]),
    ];
    if matches!(d, DType::F32 | DType::F64) {
        // long enough for XLA to rewrite it into a tree
        cases
            .push(Case::new("long", vec![sample_in(d, &[300], 6, 0.9, 1.1)], move |x| vec![f(x[0], 0, false)]).wrt([]));
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let rows = vec![-inf, -inf, 1.0, inf, nan, 2.0, 0.5, nan];
        cases.push(Case::new("special", vec![Host::floats(d, [2, 4], rows)], move |x| vec![f(x[0], 1, false)]).wrt([]));
    }
    cases
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "cumsum", dtypes: is_number, cases: |d| cases(d, cumsum) },
    Row { name: "cumprod", dtypes: is_number, cases: |d| cases(d, cumprod) },
    Row { name: "cummax", dtypes: is_real, cases: |d| cases(d, cummax) },
    Row { name: "cummin", dtypes: is_real, cases: |d| cases(d, cummin) },
    Row { name: "cumlogsumexp", dtypes: is_float, cases: |d| cases(d, cumlogsumexp) },
];
