//! Inputs as bytes, for products with blocks of whole numbers.
//!
//! 32 numbers share a scale, the largest of them over 127, and are rounded to whole multiples of it. That is the rounding of ggml's
//! Q8_0 and Q8_1, which llama.cpp applies to the inputs of its products (ggml-quants.c), with the scale in f32: one level of bytes,
//! what [`Arithmetic::Int8`](crate::product::Arithmetic) asks for. Of three levels, each has what the one before has rounded away: they
//! are the numbers to 2^-24 of the largest, as f32 has them.
#![allow(unsafe_op_in_unsafe_fn)]
use crate::{
    isa::{Isa, Lanes, compiled},
    product::{Shared, Team},
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
        let (numbers, halves, wholes) = (Shared::of(&mut all.numbers), Shared::of(halves), Shared::of(wholes));
        let (scales, offsets) = (Shared::of(&mut all.scales), Shared::of(&mut all.offsets));
        let groups = stride / GROUP;
        let one = |row: usize| {
            // SAFETY: there are as many rows, and each is one task's.
            unsafe {
                let of_level = |level: usize| {
                    let at = level * rows + row;
                    Level {
                        numbers: numbers.slice(at * stride, stride),
                        halves: halves.slice(at * 2 * groups, 2 * groups),
                        wholes: wholes.slice(at * groups, groups),
                    }
                };
                let to: [Option<Level>; 3] = std::array::from_fn(|level| (level < levels).then(|| of_level(level)));
                let (scales, offsets) = (scales.slice(row * groups, groups), offsets.slice(row * groups, groups));
                write_on(isa, &x[row * k..][..k], scales, offsets, to);
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

compiled! {
    fn write_on(x: &[f32], scales: &mut [f32], offsets: &mut [f32], to: [Option<Level>; 3]) {
        write::<L>(x, scales, offsets, to)
    }
}

/// Writes a vector's bytes, scales, and sums with their scale.
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
        // (of numbers too small for it, nothing is left)
        let inverse = L::splat(if largest > 127.0 / f32::MAX { 127.0 / largest } else { 0.0 });
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
