//! Linear systems whose solution has the derivative that its definition says, however it is found.
use super::*;
use crate::{trace::bind_rc, transform::vjp};

/// The solution of a linear system. Operands: what the functions capture (consts), then the right-hand side. All graphs take the consts
/// and a value of its types, and return one.
#[derive(Clone, PartialEq, Hash)]
pub struct LinearSolve {
    /// x ↦ A x.
    matvec: InnerGraph,
    /// x ↦ Aᵀ x.
    vecmat: InnerGraph,
    /// b ↦ A⁻¹ b.
    solve: InnerGraph,
    /// b ↦ A⁻ᵀ b.
    transpose_solve: InnerGraph,
    consts: usize,
}

/// The solution x of A x = `b`, where `matvec(x)` is A x, a linear function of a tree of tensors. `solve(matvec, b)` finds it, in any way: by
/// a [`while_loop`] too. `transpose_solve(vecmat, b)` does so for the transposed A; where A is symmetric it is `solve` again.
/// JAX: `lax.custom_linear_solve`.
///
/// Derivatives, in both modes and of every order, are those of the solution, and are found by further solutions: by `b`, and by what
/// `matvec` captures. Nothing is differentiated through `solve`.
///
/// ```
/// use raxla::{custom_linear_solve, grad, prelude::*, while_loop};
/// // Jacobi's iteration, for a matrix with a large diagonal
/// fn solve(a: Tensor, b: Tensor) -> Tensor {
///     let by_steps = |matvec: &dyn Fn(Tensor) -> Tensor, b: Tensor| {
///         let left = |x: Tensor| b - matvec(x);
///         while_loop(|x: Tensor| left(x).abs().max(0).gt(1e-6), |x| x + left(x) / 4.0, b.like(0.0))
///     };
///     custom_linear_solve(|x: Tensor| a.matmul(x), b, by_steps, by_steps)
/// }
/// let f = jit(|a: Tensor, b: Tensor| grad(|b: Tensor| solve(a, b).sum(0))(b));
/// let a = Array::from_slice([2, 2], &[4f32, 1., 0., 4.])?;
/// let g = f.call((a, Array::from_slice([2], &[1f32, 2.])?))?.to_vec::<f32>()?; // A⁻ᵀ (1, 1)
/// assert!((g[0] - 0.25).abs() < 1e-5 && (g[1] - 0.1875).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Functions that return another type than that of `b`; a `matvec` that is not linear, when it is transposed.
#[track_caller]
pub fn custom_linear_solve<X: TensorTree>(
    matvec: impl Fn(X) -> X,
    b: X,
    solve: impl Fn(&dyn Fn(X) -> X, X) -> X,
    transpose_solve: impl Fn(&dyn Fn(X) -> X, X) -> X,
) -> X {
    let _at = At::op("custom_linear_solve");
    let avals = avals_of(&b);
    let vecmat = |y: X| {
        let zero = y.refill(avals.iter().map(zeros_of));
        vjp(&matvec, zero).1(y)
    };
    let traced = [
        ("`matvec`", trace_tree(&b, &avals, &matvec)),
        ("the transposed `matvec`", trace_tree(&b, &avals, vecmat)),
        ("`solve`", trace_tree(&b, &avals, |b| solve(&matvec, b))),
        ("`transpose_solve`", trace_tree(&b, &avals, |b| transpose_solve(&vecmat, b))),
    ];
    let help = "it takes and returns what the right-hand side is";
    let graph = |(name, (graph, captured, y)): (&str, (Graph, Vec<Tensor>, X))| {
        require_types("custom_linear_solve", (name, help), &y.paths(), &graph.out_avals(), &avals);
        (graph, captured)
    };
    let (graphs, consts) = share_captured(traced.into_iter().map(graph).collect());
    let [matvec, vecmat, solve, transpose_solve] = graphs.try_into().expect("as many as given");
    let [matvec, vecmat] = [InnerGraph::from(matvec), InnerGraph::from(vecmat)];
    let [solve, transpose_solve] = [InnerGraph::from(solve), InnerGraph::from(transpose_solve)];
    let system = LinearSolve { matvec, vecmat, solve, transpose_solve, consts: consts.len() };
    b.refill(bind(system, &[consts, b.leaves()].concat()))
}

impl LinearSolve {
    /// The system of the transposed matrix.
    fn transposed(&self) -> LinearSolve {
        let LinearSolve { matvec, vecmat, solve, transpose_solve, consts } = self.clone();
        LinearSolve { matvec: vecmat, vecmat: matvec, solve: transpose_solve, transpose_solve: solve, consts }
    }
}

impl fmt::Debug for LinearSolve {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "custom_linear_solve {}", self.solve)
    }
}

