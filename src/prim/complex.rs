//! Complex numbers and their parts.
//!
//! Transposition follows JAX: linear maps are transposed, never conjugated. So a cotangent of z = x + iy is ∂/∂x - i ∂/∂y, and the
//! gradient of a holomorphic function is its complex derivative.
use super::*;
use crate::trace::bind1;
use num_complex::Complex64;

/// Elementwise x + iy.
#[derive(Debug, PartialEq, Hash)]
pub struct Complex;
/// The complex numbers with these real and imaginary parts, f32 or f64 of one shape. [`crate::complex`] broadcasts.
#[track_caller]
pub fn complex(re: Tensor, im: Tensor) -> Tensor {
    bind1(Complex, &[re, im])
}
impl Primitive for Complex {
    fn name(&self) -> &'static str {
        "complex"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        same_types(x)?;
        match x[0].dtype.complex() {
            Some(dtype) => Ok(vec![x[0].with_dtype(dtype)]),
            None => {
                let reason = format!("{} is not f32 or f64, of which complex numbers are made", x[0].dtype);
                Err(Refusal::new(reason).help("convert both parts first: `.cast(DType::F32)`"))
            }
        }
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let parts = x[0].to_f64().into_iter().zip(x[1].to_f64());
        let dtype = x[0].dtype().complex().expect("inferred");
        vec![Host::complex(dtype, x[0].dims(), parts.map(|(re, im)| Complex64::new(re, im)).collect())]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let part = |i: usize| dx[i].unwrap_or_else(|| zeros_of(&x[i].aval()));
        vec![Some(complex(part(0), part(1)))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let Some(ct) = ct[0] else { return vec![None; 2] };
        vec![x[0].is_linear().then(|| ct.real()), x[1].is_linear().then(|| ct.imag().neg())]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let x = spread(n, x, mapped);
        vec![complex(x[0], x[1])]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("complex", x, "", &y[0])]
    }
}

/// Type rule: a complex operand.
fn require_complex(x: &Aval) -> Result<(), Refusal> {
    if x.dtype.is_complex() {
        return Ok(());
    }
    Err(Refusal::new(format!("{} is not complex", x.dtype)).help("convert it first with `.cast(DType::C64)`"))
}

/// The real or the imaginary part of complex numbers.
#[derive(Debug, PartialEq, Hash)]
pub struct Part {
    imaginary: bool,
}
impl Tensor {
    /// The real parts of complex numbers, as floats; a tensor of any other dtype is its own. JAX: `jnp.real`.
    ///
    /// ```
    /// use raxla::{Complex32, prelude::*};
    /// let z = Array::from_slice([1], &[Complex32::new(3.0, -4.0)])?;
    /// let f = jit(|z: Tensor| (z.real(), z.imag(), z.conj(), z.abs(), z.angle()));
    /// let (re, im, conj, abs, angle) = f.call((z,))?;
    /// assert_eq!((re.item::<f32>()?, im.item::<f32>()?, abs.item::<f32>()?), (3.0, -4.0, 5.0));
    /// assert_eq!(conj.item::<Complex32>()?, Complex32::new(3.0, 4.0));
    /// assert!((angle.item::<f32>()? + 0.9273).abs() < 1e-4);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    #[track_caller]
    pub fn real(self) -> Tensor {
        if self.dtype().is_complex() { bind1(Part { imaginary: false }, &[self]) } else { self }
    }
    /// The imaginary parts of complex numbers, as floats; of any other dtype zeros. JAX: `jnp.imag`.
    #[track_caller]
    pub fn imag(self) -> Tensor {
        if self.dtype().is_complex() { bind1(Part { imaginary: true }, &[self]) } else { zeros_of(&self.aval()) }
    }
    /// x - iy of complex numbers x + iy; a tensor of any other dtype is its own. JAX: `jnp.conj`.
    #[track_caller]
    pub fn conj(self) -> Tensor {
        if self.dtype().is_complex() { bind1(Conj, &[self]) } else { self }
    }
}
impl Primitive for Part {
    fn name(&self) -> &'static str {
        if self.imaginary { "imag" } else { "real" }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require_complex(&x[0])?;
        Ok(vec![x[0].with_dtype(x[0].dtype.real())])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let part = |z: Complex64| if self.imaginary { z.im } else { z.re };
        vec![Host::floats(x[0].dtype().real(), x[0].dims(), x[0].to_complex().into_iter().map(part).collect())]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| if self.imaginary { d.imag() } else { d.real() })]
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let to_complex = |ct: Tensor| {
            let zero = zeros_of(&ct.aval());
            if self.imaginary { complex(zero, ct.neg()) } else { complex(ct, zero) }
        };
        vec![ct[0].map(to_complex)]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![if self.imaginary { x[0].imag() } else { x[0].real() }]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op(self.name(), x, "", &y[0])]
    }
}

/// The conjugates of complex numbers.
#[derive(Debug, PartialEq, Hash)]
pub struct Conj;
impl Primitive for Conj {
    fn name(&self) -> &'static str {
        "conj"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require_complex(&x[0])?;
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        vec![Host::complex(x[0].dtype(), x[0].dims(), x[0].to_complex().iter().map(Complex64::conj).collect())]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(Tensor::conj)]
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        vec![ct[0].map(Tensor::conj)]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].conj()]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let part = y[0].with_dtype(y[0].dtype.real());
        let [re, im] = ["real", "imag"].map(|op| cx.op(op, x, "", &part));
        let im = cx.op("negate", &[im], "", &part);
        vec![cx.op("complex", &[re, im], "", &y[0])]
    }
}

fn cases(d: DType, f: fn(&[Tensor]) -> Tensor, operands: u64) -> Vec<Case> {
    let case = |label: &str, dims: &[usize]| {
        Case::new(label, (1..=operands).map(|seed| sample(d, dims, seed)).collect(), move |x| vec![f(x)])
    };
    vec![case("values", &[3, 4]), case("scalar", &[]), case("empty", &[0, 2])]
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "complex", dtypes: |d| d.complex().is_some(), cases: |d| cases(d, |x| complex(x[0], x[1]), 2) },
    Row { name: "real", dtypes: is_complex, cases: |d| cases(d, |x| x[0].real(), 1) },
    Row { name: "imag", dtypes: is_complex, cases: |d| cases(d, |x| x[0].imag(), 1) },
    Row { name: "conj", dtypes: is_complex, cases: |d| cases(d, |x| x[0].conj(), 1) },
];
