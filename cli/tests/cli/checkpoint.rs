//! `raxla checkpoint`
use crate::common::*;
use raxla::{
    Array,
    checkpoint::{CheckpointManager, Metadata},
};
use std::fs;

#[test]
fn checkpoints_are_listed_checked_shown_and_compared() {
    let place = tempfile::tempdir().unwrap();
    let mut manager = CheckpointManager::open(place.path(), Default::default()).unwrap();
    for step in 1..=2u64 {
        let w = Array::from_slice([2, 2], &[1f32, 2.0, 3.0, step as f32]).unwrap();
        let tree = (w, vec![Array::from_slice([3], &[7i32, 8, 9]).unwrap()]);
        let metadata = Metadata::default().metric("loss", 1.0 / step as f64).with("position", &(step * 64)).unwrap();
        manager.save(step, &tree, metadata).unwrap();
    }
    manager.wait().unwrap();
    let checkpoint = |words: &[&str], paths: &[&std::path::Path]| {
        let mut command = raxla(["checkpoint"]);
        command.args(words).args(paths);
        command
    };
    let steps: Vec<_> = [1, 2].map(|i| place.path().join(format!("step_0000000{i}"))).into();
    // beside the one that writes
    let text = succeeds(&mut checkpoint(&["ls"], &[place.path()]));
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_holds(&text, &["         1  ", "  loss 1\n", "  loss 0.5\n"]);
    let all = json(&mut checkpoint(&["ls", "--json"], &[place.path()]));
    assert_eq!((&all[1]["step"], &all[1]["metadata"]["custom"]["position"]), (&2.into(), &128.into()));
    let text = succeeds(&mut checkpoint(&["verify"], &[place.path()]));
    assert_holds(&text, &["step 1: 2 tensors in 1 files", "step 2: "]);
    let text = succeeds(&mut checkpoint(&["show"], &[place.path()]));
    assert_holds(&text, &["step 2, by raxla ", "\"position\": 128", "  0    f32[2, 2]\n  1.0  i32[3]\n"]);
    let all = json(&mut checkpoint(&["show", "--json"], &[&steps[0]]));
    assert_eq!((&all["step"], &all["leaves"][1]["path"]), (&1.into(), &"1.0".into()));
    assert_eq!(succeeds(&mut checkpoint(&["diff"], &[&steps[1], place.path()])), "");
    let outcome = run(&mut checkpoint(&["diff"], &[&steps[0], &steps[1]]));
    assert_eq!((outcome.code, &*outcome.stdout), (Some(1), "0 (f32[2, 2]) differs in 1 of 4 elements\n"));
    assert_eq!(outcome.stderr, "error: step 1 and step 2 differ in 1 arrays\n");

    let shard = steps[1].join("shard-00001-of-00001.safetensors");
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let outcome = run(&mut checkpoint(&["verify"], &[place.path()]));
    assert_eq!(outcome.code, Some(1));
    assert_holds(&outcome.stdout, &["step 1: "]);
    assert_holds(&outcome.stderr, &["shard-00001-of-00001.safetensors: the tensor `", "is damaged: its checksum is "]);
    let empty = tempfile::tempdir().unwrap();
    fails(&mut checkpoint(&["show"], &[empty.path()]), 1, &["there is no whole checkpoint in it"]);
    fails(&mut checkpoint(&["verify"], &[empty.path()]), 1, &["there is no whole checkpoint in it"]);
    fails(
        &mut checkpoint(&["ls"], &[&empty.path().join("none")]),
        1,
        &["is no folder", "help: name the folder of a run"],
    );
}
