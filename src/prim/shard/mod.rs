//! Programs over several devices: where values are, and what differs from device to device.
use super::*;
use crate::{
    mesh::{AxisSet, Mesh, NamedSharding, PartitionSpec, SpecTree},
    trace::{At, bind, bind1, vary},
    tree::Tree,
};

mod constraint;
mod map;
pub use constraint::{ShardingConstraint, with_sharding};
pub use map::{ShardMap, ShardMapOptions, shard_map, shard_map_with};
pub(super) use {constraint::ROWS as CONSTRAINT_ROWS, map::ROWS as MAP_ROWS};

/// The identity; its result has a type that says it may differ between the devices along these axes.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct PVary(pub(crate) AxisSet);

/// `x`, with a type that says it may differ between the devices along the named axes of the mesh. Only inside [`shard_map`].
/// Operations call it themselves where their operands vary differently. Call it to choose the place: reverse mode sums the
/// derivative of a value that devices share over them exactly here. JAX:
/// `lax.pcast(x, axes, to="varying")`, formerly `lax.pvary`.
#[track_caller]
pub fn pvary<X: TensorTree>(x: X, axes: impl AxisNames) -> X {
    let _at = At::op("pvary");
    let axes: AxisSet = axes.axes("pvary").iter().map(NamedAxis::mesh_axes).collect();
    x.refill(x.leaves().into_iter().map(|t| vary(t, axes)).collect::<Vec<_>>())
}

impl Primitive for PVary {
    fn name(&self) -> &'static str {
        "pvary"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        Ok(vec![x[0].varying(x[0].vma.union(self.0))])
    }
    fn tag(&self) -> Tag<'_> {
        Tag::TypeOnly
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        x.to_vec()
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| vary(d, self.0))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        // over axes along which the operand varies already, each device has a derivative of its own: no sum
        vec![ct[0].map(|ct| psum_over(ct, self.0.without(x[0].aval().vma)))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![vary(x[0], self.0)]
    }
    fn lower(&self, _: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
        x.to_vec()
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
}

/// The identity; its result has a type that says it is the same on all devices along these axes, which is not checked.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct Trusted(pub(crate) Vec<NamedAxis>);
/// `t`, with a type that says it is the same on all devices along the named axes. For values whose types cannot show it, such as
/// the result of a gather.
#[track_caller]
pub(crate) fn trusted(t: Tensor, axes: impl AxisNames) -> Tensor {
    bind1(Trusted(axes.axes("trusted")), &[t])
}
impl Trusted {
    fn set(&self) -> AxisSet {
        self.0.iter().map(NamedAxis::mesh_axes).collect()
    }
}
impl Primitive for Trusted {
    fn name(&self) -> &'static str {
        "trusted"
    }
    identity!();
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| bind1(self.clone(), &[d]))]
    }
    // each device computed the value by itself, so that each gets an equal share of its derivative
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let n: usize = self.0.iter().map(|a| a.size).product();
        vec![ct[0].map(|ct| vary(ct / n as f64, self.set()))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(self.clone(), x)
    }
    fn lower(&self, _: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
        x.to_vec()
    }
    fn over_axes(&self) -> Option<&dyn OverAxes> {
        Some(self)
    }
}
impl OverAxes for Trusted {
    fn axes(&self) -> &[NamedAxis] {
        &self.0
    }
    fn with_axes(&self, axes: Vec<NamedAxis>) -> Rc<dyn Primitive> {
        Rc::new(Trusted(axes))
    }
    fn batch_over(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let rest = axis.others(&self.0);
        let t = if mapped[0] { x[0].slice_axis(0, 0..1).reshape(&x[0].dims()[1..]) } else { x[0] };
        vec![(if rest.is_empty() { t } else { bind1(Trusted(rest), &[t]) }, false)]
    }
    fn varies(&self, x: AxisSet) -> AxisSet {
        x.without(self.set())
    }
    fn waits(&self) -> bool {
        false
    }
}

/// A mesh of one device, which every client has: so the cases of this folder run wherever others do.
fn one_device() -> Mesh {
    Mesh::abstract_mesh([("i", 1), ("j", 1)]).expect("two names")
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[
    Row {
        name: "pvary",
        dtypes: any_dtype,
        cases: |d| {
            vec![Case::new("one device", vec![sample(d, &[4, 3], 1)], |x| {
                let f = |x: Tensor| pvary(x, ["i", "j"]);
                vec![shard_map(&one_device(), crate::P!["i"], crate::P!["i", "j"], f)(x[0])]
            })]
        },
    },
    Row {
        name: "trusted",
        dtypes: any_dtype,
        cases: |d| {
            vec![Case::new("one device", vec![sample(d, &[4, 3], 1)], |x| {
                let options = ShardMapOptions { check_vma: false, ..Default::default() };
                vec![shard_map_with(&one_device(), options, crate::P!["i"], crate::P![], |x: Tensor| x)(x[0])]
            })]
        },
    },
];
