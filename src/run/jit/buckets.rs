//! Buckets: a few sizes of one axis, to which arguments are padded, so that a new length is not a new program.
use super::{ArgSet, ArgTuple, Compiled, Explanation, HeldTuple, Jit, Together, Traced};
use crate::{
    array::Array,
    aval::{Aval, DType, axis_number},
    error::{Error, Result},
    host::Host,
    prim::Scalar,
    refusal::Refusal,
    trace::Tensor,
    transform::{Axis, AxisTree, ONE_PER_LEAF},
    tree::{Hole, Leaf, Tree},
};
use std::{
    fmt,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// The sizes that an axis is padded to, from the smallest to the largest.
///
/// ```
/// use raxla::jit::Buckets;
/// let buckets = Buckets::powers_of_two(16, 100)?;
/// assert_eq!(buckets.to_string(), "16, 32, 64, 100");
/// assert_eq!((buckets.fit(5), buckets.fit(33), buckets.fit(101)), (Some(16), Some(64), None));
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets(Arc<[usize]>);

impl Buckets {
    /// These sizes.
    ///
    /// # Errors
    /// [`Error::Buckets`] when there is none, or they do not go up from at least 1 to at most `i32::MAX`.
    pub fn new(sizes: impl Into<Vec<usize>>) -> Result<Buckets> {
        let sizes = sizes.into();
        let reason = if sizes.is_empty() {
            "there is none".to_string()
        } else if let Some(pair) = sizes.windows(2).find(|pair| pair[0] >= pair[1]) {
            format!("{} comes after {}", pair[1], pair[0])
        } else if let Some(size) = sizes.iter().find(|size| **size == 0 || **size > i32::MAX as usize) {
            format!("{size} is not from 1 to {}", i32::MAX)
        } else {
            return Ok(Buckets(sizes.into()));
        };
        let help = "list at least one size, each larger than the one before";
        Err(Error::Buckets { what: format!("the buckets {sizes:?}"), reason, help })
    }
    /// The powers of two from `smallest` to `largest`, and `largest` itself.
    ///
    /// # Errors
    /// As [`Buckets::new`]; and when `smallest` is above `largest`.
    pub fn powers_of_two(smallest: usize, largest: usize) -> Result<Buckets> {
        let powers = (0..i32::BITS - 1).map(|i| 1 << i);
        let mut sizes: Vec<usize> = powers.filter(|p| (smallest..largest).contains(p)).collect();
        if smallest <= largest {
            sizes.push(largest);
        }
        Buckets::new(sizes)
    }
    /// All of them.
    pub fn sizes(&self) -> &[usize] {
        &self.0
    }
    /// The smallest one that holds this length.
    pub fn fit(&self, length: usize) -> Option<usize> {
        self.0.get(self.0.partition_point(|size| *size < length)).copied()
    }
}
impl fmt::Display for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let sizes: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&sizes.join(", "))
    }
}

/// Tuples of arguments of which the last is the true length.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not end with the true length",
    note = "the last argument of a function with buckets is a `Tensor`, which tells how much of the padded axis is real",
    note = "at least one and at most seven arguments stand before it"
)]
pub trait LengthLast: Tree<Tensor> {
    /// The arguments before it.
    type Front: Tree<Tensor>;
    /// All arguments.
    fn join<T: Leaf>(front: <Self::Front as Tree<Tensor>>::With<T>, length: T) -> Self::With<T>;
}
macro_rules! length_last {
    ($($t:ident $v:ident),*) => {
        impl<$($t: Tree<Tensor>),*> LengthLast for ($($t,)* Tensor) {
            type Front = ($($t,)*);
            fn join<T: Leaf>(($($v,)*): ($($t::With<T>,)*), length: T) -> ($($t::With<T>,)* T) {
                ($($v,)* length)
            }
        }
    };
}
length_last!(A a);
length_last!(A a, B b);
length_last!(A a, B b, C c);
length_last!(A a, B b, C c, D d);
length_last!(A a, B b, C c, D d, E e);
length_last!(A a, B b, C c, D d, E e, F f);
length_last!(A a, B b, C c, D d, E e, F f, G g);

