//! The end of the process: it waits for the plugin.
//!
//! A process that ends runs the destructors of the plugin's statics, while the plugin's threads go on. A program that they run
//! then, or compile, reads what is gone, and the process crashes after all its work was done. So the end waits until nothing
//! runs and no thread is in a call of the plugin; threads that call it from then on stand still. It must do so before the first of
//! those destructors.
//!
//! They run in the reverse order of their registration, and the plugin registers some only when a program first needs them. What
//! is sure to run before all of them are the destructors of thread-locals of the thread that ends the process. On the main
//! thread, which is that thread nearly always, this is where the process waits. For other threads there is an exit handler,
//! registered anew as programs run, so that it comes before all but what a program's first run registers while it is waited for.

use crate::{
    event::Event,
    forked::Generation,
    inside::{self, Inside},
    launch,
};
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Runs on one device that may not have completed, the oldest first. (Those over several devices are launches.)
static RUNS: Mutex<VecDeque<Event>> = Mutex::new(VecDeque::new());
/// How many there were.
static RUN: AtomicUsize = AtomicUsize::new(0);
/// Calls of the plugin going on: compilations, for example.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// Whether the process ends.
static ENDING: AtomicBool = AtomicBool::new(false);

/// The process that registered the handler.
static REGISTERED: OnceLock<Generation> = OnceLock::new();

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, this process does not end while the plugin is at work. After the plugin is loaded.
pub(crate) fn register() {
    REGISTERED.get_or_init(Generation::now);
    // SAFETY: the handler is a function of this library, which stays loaded as the plugin does. A refusal, for want of memory,
    // leaves the end of the process as it was.
    let _ = unsafe { libc::atexit(handler) };
    END.with(|_| ());
}

extern "C" fn handler() {
    wait();
}

/// Waits at the end of the main thread.
struct End;

thread_local! {
    static END: End = const { End };
}

impl Drop for End {
    fn drop(&mut self) {
        if is_main_thread() {
            wait();
        }
    }
}

/// Whether the process ends with this thread.
fn is_main_thread() -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: both only tell numbers.
    return unsafe { libc::gettid() == libc::getpid() };
    #[cfg(target_vendor = "apple")]
    // SAFETY: it only tells whether.
    return unsafe { libc::pthread_main_np() == 1 };
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    false
}

/// A run that has been started, by the event of its completion.
pub(crate) fn started(event: Event) {
    let mut runs = locked(&RUNS);
    // Two are looked at for one that comes, so that few are left; what is not ready yet ends the search.
    for _ in 0..2 {
        match runs.front().map(|run| run.is_ready()) {
            Some(Ok(false)) | None => break,
            Some(_) => drop(runs.pop_front()),
        }
    }
    runs.push_back(event);
    drop(runs);
    if RUN.fetch_add(1, Ordering::Relaxed).wrapping_add(1).is_power_of_two() {
        register();
    }
    END.with(|_| ());
}

/// A call of the plugin; it lasts as long as this lives.
pub(crate) struct Call(());

impl Call {
    /// Waits where the process ends: not for ever, because what ends it may wait for this thread.
    pub(crate) fn enter() -> Call {
        CALLS.fetch_add(1, Ordering::SeqCst);
        if ENDING.load(Ordering::SeqCst) && !inside::is_inside() {
            CALLS.fetch_sub(1, Ordering::SeqCst);
            thread::sleep(Duration::from_secs(10));
            CALLS.fetch_add(1, Ordering::SeqCst);
        }
        Call(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until the plugin does nothing.
fn wait() {
    // A handler of a custom call that ends the process would wait for its own program, and a child of the process for threads
    // that it does not have.
    if inside::is_inside() || REGISTERED.get().is_none_or(|process| process.check().is_err()) {
        return;
    }
    // (an error is that the watchdog's limit has passed)
    let stalled = launch::in_flight().iter().filter(|launch| launch.completed().is_err()).count();
    let mut runs = std::mem::take(&mut *locked(&RUNS));
    // (their own errors are those of results which nobody reads)
    runs.iter().for_each(|run| drop(run.wait()));
    runs.drain(..).for_each(std::mem::forget);
    // What this thread calls from now on, in destructors, is not held up.
    std::mem::forget(Inside::enter());
    ENDING.store(true, Ordering::SeqCst);
    while stalled == 0 && CALLS.load(Ordering::SeqCst) > 0 {
        thread::sleep(Duration::from_micros(100));
    }
}
