//! Downloading a wheel with pip as a child process.

use crate::{Code, Error, Pinned, Result, progress::Bar};
use std::{
    env, fs,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

/// Replaces `python3 -m pip`: a program that takes pip's arguments.
pub(crate) const PIP_VARIABLE: &str = "RAXLA_PIP";

/// Downloads the wheel of `pinned` into the folder `into` and returns its path. `scratch` takes pip's temporary files.
pub(crate) fn download(pinned: &Pinned, into: &Path, scratch: &Path, bar: &Bar) -> Result<PathBuf> {
    let requirement = format!("{}=={}", pinned.package, pinned.version);
    let (mut command, shown) = pip();
    command.args(["download", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "--no-input"]);
    command.args(["--disable-pip-version-check", "--retries", "2"]);
    if let Some(python) = &pinned.python {
        command.args(["--python-version", python]);
    }
    if let Some(platform) = &pinned.platform {
        command.args(["--platform", platform]);
    }
    command.arg("--dest").arg(into).arg(&requirement);
    // pip writes the growing wheel to its temporary folder, where the bar can watch it.
    command.env("TMPDIR", scratch).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| not_started(&shown, &error))?;
    let most = pinned.download.map_or(u64::MAX, |size| 2 * size.max(pinned.size) + SLACK);
    let ended = watch(child, &[into, scratch], most, bar).map_err(|error| not_started(&shown, &error))?;
    let Some((status, stderr)) = ended else {
        let what = format!("cannot download {requirement}: more than {most} bytes came; it was not installed");
        return Err(Error::new(Code::DataLoss, what).help("the package index serves another file than the pinned one"));
    };
    if !status.success() {
        return Err(explain(&requirement, &shown, status, &stderr));
    }
    let wheels = fs::read_dir(into).into_iter().flatten().flatten().map(|entry| entry.path());
    wheels.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl")).ok_or_else(|| {
        Error::new(Code::Internal, format!("`{shown} download {requirement}` succeeded, but left no wheel"))
    })
}

fn pip() -> (Command, String) {
    match env::var_os(PIP_VARIABLE).filter(|value| !value.is_empty()) {
        Some(program) => {
            let shown = program.to_string_lossy().into_owned();
            (Command::new(program), shown)
        }
        None => {
            let mut command = Command::new("python3");
            command.args(["-m", "pip"]);
            (command, "python3 -m pip".to_string())
        }
    }
}

/// Bytes that pip may take besides a wheel, packed or not, and a copy of it.
const SLACK: u64 = 64 << 20;

/// Waits for the child, feeding the bar with the bytes that lie in `folders`. With more than `most` there it ends the child,
/// and gives `None`.
fn watch(mut child: Child, folders: &[&Path], most: u64, bar: &Bar) -> std::io::Result<Option<(ExitStatus, String)>> {
    let mut pipe = child.stderr.take();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(pipe) = &mut pipe {
            let _ = pipe.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(50)),
        }
        let bytes = folders.iter().map(|folder| bytes_in(folder)).max().unwrap_or(0);
        bar.set(bytes);
        if bytes > most {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
    };
    Ok(Some((status, reader.join().unwrap_or_default())))
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

fn not_started(shown: &str, error: &std::io::Error) -> Error {
    let missing = error.kind() == ErrorKind::NotFound;
    let code = if missing { Code::FailedPrecondition } else { Code::Unavailable };
    let program = shown.split(' ').next().unwrap_or(shown);
    let what = if missing { format!("`{program}` is not installed") } else { error.to_string() };
    Error::new(code, format!("cannot run `{shown}` to download files: {what}"))
        .help("install Python 3 with pip (Debian: `apt install python3-pip`)")
}

/// Turns what pip printed into a cause and a remedy.
fn explain(requirement: &str, shown: &str, status: ExitStatus, stderr: &str) -> Error {
    let has = |needles: &[&str]| needles.iter().any(|needle| stderr.contains(needle));
    let fail = |code, what: String| Error::new(code, format!("cannot download {requirement}: {what}"));
    if has(&["No module named pip"]) {
        return fail(Code::FailedPrecondition, "this Python has no pip".into())
            .help("install pip (Debian: `apt install python3-pip`; elsewhere: `python3 -m ensurepip`)");
    }
    let offline =
        ["NewConnectionError", "ConnectTimeoutError", "Temporary failure in name resolution", "ReadTimeoutError"];
    if has(&offline) || has(&["ProxyError", "Network is unreachable", "Connection refused", "SSLError"]) {
        return fail(Code::Unavailable, "the package index cannot be reached".into()).help(
            "check the network (pip's settings and proxies apply), or copy the file from another machine and name it in `RAXLA_PLUGIN`",
        );
    }
    if has(&["No matching distribution found", "Could not find a version"]) {
        return fail(Code::NotFound, "the package index has no such version for this platform".into())
            .help(format!("see what `{shown} index versions {}` lists", requirement.split("==").next().unwrap_or("")));
    }
    if has(&["No space left on device"]) {
        return fail(Code::ResourceExhausted, "the disk is full".into())
            .help("free some space, or choose another folder with `RAXLA_HOME`");
    }
    let errors: Vec<&str> = stderr.lines().filter(|line| line.contains("ERROR") || line.contains("rror:")).collect();
    let last = errors.last().or(stderr.lines().collect::<Vec<_>>().last()).map_or("no message", |line| line.trim());
    fail(Code::Unknown, format!("`{shown}` failed ({status}): {last}"))
}
