//! `scan` as StableHLO.
use super::*;
use crate::{lower::array, ops::shape::index_dtype};

impl Scan {
    /// A `while` of StableHLO, whose state is the number of the step, the carry, and the ys so far; consts and xs pass through it
    /// unchanged. Steps that unrolling leaves over follow it one by one. Where ys are xs with something changed, both are one stack
    /// of the state ([`Scan::updated`]).
    pub(super) fn lowered(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let (k, c) = self.bounds();
        let (consts, mut carry, xs) = (&x[..k], x[k..c].to_vec(), &x[c..]);
        let effects = self.has_effect();
        let updated = self.updated(y);
        let first = |(j, a): (usize, &Aval)| match updated.iter().position(|of| *of == Some(j)) {
            Some(i) => xs[i].clone(),
            None => cx.splat(a, 0.0),
        };
        let mut ys: Vec<Value> = y[self.carry..].iter().enumerate().map(first).collect();
        let own: Vec<Value> = xs.iter().zip(&updated).filter(|(_, of)| of.is_none()).map(|(x, _)| x.clone()).collect();
        let looped = if self.length > self.unroll { self.length / self.unroll * self.unroll } else { 0 };
        if looped > 0 {
            let zero = cx.splat(&self.counter(), 0.0);
            let effect = cx.last_effect_if(effects);
            let e = effect.len();
            let operands = [&[zero], &effect[..], &carry, &ys, consts, &own].concat();
            let avals: Vec<Aval> = operands.iter().map(|v| v.aval.clone()).collect();
            let condition = cx.region(&avals, |cx, a| {
                let n = cx.splat(&self.counter(), looped as f64);
                let attrs = "comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>";
                vec![cx.op("compare", &[a[0].clone(), n], attrs, &Aval::new(DType::Bool, []))]
            });
            let (n, m) = (carry.len(), ys.len());
            let body = cx.region(&avals, |cx, a| {
                a[1..][..e].iter().for_each(|v| cx.set_last_effect(v.clone()));
                let (mut carry, mut ys) = (a[1 + e..][..n].to_vec(), a[1 + e + n..][..m].to_vec());
                let (consts, own) = a[1 + e + n + m..].split_at(k);
                for j in 0..self.unroll {
                    let at = self.lower_index(cx, &a[0], j);
                    let xs = with_updated(&updated, own, &ys);
                    [carry, ys] = self.lower_step(cx, &at, consts, &carry, &xs, &ys);
                }
                let next = binary(cx, "add", a[0].clone(), self.unroll);
                [&[next], &cx.last_effect_if(effects)[..], &carry, &ys, consts, own].concat()
            });
            let out = cx.op_with("while", &operands, "", vec![condition, body], &avals);
            out[1..][..e].iter().for_each(|v| cx.set_last_effect(v.clone()));
            (carry, ys) = (out[1 + e..][..n].to_vec(), out[1 + e + n..][..m].to_vec());
        }
        for step in looped..self.length {
            let at = if self.reverse { self.length - 1 - step } else { step };
            let at = cx.splat(&self.counter(), at as f64);
            let xs = with_updated(&updated, &own, &ys);
            [carry, ys] = self.lower_step(cx, &at, consts, &carry, &xs, &ys);
        }
        carry.extend(ys);
        carry
    }

