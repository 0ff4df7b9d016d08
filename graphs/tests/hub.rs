//! The hub's client against a stand-in for the hub on this machine.

use raxla_graphs::hub::{HubOptions, Repository};
use raxla_graphs::source::Source;
use raxla_xla::Progress;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the stand-in serves, how it misbehaves, and what it was asked.
#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// Demand this token.
    token: Option<String>,
    /// Answer everything with this status.
    status: Option<u16>,
    /// Break off so many answers after so many bytes.
    break_off: Option<(usize, usize)>,
    /// Answer with whole files where a part was asked for.
    ignore_ranges: bool,
    /// Send these bytes instead of the file's, with the file's hash.
    corrupt: bool,
    /// Send the header and then nothing.
    stall: bool,
    /// It has stalled for as long as it does.
    stalled: bool,
    requests: Vec<String>,
}

struct Hub {
    state: Arc<Mutex<State>>,
    endpoint: String,
    cache: TempDir,
}

impl Hub {
    fn new(files: &[(&str, &[u8])]) -> Hub {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn options(&self) -> HubOptions {
        HubOptions {
            endpoint: Some(self.endpoint.clone()),
            cache: self.cache.path().join("hub"),
            token: None,
            offline: false,
            progress: Progress::Silent,
            patience: Duration::from_secs(20),
        }
    }

    fn fetch(&self, repository: &str) -> Result<std::path::PathBuf, String> {
        repository.parse::<Repository>().unwrap().fetch(&self.options()).map_err(|e| e.to_string())
    }

    /// Files in the cache that are parts of downloads.
    fn rests(&self) -> Vec<u64> {
        let blobs = self.options().cache.join("models--org--name/blobs");
        let parts = std::fs::read_dir(blobs)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.path().extension().is_some_and(|x| x == "part"));
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
        let refused = state.token.as_ref().is_some_and(|t| header("authorization: ") != Some(format!("bearer {t}")));
        let status = state.status.or(refused.then_some(401));
        if let Some(status) = status {
            write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        if path == "/api/models/org/name/revision/main" || path == format!("/api/models/org/name/revision/{COMMIT}") {
            let siblings: Vec<_> = state.files.keys().map(|f| serde_json::json!({ "rfilename": f })).collect();
            let body = serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok()?;
            continue;
        }
        let name = path.strip_prefix(&format!("/org/name/resolve/{COMMIT}/"));
        let Some(bytes) = name.and_then(|n| state.files.get(n)).cloned() else {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        };
        let start = if state.ignore_ranges && !probe { 0 } else { range.unwrap_or(0) };
        if start > 0 && start >= bytes.len() {
            write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        let etag: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        let mut body = if probe { &bytes[..1] } else { &bytes[start..] }.to_vec();
        if state.corrupt && !probe {
            body.iter_mut().for_each(|b| *b ^= 1);
        }
        let (first, last, all) = (start, (start + body.len()).saturating_sub(1), bytes.len());
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nETag: \"{etag}\"\r\nx-repo-commit: {COMMIT}\r\n\
             Content-Range: bytes {first}-{last}/{all}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .ok()?;
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
        stream.write_all(&body).ok()?;
    }
}

/// A safetensors file of one tensor of zeros.
fn checkpoint(bytes: usize) -> Vec<u8> {
    let header = format!(r#"{{"x":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[0,{bytes}]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; bytes]].concat()
}

const CONFIG: &[u8] = br#"{"model_type": "llama"}"#;

#[test]
fn all_parts_of_a_split_file_are_fetched() {
    let parts = ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"];
    for repository in ["hf:org/name", "hf:org/name/a-00002-of-00002.gguf"] {
        let repository = repository.strip_prefix("hf:").unwrap();
        let hub = Hub::new(&[(parts[0], b"GGUF"), (parts[1], b"GGUF"), ("tokenizer.model", b"m"), ("b.txt", b"t")]);
        let path = hub.fetch(repository).unwrap();
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap() };
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [parts[0], parts[1], "tokenizer.model"]);
        let offline = HubOptions { offline: true, ..hub.options() };
        let repository: Repository = repository.parse().unwrap();
        assert!(repository.cached(&offline).is_some());
        std::fs::remove_file(folder.join(parts[0])).unwrap();
        assert_eq!(repository.cached(&offline), None);
    }
}

#[test]
fn a_model_is_downloaded_once_and_then_found_offline() {
    let weights = checkpoint(1000);
    let hub = Hub::new(&[
        ("config.json", CONFIG),
        ("model.safetensors", &weights),
        ("README.md", b"#"),
        ("pytorch_model.bin", b"x"),
    ]);
    let source = Source::resolve("hf:org/name", &hub.options()).unwrap();
    assert!(source.path.ends_with(format!("models--org--name/snapshots/{COMMIT}")));
    let opened = source.weights().unwrap();
    assert_eq!(opened.info("x").unwrap().dims, [1000]);
    assert_eq!(source.config(&opened).unwrap().model_type, "llama");
    assert!(!source.path.join("README.md").exists() && !source.path.join("pytorch_model.bin").exists());

    // Again: only the listing is asked for.
    hub.state().requests.clear();
    assert_eq!(hub.fetch("org/name").unwrap(), source.path);
    assert_eq!(hub.state().requests, ["/api/models/org/name/revision/main"]);

    // Offline: nothing is.
    hub.state().requests.clear();
    let offline = HubOptions { offline: true, ..hub.options() };
    assert_eq!(Source::resolve("hf:org/name", &offline).unwrap().path, source.path);
    assert_eq!(hub.state().requests.len(), 0);
    let other = Source::resolve("hf:org/other", &offline).unwrap_err().to_string();
    assert!(
        other.contains("org/other")
            && other.contains("RAXLA_OFFLINE or HF_HUB_OFFLINE")
            && other.contains("is not, or not completely"),
        "{other}"
    );

    // Without a server: the copy will do, and without a copy the message says what to check.
    let gone = HubOptions { endpoint: Some("http://127.0.0.1:9".into()), ..hub.options() };
    assert_eq!(Source::resolve("hf:org/name", &gone).unwrap().path, source.path);
    let other = Source::resolve("hf:org/other", &gone).unwrap_err().to_string();
    assert!(other.contains("cannot be fetched") && other.contains("HF_ENDPOINT"), "{other}");
}

#[test]
fn shards_come_by_their_index_and_an_incomplete_copy_is_not_used() {
    let index = br#"{"weight_map": {"x": "model-00001-of-00001.safetensors"}}"#;
    let weights = checkpoint(10);
    let files: &[(&str, &[u8])] = &[
        ("config.json", CONFIG),
        ("model.safetensors.index.json", index),
        ("model-00001-of-00001.safetensors", &weights),
        ("model-extra.safetensors", &weights),
    ];
    let hub = Hub::new(files);
    let path = hub.fetch(&format!("org/name@{COMMIT}")).unwrap();
    assert!(path.join("model-00001-of-00001.safetensors").is_file() && !path.join("model-extra.safetensors").exists());
    let repository: Repository = format!("org/name@{COMMIT}").parse().unwrap();
    assert_eq!(repository.cached(&hub.options()), Some(path.clone()));
    std::fs::remove_file(path.join("model-00001-of-00001.safetensors")).unwrap();
    assert_eq!(repository.cached(&hub.options()), None);
}

#[test]
fn one_gguf_file_of_several_can_be_named() {
    let hub = Hub::new(&[("a.gguf", b"GGUF-a"), ("b.gguf", b"GGUF-b")]);
    let ambiguous = hub.fetch("org/name").unwrap_err();
    assert!(ambiguous.contains("several files of weights") && ambiguous.contains("hf:org/name/a.gguf"), "{ambiguous}");
    assert_eq!(std::fs::read(hub.fetch("org/name/b.gguf").unwrap()).unwrap(), b"GGUF-b");
    assert!(hub.fetch("org/name/c.gguf").unwrap_err().contains("has no file \"c.gguf\""));
    hub.state().files = BTreeMap::from([("tf_model.h5".to_string(), vec![0])]);
    let error = hub.fetch("org/name").unwrap_err();
    assert!(error.contains("no weights that raxla reads") && error.contains("safetensors, GGUF"), "{error}");
}

#[test]
fn pytorch_files_come_where_there_is_nothing_else() {
    let index = br#"{"weight_map": {"x": "pytorch_model-00001-of-00001.bin"}}"#;
    let shard: (&str, &[u8]) = ("pytorch_model-00001-of-00001.bin", b"PK");
    let files = [("config.json", CONFIG), ("pytorch_model.bin.index.json", index), shard, ("training_args.bin", b"PK")];
    let hub = Hub::new(&files);
    let path = hub.fetch("org/name").unwrap();
    assert!(path.join(shard.0).is_file() && !path.join("training_args.bin").exists());
    let cached = || "org/name".parse::<Repository>().unwrap().cached(&hub.options());
    assert_eq!(cached(), Some(path.clone()));
    std::fs::remove_file(path.join(shard.0)).unwrap();
    assert_eq!(cached(), None);

    let hub = Hub::new(&[("pytorch_model.bin", b"PK"), ("optimizer.bin", b"PK"), ("README.md", b"#")]);
    assert!(hub.fetch("org/name").unwrap().join("pytorch_model.bin").is_file());
}

#[test]
fn refusals_name_the_remedy() {
    let hub = Hub::new(&[("config.json", CONFIG), ("model.safetensors", &checkpoint(10))]);
    let unknown = hub.fetch("org/nothing").unwrap_err();
    assert!(
        unknown.contains("org/nothing") && unknown.contains("404") && unknown.contains("check the name"),
        "{unknown}"
    );
    assert!(hub.fetch("org/name@v9").unwrap_err().contains("revision v9"));
    hub.state().token = Some("secret".into());
    let gated = hub.fetch("org/name").unwrap_err();
    assert!(gated.contains("no such repository, or that it is gated") && gated.contains("HF_TOKEN"), "{gated}");
    let with = |token: &str| HubOptions { token: Some(token.into()), ..hub.options() };
    let wrong = Source::resolve("hf:org/name", &with("other")).unwrap_err().to_string();
    assert!(wrong.contains("does the account of your token have access"), "{wrong}");
    assert!(Source::resolve("hf:org/name", &with("secret")).is_ok());
    for (status, text) in [(403, "refuses access"), (418, "status 418")] {
        hub.state().status = Some(status);
        assert!(hub.fetch("org/name").unwrap_err().contains(text));
    }
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let weights = checkpoint(300_000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    // Within one call: the connection breaks twice.
    hub.state().break_off = Some((2, 100_000));
    let path = hub.fetch("org/name").unwrap().join("model.safetensors");
    assert_eq!(std::fs::read(&path).unwrap(), weights);
    assert_eq!(hub.rests(), [0u64; 0]);

    // Across calls: more breaks than a call tolerates leave a rest, and nothing that looks like the file.
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    hub.state().break_off = Some((usize::MAX, 10_000));
    let error = hub.fetch("org/name").unwrap_err();
    assert!(
        error.contains("model.safetensors cannot be fetched") && error.contains("run the command again"),
        "{error}"
    );
    assert_eq!(hub.rests(), [40_000]);
    let repository: Repository = "org/name".parse().unwrap();
    assert_eq!(repository.cached(&hub.options()), None);
    hub.state().break_off = None;
    let path = hub.fetch("org/name").unwrap().join("model.safetensors");
    assert_eq!(std::fs::read(&path).unwrap(), weights);
}

#[test]
fn what_arrives_damaged_is_not_kept() {
    let weights = checkpoint(2000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    hub.state().corrupt = true;
    let error = hub.fetch("org/name").unwrap_err();
    assert!(error.contains("arrived damaged: its sha256 is"), "{error}");
    let repository: Repository = "org/name".parse().unwrap();
    assert_eq!(repository.cached(&hub.options()), None);
    hub.state().corrupt = false;
    let path = hub.fetch("org/name").unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), weights);
}

#[test]
fn a_server_that_ignores_ranges_cannot_lengthen_a_file() {
    let weights = checkpoint(50_000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    hub.state().ignore_ranges = true;
    hub.state().break_off = Some((1, 20_000));
    let path = hub.fetch("org/name").unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), weights);
}

