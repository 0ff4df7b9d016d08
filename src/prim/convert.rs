//! Changes of dtype.
use super::*;
use crate::trace::bind1;

/// Each element converted to another dtype.
#[derive(Debug, PartialEq, Hash)]
pub struct Convert {
    to: DType,
}
impl Tensor {
    /// Each element converted to `dtype`: floats are rounded to nearest even, integers wrap, floats become integers
    /// towards zero (saturating; NaN gives 0), and anything non-zero is `true`. The same dtype costs nothing. Complex numbers only
    /// become complex numbers of another width, or bools: [`Tensor::real`] takes their real parts.
    #[track_caller]
    pub fn cast(self, dtype: DType) -> Tensor {
        if self.dtype() == dtype { self } else { bind1(Convert { to: dtype }, &[self]) }
    }
}
impl Primitive for Convert {
    fn name(&self) -> &'static str {
        "convert"
    }
    fn tag(&self) -> Tag<'_> {
        Tag::Movement
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if x[0].dtype.is_complex() && !self.to.is_complex() && self.to != DType::Bool {
            let reason = format!("converting {} to {} would drop the imaginary parts", x[0].dtype, self.to);
            return Err(Refusal::new(reason).help("take `x.real()`, `x.imag()` or `x.abs()` first"));
        }
        Ok(vec![x[0].with_dtype(self.to)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        vec![x[0].cast(self.to)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].filter(|_| self.to.is_inexact()).map(|d| d.cast(self.to))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let from = x[0].aval().dtype;
        // (what becomes complex has no imaginary part, so that of the cotangent has no effect)
        vec![ct[0].map(|ct| if from.is_complex() { ct.cast(from) } else { ct.real().cast(from) })]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].cast(self.to)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if self.to == DType::Bool {
            // StableHLO's convert to i1 keeps the lowest bit; what we want is a comparison with zero
            let zero = cx.splat(&x[0].aval, 0.0);
            let attrs = "comparison_direction = #stablehlo<comparison_direction NE>";
            return vec![cx.op("compare", &[x[0].clone(), zero], attrs, &y[0])];
        }
        // (XLA takes the largest number of a format without infinities for one, and makes the largest integer of it)
        if x[0].aval.dtype == DType::F4E2M1FN && self.to.is_int() {
            let wide = cx.op("convert", x, "", &y[0].with_dtype(DType::BF16));
            return vec![cx.op("convert", &[wide], "", &y[0])];
        }
        vec![cx.op("convert", x, "", &y[0])]
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        x[0].and_then(|h| converted(h, self.to)).or(Some(Known::Operand(0)))
    }
}

