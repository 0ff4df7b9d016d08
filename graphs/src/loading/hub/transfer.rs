//! Downloads into the cache: with retries, resumption, and a check of what arrived.
//!
//! The cache has the layout of Hugging Face's own tools: `blobs` has the files under the names that the server gives their
//! contents (a sha256, for large ones), `snapshots/COMMIT` links to them by their own names, `refs` says which commit a branch
//! is. The server is not trusted: a name is a plain name, a file has as many bytes as were announced and no more, and is
//! checked before it gets its name. Whoever downloads holds the lock that those tools take too.

use super::web::{Answer, Failure, Web, content_range, escaped, text};
use super::{HubOptions, Repository};
use fs4::fs_std::FileExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use raxla_xla::{Draft, Progress};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most bytes of a list of files.
const LISTING: u64 = 32 << 20;

/// Tries for one file, as long as the failures look temporary.
const TRIES: u32 = 4;

/// The files of a repository at a revision.
#[derive(Deserialize)]
pub(super) struct Listing {
    #[serde(rename = "sha")]
    pub(super) commit: String,
    #[serde(rename = "siblings")]
    pub(super) files: Vec<Listed>,
}

/// A file that a repository has.
#[derive(Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "rfilename")]
    pub(super) name: String,
    /// Its bytes, if the server says so.
    pub(super) size: Option<u64>,
}

/// Downloads of one repository.
pub(super) struct Transfer<'a> {
    repository: &'a Repository,
    options: &'a HubOptions,
    web: Web,
    cache: &'a Path,
}

/// What the server says that a file is.
struct Announced {
    /// The name of its content: a plain name.
    etag: String,
    size: u64,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(repository: &'a Repository, options: &'a HubOptions, cache: &'a Path) -> Self {
        Transfer { repository, options, web: Web::new(options), cache }
    }

    /// The repository's files and its commit.
    pub(super) fn listing(&self) -> Result<Listing, Failure> {
        let revision = escaped(&self.repository.revision);
        let path = format!("api/models/{}/revision/{revision}?blobs=true", self.repository.name);
        let listing: Listing = retry(|| {
            let mut body = self.web.get(&path, None)?.response.into_body();
            let mut json = vec![];
            let read = body.as_reader().take(LISTING + 1).read_to_end(&mut json);
            read.map_err(|e| self.web.failure(e))?;
            if json.len() as u64 > LISTING {
                return Err(Failure::Other(format!("it has more than {LISTING} bytes")));
            }
            serde_json::from_slice(&json).map_err(|e| Failure::Other(format!("it is no list of files: {e}")))
        })?;
        let wanted = &self.repository.revision;
        match &listing.commit {
            other if !is_commit(other) => {
                Err(Failure::Other(format!("the hub names the commit {other:?}, which is none")))
            }
            other if is_commit(wanted) && wanted.len() >= 40 && other != wanted => {
                Err(Failure::Other(format!("the hub has the commit {other} in its place")))
            }
            _ => Ok(listing),
        }
    }

    /// The path of a file of `commit` in the cache, to which it is downloaded if it is not there with all its bytes.
    pub(super) fn file(&self, commit: &str, file: &Listed) -> Result<PathBuf, Failure> {
        let path = self.repository.snapshot(self.cache, commit).join(&file.name);
        if let Some(there) = fs::metadata(&path).ok().filter(|m| m.is_file()) {
            match file.size {
                Some(size) if size != there.len() => {
                    tracing::warn!("{} has {} bytes, not {size}; it is fetched again", path.display(), there.len())
                }
                _ => return Ok(path),
            }
        }
        retry(|| self.download(commit, &file.name, &path))?;
        Ok(path)
    }

    /// Notes that `commit` is complete, under the name that was asked for, and gives its folder.
    pub(super) fn finish(&self, commit: &str) -> io::Result<PathBuf> {
        if self.repository.revision != commit {
            let path = self.repository.reference(self.cache);
            fs::create_dir_all(path.parent().unwrap_or(self.cache))?;
            if self.repository.commit(self.cache).as_deref() != Some(commit) {
                Draft::write(&path, commit.as_bytes())?;
            }
        }
        Ok(self.repository.snapshot(self.cache, commit))
    }

