//! The watchdog: says when a program over several devices does not complete, and ends a process that would hang.

use crate::{Code, Error, Result, launch};
use std::{
    env,
    io::Write,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

/// What to do about a launch that does not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStall {
    /// Write a report to stderr, and go on waiting.
    Warn,
    /// Write a report to stderr; waiting for the launch's results is an error then.
    Report,
    /// Write the report, and end the process with this status.
    Exit(i32),
}

/// Watches launches over several devices.
///
/// When none has completed for `limit` although some are in flight, the oldest is reported on stderr: the program, which
/// devices have completed and which have not, and what usually causes it. Waiting for results then ends with an error
/// ([`Code::DeadlineExceeded`]) instead of going on for ever. The limit must be longer than the longest program runs.
///
/// By default there is one for the CPU only, which warns after 50 seconds: 10 before the plugin ends the process.
///
/// ```
/// use std::time::Duration;
/// use raxla_xla::{OnStall, Watchdog, watch};
/// watch(Some(Watchdog { limit: Duration::from_secs(600), on_stall: OnStall::Exit(3) }));
/// watch(None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// How long no launch may complete.
    pub limit: Duration,
    /// What to do then.
    pub on_stall: OnStall,
}

/// The exit status of processes that `RAXLA_WATCHDOG` ends: that of `timeout(1)`.
const TIMED_OUT: i32 = 124;

static SETTING: Mutex<Option<Watchdog>> = Mutex::new(None);
/// The limit in milliseconds; 0: none.
static LIMIT: AtomicU64 = AtomicU64::new(0);

/// Somebody chose, be it none.
static CHOSEN: AtomicBool = AtomicBool::new(false);

/// Sets or, with `None`, removes the watchdog of this process.
pub fn watch(watchdog: Option<Watchdog>) {
    CHOSEN.store(true, Ordering::Relaxed);
    set(watchdog);
}

fn set(watchdog: Option<Watchdog>) {
    static THREAD: OnceLock<Option<Thread>> = OnceLock::new();
    *SETTING.lock().unwrap_or_else(PoisonError::into_inner) = watchdog;
    let ends = watchdog.filter(|w| w.on_stall != OnStall::Warn);
    let millis = ends.map_or(0, |w| u64::try_from(w.limit.as_millis()).unwrap_or(u64::MAX).max(1));
    LIMIT.store(millis, Ordering::Relaxed);
    if watchdog.is_some() {
        let start = || thread::Builder::new().name("raxla watchdog".into()).spawn(run).ok().map(|t| t.thread().clone());
        if let Some(thread) = THREAD.get_or_init(start) {
            thread.unpark();
        }
    }
}

/// The watchdog of this process.
pub fn watched_by() -> Option<Watchdog> {
    *SETTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the watchdog from `RAXLA_WATCHDOG`, once, before the first client.
pub(crate) fn from_environment() -> Result<()> {
    static SET: OnceLock<Result<()>> = OnceLock::new();
    let read = || {
        let Some(text) = env::var_os("RAXLA_WATCHDOG").filter(|text| !text.is_empty()) else { return Ok(()) };
        let text = text.to_string_lossy();
        let seconds =
            text.trim().parse().ok().and_then(|s: f64| Duration::try_from_secs_f64(s).ok()).ok_or_else(|| {
                Error::new(Code::InvalidArgument, format!("RAXLA_WATCHDOG is `{text}`, which is no number of seconds"))
                    .help("set it to the seconds that a program may take, such as 600, or unset it")
            })?;
        if !CHOSEN.load(Ordering::Relaxed) {
            let on_stall = OnStall::Exit(TIMED_OUT);
            watch((!seconds.is_zero()).then_some(Watchdog { limit: seconds, on_stall }));
        }
        Ok(())
    };
    SET.get_or_init(read).clone()
}

/// What there is without a choice, for several devices of the CPU: its plugin ends the process when a collective has waited for
/// 60 seconds. A mere warning, since a long program need not be waiting.
pub(crate) fn warn_by_default() {
    if !CHOSEN.load(Ordering::Relaxed) {
        set(Some(Watchdog { limit: Duration::from_secs(50), on_stall: OnStall::Warn }));
    }
}

/// The limit for who waits, if there is one.
pub(crate) fn limit() -> Option<Duration> {
    match LIMIT.load(Ordering::Relaxed) {
        0 => None,
        millis => Some(Duration::from_millis(millis)),
    }
}

fn run() {
    const OFTEN: Duration = Duration::from_millis(5);
    const SELDOM: Duration = Duration::from_secs(1);
    loop {
        let Some(watchdog) = watched_by() else {
            thread::park();
            continue;
        };
        let launches = launch::in_flight();
        if let Some(oldest) = launches.first()
            && oldest.newly_stalled(watchdog.limit)
        {
            // Nobody is helped by an error about a closed stderr.
            let _ = writeln!(std::io::stderr(), "{}", oldest.report(launches.len() - 1));
            if let OnStall::Exit(status) = watchdog.on_stall {
                exit_now(status);
            }
        }
        thread::park_timeout((watchdog.limit / 20).clamp(OFTEN, SELDOM));
    }
}

/// Ends the process without destructors, which would wait for the plugin's threads, and those for other devices or processes.
pub fn exit_now(status: i32) -> ! {
    unsafe extern "C" {
        fn _exit(status: std::ffi::c_int) -> !;
    }
    // SAFETY: the C library's function; it returns to nobody.
    unsafe { _exit(status) }
}
