//! `while_loop` and `fori_loop`: loops whose length is known only when they run.
use super::*;
use crate::trace::refuse;
use crate::transform::{batch::batch_all, linearize::spread_out};
use std::panic::Location;

/// A loop that runs as long as a condition holds. Operands: values that condition and body share (consts), the initial
/// carry. Results: the final carry.
#[derive(Clone, PartialEq, Hash)]
pub struct While {
    /// From consts and carry to a scalar bool.
    condition: InnerGraph,
    /// From consts and carry to carry.
    body: InnerGraph,
    consts: usize,
}

/// Repeat `body` on a carried state as long as `condition` holds. JAX: `lax.while_loop`.
///
/// Forward mode and batching work; reverse mode does not, because the number of steps is unknown when the program is
/// compiled: use [`scan`] or [`fori_loop`] with known bounds for that.
///
/// ```
/// use raxla::{prelude::*, while_loop};
/// let halve = jit(|x: Tensor| while_loop(|x: Tensor| x.gt(1.0), |x| x / 2.0, x));
/// assert_eq!(halve.call((Array::from_slice([], &[20f32])?,))?.to_vec::<f32>()?, [0.625]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn while_loop<C: TensorTree>(condition: impl FnOnce(C) -> Tensor, body: impl FnOnce(C) -> C, init: C) -> C {
    let _at = At::op("while_loop");
    let carry = init.leaves();
    let avals: Vec<Aval> = carry.iter().map(|t| t.aval()).collect();
    let (cond_graph, cond_captured, _) = trace_tree(&init, &avals, condition);
    let (body_graph, body_captured, out) = trace_tree(&init, &avals, body);
    check_carry("while_loop", &init, &avals, &out, &body_graph.out_avals());
    let holds = cond_graph.out_avals().swap_remove(0);
    if !holds.is_like(&Aval::new(DType::Bool, [])) {
        let help = "reduce it to one: `.all(..)`, `.any(..)`, or a comparison of scalars";
        fail("while_loop", vec![], format!("the condition returns {holds}, not a scalar bool"), Some(help.into()))
    }
    let (graphs, consts) = share_captured(vec![(cond_graph, cond_captured), (body_graph, body_captured)]);
    let [condition, body] = graphs.try_into().expect("as many as given");
    let looped = While { condition: condition.into(), body: body.into(), consts: consts.len() };
    init.refill(bind(looped, &[consts, carry].concat()))
}

/// A bound of [`fori_loop`]: a number, or an integer scalar tensor.
pub trait Bound: Copy {
    /// The number, if it is known while tracing: `None` for a tensor.
    fn known(self) -> Option<i128>;
    /// The bound as a tensor.
    fn tensor(self, dtype: DType) -> Tensor;
    /// Its type, if it is a tensor.
    fn aval(self) -> Option<Aval>;
}
macro_rules! bounds {
    ($($t:ty),*) => {$(
        impl Bound for $t {
            fn known(self) -> Option<i128> {
                Some(self as i128)
            }
            #[track_caller]
            fn tensor(self, dtype: DType) -> Tensor {
                full([], dtype, self)
            }
            fn aval(self) -> Option<Aval> {
                None
            }
        }
    )*};
}
bounds!(i32, i64, isize, u32, u64, usize);
impl Bound for Tensor {
    fn known(self) -> Option<i128> {
        None
    }
    fn tensor(self, _: DType) -> Tensor {
        self
    }
    #[track_caller]
    fn aval(self) -> Option<Aval> {
        Some(Tensor::aval(self))
    }
}

