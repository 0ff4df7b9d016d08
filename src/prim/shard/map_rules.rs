//! The rules of `shard_map`.
use super::{
    map::{global, local},
    *,
};
use crate::{
    aval::Dims,
    mesh::Entry,
    trace::{inline, trace_rule, with_axes},
    transform::{
        backward::backward,
        batch::batched,
        dce::dce,
        linearize::{Split, chosen, jvp_of, linearize, spread_out},
        varying::{of_instances, raised},
    },
};

impl ShardMap {
    fn all(&self) -> AxisSet {
        self.manual.iter().map(NamedAxis::mesh_axes).collect()
    }
    /// The same devices and axes with another program, whose results are made to vary over the axes of their specs.
    fn with(&self, body: Graph, ins: Vec<PartitionSpec>, outs: Vec<PartitionSpec>) -> ShardMap {
        let vary: Vec<AxisSet> = outs.iter().map(|s| AxisSet::of(s.names())).collect();
        let body = with_axes(&self.manual, || raised(&body, &vec![AxisSet::NONE; body.ins.len()], &vary));
        ShardMap { body: Rc::new(body), ins, outs, ..self.clone() }
    }

    /// Values now, with what the linear program needs as further results; tangents by a second program.
    fn linearized(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let active: Vec<bool> = dx.iter().map(Option::is_some).collect();
        let n = self.outs.len();
        let split = || linearize(&self.body, &active, &vec![false; n]);
        let Split { primal, linear, active_out } = with_axes(&self.manual, split);
        // an operand that is kept need not be returned
        let kept: Vec<Var> = primal.outs[n..].to_vec();
        let operand: Vec<Option<usize>> = kept.iter().map(|v| primal.ins.iter().position(|i| i == v)).collect();
        let new: Vec<bool> = operand.iter().map(Option::is_none).collect();
        let types = primal.avals_of(&kept);
        let stacks: Vec<PartitionSpec> = chosen(&types, &new).iter().map(|a| self.stacked(a)).collect();
        // (a scalar has no axis that the devices' values could be stacked along)
        let keep = |t: &[Tensor]| {
            let mut y = inline(&primal, t);
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
            inline(&linear, &dx.iter().copied().chain(kept).collect::<Vec<_>>())
        };
        let (second, _) = with_axes(&self.manual, || trace_rule(&avals, tangent));
        let ins = [chosen(&self.ins, &active), specs].concat();
        let tangents: Vec<Tensor> = dx.iter().flatten().copied().collect();
        let dy = bind(self.with(second, ins, chosen(&self.outs, &active_out)), &[tangents, residuals].concat());
        (y, spread_out(&dy, &active_out))
    }

    /// The spec of values of which every device has its own.
    fn stacked(&self, a: &Aval) -> PartitionSpec {
        let differs = self.manual.iter().filter(|m| a.vma.contains(m.mesh_axes()));
        let names: Vec<std::sync::Arc<str>> = differs.map(|m| std::sync::Arc::from(&*m.name)).collect();
        PartitionSpec::new(vec![Entry::Axes(names)])
    }

    /// The same as an ordinary program: devices become batch axes, as with `vmap`.
    fn simulated(&self) -> Graph {
        let mut g = of_instances(&self.body);
        for m in self.manual.iter().rev() {
            let axis = BatchAxis { size: m.size, name: Some(m.name.clone()) };
            let has = |specs: &[PartitionSpec]| specs.iter().map(|s| s.names().any(|n| **n == *m.name)).collect();
            let (ins, outs): (Vec<bool>, Vec<bool>) = (has(&self.ins), has(&self.outs));
            let (over, mapped) = batched(&g, &axis, &ins, &outs);
            // what all devices have is taken from the first
            let shared = |((t, mapped), has): ((Tensor, &bool), &bool)| match *mapped && !has {
                true => t.slice_axis(0, 0..1).reshape(&t.dims()[1..]),
                false => t,
            };
            g = trace_rule(&over.in_avals(), |t| {
                inline(&over, t).into_iter().zip(&mapped).zip(&outs).map(shared).collect()
            })
            .0;
        }
        let types = self.body.in_avals().into_iter().zip(&self.ins);
        let avals: Vec<Aval> = types.map(|(a, s)| Aval::new(a.dtype, global(&self.mesh, s, &a.dims))).collect();
        let sizes = self.body.out_avals();
        trace_rule(&avals, |t| {
            let parts: Vec<Tensor> = t.iter().zip(&self.ins).map(|(t, s)| self.apart(*t, s)).collect();
            let y = inline(&g, &parts).into_iter().zip(&self.outs).zip(&sizes);
            y.map(|((t, s), a)| self.together(t, s, &a.dims)).collect()
        })
        .0
    }

    /// Where the axes of a spec lie in the order of the manual axes.
    fn order(&self, spec: &PartitionSpec) -> Vec<usize> {
        let names: Vec<&str> = spec.names().map(|n| &**n).collect();
        self.manual.iter().filter_map(|m| names.iter().position(|n| **n == *m.name)).collect()
    }

