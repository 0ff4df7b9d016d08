//! Batching: a graph over one more leading axis.
use crate::{
    graph::Graph,
    prim::{Primitive, broadcast_leading},
    trace::{NamedAxis, Tensor, bind_rc, trace_rule, with_site},
};
use std::rc::Rc;

/// The axis that a graph is batched over.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchAxis {
    /// How many instances there are.
    pub size: usize,
    /// The name by which collectives such as [`psum`](crate::psum) refer to it.
    pub name: Option<Rc<str>>,
}
impl BatchAxis {
    /// An axis without a name, to which no collective refers.
    pub fn unnamed(size: usize) -> BatchAxis {
        BatchAxis { size, name: None }
    }
    /// The named axes of an operation without this one: what is left of them when it has been batched over it.
    pub(crate) fn others(&self, axes: &[NamedAxis]) -> Vec<NamedAxis> {
        axes.iter().filter(|a| self.name.as_ref() != Some(&a.name)).cloned().collect()
    }
    /// Does the operation, or one inside it, work over this axis by name?
    pub(crate) fn is_named_in(&self, prim: &dyn Primitive) -> bool {
        let Some(name) = &self.name else { return false };
        prim.named_axes().iter().any(|a| a.name == *name) || prim.graphs().iter().any(|g| g.axis_names().contains(name))
    }
}

/// Results of a batched operation, and which of them have the batch axis, in front.
pub type Batched = Vec<(Tensor, bool)>;

/// Replay a graph over a batch axis; `mapped[i]` tells whether argument i has it, in front.
pub fn batch_graph(g: &Graph, axis: &BatchAxis, args: &[Tensor], mapped: &[bool]) -> Batched {
    let mut env: Vec<Option<(Tensor, bool)>> = vec![None; g.avals.len()];
    let args = args.iter().copied().zip(mapped.iter().copied());
    g.ins.iter().zip(args).for_each(|(v, x)| env[*v as usize] = Some(x));
    let read = |env: &[Option<(Tensor, bool)>], v: &u32| env[*v as usize].expect("verified: defined before use");
    for e in &g.eqns {
        let (x, mapped): (Vec<Tensor>, Vec<bool>) = e.ins.iter().map(|v| read(&env, v)).unzip();
        let y = with_site(&e.site, || batch_one(&e.prim, axis, &x, &mapped));
        e.outs.iter().zip(y).for_each(|(v, t)| env[*v as usize] = Some(t));
    }
    g.outs.iter().map(|v| read(&env, v)).collect()
}

fn batch_one(prim: &Rc<dyn Primitive>, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
    let all = |y: Vec<Tensor>, m: bool| y.into_iter().map(|t| (t, m)).collect();
    let named = axis.is_named_in(&**prim);
    if !mapped.contains(&true) && !named {
        return all(bind_rc(prim.clone(), x), false);
    }
    match (prim.inner(), prim.over_axes()) {
        (Some(inner), _) => inner.batch(axis, x, mapped),
        (None, Some(over)) if named => over.batch_over(axis, x, mapped),
        _ => all(prim.batch(axis.size, x, mapped), true),
    }
}

/// A result of batching, with the batch axis in front: a value that all instances share is repeated along it.
pub fn in_front(axis: &BatchAxis, (t, mapped): (Tensor, bool)) -> Tensor {
    if mapped { t } else { broadcast_leading(t, axis.size) }
}

/// As [`batch_graph`], but every result has the batch axis.
pub fn batch_all(g: &Graph, axis: &BatchAxis, args: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
    batch_graph(g, axis, args, mapped).into_iter().map(|y| in_front(axis, y)).collect()
}

/// The graph whose `mapped` inputs have a batch axis in front, and which of its outputs have it. Outputs in `force` always do.
pub fn batched(g: &Graph, axis: &BatchAxis, mapped: &[bool], force: &[bool]) -> (Graph, Vec<bool>) {
    let stacked = g.in_avals().into_iter().zip(mapped).map(|(a, m)| if *m { a.stacked(axis.size) } else { a });
    let mut mapped_out = vec![];
    let (batched, captured) = trace_rule(&stacked.collect::<Vec<_>>(), |args| {
        let outs = batch_graph(g, axis, args, mapped);
        mapped_out = outs.iter().zip(force).map(|(y, force)| y.1 || *force).collect();
        outs.into_iter().zip(&mapped_out).map(|(y, m)| if *m { in_front(axis, y) } else { y.0 }).collect()
    });
    debug_assert!(captured.is_empty(), "a graph is closed");
    (batched, mapped_out)
}
