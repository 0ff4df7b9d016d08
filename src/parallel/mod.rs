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
//! Inside [`shard_map`](crate::shard_map) a model sees its device's part of everything. The functions here are put where a
//! model must communicate, and do nothing without a [`Parallel`] around: one model function serves one device and many.
//! Derivatives need no further thought: what devices share is summed over them (see [`pvary`](crate::pvary)).
use crate::{
    mesh::{Entry, Mesh, PartitionSpec, Rules},
    param::Param,
    trace::Tensor,
};
use std::{cell::RefCell, rc::Rc, sync::Arc};

pub mod data;
pub mod expert;
pub mod fsdp;
pub mod pipeline;
pub mod ring;
pub mod tensor;

/// Which axes of a mesh divide what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parallel {
    /// The axes that divide the batch: those of `data`, `fsdp` and `expert` that the mesh has.
    pub batch: Vec<Arc<str>>,
    /// Parameters are divided along `fsdp`.
    pub fsdp: bool,
    /// Heads, hidden units and the vocabulary are divided along `model`.
    pub model: bool,
    /// Between attention and MLPs, positions are divided along `model`.
    pub sequence: bool,
    /// `model` does not divide the vocabulary: the head is whole on every device, which takes some of the positions.
    pub whole_head: bool,
    /// Positions are divided along `context`.
    pub context: bool,
    /// Experts are divided along `expert`.
    pub expert: bool,
    /// Layers are divided along `pipe`, in so many parts; `None`: they are not.
    pub pipe: Option<pipeline::Schedule>,
    /// How one layer's parameters are divided, leaf by leaf.
    pub layer: Vec<PartitionSpec>,
}

/// The names that axes of a mesh can have here.
pub const AXES: [&str; 6] = ["data", "fsdp", "model", "context", "expert", "pipe"];

impl Parallel {
    /// What the axes of this mesh say, by their names.
    ///
    /// # Errors
    /// A name that is not among [`AXES`].
    pub fn of(mesh: &Mesh) -> crate::Result<Parallel> {
        if let Some((name, _)) = mesh.axes().iter().find(|a| !AXES.contains(&&*a.0)) {
            return Err(crate::Error::Sharding {
                reason: format!("the axis `{name}` of the mesh {mesh} divides nothing that is known"),
                help: format!("the axes are {}", AXES.join(", ")),
            });
        }
        let has = |name: &str| mesh.axis(name).is_some();
        let batch = ["data", "fsdp", "expert"].into_iter().filter(|n| has(n)).map(Arc::from).collect();
        let pipe = mesh.axis("pipe").map(|stages| pipeline::Schedule { stages, microbatches: stages, repeats: 1 });
        Ok(Parallel {
            batch,
            fsdp: has("fsdp"),
            model: has("model"),
            sequence: false,
            whole_head: false,
            context: has("context"),
            expert: has("expert"),
            pipe,
            layer: vec![],
        })
    }

    /// How a parameter is divided: by the roles of its axes.
    ///
    /// Heads, hidden units and experts must divide evenly; a vocabulary or width that does not stays whole.
    ///
    /// # Errors
    /// What must divide and does not.
    pub fn spec(&self, mesh: &Mesh, path: &str, p: &Param) -> crate::Result<PartitionSpec> {
        let mut entries = vec![];
        for (role, n) in p.axes.iter().zip(&p.aval.dims) {
            let (axis, must) = match *role {
                "heads" | "kv_heads" | "mlp" if self.model => ("model", true),
                "vocab" if self.model => ("model", false),
                "experts" if self.expert => ("expert", true),
                "layers" if self.pipe.is_some() => ("pipe", true),
                "embed" if self.fsdp => ("fsdp", false),
                _ => ("", false),
            };
            let parts = mesh.axis(axis).unwrap_or(1);
            let divides = n % parts == 0;
            if must && !divides {
                return Err(crate::Error::Sharding {
                    reason: format!(
                        "the parameter `{path}` ({}) has {n} {role}, which the {parts} devices along `{axis}` do not divide",
                        p.aval
                    ),
                    help: format!("make `{axis}` a divisor of {n}"),
                });
            }
            entries.push(if parts > 1 && divides { Entry::from(axis) } else { Entry::whole() });
        }
        Ok(PartitionSpec::new(entries))
    }

    /// The same for the compiler, where it divides the work ([`Jit::rules`](crate::Jit::rules)): what the roles of the axes of the
    /// stream `[batch, length, _]` mean on the mesh; `norm_length` are its positions between attention and MLPs, `head_length`
    /// those at the head.
    pub fn rules(&self) -> Rules {
        let context = || if self.context { vec!["context".into()] } else { vec![] };
        let model = |divides: bool| if self.model && divides { vec!["model".into()] } else { vec![] };
        Rules::default()
            .rule("batch", Entry::Axes(self.batch.clone()))
            .rule("length", Entry::Axes(context()))
            .rule("norm_length", Entry::Axes([context(), model(self.sequence)].concat()))
            .rule("head_length", Entry::Axes([context(), model(self.whole_head)].concat()))
    }

    /// How tokens `[b, t]` are divided.
    pub fn tokens(&self) -> PartitionSpec {
        let context = if self.context { vec!["context".into()] } else { vec![] };
        PartitionSpec::new(vec![Entry::Axes(self.batch.clone()), Entry::Axes(context)])
    }

    /// All axes along which a mean over tokens is taken.
    fn tokens_over(&self) -> Vec<&str> {
        let context = self.context.then_some("context");
        self.batch.iter().map(|n| &**n).chain(context).collect()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Parallel>>> = const { RefCell::new(None) };
}

/// Run `f`, in which models communicate as this says: inside [`shard_map`](crate::shard_map) over a mesh with those axes.
pub fn within<R>(parallel: &Parallel, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Rc<Parallel>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(Rc::new(parallel.clone()))));
    f()
}

/// What is around, if anything.
pub fn current() -> Option<Rc<Parallel>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Does the value differ between devices along this axis?
fn varies(t: Tensor, axis: &str) -> bool {
    !t.aval().vma.is_empty() && t.aval().vma.names().iter().any(|n| **n == *axis)
}
