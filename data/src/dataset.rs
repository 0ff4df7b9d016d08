//! Rows of equal length: what a model is trained on.

use crate::{
    Error, Result, TokenCache,
    cache::key_name,
    holdout::{Part, Selection},
    packing::{Long, Packing, Piece},
    plan::{Plan, RowStats},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How rows are made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetOptions {
    /// Inputs per row, and targets. A row has one token more.
    pub length: usize,
    /// How sequences are put into rows.
    #[serde(default)]
    pub packing: Packing,
    /// What becomes of sequences that are longer than a row.
    #[serde(default)]
    pub long: Long,
    /// Which records are taken.
    #[serde(default)]
    pub part: Part,
    /// Brings records in a random order, chosen by this number, before they are put into rows: so that those which are
    /// neighbours in a source do not come into the same rows. It is the same in every epoch; the order of rows is not.
    #[serde(default)]
    pub document_seed: Option<u64>,
}

impl DatasetOptions {
    /// All records, one after another, cut into rows of so many inputs.
    pub fn new(length: usize) -> DatasetOptions {
        DatasetOptions {
            length,
            packing: Packing::default(),
            long: Long::default(),
            part: Part::default(),
            document_seed: None,
        }
    }
}

/// The rows of a cache. Which sequences a row is made of is written down in a file of the cache's folder, once for each
/// kind of rows; a row is read in constant time.
///
/// ```
/// use raxla_data::{BuildOptions, Dataset, DatasetOptions, Encoding, Packing, RowMut, Source, TokenCache, TokenizerFn};
/// use std::sync::Arc;
/// # let place = tempfile::tempdir()?;
/// # let text = place.path().join("lines.jsonl");
/// # std::fs::write(&text, "{\"text\": \"abc\"}\n{\"text\": \"de\"}\n")?;
/// # let bytes = TokenizerFn::new("bytes", 256, |text: &str| Ok(text.bytes().map(u32::from).collect()));
/// # let encoding = Encoding { eos: Some(0), ..Encoding::new(Arc::new(bytes)) };
/// # let sources = [Source::new(text.to_string_lossy())];
/// let cache = Arc::new(TokenCache::build(&sources, &encoding, &BuildOptions::new(place.path()), |_| {})?);
/// let dataset = Dataset::new(cache, &DatasetOptions { packing: Packing::Pack, ..DatasetOptions::new(7) })?;
/// assert_eq!((dataset.len(), dataset.stats().efficiency()), (1, 7.0 / 8.0));
/// let row = dataset.row(0)?;
/// assert_eq!(row.tokens, [97, 98, 99, 0, 100, 101, 0, 0]);
/// assert_eq!(row.segment_ids, [1, 1, 1, 1, 2, 2, 2]);
/// assert_eq!(row.positions, [0, 1, 2, 3, 0, 1, 2]);
/// // after `abc` and its end, `d` is not to be expected; and behind the last end is padding
/// assert_eq!(row.loss_mask, [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dataset {
    cache: Arc<TokenCache>,
    options: DatasetOptions,
    plan: Plan,
    fingerprint: String,
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Inputs and targets: `length + 1` ids. Behind the last piece stands padding.
    pub tokens: Vec<i32>,
    /// For each input the number of its segment, from 1; 0 for padding.
    pub segment_ids: Vec<i32>,
    /// For each input its position in its segment.
    pub positions: Vec<i32>,
    /// For each target whether it is learned: 1 or 0.
    pub loss_mask: Vec<f32>,
}

/// Where a row is written to: parts of a batch, of the lengths that [`Row`] has.
pub struct RowMut<'a> {
    /// See [`Row::tokens`].
    pub tokens: &'a mut [i32],
    /// See [`Row::segment_ids`].
    pub segment_ids: &'a mut [i32],
    /// See [`Row::positions`].
    pub positions: &'a mut [i32],
    /// See [`Row::loss_mask`].
    pub loss_mask: &'a mut [f32],
}

