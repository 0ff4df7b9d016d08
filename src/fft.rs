//! Discrete Fourier transforms: `jax.numpy.fft`, by its names.
//!
//! What is complex is c64 or c128. Functions of complex numbers take f32 and f64 too, as numbers without imaginary part; [`rfft`] and its
//! kin take those only, and [`irfft`] and [`hfft`] make them. Everything has derivatives of any order in both modes, and batches under
//! [`vmap`](crate::vmap). Lengths of small prime factors are the fastest.
//!
//! ```
//! use raxla::{fft, fft::Norm, prelude::*};
//! // the derivative of sin x, from its spectrum
//! let derivative = jit(|y: Tensor| {
//!     let n = y.dim(0);
//!     let k = fft::rfftfreq(n, 1.0 / n as f64, DType::F64).cast(DType::C128);
//!     fft::irfft(fft::rfft(y, None, -1, Norm::Backward) * k * raxla::Complex64::I, Some(n), -1, Norm::Backward)
//! });
//! let x: Vec<f64> = (0..8).map(|j| j as f64 * std::f64::consts::TAU / 8.0).collect();
//! let y: Vec<f64> = x.iter().map(|x| x.sin()).collect();
//! let dy = derivative.call((Array::from_slice([8], &y)?,))?.to_vec::<f64>()?;
//! assert!(x.iter().zip(dy).all(|(x, dy)| (x.cos() - dy).abs() < 1e-12));
//! # Ok::<(), raxla::Error>(())
//! ```
use crate::{
    aval::{DType, axis_number},
    ops::where_,
    prim::{self, FftType, inverse, iota, other_axes},
    trace::{At, Tensor, fail},
};

/// What transforms of n numbers are divided by. JAX: `norm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Norm {
    /// Nothing, and their inverses by n.
    #[default]
    Backward,
    /// √n, and their inverses as well: both keep the sum of squares.
    Ortho,
    /// n, and their inverses by nothing.
    Forward,
}
impl Norm {
    /// What the sums of a transform of n numbers, or of an inverse one, are multiplied with.
    fn of_sums(self, n: f64, inverse: bool) -> f64 {
        match (self, inverse) {
            (Norm::Ortho, _) => 1.0 / n.sqrt(),
            (Norm::Backward, true) | (Norm::Forward, false) => 1.0 / n,
            (Norm::Backward, false) | (Norm::Forward, true) => 1.0,
        }
    }
}

/// A transform as it is asked for.
struct Asked<'a> {
    /// The function that was called.
    op: &'static str,
    kind: FftType,
    /// The sizes of the axes in real space.
    sizes: Option<&'a [usize]>,
    axes: Option<&'a [isize]>,
    norm: Norm,
    /// Is it divided as inverse transforms are?
    inverse: bool,
}

