//! Convolutions.
use super::*;
use crate::{
    host::{Both, ravel, unravel},
    lower::array,
    trace::{At, bind1},
};

/// How a kernel moves over its input. A vector has one entry for each spatial axis; an empty one means the default.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Window {
    /// Steps between positions of the kernel. By default 1.
    pub strides: Vec<usize>,
    /// Zeros around the input. By default none.
    pub padding: Padding,
    /// Distance of neighbouring input elements, zeros in between: more than 1 in a transposed convolution. By default 1.
    pub input_dilation: Vec<usize>,
    /// Distance of neighbouring kernel elements ("atrous" convolution). By default 1.
    pub kernel_dilation: Vec<usize>,
    /// Number of groups in which input and output features are divided; each sees its own group only.
    pub feature_groups: usize,
    /// Number of groups in which the input's batch and the output features are divided: group i of the features is
    /// computed from group i of the batch. Arises from derivatives of grouped convolutions.
    pub batch_groups: usize,
    /// How exactly to multiply.
    pub precision: Precision,
    /// The result's dtype, no narrower than the operands'. By default theirs.
    pub output: Option<DType>,
}
/// Zeros around the input of a convolution, named as in JAX.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub enum Padding {
    /// None: the kernel stays within the input.
    #[default]
    Valid,
    /// As many as give one result per `stride` elements of the input, an odd one behind it. Not for a dilated input.
    Same,
    /// As `Same`, an odd one before it.
    SameLower,
    /// So many before and after the (dilated) input, one pair per spatial axis; negative numbers cut off.
    Explicit(Vec<(i64, i64)>),
}
impl From<Vec<(i64, i64)>> for Padding {
    fn from(pairs: Vec<(i64, i64)>) -> Padding {
        if pairs.is_empty() { Padding::Valid } else { Padding::Explicit(pairs) }
    }
}
impl FromIterator<(i64, i64)> for Padding {
    fn from_iter<I: IntoIterator<Item = (i64, i64)>>(pairs: I) -> Padding {
        pairs.into_iter().collect::<Vec<_>>().into()
    }
}
impl Padding {
    /// The numbers, once a primitive holds them.
    pub(super) fn pairs(&self) -> &[(i64, i64)] {
        match self {
            Padding::Explicit(pairs) => pairs,
            _ => &[],
        }
    }
    /// The numbers for one axis of `n` elements, over which a kernel that spans `window` moves by `stride`.
    pub(super) fn pair(&self, n: usize, window: i64, stride: usize) -> (i64, i64) {
        let all = (n.div_ceil(stride.max(1)) as i128 - 1) * stride as i128 + window as i128 - n as i128;
        let all = all.clamp(0, MOST as i128) as i64;
        let half = all / 2;
        match self {
            Padding::Same => (half, all - half),
            Padding::SameLower => (all - half, half),
            _ => (0, 0),
        }
    }
}
impl Default for Window {
    fn default() -> Window {
        Window {
            strides: vec![],
            padding: Padding::Valid,
            input_dilation: vec![],
            kernel_dilation: vec![],
            feature_groups: 1,
            batch_groups: 1,
            precision: Precision::Default,
            output: None,
        }
    }
}

/// A convolution with all its options.
///
/// Each list of axes starts with two that are not spatial: batch and feature axis of the input and of the output; output
/// and input feature axis of the kernel.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Convolution {
    input: Vec<usize>,
    kernel: Vec<usize>,
    output: Vec<usize>,
    window: Window,
}

