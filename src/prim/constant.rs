//! Values known while tracing.
use super::*;
use crate::{
    host::{int_range, round},
    trace::{At, bind1, op_name, refuse},
};
use num_complex::{Complex32, Complex64};

/// Captured constants above this many bytes are refused: they would be copied into the compiled program.
pub const LARGEST_CONSTANT: usize = 64 << 10;

/// A number written in the program; it takes the dtype of the tensor it meets.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a tensor: it is no number",
    label = "neither a tensor nor a number",
    note = "data comes into a traced function as its argument, `jit(|x: Tensor, w: Tensor| ..)`: an `Array` outside is a `Tensor` inside"
)]
pub trait Scalar: Copy {
    /// The number as a scalar of this dtype. A float is rounded to the nearest that the dtype has.
    ///
    /// # Errors
    /// The dtype has no such number: an integer outside of its range, a fraction where it has none, a float beyond its
    /// largest.
    fn host(self, dtype: DType) -> Result<Host, Refusal>;
}
macro_rules! scalar {
    ($($number:ident as $wide:ty: $($t:ty)*;)*) => {$($(
        impl Scalar for $t {
            fn host(self, dtype: DType) -> Result<Host, Refusal> {
                fitting(Number::$number(self as $wide), dtype)
            }
        }
    )*)*};
}
scalar! {
    Float as f64: f32 f64;
    Int as i128: i8 i16 i32 i64 i128 isize u8 u16 u32 u64 usize bool;
}

impl Scalar for Complex64 {
    fn host(self, dtype: DType) -> Result<Host, Refusal> {
        fitting(Number::Complex(self), dtype)
    }
}
impl Scalar for Complex32 {
    fn host(self, dtype: DType) -> Result<Host, Refusal> {
        Complex64::new(self.re.into(), self.im.into()).host(dtype)
    }
}

/// A number of any Rust type.
#[derive(Clone, Copy, Debug)]
enum Number {
    Float(f64),
    Int(i128),
    Complex(Complex64),
}
impl Number {
    /// As a scalar of this dtype, if it has the number.
    fn of(self, dtype: DType) -> Option<Host> {
        let (low, high) = if dtype.is_inexact() { (0, 0) } else { int_range(dtype) };
        let part = |x: f64| Some(Number::Float(x).of(dtype.real())?.to_f64()[0]);
        match self {
            Number::Complex(z) if dtype.is_complex() => {
                Some(Host::complex(dtype, [], vec![Complex64::new(part(z.re)?, part(z.im)?)]))
            }
            Number::Complex(z) if z.im == 0.0 => Number::Float(z.re).of(dtype),
            Number::Complex(_) => None,
            Number::Float(x) if dtype.is_complex() => Number::Complex(x.into()).of(dtype),
            Number::Int(n) if dtype.is_complex() => Number::Float(n as f64).of(dtype),
            Number::Float(x) if dtype.is_float() => {
                let y = round(dtype, x);
                // (4 bits have neither NaN nor infinity, and make the largest number of what is too large)
                let saturated = dtype == DType::F4E2M1FN && x.abs() >= 7.0;
                (!saturated && y.is_finite() == x.is_finite() && y.is_nan() == x.is_nan())
                    .then(|| Host::floats(dtype, [], vec![y]))
            }
            Number::Float(x) if x.fract() == 0.0 => Number::Int(x as i128).of(dtype),
            Number::Float(_) => None,
            Number::Int(n) if dtype.is_float() => Number::Float(n as f64).of(dtype),
            Number::Int(n) => (low..=high).contains(&n).then(|| Host::ints(dtype, [], vec![n])),
        }
    }
}
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Number::Float(x) => write!(f, "{x:?}"),
            Number::Int(n) => write!(f, "{n}"),
            Number::Complex(z) => write!(f, "{z}"),
        }
    }
}

