//! Checkpoints: what is saved comes back, on any devices, or an error says why not.
mod damage;
mod killed;
mod partial;
mod retention;

use raxla::{
    Array, Aval, Client, DType, Host, Key, Mesh, P, PartitionSpec, Tensor, Tree,
    checkpoint::{
        Checkpoint, CheckpointError, CheckpointManager, Metadata, Problem, RestoreOptions, Target, latest, steps,
    },
    jit, runtime,
};
use safetensors::SafeTensors;
use std::{fs, path::Path, sync::OnceLock};
use tempfile::TempDir;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}
fn here() -> RestoreOptions {
    RestoreOptions { client: Some(client()), ..Default::default() }
}
fn numbers(dims: &[usize], from: f32) -> Array {
    let n: usize = dims.iter().product();
    Array::on(&client(), dims, &(0..n).map(|i| from + i as f32).collect::<Vec<_>>()).unwrap()
}
fn manager(folder: &Path) -> CheckpointManager {
    CheckpointManager::open(folder, Default::default()).unwrap()
}
/// Saves one checkpoint and waits for it.
fn save<M: Tree<Array>>(folder: &Path, step: u64, tree: &M) -> Checkpoint {
    let mut manager = manager(folder);
    manager.save(step, tree, Metadata::default().metric("loss", step as f64)).unwrap();
    manager.wait().unwrap().unwrap();
    manager.checkpoint(step).unwrap()
}
fn bytes<M: Tree<Array>>(tree: &M) -> Vec<Vec<u8>> {
    tree.leaves().iter().map(|a| a.to_bytes().unwrap()).collect()
}
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
#[track_caller]
fn problem<T>(outcome: raxla::Result<T>) -> CheckpointError {
    match outcome.map(|_| ()).expect_err("it is wrong") {
        raxla::Error::Checkpoint(e) => *e,
        other => panic!("another error: {other}"),
    }
}

#[derive(Tree, Clone)]
struct Layer<T = Tensor> {
    w: T,
    b: Option<T>,
}
type State = (Vec<Layer<Array>>, Array, Array);

/// A model, a replicated array, and a scalar, over a mesh.
fn state(mesh: &Mesh, specs: [PartitionSpec; 3]) -> State {
    let [w, b, table] = specs;
    let put = |a: Array, spec: PartitionSpec| a.put(&mesh.sharding(spec)).unwrap();
    let layer = |i: usize| Layer {
        w: put(numbers(&[16, 8], 1000.0 * i as f32), w.clone()),
        b: (i > 0).then(|| put(numbers(&[8], 0.5), b.clone())),
    };
    let table = put(numbers(&[8, 4, 6], -7.0), table);
    ((0..3).map(layer).collect(), table, put(numbers(&[], 3.0), P![]))
}
fn mesh(axes: &[(&str, usize)]) -> Mesh {
    Mesh::new(&client(), axes.iter().copied()).unwrap()
}

#[test]
fn every_dtype_and_shape_comes_back() {
    let place = TempDir::new().unwrap();
    let of = |dtype: DType| {
        let x: Vec<i128> = vec![0, 1, 1, 0, 1, 1];
        let host = if dtype.is_inexact() {
            Host::floats(dtype, [2, 3], vec![0.0, -0.0, f64::NAN, 1.5, 2.0, -4.0])
        } else {
            Host::ints(dtype, [2, 3], x)
        };
        Array::from_bytes(&client(), host.aval().clone(), &host.to_bytes()).unwrap()
    };
    // (c128 has no name in the files: it is refused)
    let all: Vec<Array> = DType::ALL.into_iter().filter(|d| *d != DType::C128).map(of).collect();
    let empty = numbers(&[0, 4], 0.0);
    let tree = (all, empty, numbers(&[], 7.0), Key::from_data(Array::on(&client(), [2], &[1u32, 2]).unwrap()));
    let checkpoint = save(place.path(), 3, &tree);
    assert!(checkpoint.verify().unwrap().tensors == 28 && checkpoint.step() == 3);
    let as_arrays = checkpoint.restore(&tree, &here()).unwrap().0;
    let types = tree.map(|a| a.aval().clone());
    let as_types = checkpoint.restore(&types, &here()).unwrap().0;
    assert_eq!((bytes(&as_arrays), bytes(&as_types)), (bytes(&tree), bytes(&tree)));
    assert_eq!(as_types.0[1].dtype(), DType::I4);
    let leaves: Vec<String> = checkpoint.leaves().map(|(path, aval)| format!("{path}: {aval}")).collect();
    assert_eq!(leaves[25..], ["1: f32[0, 4]", "2: f32[]", "3.data: u32[2]"]);
    assert_eq!(checkpoint.bytes("2").unwrap().unwrap(), 7f32.to_le_bytes());
    // one leaf alone is a tree
    let one = save(&place.path().join("one"), 0, &tree.2);
    assert_eq!(one.restore(&Aval::new(DType::F32, []), &here()).unwrap().0.to_vec::<f32>().unwrap(), [7.0]);
}

