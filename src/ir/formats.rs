//! The formats of floats: which numbers each dtype has, and their bits.
use crate::aval::DType;
use half::{bf16, f16};

/// What stands where IEEE's formats have infinities and NaNs.
#[derive(Clone, Copy, PartialEq)]
enum Specials {
    /// Infinities and NaNs, with the largest exponent.
    Ieee,
    /// No infinity; NaN is all ones behind the sign ("FN").
    OneNan,
    /// No infinity and no -0, whose bits are those of NaN ("FNUZ").
    NanForMinusZero,
    /// Neither: everything too large becomes the largest number, and NaN, as XLA has it, -0.
    Nothing,
    /// No sign, no zero, no fraction; NaN is all ones ("FNU").
    Scale,
}

/// A format of at most 8 bits.
#[derive(Clone, Copy)]
struct Small {
    bits: u32,
    mantissa: i32,
    bias: i32,
    specials: Specials,
}

/// The formats of at most 8 bits, as ml_dtypes has them (ml_dtypes/include/float8.h, mxfloat.h).
fn small(dtype: DType) -> Small {
    use Specials::*;
    let of = |mantissa, bias, specials| Small { bits: dtype.bits() as u32, mantissa, bias, specials };
    match dtype {
        DType::F4E2M1FN => of(1, 1, Nothing),
        DType::F8E8M0FNU => of(0, 127, Scale),
        DType::F8E3M4 => of(4, 3, Ieee),
        DType::F8E4M3 => of(3, 7, Ieee),
        DType::F8E4M3B11FNUZ => of(3, 11, NanForMinusZero),
        DType::F8E4M3FN => of(3, 7, OneNan),
        DType::F8E4M3FNUZ => of(3, 8, NanForMinusZero),
        DType::F8E5M2 => of(2, 15, Ieee),
        DType::F8E5M2FNUZ => of(2, 16, NanForMinusZero),
        other => unreachable!("{other} is no float of at most 8 bits"),
    }
}

