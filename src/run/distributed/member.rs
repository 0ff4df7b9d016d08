//! Who is there: joining, signs of life, and leaving.
use super::{
    CURRENT, DistributedError, LOST, OnLoss, Options, Place, Problem,
    store::{ForPlugins, Lease, Store, poll},
};
use crate::error::{Error, Result};
use raxla_xla::{Code, KeyValueStore};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    fmt, fs,
    io::Write,
    process,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// What a process says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its host's name.
    pub host: String,
    /// Its number on the host.
    pub pid: u32,
}
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "pid {} on {}", self.pid, self.host)
    }
}
impl Member {
    fn this() -> Member {
        let named = |path: &str| fs::read_to_string(path).ok().map(|name| name.trim().to_string());
        let host = named("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
        Member { host: host.unwrap_or_else(|| "this host".into()), pid: process::id() }
    }
}

/// A run, as process 0 announces it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Announced {
    id: String,
    processes: usize,
    by: Member,
}

/// The processes of a program, seen from one of them.
pub struct Processes {
    pub(super) store: Arc<dyn Store>,
    /// What the keys of this run begin with.
    pub(super) root: String,
    pub(super) lease: Lease,
    /// That of what it says to others, which outlives it until they have read it.
    pub(super) words: Lease,
    index: usize,
    members: Vec<Member>,
    pub(super) local_device_ids: Option<Vec<i64>>,
    pub(super) heartbeat_timeout: Duration,
    pub(super) timeout: Duration,
    on_loss: OnLoss,
    /// How often each name was used in exchanges.
    pub(super) counts: Mutex<HashMap<String, u64>>,
    lost: Mutex<Option<DistributedError>>,
    /// Who has ended as it should.
    pub(super) left: Mutex<BTreeSet<usize>>,
    stopped: (Mutex<bool>, Condvar),
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Processes({} of {} in {})", self.index, self.count(), self.store.name())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Processes {
    /// The number of this process.
    pub fn index(&self) -> usize {
        self.index
    }
    /// How many there are.
    pub fn count(&self) -> usize {
        self.members.len()
    }
    /// Who they are, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }
    /// Which devices of its host this process takes on GPUs; all, if nothing is said.
    pub fn local_device_ids(&self) -> Option<&[i64]> {
        self.local_device_ids.as_deref()
    }
    /// The store for the plugin's callbacks.
    pub(crate) fn for_plugins(self: &Arc<Self>) -> Arc<dyn KeyValueStore> {
        Arc::new(ForPlugins(self.clone()))
    }
    /// Who has said that it ends, and why.
    pub(super) fn ended(&self) -> raxla_xla::Result<Option<String>> {
        let left = self.store.list(&format!("{}left/", self.root))?;
        Ok((0..self.count()).find_map(|i| {
            let (_, why) = left.iter().find(|(key, _)| *key == left_key(&self.root, i))?;
            let why = if why.is_empty() { "it has ended".into() } else { String::from_utf8_lossy(why) };
            Some(format!("{}: {why}", self.named(i)))
        }))
    }
    /// A process that is lost, or the store, if one is.
    ///
    /// # Errors
    /// The report about it.
    pub fn check(&self) -> Result<()> {
        lock(&self.lost).clone().map_or(Ok(()), |e| Err(e.into()))
    }
    /// `process 3 (pid 77 on node4)`.
    pub(super) fn named(&self, index: usize) -> String {
        format!("process {index} ({})", self.members[index])
    }

