//! Batches, prepared by threads while the last ones are trained on.

use crate::{Error, Mixture, Result, RowMut};
use serde::{Deserialize, Serialize};
use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// What becomes of the last examples of a mixture that ends, if they are too few for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Last {
    /// They are left out.
    #[default]
    Drop,
    /// The batch is filled with rows of padding, from which nothing is learned: for evaluation.
    Pad,
}

/// How batches are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Examples per batch, of all processes together.
    pub batch_size: usize,
    /// The number of this process, from 0. It reads its part of each batch: examples that follow each other.
    pub process_index: usize,
    /// How many processes there are. They divide `batch_size`.
    pub process_count: usize,
    /// How many threads prepare batches; with 0, each is prepared when it is asked for.
    pub threads: usize,
    /// How many batches are prepared at most before they are asked for.
    pub prefetch: usize,
    /// What becomes of the last examples.
    pub last: Last,
    /// The id that stands where no token is.
    pub pad_id: u32,
}

impl LoaderOptions {
    /// One process that reads so many examples per batch, and prepares four batches in two threads.
    pub fn new(batch_size: usize) -> LoaderOptions {
        LoaderOptions {
            batch_size,
            process_index: 0,
            process_count: 1,
            threads: 2,
            prefetch: 4,
            last: Last::Drop,
            pad_id: 0,
        }
    }
}

/// Rows for one step of training: this process's part of a batch. All are flat, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Rows of this process. For preferences each pair is two of them, the preferred one first.
    pub rows: usize,
    /// Inputs per row, and targets.
    pub length: usize,
    /// Token ids `[rows, length + 1]`: inputs are all but the last of each row, and targets all but the first.
    pub tokens: Vec<i32>,
    /// For each input `[rows, length]` the number of its segment, from 1; 0 for padding. Tokens attend to their own segment.
    pub segment_ids: Vec<i32>,
    /// For each input `[rows, length]` its position in its segment.
    pub positions: Vec<i32>,
    /// For each target `[rows, length]` whether it is learned: 1 or 0.
    pub loss_mask: Vec<f32>,
    /// For each row the number of its dataset in the mixture.
    pub components: Vec<u32>,
    /// Where the next batch begins: what to save with the model that has been trained on this one.
    pub next: Position,
}

impl Batch {
    /// The dimensions of [`Batch::tokens`].
    pub fn token_dims(&self) -> [usize; 2] {
        [self.rows, self.length + 1]
    }
    /// The dimensions of the rest.
    pub fn dims(&self) -> [usize; 2] {
        [self.rows, self.length]
    }
    /// How many targets are learned.
    pub fn targets(&self) -> usize {
        self.loss_mask.iter().filter(|mask| **mask != 0.0).count()
    }
}

/// A place between two batches, to be saved in a checkpoint. It is the same for all processes, and holds whatever their
/// number and the batch size are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// How many examples have been read.
    pub examples: u64,
    /// The name of the mixture: [`Mixture::fingerprint`].
    pub data: String,
}

/// Reads a mixture in batches.
///
/// What is in a batch depends on the mixture and the place alone, so that a run which is resumed reads what it would have
/// read.
///
/// ```
/// use raxla_data::*;
/// use std::sync::Arc;
/// # let place = tempfile::tempdir()?;
/// # let text = place.path().join("text.txt");
/// # std::fs::write(&text, "abcdefghijklmnopqrstuvwxyz")?;
/// # let bytes = TokenizerFn::new("bytes", 256, |text: &str| Ok(text.bytes().map(u32::from).collect()));
/// # let encoding = Encoding::new(Arc::new(bytes));
/// # let sources = [Source::new(text.to_string_lossy())];
/// let cache = Arc::new(TokenCache::build(&sources, &encoding, &BuildOptions::new(place.path()), |_| {})?);
/// let dataset = Arc::new(Dataset::new(cache, &DatasetOptions::new(5))?);
/// let mixture = Mixture::of(dataset, MixtureOptions { seed: 1, ..Default::default() })?;
/// let mut loader = Loader::new(mixture.clone(), LoaderOptions::new(2))?;
/// let batches: Vec<Batch> = loader.by_ref().take(3).collect::<Result<_>>()?;
/// assert_eq!(batches[0].token_dims(), [2, 6]);
///
/// // another day
/// let saved = serde_json::to_string(&batches[1].next)?;
/// let mut loader = Loader::new(mixture, LoaderOptions::new(2))?;
/// loader.seek(&serde_json::from_str(&saved)?)?;
/// assert_eq!(loader.next().transpose()?.as_ref(), Some(&batches[2]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Loader {
    shared: Arc<Shared>,
    /// Where the next batch begins.
    examples: u64,
    started: bool,
    /// An error has been given: nothing follows it.
    failed: bool,
}

