//! Plugins that are damaged, absent, or started with flags that they refuse.

use crate::common::*;
use std::{fs, path::Path, process::Command};

/// A command that needs a plugin, in a home of its own, with no plugin named.
fn alone(home: &Path) -> Command {
    let mut command = logits(&fixture("gpt2_plain"), "3,4", &home.join("out"));
    unnamed(command.env("RAXLA_HOME", home));
    command
}

#[test]
fn files_that_are_no_plugin() {
    let home = tempfile::tempdir().unwrap();
    let named = |name: &str, content: &[u8], wanted: &[&str]| {
        let path = home.path().join(name);
        fs::write(&path, content).unwrap();
        let all: Vec<&str> = wanted.iter().copied().chain([name, "help: ", "`raxla plugin install"]).collect();
        fails(alone(home.path()).arg("--plugin").arg(&path), 1, &all);
        fails(alone(home.path()).env("RAXLA_PLUGIN", &path), 1, &all);
        fails(alone(home.path()).env("PJRT_PLUGIN_LIBRARY_PATH", &path), 1, &all);
    };
    named("empty.so", b"", &["the file is empty (zero bytes)"]);
    named("text.so", b"this is text", &["the file is not a shared library (no ELF header)"]);
    named("half.so", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", &["cannot load"]);
    let missing = ["the plugin /no/such.so (from --plugin) does not exist", "help: correct the path"];
    fails(alone(home.path()).args(["--plugin", "/no/such.so"]), 1, &missing);
    fails(alone(home.path()).env("RAXLA_PLUGIN", "/"), 1, &["the plugin / (from RAXLA_PLUGIN) is not a file"]);
}

/// A library that is no plugin: this process has some open.
#[test]
#[cfg(target_os = "linux")]
fn another_library_is_no_plugin() {
    let home = tempfile::tempdir().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.lines().find_map(|l| l.split_whitespace().last().filter(|p| p.contains("libc.so"))).unwrap();
    let wanted = ["it has no symbol GetPjrtApi, so it is not a PJRT plugin", "help: give the path of a PJRT plugin"];
    fails(alone(home.path()).args(["--plugin", libc]), 1, &wanted);
}

/// The report comes, whatever a plugin does to the process that starts it.
#[test]
fn the_doctor_outlives_its_patient() {
    let home = tempfile::tempdir().unwrap();
    let (source, library) = (home.path().join("aborts.rs"), home.path().join("aborts.so"));
    let body = "#[no_mangle] pub extern \"C\" fn GetPjrtApi() -> *const u8 { std::process::abort() }";
    fs::write(&source, body).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let mut built = Command::new(rustc);
    built.args(["--edition", "2021", "--crate-type", "cdylib", "-o"]).args([&library, &source]);
    assert!(built.status().unwrap().success());
    let doctor =
        run(raxla(["doctor", "--plugin"]).arg(&library).env("RAXLA_HOME", home.path()).env_remove("XLA_FLAGS"));
    assert_eq!(doctor.code, Some(1), "{}", doctor.stderr);
    let wanted = format!("problem   the plugin {} ends the process that starts it: signal: 6", library.display());
    assert!(doctor.stdout.contains(&wanted), "{}", doctor.stdout);
}

#[test]
fn nothing_installed_and_offline() {
    let home = tempfile::tempdir().unwrap();
    let wanted = [
        "error: no `cpu` plugin found",
        "RAXLA_PLUGIN is not set",
        "PJRT_PLUGIN_LIBRARY_PATH is not set",
        &format!("{} is not there", first_choice(home.path())["path"].as_str().unwrap()),
        "RAXLA_OFFLINE forbids fetching it",
        "help: unset RAXLA_OFFLINE once with a network",
        "then run `raxla plugin install cpu`",
    ];
    fails(alone(home.path()).env("RAXLA_OFFLINE", "1"), 1, &wanted);
    fails(
        raxla(["plugin", "install"]).env("RAXLA_HOME", home.path()).env("RAXLA_OFFLINE", "1"),
        1,
        &[
            "the `cpu` plugin cannot be installed:\n  ",
            "is not there, and RAXLA_OFFLINE forbids fetching it",
            "help: unset RAXLA_OFFLINE",
        ],
    );
    for arguments in [
        &["plugin", "install", "abacus"][..],
        &["plugin", "path", "abacus"],
        &["plugin", "path", "--platform", "abacus"],
    ] {
        fails(&mut raxla(arguments), 1, &["`abacus`", "cpu", "cuda12", "tpu"]);
    }
    fails(alone(home.path()).env("RAXLA_PLATFORM", "abacus"), 1, &["`abacus`", "cpu", "cuda12", "tpu"]);
    // one that another package has
    fails(alone(home.path()).env("RAXLA_PLATFORM", "rocm"), 1, &["`rocm`", "jax-rocm7-pjrt", "--plugin PATH"]);
}

/// What is wrong with the machine is wrong for every plugin: the next one is not tried.
#[cfg(unix)]
#[test]
fn what_every_plugin_would_meet_is_met_once() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let (pip, calls) = (home.path().join("pip"), home.path().join("calls"));
    fs::write(
        &pip,
        format!("#!/bin/sh\necho x >> '{}'\necho 'No space left on device' >&2\nexit 1\n", calls.display()),
    )
    .unwrap();
    fs::set_permissions(&pip, fs::Permissions::from_mode(0o755)).unwrap();
    let install = |pip: &Path| {
        let mut command = raxla(["plugin", "install"]);
        command.env("RAXLA_HOME", home.path()).env("RAXLA_PIP", pip);
        command
    };
    fails(
        &mut install(&pip),
        1,
        &["the `cpu` plugin cannot be installed:\n  ", "the disk is full", "help: free some space"],
    );
    assert_eq!(fs::read_to_string(&calls).unwrap(), "x\n");
    let none =
        fails(&mut install(Path::new("/no/such/pip")), 1, &["is not installed", "help: install Python 3 with pip"]);
    assert_eq!(none.matches("cannot run").count(), 1, "{none}");
}

