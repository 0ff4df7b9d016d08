//! Elements at an index with several parts, to be read or updated: NumPy's `x[0, ..., 1:3, i]`.
mod parts;
pub use parts::{Index, Indices};

use super::{Rhs, common, index::integers};
use crate::{
    aval::DType,
    ops::{shape::stack, where_},
    prim::{
        self, Combine, Gather, IndexDims, IndexMode, IndexOptions, Scatter, from_the_end, full, gather, other_axes,
        reverse, scatter, update_at,
    },
    trace::{self, Tensor, fail},
};

impl Tensor {
    /// The elements at an index, to be read or updated: `x.at((0, .., 1..3)).get()` is NumPy's `x[0, ..., 1:3]`, and
    /// `x.at(i).add(y)` is `x` with `y` added to its rows at the integers `i`.
    ///
    /// Parts are numbers, ranges, `..` (NumPy's `...`; all of one axis is `0..`), tensors of integers or bools, and [`Index`]. With
    /// tensors, the rules are NumPy's: they broadcast together, and stand where the first of them stands if they follow each other,
    /// else in front. Negative indices count from the end; computed ones that do not exist are filled as by [`Tensor::take`], and
    /// dropped by updates. Several updates of one element all count, but for `set`, where it is not specified which of them wins.
    ///
    /// ```
    /// # use raxla::{prelude::*, trace::trace_graph};
    /// # let g = trace_graph(&[Aval::new(DType::I32, [5]), Aval::new(DType::F32, [2, 3, 4])], |t| { let (token, x) = (t[0], t[1]);
    /// let counts = zeros([10], DType::I32).at(token).add(1);
    /// let part = x.at((-1, .., 1..3)).get(); // [3, 2]
    /// let masked = x.at(x.gt(0.5)).set(0.0);
    /// # vec![counts, part, masked] }).unwrap();
    /// # assert_eq!(g.out_avals()[1].dims, [3, 2]);
    /// # let token = Host::ints(DType::I32, [5], vec![3, 1, 3, -1, 77]);
    /// # let x = Host::full(&Aval::new(DType::F32, [2, 3, 4]), 1.0);
    /// # assert_eq!(g.eval(&[token, x])[0].to_ints(), [0, 1, 0, 2, 0, 0, 0, 0, 0, 1]);
    /// ```
    #[track_caller]
    pub fn at(self, index: impl Indices) -> At {
        let _at = trace::At::op("at");
        At { x: self, how: Resolved::of(self, index.parts()), options: IndexOptions::default() }
    }
}

/// Elements of a tensor at an index: see [`Tensor::at`].
#[derive(Clone, Debug)]
pub struct At {
    x: Tensor,
    how: Resolved,
    options: IndexOptions,
}

/// A range of an axis: `count` positions from `start` on.
#[derive(Clone, Copy, Debug)]
struct Steps {
    start: usize,
    step: isize,
    count: usize,
}

/// An index of a tensor: first ranges of its axes, of which some disappear, then computed positions, then new axes.
#[derive(Clone, Debug)]
struct Resolved {
    /// One per axis of the tensor.
    steps: Vec<Steps>,
    /// The axes that disappear: of known positions.
    gone: Vec<usize>,
    /// Among the axes that are left, those with computed positions, and these, of one shape.
    computed: Vec<(usize, Tensor)>,
    /// Where the axes of the computed positions stand among the others.
    place: usize,
    /// Axes of the result that are new.
    new: Vec<usize>,
    /// Bools, and the first axis that they are about.
    mask: Option<(usize, Tensor)>,
}

/// What a part of an index is in the result.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// An axis of the tensor.
    Old,
    /// A new axis.
    New,
    /// Computed positions.
    Computed,
}

impl Steps {
    /// From one position to the next, whichever way.
    fn stride(&self) -> usize {
        self.step.unsigned_abs()
    }
    /// The lowest position, and the one behind the highest.
    fn span(&self) -> (usize, usize) {
        let reach = self.count.saturating_sub(1) * self.stride();
        let low = if self.step < 0 { self.start - reach } else { self.start };
        (low, if self.count == 0 { low } else { low + reach + 1 })
    }
}

#[track_caller]
fn refuse(x: Tensor, reason: String, help: &str) -> ! {
    fail("at", vec![x.aval()], reason, Some(help.into()))
}

