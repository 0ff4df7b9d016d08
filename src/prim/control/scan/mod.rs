//! `scan`: a loop of known length.
//!
//! This file has what a loop is: the user's function, the parameters, the type, the meaning, and how a loop is batched and made
//! smaller. `derivatives.rs` makes loops of tangents and cotangents; `lowering.rs` writes a loop as StableHLO.
use super::*;
use crate::ops::shape::MOST_PARTS;

mod cases;
mod derivatives;
mod lowering;
pub(in crate::prim) use cases::ROWS;

/// A loop of known length. Operands: values the body shares (consts), the initial carry, the stacked xs. Results: the
/// final carry, the stacked ys.
#[derive(Clone, PartialEq, Hash)]
pub struct Scan {
    /// From consts, carry and one slice of each of xs to carry and one slice of each of ys.
    body: InnerGraph,
    consts: usize,
    carry: usize,
    length: usize,
    reverse: bool,
    unroll: usize,
}

/// Options of [`scan_with`].
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    /// Go from the last slice to the first; ys are stacked in the order of xs.
    pub reverse: bool,
    /// Number of steps; needed only when there are no xs, otherwise checked against them.
    pub length: Option<usize>,
    /// Steps per iteration of the compiled loop, at least 1: larger programs with less overhead per step. At `length` or
    /// above there is no loop at all.
    pub unroll: usize,
}
impl Default for ScanOptions {
    fn default() -> ScanOptions {
        ScanOptions { reverse: false, length: None, unroll: 1 }
    }
}

/// Loop over the leading axis of the leaves of `xs`, carrying a state: `f` takes the carry and one slice, and returns the
/// new carry (of the same type) and what to stack. JAX: `lax.scan`.
///
/// The body is compiled once, whatever the length. Tensors of the enclosing function may be used inside `f`. The loop can
/// be differentiated (both ways) and batched. Returns the final carry and the stacked outputs.
///
/// ```
/// use raxla::{Graph, prelude::*, scan, trace::trace_graph};
/// let zero = || full([], DType::F32, 0.0);
/// let running_sum = |xs: Tensor| scan(|total: Tensor, x: Tensor| (total + x, total + x), zero(), xs);
/// let g = trace_graph(&[Aval::new(DType::F32, [4])], |x| vec![running_sum(x[0]).1]).unwrap();
/// let x = Host::floats(DType::F32, [4], vec![1.0, 2.0, 3.0, 4.0]);
/// assert_eq!(g.eval(&[x])[0].to_f64(), [1.0, 3.0, 6.0, 10.0]);
/// ```
#[track_caller]
pub fn scan<C: TensorTree, X: TensorTree, Y: TensorTree>(f: impl FnOnce(C, X) -> (C, Y), init: C, xs: X) -> (C, Y) {
    scan_with(ScanOptions::default(), f, init, xs)
}

/// [`scan`] with options: in reverse, without xs (then `xs` is `()`), partly unrolled.
#[track_caller]
pub fn scan_with<C: TensorTree, X: TensorTree, Y: TensorTree>(
    options: ScanOptions,
    f: impl FnOnce(C, X) -> (C, Y),
    init: C,
    xs: X,
) -> (C, Y) {
    let _at = At::op("scan");
    let length = common_length(&xs, options.length);
    if options.unroll.min(length) > MOST_PARTS {
        let reason = format!("{} steps cannot be unrolled: a program has room for {MOST_PARTS}", options.unroll);
        fail("scan", vec![], reason, Some("take a smaller `unroll`".into()))
    }
    let (c, x) = (init.leaves(), xs.leaves());
    let x_avals = x.iter().map(|t| t.aval().unstacked());
    let avals: Vec<Aval> = c.iter().map(|t| t.aval()).chain(x_avals).collect();
    let args = (init, xs);
    let (mut body, consts, (c2, ys)) = trace_tree(&args, &avals, |(c, x)| f(c, x));
    check_carry("scan", &args.0, &avals, &c2, &body.out_avals());
    body.ins.rotate_right(consts.len());
    let scan = Scan {
        body: body.into(),
        consts: consts.len(),
        carry: c.len(),
        length,
        reverse: options.reverse,
        unroll: options.unroll.max(1),
    };
    let n = c.len();
    let mut carry = bind(scan, &[consts, c, x].concat());
    let stacked = carry.split_off(n);
    (c2.refill(carry), ys.refill(stacked))
}