/// The one way from a number in a program to a dtype.
fn fitting(number: Number, dtype: DType) -> Result<Host, Refusal> {
    number.of(dtype).ok_or_else(|| {
        let has = match dtype {
            DType::Bool => "holds 0 and 1".to_string(),
            d if d.is_complex() => format!("has parts up to {:?}", largest(d.real())),
            d if d.is_float() && matches!(number, Number::Complex(_)) => "has no imaginary part".to_string(),
            d if d.is_float() => format!("ends at {:?}", largest(d)),
            d => format!("holds integers from {} to {}", int_range(d).0, int_range(d).1),
        };
        let wider = [DType::I32, DType::I64, DType::U64, DType::F32, DType::F64, DType::C64, DType::C128];
        let holds = |d: &DType| match dtype {
            DType::F64 | DType::C128 => *d == DType::C128,
            _ if dtype.is_complex() => d.is_complex(),
            _ => d.is_inexact() || !dtype.is_float(),
        };
        let wider = wider.into_iter().find(|d| holds(d) && number.of(*d).is_some());
        let refusal = Refusal::new(format!("the number {number} does not fit {dtype}, which {has}"));
        match wider {
            Some(d) => refusal.help(format!("convert what it meets: `.cast(DType::{d:?})`")),
            None => refusal,
        }
    })
}

/// A tensor of one number, which stands beside these operands.
#[track_caller]
pub(crate) fn filled(dims: Vec<usize>, dtype: DType, value: impl Scalar, operands: Vec<Aval>) -> Tensor {
    match value.host(dtype) {
        Ok(value) => bind1(Full { dims, value: Bits(value) }, &[]),
        Err(why) => refuse(op_name("full"), operands, why),
    }
}

/// A value that is part of an operation: compared and hashed by all its bits, so that 0 is not -0, and NaN equals itself.
#[derive(Clone)]
struct Bits(Host);
impl PartialEq for Bits {
    fn eq(&self, other: &Bits) -> bool {
        self.0.same_bits(&other.0)
    }
}
impl Hash for Bits {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.0.hash_bits(h);
    }
}
impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A tensor with all elements equal.
#[derive(Debug, PartialEq, Hash)]
pub struct Full {
    dims: Vec<usize>,
    value: Bits,
}
/// A tensor with all elements equal to `value`.
#[track_caller]
pub fn full(dims: impl Into<Vec<usize>>, dtype: DType, value: impl Scalar) -> Tensor {
    filled(dims.into(), dtype, value, vec![])
}
/// A tensor of zeros.
#[track_caller]
pub fn zeros(dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
    let _at = At::op("zeros");
    full(dims, dtype, 0)
}
/// A tensor of ones.
#[track_caller]
pub fn ones(dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
    let _at = At::op("ones");
    full(dims, dtype, 1)
}
impl Primitive for Full {
    fn name(&self) -> &'static str {
        "full"
    }
    fn infer(&self, _: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        Ok(vec![Aval::new(self.value.0.dtype(), self.dims.clone())])
    }
    fn eval(&self, _: &[Host]) -> Vec<Host> {
        vec![self.value.0.pick(self.dims.clone(), |_| 0)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, n: usize, _: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![bind1(Full { dims: [&[n], &self.dims[..]].concat(), value: self.value.clone() }, &[])]
    }
    fn lower(&self, cx: &mut Lower, _: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.splat_of(&y[0], &self.value.0)]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
    fn fold(&self, _: &Splats) -> Option<Known> {
        Some(Known::Splat(self.value.0.clone()))
    }
}
/// What makes a tensor of this shape with all elements equal to a scalar.
pub(crate) fn splat(dims: &[usize], value: Host) -> Rc<dyn Primitive> {
    Rc::new(Full { dims: dims.into(), value: Bits(value) })
}

