//! Tangents: forward mode, and linearization, which splits a graph into one for values and a linear one for tangents.
use super::residuals::fewest_residuals;
use crate::{
    aval::Aval,
    graph::Graph,
    prim::{Linearized, Primitive, zeros_of},
    trace::{Tensor, bind_rc, trace_dependent, trace_rule, with_site},
};
use std::rc::Rc;

/// A graph split in two by [`linearize`].
pub struct Split {
    /// From the inputs to the outputs, followed by the residuals.
    pub primal: Graph,
    /// From the tangents of the active inputs, followed by the residuals, to the tangents of those outputs that have one. Linear in
    /// the tangents.
    pub linear: Graph,
    /// Which outputs have a tangent.
    pub active_out: Vec<bool>,
}

/// How one equation is differentiated: outputs and their tangents, given operands and their tangents (some not zero).
type Rule = fn(&Rc<dyn Primitive>, &[Tensor], &[Option<Tensor>]) -> Linearized;

fn forward_rule(prim: &Rc<dyn Primitive>, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
    prim.with_tangents(x, dx).unwrap_or_else(|| bind_then_jvp(prim, x, dx))
}
fn linear_rule(prim: &Rc<dyn Primitive>, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
    prim.inner().map_or_else(|| forward_rule(prim, x, dx), |inner| inner.linearize(x, dx))
}
fn bind_then_jvp(prim: &Rc<dyn Primitive>, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
    let y = bind_rc(prim.clone(), x);
    let dy = prim.jvp(x, &y, dx);
    (y, dy)
}

/// Replay a graph on values and tangents.
fn push_forward(g: &Graph, x: &[Tensor], dx: &[Option<Tensor>], rule: Rule) -> Linearized {
    let mut env: Vec<Option<(Tensor, Option<Tensor>)>> = vec![None; g.avals.len()];
    let inputs = x.iter().copied().zip(dx.iter().copied());
    g.ins.iter().zip(inputs).for_each(|(v, x)| env[*v as usize] = Some(x));
    let read =
        |env: &[Option<(Tensor, Option<Tensor>)>], v: &u32| env[*v as usize].expect("verified: defined before use");
    for e in &g.eqns {
        let (x, dx): (Vec<_>, Vec<_>) = e.ins.iter().map(|v| read(&env, v)).unzip();
        let (y, dy) = with_site(&e.site, || {
            if dx.iter().any(Option::is_some) {
                return rule(&e.prim, &x, &dx);
            }
            let y = bind_rc(e.prim.clone(), &x);
            let dy = vec![None; y.len()];
            (y, dy)
        });
        e.outs.iter().zip(y.into_iter().zip(dy)).for_each(|(v, y)| env[*v as usize] = Some(y));
    }
    g.outs.iter().map(|v| read(&env, v)).unzip()
}

/// Outputs and their tangents (forward mode), recorded into the current trace; `None` is a symbolic zero.
pub fn jvp_graph(g: &Graph, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
    push_forward(g, x, dx, forward_rule)
}

/// The graph from inputs and the tangents of the `active` ones to outputs and the tangents of those where the second
/// result is true. Outputs in `force` get a tangent even when it is zero.
pub fn jvp_of(g: &Graph, active: &[bool], force: &[bool]) -> (Graph, Vec<bool>) {
    let x = g.in_avals();
    let avals = [x.clone(), chosen(&x, active)].concat();
    let mut active_out = vec![];
    let (joint, captured) = trace_rule(&avals, |t| {
        let (x, dx) = t.split_at(x.len());
        let (mut y, dy) = jvp_graph(g, x, &spread_out(dx, active));
        let dy = forced(&y, dy, force);
        active_out = dy.iter().map(Option::is_some).collect();
        y.extend(dy.into_iter().flatten());
        y
    });
    debug_assert!(captured.is_empty(), "a graph is closed");
    (joint, active_out)
}

/// Split a graph into one that computes the outputs and the residuals, and one that is linear in the tangents of the `active`
/// inputs. Outputs in `force` get a tangent even when it is zero.
///
/// One pass, two traces: an operation is linear exactly when it touches a tangent, and what the linear trace captures
/// from the primal one is the list of residuals. So partial evaluation is closure capture.
pub fn linearize(g: &Graph, active: &[bool], force: &[bool]) -> Split {
    let mut linear = None;
    let (primal, captured) = trace_rule(&g.in_avals(), |x| {
        let (mut outs, mut active_out) = (vec![], vec![]);
        let (lin, residuals) = trace_dependent(&chosen(&g.in_avals(), active), |dx| {
            let (y, dy) = push_forward(g, x, &spread_out(dx, active), linear_rule);
            let dy = forced(&y, dy, force);
            active_out = dy.iter().map(Option::is_some).collect();
            outs = y;
            dy.into_iter().flatten().collect()
        });
        linear = Some((lin, active_out));
        outs.extend(residuals);
        outs
    });
    debug_assert!(captured.is_empty(), "a graph is closed");
    let (linear, active_out) = linear.expect("trace runs the function");
    let (primal, linear) = fewest_residuals(primal, linear, g.outs.len());
    Split { primal, linear, active_out }
}

/// Those of `all` for which `which` is true.
pub fn chosen<T: Clone>(all: &[T], which: &[bool]) -> Vec<T> {
    all.iter().zip(which).filter(|(_, c)| **c).map(|(x, _)| x.clone()).collect()
}

/// Inverse of [`chosen`].
pub fn spread_out<T: Clone>(some: &[T], which: &[bool]) -> Vec<Option<T>> {
    let mut some = some.iter();
    which.iter().map(|w| w.then(|| some.next().expect("as many as are chosen").clone())).collect()
}

fn forced(y: &[Tensor], dy: Vec<Option<Tensor>>, force: &[bool]) -> Vec<Option<Tensor>> {
    let one = |((y, dy), force): ((&Tensor, Option<Tensor>), &bool)| dy.or_else(|| force.then(|| zeros_of(&y.aval())));
    y.iter().zip(dy).zip(force).map(one).collect()
}

/// Which values can have a tangent.
pub fn differentiable(avals: &[Aval]) -> Vec<bool> {
    avals.iter().map(|a| a.dtype.is_inexact()).collect()
}
