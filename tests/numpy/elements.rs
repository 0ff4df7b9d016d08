//! Functions of each element, and reductions.
use super::{Cases, Function};
use raxla::{
    numpy::{self, BitOrder, Close, Over},
    prelude::*,
};

pub(super) fn ints(v: &[i128]) -> Tensor {
    literal(Host::ints(DType::I32, [v.len()], v.to_vec()))
}
pub(super) fn mask() -> Tensor {
    literal(Host::ints(DType::Bool, [3, 4], vec![1, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1]))
}
fn int(x: Tensor) -> Tensor {
    x.cast(DType::I32)
}

/// Functions of one or two tensors, by their names.
macro_rules! named {
    ($($f:ident)*; $($g:ident)*) => {
        vec![
            $((stringify!($f), (|x| vec![numpy::$f(x[0])]) as Function),)*
            $((stringify!($g), (|x| vec![numpy::$g(x[0], x[1])]) as Function),)*
        ]
    };
}
pub(super) fn cases() -> Cases {
    let mut all: Cases = named! {
        exp2 log2 log10 square reciprocal tan arcsin arccos arctan sinh cosh arcsinh arccosh arctanh radians degrees sinc
        isinf isposinf isneginf signbit;
        hypot logaddexp2 float_power copysign fmax fmin floor_divide
    };
    let others: Cases = vec![
        ("trunc", |x| vec![x[0] * numpy::trunc(x[0])]),
        ("modf", |x| vec![numpy::modf(x[0]).0]),
        ("around", |x| vec![x[0] * numpy::around(x[0], 1)]),
        ("select", |x| vec![numpy::select(&[x[0].gt(0.3), x[1].gt(1.0)], &[x[0] * x[0], x[1]], -1.0)]),
        ("piecewise", |x| {
            let functions: [&dyn Fn(Tensor) -> Tensor; 3] = [&|x| x.sin(), &|x| x.cos(), &|x| x * x];
            vec![numpy::piecewise(x[0], &[x[0].lt(-0.2), x[0].gt(0.4)], &functions)]
        }),
        ("choose", |x| vec![numpy::choose(ints(&[0, 1, 1, 5, 0, -2]), x)]),
        ("floor_divide_int", |x| vec![numpy::floor_divide(int(x[0]), 3)]),
        ("divmod", |x| {
            let (whole, rest) = numpy::divmod(x[0], x[1]);
            vec![whole, rest]
        }),
        ("heaviside", |x| vec![numpy::heaviside(x[0], 0.5)]),
        ("fmax_nan", |x| vec![numpy::fmax(x[0], x[0].flip(0))]),
        ("fmin_nan", |x| vec![numpy::fmin(x[0], x[0].flip(0))]),
        ("nan_to_num", |x| vec![numpy::nan_to_num(x[0], 7.0, Some(100.0), Some(-5.0))]),
        ("isclose", |x| {
            let off = literal(Host::floats(DType::F64, [9], vec![0., 0., 1e-6, 1e-3, 0., 0., 0., 0., 9e-6]));
            vec![numpy::isclose(x[0], x[0] * (off.cast(x[0].dtype()) + 1.0), Close::default())]
        }),
        ("gcd", |x| vec![numpy::gcd(int(x[0]), int(x[1]))]),
        ("lcm", |x| vec![numpy::lcm(int(x[0]), int(x[1]))]),
        ("frexp", |x| {
            let (mantissa, exponent) = numpy::frexp(x[0]);
            vec![mantissa, exponent]
        }),
        ("ldexp", |x| vec![numpy::ldexp(x[0], ints(&[3, -2, 0, 10, -30, 7]))]),
        ("unpackbits", |x| vec![numpy::unpackbits(x[0].cast(DType::U8).reshape([1, 3]), 1, BitOrder::Big)]),
        ("packbits", |x| vec![numpy::packbits(x[0].gt(0.0), 0, BitOrder::Little)]),
        ("array_equal", |x| {
            let x = x[0];
            vec![numpy::array_equal(x, x), numpy::array_equal(x, x + 1.0), numpy::array_equiv(x, x.expand_dims(0))]
        }),
    ];
    all.extend(others);
    all
}

fn over(initial: Option<f64>, ddof: f64) -> Over {
    Over { mask: Some(mask()), initial, ddof, keepdims: false }
}
fn ddof(keepdims: bool) -> Over {
    Over { ddof: 1.0, keepdims, ..Default::default() }
}
pub(super) fn reductions() -> Cases {
    vec![
        ("sum_where", |x| vec![numpy::sum(x[0], 1, over(Some(0.5), 0.0))]),
        ("prod_where", |x| vec![numpy::prod(x[0], 0, over(Some(2.0), 0.0))]),
        ("max_where", |x| vec![numpy::max(x[0], 1, over(Some(-0.5), 0.0))]),
        ("min_where", |x| vec![numpy::min(x[0], 1, over(Some(9.0), 0.0))]),
        ("mean_where", |x| vec![numpy::mean(x[0], 1, over(None, 0.0))]),
        ("var_where", |x| vec![numpy::var(x[0], 1, over(None, 1.0))]),
        ("var_ddof", |x| vec![numpy::var(x[0], .., ddof(false))]),
        ("std_ddof", |x| vec![numpy::std(x[0], 0, ddof(true))]),
        ("any_where", |x| vec![numpy::any(x[0].gt(0.5), 1, over(None, 0.0))]),
        ("all_where", |x| vec![numpy::all(x[0].gt(-0.5), 1, over(None, 0.0))]),
        ("ptp", |x| vec![numpy::ptp(x[0], 1)]),
        ("cumsum", |x| vec![numpy::cumsum(x[0], -1)]),
        ("cumprod", |x| vec![numpy::cumprod(x[0], 0)]),
        ("cumulative_sum", |x| vec![numpy::cumulative_sum(x[0], 1, true)]),
        ("cumulative_prod", |x| vec![numpy::cumulative_prod(x[0], 1, true)]),
        ("average", |x| vec![numpy::average(x[0], 1, Some(x[1]))]),
        ("nansum", |x| vec![numpy::nansum(x[0], 1)]),
        ("nanprod", |x| vec![numpy::nanprod(x[0], 1)]),
        ("nanmax", |x| vec![numpy::nanmax(x[0], 1)]),
        ("nanmin", |x| vec![numpy::nanmin(x[0], 1)]),
        ("nanmean", |x| vec![numpy::nanmean(x[0], 1)]),
        ("nanvar", |x| vec![numpy::nanvar(x[0], 1, 1.0)]),
        ("nanstd", |x| vec![numpy::nanstd(x[0], 0, 0.0)]),
        ("nancumsum", |x| vec![numpy::nancumsum(x[0], 1)]),
        ("nancumprod", |x| vec![numpy::nancumprod(x[0], 1)]),
        ("nanargmax", |x| vec![numpy::nanargmax(x[0], 1)]),
        ("nanargmin", |x| vec![numpy::nanargmin(x[0], 1)]),
        ("count_nonzero", |x| vec![numpy::count_nonzero(x[0].gt(0.0), 1)]),
    ]
}
