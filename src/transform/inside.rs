//! The passes on graphs inside operations, each of which answers an equal question once.
//!
//! The rules of loops, branches and calls use these. They come back with the same question: while it is not known yet which
//! carries have a batch axis or a tangent, and whenever an operation around them does.
use super::{
    batch::{BatchAxis, batched},
    dce::{Pruned, dce_changed},
    effects::without_effects,
    linearize::{Split, jvp_of, linearize},
    varying::raised,
};
use crate::{graph::Graph, inner::InnerGraph, mesh::AxisSet};
use std::rc::Rc;

#[derive(PartialEq)]
struct OverBatch(BatchAxis, Vec<bool>, Vec<bool>);
#[derive(PartialEq)]
struct Forward(Vec<bool>, Vec<bool>);
#[derive(PartialEq)]
struct Linearized(Vec<bool>, Vec<bool>);
#[derive(PartialEq)]
struct Keep(Vec<bool>);
#[derive(PartialEq)]
struct Varying(Vec<AxisSet>, Vec<AxisSet>);

impl InnerGraph {
    /// As [`batched`].
    pub(crate) fn batched(&self, axis: &BatchAxis, mapped: &[bool], force: &[bool]) -> (InnerGraph, Vec<bool>) {
        self.made(OverBatch(axis.clone(), mapped.to_vec(), force.to_vec()), || {
            let (graph, out) = batched(self, axis, mapped, force);
            (graph.into(), out)
        })
    }
    /// As [`jvp_of`].
    pub(crate) fn jvp_of(&self, active: &[bool], force: &[bool]) -> (InnerGraph, Vec<bool>) {
        self.made(Forward(active.to_vec(), force.to_vec()), || {
            let (graph, out) = jvp_of(self, active, force);
            (graph.into(), out)
        })
    }
    /// As [`linearize`].
    pub(crate) fn linearize(&self, active: &[bool], force: &[bool]) -> Rc<Split> {
        self.made(Linearized(active.to_vec(), force.to_vec()), || Rc::new(linearize(self, active, force)))
    }
    /// As [`raised`]; the graph itself if it varies over these axes already.
    pub(crate) fn raised(&self, ins: &[AxisSet], outs: &[AxisSet]) -> InnerGraph {
        let changed = self.made(Varying(ins.to_vec(), outs.to_vec()), || raised(self, ins, outs).map(InnerGraph::from));
        changed.unwrap_or_else(|| self.clone())
    }
    /// As [`without_effects`]; the graph itself if it has none.
    pub(crate) fn without_effects(&self) -> InnerGraph {
        if self.has_effect() { without_effects(self).into() } else { self.clone() }
    }

    /// As [`dce`](super::dce::dce); the graph itself if nothing in it is dead.
    pub(crate) fn dce(&self, keep: &[bool]) -> Pruned<InnerGraph> {
        let (changed, used) = self.made(Keep(keep.to_vec()), || {
            let (Pruned { graph, used }, changed) = dce_changed(self, keep);
            (changed.then(|| InnerGraph::pruned(graph, &used)), used)
        });
        Pruned { graph: changed.unwrap_or_else(|| self.clone()), used }
    }
    /// A graph in which nothing is dead, and which of its inputs are read.
    pub(crate) fn pruned(graph: Graph, used: &[bool]) -> InnerGraph {
        let graph = InnerGraph::from(graph);
        graph.keep(Keep(vec![true; graph.outs.len()]), (None::<InnerGraph>, used.to_vec()));
        graph
    }
    /// With only these of the inputs, the others being unread; `used` are those that are read.
    pub(crate) fn with_inputs(&self, chosen: &[bool], used: &[bool]) -> InnerGraph {
        if chosen.iter().all(|c| *c) {
            return self.clone();
        }
        let ins = super::linearize::chosen(&self.ins, chosen);
        InnerGraph::pruned(Graph { ins, ..Graph::clone(self) }, &super::linearize::chosen(used, chosen))
    }
}
