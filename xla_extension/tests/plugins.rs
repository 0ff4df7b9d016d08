//! Loading plugins, good and bad. What depends on environment variables runs in child processes.

use raxla_xla::{Code, Plugin, find_plugin, set_verbose};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Runs `loads_a_plugin` below in a process of its own, which prints the outcome on stdout; returns stdout and stderr.
fn child(variables: &[(&str, &str)]) -> (String, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "plugins::loads_a_plugin", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env_remove("XLA_FLAGS").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "the process died: {stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
#[ignore = "run by other tests in a child process"]
fn loads_a_plugin() {
    let loaded = find_plugin("cpu", None).and_then(|path| Plugin::load(&path));
    match loaded.and_then(|plugin| plugin.client(&[("cpu_device_count", 1.into())])) {
        Ok(client) => {
            // A program that does not compile makes XLA log.
            let error = client.compile(b"module {", &Default::default()).unwrap_err();
            println!("outcome: loaded, {}", error.message);
        }
        Err(error) => println!("outcome: {:?} {error}", error.code),
    }
}

#[test]
fn unknown_flags_are_an_error_not_an_abort() {
    for (flags, named) in [
        ("--xla_no_such_flag=1", "does not know the flag `--xla_no_such_flag`"),
        ("--xla_dump_hlo_as_text=false --xla_cpu_nonsense", "does not know the flag `--xla_cpu_nonsense`"),
        ("-xla_dump_hlo_as_text", "does not know the flag `-xla_dump_hlo_as_text`"),
        ("--help", "does not know the flag `--help`"),
        ("  ", "`  ` is no flag"),
        ("/no/such/file", "`/no/such/file` is no flag, and as a file of flags it cannot be read"),
    ] {
        let (outcome, _) = child(&[("XLA_FLAGS", flags)]);
        assert!(outcome.contains("InvalidArgument XLA_FLAGS: ") && outcome.contains(named), "{flags}: {outcome}");
        assert!(outcome.contains("help: correct or unset XLA_FLAGS"), "{outcome}");
    }
}

#[test]
fn known_flags_pass() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags");
    fs::write(&file, "--xla_dump_hlo_as_text=false\n--xla_backend_optimization_level=2").unwrap();
    for flags in ["", " --xla_dump_hlo_as_text=false --xla_backend_optimization_level=2", file.to_str().unwrap()] {
        let (outcome, _) = child(&[("XLA_FLAGS", flags)]);
        assert!(outcome.contains("outcome: loaded"), "{flags}: {outcome}");
    }
}

#[test]
fn the_plugins_log_stays_off_stderr() {
    let (outcome, stderr) = child(&[]);
    assert!(outcome.contains("outcome: loaded"));
    assert_eq!(stderr, "");
    set_verbose(false);
}

fn error_of(path: &Path) -> raxla_xla::Error {
    Plugin::load(path).unwrap_err()
}

#[test]
fn files_that_are_no_plugin_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let error = error_of(&write("empty.so", b""));
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(error.message.contains("empty.so: the file is empty (zero bytes)"), "{error}");
    assert!(error.to_string().contains("help: install a plugin again with `raxla plugin install cpu`"), "{error}");
    let error = error_of(&write("text.so", b"not a library"));
    assert!(error.message.contains("not a shared library"), "{error}");
    let error = error_of(&write("truncated.so", b"\x7fELF\x02\x01\x01"));
    assert!(error.message.contains("cannot load"), "{error}");
    let error = error_of(&folder.path().join("missing.so"));
    assert_eq!(error.code, Code::NotFound);
    assert!(error.message.contains("missing.so"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn libraries_that_are_no_plugin_are_refused() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("libc."));
    let error = error_of(Path::new(libc.expect("the C library is loaded")));
    assert!(error.message.contains("no symbol GetPjrtApi, so it is not a PJRT plugin"), "{error}");
}

/// Builds a library whose `GetPjrtApi` is this Rust code.
fn fake_plugin(folder: &Path, name: &str, body: &str) -> PathBuf {
    let source = folder.join(format!("{name}.rs"));
    let library = folder.join(format!("{name}.so"));
    fs::write(
        &source,
        format!("#[unsafe(no_mangle)] pub extern \"C\" fn GetPjrtApi() -> *const [usize; 6] {{ {body} }}"),
    )
    .unwrap();
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let built = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "cdylib", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(built.success());
    library
}

#[test]
fn plugins_that_raxla_cannot_use_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    // struct_size, extension_start, and the version: struct_size, extension_start, major and minor as two i32.
    let old = "static API: [usize; 6] = [48, 0, 24, 0, 50 << 32, 0]; &API";
    let error = error_of(&fake_plugin(folder.path(), "old", old));
    assert!(error.message.contains("it has PJRT API 0.50, but raxla needs 0.106 or newer"), "{error}");
    assert!(error.to_string().contains("help: install a newer plugin"), "{error}");
    let major = "static API: [usize; 6] = [48, 0, 24, 0, 1 | 500 << 32, 0]; &API";
    let error = error_of(&fake_plugin(folder.path(), "major", major));
    assert!(error.message.contains("it has PJRT API 1.500"), "{error}");
    let bare = "static API: [usize; 6] = [48, 0, 24, 0, 115 << 32, 0]; &API";
    let error = error_of(&fake_plugin(folder.path(), "bare", bare));
    assert!(error.message.contains("(PJRT API 0.115) does not offer PJRT_Plugin_Initialize"), "{error}");
    let error = error_of(&fake_plugin(folder.path(), "null", "std::ptr::null()"));
    assert!(error.message.contains("GetPjrtApi returned nothing"), "{error}");
}
