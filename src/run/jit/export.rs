//! A lowered function as an artifact.
use super::{NamedSharding, program::Lowered};
use crate::{
    error::{Error, Result},
    export::{Exported, PyTree},
    graph::Graph,
    lower::{ParamAttrs, Style, module},
    trace::{Tensor, catch, inline, trace_graph},
    transform::{optimize, vjp},
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
        let Ordered { graph, ins, outs, in_tree, out_tree } = self.ordered();
        let text = self.text_of(&graph, ins, outs)?;
        let in_tree = match in_tree {
            PyTree::Tuple(_) => in_tree,
            PyTree::None => PyTree::Tuple(vec![]),
            other => PyTree::Tuple(vec![other]),
        };
        let in_tree = PyTree::Tuple(vec![in_tree, PyTree::Dict(vec![])]);
        let devices = self.mesh().map_or(1, |mesh| mesh.size());
        Ok(Exported::new(self.name, text, devices, [in_tree, out_tree], [graph.in_avals(), graph.out_avals()]))
    }

    /// As [`Lowered::export`], with the derivative in reverse mode beside it: a function of the arguments and of cotangents of the results
    /// that gives cotangents of the arguments, of integers zeros. JAX: `serialize(vjp_order=1)`.
    ///
    /// ```
    /// use raxla::{prelude::*, runtime};
    /// let vector = Aval::new(DType::F32, [2]);
    /// let exported = jit(|x: Tensor| (x * x).sum(0)).lower(&(vector,))?.export_with_vjp()?;
    /// let x = Array::from_slice([2], &[3f32, 4.])?;
    /// let y = exported.vjp().unwrap().call(&runtime::client()?, &[&x, &Array::scalar(1f32)?])?;
    /// assert_eq!(y[0].to_vec::<f32>()?, [6., 8.]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Lowered::export`]; a result that is no float; operations without a derivative in reverse mode.
    pub fn export_with_vjp(&self) -> Result<Exported>
    where
        Out::With<Hole>: Tree<Hole>,
    {
        let exported = self.export()?;
        let Ordered { graph, ins, outs, .. } = self.ordered();
        let (takes, gives) = (graph.in_avals(), graph.out_avals());
        if let Some(aval) = gives.iter().find(|aval| !aval.dtype.is_inexact()) {
            return Err(Error::Mismatch {
                what: format!("`{}`", self.name),
                have: format!("a result is {aval}, which has no cotangent"),
                want: "what is exported with its derivative must return floats".into(),
                help: "leave that result out, or export it without the derivative".into(),
            });
        }
        let back = trace_graph(&[takes, gives].concat(), |x| {
            let (args, cotangents) = x.split_at(ins.len());
            vjp(|args: Vec<Tensor>| inline(&graph, &args), args.to_vec()).1(cotangents.to_vec())
        })?;
        let (back, _) = optimize(&back);
        let places = [ins.clone(), outs].concat();
        let text = self.text_of(&back, places, ins)?;
        let (name, devices) = (format!("{}_vjp", self.name), exported.devices());
        let trees = [PyTree::None, PyTree::None];
        exported.with_vjp(Exported::new(&name, text, devices, trees, [back.in_avals(), back.out_avals()]))
    }

    /// The graph with the leaves of arguments and results in the order of JAX's trees.
    fn ordered(&self) -> Ordered
    where
        Out::With<Hole>: Tree<Hole>,
    {
        let (in_tree, order) = PyTree::of_paths(&self.paths);
        let (out_tree, out_order) = PyTree::of_paths(&self.out_paths());
        let mut graph = self.graph.clone();
        graph.ins = order.iter().map(|i| self.graph.ins[*i]).collect();
        graph.outs = out_order.iter().map(|o| self.graph.outs[*o]).collect();
        let (ins, outs) = self.places();
        let ins = order.iter().map(|i| ins[*i].cloned()).collect();
        let outs = out_order.iter().map(|o| outs[*o].cloned()).collect();
        Ordered { graph, ins, outs, in_tree, out_tree }
    }
    /// A module for every platform, whose arguments and results are at these places.
    fn text_of(&self, graph: &Graph, ins: Vec<Place>, outs: Vec<Place>) -> Result<String> {
        let params: Vec<_> = ins.into_iter().map(|sharding| ParamAttrs { alias: None, sharding }).collect();
        let outs = if self.mesh().is_some() { outs } else { vec![] };
        let style = Style { locations: true, kernels: false };
        Ok(catch(|| module(graph, &params, &outs, self.mesh(), style).text)?)
    }
}

/// Where an array is, if that is said.
type Place = Option<NamedSharding>;

/// A graph and what belongs to its inputs and outputs.
struct Ordered {
    graph: Graph,
    ins: Vec<Place>,
    outs: Vec<Place>,
    in_tree: PyTree,
    out_tree: PyTree,
}