/// Repeat `body(i, carry)` for i = `from`, ..., `to` - 1. JAX: `lax.fori_loop`.
///
/// With numbers as bounds it is a [`scan`], which reverse mode can differentiate; with a tensor as bound it is a
/// [`while_loop`]. The counter is an i32, an i64 where a number needs it, or of the dtype of the bound that is a tensor.
///
/// ```
/// use raxla::{fori_loop, prelude::*};
/// let power = jit(|x: Tensor, n: Tensor| fori_loop(0, n, |_, y: Tensor| y * x, x.like(1.0)));
/// let (x, n) = (Array::from_slice([], &[3f32])?, Array::from_slice([], &[4i32])?);
/// assert_eq!(power.call((x, n))?.to_vec::<f32>()?, [81.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn fori_loop<C: TensorTree>(from: impl Bound, to: impl Bound, body: impl FnOnce(Tensor, C) -> C, init: C) -> C {
    let line = Location::caller();
    let _at = At::op_at("fori_loop", line);
    // a number as bound takes the dtype of the other
    let wide = [from.known(), to.known()].into_iter().flatten().any(|n| i32::try_from(n).is_err());
    let numbers = if wide { DType::I64 } else { DType::I32 };
    let dtype = from.aval().or(to.aval()).map_or(numbers, |a| a.dtype);
    for (name, bound) in [("lower", from.aval()), ("upper", to.aval())] {
        let Some(a) = bound else { continue };
        if a.rank() != 0 || !a.dtype.is_int() {
            let help = "convert it first with `.cast(DType::I32)`; of several, use one at a time, with `vmap`";
            fail("fori_loop", vec![], format!("the {name} bound is {a}, not an integer scalar"), Some(help.into()))
        }
        if a.dtype != dtype {
            let reason = format!("the bounds have different dtypes: {} and {}", dtype.name(), a.dtype.name());
            fail("fori_loop", vec![], reason, Some(format!("cast one of them: `.cast(DType::{dtype:?})`")))
        }
    }
    let start = from.tensor(dtype);
    let (before, avals) = (init.refill(init.leaves()), avals_of(&init));
    let body = |i: Tensor, c: C| {
        let c = body(i, c);
        let _at = At::op_at("fori_loop", line);
        check_carry("fori_loop", &before, &avals, &c, &avals_of(&c));
        c
    };
    for number in [from.known(), to.known()].into_iter().flatten() {
        number.host(dtype).map(|_| ()).unwrap_or_else(|why| refuse("fori_loop", vec![], why));
    }
    if let (Some(from), Some(to)) = (from.known(), to.known()) {
        let length = Some((to - from).max(0) as usize);
        let options = ScanOptions { length, ..ScanOptions::default() };
        let step = |(i, c): (Tensor, C), ()| ((i + 1, body(i, c)), ());
        return scan_with(options, step, (start, init), ()).0.1;
    }
    let end = to.tensor(dtype);
    while_loop(|(i, _): (Tensor, C)| i.lt(end), |(i, c)| (i + 1, body(i, c)), (start, init)).1
}

impl While {
    fn carry(&self) -> usize {
        self.body.outs.len()
    }
    /// One loop that carries values and tangents.
    fn joint_loop(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let (k, n) = (self.consts, self.carry());
        let (joint, active, active_out) = grow_active(dx, k, n, n, |active, force| self.body.jvp_of(active, force));
        let mut body = Graph::clone(&joint);
        let dx: Vec<Option<Tensor>> =
            (0..x.len()).map(|i| active[i].then(|| dx[i].unwrap_or_else(|| zeros_of(&x[i].aval())))).collect();
        let (dk, dc) = (dx[..k].iter().flatten().count(), dx[k..].iter().flatten().count());
        // inputs are values, then tangents: consts of both kinds come first
        let reorder = |ins: &[Var]| {
            let (x, d) = ins.split_at(k + n);
            [&x[..k], &d[..dk], &x[k..], &d[dk..]].concat()
        };
        body.ins = reorder(&body.ins);
        let mut condition = Graph::clone(&self.condition);
        let tangents: Vec<Aval> = dx.iter().flatten().map(|d| d.aval()).collect();
        let unused: Vec<Var> = tangents.into_iter().map(|a| fresh_input(&mut condition, a)).collect();
        condition.ins = reorder(&[&self.condition.ins[..], &unused].concat());
        let args = [
            x[..k].to_vec(),
            dx[..k].iter().flatten().copied().collect(),
            x[k..].to_vec(),
            dx[k..].iter().flatten().copied().collect(),
        ];
        let both = While { condition: condition.into(), body: body.into(), consts: k + dk };
        let mut y = bind(both, &args.concat());
        debug_assert_eq!(y.len(), n + dc);
        let dy = y.split_off(n);
        (y, spread_out(&dy, &active_out))
    }
    /// Condition and body over a batch whose instances stop at different times: the loop runs until all have stopped, and
    /// instances that have stopped keep their state.
    fn until_all_stop(&self, axis: &BatchAxis, mapped: &[bool]) -> (Graph, Graph) {
        let k = self.consts;
        let avals =
            self.body.in_avals().into_iter().zip(mapped).map(|(a, m)| if *m { a.stacked(axis.size) } else { a });
        let avals: Vec<Aval> = avals.collect();
        let holds = |t: &[Tensor]| batch_all(&self.condition, axis, t, mapped)[0];
        let (condition, _) = trace_rule(&avals, |t| vec![reduce_or(holds(t), [0])]);
        let (next, _) = self.body.batched(axis, mapped, &vec![true; self.carry()]);
        let (body, _) = trace_rule(&avals, |t| {
            let running = holds(t);
            let new = inline(&next, t);
            let keep =
                |(new, old): (Tensor, &Tensor)| select(broadcast_in_dim(running, new.dims(), vec![0]), new, *old);
            new.into_iter().zip(&t[k..]).map(keep).collect()
        });
        (condition, body)
    }
}

