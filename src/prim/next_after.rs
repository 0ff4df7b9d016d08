//! The neighbours of floats.
use super::*;
use crate::{
    host::{float_bits, float_from_bits},
    trace::bind1,
};

/// The next float after x towards y.
#[derive(Debug, PartialEq, Hash)]
pub struct NextAfter;
/// The next number of the dtype after x towards y; y where they are equal, NaN if one is. Its derivative is 0. Operands of one shape
/// and dtype. JAX: `lax.nextafter`.
#[track_caller]
pub fn nextafter(x: Tensor, y: Tensor) -> Tensor {
    bind1(NextAfter, &[x, y])
}
/// What it means for two numbers of a dtype.
fn beside(dtype: DType, x: f64, y: f64) -> f64 {
    if x == y || x.is_nan() || y.is_nan() {
        return if x == y { y } else { f64::NAN };
    }
    if x == 0.0 {
        return float_from_bits(dtype, 1).copysign(y);
    }
    // the bits of a float count its size
    let away = (y > x) == (x > 0.0);
    let bits = float_bits(dtype, x);
    float_from_bits(dtype, if away { bits + 1 } else { bits - 1 })
}
impl Primitive for NextAfter {
    fn name(&self) -> &'static str {
        "nextafter"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        same_types(x)?;
        require(&x[0], wide_float, "a float of at least 16 bits")?;
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let dtype = x[0].dtype();
        let pairs = x[0].to_f64().into_iter().zip(x[1].to_f64());
        vec![Host::floats(dtype, x[0].dims(), pairs.map(|(x, y)| beside(dtype, x, y)).collect())]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let x = spread(n, x, mapped);
        vec![nextafter(x[0], x[1])]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("chlo.next_after", x, "", &y[0])]
    }
}
fn wide_float(d: DType) -> bool {
    d.is_float() && d.bits() >= 16
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row {
    name: "nextafter",
    dtypes: wide_float,
    cases: |d| {
        let apply = |x: &[Tensor]| vec![nextafter(x[0], x[1])];
        let pair = |dims: &[usize]| vec![sample(d, dims, 1), sample(d, dims, 2)];
        let s = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.5, -2.0];
        let (a, b) = s.iter().flat_map(|a| s.iter().map(move |b| (*a, *b))).unzip();
        let special = vec![Host::floats(d, [49], a), Host::floats(d, [49], b)];
        // (its steps are smaller than what derivatives are compared by)
        vec![
            Case::new("values", pair(&[3, 4]), apply).wrt([]),
            Case::new("empty", pair(&[0, 2]), apply).wrt([]),
            Case::new("special", special, apply).wrt([]),
        ]
    },
}];
