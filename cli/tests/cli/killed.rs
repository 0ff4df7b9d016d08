//! Processes that are killed while they write, and disks that are full: whoever reads sees all of it or nothing, and what is
//! left goes away.
#![cfg(unix)]

use crate::common::*;
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Times that a conversion is ended in the middle: by -KILL, and then by each signal that a process may clean up at.
const ENDS: u64 = 24;

/// Times that a run is killed which compiles and keeps a program.
const RUNS: u64 = 8;

const MIB: usize = 1 << 20;

/// A checkpoint of so many MiB, of which none takes space.
fn large_model(mib: usize) -> TempDir {
    let dir = copy("gpt2_plain");
    let tensor = |i: usize| {
        let offsets = [i * MIB, (i + 1) * MIB];
        (format!("x{i}"), serde_json::json!({ "dtype": "U8", "shape": [MIB], "data_offsets": offsets }))
    };
    let header = serde_json::Value::from_iter((0..mib).map(tensor)).to_string();
    let mut file = fs::File::create(dir.path().join("model.safetensors")).unwrap();
    file.write_all(&[&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).unwrap();
    file.set_len((8 + header.len() + mib * MIB) as u64).unwrap();
    dir
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Hidden files and folders: what is not finished.
fn unfinished(dir: &Path) -> BTreeSet<String> {
    names(dir).into_iter().filter(|name| name.starts_with('.')).collect()
}

fn bytes_below(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|e| e.metadata().map_or(0, |m| m.len())).sum()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal and gives the one that ended the process, or `None` if it was done before.
fn end(mut child: Child, signal: &str) -> Option<i32> {
    let _ = Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
    child.wait().unwrap().signal()
}

#[test]
fn conversions_that_are_ended_leave_nothing_for_long() {
    let model = large_model(48);
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("to");
    let convert = || raxla(["convert".as_ref(), model.path(), &to]);
    let whole = fs::metadata(model.path().join("model.safetensors")).unwrap().len();
    let mut ended_early = 0;
    for i in 0..ENDS {
        let before = unfinished(place.path());
        assert!(before.len() <= 2, "the folder and the lock of the last one that was killed: {before:?}");
        let mut child = convert().spawn().unwrap();
        let mut ended = false;
        wait_for("the conversion", || {
            ended = child.try_wait().unwrap().is_some();
            let new = unfinished(place.path()).into_iter().filter(|name| !before.contains(name));
            let written: u64 = new.map(|name| bytes_below(&place.path().join(name))).sum();
            ended || written > whole * i / ENDS
        });
        let (name, number) = [("-KILL", 9), ("-INT", 2), ("-TERM", 15), ("-HUP", 1)][i as usize % 4];
        match end(child, name) {
            Some(signal) => {
                assert_eq!((signal, to.exists()), (number, false));
                ended_early += 1;
            }
            // it was faster
            None => fs::remove_dir_all(&to).unwrap(),
        }
        if name != "-KILL" {
            assert_eq!(unfinished(place.path()), BTreeSet::new(), "after {name}");
        }
    }
    assert_eq!(end(convert().spawn().unwrap(), "-0"), None);
    assert_eq!(names(place.path()), BTreeSet::from(["to".into()]));
    assert_eq!(names(&to), ["config.json", "generation_config.json", "model.safetensors"].map(String::from).into());
    assert!(ended_early > ENDS / 4, "{ended_early} of {ENDS} were ended while they wrote");
    assert!(fs::metadata(to.join("model.safetensors")).unwrap().len() >= (48 * MIB) as u64);
}

#[test]
fn one_conversion_leaves_another_alone() {
    let model = large_model(8);
    let place = tempfile::tempdir().unwrap();
    let convert = |to: &str| raxla(["convert".as_ref(), model.path(), &place.path().join(to)]).spawn().unwrap();
    let all = ["a", "b", "c", "d"].map(convert);
    for child in all {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(names(place.path()), ["a", "b", "c", "d"].map(String::from).into());
}

#[test]
fn what_a_background_process_ignores_stays_ignored() {
    let model = large_model(16);
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("to");
    // as nohup does
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(env!("CARGO_BIN_EXE_raxla")).arg("convert");
    let child = command.arg(model.path()).arg(&to).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the conversion", || to.exists() || !unfinished(place.path()).is_empty());
    assert_eq!(end(child, "-HUP"), None);
    assert!(to.exists());
}

/// A home of its own, and the plugin.
fn at_home<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    command.env("RAXLA_HOME", home).env("RAXLA_PLUGIN", plugin())
}

fn compute(home: &Path, model: &str) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    succeeds(at_home(&mut logits(&fixture(model), "3,4", &out), home));
    fs::read(out).unwrap()
}

fn programs(home: &Path) -> Vec<PathBuf> {
    let compiled = home.join("compiled");
    names(&compiled).iter().filter(|name| name.ends_with(".raxla-program")).map(|name| compiled.join(name)).collect()
}

#[test]
fn a_run_that_is_killed_does_not_change_what_the_next_computes() {
    let home = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let wanted = compute(home.path(), "gpt2_plain");
    let whole = start.elapsed();
    for i in 0..RUNS {
        fs::remove_dir_all(home.path().join("compiled")).unwrap();
        let mut command = logits(&fixture("gpt2_plain"), "3,4", &place.path().join("out"));
        let child = at_home(&mut command, home.path()).spawn().unwrap();
        thread::sleep(whole * (2 * i as u32 + 1) / (2 * RUNS as u32));
        end(child, "-KILL");
        if i % 2 == 0 {
            assert_eq!(compute(home.path(), "gpt2_plain"), wanted);
        } else {
            fs::create_dir_all(home.path().join("compiled")).unwrap();
        }
    }
    assert_eq!(compute(home.path(), "gpt2_plain"), wanted);
    // as a process leaves them that is killed while it writes
    for name in [".0123456789abcdef.raxla-part", ".0123456789abcdef.raxla-lock"] {
        fs::write(home.path().join("compiled").join(name), "half").unwrap();
    }
    fs::remove_file(&programs(home.path())[0]).unwrap();
    assert_eq!(compute(home.path(), "gpt2_plain"), wanted);
    assert_eq!((unfinished(&home.path().join("compiled")), programs(home.path()).len()), (BTreeSet::new(), 1));
}

#[test]
fn programs_in_each_others_place_are_compiled_again() {
    let home = tempfile::tempdir().unwrap();
    let models = ["gpt2_plain", "llama_mha_tied"];
    let wanted = models.map(|model| compute(home.path(), model));
    let [a, b]: [PathBuf; 2] = programs(home.path()).try_into().unwrap();
    let kept = [&a, &b].map(|path| fs::read(path).unwrap());
    let is_kept = || [&a, &b].iter().zip(&kept).all(|(path, kept)| fs::read(path).unwrap().len() == kept.len());
    // swapped; of another user's making; things that are read without end
    let harm: [&dyn Fn(); 4] = [
        &|| {
            fs::write(&a, &kept[1]).unwrap();
            fs::write(&b, &kept[0]).unwrap();
        },
        &|| fs::set_permissions(&a, fs::Permissions::from_mode(0o666)).unwrap(),
        &|| {
            fs::remove_file(&a).unwrap();
            assert!(Command::new("mkfifo").arg(&a).status().unwrap().success());
        },
        &|| {
            fs::remove_file(&a).unwrap();
            std::os::unix::fs::symlink("/dev/zero", &a).unwrap();
        },
    ];
    for harm in harm {
        harm();
        assert_eq!(models.map(|model| compute(home.path(), model)), wanted);
        assert!(is_kept() && [&a, &b].iter().all(|path| fs::symlink_metadata(path).unwrap().is_file()), "replaced");
    }
    // only what is raxla's is removed
    let compiled = home.path().join("compiled");
    let mine = ["notes.txt", "0123456789abcdef", ".hidden"].map(String::from);
    mine.iter().for_each(|name| fs::write(compiled.join(name), "mine").unwrap());
    assert_eq!(succeeds(at_home(&mut raxla(["cache", "clear"]), home.path())), "2 programs removed\n");
    assert_eq!(names(&compiled), mine.into());
}

/// Runs a command on a disk of so many KiB, mounted at `disk`, and gives what is on it afterwards; or `None` where mounting is
/// not allowed.
fn on_small_disk(kib: usize, disk: &Path, command: &Command) -> Option<(Outcome, String)> {
    let unshare = [["--mount", "--propagation=private"], ["--map-root-user", "--mount"]];
    let able = |flags: &&[&str; 2]| {
        let script = "mount -t tmpfs tmpfs \"$1\"";
        let mut probe = Command::new("unshare");
        probe.args(*flags).args(["sh", "-c", script, "sh"]).arg(disk).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let Some(flags) = unshare.iter().find(able) else {
        println!("disks that are full are not tried: mounting one is not allowed here");
        return None;
    };
    let left = tempfile::NamedTempFile::new().unwrap();
    let script = "mount -t tmpfs -o size=\"$1\"k tmpfs \"$2\"; disk=$2; left=$3; shift 3; \"$@\"; code=$?; \
                  find \"$disk\" -mindepth 1 > \"$left\"; exit $code";
    let mut small = Command::new("unshare");
    small.args(flags).args(["sh", "-c", script, "sh", &kib.to_string()]).arg(disk).arg(left.path());
    small.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => small.env(name, value),
            None => small.env_remove(name),
        };
    }
    let outcome = run(&mut small);
    Some((outcome, fs::read_to_string(left.path()).unwrap()))
}

