//! Single downloads: with patience, retries, resumption, and a check of what arrived.

use super::{HubOptions, Repository};
use hf_hub::api::sync::{Api, ApiBuilder, ApiError, Metadata};
use hf_hub::api::{Progress as Observer, RepoInfo};
use hf_hub::{Cache, CacheRepo};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use raxla_xla::Progress;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Why a transfer did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server answered with this status.
    Status(u16),
    /// No answer, or one that broke off, for this reason.
    Unreachable(String),
    /// The connection stood still for so long.
    Silent(Duration),
    /// Not the bytes that were announced.
    Damaged(String),
    /// Another process holds this lock.
    Locked(PathBuf),
    /// The cache cannot be written.
    Disk(io::Error),
    /// The answer makes no sense.
    Other(String),
}

/// Downloads of one repository.
pub(super) struct Transfer<'a> {
    repository: &'a Repository,
    options: &'a HubOptions,
    api: Api,
    cache: Cache,
}

/// Tries for one file, as long as the failures look temporary.
const TRIES: u32 = 4;

impl<'a> Transfer<'a> {
    pub(super) fn new(repository: &'a Repository, options: &'a HubOptions) -> Result<Self, Failure> {
        let cache = Cache::new(options.cache.clone());
        let mut builder = ApiBuilder::from_cache(cache.clone()).with_token(options.token.clone()).with_progress(false);
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        let api = builder.build().map_err(failure)?;
        Ok(Transfer { repository, options, api, cache })
    }

    /// The repository's files and its commit.
    pub(super) fn listing(&self) -> Result<RepoInfo, Failure> {
        retry(|| {
            let repo = self.api.repo(self.repository.at(&self.repository.revision));
            self.patiently(Arc::default(), move || repo.info())
        })
    }

    /// The path of a file of `commit` in the cache, to which it is downloaded if it is not there.
    pub(super) fn file(&self, commit: &str, name: &str) -> Result<PathBuf, Failure> {
        let there = self.at(commit).pointer_path(commit).join(name);
        if there.is_file() { Ok(there) } else { retry(|| self.download(commit, name)) }
    }

    /// Notes that `commit` is complete, under the name that was asked for, and gives its folder.
    pub(super) fn finish(&self, commit: &str) -> io::Result<PathBuf> {
        self.at(&self.repository.revision).create_ref(commit)?;
        Ok(self.at(commit).pointer_path(commit))
    }

    fn at(&self, revision: &str) -> CacheRepo {
        self.cache.repo(self.repository.at(revision))
    }

    fn download(&self, commit: &str, name: &str) -> Result<PathBuf, Failure> {
        let url = self.api.repo(self.repository.at(commit)).url(name);
        let api = self.api.clone();
        let expected = self.patiently(Arc::default(), move || api.metadata(&url))?;
        let blob = self.at(commit).blob_path(expected.etag());
        // A rest that is as long as the file cannot be continued: the server has no byte to send.
        let rest = blob.with_extension("part");
        if fs::metadata(&rest).is_ok_and(|m| m.len() >= expected.size() as u64) {
            fs::remove_file(&rest).map_err(Failure::Disk)?;
        }
        let meter = Meter::new(name, expected.size() as u64, self.options.progress);
        let received = meter.received.clone();
        let repo = self.api.repo(self.repository.at(commit));
        let own_name = name.to_string();
        let path = self.patiently(received, move || repo.download_with_progress(&own_name, meter))?;
        if let Err(reason) = verify(&path, &expected) {
            // A damaged file must not be found in the cache.
            let removed = fs::remove_file(&path).and_then(|()| fs::remove_file(&blob));
            removed.map_err(Failure::Disk)?;
            return Err(Failure::Damaged(reason));
        }
        Ok(path)
    }

    /// Runs `work` on a thread of its own, since the client has no timeouts, and gives up on it when `received` stands
    /// still for the options' patience. A thread that was given up ends with its connection, or with the process.
    fn patiently<T: Send + 'static>(
        &self,
        received: Arc<AtomicU64>,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, Failure> {
        let (done, result) = channel();
        std::thread::spawn(move || done.send(work()));
        let patience = self.options.patience;
        let mut before = received.load(Ordering::Relaxed);
        loop {
            match result.recv_timeout(patience) {
                Ok(outcome) => return outcome.map_err(failure),
                Err(RecvTimeoutError::Disconnected) => return Err(Failure::Other("the client failed".to_string())),
                Err(RecvTimeoutError::Timeout) => {
                    let now = received.load(Ordering::Relaxed);
                    if now == before {
                        return Err(Failure::Silent(patience));
                    }
                    before = now;
                }
            }
        }
    }
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

/// The size must be the announced one, and large files are named by their sha256.
fn verify(path: &Path, expected: &Metadata) -> Result<(), String> {
    let size = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size != expected.size() as u64 {
        return Err(format!("{size} bytes instead of {}", expected.size()));
    }
    let etag = expected.etag();
    if etag.len() == 64 && etag.chars().all(|c| c.is_ascii_hexdigit()) {
        let mut hash = Sha256::new();
        let copied = fs::File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
        copied.map_err(|e| e.to_string())?;
        let hash: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        if hash != etag.to_ascii_lowercase() {
            return Err(format!("its sha256 is {hash} instead of {etag}"));
        }
    }
    Ok(())
}

fn failure(error: ApiError) -> Failure {
    match error {
        ApiError::RequestError(error) => match *error {
            ureq::Error::StatusCode(code) => Failure::Status(code),
            ureq::Error::BadUri(uri) => Failure::Other(format!("{uri} is no address")),
            other => Failure::Unreachable(other.to_string()),
        },
        ApiError::IoError(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::TimedOut => Failure::Unreachable(error.to_string()),
            // The client reports its own failures while reading as errors of this kind.
            io::ErrorKind::Other => Failure::Unreachable(error.to_string()),
            _ => Failure::Disk(error),
        },
        ApiError::InvalidResume => Failure::Damaged("more bytes came than were announced".to_string()),
        ApiError::LockAcquisition(path) => Failure::Locked(path),
        other => Failure::Other(other.to_string()),
    }
}

/// Counts what arrives and shows it.
struct Meter {
    received: Arc<AtomicU64>,
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
        Meter { received: Arc::default(), bar }
    }
}

impl Observer for Meter {
    fn init(&mut self, _: usize, _: &str) {}
    fn update(&mut self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.bar.inc(bytes as u64);
    }
    fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}