    /// Looks after the others until it is told to stop.
    fn watch(&self) {
        let pause = (self.heartbeat_timeout / 3).min(Duration::from_secs(10));
        let mut answered = Instant::now();
        let mut stopped = lock(&self.stopped.0);
        while !*stopped {
            drop(stopped);
            match self.look() {
                Ok(None) => answered = Instant::now(),
                Ok(Some(lost)) => return self.report(lost),
                Err(e) if e.code != Code::Unavailable || answered.elapsed() >= self.heartbeat_timeout => {
                    return self.report(unreachable(&*self.store, &e, answered.elapsed()));
                }
                Err(_) => {}
            }
            // (a store that does not answer is asked more often)
            stopped = lock(&self.stopped.0);
            if !*stopped {
                stopped = self.stopped.1.wait_timeout(stopped, pause).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Gives a sign of life, and sees whether the others do.
    fn look(&self) -> raxla_xla::Result<Option<DistributedError>> {
        if !self.store.keep_alive(self.lease)? || !self.store.keep_alive(self.words)? {
            let what = format!(
                "this process gave no sign of life for {:.0?}, and the others take it for lost",
                self.heartbeat_timeout
            );
            return Ok(Some(DistributedError::new(
                Problem::Lost,
                what,
                "do not suspend it, and allow more time (heartbeat_timeout)",
            )));
        }
        let here = self.store.keys(&format!("{}process/", self.root))?;
        let gone = (0..self.count()).filter(|i| !here.contains(&process_key(&self.root, *i)));
        let gone: Vec<usize> = gone.collect();
        if gone.is_empty() {
            return Ok(None);
        }
        // (who leaves says so before)
        let left: HashMap<String, Vec<u8>> = self.store.list(&format!("{}left/", self.root))?.into_iter().collect();
        let ended = |i: &usize| match left.get(&left_key(&self.root, *i)) {
            Some(why) if why.is_empty() => None,
            Some(why) => Some(format!("{}: {}", self.named(*i), String::from_utf8_lossy(why))),
            None => Some(format!("{} gave no sign of life for {:.0?}", self.named(*i), self.heartbeat_timeout)),
        };
        let ended: Vec<String> = gone.iter().filter_map(ended).collect();
        if ended.is_empty() {
            lock(&self.left).extend(gone);
            return Ok(None);
        }
        let what = format!("lost of the {} processes: {}", self.count(), ended.join("; "));
        Ok(Some(DistributedError::new(
            Problem::Lost,
            what,
            "look at its output, and whether its host is up; then start all again",
        )))
    }

    fn report(&self, lost: DistributedError) {
        if self.on_loss == OnLoss::Exit {
            // (nobody is helped by an error about a closed stderr)
            let _ = writeln!(std::io::stderr(), "error: process {}: {lost}", self.index);
            raxla_xla::exit_now(LOST);
        }
        lock(&self.lost).get_or_insert(lost);
    }
}

pub(super) fn unreachable(store: &dyn Store, e: &raxla_xla::Error, since: Duration) -> DistributedError {
    let what = match e.code {
        Code::Unavailable => format!("{} does not answer since {since:.0?}: {}", store.name(), e.message),
        _ => format!("{} refuses: {}", store.name(), e.message),
    };
    let help =
        e.remedy.clone().unwrap_or_else(|| "see whether etcd runs there, and whether this host can reach it".into());
    DistributedError::new(Problem::Unreachable, what, help)
}

fn process_key(root: &str, index: usize) -> String {
    format!("{root}process/{index:05}")
}
fn left_key(root: &str, index: usize) -> String {
    format!("{root}left/{index:05}")
}

/// That this process has joined others. When it goes, they are told that this one has left; in a panic, that it failed.
#[must_use = "this process leaves the others when it is dropped"]
pub struct Session {
    processes: Arc<Processes>,
    watcher: Option<JoinHandle<()>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Session({:?})", self.processes)
    }
}

impl Session {
    /// Those that it has joined.
    pub fn processes(&self) -> &Arc<Processes> {
        &self.processes
    }

    /// Waits until all others are here, and leaves. JAX: `jax.distributed.shutdown`.
    ///
    /// # Errors
    /// [`Error::Distributed`]: others do not come in [`Options::shutdown_timeout`], or are lost.
    pub fn shutdown(self) -> Result<()> {
        self.processes.barrier("shutdown", self.processes.timeout)
    }

    /// Joins, and waits until all are there.
    pub(super) fn join(store: Arc<dyn Store>, place: &Place, options: &Options) -> Result<Session> {
        let joining = Joining {
            place,
            until: Instant::now() + options.initialization_timeout,
            within: options.initialization_timeout,
            patience: options.initialization_timeout,
            base: format!("/raxla/{}/", escaped(&place.job)),
            me: Member::this(),
            store: &*store,
        };
        let lease = joining.ask(|| store.grant(options.heartbeat_timeout).map(Some))?;
        let lease = lease.ok_or_else(|| joining.silent("it gives no lease"))?;
        let keeping = Keeping::start(store.clone(), lease, options.heartbeat_timeout);
        let joined = joining.meet(lease);
        drop(keeping);
        let (root, members) = joined.inspect_err(|_| drop(store.revoke(lease)))?;
        // (renewed less often than it would end)
        let words = store.grant((options.heartbeat_timeout * 3).max(Duration::from_secs(60)))?;
        let processes = Arc::new(Processes {
            store,
            root,
            lease,
            words,
            index: place.process_id,
            members,
            local_device_ids: place.local_device_ids.clone(),
            heartbeat_timeout: options.heartbeat_timeout,
            timeout: options.shutdown_timeout,
            on_loss: options.on_loss,
            counts: Mutex::default(),
            lost: Mutex::default(),
            left: Mutex::default(),
            stopped: Default::default(),
        });
        let watched = processes.clone();
        let watcher = thread::Builder::new().name("raxla processes".into()).spawn(move || watched.watch());
        let watcher = watcher.map_err(|e| {
            DistributedError::error(
                Problem::Options,
                format!("no thread can be started: {e}"),
                "allow more threads (`ulimit -u`)",
            )
        })?;
        Ok(Session { processes, watcher: Some(watcher) })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Processes { store, root, lease, words, index, .. } = &*self.processes;
        *lock(&self.processes.stopped.0) = true;
        self.processes.stopped.1.notify_all();
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
        let mut current = CURRENT.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|c| Arc::ptr_eq(c, &self.processes)) {
            *current = None;
        }
        let why: &[u8] = if thread::panicking() { b"it panicked" } else { b"" };
        // (the word outlives this process, until all others have seen it; nobody is helped by an error here)
        let _ = store.put(&left_key(root, *index), why, *words);
        let _ = store.revoke(*lease);
    }
}

/// Keeps a lease alive while the processes meet.
struct Keeping(Arc<(Mutex<bool>, Condvar)>, Option<JoinHandle<()>>);
impl Keeping {
    fn start(store: Arc<dyn Store>, lease: Lease, life: Duration) -> Keeping {
        let stop: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let theirs = stop.clone();
        let keep = move || {
            let mut stopped = lock(&theirs.0);
            while !*stopped {
                stopped = theirs.1.wait_timeout(stopped, life / 3).unwrap_or_else(PoisonError::into_inner).0;
                // (who waits for the store says that it does not answer)
                let _ = store.keep_alive(lease);
            }
        };
        // (without a thread, the lease ends, and the others say so)
        Keeping(stop, thread::Builder::new().name("raxla joining".into()).spawn(keep).ok())
    }
}
impl Drop for Keeping {
    fn drop(&mut self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
        if let Some(thread) = self.1.take() {
            let _ = thread.join();
        }
    }
}

/// A process that waits for the others.
struct Joining<'a> {
    place: &'a Place,
    until: Instant,
    within: Duration,
    patience: Duration,
    base: String,
    me: Member,
    store: &'a dyn Store,
}

