//! Which chunks a hyper-rectangle touches, and which elements of them.
use std::ops::Range;

/// All points of a hyper-rectangle in C order; one, of rank 0, of that without axes.
struct Points {
    bounds: Vec<Range<usize>>,
    next: Option<Vec<usize>>,
}

fn points(bounds: Vec<Range<usize>>) -> Points {
    let first = bounds.iter().map(|r| (!r.is_empty()).then_some(r.start)).collect();
    Points { bounds, next: first }
}

impl Iterator for Points {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let point = self.next.take()?;
        let mut next = point.clone();
        for (n, bound) in next.iter_mut().zip(&self.bounds).rev() {
            *n += 1;
            if *n < bound.end {
                self.next = Some(next);
                break;
            }
            *n = bound.start;
        }
        Some(point)
    }
}

/// A chunk, and the elements of it that are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Overlap {
    /// The place of the chunk in the grid.
    pub cell: Vec<usize>,
    /// The elements, in coordinates of the array.
    pub ranges: Vec<Range<usize>>,
}

/// The chunks of this shape that a hyper-rectangle touches.
pub(crate) fn overlaps<'a>(wanted: &'a [Range<usize>], shape: &'a [usize]) -> impl Iterator<Item = Overlap> + 'a {
    let cells = |(r, &s): (&Range<usize>, &usize)| if r.is_empty() { 0..0 } else { r.start / s..(r.end - 1) / s + 1 };
    points(wanted.iter().zip(shape).map(cells).collect()).map(move |cell| {
        let range =
            |((&c, r), &s): ((&usize, &Range<usize>), &usize)| r.start.max(c * s)..r.end.min((c * s).saturating_add(s));
        let ranges = cell.iter().zip(wanted).zip(shape).map(range).collect();
        Overlap { cell, ranges }
    })
}

impl Overlap {
    /// The elements as runs that lie together both in the chunk, whose shape this is and whose first element has these coordinates,
    /// and in an array that holds `target`: where in the chunk, where in the array, how many. They are in the order of the chunk.
    pub fn runs(
        &self,
        shape: &[usize],
        origin: &[usize],
        target: &[Range<usize>],
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        let (mut outer, mut length) = (self.ranges.len(), 1);
        while outer > 0 {
            outer -= 1;
            let n = self.ranges[outer].len();
            length *= n;
            if n != shape[outer] || n != target[outer].len() {
                break;
            }
        }
        let strides = |sizes: &mut dyn DoubleEndedIterator<Item = usize>| {
            let mut strides: Vec<usize> = sizes.rev().scan(1, |n, s| Some(std::mem::replace(n, *n * s))).collect();
            strides.reverse();
            strides
        };
        let in_chunk = strides(&mut shape.iter().copied());
        let in_target = strides(&mut target.iter().map(|r| r.len()));
        let starts: Vec<usize> = self.ranges.iter().map(|r| r.start).collect();
        let (origin, target): (Vec<usize>, Vec<usize>) = (origin.to_vec(), target.iter().map(|r| r.start).collect());
        points(self.ranges[..outer].to_vec()).map(move |point| {
            let at = |strides: &[usize], origin: &[usize]| {
                let coordinate = |i: usize| if i < outer { point[i] } else { starts[i] };
                (0..starts.len()).map(|i| (coordinate(i) - origin[i]) * strides[i]).sum::<usize>()
            };
            (at(&in_chunk, &origin), at(&in_target, &target), length)
        })
    }
}
