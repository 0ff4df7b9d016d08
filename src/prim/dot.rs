//! Contractions of two tensors. `einsum` is the way to write them.
use super::*;
use crate::{host::Both, trace::bind1};

/// How exactly a device must multiply floats. CPUs always work in the operands' full precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// The fastest: TPUs round f32 operands to bf16, GPUs to TF32.
    #[default]
    Default,
    /// In between: three bf16 passes on a TPU, TF32 on a GPU.
    High,
    /// Full f32 products.
    Highest,
}
impl Precision {
    /// The attribute of an operation of two operands.
    pub(super) fn attr(self) -> String {
        let one = format!("#stablehlo<precision {}>", format!("{self:?}").to_uppercase());
        format!("precision_config = [{one}, {one}]")
    }
}

/// Sum of products over contracted axes. Result axes: batch, then the free axes of the left, then of the right operand.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct DotGeneral {
    /// Axes of the left and of the right operand that run along together and stay: the leading axes of the result.
    pub batch: (Vec<usize>, Vec<usize>),
    /// Axes of the left and of the right operand that are multiplied and summed.
    pub contract: (Vec<usize>, Vec<usize>),
    /// How exactly to multiply.
    pub precision: Precision,
    /// The result's dtype (JAX: `preferred_element_type`), no narrower than the operands'. By default theirs; sums of
    /// 16-bit and 8-bit floats then are still computed in f32 and rounded once.
    pub output: Option<DType>,
}
/// Contract `x` with `y`: `dot_general(x, y, DotGeneral { contract: (vec![1], vec![0]), ..Default::default() })` is the
/// product of two matrices.
#[track_caller]
pub fn dot_general(x: Tensor, y: Tensor, dot: DotGeneral) -> Tensor {
    bind1(dot, &[x, y])
}

/// Type rule: the dtype in which products of dtype `from` are summed and returned.
pub(super) fn summed_as(from: DType, output: Option<DType>) -> Result<DType, Refusal> {
    let Some(to) = output else { return Ok(from) };
    let same_kind = to.is_float() == from.is_float()
        && to.is_complex() == from.is_complex()
        && to.is_signed() == from.is_signed()
        && to != DType::Bool;
    if same_kind && to.bits() >= from.bits() {
        return Ok(to);
    }
    let (from, to) = (from.name(), to.name());
    Err(Refusal::new(format!("{from} products cannot be summed as {to}"))
        .help("ask for a type of the same kind, no narrower"))
}
/// The operands of a product as backends take them, and the type of their product. No backend multiplies 4-bit integers;
/// the product of wider ones wraps to the same value.
pub(super) fn widened(cx: &mut Lower, x: &[Value], y: &Aval) -> (Vec<Value>, Aval) {
    let wide = |d: DType| match d {
        DType::I4 => DType::I8,
        DType::U4 => DType::U8,
        d => d,
    };
    let widen = |x: &Value| {
        let a = x.aval.with_dtype(wide(x.aval.dtype));
        if a == x.aval { x.clone() } else { cx.op("convert", std::slice::from_ref(x), "", &a) }
    };
    (x.iter().map(widen).collect(), y.with_dtype(wide(y.dtype)))
}

const SIDES: [&str; 2] = ["left", "right"];

impl DotGeneral {
    /// Axes that are neither batch nor contracted.
    fn free(&self, rank_x: usize, rank_y: usize) -> [Vec<usize>; 2] {
        let free = |rank, b: &[usize], c: &[usize]| other_axes(rank, &[b, c].concat());
        [free(rank_x, &self.batch.0, &self.contract.0), free(rank_y, &self.batch.1, &self.contract.1)]
    }

    fn swapped(&self) -> DotGeneral {
        let swap = |(a, b): &(Vec<usize>, Vec<usize>)| (b.clone(), a.clone());
        DotGeneral { batch: swap(&self.batch), contract: swap(&self.contract), ..self.clone() }
    }

