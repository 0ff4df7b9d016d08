//! Reductions over axes.
use super::*;
use crate::{
    host::{Data, ravel, unravel},
    lower::array,
    trace::bind1,
};

/// Sum over axes.
#[derive(Debug)]
pub struct ReduceSum {
    axes: Vec<usize>,
}
/// Sum over some axes, which disappear. The method `sum` also takes negative axes.
#[track_caller]
pub fn reduce_sum(x: Tensor, axes: impl Into<Vec<usize>>) -> Tensor {
    let axes = axes.into();
    if axes.is_empty() { x } else { bind1(ReduceSum { axes }, &[x]) }
}

/// The shape without the reduced axes.
fn reduced(x: &Aval, axes: &[usize]) -> Result<Aval, String> {
    axes.iter().try_for_each(|a| require_axis(x, *a).map(|_| ()))?;
    if axes.iter().enumerate().any(|(i, a)| axes[..i].contains(a)) {
        return Err(format!("an axis is named twice in {axes:?}"));
    }
    Ok(x.with_dims(other_axes(x.rank(), axes).iter().map(|a| x.dims[*a]).collect::<Vec<_>>()))
}

/// Fold the elements along `axes` into each output element.
fn fold(x: &Host, axes: &[usize], float: (f64, fn(f64, f64) -> f64), int: (i128, fn(i128, i128) -> i128)) -> Host {
    let y = reduced(x.aval(), axes).expect("inferred");
    let kept = other_axes(x.dims().len(), axes);
    let to = |i: usize| {
        let i = unravel(x.dims(), i);
        ravel(&y.dims, &kept.iter().map(|a| i[*a]).collect::<Vec<_>>())
    };
    match x.data() {
        Data::Float(v) => {
            let mut out = vec![float.0; y.size()];
            v.iter().enumerate().for_each(|(i, v)| out[to(i)] = float.1(out[to(i)], *v));
            Host::floats(y.dtype, y.dims, out)
        }
        Data::Int(v) => {
            let mut out = vec![int.0; y.size()];
            v.iter().enumerate().for_each(|(i, v)| out[to(i)] = int.1(out[to(i)], *v));
            Host::ints(y.dtype, y.dims, out)
        }
    }
}

/// Emit a reduction with a one-operation body.
fn lower_reduce(cx: &mut Lower, op: &str, init: f64, x: &Value, axes: &[usize], y: &Aval) -> Value {
    let s = y.with_dims([]);
    let init = cx.splat(&s, init);
    let body = cx.region(&[s.clone(), s.clone()], |cx, a| vec![cx.op(op, a, "", &s)]);
    let attrs = format!("dimensions = {}", array(axes));
    cx.op_with("reduce", &[x.clone(), init], &attrs, vec![body], std::slice::from_ref(y)).swap_remove(0)
}

impl Primitive for ReduceSum {
    fn name(&self) -> &'static str {
        "reduce_sum"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, String> {
        require(&x[0], is_number, "a number")?;
        Ok(vec![reduced(&x[0], &self.axes)?])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        vec![fold(&x[0], &self.axes, (0.0, |a, b| a + b), (0, |a, b| a + b))]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| reduce_sum(d, self.axes.clone()))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let dims = x[0].aval().dims;
        let kept = other_axes(dims.len(), &self.axes);
        vec![ct[0].map(|ct| broadcast_in_dim(ct, dims, kept))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![reduce_sum(x[0], shifted(&self.axes, 1))]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![lower_reduce(cx, "add", 0.0, &x[0], &self.axes, &y[0])]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        Cost { flops: x[0].size() as f64, bytes: (x[0].bytes() + y[0].bytes()) as f64 }
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row {
    name: "reduce_sum",
    dtypes: is_number,
    cases: |d| {
        vec![
            Case::new("middle", vec![sample(d, &[2, 3, 4], 1)], |x| vec![reduce_sum(x[0], [1])]),
            Case::new("all", vec![sample(d, &[2, 3], 2)], |x| vec![reduce_sum(x[0], [0, 1])]),
            Case::new("empty", vec![sample(d, &[0, 3], 3)], |x| vec![reduce_sum(x[0], [0])]),
        ]
    },
}];
