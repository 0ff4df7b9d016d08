//! Checkpoints that Orbax wrote (`scripts/make_orbax_fixtures.py`).
use raxla_orbax::{ArrayKind, Checkpoint, DType, Empty, Entry, Key, Tree, Value};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// All fixtures whose content is described beside them.
pub fn names() -> Vec<String> {
    let entries = fixture("").read_dir().unwrap().map(|e| e.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn key(json: &Json) -> Key {
    match json[0].as_str().unwrap() {
        "s" => Key::Index(json[1].as_u64().unwrap() as usize),
        _ => Key::Dict(json[1].as_str().unwrap().into()),
    }
}

pub fn read(tree: &Tree, entry: &Entry) -> Vec<u8> {
    let Value::Array(array) = &entry.value else { panic!("{} is no array", entry.name()) };
    let mut out = vec![0; array.shape.iter().product::<usize>() * array.dtype.size()];
    tree.read(&entry.name(), &mut out).unwrap();
    out
}

/// Compares a tree with its description.
fn check(name: &str, tree: &Tree, expected: &Json) {
    let expected = expected.as_array().unwrap();
    assert_eq!(tree.entries().len(), expected.len(), "{name}: {:?}", tree.entries());
    for want in expected {
        let path: Vec<Key> = want["path"].as_array().unwrap().iter().map(key).collect();
        let entry = tree.entries().iter().find(|e| e.path == path).unwrap_or_else(|| panic!("{name}: no {path:?}"));
        let kind = want["kind"].as_str().unwrap();
        let at = format!("{name}: {}", entry.name());
        match &entry.value {
            Value::String(text) => assert_eq!((kind, want["text"].as_str()), ("string", Some(&text[..])), "{at}"),
            Value::Empty(empty) => {
                let names =
                    [("None", Empty::None), ("Dict", Empty::Dict), ("List", Empty::List), ("Tuple", Empty::Tuple)];
                assert!(names.contains(&(kind, *empty)), "{at}: {kind} {empty:?}");
            }
            Value::Array(array) => {
                let kinds =
                    [("jax.Array", ArrayKind::Jax), ("np.ndarray", ArrayKind::Numpy), ("scalar", ArrayKind::Scalar)];
                assert!(kinds.contains(&(kind, array.kind)), "{at}: {kind} {:?}", array.kind);
                assert_eq!(array.dtype.name(), want["dtype"], "{at}");
                assert_eq!(serde_json::json!(array.shape), want["shape"], "{at}");
                assert_eq!(read(tree, entry), bytes(want["hex"].as_str().unwrap()), "{at}");
            }
        }
    }
}

#[test]
fn what_orbax_wrote_is_read() {
    for name in names() {
        let expected: Json = serde_json::from_slice(&std::fs::read(fixture(&format!("{name}.json"))).unwrap()).unwrap();
        for (item, expected) in expected.as_object().unwrap() {
            let checkpoint = Checkpoint::open(fixture(&name)).unwrap();
            let tree = checkpoint.default_tree().unwrap();
            assert_eq!(tree.name().unwrap_or(""), item, "{name}");
            let tree = tree.tree().unwrap();
            check(&name, &tree, expected);
            let verified = tree.verify().unwrap();
            assert!(verified.problems.is_empty(), "{name}: {:?}", verified.problems);
        }
    }
    assert!(names().len() >= 16, "{:?}", names());
}

/// Each hyper-rectangle of an array is what it is of the whole.
#[test]
fn slices_are_parts_of_the_whole() {
    for (name, array) in
        [("v1_chunks", "x"), ("v1_chunks", "y"), ("v1_raw", "x"), ("standard", "params.dense.kernel"), ("old", "gzip")]
    {
        let tree = Checkpoint::open(fixture(name)).unwrap().default_tree().unwrap().tree().unwrap();
        let entry = tree.entry(array).unwrap();
        let Value::Array(of) = &entry.value else { panic!() };
        let (whole, size) = (read(&tree, entry), of.dtype.size());
        let [rows, columns] = of.shape[..] else { panic!() };
        for (top, left) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            let near = ((top + 3).min(rows), (left + 4).min(columns));
            for (bottom, right) in [(rows, columns), (top + 1, columns), (rows, left + 1), near, (top, left)] {
                let mut out = vec![0; (bottom - top) * (right - left) * size];
                tree.read_slice(array, &[top..bottom, left..right], &mut out).unwrap();
                let row = |r: usize| &whole[(r * columns + left) * size..(r * columns + right) * size];
                assert_eq!(
                    out,
                    (top..bottom).flat_map(row).copied().collect::<Vec<u8>>(),
                    "{name} {array} {top}..{bottom} {left}..{right}"
                );
            }
        }
    }
}

#[test]
fn a_manager_has_steps_with_items() {
    let steps = raxla_orbax::steps(fixture("manager")).unwrap();
    assert_eq!(steps.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [3, 20]);
    let step = Checkpoint::open(&steps[1].1).unwrap();
    assert_eq!(step.items().iter().map(|i| i.name()).collect::<Vec<_>>(), [Some("config"), Some("state")]);
    assert_eq!(step.item("config").unwrap().json().unwrap(), serde_json::json!({"layers": 2}));
    let tree = step.default_tree().unwrap().tree().unwrap();
    assert_eq!(read(&tree, tree.entry("step").unwrap()), 20i64.to_le_bytes());
    assert_eq!(step.metadata()["item_handlers"].as_object().unwrap().len(), 2);
}

#[test]
fn all_types_are_known() {
    let tree = Checkpoint::open(fixture("v1_dtypes")).unwrap().default_tree().unwrap().tree().unwrap();
    assert_eq!(tree.entries().len(), DType::ALL.len());
}

#[test]
fn a_strict_comparison() {
    let tree = Checkpoint::open(fixture("v1_chunks")).unwrap().default_tree().unwrap().tree().unwrap();
    let expected =
        |name: &str, shape: &[usize], dtype| raxla_orbax::Expected { name: name.into(), shape: shape.into(), dtype };
    let same = [expected("x", &[8, 12], Some(DType::Float32)), expected("y", &[5, 7], None)];
    assert!(raxla_orbax::diff(&same, &tree).is_empty());
    let other = [expected("x", &[12, 8], Some(DType::Bfloat16)), expected("z", &[1], None)];
    assert_eq!(
        raxla_orbax::diff(&other, &tree).to_string(),
        "missing     z\nunexpected  y\nshape       x: [8, 12] instead of [12, 8]\ndtype       x: float32 instead of bfloat16\n"
    );
}
