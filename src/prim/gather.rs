//! Gather: parts of a tensor at computed positions.
use super::*;
use crate::{
    host::{ravel, unravel},
    lower::array,
    trace::bind1,
};

/// What a gather or scatter does with an index from which its window would reach outside the operand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IndexMode {
    /// Moves it to the nearest that fits. The cheapest safe way to look up rows.
    Clip,
    /// A gather returns the fill value for the whole window; a scatter drops the update.
    #[default]
    Fill,
    /// The caller promises that no index is out of bounds. If one is, gathers clip, scatters drop and gradients are wrong.
    InBounds,
}

/// How indices are to be understood by a gather or scatter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Hash)]
pub struct IndexOptions {
    /// What happens out of bounds.
    pub mode: IndexMode,
    /// The caller promises that no two windows overlap; wrong results if they do.
    pub unique: bool,
    /// The caller promises that the index vectors are in increasing order; wrong results if they are not.
    pub sorted: bool,
}

/// How the axes of operand, indices and result (of a gather) or updates (of a scatter) correspond.
///
/// The last axis of the indices holds index vectors, as in JAX: for scalar indices it has size 1. The axes of the result
/// that are not `window` axes are the other axes of the indices, in order.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct IndexDims {
    /// Result axes that run inside the window, increasing. StableHLO: `offset_dims`, `update_window_dims`.
    pub window: Vec<usize>,
    /// Operand axes where the window has size 1 and that the result lacks, increasing. StableHLO: `collapsed_slice_dims`,
    /// `inserted_window_dims`.
    pub collapsed: Vec<usize>,
    /// The operand axis that each component of an index vector counts. StableHLO: `start_index_map`,
    /// `scatter_dims_to_operand_dims`.
    pub indexed: Vec<usize>,
    /// Operand axes that run along with the axes `indices_batch` of the indices, increasing. StableHLO:
    /// `operand_batching_dims`, `input_batching_dims`.
    pub batch: Vec<usize>,
    /// Axes of the indices that run along with the operand axes `batch`.
    pub indices_batch: Vec<usize>,
}

impl IndexDims {
    /// Operand axes that the window axes of the result stand for.
    pub(super) fn window_in_operand(&self, rank: usize) -> Vec<usize> {
        other_axes(rank, &[&self.collapsed[..], &self.batch].concat())
    }

    /// The attribute of StableHLO, in which gather and scatter name the parts differently; `names` are in the order window,
    /// collapsed, batch, batch of the indices, indexed.
    pub(super) fn mlir(&self, names: [&str; 5], indices: &Aval) -> String {
        let parts = [&self.window, &self.collapsed, &self.batch, &self.indices_batch, &self.indexed];
        let named: Vec<String> = names.iter().zip(parts).map(|(name, axes)| format!("{name} = {axes:?}")).collect();
        format!("{}, index_vector_dim = {}", named.join(", "), indices.rank() - 1)
    }

    /// Type rule of gather and scatter alike, but for the sizes of the windows.
    pub(super) fn check(&self, x: &Aval, indices: &Aval) -> Result<(), Refusal> {
        require_index(indices)?;
        let Some(vector) = indices.dims.last() else {
            return Err(
                Refusal::new("the indices have no axis to hold index vectors").help("add one with `.expand_dims(-1)`")
            );
        };
        if self.indexed.len() != *vector {
            return Err(
                format!("index vectors of {vector} count the {} axes {:?}", self.indexed.len(), self.indexed).into()
            );
        }
        let result = self.window.len() + indices.rank() - 1;
        let lists = [
            ("window", &self.window, result, true),
            ("collapsed", &self.collapsed, x.rank(), true),
            ("indexed", &self.indexed, x.rank(), false),
            ("batch", &self.batch, x.rank(), true),
            ("indices_batch", &self.indices_batch, indices.rank() - 1, false),
        ];
        for (name, axes, rank, increasing) in lists {
            let again = axes.iter().enumerate().any(|(i, a)| axes[..i].contains(a));
            let sorted = !increasing || axes.is_sorted();
            if again || !sorted || axes.iter().any(|a| *a >= rank) {
                let order = if increasing { "increasing" } else { "different" };
                return Err(format!("the {name} axes {axes:?} are not {order} numbers below {rank}").into());
            }
        }
        if self.batch.iter().any(|a| self.collapsed.contains(a) || self.indexed.contains(a)) {
            return Err(format!("the batch axes {:?} are also collapsed or indexed", self.batch).into());
        }
        if self.window.len() + self.collapsed.len() + self.batch.len() != x.rank() {
            return Err(format!("the operand's {} axes are not the window, collapsed and batch axes", x.rank()).into());
        }
        let sizes = |a: &Aval, axes: &[usize]| axes.iter().map(|i| a.dims[*i]).collect::<Vec<_>>();
        let (batch, indices_batch) = (sizes(x, &self.batch), sizes(indices, &self.indices_batch));
        if batch != indices_batch {
            return Err(
                format!("the batch axes are {batch:?} in the operand but {indices_batch:?} in the indices").into()
            );
        }
        Ok(())
    }

