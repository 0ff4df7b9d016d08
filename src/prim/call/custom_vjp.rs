//! Functions with a reverse derivative of their own.
use super::*;

/// A function with rules for reverse mode. Operands: what the function and the rules capture (consts), then the arguments.
#[derive(Clone, PartialEq, Hash)]
pub struct CustomVjp {
    /// From consts and arguments to results.
    body: InnerGraph,
    consts: usize,
    /// `None` where no derivative is asked for: in the body of another function with a rule, or where rules that call their own
    /// function have been traced to the highest order (`ORDERS`).
    rules: Option<Rules>,
}
#[derive(Clone, PartialEq, Hash)]
struct Rules {
    /// From consts and arguments to results and residuals.
    forward: InnerGraph,
    back: Back,
}
/// From consts, residuals and cotangents of the float results to cotangents of the float arguments.
#[derive(Clone, PartialEq, Hash)]
struct Back {
    graph: InnerGraph,
    consts: usize,
    residuals: usize,
}

/// `f` with a reverse derivative of its own: `forward(x)` returns `f(x)` and the residuals, a tree of tensors;
/// `backward(residuals, ct)` returns the cotangent of `x`, given that of the result. JAX: `custom_vjp`.
///
/// Cotangents that `backward` returns for integer leaves are ignored, and those it is given for them are zeros. Tensors
/// that `f` captures are constants, and differentiating by one is an error: make it an argument. Forward mode works if
/// `backward` is linear in `ct` by operations that raxla can transpose. `forward` may call the function itself; then
/// there are derivatives up to order 4.
///
/// ```
/// use raxla::{custom_vjp, grad, prelude::*};
/// // the identity, with a gradient clipped to [-1, 1]
/// let clip_gradient = custom_vjp(|x: Tensor| x, |x: Tensor| (x, ()), |(), ct: Tensor| ct.maximum(-1.0).minimum(1.0));
/// let f = jit(move |x: Tensor| grad(|x: Tensor| clip_gradient(x) * 5.0)(x));
/// assert_eq!(f.call((Array::from_slice([], &[3f32])?,))?.to_vec::<f32>()?, [1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn custom_vjp<X: TensorTree, Y: TensorTree, R: TensorTree>(
    f: impl Fn(X) -> Y,
    forward: impl Fn(X) -> (Y, R),
    backward: impl Fn(R, Y) -> X,
) -> impl Fn(X) -> Y {
    let line = Location::caller();
    move |x: X| {
        let _at = At::op_at("custom_vjp", line);
        let avals = avals_of(&x);
        let (body, captured, y) = trace_body(|| trace_tree(&x, &avals, &f));
        let outs = body.out_avals();
        let in_rules = InRules::of(&backward, line);
        let rules = in_rules.as_ref().map(|_| {
            let (fwd, fwd_captured, (y2, kept)) = trace_tree(&x, &avals, &forward);
            let fwd_outs = fwd.out_avals();
            let n = y2.leaves().len();
            require_types("custom_vjp", ("the forward rule's result", FORWARD), &y.paths(), &fwd_outs[..n], &outs);
            let residuals = &fwd_outs[n..];
            let back = trace_backward(&backward, (&x, &y, &kept), (&avals, &outs, residuals), line);
            let alike = [&outs.iter().map(|a| a.vma).collect::<Vec<_>>()[..], &vec![AxisSet::NONE; residuals.len()]];
            let fwd = raised(&fwd, &vec![AxisSet::NONE; fwd.ins.len()], &alike.concat()).unwrap_or(fwd);
            ((fwd, fwd_captured), back, residuals.len())
        });
        drop(in_rules);
        let residuals = rules.as_ref().map_or(0, |r| r.2);
        let rules = rules.into_iter().flat_map(|(forward, back, _)| [forward, back]);
        let (graphs, captured) = share_captured([(body, captured)].into_iter().chain(rules).collect());
        let (mut graphs, consts) = (graphs.into_iter().map(InnerGraph::from), captured.len());
        let body = graphs.next().expect("given first");
        let rules = graphs.next().zip(graphs.next());
        let rules = rules.map(|(forward, graph)| Rules { forward, back: Back { graph, consts, residuals } });
        y.refill(bind(CustomVjp { body, consts, rules }, &[captured, x.leaves()].concat()))
    }
}

/// What helps where a rule returns another type than it should.
const FORWARD: &str = "the forward rule returns the function's own result, and what the backward rule needs";
const BACKWARD: &str = "the backward rule returns a cotangent for each leaf of the argument, in its shape and dtype: sum over axes that \
    were broadcast; `x.like(0)` where nothing depends on it";

