//! `cond` and `switch`: one of several programs, chosen when it runs.
use super::*;
use crate::transform::{
    backward::backward,
    batch::batch_all,
    dce::dce_changed,
    linearize::{Split, spread_out},
};
use std::collections::HashMap;

/// One of several programs. Operands: its number (an i32 scalar in range), then the inputs that all of them share.
#[derive(Clone, PartialEq, Hash)]
pub struct Cond {
    branches: Vec<InnerGraph>,
}

/// `yes(operand)` if the scalar bool `condition` holds, else `no(operand)`: only one of them runs. JAX: `lax.cond`.
///
/// Under `vmap` with a condition that differs between instances both run, as in JAX. Use [`where_`](crate::where_) to
/// choose element by element.
///
/// ```
/// use raxla::{cond, prelude::*};
/// let f = jit(|x: Tensor| cond(x.lt(0.0), |x: Tensor| -x, |x: Tensor| x.sqrt(), x));
/// assert_eq!(f.call((Array::from_slice([], &[9f32])?,))?.to_vec::<f32>()?, [3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn cond<X: TensorTree, Y: TensorTree>(
    condition: Tensor,
    yes: impl FnOnce(X) -> Y,
    no: impl FnOnce(X) -> Y,
    operand: X,
) -> Y {
    let _at = At::op("cond");
    let a = condition.aval();
    if !a.is_like(&Aval::new(DType::Bool, [])) {
        let help = "to choose element by element, use `where_`";
        fail("cond", vec![], format!("the condition is {a}, not a scalar bool"), Some(help.into()))
    }
    let avals = avals_of(&operand);
    let (no, yes) = (trace_tree(&operand, &avals, no), trace_tree(&operand, &avals, yes));
    choose("cond", condition.cast(DType::I32), operand.leaves(), vec![no, yes])
}

/// `branches[index](operand)`, where an index out of range is clamped: only one of them runs. JAX: `lax.switch`.
///
/// ```
/// use raxla::{prelude::*, switch};
/// let f = jit(|i: Tensor, x: Tensor| switch(i, &[&|x: Tensor| x, &|x: Tensor| x * x, &|x: Tensor| -x], x));
/// let (i, x) = (Array::from_slice([], &[1i32])?, Array::from_slice([], &[9f32])?);
/// assert_eq!(f.call((i, x))?.to_vec::<f32>()?, [81.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn switch<X: TensorTree, Y: TensorTree>(index: Tensor, branches: &[&dyn Fn(X) -> Y], operand: X) -> Y {
    let _at = At::op("switch");
    let a = index.aval();
    if a.rank() != 0 || !a.dtype.is_int() {
        let help = "convert it first with `.cast(DType::I32)`; of several, use one at a time, with `vmap`";
        fail("switch", vec![], format!("the index is {a}, not an integer scalar"), Some(help.into()))
    }
    if branches.is_empty() {
        fail("switch", vec![], "there are no branches", Some("give one function at least".into()))
    }
    let avals = avals_of(&operand);
    let index = index.cast(DType::I32);
    let index = clamp(index.like(0), index, index.like(branches.len() - 1));
    let traced = branches.iter().map(|f| trace_tree(&operand, &avals, f)).collect();
    choose("switch", index, operand.leaves(), traced)
}

type Branch<Y> = (Graph, Vec<Tensor>, Y);

/// Check that all branches return the same, and record the choice.
#[track_caller]
fn choose<Y: TensorTree>(op: &str, index: Tensor, operands: Vec<Tensor>, branches: Vec<Branch<Y>>) -> Y {
    let name = |i: usize| match (op, i) {
        ("cond", 0) => "`no`".to_string(),
        ("cond", _) => "`yes`".to_string(),
        _ => format!("branch {i}"),
    };
    let (first, rest) = branches.split_first().expect("at least one");
    let (paths, types) = (first.2.paths(), first.0.out_avals());
    for (i, (g, _, y)) in rest.iter().enumerate().map(|(i, b)| (i + 1, b)) {
        if y.structure() != first.2.structure() || y.paths() != paths {
            let list = |p: &[String]| if p.is_empty() { "none".into() } else { p.join(", ") };
            let (a, b) = (list(&paths), list(&y.paths()));
            let reason = format!(
                "the results have different structures: the leaves of {} are {a}, those of {} are {b}",
                name(0),
                name(i)
            );
            let help = "all branches must return the same lengths, variants and skipped fields";
            fail(op, vec![], reason, Some(help.into()))
        }
        let differ = paths.iter().zip(types.iter().zip(g.out_avals())).find(|(_, (a, b))| !a.is_like(b));
        if let Some((path, (a, b))) = differ {
            let leaf = if path.is_empty() { "the result".into() } else { format!("result `{path}`") };
            let help = "all branches must return the same types: cast or reshape one side";
            fail(op, vec![], format!("{leaf} is {a} in {} but {b} in {}", name(0), name(i)), Some(help.into()))
        }
    }
    let mut structure = None;
    let split = |(g, captured, y): Branch<Y>| {
        structure.get_or_insert(y);
        (g, captured)
    };
    let (graphs, captured) = share_captured(branches.into_iter().map(split).collect());
    let chosen = Cond { branches: graphs.into_iter().map(InnerGraph::from).collect() };
    let y = bind(chosen, &[vec![index], captured, operands].concat());
    structure.expect("at least one").refill(y)
}