/// The arguments before the length, with leaves `T`.
pub type Front<Args, T> = <<Args as LengthLast>::Front as Tree<Tensor>>::With<T>;
type Axes<X> = Box<dyn Fn(&X) -> Result<Vec<Axis>, Refusal> + Send + Sync>;

/// A function with one program per bucket. Made by [`Jit::bucketed`].
pub struct Bucketed<Args: LengthLast, F: Traced<Args>>
where
    F::Out: Tree<Tensor>,
{
    jit: Jit<Args, F>,
    buckets: Buckets,
    fill: Box<dyn Fn(DType) -> Result<Host, Refusal> + Send + Sync>,
    in_axes: Axes<Front<Args, Hole>>,
    out_axes: Axes<<F::Out as Tree<Tensor>>::With<Hole>>,
}

impl<Args: Tree<Tensor>, F: Traced<Args>> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
{
    /// Pad an axis of arguments to one of a few sizes: one program per bucket instead of one per length.
    ///
    /// The function's last argument is the true length, a scalar of i32: it masks with it what must not see the padding.
    /// The arguments before it are those of [`Bucketed::call`]. `in_axes` says which axis of each leaf is padded, as in
    /// [`vmap_axes`](crate::vmap_axes): [`Axis::At`], or [`Axis::Shared`] for leaves that have no such axis. All padded
    /// leaves have the same true length. `out_axes` says along which axis each leaf of the result is cut back to it;
    /// with [`Axis::Shared`] it is returned as it is.
    ///
    /// ```
    /// use raxla::{Axis, jit::Buckets, prelude::*};
    /// fn mean(x: Tensor, n: Tensor) -> Tensor {
    ///     let real = arange(x.dim(0), DType::I32).lt(n);
    ///     where_(real, x, 0.0).sum(0) / n.cast(DType::F32)
    /// }
    /// let mean = jit(mean).bucketed(Buckets::powers_of_two(4, 16)?, Axis::At(0), Axis::Shared);
    /// for n in 1..=16 {
    ///     let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
    ///     let y = mean.call((Array::from_slice([n], &x)?,))?;
    ///     assert_eq!(y.item::<f32>()?, (n - 1) as f32 / 2.0);
    /// }
    /// assert_eq!(mean.compiles(), 3); // 4, 8 and 16
    /// # Ok::<(), raxla::Error>(())
    /// ```
    /// With parameters, which are not padded, and results of which one is cut:
    /// ```
    /// use raxla::{Axis, jit::Buckets, prelude::*};
    /// let f = jit(|w: Tensor, x: Tensor, n: Tensor| (x * w, n));
    /// let f = f.bucketed(Buckets::new([4, 8])?, (Axis::Shared, Axis::At(0)), (Axis::At(0), Axis::Shared));
    /// let (y, n) = f.call((&Array::scalar(2f32)?, &Array::from_slice([3], &[1f32, 2., 3.])?))?;
    /// assert_eq!((y.to_vec::<f32>()?, n.item::<i32>()?), (vec![2., 4., 6.], 3));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn bucketed(
        self,
        buckets: Buckets,
        in_axes: impl AxisTree<Front<Args, Hole>, Hole> + Send + Sync + 'static,
        out_axes: impl AxisTree<<F::Out as Tree<Tensor>>::With<Hole>, Hole> + Send + Sync + 'static,
    ) -> Bucketed<Args, F>
    where
        Args: LengthLast,
    {
        Bucketed {
            jit: self,
            buckets,
            fill: Box::new(|dtype| 0.host(dtype)),
            in_axes: Box::new(move |x| in_axes.axes(x)),
            out_axes: Box::new(move |y| out_axes.axes(y)),
        }
    }
}