struct Shared {
    mixture: Mixture,
    fingerprint: String,
    options: LoaderOptions,
    /// Examples of the mixture.
    len: Option<u64>,
    state: Mutex<State>,
    /// A batch may be begun, or there is nothing more to do.
    work: Condvar,
    /// A batch is ready.
    ready: Condvar,
}

#[derive(Default)]
struct State {
    /// How often the place was changed. What was begun before is thrown away.
    generation: u64,
    /// Where the next batch that a thread begins starts, in examples.
    begin: u64,
    /// Where the next batch that is asked for starts.
    wanted: u64,
    /// Batches by where they start.
    done: BTreeMap<u64, Result<Batch>>,
    closed: bool,
}

impl Loader {
    /// Reads from the first example on.
    ///
    /// # Errors
    /// A batch size that the processes do not divide, and other numbers that make no sense.
    pub fn new(mixture: Mixture, options: LoaderOptions) -> Result<Loader> {
        let LoaderOptions { batch_size, process_index, process_count, threads, prefetch, pad_id, .. } = options;
        if batch_size == 0 || process_count == 0 || process_index >= process_count || batch_size % process_count != 0 {
            return Err(Error::Options(format!(
                "a batch of {batch_size} examples cannot be divided for process {process_index} of {process_count}\n  help: choose \
                 a batch size that is a multiple of the number of processes, which count from 0"
            )));
        }
        if threads > 0 && prefetch == 0 {
            return Err(Error::Options(
                "threads cannot prepare 0 batches\n  help: say `prefetch` of at least 1".into(),
            ));
        }
        if i32::try_from(pad_id).is_err() {
            return Err(Error::Options(format!("{pad_id} is no token id: the largest is 2^31 - 1")));
        }
        let shared = Shared {
            fingerprint: mixture.fingerprint(),
            len: mixture.len(),
            mixture,
            options,
            state: Mutex::default(),
            work: Condvar::new(),
            ready: Condvar::new(),
        };
        Ok(Loader { shared: Arc::new(shared), examples: 0, started: false, failed: false })
    }

    /// What is read.
    pub fn mixture(&self) -> &Mixture {
        &self.shared.mixture
    }
    /// How many batches there are from the first example on; `None` if the mixture never ends.
    pub fn batches(&self) -> Option<u64> {
        self.shared.len.map(|len| self.shared.batches(len))
    }
    /// Where the next batch begins.
    pub fn position(&self) -> Position {
        self.shared.position(self.examples)
    }
    /// How often each dataset has been seen, with its name.
    pub fn epochs(&self) -> Vec<(String, f64)> {
        let mixture = &self.shared.mixture;
        let counts = mixture.counts(self.examples).into_iter();
        let epochs = mixture.components().iter().zip(counts);
        epochs.map(|(c, count)| (c.name.clone(), count as f64 / c.dataset.len() as f64)).collect()
    }

    /// Goes to a place: the next batch begins there. Takes no longer for a place that is further away.
    ///
    /// # Errors
    /// A place in other data.
    pub fn seek(&mut self, position: &Position) -> Result<()> {
        if position.data != self.shared.fingerprint {
            return Err(Error::Position(format!(
                "it is one of other data ({}, and these are {}): sources, tokenizer, rows, weights or seed have changed\n  help: take \
                 the configuration that it was saved with, or begin with the first batch",
                position.data, self.shared.fingerprint
            )));
        }
        if position.examples >= 1 << 62 {
            return Err(Error::Position(format!("no run has read {} examples", position.examples)));
        }
        (self.examples, self.failed) = (position.examples, false);
        let mut state = self.shared.lock();
        state.generation += 1;
        (state.begin, state.wanted) = (self.examples, self.examples);
        state.done.clear();
        drop(state);
        self.shared.work.notify_all();
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        for i in 0..self.shared.options.threads {
            let shared = self.shared.clone();
            let thread = thread::Builder::new().name(format!("data loader {i}")).spawn(move || shared.work());
            thread.map_err(|e| Error::Worker(format!("no thread can be started: {e}")))?;
        }
        self.started = true;
        Ok(())
    }