/// A tensor of given elements.
#[derive(Debug, PartialEq, Hash)]
pub struct Literal {
    value: Bits,
}
/// A tensor of given elements, part of the program. At most 64 KiB: larger data belongs into arguments.
#[track_caller]
pub fn literal(value: Host) -> Tensor {
    let _at = At::op("literal");
    bind1(Literal { value: Bits(value) }, &[])
}
/// Type rule: a constant may have this type.
fn small(a: &Aval) -> Result<(), Refusal> {
    if a.bytes() <= LARGEST_CONSTANT {
        return Ok(());
    }
    let kib = a.bytes().div_ceil(1024);
    Err(Refusal::new(format!("{a} is a constant of {kib} KiB, above the limit of 64"))
        .help("pass it to the function as an argument"))
}
/// Refuse a constant of `n` f32 numbers that is too large, before they are made.
#[track_caller]
pub(crate) fn require_small(n: usize) {
    small(&Aval::new(DType::F32, [n])).unwrap_or_else(|why| refuse(op_name("literal"), vec![], why));
}
impl Primitive for Literal {
    fn name(&self) -> &'static str {
        "constant"
    }
    fn infer(&self, _: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        small(self.value.0.aval())?;
        Ok(vec![self.value.0.aval().clone()])
    }
    fn eval(&self, _: &[Host]) -> Vec<Host> {
        vec![self.value.0.clone()]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, n: usize, _: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![broadcast_leading(literal(self.value.0.clone()), n)]
    }
    fn lower(&self, cx: &mut Lower, _: &[Value], _: &[Aval]) -> Vec<Value> {
        vec![cx.constant(&self.value.0)]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
    fn fold(&self, _: &Splats) -> Option<Known> {
        self.value.0.is_splat().then(|| Known::Splat(self.value.0.pick([], |_| 0)))
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "full",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                Case::new("number", vec![], move |_| vec![full([2, 3], d, if d == DType::Bool { 1 } else { 3 })]),
                Case::new("fraction", vec![], move |_| vec![full([], d, if d.is_inexact() { 0.625 } else { 1.0 })]),
                Case::new("empty", vec![], move |_| vec![full([0, 3], d, 1)]),
            ]
        },
    },
    Row {
        name: "constant",
        dtypes: any_dtype,
        cases: |d| {
            let (a, b) = (sample(d, &[3, 4], 1), sample(d, &[5], 2));
            let special = Host::floats(d, [3], vec![f64::INFINITY, 1e-30, f64::NAN]);
            vec![
                Case::new("matrix", vec![], move |_| vec![literal(a.clone())]),
                Case::new("vector", vec![], move |_| vec![literal(b.clone())]),
                Case::new("special", vec![], move |_| vec![literal(special.clone())]),
            ]
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number of a program is in its dtype what it was in the program, or refused with both names.
    #[test]
    fn a_number_fits_its_dtype_or_is_refused() {
        let fits = |n: Number, d: DType, want: f64| assert_eq!(fitting(n, d).unwrap().to_f64(), [want], "{n} in {d}");
        let refused = |n: Number, d: DType, want: &str| assert_eq!(fitting(n, d).unwrap_err().to_string(), want);
        use Number::{Float, Int};
        for d in DType::ALL.into_iter().filter(|d| !d.is_inexact()) {
            let (low, high) = int_range(d);
            for n in [low, high] {
                assert_eq!(fitting(Int(n), d).unwrap().to_ints(), [n]);
            }
            for n in [Int(low - 1), Int(high + 1), Float(0.5), Float(f64::NAN), Float(f64::INFINITY), Float(1e300)] {
                let why = fitting(n, d).unwrap_err().reason;
                assert!(why.contains(&format!("the number {n} does not fit {d}")), "{why}");
            }
            fits(Float(1.0), d, 1.0);
            fits(Float(-0.0), d, 0.0);
        }
        for d in DType::ALL.into_iter().filter(|d| d.is_float()) {
            fits(Float(largest(d)), d, largest(d));
            fits(Float(0.1), d, round(d, 0.1));
            fits(Int(1), d, 1.0);
            let nan = fitting(Float(f64::NAN), d);
            assert_eq!(nan.is_ok_and(|nan| nan.to_f64()[0].is_nan()), d != DType::F4E2M1FN);
            assert_eq!(fitting(Float(f64::INFINITY), d).is_ok(), has_infinity(d));
            assert_eq!(fitting(Float(largest(d) * 2.0), d).is_ok(), d == DType::F64);
        }
        refused(
            Int(300),
            DType::U8,
            "the number 300 does not fit u8, which holds integers from 0 to 255 (convert what it meets: `.cast(DType::I32)`)",
        );
        refused(
            Float(2.5),
            DType::I32,
            "the number 2.5 does not fit i32, which holds integers from -2147483648 to 2147483647 \
             (convert what it meets: `.cast(DType::F32)`)",
        );
        refused(
            Float(1e5),
            DType::F16,
            "the number 100000.0 does not fit f16, which ends at 65504.0 (convert what it meets: `.cast(DType::F32)`)",
        );
        refused(
            Int(2),
            DType::Bool,
            "the number 2 does not fit bool, which holds 0 and 1 (convert what it meets: `.cast(DType::I32)`)",
        );
    }
}
