//! Bits read as another dtype.
use super::*;
use crate::trace::{At, bind1};

/// The same bits as elements of another dtype.
#[derive(Debug, PartialEq, Hash)]
pub struct Bitcast {
    to: DType,
}
impl Tensor {
    /// The same bits as elements of another dtype. To a narrower one each element becomes a new last axis of parts, the
    /// lowest first; to a wider one the last axis must hold the parts of one element, and disappears.
    #[track_caller]
    pub fn bitcast(self, dtype: DType) -> Tensor {
        let _at = At::op("bitcast");
        if self.dtype() == dtype { self } else { bind1(Bitcast { to: dtype }, &[self]) }
    }
}
impl Primitive for Bitcast {
    fn name(&self) -> &'static str {
        "bitcast_convert"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let (from, to) = (x[0].dtype.bits(), self.to.bits());
        for d in [x[0].dtype, self.to] {
            require(&x[0].with_dtype(d), whole_bytes, "a number of at least 8 bits")?;
        }
        let y = x[0].with_dtype(self.to);
        if from == to {
            return Ok(vec![y]);
        }
        if from > to {
            return Ok(vec![y.with_dims([&x[0].dims[..], &[from / to]].concat())]);
        }
        match x[0].dims.split_last() {
            Some((last, rest)) if *last == to / from => Ok(vec![y.with_dims(rest)]),
            _ => Err(format!("the last axis must have size {} to become one {}", to / from, self.to.name()).into()),
        }
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone()]).expect("inferred before");
        vec![Host::from_bytes(&y[0], &x[0].to_bytes())]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].bitcast(self.to)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("bitcast_convert", x, "", &y[0])]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
}
fn whole_bytes(d: DType) -> bool {
    d.bits() >= 8 && d != DType::Bool && !d.is_complex()
}

/// Another dtype of the same width.
fn other_of(d: DType) -> DType {
    let same = |t: &DType| whole_bytes(*t) && *t != d && t.bits() == d.bits();
    DType::ALL.into_iter().find(same).unwrap_or(d)
}
fn cases(d: DType) -> Vec<Case> {
    let to = DType::ALL.into_iter().filter(move |t| whole_bytes(*t) && *t != d);
    let case = |t: DType| {
        let last = (t.bits() / d.bits()).max(1);
        // its derivative is not that of the function it computes
        Case::new(t.name(), vec![sample(d, &[3, last], 1)], move |x| vec![x[0].bitcast(t)]).wrt([])
    };
    let empty = Case::new("empty", vec![sample(d, &[0, 1], 2)], move |x| vec![x[0].bitcast(other_of(d))]).wrt([]);
    to.map(case).chain([empty]).collect()
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row { name: "bitcast_convert", dtypes: whole_bytes, cases }];
