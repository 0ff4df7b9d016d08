//! Ways to divide a model and its training over a mesh, each on a page of its own.
//!
//! | axis of the mesh | what it divides | page | communicated per layer and direction |
//! |---|---|---|---|
//! | `data` | the batch | [`data`] | nothing forward; the gradient once |
//! | `fsdp` | the batch, parameters and optimizer state | [`fsdp`] | the layer's parameters, gathered; their gradient, scattered |
//! | `model` | heads, hidden units, the vocabulary | [`tensor`] | two sums of activations |
//! | `model`, with `sequence` | also positions, between those | [`tensor`] | the same bytes: two gathers, two scattered sums |
//! | `context` | positions, everywhere | [`ring`] | keys and values, around the ring |
//! | `expert` | the batch, and experts | [`expert`] | tokens, to their experts and back |
//! | `pipe` | layers | [`pipeline`] | activations, to the next stage |
//!
//! One table, [`rules`], says which roles of axes these names divide: of parameters, activations, caches and initial values.
//! The layers of [`nn`](crate::nn) know the roles of their own axes. Inside [`shard_map`](crate::shard_map) over the mesh they
//! see their device's part of everything, and call the functions here where they must communicate; where the compiler divides
//! the work, the same functions say how the stream is divided; without rules around ([`Rules::within`]) they do nothing. So
//! one model function serves one device and many, and models do not know that there are meshes.
//! Derivatives need no further thought: what devices share is summed over them (see [`pvary`](crate::pvary)).
use crate::{
    mesh::{Entry, Mesh, Rules, mapped_axes},
    trace::Tensor,
};
use std::sync::Arc;

pub mod data;
pub mod expert;
pub mod fsdp;
pub mod pipeline;
pub mod ring;
pub mod tensor;

/// The names that axes of a mesh can have here.
pub const AXES: [&str; 6] = ["data", "fsdp", "model", "context", "expert", "pipe"];

/// What the axes of this mesh divide, by their names.
///
/// | role | mesh axes |
/// |---|---|
/// | `heads`, `mlp` | `model`, which must divide them |
/// | `kv_heads`, `vocab` | `model`, or whole: every device then has all key/value heads, or the whole head |
/// | `experts` | `expert`, which must divide them |
/// | `layers` | `pipe`, which must divide them |
/// | `embed` | `fsdp`, or whole |
/// | `batch` | `data`, `fsdp` and `expert` |
/// | `length` | `context`: positions inside attention and MLPs |
/// | `norm_length` | `context`; with `sequence` also `model`: positions between those |
/// | `head_length` | `context`: positions at the head; with [`whole_head`] also `model` |
///
/// # Errors
/// A name that is not among [`AXES`].
pub fn rules(mesh: &Mesh, sequence: bool) -> crate::Result<Rules> {
    if let Some((name, _)) = mesh.axes().iter().find(|a| !AXES.contains(&&*a.0)) {
        return Err(crate::Error::Sharding {
            reason: format!("the axis `{name}` of the mesh {mesh} divides nothing that is known"),
            help: format!("the axes are {}", AXES.join(", ")),
        });
    }
    let of =
        |names: &[&str]| Entry::Axes(names.iter().filter(|n| mesh.axis(n).is_some()).map(|n| Arc::from(*n)).collect());
    let between: &[&str] = if sequence { &["context", "model"] } else { &["context"] };
    Ok(Rules::default()
        .must("heads", of(&["model"]))
        .must("mlp", of(&["model"]))
        .rule("kv_heads", of(&["model"]))
        .rule("vocab", of(&["model"]))
        .must("experts", of(&["expert"]))
        .must("layers", of(&["pipe"]))
        .rule("embed", of(&["fsdp"]))
        .rule("batch", of(&["data", "fsdp", "expert"]))
        .rule("length", of(&["context"]))
        .rule("norm_length", of(between))
        .rule("head_length", of(&["context"])))
}

/// The rules for a model whose vocabulary `model` does not divide: its head is whole on every device, and each takes some of
/// the positions.
pub fn whole_head(rules: &Rules) -> Rules {
    let mut axes = rules.axes("length").to_vec();
    axes.extend(rules.axes("heads").iter().cloned());
    rules.replaced("head_length", Entry::Axes(axes))
}

/// All axes along which the tokens of devices differ.
fn tokens_over() -> Vec<Arc<str>> {
    [mapped_axes("batch"), mapped_axes("length")].concat()
}

/// Does this mesh axis divide axes of the role, in an enclosing `shard_map`?
fn divides(axis: &str, role: &str) -> bool {
    mapped_axes(role).iter().any(|name| **name == *axis)
}

/// Does the value differ between devices along this axis?
fn varies(t: Tensor, axis: &str) -> bool {
    !t.aval().vma.is_empty() && t.aval().vma.names().iter().any(|n| **n == *axis)
}

/// Is the array, whose axes have these roles, divided along `axis` of an enclosing `shard_map` by an axis of one of the roles?
pub(crate) fn is_divided(t: Tensor, roles: &[&str], axis: &str) -> bool {
    varies(t, axis) && roles.iter().any(|role| divides(axis, role))
}
