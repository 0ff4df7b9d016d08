//! Functions with a forward derivative of their own.
use super::*;

/// A function with a rule for its tangents. Operands: what the function and the rule capture (consts), then the arguments.
#[derive(Clone, PartialEq, Hash)]
pub struct CustomJvp {
    /// From consts and arguments to results.
    body: InnerGraph,
    /// From consts, arguments and tangents of the float arguments to results and tangents of the float results. `None` where no
    /// derivative is asked for: in the body of another function with a rule, or where rules that call their own function have
    /// been traced to the highest order (`ORDERS`).
    rule: Option<InnerGraph>,
    consts: usize,
}

/// `f` with a derivative of its own: `rule(x, dx)` returns `f(x)` and its tangent in direction `dx`, which must be linear
/// in `dx`. Reverse mode follows from it. JAX: `custom_jvp`.
///
/// Tangents of integer leaves are zeros. Tensors that `f` captures are constants, and differentiating by one is an
/// error: make it an argument. The rule may call the function itself, as `fn f(x: Tensor) -> Tensor { custom_jvp(..,
/// |x, dx| (f(x), ..))(x) }`; then there are derivatives up to order 4.
///
/// ```
/// use raxla::{custom_jvp, grad, prelude::*};
/// // log(1 + eˣ), whose derivative by the usual rules is NaN for large x
/// let softplus = custom_jvp(
///     |x: Tensor| (x.exp() + 1.0).log(),
///     |x: Tensor, dx: Tensor| ((x.exp() + 1.0).log(), dx * x.logistic()),
/// );
/// let f = jit(move |x: Tensor| grad(&softplus)(x));
/// assert_eq!(f.call((Array::from_slice([], &[1000f32])?,))?.to_vec::<f32>()?, [1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn custom_jvp<X: TensorTree, Y: TensorTree>(f: impl Fn(X) -> Y, rule: impl Fn(X, X) -> (Y, Y)) -> impl Fn(X) -> Y {
    let line = Location::caller();
    move |x: X| {
        let _at = At::op_at("custom_jvp", line);
        let avals = avals_of(&x);
        let (body, captured, y) = trace_body(|| trace_tree(&x, &avals, &f));
        let floats = differentiable(&avals);
        let n = avals.len();
        let (outs, paths) = (body.out_avals(), y.paths());
        let rule_avals = [avals.clone(), chosen(&avals, &floats)].concat();
        let in_rules = InRules::of(&rule, line);
        let traced = in_rules.as_ref().map(|_| {
            trace(&rule_avals, |t| {
                let dx = with_zeros(&t[n..], &avals);
                let (y, dy) = rule(x.refill(t[..n].iter().copied()), x.refill(dx));
                let _at = At::op_at("custom_jvp", line);
                require_types("custom_jvp", ("the rule's result", RULE), &paths, &avals_of(&y), &outs);
                let wanted = differentiable(&outs);
                let dy = chosen(&dy.leaves(), &wanted);
                let types: Vec<Aval> = dy.iter().map(|t| t.aval()).collect();
                require_types(
                    "custom_jvp",
                    ("the rule's tangent", RULE),
                    &chosen(&paths, &wanted),
                    &types,
                    &chosen(&outs, &wanted),
                );
                [y.leaves(), dy].concat()
            })
        });
        drop(in_rules);
        let (graphs, consts) = share_captured([(body, captured)].into_iter().chain(traced).collect());
        let mut graphs = graphs.into_iter().map(InnerGraph::from);
        let body = graphs.next().expect("given first");
        let call = CustomJvp { body, rule: graphs.next(), consts: consts.len() };
        y.refill(bind(call, &[consts, x.leaves()].concat()))
    }
}

/// What helps where the rule returns another type than it should.
const RULE: &str = "the rule returns the function's own result and its tangent, both of the same shape and dtype";

/// [`custom_jvp`] for operations that raxla composes: what `f` and `rule` do is attributed to the current operation.
#[track_caller]
pub(crate) fn composite_jvp<X: TensorTree, Y: TensorTree>(
    f: impl Fn(X) -> Y,
    rule: impl Fn(X, X) -> (Y, Y),
) -> impl Fn(X) -> Y {
    let (site, same, op) = (site(), site(), op_now());
    custom_jvp(move |x| with_site_of(&site, op, || f(x)), move |x, dx| with_site_of(&same, op, || rule(x, dx)))
}

