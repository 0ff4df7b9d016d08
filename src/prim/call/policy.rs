//! Policies: which values a rematerialised function saves for its second run.
use super::*;
use std::{mem::discriminant, sync::Arc};

/// Decides about an operation, given it and the types of its results.
pub type Predicate = dyn Fn(&dyn Primitive, &[Aval]) -> bool + Send + Sync;

/// What [`remat`] keeps of a function's inside for reverse mode, beside its arguments. It applies also inside the bodies
/// of [`scan`], the branches of [`cond`], and calls of [`remat`] within.
#[derive(Clone, Default)]
pub enum Policy {
    /// Nothing: everything is computed again.
    #[default]
    SaveNothing,
    /// Everything that is needed, as without [`remat`].
    SaveEverything,
    /// Results of matrix products.
    SaveDots,
    /// Results of matrix products without batch axes: weights times activations, but not attention scores.
    SaveDotsWithoutBatchAxes,
    /// Values named by [`checkpoint_name`].
    SaveNames(Vec<String>),
    /// Values named by [`checkpoint_name`]: some stay on the device, others are kept in the host's memory until the second
    /// run needs them. On a platform whose devices have no other memory, such as the CPU, they are all just saved. JAX:
    /// `save_and_offload_only_these_names`.
    SaveAndOffloadNames {
        /// Those that stay.
        save: Vec<String>,
        /// Those that go to the host.
        offload: Vec<String>,
    },
    /// Results of operations for which this holds. Only clones of one predicate are equal.
    Custom(Arc<Predicate>),
}
impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Policy::SaveNothing => write!(f, "save nothing"),
            Policy::SaveEverything => write!(f, "save everything"),
            Policy::SaveDots => write!(f, "save dots"),
            Policy::SaveDotsWithoutBatchAxes => write!(f, "save dots without batch axes"),
            Policy::SaveNames(names) => write!(f, "save {}", names.join(", ")),
            Policy::SaveAndOffloadNames { save, offload } => {
                write!(f, "save {}, offload {}", save.join(", "), offload.join(", "))
            }
            Policy::Custom(_) => write!(f, "custom"),
        }
    }
}
impl Policy {
    pub(super) fn saves(&self, prim: &dyn Primitive, results: &[Aval]) -> Saving {
        let saves = match (self, prim.tag()) {
            (Policy::SaveEverything, _) => true,
            (Policy::SaveDots, Tag::Dot { .. }) => true,
            (Policy::SaveDotsWithoutBatchAxes, Tag::Dot { batch_axes }) => batch_axes == 0,
            (Policy::SaveNames(names), Tag::Name(n)) => names.contains(n),
            (Policy::SaveAndOffloadNames { offload, .. }, Tag::Name(n)) if offload.contains(n) => {
                return Saving::Offload;
            }
            (Policy::SaveAndOffloadNames { save, .. }, Tag::Name(n)) => save.contains(n),
            (Policy::Custom(f), _) => f(prim, results),
            _ => false,
        };
        if saves { Saving::Save } else { Saving::Recompute }
    }
}
/// The same decisions; functions are compared by where they are.
impl PartialEq for Policy {
    fn eq(&self, other: &Policy) -> bool {
        match (self, other) {
            (Policy::Custom(a), Policy::Custom(b)) => Arc::ptr_eq(a, b),
            (Policy::SaveNames(a), Policy::SaveNames(b)) => a == b,
            (
                Policy::SaveAndOffloadNames { save, offload },
                Policy::SaveAndOffloadNames { save: save_too, offload: offload_too },
            ) => (save, offload) == (save_too, offload_too),
            (a, b) => discriminant(a) == discriminant(b),
        }
    }
}
impl Hash for Policy {
    fn hash<H: Hasher>(&self, h: &mut H) {
        discriminant(self).hash(h);
    }
}

/// The identity, which gives a value a name.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Name(String);
/// `x`, with a name by which [`Policy::SaveNames`] finds it. JAX: `checkpoint_name`.
#[track_caller]
pub fn checkpoint_name(x: Tensor, name: &str) -> Tensor {
    bind(Name(name.into()), &[x])[0]
}
impl Primitive for Name {
    fn name(&self) -> &'static str {
        "name"
    }
    identity!();
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0]]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(self.clone(), x)
    }
    fn lower(&self, _: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
        vec![x[0].clone()]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
    fn tag(&self) -> Tag<'_> {
        Tag::Name(&self.0)
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row {
    name: "name",
    dtypes: any_dtype,
    cases: |d| vec![Case::new("values", vec![sample(d, &[3], 1)], |x| vec![checkpoint_name(x[0], "x")])],
}];