    fn check_axes(&self, x: &[Aval]) -> Result<(), Refusal> {
        for (kind, (l, r)) in [("batch", &self.batch), ("contracted", &self.contract)] {
            if l.len() != r.len() {
                return Err(format!("{} {kind} axes on the left but {} on the right", l.len(), r.len()).into());
            }
        }
        let named = [[&self.batch.0[..], &self.contract.0].concat(), [&self.batch.1[..], &self.contract.1].concat()];
        for ((side, named), x) in SIDES.iter().zip(&named).zip(x) {
            for (i, a) in named.iter().enumerate() {
                require_axis(x, *a).map_err(|why| format!("{why}, the {side} operand"))?;
                if named[..i].contains(a) {
                    return Err(format!("axis {a} of the {side} operand is named twice").into());
                }
            }
        }
        for (kind, (l, r)) in [("batch", &self.batch), ("contracted", &self.contract)] {
            if let Some((a, b)) = l.iter().zip(r).find(|(a, b)| x[0].dims[**a] != x[1].dims[**b]) {
                let (n, m) = (x[0].dims[*a], x[1].dims[*b]);
                return Err(
                    format!("{kind} axis {a} of the left operand is {n} but axis {b} of the right one is {m}").into()
                );
            }
        }
        Ok(())
    }

    fn result_dtype(&self, x: &[Aval]) -> Result<DType, Refusal> {
        x.iter().try_for_each(|x| require(x, is_number, "a number"))?;
        let (a, b) = (x[0].dtype, x[1].dtype);
        let f8 = |d: DType| d.is_float() && d.bits() == 8;
        if a != b && !(f8(a) && f8(b)) {
            return Err(Refusal::new("the dtypes differ").help(format!("cast one side: `.cast(DType::{a:?})`")));
        }
        let natural = if a == b { a } else { DType::F8E5M2 };
        summed_as(natural, self.output)
    }

    /// Cotangent of the left operand; `swapped` tells that `self` is the swapped form of what made `ct`.
    fn transpose_left(&self, ct: Tensor, x: &Aval, y: Tensor, swapped: bool) -> Tensor {
        let [free_x, free_y] = self.free(x.rank(), y.rank());
        let batches = self.batch.0.len();
        let start = batches + if swapped { 0 } else { free_x.len() };
        let dot = DotGeneral {
            batch: ((0..batches).collect(), self.batch.1.clone()),
            contract: ((start..start + free_y.len()).collect(), free_y),
            precision: self.precision,
            output: None,
        };
        let mut contracted: Vec<(usize, usize)> =
            self.contract.1.iter().copied().zip(self.contract.0.iter().copied()).collect();
        contracted.sort_unstable();
        let contracted: Vec<usize> = contracted.into_iter().map(|c| c.1).collect();
        // axes of the product: batch, free axes of x, contracted axes in the order they have in y; or, with the operands
        // swapped, the contracted ones first: as a weight `[in, out]` has them
        let straight = [&self.batch.0[..], &free_x, &contracted].concat();
        let swapped = [&self.batch.0[..], &contracted, &free_x].concat();
        // operands of two f8 types have no common type but the result's
        let y = y.cast(ct.dtype());
        let (g, axes) = match swapped.is_sorted() && !straight.is_sorted() {
            true => (dot_general(y, ct, dot.swapped()), swapped),
            false => (dot_general(ct, y, dot), straight),
        };
        g.transpose(inverse(&axes)).cast(x.dtype)
    }
}

