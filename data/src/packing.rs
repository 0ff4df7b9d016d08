//! Which pieces of which sequences make a row.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How sequences become rows of `length + 1` tokens: `length` inputs and, one later, as many targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// One after another, cut into rows wherever these end; a row begins with the last token of the one before, so that each
    /// token but the first is a target once. A row counts as one text: tokens attend to what stands before them, even if
    /// that is another document. What GPT-2 and GPT-3 were trained on (Brown et al., 2020, arXiv 2005.14165, appendix B).
    #[default]
    Concat,
    /// The same, but a row's documents are segments of their own, and the first token of each is no target.
    ConcatSegments,
    /// Whole sequences, put into rows by best fit, the longest first, so that few are cut and little is padding: Ding et al.,
    /// "Fewer truncations improve language modeling", 2024 (arXiv 2404.10830). Those in a row are segments of their own.
    Pack,
    /// One sequence per row, and padding behind it.
    Pad,
}

/// What becomes of sequences longer than a row. Concatenation cuts them anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Long {
    /// They are cut into pieces, each of which begins with the last token of the one before.
    #[default]
    Split,
    /// They end where a row would.
    Truncate,
    /// They are left out.
    Drop,
}

/// Some tokens of a sequence, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece {
    pub sequence: u64,
    pub start: u32,
    pub length: u32,
}

/// Pieces that make a row.
pub(crate) type RowPieces = Vec<Piece>;

/// Joins sequences and cuts rows of `room` tokens.
pub(crate) struct Concat {
    room: u32,
    segments: bool,
    row: RowPieces,
    filled: u32,
    /// The token that ended the last row and begins the next one.
    carried: Option<Piece>,
}

impl Concat {
    pub fn new(room: u32, segments: bool) -> Concat {
        Concat { room, segments, row: vec![], filled: 0, carried: None }
    }

    /// Adds a sequence, and gives each row that is full to `each`.
    pub fn add<E>(
        &mut self,
        sequence: u64,
        length: u32,
        each: &mut impl FnMut(&[Piece]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut start = 0;
        while start < length {
            if let Some(carried) = self.carried.take()
                && (!self.segments || carried.sequence == sequence)
            {
                self.row.push(carried);
                self.filled = 1;
            }
            let taken = (self.room - self.filled).min(length - start);
            match self.row.last_mut() {
                Some(last) if last.sequence == sequence => last.length += taken,
                _ => self.row.push(Piece { sequence, start, length: taken }),
            }
            start += taken;
            self.filled += taken;
            if self.filled == self.room {
                each(&self.row)?;
                self.row.clear();
                self.filled = 0;
                self.carried = Some(Piece { sequence, start: start - 1, length: 1 });
            }
        }
        Ok(())
    }

    /// Gives the last row, which is not full, to `each`.
    pub fn finish<E>(self, each: &mut impl FnMut(&[Piece]) -> Result<(), E>) -> Result<(), E> {
        if self.filled > 1 { each(&self.row) } else { Ok(()) }
    }
}

/// The pieces of a sequence that fit into `room` tokens each, of those with a target: none for a sequence of one token, or
/// one that is left out.
pub(crate) fn cut(sequence: u64, length: u32, room: u32, long: Long) -> impl Iterator<Item = Piece> {
    let whole = length <= room;
    let pieces = match (long, whole) {
        _ if length < 2 => 0,
        (Long::Drop, false) => 0,
        (Long::Split, false) => (length - 1).div_ceil(room - 1),
        _ => 1,
    };
    (0..pieces).map(move |i| {
        let start = i * (room - 1);
        Piece { sequence, start, length: room.min(length - start) }
    })
}

/// Puts pieces, of at most `room` tokens each, into rows: the longest first, each into the fullest row that has space for it.
/// Rows and their pieces come in the order of their first pieces.
pub(crate) fn best_fit(mut pieces: Vec<Piece>, room: u32) -> Vec<RowPieces> {
    pieces.sort_by_key(|piece| (u32::MAX - piece.length, *piece));
    let mut rows: Vec<RowPieces> = vec![];
    // (space, row); rows without space for the shortest piece that can be are not in it
    let mut open = BTreeSet::new();
    for piece in pieces {
        let found = open.range((piece.length, 0)..).next().copied();
        let (space, row) = match found {
            Some(found) => {
                open.remove(&found);
                found
            }
            None => {
                rows.push(vec![]);
                (room, rows.len() - 1)
            }
        };
        rows[row].push(piece);
        let left = space - piece.length;
        if left >= 2 {
            open.insert((left, row));
        }
    }
    rows.iter_mut().for_each(|row| row.sort());
    rows.sort();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeMap, convert::Infallible};

