//! Derivatives of `scan`.
use super::*;
use crate::transform::{backward::backward, dce::dce, linearize::spread_out};
use std::collections::HashMap;

/// Where a value that the linear loop needs in every step comes from.
enum Residual {
    /// The same in every step: an operand of the whole loop.
    Shared(Tensor),
    /// One slice per step: a stacked operand.
    Stacked(Tensor),
}

impl Scan {
    /// Tangents of the active operands: consts, carry, xs.
    fn tangents(&self, x: &[Tensor], dx: &[Option<Tensor>], active: &[bool]) -> [Vec<Tensor>; 3] {
        let (k, c) = self.bounds();
        let part = |r: std::ops::Range<usize>| {
            r.filter(|i| active[*i]).map(|i| dx[i].unwrap_or_else(|| zeros_of(&x[i].aval()))).collect()
        };
        [part(0..k), part(k..c), part(c..x.len())]
    }

    /// Forward mode: one loop that carries values and tangents.
    pub(super) fn joint_loop(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let (k, c) = self.bounds();
        let (joint, active, active_out) =
            grow_active(dx, self.consts, self.carry, self.body.outs.len(), |active, force| {
                self.body.jvp_of(active, force)
            });
        let mut joint = Graph::clone(&joint);
        let [dk, dc, ds] = self.tangents(x, dx, &active);
        let n_out = self.body.outs.len();
        // inputs and outputs of `joint` are values, then tangents: bring both into the order of a loop's
        let (ins, outs) = (joint.ins.clone(), joint.outs.clone());
        let (x_ins, d_ins) = ins.split_at(x.len());
        let (y_outs, d_outs) = outs.split_at(n_out);
        let (nk, nc) = (dk.len(), dc.len());
        joint.ins =
            [&x_ins[..k], &d_ins[..nk], &x_ins[k..c], &d_ins[nk..nk + nc], &x_ins[c..], &d_ins[nk + nc..]].concat();
        joint.outs = [&y_outs[..self.carry], &d_outs[..nc], &y_outs[self.carry..], &d_outs[nc..]].concat();
        let args = [&x[..k], &dk, &x[k..c], &dc, &x[c..], &ds].concat();
        let both = Scan { body: joint.into(), consts: k + nk, carry: self.carry + nc, ..self.clone() };
        let mut out = bind(both, &args).into_iter();
        let mut take = |n: usize| out.by_ref().take(n).collect::<Vec<_>>();
        let (mut y, mut dy) = (take(self.carry), take(nc));
        y.extend(take(n_out - self.carry));
        dy.extend(take(d_outs.len() - nc));
        (y, spread_out(&dy, &active_out))
    }

    /// One loop for the values, which also stacks what the loop of tangents needs.
    pub(super) fn linearized(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let (split, active, active_out) =
            grow_active(dx, self.consts, self.carry, self.body.outs.len(), |active, force| {
                let split = self.body.linearize(active, force);
                let out = split.active_out.clone();
                (split, out)
            });
        let mut linear = split.linear.clone();
        let (y, residuals) = self.run_keeping(split.primal.clone(), x);
        if !active_out.contains(&true) {
            return (y, vec![None; active_out.len()]);
        }
        let [dk, dc, ds] = self.tangents(x, dx, &active);
        // inputs of `linear` are tangents, then residuals: shared residuals become consts, stacked ones xs
        let (d_ins, r_ins) = linear.ins.split_at(linear.ins.len() - residuals.len());
        let mut ins = [d_ins[..dk.len()].to_vec(), d_ins[dk.len()..].to_vec()];
        let mut args = [dk, vec![]];
        let n_carry = dc.len();
        args[1] = [dc, ds].concat();
        for (v, r) in r_ins.iter().zip(residuals) {
            let (group, t) = match r {
                Residual::Shared(t) => (0, t),
                Residual::Stacked(t) => (1, t),
            };
            ins[group].push(*v);
            args[group].push(t);
        }
        let consts = args[0].len();
        linear.ins = ins.concat();
        let dy = bind(Scan { body: linear.into(), consts, carry: n_carry, ..self.clone() }, &args.concat());
        (y, spread_out(&dy, &active_out))
    }

