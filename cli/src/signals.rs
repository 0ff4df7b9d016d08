//! What Ctrl-C leaves behind: nothing.
use signal_hook::{consts::signal, iterator::Signals, low_level::emulate_default_handler};
use std::thread;

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