impl CustomJvp {
    fn rule(&self) -> &InnerGraph {
        self.rule.as_ref().unwrap_or_else(|| no_rule("custom_jvp"))
    }
    /// Which inputs of the rule are tangents.
    fn is_tangent(&self) -> Vec<bool> {
        (0..self.rule().ins.len()).map(|i| i >= self.body.ins.len()).collect()
    }
    /// Do tangents enter an operation with inner graphs, which may also return values?
    fn is_entangled(&self) -> bool {
        let (touched, _) = depends(self.rule(), &self.is_tangent());
        let enters = |e: &Eqn| !e.prim.graphs().is_empty() && e.ins.iter().any(|v| touched[*v as usize]);
        self.rule().eqns.iter().any(enters)
    }
    /// Results and tangents, by splitting the rule as [`linearize`] splits any graph: the rule is linear in its tangents, hence
    /// its own derivative by them.
    fn disentangled(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let split = self.rule().linearize(&self.is_tangent(), &vec![false; self.rule().outs.len()]);
        let n = self.body.outs.len();
        let is_tangent = |i: usize| (n..self.rule().outs.len()).contains(&i);
        let keep: Vec<bool> = (0..split.primal.outs.len()).map(|i| !is_tangent(i)).collect();
        let Pruned { mut graph, used } = dce(&split.primal, &keep);
        if used[x.len()..].contains(&true) || split.active_out[..n].contains(&true) {
            not_linear("custom_jvp", x.iter().map(|t| t.aval()).collect())
        }
        graph.ins.truncate(x.len());
        let mut y = inline(&graph, x);
        let residuals = y.split_off(n);
        let dy = inline(&split.linear, &[tangents_of_floats(self.consts, x, dx), residuals].concat());
        let mut dy = spread_out(&dy, &split.active_out).split_off(n).into_iter();
        let floats = differentiable(&self.body.out_avals());
        (y, floats.into_iter().map(|float| if float { dy.next().flatten() } else { None }).collect())
    }
}

impl fmt::Debug for CustomJvp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "custom_jvp {}", self.body)
    }
}

impl HigherOrder for CustomJvp {
    fn name(&self) -> &'static str {
        "custom_jvp"
    }
    call_rules!(custom);
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
        all_varying(self, x)
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        require_constant("custom_jvp", &dx[..self.consts]);
        let mut y = inline(self.rule(), &[x, &tangents_of_floats(self.consts, x, dx)].concat());
        let dy = y.split_off(self.body.outs.len());
        (y, spread_out(&dy, &differentiable(&self.body.out_avals())))
    }
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        require_constant("custom_jvp", &dx[..self.consts]);
        // the tangents that the rule returns are linear in those it takes; but a loop or call inside it may compute values and
        // tangents together, which must be separated first
        if self.is_entangled() { self.disentangled(x, dx) } else { HigherOrder::jvp(self, x, dx) }
    }
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let tangents = (self.consts..x.len()).filter(|i| x[*i].dtype().is_inexact()).map(|i| mapped[i]);
        let m: Vec<bool> = mapped.iter().copied().chain(tangents).collect();
        let all = |g: &InnerGraph, m: &[bool]| g.batched(axis, m, &vec![true; g.outs.len()]).0;
        let rule = self.rule.as_ref().map(|rule| all(rule, &m));
        let y = bind(CustomJvp { body: all(&self.body, mapped), rule, consts: self.consts }, x);
        y.into_iter().map(|t| (t, true)).collect()
    }
    fn graphs(&self) -> Vec<&InnerGraph> {
        [&self.body].into_iter().chain(&self.rule).collect()
    }
    fn repeats(&self) -> Option<Repeats> {
        Some(Repeats::Once)
    }
    fn with_graphs(&self, graphs: Vec<InnerGraph>) -> Rc<dyn Primitive> {
        let mut graphs = graphs.into_iter();
        let body = graphs.next().expect("as many as there are");
        Rc::new(CustomJvp { body, rule: graphs.next(), consts: self.consts })
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row {
    name: "custom_jvp",
    dtypes: |d| matches!(d, DType::F32 | DType::F64),
    cases: |d| {
        vec![Case::new("product", vec![sample(d, &[3], 1), sample(d, &[3], 2)], |x| {
            // the derivative that the usual rules give, written differently
            let rule = |(x, n, y): (Tensor, Tensor, Tensor), (dx, _, dy): (Tensor, Tensor, Tensor)| {
                let s = x.sin();
                ((s * y, n + 1), (dx * x.cos() * y + s * dy, n))
            };
            let f = custom_jvp(|(x, n, y): (Tensor, Tensor, Tensor)| (x.sin() * y, n + 1), rule);
            let (z, n) = f((x[0], full([], DType::I32, 1), x[1]));
            vec![z, n]
        })]
    },
}];
