//! A stand-in for the hub, which can misbehave.

use raxla_graphs::hub::{HubOptions, Repository};
use raxla_xla::Progress;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

pub const CONFIG: &[u8] = br#"{"model_type": "llama"}"#;

/// What the stand-in serves, how it misbehaves, and what it was asked.
#[derive(Default)]
pub struct State {
    pub files: BTreeMap<String, Vec<u8>>,
    /// Demand this token.
    pub token: Option<String>,
    /// Answer everything with this status.
    pub status: Option<u16>,
    /// Break off so many answers after so many bytes.
    pub break_off: Option<(usize, usize)>,
    /// Answer with whole files where a part was asked for.
    pub ignore_ranges: bool,
    /// Send these bytes instead of the file's, with the file's hash.
    pub corrupt: bool,
    /// Send the header and then nothing.
    pub stall: bool,
    /// It has stalled for as long as it does.
    pub stalled: bool,
    /// Wait before each file.
    pub delay: Duration,
    /// The list of files, instead of the true one.
    pub listing: Option<String>,
    /// Headers of files, instead of the true ones.
    pub headers: BTreeMap<&'static str, String>,
    /// Send zeros behind a file, without end.
    pub endless: bool,
    /// Send requests for files on to this server.
    pub redirect: Option<String>,
    pub requests: Vec<String>,
    /// Files that it has sent, or begun to.
    pub sent: usize,
    /// What requests have shown to be let in.
    pub tokens: Vec<Option<String>>,
}

pub struct Hub {
    state: Arc<Mutex<State>>,
    pub endpoint: String,
    pub cache: TempDir,
}

impl Hub {
    pub fn new(files: &[(&str, &[u8])]) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        state.lock().unwrap().files = files.iter().map(|(name, bytes)| (name.to_string(), bytes.to_vec())).collect();
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Hub { state, endpoint, cache: tempfile::tempdir().unwrap() }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn options(&self) -> HubOptions {
        HubOptions {
            endpoint: Some(self.endpoint.clone()),
            cache: Some(self.cache.path().join("hub")),
            token: None,
            offline: false,
            progress: Progress::Silent,
            patience: Duration::from_secs(20),
        }
    }

    pub fn fetch(&self, repository: &str) -> Result<PathBuf, String> {
        repository.parse::<Repository>().unwrap().fetch(&self.options()).map_err(|e| e.to_string())
    }

    /// The repository's folder in the cache.
    pub fn folder(&self) -> PathBuf {
        self.cache.path().join("hub/models--org--name")
    }

    /// Files in the cache that are parts of downloads.
    pub fn rests(&self) -> Vec<u64> {
        let blobs = std::fs::read_dir(self.folder().join("blobs"));
        let parts = blobs.into_iter().flatten().flatten().filter(|e| e.path().extension().is_some_and(|x| x == "part"));
        parts.map(|e| e.metadata().unwrap().len()).collect()
    }
}

/// Answers the requests of one connection, like the hub as far as its client can tell.
fn serve(mut stream: TcpStream, locked: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_string()),
            }
        }
        let path = lines[0].split(' ').nth(1)?.to_string();
        let header =
            |name: &str| lines.iter().find_map(|l| l.to_ascii_lowercase().strip_prefix(name).map(str::to_string));
        let range: Option<usize> = header("range: bytes=").and_then(|r| r.split('-').next()?.parse().ok());
        let probe = header("range: bytes=").is_some_and(|r| r == "0-0");
        let mut state = locked.lock().unwrap();
        state.requests.push(path.clone());
        state.tokens.push(header("authorization: "));
        let refused = state.token.as_ref().is_some_and(|t| header("authorization: ") != Some(format!("bearer {t}")));
        let status = state.status.or(refused.then_some(401));
        if let Some(status) = status {
            write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        let revision = path.strip_prefix("/api/models/org/name/revision/").and_then(|p| p.strip_suffix("?blobs=true"));
        if revision == Some("main") || revision == Some(COMMIT) {
            let listed =
                |(name, bytes): (&String, &Vec<u8>)| serde_json::json!({ "rfilename": name, "size": bytes.len() });
            let siblings: Vec<_> = state.files.iter().map(listed).collect();
            let body = serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string();
            let body = state.listing.clone().unwrap_or(body);
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok()?;
            continue;
        }
        let name = path.strip_prefix(&format!("/org/name/resolve/{COMMIT}/"));
        let Some(bytes) = name.and_then(|n| state.files.get(n)).cloned() else {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        };
        let start = if state.ignore_ranges && !probe { 0 } else { range.unwrap_or(0) };
        let etag: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        if let Some(server) = &state.redirect {
            let there = format!("Location: {server}{path}\r\nX-Linked-Etag: \"{etag}\"\r\nETag: \"a-redirect\"");
            write!(stream, "HTTP/1.1 302 Found\r\n{there}\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        if start >= bytes.len() {
            write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        let mut body = if probe { &bytes[..1] } else { &bytes[start..] }.to_vec();
        if state.corrupt && !probe {
            body.iter_mut().for_each(|b| *b ^= 1);
        }
        let (first, last, all) = (start, (start + body.len()).saturating_sub(1), bytes.len());
        let mut headers = BTreeMap::from([
            ("ETag", format!("\"{etag}\"")),
            ("X-Repo-Commit", COMMIT.to_string()),
            ("Content-Range", format!("bytes {first}-{last}/{all}")),
        ]);
        state.sent += usize::from(!probe);
        let endless = state.endless && !probe;
        if !endless {
            headers.insert("Content-Length", body.len().to_string());
        }
        headers.extend(state.headers.clone());
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(stream, "HTTP/1.1 206 Partial Content\r\n{headers}\r\n").ok()?;
        if state.stall && !probe {
            drop(state);
            std::thread::sleep(Duration::from_secs(6));
            locked.lock().unwrap().stalled = true;
            return None;
        }
        if let Some((times @ 1.., after)) = state.break_off.filter(|(_, after)| !probe && body.len() > *after) {
            state.break_off = Some((times - 1, after));
            stream.write_all(&body[..after]).ok()?;
            return None;
        }
        let delay = state.delay;
        drop(state);
        if !probe {
            std::thread::sleep(delay);
        }
        stream.write_all(&body).ok()?;
        if endless {
            loop {
                stream.write_all(&[0; 1 << 16]).ok()?;
            }
        }
    }
}

/// A safetensors file of one tensor of zeros.
pub fn checkpoint(bytes: usize) -> Vec<u8> {
    let header = format!(r#"{{"x":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[0,{bytes}]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; bytes]].concat()
}
