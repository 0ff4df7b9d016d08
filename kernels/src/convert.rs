//! From f32 to bf16 and back, with the vectors of the processor.
#![allow(unsafe_op_in_unsafe_fn)]
use crate::isa::{Isa, compiled};

/// The nearest bf16, of two equally near ones the even one; what is not a number stays so.
#[inline(always)]
fn nearest(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if x.is_nan() { quiet } else { rounded }) as u16
}
#[inline(always)]
fn narrow_all(x: &[f32], y: &mut [u16]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = nearest(*x));
}
#[inline(always)]
fn widen_all(x: &[u16], y: &mut [f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = f32::from_bits(u32::from(*x) << 16));
}
/// Rounds to parts of bf16, and leaves what is rounded away.
#[inline(always)]
fn split_all(x: &mut [f32], y: &mut [u16]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = nearest(*x);
        *x -= f32::from_bits(u32::from(*y) << 16);
    }
}

/// The first `lanes` of each `width` numbers, to lines that begin `step` from each other.
#[inline(always)]
unsafe fn narrow_rows(x: &[f32], width: usize, lanes: usize, y: *mut u16, step: usize) {
    for (row, x) in x.chunks_exact(width).enumerate() {
        narrow_all(&x[..lanes], std::slice::from_raw_parts_mut(y.add(row * step), lanes));
    }
}

compiled! {
    fn narrow_rows_on(x: &[f32], width: usize, lanes: usize, y: *mut u16, step: usize) { narrow_rows(x, width, lanes, y, step) }
    fn widen_on(x: &[u16], y: &mut [f32]) { widen_all(x, y) }
    fn split_on(x: &mut [f32], y: &mut [u16]) { split_all(x, y) }
}
/// f32 as the bits of the nearest bf16: of `x` `[rows, width]`, the first `lanes` columns, to lines that begin `step` from each other.
///
/// # Safety
/// There is room for them at `y`.
pub unsafe fn narrow(x: &[f32], width: usize, lanes: usize, y: *mut u16, step: usize) {
    // SAFETY: the instruction set is there; the rest as the caller says.
    unsafe { narrow_rows_on(Isa::best(), x, width, lanes, y, step) }
}
/// The bits of bf16 as f32.
pub fn widen(x: &[u16], y: &mut [f32]) {
    // SAFETY: as above.
    unsafe { widen_on(Isa::best(), x, y) }
}
/// As [`narrow`]; what is rounded away stays in `x`.
pub fn split(x: &mut [f32], y: &mut [u16]) {
    // SAFETY: as above.
    unsafe { split_on(Isa::best(), x, y) }
}
