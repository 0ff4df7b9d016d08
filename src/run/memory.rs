//! How much memory there is, and what takes too much of it.
//!
//! A process that takes more memory than there is ends without a word, and takes others with it. So what is large is asked for
//! first, by [`ask`]: parameters and caches by their sizes, a program by the compiler's plan ([`Compiled::memory`]). The answer is
//! an error that says what is needed, what is free, and what would fit.
//!
//! On the CPU the memory of programs is the host's. What is free of it is the least of what the machine has available, what
//! the limits of the process's cgroups (v1 and v2: containers, systemd) leave, and what `ulimit -v` and `ulimit -d` leave. The
//! environment variable `RAXLA_MEMORY_LIMIT` (`16GB`) says in their place how much this process may hold. On other platforms it
//! is what the devices tell. Where nothing is known, nothing is refused.
//!
//! [`Compiled::memory`]: crate::Compiled::memory
use crate::{
    aval::Aval,
    error::{Error, Result},
};
use raxla_xla::{Client, Code};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// The environment variable that says how much memory this process may hold.
pub const VARIABLE: &str = "RAXLA_MEMORY_LIMIT";

/// What is left to the rest of the process, and to the compiler.
const RESERVE: u64 = 64 << 20;

/// A program whose plan takes less than this is run without asking: asking takes some 0.1 ms, and filling this much more.
pub(crate) const WORTH_ASKING: u64 = 64 << 20;

/// Memory that can be had now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// Bytes.
    pub bytes: u64,
    /// What there would be no more than, even if all else ended: `the machine's 25.3 GB`.
    pub of: String,
}

/// Something needs more memory than there is.
#[derive(Clone, Debug)]
pub struct Shortage {
    /// What needs it: `loading llama-3-70b`.
    pub what: String,
    /// What for, and how many bytes each.
    pub parts: Vec<(String, u64)>,
    /// What there is.
    pub available: Available,
    /// What would fit.
    pub help: String,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Shortage { what, parts, available, help } = self;
        write!(f, "{what} needs {} of memory", show(total(parts)))?;
        if let [_, _, ..] = &parts[..] {
            let parts: Vec<String> = parts.iter().map(|(what, bytes)| format!("{what} {}", show(*bytes))).collect();
            write!(f, " ({})", parts.join(", "))?;
        }
        write!(f, ", and {} of {} are free\n  help: {help}", show(available.bytes), available.of)?;
        write!(f, "; if more may be used than that, say so in {VARIABLE} (as in {VARIABLE}=16GB)")
    }
}

fn total<S>(parts: &[(S, u64)]) -> u64 {
    parts.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
}

/// `8.3 GB`, `120 MB`: three digits, in powers of 1000.
pub fn show(bytes: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut x = bytes as f64;
    let mut unit = 0;
    while x >= 999.5 && unit + 1 < units.len() {
        (x, unit) = (x / 1e3, unit + 1);
    }
    let digits = if unit == 0 || x >= 99.95 { 0 } else { 1 };
    format!("{x:.digits$} {}", units[unit])
}

/// `5GB`, `500 MB`, `2GiB`, or bytes; `None` for what is no such size, for 0, and for one beyond 2^64.
pub fn parse(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("KIB", 1 << 10),
        ("MIB", 1 << 20),
        ("GIB", 1 << 30),
        ("TIB", 1 << 40),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("", 1),
    ];
    let upper = text.trim().to_uppercase();
    let parse = |(unit, bytes): (&str, u64)| upper.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(bytes);
    UNITS.into_iter().find_map(parse).filter(|n| *n > 0)
}

/// Bytes of a value of this type, which may be of any size.
pub fn bytes_of(aval: &Aval) -> u64 {
    let elements = aval.dims.iter().fold(1u64, |n, d| n.saturating_mul(*d as u64));
    if aval.dims.contains(&0) { 0 } else { elements.saturating_mul(aval.dtype.bytes_for(1) as u64) }
}

