//! Programs as data: they print as short listings, and shrink to what a failure needs.
use crate::{
    calls::{Call, Kind},
    ops::Op,
};
use proptest::{
    strategy::{NewTree, Strategy, ValueTree},
    test_runner::TestRunner,
};
use raxla::{Aval, Tensor};
use std::fmt;

/// A value of a program: its inputs, then the results of its steps, counted in this order.
pub type Value = usize;

/// Straight-line code. Loops and transformations are steps that hold programs.
#[derive(Clone)]
pub struct Program {
    pub inputs: Vec<Aval>,
    pub steps: Vec<Step>,
    pub outs: Vec<Value>,
}

#[derive(Clone)]
pub struct Step {
    pub op: Op,
    pub args: Vec<Value>,
    /// Types of the results.
    pub types: Vec<Aval>,
}

/// What steps that hold programs are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Style {
    /// Of raxla's loops and transformations.
    Raxla,
    /// Of what these mean: loops in Rust, calls in place, sums and slices.
    Plain,
}

/// Record the operations of a program.
pub fn build(p: &Program, x: &[Tensor], style: Style) -> Vec<Tensor> {
    let mut values = x.to_vec();
    for s in &p.steps {
        let args: Vec<Tensor> = s.args.iter().map(|a| values[*a]).collect();
        values.extend(s.op.apply(&args, style));
    }
    p.outs.iter().map(|o| values[*o]).collect()
}

impl Program {
    /// The types of all values.
    pub fn types(&self) -> Vec<Aval> {
        self.inputs.iter().chain(self.steps.iter().flat_map(|s| &s.types)).cloned().collect()
    }
    pub fn out_types(&self) -> Vec<Aval> {
        let types = self.types();
        self.outs.iter().map(|o| types[*o].clone()).collect()
    }

    /// Without the steps that no result needs.
    fn live(&self) -> Program {
        let mut live = vec![false; self.types().len()];
        self.outs.iter().for_each(|o| live[*o] = true);
        let mut first = live.len();
        let mut kept = vec![];
        for s in self.steps.iter().rev() {
            first -= s.types.len();
            if live[first..first + s.types.len()].contains(&true) {
                s.args.iter().for_each(|a| live[*a] = true);
                kept.push((first, s.clone()));
            }
        }
        let mut names: Vec<Value> = (0..live.len()).collect();
        let mut next = self.inputs.len();
        let mut steps = vec![];
        for (first, mut s) in kept.into_iter().rev() {
            s.args.iter_mut().for_each(|a| *a = names[*a]);
            (0..s.types.len()).for_each(|i| names[first + i] = next + i);
            next += s.types.len();
            steps.push(s);
        }
        Program { inputs: self.inputs.clone(), steps, outs: self.outs.iter().map(|o| names[*o]).collect() }
    }

    /// With step `i` replaced, whose results become those of `steps` instead.
    fn replaced(&self, i: usize, steps: Vec<Step>, results: Vec<Value>) -> Program {
        let first = self.inputs.len() + self.steps[..i].iter().map(|s| s.types.len()).sum::<usize>();
        let (old, new) = (self.steps[i].types.len(), steps.iter().map(|s| s.types.len()).sum::<usize>());
        let name = |v: Value| match v.checked_sub(first) {
            None => v,
            Some(k) if k < old => results[k],
            Some(_) => v - old + new,
        };
        let renamed = |s: &Step| Step { args: s.args.iter().map(|a| name(*a)).collect(), ..s.clone() };
        let after = self.steps[i + 1..].iter().map(renamed);
        let steps = self.steps[..i].iter().cloned().chain(steps).chain(after).collect();
        Program { inputs: self.inputs.clone(), steps, outs: self.outs.iter().map(|o| name(*o)).collect() }.live()
    }

