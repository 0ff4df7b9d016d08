//! The end of the process: it waits for the plugin.
//!
//! A process that ends runs the destructors of the plugin's statics, while the plugin's threads go on. A program that they run
//! then, or compile, reads what is gone, and the process crashes after all its work was done. So the end waits until nothing
//! runs and nothing compiles, and it must do so before the first of those destructors.
//!
//! They run in the reverse order of their registration, and the plugin registers some only when a program first needs them. What
//! is sure to run before all of them are the destructors of thread-locals of the thread that ends the process. On the main
//! thread, which is that thread nearly always, this is where the process waits. For other threads there is an exit handler,
//! registered anew as programs run, so that it comes before all but what a program's first run registers while it is waited for.

use crate::{event::Event, forked::Generation, inside, launch};
use std::{
    collections::VecDeque,
    sync::{
        Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Runs on one device that may not have completed, the oldest first. (Those over several devices are launches.)
static RUNS: Mutex<VecDeque<Event>> = Mutex::new(VecDeque::new());
/// How many there were.
static RUN: AtomicUsize = AtomicUsize::new(0);
/// Compilations going on.
static COMPILING: Mutex<usize> = Mutex::new(0);
static COMPILED: Condvar = Condvar::new();

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

/// A compilation; it lasts as long as this lives.
pub(crate) struct Compiling(());

impl Compiling {
    pub(crate) fn begin() -> Compiling {
        *locked(&COMPILING) += 1;
        Compiling(())
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        *locked(&COMPILING) -= 1;
        COMPILED.notify_all();
    }
}

/// Waits until the plugin does nothing.
fn wait() {
    // A handler of a custom call that ends the process would wait for its own program, and a child of the process for threads
    // that it does not have.
    if inside::is_inside() || REGISTERED.get().is_none_or(|process| process.check().is_err()) {
        return;
    }
    // (an error is that of a result which nobody reads, or that the watchdog's limit has passed)
    launch::in_flight().iter().for_each(|launch| drop(launch.completed()));
    let mut runs = std::mem::take(&mut *locked(&RUNS));
    runs.iter().for_each(|run| drop(run.wait()));
    runs.drain(..).for_each(std::mem::forget);
    let mut compiling = locked(&COMPILING);
    while *compiling > 0 {
        compiling = COMPILED.wait(compiling).unwrap_or_else(PoisonError::into_inner);
    }
}
