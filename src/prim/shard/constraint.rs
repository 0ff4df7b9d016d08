//! Sharding annotations: how a value of a program is divided over devices.
use super::*;

/// The identity; its result is divided over devices in a given way.
#[derive(Clone, PartialEq, Hash)]
pub struct ShardingConstraint(pub(crate) NamedSharding);

/// `x`, divided over the devices of a mesh as `sharding` says: the compiler moves data where it must. Entries written `*` are left
/// to the compiler.
/// JAX: `lax.with_sharding_constraint`.
///
/// ```no_run
/// use raxla::{Mesh, P, jit, prelude::*, runtime, with_sharding};
/// let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() })?;
/// let mesh = Mesh::new(&client, [("data", 8)])?;
/// let sharding = mesh.sharding(P!["data", _]);
/// let f = jit(move |x: Tensor| with_sharding(x.exp(), &sharding)).on(&mesh);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Fails if the spec does not fit the mesh or the tensor, or an axis cannot be divided evenly.
#[track_caller]
pub fn with_sharding<X: TensorTree>(x: X, sharding: &NamedSharding) -> X {
    let _at = At::op("with_sharding");
    x.refill(x.leaves().into_iter().map(|t| bind1(ShardingConstraint(sharding.clone()), &[t])).collect::<Vec<_>>())
}
impl fmt::Debug for ShardingConstraint {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "sharding_constraint[{:?}]", self.0)
    }
}
impl Primitive for ShardingConstraint {
    fn name(&self) -> &'static str {
        "sharding_constraint"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        self.0.local_dims(&x[0].varying(AxisSet::NONE))?;
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        x.to_vec()
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| bind1(self.clone(), &[d]))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        vec![ct[0].map(|ct| bind1(self.clone(), &[ct]))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        let spec = self.0.spec.stacked(crate::mesh::Entry::Unconstrained);
        bind(ShardingConstraint(self.0.with_spec(spec)), x)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if self.0.mesh.size() == 1 {
            return x.to_vec();
        }
        let attrs = format!("sharding = #sdy.sharding{}", cx.sharding(&self.0, y[0].rank()));
        vec![cx.op("sdy.sharding_constraint", x, &attrs, &y[0])]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row {
    name: "sharding_constraint",
    dtypes: any_dtype,
    cases: |d| {
        vec![Case::new("one device", vec![sample(d, &[4, 3], 1)], |x| {
            let at = |spec| one_device().sharding(spec);
            vec![with_sharding(x[0], &at(crate::P!["i", _])), with_sharding(x[0], &at(crate::P![*, "i"]))]
        })]
    },
}];
