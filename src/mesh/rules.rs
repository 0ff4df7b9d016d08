//! Logical names of axes, and the mesh axes that they are divided along.
use super::{Entry, Mesh, PartitionSpec};
use crate::{
    Param,
    aval::Aval,
    prim::with_sharding,
    trace::{At, Tensor, fail, mesh_axes_inside},
};
use std::{cell::RefCell, rc::Rc, sync::Arc};

/// Which mesh axes divide an axis of an array, by its role: `batch`, `heads`, ... A model names the roles
/// ([`Param::axes`], [`with_logical_sharding`]), the rules say once for a whole program what that means on a mesh. As in
/// Flax and MaxText.
///
/// ```
/// use raxla::{P, mesh::Rules};
/// let rules = Rules::new([("batch", "data"), ("heads", "model"), ("mlp", "model")]).rule("vocab", ("model", "data"));
/// assert_eq!(rules.spec(&["batch", "length", "heads"]), P!["data", _, "model"]);
/// assert_eq!(rules.spec(&["vocab", "embed"]), P![("model", "data")]);
/// assert_eq!(rules.spec(&["mlp", "heads"]), P![_, "model"]); // a mesh axis divides one axis of an array; `heads` stands first
/// ```
///
/// Rules are tried in their order. One fits if none of its mesh axes is in use for another axis of the array, and, where mesh
/// and sizes are known, if the mesh has all its axes and they divide the size. The first that fits a role counts; a role that
/// no rule fits stays whole.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    role: Arc<str>,
    axes: Entry,
    /// May an axis not stay whole?
    must: bool,
}

impl Rules {
    /// These pairs of a role and mesh axes: a name, several in a tuple, or `None` for a role that stays whole. Rules with
    /// different numbers of mesh axes are added one by one with [`Rules::rule`].
    pub fn new<N, E>(rules: impl IntoIterator<Item = (N, E)>) -> Rules
    where
        N: AsRef<str>, // no rules at all are `Rules::default()`
        E: Into<Entry>,
    {
        rules.into_iter().fold(Rules::default(), |all, (role, axes)| all.rule(role.as_ref(), axes))
    }
    /// With one more rule, after the others.
    pub fn rule(mut self, role: &str, axes: impl Into<Entry>) -> Rules {
        self.0.push(Rule { role: role.into(), axes: axes.into(), must: false });
        self
    }
    /// With one more rule, after the others, for axes that must not stay whole: [`Rules::place`] refuses a size that the mesh
    /// axes do not divide.
    pub fn must(mut self, role: &str, axes: impl Into<Entry>) -> Rules {
        self.0.push(Rule { role: role.into(), axes: axes.into(), must: true });
        self
    }
    /// With other mesh axes for this role.
    pub(crate) fn replaced(&self, role: &str, axes: Entry) -> Rules {
        let rule = |r: &Rule| if *r.role == *role { Rule { axes: axes.clone(), ..r.clone() } } else { r.clone() };
        Rules(self.0.iter().map(rule).collect())
    }
    /// The mesh axes that the first rule of this role names.
    pub fn axes(&self, role: &str) -> &[Arc<str>] {
        self.0.iter().find(|r| *r.role == *role).map_or(&[], |r| r.axes.names())
    }
    /// How a parameter is divided on this mesh, as [`Rules::spec_of`]. `path` is what errors call it.
    ///
    /// # Errors
    /// A size that must be divided ([`Rules::must`]) and cannot be.
    pub fn place(&self, path: &str, param: &Param, mesh: &Mesh) -> crate::Result<PartitionSpec> {
        for (role, n) in param.axes.iter().zip(&param.aval.dims) {
            let Some(rule) = self.0.iter().find(|r| r.must && *r.role == **role) else { continue };
            let parts: usize = rule.axes.names().iter().filter_map(|name| mesh.axis(name)).product();
            if !n.is_multiple_of(parts) {
                let axes = rule.axes.names().join(", ");
                return Err(crate::Error::Sharding {
                    reason: format!(
                        "the parameter `{path}` ({}) has {n} {role}, which the {parts} devices along `{axes}` do not divide",
                        param.aval
                    ),
                    help: format!("make `{axes}` a divisor of {n}"),
                });
            }
        }
        Ok(self.spec_of(param, mesh))
    }
    /// Run `f`, inside which traced functions go by these rules on this mesh: [`with_logical_sharding`], and, inside of
    /// [`shard_map`](crate::shard_map) over the mesh, the layers of [`nn`](crate::nn), which then exchange what they must.
    pub fn within<R>(&self, mesh: &Mesh, f: impl FnOnce() -> R) -> R {
        with_rules(Some((mesh.clone(), self.clone())), f)
    }
    /// How an array whose axes have these roles is divided, whatever its sizes, on a mesh that has all axes.
    pub fn spec(&self, roles: &[&str]) -> PartitionSpec {
        self.chosen(roles, |_, _| true)
    }
    /// How an array of this type whose axes have these roles is divided on this mesh. Axes that cannot be divided evenly
    /// stay whole.
    pub fn spec_on(&self, roles: &[&str], aval: &Aval, mesh: &Mesh) -> PartitionSpec {
        self.chosen(roles, |axis, entry| {
            let sizes: Option<Vec<usize>> = entry.names().iter().map(|n| mesh.axis(n)).collect();
            sizes.is_some_and(|s| aval.dims.get(axis).is_some_and(|n| n % s.iter().product::<usize>() == 0))
        })
    }
    /// How a parameter is divided on this mesh, by the roles of its axes. Axes that cannot be divided evenly stay whole.
    pub fn spec_of(&self, param: &Param, mesh: &Mesh) -> PartitionSpec {
        self.spec_on(&param.axes, &param.aval, mesh)
    }

