//! Host values of any dtype: constants in graphs, and what the reference interpreter computes with.
//!
//! A float of any width is held as `f64`, a complex number as two, an integer or bool of any width as `i128`, and every result is
//! rounded (or wrapped) to its dtype when a [`Host`] is made. So one interpreter rule serves all dtypes.
use crate::aval::{Aval, DType, Dims};
pub use crate::ir::formats::{float_bits, float_from_bits, round};
use num_complex::Complex64;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The elements of a [`Host`], row-major. Floats are equal if their bits are: `0.0` and `-0.0` are not, NaN and NaN are.
#[derive(Clone)]
pub enum Data {
    /// Floats, each representable in the value's dtype.
    Float(Arc<Vec<f64>>),
    /// Integers and bools (0 or 1), each in the range of the value's dtype.
    Int(Arc<Vec<i128>>),
    /// Complex numbers, whose parts are representable in the value's dtype.
    Complex(Arc<Vec<Complex64>>),
}

/// The bits of both parts of a complex number.
fn bits_of(z: &Complex64) -> [u64; 2] {
    [z.re.to_bits(), z.im.to_bits()]
}

impl PartialEq for Data {
    fn eq(&self, other: &Data) -> bool {
        let bits = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
        match (self, other) {
            (Data::Float(a), Data::Float(b)) => {
                Arc::ptr_eq(a, b) || (a.len() == b.len() && a.iter().zip(&**b).all(bits))
            }
            (Data::Int(a), Data::Int(b)) => Arc::ptr_eq(a, b) || a == b,
            (Data::Complex(a), Data::Complex(b)) => {
                Arc::ptr_eq(a, b) || a.iter().map(bits_of).eq(b.iter().map(bits_of))
            }
            _ => false,
        }
    }
}
impl Eq for Data {}

/// The elements of two values of one dtype.
pub(crate) enum Both<'a> {
    Float(&'a [f64], &'a [f64]),
    Int(&'a [i128], &'a [i128]),
    Complex(&'a [Complex64], &'a [Complex64]),
}

/// A dense value on the host. Equal to another one if type and all elements are, bit by bit.
#[derive(Clone, PartialEq, Eq)]
pub struct Host {
    aval: Aval,
    data: Data,
}
impl crate::tree::Leaf for Host {}

