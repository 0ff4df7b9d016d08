//! What processes wait for together, and small data that they exchange through the store.
use super::{
    DistributedError, Member, Problem, Processes,
    member::{escaped, unreachable},
    processes,
    store::poll,
};
use crate::{
    array::{Array, copy_overlap},
    aval::Aval,
    error::{Error, Result},
    runtime,
    tree::Tree,
};
use raxla_xla::Code;
use std::{
    collections::BTreeSet,
    ops::Range,
    sync::PoisonError,
    time::{Duration, Instant},
};

/// The largest value that is put into the store at once: etcd takes 1.5 MB.
const PIECE: usize = 1 << 20;

impl Processes {
    /// Waits until all processes have come to this one. A name may be used again; all must come to the same one.
    ///
    /// # Errors
    /// [`Error::Distributed`]: some do not come in time, with who and where they are; one is lost, or the store is.
    pub fn barrier(&self, name: &str, timeout: Duration) -> Result<()> {
        self.meet(name, b"", timeout, |_| false).map(drop)
    }

    /// Gives a value to all processes, and takes those of all, in their order. Each passes through the store: it is for data of
    /// some megabytes.
    ///
    /// # Errors
    /// As [`Processes::barrier`].
    pub fn exchange(&self, name: &str, value: &[u8], timeout: Duration) -> Result<Vec<Vec<u8>>> {
        self.meet(name, value, timeout, |_| true)
    }