    /// For each of the xs, which of the ys takes its place: one of the same type whose slice comes from its slice through values of
    /// the same size, such as a cache that positions are written into. A step reads its slice before it writes it, so one stack
    /// serves both, and who gives the xs away pays for them once.
    fn updated(&self, y: &[Aval]) -> Vec<Option<usize>> {
        let (_, c) = self.bounds();
        let slices = &self.body.ins[c..];
        let mut makers = std::collections::HashMap::new();
        for e in &self.body.eqns {
            makers.extend(e.outs.iter().map(|v| (*v, e)));
        }
        let mut taken = vec![None; slices.len()];
        for (j, out) in self.body.outs[self.carry..].iter().enumerate() {
            let size = self.body.aval(*out).size();
            let (mut next, mut seen) = (vec![*out], std::collections::HashSet::new());
            while let Some(v) = next.pop() {
                let slice = slices.iter().position(|slice| *slice == v);
                let same = |i: &usize| taken[*i].is_none() && self.stacked(self.body.aval(v)) == y[self.carry + j];
                if let Some(i) = slice.filter(same) {
                    taken[i] = Some(j);
                    break;
                }
                let operands = makers.get(&v).into_iter().flat_map(|e| &e.ins);
                let same_size = operands.filter(|v| self.body.aval(**v).size() == size);
                next.extend(same_size.copied().filter(|v| seen.insert(*v)).collect::<Vec<_>>().into_iter().rev());
            }
        }
        taken
    }

    /// One step: reads slice `at` of the xs, runs the body, and writes slice `at` of the ys. Returns the carry and the ys.
    fn lower_step(
        &self,
        cx: &mut Lower,
        at: &Value,
        consts: &[Value],
        carry: &[Value],
        xs: &[Value],
        ys: &[Value],
    ) -> [Vec<Value>; 2] {
        let slices: Vec<Value> = xs.iter().map(|x| read_slice(cx, x, at)).collect();
        let args = [consts, carry, &slices].concat();
        let mut carry = cx.graph(&self.body, &args);
        let new = carry.split_off(self.carry);
        let ys = ys.iter().zip(&new).map(|(ys, y)| write_slice(cx, ys, y, at)).collect();
        [carry, ys]
    }

    /// The number of the slice that is taken at step `i + j`.
    fn lower_index(&self, cx: &mut Lower, i: &Value, j: usize) -> Value {
        let s = self.counter();
        let step = if j == 0 { i.clone() } else { binary(cx, "add", i.clone(), j) };
        if !self.reverse {
            return step;
        }
        let last = cx.splat(&s, self.length as f64 - 1.0);
        cx.op("subtract", &[last, step], "", &s)
    }

    /// The type of the loop counter.
    fn counter(&self) -> Aval {
        Aval::new(index_dtype(self.length), [])
    }
}

/// All xs, of those that ys take the place of and of the others.
fn with_updated(updated: &[Option<usize>], own: &[Value], ys: &[Value]) -> Vec<Value> {
    let mut own = own.iter();
    let one = |of: &Option<usize>| of.map_or_else(|| own.next(), |j| ys.get(j)).expect("one for each").clone();
    updated.iter().map(one).collect()
}
fn binary(cx: &mut Lower, op: &str, x: Value, y: usize) -> Value {
    let a = x.aval.clone();
    let y = cx.splat(&a, y as f64);
    cx.op(op, &[x, y], "", &a)
}
/// The start indices of slice `at` of the leading axis.
fn starts(cx: &mut Lower, at: &Value, rank: usize) -> Vec<Value> {
    let zero = cx.splat(&at.aval, 0.0);
    [vec![at.clone()], vec![zero; rank - 1]].concat()
}
fn read_slice(cx: &mut Lower, x: &Value, at: &Value) -> Value {
    let slice = x.aval.unstacked();
    let one = slice.stacked(1);
    let operands = [vec![x.clone()], starts(cx, at, one.rank())].concat();
    let taken = cx.op("dynamic_slice", &operands, &format!("slice_sizes = {}", array(&one.dims)), &one);
    cx.op("reshape", &[taken], "", &slice)
}
fn write_slice(cx: &mut Lower, into: &Value, y: &Value, at: &Value) -> Value {
    let one = cx.op("reshape", std::slice::from_ref(y), "", &y.aval.stacked(1));
    let operands = [vec![into.clone(), one], starts(cx, at, into.aval.rank())].concat();
    cx.op("dynamic_update_slice", &operands, "", &into.aval)
}