    /// Run the loop with `primal` as its body (outputs, then residuals). Returns the outputs and the residuals.
    ///
    /// Only residuals that are new in each step are stacked: one that depends on consts alone is computed once, outside,
    /// and one that is a slice of xs or of ys exists already.
    fn run_keeping(&self, mut primal: Graph, x: &[Tensor]) -> (Vec<Tensor>, Vec<Residual>) {
        let (_, c) = self.bounds();
        let n_out = self.body.outs.len();
        let residuals = primal.outs.split_off(n_out);
        let varying = self.varying(&primal);
        // (of several places, the first)
        let places = |vars: &[Var], from: usize| -> HashMap<Var, usize> {
            vars.iter().copied().zip(0..).skip(from).collect::<Vec<_>>().into_iter().rev().collect()
        };
        let (inputs, outputs) = (places(&primal.ins, c), places(&primal.outs, self.carry));
        let (at_input, at_output) = (|v: &Var| inputs.get(v).copied(), |v: &Var| outputs.get(v).copied());
        let mut outside = Graph { ins: primal.ins[..self.consts].to_vec(), ..primal.clone() };
        outside.eqns.retain(|e| !e.prim.has_effect() && e.outs.iter().all(|v| !varying[*v as usize]));
        outside.outs = residuals.iter().filter(|v| !varying[**v as usize]).copied().collect();
        let outside = dce(&outside, &vec![true; outside.outs.len()]).graph;
        let mut shared = inline(&outside, &x[..self.consts]).into_iter();

        let mut body = primal.clone();
        let is_new = |v: &Var| varying[*v as usize] && at_input(v).is_none() && at_output(v).is_none();
        body.outs.extend(residuals.iter().filter(|v| is_new(v)));
        let body = dce(&body, &vec![true; body.outs.len()]).graph;
        let mut y = bind(Scan { body: body.into(), ..self.clone() }, x);
        let mut new = y.split_off(n_out).into_iter();
        let home = |v: &Var| match (at_input(v), at_output(v)) {
            _ if !varying[*v as usize] => Residual::Shared(shared.next().expect("one per shared residual")),
            (Some(i), _) => Residual::Stacked(x[i]),
            (_, Some(i)) => Residual::Stacked(y[i]),
            _ => Residual::Stacked(new.next().expect("one per new residual")),
        };
        let residuals = residuals.iter().map(home).collect();
        (y, residuals)
    }

    /// Which values of a body differ from step to step.
    fn varying(&self, body: &Graph) -> Vec<bool> {
        let from: Vec<bool> = (0..body.ins.len()).map(|i| i >= self.consts).collect();
        let (mut varying, _) = depends(body, &from);
        for e in &body.eqns {
            if e.prim.has_effect() || e.ins.iter().any(|v| varying[*v as usize]) {
                e.outs.iter().for_each(|v| varying[*v as usize] = true);
            }
        }
        varying
    }

