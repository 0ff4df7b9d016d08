//! A lowered function as an artifact.
use super::{
    NamedSharding,
    program::{Lowered, Placement},
};
use crate::{
    error::{Error, Result},
    export::{Exported, PyTree},
    lower::{ParamAttrs, Style, module},
    trace::{Tensor, catch},
    tree::{Hole, Tree},
};

impl<Args, Out: Tree<Tensor>> Lowered<Args, Out> {
    /// The paths of the results' leaves.
    pub(crate) fn out_paths(&self) -> Vec<String>
    where
        Out::With<Hole>: Tree<Hole>,
    {
        self.out.paths()
    }

    /// An error, if the program calls this process.
    pub(in crate::run) fn refuse_calls(&self) -> Result<()> {
        if self.calls_host.is_none() && !self.returns_effect {
            return Ok(());
        }
        let operation = self.calls_host.unwrap_or("an operation that prints or checks");
        Err(Error::Mismatch {
            what: format!("`{}`", self.name),
            have: format!("`{operation}` calls this process while it runs"),
            want: "what is exported must run without this process".into(),
            help: "leave that out of it".into(),
        })
    }

    /// The program as an artifact that leaves the process: without kernels of the CPU, and with the leaves of arguments and results in the
    /// order of JAX's trees, in which structs are dictionaries. JAX: `jax.export.export`.
    ///
    /// # Errors
    /// A program that calls this process: that prints, checks, or computes eigenvalues of a general matrix.
    pub fn export(&self) -> Result<Exported>
    where
        Out::With<Hole>: Tree<Hole>,
    {
        self.refuse_calls()?;
        let (args, order) = PyTree::of_paths(&self.paths);
        let (out_tree, out_order) = PyTree::of_paths(&self.out_paths());
        let mut graph = self.graph.clone();
        graph.ins = order.iter().map(|i| self.graph.ins[*i]).collect();
        graph.outs = out_order.iter().map(|o| self.graph.outs[*o]).collect();
        let place = self.place.as_ref();
        let sharding = |i: &usize| place.map(|p: &Placement| p.ins[*i].clone());
        let params: Vec<_> = order.iter().map(|i| ParamAttrs { alias: None, sharding: sharding(i) }).collect();
        let outs = |p: &Placement| out_order.iter().map(|o| p.outs[*o].clone()).collect::<Vec<Option<NamedSharding>>>();
        let results = place.map(outs).unwrap_or_default();
        let mesh = self.mesh();
        let style = Style { locations: true, kernels: false };
        let text = catch(|| module(&graph, &params, &results, mesh, style).text)?;
        let in_tree = match args {
            PyTree::Tuple(_) => args,
            PyTree::None => PyTree::Tuple(vec![]),
            other => PyTree::Tuple(vec![other]),
        };
        let in_tree = PyTree::Tuple(vec![in_tree, PyTree::Dict(vec![])]);
        let (devices, avals) = (mesh.map_or(1, |mesh| mesh.size()), [graph.in_avals(), graph.out_avals()]);
        Ok(Exported::new(self.name, text, devices, [in_tree, out_tree], avals))
    }
}
