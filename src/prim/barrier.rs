//! A fence for the compiler.
use super::*;
use crate::trace::bind;

/// The identity, across which the compiler moves nothing.
#[derive(Debug)]
pub struct OptimizationBarrier;
/// No two barriers are the same: what is computed behind each of them is meant to be computed separately.
impl PartialEq for OptimizationBarrier {
    fn eq(&self, _: &OptimizationBarrier) -> bool {
        false
    }
}
impl Hash for OptimizationBarrier {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
/// The same values, behind a fence: the compiler computes all of them before any operation that uses one of the results, and
/// merges no operation from before the fence with one from behind it. JAX: `lax.optimization_barrier`.
#[track_caller]
pub fn optimization_barrier<T: TensorTree>(x: T) -> T {
    let leaves = x.leaves();
    if leaves.is_empty() { x } else { x.refill(bind(OptimizationBarrier, &leaves)) }
}
impl Primitive for OptimizationBarrier {
    fn name(&self) -> &'static str {
        "optimization_barrier"
    }
    identity!();
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        present(dx)
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        present(ct)
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        bind(OptimizationBarrier, &spread(n, x, mapped))
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        cx.op_with("optimization_barrier", x, "", vec![], y)
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
}
/// One barrier for all tangents or cotangents that are not zero (`None`).
fn present(x: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
    let mut fenced = bind(OptimizationBarrier, &x.iter().copied().flatten().collect::<Vec<_>>()).into_iter();
    x.iter().map(|x| x.and_then(|_| fenced.next())).collect()
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row {
    name: "optimization_barrier",
    dtypes: any_dtype,
    cases: |d| {
        let inputs = vec![sample(d, &[2, 3], 1), sample(DType::F64, &[2], 2)];
        vec![
            Case::new("two", inputs, |x| optimization_barrier(x.to_vec())),
            Case::new("one", vec![sample(d, &[], 3)], |x| vec![optimization_barrier(x[0])]),
            Case::new("empty", vec![sample(d, &[0, 2], 4)], |x| vec![optimization_barrier(x[0])]),
        ]
    },
}];
