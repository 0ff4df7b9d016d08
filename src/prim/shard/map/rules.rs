//! The rules of `shard_map`.
use super::*;

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
        let body = with_axes(&self.manual, || self.body.raised(x, &outs));
        let want = body.in_avals().iter().map(|a| a.vma.without(self.all())).collect();
        (Rc::new(ShardMap { body, ..self.clone() }), want)
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        self.simulated().eval(x)
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        self.joint(x, dx)
    }
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        self.linearized(x, dx)
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        self.transposed(ct, x)
    }
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let batch = || self.body.batched(axis, mapped, &vec![false; self.outs.len()]);
        let (body, out) = with_axes(&self.manual, batch);
        let over = |specs: &[PartitionSpec], mapped: &[bool]| {
            let one = |(s, m): (&PartitionSpec, &bool)| if *m { s.stacked(Entry::whole()) } else { s.clone() };
            specs.iter().zip(mapped).map(one).collect()
        };
        let call = self.with(body, over(&self.ins, mapped), over(&self.outs, &out));
        bind(call, x).into_iter().zip(out).collect()
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        self.lowered(cx, x, y)
    }
    /// The work of all devices together.
    fn cost(&self) -> Cost {
        self.body.cost().times(self.manual.iter().map(|m| m.size).product())
    }
    fn graphs(&self) -> Vec<&InnerGraph> {
        vec![&self.body]
    }
    fn with_graphs(&self, graphs: Vec<InnerGraph>) -> Rc<dyn Primitive> {
        let [body] = graphs.try_into().expect("one graph");
        Rc::new(ShardMap { body, ..self.clone() })
    }
    fn prune(&self, used: &[bool]) -> Option<Less> {
        let p = self.body.dce(used);
        if !p.used.contains(&false) && p.graph.is(&self.body) {
            return None;
        }
        let less = ShardMap {
            body: p.graph.with_inputs(&p.used, &p.used),
            ins: chosen(&self.ins, &p.used),
            outs: chosen(&self.outs, used),
            ..self.clone()
        };
        Some(Less { prim: Rc::new(less), ins: p.used, outs: used.to_vec() })
    }
}