    /// Reverse mode: a loop in the other direction. Its carry: cotangents of the linear consts so far, cotangents of the
    /// linear carries. Its xs: cotangents of ys, known xs, the values that known carries had.
    pub(super) fn transposed(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let (k, c) = self.bounds();
        // a carry that starts with a known value, such as zero, is linear if the body adds something linear to it
        let linear = self.reaching(x.iter().map(Operand::is_linear).collect());
        let pick = |r: std::ops::Range<usize>, l: bool| r.filter(|i| linear[*i] == l).collect::<Vec<usize>>();
        let (lk, lc, lx) = (pick(0..k, true), pick(k..c, true), pick(c..x.len(), true));
        let (kk, kc, kx) = (pick(0..k, false), pick(k..c, false), pick(c..x.len(), false));
        let known = |at: &[usize]| at.iter().map(|i| x[*i].known()).collect::<Vec<_>>();
        let history = if kc.is_empty() { vec![] } else { self.history(&linear, &known(&[&kk[..], &kc, &kx].concat())) };
        let (slices, outs) = (self.body.in_avals(), self.body.out_avals());
        let of = |at: &[usize]| at.iter().map(|i| slices[*i].clone()).collect::<Vec<_>>();
        let ys: Vec<usize> = (self.carry..outs.len()).filter(|i| ct[*i].is_some()).collect();
        let ys_avals: Vec<Aval> = ys.iter().map(|i| outs[*i].clone()).collect();
        let avals = [of(&kk), of(&lk), of(&lc), ys_avals, of(&kx), of(&kc)].concat();
        let mut some = vec![];
        let (body, captured) = trace_rule(&avals, |t| {
            let mut t = t.iter().copied();
            let (mut value, mut ct): (Vec<Option<Tensor>>, Vec<Option<Tensor>>) =
                (vec![None; x.len()], vec![None; outs.len()]);
            kk.iter().for_each(|i| value[*i] = t.next());
            let sums: Vec<Tensor> = t.by_ref().take(lk.len()).collect();
            lc.iter().for_each(|i| ct[i - k] = t.next());
            ys.iter().for_each(|i| ct[*i] = t.next());
            kx.iter().chain(&kc).for_each(|i| value[*i] = t.next());
            let d = backward(&self.body, &value, &ct);
            let sums = lk.iter().zip(sums).map(|(i, sum)| d[*i].map_or(sum, |d| add(sum, d)));
            let carry = lc.iter().map(|i| d[*i].unwrap_or_else(|| zeros_of(&slices[*i])));
            some = lx.iter().filter(|i| d[**i].is_some()).copied().collect();
            sums.chain(carry).chain(some.iter().filter_map(|i| d[*i])).collect()
        });
        debug_assert!(captured.is_empty(), "a graph is closed");
        let zero_sums = lk.iter().map(|i| zeros_of(&slices[*i]));
        let ct_carry = lc.iter().map(|i| ct[i - k].unwrap_or_else(|| zeros_of(&slices[*i])));
        let ct_ys = ys.iter().filter_map(|i| ct[*i]);
        let carry: Vec<Tensor> = zero_sums.chain(ct_carry).collect();
        let xs: Vec<Tensor> = ct_ys.chain(known(&kx)).chain(history).collect();
        let back =
            Scan { body: body.into(), consts: kk.len(), carry: carry.len(), reverse: !self.reverse, ..self.clone() };
        let d = bind(back, &[known(&kk), carry, xs].concat());
        let mut result = vec![None; x.len()];
        lk.iter().chain(&lc).chain(&some).zip(d).for_each(|(i, d)| result[*i] = Some(d));
        result
    }

    /// What the known carries are at the beginning of each step, given the known operands.
    fn history(&self, linear: &[bool], known: &[Tensor]) -> Vec<Tensor> {
        let (k, c) = self.bounds();
        let is_known: Vec<bool> = linear.iter().map(|l| !l).collect();
        let carry: Vec<usize> = (k..c).filter(|i| is_known[*i]).collect();
        let mut body = Graph::clone(&self.body.without_effects());
        body.outs = carry.iter().map(|i| body.outs[i - k]).chain(carry.iter().map(|i| body.ins[*i])).collect();
        let mut body = dce(&body, &vec![true; body.outs.len()]).graph;
        body.ins = chosen(&body.ins, &is_known);
        let consts = is_known[..k].iter().filter(|b| **b).count();
        let run = Scan { body: body.into(), consts, carry: carry.len(), ..self.clone() };
        bind(run, known).split_off(carry.len())
    }
}