impl Asked<'_> {
    #[track_caller]
    fn wrong(&self, x: Tensor, reason: String, help: &str) -> ! {
        fail(self.op, vec![x.aval()], reason, Some(help.into()))
    }
    /// The axes, from the front.
    #[track_caller]
    fn axes(&self, x: Tensor) -> Vec<usize> {
        let rank = x.rank();
        let axes: Vec<usize> = match (self.axes, self.sizes) {
            (Some(axes), _) => axes.iter().map(|a| axis_number(*a, rank)).collect::<Option<_>>().unwrap_or_else(|| {
                self.wrong(x, format!("it has not all of the axes {axes:?}"), "axes count from 0, or from -1 backwards")
            }),
            (None, Some(sizes)) if sizes.len() <= rank => (rank - sizes.len()..rank).collect(),
            _ => (0..rank).collect(),
        };
        if axes.iter().enumerate().any(|(i, a)| axes[..i].contains(a)) {
            self.wrong(x, format!("an axis is named twice in {axes:?}"), "name each axis once; -1 is the last one");
        }
        if let Some(sizes) = self.sizes.filter(|sizes| sizes.len() != axes.len()) {
            let reason = format!("{} sizes are given for {} axes", sizes.len(), axes.len());
            self.wrong(x, reason, "give one size for each axis, or none at all");
        }
        axes
    }
    /// The sizes in real space of `x`, whose last axes are transformed.
    #[track_caller]
    fn sizes(&self, x: Tensor, n: usize) -> Vec<usize> {
        let mut sizes = self.sizes.map_or_else(|| x.dims()[x.rank() - n..].to_vec(), <[usize]>::to_vec);
        if let (FftType::Irfft, None, Some(last)) = (self.kind, self.sizes, sizes.last_mut()) {
            *last = 2 * last.saturating_sub(1);
        }
        // (an axis that has no elements stays empty, unless a size is asked for; of no real numbers there is no spectrum)
        let asked = self.sizes.is_some_and(|sizes| sizes.contains(&0));
        if asked || (self.kind == FftType::Rfft && sizes.last() == Some(&0)) {
            self.wrong(
                x,
                format!("there is no transform of {sizes:?} numbers"),
                "transform one number at least along each axis",
            );
        }
        sizes
    }
    /// What transforms over last axes of these sizes give, of which one is 0.
    #[track_caller]
    fn empty(&self, x: Tensor, sizes: &[usize]) -> Tensor {
        let (mut ends, dtype) = (sizes.to_vec(), x.dtype());
        let dtype = match (self.kind, dtype.complex()) {
            (FftType::Irfft, _) => dtype.real(),
            (_, complex) => complex.unwrap_or(dtype),
        };
        if let (FftType::Rfft, Some(last)) = (self.kind, ends.last_mut()) {
            *last = *last / 2 + 1;
        }
        prim::zeros([&x.dims()[..x.rank() - sizes.len()], &ends].concat(), dtype)
    }
    #[track_caller]
    fn apply(&self, x: Tensor) -> Tensor {
        let x = match (self.kind, x.dtype().complex()) {
            (FftType::Rfft, _) | (_, None) => x,
            (_, Some(complex)) => x.cast(complex),
        };
        let axes = self.axes(x);
        if axes.is_empty() {
            return x;
        }
        let order = [other_axes(x.rank(), &axes), axes.clone()].concat();
        let x = x.transpose(&*order);
        let sizes = self.sizes(x, axes.len());
        if sizes.contains(&0) {
            return self.empty(x, &sizes).transpose(inverse(&order));
        }
        let y = over_last(sized(x, self.kind, &sizes), self.kind, &sizes);
        let points = sizes.iter().product::<usize>() as f64;
        let done = if matches!(self.kind, FftType::Ifft | FftType::Irfft) { 1.0 / points } else { 1.0 };
        let scale = self.norm.of_sums(points, self.inverse) / done;
        let y = if scale == 1.0 { y } else { y * scale };
        y.transpose(inverse(&order))
    }
}

/// `x` with its last axes cut, or filled with zeros, to what a transform of these sizes takes.
#[track_caller]
fn sized(x: Tensor, kind: FftType, sizes: &[usize]) -> Tensor {
    let first = x.rank() - sizes.len();
    let mut edges = vec![(0, 0, 0); x.rank()];
    for (i, size) in sizes.iter().enumerate() {
        let half = kind == FftType::Irfft && i + 1 == sizes.len();
        let want = if half { size / 2 + 1 } else { *size };
        edges[first + i].1 = want as i64 - x.dims()[first + i] as i64;
    }
    if edges.iter().all(|e| e.1 == 0) { x } else { prim::pad(x, prim::zeros([], x.dtype()), edges) }
}

/// The transform over the last axes: XLA's is over three at most. Of more, the last ones are transformed, and then the others.
#[track_caller]
fn over_last(x: Tensor, kind: FftType, sizes: &[usize]) -> Tensor {
    const MOST: usize = 3;
    let Some((outer, last)) = sizes.len().checked_sub(MOST).filter(|n| *n > 0).map(|n| sizes.split_at(n)) else {
        return prim::fft(x, kind, sizes);
    };
    let first = x.rank() - sizes.len();
    let kept: Vec<usize> = (0..first).collect();
    let (outer_axes, last_axes): (Vec<usize>, Vec<usize>) =
        ((first..first + outer.len()).collect(), (first + outer.len()..x.rank()).collect());
    let swapped = [kept, last_axes, outer_axes].concat();
    let of_outer = |x: Tensor, kind| over_last(x.transpose(&*swapped), kind, outer).transpose(inverse(&swapped));
    match kind {
        FftType::Fft | FftType::Rfft => of_outer(prim::fft(x, kind, last), FftType::Fft),
        FftType::Ifft | FftType::Irfft => prim::fft(of_outer(x, FftType::Ifft), kind, last),
    }
}