/// Where a value that the linear branch needs comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Residual {
    /// An operand of the choice.
    Operand(usize),
    /// A further result of the branch, kept in this slot.
    Slot(usize),
}

impl Cond {
    fn outs(&self) -> usize {
        self.branches[0].outs.len()
    }
    /// Differentiate every branch with `f`, which takes a branch and which of its outputs must have a tangent. Branches must
    /// return the same types, so an output that has a tangent in one branch has one in all.
    fn differentiate<R>(
        &self,
        active: &[bool],
        f: impl Fn(&InnerGraph, &[bool]) -> (R, Vec<bool>),
    ) -> (Vec<R>, Vec<bool>) {
        let mut force = vec![false; self.outs()];
        loop {
            let (results, outs): (Vec<R>, Vec<Vec<bool>>) = self.branches.iter().map(|b| f(b, &force)).unzip();
            let any: Vec<bool> = (0..self.outs()).map(|i| outs.iter().any(|o| o[i])).collect();
            debug_assert!(active.contains(&true));
            if outs.iter().all(|o| *o == any) {
                return (results, any);
            }
            force = any;
        }
    }

    /// Results by one choice, whose branches return the residuals too; tangents by a second choice, between linear branches.
    fn linearized(&self, index: Tensor, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let active: Vec<bool> = dx.iter().map(Option::is_some).collect();
        let (splits, active_out) = self.differentiate(&active, |g, force| {
            let split = g.linearize(&active, force);
            let out = split.active_out.clone();
            (split, out)
        });
        let n = self.outs();
        let (slots, homes) = assign_slots(&splits, n);
        let primal = |(split, homes): (&Rc<Split>, &Vec<Residual>)| with_slots(&split.primal, n, homes, &slots).into();
        let mut y = bind_at(Cond { branches: splits.iter().zip(&homes).map(primal).collect() }, index, x);
        let kept = y.split_off(n);
        if !active_out.contains(&true) {
            return (y, vec![None; n]);
        }
        // inputs of every linear branch: tangents, the operands that any branch needs, the slots
        let mut is_needed = vec![false; x.len()];
        for home in homes.iter().flatten() {
            if let Residual::Operand(i) = home {
                is_needed[*i] = true;
            }
        }
        let needed: Vec<usize> = (0..x.len()).filter(|i| is_needed[*i]).collect();
        let tangents: Vec<Tensor> = dx.iter().flatten().copied().collect();
        let linear = |(split, homes): (&Rc<Split>, &Vec<Residual>)| {
            let mut g = split.linear.clone();
            let residuals = g.ins.split_off(tangents.len());
            let of: HashMap<Residual, Var> = homes.iter().copied().zip(residuals).collect();
            for i in &needed {
                let v = of.get(&Residual::Operand(*i)).copied();
                let v = v.unwrap_or_else(|| fresh_input(&mut g, x[*i].aval()));
                g.ins.push(v);
            }
            for (s, a) in slots.iter().enumerate() {
                let v = of.get(&Residual::Slot(s)).copied();
                let v = v.unwrap_or_else(|| fresh_input(&mut g, a.clone()));
                g.ins.push(v);
            }
            g.into()
        };
        let linear = Cond { branches: splits.iter().zip(&homes).map(linear).collect() };
        let operands = needed.iter().map(|i| x[*i]);
        let dy = bind_at(linear, index, &tangents.iter().copied().chain(operands).chain(kept).collect::<Vec<_>>());
        (y, spread_out(&dy, &active_out))
    }