/// Is there as much memory as all of this needs on each of so many devices? `help` is asked for what would fit.
///
/// # Errors
/// [`Error::Memory`]; a `RAXLA_MEMORY_LIMIT` that is no size.
pub fn ask(
    client: &Client,
    devices: usize,
    what: &str,
    parts: &[(&str, u64)],
    help: impl FnOnce(&Available) -> String,
) -> Result<()> {
    let Some(available) = available(client)? else { return Ok(()) };
    // the devices of a CPU are one machine
    let times = if client.platform_name() == "cpu" { devices as u64 } else { 1 };
    let parts: Vec<(String, u64)> =
        parts.iter().map(|(part, bytes)| (part.to_string(), bytes.saturating_mul(times))).collect();
    if total(&parts) <= available.bytes {
        return Ok(());
    }
    let help = help(&available);
    Err(Error::Memory(Box::new(Shortage { what: what.into(), parts, available, help })))
}

/// What can be had now on each device of this client; `None` where that is not known.
///
/// # Errors
/// A `RAXLA_MEMORY_LIMIT` that is no size.
pub fn available(client: &Client) -> Result<Option<Available>> {
    if client.platform_name() == "cpu" {
        return host();
    }
    let of = |device: &raxla_xla::Device| {
        let usage = device.memory_usage().ok()?;
        let limit = u64::try_from(usage.limit?).ok()?;
        let bytes = limit.saturating_sub(u64::try_from(usage.in_use).unwrap_or(0));
        Some(Available { bytes, of: format!("the {} of {device}", show(limit)) })
    };
    Ok(client.devices().iter().filter_map(of).min_by_key(|a| a.bytes))
}

/// What can be had now of the host's memory; `None` where that is not known.
///
/// # Errors
/// A `RAXLA_MEMORY_LIMIT` that is no size.
pub fn host() -> Result<Option<Available>> {
    let proc = Path::new("/proc");
    let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else { return Ok(host_at(proc)) };
    let text = text.to_string_lossy();
    let limit = parse(&text).ok_or_else(|| {
        let wrong = raxla_xla::Error::new(Code::InvalidArgument, format!("{VARIABLE} is `{text}`, which is no size"));
        Error::Runtime(wrong.help("a size is a whole number of bytes, KB, MB, GB, KiB, MiB or GiB, as in 16GB"))
    })?;
    Ok(Some(Available { bytes: limit.saturating_sub(resident(proc)), of: format!("{} ({VARIABLE})", show(limit)) }))
}

/// Makes host memory have this length, with zeros where it grows.
///
/// # Errors
/// [`Error::Memory`] when the system refuses.
pub fn resize(memory: &mut Vec<u8>, bytes: usize, what: &str) -> Result<()> {
    let refused = |_| {
        let unknown = Available { bytes: 0, of: "what the system gives".into() };
        let available = host().ok().flatten().filter(|a| a.bytes < bytes as u64).unwrap_or(unknown);
        let parts = vec![(String::new(), bytes as u64)];
        Error::Memory(Box::new(Shortage { what: what.into(), parts, available, help: "free some memory".into() }))
    };
    memory.try_reserve_exact(bytes.saturating_sub(memory.len())).map_err(refused)?;
    memory.resize(bytes, 0);
    Ok(())
}

/// The number after `key` on a line of a file of the system, times 1024 where `kB` follows.
fn field(text: &str, key: &str) -> Option<u64> {
    let mut words = text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace();
    let n: u64 = words.next()?.parse().ok()?;
    Some(if words.next() == Some("kB") { n.saturating_mul(1024) } else { n })
}

/// Bytes that this process holds and that are no copies of files.
fn resident(proc: &Path) -> u64 {
    let status = fs::read_to_string(proc.join("self/status")).unwrap_or_default();
    field(&status, "RssAnon:").unwrap_or(0) + field(&status, "RssShmem:").unwrap_or(0)
}

/// The least of what the machine, the cgroups and the limits of the process leave, by the files in this folder.
fn host_at(proc: &Path) -> Option<Available> {
    let read = |name: &str| fs::read_to_string(proc.join(name)).unwrap_or_default();
    let (meminfo, status, limits) = (read("meminfo"), read("self/status"), read("self/limits"));
    let machine = field(&meminfo, "MemAvailable:").map(|bytes| {
        let all = field(&meminfo, "MemTotal:").unwrap_or(bytes);
        Available { bytes, of: format!("the machine's {}", show(all)) }
    });
    let limited = |(name, used, of): (&str, &str, &str)| {
        let (limit, used) = (field(&limits, name)?, field(&status, used).unwrap_or(0));
        Some(Available { bytes: limit.saturating_sub(used), of: format!("the {} of `{of}`", show(limit)) })
    };
    let process = [("Max address space", "VmSize:", "ulimit -v"), ("Max data size", "VmData:", "ulimit -d")];
    let all = machine.into_iter().chain(process.into_iter().filter_map(limited)).chain(cgroups(proc));
    let least = all.min_by_key(|a| a.bytes)?;
    Some(Available { bytes: least.bytes.saturating_sub(RESERVE), ..least })
}