    /// Simpler programs with the same inputs, the simplest first; with `fixed`, with results of the same types.
    fn simpler(&self, fixed: bool) -> Vec<Program> {
        let mut all = vec![];
        if !fixed && self.outs.len() > 1 {
            all.extend((0..self.outs.len()).map(|i| Program { outs: vec![self.outs[i]], ..self.clone() }.live()));
        }
        let live = self.live();
        if live.steps.len() < self.steps.len() {
            all.push(live);
        }
        let types = self.types();
        for (i, s) in self.steps.iter().enumerate().rev() {
            let first = self.inputs.len() + self.steps[..i].iter().map(|s| s.types.len()).sum::<usize>();
            // an operand, or another earlier value, in place of each result
            let earlier = |t: &Aval| s.args.iter().copied().chain(0..first).find(|v| types[*v] == *t);
            if let Some(results) = s.types.iter().map(earlier).collect::<Option<Vec<Value>>>() {
                all.push(self.replaced(i, vec![], results));
            }
            if !matches!(s.op, Op::Constant(_)) {
                let constant = |t: &Aval| Step { op: Op::Constant(t.clone()), args: vec![], types: vec![t.clone()] };
                let results = (first..first + s.types.len()).collect();
                all.push(self.replaced(i, s.types.iter().map(constant).collect(), results));
            }
            let Op::Call(call) = &s.op else { continue };
            let with = |call: Call| {
                let mut p = self.clone();
                p.steps[i].op = Op::Call(Box::new(call));
                p
            };
            for (j, without) in (0..call.captured).filter_map(|j| call.without_captured(j).map(|c| (j, c))) {
                let mut p = with(without);
                p.steps[i].args.remove(j);
                all.push(p);
            }
            let inline = matches!(call.kind, Kind::Remat(_) | Kind::CustomJvp | Kind::CustomVjp);
            if inline {
                all.push(with(Call { kind: Kind::Inline, ..(**call).clone() }));
            }
            for (b, body) in call.bodies.iter().enumerate() {
                for smaller in body.simpler(true) {
                    let mut call = (**call).clone();
                    call.bodies[b] = smaller;
                    all.push(with(call));
                }
            }
        }
        all
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let list = |v: &[Value]| v.iter().map(|v| format!("%{v}")).collect::<Vec<_>>().join(", ");
        let inputs = self.inputs.iter().enumerate().map(|(i, a)| format!("%{i}: {a}")).collect::<Vec<_>>();
        write!(f, "({}) {{", inputs.join(", "))?;
        let mut next = self.inputs.len();
        for s in &self.steps {
            let names: Vec<String> = s.types.iter().enumerate().map(|(i, a)| format!("%{}: {a}", next + i)).collect();
            next += s.types.len();
            write!(f, "\n  {} = {}", names.join(", "), s.op.to_string().replace('\n', "\n  "))?;
            if !s.args.is_empty() {
                write!(f, " of {}", list(&s.args))?;
            }
        }
        write!(f, "\n  return {}\n}}", list(&self.outs))
    }
}

/// A program, and what the rest of a test case is drawn from: values of the inputs, axes, policies.
#[derive(Clone)]
pub struct Case {
    pub program: Program,
    pub seed: u64,
}
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "seed {:#x}, program {}", self.seed, self.program)
    }
}

/// Programs made from a random number.
#[derive(Debug)]
pub struct Programs(pub fn(u64) -> Program);
impl Strategy for Programs {
    type Tree = Shrinking;
    type Value = Case;
    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Programs> {
        let seed = proptest::num::u64::ANY.new_tree(runner)?.current();
        let case = Case { program: self.0(seed), seed };
        Ok(Shrinking { failing: case.clone(), tried: case, simpler: vec![].into_iter() })
    }
}

/// The search for a smaller program that fails.
pub struct Shrinking {
    /// The smallest so far.
    failing: Case,
    tried: Case,
    simpler: std::vec::IntoIter<Program>,
}
impl ValueTree for Shrinking {
    type Value = Case;
    fn current(&self) -> Case {
        self.tried.clone()
    }
    /// What was tried fails: go on from there.
    fn simplify(&mut self) -> bool {
        self.failing = self.tried.clone();
        self.simpler = self.failing.program.simpler(false).into_iter();
        self.complicate()
    }
    /// What was tried does not fail: try the next.
    fn complicate(&mut self) -> bool {
        let next = self.simpler.next();
        let found = next.is_some();
        self.tried = next.map_or_else(|| self.failing.clone(), |program| Case { program, seed: self.failing.seed });
        found
    }
}
