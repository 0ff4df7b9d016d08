//! Scatter: parts of a tensor at computed positions combined with updates.
use super::slice::{clamped_starts, replaced};
use super::*;
use crate::{host::Both, lower::array, trace::bind1};

/// What a scatter does with an element and its update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combine {
    /// Replaces it. Which of several updates of one element wins is not specified.
    Set,
    /// Adds.
    Add,
    /// Multiplies.
    Mul,
    /// Keeps the smaller.
    Min,
    /// Keeps the larger.
    Max,
}
impl Combine {
    /// The operation between an element and its update, if it does not replace it.
    fn op(self) -> Option<&'static str> {
        match self {
            Combine::Set => None,
            Combine::Add => Some("add"),
            Combine::Mul => Some("multiply"),
            Combine::Min => Some("minimum"),
            Combine::Max => Some("maximum"),
        }
    }
}

/// Windows of an operand, at computed positions, combined with updates.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Scatter {
    /// How the axes correspond: those of the updates are those that the result of a gather has.
    pub dims: IndexDims,
    /// What is done with each element of a window.
    pub combine: Combine,
    /// How the indices are to be understood.
    pub options: IndexOptions,
}
/// `x` with `updates` combined into its windows at the positions that the index vectors in the last axis of `indices`
/// give: the mirror image of [`gather`]. [`Tensor::at`] is easier to use.
#[track_caller]
pub fn scatter(x: Tensor, indices: Tensor, updates: Tensor, how: Scatter) -> Tensor {
    bind1(how, &[x, wide_indices(&[indices])[0], updates])
}

impl Scatter {
    /// The sizes of a window along the axes of the operand.
    fn sizes(&self, x: &Aval, updates: &Aval) -> Vec<usize> {
        let mut sizes = vec![1; x.rank()];
        // (a batch may have no instances)
        self.dims.batch.iter().for_each(|a| sizes[*a] = x.dims[*a].min(1));
        let axes = self.dims.window_in_operand(x.rank());
        axes.iter().zip(&self.dims.window).for_each(|(a, w)| sizes[*a] = updates.dims[*w]);
        sizes
    }

    /// The values of `x` at the updates' places: the transpose of adding them.
    fn gathered(&self, x: Tensor, indices: Tensor, updates: &Aval) -> Tensor {
        let sizes = self.sizes(&x.aval(), updates);
        gather(x, indices, Gather { dims: self.dims.clone(), sizes, options: self.options, fill: Some(0.0) })
    }

    /// The one window of the operand, updated: what XLA makes of it, but for updates that are computed from the operand, and
    /// for windows that reach outside of an operand that is itself a part of another array.
    fn lower_one_window(&self, cx: &mut Lower, x: &Value, indices: &Value, updates: &Value) -> Value {
        let (dims, sizes) = (&x.aval.dims, self.sizes(&x.aval, &updates.aval));
        let part = x.aval.with_dims(&*sizes);
        let mut window = cx.op("reshape", std::slice::from_ref(updates), "", &part);
        let a = indices.aval.with_dims([]);
        let vector = cx.op("reshape", std::slice::from_ref(indices), "", &a.with_dims([self.dims.indexed.len()]));
        let mut start = |axis: usize| {
            let Some(k) = self.dims.indexed.iter().position(|i| *i == axis) else { return cx.splat(&a, 0.0) };
            let attrs = format!(
                "start_indices = array<i64: {k}>, limit_indices = array<i64: {}>, strides = array<i64: 1>",
                k + 1
            );
            let one = cx.op("slice", std::slice::from_ref(&vector), &attrs, &a.with_dims([1]));
            cx.op("reshape", &[one], "", &a)
        };
        let starts: Vec<Value> = (0..dims.len()).map(&mut start).collect();
        let nearest = clamped_starts(cx, dims, &sizes, &starts);
        if self.options.mode != IndexMode::Clip || self.combine != Combine::Set {
            let old = [std::slice::from_ref(x), &nearest].concat();
            let old = cx.op("dynamic_slice", &old, &format!("slice_sizes = {}", array(&sizes)), &part);
            if let Some(op) = self.combine.op() {
                window = cx.op(op, &[old.clone(), window], "", &part);
            }
            // a window that reaches outside is dropped (a clipped one does not)
            for (start, nearest) in starts.iter().zip(&nearest) {
                let holds = [a.with_dtype(DType::Bool)];
                let fits = Compare(Direction::Eq).lower(cx, &[start.clone(), nearest.clone()], &holds).swap_remove(0);
                let fits = cx.op(
                    "broadcast_in_dim",
                    &[fits],
                    "broadcast_dimensions = array<i64>",
                    &part.with_dtype(DType::Bool),
                );
                window = cx.op("select", &[fits, window, old.clone()], "", &part);
            }
        }
        replaced(cx, x, &window, &nearest)
    }