impl Host {
    /// A value of floats (or, cast as `convert` does, of another dtype).
    ///
    /// # Panics
    /// When the number of elements is not that of the shape.
    pub fn floats(dtype: DType, dims: impl Into<Dims>, data: Vec<f64>) -> Host {
        let aval = Aval::new(dtype, dims);
        assert_eq!(aval.size(), data.len(), "{aval} needs {} elements", aval.size());
        let data = match dtype {
            d if d.is_complex() => return Host::complex(d, aval.dims, data.into_iter().map(Complex64::from).collect()),
            d if d.is_float() => Data::Float(Arc::new(data.into_iter().map(|x| round(d, x)).collect())),
            d => Data::Int(Arc::new(data.into_iter().map(|x| saturate(d, x)).collect())),
        };
        Host { aval, data }
    }
    /// A value of complex numbers; `dtype` is one of theirs.
    ///
    /// # Panics
    /// When the number of elements is not that of the shape, or the dtype is not complex.
    pub fn complex(dtype: DType, dims: impl Into<Dims>, data: Vec<Complex64>) -> Host {
        let aval = Aval::new(dtype, dims);
        assert_eq!(aval.size(), data.len(), "{aval} needs {} elements", aval.size());
        assert!(dtype.is_complex(), "{dtype} is not complex");
        let part = |x: f64| round(dtype.real(), x);
        let rounded = data.into_iter().map(|z| Complex64::new(part(z.re), part(z.im))).collect();
        Host { aval, data: Data::Complex(Arc::new(rounded)) }
    }
    /// A value of integers or bools (or, cast as `convert` does, of another dtype).
    ///
    /// # Panics
    /// When the number of elements is not that of the shape.
    pub fn ints(dtype: DType, dims: impl Into<Dims>, data: Vec<i128>) -> Host {
        let aval = Aval::new(dtype, dims);
        assert_eq!(aval.size(), data.len(), "{aval} needs {} elements", aval.size());
        if dtype.is_inexact() {
            return Host::floats(dtype, aval.dims, data.into_iter().map(|x| x as f64).collect());
        }
        Host { aval, data: Data::Int(Arc::new(data.into_iter().map(|x| wrap(dtype, x)).collect())) }
    }
    /// The value with every element equal to `x`.
    pub fn full(aval: &Aval, x: f64) -> Host {
        Host::floats(aval.dtype, aval.dims.clone(), vec![x; aval.size()])
    }
    /// Shape and dtype.
    pub fn aval(&self) -> &Aval {
        &self.aval
    }
    /// Axis sizes.
    pub fn dims(&self) -> &[usize] {
        &self.aval.dims
    }
    /// Element type.
    pub fn dtype(&self) -> DType {
        self.aval.dtype
    }
    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }
    /// The elements of this value and of another one, whose dtype is the same.
    pub(crate) fn beside<'a>(&'a self, other: &'a Host) -> Both<'a> {
        match (&self.data, &other.data) {
            (Data::Float(a), Data::Float(b)) => Both::Float(a, b),
            (Data::Int(a), Data::Int(b)) => Both::Int(a, b),
            (Data::Complex(a), Data::Complex(b)) => Both::Complex(a, b),
            _ => panic!("{} beside {}: type rules admit equal dtypes only", self.aval, other.aval),
        }
    }
    /// The elements as floats, whatever the dtype; of complex numbers the real parts.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::Float(v) => v.to_vec(),
            Data::Int(v) => v.iter().map(|x| *x as f64).collect(),
            Data::Complex(v) => v.iter().map(|z| z.re).collect(),
        }
    }
    /// The elements as integers; floats are truncated towards zero, and of complex numbers the real parts.
    pub fn to_ints(&self) -> Vec<i128> {
        match &self.data {
            Data::Int(v) => v.to_vec(),
            _ => self.to_f64().into_iter().map(|x| x as i128).collect(),
        }
    }
    /// The elements as complex numbers, whatever the dtype.
    pub fn to_complex(&self) -> Vec<Complex64> {
        match &self.data {
            Data::Complex(v) => v.to_vec(),
            _ => self.to_f64().into_iter().map(Complex64::from).collect(),
        }
    }
    /// The elements as floats, of which a complex number is two: its real and its imaginary part.
    pub fn to_parts(&self) -> Vec<f64> {
        match &self.data {
            Data::Complex(v) => v.iter().flat_map(|z| [z.re, z.im]).collect(),
            _ => self.to_f64(),
        }
    }
    /// Inverse of [`Host::to_parts`].
    ///
    /// # Panics
    /// When the number of floats is not that of the shape and dtype.
    pub fn from_parts(dtype: DType, dims: impl Into<Dims>, parts: Vec<f64>) -> Host {
        if !dtype.is_complex() {
            return Host::floats(dtype, dims, parts);
        }
        let pairs = parts.as_chunks::<2>();
        assert!(pairs.1.is_empty(), "complex numbers have two parts each");
        Host::complex(dtype, dims, pairs.0.iter().map(|[re, im]| Complex64::new(*re, *im)).collect())
    }
    /// The same elements in another shape of the same size.
    pub fn reshaped(&self, dims: impl Into<Dims>) -> Host {
        let aval = self.aval.with_dims(dims);
        assert_eq!(aval.size(), self.aval.size(), "{} cannot become {aval}", self.aval);
        Host { aval, data: self.data.clone() }
    }
    /// The value whose element `i` is element `source(i)` of this one: every pure data movement.
    pub fn pick(&self, dims: impl Into<Dims>, source: impl Fn(usize) -> usize) -> Host {
        let aval = self.aval.with_dims(dims);
        let data = match &self.data {
            Data::Float(v) => Data::Float(Arc::new((0..aval.size()).map(|i| v[source(i)]).collect())),
            Data::Int(v) => Data::Int(Arc::new((0..aval.size()).map(|i| v[source(i)]).collect())),
            Data::Complex(v) => Data::Complex(Arc::new((0..aval.size()).map(|i| v[source(i)]).collect())),
        };
        Host { aval, data }
    }
    /// Values of type `slice` along a new leading axis.
    ///
    /// # Panics
    /// When a part has another shape or dtype.
    pub fn stack(slice: &Aval, parts: &[Host]) -> Host {
        assert!(parts.iter().all(|p| p.aval().is_like(slice)), "all parts must be {slice}");
        let a = slice.stacked(parts.len());
        Host::joined(a.dtype, parts).reshaped(a.dims)
    }
    /// The elements of all values of this dtype, one after the other.
    pub(crate) fn joined(dtype: DType, parts: &[Host]) -> Host {
        let n = parts.iter().map(|h| h.aval().size()).sum::<usize>();
        match dtype.is_inexact() {
            true => Host::from_parts(dtype, [n], parts.iter().flat_map(Host::to_parts).collect()),
            false => Host::ints(dtype, [n], parts.iter().flat_map(Host::to_ints).collect()),
        }
    }
    /// Number `i` along the leading axis.
    pub fn at(&self, i: usize) -> Host {
        let a = self.aval.unstacked();
        let start = i * a.size();
        self.pick(a.dims, |e| start + e)
    }
    /// Each element converted to another dtype: rounded to nearest even, integers wrapped, floats to integers truncated
    /// and saturated (NaN gives 0), anything to bool compared with zero, and of complex numbers the real part, but where the
    /// dtype is complex or bool.
    pub fn cast(&self, dtype: DType) -> Host {
        let dims = self.aval.dims.clone();
        match &self.data {
            Data::Float(v) if dtype == DType::Bool => {
                Host::ints(dtype, dims, v.iter().map(|x| (*x != 0.0) as i128).collect())
            }
            Data::Int(v) if dtype == DType::Bool => {
                Host::ints(dtype, dims, v.iter().map(|x| (*x != 0) as i128).collect())
            }
            Data::Complex(v) if dtype == DType::Bool => {
                Host::ints(dtype, dims, v.iter().map(|z| (*z != Complex64::ZERO) as i128).collect())
            }
            Data::Complex(v) if dtype.is_complex() => Host::complex(dtype, dims, v.to_vec()),
            Data::Int(v) => Host::ints(dtype, dims, v.to_vec()),
            Data::Float(_) | Data::Complex(_) => Host::floats(dtype, dims, self.to_f64()),
        }
    }
    /// Are all elements equal to the first (and is there one)?
    pub fn is_splat(&self) -> bool {
        match &self.data {
            Data::Float(v) => v.first().is_some_and(|a| v.iter().all(|x| x.to_bits() == a.to_bits())),
            Data::Int(v) => v.first().is_some_and(|a| v.iter().all(|x| x == a)),
            Data::Complex(v) => v.first().is_some_and(|a| v.iter().all(|x| bits_of(x) == bits_of(a))),
        }
    }
    /// Is it the same value to the bit? `==` holds for 0 and -0, and not for NaN.
    pub fn same_bits(&self, other: &Host) -> bool {
        self == other
    }
    /// Feed a hasher the type and all bits: values of the same bits feed it the same.
    pub(crate) fn hash_bits(&self, h: &mut impl Hasher) {
        self.aval.hash(h);
        match &self.data {
            Data::Float(v) => v.iter().for_each(|x| x.to_bits().hash(h)),
            Data::Int(v) => v.hash(h),
            Data::Complex(v) => v.iter().for_each(|z| bits_of(z).hash(h)),
        }
    }
    /// The elements as the runtime wants them: row-major, little endian, one byte per bool or 4-bit integer.
    pub fn to_bytes(&self) -> Vec<u8> {
        let n = element_bytes(self.aval.dtype);
        let mut out = Vec::with_capacity(self.aval.size() * n);
        let mut float = |x: &f64| {
            let dtype = self.aval.dtype.real();
            out.extend_from_slice(&float_bits(dtype, *x).to_le_bytes()[..element_bytes(dtype)]);
        };
        match &self.data {
            Data::Float(v) => v.iter().for_each(float),
            Data::Complex(v) => v.iter().flat_map(|z| [z.re, z.im]).for_each(|x| float(&x)),
            Data::Int(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()[..n])),
        }
        out
    }
    /// Inverse of [`Host::to_bytes`].
    ///
    /// # Panics
    /// When the number of bytes is not that of the aval.
    pub fn from_bytes(aval: &Aval, bytes: &[u8]) -> Host {
        assert_eq!(aval.bytes(), bytes.len(), "{aval} needs {} bytes", aval.bytes());
        let n = element_bytes(aval.dtype.real());
        let word = |b: &[u8]| {
            let mut w = [0u8; 8];
            w[..n].copy_from_slice(b);
            u64::from_le_bytes(w)
        };
        let words = bytes.chunks_exact(n).map(word);
        if aval.dtype.is_inexact() {
            let parts = words.map(|w| float_from_bits(aval.dtype.real(), w)).collect();
            return Host::from_parts(aval.dtype, aval.dims.clone(), parts);
        }
        let data = Data::Int(Arc::new(words.map(|w| wrap(aval.dtype, w as i128)).collect()));
        Host { aval: aval.clone(), data }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} ", self.aval)?;
        match &self.data {
            Data::Float(v) if self.is_splat() => write!(f, "{:?}", v[0]),
            Data::Int(v) if self.is_splat() => write!(f, "{}", v[0]),
            Data::Float(v) if v.len() <= 16 => write!(f, "{v:?}"),
            Data::Int(v) if v.len() <= 16 => write!(f, "{v:?}"),
            Data::Complex(v) if self.is_splat() => write!(f, "{}", v[0]),
            Data::Complex(v) if v.len() <= 16 => {
                write!(f, "[{}]", v.iter().map(Complex64::to_string).collect::<Vec<_>>().join(", "))
            }
            _ => write!(f, "[..]"),
        }
    }
}