#[test]
fn eight_devices_are_restored_on_any_mesh() {
    let place = TempDir::new().unwrap();
    let grid = mesh(&[("data", 4), ("model", 2)]);
    let specs = [P!["data", "model"], P!["model"], P![_, "data", "model"]];
    let tree = state(&grid, specs);
    let checkpoint = save(place.path(), 100, &tree);
    let want = bytes(&tree);
    // every element is on the disk once, whatever the number of devices that hold it
    let values: usize = want.iter().map(Vec::len).sum();
    let on_disk: u64 = checkpoint.files().map(|(_, n)| n).sum();
    let files: Vec<String> = checkpoint.files().map(|(name, _)| name.to_string()).collect();
    assert_eq!((files.len(), &*files[0]), (8, "shard-00001-of-00008.safetensors"));
    let mut in_tensors = 0;
    for name in &files {
        // any reader of safetensors files reads them
        let file = fs::read(checkpoint.path().join(name)).unwrap();
        in_tensors += SafeTensors::deserialize(&file).unwrap().iter().map(|(_, t)| t.data().len()).sum::<usize>();
    }
    assert!(in_tensors == values && on_disk > values as u64);
    let first = fs::read(checkpoint.path().join(&files[0])).unwrap();
    let first = SafeTensors::deserialize(&first).unwrap();
    assert_eq!(first.tensor("0.1.w[0:4,0:4]").unwrap().shape(), [4, 4]);
    assert_eq!(first.tensor("2").unwrap().data(), 3f32.to_le_bytes());

    let whole = checkpoint.restore(&tree.map(|a| a.aval().clone()), &here()).unwrap().0;
    assert!(whole.leaves().iter().all(|a| a.sharding().is_none()) && bytes(&whole) == want);
    let others = [
        (vec![("data", 1), ("model", 2)], [P![_, "model"], P![], P!["model"]]),
        (vec![("data", 2), ("model", 2)], [P!["model", "data"], P!["data"], P!["data", "model", _]]),
        (vec![("data", 2), ("model", 4)], [P![("model", "data")], P!["model"], P![_, "model", "data"]]),
        (vec![("data", 8), ("model", 1)], [P![_, "data"], P!["data"], P!["data"]]),
    ];
    for (axes, specs) in others {
        let grid = mesh(&axes);
        let like = state(&grid, specs).map(|a| Target::new(a.aval().clone()).on(a.sharding().unwrap().clone()));
        let (moved, report) = checkpoint.restore(&like, &here()).unwrap();
        assert_eq!((bytes(&moved), report.restored), (want.clone(), want.len()), "{grid}");
        for (a, target) in moved.leaves().iter().zip(like.leaves()) {
            assert_eq!(a.sharding(), target.sharding.as_ref());
        }
        // and from there on to somewhere else
        let again = save(&place.path().join(grid.to_string()), 5, &moved);
        assert_eq!(bytes(&again.restore(&tree, &here()).unwrap().0), want);
    }
    // an array of one device in small files, and without elements on several
    let empty = numbers(&[8, 0], 0.0).put(&grid.sharding(P!["data", "model"])).unwrap();
    let tree = (numbers(&[8, 8], 0.0), numbers(&[8, 8], 1.0), empty);
    let options = raxla::checkpoint::CheckpointManagerOptions { max_file_bytes: 300, ..Default::default() };
    let mut small = CheckpointManager::open(place.path().join("small"), options).unwrap();
    small.save(0, &tree, Default::default()).unwrap();
    assert_eq!(small.wait().unwrap().unwrap().files, 2);
    let restored = small.restore(0, &tree, &here()).unwrap();
    assert_eq!(bytes(&restored.tree), bytes(&tree));
}

