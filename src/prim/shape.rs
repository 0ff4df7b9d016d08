//! Rearrangements of elements.
use super::*;
use crate::{
    host::{ravel, unravel},
    lower::array,
    trace::bind1,
};

/// The same elements, row-major, in another shape.
#[derive(Debug, PartialEq, Hash)]
pub struct Reshape {
    dims: Vec<usize>,
}
impl Tensor {
    /// The same elements, row-major, in another shape of the same size. See also [`Tensor::split_axis`] and
    /// [`Tensor::merge`], which say what is meant. One size may be [`REST`]: what is left.
    #[track_caller]
    pub fn reshape(self, dims: impl NewShape) -> Tensor {
        let dims = self.with_rest(dims.sizes());
        if self.dims() == dims { self } else { bind1(Reshape { dims }, &[self]) }
    }
}

/// In [`Tensor::reshape`], the size that is left: NumPy's -1.
pub const REST: usize = usize::MAX;

/// The sizes of a new shape: an array, a slice or a vector of `usize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no shape",
    label = "not the sizes of axes",
    note = "sizes are `usize`; for the size that is left, NumPy's -1, write `REST`: `x.reshape([3, REST])`"
)]
pub trait NewShape {
    /// The sizes.
    fn sizes(self) -> Vec<usize>;
}
macro_rules! new_shape {
    ($([$($generic:tt)*] $t:ty),*) => {$(
        impl<$($generic)*> NewShape for $t {
            fn sizes(self) -> Vec<usize> {
                self.to_vec()
            }
        }
    )*};
}
new_shape!([const N: usize] [usize; N], [const N: usize] &[usize; N], [] Vec<usize>, [] &Vec<usize>, [] &[usize]);

impl Tensor {
    /// The sizes, with what is left in the place of [`REST`].
    #[track_caller]
    fn with_rest(self, mut dims: Vec<usize>) -> Vec<usize> {
        let Some(open) = dims.iter().position(|n| *n == REST) else { return dims };
        let mut others = dims.iter().enumerate().filter(|(i, _)| *i != open);
        let others = others.try_fold(1usize, |product, (_, n)| product.checked_mul(*n));
        let size = self.size();
        match others.filter(|n| *n > 0 && size.is_multiple_of(*n)) {
            Some(others) => dims[open] = size / others,
            None => {
                let text: Vec<String> =
                    dims.iter().map(|n| if *n == REST { "REST".into() } else { n.to_string() }).collect();
                let help = format!("one size may be open, and the others must divide the {size} elements");
                fail("reshape", vec![self.aval()], format!("it cannot become [{}]", text.join(", ")), Some(help))
            }
        }
        dims
    }
}
impl Primitive for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn tag(&self) -> Tag<'_> {
        Tag::Movement
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let y = x[0].with_dims(self.dims.clone());
        y.countable()?;
        if y.size() == x[0].size() {
            return Ok(vec![y]);
        }
        Err(Refusal::new(format!("it cannot become {:?}", self.dims)).help(format!(
            "{} elements against {}",
            x[0].size(),
            y.size()
        )))
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        vec![x[0].reshaped(self.dims.clone())]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| d.reshape(self.dims.clone()))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        vec![ct[0].map(|ct| ct.reshape(x[0].aval().dims))]
    }
    fn batch(&self, n: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].reshape([&[n], &self.dims[..]].concat())]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("reshape", x, "", &y[0])]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        moved(x).or(Some(Known::Operand(0)))
    }
}

/// Work of an operation that only moves elements.
pub(super) fn movement(x: &[Aval], y: &[Aval]) -> Cost {
    Cost { flops: 0.0, bytes: x.iter().chain(y).map(|a| a.bytes() as f64).sum() }
}

/// Axes in another order: output axis i is input axis `perm[i]`.
#[derive(Debug, PartialEq, Hash)]
pub struct Transpose {
    perm: Vec<usize>,
}
impl Tensor {
    /// Axes in another order: output axis i is input axis `perm[i]`.
    #[track_caller]
    pub fn transpose(self, perm: impl Into<Vec<usize>>) -> Tensor {
        let perm = perm.into();
        if perm.len() == self.rank() && perm.iter().enumerate().all(|(i, p)| i == *p) {
            return self;
        }
        bind1(Transpose { perm }, &[self])
    }
}
/// The axes of a host value in another order.
pub(super) fn transposed(x: &Host, perm: &[usize]) -> Host {
    let dims: Vec<usize> = perm.iter().map(|p| x.dims()[*p]).collect();
    let inv = inverse(perm);
    x.pick(dims.clone(), |o| {
        let o = unravel(&dims, o);
        ravel(x.dims(), &inv.iter().map(|i| o[*i]).collect::<Vec<_>>())
    })
}
impl Primitive for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..x[0].rank()) {
            return Err(format!("{:?} is not a permutation of its {} axes", self.perm, x[0].rank()).into());
        }
        Ok(vec![x[0].with_dims(self.perm.iter().map(|p| x[0].dims[*p]).collect::<Vec<_>>())])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        vec![transposed(&x[0], &self.perm)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| d.transpose(self.perm.clone()))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        vec![ct[0].map(|ct| ct.transpose(inverse(&self.perm)))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![x[0].transpose([&[0], &shifted(&self.perm, 1)[..]].concat())]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("transpose", x, &format!("permutation = {}", array(&self.perm)), &y[0])]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        movement(x, y)
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        moved(x)
    }
}

