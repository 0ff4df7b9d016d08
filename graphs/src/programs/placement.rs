//! Programs of a model that is divided over a mesh.
//!
//! Every device runs the step on its part: its heads, hidden units and columns of the vocabulary (axis `model`, see
//! [`raxla::parallel::tensor`]), and its rows of the batch (axis `data`). A cache `[rows, slots, kv_heads, k]` is divided by both.
//! Per layer and call two sums of activations go around, and at the end the logits of one position.
use super::{Forward, Request, State, Step, StepFn, StepOut, forward_of, library::Pick, step_of};
use crate::{architecture::Architecture, error::Result, sampling::Shape};
use raxla::{
    Array, Aval, Axis, Client, Leaf, Mesh, NamedSharding, P, Param, PartitionSpec, SpecTree, Tensor, Tree, jit,
    mesh::Entry,
    nn::Layers,
    parallel::{self, Parallel},
    shard_map,
};
use std::sync::Arc;

/// How a model is divided over a mesh.
#[derive(Clone, Debug)]
pub struct Placement {
    mesh: Mesh,
    parallel: Parallel,
    params: Vec<PartitionSpec>,
}

/// The axes of a mesh for generation.
const AXES: [&str; 2] = ["data", "model"];

impl Placement {
    /// How these parameters are divided over this mesh, whose devices are of this client.
    ///
    /// # Errors
    /// A mesh with axes other than `data` and `model`, of another client or without devices; heads or hidden units that
    /// `model` does not divide.
    pub fn new(mesh: &Mesh, client: &Client, params: &[(String, Param)]) -> Result<Placement> {
        let wrong = |reason: String, help: &str| Err(raxla::Error::Sharding { reason, help: help.into() }.into());
        if let Some((name, _)) = mesh.axes().iter().find(|(name, _)| !AXES.contains(&&**name)) {
            let help = "divide heads and hidden units along `model`, the rows of a batch along `data`";
            return wrong(format!("generation is not divided along `{name}` of the mesh {mesh}"), help);
        }
        let has = |d: &raxla::runtime::Device| client.devices().contains(d);
        if !mesh.devices().iter().all(has) {
            let help = "make the mesh of the devices of the client that the model is loaded with";
            return wrong(format!("the mesh {mesh} has devices of another client"), help);
        }
        mesh.client()?;
        let parallel = Parallel::of(mesh)?;
        let specs = params.iter().map(|(path, p)| parallel.spec(mesh, path, p)).collect::<raxla::Result<_>>()?;
        Ok(Placement { mesh: mesh.clone(), parallel, params: specs })
    }

    /// The devices.
    pub fn mesh(&self) -> &Mesh {
        &self.mesh
    }
    /// How each parameter is divided.
    pub fn specs(&self) -> &[PartitionSpec] {
        &self.params
    }
    /// Where each parameter is.
    pub fn shardings(&self) -> Vec<NamedSharding> {
        self.params.iter().map(|spec| self.mesh.sharding(spec.clone())).collect()
    }
    /// Into how many parts the rows of a batch are divided.
    pub fn parts_of_batch(&self) -> usize {
        self.mesh.axis("data").unwrap_or(1)
    }
    /// How a state is divided, leaf by leaf.
    pub fn state<T: Leaf>(&self, state: &State<T>) -> State<PartitionSpec> {
        self.division().state(state)
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

    fn division(&self) -> Division {
        let along = |name: &str| Entry::from(self.mesh.axis(name).map(|_| name));
        Division { rows: along("data"), heads: along("model") }
    }
    /// `f` of one device's part, by all of them.
    fn each<X, Y>(&self, ins: impl SpecTree<X>, outs: impl SpecTree<Y>, f: impl Fn(X) -> Y) -> impl Fn(X) -> Y
    where
        X: Tree<Tensor, With<Tensor> = X>,
        Y: Tree<Tensor, With<Tensor> = Y>,
    {
        shard_map(&self.mesh, ins, outs, move |x| parallel::within(&self.parallel, || f(x)))
    }

    /// The [`step`](super::step), by all devices. Batches are multiples of [`Placement::parts_of_batch`].
    pub fn step(&self, arch: Arc<dyn Architecture>, shape: Shape) -> Step {
        let (own, f, by) = (self.clone(), step_of(arch, shape), self.division());
        let ins = (self.params.clone(), by.of_rows(), by.of_rows(), by.clone(), by.clone());
        let outs = (by.of_rows(), by);
        let inner = (ins.clone(), outs.clone());
        let g = move |params: Vec<Tensor>, tokens: Tensor, count: Tensor, state: State, request: Request| {
            let (ins, outs) = inner.clone();
            let one = |(p, t, c, s, r): (Vec<Tensor>, Tensor, Tensor, State, Request)| f(p, t, c, s, r);
            own.each::<_, StepOut<Tensor>>(ins, outs, one)((params, tokens, count, state, request))
        };
        let g: Box<StepFn> = Box::new(g);
        jit(g).named("step").on(&self.mesh).in_shardings(ins).out_shardings(outs)
    }
    /// [`forward`](super::forward): every device of a row of the mesh runs all of it.
    pub fn forward(&self, arch: Arc<dyn Architecture>) -> Forward {
        let (own, f) = (self.clone(), forward_of(arch));
        let ins = (self.params.clone(), P![]);
        let inner = ins.clone();
        let g = move |params: Vec<Tensor>, tokens: Tensor| {
            let one = |(params, tokens): (Vec<Tensor>, Tensor)| f(params, tokens);
            own.each::<_, (Tensor, Vec<Tensor>)>(inner.clone(), P![], one)((params, tokens))
        };
        jit(Box::new(g) as Box<_>).named("forward").on(&self.mesh).in_shardings(ins).out_shardings(P![])
    }
    /// The program that repeats, leaves out, or exchanges rows: the compiler divides it.
    pub(crate) fn pick(&self, pick: Pick) -> Pick {
        let by = self.division();
        pick.on(&self.mesh).in_shardings((by.clone(), P![])).out_shardings(by)
    }
}

/// The axes of the mesh that divide rows, and heads of keys and values.
#[derive(Clone)]
struct Division {
    rows: Entry,
    heads: Entry,
}
impl Division {
    fn of_rows(&self) -> PartitionSpec {
        PartitionSpec::new(vec![self.rows.clone()])
    }
    fn state<T: Leaf>(&self, state: &State<T>) -> State<PartitionSpec> {
        // [rows, slots, heads, k], behind the axis of stacked layers
        let layer = PartitionSpec::new(vec![self.rows.clone(), Entry::whole(), self.heads.clone()]);
        let of_cache = match state.cache {
            Layers::Stacked(..) => layer.stacked(Entry::whole()),
            Layers::List(_) => layer,
        };
        State {
            position: self.of_rows(),
            cache: Tree::map(&state.cache, |_| of_cache.clone()),
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
