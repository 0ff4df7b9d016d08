//! Changes of dtype.
use super::*;
use crate::trace::bind1;

/// Each element converted to another dtype.
#[derive(Debug)]
pub struct Convert {
    to: DType,
}
impl Tensor {
    /// Each element converted to `dtype`: floats are rounded to nearest even, integers wrap, floats become integers
    /// towards zero (saturating; NaN gives 0), and anything non-zero is `true`. The same dtype costs nothing.
    #[track_caller]
    pub fn cast(self, dtype: DType) -> Tensor {
        if self.dtype() == dtype { self } else { bind1(Convert { to: dtype }, &[self]) }
    }
}
impl Primitive for Convert {
    fn name(&self) -> &'static str {
        "convert"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, String> {
        Ok(vec![x[0].with_dtype(self.to)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        vec![x[0].cast(self.to)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].filter(|_| self.to.is_float()).map(|d| d.cast(self.to))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        vec![ct[0].map(|ct| ct.cast(x[0].aval().dtype))]
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
        vec![cx.op("convert", x, "", &y[0])]
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row {
    name: "convert",
    dtypes: any_dtype,
    cases: |d| {
        let to = DType::ALL.into_iter().filter(move |t| *t != d);
        to.map(|t| Case::new(t.name(), vec![sample(d, &[3, 4], 1)], move |x| vec![x[0].cast(t)])).collect()
    },
}];