/// Bytes of one element on the host; bools and 4-bit integers take a whole byte.
pub fn element_bytes(dtype: DType) -> usize {
    dtype.bits().div_ceil(8)
}

/// Wrap an integer into the range of an integer dtype; anything non-zero is `true`.
pub fn wrap(dtype: DType, x: i128) -> i128 {
    if dtype == DType::Bool {
        return (x != 0) as i128;
    }
    let bits = dtype.bits() as u32;
    let low = x & ((1i128 << bits) - 1);
    if dtype.is_signed() && low >> (bits - 1) == 1 { low - (1i128 << bits) } else { low }
}

/// Smallest and largest value of an integer dtype.
pub fn int_range(dtype: DType) -> (i128, i128) {
    match dtype {
        DType::Bool => (0, 1),
        d if d.is_signed() => (-(1i128 << (d.bits() - 1)), (1i128 << (d.bits() - 1)) - 1),
        d => (0, (1i128 << d.bits()) - 1),
    }
}

/// Float to integer as XLA converts: towards zero, out of range to the nearest bound, NaN to 0.
pub fn saturate(dtype: DType, x: f64) -> i128 {
    let (low, high) = int_range(dtype);
    if dtype == DType::Bool { (x != 0.0) as i128 } else { (x as i128).clamp(low, high) }
}