    /// Cotangents of the operands: a choice between the transposed branches.
    fn transposed(&self, ct: &[Option<Tensor>], index: Tensor, x: &[Operand]) -> Vec<Option<Tensor>> {
        let cts: Vec<Tensor> = ct.iter().flatten().copied().collect();
        let known: Vec<Tensor> = x.iter().filter(|x| !x.is_linear()).map(Operand::known).collect();
        let args = [known.clone(), cts].concat();
        let avals: Vec<Aval> = args.iter().map(|t| t.aval()).collect();
        let linear: Vec<usize> = (0..x.len()).filter(|i| x[*i].is_linear()).collect();
        let mut some = vec![false; linear.len()];
        let back = |g: &InnerGraph| {
            trace_rule(&avals, |t| {
                let mut t = t.iter().copied();
                let value: Vec<Option<Tensor>> =
                    x.iter().map(|x| if x.is_linear() { None } else { t.next() }).collect();
                let ct: Vec<Option<Tensor>> = ct.iter().map(|c| c.and_then(|_| t.next())).collect();
                let d = backward(g, &value, &ct);
                some.iter_mut().zip(&linear).for_each(|(s, i)| *s |= d[*i].is_some());
                linear.iter().map(|i| d[*i].unwrap_or_else(|| zeros_of(&x[*i].aval()))).collect()
            })
            .0
        };
        let branches: Vec<Graph> = self.branches.iter().map(back).collect();
        let without_zeros = |g: &Graph| {
            let (p, _) = dce_changed(g, &some);
            InnerGraph::pruned(p.graph, &p.used)
        };
        let branches = branches.iter().map(without_zeros).collect();
        let d = bind_at(Cond { branches }, index, &args);
        let mut result = vec![None; x.len()];
        chosen(&linear, &some).iter().zip(d).for_each(|(i, d)| result[*i] = Some(d));
        result
    }
}

fn bind_at(choice: Cond, index: Tensor, x: &[Tensor]) -> Vec<Tensor> {
    bind(choice, &[&[index], x].concat())
}

/// One slot per residual that is not an operand; branches share slots of the same type, since only one of them runs.
fn assign_slots(splits: &[Rc<Split>], outs: usize) -> (Vec<Aval>, Vec<Vec<Residual>>) {
    let mut slots: Vec<Aval> = vec![];
    let mut of_type: HashMap<Aval, Vec<usize>> = HashMap::new();
    let mut assign = |split: &Rc<Split>| {
        let g = &split.primal;
        let operand: HashMap<Var, usize> = g.ins.iter().copied().zip(0..).collect();
        let mut taken: HashMap<&Aval, usize> = HashMap::new();
        let home = |v: &Var| {
            if let Some(i) = operand.get(v) {
                return Residual::Operand(*i);
            }
            let a = g.aval(*v);
            let (alike, taken) = (of_type.entry(a.clone()).or_default(), taken.entry(a).or_default());
            if *taken == alike.len() {
                alike.push(slots.len());
                slots.push(a.clone());
            }
            *taken += 1;
            Residual::Slot(alike[*taken - 1])
        };
        g.outs[outs..].iter().map(home).collect()
    };
    let homes = splits.iter().map(&mut assign).collect();
    (slots, homes)
}

/// The branch with its residuals in their slots, and zeros in those that it does not use.
fn with_slots(primal: &Graph, outs: usize, homes: &[Residual], slots: &[Aval]) -> Graph {
    let fill = |x: &[Tensor]| {
        let mut y = inline(primal, x);
        let residuals = y.split_off(outs);
        let value: HashMap<Residual, Tensor> = homes.iter().copied().zip(residuals).collect();
        let slot = |(s, a): (usize, &Aval)| value.get(&Residual::Slot(s)).copied().unwrap_or_else(|| zeros_of(a));
        y.extend(slots.iter().enumerate().map(slot));
        y
    };
    trace_rule(&primal.in_avals(), fill).0
}

impl fmt::Debug for Cond {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "cond")?;
        self.branches.iter().try_for_each(|b| write!(f, " {b}"))
    }
}