#[test]
fn a_step_that_donates_does_not_change_what_is_being_saved() {
    let place = TempDir::new().unwrap();
    let mut manager = manager(place.path());
    let grid = mesh(&[("data", 8)]);
    for divided in [false, true] {
        let x = numbers(&[1 << 20], 0.0);
        let mut x = if divided { x.put(&grid.sharding(P!["data"])).unwrap() } else { x };
        let step = jit(|x: Tensor| x + 1.0).on(&client()).donate([0]);
        let step = if divided { step.on(&grid) } else { step };
        let mut values = 0.0;
        for i in 0..3 {
            let number = i + 10 * u64::from(divided);
            // (the tree is dropped at once: the manager holds what it needs)
            manager.save(number, &(x.clone(),), Metadata::default()).unwrap();
            for _ in 0..5 {
                x = step.call((x,)).unwrap();
            }
            let saved = manager.restore(number, &(x.clone(),), &here()).unwrap().tree.0.to_vec::<f32>().unwrap();
            assert!(saved.iter().enumerate().all(|(i, y)| *y == i as f32 + values), "{:?}", &saved[..4]);
            values += 5.0;
        }
    }
}

#[test]
fn metadata_come_back_exactly() {
    let place = TempDir::new().unwrap();
    let mut manager = manager(place.path());
    let floats: Vec<f64> = (0..200).map(|i| (i as f64 * 0.7).sin() * 10f64.powi(i - 100)).collect();
    let mut metadata = Metadata::default().with("position", &u64::MAX).unwrap().with("floats", &floats).unwrap();
    for (i, x) in floats.iter().enumerate() {
        metadata = metadata.metric(&i.to_string(), *x);
    }
    for (name, x) in [("none", f64::NAN), ("large", f64::INFINITY), ("small", f64::NEG_INFINITY)] {
        metadata = metadata.metric(name, x);
    }
    manager.save(1, &numbers(&[1], 0.0), metadata.clone()).unwrap();
    manager.wait().unwrap();
    let mut back = manager.checkpoint(1).unwrap().metadata().clone();
    assert!(back.metrics.remove("none").unwrap().is_nan() && metadata.metrics.remove("none").is_some());
    assert_eq!(back, metadata);
    assert_eq!(back.get::<u64>("position").unwrap(), Some(u64::MAX));
    let error = back.get::<String>("position").unwrap_err().to_string();
    assert!(error.starts_with("metadata `position` of a checkpoint: it is something else (invalid type"), "{error}");
}