    /// The shape of the result of a gather, or of the updates of a scatter.
    pub(super) fn result(&self, x: &Aval, indices: &Aval, sizes: &[usize]) -> Vec<usize> {
        let mut inside = self.window_in_operand(x.rank()).into_iter().map(|a| sizes[a]);
        let mut outside = indices.dims.iter().copied();
        let next = |axis| if self.window.contains(&axis) { inside.next() } else { outside.next() };
        let rank = self.window.len() + indices.rank() - 1;
        (0..rank).map(next).map(|n| n.expect("counted")).collect()
    }

    /// With a leading batch axis in these parts; `in_window` tells that it is a window axis of the result.
    pub(super) fn batched(&self, x: bool, indices: bool) -> IndexDims {
        let mut d = IndexDims {
            window: shifted(&self.window, 1),
            collapsed: shifted(&self.collapsed, x as usize),
            indexed: shifted(&self.indexed, x as usize),
            batch: shifted(&self.batch, x as usize),
            indices_batch: shifted(&self.indices_batch, indices as usize),
        };
        match (x, indices) {
            (true, true) => {
                d.batch.insert(0, 0);
                d.indices_batch.insert(0, 0);
            }
            (true, false) => d.window.insert(0, 0),
            _ => {}
        }
        d
    }

    /// The operand element that each element of the result (or of the updates) stands for; `None` where the window
    /// reaches outside, which clipping prevents.
    pub(super) fn elements(&self, x: &Aval, indices: &Host, sizes: &[usize], clip: bool) -> Vec<Option<usize>> {
        let dims = self.result(x, indices.aval(), sizes);
        let (inside, outside) = (&self.window, other_axes(dims.len(), &self.window));
        let window_axes = self.window_in_operand(x.rank());
        let (values, components) = (indices.to_ints(), self.indexed.len());
        let element = |o: usize| {
            let at = unravel(&dims, o);
            let group: Vec<usize> = outside.iter().map(|a| at[*a]).collect();
            let mut index = vec![0; x.rank()];
            self.batch.iter().zip(&self.indices_batch).for_each(|(a, i)| index[*a] = group[*i]);
            let vector = ravel(&indices.dims()[..group.len()], &group) * components;
            for (k, axis) in self.indexed.iter().enumerate() {
                let (start, last) = (values[vector + k], x.dims[*axis] as i128 - sizes[*axis] as i128);
                if !clip && (start < 0 || start > last) {
                    return None;
                }
                index[*axis] = start.clamp(0, last) as usize;
            }
            window_axes.iter().zip(inside).for_each(|(a, w)| index[*a] += at[*w]);
            Some(ravel(&x.dims, &index))
        };
        (0..dims.iter().product()).map(element).collect()
    }

    /// The largest index that keeps the window inside, for each component of each index vector.
    pub(super) fn bounds(&self, cx: &mut Lower, x: &Aval, indices: &Aval, sizes: &[usize]) -> Value {
        let (_, most) = crate::host::int_range(indices.dtype);
        let bound = |a: &usize| ((x.dims[*a] - sizes[*a]) as i128).min(most);
        let bounds = Host::ints(indices.dtype, [self.indexed.len()], self.indexed.iter().map(bound).collect());
        let bounds = cx.constant(&bounds);
        let attrs = format!("broadcast_dimensions = array<i64: {}>", indices.rank() - 1);
        cx.op("broadcast_in_dim", &[bounds], &attrs, indices)
    }
}

