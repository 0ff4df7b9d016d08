//! Programs of several processes, which meet in etcd or a stand-in of it, over the devices of the mock plugin.
//!
//! What needs etcd itself is left out, with a note, where there is none (Debian's package is `etcd-server`).
mod children;
mod clusters;
mod gateway;
mod profile;
mod toolkit;

use children::{Child, Server, number, output, start};
use raxla::{
    Aval, DType,
    checkpoint::Checkpoint,
    distributed::{LOST, Store},
};
use std::{
    io::{Read, Write},
    time::Duration,
};

/// Runs a test with the stand-in, and with etcd if there is one.
fn with_servers(test: impl Fn(Server)) {
    test(Server::stand_in());
    match Server::etcd() {
        Some(etcd) => test(etcd),
        None => println!(
            "note: there is no `etcd` here, so this was tried with a stand-in alone (Debian: apt install etcd-server)"
        ),
    }
}

#[test]
fn processes_share_meshes_arrays_and_programs() {
    with_servers(|server| {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().to_str().unwrap();
        let children: Vec<Child> =
            (0..3).map(|i| start("work", i, 3, &server, &[("RAXLA_TEST_FOLDER", run)])).collect();
        for (i, child) in children.into_iter().enumerate() {
            let output = output(child);
            assert!(output.status.success(), "process {i}:\n{}\n{}", output.stdout, output.stderr);
            assert!(output.stdout.contains(&format!("process {i} is done")), "{}", output.stdout);
        }
        // one process reads what several wrote
        let whole = Checkpoint::open(folder.path().join("step_00000002")).unwrap();
        whole.verify().unwrap();
        let like = (Aval::new(DType::F32, [12, 3]), Aval::new(DType::I32, [2]), Aval::new(DType::I32, [1]));
        let ((x, r, own), _) = whole.restore(&like, &Default::default()).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), (0..36).map(|i| i as f32).collect::<Vec<_>>());
        assert_eq!((r.to_vec::<i32>().unwrap(), own.to_vec::<i32>().unwrap()), (vec![1, 2], vec![0]));
    });
}

/// etcd 3.3, which Ubuntu 22.04 has, calls its API by another name.
#[test]
fn the_old_name_of_the_api_is_known() {
    let gateway = gateway::Gateway::start("v3beta");
    let etcd = raxla::distributed::Etcd::at(&gateway.address).unwrap();
    let lease = etcd.grant(Duration::from_secs(9)).unwrap();
    etcd.put("key", b"value", lease).unwrap();
    assert_eq!((etcd.get("key").unwrap(), etcd.keep_alive(lease).unwrap()), (Some(b"value".to_vec()), true));
    let other = gateway::Gateway::start("v4");
    let error = raxla::distributed::Etcd::at(&other.address).unwrap().get("key").unwrap_err();
    assert!(error.message.contains("is no etcd, or one without the JSON form"), "{error}");
}

#[test]
fn who_does_not_come_is_named() {
    let slurm = [
        ("SLURM_JOB_ID", "7"),
        ("SLURM_STEP_NODELIST", "node[08-09]"),
        ("SLURM_NTASKS", "2"),
        ("SLURM_STEP_TASKS_PER_NODE", "1(x2)"),
        ("SLURM_PROCID", "0"),
        ("SLURM_LOCALID", "0"),
    ];
    with_servers(|server| {
        let output = output(start("meet", 0, 0, &server, &slurm));
        let text = output.stdout;
        assert!(text.contains("Missing: 1 of 2 processes have not come to etcd at"), "{text}\n{}", output.stderr);
        // as docs/errors.md has it
        let shown = text.split("Missing: ").nth(1).unwrap().split("\nok").next().unwrap();
        let shown = shown.replace(&server.address(), "node08:2379");
        let (before, after) = shown.split_once("pid ").unwrap();
        let shown = format!("{before}pid 77 on node08\n{}", after.split_once('\n').unwrap().1);
        let page = include_str!("../../docs/errors.md");
        assert!(page.contains(&format!("```text\nerror: {}\n```", shown.trim_end())), "docs/errors.md lacks:\n{shown}");
    });
    // nor process 0
    let server = Server::stand_in();
    let output = output(start("meet", 1, 2, &server, &[]));
    assert!(output.stdout.contains("Missing: process 0 of 2 has not come to etcd at"), "{}", output.stdout);
}

#[test]
fn another_number_of_processes_is_refused() {
    let server = Server::stand_in();
    let (two, three) = (start("meet", 0, 2, &server, &[]), start("meet", 1, 3, &server, &[]));
    for child in [two, three] {
        let text = output(child).stdout;
        assert!(text.contains("WrongCount: process 1 (pid "), "{text}");
        assert!(
            text.contains("was started for 3 processes, but process 0 (pid ") && text.contains(") for 2\n"),
            "{text}"
        );
    }
}