    fn download(&self, commit: &str, name: &str, path: &Path) -> Result<(), Failure> {
        let remote = format!("{}/resolve/{commit}/{}", self.repository.name, escaped(name));
        let announced = self.announced(&remote, commit)?;
        let blobs = self.repository.folder(self.cache).join("blobs");
        fs::create_dir_all(&blobs).map_err(Failure::Disk)?;
        let _lock = self.lock(&announced.etag, name).map_err(Failure::Disk)?;
        let blob = blobs.join(&announced.etag);
        // (another process may have fetched it while this one waited; one that is there may be damaged)
        if verify(&blob, &announced).is_err() {
            let part = blobs.join(format!("{}.part", announced.etag));
            self.receive(&remote, name, &announced, &part)?;
            if let Err(reason) = verify(&part, &announced) {
                fs::remove_file(&part).map_err(Failure::Disk)?;
                return Err(Failure::Damaged(reason));
            }
            fs::rename(&part, &blob).map_err(Failure::Disk)?;
        }
        link(&blob, path).map_err(Failure::Disk)
    }

    /// Asks for one byte, since the answer says everything about the others too.
    fn announced(&self, remote: &str, commit: &str) -> Result<Announced, Failure> {
        let Answer { of_hub, response } = match self.web.get(remote, Some("bytes=0-0")) {
            // an empty file has no first byte
            Err(Failure::Status(416)) => self.web.get(remote, None)?,
            answer => answer?,
        };
        let bad = |what: String| Failure::Other(format!("the hub's answer {what}"));
        if let Some(other) = text(&of_hub, "x-repo-commit").filter(|other| *other != commit) {
            return Err(bad(format!("is about the commit {other:?}")));
        }
        let etag = ["x-linked-etag", "etag"].iter().find_map(|name| text(&of_hub, name));
        let etag = etag.ok_or_else(|| bad("does not name the content (ETag)".into()))?;
        let name = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
        if !is_content_name(name) {
            return Err(bad(format!("names the content {etag:?} (ETag), which is no name")));
        }
        // (of a part, the length says nothing)
        let whole = response.status() == 200;
        let length = || text(response.headers(), "content-length").filter(|_| whole)?.parse().ok();
        let size = content_range(response.headers()).map(|(_, all)| all).or_else(length);
        let size = size.ok_or_else(|| bad("does not say how many bytes there are".into()))?;
        Ok(Announced { etag: name.to_string(), size })
    }

    /// The right to download what has this name. Waits for another process that has it.
    fn lock(&self, etag: &str, name: &str) -> io::Result<File> {
        let folder = self.cache.join(".locks").join(self.repository.folder_name());
        fs::create_dir_all(&folder)?;
        let lock = File::options().create(true).append(true).open(folder.join(format!("{etag}.lock")))?;
        // (where the file system has no locks, the check of what arrived must do)
        if let Ok(false) = lock.try_lock_exclusive() {
            if self.options.progress == Progress::Stderr {
                let _ = writeln!(io::stderr(), "another process is fetching {name}; waiting for it");
            }
            lock.lock_exclusive()?;
        }
        Ok(lock)
    }

    /// Goes on with what there is of the file in `part`, until it has as many bytes as were announced.
    fn receive(&self, remote: &str, name: &str, announced: &Announced, part: &Path) -> Result<(), Failure> {
        let size = announced.size;
        let mut have = match fs::symlink_metadata(part) {
            Ok(m) if m.is_file() && m.len() <= size => m.len(),
            Ok(_) => fs::remove_file(part).map(|()| 0).map_err(Failure::Disk)?,
            Err(_) => 0,
        };
        if have == size && size > 0 {
            return Ok(());
        }
        enough_space(part, size - have)?;
        let answer = match self.web.get(remote, (have > 0).then(|| format!("bytes={have}-")).as_deref()) {
            Err(Failure::Status(416)) => return Err(discard(part, format!("the server has no byte {have}"))),
            answer => answer?.response,
        };
        match content_range(answer.headers()) {
            Some((_, all)) if all != size => return Err(discard(part, format!("{all} bytes instead of {size}"))),
            Some((first, _)) if first == have => {}
            Some((0, _)) | None => have = 0,
            Some((first, _)) => return Err(discard(part, format!("byte {first} came instead of byte {have}"))),
        }
        let meter = Meter::new(name, size, self.options.progress);
        meter.bar.set_position(have);
        let file = File::options().create(true).append(true).open(part).and_then(|f| f.set_len(have).map(|()| f));
        let mut file = file.map_err(Failure::Disk)?;
        let (mut body, mut chunk) = (answer.into_body().into_reader(), vec![0; 1 << 18]);
        loop {
            let n = body.read(&mut chunk).map_err(|e| self.web.failure(e))?;
            if n as u64 > size - have {
                return Err(discard(part, format!("more than the {size} bytes that were announced")));
            }
            if n == 0 {
                break;
            }
            file.write_all(&chunk[..n]).map_err(Failure::Disk)?;
            have += n as u64;
            meter.bar.inc(n as u64);
        }
        if have < size {
            return Err(Failure::Unreachable(format!("it broke off after {have} of {size} bytes")));
        }
        file.sync_all().map_err(Failure::Disk)
    }
}

