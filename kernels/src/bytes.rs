//! Inputs as bytes, for products with blocks of whole numbers.
//!
//! 32 numbers share a scale, the largest of them over 127, and are rounded to whole multiples of it. That is the rounding of ggml's
//! Q8_0 and Q8_1, which llama.cpp applies to the inputs of its products (ggml-quants.c), with the scale in f32: one level of bytes,
//! what [`Arithmetic::Int8`](crate::product::Arithmetic) asks for. Of three levels, each has what the one before has rounded away: they
//! are the numbers to 2^-24 of the largest, as f32 has them.
use crate::{
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
    pub fn new(team: &dyn Team, x: &[f32], [rows, k]: [usize; 2], stride: usize, levels: usize) -> Quantised {
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
        let one = |row: usize| {
            // SAFETY: there are as many rows, and each is one task's.
            let (scales, offsets) = unsafe { (scales.row(row), offsets.row(row)) };
            for (i, x) in x[row * k..][..k].chunks(GROUP).enumerate() {
                let mut rest = [0f32; GROUP];
                (scales[i], offsets[i]) = scaled(x, &mut rest);
                for level in 0..levels {
                    // SAFETY: as above, of each level.
                    let (numbers, halves, wholes) = unsafe {
                        let at = level * rows + row;
                        (numbers.row(at), halves.row(at), wholes.row(at))
                    };
                    let numbers = &mut numbers[i * GROUP..][..GROUP];
                    rounded(&mut rest, numbers);
                    let sum = |numbers: &[i8]| numbers.iter().map(|x| i32::from(*x)).sum::<i32>();
                    (halves[2 * i], halves[2 * i + 1]) = (sum(&numbers[..16]), sum(&numbers[16..]));
                    wholes[i] = halves[2 * i] + halves[2 * i + 1];
                    if levels == 1 {
                        offsets[i] = wholes[i] as f32 * scales[i];
                    }
                }
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

/// Up to 32 numbers in units of their scale, and the scale, not a number where one of them is not finite; and their sum.
fn scaled(x: &[f32], to: &mut [f32; GROUP]) -> (f32, f32) {
    let largest = x.iter().fold(0f32, |m, x| m.max(x.abs()));
    let unknown = x.iter().fold(0f32, |sum, x| sum + x * 0.0);
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    to.iter_mut().zip(x).for_each(|(to, x)| *to = x * inverse);
    (largest / 127.0 + unknown, x.iter().sum())
}

/// The numbers as bytes; what is rounded away is left, [`LEVEL`] times as large.
fn rounded(x: &mut [f32; GROUP], to: &mut [i8]) {
    /// Adding it leaves no bits behind the point: its own last bit is worth one.
    const ROUND: f32 = 12_582_912.0;
    for (to, x) in to.iter_mut().zip(x) {
        let whole = *x + ROUND;
        // (halves to even; the lowest byte of the bits is the number)
        *to = whole.to_bits() as i8;
        *x = (*x - (whole - ROUND)) * LEVEL;
    }
}
