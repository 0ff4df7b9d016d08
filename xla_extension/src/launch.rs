//! Launches over several devices while they are in flight: which devices have completed, and what failed.
//!
//! A device that fails leaves the others waiting for it in their next collective, and the CPU plugin ends the process after
//! a minute of that. So the error of a [handler](crate::ffi) does not stop its device: it is kept in the launch, the
//! collectives go on, and whoever waits for a result of the launch, or of one that took its results, gets the error.

use crate::{Code, Error, Result, watchdog};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

/// One run of a program.
pub(crate) struct Launch {
    /// What the plugin calls the run, and tells handlers.
    id: i32,
    program: Arc<str>,
    devices: Arc<[i64]>,
    started: Instant,
    progress: Progress,
    /// It has completed without an error: nothing of the below needs to be looked at.
    fine: AtomicBool,
    state: Mutex<Completion>,
    settled: Condvar,
}

/// When a launch of a client last completed.
pub(crate) type Progress = Arc<Mutex<Option<Instant>>>;

struct Completion {
    done: Vec<bool>,
    settled: bool,
    reported: bool,
    error: Option<Error>,
    /// Those whose results were arguments, until they are known to be fine.
    parents: Vec<Arc<Launch>>,
}

static IN_FLIGHT: Mutex<BTreeMap<i32, Arc<Launch>>> = Mutex::new(BTreeMap::new());

/// Numbers above those that the plugin gives to runs that we do not number: it counts from 1.
const FIRST: i32 = 1 << 30;
static NEXT: AtomicI32 = AtomicI32::new(0);

/// Launches in flight, the oldest first.
pub(crate) fn in_flight() -> Vec<Arc<Launch>> {
    let mut all: Vec<_> = locked(&IN_FLIGHT).values().cloned().collect();
    all.sort_by_key(|launch| launch.started);
    all
}

/// The launch over several devices that the plugin calls by this number.
pub(crate) fn find(id: i64) -> Option<Arc<Launch>> {
    let id = i32::try_from(id).ok()?;
    locked(&IN_FLIGHT).get(&id).filter(|launch| launch.devices.len() > 1).cloned()
}

