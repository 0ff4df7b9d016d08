//! How much work an operation is.

/// Work of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point (or integer) operations.
    pub flops: f64,
    /// Bytes read and written, counting each operand and result once.
    pub bytes: f64,
}
impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), |a, b| Cost { flops: a.flops + b.flops, bytes: a.bytes + b.bytes })
    }
}
impl Cost {
    /// This much work `n` times.
    pub fn times(self, n: usize) -> Cost {
        Cost { flops: self.flops * n as f64, bytes: self.bytes * n as f64 }
    }
}