#[test]
fn one_writer_and_many_readers() {
    let place = TempDir::new().unwrap();
    let first = save(place.path(), 1, &numbers(&[4], 0.0));
    let mut writer = manager(place.path());
    let error = problem(CheckpointManager::open(place.path(), Default::default()));
    assert_eq!((error.problem, &*error.reason), (Problem::Locked, "this process writes checkpoints into it already"));
    writer.save(2, &numbers(&[4], 1.0), Metadata::default()).unwrap();
    writer.wait().unwrap();
    assert_eq!((steps(place.path()).unwrap(), first.verify().unwrap().tensors), (vec![1, 2], 1));
    let error = problem(writer.save(2, &numbers(&[4], 1.0), Metadata::default()));
    assert_eq!((error.problem, &*error.reason), (Problem::Unsupported, "step 2 is saved already"));
    writer.delete(2).unwrap();
    writer.save(2, &numbers(&[4], 5.0), Metadata::default()).unwrap();
    drop(writer); // waits
    assert_eq!(Checkpoint::open(place.path().join("step_00000002")).unwrap().verify().unwrap().files, 1);
    assert_eq!(names(place.path()), [".raxla-checkpoints.lock", "step_00000001", "step_00000002"]);
    // another process says who it is
    let (mut child, _out) = killed::hold(place.path());
    let error = problem(CheckpointManager::open(place.path(), Default::default()));
    assert_eq!(error.problem, Problem::Locked);
    let wanted = format!("another process writes checkpoints into it: process {} (", child.id());
    assert!(error.reason.starts_with(&wanted), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    CheckpointManager::open(place.path(), Default::default()).unwrap();
}

#[test]
fn what_cannot_be_saved_or_found_is_said() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let error = problem(CheckpointManager::open(file.join("run"), Default::default()));
    assert!(matches!(error.problem, Problem::Io(_)) && error.reason.starts_with("it cannot be written: "), "{error}");
    let mut manager = manager(&place.path().join("run"));
    let x = || numbers(&[2], 0.0);
    let map = |pairs: [(&str, Array); 2]| std::collections::BTreeMap::from(pairs.map(|(k, a)| (k.to_string(), a)));
    // keys of maps may collide: found before anything is written
    let inner = std::collections::BTreeMap::from([("b".to_string(), x())]);
    let colliding = (map([("a.b", x()), ("c", x())]), inner.clone());
    manager.save(0, &colliding, Metadata::default()).unwrap();
    manager.wait().unwrap();
    let reserved = std::collections::BTreeMap::from([("__metadata__".to_string(), x())]);
    manager.save(1, &reserved, Metadata::default()).unwrap();
    // an error of the thread comes out at the next call, which saves nothing; the one after does
    let error = problem(manager.save(2, &x(), Metadata::default()));
    assert!(error.reason.contains("the name is reserved") && error.problem == Problem::Unsupported, "{error}");
    assert_eq!(manager.steps().unwrap(), [0]);
    manager.save(2, &x(), Metadata::default()).unwrap();
    assert_eq!(manager.wait().unwrap().unwrap().step, 2);
    assert_eq!(manager.wait().unwrap(), None);
    let error = problem(manager.checkpoint(7));
    assert_eq!(
        (error.problem, &*error.reason, &*error.help),
        (Problem::NoStep, "there is no step 7", "there are 0, 2")
    );
    assert_eq!(problem(Checkpoint::open(place.path().join("none"))).problem, Problem::NoStep);
    assert!(matches!(problem(steps(place.path().join("none"))).problem, Problem::Io(_)));
    assert_eq!(problem(manager.delete(9)).problem, Problem::NoStep);
    assert_eq!(problem(manager.best()).reason, "no policy says what is best");
    let empty = TempDir::new().unwrap();
    let mut manager = self::manager(empty.path());
    assert!(manager.restore_latest(&x(), &here()).unwrap().is_none() && manager.latest().unwrap().is_none());
    assert!(latest(empty.path()).unwrap().is_none());
}

/// The checkpoint that raxla wrote when the format was new: it has to be read for ever. (`UPDATE_EXPECT=1` writes it only where
/// it is not.)
#[test]
fn version_1_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint_v1");
    let grid = mesh(&[("data", 4), ("model", 2)]);
    let a = numbers(&[8, 6], 0.0).put(&grid.sharding(P!["data", "model"])).unwrap();
    let tree = (a, vec![Array::on(&client(), [3], &[1i32, 2, 3]).unwrap()]);
    if std::env::var_os("UPDATE_EXPECT").is_some() && !folder.exists() {
        let metadata = Metadata::default().metric("loss", 0.25).with("config", &[1, 2]).unwrap();
        manager(&folder).save(100, &tree, metadata).unwrap();
        fs::remove_file(folder.join(".raxla-checkpoints.lock")).unwrap();
    }
    let checkpoint = latest(&folder).unwrap().expect("it is there");
    assert_eq!(checkpoint.verify().unwrap().tensors, 9);
    assert_eq!(bytes(&checkpoint.restore(&tree, &here()).unwrap().0), bytes(&tree));
    let metadata = checkpoint.metadata();
    assert_eq!((metadata.metrics["loss"], metadata.get("config").unwrap()), (0.25, Some(vec![1, 2])));
}