#[test]
fn two_of_one_number_are_refused() {
    let server = Server::stand_in();
    let mut children: Vec<Child> = (0..2).map(|i| start("wait", i, 2, &server, &[])).collect();
    children.iter_mut().for_each(|child| child.wait_for("joined"));
    for (i, child) in children.iter().enumerate() {
        let text = output(start("meet", i, 2, &server, &[])).stdout;
        let wanted = format!("Duplicate: two processes are number {i} of the job `default`: this, pid ");
        assert!(text.contains(&wanted) && text.contains(&format!("and pid {} on ", child.id())), "{text}");
    }
    children.iter_mut().for_each(Child::kill);
}

#[test]
fn a_store_that_is_not_there_is_said() {
    let server = Server::none();
    let text = output(start("meet", 0, 2, &server, &[])).stdout;
    let wanted = format!("Unreachable: etcd at {} does not answer since", server.address());
    assert!(text.contains(&wanted) && text.contains("refused"), "{text}");
}

#[test]
fn a_server_that_is_no_etcd_is_said_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::None(listener.local_addr().unwrap().to_string());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream
                .write_all(b"HTTP/1.1 501 Unsupported method\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>");
        }
    });
    let text = output(start("meet", 0, 2, &server, &[])).stdout;
    assert!(text.contains("is no etcd, or one without the JSON form of its API (it answers 501"), "{text}");
}

#[test]
fn a_killed_process_ends_the_others() {
    with_servers(|server| {
        let mut children: Vec<Child> = (0..2).map(|i| start("wait", i, 2, &server, &[])).collect();
        children[1].wait_for("joined");
        children[1].kill();
        let (one, zero) = (children.pop().unwrap(), children.pop().unwrap());
        let output = output(zero);
        assert_eq!(output.status.code(), Some(LOST), "{}\n{}", output.stdout, output.stderr);
        let wanted = format!("error: process 0: lost of the 2 processes: process 1 (pid {} on ", one.id());
        assert!(
            output.stderr.contains(&wanted) && output.stderr.contains("gave no sign of life for 2s"),
            "{}",
            output.stderr
        );
    });
}

#[test]
fn a_killed_store_ends_all() {
    with_servers(|server| {
        let mut children: Vec<Child> = (0..2).map(|i| start("report", i, 2, &server, &[])).collect();
        children.iter_mut().for_each(|child| child.wait_for("joined"));
        let address = server.address();
        drop(server);
        for child in children {
            let output = output(child);
            let wanted = format!("Unreachable: etcd at {address} does not answer since");
            assert!(output.stdout.contains(&wanted), "{}\n{}", output.stdout, output.stderr);
        }
    });
}

#[test]
fn a_process_that_panics_is_told_of_at_once() {
    let server = Server::stand_in();
    let children: Vec<Child> = [("report", 0), ("panic", 1)].map(|(role, i)| start(role, i, 2, &server, &[])).into();
    let texts: Vec<String> = children.into_iter().map(|child| output(child).stdout).collect();
    assert!(
        texts[0].contains("Lost: lost of the 2 processes: process 1 (pid ") && texts[0].contains("it panicked"),
        "{texts:?}"
    );
}

#[test]
fn who_waits_elsewhere_is_found() {
    let server = Server::stand_in();
    let children: Vec<Child> = [("at a", 0), ("at b", 1)].map(|(role, i)| start(role, i, 2, &server, &[])).into();
    let texts: Vec<String> = children.into_iter().map(|child| output(child).stdout).collect();
    let (a, b) = (&texts[0], &texts[1]);
    assert!(a.contains("Missing: 1 of 2 processes have not come to `a` within 1s: process 1 (pid "), "{a}");
    assert!(a.contains("waits at `b`") && b.contains("have not come to `b`"), "{a}\n{b}");
}

/// What a process prints that makes a client while another one plays a role.
fn client_beside(client: &str, other: &str) -> String {
    let server = Server::stand_in();
    let children: Vec<Child> = [(client, 0), (other, 1)].map(|(role, i)| start(role, i, 2, &server, &[])).into();
    let texts: Vec<String> = children.into_iter().map(|child| output(child).stdout).collect();
    texts.concat()
}

#[test]
fn a_plugin_s_wait_for_another_process_ends() {
    // process 1 joins, but makes no client
    let text = client_beside("client", "no client");
    assert!(text.contains("no process has put `mock/devices/1` into etcd at"), "{text}");
}

#[test]
fn a_plugin_does_not_wait_for_who_has_ended() {
    let text = client_beside("waiting client", "leave");
    let wanted = ["process 1 (pid ", "): it has ended, and nobody has put `mock/devices/1` into etcd at"];
    assert!(wanted.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn one_process_needs_no_store() {
    let alone = output(start("alone", 0, 1, &Server::none(), &[]));
    assert!(alone.stdout.contains("process 0 of 1"), "{}\n{}", alone.stdout, alone.stderr);
    assert!(number(&alone.stdout, "devices") == 2, "{}", alone.stdout);
}

/// What all wait for at most.
const LIMIT: Duration = Duration::from_secs(60);
