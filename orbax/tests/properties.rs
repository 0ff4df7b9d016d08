//! What holds of any tree, and of any damage.
use crate::{
    fixtures::{fixture, names, read},
    refused::copy,
};
use proptest::{collection::vec, prelude::*, sample};
use raxla_orbax::{ArrayKind, ArrayType, Checkpoint, DType, Empty, Key, Layout, Options, Result, Value, Writer};
use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// An axis: its size, that of its chunks, and a part of it.
fn axis() -> impl Strategy<Value = (usize, usize, Range<usize>)> {
    (1..7usize, 1..8usize).prop_flat_map(|(n, chunk)| {
        (Just(n), Just(chunk), 0..=n, 0..=n).prop_map(|(n, c, a, b)| (n, c, a.min(b)..a.max(b)))
    })
}

#[derive(Debug, Clone)]
enum Node {
    Array(ArrayType, Vec<Range<usize>>, u8),
    Text(String),
    Nothing(Empty),
    Dict(BTreeMap<String, Node>),
    List(Vec<Node>),
}

fn array() -> impl Strategy<Value = Node> {
    (vec(axis(), 0..4), sample::select(DType::ALL), any::<u8>()).prop_map(|(axes, dtype, seed)| {
        let (shape, chunk) = (axes.iter().map(|a| a.0).collect(), axes.iter().map(|a| a.1).collect());
        let kind = if axes.is_empty() && seed % 2 == 0 { ArrayKind::Scalar } else { ArrayKind::Numpy };
        Node::Array(ArrayType { dtype, shape, chunk, kind }, axes.into_iter().map(|a| a.2).collect(), seed)
    })
}

fn node() -> impl Strategy<Value = Node> {
    let nothing = sample::select(vec![Empty::None, Empty::Dict, Empty::List, Empty::Tuple]);
    let leaf =
        prop_oneof![4 => array(), 1 => any::<String>().prop_map(Node::Text), 1 => nothing.prop_map(Node::Nothing)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let dict = proptest::collection::btree_map("[a-zé'\\\\ \"_0-9]{1,4}", inner.clone(), 1..4).prop_map(Node::Dict);
        prop_oneof![dict, vec(inner, 1..4).prop_map(Node::List)]
    })
}