impl Small {
    /// The bits of the largest finite number.
    fn largest(self) -> u64 {
        match self.specials {
            Specials::Ieee => self.infinity() - 1,
            Specials::OneNan | Specials::Scale => self.ones() - 1,
            Specials::NanForMinusZero | Specials::Nothing => self.ones(),
        }
    }
    /// All bits but the sign, of 1.
    fn ones(self) -> u64 {
        if self.specials == Specials::Scale { 0xff } else { (1 << (self.bits - 1)) - 1 }
    }
    /// The bits of infinity, in IEEE's formats.
    fn infinity(self) -> u64 {
        self.ones() >> self.mantissa << self.mantissa
    }
    fn sign(self) -> u64 {
        self.ones() + 1
    }
    /// The exponent of the smallest normal number, which those below it have too.
    fn least_exponent(self) -> i32 {
        if self.specials == Specials::Scale { -self.bias } else { 1 - self.bias }
    }
    /// The exponent of a number that is not zero.
    fn exponent(self, x: f64) -> i32 {
        ((x.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(self.least_exponent())
    }
    fn round(self, x: f64) -> f64 {
        let largest = self.value(self.largest());
        match self.specials {
            Specials::Scale if x.is_nan() || x <= 0.0 => return f64::NAN,
            Specials::NanForMinusZero if x == 0.0 => return 0.0,
            Specials::Nothing if x.is_nan() => return -0.0,
            Specials::Nothing if x.is_infinite() => return largest.copysign(x),
            Specials::Ieee if x.is_infinite() => return x,
            _ if !x.is_finite() => return f64::NAN,
            _ if x == 0.0 => return x,
            _ => {}
        }
        // the spacing of representable values around x; below the smallest normal it stays constant
        let step = 2f64.powi(self.exponent(x) - self.mantissa);
        let rounded = (x / step).round_ties_even() * step;
        match self.specials {
            Specials::Scale => {
                let rounded = rounded.max(step); // (what is below the smallest power becomes that)
                if rounded > largest { f64::NAN } else { rounded }
            }
            Specials::NanForMinusZero if rounded == 0.0 => 0.0,
            _ if rounded.abs() <= largest => rounded,
            Specials::Ieee => f64::INFINITY.copysign(x),
            Specials::Nothing => largest.copysign(x),
            Specials::OneNan | Specials::NanForMinusZero => f64::NAN,
        }
    }
    /// The bits of a number of the format.
    fn encode(self, x: f64) -> u64 {
        let sign = if x.is_sign_negative() { self.sign() } else { 0 };
        match self.specials {
            Specials::Scale if x.is_nan() => return self.ones(),
            Specials::Ieee if x.is_nan() => return sign | self.infinity() | 1 << (self.mantissa - 1),
            Specials::Ieee if x.is_infinite() => return sign | self.infinity(),
            Specials::NanForMinusZero if x.is_nan() => return self.sign(),
            _ if x.is_nan() => return sign | self.ones(),
            _ => {}
        }
        let x = x.abs();
        let exponent = if x == 0.0 { self.least_exponent() } else { self.exponent(x) };
        // the hidden bit included, if there is one: it makes the exponent larger by one
        let units = (x / 2f64.powi(exponent - self.mantissa)) as u64;
        let hidden = if self.specials == Specials::Scale { 0 } else { units };
        sign | (hidden + (((exponent - self.least_exponent()) as u64) << self.mantissa))
    }
    /// The number with these bits.
    fn value(self, bits: u64) -> f64 {
        let magnitude = bits & self.ones();
        let sign = if bits & !self.ones() != 0 { -1.0 } else { 1.0 };
        let (exponent, fraction) =
            ((magnitude >> self.mantissa) as i32, (magnitude & ((1 << self.mantissa) - 1)) as f64);
        let nan = match self.specials {
            Specials::Ieee if magnitude == self.infinity() => return sign * f64::INFINITY,
            Specials::Ieee => magnitude > self.infinity(),
            Specials::OneNan | Specials::Scale => magnitude == self.ones(),
            Specials::NanForMinusZero => bits == self.sign(),
            Specials::Nothing => false,
        };
        match exponent {
            _ if nan => f64::NAN.copysign(sign),
            _ if self.specials == Specials::Scale => 2f64.powi(exponent - self.bias),
            0 => sign * fraction * 2f64.powi(1 - self.bias - self.mantissa),
            _ => sign * (fraction + 2f64.powi(self.mantissa)) * 2f64.powi(exponent - self.bias - self.mantissa),
        }
    }
}

/// Bits of the mantissa of a float dtype, without the hidden one.
pub(crate) fn mantissa_bits(dtype: DType) -> usize {
    match dtype {
        DType::F64 => 52,
        DType::F32 => 23,
        DType::F16 => 10,
        DType::BF16 => 7,
        _ => small(dtype).mantissa as usize,
    }
}

/// The largest finite number of a float dtype.
pub(crate) fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MAX,
        DType::F32 => f32::MAX as f64,
        DType::F16 => f16::MAX.to_f64(),
        DType::BF16 => bf16::MAX.to_f64(),
        _ => small(dtype).value(small(dtype).largest()),
    }
}

/// Whether a float dtype has infinities.
pub(crate) fn has_infinity(dtype: DType) -> bool {
    dtype.bits() > 8 || small(dtype).specials == Specials::Ieee
}

/// Round a float to the nearest value of a float dtype, ties to even. What is too large becomes infinite, or, in formats without
/// infinities, NaN; without NaN, the largest number.
pub fn round(dtype: DType, x: f64) -> f64 {
    match dtype {
        DType::F64 => x,
        DType::F32 => x as f32 as f64,
        DType::F16 => f16::from_f64(x).to_f64(),
        DType::BF16 => bf16::from_f64(x).to_f64(),
        _ => small(dtype).round(x),
    }
}

/// The bits of a float in its dtype's encoding.
pub fn float_bits(dtype: DType, x: f64) -> u64 {
    match dtype {
        DType::F64 => x.to_bits(),
        DType::F32 => (x as f32).to_bits() as u64,
        DType::F16 => f16::from_f64(x).to_bits() as u64,
        DType::BF16 => bf16::from_f64(x).to_bits() as u64,
        _ => small(dtype).encode(x),
    }
}

/// Inverse of [`float_bits`].
pub fn float_from_bits(dtype: DType, bits: u64) -> f64 {
    match dtype {
        DType::F64 => f64::from_bits(bits),
        DType::F32 => f32::from_bits(bits as u32) as f64,
        DType::F16 => f16::from_bits(bits as u16).to_f64(),
        DType::BF16 => bf16::from_bits(bits as u16).to_f64(),
        _ => small(dtype).value(bits),
    }
}
