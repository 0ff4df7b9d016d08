//! Commands of several processes, over the devices of the mock plugin, which meet in a stand-in of etcd. What programs compute there is
//! zeros: this is about who reads, saves and writes what.
use crate::{
    common::{Outcome, assert_calm, assert_holds, fails, raxla, read_tensors, speaker},
    train::Place,
};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

#[path = "../../../tests/distributed/gateway.rs"]
mod gateway;
use gateway::Gateway;

/// The tests of this file run one after the other: each is several processes, which wait for each other.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many processes of these commands, each with two devices.
fn start(gateway: &Gateway, commands: Vec<Command>) -> Vec<Child> {
    let plugin = env::current_exe().unwrap().parent().unwrap().join("libraxla_mock_plugin.so");
    let count = commands.len().to_string();
    let one = |(i, mut command): (usize, Command)| {
        command.args(["--coordinator", &gateway.address, "--num-processes", &count, "--process-id", &i.to_string()]);
        command.args(["--plugin-option", "mock_zeros=true", "--device"]).arg(&plugin);
        command.spawn().unwrap()
    };
    commands.into_iter().enumerate().map(one).collect()
}
fn end(children: Vec<Child>) -> Vec<Outcome> {
    children.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect()
}

#[test]
fn processes_train_together() {
    let _alone = alone();
    let (place, gateway) = (Place::new(6), Gateway::start("v3"));
    let train = |more: &[&str]| place.train("run", &[&["--mesh", "data=2,fsdp=2"], more].concat());
    let outcomes = end(start(&gateway, vec![train(&[]), train(&[])]));
    for (i, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.code, Some(0), "process {i}: {}", outcome.stderr);
        assert_calm(&outcome.stderr);
    }
    // one of them tells
    assert_holds(&outcomes[0].stderr, &["step 1/6", "step 4 is saved", "6 steps"]);
    assert_eq!((&*outcomes[1].stdout, outcomes[1].stderr.contains("step")), ("", false), "{}", outcomes[1].stderr);
    assert_eq!((place.losses("run").len(), place.steps("run")), (6, vec![4, 6]));
    // checkpoints are of both, and whole; so is the model
    let last = raxla::checkpoint::Checkpoint::open(place.path("run").join("checkpoints/step_00000006")).unwrap();
    last.verify().unwrap();
    let model = read_tensors(&place.path("run").join("model/model.safetensors"));
    assert!(model.values().any(|(_, dims, _)| dims[..] == [256, 32]), "the embedding of 256 bytes");
    // they go on together
    let outcomes =
        end(start(&gateway, vec![train(&["--resume", "--steps", "8"]), train(&["--resume", "--steps", "8"])]));
    assert!(outcomes.iter().all(|outcome| outcome.code == Some(0)), "{}", outcomes[0].stderr);
    assert_eq!((place.losses("run").len(), place.steps("run").last()), (8, Some(&8)));
    fs::remove_dir_all(place.path("run")).unwrap();
}

/// Over meshes that divide texts, heads, or both; and one of them tells.
#[test]
fn processes_generate_together() {
    let _alone = alone();
    let (model, gateway) = (speaker(), Gateway::start("v3"));
    let batch = model.path().join("batch.txt");
    fs::write(&batch, "a\nb\nc\nd\n").unwrap();
    for mesh in ["data=4", "data=2,model=2", "model=4"] {
        let generate = || {
            let mut command = raxla(["generate", "-n", "3", "--ignore-eos", "--mesh", mesh, "--model"]);
            command.arg(model.path()).arg("--batch").arg(&batch).stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        };
        let outcomes = end(start(&gateway, vec![generate(), generate()]));
        for (i, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.code, Some(0), "{mesh}, process {i}: {}", outcome.stderr);
            assert_calm(&outcome.stderr);
        }
        assert_eq!((outcomes[0].stdout.lines().count(), &*outcomes[1].stdout), (4, ""), "{mesh}");
    }
}

#[test]
fn processes_that_cannot_train_together_are_told_why() {
    let _alone = alone();
    let (place, gateway) = (Place::new(2), Gateway::start("v3"));
    let four = ["--mesh", "data=4"];
    for (one, two, wanted) in [
        (
            &four[..],
            &["--mesh", "data=4", "--lr", "1"][..],
            "the processes are to train differently: `\"learning_rate\": ",
        ),
        (
            &[][..],
            &[][..],
            "a run of 2 processes needs a mesh of the devices of all\n  help: say how the 4 devices are used",
        ),
        (&["--mesh", "data=2"], &["--mesh", "data=2"], "no device of the mesh data=2 is one of process 1, of 2"),
    ] {
        let commands = vec![place.train("run", one), place.train("run", two)];
        for outcome in end(start(&gateway, commands)) {
            assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
            assert_holds(&outcome.stderr, &[wanted]);
        }
    }
    let mut alone = place.train("run", &["--num-processes", "2", "--process-id", "0"]);
    fails(&mut alone, 1, &["nobody says where the store is"]);
}

/// Reads what a process writes until it says so.
fn wait_for(child: &mut Child, word: &str) {
    let stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let mut seen = String::new();
    for line in stderr.lines() {
        seen += &(line.unwrap() + "\n");
        if seen.contains(word) {
            return;
        }
    }
    panic!("it ended before `{word}`:\n{seen}");
}

/// Whoever is asked to stop, all stop behind one step, have one checkpoint of it, and go on from there.
#[test]
fn a_signal_to_one_process_stops_all_behind_one_step() {
    let _alone = alone();
    let (place, gateway) = (Place::new(5000), Gateway::start("v3"));
    let run = |out: &str, count: usize, more: &[&str]| {
        let mesh = format!("data={count},fsdp=2");
        let more =
            [&["--mesh", &mesh, "--set", "eval.every=0", "--set", "checkpoint.every=0", "--set", "batch=12"], more];
        start(&gateway, (0..count).map(|_| place.train(out, &more.concat())).collect())
    };
    for (out, count, signalled, signal) in [("three", 3, 1, "INT"), ("both", 2, 2, "TERM")] {
        let mut children = run(out, count, &[]);
        wait_for(&mut children[0], "step 5/");
        // SLURM tells all, each a little later than the other
        let asked = if signalled < count { &children[signalled..=signalled] } else { &children[..] };
        for child in asked {
            assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        }
        let outcomes = end(children);
        let behind = |outcome: &Outcome| {
            assert_eq!(outcome.code, Some(75), "{out}: {}", outcome.stderr);
            let (_, rest) =
                outcome.stderr.split_once("stopped behind step ").unwrap_or_else(|| panic!("{}", outcome.stderr));
            rest.split(' ').next().unwrap().parse::<u64>().unwrap()
        };
        let step = behind(&outcomes[0]);
        assert!(outcomes.iter().all(|outcome| behind(outcome) == step), "{out}: not behind one step");
        assert_eq!((place.losses(out).len() as u64, place.steps(out)), (step, vec![step]));
        let folder = place.path(out).join(format!("checkpoints/step_{step:08}"));
        raxla::checkpoint::Checkpoint::open(folder).unwrap().verify().unwrap();
        // they go on from there, to the end
        let steps = (step + 3).to_string();
        let outcomes = end(run(out, count, &["--resume", "--steps", &steps]));
        assert!(outcomes.iter().all(|outcome| outcome.code == Some(0)), "{}", outcomes[0].stderr);
        assert_eq!((place.losses(out).len() as u64, place.steps(out)), (step + 3, vec![step, step + 3]));
    }
}
