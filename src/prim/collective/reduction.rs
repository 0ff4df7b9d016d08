//! Reductions over instances.
use super::*;

/// How instances are combined.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub enum PReduction {
    /// Added.
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// A reduction over the instances along named axes.
#[derive(Clone, PartialEq, Hash)]
pub struct PReduce {
    how: PReduction,
    axes: Vec<NamedAxis>,
}

/// Sum over the instances along the named axes; every instance gets it. JAX: `lax.psum`.
///
/// ```
/// use raxla::{Axis, VmapOptions, prelude::*, psum, vmap_with};
/// // each instance's share of the total
/// let named = VmapOptions { axis_name: Some("i"), ..VmapOptions::default() };
/// let f = |x: Tensor| vmap_with(named, |x: Tensor| x / psum(x, "i"), Axis::At(0), Axis::At(0))(x);
/// let x = Array::from_slice([3], &[1f32, 2., 5.])?;
/// assert_eq!(jit(f).call((x,))?.to_vec::<f32>()?, [0.125, 0.25, 0.625]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn psum<X: TensorTree>(x: X, axes: impl AxisNames) -> X {
    reduce("psum", PReduction::Sum, x, axes)
}
/// Mean over the instances along the named axes. JAX: `lax.pmean`.
#[track_caller]
pub fn pmean<X: TensorTree>(x: X, axes: impl AxisNames) -> X {
    let _at = At::op("pmean");
    let axes = axes.axes("pmean");
    let n = instances(&axes);
    let mean = |t: Tensor| {
        if !t.dtype().is_inexact() {
            fail(
                "pmean",
                vec![t.aval()],
                "only floats and complex numbers have a mean",
                Some("convert it first with `.cast(..)`".into()),
            )
        }
        reduced(PReduction::Sum, &axes, t) / n as f64
    };
    on_leaves(x, mean)
}
/// Largest value among the instances along the named axes. At ties the tangent is the mean. JAX: `lax.pmax`.
#[track_caller]
pub fn pmax<X: TensorTree>(x: X, axes: impl AxisNames) -> X {
    reduce("pmax", PReduction::Max, x, axes)
}
/// Smallest value among the instances along the named axes. At ties the tangent is the mean. JAX: `lax.pmin`.
#[track_caller]
pub fn pmin<X: TensorTree>(x: X, axes: impl AxisNames) -> X {
    reduce("pmin", PReduction::Min, x, axes)
}
#[track_caller]
fn reduce<X: TensorTree>(op: &'static str, how: PReduction, x: X, axes: impl AxisNames) -> X {
    let _at = At::op(op);
    let axes = axes.axes(op);
    on_leaves(x, |t| reduced(how, &axes, t))
}
/// Reduce over instances first, then over devices. Two operations, because their derivatives differ: the transpose of a sum
/// over devices is [`pvary`], that of a sum over instances is a sum.
#[track_caller]
fn reduced(how: PReduction, axes: &[NamedAxis], t: Tensor) -> Tensor {
    let (devices, instances): (Vec<NamedAxis>, Vec<NamedAxis>) = axes.iter().cloned().partition(|a| a.mesh);
    let parts = [instances, devices].into_iter().filter(|axes| !axes.is_empty());
    parts.fold(t, |t, axes| bind1(PReduce { how, axes }, &[t]))
}
/// The sum over the devices along these axes.
#[track_caller]
pub(crate) fn psum_over(t: Tensor, axes: AxisSet) -> Tensor {
    let named = |name: std::sync::Arc<str>| named_axis("psum", &name);
    let axes: Vec<NamedAxis> = axes.names().into_iter().map(named).collect();
    reduced(PReduction::Sum, &axes, t)
}

/// The region that combines two scalars.
pub(super) fn combiner(cx: &mut Lower, op: &str, dtype: DType) -> crate::lower::Region {
    let scalar = Aval::new(dtype, []);
    cx.region(&[scalar.clone(), scalar.clone()], |cx, x| vec![cx.op(op, x, "", &scalar)])
}

