//! Readers that go away, and processes that are ended in the middle.
#![cfg(unix)]

use crate::common::*;
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let model = speaker();
    let mut generate = raxla(["generate", "-n", "40", "--ignore-eos", "Hi", "--model"]);
    generate.arg(model.path());
    let mut hlo = raxla(["hlo", "--stage", "graph", "--model"]);
    hlo.arg(model.path());
    for command in [&mut generate, &mut hlo] {
        let mut child = command.spawn().unwrap();
        // (at once: a small model is done sooner than a reader has read)
        drop(child.stdout.take());
        let outcome: Outcome = child.wait_with_output().unwrap().into();
        assert_eq!(outcome.code, Some(0));
        assert!(outcome.stderr.lines().all(|line| line.starts_with("note: ")), "{}", outcome.stderr);
    }
}

/// As `2>&1 | head`: messages that nobody reads must not end a command.
#[test]
fn a_closed_standard_error_does_not_matter() {
    let model = speaker();
    let mut child = raxla(["generate", "-n", "4", "Hi", "--model"]).arg(model.path()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    let mut child = raxla(["generate", "Hi", "--model", "/no/such/model"]).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
}

/// What Ctrl-C does. Gives the signal that ended the process.
fn interrupt(mut child: Child) -> Option<i32> {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    child.wait().unwrap().signal()
}
const INTERRUPTED: Option<i32> = Some(2);

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| if e.path().is_dir() { bytes_below(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}

#[test]
fn an_interrupted_installation_leaves_nothing_and_can_be_repeated() {
    let place = tempfile::tempdir().unwrap();
    let (home, pip, wheel) = (place.path().join("home"), place.path().join("pip"), place.path().join("served.whl"));
    let stub = |body: &str| {
        fs::write(
            &pip,
            format!("#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n{body}\n"),
        )
        .unwrap();
        fs::set_permissions(&pip, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let install = || {
        let mut command = raxla(["plugin", "install", "cpu"]);
        command.env("RAXLA_HOME", &home).env("RAXLA_PIP", &pip);
        command
    };
    // half a wheel, then silence; the child of a killed process must not stay for ever either
    stub("head -c 100000 /dev/zero > \"$dest/some.whl\"; exec sleep 5");
    let child = install().spawn().unwrap();
    wait_for("the download", || bytes_below(&home.join("tmp")) >= 100_000);
    assert_eq!(interrupt(child), INTERRUPTED);
    assert_eq!(bytes_below(&home.join("plugins")), 0, "nothing half-written has the plugin's name");
    assert_eq!(first_choice(&home)["state"], "not installed");
    // the wheel, whole
    let library = succeeds(unnamed(&mut raxla(["plugin", "path"])));
    let mut zip = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so", stored).unwrap();
    std::io::copy(&mut fs::File::open(library.trim_end()).unwrap(), &mut zip).unwrap();
    zip.finish().unwrap();
    stub(&format!("ln '{}' \"$dest/some.whl\"", wheel.display()));
    let path = succeeds(&mut install());
    assert_eq!(first_choice(&home)["path"], path.trim_end());
    assert_eq!(first_choice(&home)["state"], "installed");
    assert_eq!(bytes_below(&home.join("tmp")), 0, "nor does anything temporary stay");
    assert_eq!(succeeds(unnamed(raxla(["plugin", "path"]).env("RAXLA_HOME", &home))), path);
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Answers one connection as the hub would, but stalls in the middle of the weights while told so.
fn serve(mut stream: TcpStream, stall: &AtomicBool) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut lines: Vec<String> = vec![];
        while lines.last().is_none_or(|l| !l.trim_end().is_empty()) {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            lines.push(line.to_ascii_lowercase());
        }
        let path = lines[0].split(' ').nth(1)?.to_string();
        let (head, body, etag) = match path.rsplit_once(&format!("/resolve/{COMMIT}/")) {
            None => {
                let files = ["config.json", "model.safetensors"].map(|f| serde_json::json!({ "rfilename": f }));
                let body = serde_json::json!({ "sha": COMMIT, "siblings": files }).to_string().into_bytes();
                ("200 OK".to_string(), body, String::new())
            }
            Some((_, name)) => {
                let whole = fs::read(fixture("gpt2_plain").join(name)).ok()?;
                let etag = Sha256::digest(&whole).iter().map(|b| format!("{b:02x}")).collect();
                let range = lines.iter().find_map(|l| l.strip_prefix("range: bytes="));
                let (from, to) = range.and_then(|r| r.trim_end().split_once('-')).unwrap_or(("0", ""));
                let from: usize = from.parse().ok()?;
                let to = to.parse::<usize>().map_or(whole.len(), |to| (to + 1).min(whole.len()));
                (
                    format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", to - 1, whole.len()),
                    whole[from..to].to_vec(),
                    etag,
                )
            }
        };
        write!(
            stream,
            "HTTP/1.1 {head}\r\nETag: \"{etag}\"\r\nx-repo-commit: {COMMIT}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .ok()?;
        if path.ends_with("safetensors") && body.len() > 1 && stall.load(Ordering::Relaxed) {
            stream.write_all(&body[..body.len() / 2]).ok()?;
            stream.flush().ok()?;
            thread::sleep(Duration::from_secs(30));
            return None;
        }
        stream.write_all(&body).ok()?;
    }
}

#[test]
fn an_interrupted_download_from_the_hub_goes_on() {
    let cache = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let stall = Arc::new(AtomicBool::new(true));
    let shared = stall.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = shared.clone();
            thread::spawn(move || serve(stream, &shared));
        }
    });
    let pull = || {
        let mut command = raxla(["pull", "hf:org/name"]);
        command.env("HF_ENDPOINT", &endpoint).env("HF_HUB_CACHE", cache.path());
        command
    };
    let child = pull().spawn().unwrap();
    let size = fs::metadata(fixture("gpt2_plain").join("model.safetensors")).unwrap().len();
    wait_for("half of the weights", || bytes_below(cache.path()) > size / 2);
    assert_eq!(interrupt(child), INTERRUPTED);
    fails(pull().env("RAXLA_OFFLINE", "1"), 1, &["is not, or not completely, in the cache"]);
    stall.store(false, Ordering::Relaxed);
    let path = succeeds(&mut pull());
    let file = |dir: &Path| fs::read(dir.join("model.safetensors")).unwrap();
    assert!(file(Path::new(path.trim_end())) == file(&fixture("gpt2_plain")));
    assert_eq!(succeeds(pull().env("RAXLA_OFFLINE", "1")), path);
}

#[test]
fn an_interrupted_run_leaves_a_whole_result_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("logits.safetensors");
    let plugin = plugin();
    let mut command = logits(&fixture("gpt2_plain"), "3,4", &out);
    let child = command.env("RAXLA_HOME", dir.path().join("home")).env("RAXLA_PLUGIN", plugin).spawn().unwrap();
    thread::sleep(Duration::from_millis(300));
    interrupt(child);
    for left in fs::read_dir(dir.path()).unwrap().flatten().filter(|e| e.file_name() != "home") {
        assert_eq!(left.path(), out, "nothing temporary stays");
        assert!(read_tensors(&out).contains_key("logits"), "only where the computer was that fast");
    }
}

/// Variants are measured by processes of their own, which end with the one that asked, whatever ended it.
#[test]
#[cfg(target_os = "linux")]
fn who_measures_ends_with_who_asked() {
    let model = speaker();
    let mut bench = raxla(["bench", "decode", "--repeat", "100000", "--new", "64", "--model"]);
    let mut parent = bench.arg(model.path()).spawn().unwrap();
    let list = format!("/proc/{0}/task/{0}/children", parent.id());
    let mut child = String::new();
    wait_for("a child", || {
        child = fs::read_to_string(&list).unwrap_or_default().trim().to_string();
        !child.is_empty()
    });
    parent.kill().unwrap();
    parent.wait().unwrap();
    // (who is gone, or waits for somebody to take note of it, does nothing)
    let gone = || fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "));
    wait_for("the child's end", gone);
}
