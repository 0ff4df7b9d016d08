//! Devices of plugins that are named, and of several processes, by a plugin that is made for tests.

use crate::common::{fails, raxla, run, succeeds};
use serde_json::Value;
use std::{
    env,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

fn plugin() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().join("libraxla_mock_plugin.so")
}

/// What `raxla doctor --json` says of the plugin in use, whose version shows its options.
fn doctor(command: &mut Command) -> Value {
    let text = succeeds(command.arg("--json"));
    serde_json::from_str::<Value>(&text).unwrap()["plugin_in_use"].clone()
}

#[test]
fn a_plugin_s_file_is_a_device() {
    let options = ["--plugin-option", "mock_devices=3", "--plugin-option", "memory_fraction=1"];
    for name in ["--device", "--platform"] {
        let found = doctor(raxla(["doctor", name]).arg(plugin()).args(options));
        assert_eq!(found["version"], "mock memory_fraction=1 mock_devices=3", "{found}");
        assert_eq!(found["devices"].as_array().unwrap().len(), 3, "{found}");
    }
    let missing = ["the plugin /no/such.so (from --plugin) does not exist", "help: correct the path"];
    fails(&mut raxla(["plugin", "path", "--device", "/no/such.so"]), 1, &missing);
    for (option, why) in [
        ("memory_fraction=2", "`2` is no part of a memory"),
        ("allocator=mine", "`mine` is none of default, platform, bfc, cuda_async, vmm"),
        ("preallocate", "it must be NAME=VALUE"),
    ] {
        fails(&mut raxla(["doctor", "--plugin-option", option]), 2, &[why]);
    }
}

#[test]
fn gpus_are_told_what_the_environment_says_of_memory() {
    let cuda = || {
        let mut command = raxla(["doctor", "--device", "cuda"]);
        command.env("RAXLA_PLUGIN", plugin()).env("XLA_PYTHON_CLIENT_PREALLOCATE", "false");
        command.env("XLA_CLIENT_MEM_FRACTION", "0.5").env("XLA_PYTHON_CLIENT_ALLOCATOR", "BFC");
        command
    };
    let found = doctor(&mut cuda());
    assert_eq!(found["version"], "mock allocator=bfc memory_fraction=0.5 preallocate=false", "{found}");
    // what is said by hand counts more
    let found =
        doctor(cuda().args(["--plugin-option", "memory_fraction=0.25", "--plugin-option", "visible_devices=0,1"]));
    let wanted = "mock allocator=bfc memory_fraction=0.25 preallocate=false visible_devices=[0, 1]";
    assert_eq!(found["version"], wanted, "{found}");
    let wrong = run(cuda().env("XLA_CLIENT_MEM_FRACTION", "much"));
    assert!(wrong.stdout.contains("problem   XLA_CLIENT_MEM_FRACTION is `much`"), "{}", wrong.stdout);
}

#[test]
fn libtpu_is_where_the_variable_says() {
    // (whatever else is installed here)
    let home = tempfile::tempdir().unwrap();
    let mut named = raxla(["doctor", "--device", "tpu"]);
    let found = doctor(named.env("RAXLA_HOME", home.path()).env("TPU_LIBRARY_PATH", plugin()));
    assert_eq!(found["version"], "mock ", "{found}");
    let missing = ["the plugin /no/libtpu.so (from TPU_LIBRARY_PATH) does not exist"];
    fails(raxla(["plugin", "path", "tpu"]).env("TPU_LIBRARY_PATH", "/no/libtpu.so"), 1, &missing);
}

#[test]
fn other_plugins_are_listed() {
    let text = succeeds(raxla(["doctor", "--device"]).arg(plugin()));
    for line in
        ["other     rocm        jax-rocm7-pjrt: AMD GPUs", "other     tenstorrent jax-tt-plugin: Tenstorrent cards"]
    {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn processes_that_cannot_meet_are_told_why() {
    let alone = ["nobody says where the store is in which the processes meet", "--coordinator"];
    fails(&mut raxla(["doctor", "--num-processes", "2", "--process-id", "0"]), 1, &alone);
    let address = ["`a b` is no address of etcd", "help: give it as host:port"];
    let some = ["doctor", "--num-processes", "2", "--process-id", "1", "--coordinator"];
    fails(raxla(some).arg("a b"), 1, &address);
    fails(&mut raxla(["doctor", "--distributed"]), 1, &["nobody says how many processes there are"]);
}

/// Two processes, over etcd where there is one.
#[test]
fn processes_see_each_other_s_devices() {
    let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (folder, client, peer) = (tempfile::tempdir().unwrap(), port(), port());
    let mut etcd = Command::new("etcd");
    etcd.arg("--data-dir").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, port) in [
        ("--listen-client-urls", client),
        ("--advertise-client-urls", client),
        ("--listen-peer-urls", peer),
        ("--initial-advertise-peer-urls", peer),
    ] {
        etcd.arg(name).arg(format!("http://127.0.0.1:{port}"));
    }
    let Ok(mut etcd) = etcd.arg("--initial-cluster").arg(format!("default=http://127.0.0.1:{peer}")).spawn() else {
        return println!("note: there is no `etcd` here (Debian: apt install etcd-server)");
    };
    while TcpStream::connect(("127.0.0.1", client)).is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    let address = format!("127.0.0.1:{client}");
    let start = |i: &str| {
        let mut command =
            raxla(["doctor", "--coordinator", &address, "--num-processes", "2", "--process-id", i, "--json"]);
        command.arg("--device").arg(plugin()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children = [start("0"), start("1")];
    for (i, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["processes"].as_array().unwrap().len(), 2, "{text}");
        let found = &report["plugin_in_use"];
        assert_eq!(found["version"], format!("mock node_id={i} num_nodes=2"), "{text}");
        assert_eq!(found["devices"][3], "MockDevice(id=3, process=1)", "{text}");
    }
    etcd.kill().unwrap();
    etcd.wait().unwrap();
}