/// Floats rounded as if they had fewer bits.
#[derive(Debug, PartialEq, Hash)]
pub struct ReducePrecision {
    exponent_bits: usize,
    mantissa_bits: usize,
}
impl Tensor {
    /// Floats rounded to what a format with this many exponent and mantissa bits can hold, in their own dtype. Too large
    /// numbers become infinite and those below the format's smallest normal number 0.
    #[track_caller]
    pub fn reduce_precision(self, exponent_bits: usize, mantissa_bits: usize) -> Tensor {
        bind1(ReducePrecision { exponent_bits, mantissa_bits }, &[self])
    }
}
impl ReducePrecision {
    fn round(&self, dtype: DType, x: f64) -> f64 {
        let (exponent_bits, mantissa_bits) = format_of(dtype);
        if x == 0.0 || !x.is_finite() {
            return x;
        }
        // numbers below the smallest normal one all have its exponent
        let exponent = |x: f64| ((x.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(2 - (1 << (exponent_bits - 1)));
        let rounded = if self.mantissa_bits < mantissa_bits {
            let step = 2f64.powi(exponent(x) - self.mantissa_bits as i32);
            (x / step).round_ties_even() * step
        } else {
            x
        };
        let largest = (1 << (self.exponent_bits - 1)) - 1;
        match exponent(rounded) {
            _ if self.exponent_bits >= exponent_bits => rounded,
            e if e > largest => f64::INFINITY.copysign(x),
            e if e <= -largest => 0f64.copysign(x),
            _ => rounded,
        }
    }
}
/// Exponent and mantissa bits of a float dtype.
fn format_of(dtype: DType) -> (usize, usize) {
    match dtype {
        DType::F64 => (11, 52),
        DType::F32 => (8, 23),
        DType::BF16 => (8, 7),
        _ => (5, 10),
    }
}
impl Primitive for ReducePrecision {
    fn name(&self) -> &'static str {
        "reduce_precision"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], wide_float, "a float of at least 16 bits")?;
        if self.exponent_bits == 0 || self.exponent_bits > 11 || self.mantissa_bits > 52 {
            let (e, m) = (self.exponent_bits, self.mantissa_bits);
            return Err(format!("there is no format of {e} exponent and {m} mantissa bits").into());
        }
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let d = x[0].dtype();
        vec![Host::floats(d, x[0].dims(), x[0].to_f64().into_iter().map(|x| self.round(d, x)).collect())]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| d.reduce_precision(self.exponent_bits, self.mantissa_bits))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        vec![ct[0].map(|ct| ct.reduce_precision(self.exponent_bits, self.mantissa_bits))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].reduce_precision(self.exponent_bits, self.mantissa_bits)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let (e, m) = (self.exponent_bits, self.mantissa_bits);
        vec![cx.op("reduce_precision", x, &format!("exponent_bits = {e} : i32, mantissa_bits = {m} : i32"), &y[0])]
    }
}
fn wide_float(d: DType) -> bool {
    d.is_float() && d.bits() >= 16
}
fn reduce_precision_cases(d: DType) -> Vec<Case> {
    let edges = vec![0.0, -0.0, 1.0, -1.5, 1e-3, 300.0, 449.0, 65520.0, 7e4, 1e-6, -6e-8, f64::INFINITY, f64::NAN];
    let format = |e: usize, m: usize| {
        let inputs = vec![sample_in(d, &[40], 1, -700.0, 700.0), Host::floats(d, [edges.len()], edges.clone())];
        // its derivative is not that of the function it computes
        Case::new(format!("{e}, {m}"), inputs, move |x| x.iter().map(|x| x.reduce_precision(e, m)).collect()).wrt([])
    };
    vec![format(4, 3), format(5, 2), format(5, 10), format(8, 7), format(8, 23), format(3, 0), format(11, 52)]
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "reduce_precision", dtypes: wide_float, cases: reduce_precision_cases },
    Row {
        name: "convert",
        dtypes: any_dtype,
        cases: |d| {
            let kept = move |t: &DType| !d.is_complex() || t.is_complex() || *t == DType::Bool;
            // (formats of storage beside four others: tests/small_floats.rs has all of their numbers)
            let beside = |t: DType| matches!(t, DType::F32 | DType::BF16 | DType::I32 | DType::Bool);
            let paired = move |t: &DType| match (d.is_storage(), t.is_storage()) {
                (false, false) => true,
                (true, true) => false,
                (true, false) => beside(*t),
                (false, true) => beside(d),
            };
            let to = DType::ALL.into_iter().filter(move |t| *t != d && kept(t) && paired(t));
            let edges = if d.is_inexact() {
                let big = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, -1e30, 3e9, 70000.0, 300.5, -300.5, 127.5];
                Host::floats(d, [16], [&big[..], &[0.5, -0.5, 1.5, -0.0, 1e-6, 2.75]].concat())
            } else {
                let (low, high) = crate::host::int_range(d);
                let all =
                    [low, low / 2 - 1, -129, -1, 0, 1, 7, 8, 16, 128, 255, 256, 65535, 1 << 24 | 1, high / 2, high];
                Host::ints(d, [16], all.iter().map(|i| *i.clamp(&low, &high)).collect())
            };
            let case = |t: DType| {
                vec![
                    Case::new(t.name(), vec![sample(d, &[3, 4], 1)], move |x| vec![x[0].cast(t)]),
                    Case::new(format!("{}, edges", t.name()), vec![edges.clone()], move |x| vec![x[0].cast(t)]).wrt([]),
                    Case::new(format!("{}, empty", t.name()), vec![sample(d, &[0], 2)], move |x| vec![x[0].cast(t)]),
                ]
            };
            to.flat_map(case).collect()
        },
    },
];