    /// As [`Processes::exchange`], with the values of those that are wanted alone.
    fn meet(
        &self,
        name: &str,
        value: &[u8],
        timeout: Duration,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Vec<u8>>> {
        self.check()?;
        let number = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(name.to_string()).or_default();
            *count += 1;
            *count
        };
        let place = |number: u64| format!("{}sync/{}/{number:08}/", self.root, escaped(name));
        let (base, start) = (place(number), Instant::now());
        let until = start + timeout;
        let ask = |ask: &mut dyn FnMut() -> raxla_xla::Result<Option<()>>| self.ask(until, ask);
        // the first piece comes last: who sees it sees all
        let pieces: Vec<&[u8]> = if value.is_empty() { vec![b""] } else { value.chunks(PIECE).collect() };
        for (i, piece) in pieces.iter().enumerate().rev() {
            let key = format!("{base}{:05}/{i:05}", self.index());
            let text = if i == 0 { [format!("{}\n", pieces.len()).as_bytes(), piece].concat() } else { piece.to_vec() };
            ask(&mut || self.store.put(&key, &text, self.words).map(Some))?;
        }
        let mut come = BTreeSet::new();
        let all = ask(&mut || {
            let keys = self.store.keys(&base)?;
            let first = |key: &String| key.strip_prefix(&base)?.strip_suffix("/00000")?.parse::<usize>().ok();
            come = keys.iter().filter_map(first).collect();
            // (who has left does not come any more)
            let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|i| !come.contains(i));
            Ok((left || come.len() >= self.count()).then_some(()))
        })?;
        if all.is_none() || come.len() < self.count() {
            return Err(self.late(name, start, timeout, &come));
        }
        let mut values = vec![vec![]; self.count()];
        for (i, value) in values.iter_mut().enumerate().filter(|(i, _)| wanted(*i)) {
            ask(&mut || {
                *value = self.read(&format!("{base}{i:05}/"))?;
                Ok(Some(()))
            })?;
        }
        // all have come here, so nobody still reads what was given the time before
        if number > 1 {
            let old = format!("{}{:05}/", place(number - 1), self.index());
            ask(&mut || self.store.delete(&old).map(Some))?;
        }
        Ok(values)
    }

    /// Asks the store until there is an answer; `None` when the time is over.
    fn ask<T>(&self, until: Instant, mut ask: impl FnMut() -> raxla_xla::Result<Option<T>>) -> Result<Option<T>> {
        let start = Instant::now();
        poll(until, self.heartbeat_timeout, || {
            // (whoever is lost does not come)
            if self.check().is_err() { Err(raxla_xla::Error::new(Code::Aborted, "")) } else { ask() }
        })
        .map_err(|e| self.check().err().unwrap_or_else(|| unreachable(&*self.store, &e, start.elapsed()).into()))
    }

    /// Leaves a value under this name for all processes to see from then on ([`Processes::said`]), unless one of them has done so; does
    /// not wait for the others.
    ///
    /// # Errors
    /// [`Error::Distributed`]: one is lost, or the store is.
    pub fn say_once(&self, name: &str, value: &[u8]) -> Result<()> {
        let key = format!("{}said/{}", self.root, escaped(name));
        let say = || self.store.create(&key, value, self.words).map(Some);
        self.ask(Instant::now() + self.timeout, say).map(drop)
    }
    /// What one of the processes has left under this name.
    ///
    /// # Errors
    /// As [`Processes::say_once`].
    pub fn said(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let key = format!("{}said/{}", self.root, escaped(name));
        Ok(self.ask(Instant::now() + self.timeout, || self.store.get(&key).map(Some))?.flatten())
    }

    /// The value whose pieces have these keys.
    fn read(&self, base: &str) -> raxla_xla::Result<Vec<u8>> {
        let broken = || raxla_xla::Error::new(Code::DataLoss, format!("`{base}` has lost a piece of its value"));
        let piece = |i: usize| self.store.get(&format!("{base}{i:05}"))?.ok_or_else(broken);
        let first = piece(0)?;
        let end = first.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
        let count: usize = std::str::from_utf8(&first[..end]).ok().and_then(|n| n.parse().ok()).ok_or_else(broken)?;
        let mut value = first[end + 1..].to_vec();
        for i in 1..count {
            value.extend(piece(i)?);
        }
        Ok(value)
    }

    /// The report of who has not come, and where they are.
    fn late(&self, name: &str, start: Instant, timeout: Duration, come: &BTreeSet<usize>) -> Error {
        const MOST: usize = 16;
        let absent: Vec<usize> = (0..self.count()).filter(|i| !come.contains(i)).collect();
        let alive = self.store.keys(&format!("{}process/", self.root)).unwrap_or_default();
        let waits = self.store.keys(&format!("{}sync/", self.root)).unwrap_or_default();
        let describe = |i: &usize| {
            let own = format!("/{i:05}/00000");
            // (a value that is older stays until the next exchange of its name)
            let at: BTreeSet<String> = waits.iter().filter_map(|key| self.waits_at(key, &own, &waits)).collect();
            let state = match alive.iter().any(|key| key.ends_with(&format!("/{i:05}"))) {
                false => "has left".to_string(),
                true if at.is_empty() => "is alive, and elsewhere in its program".into(),
                true => format!("waits at {}", at.into_iter().collect::<Vec<_>>().join(", ")),
            };
            format!("{} {state}", self.named(*i))
        };
        let mut names: Vec<String> = absent.iter().take(MOST).map(describe).collect();
        if absent.len() > MOST {
            names.push(format!("{} more", absent.len() - MOST));
        }
        let what = format!(
            "{} of {} processes have not come to `{name}` within {:.0?}: {}",
            absent.len(),
            self.count(),
            start.elapsed().min(timeout),
            names.join("; ")
        );
        let help =
            "all processes must run the same program, and come to the same exchanges in the same order; or wait longer";
        DistributedError::error(Problem::Missing, what, help)
    }

    /// The name of the exchange where the process with this key waits, if this key is its and not all have come.
    fn waits_at(&self, key: &str, own: &str, all: &[String]) -> Option<String> {
        let base = key.strip_suffix(own)?;
        let come = all.iter().filter(|other| other.starts_with(base) && other.ends_with("/00000")).count();
        let name = base.strip_prefix(&format!("{}sync/", self.root))?.rsplit_once('/')?.0;
        (come < self.count()).then(|| format!("`{}`", name.replace("%2F", "/").replace("%25", "%")))
    }
}

/// Waits until all processes have come here; does nothing where there is one. JAX: `multihost_utils.sync_global_devices`.
///
/// # Errors
/// [`Error::Distributed`]: as [`Processes::barrier`], within [`Options::shutdown_timeout`](super::Options::shutdown_timeout).
pub fn sync_global_devices(name: &str) -> Result<()> {
    processes().map_or(Ok(()), |p| p.barrier(name, p.timeout))
}