/// The convolution of `x` with `kernel` (more exactly, as everywhere in machine learning, their correlation).
///
/// `spec` names the axes: `n` batch, `c` features, `o` and `i` the kernel's output and input features, any other letters the
/// spatial axes.
///
/// ```
/// # use raxla::{prelude::*, prim::{conv, Padding, Window}, trace::trace_graph};
/// # let avals = [Aval::new(DType::F32, [1, 28, 28, 3]), Aval::new(DType::F32, [5, 5, 3, 16])];
/// # let g = trace_graph(&avals, |t| { let (x, kernel) = (t[0], t[1]);
/// let window = Window { strides: vec![2, 2], padding: Padding::Same, ..Default::default() };
/// let y = conv("nhwc,hwio->nhwc", x, kernel, window);
/// # vec![y] }).unwrap();
/// # assert_eq!(g.out_avals()[0].to_string(), "f32[1, 14, 14, 16]");
/// ```
#[track_caller]
pub fn conv(spec: &str, x: Tensor, kernel: Tensor, window: Window) -> Tensor {
    let _at = At::op("conv");
    let refuse = |why: &str| -> ! {
        let help = "name the axes as in \"nhwc,hwio->nhwc\"".to_string();
        fail(&format!("conv {spec:?}"), vec![x.aval(), kernel.aval()], why, Some(help))
    };
    let Some((left, output)) = spec.split_once("->") else { refuse("there is no `->`") };
    let Some((input, kernel_axes)) = left.split_once(',') else { refuse("it does not name two operands") };
    let spatial: Vec<char> = kernel_axes.chars().filter(|c| !"oi".contains(*c)).collect();
    let axes = |names: &str, others: [char; 2]| -> Vec<usize> {
        let names: Vec<char> = names.chars().collect();
        let at = |c: &char| names.iter().position(|n| n == c);
        let found: Option<Vec<usize>> = others.iter().chain(&spatial).map(at).collect();
        let expected = others.iter().chain(&spatial).collect::<String>();
        match found {
            Some(axes) if axes.len() == names.len() => axes,
            _ => refuse(&format!("its parts name different axes: expected {expected:?} in any order")),
        }
    };
    let (input, output, axes) = (axes(input, ['n', 'c']), axes(output, ['n', 'c']), axes(kernel_axes, ['o', 'i']));
    Convolution { input, kernel: axes, output, window }.of(x, kernel)
}

/// One spatial axis.
#[derive(Clone, Copy, PartialEq, Hash)]
pub(super) struct Axis {
    pub stride: usize,
    pub padding: (i64, i64),
    pub input_dilation: usize,
    pub kernel_dilation: usize,
}

impl Axis {
    /// Which of `n` input elements one element of the kernel meets at one position; none in the padding and in holes.
    pub fn met(self, position: usize, element: usize, n: usize) -> Option<usize> {
        let place = (position * self.stride + element * self.kernel_dilation) as i64 - self.padding.0;
        let step = self.input_dilation as i64;
        (place >= 0 && place % step == 0 && place / step < n as i64).then(|| (place / step) as usize)
    }
    /// How many elements of a kernel of size `k` meet one of `n` input elements, over all `m` positions.
    fn meetings(self, n: usize, k: usize, m: usize) -> usize {
        let most = k.saturating_mul(m);
        if most > 1 << 20 {
            // long axes: hardly any of them lies in the padding, and counting would take long
            return most / self.input_dilation;
        }
        (0..m).map(|o| (0..k).filter(|t| self.met(o, *t, n).is_some()).count()).sum()
    }
}

/// The largest stride, dilation, padding, and size of a dilated axis: with larger ones sums of them overflow.
pub(super) const MOST: i64 = 1 << 60;

/// The size of an axis with zeros between its elements, at most [`MOST`].
pub(super) fn dilated(n: usize, dilation: usize) -> i64 {
    if n == 0 { 0 } else { ((n - 1) as u128 * dilation as u128 + 1).min(MOST as u128) as i64 }
}

/// Axis `from` made the outer part of another, which is number `into` without it.
fn merged(x: Tensor, from: usize, into: usize) -> Tensor {
    x.move_axis(from as isize, into as isize).merge(into..into + 2)
}
/// The outer part of an axis, of size `n`, made an axis before it.
fn divided(x: Tensor, axis: usize, n: usize) -> Tensor {
    x.split_axis(axis as isize, [n, x.dims()[axis] / n])
}