impl fmt::Debug for While {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "while[consts={}] {} {}", self.consts, self.condition, self.body)
    }
}

impl HigherOrder for While {
    fn name(&self) -> &'static str {
        "while"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let (ins, outs) = (self.body.in_avals(), self.body.out_avals());
        if x != ins || self.condition.in_avals() != ins {
            return Err(format!("the body takes {ins:?}").into());
        }
        if outs != ins[self.consts..] {
            return Err(format!("the carry enters as {:?} but leaves as {outs:?}", &ins[self.consts..]).into());
        }
        Ok(outs)
    }
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
        // where devices stop at different times, every part of the carry differs between them
        let stops = |ins: &[AxisSet]| {
            let condition = self.condition.raised(ins, &[AxisSet::NONE]);
            condition.aval(condition.outs[0]).vma
        };
        let (body, ins) = raised_carry(&self.body, x, self.consts, self.carry(), stops);
        let condition = self.condition.raised(&ins, &[AxisSet::NONE]);
        (Rc::new(While { condition, body, consts: self.consts }), ins)
    }
    fn diverges(&self, _: &[AxisSet]) -> AxisSet {
        self.condition.aval(self.condition.outs[0]).vma
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let mut x = x.to_vec();
        while self.condition.eval(&x)[0].to_ints() == [1] {
            let carry = self.body.eval(&x);
            x.truncate(self.consts);
            x.extend(carry);
        }
        x.split_off(self.consts)
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        self.joint_loop(x, dx)
    }
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        // residuals of an unknown number of steps cannot be stacked: the loop of tangents computes the values again
        let y = bind(self.clone(), x);
        let (condition, body) = (self.condition.without_effects(), self.body.without_effects());
        let again = While { condition, body, consts: self.consts };
        (y, again.joint_loop(x, dx).1)
    }
    fn transpose(&self, _: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let help = "use `scan`, or `fori_loop` with numbers as bounds; or forward mode (`jvp`, `jacfwd`); or give the derivative with `custom_vjp`";
        fail("while_loop", vec![], "reverse mode needs a loop whose number of steps is known", Some(help.into()))
    }
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let k = self.consts;
        let (mut body, mut m, _) = batch_carry(&self.body, axis, mapped.to_vec(), k, self.carry());
        let (mut condition, stops_apart) = self.condition.batched(axis, &m, &[false]);
        if stops_apart[0] {
            // instances that have stopped must not have side effects any more
            if let Some(y) = apart_for_effects(self, axis, x, mapped) {
                return y;
            }
            m[k..].fill(true);
            let (until, next) = self.until_all_stop(axis, &m);
            (condition, body) = (until.into(), next.into());
        }
        let arg = |(i, t): (usize, &Tensor)| in_front(axis, (*t, mapped[i] || !m[i]));
        let args: Vec<Tensor> = x.iter().enumerate().map(arg).collect();
        let y = bind(While { condition, body, consts: k }, &args);
        y.into_iter().zip(m[k..].iter().copied()).collect()
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let (k, effects) = (self.consts, self.has_effect());
        let operands = [cx.last_effect_if(effects), x.to_vec()].concat();
        let avals: Vec<Aval> = operands.iter().map(|v| v.aval.clone()).collect();
        let enter = |cx: &mut Lower, a: &[Value]| {
            let (effect, a) = a.split_at(operands.len() - x.len());
            effect.iter().for_each(|v| cx.set_last_effect(v.clone()));
            a.to_vec()
        };
        let condition = cx.region(&avals, |cx, a| {
            let a = enter(cx, a);
            cx.graph(&self.condition, &a)
        });
        let body = cx.region(&avals, |cx, a| {
            let a = enter(cx, a);
            let carry = cx.graph(&self.body, &a);
            [&cx.last_effect_if(effects), &a[..k], &carry].concat()
        });
        let out = cx.op_with("while", &operands, "", vec![condition, body], &avals);
        let mut out = enter(cx, &out);
        debug_assert_eq!(out.len(), k + y.len());
        out.split_off(k)
    }
    /// The work of one step: how many steps there will be is unknown.
    fn cost(&self) -> Cost {
        [self.condition.cost(), self.body.cost()].into_iter().sum()
    }
    fn graphs(&self) -> Vec<&InnerGraph> {
        vec![&self.condition, &self.body]
    }
    fn with_graphs(&self, graphs: Vec<InnerGraph>) -> Rc<dyn Primitive> {
        let [condition, body] = graphs.try_into().expect("two graphs");
        Rc::new(While { condition, body, consts: self.consts })
    }
    fn prune(&self, used: &[bool]) -> Option<Less> {
        let k = self.consts;
        let condition = self.condition.dce(&[true]);
        let read = &condition.used;
        let mut outs: Vec<bool> = (0..used.len()).map(|i| used[i] || read[k + i]).collect();
        let body = loop {
            let p = self.body.dce(&outs);
            let more: Vec<usize> = (0..outs.len()).filter(|i| p.used[k + i] && !outs[*i]).collect();
            if more.is_empty() {
                break p;
            }
            more.iter().for_each(|i| outs[*i] = true);
        };
        let used = &body.used;
        let ins: Vec<bool> = (0..used.len()).map(|i| if i < k { used[i] || read[i] } else { outs[i - k] }).collect();
        if !ins.contains(&false) && condition.graph.is(&self.condition) && body.graph.is(&self.body) {
            return None;
        }
        let consts = ins[..k].iter().filter(|b| **b).count();
        let condition = condition.graph.with_inputs(&ins, read);
        let body = body.graph.with_inputs(&ins, used);
        Some(Less { prim: Rc::new(While { condition, body, consts }), ins, outs })
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row {
    name: "while",
    dtypes: |d| matches!(d, DType::F32 | DType::F64 | DType::I32),
    cases: |d| {
        // (reverse mode is refused, and the tests differentiate in both modes)
        vec![
            Case::new("shared condition", vec![sample(d, &[3], 1), sample(d, &[3], 2)], |x| {
                let (y, steps) = (x[1], full([], DType::I32, 4));
                let (_, c) = while_loop(
                    |(i, _): (Tensor, Tensor)| i.lt(steps),
                    |(i, c)| (i + 1, c * y - c),
                    (steps.like(0), x[0]),
                );
                vec![c]
            })
            .wrt([]),
            Case::new("own conditions", vec![sample_in(d, &[], 3, 2.0, 90.0), sample_in(d, &[], 4, 2.0, 5.0)], |x| {
                let bound = x[1];
                let body = |(c, n, unused): (Tensor, Tensor, Tensor)| (c / 2, n + 1, unused + 1);
                let (c, n, _) =
                    while_loop(|(c, ..): (Tensor, Tensor, Tensor)| c.gt(bound), body, (x[0], x[0].like(0), x[0]));
                vec![c, n]
            })
            .wrt([]),
            Case::new("no step", vec![sample(d, &[3], 1)], |x| {
                vec![fori_loop(full([], DType::I32, 5), 3, |_, c: Tensor| c + c, x[0])]
            })
            .wrt([]),
            Case::new("counted", vec![sample(d, &[3], 1), Host::full(&Aval::new(DType::I32, []), 3.0)], |x| {
                vec![fori_loop(1, x[1], |i, c: Tensor| c + i.cast(c.dtype()), x[0])]
            })
            .wrt([]),
        ]
    },
}];
