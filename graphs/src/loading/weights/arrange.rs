//! Stored values in the order that is wanted: layouts, and slices of tensors. What is not wanted is not decoded.

use super::convert::{Encoding, Layout, RUN, Scale, Values};
use raxla::param::Selection;
use raxla_xla::DType;
use rayon::prelude::*;

/// Values per parallel task.
const TASK: usize = 64 * RUN;

/// Converts a tensor of shape `dims` (as wanted, not as stored), or a selection of it, into `out`, in parallel.
///
/// The caller has checked that the encoding can be converted and that the lengths fit.
pub(super) fn arrange(
    values: &Values,
    layout: Layout,
    dims: &[usize],
    part: Option<&Selection>,
    to: DType,
    out: &mut [u8],
) {
    let n: usize = dims.iter().product();
    if out.is_empty() || n == 0 {
        return;
    }
    let row = n / dims.first().copied().unwrap_or(1);
    match layout {
        Layout::Same | Layout::PlusOne => consecutive(values, part, to, out, |at| (at, usize::MAX)),
        Layout::Interleaved { heads } => {
            let half = n / row / heads / 2;
            consecutive(values, part, to, out, |at| {
                let (r, column) = (at / row, at % row);
                let (head, within) = (r / (2 * half), r % (2 * half));
                let stored = head * 2 * half + within % half * 2 + within / half;
                (stored * row + column, row - column)
            });
        }
        Layout::Transposed => match Matrices::new(dims, part) {
            Some(wanted) => wanted.transposed(values, to, out),
            // (matrices have two axes at least)
            None if part.is_none() => consecutive(values, part, to, out, |at| (at, usize::MAX)),
            None => {
                // a selection that is none of rows or of columns
                let mut whole = vec![0; n * (to.bits() / 8)];
                arrange(values, layout, dims, None, to, &mut whole);
                let whole = Values::plain(to, &whole);
                consecutive(&whole, part, to, out, |at| (at, usize::MAX));
            }
        },
    }
}

/// Values that are stored in runs: `locate` gives where a value is stored, and how many from there on follow each other.
fn consecutive(
    values: &Values,
    part: Option<&Selection>,
    to: DType,
    out: &mut [u8],
    locate: impl Fn(usize) -> (usize, usize) + Sync,
) {
    let size = to.bits() / 8;
    let run = |at: usize| part.map_or((at, usize::MAX), |part| locate_in(part, at));
    out.par_chunks_mut(TASK * size).enumerate().for_each(|(task, mut out)| {
        let mut at = task * TASK;
        while !out.is_empty() {
            let left = out.len() / size;
            let done = part.and_then(|part| {
                let (picks, span) = narrow(part, at, left)?;
                let (stored, length) = locate(run(at).0);
                (length >= span).then(|| {
                    let mut near = [0; RUN * 8];
                    let near = &mut near[..span * size];
                    values.decode_any(stored, to, near);
                    let inner = part.inner * size;
                    for (o, near) in out.chunks_exact_mut(inner).zip(near.chunks(part.step * inner)).take(picks) {
                        o.copy_from_slice(&near[..inner]);
                    }
                    picks * part.inner
                })
            });
            let done = done.unwrap_or_else(|| {
                let (logical, length) = run(at);
                let (stored, also) = locate(logical);
                let n = left.min(length).min(also);
                values.decode_any(stored, to, &mut out[..n * size]);
                n
            });
            out = &mut out[done * size..];
            at += done;
        }
    });
}

/// Where value number `at` of a selection is in the whole, and how many from there on follow each other.
fn locate_in(part: &Selection, at: usize) -> (usize, usize) {
    let Selection { of, inner, start, step, count, .. } = *part;
    if step == 1 {
        let run = count * inner;
        return (at / run * of * inner + start * inner + at % run, run - at % run);
    }
    let (index, within) = (at / inner, at % inner);
    ((index / count * of + start + index % count * step) * inner + within, inner - within)
}

/// For a selection of indices that lie close to each other: how many of them, from value number `at` on, are best decoded
/// together with what lies between, and how many values that is.
fn narrow(part: &Selection, at: usize, left: usize) -> Option<(usize, usize)> {
    let Selection { inner, step, count, .. } = *part;
    if step == 1 || 2 * step * inner > RUN || !at.is_multiple_of(inner) {
        return None;
    }
    let picks = (count - at / inner % count).min(left / inner).min((RUN - inner) / (step * inner) + 1);
    (picks > 0).then(|| (picks, ((picks - 1) * step + 1) * inner))
}