/// Repetition along new or size-1 axes: input axis i becomes output axis `at[i]`.
#[derive(Debug, PartialEq, Hash)]
pub struct BroadcastInDim {
    dims: Vec<usize>,
    at: Vec<usize>,
}
/// `x` repeated to shape `dims`: input axis i becomes output axis `at[i]` (increasing); size-1 axes stretch.
#[track_caller]
pub fn broadcast_in_dim(x: Tensor, dims: impl Into<Vec<usize>>, at: Vec<usize>) -> Tensor {
    bind1(BroadcastInDim { dims: dims.into(), at }, &[x])
}
impl Primitive for BroadcastInDim {
    fn name(&self) -> &'static str {
        "broadcast_in_dim"
    }
    fn tag(&self) -> Tag<'_> {
        Tag::Movement
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let fits = |(d, a): (&usize, &usize)| *a < self.dims.len() && (*d == 1 || *d == self.dims[*a]);
        let increasing = self.at.windows(2).all(|w| w[0] < w[1]);
        if x[0].rank() == self.at.len() && increasing && x[0].dims.iter().zip(&self.at).all(fits) {
            return Ok(vec![x[0].with_dims(self.dims.clone())]);
        }
        Err(format!("it does not fit {:?} at axes {:?}", self.dims, self.at).into())
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let d = x[0].dims();
        vec![x[0].pick(self.dims.clone(), |o| {
            let o = unravel(&self.dims, o);
            ravel(d, &self.at.iter().zip(d).map(|(a, d)| if *d == 1 { 0 } else { o[*a] }).collect::<Vec<_>>())
        })]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| broadcast_in_dim(d, self.dims.clone(), self.at.clone()))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let d = x[0].aval().dims;
        let kept = self.at.iter().zip(&d).filter(|(a, d)| **d == self.dims[**a]).map(|(a, _)| *a);
        let stretched = other_axes(self.dims.len(), &kept.collect::<Vec<_>>());
        vec![ct[0].map(|ct| reduce_sum(ct, stretched).reshape(d))]
    }
    fn batch(&self, n: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        let at = [&[0], &shifted(&self.at, 1)[..]].concat();
        vec![broadcast_in_dim(x[0], [&[n], &self.dims[..]].concat(), at)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("broadcast_in_dim", x, &format!("broadcast_dimensions = {}", array(&self.at)), &y[0])]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        movement(x, y)
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        moved(x).or(Some(Known::Operand(0)))
    }
}

