//! Where raxla keeps things, and whom it shares that with: nobody.
#![cfg(unix)]

use crate::common::*;
use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

/// A user whom this machine does not know, and who so has no home.
const NOBODY: u32 = 54_321;

/// Whether the tests may become another user. (Some of these need that.)
fn is_root() -> bool {
    let root = fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nUid:\t0\t0\t"));
    if !root {
        println!("what happens to other users is not tried: only root may become one");
    }
    root
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn homeless<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = raxla(arguments);
    for name in ["HOME", "RAXLA_HOME", "XDG_CACHE_HOME", "HF_HOME"] {
        command.env_remove(name);
    }
    unnamed(command.uid(NOBODY).gid(NOBODY).current_dir("/"));
    command
}

#[test]
fn a_user_without_a_home_is_asked_for_one() {
    if !is_root() {
        return;
    }
    let shared = std::env::temp_dir().join("raxla");
    let before = shared.exists();
    let remedy = "help: name a folder that nobody else may write in RAXLA_HOME";
    for command in
        [["plugin", "path"], ["plugin", "list"], ["plugin", "install"], ["cache", "info"], ["cache", "clear"]]
    {
        fails(&mut homeless(command), 1, &["this user has no home folder", remedy]);
    }
    fails(&mut homeless(["generate", "Hi"]), 1, &[remedy]);
    fails(&mut homeless(["pull", "hf:org/name"]), 1, &["no folder to keep it in", "help: name one in HF_HOME"]);
    let doctor = run(&mut homeless(["doctor"]));
    assert_eq!(doctor.code, Some(1), "{}", doctor.stderr);
    assert!(doctor.stdout.contains("no home folder\n  help: name a folder"), "{}", doctor.stdout);
    assert_eq!(shared.exists(), before, "nothing is made in a folder that all share");
    // with a folder of its own, it works
    let home = tempfile::tempdir().unwrap();
    chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    succeeds(homeless(["plugin", "list"]).env("RAXLA_HOME", home.path()));
}

#[test]
fn a_home_that_others_may_write_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    // what others would plant: a plugin and its stamp
    let choice = first_choice(&home);
    let plugin_file = Path::new(choice["path"].as_str().unwrap()).to_path_buf();
    let folder = plugin_file.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(&plugin_file, "\x7fELF").unwrap();
    let path = || {
        let mut command = raxla(["plugin", "path"]);
        unnamed(command.env("RAXLA_HOME", &home).env("RAXLA_OFFLINE", "1"));
        command
    };
    fails(&mut path(), 1, &["is corrupted (its sha256 differs)"]);
    for shared in [&home, &home.join("plugins"), &folder.to_path_buf()] {
        for bits in [0o777, 0o757, 0o1777] {
            mode(shared, bits);
            let stderr = fails(&mut path(), 1, &["other users may write it", "help: run `chmod go-w"]);
            assert!(stderr.contains(&format!("{} is not used", shared.display())), "{stderr}");
        }
        mode(shared, 0o755);
        if is_root() {
            chown(shared, Some(NOBODY), Some(NOBODY)).unwrap();
            fails(&mut path(), 1, &["it belongs to another user (number 54321)"]);
            chown(shared, Some(0), Some(0)).unwrap();
        }
    }
    // what is compiled is code, too
    mode(&home, 0o777);
    let out = place.path().join("out");
    let mut command = logits(&fixture("gpt2_plain"), "3,4", &out);
    let outcome = run(command.env("RAXLA_HOME", &home).env("RAXLA_PLUGIN", plugin()));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("compiled programs are neither kept nor taken"), "{}", outcome.stderr);
    assert!(!home.join("compiled").exists());
    let doctor = run(raxla(["doctor"]).env("RAXLA_HOME", &home));
    assert!(doctor.stdout.contains("other users may write it (mode 777)"), "{}", doctor.stdout);
}

#[test]
fn what_may_not_be_read_is_not_taken_for_absent() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    mode(place.path(), 0o755);
    let home = place.path().join("home");
    let file = first_choice(&home)["path"].as_str().unwrap().to_string();
    let (file, folder) = (Path::new(&file), Path::new(&file).parent().unwrap());
    fs::create_dir_all(folder).unwrap();
    fs::write(file, "\x7fELF").unwrap();
    for denied in [&home, &home.join("plugins"), folder, file] {
        let before = fs::metadata(denied).unwrap().permissions().mode();
        mode(denied, 0o700 & before);
        let mut command = raxla(["plugin", "path"]);
        unnamed(command.env("RAXLA_HOME", &home).env("RAXLA_OFFLINE", "1").uid(NOBODY).gid(NOBODY).current_dir("/"));
        let owner =
            format!("permission denied; {} belongs to user number 0 (mode {:03o})", denied.display(), before & 0o700);
        fails(&mut command, 1, &[&owner, "help: let this user read it"]);
        mode(denied, before & 0o777);
    }
}

#[test]
fn what_raxla_makes_is_for_its_user() {
    let place = tempfile::tempdir().unwrap();
    mode(place.path(), 0o1777);
    let home = place.path().join("home");
    let out = place.path().join("out");
    succeeds(logits(&fixture("gpt2_plain"), "3,4", &out).env("RAXLA_HOME", &home).env("RAXLA_PLUGIN", plugin()));
    for folder in [&home, &home.join("compiled")] {
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
