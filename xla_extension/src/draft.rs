//! Files and folders in the making. A draft grows under a random hidden name beside the one it will get, so that readers see
//! all of it or nothing; and beside it lies a lock, which the system releases when the process ends, however it ends. So
//! whoever makes the next draft in the same folder finds what dead processes have left, and removes it.

use fs4::fs_std::FileExt;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    mem,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

const PART: &str = ".raxla-part";
const LOCK: &str = ".raxla-lock";

/// A file or folder in the making: see [`Draft::publish`]. Dropped, it is removed.
///
/// ```
/// use raxla_xla::Draft;
/// use std::io::Write;
/// # let place = tempfile::tempdir()?;
/// # let path = &place.path().join("numbers");
/// let (draft, mut file) = Draft::file(path)?;
/// file.write_all(b"1 2 3")?;
/// assert!(!path.exists());
/// draft.publish()?;
/// assert_eq!(std::fs::read(path)?, b"1 2 3");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Draft {
    target: PathBuf,
    /// Its path without [`PART`] or [`LOCK`].
    stem: PathBuf,
    part: PathBuf,
    _lock: File,
}

/// The stems of this process's drafts. Held while one is made, published or removed.
static OWN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn own() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Draft {
    /// A draft of a file, and the file, which is empty. Removes what ended processes have left in its folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(target: &Path) -> io::Result<(Draft, File)> {
        Draft::begin(target, |path| File::create_new(path))
    }

    /// A draft of a folder, which is empty. Removes what ended processes have left in the folder that it is in.
    ///
    /// # Errors
    /// What the system says.
    pub fn folder(target: &Path) -> io::Result<Draft> {
        Draft::begin(target, |path| fs::create_dir(path)).map(|(draft, ())| draft)
    }

    /// Writes a file whole, or not at all. What is no file, such as a pipe or a terminal, is written to.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
        if is_other(target) {
            return File::options().write(true).open(target)?.write_all(bytes);
        }
        let (draft, mut file) = Draft::file(target)?;
        file.write_all(bytes)?;
        draft.publish()
    }

    /// Can a file be written here? To be asked before what takes long.
    ///
    /// # Errors
    /// What the system says.
    pub fn check(target: &Path) -> io::Result<()> {
        match target.is_dir() || is_other(target) {
            true => File::options().write(true).open(target).map(drop),
            false => Draft::file(target).map(drop),
        }
    }

    /// Removes a file or a folder with all that is in it, so that a reader sees all of it or nothing: it becomes a draft, which
    /// goes away. What a process leaves that dies meanwhile is removed as an abandoned draft.
    ///
    /// # Errors
    /// What the system says; it is there as before then.
    pub fn discard(target: &Path) -> io::Result<()> {
        let (draft, ()) = Draft::begin(target, |part| fs::rename(target, part))?;
        let _ = draft.target.parent().map(sync_entry);
        Ok(())
    }

    fn begin<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Draft, T)> {
        if target.file_name().is_none() {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        // (a device would be replaced by a file)
        if is_other(target) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a folder"));
        }
        let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        remove_abandoned_drafts(folder);
        loop {
            let random = RandomState::new().build_hasher().finish();
            let stem = folder.join(format!(".{random:016x}"));
            let (part, lock_path) = (with(&stem, PART), with(&stem, LOCK));
            let mut own = own();
            let lock = match File::create_new(&lock_path) {
                Ok(lock) => lock,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e),
            };
            // Another process may have taken the new lock for an abandoned one. (Where locks do not work, nobody does.)
            if matches!(lock.try_lock_exclusive(), Ok(false)) || !lock_path.exists() {
                continue;
            }
            own.insert(stem.clone());
            match make(&part) {
                Ok(made) => return Ok((Draft { target: target.to_path_buf(), stem, part, _lock: lock }, made)),
                Err(e) => {
                    own.remove(&stem);
                    let _ = fs::remove_file(lock_path);
                    return Err(e);
                }
            }
        }
    }

    /// Where it grows.
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// Writes everything through to the disk and gives the draft its name. A file replaces the one of that name; a folder
    /// replaces an empty folder only.
    ///
    /// # Errors
    /// What the system says. The draft is removed then.
    pub fn publish(self) -> io::Result<()> {
        sync(&self.part)?;
        let folder = self.target.parent().map(Path::to_path_buf);
        self.publish_unsynced()?;
        // the name, too; not every file system can
        let _ = folder.map(|folder| sync_entry(&folder));
        Ok(())
    }

    /// As [`Draft::publish`], for what has a checksum: after a loss of power it may be there with wrong content.
    ///
    /// # Errors
    /// What the system says. The draft is removed then.
    pub fn publish_unsynced(self) -> io::Result<()> {
        // (from here on it is published or removed, but not both)
        let _own = own();
        fs::rename(&self.part, &self.target)
        // and what is dropped here finds no part any more
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let mut own = own();
        remove(&self.stem);
        own.remove(&self.stem);
    }
}