/// Tensors one after the other along an axis.
#[derive(Debug, PartialEq, Hash)]
pub struct Concatenate {
    axis: usize,
}
/// Tensors, at least one, one after the other along `axis`. See also [`concat`](crate::concat), which counts negative
/// axes from the end.
#[track_caller]
pub fn concatenate(x: &[Tensor], axis: usize) -> Tensor {
    bind1(Concatenate { axis }, x)
}
impl Primitive for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let first = x.first().ok_or("there is nothing to concatenate")?;
        require_axis(first, self.axis)?;
        let mut dims = first.dims.clone();
        dims[self.axis] = 0;
        for (i, a) in x.iter().enumerate() {
            if a.dtype != first.dtype {
                return Err(Refusal::new(format!("the dtypes of operands 1 and {} differ", i + 1))
                    .help("cast one of them with `.cast(..)`"));
            }
            let differ = |axis: &usize| *axis != self.axis && a.dims[*axis] != first.dims[*axis];
            if a.rank() != first.rank() {
                return Err(format!("operands 1 and {} have different numbers of axes", i + 1).into());
            }
            if let Some(axis) = (0..a.rank()).find(differ) {
                let (n, m) = (first.dims[axis], a.dims[axis]);
                return Err(format!("axis {axis} is {n} in operand 1 and {m} in operand {}", i + 1).into());
            }
            dims[self.axis] = dims[self.axis].saturating_add(a.dims[self.axis]);
        }
        Ok(vec![first.with_dims(dims)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let avals: Vec<Aval> = x.iter().map(|h| h.aval().clone()).collect();
        let y = self.infer(&avals).expect("inferred").swap_remove(0);
        let from = |o: usize| {
            let mut at = unravel(&y.dims, o);
            let (mut operand, mut before) = (0, 0);
            while at[self.axis] >= avals[operand].dims[self.axis] {
                at[self.axis] -= avals[operand].dims[self.axis];
                before += avals[operand].size();
                operand += 1;
            }
            before + ravel(&avals[operand].dims, &at)
        };
        vec![joined(x).pick(y.dims.clone(), from)]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let d: Vec<Tensor> = x.iter().zip(dx).map(|(x, d)| d.unwrap_or_else(|| zeros_of(&x.aval()))).collect();
        vec![Some(concatenate(&d, self.axis))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let Some(ct) = ct[0] else { return vec![None; x.len()] };
        let (mut start, mut limit) = (vec![0; ct.rank()], ct.dims());
        let mut part = |x: &Operand| {
            limit[self.axis] = start[self.axis] + x.aval().dims[self.axis];
            let part = x.is_linear().then(|| slice(ct, &*start, &*limit, vec![1; start.len()]));
            start[self.axis] = limit[self.axis];
            part
        };
        x.iter().map(&mut part).collect()
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        vec![concatenate(&spread(n, x, mapped), self.axis + 1)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        // empty operands add nothing
        let parts: Vec<Value> = x.iter().filter(|x| x.aval.size() > 0).cloned().collect();
        match &parts[..] {
            [] => vec![cx.splat(&y[0], 0.0)],
            [only] => vec![only.clone()],
            _ => vec![cx.op("concatenate", &parts, &format!("dimension = {} : i64", self.axis), &y[0])],
        }
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        movement(x, y)
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        merged(x)
    }
}
/// The elements of all values, one after the other.
pub(super) fn joined(x: &[Host]) -> Host {
    Host::joined(x[0].dtype(), x)
}

/// Axes run backwards.
#[derive(Debug, PartialEq, Hash)]
pub struct Reverse {
    axes: Vec<usize>,
}
/// The order of the elements along some axes reversed. See also [`Tensor::flip`].
#[track_caller]
pub fn reverse(x: Tensor, axes: impl Into<Vec<usize>>) -> Tensor {
    let axes = axes.into();
    if axes.is_empty() { x } else { bind1(Reverse { axes }, &[x]) }
}
impl Primitive for Reverse {
    fn name(&self) -> &'static str {
        "reverse"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        self.axes.iter().try_for_each(|a| require_axis(&x[0], *a).map(|_| ()))?;
        if self.axes.iter().enumerate().any(|(i, a)| self.axes[..i].contains(a)) {
            return Err(format!("an axis is named twice in {:?}", self.axes).into());
        }
        Ok(vec![x[0].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let dims = x[0].dims();
        vec![x[0].pick(dims, |o| {
            let mut at = unravel(dims, o);
            self.axes.iter().for_each(|a| at[*a] = dims[*a] - 1 - at[*a]);
            ravel(dims, &at)
        })]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| reverse(d, &*self.axes))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        vec![ct[0].map(|ct| reverse(ct, &*self.axes))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![reverse(x[0], shifted(&self.axes, 1))]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("reverse", x, &format!("dimensions = {}", array(&self.axes)), &y[0])]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        movement(x, y)
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        moved(x)
    }
}

/// Counting along one axis.
#[derive(Debug, PartialEq, Hash)]
pub struct Iota {
    dtype: DType,
    dims: Vec<usize>,
    axis: usize,
}
/// A tensor whose elements are their own index along `axis`: 0, 1, 2, ...
#[track_caller]
pub fn iota(dims: impl Into<Vec<usize>>, dtype: DType, axis: usize) -> Tensor {
    bind1(Iota { dtype, dims: dims.into(), axis }, &[])
}
impl Primitive for Iota {
    fn name(&self) -> &'static str {
        "iota"
    }
    fn infer(&self, _: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let y = Aval::new(self.dtype, self.dims.clone());
        if self.dtype == DType::Bool {
            return Err(Refusal::new("bools do not count").help("take an integer dtype, and compare"));
        }
        let n = require_axis(&y, self.axis)?;
        if n > 0 && (n - 1).host(self.dtype).is_err() {
            return Err(Refusal::new(format!("{} cannot count to {}", self.dtype, n - 1)).help("take a wider dtype"));
        }
        Ok(vec![y])
    }
    fn eval(&self, _: &[Host]) -> Vec<Host> {
        let n: usize = self.dims.iter().product();
        let v = (0..n).map(|i| unravel(&self.dims, i)[self.axis] as i128).collect();
        vec![Host::ints(self.dtype, self.dims.clone(), v)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, n: usize, _: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![iota([&[n], &self.dims[..]].concat(), self.dtype, self.axis + 1)]
    }
    fn lower(&self, cx: &mut Lower, _: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("iota", &[], &format!("iota_dimension = {} : i64", self.axis), &y[0])]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "reshape",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                Case::new("split", vec![sample(d, &[6, 2], 1)], |x| vec![x[0].reshape([2, 3, 2])]),
                Case::new("to scalar", vec![sample(d, &[1, 1], 2)], |x| vec![x[0].reshape([])]),
                Case::new("from scalar", vec![sample(d, &[], 3)], |x| vec![x[0].reshape([1, 1])]),
                Case::new("empty", vec![sample(d, &[0, 3], 4)], |x| vec![x[0].reshape([2, 0, 5])]),
            ]
        },
    },
    Row {
        name: "transpose",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                Case::new("cycle", vec![sample(d, &[2, 3, 4], 1)], |x| vec![x[0].transpose([2, 0, 1])]),
                Case::new("one", vec![sample(d, &[1, 1, 3], 2)], |x| vec![x[0].transpose([1, 2, 0])]),
                Case::new("empty", vec![sample(d, &[0, 2], 3)], |x| vec![x[0].transpose([1, 0])]),
            ]
        },
    },
    Row {
        name: "broadcast_in_dim",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                Case::new("new axes", vec![sample(d, &[3], 1)], |x| vec![broadcast_in_dim(x[0], [2, 3, 4], vec![1])]),
                Case::new("stretch", vec![sample(d, &[1, 3], 2)], |x| vec![broadcast_in_dim(x[0], [2, 3], vec![0, 1])]),
                Case::new("scalar", vec![sample(d, &[], 3)], |x| vec![broadcast_in_dim(x[0], [2, 3], vec![])]),
                Case::new("one", vec![sample(d, &[1], 4)], |x| vec![broadcast_in_dim(x[0], [1, 1], vec![0])]),
                Case::new("to nothing", vec![sample(d, &[1, 3], 5)], |x| {
                    vec![broadcast_in_dim(x[0], [0, 2, 3], vec![0, 2])]
                }),
                Case::new("empty", vec![sample(d, &[0], 6)], |x| vec![broadcast_in_dim(x[0], [2, 0], vec![1])]),
            ]
        },
    },
    Row {
        name: "concatenate",
        dtypes: any_dtype,
        cases: |d| {
            let three = vec![sample(d, &[2, 3], 1), sample(d, &[2, 0], 2), sample(d, &[2, 2], 3)];
            vec![
                Case::new("columns", three, |x| vec![concatenate(x, 1)]),
                Case::new("alone", vec![sample(d, &[3], 4)], |x| vec![concatenate(x, 0)]),
                Case::new("empty", vec![sample(d, &[0, 2], 5), sample(d, &[0, 3], 6)], |x| vec![concatenate(x, 1)]),
                Case::new("rows, of which one has none", vec![sample(d, &[0, 2], 7), sample(d, &[1, 2], 8)], |x| {
                    vec![concatenate(x, 0)]
                }),
            ]
        },
    },
    Row {
        name: "reverse",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                Case::new("two of three", vec![sample(d, &[2, 3, 4], 1)], |x| vec![reverse(x[0], [2, 0])]),
                Case::new("one", vec![sample(d, &[1, 2], 2)], |x| vec![reverse(x[0], [0])]),
                Case::new("empty", vec![sample(d, &[0, 2], 3)], |x| vec![reverse(x[0], [0, 1])]),
            ]
        },
    },
    Row {
        name: "iota",
        dtypes: is_number,
        cases: |d| {
            vec![
                Case::new("vector", vec![], move |_| vec![iota([5], d, 0)]),
                Case::new("rows", vec![], move |_| vec![iota([3, 2], d, 0)]),
                Case::new("long", vec![], move |_| vec![iota([2, if d.bits() > 8 { 300 } else { 8 }], d, 1)]),
                Case::new("one", vec![], move |_| vec![iota([1, 2], d, 0)]),
                Case::new("empty", vec![], move |_| vec![iota([2, 0], d, 0)]),
            ]
        },
    },
];
