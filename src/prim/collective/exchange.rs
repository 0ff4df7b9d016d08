//! Collectives that exchange values between instances.
use super::*;

/// Values sent from instance to instance.
#[derive(Clone, PartialEq, Hash)]
pub struct PPermute {
    axes: Vec<NamedAxis>,
    /// Which instance sends to which.
    pairs: Vec<(usize, usize)>,
}
/// Send values along the named axes: for each pair (from, to), instance `to` gets the value of `from`. Instances that
/// nobody sends to get zeros. JAX: `lax.ppermute`.
///
/// # Errors
/// Fails for instances that do not exist, and where two send to one.
#[track_caller]
pub fn ppermute<X: TensorTree>(x: X, axes: impl AxisNames, pairs: impl Into<Vec<(usize, usize)>>) -> X {
    let _at = At::op("ppermute");
    sent(x, &axes.axes("ppermute"), &pairs.into())
}
/// Rearrange values along the named axes: instance i gets the value of instance `perm[i]`. JAX: `lax.pshuffle`.
///
/// # Errors
/// Fails if `perm` is no permutation of the instances.
#[track_caller]
pub fn pshuffle<X: TensorTree>(x: X, axes: impl AxisNames, perm: impl Into<Vec<usize>>) -> X {
    let _at = At::op("pshuffle");
    let (axes, perm) = (axes.axes("pshuffle"), perm.into());
    let n = instances(&axes);
    if perm.len() != n || (0..n).any(|i| !perm.contains(&i)) {
        let whose =
            if axes.is_empty() { "instance that there is".into() } else { format!("instances of `{}`", names(&axes)) };
        fail(
            "pshuffle",
            vec![],
            format!("{perm:?} is no permutation of the {n} {whose}"),
            Some(format!("name each of 0..{n} once")),
        )
    }
    sent(x, &axes, &perm.into_iter().enumerate().map(|(to, from)| (from, to)).collect::<Vec<_>>())
}
#[track_caller]
fn sent<X: TensorTree>(x: X, axes: &[NamedAxis], pairs: &[(usize, usize)]) -> X {
    on_leaves(x, |t| match pairs.is_empty() {
        true => zeros_of(&t.aval()),
        false => bind1(PPermute { axes: axes.to_vec(), pairs: pairs.to_vec() }, &[t]),
    })
}
impl fmt::Debug for PPermute {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ppermute[{} {:?}]", names(&self.axes), self.pairs)
    }
}
impl Primitive for PPermute {
    fn name(&self) -> &'static str {
        "ppermute"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let n = instances(&self.axes);
        if let Some((from, to)) = self.pairs.iter().find(|(from, to)| *from >= n || *to >= n) {
            let wrong = format!("({from}, {to}) names an instance that does not exist");
            return Err(match self.axes.is_empty() {
                true => format!("{wrong}: without a name there is one").into(),
                false => format!("{wrong}: `{}` has {n}", names(&self.axes)).into(),
            });
        }
        for (i, (from, to)) in self.pairs.iter().enumerate() {
            if self.pairs[..i].iter().any(|(f, t)| f == from || t == to) {
                return Err(format!("({from}, {to}) sends or receives a second time").into());
            }
        }
        Ok(vec![x[0].clone()])
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let pairs = self.pairs.iter().map(|(from, to)| (*to, *from)).collect();
        vec![ct[0].map(|ct| bind1(PPermute { axes: self.axes.clone(), pairs }, &[ct]))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(self.clone(), x)
    }
    linear_collective!();
}
impl Linear for PPermute {
    fn axes(&self) -> &[NamedAxis] {
        &self.axes
    }
    fn along(&self, axes: Vec<NamedAxis>) -> PPermute {
        PPermute { axes, ..self.clone() }
    }
    fn emit(&self, cx: &mut Lower, x: &Value, y: &Aval) -> Value {
        let pairs = cx.device_pairs(&self.axes, &self.pairs);
        let attrs = format!("channel_handle = {}, source_target_pairs = {pairs}", cx.channel());
        cx.op("collective_permute", std::slice::from_ref(x), &attrs, y)
    }
    fn over(&self, axis: &BatchAxis, x: Tensor, mapped: bool) -> (Tensor, bool) {
        (received(in_front(axis, (x, mapped)), self.senders()), true)
    }
    fn is_plain(&self) -> bool {
        true
    }
    fn in_steps(&self, x: Tensor, _: &Aval) -> Tensor {
        let all = bind1(AllGather { axes: self.axes.clone(), at: 0, tiled: false }, &[x]);
        received(all, self.senders().take_with(gathering::number(&self.axes), 0, IndexMode::Clip))
    }
}
impl PPermute {
    /// The number of the instance that sends to each instance, i32 `[n]`; where none does, a number past the end.
    fn senders(&self) -> Tensor {
        let n = instances(&self.axes);
        let from = |to: usize| self.pairs.iter().find(|(_, t)| *t == to).map_or(n, |(from, _)| *from);
        literal(Host::ints(DType::I32, [n], (0..n).map(|to| from(to) as i128).collect()))
    }
}
/// The values at these places along the leading axis, and zeros for places past its end.
fn received(all: Tensor, from: Tensor) -> Tensor {
    let zeros = zeros_of(&all.aval().unstacked().stacked(1));
    concatenate(&[all, zeros], 0).take_with(from, 0, IndexMode::Clip)
}

