//! Common subexpressions: what is computed twice is computed once.
use super::everywhere;
use crate::graph::{Eqn, Graph, Var};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
};

/// The graph without operations that repeat an earlier one on the same operands, also in the graphs inside it.
///
/// Operations with side effects stay. Those of different graphs are never merged: what [`remat`](crate::remat) computes again,
/// or what stands behind different [`optimization_barrier`](crate::optimization_barrier)s, is still computed again.
pub fn cse(g: &Graph) -> Graph {
    everywhere(g, &mut cse_here)
}

/// [`cse`] without the graphs inside.
pub(super) fn cse_here(g: &mut Graph) {
    let mut name: Vec<Var> = (0..g.avals.len() as Var).collect();
    let Graph { avals, eqns, .. } = g;
    let types = |vars: &[Var], others: &[Var]| {
        vars.len() == others.len() && vars.iter().zip(others).all(|(v, o)| avals[*v as usize] == avals[*o as usize])
    };
    // the latest equation of each hash, and for each equation the one before it
    let mut latest: HashMap<u64, usize, BuildHasherDefault<Ready>> = HashMap::default();
    let mut before: Vec<Option<usize>> = vec![None; eqns.len()];
    let mut repeats = vec![false; eqns.len()];
    for i in 0..eqns.len() {
        let (done, rest) = eqns.split_at_mut(i);
        let e = &mut rest[0];
        e.ins.iter_mut().for_each(|v| *v = name[*v as usize]);
        if e.prim.has_effect() {
            continue;
        }
        let slot = latest.entry(hash(e)).or_insert(i);
        let mut at = (*slot != i).then_some(*slot);
        while let Some(j) = at {
            let d: &Eqn = &done[j];
            if d.ins == e.ins && types(&d.outs, &e.outs) && *d.prim == *e.prim {
                break;
            }
            at = before[j];
        }
        match at {
            Some(j) => {
                e.outs.iter().zip(&done[j].outs).for_each(|(v, first)| name[*v as usize] = *first);
                repeats[i] = true;
            }
            None => before[i] = (*slot != i).then_some(std::mem::replace(slot, i)),
        }
    }
    let mut repeats = repeats.into_iter();
    eqns.retain(|_| repeats.next() == Some(false));
    g.outs.iter_mut().for_each(|v| *v = name[*v as usize]);
}

/// The hash of an equation's operation and operands: equations that compute the same have the same hash.
fn hash(e: &Eqn) -> u64 {
    let mut h = DefaultHasher::new();
    (&e.prim, &e.ins).hash(&mut h);
    h.finish()
}

/// A hasher for keys that are hashes already.
#[derive(Default)]
struct Ready(u64);
impl Hasher for Ready {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(self.0.rotate_left(8) ^ *b as u64));
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Aval, DType, Host, prim::literal, trace::trace_graph};
    use std::collections::HashSet;

    /// Otherwise each constant would be compared with all others.
    #[test]
    fn constants_are_told_apart_by_their_hash() {
        let table = |last: i128| literal(Host::ints(DType::I32, [100], [vec![0; 99], vec![last]].concat()));
        let g = trace_graph(&[Aval::new(DType::F32, [])], |x| {
            let y = (0..1000).fold(x[0], |x, i| x.sin() + i as f64 * 1e-3);
            vec![y, table(1), table(2)]
        });
        let g = g.unwrap();
        let constants: Vec<&Eqn> = g.eqns.iter().filter(|e| e.ins.is_empty()).collect();
        assert_eq!(constants.len(), 1002);
        assert_eq!(constants.iter().map(|e| hash(e)).collect::<HashSet<_>>().len(), 1002);
    }
}
