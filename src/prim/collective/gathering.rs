//! Collectives that collect or distribute slices.
use super::*;

/// The number of each instance along a named axis.
#[derive(Clone, PartialEq, Hash)]
pub struct AxisIndex {
    axis: [NamedAxis; 1],
}
/// The number of this instance along the named axes, an i32 scalar; of several axes the last counts fastest. JAX:
/// `lax.axis_index`.
#[track_caller]
pub fn axis_index(axes: impl AxisNames) -> Tensor {
    let _at = At::op("axis_index");
    number(&axes.axes("axis_index"))
}
pub(super) fn number(axes: &[NamedAxis]) -> Tensor {
    let one = |axis: &NamedAxis| bind1(AxisIndex { axis: [axis.clone()] }, &[]);
    let mixed = |number: Option<Tensor>, axis: &NamedAxis| match number {
        Some(number) => Some(number * axis.size + one(axis)),
        None => Some(one(axis)),
    };
    axes.iter().fold(None, mixed).unwrap_or_else(|| full([], DType::I32, 0))
}
/// How many instances there are along the named axes. JAX: `lax.axis_size`.
#[track_caller]
pub fn axis_size(axes: impl AxisNames) -> usize {
    let _at = At::op("axis_size");
    instances(&axes.axes("axis_size"))
}
impl fmt::Debug for AxisIndex {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "axis_index[{}]", self.axis[0].name)
    }
}
impl Primitive for AxisIndex {
    fn name(&self) -> &'static str {
        "axis_index"
    }
    fn infer(&self, _: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        Ok(vec![Aval::new(DType::I32, [])])
    }
    fn eval(&self, _: &[Host]) -> Vec<Host> {
        unbound(&self.axis)
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, n: usize, _: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![broadcast_leading(bind1(self.clone(), &[]), n)]
    }
    fn lower(&self, cx: &mut Lower, _: &[Value], _: &[Aval]) -> Vec<Value> {
        vec![cx.device_number(&self.axis[0])]
    }
    fn over_axes(&self) -> Option<&dyn OverAxes> {
        Some(self)
    }
}
impl OverAxes for AxisIndex {
    fn axes(&self) -> &[NamedAxis] {
        &self.axis
    }
    fn with_axes(&self, axes: Vec<NamedAxis>) -> Rc<dyn Primitive> {
        Rc::new(AxisIndex { axis: axes.try_into().expect("as many as it has: one") })
    }
    fn batch_over(&self, axis: &BatchAxis, _: &[Tensor], _: &[bool]) -> Batched {
        vec![(iota([axis.size], DType::I32, 0), true)]
    }
    fn waits(&self) -> bool {
        false
    }
}

