//! Reductions as methods, with negative axes, and what is composed from them.
use crate::{
    aval::DType,
    prim::{self, reduce_and, reduce_max, reduce_min, reduce_or, reduce_prod, reduce_sum, select},
    trace::{At, Tensor, fail, op_name},
};

/// The axes of a reduction: one (`-1`), several (`[0, -1]`), or all (`..`). Negative ones count from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axes {
    /// Every axis.
    All,
    /// These axes.
    These(Vec<isize>),
}
impl From<isize> for Axes {
    fn from(axis: isize) -> Axes {
        Axes::These(vec![axis])
    }
}
impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Axes {
        Axes::These(axes.to_vec())
    }
}
impl From<Vec<isize>> for Axes {
    fn from(axes: Vec<isize>) -> Axes {
        Axes::These(axes)
    }
}
impl From<std::ops::RangeFull> for Axes {
    fn from(_: std::ops::RangeFull) -> Axes {
        Axes::All
    }
}
impl Axes {
    #[track_caller]
    pub(crate) fn of(&self, x: Tensor) -> Vec<usize> {
        match self {
            Axes::All => (0..x.rank()).collect(),
            Axes::These(axes) => {
                let found: Vec<usize> = axes.iter().map(|a| x.axis(*a)).collect();
                if found.iter().enumerate().any(|(i, a)| found[..i].contains(a)) {
                    fail(
                        op_name("axes"),
                        vec![x.aval()],
                        format!("an axis is named twice in {axes:?}"),
                        Some("name each axis once; -1 is the last one".into()),
                    )
                }
                found
            }
        }
    }
}

/// What a sum is accumulated in: narrow floats in f32, bools and narrow integers in 32 bits.
fn accumulator(d: DType) -> DType {
    match d {
        d if d.is_complex() => d,
        d if d.is_float() && d != DType::F64 => DType::F32,
        d if d.bits() >= 32 => d,
        DType::Bool => DType::I32,
        d if d.is_signed() => DType::I32,
        _ => DType::U32,
    }
}
/// What a sum comes back as: floats keep their dtype.
fn summed(d: DType) -> DType {
    if d.is_inexact() { d } else { accumulator(d) }
}
/// The dtype of a mean.
fn averaged(d: DType) -> DType {
    if d.is_inexact() { d } else { DType::F32 }
}

fn count(x: Tensor, axes: &[usize]) -> usize {
    let dims = x.dims();
    axes.iter().map(|a| dims[*a]).product()
}

/// A maximum or minimum needs an element to choose.
#[track_caller]
fn not_empty(op: &str, x: Tensor, axes: &[usize]) {
    if count(x, axes) == 0 {
        fail(
            op,
            vec![x.aval()],
            format!("there are no elements along axes {axes:?} to choose from"),
            Some("choose along other axes, or put a first value there with `concat`".into()),
        );
    }
}

/// Mean in a wide dtype, of a tensor already in it.
fn wide_mean(x: Tensor, axes: &[usize]) -> Tensor {
    reduce_sum(x, axes) / count(x, axes) as f64
}
/// The shape after a reduction that keeps its axes, with size 1.
fn kept(x: Tensor, axes: &[usize]) -> Vec<usize> {
    x.dims().iter().enumerate().map(|(i, d)| if axes.contains(&i) { 1 } else { *d }).collect()
}

