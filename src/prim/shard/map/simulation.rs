//! What `shard_map` means: the same function as an ordinary program, for the interpreter.
use super::*;
use crate::{
    aval::Dims,
    transform::{batch::batched, varying::of_instances},
};

impl ShardMap {
    /// The same function as an ordinary program, in which the devices along each axis of the mesh are instances of a `vmap`.
    pub(super) fn simulated(&self) -> Graph {
        let mut g = of_instances(&self.body);
        for m in self.manual.iter().rev() {
            let axis = BatchAxis { size: m.size, name: Some(m.name.clone()) };
            let has = |specs: &[PartitionSpec]| specs.iter().map(|s| s.names().any(|n| **n == *m.name)).collect();
            let (ins, outs): (Vec<bool>, Vec<bool>) = (has(&self.ins), has(&self.outs));
            let (over, mapped) = batched(&g, &axis, &ins, &outs);
            // a result that all devices share is taken from the first of them
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

    /// The places in the spec of the axes that it names, in the order of the mesh's axes.
    fn order(&self, spec: &PartitionSpec) -> Vec<usize> {
        let names: Vec<&str> = spec.names().map(|n| &**n).collect();
        self.manual.iter().filter_map(|m| names.iter().position(|n| **n == *m.name)).collect()
    }

    /// A whole array as the stack of the devices' parts: one leading axis for each mesh axis that divides it.
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