/// The bytes of an array. (Any bits are a value.)
fn content(array: &ArrayType, seed: u8) -> Vec<u8> {
    let n = array.shape.iter().product::<usize>() * array.dtype.size();
    (0..n).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

/// Writes a tree, and gathers its leaves.
fn write(writer: &mut Writer, path: &[Key], node: &Node, leaves: &mut BTreeMap<Vec<Key>, Node>) -> Result<()> {
    let below = |key: Key| [path, &[key]].concat();
    match node {
        Node::Array(array, _, seed) => writer.write(path, array, &content(array, *seed))?,
        Node::Text(text) => writer.string(path, text)?,
        Node::Nothing(empty) => writer.empty(path, *empty)?,
        Node::Dict(nodes) => {
            return nodes.iter().try_for_each(|(k, n)| write(writer, &below(Key::Dict(k.clone())), n, leaves));
        }
        Node::List(nodes) => {
            return nodes.iter().enumerate().try_for_each(|(i, n)| write(writer, &below(Key::Index(i)), n, leaves));
        }
    }
    leaves.insert(path.to_vec(), node.clone());
    Ok(())
}

/// The part of an array in C order, element by element.
fn part(array: &ArrayType, whole: &[u8], ranges: &[Range<usize>]) -> Vec<u8> {
    let (size, n) = (array.dtype.size(), array.shape.iter().product::<usize>());
    let inside = |element: &usize| {
        let mut rest = *element;
        array.shape.iter().zip(ranges).rev().all(|(s, r)| {
            let at = rest % s;
            rest /= s;
            r.contains(&at)
        })
    };
    (0..n).filter(inside).flat_map(|i| &whole[i * size..(i + 1) * size]).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_is_what_was_written(
        first in array(), rest in proptest::collection::btree_map("[b-z]{1,3}", node(), 0..4),
        zarr3: bool, layout in sample::select(vec![Layout::V1, Layout::Manager, Layout::Direct]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let step = folder.path().join("3");
        let mut writer = Writer::create(&step, Options { layout, zarr3, ..Options::default() }).unwrap();
        let mut leaves = BTreeMap::new();
        let mut root = rest;
        root.insert("a".into(), first);
        write(&mut writer, &[], &Node::Dict(root), &mut leaves).unwrap();
        prop_assert!(!step.exists());
        writer.finish().unwrap();
        prop_assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let tree = Checkpoint::open(&step).unwrap().default_tree().unwrap().tree().unwrap();
        prop_assert_eq!(tree.entries().iter().map(|e| &e.path).collect::<Vec<_>>(), leaves.keys().collect::<Vec<_>>());
        for entry in tree.entries() {
            match (&leaves[&entry.path], &entry.value) {
                (Node::Text(text), Value::String(found)) => prop_assert_eq!(text, found),
                (Node::Nothing(empty), Value::Empty(found)) => prop_assert_eq!(empty, found),
                (Node::Array(array, ranges, seed), Value::Array(found)) => {
                    prop_assert_eq!(array, found);
                    let whole = content(array, *seed);
                    prop_assert_eq!(read(&tree, entry), &whole[..]);
                    let expected = part(array, &whole, ranges);
                    let mut out = vec![0; expected.len()];
                    tree.read_slice(&entry.name(), ranges, &mut out).unwrap();
                    prop_assert_eq!(out, expected);
                }
                (wrote, found) => prop_assert!(false, "{wrote:?} {found:?}"),
            }
        }
        let verified = tree.verify().unwrap();
        prop_assert!(verified.problems.is_empty(), "{:?}", verified.problems);
    }
}

/// All values of a checkpoint, or the first error.
fn values(step: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let tree = Checkpoint::open(step)?.default_tree()?.tree()?;
    tree.verify()?;
    let mut values = BTreeMap::new();
    for entry in tree.entries() {
        if let Value::Array(array) = &entry.value {
            let elements = array.shape.iter().product::<usize>();
            // (a damaged `.zarray` may announce any shape)
            let mut out = vec![0; if elements < 1 << 20 { elements * array.dtype.size() } else { 0 }];
            tree.read(&entry.name(), &mut out)?;
            values.insert(entry.name(), out);
        }
    }
    Ok(values)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Writes a file anew. (Writing over one waits for the disk.)
fn replace(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

/// Damages one file after the other at many places. `protected` are files whose damage may not change a value.
fn damage(step: &Path, places: usize, protected: impl Fn(&Path) -> bool) {
    let good = values(step).unwrap();
    let mut found = Vec::new();
    files(step, &mut found);
    for path in found {
        let content = fs::read(&path).unwrap();
        let stride = (content.len() / places).max(1);
        for at in (0..content.len()).step_by(stride) {
            let mut flipped = content.clone();
            flipped[at] ^= 1 << (at % 8);
            for damaged in [&flipped[..], &content[..at]] {
                replace(&path, damaged);
                if let Ok(values) = values(step)
                    && protected(&path)
                {
                    assert!(values == good, "{} is read otherwise when damaged at {at}", path.display());
                }
            }
        }
        replace(&path, &content);
    }
}

/// The files of a database have checksums, also for the small chunks.
fn in_database(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with("manifest.") || path.parent().unwrap().ends_with("d")
}

#[test]
fn damage_to_what_orbax_wrote() {
    for name in names() {
        let folder = tempfile::tempdir().unwrap();
        let step = folder.path().join("step");
        copy(&fixture(&name), &step);
        if Checkpoint::open(&step).is_ok() {
            // (these have small values outside of nodes)
            damage(&step, 3, |path| in_database(path) && !["deep", "numbered"].contains(&&name[..]));
        }
    }
}

#[test]
fn damage_to_what_was_written_here() {
    for zarr3 in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let step = folder.path().join("step");
        let mut writer = Writer::create(&step, Options { zarr3, ..Options::default() }).unwrap();
        for (name, dtype) in [("a", DType::Float32), ("b", DType::Bfloat16)] {
            let array = ArrayType { dtype, shape: vec![30, 9], chunk: vec![8, 9], kind: ArrayKind::Jax };
            writer.write(&[Key::Dict(name.into())], &array, &content(&array, 3)).unwrap();
        }
        writer.finish().unwrap();
        // Chunks of version 2 have no checksums.
        damage(&step, 60, |path| in_database(path) && (zarr3 || !path.to_str().unwrap().contains("ocdbt.process_0")));
    }
}
