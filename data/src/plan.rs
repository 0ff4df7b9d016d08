//! The plan of a dataset: a file that says for each row which pieces of which sequences make it. It is made once, from the
//! lengths of sequences alone, and mapped into memory.
//!
//! Rows are in groups of [`ROWS`]. A group has two sections: its pieces (sequence, 8 bytes; first token, 4; number of
//! tokens, 4), and for each row the number of the group's pieces up to its end (8 bytes).

use crate::{
    DatasetOptions, Error, Result, TokenCache,
    checked::{Checked, Writer},
    holdout::Selection,
    packing::{Concat, Long, Packing, Piece, best_fit, cut},
    shuffle::Permutation,
};
use raxla_xla::Draft;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Rows of a group.
const ROWS: u64 = 1 << 18;
/// Bytes of a piece.
const PIECE: usize = 16;
/// Best fit looks at the pieces of so many sequences at a time.
const WINDOW: u64 = 1 << 16;

/// What is known of a dataset's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowStats {
    /// How many there are.
    pub rows: u64,
    /// Sequences of which something is in a row.
    pub sequences: u64,
    /// Tokens of the cache's sequences that were to be put into rows.
    pub tokens: u64,
    /// Tokens in rows; what is in two, because a row begins with it, counts twice.
    pub filled: u64,
    /// Tokens that the rows have space for.
    pub space: u64,
    /// Sequences left out because they have no token to predict, or nothing to be learned.
    pub nothing_to_learn: u64,
    /// Sequences left out because they are too long, or belong to a record with one that is.
    pub too_long: u64,
    /// Tokens cut off.
    pub truncated: u64,
}

impl RowStats {
    /// Which part of the rows holds tokens.
    pub fn efficiency(&self) -> f64 {
        self.filled as f64 / self.space.max(1) as f64
    }
}

/// A plan that can be read.
pub(crate) struct Plan {
    file: Checked,
    pub stats: RowStats,
}

impl Plan {
    /// The plan at this path, made now if it is not there.
    pub fn open(path: &Path, cache: &TokenCache, selection: &Selection, options: &DatasetOptions) -> Result<Plan> {
        if !path.exists() {
            make(path, cache, selection, options)?;
        }
        let (file, stats): (Checked, RowStats) = Checked::open(path, path)?;
        if file.sections() as u64 != 2 * stats.rows.div_ceil(ROWS) {
            return Err(file.damaged("it has other rows than it says"));
        }
        Ok(Plan { file, stats })
    }

    /// The pieces of a row.
    pub fn row(&self, row: u64) -> Result<impl Iterator<Item = Piece>> {
        let (group, i) = ((row / ROWS) as usize, (row % ROWS) as usize);
        let start = if i == 0 { 0 } else { self.file.number(2 * group + 1, i - 1)? as usize };
        let end = self.file.number(2 * group + 1, i)? as usize;
        let bytes = self.file.bytes(2 * group, PIECE * start..PIECE * end)?;
        Ok(bytes.as_chunks::<PIECE>().0.iter().map(|bytes| {
            let (sequence, rest) = bytes.split_at(8);
            let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap_or_default());
            Piece {
                sequence: u64::from_le_bytes(sequence.try_into().unwrap_or_default()),
                start: number(&rest[..4]),
                length: number(&rest[4..]),
            }
        }))
    }
}

fn make(path: &Path, cache: &TokenCache, selection: &Selection, options: &DatasetOptions) -> Result<()> {
    let (draft, file) = Draft::file(path).map_err(Error::write(path))?;
    let writer = Writer::new(file).map_err(Error::write(path))?;
    let room = options.length as u32 + 1;
    let mut maker = Maker { path, cache, options, room, writer, ends: vec![], pieces: 0, stats: RowStats::default() };
    match options.packing {
        Packing::Concat => maker.concat(selection, false)?,
        Packing::ConcatSegments => maker.concat(selection, true)?,
        Packing::Pack => maker.pack(selection)?,
        Packing::Pad => maker.pad(selection)?,
    }
    maker.end_group()?;
    maker.writer.finish(&maker.stats).map_err(Error::write(path))?;
    draft.publish().map_err(Error::write(path))
}

struct Maker<'a> {
    path: &'a Path,
    cache: &'a TokenCache,
    options: &'a DatasetOptions,
    room: u32,
    writer: Writer,
    /// Of the rows of this group.
    ends: Vec<u64>,
    pieces: u64,
    stats: RowStats,
}

