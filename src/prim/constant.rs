//! Values known while tracing.
use super::*;
use crate::trace::bind1;

/// Captured constants above this many bytes are refused: they would be copied into the compiled program.
pub const LARGEST_CONSTANT: usize = 64 << 10;

/// A number written in the program; it takes the dtype of the tensor it meets.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a tensor: it is no number",
    label = "neither a tensor nor a number",
    note = "data comes into a traced function as its argument: an `Array` outside is a `Tensor` inside"
)]
pub trait Scalar: Copy {
    /// The number as a scalar of this dtype.
    fn host(self, dtype: DType) -> Host;
}
macro_rules! scalar {
    ($($t:ty: $make:ident as $wide:ty),*) => {$(
        impl Scalar for $t {
            fn host(self, dtype: DType) -> Host {
                Host::$make(dtype, [], vec![self as $wide])
            }
        }
    )*};
}
scalar!(f32: floats as f64, f64: floats as f64, i32: ints as i128, i64: ints as i128, u32: ints as i128, u64: ints as i128,
    usize: ints as i128, u8: ints as i128, i8: ints as i128, bool: ints as i128);

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
    bind1(Full { dims: dims.into(), value: Bits(value.host(dtype)) }, &[])
}
/// A tensor of zeros.
#[track_caller]
pub fn zeros(dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
    full(dims, dtype, 0)
}
/// A tensor of ones.
#[track_caller]
pub fn ones(dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
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
    bind1(Literal { value: Bits(value) }, &[])
}
impl Primitive for Literal {
    fn name(&self) -> &'static str {
        "constant"
    }
    fn infer(&self, _: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let a = self.value.0.aval();
        if a.bytes() > LARGEST_CONSTANT {
            let kib = a.bytes().div_ceil(1024);
            return Err(Refusal::new(format!("{a} is a constant of {kib} KiB, above the limit of 64"))
                .help("pass it to the function as an argument"));
        }
        Ok(vec![a.clone()])
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
                Case::new("number", vec![], move |_| vec![full([2, 3], d, 3)]),
                Case::new("fraction", vec![], move |_| vec![full([], d, 0.625)]),
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
