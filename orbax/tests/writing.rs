//! What a writer does and refuses.
use raxla_orbax::{ArrayKind, ArrayType, Checkpoint, DType, Empty, Key, Layout, Options, Writer, dict_path};
use std::fs;

fn array(shape: &[usize], chunk: &[usize]) -> ArrayType {
    ArrayType { dtype: DType::Float32, shape: shape.into(), chunk: chunk.into(), kind: ArrayKind::Jax }
}

#[test]
fn nothing_is_seen_of_an_unfinished_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let step = folder.path().join("4");
    let tmp = folder.path().join("4.orbax-checkpoint-tmp");
    fs::create_dir(&tmp).unwrap();
    fs::write(tmp.join("left"), "by an earlier attempt").unwrap();
    let mut writer = Writer::create(&step, Options::default()).unwrap();
    assert!(tmp.exists() && !tmp.join("left").exists() && !step.exists());
    let id = writer.array(&dict_path("a"), &array(&[4], &[2])).unwrap();
    writer.chunk(id, &[1], &[0; 8]).unwrap();
    let said = writer.finish().unwrap_err().to_string();
    assert!(said.contains("only 1 of the 2 chunks of `a`"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_checkpoint_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let said = Writer::create(folder.path(), Options::default()).unwrap_err().to_string();
    assert!(said.contains("exists"), "{said}");
    let step = folder.path().join("5");
    let mut writer = Writer::create(&step, Options::default()).unwrap();
    writer.write(&dict_path("a"), &array(&[1], &[1]), &[0; 4]).unwrap();
    fs::create_dir(&step).unwrap();
    assert!(writer.finish().unwrap_err().to_string().contains("exists by now"));
    assert!(step.exists());
}

#[test]
fn arrays_and_chunks_that_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(folder.path().join("6"), Options::default()).unwrap();
    let a = writer.array(&dict_path("a.b"), &array(&[3], &[2])).unwrap();
    for (path, shape, chunk, expected) in [
        ("c", &[0][..], &[1][..], "without elements"),
        ("c", &[2], &[1, 1], "no chunks"),
        ("c", &[2], &[0], "no chunks"),
        ("c", &[1 << 40, 1 << 40], &[1, 1], "no chunks"),
        ("a.b", &[1], &[1], "as `a.b/zarr.json`"),
        ("a", &[1], &[1], "no path begins with another"),
        ("a.b.c", &[1], &[1], "no path begins with another"),
        ("", &[1], &[1], "not empty"),
    ] {
        let said = writer.array(&dict_path(path), &array(shape, chunk)).unwrap_err().to_string();
        assert!(said.contains(expected), "{path}: {said}");
    }
    // Both would be stored as `a.b`.
    let said = writer.array(&[Key::Dict("a.b".into())], &array(&[1], &[1])).unwrap_err().to_string();
    assert!(said.contains("as `a.b/zarr.json`"), "{said}");
    assert!(writer.empty(&dict_path("a"), Empty::Dict).is_err());
    writer.chunk(a, &[0], &[0; 8]).unwrap();
    for (cell, bytes, expected) in
        [(0, 8, "is written already"), (1, 8, "has 4 bytes, but 8 were given"), (2, 8, "does not exist")]
    {
        let said = writer.chunk(a, &[cell], &vec![0; bytes]).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn custom_metadata_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options { layout: Layout::Manager, ..Options::default() };
    options.custom_metadata.insert("tokens".into(), 12.into());
    let step = folder.path().join("7");
    let mut writer = Writer::create(&step, options).unwrap();
    writer.write(&dict_path("a"), &array(&[1], &[1]), &[0; 4]).unwrap();
    writer.finish().unwrap();
    let checkpoint = Checkpoint::open(&step).unwrap();
    assert_eq!(checkpoint.metadata()["custom_metadata"]["tokens"], 12);
    assert_eq!(raxla_orbax::steps(folder.path()).unwrap(), [(7, step)]);
}

/// Chunks without compression are read in parts: rows at once, columns with what lies between them, a row far behind alone.
#[test]
fn slices_of_large_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let step = folder.path().join("8");
    let (rows, columns) = (300, 2000);
    let bytes: Vec<u8> = (0..rows * columns).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let mut writer = Writer::create(&step, Options { zarr3: false, ..Options::default() }).unwrap();
    writer.write(&dict_path("a"), &array(&[rows, columns], &[rows, columns]), &bytes).unwrap();
    writer.write(&dict_path("b"), &array(&[columns, rows], &[columns, rows]), &bytes).unwrap();
    writer.finish().unwrap();
    let tree = Checkpoint::open(&step).unwrap().default_tree().unwrap().tree().unwrap();
    for (name, width) in [("a", columns), ("b", rows)] {
        for (top, bottom, left, right) in
            [(5, 7, 0, width), (0, 300, 17, 18), (299, 300, 3, 5), (100, 200, 50, width - 1)]
        {
            let mut out = vec![0; (bottom - top) * (right - left) * 4];
            tree.read_slice(name, &[top..bottom, left..right], &mut out).unwrap();
            let row = |r: usize| &bytes[(r * width + left) * 4..(r * width + right) * 4];
            assert!(out == (top..bottom).flat_map(row).copied().collect::<Vec<u8>>(), "{name} {top} {left}");
        }
    }
}
