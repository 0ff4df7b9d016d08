//! Differences, interpolation, convolutions, polynomials.
use super::Cases;
use raxla::{
    numpy::{self, Interp, Mode},
    prelude::*,
};

fn vector(beside: Tensor, v: &[f64]) -> Tensor {
    literal(Host::floats(DType::F64, [v.len()], v.to_vec())).cast(beside.dtype())
}
fn ascending(x: Tensor) -> Tensor {
    vector(x, &[-1.0, -0.25, 0.5, 1.5, 3.0])
}

pub(super) fn cases() -> Cases {
    [lines(), polynomials()].concat()
}
fn lines() -> Cases {
    vec![
        ("diff", |x| vec![numpy::diff(x[0], 2, 1)]),
        ("ediff1d", |x| vec![numpy::ediff1d(x[0], Some(x[2]), Some(x[1]))]),
        ("gradient", |x| vec![numpy::gradient(x[0], 0.5, 1)]),
        ("gradient_coordinates", |x| vec![numpy::gradient(x[0], x[1], 1)]),
        ("trapezoid", |x| vec![numpy::trapezoid(x[0], 0.25, 0)]),
        ("trapezoid_x", |x| vec![numpy::trapezoid(x[0], x[1], 1)]),
        ("interp", |x| vec![numpy::interp(x[0], ascending(x[0]), x[1], Interp::default())]),
        ("interp_outside", |x| {
            let outside = Interp { left: Some(-7.0), right: Some(9.0), period: None };
            vec![numpy::interp(x[0], ascending(x[0]), x[1], outside)]
        }),
        ("interp_period", |x| {
            let points = vector(x[0], &[3.0, 0.5, 1.0, 2.25, 1.75]);
            vec![numpy::interp(x[0], points, x[1], Interp { period: Some(4.0), ..Default::default() })]
        }),
        ("unwrap", |x| vec![numpy::unwrap(x[0], -1)]),
        ("convolve_full", |x| vec![numpy::convolve(x[0], x[1], Mode::Full)]),
        ("convolve_same", |x| vec![numpy::convolve(x[0], x[1], Mode::Same)]),
        ("convolve_valid", |x| vec![numpy::convolve(x[0], x[1], Mode::Valid)]),
        ("correlate_full", |x| vec![numpy::correlate(x[0], x[1], Mode::Full)]),
        ("correlate_same", |x| vec![numpy::correlate(x[0], x[1], Mode::Same)]),
        ("correlate_valid", |x| vec![numpy::correlate(x[0], x[1], Mode::Valid)]),
    ]
}
fn polynomials() -> Cases {
    vec![
        ("polyval", |x| vec![numpy::polyval(x[0], x[1])]),
        ("polyadd", |x| vec![numpy::polyadd(x[0], x[1])]),
        ("polysub", |x| vec![numpy::polysub(x[0], x[1])]),
        ("polymul", |x| vec![numpy::polymul(x[0], x[1])]),
        ("polydiv", |x| {
            let (quotient, rest) = numpy::polydiv(x[0], x[1]);
            vec![quotient, rest]
        }),
        ("polyder", |x| vec![numpy::polyder(x[0], 2)]),
        ("polyint", |x| vec![numpy::polyint(x[0], 2, Some(vector(x[0], &[2.0, 3.0])))]),
        ("polyfit", |x| vec![numpy::polyfit(x[0], x[1], 2)]),
        ("poly", |x| vec![numpy::poly(x[0])]),
    ]
}