/// What cannot be continued is begun again.
fn discard(part: &Path, reason: String) -> Failure {
    match fs::remove_file(part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Failure::Disk(e),
        _ => Failure::Damaged(reason),
    }
}

fn enough_space(part: &Path, bytes: u64) -> Result<(), Failure> {
    // (a file system that does not say is tried)
    let free = fs4::available_space(part.parent().unwrap_or(part)).unwrap_or(u64::MAX);
    if bytes <= free {
        return Ok(());
    }
    let what = format!("it needs {:.3} GB, and {:.3} GB are free", bytes as f64 / 1e9, free as f64 / 1e9);
    Err(Failure::Disk(io::Error::new(io::ErrorKind::StorageFull, what)))
}

fn retry<T>(attempt: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        match attempt() {
            Err(Failure::Unreachable(_) | Failure::Damaged(_) | Failure::Status(429 | 500..)) if tries < TRIES => {
                std::thread::sleep(Duration::from_millis(100 << tries));
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Hexadecimal, as long as an abbreviated sha1 or as a sha256.
pub(super) fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What may be the name of a file in `blobs`, with anything behind it.
fn is_content_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// The size must be the announced one, and large files are named by their sha256.
fn verify(path: &Path, announced: &Announced) -> Result<(), String> {
    let there = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !there.is_file() || there.len() != announced.size {
        return Err(format!("{} bytes instead of {}", there.len(), announced.size));
    }
    let etag = &announced.etag;
    if etag.len() == 64 && etag.bytes().all(|b| b.is_ascii_hexdigit()) {
        let mut hash = Sha256::new();
        let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
        copied.map_err(|e| e.to_string())?;
        let hash: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        if hash != etag.to_ascii_lowercase() {
            return Err(format!("its sha256 is {hash} instead of {etag}"));
        }
    }
    Ok(())
}

/// Makes `path`, three folders beside the blobs, a link to `blob`.
fn link(blob: &Path, path: &Path) -> io::Result<()> {
    if path.canonicalize().is_ok_and(|at| blob.canonicalize().is_ok_and(|blob| at == blob)) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let name = blob.file_name().unwrap_or_default();
    // (made under another name first, so that it replaces what may be there; two files may have one content)
    let draft = folder.join(format!(".{}.link", path.file_name().unwrap_or_default().to_string_lossy()));
    let _ = fs::remove_file(&draft);
    #[cfg(unix)]
    std::os::unix::fs::symlink(Path::new("../../blobs").join(name), &draft)?;
    #[cfg(not(unix))]
    fs::copy(folder.join("../../blobs").join(name), &draft)?;
    fs::rename(&draft, path)
}

/// Shows what arrives.
struct Meter {
    bar: ProgressBar,
}

impl Meter {
    fn new(name: &str, size: u64, progress: Progress) -> Meter {
        let visible = progress == Progress::Stderr;
        let terminal = io::stderr().is_terminal();
        let target = if visible && terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        if visible && !terminal {
            // a closed stderr must not end the download
            let _ = writeln!(io::stderr(), "fetching {name} ({:.1} MB)", size as f64 / 1e6);
        }
        let bar = ProgressBar::with_draw_target(Some(size), target).with_message(name.to_string());
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        Meter { bar }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