#[test]
fn a_rest_of_full_length_is_taken_up() {
    let weights = checkpoint(2000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    hub.state().break_off = Some((usize::MAX, 100));
    hub.fetch("org/name").unwrap_err();
    hub.state().break_off = None;
    let blobs = hub.options().cache.join("models--org--name/blobs");
    let rest = std::fs::read_dir(&blobs)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|x| x == "part"));
    std::fs::write(rest.unwrap(), &weights).unwrap();
    assert_eq!(std::fs::read(hub.fetch("org/name").unwrap().join("model.safetensors")).unwrap(), weights);
}

#[test]
fn silence_ends_the_wait() {
    let hub = Hub::new(&[("model.safetensors", &checkpoint(10))]);
    hub.state().stall = true;
    let options = HubOptions { patience: Duration::from_millis(300), ..hub.options() };
    let error = Source::resolve("hf:org/name", &options).unwrap_err().to_string();
    assert!(error.contains("nothing came for") && error.contains("HF_HUB_DOWNLOAD_TIMEOUT"), "{error}");
    assert!(!hub.state().stalled, "the server went on before the client gave up");
}

#[test]
fn names_from_the_server_cannot_leave_the_cache() {
    let index = br#"{"weight_map": {"x": "../../../../evil.safetensors"}}"#;
    let hub = Hub::new(&[("model.safetensors.index.json", index), ("../evil.safetensors", b"x")]);
    assert!(hub.fetch("org/name").unwrap_err().contains("is not a file name"));
    assert!(!Path::new(&hub.cache.path().join("evil.safetensors")).exists());
}