impl DotGeneral {
    /// The same product, of which the compiler divides no more than two contracted axes: of three, XLA adds up wrong parts if
    /// the operands are divided differently. Neighbours become one axis; others are made whole.
    fn with_two_contracted(&self, cx: &mut Lower, x: Vec<Value>) -> (Vec<Value>, DotGeneral) {
        let (mut x, mut dot) = (x, self.clone());
        while cx.is_divided() && dot.contract.0.len() > 2 && Cure::TwoContractedAxes.applies() {
            let (left, right) = (&dot.contract.0, &dot.contract.1);
            let neighbours =
                |i: &usize| (0..left.len()).find(|j| left[*j] == left[*i] + 1 && right[*j] == right[*i] + 1);
            let Some(i) = (0..left.len()).filter(|i| neighbours(i).is_some()).max_by_key(|i| left[*i]) else {
                let whole = |cx: &mut Lower, v: &Value, axes: &[usize]| cx.undivided(v, &axes[2..]);
                return (vec![whole(cx, &x[0], left), whole(cx, &x[1], right)], dot);
            };
            let (j, at) = (neighbours(&i).expect("just found"), [left[i], right[i]]);
            dot.contract.0.remove(j);
            dot.contract.1.remove(j);
            let sides = [(&mut dot.batch.0, &mut dot.contract.0), (&mut dot.batch.1, &mut dot.contract.1)];
            for ((v, (batch, contract)), at) in x.iter_mut().zip(sides).zip(at) {
                let mut dims = v.aval.dims.to_vec();
                dims[at] *= dims.remove(at + 1);
                let merged = v.aval.with_dims(dims);
                *v = cx.op("reshape", std::slice::from_ref(v), "", &merged);
                batch.iter_mut().chain(contract).filter(|axis| **axis > at).for_each(|axis| *axis -= 1);
            }
        }
        (x, dot)
    }

    /// The same product, as the CPU backend of XLA computes it fast where the left operand contracts axes that stand before the one
    /// it keeps: of derivatives by weights, keys and values. Of several contracted axes XLA makes one, the last of the left operand, by
    /// transposing it, and gives the product to its library; the product over a single axis it computes itself.
    ///
    /// In bf16 that takes at least five times as long, so a single axis gets a second one, of length 1. In f32 it takes as long, and
    /// saves transposing the larger operand: of a left one that keeps the longer axis, two neighbouring axes become one. Other backends
    /// transpose nothing.
    fn with_fast_contracted(&self, cx: &mut Lower, x: Vec<Value>) -> (Vec<Value>, DotGeneral) {
        let leading = |axes: &[usize]| axes.iter().enumerate().all(|(i, a)| i == *a);
        let [free_x, free_y] = self.free(x[0].aval.rank(), x[1].aval.rank());
        let (&[kept], &[other], (left, right)) = (&free_x[..], &free_y[..], &self.contract) else {
            return (x, self.clone());
        };
        let batched = leading(&self.batch.0) && leading(&self.batch.1);
        if !batched || left.iter().any(|a| *a > kept) || cx.is_divided() || !Cure::ProductsInLibrary.applies() {
            return (x, self.clone());
        }
        let neighbours = left.len() == 2 && left[1] == left[0] + 1 && right[1] == right[0] + 1;
        let longer = x[0].aval.dims[kept] > x[1].aval.dims[other];
        let mut one = |x: &Value, at: usize, change: fn(&mut Vec<usize>, usize)| {
            let mut dims = x.aval.dims.to_vec();
            change(&mut dims, at);
            cx.op("reshape", std::slice::from_ref(x), "", &x.aval.with_dims(dims))
        };
        let dtypes = [x[0].aval.dtype, x[1].aval.dtype];
        let (change, contract): (fn(&mut Vec<usize>, usize), _) = match dtypes {
            [DType::BF16, DType::BF16] if left.len() == 1 => {
                (|dims, at| dims.insert(at, 1), [left[0], right[0]].map(|a| vec![a, a + 1]))
            }
            [DType::F32, DType::F32] if self.batch.0.is_empty() && neighbours && longer => {
                (|dims, at| dims[at] *= dims.remove(at + 1), [left[0], right[0]].map(|a| vec![a]))
            }
            _ => return (x, self.clone()),
        };
        let ys = vec![one(&x[0], left[0], change), one(&x[1], right[0], change)];
        let [left, right] = contract;
        (ys, DotGeneral { contract: (left, right), ..self.clone() })
    }
}