/// An array on the host, as it travels: its type, a line end, its elements.
fn packed(array: &Array) -> Result<Vec<u8>> {
    let aval = array.aval();
    let mut text = format!("{}{:?}\n", aval.dtype.name(), aval.dims.as_slice()).into_bytes();
    text.extend(array.to_bytes()?);
    Ok(text)
}

/// The elements of an array of this type.
fn unpacked<'a>(bytes: &'a [u8], like: &Aval, from: usize, path: &str, who: &[Member]) -> Result<&'a [u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (have, want) =
        (String::from_utf8_lossy(&bytes[..end]), format!("{}{:?}", like.dtype.name(), like.dims.as_slice()));
    if have != want {
        let what = format!("`{path}` is {want} here, but {have} in process {from} ({})", who[from]);
        return Err(DistributedError::error(Problem::Mismatch, what, "give arrays of one type in all processes"));
    }
    Ok(&bytes[(end + 1).min(bytes.len())..])
}

/// The arrays of one process in all processes: those of process 0, or of the one that says that it is the source. Arrays must have the same
/// types everywhere, and come back on the first device of the default client. JAX: `multihost_utils.broadcast_one_to_all`.
///
/// # Errors
/// [`Error::Distributed`]: as [`Processes::barrier`]; other types in another process; no source, or two.
pub fn broadcast_one_to_all<M: Tree<Array, With<Array> = M>>(tree: &M, is_source: Option<bool>) -> Result<M> {
    let Some(all) = processes() else { return tree.try_map_named(|_, array| Ok(array.clone())) };
    let is_source = is_source.unwrap_or(all.index() == 0);
    let sources = all.exchange("broadcast_one_to_all", &[u8::from(is_source)], all.timeout)?;
    let sources: Vec<usize> = (0..all.count()).filter(|i| sources[*i] == [1]).collect();
    let [source] = sources[..] else {
        let what = format!("{} processes say that they are the source of a broadcast: {sources:?}", sources.len());
        return Err(DistributedError::error(Problem::Mismatch, what, "say `is_source` in one process alone"));
    };
    tree.try_map_named(|path, array| {
        let aval = array.aval();
        let own = if is_source { packed(array)? } else { vec![] };
        let name = format!("broadcast_one_to_all {path}");
        let values = all.meet(&name, &own, all.timeout, |i| i == source)?;
        let bytes = unpacked(&values[source], aval, source, &path.to_string(), all.members())?;
        Array::from_bytes(&runtime::client()?, aval.clone(), bytes)
    })
}

/// The arrays of all processes in each: stacked along a new first axis, in the order of the processes, or if `tiled` joined along their first
/// axis. Of an array that is divided over devices of several processes, which must be `tiled`, the whole. They come back on the first device
/// of the default client. They pass through the store: this is for data of some megabytes. JAX: `multihost_utils.process_allgather`.
///
/// # Errors
/// [`Error::Distributed`]: as [`Processes::barrier`]; arrays that have other types in other processes, or that cannot be joined.
pub fn process_allgather<M: Tree<Array, With<Array> = M>>(tree: &M, tiled: bool) -> Result<M> {
    tree.try_map_named(|path, array| match array.is_fully_addressable() {
        true => gathered(&path.to_string(), array, tiled),
        false if tiled => whole(&path.to_string(), array),
        false => {
            let what = format!(
                "`{path}` ({}) is divided over devices of several processes, and cannot be stacked",
                array.aval()
            );
            Err(DistributedError::error(Problem::Mismatch, what, "gather it with `tiled`"))
        }
    })
}

fn gathered(path: &str, array: &Array, tiled: bool) -> Result<Array> {
    let (aval, client) = (array.aval(), runtime::client()?);
    let values = match processes() {
        Some(all) => {
            let values = all.exchange(&format!("process_allgather {path}"), &packed(array)?, all.timeout)?;
            let own = |(i, value): (usize, &Vec<u8>)| Ok(unpacked(value, aval, i, path, all.members())?.to_vec());
            values.iter().enumerate().map(own).collect::<Result<Vec<_>>>()?
        }
        None => vec![array.to_bytes()?],
    };
    let mut dims = aval.dims.to_vec();
    match dims.first_mut() {
        Some(first) if tiled => *first *= values.len(),
        _ => dims.insert(0, values.len()),
    }
    Array::from_bytes(&client, aval.with_dims(dims), &values.concat())
}