/// Which rows and columns are wanted, of which of several matrices that lie one behind the other.
struct Matrices {
    /// Rows and columns of each.
    dims: [usize; 2],
    which: Vec<usize>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Matrices {
    fn new(dims: &[usize], part: Option<&Selection>) -> Option<Matrices> {
        let [stack @ .., rows, columns] = dims else { return None };
        let (stack, all) = (stack.iter().product::<usize>(), |n: usize| (0..n).collect::<Vec<_>>());
        let whole = Matrices { dims: [*rows, *columns], which: all(stack), rows: all(*rows), columns: all(*columns) };
        let Some(part) = part else { return Some(whole) };
        // the selected ones of `n` things of so many values
        let of = |n: usize, values: usize| -> Option<Vec<usize>> {
            let within = Selection { outer: 1, inner: part.inner / values, ..*part };
            let period = part.of * within.inner;
            let fits = part.inner.is_multiple_of(values) && within.inner > 0 && n.is_multiple_of(period);
            let (begins, length) = Selection { outer: n / period.max(1), ..within }.runs();
            fits.then(|| begins.flat_map(|begin| begin..begin + length).collect())
        };
        if let Some(columns) = of(*columns, 1) {
            return Some(Matrices { columns, ..whole });
        }
        if let Some(selected) = of(*rows, *columns) {
            return Some(Matrices { rows: selected, ..whole });
        }
        of(stack, rows * columns).map(|which| Matrices { which, ..whole })
    }

    /// `out[r][c] = stored[c][r]`, a band of stored rows at a time so that memory does not grow with the tensor.
    fn transposed(&self, values: &Values, to: DType, out: &mut [u8]) {
        const BAND: usize = 64;
        let size = to.bits() / 8;
        let [rows, columns] = self.dims;
        let width = self.columns.len() * size;
        let mut band = vec![0u8; BAND.min(self.columns.len()) * rows * size];
        for (matrix, out) in self.which.iter().zip(out.chunks_mut(self.rows.len() * width)) {
            for (number, wanted) in self.columns.chunks(BAND).enumerate() {
                band.par_chunks_mut(rows * size)
                    .zip(wanted)
                    .for_each(|(o, c)| values.decode_any((matrix * columns + c) * rows, to, o));
                out.par_chunks_mut(width).zip(&self.rows).for_each(|(out, r)| {
                    let out = &mut out[number * BAND * size..][..wanted.len() * size];
                    for (c, o) in out.chunks_exact_mut(size).enumerate() {
                        o.copy_from_slice(&band[(c * rows + r) * size..][..size]);
                    }
                });
            }
        }
    }
}

/// Puts a selection of a tensor, row-major, in its place in the whole; `size` are the bytes of a value.
pub(crate) fn scatter(part: &Selection, size: usize, values: &[u8], whole: &mut [u8]) {
    let (begins, length) = part.runs();
    for (begin, run) in begins.zip(values.chunks_exact((length * size).max(1))) {
        whole[begin * size..][..run.len()].copy_from_slice(run);
    }
}

/// Converts values of `from`, all of a tensor; the lengths agree.
pub(super) fn convert(from: Encoding, layout: Layout, dims: &[usize], src: &[u8], to: DType, out: &mut [u8]) {
    let values = Values { encoding: from, bytes: src, plus_one: layout == Layout::PlusOne, scale: Scale::Own };
    arrange(&values, layout, dims, None, to, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Block, convert::Grid};
    use bytemuck::{cast_slice, cast_slice_mut};

    fn f32s(values: &Values, layout: Layout, dims: &[usize], part: Option<&Selection>) -> Vec<f32> {
        let mut out = vec![0f32; part.map_or(dims.iter().product(), Selection::elements)];
        arrange(values, layout, dims, part, DType::F32, cast_slice_mut(&mut out));
        out
    }

    fn picked(whole: &[f32], part: &Selection) -> Vec<f32> {
        let (begins, length) = part.runs();
        begins.flat_map(|begin| whole[begin..begin + length].to_vec()).collect()
    }

    /// Many selections of a tensor of so many values.
    fn selections(n: usize) -> Vec<Selection> {
        let divisors = |n: usize| (1..=n).filter(move |d| n.is_multiple_of(*d));
        let mut all = vec![];
        for outer in divisors(n) {
            for of in divisors(n / outer).filter(|of| *of < 40) {
                let inner = n / outer / of;
                for (start, step, count) in
                    [(0, 1, of), (of / 2, 1, of - of / 2), (0, 2, of.div_ceil(2)), (of / 3, 3, 1), (1, 5, 2)]
                {
                    all.push(Selection { outer, of, inner, start, step, count });
                }
            }
        }
        all.retain(|s| s.start + s.step * (s.count - 1) < s.of);
        all
    }

    #[test]
    fn selections_are_what_one_picks_of_the_whole() {
        let (rows, columns) = (12, 32 * 4);
        let numbers: Vec<f32> = (0..2 * rows * columns).map(|i| i as f32).collect();
        let blocks: Vec<u8> = (0..2 * rows * 4 * 34).map(|i| (i * 7 % 60) as u8).collect();
        let plain = Values::plain(DType::F32, cast_slice(&numbers));
        let packed =
            Values { encoding: Encoding::Blocks(Block::Q8_0), bytes: &blocks, plus_one: false, scale: Scale::Own };
        // values of 4 bits, and the exponents of their scales; values of 8 bits, and the scales of blocks of 5 x 48
        let exponents: Vec<u8> = (0..2 * rows * 4).map(|i| 120 + i as u8 % 16).collect();
        let scales: Vec<f32> = (0..15).map(|i| 1.0 + i as f32).collect();
        let grid = Grid { scales: &scales, matrix: [2 * rows, columns], block: [5, 48] };
        let mxfp4 = Values { encoding: Encoding::Mxfp4, scale: Scale::Exponents(&exponents), ..packed };
        let scaled = Values { encoding: Encoding::Scaled(DType::F8E4M3FN), scale: Scale::Grid(grid), ..packed };
        for (layout, dims) in [
            (Layout::Same, vec![2 * rows, columns]),
            (Layout::Interleaved { heads: 2 }, vec![2 * rows, columns]),
            (Layout::Transposed, vec![columns, 2 * rows]),
            (Layout::Transposed, vec![2, columns, rows]),
        ] {
            for values in [&plain, &packed, &mxfp4, &scaled] {
                let whole = f32s(values, layout, &dims, None);
                for part in selections(whole.len()) {
                    assert_eq!(f32s(values, layout, &dims, Some(&part)), picked(&whole, &part), "{layout:?} {part:?}");
                }
            }
        }
    }

    #[test]
    fn large_tensors_are_divided_into_tasks() {
        let numbers: Vec<f32> = (0..3 * TASK).map(|i| i as f32).collect();
        let values = Values::plain(DType::F32, cast_slice(&numbers));
        for (of, inner, step) in [(TASK, 1, 3), (TASK / 4, 4, 7), (8, TASK / 8, 3), (3, TASK, 1)] {
            let (outer, start) = (numbers.len() / of / inner, 1);
            let count = if step == 1 { 2 } else { (of - start).div_ceil(step) };
            let part = Selection { outer, of, inner, start, step, count };
            assert!(f32s(&values, Layout::Same, &[3, TASK], Some(&part)) == picked(&numbers, &part), "{part:?}");
        }
    }

    #[test]
    fn what_is_taken_apart_is_put_together() {
        let numbers: Vec<f32> = (0..48).map(|i| i as f32).collect();
        let mut whole = vec![0f32; 48];
        for (start, step, count) in [(0, 2, 3), (1, 4, 2), (3, 1, 1)] {
            let part = Selection { outer: 2, of: 6, inner: 4, start, step, count };
            scatter(&part, 4, cast_slice(&picked(&numbers, &part)), cast_slice_mut(&mut whole));
        }
        assert_eq!(whole, numbers);
    }

    #[test]
    fn transposing_crosses_the_bands() {
        let (rows, columns) = (3, 150);
        let stored: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
        let out = f32s(&Values::plain(DType::F32, cast_slice(&stored)), Layout::Transposed, &[rows, columns], None);
        for r in 0..rows {
            for c in 0..columns {
                assert_eq!(out[r * columns + c], stored[c * rows + r]);
            }
        }
    }
}
