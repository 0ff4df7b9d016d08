//! A value that derivatives do not see.
use super::*;
use crate::trace::bind1;

/// The identity, with derivative zero.
#[derive(Debug, PartialEq, Hash)]
pub struct StopGradient;
impl Tensor {
    /// The same value, regarded as a constant by derivatives.
    #[track_caller]
    pub fn stop_gradient(self) -> Tensor {
        bind1(StopGradient, &[self])
    }
}
impl Primitive for StopGradient {
    fn name(&self) -> &'static str {
        "stop_gradient"
    }
    fn tag(&self) -> Tag<'_> {
        Tag::Movement
    }
    identity!();
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].stop_gradient()]
    }
    fn lower(&self, _: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
        vec![x[0].clone()]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        moved(x)
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row {
    name: "stop_gradient",
    dtypes: any_dtype,
    // its derivative is not that of the function it computes
    cases: |d| vec![Case::new("values", vec![sample(d, &[2, 3], 1)], |x| vec![x[0].stop_gradient()]).wrt([])],
}];
