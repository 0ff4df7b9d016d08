//! Random integers and orders.
use super::*;
use crate::{
    host::int_range,
    ops::shape::{arange, index_dtype},
    prim::{IndexMode, cumsum},
};

/// A bound of [`Key::randint`]: any integer, also one just beyond the dtype's range, or a tensor.
pub trait IntBound: Copy {
    /// The bound limited to the range of `dtype`, and whether it was above it (`None`: it cannot be).
    fn bound(self, dtype: DType) -> (Tensor, Option<Tensor>);
}
macro_rules! bounds {
    ($($t:ty)*) => {$(
        impl IntBound for $t {
            #[track_caller]
            fn bound(self, dtype: DType) -> (Tensor, Option<Tensor>) {
                let (low, high) = int_range(dtype);
                let n = self as i128;
                let beyond = (n > high).then(|| full([], DType::Bool, true));
                (literal(Host::ints(dtype, [], vec![n.clamp(low, high)])), beyond)
            }
        }
    )*};
}
bounds!(i32 i64 i128 u32 u64 usize);
impl IntBound for Tensor {
    #[track_caller]
    fn bound(self, dtype: DType) -> (Tensor, Option<Tensor>) {
        let own = self.dtype();
        if own.is_float() {
            fail(
                "randint",
                vec![self.aval()],
                "a bound must be an integer",
                Some("convert it first with `.cast(DType::I32)`".into()),
            );
        }
        let ((low, high), (least, most)) = (int_range(own), int_range(dtype));
        let number = |n: i128| literal(Host::ints(own, [], vec![n]));
        let beyond = (high > most).then(|| self.gt(number(most)));
        (self.maximum(number(low.max(least))).minimum(number(high.min(most))).cast(dtype), beyond)
    }
}

impl Key {
    /// Integers of any integer dtype, uniform in `[low, high)`: numbers or tensors that broadcast to `dims`. Where
    /// `high` is not above `low`, `low`.
    ///
    /// As in JAX, ranges that are not a power of two are slightly biased, by about their size over the square of the
    /// number of values of the dtype (at least 32 bits are drawn twice).
    #[track_caller]
    pub fn randint(self, dims: impl Into<Vec<usize>>, dtype: DType, low: impl IntBound, high: impl IntBound) -> Tensor {
        let _at = At::op("randint");
        let dims = dims.into();
        if dtype.is_float() || dtype == DType::Bool {
            let help = "ask for `DType::I32`, and convert the result with `.cast(..)`".to_string();
            fail("randint", vec![], format!("{} is not an integer", dtype.name()), Some(help));
        }
        if dtype.bits() >= 32 {
            let (high, beyond) = high.bound(dtype);
            return self.in_span(dims, low.bound(dtype).0, high, beyond);
        }
        // narrow integers are drawn as 32-bit ones
        let (least, most) = int_range(dtype);
        let number = |n: i128| n as i32;
        let (low, high) = (low.bound(DType::I32).0, high.bound(DType::I32).0);
        let low = low.maximum(number(least)).minimum(number(most));
        let high = high.maximum(number(least)).minimum(number(most + 1));
        self.in_span(dims, low, high, None).cast(dtype)
    }
    /// Integers in `[low, high)`, or `[low, high]` where `beyond` holds.
    fn in_span(self, dims: Vec<usize>, low: Tensor, high: Tensor, beyond: Option<Tensor>) -> Tensor {
        let dtype = low.dtype();
        let unsigned = if dtype.bits() == 32 { DType::U32 } else { DType::U64 };
        let [key, other] = self.split();
        let (upper, lower) = (key.bits(&*dims, unsigned), other.bits(&*dims, unsigned));
        let span = (high - low).cast(unsigned);
        let mut span = where_number(high.le(low), 1, span);
        if let Some(beyond) = beyond {
            // of all values it becomes 0, and a remainder modulo 0 changes nothing
            span += (beyond & high.gt(low)).cast(unsigned);
        }
        // (upper · 2ⁿ + lower) mod span, without numbers wider than n bits
        let half = span.like(1u64 << (unsigned.bits() / 2)) % span;
        let power = (half * half) % span;
        let offset = ((upper % span) * power + lower % span) % span;
        low.broadcast_to(&*dims) + offset.cast(dtype)
    }

