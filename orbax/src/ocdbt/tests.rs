//! Nodes whose checksums hold and whose content does not: what a file says of sizes and places is not trusted.
use super::{
    codec::{DataFile, Location, put_varint, seal},
    node::{BTREE_NODE, MANIFEST, VERSION_NODE, decode_btree_node, decode_manifest, decode_version_node},
    *,
};
use std::{fs, sync::Arc};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The envelopes in the files of a fixture that is not compressed: magic number and body.
fn envelopes(folder: &Path) -> Vec<(u32, Vec<u8>)> {
    let files = [folder.to_path_buf(), folder.join("d")].into_iter().flat_map(|f| f.read_dir().unwrap());
    let contents = files.map(|f| f.unwrap().path()).filter(|p| p.is_file()).map(|p| fs::read(p).unwrap());
    let find = |content: Vec<u8>| {
        let envelope = |at: usize| {
            let magic = u32::from_be_bytes(content.get(at..at + 4)?.try_into().ok()?);
            let length = u64::from_le_bytes(content.get(at + 4..at + 12)?.try_into().ok()?) as usize;
            let known = [MANIFEST, VERSION_NODE, BTREE_NODE].contains(&magic);
            known.then(|| content.get(at + 14..at + length - 4).map(|body| (magic, body.to_vec())))?
        };
        (0..content.len()).filter_map(envelope).collect::<Vec<_>>()
    };
    contents.flat_map(find).collect()
}

#[test]
fn altered_nodes_are_read_or_refused() {
    let envelopes = envelopes(&fixture("deep"));
    for magic in [MANIFEST, VERSION_NODE, BTREE_NODE] {
        assert!(envelopes.iter().any(|(m, _)| *m == magic), "{magic:x}");
    }
    let decode = |magic, body: &[u8]| {
        let encoded = seal(magic, body);
        match magic {
            MANIFEST => drop(decode_manifest(&encoded)),
            VERSION_NODE => {
                (0..3).for_each(|height| drop(decode_version_node(&encoded, height, 1, "ocdbt.process_0/")))
            }
            _ => (0..3).for_each(|height| drop(decode_btree_node(&encoded, height, "ocdbt.process_0/"))),
        }
    };
    let some = |magic| envelopes.iter().filter(move |(m, _)| *m == magic).take(12);
    for &(magic, ref body) in [MANIFEST, VERSION_NODE, BTREE_NODE].into_iter().flat_map(some) {
        for at in 0..body.len() {
            for with in [0, 0x7f, 0xff] {
                let mut altered = body.clone();
                altered[at] = with;
                decode(magic, &altered);
                // A long number in place of a short one.
                altered.splice(at..=at, [0xff, 0xff, 0xff, 0xff, with]);
                decode(magic, &altered);
            }
            decode(magic, &body[..at]);
        }
    }
}

/// An inner node with children at these places of the file `f`, below different prefixes.
fn inner(height: u8, children: &[(u64, u64)]) -> Vec<u8> {
    let mut out = vec![height, 1, 1, 0, b'f'];
    put_varint(&mut out, children.len() as u64);
    out.extend(vec![0; children.len() - 1]); // key_prefix_length
    out.extend(vec![1; 2 * children.len()]); // key_suffix_length, subtree_common_prefix_length
    out.extend((0..children.len()).map(|i| i as u8));
    out.extend(vec![0; children.len()]); // data_file_id
    children.iter().for_each(|c| put_varint(&mut out, c.0));
    children.iter().for_each(|c| put_varint(&mut out, c.1));
    out.extend(vec![0; 3 * children.len()]); // statistics
    seal(BTREE_NODE, &out)
}

/// Opens a database whose root is this node, at an offset of the file `f`.
fn open(content: &[u8], height: u8, root: (u64, u64)) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), content).unwrap();
    let file = Arc::new(DataFile { path: "f".into(), base: 0 });
    let mut manifest = Builder::default().manifest([0; 16], &Location { file, offset: root.0, length: root.1 }, 0);
    // The height is behind the table of files and the version's number.
    let at = manifest.windows(5).position(|w| w == [1, 1, 0, b'f', 1]).unwrap() + 6;
    manifest[at] = height;
    let sealed = seal(MANIFEST, &manifest[14..manifest.len() - 4]);
    fs::write(folder.path().join(MANIFEST_FILE), sealed).unwrap();
    match Database::open(folder.path()) {
        Ok(database) => format!("{} keys", database.entries.len()),
        Err(e) => e.to_string(),
    }
}

#[test]
fn trees_of_nodes_that_are_no_trees() {
    let mut leaf = Builder::default();
    leaf.insert("k".into(), Value::Inline([7].into())).unwrap();
    let leaf = leaf.node();
    let length = leaf.len() as u64;
    assert_eq!(open(&leaf, 0, (0, length)), "1 keys");
    assert!(open(&leaf, 1, (0, length)).contains("has height 0 instead of 1"));
    assert!(open(&leaf, 0, (1, length)).contains("are referred to"));
    // Two paths to one node: with more levels, a file of some kilobytes would mean billions of keys.
    let both = [leaf.clone(), leaf.clone()].concat();
    for (children, expected) in
        [([(0, length), (length, length)], "2 keys"), ([(0, length), (0, length)], "refers to this node twice")]
    {
        let root = inner(1, &children);
        let place = (2 * length, root.len() as u64);
        let said = open(&[&both[..], &root].concat(), 1, place);
        assert!(said.contains(expected), "{said}");
    }
    // A node that is its own child.
    let root = inner(2, &[(0, 100)]);
    assert!(open(&root, 2, (0, root.len() as u64)).contains("refers to this node twice"));
}

#[test]
fn data_files_outside_of_the_checkpoint() {
    for path in ["/etc/passwd", "../f", "d/../../f"] {
        let file = Arc::new(DataFile { path: path.into(), base: 0 });
        let manifest = Builder::default().manifest([0; 16], &Location { file, offset: 0, length: 1 }, 0);
        let said = format!("{:?}", decode_manifest(&manifest).unwrap_err());
        assert!(said.contains("outside of the checkpoint"), "{said}");
    }
}