/// A panic elsewhere leaves what is locked here whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Launch {
    /// Enters a launch. Its number is its own: launches in flight are told apart by it.
    pub(crate) fn start(
        program: Arc<str>,
        devices: Arc<[i64]>,
        parents: Vec<Arc<Launch>>,
        progress: &Progress,
    ) -> Arc<Launch> {
        let id = FIRST + NEXT.fetch_add(1, Ordering::Relaxed).rem_euclid(FIRST - 1);
        let done = vec![false; devices.len()];
        let launch = Arc::new(Launch {
            id,
            program,
            devices,
            started: Instant::now(),
            progress: progress.clone(),
            fine: AtomicBool::new(false),
            state: Mutex::new(Completion { done, settled: false, reported: false, error: None, parents }),
            settled: Condvar::new(),
        });
        locked(&IN_FLIGHT).insert(launch.id, launch.clone());
        launch
    }

    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    /// A device has completed.
    pub(crate) fn device_done(&self, index: usize, outcome: Result<()>) {
        let parents = {
            let mut state = locked(&self.state);
            state.done[index] = true;
            if let Err(error) = outcome {
                state.error.get_or_insert(error);
            }
            if state.done.contains(&false) {
                return;
            }
            std::mem::take(&mut state.parents)
        };
        self.settle(parents);
    }

    /// Nothing is to be waited for: all devices have completed, or the launch failed before any began.
    fn settle(&self, parents: Vec<Arc<Launch>>) {
        // (they have completed too, since their results were needed)
        let inherited = parents.iter().find_map(|parent| parent.error());
        locked(&IN_FLIGHT).remove(&self.id);
        *locked(&self.progress) = Some(Instant::now());
        let mut state = locked(&self.state);
        state.error = state.error.take().or(inherited);
        state.settled = true;
        self.fine.store(state.error.is_none(), Ordering::Release);
        self.settled.notify_all();
    }

    /// The plugin refused to launch.
    pub(crate) fn abandon(&self) {
        self.settle(Vec::new());
    }

    /// Something failed on one of the devices.
    pub(crate) fn fail(&self, error: Error) {
        locked(&self.state).error.get_or_insert(error);
    }

    /// Whether it has completed without an error.
    pub(crate) fn is_fine(&self) -> bool {
        self.fine.load(Ordering::Acquire)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.is_fine() || locked(&self.state).settled
    }

    fn error(&self) -> Option<Error> {
        let parents = {
            let state = locked(&self.state);
            if state.error.is_some() {
                return state.error.clone();
            }
            state.parents.clone()
        };
        parents.iter().find_map(|parent| parent.error())
    }

    /// Waits until all devices have completed. An error is only that they have not within the watchdog's limit.
    pub(crate) fn completed(&self) -> Result<()> {
        /// How soon a watchdog that is set meanwhile is heeded.
        const SOON: Duration = Duration::from_secs(1);
        let mut state = locked(&self.state);
        while !state.settled {
            let patience = match watchdog::limit() {
                None => SOON,
                Some(limit) => match limit.checked_sub(self.stalled_for()) {
                    None | Some(Duration::ZERO) => {
                        drop(state);
                        return Err(self.stalled());
                    }
                    Some(rest) => rest.min(SOON),
                },
            };
            state = self.settled.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// As [`Launch::completed`], and with the error of the launch.
    pub(crate) fn wait(&self) -> Result<()> {
        if self.is_fine() {
            return Ok(());
        }
        self.completed()?;
        self.error().map_or(Ok(()), Err)
    }

    /// How long nothing has completed since this was launched. (What waits behind others is not stalled while they go on.)
    fn stalled_for(&self) -> Duration {
        let last = locked(&self.progress).map_or(self.started, |last| last.max(self.started));
        last.elapsed()
    }

    /// For the watchdog: true once, when it is stalled for longer than this.
    pub(crate) fn newly_stalled(&self, limit: Duration) -> bool {
        if self.stalled_for() < limit {
            return false;
        }
        let mut state = locked(&self.state);
        !state.settled && !std::mem::replace(&mut state.reported, true)
    }

    fn stalled(&self) -> Error {
        Error::new(Code::DeadlineExceeded, self.describe()).help(
            "RAXLA_VERBOSE=1 shows the plugin's messages; if the program is only slow, raise the watchdog's limit",
        )
    }

    /// The program, and how far it is.
    fn describe(&self) -> String {
        let state = locked(&self.state);
        let ids = |done: bool| -> String {
            let those = self.devices.iter().zip(&state.done).filter(|(_, d)| **d == done);
            let ids: Vec<String> = those.map(|(id, _)| id.to_string()).collect();
            if ids.is_empty() { "none".into() } else { ids.join(", ") }
        };
        format!(
            "launch {} of `{}` over {} devices has not completed for {:.1} s (completed: {}; not completed: {})",
            self.id - FIRST + 1,
            self.program,
            self.devices.len(),
            self.stalled_for().as_secs_f64(),
            ids(true),
            ids(false)
        )
    }

    /// What the watchdog writes.
    pub(crate) fn report(&self, behind: usize) -> String {
        let error = self.error().map_or(String::new(), |error| format!("\n  an error in it so far: {}", error.message));
        format!(
            "raxla watchdog: {}{error}\n  \
             launches in flight behind it: {behind}\n  \
             usual causes: a device failed while the others wait for it in a collective; two threads or processes launch \
             programs with collectives in different orders; a custom call or a callback that does not return; a branch or \
             loop that devices run differently (`check_vma` finds those)\n  \
             on the CPU, the plugin ends the process once a collective has waited for 60 seconds\n  \
             what to do: RAXLA_VERBOSE=1 shows the plugin's messages; `Jit::communication` lists the program's collectives; \
             if it is only slow, raise the limit (RAXLA_WATCHDOG, in seconds; 0 turns it off)",
            self.describe()
        )
    }
}