impl Maker<'_> {
    fn row(&mut self, pieces: &[Piece]) -> Result<()> {
        if self.ends.is_empty() {
            self.writer.section().map_err(Error::write(self.path))?;
        }
        for piece in pieces {
            let mut bytes = [0; PIECE];
            bytes[..8].copy_from_slice(&piece.sequence.to_le_bytes());
            bytes[8..12].copy_from_slice(&piece.start.to_le_bytes());
            bytes[12..].copy_from_slice(&piece.length.to_le_bytes());
            self.writer.write(&bytes).map_err(Error::write(self.path))?;
            self.stats.filled += u64::from(piece.length);
        }
        self.pieces += pieces.len() as u64;
        self.ends.push(self.pieces);
        self.stats.rows += 1;
        self.stats.space += u64::from(self.room);
        if self.ends.len() as u64 == ROWS { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> Result<()> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let mut write = || {
            self.writer.section()?;
            self.ends.iter().try_for_each(|end| self.writer.write(&end.to_le_bytes()))
        };
        write().map_err(Error::write(self.path))?;
        self.ends.clear();
        self.pieces = 0;
        Ok(())
    }

    /// The sequences of the records that are selected, in the order in which they are put into rows.
    fn sequences(&self, selection: &Selection) -> impl Iterator<Item = u64> + use<> {
        let (selection, group) = (selection.clone(), self.cache.group());
        let order = self.options.document_seed.map(|seed| Permutation::new(selection.len(), seed));
        let records = (0..selection.len()).map(move |i| selection.at(order.as_ref().map_or(i, |order| order.at(i))));
        records.flat_map(move |record| (0..group).map(move |i| record * group + i))
    }

    fn length(&mut self, sequence: u64) -> Result<u32> {
        let length = self.cache.length(sequence)?;
        self.stats.tokens += length as u64;
        u32::try_from(length).map_err(|_| Error::Options(format!("sequence {sequence} has {length} tokens")))
    }

    fn concat(&mut self, selection: &Selection, segments: bool) -> Result<()> {
        let mut concat = Concat::new(self.room, segments);
        for sequence in self.sequences(selection) {
            let length = self.length(sequence)?;
            self.stats.sequences += 1;
            concat.add(sequence, length, &mut |row| self.row(row))?;
        }
        concat.finish(&mut |row| self.row(row))
    }

    /// The pieces of a sequence from which something is learned.
    fn useful(&mut self, sequence: u64) -> Result<Vec<Piece>> {
        let length = self.length(sequence)?;
        let mut pieces: Vec<Piece> = cut(sequence, length, self.room, self.options.long).collect();
        if pieces.is_empty() && length >= 2 {
            self.stats.too_long += 1;
            return Ok(pieces);
        }
        if let Some(spans) = self.cache.learned(sequence)? {
            let spans: Vec<_> = spans.collect();
            let targets = |p: &Piece| p.start + 1..p.start + p.length;
            pieces.retain(|p| spans.iter().any(|s| s.start.max(targets(p).start) < s.end.min(targets(p).end)));
        }
        if pieces.is_empty() {
            self.stats.nothing_to_learn += 1;
            return Ok(pieces);
        }
        self.stats.sequences += 1;
        if self.options.long == Long::Truncate {
            self.stats.truncated += u64::from(length.saturating_sub(self.room));
        }
        Ok(pieces)
    }

    fn pack(&mut self, selection: &Selection) -> Result<()> {
        let mut sequences = self.sequences(selection).peekable();
        while sequences.peek().is_some() {
            let mut pieces = vec![];
            for sequence in sequences.by_ref().take(WINDOW as usize) {
                pieces.extend(self.useful(sequence)?);
            }
            best_fit(pieces, self.room).iter().try_for_each(|row| self.row(row))?;
        }
        Ok(())
    }

    fn pad(&mut self, selection: &Selection) -> Result<()> {
        let group = self.cache.group() as usize;
        let mut sequences = self.sequences(selection);
        loop {
            let record: Vec<u64> = sequences.by_ref().take(group).collect();
            if record.is_empty() {
                return Ok(());
            }
            let before = self.stats.clone();
            let pieces: Result<Vec<Vec<Piece>>> = record.iter().map(|sequence| self.useful(*sequence)).collect();
            let pieces = pieces?;
            // a preference is whole or not there
            if group > 1 && pieces.iter().any(Vec::is_empty) {
                let tokens = self.stats.tokens;
                let long = self.stats.too_long > before.too_long;
                self.stats = RowStats { tokens, ..before };
                *(if long { &mut self.stats.too_long } else { &mut self.stats.nothing_to_learn }) += group as u64;
                continue;
            }
            pieces.iter().flatten().try_for_each(|piece| self.row(&[*piece]))?;
        }
    }
}
