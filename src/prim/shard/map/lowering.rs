//! `shard_map` as StableHLO: a manual computation of Shardy.
use super::*;

impl ShardMap {
    pub(super) fn lowered(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if self.mesh.size() == 1 {
            return cx.on_one_device(&self.mesh, &self.manual, &self.body, x);
        }
        let effects = cx.last_effect_if(self.body.has_effect());
        let whole = PartitionSpec::default();
        let n = effects.len();
        let shardings = |cx: &mut Lower, specs: &[PartitionSpec], avals: &[Aval]| {
            let own = vec![whole.clone(); n];
            let ranks = std::iter::repeat_n(0, n).chain(avals.iter().map(Aval::rank));
            let one = |(s, rank): (&PartitionSpec, usize)| cx.manual_sharding(&self.mesh, &self.manual, s, rank);
            let all: Vec<String> = own.iter().chain(specs).zip(ranks).map(one).collect();
            format!("#sdy.sharding_per_value<[{}]>", all.join(", "))
        };
        let names: Vec<String> = self.manual.iter().map(|a| format!("{:?}", &*a.name)).collect();
        // operands without elements are left out: there is nothing to divide
        let full: Vec<bool> = x.iter().map(|v| v.aval.size() > 0).collect();
        let (x, ins) = (&chosen(x, &full)[..], chosen(&self.ins, &full));
        let in_avals: Vec<Aval> = x.iter().map(|v| v.aval.clone()).collect();
        let attrs = format!(
            "in_shardings = {}, manual_axes = #sdy<manual_axes{{{}}}>, out_shardings = {}",
            shardings(cx, &ins, &in_avals),
            names.join(", "),
            shardings(cx, &self.outs, y)
        );
        let region = cx.manual_region(&self.mesh, &self.manual, effects.first(), &self.body, &full);
        let effect_avals = effects.iter().map(|v| v.aval.clone());
        let avals: Vec<Aval> = effect_avals.chain(y.iter().cloned()).collect();
        let mut out = cx.op_with("sdy.manual_computation", &[&effects[..], x].concat(), &attrs, vec![region], &avals);
        let y = out.split_off(n);
        out.into_iter().for_each(|v| cx.set_last_effect(v));
        y
    }
}