impl PReduce {
    fn set(&self) -> AxisSet {
        self.axes.iter().map(NamedAxis::mesh_axes).collect()
    }
    fn sum(&self, x: Tensor) -> Tensor {
        bind1(PReduce { how: PReduction::Sum, axes: self.axes.clone() }, &[x])
    }
}
impl fmt::Debug for PReduce {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}[{}]", self.name(), names(&self.axes))
    }
}
impl Primitive for PReduce {
    fn name(&self) -> &'static str {
        match self.how {
            PReduction::Sum => "psum",
            PReduction::Max => "pmax",
            PReduction::Min => "pmin",
        }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if self.how == PReduction::Sum {
            require(&x[0], is_number, "a number")?;
        }
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, _: &[Host]) -> Vec<Host> {
        unbound(&self.axes)
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let chosen = |d: Tensor| {
            let here = compare(Direction::Eq, x[0], y[0]);
            let count = self.sum(here.cast(d.dtype()));
            div(self.sum(select(here, d, zeros_of(&d.aval()))), count)
        };
        vec![dx[0].map(|d| if self.how == PReduction::Sum { self.sum(d) } else { chosen(d) })]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        match self.how {
            // the sum is one value that all devices share; its cotangent is the same for the value of each
            PReduction::Sum if self.axes[0].mesh => vec![ct[0].map(|ct| vary(ct, self.set()))],
            PReduction::Sum => vec![ct[0].map(|ct| self.sum(ct))],
            _ => not_linear(self.name(), vec![x[0].aval()]),
        }
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(self.clone(), x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if cx.alone(&self.axes) {
            return x.to_vec();
        }
        let op = match (self.how, y[0].dtype) {
            (PReduction::Sum, _) => "add",
            (PReduction::Max, DType::Bool) => "or",
            (PReduction::Min, DType::Bool) => "and",
            (PReduction::Max, _) => "maximum",
            (PReduction::Min, _) => "minimum",
        };
        let region = combiner(cx, op, y[0].dtype);
        let attrs = over_devices(cx, &self.axes, "");
        cx.op_with("all_reduce", x, attrs.trim_start_matches(", "), vec![region], y)
    }
    fn over_axes(&self) -> Option<&dyn OverAxes> {
        Some(self)
    }
}
impl OverAxes for PReduce {
    fn axes(&self) -> &[NamedAxis] {
        &self.axes
    }
    fn with_axes(&self, axes: Vec<NamedAxis>) -> Rc<dyn Primitive> {
        Rc::new(PReduce { how: self.how, axes })
    }
    fn batch_over(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let t = match (self.how, mapped[0]) {
            (PReduction::Sum, true) => reduce_sum(x[0], [0]),
            (PReduction::Sum, false) => mul(x[0], x[0].like(axis.size)),
            (PReduction::Max, true) => reduce_max(x[0], [0]),
            (PReduction::Min, true) => reduce_min(x[0], [0]),
            (_, false) => x[0],
        };
        let rest = axis.others(&self.axes);
        vec![(if rest.is_empty() { t } else { bind1(PReduce { how: self.how, axes: rest }, &[t]) }, false)]
    }
    fn varies(&self, x: AxisSet) -> AxisSet {
        x.without(self.set())
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[
    Row {
        name: "psum",
        dtypes: is_number,
        cases: |d| {
            vec![
                over_axis("one", vec![sample(d, &[3, 2], 1)], |x| vec![psum(x[0], "i")]),
                over_axis("scalars", vec![sample(d, &[3], 3)], |x| vec![psum(x[0], "i")]),
                over_two_axes("two axes", vec![sample(d, &[2, 3, 2], 1)], |x| vec![psum(x[0], ["i", "j"])]),
                over_axis("empty", vec![sample(d, &[3, 0], 4)], |x| vec![psum(x[0], "i")]),
                over_axis("in a loop", vec![sample(d, &[3, 2], 1)], |x| {
                    let options = ScanOptions { length: Some(2), ..ScanOptions::default() };
                    vec![scan_with(options, |c: Tensor, ()| (psum(c, "i") + x[0], ()), x[0].like(1), ()).0]
                }),
                over_axis("of what all instances share", vec![sample(d, &[3, 2], 1)], |x| {
                    vec![x[0] * psum(x[0].like(2), "i")]
                }),
            ]
        },
    },
    Row {
        name: "pmax",
        dtypes: is_ordered,
        cases: |d| vec![over_axis("one", vec![sample(d, &[3, 2], 1)], |x| vec![pmax(x[0], "i")])],
    },
    Row {
        name: "pmin",
        dtypes: is_ordered,
        cases: |d| vec![over_axis("one", vec![sample(d, &[3, 2], 1)], |x| vec![pmin(x[0], "i")])],
    },
];