impl Convolution {
    #[track_caller]
    fn of(&self, x: Tensor, kernel: Tensor) -> Tensor {
        let mut c = self.clone();
        let n = self.kernel.len().saturating_sub(2);
        for list in [&mut c.window.strides, &mut c.window.input_dilation, &mut c.window.kernel_dilation] {
            if list.is_empty() {
                *list = vec![1; n];
            }
        }
        if !matches!(c.window.padding, Padding::Explicit(_)) {
            if c.window.padding != Padding::Valid && c.window.input_dilation.iter().any(|d| *d != 1) {
                let help = "give it as numbers: `padding: vec![(before, after), ..].into()`";
                let reason = "`Padding::Same` says nothing about a dilated input";
                fail("convolution", vec![x.aval(), kernel.aval()], reason, Some(help.into()))
            }
            let size = |t: Tensor, axes: &[usize], i: usize| t.dims().get(axes[2 + i]).copied().unwrap_or(0);
            let pair = |i: usize| {
                let span = |d: &usize| dilated(size(kernel, &self.kernel, i), *d);
                let (window, stride) = (c.window.kernel_dilation.get(i).map_or(0, span), c.window.strides.get(i));
                c.window.padding.pair(size(x, &self.input, i), window, stride.copied().unwrap_or(1))
            };
            c.window.padding = (0..n).map(pair).collect();
        }
        bind1(c, &[x, kernel])
    }

    fn axis(&self, i: usize) -> Axis {
        let w = &self.window;
        let (input_dilation, kernel_dilation) = (w.input_dilation[i], w.kernel_dilation[i]);
        Axis { stride: w.strides[i], padding: w.padding.pairs()[i], input_dilation, kernel_dilation }
    }

    fn check_axes(&self, x: &[Aval]) -> Result<(), Refusal> {
        let lists = [("input", &self.input, &x[0]), ("kernel", &self.kernel, &x[1])];
        for (name, axes, x) in lists {
            if axes.len() != x.rank() {
                return Err(format!("{} axes are named of the {name}'s {}", axes.len(), x.rank()).into());
            }
        }
        let n = self.kernel.len() - 2;
        let w = &self.window;
        let numbers = [&w.strides, &w.input_dilation, &w.kernel_dilation];
        if numbers.iter().any(|v| v.len() != n) || w.padding.pairs().len() != n {
            return Err(
                format!("strides, padding and dilations need one entry for each of the {n} spatial axes").into()
            );
        }
        if numbers.iter().any(|v| v.contains(&0)) {
            return Err("strides and dilations must be at least 1".into());
        }
        let span = |i: usize| {
            let (a, [n, k]) = (self.axis(i), [x[0].dims[self.input[2 + i]], x[1].dims[self.kernel[2 + i]]]);
            let padding = a.padding.0.unsigned_abs().max(a.padding.1.unsigned_abs());
            let dilated = dilated(n, a.input_dilation).max(dilated(k, a.kernel_dilation));
            padding.max(dilated as u64).max(a.stride as u64)
        };
        if (0..n).any(|i| span(i) >= MOST as u64) {
            return Err("strides, padding and dilations are more than can be counted".into());
        }
        match self.kernel[2..].iter().find(|a| x[1].dims[**a] == 0) {
            Some(a) => Err(format!("the kernel's axis {a} is 0").into()),
            None => Ok(()),
        }
    }

    fn check_groups(&self, x: &[Aval]) -> Result<(), Refusal> {
        let Window { feature_groups: f, batch_groups: b, .. } = self.window;
        let (batch, features) = (x[0].dims[self.input[0]], x[0].dims[self.input[1]]);
        let (out, into) = (x[1].dims[self.kernel[0]], x[1].dims[self.kernel[1]]);
        if f == 0 || b == 0 || (f > 1 && b > 1) {
            return Err(format!("{f} feature groups and {b} batch groups: one of them must be 1").into());
        }
        if features % f != 0 || features / f != into {
            let of = if f == 1 { String::new() } else { format!(" in {f} groups") };
            return Err(format!("the input has {features} features{of} but the kernel takes {into}").into());
        }
        if batch % b != 0 {
            return Err(format!("a batch of {batch} cannot be divided into {b} groups").into());
        }
        if out % f.max(b) != 0 {
            return Err(format!("{out} output features cannot be divided into {} groups", f.max(b)).into());
        }
        Ok(())
    }