impl HigherOrder for LinearSolve {
    fn name(&self) -> &'static str {
        "custom_linear_solve"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        call_types(&self.solve, x)
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        self.solve.eval(x)
    }
    fn cost(&self) -> Cost {
        self.solve.cost()
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
        cx.graph(&self.solve, x)
    }
    fn jvp(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        HigherOrder::linearize(self, x, dx)
    }
    /// ẋ = A⁻¹ (ḃ - Ȧ x).
    fn linearize(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Linearized {
        let (consts, n) = (&x[..self.consts], self.solve.outs.len());
        let y = bind(self.clone(), x);
        let active: Vec<bool> = (0..x.len()).map(|i| i < self.consts && dx[i].is_some()).collect();
        let by_matrix = if active.contains(&true) {
            let split = self.matvec.linearize(&active, &vec![false; n]);
            let residuals = inline(&split.primal, &[consts, &y].concat()).split_off(n);
            let tangents: Vec<Tensor> = dx[..self.consts].iter().copied().flatten().collect();
            spread_out(&inline(&split.linear, &[tangents, residuals].concat()), &split.active_out)
        } else {
            vec![None; n]
        };
        let right = |(db, da): (&Option<Tensor>, Option<Tensor>)| add_opt(*db, da.map(|da| -da));
        let right: Vec<Option<Tensor>> = dx[self.consts..].iter().zip(by_matrix).map(right).collect();
        if right.iter().all(Option::is_none) {
            return (y, right);
        }
        let right: Vec<Tensor> =
            right.into_iter().zip(&y).map(|(r, y)| r.unwrap_or_else(|| zeros_of(&y.aval()))).collect();
        let dy = bind(self.clone(), &[consts.to_vec(), right].concat());
        (y, dy.into_iter().map(Some).collect())
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let consts: Vec<Tensor> = x[..self.consts].iter().map(Operand::known).collect();
        let ct: Vec<Tensor> =
            ct.iter().zip(&x[self.consts..]).map(|(ct, x)| ct.unwrap_or_else(|| zeros_of(&x.aval()))).collect();
        let by_right = bind(self.transposed(), &[consts, ct].concat()).into_iter().map(Some);
        vec![None; self.consts].into_iter().chain(by_right).collect()
    }
    fn batch(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched {
        let all: Vec<bool> = (0..x.len()).map(|i| i >= self.consts || mapped[i]).collect();
        let spread_right = |(i, x): (usize, &Tensor)| match all[i] && !mapped[i] {
            true => broadcast_leading(*x, axis.size),
            false => *x,
        };
        let x: Vec<Tensor> = x.iter().enumerate().map(spread_right).collect();
        let graphs = self.graphs().into_iter().map(|g| g.batched(axis, &all, &vec![true; g.outs.len()]).0);
        bind_rc(self.with_graphs(graphs.collect()), &x).into_iter().map(|y| (y, true)).collect()
    }
    fn for_varying(&self, x: &[AxisSet]) -> (Rc<dyn Primitive>, Vec<AxisSet>) {
        all_varying(self, x)
    }
    fn graphs(&self) -> Vec<&InnerGraph> {
        vec![&self.matvec, &self.vecmat, &self.solve, &self.transpose_solve]
    }
    fn with_graphs(&self, graphs: Vec<InnerGraph>) -> Rc<dyn Primitive> {
        let [matvec, vecmat, solve, transpose_solve] = graphs.try_into().expect("as many as there are");
        Rc::new(LinearSolve { matvec, vecmat, solve, transpose_solve, consts: self.consts })
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[Row {
    name: "custom_linear_solve",
    dtypes: |d| matches!(d, DType::F32 | DType::F64),
    cases: |d| {
        let well = |a: Tensor| a + crate::eye(3, a.dtype()) * 4.0;
        let direct =
            Case::new("by a factorisation", vec![sample_in(d, &[3, 3], 1, -1.0, 1.0), sample(d, &[3], 2)], move |x| {
                let a = well(x[0]);
                let solve = |_: &dyn Fn(Tensor) -> Tensor, b: Tensor| crate::linalg::solve(a, b);
                let transposed = |_: &dyn Fn(Tensor) -> Tensor, b: Tensor| crate::linalg::solve(a.swap_axes(0, 1), b);
                vec![custom_linear_solve(|x: Tensor| a.matmul(x), x[1], solve, transposed)]
            });
        let by_steps =
            Case::new("by a loop", vec![sample_in(d, &[3, 3], 1, -0.2, 0.2), sample(d, &[2, 3], 2)], move |x| {
                let a = x[0] + crate::eye(3, x[0].dtype());
                let steps = |matvec: &dyn Fn([Tensor; 2]) -> [Tensor; 2], b: [Tensor; 2]| {
                    let zero = b.map(|b| b.like(0.0));
                    let step = |_: Tensor, x: [Tensor; 2]| {
                        let y = matvec(x);
                        [x[0] + (b[0] - y[0]), x[1] + (b[1] - y[1])]
                    };
                    let count = full([], DType::I32, 60);
                    fori_loop(0, count, step, zero)
                };
                let matvec = |x: [Tensor; 2]| x.map(|x| a.matmul(x));
                custom_linear_solve(matvec, x[1].unstack::<2>(), steps, steps).to_vec()
            });
        vec![direct, by_steps]
    },
}];
