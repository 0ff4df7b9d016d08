//! Residuals: reverse mode keeps no more of them than it must, where that costs no work.
use super::dce::{Pruned, dce};
use crate::{
    graph::{Eqn, Graph, Var},
    prim::Tag,
};
use std::collections::{HashMap, HashSet};

/// Change what the two halves of a linearized graph pass to each other. `primal` returns `outs` results, followed by the
/// residuals; `linear` takes tangents, followed by the residuals.
///
/// A residual that no result needs is dropped. One that is made from something no larger by a
/// movement of elements (a broadcast, a reshape, a widening conversion) is made again in the linear half.
pub(super) fn fewest_residuals(mut primal: Graph, linear: Graph, outs: usize) -> (Graph, Graph) {
    let Pruned { graph: mut linear, used } = dce(&linear, &vec![true; linear.outs.len()]);
    let kept = primal.outs.split_off(outs);
    let inputs = linear.ins.split_off(linear.ins.len() - kept.len());
    let used = &used[linear.ins.len()..];
    let kept: Vec<(Var, Var)> =
        kept.into_iter().zip(inputs).zip(used).filter(|(_, used)| **used).map(|(pair, _)| pair).collect();
    let mut moving = Moving::new(&primal, kept.iter().copied().collect());
    for (v, _) in &kept {
        moving.make(*v, &mut linear);
    }
    let Moving { again, residuals, .. } = moving;
    linear.ins.extend(residuals.iter().map(|(_, input)| *input));
    linear.eqns.splice(0..0, again);
    primal.outs.extend(residuals.iter().map(|(v, _)| *v));
    let all = vec![true; primal.outs.len()];
    (dce(&primal, &all).graph, linear)
}

struct Moving<'a> {
    primal: &'a Graph,
    producer: HashMap<Var, usize>,
    /// Values of the primal half and their names in the linear one.
    names: HashMap<Var, Var>,
    made: HashSet<Var>,
    /// Equations that the linear half repeats.
    again: Vec<Eqn>,
    /// Residuals, and the inputs they become.
    residuals: Vec<(Var, Var)>,
}
impl Moving<'_> {
    fn new(primal: &Graph, names: HashMap<Var, Var>) -> Moving<'_> {
        let define = |(i, e): (usize, &Eqn)| e.outs.iter().map(move |v| (*v, i)).collect::<Vec<_>>();
        let producer = primal.eqns.iter().enumerate().flat_map(define).collect();
        Moving { primal, producer, names, made: HashSet::new(), again: vec![], residuals: vec![] }
    }

    /// The name of a value in the linear half.
    fn name(&mut self, v: Var, linear: &mut Graph) -> Var {
        *self.names.entry(v).or_insert_with(|| {
            linear.avals.push(self.primal.aval(v).clone());
            (linear.avals.len() - 1) as Var
        })
    }

    /// Make a value available in the linear half, after those that it is made from. (Not by recursion: a chain of such
    /// operations may be long.)
    fn make(&mut self, v: Var, linear: &mut Graph) {
        let primal = self.primal;
        let mut todo = vec![(v, false)];
        while let Some((v, from_there)) = todo.pop() {
            if !from_there && !self.made.insert(v) {
                continue;
            }
            let made_by = self.producer.get(&v).map(|i| &primal.eqns[*i]);
            match made_by.filter(|e| self.worth_repeating(e)) {
                Some(e) if from_there => {
                    let ins = e.ins.iter().map(|x| self.name(*x, linear)).collect();
                    let outs = vec![self.name(v, linear)];
                    self.again.push(Eqn { ins, outs, ..e.clone() });
                }
                Some(e) => {
                    todo.push((v, true));
                    todo.extend(e.ins.iter().rev().map(|x| (*x, false)));
                }
                None => {
                    let name = self.name(v, linear);
                    self.residuals.push((v, name));
                }
            }
        }
    }

    fn worth_repeating(&self, e: &Eqn) -> bool {
        let bytes = |vars: &[Var]| vars.iter().map(|v| self.primal.aval(*v).bytes()).sum::<usize>();
        let constant = e.ins.is_empty() && !e.prim.has_effect();
        e.outs.len() == 1 && (constant || e.prim.tag() == Tag::Movement && bytes(&e.ins) <= bytes(&e.outs))
    }
}