impl DotGeneral {
    /// The product of bf16 with bf16 by a kernel, where that was measured to be as fast as XLA's library: it takes less memory, and less time to compile.
    /// Of few rows or columns, reading the arrays takes the time, and packing them would double it.
    fn by_kernel(&self, cx: &mut Lower, x: &[Value], y: &Aval) -> Option<Value> {
        let [free_x, free_y] = self.free(x[0].aval.rank(), x[1].aval.rank());
        let size = |x: &Value, axes: &[usize]| axes.iter().map(|a| x.aval.dims[*a]).product::<usize>();
        let sizes = [size(&x[0], &free_x), size(&x[1], &free_y), size(&x[0], &self.contract.0)];
        let is_bf16 = x.iter().all(|x| x.aval.dtype == DType::BF16) && matches!(y.dtype, DType::BF16 | DType::F32);
        if !is_bf16 || sizes.iter().any(|n| *n < 16) || y.size() == 0 || !raxla_kernels::dot::pays() {
            return None;
        }
        if cx.is_divided() || !cx.kernels() {
            return None;
        }
        let axes = [
            ("lhs_batch", &self.batch.0),
            ("rhs_batch", &self.batch.1),
            ("lhs_contract", &self.contract.0),
            ("rhs_contract", &self.contract.1),
        ];
        let ints = |axes: &Vec<usize>| axes.iter().map(|axis| *axis as i64).collect::<Vec<_>>();
        let attributes = axes.map(|(name, axes)| (name.to_string(), Attr::from(&ints(axes)[..]))).to_vec();
        let result = std::slice::from_ref(y);
        Some(
            CustomCall { attributes, ..CustomCall::new(raxla_kernels::call::DOT, result) }
                .lower(cx, x, result)
                .remove(0),
        )
    }
}