/// The backward rule as a graph, for an argument, result and residuals of these structures and types.
fn trace_backward<X: TensorTree, Y: TensorTree, R: TensorTree>(
    backward: impl Fn(R, Y) -> X,
    (x, y, kept): (&X, &Y, &R),
    (ins, outs, residuals): (&[Aval], &[Aval], &[Aval]),
    line: &'static Location<'static>,
) -> (Graph, Vec<Tensor>) {
    trace(&[residuals, &chosen(outs, &differentiable(outs))].concat(), |t| {
        let (residuals, ct) = t.split_at(residuals.len());
        let d = backward(kept.refill(residuals.iter().copied()), y.refill(with_zeros(ct, outs))).leaves();
        let _at = At::op_at("custom_vjp", line);
        if d.len() != ins.len() {
            let reason = format!("the backward rule returns {} leaves, not {}", d.len(), ins.len());
            fail("custom_vjp", vec![], reason, Some(BACKWARD.into()))
        }
        let wanted = differentiable(ins);
        let d = chosen(&d, &wanted);
        let types: Vec<Aval> = d.iter().map(|t| t.aval()).collect();
        let paths = chosen(&x.paths(), &wanted);
        let wanted = chosen(ins, &wanted);
        require_types("custom_vjp", ("the backward rule's result", BACKWARD), &paths, &types, &wanted);
        // the cotangent of a value that devices share is the sum over them
        let fitted = |(d, a): (&Tensor, &Aval)| vary(psum_over(*d, d.aval().vma.without(a.vma)), a.vma);
        d.iter().zip(&wanted).map(fitted).collect()
    })
}

impl CustomVjp {
    fn rules(&self) -> &Rules {
        self.rules.as_ref().unwrap_or_else(|| no_rule("custom_vjp"))
    }
    /// Results and residuals.
    fn run_forward(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> (Vec<Tensor>, Vec<Tensor>) {
        require_constant("custom_vjp", &dx[..self.consts]);
        let mut y = inline(&self.rules().forward, x);
        let residuals = y.split_off(self.body.outs.len());
        (y, residuals)
    }
}

impl Back {
    fn known(&self) -> usize {
        self.consts + self.residuals
    }
    /// Tangents of the float results: the rule, which is linear in the cotangents, transposed.
    fn transposed(&self, known: &[Tensor], dx: &[Tensor]) -> Vec<Tensor> {
        let n = self.known();
        let ct_avals = &self.graph.in_avals()[n..];
        let value: Vec<Option<Tensor>> = known.iter().copied().map(Some).chain(vec![None; ct_avals.len()]).collect();
        let d = backward(&self.graph, &value, &dx.iter().copied().map(Some).collect::<Vec<_>>());
        d[n..].iter().zip(ct_avals).map(|(d, a)| d.unwrap_or_else(|| zeros_of(a))).collect()
    }
}

impl fmt::Debug for CustomVjp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "custom_vjp {}", self.body)
    }
}

impl HigherOrder for CustomVjp {
    fn name(&self) -> &'static str {
        "custom_vjp"
    }
    call_rules!(custom);
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
        as_traced(self, &self.body.in_avals(), x).unwrap_or_else(|| all_varying(self, x))
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let (y, residuals) = self.run_forward(x, dx);
        let known = [&x[..self.consts], &residuals].concat();
        let dy = self.rules().back.transposed(&known, &tangents_of_floats(self.consts, x, dx));
        (y, spread_out(&dy, &differentiable(&self.body.out_avals())))
    }
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let (y, residuals) = self.run_forward(x, dx);
        let args = [x[..self.consts].to_vec(), residuals, tangents_of_floats(self.consts, x, dx)].concat();
        let dy = bind(Tangent { back: self.rules().back.clone() }, &args);
        (y, spread_out(&dy, &differentiable(&self.body.out_avals())))
    }
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let all = |g: &InnerGraph, m: &[bool]| g.batched(axis, m, &vec![true; g.outs.len()]).0;
        let k = self.consts;
        // the cotangent of an argument that all instances share is the sum over the instances
        let shared: Vec<bool> = (k..x.len()).filter(|i| x[*i].dtype().is_inexact()).map(|i| !mapped[i]).collect();
        let rules = self.rules.as_ref().map(|Rules { forward, back }| {
            let mut m = mapped[..k].to_vec();
            m.resize(back.graph.ins.len(), true);
            let over_batch = all(&back.graph, &m);
            let (graph, _) = trace_rule(&over_batch.in_avals(), |t| {
                let d = inline(&over_batch, t).into_iter().zip(&shared);
                d.map(|(d, shared)| if *shared { reduce_sum(d, [0]) } else { d }).collect()
            });
            Rules { forward: all(forward, mapped), back: Back { graph: graph.into(), ..*back } }
        });
        let y = bind(CustomVjp { body: all(&self.body, mapped), consts: k, rules }, x);
        y.into_iter().map(|t| (t, true)).collect()
    }
    fn graphs(&self) -> Vec<&InnerGraph> {
        let rules = self.rules.iter().flat_map(|r| [&r.forward, &r.back.graph]);
        [&self.body].into_iter().chain(rules).collect()
    }
    fn repeats(&self) -> Option<Repeats> {
        Some(Repeats::Once)
    }
    fn with_graphs(&self, graphs: Vec<InnerGraph>) -> Rc<dyn Primitive> {
        let mut graphs = graphs.into_iter();
        let mut next = || graphs.next().expect("as many as there are");
        let body = next();
        let rules = self.rules.as_ref();
        let rules = rules.map(|r| Rules { forward: next(), back: Back { graph: next(), ..r.back } });
        Rc::new(CustomVjp { body, consts: self.consts, rules })
    }
}

