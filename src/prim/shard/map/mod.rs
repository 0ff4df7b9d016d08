//! `shard_map`: what one device does, done by all of them.
//!
//! This file has the user's function, its parameters, and the checks of arguments and results; `rules.rs` the rules of the
//! operation, of which `derivatives.rs`, `simulation.rs` (its meaning) and `lowering.rs` hold the longer ones.
use super::*;
use crate::{
    aval::Dims,
    mesh::{Entry, ONE_SPEC_PER_LEAF, OPEN_IS_NOT_WHOLE},
    trace::{inline, refuse, trace_rule, trace_tree, with_axes},
    transform::{leaf_name, linearize::chosen, varying::refuse_divergence},
};
use std::panic::Location;

mod derivatives;
mod lowering;
mod rules;
mod simulation;

/// A function that every device of a mesh applies to its part of the operands.
#[derive(Clone, PartialEq, Hash)]
pub struct ShardMap {
    body: InnerGraph,
    mesh: Mesh,
    /// The axes over which the body is written for one device; along the others the compiler divides the work.
    manual: Vec<NamedAxis>,
    ins: Vec<PartitionSpec>,
    outs: Vec<PartitionSpec>,
}

/// Options of [`shard_map_with`].
#[derive(Clone, Copy, Debug)]
pub struct ShardMapOptions<'a> {
    /// The axes of the mesh over which the function is written for one device; all of them when `None`. Along the others the
    /// compiler divides arrays as it does outside. JAX: `axis_names`.
    pub axis_names: Option<&'a [&'a str]>,
    /// Refuse results that may differ between devices along axes that their spec does not name, and collectives to which some
    /// devices may never come (inside of a `cond` or `while_loop` whose condition varies along the same axes). Without it,
    /// such results are taken from one of the devices, and such programs may hang. JAX: `check_vma`.
    pub check_vma: bool,
}
impl Default for ShardMapOptions<'_> {
    fn default() -> Self {
        ShardMapOptions { axis_names: None, check_vma: true }
    }
}

/// Apply `f` on every device of the mesh to the device's part of the argument. JAX: `jax.shard_map`.
///
/// `in_specs` says how each leaf of the argument is divided, `out_specs` how the parts that the devices return make up the
/// result: one [`P!`](crate::P) for all leaves, a tuple for a tuple, or [`PerLeaf`](crate::PerLeaf). Leaves are whole along
/// axes that no entry names, and so is what the closure captures. Inside, collectives ([`psum`], [`all_gather`], ...) mean
/// the axes of the mesh by name.
///
/// ```no_run
/// use raxla::{Mesh, P, einsum, jit, prelude::*, psum, runtime, shard_map};
/// let client = runtime::client_with(&runtime::Options { cpu_devices: Some(2), ..Default::default() })?;
/// let mesh = Mesh::new(&client, [("model", 2)])?;
/// // each device has some of the columns of x and rows of w
/// let specs = (P![_, "model"], P!["model", _]);
/// let f = |(x, w): (Tensor, Tensor)| psum(einsum("bd,df->bf", x, w), "model");
/// let matmul = jit(move |x: Tensor, w: Tensor| shard_map(&mesh, specs.clone(), P![], f)((x, w)));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Fails if specs do not fit the mesh or the leaves, if an axis cannot be divided evenly, if a result may differ between devices
/// although its spec says that they share it, or if some devices may never come to a collective.
#[track_caller]
pub fn shard_map<X: TensorTree, Y: TensorTree>(
    mesh: &Mesh,
    in_specs: impl SpecTree<X>,
    out_specs: impl SpecTree<Y>,
    f: impl Fn(X) -> Y,
) -> impl Fn(X) -> Y {
    shard_map_with(mesh, ShardMapOptions::default(), in_specs, out_specs, f)
}

/// [`shard_map`] with options: over some axes of the mesh only, or without the check of shared results.
#[track_caller]
pub fn shard_map_with<X: TensorTree, Y: TensorTree>(
    mesh: &Mesh,
    options: ShardMapOptions,
    in_specs: impl SpecTree<X>,
    out_specs: impl SpecTree<Y>,
    f: impl Fn(X) -> Y,
) -> impl Fn(X) -> Y {
    let line = Location::caller();
    let mesh = mesh.clone();
    let check_vma = options.check_vma;
    let names: Option<Vec<String>> = options.axis_names.map(|n| n.iter().map(|n| n.to_string()).collect());
    move |x: X| {
        let _at = At::op_at("shard_map", line);
        let manual = manual_axes(&mesh, names.as_deref());
        let (mut ins, avals) = inputs(&x, &mesh, &manual, in_specs.specs(&x));
        let run = |x| returned(f(x), &mesh, &manual, check_vma, &out_specs, line);
        let (body, captured, (y, specs)) = with_axes(&manual, || trace_tree(&x, &avals, run));
        if check_vma {
            refuse_divergence(&body);
        }
        ins.resize(body.ins.len(), PartitionSpec::default());
        let call = ShardMap { body: body.into(), mesh: mesh.clone(), manual, ins, outs: specs.0 };
        y.refill(bind(call, &[x.leaves(), captured].concat()))
    }
}

