//! Making a cache. The sources are read in order, in chunks that do not depend on the number of threads; chunks are tokenised
//! in parallel and written in order. A shard ends where a chunk does, so that the work can go on there after the process was
//! ended, and comes to the same bytes.

use super::CacheStats;
use super::{
    INDEX, Identity, Index, TokenCache, VERSION,
    key::{key, name},
    shard::{Shard, ShardInfo, ShardWriter},
};
use crate::{
    Encoding, Error, Result, Source,
    chat::Sequence,
    checked::{parse_json, save_json},
    sources::{BadRecord, Cursor, OnBad, Raw, Reader, SourceFile, files, group},
};
use raxla_xla::read_file;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const PROGRESS: &str = "progress.json";
const LOCK: &str = "lock";
/// A chunk ends at the first record with which it has so many bytes, or records.
const CHUNK_BYTES: usize = 128 << 10;
const CHUNK_RECORDS: usize = 512;
/// So many bytes of records are in memory at a time, and those of one record more; their tokens beside them.
const ROUND_BYTES: usize = 64 << 20;
/// A shard has no more sequences than this and those of a chunk.
const SHARD_SEQUENCES: u64 = 1 << 22;
const REPORT: Duration = Duration::from_millis(200);

/// Where and how tokens are kept.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The folder that caches are in. Each is a folder of its own there.
    pub folder: PathBuf,
    /// What becomes of records that cannot be used.
    pub on_bad: OnBad,
    /// The longest record, in bytes of its line or file. At most 1 GiB.
    pub max_record_bytes: usize,
    /// By what source files are known to be the same.
    pub identity: Identity,
    /// How many tokens a shard has, about. Work that is interrupted goes on behind the last finished shard.
    pub shard_tokens: u64,
}

impl BuildOptions {
    /// Caches in this folder: no bad records, records of at most 64 MiB, shards of 32 million tokens.
    pub fn new(folder: impl Into<PathBuf>) -> BuildOptions {
        BuildOptions {
            folder: folder.into(),
            on_bad: OnBad::default(),
            max_record_bytes: 64 << 20,
            identity: Identity::default(),
            shard_tokens: 32 << 20,
        }
    }
}

/// How far the work has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildProgress {
    /// Bytes of the sources that have been read, as they are on disk.
    pub bytes_read: u64,
    /// Bytes of all sources.
    pub bytes_total: u64,
    /// Records that have been tokenised.
    pub records: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Records that could not be used.
    pub bad: u64,
}

/// Records that are tokenised together.
struct Chunk {
    records: Vec<Raw>,
    /// Where the next chunk begins.
    end: Cursor,
}

/// The outcome for each record: nothing for an empty line.
type Outcome = std::result::Result<Option<Vec<Sequence>>, BadRecord>;

/// What is finished.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Finished {
    shards: Vec<ShardInfo>,
    cursor: Cursor,
    stats: CacheStats,
}

pub(super) fn build(
    sources: &[Source],
    encoding: &Encoding,
    options: &BuildOptions,
    progress: &(impl Fn(&BuildProgress) + Sync),
) -> Result<TokenCache> {
    encoding.check(sources)?;
    if options.max_record_bytes == 0 || options.max_record_bytes > 1 << 30 || options.shard_tokens == 0 {
        let reason = "`max_record_bytes` is to be from 1 to 2^30, and `shard_tokens` not 0";
        return Err(Error::Options(format!(
            "{reason}: they are {} and {}",
            options.max_record_bytes, options.shard_tokens
        )));
    }
    let files = files(sources)?;
    let folder = options.folder.join(name(&key(sources, &files, encoding, options)?));
    if folder.join(INDEX).exists() {
        return TokenCache::open(&folder);
    }
    fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
    let lock = folder.join(LOCK);
    let lock = File::options().create(true).append(true).open(&lock).map_err(Error::write(&lock))?;
    // Where locks do not work, two processes do the same work to the same end.
    let _ = lock.lock();
    if !folder.join(INDEX).exists() {
        let vocab_size = encoding.tokenizer.vocab_size();
        let work = Work { sources, files: &files, encoding, vocab_size, options, folder: &folder, progress };
        work.run()?;
    }
    TokenCache::open(&folder)
}

struct Work<'a, P> {
    sources: &'a [Source],
    files: &'a [SourceFile],
    encoding: &'a Encoding,
    /// Some tokenizers count for it.
    vocab_size: usize,
    options: &'a BuildOptions,
    folder: &'a Path,
    progress: &'a P,
}