impl<Args: LengthLast, F: Traced<Args>> Bucketed<Args, F>
where
    F::Out: Tree<Tensor>,
{
    /// Pad with this number instead of zero.
    pub fn fill(mut self, value: impl Scalar + Send + Sync + 'static) -> Self {
        self.fill = Box::new(move |dtype| value.host(dtype));
        self
    }
    /// At most one program per bucket: another dtype, structure, or way of passing arguments is then an error,
    /// [`Error::Recompile`].
    pub fn deny_recompile(mut self) -> Self {
        self.jit = self.jit.allow_compiles(self.buckets.sizes().len());
        self
    }
    /// No further programs from now on, as [`Jit::freeze`]: for after [`Bucketed::compile_all`].
    pub fn freeze(&self) {
        self.jit.freeze();
    }
    /// Number of programs compiled so far.
    pub fn compiles(&self) -> usize {
        self.jit.compiles()
    }
    /// Why each program was compiled, as [`Jit::explain`].
    pub fn explain(&self) -> Explanation {
        self.jit.explain()
    }
    /// The sizes that arguments are padded to.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }
    /// The function itself, whose last argument is the length.
    pub fn jit(&self) -> &Jit<Args, F> {
        &self.jit
    }

    fn wrong<T>(&self, reason: String, help: &'static str) -> Result<T> {
        Err(Error::Buckets { what: format!("`{}`", self.jit.name), reason, help })
    }

    /// The axis that `axes` names of each leaf of a tree.
    fn places<T: Leaf>(
        &self,
        what: &str,
        tree: &impl Tree<T>,
        avals: &[&Aval],
        axes: Result<Vec<Axis>, Refusal>,
    ) -> Result<Vec<Option<PaddedAxis>>> {
        let axes = axes.or_else(|why| self.wrong(format!("of the {what}s, {}", why.reason), ONE_PER_LEAF))?;
        let (mut places, mut missing) = (vec![], None);
        tree.visit(|path, _| {
            let (aval, axis) = (avals[places.len()], axes.get(places.len()));
            let Some(Axis::At(axis)) = axis.copied() else { return places.push(None) };
            let path = path.to_string();
            let leaf = if path.is_empty() { format!("the {what}") } else { format!("the {what} `{path}`") };
            let number = axis_number(axis, aval.rank());
            if number.is_none() && missing.is_none() {
                missing = Some(format!("{leaf} ({aval}) has no axis {axis}"));
            }
            places.push(Some(PaddedAxis { leaf, path, axis: number.unwrap_or(0) }));
        });
        let help = "name an axis that it has; `Axis::Shared` is for leaves without it";
        missing.map_or(Ok(places), |reason| self.wrong(reason, help))
    }

    /// The size of the padded axes, and the bucket that holds it.
    fn size(&self, places: &[Option<PaddedAxis>], avals: &[&Aval]) -> Result<(usize, usize)> {
        let mut padded = places.iter().zip(avals).filter_map(|(p, a)| p.as_ref().map(|p| (p, *a)));
        let Some((first, aval)) = padded.next() else {
            return self.wrong("no argument is padded".into(), "say which axis is, with `Axis::At`");
        };
        let size = aval.dims[first.axis];
        if let Some((p, a)) = padded.find(|(p, a)| a.dims[p.axis] != size) {
            let (one, other) = (&first.leaf, &p.leaf);
            let reason = format!(
                "the padded sizes differ: {one} has {size} (axis {} of {aval}), {other} has {} (axis {} of {a})",
                first.axis, a.dims[p.axis], p.axis
            );
            return self.wrong(reason, "all padded axes have the same true length");
        }
        let too_long = || Error::TooLong {
            name: self.jit.name.into(),
            path: first.path.clone(),
            aval: aval.clone(),
            axis: first.axis,
            length: size,
            buckets: self.buckets.clone(),
        };
        Ok((size, self.buckets.fit(size).ok_or_else(too_long)?))
    }

    /// Where the results of a program are cut.
    fn cuts(&self, program: &Compiled<Args, F::Out>, bucket: usize) -> Result<Vec<Option<PaddedAxis>>> {
        let avals: Vec<&Aval> = program.out_avals().iter().collect();
        let places = self.places("result", &program.out, &avals, (self.out_axes)(&program.out))?;
        for (place, aval) in places.iter().zip(avals) {
            if let Some(PaddedAxis { leaf, axis, .. }) = place.as_ref().filter(|p| aval.dims[p.axis] != bucket) {
                let reason = format!("{leaf} ({aval}) is not as long as the bucket, {bucket}, along axis {axis}");
                return self.wrong(reason, "results that are not padded get `Axis::Shared`, and are returned whole");
            }
        }
        Ok(places)
    }

    /// The array with this axis padded or cut to a size.
    fn resized(&self, array: &Array, axis: usize, size: usize) -> Result<Array> {
        let (aval, bytes) = (array.aval(), array.to_bytes()?);
        let (before, inner) = (aval.dims[axis], aval.dtype.bytes_for(aval.dims[axis + 1..].iter().product()));
        let outer: usize = aval.dims[..axis].iter().product();
        let fill = (self.fill)(aval.dtype).or_else(|why| self.wrong(why.reason, "fill with a number that it has"))?;
        let mut dims = aval.dims.clone();
        dims[axis] = size;
        let padded = aval.with_dims(dims);
        let mut out = vec![];
        if padded.countable().is_err() || out.try_reserve_exact(padded.bytes()).is_err() {
            return self.wrong(format!("there is no memory for {padded}"), "take smaller buckets");
        }
        let fill = fill.to_bytes();
        let padding = fill.repeat(size.saturating_sub(before) * inner / fill.len());
        for i in 0..outer {
            out.extend_from_slice(&bytes[i * before * inner..][..before.min(size) * inner]);
            out.extend_from_slice(&padding);
        }
        Array::from_bytes(&self.jit.client(None)?, padded, &out)
    }
}

