//! Tokens on disk: each record is tokenised once, and its tokens are mapped into memory from then on.
//!
//! A cache is a folder, whose name is a hash of what its tokens depend on:
//! ```text
//! tokens-00000.shard ..  tokens, where sequences end, which tokens are learned
//! index.json             what the shards are; written last: without it the folder is not a cache yet
//! progress.json          while it is made: the finished shards, and where in the sources the next one begins
//! rows-*.plan            which pieces of which sequences make a row (see `Dataset`)
//! lock                   held by the process that makes it
//! ```

mod build;
mod key;
pub(crate) use key::name as key_name;
mod shard;

pub use build::{BuildOptions, BuildProgress};
pub use key::Identity;

use crate::{Encoding, Error, Result, Source, chat::Sequence, checked, sources::BadRecords};
use raxla_xla::read_file;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shard::{Shard, ShardInfo};
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

/// Changes with whatever changes the tokens of the same sources, or the layout of files.
const VERSION: u32 = 1;
const INDEX: &str = "index.json";
/// Most bytes of an index.
const LARGEST_INDEX: u64 = 256 << 20;

/// What is known of a cache's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStats {
    /// Records that were tokenised.
    pub records: u64,
    /// Token sequences: one per record, or two per preference.
    pub sequences: u64,
    /// Tokens of all sequences.
    pub tokens: u64,
    /// Those of them that are learned.
    pub learned: u64,
    /// Tokens of the longest sequence.
    pub longest: u64,
    /// Records without a token, which are left out.
    pub empty: u64,
    /// Records that could not be used, and are left out.
    pub bad: BadRecords,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Index {
    version: u32,
    /// Sequences per record.
    group: u64,
    vocab_size: u64,
    shards: Vec<ShardInfo>,
    stats: CacheStats,
}

/// The tokens of all records of some sources, on disk. See [`Dataset`](crate::Dataset) for how rows are made of them.
///
/// ```
/// use raxla_data::{BuildOptions, Encoding, Source, TokenCache, TokenizerFn};
/// use std::sync::Arc;
/// # let place = tempfile::tempdir()?;
/// # let (text, caches) = (place.path().join("two.jsonl"), place.path().join("caches"));
/// std::fs::write(&text, "{\"text\": \"one\"}\n{\"text\": \"two!\"}\n")?;
/// let bytes = TokenizerFn::new("bytes", 256, |text: &str| Ok(text.bytes().map(u32::from).collect()));
/// let encoding = Encoding { eos: Some(0), ..Encoding::new(Arc::new(bytes)) };
/// let sources = [Source::new(text.to_string_lossy())];
/// let cache = TokenCache::build(&sources, &encoding, &BuildOptions::new(&caches), |_| {})?;
/// assert_eq!((cache.len(), cache.stats().tokens, cache.sequence(1)?.tokens), (2, 9, vec![116, 119, 111, 33, 0]));
/// // from now on it is there at once
/// assert_eq!(TokenCache::open(cache.folder())?.stats(), cache.stats());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenCache {
    folder: PathBuf,
    index: Index,
    shards: Vec<Shard>,
    /// The number of the first sequence of each shard, and that behind the last.
    first: Vec<u64>,
    fingerprint: String,
}

impl TokenCache {
    /// The tokens of these sources: those that are on disk, or else made now, on all threads of the current rayon pool. What
    /// an ended process has left unfinished is gone on with. The outcome does not depend on the number of threads. `progress`
    /// is called several times a second.
    ///
    /// # Errors
    /// Sources that are not there, or change meanwhile; records that cannot be used, unless they are to be skipped; a folder
    /// that cannot be written; a cache that is damaged.
    pub fn build(
        sources: &[Source],
        encoding: &Encoding,
        options: &BuildOptions,
        progress: impl Fn(&BuildProgress) + Sync,
    ) -> Result<TokenCache> {
        build::build(sources, encoding, options, &progress)
    }

