//! The parts of an index.
use crate::{aval::DType, trace::Tensor};
use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

/// One part of an index, as between the commas of NumPy's brackets.
#[derive(Clone, Copy, Debug)]
pub enum Index {
    /// A position, whose axis disappears; negative ones count from the end. `2`, `-1`.
    Position(isize),
    /// A range of positions, `start:stop:step` in NumPy: bounds that are missing are the ends, negative ones count from the end, and
    /// those beyond the ends are the ends. `1..3`, `0..`, `..-1`; for other steps, [`Index::step`].
    Range {
        /// The first position.
        start: Option<isize>,
        /// The position before which it ends.
        stop: Option<isize>,
        /// From one position to the next: not 0.
        step: isize,
    },
    /// All axes that other parts do not name: `..`, NumPy's `...`.
    Rest,
    /// A new axis of size 1. NumPy: `None`.
    New,
    /// Computed positions along an axis: integers of any shape. Those of several axes broadcast together.
    Positions(Tensor),
    /// Bools of the shape of the next axes: where they are true. For updates only, beside full ranges.
    Mask(Tensor),
}
impl Index {
    /// A range with a step: `Index::step(None, None, -1)` is NumPy's `::-1`.
    pub fn step(start: Option<isize>, stop: Option<isize>, step: isize) -> Index {
        Index::Range { start, stop, step }
    }
}
impl From<Tensor> for Index {
    fn from(x: Tensor) -> Index {
        if x.dtype() == DType::Bool { Index::Mask(x) } else { Index::Positions(x) }
    }
}
impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Index {
        Index::Rest
    }
}
macro_rules! from_numbers {
    ($($t:ty)*) => {$(
        impl From<$t> for Index {
            fn from(i: $t) -> Index {
                Index::Position(i as isize)
            }
        }
        impl From<Range<$t>> for Index {
            fn from(r: Range<$t>) -> Index {
                Index::step(Some(r.start as isize), Some(r.end as isize), 1)
            }
        }
        impl From<RangeFrom<$t>> for Index {
            fn from(r: RangeFrom<$t>) -> Index {
                Index::step(Some(r.start as isize), None, 1)
            }
        }
        impl From<RangeTo<$t>> for Index {
            fn from(r: RangeTo<$t>) -> Index {
                Index::step(None, Some(r.end as isize), 1)
            }
        }
    )*};
}
from_numbers!(i32 isize usize);

/// What [`Tensor::at`] takes: one part, or a tuple of parts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no index of a tensor",
    label = "not an index",
    note = "a part is a number, a range, `..`, a tensor of integers or bools, or an `Index`; several stand in a tuple: `x.at((0, .., 1..3))`"
)]
pub trait Indices {
    /// The parts, in order.
    fn parts(self) -> Vec<Index>;
}
impl<I: Into<Index>> Indices for I {
    fn parts(self) -> Vec<Index> {
        vec![self.into()]
    }
}
impl Indices for Vec<Index> {
    fn parts(self) -> Vec<Index> {
        self
    }
}
macro_rules! tuples {
    ($($I:ident)*) => {
        impl<$($I: Into<Index>),*> Indices for ($($I,)*) {
            #[allow(non_snake_case)]
            fn parts(self) -> Vec<Index> {
                let ($($I,)*) = self;
                vec![$($I.into()),*]
            }
        }
    };
}
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