/// Windows of an operand at computed positions.
#[derive(Clone, Debug)]
pub struct Gather {
    /// How the axes correspond.
    pub dims: IndexDims,
    /// The size of a window along each axis of the operand: 1 along collapsed and batch axes.
    pub sizes: Vec<usize>,
    /// How the indices are to be understood.
    pub options: IndexOptions,
    /// What a window out of bounds is filled with in [`IndexMode::Fill`]. By default NaN, for signed integers the
    /// smallest, for unsigned the largest value, for bools true.
    pub fill: Option<f64>,
}
impl Gather {
    /// What two equal gathers have in common. Of the number to fill with it is the bits.
    fn parts(&self) -> (&IndexDims, &[usize], IndexOptions, Option<u64>) {
        (&self.dims, &self.sizes, self.options, self.fill.map(f64::to_bits))
    }
}
impl PartialEq for Gather {
    fn eq(&self, other: &Gather) -> bool {
        self.parts() == other.parts()
    }
}
impl Hash for Gather {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.parts().hash(h);
    }
}
/// Windows of `x` at the positions that the index vectors in the last axis of `indices` give. [`Tensor::take`],
/// [`Tensor::take_along_axis`] and [`Tensor::at`] are easier to use.
#[track_caller]
pub fn gather(x: Tensor, indices: Tensor, how: Gather) -> Tensor {
    bind1(how, &[x, wide_indices(&[indices])[0]])
}
impl Gather {
    fn fill_value(&self, dtype: DType) -> Host {
        let (low, high) = if dtype.is_inexact() { (0, 0) } else { crate::host::int_range(dtype) };
        match (self.fill, dtype.is_inexact()) {
            (Some(x), _) => x.host(dtype).expect("inferred: it fits"),
            (None, true) => Host::floats(dtype, [], vec![f64::NAN]),
            (None, false) => Host::ints(dtype, [], vec![if dtype.is_signed() { low } else { high }]),
        }
    }

