//! The store in which the processes of a program meet: keys, values, and leases that end with a process.
use super::member::Processes;
use raxla_xla::{Code, Error, KeyValueStore, Result};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A number under which a store keeps keys as long as somebody says that they are wanted.
pub type Lease = i64;

/// Keys and values that all processes of a program see, in the way of [etcd](https://etcd.io).
///
/// An error with [`Code::Unavailable`] says that the store cannot be reached now: it is asked again.
pub trait Store: Send + Sync {
    /// What it is and where, for messages: `etcd at 10.0.0.1:2379`.
    fn name(&self) -> String;
    /// The value of a key.
    ///
    /// # Errors
    /// The store does not answer, or refuses.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Sets the value of a key, which goes when the lease ends.
    ///
    /// # Errors
    /// As [`Store::get`]; a lease that has ended ([`Code::NotFound`]).
    fn put(&self, key: &str, value: &[u8], lease: Lease) -> Result<()>;
    /// Sets the value of a key that does not exist; `false`, and nothing happens, where it does.
    ///
    /// # Errors
    /// As [`Store::put`].
    fn create(&self, key: &str, value: &[u8], lease: Lease) -> Result<bool>;
    /// The keys that begin so, in order.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn keys(&self, prefix: &str) -> Result<Vec<String>>;
    /// The keys that begin so, in order, with their values.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>>;
    /// Removes the keys that begin so.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn delete(&self, prefix: &str) -> Result<()>;
    /// A new lease, which ends when nobody has kept it alive for so long.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn grant(&self, life: Duration) -> Result<Lease>;
    /// Keeps a lease alive; `false` if it has ended.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn keep_alive(&self, lease: Lease) -> Result<bool>;
    /// Ends a lease, and removes its keys.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn revoke(&self, lease: Lease) -> Result<()>;
}

/// A [`Store`] in this process's memory: for programs whose processes are threads, and for tests.
#[derive(Default)]
pub struct InMemory(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    values: BTreeMap<String, (Vec<u8>, Lease)>,
    /// How long each lives, and until when.
    leases: HashMap<Lease, (Duration, Instant)>,
    last: Lease,
}

impl InMemory {
    /// What is there, after leases have ended.
    fn now(&self) -> MutexGuard<'_, Inside> {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let Inside { values, leases, .. } = &mut *inside;
        leases.retain(|_, (_, until)| *until > now);
        values.retain(|_, (_, lease)| leases.contains_key(lease));
        inside
    }
}

impl Inside {
    fn set(&mut self, key: &str, value: &[u8], lease: Lease) -> Result<()> {
        if !self.leases.contains_key(&lease) {
            return Err(Error::new(Code::NotFound, format!("there is no lease {lease}")));
        }
        self.values.insert(key.into(), (value.into(), lease));
        Ok(())
    }
    fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a (Vec<u8>, Lease))> {
        self.values.range(prefix.to_string()..).take_while(move |(key, _)| key.starts_with(prefix))
    }
}

impl Store for InMemory {
    fn name(&self) -> String {
        "the store in memory".into()
    }
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.now().values.get(key).map(|(value, _)| value.clone()))
    }
    fn put(&self, key: &str, value: &[u8], lease: Lease) -> Result<()> {
        self.now().set(key, value, lease)
    }
    fn create(&self, key: &str, value: &[u8], lease: Lease) -> Result<bool> {
        let mut inside = self.now();
        let new = !inside.values.contains_key(key);
        if new {
            inside.set(key, value, lease)?;
        }
        Ok(new)
    }
    fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.now().under(prefix).map(|(key, _)| key.clone()).collect())
    }
    fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        Ok(self.now().under(prefix).map(|(key, (value, _))| (key.clone(), value.clone())).collect())
    }
    fn delete(&self, prefix: &str) -> Result<()> {
        self.now().values.retain(|key, _| !key.starts_with(prefix));
        Ok(())
    }
    fn grant(&self, life: Duration) -> Result<Lease> {
        let mut inside = self.now();
        inside.last += 1;
        let lease = inside.last;
        inside.leases.insert(lease, (life, Instant::now() + life));
        Ok(lease)
    }
    fn keep_alive(&self, lease: Lease) -> Result<bool> {
        let mut inside = self.now();
        let kept = inside.leases.get_mut(&lease).map(|(life, until)| *until = Instant::now() + *life);
        Ok(kept.is_some())
    }
    fn revoke(&self, lease: Lease) -> Result<()> {
        self.now().leases.remove(&lease);
        drop(self.now());
        Ok(())
    }
}

/// Asks until there is an answer, ever less often; `None` when the time is over. That the store cannot be reached is an error if it
/// has been so for as long as `patience`, or is so at the end.
pub(super) fn poll<T>(
    until: Instant,
    patience: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    const OFTEN: Duration = Duration::from_millis(2);
    const SELDOM: Duration = Duration::from_millis(200);
    let (mut pause, mut silent): (_, Option<Instant>) = (OFTEN, None);
    loop {
        let answer = ask();
        let now = Instant::now();
        let over = now >= until;
        match answer {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) if over => return Ok(None),
            Ok(None) => silent = None,
            Err(e) if e.code != Code::Unavailable || over => return Err(e),
            Err(e) => {
                let since = *silent.get_or_insert_with(Instant::now);
                if since.elapsed() >= patience {
                    return Err(e);
                }
            }
        }
        thread::sleep(pause.min(until.saturating_duration_since(now)));
        pause = (pause * 3 / 2).min(SELDOM);
    }
}

/// What a plugin sees of a store: the keys of this run, which outlive the process that put them until the others have read them.
pub(super) struct ForPlugins(pub(super) Arc<Processes>);

impl ForPlugins {
    fn path(&self, key: &str) -> String {
        format!("{}plugin/{key}", self.0.root)
    }
}

impl KeyValueStore for ForPlugins {
    fn get(&self, key: &str, timeout: Duration) -> Result<Vec<u8>> {
        let (path, processes) = (self.path(key), &*self.0);
        // (what a process has not put before it ended never comes)
        let ask = || match processes.store.get(&path)? {
            Some(value) => Ok(Some(Ok(value))),
            None => Ok(processes.ended()?.map(Err)),
        };
        let store = || processes.store.name();
        match poll(Instant::now() + timeout, processes.heartbeat_timeout, ask)? {
            Some(Ok(value)) => Ok(value),
            Some(Err(ended)) => {
                Err(Error::new(Code::Aborted, format!("{ended}, and nobody has put `{key}` into {}", store())))
            }
            None => {
                let what = format!("no process has put `{key}` into {} within {timeout:.1?}", store());
                Err(Error::new(Code::DeadlineExceeded, what))
            }
        }
    }
    fn try_get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.store.get(&self.path(key))
    }
    fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        self.0.store.put(&self.path(key), value, self.0.words)
    }
}