impl HigherOrder for Cond {
    fn name(&self) -> &'static str {
        "cond"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if !x[0].is_like(&Aval::new(DType::I32, [])) {
            return Err(format!("the index is {}, not i32[]", x[0]).into());
        }
        let (ins, outs) = (self.branches[0].in_avals(), self.branches[0].out_avals());
        if x[1..] != ins || self.branches.iter().any(|b| b.in_avals() != ins || b.out_avals() != outs) {
            return Err(format!("the branches take {ins:?} and return {outs:?}").into());
        }
        Ok(outs)
    }
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
        let have = self.branches[0].in_avals();
        // where devices choose differently, operands that they share are made to vary outside of the choice: the transpose of
        // that is a sum over devices, and all devices must come to it
        let ins: Vec<AxisSet> = have.iter().zip(&x[1..]).map(|(a, own)| a.vma.union(*own).union(x[0])).collect();
        let run = |outs: &[AxisSet]| self.branches.iter().map(|b| b.raised(&ins, outs)).collect::<Vec<InnerGraph>>();
        // a result that varies in one branch varies in all; if devices choose differently, all results vary
        let first = run(&vec![x[0]; self.outs()]);
        let outs: Vec<AxisSet> =
            (0..self.outs()).map(|i| first.iter().map(|b| b.aval(b.outs[i]).vma).collect()).collect();
        let branches = run(&outs);
        (Rc::new(Cond { branches }), [&x[..1], &ins].concat())
    }
    fn diverges(&self, x: &[AxisSet]) -> AxisSet {
        x[0]
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        self.branches[x[0].to_ints()[0] as usize].eval(&x[1..])
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let active: Vec<bool> = dx[1..].iter().map(Option::is_some).collect();
        let (joint, active_out) = self.differentiate(&active, |g, force| g.jvp_of(&active, force));
        let tangents: Vec<Tensor> = dx.iter().flatten().copied().collect();
        let mut y = bind(Cond { branches: joint }, &[x, &tangents].concat());
        let dy = y.split_off(self.outs());
        (y, spread_out(&dy, &active_out))
    }
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        self.linearized(x[0], &x[1..], &dx[1..])
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        [vec![None], self.transposed(ct, x[0].known(), &x[1..])].concat()
    }
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let (index, x, m) = (x[0], &x[1..], &mapped[1..]);
        if !mapped[0] {
            // a result that has the axis in one branch has it in all
            let run = |force: &[bool]| self.branches.iter().map(|b| b.batched(axis, m, force)).unzip();
            let (_, outs): (Vec<InnerGraph>, Vec<Vec<bool>>) = run(&vec![false; self.outs()]);
            let any: Vec<bool> = (0..self.outs()).map(|i| outs.iter().any(|o| o[i])).collect();
            let (branches, _): (Vec<InnerGraph>, Vec<Vec<bool>>) = run(&any);
            return bind_at(Cond { branches }, index, x).into_iter().zip(any).collect();
        }
        // instances choose differently: run all branches and select, unless one has effects
        if let Some(y) = apart_for_effects(self, axis, &[&[index], x].concat(), mapped) {
            return y;
        }
        let mut branches = self.branches.iter().map(|b| batch_all(b, axis, x, m)).enumerate();
        let (_, first) = branches.next().expect("at least one");
        let y = branches.fold(first, |y, (i, z)| {
            let here = compare(Direction::Eq, index, index.like(i));
            let one = |(y, z): (Tensor, Tensor)| select(broadcast_in_dim(here, z.dims(), vec![0]), z, y);
            y.into_iter().zip(z).map(one).collect()
        });
        y.into_iter().map(|t| (t, true)).collect()
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let effects = self.has_effect();
        let branch = |b: &InnerGraph| {
            cx.region(&[], |cx, _| {
                let y = cx.graph(b, &x[1..]).into_iter().map(|y| cx.unannotated(y)).collect();
                [cx.last_effect_if(effects), y].concat()
            })
        };
        let regions = self.branches.iter().map(branch).collect();
        let effect = cx.last_effect_if(effects);
        let avals: Vec<Aval> = effect.iter().map(|v| v.aval.clone()).chain(y.iter().cloned()).collect();
        let mut out = cx.op_with("case", &x[..1], "", regions, &avals);
        let y = out.split_off(effect.len());
        out.into_iter().for_each(|v| cx.set_last_effect(v));
        y
    }
    /// The work of the most expensive branch.
    fn cost(&self) -> Cost {
        let costs = self.branches.iter().map(|b| b.cost());
        let order = |a: &Cost, b: &Cost| a.flops.total_cmp(&b.flops).then(a.bytes.total_cmp(&b.bytes));
        costs.max_by(order).unwrap_or_default()
    }
    fn graphs(&self) -> Vec<&InnerGraph> {
        self.branches.iter().collect()
    }
    fn repeats(&self) -> Option<Repeats> {
        Some(Repeats::OneOfThem)
    }
    fn with_graphs(&self, branches: Vec<InnerGraph>) -> Rc<dyn Primitive> {
        Rc::new(Cond { branches })
    }
    fn in_two_runs(&self, split: &dyn Fn(&Graph) -> Runs) -> Option<Halves> {
        // the first runs return what every branch saves, one after the other: each fills its own part, and zeros the others
        let runs: Vec<Runs> = self.branches.iter().map(|b| split(b)).collect();
        let more: Vec<Vec<Aval>> = runs.iter().map(|r| r.first.avals_of(&r.saved)).collect();
        if more.iter().all(Vec::is_empty) {
            return None;
        }
        let (mut first, mut again) = (vec![], vec![]);
        for (i, Runs { first: mut f, saved, again: mut a }) in runs.into_iter().enumerate() {
            f.outs.extend(&saved);
            let fill = |x: &[Tensor]| {
                let mut y = inline(&f, x);
                let own = y.split_off(self.outs());
                let others = |j: usize| more[j].iter().map(zeros_of).collect::<Vec<_>>();
                (0..more.len()).for_each(|j| y.extend(if j == i { own.clone() } else { others(j) }));
                y
            };
            first.push(InnerGraph::from(trace_rule(&f.in_avals(), fill).0));
            a.ins.truncate(a.ins.len() - saved.len());
            for (j, avals) in more.iter().enumerate() {
                let place = |a: &mut Graph| avals.iter().map(|aval| fresh_input(a, aval.clone())).collect();
                let ins: Vec<Var> = if j == i { saved.clone() } else { place(&mut a) };
                a.ins.extend(ins);
            }
            again.push(InnerGraph::from(a));
        }
        let kept = vec![false; self.outs()];
        let with = |branches: Vec<InnerGraph>| Rc::new(Cond { branches });
        Some(Halves { first: with(first), more: more.concat(), kept, again: with(again) })
    }
    fn prune(&self, used: &[bool]) -> Option<Less> {
        let pruned: Vec<_> = self.branches.iter().map(|b| b.dce(used)).collect();
        let ins: Vec<bool> = (0..self.branches[0].ins.len()).map(|i| pruned.iter().any(|p| p.used[i])).collect();
        if !ins.contains(&false) && pruned.iter().zip(&self.branches).all(|(p, b)| p.graph.is(b)) {
            return None;
        }
        let branches = pruned.iter().map(|p| p.graph.with_inputs(&ins, &p.used)).collect();
        Some(Less { prim: Rc::new(Cond { branches }), ins: [vec![true], ins].concat(), outs: used.to_vec() })
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row {
    name: "cond",
    dtypes: |d| matches!(d, DType::F32 | DType::F64),
    cases: |d| {
        let bool = |b: bool| Host::ints(DType::Bool, [], vec![b as i128]);
        let branching = |x: &[Tensor]| {
            let y = x[2];
            let (a, b, c) =
                cond(x[0], |x: Tensor| (x.sin() * y, y, x), |x: Tensor| (x * x, x.exp(), y.like(1.0)), x[1]);
            vec![a, b, c]
        };
        let x = |b: bool| vec![bool(b), sample(d, &[3], 1), sample(d, &[3], 2)];
        let switching = |x: &[Tensor]| {
            let w = x[1];
            let branches: [&dyn Fn(Tensor) -> Tensor; 3] = [&|x| x * w, &|x| x.tanh().exp(), &|x| x];
            vec![switch(x[0], &branches, x[2])]
        };
        let number = |i: i128| vec![Host::ints(DType::I32, [], vec![i]), sample(d, &[2], 3), sample(d, &[2], 4)];
        let numbers = [-1, 0, 1, 2, 7].map(|i| Case::new(format!("branch {i}"), number(i), switching));
        let several = Case::new("several conditions", vec![sample(d, &[4], 5), sample(d, &[4, 3], 6)], |x| {
            let f = |(c, x): (Tensor, Tensor)| cond(c.gt(0.0), |x: Tensor| x * c, |x: Tensor| x.sin(), x);
            vec![crate::vmap(f)((x[0], x[1])), cond(x[0].sum(0).gt(0.0), |x: Tensor| x * 2.0, |x: Tensor| x, x[1])]
        });
        let mut cases = vec![Case::new("yes", x(true), branching), Case::new("no", x(false), branching), several];
        cases.extend(numbers);
        cases
    },
}];