/// The size of the leading axis that all leaves of `xs` share.
#[track_caller]
fn common_length(xs: &impl Tree<Tensor>, given: Option<usize>) -> usize {
    let named = |p: &Path| Some(p.to_string()).filter(|p| !p.is_empty()).map_or("xs".into(), |p| format!("xs.{p}"));
    let mut first: Option<(String, usize)> = given.map(|n| ("the option `length`".into(), n));
    xs.visit(|path, t| {
        let a = t.aval();
        let name = named(path);
        let Some(n) = a.dims.first().copied() else {
            let help = "make it part of the carry, or use it in the body as it is".to_string();
            fail("scan", vec![], format!("{name} is a scalar ({a}): it has no leading axis to loop over"), Some(help))
        };
        match &first {
            Some((other, m)) if *m != n => {
                let help = "all of `xs` have one entry per step: slice the longer one, or put what is the same for all steps into the \
                            carry or the closure";
                let reason = format!("the lengths differ: {other} has {m}, {name} has {n} ({a})");
                fail("scan", vec![], reason, Some(help.into()))
            }
            Some(_) => {}
            None => first = Some((name, n)),
        }
    });
    first.map(|f| f.1).unwrap_or_else(|| {
        let help = "give it: `scan_with(ScanOptions { length: Some(n), ..Default::default() }, ..)`".to_string();
        fail("scan", vec![], "without xs the number of steps is unknown", Some(help))
    })
}

impl Scan {
    /// Where carry and xs begin among the operands.
    fn bounds(&self) -> (usize, usize) {
        (self.consts, self.consts + self.carry)
    }
    /// The type of a stack of slices.
    fn stacked(&self, slice: &Aval) -> Aval {
        slice.stacked(self.length)
    }
    /// `start`, which tells of each operand whether it is chosen, with every carry that comes to depend on a chosen one.
    fn reaching(&self, mut start: Vec<bool>) -> Vec<bool> {
        loop {
            let (_, outs) = depends(&self.body, &start);
            let more: Vec<usize> = (0..self.carry).filter(|i| outs[*i] && !start[self.consts + i]).collect();
            if more.is_empty() {
                return start;
            }
            more.iter().for_each(|i| start[self.consts + i] = true);
        }
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (c, k, n) = (self.carry, self.consts, self.length);
        write!(f, "scan[length={n} consts={k} carry={c}")?;
        if self.reverse {
            write!(f, " reverse")?;
        }
        if self.unroll > 1 {
            write!(f, " unroll={}", self.unroll)?;
        }
        write!(f, "] {}", self.body)
    }
}