    /// The cache in this folder.
    ///
    /// # Errors
    /// A folder that holds none, or one that is not finished; damaged files.
    pub fn open(folder: &Path) -> Result<TokenCache> {
        let path = folder.join(INDEX);
        let text = read_file(&path, LARGEST_INDEX).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::source(
                folder.display(),
                "it holds no finished cache of tokens\n  help: make it from its sources; what is finished of it is kept",
            ),
            _ => Error::read(&path)(e),
        })?;
        let damaged = |reason: String| checked::damaged(&path, folder, reason);
        let index: Index = checked::parse_json(&text).map_err(damaged)?;
        if index.version != VERSION {
            return Err(damaged(format!("it has version {}, and this program reads {VERSION}", index.version)));
        }
        let shards: Result<Vec<Shard>> = index.shards.iter().map(|info| Shard::open(folder, info)).collect();
        let mut first = vec![0];
        for info in &index.shards {
            first.push(first[first.len() - 1] + info.sequences);
        }
        let shards = shards?;
        let checksums: Vec<u32> = shards.iter().map(Shard::checksum).collect();
        let fingerprint = key_name(&serde_json::json!([index.group, index.shards, checksums]));
        Ok(TokenCache { folder: folder.to_path_buf(), index, shards, first, fingerprint })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    /// A name that other tokens do not have. It does not depend on where sources or cache are.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
    /// What is known of its content.
    pub fn stats(&self) -> &CacheStats {
        &self.index.stats
    }
    /// How many sequences it has.
    pub fn len(&self) -> u64 {
        self.first[self.first.len() - 1]
    }
    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How many sequences a record has: two for preferences, one for everything else. Those of a record follow each other.
    pub fn group(&self) -> u64 {
        self.index.group
    }
    /// One more than the largest id of its tokenizer.
    pub fn vocab_size(&self) -> u64 {
        self.index.vocab_size
    }

    /// The shard with this sequence, and its number there.
    fn find(&self, sequence: u64) -> Result<(&Shard, usize)> {
        let shard = self.first.partition_point(|first| *first <= sequence) - 1;
        let none = || Error::Options(format!("there is no sequence {sequence}: the cache has {}", self.len()));
        let found = self.shards.get(shard).ok_or_else(none)?;
        Ok((found, (sequence - self.first[shard]) as usize))
    }

    /// How many tokens a sequence has.
    ///
    /// # Errors
    /// A number beyond the last; a damaged shard.
    pub fn length(&self, sequence: u64) -> Result<usize> {
        let (shard, i) = self.find(sequence)?;
        Ok(shard.range(i)?.len())
    }

    /// Gives each of these tokens of a sequence to `each`, with its index from 0.
    pub(crate) fn read(&self, sequence: u64, range: Range<usize>, each: impl FnMut(usize, u32)) -> Result<()> {
        let (shard, i) = self.find(sequence)?;
        let all = shard.range(i)?;
        if range.end > all.len() {
            return Err(Error::Options(format!(
                "sequence {sequence} has {} tokens, fewer than {}",
                all.len(),
                range.end
            )));
        }
        shard.read(all.start + range.start..all.start + range.end, each)
    }

    /// Which tokens of a sequence are learned, in order; `None`: all.
    pub(crate) fn learned(&self, sequence: u64) -> Result<Option<impl Iterator<Item = Range<u32>>>> {
        let (shard, i) = self.find(sequence)?;
        shard.learned(i)
    }

    /// A sequence.
    ///
    /// # Errors
    /// A number beyond the last; a damaged shard.
    pub fn sequence(&self, sequence: u64) -> Result<Sequence> {
        let mut tokens = Vec::with_capacity(self.length(sequence)?);
        self.read(sequence, 0..tokens.capacity(), |_, token| tokens.push(token))?;
        Ok(Sequence { tokens, learned: self.learned(sequence)?.map(Iterator::collect) })
    }

    /// How many sequences have the tokens of an earlier one. Reads everything, on all threads, and takes 16 bytes of memory
    /// per sequence.
    ///
    /// # Errors
    /// A damaged shard.
    pub fn duplicates(&self) -> Result<u64> {
        let hash = |sequence: u64| -> Result<u128> {
            let mut hash = Sha256::new();
            self.read(sequence, 0..self.length(sequence)?, |_, token| hash.update(token.to_le_bytes()))?;
            Ok(hash.finalize()[..16].iter().fold(0, |n, byte| n << 8 | u128::from(*byte)))
        };
        let all: Result<Vec<u128>> = (0..self.len()).into_par_iter().map(hash).collect();
        let mut all = all?;
        all.par_sort_unstable();
        Ok(all.windows(2).filter(|two| two[0] == two[1]).count() as u64)
    }
}