/// What the process's cgroups leave, each and those around it.
fn cgroups(proc: &Path) -> Vec<Available> {
    let read = |name: &str| fs::read_to_string(proc.join(name)).unwrap_or_default();
    let (mounts, own) = (read("self/mountinfo"), read("self/cgroup"));
    // `5:memory:/a/b` in v1, `0::/a/b` in v2
    let path = |v2: bool| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let is = if v2 { number == "0" } else { controllers.split(',').any(|c| c == "memory") };
            is.then_some(path)
        })
    };
    let group = |line: &str| {
        // `32 31 0:32 /root /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`
        let (before, after) = line.split_once(" - ")?;
        let (mut before, mut after) = (before.split(' ').skip(3), after.split(' '));
        let (root, mount, kind) = (before.next()?, PathBuf::from(before.next()?), after.next()?);
        let v2 = kind == "cgroup2";
        if !v2 && (kind != "cgroup" || !after.nth(1)?.split(',').any(|c| c == "memory")) {
            return None;
        }
        // (in a container the path may be one of the host's, of which nothing is seen here but its root)
        let below = path(v2)?;
        let below = if root == "/" { Some(below) } else { below.strip_prefix(root) }.unwrap_or("");
        let below = below.trim_start_matches('/');
        let dir = if below.starts_with("..") { mount.clone() } else { mount.join(below) };
        Some(dir.ancestors().take_while(|dir| dir.starts_with(&mount)).filter_map(|dir| left_in(dir, v2)).collect())
    };
    mounts.lines().filter_map(group).flat_map(|all: Vec<Available>| all).collect()
}