/// The tangent of a [`CustomVjp`]: the linear operation whose transpose is the backward rule. Operands: consts, residuals,
/// tangents of the float arguments.
#[derive(Clone, PartialEq, Hash)]
struct Tangent {
    back: Back,
}
impl fmt::Debug for Tangent {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "custom_vjp_tangent {}", self.back.graph)
    }
}
impl Tangent {
    /// The same operation as a graph: the backward rule transposed. Abandons tracing if the rule cannot be.
    fn graph(&self, x: &[Aval]) -> Graph {
        let n = self.back.known();
        trace_rule(x, |t| self.back.transposed(&t[..n], &t[n..])).0
    }
}
impl HigherOrder for Tangent {
    fn name(&self) -> &'static str {
        "custom_vjp_tangent"
    }
    fn infer(&self, _: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        Ok(self.back.graph.in_avals().split_off(self.back.known()))
    }
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
        let known = self.back.graph.in_avals();
        let ins: Vec<Aval> = known[..self.back.known()].iter().cloned().chain(self.back.graph.out_avals()).collect();
        as_traced(self, &ins, x).unwrap_or_else(|| all_varying(self, x))
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        self.graph(&x.iter().map(|h| h.aval().clone()).collect::<Vec<_>>()).eval(x)
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let avals: Vec<Aval> = x.iter().map(|t| t.aval()).collect();
        jvp_graph(&self.graph(&avals), x, dx)
    }
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        HigherOrder::jvp(self, x, dx)
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let n = self.back.known();
        let known: Vec<Tensor> = x[..n].iter().map(Operand::known).collect();
        let avals = &self.back.graph.in_avals()[n..];
        let ct: Vec<Tensor> = ct.iter().zip(avals).map(|(ct, a)| ct.unwrap_or_else(|| zeros_of(a))).collect();
        let d = inline(&self.back.graph, &[known, ct].concat());
        vec![None; n].into_iter().chain(d.into_iter().map(Some)).collect()
    }
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let instance = |(t, m): (&Tensor, &bool)| if *m { t.aval().unstacked() } else { t.aval() };
        let avals: Vec<Aval> = x.iter().zip(mapped).map(instance).collect();
        batch_graph(&self.graph(&avals), axis, x, mapped)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
        cx.graph(&self.graph(&x.iter().map(|v| v.aval.clone()).collect::<Vec<_>>()), x)
    }
    fn cost(&self) -> Cost {
        self.back.graph.cost()
    }
    fn graphs(&self) -> Vec<&InnerGraph> {
        vec![&self.back.graph]
    }
    fn with_graphs(&self, graphs: Vec<InnerGraph>) -> Rc<dyn Primitive> {
        let [graph] = graphs.try_into().expect("one graph");
        Rc::new(Tangent { back: Back { graph, ..self.back } })
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row {
    name: "custom_vjp",
    dtypes: |d| matches!(d, DType::F32 | DType::F64),
    cases: |d| {
        vec![Case::new("product", vec![sample(d, &[3], 1), sample(d, &[3], 2)], |x| {
            // the derivative that the usual rules give, written differently
            let f = |(x, n, y): (Tensor, Tensor, Tensor)| (x.sin() * y, n + 1);
            let forward = |(x, n, y): (Tensor, Tensor, Tensor)| ((x.sin() * y, n + 1), vec![x.cos() * y, x.sin()]);
            let backward = |kept: Vec<Tensor>, (ct, n): (Tensor, Tensor)| (ct * kept[0], n, kept[1] * ct);
            let (z, n) = custom_vjp(f, forward, backward)((x[0], full([], DType::I32, 1), x[1]));
            vec![z, n]
        })]
    },
}];