/// One line per reduction: documentation, the method, the method that keeps the axes, and its meaning.
macro_rules! reductions {
    ($($(#[$doc:meta])* $f:ident, $keep:ident => |$x:ident, $axes:ident| $e:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $f(self, axes: impl Into<Axes>) -> Tensor {
                let _at = At::op(stringify!($f));
                let ($x, $axes) = (self, axes.into().of(self));
                $e
            }
            $(#[$doc])*
            ///
            /// The axes stay, with size 1.
            #[track_caller]
            pub fn $keep(self, axes: impl Into<Axes>) -> Tensor {
                let _at = At::op(stringify!($keep));
                let axes = axes.into();
                let dims = kept(self, &axes.of(self));
                self.$f(axes).reshape(dims)
            }
        )*}
    };
}
reductions! {
    /// Sum over axes. Floats narrower than 32 bits accumulate in f32; bools and narrow integers give 32-bit integers.
    sum, sum_keep => |x, axes| reduce_sum(x.cast(accumulator(x.dtype())), axes).cast(summed(x.dtype())); // of all axes: `x.sum(..)`
    /// Product over axes; dtypes as in [`Tensor::sum`].
    prod, prod_keep => |x, axes| reduce_prod(x.cast(accumulator(x.dtype())), axes).cast(summed(x.dtype()));
    /// Mean over axes, computed in f32 at least; of integers and bools, f32.
    mean, mean_keep => |x, axes| wide_mean(x.cast(accumulator(averaged(x.dtype()))), &axes).cast(averaged(x.dtype()));
    /// Variance over axes: the mean squared distance from the mean (divided by n, as NumPy does); dtypes as in
    /// [`Tensor::mean`], and of complex numbers a float.
    var, var_keep => |x, axes| {
        let wide = x.cast(accumulator(averaged(x.dtype())));
        let centred = wide - wide_mean(wide, &axes).reshape(kept(x, &axes));
        let square = (centred * centred.conj()).real();
        wide_mean(square, &axes).cast(averaged(x.dtype()).real())
    };
    /// Standard deviation over axes: the root of [`Tensor::var`].
    std, std_keep => |x, axes| x.var(isizes(&axes)).sqrt();
    /// Largest element over axes; NaN if there is one. See [`Tensor::maximum`] for the larger of two.
    max, max_keep => |x, axes| {
        not_empty("max", x, &axes);
        reduce_max(x, axes)
    };
    /// Smallest element over axes; NaN if there is one. See [`Tensor::minimum`] for the smaller of two.
    min, min_keep => |x, axes| {
        not_empty("min", x, &axes);
        reduce_min(x, axes)
    };
    /// Is any element true (or not zero) over axes? Gives bools.
    any, any_keep => |x, axes| reduce_or(x.cast(DType::Bool), axes);
    /// Are all elements true (or not zero) over axes? Gives bools.
    all, all_keep => |x, axes| reduce_and(x.cast(DType::Bool), axes);
    /// ln Σ eˣ over axes, without overflow. Of nothing but -∞ it is -∞.
    logsumexp, logsumexp_keep => |x, axes| {
        require_float(x);
        let most = shift(x, &axes);
        let sum = (x - most.reshape(kept(x, &axes))).exp().sum(isizes(&axes));
        sum.log() + most
    };
}

#[track_caller]
fn require_float(x: Tensor) {
    let a = x.aval();
    if !a.dtype.is_float() {
        let help = match a.dtype.is_complex() {
            true => "take `x.real()` or `x.abs()` of complex numbers".to_string(),
            false => "convert it first with `.cast(..)`".to_string(),
        };
        fail(op_name("exp"), vec![a.clone()], format!("{} is not a float", a.dtype.name()), Some(help))
    }
}

/// The largest element, as a constant to subtract before exponentiating: 0 where it is infinite.
fn shift(x: Tensor, axes: &[usize]) -> Tensor {
    let most = reduce_max(x.stop_gradient(), axes);
    select(most.is_finite(), most, most.like(0.0))
}
/// The largest element over axes, which stay with size 1; -∞ of none.
fn most_keep(x: Tensor, axes: &Axes) -> Tensor {
    let axes = axes.of(x);
    reduce_max(x, &*axes).reshape(kept(x, &axes))
}
fn isizes(axes: &[usize]) -> Axes {
    Axes::These(axes.iter().map(|a| *a as isize).collect())
}