    /// For each index vector: is its window inside the operand?
    fn lower_mask(&self, cx: &mut Lower, x: &Aval, indices: &Value) -> Value {
        let (a, bool_) = (&indices.aval, Aval::new(DType::Bool, []));
        let (zero, bounds) = (cx.splat(a, 0.0), self.dims.bounds(cx, x, a, &self.sizes));
        let each = a.with_dtype(DType::Bool);
        let mut compare =
            |d, y| Compare(d).lower(cx, &[indices.clone(), y], std::slice::from_ref(&each)).swap_remove(0);
        let (low, high) = (compare(Direction::Ge, zero), compare(Direction::Le, bounds));
        let inside = cx.op("and", &[low, high], "", &each);
        let start = cx.splat(&bool_, 1.0);
        let body = cx.region(&[bool_.clone(), bool_.clone()], |cx, b| vec![cx.op("and", b, "", &bool_)]);
        let last = a.rank() - 1;
        let all = each.with_dims(&a.dims[..last]);
        cx.op_with("reduce", &[inside, start], &format!("dimensions = array<i64: {last}>"), vec![body], &[all])
            .swap_remove(0)
    }
}
impl Primitive for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        self.dims.check(&x[0], &x[1])?;
        self.fill.map_or(Ok(()), |fill| fill.host(x[0].dtype).map(|_| ()))?;
        if self.sizes.len() != x[0].rank() {
            return Err(format!("{} sizes for {} axes", self.sizes.len(), x[0].rank()).into());
        }
        if let Some(a) = self.dims.collapsed.iter().find(|a| self.sizes[**a] != 1) {
            return Err(format!("the window's size along the collapsed axis {a} is {}, not 1", self.sizes[*a]).into());
        }
        if let Some(a) = self.dims.batch.iter().find(|a| self.sizes[**a] > 1) {
            return Err(format!("the window's size along the batch axis {a} is {}, not 1", self.sizes[*a]).into());
        }
        let y = x[0].with_dims(self.dims.result(&x[0], &x[1], &self.sizes));
        let too_large = |a: &usize| self.sizes[*a] > x[0].dims[*a];
        match (0..x[0].rank()).find(too_large) {
            Some(a) if x[1].size() > 0 => {
                Err(format!("the window's size along axis {a} is {}, larger than {}", self.sizes[a], x[0].dims[a])
                    .into())
            }
            _ => Ok(vec![y]),
        }
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let clip = self.options.mode != IndexMode::Fill;
        let y = self.dims.result(x[0].aval(), x[1].aval(), &self.sizes);
        let elements = self.dims.elements(x[0].aval(), &x[1], &self.sizes, clip);
        let n = x[0].aval().size();
        vec![joined(&[x[0].clone(), self.fill_value(x[0].dtype())]).pick(y, |o| elements[o].unwrap_or(n))]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| gather(d, x[1], Gather { fill: Some(0.0), ..self.clone() }))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let add = || Scatter { dims: self.dims.clone(), combine: Combine::Add, options: self.options };
        // without windows there is nothing to add, and an empty operand could not hold one
        let ct = ct[0].filter(|ct| ct.size() > 0);
        vec![ct.map(|ct| scatter(zeros_of(&x[0].aval()), x[1].known(), ct, add())), None]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let mut how = Gather { dims: self.dims.batched(mapped[0], mapped[1]), ..self.clone() };
        if mapped[0] {
            how.sizes.insert(0, if mapped[1] { n.min(1) } else { n });
        } else {
            // examples may share and reorder windows
            (how.options.unique, how.options.sorted) = (false, false);
        }
        vec![gather(x[0], x[1], how)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let names = [
            "offset_dims",
            "collapsed_slice_dims",
            "operand_batching_dims",
            "start_indices_batching_dims",
            "start_index_map",
        ];
        let dims = self.dims.mlir(names, &x[1].aval);
        let (sizes, sorted) = (array(&self.sizes), self.options.sorted);
        let attrs = format!(
            "dimension_numbers = #stablehlo.gather<{dims}>, slice_sizes = {sizes}, indices_are_sorted = {sorted}"
        );
        let mut x = x.to_vec();
        let clipped = self.options.mode != IndexMode::Fill && Cure::ClampedStarts.applies();
        if clipped && x[1].aval.size() == self.dims.indexed.len() {
            // XLA makes a dynamic slice of a single window, and of parts of that again, which it adds up as they are
            let (zero, bounds) = (cx.splat(&x[1].aval, 0.0), self.dims.bounds(cx, &x[0].aval, &x[1].aval, &self.sizes));
            x[1] = cx.op("clamp", &[zero, x[1].clone(), bounds], "", &x[1].aval.clone());
        }
        let gathered = cx.op("gather", &x, &attrs, &y[0]);
        if self.options.mode != IndexMode::Fill || self.dims.indexed.is_empty() {
            return vec![gathered];
        }
        let mask = self.lower_mask(cx, &x[0].aval, &x[1]);
        let at = array(&other_axes(y[0].rank(), &self.dims.window));
        let all = y[0].with_dtype(DType::Bool);
        let mask = cx.op("broadcast_in_dim", &[mask], &format!("broadcast_dimensions = {at}"), &all);
        let fill = cx.splat_of(&y[0], &self.fill_value(y[0].dtype));
        vec![cx.op("select", &[mask, gathered, fill], "", &y[0])]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        Cost { flops: 0.0, bytes: (x[1].bytes() + 2 * y[0].bytes()) as f64 }
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row { name: "gather", dtypes: any_dtype, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, x: &[usize], indices: (&[usize], &[i128]), how: Gather| {
        let inputs = vec![sample(d, x, 1), Host::ints(DType::I32, indices.0, indices.1.to_vec())];
        Case::new(label, inputs, move |x| vec![gather(x[0], x[1], how.clone())])
    };
    let mode = |mode| IndexOptions { mode, ..Default::default() };
    let fill = if d == DType::Bool { 1.0 } else { 6.0 };
    // rows of a matrix, some out of bounds
    let rows = |options, fill| {
        let dims = IndexDims { window: vec![1], collapsed: vec![0], indexed: vec![0], ..Default::default() };
        Gather { dims, sizes: vec![1, 3], options, fill }
    };
    let some: (&[usize], &[i128]) = (&[5, 1], &[2, 0, -1, 7, 3]);
    // 2 by 1 windows at pairs of indices, counted in the other order
    let pairs = IndexDims { window: vec![1, 2], indexed: vec![1, 0], ..Default::default() };
    let pairs = Gather { dims: pairs, sizes: vec![2, 1], options: mode(IndexMode::Clip), fill: None };
    // one element per row of each matrix of a batch that runs along the second axis of the indices
    let along =
        IndexDims { window: vec![0], collapsed: vec![2], indexed: vec![2], batch: vec![1], indices_batch: vec![1] };
    let along = Gather { dims: along, sizes: vec![2, 1, 1], options: mode(IndexMode::Fill), fill: Some(fill) };
    let sorted = IndexOptions { mode: IndexMode::InBounds, unique: true, sorted: true };
    vec![
        case("rows, clipped", &[4, 3], some, rows(mode(IndexMode::Clip), None)),
        case("rows, filled", &[4, 3], some, rows(mode(IndexMode::Fill), None)).wrt([]), // with NaN
        case("rows, in bounds", &[4, 3], (&[3, 1], &[0, 2, 3]), rows(sorted, None)),
        case("no rows", &[0, 3], (&[0, 1], &[]), rows(mode(IndexMode::Fill), None)),
        case("no rows of some, clipped", &[4, 3], (&[0, 1], &[]), rows(mode(IndexMode::Clip), None)),
        case("one row", &[1, 3], (&[1, 1], &[-5]), rows(mode(IndexMode::Clip), None)),
        case(
            "of a scalar",
            &[],
            (&[2, 0], &[]),
            Gather { dims: IndexDims::default(), sizes: vec![], ..rows(sorted, None) },
        ),
        case("windows", &[4, 3], (&[3, 2], &[0, 1, 2, 3, 1, 0]), pairs),
        case("along", &[2, 3, 4], (&[2, 3, 1], &[0, 3, 1, -2, 2, 4]), along),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::trace_graph;

    #[test]
    fn errors_name_the_axes() {
        let why = |x: &[usize], indices: (DType, &[usize]), sizes: &[usize], dims: IndexDims| {
            let avals = [Aval::new(DType::F32, x), Aval::new(indices.0, indices.1)];
            let how = Gather { dims, sizes: sizes.to_vec(), options: IndexOptions::default(), fill: None };
            trace_graph(&avals, |t| vec![gather(t[0], t[1], how)]).unwrap_err().to_string()
        };
        let has = |text: String, part: &str| assert!(text.contains(part), "{text}");
        let rows = || IndexDims { window: vec![1], collapsed: vec![0], indexed: vec![0], ..Default::default() };
        let int = DType::I32;
        has(why(&[4, 3], (DType::F32, &[2, 1]), &[1, 3], rows()), "f32 is not a 32- or 64-bit integer");
        has(why(&[4, 3], (int, &[]), &[1, 3], rows()), "no axis to hold index vectors\n");
        has(why(&[4, 3], (int, &[2, 2]), &[1, 3], rows()), "index vectors of 2 count the 1 axes [0]");
        has(why(&[4, 3], (int, &[2, 1]), &[1, 4], rows()), "size along axis 1 is 4, larger than 3");
        has(why(&[4, 3], (int, &[2, 1]), &[2, 3], rows()), "size along the collapsed axis 0 is 2, not 1");
        has(why(&[4, 3], (int, &[2, 1]), &[1], rows()), "1 sizes for 2 axes");
        let unsorted = IndexDims { window: vec![2, 1], ..rows() };
        has(
            why(&[4, 3, 2], (int, &[2, 1]), &[1, 3, 2], unsorted),
            "window axes [2, 1] are not increasing numbers below 3",
        );
        let missing = IndexDims { window: vec![], ..rows() };
        has(why(&[4, 3], (int, &[2, 1]), &[1, 3], missing), "2 axes are not the window, collapsed and batch axes");
        let batch = || IndexDims {
            collapsed: vec![1],
            indexed: vec![1],
            batch: vec![0],
            indices_batch: vec![0],
            window: vec![],
        };
        has(why(&[4, 3], (int, &[2, 1]), &[1, 1], batch()), "[4] in the operand but [2] in the indices");
        let both = IndexDims { indexed: vec![0], ..batch() };
        has(why(&[4, 3], (int, &[4, 1]), &[1, 1], both), "batch axes [0] are also collapsed or indexed");
    }
}
