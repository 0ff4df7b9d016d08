//! What this machine is, and what this process has taken of it.
use serde::{Deserialize, Serialize};
use std::{fmt, fs};

/// A machine, as figures name the one that they were measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub os: String,
    pub arch: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// What the processor calls itself; empty where the system does not say.
    pub cpu: String,
    /// All memory, in bytes; 0 where the system does not say.
    pub memory_bytes: u64,
}

impl Machine {
    /// This one.
    pub fn this() -> Machine {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
        Machine {
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
            cores: cores(),
            cpu: model.map_or_else(String::new, |(_, name)| name.into()),
            memory_bytes: kib_of("/proc/meminfo", "MemTotal:").map_or(0, |kib| kib << 10),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}, {} cores {}", self.os, self.arch, self.cores, self.cpu)?;
        match self.memory_bytes {
            0 => Ok(()),
            bytes => write!(f, ", {} GiB of memory", bytes >> 30),
        }
    }
}

/// Processors that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// The most memory that this process has had in RAM at once, in bytes (Linux: `VmHWM`), where the system says.
pub fn peak_rss() -> Option<u64> {
    kib_of("/proc/self/status", "VmHWM:").map(|kib| kib << 10)
}

/// The number in kB behind this word at the beginning of a line.
fn kib_of(file: &str, word: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|l| l.strip_prefix(word)?.split_whitespace().next()?.parse().ok())
}
