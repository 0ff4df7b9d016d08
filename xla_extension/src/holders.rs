//! Which processes hold a device: a TPU can be used by one at a time, and a GPU's memory is often taken as a whole.

use std::{fmt, fs, path::Path, process};

/// A process that has a device open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its program's name.
    pub name: String,
    /// The device's file.
    pub device: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({}), which has {} open", self.pid, self.name, self.device)
    }
}

/// The other processes that have a device open on which a plugin of this kind runs, each once, as far as this user may see.
pub fn holders(kind: &str) -> Vec<Holder> {
    holders_in(Path::new("/proc"), kind, process::id())
}

/// Is this the file of a device that a plugin of this kind uses?
fn is_device(kind: &str, file: &str) -> bool {
    let numbered = |prefix: &str| {
        file.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match kind {
        "tpu" => numbered("/dev/accel") || numbered("/dev/vfio/"),
        "cuda" | "cuda12" | "cuda13" => numbered("/dev/nvidia"),
        _ => false,
    }
}

fn holders_in(proc: &Path, kind: &str, own: u32) -> Vec<Holder> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let one = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok().filter(|pid| *pid != own)?;
        let links = entries(&entry.path().join("fd")).filter_map(|fd| fs::read_link(fd.path()).ok());
        let device = links.map(|to| to.to_string_lossy().into_owned()).find(|file| is_device(kind, file))?;
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim().to_string();
        Some(Holder { pid, name, device })
    };
    let mut found: Vec<Holder> = entries(proc).filter_map(one).collect();
    found.sort_by_key(|holder| holder.pid);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn who_has_a_device_open_is_named() {
        let proc = tempfile::tempdir().unwrap();
        for (pid, name, file) in [
            (7, "train", "/dev/accel0"),
            (8, "self", "/dev/accel0"),
            (9, "vfio", "/dev/vfio/vfio"),
            (10, "python3", "/dev/vfio/3"),
            (11, "gpu", "/dev/nvidia0"),
            (12, "smi", "/dev/nvidiactl"),
        ] {
            let folder = proc.path().join(format!("{pid}/fd"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(proc.path().join(format!("{pid}/comm")), format!("{name}\n")).unwrap();
            symlink("/dev/null", folder.join("0")).unwrap();
            symlink(file, folder.join("5")).unwrap();
        }
        let shown = |kind: &str| holders_in(proc.path(), kind, 8).iter().map(Holder::to_string).collect::<Vec<_>>();
        let (train, python) =
            ("process 7 (train), which has /dev/accel0 open", "process 10 (python3), which has /dev/vfio/3 open");
        assert_eq!(shown("tpu"), [train, python]);
        assert_eq!(shown("cuda13"), ["process 11 (gpu), which has /dev/nvidia0 open"]);
        assert!(shown("cpu").is_empty());
    }
}