    /// The numbers 0, 1, ..., n - 1 (i32) in random order.
    #[track_caller]
    pub fn permutation(self, n: usize) -> Tensor {
        let _at = At::op("permutation");
        self.shuffled(arange(n, DType::I32), 0)
    }
    /// The slices of `x` along an axis in random order.
    #[track_caller]
    pub fn permute(self, x: Tensor, axis: isize) -> Tensor {
        let _at = At::op("permute");
        let i = x.axis(axis);
        if x.rank() == 1 {
            return self.shuffled(x, 0);
        }
        let n = x.dims()[i];
        let order = self.shuffled(iota([n], index_dtype(n), 0), 0);
        x.take_with(order, axis, IndexMode::InBounds)
    }
    /// The elements of `x` along an axis in random order, another one for each line.
    #[track_caller]
    pub fn permute_independent(self, x: Tensor, axis: isize) -> Tensor {
        let _at = At::op("permute_independent");
        self.shuffled(x, x.axis(axis))
    }
    /// Slices of `x` along an axis, in whose place the axes `dims` stand: with `replace` drawn independently, each with probability 1 / n
    /// or (of n weights) `p`; without it no slice twice. JAX: `random.choice`, whose `a` of n is `arange(n, ..)`.
    ///
    /// ```
    /// use raxla::prelude::*;
    /// let f = jit(|key: Key| key.choice([2], arange(5, DType::I32), 0, false, None));
    /// let drawn = f.call((Key::host(0),))?.to_vec::<i32>()?;
    /// assert!(drawn[0] != drawn[1] && drawn.iter().all(|i| (0..5).contains(i)));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// More draws without replacement than there are slices; draws from nothing; weights of another number than the slices.
    #[track_caller]
    pub fn choice(
        self,
        dims: impl Into<Vec<usize>>,
        x: Tensor,
        axis: isize,
        replace: bool,
        p: Option<Tensor>,
    ) -> Tensor {
        let _at = At::op("choice");
        let (a, dims, axis) = (x.aval(), dims.into(), x.axis(axis));
        let (n, draws) = (a.dims[axis], dims.iter().product::<usize>());
        let result = [&a.dims[..axis], &dims, &a.dims[axis + 1..]].concat();
        if draws == 0 {
            return zeros(result, a.dtype);
        }
        if n == 0 || (!replace && draws > n) {
            let help = "draw fewer, or with `replace`".to_string();
            fail("choice", vec![a], format!("{draws} of {n} slices cannot be drawn"), Some(help))
        }
        if let Some(p) = p.filter(|p| p.dims() != [n] || !p.dtype().is_float()) {
            let help = format!("give it {n} floats: one for each slice along axis {axis}");
            fail("choice", vec![a, p.aval()], "the weights do not fit", Some(help))
        }
        let drawn = match (p, replace) {
            (None, false) => return self.permute(x, axis as isize).slice_axis(axis as isize, ..draws).reshape(result),
            (None, true) => self.randint([draws], DType::I32, 0, n),
            (Some(p), true) => {
                let ends = cumsum(p, 0, false);
                let total = ends.slice_axis(0, n - 1..);
                let at = total * (1.0 - self.uniform([draws], p.dtype(), 0.0, 1.0));
                // how many slices end before it
                ends.lt(at.expand_dims(-1)).cast(DType::I32).sum(-1)
            }
            (Some(p), false) => (self.gumbel([n], p.dtype()) + p.log()).top_k(draws).1,
        };
        x.take_with(drawn, axis as isize, IndexMode::Clip).reshape(result)
    }
    /// Sorted by random keys, often enough that equal keys do not matter.
    fn shuffled(mut self, mut x: Tensor, axis: usize) -> Tensor {
        let rounds = (3.0 * (x.size().max(1) as f64).ln() / (u32::MAX as f64).ln()).ceil() as usize;
        for _ in 0..rounds {
            let [next, key] = self.split();
            self = next;
            x = sort(&[key.bits(x.dims(), DType::U32), x], axis, 1, true)[1];
        }
        x
    }
}
/// `number` where the condition holds, else `x`, both broadcast.
fn where_number(condition: Tensor, number: i32, x: Tensor) -> Tensor {
    crate::ops::where_(condition, x.like(number), x)
}
