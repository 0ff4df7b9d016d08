//! Inputs as bytes, for products with blocks of whole numbers.
//!
//! 32 numbers share a scale, the largest of them over 127, and are rounded to whole multiples of it. That is the rounding of ggml's
//! Q8_0 and Q8_1, which llama.cpp applies to the inputs of its products (ggml-quants.c), with the scale in f32: one level of bytes,
//! what [`Arithmetic::Int8`](crate::product::Arithmetic) asks for. Of three levels, each has what the one before has rounded away: they
//! are the numbers to 2^-24 of the largest, as f32 has them.
#![allow(unsafe_op_in_unsafe_fn)]
use crate::{
    isa::{Isa, Lanes},
    product::Team,
    thin::{Bytes, LEVEL},
};

/// Numbers that share a scale.
const GROUP: usize = 32;

/// Vectors as bytes, each padded with zeros.
pub struct Quantised {
    /// `[levels, rows, stride]`.
    numbers: Vec<i8>,
    /// `[rows, stride / 32]`.
    scales: Vec<f32>,
    offsets: Vec<f32>,
    /// Sums of each 16, and of each 32, of the numbers.
    sums: [Vec<i32>; 2],
    rows: usize,
    stride: usize,
}

/// Where tasks write: different rows.
struct Rows<T>(*mut T, usize);
// SAFETY: each task writes rows of its own.
unsafe impl<T: Send> Sync for Rows<T> {}
impl<T> Rows<T> {
    fn of(all: &mut [T], rows: usize) -> Rows<T> {
        Rows(all.as_mut_ptr(), all.len() / rows.max(1))
    }
    /// # Safety
    /// There are as many rows, and nobody else has this one.
    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, i: usize) -> &mut [T] {
        // SAFETY: as the caller says.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(i * self.1), self.1) }
    }
}

impl Quantised {
    /// Of `[rows, k]`, padded to `stride`, a multiple of 32.
    pub fn new(isa: Isa, team: &dyn Team, x: &[f32], [rows, k]: [usize; 2], stride: usize, levels: usize) -> Quantised {
        let (size, of) = (rows * stride, |each: usize| vec![0i32; levels * rows * stride / each]);
        let mut all = Quantised {
            numbers: vec![0; levels * size],
            scales: vec![0.0; size / GROUP],
            offsets: vec![0.0; size / GROUP],
            sums: [of(GROUP / 2), of(GROUP)],
            rows,
            stride,
        };
        let [halves, wholes] = &mut all.sums;
        let (numbers, halves, wholes) = (
            Rows::of(&mut all.numbers, levels * rows),
            Rows::of(halves, levels * rows),
            Rows::of(wholes, levels * rows),
        );
        let (scales, offsets) = (Rows::of(&mut all.scales, rows), Rows::of(&mut all.offsets, rows));
        let write = writer(isa);
        let one = |row: usize| {
            // SAFETY: there are as many rows, and each is one task's; the processor has the instruction set.
            unsafe {
                let of_level = |level: usize| {
                    let at = level * rows + row;
                    Level { numbers: numbers.row(at), halves: halves.row(at), wholes: wholes.row(at) }
                };
                let to: [Option<Level>; 3] = std::array::from_fn(|level| (level < levels).then(|| of_level(level)));
                write(&x[row * k..][..k], scales.row(row), offsets.row(row), to);
            }
        };
        match rows {
            0..=8 => (0..rows).for_each(one),
            _ => team.run(rows, &one),
        }
        all
    }

    /// From this vector on, for a format whose sub-blocks have so many inputs, 16 or 32.
    pub fn from(&self, row: usize, inputs: usize) -> Bytes {
        let sums = &self.sums[usize::from(inputs == GROUP)];
        Bytes {
            x: self.numbers[row * self.stride..].as_ptr(),
            stride: self.stride,
            level: self.rows * self.stride,
            scales: self.scales[row * self.stride / GROUP..].as_ptr(),
            sums: sums[row * self.stride / inputs..].as_ptr(),
            offsets: self.offsets[row * self.stride / GROUP..].as_ptr(),
        }
    }
}

/// Where one vector's bytes of one level go, and their sums.
struct Level<'a> {
    numbers: &'a mut [i8],
    halves: &'a mut [i32],
    wholes: &'a mut [i32],
}

/// Writes a vector's bytes, scales and sums with their scale.
type Writer = unsafe fn(x: &[f32], scales: &mut [f32], offsets: &mut [f32], to: [Option<Level>; 3]);

#[inline(always)]
unsafe fn write<L: Lanes>(x: &[f32], scales: &mut [f32], offsets: &mut [f32], mut to: [Option<Level>; 3]) {
    /// Adding it leaves no bits behind the point: its own last bit is worth one (halves go to even), and the lowest byte of the sum's
    /// bits is the number.
    const ROUND: f32 = 12_582_912.0;
    let one_level = to[1].is_none();
    for (i, group) in x.chunks(GROUP).enumerate() {
        let mut last = [0f32; GROUP];
        let from = match group.len() {
            GROUP => group.as_ptr(),
            _ => {
                last[..group.len()].copy_from_slice(group);
                last.as_ptr()
            }
        };
        let (a, b) = (L::load(from), L::load(from.add(16)));
        let size = |x: L::F| L::bits(L::and(L::raw(x), i32::MAX));
        let largest = L::largest(L::max(size(a), size(b)));
        // (a scale that is not a number, where one of them is not finite)
        let none = L::splat(0.0);
        scales[i] = largest / 127.0 + L::sum(L::add(L::mul(a, none), L::mul(b, none)));
        offsets[i] = L::sum(L::add(a, b));
        let inverse = L::splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
        let mut rest = [L::mul(a, inverse), L::mul(b, inverse)];
        for level in to.iter_mut().flatten() {
            let mut sums = [0; 2];
            let numbers = level.numbers[i * GROUP..][..GROUP].as_mut_ptr();
            for (half, (rest, sum)) in rest.iter_mut().zip(&mut sums).enumerate() {
                let rounded = L::add(*rest, L::splat(ROUND));
                L::store_bytes(numbers.add(16 * half), L::raw(rounded));
                let whole = L::add(rounded, L::splat(-ROUND));
                *sum = L::sum(whole) as i32;
                *rest = L::mul(L::add(*rest, L::mul(whole, L::splat(-1.0))), L::splat(LEVEL));
            }
            level.halves[2 * i..][..2].copy_from_slice(&sums);
            level.wholes[i] = sums[0] + sums[1];
            if one_level {
                offsets[i] = level.wholes[i] as f32 * scales[i];
            }
        }
    }
}

fn writer(isa: Isa) -> Writer {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => on_avx512,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => on_avx2,
        _ => write::<crate::isa::Portable>,
    }
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn on_avx512(x: &[f32], scales: &mut [f32], offsets: &mut [f32], to: [Option<Level>; 3]) {
    write::<crate::isa::Avx512>(x, scales, offsets, to);
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn on_avx2(x: &[f32], scales: &mut [f32], offsets: &mut [f32], to: [Option<Level>; 3]) {
    write::<crate::isa::Avx2>(x, scales, offsets, to);
}
