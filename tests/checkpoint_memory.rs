//! Saving and restoring take little memory beside the arrays themselves. A program of its own: it measures its process.
use raxla::{
    Array, Aval, DType, Mesh, P, Tree,
    checkpoint::{CheckpointManager, Metadata, RestoreOptions, Target},
    runtime,
};
use std::fs;

/// A line of what the system says of this process, in bytes.
fn status(key: &str) -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// How much more memory the process held at some time of `f` than before it; mapped files count too.
fn peak(f: impl FnOnce()) -> usize {
    // (the high-water mark starts anew)
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    f();
    status("VmHWM:").saturating_sub(before)
}

#[test]
#[cfg(target_os = "linux")]
fn saving_holds_no_copy_of_the_model() {
    const LEAVES: usize = 12;
    const ROWS: usize = 2048;
    let options = runtime::Options { cpu_devices: Some(4), ..Default::default() };
    let client = runtime::client_with(&options).unwrap();
    let mesh = Mesh::new(&client, [("data", 4)]).unwrap();
    let sharding = mesh.sharding(P!["data"]);
    let aval = Aval::new(DType::F32, [ROWS, 1024]);
    let fill = |i: usize| {
        let part = move |index: &[std::ops::Range<usize>]| Ok(vec![i as u8; index[0].len() * 4096]);
        Array::from_shards(&sharding, aval.clone(), part).unwrap()
    };
    let model: Vec<Array> = (0..LEAVES).map(fill).collect();
    let (leaf, all) = (aval.bytes(), LEAVES * aval.bytes());
    let place = tempfile::tempdir().unwrap();
    let mut manager = CheckpointManager::open(place.path(), Default::default()).unwrap();
    let save = |manager: &mut CheckpointManager, step| {
        manager.save(step, &model, Metadata::default()).unwrap();
        manager.wait().unwrap();
    };
    save(&mut manager, 0);
    let saving = peak(|| save(&mut manager, 1));
    assert!(saving < leaf / 4 + all / 10, "{} of {} MiB to save", saving >> 20, all >> 20);
    // restored beside it: the arrays again, and the parts of one on the way
    let like = vec![Target::new(aval.clone()).on(sharding.clone()); LEAVES];
    let options = RestoreOptions { client: Some(client.clone()), ..Default::default() };
    let mut back = vec![];
    let restoring = peak(|| back = manager.restore(1, &like, &options).unwrap().tree);
    println!("{} KiB to save, {} KiB to restore {} KiB", saving >> 10, restoring >> 10, all >> 10);
    assert!(restoring < all + leaf + all / 10, "{} MiB to restore {}", restoring >> 20, all >> 20);
    assert!(back.leaves().iter().enumerate().all(|(i, a)| a.to_bytes().unwrap().iter().all(|b| *b == i as u8)));
}
