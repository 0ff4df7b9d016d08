//! Tensors whose values do not lie one behind the other.

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

    /// The values in row-major order; `range` are the tensor's bytes in `file`, `size` the bytes of a value.
    pub(super) fn gather(&self, file: &[u8], range: Range<usize>, dims: &[usize], size: usize) -> Vec<u8> {
        match self {
            View::Whole => file[range].to_vec(),
            View::Pieces(pieces) => pieces.iter().flat_map(|piece| &file[piece.clone()]).copied().collect(),
            View::Strided(strides) => {
                let mut out = Vec::with_capacity(dims.iter().product::<usize>() * size);
                let mut index = vec![0; dims.len()];
                let (bytes, mut at) = (&file[range], 0);
                'all: loop {
                    out.extend_from_slice(&bytes[at * size..][..size]);
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
        assert_eq!(View::of(&[2, 1, 3], &[3, 77, 1]), View::Whole);
        assert_eq!(View::of(&[0, 3], &[9, 9]), View::Whole);
        assert_eq!(View::of(&[], &[]), View::Whole);
    }
}