/// One function per transform: documentation, name, type of transform, and whether it is divided as an inverse one. The first block has
/// those along one axis, the second those over two axes, the third those over several.
macro_rules! along_one {
    ($($(#[$doc:meta])* $f:ident, $kind:ident, $inverse:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f(x: Tensor, n: Option<usize>, axis: isize, norm: Norm) -> Tensor {
            const OP: &str = stringify!($f);
            let _at = At::op(OP);
            let sizes = n.map(|n| [n]);
            let (sizes, axes) = (sizes.as_ref().map(|s| &s[..]), Some(&[axis][..]));
            Asked { op: OP, kind: FftType::$kind, sizes, axes, norm, inverse: $inverse }.apply(x)
        }
    )*};
}
macro_rules! over_two {
    ($($(#[$doc:meta])* $f:ident, $kind:ident, $inverse:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f(x: Tensor, s: Option<[usize; 2]>, axes: [isize; 2], norm: Norm) -> Tensor {
            const OP: &str = stringify!($f);
            let _at = At::op(OP);
            let sizes = s.as_ref().map(|s| &s[..]);
            Asked { op: OP, kind: FftType::$kind, sizes, axes: Some(&axes), norm, inverse: $inverse }.apply(x)
        }
    )*};
}
macro_rules! over_several {
    ($($(#[$doc:meta])* $f:ident, $kind:ident, $inverse:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $f(x: Tensor, s: Option<&[usize]>, axes: Option<&[isize]>, norm: Norm) -> Tensor {
            const OP: &str = stringify!($f);
            let _at = At::op(OP);
            Asked { op: OP, kind: FftType::$kind, sizes: s, axes, norm, inverse: $inverse }.apply(x)
        }
    )*};
}
along_one! {
    /// The discrete Fourier transform along an axis: y\[k\] = Σ x\[j\] exp(-2πi jk/n). `x` is cut, or filled with zeros, to `n` elements
    /// along it; an axis without elements stays so. JAX: `jnp.fft.fft`.
    ///
    /// ```
    /// use raxla::{Complex32, fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::fft(x, None, -1, Norm::Backward));
    /// let y = f.call((Array::from_slice([4], &[1f32, 2., 0., 2.])?,))?.to_vec::<Complex32>()?;
    /// assert_eq!(y.iter().map(|z| z.re).collect::<Vec<_>>(), [5., 1., -3., 1.]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// No such axis; 0 as `n`; dtypes other than f32, f64, c64 and c128.
    fft, Fft, false;
    /// The inverse of [`fft`]: x\[j\] = Σ y\[k\] exp(2πi jk/n) / n. JAX: `jnp.fft.ifft`.
    ///
    /// ```
    /// use raxla::{Complex32, fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::ifft(fft::fft(x, None, -1, Norm::Ortho), None, -1, Norm::Ortho).real());
    /// let y = f.call((Array::from_slice([3], &[1f32, 2., 4.])?,))?.to_vec::<f32>()?;
    /// assert!((y[2] - 4.0).abs() < 1e-6);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fft`].
    ifft, Ifft, true;
    /// [`fft`] of real numbers: the first n/2 + 1 results, of which the others are conjugates. JAX: `jnp.fft.rfft`.
    ///
    /// ```
    /// use raxla::{fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::rfft(x, None, -1, Norm::Backward));
    /// let y = f.call((Array::from_slice([2, 5], &[1f32; 10])?,))?;
    /// assert_eq!(y.aval().to_string(), "c64[2, 3]");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fft`]; complex numbers; no elements along the axis.
    rfft, Rfft, false;
    /// The inverse of [`rfft`]: `n` real numbers (by default 2(m - 1)) from the first n/2 + 1 numbers of their spectrum; the imaginary part
    /// of the first, and for an even `n` of the last, has no effect. JAX: `jnp.fft.irfft`.
    ///
    /// ```
    /// use raxla::{fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::irfft(fft::rfft(x, None, 0, Norm::Backward), Some(3), 0, Norm::Backward));
    /// let y = f.call((Array::from_slice([3], &[1f32, 2., 4.])?,))?.to_vec::<f32>()?;
    /// assert!((y[2] - 4.0).abs() < 1e-6);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fft`].
    irfft, Irfft, true;
}
over_two! {
    /// [`fft`] over two axes, usually `[-2, -1]`. JAX: `jnp.fft.fft2`.
    ///
    /// ```
    /// use raxla::{Complex32, fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::fft2(x, None, [-2, -1], Norm::Backward));
    /// let y = f.call((Array::from_slice([2, 2], &[1f32, 2., 3., 4.])?,))?.to_vec::<Complex32>()?;
    /// assert_eq!(y.iter().map(|z| z.re).collect::<Vec<_>>(), [10., -2., -4., 0.]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fft`]; an axis named twice.
    fft2, Fft, false;
    /// [`ifft`] over two axes, usually `[-2, -1]`. JAX: `jnp.fft.ifft2`.
    ///
    /// ```
    /// use raxla::{fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::ifft2(x, Some([2, 4]), [0, 1], Norm::Backward));
    /// assert_eq!(f.call((Array::from_slice([3, 3], &[1f32; 9])?,))?.aval().to_string(), "c64[2, 4]");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fft2`].
    ifft2, Ifft, true;
    /// [`rfft`] over two axes, usually `[-2, -1]`: real along the last of them. JAX: `jnp.fft.rfft2`.
    ///
    /// ```
    /// use raxla::{fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::rfft2(x, None, [-2, -1], Norm::Backward));
    /// assert_eq!(f.call((Array::from_slice([3, 4], &[1f32; 12])?,))?.aval().to_string(), "c64[3, 3]");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fft2`]; complex numbers.
    rfft2, Rfft, false;
    /// [`irfft`] over two axes, usually `[-2, -1]`: real along the last of them. JAX: `jnp.fft.irfft2`.
    ///
    /// ```
    /// use raxla::{fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::irfft2(x, None, [-2, -1], Norm::Backward));
    /// assert_eq!(f.call((Array::from_slice([3, 3], &[1f32; 9])?,))?.aval().to_string(), "f32[3, 4]");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fft2`].
    irfft2, Irfft, true;
}
over_several! {
    /// [`fft`] over these axes; by default over all, or over the last ones if sizes `s` are given. JAX: `jnp.fft.fftn`.
    ///
    /// ```
    /// use raxla::{fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::fftn(x, Some(&[4, 2]), Some(&[2, 0]), Norm::Forward));
    /// assert_eq!(f.call((Array::from_slice([3, 3, 3], &[1f32; 27])?,))?.aval().to_string(), "c64[2, 3, 4]");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fft2`]; not as many sizes as axes.
    fftn, Fft, false;
    /// [`ifft`] over these axes, as [`fftn`]. JAX: `jnp.fft.ifftn`.
    ///
    /// ```
    /// use raxla::{Complex32, fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::ifftn(x, None, None, Norm::Backward));
    /// let y = f.call((Array::from_slice([2, 2], &[4f32, 0., 0., 0.])?,))?;
    /// assert_eq!(y.to_vec::<Complex32>()?, [Complex32::ONE; 4]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fftn`].
    ifftn, Ifft, true;
    /// [`rfft`] over these axes, as [`fftn`]: real along the last of them. JAX: `jnp.fft.rfftn`.
    ///
    /// ```
    /// use raxla::{fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::rfftn(x, None, None, Norm::Backward));
    /// assert_eq!(f.call((Array::from_slice([2, 3, 4], &[1f32; 24])?,))?.aval().to_string(), "c64[2, 3, 3]");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fftn`]; complex numbers.
    rfftn, Rfft, false;
    /// [`irfft`] over these axes, as [`fftn`]: real along the last of them. JAX: `jnp.fft.irfftn`.
    ///
    /// ```
    /// use raxla::{fft, fft::Norm, prelude::*};
    /// let f = jit(|x: Tensor| fft::irfftn(x, Some(&[2, 5]), None, Norm::Backward));
    /// assert_eq!(f.call((Array::from_slice([3, 2, 3], &[1f32; 18])?,))?.aval().to_string(), "f32[3, 2, 5]");
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fftn`].
    irfftn, Irfft, true;
}

/// The transform of `n` numbers (by default 2(m - 1)), of which the first n/2 + 1 are given and the others are conjugates: real numbers.
/// JAX: `jnp.fft.hfft`.
///
/// ```
/// use raxla::{fft, fft::Norm, prelude::*};
/// let f = jit(|x: Tensor| fft::hfft(x, None, -1, Norm::Backward));
/// assert_eq!(f.call((Array::from_slice([3], &[1f32, 2., 3.])?,))?.to_vec::<f32>()?, [8., -2., 0., -2.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`irfft`].
#[track_caller]
pub fn hfft(x: Tensor, n: Option<usize>, axis: isize, norm: Norm) -> Tensor {
    let _at = At::op("hfft");
    let sizes = n.map(|n| [n]);
    let (sizes, axes) = (sizes.as_ref().map(|s| &s[..]), Some(&[axis][..]));
    Asked { op: "hfft", kind: FftType::Irfft, sizes, axes, norm, inverse: false }.apply(x.conj())
}
/// The inverse of [`hfft`]: the first n/2 + 1 numbers whose transform these real numbers are. JAX: `jnp.fft.ihfft`.
///
/// ```
/// use raxla::{Complex32, fft, fft::Norm, prelude::*};
/// let f = jit(|x: Tensor| fft::ihfft(x, None, -1, Norm::Backward));
/// let y = f.call((Array::from_slice([4], &[8f32, -2., 0., -2.])?,))?.to_vec::<Complex32>()?;
/// assert_eq!(y.iter().map(|z| z.re).collect::<Vec<_>>(), [1., 2., 3.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`rfft`].
#[track_caller]
pub fn ihfft(x: Tensor, n: Option<usize>, axis: isize, norm: Norm) -> Tensor {
    let _at = At::op("ihfft");
    let sizes = n.map(|n| [n]);
    let (sizes, axes) = (sizes.as_ref().map(|s| &s[..]), Some(&[axis][..]));
    Asked { op: "ihfft", kind: FftType::Rfft, sizes, axes, norm, inverse: true }.apply(x).conj()
}

/// The frequencies of the results of [`fft`] of `n` samples a distance `d` apart, in cycles per unit of `d`: 0, 1, .., -2, -1 times
/// 1/(nd). JAX: `jnp.fft.fftfreq`.
///
/// ```
/// use raxla::{eager, fft, prelude::*};
/// let f = eager(|| fft::fftfreq(5, 0.2, DType::F32), ())?;
/// assert_eq!(f.to_vec::<f32>()?, [0., 1., 2., -2., -1.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Dtypes that are no floats.
#[track_caller]
pub fn fftfreq(n: usize, d: f64, dtype: DType) -> Tensor {
    let _at = At::op("fftfreq");
    if n == 0 && dtype.is_float() {
        return prim::zeros([0], dtype);
    }
    let k = iota([n], DType::I32, 0);
    frequencies("fftfreq", where_(k.lt(n.div_ceil(2)), k, k - n), n, d, dtype)
}
/// The frequencies of the results of [`rfft`], as [`fftfreq`]: 0, 1, .., n/2 times 1/(nd). JAX: `jnp.fft.rfftfreq`.
///
/// ```
/// use raxla::{eager, fft, prelude::*};
/// let f = eager(|| fft::rfftfreq(4, 0.25, DType::F32), ())?;
/// assert_eq!(f.to_vec::<f32>()?, [0., 1., 2.]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Dtypes that are no floats.
#[track_caller]
pub fn rfftfreq(n: usize, d: f64, dtype: DType) -> Tensor {
    let _at = At::op("rfftfreq");
    frequencies("rfftfreq", iota([n / 2 + 1], DType::I32, 0), n, d, dtype)
}
#[track_caller]
fn frequencies(op: &str, k: Tensor, n: usize, d: f64, dtype: DType) -> Tensor {
    if !dtype.is_float() {
        fail(op, vec![], format!("{dtype} is not a float"), Some("ask for `DType::F32` or `DType::F64`".into()))
    }
    if n == 0 {
        fail(op, vec![], "there are no frequencies of 0 samples", Some("give the number of samples".into()))
    }
    k.cast(dtype) / (d * n as f64)
}

/// The results of a transform over these axes (by default all), with frequency 0 in the middle of each. JAX: `jnp.fft.fftshift`.
///
/// ```
/// use raxla::{fft, prelude::*};
/// let f = jit(|x: Tensor| fft::fftshift(x, None));
/// assert_eq!(f.call((Array::from_slice([5], &[0i32, 1, 2, -2, -1])?,))?.to_vec::<i32>()?, [-2, -1, 0, 1, 2]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// No such axis.
#[track_caller]
pub fn fftshift(x: Tensor, axes: Option<&[isize]>) -> Tensor {
    let _at = At::op("fftshift");
    rolled(x, axes, |n| n / 2)
}
/// The inverse of [`fftshift`]. JAX: `jnp.fft.ifftshift`.
///
/// ```
/// use raxla::{fft, prelude::*};
/// let f = jit(|x: Tensor| fft::ifftshift(x, Some(&[-1])));
/// assert_eq!(f.call((Array::from_slice([5], &[-2i32, -1, 0, 1, 2])?,))?.to_vec::<i32>()?, [0, 1, 2, -2, -1]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// No such axis.
#[track_caller]
pub fn ifftshift(x: Tensor, axes: Option<&[isize]>) -> Tensor {
    let _at = At::op("ifftshift");
    rolled(x, axes, |n| -(n / 2))
}
#[track_caller]
fn rolled(x: Tensor, axes: Option<&[isize]>, by: fn(isize) -> isize) -> Tensor {
    let all: Vec<isize> = (0..x.rank() as isize).collect();
    axes.unwrap_or(&all).iter().fold(x, |x, axis| x.roll(by(x.dim(*axis) as isize), *axis))
}