impl Dataset {
    /// The rows of this cache, or of a part of its records.
    ///
    /// # Errors
    /// Options that make no sense together; a folder that cannot be written; a cache that is damaged.
    pub fn new(cache: Arc<TokenCache>, options: &DatasetOptions) -> Result<Dataset> {
        let group = cache.group();
        if !(1..1 << 30).contains(&options.length) {
            return Err(Error::Options(format!(
                "rows cannot have {} tokens\n  help: say a `length` of at least 1",
                options.length
            )));
        }
        if group > 1 && (options.packing != Packing::Pad || options.long == Long::Split) {
            return Err(Error::Options(format!(
                "preferences cannot be packed by {:?} and {:?}\n  help: say `packing = \"pad\"`, and `long = \"truncate\"` or \"drop\"",
                options.packing, options.long
            )));
        }
        let selection = Selection::new(options.part, cache.len() / group)?;
        let key = key_name(&serde_json::json!([1, options]));
        let plan = Plan::open(&cache.folder().join(format!("rows-{key}.plan")), &cache, &selection, options)?;
        let fingerprint = format!("{}/{key}", cache.fingerprint());
        Ok(Dataset { options: *options, plan, fingerprint, cache })
    }

    /// How many examples there are: rows, or for preferences pairs of rows.
    pub fn len(&self) -> u64 {
        self.plan.stats.rows / self.cache.group()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How many rows an example has: two for preferences, of which the first is the preferred one; one for everything else.
    pub fn group(&self) -> u64 {
        self.cache.group()
    }
    /// How rows are made.
    pub fn options(&self) -> &DatasetOptions {
        &self.options
    }
    /// What is known of the rows.
    pub fn stats(&self) -> &RowStats {
        &self.plan.stats
    }
    /// The tokens that rows are made of.
    pub fn cache(&self) -> &TokenCache {
        &self.cache
    }
    /// A name that other rows do not have. It does not depend on where sources or cache are.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// A row, padded by zeros.
    ///
    /// # Errors
    /// A number beyond the last; a damaged file.
    pub fn row(&self, row: u64) -> Result<Row> {
        let n = self.options.length;
        let mut out =
            Row { tokens: vec![0; n + 1], segment_ids: vec![0; n], positions: vec![0; n], loss_mask: vec![0.0; n] };
        let Row { tokens, segment_ids, positions, loss_mask } = &mut out;
        self.fill(row, RowMut { tokens, segment_ids, positions, loss_mask })?;
        Ok(out)
    }

    /// Writes a row over what `out` holds, which is to be padding where no piece is: zeros, but in `tokens` any id.
    ///
    /// # Errors
    /// A number beyond the last; a damaged file; `out` of other lengths.
    pub fn fill(&self, row: u64, mut out: RowMut) -> Result<()> {
        let n = self.options.length;
        if row >= self.plan.stats.rows {
            return Err(Error::Options(format!("there is no row {row}: the dataset has {}", self.plan.stats.rows)));
        }
        let lengths =
            [out.tokens.len().wrapping_sub(1), out.segment_ids.len(), out.positions.len(), out.loss_mask.len()];
        if lengths.iter().any(|length| *length != n) {
            return Err(Error::Options(format!("a row of {n} inputs cannot be written to space for {lengths:?}")));
        }
        let mut at = 0;
        for (i, piece) in self.plan.row(row)?.enumerate() {
            let end = at + piece.length as usize;
            if end > n + 1 {
                return Err(Error::Options(format!("the pieces of row {row} are longer than it")));
            }
            self.fill_piece(i, piece, at, &mut out)?;
            at = end;
        }
        Ok(())
    }

    /// Writes piece number `i` at slot `at`.
    fn fill_piece(&self, i: usize, piece: Piece, at: usize, out: &mut RowMut) -> Result<()> {
        let (start, length) = (piece.start as usize, piece.length as usize);
        let tokens = &mut out.tokens[at..at + length];
        self.cache.read(piece.sequence, start..start + length, |i, token| tokens[i] = token as i32)?;
        let joined = self.options.packing == Packing::Concat;
        let inputs = at..(at + length).min(self.options.length);
        let (segment, first) = if joined { (1, at as i32) } else { (i as i32 + 1, 0) };
        out.segment_ids[inputs.clone()].fill(segment);
        out.positions[inputs].iter_mut().zip(first..).for_each(|(position, p)| *position = p);
        // the first token of a segment is no target, and neither is the first of a row; target t is token t + 1
        let from = if joined && at > 0 { 0 } else { 1 };
        let mut learn = |from: usize, to: usize| {
            if from < to {
                out.loss_mask[at + from - 1..at + to - 1].fill(1.0);
            }
        };
        match self.cache.learned(piece.sequence)? {
            None => learn(from, length),
            Some(spans) => spans.for_each(|span| {
                let [a, b] = [span.start, span.end].map(|n| (n as usize).saturating_sub(start).min(length));
                learn(a.max(from), b);
            }),
        }
        Ok(())
    }
}