/// An array over devices of several processes, put together from the parts of each.
fn whole(path: &str, array: &Array) -> Result<Array> {
    let all = processes().ok_or_else(|| {
        let what = format!("`{path}` has parts in other processes, of which this one knows nothing");
        DistributedError::error(Problem::Options, what, "join them first: `distributed::initialize`")
    })?;
    let aval = array.aval();
    // each part once: a number of ranges, and what is in it
    let mut own = vec![];
    for shard in array.addressable_shards().into_iter().filter(|shard| shard.first) {
        let ends = shard.index.iter().flat_map(|range| [range.start as u64, range.end as u64]);
        own.extend(ends.flat_map(u64::to_le_bytes));
        own.extend(shard.data.to_bytes()?);
    }
    let values = all.exchange(&format!("process_allgather {path}"), &own, all.timeout)?;
    let full: Vec<Range<usize>> = aval.dims.iter().map(|n| 0..*n).collect();
    let (mut bytes, mut filled) = (vec![0; aval.bytes()], BTreeSet::new());
    let broken = |i: usize| {
        let what = format!("the parts of `{path}` ({aval}) in process {i} cannot be read");
        DistributedError::error(Problem::Mismatch, what, "give the same array in all processes")
    };
    for (i, mut value) in values.iter().map(Vec::as_slice).enumerate() {
        while !value.is_empty() {
            let (head, rest) = value.split_at_checked(16 * aval.rank()).ok_or_else(|| broken(i))?;
            let ends: Vec<usize> =
                head.chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().expect("8 bytes")) as usize).collect();
            let index: Vec<Range<usize>> = ends.chunks_exact(2).map(|e| e[0]..e[1]).collect();
            if index.iter().zip(&full).any(|(part, whole)| part.start > part.end || part.end > whole.end) {
                return Err(broken(i));
            }
            let part = aval.dtype.bytes_for(index.iter().map(Range::len).product());
            let (part, rest) = rest.split_at_checked(part).ok_or_else(|| broken(i))?;
            copy_overlap((part, &index), (&mut bytes, &full), aval.dtype);
            filled.insert(ends);
            value = rest;
        }
    }
    let have: usize = filled.iter().map(|e| e.chunks_exact(2).map(|e| e[1] - e[0]).product::<usize>()).sum();
    if have != aval.size() {
        return Err(broken(all.index()));
    }
    Array::from_bytes(&runtime::client()?, aval.clone(), &bytes)
}

/// Are these arrays the same, bit for bit, in all processes? JAX: `multihost_utils.assert_equal`.
///
/// # Errors
/// [`Problem::Mismatch`]: another process has other elements or types, with `message`, the leaf and the process. As [`Processes::barrier`].
pub fn assert_equal<M: Tree<Array>>(tree: &M, message: &str) -> Result<()> {
    let Some(all) = processes() else { return Ok(()) };
    let (mut leaves, mut failed) = (vec![], None);
    tree.visit(|path, array| match packed(array) {
        Ok(bytes) => leaves.push((path.to_string(), bytes)),
        Err(e) => failed = Some(e),
    });
    failed.map_or(Ok(()), Err)?;
    // (of each leaf a fingerprint, so that any size is compared)
    let print = |(path, bytes): &(String, Vec<u8>)| {
        use sha2::Digest;
        format!("{path}\t{:x}\n", sha2::Sha256::digest(bytes))
    };
    let own: String = leaves.iter().map(print).collect();
    let values = all.exchange("assert_equal", own.as_bytes(), all.timeout)?;
    let other = values.iter().enumerate().find(|(_, value)| **value != own.as_bytes());
    let Some((i, value)) = other else { return Ok(()) };
    let theirs = String::from_utf8_lossy(value);
    let differs = own.lines().zip(theirs.lines()).find(|(a, b)| a != b);
    let leaf = differs
        .map_or("the number of leaves".into(), |(a, _)| format!("`{}`", a.split('\t').next().unwrap_or_default()));
    let what = format!("{message}: {leaf} in process {i} ({}) is not as in process {}", all.members()[i], all.index());
    Err(DistributedError::error(Problem::Mismatch, what, "compute it from the same data and keys in all processes"))
}
