//! Programs of a model that is divided over a mesh.
//!
//! Every device runs the step on its part: its heads, hidden units and columns of the vocabulary (axis `model`, see
//! [`raxla::parallel::tensor`]), and its rows of the batch (axis `data`). A cache is divided by the roles
//! of its axes: `[batch, slots, kv_heads, head]` by both.
//! Per layer and call two sums of activations go around, and at the end the logits of one position.
use super::{
    Forward, Logits, LogitsFn, Request, State, Step, StepFn, StepOut, forward_of, library::Pick, logits_of, step_of,
};
use crate::{
    error::Result,
    models::{Caches, Decoder},
    sampling::Shape,
};
use raxla::{
    Array, Aval, Axis, Client, DType, Leaf, Mesh, NamedSharding, P, Param, PartitionSpec, Rules, SpecTree, Tensor,
    Tree, jit, mesh::Entry, parallel, shard_map,
};

/// How a model is divided over a mesh.
#[derive(Clone, Debug)]
pub struct Placement {
    mesh: Mesh,
    rules: Rules,
    params: Decoder<PartitionSpec>,
    by: Division,
}

/// The axes of a mesh for generation.
const AXES: [&str; 2] = ["data", "model"];

/// A refusal to divide the model, with the sizes of `model` that would do.
fn with_sizes(why: raxla::Error, model: &Decoder<Param>) -> raxla::Error {
    let fits = |n: &usize| {
        let mesh = Mesh::abstract_mesh([("model", *n)])?;
        model.place(&parallel::rules(&mesh, false)?, &mesh)
    };
    let sizes: Vec<String> = (2..=64).filter(|n| fits(n).is_ok()).map(|n| n.to_string()).collect();
    match (why, sizes.split_last()) {
        (raxla::Error::Sharding { reason, .. }, Some((last, others))) => {
            let sizes = if others.is_empty() { last.clone() } else { format!("{} or {last}", others.join(", ")) };
            raxla::Error::Sharding { reason, help: format!("of this model, `model` can be {sizes}") }
        }
        (why, _) => why,
    }
}

impl Placement {
    /// How this model is divided over this mesh, whose devices are of this client.
    ///
    /// # Errors
    /// A mesh with axes other than `data` and `model`, of another client or without devices; heads or hidden units that
    /// `model` does not divide.
    pub fn new(mesh: &Mesh, client: &Client, model: &Decoder<Param>) -> Result<Placement> {
        let wrong = |reason: String, help: &str| Err(raxla::Error::Sharding { reason, help: help.into() }.into());
        let has = |d: &raxla::runtime::Device| client.all_devices().contains(d);
        if !mesh.devices().iter().all(has) {
            let help = "make the mesh of the devices of the client that the model is loaded with";
            return wrong(format!("the mesh {mesh} has devices of another client"), help);
        }
        mesh.client()?;
        Placement::of(mesh, model)
    }

    /// As [`Placement::new`], over a mesh that may be without devices: to lower programs, and to plan them
    /// ([`raxla::aot`]).
    ///
    /// # Errors
    /// As those of [`Placement::new`] about axes and sizes.
    pub fn of(mesh: &Mesh, model: &Decoder<Param>) -> Result<Placement> {
        let wrong = |reason: String, help: &str| Err(raxla::Error::Sharding { reason, help: help.into() }.into());
        if let Some((name, _)) = mesh.axes().iter().find(|(name, _)| !AXES.contains(&&**name)) {
            let help = "divide heads and hidden units along `model`, the rows of a batch along `data`";
            return wrong(format!("generation is not divided along `{name}` of the mesh {mesh}"), help);
        }
        let rules = parallel::rules(mesh, false)?;
        let params = model.place(&rules, mesh).map_err(|why| with_sizes(why, model))?;
        let rows = Entry::Axes(rules.axes("batch").to_vec());
        // (sizes that matter are those of heads and rows)
        let cache = model.cache(mesh.axis("data").unwrap_or(1), 1, 0, DType::F32).map(|p| rules.spec_of(p, mesh));
        let logits = Param::new([mesh.axis("data").unwrap_or(1), 1, model.vocab()], ["batch", "length", "vocab"]);
        let logits = rules.spec_of(&logits, mesh);
        Ok(Placement { mesh: mesh.clone(), rules, params, by: Division { rows, cache, logits } })
    }

    /// The devices.
    pub fn mesh(&self) -> &Mesh {
        &self.mesh
    }
    /// What its axes divide, by the roles of axes.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
    /// How each parameter is divided.
    pub fn specs(&self) -> &Decoder<PartitionSpec> {
        &self.params
    }
    /// Where each parameter is.
    pub fn shardings(&self) -> Vec<NamedSharding> {
        self.params.leaves().into_iter().map(|spec| self.mesh.sharding(spec)).collect()
    }
    /// Into how many parts the rows of a batch are divided.
    pub fn parts_of_batch(&self) -> usize {
        self.mesh.axis("data").unwrap_or(1)
    }
    /// Whether devices are those of other processes too.
    fn of_several_processes(&self) -> bool {
        let mut of = self.mesh.devices().iter().map(|device| device.description().process_index);
        of.next().is_some_and(|first| of.any(|other| other != first))
    }
    /// How a state is divided, leaf by leaf.
    pub fn state<T: Leaf>(&self, state: &State<T>) -> State<PartitionSpec> {
        self.by.state(state)
    }
    /// A state in which nothing has happened yet.
    ///
    /// # Errors
    /// Rows that the mesh does not divide; what the plugin reports.
    pub fn new_state(&self, avals: &State<Aval>) -> raxla::Result<State<Array>> {
        let specs = self.state(avals).leaves();
        let zeros = |(aval, spec): (Aval, PartitionSpec)| Array::zeros_sharded(&self.mesh.sharding(spec), aval);
        let leaves = avals.leaves().into_iter().zip(specs).map(zeros).collect::<raxla::Result<Vec<Array>>>()?;
        Ok(avals.refill(leaves))
    }