/// The values of all instances.
#[derive(Clone, PartialEq, Hash)]
pub struct AllGather {
    pub(super) axes: Vec<NamedAxis>,
    pub(super) at: usize,
    pub(super) tiled: bool,
}
/// The values of all instances along the named axes, stacked along a new axis number `at`, or (`tiled`) concatenated along
/// the existing axis `at`. JAX: `lax.all_gather`.
///
/// # Errors
/// Fails for an axis that does not exist.
#[track_caller]
pub fn all_gather<X: TensorTree>(x: X, axes: impl AxisNames, at: usize, tiled: bool) -> X {
    let _at = At::op("all_gather");
    let axes = axes.axes("all_gather");
    on_leaves(x, |t| bind1(AllGather { axes: axes.clone(), at, tiled }, &[t]))
}
impl fmt::Debug for AllGather {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let tiled = if self.tiled { " tiled" } else { "" };
        write!(f, "all_gather[{} axis={}{tiled}]", names(&self.axes), self.at)
    }
}
impl Primitive for AllGather {
    fn name(&self) -> &'static str {
        "all_gather"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let (a, n) = (&x[0], instances(&self.axes));
        if self.tiled {
            let size = require_axis(a, self.at)?;
            return Ok(vec![a.with_dims(inserted(&removed(&a.dims, self.at), self.at, size.saturating_mul(n)))]);
        }
        if self.at > a.rank() {
            return Err(format!("a new axis cannot have number {} beside {} others", self.at, a.rank()).into());
        }
        Ok(vec![a.with_dims(inserted(&a.dims, self.at, n))])
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let back = PsumScatter { axes: self.axes.clone(), at: self.at, tiled: self.tiled };
        vec![ct[0].map(|ct| bind1(back, &[ct]))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(AllGather { at: self.at + 1, ..self.clone() }, x)
    }
    linear_collective!();
}
impl Linear for AllGather {
    fn axes(&self) -> &[NamedAxis] {
        &self.axes
    }
    fn along(&self, axes: Vec<NamedAxis>) -> AllGather {
        AllGather { axes, ..self.clone() }
    }
    /// Gathers along the outermost axis and transposes then. The parts lie one after the other in memory there; along any other
    /// axis XLA would copy the whole into a layout in which they do.
    fn emit(&self, cx: &mut Lower, x: &Value, y: &Aval) -> Value {
        let attrs = over_devices(cx, &self.axes, "all_gather_dim = 0 : i64");
        if self.tiled && self.at == 0 {
            return cx.op("all_gather", std::slice::from_ref(x), &attrs, y);
        }
        let dims = &x.aval.dims;
        let part = cx.op("reshape", std::slice::from_ref(x), "", &x.aval.with_dims(inserted(dims, 0, 1)));
        let all = cx.op("all_gather", &[part], &attrs, &x.aval.with_dims(inserted(dims, 0, instances(&self.axes))));
        let all = transposed(cx, &all, 0, self.at);
        if self.tiled { cx.op("reshape", &[all], "", y) } else { all }
    }
    fn over(&self, axis: &BatchAxis, x: Tensor, mapped: bool) -> (Tensor, bool) {
        (moved_axis(in_front(axis, (x, mapped)), 0, self.at), false)
    }
    fn is_plain(&self) -> bool {
        !self.tiled
    }
    fn in_steps(&self, x: Tensor, y: &Aval) -> Tensor {
        let one = |x, axis: &NamedAxis| bind1(AllGather { axes: vec![axis.clone()], at: self.at, tiled: false }, &[x]);
        self.axes.iter().rev().fold(x, one).reshape(&y.dims[..])
    }
}

