//! Axes with names, which collectives refer to.
use super::fail;
use crate::mesh::AxisSet;
use std::{cell::RefCell, rc::Rc};

thread_local! {
    static AXES: RefCell<Vec<NamedAxis>> = const { RefCell::new(vec![]) };
}

/// An axis that collectives mean by name: of an enclosing [`vmap_with`](crate::vmap_with) or [`shard_map`](crate::shard_map).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedAxis {
    /// Its name.
    pub name: Rc<str>,
    /// How many instances there are along it.
    pub size: usize,
    /// Is it an axis of a mesh, whose instances are devices ([`shard_map`](crate::shard_map))?
    pub mesh: bool,
}
impl NamedAxis {
    /// The axis as a set of mesh axes; empty if it is none.
    pub(crate) fn mesh_axes(&self) -> AxisSet {
        if self.mesh { AxisSet::of([&*self.name]) } else { AxisSet::NONE }
    }
}

/// Run `f`, inside which collectives may mean this axis.
pub fn with_axis<R>(axis: NamedAxis, f: impl FnOnce() -> R) -> R {
    with_axes(&[axis], f)
}

/// As [`with_axis`], for several.
pub fn with_axes<R>(axes: &[NamedAxis], f: impl FnOnce() -> R) -> R {
    struct Pop(usize);
    impl Drop for Pop {
        fn drop(&mut self) {
            AXES.with(|a| a.borrow_mut().truncate(self.0));
        }
    }
    let _pop = Pop(AXES.with(|a| a.borrow().len()));
    AXES.with(|a| a.borrow_mut().extend_from_slice(axes));
    f()
}

/// The names of the mesh axes that an enclosing [`shard_map`](crate::shard_map) maps over.
pub(crate) fn mesh_axes_inside() -> Vec<Rc<str>> {
    AXES.with_borrow(|a| a.iter().filter(|a| a.mesh).map(|a| a.name.clone()).collect())
}

/// The innermost axis of this name. `op` is who asks, for the message.
#[track_caller]
pub fn named_axis(op: &str, name: &str) -> NamedAxis {
    let axes = AXES.with(|a| a.borrow().clone());
    if let Some(axis) = axes.iter().rfind(|a| *a.name == *name) {
        return axis.clone();
    }
    let known: Vec<String> = axes.iter().map(|a| format!("`{}`", a.name)).collect();
    let reason = match known.is_empty() {
        true => format!("there is no axis `{name}`: no axis has a name here"),
        false => format!("there is no axis `{name}` among {}", known.join(", ")),
    };
    let help = format!(
        "call it inside `vmap_with(VmapOptions {{ axis_name: Some(\"{name}\"), .. }}, ..)`, or inside `shard_map` over a \
         mesh with that axis"
    );
    fail(op, vec![], reason, Some(help))
}
