//! Processes that were forked after a plugin was loaded. The plugin's threads are not in the child, so that a call that needs
//! one would wait for ever: it is an error instead.

use crate::{Code, Error, Result};
use std::sync::{
    Once,
    atomic::{AtomicU32, Ordering},
};

/// How often this process is a child of one that loaded a plugin.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that loaded a plugin, among those that were forked from each other.
#[derive(Clone, Copy)]
pub(crate) struct Generation(u32);

impl Generation {
    /// This process.
    pub(crate) fn now() -> Generation {
        static COUNTED: Once = Once::new();
        COUNTED.call_once(count);
        Generation(FORKS.load(Ordering::Relaxed))
    }

    /// Fails in a child of the process.
    pub(crate) fn check(self) -> Result<()> {
        if self.0 == FORKS.load(Ordering::Relaxed) {
            return Ok(());
        }
        let what = "this process was forked after the plugin was loaded, and has none of the plugin's threads";
        Err(Error::new(Code::FailedPrecondition, what)
            .help("fork before the first use of a plugin, or start the child with `std::process::Command`"))
    }
}

#[cfg(unix)]
fn count() {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the function only adds to a number, which may be done in a child of any process. A failure, for lack of memory,
    // leaves forks uncounted.
    let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

#[cfg(not(unix))]
fn count() {}