    fn chosen(&self, roles: &[&str], fits: impl Fn(usize, &Entry) -> bool) -> PartitionSpec {
        let mut entries: Vec<Option<Entry>> = vec![None; roles.len()];
        for Rule { role, axes: entry, .. } in &self.0 {
            let free =
                |e: &[Option<Entry>]| !e.iter().flatten().any(|e| e.names().iter().any(|n| entry.names().contains(n)));
            for (i, _) in roles.iter().enumerate().filter(|(_, r)| ***r == **role) {
                if entries[i].is_none() && free(&entries) && fits(i, entry) {
                    entries[i] = Some(entry.clone());
                }
            }
        }
        PartitionSpec::new(entries.into_iter().map(|e| e.unwrap_or_else(Entry::whole)).collect())
    }
}

thread_local! {
    static AMBIENT: RefCell<Option<Rc<(Mesh, Rules)>>> = const { RefCell::new(None) };
}

/// The mesh axes over which an enclosing [`shard_map`](crate::shard_map) maps and that, by the rules around, divide axes of
/// this role.
pub(crate) fn mapped_axes(role: &str) -> Vec<Arc<str>> {
    let Some(ambient) = AMBIENT.with_borrow(Clone::clone) else { return vec![] };
    let axes = ambient.1.axes(role);
    if axes.is_empty() {
        return vec![];
    }
    let inside = mesh_axes_inside();
    axes.iter().filter(|name| inside.iter().any(|m| **m == ***name)).cloned().collect()
}

/// Run `f`, inside which [`with_logical_sharding`] goes by these rules on this mesh; by none if there are none.
pub(crate) fn with_rules<R>(ambient: Option<(Mesh, Rules)>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Rc<(Mesh, Rules)>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            AMBIENT.set(self.0.take());
        }
    }
    let _restore = Restore(AMBIENT.replace(ambient.map(Rc::new)));
    f()
}

/// `x`, divided by the roles of its axes, as the [`Rules`] say of the mesh that the program is compiled for
/// (`jit(f).on(&mesh).rules(&rules)`); just `x` where there are no rules, so that the same function runs on one device. Inside
/// [`shard_map`](crate::shard_map), the axes of the mesh that it maps over are left out. Flax: `with_logical_constraint`.
///
/// ```
/// use raxla::{Mesh, mesh::Rules, prelude::*, runtime, with_logical_sharding};
/// let f = |x: Tensor| with_logical_sharding(x.exp(), ["batch", "embed"]);
/// let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() })?;
/// let mesh = Mesh::new(&client, [("data", 4), ("model", 2)])?;
/// let rules = Rules::new([("batch", "data"), ("embed", "model")]);
/// let x = Array::on(&client, [4, 2], &[0f32; 8])?;
/// assert_eq!(jit(f).on(&mesh).rules(&rules).call((&x,))?.addressable_shards()[1].index, [0..1, 1..2]);
/// assert!(jit(f).on(&client).call((&x,))?.sharding().is_none());
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Another number of roles than axes, also where there are no rules.
#[track_caller]
pub fn with_logical_sharding<R: AsRef<str>>(x: Tensor, roles: impl AsRef<[R]>) -> Tensor {
    let _at = At::op("with_logical_sharding");
    let roles: Vec<&str> = roles.as_ref().iter().map(AsRef::as_ref).collect();
    let a = x.aval();
    if roles.len() != a.rank() {
        let reason = format!("{} roles were given for {} axes", roles.len(), a.rank());
        fail("with_logical_sharding", vec![a], reason, Some("name the role of each axis; `\"\"` for none".into()))
    }
    let Some(ambient) = AMBIENT.with_borrow(Clone::clone) else { return x };
    let (mesh, rules) = &*ambient;
    let inside = mesh_axes_inside();
    let manual = |name: &Arc<str>| inside.iter().any(|m| **m == **name);
    if mesh.axes().iter().all(|(name, _)| manual(name)) {
        return x;
    }
    let left = |e: Entry| Entry::Axes(e.names().iter().filter(|n| !manual(n)).cloned().collect());
    let spec = rules.spec_on(&roles, &a, mesh);
    with_sharding(x, &mesh.sharding(PartitionSpec::new(spec.0.into_iter().map(left).collect())))
}