    fn prepared(&mut self) -> Result<Batch> {
        if self.shared.options.threads == 0 {
            return self.shared.guarded(self.examples);
        }
        if !self.started {
            self.start()?;
        }
        let mut state = self.shared.lock();
        loop {
            if let Some(batch) = state.done.remove(&self.examples) {
                state.wanted = self.examples + self.shared.options.batch_size as u64;
                self.shared.work.notify_all();
                return batch;
            }
            state = self.shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    /// The next batch. After an error nothing follows.
    fn next(&mut self) -> Option<Result<Batch>> {
        if self.failed || !self.shared.is_batch(self.examples) {
            return None;
        }
        let batch = self.prepared();
        match &batch {
            Ok(batch) => self.examples = batch.next.examples,
            Err(_) => self.failed = true,
        }
        Some(batch)
    }
}

impl Drop for Loader {
    /// The threads end by themselves, when they have prepared what they are about to.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self, examples: u64) -> Position {
        Position { examples, data: self.fingerprint.clone() }
    }

    /// How many batches so many examples make.
    fn batches(&self, examples: u64) -> u64 {
        let size = self.options.batch_size as u64;
        match self.options.last {
            Last::Drop => examples / size,
            Last::Pad => examples.div_ceil(size),
        }
    }

    /// Whether a batch begins at this example.
    fn is_batch(&self, begin: u64) -> bool {
        self.len.is_none_or(|len| self.batches(len.saturating_sub(begin)) > 0)
    }

    /// What a thread does.
    fn work(&self) {
        let size = self.options.batch_size as u64;
        let mut state = self.lock();
        while !state.closed {
            let begin = state.begin;
            let far = begin >= state.wanted + size * self.options.prefetch as u64;
            if far || !self.is_batch(begin) {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.begin += size;
            let generation = state.generation;
            drop(state);
            let batch = self.guarded(begin);
            state = self.lock();
            if state.generation == generation {
                state.done.insert(begin, batch);
                self.ready.notify_all();
            }
        }
    }

    fn guarded(&self, begin: u64) -> Result<Batch> {
        let said = |panic: Box<dyn Any + Send>| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default()
        };
        catch_unwind(AssertUnwindSafe(|| self.batch(begin))).unwrap_or_else(|panic| Err(Error::Worker(said(panic))))
    }

    /// This process's part of the batch that begins at this example.
    fn batch(&self, begin: u64) -> Result<Batch> {
        let LoaderOptions { batch_size, process_index, process_count, pad_id, .. } = self.options;
        let first = &self.mixture.components()[0].dataset;
        let (length, group) = (first.options().length, first.group());
        let examples = batch_size / process_count;
        let rows = examples * group as usize;
        let mut batch = Batch {
            rows,
            length,
            tokens: vec![pad_id as i32; rows * (length + 1)],
            segment_ids: vec![0; rows * length],
            positions: vec![0; rows * length],
            loss_mask: vec![0.0; rows * length],
            components: vec![0; rows],
            next: self.position(begin + batch_size as u64),
        };
        let own = begin + (examples * process_index) as u64;
        for i in 0..examples as u64 {
            if self.len.is_some_and(|len| own + i >= len) {
                break;
            }
            let example = self.mixture.example(own + i);
            let dataset = &self.mixture.components()[example.component].dataset;
            for j in 0..group {
                let row = (i * group + j) as usize;
                let (short, long) = (row * length..(row + 1) * length, row * (length + 1)..(row + 1) * (length + 1));
                batch.components[row] = example.component as u32;
                let out = RowMut {
                    tokens: &mut batch.tokens[long],
                    segment_ids: &mut batch.segment_ids[short.clone()],
                    positions: &mut batch.positions[short.clone()],
                    loss_mask: &mut batch.loss_mask[short],
                };
                dataset.fill(example.index * group + j, out)?;
            }
        }
        Ok(batch)
    }
}
