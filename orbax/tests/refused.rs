//! What is not read, and what is said of it.
use crate::fixtures::fixture;
use raxla_orbax::{Checkpoint, Error};
use std::{fs, path::Path};

/// A copy of a fixture, to be damaged.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn error(path: &Path) -> Error {
    let read = || Checkpoint::open(path)?.default_tree()?.tree().map(drop);
    read().unwrap_err()
}

#[test]
fn uncommitted_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let tmp = folder.path().join("5.orbax-checkpoint-tmp");
    copy(&fixture("v1"), &tmp);
    assert!(matches!(error(&tmp), Error::Uncommitted { .. }));
    assert!(matches!(error(&tmp.join("state")), Error::Uncommitted { .. }));
    // As on an object store: in place, without the marker.
    let step = folder.path().join("6");
    fs::rename(&tmp, &step).unwrap();
    fs::remove_file(step.join("commit_success.txt")).unwrap();
    assert!(Checkpoint::open(&step).is_ok());
    fs::write(step.join("_CHECKPOINT_METADATA"), r#"{"init_timestamp_nsecs": 1, "commit_timestamp_nsecs": null}"#)
        .unwrap();
    assert!(matches!(error(&step), Error::Uncommitted { .. }));
    assert_eq!(raxla_orbax::steps(folder.path()).unwrap(), []);
}

#[test]
fn folders_that_are_no_checkpoints() {
    let said = error(&fixture("manager")).to_string();
    assert!(said.contains("2 checkpoints") && said.ends_with("manager/20"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(error(empty.path()), Error::NotACheckpoint { .. }));
    assert!(matches!(error(&fixture("v1.json")), Error::NotACheckpoint { .. }));
    assert!(matches!(error(&fixture("absent")), Error::Io { .. }));
    fs::write(empty.path().join("checkpoint"), b"\x81").unwrap();
    assert!(error(empty.path()).to_string().contains("msgpack"), "{}", error(empty.path()));
}

/// Replaces a text in a file of a copy, and gives the error of reading that.
fn altered(name: &str, file: &str, old: &str, new: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(name), folder.path());
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{text}");
    fs::write(path, text.replace(old, new)).unwrap();
    error(folder.path()).to_string()
}

#[test]
fn metadata_of_another_kind() {
    let cases = [
        ("files", "step/.zarray", "\"zarr_format\":2", "\"zarr_format\":4", "version 4 of the Zarr format"),
        ("files", "step/.zarray", "zstd", "blosc", "the compressor `blosc`"),
        ("files", "step/.zarray", "\"C\"", "\"F\"", "Fortran's order"),
        ("files", "step/.zarray", "<i8", ">i8", "the data type `>i8`"),
        ("files", "step/.zarray", "\"shape\":[]", "\"shape\":[4]", "is damaged"),
        ("files", "params.layers/.zarray", "[4,8,2]", "[4611686018427387904,8,2]", "is damaged"),
        ("files", "params.layers/.zarray", "[2,2,2]", "[2,0,2]", "is damaged"),
        ("files", "params.layers/.zarray", "[2,2,2]", "[2,2]", "is damaged"),
        ("zarr3_files", "params.layers/zarr.json", "\"little\"", "\"big\"", "big endian"),
        ("zarr3_files", "params.layers/zarr.json", "regular", "rectangular", "chunk grid"),
        ("zarr3_files", "params.layers/zarr.json", "\"zstd\"", "\"blosc\"", "the codec `blosc`"),
        ("files", "_METADATA", "\"key_type\": 1", "\"key_type\": 3", "the key type 3"),
        ("files", "_METADATA", "\"scalar\"", "\"pickle\"", "the value type `pickle`"),
        ("files", "_METADATA", "\"key\": \"step\"", "\"key\": \"../step\"", "outside of the checkpoint"),
        ("files", "_METADATA", "\"key\": \"step\"", "\"key\": \"steps\"", "the array `steps`"),
        ("files", "_METADATA", "\"use_ocdbt\": false", "\"use_ocdbt\": true", "manifest.ocdbt"),
        ("files", "_METADATA", "{\"tree", "[\"tree", "is damaged"),
    ];
    for (name, file, old, new, expected) in cases {
        let said = altered(name, file, old, new);
        assert!(said.contains(expected), "{new}: {said}");
    }
}

#[test]
fn missing_chunks_are_errors_where_all_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("files"), folder.path());
    fs::remove_file(folder.path().join("params.layers/0.1.0")).unwrap();
    let tree = Checkpoint::open(folder.path()).unwrap().default_tree().unwrap().tree().unwrap();
    let said = tree.read("params.layers", &mut [0; 128]).unwrap_err().to_string();
    assert!(said.contains("the chunk `params.layers/0.1.0` is missing"), "{said}");
    // The others are there.
    tree.read_slice("params.layers", &[0..4, 4..8, 0..2], &mut [0; 64]).unwrap();
    let problems = tree.verify().unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn callers_ask_for_what_is_there() {
    let tree = Checkpoint::open(fixture("v1_chunks")).unwrap().default_tree().unwrap().tree().unwrap();
    assert!(tree.read("z", &mut []).unwrap_err().to_string().contains("no array `z`"));
    assert!(tree.read("x", &mut [0; 3]).unwrap_err().to_string().contains("3 bytes"));
    assert!(tree.read_slice("x", &[0..9, 0..1], &mut [0; 36]).unwrap_err().to_string().contains("[8, 12]"));
    assert!(tree.read_slice("x", &[], &mut [0; 4]).unwrap_err().to_string().contains("[8, 12]"));
    tree.read_slice("x", &[3..3, 0..12], &mut []).unwrap();
}