#[test]
fn a_full_disk_is_an_error_that_says_so_and_nothing_half_stays() {
    let disk = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let model = large_model(8);
    // a conversion
    let convert = raxla(["convert".as_ref(), model.path(), &disk.path().join("to")]);
    let Some((outcome, left)) = on_small_disk(4096, disk.path(), &convert) else { return };
    assert_eq!((outcome.code, left.as_str()), (Some(1), ""), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("cannot be written") && outcome.stderr.contains("help: free some space"),
        "{}",
        outcome.stderr
    );
    // a result
    let tokens = ["3"; 16].join(",");
    let mut command = logits(&fixture("gpt2_plain"), &tokens, &disk.path().join("out"));
    let (outcome, left) = on_small_disk(4, disk.path(), at_home(command.arg("--hidden-states"), home.path())).unwrap();
    assert_eq!((outcome.code, left.as_str()), (Some(1), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("help: free some space"), "{}", outcome.stderr);
    // a compiled program: the run itself succeeds
    let out = home.path().join("out");
    let mut command = logits(&fixture("gpt2_plain"), "3,4", &out);
    let (outcome, left) = on_small_disk(16, disk.path(), at_home(&mut command, &disk.path().join("home"))).unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("the compiled program is not kept in"), "{}", outcome.stderr);
    assert_eq!(left, format!("{0}/home\n{0}/home/compiled\n", disk.path().display()));
    assert!(read_tensors(&out).contains_key("logits"));
}