impl Tensor {
    /// Position (i32) of the largest element along an axis, which disappears: the first of equals, or the first NaN.
    #[track_caller]
    pub fn argmax(self, axis: isize) -> Tensor {
        let _at = At::op("argmax");
        prim::argmax(self, self.axis(axis), DType::I32)
    }
    /// Position (i32) of the smallest element along an axis, which disappears: the first of equals, or the first NaN.
    #[track_caller]
    pub fn argmin(self, axis: isize) -> Tensor {
        let _at = At::op("argmin");
        prim::argmin(self, self.axis(axis), DType::I32)
    }
    /// eˣ / Σ eˣ over axes, without overflow. Where all elements are -∞ it is NaN, as in JAX: mask with a large
    /// finite number instead.
    #[track_caller]
    pub fn softmax(self, axes: impl Into<Axes>) -> Tensor {
        let _at = At::op("softmax");
        require_float(self);
        let axes = isizes(&axes.into().of(self));
        let value = |x: Tensor| {
            let e = (x - most_keep(x, &axes)).exp();
            e / e.sum_keep(axes.clone())
        };
        if !self.dtype().is_float() {
            return value(self);
        }
        // its tangent needs no other value than itself: reverse mode keeps one
        let rule = |x: Tensor, dx: Tensor| {
            let y = value(x);
            (y, y * (dx - (y * dx).sum_keep(axes.clone())))
        };
        prim::composite_jvp(value, rule)(self)
    }
    /// ln of [`Tensor::softmax`], more accurate than `x.softmax(..).log()`.
    #[track_caller]
    pub fn log_softmax(self, axes: impl Into<Axes>) -> Tensor {
        let _at = At::op("log_softmax");
        require_float(self);
        let axes = isizes(&axes.into().of(self));
        let x = self - most_keep(self.stop_gradient(), &axes);
        x - x.exp().sum_keep(axes).log()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{host::Host, prim::literal, testing::check_grads, trace::trace_graph};

    fn run(x: &Host, f: impl FnOnce(Tensor) -> Tensor) -> Host {
        let g = trace_graph(&[x.aval().clone()], |x| vec![f(x[0])]).expect("it traces");
        g.eval(std::slice::from_ref(x)).swap_remove(0)
    }
    fn matrix(dtype: DType) -> Host {
        Host::floats(dtype, [2, 3], vec![1.0, 2.0, 4.0, 8.0, 16.0, 33.0])
    }

    #[test]
    fn axes_are_one_several_or_all_and_may_count_from_the_end() {
        let x = matrix(DType::F32);
        assert_eq!(run(&x, |x| x.sum(-1)).to_f64(), [7.0, 57.0]);
        assert_eq!(run(&x, |x| x.sum([0])).to_f64(), [9.0, 18.0, 37.0]);
        assert_eq!(run(&x, |x| x.sum(..)).to_f64(), [64.0]);
        assert_eq!(run(&x, |x| x.sum([0, -1])).dims(), [0usize; 0]);
        assert_eq!(run(&x, |x| x.sum([])), x);
        assert_eq!(run(&x, |x| x.max_keep(-2)).dims(), [1, 3]);
        assert_eq!(run(&x, |x| x.sum_keep(..)).dims(), [1, 1]);
        assert_eq!(run(&x, |x| x.mean(1)).to_f64(), [(7.0f32 / 3.0) as f64, 19.0]);
        assert_eq!(run(&x, |x| x.var(0)).to_f64(), [12.25, 49.0, 210.25]);
        assert_eq!(run(&x, |x| x.argmax(-1)).to_ints(), [2, 2]);
        assert_eq!(run(&x, |x| x.argmin(0)).to_ints(), [0, 0, 0]);
        assert_eq!(run(&x, |x| x.gt(3.0).any(1)).to_ints(), [1, 1]);
        assert_eq!(run(&x, |x| x.gt(3.0).all(1)).to_ints(), [0, 1]);
    }

    #[test]
    fn narrow_dtypes_accumulate_in_wide_ones() {
        // in bf16, 256 + 1 is 256 again
        let x = Host::floats(DType::BF16, [301], [vec![256.0], vec![1.0; 300]].concat());
        assert_eq!(run(&x, |x| x.sum(0)).to_f64(), [556.0]);
        let flags = Host::ints(DType::Bool, [300], vec![1; 300]);
        assert_eq!(run(&flags, |x| x.sum(0)), Host::ints(DType::I32, [], vec![300]));
        assert_eq!(run(&flags, |x| x.mean(0)), Host::floats(DType::F32, [], vec![1.0]));
        let bytes = Host::ints(DType::U8, [2], vec![200, 200]);
        assert_eq!(run(&bytes, |x| x.sum(0)), Host::ints(DType::U32, [], vec![400]));
    }

    #[test]
    fn exponentials_neither_overflow_nor_lose_masked_rows() {
        let inf = f64::INFINITY;
        let x = Host::floats(DType::F32, [3, 2], vec![1000.0, 1000.0, -inf, -inf, -inf, 5.0]);
        let l = run(&x, |x| x.logsumexp(-1)).to_f64();
        assert!((l[0] - 1000.0 - 2f64.ln()).abs() < 1e-4, "{l:?}");
        assert_eq!(l[1..], [-inf, 5.0]);
        let s = run(&x, |x| x.softmax(-1)).to_f64();
        assert_eq!([s[0], s[1], s[4], s[5]], [0.5, 0.5, 0.0, 1.0]);
        assert!(s[2].is_nan(), "as in JAX");
        let l = run(&x, |x| x.log_softmax([-1])).to_f64();
        assert_eq!([l[4], l[5]], [-inf, 0.0]);
        assert!((l[0] + 2f64.ln()).abs() < 1e-7);
    }

    #[test]
    fn derivatives_are_right_also_at_zeros_and_masked_elements() {
        let x = Host::floats(DType::F64, [2, 3], vec![0.3, -1.2, 2.0, 0.0, 0.7, 0.1]);
        let masked = |x: Tensor| {
            let hidden = literal(Host::ints(DType::Bool, [2, 3], vec![0, 0, 1, 1, 0, 0]));
            crate::where_(hidden, x.like(f64::NEG_INFINITY), x)
        };
        check_grads(|x| vec![x[0].prod(-1), x[0].mean(..), x[0].var(0)], std::slice::from_ref(&x), 2).unwrap();
        check_grads(|x| vec![x[0].softmax(-1), x[0].logsumexp(0)], std::slice::from_ref(&x), 2).unwrap();
        check_grads(|x| vec![masked(x[0]).softmax([0, 1])], std::slice::from_ref(&x), 2).unwrap();
        check_grads(|x| vec![masked(x[0]).logsumexp(1), x[0].log_softmax(1)], &[x], 2).unwrap();
        // two zeros: the product of the others does not reach them
        let x = Host::floats(DType::F64, [3], vec![0.0, 2.0, 0.0]);
        check_grads(|x| vec![x[0].prod(0)], &[x], 1).unwrap();
    }

    #[test]
    fn wrong_axes_are_errors_at_the_callers_line() {
        let a = crate::Aval::new(DType::F32, [2, 0]);
        let line = line!() + 1;
        let e = trace_graph(std::slice::from_ref(&a), |x| vec![x[0].softmax(2)]).expect_err("no axis 2");
        assert_eq!((e.file, e.line), (file!(), line));
        assert_eq!(e.reason, "there is no axis 2 in a tensor of rank 2");
        let e = trace_graph(std::slice::from_ref(&a), |x| vec![x[0].sum([0, -2])]).expect_err("twice");
        assert_eq!(e.reason, "an axis is named twice in [0, -2]");
        let e = trace_graph(&[a], |x| vec![x[0].max(1)]).expect_err("empty");
        assert!(e.to_string().starts_with("max of f32[2, 0]: there are no elements along axes [1]"), "{e}");
    }
}