/// A leaf with an axis whose length varies.
struct PaddedAxis {
    /// It, for messages.
    leaf: String,
    path: String,
    axis: usize,
}

impl<Args: LengthLast, F: Traced<Args>> Bucketed<Args, F>
where
    F::Out: Tree<Tensor>,
    Args::With<Array>: Tree<Array, With<Tensor> = Args, With<Aval> = Args::With<Aval>>,
    Args::With<Aval>: Tree<Aval, With<Tensor> = Args>,
    <F::Out as Tree<Tensor>>::With<Hole>: Tree<Hole, With<Array> = <F::Out as Tree<Tensor>>::With<Array>>,
    Front<Args, Array>: Tree<Array, With<Array> = Front<Args, Array>, With<Hole> = Front<Args, Hole>>,
    Front<Args, Aval>: Tree<Aval, With<Aval> = Front<Args, Aval>, With<Hole> = Front<Args, Hole>>,
{
    /// Run, with arguments padded to the smallest bucket that holds them, and results cut back.
    ///
    /// What is padded or cut is read back, copied on the host and uploaded again: this waits for what computes it. An
    /// argument that is as long as a bucket is passed on as it is. Arguments passed by value may be donated, padded or
    /// not, and those passed by reference are kept, as in [`Jit::call`].
    ///
    /// # Errors
    /// As [`Jit::call`]; [`Error::TooLong`]; [`Error::Buckets`] when the lengths of arguments differ, or a leaf does not
    /// have the axis that is named for it.
    #[track_caller]
    pub fn call(&self, args: impl ArgTuple<Front<Args, Array>>) -> Result<<F::Out as Tree<Tensor>>::With<Array>> {
        let args = args.held(&|| self.jit.client(None))?;
        let moved = args.moved();
        self.run(args.owned(), moved, None)
    }

    /// As [`Bucketed::call`], with arguments of which only the first `length` are real: for what was padded before, by the
    /// program that loads it or as an uncut result of another call. Nothing is copied when they are as long as a bucket.
    ///
    /// # Errors
    /// As [`Bucketed::call`]; and when they are shorter than `length`.
    #[track_caller]
    pub fn call_padded(
        &self,
        length: usize,
        args: impl ArgTuple<Front<Args, Array>>,
    ) -> Result<<F::Out as Tree<Tensor>>::With<Array>> {
        let args = args.held(&|| self.jit.client(None))?;
        let moved = args.moved();
        self.run(args.owned(), moved, Some(length))
    }

    #[track_caller]
    fn run(
        &self,
        args: Front<Args, Array>,
        moved: ArgSet,
        length: Option<usize>,
    ) -> Result<<F::Out as Tree<Tensor>>::With<Array>> {
        let mut avals = vec![];
        args.visit(|_, a| avals.push(a.aval()));
        let places = self.places("argument", &args, &avals, (self.in_axes)(&args.map(|_| Hole)))?;
        let (size, bucket) = self.size(&places, &avals)?;
        let length = length.unwrap_or(size);
        if length > size {
            let reason = format!("a length of {length} is given, but the padded arguments are {size} long");
            return self.wrong(reason, "the length counts what is real, without padding");
        }
        let args = if size == bucket {
            args
        } else {
            let mut places = places.iter();
            let padded = args.try_map_named(|_, a| match places.next() {
                Some(Some(place)) => self.resized(a, place.axis, bucket),
                _ => Ok(a.clone()),
            })?;
            drop(args); // or what was moved in would have another owner, and not be donated
            padded
        };
        let args = Args::join(args, Array::on(&self.jit.client(None)?, [], &[length as i32])?);
        let args = Together(args, moved);
        let program = self.jit.program(&args)?;
        let cuts = self.cuts(&program, bucket)?;
        let out = program.start(&args)?;
        drop(args);
        if length == bucket || cuts.iter().all(Option::is_none) {
            return Ok(out);
        }
        let cut = |(a, place): (&Array, &Option<PaddedAxis>)| match place {
            Some(place) => self.resized(a, place.axis, length),
            None => Ok(a.clone()),
        };
        let leaves = out.leaves().iter().zip(&cuts).map(cut).collect::<Result<Vec<Array>>>()?;
        Ok(program.out.refill(leaves))
    }

    /// Compile the programs of all buckets, several at once, before the first call.
    ///
    /// `args` are the types of the arguments, as [`Jit::prepare`] takes them; the size of padded axes does not matter.
    /// Those numbered in `moved` will be passed by value.
    ///
    /// ```
    /// use raxla::{Axis, jit::Buckets, prelude::*};
    /// let f = jit(|x: Tensor, n: Tensor| (x * 2.0).slice_axis(0, 0..1) * n.cast(DType::F32));
    /// let f = f.bucketed(Buckets::powers_of_two(2, 8)?, Axis::At(0), Axis::Shared);
    /// f.compile_all(&(Aval::new(DType::F32, [0]),), &[])?;
    /// f.freeze();
    /// assert_eq!(f.compiles(), 3);
    /// assert_eq!(f.call((&Array::from_slice([3], &[1f32, 2., 3.])?,))?.to_vec::<f32>()?, [6.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Bucketed::call`]; those of the smallest bucket that fails.
    #[track_caller]
    pub fn compile_all(&self, args: &Front<Args, Aval>, moved: &[usize]) -> Result<()>
    where
        Self: Sync,
        Front<Args, Aval>: Sync,
    {
        let mut avals = vec![];
        args.visit(|_, a| avals.push(a));
        let places = self.places("argument", args, &avals, (self.in_axes)(&args.map(|_| Hole)))?;
        let axes: Vec<Option<usize>> = places.iter().map(|p| p.as_ref().map(|p| p.axis)).collect();
        let compile = |bucket: usize| -> Result<()> {
            let mut axes = axes.iter();
            let front = args.map(|aval| {
                let mut aval = aval.clone();
                axes.next().into_iter().flatten().for_each(|axis| aval.dims[*axis] = bucket);
                aval
            });
            let program = self.jit.prepare(&Args::join(front, Aval::new(DType::I32, [])), moved)?;
            self.cuts(&program, bucket).map(|_| ())
        };
        let (sizes, next) = (self.buckets.sizes(), AtomicUsize::new(0));
        let work = || {
            let mine = || sizes.get(next.fetch_add(1, Ordering::Relaxed));
            std::iter::from_fn(mine).map(|size| (*size, compile(*size))).collect::<Vec<_>>()
        };
        let threads = thread::available_parallelism().map_or(1, |n| n.get()).min(sizes.len());
        let mut done = thread::scope(|s| {
            let running: Vec<_> = (0..threads).map(|_| s.spawn(work)).collect();
            running.into_iter().flat_map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))).collect::<Vec<_>>()
        });
        done.sort_by_key(|(size, _)| *size);
        done.into_iter().try_for_each(|(_, outcome)| outcome)
    }
}