impl HigherOrder for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let (outs, (_, c)) = (self.body.out_avals(), self.bounds());
        let slices = self.body.in_avals();
        let want = slices.iter().enumerate().map(|(i, a)| if i < c { a.clone() } else { self.stacked(a) });
        if !want.eq(x.iter().cloned()) {
            return Err(format!("the body takes {slices:?} per step").into());
        }
        if outs[..self.carry] != slices[self.consts..c] {
            return Err(format!(
                "the carry enters as {:?} but leaves as {:?}",
                &slices[self.consts..c],
                &outs[..self.carry]
            )
            .into());
        }
        Ok(outs.iter().enumerate().map(|(i, a)| if i < self.carry { a.clone() } else { self.stacked(a) }).collect())
    }
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
        let (body, ins) = raised_carry(&self.body, x, self.consts, self.carry, |_| AxisSet::NONE);
        (Rc::new(Scan { body, ..self.clone() }), ins)
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let (k, c) = self.bounds();
        let mut carry = x[k..c].to_vec();
        let outs = self.body.out_avals();
        let mut ys: Vec<Vec<Host>> = vec![vec![]; outs.len() - self.carry];
        for step in 0..self.length {
            let at = if self.reverse { self.length - 1 - step } else { step };
            let slices = x[c..].iter().map(|h| h.at(at));
            let args: Vec<Host> = x[..k].iter().cloned().chain(carry).chain(slices).collect();
            carry = self.body.eval(&args);
            let new = carry.split_off(self.carry);
            ys.iter_mut().zip(new).for_each(|(ys, y)| ys.push(y));
        }
        if self.reverse {
            ys.iter_mut().for_each(|ys| ys.reverse());
        }
        carry.extend(ys.iter().zip(&outs[self.carry..]).map(|(ys, a)| Host::stack(a, ys)));
        carry
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        self.joint_loop(x, dx)
    }
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        self.linearized(x, dx)
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        self.transposed(ct, x)
    }
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        // axis 0 of stacked operands is the step, so their batch axis is axis 1; a carry has one only if it comes to depend on
        // an operand that has
        let (k, c) = self.bounds();
        let (body, m, mapped_out) = batch_carry(&self.body, axis, mapped.to_vec(), k, self.carry);
        let arg = |(i, t): (usize, &Tensor)| match (i, mapped[i]) {
            (i, true) if i >= c => moved_axis(*t, 0, 1),
            (i, false) if i >= k && i < c && m[i] => broadcast_leading(*t, axis.size),
            _ => *t,
        };
        let args: Vec<Tensor> = x.iter().enumerate().map(arg).collect();
        let y = bind(Scan { body, ..self.clone() }, &args);
        let result = |(i, t): (usize, Tensor)| match mapped_out[i] {
            true if i >= self.carry => (moved_axis(t, 1, 0), true),
            m => (t, m),
        };
        y.into_iter().enumerate().map(result).collect()
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        self.lowered(cx, x, y)
    }
    fn cost(&self) -> Cost {
        self.body.cost().times(self.length)
    }
    fn graphs(&self) -> Vec<&InnerGraph> {
        vec![&self.body]
    }
    fn repeats(&self) -> Option<Repeats> {
        Some(Repeats::EachStep { length: self.length, reverse: self.reverse })
    }
    fn with_graphs(&self, graphs: Vec<InnerGraph>) -> Rc<dyn Primitive> {
        let [body] = graphs.try_into().expect("one graph");
        Rc::new(Scan { body, ..self.clone() })
    }
    fn in_two_runs(&self, split: &dyn Fn(&Graph) -> Runs) -> Option<Halves> {
        // what is saved in each step is stacked, as a further result; the value of a carry in a step is no result of the loop,
        // so that only ys can serve as saved values
        let runs = split(&self.body);
        let (kept, more) = runs.kept(&(0..self.body.outs.len()).map(|i| i >= self.carry).collect::<Vec<_>>())?;
        let stacked = more.iter().map(|v| self.stacked(runs.first.aval(*v))).collect();
        let (first, again) = runs.programs(&kept, &more);
        let with = |body: Graph| Rc::new(Scan { body: body.into(), ..self.clone() });
        Some(Halves { first: with(first), more: stacked, kept, again: with(again) })
    }
    fn prune(&self, used: &[bool]) -> Option<Less> {
        // a carry stays if its final value is used, or if something that stays reads it
        let (k, c) = self.bounds();
        let mut outs = used.to_vec();
        let body = loop {
            let p = self.body.dce(&outs);
            let more: Vec<usize> = (0..self.carry).filter(|i| p.used[k + i] && !outs[*i]).collect();
            if more.is_empty() {
                break p;
            }
            more.iter().for_each(|i| outs[*i] = true);
        };
        let used = &body.used;
        let ins: Vec<bool> = (0..used.len()).map(|i| if (k..c).contains(&i) { outs[i - k] } else { used[i] }).collect();
        if !ins.contains(&false) && body.graph.is(&self.body) {
            return None;
        }
        let count = |range: std::ops::Range<usize>| ins[range].iter().filter(|b| **b).count();
        let body = body.graph.with_inputs(&ins, used);
        let less = Scan { body, consts: count(0..k), carry: count(k..c), ..self.clone() };
        Some(Less { prim: Rc::new(less), ins, outs })
    }
}
