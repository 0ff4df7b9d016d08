//! What Ctrl-C leaves behind: nothing.
use signal_hook::{consts::signal, iterator::Signals, low_level::emulate_default_handler};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Set by the first signal, for a command that ends in order.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on, the first signal that would end the process sets this to true in its place; the second ends it.
pub fn ask_to_stop() -> Arc<AtomicBool> {
    STOP.get_or_init(Arc::default).clone()
}

/// From now on, signals that end the process first remove what it has not finished writing. That a file would become larger than
/// `ulimit -f` allows is no reason to end: whoever writes it gets an error, and says which file it is.
pub fn clean_up() {
    // what nohup, or a shell in the background, has said to ignore stays ignored
    let ignored = ignored();
    let wanted = [signal::SIGINT, signal::SIGTERM, signal::SIGHUP, signal::SIGXFSZ].into_iter();
    let wanted: Vec<i32> = wanted.filter(|number| ignored & (1 << (number - 1)) == 0).collect();
    // without them, the next run does it
    let Ok(mut signals) = Signals::new(wanted) else { return };
    thread::spawn(move || {
        for number in signals.forever().filter(|number| *number != signal::SIGXFSZ) {
            if STOP.get().is_some_and(|stop| !stop.swap(true, Ordering::Relaxed)) {
                crate::note("stopping behind this step; a second signal ends at once");
                continue;
            }
            raxla_xla::abandon_drafts();
            let _ = emulate_default_handler(number);
        }
    });
}

/// The signals that this process ignores, as bits.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}