impl Resolved {
    #[track_caller]
    fn of(x: Tensor, parts: Vec<Index>) -> Resolved {
        let dims = x.dims();
        let parts = whole(x, parts);
        let computed = parts.iter().any(|p| matches!(p, Index::Positions(_)));
        let mut r = Resolved { steps: vec![], gone: vec![], computed: vec![], place: 0, new: vec![], mask: None };
        let mut kinds = vec![];
        for part in parts {
            let axis = r.steps.len();
            let n = dims.get(axis).copied().unwrap_or(0);
            let all = |n| Steps { start: 0, step: 1, count: n };
            match part {
                Index::New => kinds.push(Kind::New),
                Index::Range { start, stop, step } => {
                    r.steps.push(range(x, axis, [start, stop], step));
                    kinds.push(Kind::Old);
                }
                Index::Position(i) => {
                    let from = position(x, axis, i);
                    if computed {
                        r.computed.push((axis, full([], DType::I32, from)));
                        r.steps.push(all(n));
                        kinds.push(Kind::Computed);
                    } else {
                        r.gone.push(axis);
                        r.steps.push(Steps { start: from, step: 1, count: 1 });
                    }
                }
                Index::Positions(i) => {
                    integers("at", x, i);
                    r.computed.push((axis, from_the_end(i, n)));
                    r.steps.push(all(n));
                    kinds.push(Kind::Computed);
                }
                Index::Mask(m) => {
                    r.mask = Some((axis, m));
                    r.steps.extend(dims[axis..axis + m.rank()].iter().map(|n| all(*n)));
                }
                Index::Rest => {}
            }
        }
        r.arrange(x, &kinds);
        r
    }

    /// Brings computed positions to one shape, and says where it and new axes stand in the result, whose parts are of these kinds.
    #[track_caller]
    fn arrange(&mut self, x: Tensor, kinds: &[Kind]) {
        let mut dims = vec![];
        for (_, i) in &self.computed {
            dims =
                common(&dims, &i.dims()).unwrap_or_else(|help| refuse(x, "the indices do not broadcast".into(), &help));
        }
        let wide = self.computed.iter().any(|(_, i)| i.dtype().bits() > 32);
        let dtype = if wide { DType::I64 } else { DType::I32 };
        self.computed.iter_mut().for_each(|(_, i)| *i = i.cast(dtype).broadcast_to(&*dims));
        let is = |k: &Kind| *k == Kind::Computed;
        let (first, last) = (kinds.iter().position(is), kinds.iter().rposition(is));
        let begin =
            first.zip(last).filter(|(first, last)| kinds[*first..=*last].iter().all(is)).map(|(first, _)| first);
        self.place = kinds[..begin.unwrap_or(0)].iter().filter(|k| **k == Kind::Old).count();
        let mut at = if begin.is_none() { dims.len() } else { 0 };
        for (i, kind) in kinds.iter().enumerate() {
            if begin == Some(i) {
                at += dims.len();
            }
            if *kind == Kind::New {
                self.new.push(at);
            }
            at += usize::from(*kind != Kind::Computed);
        }
    }