    fn spatial_size(&self, x: &[Aval], i: usize) -> Result<usize, Refusal> {
        let (a, axis) = (self.axis(i), self.input[2 + i]);
        let (low, high) = a.padding;
        let padded = dilated(x[0].dims[axis], a.input_dilation) + low + high;
        let window = dilated(x[1].dims[self.kernel[2 + i]], a.kernel_dilation);
        if padded < 0 {
            return Err(format!("padding the input's axis {axis} by {low} and {high} leaves {padded} elements").into());
        }
        Ok(if padded < window { 0 } else { ((padded - window) as usize) / a.stride + 1 })
    }

    /// Cotangent of the input. With groups, their axis moves between the features of kernel and output.
    fn transpose_input(&self, ct: Tensor, x: &Aval, kernel: Tensor) -> Tensor {
        let groups = self.window.feature_groups.max(self.window.batch_groups);
        let turned = if groups == 1 {
            kernel
        } else {
            let split = divided(kernel, self.kernel[0], groups);
            merged(split, self.kernel[0], self.kernel[1])
        };
        let padding = |i: usize| {
            let (a, out) = (self.axis(i), ct.dims()[self.output[2 + i]]);
            let window = dilated(kernel.dims()[self.kernel[2 + i]], a.kernel_dilation);
            let before = window - a.padding.0 - 1;
            let after =
                dilated(x.dims[self.input[2 + i]], a.input_dilation) + window - 1 - dilated(out, a.stride) - before;
            (before, after)
        };
        let back = Convolution {
            input: self.output.clone(),
            kernel: [&[self.kernel[1], self.kernel[0]], &self.kernel[2..]].concat(),
            output: self.input.clone(),
            window: Window {
                strides: self.window.input_dilation.clone(),
                padding: (0..self.kernel.len() - 2).map(padding).collect(),
                input_dilation: self.window.strides.clone(),
                feature_groups: groups,
                batch_groups: 1,
                output: None,
                ..self.window.clone()
            },
        };
        let y = back.of(ct, reverse(turned, &self.kernel[2..]).cast(ct.dtype())).cast(x.dtype);
        if self.window.batch_groups == 1 {
            return y;
        }
        merged(divided(y, self.input[1], groups), self.input[1], self.input[0])
    }

    /// Cotangent of the kernel: a convolution in which batch and features change places.
    fn transpose_kernel(&self, ct: Tensor, x: Tensor, kernel: &Aval) -> Tensor {
        let swapped = |axes: &[usize]| [&[axes[1], axes[0]], &axes[2..]].concat();
        let padding = |i: usize| {
            let (a, out) = (self.axis(i), ct.dims()[self.output[2 + i]]);
            let window = dilated(kernel.dims[self.kernel[2 + i]], a.kernel_dilation);
            let input = dilated(x.dims()[self.input[2 + i]], a.input_dilation);
            (a.padding.0, dilated(out, a.stride) - input + window - a.padding.0 - 1)
        };
        let back = Convolution {
            input: swapped(&self.input),
            kernel: swapped(&self.output),
            output: swapped(&self.kernel),
            window: Window {
                strides: self.window.kernel_dilation.clone(),
                padding: (0..self.kernel.len() - 2).map(padding).collect(),
                kernel_dilation: self.window.strides.clone(),
                feature_groups: self.window.batch_groups,
                batch_groups: self.window.feature_groups,
                output: None,
                ..self.window.clone()
            },
        };
        back.of(x.cast(ct.dtype()), ct).cast(kernel.dtype)
    }

    fn with_groups(&self, feature_groups: usize, batch_groups: usize) -> Convolution {
        Convolution { window: Window { feature_groups, batch_groups, ..self.window.clone() }, ..self.clone() }
    }
}