    fn with(&self, combine: Combine) -> Scatter {
        Scatter { combine, ..self.clone() }
    }

    /// Value and tangent of setting elements, where windows may overlap. Both must take the same one of several updates of an
    /// element. So the number of the winning update is found first, and both are sums in which the other updates are masked.
    fn set_by_winners(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> [Tensor; 2] {
        let (indices, updates) = (x[1], x[2].aval());
        let one = |(axis, n): (usize, &usize)| if self.dims.window.contains(&axis) { 1 } else { *n };
        let groups: Vec<usize> = updates.dims.iter().enumerate().map(one).collect();
        let count: usize = groups.iter().product();
        let ids = (iota([count], DType::U32, 0) + 1).reshape(groups).broadcast_to(&*updates.dims);
        let none = zeros_of(&x[0].aval().with_dtype(DType::U32));
        let winners = scatter(none, indices, ids, self.clone());
        let untouched = compare(Direction::Eq, winners, none);
        let winning = compare(Direction::Eq, ids, self.gathered(winners, indices, &updates));
        let sum = |x: Tensor, updates: Tensor| {
            let (x, u) =
                (select(untouched, x, zeros_of(&x.aval())), select(winning, updates, zeros_of(&updates.aval())));
            scatter(x, indices, u, self.with(Combine::Add))
        };
        let part = |i: usize| dx[i].unwrap_or_else(|| zeros_of(&x[i].aval()));
        [sum(x[0], x[2]), sum(part(0), part(2))]
    }

    /// Tangent of a minimum or maximum `y`: the mean of the tangents of those that attain it.
    fn extreme_jvp(&self, x: &[Tensor], y: Tensor, dx: &[Option<Tensor>]) -> Tensor {
        let (indices, updates) = (x[1], x[2].aval());
        let add = |x: Tensor, updates: Tensor| scatter(x, indices, updates, self.with(Combine::Add));
        let attains = |x: Tensor, extreme: Tensor| compare(Direction::Eq, x, extreme).cast(y.dtype());
        let (own, new) = (attains(x[0], y), attains(x[2], self.gathered(y, indices, &updates)));
        // at least 1, but for NaN and, where gathered, for dropped updates
        let number = add(own, new);
        let own = own / number.maximum(1);
        let new = new / self.gathered(number, indices, &updates).maximum(1);
        let part = |i: usize, share: Tensor| dx[i].map_or_else(|| zeros_of(&x[i].aval()), |d| mul(d, share));
        add(part(0, own), part(2, new))
    }
}

impl Primitive for Scatter {
    fn name(&self) -> &'static str {
        match self.combine {
            Combine::Set => "scatter",
            Combine::Add => "scatter_add",
            Combine::Mul => "scatter_mul",
            Combine::Min => "scatter_min",
            Combine::Max => "scatter_max",
        }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        self.dims.check(&x[0], &x[1])?;
        if x[0].dtype != x[2].dtype {
            return Err(
                Refusal::new("the dtypes differ").help(format!("cast the updates: `.cast(DType::{:?})`", x[0].dtype))
            );
        }
        if matches!(self.combine, Combine::Add | Combine::Mul) {
            require(&x[0], is_number, "a number")?;
        }
        if matches!(self.combine, Combine::Min | Combine::Max) {
            require(&x[0], is_ordered, "an ordered type")?;
        }
        let rank = self.dims.window.len() + x[1].rank() - 1;
        if x[2].rank() != rank {
            return Err(format!("the updates need {rank} axes").into());
        }
        let sizes = self.sizes(&x[0], &x[2]);
        let too_large = (0..x[0].rank()).find(|a| sizes[*a] > x[0].dims[*a]);
        if let Some(a) = too_large.filter(|_| x[2].size() > 0) {
            return Err(
                format!("the window's size along axis {a} is {}, larger than {}", sizes[a], x[0].dims[a]).into()
            );
        }
        let want = self.dims.result(&x[0], &x[1], &sizes);
        if x[2].dims != want {
            return Err(format!("for these indices the updates must be {want:?}").into());
        }
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let sizes = self.sizes(x[0].aval(), x[2].aval());
        let clip = self.options.mode == IndexMode::Clip;
        let places = self.dims.elements(x[0].aval(), &x[1], &sizes, clip);
        let places = places.into_iter().enumerate().filter_map(|(u, place)| Some((u, place?)));
        let dims = x[0].dims();
        vec![match x[0].beside(&x[2]) {
            Both::Float(a, b) => {
                let mut y = a.to_vec();
                places.for_each(|(u, i)| {
                    y[i] = match self.combine {
                        Combine::Set => b[u],
                        Combine::Add => y[i] + b[u],
                        Combine::Mul => y[i] * b[u],
                        _ if y[i].is_nan() || b[u].is_nan() => f64::NAN,
                        Combine::Min => y[i].min(b[u]),
                        Combine::Max => y[i].max(b[u]),
                    }
                });
                Host::floats(x[0].dtype(), dims, y)
            }
            Both::Int(a, b) => {
                let mut y = a.to_vec();
                places.for_each(|(u, i)| {
                    y[i] = match self.combine {
                        Combine::Set => b[u],
                        Combine::Add => y[i].wrapping_add(b[u]),
                        // wrapped each time: products of more than two would not fit
                        Combine::Mul => crate::host::wrap(x[0].dtype(), y[i].wrapping_mul(b[u])),
                        Combine::Min => y[i].min(b[u]),
                        Combine::Max => y[i].max(b[u]),
                    }
                });
                Host::ints(x[0].dtype(), dims, y)
            }
            Both::Complex(a, b) => {
                let mut y = a.to_vec();
                places.for_each(|(u, i)| {
                    y[i] = match self.combine {
                        Combine::Set => b[u],
                        Combine::Add => y[i] + b[u],
                        Combine::Mul => y[i] * b[u],
                        Combine::Min | Combine::Max => no_complex(y[i], b[u]),
                    }
                });
                Host::complex(x[0].dtype(), dims, y)
            }
        }]
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let part = |i: usize| dx[i].unwrap_or_else(|| zeros_of(&x[i].aval()));
        let dy = match self.combine {
            Combine::Add => scatter(part(0), x[1], part(2), self.clone()),
            Combine::Set if self.options.unique => scatter(part(0), x[1], part(2), self.clone()),
            Combine::Set => return vec![Some(self.set_by_winners(x, dx)[1])],
            Combine::Min | Combine::Max => self.extreme_jvp(x, y[0], dx),
            Combine::Mul => {
                let from_x = dx[0].map(|d| scatter(d, x[1], x[2], self.clone()));
                let from_updates = dx[2].map(|d| {
                    if !self.options.unique {
                        let help = "promise it with `.unique()`".to_string();
                        let reason = "a product is differentiable in its updates only if no two share an element";
                        crate::trace::fail(self.name(), x.iter().map(|x| x.aval()).collect(), reason, Some(help))
                    }
                    mul(x[0], scatter(zeros_of(&x[0].aval()), x[1], d, self.with(Combine::Add)))
                });
                return vec![add_opt(from_x, from_updates)];
            }
        };
        vec![Some(dy)]
    }
    fn with_tangents(&self, x: &[Tensor], dx: &[Option<Tensor>]) -> Option<Linearized> {
        if self.combine != Combine::Set || self.options.unique {
            return None;
        }
        let [y, dy] = self.set_by_winners(x, dx);
        Some((vec![y], vec![Some(dy)]))
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let Some(ct) = ct[0] else { return vec![None; 3] };
        let (indices, updates) = (x[1].known(), x[2].aval());
        let ct_x = x[0].is_linear().then(|| match self.combine {
            Combine::Mul => scatter(ct, indices, x[2].known(), self.clone()),
            Combine::Set => scatter(ct, indices, zeros_of(&updates), self.clone()),
            _ => ct,
        });
        vec![ct_x, None, x[2].is_linear().then(|| self.gathered(ct, indices, &updates))]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let each = |i: usize| if mapped[i] { x[i] } else { broadcast_leading(x[i], n) };
        let dims = self.dims.batched(true, mapped[1]);
        vec![scatter(each(0), x[1], each(2), Scatter { dims, ..self.clone() })]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if x[2].aval.size() == 0 {
            return vec![x[0].clone()];
        }
        let mut indices = x[1].clone();
        if self.options.mode == IndexMode::Clip {
            let zero = cx.splat(&indices.aval, 0.0);
            let bounds = self.dims.bounds(cx, &y[0], &indices.aval, &self.sizes(&y[0], &x[2].aval));
            indices = cx.op("clamp", &[zero, indices, bounds], "", &x[1].aval);
        }
        let vectors = indices.aval.dims[..indices.aval.rank() - 1].iter().product::<usize>();
        let overwrites = self.combine == Combine::Set && cx.reads_what_it_overwrites(&x[0], &x[2]);
        let beyond = self.options.mode != IndexMode::Clip && !cx.is_divided() && Cure::ClampedStarts.applies();
        if vectors == 1 && (overwrites || beyond) {
            return vec![self.lower_one_window(cx, &x[0], &indices, &x[2])];
        }
        let names = [
            "update_window_dims",
            "inserted_window_dims",
            "input_batching_dims",
            "scatter_indices_batching_dims",
            "scatter_dims_to_operand_dims",
        ];
        let dims = self.dims.mlir(names, &x[1].aval);
        let IndexOptions { unique, sorted, .. } = self.options;
        let attrs = format!(
            "scatter_dimension_numbers = #stablehlo.scatter<{dims}>, indices_are_sorted = {sorted}, unique_indices = {unique}"
        );
        let s = y[0].with_dims([]);
        let body = cx.region(&[s.clone(), s.clone()], |cx, a| {
            vec![self.combine.op().map_or(a[1].clone(), |op| cx.op(op, a, "", &s))]
        });
        cx.op_with("scatter", &[x[0].clone(), indices, x[2].clone()], &attrs, vec![body], y)
    }
    fn cost(&self, x: &[Aval], _: &[Aval]) -> Cost {
        let work = if self.combine == Combine::Set { 0 } else { x[2].size() };
        // the operand is updated in place
        Cost { flops: work as f64, bytes: (x[1].bytes() + 3 * x[2].bytes()) as f64 }
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row { name: "scatter", dtypes: any_dtype, cases: |d| cases(d, Combine::Set) },
    Row { name: "scatter_add", dtypes: is_number, cases: |d| cases(d, Combine::Add) },
    Row { name: "scatter_mul", dtypes: is_number, cases: |d| cases(d, Combine::Mul) },
    Row { name: "scatter_min", dtypes: is_ordered, cases: |d| cases(d, Combine::Min) },
    Row { name: "scatter_max", dtypes: is_ordered, cases: |d| cases(d, Combine::Max) },
];

fn cases(d: DType, combine: Combine) -> Vec<Case> {
    let case = |label: &str, x: &[usize], indices: (&[usize], &[i128]), updates: &[usize], dims: IndexDims, options| {
        let inputs =
            vec![sample(d, x, 1), Host::ints(DType::I32, indices.0, indices.1.to_vec()), sample(d, updates, 2)];
        let how = Scatter { dims, combine, options };
        let case = Case::new(label, inputs, move |x| vec![scatter(x[0], x[1], x[2], how.clone())]);
        if combine == Combine::Mul && !options.unique {
            case.wrt(if d.is_inexact() { vec![0] } else { vec![] })
        } else {
            case
        }
    };
    let mode = |mode| IndexOptions { mode, unique: false, sorted: false };
    let rows = || IndexDims { window: vec![1], collapsed: vec![0], indexed: vec![0], ..Default::default() };
    let blocks = IndexDims { window: vec![1, 2], indexed: vec![1, 0], ..Default::default() };
    let along =
        IndexDims { window: vec![0], collapsed: vec![2], indexed: vec![2], batch: vec![1], indices_batch: vec![1] };
    let unique = IndexOptions { mode: IndexMode::InBounds, unique: true, sorted: true };
    let mut cases = vec![
        case("rows, dropped", &[4, 3], (&[4, 1], &[2, 0, -1, 7]), &[4, 3], rows(), mode(IndexMode::Fill)),
        case("rows, clipped", &[4, 3], (&[3, 1], &[1, 9, -3]), &[3, 3], rows(), mode(IndexMode::Clip)),
        case("rows, unique", &[4, 3], (&[2, 1], &[1, 3]), &[2, 3], rows(), unique),
        case("no rows", &[4, 3], (&[0, 1], &[]), &[0, 3], rows(), mode(IndexMode::Fill)),
        case("no rows, clipped", &[4, 3], (&[0, 1], &[]), &[0, 3], rows(), mode(IndexMode::Clip)),
        case("no rows of none", &[0, 3], (&[0, 1], &[]), &[0, 3], rows(), mode(IndexMode::Fill)),
        case("windows", &[4, 3], (&[2, 2], &[0, 0, 3, 2]), &[2, 2, 1], blocks, mode(IndexMode::Clip)),
        case("along", &[2, 3, 4], (&[2, 3, 1], &[0, 3, 1, -2, 2, 4]), &[2, 2, 3], along, mode(IndexMode::Fill)),
    ];
    if combine != Combine::Set {
        // the only combination whose result would depend on the order is left out
        let again: (&[usize], &[i128]) = (&[3, 1], &[2, 0, 2]);
        cases.push(case("rows, twice", &[4, 3], again, &[3, 3], rows(), mode(IndexMode::Fill)));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::check_grads,
        trace::{TraceError, trace_graph},
        transform::grad,
    };

    fn rows(combine: Combine, options: IndexOptions) -> Scatter {
        let dims = IndexDims { window: vec![1], collapsed: vec![0], indexed: vec![0], ..Default::default() };
        Scatter { dims, combine, options }
    }

    #[test]
    fn only_the_winner_of_several_updates_has_a_derivative() {
        let inputs = [sample(DType::F64, &[4, 3], 1), sample(DType::F64, &[3, 3], 2)];
        let set = |x: &[Tensor]| {
            let indices = literal(Host::ints(DType::I32, [3, 1], vec![2, 0, 2]));
            vec![scatter(x[0], indices, x[1], rows(Combine::Set, IndexOptions::default()))]
        };
        check_grads(set, &inputs, 2).unwrap();
    }

    fn refused(updates: &[usize], f: impl Fn(&[Tensor]) -> Tensor) -> Box<TraceError> {
        let (x, i) = (Aval::new(DType::F32, [4, 3]), Aval::new(DType::I32, [2, 1]));
        trace_graph(&[x, i, Aval::new(DType::F32, updates)], |t| vec![f(t)]).unwrap_err()
    }

    #[test]
    fn a_product_needs_the_promise_of_unique_indices() {
        let product = |options: IndexOptions| {
            move |t: &[Tensor]| {
                let (x, i) = (t[0], t[1]);
                grad(move |u: Tensor| scatter(x, i, u, rows(Combine::Mul, options)).sum(..))(t[2])
            }
        };
        let e = refused(&[2, 3], product(IndexOptions::default())).to_string();
        assert!(e.contains("only if no two share an element") && e.contains("`.unique()`"), "{e}");
        let unique = IndexOptions { unique: true, ..Default::default() };
        let (x, i) = (Aval::new(DType::F32, [4, 3]), Aval::new(DType::I32, [2, 1]));
        trace_graph(&[x, i, Aval::new(DType::F32, [2, 3])], |t| vec![product(unique)(t)]).unwrap();
    }

    #[test]
    fn errors_say_what_the_updates_must_be() {
        let set = |t: &[Tensor]| scatter(t[0], t[1], t[2], rows(Combine::Set, IndexOptions::default()));
        let has = |e: Box<TraceError>, part: &str| assert!(e.to_string().contains(part), "{e}");
        has(refused(&[3, 3], set), "for these indices the updates must be [2, 3]");
        has(refused(&[2, 3, 1], set), "the updates need 2 axes");
        has(refused(&[2, 4], set), "size along axis 1 is 4, larger than 3");
        let half =
            |t: &[Tensor]| scatter(t[0], t[1], t[2].cast(DType::F16), rows(Combine::Set, IndexOptions::default()));
        has(refused(&[2, 3], half), "the dtypes differ\n");
    }
}