impl Primitive for DotGeneral {
    fn name(&self) -> &'static str {
        "dot_general"
    }
    fn tag(&self) -> Tag<'_> {
        Tag::Dot { batch_axes: self.batch.0.len() }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        self.check_axes(x)?;
        let dtype = self.result_dtype(x)?;
        let [free_x, free_y] = self.free(x[0].rank(), x[1].rank());
        let left = self.batch.0.iter().chain(&free_x).map(|a| x[0].dims[*a]);
        let dims: Vec<usize> = left.chain(free_y.iter().map(|a| x[1].dims[*a])).collect();
        Ok(vec![Aval::new(dtype, dims)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone(), x[1].aval().clone()]).expect("inferred").swap_remove(0);
        let [free_x, free_y] = self.free(x[0].dims().len(), x[1].dims().len());
        let size = |axes: &[usize]| axes.iter().map(|a| x[0].dims()[*a]).product::<usize>();
        let (batches, rows, k) = (size(&self.batch.0), size(&free_x), size(&self.contract.0));
        let columns = free_y.iter().map(|a| x[1].dims()[*a]).product::<usize>();
        let a = transposed(&x[0], &[&self.batch.0[..], &free_x, &self.contract.0].concat());
        let b = transposed(&x[1], &[&self.batch.1[..], &free_y, &self.contract.1].concat());
        // element number e of the result: where its row of `a` and its row of `b` start
        let start = |e: usize| {
            let (batch, row, column) = (e / (rows * columns), e / columns % rows, e % columns);
            ((batch * rows + row) * k, (batch * columns + column) * k)
        };
        let n = batches * rows * columns;
        vec![match a.beside(&b) {
            Both::Float(a, b) => {
                let dot =
                    |(i, j): (usize, usize)| (0..k).map(|c| a[i + c] * b[j + c]).reduce(|x, y| x + y).unwrap_or(0.0);
                Host::floats(y.dtype, y.dims, (0..n).map(|e| dot(start(e))).collect())
            }
            Both::Int(a, b) => {
                let product = |i: usize, j: usize| a[i].wrapping_mul(b[j]);
                let dot = |(i, j): (usize, usize)| (0..k).fold(0i128, |s, c| s.wrapping_add(product(i + c, j + c)));
                Host::ints(y.dtype, y.dims, (0..n).map(|e| dot(start(e))).collect())
            }
            Both::Complex(a, b) => {
                let dot = |(i, j): (usize, usize)| (0..k).map(|c| a[i + c] * b[j + c]).sum();
                Host::complex(y.dtype, y.dims, (0..n).map(|e| dot(start(e))).collect())
            }
        }]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let dot = |x, y| dot_general(x, y, self.clone());
        vec![add_opt(dx[0].map(|d| dot(d, x[1])), dx[1].map(|d| dot(x[0], d)))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let Some(ct) = ct[0] else { return vec![None; 2] };
        if x[0].is_linear() {
            return vec![Some(self.transpose_left(ct, &x[0].aval(), x[1].known(), false)), None];
        }
        vec![None, Some(self.swapped().transpose_left(ct, &x[1].aval(), x[0].known(), true))]
    }
    fn batch(&self, _: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let up = |(l, r): &(Vec<usize>, Vec<usize>)| (shifted(l, mapped[0] as usize), shifted(r, mapped[1] as usize));
        let mut dot = DotGeneral { batch: up(&self.batch), contract: up(&self.contract), ..self.clone() };
        if mapped[0] && mapped[1] {
            dot.batch.0.insert(0, 0);
            dot.batch.1.insert(0, 0);
            return vec![dot_general(x[0], x[1], dot)];
        }
        // the mapped axis becomes a free axis of its operand, the first one
        let [free_x, _] = dot.free(x[0].rank(), x[1].rank());
        let at = dot.batch.0.len() + if mapped[0] { 0 } else { free_x.len() };
        let y = dot_general(x[0], x[1], dot);
        let perm = [&[at], &other_axes(y.rank(), &[at])[..]].concat();
        vec![y.transpose(perm)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if let Some(product) = self.by_kernel(cx, x, &y[0]) {
            return vec![product];
        }
        let (x, wide) = widened(cx, x, &y[0]);
        let (x, dot) = self.with_two_contracted(cx, x);
        let (x, dot) = dot.with_fast_contracted(cx, x);
        let ((bl, br), (cl, cr)) = (&dot.batch, &dot.contract);
        let dims = format!(
            "lhs_batching_dimensions = {bl:?}, rhs_batching_dimensions = {br:?}, \
             lhs_contracting_dimensions = {cl:?}, rhs_contracting_dimensions = {cr:?}"
        );
        let attrs = format!("dot_dimension_numbers = #stablehlo.dot<{dims}>, {}", self.precision.attr());
        let product = cx.op("dot_general", &x, &attrs, &wide);
        vec![if wide == y[0] { product } else { cx.op("convert", &[product], "", &y[0]) }]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let k: usize = self.contract.0.iter().map(|a| x[0].dims[*a]).product();
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: 2.0 * k as f64 * y[0].size() as f64, bytes }
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row { name: "dot_general", dtypes: is_number, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, x: &[usize], y: &[usize], dot: DotGeneral| {
        let inputs = vec![sample_in(d, x, 1, -2.0, 2.0), sample_in(d, y, 2, -2.0, 2.0)];
        Case::new(label, inputs, move |x| vec![dot_general(x[0], x[1], dot.clone())])
    };
    let matrices = || DotGeneral { contract: (vec![1], vec![0]), ..Default::default() };
    let several = DotGeneral { batch: (vec![1], vec![3]), contract: (vec![3, 0], vec![0, 2]), ..Default::default() };
    let mut cases = vec![
        case("matrices", &[3, 4], &[4, 2], matrices()),
        case("vectors", &[5], &[5], DotGeneral { contract: (vec![0], vec![0]), ..Default::default() }),
        case("outer", &[2], &[3, 1], DotGeneral::default()),
        case("several axes", &[3, 2, 4, 2], &[2, 4, 3, 2], several),
        case("only batch", &[2, 3], &[3, 2], DotGeneral { batch: (vec![0, 1], vec![1, 0]), ..Default::default() }),
        case("nothing to sum", &[3, 0], &[0, 2], matrices()),
        case("no rows", &[0, 3], &[3, 2], matrices()),
        case("scalars", &[], &[], DotGeneral::default()),
        case("ones", &[1, 1], &[1, 1], matrices()),
        case("precise", &[2, 3], &[3, 2], DotGeneral { precision: Precision::Highest, ..matrices() }),
    ];
    let wide = match d {
        DType::I4 | DType::I8 | DType::I16 => DType::I32,
        DType::U4 | DType::U8 | DType::U16 => DType::U32,
        d if d.is_float() && d.bits() < 32 => DType::F32,
        d => d,
    };
    cases.push(case("wide", &[3, 4], &[4, 2], DotGeneral { output: Some(wide), ..matrices() }));
    if d == DType::F8E4M3FN {
        let inputs = vec![sample(d, &[3, 4], 1), sample(DType::F8E5M2, &[4, 2], 2)];
        let dot = DotGeneral { output: Some(DType::F32), ..matrices() };
        cases.push(Case::new("two kinds of f8", inputs, move |x| vec![dot_general(x[0], x[1], dot.clone())]));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::trace_graph;

    fn refused(x: (DType, &[usize]), y: (DType, &[usize]), dot: DotGeneral) -> String {
        let avals = [Aval::new(x.0, x.1), Aval::new(y.0, y.1)];
        trace_graph(&avals, |t| vec![dot_general(t[0], t[1], dot)]).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_axes() {
        use DType::*;
        let contract = |a, b| DotGeneral { contract: (vec![a], vec![b]), ..Default::default() };
        let why = refused((F32, &[2, 3]), (F32, &[4, 5]), contract(1, 0));
        assert!(why.starts_with("dot_general of f32[2, 3] and f32[4, 5]: contracted axis 1 of the left operand is 3 but axis 0 of the right one is 4"), "{why}");
        let why = refused((F32, &[2, 3]), (F32, &[3, 5]), contract(1, 2));
        assert!(why.contains("there is no axis 2 in f32[3, 5], the right operand"), "{why}");
        let twice = DotGeneral { batch: (vec![1], vec![0]), ..contract(1, 1) };
        let why = refused((F32, &[2, 3]), (F32, &[3, 3]), twice);
        assert!(why.contains("axis 1 of the left operand is named twice"), "{why}");
        let uneven = DotGeneral { contract: (vec![0, 1], vec![0]), ..Default::default() };
        let why = refused((F32, &[2, 3]), (F32, &[2]), uneven);
        assert!(why.contains("2 contracted axes on the left but 1 on the right"), "{why}");
        let why = refused((F32, &[2]), (BF16, &[2]), contract(0, 0));
        assert!(why.contains("the dtypes differ") && why.contains("help: cast one side"), "{why}");
        let narrow = DotGeneral { output: Some(BF16), ..contract(0, 0) };
        let why = refused((F32, &[2]), (F32, &[2]), narrow);
        assert!(why.contains("f32 products cannot be summed as bf16"), "{why}");
        let why = refused((Bool, &[2]), (Bool, &[2]), contract(0, 0));
        assert!(why.contains("bool is not a number"), "{why}");
    }

    #[test]
    fn cost_counts_multiplications_and_additions() {
        let avals = [Aval::new(DType::BF16, [8, 32, 64]), Aval::new(DType::BF16, [8, 64, 16])];
        let dot = DotGeneral { batch: (vec![0], vec![0]), contract: (vec![2], vec![1]), ..Default::default() };
        let g = trace_graph(&avals, |t| vec![dot_general(t[0], t[1], dot)]).unwrap();
        let bytes = 2 * 8 * (32 * 64 + 64 * 16 + 32 * 16);
        assert_eq!(g.cost(), Cost { flops: 2.0 * (8 * 32 * 64 * 16) as f64, bytes: bytes as f64 });
    }
}