/// Row-major strides of a shape, in elements.
pub fn strides(dims: &[usize]) -> Vec<usize> {
    let mut s = vec![1; dims.len()];
    for i in (0..dims.len().saturating_sub(1)).rev() {
        s[i] = s[i + 1] * dims[i + 1];
    }
    s
}

/// The index tuple of element number `n` of a shape.
pub fn unravel(dims: &[usize], n: usize) -> Vec<usize> {
    strides(dims).iter().zip(dims).map(|(s, d)| n / s % d).collect()
}

/// The element number of an index tuple.
pub fn ravel(dims: &[usize], index: &[usize]) -> usize {
    strides(dims).iter().zip(index).map(|(s, i)| s * i).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_every_code_of_the_small_types() {
        for dtype in DType::ALL.into_iter().filter(|d| d.bits() == 8 && *d != DType::Bool) {
            let bytes: Vec<u8> = (0..=255).collect();
            let h = Host::from_bytes(&Aval::new(dtype, [256]), &bytes);
            for (i, (a, b)) in h.to_bytes().iter().zip(&bytes).enumerate() {
                assert!(a == b || h.to_f64()[i].is_nan(), "{dtype} {i}: {a} {b}");
            }
        }
    }

    #[test]
    fn rounding_is_to_nearest_even_and_conversion_saturates() {
        assert_eq!(round(DType::BF16, 1.00390625), 1.0); // halfway between 1 and the next bf16
        assert_eq!(round(DType::F8E4M3FN, 17.0), 16.0); // halfway between 16 and 18
        assert_eq!(round(DType::F8E4M3FN, 19.0), 20.0);
        assert!(round(DType::F8E4M3FN, 1e9).is_nan());
        assert_eq!(round(DType::F8E5M2, 1e9), f64::INFINITY);
        assert_eq!(Host::floats(DType::I8, [3], vec![300.0, -7.9, f64::NAN]).to_ints(), [127, -7, 0]);
        assert_eq!(Host::ints(DType::I4, [2], vec![8, -9]).to_ints(), [-8, 7]);
        assert_eq!(wrap(DType::U64, -1), u64::MAX as i128);
    }
}