    /// The part of `x` in the ranges, without axes that disappear.
    fn part(&self, x: Tensor) -> Tensor {
        let (low, high): (Vec<usize>, Vec<usize>) = self.steps.iter().map(Steps::span).unzip();
        let y = prim::slice(x, low, high, self.steps.iter().map(Steps::stride).collect::<Vec<_>>());
        let y = self.turned(y);
        let kept: Vec<usize> =
            other_axes(self.steps.len(), &self.gone).into_iter().map(|i| self.steps[i].count).collect();
        y.reshape(kept)
    }
    /// With the axes turned that are counted downwards.
    fn turned(&self, x: Tensor) -> Tensor {
        let down: Vec<usize> = (0..self.steps.len()).filter(|i| self.steps[*i].step < 0).collect();
        if down.is_empty() { x } else { reverse(x, down) }
    }
    /// `x` with its part in the ranges replaced.
    fn with_part(&self, x: Tensor, part: Tensor) -> Tensor {
        let counts: Vec<usize> = self.steps.iter().map(|s| s.count).collect();
        if counts == x.dims() && self.steps.iter().all(|s| s.step == 1) {
            return part.reshape(counts);
        }
        if counts.contains(&0) {
            return x;
        }
        let part = self.turned(part.reshape(counts));
        if self.steps.iter().all(|s| s.stride() == 1 || s.count == 1) {
            let start: Vec<Tensor> = self.steps.iter().map(|s| full([], DType::I64, s.span().0)).collect();
            return update_at(x, part, &start);
        }
        let edges = self.steps.iter().zip(x.dims()).map(|(s, n)| {
            let (low, end) = s.span();
            (low as i64, (n - end) as i64, s.stride() - 1)
        });
        let edges: Vec<(i64, i64, usize)> = edges.collect();
        let inside = prim::pad(full(part.dims(), DType::Bool, true), full([], DType::Bool, false), &*edges);
        prim::select(inside, prim::pad(part, full([], x.dtype(), 0), edges), x)
    }
    /// How computed positions are looked up in the part: the axes, and the sizes of a window.
    fn lookup(&self, part: Tensor) -> (Tensor, IndexDims, Vec<usize>) {
        // (axes that disappear are none where positions are computed)
        let axes: Vec<usize> = self.computed.iter().map(|(a, _)| *a).collect();
        let vectors = stack(&self.computed.iter().map(|(_, i)| *i).collect::<Vec<_>>(), -1);
        let (lead, rest) = (vectors.rank() - 1, part.rank() - axes.len());
        let window = (0..self.place).chain(self.place + lead..lead + rest).collect();
        let mut sizes = part.dims();
        axes.iter().for_each(|a| sizes[*a] = 1);
        (vectors, IndexDims { window, collapsed: axes.clone(), indexed: axes, ..Default::default() }, sizes)
    }
}

/// A known position, counted from the start.
#[track_caller]
fn position(x: Tensor, axis: usize, i: isize) -> usize {
    let n = x.dims()[axis];
    let from = if i < 0 { i.saturating_add(n as isize) } else { i };
    if from < 0 || from as usize >= n {
        let help = "known positions are checked; computed ones (tensors) may be beyond the ends";
        refuse(x, format!("there is no position {i} in axis {axis}, which is {n}"), help)
    }
    from as usize
}

/// The parts with `..` written out: one per axis, and the new axes.
#[track_caller]
fn whole(x: Tensor, mut parts: Vec<Index>) -> Vec<Index> {
    let axes = |p: &Index| match p {
        Index::New | Index::Rest => 0,
        Index::Mask(m) => m.rank(),
        _ => 1,
    };
    let named: usize = parts.iter().map(axes).sum();
    let rests = parts.iter().filter(|p| matches!(p, Index::Rest)).count();
    if named > x.rank() || rests > 1 {
        let what = if rests > 1 { "`..` stands in it twice".into() } else { format!("it names {named} axes") };
        refuse(
            x,
            format!("this is no index of a tensor of rank {}: {what}", x.rank()),
            "`..` is all axes that are not named; all of one axis is `0..`",
        )
    }
    let masks = parts.iter().any(|p| matches!(p, Index::Mask(_)));
    if masks
        && parts.iter().any(|p| {
            !matches!(p, Index::Mask(_) | Index::Rest | Index::Range { start: None | Some(0), stop: None, step: 1 })
        })
    {
        refuse(x, "bools stand beside other parts of an index".into(), "choose with `where_`, or update the part first")
    }
    let at = parts.iter().position(|p| matches!(p, Index::Rest)).unwrap_or(parts.len());
    let all = vec![Index::step(None, None, 1); x.rank() - named];
    parts.splice(at..at + rests, all);
    parts
}

/// A range as NumPy understands it.
#[track_caller]
fn range(x: Tensor, axis: usize, [start, stop]: [Option<isize>; 2], step: isize) -> Steps {
    let n = x.dims()[axis] as isize;
    if step == 0 {
        refuse(x, format!("the step in axis {axis} is 0"), "a range goes up or down")
    }
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let bound = |b: Option<isize>, other: isize| {
        b.map_or(other, |b| if b < 0 { b.saturating_add(n) } else { b }.clamp(low, high))
    };
    let (start, stop) =
        if step > 0 { (bound(start, low), bound(stop, high)) } else { (bound(start, high), bound(stop, low)) };
    let count = if step > 0 { (stop - start).max(0) } else { (start - stop).max(0) } as usize;
    let count = count.div_ceil(step.unsigned_abs());
    Steps { start: if count == 0 { 0 } else { start as usize }, step: if count == 0 { 1 } else { step }, count }
}