impl<P: Fn(&BuildProgress) + Sync> Work<'_, P> {
    fn run(&self) -> Result<()> {
        let mut finished = self.finished();
        let mut reader = Reader::new(self.sources, self.files, self.options.max_record_bytes, finished.cursor);
        let mut shard = None;
        let mut reported = Instant::now();
        let mut round = read_round(&mut reader)?;
        while !round.is_empty() {
            let (outcomes, next) = rayon::join(|| self.encode(round), || read_round(&mut reader));
            for (outcomes, end) in outcomes {
                self.add(outcomes, end, &mut shard, &mut finished)?;
            }
            round = next?;
            if reported.elapsed() > REPORT || round.is_empty() {
                reported = Instant::now();
                self.report(&reader, &finished);
            }
        }
        self.finish_shard(shard, &mut finished)?;
        self.files.iter().try_for_each(SourceFile::check_unchanged)?;
        let index = Index {
            version: VERSION,
            group: group(self.sources)?,
            vocab_size: self.vocab_size as u64,
            shards: finished.shards,
            stats: finished.stats,
        };
        let path = self.folder.join(INDEX);
        save_json(&path, &index).map_err(Error::write(path))?;
        let _ = fs::remove_file(self.folder.join(PROGRESS));
        Ok(())
    }

    /// What an ended process has finished, if all of it can be read.
    fn finished(&self) -> Finished {
        let read = || -> Option<Finished> {
            let text = read_file(&self.folder.join(PROGRESS), super::LARGEST_INDEX).ok()?;
            let finished: Finished = parse_json(&text).ok()?;
            finished.shards.iter().all(|info| Shard::open(self.folder, info).is_ok()).then_some(finished)
        };
        read().unwrap_or_default()
    }

    fn report(&self, reader: &Reader, finished: &Finished) {
        let CacheStats { records, tokens, ref bad, .. } = finished.stats;
        let bytes_total = self.files.iter().map(|file| file.stamp.bytes).sum();
        let bytes_read = reader.bytes_read().min(bytes_total);
        (self.progress)(&BuildProgress { bytes_read, bytes_total, records, tokens, bad: bad.total() });
    }

    /// The tokens of each chunk's records, and where the chunk ends.
    fn encode(&self, round: Vec<Chunk>) -> Vec<(Vec<Outcome>, Cursor)> {
        let one = |raw: Raw| -> Outcome {
            let (file, line) = (&self.files[raw.file], raw.line);
            let fields = &self.sources[file.source].fields;
            let record = raw.parse(file.format, fields);
            let encoded = record.and_then(|record| record.map(|record| self.encoding.encode(&record)).transpose());
            let named = |(kind, reason)| BadRecord { file: file.path.display().to_string(), line, kind, reason };
            encoded.map_err(named)
        };
        let chunk = |chunk: Chunk| (chunk.records.into_iter().map(one).collect(), chunk.end);
        round.into_par_iter().map(chunk).collect()
    }

    /// Adds the outcomes of a chunk to the shard, which may be full then.
    fn add(
        &self,
        outcomes: Vec<Outcome>,
        end: Cursor,
        shard: &mut Option<ShardWriter>,
        finished: &mut Finished,
    ) -> Result<()> {
        for outcome in outcomes {
            match outcome {
                Ok(None) => {}
                Ok(Some(sequences)) if sequences.iter().any(|s| s.tokens.is_empty()) => finished.stats.empty += 1,
                Ok(Some(sequences)) => {
                    finished.stats.records += 1;
                    for sequence in &sequences {
                        self.add_sequence(sequence, shard, finished)?;
                    }
                }
                Err(bad) if self.options.on_bad == OnBad::Refuse => return Err(Error::Record(bad)),
                Err(bad) => finished.stats.bad.add(bad),
            }
        }
        finished.cursor = end;
        let full =
            |s: &ShardWriter| s.info().tokens >= self.options.shard_tokens || s.info().sequences >= SHARD_SEQUENCES;
        if shard.as_ref().is_some_and(full) {
            self.finish_shard(shard.take(), finished)?;
            let path = self.folder.join(PROGRESS);
            save_json(&path, finished).map_err(Error::write(path))?;
        }
        Ok(())
    }

    fn add_sequence(
        &self,
        sequence: &Sequence,
        shard: &mut Option<ShardWriter>,
        finished: &mut Finished,
    ) -> Result<()> {
        let vocab_size = self.vocab_size;
        if let Some(id) = sequence.tokens.iter().find(|id| **id as usize >= vocab_size) {
            return Err(Error::Tokenizer {
                fingerprint: self.encoding.tokenizer.fingerprint(),
                reason: format!("it gives the token {id}, which is not in its vocabulary of {vocab_size}"),
            });
        }
        let writer = match shard {
            Some(writer) => writer,
            None => {
                let name = format!("tokens-{:05}.shard", finished.shards.len());
                let width = if vocab_size <= 1 << 16 { 2 } else { 4 };
                shard.insert(ShardWriter::new(self.folder, name, width)?)
            }
        };
        writer.add(sequence)?;
        let (stats, tokens) = (&mut finished.stats, sequence.tokens.len() as u64);
        stats.sequences += 1;
        stats.tokens += tokens;
        stats.longest = stats.longest.max(tokens);
        let spans = sequence.learned.as_ref();
        stats.learned += spans.map_or(tokens, |spans| spans.iter().map(|span| span.len() as u64).sum());
        Ok(())
    }

    fn finish_shard(&self, shard: Option<ShardWriter>, finished: &mut Finished) -> Result<()> {
        if let Some(shard) = shard {
            finished.shards.push(shard.finish()?);
        }
        Ok(())
    }
}

/// The next chunks; none at the end of the last file.
fn read_round(reader: &mut Reader) -> Result<Vec<Chunk>> {
    let (mut round, mut bytes) = (vec![], 0);
    while round.len() < 8 * rayon::current_num_threads() && bytes < ROUND_BYTES {
        let (mut records, mut size) = (vec![], 0);
        while size < CHUNK_BYTES && records.len() < CHUNK_RECORDS {
            let Some(record) = reader.next()? else { break };
            size += record.size();
            records.push(record);
        }
        if records.is_empty() {
            break;
        }
        bytes += size;
        round.push(Chunk { records, end: reader.cursor() });
    }
    Ok(round)
}
