//! Collectives that exchange values between instances.
use super::*;

/// Values sent from instance to instance.
#[derive(Clone)]
pub struct PPermute {
    axis: [NamedAxis; 1],
    /// Which instance sends to which.
    pairs: Vec<(usize, usize)>,
}
/// Send values along the named axis: for each pair (from, to), instance `to` gets the value of `from`. Instances that
/// nobody sends to get zeros. JAX: `lax.ppermute`.
///
/// # Errors
/// Instances that do not exist, or two that send to one.
#[track_caller]
pub fn ppermute<X: Tree<Tensor, With<Tensor> = X>>(x: X, axis: &str, pairs: impl Into<Vec<(usize, usize)>>) -> X {
    let _at = At::caller();
    let (axis, pairs) = ([named_axis("ppermute", axis)], pairs.into());
    on_leaves(x, |t| bind1(PPermute { axis: axis.clone(), pairs: pairs.clone() }, &[t]))
}
/// Rearrange values along the named axis: instance i gets the value of instance `perm[i]`. JAX: `lax.pshuffle`.
///
/// # Errors
/// As [`ppermute`].
#[track_caller]
pub fn pshuffle<X: Tree<Tensor, With<Tensor> = X>>(x: X, axis: &str, perm: impl Into<Vec<usize>>) -> X {
    let _at = At::caller();
    let pairs: Vec<(usize, usize)> = perm.into().into_iter().enumerate().map(|(to, from)| (from, to)).collect();
    ppermute(x, axis, pairs)
}
impl fmt::Debug for PPermute {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ppermute[{} {:?}]", self.axis[0].name, self.pairs)
    }
}
impl Primitive for PPermute {
    fn name(&self) -> &'static str {
        "ppermute"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, String> {
        let n = self.axis[0].size;
        if let Some((from, to)) = self.pairs.iter().find(|(from, to)| *from >= n || *to >= n) {
            return Err(format!(
                "({from}, {to}) names an instance that does not exist: `{}` has {n}",
                self.axis[0].name
            ));
        }
        for (i, (from, to)) in self.pairs.iter().enumerate() {
            if self.pairs[..i].iter().any(|(f, t)| f == from || t == to) {
                return Err(format!("({from}, {to}) sends or receives a second time"));
            }
        }
        Ok(vec![x[0].clone()])
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let pairs = self.pairs.iter().map(|(from, to)| (*to, *from)).collect();
        vec![ct[0].map(|ct| bind1(PPermute { axis: self.axis.clone(), pairs }, &[ct]))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        bind(self.clone(), x)
    }
    linear_collective!();
}
impl PPermute {
    fn emit(&self, cx: &mut Lower, x: &Value, y: &Aval) -> Value {
        if cx.alone(&self.axis) {
            return if self.pairs.is_empty() { cx.splat(y, 0.0) } else { x.clone() };
        }
        let pairs = cx.device_pairs(&self.axis[0], &self.pairs);
        let attrs = format!("channel_handle = {}, source_target_pairs = {pairs}", cx.channel());
        cx.op("collective_permute", std::slice::from_ref(x), &attrs, y)
    }
    fn over(&self, axis: &BatchAxis, x: Tensor, mapped: bool) -> (Tensor, bool) {
        // (a number past the end reads zeros)
        let from = |to: usize| self.pairs.iter().find(|(_, t)| *t == to).map_or(axis.size, |(from, _)| *from);
        let rows = (0..axis.size).map(|to| from(to) as i128).collect();
        let rows = literal(Host::ints(DType::I32, [axis.size], rows));
        let all = in_front(axis, (x, mapped));
        let zeros = zeros_of(&all.aval().unstacked().stacked(1));
        (concatenate(&[all, zeros], 0).take_with(rows, 0, IndexMode::Clip), true)
    }
}

/// Parts exchanged between all instances.
#[derive(Clone)]
pub struct AllToAll {
    axis: [NamedAxis; 1],
    split: usize,
    concat: usize,
    tiled: bool,
}
/// Divide axis `split` between the instances along the named axis, and put together what comes from each of them along
/// axis `concat`: a transposition of who has what. The axis `split` is as long as there are instances and disappears, and
/// `concat` is a new one; or (`tiled`) the one is divided and the other grows. JAX: `lax.all_to_all`.
///
/// # Errors
/// An axis of another size.
#[track_caller]
pub fn all_to_all<X: Tree<Tensor, With<Tensor> = X>>(x: X, axis: &str, split: usize, concat: usize, tiled: bool) -> X {
    let _at = At::caller();
    let axis = [named_axis("all_to_all", axis)];
    on_leaves(x, |t| bind1(AllToAll { axis: axis.clone(), split, concat, tiled }, &[t]))
}
impl fmt::Debug for AllToAll {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let tiled = if self.tiled { " tiled" } else { "" };
        write!(f, "all_to_all[{} split={} concat={}{tiled}]", self.axis[0].name, self.split, self.concat)
    }
}
impl Primitive for AllToAll {
    fn name(&self) -> &'static str {
        "all_to_all"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, String> {
        let (a, axis) = (&x[0], &self.axis[0]);
        require_instances(a, self.split, axis, self.tiled)?;
        if !self.tiled {
            let rest = removed(&a.dims, self.split);
            if self.concat > rest.len() {
                return Err(format!("a new axis cannot have number {} beside {} others", self.concat, rest.len()));
            }
            return Ok(vec![a.with_dims(inserted(&rest, self.concat, axis.size))]);
        }
        require_axis(a, self.concat)?;
        let mut dims = a.dims.clone();
        dims[self.split] /= axis.size.max(1);
        dims[self.concat] *= axis.size;
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
impl AllToAll {
    fn emit(&self, cx: &mut Lower, x: &Value, y: &Aval) -> Value {
        let n = self.axis[0].size;
        let concat = if self.tiled { self.concat } else { self.split };
        let dims = format!(
            "concat_dimension = {concat} : i64, split_count = {n} : i64, split_dimension = {} : i64",
            self.split
        );
        let attrs = format!("channel_handle = {}, {dims}, replica_groups = {}", cx.channel(), cx.groups(&self.axis));
        if self.tiled && cx.alone(&self.axis) {
            return x.clone();
        }
        if self.tiled {
            return cx.op("all_to_all", std::slice::from_ref(x), &attrs, y);
        }
        // what comes from device i is number i along the axis that was split
        let parts = match cx.alone(&self.axis) {
            true => x.clone(),
            false => cx.op("all_to_all", std::slice::from_ref(x), &attrs, &x.aval),
        };
        let mut perm = other_axes(x.aval.rank(), &[self.split]);
        perm.insert(self.concat, self.split);
        cx.op("transpose", &[parts], &format!("permutation = {}", crate::lower::array(&perm)), y)
    }
    fn over(&self, axis: &BatchAxis, x: Tensor, mapped: bool) -> (Tensor, bool) {
        let all = in_front(axis, (x, mapped));
        if !self.tiled {
            // [from, .., to, ..] -> [to, .., from, ..]
            let by_receiver = moved(all, self.split + 1, 0);
            return (moved(by_receiver, 1, self.concat + 1), true);
        }
        let mut dims = all.dims().split_off(1);
        dims[self.split] /= axis.size.max(1);
        let parts = [&[axis.size], &inserted(&dims, self.split, axis.size)[..]].concat();
        let by_receiver = moved(all.reshape(parts), self.split + 1, 0);
        dims[self.concat] *= axis.size;
        let joined = moved(by_receiver, 1, self.concat + 1).reshape([&[axis.size], &dims[..]].concat());
        (joined, true)
    }
}

/// All primitives of this file.
pub(in crate::prim) const ROWS: &[Row] = &[
    Row {
        name: "ppermute",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                over_axis("around", vec![sample(d, &[3, 2], 1)], |x| {
                    vec![ppermute(x[0], "i", [(0, 1), (1, 2), (2, 0)])]
                }),
                over_axis("partly", vec![sample(d, &[3, 2], 1)], |x| vec![ppermute(x[0], "i", [(0, 2)])]),
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
            ]
        },
    },
];
