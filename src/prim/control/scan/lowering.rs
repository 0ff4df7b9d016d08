//! `scan` as StableHLO.
use super::*;
use crate::{lower::array, ops::shape::index_dtype};

impl Scan {
    /// A `while` of StableHLO, whose state is the number of the step, the carry, and the ys so far; consts and xs pass through it
    /// unchanged. Steps that unrolling leaves over follow it one by one.
    pub(super) fn lowered(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let (k, c) = self.bounds();
        let (consts, mut carry, xs) = (&x[..k], x[k..c].to_vec(), &x[c..]);
        let effects = self.has_effect();
        let mut ys: Vec<Value> = y[self.carry..].iter().map(|a| cx.splat(a, 0.0)).collect();
        let looped = if self.length > self.unroll { self.length / self.unroll * self.unroll } else { 0 };
        if looped > 0 {
            let zero = cx.splat(&self.counter(), 0.0);
            let effect = cx.last_effect_if(effects);
            let e = effect.len();
            let operands = [&[zero], &effect[..], &carry, &ys, consts, xs].concat();
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
                let (consts, xs) = a[1 + e + n + m..].split_at(k);
                for j in 0..self.unroll {
                    let at = self.lower_index(cx, &a[0], j);
                    [carry, ys] = self.lower_step(cx, &at, consts, &carry, xs, &ys);
                }
                let next = binary(cx, "add", a[0].clone(), self.unroll);
                [&[next], &cx.last_effect_if(effects)[..], &carry, &ys, consts, xs].concat()
            });
            let out = cx.op_with("while", &operands, "", vec![condition, body], &avals);
            out[1..][..e].iter().for_each(|v| cx.set_last_effect(v.clone()));
            (carry, ys) = (out[1 + e..][..n].to_vec(), out[1 + e + n..][..m].to_vec());
        }
        for step in looped..self.length {
            let at = if self.reverse { self.length - 1 - step } else { step };
            let at = cx.splat(&self.counter(), at as f64);
            [carry, ys] = self.lower_step(cx, &at, consts, &carry, xs, &ys);
        }
        carry.extend(ys);
        carry
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