#[test]
fn an_installed_plugin_with_another_hash() {
    let home = tempfile::tempdir().unwrap();
    let choice = first_choice(home.path());
    let path = Path::new(choice["path"].as_str().unwrap());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // as long as the right one; all zeros, so that it takes no room
    fs::File::create(path).unwrap().set_len(choice["size"].as_u64().unwrap()).unwrap();
    let corrupted = format!("{} is corrupted (its sha256 differs)", path.display());
    fails(alone(home.path()).env("RAXLA_OFFLINE", "1"), 1, &[&corrupted, "RAXLA_OFFLINE forbids", "help: "]);
    assert_eq!(first_choice(home.path())["state"], "damaged: install it again");
}

#[test]
fn flags_that_the_plugin_does_not_know_or_cannot_read() {
    let out = tempfile::tempdir().unwrap();
    let with = |flags: &str| {
        let mut command = logits(&fixture("gpt2_plain"), "3,4", &out.path().join("out"));
        command.env("XLA_FLAGS", flags);
        command
    };
    let help = "help: correct or unset XLA_FLAGS";
    for flag in ["--xla_no_such_flag=1", "--xla_cpu_nonsense", "--help"] {
        let flag_name = flag.split('=').next().unwrap();
        fails(&mut with(flag), 1, &[&format!("does not know the flag `{flag_name}`"), help]);
    }
    fails(
        &mut with("/no/such/file"),
        1,
        &["`/no/such/file` is no flag, and as a file of flags it cannot be read", help],
    );
    for (flags, reason) in [
        (
            "--xla_backend_optimization_level=abc",
            "Couldn't interpret value abc for flag xla_backend_optimization_level",
        ),
        ("--xla_cpu_enable_fast_math=maybe", "Couldn't interpret value maybe for flag xla_cpu_enable_fast_math"),
        ("--xla_gpu_autotune_level=99999999999999", "Couldn't interpret value 99999999999999 for flag"),
        ("--xla_dump_hlo_as_text=false --xla_backend_optimization_level=", "for flag xla_backend_optimization_level"),
        ("--xla_dump_to", "--xla_dump_to"),
    ] {
        let wanted = [&format!("the plugin does not start with XLA_FLAGS={flags}: "), reason, help];
        let text = fails(&mut with(flags), 1, &wanted);
        assert_eq!(text.lines().count(), 2, "a line and its help, not XLA's pages: {text}");
    }
    let doctor = run(raxla(["doctor"]).env("XLA_FLAGS", "--xla_backend_optimization_level=abc"));
    assert!(doctor.stdout.contains("problem   the plugin does not start with XLA_FLAGS="), "{}", doctor.stdout);
    succeeds(&mut with("--xla_backend_optimization_level=1 --xla_cpu_enable_fast_math=false"));
}

#[test]
fn flags_reach_programs_that_were_compiled_before() {
    let place = tempfile::tempdir().unwrap();
    let dump = place.path().join("dump");
    let command = || logits(&fixture("gpt2_plain"), "3,4", &place.path().join("out"));
    succeeds(&mut command());
    succeeds(command().env("XLA_FLAGS", format!("--xla_dump_to={} --xla_dump_hlo_as_text", dump.display())));
    assert!(fs::read_dir(&dump).unwrap().count() > 0, "it was compiled, not taken from the cache");
}
