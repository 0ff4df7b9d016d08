//! Derivatives of `shard_map`: programs for one device again. Residuals stay on the devices that computed them.
use super::*;
use crate::transform::{backward::backward, linearize::spread_out};
use std::collections::HashMap;

impl ShardMap {
    /// One program for values and tangents.
    pub(super) fn joint(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let active: Vec<bool> = dx.iter().map(Option::is_some).collect();
        let tangents = || self.body.jvp_of(&active, &vec![false; self.outs.len()]);
        let (joint, active_out) = with_axes(&self.manual, tangents);
        let tangents: Vec<Tensor> = dx.iter().flatten().copied().collect();
        let ins = [&self.ins[..], &chosen(&self.ins, &active)].concat();
        let outs = [&self.outs[..], &chosen(&self.outs, &active_out)].concat();
        let mut y = bind(self.with(joint, ins, outs), &[x, &tangents].concat());
        let dy = y.split_off(self.outs.len());
        (y, spread_out(&dy, &active_out))
    }

    /// Results by one program for each device, which returns the residuals too; tangents by a second program.
    pub(super) fn linearized(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let active: Vec<bool> = dx.iter().map(Option::is_some).collect();
        let n = self.outs.len();
        let split = with_axes(&self.manual, || self.body.linearize(&active, &vec![false; n]));
        let (primal, linear, active_out) = (&split.primal, &split.linear, &split.active_out);
        // a residual that is an operand is there already, and need not be returned
        let kept: Vec<Var> = primal.outs[n..].to_vec();
        let inputs: HashMap<Var, usize> = primal.ins.iter().copied().zip(0..).collect();
        let operand: Vec<Option<usize>> = kept.iter().map(|v| inputs.get(v).copied()).collect();
        let new: Vec<bool> = operand.iter().map(Option::is_none).collect();
        let types = primal.avals_of(&kept);
        let stacks: Vec<PartitionSpec> = chosen(&types, &new).iter().map(|a| self.stacked(a)).collect();
        // residuals that differ between devices become one array, divided along its first axis: scalars need one
        let keep = |t: &[Tensor]| {
            let mut y = inline(primal, t);
            let more = chosen(&y.split_off(n), &new);
            y.extend(more.into_iter().map(|t| if t.rank() == 0 { t.reshape([1]) } else { t }));
            y
        };
        let (first, _) = with_axes(&self.manual, || trace_rule(&primal.in_avals(), keep));
        let mut y = bind(self.with(first, self.ins.clone(), [&self.outs[..], &stacks].concat()), x);
        let mut more = y.split_off(n).into_iter().zip(stacks);
        if !active_out.contains(&true) {
            return (y, vec![None; n]);
        }
        let from = |i: &Option<usize>| match i {
            Some(i) => (x[*i], self.ins[*i].clone()),
            None => more.next().expect("one per new residual"),
        };
        let (residuals, specs): (Vec<Tensor>, Vec<PartitionSpec>) = operand.iter().map(from).unzip();
        let d_avals = &linear.in_avals()[..linear.ins.len() - kept.len()];
        let widened =
            types.iter().zip(&new).map(|(a, new)| if *new && a.rank() == 0 { a.with_dims([1]) } else { a.clone() });
        let avals: Vec<Aval> = d_avals.iter().cloned().chain(widened).collect();
        let tangent = |t: &[Tensor]| {
            let (dx, kept) = t.split_at(d_avals.len());
            let kept = kept.iter().zip(&types).map(|(t, a)| if t.rank() == a.rank() { *t } else { t.reshape([]) });
            inline(linear, &dx.iter().copied().chain(kept).collect::<Vec<_>>())
        };
        let (second, _) = with_axes(&self.manual, || trace_rule(&avals, tangent));
        let ins = [chosen(&self.ins, &active), specs].concat();
        let tangents: Vec<Tensor> = dx.iter().flatten().copied().collect();
        let dy = bind(self.with(second, ins, chosen(&self.outs, active_out)), &[tangents, residuals].concat());
        (y, spread_out(&dy, active_out))
    }

    /// The spec that makes one array of residuals of this type, one after the other along the first axis.
    fn stacked(&self, a: &Aval) -> PartitionSpec {
        let differs = self.manual.iter().filter(|m| a.vma.contains(m.mesh_axes()));
        let names: Vec<std::sync::Arc<str>> = differs.map(|m| std::sync::Arc::from(&*m.name)).collect();
        PartitionSpec::new(vec![Entry::Axes(names)])
    }

    /// Cotangents of the operands, by a program for each device: the body transposed.
    pub(super) fn transposed(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let known: Vec<bool> = x.iter().map(|x| !x.is_linear()).collect();
        let given: Vec<bool> = ct.iter().map(Option::is_some).collect();
        let args: Vec<Tensor> =
            x.iter().filter(|x| !x.is_linear()).map(Operand::known).chain(ct.iter().flatten().copied()).collect();
        let avals = [chosen(&self.body.in_avals(), &known), chosen(&self.body.out_avals(), &given)].concat();
        let mut some = vec![];
        let back = |t: &[Tensor]| {
            let (values, cts) = t.split_at(known.iter().filter(|k| **k).count());
            let d = backward(&self.body, &spread_out(values, &known), &spread_out(cts, &given));
            some = d.iter().map(Option::is_some).collect();
            d.into_iter().flatten().collect()
        };
        let (body, _) = with_axes(&self.manual, || trace_rule(&avals, back));
        let ins = [chosen(&self.ins, &known), chosen(&self.outs, &given)].concat();
        spread_out(&bind(self.with(body, ins, chosen(&self.ins, &some)), &args), &some)
    }
}