impl Joining<'_> {
    fn ask<T>(&self, ask: impl FnMut() -> raxla_xla::Result<Option<T>>) -> Result<Option<T>> {
        let start = Instant::now();
        poll(self.until, self.patience, ask).map_err(|e| unreachable(self.store, &e, start.elapsed()).into())
    }
    fn silent(&self, what: &str) -> Error {
        let what = format!("{}: {what}", self.store.name());
        DistributedError::error(Problem::Unreachable, what, "see whether etcd runs there, and is that of this job")
    }

    /// The run that process 0 announces: this process does, if it is that.
    fn run(&self, lease: Lease) -> Result<Announced> {
        let key = format!("{}run", self.base);
        let read = |bytes: Vec<u8>| serde_json::from_slice::<Announced>(&bytes).ok();
        if self.place.process_id > 0 {
            let announced = self.ask(|| Ok(self.store.get(&key)?.and_then(read)))?;
            let expected =
                self.place.hosts.first().map_or(String::new(), |host| format!(", which should run on {host}"));
            let count = self.place.num_processes;
            return announced.ok_or_else(|| {
                self.missing(format!(
                    "process 0 of {count}{expected} has not come to {} within {:.0?}",
                    self.store.name(),
                    self.within
                ))
            });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let announced = Announced {
            id: format!("{now:x}-{}", self.me.pid),
            processes: self.place.num_processes,
            by: self.me.clone(),
        };
        let text = serde_json::to_vec(&announced).expect("a plain struct");
        let made = self.ask(|| self.claim(&key, &text, lease))?;
        if made.is_some() {
            return Ok(announced);
        }
        let other = self.ask(|| Ok(self.store.get(&key)?.and_then(read)))?;
        Err(self.twice(0, other.map(|o| o.by)))
    }

    /// Sets a key that nobody else has.
    fn claim(&self, key: &str, value: &[u8], lease: Lease) -> raxla_xla::Result<Option<()>> {
        // (the answer to an earlier try may have been lost)
        let mine = self.store.create(key, value, lease)? || self.store.get(key)?.as_deref() == Some(value);
        Ok(mine.then_some(()))
    }

    fn twice(&self, index: usize, other: Option<Member>) -> Error {
        let other = other.map_or("another process".into(), |other| other.to_string());
        let what =
            format!("two processes are number {index} of the job `{}`: this, {}, and {other}", self.place.job, self.me);
        let help = "give each a number of its own, and each job a name of its own; one that was killed is forgotten when its \
                    heartbeat_timeout is over";
        DistributedError::error(Problem::Duplicate, what, help)
    }
    fn missing(&self, what: String) -> Error {
        let help = "see whether they were started, with this address and job, and what they say; or wait longer (initialization_timeout)";
        DistributedError::error(Problem::Missing, what, help)
    }

    /// The root of the run and its members.
    fn meet(&self, lease: Lease) -> Result<(String, Vec<Member>)> {
        let mut run = self.run(lease)?;
        loop {
            match self.enter(&run, lease)? {
                Entered::All(root, members) => return Ok((root, members)),
                // what was announced was of a run before
                Entered::Another => run = self.run(lease)?,
            }
        }
    }

    /// Enters this run, and waits for the others, unless another run is announced meanwhile.
    fn enter(&self, run: &Announced, lease: Lease) -> Result<Entered> {
        let (root, count, index) =
            (format!("{}{}/", self.base, run.id), self.place.num_processes, self.place.process_id);
        if run.processes != count {
            let what = format!(
                "process {index} ({}) was started for {count} processes, but process 0 ({}) for {}",
                self.me, run.by, run.processes
            );
            // process 0 is told, so that it need not wait
            let _ = self.store.put(
                &format!("{root}refused/{index:05}"),
                what.as_bytes(),
                self.store.grant(Duration::from_secs(60))?,
            );
            return Err(wrong_count(what));
        }
        let key = process_key(&root, index);
        let me = serde_json::to_vec(&self.me).expect("a plain struct");
        let changed =
            |now: Option<Vec<u8>>| match now.and_then(|bytes| serde_json::from_slice::<Announced>(&bytes).ok()) {
                Some(now) => now.id != run.id,
                None => true,
            };
        let announced = format!("{}run", self.base);
        let entered = self.ask(|| {
            if self.claim(&key, &me, lease)?.is_some() {
                return Ok(Some(true));
            }
            Ok(changed(self.store.get(&announced)?).then_some(false))
        })?;
        match entered {
            Some(true) => {}
            Some(false) => return Ok(Entered::Another),
            None => {
                let other = self.store.get(&key)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                return Err(self.twice(index, other));
            }
        }
        let mut present: Vec<(usize, Member)> = vec![];
        let outcome = self.ask(|| {
            let here = self.store.list(&format!("{root}process/"))?;
            let one = |(key, value): &(String, Vec<u8>)| {
                Some((key.rsplit('/').next()?.parse().ok()?, serde_json::from_slice(value).ok()?))
            };
            present = here.iter().filter_map(one).collect();
            if present.len() == count {
                return Ok(Some(Ok(true)));
            }
            if let Some((_, what)) = self.store.list(&format!("{root}refused/"))?.pop() {
                return Ok(Some(Err(wrong_count(String::from_utf8_lossy(&what)))));
            }
            Ok(changed(self.store.get(&announced)?).then_some(Ok(false)))
        })?;
        match outcome {
            Some(Ok(true)) => Ok(Entered::All(root, present.into_iter().map(|(_, member)| member).collect())),
            Some(Ok(false)) => {
                self.store.delete(&key)?;
                Ok(Entered::Another)
            }
            Some(Err(e)) => Err(e),
            None => Err(self.late(&present)),
        }
    }

    /// The report of who has not come.
    fn late(&self, present: &[(usize, Member)]) -> Error {
        const MOST: usize = 16;
        let count = self.place.num_processes;
        let absent: Vec<usize> = (0..count).filter(|i| present.iter().all(|(j, _)| i != j)).collect();
        let name = |i: &usize| match self.place.hosts.get(*i) {
            Some(host) => format!("process {i} (which should run on {host})"),
            None => format!("process {i}"),
        };
        let mut names: Vec<String> = absent.iter().take(MOST).map(name).collect();
        if absent.len() > MOST {
            names.push(format!("{} more", absent.len() - MOST));
        }
        let here: Vec<String> = present.iter().take(MOST).map(|(i, member)| format!("process {i}, {member}")).collect();
        self.missing(format!(
            "{} of {count} processes have not come to {} within {:.0?}: {}; here: {}",
            absent.len(),
            self.store.name(),
            self.within,
            names.join(", "),
            here.join("; ")
        ))
    }
}

/// What became of entering a run.
enum Entered {
    All(String, Vec<Member>),
    Another,
}

fn wrong_count(what: impl Into<String>) -> Error {
    let help = "start all with the same number of processes (RAXLA_NUM_PROCESSES, --num-processes)";
    DistributedError::error(Problem::WrongCount, what, help)
}

/// A name in which no `/` stands for itself.
pub(super) fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}