/// Is it there, and neither a file nor a folder, but a pipe, a device or the like?
fn is_other(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// Removes all drafts of this process, which has to end now: for handlers of signals. A thread that makes, publishes or drops
/// one from now on waits for ever.
pub fn abandon_drafts() {
    let own = own();
    for stem in own.iter() {
        // a thread may still be writing
        for _ in 0..50 {
            if remove(stem) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    mem::forget(own);
}

/// Removes the drafts in `folder` whose processes have ended.
pub fn remove_abandoned_drafts(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(LOCK)).filter(|stem| is_stem(stem));
        let (Some(stem), true) = (stem, entry.file_type().is_ok_and(|kind| kind.is_file())) else { continue };
        let Ok(lock) = File::options().write(true).open(entry.path()) else { continue };
        if matches!(lock.try_lock_exclusive(), Ok(true)) {
            remove(&folder.join(stem));
        }
    }
}

/// `.` and 16 hexadecimal digits.
fn is_stem(name: &str) -> bool {
    let digits = name.strip_prefix('.').unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn with(stem: &Path, suffix: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_os_string();
    path.push(suffix);
    path.into()
}

/// Whether nothing is left of a draft. The lock goes last, since it is what the rest is found by.
fn remove(stem: &Path) -> bool {
    let part = with(stem, PART);
    let removed = match fs::symlink_metadata(&part) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&part),
        Ok(_) => fs::remove_file(&part),
        Err(_) => Ok(()),
    };
    removed.is_ok() && fs::remove_file(with(stem, LOCK)).is_ok()
}

/// Writes a file through to the disk, or all files of a folder.
fn sync(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| sync(&entry?.path()))?;
        let _ = sync_entry(path);
        return Ok(());
    }
    sync_entry(path)
}

fn sync_entry(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_draft_is_seen_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let (file, folder) = (place.path().join("file"), place.path().join("folder"));
        fs::write(&file, "old").unwrap();
        let (draft, mut open) = Draft::file(&file).unwrap();
        let other = Draft::folder(&folder).unwrap();
        fs::create_dir(other.path().join("a")).unwrap();
        fs::write(other.path().join("a/b"), "b").unwrap();
        open.write_all(b"new").unwrap();
        assert_eq!((fs::read(&file).unwrap(), folder.exists()), (b"old".to_vec(), false));
        draft.publish().unwrap();
        other.publish().unwrap();
        assert_eq!((fs::read(&file).unwrap(), fs::read(folder.join("a/b")).unwrap()), (b"new".to_vec(), b"b".to_vec()));
        assert_eq!(names(place.path()), ["file", "folder"]);
        fs::create_dir(place.path().join("full")).unwrap();
        fs::write(place.path().join("full/x"), "x").unwrap();
        Draft::discard(&place.path().join("full")).unwrap();
        assert!(Draft::discard(&place.path().join("full")).is_err(), "it is gone");
        // what fails or is given up leaves nothing
        drop(Draft::folder(&place.path().join("more")).unwrap());
        assert!(Draft::folder(&folder).unwrap().publish().is_err(), "there is something in it");
        assert!(Draft::file(&folder).unwrap().0.publish().is_err());
        assert!(Draft::file(Path::new("/")).is_err() && Draft::file(&place.path().join("no/such")).is_err());
        assert_eq!(names(place.path()), ["file", "folder"]);
    }

    #[test]
    fn what_dead_processes_left_goes_and_what_is_alive_or_anothers_stays() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        // as a killed process leaves them: no lock is held
        for stem in [".00000000000000aa", ".00000000000000bb"] {
            fs::write(at(&format!("{stem}.raxla-lock")), "").unwrap();
        }
        fs::write(at(".00000000000000aa.raxla-part"), "half").unwrap();
        fs::create_dir(at(".00000000000000bb.raxla-part")).unwrap();
        fs::write(at(".00000000000000bb.raxla-part/half"), "").unwrap();
        let others = [".00000000000000cc.raxla-part", ".hidden.raxla-lock", "00000000000000dd.raxla-lock"];
        others.iter().for_each(|name| fs::write(at(name), "").unwrap());
        let alive = Draft::folder(&at("alive")).unwrap();
        let again = Draft::folder(&at("alive")).unwrap();
        assert!(alive.path().is_dir() && again.path().is_dir());
        let mut left = names(place.path());
        left.retain(|name| !name.contains(&*alive.stem.file_name().unwrap().to_string_lossy()));
        left.retain(|name| !name.contains(&*again.stem.file_name().unwrap().to_string_lossy()));
        assert_eq!(left, others);
        drop((alive, again));
        assert_eq!(names(place.path()), others);
    }
}