impl Primitive for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if x[0].dtype != x[1].dtype {
            return Err(
                Refusal::new("the dtypes differ").help(format!("cast one side: `.cast(DType::{:?})`", x[0].dtype))
            );
        }
        require(&x[0], is_number, "a number")?;
        self.check_axes(x)?;
        self.check_groups(x)?;
        let mut dims = vec![0; self.output.len()];
        dims[self.output[0]] = x[0].dims[self.input[0]] / self.window.batch_groups;
        dims[self.output[1]] = x[1].dims[self.kernel[0]];
        for (i, axis) in self.output[2..].iter().enumerate() {
            dims[*axis] = self.spatial_size(x, i)?;
        }
        Ok(vec![Aval::new(summed_as(x[0].dtype, self.window.output)?, dims)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone(), x[1].aval().clone()]).expect("inferred").swap_remove(0);
        let terms = self.terms(x[0].dims(), x[1].dims(), &y.dims);
        let n = y.size();
        vec![match x[0].beside(&x[1]) {
            Both::Float(a, b) => {
                let sum = |o: usize| terms(o).into_iter().map(|(i, j)| a[i] * b[j]).reduce(|x, y| x + y).unwrap_or(0.0);
                Host::floats(y.dtype, &*y.dims, (0..n).map(sum).collect())
            }
            Both::Int(a, b) => {
                let product = |s: i128, (i, j): (usize, usize)| s.wrapping_add(a[i].wrapping_mul(b[j]));
                Host::ints(y.dtype, &*y.dims, (0..n).map(|o| terms(o).into_iter().fold(0, product)).collect())
            }
            Both::Complex(a, b) => {
                let sum = |o: usize| terms(o).into_iter().map(|(i, j)| a[i] * b[j]).sum();
                Host::complex(y.dtype, &*y.dims, (0..n).map(sum).collect())
            }
        }]
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![add_opt(dx[0].map(|d| self.of(d, x[1])), dx[1].map(|d| self.of(x[0], d)))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        // an empty cotangent says nothing, and would make a kernel without elements
        let Some(ct) = ct[0].filter(|ct| ct.size() > 0) else { return vec![None; 2] };
        if x[0].is_linear() {
            return vec![Some(self.transpose_input(ct, &x[0].aval(), x[1].known())), None];
        }
        vec![None, Some(self.transpose_kernel(ct, x[0].known(), &x[1].aval()))]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        if n == 0 {
            let one = |(x, m): (&Tensor, &bool)| if *m { x.aval().unstacked() } else { x.aval() };
            let avals: Vec<Aval> = x.iter().zip(mapped).map(one).collect();
            let y = self.infer(&avals).expect("inferred when it was recorded").swap_remove(0);
            return vec![zeros_of(&y.stacked(0))];
        }
        let (f, b) = (self.window.feature_groups, self.window.batch_groups);
        let groups = f.max(b);
        let ([i0, i1], k0, [o0, o1]) =
            ([self.input[0], self.input[1]], self.kernel[0], [self.output[0], self.output[1]]);
        // groups must stay outermost: take them off an axis of operand with a leading batch axis, put that in between
        let between = |x: Tensor, axis: usize| merged(merged(divided(x, axis + 1, groups), 0, axis + 1), axis, axis);
        let (y, at) = match (mapped[0], mapped[1]) {
            (true, true) => {
                let (into, c) = if b > 1 { (i0, self.with_groups(f, b * n)) } else { (i1, self.with_groups(f * n, b)) };
                (divided(c.of(merged(x[0], 0, into), merged(x[1], 0, k0)), o1, n), o1)
            }
            (true, false) => {
                let input = if b > 1 { between(x[0], i0) } else { merged(x[0], 0, i0) };
                (divided(self.of(input, x[1]), o0, n), o0)
            }
            (false, _) if groups == 1 => (divided(self.of(x[0], merged(x[1], 0, k0)), o1, n), o1),
            (false, _) => {
                let y = self.of(x[0], between(x[1], k0));
                (merged(divided(divided(y, o1, groups), o1 + 1, n), o1, o1 + 1), o1)
            }
        };
        vec![y.move_axis(at as isize, 0)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let (x, wide) = widened(cx, x, &y[0]);
        // (XLA computes other values where it divides a spatial axis of one and any of the other)
        let whole = |axes: &'_ [usize]| if Cure::SpatialAxesWhole.applies() { axes[2..].to_vec() } else { vec![] };
        let x = [cx.undivided(&x[0], &whole(&self.input)), cx.undivided(&x[1], &whole(&self.kernel))];
        let w = &self.window;
        let layout = |axes: &[usize], others: [&str; 2]| {
            let name = |axis: usize| match axes.iter().position(|a| *a == axis).expect("every axis has a role") {
                i @ (0 | 1) => others[i].to_string(),
                i => (i - 2).to_string(),
            };
            (0..axes.len()).map(name).collect::<Vec<_>>().join(", ")
        };
        let (input, kernel) = (layout(&self.input, ["b", "f"]), layout(&self.kernel, ["o", "i"]));
        let output = layout(&self.output, ["b", "f"]);
        let n = w.padding.pairs().len();
        let padding: Vec<String> = w.padding.pairs().iter().map(|(low, high)| format!("[{low}, {high}]")).collect();
        let padding = if n == 0 { String::new() } else { format!("[{}]", padding.join(", ")) };
        let (strides, lhs, rhs) = (array(&w.strides), array(&w.input_dilation), array(&w.kernel_dilation));
        let (f, b, precision) = (w.feature_groups, w.batch_groups, w.precision.attr());
        let attrs = format!(
            "dimension_numbers = #stablehlo.conv<[{input}]x[{kernel}]->[{output}]>, window_strides = {strides}, \
             padding = dense<{padding}> : tensor<{n}x2xi64>, lhs_dilation = {lhs}, rhs_dilation = {rhs}, \
             feature_group_count = {f} : i64, batch_group_count = {b} : i64, {precision}"
        );
        let product = cx.op("convolution", &x, &attrs, &wide);
        let product = cx.undivided(&product, &whole(&self.output));
        vec![if wide == y[0] { product } else { cx.op("convert", &[product], "", &y[0]) }]
    }
    /// A multiplication and an addition for each pair of elements that meet.
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let (k, z) = (&x[1].dims, &y[0].dims);
        let meetings = |s: usize| {
            let (n, k, m) = (x[0].dims[self.input[2 + s]], k[self.kernel[2 + s]], z[self.output[2 + s]]);
            self.axis(s).meetings(n, k, m) as f64
        };
        let spatial: f64 = (0..self.kernel.len() - 2).map(meetings).product();
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        let features = (z[self.output[0]] * z[self.output[1]] * k[self.kernel[1]]) as f64;
        Cost { flops: 2.0 * features * spatial, bytes }
    }
}
impl Convolution {
    /// For each element of the output the pairs of input and kernel elements whose products it sums.
    fn terms(&self, x: &[usize], k: &[usize], y: &[usize]) -> impl Fn(usize) -> Vec<(usize, usize)> {
        let Window { feature_groups, batch_groups, .. } = self.window;
        let summed: Vec<usize> = self.kernel[1..].iter().map(|a| k[*a]).collect();
        let per_group = k[self.kernel[0]] / feature_groups.max(batch_groups);
        let count: usize = summed.iter().product();
        move |o: usize| {
            let at = unravel(y, o);
            let (image, feature) = (at[self.output[0]], at[self.output[1]]);
            let group = feature / per_group;
            let term = |t: usize| {
                let t = unravel(&summed, t);
                let (mut i, mut j) = (vec![0; x.len()], vec![0; k.len()]);
                i[self.input[0]] = image + if batch_groups > 1 { group * y[self.output[0]] } else { 0 };
                i[self.input[1]] = t[0] + if feature_groups > 1 { group * summed[0] } else { 0 };
                (j[self.kernel[0]], j[self.kernel[1]]) = (feature, t[0]);
                for s in 0..self.kernel.len() - 2 {
                    let met = self.axis(s).met(at[self.output[2 + s]], t[1 + s], x[self.input[2 + s]])?;
                    (i[self.input[2 + s]], j[self.kernel[2 + s]]) = (met, t[1 + s]);
                }
                Some((ravel(x, &i), ravel(k, &j)))
            };
            (0..count).filter_map(term).collect()
        }
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row { name: "convolution", dtypes: is_number, cases }];

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, spec: &'static str, x: &[usize], kernel: &[usize], window: Window| {
        let inputs = vec![sample_in(d, x, 1, -2.0, 2.0), sample_in(d, kernel, 2, -2.0, 2.0)];
        Case::new(label, inputs, move |x| vec![conv(spec, x[0], x[1], window.clone())])
    };
    let plain = Window::default;
    let strided = Window { strides: vec![2, 3], padding: vec![(1, 0), (0, 2)].into(), ..plain() };
    let dilated = Window { input_dilation: vec![2], kernel_dilation: vec![3], padding: vec![(4, 1)].into(), ..plain() };
    let all = Window { strides: vec![2], ..dilated.clone() };
    let wide = if d.is_float() && d.bits() < 32 { DType::F32 } else { d };
    let mut cases = vec![
        case("plain", "nchw,oihw->nchw", &[1, 2, 4, 3], &[2, 2, 3, 2], Window { output: Some(wide), ..plain() }),
        case("strided", "nhwc,hwio->nhwc", &[2, 4, 5, 2], &[3, 2, 2, 1], strided),
        case("dilated", "xnc,iox->cxn", &[4, 2, 1], &[1, 2, 2], dilated),
        case(
            "same",
            "ncx,oix->ncx",
            &[1, 1, 6],
            &[1, 1, 4],
            Window { strides: vec![2], padding: Padding::Same, ..plain() },
        ),
        case("same, lower", "ncx,oix->ncx", &[1, 1, 5], &[1, 1, 2], Window { padding: Padding::SameLower, ..plain() }),
        case("cut", "ncx,oix->ncx", &[1, 1, 6], &[1, 1, 2], Window { padding: vec![(-1, -2)].into(), ..plain() }),
        case("feature groups", "ncx,xio->nxc", &[2, 4, 5], &[2, 2, 6], Window { feature_groups: 2, ..all.clone() }),
        case("batch groups", "nxc,xio->ncx", &[4, 5, 2], &[2, 2, 2], Window { batch_groups: 2, ..all }),
        case("no space", "nc,io->nc", &[2, 3], &[3, 4], plain()),
        case("nothing", "ncx,oix->ncx", &[1, 2, 1], &[2, 2, 3], plain()),
    ];
    if !matches!(d, DType::F32 | DType::F64 | DType::I32) {
        // dtypes change the arithmetic, not the geometry, and convolutions compile slowly
        cases.truncate(2);
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::trace_graph;

    #[test]
    fn errors_name_axes_and_sizes() {
        let why = |spec: &str, x: &[usize], kernel: &[usize], window: Window| {
            let avals = [Aval::new(DType::F32, x), Aval::new(DType::F32, kernel)];
            let e = trace_graph(&avals, |t| vec![conv(spec, t[0], t[1], window)]).unwrap_err();
            assert_eq!(e.file, file!());
            e.to_string()
        };
        let has = |text: String, part: &str| assert!(text.contains(part), "{text}");
        let (plain, spec) = (Window::default, "ncx,oix->ncx");
        has(why("ncx,oix", &[1, 2, 5], &[2, 2, 3], plain()), "there is no `->`");
        has(why("ncx,oiy->ncx", &[1, 2, 5], &[2, 2, 3], plain()), "expected \"ncy\" in any order");
        has(why(spec, &[1, 2, 5], &[2, 3, 3], plain()), "the input has 2 features but the kernel takes 3");
        let grouped = Window { feature_groups: 2, ..plain() };
        has(why(spec, &[1, 4, 5], &[2, 4, 3], grouped.clone()), "4 features in 2 groups but the kernel takes 4");
        has(why(spec, &[1, 4, 5], &[3, 2, 3], grouped.clone()), "3 output features cannot be divided into 2 groups");
        let both = Window { batch_groups: 2, ..grouped };
        has(why(spec, &[1, 4, 5], &[2, 2, 3], both), "one of them must be 1");
        has(why(spec, &[3, 2, 5], &[2, 2, 3], Window { batch_groups: 2, ..plain() }), "a batch of 3 cannot be divided");
        has(why(spec, &[1, 2, 5], &[2, 2, 3], Window { strides: vec![1, 1], ..plain() }), "each of the 1 spatial axes");
        has(why(spec, &[1, 2, 5], &[2, 2, 3], Window { strides: vec![0], ..plain() }), "must be at least 1");
        has(why(spec, &[1, 2, 5], &[2, 2, 0], plain()), "the kernel's axis 2 is 0");
        has(
            why(spec, &[1, 2, 5], &[2, 2, 1], Window { padding: vec![(-3, -3)].into(), ..plain() }),
            "leaves -1 elements",
        );
        has(why(spec, &[1, 2], &[2, 2, 1], plain()), "3 axes are named of the input's 2");
    }
}
