//! Tensors whose values do not lie one behind the other.

use raxla::param::Selection;
use std::ops::Range;

/// Where a tensor's values lie in its range of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// One behind the other, row-major.
    Whole,
    /// With these distances along each axis, counted in values.
    Strided(Vec<usize>),
    /// In several pieces of the file; each is a range of it.
    Pieces(Vec<Range<usize>>),
}

impl View {
    /// The view with these strides: whole, if they are those of a row-major array.
    pub(super) fn of(dims: &[usize], strides: &[usize]) -> View {
        let mut step = 1usize;
        let whole = dims.iter().zip(strides).rev().all(|(d, s)| {
            let fits = *d == 1 || *s == step;
            step = step.saturating_mul(*d);
            fits
        });
        if whole || dims.contains(&0) { View::Whole } else { View::Strided(strides.to_vec()) }
    }

    /// A selection of a strided view: its shape, the view, and how many values come before it. `None` where the selection
    /// does not lie within one axis.
    pub(super) fn select(&self, dims: &[usize], part: &Selection) -> Option<(Vec<usize>, View, usize)> {
        let View::Strided(strides) = self else { return None };
        let Selection { outer, of, inner, start, step, count } = *part;
        let before = |axis: usize| dims[..axis].iter().product::<usize>();
        // the axis in which all of them are, seen as `[outside, of, inside]`
        let fits = |axis: usize| {
            let (before, after) = (before(axis), before(dims.len()).checked_div(before(axis + 1))?);
            let (outside, inside) = (outer.checked_div(before)?, inner.checked_div(after)?);
            let same = outside * before == outer && inside * after == inner && outside * of * inside == dims[axis];
            same.then_some((axis, outside, inside))
        };
        let (axis, outside, inside) = (0..dims.len()).find_map(fits)?;
        let own = strides[axis];
        let split = |all: &[usize], parts: [usize; 3]| [&all[..axis], &parts, &all[axis + 1..]].concat();
        let new = split(dims, [outside, count, inside]);
        let steps = split(strides, [of * inside * own, step * inside * own, own]);
        Some((new, View::Strided(steps), start * inside * own))
    }

    /// The values in row-major order; `range` are the tensor's bytes in `file`, `size` the bytes of a value.
    pub(super) fn gather(&self, file: &[u8], range: Range<usize>, dims: &[usize], size: usize) -> Vec<u8> {
        match self {
            View::Whole => file[range].to_vec(),
            View::Pieces(pieces) => pieces.iter().flat_map(|piece| &file[piece.clone()]).copied().collect(),
            View::Strided(strides) => {
                let mut out = Vec::with_capacity(dims.iter().product::<usize>() * size);
                if dims.contains(&0) {
                    return out;
                }
                let (dims, strides, run) = match (dims, strides.as_slice()) {
                    ([outer @ .., last], [steps @ .., 1]) => (outer, steps, last * size),
                    _ => (dims, strides.as_slice(), size),
                };
                let mut index = vec![0; dims.len()];
                let (bytes, mut at) = (&file[range], 0);
                'all: loop {
                    out.extend_from_slice(&bytes[at * size..][..run]);
                    for axis in (0..dims.len()).rev() {
                        index[axis] += 1;
                        at += strides[axis];
                        if index[axis] < dims[axis] {
                            continue 'all;
                        }
                        at -= strides[axis] * dims[axis];
                        index[axis] = 0;
                    }
                    return out;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_followed() {
        let bytes: Vec<u8> = (0..12).collect();
        let view = View::of(&[2, 3], &[1, 4]);
        assert_eq!(view.gather(&bytes, 0..12, &[2, 3], 1), [0, 4, 8, 1, 5, 9]);
        assert_eq!(View::of(&[3, 2], &[0, 1]).gather(&bytes, 4..8, &[3, 2], 2), [4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7]);
        let rows = View::of(&[2, 3], &[4, 1]);
        assert_eq!(rows.gather(&bytes, 1..12, &[2, 3], 1), [1, 2, 3, 5, 6, 7]);
        assert_eq!(View::of(&[2, 1, 3], &[3, 77, 1]), View::Whole);
        assert_eq!(View::of(&[0, 3], &[9, 9]), View::Whole);
        assert_eq!(View::of(&[], &[]), View::Whole);
    }

    #[test]
    fn selections_of_strided_views() {
        let bytes: Vec<u8> = (0..90).collect();
        let (dims, view) = ([4, 6], View::of(&[4, 6], &[2, 13]));
        let whole = view.gather(&bytes, 5..90, &dims, 1);
        for (outer, of, inner) in [(1, 4usize, 6), (4, 6, 1), (2, 2, 6), (8, 3, 1), (4, 2, 3), (1, 2, 12)] {
            for (start, step, count) in [(0, 1, 1), (1, 1, of - 1), (0, 2, of.div_ceil(2))] {
                let part = Selection { outer, of, inner, start, step, count };
                let (new, narrow, before) = view.select(&dims, &part).unwrap();
                let (begins, length) = part.runs();
                let wanted: Vec<u8> = begins.flat_map(|b| whole[b..b + length].to_vec()).collect();
                assert_eq!(narrow.gather(&bytes, 5 + before..90, &new, 1), wanted, "{part:?}");
            }
        }
        // two rows and a half
        let part = Selection { outer: 1, of: 24, inner: 1, start: 0, step: 1, count: 15 };
        assert_eq!(view.select(&dims, &part), None);
    }
}
