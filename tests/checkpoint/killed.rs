//! Processes that are killed while they save, and disks that are full.
use super::*;
use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a child process does, and where.
const TASK: &str = "RAXLA_TEST_CHECKPOINT_TASK";
const FOLDER: &str = "RAXLA_TEST_CHECKPOINT_FOLDER";

/// Starts `child` with a task, and waits for its first line.
fn start(task: &str, folder: &Path, shell: &str) -> (Child, BufReader<ChildStdout>) {
    let test = std::env::current_exe().unwrap();
    let script = format!("{shell} exec \"$0\" --exact checkpoint::killed::child --ignored --nocapture");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(test).env(TASK, task).env(FOLDER, folder).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the child ended early");
    }
    (child, out)
}
/// A process that has the lock of a folder until it is killed.
pub(super) fn hold(folder: &Path) -> (Child, BufReader<ChildStdout>) {
    start("hold", folder, "")
}

/// What the child saves at a step: all of it says which.
fn at_step(step: u64) -> (Vec<Array>, Key<Array>) {
    let leaves = (0..3).map(|i| Array::on(&client(), [20_000], &vec![(step + i) as f32; 20_000]).unwrap()).collect();
    (leaves, Key::from_data(Array::on(&client(), [2], &[step as u32, 7]).unwrap()))
}

#[test]
#[ignore = "run by other tests in a child process"]
fn child() {
    let folder = std::env::var(FOLDER).expect("started by a test");
    let folder = Path::new(&folder);
    match &*std::env::var(TASK).unwrap() {
        "hold" => {
            let _manager = manager(folder);
            println!("ready");
            thread::sleep(Duration::from_secs(60));
        }
        "loop" => {
            let keep = vec![raxla::checkpoint::PreservationPolicy::LatestN(2)];
            let options = raxla::checkpoint::CheckpointManagerOptions { preservation: keep, ..Default::default() };
            let mut manager = CheckpointManager::open(folder, options).unwrap();
            let first = manager.latest().unwrap().map_or(0, |step| step + 1);
            for step in first.. {
                manager
                    .save(step, &at_step(step), Metadata::default().with("position", &(step * 10)).unwrap())
                    .unwrap();
                if step == first + 2 {
                    println!("ready");
                }
            }
        }
        "full" => {
            println!("ready");
            let mut manager = manager(folder);
            let x = numbers(&[200_000], 0.0);
            manager.save(1, &x, Metadata::default()).unwrap();
            let error = problem(manager.wait());
            println!("error: {error}");
            // training goes on: nothing is lost, and what is small enough is still saved
            assert_eq!(x.to_vec::<f32>().unwrap()[199_999], 199_999.0);
            assert_eq!(manager.steps().unwrap(), [0u64; 0]);
            manager.save(2, &numbers(&[10], 0.0), Metadata::default()).unwrap();
            manager.wait().unwrap();
            println!("done");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_killed_process_leaves_whole_checkpoints() {
    let place = TempDir::new().unwrap();
    let rounds = if std::env::var("RAXLA_TEST").is_ok_and(|t| t == "quick") { 5 } else { 20 };
    let mut newest = 0;
    for round in 0..rounds {
        let (mut child, _out) = start("loop", place.path(), "");
        let random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        thread::sleep(Duration::from_micros(u64::from(random) % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();

        let mut manager = manager(place.path());
        let left = names(place.path());
        assert!(left.iter().all(|n| n == ".raxla-checkpoints.lock" || n.starts_with("step_")), "{round}: {left:?}");
        let all = manager.steps().unwrap();
        // (one more than is kept, where it was killed before it removed that)
        assert!((2..=3).contains(&all.len()), "{round}: {all:?}");
        for step in &all {
            manager.verify(*step).unwrap();
        }
        let like = at_step(0);
        let found = manager.restore_latest(&like, &here()).unwrap().unwrap();
        assert!(found.passed_over.is_empty() && found.step > newest, "{round}: {}", found.step);
        newest = found.step;
        assert_eq!(bytes(&found.tree.0), bytes(&at_step(newest).0));
        assert_eq!(found.tree.1.data().to_vec::<u32>().unwrap(), [newest as u32, 7]);
        assert_eq!(found.metadata.get::<u64>("position").unwrap(), Some(newest * 10));
    }
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let place = TempDir::new().unwrap();
    // (files of at most 100 blocks; the signal that comes with it would end the process)
    let (mut child, out) = start("full", place.path(), "trap '' XFSZ; ulimit -f 100;");
    let text = out.lines().map(Result::unwrap).collect::<Vec<_>>().join("\n");
    assert!(child.wait().unwrap().success(), "{text}");
    let wanted = "shard-00001-of-00001.safetensors: it cannot be written: File too large (os error 27)\n  \
                  help: allow larger files (`ulimit -f`), or write smaller ones";
    assert!(text.contains(wanted) && text.contains("done"), "{text}");
    assert_eq!(names(place.path()), [".raxla-checkpoints.lock", "step_00000002"]);
    manager(place.path()).verify(2).unwrap();
}
