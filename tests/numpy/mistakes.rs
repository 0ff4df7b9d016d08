//! What is refused says why, and what to do; and numbers at the ends of what floats are.
use super::run;
use raxla::{
    numpy::{self, Mode, PadMode, Quantile, Side},
    prelude::*,
    trace::trace_graph,
};

#[test]
fn mistakes_are_named() {
    let says = |dims: &[&[usize]], f: &dyn Fn(&[Tensor]) -> Tensor, text: &str| {
        let avals: Vec<Aval> = dims.iter().map(|d| Aval::new(DType::F32, *d)).collect();
        let have = trace_graph(&avals, |x| vec![f(x)]).unwrap_err().to_string();
        assert!(have.contains(text) && have.contains("tests/numpy/mistakes.rs"), "{have}");
    };
    says(&[&[3]], &|x| numpy::pad(x[0], &[(1, 1), (1, 1)], PadMode::Edge), "there are 2 pairs of widths");
    says(&[&[0]], &|x| numpy::pad(x[0], &[(1, 1)], PadMode::Wrap), "axis 0 has no elements to take");
    says(&[&[2], &[3]], &|x| numpy::interp(x[0], x[0], x[1], Default::default()), "these are no points");
    says(&[&[1]], &|x| numpy::gradient(x[0], 1.0, 0), "one element has no neighbour");
    says(&[&[4], &[3]], &|x| numpy::trapezoid(x[0], x[1], 0), "the coordinates are not those of the axis");
    says(&[&[2, 2], &[3]], &|x| numpy::convolve(x[0], x[1], Mode::Full), "these are no two vectors");
    says(&[&[2, 2]], &|x| numpy::searchsorted(x[0], 1.0, Side::Left), "this is no vector");
    says(&[&[0]], &|x| numpy::quantile(x[0], 0.5, 0, Quantile::Linear), "there are no such quantiles");
    says(&[&[4]], &|x| numpy::delete(x[0], &[4], 0), "there is no position 4 in axis 0");
    says(&[&[2, 4], &[2, 4]], &|x| numpy::cross(x[0], x[1], 1), "axis 1 is 4");
    says(&[&[2, 3], &[2, 3]], &|x| numpy::dot(x[0], x[1]), "do not have the same sizes");
    says(&[&[2]], &|x| numpy::select(&[], &[x[0]], 0.0), "0 conditions choose among 1 choices");
    says(&[&[2, 2]], &|x| numpy::meshgrid(x, "ij")[0], "there is no grid");
    says(&[], &|_| numpy::geomspace(-1.0, 1.0, 3, DType::F32), "no factor leads from -1 to 1");
    says(&[&[3]], &|x| x[0].roll([1, 2], 0), "the shifts are not those of 1 axes");
}

#[test]
fn neighbours_of_floats_and_their_parts() {
    let x = Host::floats(DType::F32, [6], vec![1.0, -1.0, 0.0, f64::from(f32::MAX), 5e-42, f64::INFINITY]);
    let up: Vec<f64> = x.to_f64().iter().map(|x| f64::from((*x as f32).next_up())).collect();
    let y = run(std::slice::from_ref(&x), |x| {
        let (mantissa, exponent) = numpy::frexp(x[0]);
        vec![numpy::nextafter(x[0], f64::INFINITY), numpy::ldexp(mantissa, exponent), numpy::spacing(x[0])]
    });
    let y = y.unwrap();
    assert_eq!(y[0].to_f64()[..4], up[..4]);
    assert_eq!(y[1].to_f64()[..4], x.to_f64()[..4]);
    assert_eq!(y[2].to_f64()[0], f64::from(f32::EPSILON));
    assert!(y[2].to_f64()[5].is_nan());
}

/// What JAX says at the edges.
#[test]
fn divisors_of_zero_and_tables_without_rows() {
    let of = |v: Vec<f64>| Host::floats(DType::F32, [v.len()], v);
    let x = [of(vec![1.0, -1.0, 0.0, -7.0]), of(vec![0.0, 0.0, 0.0, 2.0]), of(vec![])];
    let y = run(&x, |x| {
        let (whole, rest) = numpy::divmod(x[0], x[1]);
        vec![whole, rest, numpy::searchsorted(x[2], x[0], Side::Right)]
    });
    let y = y.unwrap();
    let (whole, rest) = (y[0].to_f64(), y[1].to_f64());
    assert_eq!([whole[0], whole[1], whole[3]], [f64::INFINITY, f64::NEG_INFINITY, -4.0]);
    assert!(whole[2].is_nan() && rest[..3].iter().all(|x| x.is_nan()) && rest[3] == 1.0, "{rest:?}");
    assert_eq!(y[2].to_f64(), [0.0; 4]);
}
