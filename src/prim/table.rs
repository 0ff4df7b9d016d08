//! The table of all primitives: what the tests run every rule of every primitive on.
use crate::{
    aval::DType,
    host::{Host, int_range},
    trace::Tensor,
};

/// One primitive and its test cases.
pub struct Row {
    /// [`Primitive::name`](super::Primitive::name).
    pub name: &'static str,
    /// Which dtypes of its main operand it claims.
    pub dtypes: fn(DType) -> bool,
    /// Applications of the primitive to operands of this dtype, edge cases included.
    pub cases: fn(DType) -> Vec<Case>,
}

/// What a case does with its operands.
pub type Application = Box<dyn Fn(&[Tensor]) -> Vec<Tensor>>;

/// One application of a primitive to concrete operands.
pub struct Case {
    /// What is special about it.
    pub label: String,
    /// Operands.
    pub inputs: Vec<Host>,
    /// The application.
    pub f: Application,
    /// Operands (floats, or complex numbers) it is differentiable in, at these inputs.
    pub wrt: Vec<usize>,
}
impl Case {
    /// A case differentiable in all its operands that are floats or complex numbers.
    pub fn new(label: impl Into<String>, inputs: Vec<Host>, f: impl Fn(&[Tensor]) -> Vec<Tensor> + 'static) -> Case {
        let wrt = (0..inputs.len()).filter(|i| inputs[*i].dtype().is_inexact()).collect();
        Case { label: label.into(), inputs, f: Box::new(f), wrt }
    }
    /// The same case, differentiable in these operands only.
    pub fn wrt(self, wrt: impl Into<Vec<usize>>) -> Case {
        Case { wrt: wrt.into(), ..self }
    }
}

/// Deterministic operand values in `low..high` (both parts of complex numbers; for integers, cut to the dtype's range), no two equal nearby.
pub fn sample_in(dtype: DType, dims: &[usize], seed: u64, low: f64, high: f64) -> Host {
    let n: usize = dims.iter().product();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let n = if dtype.is_complex() { 2 * n } else { n };
    let values = (0..n).map(|_| low + (high - low) * next());
    if dtype.is_inexact() {
        return Host::from_parts(dtype, dims, values.collect());
    }
    let (least, most) = int_range(dtype);
    Host::ints(dtype, dims, values.map(|v| (v.round() as i128).clamp(least, most)).collect())
}

/// Deterministic operand values: floats, and parts of complex numbers, in (-2, 2), integers in [-9, 9], bools.
pub fn sample(dtype: DType, dims: &[usize], seed: u64) -> Host {
    match dtype {
        DType::Bool => sample_in(dtype, dims, seed, 0.0, 1.0),
        d if d.is_inexact() => sample_in(dtype, dims, seed, -2.0, 2.0),
        _ => sample_in(dtype, dims, seed, -9.0, 9.0),
    }
}

/// Every primitive, by family.
pub const TABLE: &[&[Row]] = &[
    super::unary::ROWS,
    super::binary::ROWS,
    super::next_after::ROWS,
    super::special::ROWS,
    super::constant::ROWS,
    super::collective::REDUCTION_ROWS,
    super::collective::GATHERING_ROWS,
    super::collective::EXCHANGE_ROWS,
    super::control::SCAN_ROWS,
    super::control::WHILE_ROWS,
    super::control::COND_ROWS,
    super::call::REMAT_ROWS,
    super::call::NAME_ROWS,
    super::call::CUSTOM_JVP_ROWS,
    super::call::CUSTOM_VJP_ROWS,
    super::call::LINEAR_SOLVE_ROWS,
    super::custom::ROWS,
    super::debug::ROWS,
    super::convert::ROWS,
    super::complex::ROWS,
    super::bitcast::ROWS,
    super::shape::ROWS,
    super::shard::CONSTRAINT_ROWS,
    super::shard::MAP_ROWS,
    super::shard::ROWS,
    super::slice::ROWS,
    super::barrier::ROWS,
    super::memory::ROWS,
    super::gather::ROWS,
    super::scatter::ROWS,
    super::dot::ROWS,
    super::packed::ROWS,
    super::attend::ROWS,
    super::linalg::CHOLESKY_ROWS,
    super::linalg::TRIANGULAR_SOLVE_ROWS,
    super::linalg::LU_ROWS,
    super::linalg::QR_ROWS,
    super::linalg::EIG_ROWS,
    super::linalg::EIGH_ROWS,
    super::linalg::SCHUR_ROWS,
    super::linalg::SVD_ROWS,
    super::conv::ROWS,
    super::fft::ROWS,
    super::reduce::ROWS,
    super::argminmax::ROWS,
    super::window::ROWS,
    super::cumulative::ROWS,
    super::sort::ROWS,
    super::random::ROWS,
    super::stop_gradient::ROWS,
];