/// What a cgroup leaves. Copies of files count as used, but go when memory is needed.
fn left_in(dir: &Path, v2: bool) -> Option<Available> {
    let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (limits, used, keys): (&[&str], _, _) = match v2 {
        true => (&["memory.max", "memory.high"], "memory.current", ["inactive_file ", "active_file "]),
        false => (&["memory.limit_in_bytes"], "memory.usage_in_bytes", ["total_inactive_file ", "total_active_file "]),
    };
    let limit = limits.iter().filter_map(|name| number(name)).min()?;
    let stat = read("memory.stat").unwrap_or_default();
    let files: u64 = keys.iter().filter_map(|key| field(&stat, key)).sum();
    let used = number(used)?.saturating_sub(files);
    Some(Available { bytes: limit.saturating_sub(used), of: format!("its cgroup's {}", show(limit)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A folder like /proc with these files, and one like /sys/fs/cgroup beside it.
    fn system(files: &[(&str, &str)]) -> PathBuf {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("raxla-memory-test-{}-{number}", std::process::id()));
        for (name, text) in files {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("HERE", dir.to_str().unwrap())).unwrap();
        }
        dir
    }
    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       16000000 kB\nMemAvailable:   8000000 kB\n");
    fn left(files: &[(&str, &str)]) -> Available {
        let dir = system(files);
        let found = host_at(&dir.join("proc"));
        fs::remove_dir_all(&dir).unwrap();
        found.unwrap()
    }

    #[test]
    fn the_least_of_all_limits_counts() {
        let machine = left(&[MEMINFO]);
        assert_eq!(machine.bytes, 8_000_000 * 1024 - RESERVE);
        assert_eq!(machine.of, "the machine's 16.4 GB");
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         2048000000           unlimited            bytes     \n";
        let status = ("proc/self/status", "VmSize:\t  1000000 kB\nVmData:\t 10 kB\n");
        let limited = left(&[MEMINFO, status, ("proc/self/limits", limits)]);
        assert_eq!(limited.bytes, 1_024_000_000 - RESERVE);
        assert_eq!(limited.of, "the 2.0 GB of `ulimit -v`");
        assert_eq!(host_at(Path::new("/no/such/folder")), None);
    }

    #[test]
    fn cgroups_of_both_kinds_and_those_around_them_count() {
        let v2 = [
            MEMINFO,
            ("proc/self/mountinfo", "30 23 0:26 / HERE/cg rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"),
            ("proc/self/cgroup", "0::/user.slice/app.scope\n"),
            ("cg/user.slice/memory.max", "3000000000\n"),
            ("cg/user.slice/memory.current", "1500000000\n"),
            ("cg/user.slice/memory.stat", "anon 9\nactive_file 100000000\ninactive_file 400000000\n"),
            ("cg/user.slice/app.scope/memory.max", "max\n"),
            ("cg/user.slice/app.scope/memory.high", "2600000000\n"),
            ("cg/user.slice/app.scope/memory.current", "100000000\n"),
        ];
        let found = left(&v2);
        assert_eq!((found.bytes, &*found.of), (2_000_000_000 - RESERVE, "its cgroup's 3.0 GB"));
        let inner = left(&[&v2[..], &[("cg/user.slice/app.scope/memory.max", "200000000\n")]].concat());
        assert_eq!((inner.bytes, &*inner.of), (100_000_000 - RESERVE, "its cgroup's 200 MB"));
        // a container: the mount is of the group itself, and the path that of the host
        let v1 = [
            MEMINFO,
            (
                "proc/self/mountinfo",
                "35 31 0:32 /docker/1f HERE/cg/memory ro - cgroup cgroup rw,memory\n36 31 0:33 / HERE/cg/cpu rw - cgroup cgroup rw,cpu\n",
            ),
            ("proc/self/cgroup", "4:cpu:/docker/1f\n3:memory:/docker/1f\n0::/\n"),
            ("cg/memory/memory.limit_in_bytes", "1000000000\n"),
            ("cg/memory/memory.usage_in_bytes", "300000000\n"),
            ("cg/memory/memory.stat", "inactive_file 0\ntotal_inactive_file 200000000\ntotal_active_file 0\n"),
        ];
        assert_eq!(left(&v1).bytes, 900_000_000 - RESERVE);
        let unlimited = [("cg/memory/memory.limit_in_bytes", "9223372036854771712\n")];
        assert_eq!(left(&[&v1[..], &unlimited].concat()).of, "the machine's 16.4 GB");
    }

    #[test]
    fn sizes_are_read_and_shown() {
        assert_eq!(parse("16GB"), Some(16_000_000_000));
        assert_eq!(parse(" 2 gib "), Some(2 << 30));
        assert_eq!(parse("12345"), Some(12345));
        for wrong in ["", "0", "-1", "5XB", "1.5GB", "99999999999TB"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        let shown = [0, 999, 1000, 8_310_000_000, 120_400_000, 999_999, u64::MAX].map(show);
        assert_eq!(shown, ["0 bytes", "999 bytes", "1.0 kB", "8.3 GB", "120 MB", "1.0 MB", "18.4 EB"]);
    }

    #[test]
    fn types_of_any_size_are_counted() {
        use crate::aval::DType::{F32, I4};
        assert_eq!(bytes_of(&Aval::new(F32, [3, 5])), 60);
        assert_eq!(bytes_of(&Aval::new(I4, [3, 5])), 15);
        assert_eq!(bytes_of(&Aval::new(F32, [1 << 40, 1 << 40])), u64::MAX);
        assert_eq!(bytes_of(&Aval::new(F32, [1 << 40, 1 << 40, 0])), 0);
    }

    #[test]
    fn a_shortage_says_all_of_it() {
        let shortage = Shortage {
            what: "loading x".into(),
            parts: vec![
                ("parameters in f32".into(), 32_000_000_000),
                ("one of them while it is read".into(), 2_000_000_000),
            ],
            available: Available { bytes: 7_000_000_000, of: "the machine's 16.4 GB".into() },
            help: "take a smaller model".into(),
        };
        let wanted = "loading x needs 34.0 GB of memory (parameters in f32 32.0 GB, one of them while it is read 2.0 GB), \
                      and 7.0 GB of the machine's 16.4 GB are free\n  help: take a smaller model; if more may be used than \
                      that, say so in RAXLA_MEMORY_LIMIT (as in RAXLA_MEMORY_LIMIT=16GB)";
        assert_eq!(shortage.to_string(), wanted);
    }
}