    /// A whole array as the devices' parts, with the axes that divide it in front.
    fn apart(&self, t: Tensor, spec: &PartitionSpec) -> Tensor {
        let (mut dims, mut front, mut rest): (Dims, Vec<usize>, Vec<usize>) = (vec![], vec![], vec![]);
        for (i, n) in t.dims().into_iter().enumerate() {
            let names = spec.0.get(i).map_or(&[][..], Entry::names);
            let sizes: Vec<usize> = names.iter().map(|n| self.mesh.axis(n).expect("checked")).collect();
            front.extend(dims.len()..dims.len() + sizes.len());
            dims.extend(&sizes);
            rest.push(dims.len());
            dims.push(n / sizes.iter().product::<usize>());
        }
        let front = self.order(spec).into_iter().map(|i| front[i]);
        t.reshape(dims).transpose(front.chain(rest).collect::<Vec<_>>())
    }

    /// Inverse of [`apart`](ShardMap::apart), for parts of these sizes.
    fn together(&self, t: Tensor, spec: &PartitionSpec, part: &[usize]) -> Tensor {
        let order = self.order(spec);
        let (mut perm, mut seen) = (vec![], 0);
        for i in 0..part.len() {
            for _ in spec.0.get(i).map_or(&[][..], Entry::names) {
                perm.push(order.iter().position(|o| *o == seen).expect("a permutation"));
                seen += 1;
            }
            perm.push(order.len() + i);
        }
        t.transpose(perm).reshape(global(&self.mesh, spec, part))
    }
}

impl HigherOrder for ShardMap {
    fn name(&self) -> &'static str {
        "shard_map"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        for ((x, spec), want) in x.iter().zip(&self.ins).zip(self.body.in_avals()) {
            let part = local(&self.mesh, spec, x)?;
            if !part.is_like(&want) {
                return Err(format!("a device's part is {part}, but the function takes {want}").into());
            }
        }
        let outs = self.body.out_avals().into_iter().zip(&self.outs);
        Ok(outs.map(|(a, s)| a.with_dims(global(&self.mesh, s, &a.dims)).varying(a.vma.without(self.all()))).collect())
    }
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
        let outs: Vec<AxisSet> = self.outs.iter().map(|s| AxisSet::of(s.names())).collect();
        let body = with_axes(&self.manual, || raised(&self.body, x, &outs));
        let want = body.in_avals().iter().map(|a| a.vma.without(self.all())).collect();
        (Rc::new(ShardMap { body: Rc::new(body), ..self.clone() }), want)
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        self.simulated().eval(x)
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let active: Vec<bool> = dx.iter().map(Option::is_some).collect();
        let tangents = || jvp_of(&self.body, &active, &vec![false; self.outs.len()]);
        let (joint, active_out) = with_axes(&self.manual, tangents);
        let tangents: Vec<Tensor> = dx.iter().flatten().copied().collect();
        let ins = [&self.ins[..], &chosen(&self.ins, &active)].concat();
        let outs = [&self.outs[..], &chosen(&self.outs, &active_out)].concat();
        let mut y = bind(self.with(joint, ins, outs), &[x, &tangents].concat());
        let dy = y.split_off(self.outs.len());
        (y, spread_out(&dy, &active_out))
    }
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        self.linearized(x, dx)
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
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
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let batch = || batched(&self.body, axis, mapped, &vec![false; self.outs.len()]);
        let (body, out) = with_axes(&self.manual, batch);
        let over = |specs: &[PartitionSpec], mapped: &[bool]| {
            let one = |(s, m): (&PartitionSpec, &bool)| if *m { s.stacked(Entry::whole()) } else { s.clone() };
            specs.iter().zip(mapped).map(one).collect()
        };
        let call = self.with(body, over(&self.ins, mapped), over(&self.outs, &out));
        bind(call, x).into_iter().zip(out).collect()
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
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
        // (XLA makes constants of operands without elements, and does not find them again)
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
    /// Of all devices together.
    fn cost(&self) -> Cost {
        self.body.cost().times(self.manual.iter().map(|m| m.size).product())
    }
    fn graphs(&self) -> Vec<&Rc<Graph>> {
        vec![&self.body]
    }
    fn with_graphs(&self, graphs: Vec<Rc<Graph>>) -> Rc<dyn Primitive> {
        let [body] = graphs.try_into().expect("one graph");
        Rc::new(ShardMap { body, ..self.clone() })
    }
    fn prune(&self, used: &[bool]) -> Option<Less> {
        let p = dce(&self.body, used);
        let mut body = p.graph;
        body.ins = chosen(&body.ins, &p.used);
        let less = ShardMap {
            body: Rc::new(body),
            ins: chosen(&self.ins, &p.used),
            outs: chosen(&self.outs, used),
            ..self.clone()
        };
        Some(Less { prim: Rc::new(less), ins: p.used, outs: used.to_vec() })
    }
}