/// Parts exchanged between all instances.
#[derive(Clone, PartialEq, Hash)]
pub struct AllToAll {
    axes: Vec<NamedAxis>,
    split: usize,
    concat: usize,
    tiled: bool,
}
/// Divide axis `split` between the instances along the named axes: each instance gets one part from every other, and puts
/// the parts together along axis `concat`. Without `tiled` the axis `split` has one element per instance and disappears, and
/// `concat` is a new axis; with it the first is divided and the second grows. JAX: `lax.all_to_all`.
///
/// # Errors
/// Fails for an axis `split` of another size than the number of instances (`tiled`: than a multiple of it).
#[track_caller]
pub fn all_to_all<X: TensorTree>(x: X, axes: impl AxisNames, split: usize, concat: usize, tiled: bool) -> X {
    let _at = At::op("all_to_all");
    let axes = axes.axes("all_to_all");
    on_leaves(x, |t| bind1(AllToAll { axes: axes.clone(), split, concat, tiled }, &[t]))
}
impl fmt::Debug for AllToAll {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let tiled = if self.tiled { " tiled" } else { "" };
        write!(f, "all_to_all[{} split={} concat={}{tiled}]", names(&self.axes), self.split, self.concat)
    }
}
impl Primitive for AllToAll {
    fn name(&self) -> &'static str {
        "all_to_all"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let (a, n) = (&x[0], instances(&self.axes));
        require_instances(a, self.split, &self.axes, self.tiled)?;
        if !self.tiled {
            let rest = removed(&a.dims, self.split);
            if self.concat > rest.len() {
                return Err(
                    format!("a new axis cannot have number {} beside {} others", self.concat, rest.len()).into()
                );
            }
            return Ok(vec![a.with_dims(inserted(&rest, self.concat, n))]);
        }
        require_axis(a, self.concat)?;
        let mut dims = a.dims.clone();
        dims[self.split] /= n.max(1);
        dims[self.concat] = dims[self.concat].saturating_mul(n);
        Ok(vec![a.with_dims(dims)])
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let back = AllToAll { split: self.concat, concat: self.split, ..self.clone() };
        vec![ct[0].map(|ct| bind1(back, &[ct]))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(AllToAll { split: self.split + 1, concat: self.concat + 1, ..self.clone() }, x)
    }
    linear_collective!();
}
impl Linear for AllToAll {
    fn axes(&self) -> &[NamedAxis] {
        &self.axes
    }
    fn along(&self, axes: Vec<NamedAxis>) -> AllToAll {
        AllToAll { axes, ..self.clone() }
    }
    fn emit(&self, cx: &mut Lower, x: &Value, y: &Aval) -> Value {
        let n = instances(&self.axes);
        let concat = if self.tiled { self.concat } else { self.split };
        let dims = format!(
            "concat_dimension = {concat} : i64, split_count = {n} : i64, split_dimension = {} : i64",
            self.split
        );
        let attrs = format!("channel_handle = {}, {dims}, replica_groups = {}", cx.channel(), cx.groups(&self.axes));
        if self.tiled {
            return cx.op("all_to_all", std::slice::from_ref(x), &attrs, y);
        }
        // what comes from device i is number i along the axis that was split
        let parts = cx.op("all_to_all", std::slice::from_ref(x), &attrs, &x.aval);
        transposed(cx, &parts, self.split, self.concat)
    }
    /// For `split` = `concat`: exchange that axis with the batch axis, so that parts numbered by their receiver become parts
    /// numbered by their sender.
    fn over(&self, axis: &BatchAxis, x: Tensor, mapped: bool) -> (Tensor, bool) {
        (in_front(axis, (x, mapped)).swap_axes(0, self.split as isize + 1), true)
    }
    fn is_plain(&self) -> bool {
        !self.tiled && self.split == self.concat
    }
    fn in_steps(&self, x: Tensor, y: &Aval) -> Tensor {
        let one = |x, (at, axis): (usize, &NamedAxis)| {
            bind1(AllToAll { axes: vec![axis.clone()], split: at, concat: at, tiled: false }, &[x])
        };
        let parts = (self.split..).zip(&self.axes).fold(divided(x, self.split, &self.axes, self.tiled), one);
        let by_sender = parts.merge(self.split..self.split + self.axes.len());
        moved_axis(by_sender, self.split, self.concat).reshape(&y.dims[..])
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[
    Row {
        name: "ppermute",
        // (where nothing arrives are zeros, which this format has not)
        dtypes: |d| d != DType::F8E8M0FNU,
        cases: |d| {
            vec![
                over_axis("around", vec![sample(d, &[3, 2], 1)], |x| {
                    vec![ppermute(x[0], "i", [(0, 1), (1, 2), (2, 0)])]
                }),
                over_axis("partly", vec![sample(d, &[3, 2], 1)], |x| vec![ppermute(x[0], "i", [(0, 2)])]),
                over_two_axes("two axes", vec![sample(d, &[2, 3, 2], 1)], |x| {
                    vec![ppermute(x[0], ["j", "i"], [(0, 4), (4, 1), (5, 5), (2, 3)])]
                }),
            ]
        },
    },
    Row {
        name: "all_to_all",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                over_axis("new axis", vec![sample(d, &[3, 3, 2], 1)], |x| vec![all_to_all(x[0], "i", 0, 1, false)]),
                over_axis("same axis", vec![sample(d, &[3, 2, 3], 1)], |x| vec![all_to_all(x[0], "i", 1, 1, false)]),
                over_axis("tiled", vec![sample(d, &[3, 6, 2], 1)], |x| vec![all_to_all(x[0], "i", 0, 1, true)]),
                over_axis("tiled, same axis", vec![sample(d, &[3, 6, 2], 1)], |x| {
                    vec![all_to_all(x[0], "i", 0, 0, true)]
                }),
                over_two_axes("two axes", vec![sample(d, &[2, 3, 6, 2], 1)], |x| {
                    vec![all_to_all(x[0], ["i", "j"], 0, 1, false), all_to_all(x[0], ["j", "i"], 0, 1, true)]
                }),
            ]
        },
    },
];