/// Specs, as a part without leaves of the tree that a traced function returns.
#[derive(Clone, PartialEq, Hash)]
struct Specs(Vec<PartitionSpec>);
impl<T: crate::Leaf> Tree<T> for Specs {
    type With<U: crate::Leaf> = Specs;
    fn map_at<U: crate::Leaf>(&self, _: &crate::Path, _: &mut dyn FnMut(&crate::Path, &T) -> U) -> Specs {
        self.clone()
    }
    fn visit_at<'a>(&'a self, _: &crate::Path, _: &mut dyn FnMut(&crate::Path, &'a T)) {}
    fn structure_at(&self, _: &crate::Path, _: &mut crate::tree::StaticVisitor) {}
}

#[track_caller]
fn manual_axes(mesh: &Mesh, names: Option<&[String]>) -> Vec<NamedAxis> {
    if let Some(unknown) = names.into_iter().flatten().find(|n| mesh.axis(n).is_none()) {
        fail(
            "shard_map",
            vec![],
            format!("`axis_names` has `{unknown}`, which is no axis of the mesh {mesh}"),
            Some("name axes of the mesh".into()),
        )
    }
    let chosen = mesh.axes().iter().filter(|(name, _)| names.is_none_or(|n| n.iter().any(|n| **n == **name)));
    chosen.map(|(name, size)| NamedAxis { name: Rc::from(&**name), size: *size, mesh: true }).collect()
}

/// Specs of the leaves of the argument, and the types of one device's parts of them.
#[track_caller]
fn inputs(
    x: &impl Tree<Tensor>,
    mesh: &Mesh,
    manual: &[NamedAxis],
    specs: Result<Vec<PartitionSpec>, Refusal>,
) -> (Vec<PartitionSpec>, Vec<Aval>) {
    let specs = specs.unwrap_or_else(|why| refuse("shard_map", vec![], why.or_help(ONE_SPEC_PER_LEAF)));
    let (mut avals, mut i) = (vec![], 0);
    x.visit(|path, t| {
        let (a, spec) = (t.aval(), &specs[i]);
        let leaf = leaf_name("the argument", path);
        check_spec(spec, manual, &leaf);
        avals.push(local(mesh, spec, &a).unwrap_or_else(|why| refuse("shard_map", vec![], why.about(&leaf))));
        i += 1;
    });
    (specs, avals)
}

/// Refuse a spec that leaves an axis open, or names an axis over which the function is not mapped.
#[track_caller]
fn check_spec(spec: &PartitionSpec, manual: &[NamedAxis], leaf: &str) {
    if spec.0.contains(&Entry::Unconstrained) {
        let reason = format!("{leaf} has the spec {spec}, which leaves an axis open");
        fail("shard_map", vec![], reason, Some(OPEN_IS_NOT_WHOLE.into()))
    }
    if let Some(name) = spec.names().find(|n| !manual.iter().any(|m| *m.name == ***n)) {
        let names: Vec<String> = manual.iter().map(|m| format!("`{}`", m.name)).collect();
        let reason = format!("{leaf} has the spec {spec}, but `{name}` is not among the axes {}", names.join(", "));
        fail("shard_map", vec![], reason, Some("name an axis of the mesh (that is in `axis_names`)".into()))
    }
}

/// The type of one device's part.
fn local(mesh: &Mesh, spec: &PartitionSpec, a: &Aval) -> Result<Aval, Refusal> {
    let dims = mesh.sharding(spec.clone()).local_dims(&a.varying(AxisSet::NONE))?;
    Ok(a.with_dims(dims).varying(a.vma.union(AxisSet::of(spec.names()))))
}

/// The axis sizes of the whole array, given those of one device's part.
fn global(mesh: &Mesh, spec: &PartitionSpec, local: &[usize]) -> Dims {
    let mut dims = local.to_vec();
    for (n, entry) in dims.iter_mut().zip(&spec.0) {
        *n *= entry.names().iter().map(|name| mesh.axis(name).expect("checked")).product::<usize>();
    }
    dims
}

/// The result of the body, checked, with every leaf varying over the axes of its spec.
fn returned<Y: TensorTree>(
    y: Y,
    mesh: &Mesh,
    manual: &[NamedAxis],
    check_vma: bool,
    specs: &impl SpecTree<Y>,
    line: &'static Location<'static>,
) -> (Y, Specs) {
    let _at = At::op_at("shard_map", line);
    let specs = specs.specs(&y).unwrap_or_else(|why| refuse("shard_map", vec![], why.or_help(ONE_SPEC_PER_LEAF)));
    let all: AxisSet = manual.iter().map(NamedAxis::mesh_axes).collect();
    let (mut leaves, mut i) = (vec![], 0);
    y.visit(|path, t| {
        let (a, spec, leaf): (Aval, &PartitionSpec, String) = (t.aval(), &specs[i], leaf_name("the result", path));
        check_spec(spec, manual, &leaf);
        if let Err(why) = spec.check(mesh, &a) {
            refuse("shard_map", vec![], why.about(&leaf))
        }
        let own = AxisSet::of(spec.names());
        let more = a.vma.intersection(all).without(own);
        let t = match more.is_empty() {
            true => *t,
            false if check_vma => {
                let names = more.to_string();
                let reason = format!("{leaf} ({a}) may differ between the devices along `{names}`, but its spec {spec} says it is shared");
                let help = format!(
                    "divide an axis of it along `{names}`, combine it with `psum`, `pmean`, ..., or switch the check off \
                     (`check_vma: false`)"
                );
                fail("shard_map", vec![], reason, Some(help))
            }
            false => {
                let trusted = manual.iter().filter(|m| more.contains(m.mesh_axes())).cloned().collect();
                bind1(Trusted(trusted), &[*t])
            }
        };
        leaves.push(vary(t, own));
        i += 1;
    });
    (y.refill(leaves), Specs(specs))
}

impl ShardMap {
    fn all(&self) -> AxisSet {
        self.manual.iter().map(NamedAxis::mesh_axes).collect()
    }
    /// A call of another program over the same devices. The program's results are made to vary over the axes of their specs.
    fn with(&self, body: impl Into<InnerGraph>, ins: Vec<PartitionSpec>, outs: Vec<PartitionSpec>) -> ShardMap {
        let vary: Vec<AxisSet> = outs.iter().map(|s| AxisSet::of(s.names())).collect();
        let body = body.into();
        let body = with_axes(&self.manual, || body.raised(&vec![AxisSet::NONE; body.ins.len()], &vary));
        ShardMap { body, ins, outs, ..self.clone() }
    }
}
impl fmt::Debug for ShardMap {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let names: Vec<&str> = self.manual.iter().map(|a| &*a.name).collect();
        write!(f, "shard_map[{} over {} of {}: ", names.join(","), names.len(), self.mesh)?;
        write!(f, "{:?} -> {:?}] {}", self.ins, self.outs, self.body)
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row {
    name: "shard_map",
    dtypes: |d| matches!(d, DType::F32 | DType::F64),
    cases: |d| {
        use crate::P;
        let x = || vec![sample(d, &[4, 3], 1), sample(d, &[3, 2], 2), sample(d, &[2], 3)];
        let specs = (P!["i", "j"], P!["j", _], P![]);
        let f = |(x, w, b): (Tensor, Tensor, Tensor)| {
            let y = (psum(crate::einsum("bd,df->bf", x, w), "j") + b).sin();
            (y, crate::pmean(y, ["i"]).sum(0), all_gather(y, "i", 0, true))
        };
        let options = [
            ("all axes", ShardMapOptions::default()),
            ("unchecked", ShardMapOptions { check_vma: false, ..Default::default() }),
            ("some axes", ShardMapOptions { axis_names: Some(&["i", "j"]), ..Default::default() }),
        ];
        let case = |(label, options): (&str, ShardMapOptions<'static>)| {
            let specs = specs.clone();
            Case::new(label, x(), move |x| {
                let outs = (P!["i"], P![_], P!["i", _]);
                let (a, b, c) = shard_map_with(&one_device(), options, specs.clone(), outs, f)((x[0], x[1], x[2]));
                vec![a, b, c]
            })
        };
        options.into_iter().map(case).collect()
    },
}];
