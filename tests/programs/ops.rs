//! The steps that hold no programs. Each keeps values of moderate size moderate, and stays away from the points where it
//! is not smooth: equal elements are moved apart before they are compared, jumps lie at odd places.
use crate::{
    calls::Call,
    devices::Grid,
    exchange::{self, Exchange},
    program::Style,
};
use raxla::{
    Aval, DType, IndexMode, Padding, PartitionSpec, Tensor, Window, checkpoint_name, concat, conv, debug_assert,
    debug_check, debug_print, full, iota, optimization_barrier,
    prim::{self, Direction, DotGeneral},
    where_,
};
use std::fmt;

/// A function with a name to print.
pub type Named<F> = (&'static str, F);
pub type Unary = Named<fn(Tensor) -> Tensor>;
pub type Binary = Named<fn(Tensor, Tensor) -> Tensor>;
pub type Along = Named<fn(Tensor, usize, bool) -> Tensor>;
pub type Over = Named<fn(Tensor, &[usize]) -> Tensor>;

#[derive(Clone)]
pub enum Op {
    /// Numbers that differ; bools that alternate.
    Constant(Aval),
    /// The mean (of integers the sum, of bools whether any holds), cast and repeated.
    Fit(Aval),
    Unary(Unary),
    Binary(Binary),
    Compare(Direction),
    /// Operands: condition, yes, no.
    Select,
    /// Operands: low, x, high.
    Clamp,
    Cast(DType),
    Over(Over, Vec<usize>),
    Along(Along, usize, bool),
    /// Of the largest, or the smallest.
    ArgExtreme(usize, bool),
    /// Several operands, ordered by the first.
    Sort(usize),
    Argsort(usize),
    TopK(usize),
    Reshape(Vec<usize>),
    Transpose(Vec<usize>),
    Broadcast(Vec<usize>, Vec<usize>),
    Concat(usize),
    Reverse(Vec<usize>),
    Slice(Vec<usize>, Vec<usize>, Vec<usize>),
    /// Operands: x, the value around it.
    Pad(Vec<(i64, i64, usize)>),
    Dot(DotGeneral),
    /// Operands: input, kernel.
    Conv(Window),
    /// Operands: x, indices.
    Take(usize, IndexMode),
    /// Operands: x, indices of its shape.
    TakeAlong(usize),
    /// Operands: x, indices, updates.
    At(Binary),
    /// Operands: x, what orders its rows, updates of its shape.
    AtPermuted(Binary),
    /// Operands: x, starts.
    DynamicSlice(Vec<usize>),
    /// Operands: x, update, starts.
    DynamicUpdate,
    Barrier,
    /// Divided over a mesh like this.
    Constrain(Grid, PartitionSpec),
    Exchange(Exchange),
    Call(Box<Call>),
}

pub const SMOOTH: &[Unary] = &[
    ("sin", |x| x.sin()),
    ("cos", |x| x.cos()),
    ("tanh", |x| x.tanh()),
    ("logistic", |x| x.logistic()),
    ("neg", |x| -x),
    ("exp(sin x)", |x| x.sin().exp()),
    ("expm1(sin x)", |x| x.sin().expm1()),
    ("log(x²+½)", |x| (x * x + 0.5).log()),
    ("log1p(x²)", |x| (x * x).log1p()),
    ("√(x²+⅓)", |x| (x * x + 1.0 / 3.0).sqrt()),
    ("1/√(x²+½)", |x| (x * x + 0.5).rsqrt()),
    ("∛(x²+½)", |x| (x * x + 0.5).cbrt()),
    ("erf", |x| x.erf()),
    ("erf⁻¹(⅔ sin x)", |x| (x.sin() * (2.0 / 3.0)).erf_inv()),
    ("sin³", |x| x.sin().powi(3)),
    ("1/(x²+1)", |x| (x * x + 1.0).powi(-1)),
    ("|x-0.37|", |x| (x - 0.37).abs()),
    ("named", |x| checkpoint_name(x * 0.9, "named")),
    ("tan(½ sin x)", |x| (x.sin() * 0.5).tan()),
    ("asin(⅔ sin x)", |x| (x.sin() * (2.0 / 3.0)).asin()),
    ("acos(⅔ sin x)", |x| (x.sin() * (2.0 / 3.0)).acos()),
    ("atan", |x| x.atan()),
    ("sinh(sin x)", |x| x.sin().sinh()),
    ("cosh(sin x)", |x| x.sin().cosh()),
    ("asinh", |x| x.asinh()),
    ("½acosh(x²+1½)", |x| (x * x + 1.5).acosh() * 0.5),
    ("atanh(⅔ sin x)", |x| (x.sin() * (2.0 / 3.0)).atanh()),
    ("erfc", |x| x.erfc()),
    ("lgamma(sin x+2)", |x| (x.sin() + 2.0).lgamma()),
    ("digamma(sin x+2)", |x| (x.sin() + 2.0).digamma()),
    ("polygamma(1, sin x+2)", |x| prim::polygamma(x.like(1.0), x.sin() + 2.0)),
    ("zeta(2½, sin x+2)", |x| prim::zeta(x.like(2.5), x.sin() + 2.0)),
    ("i0e", |x| x.bessel_i0e()),
    ("i1e", |x| x.bessel_i1e()),
    ("igamma(1½, sin x+2)", |x| prim::igamma(x.like(1.5), x.sin() + 2.0)),
    ("igammac(1½, sin x+2)", |x| prim::igammac(x.like(1.5), x.sin() + 2.0)),
    ("betainc(2, 3, σ(x))", |x| prim::betainc(x.like(2.0), x.like(3.0), x.logistic())),
];
/// Piecewise constant ones.
pub const JUMPS: &[Unary] = &[
    ("⌊1.7x+0.37⌋", |x| (x * 1.7 + 0.37).floor()),
    ("⌈1.3x+0.41⌉", |x| (x * 1.3 + 0.41).ceil()),
    ("round(1.7x+0.13)", |x| (x * 1.7 + 0.13).round()),
    ("round_away(1.7x+0.13)", |x| (x * 1.7 + 0.13).round_away()),
    ("sign(x-0.37)", |x| (x - 0.37).sign()),
    ("is_finite", |x| x.is_finite()),
];
/// Those whose derivatives are not those of their values.
pub const OPAQUE: &[Unary] = &[
    ("stop_gradient", |x| x.stop_gradient()),
    ("reduce_precision", |x| x.reduce_precision(8, 12)),
    ("next to it", |x| prim::nextafter(x, x + 1.0)),
];
/// What is known before the program runs, and what is computed twice.
pub const KNOWN: &[Unary] = &[
    ("x·1+0", |x| x * 1.0 + 0.0),
    ("0+1·x", |x| 0.0 + 1.0 * x),
    ("x/1-0", |x| x / 1.0 - 0.0),
    ("x+x·0", |x| x + x * 0.0),
    ("x^1", |x| x.pow(1.0).maximum(f64::NEG_INFINITY)),
    ("½(f(x)+f(x))", |x| (x.sin() * x.cos() + x.sin() * x.cos()) * 0.5),
    ("x where true", |x| where_(x.like(1.0).gt(0.0), x, x * 2.0)),
    ("x with 1s beside", |x| concat(&[x.reshape([x.size()]), full([2], x.dtype(), 1.0)], 0).sum(0) * 0.3),
    ("x + the sum of 1s", |x| x + full([3], x.dtype(), 1.0).sum(0).broadcast_to(x.dims()) * 0.1),
];
/// The identity, with something said or checked on the host.
pub const WATCHED: &[Unary] = &[
    ("printed", |x| {
        debug_print("{}", x);
        x
    }),
    ("asserted", |x| {
        debug_assert(x.eq(x) | x.ne(x), "{}", x);
        x
    }),
    ("checked", |x| {
        debug_check(x.is_finite().cast(DType::F32), "it");
        x
    }),
];
pub const FLOATS: &[Binary] = &[
    ("0.6(x+y)", |x, y| (x + y) * 0.6),
    ("x-y", |x, y| (x - y) * 0.8),
    ("sin(xy)", |x, y| (x * y).sin()),
    ("x/(y²+1)", |x, y| x / (y * y + 1.0)),
    ("max(x, y+0.217)", |x, y| x.maximum(y + 0.217)),
    ("min(x, y-0.371)", |x, y| x.minimum(y - 0.371)),
    ("(x²+½)^sin y", |x, y| (x * x + 0.5).pow(y.sin())),
    ("atan2(x, y²+½)", |x, y| x.atan2(y * y + 0.5)),
    ("x+0.13 rem y²+1", |x, y| (x + 0.13) % (y * y + 1.0)),
];
pub const INTEGERS: &[Binary] = &[
    ("x+y", |x, y| x + y),
    ("x-y", |x, y| x - y),
    ("xy", |x, y| x * y),
    ("x/y", |x, y| x / y),
    ("x rem y", |x, y| x % y),
    ("x mod y", |x, y| x.modulo(y)),
    ("x&y", |x, y| x & y),
    ("x|y", |x, y| x | y),
    ("x^y", |x, y| x ^ y),
    ("max", |x, y| x.maximum(y)),
    ("min", |x, y| x.minimum(y)),
    ("x<<(y&7)", |x, y| x << (y & 7)),
    ("x>>(y&7)", |x, y| x >> (y & 7)),
];
pub const BITS: &[Unary] = &[
    ("not", |x| !x),
    ("popcount", |x| x.population_count()),
    ("clz", |x| x.leading_zeros()),
    ("x³", |x| x.powi(3)),
    ("x+3", |x| x + 3),
];
pub const BOOLS: &[Binary] = &[("and", |x, y| x & y), ("or", |x, y| x | y), ("xor", |x, y| x ^ y)];
pub const OVER_FLOATS: &[Over] = &[
    ("⅓sum", |x, axes| prim::reduce_sum(x, axes) / 3.0),
    ("mean", |x, axes| x.mean(signed(axes))),
    ("var", |x, axes| x.var(signed(axes)).sin()),
    ("prod sin", |x, axes| prim::reduce_prod(x.sin(), axes)),
    ("max apart", |x, axes| prim::reduce_max(apart(x), axes)),
    ("min apart", |x, axes| prim::reduce_min(apart(x), axes)),
    ("logsumexp", |x, axes| apart(x).logsumexp(signed(axes))),
];
pub const OVER_INTEGERS: &[Over] = &[
    ("sum", |x, axes| prim::reduce_sum(x, axes)),
    ("prod", |x, axes| prim::reduce_prod(x, axes)),
    ("max", |x, axes| prim::reduce_max(x, axes)),
    ("min", |x, axes| prim::reduce_min(x, axes)),
    ("and", |x, axes| prim::reduce_and(x, axes)),
    ("or", |x, axes| prim::reduce_or(x, axes)),
    ("xor", |x, axes| prim::reduce_xor(x, axes)),
];
pub const ALONG_FLOATS: &[Along] = &[
    ("½cumsum", |x, axis, reverse| prim::cumsum(x, axis, reverse) * 0.5),
    ("cumprod sin", |x, axis, reverse| prim::cumprod(x.sin(), axis, reverse)),
    ("cummax apart", |x, axis, reverse| prim::cummax(apart(x), axis, reverse)),
    ("cummin apart", |x, axis, reverse| prim::cummin(apart(x), axis, reverse)),
    ("cumlogsumexp", prim::cumlogsumexp),
    ("⅓sums of windows", |x, axis, _| prim::reduce_window_sum(x, &pairs(x, axis)) / 3.0),
    ("max of windows", |x, axis, _| prim::reduce_window_max(apart(x), &pairs(x, axis))),
    ("min of windows", |x, axis, _| prim::reduce_window_min(apart(x), &pairs(x, axis))),
    ("softmax", |x, axis, _| apart(x).softmax(axis as isize)),
    ("log_softmax", |x, axis, _| apart(x).log_softmax(axis as isize)),
];
pub const ALONG_INTEGERS: &[Along] =
    &[("cumsum", prim::cumsum), ("cumprod", prim::cumprod), ("cummax", prim::cummax), ("cummin", prim::cummin)];
/// Updates of rows which may meet.
pub const UPDATES: &[Binary] = &[("set", keep), ("add", keep), ("mul", keep), ("max", keep), ("min", keep)];
fn keep(x: Tensor, _: Tensor) -> Tensor {
    x
}

/// Windows of two along an axis, as many as elements.
fn pairs(x: Tensor, axis: usize) -> prim::Windows {
    let mut dimensions = vec![1; x.rank()];
    dimensions[axis] = 2;
    prim::Windows { dimensions, padding: Padding::Same, ..Default::default() }
}
fn signed(axes: &[usize]) -> Vec<isize> {
    axes.iter().map(|a| *a as isize).collect()
}
/// Different numbers, of any dtype.
fn ramp(a: &Aval) -> Tensor {
    let wide = iota([a.size()], DType::F64, 0).reshape(&*a.dims);
    match a.dtype {
        d if d.is_float() => (wide * 0.0531 + 0.3).cast(d),
        DType::Bool => (wide % 2.0).cast(DType::Bool),
        d => (wide % 5.0).cast(d),
    }
}
/// Floats moved a little, so that equal ones differ; other dtypes as they are. By steps that are exact: computed twice, with
/// and without a fused multiplication, the result must be the same.
fn apart(x: Tensor) -> Tensor {
    let a = x.aval();
    if !a.dtype.is_float() {
        return x;
    }
    let steps = iota([a.size()], DType::F64, 0).reshape(&*a.dims) * 0.015625;
    x + steps.cast(a.dtype)
}
fn cast(x: Tensor, to: DType) -> Tensor {
    match (x.dtype(), to) {
        (from, to) if from.is_float() == to.is_float() || from == DType::Bool => x.cast(to),
        (_, DType::Bool) if x.dtype().is_float() => x.gt(0.237),
        (from, to) if from.is_float() => (x * 1.7 + 0.37).cast(to),
        (_, to) => (x % 7).cast(to) * 0.3,
    }
}
fn fit(x: Tensor, a: &Aval) -> Tensor {
    let one = match x.dtype() {
        d if d.is_float() => x.mean(..),
        DType::Bool => x.any(..),
        _ => prim::reduce_sum(x, (0..x.rank()).collect::<Vec<_>>()),
    };
    cast(one, a.dtype).broadcast_to(&*a.dims)
}
fn update(rows: raxla::Rows, name: &str, updates: Tensor) -> Tensor {
    match name {
        "set" => rows.set(updates),
        "add" => rows.add(updates),
        "mul" => rows.mul(updates),
        "max" => rows.max(apart(updates)),
        _ => rows.min(apart(updates)),
    }
}
/// The order of the rows of a tensor, each index once.
fn order(x: Tensor) -> Tensor {
    let rows = apart(x).cast(DType::F64).reshape([x.dim(0), x.size() / x.dim(0).max(1)]);
    rows.mean(1).argsort(0)
}

impl Op {
    /// The results of the step.
    pub fn apply(&self, x: &[Tensor], style: Style) -> Vec<Tensor> {
        vec![match self {
            Op::Constant(a) => ramp(a),
            Op::Fit(a) => fit(x[0], a),
            Op::Unary((_, f)) => f(x[0]),
            Op::Binary((_, f)) => f(x[0], x[1]),
            // (what is equal is not where it jumps)
            Op::Compare(d) if x[1].dtype().is_float() => prim::compare(*d, x[0], x[1] + 0.0123),
            Op::Compare(d) => prim::compare(*d, x[0], x[1]),
            Op::Select => where_(x[0], x[1], x[2]),
            // (what is clamped twice does not lie on the bound)
            Op::Clamp if x[0].dtype().is_float() => prim::clamp(x[0] - 0.317, x[1], x[2] + 0.291) * 0.95,
            Op::Clamp => prim::clamp(x[0], x[1], x[2]),
            Op::Cast(to) => cast(x[0], *to),
            Op::Over((_, f), axes) => f(x[0], axes),
            Op::Along((_, f), axis, reverse) => f(x[0], *axis, *reverse),
            Op::ArgExtreme(axis, true) => apart(x[0]).argmax(*axis as isize),
            Op::ArgExtreme(axis, false) => apart(x[0]).argmin(*axis as isize),
            Op::Sort(axis) => return prim::sort(&[&[apart(x[0])], &x[1..]].concat(), *axis, 1, true),
            Op::Argsort(axis) => apart(x[0]).argsort(*axis as isize),
            Op::TopK(k) => {
                let (values, positions) = apart(x[0]).top_k(*k);
                return vec![values, positions];
            }
            Op::Reshape(dims) => x[0].reshape(&**dims),
            Op::Transpose(perm) => x[0].transpose(&**perm),
            Op::Broadcast(dims, at) => prim::broadcast_in_dim(x[0], &**dims, at.clone()),
            Op::Concat(axis) => concat(x, *axis as isize),
            Op::Reverse(axes) => prim::reverse(x[0], &**axes),
            Op::Slice(start, limit, strides) => prim::slice(x[0], &**start, &**limit, &**strides),
            Op::Pad(edges) => prim::pad(x[0], x[1], &**edges),
            Op::Dot(how) => (prim::dot_general(x[0], x[1], how.clone()) * 0.4).sin(),
            Op::Conv(window) => (conv("ncw,oiw->ncw", x[0], x[1], window.clone()) * 0.4).sin(),
            Op::Take(axis, mode) => {
                let n = x[0].dims()[*axis].min(100);
                let indices = if *mode == IndexMode::Fill { x[1].cast(DType::I32) % n } else { x[1] };
                x[0].take_with(indices, *axis as isize, *mode)
            }
            Op::TakeAlong(axis) => x[0].take_along_axis(x[1].cast(DType::I32) % x[0].dims()[*axis], *axis as isize),
            Op::At((name, _)) => update(x[0].at(x[1]), name, x[2]),
            Op::AtPermuted((name, _)) => update(x[0].at(order(x[1])).unique(), name, x[2]),
            Op::DynamicSlice(sizes) => prim::dynamic_slice(x[0], &x[1..], &**sizes),
            Op::DynamicUpdate => prim::dynamic_update_slice(x[0], x[1], &x[2..]),
            Op::Barrier => return optimization_barrier(x.to_vec()),
            Op::Constrain(grid, spec) => exchange::constrained(x[0], grid, spec),
            Op::Exchange(e) => e.apply(x),
            Op::Call(call) => return call.apply(x, style),
        }]
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Op::Constant(_) => write!(f, "constant"),
            Op::Fit(_) => write!(f, "fit"),
            Op::Unary((name, _)) | Op::Binary((name, _)) => write!(f, "[{name}]"),
            Op::Compare(d) => write!(f, "{d:?}"),
            Op::Select => write!(f, "select"),
            Op::Clamp => write!(f, "clamp"),
            Op::Cast(_) => write!(f, "cast"),
            Op::Over((name, _), axes) => write!(f, "{name} over {axes:?}"),
            Op::Along((name, _), axis, reverse) => {
                write!(f, "{name} along {axis}{}", if *reverse { " reverse" } else { "" })
            }
            Op::ArgExtreme(axis, largest) => write!(f, "{} {axis}", if *largest { "argmax" } else { "argmin" }),
            Op::Sort(axis) => write!(f, "sort {axis}"),
            Op::Argsort(axis) => write!(f, "argsort {axis}"),
            Op::TopK(k) => write!(f, "top {k}"),
            Op::Reshape(_) => write!(f, "reshape"),
            Op::Transpose(perm) => write!(f, "transpose {perm:?}"),
            Op::Broadcast(_, at) => write!(f, "broadcast at {at:?}"),
            Op::Concat(axis) => write!(f, "concat {axis}"),
            Op::Reverse(axes) => write!(f, "reverse {axes:?}"),
            Op::Slice(start, limit, strides) => write!(f, "slice {start:?}..{limit:?} by {strides:?}"),
            Op::Pad(edges) => write!(f, "pad {edges:?}"),
            Op::Dot(how) => write!(f, "sin of 0.4 {how:?}"),
            Op::Conv(window) => write!(f, "sin of 0.4 conv {window:?}"),
            Op::Take(axis, mode) => write!(f, "take {axis} {mode:?}"),
            Op::TakeAlong(axis) => write!(f, "take_along {axis}"),
            Op::At((name, _)) => write!(f, "at.{name}"),
            Op::AtPermuted((name, _)) => write!(f, "at permuted.{name}"),
            Op::DynamicSlice(_) => write!(f, "dynamic_slice"),
            Op::DynamicUpdate => write!(f, "dynamic_update_slice"),
            Op::Barrier => write!(f, "barrier"),
            Op::Constrain(_, spec) => write!(f, "constrain {spec}"),
            Op::Exchange(e) => write!(f, "{e:?}"),
            Op::Call(call) => write!(f, "{call}"),
        }
    }
}

/// A scalar of a number.
pub fn number(x: impl prim::Scalar, dtype: DType) -> Tensor {
    full([], dtype, x)
}