macro_rules! updates {
    ($($(#[$doc:meta])* $f:ident: $combine:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// `updates` is a number, or a tensor that broadcasts to the shape of these elements.
        #[track_caller]
        #[allow(clippy::should_implement_trait)] // `add` is what JAX calls it
        pub fn $f(&self, updates: impl Rhs) -> Tensor {
            let _at = trace::At::op("at");
            self.update(updates, Combine::$combine)
        }
    )*};
}
impl At {
    /// With another treatment of computed indices that do not exist.
    pub fn mode(self, mode: IndexMode) -> At {
        At { options: IndexOptions { mode, ..self.options }, ..self }
    }
    /// With the promise that no index occurs twice: faster on some devices, and wrong if it is broken.
    pub fn unique(self) -> At {
        At { options: IndexOptions { unique: true, ..self.options }, ..self }
    }
    /// With the promise that the indices increase: faster on some devices, and wrong if it is broken.
    pub fn sorted(self) -> At {
        At { options: IndexOptions { sorted: true, ..self.options }, ..self }
    }
    /// The elements themselves; filled as by [`Tensor::take`] where there is none.
    ///
    /// # Errors
    /// Bools: how many are true is known only when the program runs.
    #[track_caller]
    pub fn get(&self) -> Tensor {
        let _at = trace::At::op("at");
        if let Some((_, mask)) = &self.how.mask {
            let help = "`where_(mask, x, 0)` keeps the shape, `numpy::extract(mask, x, size)` a number of elements that you know";
            fail(
                "at",
                vec![self.x.aval(), mask.aval()],
                "how many elements a mask has is not known while tracing",
                Some(help.into()),
            )
        }
        let mut y = self.how.part(self.x);
        if !self.how.computed.is_empty() {
            let (vectors, dims, sizes) = self.how.lookup(y);
            y = gather(y, vectors, Gather { dims, sizes, options: self.options, fill: None });
        }
        self.how.new.iter().fold(y, |y, axis| y.expand_dims(*axis as isize))
    }
    updates! {
        /// The tensor with these elements replaced.
        set: Set;
        /// The tensor with `updates` added to these elements.
        add: Add;
        /// The tensor with these elements multiplied by `updates`. Differentiable in computed ones only after [`At::unique`].
        mul: Mul;
        /// The tensor with the smaller of each element and its updates.
        min: Min;
        /// The tensor with the larger of each element and its updates.
        max: Max;
    }
    /// The tensor with `f` of these elements in their place. JAX: `x.at[i].apply(f)`.
    #[track_caller]
    pub fn apply(&self, f: impl FnOnce(Tensor) -> Tensor) -> Tensor {
        let _at = trace::At::op("at");
        match &self.how.mask {
            Some(_) => {
                let new = f(self.x);
                self.masked(new)
            }
            None => {
                let new = f(self.get());
                self.update(new, Combine::Set)
            }
        }
    }
    /// `new`, of the shape of the tensor or of the axes behind the mask, where the mask is true.
    #[track_caller]
    fn masked(&self, new: Tensor) -> Tensor {
        let Some((axis, mask)) = self.how.mask else { return new };
        let dims = [vec![1; axis], mask.dims(), vec![1; self.x.rank() - axis - mask.rank()]].concat();
        let own = &self.x.dims()[axis..axis + mask.rank()];
        if *mask.dims() != *own {
            let help = "a mask has the sizes of the axes that it is about: `.broadcast_to(..)`";
            fail(
                "at",
                vec![self.x.aval(), mask.aval()],
                format!("the mask is not of the shape {own:?}"),
                Some(help.into()),
            )
        }
        where_(mask.reshape(dims), new.broadcast_to(self.x.dims()), self.x)
    }
    #[track_caller]
    fn update(&self, updates: impl Rhs, combine: Combine) -> Tensor {
        let (x, updates) = (self.x, updates.beside(self.x));
        let combined = |old: Tensor, new: Tensor| match combine {
            Combine::Set => new.broadcast_to(old.dims()),
            Combine::Add => old + new,
            Combine::Mul => old * new,
            Combine::Min => old.minimum(new),
            Combine::Max => old.maximum(new),
        };
        if x.dtype() != updates.dtype() {
            let help = super::one_dtype(x.dtype(), updates.dtype());
            fail("at", vec![x.aval(), updates.aval()], "the dtypes differ", Some(help))
        }
        if self.how.mask.is_some() {
            return self.masked(combined(x, updates));
        }
        let part = self.how.part(x);
        let lookup = (!self.how.computed.is_empty()).then(|| self.how.lookup(part));
        // the shape of what `get` gives, and that without new axes
        let mut dims = part.dims();
        if let Some((vectors, how, _)) = &lookup {
            let lead = &vectors.dims()[..vectors.rank() - 1];
            let mut rest =
                other_axes(part.rank(), &how.collapsed).into_iter().map(|i| part.dims()[i]).collect::<Vec<_>>();
            rest.splice(self.how.place..self.how.place, lead.iter().copied());
            dims = rest;
        }
        let mut shown = dims.clone();
        self.how.new.iter().for_each(|a| shown.insert(*a, 1));
        let u = updates.dims();
        let fits = |(n, m): (&usize, &usize)| *n == 1 || n == m;
        if u.len() > shown.len() || !u.iter().rev().zip(shown.iter().rev()).all(fits) {
            let reason = format!("the updates do not broadcast to {shown:?}, the shape of the elements");
            let help = "one update per element (for rows, each in the shape of a row); an axis of size 1 is repeated";
            fail("at", vec![x.aval(), updates.aval()], reason, Some(help.into()))
        }
        let updates = updates.broadcast_to(shown).reshape(dims);
        let part = match lookup {
            Some((vectors, dims, _)) => {
                scatter(part, vectors, updates, Scatter { dims, combine, options: self.options })
            }
            None => combined(part, updates),
        };
        self.how.with_part(x, part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ops::shape::tests::{ints, is, of},
        prim::sample,
        testing::check_grads,
        trace::trace_graph,
    };

    #[test]
    fn parts_are_read_as_numpy_reads_them() {
        is(of(&[2, 3], |x| x.at(-1).get()), &[3], &[3, 4, 5]);
        is(of(&[2, 3], |x| x.at((.., 1)).get()), &[2], &[1, 4]);
        is(of(&[2, 3], |x| x.at((0.., ..-1)).get()), &[2, 2], &[0, 1, 3, 4]);
        is(of(&[5], |x| x.at(Index::step(None, None, -2)).get()), &[3], &[4, 2, 0]);
        is(of(&[5], |x| x.at(Index::step(Some(3), Some(0), -2)).get()), &[2], &[3, 1]);
        is(of(&[5], |x| x.at(Index::step(Some(3), Some(1), 1)).get()), &[0], &[]);
        is(of(&[5], |x| x.at(-2..9).get()), &[2], &[3, 4]);
        is(of(&[2, 2], |x| x.at((Index::New, 1, .., Index::New)).get()), &[1, 2, 1], &[2, 3]);
        is(of(&[2, 1, 2], |x| x.at((1, .., 0)).get()), &[1], &[2]);
        // computed ones stand where they are if they follow each other, else in front
        let i = || ints(&[3], &[1, -1, 0]);
        is(of(&[2, 2, 2], |x| x.at((0.., i(), 1)).get()), &[2, 3], &[3, 3, 1, 7, 7, 5]);
        is(of(&[2, 2, 2], |x| x.at((i(), 0.., 1)).get()), &[3, 2], &[5, 7, 5, 7, 1, 3]);
        is(of(&[2, 3], |x| x.at((ints(&[2, 1], &[0, 1]), ints(&[2], &[2, 0]))).get()), &[2, 2], &[2, 0, 5, 3]);
        is(of(&[2, 2], |x| x.at((1.., i(), Index::New)).get()), &[1, 3, 1], &[3, 3, 2]);
        is(of(&[2, 2], |x| x.at((Index::New, i())).get()), &[1, 3, 2], &[2, 3, 2, 3, 0, 1]);
    }

    #[test]
    fn parts_are_updated_in_place() {
        is(of(&[2, 3], |x| x.at((.., 1)).set(9)), &[2, 3], &[0, 9, 2, 3, 9, 5]);
        is(of(&[2, 3], |x| x.at((1, 0..2)).add(ints(&[2], &[10, 20]))), &[2, 3], &[0, 1, 2, 13, 24, 5]);
        is(of(&[5], |x| x.at(Index::step(None, None, -2)).set(ints(&[3], &[7, 8, 9]))), &[5], &[9, 1, 8, 3, 7]);
        is(of(&[5], |x| x.at(Index::step(Some(1), None, 3)).mul(3)), &[5], &[0, 3, 2, 3, 12]);
        is(of(&[3], |x| x.at(Index::step(Some(2), Some(1), 1)).set(9)), &[3], &[0, 1, 2]);
        is(
            of(&[2, 3], |x| x.at((1.., ints(&[2], &[0, 0]))).add(ints(&[1, 2], &[10, 20]))),
            &[2, 3],
            &[0, 1, 2, 33, 4, 5],
        );
        is(of(&[4], |x| x.at(x.gt(1)).set(-1)), &[4], &[0, 1, -1, -1]);
        is(of(&[2, 2], |x| x.at((.., ints(&[2], &[0, 3]).gt(1))).add(x)), &[2, 2], &[0, 2, 2, 6]);
        is(of(&[3], |x| x.at(1).apply(|y| y - 5)), &[3], &[0, -4, 2]);
        is(of(&[3], |x| x.at(x.ge(1)).apply(|y| y * y)), &[3], &[0, 1, 4]);
    }

    #[test]
    fn rows_are_read_and_updated() {
        let at = |x: Tensor| x.at(ints(&[3], &[1, -1, 4]));
        is(of(&[3, 2], |x| at(x).set(9)), &[3, 2], &[0, 1, 9, 9, 9, 9]);
        is(of(&[3, 2], |x| at(x).add(ints(&[2], &[10, 20]))), &[3, 2], &[0, 1, 12, 23, 14, 25]);
        is(of(&[3, 2], |x| at(x).mul(ints(&[3, 1], &[2, 3, 4]))), &[3, 2], &[0, 1, 4, 6, 12, 15]);
        is(of(&[3], |x| x.at(ints(&[2, 2], &[0, 0, 2, 2])).max(ints(&[2, 2], &[5, 3, 1, 0]))), &[3], &[5, 1, 2]);
        is(of(&[3], |x| x.at(ints(&[2], &[1, 2])).min(1)), &[3], &[0, 1, 1]);
        is(of(&[3], |x| x.at(ints(&[], &[-1])).get()), &[], &[2]);
        is(of(&[3], |x| x.at(ints(&[1], &[7])).mode(IndexMode::Clip).set(9)), &[3], &[0, 1, 9]);
    }

    #[test]
    fn derivatives_equal_central_differences() {
        let x = [sample(DType::F64, &[4, 3], 1), sample(DType::F64, &[3, 3], 2)];
        let rows = || ints(&[3], &[2, -4, 2]);
        check_grads(|x| vec![x[0].at(rows()).add(x[1]), x[0].at(rows()).set(x[1])], &x, 2).unwrap();
        check_grads(|x| vec![x[0].at(rows()).max(x[1]), x[0].at(rows()).min(x[1])], &x, 2).unwrap();
        check_grads(|x| vec![x[0].at(ints(&[3], &[0, 3, 1])).unique().mul(x[1])], &x, 2).unwrap();
        let part = |x: &[Tensor]| vec![x[0].at((1..4, ..)).mul(x[1]), x[0].at((Index::step(None, None, -3), 0)).get()];
        check_grads(part, &x, 2).unwrap();
    }

    #[test]
    fn errors_point_at_the_caller() {
        let refused = |f: &dyn Fn(Tensor) -> Tensor| {
            let e = trace_graph(&[crate::Aval::new(DType::F32, [2, 3])], |t| vec![f(t[0])]).unwrap_err();
            assert_eq!(e.file, file!());
            e.to_string()
        };
        let has = |text: String, part: &str| assert!(text.contains(part), "{text}");
        has(refused(&|x| x.sum(..).at(0).get()), "this is no index of a tensor of rank 0: it names 1 axes");
        has(refused(&|x| x.at((.., 0, ..)).get()), "`..` stands in it twice");
        has(refused(&|x| x.at(2).get()), "there is no position 2 in axis 0, which is 2");
        has(refused(&|x| x.at(Index::step(None, None, 0)).get()), "the step in axis 0 is 0");
        has(refused(&|x| x.at(x).get()), "the indices are not integers");
        has(refused(&|x| x.at(x.gt(0.0)).get()), "not known while tracing");
        has(refused(&|x| x.at((x.gt(0.0).at(0).get(), 1)).set(1.0)), "bools stand beside other parts");
        has(refused(&|x| x.at(ints(&[1], &[0])).set(x)), "broadcast");
        has(refused(&|x| x.at(ints(&[1], &[0])).set(ints(&[], &[0]))), "the dtypes differ");
    }
}
