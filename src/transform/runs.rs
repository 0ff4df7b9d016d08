//! A program in two runs, for `remat`: the second takes the values that the first saved, and computes the others again.
use super::{dce::dce, effects::pure};
use crate::{
    aval::Aval,
    graph::{Eqn, Graph, Site, Var},
    prim::{DevicePut, Memory, Primitive},
};
use std::{collections::HashSet, rc::Rc};

/// What is done with the results of an operation of the first run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saving {
    /// They are computed again.
    Recompute,
    /// They are kept.
    Save,
    /// They are kept in the host's memory.
    Offload,
}

/// A program in two runs. The values of both are numbered alike.
pub struct Runs {
    /// The program, with its side effects.
    pub first: Graph,
    /// Values that the first run saves for the second one.
    pub saved: Vec<Var>,
    /// From the program's inputs, followed by the saved values, to the program's outputs.
    pub again: Graph,
}
impl Runs {
    /// Which of the outputs that are `usable` for it are saved values, and the other saved values. `None` if there are none.
    pub fn kept(&self, usable: &[bool]) -> Option<(Vec<bool>, Vec<Var>)> {
        let outs = &self.first.outs;
        let (saved, mut seen): (HashSet<Var>, HashSet<Var>) = (self.saved.iter().copied().collect(), HashSet::new());
        let kept = |i: usize| {
            let first = seen.insert(outs[i]);
            usable[i] && saved.contains(&outs[i]) && first
        };
        let kept: Vec<bool> = (0..outs.len()).map(kept).collect();
        let is_kept: HashSet<Var> = outs.iter().zip(&kept).filter(|(_, k)| **k).map(|(o, _)| *o).collect();
        let more = self.saved.iter().copied().filter(|v| !is_kept.contains(v)).collect();
        (!self.saved.is_empty()).then_some((kept, more))
    }
    /// The first run, which also returns `more`, and the second one, from the inputs, the `kept` outputs and `more` to the
    /// other outputs.
    pub fn programs(mut self, kept: &[bool], more: &[Var]) -> (Graph, Graph) {
        let part = |k: bool| self.first.outs.iter().zip(kept).filter(move |(_, kept)| **kept == k).map(|(v, _)| *v);
        self.again.ins = self.first.ins.iter().copied().chain(part(true)).chain(more.iter().copied()).collect();
        self.again.outs = part(false).collect();
        self.first.outs.extend(more);
        // operations that only a saved value needed are dead now
        let again = dce(&self.again, &vec![true; self.again.outs.len()]).graph;
        (self.first, again)
    }
}

/// An operation in two runs: what [`HigherOrder::in_two_runs`](crate::prim::HigherOrder::in_two_runs) returns.
pub struct Halves {
    /// The operation, which also returns what is saved of its inside.
    pub first: Rc<dyn Primitive>,
    /// The types of those further results.
    pub more: Vec<Aval>,
    /// Which results of the operation the second run takes.
    pub kept: Vec<bool>,
    /// From the operands, the kept results and the further ones to the results that are not kept.
    pub again: Rc<dyn Primitive>,
}

/// Split a graph in two runs. `saving` decides of each operation, also of those inside inner graphs, what is done with its results.
pub fn in_two_runs(g: &Graph, saving: &dyn Fn(&dyn Primitive, &[Aval]) -> Saving) -> Runs {
    let mut s = Splitting { avals: g.avals.clone(), saving, first: vec![], again: vec![], saved: vec![] };
    g.eqns.iter().for_each(|e| s.equation(e));
    let Splitting { avals, first, again, saved, .. } = s;
    let ins = [&g.ins[..], &saved].concat();
    Runs {
        first: Graph { avals: avals.clone(), ins: g.ins.clone(), eqns: first, outs: g.outs.clone() },
        saved,
        again: Graph { avals, ins, eqns: again, outs: g.outs.clone() },
    }
}

struct Splitting<'a> {
    avals: Vec<Aval>,
    saving: &'a dyn Fn(&dyn Primitive, &[Aval]) -> Saving,
    first: Vec<Eqn>,
    again: Vec<Eqn>,
    saved: Vec<Var>,
}
impl Splitting<'_> {
    fn fresh(&mut self, a: Aval) -> Var {
        self.avals.push(a);
        (self.avals.len() - 1) as Var
    }

    fn equation(&mut self, e: &Eqn) {
        // the second run has no side effects; results of an operation that has one are saved, so that it need not run again
        let Some(repeated) = pure(e) else { return self.first.push(e.clone()) };
        let results: Vec<Aval> = e.outs.iter().map(|v| self.avals[*v as usize].clone()).collect();
        let saving = if repeated.prim.has_effect() { Saving::Save } else { (self.saving)(&*e.prim, &results) };
        if saving == Saving::Recompute
            && let Some(halves) = e.prim.inner().and_then(|inner| inner.in_two_runs(&|g| in_two_runs(g, self.saving)))
        {
            return self.halves(e, halves);
        }
        self.first.push(e.clone());
        match saving {
            Saving::Recompute => self.again.push(repeated),
            Saving::Save => self.saved.extend(&e.outs),
            Saving::Offload => e.outs.iter().for_each(|v| self.offload(*v, &e.site)),
        }
    }

    fn halves(&mut self, e: &Eqn, halves: Halves) {
        let more: Vec<Var> = halves.more.into_iter().map(|a| self.fresh(a)).collect();
        let part = |k: bool| e.outs.iter().zip(&halves.kept).filter(move |(_, kept)| **kept == k).map(|(v, _)| *v);
        let (kept, outs): (Vec<Var>, Vec<Var>) = (part(true).collect(), part(false).collect());
        let with = |prim, ins, outs| Eqn { prim, ins, outs, site: e.site.clone() };
        self.first.push(with(halves.first, e.ins.clone(), [&e.outs[..], &more].concat()));
        self.again.push(with(halves.again, [&e.ins[..], &kept, &more].concat(), outs));
        self.saved.extend(kept.into_iter().chain(more));
    }

    fn offload(&mut self, v: Var, site: &Site) {
        let away = self.fresh(self.avals[v as usize].clone());
        let put = |memory, from, to| Eqn {
            prim: Rc::new(DevicePut(memory)),
            ins: vec![from],
            outs: vec![to],
            site: site.clone(),
        };
        self.first.push(put(Memory::PinnedHost, v, away));
        self.again.push(put(Memory::Device, away, v));
        self.saved.push(away);
    }
}