    /// `f` of one device's part, by all of them.
    fn each<X, Y>(&self, ins: impl SpecTree<X>, outs: impl SpecTree<Y>, f: impl Fn(X) -> Y) -> impl Fn(X) -> Y
    where
        X: Tree<Tensor, With<Tensor> = X>,
        Y: Tree<Tensor, With<Tensor> = Y>,
    {
        shard_map(&self.mesh, ins, outs, move |x| self.rules.within(&self.mesh, || f(x)))
    }

    /// The [`step`](super::step), by all devices. Batches are multiples of [`Placement::parts_of_batch`].
    pub fn step(&self, shape: Shape) -> Step {
        let (own, f, by) = (self.clone(), step_of(shape), self.by.clone());
        let rows = by.of_rows();
        let inner =
            ((self.params.leaves(), rows.clone(), rows.clone(), by.clone(), by.clone()), (rows.clone(), by.clone()));
        // (of several processes, each reads what was chosen for all rows, and the next step begins with it)
        let tokens = if self.of_several_processes() { P![] } else { rows.clone() };
        let (ins, outs) = ((self.params.leaves(), tokens.clone(), rows, by.clone(), by.clone()), (tokens, by));
        let g = move |model: Decoder, tokens: Tensor, count: Tensor, state: State, request: Request| {
            let (ins, outs) = inner.clone();
            let one = |(m, t, c, s, r): (Decoder, Tensor, Tensor, State, Request)| f(m, t, c, s, r);
            own.each::<_, StepOut<Tensor>>(ins, outs, one)((model, tokens, count, state, request))
        };
        let g: Box<StepFn> = Box::new(g);
        jit(g).named("step").on(&self.mesh).in_shardings(ins).out_shardings(outs)
    }
    /// [`forward`](super::forward): every device of a row of the mesh runs all of it.
    pub fn forward(&self) -> Forward {
        let (own, f) = (self.clone(), forward_of());
        let ins = (self.params.leaves(), P![]);
        let inner = ins.clone();
        let g = move |model: Decoder, tokens: Tensor| {
            let one = |(model, tokens): (Decoder, Tensor)| f(model, tokens);
            own.each::<_, (Tensor, Vec<Tensor>)>(inner.clone(), P![], one)((model, tokens))
        };
        jit(Box::new(g) as Box<_>).named("forward").on(&self.mesh).in_shardings(ins).out_shardings(P![])
    }
    /// [`batch_logits`](super::batch_logits), by all devices: each has its rows and, where `model` divides the vocabulary, its columns.
    pub fn batch_logits(&self) -> Logits {
        let own = self.clone();
        let ins = (self.params.leaves(), self.by.of_rows());
        let (inner, outs) = (ins.clone(), self.by.logits.clone());
        let divided = outs.clone();
        let g = move |model: Decoder, tokens: Tensor| {
            let one = |(model, tokens): (Decoder, Tensor)| logits_of(model, tokens);
            own.each::<_, Tensor>(inner.clone(), divided.clone(), one)((model, tokens))
        };
        jit(Box::new(g) as Box<LogitsFn>).named("forward").on(&self.mesh).in_shardings(ins).out_shardings(outs)
    }
    /// The program that repeats, leaves out, or exchanges rows: the compiler divides it.
    pub(crate) fn pick(&self, pick: Pick) -> Pick {
        let by = self.by.clone();
        pick.on(&self.mesh).in_shardings((by.clone(), P![])).out_shardings(by)
    }
}

/// How rows are divided, caches, and the logits of rows at all positions.
#[derive(Clone, Debug)]
struct Division {
    rows: Entry,
    cache: Caches<PartitionSpec>,
    logits: PartitionSpec,
}
impl Division {
    fn of_rows(&self) -> PartitionSpec {
        PartitionSpec::new(vec![self.rows.clone()])
    }
    fn state<T: Leaf>(&self, state: &State<T>) -> State<PartitionSpec> {
        State {
            position: self.of_rows(),
            cache: state.cache.refill(self.cache.leaves()),
            counts: state.counts.as_ref().map(|_| self.of_rows()),
        }
    }
}
impl SpecTree<State> for Division {
    fn specs(&self, state: &State) -> Result<Vec<PartitionSpec>, raxla::Refusal> {
        Ok(self.state(state).leaves())
    }
}
impl SpecTree<Request> for Division {
    fn specs(&self, request: &Request) -> Result<Vec<PartitionSpec>, raxla::Refusal> {
        let of = |axis| match axis {
            Axis::At(_) => self.of_rows(),
            Axis::Shared => P![],
        };
        Ok(request.axes().leaves().into_iter().map(of).collect())
    }
}