/// The sum over instances, of which each gets a part.
#[derive(Clone, PartialEq, Hash)]
pub struct PsumScatter {
    axes: Vec<NamedAxis>,
    at: usize,
    tiled: bool,
}
/// The sum over the instances along the named axes, of which instance i gets part i along axis `at`. Without `tiled` the axis
/// has one element per instance and disappears; with it the axis has a multiple of that and is divided. JAX:
/// `lax.psum_scatter`.
///
/// # Errors
/// Fails for an axis of another size than the number of instances (`tiled`: than a multiple of it).
#[track_caller]
pub fn psum_scatter<X: TensorTree>(x: X, axes: impl AxisNames, at: usize, tiled: bool) -> X {
    let _at = At::op("psum_scatter");
    let axes = axes.axes("psum_scatter");
    on_leaves(x, |t| bind1(PsumScatter { axes: axes.clone(), at, tiled }, &[t]))
}
impl fmt::Debug for PsumScatter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let tiled = if self.tiled { " tiled" } else { "" };
        write!(f, "psum_scatter[{} axis={}{tiled}]", names(&self.axes), self.at)
    }
}
impl Primitive for PsumScatter {
    fn name(&self) -> &'static str {
        "psum_scatter"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let a = &x[0];
        require(a, is_number, "a number")?;
        require_instances(a, self.at, &self.axes, self.tiled)?;
        let rest = removed(&a.dims, self.at);
        let part = || inserted(&rest, self.at, a.dims[self.at] / instances(&self.axes).max(1));
        Ok(vec![a.with_dims(if self.tiled { part() } else { rest.clone() })])
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let back = AllGather { axes: self.axes.clone(), at: self.at, tiled: self.tiled };
        vec![ct[0].map(|ct| bind1(back, &[ct]))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(PsumScatter { at: self.at + 1, ..self.clone() }, x)
    }
    linear_collective!();
}
impl Linear for PsumScatter {
    fn axes(&self) -> &[NamedAxis] {
        &self.axes
    }
    fn along(&self, axes: Vec<NamedAxis>) -> PsumScatter {
        PsumScatter { axes, ..self.clone() }
    }
    /// Scatters along the outermost axis, for the reason that [`AllGather`] has.
    fn emit(&self, cx: &mut Lower, x: &Value, y: &Aval) -> Value {
        let direct = self.tiled && self.at == 0;
        let (parts, part) = match self.tiled {
            _ if direct => (x.clone(), y.clone()),
            true => {
                let split = y.with_dims(inserted(&y.dims, self.at, instances(&self.axes)));
                (cx.op("reshape", std::slice::from_ref(x), "", &split), y.with_dims(inserted(&y.dims, 0, 1)))
            }
            false => (x.clone(), y.with_dims(inserted(&y.dims, 0, 1))),
        };
        let parts = transposed(cx, &parts, self.at, 0);
        let region = reduction::combiner(cx, "add", y.dtype);
        let attrs = over_devices(cx, &self.axes, "scatter_dimension = 0 : i64");
        let part = cx.op_with("reduce_scatter", &[parts], &attrs, vec![region], &[part]).swap_remove(0);
        if direct { part } else { cx.op("reshape", &[part], "", y) }
    }
    fn over(&self, axis: &BatchAxis, x: Tensor, mapped: bool) -> (Tensor, bool) {
        let sum = match mapped {
            true => reduce_sum(x, [0]),
            false => mul(x, x.like(axis.size)),
        };
        (moved_axis(sum, self.at, 0), true)
    }
    fn is_plain(&self) -> bool {
        !self.tiled
    }
    fn in_steps(&self, x: Tensor, _: &Aval) -> Tensor {
        let one =
            |x, axis: &NamedAxis| bind1(PsumScatter { axes: vec![axis.clone()], at: self.at, tiled: false }, &[x]);
        self.axes.iter().fold(divided(x, self.at, &self.axes, self.tiled), one)
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[
    Row {
        name: "axis_index",
        dtypes: |d| d == DType::F64 || d == DType::I32,
        cases: |d| {
            vec![
                over_axis("one", vec![sample(d, &[3, 2], 1)], move |x| vec![x[0] * axis_index("i").cast(d)]),
                over_axis("in a loop", vec![sample(d, &[3, 2], 1)], move |x| {
                    // the carry differs between instances only because of their numbers
                    let step = |c: Tensor, ()| (c + axis_index("i"), c);
                    let options = ScanOptions { length: Some(2), ..ScanOptions::default() };
                    let (c, ys) = scan_with(options, step, full([], DType::I32, 1), ());
                    vec![x[0] * c.cast(d), ys]
                }),
            ]
        },
    },
    Row {
        name: "all_gather",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                over_axis("new axis", vec![sample(d, &[3, 2, 2], 1)], |x| vec![all_gather(x[0], "i", 1, false)]),
                over_axis("tiled", vec![sample(d, &[3, 2, 2], 1)], |x| vec![all_gather(x[0], "i", 1, true)]),
                over_two_axes("two axes", vec![sample(d, &[2, 3, 2], 1)], |x| {
                    vec![all_gather(x[0], ["i", "j"], 1, false), all_gather(x[0], ["j", "i"], 0, true)]
                }),
            ]
        },
    },
    Row {
        name: "psum_scatter",
        dtypes: is_number,
        cases: |d| {
            vec![
                over_axis("one", vec![sample(d, &[3, 2, 3], 1)], |x| vec![psum_scatter(x[0], "i", 1, false)]),
                over_axis("tiled", vec![sample(d, &[3, 2, 6], 1)], |x| vec![psum_scatter(x[0], "i", 1, true)]),
                over_two_axes("two axes", vec![sample(d, &[2, 3, 6], 1)], |x| {
                    vec![psum_scatter(x[0], ["i", "j"], 0, false), psum_scatter(x[0], ["j", "i"], 0, true)]
                }),
            ]
        },
    },
];