    fn concat(lengths: &[u32], room: u32, segments: bool) -> Vec<RowPieces> {
        let mut rows: Vec<RowPieces> = vec![];
        let mut each = |row: &[Piece]| {
            rows.push(row.to_vec());
            Ok::<(), Infallible>(())
        };
        let mut concat = Concat::new(room, segments);
        for (i, length) in lengths.iter().enumerate() {
            concat.add(i as u64, *length, &mut each).unwrap();
        }
        concat.finish(&mut each).unwrap();
        rows
    }

    /// How often each token is a target: within its piece, and where `joined`, behind another piece.
    fn targets(rows: &[RowPieces], joined: bool) -> BTreeMap<(u64, u32), u32> {
        let mut counts = BTreeMap::new();
        for row in rows {
            for (i, piece) in row.iter().enumerate() {
                let first = if joined && i > 0 { 0 } else { 1 };
                (first..piece.length).for_each(|j| *counts.entry((piece.sequence, piece.start + j)).or_default() += 1);
            }
        }
        counts
    }

    fn once(lengths: &[u32], first: u32) -> BTreeMap<(u64, u32), u32> {
        let tokens = lengths.iter().enumerate().flat_map(|(i, n)| (first..*n).map(move |j| ((i as u64, j), 1)));
        tokens.collect()
    }

    #[test]
    fn rows_of_few_tokens() {
        let piece = |sequence, start, length| Piece { sequence, start, length };
        let rows = vec![
            vec![piece(0, 0, 3), piece(1, 0, 1)],
            vec![piece(1, 0, 4)],
            vec![piece(1, 3, 2), piece(2, 0, 2)],
            vec![piece(2, 1, 1), piece(3, 0, 1)],
        ];
        assert_eq!(concat(&[3, 5, 2, 1], 4, false), rows);
        let rows =
            vec![vec![piece(0, 0, 3), piece(1, 0, 1)], vec![piece(1, 0, 4)], vec![piece(1, 3, 2), piece(2, 0, 2)]];
        assert_eq!(concat(&[3, 5, 2, 1], 4, true), rows);
        assert_eq!(cut(7, 9, 4, Long::Split).collect::<Vec<_>>(), [piece(7, 0, 4), piece(7, 3, 4), piece(7, 6, 3)]);
        assert_eq!(cut(7, 9, 4, Long::Truncate).collect::<Vec<_>>(), [piece(7, 0, 4)]);
        assert_eq!(cut(7, 9, 4, Long::Drop).count() + cut(7, 1, 4, Long::Split).count(), 0);
        let pieces = [2, 5, 3, 4, 2, 6].iter().enumerate().map(|(i, n)| piece(i as u64, 0, *n)).collect();
        let lengths =
            best_fit(pieces, 8).iter().map(|row| row.iter().map(|p| p.length).collect()).collect::<Vec<Vec<_>>>();
        assert_eq!(lengths, [vec![2, 6], vec![5, 3], vec![4, 2]]);
    }

    proptest! {
        #[test]
        fn packing_loses_and_repeats_no_token(lengths in prop::collection::vec(0u32..40, 0..60), room in 2u32..20) {
            // all but the very first token, and the first of each document
            let mut all = once(&lengths, 0);
            all.pop_first();
            prop_assert_eq!(targets(&concat(&lengths, room, false), true), all);
            prop_assert_eq!(targets(&concat(&lengths, room, true), false), once(&lengths, 1));
            let cut_up = |long| lengths.iter().enumerate().flat_map(move |(i, n)| cut(i as u64, *n, room, long));
            let rows = best_fit(cut_up(Long::Split).collect(), room);
            prop_assert_eq!(targets(&rows, false), once(&lengths, 1));
            for row in &rows {
                prop_assert!(!row.is_empty() && row.iter().map(|piece| piece.length).sum::<u32>() <= room);
            }
            // two rows that are half empty would have been one
            let half = |row: &&RowPieces| row.iter().map(|piece| piece.length).sum::<u32>() * 2 <= room;
            prop_assert!(rows.iter().filter(half).count() <= 1);
        }
    }
}
